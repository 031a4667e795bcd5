// SPDX-License-Identifier: Apache-2.0
/*
 * Writing heads. The room for a head is reserved once, by the sum of its parts; then they are
 * copied one behind the other.
 */
#include "http/h1_write.h"

#include <stdio.h>

#include "http/text.h"

/* More than what is written beside the fields and the parts of the first line. */
#define SPARE 160

struct pen {
	uint8_t *at;
};

static void put(struct pen *pen, const void *p, size_t n)
{
	if (n)
		memcpy(pen->at, p, n);
	pen->at += n;
}

static void put_view(struct pen *pen, struct view v)
{
	put(pen, v.p, v.len);
}

static void put_text(struct pen *pen, const char *s)
{
	put(pen, s, strlen(s));
}

static void put_field(struct pen *pen, struct view name, struct view value)
{
	put_view(pen, name);
	put(pen, ": ", 2);
	put_view(pen, value);
	put(pen, "\r\n", 2);
}

/* ---- what may be written ---- */

/* It lies in the part of the text that a reader has looked at. */
static bool was_read(const struct http_fields *f, size_t read_len, struct view v)
{
	return f->text && v.p >= f->text && v.p + v.len <= f->text + read_len;
}

static bool is_token(struct view v)
{
	return v.len && http_token_len(v) == v.len;
}

/* Every part can be written; *ret_len is the sum of the fields. */
static bool fields_fit(const struct http_fields *f, size_t read_len, size_t *ret_len)
{
	size_t len = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct http_field *field = f->list + i;
		if ((!was_read(f, read_len, field->name) && !is_token(field->name)) ||
		    (!was_read(f, read_len, field->value) && !http_value_clean(field->value)))
			return false;
		len += field->name.len + field->value.len + 4;
	}
	*ret_len = len;
	return true;
}

/* ---- fields ---- */

enum kind {
	KIND_OTHER,
	KIND_FRAMING, /* Content-Length, Transfer-Encoding */
	KIND_CONNECTION,
	KIND_TRAILER,
};

/* The length alone rules most of them out. */
static enum kind kind_of(struct view name)
{
	switch (name.len) {
	case 7:
		return http_text_is(name, "trailer") ? KIND_TRAILER : KIND_OTHER;
	case 10:
		return http_text_is(name, "connection") ? KIND_CONNECTION : KIND_OTHER;
	case 14:
		return http_text_is(name, "content-length") ? KIND_FRAMING : KIND_OTHER;
	case 17:
		return http_text_is(name, "transfer-encoding") ? KIND_FRAMING : KIND_OTHER;
	default:
		return KIND_OTHER;
	}
}

/* The name as it stood there, where it is the same field. */
static void put_framing(struct pen *pen, const struct h1_writing *w, struct view was)
{
	char number[24];

	if (w->framing == H1_CHUNKED) {
		put_field(pen, was.len == 17 ? was : view_make("Transfer-Encoding", 17),
			  view_make("chunked", 7));
	} else if (w->framing == H1_LENGTH) {
		int n = snprintf(number, sizeof(number), "%llu", (unsigned long long)w->length);
		put_field(pen, was.len == 14 ? was : view_make("Content-Length", 14),
			  view_make(number, (size_t)n));
	}
}

static void put_close(struct pen *pen, struct view was)
{
	put_field(pen, was.len ? was : view_make("Connection", 10), view_make("close", 5));
}

static void put_fields(struct pen *pen, const struct http_fields *f, const struct h1_writing *w)
{
	bool framed = false, closed = !w->close;

	for (size_t i = 0; i < f->count; i++) {
		const struct http_field *field = f->list + i;
		enum kind kind = kind_of(field->name);
		if (kind == KIND_FRAMING && !(w->framing == H1_NO_BODY && w->keep_framing)) {
			if (!framed)
				put_framing(pen, w, field->name);
			framed = true;
		} else if (kind == KIND_CONNECTION && w->close) {
			if (!closed)
				put_close(pen, field->name);
			closed = true;
		} else if (kind != KIND_TRAILER || w->framing == H1_CHUNKED) {
			put_field(pen, field->name, field->value);
		}
	}
	if (!framed)
		put_framing(pen, w, (struct view){0});
	if (!closed)
		put_close(pen, (struct view){0});
	put(pen, "\r\n", 2);
}

/* ---- heads ---- */

bool h1_write_request(struct buf *out, const struct http_head *h, struct view prefix,
		      const struct h1_writing *w)
{
	const struct http_fields *f = &h->fields;
	struct view path = h->connect ? h->authority_text : h->path;
	size_t len;

	if (!is_token(h->method) || !path.len || !http_target_clean(path) ||
	    !fields_fit(f, w->read_len, &len))
		return false;
	len += h->method.len + prefix.len + path.len + SPARE;
	struct pen pen = {.at = buf_room(out, len)};
	if (!pen.at)
		return false;
	const uint8_t *from = pen.at;
	put_view(&pen, h->method);
	put(&pen, " ", 1);
	put_view(&pen, prefix);
	/* OPTIONS of a whole server, with its name: RFC 9112 3.2.4. */
	if (!prefix.len || !http_text_is_exactly(path, "*"))
		put_view(&pen, path);
	put_text(&pen, w->minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
	put_fields(&pen, f, w);
	buf_added(out, (size_t)(pen.at - from));
	return true;
}

bool h1_write_answer(struct buf *out, const struct http_head *h, struct view reason,
		     const struct h1_writing *w)
{
	const struct http_fields *f = &h->fields;
	char status[4];
	size_t len;

	if (h->status < 100 || h->status > 999 || !http_value_clean(reason) ||
	    !fields_fit(f, w->read_len, &len))
		return false;
	struct pen pen = {.at = buf_room(out, len + reason.len + SPARE)};
	if (!pen.at)
		return false;
	const uint8_t *from = pen.at;
	put_text(&pen, w->minor ? "HTTP/1.1 " : "HTTP/1.0 ");
	for (int i = 0, div = 100; i < 3; i++, div /= 10)
		status[i] = (char)('0' + h->status / div % 10);
	status[3] = ' ';
	put(&pen, status, 4);
	put_view(&pen, reason);
	put(&pen, "\r\n", 2);
	put_fields(&pen, f, w);
	buf_added(out, (size_t)(pen.at - from));
	return true;
}

bool h1_write_trailers(struct buf *out, const struct http_head *trailers, size_t read_len)
{
	const struct http_fields *f = &trailers->fields;
	size_t len;

	if (!fields_fit(f, read_len, &len))
		return false;
	struct pen pen = {.at = buf_room(out, len + SPARE)};
	if (!pen.at)
		return false;
	const uint8_t *from = pen.at;
	put_text(&pen, "0\r\n");
	for (size_t i = 0; i < f->count; i++)
		put_field(&pen, f->list[i].name, f->list[i].value);
	put_text(&pen, "\r\n");
	buf_added(out, (size_t)(pen.at - from));
	return true;
}

bool h1_write_chunk(struct buf *out, uint64_t size)
{
	char line[24];
	int n = snprintf(line, sizeof(line), "%llx\r\n", (unsigned long long)size);

	return buf_append(out, line, (size_t)n);
}
