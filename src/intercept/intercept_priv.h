// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of this room share: intercept.c (a sandbox's), choice.c (what is taken), wire.c
 * (the guest's TCP), sock.c (the upstream's socket), conn.c (the life of a connection), pump.c (its
 * bytes), dot.c (DNS over TLS).
 */
#ifndef WEIR_INTERCEPT_PRIV_H
#define WEIR_INTERCEPT_PRIV_H

#include "base/buf.h"
#include "base/pattern.h"
#include "conf/secrets.h"
#include "flow/first_flight.h"
#include "flow/taker.h"
#include "http/proxy.h"
#include "intercept/filter.h"
#include "intercept/intercept.h"
#include "tls/endpoint.h"

/* What new connections are made with. Replaced as a whole at a reload; those that are there keep
 * theirs. */
struct intercept_settings {
	unsigned refs;
	struct tls_roots *roots;
	struct tls_leaves *leaves;
	bool enabled, block_quic;
	uint16_t ports[CONFIG_TLS_PORTS_MAX];
	size_t port_count;
	struct name_pattern *bypass;
	size_t bypass_count;
};

#define SPARE_MAX 4

#define INTERCEPT_PIECE 65536 /* plain bytes taken at a time: four records */

struct intercept {
	struct sandbox *sb;
	struct holder *holder;
	struct holder_channel *channel;
	struct tls_leaf_source leaf_source;
	struct intercept_settings *set;
	uint8_t *piece;    /* INTERCEPT_PIECE bytes, between a read and the write behind it */
	struct list conns; /* struct conn, struct dot: by `node` of their wires */
	unsigned conn_n;
	size_t queued; /* bytes in all connections' queues */
	/* Memory of queues that ran empty, for the next ones; given back when nothing has moved for
	 * a moment. Bulk would otherwise have the kernel clear every page that it passes through.
	 */
	struct buf spare[SPARE_MAX];
	unsigned spare_n;
	struct timer spare_timer;
	uint64_t spare_used_us;
	struct list due;   /* struct wire with calls up to be made, or work left over */
	struct list soon;  /* struct taker_work */
	struct timer turn; /* armed while there are some, so that a turn follows */
	struct intercept_counters cnt;
};

extern const struct flow_taker intercept_taker; /* choice.c */
void intercept_free(struct sandbox *sb);        /* as flow_taker.free */
/* Whether the name, or the address that stands for it where it is empty, is to be intercepted. */
bool choice_concerns(const struct intercept *ic, const struct name *name, uint16_t port,
		     const struct policy_verdict *v);

/* ---- how a stream ends ---- */

enum stream_end {
	STREAM_OPEN,
	STREAM_END,   /* in order: close_notify, FIN */
	STREAM_ROUGH, /* FIN without a close_notify */
	STREAM_CUT,   /* a reset */
};

/* ---- queue.c: bytes on their way to one side ---- */

/* False without memory. */
bool queue_add(struct intercept *ic, struct buf *q, const void *p, size_t n);
void queue_take(struct intercept *ic, struct buf *q, size_t n);
void queue_done(struct intercept *ic, struct buf *q);
void queue_spares_init(struct intercept *ic);
void queue_spares_done(struct intercept *ic);

/* ---- wire.c: the guest's TCP connection, whoever uses it ---- */

enum wire_due {
	WIRE_READABLE = 1 << 0,
	WIRE_WRITABLE = 1 << 1,
	WIRE_FAILED = 1 << 2,
	WIRE_WORK = 1 << 3, /* ops->run() */
};

struct wire;
struct wire_ops {
	/* There may be more to read, or room again. Never from inside a call of this room's. */
	void (*run)(struct wire *w);
	/* The guest's connection is over; frees the record, or lets it live on without it. */
	void (*gone)(struct wire *w, bool in_order);
};

