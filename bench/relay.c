// SPDX-License-Identifier: Apache-2.0
/*
 * Two kernel TCP connections back to back: what a gateway could move if it did nothing itself.
 *
 * Usage: relay PORT... accepts connections to these ports, whatever address they are for (its
 * namespace routes them here; IP_TRANSPARENT takes them), connects to where each one wanted to go,
 * and hands the bytes over inside the kernel with splice(2), never seeing them. One thread, as the
 * gateways have; prints "ready", and runs until it is killed.
 *
 * Each way of a connection has a pipe, which is always emptied before it is filled again: so a way
 * waits either for its source, with an empty pipe, or for its destination.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_BYTES (1u << 20)
#define ROUNDS     8 /* pipes full of one way before other connections have their turn */
#define EVENTS     64

struct way {
	int from, to, pipe[2];
	size_t held; /* bytes in the pipe */
	bool over;   /* the source has ended, and the destination was told */
};

/* A connection, or where `ways[0].to` is -1 a listening socket. */
struct relay {
	struct way ways[2];
	bool gone;
};

static int poller;

static void fail(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int op, int fd, struct relay *r)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = r};

	if (epoll_ctl(poller, op, fd, &ev) < 0)
		fail("epoll_ctl");
}

static void listen_on(const char *port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)atoi(port))};
	struct relay *r = calloc(1, sizeof(*r));
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (!r || fd < 0 || setsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 1024) < 0)
		fail(port);
	r->ways[0] = (struct way){.from = fd, .to = -1};
	watch(EPOLL_CTL_ADD, fd, r);
}

static bool way_open(struct way *w, int from, int to)
{
	*w = (struct way){.from = from, .to = to};
	if (pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC) < 0)
		return false;
	fcntl(w->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	return true;
}

/* The accepted socket's own address is where its client wanted to go. */
static void take(int client)
{
	struct sockaddr_in6 to;
	socklen_t len = sizeof(to);
	struct relay *r = calloc(1, sizeof(*r));
	int up = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (!r || up < 0 || getsockname(client, (struct sockaddr *)&to, &len) < 0 ||
	    !way_open(&r->ways[0], client, up) || !way_open(&r->ways[1], up, client))
		fail("a connection");
	if (connect(up, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)
		fail("connect");
	watch(EPOLL_CTL_ADD, client, r);
	watch(EPOLL_CTL_ADD, up, r);
}

/* Empties the pipe into the destination. False where that takes no more now, or is lost. */
static bool way_empty(struct way *w)
{
	while (w->held) {
		ssize_t n = splice(w->pipe[0], NULL, w->to, NULL, w->held,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n <= 0) {
			w->over = n == 0 || errno != EAGAIN;
			return false;
		}
		w->held -= (size_t)n;
	}
	return true;
}

/* Moves what there is. True where there may be more, and it is others' turn. */
static bool way_run(struct way *w)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (w->over || !way_empty(w))
			return false;
		ssize_t n = splice(w->from, NULL, w->pipe[1], NULL, PIPE_BYTES,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return false;
		if (n <= 0) {
			w->over = true;
			shutdown(w->to, SHUT_WR);
			return false;
		}
		w->held = (size_t)n;
	}
	return true;
}

static void run(struct relay *r, uint32_t events)
{
	struct way *a = &r->ways[0], *b = &r->ways[1];

	if (way_run(a))
		watch(EPOLL_CTL_MOD, a->from, r);
	if (way_run(b))
		watch(EPOLL_CTL_MOD, b->from, r);
	if (events & EPOLLERR)
		a->over = b->over = true;
	r->gone = a->over && b->over;
}

static void relay_free(struct relay *r)
{
	close(r->ways[0].from);
	close(r->ways[0].to);
	for (int i = 0; i < 2; i++) {
		close(r->ways[i].pipe[0]);
		close(r->ways[i].pipe[1]);
	}
	free(r);
}

/* Both sockets of a connection may be in one turn's events: it is freed behind the turn. */
static void turn(struct epoll_event *ev, int n)
{
	struct relay *gone[EVENTS];
	int gone_n = 0;

	for (int i = 0; i < n; i++) {
		struct relay *r = ev[i].data.ptr;
		int client;

		if (r->gone)
			continue;
		if (r->ways[0].to < 0) {
			while ((client = accept4(r->ways[0].from, NULL, NULL,
						 SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
				take(client);
			continue;
		}
		run(r, ev[i].events);
		if (r->gone)
			gone[gone_n++] = r;
	}
	while (gone_n)
		relay_free(gone[--gone_n]);
}

int main(int argc, char **argv)
{
	struct epoll_event ev[EVENTS];
	int n;

	signal(SIGPIPE, SIG_IGN);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0)
		fail("epoll_create1");
	for (int i = 1; i < argc; i++)
		listen_on(argv[i]);
	puts("ready");
	fflush(stdout);
	while ((n = epoll_wait(poller, ev, EVENTS, -1)) >= 0 || errno == EINTR)
		turn(ev, n);
	fail("epoll_wait");
}
