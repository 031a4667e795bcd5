// SPDX-License-Identifier: Apache-2.0
/*
 * Header blocks of HTTP/2: decoding them, and the rules for what is in them (RFC 9113 8.2 and 8.3).
 * Pseudo-header fields stand first in the list of decoded fields.
 */
#include "http/h1.h"
#include "http/h2_priv.h"
#include "http/text.h"

/* What RFC 9113 6.5.2 counts for a field beside its text. */
#define FIELD_OVERHEAD 32

bool h2_refuse(struct h2 *h, const char *error)
{
	h->state = H2_S_ERROR;
	h->error = error;
	return false;
}

void h2_block_begin(struct h2 *h)
{
	http_fields_clear(&h->store);
	h->request = (struct h2_request){.stream = h->frame.stream};
	h->block_len = h->block_frames = h->list_size = 0;
}

/* ---- decoding ---- */

static bool add_field(struct h2 *h, const nghttp2_nv *nv)
{
	struct http_fields *s = &h->store;
	size_t at = s->text_len;

	if (nv->namelen == 0)
		return h2_refuse(h, "a field without a name");
	h->list_size += nv->namelen + nv->valuelen + FIELD_OVERHEAD;
	if (h->list_size > HTTP_TEXT_MAX || !http_fields_append(s, nv->name, nv->namelen) ||
	    !http_fields_append(s, nv->value, nv->valuelen) ||
	    !http_fields_add(s, view_make(s->text + at, nv->namelen),
			     view_make(s->text + at + nv->namelen, nv->valuelen)))
		return h2_refuse(h, "too many fields");
	return true;
}

bool h2_block_feed(struct h2 *h, struct view part, bool last)
{
	static const uint8_t none;
	const uint8_t *p = part.len ? part.p : &none;
	int flags;

	do {
		nghttp2_nv nv;
		flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, p, part.len, last);
		if (n < 0)
			return h2_refuse(h, "a header block cannot be decoded");
		p += n;
		part.len -= (size_t)n;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) && !add_field(h, &nv))
			return false;
	} while (!(flags & NGHTTP2_HD_INFLATE_FINAL) &&
		 ((flags & NGHTTP2_HD_INFLATE_EMIT) || part.len));
	if (last)
		nghttp2_hd_inflate_end_headers(h->inflater);
	return true;
}

/* ---- fields ---- */

/* What the fields of one block say, while they are gone through. */
struct reading {
	struct view authority; /* p NULL: absent, as in the request's own views */
	struct http_authority host;
	bool has_host, has_length;
};

static bool read_pseudo(struct h2 *h, struct reading *r, const struct http_field *f)
{
	struct {
		const char *name;
		struct view *value;
	} known[] = {
		{":method", &h->request.method}, {":scheme", &h->request.scheme},
		{":path", &h->request.path},     {":protocol", &h->request.protocol},
		{":authority", &r->authority},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!http_text_is_exactly(f->name, known[i].name))
			continue;
		if (known[i].value->p)
			return h2_refuse(h, "a pseudo-header field stands twice");
		if (f->value.len == 0)
			return h2_refuse(h, "a pseudo-header field is empty");
		*known[i].value = f->value;
		return true;
	}
	return h2_refuse(h, "an unknown pseudo-header field");
}

