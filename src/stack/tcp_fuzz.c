// SPDX-License-Identifier: Apache-2.0
/*
 * libFuzzer: TCP segment sequences. The input is a small program (enum op): well-formed segments
 * with chosen flags, numbers, options and sizes; steps of time; and what the far end does.
 *
 * Both streams are functions of their offset, so that every byte that comes out anywhere can be
 * judged at once. Held to at every step:
 *   - the far end gets the guest's bytes in order, none twice, none beyond a FIN, and is told of
 * the end exactly where the FIN was;
 *   - no ACK covers what the guest has not sent or was not offered room for, and the advertised
 *     right edge never moves left;
 *   - the guest gets the far end's bytes at their places, within the window it offered (but for a
 *     probe of one byte) and within its MSS, and a FIN only at the end of the stream;
 *   - every frame has right lengths and checksums.
 * At the end the far ends take all they are offered: then nothing that was acknowledged may be
 * missing, and a guest that says no more is forgotten in bounded time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "link/link.h"
#include "stack/checksum.h"
#include "stack/ip.h"
#include "stack/tcp_conn.h"

enum op {
	OP_SEGMENT = 0,  /* 0..5: flags, where, how long, ACK, window, options */
	OP_TIME = 6,     /* milliseconds, as a power of two */
	OP_FAR_DATA = 7, /* the far end has more for the guest, or its end */
	OP_FAR_ROOM = 8, /* what the far end takes from the guest */
	OP_FAR_FAIL = 9, /* the far end is lost, in four ways */
	OP_DIAL = 10,    /* the answer to a held SYN */
	OP_OPEN = 11,    /* a connection to the guest */
	OP_LINK = 12,    /* the link takes so many frames, then blocks */
	OP_BURST = 13,   /* begins or ends a burst */
	OP_SYN = 14,     /* a SYN as a guest's kernel sends it */
	OP_PLAIN = 15,   /* data or ACK as a guest's kernel sends it */
};

enum segment_option {
	SEG_TIMESTAMP = 1,
	SEG_SACK = 2,
	SEG_SYN_OPTIONS = 4,
	SEG_MALFORMED = 8,
	SEG_CE = 16,
	SEG_BAD_SUM = 32,
	SEG_OLD_TIMESTAMP = 64,
};

#define PORTS      4 /* connections that the program speaks of; the last is published */
#define PUBLISHED  3
#define STREAM_MAX 0x20000 /* bytes of the guest's stream that are kept track of */
#define NO_FIN     UINT32_MAX
#define BURST_MAX  64
#define FINAL_US   (12ULL * 3600 * 1000000)

struct far_end {
	struct flow_end e;
	struct port *port;
	uint32_t got;      /* bytes taken from the guest */
	uint32_t consumed; /* bytes that the guest has acknowledged */
	uint32_t made;     /* bytes there are for the guest */
	uint32_t room;     /* bytes that it takes before it blocks */
	bool eof, shut, lost_read, lost_write, blocked;
};

/* One connection as the guest knows it, under its present ISN. */
struct port {
	struct fuzz *z;
	struct tcp_key key;
	uint32_t isn;    /* of the guest, in use or for the next SYN */
	uint32_t next;   /* stream bytes sent so far, the furthest */
	uint32_t contig; /* all bytes before this one were sent */
	uint32_t fin;    /* where the stream ends, once that was said */
	bool edge_known;
	uint32_t edge;    /* right edge that weir advertised */
	uint32_t limit;   /* right edge up to which it takes bytes */
	uint32_t offered; /* right edge that the guest offered */
	bool offered_known;
	uint32_t made; /* of the far end, which may be gone */
	bool eof;
	struct far_end *end;   /* NULL: none */
	struct tcp_conn *held; /* dialling */
	uint64_t sent[STREAM_MAX / 64];
};

struct fuzz {
	struct stack stack;
	struct wheel wheel;
	struct port port[PORTS];
	struct view program;
	uint8_t *burst[BURST_MAX];
	unsigned burst_n;
	bool in_burst;
	unsigned link_takes; /* 0: no end; 1: blocked */
	int checked;         /* frames in the queue that were judged */
	uint32_t isn_next;
};

