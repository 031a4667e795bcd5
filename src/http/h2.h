// SPDX-License-Identifier: Apache-2.0
/*
 * Watching the client's side of an HTTP/2 connection in the clear (RFC 9113) for the authority of
 * each request. Frames are followed and header blocks decoded (HPACK by nghttp2); nothing is
 * changed.
 *
 * May use: base/, http/h1.h, libnghttp2 (the header decoder). Bounds: one header block of
 * H2_BLOCK_MAX bytes over all its CONTINUATION frames, frames of the default 16,384 bytes, a
 * dynamic table of 4,096 bytes: what the server's own SETTINGS may have raised is refused.
 */
#ifndef WEIR_HTTP_H2_H
#define WEIR_HTTP_H2_H

#include "http/h1.h"

#define H2_BLOCK_MAX 65536

enum h2_event {
	H2_MORE,    /* *ret_used bytes may pass; more are needed */
	H2_REQUEST, /* the header block that begins stream h2_request()->stream is complete */
	H2_ERROR,   /* broke a rule, or cannot be read: final */
};

struct h2_request {
	uint32_t stream;
	struct http_authority
		authority; /* of :authority, which Host may repeat and not contradict */
	bool has_authority;
	bool connect; /* CONNECT, extended (RFC 8441) or not */
};

struct h2; /* one connection, from the preface on */

struct h2 *h2_new(void); /* NULL without memory */
void h2_free(struct h2 *h);
/*
 * Looks at bytes from the start of `in`. *ret_used is how many may go to the server: with H2_MORE
 * up to the beginning of a header block that is not complete yet (keep the rest and offer it again
 * with more behind it), with H2_REQUEST up to the block's end, once the request was judged.
 */
enum h2_event h2_read(struct h2 *h, struct view in, size_t *ret_used);
const struct h2_request *h2_request(const struct h2 *h);
const char *h2_error(const struct h2 *h);
/* The server's bytes change what the client may send (SETTINGS_HEADER_TABLE_SIZE, frame size): they
 * are to be shown here too, in order. False: cannot be read, so the connection must end. */
bool h2_read_server(struct h2 *h, struct view in);

#endif
