// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/1 proxy inside.
 *
 * Theory of operation
 * -------------------
 * Two pumps, one a direction. proxy_h1_request.c reads the guest's requests and writes them to the
 * upstream; proxy_h1_answer.c reads the answers and writes them to the guest. Each exchange is a
 * record in a queue, oldest first: requests are judged and written in order, and an answer always
 * belongs to the oldest exchange. The body of a message goes through its direction's `struct
 * h1_way` (proxy_h1_body.c), whatever the direction is.
 *
 * What ends the connection early is never done on the spot, but in its place: a refused exchange
 * stays in the queue until it is the oldest one, so that the answers before it reach the guest;
 * nothing of the guest's is read meanwhile. proxy_h1.c sees to that, and to the streams' ends, at
 * the end of each call (settle()).
 *
 * Trust: both sides are hostile. An upstream that answers before a byte of the request has been
 * sent to it, or without one, is cut off; so is one whose answer cannot be read in one way.
 *
 * Bounds: H1_EXCHANGES_MAX exchanges (then nothing more of the guest's is read); a head and a
 * trailer a direction; HTTP_PROXY_HIGH bytes of output a side, and what one call of a hook adds.
 */
#ifndef WEIR_HTTP_PROXY_H1_PRIV_H
#define WEIR_HTTP_PROXY_H1_PRIV_H

#include "http/h1.h"
#include "http/h1_answer.h"
#include "http/h1_write.h"
#include "http/proxy_priv.h"

#define H1_EXCHANGES_MAX 64

struct xchg {
	struct http_exchange x; /* first */
	struct xchg *next;      /* the next younger one */
	/* Of the request. */
	uint8_t minor;      /* HTTP/1.minor */
	bool keep;          /* the connection goes on behind it */
	bool asks;          /* CONNECT or Upgrade: nothing behind it is read before the answer */
	bool expect;        /* Expect: 100-continue */
	bool owes_continue; /* the guest waits for a 100 that no upstream will send */
	bool hooked;        /* the request hook was called: done() is owed */
	bool written;       /* something of it is in the upstream's stream, */
	uint64_t start;     /* behind so many bytes of others */
	bool request_over;  /* all of it is */
	size_t prefix_len;  /* of an absolute target: what stands before the path */
	size_t prefix;      /* where in the request's text */
	enum h1_framing framing;
	size_t request_read; /* bytes of the head's text that came through the reader */
	/* Of the answer. */
	bool upstream_keep; /* the upstream's connection goes on behind it */
	bool interim;
	uint8_t answer_minor;
	size_t reason, reason_len; /* where in the answer's text */
	enum h1_framing answer_framing;
	size_t answer_read;
	bool answer_begun; /* the final head is in the guest's stream */
	bool answer_over;
	bool switched; /* the tunnel has begun */
	bool closing;  /* the guest's stream ends behind the answer */
	/* Of its end before time. */
	bool refused;  /* x.denial says how; status 0: without an answer */
	bool by_proxy; /* and not by the filter */
};

enum way_wait { /* for what a hook said HTTP_WAIT */
	WAY_RUNS,
	WAY_WAITS_HEAD,
	WAY_WAITS_BODY, /* `held` is the piece */
	WAY_WAITS_END,
};

enum way_stage { /* of the end of a body */
	WAY_ENDS,
	WAY_TRAILERS,
	WAY_DONE,
};

/* A message on its way through the proxy: one a direction. */
struct h1_way {
	enum http_side from;
	struct xchg *x; /* from the head hook on */
	enum http_body_mode mode;
	enum h1_framing in, out;
	bool head_done; /* is written; else the body is collected in `whole` */
	uint64_t left;  /* H1_LENGTH: bytes that are still to be written */
	uint64_t chunk; /* the same of a chunk, with HTTP_BODY_PASS */
	enum way_stage stage;
	struct buf whole;
	struct buf scratch; /* empty but inside one call */
	struct http_head trailers;
	size_t trailers_read;
	enum way_wait waits;
	bool resumed;
	struct buf held;
};

struct proxy_h1 {
	struct http_proxy base; /* first */
	struct h1 *requests;
	struct h1_answer *answers;
	struct buf out[2];    /* by the side that it goes to */
	uint64_t sent;        /* bytes of the upstream's output that have gone */
	struct h1_way way[2]; /* by the side that it comes from */
	enum http_proxy_state state[2];
	bool ended[2];  /* the side's input */
	bool over;      /* the states are final, and all input is dropped */
	bool deaf;      /* the guest's input is dropped */
	bool partial;   /* the beginning of a request's head has come */
	bool answering; /* the answer reader expects, or reads, the oldest exchange's answer */
	struct xchg *first, *last;
	unsigned count;
	struct xchg *reading; /* whose request is being read */
	struct xchg *spare;   /* one that is free */
	uint32_t next_id;
};

static inline struct proxy_h1 *proxy_h1(struct http_proxy *p)
{
	return (struct proxy_h1 *)p;
}

static inline enum http_side proxy_h1_behind(enum http_side side)
{
	return side == HTTP_GUEST ? HTTP_UPSTREAM : HTTP_GUEST;
}

/* ---- proxy_h1.c ---- */

/* A new one at the end of the queue; NULL without memory. */
struct xchg *proxy_h1_add(struct proxy_h1 *p);
/* The oldest one, where both of its messages are over. */
void proxy_h1_remove_done(struct proxy_h1 *p);
/* A head for the next message, its memory kept. `read_len`: what is behind is wiped. */
void proxy_h1_clear_head(struct http_head *h, size_t read_len);
/* `x` ends before time: its denial is filled in (status 0: nothing is said). */
void proxy_h1_refuse(struct proxy_h1 *p, struct xchg *x);
/* The same for an error of ours or the peer's. */
void proxy_h1_refuse_with(struct proxy_h1 *p, struct xchg *x, int status, const char *reason);
/* Does what a hook of the exchange said, at that step of its way. True: it goes on. */
bool proxy_h1_goes(struct proxy_h1 *p, struct h1_way *w, struct xchg *x, enum http_step said,
		   enum way_wait at);
/* The connection is over: every exchange ends. */
void proxy_h1_close(struct proxy_h1 *p, enum http_proxy_state guest,
		    enum http_proxy_state upstream);
/* Calls the hook again that said HTTP_WAIT, where it has been resumed. False: it waits still. */
bool proxy_h1_again(struct proxy_h1 *p, struct h1_way *w);

/* ---- proxy_h1_request.c, proxy_h1_answer.c: the pumps. How many bytes of `in` were used ---- */

size_t proxy_h1_read_requests(struct proxy_h1 *p, struct view in);
size_t proxy_h1_read_answers(struct proxy_h1 *p, struct view in);
/* The side's input has ended and nothing of its way waits. */
void proxy_h1_guest_end(struct proxy_h1 *p);
void proxy_h1_upstream_end(struct proxy_h1 *p);
/* What the steps of a way lead to; `again` for proxy_h1_again(). */
void proxy_h1_request_head(struct proxy_h1 *p, struct xchg *x);
void proxy_h1_answer_head(struct proxy_h1 *p, struct xchg *x);
void proxy_h1_request_end(struct proxy_h1 *p, struct xchg *x);
void proxy_h1_answer_end(struct proxy_h1 *p, struct xchg *x);
bool proxy_h1_write_request(struct proxy_h1 *p, struct xchg *x, const struct h1_way *w);
bool proxy_h1_write_answer(struct proxy_h1 *p, struct xchg *x, const struct h1_way *w);
/* A 100 that is owed to the guest, where it is its turn. */
void proxy_h1_continue(struct proxy_h1 *p);

/* ---- proxy_h1_body.c ---- */

/* The head hook said HTTP_GO: writes the head, or waits for the body. `chunks`: the peer behind
 * reads chunks. False: it cannot be written. */
bool proxy_h1_way_begin(struct proxy_h1 *p, struct h1_way *w, struct xchg *x, bool chunks);
/* The way carries the bytes of a tunnel from here on. */
void proxy_h1_way_tunnel(struct h1_way *w, struct xchg *x);
/* A piece of content; `chunk`: with it a chunk of that size begins. Refuses, and holds, itself. */
void proxy_h1_way_give(struct proxy_h1 *p, struct h1_way *w, struct view in, uint64_t chunk);
/* What is behind the last chunk, for proxy_h1_way_end(). False without memory. */
bool proxy_h1_way_trailers(struct h1_way *w, struct view bytes, const struct http_field *fields,
			   size_t count);
/* The body is over; to be called again after HTTP_WAIT. */
enum http_step proxy_h1_way_end(struct proxy_h1 *p, struct h1_way *w);
void proxy_h1_way_clear(struct h1_way *w);
void proxy_h1_way_done(struct h1_way *w);

#endif
