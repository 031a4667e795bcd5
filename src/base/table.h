// SPDX-License-Identifier: Apache-2.0
/*
 * Open-addressed hash table of pointers, with linear probing and backward-shift deletion.
 * The caller brings the hash (siphash of the key) and the comparison; the table grows by doubling
 * up to the cap given at creation and refuses to hold more.
 */
#ifndef WEIR_BASE_TABLE_H
#define WEIR_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
	uint64_t hash;
	void *item; /* NULL: free */
};

struct table {
	struct table_slot *slots; /* NULL until the first insertion */
	size_t mask;              /* number of slots - 1 */
	size_t count;
	size_t cap; /* most items; an insertion beyond it is refused */
};

typedef bool table_match_fn(const void *item, const void *key);

void table_init(struct table *t, size_t cap);
void table_done(struct table *t);
void *table_find(const struct table *t, uint64_t hash, table_match_fn *match, const void *key);
/* False at the cap or without memory; the item is then not in the table. */
bool table_insert(struct table *t, uint64_t hash, void *item);
/* Removes exactly this pointer; false where it is not there. */
bool table_remove(struct table *t, uint64_t hash, const void *item);

#endif
