// SPDX-License-Identifier: Apache-2.0
/*
 * An Ethernet frame as it travels inside weir, between a link and the stack.
 *
 * A frame may be a super-segment of up to 64 KiB: then gso_size says into which pieces a link
 * without offload (or the far kernel) has to cut it. The fields are those of the virtio-net header
 * (virtio 1.2, section 5.1.6), in host byte order.
 *
 * A frame is one piece of memory, ours, in which nobody else writes. Only what carries a long
 * payload may have that payload elsewhere, as a tail in memory that the guest shares with us. Then
 * what was said about headers holds for the head alone: a tail may be handed on, or copied once,
 * but never looked at, since the guest can change it between two looks.
 */
#ifndef WEIR_BASE_FRAME_H
#define WEIR_BASE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#define ETH_HLEN        14
#define FRAME_MAX       (ETH_HLEN + 65535) /* largest frame either way, without a virtio header */
#define FRAME_VNET_ROOM 16 /* bytes that a link may use in front of each outgoing frame */

enum frame_gso {
	FRAME_GSO_NONE = 0,
	FRAME_GSO_TCPV4 = 1,
	FRAME_GSO_UDP = 3, /* UFO: each piece is a fragment of the one datagram; never received */
	FRAME_GSO_TCPV6 = 4,
	FRAME_GSO_UDP_L4 = 5, /* USO: each piece is a datagram of its own */
};

/* What the far side of a link can take from us (and gives us). */
enum link_caps {
	LINK_CSUM = 1 << 0, /* frames with needs_csum */
	LINK_TSO4 = 1 << 1,
	LINK_TSO6 = 1 << 2,
	LINK_USO = 1 << 3,
	/* A datagram over the MTU, whole: the kernel behind a tap takes it as it is, and fragments
	 * it where it hands it on. (A packet socket that passes the queue of its interface cannot
	 * send one: there it would have to be fragmented before, and is lost.) */
	LINK_UFO = 1 << 4,
};

struct frame_meta {
	bool needs_csum;      /* the L4 checksum field holds only the pseudo-header's sum */
	bool csum_valid;      /* received: the link vouches for the L4 checksum */
	uint8_t gso;          /* enum frame_gso */
	bool ecn;             /* TCP segment with CWR: only the first piece keeps it */
	uint16_t gso_size;    /* payload bytes of a piece; 0 where gso is NONE */
	uint16_t hdr_len;     /* Ethernet + IP + L4 header bytes, where gso is set */
	uint16_t csum_start;  /* where needs_csum: offset at which summing starts ... */
	uint16_t csum_offset; /* ... and the checksum field, counted from csum_start */
};

/* The rest of a frame, where it lies in the guest's own memory. */
struct frame_tail {
	const struct iovec *iov;
	int n;
	uint32_t at;   /* bytes of the frame that come before it */
	uint8_t *room; /* received: behind the head, for those who need the frame in one piece */
};

/* A frame has fewer ranges of tail than this, and a lending of several frames, too. */
#define FRAME_TAIL_RANGES 512

struct frame {
	uint8_t *data; /* the Ethernet header; FRAME_VNET_ROOM writable bytes lie before it where
			  the frame is outgoing */
	uint32_t len;  /* of all of it */
	struct frame_meta meta;
	const struct frame_tail *tail; /* NULL: all of it is at data */
};

/* Bytes at data. */
static inline uint32_t frame_head(const struct frame *f)
{
	return f->tail ? f->tail->at : f->len;
}

/* Copies the first len bytes of a received frame's tail behind its head. */
static inline void frame_tail_copy(const struct frame_tail *t, size_t len)
{
	uint8_t *to = t->room;

	for (int i = 0; i < t->n && len; i++) {
		size_t n = t->iov[i].iov_len < len ? t->iov[i].iov_len : len;

		memcpy(to, t->iov[i].iov_base, n);
		to += n;
		len -= n;
	}
}

/* Makes a received frame one piece. */
static inline void frame_whole(struct frame *f)
{
	if (!f->tail)
		return;
	frame_tail_copy(f->tail, f->len - f->tail->at);
	f->tail = NULL;
}

#endif
