// SPDX-License-Identifier: Apache-2.0
/*
 * Escapes, made and undone. spelling.h says which.
 */
#include "http/spelling.h"

#include <endian.h>

#include "http/text.h"

bool spelling_has_escapes(struct view in)
{
	return in.len && (memchr(in.p, '%', in.len) || memchr(in.p, '\\', in.len));
}

/* ---- undoing ---- */

/* Hexadecimal digits at `p`; -1 where one is none. */
static int hex(const uint8_t *p, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		int d = http_hex_digit(p[i]);
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static bool all_hex(struct view v)
{
	return v.len == 0 || hex(v.p, v.len) >= 0;
}

static size_t put_utf8(unsigned c, uint8_t ret[3])
{
	if (c < 0x80) {
		ret[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		ret[0] = (uint8_t)(0xc0 | c >> 6);
		ret[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	ret[0] = (uint8_t)(0xe0 | c >> 12);
	ret[1] = (uint8_t)(0x80 | (c >> 6 & 63));
	ret[2] = (uint8_t)(0x80 | (c & 63));
	return 3;
}

/* One byte that stands for itself. */
static size_t as_it_is(struct view in, uint8_t ret[3], size_t *ret_n)
{
	ret[0] = in.p[0];
	*ret_n = 1;
	return 1;
}

static size_t undo_percent(struct view in, bool end, uint8_t ret[3], size_t *ret_n)
{
	if (in.len < 3) {
		if (!end && all_hex(view_make(in.p + 1, in.len - 1)))
			return 0;
		return as_it_is(in, ret, ret_n);
	}
	int v = hex(in.p + 1, 2);
	if (v < 0)
		return as_it_is(in, ret, ret_n);
	ret[0] = (uint8_t)v;
	*ret_n = 1;
	return 3;
}

static size_t undo_unicode(struct view in, bool end, uint8_t ret[3], size_t *ret_n)
{
	if (in.len < 6) {
		if (!end && all_hex(view_make(in.p + 2, in.len - 2)))
			return 0;
		return as_it_is(in, ret, ret_n);
	}
	int v = hex(in.p + 2, 4);
	/* Half of a pair stands for nothing by itself, and no text that is looked for has one. */
	if (v < 0 || (v >= 0xd800 && v < 0xe000))
		return as_it_is(in, ret, ret_n);
	*ret_n = put_utf8((unsigned)v, ret);
	return 6;
}

static size_t undo_backslash(struct view in, bool end, uint8_t ret[3], size_t *ret_n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (in.len < 2)
		return end ? as_it_is(in, ret, ret_n) : 0;
	if (in.p[1] == 'u')
		return undo_unicode(in, end, ret, ret_n);
	at = in.p[1] ? strchr(from, in.p[1]) : NULL;
	if (!at)
		return as_it_is(in, ret, ret_n);
	ret[0] = (uint8_t)to[at - from];
	*ret_n = 1;
	return 2;
}

size_t spelling_unit(struct view in, bool plus, bool end, uint8_t ret[3], size_t *ret_n)
{
	switch (in.p[0]) {
	case '%':
		return undo_percent(in, end, ret, ret_n);
	case '\\':
		return undo_backslash(in, end, ret, ret_n);
	case '+':
		as_it_is(in, ret, ret_n);
		if (plus)
			ret[0] = ' ';
		return 1;
	default:
		return as_it_is(in, ret, ret_n);
	}
}

#define EACH_BYTE(x) (0x0101010101010101u * (uint64_t)(x))

/* The lowest set bit is the high one of the first byte that is c; those above it say nothing. */
static uint64_t find_byte(uint64_t x, uint8_t c)
{
	x ^= EACH_BYTE(c);
	return (x - EACH_BYTE(1)) & ~x & EACH_BYTE(0x80);
}

size_t spelling_run(struct view in, bool plus)
{
	size_t n = 0;

	while (in.len - n >= sizeof(uint64_t)) {
		uint64_t x, found;
		memcpy(&x, in.p + n, sizeof(x));
		x = le64toh(x);
		found = find_byte(x, '%') | find_byte(x, '\\') | (plus ? find_byte(x, '+') : 0);
		if (found)
			return n + (size_t)__builtin_ctzll(found) / 8;
		n += sizeof(x);
	}
	while (n < in.len && in.p[n] != '%' && in.p[n] != '\\' && !(plus && in.p[n] == '+'))
		n++;
	return n;
}

size_t spelling_undo(struct view in, bool plus, bool end, uint8_t *out, size_t *ret_used)
{
	size_t at = 0, n = 0;

	while (at < in.len) {
		struct view left = view_make(in.p + at, in.len - at);
		uint8_t unit[3];
		size_t len = spelling_run(left, plus), used;
		memcpy(out + n, left.p, len);
		n += len;
		at += len;
		if (len == left.len)
			break;
		view_skip(&left, len);
		used = spelling_unit(left, plus, end, unit, &len);
		if (used == 0)
			break;
		for (size_t i = 0; i < len; i++)
			out[n++] = unit[i];
		at += used;
	}
	*ret_used = at;
	return n;
}

/* ---- making ---- */

static const char digits[] = "0123456789ABCDEF";

static bool is_unreserved(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

bool spelling_put_percent_byte(struct buf *b, uint8_t c)
{
	const char text[3] = {'%', digits[c >> 4], digits[c & 15]};

	return buf_append(b, text, sizeof(text));
}

bool spelling_put_unicode_byte(struct buf *b, uint8_t c)
{
	const char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

	return c < 0x80 ? buf_append(b, text, sizeof(text)) : buf_append(b, &c, 1);
}

bool spelling_put_percent(struct buf *b, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];
		if (!(is_unreserved(c) ? buf_append(b, &c, 1) : spelling_put_percent_byte(b, c)))
			return false;
	}
	return true;
}

bool spelling_put_json(struct buf *b, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];
		bool ok = true;
		if (c == '"' || c == '\\')
			ok = buf_append(b, "\\", 1);
		if (!ok || !(c < 0x20 ? spelling_put_unicode_byte(b, c) : buf_append(b, &c, 1)))
			return false;
	}
	return true;
}

/* ---- base64 ---- */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool spelling_put_base64(struct buf *b, struct view text)
{
	while (text.len) {
		uint8_t group[3] = {0};
		size_t n = text.len < 3 ? text.len : 3;
		char out[4];
		memcpy(group, text.p, n);
		view_skip(&text, n);
		out[0] = letters[group[0] >> 2];
		out[1] = letters[(group[0] & 3) << 4 | group[1] >> 4];
		out[2] = n > 1 ? letters[(group[1] & 15) << 2 | group[2] >> 6] : '=';
		out[3] = n > 2 ? letters[group[2] & 63] : '=';
		if (!buf_append(b, out, sizeof(out)))
			return false;
	}
	return true;
}

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

bool spelling_undo_base64(struct view in, struct buf *b)
{
	unsigned bits = 0, have = 0;

	while (in.len && in.p[in.len - 1] == '=')
		in.len--;
	if (in.len % 4 == 1)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		int d = base64_digit(in.p[i]);
		if (d < 0)
			return false;
		bits = (bits << 6 | (unsigned)d) & 0xffff;
		have += 6;
		if (have >= 8) {
			uint8_t c = (uint8_t)(bits >> (have - 8));
			have -= 8;
			if (!buf_append(b, &c, 1))
				return false;
		}
	}
	return true;
}
