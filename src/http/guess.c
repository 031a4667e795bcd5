// SPDX-License-Identifier: Apache-2.0
/*
 * Telling HTTP from everything else: the parts of the first line one after the other, each of which
 * either rules HTTP out, settles it, or leaves it open.
 */
#include "http/guess.h"

#include "http/text.h"

/*
 * What some server takes for white space in a request line: beside those of RFC 9112 3, a few split
 * it as Unicode text in Latin-1. LF is none: it ends the line everywhere.
 */
static bool is_white(uint8_t c)
{
	return c == ' ' || c == '\t' || (c >= 0x0b && c <= 0x0d) || (c >= 0x1c && c <= 0x1f) ||
	       c == 0x85 || c == 0xa0;
}

static bool is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_word(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		if (!is_letter(v.p[i]))
			return false;
	return true;
}

static void skip_white(struct view *v)
{
	while (v->len && is_white(v->p[0]))
		view_skip(v, 1);
}

/* Methods that a request without a version may have, or with one that is not here yet. */
static bool is_known(struct view method)
{
	static const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
					    "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (http_text_is_exactly(method, known[i]))
			return true;
	return false;
}

/* Begins what a request for `method` may ask for; "OPTIONS *" is RTSP's and SIP's as well. */
static bool is_target(struct view method, struct view v)
{
	if (v.len == 0)
		return false;
	if (http_text_is_exactly(method, "CONNECT"))
		return is_letter(v.p[0]) || (v.p[0] >= '0' && v.p[0] <= '9') || v.p[0] == '[';
	return v.p[0] == '/' || (v.len >= 4 && http_text_is(view_make(v.p, 4), "http"));
}

/* Where "HTTP/" in any case stands behind white space; the line's length where it does not. */
static size_t find_version(struct view line)
{
	static const char mark[] = "http/";

	for (size_t i = 1; i + sizeof(mark) - 1 <= line.len; i++) {
		if (is_white(line.p[i - 1]) &&
		    http_text_is(view_make(line.p + i, sizeof(mark) - 1), mark))
			return i;
	}
	return line.len;
}

/*
 * Behind the method no server that takes odd methods takes control characters, and none that takes
 * those knows a method that is no word. Most binary protocols end here: an LDAP bind begins "0\f".
 */
static bool is_text(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		if ((v.p[i] < 0x20 && !is_white(v.p[i])) || v.p[i] == 0x7f)
			return false;
	return true;
}

/* `line` begins at the method; `ended` where its end was seen, `full` at the limit. */
static enum http_guess guess_line(struct view line, bool ended, bool full)
{
	size_t n = http_token_len(line);
	struct view rest = view_make(line.p + n, line.len - n), method = view_make(line.p, n);

	if (rest.len && (n == 0 || !is_white(rest.p[0])))
		return HTTP_GUESS_NO;
	size_t version = find_version(rest);
	if (!is_word(method) && !is_text(view_make(rest.p, version)))
		return HTTP_GUESS_NO;
	if (version < rest.len)
		return HTTP_GUESS_H1;
	skip_white(&rest);
	if (is_known(method) && is_target(method, rest))
		return HTTP_GUESS_H1;
	if (ended)
		return HTTP_GUESS_NO;
	return full ? HTTP_GUESS_H1 : HTTP_GUESS_MORE;
}

enum http_guess http_guess(struct view first)
{
	static const char preface[] = HTTP_H2_PREFACE;
	bool full = first.len >= HTTP_GUESS_MAX;
	size_t n = first.len < HTTP_H2_PREFACE_LEN ? first.len : HTTP_H2_PREFACE_LEN;

	if (n == 0)
		return HTTP_GUESS_MORE;
	if (memcmp(first.p, preface, n) == 0)
		return n == HTTP_H2_PREFACE_LEN ? HTTP_GUESS_H2 : HTTP_GUESS_MORE;
	if (full)
		first.len = HTTP_GUESS_MAX;
	/* Empty lines in front of a request line: many servers skip them, and so does this. */
	if (first.len >= 2 && first.p[0] == '\r' && first.p[1] == '\n')
		return HTTP_GUESS_H1;
	while (first.len && (is_white(first.p[0]) || first.p[0] == '\n'))
		view_skip(&first, 1);
	if (first.len == 0)
		return full ? HTTP_GUESS_H1 : HTTP_GUESS_MORE;
	const uint8_t *end = memchr(first.p, '\n', first.len);
	if (end)
		first.len = (size_t)(end - first.p);
	return guess_line(first, end != NULL, full);
}
