// SPDX-License-Identifier: Apache-2.0
/*
 * The in-flight area: a piece of memory that we make, the front end keeps, and gives back when weir
 * was started anew in the middle of things.
 *
 * Its layout is that of the protocol, a header and an entry for each descriptor a ring, but only
 * the header is filled in: buffers are given back in order, so that the place up to where that was
 * done says it all. A split ring has that place in its used index, too; a packed one has it nowhere
 * else.
 */
#include "link/vhost_user_dev.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Fields of the header: first those of both layouts, then those of the packed one. */
enum {
	AT_VERSION = 8,
	AT_DESC_NUM = 10,
	AT_SPLIT_USED = 14,
	AT_PACKED_USED = 16,
	AT_PACKED_OLD_USED = 18,
	AT_PACKED_WRAPS = 20, /* of used and old used, a byte each */
};
#define VERSION      1
#define SPLIT_HDR    16u
#define SPLIT_ENTRY  16u
#define PACKED_HDR   32u
#define PACKED_ENTRY 32u
#define AREA_ALIGN   64u

static uint64_t area_stride(bool packed, uint16_t size)
{
	uint64_t n = packed ? PACKED_HDR + (uint64_t)PACKED_ENTRY * size
			    : SPLIT_HDR + (uint64_t)SPLIT_ENTRY * size;

	return (n + AREA_ALIGN - 1) & ~(uint64_t)(AREA_ALIGN - 1);
}

struct vu_inflight_msg vu_inflight_want(const struct vu_dev *d, uint16_t rings, uint16_t size)
{
	bool packed = d->features & VIRTIO_RING_PACKED;

	return (struct vu_inflight_msg){.mmap_size = area_stride(packed, size) * rings,
					.num_queues = rings,
					.queue_size = size};
}

int vu_inflight_make(const struct vu_inflight_msg *m, struct error *err)
{
	int fd = memfd_create("weir-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)m->mmap_size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	error_set_errno(err, errno, "cannot make the in-flight area");
	if (fd >= 0)
		close(fd);
	return -1;
}

void vu_inflight_clear(struct vu_dev *d)
{
	for (unsigned i = 0; i < VU_RINGS_MAX; i++)
		d->rings[i].inflight = NULL;
	vu_mapping_close(&d->inflight);
	d->inflight_rings = d->inflight_size = 0;
}

int vu_inflight_set(struct vu_dev *d, const struct vu_inflight_msg *m, int fd, struct error *err)
{
	struct vu_inflight_msg want = vu_inflight_want(d, m->num_queues, m->queue_size);
	struct vu_mapping map;

	if (!m->num_queues || m->num_queues > VU_RINGS_MAX || !m->queue_size ||
	    m->queue_size > VIRTQ_SIZE_MAX || m->mmap_size < want.mmap_size ||
	    m->mmap_offset % AREA_ALIGN)
		return error_set(err, "an in-flight area that is none of ours");
	if (vu_mapping_open(&map, fd, m->mmap_offset, want.mmap_size, err) < 0)
		return -1;
	vu_inflight_clear(d);
	d->inflight = map;
	d->inflight_rings = m->num_queues;
	d->inflight_size = m->queue_size;
	return 0;
}

/* ---- a ring's part ---- */

static void store_used(const struct vu_ring *r)
{
	if (!r->q.packed) {
		virtq_store16_release(r->inflight + AT_SPLIT_USED, r->q.done.at);
		return;
	}
	__atomic_store_n(r->inflight + AT_PACKED_WRAPS, r->q.done.wrap, __ATOMIC_RELAXED);
	virtq_store16_release(r->inflight + AT_PACKED_USED, r->q.done.at);
}

static void store_old_used(const struct vu_ring *r)
{
	__atomic_store_n(r->inflight + AT_PACKED_WRAPS + 1, r->q.done.wrap, __ATOMIC_RELAXED);
	virtq_store16_release(r->inflight + AT_PACKED_OLD_USED, r->q.done.at);
}

/* The driver can see the descriptor at a place as used. */
static bool slot_is_used(const struct vu_ring *r, struct virtq_mark m)
{
	uint16_t flags = virtq_load16_acquire(r->q.desc + (size_t)m.at * VIRTQ_DESC_LEN + 14);

	return !!(flags & VIRTQ_DESC_USED) == m.wrap && !!(flags & VIRTQ_DESC_AVAIL) == m.wrap;
}

static void resume_packed(struct vu_ring *r)
{
	struct virtq_mark used = {.at = virtq_load16(r->inflight + AT_PACKED_USED),
				  .wrap = r->inflight[AT_PACKED_WRAPS]};
	struct virtq_mark old = {.at = virtq_load16(r->inflight + AT_PACKED_OLD_USED),
				 .wrap = r->inflight[AT_PACKED_WRAPS + 1]};

	if (used.at >= r->size || old.at >= r->size)
		return;
	/* Ended while a burst was being shown: it was, or was not. */
	if ((used.at != old.at || used.wrap != old.wrap) && !slot_is_used(r, old))
		used = old;
	r->next = r->done = used;
}

void vu_inflight_resume(struct vu_dev *d, unsigned ring)
{
	struct vu_ring *r = &d->rings[ring];

	r->inflight = NULL;
	if (!d->inflight.map || ring >= d->inflight_rings || r->size > d->inflight_size)
		return;
	r->inflight = d->inflight.at + area_stride(r->q.packed, d->inflight_size) * ring;
	if (virtq_load16(r->inflight + AT_VERSION) == VERSION &&
	    virtq_load16(r->inflight + AT_DESC_NUM) == r->size) {
		if (r->q.packed)
			resume_packed(r);
		else
			r->next.at = virtq_load16(r->q.used + 2);
	}
	virtq_store16(r->inflight + AT_DESC_NUM, r->size);
	r->q.done = r->done;
	if (!r->q.packed)
		r->q.done.at = virtq_load16(r->q.used + 2);
	store_used(r);
	if (r->q.packed)
		store_old_used(r);
	virtq_store16_release(r->inflight + AT_VERSION, VERSION);
}

void vu_inflight_begin(struct vu_ring *r)
{
	if (r->inflight && r->q.packed)
		store_used(r);
}

void vu_inflight_end(struct vu_ring *r)
{
	if (!r->inflight)
		return;
	if (r->q.packed)
		store_old_used(r);
	else
		store_used(r);
}

void vu_inflight_settled(struct vu_ring *r)
{
	if (r->inflight)
		virtq_store16_release(r->inflight + AT_VERSION, 0);
}
