// SPDX-License-Identifier: Apache-2.0
/*
 * What the links over sockets and rings carry: a thread at each end, one direction at a time. One
 * line of JSON a row: link, direction ("in": to weir), frame size, frames a second, Gbit/s, and the
 * CPU time of weir's end for a frame, with its cycles and instructions where the machine counts
 * them. With --quick one short round each.
 *
 * The far end is as plain as a VMM's: it batches where it can. Values are medians of ROUNDS rounds.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/view.h"
#include "counter.h"
#include "link/ring.h"

#define ROUNDS   5
#define ROUND_S  0.4
#define QUICK_S  0.15
#define FAR_ROOM (512 * 1024)

enum kind {
	STREAM,
	DGRAM,
	SEQPACKET,
	RING,
};

static const char *const names[] = {"stream", "dgram", "seqpacket", "ring"};

struct bench {
	enum kind kind;
	bool in;
	uint32_t len;
	struct link *link;
	struct ring_end *ring;
	int fd; /* the far end, where it is a socket */
	_Atomic bool stop;
	_Atomic uint64_t far_frames; /* that the far end has received */
	uint64_t far_bytes;          /* the same, of a stream */
	double seconds;              /* of a round */
};

/* Of weir's end. */
struct round {
	double frames_per_s, cpu_ns; /* the latter a frame, as are the counted ones */
	struct counted counted;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint8_t *far_frames(struct frame *frames, uint32_t len)
{
	uint8_t *room = calloc(LINK_BURST, len + 64);

	must(room, "calloc");
	for (int i = 0; i < LINK_BURST; i++)
		frames[i] = (struct frame){.data = room + (size_t)i * (len + 64) + 16, .len = len};
	return room;
}

static void wait_fd(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	poll(&p, 1, 100);
}

/* ---- the far end ---- */

static void far_send_stream(struct bench *b, struct frame *f)
{
	struct iovec iov[LINK_BURST];
	size_t left = 0;
	int first = 0;

	for (int i = 0; i < LINK_BURST; i++) {
		put_be32(f[i].data - 4, f[i].len);
		iov[i] = (struct iovec){f[i].data - 4, f[i].len + 4};
		left += iov[i].iov_len;
	}
	while (left && !b->stop) {
		ssize_t n = writev(b->fd, iov + first, LINK_BURST - first);
		if (n < 0) {
			wait_fd(b->fd, POLLOUT);
			continue;
		}
		left -= (size_t)n;
		size_t done = (size_t)n;
		while (done && done >= iov[first].iov_len)
			done -= iov[first++].iov_len;
		if (done) {
			iov[first].iov_base = (uint8_t *)iov[first].iov_base + done;
			iov[first].iov_len -= done;
		}
	}
}

static void far_send_messages(struct bench *b, struct frame *f)
{
	struct iovec iov[LINK_BURST];
	struct mmsghdr m[LINK_BURST];

	for (int i = 0; i < LINK_BURST; i++) {
		iov[i] = (struct iovec){f[i].data, f[i].len};
		m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
	}
	for (int sent = 0; sent < LINK_BURST && !b->stop;) {
		int n = sendmmsg(b->fd, m + sent, (unsigned)(LINK_BURST - sent), MSG_DONTWAIT);
		if (n < 0)
			wait_fd(b->fd, POLLOUT);
		else
			sent += n;
	}
}

static void far_send_ring(struct bench *b, struct frame *f)
{
	struct frame none[1];

	for (int sent = 0; sent < LINK_BURST && !b->stop;) {
		int n = ring_push(b->ring, f + sent, LINK_BURST - sent);
		if (n > 0) {
			sent += n;
			continue;
		}
		ring_pop(b->ring, none, 1);
		wait_fd(ring_fd(b->ring), POLLIN);
	}
}

static void far_recv_stream(struct bench *b, uint8_t *room)
{
	ssize_t n = read(b->fd, room, FAR_ROOM);

	if (n < 0) {
		wait_fd(b->fd, POLLIN);
		return;
	}
	b->far_bytes += (uint64_t)n;
	b->far_frames = b->far_bytes / (b->len + 4);
}

static void far_recv_messages(struct bench *b, uint8_t *room)
{
	struct iovec iov[8];
	struct mmsghdr m[8];

	for (int i = 0; i < 8; i++) {
		iov[i] = (struct iovec){room + (size_t)i * 65536, 65536};
		m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
	}
	int n = recvmmsg(b->fd, m, 8, MSG_DONTWAIT, NULL);
	if (n < 0)
		wait_fd(b->fd, POLLIN);
	else
		b->far_frames += (uint64_t)n;
}

static void far_recv_ring(struct bench *b)
{
	struct frame f[LINK_BURST];
	int n = ring_pop(b->ring, f, LINK_BURST);

	if (n <= 0)
		wait_fd(ring_fd(b->ring), POLLIN);
	else
		b->far_frames += (uint64_t)n;
}

static void *far_end(void *arg)
{
	struct bench *b = arg;
	struct frame f[LINK_BURST];
	uint8_t *out = far_frames(f, b->len), *room = malloc(FAR_ROOM);

	must(room, "malloc");
	while (!b->stop) {
		if (b->in && b->kind == STREAM)
			far_send_stream(b, f);
		else if (b->in && b->kind == RING)
			far_send_ring(b, f);
		else if (b->in)
			far_send_messages(b, f);
		else if (b->kind == STREAM)
			far_recv_stream(b, room);
		else if (b->kind == RING)
			far_recv_ring(b);
		else
			far_recv_messages(b, room);
	}
	free(out);
	free(room);
	return NULL;
}

/* ---- weir's end, as a sandbox does it ---- */

static void near_send(struct bench *b, int epoll_fd, struct frame *f)
{
	for (int sent = 0; sent < LINK_BURST;) {
		int n = link_send(b->link, f + sent, LINK_BURST - sent);
		if (n > 0) {
			sent += n;
			continue;
		}
		struct epoll_event ev;
		must(n == -EAGAIN, "send");
		link_arm(b->link, true);
		do
			must(epoll_wait(epoll_fd, &ev, 1, 1000) > 0, "wait");
		while (!(link_events(b->link, ev.events) & EPOLLOUT));
		link_arm(b->link, false);
	}
}

static uint64_t near_recv(struct bench *b, int epoll_fd)
{
	struct frame f[LINK_BURST];
	struct epoll_event ev;

	if (epoll_wait(epoll_fd, &ev, 1, 1000) <= 0)
		return 0;
	link_events(b->link, ev.events);
	int n = link_recv(b->link, f, LINK_BURST);
	return n > 0 ? (uint64_t)n : 0;
}

static void bench_open(struct bench *b)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	struct error err = {0};
	int sv[2], len = 4 << 20;

