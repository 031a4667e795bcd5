// SPDX-License-Identifier: Apache-2.0
/* What both layouts of a virtqueue have in common. */
#include "link/virtq.h"

#include <string.h>

int virtq_fail(struct virtq *q, const char *why)
{
	q->fault = why;
	return -1;
}

uint16_t virtq_load16(const void *p)
{
	return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
}

uint16_t virtq_load16_acquire(const void *p)
{
	return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
}

void virtq_store16(void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, v, __ATOMIC_RELAXED);
}

void virtq_store16_release(void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE);
}

bool virtq_event_due(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

bool virtq_size_valid(bool packed, uint32_t size)
{
	return size && size <= VIRTQ_SIZE_MAX && (packed || !(size & (size - 1)));
}

struct virtq_areas virtq_areas(bool packed, bool event_idx, uint16_t size)
{
	if (packed)
		return (struct virtq_areas){VIRTQ_DESC_LEN * (uint64_t)size, 4, 4};
	return (struct virtq_areas){
		.desc = VIRTQ_DESC_LEN * (uint64_t)size,
		.avail = 4 + 2 * (uint64_t)size + (event_idx ? 2 : 0),
		.used = 4 + 8 * (uint64_t)size + (event_idx ? 2 : 0),
	};
}

bool virtq_aligned(const struct virtq *q)
{
	return !((uintptr_t)q->desc & 15) && !((uintptr_t)q->avail & (q->packed ? 3 : 1)) &&
	       !((uintptr_t)q->used & 3);
}

void virtq_start(struct virtq *q, struct virtq_mark next, struct virtq_mark done)
{
	q->next = next;
	q->done = done;
	if (!q->packed)
		q->done = (struct virtq_mark){.at = virtq_load16(q->used + 2)};
	q->shown = q->done;
	q->unsaid = 0;
	q->told_valid = false;
	q->quiet = false;
	q->fault = NULL;
}

struct virtq_desc virtq_desc_load(const uint8_t *p)
{
	const uint64_t *w = (const uint64_t *)(const void *)p;
	struct virtq_desc d = {.addr = __atomic_load_n(w, __ATOMIC_RELAXED)};
	uint64_t rest = __atomic_load_n(w + 1, __ATOMIC_RELAXED);

	d.len = (uint32_t)rest;
	d.w12 = (uint16_t)(rest >> 32);
	d.w14 = (uint16_t)(rest >> 48);
	return d;
}

int virtq_chain_add(struct virtq *q, struct virtq_chain *c, uint64_t addr, uint32_t len, bool is_w,
		    enum virtq_dir dir, struct iovec *iov, int max)
{
	if (dir == VIRTQ_BOTH ? !is_w && c->n > c->n_read : is_w != (dir == VIRTQ_WRITE))
		return virtq_fail(q, "a buffer of the wrong direction");
	int n = vu_mem_ranges(q->mem, addr, len, iov + c->n, max - c->n);
	if (n < 0)
		return virtq_fail(q, "a descriptor outside of guest memory, or in too many pieces");
	c->n += n;
	c->n_read += dir == VIRTQ_BOTH && !is_w ? n : 0;
	c->len += len;
	return 0;
}

const uint8_t *virtq_indirect(struct virtq *q, const struct virtq_desc *d, uint32_t *ret_n)
{
	const uint8_t *table;

	if (!q->indirect) {
		virtq_fail(q, "an indirect descriptor that was not negotiated");
		return NULL;
	}
	/* 2.7.5.3: no chain is longer than the queue, in a table or not. */
	if (!d->len || d->len % VIRTQ_DESC_LEN || d->len / VIRTQ_DESC_LEN > VIRTQ_SIZE_MAX) {
		virtq_fail(q, "an indirect table of impossible length");
		return NULL;
	}
	table = vu_mem_at_gpa(q->mem, d->addr, d->len);
	if (!table) {
		virtq_fail(q, "an indirect table outside of guest memory");
		return NULL;
	}
	if ((uintptr_t)table & 7) {
		virtq_fail(q, "an indirect table at an odd address");
		return NULL;
	}
	*ret_n = d->len / VIRTQ_DESC_LEN;
	return table;
}

int virtq_take(struct virtq *q, enum virtq_dir dir, struct virtq_chain *ret, struct iovec *iov,
	       int max)
{
	*ret = (struct virtq_chain){0};
	return q->packed ? virtq_packed_take(q, dir, ret, iov, max)
			 : virtq_split_take(q, dir, ret, iov, max);
}

void virtq_pass(struct virtq *q, const struct virtq_chain *c)
{
	if (q->packed)
		virtq_packed_pass(q, c);
	else
		q->next.at++;
}

void virtq_put(struct virtq *q, const struct virtq_chain *c, uint32_t written)
{
	if (q->packed)
		virtq_packed_put(q, c, written);
	else
		virtq_split_put(q, c, written);
}

bool virtq_publish(struct virtq *q)
{
	return q->packed ? virtq_packed_publish(q) : virtq_split_publish(q);
}

bool virtq_wait_at(struct virtq *q, struct virtq_mark from)
{
	q->quiet = false;
	return q->packed ? virtq_packed_wait(q, from) : virtq_split_wait(q, from);
}

bool virtq_wait(struct virtq *q)
{
	return virtq_wait_at(q, q->next);
}

bool virtq_has(const struct virtq *q)
{
	return q->packed ? virtq_packed_has(q, q->next) : virtq_split_has(q, q->next);
}

void virtq_quiet(struct virtq *q)
{
	if (q->quiet)
		return;
	q->quiet = true;
	if (q->packed)
		virtq_packed_quiet(q);
	else
		virtq_split_quiet(q);
}
