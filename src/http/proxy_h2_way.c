// SPDX-License-Identifier: Apache-2.0
/*
 * One direction of an exchange of the HTTP/2 proxy, from its head to its trailers.
 *
 * Each way goes through the states of enum h2p_way_state by itself, as far as there are bytes, the
 * filter does not wait, and `out` has room; whatever changes one of these calls h2p_way_run(). The
 * answer may be over before the request is; the request's way then only drops bytes.
 */
#include "http/proxy_h2_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/text.h"

/* What a filter is shown at once, so that what it makes of it is bounded, too. */
#define PIECE 16384

void h2p_way_count(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];
	/* The filter answers for what it collects. */
	size_t out = w->mode == HTTP_BODY_WHOLE ? 0 : w->out.len;
	size_t now = w->in.len + out;

	p->side[from].queued += now - w->counted;
	p->side[from].ready += out - w->counted_out;
	w->counted = now;
	w->counted_out = out;
}

/* ---- heads go on ---- */

static bool forbids_body(const struct h2p_stream *s)
{
	return s->head || s->x.answer.status == 204 || s->x.answer.status == 304;
}

static struct http_head *head_of(struct h2p_stream *s, enum http_side from)
{
	return from == HTTP_GUEST ? &s->x.request : &s->x.answer;
}

/* False without room. */
static bool fix_length(struct h2p_stream *s, enum http_side from)
{
	struct http_head *h = head_of(s, from);
	const struct h2p_way *w = &s->way[from];
	struct http_field *f = http_head_find(h, "content-length", NULL);
	char text[24];

	if (w->mode == HTTP_BODY_PASS || w->mode == HTTP_BODY_SAME)
		return true;
	if (w->mode == HTTP_BODY_STREAM || (from == HTTP_UPSTREAM && forbids_body(s))) {
		if (f)
			http_head_remove(h, (size_t)(f - h->fields.list));
		return true;
	}
	if (!f && !w->out.len)
		return true;
	int n = snprintf(text, sizeof(text), "%zu", w->out.len);
	struct view v = view_make(text, (size_t)n);
	return f ? http_head_set_value(h, (size_t)(f - h->fields.list), v)
		 : http_head_add(h, "content-length", v);
}

static ssize_t submit(struct h2p *p, struct h2p_stream *s, enum http_side from,
		      const nghttp2_nv *nv, size_t n)
{
	const struct h2p_way *w = &s->way[from];
	nghttp2_data_provider source = {{.ptr = s}, h2p_read};
	bool empty = w->state == H2P_DONE && !w->out.len && !w->trailers.fields.count;

	if (from == HTTP_GUEST)
		return nghttp2_submit_request(p->side[HTTP_UPSTREAM].session, NULL, nv, n,
					      empty ? NULL : &source, s);
	if (s->x.answer.status < 200)
		return nghttp2_submit_headers(p->side[HTTP_GUEST].session, NGHTTP2_FLAG_NONE,
					      s->id[HTTP_GUEST], NULL, nv, n, NULL);
	return nghttp2_submit_response(p->side[HTTP_GUEST].session, s->id[HTTP_GUEST], nv, n,
				       empty ? NULL : &source);
}

static bool was_changed(const struct http_head *h)
{
	for (size_t i = 0; i < h->fields.count; i++)
		if (h->fields.list[i].changed)
			return true;
	return h->path_changed;
}

static void send_head(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];
	size_t n;

	if (from == HTTP_GUEST && p->side[HTTP_UPSTREAM].going) {
		h2p_stream_break(p, s, NGHTTP2_REFUSED_STREAM);
		return;
	}
	if (!fix_length(s, from)) {
		h2p_stream_lost(p, s, "the head is too long");
		return;
	}
	const nghttp2_nv *nv = h2p_head_write(p, s, from, &n);
	ssize_t id = nv ? submit(p, s, from, nv, n) : NGHTTP2_ERR_NOMEM;
	if (id < 0) {
		p->no_memory = p->no_memory || id == NGHTTP2_ERR_NOMEM;
		h2p_stream_break(p, s, NGHTTP2_INTERNAL_ERROR);
		return;
	}
	if (from == HTTP_GUEST) {
		s->id[HTTP_UPSTREAM] = (int32_t)id;
		s->open[HTTP_UPSTREAM] = true;
		p->side[HTTP_UPSTREAM].out.secret |=
			w->mode != HTTP_BODY_PASS || was_changed(&s->x.request);
	} else if (s->x.answer.status >= 200) {
		s->answered = true;
	}
	w->head_sent = true;
}

