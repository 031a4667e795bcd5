// SPDX-License-Identifier: Apache-2.0
/*
 * Payload that stays in guest memory: that it does, for how long, and what a guest or a front end
 * can do to it meanwhile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/vhost_pair.h"
#include "link/vhost_user_dev.h"

#define HEAD 66u /* Ethernet, IPv4, TCP with timestamps */
#define LONG 65000u

static uint8_t bytes[260000], seen[70000];

/* Frames stay where the link has them, until it is called again. */
static void pump(void *ctx)
{
	struct pair *p = ctx;

	p->got_n = link_recv(p->l, p->got, LINK_BURST);
}

static struct pair *open_pair(const struct rig_options *o)
{
	struct rig_options with = *o;

	with.pump = pump;
	return pair_open(&with);
}

/* A TCP/IPv4 segment of len bytes, all of it at data. */
static struct frame segment(uint8_t *data, size_t len, unsigned seed)
{
	struct frame f = {.data = data,
			  .len = (uint32_t)len,
			  .meta = {.needs_csum = true, .csum_start = 34, .csum_offset = 16}};

	pair_pattern(data, len < HEAD ? len : HEAD, seed);
	memcpy(data + 12, "\x08\x00", 2);
	data[14 + 20 + 12] = 0x80;
	if (len > 1514) {
		f.meta.gso = FRAME_GSO_TCPV4;
		f.meta.gso_size = 1448;
		f.meta.hdr_len = HEAD;
	}
	return f;
}

/* The guest sends one; nobody has taken it yet. */
static void guest_sends(struct pair *p, const struct frame *f)
{
	uint8_t hdr[RIG_HDR] = {0};

	vnet_put(hdr, p->g.hdr_len, f);
	assert_true(rig_send(&p->g, 0, hdr, f->data, f->len));
	rig_kick(&p->g.ring[1]);
}

static struct frame guest_sends_segment(struct pair *p, size_t len, unsigned seed)
{
	pair_pattern(bytes, len, seed);
	struct frame f = segment(bytes, len, seed);

	guest_sends(p, &f);
	return f;
}

static void flip(uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] ^= 0xff;
}

static const struct rig_options shapes[] = {
	{.features = RIG_FEATURES, .size = 64},
	{.features = PACKED, .size = 64},
	{.features = RIG_FEATURES, .size = 64, .segs = 3},
	{.features = PACKED, .size = 64, .segs = 5},
	{.features = RIG_FEATURES, .size = 64, .segs = 17, .indirect = true},
	{.features = PACKED, .size = 64, .segs = 17, .indirect = true, .add_regions = true},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* ---- from the guest ---- */

static void a_long_payload_from_the_guest_is_not_copied(void **state)
{
	for (size_t i = 0; i < SHAPES; i++) {
		struct pair *p = open_pair(&shapes[i]);
		uint16_t entry;
		uint32_t n;

		for (unsigned k = 0; k < 200; k++) {
			struct frame f = guest_sends_segment(p, LONG, k);
			uint16_t at = p->g.ring[1].free[p->g.ring[1].free_n];
			uint8_t *buf = rig_buf(&p->g.ring[1], at) + p->g.hdr_len;

			pump(p);
			assert_int_equal(p->got_n, 1);
			assert_non_null(p->got[0].tail);
			assert_int_equal(p->got[0].len, LONG);
			assert_int_equal(p->got[0].tail->at, HEAD);
			assert_memory_equal(&p->got[0].meta, &f.meta, sizeof(f.meta));
			/* Headers are ours, payload is still the guest's. */
			flip(buf, LONG);
			assert_memory_equal(p->got[0].data, bytes, HEAD);
			flip(bytes + HEAD, LONG - HEAD);
			frame_whole(&p->got[0]);
			assert_null(p->got[0].tail);
			assert_memory_equal(p->got[0].data, bytes, LONG);
			/* The buffer goes back when the burst is over, and not before. */
			assert_false(rig_ring_used(&p->g.ring[1], &entry, &n));
			link_release(p->l);
			assert_true(rig_ring_used(&p->g.ring[1], &entry, &n));
			assert_int_equal(entry, at);
			p->g.ring[1].free[p->g.ring[1].free_n++] = entry;
		}
		pair_close(p);
	}
}

/* Of a burst, in order: everything behind a buffer that is kept waits for it. */
static void buffers_go_back_in_order(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair *p = open_pair(&shapes[i]);
		uint16_t entry, want[4];
		uint32_t n;
		static const uint32_t len[4] = {100, LONG, 200, 9000};

		for (unsigned k = 0; k < 4; k++) {
			guest_sends_segment(p, len[k], k);
			want[k] = p->g.ring[1].free[p->g.ring[1].free_n];
		}
		pump(p);
		assert_int_equal(p->got_n, 4);
		for (unsigned k = 0; k < 4; k++) {
			pair_pattern(bytes, len[k], k);
			segment(bytes, len[k], k);
			assert_int_equal(!!p->got[k].tail, len[k] >= VU_TAIL_MIN);
			frame_whole(&p->got[k]);
			assert_memory_equal(p->got[k].data, bytes, len[k]);
		}
		assert_true(rig_ring_used(&p->g.ring[1], &entry, &n));
		assert_int_equal(entry, want[0]);
		assert_false(rig_ring_used(&p->g.ring[1], &entry, &n));
		/* The next burst ends this one, whether it was said or not. */
		pump(p);
		assert_int_equal(p->got_n, 0);
		for (unsigned k = 1; k < 4; k++) {
			assert_true(rig_ring_used(&p->g.ring[1], &entry, &n));
			assert_int_equal(entry, want[k]);
		}
		pair_close(p);
	}
}

