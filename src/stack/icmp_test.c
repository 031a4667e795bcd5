// SPDX-License-Identifier: Apache-2.0
/*
 * Echo, NDP and errors, from the guest and to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stack/rig.h"

static struct pkt pkt;
static uint8_t big[65536];

static int setup(void **state)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 13 + i / 251);
	*state = rig_new();
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void send_pkt(struct rig *r)
{
	rig_clear(r);
	rig_input(r, pkt.b, pkt.len);
}

static void echo_to_the_gateway_is_answered(void **state)
{
	struct rig *r = *state;
	const struct ipaddr *src[] = {&rig_guest4, &rig_guest6, &rig_guest_ll};
	const struct ipaddr *dst[] = {&rig_gw4, &rig_gw6, &rig_gw_ll};

	for (int i = 0; i < 3; i++) {
		size_t l4 = ETH_HLEN + (i ? 40 : 20), ip = i ? 40 : 20;
		struct pkt *want = malloc(sizeof(*want));
		pkt_make_icmp(&pkt, src[i], dst[i], i ? 128 : 8, 0, 0x12340007, big, 999);
		send_pkt(r);
		assert_int_equal(r->echo, 0);
		assert_int_equal(r->out_n, 1);
		assert_int_equal(r->out[0].len, ETH_HLEN + ip + 8 + 999);
		pkt_make_icmp(want, dst[i], src[i], i ? 129 : 0, 0, 0x12340007, big, 999);
		assert_memory_equal(r->out[0].data + l4, want->b + l4, 8 + 999);
		free(want);
	}
}

/* A ping of 60,000 bytes goes in in fragments and comes out in fragments. */
static void large_echo_comes_back_in_fragments(void **state)
{
	struct rig *r = *state;

	for (int v = 4; v <= 6; v += 2) {
		struct rig *guest = rig_new_mirror(1500);
		const struct ipaddr *me = v == 4 ? &rig_guest4 : &rig_guest6;
		const struct ipaddr *gw = v == 4 ? &rig_gw4 : &rig_gw6;
		rig_clear(r);
		/* A request that the mirror can send: an echo reply with its type changed. */
		pkt_make_icmp(&pkt, me, gw, v == 4 ? 8 : 128, 0, 0x00010002, big, 60000);
		ip_output(&guest->stack, me, gw, v == 4 ? 1 : 58, 64, 0,
			  pkt.b + ETH_HLEN + (v == 4 ? 20 : 40), 60008);
		stack_flush(&guest->stack);
		assert_true(guest->out_n > 40);
		for (int i = 0; i < guest->out_n; i++)
			rig_input(r, guest->out[i].data, guest->out[i].len);
		assert_int_equal(rig_all_drops(r), 0);
		assert_int_equal(r->stack.cnt.frag_reassembled, 1);
		assert_int_equal(r->out_n, guest->out_n);
		/* Replies are dropped by the mirror, but only once they are whole and right. */
		for (int i = 0; i < r->out_n; i++)
			rig_input(guest, r->out[i].data, r->out[i].len);
		assert_int_equal(guest->stack.cnt.frag_reassembled, 1);
		assert_int_equal(rig_drops(guest, DROP_PROTOCOL), 1);
		assert_int_equal(rig_all_drops(guest), 1);
		rig_free(guest);
	}
}

static void echo_elsewhere_is_handed_up(void **state)
{
	struct rig *r = *state;

	for (int v = 4; v <= 6; v += 2) {
		const struct ipaddr *far = v == 4 ? &rig_far4 : &rig_far6;
		pkt_make_icmp(&pkt, v == 4 ? &rig_guest4 : &rig_guest6, far, v == 4 ? 8 : 128, 0,
			      0xabcd0102, big, 56);
		pkt.b[ETH_HLEN + (v == 4 ? 8 : 7)] = 5;
		pkt_end(&pkt);
		send_pkt(r);
		assert_int_equal(r->echo, 1);
		assert_int_equal(r->out_n, 0);
		assert_true(ipaddr_eq(&r->last_echo.dst, far));
		assert_int_equal(r->last_echo.id, 0xabcd);
		assert_int_equal(r->last_echo.seq, 0x0102);
		assert_int_equal(r->last_echo.ttl, 5);
		assert_int_equal(r->payload_len, 56);
		assert_memory_equal(r->payload, big, 56);
		/* Damaged on the way. */
		pkt.b[pkt.len - 1] ^= 1;
		send_pkt(r);
		assert_int_equal(r->echo, 0);
		assert_int_equal(rig_drops(r, DROP_BAD_CHECKSUM), 1);
	}
}

