// SPDX-License-Identifier: Apache-2.0
/*
 * The DHCPv6 server, message by message, as a client sees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guestsvc/svc_rig.h"

enum {
	SOLICIT = 1,
	ADVERTISE,
	REQUEST,
	CONFIRM,
	RENEW,
	REBIND,
	REPLY,
	RELEASE,
	DECLINE,
	RECONFIGURE,
	INFORMATION_REQUEST,
};

enum {
	IA_NA = 3,
	IA_TA = 4,
	IA_PD = 25,
};

static struct svc_rig rig;
static const struct ipaddr all_servers = {6, {0xff, 2, [13] = 1, [15] = 2}};
static const struct ipaddr foreign = {6, {0x20, 1, 0xd, 0xb8, [15] = 9}};
static const uint8_t client_duid[] = {0, 3, 0, 1, 2, 0x77, 0x72, 0, 7, 2};
static const uint8_t server_duid[] = {0, 3, 0, 1, 2, 0x77, 0x72, 0, 7, 1};

static uint8_t msg[1000];
static struct wbuf w;
static struct svc_packet got;

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

static void option(uint16_t code, const void *data, size_t len)
{
	wbuf_put_be16(&w, code);
	wbuf_put_be16(&w, (uint16_t)len);
	wbuf_put_bytes(&w, data, len);
}

static void begin_bare(uint8_t type)
{
	w = wbuf_make(msg, sizeof(msg));
	wbuf_put_u8(&w, type);
	wbuf_put_u8(&w, 0xab);
	wbuf_put_be16(&w, 0xcdef);
}

static void begin(uint8_t type, bool server)
{
	begin_bare(type);
	option(1, client_duid, sizeof(client_duid));
	if (server)
		option(2, server_duid, sizeof(server_duid));
}

/* An IA, with an address in it where `addr` is given. */
static void ia(uint16_t type, uint32_t iaid, const struct ipaddr *addr)
{
	size_t head = type == IA_TA ? 4 : 12;
	wbuf_put_be16(&w, type);
	wbuf_put_be16(&w, (uint16_t)(head + (addr ? 28 : 0)));
	wbuf_put_be32(&w, iaid);
	wbuf_put_zero(&w, head - 4);
	if (addr) {
		uint8_t b[24] = {0};
		memcpy(b, addr->b, 16);
		option(5, b, sizeof(b));
	}
}

static bool send_to(const struct ipaddr *dst)
{
	svc_rig_udp(&rig, &svc_guest_ll, 546, dst, 547, msg, w.len);
	if (rig.out_n == 0)
		return false;
	assert_int_equal(rig.out_n, 1);
	assert_true(svc_rig_out(&rig, 0, &got));
	assert_memory_equal(got.dst_mac, svc_guest_mac, 6);
	assert_true(ipaddr_eq(&got.src, &svc_gw_ll));
	assert_true(ipaddr_eq(&got.dst, &svc_guest_ll));
	assert_int_equal(got.sport, 547);
	assert_int_equal(got.dport, 546);
	assert_int_equal(get_be32(got.payload.p) & 0xffffff, 0xabcdef);
	return true;
}

static bool send_all(void)
{
	return send_to(&all_servers);
}

/* The nth option of a code in `v`. */
static bool find(struct view v, uint16_t code, int nth, struct view *ret)
{
	uint16_t c, len = 0;
	while (view_get_be16(&v, &c)) {
		assert_true(view_get_be16(&v, &len));
		assert_true(view_take(&v, len, ret));
		if (c == code && nth-- == 0)
			return true;
	}
	return false;
}

static struct view reply_options(void)
{
	struct view v = got.payload;
	view_skip(&v, 4);
	return v;
}

static void assert_reply(uint8_t type)
{
	struct view o;
	assert_int_equal(got.payload.p[0], type);
	assert_true(find(reply_options(), 2, 0, &o));
	assert_int_equal(o.len, sizeof(server_duid));
	assert_memory_equal(o.p, server_duid, sizeof(server_duid));
	assert_true(find(reply_options(), 1, 0, &o));
	assert_int_equal(o.len, sizeof(client_duid));
	assert_memory_equal(o.p, client_duid, sizeof(client_duid));
}

/* The status code in a list of options; -1 where there is none. */
static int status_in(struct view v)
{
	struct view o;
	return find(v, 13, 0, &o) ? get_be16(o.p) : -1;
}

/* The options in the nth IA of a type. */
static struct view ia_options(uint16_t type, int nth, uint32_t iaid)
{
	struct view o;
	assert_true(find(reply_options(), type, nth, &o));
	assert_int_equal(get_be32(o.p), iaid);
	assert_true(view_skip(&o, type == IA_TA ? 4 : 12));
	return o;
}