static void require_at(bool ok, int line)
{
	if (ok)
		return;
	fprintf(stderr, "line %d does not hold\n", line);
	abort();
}
#define require(ok) require_at(ok, __LINE__)

static uint8_t arg(struct fuzz *z)
{
	uint8_t b = 0;

	view_get_u8(&z->program, &b);
	return b;
}

static uint8_t guest_byte(uint32_t off)
{
	return (uint8_t)(off * 31 + (off >> 8) * 7 + 1);
}

static uint8_t far_byte(uint32_t off)
{
	return (uint8_t)(off * 17 + (off >> 8) * 5 + 2);
}

/* ---- the model of the guest's side ---- */

static struct tcp_conn *port_conn(struct port *p)
{
	uint64_t hash;

	return tcp_conn_find(&p->z->stack, &p->key, &hash);
}

static void port_restart(struct port *p, uint32_t isn)
{
	p->isn = isn;
	p->next = p->contig = 0;
	p->fin = NO_FIN;
	p->edge_known = p->offered_known = false;
	memset(p->sent, 0, sizeof(p->sent));
}

/* The connection's own word on the guest's ISN counts: a SYN may have replaced another. */
static void port_sync(struct port *p, const struct tcp_conn *c)
{
	if (c && c->state != TCP_SYN_SENT && c->irs != p->isn)
		port_restart(p, c->irs);
}

static void port_note_sent(struct port *p, uint32_t off, uint32_t len)
{
	for (uint32_t i = off; i < off + len; i++)
		p->sent[i / 64] |= 1ULL << (i % 64);
	if (off + len > p->next)
		p->next = off + len;
	while (p->contig < STREAM_MAX && p->sent[p->contig / 64] >> (p->contig % 64) & 1)
		p->contig++;
}

/* ---- far ends ---- */

static ssize_t far_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct far_end *f = container_of(e, struct far_end, e);
	uint32_t at = f->consumed + (uint32_t)off;
	size_t got = 0;

	require(at <= f->made);
	if (f->lost_read)
		return -ECONNRESET;
	if (at == f->made)
		return f->eof ? 0 : -EAGAIN;
	for (int i = 0; i < n && at < f->made; i++) {
		for (size_t k = 0; k < iov[i].iov_len && at < f->made; k++, at++, got++)
			((uint8_t *)iov[i].iov_base)[k] = far_byte(at);
	}
	return (ssize_t)got;
}

static void far_consume(struct flow_end *e, size_t n)
{
	struct far_end *f = container_of(e, struct far_end, e);

	require(n <= f->made - f->consumed);
	f->consumed += (uint32_t)n;
}

static ssize_t far_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct far_end *f = container_of(e, struct far_end, e);
	size_t took = 0, want = 0;

	require(!f->shut);
	if (f->lost_write)
		return -EPIPE;
	for (int i = 0; i < n; i++) {
		want += iov[i].iov_len;
		for (size_t k = 0; k < iov[i].iov_len && f->room; k++, took++, f->room--)
			require(((const uint8_t *)iov[i].iov_base)[k] == guest_byte(f->got++));
	}
	require(f->got <= f->port->contig && f->got <= f->port->fin);
	f->blocked = took < want;
	return took || !want ? (ssize_t)took : -EAGAIN;
}

static void far_shut(struct flow_end *e)
{
	struct far_end *f = container_of(e, struct far_end, e);

	require(!f->shut && (f->got == f->port->fin || f->lost_write));
	f->shut = true;
}

static void far_free(struct far_end *f)
{
	f->port->end = NULL;
	free(f);
}

static void far_reset(struct flow_end *e)
{
	far_free(container_of(e, struct far_end, e));
}

static void far_close(struct flow_end *e)
{
	struct far_end *f = container_of(e, struct far_end, e);

	require(f->lost_write || f->lost_read || (f->shut && f->eof && f->consumed == f->made));
	far_free(f);
}

