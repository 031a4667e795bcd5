// SPDX-License-Identifier: Apache-2.0
/*
 * What the stack makes of frames and IP headers, proper and not: link layer, header checks,
 * addresses, options, extension headers, hop limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stack/rig.h"

static struct pkt pkt;

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

static void send_pkt(struct rig *r)
{
	rig_input(r, pkt.b, pkt.len);
}

/* Sends what is in pkt and wants exactly this drop and nothing handed up. */
static void expect_drop(struct rig *r, enum drop_reason why)
{
	rig_clear(r);
	send_pkt(r);
	if (rig_drops(r, why) != 1 || rig_all_drops(r) != 1)
		fail_msg("wanted one drop for %s, got %u of %u", drop_reason_name(why),
			 (unsigned)rig_drops(r, why), (unsigned)rig_all_drops(r));
	assert_int_equal(r->udp + r->dhcp + r->echo + r->ndp + r->arp + r->guest_error, 0);
}

static void expect_udp(struct rig *r, size_t payload)
{
	rig_clear(r);
	send_pkt(r);
	assert_int_equal(rig_all_drops(r), 0);
	assert_int_equal(r->udp, 1);
	assert_int_equal(r->payload_len, payload);
}

/* The last frame out is an ICMP error of this kind that quotes pkt; checks every field of it. */
static void expect_error(struct rig *r, int family, uint8_t type, uint8_t code, uint32_t rest)
{
	const struct rig_frame *f;
	struct rig *mirror = rig_new_mirror(1500);
	size_t ip_len = family == 4 ? 20 : 40, quoted;
	const uint8_t *icmp;

	assert_int_equal(r->out_n, 1);
	f = &r->out[0];
	icmp = f->data + ETH_HLEN + ip_len;
	assert_memory_equal(f->data, rig_guest_mac, 6);
	assert_memory_equal(f->data + 6, rig_gw_mac, 6);
	assert_true(f->len <= (family == 4 ? 576 : 1280) + ETH_HLEN);
	assert_int_equal(icmp[0], type);
	assert_int_equal(icmp[1], code);
	assert_int_equal(get_be32(icmp + 4), rest);
	quoted = f->len - ETH_HLEN - ip_len - 8;
	assert_true(quoted == pkt.len - ETH_HLEN || quoted == (family == 4 ? 548 : 1232));
	assert_memory_equal(icmp + 8, pkt.b + ETH_HLEN, quoted);
	/* Headers and checksums are right where the other side's input takes the error. */
	rig_input(mirror, f->data, f->len);
	assert_int_equal(mirror->guest_error, 1);
	rig_free(mirror);
}

static void short_frames_are_truncated(void **state)
{
	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 4);
	for (pkt.len = 0; pkt.len < ETH_HLEN; pkt.len++)
		expect_drop(*state, DROP_TRUNCATED);
}

static void unknown_ethertypes_are_dropped(void **state)
{
	const uint16_t types[] = {0, 46, 1500, 0x8100, 0x88a8, 0x86dc, 0x0801, 0xffff};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 4);
		put_be16(pkt.b + 12, types[i]);
		expect_drop(*state, DROP_ETHERTYPE);
	}
}

static void arp_goes_to_its_callback(void **state)
{
	struct rig *r = *state;

	pkt_ether(&pkt, 0x0806);
	pkt_pattern(&pkt, 28, 3);
	memset(pkt.b, 0xff, 6);
	rig_input(r, pkt.b, pkt.len);
	assert_int_equal(r->arp, 1);
	assert_int_equal(r->payload_len, 28);
}

static void foreign_macs_are_dropped(void **state)
{
	struct rig *r = *state;
	static const uint8_t other[6] = {2, 9, 9, 9, 9, 9};

	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 4);
	memcpy(pkt.b, other, 6);
	expect_drop(r, DROP_NOT_FOR_US);
	memcpy(pkt.b, rig_gw_mac, 6);
	memcpy(pkt.b + 6, other, 6);
	expect_drop(r, DROP_SPOOFED_SOURCE);
	memcpy(pkt.b + 6, rig_gw_mac, 6);
	expect_drop(r, DROP_SPOOFED_SOURCE);
	memset(pkt.b + 6, 0, 6);
	expect_drop(r, DROP_SPOOFED_SOURCE);
	memcpy(pkt.b + 6, rig_guest_mac, 6);
	pkt.b[6] |= 1;
	expect_drop(r, DROP_SPOOFED_SOURCE);
	/* To everybody on the link, but addressed to one (RFC 1122 3.3.6). */
	memcpy(pkt.b + 6, rig_guest_mac, 6);
	memset(pkt.b, 0xff, 6);
	expect_drop(r, DROP_MULTICAST);
}

