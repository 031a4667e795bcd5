// SPDX-License-Identifier: Apache-2.0
/*
 * The names that are answered without asking anybody: the aliases of the host, static records, the
 * gateway's addresses backwards, and the special-use names, which never leave the host (special.c).
 *
 * Every one is a node of a table by name, and so is each special-use zone. A question is looked up
 * once for each suffix of its name, from the right: the last node is the name's own, the others say
 * which zone it lies in.
 *
 * May use: base/, wire.h, message.h. Bounds: LOCAL_NAMES_MAX nodes and OWN_ADDRS_MAX addresses a
 * name, which configuration alone can reach; adding more fails. Nothing is added for a guest.
 */
#ifndef WEIR_DNS_LOCAL_H
#define WEIR_DNS_LOCAL_H

#include "dns/message.h"

#define LOCAL_NAMES_MAX (1u << 21)

/* weir's own name for the host, which is always one. */
#define LOCAL_HOST "host.weir.internal"
/* Those that programs know from elsewhere, ending with NULL: aliases where none are configured. */
extern const char *const dns_local_usual_aliases[];

struct dns_local;

/* The gateway's addresses as the guest sees them; family 0: the guest does not have that family.
 * NULL without memory. */
struct dns_local *dns_local_new(const struct ipaddr *gw4, const struct ipaddr *gw6);
void dns_local_free(struct dns_local *l);

/* These return false at a bound, without memory, or where the text is no name. */
/* One more name of the host. */
bool dns_local_add_alias(struct dns_local *l, const char *name);
/* A static record; the address gets this name backwards where it has none yet. A name with records
 * is no alias any more. */
bool dns_local_add_record(struct dns_local *l, const struct name *name, const struct ipaddr *a);
/* This name and all below it goes to the resolvers, special-use or not. */
bool dns_local_forward(struct dns_local *l, const char *name);

/*
 * True where the question never goes to a resolver; the answer's content is then in `ret`, which
 * points into l.
 */
bool dns_local_find(const struct dns_local *l, const struct dns_question *q, struct dns_own *ret);
/* True for special-use names, forwarded or not: they mean something on the host's networks alone.
 */
bool dns_local_is_special(const struct dns_local *l, const struct dns_name *name);

struct config;
/* Aliases, records and forwarded zones of a configuration; false without memory, or where one is no
 * name. */
bool dns_local_configure(struct dns_local *l, const struct config *c);

#endif
