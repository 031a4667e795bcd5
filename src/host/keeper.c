// SPDX-License-Identifier: Apache-2.0
/* The gateway's side of the keeper: starting it, and talking to it. */
#include "host/keeper_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "host/idmap.h"
#include "host/ns.h"

int keeper_msg_send(int sock, const struct keeper_msg *m, int fd)
{
	return fdpass_send(sock, m, sizeof(*m), fd);
}

int keeper_msg_recv(int sock, int flags, struct keeper_msg *ret, int *ret_fd)
{
	struct iovec iov = {ret, sizeof(*ret)};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (ret_fd) {
		msg.msg_control = ctl.buf;
		msg.msg_controllen = sizeof(ctl.buf);
		*ret_fd = -1;
	}
	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	struct cmsghdr *c = ret_fd ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	if (n != sizeof(*ret))
		return -EBADMSG;
	ret->text[sizeof(ret->text) - 1] = '\0';
	return 1;
}

/* Signals that a fault of the process itself raises: to block them would hide the fault. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

void keeper_signals_take(struct keeper_signals *s)
{
	sigfillset(&s->passed);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&s->passed, faults[i]);
	sigemptyset(&s->ignored);
	sigprocmask(SIG_BLOCK, &s->passed, &s->mask);
	for (int i = 1; i <= SIGRTMAX; i++) {
		struct sigaction now, dfl = {.sa_handler = SIG_DFL};

		/* An ignored signal would vanish here; the command may want it all the same. */
		if (sigismember(&s->passed, i) == 1 && sigaction(i, NULL, &now) == 0 &&
		    now.sa_handler == SIG_IGN && sigaction(i, &dfl, NULL) == 0)
			sigaddset(&s->ignored, i);
	}
}

/* The keeper's word up to the point where the link is there. */
static int await_link(struct keeper *k, struct error *err)
{
	struct keeper_msg m;
	int fd = -1;

	for (;;) {
		int r = keeper_msg_recv(k->fd, 0, &m, &fd);

		if (r <= 0)
			return error_set(err, "the sandbox could not be set up: its first process "
					      "ended early");
		switch (m.type) {
		case MSG_MAP_ME:
			if (idmap_write_all(k->pid, err) < 0)
				return -1;
			keeper_msg_send(k->fd, &(struct keeper_msg){.type = MSG_MAPPED}, -1);
			break;
		case MSG_LINK:
			if (fd < 0)
				return error_set(err, "the sandbox's interface came without a file "
						      "descriptor (RLIMIT_NOFILE?)");
			k->link_fd = fd;
			k->link_kind = m.value == GUESTIF_TAP ? GUESTIF_TAP : GUESTIF_PACKET;
			k->resolv_missing = m.extra & MSG_LACKS_RESOLV ? "/etc/resolv.conf" : NULL;
			k->bundle_missing = m.extra & MSG_LACKS_BUNDLE;
			return 0;
		case MSG_ERROR:
			return error_set(err, "%s", m.text);
		default:
			return error_set(err, "the sandbox's first process made no sense");
		}
	}
}

int keeper_start(struct keeper *k, const struct keeper_config *c, struct error *err)
{
	int pair[2];

	*k = (struct keeper){.fd = -1, .link_fd = -1, .adopts = c->adopt && c->argv};
	if (ns_check_proc(err) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, errno, "cannot make a socket pair");
	/* What the keeper would see to is ours where somebody kills the keeper. */
	if (k->adopts)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	k->pid = fork();
	if (k->pid == 0) {
		close(pair[0]);
		keeper_inside(c, pair[1]);
	}
	close(pair[1]);
	k->fd = pair[0];
	if (k->pid < 0) {
		error_set_errno(err, errno, "cannot fork");
		close(k->fd);
		return -1;
	}
	if (await_link(k, err) < 0) {
		keeper_done(k);
		return -1;
	}
	return 0;
}

int keeper_go(struct keeper *k)
{
	return keeper_msg_send(k->fd, &(struct keeper_msg){.type = MSG_GO}, -1);
}

void keeper_signal(struct keeper *k, int signo, bool by_kernel)
{
	struct keeper_msg m = {.type = MSG_SIGNAL, .value = signo, .extra = by_kernel};

	keeper_msg_send(k->fd, &m, -1);
}

/* Linux 5.3; before, it is waited for however long it takes. */
static bool ends_in_time(pid_t pid)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};

	if (p.fd < 0)
		return true;
	int n = poll(&p, 1, KEEPER_END_MS);
	close(p.fd);
	return n != 0;
}

void keeper_done(struct keeper *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	/* Somebody may have stopped it, or sent it where it waits for ever. */
	kill(k->pid, SIGCONT);
	if (k->adopts && !ends_in_time(k->pid))
		kill(k->pid, SIGKILL);
	while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void keeper_next(struct keeper *k, struct keeper_event *ret)
{
	struct keeper_msg m;
	int r = keeper_msg_recv(k->fd, MSG_DONTWAIT, &m, NULL);

	*ret = (struct keeper_event){KEEPER_NONE, 0};
	if (r == -EAGAIN || r == -EBADMSG)
		return;
	if (r <= 0) {
		ret->type = KEEPER_LOST;
		return;
	}
	ret->value = m.value;
	switch (m.type) {
	case MSG_STOPPED:
		ret->type = KEEPER_STOPPED;
		break;
	case MSG_EXEC_FAILED:
		ret->type = KEEPER_EXEC_FAILED;
		break;
	case MSG_EXITED:
		ret->type = KEEPER_EXITED;
		ret->value &= 0xff;
		break;
	case MSG_ALL_GONE:
		ret->type = KEEPER_ALL_GONE;
		break;
	default:
		break;
	}
}
