// SPDX-License-Identifier: Apache-2.0
/* Open-addressed table: linear probing, at most three quarters full, no tombstones. */
#include "base/table.h"

#include <stdlib.h>

#define TABLE_MIN 16

void table_init(struct table *t, size_t cap)
{
	*t = (struct table){.cap = cap};
}

void table_done(struct table *t)
{
	free(t->slots);
	*t = (struct table){0};
}

void *table_find(const struct table *t, uint64_t hash, table_match_fn *match, const void *key)
{
	if (!t->slots)
		return NULL;
	for (size_t i = hash & t->mask; t->slots[i].item; i = (i + 1) & t->mask)
		if (t->slots[i].hash == hash && match(t->slots[i].item, key))
			return t->slots[i].item;
	return NULL;
}

static void table_put(struct table *t, uint64_t hash, void *item)
{
	size_t i = hash & t->mask;
	while (t->slots[i].item)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct table_slot){hash, item};
}

static bool table_grow(struct table *t)
{
	size_t old_n = t->slots ? t->mask + 1 : 0, n = old_n ? old_n * 2 : TABLE_MIN;
	struct table_slot *old = t->slots, *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return false;
	t->slots = slots;
	t->mask = n - 1;
	for (size_t i = 0; i < old_n; i++)
		if (old[i].item)
			table_put(t, old[i].hash, old[i].item);
	free(old);
	return true;
}

bool table_insert(struct table *t, uint64_t hash, void *item)
{
	if (t->count >= t->cap)
		return false;
	if ((!t->slots || (t->count + 1) * 4 > (t->mask + 1) * 3) && !table_grow(t))
		return false;
	table_put(t, hash, item);
	t->count++;
	return true;
}

bool table_remove(struct table *t, uint64_t hash, const void *item)
{
	if (!t->slots)
		return false;
	size_t i = hash & t->mask;
	while (t->slots[i].item != item) {
		if (!t->slots[i].item)
			return false;
		i = (i + 1) & t->mask;
	}
	/* Close the gap: move back each follower that may stand at or before the hole. */
	size_t hole = i;
	for (size_t j = (i + 1) & t->mask; t->slots[j].item; j = (j + 1) & t->mask) {
		size_t home = t->slots[j].hash & t->mask;
		if (((j - home) & t->mask) >= ((j - hole) & t->mask)) {
			t->slots[hole] = t->slots[j];
			hole = j;
		}
	}
	t->slots[hole] = (struct table_slot){0};
	t->count--;
	return true;
}
