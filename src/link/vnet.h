// SPDX-License-Identifier: Apache-2.0
/*
 * The virtio-net header that travels in front of a frame on taps and packet sockets (virtio 1.2,
 * section 5.1.6), to and from struct frame_meta. Its fields are in the byte order of this machine,
 * as the kernel's legacy form has them.
 *
 * On a tap the kernel makes the header, on other links a guest does: nothing in it is believed
 * before it was held against the frame behind it.
 */
#ifndef WEIR_LINK_VNET_H
#define WEIR_LINK_VNET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/frame.h"

#define VNET_HLEN_SHORT 10 /* without num_buffers: packet sockets */
#define VNET_HLEN       12 /* with it: taps */

/*
 * Fills f->meta from the header; f->data and f->len are set. False where the header asks for
 * something that the frame cannot hold or that was never offered; such a frame is to be dropped.
 */
bool vnet_parse(const uint8_t hdr[VNET_HLEN_SHORT], struct frame *f);

/*
 * Where the payload of a TCP segment begins whose checksum is unfinished, as the header and the
 * frame's first len bytes say; 0 where it is no such segment, or not in them.
 */
uint32_t vnet_tcp_payload(const uint8_t hdr[VNET_HLEN_SHORT], const uint8_t *head, uint32_t len);

/* Writes the header of f to hdr_len bytes at `hdr`. */
void vnet_put(uint8_t *hdr, unsigned hdr_len, const struct frame *f);

#endif