static void mac_is_learned_once(void **state)
{
	struct stack_config c = rig_config();
	struct rig *r;

	memset(c.guest_mac, 0, 6);
	r = rig_new_with(&c);
	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 4);
	put_be16(pkt.b + 12, 0x8100); /* not worth learning from */
	pkt.b[11] = 77;
	expect_drop(r, DROP_ETHERTYPE);
	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 4);
	expect_udp(r, 4);
	assert_memory_equal(r->stack.cfg.guest_mac, rig_guest_mac, 6);
	pkt.b[11] = 99;
	expect_drop(r, DROP_SPOOFED_SOURCE);
	rig_free(r);
}

static void family_off_is_dropped(void **state)
{
	struct stack_config c = rig_config();
	struct rig *r;

	c.has_v6 = false;
	r = rig_new_with(&c);
	pkt_make_udp(&pkt, &rig_guest6, &rig_far6, 9, 4);
	expect_drop(r, DROP_FAMILY_OFF);
	rig_free(r);
	c.has_v6 = true;
	c.has_v4 = false;
	r = rig_new_with(&c);
	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 4);
	expect_drop(r, DROP_FAMILY_OFF);
	pkt_ether(&pkt, 0x0806);
	expect_drop(r, DROP_FAMILY_OFF);
	rig_free(r);
}

/* Cut anywhere, a packet is dropped as truncated, and nothing past its end is read (ASan). */
static void packets_cut_at_every_byte(void **state)
{
	const struct ipaddr *src[] = {&rig_guest4, &rig_guest6}, *dst[] = {&rig_far4, &rig_far6};

	for (int i = 0; i < 2; i++) {
		pkt_make_udp(&pkt, src[i], dst[i], 9, 10);
		while (--pkt.len >= ETH_HLEN)
			expect_drop(*state, DROP_TRUNCATED);
	}
}

/* The same where the IP length is right and the L4 is cut, for each protocol. */
static void l4_cut_at_every_byte(void **state)
{
	struct rig *r = *state;
	const struct ipaddr *src[] = {&rig_guest4, &rig_guest6}, *dst[] = {&rig_far4, &rig_far6};

	for (int i = 0; i < 2; i++) {
		size_t l4 = ETH_HLEN + (i ? 40 : 20);
		uint8_t icmp = i ? 58 : 1;
		pkt_make_udp(&pkt, src[i], dst[i], 9, 10);
		while (--pkt.len >= l4) {
			pkt_end(&pkt);
			expect_drop(r, DROP_TRUNCATED);
		}
		pkt_make_icmp(&pkt, src[i], dst[i], i ? 128 : 8, 0, 0, NULL, 0);
		while (--pkt.len >= l4 + 4) {
			pkt_end(&pkt);
			pkt_fill_l4(&pkt, l4, icmp, l4 + 2);
			expect_drop(r, DROP_TRUNCATED);
		}
		for (; pkt.len >= l4; pkt.len--) {
			pkt_end(&pkt);
			expect_drop(r, DROP_TRUNCATED);
		}
		for (size_t n = 0; n < 24; n++) {
			pkt_ip(&pkt, src[i], dst[i], IPPROTO_TCP_);
			pkt_pattern(&pkt, n, 0);
			pkt_end(&pkt);
			rig_clear(r);
			send_pkt(r);
		}
	}
}

static void ipv4_length_is_believed(void **state)
{
	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 5);
	pkt_pattern(&pkt, 20, 1); /* Ethernet padding */
	expect_udp(*state, 5);
	pkt_make_udp(&pkt, &rig_guest6, &rig_far6, 9, 5);
	pkt_pattern(&pkt, 20, 1);
	expect_udp(*state, 5);
	for (uint16_t total = 0; total < 20; total++) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 5);
		put_be16(pkt.b + ETH_HLEN + 2, total);
		expect_drop(*state, DROP_BAD_HEADER);
	}
	put_be16(pkt.b + ETH_HLEN + 2, 0xffff);
	expect_drop(*state, DROP_TRUNCATED);
}

