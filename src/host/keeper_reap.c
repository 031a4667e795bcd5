// SPDX-License-Identifier: Apache-2.0
/*
 * Ends everything that descends from the keeper. It is a subreaper, so every process whose parent
 * was killed becomes its child, and the children that it has are all that it need look for.
 */
#include "host/keeper_priv.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Kills the children that the kernel lists; false where it has no such list. */
static bool kill_listed(pid_t self)
{
	char path[64];
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)self);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	while (fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	fclose(f);
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

void keeper_kill_descendants(void)
{
	pid_t self = getpid();

	while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
		if (!kill_listed(self))
			kill_scanned(self);
		/* Each one that is reaped may have left children to us: look again. */
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
