// SPDX-License-Identifier: Apache-2.0
/* The vhost-user link against a front end and driver of our own: what crosses it, what stops it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "link/vhost_rig.h"
#include "link/vhost_user.h"
#include "link/vnet.h"

#define GOT_MAX  512
#define GOT_ROOM (8u << 20)

/* A link and its guest, and the frames that came out of the link. */
struct pair {
	struct link *l;
	struct rig g;
	struct frame got[GOT_MAX];
	int got_n;
	uint8_t *room; /* their bytes */
	size_t used;
};

static void pump(void *ctx)
{
	struct pair *p = ctx;
	struct frame f[LINK_BURST];
	int n = link_recv(p->l, f, LINK_BURST);

	for (int i = 0; i < n && p->got_n < GOT_MAX && p->used + f[i].len <= GOT_ROOM; i++) {
		struct frame *to = &p->got[p->got_n++];
		*to = f[i];
		to->data = p->room + p->used;
		frame_whole(&f[i]);
		to->tail = NULL;
		memcpy(to->data, f[i].data, f[i].len);
		p->used += f[i].len;
	}
}

static void forget(struct pair *p)
{
	p->got_n = 0;
	p->used = 0;
}

static bool connect_pair(struct pair *p)
{
	struct error err;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	p->l = link_vhost_user_fd(fd[0], &err);
	assert_non_null(p->l);
	return rig_attach(&p->g, fd[1]);
}

static struct pair *open_pair(const struct rig_options *o)
{
	static struct pair p;
	struct rig_options with = *o;

	p = (struct pair){.room = p.room ? p.room : malloc(GOT_ROOM)};
	with.pump = pump;
	with.ctx = &p;
	assert_true(rig_make(&p.g, &with));
	assert_true(connect_pair(&p));
	for (unsigned i = 0; i < p.g.o.pairs; i++)
		rig_fill(&p.g, i);
	return &p;
}

static void close_pair(struct pair *p)
{
	rig_free(&p->g);
	link_free(p->l);
	p->l = NULL;
}

/* The link's fd says that there is something to do. */
static bool awake(struct pair *p)
{
	struct pollfd f = {.fd = p->l->fd, .events = POLLIN};

	return poll(&f, 1, 0) == 1;
}

/* Bytes that tell frames, and places in them, apart. */
static void pattern(uint8_t *to, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + seed * 29);
}

/* A frame of the kind: 0: plain; 1: TCP/IPv4 super-segment. */
static void header_of(struct frame *f, uint8_t *data, size_t len, unsigned seed, bool tso)
{
	pattern(data, len, seed);
	memcpy(data + 12, "\x08\x00", 2);
	*f = (struct frame){.data = data, .len = (uint32_t)len};
	if (!tso)
		return;
	data[14 + 20 + 12] = 0x50;
	f->meta = (struct frame_meta){.needs_csum = true,
				      .gso = FRAME_GSO_TCPV4,
				      .gso_size = 1448,
				      .hdr_len = 54,
				      .csum_start = 34,
				      .csum_offset = 16};
}

static uint8_t scratch[16 + 70000], seen[70000];

static void check_from_guest(struct pair *p, unsigned seed, size_t len, bool tso)
{
	uint8_t hdr[RIG_HDR] = {0};
	struct frame f;

	header_of(&f, scratch + 16, len, seed, tso);
	vnet_put(hdr, p->g.hdr_len, &f);
	forget(p);
	assert_true(rig_send(&p->g, seed % p->g.o.pairs, hdr, f.data, f.len));
	rig_kick(&p->g.ring[2 * (seed % p->g.o.pairs) + 1]);
	assert_true(awake(p));
	pump(p);
	assert_int_equal(p->got_n, 1);
	assert_int_equal(p->got[0].len, len);
	assert_memory_equal(p->got[0].data, f.data, len);
	assert_memory_equal(&p->got[0].meta, &f.meta, sizeof(f.meta));
}

static void check_to_guest(struct pair *p, unsigned seed, size_t len, bool tso)
{
	uint8_t hdr[RIG_HDR], want[RIG_HDR];
	struct frame f;
	ssize_t n = 0;

	header_of(&f, scratch + 16, len, seed, tso);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	vnet_put(want, p->g.hdr_len, &f);
	for (unsigned i = 0; i < p->g.o.pairs && !n; i++) {
		n = rig_recv(&p->g, i, hdr, seen, sizeof(seen));
		rig_fill(&p->g, i);
	}
	assert_int_equal(n, len);
	assert_memory_equal(seen, f.data, len);
	assert_memory_equal(hdr, want, 10);
}

