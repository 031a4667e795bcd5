// SPDX-License-Identifier: Apache-2.0
/*
 * Reassembly: every order, every kind of overlap, every bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stack/rig.h"

static struct pkt pkt, whole;

static int setup(void **state)
{
	*state = rig_new();
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* A fragment of `whole` (a complete packet): bytes [off, off + n) of what lies behind its IP
 * header. */
static void make_piece(size_t off, size_t n, bool more, uint32_t id)
{
	bool v4 = whole.b[12] == 0x08;
	size_t ip = ETH_HLEN + (v4 ? 20 : 40);
	uint8_t h[8] = {0};

	pkt.len = 0;
	pkt_bytes(&pkt, whole.b, ip);
	if (v4) {
		put_be16(pkt.b + ETH_HLEN + 4, (uint16_t)id);
		put_be16(pkt.b + ETH_HLEN + 6, (uint16_t)(off / 8 | (more ? 0x2000 : 0)));
	} else {
		h[0] = whole.b[ETH_HLEN + 6];
		put_be16(h + 2, (uint16_t)(off | more));
		put_be32(h + 4, id);
		pkt.b[ETH_HLEN + 6] = 44;
		pkt_bytes(&pkt, h, 8);
	}
	pkt_bytes(&pkt, whole.b + ip + off, n);
	pkt_end(&pkt);
}

static void send_piece(struct rig *r, size_t off, size_t n, bool more, uint32_t id)
{
	make_piece(off, n, more, id);
	rig_input(r, pkt.b, pkt.len);
}

static void make_whole(bool v4, size_t payload)
{
	pkt_make_udp(&whole, v4 ? &rig_guest4 : &rig_guest6, v4 ? &rig_far4 : &rig_far6, 9,
		     payload);
}

static void expect_whole(struct rig *r, size_t payload)
{
	assert_int_equal(r->udp, 1);
	assert_int_equal(r->payload_len, payload);
	assert_memory_equal(r->payload, whole.b + whole.len - payload, payload);
	assert_int_equal(r->stack.cnt.frag_reassembled, 1);
}

/* Both families: i is 0 and 1. */
#define EACH_FAMILY for (int v4 = 0; v4 < 2; v4++)

static void any_order_makes_the_whole(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		make_whole(v4, 992); /* 1000 with its header: 5 pieces of 200 */
		for (int order = 0; order < 120; order++) {
			int left[5] = {0, 1, 2, 3, 4}, n = 5, code = order;
			rig_clear(r);
			rig_advance(r, 2000);
			while (n) {
				int k = code % n, piece = left[k];
				code /= n;
				left[k] = left[--n];
				assert_int_equal(r->udp, 0);
				send_piece(r, (size_t)piece * 200, 200, piece != 4,
					   (uint32_t)order);
			}
			expect_whole(r, 992);
			assert_int_equal(rig_all_drops(r), 0);
		}
	}
}

static void smallest_and_largest(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		size_t max = v4 ? 65507 : 65527, len = max + 8;
		rig_clear(r);
		make_whole(v4, max);
		for (size_t off = 0; off < len; off += 1024)
			send_piece(r, off, len - off < 1024 ? len - off : 1024, off + 1024 < len,
				   1);
		expect_whole(r, max);
		/* In pieces of eight bytes. */
		rig_clear(r);
		make_whole(v4, 3001);
		for (size_t off = 0; off < 3009; off += 8)
			send_piece(r, off, 3009 - off < 8 ? 3009 - off : 8, off + 8 < 3009, 2);
		expect_whole(r, 3001);
	}
}

static void exact_duplicates_are_ignored(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		rig_clear(r);
		make_whole(v4, 592);
		for (int i = 0; i < 3; i++)
			send_piece(r, 400, 200, false, 1);
		for (int i = 0; i < 3; i++)
			send_piece(r, 0, 200, true, 1);
		assert_int_equal(rig_all_drops(r), 0);
		send_piece(r, 200, 200, true, 1);
		expect_whole(r, 592);
	}
}

