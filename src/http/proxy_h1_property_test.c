// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/1 proxy under random messages: what comes out means the same as what went in, whatever
 * the pieces and the modes; and connections that are used ten thousand times.
 *
 * The meaning of a stream is written down as text: each message's first line, its fields but for
 * those of framing and of the hop, and its content. What went in is known to the generator; what
 * came out is read by the strict readers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/proxy_h1_rig.h"
#include "http/text.h"

#define ROUNDS 1500

static void add(struct buf *b, const char *format, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(text) && buf_append(b, text, (size_t)n));
}

/* ---- reading what came out ---- */

static bool is_framing(struct view name)
{
	return http_text_is(name, "content-length") || http_text_is(name, "transfer-encoding") ||
	       http_text_is(name, "connection");
}

static void note_fields(struct buf *to, const struct http_field *f, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_framing(f[i].name))
			add(to, "%.*s=%.*s\n", (int)f[i].name.len, f[i].name.p, (int)f[i].value.len,
			    f[i].value.p);
}

static void requests_mean(struct view in, struct buf *to)
{
	struct h1 *h = h1_new();
	enum h1_event e;

	h1_split(h);
	do {
		uint64_t chunk;
		size_t used;
		e = h1_read(h, in, &used);
		assert_int_not_equal(e, H1_ERROR);
		const struct h1_head *head = h1_head(h);
		if (e == H1_HEAD) {
			add(to, "%.*s %.*s\n", (int)head->method.len, head->method.p,
			    (int)head->target.len, head->target.p);
			note_fields(to, head->fields, head->field_count);
		} else if (e == H1_BODY) {
			assert_true(buf_append_view(to, h1_data(h, &chunk)));
		} else if (e == H1_TRAILER) {
			note_fields(to, head->trailers, head->trailer_count);
		} else if (e == H1_END) {
			add(to, "\n");
		}
		view_skip(&in, used);
	} while (e != H1_MORE);
	h1_free(h);
}

static void answers_mean(struct view in, const bool *heads, struct buf *to)
{
	struct h1_answer *a = h1_answer_new();
	enum h1_answer_event e;
	unsigned n = 0;

	h1_answer_expect(a, (struct h1_asked){.head = heads[n++]});
	do {
		uint64_t chunk;
		size_t used;
		e = h1_answer_read(a, in, &used);
		assert_int_not_equal(e, H1_ANSWER_ERROR);
		const struct h1_reply *r = h1_answer_reply(a);
		if (e == H1_ANSWER_HEAD) {
			add(to, "%d %.*s\n", r->status, (int)r->reason.len, r->reason.p);
			note_fields(to, r->fields, r->field_count);
		} else if (e == H1_ANSWER_BODY) {
			assert_true(buf_append_view(to, h1_answer_data(a, &chunk)));
		} else if (e == H1_ANSWER_TRAILER) {
			note_fields(to, r->trailers, r->trailer_count);
		} else if (e == H1_ANSWER_END) {
			add(to, "\n");
			h1_answer_expect(a, (struct h1_asked){.head = heads[n++]});
		}
		view_skip(&in, used);
	} while (e != H1_ANSWER_MORE);
	h1_answer_free(a);
}

/* ---- making what goes in ---- */

struct maker {
	struct proxy_rig *rig; /* for its random numbers */
	struct buf wire, meaning;
	enum http_body_mode mode;
};

static unsigned rnd(struct maker *m, unsigned below)
{
	return proxy_rig_random(m->rig, below);
}

static void random_word(struct maker *m, const char *from, unsigned most, char *ret)
{
	unsigned n = 1 + rnd(m, most), i;

	for (i = 0; i < n; i++)
		ret[i] = from[rnd(m, (unsigned)strlen(from))];
	ret[i] = 0;
}

static void make_fields(struct maker *m, const char *end)
{
	static const char *const space[] = {"", " ", "\t", "  "};
	char name[20], value[60];

	for (unsigned i = rnd(m, 5); i; i--) {
		random_word(m, "abcXYZ019-!#$%&'*+.^_`|~", 15, name);
		random_word(m, "abc XYZ:\t,;=\"()<>@\x80\xff%{}", 50, value);
		struct view v = http_text_trim(view_make(value, strlen(value)));
		add(&m->wire, "x%s:%s%.*s%s\r\n", name, space[rnd(m, 4)], (int)v.len, v.p,
		    space[rnd(m, 4)]);
		add(&m->meaning, "x%s=%.*s\n", name, (int)v.len, v.p);
	}
	add(&m->wire, "%s", end);
}

static void mean_byte(struct maker *m, uint8_t c)
{
	if (m->mode == HTTP_BODY_SAME && c >= 'a' && c <= 'z')
		c = (uint8_t)(c - 'a' + 'A');
	assert_true(buf_append(&m->meaning, &c, 1));
	if (m->mode == HTTP_BODY_STREAM || m->mode == HTTP_BODY_WHOLE)
		assert_true(buf_append(&m->meaning, &c, 1));
}

