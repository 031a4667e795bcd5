// SPDX-License-Identifier: Apache-2.0
/*
 * The writer of events: a ring of whole lines, emptied once a turn of the loop.
 *
 * Theory of operation
 * -------------------
 * events_emit() puts a line into the ring and arms a timer that is due at once, so that all lines
 * of a millisecond leave with one write. Only where the reader does not take them EPOLLOUT is on.
 * When the ring is full the oldest lines make room.
 *
 * A line is never split, though another process may write to the same file. A pipe takes up to
 * PIPE_BUF bytes at once or none of them (pipe(7)), so it gets whole lines of no more than that. A
 * datagram socket gets a line a message. A stream, and a disk that is full, may take a part: the
 * rest of the line moves from the ring to `part`, which nothing can push out.
 *
 * What "-" and fd:N name is shared with others, who do not expect it to become non-blocking. So a
 * pipe or terminal is opened anew by way of /proc; where that is not permitted it is polled before
 * each write, which never blocks as long as nobody else writes between the two. Regular files are
 * written as they are.
 *
 * A full disk is waited for. Any other error ends the log with one warning.
 */
#include "observe/events.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define FLUSH_AT      (64u * 1024) /* bytes that wait until they are written within the turn */
#define CLOSE_WAIT_US 1000000
#define PAUSE_US      1000000 /* between attempts on a full disk */
#define STREAM_CHUNK  (256u * 1024)

_Static_assert(EVENTS_LINE_MAX <= PIPE_BUF, "a pipe takes a line at once");
_Static_assert((EVENTS_BUFFER & (EVENTS_BUFFER - 1)) == 0, "positions in the ring are masked");

enum sink {
	SINK_STREAM, /* a file, a terminal, a stream socket: may take a part */
	SINK_PIPE,   /* takes up to PIPE_BUF bytes whole or not at all */
	SINK_PACKET, /* a datagram or seqpacket socket: a line a message */
};

struct events {
	struct loop *loop;
	struct loop_source src; /* in the loop only while something waits */
	struct timer timer;
	void (*call)(void *ctx, const char *text, size_t n); /* takes the lines in place of fd */
	void *call_ctx;
	int fd; /* -1: given up */
	enum sink sink;
	bool socket;
	bool polled; /* the fd blocks: ask before each write */
	bool paused; /* the disk is full: the timer tries again, and a warning was given */
	char *where; /* for messages */
	char sandbox[EVENTS_LABEL_MAX + 1];
	uint64_t lost, told; /* lines, and how many of them the log knows of */
	size_t part_off, part_len;
	char part[EVENTS_LINE_MAX];
	size_t head, len; /* what waits in the ring */
	char ring[EVENTS_BUFFER];
};

static uint64_t realtime_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* ---- the ring -------------------------------------------------------------------------------- */

/* Up to n bytes from the front of the ring, as one or two pieces; returns how many pieces. */
static int ring_front(struct events *e, size_t n, struct iovec iov[2])
{
	size_t first = EVENTS_BUFFER - e->head;

	iov[0] = (struct iovec){.iov_base = e->ring + e->head, .iov_len = n < first ? n : first};
	if (n <= first)
		return 1;
	iov[1] = (struct iovec){.iov_base = e->ring, .iov_len = n - first};
	return 2;
}

static void ring_consume(struct events *e, size_t n)
{
	e->head = (e->head + n) & (EVENTS_BUFFER - 1);
	e->len -= n;
}

/* Length of the first line, with its newline. The ring holds whole lines and is not empty. */
static size_t ring_line(struct events *e)
{
	struct iovec iov[2];
	int n = ring_front(e, e->len, iov);
	char *nl = memchr(iov[0].iov_base, '\n', iov[0].iov_len);

	if (nl || n == 1)
		return nl ? (size_t)(nl - (char *)iov[0].iov_base) + 1 : e->len;
	nl = memchr(iov[1].iov_base, '\n', iov[1].iov_len);
	return nl ? iov[0].iov_len + (size_t)(nl - (char *)iov[1].iov_base) + 1 : e->len;
}

/* The most whole lines at the front that are `max` bytes or less; one line is never more. */
static size_t ring_lines(struct events *e, size_t max)
{
	if (e->len <= max)
		return e->len;
	while (e->ring[(e->head + max - 1) & (EVENTS_BUFFER - 1)] != '\n')
		max--;
	return max;
}

static void ring_add(struct events *e, const char *line, size_t n)
{
	size_t at = (e->head + e->len) & (EVENTS_BUFFER - 1), first = EVENTS_BUFFER - at;

	if (first > n)
		first = n;
	memcpy(e->ring + at, line, first);
	memcpy(e->ring, line + first, n - first);
	e->len += n;
}

