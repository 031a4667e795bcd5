// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies on their way, in either direction: as they come, or through the body hook, and framed
 * anew. A chunk that goes through as it comes keeps its size; what a hook gives out is a chunk of
 * its own.
 */
#include "http/proxy_h1_priv.h"

static struct buf *out_of(struct proxy_h1 *p, const struct h1_way *w)
{
	return &p->out[proxy_h1_behind(w->from)];
}

static bool write_head(struct proxy_h1 *p, struct h1_way *w)
{
	w->head_done = true;
	return w->from == HTTP_GUEST ? proxy_h1_write_request(p, w->x, w)
				     : proxy_h1_write_answer(p, w->x, w);
}

/* ---- the beginning ---- */

/* How the body is framed for the peer behind, where its length is not waited for. False: there is
 * no way. */
static bool choose_framing(struct h1_way *w, bool chunks)
{
	bool open = w->in == H1_CHUNKED || w->mode == HTTP_BODY_STREAM;

	w->out = w->in;
	if (!open)
		return true;
	/* RFC 9112 6.1: HTTP/1.0 knows no chunks; only an answer can end with the connection. */
	w->out = chunks ? H1_CHUNKED : H1_UNTIL_CLOSE;
	return chunks || w->from == HTTP_UPSTREAM;
}

bool proxy_h1_way_begin(struct proxy_h1 *p, struct h1_way *w, struct xchg *x, bool chunks)
{
	const struct http_head *h = w->from == HTTP_GUEST ? &x->x.request : &x->x.answer;

	proxy_h1_way_clear(w);
	w->x = x;
	w->mode = h->mode;
	w->in = w->from == HTTP_GUEST ? x->framing : x->answer_framing;
	w->left = w->in == H1_LENGTH ? h->length : 0;
	/* The hook is to see the end of what has no bytes, and may make it a body. */
	if (w->mode != HTTP_BODY_PASS && (w->in == H1_NO_BODY || h->length == 0))
		w->mode = HTTP_BODY_WHOLE;
	if (w->mode == HTTP_BODY_WHOLE)
		return true;
	return choose_framing(w, chunks) && write_head(p, w);
}

void proxy_h1_way_tunnel(struct h1_way *w, struct xchg *x)
{
	proxy_h1_way_clear(w);
	w->x = x;
	w->mode = w->from == HTTP_GUEST ? x->x.request.mode : x->x.answer.mode;
	if (w->mode == HTTP_BODY_WHOLE)
		w->mode = HTTP_BODY_STREAM;
	w->in = w->out = H1_UNTIL_CLOSE;
	w->head_done = true;
}

/* ---- pieces ---- */

static bool pass(struct proxy_h1 *p, struct h1_way *w, struct view in, uint64_t chunk)
{
	struct buf *out = out_of(p, w);

	if (w->out == H1_LENGTH)
		w->left -= in.len;
	if (w->out != H1_CHUNKED)
		return buf_append_view(out, in);
	if (chunk) {
		w->chunk = chunk;
		if (!h1_write_chunk(out, chunk))
			return false;
	}
	w->chunk -= in.len;
	return buf_append_view(out, in) && (w->chunk || buf_append(out, "\r\n", 2));
}

static bool flush_chunk(struct buf *out, struct buf *scratch)
{
	bool ok = !scratch->len ||
		  (h1_write_chunk(out, scratch->len) && buf_append_view(out, buf_view(scratch)) &&
		   buf_append(out, "\r\n", 2));

	buf_take(scratch, scratch->len);
	return ok;
}

/* Without memory, or the filter broke its word. */
static enum http_step fail(struct h1_way *w)
{
	bool guest = w->from == HTTP_GUEST;

	w->x->by_proxy = true;
	w->x->x.denial = (struct http_denial){
		.status = guest ? 400 : 502,
		.reason = guest ? "the request cannot be written" : "the answer cannot be written",
	};
	return HTTP_REFUSE;
}

static enum http_step through_hook(struct proxy_h1 *p, struct h1_way *w, struct view in, bool end)
{
	struct buf *to = !w->head_done          ? &w->whole
			 : w->out == H1_CHUNKED ? &w->scratch
						: out_of(p, w);
	size_t before = to->len;

