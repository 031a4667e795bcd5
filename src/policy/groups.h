// SPDX-License-Identifier: Apache-2.0
/*
 * Questions about groups that only this room asks (policy.h has the public ones).
 */
#ifndef WEIR_POLICY_GROUPS_H
#define WEIR_POLICY_GROUPS_H

#include "policy/policy.h"

/* One of the gateway's two addresses. */
bool group_is_gateway(const struct policy_env *env, const struct ipaddr *a);

/*
 * The guarded groups (bits) that a prefix names: those of which it is a part and not a superset.
 * 127.0.0.0/8 names loopback, 169.254.0.0/16 link-local but not the metadata addresses in it;
 * a single address names whatever it is, the host's own included.
 */
uint8_t group_named_by(const struct ipaddr *net, unsigned bits);
/* The guarded groups (bits) that have an address in the prefix; the host's own are not looked at.
 */
uint8_t group_touched_by(const struct ipaddr *net, unsigned bits);

#endif
