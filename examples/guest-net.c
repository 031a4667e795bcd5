// SPDX-License-Identifier: Apache-2.0
/* A network stack for examples: see guest-net.h. */
#include "guest-net.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS 5000
#define RETRY_MS    500

enum {
	ETH = 14,
	IP = 20,
	UDP = 8,
	TCP = 20
};
enum {
	PROTO_TCP = 6,
	PROTO_UDP = 17
};
enum {
	FIN = 1,
	SYN = 2,
	RST = 4,
	PSH = 8,
	ACK = 16
};

/* ---- bytes ---- */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* RFC 1071, continued from `sum`. */
static uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (; n > 1; n -= 2, p += 2)
		sum += get16(p);
	return n ? sum + (uint32_t)(*p << 8) : sum;
}

static unsigned fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- frames ---- */

/* Sends what lies behind room for the headers of Ethernet and IPv4. */
static int send_ip(struct guest *g, uint8_t *f, uint32_t src, uint32_t dst, uint8_t proto, size_t n)
{
	uint8_t *ip = f + ETH, *l4 = ip + IP;
	size_t sum_at = proto == PROTO_TCP ? 16 : 6;

	if (dst == UINT32_MAX)
		memset(f, 0xff, 6);
	else
		memcpy(f, g->gateway_mac, 6);
	memcpy(f + 6, g->mac, 6);
	put16(f + 12, 0x0800);
	memset(ip, 0, IP);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(IP + n));
	ip[8] = 64;
	ip[9] = proto;
	put32(ip + 12, src);
	put32(ip + 16, dst);
	put16(ip + 10, fold(sum16(ip, IP, 0)));
	put16(l4 + sum_at, 0);
	put16(l4 + sum_at, fold(sum16(l4, n, sum16(ip + 12, 8, proto + (uint32_t)n))));
	return g->send(g->card, f, ETH + IP + n);
}

static int send_arp(struct guest *g, unsigned op, const uint8_t *to_mac, uint32_t to)
{
	uint8_t f[ETH + 28] = {0};

	memcpy(f, op == 1 ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : to_mac, 6);
	memcpy(f + 6, g->mac, 6);
	put16(f + 12, 0x0806);
	memcpy(f + ETH, "\0\1\x08\0\6\4", 6);
	put16(f + ETH + 6, op);
	memcpy(f + ETH + 8, g->mac, 6);
	put32(f + ETH + 14, g->addr);
	if (op == 2)
		memcpy(f + ETH + 18, to_mac, 6);
	put32(f + ETH + 24, to);
	return g->send(g->card, f, sizeof(f));
}

/* What ARP says: an answer about the gateway, a question about us. */
static void take_arp(struct guest *g, const uint8_t *f)
{
	uint32_t from = get32(f + ETH + 14);

	if (from == g->gateway)
		memcpy(g->gateway_mac, f + ETH + 8, 6);
	if (get16(f + ETH + 6) == 1 && g->addr && get32(f + ETH + 24) == g->addr)
		send_arp(g, 2, f + ETH + 8, from);
}

/* The next datagram or segment of a protocol; the length of *ret_l4, 0 at the end of the time, or
 * -1. */
static int recv_ip(struct guest *g, uint8_t *f, uint8_t proto, int64_t until, uint32_t *ret_src,
		   uint8_t **ret_l4)
{
	for (;;) {
		int64_t left = until - now_ms();
		int n = g->recv(g->card, f, GUEST_FRAME_MAX, left > 0 ? (int)left : 0);

		if (n < 0 || (n == 0 && left <= 0))
			return n;
		if (n >= ETH + 28 && get16(f + 12) == 0x0806)
			take_arp(g, f);
		if (n < ETH + IP + UDP || get16(f + 12) != 0x0800 || f[ETH + 9] != proto)
			continue;
		size_t hlen = (f[ETH] & 15u) * 4, total = get16(f + ETH + 2);
		if (hlen < IP || total < hlen + UDP || total + ETH > (size_t)n)
			continue;
		*ret_src = get32(f + ETH + 12);
		*ret_l4 = f + ETH + hlen;
		return (int)(total - hlen);
	}
}

