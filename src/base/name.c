// SPDX-License-Identifier: Apache-2.0
/*
 * Reading names. One pass decides; the rules are those of name.h.
 */
#include "base/name.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* What the URL standard calls "ends in a number": 1.2.3.4, 2130706433, 0177.1, 0x7f000001. */
static bool is_number(const char *s, size_t n)
{
	bool hex = n >= 2 && s[0] == '0' && s[1] == 'x';

	for (size_t i = hex ? 2 : 0; i < n; i++)
		if (!(hex ? is_hex(s[i]) : is_digit(s[i])))
			return false;
	return n > 0;
}

static enum name_fault check_label(const char *s, size_t n)
{
	if (n == 0)
		return NAME_DOTS;
	if (n > NAME_LABEL_MAX)
		return NAME_LONG;
	if (s[0] == '-' || s[n - 1] == '-')
		return NAME_HYPHEN;
	return NAME_OK;
}

enum name_fault name_read(const char *text, size_t n, struct name *ret)
{
	struct name r = {0};
	size_t label = 0; /* where the label under way begins */

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] >= 0x80)
			return NAME_NON_ASCII;
	if (n && text[n - 1] == '.')
		n--;
	if (n == 0)
		return NAME_EMPTY;
	if (n > NAME_TEXT_MAX)
		return NAME_LONG;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!is_word(c) && c != '-' && c != '.')
			return NAME_CHARACTER;
		r.s[i] = c;
	}
	for (size_t i = 0; i <= n; i++) {
		if (i < n && r.s[i] != '.')
			continue;
		enum name_fault f = check_label(r.s + label, i - label);
		if (f != NAME_OK)
			return f;
		if (i == n && is_number(r.s + label, n - label))
			return NAME_ADDRESS;
		label = i + 1;
	}
	r.len = (uint8_t)n;
	*ret = r;
	return NAME_OK;
}

const char *name_fault_text(enum name_fault f)
{
	switch (f) {
	case NAME_OK:
		return "it is a name";
	case NAME_EMPTY:
		return "it is empty";
	case NAME_LONG:
		return "it is too long: a name has at most 253 characters, a label 63";
	case NAME_DOTS:
		return "a label is empty";
	case NAME_CHARACTER:
		return "it has a character that is no letter, digit, hyphen or underscore";
	case NAME_HYPHEN:
		return "a label begins or ends with a hyphen";
	case NAME_NON_ASCII:
		return "it is not ASCII";
	case NAME_ADDRESS:
		return "it reads as an IP address";
	}
	return "it is no name";
}

bool name_eq(const struct name *a, const struct name *b)
{
	return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

bool name_below(const struct name *n, const char *zone, size_t zone_len)
{
	return zone_len && n->len > zone_len + 1 && n->s[n->len - zone_len - 1] == '.' &&
	       memcmp(n->s + n->len - zone_len, zone, zone_len) == 0;
}
