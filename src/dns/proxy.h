// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of this room share: the proxy, its queries in flight, and its TCP ends.
 *
 * Theory of operation
 * -------------------
 * A query comes in from an asker (a datagram, or one message of a TCP end), is read and checked
 * whole (wire.c), and is either answered at once (local.c, message.c) or forwarded: query.c makes a
 * `struct dns_query` that owns a copy of it and up to DNS_ATTEMPTS sockets to resolvers. The first
 * answer that matches goes back to the asker, and the query with all its sockets is freed.
 *
 * Trust: neither the guest nor a resolver is trusted. A forwarded query has an ID and a port of its
 * own for each attempt, the socket is connected so that only that resolver is heard, and the
 * answer must repeat the question.
 *
 * Bounds: DNS_INFLIGHT_MAX queries (then the oldest gets SERVFAIL) of DNS_QUERY_MAX bytes (longer:
 * FORMERR) with DNS_ATTEMPTS sockets each; DNS_TCP_MAX TCP ends (then no more are made), each with
 * bounded buffers (tcp_end.c).
 */
#ifndef WEIR_DNS_PROXY_H
#define WEIR_DNS_PROXY_H

#include "base/list.h"
#include "dns/dns.h"
#include "dns/wire.h"
#include "host/resolvconf.h"
#include "loop/loop.h"

#define DNS_PORT         53
#define DNS_INFLIGHT_MAX 256
#define DNS_QUERY_MAX    4096     /* real queries are a tenth of this */
#define DNS_ATTEMPTS     3        /* sockets that one query may have at a time */
#define DNS_TCP_MAX      64       /* TCP ends of one sandbox */
#define DNS_SLOW_US      30000000 /* how long a resolver that did not answer is asked last */

struct dns_tcp;

struct dns_proxy {
	struct sandbox *sb;
	uint64_t timeout_us;  /* of a query as a whole */
	struct list inflight; /* struct dns_query, the oldest first */
	unsigned inflight_n;
	struct list tcp; /* struct dns_tcp */
	unsigned tcp_n;
	size_t tcp_out_total; /* bytes that wait for the guest in all TCP ends */
	bool follows;         /* resolvers come from resolv.conf, not from the configuration */
	struct resolver_list fixed;
	struct resolvconf conf;
	struct loop_source conf_src;
	uint64_t slow_until[RESOLVERS_MAX]; /* by index in the list in use */
	uint16_t ids[64];                   /* random numbers in stock */
	unsigned ids_n;
};

/* Who asked, and where the answer goes. */
struct dns_asker {
	struct dns_tcp *tcp;    /* NULL: over UDP, from the addresses below */
	struct ipaddr from, at; /* the guest's address, and the one that it asked */
	uint16_t port;
};

/* ---- proxy.c ---- */
/* As dns_proxy_new(), with the path of the resolv.conf. */
struct dns_proxy *dns_proxy_new_at(struct sandbox *sb, const struct config *c, const char *path,
				   struct error *err);
/* One query from whomever. False where it was dropped; else it is answered, now or later, once. */
bool dns_proxy_ask(struct dns_proxy *d, const struct dns_asker *who, struct view msg);
/* Sends the asker an answer (with the asker's own ID in it), cut to what it takes over UDP. */
void dns_proxy_answer(struct dns_proxy *d, const struct dns_asker *who,
		      const struct dns_query_view *q, struct view answer);
/* Answers SERVFAIL. */
void dns_proxy_fail(struct dns_proxy *d, const struct dns_asker *who,
		    const struct dns_query_view *q, enum dns_ede ede);
/* The resolvers to ask now, and the one to begin with. */
const struct resolver_list *dns_proxy_resolvers(struct dns_proxy *d, size_t *ret_first);
/* What became of a question to resolver i: for DNS_SLOW_US another one is asked first, or no
 * longer. */
void dns_proxy_resolver_slow(struct dns_proxy *d, size_t i);
void dns_proxy_resolver_good(struct dns_proxy *d, size_t i);
uint16_t dns_proxy_random_id(struct dns_proxy *d);

/* ---- query.c ---- */
struct dns_query;
/* Takes a query upstream. It may fail at once, and has then been answered. */
void dns_query_start(struct dns_proxy *d, const struct dns_asker *who,
		     const struct dns_query_view *q, struct view msg);
/* Ends the queries of a TCP end that is going away (NULL: all queries), without an answer. */
void dns_query_cancel(struct dns_proxy *d, const struct dns_tcp *tcp);

/* ---- tcp_end.c ---- */
/* The answer to one of the queries of a TCP end. */
void dns_tcp_answer(struct dns_tcp *t, struct view msg);
/* Ends all of a proxy's ends, with their connections where those still exist. */
void dns_tcp_free_all(struct dns_proxy *d);

#endif
