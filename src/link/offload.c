// SPDX-License-Identifier: Apache-2.0
/* Headers and unfinished checksums of frames over sockets. */
#include "link/offload.h"

#include "base/view.h"
#include "link/vnet.h"

#define TYPE_IP4  0x0800
#define TYPE_IP6  0x86dd
#define PROTO_TCP 6
#define PROTO_UDP 17

unsigned offload_header(enum link_offload o)
{
	return o == LINK_OFFLOAD_VNET ? VNET_HLEN : 0;
}

uint32_t offload_caps(enum link_offload o)
{
	return o == LINK_OFFLOAD_VNET ? LINK_CSUM | LINK_TSO4 | LINK_TSO6 : 0;
}

/* The folded sum of n bytes, an even number, on top of `sum`. */
static uint16_t sum16(uint32_t sum, const uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i += 2)
		sum += get_be16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

struct l4_place {
	uint32_t at;  /* where the L4 header begins */
	uint32_t len; /* L4 header and data, as the IP header says */
	uint8_t proto;
	uint16_t addresses; /* the folded sum of both */
};

/* Finds a TCP or UDP header right behind the IP header of a frame that is no fragment. */
static bool find_l4(const struct frame *f, struct l4_place *ret)
{
	struct view v = view_make(f->data, f->len);
	uint16_t type, total;

	if (!view_skip(&v, 12) || !view_get_be16(&v, &type))
		return false;
	if (type == TYPE_IP4 && v.len >= 20) {
		uint32_t ihl = (v.p[0] & 15u) * 4;

		total = get_be16(v.p + 2);
		if (v.p[0] >> 4 != 4 || ihl < 20 || total < ihl || get_be16(v.p + 6) & 0x3fff)
			return false;
		*ret = (struct l4_place){ETH_HLEN + ihl, total - ihl, v.p[9],
					 sum16(0, v.p + 12, 8)};
	} else if (type == TYPE_IP6 && v.len >= 40) {
		total = get_be16(v.p + 4);
		*ret = (struct l4_place){ETH_HLEN + 40, total, v.p[6], sum16(0, v.p + 8, 32)};
	} else {
		return false;
	}
	return ret->at + ret->len <= f->len;
}

/*
 * Whether the checksum field holds only the pseudo-header's sum: with the length (Linux), or
 * without it (others, where it is a super-segment). A whole checksum looks so by chance once in
 * 32,768 frames; then it is not looked at, which on a socket costs nothing.
 */
static void find_unfinished(struct frame *f)
{
	struct l4_place l4;
	uint16_t field, at;

	if (!find_l4(f, &l4) || (l4.proto != PROTO_TCP && l4.proto != PROTO_UDP))
		return;
	at = l4.proto == PROTO_TCP ? 16 : 6;
	if (l4.len < (l4.proto == PROTO_TCP ? 20 : 8))
		return;
	field = get_be16(f->data + l4.at + at);
	uint32_t sum = (uint32_t)l4.addresses + l4.proto;
	if (field != sum16(sum + l4.len, NULL, 0) && field != sum16(sum, NULL, 0))
		return;
	f->meta.needs_csum = true;
	f->meta.csum_start = (uint16_t)l4.at;
	f->meta.csum_offset = at;
}

bool offload_take(enum link_offload o, uint8_t *wire, uint32_t len, struct frame *ret)
{
	unsigned header = offload_header(o);

	*ret = (struct frame){.data = wire + header, .len = len - header};
	if (o == LINK_OFFLOAD_VNET)
		return vnet_parse(wire, ret);
	if (o == LINK_OFFLOAD_LIBKRUN)
		find_unfinished(ret);
	return true;
}

bool offload_put(enum link_offload o, struct frame *f, uint32_t max)
{
	if (f->len < ETH_HLEN || f->len > max)
		return false;
	if (o == LINK_OFFLOAD_VNET) {
		vnet_put(f->data - VNET_HLEN, VNET_HLEN, f);
		return true;
	}
	return !f->meta.needs_csum && f->meta.gso == FRAME_GSO_NONE;
}
