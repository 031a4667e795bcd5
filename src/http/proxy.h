// SPDX-License-Identifier: Apache-2.0
/*
 * One HTTP connection of the guest's and the one upstream that it is carried over: two byte streams
 * on each side, the same version of HTTP on both. Sans-IO.
 *
 * proxy_h1*.c is HTTP/1, RFC 9112 (h1.h reads requests, h1_answer.h answers; both are written anew
 * from what was understood), proxy_h2*.c is HTTP/2, RFC 9113 (nghttp2 on both sides, stream by
 * stream, flow control end to end). Which of the two it is the caller knows from ALPN, or from the
 * first bytes (guess.h).
 *
 * The owner moves bytes: what has come from a side goes to http_proxy_input(), what is to go to a
 * side lies in http_proxy_output(). The proxy never buffers more than HTTP_PROXY_HIGH bytes a side
 * and direction beyond one head or frame: it takes fewer bytes of the other side's instead. With
 * HTTP/2 streams that wait, each for a hook or its own window, hold some more (proxy_h2_priv.h).
 *
 * An error in what the guest sends becomes an answer to it (400, 405, 414, 417, 421, 431, 505;
 * HTTP/2: an error of the stream or the connection); an error in what the upstream sends ends the
 * exchange with 502 where no answer has begun, else with a cut: the guest never takes half an
 * answer for a whole one.
 */
#ifndef WEIR_HTTP_PROXY_H
#define WEIR_HTTP_PROXY_H

#include "http/exchange.h"

#define HTTP_PROXY_HIGH 65536

enum http_side {
	HTTP_GUEST,
	HTTP_UPSTREAM
};

struct http_proxy_limits { /* zero: the default */
	uint32_t streams;  /* HTTP/2: open at a time; 128 */
};

struct http_proxy;

/* `filter` outlives the proxy. scheme: "https" or "http". NULL without memory. */
struct http_proxy *http_proxy_h1_new(struct http_filter *filter, const char *scheme,
				     const struct http_proxy_limits *limits);
struct http_proxy *http_proxy_h2_new(struct http_filter *filter, const char *scheme,
				     const struct http_proxy_limits *limits);
/* Open exchanges get their done() first. */
void http_proxy_free(struct http_proxy *p);

/*
 * Bytes that came from `side`; returns how many were taken: fewer where there is no room behind, or
 * a hook waits; offer the rest again when output has been taken, the filter has resumed, or the
 * other side's bytes have come. May call hooks.
 */
size_t http_proxy_input(struct http_proxy *p, enum http_side side, struct view in);
/* The side's stream has ended in order (close_notify, FIN), behind all that was taken. */
void http_proxy_input_end(struct http_proxy *p, enum http_side side);
/* What is to go to `side` now, in order, and what of it has gone; the latter may call hooks, for
 * there is room again. */
struct view http_proxy_output(const struct http_proxy *p, enum http_side side);
void http_proxy_sent(struct http_proxy *p, enum http_side side, size_t n);

/* What there is to do behind the output that there is: valid after each call. */
enum http_proxy_state {
	HTTP_PROXY_OPEN,
	HTTP_PROXY_END, /* the side's stream ends in order behind its output */
	HTTP_PROXY_CUT, /* the side's connection is to be reset behind its output */
};
enum http_proxy_state http_proxy_state(const struct http_proxy *p, enum http_side side);
/* No exchange is open and nothing waits: the connection may be closed without loss. */
bool http_proxy_idle(const struct http_proxy *p);

/* A hook of this exchange's that said HTTP_WAIT is to be called again: at the next
 * http_proxy_input() or http_proxy_run(), which the owner sees to. Not from inside a hook. */
void http_proxy_resume(struct http_proxy *p, struct http_exchange *x);
/* Goes on with what waited. */
void http_proxy_run(struct http_proxy *p);

#endif
