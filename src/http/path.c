// SPDX-License-Identifier: Apache-2.0
/* Decoding a path, and the steps by which servers make another one of it. */
#include "http/path.h"

#include "http/rules.h"
#include "http/text.h"

/* ---- decoding -------------------------------------------------------------------------------- */

static bool is_unreserved(int c) /* RFC 3986 2.3 */
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

/* The byte that is encoded at p; -1 where nothing is. */
static int encoded_at(struct view v, size_t at)
{
	if (v.len < 3 || at > v.len - 3 || v.p[at] != '%')
		return -1;
	int high = http_hex_digit(v.p[at + 1]), low = http_hex_digit(v.p[at + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* A longer form of a character that has a shorter one: some decoders read `/` out of C0 AF
 * (RFC 3629 10). */
static bool is_overlong(struct view v, size_t at, int c)
{
	int next = encoded_at(v, at + 3);

	if (c == 0xc0 || c == 0xc1 || c > 0xf4)
		return true;
	if (next < 0)
		return false;
	return (c == 0xe0 && next < 0xa0) || (c == 0xf0 && next < 0x90);
}

/* What is wrong with the encoded byte `c` at `at`; NULL: nothing. */
static const char *encoded_fault(struct view v, size_t at, int c)
{
	if (c < 0)
		return "a percent sign without two digits in the path";
	if (c == '/')
		return "an encoded slash in the path";
	if (c == '\\')
		return "an encoded backslash in the path";
	if (c < 0x20 || c == 0x7f)
		return "an encoded control character in the path";
	if (is_overlong(v, at, c))
		return "an overlong character in the path";
	/* What it decodes to would be an encoding itself. */
	if (c == '%' && v.len - at >= 5 && http_hex_digit(v.p[at + 3]) >= 0 &&
	    http_hex_digit(v.p[at + 4]) >= 0)
		return "an encoding of an encoding in the path";
	return NULL;
}

static const char *plain_fault(uint8_t c)
{
	if (c <= ' ' || c >= 0x7f)
		return "a byte in the path that has to be encoded";
	if (c == '\\')
		return "a backslash in the path";
	return c == '#' ? "a number sign in the path" : NULL;
}

static void put_encoded(struct path *out, int c)
{
	static const char digits[] = "0123456789ABCDEF";

	out->p[out->len++] = '%';
	out->p[out->len++] = (uint8_t)digits[c >> 4];
	out->p[out->len++] = (uint8_t)digits[c & 15];
}

/* One character at *at, which moves behind it; the fault, or NULL. */
static const char *decode_one(struct view v, size_t *at, struct path *out)
{
	uint8_t plain = v.p[*at];
	const char *fault = plain_fault(plain);

	if (plain != '%') {
		out->p[out->len++] = plain;
		(*at)++;
		return fault;
	}
	int c = encoded_at(v, *at);
	fault = encoded_fault(v, *at, c);
	if (fault)
		return fault;
	if (is_unreserved(c))
		out->p[out->len++] = (uint8_t)c;
	else
		put_encoded(out, c);
	*at += 3;
	return NULL;
}

/* Where the parameters of a segment begin (RFC 3986 3.3); n where it has none. */
static size_t params_at(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == ';' || (n - i >= 3 && memcmp(p + i, "%3B", 3) == 0))
			return i;
	}
	return n;
}

static size_t last_segment(const struct path *p)
{
	size_t at = p->len;

	while (at && p->p[at - 1] != '/')
		at--;
	return at;
}

bool path_decode(struct view path, size_t cap, struct path *ret, const char **ret_why)
{
	ret->len = 0;
	if (path.len == 0 || path.p[0] != '/') {
		*ret_why = "a path that does not begin with a slash";
		return false;
	}
	if (path.len > cap) {
		*ret_why = "a path that is too long to be judged";
		return false;
	}
	for (size_t at = 0; at < path.len;) {
		*ret_why = decode_one(path, &at, ret);
		if (*ret_why)
			return false;
	}
	if (params_at(ret->p, last_segment(ret)) < last_segment(ret)) {
		*ret_why = "parameters (;) in the middle of the path";
		return false;
	}
	return true;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void cut_params(struct path *p)
{
	size_t last = last_segment(p);

	p->len = last + params_at(p->p + last, p->len - last);
}

static void merge_slashes(struct path *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->len; i++) {
		if (p->p[i] != '/' || n == 0 || p->p[n - 1] != '/')
			p->p[n++] = p->p[i];
	}
	p->len = n;
}

/* One segment after the other, each with the slash in front of it, onto what is there of the path;
 * `..` takes the last one away again. */
static void remove_dots(struct path *p)
{
	size_t out = 0, at = 0;

	while (at < p->len) {
		size_t end = at + 1;
		while (end < p->len && p->p[end] != '/')
			end++;
		size_t n = end - at - 1;
		bool one = n == 1 && p->p[at + 1] == '.';
		bool two = n == 2 && p->p[at + 1] == '.' && p->p[at + 2] == '.';

		if (two) {
			while (out && p->p[--out] != '/')
				;
		} else if (!one) {
			memmove(p->p + out, p->p + at, n + 1);
			out += n + 1;
		}
		/* A dot segment at the end leaves its slash. */
		if ((one || two) && end == p->len)
			p->p[out++] = '/';
		at = end;
	}
	p->len = out;
}

void path_step(struct path *p, enum path_step step)
{
	switch (step) {
	case PATH_CUT_PARAMS:
		cut_params(p);
		break;
	case PATH_MERGE_SLASHES:
		merge_slashes(p);
		break;
	case PATH_REMOVE_DOTS:
		remove_dots(p);
		break;
	case PATH_END:
		break;
	}
}

/* ---- readings -------------------------------------------------------------------------------- */

static bool has_dots(const struct path *p)
{
	for (size_t i = 0; i + 1 < p->len; i++) {
		if (p->p[i] == '/' && p->p[i + 1] == '.')
			return true;
	}
	return false;
}

static bool has_slashes(const struct path *p)
{
	for (size_t i = 0; i + 1 < p->len; i++) {
		if (p->p[i] == '/' && p->p[i + 1] == '/')
			return true;
	}
	return false;
}

bool path_reading(const struct path *decoded, unsigned i, enum path_step ret[4])
{
	static const enum path_step orders[PATH_READINGS / 2][3] = {
		{PATH_END},
		{PATH_MERGE_SLASHES},
		{PATH_REMOVE_DOTS},
		{PATH_MERGE_SLASHES, PATH_REMOVE_DOTS},
		{PATH_REMOVE_DOTS, PATH_MERGE_SLASHES},
	};
	unsigned order = i % (PATH_READINGS / 2);
	bool cut = i >= PATH_READINGS / 2, merge = order == 1 || order >= 3, dots = order >= 2;
	size_t last = last_segment(decoded);

	if ((cut && params_at(decoded->p + last, decoded->len - last) == decoded->len - last) ||
	    (merge && !has_slashes(decoded)) || (dots && !has_dots(decoded)))
		return false;
	ret[0] = cut ? PATH_CUT_PARAMS : orders[order][0];
	for (unsigned k = 1; k < 3; k++)
		ret[k] = orders[order][k - cut];
	ret[3] = cut ? orders[order][2] : PATH_END;
	return true;
}

bool http_path_normalise(struct view path, uint8_t *ret, size_t cap, size_t *ret_len,
			 const char **ret_why)
{
	struct path p = {.p = ret};
	const uint8_t *query = path.len ? memchr(path.p, '?', path.len) : NULL;

	if (query)
		path.len = (size_t)(query - path.p);
	if (!path_decode(path, cap, &p, ret_why))
		return false;
	path_step(&p, PATH_MERGE_SLASHES);
	path_step(&p, PATH_REMOVE_DOTS);
	*ret_len = p.len;
	return true;
}
