// SPDX-License-Identifier: Apache-2.0
/* Namespaces: making them, joining them, and saying why not. */
#include "host/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The first number in a file of /proc; -1 where there is none. */
static long read_number(const char *path)
{
	long v = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &v) != 1)
		v = -1;
	fclose(f);
	return v;
}

/* True where a seccomp filter watches this process, as in most containers. */
static bool under_seccomp(void)
{
	char line[256];
	int mode = 0;
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Seccomp: %d", &mode) == 1)
			break;
	fclose(f);
	return mode == 2;
}

/* Limits of the namespace that we are in; a limit of zero forbids. */
static const char *exhausted_limit(void)
{
	if (read_number("/proc/sys/user/max_user_namespaces") == 0)
		return "user.max_user_namespaces is 0; as root: sysctl -w "
		       "user.max_user_namespaces=10000";
	if (read_number("/proc/sys/user/max_net_namespaces") == 0)
		return "user.max_net_namespaces is 0; as root: sysctl -w "
		       "user.max_net_namespaces=10000";
	if (read_number("/proc/sys/user/max_mnt_namespaces") == 0)
		return "user.max_mnt_namespaces is 0; as root: sysctl -w "
		       "user.max_mnt_namespaces=10000";
	return "a limit of user.max_user_namespaces, user.max_net_namespaces or "
	       "user.max_mnt_namespaces is used up; raise it with sysctl as root";
}

const char *ns_obstacle(int errnum)
{
	if (errnum == ENOSPC || errnum == EUSERS)
		return exhausted_limit();
	if (errnum == EINVAL || (errnum == ENOSYS && !under_seccomp()))
		return "this kernel has no user or network namespaces (CONFIG_USER_NS, "
		       "CONFIG_NET_NS)";
	if (errnum != EPERM && errnum != EACCES && errnum != ENOSYS)
		return NULL;
	if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0 && geteuid() != 0)
		return "kernel.unprivileged_userns_clone is 0; as root: sysctl -w "
		       "kernel.unprivileged_userns_clone=1";
	if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") > 0 &&
	    geteuid() != 0)
		return "AppArmor's kernel.apparmor_restrict_unprivileged_userns is on; give weir "
		       "an AppArmor profile with 'userns,', or as root: sysctl -w "
		       "kernel.apparmor_restrict_unprivileged_userns=0";
	if (under_seccomp())
		return "a seccomp filter (a container's, most likely) forbids user namespaces; "
		       "start the container with a profile that allows them, such as "
		       "--security-opt seccomp=unconfined";
	return "the system forbids user namespaces here (a security module, or a chroot)";
}

int ns_check_proc(struct error *err)
{
	char self[32];
	struct stat st;
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	/* One that does not know this process has the link all the same. */
	if (n < 0 && lstat("/proc/self", &st) < 0)
		return error_set(err, "/proc is not mounted, and namespaces are made through it; "
				      "as root: mount -t proc proc /proc");
	self[n < 0 ? 0 : n] = '\0';
	if (atoi(self) != getpid())
		return error_set(err,
				 "/proc shows another PID namespace than this one (unshare --pid "
				 "without --mount-proc?); as root: mount -t proc proc /proc");
	return 0;
}

int ns_unshare(int flags, struct error *err)
{
	if (unshare(flags) == 0)
		return 0;
	int errnum = errno;
	const char *why = ns_obstacle(errnum);
	if (why)
		return error_set(err, "cannot make a user and network namespace (%s): %s",
				 strerror(errnum), why);
	return error_set_errno(err, errnum, "cannot make a user and network namespace");
}

static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* Serving the network that weir itself uses would lead its own packets back to it. */
static int refuse_own(int fd, const char *option, const char *value, struct error *err)
{
	if (!same_file(fd, "/proc/self/ns/net"))
		return fd;
	close(fd);
	return error_set(err,
			 "%s: '%s' is the network that weir itself runs in: expected another "
			 "namespace, such as one of ip netns add",
			 option, value);
}

int ns_open_path(const char *path, struct error *err)
{
	struct statfs fs;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set_errno(err, errno,
				       "--netns: '%s': expected a path such as /run/netns/NAME or "
				       "/proc/PID/ns/net",
				       path);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC ||
	    ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		close(fd);
		return error_set(err,
				 "--netns: '%s' is no network namespace: expected a path such as "
				 "/run/netns/NAME or /proc/PID/ns/net",
				 path);
	}
	return refuse_own(fd, "--netns", path, err);
}

int ns_open_pid(int pid, struct error *err)
{
	char path[64], value[16];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, "--pid: '%d': there is no such process", pid);
	if (fd < 0)
		return error_set_errno(err, errno, "--pid: '%d': cannot open %s", pid, path);
	snprintf(value, sizeof(value), "%d", pid);
	return refuse_own(fd, "--pid", value, err);
}

int ns_join(int netns_fd, bool *ret_user_joined, struct error *err)
{
	int user = ioctl(netns_fd, NS_GET_USERNS);
	bool joined = false;

	/* EPERM: it is owned by a namespace above ours, where we can do nothing. */
	if (user < 0)
		return error_set_errno(err, errno,
				       "cannot find the user namespace that owns the network "
				       "namespace");
	if (!same_file(user, "/proc/self/ns/user")) {
		if (setns(user, CLONE_NEWUSER) < 0) {
			error_set_errno(err, errno,
					"cannot join the user namespace that owns the network "
					"namespace (it must be yours)");
			close(user);
			return -1;
		}
		joined = true;
	}
	close(user);
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return error_set_errno(err, errno, "cannot join the network namespace%s",
				       joined || geteuid() == 0 ? "" : " (that takes root)");
	*ret_user_joined = joined;
	return 0;
}
