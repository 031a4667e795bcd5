// SPDX-License-Identifier: Apache-2.0
/*
 * The resolvers that may be asked: those of the configuration or of the host's resolv.conf, which
 * is followed while weir runs, and those that the guest chose itself.
 *
 * A resolver is kept for as long as a list or a query on its way holds it, with what was learnt of
 * it: whether it was silent, whether it gives names back in the case in which they were asked, and
 * its sockets.
 *
 * Bounds: RESOLVERS_MAX of the configuration; CHOSEN_MAX of the guest's, then the one that was used
 * longest ago and is not being asked makes room (all of them busy: the question is refused).
 */
#ifndef WEIR_DNS_RESOLVERS_H
#define WEIR_DNS_RESOLVERS_H

#include "base/list.h"
#include "host/resolvconf.h"
#include "loop/loop.h"

#define CHOSEN_MAX 32
#define SLOW_US    30000000  /* how long a resolver that did not answer is asked last */
#define PLAIN_US   600000000 /* how long one that loses the case of names is believed to do so */

struct config;
struct dns_proxy;
struct upstream_sock;

struct dns_server {
	struct list node; /* in dns_resolvers.chosen, else alone */
	struct resolver at;
	unsigned refs;        /* lists and queries that hold it */
	uint64_t slow_until;  /* it failed: others are asked first */
	uint64_t plain_until; /* it does not keep the case of names */
	/* Its UDP sockets (upstream_udp.c). */
	struct list socks;             /* struct upstream_sock, also those that take no more */
	struct upstream_sock *current; /* the one for questions of this turn of the loop */
	uint64_t current_turn;
	unsigned open_n; /* that take questions */
};

struct dns_resolvers {
	struct dns_server *v[RESOLVERS_MAX];
	size_t n;
	struct list chosen; /* struct dns_server, least recently used first */
	unsigned chosen_n;
	bool follows; /* they come from resolv.conf, not from the configuration */
	struct resolvconf conf;
	struct loop_source conf_src;
};

/* `path`: of the resolv.conf, read where the configuration names no resolver. */
void dns_resolvers_init(struct dns_proxy *d, const struct config *c, const char *path);
void dns_resolvers_done(struct dns_proxy *d);
/* Another configuration. True where others are asked now. */
bool dns_resolvers_reload(struct dns_proxy *d, const struct config *c, const char *path);
/* Looks whether resolv.conf has changed. True where others are asked now. */
bool dns_resolvers_refresh(struct dns_proxy *d);

/* The one that the guest chose; NULL at the limit. */
struct dns_server *dns_resolvers_choose(struct dns_proxy *d, const struct ipaddr *a, uint16_t port);

struct dns_server *dns_server_ref(struct dns_server *s);
void dns_server_unref(struct dns_server *s);

#endif
