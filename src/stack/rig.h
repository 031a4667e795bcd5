// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of this room: a stack in virtual time whose callbacks note what came out, and small
 * builders of packets. Not part of the program.
 */
#ifndef WEIR_STACK_RIG_H
#define WEIR_STACK_RIG_H

#include "stack/ip.h"

#define RIG_FRAMES 256
#define RIG_PACKET (ETH_HLEN + 65535 + 256)

struct rig_frame {
	uint8_t *data;
	size_t len;
	struct frame_meta meta;
};

struct rig {
	struct wheel wheel;
	struct stack stack;
	struct rig_frame out[RIG_FRAMES]; /* frames to the guest, in order */
	int out_n;
	/* How often each callback was called. */
	int arp, ndp, dhcp, udp, echo, guest_error;
	int frag_limit;               /* of the limit of fragments alone */
	struct udp_datagram last_udp; /* of udp and dhcp; its payload is in `payload` */
	struct icmp_echo last_echo;
	struct packet last_packet; /* of ndp and guest_error */
	uint8_t payload[65536];
	size_t payload_len;
};

extern const uint8_t rig_gw_mac[6], rig_guest_mac[6];
extern const struct ipaddr rig_gw4, rig_guest4, rig_far4, rig_gw6, rig_guest6, rig_far6, rig_gw_ll,
	rig_guest_ll;

/* Both families, MTU 1500, no offloads; change rig_config()'s result and use rig_new_with() else.
 */
struct stack_config rig_config(void);
struct rig *rig_new(void);
struct rig *rig_new_with(const struct stack_config *c);
/* The same LAN seen from the guest: what one rig sends, the other takes. */
struct rig *rig_new_mirror(uint16_t mtu);
void rig_free(struct rig *r);
void rig_clear(struct rig *r); /* forgets what was noted */
void rig_input(struct rig *r, const uint8_t *frame, size_t len);
void rig_input_meta(struct rig *r, const uint8_t *frame, size_t len, const struct frame_meta *m);
void rig_advance(struct rig *r, uint64_t us);
uint64_t rig_drops(const struct rig *r, enum drop_reason why);
uint64_t rig_all_drops(const struct rig *r);

/* A packet in the making: Ethernet header on. */
struct pkt {
	uint8_t b[RIG_PACKET];
	size_t len;
};
/* Each returns where its part begins. Lengths and IP header checksums are made right by pkt_end().
 */
size_t pkt_ether(struct pkt *p, uint16_t type);
size_t pkt_ip(struct pkt *p, const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto);
size_t pkt_bytes(struct pkt *p, const void *b, size_t n);
size_t pkt_pattern(struct pkt *p, size_t n, uint8_t seed);
size_t pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport, size_t payload);
void pkt_end(struct pkt *p);
/* The checksum of a slow and obvious kind. */
uint16_t naive_csum(const uint8_t *p, size_t len);
/* Fills the L4 checksum of a whole packet whose L4 begins at `l4`. */
void pkt_fill_l4(struct pkt *p, size_t l4, uint8_t proto, size_t csum_at);
/* A complete datagram from src to dst. */
void pkt_make_udp(struct pkt *p, const struct ipaddr *src, const struct ipaddr *dst, uint16_t dport,
		  size_t payload);
/* A complete ICMP or ICMPv6 message of type and code; rest: 4 bytes behind the checksum. */
void pkt_make_icmp(struct pkt *p, const struct ipaddr *src, const struct ipaddr *dst, uint8_t type,
		   uint8_t code, uint32_t rest, const void *body, size_t n);

#endif
