// SPDX-License-Identifier: Apache-2.0
/*
 * The guest's requests: read, judged, and written to the upstream, one behind the other.
 */
#include "http/proxy_h1_hop.h"
#include "http/proxy_h1_priv.h"
#include "http/text.h"

#define BAD_REQUEST 400
#define TOO_LARGE   431

static struct h1_way *way_of(struct proxy_h1 *p)
{
	return &p->way[HTTP_GUEST];
}

/* ---- from the reader's head to the exchange's ---- */

/* Behind the authority of an absolute target there may be nothing, or a query alone. */
static bool set_absolute_path(struct http_head *h, struct view path)
{
	uint8_t slash[H1_LINE_MAX];

	if (path.len && path.p[0] == '/') {
		h->path = path;
		return true;
	}
	if (!path.len) {
		bool all = http_text_is_exactly(h->method, "OPTIONS");
		h->path = all ? view_make("*", 1) : view_make("/", 1);
		return true;
	}
	if (path.len >= sizeof(slash))
		return false;
	slash[0] = '/';
	memcpy(slash + 1, path.p, path.len);
	return http_head_set_path(h, view_make(slash, path.len + 1));
}

/* "http://a.example:80/path": what stands before the path is kept, for a server that is a proxy
 * wants it again. */
static bool split_absolute(struct xchg *x, struct view target)
{
	struct http_head *h = &x->x.request;
	size_t scheme = http_lower(target.p[4]) == 's' ? 5 : 4;
	size_t end = scheme + 3;

	while (end < target.len && target.p[end] != '/' && target.p[end] != '?')
		end++;
	h->scheme = scheme == 5 ? view_make("https", 5) : view_make("http", 4);
	h->authority_text = view_make(target.p + scheme + 3, end - scheme - 3);
	x->prefix = (size_t)(target.p - h->fields.text);
	x->prefix_len = end;
	view_skip(&target, end);
	return set_absolute_path(h, target);
}

static bool split_target(struct xchg *x, struct view target)
{
	struct http_head *h = &x->x.request;
	const struct http_field *host = http_head_find(h, "host", NULL);

	if (h->connect) {
		h->authority_text = target;
		return true;
	}
	if (target.p[0] != '/' && target.p[0] != '*')
		return split_absolute(x, target);
	h->path = target;
	if (host)
		h->authority_text = host->value;
	return true;
}

/* False: x->x.denial says why. */
static bool fill_request(struct proxy_h1 *p, struct xchg *x, const struct h1_head *head)
{
	struct http_head *h = &x->x.request;
	struct h1_hop hop = {.request = true,
			     .upgrade_possible = head->minor && !head->connect,
			     .expect_possible = head->minor};
	const uint8_t *from = head->bytes.p;

	x->minor = head->minor;
	if (!h1_hop_copy(h, head->bytes, head->fields, head->field_count, &hop)) {
		x->x.denial.status = TOO_LARGE;
		x->x.denial.reason = hop.error;
		return false;
	}
	h->method = view_make(h->fields.text + (head->method.p - from), head->method.len);
	h->scheme = p->base.scheme;
	h->authority = head->authority;
	h->has_authority = head->has_authority;
	h->absolute = head->absolute;
	h->port = head->port;
	h->connect = head->connect;
	h->upgrade = hop.upgrade;
	h->length = head->chunked ? HTTP_LENGTH_STREAM : head->length;
	x->framing = head->chunked ? H1_CHUNKED : hop.has_length ? H1_LENGTH : H1_NO_BODY;
	x->keep = head->minor ? !hop.close : hop.keep_alive;
	x->expect = head->expect_continue;
	x->asks = head->connect || hop.upgrade;
	if (!split_target(x,
			  view_make(h->fields.text + (head->target.p - from), head->target.len))) {
		x->x.denial.status = TOO_LARGE;
		x->x.denial.reason = "the head is too large";
		return false;
	}
	x->request_read = h->fields.text_len;
	/* In a connection with TLS a server could take such a request for one without. */
	if (x->prefix_len && h->scheme.len < p->base.scheme.len) {
		x->x.denial.status = BAD_REQUEST;
		x->x.denial.reason = "the target's scheme is another than the connection's";
		return false;
	}
	return true;
}

