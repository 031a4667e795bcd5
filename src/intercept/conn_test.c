// SPDX-License-Identifier: Apache-2.0
/* Connections that are looked into, between a played stack and an upstream on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow/budget.h"
#include "intercept/rig.h"

#define RAW "\x03raw" /* a protocol that is none of HTTP's */

static int setup(void **state)
{
	rig_start();
	return 0;
}

static int teardown(void **state)
{
	rig_stop();
	return 0;
}

static void open_raw(void)
{
	rig_open(443);
	rig_guest_tls("api.test", RAW);
	rig_server_tls("api.test", "raw");
	assert_true(rig_shaken());
}

static void assert_server_hears(const char *text)
{
	char buf[256];
	ssize_t n = -EAGAIN;

	for (int i = 0; i < 200 && n == -EAGAIN; i++) {
		rig_turn();
		n = rig_server_hears(buf, sizeof(buf));
	}
	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void assert_guest_hears(const char *text)
{
	char buf[256];
	ssize_t n = -EAGAIN;

	for (int i = 0; i < 200 && n == -EAGAIN; i++) {
		rig_turn();
		n = rig_guest_hears(buf, sizeof(buf));
	}
	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void assert_guest_end(ssize_t how)
{
	char c;
	ssize_t n = -EAGAIN;

	for (int i = 0; i < 200 && n == -EAGAIN; i++) {
		rig_turn();
		n = rig_guest_hears(&c, 1);
	}
	assert_int_equal(n, how);
}

static void assert_server_end(ssize_t how)
{
	char c;
	ssize_t n = -EAGAIN;

	for (int i = 0; i < 200 && n == -EAGAIN; i++) {
		rig_turn();
		n = rig_server_hears(&c, 1);
	}
	assert_int_equal(n, how);
}

/* ---- handshakes ---- */

static void both_sides_speak_through_it(void **state)
{
	open_raw();
	assert_int_equal(tls_end_alpn(r.guest).len, 3);
	assert_string_equal(r.seen.s, "api.test");
	rig_guest_says("\x01 question", 10);
	assert_server_hears("\x01 question");
	rig_server_says("answer", 6);
	assert_guest_hears("answer");
}

static void upstream_is_shaken_first(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RAW);
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
	rig_guest_tls("api.test", RAW);
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
	rig_guest_tls("api.test", RAW);
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
	rig_guest_tls("api.test", RAW);
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
	rig_guest_tls("api.test", RAW);
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
	rig_guest_tls("api.test", RAW);
	rig_turns(10);
	assert_false(r.reset);
	r.fin = true;
	rig_turns(10);
	assert_true(r.reset);
}

static void leaf_that_does_not_come_is_given_up(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", RAW);
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
	rig_guest_tls("api.test", RAW);
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
	open_raw();
	/* One handshake only: the guest's is the server's. */
	assert_int_equal(r.source.asked, 1);
	assert_int_equal(intercept_counters(r.sb.intercept)->taken, 0);
}

static void other_ports_pass_unless_concerned(void **state)
{
	rig_open(8443);
	rig_guest_tls("api.test", RAW);
	rig_server_tls("api.test", "raw");
	assert_true(rig_shaken());
	assert_int_equal(r.source.asked, 1);
	rig_close();
	rig_stop();

	rig_start();
	r.secrets.count = 1;
	rig_open(8443);
	rig_guest_tls("secret.test", RAW);
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
	rig_guest_tls("api.test", RAW);
	rig_turns(10);
	assert_int_equal(tls_end_handshake(r.guest), -EPROTO);
	assert_int_equal(tls_end_alert(r.guest), 49);
}

static void raw_bytes_are_refused_under_http_rules(void **state)
{
	char buf[64];

	r.http_rule = true;
	open_raw();
	rig_guest_says("\x01\x02\x03", 3);
	rig_turns(10);
	assert_true(r.reset);
	assert_int_equal(r.reason, REASON_HTTP_RULE);
	assert_true(rig_server_hears(buf, sizeof(buf)) < 0);
}

/* ---- ends ---- */

static void half_close_of_the_guest(void **state)
{
	open_raw();
	rig_guest_says("\x01last", 5);
	assert_int_equal(tls_end_shut(r.guest), 0);
	assert_server_hears("\x01last");
	assert_server_end(0);
	/* The other direction goes on. */
	assert_int_equal(rig_server_says("more", 4), 4);
	assert_guest_hears("more");
	assert_int_equal(tls_end_shut(r.server), 0);
	shutdown(r.fd, SHUT_WR);
	assert_guest_end(0);
	rig_turns(5);
	assert_true(r.eof);
	r.fin = true;
	rig_turns(5);
	assert_true(r.closed);
}

static void half_close_of_the_server(void **state)
{
	open_raw();
	assert_int_equal(rig_server_says("last", 4), 4);
	assert_int_equal(tls_end_shut(r.server), 0);
	shutdown(r.fd, SHUT_WR);
	assert_guest_hears("last");
	assert_guest_end(0);
	rig_guest_says("\x01more", 5);
	assert_server_hears("\x01more");
	tls_end_shut(r.guest);
	r.fin = true;
	assert_server_end(0);
	rig_turns(5);
	assert_true(r.closed);
}

/* Cut off without close_notify stays cut off. */
static void truncation_is_kept(void **state)
{
	open_raw();
	assert_int_equal(rig_server_says("half", 4), 4);
	rig_turns(3);
	shutdown(r.fd, SHUT_WR);
	assert_guest_hears("half");
	assert_guest_end(-ECONNRESET);
	assert_true(r.eof);
	assert_false(r.reset);
	rig_guest_says("\x01more", 5);
	assert_server_hears("\x01more");
	r.fin = true;
	assert_server_end(-ECONNRESET);
	assert_true(r.server_eof);
}

static void reset_of_the_server_is_passed_on(void **state)
{
	struct linger now = {.l_onoff = 1};

	open_raw();
	assert_int_equal(rig_server_says("before", 6), 6);
	rig_turns(3);
	setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(r.fd);
	r.fd = -1;
	assert_guest_hears("before");
	for (int i = 0; i < 100 && !r.reset; i++)
		rig_turn();
	assert_true(r.reset);
}

static void reset_of_the_guest_is_passed_on(void **state)
{
	char c;

	open_raw();
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

	open_raw();
	big[0] = 1;
	assert_int_equal(rig_server_says("bye", 3), 3);
	tls_end_shut(r.server);
	assert_guest_hears("bye");
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
	assert_server_end(0);
	assert_true(r.closed);
	assert_int_equal(r.sb.intercept->conn_n, 0);
	assert_int_equal(r.sb.intercept->queued, 0);
}

/* ---- HTTP ---- */

#define REQUEST "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"
#define ANSWER  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void requests_go_through_the_filter(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", "\x08http/1.1");
	rig_server_tls("api.test", "http/1.1");
	assert_true(rig_shaken());
	for (unsigned i = 1; i < 4; i++) {
		rig_guest_says(REQUEST, strlen(REQUEST));
		assert_server_hears(REQUEST);
		assert_int_equal(r.requests, i);
		rig_server_says(ANSWER, strlen(ANSWER));
		assert_guest_hears(ANSWER);
	}
	/* The guest is done; what it hears of that is the server's word. */
	tls_end_shut(r.guest);
	r.fin = true;
	assert_server_end(0);
	rig_turns(5);
	assert_false(r.eof);
	tls_end_shut(r.server);
	shutdown(r.fd, SHUT_WR);
	assert_guest_end(0);
	rig_turns(5);
	assert_true(r.closed);
}

