// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.0 and HTTP/1.1 requests (RFC 9112), read strictly: a message that two parsers could read
 * differently is refused. Sans-IO; bytes are looked at once, in any pieces, and nothing is copied
 * but the head of the request that is being read.
 *
 * May use: base/. Bounds: H1_HEAD_MAX bytes of a head with H1_FIELDS_MAX fields (more: 431).
 */
#ifndef WEIR_HTTP_H1_H
#define WEIR_HTTP_H1_H

#include "base/addr.h"
#include "base/name.h"
#include "base/view.h"

#define H1_HEAD_MAX   16384
#define H1_FIELDS_MAX 100

/* What is in an authority: "example.com:8080", "[2001:db8::1]", "127.0.0.1". */
struct http_authority {
	struct name name;   /* len 0: an address */
	struct ipaddr addr; /* family 0: a name */
	uint16_t port;      /* 0: none was written */
};
/*
 * One reading or none: user information, empty hosts, odd spellings of IPv4 (0x7f000001, 0177.1,
 * 2130706433), percent signs, zones and a port outside 1..65535 are refused.
 */
bool http_authority_read(struct view text, struct http_authority *ret);

/* Could these first bytes of a stream become an HTTP/1 request, or the HTTP/2 preface? */
enum http_guess {
	HTTP_GUESS_MORE, /* too early to say */
	HTTP_GUESS_NO,
	HTTP_GUESS_H1, /* a method, a space, and a target's first byte */
	HTTP_GUESS_H2, /* the whole preface (RFC 9113 3.4) */
};
enum http_guess http_guess(struct view first);

struct h1_field {
	struct view name, value; /* value without surrounding white space */
};

/* A request head read whole. Views point into the reader's copy and live until the next request. */
struct h1_head {
	struct view bytes; /* the head as it came, empty line included */
	struct view method, target;
	uint8_t minor;                   /* HTTP/1.minor: 0 or 1 */
	struct http_authority authority; /* of an absolute or CONNECT target, else of Host */
	bool has_authority;              /* false: HTTP/1.0 without a Host field */
	bool connect;                    /* CONNECT: behind the head comes another protocol */
	bool upgrade;                    /* asks for another protocol (Upgrade, h2c) */
	bool chunked;
	uint64_t length; /* of the body, where not chunked */
	struct h1_field fields[H1_FIELDS_MAX];
	size_t field_count;
};

enum h1_event {
	H1_MORE,   /* all bytes were used, none ended anything */
	H1_HEAD,   /* a head is complete: judge it, then go on */
	H1_BODY,   /* body bytes (framing of chunks included): *ret_used of them */
	H1_END,    /* the request is over; the next byte begins another */
	H1_TUNNEL, /* behind CONNECT or an Upgrade the stream is not HTTP/1 (h1_switch() said so) */
	H1_ERROR,  /* refused: h1_status() and h1_error() say why. Final */
};

struct h1; /* one direction of one connection: the client's requests */

struct h1 *h1_new(void); /* NULL without memory */
void h1_free(struct h1 *h);
/*
 * Looks at bytes from the start of `in`; *ret_used says how many belong to the event. Call again
 * with the rest, also where H1_HEAD used everything (a request without a body ends behind its
 * head). Bytes of a head are reported as used as they come (H1_MORE) and are complete in
 * h1_head().bytes.
 */
enum h1_event h1_read(struct h1 *h, struct view in, size_t *ret_used);
const struct h1_head *h1_head(const struct h1 *h); /* valid from H1_HEAD to H1_END */
/* The server agreed to switch protocols (101, or 2xx to CONNECT): what follows is a tunnel. */
void h1_switch(struct h1 *h);
/* Status to answer an error with: 400, 414, 417, 431, 501, 505; and what was wrong with it. */
int h1_status(const struct h1 *h);
const char *h1_error(const struct h1 *h);

#endif
