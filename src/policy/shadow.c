// SPDX-License-Identifier: Apache-2.0
/*
 * Whether an earlier rule leaves nothing to a later one, neither flows nor DNS questions. It is
 * judged target by target, and where that is hard to say, the answer is no.
 */
#include "policy/rule.h"

static bool covers_ports(const struct rule *a, const struct rule *b)
{
	if (a->port_count == 0)
		return true;
	if (b->port_count == 0)
		return false;
	for (uint32_t i = 0; i < b->port_count; i++) {
		bool within = false;

		for (uint32_t j = 0; j < a->port_count && !within; j++)
			within = b->ports[i].first >= a->ports[j].first &&
				 b->ports[i].last <= a->ports[j].last;
		if (!within)
			return false;
	}
	return true;
}

/*
 * Whether an allow rule whose target names `names` reaches what prefix p of rule b reaches, guarded
 * groups considered. That a deny rule would also have met an address of the host's own does not
 * count: without a rule that names it, the host is closed anyway.
 */
static bool covers_guarded(const struct rule *a, uint8_t names, const struct rule *b,
			   const struct rule_prefix *p)
{
	if (!a->allow)
		return true;
	if (b->allow)
		return !(p->names & ~names);
	return !p->touches;
}

static bool covers_prefix(const struct rule *a, const struct rule *b, const struct rule_prefix *p)
{
	if (a->any && covers_guarded(a, 0, b, p))
		return true;
	for (uint32_t i = 0; i < a->prefix_count; i++) {
		const struct rule_prefix *q = &a->prefixes[i];

		if (q->bits <= p->bits && prefix_holds(q, &p->net) &&
		    covers_guarded(a, q->names, b, p))
			return true;
	}
	return false;
}

static bool covers_groups(const struct rule *a, const struct rule *b)
{
	uint8_t missing = b->groups & ~a->groups;

	if (a->any)
		missing &= a->allow ? GROUPS_GUARDED : 0;
	return !missing;
}

/* `allow@any` leaves the guarded groups to later rules; `deny@any` leaves nothing. */
static bool covers_any(const struct rule *a, const struct rule *b)
{
	return a->any && (!a->allow || b->allow);
}

static bool holds_name(const struct rule_name *t, const struct rule_name *of)
{
	bool same = t->len == of->len && memcmp(t->s, of->s, t->len) == 0;
	bool under = t->below && of->len > t->len + 1 && of->s[of->len - t->len - 1] == '.' &&
		     memcmp(of->s + of->len - t->len, t->s, t->len) == 0;

	return under || (same && (!of->self || t->self) && (!of->below || t->below));
}

/* Rules for names match by bindings and bytes, as their action wants it; of two with different
 * actions neither covers the other. */
static bool names_alike(const struct rule *a, const struct rule *b)
{
	return a->allow == b->allow && (!a->strict || b->strict);
}

static bool covers_name(const struct rule *a, const struct rule *b, const struct rule_name *name)
{
	/* A rule for a name answers DNS questions over all protocols and ports. */
	bool all_dns = a->port_count == 0 && !(POLICY_PROTO_PORTS & ~a->protos);

	if (covers_any(a, b) && all_dns)
		return true;
	if (!names_alike(a, b))
		return false;
	for (uint32_t i = 0; i < a->name_count; i++)
		if (holds_name(&a->names[i], name))
			return true;
	return false;
}

static bool covers_doh(const struct rule *a, const struct rule *b)
{
	bool all_dns = a->port_count == 0 && !(POLICY_PROTO_PORTS & ~a->protos);

	return (a->doh && names_alike(a, b)) || (covers_any(a, b) && all_dns);
}

/* `dns` and the host group answer questions, too, by protocol and port. */
static bool covers_dns(const struct rule *a)
{
	return a->dns || a->any || (a->groups & GROUP_BIT(GROUP_HOST));
}

bool rule_shadows(const struct rule *earlier, const struct rule *later)
{
	const struct rule *a = earlier, *b = later;

	if ((b->dirs & ~a->dirs) || (b->protos & ~a->protos) || !covers_ports(a, b))
		return false;
	if ((b->any && !covers_any(a, b)) || (b->dns && !covers_dns(a)) ||
	    (b->doh && !covers_doh(a, b)) || !covers_groups(a, b))
		return false;
	for (uint32_t i = 0; i < b->prefix_count; i++)
		if (!covers_prefix(a, b, &b->prefixes[i]))
			return false;
	for (uint32_t i = 0; i < b->name_count; i++)
		if (!covers_name(a, b, &b->names[i]))
			return false;
	return true;
}

bool rule_denies_names(const struct rule *earlier, const struct rule *later)
{
	const struct rule *a = earlier, *b = later;

	if (a->allow || !b->allow || b->name_count == 0 || rule_has_addresses(b))
		return false;
	for (uint32_t i = 0; i < b->name_count; i++) {
		bool held = false;

		for (uint32_t k = 0; k < a->name_count && !held; k++)
			held = holds_name(&a->names[k], &b->names[i]);
		if (!held)
			return false;
	}
	return true;
}
