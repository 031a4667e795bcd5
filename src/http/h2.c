// SPDX-License-Identifier: Apache-2.0
/*
 * Following a client's HTTP/2 frames. A call deals with one frame, or a piece of one: payloads that
 * nobody reads are skipped by their length, header blocks go to the decoder as they come.
 */
#include "http/h2_priv.h"

#include <stdlib.h>

struct h2 *h2_new(void)
{
	struct h2 *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	if (nghttp2_hd_inflate_new(&h->inflater) != 0) {
		free(h);
		return NULL;
	}
	http_fields_init(&h->store);
	h->client_table = H2_TABLE;
	h->server.max_frame = H2_FRAME_MAX;
	return h;
}

void h2_free(struct h2 *h)
{
	if (!h)
		return;
	nghttp2_hd_inflate_del(h->inflater);
	http_fields_done(&h->store);
	free(h);
}

const struct h2_request *h2_request(const struct h2 *h)
{
	return &h->request;
}

const char *h2_error(const struct h2 *h)
{
	return h->error;
}

uint32_t h2_client_table(const struct h2 *h)
{
	return h->client_table;
}

/* ---- what may stand in a frame's header ---- */

/* The type's own rule of length and stream (RFC 9113 6); types that nobody knows have none. */
static bool has_its_form(const struct h2_frame *f)
{
	switch (f->type) {
	case H2_DATA:
	case H2_HEADERS:
	case H2_CONTINUATION:
		return f->stream != 0;
	case H2_PRIORITY:
		return f->stream != 0 && f->len == 5;
	case H2_RST_STREAM:
		return f->stream != 0 && f->len == 4;
	case H2_SETTINGS:
		return f->stream == 0 && f->len % H2_SETTING_LEN == 0 &&
		       (!(f->flags & H2_ACK) || f->len == 0);
	case H2_PING:
		return f->stream == 0 && f->len == 8;
	case H2_GOAWAY:
		return f->stream == 0 && f->len >= 8;
	case H2_WINDOW_UPDATE:
		return f->len == 4;
	default:
		return true;
	}
}

static bool check_frame(struct h2 *h)
{
	const struct h2_frame *f = &h->frame;
	bool own = f->stream % 2; /* a stream that the client begins */

	if (!h->settings_seen && (f->type != H2_SETTINGS || (f->flags & H2_ACK)))
		return h2_refuse(h, "the first frame is no SETTINGS");
	if (f->len > h->server.max_frame)
		return h2_refuse(h, "a frame is larger than the server allows");
	if (f->type == H2_PUSH_PROMISE)
		return h2_refuse(h, "a client that pushes");
	if (h->in_block != (f->type == H2_CONTINUATION) ||
	    (h->in_block && f->stream != h->request.stream))
		return h2_refuse(h, "a header block is interrupted, or goes on without beginning");
	if (!has_its_form(f))
		return h2_refuse(h, "a frame has a wrong length or stream");
	if (f->type == H2_HEADERS && !own)
		return h2_refuse(h, "a client begins a stream with an even number");
	if (f->type == H2_DATA && (!own || f->stream > h->highest))
		return h2_refuse(h, "data on a stream that has not begun");
	return true;
}

/* ---- frames begin ---- */

static bool begin_block_frame(struct h2 *h)
{
	const struct h2_frame *f = &h->frame;

	if (f->type == H2_HEADERS) {
		h2_block_begin(h);
		h->in_block = true;
		h->end_stream = f->flags & H2_END_STREAM;
		h->trailer = f->stream <= h->highest;
	}
	h->block_len += H2_FRAME_HLEN + f->len;
	if (h->block_len > H2_BLOCK_MAX || ++h->block_frames > H2_BLOCK_FRAMES)
		return h2_refuse(h, "a header block is too large");
	h->padding = 0;
	h->state = f->type == H2_HEADERS ? H2_S_PREFIX : H2_S_FRAGMENT;
	return true;
}

/* The header is whole: chooses what happens to the payload. */
static bool begin_frame(struct h2 *h)
{
	h->frame = h2_frame_read(h->gather.b);
	h->gather.len = 0;
	h->left = h->frame.len;
	if (!check_frame(h))
		return false;
	switch (h->frame.type) {
	case H2_HEADERS:
	case H2_CONTINUATION:
		return begin_block_frame(h);
	case H2_SETTINGS:
		h->settings_seen = true;
		h->state = H2_S_SETTINGS;
		return !(h->frame.flags & H2_ACK) || h2_settings_acked(h);
	default:
		h->state = H2_S_SKIP;
		return true;
	}
}

/* ---- payloads ---- */

static uint32_t skip(struct view *in, uint32_t n)
{
	if (in->len < n)
		n = (uint32_t)in->len;
	view_skip(in, n);
	return n;
}

