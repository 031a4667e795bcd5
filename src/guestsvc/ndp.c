// SPDX-License-Identifier: Apache-2.0
/*
 * Neighbour discovery (RFC 4861): answers solicitations for the gateway's addresses, and hands
 * router solicitations to ra.c.
 *
 * Every message is validated as sections 6.1.1 and 7.1.1 ask, all options included, before any of
 * it is used; fragmented ones are ignored (RFC 6980). Advertisements from the guest teach nothing
 * here, because the guest's MAC address is known from its frames. Solicitations for other targets
 * get no answer, so that the guest's duplicate address detection (RFC 4862 5.4) succeeds.
 */
#include "guestsvc/ndp.h"

#include <netinet/in.h>

#include "guestsvc/out.h"
#include "stack/checksum.h"

#define NA_ROUTER    0x80
#define NA_SOLICITED 0x40
#define NA_OVERRIDE  0x20

/* All options have a length; ret_slla says whether a source link-layer address is among them. */
static bool ndp_options_valid(struct view v, bool *ret_slla)
{
	bool slla = false;
	while (v.len) {
		uint8_t type, units;
		if (!view_get_u8(&v, &type) || !view_get_u8(&v, &units) || units == 0)
			return false;
		if (!view_skip(&v, (size_t)units * 8 - 2))
			return false;
		if (type == NDP_OPT_SLLA)
			slla = true;
	}
	*ret_slla = slla;
	return true;
}

/* ff02::1:ffXX:XXXX of the target (RFC 4291 2.7.1). */
static bool is_solicited_node(const struct ipaddr *dst, const struct ipaddr *target)
{
	static const uint8_t head[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
	return dst->family == 6 && memcmp(dst->b, head, 13) == 0 &&
	       memcmp(dst->b + 13, target->b + 13, 3) == 0;
}

static void na_send(struct guestsvc *g, const uint8_t src_mac[6], const struct ipaddr *src,
		    const struct ipaddr *target)
{
	/* A probe for the gateway's own address is told to everybody: that is how a conflict shows.
	 */
	bool probe = ipaddr_is_unspecified(src);
	struct ipaddr dst = *src;
	uint8_t dst_mac[6];
	memcpy(dst_mac, src_mac, 6);
	if (probe) {
		static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
		dst = ipaddr_v6(all_nodes);
		guestsvc_mac_multicast6(&dst, dst_mac);
	}

	uint8_t buf[32];
	struct wbuf w = wbuf_make(buf, sizeof(buf));
	wbuf_put_u8(&w, NDP_NA);
	wbuf_put_zero(&w, 3);
	wbuf_put_u8(&w, NA_ROUTER | NA_OVERRIDE | (probe ? 0 : NA_SOLICITED));
	wbuf_put_zero(&w, 3);
	wbuf_put_bytes(&w, target->b, 16);
	wbuf_put_u8(&w, NDP_OPT_TLLA);
	wbuf_put_u8(&w, 1);
	wbuf_put_bytes(&w, g->stack->cfg.gw_mac, 6);
	if (guestsvc_send(g, dst_mac, target, &dst, IPPROTO_ICMPV6, 255, buf, w.len,
			  NDP_CSUM_OFFSET))
		g->answered[GUESTSVC_NDP]++;
}

/* RFC 4861 7.1.1 and 7.2.4. `v` is the message behind its checksum. */
static bool ns_input(struct guestsvc *g, const uint8_t src_mac[6], const struct packet *p,
		     struct view v)
{
	uint8_t bytes[16];
	bool slla;
	if (!view_skip(&v, 4) || !view_get_bytes(&v, bytes, 16) || !ndp_options_valid(v, &slla))
		return false;
	struct ipaddr target = ipaddr_v6(bytes);
	if (ipaddr_is_multicast(&target))
		return false;
	if (ipaddr_is_unspecified(&p->src) && (slla || !is_solicited_node(&p->dst, &target)))
		return false;
	if (stack_is_gateway(g->stack, &target))
		na_send(g, src_mac, &p->src, &target);
	return true;
}

/* RFC 4861 6.1.1. */
static bool rs_input(struct guestsvc *g, const uint8_t src_mac[6], const struct packet *p,
		     struct view v)
{
	bool slla;
	if (!view_skip(&v, 4) || !ndp_options_valid(v, &slla))
		return false;
	if (ipaddr_is_unspecified(&p->src) && slla)
		return false;
	ra_solicited(g, src_mac, &p->src);
	return true;
}

void guestsvc_ndp(struct guestsvc *g, const uint8_t src_mac[6], const struct packet *p)
{
	struct stack *s = g->stack;
	if (!s->cfg.has_v6 || p->src.family != 6)
		return;
	if (!p->csum_ok && !csum_l4_ok(&p->src, &p->dst, IPPROTO_ICMPV6, p->l4.p, p->l4.len)) {
		stack_drop(s, DROP_BAD_CHECKSUM);
		return;
	}
	struct view v = p->l4;
	uint8_t type, code;
	bool ok = view_get_u8(&v, &type) && view_get_u8(&v, &code) && view_skip(&v, 2) &&
		  code == 0 && p->ttl == 255 && !p->reassembled && !ipaddr_is_multicast(&p->src);
	if (ok && type == NDP_NS)
		ok = ns_input(g, src_mac, p, v);
	else if (ok && type == NDP_RS)
		ok = rs_input(g, src_mac, p, v);
	if (!ok)
		stack_drop(s, DROP_BAD_HEADER);
}
