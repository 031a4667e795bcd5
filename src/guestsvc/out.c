// SPDX-License-Identifier: Apache-2.0
/*
 * Frames of the guest services, built with an explicit destination MAC address.
 */
#include "guestsvc/out.h"

#include <netinet/in.h>

#include "stack/checksum.h"

const uint8_t guestsvc_mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void guestsvc_mac_multicast6(const struct ipaddr *group, uint8_t ret[6])
{
	ret[0] = ret[1] = 0x33;
	memcpy(ret + 2, group->b + 12, 4);
}

bool guestsvc_send(struct guestsvc *g, const uint8_t dst_mac[6], const struct ipaddr *src,
		   const struct ipaddr *dst, uint8_t proto, uint8_t ttl, const uint8_t *l4,
		   size_t len, size_t csum_offset)
{
	struct stack *s = g->stack;
	uint8_t *at = stack_tx_alloc(s, IP_HEADERS_MAX + len);
	if (!at) {
		stack_drop(s, DROP_TX_FULL);
		return false;
	}
	unsigned hdr = ip_put_headers(s, at, src, dst, proto, len, ttl, 0);
	memcpy(at, dst_mac, 6);
	memcpy(at + hdr, l4, len);
	uint16_t sum = csum_l4(src, dst, proto, at + hdr, len);
	/* A UDP checksum of zero would say "none" (RFC 768). */
	put_be16(at + hdr + csum_offset, sum == 0 && proto == IPPROTO_UDP ? 0xffff : sum);

	struct frame_meta meta = {0};
	stack_tx_push(s, at, hdr + len, &meta);
	return true;
}

bool guestsvc_send_udp(struct guestsvc *g, const uint8_t dst_mac[6], const struct ipaddr *src,
		       uint16_t sport, const struct ipaddr *dst, uint16_t dport,
		       const uint8_t *payload, size_t len)
{
	uint8_t buf[8 + GUESTSVC_UDP_MAX];
	struct wbuf w = wbuf_make(buf, sizeof(buf));
	wbuf_put_be16(&w, sport);
	wbuf_put_be16(&w, dport);
	wbuf_put_be16(&w, (uint16_t)(8 + len));
	wbuf_put_be16(&w, 0);
	wbuf_put_bytes(&w, payload, len);
	if (w.overflow)
		return false;
	return guestsvc_send(g, dst_mac, src, dst, IPPROTO_UDP, 64, buf, w.len, 6);
}

/* One name of `len` characters; false where it is none (RFC 1035 2.3.4: labels of 63, 255 in all).
 */
static bool domain_put(struct wbuf *w, const char *name, size_t len)
{
	if (len && name[len - 1] == '.')
		len--;
	if (len == 0 || len > 253)
		return false;
	for (size_t at = 0; at <= len;) {
		const char *dot = memchr(name + at, '.', len - at);
		size_t n = dot ? (size_t)(dot - (name + at)) : len - at;
		if (n == 0 || n > 63)
			return false;
		wbuf_put_u8(w, (uint8_t)n);
		wbuf_put_bytes(w, name + at, n);
		at += n + 1;
	}
	wbuf_put_u8(w, 0);
	return true;
}

void guestsvc_put_domains(struct wbuf *w, const char *list)
{
	while (*list) {
		size_t n = strcspn(list, ", ");
		size_t start = w->len;
		if (n && !domain_put(w, list, n) && !w->overflow)
			w->len = start;
		list += n;
		list += strspn(list, ", ");
	}
}