static void other_types_are_silent(void **state)
{
	struct rig *r = *state;

	for (unsigned type = 0; type < 256; type++) {
		bool used4 = type == 8 || type == 3 || type == 11 || type == 12;
		bool used6 =
			(type >= 1 && type <= 4) || type == 128 || (type >= 133 && type <= 136);
		pkt_make_icmp(&pkt, &rig_guest4, &rig_gw4, (uint8_t)type, 0, 0, big, 60);
		if (!used4) {
			send_pkt(r);
			assert_int_equal(rig_drops(r, DROP_PROTOCOL), 1);
			assert_int_equal(r->out_n, 0);
		}
		pkt_make_icmp(&pkt, &rig_guest6, &rig_gw6, (uint8_t)type, 0, 0, big, 60);
		if (!used6) {
			send_pkt(r);
			assert_int_equal(rig_drops(r, DROP_PROTOCOL), 1);
			assert_int_equal(r->out_n, 0);
		}
	}
}

static void ndp_comes_from_the_link(void **state)
{
	struct rig *r = *state;
	uint8_t atomic[8] = {58, 0, 0, 0, 0, 0, 0, 9};

	for (uint8_t type = 133; type <= 136; type++) {
		pkt_make_icmp(&pkt, &rig_guest_ll, &rig_gw_ll, type, 0, 0, big, 24);
		for (unsigned hops = 1; hops < 256; hops += 127) {
			pkt.b[ETH_HLEN + 7] = (uint8_t)hops;
			send_pkt(r);
			assert_int_equal(r->ndp, hops == 255);
			assert_int_equal(rig_drops(r, DROP_BAD_HEADER), hops != 255);
		}
		pkt_make_icmp(&pkt, &rig_guest_ll, &rig_gw_ll, type, 1, 0, big, 24);
		pkt.b[ETH_HLEN + 7] = 255;
		send_pkt(r);
		assert_int_equal(r->ndp, 0);
		/* In an atomic fragment (RFC 6980). */
		pkt_make_icmp(&pkt, &rig_guest_ll, &rig_gw_ll, type, 0, 0, big, 24);
		pkt_bytes(&pkt, atomic, 8);
		memmove(pkt.b + ETH_HLEN + 48, pkt.b + ETH_HLEN + 40, 32);
		memcpy(pkt.b + ETH_HLEN + 40, atomic, 8);
		pkt.b[ETH_HLEN + 6] = 44;
		pkt.b[ETH_HLEN + 7] = 255;
		pkt_end(&pkt);
		send_pkt(r);
		assert_int_equal(r->ndp, 0);
		assert_int_equal(rig_drops(r, DROP_BAD_HEADER), 1);
	}
}

static void errors_from_the_guest_are_handed_up(void **state)
{
	struct rig *r = *state;
	struct pkt *inner = malloc(sizeof(*inner));

	for (int v = 4; v <= 6; v += 2) {
		const struct ipaddr *me = v == 4 ? &rig_guest4 : &rig_guest6;
		const struct ipaddr *far = v == 4 ? &rig_far4 : &rig_far6;
		size_t ip = v == 4 ? 20 : 40;
		pkt_make_udp(inner, far, me, 53, 4);
		for (size_t n = 0; n <= ip + 12; n++) {
			pkt_make_icmp(&pkt, me, far, v == 4 ? 3 : 1, v == 4 ? 3 : 4, 0,
				      inner->b + ETH_HLEN, n);
			send_pkt(r);
			assert_int_equal(r->guest_error, n >= ip + 8);
			assert_int_equal(rig_all_drops(r), n < ip + 8);
			assert_int_equal(r->out_n, 0);
		}
		inner->b[ETH_HLEN] ^= 0x20; /* the other family's version */
		pkt_make_icmp(&pkt, me, far, v == 4 ? 3 : 1, 4, 0, inner->b + ETH_HLEN, ip + 12);
		send_pkt(r);
		assert_int_equal(rig_drops(r, DROP_BAD_HEADER), 1);
	}
	free(inner);
}

/* Asks for an error about pkt; returns how many frames came out. */
static int ask(struct rig *r, enum icmp_error e, uint32_t value)
{
	rig_clear(r);
	stack_icmp_error(&r->stack, e, NULL, view_make(pkt.b + ETH_HLEN, pkt.len - ETH_HLEN),
			 value);
	stack_flush(&r->stack);
	return r->out_n;
}

