// SPDX-License-Identifier: Apache-2.0
/* Where a link's peer comes from: listening, connecting, and what was given. */
#include "link/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "link/sock_file.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
/* More than the system's 208 KiB, so that a burst of super-segments is one call; the kernel cuts it
 * to what it allows. The sender's limit counts on a stream, the receiver's on datagrams. */
#define BUFFER_LEN (1024 * 1024)

/* What an event of the epoll instance is about. */
enum {
	TAG_LISTEN,
	TAG_IN,
	TAG_OUT, /* only where it is not the same as in */
	TAG_TIMER,
};

void sock_init(struct sock *s, const char *kind, int type)
{
	*s = (struct sock){.type = type,
			   .epoll_fd = -1,
			   .timer_fd = -1,
			   .listen_fd = -1,
			   .in_fd = -1,
			   .out_fd = -1};
	snprintf(s->name, sizeof(s->name), "%s", kind);
}

/* Behind the kind of the link, what people know it by. */
static void name_path(struct sock *s, const char *path)
{
	size_t n = strlen(s->name);

	snprintf(s->name + n, sizeof(s->name) - n, " %s", path);
}

static void name_fd(struct sock *s, int fd)
{
	size_t n = strlen(s->name);

	snprintf(s->name + n, sizeof(s->name) - n, " fd %d", fd);
}

/* ---- the epoll instance ---- */

static int watch(struct sock *s, int op, int fd, uint32_t events, uint32_t tag)
{
	struct epoll_event ev = {.events = events, .data.u32 = tag};

	return epoll_ctl(s->epoll_fd, op, fd, &ev);
}

static int make_epoll(struct sock *s, struct error *err)
{
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->epoll_fd < 0 || s->timer_fd < 0 ||
	    watch(s, EPOLL_CTL_ADD, s->timer_fd, EPOLLIN, TAG_TIMER) < 0)
		return error_set_errno(err, errno, "%s: cannot make what it waits with", s->name);
	return 0;
}

static void timer_in(struct sock *s, uint64_t ns)
{
	struct itimerspec t = {.it_value = {.tv_sec = (time_t)(ns / 1000000000u),
					    .tv_nsec = (long)(ns % 1000000000u)}};

	timerfd_settime(s->timer_fd, 0, &t, NULL);
}

/* An expired timer that nobody reads stays readable. */
void sock_again(struct sock *s, bool on)
{
	if (s->again == on)
		return;
	s->again = on;
	if (on)
		timer_in(s, 1);
	else
		timer_in(s, s->retry ? (uint64_t)s->retry_ms * 1000000u : 0);
}

static void retry_later(struct sock *s)
{
	s->retry_ms = s->retry_ms ? s->retry_ms * 2 : RETRY_MIN_MS;
	if (s->retry_ms > RETRY_MAX_MS)
		s->retry_ms = RETRY_MAX_MS;
	s->retry = true;
	if (!s->again)
		timer_in(s, (uint64_t)s->retry_ms * 1000000u);
}

void sock_want_out(struct sock *s, bool on)
{
	if (s->want_out == on || s->in_fd < 0)
		return;
	s->want_out = on;
	if (s->in_fd == s->out_fd)
		watch(s, EPOLL_CTL_MOD, s->in_fd, EPOLLIN | (on ? EPOLLOUT : 0), TAG_IN);
	else
		watch(s, EPOLL_CTL_MOD, s->out_fd, on ? EPOLLOUT : 0, TAG_OUT);
}

void sock_out_by(struct sock *s, int fd)
{
	bool on = s->want_out;

	if (s->out_fd == fd)
		return;
	sock_want_out(s, false);
	s->out_fd = fd;
	sock_want_out(s, on);
}

int sock_watch_out(struct sock *s, int fd)
{
	return watch(s, EPOLL_CTL_ADD, fd, 0, TAG_OUT) < 0 ? -errno : 0;
}

/* ---- peers ---- */

