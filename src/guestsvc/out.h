// SPDX-License-Identifier: Apache-2.0
/*
 * Output that the guest services share: packets to a MAC address of their own choice (the guest may
 * have no address yet, or its MAC may not be learned), and domain lists in DNS wire form.
 */
#ifndef WEIR_GUESTSVC_OUT_H
#define WEIR_GUESTSVC_OUT_H

#include "guestsvc/guestsvc.h"

extern const uint8_t guestsvc_mac_broadcast[6];

/* The MAC address of an IPv6 multicast group (RFC 2464 section 7). */
void guestsvc_mac_multicast6(const struct ipaddr *group, uint8_t ret[6]);

/*
 * Sends one unfragmented packet. `l4` is header and data with a zero checksum field at csum_offset,
 * which is filled here. False where the link takes nothing (counted as a drop).
 */
bool guestsvc_send(struct guestsvc *g, const uint8_t dst_mac[6], const struct ipaddr *src,
		   const struct ipaddr *dst, uint8_t proto, uint8_t ttl, const uint8_t *l4,
		   size_t len, size_t csum_offset);

/* The same for a UDP datagram; at most GUESTSVC_UDP_MAX bytes of payload. */
#define GUESTSVC_UDP_MAX 1472
bool guestsvc_send_udp(struct guestsvc *g, const uint8_t dst_mac[6], const struct ipaddr *src,
		       uint16_t sport, const struct ipaddr *dst, uint16_t dport,
		       const uint8_t *payload, size_t len);

/*
 * Writes the domains of a comma-separated list one behind the other in DNS wire form, without
 * compression (RFC 3397, RFC 8106 5.2, RFC 8415 10). Words that are no domain name are left out.
 */
void guestsvc_put_domains(struct wbuf *w, const char *list);

#endif
