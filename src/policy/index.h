// SPDX-License-Identifier: Apache-2.0
/*
 * A policy's rules, sorted by what they are for, so that a question meets only those that could
 * match. First match stays first match: every list is in the order of the rules, and the least
 * index of all lists that hold the flow is the answer.
 */
#ifndef WEIR_POLICY_INDEX_H
#define WEIR_POLICY_INDEX_H

#include "policy/atoms.h"
#include "policy/name_table.h"
#include "policy/prefix_trie.h"

struct index {
	struct atoms atoms;
	struct atom_list any, dns, doh;
	struct atom_list groups[GROUP_PUBLIC + 1];
	struct atom_list service; /* any, host and dns: what opens or closes DNS as a service */
	struct atom_list named;   /* one atom for each rule with names, whatever names */
	struct prefix_trie v4, v6;
	struct name_table names;
};

/* Needs p's rules, its list for `doh`, and only_names. False without memory. */
bool index_make(struct index *x, const struct policy *p);
void index_done(struct index *x);

static inline const struct prefix_trie *index_trie(const struct index *x, uint8_t family)
{
	return family == 4 ? &x->v4 : &x->v6;
}

/*
 * Rules in front of the given one that may leave nothing to it: those that hold its first target,
 * at most `max`. Returns how many.
 */
size_t index_earlier(const struct index *x, const struct policy *p, uint32_t rule, uint32_t *ret,
		     size_t max);

#endif
