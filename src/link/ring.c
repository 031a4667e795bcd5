// SPDX-License-Identifier: Apache-2.0
/*
 * Rings of frames between two threads, and the link at one end of them.
 *
 * Each hand-over is a store followed by a load of what the other side stores and loads the other
 * way round (frames published and `asleep`; bytes freed and `wanted`). These are sequentially
 * consistent, so that at least one side sees the other's store: nobody rests on a ring that has
 * something for it.
 */
#include "link/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/list.h"
#include "link/vnet.h"

#define LINE 64
/* A record: its frame's length, 2 bytes so that the IP header is aligned, virtio-net header. */
#define AT_VNET  6
#define AT_FRAME (AT_VNET + VNET_HLEN)
#define WRAP     UINT32_MAX /* in the place of a length: the next record is at the beginning */

_Static_assert(AT_FRAME >= FRAME_VNET_ROOM, "who pops may write before the frame");
_Static_assert(RING_SIZE_MIN >= 3 * (FRAME_MAX + LINE), "the largest frame fits half a ring");

/* One direction. Positions count bytes since the beginning and only grow. */
struct ring {
	uint8_t *data;
	uint32_t size;
	_Alignas(LINE) _Atomic uint64_t tail; /* the producer's: frames are there up to here */
	uint64_t seen_head;                   /* its last look at head */
	_Alignas(LINE) _Atomic uint64_t head; /* the consumer's: free up to here */
	uint64_t popped;                      /* handed out up to here, freed by the next pop */
	_Alignas(LINE) _Atomic bool wanted;   /* the producer was refused */
};

struct ring_end {
	struct ring_pair *pair;
	struct ring_end *peer;
	struct ring *in, *out;
	int fd;
	bool refused;                       /* the last push was */
	_Alignas(LINE) _Atomic bool asleep; /* nobody looks until fd becomes readable */
	_Atomic bool closed;
};

struct ring_pair {
	struct ring ring[2];    /* to the link, to the guest */
	struct ring_end end[2]; /* the link's, the guest's */
	_Atomic int users;
	size_t map_len;
};

struct ring_link {
	struct link link;
	struct ring_end *end;
};

/* ---- waking ---- */

static void end_signal(struct ring_end *e)
{
	uint64_t one = 1;

	/* It can only fail where it is readable already. */
	if (write(e->fd, &one, sizeof(one)) < 0)
		return;
}

static void end_wake(struct ring_end *e)
{
	if (atomic_load(&e->asleep) && atomic_exchange(&e->asleep, false))
		end_signal(e);
}

static uint64_t ring_free_bytes(const struct ring *r)
{
	return r->size - (atomic_load(&r->tail) - atomic_load(&r->head));
}

static bool ring_half_free(const struct ring *r)
{
	return ring_free_bytes(r) >= r->size / 2;
}

static bool end_has_work(const struct ring_end *e)
{
	return atomic_load(&e->in->tail) != e->in->popped ||
	       (e->refused && ring_half_free(e->out)) || atomic_load(&e->peer->closed);
}

/* Nothing was found: clears the fd, and looks once more, as something may have come before the
 * other end could know that it has to signal. */
