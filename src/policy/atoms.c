// SPDX-License-Identifier: Apache-2.0
/* Searching the atoms of one target. */
#include "policy/atoms.h"

#include <stdlib.h>

#include "policy/port_table.h"

uint32_t list_first(const struct atoms *s, const struct atom_list *l, struct flow_key k,
		    uint8_t kinds, uint32_t limit)
{
	if (l->table) {
		uint32_t rule = port_table_first(s, l->table, k, kinds);

		return rule < limit ? rule : FIND_NONE;
	}
	for (const struct atom *a = s->all + l->at, *end = a + l->count; a < end; a++) {
		if (a->rule >= limit)
			break;
		if ((a->kind & kinds) && atom_matches(s, a, k))
			return a->rule;
	}
	return FIND_NONE;
}

void atoms_done(struct atoms *s)
{
	free(s->all);
	free(s->tables);
	free(s->segments);
	*s = (struct atoms){0};
}
