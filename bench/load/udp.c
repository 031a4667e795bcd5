// SPDX-License-Identifier: Apache-2.0
/*
 * UDP clients. A run of datagrams in one direction is sent as fast as the kernel takes it and
 * counted where it arrives; only datagrams of the right length count, so a gateway that cuts them
 * gets nothing for it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "load.h"

#define GRACE_NS 500000000u /* how long after the end of a run datagrams may still trickle in */

struct udp_args {
	int fd;
	struct peer peer;
	uint64_t length_ns;
	size_t size;
	uint64_t run;
};

static struct udp_args udp_open(char **argv, uint16_t port)
{
	struct udp_args a = {.peer = peer_parse(argv[0], port)};

	a.length_ns = (uint64_t)(strtod(argv[1], NULL) * 1e9);
	a.size = strtoul(argv[2], NULL, 10);
	if (a.size < sizeof(struct udp_head) || a.size > UDP_MAX)
		die("%s: expected %zu..%d bytes", argv[2], sizeof(struct udp_head), UDP_MAX);
	a.fd = peer_socket(&a.peer, SOCK_DGRAM);
	socket_big_buffers(a.fd);
	if (getrandom(&a.run, sizeof(a.run), 0) != (ssize_t)sizeof(a.run))
		die("getrandom: %s", strerror(errno));
	return a;
}

static void udp_wait(int fd, unsigned ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	poll(&pfd, 1, (int)ms);
}

uint64_t udp_send_run(int fd, const struct peer *p, uint64_t run, size_t size, uint64_t until)
{
	struct mmsghdr m[UDP_BATCH] = {0};
	struct iovec iov[UDP_BATCH];
	char *bytes = must_alloc(size * UDP_BATCH);
	uint64_t sent = 0;

	for (size_t i = 0; i < UDP_BATCH; i++) {
		iov[i] = (struct iovec){bytes + i * size, size};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
					       .msg_iovlen = 1,
					       .msg_name = (void *)&p->addr,
					       .msg_namelen = p->len};
	}
	while (now_ns() < until) {
		int n;

		for (uint64_t i = 0; i < UDP_BATCH; i++) {
			struct udp_head h = {.magic = UDP_DATA, .run = run, .value = sent + i};

			memcpy(iov[i].iov_base, &h, sizeof(h));
		}
		n = sendmmsg(fd, m, UDP_BATCH, 0);
		if (n > 0)
			sent += (uint64_t)n;
		else
			usleep(100); /* ENOBUFS, or an ICMP error of an earlier datagram */
	}
	free(bytes);
	return sent;
}

int cmd_udp_rr(int argc, char **argv)
{
	struct udp_args a = udp_open(argv, PORT_ECHO);
	char *buf = must_alloc(UDP_MAX);
	struct samples s = {0};
	uint64_t start, t, lost = 0;

	(void)argc;
	if (connect(a.fd, (struct sockaddr *)&a.peer.addr, a.peer.len) < 0)
		die("connect: %s", strerror(errno));
	socket_timeouts(a.fd, 250);
	for (start = t = now_ns(); t - start < a.length_ns;) {
		struct udp_head h = {.magic = UDP_DATA, .run = a.run, .value = s.total + lost},
				back;
		uint64_t t0 = t;
		ssize_t n;

		memcpy(buf, &h, sizeof(h));
		send(a.fd, buf, a.size, 0);
		do { /* an answer to a datagram that was given up is not this one's */
			n = recv(a.fd, buf, UDP_MAX, 0);
			memcpy(&back, buf, sizeof(back));
		} while (n == (ssize_t)a.size && back.value != h.value);
		t = now_ns();
		if (n == (ssize_t)a.size)
			samples_add(&s, t - t0);
		else
			lost++;
	}
	printf("{\"n\":%zu,\"lost\":%llu,\"rate\":%.1f,", s.n, (unsigned long long)lost,
	       (double)s.total * 1e9 / (double)(t - start));
	samples_print(&s, "");
	printf("}\n");
	return 0;
}

static void udp_print(uint64_t sent, uint64_t got, uint64_t span_ns, size_t size)
{
	double rate = span_ns ? (double)got * 1e9 / (double)span_ns : 0;

	printf("{\"sent\":%llu,\"got\":%llu,\"pps\":%.1f,\"gbit\":%.4f}\n",
	       (unsigned long long)sent, (unsigned long long)got, rate,
	       rate * (double)size * 8 / 1e9);
}

int cmd_udp_out(int argc, char **argv)
{
	struct udp_args a = udp_open(argv, PORT_UDP_SINK);
	struct udp_head q = {.magic = UDP_QUERY, .run = a.run}, best = {0}, h;
	uint64_t start = now_ns(), span, sent;

	(void)argc;
	sent = udp_send_run(a.fd, &a.peer, a.run, a.size, start + a.length_ns);
	span = now_ns() - start;
	/* The query is a datagram too: ask until two answers in a row agree. */
	for (int i = 0; i < 30; i++) {
		bool same;

		sendto(a.fd, &q, sizeof(q), 0, (struct sockaddr *)&a.peer.addr, a.peer.len);
		udp_wait(a.fd, 100);
		if (recv(a.fd, &h, sizeof(h), MSG_DONTWAIT) != (ssize_t)sizeof(h) ||
		    h.magic != UDP_QUERY || h.run != a.run)
			continue;
		same = h.value == best.value && h.value;
		best = h;
		if (same)
			break;
		usleep(50000);
	}
	if (best.value && best.bytes != best.value * a.size)
		die("datagrams of a wrong length arrived");
	/* Queues that empty after the last send take their time; it counts. */
	udp_print(sent, best.value, best.span_ns > span ? best.span_ns : span, a.size);
	return 0;
}

int cmd_udp_in(int argc, char **argv)
{
	struct udp_args a = udp_open(argv, PORT_UDP_SOURCE);
	struct udp_head h = {.magic = UDP_START,
			     .run = a.run,
			     .bytes = a.size | (a.length_ns / 1000000u) << 32};
	struct mmsghdr m[UDP_BATCH] = {0};
	struct iovec iov[UDP_BATCH];
	uint64_t sent = 0, got = 0, first = 0, last = 0,
		 deadline = now_ns() + a.length_ns + GRACE_NS;
	struct timespec wait = {.tv_nsec = 100000000};

	(void)argc;
	for (int i = 0; i < UDP_BATCH; i++) {
		iov[i] = (struct iovec){must_alloc(UDP_MAX), UDP_MAX};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	socket_timeouts(a.fd, 100);
	sendto(a.fd, &h, sizeof(h), 0, (struct sockaddr *)&a.peer.addr, a.peer.len);
	while (!sent && now_ns() < deadline) {
		int n = recvmmsg(a.fd, m, UDP_BATCH, MSG_WAITFORONE, &wait);

		for (int i = 0; i < n; i++) {
			memcpy(&h, iov[i].iov_base, sizeof(h));
			if (h.run != a.run)
				continue;
			if (h.magic == UDP_END) {
				sent = h.value;
			} else if (h.magic == UDP_DATA && m[i].msg_len == a.size) {
				got++;
				last = now_ns();
				first = first ? first : last;
			}
		}
	}
	/* A burst that fits in a millisecond has no rate: at least the length that was asked for.
	 */
	udp_print(sent, got, last - first > a.length_ns ? last - first : a.length_ns, a.size);
	return 0;
}
