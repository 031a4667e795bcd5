// SPDX-License-Identifier: Apache-2.0
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) from the guest, and echo replies to it.
 *
 * Echo to the gateway is answered here; echo to elsewhere is handed up; NDP goes to the guest
 * services, and only where it cannot have come from beyond the link (hop limit 255, RFC 4861 6.1
 * and 7.1) and did not come in fragments (RFC 6980). Errors from the guest are handed up once they
 * can be read. Everything else (redirects, timestamps, masks, MLD, replies nobody asked for) is
 * dropped in silence, as RFC 1122 3.2.2 and RFC 4443 2.4 (b) have it for messages without use.
 */
#include "stack/checksum.h"
#include "stack/ip.h"

#define ICMP_HLEN 8

enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACH = 3,
	ICMP4_TOO_BIG_CODE = 4, /* of "unreachable" */
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAM = 12,
	ICMP6_TOO_BIG = 2,
	ICMP6_ERRORS_LAST = 4, /* 1 unreachable, 2 too big, 3 time exceeded, 4 parameter problem */
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_NDP_FIRST = 133,
	ICMP6_NDP_LAST = 136,
};

bool icmp_echo_reply(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst,
		     uint16_t id, uint16_t seq, uint8_t ttl, uint8_t tos, const void *payload,
		     size_t len)
{
	bool v4 = dst->family == 4;
	uint8_t proto = v4 ? IPPROTO4_ICMP : IPPROTO6_ICMP;
	uint8_t hdr[ICMP_HLEN] = {v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY};
	uint64_t sum = v4 ? 0 : csum_pseudo(src, dst, proto, (uint32_t)(ICMP_HLEN + len));

	put_be16(hdr + 4, id);
	put_be16(hdr + 6, seq);
	sum = csum_add(csum_add(sum, hdr, ICMP_HLEN), payload, len);
	put_be16(hdr + 2, (uint16_t)~csum_fold(sum));
	return ip_output_parts(s, src, dst, proto, ttl, tos, hdr, ICMP_HLEN, payload, len);
}

static void icmp_echo_input(struct stack *s, const struct packet *p)
{
	struct icmp_echo e = {
		.src = p->src, .dst = p->dst, .ttl = p->ttl, .tos = p->tos, .l3 = p->l3};
	struct view v = p->l4;

	view_skip(&v, 4);
	if (!view_get_be16(&v, &e.id) || !view_get_be16(&v, &e.seq)) {
		stack_drop(s, DROP_TRUNCATED);
		return;
	}
	e.payload = v;
	if (stack_is_gateway(s, &p->dst))
		icmp_echo_reply(s, &p->dst, &p->src, e.id, e.seq, TTL_OUT, p->tos, v.p, v.len);
	else if (s->ops->echo)
		s->ops->echo(s->ctx, &e);
	else
		stack_drop(s, DROP_PROTOCOL);
}

/* Whether the error says that a TCP segment of ours is too big; where its header begins is known.
 */
static void icmp_too_big_input(struct stack *s, const struct packet *p, struct view quoted,
			       size_t ip_len)
{
	const uint8_t *icmp = p->l4.p, *ip = quoted.p;

	if (p->dst.family == 4 && icmp[0] == ICMP4_UNREACH && icmp[1] == ICMP4_TOO_BIG_CODE &&
	    ip[9] == IPPROTO_TCP_) {
		struct ipaddr src = ipaddr_v4(ip + 12), dst = ipaddr_v4(ip + 16);
		view_skip(&quoted, ip_len);
		tcp_too_big(s, &src, &dst, quoted, get_be16(icmp + 6));
	} else if (p->dst.family == 6 && icmp[0] == ICMP6_TOO_BIG && ip[6] == IPPROTO_TCP_) {
		struct ipaddr src = ipaddr_v6(ip + 8), dst = ipaddr_v6(ip + 24);
		view_skip(&quoted, ip_len);
		tcp_too_big(s, &src, &dst, quoted, get_be32(icmp + 4));
	}
}

/* An error must quote at least the IP header and eight bytes of a packet to the one who reports. */
static void icmp_error_input(struct stack *s, const struct packet *p)
{
	struct view v = p->l4;
	size_t ip_len;

	if (!view_skip(&v, ICMP_HLEN) || v.len < 1) {
		stack_drop(s, DROP_TRUNCATED);
		return;
	}
	ip_len = p->dst.family == 4 ? (size_t)(v.p[0] & 0x0f) * 4 : IP6_HLEN;
	if (v.p[0] >> 4 != p->dst.family || ip_len < IP4_HLEN_MIN) {
		stack_drop(s, DROP_BAD_HEADER);
		return;
	}
	if (v.len < ip_len + 8) {
		stack_drop(s, DROP_TRUNCATED);
		return;
	}
	icmp_too_big_input(s, p, v, ip_len);
	if (s->ops->guest_icmp_error)
		s->ops->guest_icmp_error(s->ctx, p);
	else
		stack_drop(s, DROP_PROTOCOL);
}

static void icmp4_input(struct stack *s, const struct packet *p, uint8_t type, uint8_t code)
{
	if (type == ICMP4_ECHO && code == 0)
		icmp_echo_input(s, p);
	else if (type == ICMP4_UNREACH || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAM)
		icmp_error_input(s, p);
	else
		stack_drop(s, DROP_PROTOCOL);
}

static void icmp6_input(struct stack *s, const uint8_t src_mac[6], const struct packet *p,
			uint8_t type, uint8_t code)
{
	if (type == ICMP6_ECHO && code == 0) {
		icmp_echo_input(s, p);
	} else if (type >= 1 && type <= ICMP6_ERRORS_LAST) {
		icmp_error_input(s, p);
	} else if (type >= ICMP6_NDP_FIRST && type <= ICMP6_NDP_LAST) {
		if (p->ttl != 255 || code != 0 || p->reassembled)
			stack_drop(s, DROP_BAD_HEADER);
		else if (s->ops->ndp)
			s->ops->ndp(s->ctx, src_mac, p);
		else
			stack_drop(s, DROP_PROTOCOL);
	} else {
		stack_drop(s, DROP_PROTOCOL);
	}
}

void icmp_input(struct stack *s, const uint8_t src_mac[6], const struct packet *p)
{
	struct view v = p->l4;
	uint8_t type, code;
	bool ok;

	if (p->l4.len < 4) {
		stack_drop(s, DROP_TRUNCATED);
		return;
	}
	view_get_u8(&v, &type);
	view_get_u8(&v, &code);
	if (p->dst.family == 4)
		ok = csum_fold(csum_add(0, p->l4.p, p->l4.len)) == 0xffff;
	else
		ok = csum_l4_ok(&p->src, &p->dst, IPPROTO6_ICMP, p->l4.p, p->l4.len);
	if (!ok && !p->csum_ok)
		stack_drop(s, DROP_BAD_CHECKSUM);
	else if (p->dst.family == 4)
		icmp4_input(s, p, type, code);
	else
		icmp6_input(s, src_mac, p, type, code);
}
