// SPDX-License-Identifier: Apache-2.0
/*
 * The command table of the load generator, and the two commands that load nothing: `hold`, the
 * program that keeps a guest's namespace alive, and `spawn`, which times how long a command takes
 * from start to exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

extern char **environ;

static const struct {
	const char *name;
	int args; /* fewest */
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{"serve", 0, cmd_serve, ""},
	{"hold", 1, cmd_hold, "TOKEN"},
	{"probe", 1, cmd_probe, "ADDR"},
	{"pump-out", 2, cmd_pump_out, "ADDR SECONDS"},
	{"pump-in", 2, cmd_pump_in, "ADDR SECONDS"},
	{"rr", 2, cmd_rr, "ADDR SECONDS"},
	{"crr", 2, cmd_crr, "ADDR SECONDS"},
	{"greet", 2, cmd_greet, "ADDR SECONDS"},
	{"reopen", 2, cmd_reopen, "ADDR COUNT"},
	{"idle", 2, cmd_idle, "ADDR COUNT"},
	{"udp-rr", 3, cmd_udp_rr, "ADDR SECONDS BYTES"},
	{"udp-out", 3, cmd_udp_out, "ADDR SECONDS BYTES"},
	{"udp-in", 3, cmd_udp_in, "ADDR SECONDS BYTES"},
	{"spawn", 2, cmd_spawn, "COUNT COMMAND..."},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

int cmd_hold(int argc, char **argv)
{
	/* The token is only there to be found in the list of processes. */
	(void)argc;
	(void)argv;
	for (;;)
		pause();
}

int cmd_spawn(int argc, char **argv)
{
	long count = strtol(argv[0], NULL, 10);
	posix_spawn_file_actions_t quiet;
	posix_spawnattr_t attr;
	sigset_t pipe_signal;
	struct samples s = {0};
	unsigned failed = 0;

	(void)argc;
	/* The command is to find SIGPIPE as a shell leaves it: pasta refuses to start where it is
	 * ignored. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &pipe_signal);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&quiet);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", fd ? O_WRONLY : O_RDONLY,
						 0);
	for (long i = 0; i < count; i++) {
		uint64_t t0 = now_ns();
		pid_t pid;
		int status;

		errno = posix_spawnp(&pid, argv[1], &quiet, &attr, argv + 1, environ);
		if (errno)
			die("cannot start %s: %s", argv[1], strerror(errno));
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		samples_add(&s, now_ns() - t0);
		failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	}
	printf("{\"n\":%zu,\"failed\":%u,", s.n, failed);
	samples_print(&s, "");
	printf("}\n");
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < N_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) != 0 || argc - 2 < commands[i].args)
			continue;
		return commands[i].run(argc - 2, argv + 2);
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(stderr, "%s load %s %s\n", i ? "      " : "usage:", commands[i].name,
			commands[i].usage);
	return 2;
}
