// SPDX-License-Identifier: Apache-2.0
/*
 * For a list of many atoms: which rule is the first for each port, so that a question is a search
 * in a sorted table and not a walk along the list.
 */
#ifndef WEIR_POLICY_PORT_TABLE_H
#define WEIR_POLICY_PORT_TABLE_H

#include "policy/atoms.h"

#define LIST_LONG 48 /* atoms from which a list has a table; a shorter one is as fast without */

/* Ports from `from` up to the next segment. */
struct port_segment {
	uint32_t rule; /* FIND_NONE: none matches */
	uint16_t from;
};

#define TABLE_KINDS  4 /* ATOM_ALL, ATOM_DENY, ATOM_ALLOWS, ATOM_ALLOW: what is asked for */
#define TABLE_DIRS   2
#define TABLE_PROTOS 4

struct port_table {
	struct {
		uint32_t at, count; /* in atoms.segments; none: nothing matches */
	} parts[TABLE_KINDS][TABLE_DIRS][TABLE_PROTOS];
};

/* Fills the table of a list; false without memory. */
bool port_table_fill(struct atoms *s, const struct atom_list *l, struct port_table *ret);
/* The first rule of these kinds for the flow. */
uint32_t port_table_first(const struct atoms *s, uint32_t table, struct flow_key k, uint8_t kinds);

#endif