static void assert_has_address(uint32_t iaid)
{
	struct view o;
	assert_true(find(reply_options(), IA_NA, 0, &o));
	assert_int_equal(get_be32(o.p), iaid);
	assert_true(get_be32(o.p + 4) > 0);
	assert_true(get_be32(o.p + 4) <= get_be32(o.p + 8));
	assert_true(find(ia_options(IA_NA, 0, iaid), 5, 0, &o));
	assert_memory_equal(o.p, svc_guest6.b, 16);
	assert_int_equal(get_be32(o.p + 16), 86400);
	assert_int_equal(get_be32(o.p + 20), 86400);
}

static void assert_has_dns(void)
{
	struct view o;
	assert_true(find(reply_options(), 23, 0, &o));
	assert_int_equal(o.len, 16);
	assert_memory_equal(o.p, svc_gw6.b, 16);
}

static void solicit_is_advertised_the_one_address(void **state)
{
	struct view o;
	strcpy(rig.svc.search, "corp.example");
	begin(SOLICIT, false);
	ia(IA_NA, 7, NULL);
	assert_true(send_all());
	assert_reply(ADVERTISE);
	assert_has_address(7);
	assert_has_dns();
	assert_true(find(reply_options(), 24, 0, &o));
	static const char name[] = "\4corp\7example";
	assert_int_equal(o.len, sizeof(name));
	assert_memory_equal(o.p, name, sizeof(name));
	assert_true(find(reply_options(), 7, 0, &o));
	assert_int_equal(o.p[0], 255);
	assert_false(find(reply_options(), 14, 0, &o));
}

static void solicit_with_rapid_commit_gets_a_reply(void **state)
{
	struct view o;
	begin(SOLICIT, false);
	ia(IA_NA, 7, NULL);
	option(14, NULL, 0);
	assert_true(send_all());
	assert_reply(REPLY);
	assert_has_address(7);
	assert_true(find(reply_options(), 14, 0, &o));
	assert_int_equal(o.len, 0);
}

static void request_renew_and_rebind_get_the_address(void **state)
{
	static const struct {
		uint8_t type;
		bool server;
	} kinds[] = {{REQUEST, true}, {RENEW, true}, {REBIND, false}};
	for (size_t i = 0; i < 3; i++) {
		begin(kinds[i].type, kinds[i].server);
		ia(IA_NA, 9, &svc_guest6);
		assert_true(send_all());
		assert_reply(REPLY);
		assert_has_address(9);
		assert_has_dns();
	}
}

static void renewed_address_that_is_not_ours_gets_no_lifetime(void **state)
{
	struct view o;
	begin(RENEW, true);
	ia(IA_NA, 9, &foreign);
	assert_true(send_all());
	assert_has_address(9);
	assert_true(find(ia_options(IA_NA, 0, 9), 5, 1, &o));
	assert_memory_equal(o.p, foreign.b, 16);
	assert_int_equal(get_be32(o.p + 16), 0);
	assert_int_equal(get_be32(o.p + 20), 0);
}

static void requested_address_of_another_link_is_refused(void **state)
{
	begin(REQUEST, true);
	ia(IA_NA, 9, &foreign);
	assert_true(send_all());
	assert_reply(REPLY);
	assert_int_equal(status_in(ia_options(IA_NA, 0, 9)), 4);
}

static void other_ias_are_refused_with_a_status(void **state)
{
	begin(SOLICIT, false);
	ia(IA_PD, 1, NULL);
	ia(IA_TA, 2, NULL);
	ia(IA_NA, 3, NULL);
	ia(IA_NA, 4, NULL);
	assert_true(send_all());
	assert_reply(ADVERTISE);
	assert_has_address(3);
	assert_int_equal(status_in(ia_options(IA_PD, 0, 1)), 6);
	assert_int_equal(status_in(ia_options(IA_TA, 0, 2)), 2);
	assert_int_equal(status_in(ia_options(IA_NA, 0, 3)), -1);
	assert_int_equal(status_in(ia_options(IA_NA, 1, 4)), 2);
	begin(RENEW, true);
	ia(IA_PD, 1, NULL);
	assert_true(send_all());
	assert_int_equal(status_in(ia_options(IA_PD, 0, 1)), 3);
}

