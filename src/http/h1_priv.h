// SPDX-License-Identifier: Apache-2.0
/*
 * The request reader inside: h1.c follows the stream and its framing, h1_head.c reads lines.
 */
#ifndef WEIR_HTTP_H1_PRIV_H
#define WEIR_HTTP_H1_PRIV_H

#include "http/h1.h"

enum h1_state {
	H1_S_LINE,    /* in the request line, or in front of it */
	H1_S_FIELDS,  /* in the fields of the head */
	H1_S_LENGTH,  /* in a body: `left` bytes are to come */
	H1_S_CHUNKS,  /* in a body of chunks: `chunks` says where */
	H1_S_TRAILER, /* in trailer fields */
	H1_S_OVER,    /* H1_END is owed */
	H1_S_WAIT,    /* for the server's answer */
	H1_S_TUNNEL,  /* final */
	H1_S_ERROR,   /* final */
};

enum h1_said {
	H1_SAID_NONE,
	H1_SAID_SWITCH,
	H1_SAID_STAY
};

struct h1 {
	enum h1_state state;
	struct http_fields store; /* head and trailer as they came, one behind the other */
	size_t line;              /* where in the text the line under way begins */
	size_t head_len;          /* bytes of the head, once it is complete */
	struct h1_head head;
	uint64_t left; /* of a body with a length */
	struct h1_chunks chunks;
	bool split;        /* h1_split() was called */
	struct view data;  /* of the newest H1_BODY, where split */
	enum h1_said said; /* by the server, where it came early */
	/* Of the head under way. */
	size_t method_len, target_len;
	bool has_host, has_length, has_coding;
	struct http_authority host; /* where has_host */
	uint16_t default_port;      /* of the target's scheme, where it has one */
	int status;                 /* of the error */
	const char *error;
};

/* Notes what is wrong; false, for `return h1_refuse(...)`. */
bool h1_refuse(struct h1 *h, int status, const char *error);
/* The line [h->line, text_len), whose LF has just come, in the head or the trailer. */
bool h1_request_line(struct h1 *h);
bool h1_field_line(struct h1 *h);
/* All fields are there: do they make a request? */
bool h1_head_check(struct h1 *h);

#endif