	w->x->x.denial.status = 0; /* for who refuses without memory */
	enum http_step step = proxy_hook_body(&p->base, &w->x->x, w->from, in, end, to);
	if (step != HTTP_GO) {
		to->len = before;
		return step;
	}
	if (to == &w->scratch)
		return flush_chunk(out_of(p, w), to) ? HTTP_GO : fail(w);
	if (w->head_done && w->out == H1_LENGTH) {
		if (to->len - before > w->left) {
			to->len = before;
			return fail(w);
		}
		w->left -= to->len - before;
	}
	return HTTP_GO;
}

void proxy_h1_way_give(struct proxy_h1 *p, struct h1_way *w, struct view in, uint64_t chunk)
{
	enum http_step step;

	if (w->mode == HTTP_BODY_PASS)
		step = pass(p, w, in, chunk) ? HTTP_GO : fail(w);
	else
		step = through_hook(p, w, in, false);
	if (step == HTTP_WAIT) {
		w->waits = WAY_WAITS_BODY;
		if (!w->held.len && !buf_append_view(&w->held, in))
			step = fail(w);
	}
	if (step == HTTP_REFUSE)
		proxy_h1_refuse(p, w->x);
}

/* ---- the end ---- */

bool proxy_h1_way_trailers(struct h1_way *w, struct view bytes, const struct http_field *fields,
			   size_t count)
{
	struct http_fields *f = &w->trailers.fields;

	if (count == 0)
		return true;
	if (!http_fields_append(f, bytes.p, bytes.len))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct view name = fields[i].name, value = fields[i].value;
		name.p = f->text + (name.p - bytes.p);
		value.p = f->text + (value.p - bytes.p);
		if (!http_fields_add(f, name, value))
			return false;
	}
	w->trailers_read = f->text_len;
	return true;
}

/* The head says the length of what was collected. An answer without a body stays one. */
static bool write_whole(struct proxy_h1 *p, struct h1_way *w)
{
	bool none = w->in == H1_NO_BODY && (w->from == HTTP_UPSTREAM || !w->whole.len);

	w->out = none ? H1_NO_BODY : H1_LENGTH;
	w->left = w->whole.len;
	return write_head(p, w) && (none || buf_append_view(out_of(p, w), buf_view(&w->whole)));
}

static bool finish(struct proxy_h1 *p, struct h1_way *w)
{
	if (!w->head_done)
		return write_whole(p, w);
	if (w->out == H1_CHUNKED)
		return h1_write_trailers(out_of(p, w), &w->trailers, w->trailers_read);
	return w->out != H1_LENGTH || w->left == 0;
}

enum http_step proxy_h1_way_end(struct proxy_h1 *p, struct h1_way *w)
{
	enum http_step step;

	if (w->stage == WAY_ENDS) {
		step = w->mode == HTTP_BODY_PASS ? HTTP_GO
						 : through_hook(p, w, (struct view){0}, true);
		if (step != HTTP_GO)
			return step;
		w->stage = WAY_TRAILERS;
	}
	if (w->stage == WAY_TRAILERS && w->head_done && w->out == H1_CHUNKED &&
	    w->trailers.fields.count) {
		w->x->x.denial.status = 0;
		step = proxy_hook_trailers(&p->base, &w->x->x, w->from, &w->trailers);
		if (step != HTTP_GO)
			return step;
	}
	w->stage = WAY_DONE;
	return finish(p, w) ? HTTP_GO : fail(w);
}

/* ---- memory ---- */

/* A piece that was waited for, or a whole body, is given back; the others keep little. */
void proxy_h1_way_clear(struct h1_way *w)
{
	struct http_head trailers = w->trailers;

	if (w->whole.mem)
		buf_done(&w->whole);
	if (w->held.mem)
		buf_done(&w->held);
	if (trailers.fields.text_len)
		proxy_h1_clear_head(&trailers, 0);
	*w = (struct h1_way){
		.from = w->from,
		.whole = w->whole,
		.scratch = w->scratch,
		.held = w->held,
		.trailers = trailers,
	};
}

void proxy_h1_way_done(struct h1_way *w)
{
	buf_done(&w->whole);
	buf_done(&w->scratch);
	buf_done(&w->held);
	http_fields_done(&w->trailers.fields);
}
