// SPDX-License-Identifier: Apache-2.0
/* TCP clients: byte pumps, round trips, short connections, first bytes, and many idle connections.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define CHUNK (128u << 10)

static uint64_t seconds_ns(const char *text)
{
	double s = strtod(text, NULL);

	if (!(s > 0 && s <= 3600))
		die("%s: expected seconds", text);
	return (uint64_t)(s * 1e9);
}

static int connect_or_die(const struct peer *p)
{
	int fd = peer_connect(p);

	if (fd < 0)
		die("connect: %s", strerror(errno));
	return fd;
}

/* Whether the server answers through the gateway at all; used to wait until a guest's network is
 * ready. */
int cmd_probe(int argc, char **argv)
{
	struct peer p = peer_parse(argv[0], PORT_ECHO);
	int fd = peer_connect(&p);
	char c = 'p';

	(void)argc;
	if (fd < 0 || !write_full(fd, &c, 1) || !read_full(fd, &c, 1))
		return 1;
	return 0;
}

/* The clock stops when the server has told how much it read: what is still in a queue is not yet
 * delivered. */
int cmd_pump_out(int argc, char **argv)
{
	struct peer p = peer_parse(argv[0], PORT_SINK);
	uint64_t length = seconds_ns(argv[1]), start, sent = 0, got = 0;
	char *buf = must_alloc(CHUNK);
	int fd = connect_or_die(&p);

	(void)argc;
	start = now_ns();
	while (now_ns() - start < length) {
		ssize_t n = write(fd, buf, CHUNK);

		if (n < 0)
			die("write after %llu bytes: %s", (unsigned long long)sent,
			    strerror(errno));
		sent += (uint64_t)n;
	}
	shutdown(fd, SHUT_WR);
	socket_timeouts(fd, 10000);
	if (!read_full(fd, &got, sizeof(got)))
		die("no count from the server: %s", strerror(errno));
	length = now_ns() - start;
	if (got != sent)
		die("%llu bytes sent, %llu arrived", (unsigned long long)sent,
		    (unsigned long long)got);
	printf("{\"bytes\":%llu,\"gbit\":%.4f}\n", (unsigned long long)got,
	       (double)got * 8 / (double)length);
	return 0;
}

int cmd_pump_in(int argc, char **argv)
{
	struct peer p = peer_parse(argv[0], PORT_SOURCE);
	uint64_t length = seconds_ns(argv[1]), start, got = 0;
	char *buf = must_alloc(CHUNK);
	int fd = connect_or_die(&p);

	(void)argc;
	start = now_ns();
	while (now_ns() - start < length) {
		ssize_t n = read(fd, buf, CHUNK);

		if (n <= 0)
			die("read after %llu bytes: %s", (unsigned long long)got,
			    n ? strerror(errno) : "end of stream");
		got += (uint64_t)n;
	}
	length = now_ns() - start;
	printf("{\"bytes\":%llu,\"gbit\":%.4f}\n", (unsigned long long)got,
	       (double)got * 8 / (double)length);
	return 0;
}

int cmd_rr(int argc, char **argv)
{
	struct peer p = peer_parse(argv[0], PORT_ECHO);
	uint64_t length = seconds_ns(argv[1]), start, t;
	struct samples s = {0};
	int fd = connect_or_die(&p);
	char c = 'x';

	(void)argc;
	for (int i = 0; i < 50; i++) /* warm: ARP, caches, the gateway's first allocations */
		if (!write_full(fd, &c, 1) || !read_full(fd, &c, 1))
			die("round trip: %s", strerror(errno));
	for (start = t = now_ns(); t - start < length;) {
		uint64_t t0 = t;

		if (!write_full(fd, &c, 1) || !read_full(fd, &c, 1))
			die("round trip: %s", strerror(errno));
		t = now_ns();
		samples_add(&s, t - t0);
	}
	printf("{\"n\":%zu,\"rate\":%.1f,", s.n, (double)s.total * 1e9 / (double)(t - start));
	samples_print(&s, "");
	printf("}\n");
	return 0;
}

