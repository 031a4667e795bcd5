// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes through the HTTP/1 proxy in random pieces. Broken contracts abort, for fuzzers use this
 * too.
 */
#include "http/proxy_h1_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/text.h"

static void must_at(bool ok, int line)
{
	if (!ok) {
		fprintf(stderr, "%s:%d: a contract is broken\n", __FILE__, line);
		abort();
	}
}
#define must(ok) must_at(ok, __LINE__)

unsigned proxy_rig_random(struct proxy_rig *r, unsigned below)
{
	r->random = r->random * 1103515245u + 12345u;
	return (r->random >> 8) % below;
}

/* ---- the filter ---- */

static struct proxy_rig *rig_of(struct http_filter *f)
{
	return (struct proxy_rig *)((char *)f - offsetof(struct proxy_rig, filter));
}

/* Whether the hook goes on: it may be told to refuse, or waits once now and then. */
static enum http_step decide(struct proxy_rig *r, struct http_exchange *x, enum rig_hook hook)
{
	int side = hook >= RIG_ANSWER;

	must(!r->waits[side]);
	if (r->many_waits && !r->asked_again[side] && proxy_rig_random(r, 3) == 0) {
		r->waits[side] = x;
		r->asked_again[side] = true;
		return HTTP_WAIT;
	}
	r->asked_again[side] = false;
	if (hook == r->refuse && ++r->calls > r->refuse_after) {
		x->denial = (struct http_denial){.status = 403, .reason = "the rig says so"};
		return HTTP_REFUSE;
	}
	return HTTP_GO;
}

static enum http_step hook_request(struct http_filter *f, struct http_exchange *x)
{
	struct proxy_rig *r = rig_of(f);

	if (!x->ctx)
		r->opened++;
	x->ctx = r;
	x->request.mode = r->request_mode;
	enum http_step step = decide(r, x, RIG_REQUEST);
	if (step == HTTP_GO && r->on_request)
		r->on_request(r, x);
	return step;
}

static enum http_step hook_answer(struct http_filter *f, struct http_exchange *x)
{
	struct proxy_rig *r = rig_of(f);

	must(x->ctx == r && x->answer.status >= 100);
	x->answer.mode = r->answer_mode;
	enum http_step step = decide(r, x, RIG_ANSWER);
	if (step == HTTP_GO && r->on_answer)
		r->on_answer(r, x);
	return step;
}

static enum http_step body(struct proxy_rig *r, struct http_exchange *x, enum http_body_mode mode,
			   enum rig_hook hook, struct view in, bool end, struct buf *out)
{
	enum http_step step = decide(r, x, end ? hook + 1 : hook);

	must(x->ctx == r && mode != HTTP_BODY_PASS);
	for (size_t i = 0; step == HTTP_GO && i < in.len; i++) {
		uint8_t c = in.p[i];
		if (mode == HTTP_BODY_SAME && c >= 'a' && c <= 'z')
			c = (uint8_t)(c - 'a' + 'A');
		must(buf_append(out, &c, 1));
		if (mode != HTTP_BODY_SAME)
			must(buf_append(out, &c, 1));
	}
	return step;
}

static enum http_step hook_request_body(struct http_filter *f, struct http_exchange *x,
					struct view in, bool end, struct buf *out)
{
	return body(rig_of(f), x, x->request.mode, RIG_REQUEST_BODY, in, end, out);
}

static enum http_step hook_answer_body(struct http_filter *f, struct http_exchange *x,
				       struct view in, bool end, struct buf *out)
{
	return body(rig_of(f), x, x->answer.mode, RIG_ANSWER_BODY, in, end, out);
}

static enum http_step hook_request_trailers(struct http_filter *f, struct http_exchange *x,
					    struct http_head *t)
{
	must(t->fields.count > 0);
	return decide(rig_of(f), x, RIG_REQUEST_TRAILERS);
}

