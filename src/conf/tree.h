// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration document as a tree, whether it was written in YAML or in JSON.
 *
 * Theory of operation
 * -------------------
 * JSON (a file whose name ends in .json) is strict RFC 8259 as jansson takes it. YAML is libyaml's
 * 1.1 syntax with the types of the YAML 1.2 core schema, so that a plain `no` is a string. Of YAML
 * only what JSON can say, too, is taken: no anchors, aliases, tags or merge keys, no second
 * document, and keys are strings. A key that is there twice is an error in both.
 *
 * Every node knows its line and column, so that whoever judges it can say where it stands.
 *
 * Trust: the file is its author's, but may be broken or generated; size, depth and number of nodes
 * are bounded, and the time is proportional to the size.
 *
 * RFC 8259; YAML 1.2.2 section 10.3 (core schema).
 */
#ifndef WEIR_CONF_TREE_H
#define WEIR_CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Beyond any of these the file is refused with a message that names the bound. */
#define TREE_SIZE_MAX  ((size_t)16 << 20) /* bytes: room for 200,000 rules of 80 bytes */
#define TREE_DEPTH_MAX 32                 /* the schema has five levels */
#define TREE_NODES_MAX 2000000            /* eight for each of 200,000 rules, and some */
#define TREE_KEYS_MAX  64                 /* in one object; the schema has fewer */

enum tree_kind {
	TREE_NULL,
	TREE_BOOL,   /* text is "true" or "false" */
	TREE_NUMBER, /* text is as written */
	TREE_STRING,
	TREE_ARRAY,
	TREE_OBJECT,
};

enum tree_format {
	TREE_YAML,
	TREE_JSON,
};

struct tree_node {
	struct tree_node *next; /* in the same array or object */
	const char *key;        /* of a member of an object, else NULL */
	union {
		const char *text;        /* of a scalar (null: ""), ends with a NUL, holds none */
		struct tree_node *first; /* of an array or object */
	};
	uint32_t count;       /* children; bytes of text */
	uint32_t line;        /* from 1 */
	uint32_t key_line;    /* where the key stands */
	uint32_t kind : 8;    /* enum tree_kind */
	uint32_t column : 24; /* from 1, in characters */
};

struct tree; /* a document and its memory */

/* Parses n bytes. `file` is the name in messages. NULL and err on failure. */
struct tree *tree_parse(const char *file, enum tree_format format, const char *text, size_t n,
			struct error *err);
/* Reads and parses a file; the format goes by its name. */
struct tree *tree_load(const char *path, struct error *err);
void tree_free(struct tree *t);

const struct tree_node *tree_root(const struct tree *t);
const char *tree_file(const struct tree *t);

/* The member of an object with that key; NULL where there is none, or n is no object. */
const struct tree_node *tree_member(const struct tree_node *n, const char *key);
/* "a number", "a list"... */
const char *tree_kind_name(const struct tree_node *n);
/* Kinds, keys with their order, texts: all but the places. */
bool tree_equal(const struct tree_node *a, const struct tree_node *b);

/* Where one is in a document, as messages say it: "policy.rules[3].ports". Text that is not
 * printable becomes '?', and what is too long is cut. */
struct tree_path {
	char s[192];
	size_t n;
};
/* Both return the length before, for tree_path_cut(). */
size_t tree_path_key(struct tree_path *p, const char *key);
size_t tree_path_index(struct tree_path *p, size_t index);
void tree_path_cut(struct tree_path *p, size_t n);

#endif
