// SPDX-License-Identifier: Apache-2.0
/*
 * Upload budgets: how many bytes may go out for a guest as long as its sandbox lives, in all and to
 * each destination, however slowly.
 *
 * What counts is payload that leaves weir on the guest's own flows: of TCP (TLS as it is on the
 * wire, also where weir ends it), of UDP and of echo requests. DNS does not, which has a budget of
 * its own, nor what goes to clients of published ports: they came by themselves.
 *
 * A destination is the name that the flow has shown last, else the address that the guest sends
 * to; whom a proxy is asked for counts as the proxy. A flow takes what it is about to send and
 * gives back what the host did not accept. Where nothing is left the flow ends, and new ones are
 * refused (admit.c, flow.c).
 *
 * Bounds: BUDGET_DESTS_MAX destinations, which are never forgotten: a budget that could be had
 * anew by going elsewhere for a while would be none. Beyond that, or without memory, there is
 * nothing left for a new one. They are only counted where each has a budget.
 */
#ifndef WEIR_FLOW_BUDGET_H
#define WEIR_FLOW_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "flow/flow.h"

#define BUDGET_DESTS_MAX 16384

struct budgets;     /* a sandbox's */
struct budget_dest; /* lives as long as they do */

/* Without limits; NULL without memory. */
struct budgets *budgets_new(void);
void budgets_free(struct budgets *b); /* NULL is fine */
/* Bytes; 0: no limit. What was spent before counts. */
void budgets_limit(struct budgets *b, uint64_t out, uint64_t out_each);

/* What a flow may still send there. Without an address: anywhere. */
uint64_t budget_left(const struct budgets *b, const struct name *name, const struct ipaddr *addr);
/* By the name, where there is one. NULL: nothing may go there. */
struct budget_dest *budget_dest(struct budgets *b, const struct name *name,
				const struct ipaddr *addr);
/* How many of n bytes may go; they are spent. d may be NULL: none. */
size_t budget_take(struct budgets *b, struct budget_dest *d, size_t n);
void budget_give_back(struct budgets *b, struct budget_dest *d, size_t n);

/* ---- for the relays, where sb->budgets is there ---- */
struct policy_verdict flow_budget_verdict(void);
/* Where a flow's bytes count. */
struct budget_dest *flow_budget(struct sandbox *sb, const struct flow *f);
/* Spends them, all or, where false, none. */
bool flow_spend(struct sandbox *sb, const struct flow *f, size_t n);
/* It wanted to send more than is left: told once; the caller ends it. */
void flow_over_budget(struct sandbox *sb, struct flow *f);

#endif
