// SPDX-License-Identifier: Apache-2.0
/*
 * `weir version`: the version, and which of the ways that weir can use are open on this host.
 * Everything is found out by trying it, without leaving a trace; nothing here can fail.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Linux has SO_PEEK_OFF for TCP since 6.9; without it, weir keeps a cursor of its own. */
static bool tcp_peek_off(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), zero = 0;

	if (fd < 0)
		return false;
	bool ok = setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) == 0;
	close(fd);
	return ok;
}

/* 0, or the errno with which making a user and a network namespace fails, tried in a child process.
 */
static int namespaces_errno(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ? errno & 0xff : 0);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static void tap_print(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("  tap link        no (/dev/net/tun: %s)\n", strerror(errno));
		return;
	}
	close(fd);
	puts("  tap link        yes");
}

int cmd_version(int argc, char **argv)
{
	struct utsname u;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return cmd_help(2, (char *[]){"help", "version", NULL});
	if (cli_no_more("version", argc, argv, 1) < 0)
		return CLI_EXIT_FAILURE;
	printf("weir %s\n", WEIR_VERSION);
	if (uname(&u) == 0)
		printf("  kernel          %s %s %s\n", u.sysname, u.release, u.machine);
	int why = namespaces_errno();
	if (why)
		printf("  namespaces      no (user and network namespace: %s)\n", strerror(why));
	else
		puts("  namespaces      yes");
	tap_print();
	printf("  packet link     %s\n", why ? "no (needs namespaces)" : "yes");
	printf("  TCP peek offset IPv4 %s, IPv6 %s\n", tcp_peek_off(AF_INET) ? "yes" : "no",
	       tcp_peek_off(AF_INET6) ? "yes" : "no");
	return 0;
}
