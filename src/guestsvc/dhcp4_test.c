// SPDX-License-Identifier: Apache-2.0
/*
 * The DHCPv4 server, message by message, as a client sees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guestsvc/svc_rig.h"

enum {
	DISCOVER = 1,
	OFFER,
	REQUEST,
	DECLINE,
	ACK,
	NAK,
	RELEASE,
	INFORM,
};

static struct svc_rig rig;
static const struct ipaddr any = {.family = 4}, everybody = {4, {255, 255, 255, 255}};
static const struct ipaddr wrong = {4, {10, 9, 8, 7}};
static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* A message in the making. */
static uint8_t msg[600];
static struct wbuf w;
static struct svc_packet got; /* the answer */

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

static void begin(uint8_t type, uint16_t flags, const struct ipaddr *ciaddr)
{
	memset(msg, 0, sizeof(msg));
	w = wbuf_make(msg, sizeof(msg));
	wbuf_put_be32(&w, 0x01010600);
	wbuf_put_be32(&w, 0xfeedbeef);
	wbuf_put_be16(&w, 3);
	wbuf_put_be16(&w, flags);
	wbuf_put_bytes(&w, ciaddr->b, 4);
	wbuf_put_zero(&w, 12);
	wbuf_put_bytes(&w, svc_guest_mac, 6);
	wbuf_put_zero(&w, 10 + 64 + 128);
	wbuf_put_be32(&w, 0x63825363);
	wbuf_put_u8(&w, 53);
	wbuf_put_u8(&w, 1);
	wbuf_put_u8(&w, type);
}

static void option(uint8_t code, const void *data, size_t len)
{
	wbuf_put_u8(&w, code);
	wbuf_put_u8(&w, (uint8_t)len);
	wbuf_put_bytes(&w, data, len);
}

/* Sends what was made; true where an answer came, which is then in `got`. */
static bool send_from(const struct ipaddr *src, const struct ipaddr *dst)
{
	wbuf_put_u8(&w, 255);
	svc_rig_udp(&rig, src, 68, dst, 67, msg, w.len);
	if (rig.out_n == 0)
		return false;
	assert_int_equal(rig.out_n, 1);
	assert_true(svc_rig_out(&rig, 0, &got));
	assert_true(ipaddr_eq(&got.src, &svc_gw4));
	assert_int_equal(got.sport, 67);
	assert_int_equal(got.dport, 68);
	assert_true(got.payload.len >= 300);
	assert_int_equal(get_be32(got.payload.p), 0x02010600);
	assert_int_equal(get_be32(got.payload.p + 4), 0xfeedbeef);
	assert_memory_equal(got.payload.p + 28, svc_guest_mac, 6);
	assert_int_equal(get_be32(got.payload.p + 236), 0x63825363);
	return true;
}

static bool send_broadcast(void)
{
	return send_from(&any, &everybody);
}

/* An option of the answer; length -1 where there is none. */
static int reply_option(uint8_t code, const uint8_t **ret)
{
	struct view v = got.payload, o = {0};
	uint8_t c, len = 0;
	view_skip(&v, 240);
	while (view_get_u8(&v, &c) && c != 255) {
		if (c == 0)
			continue;
		assert_true(view_get_u8(&v, &len));
		assert_true(view_take(&v, len, &o));
		if (c == code) {
			*ret = o.p;
			return len;
		}
	}
	return -1;
}

static uint8_t reply_type(void)
{
	const uint8_t *o;
	assert_int_equal(reply_option(53, &o), 1);
	return o[0];
}

static void assert_u32(uint8_t code, uint32_t v)
{
	const uint8_t *o;
	assert_int_equal(reply_option(code, &o), 4);
	assert_int_equal(get_be32(o), v);
}

static void assert_yiaddr(const struct ipaddr *a)
{
	assert_memory_equal(got.payload.p + 16, a->b, 4);
}

static void discover_is_offered_the_one_address(void **state)
{
	const uint8_t *o;
	begin(DISCOVER, 0, &any);
	assert_true(send_broadcast());
	assert_int_equal(reply_type(), OFFER);
	assert_yiaddr(&svc_guest4);
	assert_true(ipaddr_eq(&got.dst, &svc_guest4));
	assert_memory_equal(got.dst_mac, svc_guest_mac, 6);
	assert_u32(54, 0xac100001);
	assert_u32(1, 0xfffffffc);
	assert_u32(3, 0xac100001);
	assert_u32(6, 0xac100001);
	assert_u32(51, 86400);
	assert_u32(58, 43200);
	assert_u32(59, 75600);
	assert_int_equal(reply_option(26, &o), 2);
	assert_int_equal(get_be16(o), 1500);
	static const uint8_t routes[] = {0, 172, 16, 0, 1};
	assert_int_equal(reply_option(121, &o), 5);
	assert_memory_equal(o, routes, 5);
	assert_int_equal(reply_option(80, &o), -1);
	assert_int_equal(rig.svc.answered[GUESTSVC_DHCP4], 1);
}

