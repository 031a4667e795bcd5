// SPDX-License-Identifier: Apache-2.0
/*
 * The device's side of a virtqueue, split or packed (virtio 1.2, sections 2.7 and 2.8).
 *
 * Theory of operation
 * -------------------
 * The rings lie in guest memory, and the guest may write to any of it at any time. So each field is
 * read once, into a local, and checked there; nothing that was written to the ring is read back.
 * A ring that no driver would make is a fault: the call returns -1, q->fault says in words what was
 * wrong, and the owner stops the device. Faults are: descriptors outside of guest memory, loops and
 * chains longer than the queue, indirect tables of odd length or inside each other, an index that
 * ran ahead of the ring, and buffers of the wrong direction.
 *
 * Buffers are taken and given back in order, so that VIRTIO_F_IN_ORDER holds by itself: take some
 * with virtq_take() (or go back to where a virtq_mark() was), then virtq_put() each, then
 * virtq_publish() once for the burst, which makes all of them visible at once and says whether the
 * driver wants to be notified.
 *
 * Notifications from the driver are off while there is work. virtq_wait() turns them on, and looks
 * again, as the driver may have added a buffer just before.
 *
 * Little-endian machines only, as the fields are (virtio 1.2, 1.4): see virtq_usable().
 */
#ifndef WEIR_LINK_VIRTQ_H
#define WEIR_LINK_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "link/vhost_user_mem.h"

/* Largest queue that is accepted: what QEMU and others offer at most, and so the most descriptors
 * of a chain. */
#define VIRTQ_SIZE_MAX 1024

/* Descriptor flags, both layouts. */
#define VIRTQ_DESC_NEXT     1u
#define VIRTQ_DESC_WRITE    2u
#define VIRTQ_DESC_INDIRECT 4u
#define VIRTQ_DESC_AVAIL    (1u << 7)  /* packed */
#define VIRTQ_DESC_USED     (1u << 15) /* packed */
#define VIRTQ_DESC_LEN      16u        /* bytes of a descriptor, both layouts */

/* A place in the ring. Split: an index that only counts up. Packed: a slot, and the lap's parity.
 */
struct virtq_mark {
	uint16_t at;
	bool wrap;
};

struct virtq {
	const struct vu_mem *mem;
	bool packed, event_idx, indirect; /* what was negotiated */
	uint16_t size;                    /* ring entries; a power of two where split */
	/* The three areas of the ring; packed: the ring, the driver's and the device's event
	 * suppression structure. */
	uint8_t *desc, *avail, *used;
	struct virtq_mark next;  /* where the next buffer is taken */
	struct virtq_mark done;  /* where the next used buffer is noted */
	struct virtq_mark shown; /* the same when it was last published */
	uint16_t unsaid;         /* packed: slots used since the driver was last notified, or not */
	uint16_t told;           /* split: `done` when the driver was last notified */
	bool told_valid;         /* ... where that was since the ring started */
	uint16_t head_flags;     /* packed: flags of the first unpublished one, held back */
	bool quiet;              /* notifications are off */
	const char *fault;       /* what was wrong with the ring */
};

/* What a queue's buffers are for. */
enum virtq_dir {
	VIRTQ_READ,  /* all of it is read by us */
	VIRTQ_WRITE, /* all of it is written by us */
	VIRTQ_BOTH,  /* a request to be read, then room for the answer (2.7.4.2) */
};

/* One buffer of the driver's. */
struct virtq_chain {
	uint16_t id;    /* by which it is given back */
	uint16_t slots; /* ring slots that it takes up; packed */
	int n;          /* ranges filled in */
	int n_read;     /* VIRTQ_BOTH: so many of them are the request */
	uint64_t len;   /* bytes in them */
};

/* False where this machine's byte order is not that of virtio. */
static inline bool virtq_usable(void)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
}

/* Bytes of the three areas of a ring. */
struct virtq_areas {
	uint64_t desc, avail, used;
};
struct virtq_areas virtq_areas(bool packed, bool event_idx, uint16_t size);
/* The areas lie where fields of theirs can be read at once (2.7, 2.8.10.1). */
bool virtq_aligned(const struct virtq *q);
/* A size that a ring of this layout may have. */
bool virtq_size_valid(bool packed, uint32_t size);