/* ---- UDP: a question and its answer ---- */

struct question {
	uint32_t src, dst;
	uint16_t sport, dport;
	const uint8_t *data;
	size_t n;
	/* Whether a datagram is the answer. */
	int (*is_answer)(const struct question *q, const uint8_t *data, size_t n);
};

/* Asks until somebody answers; *ret points into f. */
static enum guest_result ask(struct guest *g, const struct question *q, uint8_t *f, uint8_t **ret,
			     size_t *ret_n)
{
	int64_t end = now_ms() + PATIENCE_MS;

	while (now_ms() < end) {
		uint8_t out[GUEST_FRAME_MAX], *udp = out + ETH + IP, *l4;
		int64_t retry = now_ms() + RETRY_MS;
		uint32_t from;
		int n;

		put16(udp, q->sport);
		put16(udp + 2, q->dport);
		put16(udp + 4, (unsigned)(UDP + q->n));
		memcpy(udp + UDP, q->data, q->n);
		if (send_ip(g, out, q->src, q->dst, PROTO_UDP, UDP + q->n) < 0)
			return GUEST_CUT;
		while ((n = recv_ip(g, f, PROTO_UDP, retry, &from, &l4)) > 0) {
			if (get16(l4 + 2) != q->sport ||
			    !q->is_answer(q, l4 + UDP, (size_t)n - UDP))
				continue;
			*ret = l4 + UDP;
			*ret_n = (size_t)n - UDP;
			return GUEST_OK;
		}
		if (n < 0)
			return GUEST_CUT;
	}
	return GUEST_TIMEOUT;
}

/* ---- DHCP (RFC 2131): discover, request ---- */

enum {
	BOOTP = 236,
	OPTIONS = BOOTP + 4
};

static const uint8_t *dhcp_option(const uint8_t *d, size_t n, uint8_t wanted)
{
	for (size_t i = OPTIONS; i + 1 < n && d[i] != 255; i += d[i] ? 2u + d[i + 1] : 1u) {
		if (d[i] == wanted && i + 2 + d[i + 1] <= n)
			return d + i + 1; /* its length, then its value */
	}
	return NULL;
}

static int is_dhcp_answer(const struct question *q, const uint8_t *d, size_t n)
{
	return n > OPTIONS && d[0] == 2 && memcmp(d + 4, q->data + 4, 4) == 0 &&
	       dhcp_option(d, n, 53);
}

static enum guest_result dhcp_ask(struct guest *g, uint8_t type, uint32_t server, uint8_t *f,
				  uint8_t **ret, size_t *ret_n)
{
	uint8_t d[OPTIONS + 16] = {1, 1, 6, 0, 0x77, 0x65, 0x69, type};
	struct question q = {.dst = UINT32_MAX,
			     .sport = 68,
			     .dport = 67,
			     .data = d,
			     .n = sizeof(d),
			     .is_answer = is_dhcp_answer};
	uint8_t *o = d + OPTIONS;

	memcpy(d + 28, g->mac, 6);
	memcpy(d + BOOTP, "\x63\x82\x53\x63", 4);
	memcpy(o, (uint8_t[]){53, 1, type}, 3);
	o += 3;
	if (server) {
		memcpy(o, (uint8_t[]){50, 4}, 2);
		put32(o + 2, g->addr);
		memcpy(o + 6, (uint8_t[]){54, 4}, 2);
		put32(o + 8, server);
		o += 12;
	}
	*o = 255;
	return ask(g, &q, f, ret, ret_n);
}

enum guest_result guest_configure(struct guest *g)
{
	uint8_t f[GUEST_FRAME_MAX], *d, *l4;
	const uint8_t *server, *router, *dns;
	size_t n;
	uint32_t src, offered;
	enum guest_result r = dhcp_ask(g, 1, 0, f, &d, &n);

