// SPDX-License-Identifier: Apache-2.0
/*
 * IP input, IPv4 (RFC 791, 1122) and IPv6 (RFC 8200) side by side.
 *
 * Order of judgement, the same for both families: the header and its lengths; who sent it; where it
 * goes; whether it may be forwarded one hop further; what it carries. Only then is a fragment kept,
 * and only a whole packet reaches a protocol. Whatever fails is counted under one reason; errors
 * are sent about packets from a proper source only.
 *
 * Sources. The guest has one IPv4 address and a /64 of its own. Link-local IPv6 sources may speak
 * with the gateway (NDP, DHCPv6, and its services), not with the world. The unspecified address may
 * ask for an address (DHCP, DAD), nothing else. cfg.allow_any_source lets other unicast sources in.
 *
 * Destinations. Group addresses reach only what weir answers. IPv6 addresses that carry an IPv4
 * address in their low bits under ::/80 are refused here, so that no later check has to know them.
 */
#include "stack/checksum.h"
#include "stack/ip.h"

enum {
	IP4_OPT_END = 0,
	IP4_OPT_NOP = 1,
	IP4_OPT_RECORD_ROUTE = 7,
	IP4_OPT_LSRR = 131,
	IP4_OPT_SSRR = 137,
};

#define PORT_DHCP4_SERVER 67
#define PORT_DHCP6_SERVER 547

static const uint8_t zeros[16];
/* ff02::1:2, all DHCPv6 relay agents and servers (RFC 8415 7.1). */
static const uint8_t all_dhcp6[16] = {0xff, 0x02, [13] = 1, [15] = 2};

bool stack_is_gateway(const struct stack *s, const struct ipaddr *a)
{
	if (a->family == 4)
		return s->cfg.has_v4 && ipaddr_eq(a, &s->cfg.gw4);
	return s->cfg.has_v6 && (ipaddr_eq(a, &s->cfg.gw6) || ipaddr_eq(a, &s->cfg.gw6_ll));
}

