// SPDX-License-Identifier: Apache-2.0
/* The keeper's life: set up, start the command, watch, clean up. */
#include "host/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pages.h"

struct inside {
	const struct keeper_config *c;
	int sock;
	int child_fd; /* signalfd of SIGCHLD */
	int children; /* the kernel's list of its children */
	pid_t self;
	pid_t command; /* 0: not started, or over */
	struct bindkeep keep;
};

static void tell(struct inside *in, int type, int value)
{
	struct keeper_msg m = {.type = type, .value = value};

	/* A gateway that is gone shows at the next poll. */
	keeper_msg_send(in->sock, &m, -1);
}

/* In the command's process: as the caller would have started it. */
static void __attribute__((noreturn)) become_command(struct inside *in)
{
	const struct keeper_signals *s = in->c->signals;
	char *const *argv = in->c->argv;
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	/* Should somebody kill the keeper, the command goes with it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != in->self)
		_exit(125);
	for (int i = 1; i <= SIGRTMAX; i++)
		if (sigismember(&s->ignored, i) == 1)
			sigaction(i, &ignore, NULL);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
	for (const char *const *e = in->c->environment; e && *e; e++)
		putenv((char *)*e);
	execvp(argv[0], argv);
	int err = errno;
	tell(in, MSG_EXEC_FAILED, err);
	/* env(1): 127 where there is no such command, 126 where it cannot be executed. */
	_exit(err == ENOENT || err == ENOTDIR ? 127 : 126);
}

/* The keeper holds none of the caller's files open, lest a reader wait for their end. */
static void drop_files(struct inside *in)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++) {
		if (null >= 0)
			dup2(null, fd);
		else
			close(fd);
	}
	/* All between what we keep, from the front: -1 is none. */
	unsigned next = 3;
	for (;;) {
		const int kept[] = {in->sock, in->children, in->keep.mounts};
		unsigned least = ~0u;

		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			if (kept[i] >= (int)next && (unsigned)kept[i] < least)
				least = (unsigned)kept[i];
		if (least > next)
			close_range(next, least == ~0u ? least : least - 1, 0);
		if (least == ~0u)
			break;
		next = least + 1;
	}
}

static void watch_children(struct inside *in)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	in->child_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in->child_fd < 0)
		_exit(125);
}

static void start_command(struct inside *in)
{
	/* The command may mount over /proc, where it is root. */
	in->children = keeper_children_open();
	bindkeep_open(&in->keep);
	pid_t pid = fork();
	if (pid == 0)
		become_command(in);
	if (pid < 0) {
		tell(in, MSG_EXEC_FAILED, errno);
		tell(in, MSG_EXITED, 126);
		tell(in, MSG_ALL_GONE, 0);
		return;
	}
	in->command = pid;
	drop_files(in);
	watch_children(in);
	bindkeep_start(&in->keep);
}

/* Signals that a terminal sends to a process group; a command in another one is not meant. */
static bool is_terminals(int signo)
{
	return signo == SIGINT || signo == SIGQUIT || signo == SIGTSTP || signo == SIGTTIN ||
	       signo == SIGTTOU || signo == SIGWINCH;
}

/* True, and no longer pending, where the keeper was sent this signal too. */
static bool take_pending(int signo)
{
	const struct timespec now = {0};
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, signo);
	return sigtimedwait(&one, NULL, &now) == signo;
}

static void pass_signal(struct inside *in, int signo, bool by_kernel)
{
	if (signo <= 0 || signo > SIGRTMAX || signo == SIGCHLD)
		return;
	bool to_group = take_pending(signo);

	if (!in->command || (to_group && getpgid(in->command) == getpgrp()))
		return;
	if (by_kernel && is_terminals(signo))
		return;
	kill(in->command, signo);
}

static void command_over(struct inside *in, int status)
{
	in->command = 0;
	tell(in, MSG_EXITED, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	keeper_kill_descendants(in->children);
	tell(in, MSG_ALL_GONE, 0);
}

static void reap(struct inside *in)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(in->child_fd, &si, sizeof(si)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid != in->command)
			continue;
		if (WIFSTOPPED(status))
			tell(in, MSG_STOPPED, WSTOPSIG(status));
		else
			command_over(in, status);
	}
}

/* One word of the gateway's; false at its end. */
static bool obey(struct inside *in)
{
	struct keeper_msg m;

	if (keeper_msg_recv(in->sock, 0, &m, NULL) != 1)
		return false;
	if (m.type == MSG_GO && !in->command)
		start_command(in);
	else if (m.type == MSG_SIGNAL)
		pass_signal(in, m.value, m.extra);
	return true;
}

static void __attribute__((noreturn)) watch(struct inside *in)
{
	int timeout = PAGES_REST_MS;

	for (;;) {
		struct pollfd p[] = {
			{.fd = in->sock, .events = POLLIN},
			{.fd = in->child_fd, .events = POLLIN},
			{.fd = in->keep.mounts, .events = POLLPRI},
			{.fd = in->keep.replaced, .events = POLLIN},
		};
		int n = poll(p, sizeof(p) / sizeof(p[0]), timeout);

		if (n < 0 && errno != EINTR)
			break;
		if (n == 0) {
			/* At rest: of all that setting up took, little is needed again. */
			pages_forget();
			timeout = -1;
		}
		if (p[2].revents || p[3].revents)
			bindkeep_event(&in->keep);
		if (p[1].revents)
			reap(in);
		if (p[0].revents && !obey(in))
			break;
	}
	keeper_kill_descendants(in->children);
	_exit(0);
}

void keeper_inside(const struct keeper_config *c, int sock)
{
	struct inside in = {.c = c, .sock = sock, .child_fd = -1, .children = -1, .self = getpid()};
	struct keeper_msg m = {.type = MSG_LINK};
	struct error err = {0};
	enum guestif_kind kind = GUESTIF_TAP;
	struct keeper_missing missing = {0};
	bindkeep_init(&in.keep);
	int fd = keeper_set_up(c, sock, &kind, &in.keep, &missing, &err);

	if (fd < 0) {
		m.type = MSG_ERROR;
		memcpy(m.text, err.msg, sizeof(m.text));
		keeper_msg_send(sock, &m, -1);
		_exit(125);
	}
	m.value = kind;
	m.extra = (missing.resolv ? MSG_LACKS_RESOLV : 0) | (missing.bundle ? MSG_LACKS_BUNDLE : 0);
	keeper_msg_send(sock, &m, fd);
	close(fd);
	if (!c->argv)
		_exit(0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* So that who kills "weir" by its name kills the gateway, and this one cleans up. */
	prctl(PR_SET_NAME, "weir: keeper");
	/* The command may run under our uid: it shall not read or trace what sets up its cage. */
	prctl(PR_SET_DUMPABLE, 0);
	/* Nor shall it outlive the gateway because somebody has stopped this one. */
	prctl(PR_SET_PDEATHSIG, SIGCONT);
	watch(&in);
}