/* ---- the steps of a way: true where something was done ---- */

static bool wait_or_refuse(struct h2p *p, struct h2p_stream *s, enum http_side from,
			   enum http_step step)
{
	s->way[from].waiting = step == HTTP_WAIT;
	if (step == HTTP_REFUSE)
		h2p_stream_refuse(p, s, &s->x.denial);
	return false;
}

/* The stream behind has something to send again. */
static void wake(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];
	enum http_side to = h2p_other(from);

	if (!w->sleeping || !s->open[to])
		return;
	w->sleeping = false;
	nghttp2_session_resume_data(p->side[to].session, s->id[to]);
}

static bool next_answer(struct h2p *p, struct h2p_stream *s)
{
	struct h2p_block *b = s->blocks;

	if (!b)
		return false;
	s->blocks = b->next;
	if (!s->blocks)
		s->blocks_end = &s->blocks;
	s->block_count--;
	h2p_head_answer(s, &b->fields, &b->answer, b->end);
	h2p_block_free(b);
	s->way[HTTP_UPSTREAM].state = H2P_HEAD;
	return true;
}

static void begin_tunnel(struct h2p_stream *s)
{
	s->x.tunnel = s->x.request.connect && s->x.answer.status / 100 == 2;
	if (s->x.tunnel)
		s->x.answer.length = HTTP_LENGTH_STREAM;
}

/* A tunnel cannot be collected, and its heads have gone already. */
static enum http_body_mode tunnel_mode(enum http_body_mode mode)
{
	return mode == HTTP_BODY_WHOLE ? HTTP_BODY_STREAM : mode;
}

/* Who waits to be asked for the body would wait for an upstream that is waiting for us. */
static void ask_for_body(struct h2p *p, struct h2p_stream *s)
{
	static const char *const name = ":status", *const value = "100";
	struct http_head *h = &s->x.request;
	struct http_field *f = http_head_find(h, "expect", NULL);
	const nghttp2_nv nv = {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value,
			       strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};

	if (!f || !http_text_is(f->value, "100-continue"))
		return;
	http_head_remove(h, (size_t)(f - h->fields.list));
	p->must_speak = true;
	if (nghttp2_submit_headers(p->side[HTTP_GUEST].session, NGHTTP2_FLAG_NONE,
				   s->id[HTTP_GUEST], NULL, &nv, 1, NULL) != 0)
		p->no_memory = true;
}

/* The head may go on: now, or with the body. */
static bool accept_head(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];
	struct http_head *h = head_of(s, from);

	w->mode = h->connect || s->x.tunnel ? tunnel_mode(h->mode) : h->mode;
	/* Values are put in on the way out, and taken out on the way back. */
	(from == HTTP_GUEST ? &w->out : &w->in)->secret = w->mode != HTTP_BODY_PASS;
	w->state = H2P_BODY;
	if (w->mode == HTTP_BODY_PASS && w->in_end && !w->in.len && !w->has_trailers)
		w->state = H2P_DONE;
	/* Where there is no body the filter may still make one. */
	bool later = w->mode == HTTP_BODY_WHOLE ||
		     (w->mode == HTTP_BODY_STREAM && h->length == HTTP_LENGTH_NONE && w->in_end);
	if (later)
		w->mode = HTTP_BODY_WHOLE;
	else
		send_head(p, s, from);
	if (later && from == HTTP_GUEST && !w->in_end)
		ask_for_body(p, s);
	h2p_way_count(p, s, from);
	return true;
}

static bool run_request_head(struct h2p *p, struct h2p_stream *s)
{
	s->hooked = true;
	enum http_step step = proxy_hook_request(&p->base, &s->x);
	if (step != HTTP_GO)
		return wait_or_refuse(p, s, HTTP_GUEST, step);
	return accept_head(p, s, HTTP_GUEST);
}

