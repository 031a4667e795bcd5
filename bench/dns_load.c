// SPDX-License-Identifier: Apache-2.0
/*
 * Both ends of bench/dns: the resolver behind the contestants, and a client with one question at a
 * time (dnsperf is made for many).
 *
 * dns_load serve ADDRESS TTL
 *	answers every question with one A record, over UDP, and does nothing else
 * dns_load ask ADDRESS SECONDS PREFIX
 *	asks for PREFIXn.com, each n once ("cached": a thousand of them again and again); prints how
 *	many, the median and the 99th percentile in microseconds
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define BURST    64
#define ROOM     1024
#define TIMES    1000000
#define ASK_LOOP 1000 /* names of "cached" */

/* ---- serve ---- */

/* Where the question ends; 0 where there is none. */
static size_t question_end(const unsigned char *m, size_t n)
{
	size_t at = 12;
	while (at < n && m[at])
		at += 1u + m[at];
	return at + 5 <= n ? at + 5 : 0;
}

/* Turns a query into its answer; returns the length. */
static size_t answer(unsigned char *m, size_t n, unsigned ttl)
{
	unsigned char record[16] = {0xc0,      12,        0,        1,   0, 1,
				    ttl >> 24, ttl >> 16, ttl >> 8, ttl, 0, 4};
	static const unsigned char opt[11] = {0, 0, 41, 4, 208};
	size_t at = n > 12 ? question_end(m, n) : 0;
	if (!at)
		return 0;
	int edns = m[11];
	unsigned address = htonl(0x5db8d800u | m[13]);
	memcpy(record + 12, &address, 4);
	m[2] = 0x81;
	m[3] = 0x80;
	m[7] = 1;
	memcpy(m + at, record, sizeof(record));
	at += sizeof(record);
	if (edns) {
		memcpy(m + at, opt, sizeof(opt));
		at += sizeof(opt);
	}
	return at;
}

static int serve(const struct sockaddr_in *at, unsigned ttl)
{
	static unsigned char buf[BURST][ROOM];
	static struct sockaddr_in from[BURST];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0) {
		perror("dns_load: bind");
		return 1;
	}
	for (;;) {
		struct mmsghdr mm[BURST];
		struct iovec iov[BURST];
		for (int i = 0; i < BURST; i++) {
			iov[i] = (struct iovec){buf[i], ROOM - 64};
			mm[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i],
							     .msg_namelen = sizeof(from[i]),
							     .msg_iov = &iov[i],
							     .msg_iovlen = 1}};
		}
		int n = recvmmsg(fd, mm, BURST, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			iov[i].iov_len = answer(buf[i], mm[i].msg_len, ttl);
		for (int i = 0; i < n;) {
			int sent = sendmmsg(fd, mm + i, (unsigned)(n - i), 0);
			i += sent > 0 ? sent : 1;
		}
	}
}

/* ---- ask ---- */

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t query(unsigned char *m, unsigned id, const char *name)
{
	unsigned char *at = m + 12;
	memset(m, 0, 12);
	m[0] = (unsigned char)(id >> 8);
	m[1] = (unsigned char)id;
	m[2] = 1;
	m[5] = 1;
	while (*name) {
		size_t n = strcspn(name, ".");
		*at++ = (unsigned char)n;
		memcpy(at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	memcpy(at, "\0\0\1\0\1", 5);
	return (size_t)(at + 5 - m);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static int ask(const struct sockaddr_in *at, double seconds, const char *format)
{
	static double took[TIMES];
	struct timeval second = {1, 0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), lost = 0;
	unsigned n = 0, i = 0, start = strncmp(format, "cached", 6) ? (unsigned)(now() * 1e3) : 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	connect(fd, (const struct sockaddr *)at, sizeof(*at));
	for (double end = now() + seconds; n < TIMES && now() < end; i++) {
		unsigned char q[ROOM], a[ROOM];
		char name[200];
		snprintf(name, sizeof(name), "%s%u.com", format, start ? start + i : i % ASK_LOOP);
		size_t len = query(q, i & 0xffff, name);
		double t0 = now();
		ssize_t got;
		send(fd, q, len, 0);
		do
			got = recv(fd, a, sizeof(a), 0);
		while (got >= 4 && memcmp(a, q, 2) != 0);
		if (got < 4 || (a[3] & 15)) {
			lost++;
			continue;
		}
		took[n++] = now() - t0;
	}
	qsort(took, n, sizeof(took[0]), by_size);
	printf("{\"n\": %u, \"lost\": %d, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", n, lost,
	       n ? took[n / 2] * 1e6 : 0, n ? took[n - 1 - n / 100] * 1e6 : 0);
	return n == 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(53)};
	if (argc >= 4 && inet_pton(AF_INET, argv[2], &a.sin_addr) == 1) {
		if (!strcmp(argv[1], "serve"))
			return serve(&a, (unsigned)atoi(argv[3]));
		if (!strcmp(argv[1], "ask") && argc == 5)
			return ask(&a, atof(argv[3]), argv[4]);
	}
	fprintf(stderr, "usage: dns_load serve ADDRESS TTL | ask ADDRESS SECONDS cached|PREFIX\n");
	return 2;
}