static void carry(const struct rig_options *o)
{
	struct pair *p = open_pair(o);
	bool big = o->features & VIRTIO_NET_MRG_RXBUF || o->rx_buf > 60000;
	uint64_t need = VIRTIO_NET_GUEST_TSO4 | VIRTIO_NET_GUEST_CSUM;
	bool tso = big && (o->features & need) == need;

	/* Many laps of a small ring, so that every index wraps. */
	for (unsigned i = 0; i < 700; i++) {
		check_from_guest(p, i, 60 + i % 1400, false);
		check_to_guest(p, i, 60 + i % 1400, false);
	}
	for (unsigned i = 0; i < 20; i++) {
		check_from_guest(p, i, 65000, true);
		check_to_guest(p, i, tso ? 65000 : 1514, tso);
	}
	assert_int_equal(p->l->rx_dropped, 0);
	assert_int_equal(p->l->tx_dropped, 0);
	close_pair(p);
}

#define PACKED (RIG_FEATURES | VIRTIO_RING_PACKED)

static void every_layout_carries_frames_whole(void **state)
{
	static const uint64_t layouts[] = {
		RIG_FEATURES,
		RIG_FEATURES & ~VIRTIO_RING_EVENT_IDX,
		PACKED,
		PACKED & ~VIRTIO_RING_EVENT_IDX,
		PACKED | VIRTIO_IN_ORDER,
		RIG_FEATURES & ~(VIRTIO_VERSION_1 | VIRTIO_NET_MRG_RXBUF),
		RIG_FEATURES & ~VHOST_USER_PROTOCOL,
	};

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		bool mrg = layouts[i] & VIRTIO_NET_MRG_RXBUF;
		struct rig_options o = {.features = layouts[i],
					.size = 64,
					.rx_buf = mrg ? 0 : 66048};

		carry(&o);
		o.segs = 3;
		carry(&o);
		o.indirect = true;
		carry(&o);
		o.pairs = 4;
		o.features |= VIRTIO_NET_MQ;
		o.add_regions = true;
		carry(&o);
	}
	/* Not a power of two, which only a packed ring may be; chains over its end. */
	struct rig_options odd = {.features = PACKED, .size = 57, .segs = 4};
	carry(&odd);
}

static void a_burst_is_one_notification(void **state)
{
	static const uint64_t layouts[] = {RIG_FEATURES, PACKED, PACKED & ~VIRTIO_RING_EVENT_IDX,
					   RIG_FEATURES & ~VIRTIO_RING_EVENT_IDX};

	for (size_t k = 0; k < 4; k++) {
		struct rig_options o = {.features = layouts[k]};
		struct pair *p = open_pair(&o);
		static uint8_t bytes[32][16 + 200];
		struct frame f[32];
		uint64_t calls;
		uint8_t hdr[RIG_HDR] = {0};

		if (read(p->g.ring[0].call_fd, &calls, 8) < 0)
			assert_int_equal(errno, EAGAIN);
		for (int i = 0; i < 32; i++)
			f[i] = (struct frame){.data = bytes[i] + 16, .len = 200};
		assert_int_equal(link_send(p->l, f, 32), 32);
		assert_int_equal(read(p->g.ring[0].call_fd, &calls, 8), 8);
		assert_int_equal(calls, 1);
		for (int i = 0; i < 32; i++)
			assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), 200);
		/* None is wanted: none comes. */
		rig_ring_want_call(&p->g.ring[0], false);
		assert_int_equal(link_send(p->l, f, 8), 8);
		assert_int_equal(read(p->g.ring[0].call_fd, &calls, 8), -1);
		/* The other way: one kick wakes, further ones are not asked for. */
		memset(hdr, 0, sizeof(hdr));
		uint64_t kicks = p->g.ring[1].kicks;
		for (int i = 0; i < 32; i++) {
			assert_true(rig_send(&p->g, 0, hdr, bytes[i], 200));
			rig_kick(&p->g.ring[1]);
			if (i == 0 && !(layouts[k] & VIRTIO_RING_EVENT_IDX))
				kicks = p->g.ring[1].kicks - 1;
		}
		if (layouts[k] & VIRTIO_RING_EVENT_IDX)
			assert_int_equal(p->g.ring[1].kicks, kicks + 1);
		forget(p);
		pump(p);
		assert_int_equal(p->got_n, 32);
		assert_false(awake(p));
		close_pair(p);
	}
}

static void a_burst_too_long_for_one_turn_wakes_again(void **state)
{
	static const uint64_t layouts[] = {RIG_FEATURES, RIG_FEATURES & ~VIRTIO_RING_EVENT_IDX,
					   PACKED, PACKED & ~VIRTIO_RING_EVENT_IDX};

	for (int k = 0; k < 4; k++) {
		struct rig_options o = {.features = layouts[k]};
		struct pair *p = open_pair(&o);
		uint8_t hdr[RIG_HDR] = {0};

		memset(scratch, 0, sizeof(scratch));
		for (int i = 0; i < 200; i++)
			assert_true(rig_send(&p->g, 0, hdr, scratch, 1514));
		rig_kick(&p->g.ring[1]);
		pump(p);
		assert_int_equal(p->got_n, LINK_BURST);
		/* While there is work, nobody has to say that there is more. */
		uint64_t kicks = p->g.ring[1].kicks;
		assert_true(rig_send(&p->g, 0, hdr, scratch, 1514));
		rig_kick(&p->g.ring[1]);
		assert_int_equal(p->g.ring[1].kicks, kicks);
		for (int turns = 0; turns < 20 && awake(p); turns++)
			pump(p);
		assert_int_equal(p->got_n, 201);
		assert_false(awake(p));
		close_pair(p);
	}
}

