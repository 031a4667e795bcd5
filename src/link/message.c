// SPDX-License-Identifier: Apache-2.0
/*
 * Links over sockets that keep messages apart: a frame is a datagram, or a sequenced packet.
 *
 * Theory of operation
 * -------------------
 * Frames are taken with recvmmsg() into slots that get their pages as they are touched, and given
 * with sendmmsg().
 *
 * A bound datagram socket learns its peer from the first datagram and answers to that address. The
 * socket itself stays unconnected, so that the next VM, which comes from another address, can be
 * heard; it takes the place of the first one once nobody is at that address any more. "VFKT", which
 * some VMMs say first, is only a greeting.
 *
 * Waiting: what a connected peer has not read yet is held against our send buffer, and the socket
 * is not writable while that is full. A peer that is not connected to us takes only a few datagrams
 * (net.unix.max_dgram_qlen) and our socket does not tell when it takes more; a socket beside it,
 * connected to that peer and never used to send, does.
 *
 * A lack of memory, a datagram that is too long for the peer, a peer that takes from somebody else:
 * each is the loss of a frame, never the end of the link.
 */
#include "link/link.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/list.h"
#include "link/framing.h"
#include "link/offload.h"
#include "link/sock.h"
#include "link/vnet.h"

/* Slots: header and frame, with the IP header on a 16-byte boundary, in whole pages. */
#define SLOT_LEAD 6
#define SLOT_LEN  69632
/* So many slots a call, which bounds what a burst of large frames touches to about 1 MiB. */
#define CALL_SLOTS  16
#define BURST_BYTES (1024 * 1024)
#define ARENA_LEN   ((size_t)LINK_BURST * SLOT_LEN)

_Static_assert(SLOT_LEAD + VNET_HLEN + FRAMING_MAX <= SLOT_LEN, "a frame fits its slot");

static const char greeting[4] = {'V', 'F', 'K', 'T'};

struct message {
	struct link link;
	struct sock sock;
	enum link_offload offload;
	bool armed;  /* the owner waits until it can send */
	bool learns; /* datagrams come from whoever sends them, and go to `peer` */
	struct sockaddr_un peer;
	socklen_t peer_len; /* 0: none learned */
	int beside;         /* connected to the peer, to wait for it; -1: not made */
	uint8_t *arena;     /* LINK_BURST slots */
};

static struct message *message_of(struct link *l)
{
	return container_of(l, struct message, link);
}

/* ---- the peer of a datagram socket ---- */

static void peer_forget(struct message *m)
{
	if (m->beside >= 0) {
		sock_out_by(&m->sock, m->sock.in_fd);
		close(m->beside);
		m->beside = -1;
	}
	m->peer_len = 0;
}

/* A socket that is connected to the peer; -1 where nobody is there, or is not for us. */
static int peer_dial(const struct message *m)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&m->peer, m->peer_len) < 0) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static bool peer_is_there(const struct message *m)
{
	int fd = peer_dial(m);

	if (fd < 0)
		return errno != ECONNREFUSED && errno != ENOENT;
	close(fd);
	return true;
}

static bool peer_is(const struct message *m, const struct sockaddr_un *a, socklen_t len)
{
	return m->peer_len && len == m->peer_len && !memcmp(a, &m->peer, len);
}

static void peer_learn(struct message *m, const struct sockaddr_un *a, socklen_t len)
{
	peer_forget(m);
	memcpy(&m->peer, a, len);
	m->peer_len = len;
	m->link.peers++;
	log_info("%s: the peer is known", m->sock.name);
}

/* A datagram from somebody else than the peer: true where that is the peer from now on. */
static bool peer_replace(struct message *m, const struct sockaddr_un *a, socklen_t len)
{
	if (len <= offsetof(struct sockaddr_un, sun_path)) {
		sock_warn(&m->sock,
			  "%s: a datagram came from a socket without an address, which "
			  "could not be answered: the other side has to bind its own",
			  m->sock.name);
		return false;
	}
	if (m->peer_len && peer_is_there(m)) {
		sock_warn(&m->sock,
			  "%s: datagrams of a second peer are dropped: the first one is "
			  "still there",
			  m->sock.name);
		return false;
	}
	peer_learn(m, a, len);
	return true;
}

