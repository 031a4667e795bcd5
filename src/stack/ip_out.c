// SPDX-License-Identifier: Apache-2.0
/*
 * IP output to the guest: headers, and fragmentation of what the MTU does not take.
 *
 * Packets are whole or fragmented here, once; IPv4 packets that go out whole carry DF and, as they
 * can never be fragmented, no identification (RFC 6864 4.1).
 */
#include "stack/checksum.h"
#include "stack/ip.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define IP6_FRAG_HLEN  8

/* The guest's MAC; the group's for group destinations; everybody's while the guest is not known. */
static void put_dst_mac(const struct stack *s, uint8_t at[6], const struct ipaddr *dst)
{
	static const uint8_t none[6];

	if (dst->family == 6 && dst->b[0] == 0xff) {
		at[0] = at[1] = 0x33; /* RFC 2464 section 7 */
		memcpy(at + 2, dst->b + 12, 4);
	} else if ((dst->family == 4 && get_be32(dst->b) == 0xffffffff) ||
		   !memcmp(s->cfg.guest_mac, none, 6)) {
		memset(at, 0xff, 6);
	} else {
		memcpy(at, s->cfg.guest_mac, 6);
	}
}

static void put_ip4(uint8_t *ip, const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
		    size_t payload_len, uint8_t ttl, uint8_t tos, uint16_t id, uint16_t off)
{
	ip[0] = 0x45;
	ip[1] = tos;
	put_be16(ip + 2, (uint16_t)(IP4_HLEN_MIN + payload_len));
	put_be16(ip + 4, id);
	put_be16(ip + 6, off);
	ip[8] = ttl;
	ip[9] = proto;
	put_be16(ip + 10, 0);
	memcpy(ip + 12, src->b, 4);
	memcpy(ip + 16, dst->b, 4);
	put_be16(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, IP4_HLEN_MIN)));
}

static void put_ip6(uint8_t *ip, const struct ipaddr *src, const struct ipaddr *dst, uint8_t next,
		    size_t payload_len, uint8_t ttl, uint8_t tos)
{
	put_be32(ip, 6U << 28 | (uint32_t)tos << 20);
	put_be16(ip + 4, (uint16_t)payload_len);
	ip[6] = next;
	ip[7] = ttl;
	memcpy(ip + 8, src->b, 16);
	memcpy(ip + 24, dst->b, 16);
}