	if (r != GUEST_OK)
		return r;
	offered = get32(d + 16);
	server = dhcp_option(d, n, 54);
	if (!server || server[0] != 4)
		return GUEST_REFUSED;
	g->addr = offered;
	src = get32(server + 1);
	r = dhcp_ask(g, 3, src, f, &d, &n);
	g->addr = 0;
	if (r != GUEST_OK)
		return r;
	router = dhcp_option(d, n, 3);
	dns = dhcp_option(d, n, 6);
	if (dhcp_option(d, n, 53)[1] != 5 || !router || router[0] < 4 || !dns || dns[0] < 4)
		return GUEST_REFUSED;
	g->addr = get32(d + 16);
	g->gateway = get32(router + 1);
	g->dns = get32(dns + 1);
	/* Its answer is taken in recv_ip(). */
	static const uint8_t unknown[6];
	for (int i = 0; i < 10 && memcmp(g->gateway_mac, unknown, 6) == 0; i++) {
		if (send_arp(g, 1, NULL, g->gateway) < 0 ||
		    recv_ip(g, f, PROTO_UDP, now_ms() + 100, &src, &l4) < 0)
			return GUEST_CUT;
	}
	return memcmp(g->gateway_mac, unknown, 6) == 0 ? GUEST_TIMEOUT : GUEST_OK;
}

/* ---- DNS (RFC 1035) ---- */

static int is_dns_answer(const struct question *q, const uint8_t *d, size_t n)
{
	return n >= 12 && memcmp(d, q->data, 2) == 0 && (d[2] & 0x80);
}

/* Behind a name; n where it is broken. */
static size_t skip_name(const uint8_t *d, size_t n, size_t at)
{
	while (at < n && d[at] && d[at] < 0xc0)
		at += 1u + d[at];
	if (at >= n)
		return n;
	return at + (d[at] ? 2 : 1);
}

static size_t put_name(uint8_t *at, size_t cap, const char *name)
{
	size_t used = 0;

	while (*name) {
		size_t n = strcspn(name, ".");
		if (n == 0 || n > 63 || used + n + 2 > cap)
			return 0;
		at[used++] = (uint8_t)n;
		memcpy(at + used, name, n);
		used += n;
		name += n + (name[n] == '.');
	}
	at[used++] = 0;
	return used;
}

enum guest_result guest_resolve(struct guest *g, const char *name, uint32_t *ret)
{
	uint8_t d[300] = {0x12, 0x34, 1, 0, 0, 1}, f[GUEST_FRAME_MAX], *a;
	struct question q = {.src = g->addr,
			     .dst = g->dns,
			     .sport = (uint16_t)(40000 + g->next_port++),
			     .dport = 53,
			     .data = d,
			     .is_answer = is_dns_answer};
	size_t len = put_name(d + 12, 255, name), n;

	if (!len)
		return GUEST_REFUSED;
	put16(d + 12 + len, 1);
	put16(d + 14 + len, 1);
	q.n = 16 + len;
	enum guest_result r = ask(g, &q, f, &a, &n);
	if (r != GUEST_OK)
		return r;
	size_t at = skip_name(a, n, 12) + 4;
	for (unsigned i = get16(a + 6); i > 0 && at < n; i--) {
		at = skip_name(a, n, at);
		if (at + 10 > n)
			break;
		if (get16(a + at) == 1 && get16(a + at + 8) == 4 && at + 14 <= n) {
			*ret = get32(a + at + 10);
			return GUEST_OK;
		}
		at += 10 + get16(a + at + 8);
	}
	return GUEST_REFUSED;
}

/* ---- TCP (RFC 9293), one segment at a time ---- */

struct conn {
	struct guest *g;
	uint32_t to;
	uint16_t sport, dport;
	uint32_t seq, acked, rcv; /* next of ours, acknowledged, next of theirs */
	int open, over;           /* SYN-ACK came; FIN came */
	char *page;
	size_t n, cap;
};

static int send_segment(struct conn *c, uint32_t seq, uint8_t flags, const char *data, size_t n)
{
	uint8_t f[GUEST_FRAME_MAX] = {0}, *t = f + ETH + IP;
	size_t hlen = flags & SYN ? TCP + 4 : TCP;

	put16(t, c->sport);
	put16(t + 2, c->dport);
	put32(t + 4, seq);
	put32(t + 8, flags & ACK ? c->rcv : 0);
	t[12] = (uint8_t)(hlen / 4 << 4);
	t[13] = flags;
	put16(t + 14, 16384);
	if (flags & SYN)
		memcpy(t + TCP, "\2\4\5\xb4", 4); /* MSS 1460 */
	if (n)
		memcpy(t + hlen, data, n);
	return send_ip(c->g, f, c->g->addr, c->to, PROTO_TCP, hlen + n);
}

