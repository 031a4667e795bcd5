// SPDX-License-Identifier: Apache-2.0
/*
 * ARP, neighbour discovery and router advertisements as a guest sees them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "guestsvc/svc_rig.h"

static struct svc_rig rig;

static int setup(void **state)
{
	struct stack_config c = svc_config();
	svc_rig_init(&rig, &c);
	return 0;
}

static int teardown(void **state)
{
	svc_rig_done(&rig);
	return 0;
}

static void arp_send(uint16_t op, const struct ipaddr *sender, const struct ipaddr *target)
{
	uint8_t b[42] = {0};
	struct wbuf w = wbuf_make(b, sizeof(b));
	for (int i = 0; i < 6; i++)
		wbuf_put_u8(&w, 0xff);
	wbuf_put_bytes(&w, svc_guest_mac, 6);
	wbuf_put_be16(&w, 0x0806);
	wbuf_put_be16(&w, 1);
	wbuf_put_be16(&w, 0x0800);
	wbuf_put_u8(&w, 6);
	wbuf_put_u8(&w, 4);
	wbuf_put_be16(&w, op);
	wbuf_put_bytes(&w, svc_guest_mac, 6);
	wbuf_put_bytes(&w, sender->b, 4);
	wbuf_put_zero(&w, 6);
	wbuf_put_bytes(&w, target->b, 4);
	svc_rig_frame(&rig, b, sizeof(b));
}

static void arp_request_for_the_gateway_is_answered(void **state)
{
	arp_send(1, &svc_guest4, &svc_gw4);
	assert_int_equal(rig.out_n, 1);
	assert_int_equal(rig.out[0].len, 42);
	const uint8_t *b = rig.out[0].b;
	assert_memory_equal(b, svc_guest_mac, 6);
	assert_memory_equal(b + 6, svc_gw_mac, 6);
	static const uint8_t head[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 2};
	assert_memory_equal(b + 12, head, sizeof(head));
	assert_memory_equal(b + 22, svc_gw_mac, 6);
	assert_memory_equal(b + 28, svc_gw4.b, 4);
	assert_memory_equal(b + 32, svc_guest_mac, 6);
	assert_memory_equal(b + 38, svc_guest4.b, 4);
	assert_int_equal(rig.svc.answered[GUESTSVC_ARP], 1);
}

static void arp_for_others_is_answered_by_proxy_only(void **state)
{
	struct ipaddr other = {4, {172, 16, 0, 3}}, any = {.family = 4};
	arp_send(1, &svc_guest4, &other);
	assert_int_equal(rig.out_n, 0);
	rig.svc.proxy_arp = true;
	arp_send(1, &svc_guest4, &other);
	assert_int_equal(rig.out_n, 1);
	assert_memory_equal(rig.out[0].b + 28, other.b, 4);
	/* Never for the guest itself, and never for a probe of a free address. */
	arp_send(1, &any, &svc_guest4);
	assert_int_equal(rig.out_n, 0);
	arp_send(1, &any, &other);
	assert_int_equal(rig.out_n, 0);
	arp_send(1, &other, &svc_guest4);
	assert_int_equal(rig.out_n, 0);
}

static void arp_probes_replies_and_announcements_are_left_alone(void **state)
{
	struct ipaddr any = {.family = 4};
	arp_send(1, &any, &svc_guest4);
	assert_int_equal(rig.out_n, 0);
	arp_send(1, &svc_guest4, &svc_guest4);
	assert_int_equal(rig.out_n, 0);
	rig.svc.proxy_arp = true;
	struct ipaddr other = {4, {172, 16, 0, 3}};
	arp_send(1, &other, &other);
	assert_int_equal(rig.out_n, 0);
	arp_send(2, &svc_guest4, &svc_gw4);
	assert_int_equal(rig.out_n, 0);
	/* A probe for the gateway's address finds the conflict that it looks for. */
	arp_send(1, &any, &svc_gw4);
	assert_int_equal(rig.out_n, 1);
}

