// SPDX-License-Identifier: Apache-2.0
/*
 * A body, or the bytes of a tunnel, on their way through a scrub (filter_search.h): taken out of
 * their content coding and put back into it, frame by frame in a WebSocket, message by message in
 * gRPC.
 *
 * A step that has to wait leaves everything where it was: what was taken of the input is kept, and
 * what is ready is given out later.
 */
#ifndef WEIR_INTERCEPT_FILTER_BODY_H
#define WEIR_INTERCEPT_FILTER_BODY_H

#include "http/coding.h"
#include "http/websocket.h"
#include "intercept/filter_search.h"

enum body_framing {
	BODY_PLAIN,
	BODY_GRPC,      /* nothing is held back behind the end of a message */
	BODY_WEBSOCKET, /* nor behind that of a frame's message */
};

struct filter_body {
	struct scrub scrub;
	/* What the decoded bytes go through first; NULL: nothing. As scrub_run(). */
	enum scrub_step (*before)(void *arg, struct view in, bool end, struct buf *out);
	void *before_arg;
	struct buf between; /* these two */
	enum body_framing framing;
	bool only_look; /* the coded bytes go on as they came */
	struct decoder *decoder;
	struct encoder *encoder;
	struct buf rest;  /* of the input, behind a wait */
	struct buf plain; /* scrubbed, to be coded or framed */
	struct buf ready; /* made before a wait */
	bool waiting, wait_end;
	struct { /* WEBSOCKET */
		struct websocket read;
		struct buf payload; /* of the frame, or of a part of it */
		uint64_t at;        /* of its first byte, in the frame */
		bool goes_on;       /* a part of the message has been written */
		uint8_t opcode;     /* of the message */
		bool fin, emit;     /* of what the scrub is working on */
	} ws;
	struct { /* GRPC */
		uint8_t head[5];
		uint8_t have;
		uint64_t left;
	} grpc;
};

/* False without memory. coding: IDENTITY, or one that can be read. */
bool body_init(struct filter_body *b, const struct needle_set *set, enum coding coding,
	       bool only_look);
void body_done(struct filter_body *b);
/* After SCRUB_WAIT the same `in` is offered again, and not taken twice. */
enum scrub_step body_run(struct filter_body *b, struct view in, bool end, struct buf *out);
/* What was appended since `from` is kept until it is given out: the caller has to wait. */
bool body_set_aside(struct filter_body *b, struct buf *out, size_t from);
bool body_give_out(struct filter_body *b, struct buf *out);

#endif
