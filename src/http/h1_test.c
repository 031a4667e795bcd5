// SPDX-License-Identifier: Apache-2.0
/*
 * Requests of HTTP/1: what is read, what is refused and how, and that the pieces in which bytes
 * come make no difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/http_rig.h"

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

/* The same log whole, byte by byte, and cut at every place. */
static void assert_log_n(struct view in, enum rig_answer answer, const char *want)
{
	static struct rig_log whole, other;

	rig_h1(in, (struct rig_cut){0}, answer, &whole);
	if (strcmp(whole.text, want) != 0)
		fail_msg("%.*s\ngives  %s\nwanted %s", (int)in.len, in.p, whole.text, want);
	for (size_t i = 0; i < in.len; i++) {
		/* i 0: single bytes. */
		rig_h1(in, (struct rig_cut){.first = i, .each = i ? 0 : 1}, answer, &other);
		if (strcmp(other.text, want) != 0 || other.passed != whole.passed)
			fail_msg("%.*s\ncut at %zu\ngives  %s (%zu)\nwanted %s (%zu)", (int)in.len,
				 in.p, i, other.text, other.passed, want, whole.passed);
	}
}

static void assert_log(const char *in, const char *want)
{
	assert_log_n(text(in), RIG_SILENT, want);
}

/* A request line and Host that are good, and one more line. */
static void assert_field(const char *line, const char *want)
{
	char in[512];

	snprintf(in, sizeof(in), "POST / HTTP/1.1\r\nHost: a.example\r\n%s\r\n\r\n", line);
	assert_log(in, want);
}

static void assert_line(const char *line, const char *want)
{
	char in[512];

	snprintf(in, sizeof(in), "%s\r\nHost: a.example\r\n\r\n", line);
	assert_log(in, want);
}

#define H       "Host: a.example\r\n"
#define OK_POST "POST / a.example "

/* ---- what is read ---- */

static void requests_follow_each_other(void **state)
{
	assert_log("GET / HTTP/1.1\r\n" H "\r\n"
		   "POST /x?y HTTP/1.1\r\nhost:\tB.example:8080 \r\nContent-Length: 5\r\n\r\nhello"
		   "GET / HTTP/1.0\r\n\r\n",
		   "GET / a.example . POST /x?y b.example|8080 +5 . GET / - .");
	assert_log("GET / HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\nG",
		   "GET / a.example . GET / b.example .");
}

static void four_forms_of_target(void **state)
{
	assert_line("GET http://A.example/x HTTP/1.1", "GET http://A.example/x a.example .");
	assert_line("GET HTTPS://a.example:443?x HTTP/1.1",
		    "GET HTTPS://a.example:443?x a.example|443 .");
	assert_line("OPTIONS * HTTP/1.1", "OPTIONS * a.example .");
	assert_line("OPTIONS http://a.example HTTP/1.1", "OPTIONS http://a.example a.example .");
	assert_line("TRACE /\xc3\xa4 HTTP/1.1", "TRACE /\xc3\xa4 a.example .");
	assert_line("BREW //a|b{} HTTP/1.1", "BREW //a|b{} a.example .");
}

static void ports_that_mean_the_same_are_the_same(void **state)
{
	assert_log("GET http://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\n",
		   "GET http://a.example/ a.example .");
	assert_log("GET http://a.example/ HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
		   "!400 Host is another host than the target");
	assert_log("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:80\r\n\r\n",
		   "!400 Host is another host than the target");
	assert_log("CONNECT a.example:443 HTTP/1.1\r\n" H "\r\n",
		   "CONNECT a.example:443 a.example|443 . wait");
}

static void chunks_are_followed(void **state)
{
	assert_log("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
		   "5\r\nhello\r\n0000000A\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
		   OK_POST "+35 t0 . GET / a.example .");
	assert_log("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
		   "1\r\n\n\r\n0\r\nX-Sum: 1\r\nY: \r\n\r\n",
		   OK_POST "+9 t2 .");
	assert_log("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n7fffffff\r\nx",
		   OK_POST "+11");
}