static const struct flow_end_ops far_ops = {
	.peek = far_peek,
	.consume = far_consume,
	.push = far_push,
	.shut = far_shut,
	.reset = far_reset,
	.close = far_close,
};

static struct far_end *far_new(struct port *p, uint8_t how)
{
	struct far_end *f = calloc(1, sizeof(*f));

	f->e.ops = &far_ops;
	f->port = p;
	f->room = how & 1 ? 0 : how & 2 ? 1000 : UINT32_MAX;
	f->made = how & 4 ? 3000 : 0;
	f->eof = how & 8;
	p->made = f->made;
	p->eof = f->eof;
	p->end = f;
	return f;
}

/* ---- what comes out ---- */

static struct port *find_port(struct fuzz *z, uint16_t guest_port)
{
	for (int i = 0; i < PORTS; i++)
		if (z->port[i].key.guest_port == guest_port)
			return &z->port[i];
	abort();
}

static void check_payload(struct port *p, const struct tcp_conn *c, const struct frame *f,
			  const uint8_t *tcp, struct view payload)
{
	uint32_t seq = get_be32(tcp + 4), off = seq - c->iss - 1;
	uint32_t piece = f->meta.gso ? f->meta.gso_size : (uint32_t)payload.len;

	if (payload.len) {
		require(off <= p->made && payload.len <= p->made - off);
		require(piece <= c->mss);
		require(p->offered_known &&
			seq_le(seq + (uint32_t)payload.len, p->offered + (payload.len == 1)));
	}
	for (size_t i = 0; i < payload.len; i++)
		require(payload.p[i] == far_byte(off + (uint32_t)i));
	if (tcp[13] & TCP_FIN)
		require(p->eof && off + payload.len == p->made);
}

static void check_ack(struct port *p, const struct tcp_conn *c, const uint8_t *tcp)
{
	uint32_t ack = get_be32(tcp + 8), off = ack - p->isn - 1;
	uint8_t shift = tcp[13] & TCP_SYN ? 0 : c->rcv_wscale;
	uint32_t edge = ack + ((uint32_t)get_be16(tcp + 14) << shift);

	require(off <= p->contig || (off == p->contig + 1 && p->contig == p->fin));
	require(off <= p->fin || off == p->fin + 1);
	/* Nothing is taken that was not advertised, but for a FIN behind the last byte. */
	require(!p->edge_known || seq_le(ack, p->limit + 1));
	/* A SYN cannot say all that is held ready (RFC 7323 2.2). */
	p->limit = tcp[13] & TCP_SYN ? c->rcv_adv : edge;
	if (tcp[13] & TCP_SYN && p->edge_known)
		return;
	require(!p->edge_known || seq_le(p->edge, edge));
	p->edge = edge;
	p->edge_known = true;
}

static void check_frame(struct fuzz *z, const struct frame *f)
{
	const uint8_t *ip = f->data + ETH_HLEN, *tcp;
	bool v4 = get_be16(f->data + 12) == 0x0800;
	size_t ip_len = v4 ? 20 : 40, l4_len = f->len - ETH_HLEN - ip_len, doff;
	struct ipaddr src = v4 ? ipaddr_v4(ip + 12) : ipaddr_v6(ip + 8);
	struct ipaddr dst = v4 ? ipaddr_v4(ip + 16) : ipaddr_v6(ip + 24);
	struct tcp_conn *c;
	struct port *p;

	require(f->len >= ETH_HLEN + ip_len + 8);
	require(f->meta.gso || f->len <= ETH_HLEN + (size_t)z->stack.cfg.mtu);
	if (ip[v4 ? 9 : 6] != IPPROTO_TCP_)
		return;
	tcp = ip + ip_len;
	doff = (size_t)(tcp[12] >> 4) * 4;
	require(doff >= 20 && doff <= l4_len);
	if (f->meta.needs_csum)
		require(get_be16(tcp + 16) ==
			csum_fold(csum_pseudo(&src, &dst, IPPROTO_TCP_, (uint32_t)l4_len)));
	else
		require(csum_l4_ok(&src, &dst, IPPROTO_TCP_, tcp, l4_len));
	p = find_port(z, get_be16(tcp + 2));
	c = port_conn(p);
	if (!c || tcp[13] & TCP_RST)
		return;
	port_sync(p, c);
	check_payload(p, c, f, tcp, view_make(tcp + doff, l4_len - doff));
	if (tcp[13] & TCP_ACK)
		check_ack(p, c, tcp);
}

