// SPDX-License-Identifier: Apache-2.0
/*
 * Following a server's HTTP/1 answers through the stream, in the way that h1.c follows requests:
 * lines are put together in the store and read once when they are whole.
 */
#include "http/h1_answer.h"

#include <stdlib.h>

#include "http/text.h"

enum answer_state {
	A_IDLE,    /* no answer is expected */
	A_STATUS,  /* in a status line, or in front of it */
	A_FIELDS,  /* in the fields of the head */
	A_LENGTH,  /* in a body: `left` bytes are to come */
	A_CHUNKS,  /* in a body of chunks */
	A_CLOSE,   /* in a body that ends with the connection */
	A_TRAILER, /* in trailer fields */
	A_OVER,    /* H1_ANSWER_END is owed */
	A_TUNNEL,  /* final */
	A_ERROR,   /* final */
};

struct h1_answer {
	enum answer_state state;
	struct h1_asked asked;
	struct http_fields store; /* head and trailer as they came, one behind the other */
	size_t line;              /* where in the text the line under way begins */
	size_t reason, reason_len, head_len;
	struct h1_reply reply;
	bool fresh; /* the store is empty and `reply` is cleared */
	uint64_t left;
	struct h1_chunks chunks;
	struct view data;
	const char *error;
};

struct h1_answer *h1_answer_new(void)
{
	return calloc(1, sizeof(struct h1_answer));
}

void h1_answer_free(struct h1_answer *a)
{
	if (!a)
		return;
	http_fields_done(&a->store);
	free(a);
}

const struct h1_reply *h1_answer_reply(const struct h1_answer *a)
{
	return &a->reply;
}

const char *h1_answer_error(const struct h1_answer *a)
{
	return a->error;
}

void h1_answer_expect(struct h1_answer *a, struct h1_asked asked)
{
	a->asked = asked;
	if (a->state == A_IDLE)
		a->state = A_STATUS;
}

/* Bytes of a head have come that is not complete. */
static bool has_begun(const struct h1_answer *a)
{
	return a->state == A_FIELDS || (a->state == A_STATUS && a->fresh && a->store.text_len);
}

static bool fail(struct h1_answer *a, const char *error)
{
	a->state = A_ERROR;
	a->error = error;
	return false;
}

/* ---- heads ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason may be missing, and some servers leave its space out as well. */
static bool status_line(struct h1_answer *a, struct view v)
{
	bool ok = v.len >= 12 && memcmp(v.p, "HTTP/1.", 7) == 0 &&
		  (v.p[7] == '0' || v.p[7] == '1') && v.p[8] == ' ' && v.p[9] != '0' &&
		  is_digit(v.p[9]) && is_digit(v.p[10]) && is_digit(v.p[11]) &&
		  (v.len == 12 || v.p[12] == ' ') && http_value_clean(v);

	if (!ok)
		return fail(a, "an answer begins with no status line");
	a->reply.minor = v.p[7] - '0';
	a->reply.status = (v.p[9] - '0') * 100 + (v.p[10] - '0') * 10 + (v.p[11] - '0');
	a->reason = v.len > 12 ? 13 : 12;
	a->reason_len = v.len - a->reason;
	a->state = A_FIELDS;
	return true;
}

static bool field_length(struct h1_answer *a, struct view value)
{
	if (a->reply.has_length || !http_length_read(value, &a->reply.length))
		return fail(a, "the Content-Length of an answer is not one plain number");
	a->reply.has_length = true;
	return true;
}

/* No client knows more codings than this one. */
static bool field_coding(struct h1_answer *a, struct view value)
{
	if (a->reply.has_coding || !http_text_is(value, "chunked"))
		return fail(a, "the Transfer-Encoding of an answer is not one \"chunked\"");
	a->reply.has_coding = true;
	return true;
}

static bool field_line(struct h1_answer *a, struct view line)
{
	struct view name, value;
	const char *error = h1_field_split(line, &name, &value);

	if (error)
		return fail(a, error);
	if (!http_fields_add(&a->store, name, value))
		return fail(a, "an answer has too many fields");
	bool length = http_text_is(name, "content-length");
	bool coding = !length && http_text_is(name, "transfer-encoding");
	if (a->state == A_TRAILER && (length || coding))
		return fail(a, "a trailer field that belongs into the head");
	return length ? field_length(a, value) : coding ? field_coding(a, value) : true;
}

/* The store may have moved since: the views of the head are made anew. */
static void show_head(struct h1_answer *a)
{
	a->reply.bytes = view_make(a->store.text, a->head_len);
	a->reply.reason = view_make(a->store.text + a->reason, a->reason_len);
	a->reply.fields = a->store.list;
}

/* RFC 9112 6.3. */
static bool end_head(struct h1_answer *a)
{
	static const enum answer_state next[] = {
		[H1_NO_BODY] = A_OVER,
		[H1_LENGTH] = A_LENGTH,
		[H1_CHUNKED] = A_CHUNKS,
		[H1_UNTIL_CLOSE] = A_CLOSE,
	};
	struct h1_reply *r = &a->reply;

	if (r->has_coding && (r->has_length || r->minor == 0))
		return fail(a, "an answer whose end can be read in two ways");
	r->tunnel = r->status == 101 || (r->status / 100 == 2 && a->asked.connect);
	if (r->status == 101 && !a->asked.upgrade)
		return fail(a, "101 to a request that did not ask for it");
	r->interim = r->status / 100 == 1 && !r->tunnel;
	if (r->tunnel || r->interim || r->status == 204 || r->status == 304 || a->asked.head)
		r->framing = H1_NO_BODY;
	else if (r->has_coding)
		r->framing = H1_CHUNKED;
	else
		r->framing = r->has_length ? H1_LENGTH : H1_UNTIL_CLOSE;
	a->left = r->length;
	a->chunks = (struct h1_chunks){0};
	a->state = r->tunnel ? A_TUNNEL : r->interim ? A_STATUS : next[r->framing];
	if (a->state == A_LENGTH && a->left == 0)
		a->state = A_OVER;
	a->fresh = false;
	r->field_count = a->store.count;
	a->head_len = a->store.text_len;
	show_head(a);
	return true;
}

