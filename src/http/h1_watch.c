// SPDX-License-Identifier: Apache-2.0
/*
 * Watching answers. Everything that is a line (status, fields, chunk sizes, trailers) goes through
 * one reader of lines, which keeps the beginning of each; the rest is skipped by its length.
 */
#include "http/h1_watch.h"

#include <stdlib.h>

#include "http/text.h"

enum watch_state {
	W_STATUS,    /* in a status line, or in front of one */
	W_FIELDS,    /* in the fields of the head */
	W_LENGTH,    /* in a body: `left` bytes are to come */
	W_SIZE,      /* in the line of a chunk's size */
	W_CHUNK,     /* in a chunk: `left` bytes are to come */
	W_CHUNK_END, /* in the line end behind it */
	W_TRAILER,   /* in the trailer */
	W_OVER,      /* H1_WATCH_END is owed */
	W_CLOSE,     /* in a body that ends with the connection: nothing else comes any more */
	W_TUNNEL,    /* final */
	W_ERROR,     /* final */
};

/* What of a request decides how its answer is read. */
enum asked {
	ASKED_PLAIN = 0,
	ASKED_HEAD = 1,
	ASKED_CONNECT = 2,
	ASKED_UPGRADE = 4
};

struct h1_watch {
	enum watch_state state;
	uint8_t asked[H1_WATCH_REQUESTS]; /* ring of enum asked bits */
	unsigned first, count;            /* of the ring */
	uint8_t line[H1_WATCH_LINE_MAX];  /* the line under way: its beginning */
	size_t line_len;                  /* all its bytes so far, kept or not */
	uint8_t line_last[2];             /* the newest two bytes of it */
	size_t head_len;                  /* bytes of head or trailer before this line */
	uint64_t left;
	bool http10, has_length, has_coding, chunked;
	struct h1_answer_head answer;
	const char *error;
};

struct h1_watch *h1_watch_new(void)
{
	return calloc(1, sizeof(struct h1_watch));
}

void h1_watch_free(struct h1_watch *w)
{
	free(w);
}

const struct h1_answer_head *h1_watch_answer(const struct h1_watch *w)
{
	return &w->answer;
}

const char *h1_watch_error(const struct h1_watch *w)
{
	return w->error;
}

bool h1_watch_request(struct h1_watch *w, const struct h1_head *head)
{
	uint8_t asked = ASKED_PLAIN;

	/* No answer will be read, so none has to be told apart. */
	if (w->state == W_ERROR || w->state == W_CLOSE)
		return true;
	if (w->count == H1_WATCH_REQUESTS)
		return false;
	if (http_text_is_exactly(head->method, "HEAD"))
		asked |= ASKED_HEAD;
	if (head->connect)
		asked |= ASKED_CONNECT;
	if (head->upgrade)
		asked |= ASKED_UPGRADE;
	w->asked[(w->first + w->count++) % H1_WATCH_REQUESTS] = asked;
	return true;
}

static bool fail(struct h1_watch *w, const char *error)
{
	w->state = W_ERROR;
	w->error = error;
	return false;
}

/* ---- lines ---- */

/* Keeps the beginning of the line and its last two bytes. */
static void keep(struct h1_watch *w, const uint8_t *p, size_t n)
{
	if (w->line_len < H1_WATCH_LINE_MAX) {
		size_t room = H1_WATCH_LINE_MAX - w->line_len;
		memcpy(w->line + w->line_len, p, n < room ? n : room);
	}
	w->line_last[0] = n > 1 ? p[n - 2] : w->line_last[1];
	w->line_last[1] = p[n - 1];
	w->line_len += n;
}

/* Takes bytes of a line; *ret_whole where it has ended with CR LF. False: refused. */
static bool take_line(struct h1_watch *w, struct view *in, bool *ret_whole)
{
	const uint8_t *lf = in->len ? memchr(in->p, '\n', in->len) : NULL;
	size_t n = lf ? (size_t)(lf - in->p) + 1 : in->len;

	*ret_whole = false;
	if (n > H1_WATCH_HEAD_MAX - w->head_len - w->line_len)
		return fail(w, "the head of an answer is too large");
	if (n == 0)
		return true;
	keep(w, in->p, n);
	view_skip(in, n);
	if (!lf)
		return true;
	if (w->line_len < 2 || w->line_last[0] != '\r')
		return fail(w, "a line of an answer ends without a carriage return");
	*ret_whole = true;
	return true;
}