static void requests_without_alpn_are_guessed(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", "");
	rig_server_tls("api.test", "");
	assert_true(rig_shaken());
	rig_guest_says("GE", 2);
	rig_turns(3);
	rig_guest_says("T / HTTP/1.1\r\nHost: api.test\r\n\r\n", strlen(REQUEST) - 2);
	assert_server_hears(REQUEST);
	assert_int_equal(r.requests, 1);
}

static void word_alone_goes_after_a_moment(void **state)
{
	rig_open(443);
	rig_guest_tls("api.test", "");
	rig_server_tls("api.test", "");
	assert_true(rig_shaken());
	rig_guest_says("hello", 5);
	rig_turns(3);
	rig_advance(FIRST_FLIGHT_QUIET_US + 2000);
	assert_server_hears("hello");
	rig_guest_says(" there\n", 7);
	assert_server_hears(" there\n");
	assert_int_equal(r.requests, 0);
}

/* What follows the word is looked at as if it had not gone. */
static void no_request_hides_behind_a_word(void **state)
{
	char buf[64];

	rig_open(443);
	rig_guest_tls("api.test", "");
	rig_server_tls("api.test", "");
	assert_true(rig_shaken());
	rig_guest_says("CONN", 4);
	rig_turns(3);
	rig_advance(FIRST_FLIGHT_QUIET_US + 2000);
	assert_server_hears("CONN");
	rig_guest_says("ECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n", 51);
	rig_turns(5);
	assert_true(r.reset);
	assert_int_equal(r.reason, REASON_HTTP_RULE);
	assert_true(rig_server_hears(buf, sizeof(buf)) < 0);
}

