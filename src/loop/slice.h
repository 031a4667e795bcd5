// SPDX-License-Identifier: Apache-2.0
/*
 * How soon a loop gets the processor where it shares one with who waits for it.
 *
 * A frame of the guest's wakes its gateway, most often on the guest's own processor. There the
 * scheduler lets the guest run on until it sleeps or its slice is over, unless who was woken has
 * asked for shorter slices: then that one goes first. A slice is no share: over time the gateway
 * gets no more of the processor than before, only sooner, and in smaller pieces.
 *
 * That is worth it where the guest goes on for long: a reader that has opened its window again, and
 * reads what it has while more could be on its way. It is none where the guest sleeps right after,
 * as in a conversation: who is interrupted there still counts as running, so whom the gateway wakes
 * is sent to another processor, and that one may have to be woken itself.
 */
#ifndef WEIR_LOOP_SLICE_H
#define WEIR_LOOP_SLICE_H

#include <stdint.h>

#define SLICE_SHORT_NS 100000 /* the shortest that Linux grants */
#define SLICE_USUAL    0      /* the system's, some milliseconds */

/*
 * Asks for slices of that length for the calling thread, and for none that it starts later. Any
 * process may. What is no ordinary thread any more (SCHED_FIFO, SCHED_BATCH...) stays what somebody
 * made of it.
 * Returns 0, or -errno; Linux before 6.12 takes it and has no use for it.
 */
int slice_set(uint64_t ns);

#endif
