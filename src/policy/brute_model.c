// SPDX-License-Identifier: Apache-2.0
/* See brute_model.h. Rule texts are not modelled: verdicts carry the index alone. */
#include "policy/brute_model.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- groups ---- */

static const struct {
	const char *net;
	unsigned bits;
	const char *group;
} ranges[] = {
	{"169.254.169.254", 32, "metadata"},
	{"169.254.170.2", 32, "metadata"},
	{"169.254.170.23", 32, "metadata"},
	{"100.100.100.200", 32, "metadata"},
	{"168.63.129.16", 32, "metadata"},
	{"192.0.0.192", 32, "metadata"},
	{"fd00:ec2::254", 128, "metadata"},
	{"fd20:ce::254", 128, "metadata"},
	{"127.0.0.0", 8, "loopback"},
	{"::1", 128, "loopback"},
	{"10.0.0.0", 8, "private"},
	{"172.16.0.0", 12, "private"},
	{"192.168.0.0", 16, "private"},
	{"100.64.0.0", 10, "private"},
	{"fc00::", 7, "private"},
	{"169.254.0.0", 16, "link-local"},
	{"fe80::", 10, "link-local"},
	{"224.0.0.0", 4, "multicast"},
	{"ff00::", 8, "multicast"},
};

static const struct ipaddr *range_net(size_t i)
{
	static struct ipaddr nets[COUNT(ranges)];

	if (!nets[i].family)
		ipaddr_parse(ranges[i].net, &nets[i]);
	return &nets[i];
}

static bool bit(const struct ipaddr *a, unsigned i)
{
	return a->b[i / 8] >> (7 - i % 8) & 1;
}

static bool in_net(const struct ipaddr *a, const struct ipaddr *net, unsigned bits)
{
	if (a->family != net->family)
		return false;
	for (unsigned i = 0; i < bits; i++)
		if (bit(a, i) != bit(net, i))
			return false;
	return true;
}

static bool is_gateway(const struct policy_env *env, const struct ipaddr *a)
{
	return ipaddr_eq(a, &env->gw4) || ipaddr_eq(a, &env->gw6);
}

static const char *group_of(const struct policy_env *env, const struct ipaddr *a)
{
	if (a->family == 4 ? a->b[0] == 0 : ipaddr_is_unspecified(a))
		return "nowhere";
	if (is_gateway(env, a))
		return "host";
	for (size_t i = 0; i < env->host_count; i++)
		if (ipaddr_eq(a, &env->host[i]))
			return "host";
	for (size_t i = 0; i < env->net_count; i++)
		if (in_net(a, &env->nets[i].net, env->nets[i].bits))
			return "host";
	for (size_t i = 0; i < COUNT(ranges); i++)
		if (in_net(a, range_net(i), ranges[i].bits))
			return ranges[i].group;
	return "public";
}

static bool is_guarded(const char *group)
{
	return !strcmp(group, "host") || !strcmp(group, "metadata") || !strcmp(group, "loopback") ||
	       !strcmp(group, "link-local");
}

/* Whether the prefix is a part of a range of that group (or one address, for the host). */
static bool names_group(const struct model_target *t, const char *group)
{
	if (!strcmp(group, "host"))
		return t->bits == ipaddr_len(&t->net) * 8;
	for (size_t i = 0; i < COUNT(ranges); i++)
		if (!strcmp(ranges[i].group, group) && t->bits >= ranges[i].bits &&
		    in_net(&t->net, range_net(i), ranges[i].bits))
			return true;
	return false;
}

/* ---- targets ---- */

/* One address that is judged: the flow's, or the one inside it. */
struct at {
	const struct model *m;
	const struct policy_env *env;
	const struct policy_facts *f;
	struct ipaddr a;
	unsigned proto;
	const char *group;
	bool guarded, has_port;
};

static struct at at_make(const struct model *m, const struct policy_env *env,
			 const struct policy_facts *f, const struct ipaddr *a, unsigned proto)
{
	struct at at = {m, env, f, *a, proto, group_of(env, a), false, false};

	at.guarded = f->dir == POLICY_EGRESS && is_guarded(at.group);
	at.has_port = proto == POLICY_TCP || proto == POLICY_UDP;
	return at;
}

static bool gateway_dns(const struct at *at)
{
	return at->f->dir == POLICY_EGRESS && is_gateway(at->env, &at->a) && at->f->port == 53 &&
	       at->has_port;
}

