// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2: requests in any frames, the rules of frames and fields, and the table of headers that
 * follows the server's SETTINGS. Blocks are made by nghttp2's encoder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "http/h2_frame.h"
#include "http/http_rig.h"

/* ---- making streams ---- */

static uint8_t stream_buf[1 << 20];
static struct wbuf out;
static nghttp2_hd_deflater *deflater;

static void begin(void)
{
	if (deflater)
		nghttp2_hd_deflate_del(deflater);
	nghttp2_hd_deflate_new(&deflater, H2_TABLE);
	out = wbuf_make(stream_buf, sizeof(stream_buf));
}

static void put_frame(uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
	uint8_t head[H2_FRAME_HLEN] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type,
				       flags};

	put_be32(head + 5, stream);
	wbuf_put_bytes(&out, head, sizeof(head));
	wbuf_put_bytes(&out, p, n);
	assert_false(out.overflow);
}

static void begin_connection(void)
{
	begin();
	wbuf_put_bytes(&out, HTTP_H2_PREFACE, HTTP_H2_PREFACE_LEN);
	put_frame(H2_SETTINGS, 0, 0, "", 0);
}

/* "name: value\n..." as a block; returns its length. */
static size_t make_block(const char *fields, uint8_t *buf, size_t cap)
{
	nghttp2_nv nv[40];
	size_t n = 0;

	while (*fields) {
		const char *end = strchr(fields, '\n'), *sep = strstr(fields + 1, ": ");
		assert_true(end && sep && n < 40);
		nv[n++] = (nghttp2_nv){(uint8_t *)(uintptr_t)fields, (uint8_t *)(uintptr_t)sep + 2,
				       (size_t)(sep - fields), (size_t)(end - sep - 2),
				       NGHTTP2_NV_FLAG_NONE};
		fields = end + 1;
	}
	ssize_t len = nghttp2_hd_deflate_hd(deflater, buf, cap, nv, n);
	assert_true(len >= 0);
	return (size_t)len;
}

static void put_headers(uint32_t stream, uint8_t flags, const char *fields)
{
	uint8_t block[4096];

	put_frame(H2_HEADERS, flags | H2_END_HEADERS, stream, block,
		  make_block(fields, block, sizeof(block)));
}

static struct view made(void)
{
	return view_make(out.p, out.len);
}

#define GET   ":method: GET\n:scheme: http\n:path: /\n"
#define GET_A GET ":authority: a.example\n"

/* ---- what came of them ---- */

static void assert_read(const char *want, size_t want_passed)
{
	static struct rig_log l;
	size_t step = made().len > 2000 ? made().len / 500 : 1;

	for (size_t i = 0; i <= made().len; i += step) {
		struct h2 *h = h2_new();
		rig_h2(h, made(), (struct rig_cut){.first = i, .each = i ? 0 : 1}, &l);
		h2_free(h);
		if (strcmp(l.text, want) != 0 || (want_passed && l.passed != want_passed))
			fail_msg("cut at %zu\ngives  %s (%zu)\nwanted %s (%zu)", i, l.text,
				 l.passed, want, want_passed);
	}
}

/* A request of these fields alone. */
static void assert_fields(const char *fields, const char *want)
{
	begin_connection();
	size_t before = out.len;
	put_headers(1, H2_END_STREAM, fields);
	assert_read(want, want[0] == '!' ? before : out.len);
}

