// SPDX-License-Identifier: Apache-2.0
/*
 * Secrets in heads: placeholders in the path, the query and the fields of a request, values in the
 * fields of an answer; and what a request may not ask for where answers have to be searched.
 *
 * A head is gone through again after a wait. What was replaced before holds no placeholder any
 * more, so that does no harm.
 */
#include "http/coding.h"
#include "http/spelling.h"
#include "http/text.h"
#include "intercept/filter_priv.h"

static enum scrub_step put_in(struct filter_secrets *s, struct filter_way *way, struct view in,
			      struct buf *out)
{
	struct scrub scrub = {.hit = way == &s->down ? secrets_hit_down : secrets_hit_up, .arg = s};
	enum scrub_step step;

	search_init(&scrub.search, way == &s->down ? s->set->values : s->set->placeholders);
	out->secret = true;
	step = scrub_run(&scrub, in, true, out);
	scrub_done(&scrub);
	return step;
}

static bool same(struct view a, const struct buf *b)
{
	return a.len == b->len && (a.len == 0 || memcmp(a.p, buf_view(b).p, a.len) == 0);
}

static void set_place(struct filter_way *way, unsigned place, const char *text,
		      enum scrub_place spelling)
{
	way->place = place;
	way->place_text = text;
	way->spelling = spelling;
	way->fixed = false;
}

/* ---- the path ---- */

enum http_step secrets_request_path(struct filter_secrets *s, struct http_head *h)
{
	struct view path = h->path, query = {0};
	const uint8_t *mark = path.len ? memchr(path.p, '?', path.len) : NULL;
	struct buf out = {0};
	enum scrub_step step, second;
	enum http_step ret = HTTP_GO;

	if (mark) {
		path.len = (size_t)(mark - path.p);
		query = view_make(mark, h->path.len - path.len);
	}
	set_place(&s->up, SECRET_IN_PATH, "path", SCRUB_PERCENT);
	step = put_in(s, &s->up, path, &out);
	if (step == SCRUB_GO || step == SCRUB_WAIT) {
		set_place(&s->up, SECRET_IN_QUERY, "query", SCRUB_PERCENT);
		second = put_in(s, &s->up, query, &out);
		step = second == SCRUB_GO ? step : second;
	}
	if (step != SCRUB_GO)
		ret = secrets_step(s, step, 400);
	else if (!same(h->path, &out) && !http_head_set_path(h, buf_view(&out)))
		ret = secrets_fail(s, 431, "too-large");
	buf_done(&out);
	return ret;
}

/* ---- fields of requests ---- */

/* The credentials in "Basic ..." of an authorization field; false: it is none. */
static bool basic_credentials(const struct http_field *f, struct view *ret)
{
	static const char basic[] = "basic ";
	struct view scheme;

	*ret = f->value;
	if (!http_text_is(f->name, "authorization") &&
	    !http_text_is(f->name, "proxy-authorization"))
		return false;
	if (!view_take(ret, sizeof(basic) - 1, &scheme) || !http_text_is(scheme, basic))
		return false;
	*ret = http_text_trim(*ret);
	return true;
}

static enum scrub_step put_in_basic(struct filter_secrets *s, struct view coded, struct buf *out)
{
	struct buf plain = {.secret = true}, put = {0};
	enum scrub_step step = SCRUB_NOMEM;

	set_place(&s->up, SECRET_IN_BASIC, "basic", SCRUB_AS_IS);
	/* What is no base64 holds nothing that a server would read. */
	if (!spelling_undo_base64(coded, &plain)) {
		buf_done(&plain);
		set_place(&s->up, 0, "basic", SCRUB_AS_IS);
		return put_in(s, &s->up, coded, out);
	}
	step = put_in(s, &s->up, buf_view(&plain), &put);
	if (step == SCRUB_GO && same(buf_view(&plain), &put))
		step = buf_append_view(out, coded) ? SCRUB_GO : SCRUB_NOMEM;
	else if (step == SCRUB_GO && !spelling_put_base64(out, buf_view(&put)))
		step = SCRUB_NOMEM;
	buf_done(&plain);
	buf_done(&put);
	return step;
}

static enum scrub_step put_in_field(struct filter_secrets *s, const struct http_field *f,
				    const char *where, struct buf *out)
{
	struct view coded;

	if (!basic_credentials(f, &coded)) {
		set_place(&s->up, SECRET_IN_HEADERS, where, SCRUB_AS_IS);
		return put_in(s, &s->up, f->value, out);
	}
	if (!buf_append(out, f->value.p, (size_t)(coded.p - f->value.p)))
		return SCRUB_NOMEM;
	return put_in_basic(s, coded, out);
}

