// SPDX-License-Identifier: Apache-2.0
/* The model of tcp_fuzz_model.h: what was said by whom, and what may come of it. */
#include "stack/tcp_fuzz_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "link/link.h"
#include "stack/checksum.h"
#include "stack/ip.h"

void model_require_at(bool ok, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d does not hold\n", file, line);
	abort();
}

/* ---- the two streams ---- */

static uint8_t guest_stream[MODEL_STREAM_MAX + FRAME_MAX], far_stream[MODEL_FAR_MAX];

const uint8_t *model_guest_bytes(uint32_t off)
{
	require(off <= MODEL_STREAM_MAX);
	return guest_stream + off;
}

void model_init(void)
{
	for (uint32_t i = 0; i < sizeof(guest_stream); i++)
		guest_stream[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + 1);
	for (uint32_t i = 0; i < sizeof(far_stream); i++)
		far_stream[i] = (uint8_t)(i * 17 + (i >> 8) * 5 + 2);
}

/* ---- sets of bytes, a bit each ---- */

static void bits_add(uint64_t *bits, uint32_t from, uint32_t to)
{
	while (from < to) {
		uint32_t n = 64 - from % 64 < to - from ? 64 - from % 64 : to - from;
		bits[from / 64] |= UINT64_MAX >> (64 - n) << from % 64;
		from += n;
	}
}

/* The first one from `at` on that is not there. */
static uint32_t bits_next_hole(const uint64_t *bits, uint32_t at, uint32_t max)
{
	while (at < max && bits[at / 64] >> at % 64 & 1)
		at += at % 64 == 0 && bits[at / 64] == UINT64_MAX ? 64 : 1;
	return at;
}

/* ---- the guest's side ---- */

struct tcp_conn *model_conn(struct model_port *p)
{
	uint64_t hash;

	return tcp_conn_find(&p->m->stack, &p->key, &hash);
}

void model_restart(struct model_port *p, uint32_t isn)
{
	p->isn = isn;
	p->next = p->contig = 0;
	p->fin = MODEL_NO_FIN;
	p->edge_known = p->offered_known = false;
	p->acked = p->heard = 0;
	p->fin_heard = p->finishing = false;
	memset(p->sent, 0, sizeof(p->sent));
	memset(p->came, 0, sizeof(p->came));
}

void model_sync(struct model_port *p, const struct tcp_conn *c)
{
	if (c && c->state != TCP_SYN_SENT && c->irs != p->isn)
		model_restart(p, c->irs);
}

static void port_note_sent(struct model_port *p, uint32_t off, uint32_t len)
{
	bits_add(p->sent, off, off + len);
	if (off + len > p->next)
		p->next = off + len;
	p->contig = bits_next_hole(p->sent, p->contig, MODEL_STREAM_MAX);
}

void model_note_segment(struct model_port *p, const struct tcp_conn *c, struct model_segment *g)
{
	uint32_t off;

	if (c && c->state == TCP_SYN_SENT && g->flags & TCP_SYN)
		model_restart(p, g->seq);
	off = g->seq + !!(g->flags & TCP_SYN) - p->isn - 1;
	/* The guest is well-behaved in this: its stream has one end, and bytes lie within it. */
	if (off > MODEL_STREAM_MAX)
		g->len = 0;
	else if (g->len > MODEL_STREAM_MAX - off)
		g->len = MODEL_STREAM_MAX - off;
	if (p->fin != MODEL_NO_FIN && g->len && off + g->len > p->fin)
		g->len = off < p->fin ? p->fin - off : 0;
	if (g->flags & TCP_FIN) {
		bool inside = off <= MODEL_STREAM_MAX && off + g->len >= p->next;
		if (p->fin == MODEL_NO_FIN && inside && c)
			p->fin = off + g->len;
		if (off + g->len != p->fin)
			g->flags &= (uint8_t)~TCP_FIN;
	}
	if (off <= MODEL_STREAM_MAX && g->len)
		port_note_sent(p, off, g->len);
	if (c && g->flags & TCP_ACK && seq_le(g->ack, c->snd_nxt)) {
		uint32_t edge = g->ack + ((uint32_t)g->wnd << c->snd_wscale);
		if (!p->offered_known || seq_lt(p->offered, edge))
			p->offered = edge;
		p->offered_known = true;
	}
}

/* ---- far ends ---- */

static ssize_t far_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct model_far *f = container_of(e, struct model_far, e);
	uint32_t at = f->consumed + (uint32_t)off;
	size_t got = 0;

	require(at <= f->made);
	if (f->lost_read)
		return -ECONNRESET;
	if (at == f->made)
		return f->eof ? 0 : -EAGAIN;
	for (int i = 0; i < n && at < f->made; i++) {
		size_t k = iov[i].iov_len < f->made - at ? iov[i].iov_len : f->made - at;
		memcpy(iov[i].iov_base, far_stream + at, k);
		at += (uint32_t)k;
		got += k;
	}
	return (ssize_t)got;
}

