// SPDX-License-Identifier: Apache-2.0
/*
 * The packed virtqueue (virtio 1.2, section 2.8): one ring of descriptors that both sides write to.
 * Two bits of a descriptor's flags, held against the parity of the lap, say whose it is.
 *
 * A burst of used descriptors has to appear at once (the driver takes all buffers of one frame when
 * it sees the first), so the flags of the first are held back until the others are written.
 */
#include "link/virtq.h"

#include <string.h>

/* Where the fields of a descriptor lie. */
enum {
	AT_LEN = 8,
	AT_ID = 12,
	AT_DESC_FLAGS = 14,
};

/* Event suppression structures (2.8.10.1). */
enum {
	AT_EVENT = 0, /* slot, and the lap's parity in the top bit */
	AT_EVENT_FLAGS = 2,
};
#define EVENT_ENABLE  0u
#define EVENT_DISABLE 1u
#define EVENT_DESC    2u
#define EVENT_WRAP    0x8000u

static uint8_t *slot_of(const struct virtq *q, uint16_t at)
{
	return q->desc + (size_t)at * VIRTQ_DESC_LEN;
}

static void mark_advance(const struct virtq *q, struct virtq_mark *m, uint16_t slots)
{
	unsigned at = m->at + slots;

	if (at >= q->size) {
		at -= q->size;
		m->wrap = !m->wrap;
	}
	m->at = (uint16_t)at;
}

static bool packed_available(uint16_t flags, bool wrap)
{
	return !!(flags & VIRTQ_DESC_AVAIL) == wrap && !!(flags & VIRTQ_DESC_USED) != wrap;
}

/* The descriptors of a table lie one behind the other, and NEXT means nothing there (2.8.8). */
static int packed_table(struct virtq *q, const struct virtq_desc *d, enum virtq_dir dir,
			struct virtq_chain *c, struct iovec *iov, int max)
{
	uint32_t n;
	const uint8_t *table = virtq_indirect(q, d, &n);

	if (!table)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		struct virtq_desc in = virtq_desc_load(table + (size_t)i * VIRTQ_DESC_LEN);

		if (in.w14 & VIRTQ_DESC_INDIRECT)
			return virtq_fail(q, "an indirect table in an indirect table");
		if (virtq_chain_add(q, c, in.addr, in.len, in.w14 & VIRTQ_DESC_WRITE, dir, iov,
				    max) < 0)
			return -1;
	}
	return 0;
}

int virtq_packed_take(struct virtq *q, enum virtq_dir dir, struct virtq_chain *ret,
		      struct iovec *iov, int max)
{
	struct virtq_mark at = q->next;

	for (uint16_t slots = 1;; slots++) {
		uint8_t *p = slot_of(q, at.at);
		/* The rest of a chain was written before its first descriptor's flags. */
		uint16_t flags = virtq_load16_acquire(p + AT_DESC_FLAGS);

		if (!packed_available(flags, at.wrap)) {
			if (slots == 1)
				return 0;
			return virtq_fail(q, "a chain that ends in a descriptor of ours");
		}
		/* Only where the guest hands slots over again while we walk. */
		if (slots > q->size)
			return virtq_fail(q, "a chain longer than the ring");
		struct virtq_desc d = virtq_desc_load(p);
		mark_advance(q, &at, 1);
		if (flags & VIRTQ_DESC_INDIRECT) {
			/* 2.8.8: a table stands alone. */
			if (slots > 1 || (flags & VIRTQ_DESC_NEXT))
				return virtq_fail(q, "an indirect table with more beside it");
			if (packed_table(q, &d, dir, ret, iov, max) < 0)
				return -1;
		} else if (virtq_chain_add(q, ret, d.addr, d.len, flags & VIRTQ_DESC_WRITE, dir,
					   iov, max) < 0) {
			return -1;
		}
		if (!(flags & VIRTQ_DESC_NEXT)) {
			ret->id = d.w12;
			ret->slots = slots;
			q->next = at;
			return 1;
		}
	}
}

void virtq_packed_pass(struct virtq *q, const struct virtq_chain *c)
{
	mark_advance(q, &q->next, c->slots);
}

void virtq_packed_put(struct virtq *q, const struct virtq_chain *c, uint32_t written)
{
	uint8_t *p = slot_of(q, q->done.at);
	uint16_t flags = (uint16_t)((q->done.wrap ? VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED : 0) |
				    (written ? VIRTQ_DESC_WRITE : 0));

	memcpy(p + AT_LEN, &written, sizeof(written));
	memcpy(p + AT_ID, &c->id, sizeof(c->id));
	if (q->done.at == q->shown.at && q->done.wrap == q->shown.wrap)
		q->head_flags = flags;
	else
		virtq_store16_release(p + AT_DESC_FLAGS, flags);
	q->unsaid = (uint16_t)(q->unsaid + c->slots);
	mark_advance(q, &q->done, c->slots);
}

static bool packed_driver_wants(struct virtq *q)
{
	uint16_t flags = virtq_load16_acquire(q->avail + AT_EVENT_FLAGS) & 3;
	uint16_t slots = q->unsaid;

	q->unsaid = 0;
	if (flags != EVENT_DESC || !q->event_idx)
		return flags != EVENT_DISABLE;
	uint16_t event = virtq_load16(q->avail + AT_EVENT);
	uint16_t at = event & (uint16_t)~EVENT_WRAP;
	/* In the lap before this one: so many slots back. */
	if (!!(event & EVENT_WRAP) != q->done.wrap)
		at = (uint16_t)(at - q->size);
	return virtq_event_due(at, q->done.at, (uint16_t)(q->done.at - slots));
}

bool virtq_packed_publish(struct virtq *q)
{
	if (q->done.at == q->shown.at && q->done.wrap == q->shown.wrap)
		return false;
	virtq_store16_release(slot_of(q, q->shown.at) + AT_DESC_FLAGS, q->head_flags);
	q->shown = q->done;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return packed_driver_wants(q);
}

bool virtq_packed_has(const struct virtq *q, struct virtq_mark from)
{
	return packed_available(virtq_load16(slot_of(q, from.at) + AT_DESC_FLAGS), from.wrap);
}

bool virtq_packed_wait(struct virtq *q, struct virtq_mark from)
{
	if (q->event_idx) {
		virtq_store16(q->used + AT_EVENT,
			      (uint16_t)(from.at | (from.wrap ? EVENT_WRAP : 0)));
		virtq_store16_release(q->used + AT_EVENT_FLAGS, EVENT_DESC);
	} else {
		virtq_store16(q->used + AT_EVENT_FLAGS, EVENT_ENABLE);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return virtq_packed_has(q, from);
}

void virtq_packed_quiet(struct virtq *q)
{
	virtq_store16(q->used + AT_EVENT_FLAGS, EVENT_DISABLE);
}
