// SPDX-License-Identifier: Apache-2.0
/*
 * Answers of a server: which request each belongs to, where it ends, and where a tunnel begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/http_rig.h"

/* Requests as a list, then answers; the same log for each cut. */
static void assert_watch(const char *const *asked, const char *in, const char *want)
{
	static struct rig_log l;
	struct view v = view_make(in, strlen(in));

	for (size_t i = 0; i <= v.len; i++) {
		/* i 0: single bytes; i len: whole. */
		rig_watch(asked, v, (struct rig_cut){.first = i, .each = i ? 0 : 1}, &l);
		if (strcmp(l.text, want) != 0)
			fail_msg("%s\ncut at %zu\ngives  %s\nwanted %s", in, i, l.text, want);
	}
}

#define ASKED(...)                \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}
#define OK    "HTTP/1.1 200 OK\r\n"
#define EMPTY OK "Content-Length: 0\r\n\r\n"

static void answers_belong_to_requests_in_order(void **state)
{
	assert_watch(ASKED("GET", "GET"), OK "Content-Length: 5\r\n\r\nHTTP/" EMPTY, "200 . 200 .");
	assert_watch(ASKED("HEAD", "GET"), OK "Content-Length: 5\r\n\r\n" EMPTY, "200 . 200 .");
	assert_watch(ASKED("GET", "GET"),
		     "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\nHTTP/1.0 204\r\n\r\n",
		     "304 . 204 .");
	assert_watch(ASKED("POST"),
		     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: b\r\n\r\n" EMPTY,
		     "100 103 200 .");
	assert_watch(ASKED("GET"), EMPTY EMPTY, "200 . !an answer without a request");
}

static void bodies_end_where_their_framing_says(void **state)
{
	assert_watch(ASKED("GET", "GET"),
		     OK "Transfer-Encoding: gzip, Chunked\r\n\r\n5;x=y\r\nHTTP/\r\n00  \r\n"
			"A: b\r\n\r\n" EMPTY,
		     "200 . 200 .");
	assert_watch(ASKED("GET"), OK "\r\n" EMPTY EMPTY, "200-close");
	assert_watch(ASKED("GET"), OK "Transfer-Encoding: gzip\r\n\r\n" EMPTY, "200-close");
}

static void a_tunnel_begins_behind_the_answer_that_says_so(void **state)
{
	assert_watch(ASKED("CONNECT"), OK "Content-Length: 5\r\n\r\n\x16\x03", "200 tunnel");
	assert_watch(ASKED("CONNECT", "GET"), "HTTP/1.1 407 x\r\nContent-Length: 1\r\n\r\nx" EMPTY,
		     "407 . 200 .");
	assert_watch(ASKED("GET", "UPGRADE"),
		     EMPTY "HTTP/1.1 101 x\r\nUpgrade: foo, h2c\r\n\r\n\x81",
		     "200 . 101-h2c tunnel");
	assert_watch(ASKED("UPGRADE"), "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n\x81",
		     "101 tunnel");
	assert_watch(ASKED("UPGRADE", "GET"), EMPTY EMPTY, "200 . 200 .");
	assert_watch(ASKED("UPGRADE"), OK "Upgrade: h2c\r\nContent-Length: 0\r\n\r\n", "200 .");
	assert_watch(ASKED("UPGRADE"), "HTTP/1.1 101 x\r\nServer: h2c\r\n\r\n", "101 tunnel");
	assert_watch(ASKED("GET", "UPGRADE"), "HTTP/1.1 101 x\r\n\r\n",
		     "!101 to a request that did not ask for it");
	assert_watch(ASKED("GET", "CONNECT"), EMPTY EMPTY, "200 . 200 tunnel");
	assert_watch(ASKED("UPGRADE"), "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 101 x\r\n\r\n",
		     "100 101 tunnel");
}

