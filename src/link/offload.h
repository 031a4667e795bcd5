// SPDX-License-Identifier: Apache-2.0
/*
 * What a frame over a socket may leave to the other side (offload= of a link), and how the two say
 * so to each other.
 *
 * none: nothing. Each frame is within the MTU, its checksums are whole.
 *
 * vnet: the virtio-net header stands before each frame, both ways, so that what a tap may leave out
 * may be left out here. There is no negotiation: it is for peers that are known to speak it and
 * whose guest takes checksum and TCP offloads.
 *
 * libkrun: a guest that was offered offloads by its VMM sends super-segments with unfinished
 * checksums, and the VMM passes them on without the header that said so. What its header would have
 * said is seen from the frame: the checksum field holds the sum of the pseudo-header. The other way
 * the VMM tells its guest nothing at all, so it gets what "none" gets.
 */
#ifndef WEIR_LINK_OFFLOAD_H
#define WEIR_LINK_OFFLOAD_H

#include "link/link.h"

/* Bytes before each frame. */
unsigned offload_header(enum link_offload o);
/* enum link_caps of such a link. */
uint32_t offload_caps(enum link_offload o);
/* A received frame of at least offload_header() + ETH_HLEN bytes, header on. False where its header
 * is an impossible one. */
bool offload_take(enum link_offload o, uint8_t *wire, uint32_t len, struct frame *ret);
/* Writes the header before the data of a frame that goes out. False where such a frame must not be
 * sent: it leaves work to a peer that would not do it, or is longer than max. */
bool offload_put(enum link_offload o, struct frame *f, uint32_t max);

#endif