static bool is_link_local6(const struct ipaddr *a)
{
	return a->family == 6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* The broadcast address of the guest's IPv4 network; a /31 or /32 has none (RFC 3021). */
static bool is_subnet_broadcast(const struct stack *s, const struct ipaddr *a)
{
	uint32_t host;

	if (a->family != 4 || s->cfg.prefix4 == 0 || s->cfg.prefix4 > 30)
		return false;
	host = 0xffffffffU >> s->cfg.prefix4;
	return get_be32(a->b) == (get_be32(s->cfg.gw4.b) | host);
}

static bool is_group(const struct stack *s, const struct ipaddr *a)
{
	if (a->family == 6)
		return a->b[0] == 0xff;
	return (a->b[0] & 0xf0) == 0xe0 || get_be32(a->b) == 0xffffffff ||
	       is_subnet_broadcast(s, a);
}

/* ::a.b.c.d and ::ffff:a.b.c.d (RFC 4291 2.5.5), ::1 among them. */
static bool is_embedded_v4(const struct ipaddr *a)
{
	return a->family == 6 && !memcmp(a->b, zeros, 10) &&
	       ((a->b[10] == 0 && a->b[11] == 0) || (a->b[10] == 0xff && a->b[11] == 0xff));
}

static bool source_ok4(const struct stack *s, const struct ipaddr *a)
{
	if (ipaddr_eq(a, &s->cfg.guest4))
		return true;
	return s->cfg.allow_any_source && a->b[0] != 0 && a->b[0] != 127 && a->b[0] < 0xe0 &&
	       !is_subnet_broadcast(s, a);
}

static bool source_ok6(const struct stack *s, const struct ipaddr *a)
{
	if (!memcmp(a->b, s->cfg.gw6.b, 8) || is_link_local6(a))
		return true;
	return s->cfg.allow_any_source && a->b[0] != 0xff && !is_embedded_v4(a);
}

static bool is_unspecified(const struct ipaddr *a)
{
	return !memcmp(a->b, zeros, sizeof(zeros));
}

static enum drop_reason addresses_check(struct stack *s, const struct packet *p)
{
	if (stack_is_gateway(s, &p->src) || ipaddr_eq(&p->src, &p->dst))
		return DROP_SPOOFED_SOURCE;
	/* What the unspecified address may ask is decided where the protocol is known. */
	if (!is_unspecified(&p->src) &&
	    !(p->src.family == 4 ? source_ok4(s, &p->src) : source_ok6(s, &p->src)))
		return DROP_SPOOFED_SOURCE;
	if (p->dst.family == 4 ? p->dst.b[0] == 0 : is_unspecified(&p->dst))
		return DROP_UNSPECIFIED;
	return DROP_NONE;
}

/* May a packet that is not for us go one hop further? Tells the guest where not. */
static enum drop_reason forward_check(struct stack *s, const struct packet *p)
{
	if (is_embedded_v4(&p->dst)) {
		stack_icmp_error(s, ICMP_ERR_ADMIN, NULL, p->l3, 0);
		return DROP_POLICY;
	}
	if (is_unspecified(&p->src) || is_group(s, &p->dst) || stack_is_gateway(s, &p->dst))
		return DROP_NONE;
	if (p->ttl <= 1) {
		stack_icmp_error(s, ICMP_ERR_TTL, NULL, p->l3, 0);
		return DROP_TTL;
	}
	return DROP_NONE;
}

/* The two kinds of packet that addresses without a full right to speak may send or be sent. */
static bool is_dhcp(const struct packet *p)
{
	uint16_t port = p->dst.family == 4 ? PORT_DHCP4_SERVER : PORT_DHCP6_SERVER;

	return p->proto == IPPROTO_UDP_ && p->l4.len >= 8 && get_be16(p->l4.p + 2) == port;
}

static bool is_ndp(const struct packet *p)
{
	return p->dst.family == 6 && p->proto == IPPROTO6_ICMP && p->l4.len >= 4 &&
	       p->l4.p[0] >= 133 && p->l4.p[0] <= 136;
}

static enum drop_reason restricted_check(const struct stack *s, const struct packet *p)
{
	if (is_group(s, &p->dst)) {
		bool answered;

		if (p->dst.family == 4)
			answered = is_dhcp(p) && (p->dst.b[0] & 0xf0) != 0xe0;
		else
			answered = is_ndp(p) || (is_dhcp(p) && !memcmp(p->dst.b, all_dhcp6, 16));
		if (!answered)
			return DROP_MULTICAST;
	}
	if (is_unspecified(&p->src) && !(p->src.family == 4 ? is_dhcp(p) : is_ndp(p)))
		return DROP_SPOOFED_SOURCE;
	if (is_link_local6(&p->src) && !stack_is_gateway(s, &p->dst) && !is_ndp(p) && !is_dhcp(p))
		return DROP_SPOOFED_SOURCE;
	return DROP_NONE;
}

/* A whole packet whose L4 begins at p->l4. next_at: where its protocol number stands. */
static void ip_deliver(struct stack *s, const uint8_t src_mac[6], const struct packet *p,
		       uint32_t next_at)
{
	enum drop_reason why = restricted_check(s, p);

	if (why != DROP_NONE) {
		stack_drop(s, why);
		return;
	}
	if (p->proto == IPPROTO_TCP_) {
		tcp_input(s, p);
	} else if (p->proto == IPPROTO_UDP_) {
		udp_input(s, src_mac, p);
	} else if (p->proto == (p->dst.family == 4 ? IPPROTO4_ICMP : IPPROTO6_ICMP)) {
		icmp_input(s, src_mac, p);
	} else {
		/* 59 says that nothing follows: nobody waits for an answer (RFC 8200 4.7). */
		if (p->dst.family == 4 || p->proto != 59)
			stack_icmp_error(s, ICMP_ERR_PROTO_UNREACH, NULL, p->l3, next_at);
		stack_drop(s, DROP_PROTOCOL);
	}
}

/* What the link said about a frame that holds a whole packet. */
static void packet_take_meta(struct packet *p, const struct frame_meta *m)
{
	bool tcp = m->gso == FRAME_GSO_TCPV4 || m->gso == FRAME_GSO_TCPV6;

	p->csum_ok = m->needs_csum || m->csum_valid;
	if ((tcp && p->proto == IPPROTO_TCP_) ||
	    (m->gso == FRAME_GSO_UDP_L4 && p->proto == IPPROTO_UDP_))
		p->gso_size = m->gso_size;
}

static enum drop_reason options4_check(struct view opts)
{
	uint8_t type, len;

	while (view_get_u8(&opts, &type) && type != IP4_OPT_END) {
		if (type == IP4_OPT_NOP)
			continue;
		if (type == IP4_OPT_RECORD_ROUTE || type == IP4_OPT_LSRR || type == IP4_OPT_SSRR)
			return DROP_IP_OPTIONS;
		if (!view_get_u8(&opts, &len) || len < 2 || !view_skip(&opts, (size_t)len - 2))
			return DROP_BAD_HEADER;
	}
	return DROP_NONE;
}

/*
 * The packet is `total` bytes long, of which v holds the first ones and the frame's tail the rest.
 * Only TCP segments may stay in two pieces: the others become one, in v. False where there are too
 * few.
 */
static bool packet_pieces(struct view *v, const struct frame *f, struct packet *p, size_t total,
			  bool may_stay)
{
	size_t tail = f->tail ? f->len - f->tail->at : 0;

	if (total > v->len + tail)
		return false;
	if (total <= v->len) {
		v->len = total;
		return true;
	}
	if (may_stay && f->meta.needs_csum) {
		p->beyond = (uint32_t)(total - v->len);
		p->tail = f->tail;
	} else {
		frame_tail_copy(f->tail, total - v->len);
		v->len = total;
	}
	return true;
}

/* Fills *p from an IPv4 header; l3 is trimmed to the packet's own length. */
static enum drop_reason header4_parse(struct view v, const struct frame *f, struct packet *p,
				      uint16_t *ret_off, uint16_t *ret_id)
{
	struct view hdr = {0}, opts;
	size_t ihl, total;

	if (v.len < IP4_HLEN_MIN)
		return DROP_TRUNCATED;
	ihl = (size_t)(v.p[0] & 0x0f) * 4;
	total = get_be16(v.p + 2);
	if (v.p[0] >> 4 != 4 || ihl < IP4_HLEN_MIN || total < ihl)
		return DROP_BAD_HEADER;
	*ret_off = get_be16(v.p + 6);
	if (!packet_pieces(&v, f, p, total,
			   v.p[9] == IPPROTO_TCP_ && !(*ret_off & (IP4_MF | IP4_OFF_MASK))))
		return DROP_TRUNCATED;
	p->l3 = p->l4 = v;
	if (!view_take(&p->l4, ihl, &hdr))
		return DROP_TRUNCATED;
	if (csum_fold(csum_add(0, hdr.p, ihl)) != 0xffff)
		return DROP_BAD_CHECKSUM;
	p->tos = hdr.p[1];
	*ret_id = get_be16(hdr.p + 4);
	p->ttl = hdr.p[8];
	p->proto = hdr.p[9];
	p->src = ipaddr_v4(hdr.p + 12);
	p->dst = ipaddr_v4(hdr.p + 16);
	opts = hdr;
	view_skip(&opts, IP4_HLEN_MIN);
	return options4_check(opts);
}

static void ip4_input(struct stack *s, const struct frame *f, struct packet *p, struct view v,
		      const uint8_t src_mac[6])
{
	struct frag_piece piece;
	struct ext_walk unused;
	uint16_t off, id;
	enum drop_reason why = header4_parse(v, f, p, &off, &id);

	if (why == DROP_NONE)
		why = addresses_check(s, p);
	/* RFC 1122 3.3.6: what came to everybody on the link must be addressed to everybody. */
	if (why == DROP_NONE && (f->data[0] & 1) && !is_group(s, &p->dst))
		why = DROP_MULTICAST;
	if (why == DROP_NONE)
		why = forward_check(s, p);
	if (why != DROP_NONE) {
		stack_drop(s, why);
		return;
	}
	if (!(off & (IP4_MF | IP4_OFF_MASK))) {
		packet_take_meta(p, &f->meta);
		ip_deliver(s, src_mac, p, 9);
		return;
	}
	piece = (struct frag_piece){
		.src = p->src,
		.dst = p->dst,
		.id = id,
		.proto = p->proto,
		.tos = p->tos,
		.ttl = p->ttl,
		.off = (uint32_t)(off & IP4_OFF_MASK) * 8,
		.more = off & IP4_MF,
		.head = (uint32_t)(p->l3.len - p->l4.len),
		.l3 = p->l3,
		.data = p->l4,
	};
	if (frag_input(s, &piece, p, &unused))
		ip_deliver(s, src_mac, p, 9);
}

static enum drop_reason header6_parse(struct view v, const struct frame *f, struct packet *p,
				      struct ext_walk *w)
{
	size_t payload;

	if (v.len < IP6_HLEN)
		return DROP_TRUNCATED;
	if (v.p[0] >> 4 != 6)
		return DROP_BAD_HEADER;
	payload = get_be16(v.p + 4);
	if (!packet_pieces(&v, f, p, IP6_HLEN + payload, v.p[6] == IPPROTO_TCP_))
		return DROP_TRUNCATED;
	p->l3 = v;
	p->tos = (uint8_t)(v.p[0] << 4 | v.p[1] >> 4);
	p->ttl = v.p[7];
	p->src = ipaddr_v6(v.p + 8);
	p->dst = ipaddr_v6(v.p + 24);
	*w = (struct ext_walk){.next = v.p[6], .next_at = 6, .at = IP6_HLEN};
	w->rest = v;
	view_skip(&w->rest, IP6_HLEN);
	return DROP_NONE;
}

/* A walk that ended badly: counts it and tells the sender where the RFCs want it. */
static void walk_failed(struct stack *s, const struct ext_walk *w, const struct packet *p)
{
	if (w->icmp_code >= 0)
		icmp6_param_problem(s, (uint8_t)w->icmp_code, w->pointer, p->l3);
	stack_drop(s, w->why);
}

/* The walk stands at the upper layer of a whole packet, or should. */
static void ip6_upper(struct stack *s, const uint8_t src_mac[6], struct packet *p,
		      struct ext_walk *w, const struct frame_meta *meta)
{
	enum ext_result r = ext_walk(w);

	if (r == EXT_FRAGMENT) {
		stack_drop(s, DROP_FRAGMENT); /* a fragment inside a fragment */
		return;
	}
	if (r == EXT_DROP) {
		walk_failed(s, w, p);
		return;
	}
	p->proto = w->next;
	p->l4 = w->rest;
	if (meta)
		packet_take_meta(p, meta);
	ip_deliver(s, src_mac, p, w->next_at);
}

/* The walk stands at a fragment header. */
static void ip6_fragment(struct stack *s, const uint8_t src_mac[6], struct packet *p,
			 struct ext_walk *w, uint32_t head)
{
	struct frag_piece piece;
	uint16_t off;
	uint32_t id;

	if (!ext_pass_fragment(w, &off, &id)) {
		stack_drop(s, DROP_TRUNCATED);
		return;
	}
	if (!(off & 0xfff9)) {
		/* An atomic fragment is a whole packet (RFC 6946), though not a proper NDP one. */
		p->reassembled = true;
		ip6_upper(s, src_mac, p, w, NULL);
		return;
	}
	piece = (struct frag_piece){
		.src = p->src,
		.dst = p->dst,
		.id = id,
		.proto = w->next,
		.tos = p->tos,
		.ttl = p->ttl,
		.off = off & 0xfff8,
		.more = off & 1,
		.head = head,
		.l3 = p->l3,
		.data = w->rest,
		.walk = *w,
	};
	if (frag_input(s, &piece, p, w))
		ip6_upper(s, src_mac, p, w, NULL);
}

static void ip6_input(struct stack *s, const struct frame *f, struct packet *p, struct view v,
		      const uint8_t src_mac[6])
{
	struct ext_walk w;
	enum drop_reason why = header6_parse(v, f, p, &w);
	enum ext_result r;

	if (why == DROP_NONE)
		why = addresses_check(s, p);
	if (why == DROP_NONE && (f->data[0] & 1) && !is_group(s, &p->dst))
		why = DROP_MULTICAST;
	if (why == DROP_NONE)
		why = forward_check(s, p);
	if (why != DROP_NONE) {
		stack_drop(s, why);
		return;
	}
	r = ext_walk(&w);
	if (r == EXT_FRAGMENT)
		ip6_fragment(s, src_mac, p, &w, w.at - IP6_HLEN);
	else if (r == EXT_DROP)
		walk_failed(s, &w, p);
	else
		ip6_upper(s, src_mac, p, &w, &f->meta);
}

void ip_input(struct stack *s, const struct frame *f, uint16_t ethertype, struct view payload,
	      const uint8_t src_mac[6])
{
	struct packet p = {0};

	if (ethertype == 0x0800)
		ip4_input(s, f, &p, payload, src_mac);
	else
		ip6_input(s, f, &p, payload, src_mac);
}
