// SPDX-License-Identifier: Apache-2.0
/*
 * AWS Signature Version 4, as its documentation ("Create a signed AWS API request") has it.
 */
#include "http/sigv4.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/spelling.h"
#include "http/text.h"

static const char algorithm[] = "AWS4-HMAC-SHA256";

static bool is(struct view v, const char *text)
{
	return http_text_is_exactly(v, text);
}

/* Up to `c`, which is skipped. False where it is not there: all is taken. */
static bool split(struct view *v, uint8_t c, struct view *ret)
{
	const uint8_t *at = v->len ? memchr(v->p, c, v->len) : NULL;

	view_take(v, at ? (size_t)(at - v->p) : v->len, ret);
	return at && view_skip(v, 1);
}

static struct view path_of(const struct http_head *h, struct view *ret_query)
{
	struct view path;

	*ret_query = h->path;
	if (!split(ret_query, '?', &path))
		*ret_query = view_make(NULL, 0);
	return path;
}

/* ---- reading ---- */

/* ID/date/region/service/aws4_request */
static bool read_credential(struct sigv4 *s, struct view v)
{
	struct view end;

	if (!split(&v, '/', &s->id))
		return false;
	s->scope = v;
	return split(&v, '/', &s->date) && split(&v, '/', &s->region) &&
	       split(&v, '/', &s->service) && !split(&v, '/', &end) && is(end, "aws4_request") &&
	       s->id.len && s->date.len == 8 && s->region.len && s->service.len;
}

static bool once(struct view *to, struct view v)
{
	bool first = to->len == 0;

	*to = v;
	return first && v.len;
}

static enum sigv4_result read_field(const struct http_head *h, size_t field, struct sigv4 *s)
{
	struct view v = h->fields.list[field].value, part, name, credential = {0};
	const struct http_field *f;

	split(&v, ' ', &part);
	if (!is(part, algorithm))
		return SIGV4_UNFIT;
	s->field = field;
	while (http_list_next(&v, &part)) {
		bool ok = split(&part, '=', &name);
		if (is(name, "Credential"))
			ok = ok && once(&credential, part);
		else if (is(name, "SignedHeaders"))
			ok = ok && once(&s->headers, part);
		else if (is(name, "Signature"))
			ok = ok && once(&s->signature, part);
		else
			ok = false;
		if (!ok)
			return SIGV4_UNFIT;
	}
	f = http_head_find(h, "x-amz-date", NULL);
	if (f)
		s->time = f->value;
	f = http_head_find(h, "x-amz-content-sha256", NULL);
	if (f)
		s->payload = f->value;
	return read_credential(s, credential) && s->headers.len && s->signature.len && s->time.len
		       ? SIGV4_OK
		       : SIGV4_UNFIT;
}

/* Undone into the room. */
static bool undo(struct sigv4 *s, struct view v, struct view *ret)
{
	size_t used;

	if (v.len > sizeof(s->room) - s->room_len)
		return false;
	*ret = view_make(s->room + s->room_len,
			 spelling_undo(v, false, true, s->room + s->room_len, &used));
	s->room_len += ret->len;
	return ret->len > 0;
}

static enum sigv4_result read_query(struct view query, struct sigv4 *s)
{
	struct view part, name, credential = {0}, id = {0}, said = {0};
	bool ok = true, more = true;

	s->in_query = true;
	while (more && ok) {
		more = split(&query, '&', &part);
		split(&part, '=', &name);
		if (is(name, "X-Amz-Algorithm"))
			ok = once(&said, part) && is(part, algorithm);
		else if (is(name, "X-Amz-Credential"))
			ok = once(&id, part) && undo(s, part, &credential);
		else if (is(name, "X-Amz-Date"))
			ok = s->time.len == 0 && undo(s, part, &s->time);
		else if (is(name, "X-Amz-SignedHeaders"))
			ok = s->headers.len == 0 && undo(s, part, &s->headers);
		else if (is(name, "X-Amz-Signature"))
			ok = once(&s->signature, part);
	}
	if (!ok || !said.len || !read_credential(s, credential) || !s->time.len ||
	    !s->headers.len || !s->signature.len)
		return SIGV4_UNFIT;
	/* As it stands in the query, so that it can be replaced there. */
	if (id.len < s->id.len || memcmp(id.p, s->id.p, s->id.len) != 0)
		return SIGV4_UNFIT;
	s->id = view_make(id.p, s->id.len);
	s->payload = view_make("UNSIGNED-PAYLOAD", 16);
	return SIGV4_OK;
}

static bool begins_with(struct view v, const char *text)
{
	size_t n = strlen(text);

	return v.len >= n && memcmp(v.p, text, n) == 0;
}