static void the_largest_body_is_counted(void **state)
{
	assert_field("Content-Length: 9223372036854775807\r\n\r\nGET / HTTP/1.1", OK_POST "+18");
	assert_field("Content-Length: 9223372036854775808",
		     "!400 the Content-Length is no plain number");
	assert_field("Content-Length: 99999999999999999999",
		     "!400 the Content-Length is no plain number");
}

/* ---- what is refused ---- */

static void odd_request_lines_are_refused(void **state)
{
	static const char three[] = "!400 the request line has no three parts";
	static const char version[] = "!400 the request line does not end with a version";
	static const char number[] = "!505 the version is neither HTTP/1.0 nor HTTP/1.1";

	assert_log("\r\nGET / HTTP/1.1\r\n" H "\r\n",
		   "!400 an empty line in front of the request line");
	assert_log("GET / HTTP/1.1\r\n" H "\r\n\r\n",
		   "GET / a.example . !400 an empty line in front of the request line");
	assert_log("\nGET / HTTP/1.1\r\n", "!400 a line ends without a carriage return");
	assert_line("GET /", three);
	assert_line("GET", three);
	assert_line("GET  / HTTP/1.1", three);
	assert_line("GET\t/ HTTP/1.1", three);
	assert_line("GET / ", version);
	assert_line("GET /  HTTP/1.1", version);
	assert_line("GET / x HTTP/1.1", version);
	assert_line("GET / HTTP/1.1 ", version);
	assert_line("GET / http/1.1", version);
	assert_line("GET / HTTP/11", version);
	assert_line("GET / HTTP/1.10", version);
	assert_line("GET / ICY/1.1", version);
	assert_line("GET / HTTP/1.2", number);
	assert_line("GET / HTTP/0.9", number);
	assert_line("PRI * HTTP/2.0", number);
	assert_line(" GET / HTTP/1.1", "!400 the method is no token of 64 characters at most");
	assert_line("G(T / HTTP/1.1", three);
	assert_line("connect a.example:443 HTTP/1.1", "!400 the method is in lower case");
	assert_line("Head / HTTP/1.1", "!400 the method is in lower case");
}

static void odd_targets_are_refused(void **state)
{
	static const char character[] = "!400 a character in the target is not allowed";
	static const char form[] = "!400 the target is no path and no http or https URL";
	static const char host[] = "!400 the target's host cannot be read";
	static const char port[] = "!400 CONNECT wants a host and a port";

	assert_line("GET /a#b HTTP/1.1", character);
	assert_line("GET /a\\b HTTP/1.1", character);
	assert_line("GET /a\tb HTTP/1.1", character);
	assert_line("GET /a\x7f HTTP/1.1", character);
	assert_line("GET /a\x01 HTTP/1.1", character);
	assert_line("GET a.example/ HTTP/1.1", form);
	assert_line("GET ftp://a.example/ HTTP/1.1", form);
	assert_line("GET http:/a.example HTTP/1.1", form);
	assert_line("GET * HTTP/1.1", "!400 the target * is for OPTIONS only");
	assert_line("OPTIONS ** HTTP/1.1", form);
	assert_line("GET http:///x HTTP/1.1", host);
	assert_line("GET http://b@a.example/ HTTP/1.1", host);
	assert_line("GET http://a.example:/ HTTP/1.1", host);
	assert_line("GET http://b.example/ HTTP/1.1", "!400 Host is another host than the target");
	assert_line("GET http://b.example?@a.example/ HTTP/1.1",
		    "!400 Host is another host than the target");
	assert_line("CONNECT a.example HTTP/1.1", port);
	assert_line("CONNECT / HTTP/1.1", port);
	assert_line("CONNECT http://a.example:80/ HTTP/1.1", port);
	assert_line("CONNECT u@a.example:80 HTTP/1.1", port);
	assert_log_n(view_make("GET /\0 HTTP/1.1\r\n", 17), RIG_SILENT, character);
}

