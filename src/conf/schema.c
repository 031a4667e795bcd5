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

/* What follows "PREFIX." in a path, up to the next dot; NULL where the path does not lie below. */
static const char *part_below(const char *path, const char *prefix, size_t *ret_len)
{
	size_t n = strlen(prefix);

	if (strchr(path, '['))
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
static size_t names_below(const char *prefix, char (*names)[32], const char **list)
{
	size_t count = 0, len;

	for (const struct schema_key *k = schema_keys; k->path; k++) {
		const char *part = part_below(k->path, prefix, &len);
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

static const struct schema_key *key_find(const char *path)
{
	for (const struct schema_key *k = schema_keys; k->path; k++) {
		if (strcmp(k->path, path) == 0)
			return k;
	}
	return NULL;
}

static int key_apply(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	if (n->kind == TREE_NULL && k->apply != schema_rules)
		return 0;
	return k->apply(w, k, n);
}

/* The members of an object whose path (which is w->path, too) holds keys alone. Its depth is that
 * of the table. */
static int object_apply(struct schema_walk *w, const struct tree_node *n)
{
	const char *list[NAMES_MAX + 1];
	char names[NAMES_MAX][32];

	names_below(w->path.s, names, list);
	for (const struct tree_node *m = n->first; m; m = m->next) {
		size_t i = 0;
		while (list[i] && strcmp(list[i], m->key) != 0)
			i++;
		if (!list[i])
			return unknown_key(w, m, list);
		size_t before = tree_path_key(&w->path, m->key);
		const struct schema_key *k = key_find(w->path.s);
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

int schema_apply(const struct tree *t, struct config *c, struct error *err)
{
	struct schema_walk w = {.file = tree_file(t), .c = c, .err = err};
	const struct tree_node *root = tree_root(t);

	if (root->kind != TREE_OBJECT)
		return schema_wrong(&w, root, "expected an object with keys such as policy");
	return object_apply(&w, root);
}
