// SPDX-License-Identifier: Apache-2.0
/* The rules one after the other. */
#include "policy/find.h"

static bool flow_matches(const struct rule *r, const struct question *q)
{
	return (r->dirs & q->dir) && (r->protos & q->proto) && rule_has_port(r, q->port);
}

static bool any_prefix(const struct rule_prefix *list, uint32_t n, const struct question *q,
		       bool guarded)
{
	for (uint32_t i = 0; i < n; i++)
		if (prefix_holds(&list[i], &q->addr) &&
		    (!guarded || (list[i].names & GROUP_BIT(q->group))))
			return true;
	return false;
}

static bool address_matches(const struct policy *p, const struct rule *r, const struct question *q)
{
	/* A deny rule needs no name to keep a guest out. */
	bool guarded = q->guarded && r->allow;

	/* The gateway's DNS is no service of the host's, so `any` opens it. */
	if (r->any && (!guarded || q->gateway_dns))
		return true;
	if ((r->groups & GROUP_BIT(q->group)) || (r->dns && q->gateway_dns))
		return true;
	if (r->doh && q->doh && any_prefix(p->doh.prefixes, p->doh.prefix_count, q, guarded))
		return true;
	return any_prefix(r->prefixes, r->prefix_count, q, guarded);
}

uint32_t find_address(const struct policy *p, const struct question *q)
{
	for (uint32_t i = 0; i < p->rule_count; i++)
		if (flow_matches(&p->rules[i], q) && address_matches(p, &p->rules[i], q))
			return i;
	return FIND_NONE;
}

static bool any_name(const struct rule_name *list, uint32_t n, const struct name *name)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct rule_name *t = &list[i];

		if (t->self && t->len == name->len && memcmp(t->s, name->s, t->len) == 0)
			return true;
		if (t->below && name_below(name, t->s, t->len))
			return true;
	}
	return false;
}

static bool name_matches(const struct policy *p, const struct rule *r, const struct question *q,
			 const struct name *name)
{
	if (r->doh && q->doh && any_name(p->doh.names, p->doh.name_count, name))
		return true;
	return any_name(r->names, r->name_count, name);
}

struct name_hits find_name(const struct policy *p, const struct question *q,
			   const struct name *name)
{
	struct name_hits h = {FIND_NONE, FIND_NONE, FIND_NONE};

	for (uint32_t i = 0; i < p->rule_count; i++) {
		const struct rule *r = &p->rules[i];

		if (!rule_has_names(r) || !flow_matches(r, q) || !name_matches(p, r, q, name))
			continue;
		if (!r->allow && h.deny == FIND_NONE)
			h.deny = i;
		if (r->allow && h.allow == FIND_NONE)
			h.allow = i;
		if (r->allow && !r->strict && h.loose == FIND_NONE)
			h.loose = i;
	}
	return h;
}

static bool has_names_here(const struct rule *r, const struct question *q)
{
	return (r->name_count || (r->doh && q->doh)) && flow_matches(r, q);
}

uint32_t find_deny_names(const struct policy *p, const struct question *q, uint32_t from)
{
	for (uint32_t i = from; i < p->rule_count; i++)
		if (!p->rules[i].allow && has_names_here(&p->rules[i], q))
			return i;
	return FIND_NONE;
}

bool find_allow_names(const struct policy *p, const struct question *q)
{
	for (uint32_t i = 0; i < p->rule_count; i++)
		if (p->rules[i].allow && has_names_here(&p->rules[i], q))
			return true;
	return false;
}

static bool service_matches(const struct rule *r, uint8_t proto, uint16_t port)
{
	if (!r->any && !r->dns && !(r->groups & GROUP_BIT(GROUP_HOST)))
		return false;
	return (r->protos & proto) && rule_has_port(r, port);
}

struct question_hit find_question(const struct policy *p, const struct name *name, uint8_t proto,
				  uint16_t port)
{
	const struct question anywhere = {.doh = true};

	for (uint32_t i = 0; i < p->rule_count; i++) {
		const struct rule *r = &p->rules[i];

		if (!(r->dirs & RULE_EGRESS))
			continue;
		if (name && rule_has_names(r) && name_matches(p, r, &anywhere, name))
			return (struct question_hit){i, true};
		if (p->only_names && i == p->implicit_dns)
			continue;
		if (service_matches(r, proto, port))
			return (struct question_hit){i, false};
	}
	return (struct question_hit){FIND_NONE, false};
}

uint32_t find_address_named(const struct policy *p, const struct question *q)
{
	for (uint32_t i = 0; i < p->rule_count; i++) {
		const struct rule *r = &p->rules[i];

		if (!(r->dirs & RULE_EGRESS) || r->port_count)
			continue;
		if ((r->groups & GROUP_BIT(q->group)) ||
		    any_prefix(r->prefixes, r->prefix_count, q, q->guarded && r->allow))
			return i;
	}
	return FIND_NONE;
}