static void what_is_no_plain_segment_is_copied(void **state)
{
	struct pair *p = open_pair(&shapes[0]);

	for (int i = 0; i < 5; i++) {
		size_t len = i == 0 ? VU_TAIL_MIN - 1 : LONG;
		pair_pattern(bytes, len, 3);
		struct frame f = segment(bytes, len, 3);

		if (i == 1) /* a checksum to verify: over bytes that hold still */
			f.meta = (struct frame_meta){0};
		if (i == 2) { /* datagrams */
			f.meta.gso = FRAME_GSO_UDP_L4;
			f.meta.csum_offset = 6;
		}
		if (i == 3) /* headers that are longer than any, where the payload begins */
			f.meta.csum_start = 130, bytes[130 + 12] = 0x50;
		if (i == 4)
			bytes[34 + 12] = 0x40;
		guest_sends(p, &f);
		pump(p);
		/* A header of four words is no frame at all. */
		assert_int_equal(p->got_n, i == 4 ? 0 : 1);
		if (p->got_n) {
			assert_null(p->got[0].tail);
			assert_memory_equal(p->got[0].data, bytes, len);
		}
	}
	assert_int_equal(p->l->rx_dropped, 1);
	pair_close(p);
}

/* Headers that lie in many descriptors, and more descriptors than are kept. */
static void tiny_descriptors_are_put_together(void **state)
{
	static const struct rig_options o[] = {
		{.features = RIG_FEATURES, .size = 256, .segs = 250, .indirect = true},
		{.features = PACKED, .size = 256, .segs = 250, .indirect = true},
	};

	for (size_t i = 0; i < 2; i++) {
		struct pair *p = open_pair(&o[i]);

		for (unsigned k = 0; k < 4; k++)
			guest_sends_segment(p, 4300, k);
		pump(p);
		assert_int_equal(p->got_n, 4);
		assert_non_null(p->got[0].tail);
		assert_true(p->got[0].tail->n > 200);
		assert_null(p->got[3].tail);
		for (unsigned k = 0; k < 4; k++) {
			pair_pattern(bytes, 4300, k);
			segment(bytes, 4300, k);
			frame_whole(&p->got[k]);
			assert_memory_equal(p->got[k].data, bytes, 4300);
		}
		pair_close(p);
	}
}

/* ---- to the guest ---- */

/* Lends for `total` bytes and fills in what can be had; frames. */
static int lend_and_fill(struct pair *p, struct frame *head, uint32_t each, uint32_t total,
			 const struct frame_tail **tails, unsigned seed)
{
	int n = link_lend(p->l, head, each, total, tails), ranges = 0;
	size_t at = 0;

	pair_pattern(bytes, total, seed);
	for (int i = 0; i < n; i++) {
		assert_ptr_equal((*tails)[i].iov, (*tails)[0].iov + ranges);
		ranges += (*tails)[i].n;
		for (int k = 0; k < (*tails)[i].n; k++) {
			const struct iovec *v = &(*tails)[i].iov[k];
			memcpy(v->iov_base, bytes + at, v->iov_len);
			at += v->iov_len;
		}
	}
	assert_true(at <= total);
	return n;
}

