// SPDX-License-Identifier: Apache-2.0
/*
 * Answers of HTTP/1: what is read, how each ends, what is refused; and that the pieces in which
 * bytes come make no difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/h1_answer.h"

#define LOG_MAX 4000

struct log {
	char text[LOG_MAX];
	size_t len, body; /* content that is not written down yet */
	char start[8];    /* of it */
};

static void say(struct log *l, const char *format, ...)
{
	va_list ap;

	if (l->len)
		l->text[l->len++] = ' ';
	va_start(ap, format);
	l->len += (size_t)vsnprintf(l->text + l->len, LOG_MAX - l->len, format, ap);
	va_end(ap);
	assert_true(l->len < LOG_MAX);
}

static void flush(struct log *l)
{
	size_t body = l->body;

	l->body = 0;
	if (body)
		say(l, "+%zu:%s", body, l->start);
}

static void note_body(struct log *l, struct view data)
{
	for (size_t i = 0; i < data.len; i++, l->body++)
		if (l->body < sizeof(l->start) - 1) {
			l->start[l->body] = (char)data.p[i];
			l->start[l->body + 1] = 0;
		}
}

static void note_head(struct log *l, const struct h1_reply *r)
{
	static const char *const framing[] = {"none", "length", "chunked", "close"};

	say(l, "%d/%u(%.*s)%s%s:%s", r->status, r->minor, (int)r->reason.len, r->reason.p,
	    r->interim ? "i" : "", r->tunnel ? "t" : "", framing[r->framing]);
	for (size_t i = 0; i < r->field_count; i++)
		assert_true(r->fields[i].name.p > r->bytes.p &&
			    r->fields[i].name.p < r->bytes.p + r->bytes.len);
}

/* One event; false at the end of everything. */
static bool note(struct h1_answer *a, enum h1_answer_event e, const char **asked, struct log *l)
{
	uint64_t chunk;

	if (e != H1_ANSWER_BODY && e != H1_ANSWER_MORE)
		flush(l);
	switch (e) {
	case H1_ANSWER_MORE:
		return true;
	case H1_ANSWER_HEAD:
		note_head(l, h1_answer_reply(a));
		return true;
	case H1_ANSWER_BODY:
		note_body(l, h1_answer_data(a, &chunk));
		return true;
	case H1_ANSWER_TRAILER:
		say(l, "t%zu", h1_answer_reply(a)->trailer_count);
		return true;
	case H1_ANSWER_END:
		say(l, ".");
		if (**asked) {
			char c = *(*asked)++;
			h1_answer_expect(a, (struct h1_asked){.head = c == 'H',
							      .connect = c == 'C',
							      .upgrade = c == 'U'});
		}
		return true;
	case H1_ANSWER_TUNNEL:
		say(l, "tunnel");
		return false;
	case H1_ANSWER_ERROR:
		say(l, "!%s", h1_answer_error(a));
		return false;
	}
	return false;
}

/* `asked`: a letter a request: G, H(EAD), C(ONNECT), U(pgrade). `end`: the stream ends behind. */
static void run(const char *asked, struct view in, size_t first, size_t each, bool end,
		struct log *l)
{
	struct h1_answer *a = h1_answer_new();
	bool on = true;
	size_t at = 0, used;

	*l = (struct log){0};
	h1_answer_expect(a, (struct h1_asked){.head = *asked == 'H',
					      .connect = *asked == 'C',
					      .upgrade = *asked == 'U'});
	asked++;
	while (on && at < in.len) {
		size_t n = at == 0 && first ? first : each ? each : in.len - at;
		struct view v = view_make(in.p + at, n < in.len - at ? n : in.len - at);
		enum h1_answer_event e;
		do {
			e = h1_answer_read(a, v, &used);
			assert_true(used <= v.len && (e != H1_ANSWER_MORE || used == v.len));
			view_skip(&v, used);
			at += used;
			on = note(a, e, &asked, l);
		} while (on && e != H1_ANSWER_MORE);
		/* The end stays the end. */
		if (!on) {
			assert_int_equal(h1_answer_read(a, in, &used), e);
			assert_int_equal(used, 0);
		}
	}
	if (on && end)
		note(a, h1_answer_finish(a), &asked, l);
	flush(l);
	h1_answer_free(a);
}

static void assert_log_n(const char *asked, struct view in, bool end, const char *want)
{
	static struct log l;

	for (size_t i = 0; i <= in.len; i++) {
		/* 0: whole; the last: single bytes. */
		run(asked, in, i == in.len ? 1 : i, i == in.len, end, &l);
		if (strcmp(l.text, want) != 0)
			fail_msg("%.*s\ncut at %zu\ngives  %s\nwanted %s", (int)in.len, in.p, i,
				 l.text, want);
	}
}

