// SPDX-License-Identifier: Apache-2.0
/*
 * A link as they are in the world: joins two interfaces of one network namespace, and loses, delays
 * and narrows what passes, each way alike.
 *
 *	wan_link IF-A IF-B [loss=PER-MILLE] [delay=MICROSECONDS] [rate=MBIT/S queue=FRAMES] [seed=N]
 *
 * The queue holds as many bytes as so many full frames are.
 * Runs until it is killed or an interface goes. Losses follow from the seed, so that every
 * contestant meets the same. Where frames are lost or queued, super-segments are cut to frames of
 * the MTU first, so that single segments are lost as on a wire; a link that only delays leaves them
 * whole, for there they make no difference.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define ETH       14
#define BURST     64 /* frames taken from one side before the other has its turn */
#define FRAME_MAX 70000
#define FULL      1538u        /* bytes that a full frame takes on the wire */
#define WIRE      (128u << 20) /* bytes that are on their way in one direction at most */

/* One direction: frames on their way, one behind the other, in the order in which they are due. */
struct way {
	int from, to;
	uint8_t *mem;
	size_t head, tail; /* the first one to arrive; where the next one goes */
	size_t frames;
	uint64_t clear_ns; /* when the last one will have left the narrow place */
};
struct held {
	uint64_t due_ns;
	uint32_t len;  /* of the frame behind this; UINT32_MAX: the rest of the memory is empty */
	uint32_t room; /* all of it */
	struct virtio_net_hdr hdr;
};

static struct {
	unsigned loss, delay_us, rate, queue, seed;
} conf = {.seed = 7, .queue = 1000};
static uint64_t rng, now_ns;

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned rng_next(void)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(rng >> 33);
}

