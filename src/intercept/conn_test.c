// SPDX-License-Identifier: Apache-2.0
/* Connections that are looked into: handshakes, what is left alone, and how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "intercept/conn_rig.h"

/* ---- handshakes ---- */

static void both_sides_speak_through_it(void **state)
{
	rig_open_raw();
	assert_int_equal(tls_end_alpn(r.guest).len, 3);
	assert_string_equal(r.seen.s, "api.test");
	rig_guest_says("\x01 question", 10);
	rig_assert_server_hears("\x01 question");
	rig_server_says("answer", 6);
	rig_assert_guest_hears("answer");
}

static void upstream_is_shaken_first(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_server_tls("api.test", "raw");
	r.server_stalls = true;
	rig_turns(20);
	/* The guest's hello was read, and nothing was said to it. */
	assert_int_equal(r.judged, 1);
	assert_int_equal(r.heard.len, 0);
	assert_int_equal(r.source.asked, 1); /* the server's own */
	r.server_stalls = false;
	assert_true(rig_shaken());
	assert_int_equal(r.source.asked, 2);
}

static void hello_may_come_in_pieces(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_server_tls("api.test", "raw");
	r.chunk = 1;
	tls_end_handshake(r.guest);
	struct buf hello = r.said;
	r.said = (struct buf){0};
	while (hello.len) {
		buf_append(&r.said, buf_view(&hello).p, 1);
		buf_take(&hello, 1);
		rig_turn();
	}
	buf_done(&hello);
	r.chunk = 0;
	assert_true(rig_shaken());
}

/* The guest learns of it in the clear, by the alert that stands for it. */
static void invalid_upstream_is_an_alert(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_server_tls("other.test", "raw");
	for (int i = 0; i < 200 && !r.eof; i++)
		rig_turn();
	assert_true(r.eof);
	assert_int_equal(r.refused, 1);
	assert_int_equal(r.reason, REASON_UPSTREAM_INVALID);
	assert_int_equal(tls_end_handshake(r.guest), -EPROTO);
	assert_in_range(tls_end_alert(r.guest), 42, 48);
	assert_int_equal(intercept_counters(r.sb.intercept)->upstream_invalid, 1);
	r.fin = true;
	rig_turns(5);
	assert_true(r.closed);
}

static void reset_of_the_upstream_while_shaking_is_a_reset(void **state)
{
	struct linger now = {.l_onoff = 1};

	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_turns(10);
	setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(r.fd);
	r.fd = -1;
	rig_turns(10);
	assert_true(r.reset);
}

static void slow_upstream_is_given_up(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_turns(10);
	assert_int_equal(r.heard.len, 0);
	rig_advance(INTERCEPT_HANDSHAKE_US + 1000000);
	rig_turns(5);
	assert_int_equal(tls_end_handshake(r.guest), -EPROTO);
	assert_int_equal(intercept_counters(r.sb.intercept)->upstream_failed, 1);
}

static void guest_that_gives_up_is_seen(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_turns(10);
	assert_false(r.reset);
	r.fin = true;
	rig_turns(10);
	assert_true(r.reset);
}

static void leaf_that_does_not_come_is_given_up(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_server_tls("api.test", "raw");
	rig_turns(1);
	rig_answer(&r.source);
	r.keep_leaves = true;
	rig_turns(30);
	assert_false(r.eof || r.reset);
	rig_advance(INTERCEPT_HANDSHAKE_US + 1000000);
	rig_turns(5);
	assert_true(r.eof || r.reset);
}

static void guest_that_distrusts_is_told_of(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_server_tls("api.test", "raw");
	r.source.fail = NULL;
	/* Cut off in the middle of the handshake. */
	for (int i = 0; i < 100 && !r.heard.len; i++)
		rig_turn();
	tls_end_free(r.guest);
	r.guest = NULL;
	rig_guest_says("\x15\x03\x03\x00\x02\x02\x30", 7); /* unknown_ca */
	rig_turns(20);
	assert_int_equal(intercept_counters(r.sb.intercept)->guest_failed, 1);
}

