// SPDX-License-Identifier: Apache-2.0
/*
 * The upstream's answers: read as the answers to what was asked, in order, and written to the
 * guest. What the upstream sends unasked, or what cannot be read, ends the connection.
 */
#include "http/proxy_h1_hop.h"
#include "http/proxy_h1_priv.h"
#include "http/text.h"

#define BAD_GATEWAY 502

static struct h1_way *way_of(struct proxy_h1 *p)
{
	return &p->way[HTTP_UPSTREAM];
}

static void fail(struct proxy_h1 *p, const char *reason)
{
	if (p->first)
		proxy_h1_refuse_with(p, p->first, BAD_GATEWAY, reason);
	else
		proxy_h1_close(p, HTTP_PROXY_END, HTTP_PROXY_CUT);
}

/* Bytes come, and no answer is under way: they must begin one to a request that has been sent. */
static bool expect(struct proxy_h1 *p)
{
	const struct xchg *x = p->first;

	if (!x || !x->written || x->answer_over || p->sent <= x->start) {
		fail(p, "the server answers what it was not asked");
		return false;
	}
	h1_answer_expect(p->answers,
			 (struct h1_asked){
				 .head = http_text_is_exactly(x->x.request.method, "HEAD"),
				 .connect = x->x.request.connect,
				 .upgrade = x->x.request.upgrade,
			 });
	p->answering = true;
	return true;
}

/* ---- from the reader's head to the exchange's ---- */

static bool fill_answer(struct xchg *x, const struct h1_reply *r, const char **ret_error)
{
	struct http_head *h = &x->x.answer;
	struct h1_hop hop = {.upgrade_possible = r->status == 101 || r->status == 426};

	proxy_h1_clear_head(h, x->answer_read);
	if (!h1_hop_copy(h, r->bytes, r->fields, r->field_count, &hop)) {
		*ret_error = hop.error;
		return false;
	}
	h->status = r->status;
	h->length = r->framing == H1_NO_BODY  ? HTTP_LENGTH_NONE
		    : r->framing == H1_LENGTH ? r->length
					      : HTTP_LENGTH_STREAM;
	x->answer_framing = r->framing;
	x->answer_minor = r->minor;
	x->interim = r->interim;
	x->reason = (size_t)(r->reason.p - r->bytes.p);
	x->reason_len = r->reason.len;
	x->answer_read = h->fields.text_len;
	x->upstream_keep = r->minor ? !hop.close : hop.keep_alive;
	/* A guest of HTTP/1.0 is to be told that the connection goes on. */
	if (!x->minor && !hop.keep_alive)
		x->upstream_keep = false;
	return true;
}

/* RFC 9110 7.8: a switch is to a protocol that was asked for. */
static bool switches_right(const struct xchg *x)
{
	const struct http_field *to = http_head_find(&x->x.answer, "upgrade", NULL);
	const struct http_field *asked = http_head_find(&x->x.request, "upgrade", NULL);
	struct view list, member;

	if (!to)
		return false;
	for (; asked; asked = http_head_find(&x->x.request, "upgrade", asked)) {
		list = asked->value;
		while (http_list_next(&list, &member))
			if (member.len == to->value.len &&
			    strncasecmp((const char *)member.p, (const char *)to->value.p,
					member.len) == 0)
				return true;
	}
	return false;
}

/* ---- heads ---- */

/* An answer to a HEAD, or a 304, may tell of the body that another request would get; unless a
 * filter would change that. */
static bool keeps_framing(const struct xchg *x)
{
	const struct http_head *h = &x->x.answer;
	bool told = h->status == 304 ||
		    (http_text_is_exactly(x->x.request.method, "HEAD") && h->status != 204);

	return told && !x->interim && !x->x.tunnel &&
	       (h->mode == HTTP_BODY_PASS || h->mode == HTTP_BODY_SAME);
}

bool proxy_h1_write_answer(struct proxy_h1 *p, struct xchg *x, const struct h1_way *w)
{
	const struct http_head *h = &x->x.answer;
	struct h1_writing writing = {
		.minor = w->out == H1_CHUNKED ? 1 : x->answer_minor,
		.framing = w->out,
		.length = w->left,
		.keep_framing = keeps_framing(x),
		.read_len = x->answer_read,
	};

	if (!x->interim && !x->x.tunnel) {
		x->closing = !x->keep || !x->upstream_keep || w->in == H1_UNTIL_CLOSE ||
			     w->out == H1_UNTIL_CLOSE;
		writing.close = x->closing;
	}
	if (!h1_write_answer(&p->out[HTTP_GUEST], h,
			     view_make(h->fields.text + x->reason, x->reason_len), &writing))
		return false;
	x->answer_begun = !x->interim;
	return true;
}

/* RFC 9110 15.2: HTTP/1.0 knows no interim answers. */
static void go_on_interim(struct proxy_h1 *p, struct xchg *x)
{
	struct h1_way none = {.from = HTTP_UPSTREAM, .in = H1_NO_BODY, .out = H1_NO_BODY};

	if (x->minor && !proxy_h1_write_answer(p, x, &none))
		fail(p, "the answer cannot be written");
}

static void begin_tunnel(struct proxy_h1 *p, struct xchg *x)
{
	struct h1_way none = {.from = HTTP_UPSTREAM, .in = H1_NO_BODY, .out = H1_NO_BODY};

	if (!proxy_h1_write_answer(p, x, &none)) {
		fail(p, "the answer cannot be written");
		return;
	}
	h1_switch(p->requests);
	x->switched = true;
	proxy_h1_way_tunnel(way_of(p), x);
}