/* ---- in ---- */

struct batch {
	struct mmsghdr msgs[CALL_SLOTS];
	struct iovec iov[CALL_SLOTS];
	struct sockaddr_un from[CALL_SLOTS];
};

/* One recvmmsg() into the slots from `slot` on. Messages, 0, or -errno. */
static int message_take(struct message *m, int slot, int max, struct batch *b)
{
	int n;

	for (int i = 0; i < max; i++) {
		b->iov[i] = (struct iovec){m->arena + (size_t)(slot + i) * SLOT_LEN + SLOT_LEAD,
					   offload_header(m->offload) + FRAMING_MAX};
		b->msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &b->iov[i], .msg_iovlen = 1}};
		if (m->learns) {
			b->msgs[i].msg_hdr.msg_name = &b->from[i];
			b->msgs[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		}
	}
	do
		n = recvmmsg(m->sock.in_fd, b->msgs, (unsigned)max, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	/* A datagram peer that changed its mind (ECONNRESET) may come back. */
	if (errno == EAGAIN || (errno == ECONNRESET && m->sock.type == SOCK_DGRAM))
		return 0;
	return -errno;
}

/* What came in slot i of the call. False where it is no frame for us. */
static bool message_frame(struct message *m, struct batch *b, int i, struct frame *ret)
{
	struct msghdr *h = &b->msgs[i].msg_hdr;
	uint32_t len = b->msgs[i].msg_len;
	uint8_t *wire = b->iov[i].iov_base;
	bool greets = len == sizeof(greeting) && !memcmp(wire, greeting, len);

	if (m->learns && !peer_is(m, &b->from[i], h->msg_namelen)) {
		if (!peer_replace(m, &b->from[i], h->msg_namelen)) {
			m->link.rx_dropped++;
			return false;
		}
	} else if (greets) {
		m->link.peers++; /* the same address, and another VM */
	}
	if (greets && m->sock.type == SOCK_DGRAM)
		return false;
	if (h->msg_flags & MSG_TRUNC || len < offload_header(m->offload) + ETH_HLEN ||
	    !offload_take(m->offload, wire, len, ret)) {
		m->link.rx_dropped++;
		return false;
	}
	return true;
}

static void message_settle(struct message *m)
{
	sock_again(&m->sock, sock_over(&m->sock) || (m->armed && m->sock.in_fd < 0));
}

static void message_drop_peer(struct message *m)
{
	sock_drop_peer(&m->sock);
	message_settle(m);
}

static unsigned message_check(struct message *m)
{
	unsigned ev = sock_check(&m->sock);

	if (ev & SOCK_NEW_PEER)
		m->link.peers++;
	sock_want_out(&m->sock, m->armed);
	return ev;
}

/* Takes one call's worth of messages. How many came, or -1 where there are no more for now. */
static int message_call(struct message *m, int slot, int want, struct frame *ret, int *n,
			size_t *bytes)
{
	struct batch b;
	int got = message_take(m, slot, want, &b);

	if (got < 0) {
		if (m->sock.type == SOCK_SEQPACKET)
			message_drop_peer(m);
		return -1;
	}
	for (int i = 0; i < got; i++) {
		/* Of no length: the end, or a message of no length. */
		if (b.msgs[i].msg_len == 0 && m->sock.type == SOCK_SEQPACKET &&
		    sock_hung_up(&m->sock)) {
			message_drop_peer(m);
			return -1;
		}
		*bytes += b.msgs[i].msg_len;
		if (message_frame(m, &b, i, &ret[*n]))
			(*n)++;
	}
	return got < want ? -1 : got;
}

static int message_recv(struct link *l, struct frame *ret, int max)
{
	struct message *m = message_of(l);
	size_t bytes = 0;
	int n = 0;

	if (sock_over(&m->sock))
		return -ENETDOWN;
	if (max > LINK_BURST)
		max = LINK_BURST;
	for (int slot = 0; slot < max && bytes < BURST_BYTES && m->sock.in_fd >= 0;) {
		int want = max - slot < CALL_SLOTS ? max - slot : CALL_SLOTS;

		if (message_call(m, slot, want, ret, &n, &bytes) < 0)
			break;
		slot += want;
	}
	if (n == 0)
		message_check(m);
	message_settle(m);
	return n;
}

