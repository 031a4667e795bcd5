// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/2 watcher inside: h2.c follows the client's frames, h2_block.c decodes header blocks
 * (h2_head.c judges what is in them), h2_server.c follows the server's frames.
 */
#ifndef WEIR_HTTP_H2_PRIV_H
#define WEIR_HTTP_H2_PRIV_H

#include <nghttp2/nghttp2.h>

#include "http/h2.h"
#include "http/h2_frame.h"

enum h2_state {
	H2_S_PREFACE,
	H2_S_FRAME,    /* in a frame's header */
	H2_S_SKIP,     /* in a payload that nobody reads: `left` bytes */
	H2_S_SETTINGS, /* in the payload of SETTINGS: `left` bytes */
	H2_S_PREFIX,   /* in the pad length and the priority of HEADERS */
	H2_S_FRAGMENT, /* in a part of a header block: `left` bytes */
	H2_S_PADDING,  /* behind it: `padding` bytes */
	H2_S_ERROR,    /* final */
};

/* SETTINGS_HEADER_TABLE_SIZE in one SETTINGS of the server, until the client acknowledges it. */
struct h2_table_size {
	bool changed;
	uint32_t smallest, last; /* where it stands more than once */
};

struct h2 {
	enum h2_state state;
	struct h2_gather gather; /* preface, frame header, one setting, or prefix */
	struct h2_frame frame;   /* under way */
	uint32_t left;
	uint8_t padding;
	bool settings_seen; /* the client's first */
	uint32_t client_table;
	uint32_t highest; /* stream that a request has begun */

	nghttp2_hd_inflater *inflater;
	struct http_fields store; /* of the block under way, or of the last one */
	bool in_block;            /* CONTINUATION has to follow */
	bool trailer;             /* the block belongs to a stream that has begun */
	bool end_stream;          /* its HEADERS said so */
	size_t block_len, block_frames;
	size_t list_size; /* of decoded fields, as RFC 9113 6.5.2 counts */
	struct h2_request request;

	struct {
		struct h2_gather gather;
		struct h2_frame frame;
		uint32_t left;
		bool in_payload, in_block, began, failed;
		uint32_t max_frame;                             /* the largest ever offered */
		struct h2_table_size settings[H2_SETTINGS_MAX]; /* ring: not acknowledged yet */
		unsigned first, count;
		struct h2_table_size table; /* in the SETTINGS under way */
	} server;
	const char *error;
};

/* Notes what is wrong; false, for `return h2_refuse(...)`. */
bool h2_refuse(struct h2 *h, const char *error);
/* A new block begins; all its bytes are then fed in order, `last` with the last of them. */
void h2_block_begin(struct h2 *h);
bool h2_block_feed(struct h2 *h, struct view part, bool last);
/* The block is whole: is it a request (or a trailer) as it should be? */
bool h2_block_end(struct h2 *h);
/* The client has acknowledged the oldest SETTINGS of the server. */
bool h2_settings_acked(struct h2 *h);

#endif
