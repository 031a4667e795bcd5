// SPDX-License-Identifier: Apache-2.0
/*
 * The timer wheel. Level 0 has a slot for each of the next 64 ms, level n one for each 64^n ms.
 * When the clock enters a slot of a higher level, its timers move down to where they now belong.
 * A bit for each occupied slot lets an idle wheel jump over empty time.
 */
#include "base/wheel.h"

#define LEVEL_SHIFT 6

void wheel_init(struct wheel *w, uint64_t now_us)
{
	w->now_ms = now_us / 1000;
	w->count = 0;
	for (int l = 0; l < WHEEL_LEVELS; l++) {
		w->occupied[l] = 0;
		for (int i = 0; i < WHEEL_SLOTS; i++)
			list_init(&w->slots[l][i]);
	}
}

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	list_init(&t->node);
	t->fn = fn;
	t->deadline_ms = 0;
	t->slot = 0;
}

/* Puts t where its deadline belongs as seen from now_ms; it is due strictly later than now_ms. */
static void wheel_place(struct wheel *w, struct timer *t)
{
	uint64_t max = w->now_ms + (1ull << (LEVEL_SHIFT * WHEEL_LEVELS)) - 1;
	uint64_t at = t->deadline_ms <= w->now_ms ? w->now_ms + 1 : t->deadline_ms;
	if (at > max)
		at = max;

	/* The level is that of the highest digit in which the two times differ. */
	uint64_t differ = at ^ w->now_ms;
	int level = (63 - __builtin_clzll(differ)) / LEVEL_SHIFT;
	if (level >= WHEEL_LEVELS)
		level = WHEEL_LEVELS - 1;
	unsigned index = (at >> (LEVEL_SHIFT * level)) & (WHEEL_SLOTS - 1);
	t->slot = (uint16_t)(level * WHEEL_SLOTS + index);
	list_add_tail(&w->slots[level][index], &t->node);
	w->occupied[level] |= 1ull << index;
}

static void wheel_unlink(struct wheel *w, struct timer *t)
{
	unsigned level = t->slot / WHEEL_SLOTS, index = t->slot % WHEEL_SLOTS;
	list_del(&t->node);
	if (list_empty(&w->slots[level][index]))
		w->occupied[level] &= ~(1ull << index);
}

void timer_set(struct wheel *w, struct timer *t, uint64_t deadline_us)
{
	if (timer_armed(t))
		timer_cancel(w, t);
	t->deadline_ms =
		deadline_us > UINT64_MAX - 999 ? UINT64_MAX / 1000 : (deadline_us + 999) / 1000;
	wheel_place(w, t);
	w->count++;
}

void timer_cancel(struct wheel *w, struct timer *t)
{
	if (!timer_armed(t))
		return;
	wheel_unlink(w, t);
	w->count--;
}

/* The time at which the next slot of a level begins that holds something, and its index; UINT64_MAX
 * for none. */
static uint64_t wheel_level_next_ms(const struct wheel *w, unsigned level, unsigned *ret_index)
{
	if (!w->occupied[level])
		return UINT64_MAX;
	unsigned shift = LEVEL_SHIFT * level;
	uint64_t base = w->now_ms >> shift;
	unsigned cur = base & (WHEEL_SLOTS - 1);
	/* Slots behind the cursor belong to the next round (top level only). */
	uint64_t rot = cur == 63
			       ? w->occupied[level]
			       : w->occupied[level] >> (cur + 1) | w->occupied[level] << (63 - cur);
	uint64_t at = base + (unsigned)__builtin_ctzll(rot) + 1;
	*ret_index = at & (WHEEL_SLOTS - 1);
	return at << shift;
}

/* The time of the next slot that holds something, at any level; UINT64_MAX for none. */
static uint64_t wheel_next_slot_ms(const struct wheel *w)
{
	uint64_t best = UINT64_MAX;
	unsigned index;

	for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
		uint64_t at = wheel_level_next_ms(w, l, &index);
		if (at < best)
			best = at;
	}
	return best;
}

/*
 * Fires or moves down everything in a slot whose time has begun. Nothing is put back into the same
 * slot meanwhile: wheel_place() only takes later times, which differ in this level's digit.
 */
static void wheel_empty_slot(struct wheel *w, int level, unsigned index)
{
	struct list *slot = &w->slots[level][index];

	while (!list_empty(slot)) {
		struct timer *t = container_of(slot->next, struct timer, node);
		wheel_unlink(w, t);
		if (t->deadline_ms > w->now_ms) {
			wheel_place(w, t);
			continue;
		}
		w->count--;
		t->fn(t);
	}
}

void wheel_advance(struct wheel *w, uint64_t now_us)
{
	uint64_t now_ms = now_us / 1000;

	while (w->now_ms < now_ms) {
		uint64_t next = wheel_next_slot_ms(w);
		if (next > now_ms) {
			w->now_ms = now_ms;
			break;
		}
		w->now_ms = next;
		/* Higher levels first: what they hold may be due in this very millisecond. */
		for (int l = WHEEL_LEVELS - 1; l >= 0; l--)
			if ((next & ((1ull << (LEVEL_SHIFT * l)) - 1)) == 0)
				wheel_empty_slot(w, l,
						 (next >> (LEVEL_SHIFT * l)) & (WHEEL_SLOTS - 1));
	}
}

#define EXACT_MAX 16 /* timers of a slot that are looked at one by one */

/* The earliest deadline in a slot, or the slot's own beginning where it holds many. */
static uint64_t wheel_slot_deadline_ms(const struct wheel *w, unsigned level, unsigned index,
				       uint64_t begin)
{
	const struct list *slot = &w->slots[level][index];
	uint64_t best = UINT64_MAX;
	unsigned n = 0;

	for (const struct list *it = slot->next; it != slot; it = it->next) {
		const struct timer *t = container_of(it, struct timer, node);
		if (++n > EXACT_MAX)
			return begin;
		if (t->deadline_ms < best)
			best = t->deadline_ms;
	}
	return best > begin ? best : begin;
}

uint64_t wheel_next_us(const struct wheel *w)
{
	uint64_t best = UINT64_MAX;

	/* A slot of a higher level begins before its timers are due: an idle owner need not wake
	 * for that. */
	for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
		unsigned index;
		uint64_t at = wheel_level_next_ms(w, l, &index);
		if (at == UINT64_MAX)
			continue;
		if (l > 0)
			at = wheel_slot_deadline_ms(w, l, index, at);
		if (at < best)
			best = at;
	}
	return best == UINT64_MAX ? UINT64_MAX : best * 1000;
}