static void end_trailer(struct h1_answer *a)
{
	a->reply.trailer = view_make(a->store.text + a->head_len, a->store.text_len - a->head_len);
	a->reply.trailers = a->store.list + a->reply.field_count;
	a->reply.trailer_count = a->store.count - a->reply.field_count;
	a->state = A_OVER;
}

/* The line that has just ended; *ret_last where it is the empty one. */
static bool end_line(struct h1_answer *a, bool *ret_last)
{
	struct view line;
	const char *error = h1_line_show(&a->store, a->line, &line);

	if (error)
		return fail(a, error);
	a->line = a->store.text_len;
	if (a->state == A_STATUS)
		return status_line(a, line);
	*ret_last = line.len == 0;
	return *ret_last || field_line(a, line);
}

static enum h1_answer_event read_lines(struct h1_answer *a, struct view in, size_t *ret_used)
{
	const uint8_t *from = in.p;
	bool last = false;

	while (!last) {
		enum h1_line got = h1_line_take(&a->store, &in, HTTP_TEXT_MAX);
		if (got == H1_LINE_FULL)
			fail(a, "the head of an answer is too large");
		if (got == H1_LINE_MORE)
			break;
		if (got == H1_LINE_FULL || !end_line(a, &last))
			return H1_ANSWER_ERROR;
	}
	if (a->state == A_TRAILER)
		show_head(a);
	*ret_used = (size_t)(in.p - from);
	if (!last)
		return H1_ANSWER_MORE;
	if (a->state == A_TRAILER) {
		end_trailer(a);
		return H1_ANSWER_TRAILER;
	}
	return end_head(a) ? H1_ANSWER_HEAD : H1_ANSWER_ERROR;
}

static void begin_answer(struct h1_answer *a)
{
	http_fields_clear(&a->store);
	a->reply = (struct h1_reply){0};
	a->line = 0;
	a->fresh = true;
}

/* ---- bodies ---- */

static size_t read_content(struct h1_answer *a, struct view in)
{
	if (a->state == A_CHUNKS) {
		size_t n = h1_chunks_read(&a->chunks, in, &a->data);
		if (a->chunks.state == H1_CHUNK_LAST)
			a->state = A_TRAILER;
		else if (a->chunks.state == H1_CHUNK_BAD)
			fail(a, a->chunks.error);
		return n;
	}
	if (a->state == A_LENGTH) {
		if (in.len > a->left)
			in.len = (size_t)a->left;
		a->left -= in.len;
		if (a->left == 0)
			a->state = A_OVER;
	}
	a->data = in;
	return in.len;
}

static enum h1_answer_event read_body(struct h1_answer *a, struct view in, size_t *ret_used)
{
	if (in.len == 0)
		return H1_ANSWER_MORE;
	*ret_used = read_content(a, in);
	if (*ret_used == 0)
		return a->state == A_ERROR ? H1_ANSWER_ERROR : H1_ANSWER_MORE;
	return H1_ANSWER_BODY;
}

struct view h1_answer_data(const struct h1_answer *a, uint64_t *ret_chunk)
{
	const struct h1_chunks *c = &a->chunks;

	*ret_chunk =
		a->reply.framing == H1_CHUNKED && a->data.len && c->left + a->data.len == c->size
			? c->size
			: 0;
	return a->data;
}

/* ---- the stream ---- */

enum h1_answer_event h1_answer_read(struct h1_answer *a, struct view in, size_t *ret_used)
{
	*ret_used = 0;
	switch (a->state) {
	case A_IDLE:
		if (in.len == 0)
			return H1_ANSWER_MORE;
		fail(a, "an answer without a request");
		return H1_ANSWER_ERROR;
	case A_STATUS:
		if (in.len == 0)
			return H1_ANSWER_MORE;
		if (!a->fresh)
			begin_answer(a);
		return read_lines(a, in, ret_used);
	case A_FIELDS:
	case A_TRAILER:
		return read_lines(a, in, ret_used);
	case A_OVER:
		a->state = A_IDLE;
		return H1_ANSWER_END;
	case A_TUNNEL:
		return H1_ANSWER_TUNNEL;
	case A_ERROR:
		return H1_ANSWER_ERROR;
	default:
		return read_body(a, in, ret_used);
	}
}

enum h1_answer_event h1_answer_finish(struct h1_answer *a)
{
	switch (a->state) {
	case A_CLOSE:
	case A_OVER:
		a->state = A_IDLE;
		return H1_ANSWER_END;
	case A_IDLE:
		return H1_ANSWER_MORE;
	case A_TUNNEL:
		return H1_ANSWER_TUNNEL;
	case A_STATUS:
		if (!has_begun(a))
			return H1_ANSWER_MORE;
		break;
	default:
		break;
	}
	fail(a, "the connection ends in the middle of an answer");
	return H1_ANSWER_ERROR;
}
