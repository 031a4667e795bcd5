// SPDX-License-Identifier: Apache-2.0
/*
 * The one schema of the configuration: which keys there are, what each takes, and which field it
 * sets. The file, its manual page and messages about it are made from the table here.
 *
 * A key that is null is as good as left out (but for policy.rules, where null is an empty list).
 * Nothing is guessed: an unknown key, a wrong type and a value out of bounds are errors, each
 * "FILE:LINE: PATH: what, what was expected".
 */
#ifndef WEIR_CONF_SCHEMA_H
#define WEIR_CONF_SCHEMA_H

#include "conf/config.h"
#include "conf/tree.h"

/* A walk over a document. */
struct schema_walk {
	const char *file;
	struct config *c;
	struct tree_path path;
	struct error *err;
	size_t item; /* inside an item of `sandboxes`: where in `path` its own keys begin */
	const struct tree_node *over; /* the item whose keys take the place of the top level's */
};

struct schema_key {
	const char *path; /* "interface.mtu"; "ports[].guest_port": of the items of a list. Those of
			     the items of "sandboxes" come beside the keys of the top level */
	const char *type; /* what it takes, for people: "number", "list of networks" */
	const char *dflt; /* its default as JSON; NULL: none */
	const char *help; /* one or more sentences on one line, no final full stop; NULL: a key of
			     later versions, of which only the default is taken */
	/* Sets the field from a node that is not null. NULL: the list that holds it does. */
	int (*apply)(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n);
	size_t field; /* offset in struct config, for appliers that serve several keys */
	uint64_t min, max;
	const char *const *words; /* the only right words, NULL-terminated */
};
/* In the manual's order, sections together; ends with a NULL path. */
extern const struct schema_key schema_keys[];

/* Applies a document to a configuration that holds the defaults. 0, or -1 and err. */
int schema_apply(const struct tree *t, struct config *c, struct error *err);

/* One of its sandboxes, and the top level for what that does not say. 0, or -1 and err. */
int schema_apply_sandbox(const struct tree *t, size_t index, struct config *c, struct error *err);

/* ---- between the files of the schema ---- */

/* "FILE:LINE: PATH: message". Returns -1. */
int schema_fail(struct schema_walk *w, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a value that is not what was expected: `why` is "expected X" and perhaps "; hint",
 * and what was found is put behind X. */
int schema_wrong(struct schema_walk *w, const struct tree_node *n, const char *why);
/* Text of a string. NULL and the error where it is none. */
const char *schema_string(struct schema_walk *w, const struct tree_node *n);
int schema_bool(struct schema_walk *w, const struct tree_node *n, bool *ret);
/*
 * The members of an object in the order of `names` (NULL-terminated); those that are missing or
 * null are NULL. A key that is none of the names is an error.
 */
int schema_members(struct schema_walk *w, const struct tree_node *n, const char *const *names,
		   const struct tree_node **ret);
/* Calls fn for each item of a list, with the path on the item. */
int schema_each(struct schema_walk *w, const struct tree_node *n, const char *what,
		int (*fn)(struct schema_walk *w, const struct tree_node *item));

/* schema_rule.c: policy.rules. */
int schema_rules(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n);

/* schema_tls.c */
int schema_tls_ports(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n);
int schema_tls_bypass(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n);
int schema_tls_upstream_ca(struct schema_walk *w, const struct schema_key *k,
			   const struct tree_node *n);
int schema_tls_scoped_ca(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n);
int schema_tls_scoped_verify(struct schema_walk *w, const struct schema_key *k,
			     const struct tree_node *n);
int schema_tls_client_certs(struct schema_walk *w, const struct schema_key *k,
			    const struct tree_node *n);

/* schema_secret.c */
int schema_secrets(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n);
/* What holds for all secrets is told to each. */
int schema_secrets_finish(struct schema_walk *w);
int schema_on_violation(struct schema_walk *w, const struct schema_key *k,
			const struct tree_node *n);

#endif