static void a_guest_without_buffers_is_waited_for(void **state)
{
	static const uint64_t layouts[] = {RIG_FEATURES, PACKED};

	for (int k = 0; k < 2; k++) {
		struct rig_options o = {.features = layouts[k], .size = 64};
		struct pair *p = open_pair(&o);
		struct frame f = {.data = scratch + 16, .len = 1000};
		uint8_t hdr[RIG_HDR];

		for (int i = 0; i < 64; i++)
			assert_int_equal(link_send(p->l, &f, 1), 1);
		assert_int_equal(link_send(p->l, &f, 1), -EAGAIN);
		assert_true(link_arm(p->l, true));
		pump(p);
		assert_false(awake(p));
		assert_int_equal(link_events(p->l, EPOLLIN), EPOLLIN);
		assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), 1000);
		rig_fill(&p->g, 0);
		assert_true(awake(p));
		/* Whoever takes frames first has not lost the news. */
		pump(p);
		assert_true(awake(p));
		assert_int_equal(link_events(p->l, EPOLLIN), EPOLLIN | EPOLLOUT);
		link_arm(p->l, false);
		assert_int_equal(link_send(p->l, &f, 1), 1);
		assert_int_equal(link_send(p->l, &f, 1), -EAGAIN);
		/* A guest that goes away is not waited for. */
		link_arm(p->l, true);
		rig_stop_ring(&p->g, 0);
		assert_int_equal(link_events(p->l, EPOLLIN), EPOLLIN | EPOLLOUT);
		assert_int_equal(link_send(p->l, &f, 1), 1);
		assert_int_equal(p->l->tx_dropped, 1);
		close_pair(p);
	}
}

static void queues_that_the_guest_does_not_use_get_no_frames(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES | VIRTIO_NET_MQ, .pairs = 4, .size = 64};
	struct pair *p = open_pair(&o);

	/* All are started, and only the first one gets buffers. */
	for (unsigned i = 2; i < 8; i++)
		rig_stop_ring(&p->g, i);
	for (unsigned i = 2; i < 8; i++) {
		memset(p->g.mem + i * RIG_RING_BYTES, 0, RIG_RING_BYTES);
		rig_ring_init(&p->g.ring[i]);
		rig_set_base(&p->g, i, 0);
		assert_true(rig_start_ring(&p->g, i));
	}
	for (unsigned i = 0; i < 200; i++) {
		struct frame f;
		uint8_t hdr[RIG_HDR];

		header_of(&f, scratch + 16, 100, i, false);
		assert_int_equal(link_send(p->l, &f, 1), 1);
		assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), 100);
		rig_fill(&p->g, 0);
	}
	assert_int_equal(p->l->tx_dropped, 0);
	/* Once they are used, flows are spread over them, and a flow keeps to its own. */
	unsigned hits[4] = {0};
	for (unsigned i = 0; i < 4; i++)
		rig_fill(&p->g, i);
	for (unsigned i = 0; i < 200; i++) {
		struct frame f;
		uint8_t hdr[RIG_HDR];
		unsigned k = 0;

		header_of(&f, scratch + 16, 100, i / 2, false);
		assert_int_equal(link_send(p->l, &f, 1), 1);
		while (k < 4 && rig_recv(&p->g, k, hdr, seen, sizeof(seen)) != 100)
			k++;
		assert_true(k < 4);
		hits[k]++;
		rig_fill(&p->g, k);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(hits[i] >= 20 && hits[i] % 2 == 0);
	close_pair(p);
}

#define D_NEXT  1
#define D_WRITE 2
#define D_TABLE 4
#define D_AVAIL 0x80

/* Makes descriptor 0 the next available one of a ring. */
static void offer(struct rig_ring *r, uint16_t ahead)
{
	uint16_t idx = (uint16_t)(r->avail_idx + ahead);

	if (!r->packed) {
		memset(r->avail + 4, 0, 2u * r->size);
		memcpy(r->avail + 2, &idx, 2);
	}
	r->added = 1;
	const uint64_t one = 1;
	assert_int_equal(write(r->kick_fd, &one, 8), 8);
}

/* What stderr got while fn ran. */
static size_t errors_logged(void (*fn)(void *), void *ctx)
{
	FILE *f = tmpfile();
	int saved = dup(2);
	char line[512];
	size_t n = 0;

	fflush(stderr);
	dup2(fileno(f), 2);
	fn(ctx);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	rewind(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "device stopped") != NULL;
	fclose(f);
	return n;
}

