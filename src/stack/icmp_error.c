// SPDX-License-Identifier: Apache-2.0
/*
 * ICMP errors to the guest (RFC 792, 1122 3.2.2, 1812 4.3.2; RFC 4443).
 *
 * Each quotes the guest's packet: of IPv4 as much as 576 bytes hold, of IPv6 as much as 1280 do.
 * None is sent about another ICMP error, a group destination, an improper source, or any fragment
 * but the first. A token bucket bounds them: ERROR_RATE a second, bursts of ERROR_BURST.
 */
#include "stack/checksum.h"
#include "stack/ip.h"

#define ICMP_HLEN   8
#define ERROR4_MAX  576  /* of the whole error, RFC 1812 4.3.2.3 */
#define ERROR6_MAX  1280 /* RFC 4443 2.4 (c) */
#define ERROR_RATE  1000
#define ERROR_BURST 200
#define ERROR_US    (1000000 / ERROR_RATE) /* what one error costs */
#define REBUILT_L4  512                    /* most bytes of L4 that a rebuilt quote has */

struct icmp_words {
	uint8_t type4, code4, type6, code6;
};

static const struct icmp_words words[] = {
	[ICMP_ERR_NET_UNREACH] = {3, 0, 1, 0},   [ICMP_ERR_HOST_UNREACH] = {3, 1, 1, 3},
	[ICMP_ERR_PROTO_UNREACH] = {3, 2, 4, 1}, [ICMP_ERR_PORT_UNREACH] = {3, 3, 1, 4},
	[ICMP_ERR_TOO_BIG] = {3, 4, 2, 0},       [ICMP_ERR_ADMIN] = {3, 13, 1, 1},
	[ICMP_ERR_TTL] = {11, 0, 3, 0},          [ICMP_ERR_REASSEMBLY] = {11, 1, 3, 1},
	[ICMP_ERR_PARAM] = {12, 0, 4, 0},
};

static bool error_allowed(struct stack *s)
{
	uint64_t t = s->icmp_tokens_us < stack_now(s) ? stack_now(s) : s->icmp_tokens_us;

	if (t + ERROR_US > stack_now(s) + (uint64_t)ERROR_BURST * ERROR_US) {
		stack_drop(s, DROP_RATE);
		return false;
	}
	s->icmp_tokens_us = t + ERROR_US;
	return true;
}

