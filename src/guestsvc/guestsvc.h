// SPDX-License-Identifier: Apache-2.0
/*
 * Services that the guest finds on its LAN: ARP, NDP with router advertisements, DHCPv4, DHCPv6.
 * They answer for the gateway's own addresses and hand out the sandbox's one address of each
 * family.
 *
 * There is exactly one address of each family and it belongs to the guest, so no lease is stored:
 * each answer follows from the request and the configuration alone, and nothing that a guest sends
 * makes anything grow. The only state is the advertisement timer and the counters.
 *
 * May use: stack/ (output). Files: arp.c, ndp.c, ra.c, dhcp4.c, dhcp6.c; out.c builds
 * frames. RFCs: 826, 5227, 4861, 4862, 6980, 8106 (RDNSS, DNSSL), 2131, 2132, 3397, 3442, 4039,
 * 4702, 6842, 8415.
 */
#ifndef WEIR_GUESTSVC_GUESTSVC_H
#define WEIR_GUESTSVC_GUESTSVC_H

#include "stack/stack.h"

struct guestsvc {
	struct stack *stack;
	struct timer ra_timer; /* the next multicast router advertisement, at most 200 s away */
	uint64_t ra_last_us;   /* when one was last sent, to limit what solicitations cause */
	bool ra_sent;          /* ra_last_us says something */
	bool proxy_arp;        /* answer ARP for every address but the guest's own */
	char search[256];      /* domain search list, comma separated; "" none */
	char hostname[64];     /* DHCP option 12; "" none */
	uint32_t lease_s;      /* DHCP lease time, default 86400 */
	uint64_t answered[4];  /* ARP, NDP, DHCPv4, DHCPv6 answers */
};

/* Indices of guestsvc.answered. */
enum guestsvc_kind {
	GUESTSVC_ARP,
	GUESTSVC_NDP,
	GUESTSVC_DHCP4,
	GUESTSVC_DHCP6,
};

void guestsvc_init(struct guestsvc *g, struct stack *s);
void guestsvc_done(struct guestsvc *g);
/* Sends the first router advertisement and starts the timer; does nothing without IPv6. */
void guestsvc_start(struct guestsvc *g);

/* The callbacks of stack_ops, one file each behind them. */
void guestsvc_arp(struct guestsvc *g, const uint8_t src_mac[6], struct view payload);
void guestsvc_ndp(struct guestsvc *g, const uint8_t src_mac[6], const struct packet *p);
void guestsvc_dhcp4(struct guestsvc *g, const uint8_t src_mac[6], const struct udp_datagram *d);
void guestsvc_dhcp6(struct guestsvc *g, const uint8_t src_mac[6], const struct udp_datagram *d);

#endif