/* ---- heads ---- */

/* The answer comes before the body that is collected, so no upstream can be asked for it. */
static void take_expect(struct proxy_h1 *p, struct xchg *x)
{
	struct http_head *h = &x->x.request;
	struct http_field *f;

	if (!x->expect || h->mode != HTTP_BODY_WHOLE)
		return;
	while ((f = http_head_find(h, "expect", NULL)))
		http_head_remove(h, (size_t)(f - h->fields.list));
	x->owes_continue = true;
	proxy_h1_continue(p);
}

static void go_on(struct proxy_h1 *p, struct xchg *x)
{
	take_expect(p, x);
	/* HTTP/1.0 with a Host field can be made HTTP/1.1, which has chunks. */
	if (!proxy_h1_way_begin(p, way_of(p), x, x->minor || x->x.request.has_authority))
		proxy_h1_refuse_with(p, x, BAD_REQUEST, "the request cannot be written");
}

void proxy_h1_request_head(struct proxy_h1 *p, struct xchg *x)
{
	x->hooked = true;
	enum http_step step = proxy_hook_request(&p->base, &x->x);

	if (proxy_h1_goes(p, way_of(p), x, step, WAY_WAITS_HEAD))
		go_on(p, x);
}

static void read_head(struct proxy_h1 *p)
{
	const struct h1_head *head = h1_head(p->requests);
	struct xchg *x = proxy_h1_add(p);

	p->partial = false;
	if (!x) {
		proxy_h1_close(p, HTTP_PROXY_CUT, HTTP_PROXY_CUT);
		return;
	}
	p->reading = x;
	proxy_h1_way_clear(way_of(p));
	if (!fill_request(p, x, head)) {
		x->by_proxy = true;
		proxy_h1_refuse(p, x);
		return;
	}
	/* Upgrade was taken out: no server will switch. */
	if (head->upgrade && !x->asks)
		h1_stay(p->requests);
	proxy_h1_request_head(p, x);
}

bool proxy_h1_write_request(struct proxy_h1 *p, struct xchg *x, const struct h1_way *w)
{
	const struct http_head *h = &x->x.request;
	struct buf *out = &p->out[HTTP_UPSTREAM];
	struct h1_writing writing = {
		.minor = w->out == H1_CHUNKED ? 1 : x->minor,
		.framing = w->out,
		.length = w->left,
		.read_len = x->request_read,
		/* What was HTTP/1.0 does not keep the connection unless it says so. */
		.close = w->out == H1_CHUNKED && !x->minor && !x->keep,
	};
	struct view prefix = {0};

	if (x->prefix_len)
		prefix = view_make(h->fields.text + x->prefix, x->prefix_len);
	x->start = p->sent + out->len;
	x->written = h1_write_request(out, h, prefix, &writing);
	return x->written;
}

/* ---- the rest of a message ---- */

void proxy_h1_request_end(struct proxy_h1 *p, struct xchg *x)
{
	struct h1_way *w = way_of(p);

	if (!proxy_h1_goes(p, w, x, proxy_h1_way_end(p, w), WAY_WAITS_END))
		return;
	if (p->reading != x) { /* of a tunnel */
		p->state[HTTP_UPSTREAM] = HTTP_PROXY_END;
		return;
	}
	x->request_over = true;
	x->owes_continue = false; /* the guest has not waited for it */
	p->reading = NULL;
	/* RFC 9112 9.6: what comes behind is no request. */
	if (!x->keep && !x->asks)
		p->deaf = true;
	proxy_h1_way_clear(w);
	proxy_h1_remove_done(p);
}