static void header_fields_that_cannot_be(void **state)
{
	uint8_t *ip = pkt.b + ETH_HLEN;

	for (unsigned ihl = 0; ihl < 5; ihl++) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 5);
		ip[0] = (uint8_t)(0x40 | ihl);
		expect_drop(*state, DROP_BAD_HEADER);
	}
	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 5);
	ip[0] = 0x4f; /* options past the end */
	expect_drop(*state, DROP_BAD_HEADER);
	for (unsigned version = 0; version < 16; version++) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 5);
		ip[0] = (uint8_t)(version << 4 | 5);
		if (version != 4)
			expect_drop(*state, DROP_BAD_HEADER);
		pkt_make_udp(&pkt, &rig_guest6, &rig_far6, 9, 5);
		ip[0] = (uint8_t)(version << 4);
		if (version != 6)
			expect_drop(*state, DROP_BAD_HEADER);
	}
	for (unsigned i = 0; i < 20; i++) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 5);
		if (i == 0 || i == 2 || i == 3)
			continue; /* version and lengths are judged first */
		ip[i] ^= 4;
		expect_drop(*state, DROP_BAD_CHECKSUM);
	}
}

/* Puts options into an IPv4 packet; n is a multiple of 4. */
static void make_options(const uint8_t *opts, size_t n)
{
	size_t l4;

	pkt_ip(&pkt, &rig_guest4, &rig_far4, IPPROTO_UDP_);
	pkt.b[ETH_HLEN] = (uint8_t)(0x45 + n / 4);
	pkt_bytes(&pkt, opts, n);
	l4 = pkt_udp(&pkt, 1, 9, 3);
	pkt_pattern(&pkt, 3, 1);
	pkt_end(&pkt);
	pkt_fill_l4(&pkt, l4, IPPROTO_UDP_, l4 + 6);
}

static void ipv4_options(void **state)
{
	const uint8_t good[] = {1, 1, 148, 4, 0, 0, 0, 0};
	const uint8_t timestamp[] = {68, 8, 5, 0, 0, 0, 0, 0};

	make_options(good, 8);
	expect_udp(*state, 3);
	make_options(timestamp, 8);
	expect_udp(*state, 3);
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t kinds[] = {7, 131, 137};
		const uint8_t route[] = {1, kinds[i], 7, 4, 1, 2, 3, 4};
		make_options(route, 8);
		expect_drop(*state, DROP_IP_OPTIONS);
	}
	for (unsigned len = 0; len < 256; len++) {
		const uint8_t odd[] = {1, 1, 30, (uint8_t)len, 0, 0, 0, 0};
		make_options(odd, 8);
		if (len >= 2 && len <= 6)
			expect_udp(*state, 3);
		else
			expect_drop(*state, DROP_BAD_HEADER);
	}
	/* What is behind the end of the list is nobody's. */
	make_options((const uint8_t[]){0, 137, 7, 4}, 4);
	expect_udp(*state, 3);
	make_options((const uint8_t[]){1, 1, 1, 30}, 4);
	expect_drop(*state, DROP_BAD_HEADER);
}

static struct ipaddr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct ipaddr){4, {a, b, c, d}};
}

static void ipv4_sources(void **state)
{
	struct stack_config c = rig_config();
	struct rig *any;
	const struct ipaddr never[] = {
		rig_gw4,          rig_far4 /* LAND */, v4(255, 255, 255, 255), v4(172, 16, 0, 255),
		v4(224, 0, 0, 1), v4(240, 0, 0, 1),    v4(127, 0, 0, 1),       v4(0, 1, 2, 3),
		v4(0, 0, 0, 0)};
	const struct ipaddr relaxed[] = {v4(172, 16, 0, 3), v4(10, 0, 0, 1), v4(169, 254, 1, 1)};

	c.allow_any_source = true;
	any = rig_new_with(&c);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		pkt_make_udp(&pkt, &never[i], &rig_far4, 9, 5);
		expect_drop(*state, DROP_SPOOFED_SOURCE);
		expect_drop(any, DROP_SPOOFED_SOURCE);
	}
	for (size_t i = 0; i < sizeof(relaxed) / sizeof(relaxed[0]); i++) {
		pkt_make_udp(&pkt, &relaxed[i], &rig_far4, 9, 5);
		expect_drop(*state, DROP_SPOOFED_SOURCE);
		expect_udp(any, 5);
	}
	rig_free(any);
}