static struct frame lent_frame(uint8_t *head, uint32_t payload, const struct frame_tail *tail)
{
	struct frame f = segment(head, HEAD, 5);

	f.len = HEAD + payload;
	if (f.len > 1514) {
		f.meta.gso = FRAME_GSO_TCPV4;
		f.meta.gso_size = 1448;
		f.meta.hdr_len = HEAD;
	}
	f.tail = tail;
	return f;
}

static void guest_gets(struct pair *p, const uint8_t *head, const uint8_t *payload, uint32_t len)
{
	uint8_t hdr[RIG_HDR], want[RIG_HDR];
	uint8_t room[HEAD];

	assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), HEAD + len);
	assert_memory_equal(seen, head, HEAD);
	assert_memory_equal(seen + HEAD, payload, len);
	struct frame f = lent_frame(room, len, NULL);
	vnet_put(want, p->g.hdr_len, &f);
	assert_memory_equal(hdr, want, 10);
}

static const struct rig_options rx_shapes[] = {
	{.features = RIG_FEATURES},
	{.features = PACKED},
	{.features = PACKED, .size = 200, .rx_buf = 4096},
	{.features = RIG_FEATURES, .rx_buf = 1000, .add_regions = true},
	{.features = RIG_FEATURES & ~VIRTIO_NET_MRG_RXBUF, .rx_buf = 66048, .size = 16},
	{.features = PACKED & ~VIRTIO_NET_MRG_RXBUF, .rx_buf = 66048, .size = 16},
	{.features = RIG_FEATURES & ~(VIRTIO_VERSION_1 | VIRTIO_NET_MRG_RXBUF),
	 .rx_buf = 66048,
	 .size = 16},
};
#define RX_SHAPES (sizeof(rx_shapes) / sizeof(rx_shapes[0]))

static void payload_to_the_guest_is_written_in_its_place(void **state)
{
	for (size_t i = 0; i < RX_SHAPES; i++) {
		struct pair *p = open_pair(&rx_shapes[i]);

		for (unsigned k = 0; k < 200; k++) {
			/* No byte behind the headers is there to be copied. */
			uint8_t *room = malloc(FRAME_VNET_ROOM + HEAD), *head;
			const struct frame_tail *tails;
			uint32_t len = 1 + k * 317, short_by = k % 3 ? 0 : k;

			head = room + FRAME_VNET_ROOM;
			struct frame f = segment(head, HEAD, 5);
			assert_int_equal(lend_and_fill(p, &f, len, len, &tails, k), 1);
			assert_int_equal(tails[0].at, HEAD);
			f = lent_frame(head, len - short_by, tails);
			assert_int_equal(link_send(p->l, &f, 1), 1);
			guest_gets(p, head, bytes, len - short_by);
			rig_fill(&p->g, 0);
			free(room);
		}
		assert_int_equal(p->l->tx_dropped, 0);
		pair_close(p);
	}
}

static void several_frames_share_a_lending(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		struct pair *p = open_pair(&rx_shapes[i]);

		for (unsigned k = 0; k < 60; k++) {
			uint8_t head[4][HEAD];
			const struct frame_tail *tails;
			struct frame f[4] = {segment(head[0], HEAD, 5)};
			uint32_t each = 14480, last = k * 100 + 1;

			assert_int_equal(lend_and_fill(p, f, each, 3 * each + last, &tails, k), 4);
			for (int j = 0; j < 4; j++)
				f[j] = lent_frame(head[j], j < 3 ? each : last, &tails[j]);
			/* One may be left out at the end, and goes back. */
			int n = k % 2 ? 4 : 3;
			assert_int_equal(link_send(p->l, f, n), n);
			for (int j = 0; j < n; j++)
				guest_gets(p, head[j], bytes + each * (uint32_t)j,
					   j < 3 ? each : last);
			assert_int_equal(rig_recv(&p->g, 0, seen, seen, sizeof(seen)), 0);
			rig_fill(&p->g, 0);
		}
		pair_close(p);
	}
}

