// SPDX-License-Identifier: Apache-2.0
/*
 * The ring link: a guest in this process, behind two rings of frames, one each way.
 *
 * Theory of operation
 * -------------------
 * A ring has one producer and one consumer, in any two threads, and no lock. Frames lie in it whole
 * and in a row, each behind its virtio-net header; push copies them in, pop gives them where they
 * lie and frees them with the next pop. Each end has an eventfd, and says before it rests that it
 * does (`asleep`): only then does the other end pay for a system call, once until the next rest.
 *
 * The fd of an end is readable while there is something for it to do: frames that were not popped
 * or not freed yet, room for a push that was refused, the other end gone. pop clears it where it
 * finds nothing more. After a refused push half of the ring has to be free before the fd says so.
 *
 * Trust: the thread at the guest's end is the embedding program's, and the rings are its memory as
 * much as ours; what is in a frame and what its meta says are the guest's, and are checked.
 */
#ifndef WEIR_LINK_RING_H
#define WEIR_LINK_RING_H

#include "link/link.h"

#define RING_SIZE     (1024 * 1024)
#define RING_SIZE_MIN (256 * 1024)
#define RING_SIZE_MAX (64 * 1024 * 1024)

struct ring_options {
	uint32_t size;       /* bytes each way, a power of two in the limits above; 0: RING_SIZE */
	uint32_t guest_caps; /* enum link_caps, without LINK_UFO: what the guest takes */
};

struct ring_end; /* the guest's end */

/* NULL and err on failure. Both ends are freed on their own, in any order. */
struct link *link_ring_new(const struct ring_options *o, struct ring_end **ret_guest,
			   struct error *err);

/*
 * The guest's end: from one thread at a time.
 *
 * push: frames taken from the front (those of an impossible length are taken and lost), -EAGAIN
 * where there is no room for one, -EPIPE where the link is gone. Whoever was refused and does not
 * want to push any more says so with a push of no frames.
 */
int ring_push(struct ring_end *e, const struct frame *frames, int n);
/* Frames popped (<= max), valid until the next pop; 0: none now; -EPIPE: the link is gone. Before
 * each FRAME_VNET_ROOM bytes may be written. */
int ring_pop(struct ring_end *e, struct frame *ret, int max);
int ring_fd(const struct ring_end *e);
void ring_end_free(struct ring_end *e);

#endif
