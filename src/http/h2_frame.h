// SPDX-License-Identifier: Apache-2.0
/*
 * The frames of HTTP/2 (RFC 9113 4.1 and 6): types, flags, and putting frame headers together from
 * pieces.
 */
#ifndef WEIR_HTTP_H2_FRAME_H
#define WEIR_HTTP_H2_FRAME_H

#include "base/view.h"

#define H2_FRAME_HLEN 9
#define H2_FRAME_MAX  16384 /* SETTINGS_MAX_FRAME_SIZE at the start; it can only be raised */
#define H2_TABLE      4096  /* SETTINGS_HEADER_TABLE_SIZE at the start */

enum h2_type {
	H2_DATA = 0,
	H2_HEADERS = 1,
	H2_PRIORITY = 2,
	H2_RST_STREAM = 3,
	H2_SETTINGS = 4,
	H2_PUSH_PROMISE = 5,
	H2_PING = 6,
	H2_GOAWAY = 7,
	H2_WINDOW_UPDATE = 8,
	H2_CONTINUATION = 9,
};

enum h2_flag {
	H2_END_STREAM = 0x01, /* DATA, HEADERS */
	H2_ACK = 0x01,        /* SETTINGS, PING */
	H2_END_HEADERS = 0x04,
	H2_PADDED = 0x08,
	H2_WITH_PRIORITY = 0x20,
};

enum h2_setting {
	H2_SET_TABLE = 1,
	H2_SET_MAX_FRAME = 5,
};
#define H2_SETTING_LEN 6

struct h2_frame {
	uint32_t len; /* of the payload */
	uint8_t type, flags;
	uint32_t stream; /* without the reserved bit */
};

static inline struct h2_frame h2_frame_read(const uint8_t b[H2_FRAME_HLEN])
{
	return (struct h2_frame){
		.len = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2],
		.type = b[3],
		.flags = b[4],
		.stream = get_be32(b + 5) & 0x7fffffff,
	};
}

/* Bytes of something short that arrives in pieces. */
struct h2_gather {
	uint8_t b[24];
	uint8_t len;
};

/* Takes bytes until `want` are there; true where they are. */
static inline bool h2_gather(struct h2_gather *g, struct view *in, size_t want)
{
	size_t n = want - g->len < in->len ? want - g->len : in->len;

	if (n)
		memcpy(g->b + g->len, in->p, n);
	view_skip(in, n);
	g->len += (uint8_t)n;
	return g->len == want;
}

#endif
