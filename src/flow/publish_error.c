// SPDX-License-Identifier: Apache-2.0
/*
 * What the guest says about datagrams from published UDP ports: "port unreachable".
 *
 * A client whose address is not kept may be carried over either family of the guest's addresses.
 * Where the guest refuses the first, the client moves to the other one, once, and the datagram is
 * sent again if the guest quoted all of it. (TCP does the same: publish_end.c.) The client cannot
 * be told of a refusal: no socket lets a process send ICMP errors.
 */
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "flow/publish_priv.h"

#define ICMP_HEADER 8

static bool is_port_unreachable(const struct packet *p, uint8_t type, uint8_t code)
{
	return p->dst.family == 4 ? type == ICMP_UNREACH && code == ICMP_UNREACH_PORT
				  : type == ICMP6_DST_UNREACH && code == ICMP6_DST_UNREACH_NOPORT;
}

/* The quoted packet up to its UDP header: where it came from and went to. */
static bool quoted_ip(struct view *v, struct ipaddr *ret_src, struct ipaddr *ret_dst)
{
	struct view ip = *v;
	uint8_t first, proto, a[16];
	if (!view_get_u8(&ip, &first))
		return false;
	if (first >> 4 == 4) {
		if (!view_skip(&ip, 8) || !view_get_u8(&ip, &proto) || !view_skip(&ip, 2) ||
		    !view_get_bytes(&ip, a, 4))
			return false;
		*ret_src = ipaddr_v4(a);
		if (!view_get_bytes(&ip, a, 4))
			return false;
		*ret_dst = ipaddr_v4(a);
		return proto == IPPROTO_UDP && view_skip(v, (size_t)(first & 15) * 4);
	}
	if (!view_skip(&ip, 5) || !view_get_u8(&ip, &proto) || !view_skip(&ip, 1) ||
	    !view_get_bytes(&ip, a, 16))
		return false;
	*ret_src = ipaddr_v6(a);
	if (!view_get_bytes(&ip, a, 16))
		return false;
	*ret_dst = ipaddr_v6(a);
	return proto == IPPROTO_UDP && view_skip(v, 40);
}

void publish_guest_error(struct publish_set *set, const struct packet *p)
{
	struct view v = p->l4;
	struct ipaddr side, guest;
	uint8_t type, code;
	uint16_t side_port, guest_port, len, sum;
	if (!view_get_u8(&v, &type) || !view_get_u8(&v, &code) ||
	    !is_port_unreachable(p, type, code) || !view_skip(&v, ICMP_HEADER - 2) ||
	    !quoted_ip(&v, &side, &guest) || !view_get_be16(&v, &side_port) ||
	    !view_get_be16(&v, &guest_port) || !view_get_be16(&v, &len) ||
	    !view_get_be16(&v, &sum) || len < 8)
		return;
	bool whole = v.len >= (size_t)len - 8;
	if (whole)
		v.len = (size_t)len - 8;
	publish_udp_refused(set, &side, side_port, guest_port, whole ? &v : NULL);
}
