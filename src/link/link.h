// SPDX-License-Identifier: Apache-2.0
/*
 * A link: one way for frames to reach a sandbox. The stack never knows which one it talks to.
 *
 * Both calls move a burst and never block. What recv gives belongs to the link and is valid until
 * the next recv. What send does not take stays the caller's, who waits until the link is writable.
 */
#ifndef WEIR_LINK_LINK_H
#define WEIR_LINK_LINK_H

#include <stdint.h>

#include "base/error.h"
#include "base/frame.h"

#define LINK_BURST 64 /* most frames a call moves */

struct link;

struct link_ops {
	const char *name;
	/* Frames received (<= max), 0 when there is nothing, -errno when the link is broken
	 * (-ENETDOWN: gone, may come back). */
	int (*recv)(struct link *l, struct frame *ret, int max);
	/* Frames taken (a frame that the far side refuses counts as taken and as dropped), -EAGAIN
	 * when none can be taken now, other -errno when the link is broken. */
	int (*send)(struct link *l, struct frame *frames, int n);
	/* Gives unused buffer memory back to the system; called when the sandbox has gone quiet. */
	void (*trim)(struct link *l);
	void (*free)(struct link *l);
};

struct link {
	const struct link_ops *ops;
	int fd; /* readable when recv has something, writable when send can go on; -1: none (ring in
		   virtual time) */
	uint32_t caps;       /* enum link_caps */
	uint64_t tx_dropped; /* frames that the far side refused */
};

static inline int link_recv(struct link *l, struct frame *ret, int max)
{
	return l->ops->recv(l, ret, max);
}

static inline int link_send(struct link *l, struct frame *frames, int n)
{
	return l->ops->send(l, frames, n);
}

/*
 * A tap (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR) whose fd is open and attached; takes over the fd.
 * Asks the kernel for all offloads it can do. NULL and err on failure.
 */
struct link *link_tap_new(int fd, struct error *err);

/* An AF_PACKET socket bound to one end of a veth pair, with PACKET_VNET_HDR on; takes over the fd.
 */
struct link *link_packet_new(int fd, struct error *err);

void link_free(struct link *l);

#endif
