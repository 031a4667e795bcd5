// SPDX-License-Identifier: Apache-2.0
/*
 * The handshake that HyperKit and its kin do before the first frame (the protocol of vpnkit,
 * version 22). Sans-IO.
 *
 *   49 bytes   init: "VMN3T", version (LE32), 40 characters; comes back as it came
 *   41 bytes   command: a number, and the UUID of the virtual machine; 8 or 1: Ethernet
 *  258 bytes   reply: 1, MTU (LE16), largest frame (LE16), the MAC that the guest is to have
 *
 * Behind it each frame has its length before it, 16 bits little-endian.
 */
#ifndef WEIR_LINK_VPNKIT_H
#define WEIR_LINK_VPNKIT_H

#include "base/view.h"

#define VPNKIT_INIT    49
#define VPNKIT_COMMAND 41
#define VPNKIT_REPLY   258

struct vpnkit {
	bool enabled; /* the link speaks it */
	bool greeted; /* init was answered */
	bool done;    /* frames follow */
	uint16_t mtu; /* both: what the peer is told */
	uint8_t mac[6];
};

/* From the start, for a new peer. */
void vpnkit_reset(struct vpnkit *k);
/* Takes whole messages off the front of *in and writes the answers. False: this is not vpnkit. */
bool vpnkit_input(struct vpnkit *k, struct view *in, struct wbuf *out);

#endif
