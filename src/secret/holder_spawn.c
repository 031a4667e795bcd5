// SPDX-License-Identifier: Apache-2.0
/*
 * Starting processes by posix_spawn(): it may be called where threads run, and copies no memory.
 *
 * Which program to start: weir itself says that it is one (holder_is_this_program()), and is found
 * as /proc/self/exe, which is the very file that runs, whatever has been put in its place since. A
 * program that uses the library is not weir: it gets what WEIR_HOLDER names, or the weir that was
 * installed with the library. Whoever sets the environment of that program chooses what it runs
 * anyway; where he does not (AT_SECURE) the variable is not read.
 */
#include "secret/holder_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "secret/holder.h"

extern const char holder_program[]; /* where weir is installed */

static bool self;

void holder_is_this_program(void)
{
	self = true;
}

static const char *program(void)
{
	const char *p = secure_getenv("WEIR_HOLDER");

	if (self)
		return "/proc/self/exe";
	return p && *p == '/' ? p : holder_program;
}

static int prepare(posix_spawnattr_t *attr, posix_spawn_file_actions_t *fa, int in, int out,
		   int as_fd3)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	r = posix_spawnattr_setsigmask(attr, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attr, &all);
	if (!r)
		r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
							   POSIX_SPAWN_SETSIGDEF);
	if (!r && in >= 0)
		r = posix_spawn_file_actions_adddup2(fa, in, STDIN_FILENO);
	if (!r && out >= 0)
		r = posix_spawn_file_actions_adddup2(fa, out, STDOUT_FILENO);
	if (!r && as_fd3 >= 0)
		r = posix_spawn_file_actions_adddup2(fa, as_fd3, HOLDER_FD);
	return r;
}

int holder_spawn_program(const char *path, char *const *argv, int in, int out, int as_fd3,
			 pid_t *ret)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int r = posix_spawnattr_init(&attr);

	if (r)
		return r;
	r = posix_spawn_file_actions_init(&fa);
	if (!r) {
		r = prepare(&attr, &fa, in, out, as_fd3);
		if (!r)
			r = posix_spawn(ret, path, &fa, &attr, argv, environ);
		posix_spawn_file_actions_destroy(&fa);
	}
	posix_spawnattr_destroy(&attr);
	return r;
}

int holder_spawn(int fd, pid_t *ret, struct error *err)
{
	char name[] = "weir", command[] = "keyholder";
	char *argv[] = {name, command, NULL};
	const char *path = program();
	int r = holder_spawn_program(path, argv, -1, -1, fd, ret);

	if (r)
		return error_set_errno(err, r, "cannot start the key holder (%s)", path);
	return 0;
}