static void host_stands_once_and_can_be_read(void **state)
{
	static const char odd[] = "!400 the Host field cannot be read";

	assert_log("GET / HTTP/1.1\r\n\r\n", "!400 no Host field");
	assert_field("Host: a.example", "!400 more than one Host field");
	assert_field("hOST: b.example", "!400 more than one Host field");
	assert_log("GET / HTTP/1.1\r\nHost:\r\n\r\n", odd);
	assert_log("GET / HTTP/1.0\r\nHost: \r\n\r\n", odd);
	assert_log("GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", odd);
	assert_log("GET / HTTP/1.1\r\nHost: a@b.example\r\n\r\n", odd);
	assert_log("GET / HTTP/1.1\r\nHost: http://a.example\r\n\r\n", odd);
	assert_log("GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n", odd);
	assert_log("GET / HTTP/1.0\r\n\r\n", "GET / - .");
}

static void odd_fields_are_refused(void **state)
{
	assert_field("X: a\nY: b", "!400 a line ends without a carriage return");
	assert_field("X: a\rY: b", "!400 a control character in a field");
	assert_field("X: a\r\r", "!400 a control character in a field");
	assert_field("X: a\x01", "!400 a control character in a field");
	assert_field("X: 0123456789\x7f", "!400 a control character in a field");
	assert_field("X: tab\tis\t\tfine and \xff too", OK_POST ".");
	assert_field("X: a\r\n b", "!400 a field is folded over two lines");
	assert_field("X: a\r\n\tb", "!400 a field is folded over two lines");
	assert_log("GET / HTTP/1.1\r\n Host: a.example\r\n\r\n",
		   "!400 a field is folded over two lines");
	assert_field("X : a", "!400 white space behind a field's name");
	assert_field("X\t: a", "!400 white space behind a field's name");
	assert_field(": a", "!400 a line of the head is no field");
	assert_field("X", "!400 a line of the head is no field");
	assert_field("X\x01Y: a", "!400 a character in a field's name is not allowed");
	assert_field("X(Y: a", "!400 a character in a field's name is not allowed");
	assert_field("X\xc3\xa4: a", "!400 a character in a field's name is not allowed");
	assert_log_n(view_make("GET / HTTP/1.1\r\nX: 0123\0"
			       "56789\r\n",
			       31),
		     RIG_SILENT, "!400 a control character in a field");
	assert_log_n(view_make("GET / HTTP/1.1\r\nX\0: 5\r\n", 23), RIG_SILENT,
		     "!400 a character in a field's name is not allowed");
}

static void a_body_has_one_length(void **state)
{
	static const char plain[] = "!400 the Content-Length is no plain number";
	static const char twice[] = "!400 more than one Content-Length field";
	static const char coding[] = "!400 the Transfer-Encoding is not one \"chunked\"";
	static const char both[] = "!400 Content-Length together with Transfer-Encoding";

	assert_field("Content-Length: 0", OK_POST ".");
	assert_field("Content-Length: +1", plain);
	assert_field("Content-Length: -1", plain);
	assert_field("Content-Length: 1,1", plain);
	assert_field("Content-Length: 01", plain);
	assert_field("Content-Length: 0x1", plain);
	assert_field("Content-Length: 1 1", plain);
	assert_field("Content-Length:", plain);
	assert_field("Content-Length: 1\r\nContent-Length: 1", twice);
	assert_field("Content-Length: 1\r\ncontent-length: 2", twice);
	assert_field("Content-Length: 1\r\nTransfer-Encoding: chunked", both);
	assert_field("Transfer-Encoding: chunked\r\nContent-Length: 1", both);
	assert_field("Transfer-Encoding: gzip, chunked", coding);
	assert_field("Transfer-Encoding: chunked, chunked", coding);
	assert_field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", coding);
	assert_field("Transfer-Encoding: identity", coding);
	assert_field("Transfer-Encoding: xchunked", coding);
	assert_field("Transfer-Encoding: Chunked", coding);
	assert_field("Transfer-Encoding: chunked;x", coding);
	assert_field("Transfer-Encoding:", coding);
	assert_field("Transfer-Encoding: \x0b"
		     "chunked",
		     "!400 a control character in a field");
	assert_log("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
		   "!400 Transfer-Encoding in HTTP/1.0");
	assert_field("Content_Length: 1", "!400 a field's name has an underscore for a hyphen");
	assert_field("Transfer_Encoding: chunked",
		     "!400 a field's name has an underscore for a hyphen");
	assert_log("CONNECT a.example:1 HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
		   "!400 CONNECT with a body");
}

