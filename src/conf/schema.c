// SPDX-License-Identifier: Apache-2.0
/*
 * Walking a document along the table of keys.
 */
#include "conf/schema.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 32 /* keys of one object; the table has fewer */

int schema_fail(struct schema_walk *w, unsigned line, const char *fmt, ...)
{
	char why[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return error_set(w->err, "%s:%u: %s%s%s", w->file, line, w->path.s, w->path.n ? ": " : "",
			 why);
}

/* What a node is, for messages: a scalar's text on one line and cut, else its kind. */
static void node_show(const struct tree_node *n, char *buf, size_t size)
{
	bool quotes = n->kind == TREE_STRING;
	size_t used = 0;

	if (n->kind == TREE_NULL || n->kind == TREE_ARRAY || n->kind == TREE_OBJECT) {
		snprintf(buf, size, "%s", tree_kind_name(n));
		return;
	}
	if (quotes)
		buf[used++] = '\'';
	for (const char *p = n->text; *p && used < size - 5; p++)
		buf[used++] = iscntrl((unsigned char)*p) ? '?' : *p;
	if (n->count + quotes > used)
		used += (size_t)sprintf(buf + used, "...");
	if (quotes)
		buf[used++] = '\'';
	buf[used] = '\0';
}

int schema_wrong(struct schema_walk *w, const struct tree_node *n, const char *why)
{
	size_t head = strcspn(why, ";");
	char found[80];

	if (strncmp(why, "expected", 8) != 0)
		return schema_fail(w, n->line, "%s", why);
	node_show(n, found, sizeof(found));
	return schema_fail(w, n->line, "%.*s, found %s%s", (int)head, why, found, why + head);
}

const char *schema_string(struct schema_walk *w, const struct tree_node *n)
{
	if (n->kind == TREE_STRING)
		return n->text;
	schema_wrong(w, n, "expected a string");
	return NULL;
}

int schema_bool(struct schema_walk *w, const struct tree_node *n, bool *ret)
{
	if (n->kind != TREE_BOOL)
		return schema_wrong(w, n, "expected true or false");
	*ret = strcmp(n->text, "true") == 0;
	return 0;
}

int schema_each(struct schema_walk *w, const struct tree_node *n, const char *what,
		int (*fn)(struct schema_walk *w, const struct tree_node *item))
{
	size_t i = 0;
	char why[80];

	if (n->kind != TREE_ARRAY) {
		snprintf(why, sizeof(why), "expected a list of %s", what);
		return schema_wrong(w, n, why);
	}
	for (const struct tree_node *item = n->first; item; item = item->next) {
		size_t before = tree_path_index(&w->path, i++);
		if (fn(w, item) < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	return 0;
}

/* ---- keys that are none ---------------------------------------------------------------------- */

/* The key's last part. */
static const char *leaf_of(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot ? dot + 1 : path;
}

/* The path of the one key outside this object that is called so: people misplace keys. NULL where
 * there is none, or several. */
static const char *key_elsewhere(const char *name)
{
	const char *found = NULL;

	for (const struct schema_key *k = schema_keys; k->path; k++) {
		if (!k->help || strchr(k->path, '[') || strcmp(leaf_of(k->path), name) != 0)
			continue;
		if (found)
			return NULL;
		found = k->path;
	}
	return found;
}

static int unknown_key(struct schema_walk *w, const struct tree_node *n, const char *const *names)
{
	const char *near = config_nearest(n->key, names);
	const char *elsewhere = near ? NULL : key_elsewhere(n->key);
	char list[256] = "";

	if (elsewhere && strcmp(elsewhere, n->key) == 0) /* at the top, and this is a sandbox */
		elsewhere = NULL;

	tree_path_key(&w->path, n->key);
	if (near || elsewhere)
		return schema_fail(w, n->key_line, "no such key; did you mean '%s'?",
				   near ? near : elsewhere);
	for (size_t i = 0; names[i]; i++) {
		if (i)
			strncat(list, names[i + 1] ? ", " : " or ",
				sizeof(list) - strlen(list) - 1);
		strncat(list, names[i], sizeof(list) - strlen(list) - 1);
	}
	return schema_fail(w, n->key_line, "no such key; expected %s", list);
}

int schema_members(struct schema_walk *w, const struct tree_node *n, const char *const *names,
		   const struct tree_node **ret)
{
	if (n->kind != TREE_OBJECT)
		return schema_wrong(w, n, "expected an object");
	for (size_t i = 0; names[i]; i++)
		ret[i] = NULL;
	for (const struct tree_node *m = n->first; m; m = m->next) {
		size_t i = 0;
		while (names[i] && strcmp(names[i], m->key) != 0)
			i++;
		if (!names[i])
			return unknown_key(w, m, names);
		if (m->kind != TREE_NULL)
			ret[i] = m;
	}
	return 0;
}

/* ---- the walk -------------------------------------------------------------------------------- */

#define SANDBOXES "sandboxes"
#define OWN       SANDBOXES "[]."

/* Where the walk is, below the document or the item that it walks. */
static const char *path_here(const struct schema_walk *w)
{
	return w->path.n < w->item ? "" : w->path.s + w->item;
}

/* The path of a key as it is in the objects that are walked now; NULL where it is not in them. The
 * items of `sandboxes` have all keys of the top level but that one, and some of their own. */
static const char *key_path(const struct schema_walk *w, const struct schema_key *k)
{
	const char *path = k->path;

	if (w->item && strncmp(path, OWN, sizeof(OWN) - 1) == 0)
		path += sizeof(OWN) - 1;
	else if (w->item && strcmp(path, SANDBOXES) == 0)
		return NULL;
	return strchr(path, '[') ? NULL : path;
}

/* What follows "PREFIX." in a path, up to the next dot; NULL where the path does not lie below. */
static const char *part_below(const char *path, const char *prefix, size_t *ret_len)
{
	size_t n = strlen(prefix);

	if (!path)
		return NULL;
	if (n) {
		if (strncmp(path, prefix, n) != 0 || path[n] != '.')
			return NULL;
		path += n + 1;
	}
	*ret_len = strcspn(path, ".");
	return path;
}

/* Names of the keys right below a prefix, each once. */
static size_t names_below(const struct schema_walk *w, char (*names)[32], const char **list)
{
	const char *prefix = path_here(w);
	size_t count = 0, len;

	for (const struct schema_key *k = schema_keys; k->path; k++) {
		const char *part = part_below(key_path(w, k), prefix, &len);
		if (!part || len >= sizeof(*names) || count == NAMES_MAX)
			continue;
		if (count && strlen(names[count - 1]) == len &&
		    strncmp(names[count - 1], part, len) == 0)
			continue;
		memcpy(names[count], part, len);
		names[count][len] = '\0';
		list[count] = names[count];
		count++;
	}
	list[count] = NULL;
	return count;
}

static const struct schema_key *key_find(const struct schema_walk *w)
{
	for (const struct schema_key *k = schema_keys; k->path; k++) {
		const char *path = key_path(w, k);
		if (path && strcmp(path, path_here(w)) == 0)
			return k;
	}
	return NULL;
}

/* Whether the item that comes next says by itself what stands here at the top level. */
static bool said_again(const struct schema_walk *w)
{
	const struct tree_node *n = w->over;
	char part[64];

	for (const char *p = w->path.s; n && *p;) {
		size_t len = strcspn(p, ".");
		snprintf(part, sizeof(part), "%.*s", (int)len, p);
		n = tree_member(n, part);
		p += len + (p[len] == '.');
	}
	return n && n->kind != TREE_NULL;
}

static int key_apply(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	if (n->kind == TREE_NULL && k->apply != schema_rules)
		return 0;
	if (w->over && said_again(w))
		return 0;
	return k->apply(w, k, n);
}

/* The members of an object whose path (which is w->path, too) holds keys alone. Its depth is that
 * of the table. */
static int object_apply(struct schema_walk *w, const struct tree_node *n)
{
	const char *list[NAMES_MAX + 1];
	char names[NAMES_MAX][32];

	names_below(w, names, list);
	for (const struct tree_node *m = n->first; m; m = m->next) {
		size_t i = 0;
		while (list[i] && strcmp(list[i], m->key) != 0)
			i++;
		if (!list[i])
			return unknown_key(w, m, list);
		size_t before = tree_path_key(&w->path, m->key);
		const struct schema_key *k = key_find(w);
		int rc = 0;
		if (k)
			rc = key_apply(w, k, m);
		else if (m->kind == TREE_OBJECT)
			rc = object_apply(w, m);
		else if (m->kind != TREE_NULL)
			rc = schema_wrong(w, m, "expected an object");
		if (rc < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	return 0;
}

/* What no single key shows; whoever reads a file need not know of it. */
static int finish(struct schema_walk *w)
{
	struct error why;

	if (schema_secrets_finish(w) < 0)
		return -1;
	if (config_check_interception(w->c, &why) == 0)
		return 0;
	/* About a secret it says where that stands. */
	return strncmp(why.msg, "tls.", 4) == 0 ? error_set(w->err, "%s: %s", w->file, why.msg)
						: error_set(w->err, "%s", why.msg);
}

int schema_apply(const struct tree *t, struct config *c, struct error *err)
{
	struct schema_walk w = {.file = tree_file(t), .c = c, .err = err};
	const struct tree_node *root = tree_root(t);

	if (root->kind != TREE_OBJECT)
		return schema_wrong(&w, root, "expected an object with keys such as policy");
	return object_apply(&w, root) < 0 ? -1 : finish(&w);
}

int schema_apply_sandbox(const struct tree *t, size_t index, struct config *c, struct error *err)
{
	struct schema_walk w = {.file = tree_file(t), .c = c, .err = err};
	const struct tree_node *list = tree_member(tree_root(t), SANDBOXES);
	const struct tree_node *item = list && list->kind == TREE_ARRAY ? list->first : NULL;

	for (size_t i = 0; item && i < index; i++)
		item = item->next;
	if (!item)
		return error_set(err, "%s: there is no sandbox number %zu", tree_file(t), index);
	w.over = item;
	if (object_apply(&w, tree_root(t)) < 0)
		return -1;
	w.over = NULL;
	tree_path_key(&w.path, SANDBOXES);
	tree_path_index(&w.path, index);
	if (item->kind != TREE_OBJECT)
		return schema_wrong(&w, item, "expected an object with keys such as link");
	w.item = w.path.n + 1; /* behind the dot that the first key puts there */
	if (object_apply(&w, item) < 0)
		return -1;
	if (!c->serve_count)
		return schema_fail(
			&w, item->line,
			"it has no link; expected one, such as link: stream:/run/vm.sock");
	return finish(&w);
}
