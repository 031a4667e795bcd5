// SPDX-License-Identifier: Apache-2.0
/*
 * How much the vhost-user link carries, with a driver in this process on the other side. One line
 * of JSON a row: what was measured, the unit, the value, and for "link" what it costs a frame.
 *
 * Two measures for each: "link" is the time inside of the link's own calls only, with driver and
 * link taking turns on one core, and so the link's ceiling; "pair" is what link and driver move
 * with a core each, notifications and all. The driver copies each frame once, too. The value is the
 * best of ROUNDS: what else runs on the machine only ever takes away. With --quick one short round.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "counter.h"
#include "link/vhost_rig.h"
#include "link/vhost_user.h"
#include "link/vnet.h"

#define ROUNDS  5
#define ROUND_S 0.3
#define QUICK_S 0.1
#define BURST   32

static int rounds = ROUNDS;
static double round_s = ROUND_S;

/* What one round says; the counted figures are those of a frame. */
struct figure {
	double frames_per_s;
	struct counted counted;
};

struct bed {
	struct link *l;
	struct rig g;
	uint32_t len; /* of each frame */
	struct frame out[BURST];
	uint8_t hdr[RIG_HDR];
	atomic_bool stop;
	uint64_t frames;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pump(void *ctx)
{
	struct frame f[LINK_BURST];

	link_recv(((struct bed *)ctx)->l, f, LINK_BURST);
}

static void die(const char *what)
{
	fprintf(stderr, "bench/vhost: %s\n", what);
	exit(1);
}

static void bed_open(struct bed *b, uint64_t features, uint32_t len)
{
	struct rig_options o = {.features = features, .pump = pump, .ctx = b};
	struct error err;
	int fd[2];

	memset(b, 0, sizeof(*b));
	b->len = len;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 ||
	    !(b->l = link_vhost_user_fd(fd[0], &err)) || !rig_make(&b->g, &o) ||
	    !rig_attach(&b->g, fd[1]))
		die("cannot start");
	b->g.o.pump = NULL;
	rig_fill(&b->g, 0);
	for (int i = 0; i < BURST; i++) {
		uint8_t *room = calloc(1, FRAME_VNET_ROOM + len);

		if (!room)
			die("no memory");
		b->out[i] = (struct frame){.data = room + FRAME_VNET_ROOM, .len = len};
		if (len <= 1514)
			continue;
		b->out[i].data[14 + 20 + 12] = 0x50;
		b->out[i].meta = (struct frame_meta){.needs_csum = true,
						     .gso = FRAME_GSO_TCPV4,
						     .gso_size = 1448,
						     .hdr_len = 54,
						     .csum_start = 34,
						     .csum_offset = 16};
	}
	vnet_put(b->hdr, RIG_HDR, &b->out[0]);
}

static void bed_close(struct bed *b)
{
	rig_free(&b->g);
	link_free(b->l);
	for (int i = 0; i < BURST; i++)
		free(b->out[i].data - FRAME_VNET_ROOM);
}

/* Takes what the link sent and gives the buffers out again. Frames. */
static uint64_t guest_receive(struct bed *b)
{
	static _Thread_local uint8_t to[FRAME_MAX];
	uint8_t hdr[RIG_HDR];
	uint64_t n = 0;

	while (rig_recv(&b->g, 0, hdr, to, sizeof(to)) > 0)
		n++;
	rig_fill(&b->g, 0);
	return n;
}

/* ---- turns on one core ---- */

static struct figure link_only(struct bed *b, bool from_guest)
{
	struct frame f[LINK_BURST];
	double end = now() + round_s, busy = 0;
	uint64_t frames = 0;
	struct counter counter = counter_open();
	struct counted sum = {.known = true};

	while (now() < end) {
		if (from_guest)
			for (int i = 0;
			     i < BURST && rig_send(&b->g, 0, b->hdr, b->out[i].data, b->len); i++)
				;
		rig_kick(&b->g.ring[1]);
		struct counted idle = counter_read(&counter);
		struct counted from = counter_read(&counter);
		double t = now();
		int n = from_guest ? link_recv(b->l, f, LINK_BURST)
				   : link_send(b->l, b->out, BURST);
		busy += now() - t;
		struct counted to = counter_read(&counter);
		sum.known = sum.known && from.known && to.known;
		/* Less what it takes to read the counters. */
		sum.cycles += to.cycles - from.cycles - (from.cycles - idle.cycles);
		sum.instructions += to.instructions - from.instructions -
				    (from.instructions - idle.instructions);
		frames += n > 0 ? (uint64_t)n : 0;
		if (!from_guest)
			guest_receive(b);
	}
	counter_close(&counter);
	sum.cycles /= (double)(frames ? frames : 1);
	sum.instructions /= (double)(frames ? frames : 1);
	return (struct figure){.frames_per_s = (double)frames / busy, .counted = sum};
}

