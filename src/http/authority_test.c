// SPDX-License-Identifier: Apache-2.0
/*
 * Authorities have one reading or none, and first bytes are told apart as early as they can be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/authority.h"
#include "http/guess.h"

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

static void assert_refused(const char *s, size_t n)
{
	struct http_authority a = {.port = 7};

	if (http_authority_read(view_make(s, n), &a))
		fail_msg("read: %.*s", (int)n, s);
	assert_int_equal(a.port, 7); /* untouched */
}

static void assert_name(const char *s, const char *name, uint16_t port)
{
	struct http_authority a;

	if (!http_authority_read(text(s), &a))
		fail_msg("refused: %s", s);
	assert_string_equal(a.name.s, name);
	assert_int_equal(a.addr.family, 0);
	assert_int_equal(a.port, port);
}

static void assert_addr(const char *s, const char *addr, uint16_t port)
{
	struct http_authority a;
	char buf[IPADDR_STRLEN];

	if (!http_authority_read(text(s), &a))
		fail_msg("refused: %s", s);
	assert_int_equal(a.name.len, 0);
	assert_string_equal(ipaddr_str(&a.addr, buf), addr);
	assert_int_equal(a.port, port);
}

static void names_are_lower_case_without_the_dot(void **state)
{
	assert_name("example.com", "example.com", 0);
	assert_name("Example.COM.", "example.com", 0);
	assert_name("example.com.:8080", "example.com", 8080);
	assert_name("localhost:65535", "localhost", 65535);
	assert_name("localhost:9", "localhost", 9);
	assert_name("a_b.x-1.example", "a_b.x-1.example", 0);
	assert_name("1.example", "1.example", 0);
}

static void addresses_have_one_spelling(void **state)
{
	assert_addr("127.0.0.1", "127.0.0.1", 0);
	assert_addr("192.0.2.1:80", "192.0.2.1", 80);
	assert_addr("[2001:DB8::1]", "2001:db8::1", 0);
	assert_addr("[::ffff:192.0.2.1]:443", "::ffff:192.0.2.1", 443);
	static const char *const odd[] = {
		"0x7f000001", "0177.0.0.1", "0177.1",      "2130706433",     "127.1",
		"127.0.0.01", "127.0.0.1.", "1.2.3.4.5",   "256.0.0.1",      "0x7f.1",
		"[::1",       "::1",        "[127.0.0.1]", "[fe80::1%eth0]", "[fe80::1%251]",
		"[]",         "[::1]x",     "[::1]]",      "[::1]80",        "[v1.x]",
		"[[::1]]",
	};
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_refused(odd[i], strlen(odd[i]));
}

static void what_two_parsers_read_differently_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		":80",
		"a.example:",
		"a.example:0",
		"a.example:080",
		"a.example:65536",
		"a.example:+80",
		"a.example:8 0",
		"a.example:80:80",
		"a@b.example",
		"a:b@c.example",
		"a.example#b",
		"a.example\\b",
		"a.example/",
		"a.example?",
		"a%2eexample",
		"a..example",
		".a.example",
		" a.example",
		"a.example ",
		"a.example,b",
		"-a.example",
		"a-.example",
		"b\xc3\xbc.example",
		"a.example;b",
		"*.example",
		"http://a.example",
		"a.example\tb",
		"a.example:80\r",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], strlen(bad[i]));
	assert_refused("a.example\0.b.example", 20);
	assert_refused("127.0.0.1\0", 10);
	assert_refused("[::1\0]", 6);
	assert_refused("a.example:80\0", 13);
}

static void an_equal_authority_may_leave_its_port_out(void **state)
{
	struct http_authority a, b, c;

	http_authority_read(text("a.example"), &a);
	http_authority_read(text("A.example:80"), &b);
	http_authority_read(text("192.0.2.1"), &c);
	assert_true(http_authority_eq(&a, &b, 80));
	assert_false(http_authority_eq(&a, &b, 443));
	assert_true(http_authority_same_host(&a, &b));
	assert_false(http_authority_same_host(&a, &c));
}

/* ---- guessing ---- */

/* The answer for each shorter beginning is MORE, and `want` comes behind `n` bytes. */
static void assert_guess(const char *s, size_t len, size_t n, enum http_guess want)
{
	for (size_t i = 0; i < n; i++)
		if (http_guess(view_make(s, i)) != HTTP_GUESS_MORE)
			fail_msg("%.*s: decided behind %zu bytes", (int)len, s, i);
	for (size_t i = n; i <= len; i++)
		if (http_guess(view_make(s, i)) != want)
			fail_msg("%.*s: %u behind %zu bytes", (int)len, s,
				 http_guess(view_make(s, i)), i);
}

#define GUESS(s, at, want) assert_guess(s, sizeof(s) - 1, at, want)

static void requests_are_told_at_their_target(void **state)
{
	GUESS("GET / HTTP/1.1\r\n", 5, HTTP_GUESS_H1);
	GUESS("GET http://a.example/ HTTP/1.1\r\n", 8, HTTP_GUESS_H1);
	GUESS("CONNECT a.example:443 HTTP/1.1\r\n", 9, HTTP_GUESS_H1);
	GUESS("CONNECT [::1]:443 HTTP/1.1\r\n", 9, HTTP_GUESS_H1);
	GUESS("GET /\r\n", 5, HTTP_GUESS_H1); /* HTTP/0.9 */
	GUESS("OPTIONS * HTTP/1.1\r\n", 15, HTTP_GUESS_H1);
	GUESS("GET\t/", 5, HTTP_GUESS_H1);
	GUESS("GET  /", 6, HTTP_GUESS_H1);
}

