// SPDX-License-Identifier: Apache-2.0
/* Binds resolv.conf and hosts, and covers the sockets of the host's resolver daemons. */
#include "host/resolvbind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS       "/etc/hosts"
/* A hosts file that blocks advertisers has a few MiB. */
#define TEXT_MAX (8 * 1024 * 1024)

/*
 * Sockets through which the C library asks a daemon of the host's instead of resolv.conf's servers:
 * nss-resolve, nscd, nss-mdns. Where one does not answer, it goes on to DNS.
 */
static const char *const daemon_sockets[] = {
	"/run/systemd/resolve/io.systemd.Resolve",
	"/run/systemd/resolve/io.systemd.Resolve.Monitor",
	"/run/nscd/socket",
	"/var/run/nscd/socket",
	"/run/avahi-daemon/socket",
};

struct text {
	char *p;
	size_t len, cap;
	bool full;
};

static void text_add(struct text *t, const char *s, size_t n)
{
	if (t->full || t->cap - t->len <= n) {
		t->full = true;
		return;
	}
	memcpy(t->p + t->len, s, n);
	t->len += n;
	t->p[t->len] = '\0';
}

static void text_puts(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

static bool begins_with_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncmp(line, word, n) == 0 && (line[n] == ' ' || line[n] == '\t');
}

/* What says how names are completed stays; which servers are asked does not. */
static bool keep_resolv_line(const char *line)
{
	return begins_with_word(line, "search") || begins_with_word(line, "domain") ||
	       begins_with_word(line, "options") || begins_with_word(line, "sortlist");
}

bool resolvbind_resolv_text(const struct resolvbind *c, const char *host, char *ret, size_t cap)
{
	struct text t = {.p = ret, .cap = cap};
	char addr[IPADDR_STRLEN];

	text_puts(&t, "# made by weir for this command\n");
	for (int i = 0; i < 2; i++) {
		if (!c->nameservers[i].family)
			continue;
		text_puts(&t, "nameserver ");
		text_puts(&t, ipaddr_str(&c->nameservers[i], addr));
		text_puts(&t, "\n");
	}
	for (const char *line = host; *line;) {
		size_t n = strcspn(line, "\n");
		if (keep_resolv_line(line)) {
			text_add(&t, line, n);
			text_puts(&t, "\n");
		}
		line += n + (line[n] == '\n');
	}
	return !t.full;
}

bool resolvbind_hosts_text(const struct resolvbind *c, const char *host, char *ret, size_t cap)
{
	struct text t = {.p = ret, .cap = cap};
	char addr[IPADDR_STRLEN];
	size_t n = strlen(host);

	text_add(&t, host, n);
	if (n && host[n - 1] != '\n')
		text_puts(&t, "\n");
	for (int i = 0; i < 2; i++) {
		if (!c->nameservers[i].family || !c->aliases || !c->aliases[0])
			continue;
		text_puts(&t, ipaddr_str(&c->nameservers[i], addr));
		for (const char *const *a = c->aliases; *a; a++) {
			text_puts(&t, a == c->aliases ? "\t" : " ");
			text_puts(&t, *a);
		}
		text_puts(&t, "\n");
	}
	return !t.full;
}

/* The host's file as a string; empty where it cannot be read. The caller frees it; NULL without
 * memory. */
static char *slurp(const char *path)
{
	size_t cap = 4096, len = 0;
	char *buf = malloc(cap);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	while (buf && fd >= 0) {
		ssize_t n = read(fd, buf + len, cap - len - 1);
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len + 1 < cap || cap >= TEXT_MAX)
			continue;
		char *bigger = realloc(buf, cap *= 2);
		if (!bigger)
			break;
		buf = bigger;
	}
	if (fd >= 0)
		close(fd);
	if (buf)
		buf[len] = '\0';
	return buf;
}

