// SPDX-License-Identifier: Apache-2.0
/*
 * The socket under a link: where its peer comes from, and what happens when it goes.
 *
 * Theory of operation
 * -------------------
 * A link over a connection changes its file descriptor during its life: first there is a listener,
 * then a peer, then the listener again. Who waits for the link sees one number all the time, an
 * epoll instance that holds whatever there is now; it is readable as soon as one of them has
 * something (epoll(7) nests). Nobody has to ask that instance on the fast path: a link reads its
 * peer first, and looks at the rest (sock_check) only where there was nothing to read.
 *
 * Roles: a listener takes one peer at a time and waits for the next one when that leaves; a second
 * one is turned away while the first is there. A connecting socket tries again, from 0.1 s to 5 s
 * apart, once its peer was lost. A given connection ends with its peer, and the link with it.
 *
 * A timer in the same epoll instance serves two ends: what has to be tried again later, and frames
 * that lie in the link's buffer while their socket is empty (sock_again).
 *
 * Trust: whoever can open the socket is the VMM of this sandbox; the mode of the file (0600 unless
 * said otherwise) decides who can. What it sends is a guest's.
 */
#ifndef WEIR_LINK_SOCK_H
#define WEIR_LINK_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/log.h"

#define SOCK_NAME_MAX 160

enum sock_role {
	SOCK_LISTENS,
	SOCK_CONNECTS,
	SOCK_GIVEN, /* a connection, or a pair of pipes, that somebody else made */
};

struct sock {
	enum sock_role role;
	int type;     /* SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET */
	int epoll_fd; /* the link's fd. A link may add fds of its own, with data.u32 from 256 on,
			 edge-triggered: sock_check() takes such events and passes them over */
	int timer_fd;
	int listen_fd; /* -1: none */
	int in_fd;     /* the peer; -1: there is none */
	int out_fd;    /* the same, but for a pair of pipes; what SOCK_OUT is about */
	bool want_out; /* the epoll instance waits for out_fd to take something, too */
	bool again;    /* it is readable until sock_again(false) */
	bool retry;    /* the timer runs until something is tried again */
	uint32_t retry_ms;
	bool bound; /* path is a file of ours, to be removed; dev and ino say which one */
	dev_t dev;
	ino_t ino;
	struct sockaddr_un addr; /* of the path, where there is one */
	socklen_t addr_len;
	struct log_limit log;     /* of what the peer can cause */
	char name[SOCK_NAME_MAX]; /* for people: "stream /run/vm.sock", "stream fd 5" */
};

/* All: 0, or -1 and err; after sock_init(), sock_done() is always allowed. */
void sock_init(struct sock *s, const char *kind, int type);
/* A socket file that nobody serves is replaced, one in use is an error. For SOCK_DGRAM the bound
 * socket itself is in_fd, for other types there is no peer yet. */
int sock_listen(struct sock *s, const char *path, unsigned mode, struct error *err);
int sock_connect(struct sock *s, const char *path, struct error *err);
/* Takes over fd: a connection, or a listener. */
int sock_take(struct sock *s, int fd, struct error *err);
/* Takes over both, which are pipes, sockets or terminals. */
int sock_take_pair(struct sock *s, int in, int out, struct error *err);
void sock_done(struct sock *s);

enum sock_events {
	SOCK_IN = 1 << 0,       /* the peer has something, or has gone */
	SOCK_OUT = 1 << 1,      /* the peer takes something (where asked for) */
	SOCK_NEW_PEER = 1 << 2, /* there is one now, and was none before */
	SOCK_GONE = 1 << 3,     /* nobody reads what goes into out_fd any more */
};
/* Looks at everything but the peer's bytes: lets a peer in, turns others away, tries again.
 * enum sock_events. */
unsigned sock_check(struct sock *s);
/* The peer is gone, or is to go. What comes next depends on the role. */
void sock_drop_peer(struct sock *s);
/* Whether sock_check() and a wake-up are to tell SOCK_OUT. */
void sock_want_out(struct sock *s, bool on);
/* SOCK_OUT is about this fd from now on: in_fd, or one that is watched already. */
void sock_out_by(struct sock *s, int fd);
/* Has an fd of the link's own watched, for sock_out_by(). 0 or -errno. */
int sock_watch_out(struct sock *s, int fd);
/* The peer has ended its side, whatever is left to read. */
bool sock_hung_up(const struct sock *s);
/* Whether to wake up at once whatever the sockets say. */
void sock_again(struct sock *s, bool on);

/* Without a peer and without the hope of another one. */
static inline bool sock_over(const struct sock *s)
{
	return s->in_fd < 0 && s->role == SOCK_GIVEN;
}

/* A warning about the peer, one a second for each link. */
#define sock_warn(s, ...) log_line_limited(&(s)->log, LOG_WARNING, __VA_ARGS__)

#endif