static void pump_some(void *ctx)
{
	for (int i = 0; i < 5; i++)
		pump(ctx);
}

/* A command through ring 2, the one of commands where there is one pair. */
static uint8_t command(struct pair *p, const void *cmd, uint32_t len)
{
	struct rig_ring *r = &p->g.ring[2];
	uint16_t entry;
	uint32_t n;

	memcpy(rig_buf(r, 0), cmd, len);
	rig_buf(r, 0)[64] = 0xee;
	rig_desc(r->desc, r->bufs_gpa, len, D_NEXT, 1);
	rig_desc(r->desc + 16, r->bufs_gpa + 64, 1, D_WRITE, 0);
	uint16_t idx = ++r->avail_idx;
	memset(r->avail + 4, 0, 2u * r->size);
	memcpy(r->avail + 2, &idx, 2);
	r->added = 1;
	rig_kick(r);
	assert_true(awake(p));
	pump(p);
	assert_true(rig_ring_used(r, &entry, &n));
	assert_int_equal(n, 1);
	return rig_buf(r, 0)[64];
}

static void check_commands(uint64_t features)
{
	struct rig_options o = {.features = features | VIRTIO_NET_CTRL_VQ, .pairs = 2};
	struct pair *p = open_pair(&o);

	rig_stop_ring(&p->g, 2);
	memset(p->g.mem + 2 * RIG_RING_BYTES, 0, RIG_RING_BYTES);
	rig_ring_init(&p->g.ring[2]);
	rig_set_base(&p->g, 2, 0);
	assert_true(rig_start_ring(&p->g, 2));
	pump(p);
	assert_int_equal(command(p, "\4\0\1\0", 4), 0);
	assert_int_equal(command(p, "\4\0\0\0", 4), 1);
	assert_int_equal(command(p, "\4\0\x09\0", 4), 1);
	assert_int_equal(command(p, "\4\0\1", 3), 1);
	assert_int_equal(command(p, "\1\1\1\2\3\4\5\6", 8), 1);
	/* Room for the answer before the question: no driver does that. */
	rig_desc(p->g.ring[2].desc, p->g.ring[2].bufs_gpa, 1, D_WRITE | D_NEXT, 1);
	rig_desc(p->g.ring[2].desc + 16, p->g.ring[2].bufs_gpa, 4, 0, 0);
	offer(&p->g.ring[2], 1);
	assert_int_equal(errors_logged(pump_some, p), 1);
	close_pair(p);
}

static void commands_are_answered(void **state)
{
	check_commands(RIG_FEATURES);
	check_commands(RIG_FEATURES & ~VIRTIO_RING_EVENT_IDX);
}

static void what_was_not_negotiated_is_not_sent(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES &
					    ~(VIRTIO_NET_GUEST_TSO4 | VIRTIO_NET_GUEST_USO4)};
	struct pair *p = open_pair(&o);
	uint8_t hdr[RIG_HDR];
	struct frame f;

	assert_int_equal(p->l->caps, LINK_CSUM | LINK_TSO6);
	header_of(&f, scratch + 16, 30000, 1, true);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), 0);
	close_pair(p);
}

static void a_ring_too_small_for_a_frame_loses_it(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .size = 16};
	struct pair *p = open_pair(&o);
	struct frame f;

	header_of(&f, scratch + 16, 65000, 1, true);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	check_to_guest(p, 1, 20000, true);
	close_pair(p);
}

/* ---- a hostile guest ---- */

/* Descriptors of a split ring, or of a packed one where the flags are in w14. */
static void out_of_region(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1 + g->len1 - 10, 100, 0, 0);
}
static void nowhere(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, 0xdead00000000ull, 100, 0, 0);
}
static void address_wraps(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, UINT64_MAX - 50, 100, 0, 0);
}
static void host_address(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_UVA1, 100, 0, 0);
}
static void huge_length(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA0, UINT32_MAX, 0, 0);
}
static void loop_of_one(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, D_NEXT, 0);
}
static void loop_of_two(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, D_NEXT, 1);
	rig_desc(r->desc + 16, RIG_GPA1, 0, D_NEXT, 0);
}
static void next_outside(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, D_NEXT, r->size);
}
static void wrong_direction(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, D_WRITE, 0);
}
static void table_outside(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA0 + g->len0 - 16, 32, D_TABLE, 0);
}
static void table_of_odd_length(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 17, D_TABLE, 0);
}
static void table_empty(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 0, D_TABLE, 0);
}
static void table_huge(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16 * 2000, D_TABLE, 0);
}
static void table_at_odd_address(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa + 1, 16, D_TABLE, 0);
}
static void table_in_table(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16, D_TABLE, 0);
	rig_desc(r->tables, r->tables_gpa, 16, D_TABLE, 0);
}
static void table_and_next(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16, D_TABLE | D_NEXT, 1);
}
static void table_with_loop(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 32, D_TABLE, 0);
	rig_desc(r->tables, RIG_GPA1, 8, D_NEXT, 1);
	rig_desc(r->tables + 16, RIG_GPA1, 8, D_NEXT, 0);
}
static void table_by_the_book(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16, D_TABLE, 0);
	rig_desc(r->tables, r->bufs_gpa, 100, 0, 0);
}
static void head_outside(struct rig *g, struct rig_ring *r)
{
	const uint16_t head = 0xffff;

	memcpy(r->avail + 4 + 2 * (r->avail_idx & (r->size - 1)), &head, 2);
}

