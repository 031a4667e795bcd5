// SPDX-License-Identifier: Apache-2.0
/*
 * Ethernet: the first look at a frame from the guest.
 *
 * The guest has one MAC address, configured or taken from its first frame that carries a protocol
 * we know. Frames from another are dropped: what is behind a bridge in the guest is not this
 * sandbox's business, and a MAC that changes is a spoof. cfg.allow_any_source relaxes that.
 * VLAN tags, LLC (a length below 1536 in the type field) and unknown EtherTypes are dropped.
 */
#include "stack/ip.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_IPV6 0x86dd

static const uint8_t mac_none[6];

static bool mac_is_group(const uint8_t mac[6])
{
	return mac[0] & 1;
}

static enum drop_reason ether_check(struct stack *s, const uint8_t dst[6], const uint8_t src[6],
				    uint16_t type)
{
	if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_ARP && type != ETHERTYPE_IPV6)
		return DROP_ETHERTYPE;
	if (type == ETHERTYPE_IPV6 ? !s->cfg.has_v6 : !s->cfg.has_v4)
		return DROP_FAMILY_OFF;
	if (mac_is_group(src) || !memcmp(src, mac_none, 6) || !memcmp(src, s->cfg.gw_mac, 6))
		return DROP_SPOOFED_SOURCE;
	if (!mac_is_group(dst) && memcmp(dst, s->cfg.gw_mac, 6) != 0)
		return DROP_NOT_FOR_US;
	if (!memcmp(s->cfg.guest_mac, mac_none, 6))
		memcpy(s->cfg.guest_mac, src, 6);
	else if (memcmp(src, s->cfg.guest_mac, 6) != 0 && !s->cfg.allow_any_source)
		return DROP_SPOOFED_SOURCE;
	return DROP_NONE;
}

void stack_input(struct stack *s, const struct frame *f)
{
	struct view v = view_make(f->data, frame_head(f));
	uint8_t dst[6], src[6];
	uint16_t type;
	enum drop_reason why;

	s->cnt.rx_frames++;
	s->cnt.rx_bytes += f->len;
	if (!view_get_bytes(&v, dst, 6) || !view_get_bytes(&v, src, 6) ||
	    !view_get_be16(&v, &type)) {
		stack_drop(s, DROP_TRUNCATED);
		return;
	}
	why = ether_check(s, dst, src, type);
	if (why == DROP_NONE && type == ETHERTYPE_ARP && !s->ops->arp)
		why = DROP_ETHERTYPE;
	if (why != DROP_NONE)
		stack_drop(s, why);
	else if (type == ETHERTYPE_ARP)
		s->ops->arp(s->ctx, src, v);
	else
		ip_input(s, f, type, v, src);
}