static void go_on(struct proxy_h1 *p, struct xchg *x)
{
	if (x->interim) {
		go_on_interim(p, x);
	} else if (x->x.tunnel) {
		begin_tunnel(p, x);
	} else {
		if (x->asks)
			h1_stay(p->requests);
		if (!proxy_h1_way_begin(p, way_of(p), x, x->minor))
			fail(p, "the answer cannot be written");
	}
}

void proxy_h1_answer_head(struct proxy_h1 *p, struct xchg *x)
{
	enum http_step step = proxy_hook_answer(&p->base, &x->x);

	if (proxy_h1_goes(p, way_of(p), x, step, WAY_WAITS_HEAD))
		go_on(p, x);
}

static void read_head(struct proxy_h1 *p)
{
	const struct h1_reply *r = h1_answer_reply(p->answers);
	const char *error;
	struct xchg *x = p->first;

	if (!fill_answer(x, r, &error)) {
		fail(p, error);
		return;
	}
	if (r->status == 101 && !switches_right(x)) {
		fail(p, "the server switches to a protocol that was not asked for");
		return;
	}
	x->x.tunnel = r->tunnel;
	proxy_h1_answer_head(p, x);
}

/* ---- the rest of a message ---- */

void proxy_h1_answer_end(struct proxy_h1 *p, struct xchg *x)
{
	struct h1_way *w = way_of(p);

	if (!proxy_h1_goes(p, w, x, proxy_h1_way_end(p, w), WAY_WAITS_END))
		return;
	if (x->x.tunnel) {
		p->state[HTTP_GUEST] = HTTP_PROXY_END;
		return;
	}
	p->answering = false;
	x->answer_over = true;
	proxy_h1_way_clear(w);
	if (x->closing)
		proxy_h1_close(p, HTTP_PROXY_END, HTTP_PROXY_END);
	else
		proxy_h1_remove_done(p);
}

static void read_body(struct proxy_h1 *p)
{
	uint64_t chunk;
	struct view data = h1_answer_data(p->answers, &chunk);

	if (data.len)
		proxy_h1_way_give(p, way_of(p), data, chunk);
}

static void read_trailer(struct proxy_h1 *p)
{
	const struct h1_reply *r = h1_answer_reply(p->answers);

	if (!proxy_h1_way_trailers(way_of(p), r->trailer, r->trailers, r->trailer_count))
		fail(p, "the trailer is too large");
}

/* ---- the pump ---- */

static bool limit(struct proxy_h1 *p, struct view *in)
{
	size_t used = p->out[HTTP_GUEST].len;

	if (!in->len)
		return true;
	if (used >= HTTP_PROXY_HIGH)
		return false;
	if (in->len > HTTP_PROXY_HIGH - used)
		in->len = HTTP_PROXY_HIGH - used;
	return true;
}

/* One event; false where there is none until something changes. */
static bool step(struct proxy_h1 *p, struct view in, size_t *ret_used)
{
	switch (h1_answer_read(p->answers, in, ret_used)) {
	case H1_ANSWER_MORE:
		return *ret_used > 0;
	case H1_ANSWER_HEAD:
		read_head(p);
		return true;
	case H1_ANSWER_BODY:
		read_body(p);
		return true;
	case H1_ANSWER_TRAILER:
		read_trailer(p);
		return true;
	case H1_ANSWER_END:
		proxy_h1_answer_end(p, p->first);
		return true;
	case H1_ANSWER_TUNNEL:
		*ret_used = in.len;
		if (in.len)
			proxy_h1_way_give(p, way_of(p), in, 0);
		return in.len > 0;
	case H1_ANSWER_ERROR:
		fail(p, h1_answer_error(p->answers));
		return true;
	}
	return false;
}

/* Its answer is made up by weir. */
static bool is_refused(const struct proxy_h1 *p)
{
	return p->first && p->first->refused;
}

size_t proxy_h1_read_answers(struct proxy_h1 *p, struct view in)
{
	const uint8_t *from = in.p;
	struct h1_way *w = way_of(p);
	bool on = true;

	while (on && !p->over && !is_refused(p)) {
		struct view piece = in;
		size_t used = 0;
		if ((w->waits && !proxy_h1_again(p, w)) || p->over || is_refused(p) ||
		    !limit(p, &piece))
			break;
		if (!p->answering && (!piece.len || !expect(p)))
			break;
		on = step(p, piece, &used);
		view_skip(&in, used);
	}
	return (size_t)(in.p - from);
}

void proxy_h1_upstream_end(struct proxy_h1 *p)
{
	if (p->state[HTTP_GUEST] != HTTP_PROXY_OPEN)
		return;
	if (!p->answering) {
		proxy_h1_close(p, HTTP_PROXY_END, HTTP_PROXY_END);
		return;
	}
	switch (h1_answer_finish(p->answers)) {
	case H1_ANSWER_END:
	case H1_ANSWER_TUNNEL:
		proxy_h1_answer_end(p, p->first);
		break;
	case H1_ANSWER_ERROR:
		fail(p, h1_answer_error(p->answers));
		break;
	default: /* A request without an answer: the guest sees what weir sees. */
		proxy_h1_close(p, HTTP_PROXY_END, HTTP_PROXY_END);
	}
}
