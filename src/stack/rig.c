// SPDX-License-Identifier: Apache-2.0
/*
 * The test rig of this room; see rig.h.
 */
#include "stack/rig.h"

#include <stdlib.h>

const uint8_t rig_gw_mac[6] = {2, 0, 0, 0, 0, 1}, rig_guest_mac[6] = {2, 0, 0, 0, 0, 2};
const struct ipaddr rig_gw4 = {4, {172, 16, 0, 1}}, rig_guest4 = {4, {172, 16, 0, 2}};
const struct ipaddr rig_far4 = {4, {198, 51, 100, 7}};
const struct ipaddr rig_gw6 = {6, {0xfd, 0x42, [15] = 1}};
const struct ipaddr rig_guest6 = {6, {0xfd, 0x42, [15] = 2}};
const struct ipaddr rig_far6 = {6, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}};
const struct ipaddr rig_gw_ll = {6, {0xfe, 0x80, [15] = 1}};
const struct ipaddr rig_guest_ll = {6, {0xfe, 0x80, [15] = 2}};

static int rig_tx(void *ctx, struct frame *frames, int n)
{
	struct rig *r = ctx;

	for (int i = 0; i < n; i++) {
		struct rig_frame *f;
		if (r->out_n == RIG_FRAMES)
			abort();
		f = &r->out[r->out_n++];
		f->data = malloc(frames[i].len ? frames[i].len : 1);
		memcpy(f->data, frames[i].data, frames[i].len);
		f->len = frames[i].len;
		f->meta = frames[i].meta;
	}
	return n;
}

static void note_payload(struct rig *r, struct view v)
{
	memcpy(r->payload, v.p, v.len);
	r->payload_len = v.len;
}

static void rig_arp(void *ctx, const uint8_t src_mac[6], struct view payload)
{
	struct rig *r = ctx;
	r->arp++;
	note_payload(r, payload);
}

static void rig_ndp(void *ctx, const uint8_t src_mac[6], const struct packet *p)
{
	struct rig *r = ctx;
	r->ndp++;
	r->last_packet = *p;
}

static void rig_dhcp(void *ctx, const uint8_t src_mac[6], const struct udp_datagram *d)
{
	struct rig *r = ctx;
	r->dhcp++;
	r->last_udp = *d;
	note_payload(r, d->payload);
}

static void rig_udp(void *ctx, const struct udp_datagram *d)
{
	struct rig *r = ctx;
	r->udp++;
	r->last_udp = *d;
	note_payload(r, d->payload);
}

static void rig_echo(void *ctx, const struct icmp_echo *e)
{
	struct rig *r = ctx;
	r->echo++;
	r->last_echo = *e;
	note_payload(r, e->payload);
}

static void rig_guest_error(void *ctx, const struct packet *p)
{
	struct rig *r = ctx;
	r->guest_error++;
	r->last_packet = *p;
}

static void rig_limit(void *ctx, enum stack_limit what, const struct ipaddr *dst, uint8_t proto)
{
	struct rig *r = ctx;

	r->frag_limit += what == STACK_LIMIT_FRAGMENTS && proto == 17;
}

static const struct stack_ops rig_ops = {
	.limit = rig_limit,
	.tx = rig_tx,
	.arp = rig_arp,
	.ndp = rig_ndp,
	.dhcp = rig_dhcp,
	.udp = rig_udp,
	.echo = rig_echo,
	.guest_icmp_error = rig_guest_error,
};

struct stack_config rig_config(void)
{
	struct stack_config c = {
		.has_v4 = true,
		.has_v6 = true,
		.gw4 = rig_gw4,
		.guest4 = rig_guest4,
		.prefix4 = 24,
		.gw6 = rig_gw6,
		.guest6 = rig_guest6,
		.gw6_ll = rig_gw_ll,
		.mtu = 1500,
	};
	memcpy(c.gw_mac, rig_gw_mac, 6);
	memcpy(c.guest_mac, rig_guest_mac, 6);
	return c;
}

struct rig *rig_new_with(const struct stack_config *c)
{
	static const struct sipkey key = {1, 2};
	struct rig *r = calloc(1, sizeof(*r));

	wheel_init(&r->wheel, 0);
	if (!stack_init(&r->stack, c, &rig_ops, r, &r->wheel, &key, 0))
		abort();
	return r;
}

struct rig *rig_new(void)
{
	struct stack_config c = rig_config();
	return rig_new_with(&c);
}

struct rig *rig_new_mirror(uint16_t mtu)
{
	struct stack_config c = rig_config();

	memcpy(c.gw_mac, rig_guest_mac, 6);
	memcpy(c.guest_mac, rig_gw_mac, 6);
	c.gw4 = rig_guest4;
	c.guest4 = rig_gw4;
	c.gw6 = rig_guest6;
	c.guest6 = rig_gw6;
	c.gw6_ll = rig_guest_ll;
	c.mtu = mtu;
	c.allow_any_source = true;
	return rig_new_with(&c);
}

void rig_clear(struct rig *r)
{
	for (int i = 0; i < r->out_n; i++)
		free(r->out[i].data);
	r->out_n = 0;
	r->arp = r->ndp = r->dhcp = r->udp = r->echo = r->guest_error = 0;
	r->frag_limit = 0;
	r->payload_len = 0;
	memset(&r->stack.cnt, 0, sizeof(r->stack.cnt));
}

void rig_free(struct rig *r)
{
	rig_clear(r);
	stack_done(&r->stack);
	free(r);
}

