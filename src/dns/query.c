// SPDX-License-Identifier: Apache-2.0
/*
 * Queries on their way to a resolver, and who waits for them.
 *
 * Theory of operation
 * -------------------
 * A query is a message of weir's own making with the guest's question: a random case of letters,
 * the guest's RD and CD bits, and where the guest speaks EDNS an OPT record with its DO bit and a
 * size that no network has to fragment. AD is always set (RFC 6840 5.7), so that one answer suits
 * all; answer.c clears it for those who did not ask. Equal questions of several askers are one
 * query (also against birthday attacks, RFC 5452 5); each asker is answered in its own words.
 *
 * A message that says more than that goes out as it is, for its asker alone, and its answer is not
 * kept: one with EDNS options that can change the answer (a client subnet), without RD, or with
 * further records. With records that may sign it (TSIG) even the case is left alone, so it goes
 * over TCP.
 *
 * A query has a time limit, divided into DNS_ATTEMPTS equal parts. At the beginning of each part
 * the next resolver is asked, and behind the last one the first again (so that a single resolver is
 * asked twice); earlier attempts stay open, since a late answer is as good as any. A transport
 * error (refused, unreachable) moves on to the next untried resolver at once; an error code is an
 * answer. When every resolver has failed that way (EDE 23), or the time is over (EDE 22), the
 * askers get SERVFAIL. An answer with TC is asked for again over TCP.
 */
#include <errno.h>
#include <stdlib.h>

#include "dns/proxy.h"

struct dns_query {
	struct list node; /* in dns_proxy.queries */
	struct dns_proxy *d;
	struct list asks;   /* struct dns_ask; empty: a prefetch, or nobody waits any more */
	uint64_t hash;      /* in dns_proxy.shared, where `shared` */
	bool shared;        /* others may join */
	bool cached;        /* the answer is kept */
	bool prefetch;      /* begun without an asker */
	bool tcp;           /* over TCP from the beginning */
	bool tcp_ok;        /* may be asked over TCP */
	bool chosen;        /* by the guest */
	struct timer timer; /* the end of the part of the time limit */
	uint64_t start_us;
	unsigned part; /* of the time limit, from 0 */
	size_t tried;  /* how often a resolver was asked or could not be */
	struct dns_server *servers[RESOLVERS_MAX]; /* held, in the order in which they are asked */
	size_t servers_n;
	struct dns_attempt attempts[DNS_ATTEMPTS];
	struct dns_query_view asked; /* by the first asker */
	struct dns_question sent;    /* with its letters in random case */
	size_t len;
	uint8_t msg[];
};

static struct loop *query_loop(const struct dns_query *q)
{
	return q->d->sb->loop;
}

struct view dns_query_message(const struct dns_query *q)
{
	return view_make(q->msg, q->len);
}

const struct dns_question *dns_query_question(const struct dns_query *q)
{
	return &q->sent;
}

/* ---- the end of things ---- */

static void attempt_close(struct dns_attempt *a)
{
	if (!a->server)
		return;
	upstream_udp_drop(a);
	upstream_tcp_drop(a);
	dns_server_unref(a->server);
	a->server = NULL;
}

static void ask_free(struct dns_ask *ask)
{
	struct dns_proxy *d = ask->query->d;
	list_del(&ask->node);
	list_del(&ask->age);
	d->asks_n--;
	free(ask);
}

static void query_free(struct dns_query *q)
{
	struct dns_proxy *d = q->d;
	list_for_each (it, &q->asks)
		ask_free(container_of(it, struct dns_ask, node));
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++)
		attempt_close(&q->attempts[i]);
	for (size_t i = 0; i < q->servers_n; i++)
		dns_server_unref(q->servers[i]);
	if (q->shared)
		table_remove(&d->shared, q->hash, q);
	timer_cancel(&query_loop(q)->wheel, &q->timer);
	list_del(&q->node);
	d->queries_n--;
	d->prefetch_n -= q->prefetch;
	free(q);
}

static void query_fail(struct dns_query *q, enum dns_ede ede, const char *text)
{
	list_for_each (it, &q->asks)
		dns_answer_fail(q->d, container_of(it, struct dns_ask, node), ede, text);
	query_free(q);
}

