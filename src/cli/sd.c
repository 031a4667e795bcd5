// SPDX-License-Identifier: Apache-2.0
/* Notices to the service manager, and the descriptors that it hands over. */
#include "cli/sd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

#define FDS_MAX 65536 /* as many as there can be sandboxes */

void sd_notify_send(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(a.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(a.sun_path, path, n);
	if (*path == '@')
		a.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_debug("the service manager cannot be told: %s", text);
	close(fd);
}

/* Whether a variable names this process. */
static int is_for_us(const char *variable)
{
	const char *pid = getenv(variable);

	return pid && strtol(pid, NULL, 10) == (long)getpid();
}

uint64_t sd_watchdog_us(void)
{
	const char *us = getenv("WATCHDOG_USEC");

	if (!us || (getenv("WATCHDOG_PID") && !is_for_us("WATCHDOG_PID")))
		return 0;
	return strtoull(us, NULL, 10);
}

int sd_fd_count(void)
{
	const char *n = getenv("LISTEN_FDS");

	if (!n || !is_for_us("LISTEN_PID"))
		return 0;
	long count = strtol(n, NULL, 10);
	if (count < 0 || count > FDS_MAX)
		return 0;
	for (int fd = SD_FD_FIRST; fd < SD_FD_FIRST + count; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return (int)count;
}

void sd_fd_name(int i, char *buf, size_t size)
{
	const char *names = getenv("LISTEN_FDNAMES");

	buf[0] = '\0';
	while (names && i-- > 0) {
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
	}
	if (!names)
		return;
	size_t n = strcspn(names, ":");
	if (n >= size)
		n = size - 1;
	memcpy(buf, names, n);
	buf[n] = '\0';
}