static void ipv6_sources(void **state)
{
	struct stack_config c = rig_config();
	struct rig *any, *r = *state;
	struct ipaddr slaac = rig_guest6, other = rig_guest6, mapped = {6, {[10] = 0xff, 0xff, 10}};
	const struct ipaddr group = {6, {0xff, 2, [15] = 1}}, unspec = {6, {0}};
	const struct ipaddr loopback = {6, {[15] = 1}};
	const struct ipaddr *never[] = {&rig_gw6, &rig_gw_ll, &rig_far6, &group,
					&mapped,  &loopback,  &unspec};

	c.allow_any_source = true;
	any = rig_new_with(&c);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		pkt_make_udp(&pkt, never[i], &rig_far6, 9, 5);
		expect_drop(r, DROP_SPOOFED_SOURCE);
		expect_drop(any, DROP_SPOOFED_SOURCE);
	}
	slaac.b[12] = 0xab; /* any address of the guest's own /64 */
	pkt_make_udp(&pkt, &slaac, &rig_far6, 9, 5);
	expect_udp(r, 5);
	other.b[7] = 1; /* another /64 */
	pkt_make_udp(&pkt, &other, &rig_far6, 9, 5);
	expect_drop(r, DROP_SPOOFED_SOURCE);
	expect_udp(any, 5);
	/* Link-local: the gateway's services, not the world. */
	pkt_make_udp(&pkt, &rig_guest_ll, &rig_far6, 9, 5);
	expect_drop(r, DROP_SPOOFED_SOURCE);
	pkt_make_udp(&pkt, &rig_guest_ll, &rig_gw_ll, 53, 5);
	expect_udp(r, 5);
	pkt_make_udp(&pkt, &rig_guest_ll, &rig_gw6, 53, 5);
	expect_udp(r, 5);
	rig_free(any);
}

static void destinations_that_lead_nowhere(void **state)
{
	const struct ipaddr zero = v4(0, 0, 0, 0), zero_net = v4(0, 9, 9, 9), zero6 = {6, {0}};

	pkt_make_udp(&pkt, &rig_guest4, &zero, 9, 5);
	expect_drop(*state, DROP_UNSPECIFIED);
	pkt_make_udp(&pkt, &rig_guest4, &zero_net, 9, 5);
	expect_drop(*state, DROP_UNSPECIFIED);
	pkt_make_udp(&pkt, &rig_guest6, &zero6, 9, 5);
	expect_drop(*state, DROP_UNSPECIFIED);
}

static void ipv4_inside_ipv6_is_refused(void **state)
{
	struct rig *r = *state;
	const struct ipaddr dst[] = {{6, {[10] = 0xff, 0xff, 127, 0, 0, 1}},
				     {6, {[10] = 0xff, 0xff, 198, 51, 100, 7}},
				     {6, {[12] = 127, 0, 0, 1}},
				     {6, {[15] = 1}}};
	const uint8_t protos[] = {IPPROTO_TCP_, IPPROTO_UDP_, 132};

	for (size_t i = 0; i < sizeof(dst) / sizeof(dst[0]); i++) {
		pkt_make_udp(&pkt, &rig_guest6, &dst[i], 9, 5);
		expect_drop(r, DROP_POLICY);
		expect_error(r, 6, 1, 1, 0);
		pkt_make_icmp(&pkt, &rig_guest6, &dst[i], 128, 0, 7, "x", 1);
		expect_drop(r, DROP_POLICY);
		expect_error(r, 6, 1, 1, 0);
		for (int k = 0; k < 3; k++) {
			pkt_ip(&pkt, &rig_guest6, &dst[i], protos[k]);
			pkt_pattern(&pkt, 40, 0);
			pkt_end(&pkt);
			expect_drop(r, DROP_POLICY);
		}
	}
}

