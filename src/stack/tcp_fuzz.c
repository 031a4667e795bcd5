// SPDX-License-Identifier: Apache-2.0
/*
 * libFuzzer: TCP segment sequences. The input is a small program (enum op): well-formed segments
 * with chosen flags, numbers, options and sizes; steps of time; and what the far end does. What
 * comes of it is judged by a model (tcp_fuzz_model.h), at every step. At the end the far ends take
 * all they are offered: then nothing that was acknowledged may be missing. From there the guest
 * goes on as a host does, and both streams have to come to their ends (enum ending); or it says no
 * more, and is forgotten in bounded time; or all ends at once. Payload may lie in memory of the
 * guest's own (struct frame_tail), both ways: what the guest sent is gone when the burst is over.
 */
#include <stdlib.h>

#include "link/link.h"
#include "stack/checksum.h"
#include "stack/ip.h"
#include "stack/tcp_fuzz_model.h"

enum op {
	OP_SEGMENT = 0,  /* 0..5: flags, where, how long, ACK, window, options */
	OP_TIME = 6,     /* milliseconds, as a power of two */
	OP_FAR_DATA = 7, /* the far end has more for the guest, or its end */
	OP_FAR_ROOM = 8, /* what the far end takes from the guest */
	OP_FAR_FAIL = 9, /* the far end is lost, in four ways */
	OP_DIAL = 10,    /* the answer to a held SYN */
	OP_OPEN = 11,    /* a connection to the guest, or what else happens to the table */
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
	SEG_TAIL = 128, /* payload in the guest's memory, its checksum unfinished */
};

/* The last two bits of the first byte. */
enum ending {
	END_FINISH = 0, /* the guest has all that came out, sends all it has, and ends */
	END_SILENT = 1,
	END_LOSS = 2, /* as the first, but what it has not acknowledged was lost */
	END_HANG_UP = 3,
};

#define PUBLISHED 3 /* the port that is published: the last one */
#define BURST_MAX 64
#define FINAL_US  (12ULL * 3600 * 1000000)
#define TURNS_MAX 6000 /* to the end of both streams */
#define IDLE_MAX  60   /* of these, one behind the other in which nothing came */

struct fuzz {
	struct model model;
	struct view program;
	uint8_t *burst[BURST_MAX], *burst_tail[BURST_MAX];
	struct frame_tail tail[BURST_MAX];
	struct iovec tail_iov[BURST_MAX][3];
	unsigned burst_n;
	bool in_burst;
	uint32_t isn_next;
};

static uint8_t arg(struct fuzz *z)
{
	uint8_t b = 0;

	view_get_u8(&z->program, &b);
	return b;
}

/* ---- segments ---- */

