// SPDX-License-Identifier: Apache-2.0
/* The vhost-user link against a front end and driver of our own: what crosses it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "link/vhost_pair.h"
#include "link/virtq.h"

static uint8_t scratch[16 + 70000], seen[70000];

static void carry(const struct rig_options *o)
{
	struct pair *p = pair_open(o);
	bool big = o->features & VIRTIO_NET_MRG_RXBUF || o->rx_buf > 60000;
	uint64_t need = VIRTIO_NET_GUEST_TSO4 | VIRTIO_NET_GUEST_CSUM;
	bool tso = big && (o->features & need) == need;

	/* Many laps of a small ring, so that every index wraps. */
	for (unsigned i = 0; i < 700; i++) {
		pair_from_guest(p, i, 60 + i % 1400, false);
		pair_to_guest(p, i, 60 + i % 1400, false);
	}
	for (unsigned i = 0; i < 20; i++) {
		pair_from_guest(p, i, 65000, true);
		pair_to_guest(p, i, tso ? 65000 : 1514, tso);
	}
	assert_int_equal(p->l->rx_dropped, 0);
	assert_int_equal(p->l->tx_dropped, 0);
	pair_close(p);
}

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
		struct pair *p = pair_open(&o);
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
		pair_forget(p);
		pair_pump(p);
		assert_int_equal(p->got_n, 32);
		assert_false(pair_awake(p));
		pair_close(p);
	}
}

static void a_burst_too_long_for_one_turn_wakes_again(void **state)
{
	static const uint64_t layouts[] = {RIG_FEATURES, RIG_FEATURES & ~VIRTIO_RING_EVENT_IDX,
					   PACKED, PACKED & ~VIRTIO_RING_EVENT_IDX};

	for (int k = 0; k < 4; k++) {
		struct rig_options o = {.features = layouts[k]};
		struct pair *p = pair_open(&o);
		uint8_t hdr[RIG_HDR] = {0};

		memset(scratch, 0, sizeof(scratch));
		for (int i = 0; i < 200; i++)
			assert_true(rig_send(&p->g, 0, hdr, scratch, 1514));
		rig_kick(&p->g.ring[1]);
		pair_pump(p);
		assert_int_equal(p->got_n, LINK_BURST);
		/* While there is work, nobody has to say that there is more. */
		uint64_t kicks = p->g.ring[1].kicks;
		assert_true(rig_send(&p->g, 0, hdr, scratch, 1514));
		rig_kick(&p->g.ring[1]);
		assert_int_equal(p->g.ring[1].kicks, kicks);
		for (int turns = 0; turns < 20 && pair_awake(p); turns++)
			pair_pump(p);
		assert_int_equal(p->got_n, 201);
		assert_false(pair_awake(p));
		pair_close(p);
	}
}

static void a_guest_without_buffers_is_waited_for(void **state)
{
	static const uint64_t layouts[] = {RIG_FEATURES, PACKED};

	for (int k = 0; k < 2; k++) {
		struct rig_options o = {.features = layouts[k], .size = 64};
		struct pair *p = pair_open(&o);
		struct frame f = {.data = scratch + 16, .len = 1000};
		uint8_t hdr[RIG_HDR];

		for (int i = 0; i < 64; i++)
			assert_int_equal(link_send(p->l, &f, 1), 1);
		assert_int_equal(link_send(p->l, &f, 1), -EAGAIN);
		assert_true(link_arm(p->l, true));
		pair_pump(p);
		assert_false(pair_awake(p));
		assert_int_equal(link_events(p->l, EPOLLIN), EPOLLIN);
		assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), 1000);
		rig_fill(&p->g, 0);
		assert_true(pair_awake(p));
		/* Whoever takes frames first has not lost the news. */
		pair_pump(p);
		assert_true(pair_awake(p));
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
		pair_close(p);
	}
}

static void queues_that_the_guest_does_not_use_get_no_frames(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES | VIRTIO_NET_MQ, .pairs = 4, .size = 64};
	struct pair *p = pair_open(&o);

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

		pair_frame(&f, scratch + 16, 100, i, false);
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

		pair_frame(&f, scratch + 16, 100, i / 2, false);
		assert_int_equal(link_send(p->l, &f, 1), 1);
		while (k < 4 && rig_recv(&p->g, k, hdr, seen, sizeof(seen)) != 100)
			k++;
		assert_true(k < 4);
		hits[k]++;
		rig_fill(&p->g, k);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(hits[i] >= 20 && hits[i] % 2 == 0);
	pair_close(p);
}

static void a_disabled_ring_takes_frames_and_loses_them(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = pair_open(&o);
	struct vu_vring_state off = {1, 0}, on = {1, 1};
	uint8_t hdr[RIG_HDR] = {0};
	uint16_t entry;
	uint32_t n;

	assert_true(rig_do(&p->g, VU_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0));
	assert_true(rig_send(&p->g, 0, hdr, scratch, 100));
	rig_kick(&p->g.ring[1]);
	pair_forget(p);
	pair_pump(p);
	assert_int_equal(p->got_n, 0);
	assert_true(rig_ring_used(&p->g.ring[1], &entry, &n));
	p->g.ring[1].free[p->g.ring[1].free_n++] = entry;
	assert_true(rig_do(&p->g, VU_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0));
	pair_from_guest(p, 1, 1000, false);
	pair_close(p);
}