enum sigv4_result sigv4_read(const struct http_head *h, struct sigv4 *ret)
{
	const struct http_field *f = http_head_find(h, "authorization", NULL);
	enum sigv4_result r = SIGV4_NONE;
	struct view query;

	*ret = (struct sigv4){0};
	path_of(h, &query);
	if (f && begins_with(f->value, "AWS4-"))
		r = read_field(h, (size_t)(f - h->fields.list), ret);
	else if (query.len && memmem(query.p, query.len, "X-Amz-Credential=", 17))
		r = read_query(query, ret);
	if (r == SIGV4_OK && begins_with(ret->payload, "STREAMING-"))
		r = SIGV4_UNFIT;
	return r;
}

/* ---- the canonical request ---- */

/* Encoded once; slashes stay where that is said. */
static bool put_encoded(struct buf *b, struct view v, bool slashes)
{
	bool ok = true;

	for (; ok && v.len; view_skip(&v, 1)) {
		if (slashes && v.p[0] == '/')
			ok = buf_append(b, "/", 1);
		else
			ok = spelling_put_percent(b, view_make(v.p, 1));
	}
	return ok;
}

/* What stands for `%XX` is undone first, so that there is one spelling. */
static bool put_recoded(struct buf *b, struct view v, bool slashes)
{
	uint8_t *room = malloc(v.len + 1);
	size_t n = 0;
	bool ok;

	if (!room)
		return false;
	while (v.len) {
		uint8_t unit[3];
		size_t len = 1, used = 1;
		unit[0] = v.p[0];
		if (v.p[0] == '%')
			used = spelling_unit(v, false, true, unit, &len);
		room[n++] = unit[0];
		view_skip(&v, used);
	}
	ok = put_encoded(b, view_make(room, n), slashes);
	free(room);
	return ok;
}

/* Without "." and "..", and with one slash where there are several (RFC 3986 5.2.4). */
static bool put_normalised(struct buf *b, struct view path)
{
	size_t from = b->len;
	bool more = path.len > 0, ok = buf_append(b, "/", 1), slash = false;
	struct view part;

	while (ok && more) {
		more = split(&path, '/', &part);
		if (is(part, "..")) {
			while (b->len > from + 1 && b->mem[b->start + b->len - 1] != '/')
				b->len--;
			if (b->len > from + 1)
				b->len--;
			slash = false;
		}
		if (part.len == 0 || is(part, ".") || is(part, "..")) {
			slash = slash || more;
			continue;
		}
		if (b->len > from + 1)
			ok = buf_append(b, "/", 1);
		ok = ok && put_encoded(b, part, false);
		slash = more;
	}
	if (ok && slash && b->len > from + 1)
		ok = buf_append(b, "/", 1);
	return ok;
}

static bool put_path(struct buf *b, const struct sigv4 *s, struct view path)
{
	/* S3 takes paths as they are (its keys may hold what looks like dot segments). */
	if (begins_with(s->service, "s3"))
		return path.len ? put_recoded(b, path, true) : buf_append(b, "/", 1);
	return put_normalised(b, path);
}

#define PARAMETERS_MAX 512

struct parameter {
	size_t name, name_len, value, value_len; /* in one buffer */
	const struct buf *of;
};

static int compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return r ? r : (a_len > b_len) - (a_len < b_len);
}

static int by_name(const void *a, const void *b)
{
	const struct parameter *x = a, *y = b;
	const uint8_t *p = x->of->mem + x->of->start;
	int r = compare(p + x->name, x->name_len, p + y->name, y->name_len);

	return r ? r : compare(p + x->value, x->value_len, p + y->value, y->value_len);
}

static bool put_query(struct buf *b, const struct sigv4 *s, struct view query)
{
	struct parameter *list = calloc(PARAMETERS_MAX, sizeof(*list));
	struct buf text = {.secret = true};
	bool ok = list, more = query.len > 0;
	size_t n = 0;

	while (ok && more) {
		struct view value, name;
		more = split(&query, '&', &value);
		split(&value, '=', &name);
		if (name.len == 0 && value.len == 0)
			continue;
		if (s->in_query && is(name, "X-Amz-Signature"))
			continue;
		struct parameter p = {.name = text.len, .of = &text};
		ok = n < PARAMETERS_MAX && put_recoded(&text, name, false);
		p.name_len = text.len - p.name;
		p.value = text.len;
		ok = ok && put_recoded(&text, value, false);
		p.value_len = text.len - p.value;
		list[n < PARAMETERS_MAX ? n++ : 0] = p;
	}
	if (ok && n)
		qsort(list, n, sizeof(*list), by_name);
	for (size_t i = 0; ok && i < n; i++) {
		const uint8_t *p = text.mem + text.start;
		ok = (i == 0 || buf_append(b, "&", 1)) &&
		     buf_append(b, p + list[i].name, list[i].name_len) && buf_append(b, "=", 1) &&
		     buf_append(b, p + list[i].value, list[i].value_len);
	}
	free(list);
	buf_done(&text);
	return ok;
}

