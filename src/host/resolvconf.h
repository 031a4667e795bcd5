// SPDX-License-Identifier: Apache-2.0
/*
 * The host's resolv.conf: its parser, and a follower that notices every change while weir runs.
 *
 * May use: base/. The follower watches the directory of the file, and the directory of what it
 * links to, with inotify; a file is usually replaced whole and by rename, so the file itself is
 * never watched. Because a watch can be missed (a file system without inotify, a link in the
 * middle of the path), resolvconf_check() also compares the file's status, at most once a second.
 */
#ifndef WEIR_HOST_RESOLVCONF_H
#define WEIR_HOST_RESOLVCONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/addr.h"

#define RESOLVERS_MAX 8 /* further nameserver lines are ignored; glibc stops at 3 */

struct resolver {
	struct ipaddr addr;
	uint32_t scope; /* interface index of a link-local address, else 0 */
	uint16_t port;
};

struct resolver_list {
	struct resolver v[RESOLVERS_MAX];
	size_t n;
	char search[256]; /* domains, comma separated, as the last search or domain line says */
};

/*
 * Parses the text of a resolv.conf(5). Lines that cannot be understood are skipped, as resolvers
 * everywhere do. Without any usable nameserver line the list is empty.
 */
void resolvconf_parse(const char *text, size_t len, struct resolver_list *ret);

struct resolvconf {
	const char *path;          /* the caller's */
	struct resolver_list list; /* what the file said last; the local host where it names none */
	int inotify_fd;            /* -1: no watching, only the status is compared */
	struct stat seen;          /* of the file as last read; st_ino 0: there was none */
	uint64_t checked_us;       /* time of the last comparison */
	bool changed;              /* inotify has said something since the last reading */
};

/* Reads the file for the first time. A file that does not exist (yet) is no error. */
void resolvconf_init(struct resolvconf *r, const char *path, uint64_t now_us);
void resolvconf_done(struct resolvconf *r);
/* The inotify fd is readable. */
void resolvconf_event(struct resolvconf *r);
/* Reads the file again where it has changed; true where that was done. Call before using `list`. */
bool resolvconf_check(struct resolvconf *r, uint64_t now_us);

#endif
