// SPDX-License-Identifier: Apache-2.0
/* Binds resolv.conf and hosts, and covers the sockets of the host's resolver daemons. */
#include "host/resolvbind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

typedef bool text_fn(const struct resolvbind *c, const char *host, char *ret, size_t cap);

/* More than what is added to the host's text takes. */
static size_t added_max(const struct resolvbind *c)
{
	size_t n = 1024;

	for (const char *const *a = c->aliases; a && *a; a++)
		n += 2 * (strlen(*a) + 1); /* a line for each family */
	return n;
}

/* Makes a file from the host's text and binds it over `target`, to which `path` leads. */
static int bind_text(const struct resolvbind *c, const struct bindover *b, const char *name,
		     const char *target, const char *path, text_fn *make)
{
	char *host = slurp(target);
	size_t cap = host ? strlen(host) + added_max(c) : 0;
	char *text = host ? malloc(cap) : NULL;
	int r = -ENOMEM;

	if (text && make(c, host, text, cap))
		r = bindover_file(b, name, text, strlen(text), target, path);
	free(text);
	free(host);
	return r;
}

/* An empty file over a daemon's socket: to connect to it is then refused. */
static void cover_sockets(const struct bindover *b)
{
	if (bindover_make(b, "closed", "", 0) < 0)
		return;
	for (size_t i = 0; i < sizeof(daemon_sockets) / sizeof(daemon_sockets[0]); i++) {
		char *real = realpath(daemon_sockets[i], NULL);
		/* What cannot be covered is not there, or not the command's to see either. */
		if (real)
			bindover_again(b, "closed", real, daemon_sockets[i]);
		free(real);
	}
}

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* A resolv.conf that cannot be followed. Without one there is nothing to bind over, and on kernels
 * that cannot bind over a link neither: then the command has none, as on the host. */
static int bind_dangling(const struct resolvbind *c, const struct bindover *b,
			 const char **ret_missing)
{
	if (is_link(RESOLV_CONF) &&
	    bind_text(c, b, "resolv.conf", RESOLV_CONF, RESOLV_CONF, resolvbind_resolv_text) == 0)
		return 0;
	*ret_missing = RESOLV_CONF;
	return 0;
}

void resolvbind_find(struct resolvbind_files *ret)
{
	ret->resolv = realpath(RESOLV_CONF, NULL);
	ret->hosts = realpath(HOSTS, NULL);
}

void resolvbind_files_done(struct resolvbind_files *f)
{
	free(f->resolv);
	free(f->hosts);
}

int resolvbind_apply(const struct resolvbind *c, const struct resolvbind_files *f,
		     const struct bindover *b, const char **ret_missing, struct error *err)
{
	int r;

	*ret_missing = NULL;
	if (f->resolv)
		r = bind_text(c, b, "resolv.conf", f->resolv, RESOLV_CONF, resolvbind_resolv_text);
	else
		r = bind_dangling(c, b, ret_missing);
	if (r == -EOVERFLOW)
		return error_set(err,
				 "the caller's user has no id in that user namespace, so that it "
				 "cannot run a command there");
	if (r < 0)
		return error_set_errno(err, r, "cannot bind over %s", f->resolv);
	r = f->hosts ? bind_text(c, b, "hosts", f->hosts, HOSTS, resolvbind_hosts_text) : 0;
	if (r < 0)
		return error_set_errno(err, r, "cannot bind over %s", f->hosts);
	cover_sockets(b);
	return 0;
}
