// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of the HTTP/1 proxy: cases that say what each side sends and what it has to get, run in
 * many random pieces and orders by the rig (proxy_h1_rig.h); and a proxy that is led by hand.
 */
#ifndef WEIR_HTTP_PROXY_H1_FLOW_H
#define WEIR_HTTP_PROXY_H1_FLOW_H

#include "http/proxy_h1_rig.h"

#define FLOW_SEEDS 60

#define HOST  "Host: a.example\r\n"
#define GET   "GET / HTTP/1.1\r\n" HOST "\r\n"
#define POST  "POST / HTTP/1.1\r\n" HOST
#define OK    "HTTP/1.1 200 OK\r\n"
#define OK2   OK "Content-Length: 2\r\n\r\nok"
#define CLOSE "Connection: close\r\n"
#define BYE   OK CLOSE "Content-Length: 0\r\n\r\n"

/* Behind what there is of an output. */
#define OPEN ""
#define END  "[end]"
#define CUT  "[cut]"

struct flow {
	const char *guest;
	const char *answer[6];
	const char *upstream, *client; /* what they get */
	struct proxy_rig rig;          /* its settings */
	const char *scheme;
};

/* All seeds; what is NULL is not compared. */
void flow_assert(const struct flow *f);
#define FLOW(...) flow_assert(&(struct flow){__VA_ARGS__})
/* One seed, and what a side got of it; proxy_rig_done() is the caller's. */
void flow_run(const struct flow *f, struct proxy_rig *r, unsigned seed);
void flow_assert_output(const struct flow *f, struct proxy_rig *r, enum http_side side,
			const char *want);

struct view flow_text(const char *s);
/* By hand: bytes from a side, and all that there is for it taken. */
void flow_give(struct http_proxy *p, enum http_side side, const char *s);
void flow_send_all(struct http_proxy *p, enum http_side side);
/* The guest's output begins so, its side is in that state, and the upstream is cut off; frees p. */
void flow_assert_guest(struct http_proxy *p, const char *start, enum http_proxy_state want);

#endif
