// SPDX-License-Identifier: Apache-2.0
/*
 * What the policy says about names alone: whether a question may be asked, and whether an answer
 * may hold an address that names seldom have.
 */
#include "policy/find.h"
#include "policy/groups.h"

struct policy_verdict policy_decide_question(const struct policy *p, const struct policy_env *env,
					     const struct name *name, enum policy_proto proto,
					     uint16_t port)
{
	struct question_hit hit = find_question(p->index, name, (uint8_t)proto, port);
	struct policy_verdict v = {p->def[POLICY_EGRESS], REASON_NONE, -1, "default", false};

	if (hit.rule != FIND_NONE) {
		const struct rule *r = &p->rules[hit.rule];

		v.answer = r->allow ? POLICY_ALLOW : POLICY_DENY;
		v.reason = r->allow ? REASON_NONE : REASON_RULE;
		v.rule = (int)hit.rule;
		v.rule_text = r->text;
		v.by_name = hit.by_name;
	} else if (v.answer != POLICY_ALLOW) {
		v.reason = p->def_reason[POLICY_EGRESS];
	}
	return v;
}

static bool is_named(const struct policy *p, const struct policy_env *env, const struct ipaddr *a)
{
	struct question q = {.addr = addr_key(a), .group = policy_group_of(env, a)};

	if (q.group == GROUP_NONE)
		return false;
	q.guarded = GROUPS_GUARDED & GROUP_BIT(q.group);
	uint32_t rule = find_address_named(p->index, &q);
	return rule != FIND_NONE && p->rules[rule].allow;
}

bool policy_address_is_named(const struct policy *p, const struct policy_env *env,
			     const struct ipaddr *a)
{
	struct ipaddr inner;

	if (!is_named(p, env, a))
		return false;
	return !policy_embedded_v4(a, &inner) || is_named(p, env, &inner);
}

bool policy_has_names(const struct policy *p)
{
	return p->has_names;
}