static bool is_doh(const struct at *at)
{
	return at->f->dir == POLICY_EGRESS && at->f->port == 443 && at->has_port;
}

static bool address_matches(const struct model_rule *r, const struct model_target *t,
			    const struct at *at)
{
	static const uint8_t doh[4] = {8, 8, 8, 8};
	struct ipaddr doh_addr = ipaddr_v4(doh);

	switch (t->kind) {
	case MODEL_ANY:
		return !at->guarded || !r->allow || gateway_dns(at);
	case MODEL_DNS:
		return gateway_dns(at);
	case MODEL_DOH:
		return is_doh(at) && ipaddr_eq(&at->a, &doh_addr);
	case MODEL_GROUP:
		return !strcmp(t->group, at->group);
	case MODEL_PREFIX:
		return in_net(&at->a, &t->net, t->bits) &&
		       (!at->guarded || !r->allow || names_group(t, at->group));
	case MODEL_NAME:
		break;
	}
	return false;
}

/* Whether the name is one that the target holds, whatever the flow. */
static bool holds(const struct model *m, const struct model_target *t, const struct name *n)
{
	if (t->kind == MODEL_DOH) {
		for (unsigned i = 0; i < m->doh_count; i++)
			if (name_eq(&m->doh[i], n))
				return true;
		return false;
	}
	if (t->kind != MODEL_NAME)
		return false;
	if (name_eq(&t->name, n))
		return t->self;
	size_t extra = n->len > t->name.len ? n->len - t->name.len : 0;
	return t->below && extra >= 2 && n->s[extra - 1] == '.' && !strcmp(n->s + extra, t->name.s);
}

static bool is_bound(const struct policy_facts *f, const struct name *n)
{
	for (size_t i = 0; i < f->bound_count; i++)
		if (name_eq(f->bound[i], n))
			return true;
	return false;
}

static bool holds_bound(const struct model *m, const struct model_target *t,
			const struct policy_facts *f)
{
	for (size_t i = 0; i < f->bound_count; i++)
		if (holds(m, t, f->bound[i]))
			return true;
	return false;
}

static bool name_matches(const struct model_rule *r, const struct model_target *t,
			 const struct at *at, enum policy_seen seen, const struct name *n)
{
	if (t->kind == MODEL_DOH && !is_doh(at))
		return false;
	if (!r->allow)
		return seen == POLICY_NAME_SEEN && holds(at->m, t, n);
	if (at->guarded)
		return false;
	if (seen == POLICY_NAME_SEEN)
		return holds(at->m, t, n) && is_bound(at->f, n);
	if (seen == POLICY_NAME_ABSENT || (seen == POLICY_NAME_NONE && r->strict))
		return false;
	return holds_bound(at->m, t, at->f);
}

static bool flow_matches(const struct model_rule *r, const struct at *at)
{
	bool port_ok = r->ports == 0;

	for (unsigned i = 0; i < r->ports; i++)
		port_ok |= at->f->port >= r->port[i].first && at->f->port <= r->port[i].last;
	return port_ok && (r->dirs & (at->f->dir == POLICY_EGRESS ? 1 : 2)) &&
	       (!r->protos || (r->protos & at->proto));
}

/* ---- verdicts ---- */

static struct policy_verdict verdict(enum policy_answer answer, enum policy_reason why, int rule,
				     bool by_name)
{
	return (struct policy_verdict){answer, answer == POLICY_DENY ? why : REASON_NONE, rule,
				       NULL, by_name};
}

/* Whether some allow rule for names is for this flow and holds the name (any name, where NULL). */
static bool some_allow(const struct at *at, const struct name *n)
{
	for (unsigned i = 0; i < at->m->n; i++) {
		const struct model_rule *r = &at->m->rules[i];

		for (unsigned k = 0; k < r->n && r->allow && flow_matches(r, at); k++) {
			const struct model_target *t = &r->targets[k];

			if (t->kind != MODEL_NAME && (t->kind != MODEL_DOH || !is_doh(at)))
				continue;
			if (!n || holds(at->m, t, n))
				return true;
		}
	}
	return false;
}

