// SPDX-License-Identifier: Apache-2.0
/*
 * What the command sees of the host's name resolution: its own /etc/resolv.conf and /etc/hosts,
 * bound over the host's (bindover.h), and no way around them. May use: base/.
 */
#ifndef WEIR_HOST_RESOLVBIND_H
#define WEIR_HOST_RESOLVBIND_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/error.h"
#include "host/bindover.h"

struct resolvbind {
	struct ipaddr nameservers[2]; /* family 0: none */
	const char *const *aliases;   /* names for the first nameserver's host, NULL-terminated */
};

/* The host's files behind their links; NULL: there is none. */
struct resolvbind_files {
	char *resolv, *hosts; /* owned */
};
void resolvbind_find(struct resolvbind_files *ret);
void resolvbind_files_done(struct resolvbind_files *f);
/*
 * Binds. 0, or -1 with err. A link that leads nowhere is bound over itself; where there is no
 * /etc/resolv.conf at all nothing can be: *ret_missing names it, else it is NULL.
 */
int resolvbind_apply(const struct resolvbind *c, const struct resolvbind_files *f,
		     const struct bindover *b, const char **ret_missing, struct error *err);

/* The two texts, for the bind mounts and for tests: what of the host's text the command keeps, and
 * what is put in. False where it does not fit. */
bool resolvbind_resolv_text(const struct resolvbind *c, const char *host, char *ret, size_t cap);
bool resolvbind_hosts_text(const struct resolvbind *c, const char *host, char *ret, size_t cap);

#endif
