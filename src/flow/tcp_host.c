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
 *
 * The kernel sizes receive buffers for far senders. A near one that is faster than the guest would
 * fill tens of megabytes for each connection, and every byte would come from memory instead of
 * from a cache. So a connection that brings more than a little, over a path whose round trip is
 * short, gets a buffer of a fixed size. What it holds is on its way to the guest and back, too, so
 * that one connection is as fast as its buffer is large; many are not. They share what is beyond
 * the first size: who has brought much is given more where that leaves enough for the others. No
 * buffer shrinks: the far end was promised it.
 */
#include "flow/tcp_host.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow/budget.h"

/* EPOLLPRI: a read stops before urgent data, so that a short answer is no end of it. */
#define HOST_EVENTS (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET)
/* Each of these is a cause to peek. */
#define HOST_READABLE (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define SCRATCH       65536
#define PEEK_IOV_MAX  FRAME_TAIL_RANGES
#define PUSH_SHORT    512              /* one segment, whatever the path */
#define PUSH_IOV_MAX  256              /* pieces that a push has at most: the slices of a burst */
#define BULK_BYTES    32768            /* what a connection brings before its buffer is looked at */
#define NEAR_RTT_US   200              /* a path this short is full with NEAR_RCVBUF at 14 Gbit/s */
#define NEAR_RCVBUF   212992           /* what any process may ask for; the kernel doubles it */
#define NEAR_TOTAL    (2u << 20)       /* of all such connections, before they get only that */
#define NEAR_MOST     (NEAR_TOTAL / 2) /* of one: more gains nothing */
#define NEAR_PROOF    (1u << 20)       /* brought since its buffer was looked at */

enum peek_mode {
	PEEK_START,  /* SO_PEEK_OFF is off: a peek begins at the first byte */
	PEEK_OFFSET, /* it is on: a peek begins at peek_off and moves it */
	PEEK_SKIP,   /* the kernel does not have it */
};

struct tcp_host {
	struct flow_end end;
	struct loop_source src;
	struct sandbox *sb;
	struct flow *flow; /* whose budget the guest's bytes are spent from; NULL: nobody's */
	int fd;
	uint8_t peek;      /* enum peek_mode */
	bool pushed;       /* bytes of the guest's went out */
	bool nodelay;      /* TCP_NODELAY is set */
	bool spent;        /* the budget is: the guest gets a reset */
	bool sized;        /* it brings much, and its buffer was looked at */
	bool near;         /* it was given one of ours, and counts in sb->near_flows */
	uint32_t rcvbuf;   /* of that size */
	uint32_t consumed; /* since its buffer was looked at */
	size_t peek_off;   /* where the kernel's next peek begins */
	/* while dialling */
	tcp_dialed_fn *dialed; /* NULL: connected */
	void *arg;
};

/* Where skipped bytes go. Nobody reads them, so threads may share it; one of each thread's own
 * would be cleared, and so be resident, from the start. */
static uint8_t scratch[SCRATCH];

static struct tcp_host *host_of(struct flow_end *e)
{
	return container_of(e, struct tcp_host, end);
}

/* ---- bytes for the guest ---- */

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

	if (h->spent)
		return -ECONNRESET;
	/* A short exchange never peeks anywhere but at the start, and is spared the call. */
	if (h->peek_off != off && h->peek != PEEK_SKIP) {
		int v = (int)off;
		if (setsockopt(h->fd, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof(v)) == 0) {
			h->peek = PEEK_OFFSET;
			h->peek_off = off;
		} else {
			h->peek = PEEK_SKIP;
		}
	}
	if (h->peek == PEEK_SKIP)
		return host_peek_skipping(h, off, iov, n);
	ssize_t got = host_recv(h->fd, (struct iovec *)iov, (size_t)n);
	if (got > 0 && h->peek == PEEK_OFFSET)
		h->peek_off += (size_t)got;
	return got;
}