/* In order, or not at all: what is lost comes again. */
static void take_data(struct conn *c, const uint8_t *t, size_t n)
{
	size_t hlen = (t[12] >> 4) * 4u;
	size_t len = n > hlen ? n - hlen : 0, fits = c->cap - 1 - c->n;

	if (get32(t + 4) != c->rcv)
		return;
	memcpy(c->page + c->n, t + hlen, len < fits ? len : fits);
	c->n += len < fits ? len : fits;
	c->rcv += (uint32_t)len;
	if (t[13] & FIN) {
		c->rcv++;
		c->over = 1;
	}
}

static enum guest_result take_segment(struct conn *c, const uint8_t *t, size_t n)
{
	if (t[13] & RST)
		return GUEST_REFUSED;
	if (t[13] & ACK)
		c->acked = get32(t + 8);
	if (!c->open) {
		c->open = (t[13] & (SYN | ACK)) == (SYN | ACK) && c->acked == c->seq;
		c->rcv = get32(t + 4) + 1;
		return GUEST_OK;
	}
	take_data(c, t, n);
	return send_segment(c, c->seq, ACK, NULL, 0) < 0 ? GUEST_CUT : GUEST_OK;
}

/* Sends a segment, again where nobody acknowledges it, and takes what comes until `done`. */
static enum guest_result exchange(struct conn *c, uint8_t flags, const char *data, size_t n,
				  int until_over)
{
	uint32_t seq = c->seq;
	int64_t end = now_ms() + PATIENCE_MS;

	c->seq += (uint32_t)n + !!(flags & (SYN | FIN));
	while (now_ms() < end) {
		uint8_t f[GUEST_FRAME_MAX], *t;
		int64_t retry = now_ms() + RETRY_MS;
		uint32_t from;
		int len;

		if (c->acked != c->seq && send_segment(c, seq, flags, data, n) < 0)
			return GUEST_CUT;
		while ((len = recv_ip(c->g, f, PROTO_TCP, retry, &from, &t)) > 0) {
			if (len < TCP || from != c->to || get16(t) != c->dport ||
			    get16(t + 2) != c->sport || (t[12] >> 4) * 4 > len)
				continue;
			enum guest_result r = take_segment(c, t, (size_t)len);
			if (r != GUEST_OK)
				return r;
			if (until_over ? c->over : c->acked == c->seq)
				return GUEST_OK;
		}
		if (len < 0)
			return GUEST_CUT;
	}
	return GUEST_TIMEOUT;
}

enum guest_result guest_fetch(struct guest *g, uint32_t addr, uint16_t port, const char *host,
			      const char *path, char *ret, size_t cap)
{
	struct conn c = {.g = g,
			 .to = addr,
			 .sport = (uint16_t)(41000 + g->next_port++),
			 .dport = port,
			 .seq = (uint32_t)now_ms(),
			 .page = ret,
			 .cap = cap};
	char request[512];
	int n = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path,
			 host);
	enum guest_result r;

	*ret = '\0';
	if (n < 0 || (size_t)n >= sizeof(request))
		return GUEST_REFUSED;
	r = exchange(&c, SYN, NULL, 0, 0);
	if (r == GUEST_OK && send_segment(&c, c.seq, ACK, NULL, 0) < 0)
		r = GUEST_CUT;
	if (r == GUEST_OK)
		r = exchange(&c, PSH | ACK, request, (size_t)n, 1);
	if (r == GUEST_OK)
		r = exchange(&c, FIN | ACK, NULL, 0, 0);
	ret[c.n] = '\0';
	return r;
}

const char *guest_result_text(enum guest_result r)
{
	static const char *const texts[] = {"done", "nobody answered", "refused",
					    "the network card is gone"};

	return texts[r];
}