/* Connect, request, response, close; the server closes first, as with HTTP/1.0. */
int cmd_crr(int argc, char **argv)
{
	struct samples whole = {0}, connected = {0};
	uint64_t length = seconds_ns(argv[1]), start = now_ns(), t = start;
	char request[REQUEST_BYTES] = {0}, response[RESPONSE_BYTES], c;
	struct peer ports[SHORT_PORTS];

	(void)argc;
	for (uint16_t i = 0; i < SHORT_PORTS; i++)
		ports[i] = peer_parse(argv[0], (uint16_t)(PORT_SHORT + i));
	for (unsigned i = 0; t - start < length; i++) {
		uint64_t t0 = now_ns();
		int fd = connect_or_die(&ports[i % SHORT_PORTS]);

		samples_add(&connected, now_ns() - t0);
		if (!write_full(fd, request, sizeof(request)) ||
		    !read_full(fd, response, sizeof(response)) || read(fd, &c, 1) != 0)
			die("connection %u: %s", i, errno ? strerror(errno) : "cut short");
		close(fd);
		t = now_ns();
		samples_add(&whole, t - t0);
	}
	printf("{\"n\":%zu,\"rate\":%.1f,", whole.n,
	       (double)whole.total * 1e9 / (double)(t - start));
	samples_print(&whole, "");
	printf(",");
	samples_print(&connected, "connect_");
	printf("}\n");
	return 0;
}

/* From connect() to the byte that the server sends when it has accepted. */
int cmd_greet(int argc, char **argv)
{
	struct peer p = peer_parse(argv[0], PORT_GREET);
	uint64_t length = seconds_ns(argv[1]), start = now_ns();
	struct samples s = {0};
	char c;

	(void)argc;
	while (now_ns() - start < length) {
		uint64_t t0 = now_ns();
		int fd = connect_or_die(&p);

		if (!read_full(fd, &c, 1))
			die("no greeting: %s", strerror(errno));
		samples_add(&s, now_ns() - t0);
		(void)!read(fd, &c, 1); /* the server closes first: TIME_WAIT is on its side */
		close(fd);
		usleep(2000);
	}
	printf("{\"n\":%zu,", s.n);
	samples_print(&s, "");
	printf("}\n");
	return 0;
}

/* How much waits in the socket; stops when that has not changed for 30 ms. */
static int settle(int fd, char *buf, int bytes)
{
	uint64_t give_up = now_ns() + CONNECT_TIMEOUT_MS * 1000000ull;
	int last = -1, now;

	for (;;) {
		now = (int)recv(fd, buf, (size_t)bytes, MSG_PEEK | MSG_DONTWAIT);
		if (now == last && now > 0)
			return now;
		if (now == 0 || now_ns() > give_up)
			return -1;
		last = now;
		usleep(30000);
	}
}

/*
 * A reader stops until sender, gateway and guest are full, then empties its own buffer at once: how
 * long until the next byte comes. A gateway that polls for the reopened window, or waits for a
 * probe, shows here.
 */
int cmd_reopen(int argc, char **argv)
{
	struct peer p = peer_parse(argv[0], PORT_BURST);
	long count = strtol(argv[1], NULL, 10);
	char *buf = must_alloc(BURST_BYTES);
	struct samples s = {0};
	unsigned unfilled = 0;

	(void)argc;
	for (long i = 0; i < count; i++) {
		int fd = peer_socket(&p, SOCK_STREAM), rcvbuf = 256 << 10, waiting;
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		uint64_t t0;

		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
		socket_timeouts(fd, CONNECT_TIMEOUT_MS);
		if (connect(fd, (struct sockaddr *)&p.addr, p.len) < 0)
			die("connect: %s", strerror(errno));
		waiting = settle(fd, buf, BURST_BYTES);
		if (waiting <= 0 || !read_full(fd, buf, (size_t)waiting))
			die("burst: %s", strerror(errno));
		t0 = now_ns();
		if (poll(&pfd, 1, CONNECT_TIMEOUT_MS) == 1)
			samples_add(&s, now_ns() - t0);
		else
			unfilled++;
		close(fd);
	}
	printf("{\"n\":%zu,\"stalled\":%u,", s.n, unfilled);
	samples_print(&s, "");
	printf("}\n");
	return 0;
}

/* Opens COUNT connections, says how many came to be, and holds them until its standard input ends.
 */
int cmd_idle(int argc, char **argv)
{
	struct peer ports[IDLE_PORTS];
	long count = strtol(argv[1], NULL, 10), open = 0;
	uint64_t start = now_ns();
	char c;

	(void)argc;
	/* Several ports: one contestant's connections in TIME_WAIT must not use up the next one's
	 * source ports. */
	for (uint16_t i = 0; i < IDLE_PORTS; i++)
		ports[i] = peer_parse(argv[0], (uint16_t)(PORT_IDLE + i));
	for (; open < count; open++) {
		if (peer_connect(&ports[open % IDLE_PORTS]) < 0)
			break;
		if (now_ns() - start > 20000000000u) {
			errno = ETIME;
			break;
		}
	}
	printf("{\"n\":%ld,\"seconds\":%.3f,\"why\":\"%s\"}\n", open,
	       (double)(now_ns() - start) / 1e9, open < count ? strerror(errno) : "");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}