/*
 * Frames are judged when they are made, not when the link takes them: until then their connection
 * may have moved on. Those in the queue before `checked` were judged already.
 */
static void check_queue(struct fuzz *z, const struct frame *frames, int n)
{
	for (; z->checked < n; z->checked++)
		check_frame(z, &frames[z->checked]);
}

static int fuzz_tx(void *ctx, struct frame *frames, int n)
{
	struct fuzz *z = ctx;
	int took;

	check_queue(z, frames, n);
	for (took = 0; took < n && z->link_takes != 1; took++) {
		if (z->link_takes)
			z->link_takes--;
	}
	z->checked -= took;
	return took;
}

static void fuzz_tcp_open(void *ctx, struct tcp_conn *c)
{
	struct fuzz *z = ctx;
	struct port *p = find_port(z, c->key.guest_port);

	require(!p->end && !p->held);
	port_restart(p, c->irs);
	p->held = c;
	tcp_conn_set_owner(c, p);
}

static void fuzz_gone(void *ctx, struct tcp_conn *c, enum tcp_ending how)
{
	struct port *p = tcp_conn_owner(c);

	require(p->held == c);
	p->held = NULL;
}

static const struct stack_ops fuzz_ops = {.tx = fuzz_tx, .tcp_open = fuzz_tcp_open};

/* ---- segments ---- */

struct segment {
	uint32_t seq, ack;
	uint8_t flags, options;
	uint16_t wnd;
	uint32_t len;
};

static void put_segment_options(struct fuzz *z, struct wbuf *w, const struct segment *g,
				const struct tcp_conn *c)
{
	uint32_t ts = (uint32_t)(stack_now(&z->stack) / 1000) + 1000;

	if (g->options & SEG_SYN_OPTIONS) {
		uint8_t bits = arg(z);
		static const uint16_t mss[] = {1460, 536, 0, 65535, 88, 1, 100, 9000};
		wbuf_put_be16(w, 0x0204);
		wbuf_put_be16(w, mss[bits & 7]);
		if (bits & 8)
			wbuf_put_be32(w, 0x01010402);
		if (bits & 16)
			wbuf_put_be32(w, 0x01030300u | (bits >> 5) * 3);
	}
	if (g->options & SEG_TIMESTAMP) {
		if (g->options & SEG_OLD_TIMESTAMP)
			ts -= arg(z) * 64u;
		wbuf_put_be32(w, 0x0101080a);
		wbuf_put_be32(w, ts);
		wbuf_put_be32(w, 0);
	}
	if (g->options & SEG_SACK && c) {
		uint32_t start = c->snd_una + arg(z) * 100u;
		wbuf_put_be32(w, 0x0101050a);
		wbuf_put_be32(w, start);
		wbuf_put_be32(w, start + arg(z) * 100u);
	}
	if (g->options & SEG_MALFORMED)
		for (int i = 0; i < 4; i++)
			wbuf_put_u8(w, arg(z));
}

static void burst_end(struct fuzz *z);

