// SPDX-License-Identifier: Apache-2.0
/*
 * The other side of a vhost-user link, for tests and the benchmark: a front end that shares memory
 * over a socket, and a virtio-net driver on top of it, with split or packed rings, indirect tables,
 * chains of several descriptors, mergeable buffers and several queues. It trusts its device.
 *
 * All is in this process: "guest memory" is a memfd of two regions, one for rings and tables, one
 * for buffers, at guest addresses that are far from each other. Where one thread plays both sides,
 * `pump` is called while an answer is awaited.
 */
#ifndef WEIR_LINK_VHOST_RIG_H
#define WEIR_LINK_VHOST_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "link/vhost_user_proto.h"

#define RIG_RINGS 16
#define RIG_SIZE  256 /* largest ring */
#define RIG_HDR   12

#define RIG_RING_BYTES (1u << 20) /* of region 0, a ring */
#define RIG_TX_BUF     66048u
/* Guest and front end addresses of the two regions. */
#define RIG_GPA0 0x100000ull
#define RIG_GPA1 0x140000000ull
#define RIG_UVA0 0x7f1100000000ull
#define RIG_UVA1 0x7f2200000000ull

/* What a driver of today asks for, but for the layout. */
#define RIG_FEATURES                                                                               \
	(VIRTIO_NET_CSUM | VIRTIO_NET_GUEST_CSUM | VIRTIO_NET_GUEST_TSO4 | VIRTIO_NET_GUEST_TSO6 | \
	 VIRTIO_NET_HOST_TSO4 | VIRTIO_NET_HOST_TSO6 | VIRTIO_NET_GUEST_USO4 |                     \
	 VIRTIO_NET_GUEST_USO6 | VIRTIO_NET_HOST_USO | VIRTIO_NET_MRG_RXBUF | VIRTIO_NET_STATUS |  \
	 VIRTIO_RING_INDIRECT | VIRTIO_RING_EVENT_IDX | VHOST_USER_PROTOCOL | VIRTIO_VERSION_1)

struct rig_options {
	uint64_t features;
	unsigned pairs;   /* 0: 1 */
	uint16_t size;    /* of each ring; 0: RIG_SIZE */
	uint32_t rx_buf;  /* bytes of a receive buffer; 0: 2048 */
	unsigned segs;    /* descriptors of a transmit buffer; 0: 1 */
	bool indirect;    /* in a table */
	bool add_regions; /* ADD_MEM_REG instead of SET_MEM_TABLE */
	bool inflight;    /* ask for an area, or give back the one of a rig before */
	bool unsealed;    /* memory that can be cut short */
	void (*pump)(void *ctx);
	void *ctx;
};

struct rig_ring {
	bool packed, event_idx, writable, indirect;
	uint16_t size;
	unsigned segs;
	uint8_t *desc, *avail, *used, *tables, *bufs;
	uint64_t desc_uva, avail_uva, used_uva; /* as the messages say them */
	uint64_t tables_gpa, bufs_gpa;
	uint32_t buf_len;
	int kick_fd, call_fd;
	uint16_t entries;        /* buffers that the ring can have out */
	uint16_t free[RIG_SIZE]; /* those that are not out */
	uint16_t free_n;
	uint16_t avail_idx, used_idx; /* split: they count up; packed: slots */
	bool avail_wrap, used_wrap;
	uint16_t kicked; /* avail_idx when it was last decided whether to kick */
	uint16_t added;  /* slots since then */
	uint64_t kicks;
};

struct rig {
	struct rig_options o;
	int sock;
	int mem_fd;
	uint8_t *mem; /* region 0, then region 1 */
	size_t len0, len1;
	unsigned rings;
	struct rig_ring ring[RIG_RINGS];
	int inflight_fd;
	uint8_t inflight_msg[VU_INFLIGHT_MSG_LEN];
	uint8_t hdr_len;
	bool failed; /* the device closed the connection, or answered with an error */
};

/* ---- front end (vhost_rig.c) ---- */

/* Makes memory and rings; nothing is said yet. */
bool rig_make(struct rig *g, const struct rig_options *o);
/* Says all that there is to say over a connected socket, which it takes over. False where the
 * device did not like it. */
bool rig_attach(struct rig *g, int sock);
bool rig_start_ring(struct rig *g, unsigned i);
/* Stops a ring; the base that it is to go on from. */
uint32_t rig_stop_ring(struct rig *g, unsigned i);
void rig_set_base(struct rig *g, unsigned i, uint32_t base);
uint32_t rig_base(const struct rig *g, unsigned i);
bool rig_share_memory(struct rig *g);
/* Closes the socket; memory and rings stay. */
void rig_detach(struct rig *g);
void rig_free(struct rig *g);

bool rig_say(struct rig *g, uint32_t request, uint32_t flags, const void *payload, uint32_t len,
	     const int *fds, int n);
/* Waits for the answer to a request. False where there is none. */
bool rig_hear(struct rig *g, uint32_t request, void *payload, uint32_t len, int *ret_fd);
/* A message with REPLY_ACK: true where the device did what it says. */
bool rig_do(struct rig *g, uint32_t request, const void *payload, uint32_t len, const int *fds,
	    int n);

/* ---- driver (vhost_rig_ring.c) ---- */

void rig_ring_init(struct rig_ring *r);
/* Makes a buffer available: len bytes of it, in r->segs descriptors. */
void rig_ring_add(struct rig_ring *r, uint16_t entry, uint32_t len);
/* The next used buffer, and the bytes that were written into it. False where there is none. */
bool rig_ring_used(struct rig_ring *r, uint16_t *ret_entry, uint32_t *ret_len);
/* Notifies the device where it wants that. */
void rig_kick(struct rig_ring *r);
/* Asks to be notified of the next used buffer; quiet: of none. */
void rig_ring_want_call(struct rig_ring *r, bool on);

/* A frame to the device; the caller kicks. False where the ring is full. */
bool rig_send(struct rig *g, unsigned pair, const uint8_t hdr[RIG_HDR], const void *frame,
	      size_t len);
/* Gives all free receive buffers out. */
void rig_fill(struct rig *g, unsigned pair);
/* A frame from the device, its buffers put together; 0 where there is none; -1 where what came is
 * no frame. */
ssize_t rig_recv(struct rig *g, unsigned pair, uint8_t hdr[RIG_HDR], uint8_t *to, size_t cap);

static inline uint8_t *rig_buf(const struct rig_ring *r, uint16_t entry)
{
	return r->bufs + (size_t)entry * r->buf_len;
}

/* Writes one raw descriptor (of the ring, or of a table at `at`). w12 and w14 as virtq.h has them.
 */
void rig_desc(uint8_t *at, uint64_t addr, uint32_t len, uint16_t w12, uint16_t w14);

#endif
