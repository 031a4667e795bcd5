// SPDX-License-Identifier: Apache-2.0
/*
 * Denials are whole messages: their length is exact, their body is JSON whatever the guest wrote,
 * and one put into an HTTP/2 connection leaves its table of headers as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>
#include <nghttp2/nghttp2.h>

#include "http/deny.h"
#include "http/h1_watch.h"
#include "http/h2_frame.h"

static uint8_t buf[HTTP_DENY_MAX];

static struct http_denial denial(void)
{
	return (struct http_denial){.status = 403,
				    .reason = "rule",
				    .rule = "deny@b.example",
				    .name = view_make("b.example\r\n\x1b\"\0\xff", 14)};
}

static void assert_member(json_t *j, const char *key, const char *want)
{
	json_t *v = json_object_get(j, key);

	assert_non_null(v);
	if (want)
		assert_string_equal(json_string_value(v), want);
	else
		assert_true(json_is_null(v));
}

/* A body with these members and a line end. */
static void assert_body(const uint8_t *p, size_t n, const char *error, const char *rule)
{
	json_error_t err;
	json_t *j = json_loadb((const char *)p, n, JSON_ALLOW_NUL, &err);

	if (!j)
		fail_msg("%s: %.*s", err.text, (int)n, p);
	assert_int_equal(p[n - 1], '\n');
	assert_int_equal(json_object_size(j), 4);
	assert_member(j, "error", error);
	assert_member(j, "reason", "rule");
	assert_member(j, "rule", rule);
	assert_non_null(json_object_get(j, "name"));
	json_decref(j);
}

/* ---- HTTP/1 ---- */

/* The head's length, after our own reader has followed the answer to its end. */
static size_t read_answer(size_t n, const char *method, int status)
{
	struct h1_watch *w = h1_watch_new();
	struct h1_head head = {.method = view_make(method, strlen(method))};
	struct view v = view_make(buf, n);
	size_t at, used;

	h1_watch_request(w, &head);
	assert_int_equal(h1_watch_read(w, v, &at), H1_WATCH_ANSWER);
	assert_int_equal(h1_watch_answer(w)->status, status);
	view_skip(&v, at);
	assert_int_equal(h1_watch_read(w, v, &used), H1_WATCH_END);
	assert_int_equal(at + used, n);
	h1_watch_free(w);
	return at;
}

static void an_answer_of_http1_is_whole(void **state)
{
	struct http_denial d = denial();
	size_t n = http_deny_h1(&d, buf), head = read_answer(n, "GET", 403);

	assert_body(buf + head, n - head, "denied by policy", d.rule);
	assert_non_null(memmem(buf, head, "\r\nConnection: close\r\n", 21));
	assert_non_null(memmem(buf, head, "\r\nContent-Type: application/json\r\n", 34));
	assert_null(memmem(buf + head, n - head, "\x1b", 1));
	d.status = 431;
	d.rule = NULL;
	n = http_deny_h1(&d, buf);
	head = read_answer(n, "GET", 431);
	assert_body(buf + head, n - head, "request refused", NULL);
	d.head = true;
	n = http_deny_h1(&d, buf);
	assert_int_equal(read_answer(n, "HEAD", 431), n);
}

static void what_is_too_long_is_left_out(void **state)
{
	struct http_denial d = denial();
	static char name[5000];

	for (size_t i = 0; i <= sizeof(name); i += 100) {
		memset(name, i % 200 ? 'x' : '\x01', sizeof(name));
		d.name = view_make(name, i);
		size_t n = http_deny_h1(&d, buf), head = read_answer(n, "GET", 403);
		/* A byte of these is written as one, or as six. */
		bool fits = i * (i % 200 ? 1 : 6) < 1400;
		assert_body(buf + head, n - head, "denied by policy", fits ? d.rule : NULL);
	}
}

/* ---- HTTP/2 ---- */

static size_t decode(nghttp2_hd_inflater *inf, const uint8_t *p, size_t n, char *text, size_t cap)
{
	size_t at = 0;
	int flags;

	do {
		nghttp2_nv nv;
		flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(inf, &nv, &flags, p, n, 1);
		assert_true(used >= 0);
		p += used;
		n -= (size_t)used;
		if (flags & NGHTTP2_HD_INFLATE_EMIT)
			at += (size_t)snprintf(text + at, cap - at, "%s=%s ", nv.name, nv.value);
	} while (!(flags & NGHTTP2_HD_INFLATE_FINAL));
	nghttp2_hd_inflate_end_headers(inf);
	return at;
}

