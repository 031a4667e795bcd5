// SPDX-License-Identifier: Apache-2.0
/* A path-compressed binary trie in an array. */
#include "policy/prefix_trie.h"

#include <stdlib.h>

#define START_BITS 16
/* Prefixes from which the table of beginnings is worth its quarter of a megabyte. */
#define START_MIN 2048

static bool has_atoms(const struct trie_node *n)
{
	return n->list.count || n->doh;
}

static unsigned bit_at(const struct addr_key *a, unsigned i)
{
	return (i < 64 ? a->hi >> (63 - i) : a->lo >> (127 - i)) & 1;
}

/* How many of the first bits are the same. */
static unsigned common_bits(const struct addr_key *a, const struct trie_node *n)
{
	if (a->hi != n->hi)
		return (unsigned)__builtin_clzll(a->hi ^ n->hi);
	return a->lo == n->lo ? 128 : 64 + (unsigned)__builtin_clzll(a->lo ^ n->lo);
}

static bool holds(const struct trie_node *n, const struct addr_key *a)
{
	return ((a->hi ^ n->hi) & addr_mask_hi(n->bits)) == 0 &&
	       ((a->lo ^ n->lo) & addr_mask_lo(n->bits)) == 0;
}

/* Room for one prefix and the fork that it may need. */
static bool make_room(struct prefix_trie *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 16;

	if (t->count + 3 <= t->cap)
		return true;
	struct trie_node *grown = realloc(t->nodes, cap * sizeof(*grown));
	if (!grown)
		return false;
	t->nodes = grown;
	t->cap = cap;
	if (t->count == 0)
		t->nodes[t->count++] = (struct trie_node){0};
	return true;
}

static uint32_t new_node(struct prefix_trie *t, const struct addr_key *a, unsigned bits)
{
	t->nodes[t->count] = (struct trie_node){.hi = a->hi & addr_mask_hi(bits),
						.lo = a->lo & addr_mask_lo(bits),
						.bits = (uint8_t)bits};
	return t->count++;
}

uint32_t trie_add(struct prefix_trie *t, const struct rule_prefix *p)
{
	const struct addr_key *a = &p->net;
	unsigned common;
	uint32_t made;

	if (!make_room(t))
		return 0;
	/* No node moves from here on. */
	uint32_t *link = &t->root;
	for (;;) {
		struct trie_node *n = &t->nodes[*link];

		if (!*link) {
			common = p->bits;
			break;
		}
		common = common_bits(a, n);
		if (common > p->bits)
			common = p->bits;
		if (common < n->bits)
			break;
		if (p->bits == n->bits)
			return *link;
		link = &n->child[bit_at(a, n->bits)];
	}
	made = new_node(t, a, p->bits);
	t->nodes[made].names = p->names;
	t->prefixes++;
	if (*link) {
		uint32_t old = *link, top = made;
		struct addr_key key = {t->nodes[old].hi, t->nodes[old].lo, 0};

		if (common < p->bits) {
			top = new_node(t, a, common);
			t->nodes[top].child[bit_at(a, common)] = made;
		}
		t->nodes[top].child[bit_at(&key, common)] = old;
		*link = top;
	} else {
		*link = made;
	}
	return made;
}

/* The depth is at most the number of bits of an address. */
static void set_up(struct prefix_trie *t, uint32_t i, uint32_t up)
{
	struct trie_node *n = &t->nodes[i];

	n->up = up;
	for (int k = 0; k < 2; k++)
		if (n->child[k])
			set_up(t, n->child[k], has_atoms(n) ? i : up);
}

/* The last node on the way to an address that is no longer than the table's bits; the root where
 * even that one is longer. */
static uint32_t start_of(const struct prefix_trie *t, const struct addr_key *a)
{
	uint32_t at = t->root;

	for (uint32_t i = at; i && t->nodes[i].bits <= START_BITS && holds(&t->nodes[i], a);
	     i = t->nodes[i].bits < START_BITS ? t->nodes[i].child[bit_at(a, t->nodes[i].bits)] : 0)
		at = i;
	return at;
}

bool trie_finish(struct prefix_trie *t)
{
	if (!t->root)
		return true;
	set_up(t, t->root, 0);
	if (t->prefixes < START_MIN)
		return true;
	t->start = malloc((1u << START_BITS) * sizeof(*t->start));
	if (!t->start)
		return false;
	for (uint32_t i = 0; i < 1u << START_BITS; i++) {
		struct addr_key a = {.hi = (uint64_t)i << (64 - START_BITS)};

		t->start[i] = start_of(t, &a);
	}
	return true;
}

void trie_done(struct prefix_trie *t)
{
	free(t->nodes);
	free(t->start);
	*t = (struct prefix_trie){0};
}

uint32_t trie_find(const struct prefix_trie *t, const struct addr_key *a, unsigned bits)
{
	uint32_t i = t->start ? t->start[a->hi >> (64 - START_BITS)] : t->root;
	uint32_t found = 0;

	/* A beginning below a shorter prefix than asked for says nothing. */
	if (t->start && bits < START_BITS)
		i = t->root;
	if (i && holds(&t->nodes[i], a))
		found = t->nodes[i].up;
	while (i) {
		const struct trie_node *n = &t->nodes[i];

		if (n->bits > bits || !holds(n, a))
			break;
		if (has_atoms(n))
			found = i;
		if (n->bits == bits)
			break;
		i = n->child[bit_at(a, n->bits)];
	}
	return found;
}