/* What the guest says now holds from now on: its bytes are sent, its window is offered. */
static void note_segment(struct port *p, const struct tcp_conn *c, struct segment *g)
{
	uint32_t off;

	if (c && c->state == TCP_SYN_SENT && g->flags & TCP_SYN)
		port_restart(p, g->seq);
	off = g->seq + !!(g->flags & TCP_SYN) - p->isn - 1;
	/* The guest is well-behaved in this: its stream has one end, and bytes lie within it. */
	if (off > STREAM_MAX)
		g->len = 0;
	else if (g->len > STREAM_MAX - off)
		g->len = STREAM_MAX - off;
	if (p->fin != NO_FIN && g->len && off + g->len > p->fin)
		g->len = off < p->fin ? p->fin - off : 0;
	if (g->flags & TCP_FIN) {
		bool inside = off <= STREAM_MAX && off + g->len >= p->next;
		if (p->fin == NO_FIN && inside && c)
			p->fin = off + g->len;
		if (off + g->len != p->fin)
			g->flags &= (uint8_t)~TCP_FIN;
	}
	if (off <= STREAM_MAX && g->len)
		port_note_sent(p, off, g->len);
	if (c && g->flags & TCP_ACK && seq_le(g->ack, c->snd_nxt)) {
		uint32_t edge = g->ack + ((uint32_t)g->wnd << c->snd_wscale);
		if (!p->offered_known || seq_lt(p->offered, edge))
			p->offered = edge;
		p->offered_known = true;
	}
}

static void send_segment(struct fuzz *z, struct port *p, struct segment *g)
{
	struct tcp_conn *c = port_conn(p);
	const struct ipaddr *src = &p->key.guest, *dst = &p->key.remote;
	size_t ip_len = src->family == 4 ? 20 : 40;
	struct frame f = {0};
	struct wbuf w;
	uint8_t opts[TCP_HDR_MAX], *ip, *tcp;
	uint32_t off;

	port_sync(p, c);
	note_segment(p, c, g);
	w = wbuf_make(opts, 40);
	put_segment_options(z, &w, g, c);
	while (w.len % 4)
		wbuf_put_u8(&w, 0);
	f.len = (uint32_t)(ETH_HLEN + ip_len + 20 + w.len + g->len);
	f.data = malloc(f.len);
	memcpy(f.data, z->stack.cfg.gw_mac, 6);
	memcpy(f.data + 6, z->stack.cfg.guest_mac, 6);
	put_be16(f.data + 12, src->family == 4 ? 0x0800 : 0x86dd);
	ip = f.data + ETH_HLEN;
	memset(ip, 0, ip_len);
	if (src->family == 4) {
		ip[0] = 0x45;
		ip[1] = g->options & SEG_CE ? 3 : 0;
		put_be16(ip + 2, (uint16_t)(f.len - ETH_HLEN));
		ip[8] = 64;
		ip[9] = IPPROTO_TCP_;
		memcpy(ip + 12, src->b, 4);
		memcpy(ip + 16, dst->b, 4);
		put_be16(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, 20)));
	} else {
		put_be32(ip, 6U << 28 | (g->options & SEG_CE ? 3U << 20 : 0));
		put_be16(ip + 4, (uint16_t)(f.len - ETH_HLEN - 40));
		ip[6] = IPPROTO_TCP_;
		ip[7] = 64;
		memcpy(ip + 8, src->b, 16);
		memcpy(ip + 24, dst->b, 16);
	}
	tcp = ip + ip_len;
	put_be16(tcp, p->key.guest_port);
	put_be16(tcp + 2, p->key.remote_port);
	put_be32(tcp + 4, g->seq);
	put_be32(tcp + 8, g->ack);
	tcp[12] = (uint8_t)((20 + w.len) / 4 << 4);
	tcp[13] = g->flags;
	put_be16(tcp + 14, g->wnd);
	put_be32(tcp + 16, 0);
	memcpy(tcp + 20, opts, w.len);
	off = g->seq + !!(g->flags & TCP_SYN) - p->isn - 1;
	for (uint32_t i = 0; i < g->len; i++)
		tcp[20 + w.len + i] = guest_byte(off + i);
	put_be16(tcp + 16, csum_l4(src, dst, IPPROTO_TCP_, tcp, 20 + w.len + g->len));
	if (g->options & SEG_BAD_SUM)
		tcp[16] ^= 1;
	z->burst[z->burst_n++] = f.data;
	stack_input(&z->stack, &f);
	check_queue(z, z->stack.tx_q, z->stack.tx_n);
	if (!z->in_burst || z->burst_n == BURST_MAX)
		burst_end(z);
}

