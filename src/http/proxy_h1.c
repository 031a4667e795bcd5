// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/1 proxy: its calls, the queue of exchanges, and how a connection ends.
 */
#include "http/proxy_h1_priv.h"

#include <stdlib.h>

#include "http/text.h"

/* An output that is empty between two exchanges keeps no more memory than this. */
#define OUT_KEPT 4096

/* ---- exchanges ---- */

void proxy_h1_clear_head(struct http_head *h, size_t read_len)
{
	struct http_fields fields = h->fields;

	if (fields.text_len > read_len)
		explicit_bzero(fields.text + read_len, fields.text_len - read_len);
	http_fields_clear(&fields);
	*h = (struct http_head){.fields = fields};
}

static void clear_exchange(struct xchg *x)
{
	struct http_head request = x->x.request, answer = x->x.answer;

	proxy_h1_clear_head(&request, x->request_read);
	proxy_h1_clear_head(&answer, x->answer_read);
	*x = (struct xchg){.x = {.request = request, .answer = answer}};
}

static void free_exchange(struct xchg *x)
{
	if (!x)
		return;
	http_fields_done(&x->x.request.fields);
	http_fields_done(&x->x.answer.fields);
	free(x);
}

struct xchg *proxy_h1_add(struct proxy_h1 *p)
{
	struct xchg *x = p->spare ? p->spare : calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	p->spare = NULL;
	x->x.proxy = &p->base;
	x->x.id = p->next_id;
	p->next_id += 2;
	if (p->last)
		p->last->next = x;
	else
		p->first = x;
	p->last = x;
	p->count++;
	return x;
}

static void remove_first(struct proxy_h1 *p)
{
	struct xchg *x = p->first;

	if (x->hooked)
		proxy_hook_done(&p->base, &x->x);
	p->first = x->next;
	if (!p->first)
		p->last = NULL;
	p->count--;
	clear_exchange(x);
	if (p->spare)
		free_exchange(x);
	else
		p->spare = x;
}

void proxy_h1_remove_done(struct proxy_h1 *p)
{
	while (p->first && p->first->request_over && p->first->answer_over)
		remove_first(p);
}

/* ---- ends ---- */

void proxy_h1_close(struct proxy_h1 *p, enum http_proxy_state guest, enum http_proxy_state upstream)
{
	/* Half a request must not look like a whole one. */
	if (p->reading && p->reading->written)
		upstream = HTTP_PROXY_CUT;
	p->over = true;
	p->state[HTTP_GUEST] = guest;
	p->state[HTTP_UPSTREAM] = upstream;
	p->reading = NULL;
	p->answering = false;
	for (int i = 0; i < 2; i++)
		proxy_h1_way_clear(&p->way[i]);
	while (p->first)
		remove_first(p);
}

void proxy_h1_refuse(struct proxy_h1 *p, struct xchg *x)
{
	x->refused = true;
	p->deaf = true;
	p->way[HTTP_GUEST].waits = WAY_RUNS;
}

void proxy_h1_refuse_with(struct proxy_h1 *p, struct xchg *x, int status, const char *reason)
{
	x->x.denial = (struct http_denial){.status = status, .reason = reason};
	x->by_proxy = true;
	proxy_h1_refuse(p, x);
}

bool proxy_h1_goes(struct proxy_h1 *p, struct h1_way *w, struct xchg *x, enum http_step said,
		   enum way_wait at)
{
	if (said == HTTP_WAIT) {
		w->x = x;
		w->waits = at;
	} else if (said == HTTP_REFUSE) {
		proxy_h1_refuse(p, x);
	}
	return said == HTTP_GO;
}

/* The refused exchange is the oldest one: its answer is next. */
static void end_refused(struct proxy_h1 *p)
{
	struct xchg *x = p->first;
	struct http_denial *d = &x->x.denial;
	uint8_t text[HTTP_DENY_MAX];
	enum http_proxy_state guest = HTTP_PROXY_END;

	if (x->by_proxy && d->status)
		proxy_hook_refused(&p->base, &x->x);
	d->head = http_text_is_exactly(x->x.request.method, "HEAD");
	if (x->answer_begun)
		guest = HTTP_PROXY_CUT;
	else if (d->status && !buf_append(&p->out[HTTP_GUEST], text, http_deny_h1(d, text)))
		guest = HTTP_PROXY_CUT;
	proxy_h1_close(p, guest, x->written ? HTTP_PROXY_CUT : HTTP_PROXY_END);
}

void proxy_h1_continue(struct proxy_h1 *p)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct xchg *x = p->first;

	if (!x || !x->owes_continue)
		return;
	x->owes_continue = false;
	if (!buf_append(&p->out[HTTP_GUEST], text, sizeof(text) - 1))
		proxy_h1_refuse_with(p, x, 0, NULL);
}

