// SPDX-License-Identifier: Apache-2.0
/*
 * The prefixes of one address family: a binary trie without nodes that have one child only. The
 * node of the longest prefix that holds an address is found by going down, and all shorter ones by
 * its chain of `up`.
 *
 * With many prefixes the first 16 bits are a table of where to begin, which saves the upper levels.
 */
#ifndef WEIR_POLICY_PREFIX_TRIE_H
#define WEIR_POLICY_PREFIX_TRIE_H

#include "policy/atoms.h"

struct trie_node {
	uint64_t hi, lo;   /* as in struct addr_key */
	uint32_t child[2]; /* by the bit behind the prefix; 0: none */
	uint32_t up;       /* the nearest node above with atoms; 0: none */
	struct atom_list list;
	uint8_t bits;
	uint8_t names; /* guarded groups that the prefix names */
	bool doh;      /* an address of `doh`, whose atoms are a list of their own */
};

struct prefix_trie {
	struct trie_node *nodes; /* the first is not used */
	uint32_t count, cap;
	uint32_t root;
	uint32_t prefixes; /* nodes that were asked for */
	uint32_t *start;   /* by the first 16 bits; NULL: the root */
};

/* The node of a prefix, made where it is not there; 0 without memory. */
uint32_t trie_add(struct prefix_trie *t, const struct rule_prefix *p);
/* To be called once, when all lists are there. False without memory. */
bool trie_finish(struct prefix_trie *t);
void trie_done(struct prefix_trie *t);

/* The node with atoms (or for `doh`) of the longest prefix of at most `bits` bits that holds the
 * address; 0: none.
 */
uint32_t trie_find(const struct prefix_trie *t, const struct addr_key *a, unsigned bits);

#endif
