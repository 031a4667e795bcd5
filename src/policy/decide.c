// SPDX-License-Identifier: Apache-2.0
/*
 * The decision: a pure function of policy, environment and facts, without allocation or system
 * call.
 *
 * First comes the rule that matches by address, or the default: that answer holds whatever name the
 * flow carries. Only rules for names in front of it can change it, so only these are looked at
 * then.
 *
 * An IPv6 address that carries an IPv4 address is judged twice, as itself and as what it carries,
 * and passes only where both pass.
 */
#include "policy/find.h"
#include "policy/groups.h"

#define DOT_PORT 853 /* DNS over TLS (RFC 7858 3.1), and over QUIC (RFC 9250 4.1.1) */

/* Rules looked through behind deny rules that bound names cover. When that is not enough, the
 * answer is that it depends, which is never wrong. */
#define COVERED_STEPS 256

/* Everything about one judgement. */
struct judgement {
	const struct policy *p;
	const struct index *x;
	const struct policy_facts *f;
	struct question q;
	enum policy_seen seen;
	uint32_t by_address; /* the rule that decides without names; FIND_NONE: the default */
};

static struct policy_verdict by_rule(const struct policy *p, uint32_t rule, bool by_name)
{
	const struct rule *r = &p->rules[rule];

	return (struct policy_verdict){
		.answer = r->allow ? POLICY_ALLOW : POLICY_DENY,
		.reason = r->allow ? REASON_NONE : REASON_RULE,
		.rule = (int)rule,
		.rule_text = r->text,
		.by_name = by_name,
	};
}

static struct policy_verdict need_name(const struct policy *p, uint32_t rule)
{
	struct policy_verdict v = by_rule(p, rule, true);

	v.answer = POLICY_NEED_NAME;
	v.reason = REASON_NONE;
	return v;
}

static struct policy_verdict built_in(enum policy_reason why, const char *text)
{
	return (struct policy_verdict){POLICY_DENY, why, -1, text, false};
}

static bool is_bound(const struct policy_facts *f, const struct name *name)
{
	for (size_t i = 0; i < f->bound_count; i++)
		if (name_eq(f->bound[i], name))
			return true;
	return false;
}

