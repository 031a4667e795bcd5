// SPDX-License-Identifier: Apache-2.0
/*
 * The guard against tunnels in questions: under each registered domain (public suffix and one
 * label) it counts, for a minute, distinct names and bytes of labels.
 *
 * May use: base/, wire.h, libpsl. Bounds: BUDGET_DOMAINS domains (then the one that was used
 * longest ago starts anew), a fixed sketch each for distinct names. The guest picks the names, so
 * hashing is keyed.
 */
#ifndef WEIR_DNS_BUDGET_H
#define WEIR_DNS_BUDGET_H

#include "base/name.h"

#define BUDGET_DOMAINS 1024

struct dns_budget;

/* A limit of 0 is none. NULL without memory. */
struct dns_budget *dns_budget_new(uint32_t names_a_minute, uint32_t bytes_a_minute);
void dns_budget_free(struct dns_budget *b);
/* Counts a question; false where it is over the budget. Repeating a name costs nothing. */
bool dns_budget_take(struct dns_budget *b, const struct name *name, uint64_t now_us);

#endif