static void unknown_methods_are_told_at_their_version(void **state)
{
	GUESS("get / HTTP/1.1\r\n", 11, HTTP_GUESS_H1);
	GUESS("BREW /pot HTTP/1.1\r\n", 15, HTTP_GUESS_H1);
	GUESS("x!# y http/1.1\r\n", 11, HTTP_GUESS_H1);
	GUESS("GET\x0b\x01\x0bHTTP/1.1\r\n", 11, HTTP_GUESS_H1);
	GUESS("GET\xa0x\xa0HTTP/1.1\r\n", 11, HTTP_GUESS_H1);
	GUESS(" GET / HTTP/1.1\r\n", 6, HTTP_GUESS_H1);
	GUESS("\nGET / HTTP/1.1\r\n", 6, HTTP_GUESS_H1);
	GUESS("\r\nGET / HTTP/1.1\r\n", 2, HTTP_GUESS_H1);
	GUESS("PRI / HTTP/2.0\r\n", 11, HTTP_GUESS_H1);
}

static void the_preface_is_told_when_it_is_whole(void **state)
{
	GUESS(HTTP_H2_PREFACE "\0\0\0\4", HTTP_H2_PREFACE_LEN, HTTP_GUESS_H2);
}

static void other_protocols_are_let_go_early(void **state)
{
	GUESS("SSH-2.0-OpenSSH_9.2\r\n", 21, HTTP_GUESS_NO);
	GUESS("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 32, HTTP_GUESS_NO);
	GUESS("EHLO a.example\r\n", 16, HTTP_GUESS_NO);
	GUESS("NICK foo\r\n", 10, HTTP_GUESS_NO);
	GUESS("QUIT\r\n", 6, HTTP_GUESS_NO);
	GUESS("get key\r\n", 9, HTTP_GUESS_NO);
	GUESS("get /key\r\n", 10, HTTP_GUESS_NO);
	GUESS("get key\r\nget HTTP/1.1 key\r\n", 9, HTTP_GUESS_NO); /* of the first line only */
	GUESS("*1\r\n$4\r\nPING\r\n", 4, HTTP_GUESS_NO);
	GUESS("a001 LOGIN x y\r\n", 16, HTTP_GUESS_NO);
	GUESS("OPTIONS rtsp://a.example RTSP/1.0\r\n", 35, HTTP_GUESS_NO);
	GUESS("CONNECT {\"verbose\":false}\r\n", 27, HTTP_GUESS_NO); /* NATS */
	GUESS("\0\0\0\x54\0\x03\0\0user", 1, HTTP_GUESS_NO);         /* PostgreSQL */
	GUESS("\x54\0\0\x01\x85\xa6\xff\x01", 2, HTTP_GUESS_NO);     /* MySQL */
	GUESS("\x0a\0\0\x01\x85\xa6", 2, HTTP_GUESS_NO);
	GUESS("0\x0c\x02\x01\x01\x60\x07", 3, HTTP_GUESS_NO); /* LDAP */
	GUESS("0 \x02\x01\x01\x60\x07", 3, HTTP_GUESS_NO);
	GUESS("AMQP\0\0\x09\x01", 5, HTTP_GUESS_NO);
	GUESS("\x10\x1f\0\x04MQTT", 1, HTTP_GUESS_NO);
	GUESS("\x16\x03\x01\x02\0\x01", 1, HTTP_GUESS_NO); /* TLS */
	GUESS("BitTorrent protocol\x13", 20, HTTP_GUESS_MORE);
	GUESS("HTTP/1.1 200 OK\r\n", 5, HTTP_GUESS_NO);
	GUESS("{\"a\":1}", 1, HTTP_GUESS_NO);
	GUESS("Host: x", 5, HTTP_GUESS_NO);
}

static void a_line_without_an_end_counts_as_http(void **state)
{
	static char line[HTTP_GUESS_MAX + 8];

	memset(line, 'A', sizeof(line));
	assert_int_equal(http_guess(view_make(line, HTTP_GUESS_MAX - 1)), HTTP_GUESS_MORE);
	assert_int_equal(http_guess(view_make(line, HTTP_GUESS_MAX)), HTTP_GUESS_H1);
	line[5] = ' ';
	line[HTTP_GUESS_MAX - 1] = '\n';
	assert_int_equal(http_guess(view_make(line, HTTP_GUESS_MAX)), HTTP_GUESS_NO);
	memset(line, ' ', sizeof(line));
	assert_int_equal(http_guess(view_make(line, sizeof(line))), HTTP_GUESS_H1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_lower_case_without_the_dot),
		cmocka_unit_test(addresses_have_one_spelling),
		cmocka_unit_test(what_two_parsers_read_differently_is_refused),
		cmocka_unit_test(an_equal_authority_may_leave_its_port_out),
		cmocka_unit_test(requests_are_told_at_their_target),
		cmocka_unit_test(unknown_methods_are_told_at_their_version),
		cmocka_unit_test(the_preface_is_told_when_it_is_whole),
		cmocka_unit_test(other_protocols_are_let_go_early),
		cmocka_unit_test(a_line_without_an_end_counts_as_http),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
