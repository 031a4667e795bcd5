// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers of neighbour discovery, and what ndp.c and ra.c share.
 */
#ifndef WEIR_GUESTSVC_NDP_H
#define WEIR_GUESTSVC_NDP_H

#include "guestsvc/guestsvc.h"

/* RFC 4861 section 4 and RFC 8106 section 5. */
enum {
	NDP_RS = 133,
	NDP_RA = 134,
	NDP_NS = 135,
	NDP_NA = 136,

	NDP_OPT_SLLA = 1,
	NDP_OPT_TLLA = 2,
	NDP_OPT_PREFIX = 3,
	NDP_OPT_MTU = 5,
	NDP_OPT_RDNSS = 25,
	NDP_OPT_DNSSL = 31,
};

#define NDP_CSUM_OFFSET 2 /* of the checksum in an ICMPv6 message */

/* A valid solicitation came: answers at once, or soon where one was just sent. */
void ra_solicited(struct guestsvc *g, const uint8_t src_mac[6], const struct ipaddr *src);

#endif
