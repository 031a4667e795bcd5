// SPDX-License-Identifier: Apache-2.0
/*
 * Messages of a hostile vhost-user front end, through the socket, with file descriptors that are
 * what they should be, or not.
 *
 * Input: records of a byte that says which descriptors go along, a byte of length, and so many
 * bytes that are written to the socket as they are, or into the guest's memory (TO_MEMORY: an
 * offset in two bytes comes first), so that rings hold something when a message comes. After each
 * the link is asked for frames and given one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/view.h"
#include "base/log.h"
#include "link/vhost_user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each input is an error worth a line: in place of base/log.c, for nobody to read. */
void log_line(enum log_level level, const char *fmt, ...)
{
}

void log_line_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
}

#define GUEST_LEN 65536
#define TO_MEMORY 0xfe

/* What may go along: some memory, an eventfd, a pipe's end, nothing that can be mapped. */
enum {
	FD_MEMORY,
	FD_EVENT,
	FD_SOCKET,
	FD_KINDS,
};

static int kinds[FD_KINDS] = {-1, -1, -1};
static uint8_t *guest;

static void make_fds(int sock)
{
	if (kinds[FD_MEMORY] < 0) {
		kinds[FD_MEMORY] = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		kinds[FD_EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (ftruncate(kinds[FD_MEMORY], GUEST_LEN) < 0)
			abort();
		guest = mmap(NULL, GUEST_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, kinds[FD_MEMORY],
			     0);
		if (guest == MAP_FAILED)
			abort();
	}
	/* Nothing is left of the input before. */
	memset(guest, 0, GUEST_LEN);
	kinds[FD_SOCKET] = sock;
}

/* The low bits: how many; the others, two by two: what. */
static void say(int sock, uint8_t fds, struct view bytes)
{
	union {
		uint8_t buf[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes.p, bytes.len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	size_t n = fds & 3;

	if (n) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (size_t i = 0; i < n; i++) {
			int fd = kinds[(fds >> (2 + 2 * i) & 3) % FD_KINDS];
			memcpy(CMSG_DATA(h) + i * sizeof(int), &fd, sizeof(int));
		}
	}
	if (bytes.len)
		(void)!sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void change_memory(struct view bytes)
{
	uint16_t at;

	if (view_get_be16(&bytes, &at) && bytes.len <= (size_t)GUEST_LEN - at)
		memcpy(guest + at, bytes.p, bytes.len);
}

/* Room for more than a frame, all of which is there to be written to; one of them is sent. */
static void lend(struct link *l, const struct frame *like)
{
	struct frame f = {.data = like->data, .len = 54};
	const struct frame_tail *tails;
	int n = link_lend(l, &f, 3000, 7000, &tails);

	for (int i = 0; i < n; i++)
		for (int k = 0; k < tails[i].n; k++)
			memset(tails[i].iov[k].iov_base, 1, tails[i].iov[k].iov_len);
	if (n <= 0)
		return;
	f.tail = tails;
	f.len += 3000;
	if (link_send(l, &f, 1) != 1)
		abort();
}

static void turn(struct link *l)
{
	static uint8_t bytes[FRAME_VNET_ROOM + 1514];
	struct frame out = {.data = bytes + FRAME_VNET_ROOM, .len = 1514}, in[LINK_BURST];
	uint32_t sum = 0;

	for (int k = 0; k < 3; k++) {
		int n = link_recv(l, in, LINK_BURST);
		/* Every byte that is given is there. */
		for (int i = 0; i < n; i++) {
			frame_whole(&in[i]);
			for (uint32_t j = 0; j < in[i].len; j++)
				sum += in[i].data[j];
		}
	}
	lend(l, &out);
	link_send(l, &out, 1);
	link_arm(l, sum & 1);
	link_events(l, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_make(data, size);
	struct error err = {0};
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		abort();
	make_fds(fd[1]);
	struct link *l = link_vhost_user_fd(fd[0], &err);
	if (!l)
		abort();
	for (int records = 0; records < 64; records++) {
		uint8_t fds, len, drain[1024];
		struct view bytes;

		if (!view_get_u8(&v, &fds) || !view_get_u8(&v, &len))
			break;
		if (!view_take(&v, len < v.len ? len : v.len, &bytes))
			break;
		if (fds == TO_MEMORY)
			change_memory(bytes);
		else
			say(fd[1], fds, bytes);
		turn(l);
		while (recv(fd[1], drain, sizeof(drain), MSG_DONTWAIT) > 0)
			;
	}
	link_free(l);
	close(fd[1]);
	return 0;
}
