// SPDX-License-Identifier: Apache-2.0
/* The stack's owner in scripts: keeps frames, dials as planned, ends connections in memory. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the upstream's end ---- */

static struct world_conn *conn_of(struct flow_end *e)
{
	return container_of(e, struct world_conn, end);
}

static ssize_t up_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct world_conn *c = conn_of(e);
	uint64_t at = c->consumed + off, left = c->have - at;
	ssize_t sum = 0;

	c->asked++;
	if (c->dead && at > c->have)
		return -ECONNRESET;
	if (at > c->have)
		return -EINVAL;
	if (left == 0)
		return c->dead ? -ECONNRESET : c->eof ? 0 : -EAGAIN;
	for (int i = 0; i < n && left; i++) {
		uint8_t *p = iov[i].iov_base;
		size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;
		for (size_t k = 0; k < len; k++)
			p[k] = world_byte(at + (uint64_t)sum + k);
		left -= len;
		sum += (ssize_t)len;
	}
	return sum;
}

static void up_consume(struct flow_end *e, size_t n)
{
	struct world_conn *c = conn_of(e);

	c->consumed += n;
	if (c->consumed > c->have) {
		fprintf(stderr, "consumed more than there was\n");
		abort();
	}
}

static ssize_t up_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct world_conn *c = conn_of(e);
	ssize_t took = 0;

	if (c->dead)
		return -ECONNRESET;
	for (int i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;
		for (size_t k = 0; k < iov[i].iov_len; k++) {
			if (c->got == c->takes)
				return took ? took : -EAGAIN;
			if (p[k] != world_byte(c->got))
				c->wrong_bytes = true;
			c->got++;
			took++;
		}
	}
	return took;
}

static void up_shut(struct flow_end *e)
{
	conn_of(e)->shut = true;
}

static void up_reset(struct flow_end *e)
{
	conn_of(e)->was_reset = true;
	conn_of(e)->conn = NULL;
}

static void up_close(struct flow_end *e)
{
	conn_of(e)->was_closed = true;
	conn_of(e)->conn = NULL;
}

static const struct flow_end_ops up_ops = {
	.peek = up_peek,
	.consume = up_consume,
	.push = up_push,
	.shut = up_shut,
	.reset = up_reset,
	.close = up_close,
};

/* ---- the stack's callbacks ---- */

static int op_tx(void *ctx, struct frame *frames, int n)
{
	struct world *w = ctx;

	if (w->link_blocked)
		return 0;
	for (int i = 0; i < n; i++) {
		if (w->out_n == WORLD_FRAMES)
			break;
		struct world_frame *f = &w->out[(w->out_first + w->out_n++) % WORLD_FRAMES];
		f->data = malloc(frames[i].len);
		memcpy(f->data, frames[i].data, frames[i].len);
		f->len = frames[i].len;
		f->meta = frames[i].meta;
		f->at_us = w->now_us;
	}
	return n;
}

static void op_tcp_open(void *ctx, struct tcp_conn *tc)
{
	struct world *w = ctx;
	struct tcp_facts t;

	tcp_conn_facts(tc, &t);
	struct world_conn *c = world_conn(w, t.guest_port);
	c->conn = tc;
	c->accepted = false;
	tcp_conn_set_owner(tc, c);
	if (w->plan == UPSTREAM_ACCEPT) {
		c->accepted = true;
		tcp_conn_set_owner(tc, NULL);
		tcp_conn_accept(&w->stack, tc, &c->end);
	} else {
		w->in_flight_dials++;
	}
}

static void op_gone(void *ctx, struct tcp_conn *tc, enum tcp_ending how)
{
	struct world_conn *c = tcp_conn_owner(tc);

	c->conn = NULL;
	c->w->in_flight_dials--;
}

static void op_guest_full(void *ctx, bool any)
{
	struct world *w = ctx;

	w->guest_full = any;
}

static void op_limit(void *ctx, enum stack_limit what, const struct ipaddr *dst, uint8_t proto)
{
	struct world *w = ctx;

	w->queue_limit += what == STACK_LIMIT_QUEUES && ipaddr_eq(dst, &w->remote) && proto == 6;
}

