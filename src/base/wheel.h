// SPDX-License-Identifier: Apache-2.0
/*
 * Hierarchical timer wheel: add and cancel in constant time, one wheel for all timers of a worker.
 *
 * Time is in microseconds of whatever clock the owner uses (the loop's monotonic clock, or the
 * virtual one of a script test). Resolution is one millisecond: a timer fires at the first
 * wheel_advance() at or after its deadline rounded up to a millisecond, never before it.
 */
#ifndef WEIR_BASE_WHEEL_H
#define WEIR_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

#define WHEEL_LEVELS 5 /* 64^5 ms = 12 days; later deadlines are parked there and moved on */
#define WHEEL_SLOTS  64

struct timer {
	struct list node;     /* in a slot while armed */
	uint64_t deadline_ms; /* when it is due */
	void (*fn)(struct timer *t);
	uint16_t slot; /* level * WHEEL_SLOTS + index, while armed */
};

struct wheel {
	uint64_t now_ms; /* everything up to here has fired */
	uint64_t occupied[WHEEL_LEVELS];
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	unsigned count;
};

void wheel_init(struct wheel *w, uint64_t now_us);

void timer_init(struct timer *t, void (*fn)(struct timer *));
static inline bool timer_armed(const struct timer *t)
{
	return list_linked(&t->node);
}
/* (Re)arms t. A deadline in the past fires at the next wheel_advance(). */
void timer_set(struct wheel *w, struct timer *t, uint64_t deadline_us);
/* Harmless where t is not armed. */
void timer_cancel(struct wheel *w, struct timer *t);

/* Fires what is due at now_us. A callback may set and cancel any timer. */
void wheel_advance(struct wheel *w, uint64_t now_us);
/* The earliest time at which wheel_advance() has something to do, in microseconds; UINT64_MAX for
 * never. May be early, never late. */
uint64_t wheel_next_us(const struct wheel *w);

#endif
