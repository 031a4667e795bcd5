// SPDX-License-Identifier: Apache-2.0
/*
 * A virtio-net device as a vhost-user back end: what messages change, and the data path.
 *
 * Theory of operation
 * -------------------
 * The front end (a VMM) describes guest memory and rings with messages; the guest's driver then
 * fills the rings. A ring runs from SET_VRING_KICK to GET_VRING_BASE, and carries frames while it
 * is enabled. Rings come in pairs: an even one takes frames for the guest, the odd one behind it
 * has those that the guest sends.
 *
 * The guest may change its memory at any time, so nothing is checked in one place and used in
 * another: every frame is copied, once, between guest memory and ours, and its buffers go back to
 * the guest within the call. Of long TCP segments that is true of the headers alone; their payload,
 * at which nobody looks, may stay where it is until the burst is over (vhost_user_tail.c). Messages
 * are read between bursts, so no pointer into guest memory outlives the memory that it points to;
 * those to the rings are worked out again whenever it changes.
 *
 * Two kinds of wrong. A ring that no driver would make, or memory that was cut short: the device
 * stops with one logged error, the rings rest until the front end has stopped them all, and a
 * driver that starts anew (a rebooted guest) starts afresh. A message that no front end would send:
 * the connection is closed with an error, which ends the device; what comes next is a new one.
 *
 * A weir that was ended in the middle, and one that takes its place: a split ring says itself up to
 * where buffers were given back. As we give them back in order, and within the burst, all that were
 * not are taken again. A packed ring does not say so; there the in-flight area does, which the
 * front end keeps for us. (Where it does not, as QEMU, and where a burst was half written at that
 * moment, a packed ring rests until its driver is started again.)
 */
#ifndef WEIR_LINK_VHOST_USER_DEV_H
#define WEIR_LINK_VHOST_USER_DEV_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/error.h"
#include "base/frame.h"
#include "base/log.h"
#include "link/vhost_user_chan.h"
#include "link/vhost_user_mem.h"
#include "link/virtq.h"
#include "link/vnet.h"

/* Pairs of rings: a guest with more CPUs shares them. */
#define VU_PAIRS_MAX 8
/* And one for the driver's commands. */
#define VU_RINGS_MAX (2 * VU_PAIRS_MAX + 1)
/* Most buffers that one frame may take: 64 KiB in pieces of 1 KiB, and more. What needs more is
 * dropped. */
#define VU_FRAME_CHAINS 80
/* Most pieces of memory that the buffers of one frame may have. */
#define VU_FRAME_RANGES (2 * VIRTQ_SIZE_MAX)

/* A frame from the guest that is at least so long may leave its payload where it is: below it the
 * copy costs no more than what else there is to do. */
#define VU_TAIL_MIN 4096u
/* Bytes of such a frame that are copied before it is known what it is: Ethernet, IP and TCP headers
 * as long as they can be. */
#define VU_TAIL_HEAD 134u
/* Buffers of the guest's that are kept until a burst is over; then the burst ends. */
#define VU_KEPT_MAX    64
#define VU_KEPT_RANGES 256
/* Frames that a lending is for. */
#define VU_LENT_MAX 4

/* In the device's epoll instance, kicks are known by this and the ring's number. */
#define VU_KICK_TAG 0x100u

struct vu_ring {
	struct virtq q;
	struct vu_vring_addr addr;
	bool has_addr;
	uint16_t size;                /* 0: not set */
	struct virtq_mark next, done; /* where to begin */
	int kick_fd, call_fd, err_fd; /* -1: none */
	bool running, enabled;
	bool primed;       /* for the guest: there has been a buffer */
	bool discard;      /* disabled while it ran: frames of the guest are taken and lost */
	uint8_t *inflight; /* this ring's part of the area, or NULL */
};

/* A buffer of the guest's that goes back to it when the burst is over. */
struct vu_kept {
	struct vu_ring *ring;
	struct virtq_chain chain;
};

/* Buffers of the guest's for one frame to it. */
struct vu_lent {
	int chain, chains; /* in vu_dev.chains */
	int range, ranges; /* in vu_dev.ranges */
	uint32_t payload;  /* bytes that there is room for */
};

