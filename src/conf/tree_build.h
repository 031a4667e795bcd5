// SPDX-License-Identifier: Apache-2.0
/*
 * How the readers of YAML and JSON put a tree together: what both forbid is checked here once.
 */
#ifndef WEIR_CONF_TREE_BUILD_H
#define WEIR_CONF_TREE_BUILD_H

#include "conf/tree.h"
#include "policy/arena.h"

struct tree {
	struct arena mem; /* nodes and texts */
	char *file;
	struct tree_node *root; /* NULL until the document's value is there */
};

struct tree_mark {
	size_t line, column; /* from 1 */
};

/* One array or object that is open. */
struct tree_level {
	struct tree_node *node;
	struct tree_node *last; /* its last child so far */
};

struct tree_builder {
	struct tree *tree;
	struct tree_level open[TREE_DEPTH_MAX];
	unsigned depth;
	size_t nodes;
	const char *key; /* the key whose value comes next; NULL: none */
	uint32_t key_line;
	struct error *err;
};

/* The next of these functions sees what the one before has done; each returns 0, or -1 and err. */
int tree_build_open(struct tree_builder *b, enum tree_kind kind, struct tree_mark at);
void tree_build_close(struct tree_builder *b);
int tree_build_scalar(struct tree_builder *b, enum tree_kind kind, const char *text, size_t n,
		      struct tree_mark at);
int tree_build_key(struct tree_builder *b, const char *text, size_t n, struct tree_mark at);
/* True where a key, and not a value, comes next. */
bool tree_build_wants_key(const struct tree_builder *b);
/* "FILE:LINE: PATH: " and the message. Returns -1. */
int tree_build_fail(struct tree_builder *b, struct tree_mark at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* tree_yaml.c, tree_json.c */
int tree_read_yaml(struct tree_builder *b, const char *text, size_t n);
int tree_read_json(struct tree_builder *b, const char *text, size_t n);

#endif