/* Each second piece overlaps [200,400) in its own way; none may complete the set. */
static void overlaps_kill_the_set(void **state)
{
	struct rig *r = *state;
	static const struct {
		size_t off, n;
		bool more;
	} bad[] = {
		{192, 200, true}, {208, 200, true},  {200, 208, true},  {200, 192, true},
		{208, 184, true}, {192, 216, true},  {392, 608, false}, {200, 8, true},
		{392, 8, true},   {200, 200, false}, {0, 208, true},
	};

	EACH_FAMILY
	{
		make_whole(v4, 992);
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			rig_clear(r);
			rig_advance(r, 20000000);
			rig_clear(r);
			send_piece(r, 200, 200, true, 1);
			send_piece(r, bad[i].off, bad[i].n, bad[i].more, 1);
			assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
			send_piece(r, 0, 200, true, 1);
			send_piece(r, 400, 600, false, 1);
			assert_int_equal(r->udp, 0);
		}
		/* One that is exactly two others. */
		rig_clear(r);
		rig_advance(r, 20000000);
		rig_clear(r);
		send_piece(r, 0, 200, true, 1);
		send_piece(r, 200, 200, true, 1);
		send_piece(r, 0, 400, true, 1);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
		/* One that is a part of one, and another one. */
		rig_clear(r);
		rig_advance(r, 20000000);
		rig_clear(r);
		send_piece(r, 0, 200, true, 1);
		send_piece(r, 200, 200, true, 1);
		send_piece(r, 104, 296, true, 1);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
		/* The same place with other bytes. */
		rig_clear(r);
		rig_advance(r, 20000000);
		rig_clear(r);
		send_piece(r, 200, 200, true, 1);
		make_piece(200, 200, true, 1);
		pkt.b[pkt.len - 1] ^= 1;
		rig_input(r, pkt.b, pkt.len);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
		send_piece(r, 0, 200, true, 1);
		send_piece(r, 400, 600, false, 1);
		assert_int_equal(r->udp, 0);
	}
}

/* Two ends, an end before what is there, bytes behind the end. */
static void contradicting_ends_kill_the_set(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		make_whole(v4, 992);
		rig_clear(r);
		send_piece(r, 800, 200, false, 1);
		send_piece(r, 600, 100, false, 1);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
		send_piece(r, 800, 100, true, 2); /* 100 is no multiple of 8 */
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 2);
		send_piece(r, 800, 200, true, 3);
		send_piece(r, 400, 200, false, 3);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 3);
		send_piece(r, 400, 200, false, 4);
		send_piece(r, 600, 200, true, 4);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 4);
		send_piece(r, 400, 200, false, 5);
		send_piece(r, 200, 400, true, 5);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 5);
		send_piece(r, 800, 200, false, 7);
		send_piece(r, 800, 200, true, 7); /* the same bytes, but no longer the last */
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 6);
		send_piece(r, 400, 0, true, 6);
		send_piece(r, 400, 0, false, 6);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 8);
		assert_int_equal(r->udp, 0);
	}
}

static void beyond_the_largest_packet(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		/* The last piece reaches past 65,535 (of IPv4: with the header). */
		make_whole(v4, 65000);
		rig_clear(r);
		send_piece(r, 0, 800, true, 1);
		make_piece(0, 800, false, 1);
		if (v4) {
			put_be16(pkt.b + ETH_HLEN + 6, 0x1fff);
			pkt_end(&pkt);
		} else {
			put_be16(pkt.b + ETH_HLEN + 42, 0xfff8);
		}
		rig_input(r, pkt.b, pkt.len);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
		/* IPv6 says so, and so it does for a length that is no multiple of eight. */
		assert_int_equal(r->out_n, 0); /* it was no first fragment */
		send_piece(r, 0, 801, true, 2);
		assert_int_equal(r->out_n, v4 ? 0 : 1);
		if (!v4)
			assert_int_equal(get_be32(r->out[0].data + ETH_HLEN + 44), 4);
	}
}

