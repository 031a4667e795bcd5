// SPDX-License-Identifier: Apache-2.0
/*
 * Where a sandbox's MAC and IP addresses come from: the slot, or what was asked for.
 *
 * Slot 0xHHLL has the guest MAC 02:77:72:HH:LL:02 and the gateway MAC ...:01; in IPv4 the slot's
 * /30 of the pool (gateway +1, guest +2), in IPv6 the slot's /64 (gateway ::1, guest ::2). An
 * explicit IPv4 address has its gateway at the address before it, an explicit IPv6 address at ::1
 * of its /64.
 */
#ifndef WEIR_CONF_DERIVE_H
#define WEIR_CONF_DERIVE_H

#include "base/error.h"
#include "conf/config.h"
#include "stack/stack.h"

/* Families that the host can reach the world with. */
struct derive_routes {
	bool v4, v6;
};

/*
 * Fills addresses, MTU and limits of a stack. A family is on where its address is explicit or the
 * host has a route for it. 0, or -1 with err; *ret is then untouched.
 */
int derive_stack_config(const struct config *c, const struct derive_routes *routes,
			struct stack_config *ret, struct error *err);

#endif