/* ---- out ---- */

/* The socket takes nothing now: who will tell when it does? False where nobody would. */
static bool message_wait(struct message *m)
{
	struct pollfd p = {.fd = m->sock.in_fd, .events = POLLOUT};

	if (!m->learns || poll(&p, 1, 0) == 0) {
		sock_out_by(&m->sock, m->sock.in_fd);
		return true;
	}
	if (m->beside < 0) {
		m->beside = peer_dial(m);
		if (m->beside < 0)
			return false;
		if (sock_watch_out(&m->sock, m->beside) < 0) {
			close(m->beside);
			m->beside = -1;
			return false;
		}
	}
	sock_out_by(&m->sock, m->beside);
	return true;
}

enum refusal {
	REFUSED_NOW,   /* wait */
	REFUSED_FRAME, /* this one is lost */
	REFUSED_PEER,  /* there is nobody any more */
};

static enum refusal message_refused(struct message *m, int err)
{
	switch (err) {
	case EAGAIN:
		return message_wait(m) ? REFUSED_NOW : REFUSED_FRAME;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
	case ECONNREFUSED:
	case ENOENT:
		return REFUSED_PEER;
	default:
		/* ENOBUFS, ENOMEM: nobody tells when that is over. EMSGSIZE: over the buffer.
		 * EPERM: the peer takes from somebody else. */
		return REFUSED_FRAME;
	}
}

static int message_lose(struct message *m, int n)
{
	m->link.tx_dropped += (uint64_t)n;
	return n;
}

/* The peer has gone, and the rest of a burst with it. */
static int message_peer_gone(struct message *m, int sent, int n)
{
	if (m->learns)
		peer_forget(m);
	else
		message_drop_peer(m);
	if (sock_over(&m->sock))
		return sent ? sent : -ENETDOWN;
	return sent + message_lose(m, n - sent);
}

static int message_send_all(struct message *m, struct mmsghdr *msgs, int n)
{
	int sent = 0;

	while (sent < n) {
		int k = sendmmsg(m->sock.in_fd, msgs + sent, (unsigned)(n - sent),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k > 0) {
			sent += k;
			continue;
		}
		if (errno == EINTR)
			continue;
		switch (message_refused(m, errno)) {
		case REFUSED_NOW:
			return sent ? sent : -EAGAIN;
		case REFUSED_FRAME:
			sent += message_lose(m, 1);
			break;
		case REFUSED_PEER:
			return message_peer_gone(m, sent, n);
		}
	}
	return sent;
}

static int message_send(struct link *l, struct frame *frames, int n)
{
	struct message *m = message_of(l);
	struct mmsghdr msgs[LINK_BURST];
	struct iovec iov[LINK_BURST];
	unsigned header = offload_header(m->offload);
	int k = 0;

	if (sock_over(&m->sock))
		return -ENETDOWN;
	if (n > LINK_BURST)
		n = LINK_BURST;
	if (m->sock.in_fd < 0 || (m->learns && !m->peer_len))
		return message_lose(m, n);
	for (; k < n; k++) {
		if (!offload_put(m->offload, &frames[k], FRAMING_MAX))
			break;
		iov[k] = (struct iovec){frames[k].data - header, header + frames[k].len};
		msgs[k] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[k], .msg_iovlen = 1}};
		if (m->learns) {
			msgs[k].msg_hdr.msg_name = &m->peer;
			msgs[k].msg_hdr.msg_namelen = m->peer_len;
		}
	}
	if (k == 0)
		return message_lose(m, 1);
	return message_send_all(m, msgs, k);
}

static uint32_t message_events(struct link *l, uint32_t events)
{
	struct message *m = message_of(l);
	uint32_t ret = 0;

	if (!m->armed)
		return EPOLLIN;
	unsigned ev = message_check(m);
	if (ev & (SOCK_IN | SOCK_NEW_PEER) || m->sock.again)
		ret |= EPOLLIN;
	if (m->sock.in_fd < 0 || ev & SOCK_OUT)
		ret |= EPOLLOUT;
	return ret;
}