void rig_input_meta(struct rig *r, const uint8_t *frame, size_t len, const struct frame_meta *m)
{
	/* An allocation of exactly this size, so that ASan sees any read past the end. */
	uint8_t *copy = malloc(len ? len : 1);
	struct frame f = {.data = copy, .len = (uint32_t)len, .meta = *m};

	if (len)
		memcpy(copy, frame, len);
	stack_input(&r->stack, &f);
	stack_burst_end(&r->stack);
	free(copy);
}

void rig_input(struct rig *r, const uint8_t *frame, size_t len)
{
	static const struct frame_meta plain;
	rig_input_meta(r, frame, len, &plain);
}

void rig_advance(struct rig *r, uint64_t us)
{
	stack_set_now(&r->stack, stack_now(&r->stack) + us);
	wheel_advance(&r->wheel, stack_now(&r->stack));
	stack_flush(&r->stack);
}

uint64_t rig_drops(const struct rig *r, enum drop_reason why)
{
	return r->stack.cnt.drops[why];
}

uint64_t rig_all_drops(const struct rig *r)
{
	uint64_t n = 0;

	for (int i = 0; i < DROP_REASONS; i++)
		n += r->stack.cnt.drops[i];
	return n;
}

uint16_t naive_csum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

size_t pkt_bytes(struct pkt *p, const void *b, size_t n)
{
	size_t at = p->len;

	if (at + n > sizeof(p->b))
		abort();
	if (n)
		memcpy(p->b + at, b, n);
	p->len += n;
	return at;
}

size_t pkt_pattern(struct pkt *p, size_t n, uint8_t seed)
{
	size_t at = p->len;

	for (size_t i = 0; i < n; i++) {
		uint8_t b = (uint8_t)(seed + i * 7 + i / 256);
		pkt_bytes(p, &b, 1);
	}
	return at;
}

size_t pkt_ether(struct pkt *p, uint16_t type)
{
	uint8_t t[2];

	p->len = 0;
	put_be16(t, type);
	pkt_bytes(p, rig_gw_mac, 6);
	pkt_bytes(p, rig_guest_mac, 6);
	pkt_bytes(p, t, 2);
	return 0;
}

size_t pkt_ip(struct pkt *p, const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto)
{
	uint8_t h[40] = {0};
	size_t at;

	pkt_ether(p, dst->family == 4 ? 0x0800 : 0x86dd);
	if (dst->family == 4) {
		h[0] = 0x45;
		h[8] = 64;
		h[9] = proto;
		memcpy(h + 12, src->b, 4);
		memcpy(h + 16, dst->b, 4);
		at = pkt_bytes(p, h, 20);
		if (dst->b[0] >= 224)
			p->b[0] |= 1;
	} else {
		h[0] = 0x60;
		h[6] = proto;
		h[7] = 64;
		memcpy(h + 8, src->b, 16);
		memcpy(h + 24, dst->b, 16);
		at = pkt_bytes(p, h, 40);
		if (dst->b[0] == 0xff)
			p->b[0] |= 1;
	}
	return at;
}

void pkt_end(struct pkt *p)
{
	uint8_t *ip = p->b + ETH_HLEN;

	if (ip[0] >> 4 == 4) {
		size_t ihl = (size_t)(ip[0] & 15) * 4;
		put_be16(ip + 2, (uint16_t)(p->len - ETH_HLEN));
		put_be16(ip + 10, 0);
		put_be16(ip + 10, (uint16_t)~naive_csum(ip, ihl));
	} else {
		put_be16(ip + 4, (uint16_t)(p->len - ETH_HLEN - 40));
	}
}

size_t pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport, size_t payload)
{
	uint8_t h[8];

	put_be16(h, sport);
	put_be16(h + 2, dport);
	put_be16(h + 4, (uint16_t)(8 + payload));
	put_be16(h + 6, 0);
	return pkt_bytes(p, h, 8);
}

void pkt_fill_l4(struct pkt *p, size_t l4, uint8_t proto, size_t csum_at)
{
	static uint8_t flat[70000];
	const uint8_t *ip = p->b + ETH_HLEN;
	size_t n = 0, len = p->len - l4;

	put_be16(p->b + csum_at, 0);
	if (ip[0] >> 4 == 4 && proto != IPPROTO4_ICMP) {
		memcpy(flat, ip + 12, 8);
		flat[8] = 0;
		flat[9] = proto;
		put_be16(flat + 10, (uint16_t)len);
		n = 12;
	} else if (ip[0] >> 4 == 6) {
		memcpy(flat, ip + 8, 32);
		put_be32(flat + 32, (uint32_t)len);
		put_be32(flat + 36, proto);
		n = 40;
	}
	memcpy(flat + n, p->b + l4, len);
	put_be16(p->b + csum_at, (uint16_t)~naive_csum(flat, n + len));
}

void pkt_make_udp(struct pkt *p, const struct ipaddr *src, const struct ipaddr *dst, uint16_t dport,
		  size_t payload)
{
	size_t l4;

	pkt_ip(p, src, dst, IPPROTO_UDP_);
	l4 = pkt_udp(p, 4000, dport, payload);
	pkt_pattern(p, payload, (uint8_t)payload);
	pkt_end(p);
	pkt_fill_l4(p, l4, IPPROTO_UDP_, l4 + 6);
}

void pkt_make_icmp(struct pkt *p, const struct ipaddr *src, const struct ipaddr *dst, uint8_t type,
		   uint8_t code, uint32_t rest, const void *body, size_t n)
{
	uint8_t proto = dst->family == 4 ? IPPROTO4_ICMP : IPPROTO6_ICMP;
	uint8_t h[8] = {type, code};
	size_t l4;

	put_be32(h + 4, rest);
	pkt_ip(p, src, dst, proto);
	l4 = pkt_bytes(p, h, 8);
	pkt_bytes(p, body, n);
	pkt_end(p);
	pkt_fill_l4(p, l4, proto, l4 + 2);
}
