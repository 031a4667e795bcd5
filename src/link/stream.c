// SPDX-License-Identifier: Apache-2.0
/*
 * Links over a stream of bytes: QEMU's and libkrun's (4-byte lengths), vpnkit's and plain pipes
 * (2-byte lengths).
 *
 * Theory of operation
 * -------------------
 * One read fills the arena with as many frames as there are; they are handed out where they lie. A
 * frame that is not all there stays, and is moved to the front before the next read. Whole frames
 * may stay, too, where the caller's burst was full: then the link keeps itself readable.
 *
 * A burst goes out with one call. What is left of the frame in which the socket became full is
 * copied and goes first from then on, so that a frame counts as sent as soon as its first byte is;
 * the link sends that rest itself when the socket takes it.
 *
 * The length before a frame is all that keeps the two sides together: after one that cannot be, the
 * peer is cut off. While there is no peer, frames are lost as on a wire that is not plugged in.
 */
#include "link/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/list.h"
#include "link/framing.h"
#include "link/offload.h"
#include "link/sock.h"
#include "link/vpnkit.h"

#define WIRE_MAX  (FRAME_VNET_ROOM + FRAMING_MAX) /* length, header, frame */
#define BUF_LEN   (512 * 1024) /* a read; stays in the cache until the sockets have it */
#define TAIL_LEN  ((size_t)WIRE_MAX + VPNKIT_INIT + VPNKIT_REPLY)
#define ARENA_LEN (BUF_LEN + ((TAIL_LEN + 4095) & ~(size_t)4095))

struct stream {
	struct link link;
	struct sock sock;
	struct framing framing;
	struct vpnkit vpnkit;
	enum link_offload offload;
	bool pipes;      /* read() and write(); else they are sockets */
	bool armed;      /* the owner waits until it can send */
	uint8_t *buf;    /* BUF_LEN bytes, mapped on demand */
	size_t at, fill; /* what of it was not handed out yet */
	uint8_t *tail;   /* behind buf: the rest of a frame, from tail_at up to tail_fill */
	size_t tail_at, tail_fill;
};

static struct stream *stream_of(struct link *l)
{
	return container_of(l, struct stream, link);
}

static size_t tail_len(const struct stream *t)
{
	return t->tail_fill - t->tail_at;
}

/* Frames can cross: a handshake is over, or none is needed. */
static bool stream_speaks(const struct stream *t)
{
	return !t->vpnkit.enabled || t->vpnkit.done;
}

static void update_out(struct stream *t)
{
	sock_want_out(&t->sock, t->armed || tail_len(t));
}

/* True where a whole frame is left in the buffer: the socket will not tell of it. */
static bool stream_has_more(const struct stream *t)
{
	struct view v = view_make(t->buf + t->at, t->fill - t->at), wire;
	uint32_t len;

	return stream_speaks(t) && framing_next(&t->framing, &v, &wire, &len) != FRAMING_MORE;
}

/* Wakes the owner for what no socket tells of: frames in the buffer, the end, and, where it waits
 * to send, that it need not: without a peer what it has is lost. */
static void stream_settle(struct stream *t)
{
	bool no_peer = t->sock.in_fd < 0;

	sock_again(&t->sock, sock_over(&t->sock) || (t->armed && no_peer) || stream_has_more(t));
}

/* The peer is gone, and with it what was under way in both directions. */
static void stream_drop_peer(struct stream *t)
{
	if (t->fill > t->at)
		t->link.rx_cut++;
	t->at = t->fill = 0;
	t->tail_at = t->tail_fill = 0;
	vpnkit_reset(&t->vpnkit);
	sock_drop_peer(&t->sock);
	stream_settle(t);
}

/* ---- out ---- */

