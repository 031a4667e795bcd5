// SPDX-License-Identifier: Apache-2.0
/*
 * The host's own addresses, followed while weir runs, so that a guest is kept from the host's
 * services under every address that the host has.
 *
 * May use: base/, loop/. Must be made in the host's network namespace. Loopback addresses are left
 * out: they have a group of their own.
 *
 * Beside the addresses of its interfaces the host takes for its own whatever its table of local
 * routes says: networks on the loopback interface or made local by an administrator or a cloud's
 * agent, and, where it forwards IPv6, the anycast addresses of its routers (RFC 4291 2.6.1).
 *
 * Bounds: HOST_ADDRS_MAX addresses and HOST_NETS_MAX networks of each reading; a host with more
 * gets a warning, and those beyond are judged as the plain addresses that they are.
 */
#ifndef WEIR_HOST_ADDRS_H
#define WEIR_HOST_ADDRS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/error.h"
#include "loop/loop.h"

#define HOST_ADDRS_MAX 4096
#define HOST_NETS_MAX  256

struct host_addrs;

/* Where the lists are put, and kept as they are: for a sandbox, the members of its policy_env. */
struct host_addrs_ret {
	const struct ipaddr **list;
	size_t *count;
	const struct ipnet **nets; /* of more than one address */
	size_t *net_count;
};

/*
 * Reads the addresses and follows them in the loop (NULL: reads them once). The lists change while
 * the loop runs, and are NULL and 0 again after host_addrs_free().
 */
struct host_addrs *host_addrs_new(struct loop *l, struct host_addrs_ret ret, struct error *err);
void host_addrs_free(struct host_addrs *h);

/* Whether the host has a route to the public network of a family (4 or 6). Sends nothing. */
bool host_has_route(uint8_t family);

#endif