/* The first fragment may have a longer IPv4 header than the last one: together too long. */
static void options_of_the_first_fragment_count(void **state)
{
	struct rig *r = *state;
	static const uint8_t nops[40] = {1, 1, 1, 1};
	size_t len = 65515;

	make_whole(true, len - 8);
	for (size_t off = 1024; off < len; off += 1024)
		send_piece(r, off, len - off < 1024 ? len - off : 1024, off + 1024 < len, 1);
	make_piece(0, 1024, true, 1);
	memmove(pkt.b + ETH_HLEN + 60, pkt.b + ETH_HLEN + 20, 1024);
	memcpy(pkt.b + ETH_HLEN + 20, nops, 40);
	pkt.b[ETH_HLEN] = 0x4f;
	pkt.len += 40;
	pkt_end(&pkt);
	rig_input(r, pkt.b, pkt.len);
	assert_int_equal(r->udp, 0);
	assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
}

static void sets_do_not_mix(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		rig_clear(r);
		make_whole(v4, 392);
		send_piece(r, 0, 200, true, 1);
		send_piece(r, 200, 200, false, 2);
		assert_int_equal(r->udp, 0);
		/* Another destination, another protocol (IPv4) with the same id. */
		make_piece(200, 200, false, 1);
		pkt.b[ETH_HLEN + (v4 ? 19 : 39)] ^= 1;
		pkt_end(&pkt);
		rig_input(r, pkt.b, pkt.len);
		if (v4) {
			make_piece(200, 200, false, 1);
			pkt.b[ETH_HLEN + 9] = 1;
			pkt_end(&pkt);
			rig_input(r, pkt.b, pkt.len);
		}
		assert_int_equal(r->udp, 0);
		send_piece(r, 200, 200, false, 1);
		expect_whole(r, 392);
	}
}

static void time_runs_out(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		const uint8_t *icmp;
		make_whole(v4, 992);
		rig_clear(r);
		send_piece(r, 0, 200, true, 1);
		rig_advance(r, 14900000);
		assert_int_equal(rig_all_drops(r), 0);
		rig_advance(r, 200000);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
		assert_int_equal(r->out_n, 1);
		icmp = r->out[0].data + ETH_HLEN + (v4 ? 20 : 40);
		assert_int_equal(icmp[0], v4 ? 11 : 3);
		assert_int_equal(icmp[1], 1);
		assert_memory_equal(icmp + 8, pkt.b + ETH_HLEN, 200);
		send_piece(r, 200, 800, false, 1);
		assert_int_equal(r->udp, 0);
		/* Without the first fragment nobody is told. */
		rig_advance(r, 16000000);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 2);
		assert_int_equal(r->out_n, 1);
		assert_int_equal(r->wheel.count, 0);
	}
}

static void a_flood_is_bounded(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		rig_clear(r);
		make_whole(v4, 992);
		for (uint32_t id = 0; id < 1000; id++) {
			send_piece(r, 0, 200, true, id);
			assert_true(r->wheel.count <= 64);
		}
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1000 - 64);
		assert_int_equal(r->frag_limit, 1000 - 64);
		/* The newest live on. */
		send_piece(r, 200, 800, false, 999);
		expect_whole(r, 992);
		rig_advance(r, 16000000);
		assert_int_equal(r->wheel.count, 0);
		/* Pieces far up take memory for what lies before them. */
		make_whole(v4, 65000);
		rig_clear(r);
		for (uint32_t id = 0; id < 200; id++)
			send_piece(r, 64000, 800, true, id);
		assert_true(r->wheel.count < 64);
		assert_true(r->wheel.count > 56);
		rig_advance(r, 16000000);
		rig_clear(r);
	}
}

static void the_number_of_sets_is_configured(void **state)
{
	struct stack_config c = rig_config();
	c.max_frag_sets = 3;
	struct rig *r = rig_new_with(&c);

	make_whole(true, 992);
	for (uint32_t id = 0; id < 3; id++)
		send_piece(r, 0, 200, true, id);
	assert_int_equal(r->frag_limit, 0);
	send_piece(r, 0, 200, true, 3);
	assert_int_equal(r->wheel.count, 3);
	assert_int_equal(r->frag_limit, 1);
	rig_free(r);
}

