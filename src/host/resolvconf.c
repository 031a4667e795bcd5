// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and following resolv.conf(5).
 */
#include "host/resolvconf.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/behind.h"
#include "base/log.h"

#define FILE_MAX 65536   /* bytes of the file that are read */
#define CHECK_US 1000000 /* between two comparisons of the file's status */
#define DNS_PORT 53
#define WORD_CAP 256

struct word {
	char s[WORD_CAP];
	bool too_long;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line; false at its end. */
static bool word_next(const char **p, const char *end, struct word *ret)
{
	while (*p < end && is_blank(**p))
		(*p)++;
	const char *start = *p;
	while (*p < end && !is_blank(**p))
		(*p)++;
	size_t n = (size_t)(*p - start);
	if (n == 0)
		return false;
	ret->too_long = n >= sizeof(ret->s);
	if (ret->too_long)
		n = sizeof(ret->s) - 1;
	memcpy(ret->s, start, n);
	ret->s[n] = '\0';
	return true;
}

/* An address, with the name or index of an interface behind '%' where it is link-local. */
static bool resolver_parse(char *text, struct resolver *ret)
{
	uint32_t scope = 0;
	char *percent = strchr(text, '%');
	if (percent) {
		*percent = '\0';
		scope = if_nametoindex(percent + 1);
		if (scope == 0) {
			char *rest;
			unsigned long v = strtoul(percent + 1, &rest, 10);
			if (rest == percent + 1 || *rest || v == 0 || v > INT_MAX)
				return false;
			scope = (uint32_t)v;
		}
	}
	struct ipaddr a;
	if (!ipaddr_parse(text, &a) || ipaddr_is_multicast(&a))
		return false;
	*ret = (struct resolver){.addr = a, .scope = a.family == 6 ? scope : 0, .port = DNS_PORT};
	return true;
}

static void search_parse(const char *p, const char *end, bool only_one, char *ret, size_t cap)
{
	struct word w;
	size_t used = 0;
	ret[0] = '\0';
	while (word_next(&p, end, &w)) {
		size_t n = strlen(w.s);
		if (w.too_long || strchr(w.s, ',') || used + n + 2 > cap)
			continue;
		if (used)
			ret[used++] = ',';
		memcpy(ret + used, w.s, n + 1);
		used += n;
		if (only_one)
			break;
	}
}

static void line_parse(const char *p, const char *end, struct resolver_list *ret)
{
	struct word key, value;
	if (p == end || *p == '#' || *p == ';' || !word_next(&p, end, &key))
		return;
	if (strcmp(key.s, "nameserver") == 0) {
		if (ret->n < RESOLVERS_MAX && word_next(&p, end, &value) && !value.too_long &&
		    resolver_parse(value.s, &ret->v[ret->n]))
			ret->n++;
	} else if (strcmp(key.s, "search") == 0) {
		search_parse(p, end, false, ret->search, sizeof(ret->search));
	} else if (strcmp(key.s, "domain") == 0) {
		search_parse(p, end, true, ret->search, sizeof(ret->search));
	}
}

void resolvconf_parse(const char *text, size_t len, struct resolver_list *ret)
{
	const char *p = text, *end = text + len;
	*ret = (struct resolver_list){0};
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *eol = nl ? nl : end;
		line_parse(p, eol, ret);
		p = nl ? nl + 1 : end;
	}
}

/* Where the file names no resolver, or was never there, the local host is meant (resolv.conf(5)).
 */
static void list_default(struct resolver_list *l)
{
	static const uint8_t localhost[4] = {127, 0, 0, 1};
	if (l->n == 0)
		l->v[l->n++] = (struct resolver){.addr = ipaddr_v4(localhost), .port = DNS_PORT};
}

static bool same_file(const struct stat *x, const struct stat *y)
{
	return x->st_dev == y->st_dev && x->st_ino == y->st_ino && x->st_size == y->st_size &&
	       x->st_mtim.tv_sec == y->st_mtim.tv_sec && x->st_mtim.tv_nsec == y->st_mtim.tv_nsec &&
	       x->st_ctim.tv_sec == y->st_ctim.tv_sec && x->st_ctim.tv_nsec == y->st_ctim.tv_nsec;
}

static void watch_dir_of(struct resolvconf *r, const char *path)
{
	char copy[PATH_MAX];
	if (r->inotify_fd < 0 || strlen(path) >= sizeof(copy))
		return;
	strcpy(copy, path);
	/* Watching a directory twice is one watch, so nothing piles up. */
	inotify_add_watch(r->inotify_fd, dirname(copy),
			  IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE);
}

/* The directories to watch depend on where a link leads today. */
static void watch(struct resolvconf *r)
{
	char real[PATH_MAX];
	watch_dir_of(r, r->path);
	if (realpath(r->path, real))
		watch_dir_of(r, real);
}

static void reload(struct resolvconf *r)
{
	struct stat st = {0};
	size_t len = 0;
	/* Watched before it is read: a change in between is then seen. */
	watch(r);
	r->changed = false;
	char *text = malloc(FILE_MAX);
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 && text && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		ssize_t n;
		while (len < FILE_MAX && (n = read(fd, text + len, FILE_MAX - len)) != 0) {
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				break;
			len += (size_t)n;
		}
	} else if (fd < 0 && errno != ENOENT) {
		log_limited(LOG_WARNING, "cannot read %s: %s", r->path, strerror(errno));
	}
	/* Many tools remove the file before they write it anew: until then the old words hold. */
	if (st.st_ino != 0 || r->list.n == 0) {
		resolvconf_parse(text ? text : "", len, &r->list);
		list_default(&r->list);
	}
	r->seen = st;
	if (fd >= 0)
		close(fd);
	free(text);
	log_debug("%s: %zu resolvers", r->path, r->list.n);
}

void resolvconf_init(struct resolvconf *r, const char *path, uint64_t now_us)
{
	*r = (struct resolvconf){.path = path, .checked_us = now_us};
	r->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	reload(r);
}

void resolvconf_done(struct resolvconf *r)
{
	if (r->inotify_fd >= 0) {
		behind_leave(r->inotify_fd);
		close(r->inotify_fd);
	}
	r->inotify_fd = -1;
}

void resolvconf_event(struct resolvconf *r)
{
	uint8_t buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	/* Which name changed does not matter: the file is read with the next query. */
	for (int i = 0; i < 16 && r->inotify_fd >= 0 && read(r->inotify_fd, buf, sizeof(buf)) > 0;
	     i++)
		r->changed = true;
}

bool resolvconf_check(struct resolvconf *r, uint64_t now_us)
{
	/*
	 * After an event the file is read without a comparison: a second change within one tick of
	 * the file system's clock leaves the status as it was.
	 */
	if (!r->changed) {
		struct stat st;
		if (now_us - r->checked_us < CHECK_US)
			return false;
		r->checked_us = now_us;
		if (stat(r->path, &st) != 0)
			memset(&st, 0, sizeof(st));
		if (same_file(&st, &r->seen))
			return false;
	}
	reload(r);
	return true;
}
