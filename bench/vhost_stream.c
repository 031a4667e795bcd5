// SPDX-License-Identifier: Apache-2.0
/*
 * Streams through `weir serve --vhost-user`, whole: a driver in this process plays a guest with the
 * smallest TCP that can fill the link (nothing is ever lost on it), and the other end of its
 * connection is a thread here, over the host's loopback. One line of JSON a row: Gbit/s, and what
 * the gateway's process spent, in seconds of CPU for each GB.
 *
 *	vhost_stream WEIR [--quick]
 *
 * The guest copies each byte once, as an operating system does between a program and its buffers.
 * Values are medians of ROUNDS rounds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define ROUNDS  5
#define ROUND_S 1.0
#define QUICK_S 0.3

struct bed {
	struct guest g;
	int listener;
	bool up; /* the guest sends */
	atomic_bool stop;
};

/* ---- the far end ---- */

static void *far_end(void *arg)
{
	struct bed *b = arg;
	static uint8_t bytes[1 << 18];
	struct timeval patience = {.tv_usec = 100000};
	int fd = accept(b->listener, NULL, NULL);

	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (!atomic_load(&b->stop)) {
		ssize_t n = b->up ? recv(fd, bytes, sizeof(bytes), MSG_TRUNC)
				  : send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
	}
	close(fd);
	return NULL;
}

static void listen_here(struct bed *b)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (b->listener < 0 || bind(b->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(b->listener, 8) < 0 || getsockname(b->listener, (struct sockaddr *)&a, &len) < 0)
		guest_die("cannot listen");
	b->g.far_port = ntohs(a.sin_port);
}

/* ---- the guest ---- */

/* One turn; bytes that arrived. *idle: nothing could be done. */
static uint64_t guest_turn(struct bed *b, bool *idle)
{
	struct guest *g = &b->g;
	uint32_t n, len = GUEST_SEGS_MAX * GUEST_MSS;
	uint64_t got = 0;
	bool heard = false;

	for (; guest_recv(g, &n); heard = true)
		got += n;
	if (heard)
		rig_fill(&g->rig, 0);
	*idle = !heard;
	if (b->up) {
		while (guest_may_send(g, len) &&
		       guest_send(g, GUEST_ACK | GUEST_PSH, g->nxt, len)) {
			g->nxt += len;
			*idle = false;
		}
	} else if (got) {
		guest_ack(g);
	}
	rig_kick(&g->rig.ring[1]);
	return got;
}

static uint64_t guest_stream(struct bed *b, double seconds)
{
	double end = guest_clock(CLOCK_MONOTONIC) + seconds;
	uint32_t una = b->g.una;
	uint64_t bytes = 0;

	while (guest_clock(CLOCK_MONOTONIC) < end) {
		bool idle;

		bytes += guest_turn(b, &idle);
		bytes += b->up ? b->g.una - una : 0;
		una = b->g.una;
		if (!idle)
			continue;
		guest_want_calls(&b->g);
		bytes += guest_turn(b, &idle);
		if (idle)
			guest_nap(&b->g);
	}
	return bytes;
}

/* ---- rows ---- */

struct round {
	double gbit, cpu;
};

static struct round one_round(struct bed *b, double seconds)
{
	clockid_t weir;
	pthread_t far;

	atomic_store(&b->stop, false);
	if (clock_getcpuclockid(b->g.weir, &weir) || pthread_create(&far, NULL, far_end, b))
		guest_die("cannot start a thread");
	guest_connect(&b->g);
	guest_stream(b, seconds / 5);
	double began = guest_clock(CLOCK_MONOTONIC), cpu = guest_clock(weir);
	uint64_t bytes = guest_stream(b, seconds);
	cpu = guest_clock(weir) - cpu;
	double took = guest_clock(CLOCK_MONOTONIC) - began;
	atomic_store(&b->stop, true);
	/* The far end goes first, and the guest's next segment meets a reset that nobody reads. */
	pthread_join(far, NULL);
	if (!bytes)
		guest_die("nothing came through");
	return (struct round){(double)bytes * 8 / took / 1e9, cpu / ((double)bytes / 1e9)};
}

static int compare(const void *a, const void *b)
{
	const struct round *x = a, *y = b;

	return (x->gbit > y->gbit) - (x->gbit < y->gbit);
}

int main(int argc, char **argv)
{
	bool quick = argc > 2 && !strcmp(argv[2], "--quick");
	int rounds = quick ? 1 : ROUNDS;
	static struct bed b;

	if (argc < 2) {
		fprintf(stderr, "usage: vhost_stream WEIR [--quick]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	listen_here(&b);
	for (int i = 0; i < 4; i++) {
		struct rig_options o = {.features = i % 2 ? RIG_FEATURES | VIRTIO_RING_PACKED
							  : RIG_FEATURES,
					.rx_buf = 4096};
		struct round r[ROUNDS];

		b.up = i < 2;
		for (int k = 0; k < rounds; k++) {
			guest_start(&b.g, argv[1], &o);
			r[k] = one_round(&b, quick ? QUICK_S : ROUND_S);
			guest_stop(&b.g);
		}
		qsort(r, (size_t)rounds, sizeof(r[0]), compare);
		printf("{\"row\": \"vhost-user %s, stream %s guest\", \"unit\": \"Gbit/s\", \"value\": "
		       "%.2f, \"also\": {\"gateway's CPU, s/GB\": %.4f}}\n",
		       i % 2 ? "packed" : "split", b.up ? "from" : "to", r[rounds / 2].gbit,
		       r[rounds / 2].cpu);
		fflush(stdout);
	}
	return 0;
}
