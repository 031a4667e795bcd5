// SPDX-License-Identifier: Apache-2.0
/*
 * The names of all rules, in a hash table: each with the atoms of rules for the name itself and of
 * rules for all names below it. A name is looked up whole, and each of its suffixes that has as
 * many labels as some suffix of a rule.
 *
 * The hash has no key: the table is filled by the configuration alone. A guest that asks for names
 * of one hash meets the longest run of the table, which is short at half full.
 */
#ifndef WEIR_POLICY_NAME_TABLE_H
#define WEIR_POLICY_NAME_TABLE_H

#include "policy/atoms.h"

#define NAME_LABELS_MAX 128 /* 253 characters are at most 127 labels */

struct name_node {
	const char *s;
	uint8_t len;
	bool doh; /* a name of `doh`, whose atoms are a list of their own */
	struct atom_list self, below;
};

struct name_slot {
	uint32_t hash;
	uint32_t node; /* 0: free */
};

struct name_table {
	struct name_node *nodes; /* the first is not used */
	uint32_t count;
	struct name_slot *slots;
	uint32_t mask;
	const struct atom_list *doh;           /* set by the owner */
	uint64_t depths[NAME_LABELS_MAX / 64]; /* label counts of names that have atoms below */
};

/* Room for n names; false without memory. */
bool name_table_init(struct name_table *t, size_t n);
void name_table_done(struct name_table *t);
/* The node of a name, made where it is not there; there is room for it. */
uint32_t name_table_add(struct name_table *t, const struct rule_name *n);

/* The lists that hold a name; returns how many. */
size_t name_table_find(const struct name_table *t, const char *s, size_t len,
		       const struct atom_list *ret[NAME_LABELS_MAX]);
/* The list of what lies below exactly that name; NULL: none. */
const struct atom_list *name_table_below(const struct name_table *t, const char *s, size_t len);

#endif