struct vu_dev {
	int epoll_fd;     /* kicks are watched here, edge-triggered; -1: nowhere */
	uint16_t mtu;     /* that the guest is told */
	const char *name; /* of the link, for messages; not owned */
	struct log_limit log;
	uint64_t features; /* negotiated */
	uint64_t proto;    /* protocol features, negotiated */
	struct vu_mem mem;
	struct vu_ring rings[VU_RINGS_MAX];
	struct vu_mapping inflight;
	uint16_t inflight_rings, inflight_size; /* what the area is made for */
	bool stopped;                           /* a fault: rings rest */
	int dry;                  /* the ring that had too few buffers for a frame, or -1 */
	struct virtq_mark dry_at; /* ... up to where there were some */

	uint8_t *arena;                  /* received frames (vhost_user_net.c), mapped on demand */
	unsigned pairs;                  /* that the driver wants to use; 0: it did not say */
	unsigned turn;                   /* ring pair that is looked at first */
	uint64_t rx_dropped, tx_dropped; /* since they were last asked for */

	/* vhost_user_tail.c: buffers kept, tails and ranges in them (> 0: buffers are kept) ... */
	int kept_n, tails_n, kept_ranges;
	/* ... and frames lent for, and sent of them */
	int lent_n, lent_sent;
	struct vu_ring *lent_ring;

	/* From here on, memory that is never touched where it is not needed. */
	struct iovec ranges[VU_FRAME_RANGES + FRAME_TAIL_RANGES];
	struct virtq_chain chains[VU_LENT_MAX * VU_FRAME_CHAINS];

	/* vhost_user_tail.c: from the guest ... */
	struct vu_kept kept[VU_KEPT_MAX];
	struct frame_tail tails[VU_KEPT_MAX];
	struct iovec kept_iov[VU_KEPT_RANGES];
	/* ... and to it */
	struct vu_lent lent[VU_LENT_MAX];
	struct frame_tail lent_tail[VU_LENT_MAX];
	struct iovec lent_iov[FRAME_TAIL_RANGES];
};

/* 0, or -1 and err. */
int vu_dev_init(struct vu_dev *d, const char *name, struct error *err);
void vu_dev_done(struct vu_dev *d);
/* The connection is gone: everything that it brought is given back. */
void vu_dev_reset(struct vu_dev *d);
/* enum link_caps of what the guest can take now. */
uint32_t vu_dev_caps(const struct vu_dev *d);

/* ---- messages (vhost_user_msg.c) ---- */

/* What to send back, if anything. */
struct vu_reply {
	struct vu_msg msg;
	bool due;
	int fd; /* goes with it, and is closed by the sender; -1: none */
};
/*
 * One message. 0; or -1 and err: the connection is to be closed, after the reply where one is due.
 * Fds that are kept are taken out of the message.
 */
int vu_dev_message(struct vu_dev *d, struct vu_msg *m, struct vu_reply *reply, struct error *err);

/* ---- data path (vhost_user_net.c) ---- */

/* As link_recv(); *ret_more: the rings were not emptied, and will not wake anybody. */
int vu_net_recv(struct vu_dev *d, struct frame *ret, int max, bool *ret_more);
/* As link_send(). Without a guest, frames are dropped and counted. */
int vu_net_send(struct vu_dev *d, struct frame *frames, int n);
/* Where the guest had too few buffers for a frame: asks to be woken when it adds some. True where
 * it did so already, or never will. */
bool vu_net_wait_room(struct vu_dev *d);
void vu_net_trim(struct vu_dev *d);
int vu_net_init(struct vu_dev *d, struct error *err);
void vu_net_done(struct vu_dev *d);

/* ---- payload in its place (vhost_user_tail.c) ---- */

/* As link_release() and link_lend(). */
void vu_tail_release(struct vu_dev *d);
int vu_tail_lend(struct vu_dev *d, const struct frame *head, uint32_t each, uint32_t total,
		 const struct frame_tail **ret);