static enum http_step hook_answer_trailers(struct http_filter *f, struct http_exchange *x,
					   struct http_head *t)
{
	must(t->fields.count > 0);
	return decide(rig_of(f), x, RIG_ANSWER_TRAILERS);
}

static void hook_refused(struct http_filter *f, struct http_exchange *x)
{
	must(x->denial.status >= 400 && x->denial.reason);
	rig_of(f)->refused++;
}

static void hook_done(struct http_filter *f, struct http_exchange *x)
{
	struct proxy_rig *r = rig_of(f);

	must(x->ctx == r);
	x->ctx = NULL;
	r->done++;
	for (int i = 0; i < 2; i++)
		if (r->waits[i] == x) {
			r->waits[i] = NULL;
			r->asked_again[i] = false;
		}
}

static const struct http_filter_ops ops = {
	.request = hook_request,
	.request_body = hook_request_body,
	.request_trailers = hook_request_trailers,
	.answer = hook_answer,
	.answer_body = hook_answer_body,
	.answer_trailers = hook_answer_trailers,
	.refused = hook_refused,
	.done = hook_done,
};

/* ---- the server, and the client ---- */

static void say(struct proxy_rig *r)
{
	if (r->said < r->answers)
		must(buf_append_view(&r->server_in, r->answer[r->said]));
	r->said++;
}

static void note_request(struct proxy_rig *r)
{
	const struct h1_head *h = h1_head(r->server);

	if (r->asked_count < RIG_ANSWERS_MAX)
		r->asked[r->asked_count++] = (struct h1_asked){
			.head = http_text_is_exactly(h->method, "HEAD"),
			.connect = h->connect,
			.upgrade = h->upgrade,
		};
	if ((r->early || h->connect) && !r->eager)
		say(r);
}

/* Reads what the proxy has sent to the server so far. */
static void serve(struct proxy_rig *r)
{
	const struct buf *b = &r->out[HTTP_UPSTREAM];
	size_t used;

	while (!r->tolerant && !r->tunnel) {
		struct view in = view_make(buf_view(b).p + r->server_at, b->len - r->server_at);
		enum h1_event e = h1_read(r->server, in, &used);
		r->server_at += used;
		must(e != H1_ERROR);
		if (e == H1_HEAD) {
			note_request(r);
		} else if (e == H1_END) {
			r->requests++;
			if (!r->early && !r->eager && !h1_head(r->server)->connect)
				say(r);
		} else if (e == H1_WAIT) {
			/* The answer is in the list; its reader says what it means. */
			return;
		} else if (e == H1_MORE || e == H1_TUNNEL) {
			return;
		}
	}
}

/* Reads what the proxy has sent to the guest so far. */
static void receive(struct proxy_rig *r)
{
	const struct buf *b = &r->out[HTTP_GUEST];
	size_t used;

	while (!r->tolerant && !r->tunnel) {
		struct view in = view_make(buf_view(b).p + r->client_at, b->len - r->client_at);
		if (!r->client_open) {
			if (!in.len)
				return;
			/* An answer of weir's own may be to what the server has not seen. */
			struct h1_asked asked = {0};
			if (r->expected < r->asked_count)
				asked = r->asked[r->expected];
			r->expected++;
			h1_answer_expect(r->client, asked);
			r->client_open = true;
		}
		enum h1_answer_event e = h1_answer_read(r->client, in, &used);
		r->client_at += used;
		must(e != H1_ANSWER_ERROR);
		if (e == H1_ANSWER_HEAD) {
			const struct h1_reply *reply = h1_answer_reply(r->client);
			if (reply->tunnel) {
				r->tunnel = true;
				h1_switch(r->server);
			} else if (!reply->interim) {
				h1_stay(r->server);
			}
		} else if (e == H1_ANSWER_END) {
			r->replies++;
			r->client_open = false;
		} else if (e == H1_ANSWER_MORE || e == H1_ANSWER_TUNNEL) {
			return;
		}
	}
}

