// SPDX-License-Identifier: Apache-2.0
/*
 * A link: one way for frames to reach a sandbox. The stack never knows which one it talks to.
 *
 * Both calls move a burst and never block. What recv gives belongs to the link and is valid until
 * release or the next recv. What send does not take stays the caller's, who waits until the link is
 * writable.
 *
 * A link that shares memory with its guest may spare long payloads a copy (struct frame_tail). From
 * the guest: frames with tails, whose memory goes back to the guest with release. To the guest:
 * lend says where in the guest's memory payload can be put before the frames that it belongs to are
 * sent.
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
	/* The frames of the last recv are no longer looked at. NULL: it is all the same. */
	void (*release)(struct link *l);
	/*
	 * Room for the payload of the next frames: `each` bytes for each of them, the last one's
	 * may be fewer, `total` bytes in all. They will have headers as long as those of `head`,
	 * in which the addresses and ports are filled in. How many frames there is room for,
	 * which may be fewer, with their tails at *ret, whose ranges lie one behind the other.
	 * Sent next, each with its tail and in this order, they are taken, and not copied; a
	 * shorter payload makes its frame the last. What is not sent next counts as given back.
	 * NULL: never.
	 */
	int (*lend)(struct link *l, const struct frame *head, uint32_t each, uint32_t total,
		    const struct frame_tail **ret);
	/* Gives unused buffer memory back to the system; called when the sandbox has gone quiet. */
	void (*trim)(struct link *l);
	void (*free)(struct link *l);
	/* Where fd stands for several (a listener and its connection): what a wake-up of fd means,
	 * as EPOLLIN and EPOLLOUT. NULL: what was reported of fd itself. */
	uint32_t (*events)(struct link *l, uint32_t events);
	/* Where fd stands for several: whether fd is to wake up also when send can go on. NULL: the
	 * owner waits for EPOLLOUT of fd. */
	void (*arm)(struct link *l, bool writable);
};

struct link {
	const struct link_ops *ops;
	int fd; /* readable when recv has something, writable when send can go on; -1: none (ring in
		   virtual time) */
	uint32_t caps;       /* enum link_caps */
	uint64_t tx_dropped; /* frames that the far side refused */
	uint64_t rx_dropped; /* what came and was no frame: an impossible header or length */
	uint64_t rx_cut;     /* frames whose sender went away in the middle of them */
	uint32_t peers;      /* connections there have been, where a link has any; once it moves,
				another guest may be behind the link */
};

static inline int link_recv(struct link *l, struct frame *ret, int max)
{
	return l->ops->recv(l, ret, max);
}

static inline int link_send(struct link *l, struct frame *frames, int n)
{
	return l->ops->send(l, frames, n);
}

static inline void link_release(struct link *l)
{
	if (l->ops->release)
		l->ops->release(l);
}

static inline int link_lend(struct link *l, const struct frame *head, uint32_t each, uint32_t total,
			    const struct frame_tail **ret)
{
	return l->ops->lend ? l->ops->lend(l, head, each, total, ret) : 0;
}

static inline uint32_t link_events(struct link *l, uint32_t events)
{
	return l->ops->events ? l->ops->events(l, events) : events;
}

/* False where the owner has to wait for EPOLLOUT of fd itself. */
static inline bool link_arm(struct link *l, bool writable)
{
	if (!l->ops->arm)
		return false;
	l->ops->arm(l, writable);
	return true;
}

/*
 * A tap (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR) whose fd is open and attached; takes over the fd.
 * Asks the kernel for all offloads it can do. NULL and err on failure.
 */
struct link *link_tap_new(int fd, struct error *err);

/* An AF_PACKET socket bound to one end of a veth pair, with PACKET_VNET_HDR on; takes over the fd.
 */
struct link *link_packet_new(int fd, struct error *err);

/* ---- links over sockets: sock.h says what each does when its peer comes, goes and is slow ---- */
enum link_offload {
	LINK_OFFLOAD_NONE,    /* whole checksums, frames within the MTU */
	LINK_OFFLOAD_VNET,    /* a 12-byte virtio-net header before each frame, both ways */
	LINK_OFFLOAD_LIBKRUN, /* taken without any header: up to 64 KiB, checksums unfinished */
};

struct link_options {
	enum link_offload offload;
	unsigned mode;        /* of the socket file; 0: 0600 */
	uint16_t mtu;         /* that vpnkit tells its peer; 0: 1500 */
	uint8_t guest_mac[6]; /* the same */
};

/*
 * All take over the fds that they are given, also where they fail: then NULL, and err says why.
 * options may be NULL. A listening link waits for its first peer, and for the next one where that
 * one leaves; a connecting one needs somebody to be there, and goes on trying once it was lost; an
 * fd that listens is like a path. A connected fd that ends is a link that ends (-ENETDOWN).
 */
struct link *link_stream_listen(const char *path, const struct link_options *o, struct error *err);
struct link *link_stream_connect(const char *path, const struct link_options *o, struct error *err);
struct link *link_stream_fd(int fd, const struct link_options *o, struct error *err);
/* 16-bit little-endian lengths over two pipes or sockets (SIGPIPE is blocked or ignored). */
struct link *link_stdio_new(int in, int out, const struct link_options *o, struct error *err);
/* The same lengths behind the handshake of vpnkit. */
struct link *link_vpnkit_listen(const char *path, const struct link_options *o, struct error *err);
struct link *link_vpnkit_fd(int fd, const struct link_options *o, struct error *err);
struct link *link_dgram_bind(const char *path, const struct link_options *o, struct error *err);
struct link *link_dgram_fd(int fd, const struct link_options *o, struct error *err);
struct link *link_seqpacket_listen(const char *path, const struct link_options *o,
				   struct error *err);
struct link *link_seqpacket_fd(int fd, const struct link_options *o, struct error *err);

void link_free(struct link *l);

#endif
