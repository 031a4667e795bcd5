// SPDX-License-Identifier: Apache-2.0
/* Documents: read from files, freed, looked into. */
#include "conf/tree.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/tree_build.h"

/* A file's name as messages show it: one line, and of a long one the end. */
#define NAME_SHOWN 120

static char *name_shown(const char *file)
{
	size_t n = strlen(file);
	char *name;

	if (asprintf(&name, "%s%s", n > NAME_SHOWN ? "..." : "",
		     file + (n > NAME_SHOWN ? n - NAME_SHOWN : 0)) < 0)
		return NULL;
	for (char *p = name; *p; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	return name;
}

struct tree *tree_parse(const char *file, enum tree_format format, const char *text, size_t n,
			struct error *err)
{
	struct tree *t = calloc(1, sizeof(*t));
	struct tree_builder b = {.tree = t, .err = err};
	int rc;

	if (t)
		t->file = name_shown(file);
	if (!t || !t->file) {
		error_set(err, "the configuration file: out of memory");
		goto bad;
	}
	if (n > TREE_SIZE_MAX) {
		error_set(err, "%s: the file is longer than %zu MiB", t->file, TREE_SIZE_MAX >> 20);
		goto bad;
	}
	rc = format == TREE_JSON ? tree_read_json(&b, text, n) : tree_read_yaml(&b, text, n);
	if (rc == 0 && !t->root)
		rc = error_set(err, "%s: the file is empty; {} stands for the defaults", t->file);
	if (rc == 0)
		return t;
bad:
	tree_free(t);
	return NULL;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	arena_done(&t->mem);
	free(t->file);
	free(t);
}

/* The whole file, at most one byte more than it may have. NULL and err on failure. */
static char *file_read(const char *path, size_t *ret_n, struct error *err)
{
	size_t n = 0, room = (size_t)64 << 10;
	char *text = NULL, *grown, *name;
	int errnum;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (fd < 0)
		goto bad;
	do {
		grown = realloc(text, room);
		if (!grown)
			goto bad;
		text = grown;
		got = read(fd, text + n, room - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			goto bad;
		n += (size_t)got;
		if (n == room)
			room *= 2;
	} while (got != 0 && n <= TREE_SIZE_MAX);
	close(fd);
	*ret_n = n;
	return text;
bad:
	errnum = errno;
	name = name_shown(path);
	error_set_errno(err, errnum, "%s", name ? name : "the configuration file");
	free(name);
	free(text);
	if (fd >= 0)
		close(fd);
	return NULL;
}

struct tree *tree_load(const char *path, struct error *err)
{
	size_t len = strlen(path), n;
	bool json = len >= 5 && strcmp(path + len - 5, ".json") == 0;
	char *text = file_read(path, &n, err);

	if (!text)
		return NULL;
	struct tree *t = tree_parse(path, json ? TREE_JSON : TREE_YAML, text, n, err);
	free(text);
	return t;
}

const struct tree_node *tree_root(const struct tree *t)
{
	return t->root;
}

const char *tree_file(const struct tree *t)
{
	return t->file;
}

const struct tree_node *tree_member(const struct tree_node *n, const char *key)
{
	if (n->kind != TREE_OBJECT)
		return NULL;
	for (const struct tree_node *m = n->first; m; m = m->next) {
		if (strcmp(m->key, key) == 0)
			return m;
	}
	return NULL;
}

const char *tree_kind_name(const struct tree_node *n)
{
	static const char *const names[] = {
		[TREE_NULL] = "null",       [TREE_BOOL] = "true or false",
		[TREE_NUMBER] = "a number", [TREE_STRING] = "a string",
		[TREE_ARRAY] = "a list",    [TREE_OBJECT] = "an object",
	};

	return names[n->kind];
}

bool tree_equal(const struct tree_node *a, const struct tree_node *b)
{
	if (a->kind != b->kind || a->count != b->count || !a->key != !b->key ||
	    (a->key && strcmp(a->key, b->key) != 0))
		return false;
	if (a->kind != TREE_ARRAY && a->kind != TREE_OBJECT)
		return strcmp(a->text, b->text) == 0;
	const struct tree_node *x = a->first, *y = b->first;
	for (; x && y; x = x->next, y = y->next) {
		if (!tree_equal(x, y))
			return false;
	}
	return !x && !y;
}

static void path_add(struct tree_path *p, const char *text)
{
	for (; *text && p->n + 1 < sizeof(p->s); text++)
		p->s[p->n++] = *text >= ' ' && *text <= '~' ? *text : '?';
	p->s[p->n] = '\0';
}

size_t tree_path_key(struct tree_path *p, const char *key)
{
	size_t before = p->n;

	if (p->n)
		path_add(p, ".");
	path_add(p, key);
	return before;
}

size_t tree_path_index(struct tree_path *p, size_t index)
{
	size_t before = p->n;
	char text[32];

	snprintf(text, sizeof(text), "[%zu]", index);
	path_add(p, text);
	return before;
}

void tree_path_cut(struct tree_path *p, size_t n)
{
	p->n = n;
	p->s[n] = '\0';
}