static void requests_are_shown_one_by_one(void **state)
{
	begin_connection();
	put_headers(1, H2_END_STREAM, GET_A "user-agent: x\n");
	put_frame(H2_WINDOW_UPDATE, 0, 0, "\0\0\1\0", 4);
	put_headers(3, 0, GET_A "user-agent: x\n");
	put_frame(H2_DATA, H2_PADDED, 3, "\1hello\0", 7);
	put_headers(7, 0, GET ":authority: B.example:8080\nte: trailers\n");
	put_frame(0x42, 0xff, 99, "unknown", 7);
	put_frame(H2_DATA, H2_END_STREAM, 7, "", 0);
	put_headers(3, H2_END_STREAM, "x-sum: 1\n");
	put_frame(H2_PRIORITY, 0, 9, "\0\0\0\0\0", 5);
	put_frame(H2_RST_STREAM, 0, 3, "\0\0\0\0", 4);
	put_frame(H2_PING, H2_ACK, 0, "12345678", 8);
	put_frame(H2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0x", 9);
	assert_read("#1 GET / a.example #3 GET / a.example #7 GET / b.example|8080", out.len);
}

static void blocks_come_in_parts_with_padding_and_priority(void **state)
{
	uint8_t block[200], frame[300];

	begin_connection();
	size_t n = make_block(GET_A "x: 0123456789\n", block, sizeof(block));
	frame[0] = 3;
	put_be32(frame + 1, 0x80000000);
	frame[5] = 200;
	memcpy(frame + 6, block, 2);
	memset(frame + 8, 0, 3);
	put_frame(H2_HEADERS, H2_PADDED | H2_WITH_PRIORITY | H2_END_STREAM, 1, frame, 11);
	put_frame(H2_CONTINUATION, 0, 1, "", 0);
	put_frame(H2_CONTINUATION, 0, 1, block + 2, n - 3);
	put_frame(H2_CONTINUATION, H2_END_HEADERS, 1, block + n - 1, 1);
	assert_read("#1 GET / a.example", out.len);
	/* Padding behind a block that is whole is part of what is held back. */
	begin_connection();
	size_t before = out.len;
	n = make_block(GET_A, block, sizeof(block));
	frame[0] = 250;
	memcpy(frame + 1, block, n);
	put_frame(H2_HEADERS, H2_PADDED | H2_END_HEADERS, 1, frame, n + 1 + 250);
	out.len--;
	assert_read("", before);
	out.len++;
	assert_read("#1 GET / a.example", out.len);
	/* More padding than there is room for, and as much as there is. */
	begin_connection();
	put_frame(H2_HEADERS, H2_PADDED | H2_END_HEADERS, 1, "\2\0", 2);
	assert_read("!a frame is shorter than its padding", before);
	begin_connection();
	put_frame(H2_HEADERS, H2_PADDED, 1, "\1\0", 2);
	put_frame(H2_CONTINUATION, H2_END_HEADERS, 1, block, n);
	assert_read("#1 GET / a.example", out.len);
}

static void an_authority_has_one_reading(void **state)
{
	assert_fields(GET_A "host: A.example:80\n", "#1 GET / a.example");
	assert_fields(GET "host: a.example\n", "#1 GET / a.example");
	assert_fields(GET "x: y\n", "#1 GET / -");
	assert_fields(":method: GET\n:scheme: https\n:path: /\n:authority: a.example\n"
		      "host: a.example:443\n",
		      "#1 GET / a.example");
	assert_fields(GET_A "host: b.example\n", "!Host is another host than the authority");
	assert_fields(GET_A "host: a.example:443\n", "!Host is another host than the authority");
	assert_fields(GET_A "host: a.example\nhost: a.example\n", "!more than one Host field");
	assert_fields(GET_A ":authority: a.example\n", "!a pseudo-header field stands twice");
	assert_fields(GET_A "x: y\n:authority: a.example\n",
		      "!a pseudo-header field at a wrong place");
	assert_fields(GET ":authority: u@a.example\n", "!the authority cannot be read");
	assert_fields(GET ":authority: \n", "!a pseudo-header field is empty");
	assert_fields(GET "host: \n", "!the Host field cannot be read");
}

static void requests_have_their_form(void **state)
{
	assert_fields(":method: OPTIONS\n:scheme: http\n:path: *\n:authority: a\n",
		      "#1 OPTIONS * a");
	assert_fields(":method: CONNECT\n:authority: a.example:443\n", "#1 CONNECT  a.example|443");
	assert_fields(":method: CONNECT\n:authority: a.example\n",
		      "!CONNECT wants a host and a port");
	assert_fields(":method: CONNECT\nhost: a.example:443\n", "!CONNECT without an authority");
	assert_fields(":method: CONNECT\n:path: /\n:authority: a.example:443\n",
		      "!CONNECT with a scheme or a path");
	assert_fields(":method: CONNECT\n:protocol: websocket\n:scheme: http\n:path: /x\n"
		      ":authority: a.example\n",
		      "#1 CONNECT /x a.example");
	assert_fields(GET_A ":protocol: websocket\n", "!:protocol without CONNECT");
	assert_fields(GET_A ":status: 200\n", "!an unknown pseudo-header field");
	assert_fields(":method: GET\n:path: /\n:authority: a\n",
		      "!a request without a scheme or a path");
	assert_fields(":scheme: http\n:path: /\n:authority: a\n",
		      "!the method is no token of 64 characters at most");
	assert_fields(":method: connect\n:authority: a:1\n", "!the method is in lower case");
	assert_fields(":method: GET\n:scheme: http\n:path: *\n:authority: a\n",
		      "!the path does not begin with a slash");
	assert_fields(":method: GET\n:scheme: http\n:path: /a#b\n:authority: a\n",
		      "!a character in the path is not allowed");
	assert_fields(":method: GET\n:scheme: ftp\n:path: /\n:authority: a\n",
		      "!the scheme is neither http nor https");
}

static void odd_fields_are_refused(void **state)
{
	assert_fields(GET_A "Host: a.example\n", "!an upper-case letter in a field's name");
	assert_fields(GET_A "x y: a\n", "!a character in a field's name is not allowed");
	assert_fields(GET_A "x: a\rb\n", "!a control character in a field");
	assert_fields(GET_A "connection: close\n", "!a field that belongs into HTTP/1");
	assert_fields(GET_A "transfer-encoding: chunked\n", "!a field that belongs into HTTP/1");
	assert_fields(GET_A "te: gzip\n", "!a field that belongs into HTTP/1");
	assert_fields(GET_A "content-length: 17\nte: Trailers\n", "#1 GET / a.example");
	assert_fields(GET_A "content-length: 1, 1\n",
		      "!the Content-Length is not one plain number");
	assert_fields(GET_A "content-length: 1\ncontent-length: 1\n",
		      "!the Content-Length is not one plain number");
}

static void trailers_name_no_host(void **state)
{
	begin_connection();
	put_headers(5, 0, GET_A);
	size_t before = out.len;
	put_headers(5, H2_END_STREAM, ":authority: b.example\n");
	assert_read("#5 GET / a.example !a pseudo-header field at a wrong place", before);
	/* A number below the highest begins no stream. */
	begin_connection();
	put_headers(5, 0, GET_A);
	put_headers(3, H2_END_STREAM, GET_A);
	assert_read("#5 GET / a.example !a pseudo-header field at a wrong place", before);
	begin_connection();
	put_headers(5, 0, GET_A);
	put_headers(5, H2_END_STREAM, "host: b.example\n");
	assert_read("#5 GET / a.example !a trailer field that belongs into the head", before);
	begin_connection();
	put_headers(5, 0, GET_A);
	put_headers(5, H2_END_STREAM, "content-length: 0\n");
	assert_read("#5 GET / a.example !a trailer field that belongs into the head", before);
	begin_connection();
	put_headers(5, 0, GET_A);
	put_headers(5, 0, "x: y\n");
	assert_read("#5 GET / a.example !trailers that do not end their stream", before);
}

/* ---- frames ---- */

/* One frame behind the beginning of a connection with stream 1 open. */
static void assert_frame(uint8_t type, uint8_t flags, uint32_t stream, size_t len, const char *want)
{
	static uint8_t zero[70000];
	char text[200];

	begin_connection();
	put_headers(1, 0, GET_A);
	put_frame(type, flags, stream, zero, len);
	snprintf(text, sizeof(text), "#1 GET / a.example%s%s", want[0] ? " " : "", want);
	assert_read(text, want[0] ? 0 : out.len);
}

static void frames_have_their_form(void **state)
{
	static const char form[] = "!a frame has a wrong length or stream";
	static const char block[] = "!a header block is interrupted, or goes on without beginning";
	static const char large[] = "!a frame is larger than the server allows";

	assert_frame(H2_DATA, 0, 1, 16384, "");
	assert_frame(H2_DATA, 0, 1, 16385, large);
	assert_frame(0x42, 0, 1, 16385, large);
	assert_frame(H2_DATA, 0, 0, 1, form);
	assert_frame(H2_DATA, 0, 3, 1, "!data on a stream that has not begun");
	assert_frame(H2_DATA, 0, 2, 1, "!data on a stream that has not begun");
	assert_frame(H2_HEADERS, H2_END_HEADERS, 0, 1, form);
	assert_frame(H2_HEADERS, H2_END_HEADERS, 2, 1,
		     "!a client begins a stream with an even number");
	assert_frame(H2_HEADERS, H2_END_HEADERS | H2_PADDED, 3, 0,
		     "!a frame is too short for its flags");
	assert_frame(H2_HEADERS, H2_END_HEADERS | H2_WITH_PRIORITY, 3, 4,
		     "!a frame is too short for its flags");
	assert_frame(H2_HEADERS, H2_END_HEADERS, 3, 1, "!a header block cannot be decoded");
	assert_frame(H2_PRIORITY, 0, 1, 4, form);
	assert_frame(H2_RST_STREAM, 0, 1, 5, form);
	assert_frame(H2_RST_STREAM, 0, 0, 4, form);
	assert_frame(H2_SETTINGS, 0, 0, 5, form);
	assert_frame(H2_SETTINGS, 0, 1, 6, form);
	assert_frame(H2_SETTINGS, H2_ACK, 0, 6, form);
	assert_frame(H2_SETTINGS, 0, 0, 60, "");
	assert_frame(H2_PING, 0, 0, 7, form);
	assert_frame(H2_GOAWAY, 0, 0, 7, form);
	assert_frame(H2_WINDOW_UPDATE, 0, 0, 5, form);
	assert_frame(H2_CONTINUATION, H2_END_HEADERS, 1, 0, block);
	assert_frame(H2_PUSH_PROMISE, H2_END_HEADERS, 1, 4, "!a client that pushes");
	assert_frame(H2_SETTINGS, H2_ACK, 0, 0, "!SETTINGS acknowledged that were not sent");
}

static void nothing_comes_between_the_parts_of_a_block(void **state)
{
	static const char want[] = "!a header block is interrupted, or goes on without beginning";
	static const struct h2_frame next[] = {
		{0, H2_DATA, 0, 1},         {0, H2_HEADERS, H2_END_HEADERS, 3},
		{0, H2_CONTINUATION, 0, 3}, {0, 0x42, 0, 1},
		{0, H2_SETTINGS, 0, 0},
	};
	uint8_t block[200];

	for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		begin_connection();
		size_t before = out.len;
		put_frame(H2_HEADERS, 0, 1, block, make_block(GET_A, block, sizeof(block)));
		put_frame(next[i].type, next[i].flags, next[i].stream, "", 0);
		assert_read(want, before);
	}
}