/* In the middle of a burst. */
static void take_piece(struct rig *r, size_t off, size_t n, bool more, uint32_t id)
{
	make_piece(off, n, more, id);
	stack_input(&r->stack, &(struct frame){.data = pkt.b, .len = (uint32_t)pkt.len});
}

/* Whole packets stay readable until the burst is over, and do not count against new ones later. */
static void whole_packets_leave_with_the_burst(void **state)
{
	struct rig *r = *state;

	make_whole(true, 392);
	for (uint32_t id = 0; id < 100; id++) {
		take_piece(r, 0, 200, true, id);
		take_piece(r, 200, 200, false, id);
	}
	assert_int_equal(r->udp, 64);
	assert_int_equal(rig_drops(r, DROP_LIMIT), 72);
	assert_memory_equal(r->last_udp.payload.p, whole.b + 42, 392);
	assert_int_equal(r->wheel.count, 0);
	stack_burst_end(&r->stack);
	rig_clear(r);
	take_piece(r, 0, 200, true, 7);
	take_piece(r, 200, 200, false, 7);
	expect_whole(r, 392);
}

/* Thousands of datagrams within one millisecond, of very different lengths, while some fragments
 * wait for the rest of theirs: a set that is used again has nothing of the packet before. */
static void sets_are_used_again(void **state)
{
	static const size_t lens[] = {16000, 2900, 1409, 65000, 1600, 8192};
	struct rig *r = *state;

	EACH_FAMILY
	{
		make_whole(v4, 40000);
		send_piece(r, 0, 1400, true, 5000);
		send_piece(r, 38400, 1600 + 8, false, 5001);
		for (uint32_t i = 0; i < 600; i++) {
			size_t len = lens[i % 6] - 8;
			rig_clear(r);
			make_whole(v4, len);
			for (size_t off = 0; off < len + 8; off += 1400)
				send_piece(r, off, len + 8 - off < 1400 ? len + 8 - off : 1400,
					   off + 1400 < len + 8, i);
			expect_whole(r, len);
			assert_int_equal(rig_all_drops(r), 0);
			if (i % 50 == 0)
				stack_trim(&r->stack);
		}
		rig_advance(r, 16000000);
		assert_int_equal(rig_drops(r, DROP_FRAGMENT), 2);
	}
}

/* Sets with ids that meet in one place, and the same id for two destinations. */
static void many_sets_are_told_apart(void **state)
{
	struct rig *r = *state;

	EACH_FAMILY
	{
		rig_clear(r);
		make_whole(v4, 392);
		for (uint32_t id = 0; id < 30; id++)
			send_piece(r, 0, 200, true, id * 64);
		for (uint32_t id = 0; id < 30; id++)
			send_piece(r, 200, 200, false, id * 64);
		assert_int_equal(r->udp, 30);
		assert_int_equal(rig_all_drops(r), 0);
		assert_int_equal(r->wheel.count, 0);
	}
}

static void atomic_fragments_are_whole(void **state)
{
	struct rig *r = *state;

	make_whole(false, 50);
	send_piece(r, 0, 58, false, 1);
	assert_int_equal(r->udp, 1);
	assert_int_equal(r->payload_len, 50);
	assert_int_equal(r->wheel.count, 0);
}