/* One space for several. */
static bool put_folded(struct buf *b, struct view v)
{
	bool space = false, ok = true;

	v = http_text_trim(v);
	for (; ok && v.len; view_skip(&v, 1)) {
		if (v.p[0] != ' ' || !space)
			ok = buf_append(b, v.p, 1);
		space = v.p[0] == ' ';
	}
	return ok;
}

static bool put_header(struct buf *b, const struct http_head *h, struct view name)
{
	const struct http_field *f = NULL;
	char text[256];
	bool found = false, ok;

	if (name.len == 0 || name.len >= sizeof(text))
		return false;
	memcpy(text, name.p, name.len);
	text[name.len] = 0;
	ok = buf_append_view(b, name) && buf_append(b, ":", 1);
	while (ok && (f = http_head_find(h, text, f))) {
		ok = (!found || buf_append(b, ",", 1)) && put_folded(b, f->value);
		found = true;
	}
	/* These are not among the fields of HTTP/2. */
	if (!found && is(name, "host")) {
		found = true;
		ok = ok && buf_append_view(b, h->authority_text);
	} else if (!found && is(name, "content-length") && h->length != HTTP_LENGTH_STREAM) {
		found = true;
		snprintf(text, sizeof(text), "%llu", (unsigned long long)h->length);
		ok = ok && buf_append_text(b, text);
	}
	return ok && found && buf_append(b, "\n", 1);
}

bool sigv4_canonical(const struct http_head *h, const struct sigv4 *s, struct view payload,
		     struct buf *ret)
{
	struct view query, path = path_of(h, &query), list = s->headers, name = {0};
	bool more = true, ok;
	size_t n = 0;

	ok = buf_append_view(ret, h->method) && buf_append(ret, "\n", 1) &&
	     put_path(ret, s, path) && buf_append(ret, "\n", 1) && put_query(ret, s, query) &&
	     buf_append(ret, "\n", 1);
	for (; ok && more && n < SIGV4_HEADERS_MAX; n++) {
		more = split(&list, ';', &name);
		ok = put_header(ret, h, name);
	}
	return ok && !more && buf_append(ret, "\n", 1) && buf_append_view(ret, s->headers) &&
	       buf_append(ret, "\n", 1) && buf_append_view(ret, payload);
}

bool sigv4_string(const struct sigv4 *s, struct view hash, struct buf *ret)
{
	return buf_append_text(ret, algorithm) && buf_append(ret, "\n", 1) &&
	       buf_append_view(ret, s->time) && buf_append(ret, "\n", 1) &&
	       buf_append_view(ret, s->scope) && buf_append(ret, "\n", 1) &&
	       buf_append_view(ret, hash);
}

/* ---- writing ---- */

/* `in` with one piece of it exchanged. */
static bool exchange(struct view in, struct view old, struct view new, struct buf *ret)
{
	size_t before = (size_t)(old.p - in.p);

	return buf_append(ret, in.p, before) && buf_append_view(ret, new) &&
	       buf_append(ret, old.p + old.len, in.len - before - old.len);
}

static bool exchange_two(struct view in, const struct sigv4 *s, struct view id,
			 struct view signature, struct buf *ret)
{
	bool id_first = s->id.p < s->signature.p;
	struct view first = id_first ? s->id : s->signature;
	struct view second = id_first ? s->signature : s->id;
	struct view head = view_make(in.p, (size_t)(first.p + first.len - in.p));
	struct view tail = view_make(head.p + head.len, in.len - head.len);

	return exchange(head, first, id_first ? id : signature, ret) &&
	       exchange(tail, second, id_first ? signature : id, ret);
}

bool sigv4_set(struct http_head *h, const struct sigv4 *s, struct view id, struct view signature)
{
	struct buf out = {.secret = true};
	bool ok;

	if (s->in_query)
		ok = exchange_two(h->path, s, id, signature, &out) &&
		     http_head_set_path(h, buf_view(&out));
	else
		ok = exchange_two(h->fields.list[s->field].value, s, id, signature, &out) &&
		     http_head_set_value(h, s->field, buf_view(&out));
	buf_done(&out);
	return ok;
}
