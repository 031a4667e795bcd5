// SPDX-License-Identifier: Apache-2.0
/*
 * The policy as its manual states it, and as plain as can be: rules are lists of choices, addresses
 * are looked at bit by bit, and what depends on a name is found by trying every name there is.
 *
 * For tests only. It shares no code with what it is compared with but names, addresses and the
 * structs of policy.h.
 */
#ifndef WEIR_POLICY_BRUTE_MODEL_H
#define WEIR_POLICY_BRUTE_MODEL_H

#include "policy/policy.h"

#define MODEL_ITEMS_MAX 3

enum model_kind {
	MODEL_ANY,
	MODEL_DNS,
	MODEL_DOH,
	MODEL_GROUP,
	MODEL_PREFIX,
	MODEL_NAME,
};

struct model_target {
	enum model_kind kind;
	const char *group;
	struct ipaddr net;
	unsigned bits;
	struct name name;
	bool self, below;
};

struct model_rule {
	bool allow, strict;
	unsigned dirs; /* 1 egress, 2 ingress */
	unsigned n;
	struct model_target targets[MODEL_ITEMS_MAX];
	unsigned protos; /* 0: any */
	unsigned ports;  /* 0: any */
	struct {
		unsigned first, last;
	} port[MODEL_ITEMS_MAX];
};

struct model {
	const struct model_rule *rules;
	unsigned n;
	bool def_allow[2];
	bool open_all; /* the allowing default is that of --net all */
	enum policy_reason def_reason[2];
	int implicit_dns;         /* index of the dns rule that nobody wrote; -1: none */
	const struct name *names; /* every name there is */
	unsigned name_count;
	const struct name *doh; /* names that `doh` stands for; its one address is 8.8.8.8 */
	unsigned doh_count;
};

/* What the policy must answer. */
struct policy_verdict model_decide(const struct model *m, const struct policy_env *env,
				   const struct policy_facts *f);
struct policy_verdict model_question(const struct model *m, const struct name *name,
				     enum policy_proto proto, uint16_t port);
bool model_is_named(const struct model *m, const struct policy_env *env, const struct ipaddr *a);
/*
 * The answers that are still possible, as bits (1 << POLICY_DENY, 1 << POLICY_ALLOW), over all that
 * a flow may yet show.
 */
unsigned model_possible(const struct model *m, const struct policy_env *env,
			const struct policy_facts *f);

#endif