/* At the end of each call: what the queue, and the ends of the streams, lead to. */
static void settle(struct proxy_h1 *p)
{
	if (!p->over && p->ended[HTTP_UPSTREAM] && !p->way[HTTP_UPSTREAM].waits &&
	    !(p->first && p->first->refused))
		proxy_h1_upstream_end(p);
	if (!p->over && p->ended[HTTP_GUEST] && !p->way[HTTP_GUEST].waits)
		proxy_h1_guest_end(p);
	if (!p->over && p->first && p->first->refused)
		end_refused(p);
	if (!p->over && p->first && p->first->switched && p->state[HTTP_GUEST] == HTTP_PROXY_END &&
	    p->state[HTTP_UPSTREAM] == HTTP_PROXY_END)
		proxy_h1_close(p, HTTP_PROXY_END, HTTP_PROXY_END);
	if (!p->over)
		proxy_h1_continue(p);
}

bool proxy_h1_again(struct proxy_h1 *p, struct h1_way *w)
{
	enum way_wait waits = w->waits;
	bool guest = w->from == HTTP_GUEST;

	if (!w->resumed)
		return false;
	w->resumed = false;
	w->waits = WAY_RUNS;
	if (waits == WAY_WAITS_HEAD && guest) {
		proxy_h1_request_head(p, w->x);
	} else if (waits == WAY_WAITS_HEAD) {
		proxy_h1_answer_head(p, w->x);
	} else if (waits == WAY_WAITS_BODY) {
		proxy_h1_way_give(p, w, buf_view(&w->held), 0);
		if (!w->waits)
			buf_take(&w->held, w->held.len);
	} else if (guest) {
		proxy_h1_request_end(p, w->x);
	} else {
		proxy_h1_answer_end(p, w->x);
	}
	return !w->waits;
}

/* ---- the calls ---- */

static size_t input(struct http_proxy *base, enum http_side side, struct view in)
{
	struct proxy_h1 *p = proxy_h1(base);
	size_t used =
		side == HTTP_GUEST ? proxy_h1_read_requests(p, in) : proxy_h1_read_answers(p, in);

	settle(p);
	return p->over || (side == HTTP_GUEST && p->deaf) ? in.len : used;
}

static void run(struct http_proxy *base)
{
	struct proxy_h1 *p = proxy_h1(base);

	proxy_h1_read_answers(p, view_make("", 0));
	proxy_h1_read_requests(p, view_make("", 0));
	settle(p);
}

static void input_end(struct http_proxy *base, enum http_side side)
{
	struct proxy_h1 *p = proxy_h1(base);

	p->ended[side] = true;
	run(base);
}

static struct view output(const struct http_proxy *base, enum http_side side)
{
	return buf_view(&((const struct proxy_h1 *)base)->out[side]);
}

static void sent(struct http_proxy *base, enum http_side side, size_t n)
{
	struct proxy_h1 *p = proxy_h1(base);
	struct buf *out = &p->out[side];

	buf_take(out, n);
	if (side == HTTP_UPSTREAM)
		p->sent += n;
	if (!out->len && !p->count && out->cap > OUT_KEPT)
		buf_done(out);
}

static enum http_proxy_state state(const struct http_proxy *base, enum http_side side)
{
	return ((const struct proxy_h1 *)base)->state[side];
}

static bool idle(const struct http_proxy *base)
{
	const struct proxy_h1 *p = (const struct proxy_h1 *)base;

	return !p->first && !p->partial && !p->out[HTTP_GUEST].len && !p->out[HTTP_UPSTREAM].len;
}

static void resume(struct http_proxy *base, struct http_exchange *x)
{
	struct proxy_h1 *p = proxy_h1(base);

	for (int i = 0; i < 2; i++)
		if (p->way[i].waits && &p->way[i].x->x == x)
			p->way[i].resumed = true;
}

static void free_proxy(struct http_proxy *base)
{
	struct proxy_h1 *p = proxy_h1(base);

	while (p->first)
		remove_first(p);
	free_exchange(p->spare);
	for (int i = 0; i < 2; i++) {
		buf_done(&p->out[i]);
		proxy_h1_way_done(&p->way[i]);
	}
	h1_free(p->requests);
	h1_answer_free(p->answers);
	free(p);
}

static const struct http_proxy_ops ops = {
	.free = free_proxy,
	.input = input,
	.input_end = input_end,
	.output = output,
	.sent = sent,
	.state = state,
	.idle = idle,
	.resume = resume,
	.run = run,
};

struct http_proxy *http_proxy_h1_new(struct http_filter *filter, const char *scheme,
				     const struct http_proxy_limits *limits)
{
	struct proxy_h1 *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->base = (struct http_proxy){
		.ops = &ops,
		.filter = filter,
		.scheme = view_make(scheme, strlen(scheme)),
	};
	p->requests = h1_new();
	p->answers = h1_answer_new();
	p->next_id = 1;
	p->way[HTTP_GUEST].from = HTTP_GUEST;
	p->way[HTTP_UPSTREAM].from = HTTP_UPSTREAM;
	/* Toward the upstream there are secrets in it. */
	p->out[HTTP_UPSTREAM].secret = true;
	for (int i = 0; i < 2; i++)
		p->way[i].whole.secret = p->way[i].scratch.secret = p->way[i].held.secret = true;
	if (!p->requests || !p->answers) {
		free_proxy(&p->base);
		return NULL;
	}
	h1_split(p->requests);
	return &p->base;
}