static void groups_reach_only_what_answers(void **state)
{
	struct rig *r = *state;
	const struct ipaddr groups4[] = {v4(255, 255, 255, 255), v4(172, 16, 0, 255),
					 v4(224, 0, 0, 251), v4(239, 255, 255, 250)};
	const struct ipaddr groups6[] = {{6, {0xff, 2, [15] = 1}},
					 {6, {0xff, 2, [15] = 2}},
					 {6, {0xff, 2, [13] = 1, [15] = 3}},
					 {6, {0xff, 5, [13] = 1, [15] = 3}}};
	const struct ipaddr unspec4 = v4(0, 0, 0, 0), unspec6 = {6, {0}};
	const struct ipaddr dhcp6 = {6, {0xff, 2, [13] = 1, [15] = 2}};
	static const uint8_t body[16];

	for (int i = 0; i < 4; i++) {
		pkt_make_udp(&pkt, &rig_guest4, &groups4[i], 5353, 5);
		expect_drop(r, DROP_MULTICAST);
		pkt_make_icmp(&pkt, &rig_guest4, &groups4[i], 8, 0, 1, "x", 1);
		expect_drop(r, DROP_MULTICAST);
		pkt_ip(&pkt, &rig_guest4, &groups4[i], 2); /* IGMP */
		pkt_end(&pkt);
		expect_drop(r, DROP_MULTICAST);
		assert_int_equal(r->out_n, 0);
		pkt_make_udp(&pkt, &rig_guest6, &groups6[i], 5353, 5);
		expect_drop(r, DROP_MULTICAST);
		pkt_make_udp(&pkt, &rig_guest6, &groups6[i], 547, 5);
		expect_drop(r, DROP_MULTICAST);
		pkt_make_icmp(&pkt, &rig_guest6, &groups6[i], 128, 0, 1, "x", 1);
		expect_drop(r, DROP_MULTICAST);
		pkt_make_icmp(&pkt, &rig_guest6, &groups6[i], 143, 0, 1, "x", 1);
		expect_drop(r, DROP_MULTICAST);
		assert_int_equal(r->out_n, 0);
	}
	pkt_make_udp(&pkt, &unspec4, &groups4[0], 67, 5);
	send_pkt(r);
	assert_int_equal(r->dhcp, 1);
	pkt_make_udp(&pkt, &unspec4, &groups4[2], 67, 5);
	expect_drop(r, DROP_MULTICAST);
	pkt_make_udp(&pkt, &unspec4, &groups4[0], 68, 5);
	expect_drop(r, DROP_MULTICAST);
	pkt_make_udp(&pkt, &unspec4, &rig_gw4, 53, 5);
	expect_drop(r, DROP_SPOOFED_SOURCE);
	rig_clear(r);
	pkt_make_udp(&pkt, &rig_guest_ll, &dhcp6, 547, 5);
	send_pkt(r);
	assert_int_equal(r->dhcp, 1);
	/* DAD and a router solicitation. */
	for (uint8_t type = 133; type <= 135; type += 2) {
		rig_clear(r);
		pkt_make_icmp(&pkt, &unspec6, &groups6[1], type, 0, 0, body, 16);
		pkt.b[ETH_HLEN + 7] = 255;
		send_pkt(r);
		assert_int_equal(r->ndp, 1);
	}
	pkt_make_udp(&pkt, &unspec6, &rig_gw6, 53, 5);
	expect_drop(r, DROP_SPOOFED_SOURCE);
}

static void hop_limit_of_one(void **state)
{
	struct rig *r = *state;

	for (uint8_t ttl = 0; ttl < 2; ttl++) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 33434, 12);
		pkt.b[ETH_HLEN + 8] = ttl;
		pkt_end(&pkt);
		expect_drop(r, DROP_TTL);
		expect_error(r, 4, 11, 0, 0);
		assert_memory_equal(r->out[0].data + ETH_HLEN + 12, rig_gw4.b, 4);
		pkt_make_udp(&pkt, &rig_guest6, &rig_far6, 33434, 1400);
		pkt.b[ETH_HLEN + 7] = ttl;
		expect_drop(r, DROP_TTL);
		expect_error(r, 6, 3, 0, 0);
		assert_memory_equal(r->out[0].data + ETH_HLEN + 8, rig_gw6.b, 16);
		/* The gateway itself is no further hop. */
		pkt_make_udp(&pkt, &rig_guest4, &rig_gw4, 53, 12);
		pkt.b[ETH_HLEN + 8] = ttl;
		pkt_end(&pkt);
		expect_udp(r, 12);
		pkt_make_udp(&pkt, &rig_guest6, &rig_gw6, 53, 12);
		pkt.b[ETH_HLEN + 7] = ttl;
		expect_udp(r, 12);
	}
}