/* Packed: the same in its own words. */
static void p_nowhere(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, 0xdead00000000ull, 100, 0, D_AVAIL);
}
static void p_endless(struct rig *g, struct rig_ring *r)
{
	for (uint16_t i = 0; i < r->size; i++)
		rig_desc(r->desc + i * 16u, RIG_GPA1, 0, 0, D_AVAIL | D_NEXT);
}
static void p_unfinished(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, 0, D_AVAIL | D_NEXT);
}
static void p_wrong_direction(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, 0, D_AVAIL | D_WRITE);
}
static void p_table_outside(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA0 + g->len0 - 16, 32, 0, D_AVAIL | D_TABLE);
}
static void p_table_and_next(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16, 0, D_AVAIL | D_TABLE | D_NEXT);
}
static void p_table_in_table(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->tables, r->tables_gpa, 16, 0, D_TABLE);
	rig_desc(r->desc, r->tables_gpa, 16, 0, D_AVAIL | D_TABLE);
}

static const struct attack {
	const char *name;
	bool packed;
	uint16_t ahead; /* entries that the available index claims */
	bool not_indirect;
	void (*make)(struct rig *g, struct rig_ring *r);
} attacks[] = {
	{"out of region", false, 1, false, out_of_region},
	{"nowhere", false, 1, false, nowhere},
	{"address wraps", false, 1, false, address_wraps},
	{"an address of the front end", false, 1, false, host_address},
	{"huge length", false, 1, false, huge_length},
	{"loop of one", false, 1, false, loop_of_one},
	{"loop of two", false, 1, false, loop_of_two},
	{"next outside", false, 1, false, next_outside},
	{"wrong direction", false, 1, false, wrong_direction},
	{"table outside", false, 1, false, table_outside},
	{"table of odd length", false, 1, false, table_of_odd_length},
	{"table empty", false, 1, false, table_empty},
	{"table huge", false, 1, false, table_huge},
	{"table at odd address", false, 1, false, table_at_odd_address},
	{"table in table", false, 1, false, table_in_table},
	{"table and next", false, 1, false, table_and_next},
	{"table with loop", false, 1, false, table_with_loop},
	{"table not negotiated", false, 1, true, table_by_the_book},
	{"head outside", false, 1, false, head_outside},
	{"index overrun", false, 65, false, NULL},
	{"index far ahead", false, 0x8000, false, NULL},
	{"index backwards", false, 0xffff, false, NULL},
	{"packed: nowhere", true, 1, false, p_nowhere},
	{"packed: endless", true, 1, false, p_endless},
	{"packed: unfinished", true, 1, false, p_unfinished},
	{"packed: wrong direction", true, 1, false, p_wrong_direction},
	{"packed: table outside", true, 1, false, p_table_outside},
	{"packed: table and next", true, 1, false, p_table_and_next},
	{"packed: table in table", true, 1, false, p_table_in_table},
};

static void attack(const struct attack *a)
{
	struct rig_options o = {.features = a->packed ? PACKED : RIG_FEATURES, .size = 64};
	struct frame f = {.data = scratch + 16, .len = 100};

	if (a->not_indirect)
		o.features &= ~VIRTIO_RING_INDIRECT;
	struct pair *p = open_pair(&o);
	struct rig_ring *r = &p->g.ring[1];
	if (a->make && a->make != head_outside)
		a->make(&p->g, r);
	offer(r, a->ahead);
	if (a->make == head_outside)
		a->make(&p->g, r);
	if (errors_logged(pump_some, p) != 1)
		fail_msg("%s: not one error", a->name);
	assert_int_equal(p->got_n, 0);
	/* Nothing moves any more, and the link is still there. */
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	assert_int_equal(link_recv(p->l, p->got, 1), 0);
	/* A driver that starts anew is served again. */
	rig_stop_ring(&p->g, 0);
	rig_stop_ring(&p->g, 1);
	for (unsigned i = 0; i < 2; i++) {
		memset(p->g.mem + i * RIG_RING_BYTES, 0, RIG_RING_BYTES);
		rig_ring_init(&p->g.ring[i]);
		rig_set_base(&p->g, i, rig_base(&p->g, i));
		assert_true(rig_start_ring(&p->g, i));
	}
	rig_fill(&p->g, 0);
	check_from_guest(p, 1, 500, false);
	check_to_guest(p, 1, 500, false);
	close_pair(p);
}

static void a_hostile_ring_stops_the_device(void **state)
{
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
		attack(&attacks[i]);
}

