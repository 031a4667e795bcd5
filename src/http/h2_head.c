// SPDX-License-Identifier: Apache-2.0
/*
 * Judging the fields of one block: first each by itself, then what they say together.
 */
#include "http/h2_head.h"

#include "http/h1.h"
#include "http/text.h"

/* What the fields of one block say, while they are gone through. */
struct reading {
	enum {
		REQUEST,
		ANSWER,
		TRAILERS
	} kind;
	/* p NULL: absent. */
	struct view method, scheme, path, protocol, authority, host_text, status;
	struct http_authority host;
	bool has_length;
	uint64_t length;
	const struct http_field *fields; /* behind the pseudo-header fields */
	size_t field_count;
	const char *error;
};

static bool refuse(struct reading *r, const char *error)
{
	r->error = error;
	return false;
}

/* ---- each field by itself ---- */

static bool read_pseudo(struct reading *r, const struct http_field *f)
{
	struct {
		const char *name;
		struct view *value;
		int kind;
	} known[] = {
		{":method", &r->method, REQUEST},       {":scheme", &r->scheme, REQUEST},
		{":path", &r->path, REQUEST},           {":protocol", &r->protocol, REQUEST},
		{":authority", &r->authority, REQUEST}, {":status", &r->status, ANSWER},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].kind != (int)r->kind || !http_text_is_exactly(f->name, known[i].name))
			continue;
		if (known[i].value->p)
			return refuse(r, "a pseudo-header field stands twice");
		if (f->value.len == 0)
			return refuse(r, "a pseudo-header field is empty");
		*known[i].value = f->value;
		return true;
	}
	return refuse(r, "an unknown pseudo-header field");
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

static bool read_host(struct reading *r, const struct http_field *f)
{
	if (r->host_text.p)
		return refuse(r, "more than one Host field");
	if (!http_authority_read(f->value, &r->host))
		return refuse(r, "the Host field cannot be read");
	r->host_text = f->value;
	return true;
}

static bool read_length(struct reading *r, const struct http_field *f)
{
	if (r->has_length || !http_length_read(f->value, &r->length))
		return refuse(r, "the Content-Length is not one plain number");
	r->has_length = true;
	return true;
}

static bool read_regular(struct reading *r, const struct http_field *f)
{
	if (http_token_len(f->name) != f->name.len)
		return refuse(r, "a character in a field's name is not allowed");
	for (size_t i = 0; i < f->name.len; i++)
		if (f->name.p[i] >= 'A' && f->name.p[i] <= 'Z')
			return refuse(r, "an upper-case letter in a field's name");
	if (is_of_connection(f))
		return refuse(r, "a field that belongs into HTTP/1");
	bool host = http_text_is_exactly(f->name, "host");
	bool length = http_text_is_exactly(f->name, "content-length");
	if (r->kind == TRAILERS && (host || length))
		return refuse(r, "a trailer field that belongs into the head");
	if (host && r->kind == REQUEST)
		return read_host(r, f);
	return !length || read_length(r, f);
}

static bool read_fields(struct reading *r, const struct http_fields *s)
{
	size_t pseudo = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct http_field *f = &s->list[i];
		bool is_pseudo = f->name.len && f->name.p[0] == ':';
		if (f->name.len == 0)
			return refuse(r, "a field without a name");
		if (!http_value_clean(f->value))
			return refuse(r, "a control character in a field");
		if (is_pseudo && (r->kind == TRAILERS || pseudo != i))
			return refuse(r, "a pseudo-header field at a wrong place");
		if (is_pseudo ? !read_pseudo(r, f) : !read_regular(r, f))
			return false;
		pseudo += is_pseudo;
	}
	r->field_count = s->count - pseudo;
	if (r->field_count)
		r->fields = s->list + pseudo;
	return true;
}

/* ---- requests ---- */