/* The line without its end; `*ret_cut` where only its beginning was kept. */
static struct view whole_line(const struct h1_watch *w, bool *ret_cut)
{
	size_t len = w->line_len - 2;

	*ret_cut = len > H1_WATCH_LINE_MAX;
	return view_make(w->line, *ret_cut ? H1_WATCH_LINE_MAX : len);
}

static void next_line(struct h1_watch *w)
{
	w->head_len += w->line_len;
	w->line_len = 0;
}

/* ---- heads ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason may be missing, and some servers leave its space out as well. */
static bool read_status(struct h1_watch *w, struct view v)
{
	static const char start[] = "HTTP/1.";
	bool ok = v.len >= 12 && memcmp(v.p, start, sizeof(start) - 1) == 0 &&
		  (v.p[7] == '0' || v.p[7] == '1') && v.p[8] == ' ' && v.p[9] != '0' &&
		  is_digit(v.p[9]) && is_digit(v.p[10]) && is_digit(v.p[11]) &&
		  (v.len == 12 || v.p[12] == ' ');

	if (!ok)
		return fail(w, "an answer begins with no status line");
	if (w->count == 0)
		return fail(w, "an answer without a request");
	uint8_t asked = w->asked[w->first];
	w->http10 = v.p[7] == '0';
	w->has_length = w->has_coding = w->chunked = false;
	w->left = 0;
	w->answer = (struct h1_answer_head){
		.status = (v.p[9] - '0') * 100 + (v.p[10] - '0') * 10 + (v.p[11] - '0'),
		.interim = v.p[9] == '1',
		.to_connect = asked & ASKED_CONNECT,
		.to_upgrade = asked & ASKED_UPGRADE,
	};
	w->state = W_FIELDS;
	return true;
}

static bool field_length(struct h1_watch *w, struct view value)
{
	if (w->has_length || !http_length_read(value, &w->left))
		return fail(w, "the Content-Length of an answer is not one plain number");
	w->has_length = true;
	return true;
}

static bool field_coding(struct h1_watch *w, struct view value)
{
	struct view member;

	if (w->has_coding)
		return fail(w, "an answer has two Transfer-Encoding fields");
	w->has_coding = true;
	/* The last one counts: without "chunked" there the body ends with the connection. */
	while (http_list_next(&value, &member))
		w->chunked = http_text_is(member, "chunked");
	return true;
}

static bool read_field(struct h1_watch *w, struct view v, bool cut)
{
	struct view name, value, member;

	view_take(&v, http_token_len(v), &name);
	/* A folded line has no name, and neither has anything else that is no field. */
	if (name.len == 0 || v.len == 0 || v.p[0] != ':')
		return fail(w, "a line of an answer is no field");
	view_skip(&v, 1);
	value = http_text_trim(v);
	bool length = http_text_is(name, "content-length");
	bool coding = http_text_is(name, "transfer-encoding");
	if ((length || coding) && (cut || !http_value_clean(value)))
		return fail(w, "the framing of an answer cannot be read");
	if (length)
		return field_length(w, value);
	if (coding)
		return field_coding(w, value);
	if (w->answer.status == 101 && http_text_is(name, "upgrade"))
		while (http_list_next(&value, &member))
			w->answer.upgrade_h2c |= http_text_is(member, "h2c");
	return true;
}

static bool begins_tunnel(const struct h1_answer_head *a)
{
	return (a->status == 101 && a->to_upgrade) || (a->status / 100 == 2 && a->to_connect);
}

