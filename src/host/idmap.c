// SPDX-License-Identifier: Apache-2.0
/* Writes uid_map and gid_map; each takes one write, of all lines. */
#include "host/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 340 lines are the kernel's limit; a page of text is one more than it takes. */
#define MAP_TEXT_MAX 4096

bool idmap_may_map_all(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	const uint32_t want = 1u << CAP_SETUID | 1u << CAP_SETGID;

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return (data[0].effective & want) == want;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* The ids of our own namespace, each mapped to itself, in the form of a map file. */
static int identity_of(const char *own_map, char *ret, size_t cap)
{
	unsigned first, outer, count;
	size_t len = 0;
	FILE *f = fopen(own_map, "re");

	if (!f)
		return -errno;
	ret[0] = '\0';
	while (fscanf(f, "%u %u %u", &first, &outer, &count) == 3) {
		int n = snprintf(ret + len, cap - len, "%u %u %u\n", first, first, count);
		if (n < 0 || (size_t)n >= cap - len)
			break; /* what fits is a valid map of fewer ids */
		len += (size_t)n;
	}
	ret[len] = '\0';
	fclose(f);
	return len ? 0 : -EINVAL;
}

static int write_identity(pid_t pid, const char *name, struct error *err)
{
	char own[32], theirs[64], text[MAP_TEXT_MAX];

	snprintf(own, sizeof(own), "/proc/self/%s", name);
	snprintf(theirs, sizeof(theirs), "/proc/%d/%s", (int)pid, name);
	int r = identity_of(own, text, sizeof(text));
	if (r == 0)
		r = write_file(theirs, text);
	if (r < 0)
		return error_set_errno(err, r, "cannot write the sandbox's %s", name);
	return 0;
}

int idmap_write_all(pid_t pid, struct error *err)
{
	if (write_identity(pid, "gid_map", err) < 0)
		return -1;
	return write_identity(pid, "uid_map", err);
}

int idmap_write_self(uid_t outer_uid, gid_t outer_gid, uid_t uid, gid_t gid, struct error *err)
{
	char text[64];
	/* Older kernels than 3.19 have no such file, and demand nothing. */
	int r = write_file("/proc/self/setgroups", "deny");

	if (r < 0 && r != -ENOENT)
		return error_set_errno(err, r, "cannot write /proc/self/setgroups");
	snprintf(text, sizeof(text), "%u %u 1\n", (unsigned)gid, (unsigned)outer_gid);
	r = write_file("/proc/self/gid_map", text);
	if (r < 0)
		return error_set_errno(err, r, "cannot write /proc/self/gid_map");
	snprintf(text, sizeof(text), "%u %u 1\n", (unsigned)uid, (unsigned)outer_uid);
	r = write_file("/proc/self/uid_map", text);
	if (r < 0)
		return error_set_errno(err, r, "cannot write /proc/self/uid_map");
	return 0;
}