static void arp_that_is_malformed_is_dropped(void **state)
{
	arp_send(1, &svc_guest4, &svc_gw4);
	uint8_t good[42];
	memcpy(good, rig.out[0].b, 42);
	memcpy(good, svc_gw_mac, 6);
	memcpy(good + 6, svc_guest_mac, 6);
	good[21] = 1;
	memcpy(good + 22, svc_guest_mac, 6);
	memcpy(good + 28, svc_guest4.b, 4);
	memcpy(good + 38, svc_gw4.b, 4);
	svc_rig_frame(&rig, good, 42);
	assert_int_equal(rig.out_n, 1);
	for (size_t len = ETH_HLEN; len < 42; len++) {
		svc_rig_frame(&rig, good, len);
		assert_int_equal(rig.out_n, 0);
	}
	for (size_t at = 14; at < 20; at++) {
		uint8_t bad[42];
		memcpy(bad, good, 42);
		bad[at] ^= 0x40;
		svc_rig_frame(&rig, bad, 42);
		assert_int_equal(rig.out_n, 0);
	}
	assert_true(rig.stack.cnt.drops[DROP_BAD_HEADER] >= 6);
}

static struct ipaddr solicited_node(const struct ipaddr *a)
{
	struct ipaddr g = {6, {0xff, 2, [11] = 1, 0xff, a->b[13], a->b[14], a->b[15]}};
	return g;
}

/* A neighbour solicitation, with `extra` option bytes behind it. */
static void ns_send(const struct ipaddr *src, const struct ipaddr *dst, const struct ipaddr *target,
		    uint8_t ttl, const uint8_t *extra, size_t extra_len)
{
	uint8_t b[128] = {135};
	memcpy(b + 8, target->b, 16);
	if (extra_len)
		memcpy(b + 24, extra, extra_len);
	svc_rig_packet(&rig, src, dst, IPPROTO_ICMPV6, ttl, b, 24 + extra_len, 2);
}

static const uint8_t slla[8] = {1, 1, 2, 0x77, 0x72, 0, 7, 2};

static void ns_for_the_gateway_is_answered(void **state)
{
	const struct ipaddr *targets[] = {&svc_gw6, &svc_gw_ll};
	for (int i = 0; i < 2; i++) {
		struct ipaddr group = solicited_node(targets[i]);
		struct svc_packet p;
		ns_send(&svc_guest_ll, &group, targets[i], 255, slla, 8);
		assert_int_equal(rig.out_n, 1);
		assert_true(svc_rig_out(&rig, 0, &p));
		assert_memory_equal(p.dst_mac, svc_guest_mac, 6);
		assert_true(ipaddr_eq(&p.src, targets[i]));
		assert_true(ipaddr_eq(&p.dst, &svc_guest_ll));
		assert_int_equal(p.ttl, 255);
		assert_int_equal(p.l4.len, 32);
		assert_int_equal(p.l4.p[0], 136);
		assert_int_equal(p.l4.p[4], 0xe0); /* router, solicited, override */
		assert_memory_equal(p.l4.p + 8, targets[i]->b, 16);
		assert_int_equal(p.l4.p[24], 2);
		assert_memory_equal(p.l4.p + 26, svc_gw_mac, 6);
		/* Unicast, as when a neighbour is probed for reachability. */
		ns_send(&svc_guest6, targets[i], targets[i], 255, NULL, 0);
		assert_int_equal(rig.out_n, 1);
	}
}

static void ns_of_duplicate_address_detection_is_left_alone(void **state)
{
	struct ipaddr any = {.family = 6}, group = solicited_node(&svc_guest6);
	ns_send(&any, &group, &svc_guest6, 255, NULL, 0);
	assert_int_equal(rig.out_n, 0);
	/* For the gateway's address the conflict is told to all nodes. */
	struct svc_packet p;
	group = solicited_node(&svc_gw6);
	ns_send(&any, &group, &svc_gw6, 255, NULL, 0);
	assert_int_equal(rig.out_n, 1);
	assert_true(svc_rig_out(&rig, 0, &p));
	static const uint8_t mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	assert_memory_equal(p.dst_mac, mac, 6);
	assert_int_equal(p.dst.b[0], 0xff);
	assert_int_equal(p.l4.p[4], 0xa0);
}

