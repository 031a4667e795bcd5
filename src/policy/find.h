// SPDX-License-Identifier: Apache-2.0
/*
 * The first rule of a kind that matches: what the decisions are made of. Each gives FIND_NONE where
 * no rule does.
 */
#ifndef WEIR_POLICY_FIND_H
#define WEIR_POLICY_FIND_H

#include "policy/index.h"

/* One question: what is derived from the facts once for all rules. */
struct question {
	struct addr_key addr;
	enum policy_group group;
	struct flow_key flow;
	bool gateway_dns; /* the gateway's DNS: TCP or UDP port 53 of its address, from the guest */
	bool guarded;     /* only a rule that names the group lets it in */
};

/* By address. */
uint32_t find_address(const struct index *x, const struct question *q);

/* By name: the first rule of each action whose names hold it. */
struct name_hits {
	uint32_t deny, allow;
	uint32_t loose; /* allow, and not strict */
};
struct name_hits find_name(const struct index *x, struct flow_key k, const struct name *name);
/* The first rule of these kinds with names, whatever names. */
uint32_t find_named(const struct index *x, struct flow_key k, uint8_t kinds);
/*
 * The next deny rule with names behind `rule`. Every atom looked at is taken off *steps; at 0 the
 * search ends with FIND_NONE.
 */
uint32_t find_next_deny(const struct index *x, struct flow_key k, uint32_t rule, unsigned *steps);

/* For a DNS question over `proto` and `port`: the first rule that is for the name, whatever flows
 * it is for, or that opens or closes DNS as a service (`any`, `host`, `dns`). */
struct question_hit {
	uint32_t rule;
	bool by_name;
};
struct question_hit find_question(const struct index *x, const struct name *name, uint8_t proto,
				  uint16_t port);
/* The first egress rule without ports that is for a group or prefix with this address. */
uint32_t find_address_named(const struct index *x, const struct question *q);

#endif