static enum policy_reason why_default(const struct at *at, enum policy_seen seen,
				      const struct name *n)
{
	enum policy_dir dir = at->f->dir;
	enum policy_reason otherwise =
		at->m->def_allow[dir] ? REASON_DEFAULT : at->m->def_reason[dir];
	bool bound_ok = false;

	if (!strcmp(at->group, "metadata"))
		otherwise = REASON_METADATA;
	if (dir != POLICY_EGRESS || at->guarded || !some_allow(at, NULL))
		return otherwise;
	for (size_t i = 0; i < at->f->bound_count; i++)
		bound_ok |= some_allow(at, at->f->bound[i]);
	switch (seen) {
	case POLICY_NAME_UNSEEN:
		return bound_ok ? otherwise : REASON_NO_BINDING;
	case POLICY_NAME_NONE:
		return bound_ok ? REASON_NO_NAME : REASON_NO_BINDING;
	case POLICY_NAME_ABSENT:
		return bound_ok ? REASON_NO_NAME : otherwise;
	case POLICY_NAME_SEEN:
		break;
	}
	if (some_allow(at, n))
		return at->f->bound_count ? REASON_NAME_MISMATCH : REASON_NO_BINDING;
	return bound_ok ? REASON_NAME_MISMATCH : otherwise;
}

/* First match, in a given state. */
static struct policy_verdict first_match(const struct at *at, enum policy_seen seen,
					 const struct name *n)
{
	const struct model *m = at->m;

	for (unsigned i = 0; i < m->n; i++) {
		const struct model_rule *r = &m->rules[i];
		enum policy_answer answer = r->allow ? POLICY_ALLOW : POLICY_DENY;
		bool by_name = false;

		if (!flow_matches(r, at))
			continue;
		for (unsigned k = 0; k < r->n; k++) {
			if (address_matches(r, &r->targets[k], at))
				return verdict(answer, REASON_RULE, (int)i, false);
			by_name |= name_matches(r, &r->targets[k], at, seen, n);
		}
		if (by_name)
			return verdict(answer, REASON_RULE, (int)i, true);
	}
	if (m->def_allow[at->f->dir] && (!at->guarded || gateway_dns(at) || m->open_all))
		return verdict(POLICY_ALLOW, REASON_NONE, -1, false);
	return verdict(POLICY_DENY, why_default(at, seen, n), -1, false);
}

/* Tries whatever the flow may show. */
static struct policy_verdict try_all(const struct at *at)
{
	struct policy_verdict now = first_match(at, POLICY_NAME_UNSEEN, NULL);
	struct policy_verdict base = first_match(at, POLICY_NAME_ABSENT, NULL);
	struct policy_verdict other = first_match(at, POLICY_NAME_NONE, NULL);

	if (other.answer == base.answer)
		other.rule = -1;
	for (unsigned i = 0; i < at->m->name_count; i++) {
		struct policy_verdict v = first_match(at, POLICY_NAME_SEEN, &at->m->names[i]);

		if (v.answer != base.answer && (other.rule < 0 || v.rule < other.rule))
			other = v;
	}
	if (other.rule >= 0 && other.answer != base.answer)
		return verdict(POLICY_NEED_NAME, REASON_NONE, other.rule, true);
	if (base.answer == POLICY_ALLOW)
		return now;
	if (base.rule < 0)
		base.reason = why_default(at, POLICY_NAME_UNSEEN, NULL);
	return base;
}

static enum policy_seen state_of(const struct policy_facts *f)
{
	bool shows =
		f->proto == POLICY_TCP ? f->port != 53 : f->proto == POLICY_UDP && f->port == 443;

	if (f->seen == POLICY_NAME_UNSEEN && !shows)
		return POLICY_NAME_NONE;
	return f->seen;
}

static struct policy_verdict judge(const struct at *at)
{
	enum policy_seen seen = state_of(at->f);

	if (!strcmp(at->group, "nowhere"))
		return verdict(POLICY_DENY, REASON_UNSPECIFIED, -1, false);
	if (seen == POLICY_NAME_UNSEEN)
		return try_all(at);
	return first_match(at, seen, at->f->name);
}

/* ICMP behind a translator is that of IPv4. */
static unsigned inner_proto(const struct policy_facts *f)
{
	return f->proto == POLICY_ICMPV6 ? POLICY_ICMPV4 : f->proto;
}

static enum policy_reason never(const struct policy_facts *f)
{
	if (f->dir == POLICY_INGRESS)
		return REASON_NONE;
	if (f->proto == POLICY_UDP &&
	    (f->port == 853 || f->port == 5353 || f->port == 5355 || f->port == 137))
		return REASON_ALT_DNS;
	return f->proto == POLICY_TCP && f->port == 853 ? REASON_DOT : REASON_NONE;
}

