// SPDX-License-Identifier: Apache-2.0
/*
 * The server of the load generator. One thread a TCP service accepts; a connection gets a thread of
 * its own, except the idle ones (ten thousand of them are held by one epoll) and the short ones
 * (one thread serves them in turn). It lives as long as the benchmark's namespace and trusts its
 * clients: both are the benchmark.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define CHUNK (128u << 10)

struct service {
	int fd;
	void (*serve)(int fd);
};

struct connection {
	int fd;
	void (*serve)(int fd);
};

static int bind_any(uint16_t port, int type)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), one = 1, off = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		die("port %u: %s", port, strerror(errno));
	if (type == SOCK_STREAM && listen(fd, 4096) < 0)
		die("port %u: %s", port, strerror(errno));
	return fd;
}

static void thread_start(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	errno = pthread_create(&t, &attr, run, arg);
	if (errno)
		die("thread: %s", strerror(errno));
	pthread_attr_destroy(&attr);
}

static void serve_sink(int fd)
{
	char *buf = must_alloc(CHUNK);
	uint64_t total = 0;
	ssize_t n;

	while ((n = read(fd, buf, CHUNK)) > 0)
		total += (uint64_t)n;
	if (n == 0)
		write_full(fd, &total, sizeof(total));
	free(buf);
}

static void serve_source(int fd)
{
	char *buf = must_alloc(CHUNK);

	while (write_full(fd, buf, CHUNK))
		;
	free(buf);
}

static void serve_echo(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 && write_full(fd, buf, (size_t)n))
		;
}

static void serve_burst(int fd)
{
	char *buf = must_alloc(BURST_BYTES), c;

	if (write_full(fd, buf, BURST_BYTES))
		(void)!read(fd, &c, 1);
	free(buf);
}

static void *connection_thread(void *arg)
{
	struct connection c = *(struct connection *)arg;
	int one = 1;

	free(arg);
	setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c.serve(c.fd);
	close(c.fd);
	return NULL;
}

__attribute__((noreturn)) static void *accept_thread(void *arg)
{
	struct service *s = arg;

	for (;;) {
		struct connection *c = must_alloc(sizeof(*c));

		c->serve = s->serve;
		c->fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (c->fd < 0) {
			free(c);
			continue;
		}
		thread_start(connection_thread, c);
	}
}

/* Without a thread a connection: making one would be in the measured time. */
__attribute__((noreturn)) static void *greet_thread(void *arg)
{
	int listener = *(int *)arg;
	char c = 'g';

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		write_full(fd, &c, 1);
		close(fd);
	}
}

static void epoll_watch(int ep, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll: %s", strerror(errno));
}

static bool is_one_of(int fd, const int *list, int n)
{
	for (int i = 0; i < n; i++)
		if (list[i] == fd)
			return true;
	return false;
}

__attribute__((noreturn)) static void *idle_thread(void *arg)
{
	int *listeners = arg, ep = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < IDLE_PORTS; i++)
		epoll_watch(ep, listeners[i]);
	for (;;) {
		struct epoll_event ev[64];
		int n = epoll_wait(ep, ev, 64, -1);

		for (int i = 0; i < n; i++) {
			char buf[64];
			int fd = ev[i].data.fd;

			if (is_one_of(fd, listeners, IDLE_PORTS)) {
				fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
				if (fd >= 0)
					epoll_watch(ep, fd);
			} else if (read(fd, buf, sizeof(buf)) <= 0) {
				close(fd);
			}
		}
	}
}

__attribute__((noreturn)) static void *short_thread(void *arg)
{
	int *listeners = arg, ep = epoll_create1(EPOLL_CLOEXEC);
	char request[REQUEST_BYTES], response[RESPONSE_BYTES] = {0};

	for (int i = 0; i < SHORT_PORTS; i++)
		epoll_watch(ep, listeners[i]);
	for (;;) {
		struct epoll_event ev;
		int fd;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		fd = accept4(ev.data.fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		socket_timeouts(fd, CONNECT_TIMEOUT_MS);
		if (read_full(fd, request, sizeof(request)))
			write_full(fd, response, sizeof(response));
		close(fd);
	}
}

__attribute__((noreturn)) static void *udp_echo_thread(void *arg)
{
	int fd = *(int *)arg;
	char buf[UDP_MAX];
	struct peer p;

	for (;;) {
		ssize_t n;

		p.len = sizeof(p.addr);
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&p.addr, &p.len);
		if (n >= 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&p.addr, p.len);
	}
}

