// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the first flight share: first_flight.c (the end), first_flight_tls.c (hellos),
 * first_flight_http.c (requests), first_flight_deny.c (what a refused guest is told).
 */
#ifndef WEIR_FLOW_FIRST_FLIGHT_PRIV_H
#define WEIR_FLOW_FIRST_FLIGHT_PRIV_H

#include "flow/first_flight.h"
#include "flow/taker.h"
#include "flow/target.h"
#include "http/h1.h"
#include "http/h1_watch.h"
#include "http/h2.h"
#include "tls/retry.h"

/* Content types of TLS records (RFC 8446 5.1, RFC 6520), and the first byte of their version. */
#define TLS_TYPE_FIRST 0x14
#define TLS_HANDSHAKE  0x16
#define TLS_TYPE_LAST  0x18
#define TLS_MAJOR      3

/* What a server says before its client has: a banner, or HTTP/2's settings. */
#define FIRST_SERVER_MAX 256

enum ff_state {
	FF_GUESS,   /* too early to say: every byte is held */
	FF_TLS,     /* the hello may pass; a second one would be judged like it */
	FF_HTTP,    /* requests are judged one by one, bytes of admitted ones pass */
	FF_DENYING, /* refused; the answers to earlier requests are still on their way */
	FF_PASSED,  /* needs no looking: the socket's end takes over in the next turn */
	FF_TAKEN,   /* will be looked into: the taker's end takes over at the turn's end */
	FF_DENIED,  /* the upstream is gone; `reply` goes to the guest, then the end of the stream.
		       Without a reply: RST in the next turn */
};

enum ff_denial {
	FF_DENY_RST,
	FF_DENY_TLS,
	FF_DENY_H1,
	FF_DENY_H2,
};

struct first_flight {
	struct flow_end end;
	struct flow_end *inner; /* NULL once denied */
	struct sandbox *sb;
	struct flow *flow; /* NULL: about to be over */
	struct first_flight **here;
	enum ff_state state;
	struct timer patience; /* until the protocol is known; behind a denial, until the guest has
				  read it */
	struct timer call;
	struct taker_work taking; /* FF_TAKEN */
	size_t shown;             /* bytes that the stack has peeked at and not consumed */
	bool consumed;            /* and whether it has consumed any */
	/* FF_GUESS: a first word */
	uint8_t word[FIRST_FLIGHT_WORD]; /* that went already */
	uint8_t word_n;
	bool lone;      /* `patience` is for a word that waits, ... */
	size_t waiting; /* ... of so many bytes */
	bool text;      /* what waits is no TLS */
	/* Of the bytes that wait in the stack's queue, from its first on */
	size_t parsed;   /* were looked at */
	size_t admitted; /* may pass; at most `parsed` */
	struct h1 *h1;   /* one of the two */
	struct h2 *h2;
	struct h1_watch *watch; /* with h1: the server's answers */
	unsigned unanswered;    /* h1: requests that passed */
	bool head_waits;        /* h1: admitted, but too many are unanswered */
	bool in_request;        /* h1: the head of the newest has passed, its end has not */
	bool in_answer;         /* h1: the server has begun an answer and not ended it */
	bool at_gap;            /* h2: what was shown of the server ends between two frames */
	bool unreadable;        /* the server cannot be followed: a refusal is a reset */
	bool opens;             /* a tunnel begins behind what is admitted */
	bool in_tunnel;         /* behind a CONNECT: what is judged is flow->target */
	bool as_http;           /* FF_GUESS: whatever else it could be, it is read as HTTP/1 */
	uint8_t taken;          /* FF_TAKEN: enum taker_kind */
	struct retry retry;     /* FF_TLS */
	uint8_t server_first[FIRST_SERVER_MAX]; /* of the server's stream, from its start */
	uint16_t server_first_n;
	bool server_more; /* it has said more than that */
	uint8_t *reply;   /* owned */
	size_t reply_len;
};

/* ---- first_flight.c ---- */
/* Goes on in the next turn of the loop, outside of any call of the stack's. */
void first_flight_call(struct first_flight *ff);
/* The guest has said that nothing will come behind these bytes. */
bool first_flight_is_last(const struct first_flight *ff, size_t offered);
size_t first_flight_total(const struct iovec *iov, int n);
/* The flow needs no more looking: the socket's own end takes over. */
void first_flight_pass(struct first_flight *ff);
/* As flow_judge(), or in a tunnel about its far end. */
struct policy_verdict first_flight_judge(struct first_flight *ff, enum policy_seen seen,
					 const struct name *name);
/* It shows no name: passes or is reset. */
void first_flight_nameless(struct first_flight *ff, enum policy_seen seen);
/* The taker's turn. True where the flow goes on as if there were none; else it was taken, or
 * refused. v: as taker.h has it; hello: TAKER_TLS. */
bool first_flight_untaken(struct first_flight *ff, enum taker_kind kind,
			  const struct policy_verdict *v, const struct hello *hello,
			  struct view first);
/* The first of the waiting bytes in one piece. */
struct view first_flight_gather(const struct iovec *iov, int n, uint8_t buf[FIRST_FLIGHT_MAX]);

/* ---- first_flight_tls.c ---- */
void first_flight_look_tls(struct first_flight *ff, struct view first);
/* As flow_end_ops.push. */
ssize_t first_flight_push_tls(struct first_flight *ff, const struct iovec *iov, int n);
/* The server has said more of its first bytes. */
void first_flight_server_tls(struct first_flight *ff);

/* ---- first_flight_http.c ---- */
void first_flight_begin_h1(struct first_flight *ff);
void first_flight_begin_h2(struct first_flight *ff);
/* As flow_end_ops.push. */
ssize_t first_flight_push_http(struct first_flight *ff, const struct iovec *iov, int n);
/* Hands the admitted bytes on, which are the first of those that wait. */
ssize_t first_flight_push_admitted(struct first_flight *ff, const struct iovec *iov, int n);
/* Bytes of the server's that nobody has seen yet: iov from `from` to `to`. */
void first_flight_server_bytes(struct first_flight *ff, const struct iovec *iov, size_t from,
			       size_t to);
/* A refusal would now be taken for the answer to the refused request. */
bool first_flight_may_deny(const struct first_flight *ff);
void first_flight_done_http(struct first_flight *ff);

/* ---- first_flight_deny.c ---- */
/*
 * Tells the guest in its own protocol, as soon as that fits, and cuts the upstream off. v NULL: no
 * verdict (out of memory, ...). authority: of the request, NULL for none; status: for HTTP/1.
 */
void first_flight_deny(struct first_flight *ff, enum ff_denial how, const struct policy_verdict *v,
		       const struct http_authority *authority, int status);
/* The reply goes out now. */
void first_flight_cut(struct first_flight *ff);

#endif
