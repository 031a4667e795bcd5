// SPDX-License-Identifier: Apache-2.0
/*
 * Streams over the vhost-user link, through a whole gateway and both ways at once, where each byte
 * is looked at. The guest makes it hard: its buffers are overwritten the moment it has them back,
 * and those that it has not given out yet are watched; it loses segments, its receive buffers are
 * small or in pieces, its memory is shared anew and its rings stop and start in the middle; the far
 * end reads in bits and pauses, so that the gateway has to keep what is not taken.
 *
 * Then guests that break their device in the middle of such a stream. The gateway says so, and
 * serves the next one.
 *
 *	stream_test WEIR
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"

#define STREAM  (24u << 20) /* bytes each way */
#define PATTERN 1048573u    /* a prime: no two buffers are alike */
#define TIME_S  100
#define POISON  0xe5
#define HOLDS   (PATTERN + FRAME_MAX)

struct bed {
	struct guest g;
	int listener, far_fd;
	uint64_t sent, got; /* by the guest */
	unsigned rnd, losses;
	bool gentle;        /* nothing is lost */
	bool breaks;        /* nobody expects the stream's end */
	atomic_bool broken; /* ... nor that bytes are right: memory is not what it was */
};

static uint8_t up[HOLDS], down[HOLDS];

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "stream_test: %s\n", what);
	exit(1);
}