/* ---- what is not intercepted ---- */

static void bypassed_name_passes_untouched(void **state)
{
	struct error err;
	struct config c;
	char *list[] = {(char *)"*.test"};

	rig_config(&c);
	c.tls.bypass.v = list;
	c.tls.bypass.n = 1;
	struct intercept_settings *s = intercept_settings_new(r.sb.intercept, &c, &err);
	assert_non_null(s);
	intercept_use(r.sb.intercept, s);
	rig_open_raw();
	/* One handshake only: the guest's is the server's. */
	assert_int_equal(r.source.asked, 1);
	assert_int_equal(intercept_counters(r.sb.intercept)->taken, 0);
}

static void other_ports_pass_unless_concerned(void **state)
{
	rig_open(8443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_server_tls("api.test", "raw");
	assert_true(rig_shaken());
	assert_int_equal(r.source.asked, 1);
	rig_close();
	rig_stop();

	rig_start();
	r.secrets.count = 1;
	rig_open(8443);
	rig_guest_tls("secret.test", RIG_RAW);
	rig_server_tls("secret.test", "raw");
	assert_true(rig_shaken());
	assert_int_equal(intercept_counters(r.sb.intercept)->taken, 1);
}

static void other_protocols_pass_at_once(void **state)
{
	char buf[64];

	rig_open(443);
	rig_guest_says("SSH-2.0-x\r\n", 11);
	rig_turns(4);
	assert_int_equal(recv(r.fd, buf, sizeof(buf), MSG_DONTWAIT), 11);
	assert_int_equal(r.refused, 0);
}

static void other_protocols_are_refused_under_http_rules(void **state)
{
	char buf[64];

	r.http_rule = true;
	rig_open(22);
	rig_server_says("SSH-2.0-server\r\n", 16);
	rig_turns(3);
	rig_guest_says("SSH-2.0-x\r\n", 11);
	rig_turns(5);
	assert_true(r.reset);
	assert_int_equal(r.reason, REASON_HTTP_RULE);
	assert_true(recv(r.fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0);
}

/* Half a hello and a long pause do not get it past interception. */
static void unread_hello_is_refused(void **state)
{
	char buf[64];

	rig_open(443);
	rig_guest_says("\x16\x03\x01\x02\x00\x01\x00", 7);
	rig_turns(3);
	rig_advance(FIRST_FLIGHT_US + 100000);
	rig_turns(5);
	assert_true(r.reset);
	assert_true(recv(r.fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0);
}

static void denied_name_is_denied(void **state)
{
	r.deny = true;
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_turns(10);
	assert_int_equal(tls_end_handshake(r.guest), -EPROTO);
	assert_int_equal(tls_end_alert(r.guest), 49);
}

static void raw_bytes_are_refused_under_http_rules(void **state)
{
	char buf[64];

	r.http_rule = true;
	rig_open_raw();
	rig_guest_says("\x01\x02\x03", 3);
	rig_turns(10);
	assert_true(r.reset);
	assert_int_equal(r.reason, REASON_HTTP_RULE);
	assert_true(rig_server_hears(buf, sizeof(buf)) < 0);
}

/* ---- ends ---- */

static void half_close_of_the_guest(void **state)
{
	rig_open_raw();
	rig_guest_says("\x01last", 5);
	assert_int_equal(tls_end_shut(r.guest), 0);
	rig_assert_server_hears("\x01last");
	rig_assert_server_end(0);
	/* The other direction goes on. */
	assert_int_equal(rig_server_says("more", 4), 4);
	rig_assert_guest_hears("more");
	assert_int_equal(tls_end_shut(r.server), 0);
	shutdown(r.fd, SHUT_WR);
	rig_assert_guest_end(0);
	rig_turns(5);
	assert_true(r.eof);
	r.fin = true;
	rig_turns(5);
	assert_true(r.closed);
}

static void half_close_of_the_server(void **state)
{
	rig_open_raw();
	assert_int_equal(rig_server_says("last", 4), 4);
	assert_int_equal(tls_end_shut(r.server), 0);
	shutdown(r.fd, SHUT_WR);
	rig_assert_guest_hears("last");
	rig_assert_guest_end(0);
	rig_guest_says("\x01more", 5);
	rig_assert_server_hears("\x01more");
	tls_end_shut(r.guest);
	r.fin = true;
	rig_assert_server_end(0);
	rig_turns(5);
	assert_true(r.closed);
}

/* Cut off without close_notify stays cut off. */
static void truncation_is_kept(void **state)
{
	rig_open_raw();
	assert_int_equal(rig_server_says("half", 4), 4);
	rig_turns(3);
	shutdown(r.fd, SHUT_WR);
	rig_assert_guest_hears("half");
	rig_assert_guest_end(-ECONNRESET);
	assert_true(r.eof);
	assert_false(r.reset);
	rig_guest_says("\x01more", 5);
	rig_assert_server_hears("\x01more");
	r.fin = true;
	rig_assert_server_end(-ECONNRESET);
	assert_true(r.server_eof);
}

static void reset_of_the_server_is_passed_on(void **state)
{
	struct linger now = {.l_onoff = 1};

	rig_open_raw();
	assert_int_equal(rig_server_says("before", 6), 6);
	rig_turns(3);
	setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(r.fd);
	r.fd = -1;
	rig_assert_guest_hears("before");
	for (int i = 0; i < 100 && !r.reset; i++)
		rig_turn();
	assert_true(r.reset);
}

static void reset_of_the_guest_is_passed_on(void **state)
{
	char c;

	rig_open_raw();
	tcp_conn_abort(&r.sb.stack, NULL);
	rig_turns(3);
	assert_int_equal(recv(r.fd, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
}

/* What the guest knows to be delivered reaches a server that reads late. */
static void tail_outlives_the_guest(void **state)
{
	static uint8_t big[200000], got[sizeof(big)];
	size_t n = 0;

	rig_open_raw();
	big[0] = 1;
	assert_int_equal(rig_server_says("bye", 3), 3);
	tls_end_shut(r.server);
	rig_assert_guest_hears("bye");
	shutdown(r.fd, SHUT_WR);
	r.server_stalls = true;
	rig_guest_says(big, sizeof(big));
	tls_end_shut(r.guest);
	r.fin = true;
	for (int i = 0; i < 500 && !r.closed; i++)
		rig_turn();
	r.server_stalls = false;
	for (int i = 0; i < 3000 && n < sizeof(big); i++) {
		ssize_t k = rig_server_hears(got + n, sizeof(got) - n);
		if (k > 0)
			n += (size_t)k;
		rig_turn();
	}
	assert_int_equal(n, sizeof(big));
	assert_memory_equal(got, big, n);
	rig_assert_server_end(0);
	assert_true(r.closed);
	assert_int_equal(r.sb.intercept->conn_n, 0);
	assert_int_equal(r.sb.intercept->queued, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(both_sides_speak_through_it),
		T(upstream_is_shaken_first),
		T(hello_may_come_in_pieces),
		T(invalid_upstream_is_an_alert),
		T(reset_of_the_upstream_while_shaking_is_a_reset),
		T(slow_upstream_is_given_up),
		T(guest_that_gives_up_is_seen),
		T(leaf_that_does_not_come_is_given_up),
		T(guest_that_distrusts_is_told_of),
		T(bypassed_name_passes_untouched),
		T(other_ports_pass_unless_concerned),
		T(other_protocols_pass_at_once),
		T(other_protocols_are_refused_under_http_rules),
		T(unread_hello_is_refused),
		T(denied_name_is_denied),
		T(raw_bytes_are_refused_under_http_rules),
		T(half_close_of_the_guest),
		T(half_close_of_the_server),
		T(truncation_is_kept),
		T(reset_of_the_server_is_passed_on),
		T(reset_of_the_guest_is_passed_on),
		T(tail_outlives_the_guest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