static bool run_answer_head(struct h2p *p, struct h2p_stream *s)
{
	begin_tunnel(s);
	enum http_step step = proxy_hook_answer(&p->base, &s->x);
	if (step != HTTP_GO)
		return wait_or_refuse(p, s, HTTP_UPSTREAM, step);
	if (s->x.answer.status < 200) {
		send_head(p, s, HTTP_UPSTREAM);
		s->way[HTTP_UPSTREAM].state = H2P_IDLE;
		return true;
	}
	if (s->x.tunnel) {
		struct h2p_way *w = &s->way[HTTP_GUEST];
		w->mode = tunnel_mode(s->x.request.mode);
		w->out.secret = w->mode != HTTP_BODY_PASS;
		p->side[HTTP_UPSTREAM].out.secret |= w->out.secret;
	}
	accept_head(p, s, HTTP_UPSTREAM);
	/* What was sent into a tunnel that was not there yet. */
	h2p_stream_work(p, s);
	return true;
}

static void body_is_over(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];

	w->state = w->has_trailers ? H2P_TRAILERS : H2P_DONE;
	if (w->mode == HTTP_BODY_SAME && w->came != w->gave)
		h2p_stream_lost(p, s, "a body has changed its length");
	else if (w->state == H2P_DONE && w->mode == HTTP_BODY_WHOLE)
		send_head(p, s, from);
}

static bool pass_body(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];

	if (!w->in.len && !w->in_end)
		return false;
	if (w->in.len && !buf_append_view(&w->out, buf_view(&w->in))) {
		p->no_memory = true;
		return false;
	}
	buf_take(&w->in, w->in.len);
	if (w->in_end)
		body_is_over(p, s, from);
	wake(p, s, from);
	return w->in_end;
}

static bool hook_body(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];
	size_t n = w->in.len < PIECE ? w->in.len : PIECE, had = w->out.len;
	bool end = w->in_end && n == w->in.len;

	if (w->again) { /* whatever has come since */
		n = w->again_len;
		end = w->again_end;
	}
	if ((!n && !end) || (w->mode != HTTP_BODY_WHOLE && w->out.len >= H2P_OUT_MAX))
		return false;
	s->x.denial = (struct http_denial){0};
	enum http_step step = proxy_hook_body(&p->base, &s->x, from,
					      view_make(buf_view(&w->in).p, n), end, &w->out);
	w->again = step == HTTP_WAIT;
	w->again_len = n;
	w->again_end = end;
	if (step != HTTP_GO)
		return wait_or_refuse(p, s, from, step);
	buf_take(&w->in, n);
	w->came += n;
	w->gave += w->out.len - had;
	if (from == HTTP_UPSTREAM && forbids_body(s))
		buf_done(&w->out);
	if (end)
		body_is_over(p, s, from);
	if (s->over)
		return false;
	wake(p, s, from);
	return true;
}

static bool run_body(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	/* Before it is known where they go, a tunnel's bytes wait. */
	if (from == HTTP_GUEST && s->x.request.connect && !s->answered)
		return false;
	bool more =
		s->way[from].mode == HTTP_BODY_PASS ? pass_body(p, s, from) : hook_body(p, s, from);
	h2p_way_count(p, s, from);
	return more;
}

static bool run_trailers(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];
	enum http_step step = proxy_hook_trailers(&p->base, &s->x, from, &w->trailers);

	if (step != HTTP_GO)
		return wait_or_refuse(p, s, from, step);
	w->state = H2P_DONE;
	if (w->mode == HTTP_BODY_WHOLE)
		send_head(p, s, from);
	wake(p, s, from);
	return true;
}

static bool run_step(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	switch (s->way[from].state) {
	case H2P_IDLE:
		return from == HTTP_UPSTREAM && next_answer(p, s);
	case H2P_HEAD:
		return from == HTTP_GUEST ? run_request_head(p, s) : run_answer_head(p, s);
	case H2P_BODY:
		return run_body(p, s, from);
	case H2P_TRAILERS:
		return run_trailers(p, s, from);
	default:
		return false;
	}
}

