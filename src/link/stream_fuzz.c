// SPDX-License-Identifier: Apache-2.0
/*
 * A peer that sends anything: what a stream link makes of it must not depend on how it was cut. The
 * same bytes go to two links, in one piece and in many, and the frames, the answers and the
 * counters have to be the same. The first byte is the kind of link, the second one seeds the cuts.
 */
#include "link/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX 150000

struct seen {
	uint64_t hash; /* of frames and answers, in order each */
	uint64_t answers;
	uint64_t frames, dropped, cut;
};

static void require(bool ok)
{
	if (!ok)
		abort();
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}

static struct link *make(uint8_t kind, int fd)
{
	static const enum link_offload offloads[] = {LINK_OFFLOAD_NONE, LINK_OFFLOAD_VNET,
						     LINK_OFFLOAD_LIBKRUN};
	struct link_options o = {.offload = offloads[kind % 3], .guest_mac = {2, 1, 2, 3, 4, 5}};
	struct error err = {0};

	switch (kind / 3 % 3) {
	case 0:
		return link_stream_fd(fd, &o, &err);
	case 1:
		return link_vpnkit_fd(fd, &o, &err);
	default:
		return link_stdio_new(fd, fd, &o, &err);
	}
}

static void take_frame(struct seen *s, const struct frame *f)
{
	require(f->len >= ETH_HLEN && f->len <= 65550);
	require(!f->meta.needs_csum ||
		(uint32_t)f->meta.csum_start + f->meta.csum_offset + 2 <= f->len);
	require(!f->meta.gso || (f->meta.gso_size && f->meta.hdr_len <= f->len));
	s->hash = mix(s->hash, f->data, f->len);
	s->hash = mix(s->hash, &f->len, sizeof(f->len));
	s->hash = mix(s->hash, &f->meta.csum_start, sizeof(f->meta.csum_start));
	s->frames++;
}

static void take_answers(struct seen *s, int fd)
{
	uint8_t b[1024];
	ssize_t n;

	while ((n = recv(fd, b, sizeof(b), MSG_DONTWAIT)) > 0)
		s->answers = mix(s->answers, b, (size_t)n);
}

/* All that there is now. False where the link has ended. */
static bool drain(struct link *l, int fd, struct seen *s)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	/* Without bound in frames, but each turn needs a reason. */
	while (poll(&p, 1, 0) > 0) {
		struct frame f[LINK_BURST];
		int n;

		link_events(l, POLLIN);
		n = link_recv(l, f, 5);
		if (n < 0) {
			require(n == -ENETDOWN);
			return false;
		}
		for (int i = 0; i < n; i++)
			take_frame(s, &f[i]);
		take_answers(s, fd);
	}
	return true;
}

static struct seen run(uint8_t kind, uint32_t cuts, const uint8_t *data, size_t size)
{
	struct seen s = {0};
	int sv[2];

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	struct link *l = make(kind, sv[0]);
	require(l);
	bool alive = true;
	for (size_t at = 0; at < size && alive;) {
		size_t n = size - at;

		if (cuts) {
			cuts = cuts * 1103515245u + 12345u;
			size_t most = cuts >> 28 ? 40 : 30000;
			if (n > 1 + (cuts >> 8) % most)
				n = 1 + (cuts >> 8) % most;
		}
		ssize_t k = send(sv[1], data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (k > 0)
			at += (size_t)k;
		alive = drain(l, sv[1], &s);
	}
	if (alive) {
		shutdown(sv[1], SHUT_WR);
		require(!drain(l, sv[1], &s));
	}
	take_answers(&s, sv[1]);
	s.dropped = l->rx_dropped;
	s.cut = l->rx_cut;
	link_free(l);
	close(sv[1]);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > INPUT_MAX)
		return 0;
	log_set_level(LOG_ERROR);
	struct seen whole = run(data[0], 0, data + 2, size - 2);
	struct seen pieces = run(data[0], 1u + data[1], data + 2, size - 2);
	require(memcmp(&whole, &pieces, sizeof(whole)) == 0);
	require(whole.cut <= 1);
	return 0;
}