static void make_content(struct maker *m, unsigned n)
{
	for (; n; n--) {
		uint8_t c = (uint8_t)rnd(m, 256);
		assert_true(buf_append(&m->wire, &c, 1));
		mean_byte(m, c);
	}
}

static unsigned some_length(struct maker *m)
{
	static const unsigned most[] = {2, 20, 300, 5000};

	return rnd(m, most[rnd(m, 4)]);
}

/* Trailers are lost where a length takes the chunks' place. */
static void make_chunks(struct maker *m)
{
	static const char *const size[] = {"%x\r\n", "%X\r\n", "%04x\r\n"};

	add(&m->wire, "Transfer-Encoding: chunked\r\n\r\n");
	for (unsigned i = rnd(m, 4); i; i--) {
		unsigned n = 1 + some_length(m);
		add(&m->wire, size[rnd(m, 3)], n);
		make_content(m, n);
		add(&m->wire, "\r\n");
	}
	add(&m->wire, "0\r\n");
	size_t len = m->meaning.len;
	make_fields(m, "\r\n");
	if (m->mode == HTTP_BODY_WHOLE)
		m->meaning.len = len;
}

static void make_body(struct maker *m)
{
	unsigned n = some_length(m);

	if (rnd(m, 3) == 0) {
		make_chunks(m);
		return;
	}
	add(&m->wire, "Content-Length: %u\r\n\r\n", n);
	make_content(m, n);
}

static bool make_request(struct maker *m)
{
	static const char *const method[] = {"GET", "HEAD", "POST", "PUT", "X-y!"};
	const char *name = method[rnd(m, 5)];
	char path[80];

	random_word(m, "abc/XYZ?&=%20:@;,.~{}|\"\x80\xff", 70, path);
	add(&m->wire, "%s /%s HTTP/1.1\r\nHost: a.example\r\n", name, path);
	add(&m->meaning, "%s /%s\nHost=a.example\n", name, path);
	make_fields(m, "");
	if (rnd(m, 2))
		make_body(m);
	else
		add(&m->wire, "\r\n");
	add(&m->meaning, "\n");
	return strcmp(name, "HEAD") == 0;
}

static void make_answer(struct maker *m, bool to_head)
{
	char reason[30];

	random_word(m, "abc XYZ\t\xff", 25, reason);
	while (rnd(m, 4) == 0) {
		add(&m->wire, "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n");
		add(&m->meaning, "103 Early\nLink=x\n");
	}
	unsigned status = rnd(m, 6) ? 200 + rnd(m, 4) : 304;
	add(&m->wire, "HTTP/1.1 %u %s\r\n", status, reason);
	add(&m->meaning, "%u %s\n", status, reason);
	make_fields(m, "");
	if (to_head || status == 304)
		add(&m->wire, rnd(m, 2) ? "Content-Length: 7\r\n\r\n" : "\r\n");
	else
		make_body(m);
	add(&m->meaning, "\n");
}

static void assert_same(const struct buf *got, const struct buf *want, unsigned round)
{
	struct view g = buf_view(got), w = buf_view(want);
	size_t i = 0;

	if (g.len == w.len && memcmp(g.p, w.p, g.len) == 0)
		return;
	while (i < g.len && i < w.len && g.p[i] == w.p[i])
		i++;
	fail_msg("round %u: %zu and %zu bytes, other from %zu on:\n%.*s\n---\n%.*s", round, g.len,
		 w.len, i, (int)(g.len - i < 300 ? g.len - i : 300), g.p + i,
		 (int)(w.len - i < 300 ? w.len - i : 300), w.p + i);
}

static void one_round(unsigned round)
{
	struct proxy_rig r = {.seed = round + 1, .random = round * 7919};
	struct maker q = {.rig = &r}, a = {.rig = &r};
	struct buf got = {0};
	bool heads[9] = {0};
	size_t end[8];

	r.slow = round % 2;
	r.many_waits = round % 3 == 0;
	r.early = round % 5 == 0;
	r.request_mode = q.mode = (enum http_body_mode)rnd(&q, 4);
	r.answer_mode = a.mode = (enum http_body_mode)rnd(&q, 4);
	r.answers = 1 + rnd(&q, 8);
	for (unsigned i = 0; i < r.answers; i++) {
		heads[i] = make_request(&q);
		make_answer(&a, heads[i]);
		end[i] = a.wire.len;
	}
	for (unsigned i = 0, from = 0; i < r.answers; from = (unsigned)end[i++])
		r.answer[i] = view_make(buf_view(&a.wire).p + from, end[i] - from);
	r.guest = buf_view(&q.wire);
	proxy_rig_run(&r, "http");
	requests_mean(buf_view(&r.out[HTTP_UPSTREAM]), &got);
	assert_same(&got, &q.meaning, round);
	buf_done(&got);
	answers_mean(buf_view(&r.out[HTTP_GUEST]), heads, &got);
	assert_same(&got, &a.meaning, round);
	/* What lies in an output is bounded: by the mark, a head, and one chunk that a hook made.
	 */
	assert_true(r.high[0] < 2 * HTTP_PROXY_HIGH + 20000);
	assert_true(r.high[1] < 2 * HTTP_PROXY_HIGH + 20000);
	buf_done(&got);
	buf_done(&q.wire);
	buf_done(&q.meaning);
	buf_done(&a.wire);
	buf_done(&a.meaning);
	proxy_rig_done(&r);
}

