// SPDX-License-Identifier: Apache-2.0
/* Puts nodes into a tree, within the bounds. */
#include "conf/tree_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COLUMN_MAX 0xffffffu /* what a node has room for */

/* The path of the value that comes next: the open levels, and the key or index in the last. */
static void path_here(const struct tree_builder *b, struct tree_path *p)
{
	p->n = 0;
	p->s[0] = '\0';
	for (unsigned i = 0; i < b->depth; i++) {
		const struct tree_level *l = &b->open[i];
		bool is_last = i + 1 == b->depth;
		if (l->node->kind == TREE_ARRAY)
			tree_path_index(p, is_last ? l->node->count : l->node->count - 1);
		else if (!is_last)
			tree_path_key(p, l->last->key);
		else if (b->key)
			tree_path_key(p, b->key);
	}
}

int tree_build_fail(struct tree_builder *b, struct tree_mark at, const char *fmt, ...)
{
	struct tree_path path;
	char why[256];
	va_list ap;

	path_here(b, &path);
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return error_set(b->err, "%s:%zu: %s%s%s", b->tree->file, at.line, path.s,
			 path.n ? ": " : "", why);
}

static int no_memory(struct tree_builder *b)
{
	return error_set(b->err, "%s: out of memory", b->tree->file);
}

bool tree_build_wants_key(const struct tree_builder *b)
{
	return b->depth && b->open[b->depth - 1].node->kind == TREE_OBJECT && !b->key;
}

/* Appends a node to what is open. */
static struct tree_node *node_add(struct tree_builder *b, enum tree_kind kind, struct tree_mark at)
{
	if (++b->nodes > TREE_NODES_MAX) {
		tree_build_fail(b, at, "more than %d values", TREE_NODES_MAX);
		return NULL;
	}
	struct tree_node *n = arena_get(&b->tree->mem, sizeof(*n));
	if (!n) {
		no_memory(b);
		return NULL;
	}
	*n = (struct tree_node){0};
	n->kind = kind;
	n->line = (uint32_t)at.line;
	n->column = (uint32_t)(at.column < COLUMN_MAX ? at.column : COLUMN_MAX);
	n->key = b->key;
	n->key_line = b->key ? b->key_line : n->line;
	b->key = NULL;
	if (!b->depth) {
		b->tree->root = n;
		return n;
	}
	struct tree_level *l = &b->open[b->depth - 1];
	*(l->last ? &l->last->next : &l->node->first) = n;
	l->last = n;
	l->node->count++;
	return n;
}

int tree_build_open(struct tree_builder *b, enum tree_kind kind, struct tree_mark at)
{
	if (b->depth == TREE_DEPTH_MAX)
		return tree_build_fail(b, at, "nested more than %d levels deep", TREE_DEPTH_MAX);
	struct tree_node *n = node_add(b, kind, at);
	if (!n)
		return -1;
	b->open[b->depth++] = (struct tree_level){.node = n};
	return 0;
}

void tree_build_close(struct tree_builder *b)
{
	b->depth--;
}

int tree_build_scalar(struct tree_builder *b, enum tree_kind kind, const char *text, size_t n,
		      struct tree_mark at)
{
	if (memchr(text, 0, n))
		return tree_build_fail(b, at, "a NUL character in a string");
	struct tree_node *node = node_add(b, kind, at);
	if (!node)
		return -1;
	node->text = arena_text(&b->tree->mem, text, n);
	node->count = (uint32_t)n;
	return node->text ? 0 : no_memory(b);
}

int tree_build_key(struct tree_builder *b, const char *text, size_t n, struct tree_mark at)
{
	struct tree_node *object = b->open[b->depth - 1].node;

	if (memchr(text, 0, n))
		return tree_build_fail(b, at, "a NUL character in a key");
	if (object->count == TREE_KEYS_MAX)
		return tree_build_fail(b, at, "more than %d keys in one object", TREE_KEYS_MAX);
	const struct tree_node *member = object->first;
	for (; member; member = member->next) {
		if (strlen(member->key) == n && memcmp(member->key, text, n) == 0)
			break;
	}
	b->key = arena_text(&b->tree->mem, text, n);
	if (!b->key)
		return no_memory(b);
	b->key_line = (uint32_t)at.line;
	if (member)
		return tree_build_fail(b, at, "the key is there twice; the first one is on line %u",
				       member->key_line);
	return 0;
}