/* ---- bytes ---- */

static size_t some(struct proxy_rig *r, size_t len)
{
	static const unsigned most[] = {1, 2, 7, 30, 200, 5000};

	if (!r->seed || !len)
		return len;
	size_t n = 1 + proxy_rig_random(r, most[proxy_rig_random(r, 6)]);
	return n < len ? n : len;
}

static bool take(struct proxy_rig *r, enum http_side side)
{
	struct view v = http_proxy_output(r->p, side);

	if (v.len > r->high[side])
		r->high[side] = v.len;
	if (!v.len || (r->slow && proxy_rig_random(r, 4)))
		return v.len > 0;
	v.len = some(r, v.len);
	must(buf_append_view(&r->out[side], v));
	http_proxy_sent(r->p, side, v.len);
	/* What the guest reads can let the server go on. */
	if (side == HTTP_GUEST)
		receive(r);
	serve(r);
	return true;
}

static bool give(struct proxy_rig *r, enum http_side side)
{
	struct view in = side == HTTP_GUEST ? r->guest : buf_view(&r->server_in);
	bool end = side == HTTP_GUEST ? r->guest_end : r->server_end && r->said >= r->answers;

	view_skip(&in, r->used[side]);
	if (!in.len) {
		if (!end || r->ended[side])
			return false;
		r->ended[side] = true;
		http_proxy_input_end(r->p, side);
		return true;
	}
	in.len = some(r, in.len);
	/* In memory of its own: nothing may look beyond it, or later. */
	uint8_t *copy = malloc(in.len);
	must(copy);
	memcpy(copy, in.p, in.len);
	size_t n = http_proxy_input(r->p, side, view_make(copy, in.len));
	free(copy);
	must(n <= in.len);
	r->used[side] += n;
	return n > 0;
}

static bool resume(struct proxy_rig *r)
{
	bool any = false;

	for (int i = 0; i < 2; i++) {
		struct http_exchange *x = r->waits[i];
		if (!x || (r->seed && proxy_rig_random(r, 2)))
			continue;
		/* Both hooks of one exchange are called again. */
		r->waits[i] = NULL;
		if (r->waits[!i] == x)
			r->waits[!i] = NULL;
		http_proxy_resume(r->p, x);
		http_proxy_run(r->p);
		any = true;
	}
	return any || r->waits[0] || r->waits[1];
}

static void start(struct proxy_rig *r, const char *scheme)
{
	r->random = r->seed;
	r->filter.ops = &ops;
	r->p = http_proxy_h1_new(&r->filter, scheme, NULL);
	r->server = h1_new();
	r->client = h1_answer_new();
	must(r->p && r->server && r->client);
	if (r->eager)
		while (r->said < r->answers)
			say(r);
}

void proxy_rig_run(struct proxy_rig *r, const char *scheme)
{
	unsigned still = 0;

	start(r, scheme);
	/* Random turns: none of the sides is served first. */
	while (still < 40) {
		bool moved = false;
		for (unsigned i = 0; i < 5; i++) {
			unsigned what = r->seed ? proxy_rig_random(r, 5) : i;
			if (what < 2)
				moved |= give(r, what == 0 ? HTTP_GUEST : HTTP_UPSTREAM);
			else if (what < 4)
				moved |= take(r, what == 2 ? HTTP_GUEST : HTTP_UPSTREAM);
			else
				moved |= resume(r);
		}
		still = moved ? 0 : still + 1;
	}
	for (int i = 0; i < 2; i++)
		r->state[i] = http_proxy_state(r->p, i);
}

void proxy_rig_done(struct proxy_rig *r)
{
	http_proxy_free(r->p);
	must(r->opened == r->done);
	h1_free(r->server);
	h1_answer_free(r->client);
	buf_done(&r->out[0]);
	buf_done(&r->out[1]);
	buf_done(&r->server_in);
}
