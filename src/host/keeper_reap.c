// SPDX-License-Identifier: Apache-2.0
/*
 * Ends everything that descends from the keeper. It is a subreaper, so every process whose parent
 * was killed becomes its child, and the children that it has are all that it need look for.
 */
#include "host/keeper_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int keeper_children_open(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Kills the children that the kernel lists; false where it has no such list. Behind those that do
 * not fit in, the next look finds the others. */
static bool kill_listed(int list)
{
	char text[4096], *end;
	long pid;
	ssize_t n =
		list < 0 || lseek(list, 0, SEEK_SET) < 0 ? -1 : read(list, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	/* Each number has a blank behind it: one without is cut off. */
	for (char *at = text; (pid = strtol(at, &end, 10)) > 0 && *end == ' '; at = end)
		kill((pid_t)pid, SIGKILL);
	return true;
}

/* The same by looking at every process, for kernels without CONFIG_PROC_CHILDREN. */
static void kill_scanned(pid_t self)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[300];
		int pid = atoi(e->d_name), parent = 0;

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		FILE *f = fopen(path, "re");
		if (!f)
			continue;
		char line[512];
		size_t n = fread(line, 1, sizeof(line) - 1, f);
		line[n] = '\0';
		/* The name in parentheses may hold anything but ends at the last one. */
		char *end = strrchr(line, ')');
		if (end && sscanf(end, ") %*c %d", &parent) == 1 && parent == self)
			kill(pid, SIGKILL);
		fclose(f);
	}
	if (d)
		closedir(d);
}

void keeper_kill_descendants(int list)
{
	pid_t self = getpid();

	while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
		if (!kill_listed(list))
			kill_scanned(self);
		/* Each one that is reaped may have left children to us: look again. */
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
