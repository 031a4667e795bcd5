// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of an HTTP/1 message that requests and answers have in common, each read in one place
 * and in one way: lines (RFC 9112 2.2), fields (5) and chunks (7.1).
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_H1_PART_H
#define WEIR_HTTP_H1_PART_H

#include "http/fields.h"

/* A chunk that a peer would count in 32 bits with a sign is no larger. */
#define H1_CHUNK_MAX 0x7fffffffu

enum h1_line {
	H1_LINE_MORE,  /* all bytes were used, the line goes on */
	H1_LINE_WHOLE, /* it has ended, with its LF */
	H1_LINE_FULL,  /* the text would be longer than `max`, or there is no memory */
};
/* Moves bytes from the start of `in` to the end of the text, up to the next LF. */
enum h1_line h1_line_take(struct http_fields *text, struct view *in, size_t max);
/* The line that begins at `from` and ends the text, without its CR LF. NULL, or what is wrong. */
const char *h1_line_show(const struct http_fields *text, size_t from, struct view *ret);
/* A line that is not empty as a field. NULL, or what is wrong. */
const char *h1_field_split(struct view line, struct view *ret_name, struct view *ret_value);

/* ---- chunks ---- */

enum h1_chunk_state {
	H1_CHUNK_SIZE,    /* in the digits of a size */
	H1_CHUNK_SIZE_LF, /* behind its CR */
	H1_CHUNK_DATA,    /* `left` bytes are to come */
	H1_CHUNK_CR,      /* behind them */
	H1_CHUNK_LF,      /* behind its CR */
	H1_CHUNK_LAST,    /* behind the line of the last chunk, of size 0: trailer fields follow */
	H1_CHUNK_BAD,     /* `error` says why */
};

struct h1_chunks { /* all zero: in front of the first size */
	enum h1_chunk_state state;
	unsigned digits;     /* of the size under way */
	uint64_t size, left; /* of the chunk under way: all of it, what is to come */
	const char *error;
};

/*
 * Looks at bytes from the start of `in`, up to the end of the first piece of content among them
 * (*ret_data; empty: there is none), and returns how many that are. A byte that is refused ends
 * the call in front of it, so that what was good before it has been told.
 */
size_t h1_chunks_read(struct h1_chunks *c, struct view in, struct view *ret_data);

#endif
