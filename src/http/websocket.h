// SPDX-License-Identifier: Apache-2.0
/*
 * WebSocket frames (RFC 6455 5.2), read from bytes and written. Sans-IO, no allocation.
 *
 * Refused: reserved bits, but for that of compressed messages where these were agreed on (RFC 7692
 * 6), unknown opcodes, lengths that are not written as short as they can be, control frames that
 * are split or longer than 125 bytes, continuations without a beginning, messages within messages,
 * and, where it is said who sends them, frames that are masked and should not be, or the other way
 * round.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_WEBSOCKET_H
#define WEIR_HTTP_WEBSOCKET_H

#include "base/view.h"

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

#define WEBSOCKET_HEAD_MAX    14
#define WEBSOCKET_CONTROL_MAX 125

struct websocket_frame {
	bool fin, masked;
	uint8_t opcode; /* enum websocket_opcode */
	uint64_t len;   /* of the payload */
	uint8_t mask[4];
};
static inline bool websocket_is_control(const struct websocket_frame *f)
{
	return f->opcode >= WEBSOCKET_CLOSE;
}

enum websocket_sender {
	WEBSOCKET_ANYBODY,
	WEBSOCKET_CLIENT, /* masks every frame (RFC 6455 5.3) */
	WEBSOCKET_SERVER, /* masks none */
};

struct websocket {         /* one direction; all zero: its beginning, of anybody's */
	uint8_t sender;    /* enum websocket_sender */
	bool deflate;      /* permessage-deflate was agreed on */
	const char *error; /* what was wrong, after WEBSOCKET_BAD */
	struct websocket_frame frame;
	uint64_t left;   /* of the frame's payload */
	bool in_payload; /* `frame` is valid, and `left` counts */
	bool in_message; /* a message has begun and not ended, in the frames before this one */
	uint8_t head[WEBSOCKET_HEAD_MAX];
	uint8_t have;
};

enum websocket_event {
	WEBSOCKET_MORE,    /* all of the input was taken */
	WEBSOCKET_FRAME,   /* a frame begins: w->frame. Its payload follows, if it has one */
	WEBSOCKET_PAYLOAD, /* *ret: a piece of it, as it stands in the input (masked) */
	WEBSOCKET_END,     /* the frame is over */
	WEBSOCKET_BAD,
};
enum websocket_event websocket_read(struct websocket *w, struct view *in, struct view *ret);
/* Takes the mask off, or puts it on: of payload from place `at` on. */
void websocket_mask(const struct websocket_frame *f, uint64_t at, uint8_t *p, size_t n);
/* The head of a frame; returns its length. */
size_t websocket_head(const struct websocket_frame *f, uint8_t ret[WEBSOCKET_HEAD_MAX]);

#endif