static void read_body(struct proxy_h1 *p)
{
	uint64_t chunk;
	struct view data = h1_data(p->requests, &chunk);

	if (data.len)
		proxy_h1_way_give(p, way_of(p), data, chunk);
}

static void read_trailer(struct proxy_h1 *p)
{
	const struct h1_head *head = h1_head(p->requests);

	if (!proxy_h1_way_trailers(way_of(p), head->trailer, head->trailers, head->trailer_count))
		proxy_h1_refuse_with(p, p->reading, TOO_LARGE, "the trailer is too large");
}

/* What cannot be read is answered in its place, behind the requests before it. */
static void refuse_bytes(struct proxy_h1 *p)
{
	struct xchg *x = p->reading ? p->reading : proxy_h1_add(p);

	if (x)
		proxy_h1_refuse_with(p, x, h1_status(p->requests), h1_error(p->requests));
	else
		proxy_h1_close(p, HTTP_PROXY_CUT, HTTP_PROXY_CUT);
}

static void read_tunnel(struct proxy_h1 *p, struct view in)
{
	struct h1_way *w = way_of(p);

	if (w->x != p->first)
		proxy_h1_way_tunnel(w, p->first);
	proxy_h1_way_give(p, w, in, 0);
}

/* ---- the pump ---- */

/* No more is read than the output behind has room for: a head is let through whole. */
static bool limit(struct proxy_h1 *p, struct view *in)
{
	size_t used = p->out[HTTP_UPSTREAM].len;

	if (!in->len)
		return true;
	if (used >= HTTP_PROXY_HIGH || (!p->reading && p->count == H1_EXCHANGES_MAX))
		return false;
	if (in->len > HTTP_PROXY_HIGH - used)
		in->len = HTTP_PROXY_HIGH - used;
	return true;
}

/* One event; false where there is none until something changes. */
static bool step(struct proxy_h1 *p, struct view in, size_t *ret_used)
{
	switch (h1_read(p->requests, in, ret_used)) {
	case H1_MORE:
		p->partial |= *ret_used > 0 && !p->reading;
		return *ret_used > 0;
	case H1_HEAD:
		read_head(p);
		return true;
	case H1_BODY:
		read_body(p);
		return true;
	case H1_TRAILER:
		read_trailer(p);
		return true;
	case H1_END:
		proxy_h1_request_end(p, p->reading);
		return true;
	case H1_WAIT:
		return false;
	case H1_TUNNEL:
		*ret_used = in.len;
		if (in.len)
			read_tunnel(p, in);
		return in.len > 0;
	case H1_ERROR:
		refuse_bytes(p);
		return true;
	}
	return false;
}

size_t proxy_h1_read_requests(struct proxy_h1 *p, struct view in)
{
	const uint8_t *from = in.p;
	struct h1_way *w = way_of(p);
	bool on = true;

	while (on && !p->over && !p->deaf) {
		struct view piece = in;
		size_t used;
		if ((w->waits && !proxy_h1_again(p, w)) || p->over || p->deaf || !limit(p, &piece))
			break;
		on = step(p, piece, &used);
		view_skip(&in, used);
	}
	return (size_t)(in.p - from);
}

void proxy_h1_guest_end(struct proxy_h1 *p)
{
	struct h1_way *w = way_of(p);

	if (p->state[HTTP_UPSTREAM] != HTTP_PROXY_OPEN || (p->last && p->last->refused))
		return;
	if (p->first && p->first->switched && !p->reading) {
		if (w->x != p->first)
			proxy_h1_way_tunnel(w, p->first);
		proxy_h1_request_end(p, p->first);
	} else if (p->reading) {
		/* Half a request. */
		proxy_h1_refuse_with(p, p->reading, 0, NULL);
	} else if (!p->last || !p->last->asks || p->last->answer_over) {
		p->state[HTTP_UPSTREAM] = HTTP_PROXY_END;
	}
}