static void a_connection_begins_with_preface_and_settings(void **state)
{
	begin();
	wbuf_put_bytes(&out, "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", 24);
	assert_read("!no preface of HTTP/2", 0);
	begin();
	wbuf_put_bytes(&out, HTTP_H2_PREFACE, HTTP_H2_PREFACE_LEN);
	put_headers(1, 0, GET_A);
	assert_read("!the first frame is no SETTINGS", HTTP_H2_PREFACE_LEN);
	begin();
	wbuf_put_bytes(&out, HTTP_H2_PREFACE, HTTP_H2_PREFACE_LEN);
	put_frame(H2_SETTINGS, H2_ACK, 0, "", 0);
	assert_read("!the first frame is no SETTINGS", HTTP_H2_PREFACE_LEN);
}

/* ---- limits ---- */

static void blocks_are_bounded(void **state)
{
	uint8_t block[200];
	char fields[8000];

	begin_connection();
	put_frame(H2_HEADERS, 0, 1, block, make_block(GET_A, block, sizeof(block)));
	for (int i = 1; i < H2_BLOCK_FRAMES; i++)
		put_frame(H2_CONTINUATION, i == H2_BLOCK_FRAMES - 1 ? H2_END_HEADERS : 0, 1, "", 0);
	assert_read("#1 GET / a.example", out.len);

	begin_connection();
	put_frame(H2_HEADERS, 0, 1, block, make_block(GET_A, block, sizeof(block)));
	for (int i = 1; i <= H2_BLOCK_FRAMES; i++)
		put_frame(H2_CONTINUATION, 0, 1, "", 0);
	assert_read("!a header block is too large", 0);

	begin_connection();
	uint8_t *literals = calloc(1, H2_FRAME_MAX);
	for (size_t i = 0; i + 3 <= H2_FRAME_MAX; i += 4) /* "x: ", not indexed */
		memcpy(literals + i, "\x00\x01x\x00", 4);
	for (int i = 0; i < 5; i++)
		put_frame(i ? H2_CONTINUATION : H2_HEADERS, 0, 1, literals, H2_FRAME_MAX);
	assert_read("!too many fields", 0);
	free(literals);

	/* Few bytes that stand for many: a long entry of the table, again and again. */
	begin_connection();
	size_t n = (size_t)snprintf(fields, sizeof(fields), GET_A "x: ");
	memset(fields + n, 'y', 3000);
	strcpy(fields + n + 3000, "\n");
	put_headers(1, H2_END_STREAM, fields);
	uint8_t bomb[64];
	memset(bomb, 0x80 | 62, sizeof(bomb));
	put_frame(H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 3, bomb, sizeof(bomb));
	assert_read("#1 GET / a.example !too many fields", 0);
}