static ssize_t stream_write(struct stream *t, struct iovec *iov, int n)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};

	if (t->pipes)
		return writev(t->sock.out_fd, iov, n);
	return sendmsg(t->sock.out_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What waits goes out. False where that lost the peer. */
static bool stream_flush_tail(struct stream *t)
{
	while (tail_len(t)) {
		struct iovec iov = {t->tail + t->tail_at, tail_len(t)};
		ssize_t n = stream_write(t, &iov, 1);

		if (n >= 0) {
			t->tail_at += (size_t)n;
		} else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
			break;
		} else if (errno != EINTR) {
			stream_drop_peer(t);
			return false;
		}
	}
	if (!tail_len(t))
		t->tail_at = t->tail_fill = 0;
	update_out(t);
	return true;
}

/* Prepares the frames up to the first one that must not be sent; how many these are. */
static int stream_gather(struct stream *t, struct frame *frames, int n, struct iovec *iov)
{
	unsigned header = t->framing.header, lead = header + t->framing.prefix;

	for (int i = 0; i < n; i++) {
		struct frame *f = &frames[i];

		if (!offload_put(t->offload, f, framing_max(&t->framing)))
			return i;
		framing_put(&t->framing, f->data - lead, header + f->len);
		iov[i] = (struct iovec){f->data - lead, lead + f->len};
	}
	return n;
}

/* `sent` bytes of n frames went out: returns how many frames are taken. The rest of one that was
 * begun is kept. */
static int stream_account(struct stream *t, const struct iovec *iov, int n, size_t sent)
{
	int k = 0;

	while (k < n && sent >= iov[k].iov_len)
		sent -= iov[k++].iov_len;
	if (k == n || !sent)
		return k;
	t->tail_at = 0;
	t->tail_fill = iov[k].iov_len - sent;
	memcpy(t->tail, (uint8_t *)iov[k].iov_base + sent, t->tail_fill);
	return k + 1;
}

/* Without a peer, or before its handshake: lost. */
static int stream_lose(struct stream *t, int n)
{
	if (sock_over(&t->sock))
		return -ENETDOWN;
	t->link.tx_dropped += (uint64_t)n;
	return n;
}

static int stream_send_failed(struct stream *t, int err, int n)
{
	switch (err) {
	case EAGAIN:
		return -EAGAIN;
	case ENOBUFS:
	case ENOMEM:
		/* Nobody tells when that is over, so to wait would be to spin. */
		t->link.tx_dropped += (uint64_t)n;
		return n;
	default:
		stream_drop_peer(t);
		return stream_lose(t, n);
	}
}

static int stream_send(struct link *l, struct frame *frames, int n)
{
	struct stream *t = stream_of(l);
	struct iovec iov[1 + LINK_BURST];
	size_t tail = tail_len(t);
	ssize_t sent;

	if (n > LINK_BURST)
		n = LINK_BURST;
	if (t->sock.in_fd < 0 || !stream_speaks(t))
		return stream_lose(t, n);
	n = stream_gather(t, frames, n, iov + 1);
	if (n == 0) {
		t->link.tx_dropped++;
		return 1;
	}
	iov[0] = (struct iovec){t->tail + t->tail_at, tail};
	do
		sent = stream_write(t, tail ? iov : iov + 1, tail ? n + 1 : n);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return stream_send_failed(t, errno, n);
	if ((size_t)sent < tail) {
		t->tail_at += (size_t)sent;
		return -EAGAIN;
	}
	t->tail_at = t->tail_fill = 0;
	n = stream_account(t, iov + 1, n, (size_t)sent - tail);
	update_out(t);
	return n ? n : -EAGAIN;
}

/* ---- in ---- */

/* The handshake. False where it is not over, or the peer was cut off. */
static bool stream_greet(struct stream *t)
{
	struct view v = view_make(t->buf + t->at, t->fill - t->at);
	size_t all = v.len;
	struct wbuf out = wbuf_make(t->tail + t->tail_fill, TAIL_LEN - t->tail_fill);

	bool ok = vpnkit_input(&t->vpnkit, &v, &out);
	t->at += all - v.len;
	t->tail_fill += out.len;
	if (!stream_flush_tail(t))
		return false;
	if (!ok) {
		sock_warn(&t->sock, "%s: the peer does not speak vpnkit: connection closed",
			  t->sock.name);
		t->link.rx_dropped++;
		t->at = t->fill = 0;
		stream_drop_peer(t);
	}
	return ok && stream_speaks(t);
}

