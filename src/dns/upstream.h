// SPDX-License-Identifier: Apache-2.0
/*
 * One question on its way to one resolver, over UDP (upstream_udp.c) or TCP (upstream_tcp.c).
 *
 * What an answer must match: the resolver's address and port (every socket is connected), our port,
 * the ID, the question, and over UDP the case of each letter of its name, which was drawn at random
 * (0x20). A datagram that fails in anything is not believed, and what it was meant for is still
 * waited for.
 *
 * Ports. A socket of its own for each question costs four system calls. Instead each resolver has a
 * few sockets at a time, each on a port that the kernel drew at random: the first questions of a
 * second get fresh ones, later ones share what is open, and a socket takes no more after SOCK_ASKS
 * questions or SOCK_LIFE_US. A forger who is not on the path still has to guess the port of the one
 * socket on which the answer is waited for (15 bits), its ID (16 bits) and its case (a bit a
 * letter), for each single question: the odds of one forged datagram are the same. What sharing
 * gives away is time, since a port that was found out by probing (RFC 5452 9.2, SAD DNS) is worth
 * something for as long as it is open; so that is a second, in which a prober who is held to a
 * thousand probes a second by the kernel's own ICMP limit (icmp_msgs_per_sec) sees a thirtieth of
 * the ports. WRONG_MAX datagrams that match nothing end a socket, and what waited on it is asked
 * again over TCP. One question is never open twice at a time (query.c), so that there is no
 * birthday to have.
 *
 * Case. Some resolvers do not give the case back. An answer with the right ID on the right port
 * whose name differs in case alone is not believed, but it makes weir ask again over TCP at once,
 * where nobody off the path can answer. If that answer has lost the case, too, or TCP does not
 * work, the resolver is believed to be one of those for PLAIN_US and its answers are taken in any
 * case. So a forger who wants to do away with the case has to guess port and ID first, and break
 * TCP.
 */
#ifndef WEIR_DNS_UPSTREAM_H
#define WEIR_DNS_UPSTREAM_H

#include "base/list.h"
#include "dns/resolvers.h"
#include "dns/wire.h"

#define SOCK_OPEN_MAX 8       /* sockets of one resolver that take questions */
#define SOCK_ASKS     256     /* questions that one takes */
#define SOCK_LIFE_US  1000000 /* how long it takes them */
#define WRONG_MAX     16      /* datagrams that match nothing; late answers are some, too */

struct dns_query;
struct dns_proxy;
struct upstream_conn;

struct dns_attempt {
	struct dns_query *q;
	struct dns_server *server; /* held; NULL: not in use */
	size_t nth;                /* of the query's tries */
	uint16_t id;
	bool case_lost;             /* over TCP because an answer had another case */
	struct upstream_sock *sock; /* over UDP */
	struct dns_attempt *chain;  /* another one of the same socket, in the same slot by id */
	struct list unsent;         /* in the socket's list until it was sent */
	struct upstream_conn *conn; /* over TCP */
};

/*
 * Ask; server, ID and query are set. 0 or -errno. Over UDP it is sent at the next
 * upstream_udp_flush(), and may fail then.
 */
int upstream_udp_ask(struct dns_proxy *d, struct dns_attempt *a);
int upstream_tcp_ask(struct dns_proxy *d, struct dns_attempt *a);
/* No answer is wanted any more. Harmless where none is waited for. */
void upstream_udp_drop(struct dns_attempt *a);
void upstream_tcp_drop(struct dns_attempt *a);

/* Sends what was asked in this turn, a burst with one call. */
void upstream_udp_flush(struct dns_proxy *d);
void upstream_udp_init(struct dns_proxy *d);
/* Closes what is open toward a resolver that nobody holds any more. */
void upstream_udp_close_all(struct dns_server *s);
void upstream_udp_done(struct dns_proxy *d);

/* A socket that is connected to a resolver (over TCP: on its way). An fd or -errno. */
int upstream_connect(const struct resolver *r, int type);

/* ---- query.c: what became of an attempt; none of these leaves it as it was ---- */
/* An answer that matches; msg may be written to. */
void dns_attempt_answered(struct dns_attempt *a, uint8_t *msg, size_t len);
/* The same with TC, or longer than what was read: over TCP, where that may be. */
void dns_attempt_truncated(struct dns_attempt *a, uint8_t *msg, size_t len);
/* The resolver cannot be reached this way, or answers nonsense where nobody could have forged it.
 */
void dns_attempt_failed(struct dns_attempt *a, int err);
/* The same server is to be asked over TCP: forgery is in the air. */
void dns_attempt_over_tcp(struct dns_attempt *a, bool case_lost);

#endif