static void word_alone_is_refused_under_http_rules(void **state)
{
	char buf[64];

	r.http_rule = true;
	rig_open(443);
	rig_guest_tls("api.test", "");
	rig_server_tls("api.test", "");
	assert_true(rig_shaken());
	rig_guest_says("GET", 3);
	rig_turns(3);
	rig_advance(FIRST_FLIGHT_QUIET_US + 2000);
	rig_advance(FIRST_FLIGHT_US);
	rig_turns(5);
	assert_true(r.reset);
	assert_int_equal(r.reason, REASON_HTTP_RULE);
	assert_true(rig_server_hears(buf, sizeof(buf)) < 0);
}

static void requests_in_the_clear_where_secrets_are(void **state)
{
	r.secrets.count = 1;
	rig_open(80);
	rig_guest_says(REQUEST, strlen(REQUEST));
	assert_server_hears(REQUEST);
	assert_int_equal(r.requests, 1);
	rig_server_says(ANSWER, strlen(ANSWER));
	assert_guest_hears(ANSWER);
}

static void requests_in_the_clear_pass_elsewhere(void **state)
{
	rig_open(80);
	rig_guest_says(REQUEST, strlen(REQUEST));
	assert_server_hears(REQUEST);
	assert_int_equal(r.requests, 0);
}

/* An answer that is cut off by a reset never looks whole. */
static void reset_in_an_answer_is_a_reset(void **state)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf";
	struct linger now = {.l_onoff = 1};

	r.secrets.count = 1;
	rig_open(80);
	rig_guest_says(REQUEST, strlen(REQUEST));
	assert_server_hears(REQUEST);
	rig_server_says(half, strlen(half));
	rig_turns(10);
	setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(r.fd);
	r.fd = -1;
	for (int i = 0; i < 100 && !r.reset; i++)
		rig_turn();
	assert_true(r.reset);
	assert_false(r.eof);
}

/* ---- tunnels ---- */

#define CONNECT "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"
#define AGREED  "HTTP/1.1 200 OK\r\n\r\n"

static void open_tunnel(void)
{
	rig_open(3128);
	rig_guest_says(CONNECT, strlen(CONNECT));
	assert_server_hears(CONNECT);
	rig_server_says(AGREED, strlen(AGREED));
	assert_guest_hears(AGREED);
}

static void tunnels_are_looked_into(void **state)
{
	open_tunnel();
	rig_guest_tls("api.test", "\x08http/1.1");
	rig_server_tls("api.test", "http/1.1");
	assert_true(rig_shaken());
	assert_int_equal(r.source.asked, 2);
	rig_guest_says(REQUEST, strlen(REQUEST));
	assert_server_hears(REQUEST);
	assert_int_equal(r.requests, 2);
	rig_server_says(ANSWER, strlen(ANSWER));
	assert_guest_hears(ANSWER);
}

static void hello_right_behind_connect(void **state)
{
	static uint8_t hello[20000];
	size_t n;

	rig_open(3128);
	rig_guest_tls("api.test", RAW);
	tls_end_handshake(r.guest);
	n = r.said.len;
	memcpy(hello, buf_view(&r.said).p, n);
	buf_take(&r.said, n);
	buf_append(&r.said, CONNECT, strlen(CONNECT));
	buf_append(&r.said, hello, n);
	struct tls_end *guest = r.guest;
	r.guest = NULL;
	assert_server_hears(CONNECT);
	rig_server_says(AGREED, strlen(AGREED));
	assert_guest_hears(AGREED);
	r.guest = guest;
	rig_server_tls("api.test", "raw");
	assert_true(rig_shaken());
	rig_guest_says("\x01 question", 10);
	assert_server_hears("\x01 question");
	rig_server_says("answer", 6);
	assert_guest_hears("answer");
	tls_end_shut(r.guest);
	assert_server_end(0);
}

static void tunnel_to_what_is_denied(void **state)
{
	char buf[1024];
	ssize_t n;

	r.deny_target = true;
	rig_open(3128);
	rig_guest_says(CONNECT, strlen(CONNECT));
	rig_turns(10);
	n = rig_guest_hears(buf, sizeof(buf));
	assert_true(n > 12);
	assert_memory_equal(buf, "HTTP/1.1 403", 12);
	assert_true(rig_server_hears(buf, sizeof(buf)) <= 0);
}