/* The one run that is counted; a datagram of another run begins a new count. */
struct udp_count {
	uint64_t run, datagrams, bytes, first, last;
};

static void udp_sink_take(struct udp_count *c, int fd, const struct msghdr *m, size_t len)
{
	struct udp_head h;

	if (len < sizeof(h))
		return;
	memcpy(&h, m->msg_iov[0].iov_base, sizeof(h));
	if (h.magic == UDP_DATA) {
		if (h.run != c->run)
			*c = (struct udp_count){.run = h.run, .first = now_ns()};
		c->datagrams++;
		c->bytes += len;
		c->last = now_ns();
	} else if (h.magic == UDP_QUERY) {
		bool known = h.run == c->run;

		h.value = known ? c->datagrams : 0;
		h.bytes = known ? c->bytes : 0;
		h.span_ns = known ? c->last - c->first : 0;
		sendto(fd, &h, sizeof(h), 0, m->msg_name, m->msg_namelen);
	}
}

__attribute__((noreturn)) static void *udp_sink_thread(void *arg)
{
	int fd = *(int *)arg;
	struct udp_count count = {0};
	struct mmsghdr m[UDP_BATCH] = {0};
	struct iovec iov[UDP_BATCH];
	struct peer from[UDP_BATCH];

	for (int i = 0; i < UDP_BATCH; i++)
		iov[i] = (struct iovec){must_alloc(UDP_MAX), UDP_MAX};
	for (;;) {
		int n;

		for (int i = 0; i < UDP_BATCH; i++)
			m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
						       .msg_iovlen = 1,
						       .msg_name = &from[i].addr,
						       .msg_namelen = sizeof(from[i].addr)};
		n = recvmmsg(fd, m, UDP_BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			udp_sink_take(&count, fd, &m[i].msg_hdr, m[i].msg_len);
	}
}

__attribute__((noreturn)) static void *udp_source_thread(void *arg)
{
	int fd = *(int *)arg;

	for (;;) {
		struct udp_head h;
		struct peer p = {.len = sizeof(p.addr)};

		if (recvfrom(fd, &h, sizeof(h), 0, (struct sockaddr *)&p.addr, &p.len) !=
			    (ssize_t)sizeof(h) ||
		    h.magic != UDP_START)
			continue;
		h.value = udp_send_run(fd, &p, h.run, h.bytes & 0xffffffff,
				       now_ns() + (h.bytes >> 32) * 1000000u);
		h.magic = UDP_END;
		/* Several, with pauses: the queues on the way are full at this moment. */
		for (int i = 0; i < 10; i++) {
			usleep(10000);
			sendto(fd, &h, sizeof(h), 0, (struct sockaddr *)&p.addr, p.len);
		}
	}
}

int cmd_serve(int argc, char **argv)
{
	static struct service tcp[] = {{PORT_SINK, serve_sink},
				       {PORT_SOURCE, serve_source},
				       {PORT_ECHO, serve_echo},
				       {PORT_BURST, serve_burst}};
	static int short_fds[SHORT_PORTS], idle_fds[IDLE_PORTS], greet_fd, udp_fds[3];

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sizeof(tcp) / sizeof(tcp[0]); i++) {
		tcp[i].fd = bind_any((uint16_t)tcp[i].fd, SOCK_STREAM);
		thread_start(accept_thread, &tcp[i]);
	}
	greet_fd = bind_any(PORT_GREET, SOCK_STREAM);
	thread_start(greet_thread, &greet_fd);
	for (int i = 0; i < IDLE_PORTS; i++)
		idle_fds[i] = bind_any((uint16_t)(PORT_IDLE + i), SOCK_STREAM);
	thread_start(idle_thread, idle_fds);
	for (int i = 0; i < SHORT_PORTS; i++)
		short_fds[i] = bind_any((uint16_t)(PORT_SHORT + i), SOCK_STREAM);
	thread_start(short_thread, short_fds);

	udp_fds[0] = bind_any(PORT_ECHO, SOCK_DGRAM);
	udp_fds[1] = bind_any(PORT_UDP_SINK, SOCK_DGRAM);
	udp_fds[2] = bind_any(PORT_UDP_SOURCE, SOCK_DGRAM);
	socket_big_buffers(udp_fds[1]);
	socket_big_buffers(udp_fds[2]);
	thread_start(udp_echo_thread, &udp_fds[0]);
	thread_start(udp_sink_thread, &udp_fds[1]);
	thread_start(udp_source_thread, &udp_fds[2]);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
