// SPDX-License-Identifier: Apache-2.0
/* Counting what goes out against its budgets. See budget.h. */
#include "flow/budget.h"

#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "base/table.h"

struct budget_dest {
	struct budget_dest *next; /* all of them, for the end */
	uint64_t spent;
	struct ipaddr addr; /* family 0: it is known by name */
	char name[];
};

struct budgets {
	struct sipkey key;
	struct table dests;
	struct budget_dest *all;
	uint64_t spent, limit, limit_each; /* limits: 0: none */
	struct budget_dest anyone;         /* while destinations have no limit */
};

struct dest_key {
	const struct name *name;
	const struct ipaddr *addr;
};

struct budgets *budgets_new(void)
{
	struct budgets *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	sipkey_random(&b->key);
	table_init(&b->dests, BUDGET_DESTS_MAX);
	return b;
}

void budgets_free(struct budgets *b)
{
	struct budget_dest *next;

	if (!b)
		return;
	for (struct budget_dest *d = b->all; d; d = next) {
		next = d->next;
		free(d);
	}
	table_done(&b->dests);
	free(b);
}

void budgets_limit(struct budgets *b, uint64_t out, uint64_t out_each)
{
	b->limit = out;
	b->limit_each = out_each;
}

static bool dest_match(const void *item, const void *key)
{
	const struct budget_dest *d = item;
	const struct dest_key *k = key;

	if (k->name)
		return !d->addr.family && strcmp(d->name, k->name->s) == 0;
	return ipaddr_eq(&d->addr, k->addr);
}

static uint64_t dest_hash(const struct budgets *b, const struct dest_key *k)
{
	return k->name ? siphash(&b->key, k->name->s, k->name->len)
		       : siphash(&b->key, k->addr, sizeof(*k->addr));
}

static struct budget_dest *dest_new(struct budgets *b, const struct dest_key *k, uint64_t hash)
{
	size_t len = k->name ? k->name->len : 0;
	struct budget_dest *d = calloc(1, sizeof(*d) + len + 1);

	if (!d)
		return NULL;
	if (k->name)
		memcpy(d->name, k->name->s, len);
	else
		d->addr = *k->addr;
	if (!table_insert(&b->dests, hash, d)) {
		free(d);
		return NULL;
	}
	d->next = b->all;
	b->all = d;
	return d;
}

struct budget_dest *budget_dest(struct budgets *b, const struct name *name,
				const struct ipaddr *addr)
{
	struct dest_key k = {name, addr};
	uint64_t hash;
	struct budget_dest *d;

	if (!b->limit_each)
		return &b->anyone;
	hash = dest_hash(b, &k);
	d = table_find(&b->dests, hash, dest_match, &k);
	return d ? d : dest_new(b, &k, hash);
}

static uint64_t rest(uint64_t limit, uint64_t spent)
{
	if (!limit)
		return UINT64_MAX;
	return spent < limit ? limit - spent : 0;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t budget_left(const struct budgets *b, const struct name *name, const struct ipaddr *addr)
{
	struct dest_key k = {name, addr};
	uint64_t left = rest(b->limit, b->spent);
	const struct budget_dest *d;

	if (!addr || !b->limit_each)
		return left;
	d = table_find(&b->dests, dest_hash(b, &k), dest_match, &k);
	if (!d && b->dests.count == b->dests.cap)
		return 0;
	return lesser(left, rest(b->limit_each, d ? d->spent : 0));
}

size_t budget_take(struct budgets *b, struct budget_dest *d, size_t n)
{
	uint64_t may = lesser(n, rest(b->limit, b->spent));

	if (!d)
		return 0;
	if (d != &b->anyone)
		may = lesser(may, rest(b->limit_each, d->spent));
	b->spent += may;
	d->spent += may;
	return (size_t)may;
}

void budget_give_back(struct budgets *b, struct budget_dest *d, size_t n)
{
	if (!d)
		return;
	b->spent -= n;
	d->spent -= n;
}

/* ---- flows ---- */

struct policy_verdict flow_budget_verdict(void)
{
	return (struct policy_verdict){POLICY_DENY, REASON_BUDGET, -1, "default", false};
}

struct budget_dest *flow_budget(struct sandbox *sb, const struct flow *f)
{
	return budget_dest(sb->budgets, f->name, &f->remote);
}

bool flow_spend(struct sandbox *sb, const struct flow *f, size_t n)
{
	struct budget_dest *d = flow_budget(sb, f);
	size_t may = budget_take(sb->budgets, d, n);

	if (d && may == n)
		return true;
	budget_give_back(sb->budgets, d, may);
	return false;
}

void flow_over_budget(struct sandbox *sb, struct flow *f)
{
	struct policy_verdict v = flow_budget_verdict();

	if (f->forbidden)
		return;
	f->forbidden = REASON_BUDGET;
	flow_refuse(sb, f, &v);
}
