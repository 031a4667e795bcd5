// SPDX-License-Identifier: Apache-2.0
/*
 * Making the answers to refused requests. The body comes first, for its length is in the head.
 */
#include "http/deny.h"

#include <stdio.h>

#include "base/json.h"
#include "http/h2_frame.h"

/* Leaves room for every head. */
#define BODY_MAX 1536

static const char *status_text(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 405:
		return "Method Not Allowed";
	case 414:
		return "URI Too Long";
	case 417:
		return "Expectation Failed";
	case 421:
		return "Misdirected Request";
	case 431:
		return "Request Header Fields Too Large";
	case 502:
		return "Bad Gateway";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Refused";
	}
}

/* Where it does not fit, a second try leaves out what has no bound. */
static size_t make_body(const struct http_denial *d, uint8_t buf[BODY_MAX])
{
	const char *error = d->status == 403   ? "denied by policy"
			    : d->status == 502 ? "bad answer"
					       : "request refused";

	for (bool full = true;; full = false) {
		struct json j = json_make(buf, BODY_MAX - 1);
		json_object_begin(&j, NULL);
		json_text(&j, "error", error);
		json_text(&j, "reason", d->reason);
		if (full && d->rule)
			json_text(&j, "rule", d->rule);
		else
			json_nil(&j, "rule");
		if (full && d->name.len)
			json_text_n(&j, "name", (const char *)d->name.p, d->name.len);
		else
			json_nil(&j, "name");
		json_object_end(&j);
		if (j.out.overflow && full)
			continue;
		size_t n = j.out.overflow ? 0 : j.out.len;
		buf[n] = '\n';
		return n + 1;
	}
}

size_t http_deny_body(const struct http_denial *d, uint8_t buf[HTTP_DENY_MAX])
{
	return make_body(d, buf);
}

size_t http_deny_h1(const struct http_denial *d, uint8_t buf[HTTP_DENY_MAX])
{
	uint8_t body[BODY_MAX];
	size_t n = make_body(d, body);
	struct wbuf w = wbuf_make(buf, HTTP_DENY_MAX);
	char head[256];
	int len = snprintf(head, sizeof(head),
			   "HTTP/1.1 %d %s\r\n"
			   "Content-Type: application/json\r\n"
			   "Content-Length: %zu\r\n"
			   "Cache-Control: no-store\r\n"
			   "Connection: close\r\n\r\n",
			   d->status, status_text(d->status), n);

	wbuf_put_bytes(&w, head, (size_t)len);
	if (!d->head)
		wbuf_put_bytes(&w, body, n);
	return w.len;
}

/* ---- HTTP/2 ---- */

/* The static table's names (RFC 7541 A). */
enum {
	NAME_STATUS = 8,
	NAME_CACHE_CONTROL = 24,
	NAME_CONTENT_LENGTH = 28,
	NAME_CONTENT_TYPE = 31
};

/* An integer behind a prefix of some bits (RFC 7541 5.1); `first` holds the bits above. */
static void put_integer(struct wbuf *w, uint8_t first, unsigned bits, uint32_t v)
{
	uint32_t max = (1u << bits) - 1;

	if (v < max) {
		wbuf_put_u8(w, first | (uint8_t)v);
		return;
	}
	wbuf_put_u8(w, first | (uint8_t)max);
	for (v -= max; v >= 128; v >>= 7)
		wbuf_put_u8(w, (uint8_t)(v | 0x80));
	wbuf_put_u8(w, (uint8_t)v);
}

/* A literal without indexing (RFC 7541 6.2.2), the text as it is. */
static void put_field(struct wbuf *w, uint32_t name, const char *value)
{
	put_integer(w, 0x00, 4, name);
	put_integer(w, 0x00, 7, (uint32_t)strlen(value));
	wbuf_put_bytes(w, value, strlen(value));
}

static void put_frame(struct wbuf *w, uint8_t type, uint8_t flags, uint32_t stream, size_t len)
{
	wbuf_put_u8(w, (uint8_t)(len >> 16));
	wbuf_put_be16(w, (uint16_t)len);
	wbuf_put_u8(w, type);
	wbuf_put_u8(w, flags);
	wbuf_put_be32(w, stream);
}

static struct wbuf make_block(const struct http_denial *d, size_t body, uint32_t client_table,
			      uint8_t *buf, size_t cap)
{
	struct wbuf w = wbuf_make(buf, cap);
	char text[24];

	/* A client that wants a smaller table waits for the word that it is (RFC 7541 4.2). */
	if (client_table < H2_TABLE)
		put_integer(&w, 0x20, 5, client_table);
	snprintf(text, sizeof(text), "%d", d->status);
	put_field(&w, NAME_STATUS, text);
	put_field(&w, NAME_CONTENT_TYPE, "application/json");
	snprintf(text, sizeof(text), "%zu", body);
	put_field(&w, NAME_CONTENT_LENGTH, text);
	put_field(&w, NAME_CACHE_CONTROL, "no-store");
	return w;
}

size_t http_deny_h2(const struct http_denial *d, uint32_t stream, uint32_t client_table,
		    uint8_t buf[HTTP_DENY_MAX])
{
	uint8_t body[BODY_MAX], head[128];
	size_t n = make_body(d, body);
	struct wbuf block = make_block(d, n, client_table, head, sizeof(head));
	struct wbuf w = wbuf_make(buf, HTTP_DENY_MAX);

	put_frame(&w, H2_HEADERS, H2_END_HEADERS | (d->head ? H2_END_STREAM : 0), stream,
		  block.len);
	wbuf_put_bytes(&w, block.p, block.len);
	if (!d->head) {
		put_frame(&w, H2_DATA, H2_END_STREAM, stream, n);
		wbuf_put_bytes(&w, body, n);
	}
	return w.len;
}

size_t http_h2_settings(uint8_t buf[HTTP_DENY_MAX])
{
	struct wbuf w = wbuf_make(buf, HTTP_DENY_MAX);

	put_frame(&w, H2_SETTINGS, 0, 0, 0);
	return w.len;
}

size_t http_h2_goaway(uint32_t last_stream, uint8_t buf[HTTP_DENY_MAX])
{
	struct wbuf w = wbuf_make(buf, HTTP_DENY_MAX);

	put_frame(&w, H2_GOAWAY, 0, 0, 8);
	wbuf_put_be32(&w, last_stream);
	wbuf_put_be32(&w, 0); /* NO_ERROR, RFC 9113 7 */
	return w.len;
}
