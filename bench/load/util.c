// SPDX-License-Identifier: Apache-2.0
/* What server and clients share: the clock, addresses, sockets with a bound on every wait, and
 * percentiles. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define SAMPLES_MAX (16u << 20)

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

void *must_alloc(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (!p)
		die("out of memory (%zu bytes)", bytes);
	return p;
}

struct peer peer_parse(const char *text, uint16_t port)
{
	struct peer p = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&p.addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&p.addr;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		p.len = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		p.len = sizeof(*in6);
	} else {
		die("%s: expected an IPv4 or IPv6 address", text);
	}
	return p;
}

int peer_socket(const struct peer *p, int type)
{
	int fd = socket(p->addr.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	return fd;
}

int peer_connect(const struct peer *p)
{
	int fd = peer_socket(p, SOCK_STREAM | SOCK_NONBLOCK), one = 1, err = 0, saved;
	socklen_t len = sizeof(err);
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&p->addr, p->len) < 0) {
		if (errno != EINPROGRESS)
			goto fail;
		if (poll(&pfd, 1, CONNECT_TIMEOUT_MS) == 0) {
			errno = ETIMEDOUT;
			goto fail;
		}
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
		errno = err;
		if (err)
			goto fail;
	}
	/* Blocking from here on: one system call a step, and timeouts keep every wait bounded. */
	if (fcntl(fd, F_SETFL, 0) < 0)
		goto fail;
	socket_timeouts(fd, CONNECT_TIMEOUT_MS);
	return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

void socket_timeouts(int fd, unsigned ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

void socket_big_buffers(int fd)
{
	/* As QUIC stacks do; the kernel clamps it to the default net.core.*mem_max of the machine.
	 */
	int bytes = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

bool read_full(int fd, void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = read(fd, (char *)buf + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		done += (size_t)r;
	}
	return true;
}

bool write_full(int fd, const void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = write(fd, (const char *)buf + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		done += (size_t)r;
	}
	return true;
}

void samples_add(struct samples *s, uint64_t ns)
{
	s->total++;
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 65536;

		if (s->cap >= SAMPLES_MAX)
			return;
		s->v = realloc(s->v, cap * sizeof(*s->v));
		if (!s->v)
			die("out of memory");
		s->cap = cap;
	}
	s->v[s->n++] = ns;
}

static int samples_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void samples_print(struct samples *s, const char *prefix)
{
	static const struct {
		const char *name;
		unsigned permille;
	} points[] = {{"p50", 500}, {"p99", 990}, {"max", 1000}};

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), samples_order);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		size_t at = s->n ? (s->n - 1) * points[i].permille / 1000 : 0;

		printf("%s\"%s%s_us\":", i ? "," : "", prefix, points[i].name);
		if (s->n)
			printf("%.2f", (double)s->v[at] / 1e3);
		else
			printf("null");
	}
}
