// SPDX-License-Identifier: Apache-2.0
/*
 * The first rule of a kind that matches: what the decisions are made of. All functions look at
 * direction, protocol and port, and give FIND_NONE where no rule matches.
 */
#ifndef WEIR_POLICY_FIND_H
#define WEIR_POLICY_FIND_H

#include "policy/rule.h"

#define FIND_NONE UINT32_MAX

/* One question: what is derived from the facts once for all rules. */
struct question {
	struct addr_key addr;
	enum policy_group group;
	uint16_t port;
	uint8_t proto;
	uint8_t dir;      /* RULE_EGRESS or RULE_INGRESS */
	bool gateway_dns; /* the gateway's DNS: TCP or UDP port 53 of its address, from the guest */
	bool doh;         /* TCP or UDP port 443, from the guest: where `doh` matches */
	bool guarded;     /* only a rule that names the group lets it in */
};

/* By address. */
uint32_t find_address(const struct policy *p, const struct question *q);

/* By name: the first rule of each action whose names hold it. */
struct name_hits {
	uint32_t deny, allow;
	uint32_t loose; /* allow, and not strict */
};
struct name_hits find_name(const struct policy *p, const struct question *q,
			   const struct name *name);
/* The first deny rule with names, whatever names, at index `from` or behind it. */
uint32_t find_deny_names(const struct policy *p, const struct question *q, uint32_t from);
/* True where some allow rule is for names. */
bool find_allow_names(const struct policy *p, const struct question *q);

/* For a DNS question over `proto` and `port`: the first rule that is for the name, whatever flows
 * it is for, or that opens or closes DNS as a service (`any`, `host`, `dns`). */
struct question_hit {
	uint32_t rule;
	bool by_name;
};
struct question_hit find_question(const struct policy *p, const struct name *name, uint8_t proto,
				  uint16_t port);
/* The first egress rule without ports that is for a group or prefix with this address. */
uint32_t find_address_named(const struct policy *p, const struct question *q);

#endif