/* ---- the server's side ---- */

static void server_says(struct h2 *h, uint8_t type, uint8_t flags, const void *p, size_t n,
			bool want)
{
	uint8_t frame[200] = {0, 0, (uint8_t)n, type, flags};
	size_t gap;

	memcpy(frame + H2_FRAME_HLEN, p, n);
	assert_int_equal(h2_read_server(h, view_make(frame, H2_FRAME_HLEN + n), &gap), want);
	if (want)
		assert_int_equal(gap, H2_FRAME_HLEN + n);
}

static void client_says(struct h2 *h, const char *want)
{
	static struct rig_log l;

	rig_h2(h, made(), (struct rig_cut){0}, &l);
	assert_string_equal(l.text, want);
	out.len = 0;
}

static const uint8_t table_0[] = {0, 1, 0, 0, 0, 0};
static const uint8_t table_8192[] = {0, 1, 0, 0, 0x20, 0};
static const uint8_t table_1m[] = {0, 1, 0, 0x10, 0, 0};

static void the_table_follows_acknowledged_settings(void **state)
{
	struct h2 *h = h2_new();

	begin_connection();
	put_headers(1, 0, GET_A "x: y\n");
	client_says(h, "#1 GET / a.example");
	server_says(h, H2_SETTINGS, 0, table_0, 6, true);
	/* Not acknowledged: the old entries count. */
	put_headers(3, 0, GET_A "x: y\n");
	client_says(h, "#3 GET / a.example");
	put_frame(H2_SETTINGS, H2_ACK, 0, "", 0);
	nghttp2_hd_deflate_change_table_size(deflater, 0);
	put_headers(5, 0, GET_A "x: y\n");
	client_says(h, "#5 GET / a.example");
	server_says(h, H2_SETTINGS, 0, table_8192, 6, true);
	put_frame(H2_SETTINGS, H2_ACK, 0, "", 0);
	/* The encoder of the tests was made for 4096: the update is written by hand. */
	put_frame(H2_HEADERS, H2_END_HEADERS, 7,
		  "\x3f\xe1\x3f\x82\x84\x86\x41\x01"
		  "b",
		  9);
	client_says(h, "#7 GET / b");
	put_frame(H2_SETTINGS, H2_ACK, 0, "", 0);
	client_says(h, "!SETTINGS acknowledged that were not sent");
	h2_free(h);
}