static bool check_method(struct reading *r, bool *ret_connect)
{
	if (r->method.len == 0 || r->method.len > H1_METHOD_MAX ||
	    http_token_len(r->method) != r->method.len)
		return refuse(r, "the method is no token of 64 characters at most");
	*ret_connect = http_text_is_exactly(r->method, "CONNECT");
	if (!*ret_connect && http_text_is(r->method, "connect"))
		return refuse(r, "the method is in lower case");
	return true;
}

static bool check_target(struct reading *r, bool connect)
{
	if (r->protocol.p && !connect)
		return refuse(r, ":protocol without CONNECT");
	if (connect && !r->protocol.p) {
		if (r->scheme.p || r->path.p)
			return refuse(r, "CONNECT with a scheme or a path");
		return true;
	}
	if (!r->scheme.p || !r->path.p)
		return refuse(r, "a request without a scheme or a path");
	if (!http_text_is(r->scheme, "http") && !http_text_is(r->scheme, "https"))
		return refuse(r, "the scheme is neither http nor https");
	if (!http_target_clean(r->path))
		return refuse(r, "a character in the path is not allowed");
	if (r->path.p[0] != '/' &&
	    !(http_text_is_exactly(r->path, "*") && http_text_is_exactly(r->method, "OPTIONS")))
		return refuse(r, "the path does not begin with a slash");
	return true;
}

static bool check_authority(struct reading *r, bool connect, struct http_authority *ret)
{
	uint16_t port = r->scheme.len == strlen("https") ? 443 : 80;

	if (!r->authority.p) {
		if (connect)
			return refuse(r, "CONNECT without an authority");
		if (r->host_text.p)
			*ret = r->host;
		return true;
	}
	if (!http_authority_read(r->authority, ret))
		return refuse(r, "the authority cannot be read");
	if (connect && !r->protocol.p) {
		port = ret->port;
		if (!port)
			return refuse(r, "CONNECT wants a host and a port");
	}
	if (r->host_text.p && !http_authority_eq(ret, &r->host, port))
		return refuse(r, "Host is another host than the authority");
	return true;
}

bool h2_head_request(const struct http_fields *s, struct h2_request *ret, const char **ret_error)
{
	struct reading r = {.kind = REQUEST};
	struct http_authority authority = {0};
	bool connect;

	if (!read_fields(&r, s) || !check_method(&r, &connect) || !check_target(&r, connect) ||
	    !check_authority(&r, connect, &authority)) {
		*ret_error = r.error;
		return false;
	}
	*ret = (struct h2_request){
		.stream = ret->stream,
		.end_stream = ret->end_stream,
		.authority = authority,
		.authority_text = r.authority.p ? r.authority : r.host_text,
		.has_authority = r.authority.p || r.host_text.p,
		.connect = connect,
		.method = r.method,
		.scheme = r.scheme,
		.path = r.path,
		.protocol = r.protocol,
		.has_length = r.has_length,
		.length = r.length,
		.fields = r.fields,
		.field_count = r.field_count,
	};
	return true;
}

/* ---- answers and trailers ---- */

static bool check_status(struct reading *r, int *ret)
{
	uint64_t n;

	if (r->status.len != 3 || !http_length_read(r->status, &n) || n < 100)
		return refuse(r, "the status is no number of three digits");
	if (n == 101)
		return refuse(r, "a status that belongs into HTTP/1");
	*ret = (int)n;
	return true;
}

bool h2_head_answer(const struct http_fields *s, struct h2_answer *ret, const char **ret_error)
{
	struct reading r = {.kind = ANSWER};
	int status;

	if (!read_fields(&r, s) || !check_status(&r, &status)) {
		*ret_error = r.error;
		return false;
	}
	*ret = (struct h2_answer){
		.status = status,
		.has_length = r.has_length,
		.length = r.length,
		.fields = r.fields,
		.field_count = r.field_count,
	};
	return true;
}

bool h2_head_trailers(const struct http_fields *s, const char **ret_error)
{
	struct reading r = {.kind = TRAILERS};

	if (read_fields(&r, s))
		return true;
	*ret_error = r.error;
	return false;
}
