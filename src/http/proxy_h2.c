// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/2 proxy as its owner sees it: bytes in, bytes out, and the end of both connections.
 *
 * Everything that was put off in nghttp2's callbacks is done by the pump, in turns, until nothing
 * is left to do or the output is full: streams go on, windows open, frames are made.
 */
#include "http/proxy_h2_priv.h"

#include <stdlib.h>

/* Of an output's memory, where no exchange is open. */
#define KEPT 4096

static struct h2p *of(struct http_proxy *base)
{
	return container_of(base, struct h2p, base);
}

static const struct h2p *of_const(const struct http_proxy *base)
{
	return container_of(base, const struct h2p, base);
}

/* ---- ends ---- */

/* Nothing more comes from this side, nor will it read more than its output. */
static void side_is_over(struct h2p *p, enum http_side side)
{
	if (p->side[side].over)
		return;
	p->side[side].over = true;
	list_for_each (n, &p->streams) {
		struct h2p_stream *s = container_of(n, struct h2p_stream, all);
		if (s->open[side])
			h2p_stream_closed(p, s, side, NGHTTP2_CANCEL);
	}
}

/* When one of them goes, and no exchange is left, both are ended. */
static void end_when_done(struct h2p *p)
{
	bool ending = false;

	for (int i = 0; i < 2; i++)
		ending |= p->side[i].going || p->side[i].input_ended || p->side[i].over;
	if (!ending)
		return;
	list_for_each (n, &p->streams)
		h2p_stream_hurry(p, container_of(n, struct h2p_stream, all));
	if (!list_empty(&p->streams))
		return;
	for (int i = 0; i < 2; i++) {
		if (p->side[i].ending || p->side[i].over)
			continue;
		p->side[i].ending = true;
		h2p_end(p, (enum http_side)i, NGHTTP2_NO_ERROR);
	}
}

/* ---- the pump ---- */

static void look_at(struct h2p *p, struct h2p_stream *s)
{
	if (!s->open[HTTP_GUEST] && !s->open[HTTP_UPSTREAM]) {
		h2p_stream_free(p, s);
		return;
	}
	for (int from = 0; from < 2; from++) {
		h2p_way_run(p, s, (enum http_side)from);
		h2p_flow_stream(p, s, (enum http_side)from);
	}
}

static void send_to(struct h2p *p, enum http_side to)
{
	struct h2p_side *side = &p->side[to];
	const uint8_t *data;
	ssize_t n = 0;

	if (!side->started || side->over)
		return;
	while (side->out.len < HTTP_PROXY_HIGH) {
		n = nghttp2_session_mem_send(side->session, &data);
		if (n <= 0)
			break;
		if (!buf_append(&side->out, data, (size_t)n)) {
			n = NGHTTP2_ERR_NOMEM;
			break;
		}
	}
	if (n < 0)
		p->no_memory = true;
	else if (!nghttp2_session_want_read(side->session) &&
		 !nghttp2_session_want_write(side->session))
		side_is_over(p, to);
}

static void pump(struct h2p *p)
{
	struct list *n;

	do {
		while (!p->no_memory && (n = list_pop(&p->work)))
			look_at(p, container_of(n, struct h2p_stream, work));
		if (p->must_speak && !p->side[HTTP_GUEST].started)
			h2p_start(p, HTTP_GUEST);
		end_when_done(p);
		for (int i = 0; i < 2; i++)
			h2p_flow_connection(p, (enum http_side)i);
		send_to(p, HTTP_UPSTREAM);
		send_to(p, HTTP_GUEST);
	} while (!p->no_memory && !list_empty(&p->work));
}

/* ---- bytes ---- */

/* A side that does not read what it made us say is not read from, either. */
static bool may_take(const struct h2p *p, enum http_side from)
{
	const struct h2p_side *side = &p->side[from];

	return p->side[h2p_other(from)].out.len < HTTP_PROXY_HIGH && side->queued < H2P_QUEUE_MAX &&
	       (side->out.len < HTTP_PROXY_HIGH ||
		nghttp2_session_get_outbound_queue_size(side->session) < H2P_FRAMES);
}