static unsigned rnd(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void make_pattern(uint8_t *to, unsigned seed)
{
	for (size_t i = 0; i < PATTERN; i++)
		to[i] = (uint8_t)rnd(&seed);
	memcpy(to + PATTERN, to, HOLDS - PATTERN);
}

static void check(const uint8_t *pattern, uint64_t at, const uint8_t *p, size_t len,
		  const char *whose)
{
	if (memcmp(pattern + at % PATTERN, p, len) == 0)
		return;
	size_t i = 0;
	while (p[i] == pattern[(at + i) % PATTERN])
		i++;
	fprintf(stderr, "stream_test: %s byte %llu of the stream is %#x and not %#x\n", whose,
		(unsigned long long)at + i, p[i], pattern[(at + i) % PATTERN]);
	exit(1);
}

/* ---- the far end ---- */

static void *far_writer(void *arg)
{
	int fd = *(int *)arg;
	unsigned state = 7;

	for (uint64_t at = 0; at < STREAM;) {
		size_t len = 1 + rnd(&state) % (FRAME_MAX - 1);

		if (len > STREAM - at)
			len = STREAM - at;
		ssize_t n = send(fd, down + at % PATTERN, len, MSG_NOSIGNAL);
		if (n <= 0)
			return NULL;
		at += (uint64_t)n;
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

/* Bytes that arrived before the end, all of which were right. */
static uint64_t far_reads(struct bed *b, int fd)
{
	static uint8_t bytes[FRAME_MAX];
	uint64_t at = 0;
	unsigned state = 9;

	for (;;) {
		size_t ask = rnd(&state) % 4 ? 1 + rnd(&state) % (sizeof(bytes) - 1) : 1000;
		ssize_t n = recv(fd, bytes, ask, 0);

		if (n <= 0)
			return at;
		if (!atomic_load(&b->broken))
			check(up, at, bytes, (size_t)n, "the guest's");
		at += (uint64_t)n;
		if (rnd(&state) % 64 == 0)
			usleep(2000);
	}
}

static void *far_end(void *arg)
{
	struct bed *b = arg;
	pthread_t writer;
	int fd = accept(b->listener, NULL, NULL);

	b->far_fd = fd;
	if (fd < 0 || pthread_create(&writer, NULL, far_writer, &fd))
		fail("no far end");
	uint64_t n = far_reads(b, fd);
	pthread_join(writer, NULL);
	if (!b->breaks && n != STREAM)
		fail("the far end has not got everything");
	close(fd);
	return NULL;
}

static void listen_here(struct bed *b)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int small = 131072;

	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(b->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (b->listener < 0 || bind(b->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(b->listener, 8) < 0 || getsockname(b->listener, (struct sockaddr *)&a, &len) < 0)
		fail("cannot listen");
	b->g.far_port = ntohs(a.sin_port);
}

/* ---- the guest ---- */

static void on_bytes(void *ctx, const uint8_t *p, uint32_t len)
{
	struct bed *b = ctx;

	check(down, b->got, p, len, "the far end's");
	b->got += len;
}

static bool on_segment(void *ctx)
{
	struct bed *b = ctx;

	if (b->gentle || rnd(&b->rnd) % 200)
		return false;
	b->losses++;
	return true;
}

/* What the device gives back is worth nothing from then on. */
static void poison_sent(struct bed *b)
{
	struct rig_ring *r = &b->g.rig.ring[1];
	uint16_t entry;
	uint32_t n;

	while (rig_ring_used(r, &entry, &n)) {
		memset(rig_buf(r, entry), POISON, r->buf_len);
		r->free[r->free_n++] = entry;
	}
}

/* Receive buffers that the guest has not given out: nobody may write there. */
static void watch_received(struct bed *b)
{
	struct rig_ring *r = &b->g.rig.ring[0];

	for (unsigned i = 0; i < r->free_n; i++)
		memset(rig_buf(r, r->free[i]), POISON, r->buf_len);
	usleep(200);
	for (unsigned i = 0; i < r->free_n; i++)
		for (uint32_t k = 0; k < r->buf_len; k++)
			if (rig_buf(r, r->free[i])[k] != POISON)
				fail("the device wrote to a buffer that it does not have");
}

static void stop_and_start(struct bed *b, unsigned ring)
{
	uint32_t base = rig_stop_ring(&b->g.rig, ring);

	/* Nothing moves now. */
	if (ring == 1)
		poison_sent(b);
	rig_set_base(&b->g.rig, ring, base);
	if (!rig_start_ring(&b->g.rig, ring))
		fail("a ring does not start again");
}

static void disturb(struct bed *b)
{
	switch (rnd(&b->rnd) % 256) {
	case 0:
		if (!b->g.rig.o.add_regions && !rig_share_memory(&b->g.rig))
			fail("memory cannot be shared anew");
		break;
	case 1:
		stop_and_start(b, 0);
		break;
	case 2:
		stop_and_start(b, 1);
		break;
	case 3:
	case 4:
		watch_received(b);
		break;
	}
}

static bool guest_sends(struct bed *b)
{
	struct guest *g = &b->g;
	bool any = false;

	while (b->sent < STREAM) {
		uint32_t max = GUEST_SEGS_MAX * GUEST_MSS,
			 len = rnd(&b->rnd) % 3 ? max : 1 + rnd(&b->rnd) % max;

		if (len > STREAM - b->sent)
			len = (uint32_t)(STREAM - b->sent);
		if (!guest_may_send(g, len))
			break;
		memcpy(g->out + GUEST_HEADERS, up + b->sent % PATTERN, len);
		bool last = b->sent + len == STREAM;
		if (!guest_send(g, GUEST_ACK | GUEST_PSH | (last ? GUEST_FIN : 0), g->nxt, len))
			break;
		g->nxt += len + last;
		b->sent += len;
		any = true;
	}
	return any;
}

static bool guest_turn(struct bed *b)
{
	uint32_t n;
	bool any = false;

	poison_sent(b);
	while (guest_recv(&b->g, &n)) {
		any = true;
		if (n || b->g.fin)
			guest_ack(&b->g);
	}
	disturb(b);
	rig_fill(&b->g.rig, 0);
	any |= guest_sends(b);
	rig_kick(&b->g.rig.ring[1]);
	return any;
}

/* A ring that stops takes frames with it, the last ACK perhaps: asked for again, as a keepalive
 * probe does it (RFC 9293 3.8.4). */
static void ask_again(struct bed *b)
{
	guest_send(&b->g, GUEST_ACK, b->g.nxt - 1, 0);
	rig_kick(&b->g.rig.ring[1]);
}

/* Until all is there, or, of a stream that is to break, half of it. */
static void guest_streams(struct bed *b)
{
	double asked = guest_clock(CLOCK_MONOTONIC);

	for (;;) {
		if (b->g.fin && b->sent == STREAM && b->g.una == b->g.nxt)
			return;
		if (b->breaks && (b->got > STREAM / 2 || b->sent > STREAM / 2))
			return;
		if (!guest_turn(b)) {
			guest_want_calls(&b->g);
			if (!guest_turn(b))
				guest_nap(&b->g);
		}
		if (guest_clock(CLOCK_MONOTONIC) - asked > 0.5) {
			asked = guest_clock(CLOCK_MONOTONIC);
			ask_again(b);
		}
	}
}

static void start_stream(struct bed *b, pthread_t *far)
{
	b->sent = b->got = 0;
	b->g.got = on_bytes;
	b->g.loses = on_segment;
	b->g.ctx = b;
	if (pthread_create(far, NULL, far_end, b))
		fail("no thread");
	guest_connect(&b->g);
	guest_streams(b);
}

static void whole_stream(struct bed *b)
{
	pthread_t far;

	start_stream(b, &far);
	pthread_join(far, NULL);
	if (b->got != STREAM)
		fail("the guest has not got everything");
}

/* ---- those who break it ---- */

/* One buffer more, so that the device has something to take, however far it has come. Nobody writes
 * into it: its memory may be gone. */
static void offer_buffer(struct bed *b)
{
	struct rig_ring *r = &b->g.rig.ring[1];
	uint16_t entry;
	uint32_t n;

	while (rig_ring_used(r, &entry, &n))
		r->free[r->free_n++] = entry;
	if (r->free_n)
		rig_ring_add(r, r->free[--r->free_n], 60);
}

static void cut_memory(struct bed *b)
{
	if (ftruncate(b->g.rig.mem_fd, (off_t)b->g.rig.len0) < 0)
		fail("cannot cut memory short");
	offer_buffer(b);
}

static void spoil_descriptors(struct bed *b)
{
	offer_buffer(b);
	for (unsigned i = 0; i < 2; i++) {
		const struct rig_ring *r = &b->g.rig.ring[i];

		for (unsigned k = 0; k < r->size; k++) {
			/* Chained, and, in a packed ring, available in the lap that the slot is in.
			 */
			bool wrap = k >= r->used_idx ? r->used_wrap : r->avail_wrap;
			uint16_t w12 = r->packed ? 0 : 3, w14 = wrap ? 0x81 : 0x8001;

			rig_desc(r->desc + 16 * k, 0xdead00000000ull, 60000, w12,
				 r->packed ? w14 : 0);
		}
	}
}

/* The region of buffers goes while frames lie there. */
static void take_memory_away(struct bed *b)
{
	struct rig *r = &b->g.rig;
	struct {
		uint32_t n, pad;
		struct vu_mem_region r[1];
	} table = {1, 0, {{RIG_GPA0, r->len0, RIG_UVA0, 0}}};

	rig_do(r, VU_SET_MEM_TABLE, &table, sizeof(table), &r->mem_fd, 1);
	/* The device finds out when it is given such a buffer. */
	guest_ack(&b->g);
	rig_kick(&r->ring[1]);
}

static void expect_stop(struct bed *b)
{
	double end = guest_clock(CLOCK_MONOTONIC) + 10;
	char text[4096];

	do {
		const uint64_t one = 1;
		for (int i = 0; i < 2; i++)
			(void)!write(b->g.rig.ring[i].kick_fd, &one, sizeof(one));
		usleep(10000);
		FILE *f = fopen(b->g.log, "r");
		size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
		text[n] = 0;
		if (f)
			fclose(f);
		if (strstr(text, "device stopped"))
			return;
	} while (guest_clock(CLOCK_MONOTONIC) < end);
	fail("the device was not stopped");
}

static void break_stream(struct bed *b, const char *weir, const struct rig_options *o,
			 void (*how)(struct bed *))
{
	pthread_t far;

	guest_start(&b->g, weir, o);
	b->breaks = b->gentle = true;
	start_stream(b, &far);
	atomic_store(&b->broken, true);
	how(b);
	expect_stop(b);
	rig_free(&b->g.rig);
	shutdown(b->far_fd, SHUT_RDWR);
	pthread_join(far, NULL);
	b->breaks = false;
	atomic_store(&b->broken, false);
	/* The next one, on the same socket. */
	if (!rig_make(&b->g.rig, o))
		fail("no memory");
	guest_attach(&b->g);
	whole_stream(b);
	guest_stop(&b->g);
}

int main(int argc, char **argv)
{
	static const struct rig_options shapes[] = {
		{.features = RIG_FEATURES, .rx_buf = 4096},
		{.features = RIG_FEATURES | VIRTIO_RING_PACKED, .rx_buf = 4096},
		{.features = RIG_FEATURES | VIRTIO_RING_PACKED, .rx_buf = 1526, .segs = 5},
		{.features = RIG_FEATURES, .rx_buf = 1526, .segs = 17, .indirect = true},
		{.features = RIG_FEATURES & ~VIRTIO_NET_MRG_RXBUF,
		 .rx_buf = 66048,
		 .size = 32,
		 .segs = 3,
		 .add_regions = true},
	};
	static const struct rig_options broken[] = {
		{.features = RIG_FEATURES, .rx_buf = 4096, .unsealed = true},
		{.features = RIG_FEATURES | VIRTIO_RING_PACKED, .rx_buf = 4096, .unsealed = true},
	};
	static void (*const hows[])(struct bed *) = {cut_memory, spoil_descriptors,
						     take_memory_away};
	static struct bed b = {.rnd = 1};

	if (argc < 2)
		fail("usage: stream_test WEIR");
	alarm(TIME_S);
	make_pattern(up, 1);
	make_pattern(down, 2);
	listen_here(&b);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		guest_start(&b.g, argv[1], &shapes[i]);
		whole_stream(&b);
		guest_stop(&b.g);
		printf("shape %zu: whole, with %u segments lost\n", i, b.losses);
	}
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < sizeof(hows) / sizeof(hows[0]); k++) {
			break_stream(&b, argv[1], &broken[i], hows[k]);
			printf("broken %zu, %zu: the next one is served\n", i, k);
		}
	return 0;
}