static void errors_have_the_rfcs_words(void **state)
{
	struct rig *r = *state;
	static const struct {
		enum icmp_error e;
		uint32_t value;
		uint8_t type4, code4;
		uint32_t rest4;
		uint8_t type6, code6;
		uint32_t rest6;
	} table[] = {
		{ICMP_ERR_NET_UNREACH, 9, 3, 0, 0, 1, 0, 0},
		{ICMP_ERR_HOST_UNREACH, 9, 3, 1, 0, 1, 3, 0},
		{ICMP_ERR_PROTO_UNREACH, 6, 3, 2, 0, 4, 1, 6},
		{ICMP_ERR_PORT_UNREACH, 9, 3, 3, 0, 1, 4, 0},
		{ICMP_ERR_TOO_BIG, 1400, 3, 4, 1400, 2, 0, 1400},
		{ICMP_ERR_TOO_BIG, 70000, 3, 4, 65535, 2, 0, 70000},
		{ICMP_ERR_ADMIN, 9, 3, 13, 0, 1, 1, 0},
		{ICMP_ERR_TTL, 9, 11, 0, 0, 3, 0, 0},
		{ICMP_ERR_REASSEMBLY, 9, 11, 1, 0, 3, 1, 0},
		{ICMP_ERR_PARAM, 20, 12, 0, 20U << 24, 4, 0, 20},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const uint8_t *icmp;
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 100);
		assert_int_equal(ask(r, table[i].e, table[i].value), 1);
		icmp = r->out[0].data + ETH_HLEN + 20;
		assert_int_equal(icmp[0], table[i].type4);
		assert_int_equal(icmp[1], table[i].code4);
		assert_int_equal(get_be32(icmp + 4), table[i].rest4);
		assert_int_equal(naive_csum(icmp, r->out[0].len - ETH_HLEN - 20), 0xffff);
		pkt_make_udp(&pkt, &rig_guest6, &rig_far6, 9, 100);
		assert_int_equal(ask(r, table[i].e, table[i].value), 1);
		icmp = r->out[0].data + ETH_HLEN + 40;
		assert_int_equal(icmp[0], table[i].type6);
		assert_int_equal(icmp[1], table[i].code6);
		assert_int_equal(get_be32(icmp + 4), table[i].rest6);
	}
}

static void errors_say_who_says_so(void **state)
{
	struct rig *r = *state;
	const struct ipaddr router = {4, {203, 0, 113, 9}};

	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 4);
	stack_icmp_error(&r->stack, ICMP_ERR_TTL, &router,
			 view_make(pkt.b + ETH_HLEN, pkt.len - ETH_HLEN), 0);
	stack_flush(&r->stack);
	assert_int_equal(r->out_n, 1);
	assert_memory_equal(r->out[0].data + ETH_HLEN + 12, router.b, 4);
	assert_memory_equal(r->out[0].data + ETH_HLEN + 16, rig_guest4.b, 4);
	pkt_make_udp(&pkt, &rig_guest_ll, &rig_gw_ll, 9, 4);
	assert_int_equal(ask(r, ICMP_ERR_PORT_UNREACH, 0), 1);
	assert_memory_equal(r->out[0].data + ETH_HLEN + 8, rig_gw_ll.b, 16);
}

