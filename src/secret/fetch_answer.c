// SPDX-License-Identifier: Apache-2.0
/* A token endpoint's answer: HTTP/1.1 (RFC 9112) as far as one answer needs it, and its JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "secret/fetch.h"

/* ---- HTTP ---- */

struct framing {
	bool chunked, has_length;
	size_t length;
};

/* A line without its CRLF (or LF). False: its end has not come. */
static bool get_line(struct view *in, struct view *ret)
{
	const uint8_t *lf = in->len ? memchr(in->p, '\n', in->len) : NULL;

	if (!lf)
		return false;
	view_take(in, (size_t)(lf - in->p), ret);
	view_skip(in, 1);
	if (ret->len && ret->p[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

/* Digits of base 10 or 16 up to the end, or (16) to what is no digit. */
static bool get_number(struct view v, unsigned base, size_t *ret)
{
	size_t n = 0, digits = 0;

	for (; digits < v.len; digits++) {
		uint8_t c = v.p[digits];
		unsigned d = c >= '0' && c <= '9'   ? c - '0'
			     : c >= 'a' && c <= 'f' ? c - 'a' + 10
			     : c >= 'A' && c <= 'F' ? c - 'A' + 10
						    : 99;
		if (d >= base)
			break;
		n = n * base + d;
		if (n > FETCH_ANSWER_MAX)
			return false;
	}
	*ret = n;
	return digits > 0 && (digits == v.len || (base == 16 && v.p[digits] == ';'));
}

static bool is_field(struct view line, const char *name, struct view *ret_value)
{
	size_t n = strlen(name);

	if (line.len <= n || strncasecmp((const char *)line.p, name, n) != 0 || line.p[n] != ':')
		return false;
	view_skip(&line, n + 1);
	while (line.len && (*line.p == ' ' || *line.p == '\t'))
		view_skip(&line, 1);
	while (line.len && (line.p[line.len - 1] == ' ' || line.p[line.len - 1] == '\t'))
		line.len--;
	*ret_value = line;
	return true;
}

/* 1: the head is whole. */
static int read_head(struct view *in, unsigned *ret_status, struct framing *ret)
{
	struct framing f = {0};
	struct view line, value;
	size_t status;

	if (!get_line(in, &line))
		return 0;
	if (line.len < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ' ||
	    !get_number(view_make(line.p + 9, 3), 10, &status))
		return -1;
	for (;;) {
		if (!get_line(in, &line))
			return 0;
		if (line.len == 0)
			break;
		if (is_field(line, "transfer-encoding", &value))
			f.chunked = value.len == 7 &&
				    strncasecmp((const char *)value.p, "chunked", 7) == 0;
		if (is_field(line, "content-length", &value)) {
			if (f.has_length || !get_number(value, 10, &f.length))
				return -1;
			f.has_length = true;
		}
	}
	*ret_status = (unsigned)status;
	*ret = f;
	return 1;
}

/* Puts the chunks behind each other at `to`, over themselves. */
static int read_chunks(struct view in, uint8_t *to, size_t *ret_len)
{
	struct view line, data;
	size_t n, len = 0;

	for (;;) {
		if (!get_line(&in, &line))
			return 0;
		if (!get_number(line, 16, &n))
			return -1;
		if (n == 0)
			break;
		if (!view_take(&in, n, &data))
			return 0;
		memmove(to + len, data.p, n);
		len += n;
		if (!get_line(&in, &line))
			return 0;
		if (line.len)
			return -1;
	}
	*ret_len = len;
	return 1;
}

/* Chunks move while they are put together, so an answer is looked at from its start only until it
 * is known to be whole. */
static int chunks_whole(struct view in)
{
	struct view line;
	size_t n;

	for (;;) {
		if (!get_line(&in, &line))
			return 0;
		if (!get_number(line, 16, &n))
			return -1;
		if (n == 0)
			return 1;
		if (!view_skip(&in, n))
			return 0;
		if (!get_line(&in, &line))
			return 0;
		if (line.len)
			return -1;
	}
}

int fetch_read_answer(uint8_t *bytes, size_t n, bool end, struct fetch_answer *ret)
{
	struct view in = view_make(bytes, n);
	struct fetch_answer a;
	struct framing f;
	int r;

	do {
		r = read_head(&in, &a.status, &f);
		if (r <= 0)
			return r < 0 || end ? -1 : 0;
	} while (a.status < 200); /* interim answers have no body */
	a.body = in;
	if (f.chunked) {
		r = chunks_whole(in);
		if (r <= 0)
			return r < 0 || end ? -1 : 0;
		uint8_t *to = bytes + (in.p - bytes);
		if (read_chunks(in, to, &a.body.len) != 1)
			return -1;
	} else if (f.has_length) {
		if (in.len < f.length)
			return end ? -1 : 0;
		a.body.len = f.length;
	} else if (!end) {
		return 0;
	}
	*ret = a;
	return 1;
}

/* ---- JSON ---- */

/* "2026-11-21T12:00:00Z" as seconds from now; 0 where it is none, or past. */
static uint64_t seconds_until(const char *text)
{
	struct tm tm = {0};
	const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	time_t at, now = time(NULL);

	if (!end || (*end != 'Z' && *end != '\0'))
		return 0;
	at = timegm(&tm);
	return at > now ? (uint64_t)(at - now) : 0;
}

#define LIFE_MAX (366ull * 86400)

static uint64_t life_of(const json_t *o)
{
	const json_t *in = json_object_get(o, "expires_in");
	uint64_t s = 0;

	if (json_is_integer(in) && json_integer_value(in) > 0)
		s = (uint64_t)json_integer_value(in);
	else if (json_is_string(in)) /* some write it so */
		s = strtoull(json_string_value(in), NULL, 10);
	if (s == 0)
		s = seconds_until(json_string_value(json_object_get(o, "expires_at")));
	return s < LIFE_MAX ? s : LIFE_MAX;
}

int fetch_read_json(struct view body, struct buf *mem, struct fetch_token *ret, struct error *err)
{
	json_t *o = json_loadb((const char *)body.p, body.len, 0, NULL);
	const json_t *token = json_object_get(o, "access_token");
	const json_t *refresh = json_object_get(o, "refresh_token");
	int r = -1;

	if (!json_is_string(token))
		token = json_object_get(o, "token"); /* GitHub's */
	if (!json_is_string(token) || json_string_length(token) == 0) {
		error_set(err, "the token's server has answered without a token");
	} else if (json_string_length(token) > SECRET_VALUE_MAX ||
		   json_string_length(refresh) > SECRET_VALUE_MAX) {
		error_set(err, "the token is longer than %d bytes", SECRET_VALUE_MAX);
	} else if (!buf_append(mem, json_string_value(token), json_string_length(token)) ||
		   !buf_append(mem, json_string_value(refresh), json_string_length(refresh))) {
		error_set(err, "no memory");
	} else {
		struct view all = buf_view(mem);
		view_take(&all, json_string_length(token), &ret->token);
		ret->refresh = all;
		ret->lives_s = life_of(o);
		r = 0;
	}
	json_decref(o);
	return r;
}

void fetch_read_refusal(struct view body, char ret[64])
{
	json_t *o = json_loadb((const char *)body.p, body.len, 0, NULL);
	const char *text = json_string_value(json_object_get(o, "error"));
	size_t n = 0;

	/* Of the server's words only what can be nothing but a code. */
	for (; text && text[n] && n < 63; n++) {
		bool letter = (text[n] >= 'a' && text[n] <= 'z') ||
			      (text[n] >= 'A' && text[n] <= 'Z') || text[n] == '_';
		if (!letter) {
			n = 0;
			break;
		}
		ret[n] = text[n];
	}
	ret[n] = '\0';
	json_decref(o);
}
