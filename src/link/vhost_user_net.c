// SPDX-License-Identifier: Apache-2.0
/*
 * The data path of a vhost-user device: frames out of the guest's buffers and into them.
 *
 * Each burst touches a ring's notification state once: the driver is told once a burst and queue,
 * and we ask it for notifications only where a queue was found empty (from the guest) or too full
 * (to it).
 */
#include "link/vhost_user_dev.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "link/link.h"
#include "link/vhost_user_cursor.h"
#include "link/vnet.h"

/* A frame begins 18 bytes behind a cache line's start, so that its IP header is aligned. */
#define ARENA_ALIGN 64u
#define ARENA_LEAD  18u
/* A burst of frames stops here: more would only push the first ones out of the cache. */
#define ARENA_BURST (384 * 1024)
#define ARENA_LEN   (ARENA_BURST + ARENA_LEAD + FRAME_MAX + ARENA_ALIGN)

/* Where num_buffers lies in the header, and how many bytes it has. */
#define AT_NUM_BUFFERS 10u

int vu_net_init(struct vu_dev *d, struct error *err)
{
	d->arena = mmap(NULL, ARENA_LEN, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (d->arena == MAP_FAILED) {
		d->arena = NULL;
		return error_set_errno(err, errno, "cannot map the receive buffer");
	}
	/* A huge page for a single small frame would be all that an idle gateway weighs. */
	madvise(d->arena, ARENA_LEN, MADV_NOHUGEPAGE);
	return 0;
}

void vu_net_done(struct vu_dev *d)
{
	if (d->arena)
		munmap(d->arena, ARENA_LEN);
	d->arena = NULL;
}

void vu_net_trim(struct vu_dev *d)
{
	madvise(d->arena, ARENA_LEN, MADV_DONTNEED);
}

/* ---- rings ---- */

void vu_ring_flush(struct vu_dev *d, struct vu_ring *r)
{
	const uint64_t one = 1;

	vu_inflight_begin(r);
	bool tell = virtq_publish(&r->q);
	vu_inflight_end(r);
	/* A full eventfd has not been heard yet: nothing is lost. */
	if (tell && r->call_fd >= 0 && write(r->call_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_line_limited(&d->log, LOG_WARNING, "%s: the guest cannot be notified", d->name);
}

void vu_ring_fault(struct vu_dev *d, struct vu_ring *r)
{
	vu_dev_stop(d, (int)(r - d->rings), r->q.fault);
}

/* Pairs of rings that carry frames: without the feature there is one, and the ring behind it is
 * another kind. */
static unsigned pairs_of(const struct vu_dev *d)
{
	return d->features & VIRTIO_NET_MQ ? VU_PAIRS_MAX : 1;
}

static bool memory_lost(struct vu_dev *d)
{
	if (!vu_mem_lost(&d->mem))
		return false;
	vu_dev_stop(d, -1, "guest memory was cut short by its owner");
	return true;
}

/* ---- from the guest ---- */

/* A chain's bytes as a frame in the arena, but for a long payload. False where they are none. */
static bool frame_read(struct vu_dev *d, const struct virtq_chain *c, unsigned hdr_len,
		       size_t *used, struct frame *ret)
{
	struct vu_cursor cur = {d->ranges, c->n, 0};
	uint8_t hdr[VNET_HLEN];

	if (c->len < hdr_len + ETH_HLEN || c->len - hdr_len > FRAME_MAX)
		return false;
	vu_cursor_read(&cur, hdr, hdr_len);
	*ret = (struct frame){.data = d->arena + *used + ARENA_LEAD,
			      .len = (uint32_t)(c->len - hdr_len)};
	uint32_t head = ret->len < VU_TAIL_MIN ? ret->len : VU_TAIL_HEAD;
	vu_cursor_read(&cur, ret->data, head);
	if (head < ret->len && !vu_tail_keep(d, c, hdr, hdr_len, ret))
		vu_cursor_read(&cur, ret->data + head, ret->len - head);
	if (!vnet_parse(hdr, ret))
		return false;
	*used = (*used + ARENA_LEAD + ret->len + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	return true;
}

/* Takes up to max buffers, good or not. Frames; *ret_empty: the driver will notify of more. */
static int ring_recv(struct vu_dev *d, struct vu_ring *r, struct frame *ret, int max, size_t *used,
		     bool *ret_empty)
{
	unsigned hdr_len = vu_dev_hdr_len(d);
	int n = 0, tries = 0;

	*ret_empty = false;
	for (; tries < max && *used < ARENA_BURST && d->kept_n < VU_KEPT_MAX; tries++) {
		struct virtq_chain c;
		int got = virtq_take(&r->q, VIRTQ_READ, &c, d->ranges, VU_FRAME_RANGES);

		if (got == 0 && virtq_wait(&r->q))
			continue;
		if (got <= 0) {
			*ret_empty = true;
			if (got < 0)
				vu_ring_fault(d, r);
			break;
		}
		virtq_quiet(&r->q);
		if (frame_read(d, &c, hdr_len, used, &ret[n]))
			n++;
		else
			d->rx_dropped++;
		/* In order: behind one that is kept all are. */
		if (d->kept_ranges)
			d->kept[d->kept_n++] = (struct vu_kept){r, c};
		else
			virtq_put(&r->q, &c, 0);
	}
	if (tries)
		vu_ring_flush(d, r);
	return n;
}

/* Frames of a ring that was not enabled yet wait for that; one that was disabled must not leave its
 * driver waiting. */
static bool ring_readable(const struct vu_dev *d, const struct vu_ring *r)
{
	return r->running && !d->stopped && (r->enabled || r->discard);
}

int vu_net_recv(struct vu_dev *d, struct frame *ret, int max, bool *ret_more)
{
	size_t used = 0;
	int n = 0;

	vu_tail_release(d);
	*ret_more = false;
	/* One sandbox has one share of a turn, however many queues its guest has; they take turns
	 * in being first. */
	unsigned pairs = pairs_of(d), first = d->turn++ % pairs;
	vu_ctrl_serve(d);
	for (unsigned i = 0; i < pairs; i++) {
		struct vu_ring *r = &d->rings[2 * ((first + i) % pairs) + 1];
		bool empty;

		if (!ring_readable(d, r))
			continue;
		if (n >= max || used >= ARENA_BURST) {
			*ret_more = true;
			break;
		}
		int got = ring_recv(d, r, ret + n, max - n, &used, &empty);
		if (!r->enabled)
			got = 0;
		n += got;
		*ret_more |= !empty;
	}
	if (memory_lost(d))
		n = 0;
	if (n == 0)
		vu_tail_release(d);
	return n;
}

/* ---- to the guest ---- */

/* A ring into which the driver has put a buffer once. Some front ends start rings of which their
 * guest makes no use: what went there would wait for ever. */
static bool ring_used(struct vu_dev *d, struct vu_ring *r)
{
	if (!vu_ring_live(d, r))
		return false;
	if (!r->primed)
		r->primed = virtq_has(&r->q);
	return r->primed;
}

/* The ring that carries a frame: one flow, one ring. Ours are IP frames without options. */
struct vu_ring *vu_ring_for(struct vu_dev *d, const struct frame *f)
{
	struct vu_ring *live[VU_PAIRS_MAX];
	unsigned n = 0, pairs = pairs_of(d);
	uint32_t h = 0;

	/* What the driver asked for, where it asked us. */
	if (d->pairs && d->pairs < pairs)
		pairs = d->pairs;
	for (unsigned i = 0; i < pairs; i++)
		if (ring_used(d, &d->rings[2 * i]))
			live[n++] = &d->rings[2 * i];
	if (n == 0)
		return vu_ring_live(d, &d->rings[0]) ? &d->rings[0] : NULL;
	if (n == 1)
		return live[0];
	size_t from = f->data[12] == 0x86 ? ETH_HLEN + 8 : ETH_HLEN + 12;
	size_t to = f->data[12] == 0x86 ? from + 36 : from + 12;
	for (size_t i = from; i + 4 <= to && i + 4 <= f->len; i += 4) {
		uint32_t w;

		memcpy(&w, f->data + i, sizeof(w));
		h = (h ^ w) * 0x9e3779b1u;
	}
	return live[(h >> 16) % n];
}

int vu_ring_gather(struct vu_dev *d, struct vu_ring *r, size_t need, struct virtq_chain *chains,
		   struct iovec *iov, int *ret_ranges)
{
	int max = d->features & VIRTIO_NET_MRG_RXBUF ? VU_FRAME_CHAINS : 1;
	size_t have = 0;
	int ranges = 0;

	for (int n = 0; n < max;) {
		struct virtq_chain *c = &chains[n];
		int got = virtq_take(&r->q, VIRTQ_WRITE, c, iov + ranges, VU_FRAME_RANGES - ranges);

		if (got < 0)
			return -2;
		if (got == 0)
			return ranges >= r->q.size - r->q.size / 4 ? -1 : 0;
		n++;
		ranges += c->n;
		have += c->len;
		if (have >= need) {
			*ret_ranges = ranges;
			return n;
		}
	}
	return -1;
}

unsigned vu_ring_header(struct vu_dev *d, uint8_t hdr[VNET_HLEN], const struct frame *f, int n)
{
	const uint16_t buffers = (uint16_t)n;
	unsigned hdr_len = vu_dev_hdr_len(d);

	vnet_put(hdr, hdr_len, f);
	if (hdr_len == VNET_HLEN)
		memcpy(hdr + AT_NUM_BUFFERS, &buffers, sizeof(buffers));
	return hdr_len;
}

enum sent {
	SENT,
	SENT_NOT, /* no room now */
	SENT_DROPPED,
	SENT_FAULT,
};

static enum sent frame_write(struct vu_dev *d, struct vu_ring *r, const struct frame *f)
{
	struct virtq_mark before = virtq_mark(&r->q);
	size_t left = vu_dev_hdr_len(d) + f->len;
	uint8_t hdr[VNET_HLEN];
	int ranges = 0;

	int n = vu_ring_gather(d, r, left, d->chains, d->ranges, &ranges);
	if (n == -2)
		return SENT_FAULT;
	if (n <= 0) {
		d->dry = (int)(r - d->rings);
		d->dry_at = virtq_mark(&r->q);
		virtq_back(&r->q, before);
		return n < 0 ? SENT_DROPPED : SENT_NOT;
	}
	virtq_quiet(&r->q);
	struct vu_cursor cur = {d->ranges, ranges, 0};
	vu_cursor_write(&cur, hdr, vu_ring_header(d, hdr, f, n));
	vu_cursor_write(&cur, f->data, f->len);
	for (int i = 0; i < n; i++) {
		size_t here = d->chains[i].len < left ? (size_t)d->chains[i].len : left;

		virtq_put(&r->q, &d->chains[i], (uint32_t)here);
		left -= here;
	}
	return SENT;
}

/* What the guest did not say that it takes, it does not get. */
static bool frame_allowed(uint32_t caps, const struct frame *f)
{
	uint32_t need = f->meta.gso == FRAME_GSO_TCPV4    ? LINK_TSO4
			: f->meta.gso == FRAME_GSO_TCPV6  ? LINK_TSO6
			: f->meta.gso == FRAME_GSO_UDP_L4 ? LINK_USO
			: f->meta.gso == FRAME_GSO_UDP    ? LINK_UFO
							  : 0;

	need |= f->meta.needs_csum ? LINK_CSUM : 0;
	return (caps & need) == need;
}

static enum sent frame_send(struct vu_dev *d, uint32_t caps, const struct frame *f,
			    struct vu_ring **ret_ring)
{
	if (!frame_allowed(caps, f))
		return SENT_DROPPED;
	if (f->tail)
		return (*ret_ring = vu_tail_send(d, f)) ? SENT : SENT_DROPPED;
	d->lent_n = 0;
	*ret_ring = vu_ring_for(d, f);
	return *ret_ring ? frame_write(d, *ret_ring, f) : SENT_DROPPED;
}

int vu_net_send(struct vu_dev *d, struct frame *frames, int n)
{
	uint32_t caps = vu_dev_caps(d);
	uint32_t touched = 0;
	int i;

	for (i = 0; i < n; i++) {
		struct vu_ring *r = NULL;
		enum sent how = frame_send(d, caps, &frames[i], &r);

		if (how == SENT_NOT)
			break;
		if (how == SENT) {
			touched |= 1u << (r - d->rings);
			continue;
		}
		d->tx_dropped++;
		if (how == SENT_FAULT)
			vu_ring_fault(d, r);
	}
	for (unsigned k = 0; k < 2 * VU_PAIRS_MAX; k += 2)
		if (touched & 1u << k)
			vu_ring_flush(d, &d->rings[k]);
	if (memory_lost(d))
		return n;
	return i ? i : -EAGAIN;
}

bool vu_net_wait_room(struct vu_dev *d)
{
	if (d->dry < 0 || !vu_ring_live(d, &d->rings[d->dry]))
		return true;
	return virtq_wait_at(&d->rings[d->dry].q, d->dry_at);
}