/* Those that speak of an HTTP/1 connection (RFC 9113 8.2.2). */
static bool is_of_connection(const struct http_field *f)
{
	static const char *const names[] = {"connection", "keep-alive", "proxy-connection",
					    "transfer-encoding", "upgrade"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (http_text_is_exactly(f->name, names[i]))
			return true;
	return http_text_is_exactly(f->name, "te") && !http_text_is(f->value, "trailers");
}

static bool read_host(struct h2 *h, struct reading *r, const struct http_field *f)
{
	if (r->has_host)
		return h2_refuse(h, "more than one Host field");
	if (!http_authority_read(f->value, &r->host))
		return h2_refuse(h, "the Host field cannot be read");
	r->has_host = true;
	return true;
}

static bool read_length(struct h2 *h, struct reading *r, const struct http_field *f)
{
	uint64_t length;

	if (r->has_length || !http_length_read(f->value, &length))
		return h2_refuse(h, "the Content-Length is not one plain number");
	r->has_length = true;
	return true;
}

static bool read_regular(struct h2 *h, struct reading *r, const struct http_field *f)
{
	if (http_token_len(f->name) != f->name.len)
		return h2_refuse(h, "a character in a field's name is not allowed");
	for (size_t i = 0; i < f->name.len; i++)
		if (f->name.p[i] >= 'A' && f->name.p[i] <= 'Z')
			return h2_refuse(h, "an upper-case letter in a field's name");
	if (is_of_connection(f))
		return h2_refuse(h, "a field that belongs into HTTP/1");
	bool host = http_text_is_exactly(f->name, "host");
	bool length = http_text_is_exactly(f->name, "content-length");
	if (h->trailer && (host || length))
		return h2_refuse(h, "a trailer field that belongs into the head");
	if (host)
		return read_host(h, r, f);
	return !length || read_length(h, r, f);
}

static bool read_fields(struct h2 *h, struct reading *r)
{
	size_t pseudo = 0;

	for (size_t i = 0; i < h->store.count; i++) {
		const struct http_field *f = &h->store.list[i];
		bool is_pseudo = f->name.p[0] == ':';
		if (!http_value_clean(f->value))
			return h2_refuse(h, "a control character in a field");
		if (is_pseudo && (h->trailer || pseudo != i))
			return h2_refuse(h, "a pseudo-header field at a wrong place");
		if (is_pseudo ? !read_pseudo(h, r, f) : !read_regular(h, r, f))
			return false;
		pseudo += is_pseudo;
	}
	h->request.field_count = h->store.count - pseudo;
	if (h->request.field_count)
		h->request.fields = h->store.list + pseudo;
	return true;
}

/* ---- requests ---- */

static bool check_method(struct h2 *h)
{
	struct h2_request *q = &h->request;

	if (q->method.len == 0 || q->method.len > H1_METHOD_MAX ||
	    http_token_len(q->method) != q->method.len)
		return h2_refuse(h, "the method is no token of 64 characters at most");
	q->connect = http_text_is_exactly(q->method, "CONNECT");
	if (!q->connect && http_text_is(q->method, "connect"))
		return h2_refuse(h, "the method is in lower case");
	return true;
}

static bool check_target(struct h2 *h)
{
	struct h2_request *q = &h->request;

	if (q->protocol.p && !q->connect)
		return h2_refuse(h, ":protocol without CONNECT");
	if (q->connect && !q->protocol.p) {
		if (q->scheme.p || q->path.p)
			return h2_refuse(h, "CONNECT with a scheme or a path");
		return true;
	}
	if (!q->scheme.p || !q->path.p)
		return h2_refuse(h, "a request without a scheme or a path");
	if (!http_text_is(q->scheme, "http") && !http_text_is(q->scheme, "https"))
		return h2_refuse(h, "the scheme is neither http nor https");
	if (!http_target_clean(q->path))
		return h2_refuse(h, "a character in the path is not allowed");
	if (q->path.p[0] != '/' &&
	    !(http_text_is_exactly(q->path, "*") && http_text_is_exactly(q->method, "OPTIONS")))
		return h2_refuse(h, "the path does not begin with a slash");
	return true;
}

static bool check_authority(struct h2 *h, const struct reading *r)
{
	struct h2_request *q = &h->request;
	uint16_t port = q->scheme.len == strlen("https") ? 443 : 80;

	if (r->authority.p) {
		if (!http_authority_read(r->authority, &q->authority))
			return h2_refuse(h, "the authority cannot be read");
		if (q->connect && !q->protocol.p) {
			port = q->authority.port;
			if (!port)
				return h2_refuse(h, "CONNECT wants a host and a port");
		}
		if (r->has_host && !http_authority_eq(&q->authority, &r->host, port))
			return h2_refuse(h, "Host is another host than the authority");
	} else if (q->connect) {
		return h2_refuse(h, "CONNECT without an authority");
	} else if (r->has_host) {
		q->authority = r->host;
	}
	q->has_authority = r->authority.p || r->has_host;
	return true;
}

bool h2_block_end(struct h2 *h)
{
	struct reading r = {0};

	if (!read_fields(h, &r))
		return false;
	h->request.end_stream = h->end_stream;
	if (h->trailer)
		return h->end_stream || h2_refuse(h, "trailers that do not end their stream");
	return check_method(h) && check_target(h) && check_authority(h, &r);
}
