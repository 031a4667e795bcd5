// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests and fuzzers of this room: the guest services on a stack in virtual time. Frames of
 * the guest go in, and the frames that come out are kept.
 */
#ifndef WEIR_GUESTSVC_SVC_RIG_H
#define WEIR_GUESTSVC_SVC_RIG_H

#include "guestsvc/guestsvc.h"

#define SVC_FRAMES 16

struct svc_rig {
	struct wheel wheel;
	struct stack stack;
	struct guestsvc svc;
	struct {
		uint8_t b[2048];
		size_t len;
	} out[SVC_FRAMES]; /* later frames are counted and not kept */
	int out_n;
};

extern const uint8_t svc_gw_mac[6], svc_guest_mac[6];
extern const struct ipaddr svc_gw4, svc_guest4, svc_gw6, svc_guest6, svc_gw_ll, svc_guest_ll;

struct stack_config svc_config(void);
void svc_rig_init(struct svc_rig *r, const struct stack_config *cfg);
void svc_rig_done(struct svc_rig *r);
/* One that stays from input to input, with all there is to say in its answers. */
struct svc_rig *svc_rig_of_fuzzers(void);
/* A whole frame from the guest; the frames of before are forgotten. */
void svc_rig_frame(struct svc_rig *r, const uint8_t *frame, size_t len);
/* A packet from the guest with right lengths and checksums; csum_at is the field's offset in l4. */
void svc_rig_packet(struct svc_rig *r, const struct ipaddr *src, const struct ipaddr *dst,
		    uint8_t proto, uint8_t ttl, const uint8_t *l4, size_t len, size_t csum_at);
void svc_rig_udp(struct svc_rig *r, const struct ipaddr *src, uint16_t sport,
		 const struct ipaddr *dst, uint16_t dport, const uint8_t *payload, size_t len);
/* Lets time go by; the frames of before are forgotten. */
void svc_rig_advance(struct svc_rig *r, uint64_t us);

/* Frame i of what came out, taken apart and its checksums verified; false where it is not right. */
struct svc_packet {
	uint8_t dst_mac[6], src_mac[6];
	struct ipaddr src, dst;
	uint8_t proto, ttl;
	struct view l4;
	uint16_t sport, dport; /* UDP */
	struct view payload;   /* UDP */
};
bool svc_rig_out(struct svc_rig *r, int i, struct svc_packet *ret);

#endif
