// SPDX-License-Identifier: Apache-2.0
/* Messages and file descriptors over the socket. */
#include "link/vhost_user_chan.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_fds(struct vu_msg *m)
{
	for (int i = 0; i < m->nfds; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	m->nfds = 0;
}

int vu_msg_take_fd(struct vu_msg *m, int i)
{
	if (i >= m->nfds)
		return -1;
	int fd = m->fds[i];
	m->fds[i] = -1;
	return fd;
}

void vu_chan_init(struct vu_chan *c)
{
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

void vu_chan_open(struct vu_chan *c, int fd)
{
	vu_chan_init(c);
	c->fd = fd;
}

void vu_chan_close(struct vu_chan *c)
{
	close_fds(&c->msg);
	vu_chan_init(c);
}

/* File descriptors of one piece; more than a message may have are closed. */
static void chan_collect_fds(struct vu_chan *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			if (c->msg.nfds < VU_FDS_MAX)
				c->msg.fds[c->msg.nfds++] = fd;
			else
				close(fd);
		}
	}
}

/* Some of the `want` bytes at `to`. 1 when all are there, 0, or -1 and err. */
static int chan_fill(struct vu_chan *c, uint8_t *to, uint32_t want, struct error *err)
{
	while (c->have < want) {
		union {
			uint8_t buf[CMSG_SPACE(VU_FDS_MAX * sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec iov = {to + c->have, want - c->have};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control.buf,
				   .msg_controllen = sizeof(control.buf)};
		ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN)
				return 0;
			return error_set_errno(err, errno, "the vhost-user socket failed");
		}
		chan_collect_fds(c, &m);
		if (m.msg_flags & MSG_CTRUNC)
			return error_set(err, "a vhost-user message with too many files");
		if (n == 0) {
			err->msg[0] = '\0';
			if (c->have || c->in_body)
				error_set(err,
					  "the vhost-user peer went in the middle of a message");
			return -1;
		}
		c->have += (uint32_t)n;
	}
	return 1;
}

static int chan_header(struct vu_chan *c, struct error *err)
{
	uint32_t w[3];

	memcpy(w, c->hdr, sizeof(w));
	c->msg.request = w[0];
	c->msg.flags = w[1];
	c->msg.size = w[2];
	if ((w[1] & VU_FLAG_VERSION_MASK) != VU_FLAG_VERSION || (w[1] & VU_FLAG_REPLY))
		return error_set(err, "a vhost-user message with impossible flags 0x%x", w[1]);
	if (w[2] > VU_PAYLOAD_MAX)
		return error_set(err, "a vhost-user message (%u) of %u bytes, more than %d", w[0],
				 w[2], VU_PAYLOAD_MAX);
	c->in_body = true;
	c->have = 0;
	return 0;
}

int vu_chan_recv(struct vu_chan *c, struct error *err)
{
	int r;

	if (!c->in_body) {
		/* The message before this one has been dealt with. */
		if (c->have == 0)
			close_fds(&c->msg);
		r = chan_fill(c, c->hdr, VU_HDR_LEN, err);
		if (r <= 0)
			return r;
		if (chan_header(c, err) < 0)
			return -1;
	}
	r = chan_fill(c, c->msg.payload, c->msg.size, err);
	if (r <= 0)
		return r;
	c->in_body = false;
	c->have = 0;
	return 1;
}

int vu_chan_send(struct vu_chan *c, const struct vu_msg *reply, int fd, struct error *err)
{
	uint32_t hdr[3] = {reply->request, VU_FLAG_VERSION | VU_FLAG_REPLY, reply->size};
	struct iovec iov[2] = {{hdr, sizeof(hdr)},
			       {(void *)(uintptr_t)reply->payload, reply->size}};
	union {
		uint8_t buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	if (fd >= 0) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(int));
	}
	ssize_t n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return error_set_errno(err, errno, "cannot answer on the vhost-user socket");
	if ((size_t)n != sizeof(hdr) + reply->size)
		return error_set(err, "the vhost-user peer does not read its answers");
	return 0;
}