static void unknown_protocols(void **state)
{
	struct rig *r = *state;

	pkt_ip(&pkt, &rig_guest4, &rig_far4, 132);
	pkt_pattern(&pkt, 20, 1);
	pkt_end(&pkt);
	expect_drop(r, DROP_PROTOCOL);
	expect_error(r, 4, 3, 2, 0);
	pkt_ip(&pkt, &rig_guest4, &rig_gw4, 58);
	pkt_pattern(&pkt, 20, 1);
	pkt_end(&pkt);
	expect_drop(r, DROP_PROTOCOL);
	expect_error(r, 4, 3, 2, 0);
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t next[] = {1, 50, 51, 132};
		pkt_ip(&pkt, &rig_guest6, &rig_far6, next[i]);
		pkt_pattern(&pkt, 20, 1);
		pkt_end(&pkt);
		expect_drop(r, DROP_PROTOCOL);
		expect_error(r, 6, 4, 1, 6);
	}
	pkt_ip(&pkt, &rig_guest6, &rig_far6, 59);
	pkt_end(&pkt);
	expect_drop(r, DROP_PROTOCOL);
	assert_int_equal(r->out_n, 0);
}

/* An IPv6 packet with extension headers in front of UDP. Each of `kinds` is one of 8 bytes. */
static void make_chain(const uint8_t *kinds, unsigned n, const uint8_t body[6])
{
	size_t l4;

	pkt_ip(&pkt, &rig_guest6, &rig_far6, n ? kinds[0] : IPPROTO_UDP_);
	for (unsigned i = 0; i < n; i++) {
		uint8_t h[2] = {i + 1 < n ? kinds[i + 1] : IPPROTO_UDP_, 0};
		pkt_bytes(&pkt, h, 2);
		pkt_bytes(&pkt, body, 6);
	}
	l4 = pkt_udp(&pkt, 1, 9, 3);
	pkt_pattern(&pkt, 3, 1);
	pkt_end(&pkt);
	pkt_fill_l4(&pkt, l4, IPPROTO_UDP_, l4 + 6);
}

static void extension_headers(void **state)
{
	struct rig *r = *state;
	static const uint8_t padn[6] = {1, 4}, pad1[6];
	uint8_t kinds[100];

	memset(kinds, 60, sizeof(kinds));
	for (unsigned n = 0; n <= 100; n++) {
		make_chain(kinds, n, n % 2 ? padn : pad1);
		if (n <= EXT_HEADERS_MAX)
			expect_udp(r, 3);
		else
			expect_drop(r, DROP_EXT_HEADERS);
	}
	kinds[0] = 0;
	make_chain(kinds, 2, padn);
	expect_udp(r, 3);
	/* Cut at every byte behind the IPv6 header. */
	while (--pkt.len >= ETH_HLEN + 40) {
		pkt_end(&pkt);
		expect_drop(r, pkt.len >= ETH_HLEN + 56 ? DROP_TRUNCATED : DROP_EXT_HEADERS);
	}
	/* Hop-by-hop options anywhere else. */
	kinds[0] = 60;
	kinds[1] = 0;
	make_chain(kinds, 2, padn);
	expect_drop(r, DROP_EXT_HEADERS);
	expect_error(r, 6, 4, 1, 40);
	/* Routing headers of any type. */
	for (unsigned type = 0; type < 5; type++) {
		const uint8_t body[6] = {(uint8_t)type, (uint8_t)(type & 1)};
		kinds[0] = 43;
		make_chain(kinds, 1, body);
		expect_drop(r, DROP_IP_OPTIONS);
		assert_int_equal(r->out_n, 0);
	}
	/* A length that leads past the end. */
	kinds[0] = 60;
	for (unsigned len = 3; len < 256; len += 4) {
		make_chain(kinds, 1, padn);
		pkt.b[ETH_HLEN + 41] = (uint8_t)len;
		expect_drop(r, DROP_EXT_HEADERS);
	}
}

