// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of the vhost-user link: the link and a guest behind it, both played by one thread. The
 * guest is vhost_rig.h; what comes out of the link is kept for a look. One pair at a time.
 */
#ifndef WEIR_LINK_VHOST_PAIR_H
#define WEIR_LINK_VHOST_PAIR_H

#include "link/vhost_rig.h"
#include "link/vhost_user.h"

#define PAIR_FRAMES 512
#define PAIR_ROOM   (8u << 20)
#define PACKED      (RIG_FEATURES | VIRTIO_RING_PACKED)

struct pair {
	struct link *l;
	struct rig g;
	struct frame got[PAIR_FRAMES]; /* what came out of the link */
	int got_n;
	uint8_t *room; /* PAIR_ROOM bytes for copies of theirs */
	size_t used;
};

/* A link, and a guest with buffers in its rings. Where o names no pump, pair_pump() is called while
 * the guest waits for an answer. */
struct pair *pair_open(const struct rig_options *o);
void pair_close(struct pair *p);
/* A new link for the guest that is there. False where it did not like the guest. */
bool pair_attach(struct pair *p);

/* One turn of the link's: copies what it gives behind what is kept. ctx: the pair. */
void pair_pump(void *ctx);
void pair_pump_some(void *ctx);
void pair_forget(struct pair *p);
/* The link's fd says that there is something to do. */
bool pair_awake(struct pair *p);
/* How often a device was stopped, by what is said of it on stderr, within some turns. */
size_t pair_errors(struct pair *p);

/* Bytes that tell frames, and places in them, apart. */
void pair_pattern(uint8_t *to, size_t len, unsigned seed);
/* A frame of len bytes at data; tso: a TCP/IPv4 super-segment. */
void pair_frame(struct frame *f, uint8_t *data, size_t len, unsigned seed, bool tso);
/* Such a frame crosses the link, and is seen whole on the other side. */
void pair_from_guest(struct pair *p, unsigned seed, size_t len, bool tso);
void pair_to_guest(struct pair *p, unsigned seed, size_t len, bool tso);
/* Makes descriptor 0 of a ring available; `ahead`: by so many entries the index moves. */
void pair_offer(struct rig_ring *r, uint16_t ahead);

#endif
