// SPDX-License-Identifier: Apache-2.0
/*
 * Router advertisements (RFC 4861 6.2, RFC 8106): one to all nodes every 200 s, and one for each
 * solicitation, at once.
 *
 * Limit: at most one advertisement in RA_MIN_US. A solicitation that comes sooner is not forgotten:
 * the next advertisement to all nodes is moved to the earliest time that the limit permits.
 *
 * The M and O flags are set because DHCPv6 hands out the one address to which ports are
 * published. The prefix is autonomous all the same, for guests without a DHCPv6 client.
 */
#include "guestsvc/ndp.h"

#include <netinet/in.h>

#include "guestsvc/out.h"

#define RA_PERIOD_US (200 * 1000000ull)
#define RA_MIN_US    (100 * 1000ull)
#define RA_LIFETIME                                                                               \
	9000 /* seconds; the most that RFC 4861 6.2.1 allows, so that a suspended guest keeps its \
		route */
#define RA_PREFIX_S  86400 /* valid and preferred lifetime of the prefix */
#define RA_FLAGS     0xc0  /* managed addresses, other configuration */
#define PREFIX_FLAGS 0xc0  /* on-link, autonomous */

static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

static void put_prefix(struct wbuf *w, const struct ipaddr *gw6)
{
	wbuf_put_u8(w, NDP_OPT_PREFIX);
	wbuf_put_u8(w, 4);
	wbuf_put_u8(w, 64);
	wbuf_put_u8(w, PREFIX_FLAGS);
	wbuf_put_be32(w, RA_PREFIX_S);
	wbuf_put_be32(w, RA_PREFIX_S);
	wbuf_put_be32(w, 0);
	wbuf_put_bytes(w, gw6->b, 8);
	wbuf_put_zero(w, 8);
}

/* The search list, padded with zeros to a multiple of eight bytes (RFC 8106 5.2). */
static void put_dnssl(struct wbuf *w, const char *search)
{
	size_t start = w->len;
	wbuf_put_u8(w, NDP_OPT_DNSSL);
	wbuf_put_u8(w, 0);
	wbuf_put_be16(w, 0);
	wbuf_put_be32(w, RA_LIFETIME);
	guestsvc_put_domains(w, search);
	if (w->len == start + 8) { /* no name in it was valid */
		w->len = start;
		return;
	}
	wbuf_put_zero(w, -(w->len - start) & 7);
	if (!w->overflow)
		w->p[start + 1] = (uint8_t)((w->len - start) / 8);
}

/* `to` NULL: to all nodes. */
static void ra_send(struct guestsvc *g, const uint8_t *to_mac, const struct ipaddr *to)
{
	const struct stack_config *cfg = &g->stack->cfg;
	uint8_t buf[512], mac[6];
	struct ipaddr dst = ipaddr_v6(all_nodes);
	if (to) {
		dst = *to;
		memcpy(mac, to_mac, 6);
	} else {
		guestsvc_mac_multicast6(&dst, mac);
	}

	struct wbuf w = wbuf_make(buf, sizeof(buf));
	wbuf_put_u8(&w, NDP_RA);
	wbuf_put_zero(&w, 3);
	wbuf_put_u8(&w, 64); /* hop limit for the guest */
	wbuf_put_u8(&w, RA_FLAGS);
	wbuf_put_be16(&w, RA_LIFETIME);
	wbuf_put_be32(&w, 0); /* reachable time: unspecified */
	wbuf_put_be32(&w, 0); /* retransmission timer: unspecified */

	wbuf_put_u8(&w, NDP_OPT_SLLA);
	wbuf_put_u8(&w, 1);
	wbuf_put_bytes(&w, cfg->gw_mac, 6);
	wbuf_put_u8(&w, NDP_OPT_MTU);
	wbuf_put_u8(&w, 1);
	wbuf_put_be16(&w, 0);
	wbuf_put_be32(&w, cfg->mtu);
	put_prefix(&w, &cfg->gw6);
	wbuf_put_u8(&w, NDP_OPT_RDNSS);
	wbuf_put_u8(&w, 3);
	wbuf_put_be16(&w, 0);
	wbuf_put_be32(&w, RA_LIFETIME);
	wbuf_put_bytes(&w, cfg->gw6.b, 16);
	if (g->search[0])
		put_dnssl(&w, g->search);

	g->ra_last_us = stack_now(g->stack);
	g->ra_sent = true;
	if (guestsvc_send(g, mac, &cfg->gw6_ll, &dst, IPPROTO_ICMPV6, 255, buf, w.len,
			  NDP_CSUM_OFFSET))
		g->answered[GUESTSVC_NDP]++;
}

void ra_solicited(struct guestsvc *g, const uint8_t src_mac[6], const struct ipaddr *src)
{
	struct stack *s = g->stack;
	uint64_t earliest = g->ra_last_us + RA_MIN_US;
	if (g->ra_sent && stack_now(s) < earliest) {
		if (!timer_armed(&g->ra_timer) || g->ra_timer.deadline_ms > (earliest + 999) / 1000)
			timer_set(s->wheel, &g->ra_timer, earliest);
		return;
	}
	ra_send(g, src_mac, ipaddr_is_unspecified(src) ? NULL : src);
}

static void ra_tick(struct timer *t)
{
	struct guestsvc *g = container_of(t, struct guestsvc, ra_timer);
	ra_send(g, NULL, NULL);
	timer_set(g->stack->wheel, t, stack_now(g->stack) + RA_PERIOD_US);
}

void guestsvc_init(struct guestsvc *g, struct stack *s)
{
	*g = (struct guestsvc){.stack = s, .lease_s = 86400};
	timer_init(&g->ra_timer, ra_tick);
}

void guestsvc_done(struct guestsvc *g)
{
	if (g->stack)
		timer_cancel(g->stack->wheel, &g->ra_timer);
}

void guestsvc_start(struct guestsvc *g)
{
	if (g->stack->cfg.has_v6)
		ra_tick(&g->ra_timer);
}