static void confirm_says_whether_addresses_are_on_link(void **state)
{
	begin(CONFIRM, false);
	ia(IA_NA, 1, &svc_guest6);
	assert_true(send_all());
	assert_reply(REPLY);
	assert_int_equal(status_in(reply_options()), 0);
	begin(CONFIRM, false);
	ia(IA_NA, 1, &foreign);
	assert_true(send_all());
	assert_int_equal(status_in(reply_options()), 4);
	begin(CONFIRM, false);
	ia(IA_NA, 1, NULL);
	assert_false(send_all());
}

static void release_and_decline_are_acknowledged(void **state)
{
	static const uint8_t kinds[] = {RELEASE, DECLINE};
	struct view o;
	for (size_t i = 0; i < 2; i++) {
		begin(kinds[i], true);
		ia(IA_NA, 1, &svc_guest6);
		ia(IA_NA, 2, &foreign);
		assert_true(send_all());
		assert_reply(REPLY);
		assert_int_equal(status_in(reply_options()), 0);
		assert_int_equal(status_in(ia_options(IA_NA, 0, 2)), 3);
		assert_false(find(reply_options(), IA_NA, 1, &o));
	}
}

static void information_request_gets_dns(void **state)
{
	struct view o;
	begin_bare(INFORMATION_REQUEST);
	assert_true(send_all());
	assert_int_equal(got.payload.p[0], REPLY);
	assert_true(find(reply_options(), 2, 0, &o));
	assert_false(find(reply_options(), 1, 0, &o));
	assert_has_dns();
	begin(INFORMATION_REQUEST, true);
	assert_true(send_all());
	assert_reply(REPLY);
	begin(INFORMATION_REQUEST, false);
	ia(IA_NA, 1, NULL);
	assert_false(send_all());
}

static void unicast_is_told_to_use_multicast(void **state)
{
	begin(RENEW, true);
	ia(IA_NA, 1, &svc_guest6);
	assert_true(send_to(&svc_gw_ll));
	assert_reply(REPLY);
	assert_int_equal(status_in(reply_options()), 5);
	begin(SOLICIT, false);
	ia(IA_NA, 1, NULL);
	assert_false(send_to(&svc_gw_ll));
}

static void messages_that_section_16_discards_get_no_answer(void **state)
{
	static const uint8_t other[] = {0, 3, 0, 1, 9, 9, 9, 9, 9, 9};
	begin_bare(SOLICIT); /* no client */
	ia(IA_NA, 1, NULL);
	assert_false(send_all());
	begin(SOLICIT, true); /* a server where none may be */
	ia(IA_NA, 1, NULL);
	assert_false(send_all());
	begin(REBIND, true);
	assert_false(send_all());
	begin(REQUEST, false); /* none where one must be */
	ia(IA_NA, 1, NULL);
	assert_false(send_all());
	begin(REQUEST, false);
	option(2, other, sizeof(other));
	ia(IA_NA, 1, NULL);
	assert_false(send_all());
	begin(REPLY, true);
	assert_false(send_all());
	begin(RECONFIGURE, true);
	assert_false(send_all());
	begin(200, false);
	assert_false(send_all());
}

static void malformed_messages_are_dropped(void **state)
{
	begin(SOLICIT, false);
	ia(IA_NA, 1, &svc_guest6);
	size_t whole = w.len;
	uint8_t good[sizeof(msg)];
	memcpy(good, msg, whole);
	for (size_t len = 0; len < whole; len++) {
		/* A cut between two options leaves a shorter message that is well-formed. */
		if (len == whole - 44)
			continue;
		memcpy(msg, good, whole);
		w.len = len;
		assert_false(send_all());
	}
	begin(SOLICIT, false); /* an address that is too short */
	wbuf_put_be16(&w, IA_NA);
	wbuf_put_be16(&w, 12 + 4 + 8);
	wbuf_put_zero(&w, 12);
	option(5, server_duid, 8);
	assert_false(send_all());
	begin(SOLICIT, false);
	option(1, client_duid, sizeof(client_duid)); /* twice */
	assert_false(send_all());
	uint8_t long_duid[131] = {0};
	begin_bare(SOLICIT);
	option(1, long_duid, sizeof(long_duid));
	assert_false(send_all());
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(solicit_is_advertised_the_one_address),
		T(solicit_with_rapid_commit_gets_a_reply),
		T(request_renew_and_rebind_get_the_address),
		T(renewed_address_that_is_not_ours_gets_no_lifetime),
		T(requested_address_of_another_link_is_refused),
		T(other_ias_are_refused_with_a_status),
		T(confirm_says_whether_addresses_are_on_link),
		T(release_and_decline_are_acknowledged),
		T(information_request_gets_dns),
		T(unicast_is_told_to_use_multicast),
		T(messages_that_section_16_discards_get_no_answer),
		T(malformed_messages_are_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