/* Checks HEADERS and DATA in `buf`; returns what the block says. */
static const char *read_h2(nghttp2_hd_inflater *inf, size_t n, uint32_t stream)
{
	static char text[500];
	struct h2_frame f = h2_frame_read(buf), data;

	assert_int_equal(f.type, H2_HEADERS);
	assert_int_equal(f.flags, H2_END_HEADERS);
	assert_int_equal(f.stream, stream);
	decode(inf, buf + H2_FRAME_HLEN, f.len, text, sizeof(text));
	size_t at = H2_FRAME_HLEN + f.len;
	data = h2_frame_read(buf + at);
	assert_int_equal(data.type, H2_DATA);
	assert_int_equal(data.flags, H2_END_STREAM);
	assert_int_equal(data.stream, stream);
	assert_int_equal(at + H2_FRAME_HLEN + data.len, n);
	assert_body(buf + at + H2_FRAME_HLEN, data.len, "denied by policy", "deny@b.example");
	return text;
}

static void an_answer_of_http2_leaves_the_table_alone(void **state)
{
	nghttp2_hd_deflater *server;
	nghttp2_hd_inflater *client;
	nghttp2_nv nv = {(uint8_t *)(uintptr_t) "server", (uint8_t *)(uintptr_t) "x", 6, 1, 0};
	struct http_denial d = denial();
	uint8_t block[100];
	char text[100], want[200];

	nghttp2_hd_deflate_new(&server, H2_TABLE);
	nghttp2_hd_inflate_new(&client);
	for (int i = 0; i < 3; i++) {
		ssize_t len = nghttp2_hd_deflate_hd(server, block, sizeof(block), &nv, 1);
		assert_true(len > 0 && (i == 0 || len == 1)); /* indexed from the second on */
		decode(client, block, (size_t)len, text, sizeof(text));
		assert_string_equal(text, "server=x ");
		size_t n = http_deny_h2(&d, 5, H2_TABLE, buf);
		size_t body = h2_frame_read(buf).len + H2_FRAME_HLEN;
		snprintf(want, sizeof(want),
			 ":status=403 content-type=application/json content-length=%u "
			 "cache-control=no-store ",
			 h2_frame_read(buf + body).len);
		assert_string_equal(read_h2(client, n, 5), want);
		assert_int_equal(nghttp2_hd_inflate_get_num_table_entries(client),
				 nghttp2_hd_deflate_get_num_table_entries(server));
	}
	nghttp2_hd_deflate_del(server);
	nghttp2_hd_inflate_del(client);
}

static void a_client_with_a_small_table_is_told_its_size(void **state)
{
	static const uint32_t size[] = {0, 30, 31, 4095, 65536};
	struct http_denial d = denial();

	for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		nghttp2_hd_inflater *client;
		nghttp2_hd_inflate_new(&client);
		assert_int_equal(nghttp2_hd_inflate_change_table_size(client, size[i]), 0);
		read_h2(client, http_deny_h2(&d, 1, size[i], buf), 1);
		/* And only then: an update would change a table that the server fills. */
		assert_int_equal((buf[H2_FRAME_HLEN] & 0xe0) == 0x20, size[i] < H2_TABLE);
		nghttp2_hd_inflate_del(client);
	}
}

static void frames_alone_are_as_the_rfc_says(void **state)
{
	struct http_denial d = denial();

	assert_int_equal(http_h2_settings(buf), 9);
	assert_memory_equal(buf, "\0\0\0\4\0\0\0\0\0", 9);
	assert_int_equal(http_h2_goaway(5, buf), 17);
	assert_memory_equal(buf, "\0\0\x8\7\0\0\0\0\0\0\0\0\5\0\0\0\0", 17);
	d.head = true;
	size_t n = http_deny_h2(&d, 3, H2_TABLE, buf);
	struct h2_frame f = h2_frame_read(buf);
	assert_int_equal(f.flags, H2_END_HEADERS | H2_END_STREAM);
	assert_int_equal(n, H2_FRAME_HLEN + f.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_of_http1_is_whole),
		cmocka_unit_test(what_is_too_long_is_left_out),
		cmocka_unit_test(an_answer_of_http2_leaves_the_table_alone),
		cmocka_unit_test(a_client_with_a_small_table_is_told_its_size),
		cmocka_unit_test(frames_alone_are_as_the_rfc_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
