// SPDX-License-Identifier: Apache-2.0
/*
 * Secrets in bodies and tunnels: what is done about a hit, and how a body goes through.
 *
 * The length of a body stays where it can: where every secret that could be put in is as long as
 * its placeholder, and written the same everywhere. Else a request's head waits for its body, up to
 * FILTER_WHOLE_MAX bytes, so that its exact length can be said; longer ones are framed anew.
 *
 * Where a length cannot change (gRPC, whose messages say theirs; tunnels of unknown protocols),
 * what is put into an answer is cut or filled up; a request that would need it is refused.
 *
 * Limits: compressed messages of gRPC are not looked into; a value is not found where it is cut by
 * the frames of two gRPC messages, by the lines of wrapped base64, or written in an escape of an
 * escape.
 */
#include "http/spelling.h"
#include "http/text.h"
#include "intercept/filter_priv.h"

/* ---- hits ---- */

static struct view placeholder_of(const struct secret *x)
{
	return view_make(x->placeholder, strlen(x->placeholder));
}

enum scrub_step secrets_hit_up(void *arg, const struct search_hit *h, struct view spelled,
			       struct buf *out)
{
	struct filter_secrets *s = arg;
	const struct secret *x = &s->set->list[h->needle->tag];
	enum scrub_step step;
	struct view value;

	if (secret_host_matches(x->passthrough, x->passthrough_count, &s->host))
		return SCRUB_KEEP;
	if (!secrets_may_have(s, x)) {
		secrets_violation(s, h->needle->tag, s->up.place_text);
		return SCRUB_STOP;
	}
	/* Signers' placeholders stand for no value, and what stands inside of base64 could not be
	 * replaced without the bytes around it. */
	if (!(x->places & s->up.place) || x->signer == SECRET_SIGV4 || x->signer == SECRET_HMAC ||
	    h->needle->form != NEEDLE_RAW)
		return SCRUB_KEEP;
	step = secrets_value(s, h->needle->tag, &value);
	if (step != SCRUB_GO)
		return step;
	if (s->up.fixed && value.len != strlen(x->placeholder)) {
		secrets_violation(s, h->needle->tag, s->up.place_text);
		return SCRUB_STOP;
	}
	size_t from = out->len;
	s->carried = true;
	out->secret = true;
	if (!scrub_put(out, h, spelled, value, 0, s->up.spelling))
		return SCRUB_NOMEM;
	if (!s->up.fixed || out->len - from == h->len)
		return SCRUB_GO;
	explicit_bzero(out->mem + out->start + from, out->len - from);
	out->len = from;
	secrets_violation(s, h->needle->tag, s->up.place_text);
	return SCRUB_STOP;
}

/* How long the text is that a needle was made of. */
static size_t text_len(const struct needle *n)
{
	static const size_t skipped[3] = {0, 4, 2}; /* bits before the first whole character */

	switch ((enum needle_form)n->form) {
	case NEEDLE_RAW:
		return n->len;
	case NEEDLE_BASE64:
	case NEEDLE_BASE64_URL:
		return (6u * n->len + skipped[n->phase] + 7) / 8;
	case NEEDLE_HEX:
	case NEEDLE_HEX_UPPER:
	case NEEDLE_UTF16_LE:
	case NEEDLE_UTF16_BE:
		break;
	}
	return n->len / 2;
}

enum scrub_step secrets_hit_down(void *arg, const struct search_hit *h, struct view spelled,
				 struct buf *out)
{
	struct filter_secrets *s = arg;
	struct view text = placeholder_of(&s->set->list[h->needle->tag]);
	bool fit = s->down.fixed || h->needle->form == NEEDLE_BASE64 ||
		   h->needle->form == NEEDLE_BASE64_URL;

