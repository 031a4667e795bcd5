// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and writing WebSocket frames.
 */
#include "http/websocket.h"

#define RSV1 0x40

/* Of the head whose first two bytes are there. */
static size_t head_len(const uint8_t *head)
{
	size_t n = 2;

	if ((head[1] & 127) == 126)
		n += 2;
	else if ((head[1] & 127) == 127)
		n += 8;
	return n + (head[1] & 128 ? 4 : 0);
}

static bool read_len(struct view *v, uint8_t first, uint64_t *ret)
{
	uint8_t byte = 0;
	size_t n = first == 126 ? 2 : 8;

	*ret = first;
	if (first < 126)
		return true;
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		view_get_u8(v, &byte);
		*ret = *ret << 8 | byte;
	}
	return first == 126 ? *ret >= 126 : *ret > UINT16_MAX && *ret <= INT64_MAX;
}

static bool bad(struct websocket *w, const char *error)
{
	w->error = error;
	return false;
}

/* The bits beside the opcode. */
static bool check_bits(struct websocket *w, const struct websocket_frame *f, uint8_t reserved)
{
	bool begins = f->opcode == WEBSOCKET_TEXT || f->opcode == WEBSOCKET_BINARY;

	if (reserved && !(reserved == RSV1 && w->deflate && begins))
		return bad(w, "a reserved bit is set");
	if (w->sender == WEBSOCKET_CLIENT && !f->masked)
		return bad(w, "a client's frame is not masked");
	if (w->sender == WEBSOCKET_SERVER && f->masked)
		return bad(w, "a server's frame is masked");
	return true;
}

static bool check_kind(struct websocket *w, const struct websocket_frame *f)
{
	if (websocket_is_control(f)) {
		if (f->opcode > WEBSOCKET_PONG)
			return bad(w, "an unknown opcode");
		if (!f->fin || f->len > WEBSOCKET_CONTROL_MAX)
			return bad(w, "a control frame is split or too long");
		return true;
	}
	if (f->opcode > WEBSOCKET_BINARY)
		return bad(w, "an unknown opcode");
	if (w->in_message != (f->opcode == WEBSOCKET_CONTINUATION))
		return bad(w, "a message begins or goes on at a wrong place");
	w->in_message = !f->fin;
	return true;
}

static bool read_head(struct websocket *w)
{
	struct view v = view_make(w->head, w->have);
	struct websocket_frame f = {0};
	uint8_t first = 0, second = 0;

	view_get_u8(&v, &first);
	view_get_u8(&v, &second);
	f.fin = first & 128;
	f.opcode = first & 15;
	f.masked = second & 128;
	if (!read_len(&v, second & 127, &f.len))
		return bad(w, "a length is written longer than it has to be");
	if (f.masked)
		view_get_bytes(&v, f.mask, sizeof(f.mask));
	if (!check_bits(w, &f, first & 0x70) || !check_kind(w, &f))
		return false;
	w->frame = f;
	w->left = f.len;
	return true;
}

enum websocket_event websocket_read(struct websocket *w, struct view *in, struct view *ret)
{
	if (w->in_payload && w->left == 0) {
		w->in_payload = false;
		return WEBSOCKET_END;
	}
	if (w->in_payload) {
		size_t n = in->len < w->left ? in->len : (size_t)w->left;
		if (n == 0)
			return WEBSOCKET_MORE;
		view_take(in, n, ret);
		w->left -= n;
		return WEBSOCKET_PAYLOAD;
	}
	while (w->have < 2 || w->have < head_len(w->head)) {
		if (!view_get_u8(in, &w->head[w->have]))
			return WEBSOCKET_MORE;
		w->have++;
	}
	if (!read_head(w))
		return WEBSOCKET_BAD;
	w->have = 0;
	w->in_payload = true;
	return WEBSOCKET_FRAME;
}

void websocket_mask(const struct websocket_frame *f, uint64_t at, uint8_t *p, size_t n)
{
	if (!f->masked)
		return;
	for (size_t i = 0; i < n; i++)
		p[i] ^= f->mask[(at + i) & 3];
}

size_t websocket_head(const struct websocket_frame *f, uint8_t ret[WEBSOCKET_HEAD_MAX])
{
	struct wbuf w = wbuf_make(ret, WEBSOCKET_HEAD_MAX);
	uint8_t masked = f->masked ? 128 : 0;

	wbuf_put_u8(&w, (uint8_t)((f->fin ? 128 : 0) | f->opcode));
	if (f->len < 126) {
		wbuf_put_u8(&w, (uint8_t)(masked | f->len));
	} else if (f->len <= UINT16_MAX) {
		wbuf_put_u8(&w, masked | 126);
		wbuf_put_be16(&w, (uint16_t)f->len);
	} else {
		wbuf_put_u8(&w, masked | 127);
		wbuf_put_be32(&w, (uint32_t)(f->len >> 32));
		wbuf_put_be32(&w, (uint32_t)f->len);
	}
	if (f->masked)
		wbuf_put_bytes(&w, f->mask, sizeof(f->mask));
	return w.len;
}