static enum http_step change_field(struct filter_secrets *s, struct http_head *h, size_t i,
				   const struct buf *out)
{
	if (same(h->fields.list[i].value, out))
		return HTTP_GO;
	if (!http_value_clean(buf_view(out)))
		return secrets_fail(s, 503, "secret-unfit-for-header");
	return http_head_set_value(h, i, buf_view(out)) ? HTTP_GO
							: secrets_fail(s, 431, "too-large");
}

/* A placeholder in a name goes nowhere where it may not be; it is never replaced there. */
static enum http_step look_at_name(struct filter_secrets *s, struct view name)
{
	struct buf out = {0};
	enum scrub_step step;

	set_place(&s->up, 0, "header", SCRUB_AS_IS);
	step = put_in(s, &s->up, name, &out);
	buf_done(&out);
	return secrets_step(s, step, 400);
}

/* Whether any of it is worth a look: most requests hold no placeholder, and no place where one
 * could be hidden. The fields lie one behind the other. */
static bool may_hold(struct filter_secrets *s, const struct http_head *h)
{
	struct view text = view_make(h->fields.text, h->fields.text_len), coded;
	struct needle_hit hit;
	size_t safe;

	if (spelling_has_escapes(text) ||
	    needle_find(s->set->placeholders, text, 0, true, &hit, &safe))
		return true;
	for (size_t i = 0; i < h->fields.count; i++)
		if (basic_credentials(&h->fields.list[i], &coded))
			return true;
	return false;
}

static enum http_step put_in_fields(struct filter_secrets *s, struct http_head *h)
{
	const char *where = h == &s->x->request ? "header" : "trailer";
	enum http_step ret = HTTP_GO;

	for (size_t i = 0; i < h->fields.count && ret != HTTP_REFUSE; i++) {
		struct buf out = {0};
		enum http_step step = look_at_name(s, h->fields.list[i].name);
		if (step == HTTP_GO)
			step = secrets_step(s, put_in_field(s, &h->fields.list[i], where, &out),
					    400);
		if (step == HTTP_GO)
			step = change_field(s, h, i, &out);
		buf_done(&out);
		if (step != HTTP_GO)
			ret = step;
	}
	return ret;
}

/* ---- what must not be asked for ---- */

static bool remove_all(struct http_head *h, const char *name)
{
	struct http_field *f;

	while ((f = http_head_find(h, name, NULL)))
		http_head_remove(h, (size_t)(f - h->fields.list));
	return true;
}

/* Only codings that can be undone. Without the field a server may choose: then it is told. */
static bool restrict_codings(struct http_head *h)
{
	struct http_field *f = NULL;
	struct buf out = {0};
	bool ok = true;

	while (ok && (f = http_head_find(h, "accept-encoding", f))) {
		size_t i = (size_t)(f - h->fields.list);
		ok = coding_accept(f->value, &out);
		if (ok && !same(f->value, &out))
			ok = http_head_set_value(h, i, buf_view(&out));
		f = &h->fields.list[i];
		buf_take(&out, out.len);
	}
	buf_done(&out);
	return ok;
}

/*
 * Parts of an answer could hold a value in two pieces, each of which is none: a range is not asked
 * for, and the server sends the whole (RFC 9110 14.2). Compressed messages of a WebSocket or of
 * gRPC could not be read.
 */
static bool restrict_request(const struct filter_secrets *s, struct http_head *h)
{
	remove_all(h, "sec-websocket-extensions");
	if (!s->concerned)
		return true;
	remove_all(h, "range");
	remove_all(h, "if-range");
	remove_all(h, "grpc-accept-encoding");
	return restrict_codings(h);
}

enum http_step secrets_request_fields(struct filter_secrets *s, struct http_head *h)
{
	if (h == &s->x->request) {
		if (!restrict_request(s, h))
			return secrets_fail(s, 431, "too-large");
		if (look_at_name(s, h->method) == HTTP_REFUSE)
			return HTTP_REFUSE;
	}
	return may_hold(s, h) ? put_in_fields(s, h) : HTTP_GO;
}

/* ---- answers ---- */

enum http_step secrets_mask_fields(struct filter_secrets *s, struct http_head *h)
{
	struct view text = view_make(h->fields.text, h->fields.text_len);
	struct needle_hit hit;
	size_t safe;
	enum http_step step = HTTP_GO;

	if (!spelling_has_escapes(text) && !needle_find(s->set->values, text, 0, true, &hit, &safe))
		return HTTP_GO;
	set_place(&s->down, 0, "answer", SCRUB_AS_IS);
	for (size_t i = 0; i < h->fields.count && step == HTTP_GO; i++) {
		struct buf out = {0};
		step = secrets_step(s, put_in(s, &s->down, h->fields.list[i].value, &out), 502);
		if (step == HTTP_GO)
			step = change_field(s, h, i, &out);
		buf_done(&out);
	}
	return step;
}