/* Nobody waits any more; what the cache would learn is not worth a socket. */
static void ask_cancel(struct dns_ask *ask)
{
	struct dns_query *q = ask->query;
	ask_free(ask);
	if (list_empty(&q->asks) && !q->prefetch)
		query_free(q);
}

/* ---- attempts ---- */

static int attempt_start(struct dns_attempt *a, struct dns_server *server, bool tcp)
{
	struct dns_proxy *d = a->q->d;
	a->server = dns_server_ref(server);
	a->id = dns_proxy_random16(d);
	int r = tcp ? upstream_tcp_ask(d, a) : upstream_udp_ask(d, a);
	if (r < 0)
		attempt_close(a);
	else if (!tcp)
		dns_proxy_wants_flush(d);
	return r;
}

static struct dns_attempt *attempt_unused(struct dns_query *q)
{
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++)
		if (!q->attempts[i].server)
			return &q->attempts[i];
	return NULL;
}

static bool query_waits(const struct dns_query *q)
{
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++)
		if (q->attempts[i].server)
			return true;
	return false;
}

/* Asks the next resolver that can be asked, up to `limit` tries in all. False where there is none.
 */
static bool query_ask_next(struct dns_query *q, size_t limit)
{
	while (q->servers_n && q->tried < limit) {
		struct dns_attempt *a = attempt_unused(q);
		if (!a)
			return false;
		struct dns_server *server = q->servers[q->tried % q->servers_n];
		a->nth = q->tried++;
		a->case_lost = false;
		int r = attempt_start(a, server, q->tcp);
		if (r == 0)
			return true;
		server->slow_until = query_loop(q)->now_us + SLOW_US;
		log_limited(LOG_INFO, "DNS: cannot ask a resolver: %s", strerror(-r));
	}
	return false;
}

/* After a transport error: the next untried resolver, or the end where nobody is left to wait for.
 */
static void query_advance(struct dns_query *q)
{
	if (query_ask_next(q, q->servers_n) || query_waits(q))
		return;
	query_fail(q, DNS_EDE_NETWORK_ERROR,
		   q->servers_n ? "no resolver could be reached" : "there is no resolver");
}

void dns_attempt_failed(struct dns_attempt *a, int err)
{
	struct dns_query *q = a->q;
	a->server->slow_until = query_loop(q)->now_us + SLOW_US;
	attempt_close(a);
	query_advance(q);
}

void dns_attempt_over_tcp(struct dns_attempt *a, bool case_lost)
{
	struct dns_query *q = a->q;
	struct dns_server *server = dns_server_ref(a->server);
	int r = -EACCES;
	attempt_close(a);
	a->case_lost = case_lost;
	if (q->tcp_ok)
		r = attempt_start(a, server, true);
	if (r < 0 && case_lost)
		server->plain_until = query_loop(q)->now_us + PLAIN_US;
	dns_server_unref(server);
	if (r < 0)
		query_advance(q);
}

void dns_attempt_truncated(struct dns_attempt *a, uint8_t *msg, size_t len)
{
	if (a->q->tcp_ok)
		dns_attempt_over_tcp(a, false);
	else
		dns_attempt_answered(a, msg, len);
}

void dns_attempt_answered(struct dns_attempt *a, uint8_t *msg, size_t len)
{
	struct dns_query *q = a->q;
	struct dns_proxy *d = q->d;
	struct view answer = view_make(msg, len);
	/* Whoever was asked before this one and is still silent is asked last for a while. */
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++) {
		const struct dns_attempt *other = &q->attempts[i];
		if (other->server && other->nth < a->nth && other->server != a->server)
			other->server->slow_until = query_loop(q)->now_us + SLOW_US;
	}
	a->server->slow_until = 0;
	if (q->cached && d->cache)
		dns_cache_put(d->cache, &q->asked, answer, query_loop(q)->now_us);
	list_for_each (it, &q->asks)
		dns_answer(d, container_of(it, struct dns_ask, node), answer, "miss");
	query_free(q);
}

static void query_arm(struct dns_query *q)
{
	timer_set(&query_loop(q)->wheel, &q->timer,
		  q->start_us + (q->part + 1) * q->d->timeout_us / DNS_ATTEMPTS);
}