static void extension_options(void **state)
{
	struct rig *r = *state;
	const uint8_t dest[] = {60};

	for (unsigned type = 2; type < 256; type++) {
		const uint8_t body[6] = {0, (uint8_t)type, 3, 0, 0, 0};
		if (type == 5)
			continue;
		if (type % 5 == 0) /* stay within the rate of errors */
			rig_advance(r, 1000000);
		make_chain(dest, 1, body);
		if (type >> 6 == 0) {
			expect_udp(r, 3);
			continue;
		}
		expect_drop(r, DROP_EXT_HEADERS);
		if (type >> 6 == 1)
			assert_int_equal(r->out_n, 0);
		else
			expect_error(r, 6, 4, 2, 43);
	}
	/* The pointer counts what was passed: PadN of one byte, Pad1, then the culprit. */
	make_chain(dest, 1, (const uint8_t[6]){1, 1, 0, 0, 0x80, 0});
	expect_drop(r, DROP_EXT_HEADERS);
	expect_error(r, 6, 4, 2, 46);
	for (unsigned len = 0; len < 256; len++) {
		const uint8_t body[6] = {1, (uint8_t)len, 0, 0, 0, 0};
		make_chain(dest, 1, body);
		if (len <= 4)
			expect_udp(r, 3);
		else
			expect_drop(r, DROP_EXT_HEADERS);
	}
}

static void marks_are_passed_up(void **state)
{
	struct rig *r = *state;

	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 5);
	pkt.b[ETH_HLEN + 1] = 0xb9;
	pkt.b[ETH_HLEN + 8] = 7;
	pkt_end(&pkt);
	expect_udp(r, 5);
	assert_int_equal(r->last_udp.tos, 0xb9);
	assert_int_equal(r->last_udp.ttl, 7);
	pkt_make_udp(&pkt, &rig_guest6, &rig_far6, 9, 5);
	pkt.b[ETH_HLEN] = 0x6b;
	pkt.b[ETH_HLEN + 1] = 0x9f;
	pkt.b[ETH_HLEN + 7] = 7;
	expect_udp(r, 5);
	assert_int_equal(r->last_udp.tos, 0xb9);
	assert_int_equal(r->last_udp.ttl, 7);
}

static void missing_callbacks_drop(void **state)
{
	struct rig *r = *state;
	struct stack_ops none = {.tx = r->stack.ops->tx};
	static const uint8_t body[40] = {0x45};
	const uint16_t ports[] = {9, 67, 547};

	r->stack.ops = &none;
	for (int i = 0; i < 3; i++) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, ports[i], 5);
		expect_drop(r, DROP_PROTOCOL);
		pkt_make_udp(&pkt, &rig_guest6, &rig_gw6, ports[i], 5);
		expect_drop(r, DROP_PROTOCOL);
	}
	pkt_make_icmp(&pkt, &rig_guest4, &rig_far4, 8, 0, 1, "x", 1);
	expect_drop(r, DROP_PROTOCOL);
	pkt_make_icmp(&pkt, &rig_guest4, &rig_gw4, 3, 3, 0, body, 40);
	expect_drop(r, DROP_PROTOCOL);
	pkt_make_icmp(&pkt, &rig_guest6, &rig_gw6, 135, 0, 0, body, 16);
	pkt.b[ETH_HLEN + 7] = 255;
	expect_drop(r, DROP_PROTOCOL);
	pkt_ether(&pkt, 0x0806);
	expect_drop(r, DROP_ETHERTYPE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(short_frames_are_truncated),
		T(unknown_ethertypes_are_dropped),
		T(arp_goes_to_its_callback),
		T(foreign_macs_are_dropped),
		T(mac_is_learned_once),
		T(family_off_is_dropped),
		T(packets_cut_at_every_byte),
		T(l4_cut_at_every_byte),
		T(ipv4_length_is_believed),
		T(header_fields_that_cannot_be),
		T(ipv4_options),
		T(ipv4_sources),
		T(ipv6_sources),
		T(destinations_that_lead_nowhere),
		T(ipv4_inside_ipv6_is_refused),
		T(groups_reach_only_what_answers),
		T(hop_limit_of_one),
		T(unknown_protocols),
		T(extension_headers),
		T(extension_options),
		T(marks_are_passed_up),
		T(missing_callbacks_drop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
