// SPDX-License-Identifier: Apache-2.0
/* Frames in and out of a stream socket. */
#include "secret/holder_wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PARTS_MAX 6

void holder_wire_init(struct holder_wire *w, int fd)
{
	*w = (struct holder_wire){.fd = fd};
}

void holder_wire_done(struct holder_wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	secret_buf_done(&w->in);
	secret_buf_done(&w->out);
}

/* As much as goes. >= 0, or -errno. */
static ssize_t send_some(int fd, struct iovec *iov, size_t n)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
	ssize_t r;

	do
		r = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? 0 : -errno;
	return r;
}

int holder_wire_send(struct holder_wire *w, uint8_t kind, uint32_t id, const struct view *parts,
		     size_t n)
{
	uint8_t head[HOLDER_HEADER];
	struct iovec iov[1 + PARTS_MAX] = {{head, sizeof(head)}};
	size_t body = 0;
	ssize_t sent = 0;

	if (w->fd < 0 || n > PARTS_MAX)
		return -EPIPE;
	for (size_t i = 0; i < n; i++) {
		iov[1 + i] = (struct iovec){(void *)(uintptr_t)parts[i].p, parts[i].len};
		body += parts[i].len;
	}
	if (body > HOLDER_FRAME_MAX - HOLDER_HEADER)
		return -EMSGSIZE;
	holder_frame_head(head, kind, id, body);
	if (w->out.len == 0) {
		sent = send_some(w->fd, iov, 1 + n);
		if (sent < 0)
			return (int)sent;
	}
	/* What has not gone waits behind what waits already. */
	for (size_t i = 0; i < 1 + n; i++) {
		struct view left = view_make(iov[i].iov_base, iov[i].iov_len);
		size_t gone = (size_t)sent < left.len ? (size_t)sent : left.len;

		sent -= (ssize_t)gone;
		view_skip(&left, gone);
		if (left.len && !secret_buf_append(&w->out, left))
			return -ENOMEM;
	}
	return 0;
}

int holder_wire_flush(struct holder_wire *w)
{
	while (w->out.len) {
		struct view v = secret_buf_view(&w->out);
		struct iovec iov = {(void *)(uintptr_t)v.p, v.len};
		ssize_t r = send_some(w->fd, &iov, 1);

		if (r < 0)
			return (int)r;
		if (r == 0)
			break;
		secret_buf_take(&w->out, (size_t)r);
	}
	return 0;
}

int holder_wire_fill(struct holder_wire *w)
{
	struct holder_frame f;
	size_t need = HOLDER_HEADER, cap;
	ssize_t r;

	/* Room for the rest of the frame that has begun, and for as much else as the block has. */
	if (holder_frame_read(w->in.len ? secret_buf_view(&w->in) : view_make(NULL, 0), &f,
			      &need) == HOLDER_READ_BAD)
		return -EBADMSG;
	size_t room = need > w->in.len ? need - w->in.len : 1;
	uint8_t *to = secret_buf_room(&w->in, room, &cap);
	if (!to)
		return -ENOMEM;
	do
		r = recv(w->fd, to, cap, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (r == 0)
		return -EPIPE;
	w->in.len += (size_t)r;
	return 0;
}

enum holder_read holder_wire_frame(const struct holder_wire *w, size_t at, struct holder_frame *f)
{
	size_t need;

	if (w->in.len <= at)
		return HOLDER_READ_MORE;
	struct view v = secret_buf_view(&w->in);
	view_skip(&v, at);
	return holder_frame_read(v, f, &need);
}

void holder_wire_take(struct holder_wire *w, const struct holder_frame *f)
{
	secret_buf_take(&w->in, HOLDER_HEADER + f->body.len);
}