/*
 * Begins at a place: mem, layout, size and areas are set. Packed: where the next used one goes is
 * given as well; split: it is read from the ring.
 */
void virtq_start(struct virtq *q, struct virtq_mark next, struct virtq_mark done);

/*
 * Takes the next buffer: its memory as at most `max` ranges at iov. 1; 0 where there is none; -1
 * with q->fault.
 */
int virtq_take(struct virtq *q, enum virtq_dir dir, struct virtq_chain *ret, struct iovec *iov,
	       int max);

/* Where taking stands, and back to there: nothing that was taken since may have been put. */
static inline struct virtq_mark virtq_mark(const struct virtq *q)
{
	return q->next;
}
static inline void virtq_back(struct virtq *q, struct virtq_mark m)
{
	q->next = m;
}

/* Takes a buffer once more behind which taking has gone back: it is used as it was read then. */
void virtq_pass(struct virtq *q, const struct virtq_chain *c);

/* Gives the buffer back with so many bytes written into it; seen after virtq_publish(). */
void virtq_put(struct virtq *q, const struct virtq_chain *c, uint32_t written);
/* Shows what was put. True where the driver is to be notified. */
bool virtq_publish(struct virtq *q);

/* Asks to be notified of the next buffer. True where there is one already. */
bool virtq_wait(struct virtq *q);
/* The same from a place further on, up to which buffers are there but do not suffice. */
bool virtq_wait_at(struct virtq *q, struct virtq_mark from);
/* There is a buffer. */
bool virtq_has(const struct virtq *q);
/* Asks not to be. */
void virtq_quiet(struct virtq *q);

/* ---- between the files of the virtqueue ---- */

int virtq_fail(struct virtq *q, const char *why); /* -1 */
uint16_t virtq_load16(const void *p);             /* once, in any order */
uint16_t virtq_load16_acquire(const void *p);     /* what was written before it is seen behind it */
void virtq_store16(void *p, uint16_t v);
void virtq_store16_release(void *p, uint16_t v);
/* The rule of section 2.7.10: notify when the event index lies in what was added. */
bool virtq_event_due(uint16_t event, uint16_t now, uint16_t before);

/* A descriptor, read once. */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t w12; /* split: flags; packed: id */
	uint16_t w14; /* split: next; packed: flags */
};
struct virtq_desc virtq_desc_load(const uint8_t *p);
/* Adds a descriptor's memory to a chain. 0, or virtq_fail(). */
int virtq_chain_add(struct virtq *q, struct virtq_chain *c, uint64_t addr, uint32_t len, bool is_w,
		    enum virtq_dir dir, struct iovec *iov, int max);
/* The table of an indirect descriptor, and the descriptors in it; NULL with a fault. */
const uint8_t *virtq_indirect(struct virtq *q, const struct virtq_desc *d, uint32_t *ret_n);

int virtq_split_take(struct virtq *q, enum virtq_dir dir, struct virtq_chain *ret,
		     struct iovec *iov, int max);
void virtq_packed_pass(struct virtq *q, const struct virtq_chain *c);
void virtq_split_put(struct virtq *q, const struct virtq_chain *c, uint32_t written);
bool virtq_split_publish(struct virtq *q);
bool virtq_split_wait(struct virtq *q, struct virtq_mark from);
bool virtq_split_has(const struct virtq *q, struct virtq_mark from);
void virtq_split_quiet(struct virtq *q);
int virtq_packed_take(struct virtq *q, enum virtq_dir dir, struct virtq_chain *ret,
		      struct iovec *iov, int max);
void virtq_packed_put(struct virtq *q, const struct virtq_chain *c, uint32_t written);
bool virtq_packed_publish(struct virtq *q);
bool virtq_packed_wait(struct virtq *q, struct virtq_mark from);
bool virtq_packed_has(const struct virtq *q, struct virtq_mark from);
void virtq_packed_quiet(struct virtq *q);

#endif
