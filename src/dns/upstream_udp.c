// SPDX-License-Identifier: Apache-2.0
/*
 * Questions over UDP: the sockets of each resolver, bursts out and in. See upstream.h.
 *
 * Events: answers come in by the burst (recvmmsg); a question waits in its socket's list until the
 * end of the turn, and all of them go out with one call (sendmmsg). An error on a socket (a port
 * that is not open, a network that is not there) fails everything that waits on it. A timer closes
 * sockets whose time is over; it runs while there are any.
 *
 * Bounds: SOCK_OPEN_MAX sockets a resolver that take questions, SOCKS_MAX in all, those included
 * that only wait for answers (then open ones are shared for longer).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/proxy.h"
#include "dns/upstream.h"
#include "flow/sandbox.h"

#define SOCKS_MAX     512
#define ID_BUCKETS    64
#define BURST         16   /* datagrams of one call */
#define ANSWER_MAX    2048 /* we say that we take 1232; what is longer is asked for over TCP */
#define BURSTS_A_WAKE 4    /* calls at one wake: a flood of wrong answers cannot hold the loop */

struct upstream_sock {
	struct loop_source src;
	struct list node;  /* in dns_server.socks */
	struct list dirty; /* in dns_proxy.dirty while something is to be sent */
	struct dns_proxy *d;
	struct dns_server *server; /* not held: its own list ends with it */
	uint64_t born_us;
	unsigned asked;
	unsigned waiting;
	unsigned wrong;
	bool takes; /* further questions */
	bool busy;  /* its event is being handled: not to be closed now */
	struct list unsent;
	struct dns_attempt *by_id[ID_BUCKETS];
};

int upstream_connect(const struct resolver *r, int type)
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

/* ---- sockets ---- */

static void sock_retire(struct upstream_sock *s)
{
	if (!s->takes)
		return;
	s->takes = false;
	s->server->open_n--;
	if (s->server->current == s)
		s->server->current = NULL;
}

static void sock_free(struct upstream_sock *s)
{
	int fd = s->src.fd;
	sock_retire(s);
	loop_forget(s->d->sb->loop, &s->src);
	close(fd);
	list_del(&s->node);
	list_del(&s->dirty);
	s->d->socks_n--;
	free(s);
}

static void sock_free_if_idle(struct upstream_sock *s)
{
	if (!s->takes && !s->waiting && !s->busy)
		sock_free(s);
}

static void sock_event(struct loop_source *src, uint32_t events);

static struct upstream_sock *sock_new(struct dns_proxy *d, struct dns_server *server, int *ret_err)
{
	struct loop *loop = d->sb->loop;
	struct upstream_sock *s = calloc(1, sizeof(*s));
	int fd = s ? upstream_connect(&server->at, SOCK_DGRAM) : -ENOMEM;
	*ret_err = fd;
	if (fd < 0) {
		free(s);
		return NULL;
	}
	s->src.fn = sock_event;
	*ret_err = loop_add(loop, &s->src, fd, EPOLLIN);
	if (*ret_err < 0) {
		close(fd);
		free(s);
		return NULL;
	}
	s->d = d;
	s->server = server;
	s->born_us = loop->now_us;
	s->takes = true;
	list_init(&s->dirty);
	list_init(&s->unsent);
	list_add_tail(&server->socks, &s->node);
	server->open_n++;
	d->socks_n++;
	if (!timer_armed(&d->sock_timer))
		timer_set(&loop->wheel, &d->sock_timer, loop->now_us + SOCK_LIFE_US);
	return s;
}

/* Closes what is over. Sockets that wait for an answer are closed when the last one has come. */
static void server_sweep(struct dns_server *server, uint64_t now_us)
{
	list_for_each (it, &server->socks) {
		struct upstream_sock *s = container_of(it, struct upstream_sock, node);
		if (now_us - s->born_us >= SOCK_LIFE_US)
			sock_retire(s);
		sock_free_if_idle(s);
	}
}

