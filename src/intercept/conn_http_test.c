// SPDX-License-Identifier: Apache-2.0
/* What connections that are looked into carry: requests, tunnels, and questions over TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "intercept/conn_rig.h"

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
		rig_assert_server_hears(REQUEST);
		assert_int_equal(r.requests, i);
		rig_server_says(ANSWER, strlen(ANSWER));
		rig_assert_guest_hears(ANSWER);
	}
	/* The guest is done; what it hears of that is the server's word. */
	tls_end_shut(r.guest);
	r.fin = true;
	rig_assert_server_end(0);
	rig_turns(5);
	assert_false(r.eof);
	tls_end_shut(r.server);
	shutdown(r.fd, SHUT_WR);
	rig_assert_guest_end(0);
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
	rig_assert_server_hears(REQUEST);
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
	rig_assert_server_hears("hello");
	rig_guest_says(" there\n", 7);
	rig_assert_server_hears(" there\n");
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
	rig_assert_server_hears("CONN");
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
	rig_assert_server_hears(REQUEST);
	assert_int_equal(r.requests, 1);
	rig_server_says(ANSWER, strlen(ANSWER));
	rig_assert_guest_hears(ANSWER);
}

static void requests_in_the_clear_pass_elsewhere(void **state)
{
	rig_open(80);
	rig_guest_says(REQUEST, strlen(REQUEST));
	rig_assert_server_hears(REQUEST);
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
	rig_assert_server_hears(REQUEST);
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
	rig_assert_server_hears(CONNECT);
	rig_server_says(AGREED, strlen(AGREED));
	rig_assert_guest_hears(AGREED);
}

static void tunnels_are_looked_into(void **state)
{
	open_tunnel();
	rig_guest_tls("api.test", "\x08http/1.1");
	rig_server_tls("api.test", "http/1.1");
	assert_true(rig_shaken());
	assert_int_equal(r.source.asked, 2);
	rig_guest_says(REQUEST, strlen(REQUEST));
	rig_assert_server_hears(REQUEST);
	assert_int_equal(r.requests, 2);
	rig_server_says(ANSWER, strlen(ANSWER));
	rig_assert_guest_hears(ANSWER);
}

static void hello_right_behind_connect(void **state)
{
	static uint8_t hello[20000];
	size_t n;

	rig_open(3128);
	rig_guest_tls("api.test", RIG_RAW);
	tls_end_handshake(r.guest);
	n = r.said.len;
	memcpy(hello, buf_view(&r.said).p, n);
	buf_take(&r.said, n);
	buf_append(&r.said, CONNECT, strlen(CONNECT));
	buf_append(&r.said, hello, n);
	struct tls_end *guest = r.guest;
	r.guest = NULL;
	rig_assert_server_hears(CONNECT);
	rig_server_says(AGREED, strlen(AGREED));
	rig_assert_guest_hears(AGREED);
	r.guest = guest;
	rig_server_tls("api.test", "raw");
	assert_true(rig_shaken());
	rig_guest_says("\x01 question", 10);
	rig_assert_server_hears("\x01 question");
	rig_server_says("answer", 6);
	rig_assert_guest_hears("answer");
	tls_end_shut(r.guest);
	rig_assert_server_end(0);
}

/* CONNECT becomes a 403, and the proxy hears nothing of it. */
static void assert_no_tunnel(void)
{
	char buf[1024];
	ssize_t n;

	rig_guest_says(CONNECT, strlen(CONNECT));
	rig_turns(10);
	n = rig_guest_hears(buf, sizeof(buf));
	assert_true(n > 12);
	assert_memory_equal(buf, "HTTP/1.1 403", 12);
	assert_true(rig_server_hears(buf, sizeof(buf)) <= 0);
}

static void tunnel_to_what_is_denied(void **state)
{
	r.deny_target = true;
	rig_open(3128);
	assert_no_tunnel();
}

static void tunnel_in_a_tunnel_is_refused(void **state)
{
	open_tunnel();
	assert_no_tunnel();
}

static void tunnel_without_tls(void **state)
{
	open_tunnel();
	rig_guest_says("\x01 question", 10);
	rig_assert_server_hears("\x01 question");
	rig_server_says("answer", 6);
	rig_assert_guest_hears("answer");
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
	rig_assert_guest_end(0);
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