static void odd_chunks_are_refused(void **state)
{
	static const struct {
		const char *body, *want;
	} t[] = {
		{"5;x=y\r\n", "+1 !400 a chunk's size is not one plain number"},
		{"5 \r\n", "+1 !400 a chunk's size is not one plain number"},
		{" 5\r\n", "!400 a chunk's size is not one plain number"},
		{"0x5\r\n", "+1 !400 a chunk's size is not one plain number"},
		{"-5\r\n", "!400 a chunk's size is not one plain number"},
		{"\r\n", "!400 a chunk's size is not one plain number"},
		{"g\r\n", "!400 a chunk's size is not one plain number"},
		{"5\n", "+1 !400 a chunk's size is not one plain number"},
		{"5\rX", "+2 !400 a lone carriage return behind a chunk's size"},
		{"80000000\r\n", "+7 !400 a chunk is too large"},
		{"100000000\r\n", "+8 !400 a chunk is too large"},
		{"000000005\r\n", "+8 !400 a chunk is too large"},
		{"1\r\nxy\r\n", "+4 !400 a chunk is longer than its size"},
		{"1\r\nx\n", "+4 !400 a chunk is longer than its size"},
		{"1\r\nx\rX", "+5 !400 a lone carriage return behind a chunk"},
		{"0\r\n\n", "+3 !400 a line ends without a carriage return"},
		{"0\r\nHost: x\r\n", "+3 !400 a trailer field that belongs into the head"},
		{"0\r\ncontent_length: 1\r\n",
		 "+3 !400 a trailer field that belongs into the head"},
		{"0\r\nX : 1\r\n", "+3 !400 white space behind a field's name"},
		{"0\r\n X: 1\r\n", "+3 !400 a field is folded over two lines"},
	};
	char in[200], want[200];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(in, sizeof(in),
			 "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n%s", t[i].body);
		snprintf(want, sizeof(want), OK_POST "%s", t[i].want);
		assert_log(in, want);
	}
}

static void expect_and_connection_say_only_what_is_known(void **state)
{
	assert_field("Expect: 100-Continue", OK_POST ".");
	assert_field("Expect: 200-ok", "!417 the Expect field is not 100-continue");
	assert_log("POST / HTTP/1.0\r\n" H "Expect: 200-ok\r\n\r\n", OK_POST ".");
	assert_field("Content-Type: a\r\nContent_Type: b\r\nCookie: c", OK_POST ".");
	assert_field("Expect: 100-continu", "!417 the Expect field is not 100-continue");
	assert_field("Expect: 100-continue2", "!417 the Expect field is not 100-continue");
	assert_field("Connection: close, TE, hos, host2", OK_POST ".");
	assert_field("Connection: x, Host", "!400 Connection names a field of the message");
	assert_field("Connection: content-length", "!400 Connection names a field of the message");
}

/* ---- limits ---- */

/* `n` bytes of `c` between `front` and `back`. */
static struct view stuffed(const char *front, char c, size_t n, const char *back)
{
	static char buf[HTTP_TEXT_MAX + 4096];
	size_t at = strlen(front);

	assert_true(at + n + strlen(back) <= sizeof(buf));
	memcpy(buf, front, at);
	memset(buf + at, c, n);
	memcpy(buf + at + n, back, strlen(back));
	return view_make(buf, at + n + strlen(back));
}