static int spill(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = 0;

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < len && r == 0;) {
		ssize_t n = write(fd, text + at, len - at);
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

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int bind_over(const char *path, const char *target)
{
	if (is_link(target))
		return bind_over_link(path, target);
	return mount(path, target, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

typedef bool text_fn(const struct resolvbind *c, const char *host, char *ret, size_t cap);

/* Makes STAGE/NAME from the host's text and binds it over `target`. */
static int bind_text(const struct resolvbind *c, const char *stage, const char *name,
		     const char *target, text_fn *make)
{
	char path[PATH_MAX];
	char *host = slurp(target);
	size_t cap = host ? strlen(host) + 1024 : 0;
	char *text = host ? malloc(cap) : NULL;
	int r = -ENOMEM;

	snprintf(path, sizeof(path), "%s/%s", stage, name);
	if (text && make(c, host, text, cap)) {
		r = spill(path, text);
		if (r == 0)
			r = bind_over(path, target);
	}
	free(text);
	free(host);
	return r;
}

/* An empty file over a daemon's socket: to connect to it is then refused. */
static void cover_sockets(const char *stage)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/closed", stage);
	if (spill(path, "") < 0)
		return;
	for (size_t i = 0; i < sizeof(daemon_sockets) / sizeof(daemon_sockets[0]); i++) {
		char *real = realpath(daemon_sockets[i], NULL);
		/* What cannot be covered is not there, or not the command's to see either. */
		if (real && mount(path, real, NULL, MS_BIND, NULL) < 0)
			errno = 0;
		free(real);
	}
}

static bool path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return path && strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* A directory to mount over for a moment, which hides nothing that is needed in it. */
static const char *staging_dir(const char *resolv, const char *hosts)
{
	static const char *const dirs[] = {"/tmp", "/mnt",  "/media", "/srv",
					   "/opt", "/home", "/usr"};
	struct stat st;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (lstat(dirs[i], &st) == 0 && S_ISDIR(st.st_mode) &&
		    !path_below(resolv, dirs[i]) && !path_below(hosts, dirs[i]))
			return dirs[i];
	return NULL;
}

/* A resolv.conf that cannot be followed. Without one there is nothing to bind over, and on kernels
 * that cannot bind over a link neither: then the command has none, as on the host. */
static int bind_dangling(const struct resolvbind *c, const char *stage, const char **ret_missing)
{
	if (is_link(RESOLV_CONF) &&
	    bind_text(c, stage, "resolv.conf", RESOLV_CONF, resolvbind_resolv_text) == 0)
		return 0;
	*ret_missing = RESOLV_CONF;
	return 0;
}

int resolvbind_apply(const struct resolvbind *c, const char **ret_missing, struct error *err)
{
	char *resolv = realpath(RESOLV_CONF, NULL);
	char *hosts = realpath(HOSTS, NULL);
	const char *stage = staging_dir(resolv, hosts);
	int r = -1;

	*ret_missing = NULL;
	/* Nothing goes back to the host; what the host mounts later still appears here. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
		error_set_errno(err, errno, "cannot make the mount namespace private");
		goto out;
	}
	if (!stage) {
		error_set(err,
			  "no directory to prepare " RESOLV_CONF " in: one of /tmp, /mnt, /opt "
			  "is needed");
		goto out;
	}
	if (mount("weir", stage, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755") < 0) {
		error_set_errno(err, errno, "cannot mount a tmpfs");
		goto out;
	}
	if (resolv)
		r = bind_text(c, stage, "resolv.conf", resolv, resolvbind_resolv_text);
	else
		r = bind_dangling(c, stage, ret_missing);
	if (r == -EOVERFLOW)
		r = error_set(err, "the caller's user has no id in that user namespace, so that it "
				   "cannot run a command there");
	else if (r < 0)
		r = error_set_errno(err, r, "cannot bind over %s", resolv);
	if (r == 0 && hosts) {
		r = bind_text(c, stage, "hosts", hosts, resolvbind_hosts_text);
		if (r < 0)
			r = error_set_errno(err, r, "cannot bind over %s", hosts);
	}
	cover_sockets(stage);
	/* The bind mounts keep the tmpfs; its directory is to be seen no more. */
	if (umount2(stage, MNT_DETACH) < 0 && r == 0)
		r = error_set_errno(err, errno, "cannot unmount the staging directory");
out:
	free(resolv);
	free(hosts);
	return r < 0 ? -1 : 0;
}
