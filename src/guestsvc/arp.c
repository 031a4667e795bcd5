// SPDX-License-Identifier: Apache-2.0
/*
 * ARP (RFC 826): answers the guest's requests for the gateway's address, or with proxy_arp for
 * every address but the guest's own.
 *
 * Left alone are replies, gratuitous requests (RFC 5227 announcements: sender and target are the
 * same), and address probes (sender 0.0.0.0) for anything but the gateway itself, so that the
 * guest's own conflict detection never finds a conflict that does not exist.
 */
#include "guestsvc/out.h"

#define ARP_LEN        28
#define ARP_REQUEST    1
#define ARP_REPLY      2
#define ARP_HTYPE_ETH  1
#define ARP_ETHERTYPE  0x0806
#define ARP_PTYPE_IPV4 0x0800

struct arp {
	uint16_t op;
	uint8_t sha[6];
	struct ipaddr spa, tpa;
};

static bool arp_parse(struct view v, struct arp *ret)
{
	uint16_t htype, ptype;
	uint8_t hlen, plen, spa[4], tpa[4];
	if (!view_get_be16(&v, &htype) || !view_get_be16(&v, &ptype) || !view_get_u8(&v, &hlen) ||
	    !view_get_u8(&v, &plen) || !view_get_be16(&v, &ret->op))
		return false;
	if (htype != ARP_HTYPE_ETH || ptype != ARP_PTYPE_IPV4 || hlen != 6 || plen != 4)
		return false;
	if (!view_get_bytes(&v, ret->sha, 6) || !view_get_bytes(&v, spa, 4) || !view_skip(&v, 6) ||
	    !view_get_bytes(&v, tpa, 4))
		return false;
	ret->spa = ipaddr_v4(spa);
	ret->tpa = ipaddr_v4(tpa);
	return true;
}

static bool arp_is_ours(const struct guestsvc *g, const struct arp *a)
{
	const struct stack_config *cfg = &g->stack->cfg;
	if (ipaddr_eq(&a->tpa, &a->spa))
		return false;
	if (ipaddr_eq(&a->tpa, &cfg->gw4))
		return true;
	if (!g->proxy_arp || ipaddr_eq(&a->tpa, &cfg->guest4))
		return false;
	return !ipaddr_is_unspecified(&a->spa) && !ipaddr_is_unspecified(&a->tpa) &&
	       !ipaddr_is_multicast(&a->tpa);
}

void guestsvc_arp(struct guestsvc *g, const uint8_t src_mac[6], struct view payload)
{
	struct stack *s = g->stack;
	struct arp a;
	if (!arp_parse(payload, &a) || (a.sha[0] & 1)) {
		stack_drop(s, DROP_BAD_HEADER);
		return;
	}
	if (!s->cfg.has_v4 || a.op != ARP_REQUEST || !arp_is_ours(g, &a))
		return;

	uint8_t *at = stack_tx_alloc(s, ETH_HLEN + ARP_LEN);
	if (!at) {
		stack_drop(s, DROP_TX_FULL);
		return;
	}
	struct wbuf w = wbuf_make(at, ETH_HLEN + ARP_LEN);
	wbuf_put_bytes(&w, src_mac, 6);
	wbuf_put_bytes(&w, s->cfg.gw_mac, 6);
	wbuf_put_be16(&w, ARP_ETHERTYPE);
	wbuf_put_be16(&w, ARP_HTYPE_ETH);
	wbuf_put_be16(&w, ARP_PTYPE_IPV4);
	wbuf_put_u8(&w, 6);
	wbuf_put_u8(&w, 4);
	wbuf_put_be16(&w, ARP_REPLY);
	wbuf_put_bytes(&w, s->cfg.gw_mac, 6);
	wbuf_put_bytes(&w, a.tpa.b, 4);
	wbuf_put_bytes(&w, a.sha, 6);
	wbuf_put_bytes(&w, a.spa.b, 4);

	struct frame_meta meta = {0};
	stack_tx_push(s, at, w.len, &meta);
	g->answered[GUESTSVC_ARP]++;
}