static uint32_t min_rule(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* An allow rule for a name never opens a guarded group. */
static struct name_hits hits_of(const struct judgement *j, const struct name *name)
{
	struct name_hits h = find_name(j->x, j->q.flow, name);

	if (j->q.guarded)
		h.allow = h.loose = FIND_NONE;
	return h;
}

/* The first allow rule that a bound name matches. */
static uint32_t first_bound(const struct judgement *j, bool loose)
{
	uint32_t first = FIND_NONE;

	for (size_t i = 0; i < j->f->bound_count; i++) {
		struct name_hits h = hits_of(j, j->f->bound[i]);

		first = min_rule(first, loose ? h.loose : h.allow);
	}
	return first;
}

/* ---- why the default denies ---- */

static enum policy_reason reason_for_seen(const struct judgement *j, enum policy_reason otherwise)
{
	if (hits_of(j, j->f->name).allow != FIND_NONE)
		return j->f->bound_count ? REASON_NAME_MISMATCH : REASON_NO_BINDING;
	return first_bound(j, false) != FIND_NONE ? REASON_NAME_MISMATCH : otherwise;
}

static enum policy_reason reason_with_names(const struct judgement *j, enum policy_reason otherwise)
{
	if (j->q.guarded || j->q.flow.dir != RULE_EGRESS ||
	    find_named(j->x, j->q.flow, ATOM_ALLOWS) == FIND_NONE)
		return otherwise;
	if (j->seen == POLICY_NAME_SEEN)
		return reason_for_seen(j, otherwise);

	bool bound = first_bound(j, false) != FIND_NONE;
	switch (j->seen) {
	case POLICY_NAME_UNSEEN:
		return bound ? otherwise : REASON_NO_BINDING;
	case POLICY_NAME_NONE: /* bound: the rule is strict */
		return bound ? REASON_NO_NAME : REASON_NO_BINDING;
	default:
		return bound ? REASON_NO_NAME : otherwise;
	}
}

static struct policy_verdict by_default(const struct judgement *j)
{
	const struct policy *p = j->p;
	const struct question *q = &j->q;
	enum policy_dir dir = j->f->dir;
	struct policy_verdict v = {POLICY_DENY, p->def_reason[dir], -1, "default", false};

	if (p->def[dir] == POLICY_ALLOW && (!q->guarded || q->gateway_dns || p->open_all))
		return (struct policy_verdict){POLICY_ALLOW, REASON_NONE, -1, "default", false};
	/* An allowing default that stops at a guarded group is not a preset's refusal. */
	if (p->def[dir] == POLICY_ALLOW)
		v.reason = REASON_DEFAULT;
	if (q->group == GROUP_METADATA)
		v.reason = REASON_METADATA;
	if (p->has_names)
		v.reason = reason_with_names(j, v.reason);
	return v;
}

static struct policy_verdict without_names(const struct judgement *j)
{
	return j->by_address == FIND_NONE ? by_default(j) : by_rule(j->p, j->by_address, false);
}

/* ---- before the name is seen ---- */

/* True where each name of the rule is bound and let in by an earlier rule. */
static bool is_covered(const struct judgement *j, uint32_t rule)
{
	const struct rule *r = &j->p->rules[rule];

	if (r->doh && j->q.flow.port == POLICY_DOH_PORT) /* more names than an address has */
		return false;
	for (uint32_t i = 0; i < r->name_count; i++) {
		struct name n = {.len = r->names[i].len};

		memcpy(n.s, r->names[i].s, n.len);
		if (r->names[i].below || !is_bound(j->f, &n) || hits_of(j, &n).allow > rule)
			return false;
	}
	return true;
}

/* The first deny rule in front of the address rule that some name would meet. */
static uint32_t first_possible_deny(const struct judgement *j)
{
	uint32_t first = find_named(j->x, j->q.flow, ATOM_DENY), rule = first;
	unsigned steps = COVERED_STEPS;

	while (rule < j->by_address && is_covered(j, rule))
		rule = find_next_deny(j->x, j->q.flow, rule, &steps);
	if (steps == 0)
		return first;
	return rule < j->by_address ? rule : FIND_NONE;
}

/* The first allow rule in front of the address rule that some name, or showing none, would meet. */
static uint32_t first_possible_allow(const struct judgement *j)
{
	uint32_t first = FIND_NONE;

	for (size_t i = 0; i < j->f->bound_count; i++) {
		struct name_hits h = hits_of(j, j->f->bound[i]);

		first = min_rule(first, h.allow < h.deny ? h.allow : h.loose);
	}
	return first < j->by_address ? first : FIND_NONE;
}

static struct policy_verdict judge_unseen(const struct judgement *j)
{
	struct policy_verdict v = without_names(j);
	uint32_t rule;

	if (v.answer == POLICY_DENY) {
		rule = first_possible_allow(j);
		return rule == FIND_NONE ? v : need_name(j->p, rule);
	}
	rule = first_possible_deny(j);
	if (rule != FIND_NONE)
		return need_name(j->p, rule);
	rule = first_bound(j, false);
	return rule < j->by_address ? by_rule(j->p, rule, true) : v;
}

/* ---- one address ---- */

static uint32_t first_by_name(const struct judgement *j)
{
	if (j->seen == POLICY_NAME_NONE)
		return first_bound(j, true);
	if (j->seen != POLICY_NAME_SEEN)
		return FIND_NONE;

	struct name_hits h = hits_of(j, j->f->name);
	return is_bound(j->f, j->f->name) ? min_rule(h.deny, h.allow) : h.deny;
}

static struct policy_verdict judge_names(const struct judgement *j)
{
	if (j->seen == POLICY_NAME_UNSEEN)
		return judge_unseen(j);
	uint32_t rule = first_by_name(j);
	return rule < j->by_address ? by_rule(j->p, rule, true) : without_names(j);
}

/* What is not looked into, or is weir's own, never shows a name: then a binding alone decides. */
static enum policy_seen seen_of(const struct policy_facts *f)
{
	bool tcp = f->proto == POLICY_TCP && f->port != POLICY_DNS_PORT;
	bool quic = f->proto == POLICY_UDP && f->port == POLICY_DOH_PORT;

	return f->seen == POLICY_NAME_UNSEEN && !tcp && !quic ? POLICY_NAME_NONE : f->seen;
}

static struct policy_verdict judge(const struct policy *p, const struct policy_env *env,
				   const struct policy_facts *f, const struct ipaddr *a,
				   uint8_t proto)
{
	struct judgement j = {
		.p = p,
		.x = p->index,
		.f = f,
		.q = {.addr = addr_key(a),
		      .group = policy_group_of(env, a),
		      .flow = {f->port, proto, (uint8_t)(1u << f->dir)}},
		.seen = seen_of(f),
	};
	struct question *q = &j.q;

	if (q->group == GROUP_NONE)
		return built_in(REASON_UNSPECIFIED, "default");
	if (f->dir == POLICY_EGRESS) {
		q->guarded = GROUPS_GUARDED & GROUP_BIT(q->group);
		q->gateway_dns = f->port == POLICY_DNS_PORT && (proto & POLICY_PROTO_PORTS) &&
				 q->group == GROUP_HOST && group_is_gateway(env, a);
	}
	j.by_address = find_address(p->index, q);
	return p->has_names && f->dir == POLICY_EGRESS ? judge_names(&j) : without_names(&j);
}

/* Ports that weir refuses whatever the policy says: other ways to ask for names than the one that
 * it answers, and names of the host's own link. */
static enum policy_reason refused_port(const struct policy_facts *f)
{
	if (f->dir != POLICY_EGRESS)
		return REASON_NONE;
	if (f->proto == POLICY_TCP)
		return f->port == DOT_PORT ? REASON_DOT : REASON_NONE;
	if (f->proto != POLICY_UDP)
		return REASON_NONE;
	switch (f->port) {
	case DOT_PORT:
	case 5353: /* mDNS, RFC 6762 */
	case 5355: /* LLMNR, RFC 4795 */
	case 137:  /* NetBIOS names, RFC 1002 */
		return REASON_ALT_DNS;
	}
	return REASON_NONE;
}

struct policy_verdict policy_decide(const struct policy *p, const struct policy_env *env,
				    const struct policy_facts *f)
{
	enum policy_reason refused = refused_port(f);
	struct ipaddr inner;

	if (refused != REASON_NONE)
		return built_in(refused, "built in");
	struct policy_verdict outer = judge(p, env, f, &f->remote, (uint8_t)f->proto);
	if (outer.answer == POLICY_DENY || !policy_embedded_v4(&f->remote, &inner))
		return outer;
	/* What leaves a translator as IPv4 is ICMP of that family. */
	uint8_t proto = f->proto == POLICY_ICMPV6 ? POLICY_ICMPV4 : (uint8_t)f->proto;
	struct policy_verdict v = judge(p, env, f, &inner, proto);
	if (v.answer == POLICY_DENY || outer.answer == POLICY_ALLOW)
		return v.answer == POLICY_ALLOW ? outer : v;
	return outer;
}