static void message_arm(struct link *l, bool writable)
{
	struct message *m = message_of(l);

	m->armed = writable;
	sock_want_out(&m->sock, writable);
	message_settle(m);
}

/* ---- life ---- */

static void message_trim(struct link *l)
{
	madvise(message_of(l)->arena, ARENA_LEN, MADV_DONTNEED);
}

static void message_free(struct link *l)
{
	struct message *m = message_of(l);

	peer_forget(m);
	sock_done(&m->sock);
	if (m->arena)
		munmap(m->arena, ARENA_LEN);
	free(m);
}

static const struct link_ops dgram_ops = {
	.name = "dgram",
	.recv = message_recv,
	.send = message_send,
	.trim = message_trim,
	.free = message_free,
	.events = message_events,
	.arm = message_arm,
};

static const struct link_ops seqpacket_ops = {
	.name = "seqpacket",
	.recv = message_recv,
	.send = message_send,
	.trim = message_trim,
	.free = message_free,
	.events = message_events,
	.arm = message_arm,
};

/* Everything but the socket. NULL and err without memory. */
static struct message *message_new(const struct link_ops *ops, int type,
				   const struct link_options *o, struct error *err)
{
	struct message *m = calloc(1, sizeof(*m));

	if (!m) {
		error_set(err, "%s: out of memory", ops->name);
		return NULL;
	}
	sock_init(&m->sock, ops->name, type);
	m->beside = -1;
	m->link.ops = ops;
	m->offload = o ? o->offload : LINK_OFFLOAD_NONE;
	m->link.caps = offload_caps(m->offload);
	m->arena = mmap(NULL, ARENA_LEN, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->arena == MAP_FAILED) {
		m->arena = NULL;
		error_set_errno(err, errno, "%s: cannot map its buffer", ops->name);
		message_free(&m->link);
		return NULL;
	}
	madvise(m->arena, ARENA_LEN, MADV_NOHUGEPAGE);
	return m;
}

/* Behind the socket's set-up, which has said why where it failed. */
static struct link *message_ready(struct message *m, int r)
{
	struct sockaddr_un a;
	socklen_t n = sizeof(a);

	if (r < 0) {
		message_free(&m->link);
		return NULL;
	}
	m->link.fd = m->sock.epoll_fd;
	if (m->sock.type == SOCK_DGRAM)
		m->learns = getpeername(m->sock.in_fd, (struct sockaddr *)&a, &n) < 0;
	m->link.peers = m->sock.in_fd >= 0 && !m->learns;
	return &m->link;
}

static struct link *message_listen(const struct link_ops *ops, int type, const char *path,
				   const struct link_options *o, struct error *err)
{
	struct message *m = message_new(ops, type, o, err);

	return m ? message_ready(m, sock_listen(&m->sock, path, o ? o->mode : 0, err)) : NULL;
}

static struct link *message_fd(const struct link_ops *ops, int type, int fd,
			       const struct link_options *o, struct error *err)
{
	struct message *m = message_new(ops, type, o, err);

	if (!m) {
		close(fd);
		return NULL;
	}
	return message_ready(m, sock_take(&m->sock, fd, err));
}

struct link *link_dgram_bind(const char *path, const struct link_options *o, struct error *err)
{
	return message_listen(&dgram_ops, SOCK_DGRAM, path, o, err);
}

struct link *link_dgram_fd(int fd, const struct link_options *o, struct error *err)
{
	return message_fd(&dgram_ops, SOCK_DGRAM, fd, o, err);
}

struct link *link_seqpacket_listen(const char *path, const struct link_options *o,
				   struct error *err)
{
	return message_listen(&seqpacket_ops, SOCK_SEQPACKET, path, o, err);
}

struct link *link_seqpacket_fd(int fd, const struct link_options *o, struct error *err)
{
	return message_fd(&seqpacket_ops, SOCK_SEQPACKET, fd, o, err);
}