static enum h2_event read_skipped(struct h2 *h, struct view *in)
{
	h->left -= skip(in, h->left);
	if (h->left == 0)
		h->state = H2_S_FRAME;
	return H2_PASS;
}

static enum h2_event read_settings(struct h2 *h, struct view *in)
{
	while (h->left && h2_gather(&h->gather, in, H2_SETTING_LEN)) {
		if (get_be16(h->gather.b) == H2_SET_TABLE)
			h->client_table = get_be32(h->gather.b + 2);
		h->gather.len = 0;
		h->left -= H2_SETTING_LEN;
	}
	if (h->left == 0)
		h->state = H2_S_FRAME;
	return H2_PASS;
}

/* Pad length and priority, of which only the first counts. */
static bool read_prefix(struct h2 *h, struct view *in)
{
	bool padded = h->frame.flags & H2_PADDED;
	uint32_t want = (padded ? 1 : 0) + (h->frame.flags & H2_WITH_PRIORITY ? 5 : 0);

	if (h->left < want)
		return h2_refuse(h, "a frame is too short for its flags");
	if (!h2_gather(&h->gather, in, want))
		return true;
	h->gather.len = 0;
	h->left -= want;
	h->padding = padded ? h->gather.b[0] : 0;
	if (h->padding > h->left)
		return h2_refuse(h, "a frame is shorter than its padding");
	h->left -= h->padding;
	h->state = H2_S_FRAGMENT;
	return true;
}

static bool read_fragment(struct h2 *h, struct view *in)
{
	struct view part;
	size_t n = in->len < h->left ? in->len : h->left;

	view_take(in, n, &part);
	h->left -= (uint32_t)n;
	bool whole = h->left == 0;
	if (whole)
		h->state = H2_S_PADDING;
	return h2_block_feed(h, part, whole && (h->frame.flags & H2_END_HEADERS));
}

/* Behind the last fragment of a frame. The block is over only behind its padding, for that is part
 * of what may pass then. */
static enum h2_event read_padding(struct h2 *h, struct view *in)
{
	h->padding -= (uint8_t)skip(in, h->padding);
	if (h->padding)
		return H2_MORE;
	h->state = H2_S_FRAME;
	if (!(h->frame.flags & H2_END_HEADERS))
		return H2_MORE;
	h->in_block = false;
	if (!h2_block_end(h))
		return H2_ERROR;
	if (h->trailer)
		return H2_PASS;
	h->highest = h->request.stream;
	return H2_REQUEST;
}

/* A header block, as far as the bytes of this frame go. */
static enum h2_event read_block(struct h2 *h, struct view *in)
{
	if (h->state == H2_S_PREFIX && !read_prefix(h, in))
		return H2_ERROR;
	if (h->state == H2_S_FRAGMENT && !read_fragment(h, in))
		return H2_ERROR;
	return h->state == H2_S_PADDING ? read_padding(h, in) : H2_MORE;
}

static enum h2_event read_payload(struct h2 *h, struct view *in)
{
	switch (h->state) {
	case H2_S_SKIP:
		return read_skipped(h, in);
	case H2_S_SETTINGS:
		return read_settings(h, in);
	default:
		return read_block(h, in);
	}
}

/* ---- the stream ---- */

static enum h2_event read_preface(struct h2 *h, struct view *in)
{
	bool whole = h2_gather(&h->gather, in, HTTP_H2_PREFACE_LEN);

	if (memcmp(h->gather.b, HTTP_H2_PREFACE, h->gather.len) != 0) {
		h2_refuse(h, "no preface of HTTP/2");
		return H2_ERROR;
	}
	if (!whole)
		return H2_MORE;
	h->gather.len = 0;
	h->state = H2_S_FRAME;
	return H2_PASS;
}

static enum h2_event read_frame(struct h2 *h, struct view *in)
{
	if (!h2_gather(&h->gather, in, H2_FRAME_HLEN))
		return H2_MORE;
	return begin_frame(h) ? read_payload(h, in) : H2_ERROR;
}

enum h2_event h2_read(struct h2 *h, struct view in, size_t *ret_used)
{
	const uint8_t *from = in.p;
	enum h2_event e = H2_MORE;

	*ret_used = 0;
	if (h->state == H2_S_ERROR)
		return H2_ERROR;
	/* A block's frame gives no event, and the next one may be here as well. */
	while (e == H2_MORE && in.len) {
		if (h->state == H2_S_PREFACE)
			e = read_preface(h, &in);
		else if (h->state == H2_S_FRAME)
			e = read_frame(h, &in);
		else
			e = read_payload(h, &in);
	}
	*ret_used = (size_t)(in.p - from);
	return e;
}
