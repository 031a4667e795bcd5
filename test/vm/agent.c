// SPDX-License-Identifier: Apache-2.0
/*
 * The test's hand inside a virtual machine: runs shell commands that the host sends over a
 * virtio-serial port, several at once, and sends back what they print and how they end.
 *
 * Theory of operation
 * -------------------
 * Each message is a line, `WORD ID LENGTH`, and LENGTH bytes. From the host: `run` (the bytes are
 * a command for sh) and `kill` (its process group gets SIGKILL). To the host: `out` (a piece of
 * the command's output, standard error included) and `end` (the bytes are the exit status; 128+N
 * for signal N). A command has ended when its process has ended and all that it wrote before is
 * read; what it leaves running in the background need not close the pipe.
 *
 * This is the host's own program in the host's own guest: nothing here distrusts anybody. A host
 * that goes away leaves the agent waiting; a message that makes no sense ends it, and the machine.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX    16
#define COMMAND_MAX 65536

struct job {
	int id;
	pid_t pid; /* 0: the place is free */
	int fd;
};

static struct job jobs[JOBS_MAX];
static int port;

static void all(ssize_t (*move)(int, void *, size_t), void *buf, size_t len)
{
	for (char *p = buf; len;) {
		ssize_t n = move(port, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err(1, "port");
		if (n == 0) /* nobody has the other end open just now */
			usleep(10000);
		p += n;
		len -= (size_t)n;
	}
}

static ssize_t put(int fd, void *buf, size_t len)
{
	return write(fd, buf, len);
}

static void say(const char *word, int id, const char *data, size_t len)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "%s %d %zu\n", word, id, len);

	all(put, head, (size_t)n);
	all(put, (void *)data, len);
}

static struct job *job_find(int id)
{
	for (struct job *j = jobs; j < jobs + JOBS_MAX; j++) {
		if (j->pid && j->id == id)
			return j;
	}
	return NULL;
}

static void job_start(int id, const char *command)
{
	struct job *j = jobs;
	sigset_t none;
	int p[2];

	while (j < jobs + JOBS_MAX && j->pid)
		j++;
	if (j == jobs + JOBS_MAX || pipe2(p, O_CLOEXEC)) {
		say("end", id, "126", 3);
		return;
	}
	j->id = id;
	j->fd = p[0];
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	j->pid = fork();
	if (j->pid)
		goto parent;
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close(0);
	open("/dev/null", O_RDONLY);
	dup2(p[1], 1);
	dup2(p[1], 2);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
parent:
	close(p[1]);
	if (j->pid < 0) {
		j->pid = 0;
		close(j->fd);
		say("end", id, "126", 3);
	}
}

static void job_output(struct job *j)
{
	char buf[16384];

	for (;;) {
		ssize_t n = read(j->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) { /* closed; its process may go on */
			close(j->fd);
			j->fd = -1;
			return;
		}
		say("out", j->id, buf, (size_t)n);
	}
}

static void jobs_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (struct job *j = jobs; j < jobs + JOBS_MAX; j++) {
			char text[16];

			if (j->pid != pid)
				continue;
			if (j->fd >= 0)
				job_output(j);
			if (j->fd >= 0)
				close(j->fd);
			snprintf(text, sizeof(text), "%d",
				 WIFSIGNALED(status) ? 128 + WTERMSIG(status)
						     : WEXITSTATUS(status));
			j->pid = 0;
			say("end", j->id, text, strlen(text));
		}
	}
}

static void message(void)
{
	static char data[COMMAND_MAX + 1];
	char line[64], word[16];
	size_t n = 0, len;
	int id;

	do {
		if (n == sizeof(line) - 1)
			errx(1, "a line too long");
		all(read, line + n, 1);
	} while (line[n++] != '\n');
	line[n] = 0;
	if (sscanf(line, "%15s %d %zu", word, &id, &len) != 3 || len > COMMAND_MAX)
		errx(1, "not a message: %s", line);
	all(read, data, len);
	data[len] = 0;
	if (!strcmp(word, "run")) {
		job_start(id, data);
	} else {
		struct job *j = job_find(id);

		if (j)
			kill(-j->pid, SIGKILL);
	}
}

static void on_child(int sig)
{
	(void)sig; /* only to end ppoll() */
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_child};
	sigset_t child, none;

	if (argc != 2)
		errx(2, "usage: agent PORT");
	port = open(argv[1], O_RDWR | O_CLOEXEC);
	if (port < 0)
		err(1, "%s", argv[1]);
	sigemptyset(&none);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	sigaction(SIGCHLD, &act, NULL);
	say("end", 0, "0", 1); /* here we are */

	for (;;) {
		struct pollfd p[JOBS_MAX + 1] = {{.fd = port, .events = POLLIN}};

		for (int i = 0; i < JOBS_MAX; i++)
			p[i + 1] = (struct pollfd){.fd = jobs[i].pid ? jobs[i].fd : -1,
						   .events = POLLIN};
		if (ppoll(p, JOBS_MAX + 1, NULL, &none) < 0 && errno != EINTR)
			err(1, "poll");
		jobs_reap();
		if (p[0].revents & POLLHUP)
			usleep(10000);
		for (int i = 0; i < JOBS_MAX; i++) {
			if (p[i + 1].revents && jobs[i].pid && jobs[i].fd == p[i + 1].fd)
				job_output(&jobs[i]);
		}
		if (p[0].revents & POLLIN)
			message();
	}
}