static void settings_without_a_table_leave_it_alone(void **state)
{
	static const uint8_t streams[] = {0, 3, 0, 0, 0, 100};
	struct h2 *h = h2_new();

	begin_connection();
	put_headers(1, 0, GET_A "x: y\n");
	client_says(h, "#1 GET / a.example");
	server_says(h, H2_SETTINGS, 0, streams, 6, true);
	put_frame(H2_SETTINGS, H2_ACK, 0, "", 0);
	put_headers(3, 0, GET_A "x: y\n");
	client_says(h, "#3 GET / a.example");
	h2_free(h);
}

static void the_clients_own_table_is_known(void **state)
{
	struct h2 *h = h2_new();

	begin_connection();
	client_says(h, "");
	assert_int_equal(h2_client_table(h), H2_TABLE);
	put_frame(H2_SETTINGS, 0, 0, "\0\1\0\0\1\0\0\3\0\0\0\7", 12);
	client_says(h, "");
	assert_int_equal(h2_client_table(h), 256);
	h2_free(h);
}

static void a_client_that_ignores_a_smaller_table_is_refused(void **state)
{
	struct h2 *h = h2_new();

	begin_connection();
	put_headers(1, 0, GET_A "x: y\n");
	client_says(h, "#1 GET / a.example");
	server_says(h, H2_SETTINGS, 0, table_0, 6, true);
	put_frame(H2_SETTINGS, H2_ACK, 0, "", 0);
	put_headers(3, 0, GET_A "x: y\n");
	client_says(h, "!a header block cannot be decoded");
	h2_free(h);
}