static void assert_log(const char *asked, const char *in, const char *want)
{
	assert_log_n(asked, view_make(in, strlen(in)), false, want);
}

static void assert_end(const char *asked, const char *in, const char *want)
{
	assert_log_n(asked, view_make(in, strlen(in)), true, want);
}

#define OK    "HTTP/1.1 200 OK\r\n"
#define EMPTY OK "Content-Length: 0\r\n\r\n"

static void answers_follow_each_other(void **state)
{
	assert_log("GGG",
		   "HTTP/1.1 100 Go on\r\n\r\n" OK "Content-Length: 5\r\n\r\nhello" EMPTY
		   "HTTP/1.0 404\r\nX:y\r\ncontent-LENGTH: 1\r\n\r\nx",
		   "100/1(Go on)i:none 200/1(OK):length +5:hello . 200/1(OK):length . "
		   "404/0():length +1:x .");
	assert_log("G", "HTTP/1.1 200 \r\nContent-Length:0\r\n\r\n", "200/1():length .");
	assert_log("G", EMPTY EMPTY, "200/1(OK):length . !an answer without a request");
}

static void chunks_are_followed(void **state)
{
	assert_log("GG",
		   OK "Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0004\r\ndefg\r\n0\r\n\r\n" OK
		      "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\nZ: \r\n\r\n",
		   "200/1(OK):chunked +7:abcdefg t0 . 200/1(OK):chunked t2 .");
}

static void what_was_asked_decides_the_end(void **state)
{
	assert_log("HHG",
		   OK "Content-Length: 9\r\n\r\n" OK "Transfer-Encoding: chunked\r\n\r\n" EMPTY,
		   "200/1(OK):none . 200/1(OK):none . 200/1(OK):length .");
	assert_log("GGG",
		   "HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n"
		   "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n" EMPTY,
		   "204/1(No):none . 304/1(No):none . 200/1(OK):length .");
	assert_log("C", OK "Content-Length: 9\r\n\r\nx", "200/1(OK)t:none tunnel");
	assert_log("CG", "HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nx" EMPTY,
		   "407/1(No):length +1:x . 200/1(OK):length .");
	assert_log("U", "HTTP/1.1 101 Go\r\n\r\nx", "101/1(Go)t:none tunnel");
	assert_log("UG", EMPTY EMPTY, "200/1(OK):length . 200/1(OK):length .");
	assert_log("G", "HTTP/1.1 101 Go\r\n\r\n", "!101 to a request that did not ask for it");
}

static void the_end_of_the_stream(void **state)
{
	assert_end("G", OK "\r\nall", "200/1(OK):close +3:all .");
	assert_end("G", OK "\r\n", "200/1(OK):close .");
	assert_end("G", OK "Content-Length: 4\r\n\r\nall",
		   "200/1(OK):length +3:all !the connection ends in the middle of an answer");
	assert_end("G", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n",
		   "200/1(OK):chunked +3:all !the connection ends in the middle of an answer");
	assert_end("G", "HTTP", "!the connection ends in the middle of an answer");
	assert_end("G", "HTTP/1.1 100 Go\r\n\r\n", "100/1(Go)i:none");
	assert_end("G", EMPTY, "200/1(OK):length .");
	assert_end("GG", EMPTY, "200/1(OK):length .");
}

static void refused(const char *in, const char *why)
{
	char want[200];

	snprintf(want, sizeof(want), "!%s", why);
	assert_log("G", in, want);
}