	if (!s->told)
		secrets_event(s, h->needle->tag, "answer", "masked");
	s->told = true;
	size_t from = out->len;
	if (!scrub_put(out, h, spelled, text, fit ? text_len(h->needle) : 0, s->down.spelling))
		return SCRUB_NOMEM;
	if (!s->down.fixed)
		return SCRUB_GO;
	/* Escapes of two characters stand for what needs none any more. */
	if (out->len - from > h->len)
		out->len = from + h->len;
	while (out->len - from < h->len)
		if (!buf_append(out, "x", 1))
			return SCRUB_NOMEM;
	return SCRUB_GO;
}

/* ---- kinds of bodies ---- */

struct kind {
	enum scrub_place spelling;
	enum body_framing framing;
	enum coding coding;
};

static bool ends_with(struct view v, const char *end)
{
	size_t n = strlen(end);

	return v.len >= n && http_text_is(view_make(v.p + v.len - n, n), end);
}

static bool begins_with(struct view v, const char *begin)
{
	size_t n = strlen(begin);

	return v.len >= n && http_text_is(view_make(v.p, n), begin);
}

static struct kind kind_of(const struct http_head *h)
{
	const struct http_field *type = http_head_find(h, "content-type", NULL), *f = NULL;
	struct kind k = {SCRUB_AS_IS, BODY_PLAIN, CODING_IDENTITY};
	struct view v = type ? type->value : view_make(NULL, 0);
	const uint8_t *end = v.len ? memchr(v.p, ';', v.len) : NULL;

	if (end)
		v = http_text_trim(view_make(v.p, (size_t)(end - v.p)));
	if (http_text_is(v, "application/x-www-form-urlencoded"))
		k.spelling = SCRUB_PERCENT;
	else if (ends_with(v, "json"))
		k.spelling = SCRUB_JSON;
	if (begins_with(v, "application/grpc") && !begins_with(v, "application/grpc-web-text"))
		k.framing = BODY_GRPC;
	while ((f = http_head_find(h, "content-encoding", f))) {
		enum coding c = coding_of(f->value);
		if (c != CODING_IDENTITY)
			k.coding = k.coding == CODING_IDENTITY ? c : CODING_OTHER;
	}
	return k;
}

/* ---- whether lengths can stay ---- */

static bool is_plain(struct view v)
{
	struct buf b = {0};
	bool plain = spelling_put_percent(&b, v) && b.len == v.len;

	buf_done(&b);
	return plain;
}

/* The value and its placeholder are written the same in every place, and are equally long. */
static bool keeps_length(const struct filter_secrets *s, size_t index)
{
	const struct secret *x = &s->set->list[index];
	struct view placeholder = placeholder_of(x);

	if (x->value_len != placeholder.len || !is_plain(placeholder))
		return false;
	for (size_t i = 0; i < needle_set_count(s->set->values); i++) {
		const struct needle *n = needle_set_at(s->set->values, i);
		if (n->tag == index && n->form == NEEDLE_RAW &&
		    (n->len != placeholder.len || !needle_is_plain(n)))
			return false;
	}
	return true;
}

static bool all_keep_length(const struct filter_secrets *s)
{
	for (size_t i = 0; i < s->set->count; i++)
		if (!keeps_length(s, i))
			return false;
	return true;
}

/* Some secret may be put into this place toward this host; *same: none changes its length. */
static bool may_put(const struct filter_secrets *s, unsigned place, bool *same)
{
	bool any = false;

	*same = true;
	for (size_t i = 0; i < s->set->count; i++) {
		const struct secret *x = &s->set->list[i];
		if (!(x->places & place) || !secrets_may_have(s, x))
			continue;
		any = true;
		*same = *same && keeps_length(s, i);
	}
	return any;
}

/* ---- ways ---- */

static enum http_step begin(struct filter_secrets *s, struct filter_way *way, const struct kind *k,
			    bool only_look)
{
	bool up = way == &s->up;

	body_done(&way->body);
	way->body = (struct filter_body){.framing = k->framing};
	way->body.scrub.hit = up ? secrets_hit_up : secrets_hit_down;
	way->body.scrub.arg = s;
	way->spelling = k->spelling;
	way->there = body_init(&way->body, up ? s->set->placeholders : s->set->values, k->coding,
			       only_look);
	return way->there ? HTTP_GO : secrets_nomem(s);
}

