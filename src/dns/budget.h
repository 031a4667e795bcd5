// SPDX-License-Identifier: Apache-2.0
/*
 * The guard against tunnels in questions: under each registered domain (public suffix and one
 * label, by libpsl's list) it counts, for a minute of the clock, distinct names and the bytes of
 * their labels below the domain. Only questions that would go to a resolver are to be counted, and
 * none for special-use names (dns_local_is_special()).
 *
 * Names are counted as they stand on the wire, whatever bytes they hold; upper and lower case are
 * one. The guest picks them, so hashing is keyed.
 *
 * May use: base/, wire.h, libpsl. Bounds: BUDGET_DOMAINS domains (then the one that was used
 * longest ago starts anew), BUDGET_NAMES names that are remembered (at the bound further names cost
 * something each time they are asked).
 */
#ifndef WEIR_DNS_BUDGET_H
#define WEIR_DNS_BUDGET_H

#include "dns/wire.h"

#define BUDGET_DOMAINS 1024
#define BUDGET_NAMES   131072

struct dns_budget;

/* A limit of 0 is none. NULL without memory. */
struct dns_budget *dns_budget_new(uint32_t names_a_minute, uint32_t bytes_a_minute);
void dns_budget_free(struct dns_budget *b);
/* Counts a question; false where it is over the budget, and then not counted. Repeating a name
 * within the minute costs nothing. */
bool dns_budget_take(struct dns_budget *b, const struct dns_name *name, uint64_t now_us);

#endif