/* n bytes were written: the rest of a line of which a part is out moves to where it stays. */
static void ring_written(struct events *e, size_t n)
{
	bool whole = e->ring[(e->head + n - 1) & (EVENTS_BUFFER - 1)] == '\n';
	struct iovec iov[2];

	ring_consume(e, n);
	if (whole)
		return;
	e->part_off = 0;
	e->part_len = ring_line(e);
	int pieces = ring_front(e, e->part_len, iov);
	memcpy(e->part, iov[0].iov_base, iov[0].iov_len);
	if (pieces == 2)
		memcpy(e->part + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
	ring_consume(e, e->part_len);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void give_up(struct events *e, int err)
{
	log_warning("events %s: %s; no more are written", e->where, strerror(err));
	loop_del(e->loop, &e->src);
	timer_cancel(&e->loop->wheel, &e->timer);
	close(e->fd);
	e->fd = -1;
	for (; e->len; e->lost++)
		ring_consume(e, ring_line(e));
	e->lost += e->part_len > 0;
	e->part_len = 0;
}

/* Writes some of it: bytes, or -errno. */
static ssize_t put(struct events *e, struct iovec *iov, int pieces)
{
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)pieces};
	struct pollfd p = {.fd = e->fd, .events = POLLOUT};
	ssize_t n;

	if (e->polled && poll(&p, 1, 0) == 0)
		return -EAGAIN;
	do
		n = e->socket ? sendmsg(e->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL)
			      : writev(e->fd, iov, pieces);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The line that says what is missing here. */
static void make_note(struct events *e)
{
	struct event ev = event_make(EVENT_ERROR);

	ev.lost = e->lost - e->told;
	ev.text = "events are missing here: they came faster than they were read";
	e->told = e->lost;
	e->part_off = 0;
	e->part_len = event_line(&ev, e->sandbox, realtime_us(), e->part, sizeof(e->part));
}

/* One write. Bytes (0: there is nothing to write), or -errno. */
static ssize_t put_some(struct events *e)
{
	static const size_t most[] = {[SINK_STREAM] = STREAM_CHUNK, [SINK_PIPE] = PIPE_BUF};
	struct iovec iov[2];
	ssize_t n;

	if (e->part_len == 0 && e->lost > e->told)
		make_note(e);
	if (e->part_len) {
		iov[0] = (struct iovec){.iov_base = e->part + e->part_off, .iov_len = e->part_len};
		n = put(e, iov, 1);
		if (n > 0) {
			e->part_off += (size_t)n;
			e->part_len -= (size_t)n;
		}
		return n;
	}
	if (e->len == 0)
		return 0;
	size_t want = e->sink == SINK_PACKET ? ring_line(e) : ring_lines(e, most[e->sink]);
	n = put(e, iov, ring_front(e, want, iov));
	if (n > 0)
		ring_written(e, (size_t)n);
	return n;
}

static bool is_empty(const struct events *e)
{
	return e->len == 0 && e->part_len == 0;
}

/* The reader is slow, or the disk full: when to try again. */
static void wait_for_room(struct events *e, int err)
{
	if (err == EAGAIN && (e->src.fd >= 0 || loop_add(e->loop, &e->src, e->fd, EPOLLOUT) == 0))
		return;
	if (!e->paused)
		log_warning("events %s: %s; waiting for room", e->where, strerror(err));
	e->paused = true;
	timer_set(&e->loop->wheel, &e->timer, e->loop->now_us + PAUSE_US);
}

static bool passes_by_itself(ssize_t err)
{
	return err == -EAGAIN || err == -ENOBUFS || err == -ENOSPC || err == -EDQUOT;
}

static void flush(struct events *e)
{
	ssize_t n = 0;

	while (e->fd >= 0 && (n = put_some(e)) > 0)
		e->paused = false;
	if (e->fd < 0)
		return;
	if (n == 0)
		loop_del(e->loop, &e->src);
	else if (passes_by_itself(n))
		wait_for_room(e, (int)-n);
	else
		give_up(e, (int)-n);
}

static void on_timer(struct timer *t)
{
	flush(container_of(t, struct events, timer));
}

static void on_room(struct loop_source *src, uint32_t events)
{
	flush(container_of(src, struct events, src));
}

void events_emit(struct events *e, const struct event *ev)
{
	char line[EVENTS_LINE_MAX];
	size_t n;

	if (!e)
		return;
	n = e->fd < 0 && !e->call ? 0
				  : event_line(ev, e->sandbox, realtime_us(), line, sizeof(line));
	if (n == 0) {
		e->lost++;
		return;
	}
	if (e->call) {
		e->call(e->call_ctx, line, n);
		return;
	}
	for (; EVENTS_BUFFER - e->len < n; e->lost++)
		ring_consume(e, ring_line(e));
	ring_add(e, line, n);
	if (e->src.fd >= 0 || e->paused)
		return;
	if (e->len >= FLUSH_AT)
		flush(e);
	else if (!timer_armed(&e->timer))
		timer_set(&e->loop->wheel, &e->timer, e->loop->now_us);
}

uint64_t events_lost(const struct events *e)
{
	return e->lost;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

int events_fd_number(const char *where)
{
	char *end;

	if (strncmp(where, "fd:", 3) != 0 || where[3] < '0' || where[3] > '9')
		return -1;
	unsigned long n = strtoul(where + 3, &end, 10);
	return *end || n > INT_MAX ? -1 : (int)n;
}

static int open_path(struct events *e, struct error *err)
{
	e->fd = open(e->where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		     0600);
	if (e->fd < 0 && errno == ENXIO)
		return error_set(err, "cannot open %s for events: nobody reads from it", e->where);
	if (e->fd < 0)
		return error_set_errno(err, errno, "cannot open %s for events", e->where);
	return 0;
}

/* A descriptor of our own for one that others have, too. */
static int open_shared(struct events *e, int fd, struct error *err)
{
	char path[32];
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return error_set(err, "cannot write events to %s: it is not open", e->where);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return error_set(err, "cannot write events to %s: it is open for reading only",
				 e->where);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		e->fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (e->fd >= 0)
			return 0;
		e->polled = !(flags & O_NONBLOCK);
	}
	e->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (e->fd < 0)
		return error_set_errno(err, errno, "cannot write events to %s", e->where);
	return 0;
}

/* What the file is decides how it is written. */
static int look_at(struct events *e, struct error *err)
{
	struct stat st;
	int type = 0;
	socklen_t len = sizeof(type);

	if (fstat(e->fd, &st) < 0)
		return error_set_errno(err, errno, "cannot write events to %s", e->where);
	e->socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode))
		e->sink = SINK_PIPE;
	if (e->socket && getsockopt(e->fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type != SOCK_STREAM)
		e->sink = SINK_PACKET;
	return 0;
}

