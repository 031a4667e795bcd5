// SPDX-License-Identifier: Apache-2.0
/*
 * One query on its way to the host's resolvers.
 *
 * Theory of operation
 * -------------------
 * A query has a time limit, divided into DNS_ATTEMPTS equal parts. At the beginning of each part it
 * is sent to the next resolver, and behind the last one to the first again (so that a single
 * resolver is asked twice); earlier sockets stay open, since a late answer is as good as any. A
 * transport error (refused, unreachable) moves on to the next untried resolver at once. When every
 * resolver has failed that way, or the time is over, the asker gets SERVFAIL.
 *
 * Queries that came over UDP go out over UDP, those that came over TCP go out over TCP: a client
 * that got a truncated answer comes back over TCP, and the whole answer then fits.
 *
 * Each attempt has a socket of its own (so a source port of its own, chosen by the kernel at
 * random), connected to the resolver, and an ID of its own.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/proxy.h"
#include "flow/sandbox.h"

#define ANSWER_MAX 65535
#define RECV_A_WAKE \
	16 /* datagrams read at one wake: a flood of wrong answers cannot hold the loop */

struct attempt {
	struct loop_source src;
	struct dns_query *q; /* NULL: not in use */
	size_t resolver;
	size_t nth; /* of the query's tries */
	uint16_t id;
	/* Over TCP: the message goes out behind its length; the answer comes in likewise. */
	uint8_t prefix[4]; /* length and ID, before the rest of the query */
	size_t sent;
	uint8_t in_prefix[2];
	size_t got; /* of in_prefix and body together */
	uint8_t *body;
	size_t body_len;
};

struct dns_query {
	struct list node; /* in dns_proxy.inflight */
	struct dns_proxy *d;
	struct dns_asker who;
	struct dns_query_view view;
	struct attempt attempts[DNS_ATTEMPTS];
	struct timer timer; /* the end of the part of the time limit */
	uint64_t start_us;
	unsigned part; /* of the time limit, from 0 */
	size_t first;  /* the resolver that was asked first */
	size_t tried;  /* how often a resolver was asked or could not be */
	size_t len;
	uint8_t msg[]; /* as the guest sent it */
};

static struct loop *query_loop(const struct dns_query *q)
{
	return q->d->sb->loop;
}

static void attempt_close(struct attempt *a)
{
	if (!a->q)
		return;
	int fd = a->src.fd;
	loop_del(query_loop(a->q), &a->src);
	if (fd >= 0)
		close(fd);
	free(a->body);
	*a = (struct attempt){.src.fd = -1};
}

static void query_free(struct dns_query *q)
{
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++)
		attempt_close(&q->attempts[i]);
	timer_cancel(&query_loop(q)->wheel, &q->timer);
	list_del(&q->node);
	q->d->inflight_n--;
	free(q);
}

static void query_fail(struct dns_query *q, enum dns_ede ede)
{
	struct dns_proxy *d = q->d;
	struct dns_asker who = q->who;
	struct dns_query_view view = q->view;
	query_free(q);
	dns_proxy_fail(d, &who, &view, ede);
}

/* `answer` is at least a header; its ID is put right here. */
static void query_done(struct attempt *a, uint8_t *answer, size_t len)
{
	struct dns_query *q = a->q;
	/* Whoever was asked before this one and is still silent is asked last for a while. */
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++) {
		const struct attempt *other = &q->attempts[i];
		if (other->q && other->nth < a->nth && other->resolver != a->resolver)
			dns_proxy_resolver_slow(q->d, other->resolver);
	}
	dns_proxy_resolver_good(q->d, a->resolver);
	put_be16(answer, q->view.h.id);
	dns_proxy_answer(q->d, &q->who, &q->view, view_make(answer, len));
	query_free(q);
}

static void query_advance(struct dns_query *q);

static void attempt_fail(struct attempt *a)
{
	struct dns_query *q = a->q;
	dns_proxy_resolver_slow(q->d, a->resolver);
	attempt_close(a);
	query_advance(q);
}

static void udp_event(struct attempt *a)
{
	uint8_t buf[ANSWER_MAX];
	for (int i = 0; i < RECV_A_WAKE; i++) {
		ssize_t n = recv(a->src.fd, buf, sizeof(buf), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			attempt_fail(a);
			return;
		}
		if (dns_answers(view_make(buf, (size_t)n), a->id, &a->q->view.q)) {
			query_done(a, buf, (size_t)n);
			return;
		}
	}
}