static void impossible_frames_are_dropped(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .size = 64};
	struct pair *p = open_pair(&o);
	struct rig_ring *r = &p->g.ring[1];
	uint8_t hdr[RIG_HDR] = {0};

	/* Too short for an Ethernet header; a header that asks for nonsense; longer than any. */
	assert_true(rig_send(&p->g, 0, hdr, scratch, 13));
	hdr[1] = 9;
	assert_true(rig_send(&p->g, 0, hdr, scratch, 100));
	hdr[1] = 0;
	assert_true(rig_send(&p->g, 0, hdr, scratch, 65550));
	rig_kick(r);
	pump(p);
	assert_int_equal(p->got_n, 0);
	assert_int_equal(p->l->rx_dropped, 3);
	check_from_guest(p, 1, 65549, false);
	close_pair(p);
}

/* ---- a hostile front end ---- */

static const struct bad_message {
	const char *name;
	uint32_t request, flags, len;
	uint64_t w[4];
	int fds;
} bad_messages[] = {
	{"unknown request", 77, 1, 8, {0}, 0},
	{"wrong version", VU_GET_FEATURES, 2, 0, {0}, 0},
	{"a reply", VU_GET_FEATURES, 5, 0, {0}, 0},
	{"too long", VU_GET_FEATURES, 1, 100000, {0}, 0},
	{"too short", VU_SET_FEATURES, 1, 4, {0}, 0},
	{"features not offered", VU_SET_FEATURES, 1, 8, {RIG_FEATURES | VIRTIO_BIT(26)}, 0},
	{"protocol features not offered", VU_SET_PROTOCOL_FEATURES, 1, 8, {~0ull}, 0},
	{"ring layout changed", VU_SET_FEATURES, 1, 8, {VIRTIO_RING_PACKED}, 0},
	{"ring number", VU_SET_VRING_NUM, 1, 8, {17ull | 64ull << 32}, 0},
	{"resized while it runs", VU_SET_VRING_NUM, 1, 8, {0ull | 128ull << 32}, 0},
	{"moved while it runs", VU_SET_VRING_BASE, 1, 8, {0ull | 7ull << 32}, 0},
	{"base of no ring", VU_GET_VRING_BASE, 1, 8, {99}, 0},
	{"ring moved away", VU_SET_VRING_ADDR, 1, 32, {0, 1, 2, 3}, 0},
	{"kick without fd", VU_SET_VRING_KICK, 1, 8, {0}, 0},
	{"kick to be polled", VU_SET_VRING_KICK, 1, 8, {0x100}, 0},
	{"kick with two fds", VU_SET_VRING_KICK, 1, 8, {0}, 2},
	{"call of no ring", VU_SET_VRING_CALL, 1, 8, {200}, 1},
	{"memory table without fds", VU_SET_MEM_TABLE, 1, 8, {1}, 0},
	{"memory table of many", VU_SET_MEM_TABLE, 1, 8, {100}, 8},
	{"region from no file", VU_ADD_MEM_REG, 1, 32, {0}, 1},
	{"configuration past its end", VU_GET_CONFIG, 1, 12, {0xff | 0xffull << 32}, 0},
	{"in-flight area of many", VU_GET_INFLIGHT_FD, 1, 20, {0, 0, 0xffffffff}, 0},
	{"in-flight area from nothing", VU_SET_INFLIGHT_FD, 1, 20, {4096, 0, 1 | 64 << 16}, 1},
	{"too many fds", VU_SET_OWNER, 1, 0, {0}, 12},
};

static void send_bad(struct rig *g, const struct bad_message *b)
{
	uint32_t hdr[3] = {b->request, b->flags, b->len};
	uint8_t body[40] = {0};
	int fds[16];

	memcpy(body, b->w, sizeof(b->w));
	for (int i = 0; i < b->fds; i++)
		fds[i] = g->sock;
	uint32_t len = b->len > sizeof(body) ? 0 : b->len;
	if (b->flags == 1 && len == b->len) {
		assert_true(rig_say(g, b->request, 0, body, len, fds, b->fds));
		return;
	}
	assert_int_equal(write(g->sock, hdr, sizeof(hdr)), sizeof(hdr));
	assert_int_equal(write(g->sock, body, len), len);
}

static bool closed(struct rig *g)
{
	char c[64];
	ssize_t n;

	while ((n = recv(g->sock, c, sizeof(c), MSG_DONTWAIT)) > 0)
		;
	return n == 0 || errno == ECONNRESET;
}

static void a_bad_message_ends_the_connection(void **state)
{
	for (size_t i = 0; i < sizeof(bad_messages) / sizeof(bad_messages[0]); i++) {
		struct rig_options o = {.features = RIG_FEATURES, .size = 64};
		struct pair *p = open_pair(&o);

		send_bad(&p->g, &bad_messages[i]);
		if (errors_logged(pump_some, p) != 1)
			fail_msg("%s: not one error", bad_messages[i].name);
		if (!closed(&p->g))
			fail_msg("%s: not closed", bad_messages[i].name);
		assert_int_equal(link_recv(p->l, p->got, 1), -ENETDOWN);
		close_pair(p);
	}
}