static void put_segment_options(struct fuzz *z, struct wbuf *w, const struct model_segment *g,
				const struct tcp_conn *c)
{
	uint32_t ts = (uint32_t)(stack_now(&z->model.stack) / 1000) + 1000;

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

static void burst_end(struct fuzz *z)
{
	stack_burst_end(&z->model.stack);
	model_check_queue(&z->model);
	for (unsigned i = 0; i < z->burst_n; i++) {
		free(z->burst[i]);
		free(z->burst_tail[i]);
	}
	z->burst_n = 0;
}

/* Puts the last len bytes of a frame where the guest can reach them. */
static void leave_tail(struct fuzz *z, struct frame *f, uint32_t len)
{
	struct iovec *iov = z->tail_iov[z->burst_n];
	uint8_t *at = malloc(len);
	uint32_t first = len / 4, second = len / 2;

	memcpy(at, f->data + f->len - len, len);
	memset(f->data + f->len - len, 0xee, len);
	iov[0] = (struct iovec){at, first};
	iov[1] = (struct iovec){at + first, second};
	iov[2] = (struct iovec){at + first + second, len - first - second};
	z->tail[z->burst_n] = (struct frame_tail){
		.iov = iov, .n = 3, .at = f->len - len, .room = f->data + f->len - len};
	f->tail = &z->tail[z->burst_n];
	f->meta.needs_csum = true;
	z->burst_tail[z->burst_n] = at;
}

static void send_segment(struct fuzz *z, struct model_port *p, struct model_segment *g)
{
	struct tcp_conn *c = model_conn(p);
	const struct ipaddr *src = &p->key.guest, *dst = &p->key.remote;
	size_t ip_len = src->family == 4 ? 20 : 40;
	struct frame f = {0};
	struct wbuf w;
	uint8_t opts[TCP_HDR_MAX], *ip, *tcp;
	uint32_t off;

	model_sync(p, c);
	model_note_segment(p, c, g);
	w = wbuf_make(opts, 40);
	put_segment_options(z, &w, g, c);
	while (w.len % 4)
		wbuf_put_u8(&w, 0);
	f.len = (uint32_t)(ETH_HLEN + ip_len + 20 + w.len + g->len);
	f.data = malloc(f.len);
	memcpy(f.data, z->model.stack.cfg.gw_mac, 6);
	memcpy(f.data + 6, z->model.stack.cfg.guest_mac, 6);
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
	if (g->len)
		memcpy(tcp + 20 + w.len, model_guest_bytes(off), g->len);
	put_be16(tcp + 16, csum_l4(src, dst, IPPROTO_TCP_, tcp, 20 + w.len + g->len));
	if (g->options & SEG_BAD_SUM)
		tcp[16] ^= 1;
	z->burst_tail[z->burst_n] = NULL;
	if (g->options & SEG_TAIL && g->len && !(g->options & SEG_BAD_SUM))
		leave_tail(z, &f, g->len);
	z->burst[z->burst_n++] = f.data;
	stack_input(&z->model.stack, &f);
	model_check_queue(&z->model);
	if (!z->in_burst || z->burst_n == BURST_MAX)
		burst_end(z);
}

/* ---- steps of the program ---- */

/* A segment whose every field the program chooses, near numbers that matter. */
static void op_segment(struct fuzz *z, struct model_port *p)
{
	struct tcp_conn *c = model_conn(p);
	struct model_segment g = {.flags = arg(z)};
	uint8_t where = arg(z), len = arg(z), ack = arg(z), wnd = arg(z);
	uint32_t base, k = where >> 3;

	model_sync(p, c);
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

static void op_syn(struct fuzz *z, struct model_port *p, unsigned extra)
{
	struct model_segment g = {.flags = TCP_SYN, .wnd = 65535, .options = SEG_SYN_OPTIONS};

	if (extra & 1)
		g.options |= SEG_TIMESTAMP;
	if (extra & 2) {
		/* A new ISN; the connection that is there, if any, keeps its own in the model. */
		z->isn_next = z->isn_next * 1664525 + 1013904223;
		if (!model_conn(p))
			model_restart(p, z->isn_next);
		g.seq = z->isn_next;
	} else {
		g.seq = p->isn;
	}
	send_segment(z, p, &g);
}

static void op_plain(struct fuzz *z, struct model_port *p, unsigned extra)
{
	struct tcp_conn *c = model_conn(p);
	uint8_t len = arg(z);
	struct model_segment g = {.flags = TCP_ACK, .wnd = 0xffff};

	if (!c)
		return;
	model_sync(p, c);
	if (c->state == TCP_SYN_SENT) {
		model_restart(p, z->isn_next += 99999);
		g.flags |= TCP_SYN;
		g.options = SEG_SYN_OPTIONS;
		g.seq = p->isn;
	} else {
		g.seq = p->isn + 1 + p->next + (p->fin == p->next && extra != 2);
		g.len = len * 16u;
	}
	g.ack = c->snd_nxt;
	if (len & 1)
		g.options |= SEG_TAIL;
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

static void op_far_data(struct fuzz *z, struct model_port *p, unsigned extra)
{
	struct model_far *f = p->end;
	uint32_t more = arg(z) * (extra == 2 ? 256u : 64u);

	if (!f || f->eof || f->made > MODEL_STREAM_MAX)
		return;
	f->made += more;
	f->eof = f->e.eof_near = extra == 3;
	p->made = f->made;
	p->eof = f->eof;
	tcp_end_readable(&z->model.stack, f->e.conn);
	model_flush(&z->model);
}

static void op_far_room(struct fuzz *z, struct model_port *p, unsigned extra)
{
	struct model_far *f = p->end;
	uint32_t more = arg(z) * 64u;

	if (!f)
		return;
	f->room = extra == 0 ? more : extra == 1 ? UINT32_MAX : 0;
	if (f->blocked && f->room) {
		f->blocked = false;
		tcp_end_writable(&z->model.stack, f->e.conn);
	}
	model_flush(&z->model);
}

static void op_far_fail(struct fuzz *z, struct model_port *p, unsigned extra)
{
	struct model_far *f = p->end;

	if (!f)
		return;
	if (extra == 0)
		f->lost_read = true;
	if (extra == 1)
		f->lost_write = true;
	if (extra < 2) {
		tcp_end_readable(&z->model.stack, f->e.conn);
		tcp_end_writable(&z->model.stack, f->e.conn);
	} else if (extra == 2) {
		tcp_end_failed(&z->model.stack, f->e.conn);
	} else {
		tcp_conn_abort(&z->model.stack, f->e.conn);
	}
	model_flush(&z->model);
}

static void op_dial(struct fuzz *z, struct model_port *p, unsigned extra)
{
	struct tcp_conn *c = p->held;
	uint8_t how = arg(z);

	if (!c)
		return;
	p->held = NULL;
	tcp_conn_set_owner(c, NULL);
	if (extra == 3)
		tcp_conn_refuse(&z->model.stack, c, (enum tcp_refusal)(how % 5));
	else
		tcp_conn_accept(&z->model.stack, c, &model_far_new(p, how)->e);
	model_flush(&z->model);
}

static void op_open(struct fuzz *z)
{
	struct model_port *p = &z->model.port[PUBLISHED];
	uint8_t how = arg(z);
	struct model_far *f;

	if (p->end || p->held)
		return;
	model_restart(p, z->isn_next += 77777);
	f = model_far_new(p, how);
	if (!tcp_conn_open(&z->model.stack, &p->key.remote, p->key.remote_port, &p->key.guest,
			   p->key.guest_port, &f->e))
		model_far_free(f);
	model_flush(&z->model);
}

/* A router behind the guest finds what is in flight too big. */
static void too_big(struct fuzz *z, struct model_port *p, uint32_t mtu)
{
	const struct tcp_conn *c = model_conn(p);
	uint8_t l4[8];

	if (!c)
		return;
	put_be16(l4, p->key.remote_port);
	put_be16(l4 + 2, p->key.guest_port);
	put_be32(l4 + 4, c->snd_una);
	tcp_too_big(&z->model.stack, &p->key.remote, &p->key.guest, view_make(l4, sizeof(l4)), mtu);
}

/* What the owner of a connection, or of the stack, does beside opening one. */
static void op_table(struct fuzz *z, struct model_port *p, unsigned extra)
{
	if (extra == 0)
		op_open(z);
	else if (extra == 1)
		stack_trim(&z->model.stack);
	else if (extra == 3)
		too_big(z, p, arg(z) * 40u);
	else if (p->end)
		model_far_swap(p->end, arg(z));
	model_flush(&z->model);
}

static void pass_time(struct fuzz *z, uint64_t us)
{
	burst_end(z);
	stack_set_now(&z->model.stack, stack_now(&z->model.stack) + us);
	wheel_advance(&z->model.wheel, stack_now(&z->model.stack));
	model_flush(&z->model);
}

static void op_link(struct fuzz *z, unsigned extra)
{
	z->model.link_takes = extra == 0 ? 0 : arg(z) % 32 + 1;
	stack_tx_unblocked(&z->model.stack);
	model_check_queue(&z->model);
}

static void step(struct fuzz *z, uint8_t b)
{
	struct model_port *p = &z->model.port[b >> 4 & 3];
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
		op_table(z, p, extra);
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

static void end_link(struct fuzz *z)
{
	if (z->in_burst)
		z->in_burst = false;
	burst_end(z);
	op_link(z, 0);
}

/* Both sides have no more than they have now, and are well. Not asked of a connection that is about
 * to be given up, or whose far end is lost. */
static void finish_begin(struct fuzz *z, struct model_port *p, bool loss)
{
	struct tcp_conn *c = model_conn(p);
	struct model_far *f = p->end;

	if (!c || !f || f->lost_read || f->lost_write || c->state < TCP_SYN_RCVD ||
	    c->backoff > 4 || c->probes > 4)
		return;
	model_sync(p, c);
	if (loss)
		model_lose(p, c);
	p->finishing = true;
	f->eof = f->e.eof_near = p->eof = true;
	if (p->fin == MODEL_NO_FIN)
		p->fin = p->next;
	f->room = UINT32_MAX;
	f->blocked = false;
	tcp_end_readable(&z->model.stack, c);
	tcp_end_writable(&z->model.stack, c);
}

/* Again from what was acknowledged on, as far as it is allowed; at least an ACK. */
static void finish_turn(struct fuzz *z, struct model_port *p)
{
	uint32_t at = p->acked, end;

	for (int i = 0; i < 8; i++) {
		struct tcp_conn *c = model_conn(p);
		struct model_segment g = {.flags = TCP_ACK, .wnd = 0xffff};

		if (!c || !p->finishing)
			return;
		end = p->edge_known ? p->limit - p->isn - 1 : at;
		if (end > p->fin)
			end = p->fin;
		g.seq = p->isn + 1 + at;
		g.ack = c->iss + 1 + p->heard + (p->fin_heard && p->heard == p->made);
		g.len = at < end ? end - at : 0;
		if (g.len > c->rcv_mss)
			g.len = c->rcv_mss;
		if (at + g.len == p->fin)
			g.flags |= TCP_FIN;
		if (c->ts_on)
			g.options |= SEG_TIMESTAMP;
		at += g.len;
		send_segment(z, p, &g);
		if (at >= end)
			return;
	}
}

static uint64_t finish_sum(struct fuzz *z, bool *ret_more)
{
	uint64_t sum = 0;

	*ret_more = false;
	for (int i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &z->model.port[i];
		sum += (uint64_t)p->acked + p->heard + p->fin_heard + !p->finishing;
		*ret_more = *ret_more || p->finishing;
	}
	return sum;
}

/* Every connection that is well is closed in order (far_close() of the model), and none by time. */
static void check_finishes(struct fuzz *z, bool loss)
{
	unsigned idle = 0;
	bool more;

	for (int i = 0; i < MODEL_PORTS; i++)
		finish_begin(z, &z->model.port[i], loss);
	model_flush(&z->model);
	uint64_t sum = finish_sum(z, &more);
	for (unsigned turns = 0; more; turns++) {
		uint64_t before = sum, now = stack_now(&z->model.stack), next;

		require(turns < TURNS_MAX && idle < IDLE_MAX);
		for (int i = 0; i < MODEL_PORTS; i++)
			finish_turn(z, &z->model.port[i]);
		sum = finish_sum(z, &more);
		idle = sum == before ? idle + 1 : 0;
		next = wheel_next_us(&z->model.wheel);
		require(next != UINT64_MAX || !more);
		pass_time(z, idle && next > now + 10000 ? next - now : 10000);
		for (int i = 0; i < MODEL_PORTS; i++)
			require(!z->model.port[i].finishing || z->model.port[i].end);
	}
}

static void check_forgotten(struct fuzz *z)
{
	uint64_t until = stack_now(&z->model.stack) + FINAL_US;

	for (int i = 0; i < MODEL_PORTS; i++)
		if (z->model.port[i].held)
			op_dial(z, &z->model.port[i], 3);
	while (tcp_conn_count(&z->model.stack, NULL)) {
		uint64_t next = wheel_next_us(&z->model.wheel);
		require(next <= until);
		pass_time(z, next > stack_now(&z->model.stack) ? next - stack_now(&z->model.stack)
							       : 1000);
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
	c->tcp_keepalive_us = 600000000;
	for (int i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &z->model.port[i];
		p->m = &z->model;
		p->key = (struct tcp_key){.guest = c->guest4,
					  .remote = {4, {198, 51, 100, 7}},
					  .guest_port = (uint16_t)(5000 + i),
					  .remote_port = 80};
		if (i == 2) {
			p->key.guest = c->guest6;
			p->key.remote = (struct ipaddr){6, {0x20, 0x01, [15] = 7}};
		}
		/* Near the wrap, so that it is met. */
		model_restart(p, 0xffffff00u + (uint32_t)i * 77);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sipkey key = {3, 4};
	static struct fuzz z;
	static bool begun;
	struct stack_config c = {0};
	uint8_t b, bits;

	if (!begun)
		model_init();
	begun = true;
	memset(&z, 0, sizeof(z));
	z.program = view_make(data, size);
	bits = arg(&z);
	configure(&z, &c, bits);
	wheel_init(&z.model.wheel, 1000000);
	require(stack_init(&z.model.stack, &c, &model_ops, &z.model, &z.model.wheel, &key,
			   1000000));
	tcp_set_gone_hook(&z.model.stack, model_gone);
	while (view_get_u8(&z.program, &b))
		step(&z, b);
	end_link(&z);
	model_check_nothing_lost(&z.model);
	if (bits >> 6 == END_HANG_UP) {
		z.model.hanging_up = true;
		tcp_hang_up(&z.model.stack);
	} else if (bits >> 6 != END_SILENT) {
		check_finishes(&z, bits >> 6 == END_LOSS);
	}
	check_forgotten(&z);
	stack_done(&z.model.stack);
	require(!z.model.guest_full);
	require(z.model.wheel.count == 0);
	for (int i = 0; i < MODEL_PORTS; i++)
		require(!z.model.port[i].end && !z.model.port[i].held);
	return 0;
}