/* The types that no error may answer: errors, and redirects, which ask for nothing either. */
static bool is_error_type4(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static bool is_error_type6(uint8_t type)
{
	return type < 128 || type == 137;
}

/* Whether a quoted IPv4 packet may be answered, and by whom it was sent to whom. */
static bool quoted4_ok(struct view q, struct ipaddr *src, struct ipaddr *dst)
{
	size_t ihl;

	if (q.len < IP4_HLEN_MIN)
		return false;
	ihl = (size_t)(q.p[0] & 0x0f) * 4;
	*src = ipaddr_v4(q.p + 12);
	*dst = ipaddr_v4(q.p + 16);
	if (get_be16(q.p + 6) & IP4_OFF_MASK)
		return false;
	if (src->b[0] == 0 || src->b[0] == 127 || src->b[0] >= 0xe0 || dst->b[0] >= 0xe0)
		return false;
	if (q.p[9] == IPPROTO4_ICMP)
		return view_skip(&q, ihl) && q.len >= 1 && !is_error_type4(q.p[0]);
	return true;
}

static bool quoted6_ok(struct view q, struct ipaddr *src, struct ipaddr *dst)
{
	struct ext_walk w = {.at = IP6_HLEN, .next_at = 6};
	uint16_t off;
	uint32_t id;
	enum ext_result r;

	if (q.len < IP6_HLEN)
		return false;
	*src = ipaddr_v6(q.p + 8);
	*dst = ipaddr_v6(q.p + 24);
	if (ipaddr_is_unspecified(src) || src->b[0] == 0xff || dst->b[0] == 0xff)
		return false;
	w.next = q.p[6];
	w.rest = q;
	view_skip(&w.rest, IP6_HLEN);
	r = ext_walk(&w);
	if (r == EXT_FRAGMENT) {
		if (!ext_pass_fragment(&w, &off, &id) || off & 0xfff8)
			return false;
		r = ext_walk(&w);
	}
	/* A chain that ends early hides what it carries; what it ends at cannot be an error. */
	if (r == EXT_UPPER && w.next == IPPROTO6_ICMP)
		return w.rest.len >= 1 && !is_error_type6(w.rest.p[0]);
	return true;
}

/* The sender of an error: who is said to say so, else the gateway in the scope of the guest. */
static struct ipaddr error_source(const struct stack *s, const struct ipaddr *from,
				  const struct ipaddr *to)
{
	if (from && from->family == to->family)
		return *from;
	if (to->family == 4)
		return s->cfg.gw4;
	return ipaddr_is_link_local(to) ? s->cfg.gw6_ll : s->cfg.gw6;
}

static void error_send(struct stack *s, uint8_t type, uint8_t code, uint32_t rest,
		       const struct ipaddr *from, struct view quoted)
{
	uint8_t msg[ERROR6_MAX - IP6_HLEN];
	struct ipaddr to, about, src;
	size_t max, n;
	bool v4;

	if (quoted.len < 1)
		return;
	v4 = quoted.p[0] >> 4 == 4;
	if (v4 ? !quoted4_ok(quoted, &to, &about) : !quoted6_ok(quoted, &to, &about))
		return;
	if (!error_allowed(s))
		return;
	src = error_source(s, from, &to);
	max = v4 ? ERROR4_MAX - IP4_HLEN_MIN - ICMP_HLEN : sizeof(msg) - ICMP_HLEN;
	n = quoted.len < max ? quoted.len : max;
	msg[0] = type;
	msg[1] = code;
	put_be16(msg + 2, 0);
	put_be32(msg + 4, rest);
	memcpy(msg + ICMP_HLEN, quoted.p, n);
	n += ICMP_HLEN;
	put_be16(msg + 2, v4 ? (uint16_t)~csum_fold(csum_add(0, msg, n))
			     : csum_l4(&src, &to, IPPROTO6_ICMP, msg, n));
	if (ip_output(s, &src, &to, v4 ? IPPROTO4_ICMP : IPPROTO6_ICMP, TTL_OUT, 0, msg, n))
		s->cnt.icmp_errors_sent++;
}

void stack_icmp_error(struct stack *s, enum icmp_error e, const struct ipaddr *from,
		      struct view quoted, uint32_t value)
{
	const struct icmp_words *w = &words[e];

	if (quoted.len < 1)
		return;
	if (quoted.p[0] >> 4 == 6)
		error_send(s, w->type6, w->code6, w->type6 == 2 || w->type6 == 4 ? value : 0, from,
			   quoted);
	else if (e == ICMP_ERR_TOO_BIG)
		error_send(s, w->type4, w->code4, value > 0xffff ? 0xffff : value, from, quoted);
	else
		error_send(s, w->type4, w->code4, e == ICMP_ERR_PARAM ? value << 24 : 0, from,
			   quoted);
}

void icmp6_param_problem(struct stack *s, uint8_t code, uint32_t pointer, struct view quoted)
{
	error_send(s, 4, code, pointer, NULL, quoted);
}

void stack_icmp_error_rebuilt(struct stack *s, enum icmp_error e, const struct ipaddr *from,
			      const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
			      const uint8_t *l4, size_t l4_len, uint32_t value)
{
	uint8_t frame[IP_HEADERS_MAX + REBUILT_L4];
	size_t n = l4_len < REBUILT_L4 ? l4_len : REBUILT_L4;
	unsigned headers = ip_put_headers(s, frame, src, dst, proto, n, TTL_OUT, 0);

	memcpy(frame + headers, l4, n);
	stack_icmp_error(s, e, from, view_make(frame + ETH_HLEN, headers - ETH_HLEN + n), value);
}