/* Buffers of a few bytes, so that headers and virtio-net header lie in several. */
static void headers_may_lie_in_several_buffers(void **state)
{
	static const struct rig_options o[] = {
		{.features = RIG_FEATURES, .rx_buf = 20},
		{.features = PACKED, .rx_buf = 20},
	};

	for (size_t i = 0; i < 2; i++) {
		struct pair *p = open_pair(&o[i]);
		uint8_t head[HEAD];
		const struct frame_tail *tails;
		struct frame f = segment(head, HEAD, 5);

		assert_int_equal(lend_and_fill(p, &f, 1000, 1000, &tails, 1), 1);
		f = lent_frame(head, 1000, tails);
		assert_int_equal(link_send(p->l, &f, 1), 1);
		guest_gets(p, head, bytes, 1000);
		/* More buffers than a frame may have. */
		f = segment(head, HEAD, 5);
		assert_int_equal(link_lend(p->l, &f, 2000, 2000, &tails), 0);
		pair_close(p);
	}
}

static void a_lending_that_is_not_used_takes_nothing(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair *p = open_pair(&rx_shapes[i]);
		uint8_t room[FRAME_VNET_ROOM + 500] = {0}, head[HEAD], hdr[RIG_HDR];
		const struct frame_tail *tails;

		for (int k = 0; k < 600; k++) {
			struct frame f = segment(head, HEAD, 5);

			assert_int_equal(lend_and_fill(p, &f, 9000, 9000, &tails, 2), 1);
			struct frame late = lent_frame(head, 9000, tails);
			struct frame plain = {.data = room + FRAME_VNET_ROOM, .len = 500};
			assert_int_equal(link_send(p->l, &plain, 1), 1);
			assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), 500);
			/* What comes too late is nothing that could be sent. */
			assert_int_equal(link_send(p->l, &late, 1), 1);
			assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), 0);
			rig_fill(&p->g, 0);
		}
		assert_int_equal(p->l->tx_dropped, 600);
		pair_close(p);
	}
}

static void a_lending_is_as_large_as_the_room(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .size = 64};
	struct pair *p = open_pair(&o);
	uint8_t head[4][HEAD];
	const struct frame_tail *tails;
	struct frame f[2] = {segment(head[0], HEAD, 5)};

	/* 64 buffers of 2,048 bytes: two frames of 60,000, and a rest. */
	assert_int_equal(lend_and_fill(p, f, 60000, 240000, &tails, 1), 2);
	for (int j = 0; j < 2; j++)
		f[j] = lent_frame(head[j], 60000, &tails[j]);
	assert_int_equal(link_send(p->l, f, 2), 2);
	assert_int_equal(link_lend(p->l, f, 60000, 60000, &tails), 0);
	guest_gets(p, head[0], bytes, 60000);
	rig_fill(&p->g, 0);
	/* A guest that is not there lends nothing. */
	rig_stop_ring(&p->g, 0);
	assert_int_equal(link_lend(p->l, f, 1000, 1000, &tails), 0);
	pair_close(p);
}

/* ---- hostile, or only careless ---- */

/* Descriptors count as they were read when they were lent. */
static void descriptors_may_change_in_flight(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair *p = open_pair(&rx_shapes[i]);
		struct rig_ring *r = &p->g.ring[0];
		uint8_t head[HEAD], *kept = malloc(RIG_RING_BYTES);
		const struct frame_tail *tails;
		struct frame f = segment(head, HEAD, 5);

		assert_int_equal(lend_and_fill(p, &f, 9000, 9000, &tails, 2), 1);
		memcpy(kept, r->desc, 16u * r->size);
		for (unsigned k = 0; k < r->size; k++)
			rig_desc(r->desc + 16 * k, 0xdead00000000ull, UINT32_MAX, 0xffff, 0xffff);
		f = lent_frame(head, 9000, tails);
		assert_int_equal(link_send(p->l, &f, 1), 1);
		assert_int_equal(p->l->tx_dropped, 0);
		if (!r->packed) {
			memcpy(r->desc, kept, 16u * r->size);
			guest_gets(p, head, bytes, 9000);
		}
		free(kept);
		pair_close(p);
	}
}