static void tunnel_in_a_tunnel_is_refused(void **state)
{
	char buf[1024];
	ssize_t n;

	open_tunnel();
	rig_guest_says(CONNECT, strlen(CONNECT));
	rig_turns(10);
	n = rig_guest_hears(buf, sizeof(buf));
	assert_true(n > 12);
	assert_memory_equal(buf, "HTTP/1.1 403", 12);
	assert_true(rig_server_hears(buf, sizeof(buf)) <= 0);
}

static void tunnel_without_tls(void **state)
{
	open_tunnel();
	rig_guest_says("\x01 question", 10);
	assert_server_hears("\x01 question");
	rig_server_says("answer", 6);
	assert_guest_hears("answer");
}

/* ---- DNS over TLS ---- */

static void open_dot(const char *name)
{
	rig_open_dot();
	rig_guest_tls(name, "\x03"
			    "dot");
	for (int i = 0; i < 100 && tls_end_handshake(r.guest) == -EAGAIN; i++)
		rig_turn();
	assert_int_equal(tls_end_handshake(r.guest), 0);
	assert_int_equal(tls_end_alpn(r.guest).len, 3);
}

static void questions_over_tls_are_answered(void **state)
{
	static uint8_t much[20000], got[sizeof(much)];
	size_t n = 0;

	open_dot("dns.test");
	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = (uint8_t)rand();
	rig_guest_says(much, sizeof(much));
	for (int i = 0; i < 1000 && n < sizeof(much); i++) {
		rig_turn();
		ssize_t k = rig_guest_hears(got + n, sizeof(got) - n);
		n += k > 0 ? (size_t)k : 0;
	}
	assert_int_equal(n, sizeof(much));
	assert_memory_equal(got, much, n);
	tls_end_shut(r.guest);
	assert_guest_end(0);
	r.fin = true;
	rig_turns(5);
	assert_true(r.closed && r.dns_closed);
}

static void resolver_without_a_name_has_its_address(void **state)
{
	open_dot("192.0.2.53");
}

static void dot_that_is_no_tls_is_reset(void **state)
{
	rig_open_dot();
	rig_guest_says("\x00\x1dquestion", 10);
	rig_turns(5);
	assert_true(r.reset && r.dns_closed);
}

/* ---- bounds ---- */

