// SPDX-License-Identifier: Apache-2.0
/*
 * The characters of HTTP: tokens, field values, and comparing without regard to case.
 */
#ifndef WEIR_HTTP_TEXT_H
#define WEIR_HTTP_TEXT_H

#include "base/view.h"

static inline uint8_t http_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* How many bytes at the start of `v` are token characters (RFC 9110 5.6.2). */
size_t http_token_len(struct view v);
/* True where no byte is a control character; the tab is none of them (RFC 9110 5.5). */
bool http_value_clean(struct view v);
/* True for what may stand in a request target: nothing that servers read in two ways. No control
 * characters, white space, backslash or number sign. Bytes over 127 pass, as everywhere. */
bool http_target_clean(struct view v);
/* Equal but for the case of letters; `lower` is in lower case already. */
bool http_text_is(struct view v, const char *lower);
bool http_text_is_exactly(struct view v, const char *text);
/* Without spaces and tabs at both ends. */
struct view http_text_trim(struct view v);
/* The next member of a comma list (RFC 9110 5.6.1), trimmed; empty ones are skipped. False at the
 * end. */
bool http_list_next(struct view *list, struct view *ret);
/* 1*DIGIT in its one spelling (no sign, no leading zero), at most INT64_MAX. */
bool http_length_read(struct view v, uint64_t *ret);
/* Its value, or -1. */
int http_hex_digit(uint8_t c);

#endif