struct policy_verdict model_decide(const struct model *m, const struct policy_env *env,
				   const struct policy_facts *f)
{
	struct at outer = at_make(m, env, f, &f->remote, f->proto);
	struct ipaddr inside;

	if (never(f) != REASON_NONE)
		return verdict(POLICY_DENY, never(f), -1, false);
	struct policy_verdict v = judge(&outer);
	if (!policy_embedded_v4(&f->remote, &inside))
		return v;
	struct at inner = at_make(m, env, f, &inside, inner_proto(f));
	struct policy_verdict w = judge(&inner);
	/* The stricter of both, and the outer one where they are alike. */
	if (v.answer == POLICY_DENY || w.answer == POLICY_ALLOW)
		return v;
	return w.answer == POLICY_DENY || v.answer == POLICY_ALLOW ? w : v;
}

unsigned model_possible(const struct model *m, const struct policy_env *env,
			const struct policy_facts *f)
{
	struct policy_facts later = *f;
	unsigned bits;

	if (state_of(f) != POLICY_NAME_UNSEEN)
		return 1u << model_decide(m, env, f).answer;
	later.seen = POLICY_NAME_ABSENT;
	bits = 1u << model_decide(m, env, &later).answer;
	later.seen = POLICY_NAME_NONE;
	bits |= 1u << model_decide(m, env, &later).answer;
	later.seen = POLICY_NAME_SEEN;
	for (unsigned i = 0; i < m->name_count; i++) {
		later.name = &m->names[i];
		bits |= 1u << model_decide(m, env, &later).answer;
	}
	return bits;
}

/* ---- DNS ---- */

static bool only_names(const struct model *m)
{
	if (m->implicit_dns < 0 || m->def_allow[POLICY_EGRESS])
		return false;
	for (unsigned i = 0; i < m->n; i++) {
		const struct model_rule *r = &m->rules[i];

		for (unsigned k = 0; k < r->n; k++)
			if ((int)i != m->implicit_dns && r->allow && (r->dirs & 1) &&
			    r->targets[k].kind != MODEL_NAME)
				return false;
	}
	return true;
}

static bool serves_dns(const struct model_rule *r, enum policy_proto proto, uint16_t port)
{
	bool port_ok = r->ports == 0;

	for (unsigned i = 0; i < r->ports; i++)
		port_ok |= port >= r->port[i].first && port <= r->port[i].last;
	if (!port_ok || (r->protos && !(r->protos & proto)))
		return false;
	for (unsigned k = 0; k < r->n; k++) {
		const struct model_target *t = &r->targets[k];

		if (t->kind == MODEL_ANY || t->kind == MODEL_DNS ||
		    (t->kind == MODEL_GROUP && !strcmp(t->group, "host")))
			return true;
	}
	return false;
}

struct policy_verdict model_question(const struct model *m, const struct name *name,
				     enum policy_proto proto, uint16_t port)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct model_rule *r = &m->rules[i];
		enum policy_answer answer = r->allow ? POLICY_ALLOW : POLICY_DENY;

		if (!(r->dirs & 1))
			continue;
		for (unsigned k = 0; k < r->n; k++)
			if (holds(m, &r->targets[k], name))
				return verdict(answer, REASON_RULE, (int)i, true);
		if (serves_dns(r, proto, port) && !((int)i == m->implicit_dns && only_names(m)))
			return verdict(answer, REASON_RULE, (int)i, false);
	}
	return verdict(m->def_allow[0] ? POLICY_ALLOW : POLICY_DENY, m->def_reason[0], -1, false);
}

static bool first_named(const struct model *m, const struct policy_env *env, const struct ipaddr *a)
{
	struct policy_facts f = {.dir = POLICY_EGRESS, .proto = POLICY_TCP, .port = 1};
	struct at at = at_make(m, env, &f, a, POLICY_TCP);

	if (!strcmp(at.group, "nowhere"))
		return false;
	for (unsigned i = 0; i < m->n; i++) {
		const struct model_rule *r = &m->rules[i];

		for (unsigned k = 0; k < r->n && (r->dirs & 1) && !r->ports; k++)
			if ((r->targets[k].kind == MODEL_GROUP ||
			     r->targets[k].kind == MODEL_PREFIX) &&
			    address_matches(r, &r->targets[k], &at))
				return r->allow;
	}
	return false;
}

bool model_is_named(const struct model *m, const struct policy_env *env, const struct ipaddr *a)
{
	struct ipaddr inside;

	return first_named(m, env, a) &&
	       (!policy_embedded_v4(a, &inside) || first_named(m, env, &inside));
}
