// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes on their way to one side: a queue for each side of a connection, counted together for the
 * sandbox. A queue that runs empty keeps no memory.
 */
#include "intercept/intercept_priv.h"

#define SPARE_MIN 32768   /* a queue of less is made at once */
#define QUIET_US  1000000 /* without traffic for so long, spare memory is given back */

bool queue_add(struct intercept *ic, struct buf *q, const void *p, size_t n)
{
	if (!q->mem && n >= SPARE_MIN / 4 && ic->spare_n)
		*q = ic->spare[--ic->spare_n];
	if (!buf_append(q, p, n))
		return false;
	ic->queued += n;
	return true;
}

static void spare(struct intercept *ic, struct buf *q)
{
	struct loop *l = ic->sb->loop;

	if (q->cap < SPARE_MIN || ic->spare_n == SPARE_MAX) {
		buf_done(q);
		return;
	}
	q->start = q->len = 0;
	ic->spare[ic->spare_n++] = *q;
	*q = (struct buf){0};
	ic->spare_used_us = l->now_us;
	if (!timer_armed(&ic->spare_timer))
		timer_set(&l->wheel, &ic->spare_timer, l->now_us + QUIET_US);
}

void queue_take(struct intercept *ic, struct buf *q, size_t n)
{
	ic->queued -= n;
	if (n < q->len)
		buf_take(q, n);
	else
		spare(ic, q);
}

void queue_done(struct intercept *ic, struct buf *q)
{
	ic->queued -= q->len;
	buf_done(q);
}

static void give_back(struct timer *t)
{
	struct intercept *ic = container_of(t, struct intercept, spare_timer);
	struct loop *l = ic->sb->loop;

	if (l->now_us - ic->spare_used_us < QUIET_US)
		timer_set(&l->wheel, t, ic->spare_used_us + QUIET_US);
	else
		while (ic->spare_n)
			buf_done(&ic->spare[--ic->spare_n]);
}

void queue_spares_init(struct intercept *ic)
{
	timer_init(&ic->spare_timer, give_back);
}

void queue_spares_done(struct intercept *ic)
{
	timer_cancel(&ic->sb->loop->wheel, &ic->spare_timer);
	while (ic->spare_n)
		buf_done(&ic->spare[--ic->spare_n]);
}