struct events *events_open(struct loop *l, const char *where, const char *sandbox,
			   struct error *err)
{
	struct events *e = calloc(1, sizeof(*e));
	int fd = strcmp(where, "-") == 0 ? STDOUT_FILENO : events_fd_number(where);

	if (!e || !(e->where = strdup(where))) {
		free(e);
		error_set(err, "events: out of memory");
		return NULL;
	}
	e->loop = l;
	e->fd = -1;
	e->src = (struct loop_source){.fd = -1, .fn = on_room};
	timer_init(&e->timer, on_timer);
	snprintf(e->sandbox, sizeof(e->sandbox), "%s", sandbox);
	if ((fd >= 0 ? open_shared(e, fd, err) : open_path(e, err)) < 0 || look_at(e, err) < 0) {
		events_close(e);
		return NULL;
	}
	return e;
}

struct events *events_open_call(struct loop *l, void (*line)(void *ctx, const char *text, size_t n),
				void *ctx, const char *sandbox)
{
	/* The ring is never touched: it costs addresses and no memory. */
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->loop = l;
	e->fd = -1;
	e->src = (struct loop_source){.fd = -1, .fn = on_room};
	timer_init(&e->timer, on_timer);
	e->call = line;
	e->call_ctx = ctx;
	snprintf(e->sandbox, sizeof(e->sandbox), "%s", sandbox);
	return e;
}

/* At the end a slow reader has a second in all. */
static void drain(struct events *e)
{
	uint64_t end = clock_now_us() + CLOSE_WAIT_US, now;

	while (e->fd >= 0 && !e->paused && !is_empty(e) && (now = clock_now_us()) < end) {
		struct pollfd p = {.fd = e->fd, .events = POLLOUT};

		poll(&p, 1, (int)((end - now) / 1000) + 1);
		flush(e);
	}
}

void events_close(struct events *e)
{
	if (!e)
		return;
	if (e->fd >= 0)
		flush(e);
	drain(e);
	if (e->fd >= 0 && !is_empty(e))
		log_warning("events %s: the last lines are lost: they were not read", e->where);
	loop_del(e->loop, &e->src);
	timer_cancel(&e->loop->wheel, &e->timer);
	if (e->fd >= 0)
		close(e->fd);
	free(e->where);
	free(e);
}
