// SPDX-License-Identifier: Apache-2.0
/*
 * Following a client's HTTP/1 requests through the stream. Lines of heads and trailers are put
 * together in the store and read once when they are whole; bodies and chunks are skipped by their
 * length.
 */
#include "http/h1_priv.h"

#include <stdlib.h>

struct h1 *h1_new(void)
{
	struct h1 *h = calloc(1, sizeof(*h));

	if (h)
		http_fields_init(&h->store);
	return h;
}

void h1_free(struct h1 *h)
{
	if (!h)
		return;
	http_fields_done(&h->store);
	free(h);
}

const struct h1_head *h1_head(const struct h1 *h)
{
	return &h->head;
}

int h1_status(const struct h1 *h)
{
	return h->status;
}

const char *h1_error(const struct h1 *h)
{
	return h->error;
}

/* Everything of the request before is forgotten, but the store's memory. */
static void begin_request(struct h1 *h)
{
	struct http_fields store = h->store;

	http_fields_clear(&store);
	*h = (struct h1){.state = H1_S_LINE, .store = store, .split = h->split};
}

/* The store may have moved since: the views of the head are made anew. */
static void show_head(struct h1 *h)
{
	struct h1_head *head = &h->head;
	const uint8_t *text = h->store.text;

	head->bytes = view_make(text, h->head_len);
	head->method = view_make(text, h->method_len);
	head->target = view_make(text + h->method_len + 1, h->target_len);
	head->fields = h->store.list;
}

/* ---- lines ---- */

static void refuse_size(struct h1 *h)
{
	if (h->state == H1_S_LINE)
		h1_refuse(h, 414, "the request line is too long");
	else
		h1_refuse(h, 431, "the head is too large");
}

/* The line that has just ended; *ret_last where it is the empty one. False: refused. */
static bool end_line(struct h1 *h, bool *ret_last)
{
	bool ok = h->state == H1_S_LINE ? h1_request_line(h) : h1_field_line(h);

	*ret_last = ok && h->store.text_len - h->line == 2;
	if (ok && h->state == H1_S_LINE)
		h->state = H1_S_FIELDS;
	h->line = h->store.text_len;
	return ok;
}

static enum h1_event end_head(struct h1 *h)
{
	if (!h1_head_check(h))
		return H1_ERROR;
	h->head_len = h->store.text_len;
	h->head.field_count = h->store.count;
	show_head(h);
	h->left = h->head.length;
	h->state = h->head.chunked ? H1_S_CHUNKS : h->left ? H1_S_LENGTH : H1_S_OVER;
	return H1_HEAD;
}

static enum h1_event end_trailer(struct h1 *h)
{
	struct h1_head *head = &h->head;

	show_head(h);
	head->trailer = view_make(h->store.text + h->head_len, h->store.text_len - h->head_len);
	head->trailers = h->store.list + head->field_count;
	head->trailer_count = h->store.count - head->field_count;
	h->state = H1_S_OVER;
	return H1_TRAILER;
}

/* Until the empty line that ends the head or the trailer. */
static enum h1_event read_lines(struct h1 *h, struct view in, size_t *ret_used)
{
	const uint8_t *from = in.p;
	bool last = false;

	while (!last) {
		size_t max = h->state == H1_S_LINE ? H1_LINE_MAX : HTTP_TEXT_MAX;
		enum h1_line got = h1_line_take(&h->store, &in, max);
		if (got == H1_LINE_FULL) {
			refuse_size(h);
			return H1_ERROR;
		}
		if (got == H1_LINE_MORE) {
			*ret_used = (size_t)(in.p - from);
			return H1_MORE;
		}
		if (!end_line(h, &last))
			return H1_ERROR;
	}
	*ret_used = (size_t)(in.p - from);
	return h->state == H1_S_TRAILER ? end_trailer(h) : end_head(h);
}

/* Lines of the trailer move the store, and the head stays in use meanwhile. */
static enum h1_event read_trailer(struct h1 *h, struct view in, size_t *ret_used)
{
	enum h1_event e = read_lines(h, in, ret_used);

	show_head(h);
	return e;
}

/* ---- bodies ---- */

static size_t skip_left(struct h1 *h, size_t n)
{
	if (n > h->left)
		n = (size_t)h->left;
	h->left -= n;
	return n;
}

/* As many chunks as there are, or up to the first piece of content. A byte that is refused ends
 * the call before it, and the next call refuses at once. */
static size_t read_chunks(struct h1 *h, struct view in)
{
	size_t at = 0, n;

	do {
		n = h1_chunks_read(&h->chunks, view_make(in.p + at, in.len - at), &h->data);
		at += n;
	} while (n && !(h->split && h->data.len));
	if (h->chunks.state == H1_CHUNK_LAST)
		h->state = H1_S_TRAILER;
	else if (h->chunks.state == H1_CHUNK_BAD)
		h1_refuse(h, 400, h->chunks.error);
	return at;
}

static enum h1_event read_body(struct h1 *h, struct view in, size_t *ret_used)
{
	size_t n;

	if (in.len == 0)
		return H1_MORE;
	if (h->state == H1_S_LENGTH) {
		n = skip_left(h, in.len);
		h->data = view_make(in.p, n);
		if (h->left == 0)
			h->state = H1_S_OVER;
	} else {
		n = read_chunks(h, in);
	}
	if (n == 0)
		return h->state == H1_S_ERROR ? H1_ERROR : H1_MORE;
	*ret_used = n;
	return H1_BODY;
}

void h1_split(struct h1 *h)
{
	h->split = true;
}

struct view h1_data(const struct h1 *h, uint64_t *ret_chunk)
{
	const struct h1_chunks *c = &h->chunks;

	*ret_chunk =
		h->head.chunked && h->data.len && c->left + h->data.len == c->size ? c->size : 0;
	return h->data;
}

/* ---- the stream ---- */

static enum h1_event end_request(struct h1 *h)
{
	bool asks = h->head.connect || h->head.upgrade;

	if (!asks || h->said == H1_SAID_STAY)
		h->state = H1_S_LINE;
	else
		h->state = h->said == H1_SAID_SWITCH ? H1_S_TUNNEL : H1_S_WAIT;
	return H1_END;
}

enum h1_event h1_read(struct h1 *h, struct view in, size_t *ret_used)
{
	*ret_used = 0;
	switch (h->state) {
	case H1_S_LINE:
		if (in.len == 0)
			return H1_MORE;
		if (h->head_len) /* the first byte behind a request */
			begin_request(h);
		return read_lines(h, in, ret_used);
	case H1_S_FIELDS:
		return read_lines(h, in, ret_used);
	case H1_S_TRAILER:
		return read_trailer(h, in, ret_used);
	case H1_S_OVER:
		return end_request(h);
	case H1_S_WAIT:
		return H1_WAIT;
	case H1_S_TUNNEL:
		return H1_TUNNEL;
	case H1_S_ERROR:
		return H1_ERROR;
	default:
		return read_body(h, in, ret_used);
	}
}

void h1_switch(struct h1 *h)
{
	h->said = H1_SAID_SWITCH;
	if (h->state == H1_S_WAIT)
		h->state = H1_S_TUNNEL;
}

void h1_stay(struct h1 *h)
{
	h->said = H1_SAID_STAY;
	if (h->state == H1_S_WAIT)
		h->state = H1_S_LINE;
}