static void ns_that_is_invalid_is_dropped(void **state)
{
	struct ipaddr any = {.family = 6}, group = solicited_node(&svc_gw6);
	static const uint8_t zero_len[8] = {1, 0}, too_long[8] = {1, 2};
	ns_send(&svc_guest6, &group, &svc_gw6, 254, NULL, 0);
	assert_int_equal(rig.out_n, 0);
	ns_send(&svc_guest6, &group, &svc_gw6, 255, zero_len, 8);
	assert_int_equal(rig.out_n, 0);
	ns_send(&svc_guest6, &group, &svc_gw6, 255, too_long, 8);
	assert_int_equal(rig.out_n, 0);
	ns_send(&svc_guest6, &group, &svc_gw6, 255, slla, 7);
	assert_int_equal(rig.out_n, 0);
	ns_send(&any, &group, &svc_gw6, 255, slla, 8); /* no address, yet a link-layer address */
	assert_int_equal(rig.out_n, 0);
	ns_send(&any, &svc_gw6, &svc_gw6, 255, NULL, 0); /* a probe that is not multicast */
	assert_int_equal(rig.out_n, 0);
	ns_send(&svc_guest6, &group, &group, 255, NULL, 0); /* a multicast target */
	assert_int_equal(rig.out_n, 0);
	uint8_t b[24] = {135, 1};
	memcpy(b + 8, svc_gw6.b, 16);
	svc_rig_packet(&rig, &svc_guest6, &group, IPPROTO_ICMPV6, 255, b, 24, 2); /* a code */
	assert_int_equal(rig.out_n, 0);
	b[1] = 0;
	for (size_t len = 4; len < 24; len++) {
		svc_rig_packet(&rig, &svc_guest6, &group, IPPROTO_ICMPV6, 255, b, len, 2);
		assert_int_equal(rig.out_n, 0);
	}
	svc_rig_packet(&rig, &svc_guest6, &group, IPPROTO_ICMPV6, 255, b, 24, 2);
	assert_int_equal(rig.out_n, 1);
}

static void rs_send(const struct ipaddr *src, const uint8_t *extra, size_t n)
{
	struct ipaddr all_routers = {6, {0xff, 2, [15] = 2}};
	uint8_t b[64] = {133};
	if (n)
		memcpy(b + 8, extra, n);
	svc_rig_packet(&rig, src, &all_routers, IPPROTO_ICMPV6, 255, b, 8 + n, 2);
}

/* The option of a type in a router advertisement, or NULL. */
static const uint8_t *ra_option(const struct svc_packet *p, uint8_t type)
{
	size_t at = 16;
	while (at + 8 <= p->l4.len) {
		if (p->l4.p[at] == type)
			return p->l4.p + at;
		assert_int_not_equal(p->l4.p[at + 1], 0);
		at += p->l4.p[at + 1] * 8u;
	}
	assert_int_equal(at, p->l4.len);
	return NULL;
}

static void rs_is_answered_with_everything_a_guest_needs(void **state)
{
	struct svc_packet p;
	strcpy(rig.svc.search, "corp.example,lab.example");
	rs_send(&svc_guest_ll, slla, 8);
	assert_int_equal(rig.out_n, 1);
	assert_true(svc_rig_out(&rig, 0, &p));
	assert_memory_equal(p.dst_mac, svc_guest_mac, 6);
	assert_true(ipaddr_eq(&p.src, &svc_gw_ll));
	assert_true(ipaddr_eq(&p.dst, &svc_guest_ll));
	assert_int_equal(p.ttl, 255);
	assert_int_equal(p.l4.p[0], 134);
	assert_int_equal(p.l4.p[4], 64);
	assert_int_equal(get_be16(p.l4.p + 6), 9000);
	const uint8_t *o = ra_option(&p, 1);
	assert_non_null(o);
	assert_memory_equal(o + 2, svc_gw_mac, 6);
	o = ra_option(&p, 5);
	assert_non_null(o);
	assert_int_equal(get_be32(o + 4), 1500);
	o = ra_option(&p, 3);
	assert_non_null(o);
	assert_int_equal(o[1], 4);
	assert_int_equal(o[2], 64);
	assert_int_equal(o[3], 0xc0);
	assert_true(get_be32(o + 4) >= get_be32(o + 8));
	assert_memory_equal(o + 16, svc_gw6.b, 8);
	static const uint8_t zero[8];
	assert_memory_equal(o + 24, zero, 8);
	o = ra_option(&p, 25);
	assert_non_null(o);
	assert_memory_equal(o + 8, svc_gw6.b, 16);
	o = ra_option(&p, 31);
	assert_non_null(o);
	static const char names[] = "\4corp\7example\0\3lab\7example";
	assert_memory_equal(o + 8, names, sizeof(names));
}

