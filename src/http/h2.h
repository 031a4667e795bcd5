// SPDX-License-Identifier: Apache-2.0
/*
 * Watching the client's side of an HTTP/2 connection in the clear (RFC 9113) for the requests in
 * it. Frames are followed and header blocks decoded (HPACK by nghttp2); nothing is changed.
 *
 * Sans-IO, and the contract is that of h1.h: each byte is offered once, in any pieces; bytes used
 * with H2_MORE are to be held back, and with any other event but H2_ERROR everything used so far
 * may pass (with H2_REQUEST, once the request was judged). Held back are header blocks, frame
 * headers that are not whole, and the preface.
 *
 * A request that is denied cannot be left out of the stream alone: the server's header compression
 * would lose the entries that its block adds. So a denial ends the client's direction. deny.h makes
 * the answer; it can be put into the server's stream where h2_read_server() says.
 *
 * Streams are not kept: a header block with a stream number above all before it begins a request,
 * any other is a trailer and may hold no pseudo-header field, so it can name no host.
 *
 * Bounds: a header block of H2_BLOCK_MAX bytes over all its frames, H2_BLOCK_FRAMES of them; the
 * decoded fields of HTTP_TEXT_MAX bytes (each counted as RFC 9113 6.5.2 says) and HTTP_FIELDS_MAX;
 * a dynamic table of H2_TABLE_MAX bytes, whatever the server offers; H2_SETTINGS_MAX SETTINGS of
 * the server that the client did not acknowledge. Beyond any of them the connection is refused.
 *
 * May use: base/, libnghttp2 (the header decoder).
 */
#ifndef WEIR_HTTP_H2_H
#define WEIR_HTTP_H2_H

#include "http/authority.h"
#include "http/fields.h"
#include "http/guess.h"

#define H2_BLOCK_MAX    65536
#define H2_BLOCK_FRAMES 32
#define H2_TABLE_MAX    65536
#define H2_SETTINGS_MAX 16

enum h2_event {
	H2_MORE,    /* all bytes were used and are held back */
	H2_PASS,    /* frames that are no request: *ret_used bytes of them */
	H2_REQUEST, /* a header block that begins a stream is complete: judge h2_request() */
	H2_ERROR,   /* refused: h2_error() says why. Final */
};

/* Views live until the next header block begins. */
struct h2_request {
	uint32_t stream;
	bool end_stream; /* no body and no trailers will follow */
	/* of :authority, or of Host where there is none; both only where they are the same */
	struct http_authority authority;
	struct view authority_text;
	bool has_authority;
	bool connect;                               /* CONNECT, extended (RFC 8441) or not */
	struct view method, scheme, path, protocol; /* len 0: absent */
	bool has_length;
	uint64_t length;                 /* Content-Length */
	const struct http_field *fields; /* without the pseudo-header fields */
	size_t field_count;
};

struct h2; /* one connection, from the preface on */

struct h2 *h2_new(void); /* NULL without memory */
void h2_free(struct h2 *h);
/* Looks at bytes from the start of `in`; *ret_used says how many belong to the event. Call again
 * with the rest, until H2_MORE or a final event. */
enum h2_event h2_read(struct h2 *h, struct view in, size_t *ret_used);
const struct h2_request *h2_request(const struct h2 *h);
const char *h2_error(const struct h2 *h);

/* Behind which of the bytes shown frames of our own can be put in. */
#define H2_NO_GAP SIZE_MAX
/*
 * The server's bytes change what the client may send (SETTINGS): they are to be shown here too, in
 * order, before the client can have seen them, and from the first one on: some servers speak before
 * the client's first bytes show what it speaks. *ret_gap is the last place in `in` (0..in.len)
 * between two frames that a frame may come between. False: this is no HTTP/2 that can be followed,
 * so nothing more of the client may pass; the bytes themselves may.
 */
bool h2_read_server(struct h2 *h, struct view in, size_t *ret_gap);
/* The server's first SETTINGS have gone by: before, no other frame may reach the client. */
bool h2_server_began(const struct h2 *h);
/* The table that the client keeps for the server's headers (SETTINGS_HEADER_TABLE_SIZE). */
uint32_t h2_client_table(const struct h2 *h);

#endif
