// SPDX-License-Identifier: Apache-2.0
/*
 * The host's own addresses, followed while weir runs, so that a guest is kept from the host's
 * services under every address that the host has.
 *
 * May use: base/, loop/. Must be made in the host's network namespace. Loopback addresses are left
 * out: they have a group of their own.
 *
 * Bounds: HOST_ADDRS_MAX addresses of each reading; a host with more gets a warning, and those
 * beyond are judged as the plain addresses that they are.
 */
#ifndef WEIR_HOST_ADDRS_H
#define WEIR_HOST_ADDRS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/error.h"
#include "loop/loop.h"

#define HOST_ADDRS_MAX 4096

struct host_addrs;

/*
 * Reads the addresses and follows them in the loop (NULL: reads them once).
 * *ret_list and *ret_count are kept as the list is: they change while the loop runs, and are NULL
 * and 0 again after host_addrs_free(). For a sandbox: &sb->env.host, &sb->env.host_count.
 */
struct host_addrs *host_addrs_new(struct loop *l, const struct ipaddr **ret_list, size_t *ret_count,
				  struct error *err);
void host_addrs_free(struct host_addrs *h);

/* Whether the host has a route to the public network of a family (4 or 6). Sends nothing. */
bool host_has_route(uint8_t family);

#endif