/* ---- a core each ---- */

static void nap(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	poll(&p, 1, 10);
}

static void *driver_sends(void *ctx)
{
	struct bed *b = ctx;
	uint64_t calls;

	while (!atomic_load(&b->stop)) {
		int i;

		for (i = 0; i < BURST && rig_send(&b->g, 0, b->hdr, b->out[i].data, b->len); i++)
			;
		rig_kick(&b->g.ring[1]);
		if (i == BURST)
			continue;
		rig_ring_want_call(&b->g.ring[1], true);
		nap(b->g.ring[1].call_fd);
		(void)!read(b->g.ring[1].call_fd, &calls, sizeof(calls));
	}
	return NULL;
}

static void *driver_receives(void *ctx)
{
	struct bed *b = ctx;
	uint64_t calls;

	while (!atomic_load(&b->stop)) {
		if (guest_receive(b))
			continue;
		rig_ring_want_call(&b->g.ring[0], true);
		if (guest_receive(b))
			continue;
		nap(b->g.ring[0].call_fd);
		(void)!read(b->g.ring[0].call_fd, &calls, sizeof(calls));
	}
	return NULL;
}

static uint64_t link_turn(struct bed *b, bool from_guest)
{
	struct frame f[LINK_BURST];
	int n;

	if (from_guest) {
		n = link_recv(b->l, f, LINK_BURST);
		if (n <= 0)
			nap(b->l->fd);
		return n > 0 ? (uint64_t)n : 0;
	}
	n = link_send(b->l, b->out, BURST);
	if (n > 0)
		return (uint64_t)n;
	link_arm(b->l, true);
	while (!atomic_load(&b->stop) && !(link_events(b->l, POLLIN) & POLLOUT)) {
		nap(b->l->fd);
		link_recv(b->l, f, LINK_BURST);
	}
	link_arm(b->l, false);
	return 0;
}

static struct figure pair(struct bed *b, bool from_guest)
{
	pthread_t driver;
	uint64_t frames = 0;

	atomic_store(&b->stop, false);
	if (pthread_create(&driver, NULL, from_guest ? driver_sends : driver_receives, b))
		die("cannot start a thread");
	double start = now(), t;
	do {
		frames += link_turn(b, from_guest);
		t = now();
	} while (t - start < round_s);
	atomic_store(&b->stop, true);
	pthread_join(driver, NULL);
	return (struct figure){.frames_per_s = (double)frames / (t - start)};
}

/* ---- rows ---- */

static void row(const char *how, const char *layout, bool from_guest, uint32_t len,
		const struct figure *best)
{
	double rate = best->frames_per_s;

	printf("{\"row\": \"vhost-user %s, %s guest, %u bytes, %s\", \"unit\": \"frames/s\", \"value\": "
	       "%.0f, \"also\": {\"Gbit/s\": %.2f, \"ns a frame\": %.1f",
	       layout, from_guest ? "from" : "to", len, how, rate, rate * len * 8 / 1e9,
	       1e9 / rate);
	if (best->counted.known)
		printf(", \"cycles\": %.0f, \"instructions\": %.0f", best->counted.cycles,
		       best->counted.instructions);
	puts("}}");
	fflush(stdout);
}

static void measure(const char *layout, uint64_t features, bool from_guest, uint32_t len)
{
	struct figure best[2] = {0};

	for (int i = 0; i < 2 * rounds; i++) {
		struct bed b;

		bed_open(&b, features, len);
		struct figure f = i % 2 ? pair(&b, from_guest) : link_only(&b, from_guest);
		if (f.frames_per_s > best[i % 2].frames_per_s)
			best[i % 2] = f;
		bed_close(&b);
	}
	row("link", layout, from_guest, len, &best[0]);
	row("pair", layout, from_guest, len, &best[1]);
}

int main(int argc, char **argv)
{
	static const uint32_t lens[] = {60, 1514, 65226};

	if (argc > 1 && !strcmp(argv[1], "--quick")) {
		rounds = 1;
		round_s = QUICK_S;
	}
	for (int dir = 0; dir < 2; dir++)
		for (int i = 0; i < 3; i++) {
			measure("split", RIG_FEATURES, dir == 0, lens[i]);
			measure("packed", RIG_FEATURES | VIRTIO_RING_PACKED, dir == 0, lens[i]);
		}
	return 0;
}