static void sock_tick(struct timer *t)
{
	struct dns_proxy *d = container_of(t, struct dns_proxy, sock_timer);
	uint64_t now = d->sb->loop->now_us;
	for (size_t i = 0; i < d->res.n; i++)
		server_sweep(d->res.v[i], now);
	list_for_each (it, &d->res.chosen)
		server_sweep(container_of(it, struct dns_server, node), now);
	if (d->socks_n)
		timer_set(&d->sb->loop->wheel, t, now + SOCK_LIFE_US);
}

static struct upstream_sock *sock_random(struct dns_proxy *d, struct dns_server *server)
{
	unsigned skip = server->open_n ? dns_proxy_random16(d) % server->open_n : 0;
	list_for_each (it, &server->socks) {
		struct upstream_sock *s = container_of(it, struct upstream_sock, node);
		if (s->takes && skip-- == 0)
			return s;
	}
	return NULL;
}

/* All questions of one turn go through one socket, so that they leave with one call. */
static struct upstream_sock *sock_pick(struct dns_proxy *d, struct dns_server *server, int *ret_err)
{
	struct upstream_sock *s = server->current;
	uint64_t turn = d->sb->loop->turns;
	if (s && server->current_turn == turn && s->asked < SOCK_ASKS)
		return s;
	s = NULL;
	if (server->open_n < SOCK_OPEN_MAX && d->socks_n < SOCKS_MAX)
		s = sock_new(d, server, ret_err);
	if (!s)
		s = sock_random(d, server);
	if (!s)
		return NULL;
	server->current = s;
	server->current_turn = turn;
	return s;
}

void upstream_udp_close_all(struct dns_server *server)
{
	list_for_each (it, &server->socks)
		sock_free(container_of(it, struct upstream_sock, node));
}

void upstream_udp_init(struct dns_proxy *d)
{
	list_init(&d->dirty);
	timer_init(&d->sock_timer, sock_tick);
}

void upstream_udp_done(struct dns_proxy *d)
{
	timer_cancel(&d->sb->loop->wheel, &d->sock_timer);
}

/* ---- questions ---- */

int upstream_udp_ask(struct dns_proxy *d, struct dns_attempt *a)
{
	int err = -EMFILE;
	struct upstream_sock *s = sock_pick(d, a->server, &err);
	if (!s)
		return err;
	a->sock = s;
	a->chain = s->by_id[a->id % ID_BUCKETS];
	s->by_id[a->id % ID_BUCKETS] = a;
	s->waiting++;
	list_add_tail(&s->unsent, &a->unsent);
	if (!list_linked(&s->dirty))
		list_add_tail(&d->dirty, &s->dirty);
	if (++s->asked >= SOCK_ASKS)
		sock_retire(s);
	return 0;
}

void upstream_udp_drop(struct dns_attempt *a)
{
	struct upstream_sock *s = a->sock;
	if (!s)
		return;
	struct dns_attempt **at = &s->by_id[a->id % ID_BUCKETS];
	while (*at != a)
		at = &(*at)->chain;
	*at = a->chain;
	a->sock = NULL;
	list_del(&a->unsent);
	s->waiting--;
	sock_free_if_idle(s);
}

/* An attempt that waits on a socket; NULL where none does. */
static struct dns_attempt *sock_any(const struct upstream_sock *s)
{
	for (unsigned i = 0; s->waiting && i < ID_BUCKETS; i++)
		if (s->by_id[i])
			return s->by_id[i];
	return NULL;
}

/* What is told to a socket as a whole. A failed attempt may be followed by one at the same server,
 * but never at this socket, which takes no more. */
static void sock_fail(struct upstream_sock *s, int err)
{
	struct dns_attempt *a;
	sock_retire(s);
	while ((a = sock_any(s)))
		dns_attempt_failed(a, err);
}

static void sock_distrust(struct upstream_sock *s)
{
	struct dns_attempt *a;
	sock_retire(s);
	while ((a = sock_any(s)))
		dns_attempt_over_tcp(a, false);
}

/* ---- out ---- */

static unsigned sock_batch(struct upstream_sock *s, struct mmsghdr *mm, struct iovec (*iov)[2],
			   uint8_t (*id)[2])
{
	unsigned n = 0;
	list_for_each (it, &s->unsent) {
		struct dns_attempt *a = container_of(it, struct dns_attempt, unsent);
		struct view msg = dns_query_message(a->q);
		put_be16(id[n], a->id);
		iov[n][0] = (struct iovec){id[n], 2};
		iov[n][1] = (struct iovec){(void *)(msg.p + 2), msg.len - 2};
		mm[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = iov[n], .msg_iovlen = 2}};
		if (++n == BURST)
			break;
	}
	return n;
}

