// SPDX-License-Identifier: Apache-2.0
/*
 * The traffic of the virtual machines' tests and benchmark, as one static program that runs in the
 * guest and, for the benchmark, on the other side, too. It prints one line of JSON where it
 * measures, and the name of the error where a call fails.
 *
 *   connect HOST PORT              "ok" or the error, and milliseconds
 *   talk HOST PORT LINE [BYTES]    sends the line and BYTES of the pattern, shuts; prints what
 * comes udp HOST PORT COUNT SIZE       datagrams to an echo, one at a time; how many came back
 * whole rr tcp|udp HOST PORT SECONDS   one byte to an echo and back: a second, median, 99th
 * percentile echo PORT                      gives back what comes by TCP and UDP flood udp|syn HOST
 * SECONDS     as much of it as the kernel takes pump in|out HOST PORT SECONDS  a stream from or to
 * `serve`, in Gbit/s serve PORT                     the other side of `pump` and `rr tcp`
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATTERN_LEN 65521
#define PIECE       131072
#define SAMPLES     200000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(void)
{
	printf("%s\n", strerrorname_np(errno));
	exit(1);
}

static struct addrinfo *look_up(const char *host, const char *port, int type)
{
	struct addrinfo hint = {.ai_socktype = type}, *ai;
	int rc = getaddrinfo(host, port, &hint, &ai);

	if (rc) {
		printf("%s\n", gai_strerror(rc));
		exit(1);
	}
	return ai;
}

static int open_to(const char *host, const char *port, int type)
{
	struct addrinfo *ai = look_up(host, port, type);
	int fd = socket(ai->ai_family, type | SOCK_CLOEXEC, 0), one = 1;
	struct timeval limit = {.tv_sec = 10};

	if (fd < 0)
		fail();
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (type == SOCK_DGRAM)
		setsockopt(fd, ai->ai_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
			   ai->ai_family == AF_INET6 ? 25 : 11, &one,
			   sizeof(one)); /* ..._RECVERR */
	if (connect(fd, ai->ai_addr, ai->ai_addrlen))
		fail();
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	limit.tv_sec = type == SOCK_DGRAM ? 2 : 60;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void write_all(int fd, const void *data, size_t len)
{
	for (const char *p = data; len;) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			fail();
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static void do_connect(char **a)
{
	double t0 = now();
	struct addrinfo *ai = look_up(a[0], a[1], SOCK_STREAM);
	int fd = socket(ai->ai_family, SOCK_STREAM, 0);
	struct timeval limit = {.tv_sec = 10};
	const char *r = "ok";

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen))
		r = strerrorname_np(errno);
	printf("%s %.0f\n", r, (now() - t0) * 1e3);
}

/* The bytes leave from a process of their own, so that neither way waits for the other. */
static void do_talk(char **a)
{
	static char buf[PIECE], pattern[PATTERN_LEN];
	int fd = open_to(a[0], a[1], SOCK_STREAM);
	long left = a[3] ? atol(a[3]) : 0;
	ssize_t n;
	pid_t pid;

	if (left) {
		int f = open("/pattern", O_RDONLY);

		if (read(f, pattern, PATTERN_LEN) != PATTERN_LEN)
			fail();
		close(f);
	}
	pid = fork();
	if (pid == 0) {
		write_all(fd, a[2], strlen(a[2]));
		write_all(fd, "\n", 1);
		for (; left > 0; left -= PATTERN_LEN)
			write_all(fd, pattern, left < PATTERN_LEN ? (size_t)left : PATTERN_LEN);
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		write_all(1, buf, (size_t)n);
	if (n < 0)
		fail();
	waitpid(pid, NULL, 0);
}

static void do_udp(char **a)
{
	static unsigned char out[65536], in[65536];
	int fd = open_to(a[0], a[1], SOCK_DGRAM), count = atoi(a[2]), good = 0, tries = 0;
	size_t size = (size_t)atol(a[3]);

	for (int i = 0; i < count; i++) {
		ssize_t n;

		for (size_t k = 0; k < size; k++)
			out[k] = (unsigned char)(k * 31 + (size_t)i);
		if (send(fd, out, size, 0) < 0)
			fail();
		n = recv(fd, in, sizeof(in), 0);
		if (n < 0 && errno != EAGAIN)
			fail();
		if (n < 0 && ++tries > 3)
			break;
		good += n == (ssize_t)size && !memcmp(in, out, size);
	}
	printf("{\"sent\": %d, \"good\": %d}\n", count, good);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void do_rr(char **a)
{
	static float took[SAMPLES];
	bool udp = !strcmp(a[0], "udp");
	int fd = open_to(a[1], a[2], udp ? SOCK_DGRAM : SOCK_STREAM), n = 0, lost = 0;
	double t0 = now(), end = t0 + atof(a[3]), t;
	char c = 'e';

	if (!udp) /* what services.py wants to hear first; `serve` knows it, too */
		write_all(fd, "pingpong\n", 9);
	while ((t = now()) < end && n < SAMPLES) {
		if (send(fd, &c, 1, 0) != 1)
			fail();
		if (recv(fd, &c, 1, 0) != 1) {
			if (!udp || ++lost > 5)
				fail();
			continue;
		}
		took[n++] = (float)((now() - t) * 1e6);
	}
	t = now() - t0;
	if (!n)
		fail();
	qsort(took, (size_t)n, sizeof(took[0]), by_value);
	printf("{\"rate\": %.0f, \"p50\": %.0f, \"p99\": %.0f, \"max\": %.0f, \"lost\": %d}\n",
	       n / t, took[n / 2], took[n * 99 / 100], took[n - 1], lost);
}

static int listen_on(const char *port, int type)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
				  .sin6_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (void *)&sa, sizeof(sa)) || (type == SOCK_STREAM && listen(fd, 64)))
		fail();
	return fd;
}

