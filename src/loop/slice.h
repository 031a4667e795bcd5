// SPDX-License-Identifier: Apache-2.0
/*
 * How soon a loop gets the processor where it shares one with who waits for it.
 *
 * A frame of the guest's wakes its gateway, most often on the guest's own processor. There the
 * scheduler lets the guest run on until it sleeps or its slice is over, unless who was woken has
 * asked for shorter slices: then that one goes first. A slice is no share: over time the gateway
 * gets no more of the processor than before, only sooner, and in smaller pieces.
 */
#ifndef WEIR_LOOP_SLICE_H
#define WEIR_LOOP_SLICE_H

#define SLICE_NS 100000 /* the shortest that Linux grants; the usual one is some milliseconds */

/*
 * Asks for short slices for the calling thread, and for none that it starts later. Any process may.
 * What is no ordinary thread any more (SCHED_FIFO, SCHED_BATCH...) stays what somebody made of it.
 * Returns 0, or -errno; Linux before 6.12 takes it and has no use for it.
 */
int slice_shorten(void);

#endif