static void a_message_may_come_in_pieces(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = open_pair(&o);
	uint32_t msg[5] = {VU_SET_VRING_ENABLE, 1 | VU_FLAG_NEED_REPLY, 8, 0, 1};
	uint64_t failed = 1;

	for (size_t i = 0; i < sizeof(msg); i++) {
		assert_int_equal(write(p->g.sock, (char *)msg + i, 1), 1);
		pump(p);
	}
	assert_true(rig_hear(&p->g, VU_SET_VRING_ENABLE, &failed, 8, NULL));
	assert_int_equal(failed, 0);
	/* And end in the middle. */
	assert_int_equal(write(p->g.sock, msg, 14), 14);
	shutdown(p->g.sock, SHUT_WR);
	assert_int_equal(errors_logged(pump_some, p), 1);
	close_pair(p);
}

static void memory_that_is_cut_short_stops_the_device(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .unsealed = true};
	struct pair *p = open_pair(&o);
	struct frame f = {.data = scratch + 16, .len = 1000};

	check_from_guest(p, 1, 1000, false);
	assert_int_equal(ftruncate(p->g.mem_fd, 0), 0);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	pump_some(p);
	assert_int_equal(link_recv(p->l, p->got, 1), 0);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_true(p->l->tx_dropped > 0);
	close_pair(p);
}

static void a_region_longer_than_its_file_is_refused(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = open_pair(&o);

	assert_int_equal(p->g.failed, false);
	p->g.len1 += 4096;
	assert_false(rig_share_memory(&p->g));
	close_pair(p);
}

static void memory_moves_under_a_running_device(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = open_pair(&o);

	check_from_guest(p, 1, 1000, false);
	assert_true(rig_share_memory(&p->g));
	check_from_guest(p, 2, 1000, false);
	check_to_guest(p, 2, 1000, false);
	/* Without the region of the rings. */
	struct {
		uint32_t n, pad;
		struct vu_mem_region r;
	} table = {1, 0, {RIG_GPA1, p->g.len1, RIG_UVA1, p->g.len0}};
	assert_true(rig_do(&p->g, VU_SET_MEM_TABLE, &table, sizeof(table), &p->g.mem_fd, 1));
	struct frame f = {.data = scratch + 16, .len = 1000};
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	pump(p);
	/* It comes back, and the rings are started anew. */
	assert_true(rig_share_memory(&p->g));
	for (unsigned i = 0; i < 2; i++) {
		rig_set_base(&p->g, i, rig_stop_ring(&p->g, i));
		assert_true(rig_start_ring(&p->g, i));
	}
	check_from_guest(p, 3, 1000, false);
	check_to_guest(p, 3, 1000, false);
	close_pair(p);
}

static void a_region_comes_and_goes(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .add_regions = true};
	struct pair *p = open_pair(&o);
	struct {
		uint64_t pad;
		struct vu_mem_region r;
	} one = {0, {0x800000000ull, 65536, 0x7f3300000000ull, 0}};

	/* Each said twice, as by a front end that says it for every pair of rings. */
	for (int i = 0; i < 2; i++)
		assert_true(rig_do(&p->g, VU_ADD_MEM_REG, &one, sizeof(one), &p->g.mem_fd, 1));
	for (int i = 0; i < 2; i++)
		assert_true(rig_do(&p->g, VU_REM_MEM_REG, &one, sizeof(one), NULL, 0));
	check_from_guest(p, 1, 1000, false);
	/* Over one that is there: refused, and the connection with it. */
	one.r.gpa = RIG_GPA1 + 4096;
	assert_false(rig_do(&p->g, VU_ADD_MEM_REG, &one, sizeof(one), &p->g.mem_fd, 1));
	close_pair(p);
}

static void the_configuration_says_what_is_there(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = open_pair(&o);
	uint8_t msg[12 + 17] = {0};
	const uint32_t ask[3] = {0, 17, 0};

	link_vhost_user_set_mtu(p->l, 9000);
	memcpy(msg, ask, sizeof(ask));
	assert_true(rig_say(&p->g, VU_GET_CONFIG, 0, msg, sizeof(msg), NULL, 0));
	assert_true(rig_hear(&p->g, VU_GET_CONFIG, msg, sizeof(msg), NULL));
	assert_int_equal(msg[12 + 6], 1);
	assert_int_equal(msg[12 + 8], 8);
	assert_int_equal(msg[12 + 10] | msg[12 + 11] << 8, 9000);
	close_pair(p);
}

