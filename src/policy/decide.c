// SPDX-License-Identifier: Apache-2.0
/*
 * The decision: a pure function of policy, environment and facts, without allocation or system
 * call.
 *
 * An IPv6 address that carries an IPv4 address is judged twice, as itself and as what it carries,
 * and passes only where both pass. Without rules of great number this takes some tens of
 * nanoseconds: the address becomes two words once, and each rule is a few compares.
 */
#include "policy/groups.h"
#include "policy/rule.h"

/* One question: the facts, and what is derived from the address once for all rules. */
struct question {
	const struct policy_facts *f;
	struct addr_key addr;
	enum policy_group group;
	uint8_t proto;
	uint8_t dir;      /* RULE_EGRESS or RULE_INGRESS */
	bool gateway_dns; /* the gateway's DNS: TCP or UDP port 53 of its address, from the guest */
	bool guarded;     /* only a rule that names the group lets it in */
};

static bool port_matches(const struct rule *r, uint16_t port)
{
	if (r->port_count == 0)
		return true;
	for (uint32_t i = 0; i < r->port_count; i++)
		if (port >= r->ports[i].first && port <= r->ports[i].last)
			return true;
	return false;
}

static bool target_matches(const struct rule *r, const struct question *q)
{
	/* A deny rule needs no name to keep a guest out. */
	bool guarded = q->guarded && r->allow;

	/* The gateway's DNS is no service of the host's, so `any` opens it. */
	if (r->any && (!guarded || q->gateway_dns))
		return true;
	if (r->groups & GROUP_BIT(q->group))
		return true;
	if (r->dns && q->gateway_dns)
		return true;
	for (uint32_t i = 0; i < r->prefix_count; i++) {
		const struct rule_prefix *p = &r->prefixes[i];

		if (addr_key_in(q->addr, &p->net, &p->mask) &&
		    (!guarded || (p->names & GROUP_BIT(q->group))))
			return true;
	}
	return false;
}

static struct policy_verdict deny_by_default(const struct policy *p, const struct question *q)
{
	struct policy_verdict v = {POLICY_DENY, p->def_reason[q->f->dir], -1, "default"};

	/* An allowing default that stops at a guarded group is not a preset's refusal. */
	if (p->def[q->f->dir] == POLICY_ALLOW)
		v.reason = REASON_DEFAULT;
	if (q->group == GROUP_METADATA)
		v.reason = REASON_METADATA;
	return v;
}

static struct policy_verdict judge(const struct policy *p, const struct policy_env *env,
				   const struct policy_facts *f, const struct ipaddr *a,
				   uint8_t proto)
{
	struct question q = {
		.f = f,
		.addr = addr_key(a),
		.group = policy_group_of(env, a),
		.proto = proto,
		.dir = (uint8_t)(1u << f->dir),
	};

	if (q.group == GROUP_NONE)
		return (struct policy_verdict){POLICY_DENY, REASON_UNSPECIFIED, -1, "default"};
	if (f->dir == POLICY_EGRESS) {
		q.guarded = GROUPS_GUARDED & GROUP_BIT(q.group);
		q.gateway_dns = f->port == POLICY_DNS_PORT && (proto & POLICY_PROTO_PORTS) &&
				q.group == GROUP_HOST && group_is_gateway(env, a);
	}
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *r = &p->rules[i];

		if (!(r->dirs & q.dir) || !(r->protos & q.proto))
			continue;
		if (!port_matches(r, f->port) || !target_matches(r, &q))
			continue;
		return (struct policy_verdict){
			.answer = r->allow ? POLICY_ALLOW : POLICY_DENY,
			.reason = r->allow ? REASON_NONE : REASON_RULE,
			.rule = (int)i,
			.rule_text = r->text,
		};
	}
	if (p->def[f->dir] == POLICY_ALLOW && (!q.guarded || q.gateway_dns || p->open_all))
		return (struct policy_verdict){POLICY_ALLOW, REASON_NONE, -1, "default"};
	return deny_by_default(p, &q);
}

struct policy_verdict policy_decide(const struct policy *p, const struct policy_env *env,
				    const struct policy_facts *f)
{
	struct policy_verdict outer = judge(p, env, f, &f->remote, (uint8_t)f->proto);
	struct ipaddr inner;

	if (outer.answer == POLICY_DENY || !policy_embedded_v4(&f->remote, &inner))
		return outer;
	/* What leaves a translator as IPv4 is ICMP of that family. */
	uint8_t proto = f->proto == POLICY_ICMPV6 ? POLICY_ICMPV4 : (uint8_t)f->proto;
	struct policy_verdict v = judge(p, env, f, &inner, proto);
	return v.answer == POLICY_DENY ? v : outer;
}