static void what_was_not_negotiated_is_not_sent(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES &
					    ~(VIRTIO_NET_GUEST_TSO4 | VIRTIO_NET_GUEST_USO4)};
	struct pair *p = pair_open(&o);
	uint8_t hdr[RIG_HDR];
	struct frame f;

	assert_int_equal(p->l->caps, LINK_CSUM | LINK_TSO6);
	pair_frame(&f, scratch + 16, 30000, 1, true);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	assert_int_equal(rig_recv(&p->g, 0, hdr, seen, sizeof(seen)), 0);
	pair_close(p);
}

static void a_ring_too_small_for_a_frame_loses_it(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .size = 16};
	struct pair *p = pair_open(&o);
	struct frame f;

	pair_frame(&f, scratch + 16, 65000, 1, true);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	pair_to_guest(p, 1, 20000, true);
	pair_close(p);
}

static void the_configuration_says_what_is_there(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = pair_open(&o);
	uint8_t msg[12 + 17] = {0};
	const uint32_t ask[3] = {0, 17, 0};

	link_vhost_user_set_mtu(p->l, 9000);
	memcpy(msg, ask, sizeof(ask));
	assert_true(rig_say(&p->g, VU_GET_CONFIG, 0, msg, sizeof(msg), NULL, 0));
	assert_true(rig_hear(&p->g, VU_GET_CONFIG, msg, sizeof(msg), NULL));
	assert_int_equal(msg[12 + 6], 1);
	assert_int_equal(msg[12 + 8], 8);
	assert_int_equal(msg[12 + 10] | msg[12 + 11] << 8, 9000);
	pair_close(p);
}

/* A command through ring 2, the one of commands where there is one pair. */
static uint8_t command(struct pair *p, const void *cmd, uint32_t len)
{
	struct rig_ring *r = &p->g.ring[2];
	uint16_t entry;
	uint32_t n;

	memcpy(rig_buf(r, 0), cmd, len);
	rig_buf(r, 0)[64] = 0xee;
	rig_desc(r->desc, r->bufs_gpa, len, VIRTQ_DESC_NEXT, 1);
	rig_desc(r->desc + 16, r->bufs_gpa + 64, 1, VIRTQ_DESC_WRITE, 0);
	uint16_t idx = ++r->avail_idx;
	memset(r->avail + 4, 0, 2u * r->size);
	memcpy(r->avail + 2, &idx, 2);
	r->added = 1;
	rig_kick(r);
	assert_true(pair_awake(p));
	pair_pump(p);
	assert_true(rig_ring_used(r, &entry, &n));
	assert_int_equal(n, 1);
	return rig_buf(r, 0)[64];
}

static void check_commands(uint64_t features)
{
	struct rig_options o = {.features = features | VIRTIO_NET_CTRL_VQ, .pairs = 2};
	struct pair *p = pair_open(&o);

	rig_stop_ring(&p->g, 2);
	memset(p->g.mem + 2 * RIG_RING_BYTES, 0, RIG_RING_BYTES);
	rig_ring_init(&p->g.ring[2]);
	rig_set_base(&p->g, 2, 0);
	assert_true(rig_start_ring(&p->g, 2));
	pair_pump(p);
	assert_int_equal(command(p, "\4\0\1\0", 4), 0);
	assert_int_equal(command(p, "\4\0\0\0", 4), 1);
	assert_int_equal(command(p, "\4\0\x09\0", 4), 1);
	assert_int_equal(command(p, "\4\0\1", 3), 1);
	assert_int_equal(command(p, "\1\1\1\2\3\4\5\6", 8), 1);
	/* Room for the answer before the question: no driver does that. */
	rig_desc(p->g.ring[2].desc, p->g.ring[2].bufs_gpa, 1, VIRTQ_DESC_WRITE | VIRTQ_DESC_NEXT,
		 1);
	rig_desc(p->g.ring[2].desc + 16, p->g.ring[2].bufs_gpa, 4, 0, 0);
	pair_offer(&p->g.ring[2], 1);
	assert_int_equal(pair_errors(p), 1);
	pair_close(p);
}

static void commands_are_answered(void **state)
{
	check_commands(RIG_FEATURES);
	check_commands(RIG_FEATURES & ~VIRTIO_RING_EVENT_IDX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout_carries_frames_whole),
		cmocka_unit_test(a_burst_is_one_notification),
		cmocka_unit_test(a_burst_too_long_for_one_turn_wakes_again),
		cmocka_unit_test(a_guest_without_buffers_is_waited_for),
		cmocka_unit_test(queues_that_the_guest_does_not_use_get_no_frames),
		cmocka_unit_test(a_disabled_ring_takes_frames_and_loses_them),
		cmocka_unit_test(what_was_not_negotiated_is_not_sent),
		cmocka_unit_test(a_ring_too_small_for_a_frame_loses_it),
		cmocka_unit_test(the_configuration_says_what_is_there),
		cmocka_unit_test(commands_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
