// SPDX-License-Identifier: Apache-2.0
/*
 * Interfaces, addresses and routes of the network namespace that the caller is in, by rtnetlink.
 * Each call is one request and its answer: 0 or -errno. May use: base/, libmnl.
 */
#ifndef WEIR_HOST_NETLINK_H
#define WEIR_HOST_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct mnl_socket;

struct netlink {
	struct mnl_socket *sock;
	uint32_t seq;
};

int netlink_init(struct netlink *nl);
void netlink_done(struct netlink *nl);

/* What to set of an interface; what is zero or NULL stays as it is. */
struct netlink_link {
	const char *name;   /* the new name; only while the interface is down */
	const uint8_t *mac; /* six bytes */
	uint32_t mtu;
	bool up;
	bool no_autoconf; /* the kernel makes no link-local IPv6 address for it */
	int netns_fd;     /* > 0: it moves to that namespace */
};
int netlink_link_set(struct netlink *nl, int ifindex, const struct netlink_link *set);

/* A veth pair: `name` here, `peer_name` in the namespace of peer_netns_fd. Both are down. */
int netlink_veth_add(struct netlink *nl, const char *name, const char *peer_name,
		     int peer_netns_fd);

/* An address that is usable at once (no duplicate address detection). */
int netlink_addr_add(struct netlink *nl, int ifindex, const struct ipaddr *addr, unsigned bits);
int netlink_route_default(struct netlink *nl, int ifindex, const struct ipaddr *gw);

#endif