static void put_ether(const struct stack *s, uint8_t *at, const struct ipaddr *dst)
{
	put_dst_mac(s, at, dst);
	memcpy(at + 6, s->cfg.gw_mac, 6);
	put_be16(at + 12, dst->family == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
}

unsigned ip_put_headers(struct stack *s, uint8_t *at, const struct ipaddr *src,
			const struct ipaddr *dst, uint8_t proto, size_t payload_len, uint8_t ttl,
			uint8_t tos)
{
	put_ether(s, at, dst);
	if (dst->family == 4) {
		put_ip4(at + ETH_HLEN, src, dst, proto, payload_len, ttl, tos, 0, IP4_DF);
		return ETH_HLEN + IP4_HLEN_MIN;
	}
	put_ip6(at + ETH_HLEN, src, dst, proto, payload_len, ttl, tos);
	return ETH_HLEN + IP6_HLEN;
}

/* A packet on its way out: addresses, and an L4 that lies in two pieces. */
struct out {
	const struct ipaddr *src, *dst;
	uint8_t proto, ttl, tos;
	const uint8_t *hdr, *payload;
	size_t hdr_len, len; /* of the two */
};

/* Copies n bytes of the L4, beginning at off. */
static void gather(const struct out *o, uint8_t *at, size_t off, size_t n)
{
	if (off < o->hdr_len) {
		size_t k = o->hdr_len - off < n ? o->hdr_len - off : n;
		memcpy(at, o->hdr + off, k);
		at += k;
		off += k;
		n -= k;
	}
	if (n)
		memcpy(at, o->payload + (off - o->hdr_len), n);
}

static bool send_whole(struct stack *s, const struct out *o)
{
	static const struct frame_meta plain;
	size_t len = o->hdr_len + o->len;
	uint8_t *at = stack_tx_alloc(s, IP_HEADERS_MAX + len);
	unsigned n;

	if (!at) {
		stack_drop(s, DROP_TX_FULL);
		return false;
	}
	n = ip_put_headers(s, at, o->src, o->dst, o->proto, len, o->ttl, o->tos);
	gather(o, at + n, 0, len);
	stack_tx_push(s, at, n + len, &plain);
	return true;
}

static bool send_fragment(struct stack *s, const struct out *o, uint32_t id, size_t off, size_t n)
{
	static const struct frame_meta plain;
	bool more = off + n < o->hdr_len + o->len;
	uint8_t *at = stack_tx_alloc(s, IP_HEADERS_MAX + IP6_FRAG_HLEN + n);
	uint8_t *ip;

	if (!at) {
		stack_drop(s, DROP_TX_FULL);
		return false;
	}
	put_ether(s, at, o->dst);
	ip = at + ETH_HLEN;
	if (o->dst->family == 4) {
		put_ip4(ip, o->src, o->dst, o->proto, n, o->ttl, o->tos, (uint16_t)id,
			(uint16_t)(off / 8) | (more ? IP4_MF : 0));
		ip += IP4_HLEN_MIN;
	} else {
		put_ip6(ip, o->src, o->dst, 44, IP6_FRAG_HLEN + n, o->ttl, o->tos);
		ip += IP6_HLEN;
		ip[0] = o->proto;
		ip[1] = 0;
		put_be16(ip + 2, (uint16_t)off | (more ? 1 : 0));
		put_be32(ip + 4, id);
		ip += IP6_FRAG_HLEN;
	}
	gather(o, ip, off, n);
	stack_tx_push(s, at, (size_t)(ip - at) + n, &plain);
	s->cnt.frag_sent++;
	return true;
}

/*
 * A guest reassembles by addresses and id: the id must not come back while a set may be open. IPv6
 * has room for the time beside the counter.
 */
static uint32_t next_id(struct stack *s)
{
	s->ip_id++;
	return (uint32_t)(stack_now(s) / 1000) << 16 | s->ip_id;
}

/* How much of a packet to dst fits a fragment. */
static size_t piece_max(const struct stack *s, const struct ipaddr *dst)
{
	size_t headers = dst->family == 4 ? IP4_HLEN_MIN : IP6_HLEN + IP6_FRAG_HLEN;

	return (s->cfg.mtu - headers) & ~(size_t)7;
}

unsigned ip_put_headers_over_mtu(struct stack *s, uint8_t *at, const struct ipaddr *src,
				 const struct ipaddr *dst, uint8_t proto, size_t payload_len,
				 uint8_t ttl, uint8_t tos, uint16_t *ret_piece)
{
	*ret_piece = (uint16_t)piece_max(s, dst);
	if (dst->family == 6)
		return ip_put_headers(s, at, src, dst, proto, payload_len, ttl, tos);
	put_ether(s, at, dst);
	put_ip4(at + ETH_HLEN, src, dst, proto, payload_len, ttl, tos, (uint16_t)next_id(s), 0);
	return ETH_HLEN + IP4_HLEN_MIN;
}

bool ip_output_parts(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst,
		     uint8_t proto, uint8_t ttl, uint8_t tos, const uint8_t *hdr, size_t hdr_len,
		     const uint8_t *payload, size_t len)
{
	const struct out o = {src, dst, proto, ttl, tos, hdr, payload, hdr_len, len};
	size_t whole = hdr_len + len, ip_len = dst->family == 4 ? IP4_HLEN_MIN : IP6_HLEN, chunk;
	uint32_t id;

	if (whole > 65535 - (dst->family == 4 ? IP4_HLEN_MIN : 0)) {
		stack_drop(s, DROP_LIMIT);
		return false;
	}
	if (ip_len + whole <= s->cfg.mtu)
		return send_whole(s, &o);
	id = next_id(s);
	chunk = piece_max(s, dst);
	for (size_t off = 0; off < whole; off += chunk)
		if (!send_fragment(s, &o, id, off, whole - off < chunk ? whole - off : chunk))
			return false;
	return true;
}

bool ip_output(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
	       uint8_t ttl, uint8_t tos, const uint8_t *l4, size_t len)
{
	return ip_output_parts(s, src, dst, proto, ttl, tos, l4, len, NULL, 0);
}
