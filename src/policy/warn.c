// SPDX-License-Identifier: Apache-2.0
/*
 * Warnings: rules of the user's that have no effect. Presets are meant to come last, so they are
 * not looked at.
 *
 * There are two ways to have none. An earlier rule matches all that this one does; or this one
 * allows names that an earlier one denies, so that the guest never learns an address for them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy/index.h"
#include "policy/read.h"

/* Earlier rules that are held against one; a longer list would take too long to load. */
#define EARLIER_MAX 64
/* Warnings kept; a list that needs more is told enough by these. */
#define WARNINGS_MAX 100

static int warn(struct policy *p, const struct rule *r, const struct rule *by, const char *what)
{
	struct quoted a = span_quote(span_of(r->text)), b = span_quote(span_of(by->text));

	if (asprintf(&p->warnings[p->warning_count],
		     "rule %s has no effect: the earlier rule %s %s", a.s, b.s, what) < 0)
		return -1;
	p->warning_count++;
	return 0;
}

/* The first rule of a list that allows; FIND_NONE where there is none among the first `max`, and
 * the list ends there. */
static uint32_t first_allow(const struct index *x, const struct atom_list *l, uint32_t max)
{
	const struct atom *a = x->atoms.all + l->at;

	for (uint32_t i = 0; i < l->count; i++)
		if (a[i].kind != ATOM_DENY || i == max)
			return a[i].rule;
	return FIND_NONE;
}

/* The first rules that let questions through: as a service, and for any name. */
struct asked {
	uint32_t service, named;
};

/* Whether a DNS question for some name of r may be allowed in front of the rule that denies it. */
static bool is_asked_before(const struct index *x, const struct asked *asked, const struct rule *r,
			    uint32_t rule)
{
	const struct atom_list *lists[NAME_LABELS_MAX];

	if (asked->service < rule || asked->named > rule)
		return asked->service < rule;
	for (uint32_t i = 0; i < r->name_count; i++) {
		const struct rule_name *n = &r->names[i];
		size_t count = name_table_find(&x->names, n->s, n->len, lists);

		/* What is allowed of the names below it is not looked for. */
		if (n->below)
			return true;
		for (size_t k = 0; k < count; k++)
			if (first_allow(x, lists[k], EARLIER_MAX) < rule)
				return true;
	}
	return false;
}

static int check_rule(struct policy *p, const struct asked *asked, uint32_t index)
{
	const struct rule *r = &p->rules[index], *denies = NULL;
	uint32_t earlier[EARLIER_MAX];
	size_t n = index_earlier(p->index, p, index, earlier, EARLIER_MAX);

	for (size_t i = 0; i < n; i++) {
		const struct rule *e = &p->rules[earlier[i]];

		if (rule_shadows(e, r))
			return warn(p, r, e, "matches everything that it matches");
		if (rule_denies_names(e, r) && (!denies || e < denies))
			denies = e;
	}
	if (!denies || is_asked_before(p->index, asked, r, (uint32_t)(denies - p->rules)))
		return 0;
	return warn(p, r, denies, "denies the DNS questions for its names");
}

int policy_warn(struct policy *p, uint32_t user_rules)
{
	const struct index *x = p->index;
	const struct asked asked = {first_allow(x, &x->service, UINT32_MAX),
				    first_allow(x, &x->named, UINT32_MAX)};

	p->warnings = calloc(WARNINGS_MAX, sizeof(*p->warnings));
	if (!p->warnings)
		return -1;
	for (uint32_t i = 1; i < user_rules && p->warning_count < WARNINGS_MAX; i++)
		if (check_rule(p, &asked, i) < 0)
			return -1;
	return 0;
}
