// SPDX-License-Identifier: Apache-2.0
/*
 * The split virtqueue (virtio 1.2, section 2.7): a table of descriptors, a ring of heads that the
 * driver made available, and a ring of those that were used.
 */
#include "link/virtq.h"

#include <string.h>

/* Where the fields of the avail and used rings lie. */
enum {
	AT_FLAGS = 0,
	AT_IDX = 2,
	AT_RING = 4,
};

#define AVAIL_ELEM      2u
#define USED_ELEM       8u
#define AVAIL_NO_NOTIFY 1u /* VIRTQ_AVAIL_F_NO_INTERRUPT: the driver wants none */
#define USED_NO_NOTIFY  1u /* VIRTQ_USED_F_NO_NOTIFY: we want none */

static uint8_t *used_event_of(const struct virtq *q) /* written by the driver */
{
	return q->avail + AT_RING + AVAIL_ELEM * q->size;
}

static uint8_t *avail_event_of(const struct virtq *q) /* written by us */
{
	return q->used + AT_RING + USED_ELEM * q->size;
}

/* Buffers that wait, or -1: the driver's index may never be more than a ring ahead. */
static int split_waiting(struct virtq *q)
{
	uint16_t n = (uint16_t)(virtq_load16_acquire(q->avail + AT_IDX) - q->next.at);

	if (n > q->size)
		return virtq_fail(q, "an index that ran ahead of the ring");
	return n;
}

/* Follows a chain in `table` of n entries from `at` on. */
static int split_walk(struct virtq *q, const uint8_t *table, uint32_t n, uint32_t at, bool inside,
		      enum virtq_dir dir, struct virtq_chain *c, struct iovec *iov, int max)
{
	for (uint32_t steps = 0;; steps++) {
		if (at >= n)
			return virtq_fail(q, "a descriptor that is not in the table");
		if (steps >= n)
			return virtq_fail(q, "a chain with a loop");
		struct virtq_desc d = virtq_desc_load(table + (size_t)at * VIRTQ_DESC_LEN);
		if (d.w12 & VIRTQ_DESC_INDIRECT) {
			uint32_t inner_n;

			if (inside)
				return virtq_fail(q, "an indirect table in an indirect table");
			/* 2.7.5.3.1: not both. */
			if (d.w12 & VIRTQ_DESC_NEXT)
				return virtq_fail(q, "an indirect table with more behind it");
			const uint8_t *inner = virtq_indirect(q, &d, &inner_n);
			if (!inner)
				return -1;
			return split_walk(q, inner, inner_n, 0, true, dir, c, iov, max);
		}
		if (virtq_chain_add(q, c, d.addr, d.len, d.w12 & VIRTQ_DESC_WRITE, dir, iov, max) <
		    0)
			return -1;
		if (!(d.w12 & VIRTQ_DESC_NEXT))
			return 0;
		at = d.w14;
	}
}

int virtq_split_take(struct virtq *q, enum virtq_dir dir, struct virtq_chain *ret,
		     struct iovec *iov, int max)
{
	int waiting = split_waiting(q);

	if (waiting <= 0)
		return waiting;
	size_t slot = q->next.at & (q->size - 1u);
	ret->id = virtq_load16(q->avail + AT_RING + AVAIL_ELEM * slot);
	if (split_walk(q, q->desc, q->size, ret->id, false, dir, ret, iov, max) < 0)
		return -1;
	ret->slots = 1;
	q->next.at++;
	return 1;
}

void virtq_split_put(struct virtq *q, const struct virtq_chain *c, uint32_t written)
{
	size_t slot = q->done.at & (q->size - 1u);
	uint32_t elem[2] = {c->id, written};

	memcpy(q->used + AT_RING + USED_ELEM * slot, elem, sizeof(elem));
	q->done.at++;
}

bool virtq_split_publish(struct virtq *q)
{
	if (q->done.at == q->shown.at)
		return false;
	virtq_store16_release(q->used + AT_IDX, q->done.at);
	q->shown = q->done;
	/* The driver sets its wish, then looks at the index; we set the index, then look at its
	 * wish: one of the two sees the other's. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return !(virtq_load16(q->avail + AT_FLAGS) & AVAIL_NO_NOTIFY);
	uint16_t before = q->told;
	bool first = !q->told_valid;
	q->told = q->done.at;
	q->told_valid = true;
	return first || virtq_event_due(virtq_load16(used_event_of(q)), q->told, before);
}

bool virtq_split_has(const struct virtq *q, struct virtq_mark from)
{
	return virtq_load16(q->avail + AT_IDX) != from.at;
}

bool virtq_split_wait(struct virtq *q, struct virtq_mark from)
{
	if (q->event_idx)
		virtq_store16(avail_event_of(q), from.at);
	else
		virtq_store16(q->used + AT_FLAGS, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return virtq_split_has(q, from);
}

void virtq_split_quiet(struct virtq *q)
{
	/* With event indices, the one that was set passes by itself. */
	if (!q->event_idx)
		virtq_store16(q->used + AT_FLAGS, USED_NO_NOTIFY);
}