static void end_rest(struct ring_end *e)
{
	uint64_t n;

	if (read(e->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	atomic_store(&e->asleep, true);
	if (end_has_work(e))
		end_wake(e);
}

/* ---- the producer ---- */

static size_t record_len(uint32_t frame_len)
{
	return (AT_FRAME + (size_t)frame_len + LINE - 1) & ~(size_t)(LINE - 1);
}

/* Where a record of n bytes goes, with *tail moved to it; NULL: there is no room. */
static uint8_t *ring_place(struct ring *r, uint64_t *tail, size_t n)
{
	size_t at = *tail & (r->size - 1);
	size_t skip = at + n > r->size ? r->size - at : 0;

	if (*tail + skip + n - r->seen_head > r->size) {
		r->seen_head = atomic_load(&r->head);
		if (*tail + skip + n - r->seen_head > r->size)
			return NULL;
	}
	if (skip) {
		uint32_t wrap = WRAP;

		memcpy(r->data + at, &wrap, sizeof(wrap));
		*tail += skip;
		at = 0;
	}
	return r->data + at;
}

static bool frame_possible(const struct frame *f)
{
	return f->len >= ETH_HLEN && f->len <= FRAME_MAX;
}

/* As many as fit; *lost counts those that can be no frames. */
static int ring_put(struct ring *r, const struct frame *frames, int n, uint64_t *lost)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	int i = 0;

	for (; i < n; i++) {
		const struct frame *f = &frames[i];

		if (!frame_possible(f)) {
			(*lost)++;
			continue;
		}
		uint8_t *at = ring_place(r, &tail, record_len(f->len));
		if (!at)
			break;
		memcpy(at, &f->len, sizeof(f->len));
		vnet_put(at + AT_VNET, VNET_HLEN, f);
		memcpy(at + AT_FRAME, f->data, f->len);
		tail += record_len(f->len);
	}
	atomic_store(&r->tail, tail);
	return i;
}

static int end_push(struct ring_end *e, const struct frame *frames, int n, uint64_t *lost)
{
	int took = ring_put(e->out, frames, n, lost);

	if (took < n) {
		/* It may have been freed before that was known to be wanted. */
		atomic_store(&e->out->wanted, true);
		took += ring_put(e->out, frames + took, n - took, lost);
	}
	e->refused = took < n;
	if (took > 0)
		end_wake(e->peer);
	return took || !n ? took : -EAGAIN;
}

/* ---- the consumer ---- */

static void end_release(struct ring_end *e)
{
	struct ring *r = e->in;

	if (atomic_load_explicit(&r->head, memory_order_relaxed) == r->popped)
		return;
	atomic_store(&r->head, r->popped);
	if (atomic_load(&r->wanted) && ring_half_free(r)) {
		atomic_store(&r->wanted, false);
		end_wake(e->peer);
	}
}

/* Frames whose header is impossible are passed over. */
static int end_pop(struct ring_end *e, struct frame *ret, int max, uint64_t *lost)
{
	struct ring *r = e->in;
	uint64_t tail = atomic_load(&r->tail);
	int n = 0;

	end_release(e);
	while (n < max && r->popped != tail) {
		uint8_t *at = r->data + (r->popped & (r->size - 1));
		uint32_t len;

		memcpy(&len, at, sizeof(len));
		if (len == WRAP) {
			r->popped = (r->popped | (r->size - 1)) + 1;
			continue;
		}
		r->popped += record_len(len);
		ret[n] = (struct frame){.data = at + AT_FRAME, .len = len};
		if (vnet_parse(at + AT_VNET, &ret[n]))
			n++;
		else
			(*lost)++;
	}
	if (n == 0) {
		end_release(e);
		end_rest(e);
	}
	return n;
}

/* ---- the guest's end ---- */

static void pair_leave(struct ring_end *e)
{
	struct ring_pair *p = e->pair;

	atomic_store(&e->closed, true);
	end_wake(e->peer);
	if (atomic_fetch_sub(&p->users, 1) > 1)
		return;
	close(p->end[0].fd);
	close(p->end[1].fd);
	munmap(p->ring[0].data, p->map_len);
	free(p);
}

int ring_push(struct ring_end *e, const struct frame *frames, int n)
{
	uint64_t lost = 0;

	if (atomic_load(&e->peer->closed))
		return -EPIPE;
	return end_push(e, frames, n, &lost);
}

int ring_pop(struct ring_end *e, struct frame *ret, int max)
{
	uint64_t lost = 0;
	bool closed = atomic_load(&e->peer->closed);
	int n = end_pop(e, ret, max, &lost);

	return n == 0 && closed ? -EPIPE : n;
}

int ring_fd(const struct ring_end *e)
{
	return e->fd;
}

void ring_end_free(struct ring_end *e)
{
	if (e)
		pair_leave(e);
}

/* ---- the link ---- */

static struct ring_link *ring_of(struct link *l)
{
	return container_of(l, struct ring_link, link);
}

static int ring_link_recv(struct link *l, struct frame *ret, int max)
{
	struct ring_end *e = ring_of(l)->end;
	bool closed = atomic_load(&e->peer->closed);
	int n = end_pop(e, ret, max, &l->rx_dropped);

	return n == 0 && closed ? -ENETDOWN : n;
}

static int ring_link_send(struct link *l, struct frame *frames, int n)
{
	struct ring_end *e = ring_of(l)->end;

	if (atomic_load(&e->peer->closed))
		return -ENETDOWN;
	return end_push(e, frames, n, &l->tx_dropped);
}

static uint32_t ring_link_events(struct link *l, uint32_t events)
{
	const struct ring_end *e = ring_of(l)->end;
	bool room = e->refused && (ring_half_free(e->out) || atomic_load(&e->peer->closed));

	return EPOLLIN | (room ? EPOLLOUT : 0);
}

static void ring_link_arm(struct link *l, bool writable)
{
	if (!writable)
		ring_of(l)->end->refused = false;
}

static void ring_link_trim(struct link *l)
{
	struct ring *r = ring_of(l)->end->out;

	/* Nobody looks into an empty ring of which we are the producer; the other one may be
	 * written to at any time. */
	if (ring_free_bytes(r) == r->size)
		madvise(r->data, r->size, MADV_DONTNEED);
}

static void ring_link_free(struct link *l)
{
	pair_leave(ring_of(l)->end);
	free(ring_of(l));
}

static const struct link_ops ring_ops = {
	.name = "ring",
	.recv = ring_link_recv,
	.send = ring_link_send,
	.trim = ring_link_trim,
	.free = ring_link_free,
	.events = ring_link_events,
	.arm = ring_link_arm,
};

static int pair_map(struct ring_pair *p, uint32_t size)
{
	p->map_len = 2 * (size_t)size;
	uint8_t *map = mmap(NULL, p->map_len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	madvise(map, p->map_len, MADV_NOHUGEPAGE);
	for (int i = 0; i < 2; i++) {
		p->ring[i].data = map + (size_t)i * size;
		p->ring[i].size = size;
	}
	return 0;
}

static struct ring_pair *pair_new(uint32_t size, struct error *err)
{
	struct ring_pair *p = aligned_alloc(LINE, sizeof(*p));
	int r;

	if (!p) {
		error_set(err, "ring: out of memory");
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	p->users = 2;
	for (int i = 0; i < 2; i++) {
		struct ring_end *e = &p->end[i];

		e->pair = p;
		e->peer = &p->end[!i];
		e->in = &p->ring[i];
		e->out = &p->ring[!i];
		e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		e->asleep = true;
	}
	r = p->end[0].fd < 0 || p->end[1].fd < 0 ? -errno : pair_map(p, size);
	if (r == 0)
		return p;
	error_set_errno(err, r, "ring: cannot be made");
	for (int i = 0; i < 2; i++)
		if (p->end[i].fd >= 0)
			close(p->end[i].fd);
	free(p);
	return NULL;
}

struct link *link_ring_new(const struct ring_options *o, struct ring_end **ret_guest,
			   struct error *err)
{
	uint32_t size = o && o->size ? o->size : RING_SIZE;

	if (size < RING_SIZE_MIN || size > RING_SIZE_MAX || size & (size - 1)) {
		error_set(err, "ring: a size of %u bytes is no power of two from %d to %d", size,
			  RING_SIZE_MIN, RING_SIZE_MAX);
		return NULL;
	}
	struct ring_link *r = calloc(1, sizeof(*r));
	struct ring_pair *p = r ? pair_new(size, err) : NULL;
	if (!p) {
		if (!r)
			error_set(err, "ring: out of memory");
		free(r);
		return NULL;
	}
	r->end = &p->end[0];
	r->link = (struct link){.ops = &ring_ops,
				.fd = r->end->fd,
				.caps = o ? o->guest_caps & ~(uint32_t)LINK_UFO : 0,
				.peers = 1};
	*ret_guest = &p->end[1];
	return &r->link;
}