/* ---- steps of the program ---- */

static void flush(struct fuzz *z)
{
	stack_flush(&z->stack);
	check_queue(z, z->stack.tx_q, z->stack.tx_n);
}

static void burst_end(struct fuzz *z)
{
	stack_burst_end(&z->stack);
	check_queue(z, z->stack.tx_q, z->stack.tx_n);
	for (unsigned i = 0; i < z->burst_n; i++)
		free(z->burst[i]);
	z->burst_n = 0;
}

/* A segment whose every field the program chooses, near numbers that matter. */
static void op_segment(struct fuzz *z, struct port *p)
{
	struct tcp_conn *c = port_conn(p);
	struct segment g = {.flags = arg(z)};
	uint8_t where = arg(z), len = arg(z), ack = arg(z), wnd = arg(z);
	uint32_t base, k = where >> 3;

	port_sync(p, c);
	g.options = arg(z);
	g.len = len < 128 ? len : (len - 127u) * 100;
	g.wnd = (uint16_t)(wnd * 257);
	base = c ? c->rcv_nxt : p->isn + 1;
	switch (where & 7) {
	case 0:
		g.seq = p->isn + 1 + p->next;
		break;
	case 1:
		g.seq = base + k;
		break;
	case 2:
		g.seq = (c ? c->rcv_adv : base) - k;
		break;
	case 3:
		g.seq = p->isn + k;
		break;
	case 4:
		g.seq = p->isn + 1 + p->next - k * 50;
		break;
	case 5:
		g.seq = p->isn + 1 + p->next + k * 50;
		break;
	case 6:
		g.seq = base - 1 - k;
		break;
	default:
		g.seq = base + k * 1000;
		break;
	}
	if (c) {
		const uint32_t acks[4] = {c->snd_nxt, c->snd_una + (ack >> 2) * 20u,
					  c->snd_una - (ack >> 2), c->snd_nxt + (ack >> 2)};
		g.ack = acks[ack & 3];
	}
	send_segment(z, p, &g);
}

static void op_syn(struct fuzz *z, struct port *p, unsigned extra)
{
	struct segment g = {.flags = TCP_SYN, .wnd = 65535, .options = SEG_SYN_OPTIONS};

	if (extra & 1)
		g.options |= SEG_TIMESTAMP;
	if (extra & 2) {
		/* A new ISN; the connection that is there, if any, keeps its own in the model. */
		z->isn_next = z->isn_next * 1664525 + 1013904223;
		if (!port_conn(p))
			port_restart(p, z->isn_next);
		g.seq = z->isn_next;
	} else {
		g.seq = p->isn;
	}
	send_segment(z, p, &g);
}

static void op_plain(struct fuzz *z, struct port *p, unsigned extra)
{
	struct tcp_conn *c = port_conn(p);
	uint8_t len = arg(z);
	struct segment g = {.flags = TCP_ACK, .wnd = 0xffff};

	if (!c)
		return;
	port_sync(p, c);
	if (c->state == TCP_SYN_SENT) {
		port_restart(p, z->isn_next += 99999);
		g.flags |= TCP_SYN;
		g.options = SEG_SYN_OPTIONS;
		g.seq = p->isn;
	} else {
		g.seq = p->isn + 1 + p->next + (p->fin == p->next && extra != 2);
		g.len = len * 16u;
	}
	g.ack = c->snd_nxt;
	if (extra == 1)
		g.flags |= TCP_PSH;
	if (extra == 2)
		g.flags |= TCP_FIN;
	if (extra == 3)
		g.wnd = 0;
	if (c->ts_on)
		g.options |= SEG_TIMESTAMP;
	send_segment(z, p, &g);
}