struct wire {
	struct flow_end end;
	const struct wire_ops *ops;
	struct intercept *ic;
	struct list node;     /* in intercept.conns */
	struct list due_node; /* in intercept.due while something is due */
	unsigned due;
	const struct iovec *in; /* what the stack offers, during push() */
	int in_n;
	size_t in_at; /* bytes of in[0] that are taken */
	size_t took;
	bool refused;   /* push() did not take all: WIRE_WRITABLE when it would */
	bool full;      /* something waits for room in `out` */
	bool done;      /* FIN, and everything before it is taken */
	bool deaf;      /* what still comes goes nowhere */
	uint8_t ends;   /* enum stream_end: what follows `out` */
	struct buf out; /* until the guest has acknowledged it */
};

/* Into the list of connections; false at the cap, which is counted. */
bool wire_init(struct wire *w, struct intercept *ic, const struct wire_ops *ops,
	       const struct policy_facts *f);
void wire_done(struct wire *w);
void wire_due(struct wire *w, unsigned what);
bool wire_flush_all(struct sandbox *sb); /* as flow_taker.flush, .soon */
void wire_soon(struct sandbox *sb, struct taker_work *work);
ssize_t wire_read(struct wire *w, void *buf, size_t n);
/* The guest has sent its FIN, whether or not what came before it was taken. */
bool wire_left(const struct wire *w);
/* A copy of what could be read, which stays there; `end.watches` has to be set. */
size_t wire_look(const struct wire *w, uint8_t *buf, size_t n);
ssize_t wire_write(struct wire *w, const void *buf, size_t n);
/* The first word counts. */
void wire_end(struct wire *w, enum stream_end how);
/* There is room in `out`; where not, ops->run() is called when there is. */
bool wire_room(struct wire *w);
/* Bytes that one queue of this sandbox may have now. */
size_t wire_high(const struct intercept *ic);

/* ---- sock.c: the upstream's socket ---- */

struct sock {
	struct loop_source src;
	struct intercept *ic;
	void (*event)(struct sock *k); /* more to read, or room again */
	bool readable, eof_near, writable;
	bool broken;              /* a reset, or an error */
	bool deaf;                /* the far side takes nothing more */
	bool shut;                /* FIN was sent */
	bool spent;               /* more was to go than the budget lets */
	struct budget_dest *dest; /* where bytes count (budget.h), also when the flow is over */
	uint8_t ends;             /* enum stream_end: what follows `out` */
	struct buf out;
};

/* Takes the socket out of `inner`, which is gone then. False: all is as it was. */
bool upsock_take(struct sock *k, struct intercept *ic, struct flow_end *inner,
		 void (*event)(struct sock *k));
ssize_t upsock_in(struct sock *k, void *buf, size_t n);
ssize_t upsock_out(struct sock *k, const void *buf, size_t n);
/* The first word counts, but for STREAM_CUT. */
void upsock_end(struct sock *k, enum stream_end how);
/* Sends what it takes of `out`, and its end. */
void upsock_flush(struct sock *k);
/* Everything that is to go has gone. */
bool upsock_drained(const struct sock *k);
void upsock_done(struct sock *k, bool reset); /* harmless where it is closed already */

/* ---- conn.c ---- */

enum conn_state {
	CONN_UPSTREAM, /* the upstream's handshake; the guest's bytes wait in the stack */
	CONN_GUEST,    /* the guest's */
	CONN_FIRST,    /* the guest's first plain bytes are looked at; the server's pass */
	CONN_HTTP,
	CONN_RAW,
	CONN_LEFT, /* the guest has ended in order, and so will it hear: as soon as the upstream has
		    */
	CONN_OVER, /* what is on its way to either side still goes; nothing more comes of it */
};

struct conn;

/* One side: its wire, the TLS over it, and the plain bytes that have come from it. In a tunnel the
 * TLS to the proxy, where there is one, stands between the two. */
