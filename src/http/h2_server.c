// SPDX-License-Identifier: Apache-2.0
/*
 * Following the server's frames: for the settings that change what the client may send, and for the
 * places between frames.
 */
#include "http/h2_priv.h"

bool h2_server_began(const struct h2 *h)
{
	return h->server.began;
}

static void take_setting(struct h2 *h, struct h2_table_size *t)
{
	uint16_t id = get_be16(h->server.gather.b);
	uint32_t value = get_be32(h->server.gather.b + 2);

	if (id == H2_SET_TABLE) {
		if (!t->changed || value < t->smallest)
			t->smallest = value;
		t->last = value;
		t->changed = true;
	} else if (id == H2_SET_MAX_FRAME && value > h->server.max_frame) {
		h->server.max_frame = value;
	}
}

static void read_settings(struct h2 *h, struct view *in)
{
	while (h->server.left && h2_gather(&h->server.gather, in, H2_SETTING_LEN)) {
		take_setting(h, &h->server.table);
		h->server.gather.len = 0;
		h->server.left -= H2_SETTING_LEN;
	}
	if (h->server.left)
		return;
	/* Whole, so the client can acknowledge it. */
	h->server.settings[(h->server.first + h->server.count++) % H2_SETTINGS_MAX] =
		h->server.table;
	h->server.began = true;
}

static bool begin_settings(struct h2 *h, const struct h2_frame *f)
{
	if (f->stream || f->len % H2_SETTING_LEN || h->server.count == H2_SETTINGS_MAX)
		return false;
	h->server.table = (struct h2_table_size){0};
	return true;
}

/* Blocks are not decoded, but no other frame comes between their parts. */
static bool begin_frame(struct h2 *h)
{
	struct h2_frame f = h2_frame_read(h->server.gather.b);
	bool settings = f.type == H2_SETTINGS && !(f.flags & H2_ACK);

	h->server.frame = f;
	h->server.left = f.len;
	h->server.gather.len = 0;
	h->server.in_payload = true;
	if (!h->server.began && !settings)
		return false;
	if (h->server.in_block != (f.type == H2_CONTINUATION))
		return false;
	if (settings)
		return begin_settings(h, &f);
	if (f.type == H2_HEADERS || f.type == H2_PUSH_PROMISE || f.type == H2_CONTINUATION)
		h->server.in_block = !(f.flags & H2_END_HEADERS);
	return true;
}

static void read_payload(struct h2 *h, struct view *in)
{
	const struct h2_frame *f = &h->server.frame;

	if (f->type == H2_SETTINGS && !(f->flags & H2_ACK)) {
		read_settings(h, in);
	} else {
		uint32_t n = in->len < h->server.left ? (uint32_t)in->len : h->server.left;
		view_skip(in, n);
		h->server.left -= n;
	}
	h->server.in_payload = h->server.left > 0;
}

static bool at_gap(const struct h2 *h)
{
	return !h->server.in_payload && !h->server.in_block && h->server.gather.len == 0;
}

bool h2_read_server(struct h2 *h, struct view in, size_t *ret_gap)
{
	const uint8_t *from = in.p;

	*ret_gap = H2_NO_GAP;
	if (h->server.failed)
		return false;
	if (at_gap(h))
		*ret_gap = 0;
	while (in.len) {
		if (!h->server.in_payload && h2_gather(&h->server.gather, &in, H2_FRAME_HLEN) &&
		    !begin_frame(h)) {
			h->server.failed = true;
			return false;
		}
		if (h->server.in_payload)
			read_payload(h, &in);
		if (at_gap(h))
			*ret_gap = (size_t)(in.p - from);
	}
	return true;
}

static uint32_t capped(uint32_t size)
{
	return size < H2_TABLE_MAX ? size : H2_TABLE_MAX;
}

bool h2_settings_acked(struct h2 *h)
{
	if (h->server.count == 0)
		return h2_refuse(h, "SETTINGS acknowledged that were not sent");
	const struct h2_table_size *t = &h->server.settings[h->server.first];
	h->server.first = (h->server.first + 1) % H2_SETTINGS_MAX;
	h->server.count--;
	if (!t->changed)
		return true;
	/* A size that was smaller in between has emptied the table that far (RFC 7541 4.2). */
	if (nghttp2_hd_inflate_change_table_size(h->inflater, capped(t->smallest)) != 0 ||
	    nghttp2_hd_inflate_change_table_size(h->inflater, capped(t->last)) != 0)
		return h2_refuse(h, "no memory for a table of headers");
	return true;
}
