// SPDX-License-Identifier: Apache-2.0
/*
 * How much the vhost-user link carries, with a driver in this process on the other side. One line
 * of JSON a row: what was measured, the unit, the value.
 *
 * Two measures for each: "link" is the time inside of the link's own calls only, with driver and
 * link taking turns on one core, and so the link's ceiling; "pair" is what link and driver move
 * with a core each, notifications and all. The driver copies each frame once, too. The value is the
 * best of ROUNDS: what else runs on the machine only ever takes away.
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

#include "link/vhost_rig.h"
#include "link/vhost_user.h"
#include "link/vnet.h"

#define ROUNDS  5
#define ROUND_S 0.3
#define BURST   32

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

static double link_only(struct bed *b, bool from_guest)
{
	struct frame f[LINK_BURST];
	double end = now() + ROUND_S, busy = 0;
	uint64_t frames = 0;

	while (now() < end) {
		if (from_guest)
			for (int i = 0;
			     i < BURST && rig_send(&b->g, 0, b->hdr, b->out[i].data, b->len); i++)
				;
		rig_kick(&b->g.ring[1]);
		double t = now();
		int n = from_guest ? link_recv(b->l, f, LINK_BURST)
				   : link_send(b->l, b->out, BURST);
		busy += now() - t;
		frames += n > 0 ? (uint64_t)n : 0;
		if (!from_guest)
			guest_receive(b);
	}
	return (double)frames / busy;
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

static double pair(struct bed *b, bool from_guest)
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
	} while (t - start < ROUND_S);
	atomic_store(&b->stop, true);
	pthread_join(driver, NULL);
	return (double)frames / (t - start);
}

/* ---- rows ---- */

static void row(const char *how, const char *layout, bool from_guest, uint32_t len, double rate)
{
	printf("{\"row\": \"vhost-user %s, %s guest, %u bytes, %s\", \"unit\": \"%s\", \"value\": "
	       "%.3f}\n",
	       layout, from_guest ? "from" : "to", len, how, len > 1514 ? "Gbit/s" : "Mframes/s",
	       len > 1514 ? rate * len * 8 / 1e9 : rate / 1e6);
	fflush(stdout);
}

static void measure(const char *layout, uint64_t features, bool from_guest, uint32_t len)
{
	double alone = 0, both = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct bed b;

		bed_open(&b, features, len);
		double r = link_only(&b, from_guest);
		alone = r > alone ? r : alone;
		bed_close(&b);
		bed_open(&b, features, len);
		r = pair(&b, from_guest);
		both = r > both ? r : both;
		bed_close(&b);
	}
	row("link", layout, from_guest, len, alone);
	row("pair", layout, from_guest, len, both);
}

int main(void)
{
	static const uint32_t lens[] = {60, 1514, 65226};

	for (int dir = 0; dir < 2; dir++)
		for (int i = 0; i < 3; i++) {
			measure("split", RIG_FEATURES, dir == 0, lens[i]);
			measure("packed", RIG_FEATURES | VIRTIO_RING_PACKED, dir == 0, lens[i]);
		}
	return 0;
}