struct side {
	struct conn *x;
	struct tls_end *outer; /* NULL: none */
	struct buf early;      /* what came of the tunnel's bytes before `tls` was there */
	struct tls_end *tls;   /* NULL: in the clear */
	struct buf held;       /* plain bytes that wait for room behind */
	uint8_t over;          /* enum stream_end: how the side's stream has ended */
	bool over_told;        /* and that what is behind knows */
};

struct conn {
	struct wire wire;
	struct sock sock;
	struct intercept_settings *set;
	struct flow *flow; /* NULL: about to be over */
	uint8_t state;     /* enum conn_state */
	bool orphan;       /* the guest is gone; the rest goes to the upstream */
	bool running;
	bool tunnel_opens; /* the proxy has agreed: behind what is on its way begins the tunnel */
	bool in_tunnel;
	bool h2;                         /* CONN_HTTP */
	bool server_spoke;               /* CONN_FIRST */
	bool lone;                       /* CONN_FIRST: `patience` is for a first word */
	uint8_t word[FIRST_FLIGHT_WORD]; /* CONN_FIRST: that went already */
	uint8_t word_n;
	struct timer patience;
	size_t left;      /* CONN_OVER: bytes that were still to go when it was looked last */
	struct name name; /* the guest's SNI; len 0: none */
	char host[NAME_TEXT_MAX + 1]; /* what the guest's certificate is for */
	struct side side[2];          /* enum http_side */
	struct http_filter *filter;
	struct http_proxy *proxy;
	struct http_authority target; /* of the tunnel */
};

struct flow_end *conn_new(struct intercept *ic, struct flow *f, struct flow_end *inner,
			  const struct taker_first *t);
/* The upstream may say a secret's value: what it says is wiped behind its use. */
static inline bool conn_has_secrets(const struct conn *x)
{
	return x->wire.ic->channel && holder_secrets(x->wire.ic->channel)->count;
}
/* Both sides end; what was said to them before still goes. */
void conn_over(struct conn *x, enum stream_end guest, enum stream_end upstream);
void conn_refuse(struct conn *x, enum policy_reason why);
void conn_patience(struct conn *x, uint64_t us);
void conn_tell_error(struct conn *x, const char *side, const char *what);
/* The guest's hello was judged: both handshakes. False where it cannot be. */
bool conn_begin_tls(struct conn *x, const struct hello *h);

/* Bytes of one side below its TLS: of the wire, or of the tunnel. */
ssize_t side_in(struct side *s, void *buf, size_t n);
ssize_t side_out(struct side *s, const void *buf, size_t n);
/* close_notify of all its layers. */
void side_shut(struct side *s);

/* ---- tunnel.c ---- */
/* As filter_conn.connect, .connected, .judge; ctx: the connection. */
struct policy_verdict tunnel_connect(void *ctx, const struct http_exchange *ex);
void tunnel_connected(void *ctx);
struct policy_verdict tunnel_judge(void *ctx, enum policy_seen seen, const struct name *name);
/* The proxy's answer has gone to the guest: what follows is looked at as a connection of its own.
 */
void tunnel_begin(struct conn *x);
/* CONN_FIRST in a tunnel: takes a hello. True where it is none, and it is another protocol's. */
bool tunnel_is_clear(struct conn *x);

/* ---- pump.c ---- */
/* The guest's handshake is over, or there is none. */
void pump_begin(struct conn *x);
void pump_begin_http(struct conn *x, bool h2);
void pump_begin_raw(struct conn *x);
/* Moves what can be moved; false where there is more to do, in another turn. */
bool pump_run(struct conn *x);
/* CONN_FIRST: the guest has had its time. */
void pump_patience_over(struct conn *x);
void pump_done(struct conn *x);
/* Room toward that side. */
bool pump_room(const struct conn *x, enum http_side side);

/* ---- dot.c ---- */
struct flow_end *dot_new(struct intercept *ic, const struct ipaddr *at, const struct ipaddr *guest,
			 uint16_t guest_port);

#endif
