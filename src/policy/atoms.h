// SPDX-License-Identifier: Apache-2.0
/*
 * What a compiled policy is made of. An atom is one target of one rule, without the target: whom it
 * is for, which ports, which action. Atoms of the same target (one prefix, one name, `any`, ...)
 * are a list in the order of their rules, so the first that matches is the first rule that matches.
 *
 * A long list has a table of ports beside it (port_table.c), so that its length does not count.
 */
#ifndef WEIR_POLICY_ATOMS_H
#define WEIR_POLICY_ATOMS_H

#include "policy/rule.h"

/* Kinds of atoms, as bits; a question states those that it wants. */
enum {
	ATOM_DENY = 1,
	ATOM_ALLOW = 2,
	ATOM_STRICT = 4, /* allows, but only what shows its name */
};
#define ATOM_ALLOWS (ATOM_ALLOW | ATOM_STRICT)
#define ATOM_ALL    (ATOM_DENY | ATOM_ALLOW | ATOM_STRICT)

#define FIND_NONE UINT32_MAX /* no rule */

struct atom {
	uint32_t rule;
	uint16_t first, last; /* from the rule's first port to its last; 0..65535: any */
	uint8_t protos, dirs;
	uint8_t kind;
	bool ranges; /* the ports have gaps: the rule knows */
};

struct atom_list {
	uint32_t at, count; /* in atoms.all */
	uint32_t table;     /* index in atoms.tables, 0: the list is short */
};

/* What of a flow decides whether an atom matches. */
struct flow_key {
	uint16_t port;
	uint8_t proto;
	uint8_t dir; /* RULE_EGRESS or RULE_INGRESS */
};

struct port_table;
struct port_segment;

struct atoms {
	const struct rule *rules;
	struct atom *all;
	size_t count;
	struct port_table *tables; /* the first is not used */
	size_t table_count;
	struct port_segment *segments; /* of all tables */
	size_t segment_count, segment_cap;
};

static inline bool atom_matches(const struct atoms *s, const struct atom *a, struct flow_key k)
{
	if (!(a->protos & k.proto) || !(a->dirs & k.dir) || k.port < a->first || k.port > a->last)
		return false;
	return !a->ranges || rule_has_port(&s->rules[a->rule], k.port);
}

/* The first rule of these kinds that matches, if it is before `limit`; FIND_NONE otherwise. */
uint32_t list_first(const struct atoms *s, const struct atom_list *l, struct flow_key k,
		    uint8_t kinds, uint32_t limit);
void atoms_done(struct atoms *s);

#endif