/* Sends what is left of the query. 0: all is out; -errno. */
static int tcp_send(struct attempt *a)
{
	const struct dns_query *q = a->q;
	while (a->sent < 2 + q->len) {
		struct iovec iov[2];
		struct msghdr m = {.msg_iov = iov};
		if (a->sent < sizeof(a->prefix)) {
			iov[m.msg_iovlen++] =
				(struct iovec){a->prefix + a->sent, sizeof(a->prefix) - a->sent};
			iov[m.msg_iovlen++] = (struct iovec){(void *)(q->msg + 2), q->len - 2};
		} else {
			size_t at = a->sent - 2;
			iov[m.msg_iovlen++] = (struct iovec){(void *)(q->msg + at), q->len - at};
		}
		ssize_t n = sendmsg(a->src.fd, &m, MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		a->sent += (size_t)n;
	}
	return 0;
}

/* Reads what is there. 0: the answer is complete; -errno. */
static int tcp_recv(struct attempt *a)
{
	while (!a->body || a->got < 2 + a->body_len) {
		uint8_t *at = a->body ? a->body + (a->got - 2) : a->in_prefix + a->got;
		size_t room = a->body ? 2 + a->body_len - a->got : 2 - a->got;
		ssize_t n = recv(a->src.fd, at, room, 0);
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		a->got += (size_t)n;
		if (a->got == 2 && !a->body) {
			a->body_len = get_be16(a->in_prefix);
			if (a->body_len < DNS_HLEN)
				return -EPROTO;
			a->body = malloc(a->body_len);
			if (!a->body)
				return -ENOMEM;
		}
	}
	return 0;
}

static void tcp_event(struct attempt *a)
{
	bool was_sending = a->sent < 2 + a->q->len;
	int r = tcp_send(a);
	if (r == 0 && was_sending)
		r = loop_mod(query_loop(a->q), &a->src, EPOLLIN);
	if (r == 0)
		r = tcp_recv(a);
	if (r == -EAGAIN || r == -EINTR)
		return;
	if (r == 0 && dns_answers(view_make(a->body, a->body_len), a->id, &a->q->view.q))
		query_done(a, a->body, a->body_len);
	else
		attempt_fail(a);
}

static void attempt_event(struct loop_source *src, uint32_t events)
{
	struct attempt *a = container_of(src, struct attempt, src);
	if (a->q->who.tcp)
		tcp_event(a);
	else
		udp_event(a);
}

/* A connected socket; over TCP the connection is still being made. An fd or -errno. */
static int resolver_connect(const struct resolver *r, int type)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&r->addr, r->port, &ss);
	if (r->addr.family == 6)
		((struct sockaddr_in6 *)&ss)->sin6_scope_id = r->scope;
	int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int udp_send(struct attempt *a)
{
	const struct dns_query *q = a->q;
	uint8_t id[2];
	put_be16(id, a->id);
	struct iovec iov[2] = {{id, 2}, {(void *)(q->msg + 2), q->len - 2}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	return sendmsg(a->src.fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Asks resolver i. 0 or -errno. */
static int attempt_start(struct dns_query *q, struct attempt *a, const struct resolver_list *l,
			 size_t i)
{
	bool tcp = q->who.tcp != NULL;
	int fd = resolver_connect(&l->v[i], tcp ? SOCK_STREAM : SOCK_DGRAM);
	if (fd < 0)
		return fd;
	*a = (struct attempt){.src = {.fd = -1, .fn = attempt_event}, .q = q, .resolver = i};
	a->nth = q->tried;
	a->id = dns_proxy_random_id(q->d);
	put_be16(a->prefix, (uint16_t)q->len);
	put_be16(a->prefix + 2, a->id);
	int r = loop_add(query_loop(q), &a->src, fd, tcp ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (r < 0) {
		close(fd);
		a->q = NULL;
		return r;
	}
	r = tcp ? 0 : udp_send(a);
	if (r < 0)
		attempt_close(a);
	return r;
}

static struct attempt *attempt_unused(struct dns_query *q)
{
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++)
		if (!q->attempts[i].q)
			return &q->attempts[i];
	return NULL;
}

static bool query_waits(const struct dns_query *q)
{
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++)
		if (q->attempts[i].q)
			return true;
	return false;
}

/* Asks the next resolver that can be asked, up to `limit` tries in all. False where there is none.
 */
static bool query_ask_next(struct dns_query *q, size_t limit)
{
	size_t first;
	const struct resolver_list *l = dns_proxy_resolvers(q->d, &first);
	if (q->tried == 0)
		q->first = first;
	while (l->n && q->tried < limit) {
		struct attempt *a = attempt_unused(q);
		if (!a)
			return false;
		size_t i = (q->first + q->tried++) % l->n;
		int r = attempt_start(q, a, l, i);
		if (r == 0)
			return true;
		log_limited(LOG_INFO, "DNS: cannot ask a resolver: %s", strerror(-r));
	}
	return false;
}

static size_t resolver_count(const struct dns_query *q)
{
	size_t first;
	return dns_proxy_resolvers(q->d, &first)->n;
}

/* After a transport error: the next untried resolver, or the end where nobody is left to wait for.
 */
static void query_advance(struct dns_query *q)
{
	if (!query_ask_next(q, resolver_count(q)) && !query_waits(q))
		query_fail(q, DNS_EDE_NETWORK_ERROR);
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
		query_fail(q, DNS_EDE_NO_REACHABLE_AUTHORITY);
		return;
	}
	query_ask_next(q, resolver_count(q) + 1);
	query_arm(q);
}

void dns_query_start(struct dns_proxy *d, const struct dns_asker *who,
		     const struct dns_query_view *view, struct view msg)
{
	if (d->inflight_n >= DNS_INFLIGHT_MAX)
		query_fail(container_of(d->inflight.next, struct dns_query, node),
			   DNS_EDE_NO_REACHABLE_AUTHORITY);
	struct dns_query *q = calloc(1, sizeof(*q) + view->end);
	if (!q) {
		dns_proxy_fail(d, who, view, DNS_EDE_NONE);
		return;
	}
	q->d = d;
	q->who = *who;
	q->view = *view;
	q->len = view->end;
	memcpy(q->msg, msg.p, q->len);
	q->start_us = d->sb->loop->now_us;
	for (unsigned i = 0; i < DNS_ATTEMPTS; i++)
		q->attempts[i].src.fd = -1;
	timer_init(&q->timer, query_tick);
	list_add_tail(&d->inflight, &q->node);
	d->inflight_n++;
	query_arm(q);
	query_advance(q);
}

void dns_query_cancel(struct dns_proxy *d, const struct dns_tcp *tcp)
{
	list_for_each (it, &d->inflight) {
		struct dns_query *q = container_of(it, struct dns_query, node);
		if (!tcp || q->who.tcp == tcp)
			query_free(q);
	}
}
