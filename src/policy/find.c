// SPDX-License-Identifier: Apache-2.0
/* Questions to the index: the least rule of the few lists that can hold the answer. */
#include "policy/find.h"

/* A deny rule needs no name of a guarded group to keep a guest out, an allow rule does. */
static uint8_t kinds_of(const struct question *q, bool names_group)
{
	return q->guarded && !names_group ? ATOM_DENY : ATOM_ALL;
}

static uint32_t min_rule(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool names_group(const struct trie_node *n, const struct question *q)
{
	return n->names & GROUP_BIT(q->group);
}

static uint32_t find_prefix(const struct index *x, const struct question *q, uint32_t best)
{
	const struct prefix_trie *t = index_trie(x, q->addr.family);

	for (uint32_t i = trie_find(t, &q->addr, 128); i; i = t->nodes[i].up) {
		const struct trie_node *n = &t->nodes[i];
		uint8_t kinds = kinds_of(q, names_group(n, q));

		best = min_rule(best, list_first(&x->atoms, &n->list, q->flow, kinds, best));
		if (n->doh)
			best = min_rule(best, list_first(&x->atoms, &x->doh, q->flow, kinds, best));
	}
	return best;
}

uint32_t find_address(const struct index *x, const struct question *q)
{
	uint32_t best = FIND_NONE;

	/* The gateway's DNS is no service of the host's, so `any` opens it. */
	if (x->any.count)
		best = list_first(&x->atoms, &x->any, q->flow, kinds_of(q, q->gateway_dns), best);
	if (x->groups[q->group].count)
		best = min_rule(best, list_first(&x->atoms, &x->groups[q->group], q->flow, ATOM_ALL,
						 best));
	if (q->gateway_dns)
		best = min_rule(best, list_first(&x->atoms, &x->dns, q->flow, ATOM_ALL, best));
	return find_prefix(x, q, best);
}

struct name_hits find_name(const struct index *x, struct flow_key k, const struct name *name)
{
	struct name_hits h = {FIND_NONE, FIND_NONE, FIND_NONE};
	const struct atom_list *lists[NAME_LABELS_MAX];
	size_t n = name_table_find(&x->names, name->s, name->len, lists);
	const struct atoms *s = &x->atoms;

	for (size_t i = 0; i < n; i++) {
		h.deny = min_rule(h.deny, list_first(s, lists[i], k, ATOM_DENY, h.deny));
		h.allow = min_rule(h.allow, list_first(s, lists[i], k, ATOM_ALLOWS, h.allow));
		h.loose = min_rule(h.loose, list_first(s, lists[i], k, ATOM_ALLOW, h.loose));
	}
	return h;
}

uint32_t find_named(const struct index *x, struct flow_key k, uint8_t kinds)
{
	return list_first(&x->atoms, &x->named, k, kinds, FIND_NONE);
}

uint32_t find_next_deny(const struct index *x, struct flow_key k, uint32_t rule, unsigned *steps)
{
	const struct atom *all = x->atoms.all + x->named.at;
	uint32_t lo = 0, hi = x->named.count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (all[mid].rule <= rule)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < x->named.count && *steps; lo++) {
		--*steps;
		if (all[lo].kind == ATOM_DENY && atom_matches(&x->atoms, &all[lo], k))
			return all[lo].rule;
	}
	return FIND_NONE;
}

struct question_hit find_question(const struct index *x, const struct name *name, uint8_t proto,
				  uint16_t port)
{
	const struct flow_key k = {port, proto, RULE_EGRESS};
	const struct atom_list *lists[NAME_LABELS_MAX];
	size_t n = name_table_find(&x->names, name->s, name->len, lists);
	uint32_t by_name = FIND_NONE;

	/* Rules for names are for egress only. */
	for (size_t i = 0; i < n; i++)
		by_name = min_rule(by_name, x->atoms.all[lists[i]->at].rule);
	uint32_t service = list_first(&x->atoms, &x->service, k, ATOM_ALL, by_name);
	if (service < by_name)
		return (struct question_hit){service, false};
	return (struct question_hit){by_name, by_name != FIND_NONE};
}

/* Like list_first(), over all protocols and for rules without ports. */
static uint32_t first_portless(const struct index *x, const struct atom_list *l, uint8_t kinds,
			       uint32_t limit)
{
	const struct atom *a = x->atoms.all + l->at;

	for (uint32_t i = 0; i < l->count && a[i].rule < limit; i++)
		if ((a[i].dirs & RULE_EGRESS) && (a[i].kind & kinds) &&
		    x->atoms.rules[a[i].rule].port_count == 0)
			return a[i].rule;
	return FIND_NONE;
}

uint32_t find_address_named(const struct index *x, const struct question *q)
{
	const struct prefix_trie *t = index_trie(x, q->addr.family);
	uint32_t best = first_portless(x, &x->groups[q->group], ATOM_ALL, FIND_NONE);

	for (uint32_t i = trie_find(t, &q->addr, 128); i; i = t->nodes[i].up) {
		const struct trie_node *n = &t->nodes[i];
		uint8_t kinds = kinds_of(q, names_group(n, q));

		best = min_rule(best, first_portless(x, &n->list, kinds, best));
	}
	return best;
}