/* The whole frames of the buffer. After a length that cannot be, the peer is cut off. */
static int stream_parse(struct stream *t, struct frame *ret, int max)
{
	int n = 0;

	while (n < max) {
		struct view v = view_make(t->buf + t->at, t->fill - t->at), wire;
		uint32_t len;

		switch (framing_next(&t->framing, &v, &wire, &len)) {
		case FRAMING_MORE:
			return n;
		case FRAMING_BAD:
			sock_warn(&t->sock,
				  "%s: the peer said that a frame has %u bytes, and %u to %u are "
				  "possible: connection closed",
				  t->sock.name, len, ETH_HLEN + t->framing.header,
				  framing_max(&t->framing) + t->framing.header);
			t->link.rx_dropped++;
			t->at = t->fill = 0;
			stream_drop_peer(t);
			return n;
		case FRAMING_FRAME:
			t->at = t->fill - v.len;
			/* The bytes are the arena's, which may be written to. */
			if (offload_take(t->offload, t->buf + t->at - wire.len, (uint32_t)wire.len,
					 &ret[n]))
				n++;
			else
				t->link.rx_dropped++;
		}
	}
	return n;
}

/* What is to be done besides reading the peer. */
static unsigned stream_check(struct stream *t)
{
	unsigned ev = sock_check(&t->sock);

	if (ev & SOCK_NEW_PEER)
		t->link.peers++;
	if (ev & SOCK_GONE)
		stream_drop_peer(t);
	else if (ev & SOCK_OUT)
		stream_flush_tail(t);
	update_out(t);
	return ev;
}

/* One read into the rest of the buffer. False where there was nothing. */
static bool stream_fill(struct stream *t)
{
	size_t rest = t->fill - t->at;
	ssize_t n;

	if (t->sock.in_fd < 0)
		return false;
	/* What is in front of it was handed out by the last call. */
	if (t->at) {
		memmove(t->buf, t->buf + t->at, rest);
		t->at = 0;
		t->fill = rest;
	}
	do
		n = read(t->sock.in_fd, t->buf + rest, BUF_LEN - rest);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		t->fill += (size_t)n;
		return true;
	}
	if (n == 0 || errno != EAGAIN)
		stream_drop_peer(t);
	return false;
}

/* New bytes from the peer, or from the next one. False where there are none now. */
static bool stream_take(struct stream *t)
{
	/* The peer first; what else woke us where it has nothing to say. */
	if (stream_fill(t))
		return true;
	return stream_check(t) & SOCK_NEW_PEER && stream_fill(t);
}

static int stream_recv(struct link *l, struct frame *ret, int max)
{
	struct stream *t = stream_of(l);
	int n = stream_speaks(t) ? stream_parse(t, ret, max) : 0;

	if (n == 0) {
		if (sock_over(&t->sock))
			return -ENETDOWN;
		if (stream_take(t) && (stream_speaks(t) || stream_greet(t)))
			n = stream_parse(t, ret, max);
	}
	stream_settle(t);
	return n;
}

static uint32_t stream_events(struct link *l, uint32_t events)
{
	struct stream *t = stream_of(l);
	uint32_t ret = 0;

	if (!t->armed && !tail_len(t))
		return EPOLLIN;
	unsigned ev = stream_check(t);
	if (ev & (SOCK_IN | SOCK_NEW_PEER) || t->sock.again)
		ret |= EPOLLIN;
	if (t->armed && (t->sock.in_fd < 0 || (ev & SOCK_OUT && !tail_len(t))))
		ret |= EPOLLOUT;
	return ret;
}

static void stream_arm(struct link *l, bool writable)
{
	struct stream *t = stream_of(l);

	t->armed = writable;
	update_out(t);
	stream_settle(t);
}

/* ---- life ---- */

static void stream_trim(struct link *l)
{
	struct stream *t = stream_of(l);

	if (t->at == t->fill && !tail_len(t))
		madvise(t->buf, ARENA_LEN, MADV_DONTNEED);
}

