// SPDX-License-Identifier: Apache-2.0
/*
 * The guest's interface, eth0: a tap, or one end of a veth pair, with addresses and routes.
 * May use: base/, netlink.h.
 */
#ifndef WEIR_HOST_GUESTIF_H
#define WEIR_HOST_GUESTIF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

#define GUESTIF_NAME "eth0"

enum guestif_kind {
	GUESTIF_AUTO, /* a tap where one can be had, else a veth pair */
	GUESTIF_TAP,
	GUESTIF_PACKET,
};

struct guestif_config {
	enum guestif_kind kind;
	bool fresh;      /* the namespace is ours: lo comes up, ping is opened */
	bool may_vanish; /* the fd must not keep the guest's namespace alive */
	bool configure;  /* set addresses and routes; else the interface is only up */
	uint8_t mac[6];
	uint16_t mtu;
	bool has_v4, has_v6;
	struct ipaddr guest4, gw4, guest6, gw6;
	unsigned prefix4;
};

/*
 * Makes eth0 in the caller's network namespace, brings it up, and returns the fd of the
 * gateway's side: a tap fd or a packet socket, as *ret_kind says. Needs CAP_NET_ADMIN there, and
 * CAP_SYS_ADMIN where a second namespace is needed (packet, may_vanish). -1 with err on failure;
 * the caller is then still, or again, in its namespace.
 */
int guestif_create(const struct guestif_config *c, enum guestif_kind *ret_kind, struct error *err);

#endif
