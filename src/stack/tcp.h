// SPDX-License-Identifier: Apache-2.0
/*
 * The TCP that faces the guest (RFC 9293), one `struct tcp_conn` for each of its connections.
 *
 * Theory of operation
 * -------------------
 * The kernel's socket is the buffer. What a far end has for the guest stays there (flow_end.peek)
 * until the guest has acknowledged it (flow_end.consume), so that a retransmission needs no copy
 * here. What the guest sends is pushed to the far end at the end of each burst; only what it does
 * not take, and what came out of order, is kept in a bounded receive queue (tcp_rcv.c). The window
 * that we advertise is the free part of that queue, and nothing that was advertised is thrown away.
 *
 * The guest's SYN is held (TCP_DIALING) until the owner says what became of the far end, so that
 * the guest sees the truth: SYN-ACK, RST, an ICMP error, or nothing.
 *
 * Files: tcp.c (table, life of a connection, calls from above), tcp_in.c (segment arrival),
 * tcp_rcv.c (receive queue and window), tcp_out.c (segments to the guest), tcp_opt.c (options),
 * tcp_sack.c (scoreboard), tcp_cc.c (congestion control and round-trip times), tcp_mtu.c (a narrow
 * path behind the guest), tcp_timer.c.
 *
 * Bounds: cfg.max_tcp connections (then RST), cfg.max_half_open of them not yet established (then
 * the oldest is reset), cfg.tcp_queue_max bytes of queue a connection and cfg.tcp_queue_total
 * together (windows shrink before that), TCP_SACK_MAX scoreboard ranges, TCP_OOO_MAX out-of-order
 * ranges.
 */
#ifndef WEIR_STACK_TCP_H
#define WEIR_STACK_TCP_H

#include "stack/flow_end.h"
#include "stack/stack.h"

/* How the guest is told that its connection will not be. */
enum tcp_refusal {
	TCP_REFUSE_RST,          /* refused, or denied by the policy */
	TCP_REFUSE_ADMIN,        /* ICMP administratively prohibited, then RST */
	TCP_REFUSE_HOST_UNREACH, /* ICMP host unreachable, then RST */
	TCP_REFUSE_NET_UNREACH,  /* ICMP network unreachable, then RST */
	TCP_REFUSE_SILENT,       /* timed out upstream: the guest's own timer tells it */
};

/* ---- answers to stack_ops.tcp_open ---- */
/* The far end is connected: SYN-ACK goes out. The connection takes over `end`. */
void tcp_conn_accept(struct stack *s, struct tcp_conn *c, struct flow_end *end);
/* No connection: tells the guest so and frees c. */
void tcp_conn_refuse(struct stack *s, struct tcp_conn *c, enum tcp_refusal how);

/*
 * Opens a connection to the guest (a published port): SYN from src:sport to the guest's address and
 * port. Takes over `end`, whose ops->reset is called where the guest refuses or does not answer.
 * NULL at a limit or where the four addresses are in use; `end` is then still the caller's.
 */
struct tcp_conn *tcp_conn_open(struct stack *s, const struct ipaddr *src, uint16_t sport,
			       const struct ipaddr *dst, uint16_t dport, struct flow_end *end);

/* ---- calls from an end ---- */
void tcp_end_readable(struct stack *s,
		      struct tcp_conn *c); /* peek() has more, or the end of the stream */
void tcp_end_writable(struct stack *s, struct tcp_conn *c); /* push() takes bytes again */
void tcp_end_failed(
	struct stack *s,
	struct tcp_conn *c); /* far side lost: RST to the guest; frees c and calls end->reset */

/* Ends a connection from outside (policy changed, dead end while dialling): RST both ways. */
void tcp_conn_abort(struct stack *s, struct tcp_conn *c);

/* Ends all connections, as a host that shuts down: the guest gets RST, and the far sides, too, but
 * for those to which everything that the guest sent, up to its FIN, is on its way already. */
void tcp_hang_up(struct stack *s);

/* Another end takes over the stream where it stands: the same bytes follow from peek(), and the
 * next from the guest go to its push(). The old end is the caller's to free. Not from inside an
 * end's call. */
void tcp_conn_set_end(struct stack *s, struct tcp_conn *c, struct flow_end *end);

/* ---- facts ---- */
struct tcp_facts {
	struct ipaddr guest, remote; /* remote: the address that the guest sees */
	uint16_t guest_port, remote_port;
	uint8_t ttl;     /* of the SYN */
	bool from_guest; /* who opened it */
	uint64_t bytes_in,
		bytes_out; /* to the guest, from the guest: payload bytes acknowledged / taken */
	uint32_t srtt_us;
	bool delivered;   /* nothing of the guest's is still on its way to the far end */
	bool guest_done;  /* the guest's FIN is here, and all before it: no more bytes will come */
	uint32_t waiting; /* bytes of the guest's that are here, in order, and not taken yet */
};
void tcp_conn_facts(const struct tcp_conn *c, struct tcp_facts *ret);
/* The owner's pointer beside each connection (the dial in progress, ...); NULL at first. */
void tcp_conn_set_owner(struct tcp_conn *c, void *owner);
void *tcp_conn_owner(const struct tcp_conn *c);
/* How many exist, and how many of them are not established yet. */
unsigned tcp_conn_count(const struct stack *s, unsigned *ret_half_open);
/* How a connection ended. */
enum tcp_ending {
	TCP_END_DIALING, /* it never was one: the guest gave up, or the table was full */
	TCP_END_RESET,   /* reset by either side, given up, or cut off */
	TCP_END_FIN,     /* in order, both ways */
};
/* The owner's hook: called once for a connection that has an owner, just before its end is freed;
 * its facts can still be asked for, and it has no owner any more behind it. */
typedef void tcp_gone_fn(void *ctx, struct tcp_conn *c, enum tcp_ending how);
void tcp_set_gone_hook(struct stack *s, tcp_gone_fn *fn);
/* A limit took effect: a SYN of the guest's found the table full, or (half_open) this connection
 * made room for a newer one that is being opened. For counting only. */
typedef void tcp_limit_fn(void *ctx, const struct tcp_facts *f, bool half_open);
void tcp_set_limit_hook(struct stack *s, tcp_limit_fn *fn);
/* Calls fn for each connection; fn may abort the one that it is given. */
void tcp_conn_each(struct stack *s, void (*fn)(struct stack *, struct tcp_conn *, void *),
		   void *arg);

#endif