static void give_back(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		write_all(fd, buf, (size_t)n);
}

static void do_echo(char **a)
{
	int tcp = listen_on(a[0], SOCK_STREAM), udp = listen_on(a[0], SOCK_DGRAM);

	if (fork() == 0) {
		char buf[65536];
		struct sockaddr_in6 sa;
		socklen_t len = sizeof(sa);
		ssize_t n;

		while ((n = recvfrom(udp, buf, sizeof(buf), 0, (void *)&sa, &len)) >= 0) {
			sendto(udp, buf, (size_t)n, 0, (void *)&sa, len);
			len = sizeof(sa);
		}
		_exit(1);
	}
	puts("listening");
	fflush(stdout);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(tcp, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			give_back(fd);
			_exit(0);
		}
		close(fd);
	}
}

static uint16_t tcp_sum(const struct sockaddr_in *src, const struct sockaddr_in *dst,
			const struct tcphdr *th)
{
	uint16_t w[sizeof(*th) / 2];
	uint32_t sum = IPPROTO_TCP + sizeof(*th);

	sum = htons((uint16_t)sum);
	memcpy(w, &src->sin_addr, 4);
	sum += (uint32_t)w[0] + w[1];
	memcpy(w, &dst->sin_addr, 4);
	sum += (uint32_t)w[0] + w[1];
	memcpy(w, th, sizeof(*th));
	for (size_t i = 0; i < sizeof(w) / 2; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* SYNs from this machine's own address, each from another port and to another; IPv4 only. */
static long flood_syn(const char *host, double end)
{
	struct addrinfo *ai = look_up(host, "7000", SOCK_STREAM);
	struct sockaddr_in dst = *(struct sockaddr_in *)ai->ai_addr, src;
	socklen_t len = sizeof(src);
	int probe = open_to(host, "7000", SOCK_DGRAM), fd = socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	long n = 0;

	getsockname(probe, (void *)&src, &len);
	dst.sin_port = 0;
	for (; now() < end; n++) {
		struct tcphdr th = {.source = htons((uint16_t)(1024 + n % 60000)),
				    .dest = htons((uint16_t)(7000 + n / 60000 % 2)),
				    .seq = htonl((uint32_t)n),
				    .doff = 5,
				    .syn = 1,
				    .window = htons(65535)};

		th.check = tcp_sum(&src, &dst, &th);
		if (sendto(fd, &th, sizeof(th), 0, (void *)&dst, sizeof(dst)) < 0 &&
		    errno != ENOBUFS)
			fail();
	}
	return n;
}

static long flood_udp(const char *host, double end)
{
	static char data[1400];
	int fd = open_to(host, "7000", SOCK_DGRAM);
	long n = 0;

	for (; now() < end; n++)
		send(fd, data, n % 2 ? 16 : sizeof(data), MSG_DONTWAIT);
	return n;
}

static void do_flood(char **a)
{
	double seconds = atof(a[2]), end = now() + seconds;
	long n = !strcmp(a[0], "syn") ? flood_syn(a[1], end) : flood_udp(a[1], end);

	printf("{\"sent\": %ld, \"rate\": %.0f}\n", n, (double)n / seconds);
}

static void do_pump(char **a)
{
	static char buf[PIECE];
	bool out = !strcmp(a[0], "out");
	int fd = open_to(a[1], a[2], SOCK_STREAM);
	double t0 = now(), end = t0 + atof(a[3]);
	long long bytes = 0;
	ssize_t n;

	write_all(fd, out ? "o" : "i", 1);
	if (!out) {
		while (now() < end && (n = read(fd, buf, sizeof(buf))) > 0)
			bytes += n;
		printf("{\"gbit\": %.4f}\n", (double)bytes * 8 / (now() - t0) / 1e9);
		return;
	}
	while (now() < end)
		write_all(fd, buf, sizeof(buf));
	shutdown(fd, SHUT_WR);
	if (read(fd, &bytes, sizeof(bytes)) != sizeof(bytes))
		fail();
	printf("{\"gbit\": %.4f}\n", (double)bytes * 8 / (now() - t0) / 1e9);
}

static void serve_one(int fd)
{
	static char buf[PIECE];
	long long bytes = 0;
	ssize_t n;
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (read(fd, buf, 1) != 1)
		return;
	if (buf[0] == 'i') {
		while (write(fd, buf, sizeof(buf)) > 0)
			;
	} else if (buf[0] == 'o') {
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			bytes += n;
		write_all(fd, &bytes, sizeof(bytes));
	} else {
		while (read(fd, buf, 1) == 1 && buf[0] != '\n')
			;
		give_back(fd);
	}
}

static void do_serve(char **a)
{
	int tcp = listen_on(a[0], SOCK_STREAM);

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(tcp, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			serve_one(fd);
			_exit(0);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
		void (*fn)(char **);
	} words[] = {{"connect", 2, do_connect}, {"talk", 3, do_talk},  {"udp", 4, do_udp},
		     {"rr", 4, do_rr},           {"echo", 1, do_echo},  {"flood", 3, do_flood},
		     {"pump", 4, do_pump},       {"serve", 1, do_serve}};

	for (size_t i = 0; argc > 1 && i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(argv[1], words[i].name) && argc >= words[i].args + 2) {
			words[i].fn(argv + 2);
			return 0;
		}
	}
	errx(2, "usage: traffic connect|talk|udp|rr|echo|flood|pump|serve ARGUMENTS");
}
