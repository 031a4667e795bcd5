// SPDX-License-Identifier: Apache-2.0
/*
 * Putting bind mounts back that the host has taken off by replacing what they lay over.
 *
 * Theory of operation: of each mount there are spare copies that are attached nowhere. When the
 * namespace's mounts change, or names in a directory of the files, each file is looked at: where
 * its mount is not listed any more, a spare takes its place, and is copied in its turn. Where there
 * is nothing to mount over (the host has removed the file, and not made it again yet), that waits
 * for the next change in the directory. What the command itself mounts over one of the files stays
 * on top of it.
 *
 * Bounds: BINDKEEP_MAX files, BINDKEEP_SPARES copies each. Trust: paths are weir's own, but a
 * command that is root in here chooses what they lead to; nothing but directories is looked up, and
 * no file of the command's is opened for reading. What the kernel lists is parsed by its first
 * field and its fifth (proc_pid_mountinfo(5)).
 */
#include "host/bindkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOUNTS   "/proc/self/mountinfo"
#define LIST_MAX (16u << 20) /* bytes of the list of mounts; beyond, nothing is put back */
#define READ_MAX 16          /* times that notices are read at once: the command can make more */

void bindkeep_init(struct bindkeep *k)
{
	*k = (struct bindkeep){.mounts = -1, .replaced = -1};
}

void bindkeep_add(struct bindkeep *k, const char *path, dev_t dev)
{
	struct bindkeep_file *f = &k->file[k->n];

	if (k->n == BINDKEEP_MAX || !(f->path = strdup(path)))
		return;
	f->at = f->id = -1;
	for (int i = 0; i < BINDKEEP_SPARES; i++)
		f->spare[i] = -1;
	k->dev = dev;
	k->n++;
}

/* ---- mounts ---- */

/* Not by /proc/self/fdinfo: older kernels do not show it to a process that nobody may trace. */
static int mount_id(int fd)
{
	struct file_handle none = {0};
	int id = -1;

	/* EOVERFLOW: there is no room for the handle, but the number is there. */
	if (name_to_handle_at(fd, "", &none, &id, AT_EMPTY_PATH) < 0 && errno != EOVERFLOW)
		return -1;
	return id;
}

/* What is mounted: lines, each ended by NUL, and an empty one. NULL where that cannot be known. */
static char *list_mounts(int fd)
{
	size_t cap = 0, n = 0;
	char *text = NULL;
	ssize_t got;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return NULL;
	do {
		if (cap - n < 4096) {
			char *more = cap < LIST_MAX ? realloc(text, cap + 16384) : NULL;
			if (!more)
				goto fail;
			text = more;
			cap += 16384;
		}
		got = read(fd, text + n, cap - n - 1);
		if (got < 0)
			goto fail;
		n += (size_t)got;
	} while (got > 0);
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\n')
			text[i] = '\0';
	text[n] = '\0';
	return text;
fail:
	free(text);
	return NULL;
}

/* Whether this is mounted, by its number; and whether anything is at this place. */
static void look_up(const char *mounts, int id, const char *place, bool *ret_id, bool *ret_place)
{
	char at[PATH_MAX];
	int n;

	*ret_id = *ret_place = false;
	for (const char *line = mounts; *line; line += strlen(line) + 1) {
		/* PATH_MAX is 4096. */
		if (sscanf(line, "%d %*d %*s %*s %4095s", &n, at) != 2)
			continue;
		*ret_id |= n == id;
		*ret_place |= place && strcmp(at, place) == 0;
	}
}

static int copy_of(int mount)
{
	return (int)syscall(SYS_open_tree, mount, "",
			    AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

/* A copy can be made only while the original is mounted. */
static void make_spares(struct bindkeep_file *f)
{
	for (int i = 0; i < BINDKEEP_SPARES; i++)
		if (f->spare[i] < 0)
			f->spare[i] = copy_of(f->at);
}

static int attach(int mount, const char *path, unsigned follow)
{
	long r = syscall(SYS_move_mount, mount, "", AT_FDCWD, path,
			 MOVE_MOUNT_F_EMPTY_PATH | follow);

	return r < 0 ? -errno : 0;
}

/* A spare goes where the path leads today; over the link itself where that leads nowhere. */
static void put_back(struct bindkeep_file *f)
{
	int i = 0;

	while (i < BINDKEEP_SPARES && f->spare[i] < 0)
		i++;
	if (i == BINDKEEP_SPARES)
		return;
	int r = attach(f->spare[i], f->path, MOVE_MOUNT_T_SYMLINKS);
	struct stat st;
	if (r == -ENOENT && lstat(f->path, &st) == 0 && S_ISLNK(st.st_mode))
		r = attach(f->spare[i], f->path, 0);
	if (r < 0)
		return;
	close(f->at);
	f->at = f->spare[i];
	f->spare[i] = -1;
	f->id = mount_id(f->at);
	make_spares(f);
}

/* ---- what has changed ---- */

/* The directory that a path is in, or the nearest above it that is there. */
static void watch_dir_of(struct bindkeep *k, const char *path)
{
	char copy[PATH_MAX], *dir = copy;

	if (strlen(path) >= sizeof(copy))
		return;
	strcpy(copy, path);
	/* Watching a directory twice is one watch. */
	do
		dir = dirname(dir);
	while (inotify_add_watch(k->replaced, dir, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0 &&
	       errno == ENOENT && strcmp(dir, "/") != 0);
}

static void look_at(struct bindkeep *k, struct bindkeep_file *f, const char *mounts)
{
	bool mounted, covered;
	struct stat st;

	if (f->at < 0)
		return;
	char *real = realpath(f->path, NULL);
	if (k->replaced >= 0) {
		watch_dir_of(k, f->path);
		if (real)
			watch_dir_of(k, real);
	}
	look_up(mounts, f->id, real, &mounted, &covered);
	bool ours = stat(f->path, &st) == 0 && st.st_dev == k->dev;
	/* Where it is mounted and the path shows something else, the path is a link that leads
	 * elsewhere now, or the command has mounted that. */
	if (!mounted || (!ours && !covered))
		put_back(f);
	free(real);
}

void bindkeep_event(struct bindkeep *k)
{
	char buf[4096];

	/* Which name changed does not matter. What is left makes it readable again. */
	for (int i = 0; i < READ_MAX && read(k->replaced, buf, sizeof(buf)) > 0; i++)
		;
	char *mounts = list_mounts(k->mounts);
	for (unsigned i = 0; mounts && i < k->n; i++)
		look_at(k, &k->file[i], mounts);
	free(mounts);
}

void bindkeep_open(struct bindkeep *k)
{
	if (k->n > 0)
		k->mounts = open(MOUNTS, O_RDONLY | O_CLOEXEC);
}

/* A mount without a number would never be found in the list, and be put back for ever. */
static void note_mount(struct bindkeep_file *f, dev_t dev)
{
	struct stat st;

	f->at = open(f->path, O_PATH | O_CLOEXEC);
	if (f->at < 0)
		return;
	f->id = mount_id(f->at);
	/* Replaced before we came to it: there is nothing to make copies of. */
	if (f->id < 0 || fstat(f->at, &st) < 0 || st.st_dev != dev) {
		close(f->at);
		f->at = -1;
		return;
	}
	make_spares(f);
}

void bindkeep_start(struct bindkeep *k)
{
	if (k->mounts < 0)
		return;
	k->replaced = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (unsigned i = 0; i < k->n; i++)
		note_mount(&k->file[i], k->dev);
	bindkeep_event(k);
}
