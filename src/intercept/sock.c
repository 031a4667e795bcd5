// SPDX-License-Identifier: Apache-2.0
/*
 * The upstream's socket. It is read straight into whoever decrypts, as long as that has room, so
 * that the far end feels the guest's pace through the kernel's window; what is to go is gathered in
 * `out` and sent with one call where a turn made several records.
 *
 * Registered once, for edges: `readable` holds from an edge until a read came back short.
 */
#include "intercept/intercept_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow/budget.h"
#include "flow/tcp_host.h"

static void upsock_event(struct loop_source *src, uint32_t events)
{
	struct sock *k = container_of(src, struct sock, src);

	if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		k->eof_near = true;
	if (events & ~(uint32_t)EPOLLOUT)
		k->readable = true;
	if (events & EPOLLOUT)
		k->writable = true;
	k->event(k);
}

bool upsock_take(struct sock *k, struct intercept *ic, struct flow_end *inner,
		 void (*event)(struct sock *k))
{
	int one = 1, fd;

	k->src = (struct loop_source){.fd = -1, .fn = upsock_event};
	k->ic = ic;
	k->event = event;
	k->readable = k->writable = true;
	fd = tcp_host_end_release(inner, &k->src);
	if (fd < 0)
		return false;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return true;
}

ssize_t upsock_in(struct sock *k, void *buf, size_t n)
{
	ssize_t got;

	if (k->broken || k->src.fd < 0)
		return -ECONNRESET;
	if (!k->readable)
		return -EAGAIN;
	do
		got = recv(k->src.fd, buf, n, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno != EAGAIN) {
		k->broken = true;
		return -errno;
	}
	if (got < 0) {
		k->readable = false;
		return -EAGAIN;
	}
	/* Less than there was room for: the next edge tells of more. The end has none of its own.
	 */
	if ((size_t)got < n && !k->eof_near)
		k->readable = false;
	return got;
}

/* Nothing that is said reaches anybody; what it has said before may still be read. */
static void go_deaf(struct sock *k)
{
	k->deaf = true;
	queue_done(k->ic, &k->out);
}

ssize_t upsock_out(struct sock *k, const void *buf, size_t n)
{
	struct budgets *b = k->ic->sb->budgets;
	size_t may = n;

	if (k->deaf || k->ends != STREAM_OPEN || k->src.fd < 0)
		return (ssize_t)n;
	if (b) {
		may = budget_take(b, k->dest, n);
		k->spent |= may < n;
	}
	if (may && !queue_add(k->ic, &k->out, buf, may))
		return -ENOMEM;
	return (ssize_t)n;
}

static void send_out(struct sock *k)
{
	while (k->out.len && k->writable) {
		struct view v = buf_view(&k->out);
		ssize_t n = send(k->src.fd, v.p, v.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			k->writable = false;
		} else if (n < 0) {
			go_deaf(k);
		} else {
			queue_take(k->ic, &k->out, (size_t)n);
		}
	}
}

void upsock_flush(struct sock *k)
{
	if (k->src.fd < 0)
		return;
	send_out(k);
	if (k->out.len || k->ends == STREAM_OPEN || k->shut)
		return;
	k->shut = true;
	if (k->ends == STREAM_CUT)
		upsock_done(k, true);
	else
		shutdown(k->src.fd, SHUT_WR);
}

void upsock_end(struct sock *k, enum stream_end how)
{
	if (k->ends == STREAM_OPEN) {
		k->ends = (uint8_t)how;
	} else if (how == STREAM_CUT && k->ends != STREAM_CUT) {
		k->ends = STREAM_CUT;
		k->shut = false;
	}
}

bool upsock_drained(const struct sock *k)
{
	return k->src.fd < 0 || (k->out.len == 0 && (k->shut || k->ends == STREAM_OPEN));
}

void upsock_done(struct sock *k, bool reset)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	int fd = k->src.fd;

	queue_done(k->ic, &k->out);
	if (fd < 0)
		return;
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	loop_forget(k->ic->sb->loop, &k->src);
	close(fd);
}