/* The cuts that matter: whole, in large pieces, in odd small ones. */
static void assert_end(struct view in, const char *want_end)
{
	static const size_t each[] = {0, 1448, 16384, 7};
	static struct rig_log l;
	size_t n = strlen(want_end);

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		rig_h1(in, (struct rig_cut){.each = each[i]}, RIG_SILENT, &l);
		if (l.len < n || strcmp(l.text + l.len - n, want_end) != 0)
			fail_msg("cut %zu: %.200s, wanted %s", each[i], l.text, want_end);
	}
}

static void long_heads_are_refused_at_their_limits(void **state)
{
	static const char front[] = "GET / HTTP/1.1\r\n" H "X: ", back[] = "\r\n\r\n";
	size_t rest = sizeof(front) - 1 + sizeof(back) - 1;
	static const char line[] = "GET /", version[] = " HTTP/1.1\r\n";
	size_t line_rest = sizeof(line) - 1 + sizeof(version) - 1;

	assert_end(stuffed(front, 'x', HTTP_TEXT_MAX - rest, back), "GET / a.example .");
	assert_end(stuffed(front, 'x', HTTP_TEXT_MAX - rest + 1, back),
		   "!431 the head is too large");
	assert_end(stuffed(line, 'x', H1_LINE_MAX - line_rest, " HTTP/1.1\r\n" H "\r\n"),
		   "a.example .");
	assert_end(stuffed(line, 'x', H1_LINE_MAX - line_rest + 1, version),
		   "!414 the request line is too long");
	assert_end(stuffed("", 'x', 64, " / HTTP/1.1\r\n" H "\r\n"), "a.example .");
	assert_end(stuffed("", 'x', 65, " / HTTP/1.1\r\n" H "\r\n"),
		   "!400 the method is no token of 64 characters at most");
}

static void fields_are_counted(void **state)
{
	static char in[HTTP_TEXT_MAX];
	size_t n;

	for (int extra = 0; extra < 2; extra++) {
		n = (size_t)sprintf(in, "GET / HTTP/1.1\r\n" H);
		for (int i = 0; i < HTTP_FIELDS_MAX - 1 + extra; i++)
			n += (size_t)sprintf(in + n, "X%d: y\r\n", i);
		n += (size_t)sprintf(in + n, "\r\n");
		assert_end(view_make(in, n), extra ? "!431 too many fields" : "GET / a.example .");
	}
}

/* The head stays readable while a trailer makes the store grow. */
static void a_long_trailer_leaves_the_head_in_place(void **state)
{
	static const char in[] = "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n";
	struct view trailer = stuffed("X: ", 'x', 30000, "\r\n");
	struct h1 *h = h1_new();
	size_t used;

	assert_int_equal(h1_read(h, view_make(in, sizeof(in) - 1), &used), H1_HEAD);
	assert_int_equal(h1_read(h, view_make(in + used, 3), &used), H1_BODY);
	assert_int_equal(h1_read(h, trailer, &used), H1_MORE);
	const struct h1_head *head = h1_head(h);
	assert_memory_equal(head->target.p, "/x", 2);
	assert_memory_equal(head->bytes.p, in, head->bytes.len);
	assert_memory_equal(head->fields[0].value.p, "a.example", 9);
	assert_int_equal(h1_read(h, text("\r\n"), &used), H1_TRAILER);
	assert_int_equal(head->trailer_count, 1);
	assert_int_equal(head->trailers[0].value.len, 30000);
	assert_int_equal(head->trailer.len, trailer.len + 2);
	h1_free(h);
}

/* ---- tunnels ---- */

#define CONNECT "CONNECT a.example:443 HTTP/1.1\r\n" H "\r\n"
#define UPGRADE                \
	"GET / HTTP/1.1\r\n" H \
	"Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nab"
#define NEXT "GET /2 HTTP/1.1\r\n" H "\r\n"

