// SPDX-License-Identifier: Apache-2.0
/*
 * UDP (RFC 768; RFC 8200 8.1 for IPv6): datagrams from the guest are checked and handed up whole,
 * datagrams for the guest get their header. No state.
 *
 * A super-segment from a link with USO stays one piece all the way: gso_size says how the relay has
 * to cut it. Kernels make trains of at most 128 datagrams, and take fewer (64 in older ones).
 */
#include "link/link.h"
#include "stack/checksum.h"
#include "stack/ip.h"

#define UDP_HLEN          8
#define UDP_TRAIN_IN_MAX  128
#define UDP_TRAIN_OUT_MAX 64
#define PORT_DHCP4_SERVER 67
#define PORT_DHCP6_SERVER 547

static enum drop_reason udp_parse(const struct packet *p, struct udp_datagram *ret)
{
	struct view v = p->l4;
	uint16_t len, sum;

	if (!view_get_be16(&v, &ret->sport) || !view_get_be16(&v, &ret->dport) ||
	    !view_get_be16(&v, &len) || !view_get_be16(&v, &sum))
		return DROP_TRUNCATED;
	if (len < UDP_HLEN || ret->dport == 0)
		return DROP_BAD_HEADER;
	if (len > p->l4.len)
		return DROP_TRUNCATED;
	/* Zero says "no checksum", which only IPv4 has; a partial one is never zero's business. */
	if (!p->csum_ok && (sum != 0 || p->dst.family == 6)) {
		if (sum == 0 || !csum_l4_ok(&p->src, &p->dst, IPPROTO_UDP_, p->l4.p, len))
			return DROP_BAD_CHECKSUM;
	}
	ret->payload = view_make(v.p, (size_t)len - UDP_HLEN);
	if (p->gso_size && ret->payload.len > p->gso_size) {
		if ((ret->payload.len - 1) / p->gso_size >= UDP_TRAIN_IN_MAX)
			return DROP_BAD_HEADER;
		ret->gso_size = p->gso_size;
	}
	return DROP_NONE;
}

void udp_input(struct stack *s, const uint8_t src_mac[6], const struct packet *p)
{
	struct udp_datagram d = {
		.src = p->src, .dst = p->dst, .ttl = p->ttl, .tos = p->tos, .l3 = p->l3};
	enum drop_reason why = udp_parse(p, &d);
	bool dhcp = d.dport == (p->dst.family == 4 ? PORT_DHCP4_SERVER : PORT_DHCP6_SERVER);

	if (why == DROP_NONE && !(dhcp ? (void *)s->ops->dhcp : (void *)s->ops->udp))
		why = DROP_PROTOCOL;
	if (why != DROP_NONE)
		stack_drop(s, why);
	else if (dhcp)
		s->ops->dhcp(s->ctx, src_mac, &d);
	else
		s->ops->udp(s->ctx, &d);
}

static void put_udp(uint8_t at[UDP_HLEN], uint16_t sport, uint16_t dport, size_t len)
{
	put_be16(at, sport);
	put_be16(at + 2, dport);
	put_be16(at + 4, (uint16_t)len);
	put_be16(at + 6, 0);
}

/* The largest payload that a datagram can have. */
static size_t payload_max(const struct ipaddr *dst)
{
	return dst->family == 4 ? 65507 : 65487;
}

/* How many of a train's pieces the link takes as one frame; 0: it takes no trains of such pieces.
 */
static size_t train_pieces(const struct stack *s, const struct ipaddr *dst, size_t gso_size)
{
	size_t ip_len = dst->family == 4 ? IP4_HLEN_MIN : IP6_HLEN;
	size_t pieces = (65535 - IP6_HLEN - UDP_HLEN) / gso_size;

	if (!(s->cfg.link_caps & LINK_USO) || ip_len + UDP_HLEN + gso_size > s->cfg.mtu)
		return 0;
	return pieces < UDP_TRAIN_OUT_MAX ? pieces : UDP_TRAIN_OUT_MAX;
}

/* A datagram that the link takes whole though it is over the MTU. */
static bool goes_whole(const struct stack *s, const struct ipaddr *dst, size_t len)
{
	size_t ip_len = dst->family == 4 ? IP4_HLEN_MIN : IP6_HLEN;

	return s->cfg.link_caps & LINK_UFO && ip_len + UDP_HLEN + len > s->cfg.mtu &&
	       len <= payload_max(dst);
}

/*
 * The headers of a super-frame for the link to cut, into datagrams of gso_size bytes or, where that
 * is 0, into fragments of the one datagram; the checksum field holds the pseudo-header's sum.
 * Returns their length.
 */
