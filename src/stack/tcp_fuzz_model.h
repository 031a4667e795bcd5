// SPDX-License-Identifier: Apache-2.0
/*
 * The guest and the far ends of its TCP connections, as far as they can be known from outside: for
 * the fuzzer that sends a stack any segments at any time (tcp_fuzz.c).
 *
 * Both streams are functions of their offset, so that every byte that comes out anywhere can be
 * judged at once. Held to at every step:
 *   - the far end gets the guest's bytes in order, none twice, none beyond a FIN, and is told of
 *     the end exactly where the FIN was;
 *   - no ACK covers what the guest has not sent or was not offered room for, and the advertised
 *     right edge never moves left;
 *   - the guest gets the far end's bytes at their places, within the window it offered (but for a
 *     probe of one byte) and within its MSS, and a FIN only at the end of the stream;
 *   - every frame has right lengths and checksums.
 * And in the end, where the guest goes on as a host does: each stream comes to its end, whole.
 * What does not hold aborts the process. Not part of the program.
 */
#ifndef WEIR_STACK_TCP_FUZZ_MODEL_H
#define WEIR_STACK_TCP_FUZZ_MODEL_H

#include "stack/tcp_conn.h"

#define MODEL_PORTS      4       /* connections that are spoken of */
#define MODEL_STREAM_MAX 0x20000 /* bytes of the guest's stream that are kept track of */
#define MODEL_LENT       4       /* frames that the guest's own memory is lent for */
#define MODEL_FAR_MAX    0x30000 /* bytes that a far end may have for the guest */
#define MODEL_NO_FIN     UINT32_MAX

struct model_far {
	struct flow_end e;
	struct model_port *port;
	uint32_t got;      /* bytes taken from the guest */
	uint32_t consumed; /* bytes that the guest has acknowledged */
	uint32_t made;     /* bytes there are for the guest */
	uint32_t room;     /* bytes that it takes before it blocks */
	bool eof, shut, lost_read, lost_write, blocked;
};

/* One connection as the guest knows it, under its present ISN. */
struct model_port {
	struct model *m;
	struct tcp_key key;
	uint32_t isn;    /* of the guest, in use or for the next SYN */
	uint32_t next;   /* stream bytes sent so far, the furthest */
	uint32_t contig; /* all bytes before this one were sent */
	uint32_t fin;    /* where the stream ends, once that was said */
	bool edge_known;
	uint32_t edge;    /* right edge that weir advertised */
	uint32_t limit;   /* right edge up to which it takes bytes */
	uint32_t offered; /* right edge that the guest offered */
	bool offered_known;
	uint32_t made; /* of the far end, which may be gone */
	bool eof;
	struct model_far *end; /* NULL: none */
	struct tcp_conn *held; /* dialling */
	uint32_t acked;        /* of the guest's stream, by what came out; its FIN counts */
	uint32_t heard;        /* all bytes before this one of the far end's came out, since ... */
	bool fin_heard;        /* ... model_lose(), where that was called */
	bool finishing;        /* both streams are to come to their end in order */
	uint64_t sent[MODEL_STREAM_MAX / 64], came[MODEL_FAR_MAX / 64];
};

struct model {
	struct stack stack; /* what is held to all this */
	struct wheel wheel;
	struct model_port port[MODEL_PORTS];
	bool guest_full;     /* as the stack told it */
	bool hanging_up;     /* ends that heard all of the guest's are closed, whatever they have */
	unsigned link_takes; /* frames; 0: no end; 1: blocked */
	int checked;         /* frames in the queue that were judged */
	struct frame_tail lent[MODEL_LENT];
	struct iovec lent_iov[2 * MODEL_LENT];
};

/* What the stack is made with; its context is the model. */
extern const struct stack_ops model_ops;
void model_gone(void *ctx, struct tcp_conn *c, enum tcp_ending how);

/* What the guest is about to send. */
struct model_segment {
	uint32_t seq, ack;
	uint8_t flags, options;
	uint16_t wnd;
	uint32_t len;
};

void model_require_at(bool ok, const char *file, int line);
#define require(ok) model_require_at(ok, __FILE__, __LINE__)

/* Once, before all else. */
void model_init(void);
/* The bytes at that place of the guest's stream, as many as a frame can hold. */
const uint8_t *model_guest_bytes(uint32_t off);
/* The stack's connection, if there is one. */
struct tcp_conn *model_conn(struct model_port *p);
/* The guest begins anew, with this ISN. */
void model_restart(struct model_port *p, uint32_t isn);
/* The connection's own word on the guest's ISN counts: a SYN may have replaced another. */
void model_sync(struct model_port *p, const struct tcp_conn *c);
/* What the guest says now holds from now on: its bytes are sent, its window is offered. What a
 * guest could not mean is taken out of the segment: its stream has one end. */
void model_note_segment(struct model_port *p, const struct tcp_conn *c, struct model_segment *g);

/* A far end; bits of `how`: it takes nothing (1) or little (2), has bytes (4), and its end (8); it
 * looks at nothing (16), or wants to see all that waits (32). */
struct model_far *model_far_new(struct model_port *p, uint8_t how);
void model_far_free(struct model_far *f);
/* Another one in its place, where the streams stand. */
void model_far_swap(struct model_far *f, uint8_t how);
/* Nothing reached the guest of what it has not acknowledged. */
void model_lose(struct model_port *p, const struct tcp_conn *c);

/*
 * Frames are judged when they are made, not when the link takes them: until then their connection
 * may have moved on. To be called wherever the stack may have made some.
 */
void model_check_queue(struct model *m);
/* Sends what waits, and judges it. */
void model_flush(struct model *m);
/* Everything that was acknowledged reaches a far end that takes it. */
void model_check_nothing_lost(struct model *m);

#endif