static void op_far_data(struct fuzz *z, struct port *p, unsigned extra)
{
	struct far_end *f = p->end;
	uint32_t more = arg(z) * 64u;

	if (!f || f->eof || f->made > STREAM_MAX)
		return;
	f->made += more;
	f->eof = extra == 3;
	p->made = f->made;
	p->eof = f->eof;
	tcp_end_readable(&z->stack, f->e.conn);
	flush(z);
}

static void op_far_room(struct fuzz *z, struct port *p, unsigned extra)
{
	struct far_end *f = p->end;
	uint32_t more = arg(z) * 64u;

	if (!f)
		return;
	f->room = extra == 0 ? more : extra == 1 ? UINT32_MAX : 0;
	if (f->blocked && f->room) {
		f->blocked = false;
		tcp_end_writable(&z->stack, f->e.conn);
	}
	flush(z);
}

static void op_far_fail(struct fuzz *z, struct port *p, unsigned extra)
{
	struct far_end *f = p->end;

	if (!f)
		return;
	if (extra == 0)
		f->lost_read = true;
	if (extra == 1)
		f->lost_write = true;
	if (extra < 2) {
		tcp_end_readable(&z->stack, f->e.conn);
		tcp_end_writable(&z->stack, f->e.conn);
	} else if (extra == 2) {
		tcp_end_failed(&z->stack, f->e.conn);
	} else {
		tcp_conn_abort(&z->stack, f->e.conn);
	}
	flush(z);
}

static void op_dial(struct fuzz *z, struct port *p, unsigned extra)
{
	struct tcp_conn *c = p->held;
	uint8_t how = arg(z);

	if (!c)
		return;
	p->held = NULL;
	tcp_conn_set_owner(c, NULL);
	if (extra == 3)
		tcp_conn_refuse(&z->stack, c, (enum tcp_refusal)(how % 5));
	else
		tcp_conn_accept(&z->stack, c, &far_new(p, how)->e);
	flush(z);
}

static void op_open(struct fuzz *z)
{
	struct port *p = &z->port[PUBLISHED];
	uint8_t how = arg(z);
	struct far_end *f;

	if (p->end || p->held)
		return;
	port_restart(p, z->isn_next += 77777);
	f = far_new(p, how);
	if (!tcp_conn_open(&z->stack, &p->key.remote, p->key.remote_port, &p->key.guest,
			   p->key.guest_port, &f->e))
		far_free(f);
	flush(z);
}

static void pass_time(struct fuzz *z, uint64_t us)
{
	burst_end(z);
	stack_set_now(&z->stack, stack_now(&z->stack) + us);
	wheel_advance(&z->wheel, stack_now(&z->stack));
	flush(z);
}

static void op_link(struct fuzz *z, unsigned extra)
{
	z->link_takes = extra == 0 ? 0 : arg(z) % 32 + 1;
	stack_tx_unblocked(&z->stack);
	check_queue(z, z->stack.tx_q, z->stack.tx_n);
}

static void step(struct fuzz *z, uint8_t b)
{
	struct port *p = &z->port[b >> 4 & 3];
	unsigned extra = b >> 6;

	switch (b & 15) {
	case OP_TIME:
		pass_time(z, 1000ULL << (arg(z) % 20));
		break;
	case OP_FAR_DATA:
		op_far_data(z, p, extra);
		break;
	case OP_FAR_ROOM:
		op_far_room(z, p, extra);
		break;
	case OP_FAR_FAIL:
		op_far_fail(z, p, extra);
		break;
	case OP_DIAL:
		op_dial(z, p, extra);
		break;
	case OP_OPEN:
		op_open(z);
		break;
	case OP_LINK:
		op_link(z, extra);
		break;
	case OP_BURST:
		z->in_burst = !z->in_burst;
		burst_end(z);
		break;
	case OP_SYN:
		op_syn(z, p, extra);
		break;
	case OP_PLAIN:
		op_plain(z, p, extra);
		break;
	default:
		op_segment(z, p);
		break;
	}
}

/* ---- the end ---- */