static void what_can_be_read_in_two_ways_is_the_end(void **state)
{
	static const char number[] = "!the Content-Length of an answer is not one plain number";
	static const char two[] = "!an answer whose end can be read in two ways";
	static const char field[] = "!a line of an answer is no field";
	static const char line[] = "!a line of an answer ends without a carriage return";
	static const struct {
		const char *in, *want;
	} t[] = {
		{OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", number},
		{OK "Content-Length: 1, 1\r\n\r\n", number},
		{OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", two},
		{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", two},
		{OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		 "!an answer has two Transfer-Encoding fields"},
		{OK "Content-Length : 1\r\n\r\n", field},
		{OK "A: b\r\n c\r\n\r\n", field},
		{OK ": b\r\n\r\n", field},
		{"HTTP/1.1 2:0 x\r\n\r\n", "!an answer begins with no status line"},
		{"HTTP/1.1 20/ x\r\n\r\n", "!an answer begins with no status line"},
		{OK "Content-Length: \x01\r\n\r\n", "!the framing of an answer cannot be read"},
		{OK "A: b\nContent-Length: 0\r\n\r\n", line},
		{"HTTP/1.1 200 OK\n\n", line},
		{"SSH-2.0-x\r\n", "!an answer begins with no status line"},
		{"HTTP/2 200\r\n\r\n", "!an answer begins with no status line"},
		{"HTTP/1.1 099 x\r\n\r\n", "!an answer begins with no status line"},
		{"HTTP/1.1 2000 x\r\n\r\n", "!an answer begins with no status line"},
		{OK "Transfer-Encoding: chunked\r\n\r\n\r\n",
		 "200 !a chunk of an answer has no size"},
		{OK "Transfer-Encoding: chunked\r\n\r\n1x\r\n",
		 "200 !a chunk of an answer has no size"},
		{OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
		 "200 !a chunk of an answer is too large"},
		{OK "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
		 "200 !a chunk of an answer is longer than its size"},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_watch(ASKED("GET", "UPGRADE"), t[i].in, t[i].want);
}

static void long_lines_are_read_past(void **state)
{
	static char in[H1_WATCH_HEAD_MAX + 100];
	static struct rig_log l;
	static const char front[] = OK "Content-Length: 0\r\nSet-Cookie: ";
	static const size_t value[] = {1, 255, 256, 257, 70000, H1_WATCH_HEAD_MAX};

	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
		memset(in, 'x', sizeof(in));
		memcpy(in, front, sizeof(front) - 1);
		size_t n = sizeof(front) - 1 + value[i];
		if (n + 4 > sizeof(in))
			n = sizeof(in) - 4;
		memcpy(in + n, "\r\n\r\n", 4);
		for (size_t each = 0; each <= 1448; each += 1448) {
			rig_watch(ASKED("GET"), view_make(in, n + 4),
				  (struct rig_cut){.each = each}, &l);
			assert_string_equal(l.text, value[i] == H1_WATCH_HEAD_MAX
							    ? "!the head of an answer is too large"
							    : "200 .");
		}
	}
	/* A framing field that was not kept whole is not trusted. */
	size_t n = (size_t)snprintf(in, sizeof(in), OK "Content-Length: %0300d\r\n\r\n", 1);
	rig_watch(ASKED("GET"), view_make(in, n), (struct rig_cut){0}, &l);
	assert_string_equal(l.text, "!the framing of an answer cannot be read");
}

static void requests_without_an_answer_are_counted(void **state)
{
	struct h1_watch *w = h1_watch_new();
	struct h1_head head = {.method = view_make("GET", 3)};
	size_t used;

	for (int i = 0; i < H1_WATCH_REQUESTS; i++)
		assert_true(h1_watch_request(w, &head));
	assert_false(h1_watch_request(w, &head));
	struct view v = view_make(EMPTY, strlen(EMPTY));
	assert_int_equal(h1_watch_read(w, v, &used), H1_WATCH_ANSWER);
	assert_false(h1_watch_request(w, &head));
	assert_int_equal(h1_watch_read(w, view_make(NULL, 0), &used), H1_WATCH_END);
	assert_true(h1_watch_request(w, &head));
	assert_false(h1_watch_request(w, &head));
	/* An interim answer is none. */
	v = view_make("HTTP/1.1 100 x\r\n\r\n", 18);
	assert_int_equal(h1_watch_read(w, v, &used), H1_WATCH_ANSWER);
	assert_int_equal(h1_watch_read(w, view_make(NULL, 0), &used), H1_WATCH_MORE);
	assert_false(h1_watch_request(w, &head));
	/* Once nothing can be read any more, nothing is counted either. */
	assert_int_equal(h1_watch_read(w, view_make("x\n", 2), &used), H1_WATCH_ERROR);
	assert_true(h1_watch_request(w, &head));
	h1_watch_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_belong_to_requests_in_order),
		cmocka_unit_test(bodies_end_where_their_framing_says),
		cmocka_unit_test(a_tunnel_begins_behind_the_answer_that_says_so),
		cmocka_unit_test(what_can_be_read_in_two_ways_is_the_end),
		cmocka_unit_test(long_lines_are_read_past),
		cmocka_unit_test(requests_without_an_answer_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