/* Small and large again in one SETTINGS: the table is empty, and the client says so. */
static void the_smallest_table_in_one_settings_counts(void **state)
{
	static const uint8_t down_and_up[] = {0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0x10, 0};

	for (int told = 0; told < 2; told++) {
		struct h2 *h = h2_new();
		begin_connection();
		put_headers(1, 0, GET_A "x: y\n");
		client_says(h, "#1 GET / a.example");
		server_says(h, H2_SETTINGS, 0, down_and_up, 12, true);
		put_frame(H2_SETTINGS, H2_ACK, 0, "", 0);
		if (told) {
			nghttp2_hd_deflate_change_table_size(deflater, 0);
			nghttp2_hd_deflate_change_table_size(deflater, H2_TABLE);
		}
		put_headers(3, 0, GET_A "x: y\n");
		client_says(h, told ? "#3 GET / a.example" : "!a header block cannot be decoded");
		h2_free(h);
	}
}

static void a_table_larger_than_ours_is_refused_when_it_is_used(void **state)
{
	static const struct {
		const char *update; /* the table's size, then GET / of b */
		size_t n;
		const char *want;
	} t[] = {
		{"\x3f\xe1\xff\x03\x82\x84\x86\x41\x01"
		 "b",
		 10, "#1 GET / b"}, /* 65536 */
		{"\x3f\xe2\xff\x03\x82\x84\x86\x41\x01"
		 "b",
		 10, "!a header block cannot be decoded"},
	};
	for (size_t i = 0; i < 2; i++) {
		struct h2 *h = h2_new();
		begin_connection();
		client_says(h, "");
		server_says(h, H2_SETTINGS, 0, table_1m, 6, true);
		put_frame(H2_SETTINGS, H2_ACK, 0, "", 0);
		put_frame(H2_HEADERS, H2_END_HEADERS, 1, t[i].update, t[i].n);
		client_says(h, t[i].want);
		h2_free(h);
	}
}

static void a_larger_frame_is_allowed_by_the_server(void **state)
{
	static const uint8_t frame_32k[] = {0, 5, 0, 0, 0x80, 0, 0, 4,    0x7f,
					    0, 0, 0, 0, 5,    0, 0, 0x40, 0};
	static uint8_t data[32769];
	struct h2 *h = h2_new();

	begin_connection();
	put_headers(1, 0, GET_A);
	client_says(h, "#1 GET / a.example");
	server_says(h, H2_SETTINGS, 0, frame_32k, sizeof(frame_32k), true);
	put_frame(H2_DATA, 0, 1, data, 32768);
	client_says(h, "");
	put_frame(H2_DATA, 0, 1, data, 32769);
	client_says(h, "!a frame is larger than the server allows");
	h2_free(h);
}

static void settings_that_are_not_acknowledged_are_bounded(void **state)
{
	struct h2 *h = h2_new();

	for (int i = 0; i < H2_SETTINGS_MAX; i++)
		server_says(h, H2_SETTINGS, 0, table_0, 6, true);
	server_says(h, H2_SETTINGS, 0, table_0, 6, false);
	server_says(h, H2_SETTINGS, H2_ACK, "", 0, false); /* final */
	h2_free(h);
}