/* Extension headers on both sides of the fragment header; a fragment in a fragment; a cut chain. */
static void chains_with_fragments(void **state)
{
	struct rig *r = *state;
	static const uint8_t dest_udp[8] = {17, 0, 1, 4}, dest_frag[8] = {44, 0, 1, 4};
	static const uint8_t frag_udp[8] = {17, 0, 0, 1};
	size_t udp_len = 408;

	/* The fragmentable part: destination options, then UDP. */
	make_whole(false, udp_len - 8);
	memmove(whole.b + ETH_HLEN + 48, whole.b + ETH_HLEN + 40, udp_len);
	memcpy(whole.b + ETH_HLEN + 40, dest_udp, 8);
	whole.b[ETH_HLEN + 6] = 60;
	whole.len += 8;
	for (int i = 0; i < 2; i++) {
		size_t off = i ? 208 : 0, n = 208;
		make_piece(off, n, !i, 1);
		/* The unfragmentable part: destination options too. */
		memmove(pkt.b + ETH_HLEN + 48, pkt.b + ETH_HLEN + 40, n + 8);
		memcpy(pkt.b + ETH_HLEN + 40, dest_frag, 8);
		pkt.b[ETH_HLEN + 6] = 60;
		pkt.len += 8;
		pkt_end(&pkt);
		rig_input(r, pkt.b, pkt.len);
	}
	assert_int_equal(r->udp, 1);
	assert_int_equal(r->payload_len, udp_len - 8);
	assert_memory_equal(r->payload, whole.b + whole.len - 400, 400);
	/* A fragment header inside. */
	rig_clear(r);
	rig_advance(r, 2000);
	memcpy(whole.b + ETH_HLEN + 40, frag_udp, 8);
	whole.b[ETH_HLEN + 6] = 44;
	send_piece(r, 0, 208, true, 2);
	send_piece(r, 208, 208, false, 2);
	assert_int_equal(r->udp, 0);
	assert_true(rig_drops(r, DROP_FRAGMENT) >= 1);
	/* The first fragment ends before the UDP header does (RFC 7112). */
	rig_clear(r);
	memcpy(whole.b + ETH_HLEN + 40, dest_udp, 8);
	whole.b[ETH_HLEN + 6] = 60;
	send_piece(r, 0, 8, true, 3);
	send_piece(r, 8, 408, false, 3);
	assert_int_equal(r->udp, 0);
	assert_int_equal(rig_drops(r, DROP_FRAGMENT), 1);
}

static void congestion_marks_survive(void **state)
{
	struct rig *r = *state;

	make_whole(true, 592);
	for (int marked = 0; marked < 3; marked++) {
		rig_clear(r);
		for (int i = 0; i < 3; i++) {
			make_piece((size_t)i * 200, 200, i < 2, (uint32_t)marked);
			pkt.b[ETH_HLEN + 1] = i == marked ? 3 : 2;
			pkt_end(&pkt);
			rig_input(r, pkt.b, pkt.len);
		}
		expect_whole(r, 592);
		assert_int_equal(r->last_udp.tos, 3);
		rig_advance(r, 2000);
	}
}

/* What a link says about a fragment's checksum says nothing about the whole. */
static void fragments_are_always_verified(void **state)
{
	struct rig *r = *state;
	const struct frame_meta m = {
		.needs_csum = true, .csum_valid = true, .gso_size = 7, .gso = 5};

	EACH_FAMILY
	{
		rig_clear(r);
		make_whole(v4, 392);
		whole.b[whole.len - 1] ^= 1;
		make_piece(0, 200, true, 1);
		rig_input_meta(r, pkt.b, pkt.len, &m);
		make_piece(200, 200, false, 1);
		rig_input_meta(r, pkt.b, pkt.len, &m);
		assert_int_equal(r->udp, 0);
		assert_int_equal(rig_drops(r, DROP_BAD_CHECKSUM), 1);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(any_order_makes_the_whole),
		T(smallest_and_largest),
		T(exact_duplicates_are_ignored),
		T(overlaps_kill_the_set),
		T(contradicting_ends_kill_the_set),
		T(beyond_the_largest_packet),
		T(options_of_the_first_fragment_count),
		T(sets_do_not_mix),
		T(time_runs_out),
		T(a_flood_is_bounded),
		T(the_number_of_sets_is_configured),
		T(whole_packets_leave_with_the_burst),
		T(sets_are_used_again),
		T(many_sets_are_told_apart),
		T(atomic_fragments_are_whole),
		T(chains_with_fragments),
		T(congestion_marks_survive),
		T(fragments_are_always_verified),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