	if (b->kind == RING) {
		b->link = link_ring_new(NULL, &b->ring, &err);
	} else {
		must(socketpair(AF_UNIX, types[b->kind] | SOCK_NONBLOCK, 0, sv) == 0, "socketpair");
		b->fd = sv[1];
		setsockopt(b->fd, SOL_SOCKET, SO_SNDBUF, &len, sizeof(len));
		b->link = b->kind == STREAM  ? link_stream_fd(sv[0], NULL, &err)
			  : b->kind == DGRAM ? link_dgram_fd(sv[0], NULL, &err)
					     : link_seqpacket_fd(sv[0], NULL, &err);
	}
	must(b->link, err.msg);
}

static struct round bench_round(struct bench *b)
{
	struct frame f[LINK_BURST];
	uint8_t *room = far_frames(f, b->len);
	struct epoll_event ev = {.events = EPOLLIN};
	int epoll_fd = epoll_create1(0);
	uint64_t frames = 0;
	pthread_t t;

	bench_open(b);
	must(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, b->link->fd, &ev) == 0, "epoll_ctl");
	b->stop = false;
	b->far_frames = b->far_bytes = 0;
	must(pthread_create(&t, NULL, far_end, b) == 0, "pthread_create");
	struct counter counter = counter_open();
	struct counted from = counter_read(&counter);
	double began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_THREAD_CPUTIME_ID), took;
	while ((took = now(CLOCK_MONOTONIC) - began) < b->seconds) {
		if (b->in)
			frames += near_recv(b, epoll_fd);
		else
			near_send(b, epoll_fd, f);
	}
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	struct counted to = counter_read(&counter);
	counter_close(&counter);
	if (!b->in)
		frames = b->far_frames;
	b->stop = true;
	pthread_join(t, NULL);
	link_free(b->link);
	ring_end_free(b->ring);
	b->ring = NULL;
	if (b->kind != RING)
		close(b->fd);
	close(epoll_fd);
	free(room);
	double each = (double)(frames ? frames : 1);
	return (struct round){.frames_per_s = (double)frames / took,
			      .cpu_ns = cpu * 1e9 / each,
			      .counted = {.known = from.known && to.known,
					  .cycles = (to.cycles - from.cycles) / each,
					  .instructions =
						  (to.instructions - from.instructions) / each}};
}

/* ---- rows ---- */

static int compare(const void *a, const void *b)
{
	const struct round *x = a, *y = b;

	return (x->frames_per_s > y->frames_per_s) - (x->frames_per_s < y->frames_per_s);
}

/* The round that is the median of all by its rate. */
static void row(const struct bench *b, struct round *rounds, int n)
{
	qsort(rounds, (size_t)n, sizeof(*rounds), compare);
	const struct round *r = &rounds[n / 2];
	printf("{\"row\": \"%s link, %s weir, %u bytes\", \"unit\": \"frames/s\", \"value\": %.0f, "
	       "\"also\": {\"Gbit/s\": %.2f, \"ns of CPU a frame\": %.0f",
	       names[b->kind], b->in ? "to" : "from", b->len, r->frames_per_s,
	       r->frames_per_s * b->len * 8 / 1e9, r->cpu_ns);
	if (r->counted.known)
		printf(", \"cycles\": %.0f, \"instructions\": %.0f", r->counted.cycles,
		       r->counted.instructions);
	puts("}}");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {60, 1514, 65535};
	bool quick = argc > 1 && !strcmp(argv[1], "--quick");
	int n = quick ? 1 : ROUNDS;

	signal(SIGPIPE, SIG_IGN);
	for (int kind = STREAM; kind <= RING; kind++) {
		for (int i = 0; i < 6; i++) {
			struct bench b = {.kind = (enum kind)kind,
					  .in = i % 2,
					  .len = sizes[i / 2],
					  .seconds = quick ? QUICK_S : ROUND_S};
			struct round rounds[ROUNDS];

			for (int r = 0; r < n; r++)
				rounds[r] = bench_round(&b);
			row(&b, rounds, n);
		}
	}
	return 0;
}
