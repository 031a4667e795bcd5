// SPDX-License-Identifier: Apache-2.0
/*
 * Host sockets as flow ends.
 *
 * The socket's receive buffer is the only store of bytes for the guest: they are peeked at an
 * offset (SO_PEEK_OFF where the kernel has it for TCP, Linux 6.9 and later; else the bytes before
 * the offset are peeked into a scratch page and forgotten) and dropped with MSG_TRUNC when the
 * guest has acknowledged them. So the far end feels the guest's pace through the kernel's own
 * window.
 *
 * One edge-triggered registration serves a socket's whole life: dial, data both ways, end.
 */
#include "flow/tcp_host.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST_EVENTS  (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define SCRATCH      65536
#define PEEK_IOV_MAX 64

struct tcp_host {
	struct flow_end end;
	struct loop_source src;
	struct sandbox *sb;
	int fd;
	bool has_peek_off;
	size_t peek_off; /* where the kernel's next peek begins */
};

/* Where skipped bytes go; its contents are never read. */
static uint8_t scratch[SCRATCH];

static struct tcp_host *host_of(struct flow_end *e)
{
	return container_of(e, struct tcp_host, end);
}

/* ---- bytes for the guest
 * ----------------------------------------------------------------------------- */

static ssize_t host_recv(int fd, struct iovec *iov, size_t n)
{
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};
	ssize_t got;

	do
		got = recvmsg(fd, &m, MSG_PEEK | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* For kernels without SO_PEEK_OFF on TCP: everything from the start, the first `off` bytes to
 * nowhere. */
static ssize_t host_peek_skipping(struct tcp_host *h, size_t off, const struct iovec *iov, int n)
{
	struct iovec all[PEEK_IOV_MAX + 256];
	size_t k = 0;

	for (size_t left = off; left; k++) {
		if (k == 256)
			return -EAGAIN; /* 16 MiB in flight: more than any congestion window here */
		all[k] = (struct iovec){scratch, left < SCRATCH ? left : SCRATCH};
		left -= all[k].iov_len;
	}
	for (int i = 0; i < n && i < PEEK_IOV_MAX; i++)
		all[k++] = iov[i];
	ssize_t got = host_recv(h->fd, all, k);
	if (got < 0)
		return got;
	if ((size_t)got > off)
		return got - (ssize_t)off;
	/* Nothing behind the offset: the stream's end, or not yet? Only an empty socket tells by
	 * itself. */
	if (!h->end.eof_near)
		return -EAGAIN;
	struct tcp_info info;
	socklen_t len = sizeof(info);
	if (getsockopt(h->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	/* CLOSE_WAIT, LAST_ACK, CLOSING, TIME_WAIT: a FIN has come. */
	bool fin = info.tcpi_state == 8 || info.tcpi_state == 9 || info.tcpi_state == 11 ||
		   info.tcpi_state == 6;
	return fin ? 0 : info.tcpi_state == 7 ? -ECONNRESET : -EAGAIN;
}

static ssize_t host_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct tcp_host *h = host_of(e);

	if (!h->has_peek_off)
		return host_peek_skipping(h, off, iov, n);
	if (h->peek_off != off) {
		int v = (int)off;
		if (setsockopt(h->fd, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof(v)) < 0)
			return -errno;
		h->peek_off = off;
	}
	ssize_t got = host_recv(h->fd, (struct iovec *)iov, (size_t)n);
	if (got > 0)
		h->peek_off += (size_t)got;
	return got;
}

static void host_consume(struct flow_end *e, size_t n)
{
	struct tcp_host *h = host_of(e);

	/* The kernel moves its peek offset back by what is dropped. */
	while (n) {
		ssize_t got = recv(h->fd, NULL, n, MSG_TRUNC | MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		h->peek_off = h->peek_off > (size_t)got ? h->peek_off - (size_t)got : 0;
		n -= (size_t)got;
	}
}

/* ---- bytes from the guest
 * ----------------------------------------------------------------------------- */

static ssize_t host_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	ssize_t took;

	do
		took = sendmsg(host_of(e)->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (took < 0 && errno == EINTR);
	return took < 0 ? -errno : took;
}

static void host_shut(struct flow_end *e)
{
	shutdown(host_of(e)->fd, SHUT_WR);
}

/* ---- the end
 * -------------------------------------------------------------------------------------------- */

static void host_free(struct tcp_host *h)
{
	loop_del(h->sb->loop, &h->src);
	close(h->fd);
	free(h);
}

static void host_reset(struct flow_end *e)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(host_of(e)->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	host_free(host_of(e));
}

static void host_close(struct flow_end *e)
{
	host_free(host_of(e));
}

static const struct flow_end_ops host_ops = {
	.peek = host_peek,
	.consume = host_consume,
	.push = host_push,
	.shut = host_shut,
	.reset = host_reset,
	.close = host_close,
};

static void host_event(struct loop_source *src, uint32_t events)
{
	struct tcp_host *h = container_of(src, struct tcp_host, src);
	struct stack *s = &h->sb->stack;

	if (!h->end.conn)
		return;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		h->end.eof_near = true;
	if (events & EPOLLOUT)
		tcp_end_writable(s, h->end.conn);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		tcp_end_readable(s, h->end.conn);
}

/* The end's struct over a socket that is in the loop already, or not yet. */
static struct tcp_host *host_new(struct sandbox *sb, int fd)
{
	struct tcp_host *h = calloc(1, sizeof(*h));
	int one = 1, zero = 0;

	if (!h)
		return NULL;
	h->end.ops = &host_ops;
	h->sb = sb;
	h->fd = fd;
	h->src = (struct loop_source){.fd = -1, .fn = host_event};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	h->has_peek_off = setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) == 0;
	return h;
}

struct flow_end *tcp_host_end_new(struct sandbox *sb, int fd)
{
	struct tcp_host *h = host_new(sb, fd);

	if (!h)
		return NULL;
	if (loop_add(sb->loop, &h->src, fd, HOST_EVENTS) < 0) {
		free(h);
		return NULL;
	}
	return &h->end;
}

/* ---- dialling
 * --------------------------------------------------------------------------------------------- */

struct tcp_dial {
	struct loop_source src;
	struct sandbox *sb;
	int fd;
	tcp_dialed_fn *fn;
	void *arg;
};

static void dial_event(struct loop_source *src, uint32_t events)
{
	struct tcp_dial *d = container_of(src, struct tcp_dial, src);
	struct sandbox *sb = d->sb;
	struct flow_end *end = NULL;
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	loop_del(sb->loop, &d->src);
	if (!err && !(end = tcp_host_end_new(sb, d->fd)))
		err = ENOMEM;
	if (err)
		close(d->fd);
	tcp_dialed_fn *fn = d->fn;
	void *arg = d->arg;
	free(d);
	fn(sb, arg, end, err);
}

static int dial_socket(const struct ipaddr *to, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(to, port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		int err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

struct tcp_dial *tcp_host_dial(struct sandbox *sb, const struct ipaddr *to, uint16_t port,
			       tcp_dialed_fn *fn, void *arg, int *ret_err)
{
	int fd = dial_socket(to, port);
	struct tcp_dial *d = NULL;
	int r = fd;

	if (fd >= 0) {
		r = -ENOMEM;
		d = malloc(sizeof(*d));
	}
	if (d) {
		*d = (struct tcp_dial){.sb = sb, .fd = fd, .fn = fn, .arg = arg};
		d->src = (struct loop_source){.fd = -1, .fn = dial_event};
		r = loop_add(sb->loop, &d->src, fd, EPOLLOUT);
	}
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		free(d);
		*ret_err = -r;
		return NULL;
	}
	return d;
}

void tcp_dial_cancel(struct tcp_dial *d)
{
	if (!d)
		return;
	loop_del(d->sb->loop, &d->src);
	close(d->fd);
	free(d);
}