/* Sends what a socket has. 0 or -errno. */
static int sock_flush(struct upstream_sock *s)
{
	struct mmsghdr mm[BURST];
	struct iovec iov[BURST][2];
	uint8_t id[BURST][2];
	bool again = false;
	while (!list_empty(&s->unsent)) {
		unsigned n = sock_batch(s, mm, iov, id);
		int sent = sendmmsg(s->src.fd, mm, n, MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
			sent = (int)n; /* lost on the way, as any datagram may be */
		/* What a call reports may be an earlier datagram's fate: once more, then. */
		if (sent < 0 && !again) {
			again = true;
			continue;
		}
		if (sent < 0)
			return -errno;
		while (sent-- > 0)
			list_pop(&s->unsent);
	}
	return 0;
}

void upstream_udp_flush(struct dns_proxy *d)
{
	struct list *node;
	/* A failure asks the next resolver, whose socket is then behind the others in the list. */
	while ((node = list_pop(&d->dirty))) {
		struct upstream_sock *s = container_of(node, struct upstream_sock, dirty);
		struct dns_server *server = dns_server_ref(s->server);
		s->busy = true;
		int r = sock_flush(s);
		if (r < 0)
			sock_fail(s, r);
		s->busy = false;
		sock_free_if_idle(s);
		dns_server_unref(server);
	}
}

/* ---- in ---- */

static struct dns_attempt *sock_find(const struct upstream_sock *s, uint16_t id,
				     struct dns_attempt *after)
{
	struct dns_attempt *a = after ? after->chain : s->by_id[id % ID_BUCKETS];
	while (a && a->id != id)
		a = a->chain;
	return a;
}

/* One datagram. True where something waited for it. */
static bool sock_datagram(struct upstream_sock *s, uint8_t *msg, size_t len, bool cut)
{
	struct view v = view_make(msg, len);
	if (len < DNS_HLEN)
		return false;
	uint16_t id = get_be16(msg);
	for (struct dns_attempt *a = NULL; (a = sock_find(s, id, a));) {
		const struct dns_question *q = dns_query_question(a->q);
		bool plain = s->server->plain_until > s->d->sb->loop->now_us;
		bool exact = dns_answers_exactly(v, id, q);
		if (!exact && !dns_answers(v, id, q))
			continue;
		if (!exact && !plain)
			dns_attempt_over_tcp(a, true);
		else if (cut || (get_be16(msg + 2) & DNS_TC))
			dns_attempt_truncated(a, msg, len);
		else
			dns_attempt_answered(a, msg, len);
		return true;
	}
	return false;
}

static void sock_receive(struct upstream_sock *s)
{
	uint8_t buf[BURST][ANSWER_MAX];
	struct mmsghdr mm[BURST];
	struct iovec iov[BURST];
	for (int k = 0; k < BURSTS_A_WAKE; k++) {
		for (unsigned i = 0; i < BURST; i++) {
			iov[i] = (struct iovec){buf[i], ANSWER_MAX};
			mm[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
		}
		int n = recvmmsg(s->src.fd, mm, BURST, 0, NULL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			sock_fail(s, -errno);
		for (int i = 0; i < n; i++) {
			bool cut = mm[i].msg_hdr.msg_flags & MSG_TRUNC;
			if (!sock_datagram(s, buf[i], mm[i].msg_len, cut) &&
			    ++s->wrong == WRONG_MAX)
				sock_distrust(s);
		}
		if (n < BURST)
			return;
	}
}

static void sock_event(struct loop_source *src, uint32_t events)
{
	struct upstream_sock *s = container_of(src, struct upstream_sock, src);
	/* The last query that holds the resolver may end in here. */
	struct dns_server *server = dns_server_ref(s->server);
	s->busy = true;
	sock_receive(s);
	s->busy = false;
	sock_free_if_idle(s);
	dns_server_unref(server);
}