static void grow_buffers(int fd)
{
	int now = 0, len = BUFFER_LEN;
	socklen_t n = sizeof(now);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &now, &n) == 0 && now < len)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &len, sizeof(len));
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &now, &n) == 0 && now < len)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &len, sizeof(len));
}

static int set_peer(struct sock *s, int fd)
{
	if (watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, TAG_IN) < 0)
		return -errno;
	s->in_fd = s->out_fd = fd;
	s->want_out = false;
	s->retry_ms = 0;
	return 0;
}

void sock_drop_peer(struct sock *s)
{
	if (s->in_fd < 0)
		return;
	if (s->out_fd != s->in_fd)
		close(s->out_fd);
	close(s->in_fd);
	s->in_fd = s->out_fd = -1;
	s->want_out = false;
	log_info("%s: the peer has gone", s->name);
	if (s->role == SOCK_CONNECTS)
		retry_later(s);
	else if (s->role == SOCK_GIVEN)
		sock_again(s, true); /* for the owner to hear it */
}

bool sock_hung_up(const struct sock *s)
{
	struct pollfd p = {.fd = s->in_fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static unsigned let_in(struct sock *s)
{
	if (s->in_fd >= 0 && sock_hung_up(s))
		return 0; /* the next one waits until that was read to its end */
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
			return 0;
		/* The peer stays in the queue, and the listener readable: it must not keep waking
		 * us. */
		sock_warn(s, "%s: cannot let a peer in: %s", s->name, strerror(errno));
		watch(s, EPOLL_CTL_MOD, s->listen_fd, 0, TAG_LISTEN);
		retry_later(s);
		return 0;
	}
	if (s->in_fd >= 0) {
		sock_warn(s, "%s: a second peer was turned away: the first one is still there",
			  s->name);
		close(fd);
		return 0;
	}
	grow_buffers(fd);
	if (set_peer(s, fd) < 0) {
		close(fd);
		return 0;
	}
	log_info("%s: a peer has connected", s->name);
	return SOCK_NEW_PEER | SOCK_IN;
}

static int dial(struct sock *s)
{
	int fd = socket(AF_UNIX, s->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	grow_buffers(fd);
	if (connect(fd, (struct sockaddr *)&s->addr, s->addr_len) < 0)
		r = -errno;
	else
		r = set_peer(s, fd);
	if (r < 0)
		close(fd);
	return r;
}

static unsigned try_again(struct sock *s)
{
	uint64_t expired;

	if (s->again || read(s->timer_fd, &expired, sizeof(expired)) < 0)
		return 0;
	s->retry = false;
	if (s->role == SOCK_LISTENS) {
		watch(s, EPOLL_CTL_MOD, s->listen_fd, EPOLLIN, TAG_LISTEN);
		return 0;
	}
	if (s->role != SOCK_CONNECTS || s->in_fd >= 0)
		return 0;
	if (dial(s) < 0) {
		retry_later(s);
		return 0;
	}
	log_info("%s: connected again", s->name);
	return SOCK_NEW_PEER | SOCK_IN;
}

unsigned sock_check(struct sock *s)
{
	struct epoll_event ev[4];
	unsigned ret = 0;
	int n = epoll_wait(s->epoll_fd, ev, 4, 0);

	for (int i = 0; i < n; i++) {
		switch (ev[i].data.u32) {
		case TAG_LISTEN:
			ret |= let_in(s);
			break;
		case TAG_IN:
			ret |= ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? SOCK_IN : 0;
			ret |= ev[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR) && s->want_out
				       ? SOCK_OUT
				       : 0;
			break;
		case TAG_OUT:
			/* A pipe whose reader has gone says so whatever is asked of it. */
			ret |= ev[i].events & (EPOLLHUP | EPOLLERR) ? SOCK_IN | SOCK_GONE : 0;
			ret |= ev[i].events & EPOLLOUT ? SOCK_OUT : 0;
			break;
		case TAG_TIMER:
			ret |= try_again(s);
			break;
		}
	}
	return ret;
}

/* ---- making one ---- */

int sock_listen(struct sock *s, const char *path, unsigned mode, struct error *err)
{
	s->role = SOCK_LISTENS;
	name_path(s, path);
	int fd = sock_file_bind(s, path, mode, err);
	if (fd < 0)
		return -1;
	if (s->type == SOCK_DGRAM) {
		grow_buffers(fd);
		s->in_fd = s->out_fd = fd;
	} else {
		s->listen_fd = fd;
		if (listen(fd, 4) < 0)
			return error_set_errno(err, errno, "%s: cannot listen", s->name);
	}
	if (make_epoll(s, err) < 0)
		return -1;
	if (watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, s->listen_fd < 0 ? TAG_IN : TAG_LISTEN) < 0)
		return error_set_errno(err, errno, "%s: cannot wait for it", s->name);
	return 0;
}

int sock_connect(struct sock *s, const char *path, struct error *err)
{
	int r;

	s->role = SOCK_CONNECTS;
	name_path(s, path);
	if (sock_file_address(s, path, err) < 0 || make_epoll(s, err) < 0)
		return -1;
	r = dial(s);
	if (r == -ECONNREFUSED || r == -ENOENT)
		return error_set_errno(err, r,
				       "%s: nobody listens there; start the other side first, or "
				       "let weir listen and the other side connect",
				       s->name);
	if (r < 0)
		return error_set_errno(err, r, "%s: cannot connect", s->name);
	return 0;
}

/* Never blocks, and is not left to a child, which would hold the connection open. */
static int make_ours(const struct sock *s, int fd, struct error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set_errno(err, errno, "%s: cannot be used", s->name);
	return 0;
}

static const char *type_word(int type)
{
	return type == SOCK_STREAM  ? "stream"
	       : type == SOCK_DGRAM ? "datagram"
				    : "sequenced-packet";
}

int sock_take(struct sock *s, int fd, struct error *err)
{
	int type = 0, listening = 0;
	socklen_t n = sizeof(int);

	s->role = SOCK_GIVEN;
	name_fd(s, fd);
	s->in_fd = s->out_fd = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return error_set_errno(err, errno, "%s: is no socket", s->name);
	if (type != s->type)
		return error_set(err, "%s: is a %s socket, and a %s socket is needed", s->name,
				 type_word(type), type_word(s->type));
	if (make_ours(s, fd, err) < 0 || make_epoll(s, err) < 0)
		return -1;
	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n);
	if (listening) {
		s->role = SOCK_LISTENS;
		s->listen_fd = fd;
		s->in_fd = s->out_fd = -1;
	} else {
		grow_buffers(fd);
	}
	if (watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, listening ? TAG_LISTEN : TAG_IN) < 0)
		return error_set_errno(err, errno, "%s: cannot wait for it", s->name);
	return 0;
}

int sock_take_pair(struct sock *s, int in, int out, struct error *err)
{
	s->role = SOCK_GIVEN;
	snprintf(s->name + strlen(s->name), sizeof(s->name) - strlen(s->name), " fds %d and %d", in,
		 out);
	s->in_fd = in;
	s->out_fd = out;
	if (make_ours(s, in, err) < 0 || make_ours(s, out, err) < 0 || make_epoll(s, err) < 0)
		return -1;
	/* Plain files cannot be waited for (EPERM). */
	if (watch(s, EPOLL_CTL_ADD, in, EPOLLIN, TAG_IN) < 0 ||
	    (out != in && watch(s, EPOLL_CTL_ADD, out, 0, TAG_OUT) < 0))
		return error_set_errno(err, errno,
				       "%s: cannot wait for them; pipes or sockets are needed",
				       s->name);
	return 0;
}

void sock_done(struct sock *s)
{
	int fds[] = {s->listen_fd, s->out_fd == s->in_fd ? -1 : s->out_fd, s->in_fd, s->timer_fd,
		     s->epoll_fd};

	sock_file_remove(s);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
