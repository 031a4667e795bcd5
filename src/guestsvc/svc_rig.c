// SPDX-License-Identifier: Apache-2.0
/*
 * The rig of this room's tests; see svc_rig.h.
 */
#include "guestsvc/svc_rig.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "stack/checksum.h"

const uint8_t svc_gw_mac[6] = {2, 0x77, 0x72, 0, 7, 1};
const uint8_t svc_guest_mac[6] = {2, 0x77, 0x72, 0, 7, 2};
const struct ipaddr svc_gw4 = {4, {172, 16, 0, 1}}, svc_guest4 = {4, {172, 16, 0, 2}};
const struct ipaddr svc_gw6 = {6, {0xfd, 0x42, 0x6d, 0x73, 0, 0x62, 0, 7, [15] = 1}};
const struct ipaddr svc_guest6 = {6, {0xfd, 0x42, 0x6d, 0x73, 0, 0x62, 0, 7, [15] = 2}};
const struct ipaddr svc_gw_ll = {6, {0xfe, 0x80, [15] = 1}};
const struct ipaddr svc_guest_ll = {6, {0xfe, 0x80, [15] = 2}};

static int rig_tx(void *ctx, struct frame *frames, int n)
{
	struct svc_rig *r = ctx;
	for (int i = 0; i < n; i++) {
		if (r->out_n < SVC_FRAMES && frames[i].len <= sizeof(r->out[0].b)) {
			memcpy(r->out[r->out_n].b, frames[i].data, frames[i].len);
			r->out[r->out_n].len = frames[i].len;
		}
		r->out_n++;
	}
	return n;
}

static void rig_arp(void *ctx, const uint8_t src_mac[6], struct view payload)
{
	guestsvc_arp(&((struct svc_rig *)ctx)->svc, src_mac, payload);
}

static void rig_ndp(void *ctx, const uint8_t src_mac[6], const struct packet *p)
{
	guestsvc_ndp(&((struct svc_rig *)ctx)->svc, src_mac, p);
}

static void rig_dhcp(void *ctx, const uint8_t src_mac[6], const struct udp_datagram *d)
{
	struct svc_rig *r = ctx;
	if (d->dport == 67)
		guestsvc_dhcp4(&r->svc, src_mac, d);
	else
		guestsvc_dhcp6(&r->svc, src_mac, d);
}

static void rig_udp(void *ctx, const struct udp_datagram *d)
{
}

static void rig_echo(void *ctx, const struct icmp_echo *e)
{
}

static void rig_guest_error(void *ctx, const struct packet *p)
{
}

static const struct stack_ops rig_ops = {
	.tx = rig_tx,
	.arp = rig_arp,
	.ndp = rig_ndp,
	.dhcp = rig_dhcp,
	.udp = rig_udp,
	.echo = rig_echo,
	.guest_icmp_error = rig_guest_error,
};

struct stack_config svc_config(void)
{
	struct stack_config c = {
		.has_v4 = true,
		.has_v6 = true,
		.gw4 = svc_gw4,
		.guest4 = svc_guest4,
		.prefix4 = 30,
		.gw6 = svc_gw6,
		.guest6 = svc_guest6,
		.gw6_ll = svc_gw_ll,
		.mtu = 1500,
	};
	memcpy(c.gw_mac, svc_gw_mac, 6);
	memcpy(c.guest_mac, svc_guest_mac, 6);
	return c;
}

void svc_rig_init(struct svc_rig *r, const struct stack_config *cfg)
{
	static const struct sipkey key = {1, 2};
	memset(r, 0, sizeof(*r));
	wheel_init(&r->wheel, 1000000);
	if (!stack_init(&r->stack, cfg, &rig_ops, r, &r->wheel, &key, 1000000))
		abort();
	guestsvc_init(&r->svc, &r->stack);
}

void svc_rig_done(struct svc_rig *r)
{
	guestsvc_done(&r->svc);
	stack_done(&r->stack);
}

struct svc_rig *svc_rig_of_fuzzers(void)
{
	static struct svc_rig rig;
	static bool ready;

	if (!ready) {
		struct stack_config c = svc_config();

		svc_rig_init(&rig, &c);
		strcpy(rig.svc.search, "corp.example,lab.example");
		strcpy(rig.svc.hostname, "box");
		ready = true;
	}
	rig.out_n = 0;
	return &rig;
}

void svc_rig_frame(struct svc_rig *r, const uint8_t *frame, size_t len)
{
	/* An allocation of exactly this size shows any read past the end. */
	uint8_t *copy = malloc(len);
	memcpy(copy, frame, len);
	struct frame f = {.data = copy, .len = (uint32_t)len};
	r->out_n = 0;
	stack_input(&r->stack, &f);
	stack_burst_end(&r->stack);
	free(copy);
}

