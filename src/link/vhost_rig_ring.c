// SPDX-License-Identifier: Apache-2.0
/* The driver's side of a virtqueue, plain and trusting. */
#include "link/vhost_rig.h"

#include <string.h>
#include <unistd.h>

#define F_NEXT     1u
#define F_WRITE    2u
#define F_INDIRECT 4u
#define F_AVAIL    (1u << 7)
#define F_USED     (1u << 15)

static uint16_t get16(const uint8_t *p)
{
	return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);
}

static void set16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)(void *)p, v, __ATOMIC_RELEASE);
}

void rig_desc(uint8_t *at, uint64_t addr, uint32_t len, uint16_t w12, uint16_t w14)
{
	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + 12, &w12, 2);
	/* Packed flags, which hand the descriptor over. */
	set16(at + 14, w14);
}

void rig_ring_init(struct rig_ring *r)
{
	r->avail_idx = r->used_idx = r->kicked = r->added = 0;
	r->avail_wrap = r->used_wrap = true;
	r->entries = r->indirect ? r->size : (uint16_t)(r->size / r->segs);
	r->free_n = r->entries;
	for (uint16_t i = 0; i < r->entries; i++)
		r->free[i] = (uint16_t)(r->entries - 1 - i);
	rig_ring_want_call(r, true);
}

/* Piece s of a buffer of len bytes: the header first, then equal parts. */
static void piece(const struct rig_ring *r, unsigned s, uint32_t len, uint32_t *ret_from,
		  uint32_t *ret_len)
{
	uint32_t head = r->segs == 1 ? len : RIG_HDR;

	if (s == 0) {
		*ret_from = 0;
		*ret_len = head;
		return;
	}
	uint32_t each = (len - head) / (r->segs - 1);
	*ret_from = head + each * (s - 1);
	*ret_len = s == r->segs - 1 ? len - *ret_from : each;
}

static void advance(const struct rig_ring *r, uint16_t *at, bool *wrap, unsigned n)
{
	unsigned to = *at + n;

	if (to >= r->size) {
		to -= r->size;
		*wrap = !*wrap;
	}
	*at = (uint16_t)to;
}

static void split_add(struct rig_ring *r, uint16_t entry, uint32_t len)
{
	uint64_t gpa = r->bufs_gpa + (uint64_t)entry * r->buf_len;
	uint16_t w = r->writable ? F_WRITE : 0;
	uint8_t *table = r->indirect ? r->tables + (size_t)entry * 16 * r->segs : r->desc;
	uint16_t first = (uint16_t)(r->indirect ? 0 : entry * r->segs);

	for (unsigned s = 0; s < r->segs; s++) {
		uint32_t from, n;
		bool last = s + 1 == r->segs;

		piece(r, s, len, &from, &n);
		rig_desc(table + (size_t)(first + s) * 16, gpa + from, n,
			 (uint16_t)(w | (last ? 0 : F_NEXT)), (uint16_t)(last ? 0 : first + s + 1));
	}
	if (r->indirect)
		rig_desc(r->desc + (size_t)entry * 16,
			 r->tables_gpa + (uint64_t)entry * 16 * r->segs, 16 * r->segs, F_INDIRECT,
			 0);
	set16(r->avail + 4 + 2 * (r->avail_idx & (r->size - 1)),
	      (uint16_t)(r->indirect ? entry : first));
	r->avail_idx++;
	r->added++;
	set16(r->avail + 2, r->avail_idx);
}

static void packed_add(struct rig_ring *r, uint16_t entry, uint32_t len)
{
	uint64_t gpa = r->bufs_gpa + (uint64_t)entry * r->buf_len;
	uint16_t w = r->writable ? F_WRITE : 0;
	uint16_t at = r->avail_idx;
	bool wrap = r->avail_wrap;
	unsigned slots = r->indirect ? 1 : r->segs;
	uint16_t head = 0;
	struct {
		uint64_t addr;
		uint32_t len;
	} first = {0};

	for (unsigned s = 0; s < r->segs; s++) {
		uint32_t from, n;
		uint16_t flags =
			(uint16_t)(w | (s + 1 < r->segs ? F_NEXT : 0) | (wrap ? F_AVAIL : F_USED));

		piece(r, s, len, &from, &n);
		if (r->indirect) {
			rig_desc(r->tables + ((size_t)entry * r->segs + s) * 16, gpa + from, n, 0,
				 w);
			continue;
		}
		if (s == 0) {
			head = flags;
			first.addr = gpa + from;
			first.len = n;
		} else {
			rig_desc(r->desc + (size_t)at * 16, gpa + from, n, entry, flags);
		}
		advance(r, &at, &wrap, 1);
	}
	if (r->indirect) {
		head = (uint16_t)(F_INDIRECT | (wrap ? F_AVAIL : F_USED));
		first.addr = r->tables_gpa + (uint64_t)entry * 16 * r->segs;
		first.len = 16 * r->segs;
	}
	rig_desc(r->desc + (size_t)r->avail_idx * 16, first.addr, first.len, entry, head);
	advance(r, &r->avail_idx, &r->avail_wrap, slots);
	r->added = (uint16_t)(r->added + slots);
}

