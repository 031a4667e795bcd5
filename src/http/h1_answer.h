// SPDX-License-Identifier: Apache-2.0
/*
 * A server's HTTP/1 answers, read strictly, for a proxy that writes them anew: an answer that two
 * clients could read differently, or whose end cannot be told, is an error.
 *
 * Sans-IO. Each byte is offered once, in any pieces; the events do not depend on the pieces, but
 * for how a body is cut. The reader is told of each request (h1_answer_expect()) before the first
 * byte of its answer is read, for what was asked decides how the answer ends (RFC 9112 6.3).
 *
 * What is refused: see the texts in h1_answer.c and h1_part.c; RFC 9112 2.2 (bare LF and CR), 4
 * (status line; but a missing reason, and the space before it, may be missing), 5.1 (space before
 * the colon), 5.2 (folded lines), 6.1 and 6.3 (Content-Length and Transfer-Encoding together,
 * repeated, or other than one number and one "chunked"), 7.1 (chunk sizes; extensions are refused
 * whatever they say), 101 to a request that did not ask for it. What a 1xx, a 204 and a 2xx to
 * CONNECT say about a length is read over, for they have no body.
 *
 * Bounds: HTTP_TEXT_MAX bytes of head and trailer with HTTP_FIELDS_MAX fields.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_H1_ANSWER_H
#define WEIR_HTTP_H1_ANSWER_H

#include "http/h1_part.h"

/* What of a request decides how its answer is read. */
struct h1_asked {
	bool head;    /* HEAD: no body */
	bool connect; /* CONNECT: a tunnel behind 2xx */
	bool upgrade; /* an Upgrade field was sent: a tunnel behind 101 */
};

enum h1_framing {
	H1_NO_BODY,
	H1_LENGTH,
	H1_CHUNKED,
	H1_UNTIL_CLOSE,
};

struct h1_reply {          /* an answer's head; views live until the next answer is read */
	struct view bytes; /* the head as it came, empty line included */
	uint8_t minor;     /* HTTP/1.minor */
	int status;        /* 100..999 */
	struct view reason;
	bool interim; /* 1xx but for a 101 that switches: another answer to the same request follows
		       */
	bool tunnel;  /* 101, 2xx to CONNECT: the stream is no HTTP/1 behind it */
	enum h1_framing framing;
	uint64_t length;             /* H1_LENGTH: of the body; may be 0 */
	bool has_length, has_coding; /* the fields were there, also where they frame nothing */
	const struct http_field *fields;
	size_t field_count;
	/* From H1_ANSWER_TRAILER on. */
	struct view trailer; /* the trailer section as it came, empty line included */
	const struct http_field *trailers;
	size_t trailer_count;
};

enum h1_answer_event {
	H1_ANSWER_MORE,    /* all bytes were used, none ended anything */
	H1_ANSWER_HEAD,    /* a head is complete: h1_answer_reply() */
	H1_ANSWER_BODY,    /* body bytes, with one piece of content at most: h1_answer_data() */
	H1_ANSWER_TRAILER, /* behind the last chunk: trailer fields, mostly none */
	H1_ANSWER_END,     /* the final answer is over; the next needs h1_answer_expect() first */
	H1_ANSWER_TUNNEL,  /* behind a head with `tunnel`: the rest is not HTTP/1. Final */
	H1_ANSWER_ERROR,   /* h1_answer_error() says what. Final */
};

struct h1_answer; /* one direction of one connection */

struct h1_answer *h1_answer_new(void); /* NULL without memory */
void h1_answer_free(struct h1_answer *a);
/* What the next answer is to. In the beginning, or behind H1_ANSWER_END. */
void h1_answer_expect(struct h1_answer *a, struct h1_asked asked);
/* As h1_read(). Bytes of an answer that is not expected are an error. */
enum h1_answer_event h1_answer_read(struct h1_answer *a, struct view in, size_t *ret_used);
const struct h1_reply *h1_answer_reply(const struct h1_answer *a);
/* As h1_data(): of the newest H1_ANSWER_BODY. */
struct view h1_answer_data(const struct h1_answer *a, uint64_t *ret_chunk);
/*
 * The stream has ended, in order. H1_ANSWER_END: and with it a body that had no other end;
 * H1_ANSWER_MORE: between two answers, none of which has begun; else H1_ANSWER_ERROR.
 */
enum h1_answer_event h1_answer_finish(struct h1_answer *a);
const char *h1_answer_error(const struct h1_answer *a);

#endif
