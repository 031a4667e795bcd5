// SPDX-License-Identifier: Apache-2.0
/*
 * Names are hashed from their end, so that one pass gives the hash of each suffix on its way.
 */
#include "policy/name_table.h"

#include <stdlib.h>

#define HASH_SEED  0xcbf29ce484222325u
#define HASH_PRIME 0x100000001b3u

static inline uint64_t hash_step(uint64_t h, char c)
{
	return (h ^ (unsigned char)c) * HASH_PRIME;
}

/* The upper bits depend on all characters. */
static inline uint32_t hash_end(uint64_t h)
{
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

static uint32_t hash_of(const char *s, size_t len)
{
	uint64_t h = HASH_SEED;

	for (size_t i = len; i > 0; i--)
		h = hash_step(h, s[i - 1]);
	return hash_end(h);
}

static const struct name_node *lookup(const struct name_table *t, uint32_t hash, const char *s,
				      size_t len)
{
	for (uint32_t i = hash & t->mask; t->slots[i].node; i = (i + 1) & t->mask) {
		const struct name_node *n = &t->nodes[t->slots[i].node];

		if (t->slots[i].hash == hash && n->len == len && memcmp(n->s, s, len) == 0)
			return n;
	}
	return NULL;
}

bool name_table_init(struct name_table *t, size_t n)
{
	size_t slots = 16;

	while (slots < n * 2)
		slots *= 2;
	*t = (struct name_table){.mask = (uint32_t)(slots - 1), .count = 1};
	t->nodes = malloc((n + 1) * sizeof(*t->nodes));
	t->slots = calloc(slots, sizeof(*t->slots));
	return t->nodes && t->slots;
}

void name_table_done(struct name_table *t)
{
	free(t->nodes);
	free(t->slots);
	*t = (struct name_table){0};
}

uint32_t name_table_add(struct name_table *t, const struct rule_name *n)
{
	uint32_t hash = hash_of(n->s, n->len), i = hash & t->mask;
	const struct name_node *found = lookup(t, hash, n->s, n->len);
	unsigned labels = 1;

	for (size_t k = 0; k < n->len; k++)
		labels += n->s[k] == '.';
	if (n->below)
		t->depths[labels / 64] |= 1ull << labels % 64;
	if (found)
		return (uint32_t)(found - t->nodes);
	while (t->slots[i].node)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct name_slot){hash, t->count};
	t->nodes[t->count] = (struct name_node){.s = n->s, .len = n->len};
	return t->count++;
}

size_t name_table_find(const struct name_table *t, const char *s, size_t len,
		       const struct atom_list *ret[NAME_LABELS_MAX])
{
	const struct name_node *node;
	uint64_t h = HASH_SEED;
	unsigned labels = 0;
	size_t n = 0;

	if (!t->slots)
		return 0;
	for (size_t i = len; i > 0; i--) {
		if (s[i - 1] == '.') {
			labels++;
			if (t->depths[labels / 64] >> labels % 64 & 1) {
				node = lookup(t, hash_end(h), s + i, len - i);
				if (node && node->below.count)
					ret[n++] = &node->below;
			}
		}
		h = hash_step(h, s[i - 1]);
	}
	node = lookup(t, hash_end(h), s, len);
	if (node && node->self.count)
		ret[n++] = &node->self;
	if (node && node->doh)
		ret[n++] = t->doh;
	return n;
}

const struct atom_list *name_table_below(const struct name_table *t, const char *s, size_t len)
{
	const struct name_node *n = t->slots ? lookup(t, hash_of(s, len), s, len) : NULL;

	return n && n->below.count ? &n->below : NULL;
}
