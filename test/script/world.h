// SPDX-License-Identifier: Apache-2.0
/*
 * The world of a script: a stack in virtual time, a guest that says exactly what the script says,
 * and an upstream that does what it is told.
 *
 * Sequence numbers in scripts are relative: the guest's to its first SYN, weir's to its own. Byte k
 * of a stream (k = relative number - 1) has the value world_byte(k), in both directions, so that
 * every payload can be checked.
 */
#ifndef WEIR_TEST_SCRIPT_WORLD_H
#define WEIR_TEST_SCRIPT_WORLD_H

#include "stack/stack.h"
#include "stack/tcp.h"

#define WORLD_FRAMES 4096
#define WORLD_CONNS  16

static inline uint8_t world_byte(uint64_t k)
{
	return (uint8_t)(k * 7 + (k >> 8) * 13 + 1);
}

enum upstream_plan {
	UPSTREAM_WAIT, /* the dial lasts until the script says more */
	UPSTREAM_ACCEPT,
};

/* One connection as the script sees it, found by the guest's port. */
struct world_conn {
	struct flow_end end;
	struct world *w;
	uint16_t guest_port;
	uint32_t guest_isn, weir_isn;
	bool weir_isn_known;
	struct tcp_conn *conn; /* while it is dialling or open */
	bool accepted;
	/* upstream to guest */
	uint64_t have, consumed; /* bytes written by the upstream, dropped after an ACK */
	uint64_t asked;          /* how often the stack looked for some */
	bool eof, dead;
	/* guest to upstream */
	uint64_t got,
		takes; /* bytes received; how many it will take in all (UINT64_MAX: any number) */
	bool wrong_bytes, shut, was_reset, was_closed;
};

struct world_frame {
	uint8_t *data;
	uint32_t len;
	struct frame_meta meta;
	uint64_t at_us;
};

struct world {
	struct stack stack;
	struct wheel wheel;
	uint64_t now_us;
	uint8_t family;
	struct stack_config cfg;
	bool started, link_blocked;
	unsigned queue_limit; /* how often the owner was told that no receive memory is left */
	bool guest_full;      /* some guest has shut its window, as the stack's owner hears it */
	struct ipaddr guest, remote;
	uint16_t remote_port;
	enum upstream_plan plan;
	struct world_conn conns[WORLD_CONNS];
	unsigned conn_n;
	struct world_frame out[WORLD_FRAMES]; /* what weir sent, oldest first, not yet looked at */
	unsigned out_first, out_n;
	unsigned in_flight_dials;
};

void world_init(struct world *w);
void world_start(struct world *w); /* the stack begins with cfg as it is now */
void world_done(struct world *w);
/* The connection of a guest port; made where there is none. */
struct world_conn *world_conn(struct world *w, uint16_t guest_port);
void world_advance(struct world *w, uint64_t us);
/* One frame from the guest (Ethernet header on), as a burst of its own unless `more`. */
void world_from_guest(struct world *w, const uint8_t *frame, size_t len, bool more);
struct world_frame *world_next_frame(struct world *w); /* NULL: none */
void world_settle(struct world *w);                    /* the end of a turn */

#endif