static int port_open(const char *name)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int one = 1, big = 16 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ll.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || !ll.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0) {
		fprintf(stderr, "wan_link: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	return fd;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t sum16(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* ---- on the way ---- */

static void arrive(struct way *w, struct virtio_net_hdr *h, uint8_t *frame, size_t len)
{
	struct iovec iov[2] = {{h, sizeof(*h)}, {frame, len}};

	/* A full queue is loss, too, and there is nothing better to do about it here. */
	if (writev(w->to, iov, 2) < 0 && errno != ENOBUFS && errno != EAGAIN)
		exit(0);
}

/* Room for one more frame behind the last one; NULL: the wire is full, and the frame is lost. */
static struct held *wire_room(struct way *w, size_t len)
{
	size_t room = (sizeof(struct held) + len + 7) & ~(size_t)7;

	if (w->frames == 0)
		w->head = w->tail = 0;
	if (w->tail >= w->head && WIRE - w->tail < room + sizeof(struct held)) {
		if (w->head <= room)
			return NULL;
		((struct held *)(w->mem + w->tail))->len = UINT32_MAX;
		w->tail = 0;
	} else if (w->tail < w->head && w->head - w->tail <= room) {
		return NULL;
	}
	struct held *x = (struct held *)(w->mem + w->tail);
	*x = (struct held){.len = (uint32_t)len, .room = (uint32_t)room};
	w->tail += room;
	w->frames++;
	return x;
}

static struct held *wire_first(struct way *w)
{
	if (w->frames == 0)
		return NULL;
	if (((struct held *)(w->mem + w->head))->len == UINT32_MAX)
		w->head = 0;
	return (struct held *)(w->mem + w->head);
}

static void deliver(struct way *w)
{
	struct held *x;

	while ((x = wire_first(w)) && x->due_ns <= now_ns) {
		arrive(w, &x->hdr, (uint8_t *)(x + 1), x->len);
		w->head += x->room;
		w->frames--;
	}
}

/* A frame enters the link: lost, or due when it has passed the narrow place and the distance. */
static void emit(struct way *w, struct virtio_net_hdr *h, uint8_t *frame, size_t len)
{
	uint64_t leaves = now_ns;

	if (rng_next() % 1000 < conf.loss)
		return;
	if (conf.rate) {
		uint64_t ns_each_byte_x1000 = 8000000u / conf.rate;
		if (w->clear_ns > now_ns &&
		    w->clear_ns - now_ns > conf.queue * FULL * ns_each_byte_x1000 / 1000)
			return;
		leaves = (w->clear_ns > now_ns ? w->clear_ns : now_ns) +
			 (len + 24) * ns_each_byte_x1000 / 1000;
		w->clear_ns = leaves;
	}
	if (!conf.rate && !conf.delay_us) {
		arrive(w, h, frame, len);
		return;
	}
	struct held *x = wire_room(w, len);
	if (!x)
		return;
	x->due_ns = leaves + (uint64_t)conf.delay_us * 1000;
	x->hdr = *h;
	memcpy(x + 1, frame, len);
}

/* A TCP super-segment as frames of their own: lengths, sequence numbers, flags, partial checksums.
 */
static void emit_segments(struct way *w, struct virtio_net_hdr *h, uint8_t *frame, size_t len)
{
	unsigned l4 = h->csum_start, hdr = l4 + (frame[l4 + 12] >> 4) * 4u;
	unsigned mss = h->gso_size, alen = frame[12] == 8 ? 4 : 16;
	size_t left = len - hdr;
	uint32_t seq = get32(frame + l4 + 4);
	uint8_t flags = frame[l4 + 13], *payload = frame + hdr, head[128];

	memcpy(head, frame, hdr);
	for (size_t at = 0; at < left; at += mss) {
		size_t n = left - at < mss ? left - at : mss;
		uint8_t out[2048];
		struct virtio_net_hdr oh = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .csum_start = h->csum_start,
					    .csum_offset = h->csum_offset};
		memcpy(out, head, hdr);
		memcpy(out + hdr, payload + at, n);
		unsigned tcp_len = hdr - l4 + (unsigned)n;
		if (alen == 4) {
			put16(out + ETH + 2, hdr - ETH + (unsigned)n);
			put16(out + ETH + 10, 0);
			put16(out + ETH + 10, (uint16_t)~fold(sum16(out + ETH, 20)));
		} else {
			put16(out + ETH + 4, tcp_len);
		}
		put16(out + l4 + 4, (seq + (uint32_t)at) >> 16);
		put16(out + l4 + 6, (seq + (uint32_t)at) & 0xffff);
		out[l4 + 13] = at + n < left ? flags & ~0x09 : flags; /* FIN and PSH on the last */
		if (at)
			out[l4 + 13] &= 0x7f; /* CWR on the first */
		uint32_t pseudo = sum16(out + l4 - 2 * alen, 2 * alen) + 6 + tcp_len;
		put16(out + l4 + 16, fold(pseudo));
		emit(w, &oh, out, hdr + n);
	}
}

static int is_super(const struct virtio_net_hdr *h, size_t len)
{
	unsigned gso = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

	return (gso == VIRTIO_NET_HDR_GSO_TCPV4 || gso == VIRTIO_NET_HDR_GSO_TCPV6) &&
	       h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && h->gso_size && h->gso_size < 1900u &&
	       len > h->csum_start + 20u;
}

/* False where the interface has gone. */
static int take(struct way *w)
{
	static uint8_t buf[FRAME_MAX];
	struct virtio_net_hdr h;

	for (int i = 0; i < BURST; i++) {
		struct iovec iov[2] = {{&h, sizeof(h)}, {buf, sizeof(buf)}};
		ssize_t n = readv(w->from, iov, 2);
		if (n < 0)
			return errno == EAGAIN || errno == ENETDOWN;
		size_t len = (size_t)n - sizeof(h);
		if ((conf.loss || conf.rate) && is_super(&h, len))
			emit_segments(w, &h, buf, len);
		else
			emit(w, &h, buf, len);
	}
	return 1;
}

/* ---- the command ---- */

static int option(const char *arg)
{
	struct {
		const char *name;
		unsigned *value;
	} known[] = {{"loss=", &conf.loss},
		     {"delay=", &conf.delay_us},
		     {"rate=", &conf.rate},
		     {"queue=", &conf.queue},
		     {"seed=", &conf.seed}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(arg, known[i].name, strlen(known[i].name)) == 0) {
			*known[i].value = (unsigned)atoi(arg + strlen(known[i].name));
			return 1;
		}
	return 0;
}

static struct way way_make(int from, int to)
{
	struct way w = {.from = from, .to = to};

	w.mem = mmap(NULL, WIRE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w.mem == MAP_FAILED) {
		perror("wan_link: memory");
		exit(1);
	}
	return w;
}

/* How long nothing can be due. NULL: for ever. */
static const struct timespec *patience(struct way *ways, struct timespec *t)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < 2; i++) {
		struct held *x = wire_first(&ways[i]);
		if (x && x->due_ns < first)
			first = x->due_ns;
	}
	if (first == UINT64_MAX)
		return NULL;
	uint64_t ns = first > now_ns ? first - now_ns : 0;
	*t = (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
	return t;
}

int main(int argc, char **argv)
{
	for (int i = 3; i < argc; i++)
		if (!option(argv[i]))
			argc = 0;
	if (argc < 3) {
		fprintf(stderr, "usage: wan_link IF-A IF-B [loss=PER-MILLE] [delay=US] "
				"[rate=MBIT/S queue=FRAMES] [seed=N]\n");
		return 2;
	}
	rng = conf.seed;
	int a = port_open(argv[1]), b = port_open(argv[2]);
	struct way ways[2] = {way_make(a, b), way_make(b, a)};
	struct pollfd p[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
	struct timespec t;
	for (;;) {
		int n = ppoll(p, 2, patience(ways, &t), NULL);
		if (n < 0 && errno != EINTR)
			return 1;
		now_ns = clock_ns();
		for (int i = 0; i < 2; i++) {
			if (n > 0 && p[i].revents && !take(&ways[i]))
				return 0;
			deliver(&ways[i]);
		}
	}
}