/* Everything that was acknowledged reaches a far end that takes it. */
static void check_nothing_lost(struct fuzz *z)
{
	for (int i = 0; i < PORTS; i++) {
		struct port *p = &z->port[i];
		struct far_end *f = p->end;
		struct tcp_conn *c;
		if (!f)
			continue;
		f->room = UINT32_MAX;
		tcp_end_writable(&z->stack, f->e.conn);
		flush(z);
		c = port_conn(p);
		if (!c || !p->end || f->lost_read || f->lost_write || c->state < TCP_ESTABLISHED)
			continue;
		require(f->got == c->rcv_nxt - c->irs - 1 - c->fin_taken);
		require(f->shut == c->fin_taken);
	}
}

static void check_forgotten(struct fuzz *z)
{
	uint64_t until = stack_now(&z->stack) + FINAL_US;

	for (int i = 0; i < PORTS; i++)
		if (z->port[i].held)
			op_dial(z, &z->port[i], 3);
	while (tcp_conn_count(&z->stack, NULL)) {
		uint64_t next = wheel_next_us(&z->wheel);
		require(next <= until);
		pass_time(z, next > stack_now(&z->stack) ? next - stack_now(&z->stack) : 1000);
	}
}

static void configure(struct fuzz *z, struct stack_config *c, uint8_t bits)
{
	static const uint8_t gw_mac[6] = {2, 0, 0, 0, 0, 1}, guest_mac[6] = {2, 0, 0, 0, 0, 2};

	memcpy(c->gw_mac, gw_mac, 6);
	memcpy(c->guest_mac, guest_mac, 6);
	c->has_v4 = c->has_v6 = true;
	c->gw4 = (struct ipaddr){4, {172, 16, 0, 1}};
	c->guest4 = (struct ipaddr){4, {172, 16, 0, 2}};
	c->prefix4 = 24;
	c->gw6 = (struct ipaddr){6, {0xfd, 0x42, [15] = 1}};
	c->guest6 = (struct ipaddr){6, {0xfd, 0x42, [15] = 2}};
	c->gw6_ll = (struct ipaddr){6, {0xfe, 0x80, [15] = 1}};
	c->mtu = bits & 1 ? 1280 : 9000;
	c->link_caps = bits & 2 ? LINK_CSUM | LINK_TSO4 | LINK_TSO6 : 0;
	c->max_tcp = bits & 4 ? 2 : 16;
	c->max_half_open = bits & 8 ? 1 : 8;
	c->tcp_queue_max = bits & 16 ? 1 << 12 : 1 << 18;
	c->tcp_queue_total = bits & 32 ? 1 << 14 : 1 << 22;
	for (int i = 0; i < PORTS; i++) {
		struct port *p = &z->port[i];
		p->z = z;
		p->key = (struct tcp_key){.guest = c->guest4,
					  .remote = {4, {198, 51, 100, 7}},
					  .guest_port = (uint16_t)(5000 + i),
					  .remote_port = 80};
		if (i == 2) {
			p->key.guest = c->guest6;
			p->key.remote = (struct ipaddr){6, {0x20, 0x01, [15] = 7}};
		}
		/* Near the wrap, so that it is met. */
		port_restart(p, 0xffffff00u + (uint32_t)i * 77);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sipkey key = {3, 4};
	static struct fuzz z;
	struct stack_config c = {0};
	uint8_t b;

	memset(&z, 0, sizeof(z));
	z.program = view_make(data, size);
	configure(&z, &c, arg(&z));
	wheel_init(&z.wheel, 1000000);
	require(stack_init(&z.stack, &c, &fuzz_ops, &z, &z.wheel, &key, 1000000));
	tcp_set_gone_hook(&z.stack, fuzz_gone);
	while (view_get_u8(&z.program, &b))
		step(&z, b);
	burst_end(&z);
	op_link(&z, 0);
	check_nothing_lost(&z);
	check_forgotten(&z);
	stack_done(&z.stack);
	require(z.wheel.count == 0);
	for (int i = 0; i < PORTS; i++)
		require(!z.port[i].end && !z.port[i].held);
	return 0;
}