static void the_servers_answer_decides_about_a_tunnel(void **state)
{
	assert_log(CONNECT, "CONNECT a.example:443 a.example|443 . wait");
	assert_log_n(text(CONNECT NEXT), RIG_SILENT, "CONNECT a.example:443 a.example|443 . wait");
	assert_log_n(text(CONNECT NEXT), RIG_STAY,
		     "CONNECT a.example:443 a.example|443 . wait GET /2 a.example .");
	assert_log_n(text(CONNECT "\x16\x03\x01"), RIG_SWITCH,
		     "CONNECT a.example:443 a.example|443 . wait tunnel");
	assert_log_n(text(CONNECT "\x16\x03\x01"), RIG_STAY,
		     "CONNECT a.example:443 a.example|443 . wait");
	assert_log_n(text(UPGRADE NEXT), RIG_SILENT, "GET / a.example +2 . wait");
	assert_log_n(text(UPGRADE NEXT), RIG_STAY, "GET / a.example +2 . wait GET /2 a.example .");
	assert_log_n(text(UPGRADE "\x81\x05"), RIG_SWITCH, "GET / a.example +2 . wait tunnel");
	assert_log("GET / HTTP/1.0\r\n" H "Upgrade: x\r\n\r\n" NEXT, "GET / a.example . wait");
}

static enum h1_event read_to(struct h1 *h, const char *s, enum h1_event until)
{
	struct view v = text(s);
	enum h1_event e;
	size_t used;

	do {
		e = h1_read(h, v, &used);
		view_skip(&v, used);
	} while (e != until && e != H1_MORE && e != H1_ERROR);
	return e;
}

static void an_early_answer_counts_for_its_own_request_only(void **state)
{
	struct h1 *h = h1_new();

	assert_int_equal(read_to(h,
				 "GET / HTTP/1.1\r\n" H "Upgrade: h2c, x\r\n"
				 "Content-Length: 2\r\n\r\n",
				 H1_HEAD),
			 H1_HEAD);
	assert_true(h1_head(h)->upgrade && h1_head(h)->upgrade_h2c);
	assert_false(h1_head(h)->expect_continue);
	h1_stay(h);
	assert_int_equal(read_to(h, "ab", H1_END), H1_END);
	assert_int_equal(read_to(h,
				 "GET / HTTP/1.1\r\n" H
				 "Upgrade: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
				 H1_HEAD),
			 H1_HEAD);
	assert_true(h1_head(h)->upgrade && !h1_head(h)->upgrade_h2c);
	assert_true(h1_head(h)->expect_continue);
	h1_stay(h);
	assert_int_equal(read_to(h, "ab", H1_END), H1_END);
	assert_int_equal(read_to(h, CONNECT, H1_WAIT), H1_WAIT);
	h1_switch(h);
	assert_int_equal(read_to(h, "GET", H1_TUNNEL), H1_TUNNEL);
	h1_free(h);
	/* A server that switches before the body is over: the body is still a body. */
	h = h1_new();
	assert_int_equal(read_to(h, UPGRADE, H1_HEAD), H1_HEAD);
	h1_switch(h);
	assert_int_equal(read_to(h, "ab", H1_BODY), H1_BODY);
	assert_int_equal(read_to(h, "x", H1_TUNNEL), H1_TUNNEL);
	h1_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_follow_each_other),
		cmocka_unit_test(four_forms_of_target),
		cmocka_unit_test(ports_that_mean_the_same_are_the_same),
		cmocka_unit_test(chunks_are_followed),
		cmocka_unit_test(the_largest_body_is_counted),
		cmocka_unit_test(odd_request_lines_are_refused),
		cmocka_unit_test(odd_targets_are_refused),
		cmocka_unit_test(host_stands_once_and_can_be_read),
		cmocka_unit_test(odd_fields_are_refused),
		cmocka_unit_test(a_body_has_one_length),
		cmocka_unit_test(odd_chunks_are_refused),
		cmocka_unit_test(expect_and_connection_say_only_what_is_known),
		cmocka_unit_test(long_heads_are_refused_at_their_limits),
		cmocka_unit_test(fields_are_counted),
		cmocka_unit_test(a_long_trailer_leaves_the_head_in_place),
		cmocka_unit_test(the_servers_answer_decides_about_a_tunnel),
		cmocka_unit_test(an_early_answer_counts_for_its_own_request_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
