// SPDX-License-Identifier: Apache-2.0
/*
 * Processes that give a value: commands, and fetchers of tokens.
 *
 * What such a process writes is read as it comes; when the process has ended, that is the answer,
 * whether something that it left behind holds the pipe or not. A command that has not ended after
 * VAULT_JOB_US is killed, with all of its session's process group.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secret/holder_spawn.h"
#include "secret/vault.h"

#define OUT_MAX (HOLDER_DATAGRAM_MAX) /* of a fetcher; a value is shorter */

struct vault_job {
	struct vault *v;
	pid_t pid;
	int pidfd;
	struct loop_source ended, readable;
	struct timer timer;
	struct secret_buf out;
	bool fetches; /* else a command */
	bool too_late;
	vault_job_fn *done;
	void *arg;
};

static void job_free(struct vault_job *j)
{
	timer_cancel(&j->v->loop.wheel, &j->timer);
	int fd = j->readable.fd;
	loop_del(&j->v->loop, &j->readable);
	if (fd >= 0)
		close(fd);
	loop_del(&j->v->loop, &j->ended);
	if (j->pidfd >= 0)
		close(j->pidfd);
	secret_buf_done(&j->out);
	free(j);
}

/* > 0: there may be more. */
static ssize_t read_some(struct vault_job *j)
{
	size_t cap;
	/* A datagram has to fit at once. */
	uint8_t *to = j->out.len <= OUT_MAX
			      ? secret_buf_room(&j->out, j->fetches ? OUT_MAX : 4096, &cap)
			      : NULL;
	ssize_t n;

	if (!to || j->readable.fd < 0)
		return 0;
	do
		n = read(j->readable.fd, to, cap);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		j->out.len += (size_t)n;
	return n;
}

static void on_readable(struct loop_source *src, uint32_t events)
{
	struct vault_job *j = container_of(src, struct vault_job, readable);
	int fd = src->fd;

	if (read_some(j) > 0)
		return;
	/* The end of it, or too much: that the process ends tells the rest. */
	loop_del(&j->v->loop, src);
	close(fd);
}

static void describe(const struct vault_job *j, int status, struct error *err)
{
	const char *what = j->fetches ? "the process that fetches its token" : "its command";

	if (j->too_late)
		error_set(err, "%s has not ended after %u s", what,
			  (unsigned)(VAULT_JOB_US / 1000000));
	else if (WIFSIGNALED(status))
		error_set(err, "%s was ended by signal %d", what, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		error_set(err, "%s failed with status %d", what, WEXITSTATUS(status));
}

static void on_ended(struct loop_source *src, uint32_t events)
{
	struct vault_job *j = container_of(src, struct vault_job, ended);
	struct error err = {""};
	int status = 0;

	if (waitpid(j->pid, &status, WNOHANG) == 0)
		return;
	while (read_some(j) > 0)
		;
	describe(j, status, &err);
	struct view out = j->out.len ? secret_buf_view(&j->out) : view_make(NULL, 0);
	j->done(j->arg, out, err.msg[0] ? err.msg : NULL);
	job_free(j);
}

static void on_late(struct timer *t)
{
	struct vault_job *j = container_of(t, struct vault_job, timer);

	j->too_late = true;
	/* The group is its session's: the process was made the leader of one. */
	kill(-j->pid, SIGKILL);
	kill(j->pid, SIGKILL);
}

/* Watches a process that was started; the job owns fd. */
static int watch(struct vault_job *j, int fd, struct error *err)
{
	int r;

	j->pidfd = (int)syscall(SYS_pidfd_open, j->pid, 0);
	if (j->pidfd < 0)
		return error_set_errno(err, errno, "cannot watch a process");
	r = loop_add(&j->v->loop, &j->ended, j->pidfd, EPOLLIN);
	if (r == 0)
		r = loop_add(&j->v->loop, &j->readable, fd, EPOLLIN);
	if (r < 0)
		return error_set_errno(err, r, "cannot watch a process");
	timer_set(&j->v->loop.wheel, &j->timer, clock_now_us() + VAULT_JOB_US);
	return 0;
}

static struct vault_job *job_new(struct vault *v, bool fetches, vault_job_fn *done, void *arg)
{
	struct vault_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->v = v;
	j->pidfd = j->ended.fd = j->readable.fd = -1;
	j->ended.fn = on_ended;
	j->readable.fn = on_readable;
	j->fetches = fetches;
	j->done = done;
	j->arg = arg;
	timer_init(&j->timer, on_late);
	return j;
}

/* The process was started, or r says why not; closes `theirs`. */
static struct vault_job *started(struct vault_job *j, int r, int ours, int theirs,
				 struct error *err)
{
	close(theirs);
	if (r == 0) {
		fcntl(ours, F_SETFL, O_NONBLOCK);
		if (watch(j, ours, err) == 0)
			return j;
		kill(-j->pid, SIGKILL);
		while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (j->readable.fd < 0)
		close(ours);
	job_free(j);
	return NULL;
}

struct vault_job *vault_job_command(struct vault *v, const char *command, vault_job_fn *done,
				    void *arg, struct error *err)
{
	struct vault_job *j = job_new(v, false, done, arg);
	char sh[] = "sh", dash_c[] = "-c";
	char *argv[] = {sh, dash_c, (char *)(uintptr_t)command, NULL};
	int pipe_fd[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (!j || null < 0 || pipe2(pipe_fd, O_CLOEXEC) < 0) {
		error_set_errno(err, errno, "cannot run its command");
		if (null >= 0)
			close(null);
		free(j);
		return NULL;
	}
	int r = holder_spawn_program("/bin/sh", argv, null, pipe_fd[1], -1, &j->pid);
	close(null);
	if (r)
		error_set_errno(err, r, "cannot run its command");
	return started(j, r, pipe_fd[0], pipe_fd[1], err);
}

struct vault_job *vault_job_fetch(struct vault *v, struct view message, vault_job_fn *done,
				  void *arg, struct error *err)
{
	struct vault_job *j = job_new(v, true, done, arg);
	int pair[2];

	if (!j || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		error_set_errno(err, errno, "cannot fetch a token");
		free(j);
		return NULL;
	}
	int r = holder_spawn(pair[1], &j->pid, err);
	if (r == 0 && send(pair[0], message.p, message.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		r = error_set_errno(err, errno, "cannot talk to the process that fetches a token");
		kill(j->pid, SIGKILL);
		while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return started(j, r, pair[0], pair[1], err);
}

void vault_job_cancel(struct vault_job *j)
{
	if (!j)
		return;
	kill(-j->pid, SIGKILL);
	kill(j->pid, SIGKILL);
	while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
		;
	job_free(j);
}
