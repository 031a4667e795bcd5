// SPDX-License-Identifier: Apache-2.0
/*
 * Heads of the HTTP/2 proxy: collected from nghttp2's callbacks, judged by h2_head.c, and written
 * again from what was understood. The request's :authority is written from whichever of :authority
 * and Host there was, and Host no more.
 *
 * Values that the filter has put in, and those that are secret by their name, are marked as never
 * to be indexed (RFC 7541 7.1.3), so that no table on the way keeps them.
 */
#include "http/proxy_h2_priv.h"

#include <stdlib.h>

#include "http/text.h"

/* What RFC 9113 6.5.2 counts for a field beside its text. */
#define FIELD_OVERHEAD 32
#define PSEUDO_MAX     5

void h2p_head_done(struct http_head *h)
{
	/* It may hold the value of a secret. */
	if (h->fields.text_len)
		explicit_bzero(h->fields.text, h->fields.text_len);
	http_fields_done(&h->fields);
}

bool h2p_head_field(struct h2p_side *side, struct view name, struct view value)
{
	struct http_fields *s = &side->block;
	size_t at = s->text_len;

	side->block_size += name.len + value.len + FIELD_OVERHEAD;
	return side->block_size <= HTTP_TEXT_MAX && http_fields_append(s, name.p, name.len) &&
	       http_fields_append(s, value.p, value.len) &&
	       http_fields_add(s, view_make(s->text + at, name.len),
			       view_make(s->text + at + name.len, value.len));
}

/* ---- reading ---- */

/* `own`: how many fields at the end are no pseudo-header fields. */
static void drop_pseudo(struct http_fields *s, size_t own)
{
	size_t pseudo = s->count - own;

	if (pseudo)
		memmove(s->list, s->list + pseudo, own * sizeof(*s->list));
	s->count = own;
}

bool h2p_head_request(struct h2p *p, struct h2p_stream *s, bool end, const char **ret_error)
{
	struct http_head *h = &s->x.request;
	struct h2_request q = {0};

	h->fields = p->side[HTTP_GUEST].block;
	http_fields_init(&p->side[HTTP_GUEST].block);
	if (!h2_head_request(&h->fields, &q, ret_error))
		return false;
	if (q.scheme.len && (q.scheme.len != p->base.scheme.len ||
			     memcmp(q.scheme.p, p->base.scheme.p, q.scheme.len) != 0)) {
		*ret_error = "the scheme is not that of the connection";
		return false;
	}
	h->method = q.method;
	h->scheme = q.scheme;
	h->path = q.path;
	h->protocol = q.protocol;
	h->authority = q.authority;
	h->authority_text = q.authority_text;
	h->has_authority = q.has_authority;
	h->connect = q.connect;
	h->length = end ? HTTP_LENGTH_NONE : q.has_length ? q.length : HTTP_LENGTH_STREAM;
	s->head = http_text_is_exactly(q.method, "HEAD");
	drop_pseudo(&h->fields, q.field_count);
	return true;
}

void h2p_head_answer(struct h2p_stream *s, struct http_fields *fields, const struct h2_answer *a,
		     bool end)
{
	struct http_head *h = &s->x.answer;
	bool none = end || s->head || a->status < 200 || a->status == 204 || a->status == 304;

	h2p_head_done(h);
	*h = (struct http_head){.fields = *fields, .status = a->status};
	http_fields_init(fields);
	drop_pseudo(&h->fields, a->field_count);
	h->length = none ? HTTP_LENGTH_NONE : a->has_length ? a->length : HTTP_LENGTH_STREAM;
}

/* ---- writing ---- */

static bool nv_reserve(struct h2p *p, size_t n)
{
	if (p->nv_cap >= n)
		return true;
	nghttp2_nv *nv = realloc(p->nv, n * 2 * sizeof(*nv));
	if (!nv) {
		p->no_memory = true;
		return false;
	}
	p->nv = nv;
	p->nv_cap = n * 2;
	return true;
}

static nghttp2_nv nv_make(struct view name, struct view value, bool secret)
{
	/* nghttp2 takes copies, and changes none of them. */
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name.p, (uint8_t *)(uintptr_t)value.p, name.len,
			    value.len, secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE};
}

static bool is_secret(struct view name)
{
	switch (name.len) {
	case 6:
		return http_text_is_exactly(name, "cookie");
	case 10:
		return http_text_is_exactly(name, "set-cookie");
	case 13:
		return http_text_is_exactly(name, "authorization");
	case 19:
		return http_text_is_exactly(name, "proxy-authorization");
	default:
		return false;
	}
}

static size_t put_fields(nghttp2_nv *nv, const struct http_fields *f, bool request)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		if (!request || !http_text_is(f->list[i].name, "host"))
			nv[n++] = nv_make(f->list[i].name, f->list[i].value,
					  f->list[i].changed || is_secret(f->list[i].name));
	return n;
}

static size_t put_pseudo(nghttp2_nv *nv, const char *name, struct view value, bool secret)
{
	if (!value.len)
		return 0;
	*nv = nv_make(view_make(name, strlen(name)), value, secret);
	return 1;
}

const nghttp2_nv *h2p_head_write(struct h2p *p, const struct h2p_stream *s, enum http_side from,
				 size_t *ret_count)
{
	const struct http_head *h = from == HTTP_GUEST ? &s->x.request : &s->x.answer;
	uint8_t status[3] = {(uint8_t)('0' + h->status / 100 % 10),
			     (uint8_t)('0' + h->status / 10 % 10), (uint8_t)('0' + h->status % 10)};
	size_t n = 0;

	if (!nv_reserve(p, PSEUDO_MAX + h->fields.count))
		return NULL;
	if (from == HTTP_UPSTREAM) {
		memcpy(p->status, status, sizeof(p->status));
		n += put_pseudo(p->nv + n, ":status", view_make(p->status, 3), false);
	} else {
		n += put_pseudo(p->nv + n, ":method", h->method, false);
		n += put_pseudo(p->nv + n, ":scheme", h->scheme, false);
		n += put_pseudo(p->nv + n, ":authority", h->authority_text, false);
		n += put_pseudo(p->nv + n, ":path", h->path, h->path_changed);
		n += put_pseudo(p->nv + n, ":protocol", h->protocol, false);
	}
	*ret_count = n + put_fields(p->nv + n, &h->fields, from == HTTP_GUEST);
	return p->nv;
}

const nghttp2_nv *h2p_fields_write(struct h2p *p, const struct http_fields *f, size_t *ret_count)
{
	if (!nv_reserve(p, f->count + 1))
		return NULL;
	*ret_count = put_fields(p->nv, f, false);
	return p->nv;
}
