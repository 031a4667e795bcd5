// SPDX-License-Identifier: Apache-2.0
/*
 * For tests and fuzzers of the HTTP/1 proxy: moves bytes through it in random pieces, with a filter
 * that does what it is told, and a server that answers from a list as soon as it has read a
 * request. What the proxy writes to either side is read again by the strict readers meanwhile;
 * where they refuse it, the rig aborts. Not part of the program.
 */
#ifndef WEIR_HTTP_PROXY_H1_RIG_H
#define WEIR_HTTP_PROXY_H1_RIG_H

#include "http/h1.h"
#include "http/h1_answer.h"
#include "http/proxy.h"

#define RIG_ANSWERS_MAX 64

enum rig_hook {
	RIG_NO_HOOK,
	RIG_REQUEST,
	RIG_REQUEST_BODY,
	RIG_REQUEST_END, /* the body hook with `end` */
	RIG_REQUEST_TRAILERS,
	RIG_ANSWER,
	RIG_ANSWER_BODY,
	RIG_ANSWER_END,
	RIG_ANSWER_TRAILERS,
};

struct proxy_rig {
	/* To be set before proxy_rig_run(). */
	struct view guest;                   /* all that the guest sends */
	struct view answer[RIG_ANSWERS_MAX]; /* the server's, by request; CONNECT counts */
	unsigned answers;
	bool early;     /* the server answers a head at once, not behind the body */
	bool eager;     /* the server does not wait for requests at all */
	bool guest_end; /* the guest's stream ends behind its bytes */
	bool server_end;
	unsigned seed;   /* of the pieces; 0: whole */
	bool slow;       /* outputs are taken late and little by little */
	bool many_waits; /* each hook says HTTP_WAIT now and then */
	/* The filter. Bytes of bodies become upper case with HTTP_BODY_SAME, and twice as many with
	 * the other modes. */
	enum http_body_mode request_mode, answer_mode;
	enum rig_hook refuse;  /* this one refuses, */
	unsigned refuse_after; /* not before its nth call for any exchange */
	void (*on_request)(struct proxy_rig *r, struct http_exchange *x);
	void (*on_answer)(struct proxy_rig *r, struct http_exchange *x);
	bool tolerant; /* what comes out of the server's side is not read again (tunnels) */
	/* What came of it. */
	struct http_filter filter;
	struct http_proxy *p;
	struct buf out[2]; /* all of the output, by the side that got it */
	size_t used[2];    /* of the input */
	size_t high[2];    /* the most that lay in an output */
	unsigned opened, done, refused;
	enum http_proxy_state state[2];
	unsigned requests, replies; /* whole ones that were read again */
	/* Inside. */
	unsigned random, calls;
	struct http_exchange *waits[2];
	bool asked_again[2]; /* the hook has waited once */
	struct h1 *server;
	struct h1_answer *client;
	size_t server_at, client_at;
	struct buf server_in; /* what the server has to say */
	unsigned said;
	struct h1_asked asked[RIG_ANSWERS_MAX];
	unsigned asked_count, expected;
	bool client_open, ended[2], tunnel;
};

void proxy_rig_run(struct proxy_rig *r, const char *scheme);
/* The same, the proxy and the outputs freed. */
void proxy_rig_done(struct proxy_rig *r);
unsigned proxy_rig_random(struct proxy_rig *r, unsigned below);

#endif