static unsigned super_headers(struct stack *s, uint8_t *at, const struct udp_datagram *d,
			      size_t len, struct frame_meta *ret)
{
	size_t l4_len = UDP_HLEN + len;
	unsigned n;

	*ret = (struct frame_meta){.needs_csum = true, .csum_offset = 6};
	if (d->gso_size) {
		ret->gso = FRAME_GSO_UDP_L4;
		ret->gso_size = d->gso_size;
		n = ip_put_headers(s, at, &d->src, &d->dst, IPPROTO_UDP_, l4_len, d->ttl, d->tos);
	} else {
		ret->gso = FRAME_GSO_UDP;
		n = ip_put_headers_over_mtu(s, at, &d->src, &d->dst, IPPROTO_UDP_, l4_len, d->ttl,
					    d->tos, &ret->gso_size);
	}
	put_udp(at + n, d->sport, d->dport, l4_len);
	put_be16(at + n + 6,
		 csum_fold(csum_pseudo(&d->src, &d->dst, IPPROTO_UDP_, (uint32_t)l4_len)));
	ret->csum_start = (uint16_t)n;
	ret->hdr_len = (uint16_t)(n + UDP_HLEN);
	return ret->hdr_len;
}

static bool super_push(struct stack *s, const struct udp_datagram *d, const uint8_t *payload,
		       size_t len)
{
	uint8_t *at = stack_tx_alloc(s, IP_HEADERS_MAX + UDP_HLEN + len);
	struct frame_meta meta;
	unsigned n;

	if (!at) {
		stack_drop(s, DROP_TX_FULL);
		return false;
	}
	n = super_headers(s, at, d, len, &meta);
	memcpy(at + n, payload, len);
	stack_tx_push(s, at, n + len, &meta);
	return true;
}

/* The same where the payload lies, which has room for headers before it. */
static bool super_lend(struct stack *s, const struct udp_datagram *d, uint8_t *payload, size_t len)
{
	size_t ip_len = d->dst.family == 4 ? IP4_HLEN_MIN : IP6_HLEN;
	uint8_t *at = payload - UDP_HLEN - ip_len - ETH_HLEN;
	struct frame_meta meta;
	unsigned n = super_headers(s, at, d, len, &meta);

	if (stack_tx_lend(s, at, n + len, &meta))
		return true;
	stack_drop(s, DROP_TX_FULL);
	return false;
}

bool udp_output(struct stack *s, const struct ipaddr *src, uint16_t sport, const struct ipaddr *dst,
		uint16_t dport, uint8_t ttl, uint8_t tos, const void *payload, size_t len)
{
	uint8_t hdr[UDP_HLEN];
	uint16_t sum;

	if (len > payload_max(dst)) {
		stack_drop(s, DROP_LIMIT);
		return false;
	}
	if (goes_whole(s, dst, len)) {
		struct udp_datagram d = {.src = *src,
					 .dst = *dst,
					 .sport = sport,
					 .dport = dport,
					 .ttl = ttl,
					 .tos = tos};
		return super_push(s, &d, payload, len);
	}
	put_udp(hdr, sport, dport, UDP_HLEN + len);
	sum = (uint16_t)~csum_fold(
		csum_add(csum_add(csum_pseudo(src, dst, IPPROTO_UDP_, (uint32_t)(UDP_HLEN + len)),
				  hdr, UDP_HLEN),
			 payload, len));
	put_be16(hdr + 6, sum ? sum : 0xffff);
	return ip_output_parts(s, src, dst, IPPROTO_UDP_, ttl, tos, hdr, UDP_HLEN, payload, len);
}

bool udp_output_train(struct stack *s, const struct ipaddr *src, uint16_t sport,
		      const struct ipaddr *dst, uint16_t dport, uint8_t ttl, uint8_t tos,
		      const void *payload, size_t len, size_t gso_size)
{
	struct udp_datagram d = {.src = *src, .dst = *dst, .sport = sport, .dport = dport};
	size_t step, pieces;
	const uint8_t *p = payload;

	if (gso_size == 0 || len <= gso_size)
		return udp_output(s, src, sport, dst, dport, ttl, tos, payload, len);
	d.ttl = ttl;
	d.tos = tos;
	d.gso_size = (uint16_t)gso_size;
	pieces = train_pieces(s, dst, gso_size);
	step = gso_size * (pieces ? pieces : 1);
	for (size_t off = 0; off < len; off += step) {
		size_t n = len - off < step ? len - off : step;
		bool ok = n > gso_size
				  ? super_push(s, &d, p + off, n)
				  : udp_output(s, src, sport, dst, dport, ttl, tos, p + off, n);
		if (!ok)
			return false;
	}
	return true;
}

bool udp_output_lent(struct stack *s, const struct ipaddr *src, uint16_t sport,
		     const struct ipaddr *dst, uint16_t dport, uint8_t ttl, uint8_t tos,
		     uint8_t *payload, size_t len, size_t gso_size)
{
	bool train = gso_size && len > gso_size;
	struct udp_datagram d = {.src = *src,
				 .dst = *dst,
				 .sport = sport,
				 .dport = dport,
				 .ttl = ttl,
				 .tos = tos,
				 .gso_size = train ? (uint16_t)gso_size : 0};

	if (train ? len <= gso_size * train_pieces(s, dst, gso_size) : goes_whole(s, dst, len))
		return super_lend(s, &d, payload, len);
	return udp_output_train(s, src, sport, dst, dport, ttl, tos, payload, len, gso_size);
}