static void discover_with_the_broadcast_flag_is_answered_to_everybody(void **state)
{
	begin(DISCOVER, 0x8000, &any);
	assert_true(send_broadcast());
	assert_true(ipaddr_eq(&got.dst, &everybody));
	assert_memory_equal(got.dst_mac, broadcast_mac, 6);
	assert_int_equal(get_be16(got.payload.p + 10), 0x8000);
}

static void rapid_commit_is_acknowledged_at_once(void **state)
{
	const uint8_t *o;
	begin(DISCOVER, 0, &any);
	option(80, NULL, 0);
	assert_true(send_broadcast());
	assert_int_equal(reply_type(), ACK);
	assert_yiaddr(&svc_guest4);
	assert_int_equal(reply_option(80, &o), 0);
}

static void request_for_the_offer_is_acknowledged(void **state)
{
	const uint8_t *o;
	static const uint8_t id[] = {1, 2, 3, 4};
	begin(REQUEST, 0, &any);
	option(50, svc_guest4.b, 4);
	option(54, svc_gw4.b, 4);
	option(61, id, sizeof(id));
	assert_true(send_broadcast());
	assert_int_equal(reply_type(), ACK);
	assert_yiaddr(&svc_guest4);
	assert_int_equal(reply_option(61, &o), 4);
	assert_memory_equal(o, id, 4);
	assert_int_equal(reply_option(80, &o), -1);
}

static void request_for_another_address_is_refused_to_everybody(void **state)
{
	const uint8_t *o;
	begin(REQUEST, 0, &any);
	option(50, wrong.b, 4);
	assert_true(send_broadcast());
	assert_int_equal(reply_type(), NAK);
	assert_yiaddr(&any);
	assert_true(ipaddr_eq(&got.dst, &everybody));
	assert_memory_equal(got.dst_mac, broadcast_mac, 6);
	assert_u32(54, 0xac100001);
	assert_int_equal(reply_option(51, &o), -1);
	assert_int_equal(reply_option(1, &o), -1);
}

static void request_of_another_server_is_ignored(void **state)
{
	begin(REQUEST, 0, &any);
	option(50, svc_guest4.b, 4);
	option(54, wrong.b, 4);
	assert_false(send_broadcast());
	/* Neither a server nor an address: no state of RFC 2131 4.3.2. */
	begin(REQUEST, 0, &any);
	assert_false(send_broadcast());
}

static void renewal_is_acknowledged_by_unicast(void **state)
{
	begin(REQUEST, 0x8000, &svc_guest4);
	assert_true(send_from(&svc_guest4, &svc_gw4));
	assert_int_equal(reply_type(), ACK);
	assert_true(ipaddr_eq(&got.dst, &svc_guest4));
	assert_memory_equal(got.dst_mac, svc_guest_mac, 6);
	assert_memory_equal(got.payload.p + 12, svc_guest4.b, 4);
	begin(REQUEST, 0, &wrong);
	assert_true(send_broadcast());
	assert_int_equal(reply_type(), NAK);
	assert_true(ipaddr_eq(&got.dst, &everybody));
}

static void inform_gets_the_network_without_a_lease(void **state)
{
	const uint8_t *o;
	begin(INFORM, 0, &svc_guest4);
	assert_true(send_from(&svc_guest4, &everybody));
	assert_int_equal(reply_type(), ACK);
	assert_yiaddr(&any);
	assert_true(ipaddr_eq(&got.dst, &svc_guest4));
	assert_int_equal(reply_option(51, &o), -1);
	assert_u32(6, 0xac100001);
	/* With ciaddr left empty the source of the datagram is meant. */
	begin(INFORM, 0, &any);
	assert_true(send_from(&svc_guest4, &everybody));
	assert_true(ipaddr_eq(&got.dst, &svc_guest4));
}

static void release_and_decline_get_no_answer(void **state)
{
	begin(RELEASE, 0, &svc_guest4);
	option(54, svc_gw4.b, 4);
	assert_false(send_from(&svc_guest4, &svc_gw4));
	begin(DECLINE, 0, &any);
	option(50, svc_guest4.b, 4);
	option(54, svc_gw4.b, 4);
	assert_false(send_broadcast());
	/* And the address can be had again. */
	begin(DISCOVER, 0, &any);
	assert_true(send_broadcast());
	assert_yiaddr(&svc_guest4);
}

static void names_are_given_where_asked_for(void **state)
{
	const uint8_t *o;
	static const uint8_t few[] = {1, 3, 6}, names[] = {1, 3, 6, 12, 15, 119};
	strcpy(rig.svc.search, "corp.example, lab.example");
	strcpy(rig.svc.hostname, "box");
	begin(DISCOVER, 0, &any);
	option(55, names, sizeof(names));
	assert_true(send_broadcast());
	assert_int_equal(reply_option(12, &o), 3);
	assert_memory_equal(o, "box", 3);
	assert_int_equal(reply_option(15, &o), 12);
	assert_memory_equal(o, "corp.example", 12);
	static const char wire[] = "\4corp\7example\0\3lab\7example";
	assert_int_equal(reply_option(119, &o), sizeof(wire));
	assert_memory_equal(o, wire, sizeof(wire));
	assert_int_equal(reply_option(121, &o), -1);
	begin(DISCOVER, 0, &any);
	option(55, few, sizeof(few));
	assert_true(send_broadcast());
	assert_int_equal(reply_option(119, &o), -1);
	assert_int_equal(reply_option(12, &o), -1);
	assert_int_equal(reply_option(26, &o), 2);
}