/* For each beginning of the server's bytes: where a frame of ours may be put in. */
static void gaps_lie_between_frames_and_outside_of_blocks(void **state)
{
	static const uint8_t in[] = {
		0, 0, 6, H2_SETTINGS,     0, 0, 0, 0, 0, 0,    3,   0, 0, 0, 100, /* 0..15 */
		0, 0, 1, H2_HEADERS,      0, 0, 0, 0, 1, 0x88,                    /* 15..25 */
		0, 0, 0, H2_CONTINUATION, 4, 0, 0, 0, 1,                          /* 25..34 */
		0, 0, 2, H2_DATA,         0, 0, 0, 0, 1, 'h',  'i',               /* 34..45 */
	};
	for (size_t n = 0; n <= sizeof(in); n++) {
		struct h2 *h = h2_new();
		size_t gap, want = n < 15 ? 0 : n < 34 ? 15 : n < 45 ? 34 : 45;
		assert_true(h2_read_server(h, view_make(in, n), &gap));
		assert_int_equal(gap, want);
		assert_int_equal(h2_server_began(h), n >= 15);
		assert_true(h2_read_server(h, view_make(in + n, 0), &gap));
		assert_int_equal(gap, want == n ? 0 : H2_NO_GAP);
		h2_free(h);
	}
}

static void a_server_of_another_protocol_cannot_be_followed(void **state)
{
	static const char in[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	struct h2 *h = h2_new();
	size_t gap;

	assert_false(h2_read_server(h, view_make(in, sizeof(in) - 1), &gap));
	h2_free(h);
	static const uint8_t begin_bad[][H2_FRAME_HLEN] = {
		{0, 0, 0, H2_SETTINGS, H2_ACK, 0, 0, 0, 0},
		{0, 0, 0, H2_SETTINGS, 0, 0, 0, 0, 1},
		{0, 0, 5, H2_SETTINGS, 0, 0, 0, 0, 0},
	};
	for (size_t i = 0; i < sizeof(begin_bad) / sizeof(begin_bad[0]); i++) {
		h = h2_new();
		assert_false(h2_read_server(h, view_make(begin_bad[i], H2_FRAME_HLEN), &gap));
		h2_free(h);
	}
	/* A block that is interrupted, and one that goes on without a beginning. */
	static const uint8_t block[] = {0, 0, 0, H2_HEADERS, 0, 0, 0, 0, 1};
	h = h2_new();
	server_says(h, H2_SETTINGS, 0, "", 0, true);
	assert_true(h2_read_server(h, view_make(block, sizeof(block)), &gap));
	server_says(h, H2_PING, 0, "12345678", 8, false);
	h2_free(h);
	h = h2_new();
	server_says(h, H2_SETTINGS, 0, "", 0, true);
	server_says(h, H2_CONTINUATION, H2_END_HEADERS, "", 0, false);
	h2_free(h);
	h = h2_new();
	server_says(h, H2_PING, 0, "12345678", 8, false);
	h2_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_shown_one_by_one),
		cmocka_unit_test(blocks_come_in_parts_with_padding_and_priority),
		cmocka_unit_test(an_authority_has_one_reading),
		cmocka_unit_test(requests_have_their_form),
		cmocka_unit_test(odd_fields_are_refused),
		cmocka_unit_test(trailers_name_no_host),
		cmocka_unit_test(frames_have_their_form),
		cmocka_unit_test(nothing_comes_between_the_parts_of_a_block),
		cmocka_unit_test(a_connection_begins_with_preface_and_settings),
		cmocka_unit_test(blocks_are_bounded),
		cmocka_unit_test(the_table_follows_acknowledged_settings),
		cmocka_unit_test(settings_without_a_table_leave_it_alone),
		cmocka_unit_test(the_clients_own_table_is_known),
		cmocka_unit_test(a_client_that_ignores_a_smaller_table_is_refused),
		cmocka_unit_test(the_smallest_table_in_one_settings_counts),
		cmocka_unit_test(a_table_larger_than_ours_is_refused_when_it_is_used),
		cmocka_unit_test(a_larger_frame_is_allowed_by_the_server),
		cmocka_unit_test(settings_that_are_not_acknowledged_are_bounded),
		cmocka_unit_test(gaps_lie_between_frames_and_outside_of_blocks),
		cmocka_unit_test(a_server_of_another_protocol_cannot_be_followed),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	nghttp2_hd_deflate_del(deflater);
	return rc;
}
