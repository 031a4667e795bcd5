// SPDX-License-Identifier: Apache-2.0
/*
 * Watching a server's HTTP/1 answers for the one that turns the stream into a tunnel (101 to an
 * Upgrade, 2xx to CONNECT), beside the request reader of h1.h.
 *
 * All of the server's bytes are to be shown, also those that come before the first request.
 *
 * The watch is told of each request in order, reads status lines and framing (RFC 9112 6.3), and so
 * knows which answer belongs to which request. It holds nothing back and changes nothing: all the
 * server's bytes go to the client. Bodies are skipped by their length.
 *
 * Where an answer cannot be read in one way only, the watch is at its end (H1_WATCH_ERROR): no
 * tunnel can begin any more, for the end of an answer is where the next begins, and a server's text
 * must not be taken for a status line. Plain requests may go on; one that waits must be refused.
 *
 * Bounds: H1_WATCH_REQUESTS requests without an answer, H1_WATCH_HEAD_MAX bytes of a head, of each
 * line of which H1_WATCH_LINE_MAX bytes are kept.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_H1_WATCH_H
#define WEIR_HTTP_H1_WATCH_H

#include "http/h1.h"

#define H1_WATCH_REQUESTS 64
#define H1_WATCH_HEAD_MAX 262144
#define H1_WATCH_LINE_MAX 256

enum h1_watch_event {
	H1_WATCH_MORE,   /* all bytes were used, none ended anything */
	H1_WATCH_ANSWER, /* the head of an answer is complete: h1_watch_answer() */
	H1_WATCH_TUNNEL, /* likewise, and behind it the stream is no HTTP/1. Final */
	H1_WATCH_END,    /* the final answer to the oldest request is over */
	H1_WATCH_ERROR,  /* cannot be read: h1_watch_error(). Final */
};

struct h1_answer_head {
	int status;       /* 100..999 */
	bool interim;     /* 1xx: another answer to the same request follows */
	bool to_connect;  /* to a CONNECT */
	bool to_upgrade;  /* to a request with an Upgrade field */
	bool upgrade_h2c; /* a 101 that names h2c: HTTP/2 follows, to be read by h2_read() */
	bool until_close; /* the body ends with the connection */
};

struct h1_watch;

struct h1_watch *h1_watch_new(void); /* NULL without memory */
void h1_watch_free(struct h1_watch *w);
/* A request goes to the server (to be called at H1_HEAD). False: too many are without an answer,
 * so this one has to wait until the watch has seen another one end. */
bool h1_watch_request(struct h1_watch *w, const struct h1_head *head);
/*
 * Looks at the server's bytes from the start of `in`; *ret_used says how many belong to the event.
 * Call again with the rest until H1_WATCH_MORE or a final event, also where nothing is left.
 * Where the answer is the final one to a CONNECT or an Upgrade (no `interim`), h1_stay() is to be
 * called; with H1_WATCH_TUNNEL, h1_switch().
 */
enum h1_watch_event h1_watch_read(struct h1_watch *w, struct view in, size_t *ret_used);
/* From H1_WATCH_ANSWER or H1_WATCH_TUNNEL until the next answer. */
const struct h1_answer_head *h1_watch_answer(const struct h1_watch *w);
const char *h1_watch_error(const struct h1_watch *w);

#endif
