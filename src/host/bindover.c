// SPDX-License-Identifier: Apache-2.0
/* The staging tmpfs, and bind mounts and overlays out of it. */
#include "host/bindover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static bool hides(const char *dir, const char *const *needed)
{
	for (; *needed; needed++)
		if (path_below(*needed, dir))
			return true;
	return false;
}

/* A directory to mount over for a moment. */
static const char *staging_dir(const char *const *needed)
{
	static const char *const dirs[] = {"/tmp", "/mnt",  "/media", "/srv",
					   "/opt", "/home", "/usr"};
	struct stat st;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (lstat(dirs[i], &st) == 0 && S_ISDIR(st.st_mode) && !hides(dirs[i], needed))
			return dirs[i];
	return NULL;
}

int bindover_begin(struct bindover *b, const char *const *needed, struct error *err)
{
	b->stage = staging_dir(needed);
	/* Nothing goes back to the host; what the host mounts later still appears here. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_set_errno(err, errno, "cannot make the mount namespace private");
	if (!b->stage)
		return error_set(err,
				 "no directory to prepare %s in: one of /tmp, /mnt, /opt is "
				 "needed",
				 needed[0] ? needed[0] : "files");
	if (mount("weir", b->stage, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755") < 0)
		return error_set_errno(err, errno, "cannot mount a tmpfs");
	struct stat st;
	if (stat(b->stage, &st) < 0)
		return error_set_errno(err, errno, "cannot look at a tmpfs");
	b->dev = st.st_dev;
	return 0;
}

static int place(const struct bindover *b, const char *name, char ret[PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, "%s/%s", b->stage, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int bindover_make(const struct bindover *b, const char *name, const void *bytes, size_t len)
{
	char path[PATH_MAX];
	int r = place(b, name, path);
	int fd = r < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return r < 0 ? r : -errno;
	for (size_t at = 0; at < len && r == 0;) {
		ssize_t n = write(fd, (const char *)bytes + at, len - at);
		if (n < 0)
			r = -errno;
		else
			at += (size_t)n;
	}
	/* The umask of the caller must not hide it from a command that changes its uid. */
	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	close(fd);
	return r;
}

/*
 * Over a link itself, for one that leads nowhere: mount(2) would follow it. Linux 5.2 and later;
 * what the path said before is hidden, and the place that it leads to is not touched.
 */
static int bind_over_link(const char *path, const char *link)
{
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return -errno;
	long r = syscall(SYS_move_mount, tree, "", AT_FDCWD, link, MOVE_MOUNT_F_EMPTY_PATH);
	int err = errno;
	close(tree);
	return r < 0 ? -err : 0;
}

int bindover_again(const struct bindover *b, const char *name, const char *target, const char *path)
{
	char made[PATH_MAX];
	struct stat st;
	int r = place(b, name, made);

	if (r < 0)
		return r;
	if (lstat(target, &st) == 0 && S_ISLNK(st.st_mode))
		r = bind_over_link(made, target);
	else if (mount(made, target, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	if (r == 0)
		bindkeep_add(b->keep, path, b->dev);
	return r;
}

int bindover_file(const struct bindover *b, const char *name, const void *bytes, size_t len,
		  const char *target, const char *path)
{
	int r = bindover_make(b, name, bytes, len);

	return r < 0 ? r : bindover_again(b, name, target, path);
}

static int make_dir(const struct bindover *b, const char *name)
{
	char path[PATH_MAX];
	int r = place(b, name, path);

	if (r < 0)
		return r;
	if (mkdir(path, 0755) < 0 || chmod(path, 0755) < 0)
		return -errno;
	return 0;
}

/* An overlay wants a second directory of its own, on the same file system. */
static void work_name(const char *name, char ret[NAME_MAX])
{
	snprintf(ret, NAME_MAX, "%s.work", name);
}

int bindover_dir_make(const struct bindover *b, const char *name)
{
	char work[NAME_MAX];
	int r = make_dir(b, name);

	work_name(name, work);
	return r < 0 ? r : make_dir(b, work);
}

int bindover_dir(const struct bindover *b, const char *name, const char *target)
{
	char options[4 * PATH_MAX], work[NAME_MAX];

	work_name(name, work);
	/* A colon or a comma in it would be read as another option. */
	if (strpbrk(target, ":,\\"))
		return -EINVAL;
	int n = snprintf(options, sizeof(options),
			 "lowerdir=%s,upperdir=%s/%s,workdir=%s/%s,userxattr", target, b->stage,
			 name, b->stage, work);
	if (n < 0 || (size_t)n >= sizeof(options))
		return -ENAMETOOLONG;
	return mount("weir", target, "overlay", MS_NOSUID | MS_NODEV, options) < 0 ? -errno : 0;
}

int bindover_end(struct bindover *b, struct error *err)
{
	/* The bind mounts keep the tmpfs; its directory is to be seen no more. */
	if (umount2(b->stage, MNT_DETACH) < 0)
		return error_set_errno(err, errno, "cannot unmount the staging directory");
	return 0;
}
