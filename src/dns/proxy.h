// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of this room that do I/O share: the proxy, what is asked of it, its queries on
 * their way, and its TCP ends.
 *
 * Theory of operation
 * -------------------
 * A question comes in from an asker (a datagram, or one message of a TCP end), whatever address it
 * was sent to, and goes through these steps:
 *
 *	intercept.c   1  it is read and checked whole
 *	              2  the policy is asked about its name
 *	              3  weir's own names and special-use names are answered (local.c)
 *	              4  a family that the guest does not have is answered: NODATA
 *	              5  the cache is looked into (cache.c)
 *	query.c       6  it joins an equal question that is on its way, or is asked: of the resolver
 *	                 that the guest chose where the policy allows that, else of the configured
 *	                 ones, one after another (resolvers.c, upstream_udp.c, upstream_tcp.c)
 *	              7  until the time limit is over
 *	answer.c      8  the answer, from the cache or from a resolver, is filtered (filter.c) and
 *its CNAME chain judged by the policy 9  bindings are recorded; then it is made the asker's own and
 *leaves
 *
 * Between 2 and 6 a question may be refused for its budget (budget.c) or the rate limit: both count
 * only what would leave, or take work.
 *
 * Calls: a datagram's whole way to a cached answer is one call from the stack, which allocates
 * nothing. What was asked in a turn leaves with dns_proxy_flush(), and so do the calls up of the
 * TCP ends.
 *
 * Trust: neither the guest nor a resolver is trusted. What an answer has to match is said in
 * upstream.h. A resolver that the policy lets the guest choose is believed as the configured ones
 * are, but what it says is neither kept in the cache nor given to those who asked another one.
 *
 * Bounds: DNS_ASKS_MAX askers that wait (then the oldest gets SERVFAIL), DNS_PREFETCH_MAX queries
 * without an asker (then none is begun), DNS_QUERY_MAX bytes of a query (longer: FORMERR),
 * DNS_ATTEMPTS attempts a query, DNS_TCP_MAX TCP ends (then no more are made), each with bounded
 * buffers (tcp_end.c). Cache and budget have bounds of their own.
 */
#ifndef WEIR_DNS_PROXY_H
#define WEIR_DNS_PROXY_H

#include "base/list.h"
#include "base/siphash.h"
#include "base/table.h"
#include "dns/budget.h"
#include "dns/cache.h"
#include "dns/dns.h"
#include "dns/local.h"
#include "dns/message.h"
#include "dns/resolvers.h"
#include "dns/upstream.h"
#include "dns/wire.h"
#include "flow/sandbox.h"

#define DNS_PORT         53
#define DNS_ASKS_MAX     256
#define DNS_PREFETCH_MAX 32
#define DNS_QUERY_MAX    4096 /* real queries are a tenth of this */
#define DNS_ATTEMPTS     3    /* that one query may have at a time */
#define DNS_TCP_MAX      64   /* TCP ends of one sandbox */

struct dns_tcp;

struct dns_proxy {
	struct sandbox *sb;
	const char *conf_path; /* of the host's resolv.conf; the caller's */

	/* of the configuration, copied */
	uint64_t timeout_us; /* of a query as a whole */
	bool honor;          /* resolvers that the guest chose are asked */
	bool deny_refused;   /* a denied question gets REFUSED, not NXDOMAIN */
	bool rebind_protection;
	struct config_prefix *rebind_allow;
	size_t rebind_allow_n;
	bool strip_ech;
	uint64_t rate_gap_us; /* between two questions; 0: no limit */
	uint64_t rate_burst_us;
	uint32_t budget_names, budget_bytes;
	size_t cache_bytes; /* 0: no cache */

	uint64_t rate_at_us; /* when the questions so far would have been spread out evenly */
	struct dns_local *local;
	struct dns_cache *cache;   /* NULL: none */
	struct dns_budget *budget; /* NULL: none */
	struct dns_resolvers res;

	/* query.c */
	struct list queries; /* struct dns_query */
	unsigned queries_n;
	unsigned prefetch_n; /* of them, begun without an asker */
	struct list asks;    /* struct dns_ask, the oldest first */
	unsigned asks_n;
	struct table shared; /* queries that others may join, by question */
	struct sipkey key;

	/* upstream_udp.c */
	struct list dirty;       /* sockets with something to send */
	unsigned socks_n;        /* of all resolvers */
	struct timer sock_timer; /* armed while there are any */

