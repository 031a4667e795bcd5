// SPDX-License-Identifier: Apache-2.0
/*
 * Services that the guest finds on its LAN: ARP, NDP with router advertisements, DHCPv4, DHCPv6.
 * They answer for the gateway's own addresses and hand out the sandbox's one address of each family.
 *
 * May use: base/, stack/ (output). State: the RA timer and whether each lease is bound. Nothing grows.
 * RFCs: 826, 4861, 4862, 8106 (RDNSS, DNSSL), 2131, 2132, 3397, 3442, 4039, 8415.
 */
#ifndef WEIR_GUESTSVC_GUESTSVC_H
#define WEIR_GUESTSVC_GUESTSVC_H

#include "stack/stack.h"

struct guestsvc {
	struct stack *stack;
	struct timer ra_timer;      /* unsolicited router advertisements, every 200 s */
	uint64_t ra_last_us;        /* when the last one went out, to limit solicited ones */
	bool proxy_arp;             /* answer ARP for every address but the guest's own */
	char search[256];           /* domain search list, comma separated; "" none */
	char hostname[64];          /* DHCP option 12; "" none */
	uint32_t lease_s;           /* DHCP lease time, default 86400 */
	uint64_t answered[4];       /* ARP, NDP, DHCPv4, DHCPv6 answers */
};

void guestsvc_init(struct guestsvc *g, struct stack *s);
void guestsvc_done(struct guestsvc *g);
/* Sends the first router advertisement and starts the timer. */
void guestsvc_start(struct guestsvc *g);

/* The three callbacks of stack_ops, one file each behind them. */
void guestsvc_arp(struct guestsvc *g, const uint8_t src_mac[6], struct view payload);
void guestsvc_ndp(struct guestsvc *g, const uint8_t src_mac[6], const struct packet *p);
void guestsvc_dhcp4(struct guestsvc *g, const uint8_t src_mac[6], const struct udp_datagram *d);
void guestsvc_dhcp6(struct guestsvc *g, const uint8_t src_mac[6], const struct udp_datagram *d);

#endif
