// SPDX-License-Identifier: Apache-2.0
/*
 * The characters of HTTP. Values are checked eight bytes at a time, for they make up most of a
 * head.
 */
#include "http/text.h"

/* Digits of INT64_MAX. */
#define LENGTH_DIGITS 19

#define EACH_BYTE(x) (0x0101010101010101u * (uint64_t)(x))

/* clang-format off */
static const uint8_t tchar[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
	['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
	['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};
/* clang-format on */

size_t http_token_len(struct view v)
{
	size_t n = 0;

	while (n < v.len && tchar[v.p[n]])
		n++;
	return n;
}

/* Of eight bytes: a set high bit somewhere where one of them is below `limit` (at most 128). */
static uint64_t any_below(uint64_t x, uint8_t limit)
{
	return (x - EACH_BYTE(limit)) & ~x & EACH_BYTE(0x80);
}

static bool byte_clean(uint8_t c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool bytes_clean(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!byte_clean(p[i]))
			return false;
	return true;
}

bool http_value_clean(struct view v)
{
	uint64_t x;

	while (v.len >= sizeof(x)) {
		memcpy(&x, v.p, sizeof(x));
		/* Below a space, or DEL; a tab comes here too and is let through one by one. */
		if ((any_below(x, 0x20) | any_below(x ^ EACH_BYTE(0x7f), 1)) &&
		    !bytes_clean(v.p, sizeof(x)))
			return false;
		view_skip(&v, sizeof(x));
	}
	return bytes_clean(v.p, v.len);
}

bool http_target_clean(struct view v)
{
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.p[i];
		if (c <= 0x20 || c == 0x7f || c == '\\' || c == '#')
			return false;
	}
	return true;
}

bool http_text_is(struct view v, const char *lower)
{
	size_t i;

	for (i = 0; i < v.len && lower[i]; i++)
		if (http_lower(v.p[i]) != (uint8_t)lower[i])
			return false;
	return i == v.len && !lower[i];
}

bool http_text_is_exactly(struct view v, const char *text)
{
	return v.len == strlen(text) && memcmp(v.p, text, v.len) == 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct view http_text_trim(struct view v)
{
	while (v.len && is_blank(v.p[0]))
		view_skip(&v, 1);
	while (v.len && is_blank(v.p[v.len - 1]))
		v.len--;
	return v;
}

bool http_list_next(struct view *list, struct view *ret)
{
	struct view member = {0};

	while (list->len && !member.len) {
		const uint8_t *comma = memchr(list->p, ',', list->len);
		view_take(list, comma ? (size_t)(comma - list->p) : list->len, &member);
		view_skip(list, 1);
		member = http_text_trim(member);
	}
	if (!member.len)
		return false;
	*ret = member;
	return true;
}

bool http_length_read(struct view v, uint64_t *ret)
{
	uint64_t n = 0;

	if (v.len == 0 || v.len > LENGTH_DIGITS || (v.p[0] == '0' && v.len > 1))
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		n = n * 10 + (v.p[i] - '0');
	}
	if (n > INT64_MAX)
		return false;
	*ret = n;
	return true;
}

int http_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
