// SPDX-License-Identifier: Apache-2.0
/*
 * What one sandbox may take of a loop that it shares with others: of a turn, and of a second.
 *
 * Theory of operation
 * -------------------
 * A frame costs from a quarter of a microsecond (refused) to ten and more (a SYN that opens a host
 * socket, or the datagram of a new flow), and the guest decides which. So a turn is bounded by time
 * and not by frames: what frames have cost says how many are taken from the link at once. The rest
 * waits in the link, which pushes back on nobody but this guest, and the loop goes on to whoever
 * else is ready.
 *
 * The cost is learned at once where it rises, and forgotten by halves where it falls, so that a
 * guest which mixes both kinds is judged by the dear ones. Time that somebody else had the
 * processor counts, too; that passes in a few bursts.
 *
 * A host socket that is opened costs more than the time that it takes: the kernel puts work off
 * that it does later, in one go and at anybody's expense. So new flows have a rate as well. A SYN
 * beyond it waits in the table of connections that are being opened, whose cap is told by
 * limit-half-open; the datagram of a new flow is dropped (limit-udp).
 */
#ifndef WEIR_FLOW_SHARE_H
#define WEIR_FLOW_SHARE_H

#include <stdint.h>

#include "base/bucket.h"

/* A neighbour waits for one such turn of each sandbox that is busy. What a turn costs the loop
 * itself (a wait, a few reads) is a fiftieth of it. */
#define SHARE_TURN_US 100
/* A turn goes on at least so far, whatever it costs: nobody starves. */
#define SHARE_MIN 4
/* New flows with host sockets of their own, a second and at once: a tenth of a processor, and more
 * than programs ask for that are no load generators. */
#define SHARE_FLOWS      10000
#define SHARE_FLOWS_ONCE 512

struct share {
	uint32_t frame_ns; /* what a frame costs */
	struct bucket flows;
};

static inline struct share share_make(uint64_t now_us)
{
	return (struct share){.flows = bucket_make(SHARE_FLOWS, SHARE_FLOWS_ONCE, now_us)};
}

/* Frames to take next, at most `max`, where the turn has lasted `spent_us`. 0: it is over. */
unsigned share_frames(const struct share *s, uint64_t spent_us, unsigned max);
/* n frames (> 0) have taken `took_us`. */
void share_note(struct share *s, unsigned n, uint64_t took_us);

#endif