	/* tcp_end.c */
	struct list tcp;     /* struct dns_tcp */
	struct list tcp_due; /* those that have to call up */
	unsigned tcp_n;
	size_t tcp_out_total; /* bytes that wait for the guest in all TCP ends */

	bool wants_flush;
	struct timer flush_timer; /* where nobody calls dns_proxy_flush() */
	uint8_t random[512];      /* random bytes in stock */
	unsigned random_n;
};

/* Who asked, and where the answer goes. */
struct dns_asker {
	struct dns_tcp *tcp;    /* NULL: over UDP */
	struct ipaddr from, at; /* the guest's address, and the one that it asked */
	uint16_t port;          /* the guest's */
};

/* One question in hand: on the stack while it is looked at, a copy where it has to wait. */
struct dns_ask {
	struct list node; /* of its query */
	struct list age;  /* in dns_proxy.asks */
	struct dns_query *query;
	struct dns_asker who;
	struct dns_query_view q;
	bool has_name; /* `name` is one that rules can be about */
	struct name name;
	uint64_t start_us;
};

/* ---- proxy.c ---- */
/* As dns_proxy_new(), with the path of the resolv.conf. */
struct dns_proxy *dns_proxy_new_at(struct sandbox *sb, const struct config *c, const char *path,
				   struct error *err);
/* Something waits for dns_proxy_flush(). */
void dns_proxy_wants_flush(struct dns_proxy *d);
void dns_proxy_random(struct dns_proxy *d, void *ret, size_t n); /* n <= 256 */
uint16_t dns_proxy_random16(struct dns_proxy *d);

/* ---- intercept.c ---- */
/* One query from whomever. False where it was dropped; else it is answered, now or later, once. */
bool dns_intercept(struct dns_proxy *d, const struct dns_asker *who, struct view msg);
/* The question as admission wants it. */
struct flow_question dns_ask_question(const struct dns_ask *ask, char text[DNS_NAME_STRLEN]);

/* ---- answer.c ---- */
/* A message of `len` bytes that answers the question, as it came: filtered, judged, bound, sent.
 * `from`: "hit" or "miss". */
void dns_answer(struct dns_proxy *d, const struct dns_ask *ask, struct view msg, const char *from);
/* One of weir's own (local.c): bound and sent. */
void dns_answer_own(struct dns_proxy *d, const struct dns_ask *ask, const struct dns_own *own);
/* What could not be read as a query. */
void dns_answer_bare(struct dns_proxy *d, const struct dns_asker *who, const struct dns_header *h,
		     enum dns_rcode rcode);
void dns_answer_fail(struct dns_proxy *d, const struct dns_ask *ask, enum dns_ede ede,
		     const char *text);
/* The verdict was counted and told already. */
void dns_answer_denied(struct dns_proxy *d, const struct dns_ask *ask,
		       const struct policy_verdict *v);
/* Refused by the interceptor itself: counted and told here. `why` is for the extended error. */
void dns_answer_refused(struct dns_proxy *d, const struct dns_ask *ask, enum policy_reason reason,
			const char *why);

/* ---- query.c ---- */
struct dns_query;
void dns_queries_init(struct dns_proxy *d);
/*
 * Takes a question upstream: to the resolver that the guest chose, which may be asked over TCP only
 * where chosen_tcp, or (NULL) to the configured ones. It may fail at once, and has then been
 * answered. `ask` is copied.
 */
void dns_query_start(struct dns_proxy *d, const struct dns_ask *ask, struct view msg,
		     struct dns_server *chosen, bool chosen_tcp);
/* The same for nobody but the cache. */
void dns_query_prefetch(struct dns_proxy *d, const struct dns_ask *like);
/* Forgets the questions of a TCP end that is going away, without an answer. */
void dns_query_cancel(struct dns_proxy *d, const struct dns_tcp *tcp);
void dns_queries_done(struct dns_proxy *d);
/* For upstream_*.c: the message to send (its first two bytes give way to the attempt's ID), and the
 * question that has to come back. */
struct view dns_query_message(const struct dns_query *q);
const struct dns_question *dns_query_question(const struct dns_query *q);

/* ---- tcp_end.c ---- */
/* The answer to one of the queries of a TCP end. */
void dns_tcp_answer(struct dns_tcp *t, struct view msg);
/* The calls up that are due. */
void dns_tcp_flush(struct dns_proxy *d);
/* Ends all of a proxy's ends, with their connections where those still exist. */
void dns_tcp_free_all(struct dns_proxy *d);

#endif