/* How the body ends (RFC 9112 6.3), the head being complete. */
static bool end_head(struct h1_watch *w)
{
	struct h1_answer_head *a = &w->answer;
	bool none = a->interim || a->status == 204 || a->status == 304 ||
		    (w->asked[w->first] & ASKED_HEAD);

	if (begins_tunnel(a)) {
		w->state = W_TUNNEL;
		return true;
	}
	if (a->status == 101)
		return fail(w, "101 to a request that did not ask for it");
	if (w->has_coding && (w->has_length || w->http10))
		return fail(w, "an answer whose end can be read in two ways");
	if (none)
		w->state = W_OVER;
	else if (w->has_coding)
		w->state = w->chunked ? W_SIZE : W_CLOSE;
	else
		w->state = !w->has_length ? W_CLOSE : w->left ? W_LENGTH : W_OVER;
	a->until_close = w->state == W_CLOSE;
	w->head_len = 0;
	return true;
}

/* ---- bodies ---- */

static bool read_size(struct h1_watch *w, struct view v)
{
	size_t digits = 0;

	w->left = 0;
	for (; digits < v.len; digits++) {
		int digit = http_hex_digit(v.p[digits]);
		if (digit < 0)
			break;
		if (w->left >> 59)
			return fail(w, "a chunk of an answer is too large");
		w->left = w->left << 4 | (unsigned)digit;
	}
	/* Behind it extensions, or the spaces that some servers pad it with. */
	if (digits == 0 ||
	    (digits < v.len && v.p[digits] != ';' && v.p[digits] != ' ' && v.p[digits] != '\t'))
		return fail(w, "a chunk of an answer has no size");
	w->head_len = w->line_len = 0;
	w->state = w->left ? W_CHUNK : W_TRAILER;
	return true;
}

/* A whole line; *ret_event changes where it ended something. */
static bool read_line(struct h1_watch *w, enum h1_watch_event *ret_event)
{
	bool cut, empty = w->line_len == 2;
	struct view v = whole_line(w, &cut);

	next_line(w);
	switch (w->state) {
	case W_STATUS:
		return read_status(w, v);
	case W_FIELDS:
		if (!empty)
			return read_field(w, v, cut);
		if (!end_head(w))
			return false;
		*ret_event = w->state == W_TUNNEL ? H1_WATCH_TUNNEL : H1_WATCH_ANSWER;
		return true;
	case W_SIZE:
		return read_size(w, v);
	case W_CHUNK_END:
		if (!empty)
			return fail(w, "a chunk of an answer is longer than its size");
		w->head_len = 0;
		w->state = W_SIZE;
		return true;
	default: /* W_TRAILER */
		if (empty)
			w->state = W_OVER;
		return true;
	}
}

static void skip_body(struct h1_watch *w, struct view *in)
{
	size_t n = in->len < w->left ? in->len : (size_t)w->left;

	view_skip(in, n);
	w->left -= n;
	if (w->left == 0)
		w->state = w->state == W_LENGTH ? W_OVER : W_CHUNK_END;
}

/* Behind an interim answer the same request goes on waiting. */
static enum h1_watch_event end_answer(struct h1_watch *w)
{
	w->head_len = 0;
	w->state = W_STATUS;
	if (w->answer.interim)
		return H1_WATCH_MORE;
	w->first = (w->first + 1) % H1_WATCH_REQUESTS;
	w->count--;
	return H1_WATCH_END;
}

enum h1_watch_event h1_watch_read(struct h1_watch *w, struct view in, size_t *ret_used)
{
	const uint8_t *from = in.p;
	enum h1_watch_event event = H1_WATCH_MORE;
	bool whole;

	*ret_used = 0;
	while (event == H1_WATCH_MORE) {
		if (w->state == W_OVER) {
			event = end_answer(w);
		} else if (w->state == W_TUNNEL) {
			return H1_WATCH_TUNNEL;
		} else if (w->state == W_ERROR) {
			return H1_WATCH_ERROR;
		} else if (in.len == 0) {
			break;
		} else if (w->state == W_CLOSE) {
			view_skip(&in, in.len);
		} else if (w->state == W_LENGTH || w->state == W_CHUNK) {
			skip_body(w, &in);
		} else if (!take_line(w, &in, &whole) || (whole && !read_line(w, &event))) {
			return H1_WATCH_ERROR;
		}
	}
	*ret_used = (size_t)(in.p - from);
	return event;
}