static void query_tick(struct timer *t)
{
	struct dns_query *q = container_of(t, struct dns_query, timer);
	if (++q->part >= DNS_ATTEMPTS) {
		query_fail(q, DNS_EDE_NO_REACHABLE_AUTHORITY, "no resolver answered in time");
		return;
	}
	/* A resolver that loses the case of names and is silent over TCP: any case has to do. */
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++)
		if (q->attempts[i].server && q->attempts[i].case_lost)
			q->attempts[i].server->plain_until = query_loop(q)->now_us + PLAIN_US;
	query_ask_next(q, q->servers_n + 1);
	query_arm(q);
}

/* ---- the beginning ---- */

/* More than a question, its flags and an OPT record without meaning for the answer. */
static bool is_special(const struct dns_query_view *v)
{
	return v->edns_special || !(v->h.flags & DNS_RD) || v->h.count[1] || v->h.count[2] ||
	       v->h.count[3] > v->has_edns;
}

/* What has to be the same for two questions to be one query. */
struct shared_key {
	const struct dns_query_view *q;
	const struct dns_server *chosen;
	bool tcp;
};

static bool shared_match(const void *item, const void *key)
{
	const struct dns_query *q = item;
	const struct shared_key *k = key;
	const struct dns_server *chosen = q->chosen ? q->servers[0] : NULL;
	return ((q->asked.h.flags ^ k->q->h.flags) & DNS_CD) == 0 &&
	       q->asked.has_edns == k->q->has_edns && q->asked.edns_do == k->q->edns_do &&
	       chosen == k->chosen && q->tcp == k->tcp && dns_question_eq(&q->asked.q, &k->q->q);
}

static uint64_t shared_hash(const struct dns_proxy *d, const struct dns_question *q)
{
	struct dns_name n = q->name;
	dns_name_lower(&n);
	return siphash(&d->key, n.b, n.len) + q->type;
}

static void make_message(struct dns_query *q, const struct dns_query_view *v)
{
	struct wbuf w = wbuf_make(q->msg, q->len);
	wbuf_put_be16(&w, 0);
	wbuf_put_be16(&w, DNS_RD | DNS_AD | (v->h.flags & DNS_CD));
	wbuf_put_be16(&w, 1);
	wbuf_put_be32(&w, 0);
	wbuf_put_be16(&w, v->has_edns);
	wbuf_put_bytes(&w, q->sent.name.b, q->sent.name.len);
	wbuf_put_be16(&w, v->q.type);
	wbuf_put_be16(&w, v->q.class);
	if (v->has_edns) {
		wbuf_put_u8(&w, 0);
		wbuf_put_be16(&w, DNS_OPT);
		wbuf_put_be16(&w, DNS_EDNS_SIZE);
		wbuf_put_be32(&w, v->edns_do ? DNS_EDNS_DO : 0);
		wbuf_put_be16(&w, 0);
	}
}

#define OPT_LEN 11

/* A query with its message, not yet anywhere. NULL without memory. */
static struct dns_query *query_new(struct dns_proxy *d, const struct dns_query_view *v,
				   struct view msg, bool tcp)
{
	bool special = is_special(v);
	bool signed_ = special && (v->h.count[1] || v->h.count[2] || v->h.count[3] > v->has_edns);
	size_t plain_len = DNS_HLEN + v->q.name.len + 4u + (v->has_edns ? OPT_LEN : 0);
	size_t len = special ? v->end : plain_len;
	struct dns_query *q = calloc(1, sizeof(*q) + len);
	if (!q)
		return NULL;
	q->d = d;
	q->len = len;
	q->asked = *v;
	q->sent = v->q;
	if (!signed_) {
		uint8_t random[32];
		dns_proxy_random(d, random, sizeof(random));
		dns_name_mix_case(&q->sent.name, random);
	}
	if (special) {
		memcpy(q->msg, msg.p, len);
		/* The first name of a message cannot be compressed: it has the same bytes. */
		memcpy(q->msg + DNS_HLEN, q->sent.name.b, q->sent.name.len);
	} else {
		make_message(q, v);
	}
	q->tcp = tcp || signed_;
	q->shared = !special;
	return q;
}