static void input_failed(struct h2p *p, enum http_side from, int error)
{
	uint32_t code = NGHTTP2_PROTOCOL_ERROR;

	if (error == NGHTTP2_ERR_NOMEM || error == NGHTTP2_ERR_CALLBACK_FAILURE)
		p->no_memory = true;
	else if (error == NGHTTP2_ERR_FLOODED || error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
		code = NGHTTP2_ENHANCE_YOUR_CALM;
	h2p_end(p, from, code);
}

static size_t h2p_input(struct http_proxy *base, enum http_side from, struct view in)
{
	struct h2p *p = of(base);
	struct h2p_side *side = &p->side[from];
	size_t taken = 0;

	pump(p);
	while (taken < in.len && !side->over && !p->no_memory && may_take(p, from)) {
		size_t n = in.len - taken < H2P_SLICE ? in.len - taken : H2P_SLICE;
		ssize_t used = nghttp2_session_mem_recv(side->session, in.p + taken, n);
		if (used < 0)
			input_failed(p, from, (int)used);
		taken += n;
		pump(p);
	}
	/* Behind the end nobody reads. */
	return side->over || p->no_memory ? in.len : taken;
}

static void h2p_input_end(struct http_proxy *base, enum http_side from)
{
	struct h2p *p = of(base);

	if (p->side[from].input_ended)
		return;
	p->side[from].input_ended = true;
	p->must_speak = true;
	if (from == HTTP_UPSTREAM) {
		side_is_over(p, from);
	} else {
		/* What was asked in full can still be answered. */
		list_for_each (n, &p->streams) {
			struct h2p_stream *s = container_of(n, struct h2p_stream, all);
			if (!s->way[HTTP_GUEST].in_end)
				h2p_stream_reset(p, s, HTTP_GUEST, NGHTTP2_CANCEL);
		}
	}
	pump(p);
}

static struct view h2p_output(const struct http_proxy *base, enum http_side side)
{
	return buf_view(&of_const(base)->side[side].out);
}

static void h2p_sent(struct http_proxy *base, enum http_side side, size_t n)
{
	struct h2p *p = of(base);

	struct buf *out = &p->side[side].out;

	buf_take(out, n);
	pump(p);
	if (!out->len && out->cap > KEPT && list_empty(&p->streams))
		buf_done(out);
}

static enum http_proxy_state h2p_state(const struct http_proxy *base, enum http_side side)
{
	const struct h2p *p = of_const(base);

	if (p->no_memory)
		return HTTP_PROXY_CUT;
	return p->side[side].over ? HTTP_PROXY_END : HTTP_PROXY_OPEN;
}

static bool h2p_idle(const struct http_proxy *base)
{
	const struct h2p *p = of_const(base);

	return list_empty(&p->streams) && !p->side[HTTP_GUEST].out.len &&
	       !p->side[HTTP_UPSTREAM].out.len;
}

static void h2p_resume(struct http_proxy *base, struct http_exchange *x)
{
	struct h2p_stream *s = container_of(x, struct h2p_stream, x);

	s->way[HTTP_GUEST].waiting = s->way[HTTP_UPSTREAM].waiting = false;
	h2p_stream_work(of(base), s);
}

static void h2p_run(struct http_proxy *base)
{
	pump(of(base));
}

/* ---- life ---- */

static void h2p_free(struct http_proxy *base)
{
	struct h2p *p = of(base);

	while (!list_empty(&p->streams))
		h2p_stream_free(p, container_of(p->streams.next, struct h2p_stream, all));
	for (int i = 0; i < 2; i++) {
		nghttp2_session_del(p->side[i].session);
		buf_done(&p->side[i].out);
		http_fields_done(&p->side[i].block);
	}
	free(p->nv);
	free(p);
}

struct http_proxy *http_proxy_h2_new(struct http_filter *filter, const char *scheme,
				     const struct http_proxy_limits *limits)
{
	static const struct http_proxy_ops ops = {
		h2p_free,  h2p_input, h2p_input_end, h2p_output, h2p_sent,
		h2p_state, h2p_idle,  h2p_resume,    h2p_run,
	};
	struct h2p *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->base = (struct http_proxy){&ops, filter, view_make(scheme, strlen(scheme))};
	p->limit = limits && limits->streams ? limits->streams : H2P_STREAMS;
	list_init(&p->streams);
	list_init(&p->work);
	h2p_guard_init(p);
	if (!h2p_sessions_new(p)) {
		h2p_free(&p->base);
		return NULL;
	}
	return &p->base;
}
