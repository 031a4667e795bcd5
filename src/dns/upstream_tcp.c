// SPDX-License-Identifier: Apache-2.0
/*
 * One question over a TCP connection of its own (RFC 7766): what did not fit into a datagram, what
 * may have been forged, and what the guest itself asked over TCP.
 *
 * Bounds: as many connections as there are attempts; an answer of 64 KiB each.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/proxy.h"
#include "dns/upstream.h"
#include "flow/sandbox.h"

struct upstream_conn {
	struct loop_source src;
	struct loop *loop;
	struct dns_attempt *a;
	uint8_t prefix[4]; /* length and ID, before the rest of the query */
	size_t sent;
	uint8_t in_prefix[2];
	size_t got; /* of in_prefix and body together */
	uint8_t *body;
	size_t body_len;
};

/* Sends what is left of the query. 0: all is out; -errno. */
static int conn_send(struct upstream_conn *c)
{
	struct view msg = dns_query_message(c->a->q);
	while (c->sent < 2 + msg.len) {
		struct iovec iov[2];
		struct msghdr m = {.msg_iov = iov};
		if (c->sent < sizeof(c->prefix)) {
			iov[m.msg_iovlen++] =
				(struct iovec){c->prefix + c->sent, sizeof(c->prefix) - c->sent};
			iov[m.msg_iovlen++] = (struct iovec){(void *)(msg.p + 2), msg.len - 2};
		} else {
			size_t at = c->sent - 2;
			iov[m.msg_iovlen++] = (struct iovec){(void *)(msg.p + at), msg.len - at};
		}
		ssize_t n = sendmsg(c->src.fd, &m, MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		c->sent += (size_t)n;
	}
	return 0;
}

/* Reads what is there. 0: the answer is complete; -errno. */
static int conn_recv(struct upstream_conn *c)
{
	while (!c->body || c->got < 2 + c->body_len) {
		uint8_t *at = c->body ? c->body + (c->got - 2) : c->in_prefix + c->got;
		size_t room = c->body ? 2 + c->body_len - c->got : 2 - c->got;
		ssize_t n = recv(c->src.fd, at, room, 0);
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		c->got += (size_t)n;
		if (c->got == 2 && !c->body) {
			c->body_len = get_be16(c->in_prefix);
			if (c->body_len < DNS_HLEN)
				return -EPROTO;
			c->body = malloc(c->body_len);
			if (!c->body)
				return -ENOMEM;
		}
	}
	return 0;
}

/* The answer is handed on in memory that outlives the connection. */
static void conn_done(struct upstream_conn *c)
{
	struct dns_attempt *a = c->a;
	const struct dns_question *q = dns_query_question(a->q);
	struct view v = view_make(c->body, c->body_len);
	if (!dns_answers(v, a->id, q)) {
		dns_attempt_failed(a, -EPROTO);
		return;
	}
	/* Nobody off the path can have said this: it tells what the resolver does with names. */
	if (a->case_lost && !dns_answers_exactly(v, a->id, q))
		a->server->plain_until = c->loop->now_us + PLAIN_US;
	uint8_t *body = c->body;
	c->body = NULL;
	dns_attempt_answered(a, body, v.len);
	free(body);
}

static void conn_event(struct loop_source *src, uint32_t events)
{
	struct upstream_conn *c = container_of(src, struct upstream_conn, src);
	bool was_sending = c->sent < 2 + dns_query_message(c->a->q).len;
	int r = conn_send(c);
	if (r == 0 && was_sending)
		r = loop_mod(c->loop, &c->src, EPOLLIN);
	if (r == 0)
		r = conn_recv(c);
	if (r == -EAGAIN || r == -EINTR)
		return;
	if (r == 0) {
		conn_done(c);
		return;
	}
	/* A resolver that loses the case and has no TCP is left: then any case has to do. */
	if (c->a->case_lost)
		c->a->server->plain_until = c->loop->now_us + PLAIN_US;
	dns_attempt_failed(c->a, r);
}

int upstream_tcp_ask(struct dns_proxy *d, struct dns_attempt *a)
{
	int fd = upstream_connect(&a->server->at, SOCK_STREAM);
	if (fd < 0)
		return fd;
	struct upstream_conn *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;
	if (c) {
		*c = (struct upstream_conn){.src = {.fd = -1, .fn = conn_event}, .a = a};
		c->loop = d->sb->loop;
		put_be16(c->prefix, (uint16_t)dns_query_message(a->q).len);
		put_be16(c->prefix + 2, a->id);
		r = loop_add(c->loop, &c->src, fd, EPOLLIN | EPOLLOUT);
	}
	if (r < 0) {
		close(fd);
		free(c);
		return r;
	}
	a->conn = c;
	return 0;
}

void upstream_tcp_drop(struct dns_attempt *a)
{
	struct upstream_conn *c = a->conn;
	if (!c)
		return;
	int fd = c->src.fd;
	loop_forget(c->loop, &c->src);
	close(fd);
	free(c->body);
	free(c);
	a->conn = NULL;
}