static const struct stack_ops world_ops = {
	.tx = op_tx, .limit = op_limit, .tcp_open = op_tcp_open, .guest_full = op_guest_full};

/* ---- life ---- */

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->family = 4;
	w->remote_port = 80;
	w->now_us = 1000000000;
	w->cfg.mtu = 1500;
	w->cfg.has_v4 = w->cfg.has_v6 = true;
	w->cfg.prefix4 = 30;
	ipaddr_parse("172.16.0.1", &w->cfg.gw4);
	ipaddr_parse("172.16.0.2", &w->cfg.guest4);
	ipaddr_parse("fd42:6d73:62::1", &w->cfg.gw6);
	ipaddr_parse("fd42:6d73:62::2", &w->cfg.guest6);
	ipaddr_parse("fe80::1", &w->cfg.gw6_ll);
	mac_parse("02:77:72:00:00:01", w->cfg.gw_mac);
	mac_parse("02:77:72:00:00:02", w->cfg.guest_mac);
}

void world_start(struct world *w)
{
	static const struct sipkey key = {0x5765697253637269, 0x7074};

	if (w->started)
		return;
	w->started = true;
	w->guest = w->family == 4 ? w->cfg.guest4 : w->cfg.guest6;
	ipaddr_parse(w->family == 4 ? "198.51.100.7" : "2001:db8:51::7", &w->remote);
	wheel_init(&w->wheel, w->now_us);
	if (!stack_init(&w->stack, &w->cfg, &world_ops, w, &w->wheel, &key, w->now_us))
		abort();
	tcp_set_gone_hook(&w->stack, op_gone);
}

void world_done(struct world *w)
{
	if (w->started)
		stack_done(&w->stack);
	for (unsigned i = 0; i < w->out_n; i++)
		free(w->out[(w->out_first + i) % WORLD_FRAMES].data);
}

struct world_conn *world_conn(struct world *w, uint16_t guest_port)
{
	for (unsigned i = 0; i < w->conn_n; i++)
		if (w->conns[i].guest_port == guest_port)
			return &w->conns[i];
	/* A flood uses more ports than a script looks at: they share the last place. */
	if (w->conn_n == WORLD_CONNS)
		return &w->conns[WORLD_CONNS - 1];
	struct world_conn *c = &w->conns[w->conn_n++];
	c->w = w;
	c->end.ops = &up_ops;
	c->guest_port = guest_port;
	c->guest_isn = 0x10000;
	c->takes = UINT64_MAX;
	return c;
}

void world_settle(struct world *w)
{
	stack_flush(&w->stack);
}

void world_advance(struct world *w, uint64_t us)
{
	uint64_t until = w->now_us + us;

	for (;;) {
		uint64_t next = wheel_next_us(&w->wheel);
		if (next > until)
			break;
		if (next > w->now_us)
			w->now_us = next;
		stack_set_now(&w->stack, w->now_us);
		wheel_advance(&w->wheel, w->now_us);
		world_settle(w);
	}
	w->now_us = until;
	stack_set_now(&w->stack, w->now_us);
	wheel_advance(&w->wheel, w->now_us);
	world_settle(w);
}

void world_from_guest(struct world *w, const uint8_t *frame, size_t len, bool more)
{
	/* The bytes live until the burst ends. */
	static uint8_t burst[64][FRAME_MAX];
	static unsigned n;

	memcpy(burst[n % 64], frame, len);
	struct frame f = {.data = burst[n % 64], .len = (uint32_t)len};
	n++;
	stack_set_now(&w->stack, w->now_us);
	stack_input(&w->stack, &f);
	if (!more)
		stack_burst_end(&w->stack);
}

struct world_frame *world_next_frame(struct world *w)
{
	static struct world_frame f;

	if (w->out_n == 0)
		return NULL;
	free(f.data);
	f = w->out[w->out_first];
	w->out_first = (w->out_first + 1) % WORLD_FRAMES;
	w->out_n--;
	return &f;
}