static void what_two_clients_could_read_differently_is_refused(void **state)
{
	static const char *const status[] = {
		"\r\n" OK "\r\n",        "HTTP/1.2 200 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n",
		"http/1.1 200 OK\r\n",   "HTTP/1.1  200 OK\r\n",    "HTTP/1.1 099 OK\r\n",
		"HTTP/1.1 2000\r\n",     "HTTP/1.1 20 OK\r\n",      "HTTP/1.1 200\tOK\r\n",
		"HTTP/1.1 200 a\rb\r\n", "HTTP/1.1 2x0 OK\r\n",     "ICY 200 OK\r\n",
	};
	static const char *const coding[] = {
		"gzip", "chunked, chunked", "gzip, chunked", "identity",
		"",     "xchunked",         "chunked;q=1"};
	static const char *const length[] = {"",    "+1",   "-1",
					     "1,1", "1, 1", "0x1",
					     "01",  "1 1",  "99999999999999999999"};
	char in[300];

	for (size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++)
		refused(status[i], "an answer begins with no status line");
	for (size_t i = 0; i < sizeof(coding) / sizeof(coding[0]); i++) {
		snprintf(in, sizeof(in), OK "Transfer-Encoding: %s\r\n\r\n", coding[i]);
		refused(in, "the Transfer-Encoding of an answer is not one \"chunked\"");
	}
	for (size_t i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
		snprintf(in, sizeof(in), OK "Content-Length: %s\r\n\r\n", length[i]);
		refused(in, "the Content-Length of an answer is not one plain number");
	}
	refused(OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"the Content-Length of an answer is not one plain number");
	refused(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"the Transfer-Encoding of an answer is not one \"chunked\"");
	refused(OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		"an answer whose end can be read in two ways");
	refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"an answer whose end can be read in two ways");
	refused("HTTP/1.1 200 OK\n\n", "a line ends without a carriage return");
	refused(OK "X: y\n\r\n", "a line ends without a carriage return");
	refused(OK "X: y\r\n z\r\n\r\n", "a field is folded over two lines");
	refused(OK "X : y\r\n\r\n", "white space behind a field's name");
	refused(OK ": y\r\n\r\n", "a line of the head is no field");
	refused(OK "X\r\n\r\n", "a line of the head is no field");
	refused(OK "X\x80: y\r\n\r\n", "a character in a field's name is not allowed");
	refused(OK "X: a\rb\r\n\r\n", "a control character in a field");
	refused(OK "X: a\x7f\r\n\r\n", "a control character in a field");
	/* A NUL ends no line, and no value. */
	static const char nul[] = OK "X: a\0b\r\n\r\n";
	assert_log_n("G", view_make(nul, sizeof(nul) - 1), false,
		     "!a control character in a field");
}

static void bad_chunks_are_refused(void **state)
{
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define READ    "200/1(OK):chunked "
	assert_log("G", CHUNKED "3;x=y\r\nabc", READ "!a chunk's size is not one plain number");
	assert_log("G", CHUNKED "3 \r\nabc", READ "!a chunk's size is not one plain number");
	assert_log("G", CHUNKED "0x3\r\nabc", READ "!a chunk's size is not one plain number");
	assert_log("G", CHUNKED "\r\nabc", READ "!a chunk's size is not one plain number");
	assert_log("G", CHUNKED "3\nabc", READ "!a chunk's size is not one plain number");
	assert_log("G", CHUNKED "3\rabc", READ "!a lone carriage return behind a chunk's size");
	assert_log("G", CHUNKED "80000000\r\n", READ "!a chunk is too large");
	assert_log("G", CHUNKED "000000003\r\n", READ "!a chunk is too large");
	assert_log("G", CHUNKED "3\r\nabcd", READ "+3:abc !a chunk is longer than its size");
	assert_log("G", CHUNKED "3\r\nabc\rx",
		   READ "+3:abc !a lone carriage return behind a chunk");
	assert_log("G", CHUNKED "0\r\nX : y\r\n\r\n", READ "!white space behind a field's name");
	assert_log("G", CHUNKED "0\r\nContent-Length: 1\r\n\r\n",
		   READ "!a trailer field that belongs into the head");
}

static void heads_have_a_bound(void **state)
{
	static char in[HTTP_TEXT_MAX + 100];
	static struct log l;
	size_t n;

	memset(in, 'x', sizeof(in));
	n = (size_t)snprintf(in, 100, OK "X: ");
	in[n] = 'x';
	run("G", view_make(in, sizeof(in)), 0, 0, false, &l);
	assert_string_equal(l.text, "!the head of an answer is too large");
	memcpy(in + HTTP_TEXT_MAX - 4, "\r\n\r\n", 4);
	run("G", view_make(in, HTTP_TEXT_MAX), 0, 1000, false, &l);
	assert_string_equal(l.text, "200/1(OK):close");
	n = (size_t)snprintf(in, sizeof(in), OK);
	for (int i = 0; i <= HTTP_FIELDS_MAX; i++)
		n += (size_t)snprintf(in + n, sizeof(in) - n, "X: y\r\n");
	run("G", view_make(in, n), 0, 0, false, &l);
	assert_string_equal(l.text, "!an answer has too many fields");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_follow_each_other),
		cmocka_unit_test(chunks_are_followed),
		cmocka_unit_test(what_was_asked_decides_the_end),
		cmocka_unit_test(the_end_of_the_stream),
		cmocka_unit_test(what_two_clients_could_read_differently_is_refused),
		cmocka_unit_test(bad_chunks_are_refused),
		cmocka_unit_test(heads_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