void svc_rig_packet(struct svc_rig *r, const struct ipaddr *src, const struct ipaddr *dst,
		    uint8_t proto, uint8_t ttl, const uint8_t *l4, size_t len, size_t csum_at)
{
	uint8_t buf[2048];
	struct wbuf w = wbuf_make(buf, sizeof(buf));
	bool v4 = src->family == 4;
	wbuf_put_bytes(&w, svc_gw_mac, 6);
	if (ipaddr_is_multicast(dst))
		memset(buf, 0xff, 6);
	wbuf_put_bytes(&w, svc_guest_mac, 6);
	wbuf_put_be16(&w, v4 ? 0x0800 : 0x86dd);
	if (v4) {
		wbuf_put_be16(&w, 0x4500);
		wbuf_put_be16(&w, (uint16_t)(20 + len));
		wbuf_put_be32(&w, 0);
		wbuf_put_u8(&w, ttl);
		wbuf_put_u8(&w, proto);
		wbuf_put_be16(&w, 0);
		wbuf_put_bytes(&w, src->b, 4);
		wbuf_put_bytes(&w, dst->b, 4);
		put_be16(buf + 24, (uint16_t)~csum_fold(csum_add(0, buf + 14, 20)));
	} else {
		wbuf_put_be32(&w, 0x60000000);
		wbuf_put_be16(&w, (uint16_t)len);
		wbuf_put_u8(&w, proto);
		wbuf_put_u8(&w, ttl);
		wbuf_put_bytes(&w, src->b, 16);
		wbuf_put_bytes(&w, dst->b, 16);
	}
	size_t at = w.len;
	wbuf_put_bytes(&w, l4, len);
	if (w.overflow)
		abort();
	if (len >= csum_at + 2) {
		put_be16(buf + at + csum_at, 0);
		put_be16(buf + at + csum_at, csum_l4(src, dst, proto, buf + at, len));
	}
	svc_rig_frame(r, buf, w.len);
}

void svc_rig_udp(struct svc_rig *r, const struct ipaddr *src, uint16_t sport,
		 const struct ipaddr *dst, uint16_t dport, const uint8_t *payload, size_t len)
{
	uint8_t buf[1600];
	struct wbuf w = wbuf_make(buf, sizeof(buf));
	wbuf_put_be16(&w, sport);
	wbuf_put_be16(&w, dport);
	wbuf_put_be16(&w, (uint16_t)(8 + len));
	wbuf_put_be16(&w, 0);
	wbuf_put_bytes(&w, payload, len);
	if (w.overflow)
		abort();
	svc_rig_packet(r, src, dst, IPPROTO_UDP, 64, buf, w.len, 6);
}

void svc_rig_advance(struct svc_rig *r, uint64_t us)
{
	r->out_n = 0;
	stack_set_now(&r->stack, stack_now(&r->stack) + us);
	wheel_advance(&r->wheel, stack_now(&r->stack));
	stack_flush(&r->stack);
}

/* Reads the IP header; `v` is left at what it carries. */
static bool ip_read(struct view *v, uint16_t type, struct svc_packet *ret)
{
	if (type == 0x0800) {
		if (v->len < 20 || v->p[0] != 0x45 || get_be16(v->p + 2) != v->len ||
		    csum_fold(csum_add(0, v->p, 20)) != 0xffff)
			return false;
		ret->ttl = v->p[8];
		ret->proto = v->p[9];
		ret->src = ipaddr_v4(v->p + 12);
		ret->dst = ipaddr_v4(v->p + 16);
		return view_skip(v, 20);
	}
	if (type != 0x86dd || v->len < 40 || v->p[0] >> 4 != 6 || get_be16(v->p + 4) != v->len - 40)
		return false;
	ret->proto = v->p[6];
	ret->ttl = v->p[7];
	ret->src = ipaddr_v6(v->p + 8);
	ret->dst = ipaddr_v6(v->p + 24);
	return view_skip(v, 40);
}

bool svc_rig_out(struct svc_rig *r, int i, struct svc_packet *ret)
{
	uint16_t type;
	*ret = (struct svc_packet){0};
	if (i >= r->out_n || i >= SVC_FRAMES)
		return false;
	struct view v = view_make(r->out[i].b, r->out[i].len);
	if (!view_get_bytes(&v, ret->dst_mac, 6) || !view_get_bytes(&v, ret->src_mac, 6) ||
	    !view_get_be16(&v, &type) || !ip_read(&v, type, ret) ||
	    !csum_l4_ok(&ret->src, &ret->dst, ret->proto, v.p, v.len))
		return false;
	ret->l4 = v;
	if (ret->proto == IPPROTO_UDP) {
		uint16_t len, sum;
		if (!view_get_be16(&v, &ret->sport) || !view_get_be16(&v, &ret->dport) ||
		    !view_get_be16(&v, &len) || !view_get_be16(&v, &sum) || len != v.len + 8)
			return false;
		ret->payload = v;
	}
	return true;
}
