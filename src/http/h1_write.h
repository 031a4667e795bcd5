// SPDX-License-Identifier: Apache-2.0
/*
 * Writing heads of HTTP/1 (RFC 9112 2 to 6) from what was understood of them.
 *
 * Fields go out in their order and with their names as they came. What frames the body is written
 * anew, in the place where it stood; Connection is as http/proxy_h1_hop.c left it, or "close".
 * Text that did not come through a reader (a filter put it in) is looked at here: nothing is
 * written that would read as something else.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_H1_WRITE_H
#define WEIR_HTTP_H1_WRITE_H

#include "http/exchange.h"
#include "http/h1_answer.h"

struct h1_writing {
	uint8_t minor; /* HTTP/1.minor; 1 where the framing is H1_CHUNKED */
	enum h1_framing framing;
	uint64_t length;   /* of H1_LENGTH */
	bool keep_framing; /* H1_NO_BODY: the fields that tell of a body that is not sent go on */
	bool close;        /* Connection: close, and no other */
	size_t read_len;   /* bytes of the head's text that came through a reader */
};

/* Append to `out`. False, and nothing is written: without memory, or where something in the head
 * cannot be written. `prefix`: what stands before the path in an absolute target. */
bool h1_write_request(struct buf *out, const struct http_head *h, struct view prefix,
		      const struct h1_writing *w);
bool h1_write_answer(struct buf *out, const struct http_head *h, struct view reason,
		     const struct h1_writing *w);
/* The last chunk, trailer fields, and the empty line. */
bool h1_write_trailers(struct buf *out, const struct http_head *trailers, size_t read_len);
/* The line in front of a chunk. */
bool h1_write_chunk(struct buf *out, uint64_t size);

#endif