/* A ring that is wrong stops the device in a lending, too. */
static void a_lending_finds_what_is_wrong(void **state)
{
	struct pair *p = open_pair(&rx_shapes[0]);
	uint8_t head[HEAD];
	const struct frame_tail *tails;
	struct frame f = segment(head, HEAD, 5);

	/* The first eight of them, which are the last in the table, are good. */
	for (unsigned k = 0; k < RIG_SIZE - 8; k++)
		rig_desc(p->g.ring[0].desc + 16 * k, 0xdead00000000ull, 2048, 2, 0);
	assert_int_equal(link_lend(p->l, &f, 60000, 240000, &tails), 0);
	struct frame plain = {.data = bytes + FRAME_VNET_ROOM, .len = 60};
	assert_int_equal(link_send(p->l, &plain, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	pair_close(p);
}

/* Memory goes only between bursts: a message waits until its frames are out of the way. */
static void regions_go_behind_the_burst(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair *p = open_pair(&shapes[i]);
		struct {
			uint32_t n, pad;
		} none = {0, 0};
		uint16_t entry;
		uint32_t n;

		guest_sends_segment(p, LONG, 1);
		pump(p);
		assert_non_null(p->got[0].tail);
		assert_true(rig_say(&p->g, VU_SET_MEM_TABLE, 0, &none, sizeof(none), NULL, 0));
		uint8_t head[FRAME_VNET_ROOM + HEAD];
		struct frame f = segment(head + FRAME_VNET_ROOM, HEAD, 1);
		assert_int_equal(link_send(p->l, &f, 1), 1);
		frame_whole(&p->got[0]);
		assert_memory_equal(p->got[0].data, bytes, LONG);
		assert_false(rig_ring_used(&p->g.ring[1], &entry, &n));
		pump(p);
		/* Given back while there was a place to note it. */
		assert_true(rig_ring_used(&p->g.ring[1], &entry, &n));
		assert_int_equal(link_lend(p->l, &f, 1000, 1000, &(const struct frame_tail *){0}),
				 0);
		pair_close(p);
	}
}

static void a_ring_stops_behind_the_burst(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair *p = open_pair(&shapes[i]);

		guest_sends_segment(p, LONG, 1);
		pump(p);
		assert_non_null(p->got[0].tail);
		/* Its base is behind the buffer, which has been given back. */
		uint32_t base = rig_stop_ring(&p->g, 1);
		assert_int_equal(base & VU_BASE_SLOT, 1);
		if (p->g.ring[1].packed)
			assert_int_equal(base >> 16 & VU_BASE_SLOT, 1);
		pair_close(p);
	}
}

/* A host socket that is given a tail whose file was cut short says so; a copy finds zeroes. */
static void memory_may_be_cut_short_in_flight(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .unsealed = true};
	struct pair *p = open_pair(&o);
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	guest_sends_segment(p, LONG, 1);
	pump(p);
	assert_non_null(p->got[0].tail);
	assert_int_equal(ftruncate(p->g.mem_fd, 4096), 0);
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)p->got[0].tail->iov,
			   .msg_iovlen = (size_t)p->got[0].tail->n};
	assert_int_equal(sendmsg(fd[0], &m, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EFAULT);
	frame_whole(&p->got[0]);
	memset(bytes + HEAD, 0, LONG - HEAD);
	assert_memory_equal(p->got[0].data, bytes, LONG);
	pump(p);
	assert_int_equal(p->got_n, 0);
	struct frame plain = {.data = bytes + FRAME_VNET_ROOM, .len = 60};
	assert_int_equal(link_send(p->l, &plain, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	close(fd[0]);
	close(fd[1]);
	pair_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_payload_from_the_guest_is_not_copied),
		cmocka_unit_test(buffers_go_back_in_order),
		cmocka_unit_test(what_is_no_plain_segment_is_copied),
		cmocka_unit_test(tiny_descriptors_are_put_together),
		cmocka_unit_test(payload_to_the_guest_is_written_in_its_place),
		cmocka_unit_test(several_frames_share_a_lending),
		cmocka_unit_test(headers_may_lie_in_several_buffers),
		cmocka_unit_test(a_lending_that_is_not_used_takes_nothing),
		cmocka_unit_test(a_lending_is_as_large_as_the_room),
		cmocka_unit_test(descriptors_may_change_in_flight),
		cmocka_unit_test(a_lending_finds_what_is_wrong),
		cmocka_unit_test(regions_go_behind_the_burst),
		cmocka_unit_test(a_ring_stops_behind_the_burst),
		cmocka_unit_test(memory_may_be_cut_short_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