static void a_disabled_ring_takes_frames_and_loses_them(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = open_pair(&o);
	struct vu_vring_state off = {1, 0}, on = {1, 1};
	uint8_t hdr[RIG_HDR] = {0};
	uint16_t entry;
	uint32_t n;

	assert_true(rig_do(&p->g, VU_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0));
	assert_true(rig_send(&p->g, 0, hdr, scratch, 100));
	rig_kick(&p->g.ring[1]);
	forget(p);
	pump(p);
	assert_int_equal(p->got_n, 0);
	assert_true(rig_ring_used(&p->g.ring[1], &entry, &n));
	p->g.ring[1].free[p->g.ring[1].free_n++] = entry;
	assert_true(rig_do(&p->g, VU_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0));
	check_from_guest(p, 1, 1000, false);
	close_pair(p);
}

/* ---- coming back ---- */

static int dial_path(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void a_vmm_that_comes_back_finds_its_link(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .pump = pump};
	char path[] = "/tmp/vhost-user-test-XXXXXX";
	struct pair *p = calloc(1, sizeof(*p));
	struct error err;

	assert_non_null(mkdtemp(path));
	char sock[64];
	snprintf(sock, sizeof(sock), "%s/s", path);
	p->room = malloc(GOT_ROOM);
	p->l = link_vhost_user_listen(sock, &err);
	assert_non_null(p->l);
	int fd = p->l->fd;
	assert_null(link_vhost_user_listen(sock, &err));
	pump_some(p);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t peers = p->l->peers;

		/* Another layout each time: nothing of the one before is left. */
		o.features = i == 1 ? PACKED : RIG_FEATURES;
		o.ctx = p;
		assert_true(rig_make(&p->g, &o));
		assert_true(rig_attach(&p->g, dial_path(sock)));
		rig_fill(&p->g, 0);
		assert_int_equal(p->l->peers, peers + 1);
		assert_int_equal(p->l->caps, LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_USO);
		check_from_guest(p, i, 1000, false);
		check_to_guest(p, i, 1000, false);
		rig_free(&p->g);
		pump_some(p);
		assert_int_equal(p->l->caps, 0);
		assert_int_equal(p->l->fd, fd);
	}
	link_free(p->l);
	assert_int_equal(access(sock, F_OK), -1);
	rmdir(path);
	free(p->room);
	free(p);
}

/* weir ends in the middle of things, and another one goes on: each frame once. */
static void in_flight(uint64_t features)
{
	struct rig_options o = {.features = features, .size = 64, .inflight = true};
	struct pair *p = open_pair(&o);
	uint8_t hdr[RIG_HDR] = {0};
	struct frame f[LINK_BURST];
	unsigned next = 0, want = 0;

	for (int lives = 0; lives < 10; lives++) {
		while (next - want < 40) {
			pattern(scratch, 200, next++);
			assert_true(rig_send(&p->g, 0, hdr, scratch, 200));
		}
		rig_kick(&p->g.ring[1]);
		/* It takes seventeen, and is no more. */
		assert_int_equal(link_recv(p->l, f, 17), 17);
		for (int i = 0; i < 17; i++) {
			pattern(scratch, 200, want++);
			assert_memory_equal(f[i].data, scratch, 200);
		}
		rig_detach(&p->g);
		link_free(p->l);
		assert_true(connect_pair(p));
		/* Setting up has received some already. */
		for (int i = 0; i < p->got_n; i++) {
			pattern(scratch, 200, want++);
			assert_memory_equal(p->got[i].data, scratch, 200);
		}
		forget(p);
	}
	close_pair(p);
}

static void a_weir_that_comes_back_loses_and_repeats_nothing(void **state)
{
	in_flight(RIG_FEATURES);
	in_flight(PACKED);
	in_flight(PACKED | VIRTIO_IN_ORDER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout_carries_frames_whole),
		cmocka_unit_test(a_burst_is_one_notification),
		cmocka_unit_test(a_burst_too_long_for_one_turn_wakes_again),
		cmocka_unit_test(a_guest_without_buffers_is_waited_for),
		cmocka_unit_test(queues_that_the_guest_does_not_use_get_no_frames),
		cmocka_unit_test(commands_are_answered),
		cmocka_unit_test(what_was_not_negotiated_is_not_sent),
		cmocka_unit_test(a_ring_too_small_for_a_frame_loses_it),
		cmocka_unit_test(a_hostile_ring_stops_the_device),
		cmocka_unit_test(impossible_frames_are_dropped),
		cmocka_unit_test(a_bad_message_ends_the_connection),
		cmocka_unit_test(a_message_may_come_in_pieces),
		cmocka_unit_test(memory_that_is_cut_short_stops_the_device),
		cmocka_unit_test(a_region_longer_than_its_file_is_refused),
		cmocka_unit_test(memory_moves_under_a_running_device),
		cmocka_unit_test(a_region_comes_and_goes),
		cmocka_unit_test(the_configuration_says_what_is_there),
		cmocka_unit_test(a_disabled_ring_takes_frames_and_loses_them),
		cmocka_unit_test(a_vmm_that_comes_back_finds_its_link),
		cmocka_unit_test(a_weir_that_comes_back_loses_and_repeats_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