/* The upload budget is of what goes over the wire: no byte more, whatever record it cuts. */
static void no_byte_goes_behind_the_budget(void **state)
{
	static uint8_t much[50000];
	struct budgets *b = r.sb.budgets = budgets_new();
	size_t got = 0;
	ssize_t n;

	assert_non_null(b);
	budgets_limit(b, 1 << 20, 0);
	open_raw();
	size_t shaking = (1 << 20) - (size_t)budget_left(b, NULL, NULL);
	assert_true(shaking > 200 && shaking < 4096);
	rig_guest_says("\x01 question", 10);
	assert_server_hears("\x01 question");
	size_t spent = (1 << 20) - (size_t)budget_left(b, NULL, NULL);
	assert_true(spent > shaking + 10);
	budgets_limit(b, spent + 20000, 0);
	r.server_stalls = true;
	rig_guest_says(much, sizeof(much));
	rig_turns(20);
	while ((n = recv(r.fd, much, sizeof(much), MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	assert_int_equal(got, 20000);
	assert_true(r.reset);
	assert_int_equal(r.refused, 1);
	assert_int_equal(r.reason, REASON_BUDGET);
	assert_int_equal(budget_left(b, NULL, NULL), 0);
	rig_close();
	r.sb.budgets = NULL;
	budgets_free(b);
}

#define MUCH     (4u << 20)
#define TOO_MUCH (64u << 20) /* for all buffers on the way */

static void slow_guest_holds_the_server_back(void **state)
{
	static uint8_t block[65536];
	size_t sent = 0;

	open_raw();
	rig_guest_says("\x01", 1);
	r.window = 0;
	for (int i = 0; i < 1200 && sent < TOO_MUCH; i++) {
		ssize_t n = rig_server_says(block, sizeof(block));
		if (n > 0)
			sent += (size_t)n;
		rig_turn();
	}
	assert_true(sent < TOO_MUCH);
	assert_true(r.queued_max >= INTERCEPT_OUT_MAX / 2);
	assert_true(r.queued_max <= INTERCEPT_OUT_MAX + 2 * 65536);
	/* And it goes on where the guest does. */
	r.window = SIZE_MAX;
	size_t got = 0;
	for (int i = 0; i < 40000 && got < sent; i++) {
		ssize_t n = rig_guest_hears(block, sizeof(block));
		if (n > 0)
			got += (size_t)n;
		rig_turn();
	}
	assert_int_equal(got, sent);
}

static void slow_server_holds_the_guest_back(void **state)
{
	static uint8_t block[MUCH];
	size_t got = 0;

	open_raw();
	block[0] = 1;
	r.server_stalls = true;
	rig_guest_says(block, sizeof(block));
	rig_turns(300);
	assert_true(r.said.len > MUCH / 2);
	assert_true(r.sb.intercept->queued <= INTERCEPT_OUT_MAX + 2 * 65536);
	r.server_stalls = false;
	for (int i = 0; i < 20000 && got < MUCH; i++) {
		ssize_t n = rig_server_hears(block, sizeof(block));
		if (n > 0)
			got += (size_t)n;
		rig_turn();
	}
	assert_int_equal(got, MUCH);
}

static void any_chunks_give_the_same_bytes(void **state)
{
	enum {
		N = 300000
	};
	static uint8_t up[N], down[N], got_up[N], got_down[N];

	for (size_t i = 0; i < N; i++) {
		up[i] = i ? (uint8_t)rand() : 1;
		down[i] = (uint8_t)rand();
	}
	for (int round = 0; round < 8; round++) {
		size_t su = 0, sd = 0, gu = 0, gd = 0;

		open_raw();
		srand(1234 + (unsigned)round);
		r.window = 1 + (size_t)rand() % 100000;
		for (int i = 0; i < 100000 && (gu < N || gd < N); i++) {
			size_t k = 1 + (size_t)rand() % 20000;
			r.chunk = 1 + (size_t)rand() % 40000;
			if (su < N && r.said.len < 100000) {
				k = k < N - su ? k : N - su;
				rig_guest_says(up + su, k);
				su += k;
			}
			if (sd < N) {
				ssize_t n = rig_server_says(down + sd, N - sd);
				sd += n > 0 ? (size_t)n : 0;
			}
			rig_turn();
			ssize_t n =
				rig_server_hears(got_up + gu, (size_t)rand() % 30000 + 1 < N - gu
								      ? (size_t)rand() % 1000 + 1
								      : N - gu);
			gu += n > 0 ? (size_t)n : 0;
			n = rig_guest_hears(got_down + gd, N - gd);
			gd += n > 0 ? (size_t)n : 0;
		}
		assert_int_equal(gu, N);
		assert_int_equal(gd, N);
		assert_memory_equal(got_up, up, N);
		assert_memory_equal(got_down, down, N);
		rig_stop();
		rig_start();
	}
}

static void idle_connection_holds_nothing(void **state)
{
	struct conn *x;

	both_sides_speak_through_it(state);
	rig_turns(10);
	x = container_of(r.sb.intercept->conns.next, struct conn, wire.node);
	assert_null(x->wire.out.mem);
	assert_null(x->sock.out.mem);
	assert_false(timer_armed(&x->patience));
	assert_false(timer_armed(&r.sb.intercept->turn));
}

static void full_house_is_a_reset(void **state)
{
	r.sb.intercept->conn_n = INTERCEPT_CONNS_MAX;
	rig_open(443);
	rig_guest_tls("api.test", RAW);
	rig_turns(10);
	assert_true(r.reset);
	assert_int_equal(r.limits, 1);
	assert_int_equal(r.reason, REASON_LIMIT_CONNECTIONS);
	r.sb.intercept->conn_n = 0;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
		T(requests_go_through_the_filter),
		T(requests_without_alpn_are_guessed),
		T(word_alone_goes_after_a_moment),
		T(no_request_hides_behind_a_word),
		T(word_alone_is_refused_under_http_rules),
		T(requests_in_the_clear_where_secrets_are),
		T(requests_in_the_clear_pass_elsewhere),
		T(reset_in_an_answer_is_a_reset),
		T(tunnels_are_looked_into),
		T(hello_right_behind_connect),
		T(tunnel_to_what_is_denied),
		T(tunnel_in_a_tunnel_is_refused),
		T(tunnel_without_tls),
		T(questions_over_tls_are_answered),
		T(resolver_without_a_name_has_its_address),
		T(dot_that_is_no_tls_is_reset),
		T(no_byte_goes_behind_the_budget),
		T(slow_guest_holds_the_server_back),
		T(slow_server_holds_the_guest_back),
		T(any_chunks_give_the_same_bytes),
		T(idle_connection_holds_nothing),
		T(full_house_is_a_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