static void host_set_rcvbuf(struct tcp_host *h, uint32_t bytes)
{
	int size = (int)bytes;

	h->rcvbuf = bytes;
	setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* To be called before the kernel sees the bytes taken, which is when it makes the buffer grow. */
static void host_size_buffer(struct tcp_host *h)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	h->sized = true;
	if (getsockopt(h->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    len < offsetof(struct tcp_info, tcpi_min_rtt) + sizeof(info.tcpi_min_rtt) ||
	    info.tcpi_min_rtt > NEAR_RTT_US)
		return;
	h->near = true;
	h->sb->near_flows++;
	host_set_rcvbuf(h, NEAR_RCVBUF);
}

/* It brings much: its share, where that is more than it has. */
static void host_grow_buffer(struct tcp_host *h)
{
	uint32_t share = NEAR_TOTAL / h->sb->near_flows;

	if (share > NEAR_MOST)
		share = NEAR_MOST;
	if (share > h->rcvbuf)
		host_set_rcvbuf(h, share);
}

static void host_note_consumed(struct tcp_host *h, size_t n)
{
	if (h->sized && !h->near)
		return;
	h->consumed += (uint32_t)n;
	if (h->consumed < (h->sized ? NEAR_PROOF : BULK_BYTES))
		return;
	h->consumed = 0;
	if (h->sized)
		host_grow_buffer(h);
	else
		host_size_buffer(h);
}

static void host_consume(struct flow_end *e, size_t n)
{
	struct tcp_host *h = host_of(e);

	host_note_consumed(h, n);
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

/* ---- bytes from the guest ---- */

/*
 * The guest's own stack has decided already when its bytes go out. A first short request goes out
 * at once by itself, for nothing is in flight before it: a connection that sends no more is spared
 * the call.
 */
static void host_hurry(struct tcp_host *h, const struct iovec *iov, int n)
{
	int one = 1;

	if (!h->pushed && n == 1 && iov->iov_len <= PUSH_SHORT) {
		h->pushed = true;
		return;
	}
	h->pushed = h->nodelay = true;
	setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static ssize_t host_send(struct tcp_host *h, const struct iovec *iov, int n)
{
	struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	ssize_t took;

	if (!h->nodelay)
		host_hurry(h, iov, n);
	do
		took = sendmsg(h->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (took < 0 && errno == EINTR);
	return took < 0 ? -errno : took;
}

/* The first `may` bytes of them; returns how many pieces that are. */
static int host_clip(struct iovec *ret, const struct iovec *iov, int n, size_t may)
{
	int k = 0;

	for (; k < n && k < PUSH_IOV_MAX && may; k++) {
		ret[k] = iov[k];
		if (ret[k].iov_len > may)
			ret[k].iov_len = may;
		may -= ret[k].iov_len;
	}
	return k;
}

/* What is left of the budget goes, and where that was not all, it is the last. */
static ssize_t host_push_charged(struct tcp_host *h, const struct iovec *iov, int n)
{
	struct budgets *b = h->sb->budgets;
	struct budget_dest *d = flow_budget(h->sb, h->flow);
	struct iovec some[PUSH_IOV_MAX];
	size_t all = 0;
	ssize_t took = 0;

	for (int i = 0; i < n; i++)
		all += iov[i].iov_len;
	size_t may = h->spent ? 0 : budget_take(b, d, all);
	if (may == all)
		took = host_send(h, iov, n);
	else if (may)
		took = host_send(h, some, host_clip(some, iov, n, may));
	budget_give_back(b, d, may - (took > 0 ? (size_t)took : 0));
	if (may == all || took < 0 || (size_t)took < may)
		return took;
	h->spent = true;
	flow_over_budget(h->sb, h->flow);
	return -ECONNRESET;
}

static ssize_t host_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct tcp_host *h = host_of(e);

	if (h->sb->budgets && h->flow)
		return host_push_charged(h, iov, n);
	return host_send(h, iov, n);
}

static void host_shut(struct flow_end *e)
{
	shutdown(host_of(e)->fd, SHUT_WR);
}

/* ---- the end ---- */

/* Its buffer is no longer ours to count. */
static void host_leave(struct tcp_host *h)
{
	h->sb->near_flows -= h->near;
}

static void host_free(struct tcp_host *h)
{
	host_leave(h);
	/* Closing takes the only reference to the socket out of the loop's set, too. */
	loop_forget(h->sb->loop, &h->src);
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

static void host_readiness(struct tcp_host *h, uint32_t events)
{
	struct stack *s = &h->sb->stack;

	if (!h->end.conn)
		return;
	if (events & EPOLLOUT)
		tcp_end_writable(s, h->end.conn);
	if (events & HOST_READABLE)
		tcp_end_readable(s, h->end.conn);
}

/* The dial is over, for better or worse. */
static void host_dialed(struct tcp_host *h, uint32_t events)
{
	struct sandbox *sb = h->sb;
	tcp_dialed_fn *dialed = h->dialed;
	void *arg = h->arg;
	int err = 0;
	socklen_t len = sizeof(err);

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	if (events & (EPOLLERR | EPOLLHUP) &&
	    getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	h->dialed = NULL;
	h->end.empty = !(events & HOST_READABLE);
	if (err)
		host_free(h);
	dialed(sb, arg, err ? NULL : &h->end, err);
}

static void host_event(struct loop_source *src, uint32_t events)
{
	struct tcp_host *h = container_of(src, struct tcp_host, src);

	if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		h->end.eof_near = true;
	if (h->dialed)
		host_dialed(h, events);
	else
		host_readiness(h, events);
}

/* ---- making one ---- */

static struct tcp_host *host_new(struct sandbox *sb, int fd)
{
	struct tcp_host *h = calloc(1, sizeof(*h));
	int one = 1;

	if (!h)
		return NULL;
	h->end.ops = &host_ops;
	h->end.direct = true;
	h->sb = sb;
	h->fd = fd;
	h->src = (struct loop_source){.fd = -1, .fn = host_event};
	/* Urgent data is data like any other: taken out, it would be lost to the guest. */
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	if (loop_add(sb->loop, &h->src, fd, HOST_EVENTS) < 0) {
		free(h);
		return NULL;
	}
	return h;
}

struct flow_end *tcp_host_end_new(struct sandbox *sb, int fd)
{
	struct tcp_host *h = host_new(sb, fd);

	return h ? &h->end : NULL;
}

void tcp_host_end_charge(struct flow_end *e, struct flow *f)
{
	host_of(e)->flow = f;
}

int tcp_host_end_release(struct flow_end *e, struct loop_source *src)
{
	struct tcp_host *h = host_of(e);
	struct loop *l = h->sb->loop;
	int fd = h->fd;

	/* The registration stays and gets another owner, which makes it report anew. */
	src->fd = fd;
	if (loop_mod(l, src, HOST_EVENTS) < 0) {
		src->fd = -1;
		return -1;
	}
	loop_forget(l, &h->src);
	host_leave(h);
	free(h);
	return fd;
}

struct tcp_host *tcp_host_dial(struct sandbox *sb, const struct ipaddr *to, uint16_t port,
			       tcp_dialed_fn *fn, void *arg, int *ret_err)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(to, port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		*ret_err = errno;
		return NULL;
	}
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		*ret_err = errno;
		close(fd);
		return NULL;
	}
	/* Edges count from here on: one that came before is delivered by the registration itself.
	 */
	struct tcp_host *h = host_new(sb, fd);
	if (!h) {
		*ret_err = ENOMEM;
		close(fd);
		return NULL;
	}
	h->dialed = fn;
	h->arg = arg;
	return h;
}

void tcp_host_cancel(struct tcp_host *h)
{
	if (h)
		host_free(h);
}