static void no_error_about_what_must_not_get_one(void **state)
{
	struct rig *r = *state;
	const struct ipaddr group4 = {4, {224, 0, 0, 1}}, bcast = {4, {255, 255, 255, 255}};
	const struct ipaddr zero4 = {4, {0}}, zero6 = {6, {0}}, group6 = {6, {0xff, 2, [15] = 1}};
	const uint8_t errors4[] = {3, 4, 5, 11, 12}, errors6[] = {1, 2, 3, 4, 100, 127, 137};
	uint8_t frag[8] = {17};

	for (size_t i = 0; i < sizeof(errors4); i++) {
		pkt_make_icmp(&pkt, &rig_guest4, &rig_far4, errors4[i], 0, 0, big, 40);
		assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	}
	for (size_t i = 0; i < sizeof(errors6); i++) {
		pkt_make_icmp(&pkt, &rig_guest6, &rig_far6, errors6[i], 0, 0, big, 40);
		assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	}
	pkt_make_icmp(&pkt, &rig_guest4, &rig_far4, 8, 0, 0, big, 40);
	assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 1);
	pkt_make_icmp(&pkt, &rig_guest6, &rig_far6, 128, 0, 0, big, 40);
	assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 1);
	pkt_make_udp(&pkt, &rig_guest4, &group4, 9, 4);
	assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	pkt_make_udp(&pkt, &rig_guest4, &bcast, 9, 4);
	assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	pkt_make_udp(&pkt, &zero4, &rig_far4, 9, 4);
	assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	pkt_make_udp(&pkt, &group4, &rig_far4, 9, 4);
	assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	pkt_make_udp(&pkt, &rig_guest6, &group6, 9, 4);
	assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	pkt_make_udp(&pkt, &zero6, &rig_far6, 9, 4);
	assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	/* Fragments: the first one may be answered, later ones not. */
	for (unsigned off = 0; off < 2; off++) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 40);
		put_be16(pkt.b + ETH_HLEN + 6, (uint16_t)(0x2000 | off));
		assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), !off);
		pkt_ip(&pkt, &rig_guest6, &rig_far6, 44);
		put_be16(frag + 2, (uint16_t)(off * 8 | 1));
		pkt_bytes(&pkt, frag, 8);
		pkt_pattern(&pkt, 40, 1);
		pkt_end(&pkt);
		assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), !off);
	}
	/* What cannot be read is not answered, wherever it ends. */
	pkt_make_icmp(&pkt, &rig_guest4, &rig_far4, 8, 0, 0, NULL, 0);
	for (pkt.len = ETH_HLEN; pkt.len < ETH_HLEN + 21; pkt.len++)
		assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
	pkt_make_icmp(&pkt, &rig_guest6, &rig_far6, 128, 0, 0, NULL, 0);
	for (pkt.len = ETH_HLEN; pkt.len < ETH_HLEN + 41; pkt.len++)
		assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
}

static void errors_are_limited(void **state)
{
	struct rig *r = *state;
	int sent = 0;

	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 4);
	rig_advance(r, 1000000);
	for (int i = 0; i < 500; i++)
		sent += ask(r, ICMP_ERR_ADMIN, 0);
	assert_int_equal(sent, 200);
	assert_int_equal(rig_drops(r, DROP_RATE), 1);
	for (sent = 0; sent < 1000000;) {
		/* One more each millisecond. */
		rig_advance(r, 1000);
		assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 1);
		assert_int_equal(ask(r, ICMP_ERR_ADMIN, 0), 0);
		sent += 10000;
	}
}

static void rebuilt_quotes_say_the_same(void **state)
{
	struct rig *r = *state;

	for (int v = 4; v <= 6; v += 2) {
		const struct ipaddr *me = v == 4 ? &rig_guest4 : &rig_guest6;
		const struct ipaddr *far = v == 4 ? &rig_far4 : &rig_far6;
		size_t ip = v == 4 ? 20 : 40, l4 = ETH_HLEN + ip;
		struct rig *guest = rig_new_mirror(1500);
		rig_clear(r);
		pkt_make_udp(&pkt, me, far, 77, 20);
		stack_icmp_error_rebuilt(&r->stack, ICMP_ERR_PORT_UNREACH, far, me, far, 17,
					 pkt.b + l4, 8, 0);
		stack_flush(&r->stack);
		assert_int_equal(r->out_n, 1);
		assert_int_equal(r->out[0].len, l4 + 8 + ip + 8);
		assert_memory_equal(r->out[0].data + ETH_HLEN + (v == 4 ? 12 : 8), far->b,
				    v == 4 ? 4 : 16);
		assert_memory_equal(r->out[0].data + l4 + 8 + ip, pkt.b + l4, 8);
		rig_input(guest, r->out[0].data, r->out[0].len);
		assert_int_equal(guest->guest_error, 1);
		rig_free(guest);
		stack_icmp_error_rebuilt(&r->stack, ICMP_ERR_PORT_UNREACH, far, me, far, 17, big,
					 60000, 0);
		stack_flush(&r->stack);
		assert_int_equal(r->out_n, 2);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(echo_to_the_gateway_is_answered),
		T(large_echo_comes_back_in_fragments),
		T(echo_elsewhere_is_handed_up),
		T(other_types_are_silent),
		T(ndp_comes_from_the_link),
		T(errors_from_the_guest_are_handed_up),
		T(errors_have_the_rfcs_words),
		T(errors_say_who_says_so),
		T(no_error_about_what_must_not_get_one),
		T(errors_are_limited),
		T(rebuilt_quotes_say_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
