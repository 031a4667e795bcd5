// SPDX-License-Identifier: Apache-2.0
/*
 * A link that loses frames: joins two interfaces of one network namespace and drops each frame of
 * either direction with a given probability. Super-segments are cut to frames of the MTU first, so
 * that loss hits single segments, as it would on a wire.
 *
 * Usage: lossy IF-A IF-B LOSS-PER-MILLE [SEED]. Runs until it is killed or an interface goes.
 * The drops follow from the seed, so that every contestant meets the same loss.
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
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define ETH   14
#define BURST 64 /* frames taken from one side before the other has its turn */

static uint64_t rng;
static unsigned loss_per_mille;

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
		fprintf(stderr, "lossy: %s: %s\n", name, strerror(errno));
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

static void emit(int fd, struct virtio_net_hdr *h, uint8_t *frame, size_t len)
{
	struct iovec iov[2] = {{h, sizeof(*h)}, {frame, len}};

	if (rng_next() % 1000 < loss_per_mille)
		return;
	/* A full queue is loss, too, and there is nothing better to do about it here. */
	if (writev(fd, iov, 2) < 0 && errno != ENOBUFS && errno != EAGAIN)
		exit(0);
}

/* A TCP super-segment as frames of their own: lengths, sequence numbers, flags, partial checksums.
 */
static void emit_segments(int fd, struct virtio_net_hdr *h, uint8_t *frame, size_t len)
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
		emit(fd, &oh, out, hdr + n);
	}
}

/* False where the interface has gone. */
static int forward(int from, int to)
{
	static uint8_t buf[70000];
	struct virtio_net_hdr h;

	for (int i = 0; i < BURST; i++) {
		struct iovec iov[2] = {{&h, sizeof(h)}, {buf, sizeof(buf)}};
		ssize_t n = readv(from, iov, 2);
		if (n < 0)
			return errno == EAGAIN || errno == ENETDOWN;
		size_t len = (size_t)n - sizeof(h);
		unsigned gso = h.gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
		if ((gso == VIRTIO_NET_HDR_GSO_TCPV4 || gso == VIRTIO_NET_HDR_GSO_TCPV6) &&
		    h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && h.gso_size && h.gso_size < 1900u &&
		    len > h.csum_start + 20u)
			emit_segments(to, &h, buf, len);
		else
			emit(to, &h, buf, len);
	}
	return 1;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: lossy IF-A IF-B LOSS-PER-MILLE [SEED]\n");
		return 2;
	}
	struct pollfd p[2] = {{port_open(argv[1]), POLLIN, 0}, {port_open(argv[2]), POLLIN, 0}};
	loss_per_mille = (unsigned)atoi(argv[3]);
	rng = argc > 4 ? strtoull(argv[4], NULL, 0) : 1;
	while (poll(p, 2, -1) > 0 || errno == EINTR) {
		if (p[0].revents && !forward(p[0].fd, p[1].fd))
			return 0;
		if (p[1].revents && !forward(p[1].fd, p[0].fd))
			return 0;
	}
	return 0;
}