void rig_ring_add(struct rig_ring *r, uint16_t entry, uint32_t len)
{
	if (r->packed)
		packed_add(r, entry, len);
	else
		split_add(r, entry, len);
}

bool rig_ring_used(struct rig_ring *r, uint16_t *ret_entry, uint32_t *ret_len)
{
	if (!r->packed) {
		uint32_t e[2];

		if (get16(r->used + 2) == r->used_idx)
			return false;
		memcpy(e, r->used + 4 + 8 * (r->used_idx & (r->size - 1)), sizeof(e));
		r->used_idx++;
		*ret_entry = (uint16_t)(r->indirect ? e[0] : e[0] / r->segs);
		*ret_len = e[1];
		return true;
	}
	uint8_t *d = r->desc + (size_t)r->used_idx * 16;
	uint16_t flags = get16(d + 14);
	if (!!(flags & F_USED) != r->used_wrap || !!(flags & F_AVAIL) != r->used_wrap)
		return false;
	memcpy(ret_len, d + 8, 4);
	memcpy(ret_entry, d + 12, 2);
	advance(r, &r->used_idx, &r->used_wrap, r->indirect ? 1 : r->segs);
	return true;
}

static bool kick_due(const struct rig_ring *r)
{
	if (!r->packed && !r->event_idx)
		return !(get16(r->used) & 1);
	if (!r->packed) {
		uint16_t event = get16(r->used + 4 + 8 * r->size);
		return (uint16_t)(r->avail_idx - event - 1) < (uint16_t)(r->avail_idx - r->kicked);
	}
	uint16_t how = get16(r->used + 2), event = get16(r->used);
	if (how != 2)
		return how == 0;
	uint16_t at = event & 0x7fff;
	if (!!(event & 0x8000) != r->avail_wrap)
		at = (uint16_t)(at - r->size);
	return (uint16_t)(r->avail_idx - at - 1) < r->added;
}

void rig_kick(struct rig_ring *r)
{
	const uint64_t one = 1;

	if (!r->added)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (kick_due(r) && write(r->kick_fd, &one, sizeof(one)) == sizeof(one))
		r->kicks++;
	r->kicked = r->avail_idx;
	r->added = 0;
}

void rig_ring_want_call(struct rig_ring *r, bool on)
{
	if (r->packed) {
		set16(r->avail, (uint16_t)(r->used_idx | (r->used_wrap ? 0x8000 : 0)));
		set16(r->avail + 2, on ? (r->event_idx ? 2 : 0) : 1);
	} else if (r->event_idx) {
		/* Off: an index that it passes as late as can be. */
		set16(r->avail + 4 + 2 * r->size, (uint16_t)(r->used_idx - !on));
	} else {
		set16(r->avail, !on);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool rig_send(struct rig *g, unsigned pair, const uint8_t hdr[RIG_HDR], const void *frame,
	      size_t len)
{
	struct rig_ring *r = &g->ring[2 * pair + 1];
	uint16_t entry;
	uint32_t n;

	if (!r->free_n)
		while (rig_ring_used(r, &entry, &n))
			r->free[r->free_n++] = entry;
	if (!r->free_n)
		return false;
	entry = r->free[--r->free_n];
	memcpy(rig_buf(r, entry), hdr, g->hdr_len);
	memcpy(rig_buf(r, entry) + g->hdr_len, frame, len);
	rig_ring_add(r, entry, (uint32_t)(g->hdr_len + len));
	return true;
}

void rig_fill(struct rig *g, unsigned pair)
{
	struct rig_ring *r = &g->ring[2 * pair];

	while (r->free_n) {
		uint16_t entry = r->free[--r->free_n];
		rig_ring_add(r, entry, r->buf_len);
	}
	rig_kick(r);
}

ssize_t rig_recv(struct rig *g, unsigned pair, uint8_t hdr[RIG_HDR], uint8_t *to, size_t cap)
{
	struct rig_ring *r = &g->ring[2 * pair];
	uint16_t entry, buffers = 1;
	uint32_t n;
	size_t len = 0;

	if (!rig_ring_used(r, &entry, &n))
		return 0;
	if (n < g->hdr_len)
		return -1;
	memcpy(hdr, rig_buf(r, entry), g->hdr_len);
	if (g->o.features & VIRTIO_NET_MRG_RXBUF)
		memcpy(&buffers, hdr + 10, 2);
	for (uint16_t i = 0;; i++) {
		uint32_t skip = i ? 0 : g->hdr_len;

		if (n < skip || len + n - skip > cap || !buffers)
			return -1;
		memcpy(to + len, rig_buf(r, entry) + skip, n - skip);
		len += n - skip;
		r->free[r->free_n++] = entry;
		if (i + 1 >= buffers)
			return (ssize_t)len;
		/* The others must be there with the first one. */
		if (!rig_ring_used(r, &entry, &n))
			return -1;
	}
}