static void far_consume(struct flow_end *e, size_t n)
{
	struct model_far *f = container_of(e, struct model_far, e);

	require(n <= f->made - f->consumed);
	f->consumed += (uint32_t)n;
}

static ssize_t far_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct model_far *f = container_of(e, struct model_far, e);
	size_t took = 0, want = 0;

	require(!f->shut);
	if (f->lost_write)
		return -EPIPE;
	for (int i = 0; i < n; i++) {
		size_t k = iov[i].iov_len < f->room ? iov[i].iov_len : f->room;
		want += iov[i].iov_len;
		require(k <= MODEL_STREAM_MAX - f->got);
		require(!memcmp(iov[i].iov_base, guest_stream + f->got, k));
		took += k;
		f->got += (uint32_t)k;
		f->room -= (uint32_t)k;
	}
	require(f->got <= f->port->contig && f->got <= f->port->fin);
	f->blocked = took < want;
	return took || !want ? (ssize_t)took : -EAGAIN;
}

static void far_shut(struct flow_end *e)
{
	struct model_far *f = container_of(e, struct model_far, e);

	require(!f->shut && (f->got == f->port->fin || f->lost_write));
	f->shut = true;
}

void model_far_free(struct model_far *f)
{
	f->port->end = NULL;
	free(f);
}

static void far_reset(struct flow_end *e)
{
	model_far_free(container_of(e, struct model_far, e));
}

static void far_close(struct flow_end *e)
{
	struct model_far *f = container_of(e, struct model_far, e);

	require(f->lost_write || f->lost_read || (f->port->m->hanging_up && f->shut) ||
		(f->shut && f->eof && f->consumed == f->made));
	f->port->finishing = false;
	model_far_free(f);
}

static const struct flow_end_ops far_ops = {
	.peek = far_peek,
	.consume = far_consume,
	.push = far_push,
	.shut = far_shut,
	.reset = far_reset,
	.close = far_close,
};

struct model_far *model_far_new(struct model_port *p, uint8_t how)
{
	struct model_far *f = calloc(1, sizeof(*f));

	f->e.ops = &far_ops;
	f->port = p;
	f->e.direct = how & 16;
	f->e.watches = how & 32;
	f->room = how & 1 ? 0 : how & 2 ? 1000 : UINT32_MAX;
	f->made = how & 4 ? 3000 : 0;
	f->eof = f->e.eof_near = how & 8;
	p->made = f->made;
	p->eof = f->eof;
	p->end = f;
	return f;
}

void model_far_swap(struct model_far *f, uint8_t how)
{
	struct model_far *other = malloc(sizeof(*other));

	*other = *f;
	other->e.direct = how & 16;
	other->e.watches = how & 32;
	other->blocked = false;
	other->port->end = other;
	tcp_conn_set_end(&f->port->m->stack, f->e.conn, &other->e);
	free(f);
}

/* ---- what comes out ---- */

void model_lose(struct model_port *p, const struct tcp_conn *c)
{
	uint32_t acked = c->snd_una == c->iss ? 0 : c->snd_una - c->iss - 1;

	memset(p->came, 0, sizeof(p->came));
	p->fin_heard = acked > p->made;
	p->heard = acked - p->fin_heard;
}

static struct model_port *find_port(struct model *m, uint16_t guest_port)
{
	for (int i = 0; i < MODEL_PORTS; i++)
		if (m->port[i].key.guest_port == guest_port)
			return &m->port[i];
	abort();
}

static void check_payload(struct model_port *p, const struct tcp_conn *c, const struct frame *f,
			  const uint8_t *tcp, struct view payload)
{
	uint32_t seq = get_be32(tcp + 4), off = seq - c->iss - 1;
	uint32_t piece = f->meta.gso ? f->meta.gso_size : (uint32_t)payload.len;

	if (payload.len) {
		require(off <= p->made && payload.len <= p->made - off);
		require(piece <= c->mss);
		require(p->offered_known &&
			seq_le(seq + (uint32_t)payload.len, p->offered + (payload.len == 1)));
		require(!memcmp(payload.p, far_stream + off, payload.len));
		bits_add(p->came, off, off + (uint32_t)payload.len);
		p->heard = bits_next_hole(p->came, p->heard, MODEL_FAR_MAX);
	}
	if (tcp[13] & TCP_FIN) {
		require(p->eof && off + payload.len == p->made);
		p->fin_heard = true;
	}
}

