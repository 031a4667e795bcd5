// SPDX-License-Identifier: Apache-2.0
/*
 * One end of a channel: frames over a stream socket that never blocks.
 *
 * What comes in and what could not go out yet lies in secret memory, since values pass here, and is
 * wiped as it goes.
 *
 * May use: base/.
 */
#ifndef WEIR_SECRET_HOLDER_WIRE_H
#define WEIR_SECRET_HOLDER_WIRE_H

#include "secret/holder_proto.h"
#include "secret/memory.h"

struct holder_wire {
	int fd; /* owned; -1: none */
	struct secret_buf in, out;
};

void holder_wire_init(struct holder_wire *w, int fd);
void holder_wire_done(struct holder_wire *w);
/*
 * Sends a frame, or keeps what the socket does not take for holder_wire_flush(). 0, or -errno:
 * the other side has gone, or there is no memory.
 */
int holder_wire_send(struct holder_wire *w, uint8_t kind, uint32_t id, const struct view *parts,
		     size_t n);
int holder_wire_flush(struct holder_wire *w);
/* Reads what is there. 0 (also where nothing was), or -errno: -EPIPE at the end of the stream. */
int holder_wire_fill(struct holder_wire *w);
/* The frame at `at` of what was read; views into it hold until the next fill or take. */
enum holder_read holder_wire_frame(const struct holder_wire *w, size_t at, struct holder_frame *f);
/* The frame at the front is done with. */
void holder_wire_take(struct holder_wire *w, const struct holder_frame *f);

#endif