/*
 * Leaves the payload of a frame where it is, in the chain c at d->ranges: f->tail is set. Its first
 * VU_TAIL_HEAD bytes are at f->data. False where it has to be copied.
 */
bool vu_tail_keep(struct vu_dev *d, const struct virtq_chain *c, const uint8_t *hdr,
		  unsigned hdr_len, struct frame *f);
/* Sends the next frame that was lent for; its ring, or NULL where f is not that one. */
struct vu_ring *vu_tail_send(struct vu_dev *d, const struct frame *f);

/* ---- between the files of the device ---- */

static inline void vu_fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Its kicks are no longer waited for. */
void vu_ring_unwatch(struct vu_dev *d, struct vu_ring *r);
/* From where it is to begin, or where the in-flight area says that it was. 0, or -1 and err. */
int vu_ring_start(struct vu_dev *d, unsigned i, struct error *err);
/* The place that it has come to is kept. */
void vu_ring_stop(struct vu_dev *d, struct vu_ring *r);
/* As if nothing had ever been said of it. */
void vu_ring_reset(struct vu_dev *d, struct vu_ring *r);
/* The ring's areas as pointers, in the memory as it is now. False where they are not in it. */
bool vu_ring_resolve(struct vu_dev *d, struct vu_ring *r);
/* Memory or the in-flight area changed: rings that run go on in the new one. */
void vu_rings_resolve(struct vu_dev *d);
bool vu_rings_running(const struct vu_dev *d);

/* The ring that carries a frame to the guest, or NULL. */
struct vu_ring *vu_ring_for(struct vu_dev *d, const struct frame *f);
/*
 * Takes buffers that hold `need` bytes: how many, at most VU_FRAME_CHAINS, with their ranges, at
 * most VU_FRAME_RANGES, at iov; 0 where there are not enough now; -1 where there never will be; -2
 * after a fault.
 *
 * A driver that has put three quarters of its ring's descriptors out has no more to add, and
 * would let us wait for ever.
 */
int vu_ring_gather(struct vu_dev *d, struct vu_ring *r, size_t need, struct virtq_chain *chains,
		   struct iovec *iov, int *ret_ranges);
/* The virtio-net header of a frame that takes n buffers; its length. */
unsigned vu_ring_header(struct vu_dev *d, uint8_t hdr[VNET_HLEN], const struct frame *f, int n);
/* Stops the device for what is wrong with a ring. */
void vu_ring_fault(struct vu_dev *d, struct vu_ring *r);

/* Shows what was put into a ring, and tells the driver where it wants that. */
void vu_ring_flush(struct vu_dev *d, struct vu_ring *r);
/* vhost_user_ctrl.c: the number of the ring of commands, behind those that the driver could use, or
 * -1; and answers those that wait. */
int vu_ctrl_ring(const struct vu_dev *d);
void vu_ctrl_serve(struct vu_dev *d);
/* Stops the device and says why, once. */
void vu_dev_stop(struct vu_dev *d, int ring, const char *why);
/* The ring carries frames. */
static inline bool vu_ring_live(const struct vu_dev *d, const struct vu_ring *r)
{
	return r->running && r->enabled && !d->stopped;
}
/* Bytes of the virtio-net header. */
unsigned vu_dev_hdr_len(const struct vu_dev *d);

/* vhost_user_inflight.c */
struct vu_inflight_msg vu_inflight_want(const struct vu_dev *d, uint16_t rings, uint16_t size);
int vu_inflight_make(const struct vu_inflight_msg *m, struct error *err); /* a memfd, or -1 */
int vu_inflight_set(struct vu_dev *d, const struct vu_inflight_msg *m, int fd, struct error *err);
void vu_inflight_clear(struct vu_dev *d);
/* Where a ring that starts goes on, where the area knows better than the front end. */
void vu_inflight_resume(struct vu_dev *d, unsigned ring);
/* Around virtq_publish(). */
void vu_inflight_begin(struct vu_ring *r);
void vu_inflight_end(struct vu_ring *r);
/* The ring was stopped in order: nothing is in flight. */
void vu_inflight_settled(struct vu_ring *r);

#endif