static void check_ack(struct model_port *p, const struct tcp_conn *c, const uint8_t *tcp)
{
	uint32_t ack = get_be32(tcp + 8), off = ack - p->isn - 1;
	uint8_t shift = tcp[13] & TCP_SYN ? 0 : c->rcv_wscale;
	uint32_t edge = ack + ((uint32_t)get_be16(tcp + 14) << shift);

	require(off <= p->contig || (off == p->contig + 1 && p->contig == p->fin));
	require(off <= p->fin || off == p->fin + 1);
	if (p->acked < off)
		p->acked = off;
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

static void check_frame(struct model *m, const struct frame *made)
{
	static uint8_t room[FRAME_MAX];
	struct frame_tail tail;
	struct frame whole = *made, *f = &whole;

	require(f->len <= FRAME_MAX);
	if (f->tail) {
		memcpy(room, f->data, f->tail->at);
		tail = *f->tail;
		tail.room = room + tail.at;
		whole.data = room;
		whole.tail = &tail;
		frame_whole(&whole);
	}
	const uint8_t *ip = f->data + ETH_HLEN, *tcp;
	bool v4 = get_be16(f->data + 12) == 0x0800;
	size_t ip_len = v4 ? 20 : 40, l4_len = f->len - ETH_HLEN - ip_len, doff;
	struct ipaddr src = v4 ? ipaddr_v4(ip + 12) : ipaddr_v6(ip + 8);
	struct ipaddr dst = v4 ? ipaddr_v4(ip + 16) : ipaddr_v6(ip + 24);
	struct tcp_conn *c;
	struct model_port *p;

	require(f->len >= ETH_HLEN + ip_len + 8);
	require(f->meta.gso || f->len <= ETH_HLEN + (size_t)m->stack.cfg.mtu);
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
	p = find_port(m, get_be16(tcp + 2));
	c = model_conn(p);
	if (!c || tcp[13] & TCP_RST)
		return;
	model_sync(p, c);
	check_payload(p, c, f, tcp, view_make(tcp + doff, l4_len - doff));
	if (tcp[13] & TCP_ACK)
		check_ack(p, c, tcp);
}

/* Those in the queue before `checked` were judged already. */
static void check_frames(struct model *m, const struct frame *frames, int n)
{
	for (; m->checked < n; m->checked++)
		check_frame(m, &frames[m->checked]);
}

void model_check_queue(struct model *m)
{
	check_frames(m, m->stack.tx_q, m->stack.tx_n);
}

static int model_tx(void *ctx, struct frame *frames, int n)
{
	struct model *m = ctx;
	int took;

	check_frames(m, frames, n);
	for (took = 0; took < n && m->link_takes != 1; took++) {
		if (m->link_takes)
			m->link_takes--;
	}
	m->checked -= took;
	return took;
}

/* Memory with holes in it; no more frames than the link takes, as it promises. */
static int model_lend(void *ctx, const struct frame *head, uint32_t each, uint32_t total,
		      const struct frame_tail **ret)
{
	static uint8_t guest_memory[MODEL_LENT * (FRAME_MAX + 1)];
	struct model *m = ctx;
	int n = 0, max = m->link_takes ? (int)m->link_takes - 1 : MODEL_LENT;

	require(m->stack.tx_n == 0);
	memset(guest_memory, 0xee, sizeof(guest_memory));
	for (; n < MODEL_LENT && n < max && total; n++) {
		uint32_t here = total < each ? total : each, first = here / 3;
		uint8_t *at = guest_memory + (size_t)n * (FRAME_MAX + 1);
		struct iovec *iov = &m->lent_iov[2 * n];

		iov[0] = (struct iovec){at, first};
		iov[1] = (struct iovec){at + first + 1, here - first};
		m->lent[n] = (struct frame_tail){.iov = iov, .n = 2, .at = head->len};
		total -= here;
	}
	*ret = m->lent;
	return n;
}

static void model_tcp_open(void *ctx, struct tcp_conn *c)
{
	struct model *m = ctx;
	struct model_port *p = find_port(m, c->key.guest_port);

	require(!p->end && !p->held);
	model_restart(p, c->irs);
	p->held = c;
	tcp_conn_set_owner(c, p);
}

void model_gone(void *ctx, struct tcp_conn *c, enum tcp_ending how)
{
	struct model_port *p = tcp_conn_owner(c);

	require(p->held == c);
	p->held = NULL;
}

/* Said when it begins and when it is over, and not twice. */
static void model_guest_full(void *ctx, bool any)
{
	struct model *m = ctx;

	require(m->guest_full != any);
	m->guest_full = any;
}

const struct stack_ops model_ops = {.tx = model_tx,
				    .lend = model_lend,
				    .tcp_open = model_tcp_open,
				    .guest_full = model_guest_full};

void model_flush(struct model *m)
{
	stack_flush(&m->stack);
	model_check_queue(m);
}

void model_check_nothing_lost(struct model *m)
{
	for (int i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &m->port[i];
		struct model_far *f = p->end;
		struct tcp_conn *c;
		if (!f)
			continue;
		f->room = UINT32_MAX;
		tcp_end_writable(&m->stack, f->e.conn);
		model_flush(m);
		c = model_conn(p);
		if (!c || !p->end || f->lost_read || f->lost_write || c->state < TCP_ESTABLISHED)
			continue;
		require(f->got == c->rcv_nxt - c->irs - 1 - c->fin_taken);
		require(f->shut == c->fin_taken);
	}
}