static void ra_tells_the_mtu(void **state)
{
	struct stack_config c = svc_config();
	struct svc_packet p;
	svc_rig_done(&rig);
	c.mtu = 1400;
	svc_rig_init(&rig, &c);
	rs_send(&svc_guest_ll, slla, 8);
	assert_true(svc_rig_out(&rig, 0, &p));
	const uint8_t *o = ra_option(&p, 5);
	assert_non_null(o);
	assert_int_equal(get_be32(o + 4), 1400);
}

static void rs_that_is_invalid_is_dropped(void **state)
{
	struct ipaddr any = {.family = 6};
	static const uint8_t zero_len[8] = {1, 0};
	rs_send(&any, slla, 8);
	assert_int_equal(rig.out_n, 0);
	rs_send(&svc_guest_ll, zero_len, 8);
	assert_int_equal(rig.out_n, 0);
	rs_send(&any, NULL, 0);
	assert_int_equal(rig.out_n, 1);
	struct svc_packet p;
	assert_true(svc_rig_out(&rig, 0, &p));
	assert_int_equal(p.dst.b[0], 0xff);
}

static void rs_flood_is_limited_and_none_is_forgotten(void **state)
{
	int sent = 0;
	for (int i = 0; i < 100; i++) {
		rs_send(&svc_guest_ll, NULL, 0);
		sent += rig.out_n;
	}
	assert_int_equal(sent, 1);
	svc_rig_advance(&rig, 200000);
	assert_int_equal(rig.out_n, 1);
}

static void ra_is_sent_every_200_seconds(void **state)
{
	guestsvc_start(&rig.svc);
	rig.out_n = 0;
	stack_flush(&rig.stack);
	assert_int_equal(rig.out_n, 1);
	for (int i = 0; i < 3; i++) {
		svc_rig_advance(&rig, 199 * 1000000ull);
		assert_int_equal(rig.out_n, 0);
		svc_rig_advance(&rig, 1001000);
		assert_int_equal(rig.out_n, 1);
	}
}

static void nothing_is_said_in_a_family_that_is_off(void **state)
{
	struct stack_config c = svc_config();
	svc_rig_done(&rig);
	c.has_v6 = false;
	svc_rig_init(&rig, &c);
	guestsvc_start(&rig.svc);
	rs_send(&svc_guest_ll, NULL, 0);
	assert_int_equal(rig.out_n, 0);
	svc_rig_advance(&rig, 400 * 1000000ull);
	assert_int_equal(rig.out_n, 0);
	svc_rig_done(&rig);
	c.has_v6 = true;
	c.has_v4 = false;
	svc_rig_init(&rig, &c);
	arp_send(1, &svc_guest4, &svc_gw4);
	assert_int_equal(rig.out_n, 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(arp_request_for_the_gateway_is_answered),
		T(arp_for_others_is_answered_by_proxy_only),
		T(arp_probes_replies_and_announcements_are_left_alone),
		T(arp_that_is_malformed_is_dropped),
		T(ns_for_the_gateway_is_answered),
		T(ns_of_duplicate_address_detection_is_left_alone),
		T(ns_that_is_invalid_is_dropped),
		T(rs_is_answered_with_everything_a_guest_needs),
		T(ra_tells_the_mtu),
		T(rs_that_is_invalid_is_dropped),
		T(rs_flood_is_limited_and_none_is_forgotten),
		T(ra_is_sent_every_200_seconds),
		T(nothing_is_said_in_a_family_that_is_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
