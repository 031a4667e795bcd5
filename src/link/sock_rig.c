// SPDX-License-Identifier: Apache-2.0
/* What the tests of links over sockets share. */
#include "link/sock_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/view.h"

#define WAIT_MS 2000

static uint8_t pattern(uint32_t mark, uint32_t i)
{
	return (uint8_t)(mark * 31 + i * 7 + (i >> 8));
}

struct frame rig_frame(uint32_t len, uint32_t mark)
{
	static uint8_t store[80][FRAME_VNET_ROOM + RIG_FRAME_MAX + 64];
	static unsigned next;
	uint8_t *data = store[next++ % 80] + FRAME_VNET_ROOM;

	for (uint32_t i = 0; i < len; i++)
		data[i] = pattern(mark, i);
	return (struct frame){.data = data, .len = len};
}

void rig_check_frame(const uint8_t *data, uint32_t len, uint32_t want_len, uint32_t mark)
{
	assert_int_equal(len, want_len);
	for (uint32_t i = 0; i < len; i++)
		if (data[i] != pattern(mark, i))
			fail_msg("byte %u of frame %u is wrong", i, mark);
}

static char dir[64];

const char *rig_path(const char *name)
{
	static char paths[8][128];
	static unsigned next;
	char *path = paths[next++ % 8];

	if (!dir[0]) {
		strcpy(dir, "/tmp/weir-link-XXXXXX");
		assert_non_null(mkdtemp(dir));
	}
	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

int rig_path_done(void **state)
{
	/* Fails, and so does the test, where a socket file was left behind. */
	int r = dir[0] ? rmdir(dir) : 0;

	dir[0] = 0;
	return r;
}

static int readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

uint32_t rig_wait(struct link *l)
{
	for (int tries = 0; tries < 50; tries++) {
		if (!readable(l->fd, WAIT_MS / 50))
			continue;
		uint32_t ev = link_events(l, EPOLLIN);
		if (ev)
			return ev;
	}
	return 0;
}

void rig_check_quiet(struct link *l)
{
	assert_false(readable(l->fd, 0));
}

int rig_recv(struct link *l, struct frame *ret, int max)
{
	for (int tries = 0; tries < 50; tries++) {
		if (!readable(l->fd, WAIT_MS / 50))
			continue;
		link_events(l, EPOLLIN);
		int n = link_recv(l, ret, max);
		if (n)
			return n;
	}
	return 0;
}

void rig_settle(struct link *l)
{
	struct frame f[LINK_BURST];

	for (int tries = 0; tries < 100 && readable(l->fd, 0); tries++) {
		link_events(l, EPOLLIN);
		assert_true(link_recv(l, f, LINK_BURST) >= 0);
	}
	rig_check_quiet(l);
}

uint32_t rig_events_now(struct link *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0 ? link_events(l, EPOLLIN) : 0;
}

uint32_t rig_send_until_refused(struct link *l, uint32_t len, uint32_t mark)
{
	uint32_t first = mark;

	for (;;) {
		struct frame burst[8];

		for (uint32_t i = 0; i < 8; i++)
			burst[i] = rig_frame(len, mark + i);
		int n = link_send(l, burst, 8);
		if (n == -EAGAIN)
			return mark - first;
		assert_true(n > 0);
		mark += (uint32_t)n;
		assert_true(mark - first < 100000);
	}
}

struct sockaddr_un rig_address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

int rig_dial(const char *path, int type)
{
	struct sockaddr_un a = rig_address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

int rig_bind(const char *path, int type)
{
	struct sockaddr_un a = rig_address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

void rig_write(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n) {
		ssize_t k = write(fd, at, n);
		assert_true(k > 0);
		at += k;
		n -= (size_t)k;
	}
}

void rig_read(int fd, void *p, size_t n)
{
	uint8_t *at = p;

	while (n) {
		assert_true(readable(fd, WAIT_MS));
		ssize_t k = read(fd, at, n);
		assert_true(k > 0);
		at += k;
		n -= (size_t)k;
	}
}

_Bool rig_closed(int fd)
{
	uint8_t b[4096];
	ssize_t n = 1;

	while (n > 0 && readable(fd, WAIT_MS))
		n = recv(fd, b, sizeof(b), MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

void rig_check_end_is_heard(struct link *l, const char *path, int type)
{
	struct frame got[LINK_BURST];
	int fd = rig_dial(path, type);

	rig_settle(l);
	rig_send_until_refused(l, 1514, 0);
	link_arm(l, true);
	close(fd);
	assert_int_equal(link_recv(l, got, LINK_BURST), 0);
	assert_true(rig_wait(l) & EPOLLOUT);
	link_arm(l, false);
	rig_settle(l);
}

struct link *rig_stream_pair(int *ret_fd, const struct link_options *o)
{
	struct error err = {0};
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	struct link *l = link_stream_fd(sv[0], o, &err);
	assert_non_null(l);
	assert_int_equal(fcntl(sv[0], F_GETFD), FD_CLOEXEC);
	*ret_fd = sv[1];
	return l;
}

void rig_stream_sends(int fd, uint32_t len, uint32_t mark)
{
	struct frame f = rig_frame(len, mark);

	put_be32(f.data - 4, len);
	rig_write(fd, f.data - 4, 4 + len);
}

void rig_stream_gets(int fd, uint32_t len, uint32_t mark)
{
	static uint8_t b[RIG_FRAME_MAX];

	rig_read(fd, b, 4);
	assert_int_equal(get_be32(b), len);
	rig_read(fd, b, len);
	rig_check_frame(b, len, len, mark);
}
