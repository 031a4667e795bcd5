// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.0 and HTTP/1.1 requests (RFC 9112), read strictly: a message that two parsers could read
 * differently is refused.
 *
 * Sans-IO. Each byte is offered once, in any pieces; the events do not depend on the pieces. The
 * reader lets its caller pass the bytes on exactly as they came and hold back what is not judged
 * yet: bytes used with H1_MORE are to be held back; with any other event but H1_ERROR everything
 * used so far may pass (with H1_HEAD, once the head was judged). Instead of holding bytes back the
 * caller can drop them and send h1_head().bytes and .trailer, which are copies of the same. Nothing
 * but heads and trailers is copied, and the bytes of bodies are not looked at.
 *
 * Behind CONNECT, or a request that asks for an upgrade, the stream goes on as HTTP/1 or not as the
 * server answers (h1_watch.h reads that). Until the answer is known nothing more is used: H1_WAIT.
 *
 * What is refused, and how: see the texts in h1_head.c; RFC 9112 2.2 (bare LF and CR, an empty line
 * in front of a request line), 3.2 (Host), 5.1 (space before the colon), 5.2 (folded lines), 6.1
 * and 6.3 (framing), 7.1 (chunk sizes; extensions are refused whatever they say).
 *
 * Bounds: HTTP_TEXT_MAX bytes of head and trailer with HTTP_FIELDS_MAX fields (more: 431),
 * H1_LINE_MAX of request line (more: 414). An idle connection holds about 3 KiB.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_H1_H
#define WEIR_HTTP_H1_H

#include "http/authority.h"
#include "http/fields.h"
#include "http/guess.h"
#include "http/h1_part.h"

#define H1_LINE_MAX   16384
#define H1_METHOD_MAX 64

/* A request head read whole. Views point into the reader's copy and live until the next request. */
struct h1_head {
	struct view bytes; /* the head as it came, empty line included */
	struct view method, target;
	uint8_t minor;                   /* HTTP/1.minor: 0 or 1 */
	struct http_authority authority; /* of an absolute or CONNECT target, else of Host */
	bool has_authority;              /* false: HTTP/1.0 without a Host field */
	bool absolute;                   /* the target is a URL, as it is for a proxy */
	uint16_t port;    /* absolute, CONNECT: the target's, its scheme's where none was written */
	bool connect;     /* CONNECT: the server may make the stream a tunnel */
	bool upgrade;     /* has an Upgrade field: the same */
	bool upgrade_h2c; /* to HTTP/2 among others (RFC 7540 3.2) */
	bool expect_continue; /* the body comes behind a 100 */
	bool chunked;
	uint64_t length; /* of the body, where not chunked */
	const struct http_field *fields;
	size_t field_count;
	/* From H1_TRAILER on. */
	struct view trailer; /* the trailer section as it came, empty line included */
	const struct http_field *trailers;
	size_t trailer_count;
};

enum h1_event {
	H1_MORE,    /* all bytes were used, none ended anything */
	H1_HEAD,    /* a head is complete: judge it, then go on */
	H1_BODY,    /* body bytes (framing of chunks included): *ret_used of them */
	H1_TRAILER, /* behind the last chunk: trailer fields, mostly none, and the empty line */
	H1_END,     /* the request is over; the next byte begins another */
	H1_WAIT,    /* call h1_switch() or h1_stay() first */
	H1_TUNNEL,  /* h1_switch() was called: the rest is not HTTP/1. Final, uses nothing */
	H1_ERROR,   /* refused: h1_status() and h1_error() say why. Final */
};

struct h1; /* one direction of one connection: the client's requests */

struct h1 *h1_new(void); /* NULL without memory */
void h1_free(struct h1 *h);
/*
 * Looks at bytes from the start of `in`; *ret_used says how many belong to the event. Call again
 * with the rest until H1_MORE or a final event, also where nothing is left: a request without a
 * body ends behind its head.
 */
enum h1_event h1_read(struct h1 *h, struct view in, size_t *ret_used);
const struct h1_head *h1_head(const struct h1 *h); /* valid from H1_HEAD to H1_END */
/*
 * For who reads bodies instead of passing their bytes on: from now on each H1_BODY ends with the
 * first piece of content in it at the latest, and h1_data() is that piece (empty: framing alone),
 * a view of what was offered. *ret_chunk: where a chunk begins with it, the chunk's size; else 0.
 */
void h1_split(struct h1 *h);
struct view h1_data(const struct h1 *h, uint64_t *ret_chunk);
/*
 * The server's answer to a CONNECT or an Upgrade: it switched protocols (101, or 2xx to CONNECT),
 * or it stays with HTTP/1 (any other final answer). Both may come before the request has ended.
 */
void h1_switch(struct h1 *h);
void h1_stay(struct h1 *h);
/* Status to answer an error with: 400, 414, 417, 431 or 505; and what was wrong. */
int h1_status(const struct h1 *h);
const char *h1_error(const struct h1 *h);

#endif