static void stream_free(struct link *l)
{
	struct stream *t = stream_of(l);

	sock_done(&t->sock);
	if (t->buf)
		munmap(t->buf, ARENA_LEN);
	free(t);
}

static const struct link_ops stream_ops = {
	.name = "stream",
	.recv = stream_recv,
	.send = stream_send,
	.trim = stream_trim,
	.free = stream_free,
	.events = stream_events,
	.arm = stream_arm,
};

/* Everything but the socket. NULL and err without memory. */
static struct stream *stream_new(const char *kind, unsigned prefix, const struct link_options *o,
				 struct error *err)
{
	struct stream *t = calloc(1, sizeof(*t));

	if (!t) {
		error_set(err, "%s: out of memory", kind);
		return NULL;
	}
	sock_init(&t->sock, kind, SOCK_STREAM);
	t->link.ops = &stream_ops;
	t->offload = o ? o->offload : LINK_OFFLOAD_NONE;
	t->link.caps = offload_caps(t->offload);
	t->framing = (struct framing){.prefix = prefix, .header = offload_header(t->offload)};
	t->vpnkit.mtu = o && o->mtu ? o->mtu : 1500;
	if (o)
		memcpy(t->vpnkit.mac, o->guest_mac, 6);
	t->buf = mmap(NULL, ARENA_LEN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->buf == MAP_FAILED) {
		t->buf = NULL;
		error_set_errno(err, errno, "%s: cannot map its buffer", kind);
		stream_free(&t->link);
		return NULL;
	}
	t->tail = t->buf + BUF_LEN;
	/* A huge page for a single small frame would be all that an idle gateway weighs. */
	madvise(t->buf, ARENA_LEN, MADV_NOHUGEPAGE);
	return t;
}

/* Behind the socket's set-up, which has said why where it failed. */
static struct link *stream_ready(struct stream *t, int r)
{
	if (r < 0) {
		stream_free(&t->link);
		return NULL;
	}
	t->link.fd = t->sock.epoll_fd;
	t->link.peers = t->sock.in_fd >= 0;
	return &t->link;
}

struct link *link_stream_listen(const char *path, const struct link_options *o, struct error *err)
{
	struct stream *t = stream_new("stream", 4, o, err);

	return t ? stream_ready(t, sock_listen(&t->sock, path, o ? o->mode : 0, err)) : NULL;
}

struct link *link_stream_connect(const char *path, const struct link_options *o, struct error *err)
{
	struct stream *t = stream_new("stream", 4, o, err);

	return t ? stream_ready(t, sock_connect(&t->sock, path, err)) : NULL;
}

static struct link *take_fd(struct stream *t, int fd, struct error *err)
{
	if (!t) {
		close(fd);
		return NULL;
	}
	return stream_ready(t, sock_take(&t->sock, fd, err));
}

struct link *link_stream_fd(int fd, const struct link_options *o, struct error *err)
{
	return take_fd(stream_new("stream", 4, o, err), fd, err);
}

struct link *link_stdio_new(int in, int out, const struct link_options *o, struct error *err)
{
	struct stream *t = stream_new("stdio", 2, o, err);

	if (!t) {
		close(in);
		if (out != in)
			close(out);
		return NULL;
	}
	t->pipes = true;
	return stream_ready(t, sock_take_pair(&t->sock, in, out, err));
}

static struct stream *vpnkit_new(const struct link_options *o, struct error *err)
{
	struct stream *t = stream_new("vpnkit", 2, o, err);

	if (t)
		t->vpnkit.enabled = true;
	return t;
}

struct link *link_vpnkit_listen(const char *path, const struct link_options *o, struct error *err)
{
	struct stream *t = vpnkit_new(o, err);

	return t ? stream_ready(t, sock_listen(&t->sock, path, o ? o->mode : 0, err)) : NULL;
}

struct link *link_vpnkit_fd(int fd, const struct link_options *o, struct error *err)
{
	return take_fd(vpnkit_new(o, err), fd, err);
}