static void what_comes_out_means_what_went_in(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++)
		one_round(round);
}

/* ---- much ---- */

static void expect_output(struct http_proxy *p, enum http_side side, const char *want)
{
	struct view v = http_proxy_output(p, side);

	if (!http_text_is_exactly(v, want))
		fail_msg("%.*s\nis not\n%s", (int)v.len, v.p, want);
	http_proxy_sent(p, side, v.len);
}

static void ten_thousand_requests_on_one_connection(void **state)
{
	static const struct http_filter_ops none = {0};
	struct http_filter filter = {.ops = &none};
	struct http_proxy *p = http_proxy_h1_new(&filter, "https", NULL);
	char q[20000], a[20000];

	for (unsigned i = 0; i < 10000;) {
		size_t q_len = 0, a_len = 0;
		for (unsigned n = 1 + i % 17; n; n--, i++) {
			q_len += (size_t)snprintf(q + q_len, sizeof(q) - q_len,
						  "GET /%u HTTP/1.1\r\nHost: a.example\r\n\r\n", i);
			a_len += (size_t)snprintf(a + a_len, sizeof(a) - a_len,
						  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%5u",
						  i % 100000);
		}
		assert_int_equal(http_proxy_input(p, HTTP_GUEST, view_make(q, q_len)), q_len);
		assert_false(http_proxy_idle(p));
		expect_output(p, HTTP_UPSTREAM, q);
		assert_int_equal(http_proxy_input(p, HTTP_UPSTREAM, view_make(a, a_len)), a_len);
		expect_output(p, HTTP_GUEST, a);
		assert_true(http_proxy_idle(p));
	}
	http_proxy_free(p);
}

static void no_more_than_64_without_an_answer(void **state)
{
	static const struct http_filter_ops none = {0};
	static const char get[] = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	struct http_filter filter = {.ops = &none};
	struct http_proxy *p = http_proxy_h1_new(&filter, "https", NULL);
	struct view q = view_make(get, sizeof(get) - 1), a = view_make(ok, sizeof(ok) - 1);

	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(http_proxy_input(p, HTTP_GUEST, q), q.len);
	assert_int_equal(http_proxy_input(p, HTTP_GUEST, q), 0);
	assert_int_equal(http_proxy_output(p, HTTP_UPSTREAM).len, 64 * q.len);
	http_proxy_sent(p, HTTP_UPSTREAM, 64 * q.len);
	assert_int_equal(http_proxy_input(p, HTTP_UPSTREAM, a), a.len);
	assert_int_equal(http_proxy_input(p, HTTP_GUEST, q), q.len);
	assert_int_equal(http_proxy_input(p, HTTP_GUEST, q), 0);
	http_proxy_free(p);
}

static void outputs_hold_no_more_than_the_mark(void **state)
{
	static const struct http_filter_ops none = {0};
	static const char post[] =
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\n";
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
	static uint8_t bytes[1000000];
	struct http_filter filter = {.ops = &none};
	struct http_proxy *p = http_proxy_h1_new(&filter, "https", NULL);
	struct view in = view_make(bytes, sizeof(bytes));

	http_proxy_input(p, HTTP_GUEST, view_make(post, sizeof(post) - 1));
	size_t n = http_proxy_input(p, HTTP_GUEST, in);
	assert_int_equal(http_proxy_output(p, HTTP_UPSTREAM).len, HTTP_PROXY_HIGH);
	assert_int_equal(http_proxy_input(p, HTTP_GUEST, in), 0);
	http_proxy_sent(p, HTTP_UPSTREAM, 1000);
	n += http_proxy_input(p, HTTP_GUEST, in);
	assert_int_equal(n, HTTP_PROXY_HIGH + 1000 - (sizeof(post) - 1));
	http_proxy_input(p, HTTP_UPSTREAM, view_make(ok, sizeof(ok) - 1));
	http_proxy_input(p, HTTP_UPSTREAM, in);
	assert_int_equal(http_proxy_output(p, HTTP_GUEST).len, HTTP_PROXY_HIGH);
	assert_int_equal(http_proxy_input(p, HTTP_UPSTREAM, in), 0);
	http_proxy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_out_means_what_went_in),
		cmocka_unit_test(ten_thousand_requests_on_one_connection),
		cmocka_unit_test(no_more_than_64_without_an_answer),
		cmocka_unit_test(outputs_hold_no_more_than_the_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