static void query_servers(struct dns_query *q, struct dns_server *chosen, bool chosen_tcp)
{
	const struct dns_resolvers *r = &q->d->res;
	uint64_t now = query_loop(q)->now_us;
	q->chosen = chosen != NULL;
	q->tcp_ok = !chosen || chosen_tcp;
	if (chosen) {
		q->servers[q->servers_n++] = dns_server_ref(chosen);
		return;
	}
	/* From the first one on that is not slow. */
	size_t first = 0;
	for (size_t i = r->n; i-- > 0;)
		if (r->v[i]->slow_until <= now)
			first = i;
	for (size_t i = 0; i < r->n; i++)
		q->servers[q->servers_n++] = dns_server_ref(r->v[(first + i) % r->n]);
}

static void query_begin(struct dns_query *q, struct dns_server *chosen, bool chosen_tcp)
{
	struct dns_proxy *d = q->d;
	q->start_us = query_loop(q)->now_us;
	list_init(&q->asks);
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++) {
		q->attempts[i].q = q;
		list_init(&q->attempts[i].unsent);
	}
	timer_init(&q->timer, query_tick);
	list_add_tail(&d->queries, &q->node);
	d->queries_n++;
	query_servers(q, chosen, chosen_tcp);
	q->cached = q->shared && !q->chosen;
	if (q->shared) {
		q->hash = shared_hash(d, &q->asked.q);
		q->shared = table_insert(&d->shared, q->hash, q);
	}
	query_arm(q);
}

static void query_join(struct dns_query *q, struct dns_ask *ask)
{
	struct dns_proxy *d = q->d;
	ask->query = q;
	list_add_tail(&q->asks, &ask->node);
	list_add_tail(&d->asks, &ask->age);
	d->asks_n++;
}

static struct dns_query *query_find(struct dns_proxy *d, const struct shared_key *k)
{
	return is_special(k->q) ? NULL
				: table_find(&d->shared, shared_hash(d, &k->q->q), shared_match, k);
}

void dns_query_start(struct dns_proxy *d, const struct dns_ask *like, struct view msg,
		     struct dns_server *chosen, bool chosen_tcp)
{
	struct shared_key key = {&like->q, chosen, chosen && like->who.tcp};
	if (d->asks_n >= DNS_ASKS_MAX) {
		struct dns_ask *oldest = container_of(d->asks.next, struct dns_ask, age);
		dns_answer_fail(d, oldest, DNS_EDE_NO_REACHABLE_AUTHORITY,
				"too many questions at a time");
		ask_cancel(oldest);
	}
	struct dns_ask *ask = malloc(sizeof(*ask));
	if (!ask) {
		dns_answer_fail(d, like, DNS_EDE_NONE, NULL);
		return;
	}
	*ask = *like;
	struct dns_query *q = query_find(d, &key);
	if (q) {
		query_join(q, ask);
		return;
	}
	q = query_new(d, &like->q, msg, key.tcp);
	if (!q) {
		free(ask);
		dns_answer_fail(d, like, DNS_EDE_NONE, NULL);
		return;
	}
	query_begin(q, chosen, chosen_tcp);
	query_join(q, ask);
	query_advance(q);
}

void dns_query_prefetch(struct dns_proxy *d, const struct dns_ask *like)
{
	struct shared_key key = {&like->q, NULL, false};
	if (d->prefetch_n >= DNS_PREFETCH_MAX || is_special(&like->q) || query_find(d, &key))
		return;
	struct dns_query *q = query_new(d, &like->q, (struct view){0}, false);
	if (!q)
		return;
	q->prefetch = true;
	d->prefetch_n++;
	query_begin(q, NULL, false);
	query_advance(q);
}

void dns_query_cancel(struct dns_proxy *d, const struct dns_tcp *tcp)
{
	list_for_each (it, &d->asks) {
		struct dns_ask *ask = container_of(it, struct dns_ask, age);
		if (ask->who.tcp == tcp)
			ask_cancel(ask);
	}
}

void dns_queries_init(struct dns_proxy *d)
{
	list_init(&d->queries);
	list_init(&d->asks);
	table_init(&d->shared, DNS_ASKS_MAX + DNS_PREFETCH_MAX);
	sipkey_random(&d->key);
}

void dns_queries_done(struct dns_proxy *d)
{
	list_for_each (it, &d->queries)
		query_free(container_of(it, struct dns_query, node));
	table_done(&d->shared);
}