/* Requests whose coding is unknown are searched as they are. */
enum http_step secrets_choose_up(struct filter_secrets *s)
{
	struct http_head *h = &s->x->request;
	struct kind k = kind_of(h);
	bool same, puts = may_put(s, SECRET_IN_BODY, &same), waits = s->needed && !s->carried;

	if (waits && (h->length == HTTP_LENGTH_NONE || !puts))
		return secrets_require(s);
	if (h->length == HTTP_LENGTH_NONE)
		return HTTP_GO;
	if (k.coding == CODING_OTHER)
		k.coding = CODING_IDENTITY;
	s->up.place = puts ? SECRET_IN_BODY : 0;
	s->up.place_text = "body";
	s->up.fixed = k.framing == BODY_GRPC;
	if (sign_wants_body(s))
		waits = true;
	if (waits || (puts && !s->up.fixed && (!same || k.coding != CODING_IDENTITY)))
		h->mode =
			h->length > FILTER_WHOLE_MAX && !waits ? HTTP_BODY_STREAM : HTTP_BODY_WHOLE;
	else
		h->mode = puts && k.coding != CODING_IDENTITY ? HTTP_BODY_STREAM : HTTP_BODY_SAME;
	s->up.fixed = h->mode == HTTP_BODY_SAME;
	return begin(s, &s->up, &k, !puts);
}

static bool has_body(const struct filter_secrets *s, const struct http_head *h)
{
	return h->status >= 200 && h->status != 204 && h->status != 304 &&
	       h->length != HTTP_LENGTH_NONE && !http_text_is_exactly(s->x->request.method, "HEAD");
}

enum http_step secrets_choose_down(struct filter_secrets *s)
{
	struct http_head *h = &s->x->answer;
	struct kind k = kind_of(h);
	enum http_step step;

	if (!s->concerned || !has_body(s, h))
		return HTTP_GO;
	/* What cannot be read could hold anything. */
	if (k.coding == CODING_OTHER)
		return secrets_fail(s, 502, "content-coding");
	s->down.fixed = k.framing == BODY_GRPC || all_keep_length(s);
	bool tokens = k.spelling != SCRUB_AS_IS && capture_wanted(s);
	h->mode = s->down.fixed && !tokens && k.coding == CODING_IDENTITY ? HTTP_BODY_SAME
									  : HTTP_BODY_STREAM;
	step = begin(s, &s->down, &k, false);
	if (step == HTTP_GO && tokens && !capture_begin(s, k.spelling == SCRUB_PERCENT))
		step = secrets_nomem(s);
	return step;
}

/* A WebSocket is followed frame by frame; of another protocol the bytes are searched, and their
 * number stays. What is inside of CONNECT is a connection of its own. */
enum http_step secrets_choose_tunnel(struct filter_secrets *s)
{
	struct http_exchange *x = s->x;
	struct kind k = {SCRUB_AS_IS, s->websocket ? BODY_WEBSOCKET : BODY_PLAIN, CODING_IDENTITY};
	enum http_step step;
	bool same;

	if (x->request.connect && x->request.protocol.len == 0)
		return HTTP_GO;
	s->up.place =
		s->websocket && may_put(s, SECRET_IN_WEBSOCKET, &same) ? SECRET_IN_WEBSOCKET : 0;
	s->up.place_text = s->websocket ? "websocket" : "body";
	s->up.fixed = !s->websocket;
	x->request.mode = s->websocket ? HTTP_BODY_STREAM : HTTP_BODY_SAME;
	step = begin(s, &s->up, &k, false);
	if (step != HTTP_GO || !s->concerned)
		return step;
	s->down.fixed = !s->websocket;
	x->answer.mode = x->request.mode;
	return begin(s, &s->down, &k, false);
}