void h2p_way_run(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	while (!s->over && !p->no_memory && !s->way[from].waiting && run_step(p, s, from))
		;
}

/* ---- what comes ---- */

void h2p_way_data(struct h2p *p, struct h2p_stream *s, enum http_side from, struct view in)
{
	struct h2p_way *w = &s->way[from];
	enum http_side to = h2p_other(from);

	/* An answer is over, or our own was given: the rest of the request is for nobody. */
	if (s->over || (from == HTTP_GUEST && w->head_sent && !s->open[to])) {
		if (from == HTTP_GUEST)
			h2p_stream_ignored(p, s, in.len);
		return;
	}
	bool through = w->state == H2P_BODY && w->mode == HTTP_BODY_PASS && !w->waiting &&
		       !w->in.len && !(from == HTTP_GUEST && s->x.request.connect && !s->answered);
	if (!buf_append_view(through ? &w->out : &w->in, in)) {
		p->no_memory = true;
		return;
	}
	w->total += in.len;
	h2p_way_count(p, s, from);
	if (through)
		wake(p, s, from);
	else
		h2p_way_run(p, s, from);
	h2p_stream_work(p, s);
}

static void request_came(struct h2p *p, struct h2p_stream *s, bool end)
{
	struct h2p_side *side = &p->side[HTTP_GUEST];
	const char *error = NULL;
	int status = 400;

	s->way[HTTP_GUEST].in_end = end;
	if (side->block_bad) {
		status = 431;
		error = "the head is too long";
	} else {
		h2p_head_request(p, s, end, &error);
	}
	if (error) {
		h2p_stream_refuse(p, s, &(struct http_denial){.status = status, .reason = error});
		return;
	}
	s->way[HTTP_GUEST].state = H2P_HEAD;
	h2p_way_run(p, s, HTTP_GUEST);
}

static void trailers_came(struct h2p *p, struct h2p_stream *s, enum http_side from, bool end)
{
	struct h2p_way *w = &s->way[from];
	const char *error = "the trailers are too long";

	if (p->side[from].block_bad || !end || !h2_head_trailers(&p->side[from].block, &error)) {
		h2p_stream_refuse(p, s,
				  &(struct http_denial){.status = from == HTTP_GUEST ? 400 : 502,
							.reason = error});
		return;
	}
	w->trailers.fields = p->side[from].block;
	http_fields_init(&p->side[from].block);
	w->has_trailers = true;
	w->in_end = true;
	h2p_way_run(p, s, from);
}

static void answer_came(struct h2p *p, struct h2p_stream *s, bool end)
{
	struct h2p_side *side = &p->side[HTTP_UPSTREAM];
	struct h2p_block *b = calloc(1, sizeof(*b));
	const char *error = "the head is too long";

	if (!b) {
		p->no_memory = true;
		return;
	}
	b->fields = side->block;
	b->end = end;
	http_fields_init(&side->block);
	if (side->block_bad || s->block_count == H2P_INTERIM ||
	    !h2_head_answer(&b->fields, &b->answer, &error)) {
		h2p_block_free(b);
		h2p_stream_lost(p, s, h2p_malformed);
		return;
	}
	if (b->answer.status >= 200)
		s->final = true;
	else if (!h2p_guard_idle(side))
		h2p_end(p, HTTP_UPSTREAM, NGHTTP2_ENHANCE_YOUR_CALM);
	*s->blocks_end = b;
	s->blocks_end = &b->next;
	s->block_count++;
	s->way[HTTP_UPSTREAM].in_end = end;
	h2p_way_run(p, s, HTTP_UPSTREAM);
}

void h2p_way_block(struct h2p *p, struct h2p_stream *s, enum http_side from, bool end)
{
	if (s->over)
		return;
	if (from == HTTP_GUEST && s->way[HTTP_GUEST].state == H2P_IDLE)
		request_came(p, s, end);
	else if (from == HTTP_UPSTREAM && !s->final)
		answer_came(p, s, end);
	else
		trailers_came(p, s, from, end);
	h2p_stream_work(p, s);
}