static void fqdn_is_echoed_and_says_that_nothing_is_updated(void **state)
{
	const uint8_t *o;
	static const uint8_t fqdn[] = {1 | 4, 0, 0, 3, 'b', 'o', 'x', 0};
	begin(DISCOVER, 0, &any);
	option(81, fqdn, sizeof(fqdn));
	assert_true(send_broadcast());
	assert_int_equal(reply_option(81, &o), sizeof(fqdn));
	assert_int_equal(o[0], 2 | 4 | 8);
	assert_int_equal(o[1], 255);
	assert_memory_equal(o + 3, fqdn + 3, sizeof(fqdn) - 3);
}

static void route_to_the_gateway_comes_first_with_a_32(void **state)
{
	const uint8_t *o;
	static const uint8_t routes[] = {32, 172, 16, 0, 1, 0, 0, 0, 0, 0, 172, 16, 0, 1};
	rig.stack.cfg.prefix4 = 32;
	begin(DISCOVER, 0, &any);
	assert_true(send_broadcast());
	assert_u32(1, 0xffffffff);
	assert_int_equal(reply_option(121, &o), sizeof(routes));
	assert_memory_equal(o, routes, sizeof(routes));
}

static void options_in_file_and_sname_are_read(void **state)
{
	static const uint8_t both = 3;
	begin(0, 0, &any);
	w.len = 240;
	option(52, &both, 1);
	msg[108] = 53;
	msg[109] = 1;
	msg[110] = REQUEST;
	msg[111] = 255;
	msg[44] = 50;
	msg[45] = 4;
	memcpy(msg + 46, wrong.b, 4);
	msg[50] = 255;
	assert_true(send_broadcast());
	assert_int_equal(reply_type(), NAK);
}

static void what_is_no_request_is_dropped(void **state)
{
	begin(DISCOVER, 0, &any);
	msg[0] = 2; /* a reply */
	assert_false(send_broadcast());
	begin(DISCOVER, 0, &any);
	msg[1] = 6; /* another medium */
	assert_false(send_broadcast());
	begin(DISCOVER, 0, &any);
	msg[27] = 1; /* through a relay */
	assert_false(send_broadcast());
	begin(DISCOVER, 0, &any);
	msg[236]++;
	assert_false(send_broadcast());
	begin(DISCOVER, 0, &any);
	msg[28] |= 1; /* a multicast hardware address */
	assert_false(send_broadcast());
	begin(DISCOVER, 0, &any);
	wbuf_put_u8(&w, 61);
	wbuf_put_u8(&w, 200); /* runs past the end */
	assert_false(send_broadcast());
	begin(OFFER, 0, &any);
	assert_false(send_broadcast());
	begin(DISCOVER, 0, &any);
	assert_false(send_from(&any, &wrong)); /* another server's address */
	for (size_t len = 0; len < 240; len++) {
		begin(DISCOVER, 0, &any);
		svc_rig_udp(&rig, &any, 68, &everybody, 67, msg, len);
		assert_int_equal(rig.out_n, 0);
	}
}

static void answer_respects_the_size_that_the_client_takes(void **state)
{
	uint8_t id[255], size[2] = {2, 64}; /* 576 */
	const uint8_t *o;
	memset(id, 7, sizeof(id));
	memset(rig.svc.search, 'a', 200);
	for (int i = 9; i < 200; i += 10)
		rig.svc.search[i] = '.';
	rig.svc.search[199] = '\0';
	begin(DISCOVER, 0, &any);
	option(57, size, 2);
	option(61, id, 100);
	assert_true(send_broadcast());
	assert_true(got.payload.len + 28 <= 576);
	assert_u32(3, 0xac100001);
	assert_int_equal(reply_option(61, &o), 100);
	assert_int_equal(got.payload.p[got.payload.len - 1] == 255 ||
				 got.payload.p[got.payload.len - 1] == 0,
			 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(discover_is_offered_the_one_address),
		T(discover_with_the_broadcast_flag_is_answered_to_everybody),
		T(rapid_commit_is_acknowledged_at_once),
		T(request_for_the_offer_is_acknowledged),
		T(request_for_another_address_is_refused_to_everybody),
		T(request_of_another_server_is_ignored),
		T(renewal_is_acknowledged_by_unicast),
		T(inform_gets_the_network_without_a_lease),
		T(release_and_decline_get_no_answer),
		T(names_are_given_where_asked_for),
		T(fqdn_is_echoed_and_says_that_nothing_is_updated),
		T(route_to_the_gateway_comes_first_with_a_32),
		T(options_in_file_and_sname_are_read),
		T(what_is_no_request_is_dropped),
		T(answer_respects_the_size_that_the_client_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
