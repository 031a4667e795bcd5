// SPDX-License-Identifier: Apache-2.0
/*
 * Making the index, in two passes. The first notes an atom for each target of each rule, and the
 * list that it belongs to; until then a list is only a number. The second puts the atoms of each
 * list side by side. Rules are read in order, so lists are in order, too.
 */
#include "policy/index.h"

#include <stdlib.h>

#include "policy/port_table.h"

struct note {
	uint32_t list;
	struct atom atom;
};

struct maker {
	struct index *x;
	const struct policy *p;
	struct note *notes;
	size_t note_count, note_cap;
	struct atom_list *lists; /* the first is not used */
	uint32_t list_count, list_cap;
	bool failed; /* no memory */
};

/* While the index is made, `count` of a list that something refers to is its number. */
static uint32_t list_number(struct maker *mk, struct atom_list *l)
{
	if (l->count)
		return l->count;
	if (mk->list_count >= mk->list_cap) {
		uint32_t cap = mk->list_cap ? mk->list_cap * 2 : 64;
		struct atom_list *grown = realloc(mk->lists, cap * sizeof(*grown));

		if (!grown) {
			mk->failed = true;
			return 0;
		}
		mk->lists = grown;
		mk->list_cap = cap;
		if (mk->list_count == 0)
			mk->lists[mk->list_count++] = (struct atom_list){0};
	}
	mk->lists[mk->list_count] = (struct atom_list){0};
	l->count = mk->list_count;
	return mk->list_count++;
}

static void note_atom(struct maker *mk, struct atom_list *l, const struct atom *a)
{
	uint32_t number = list_number(mk, l);

	if (mk->note_count >= mk->note_cap) {
		size_t cap = mk->note_cap ? mk->note_cap * 2 : 64;
		struct note *grown = realloc(mk->notes, cap * sizeof(*grown));

		if (!grown) {
			mk->failed = true;
			return;
		}
		mk->notes = grown;
		mk->note_cap = cap;
	}
	if (mk->failed)
		return;
	mk->notes[mk->note_count++] = (struct note){number, *a};
	mk->lists[number].count++;
}

/* The atom of a rule, for any of its targets but `doh`. */
static struct atom atom_of(const struct rule *r, uint32_t index)
{
	struct atom a = {.rule = index,
			 .last = UINT16_MAX,
			 .protos = r->protos,
			 .dirs = r->dirs,
			 .kind = !r->allow   ? ATOM_DENY
				 : r->strict ? ATOM_STRICT
					     : ATOM_ALLOW,
			 .ranges = r->port_count > 1};

	for (uint32_t i = 0; i < r->port_count; i++) {
		if (i == 0 || r->ports[i].first < a.first)
			a.first = r->ports[i].first;
		if (i == 0 || r->ports[i].last > a.last)
			a.last = r->ports[i].last;
	}
	return a;
}

/* `doh` is one port, which the rule's own ports hold (enforce.c). */
static struct atom doh_atom_of(const struct rule *r, uint32_t index)
{
	struct atom a = atom_of(r, index);

	a.first = a.last = POLICY_DOH_PORT;
	a.protos &= POLICY_PROTO_PORTS;
	a.ranges = false;
	return a;
}

static void note_prefixes(struct maker *mk, const struct rule_prefix *list, uint32_t n,
			  const struct atom *a)
{
	for (uint32_t i = 0; i < n; i++) {
		struct prefix_trie *t = list[i].net.family == 4 ? &mk->x->v4 : &mk->x->v6;
		uint32_t node = trie_add(t, &list[i]);

		if (!node) {
			mk->failed = true;
			return;
		}
		note_atom(mk, &t->nodes[node].list, a);
	}
}

static void note_names(struct maker *mk, const struct rule_name *list, uint32_t n,
		       const struct atom *a)
{
	struct name_table *t = &mk->x->names;

	for (uint32_t i = 0; i < n; i++) {
		struct name_node *node = &t->nodes[name_table_add(t, &list[i])];

		if (list[i].self)
			note_atom(mk, &node->self, a);
		if (list[i].below)
			note_atom(mk, &node->below, a);
	}
}

static void note_rule(struct maker *mk, uint32_t index)
{
	const struct policy *p = mk->p;
	const struct rule *r = &p->rules[index];
	struct atom a = atom_of(r, index), doh = doh_atom_of(r, index);
	bool serves = r->any || r->dns || (r->groups & GROUP_BIT(GROUP_HOST));

	if (r->any)
		note_atom(mk, &mk->x->any, &a);
	if (r->dns)
		note_atom(mk, &mk->x->dns, &a);
	for (int g = GROUP_HOST; g <= GROUP_PUBLIC; g++)
		if (r->groups & GROUP_BIT(g))
			note_atom(mk, &mk->x->groups[g], &a);
	note_prefixes(mk, r->prefixes, r->prefix_count, &a);
	note_names(mk, r->names, r->name_count, &a);
	if (r->name_count)
		note_atom(mk, &mk->x->named, &a);
	if (r->doh) {
		note_atom(mk, &mk->x->doh, &doh);
		note_atom(mk, &mk->x->named, &doh);
	}
	if (serves && !(p->only_names && index == p->implicit_dns))
		note_atom(mk, &mk->x->service, &a);
}

/* Marks what `doh` stands for. */
static void mark_doh(struct maker *mk)
{
	const struct doh_list *l = &mk->p->doh;
	struct name_table *names = &mk->x->names;

	for (uint32_t i = 0; i < l->prefix_count; i++) {
		struct prefix_trie *t = l->prefixes[i].net.family == 4 ? &mk->x->v4 : &mk->x->v6;
		uint32_t node = trie_add(t, &l->prefixes[i]);

		mk->failed |= !node;
		if (node)
			t->nodes[node].doh = true;
	}
	for (uint32_t i = 0; i < l->name_count; i++)
		names->nodes[name_table_add(names, &l->names[i])].doh = true;
	names->doh = &mk->x->doh;
}

/* Gives each list its place, and each atom its place in it. */
static bool place_atoms(struct maker *mk)
{
	struct atoms *s = &mk->x->atoms;
	uint32_t at = 0;

	s->rules = mk->p->rules;
	s->count = mk->note_count;
	s->all = malloc((s->count + 1) * sizeof(*s->all));
	if (!s->all)
		return false;
	for (uint32_t i = 1; i < mk->list_count; i++) {
		mk->lists[i].at = at;
		at += mk->lists[i].count;
		mk->lists[i].count = 0;
	}
	for (size_t i = 0; i < mk->note_count; i++) {
		struct atom_list *l = &mk->lists[mk->notes[i].list];

		s->all[l->at + l->count++] = mk->notes[i].atom;
	}
	return true;
}

static bool make_tables(struct maker *mk)
{
	struct atoms *s = &mk->x->atoms;
	size_t n = 1;

	for (uint32_t i = 1; i < mk->list_count; i++)
		n += mk->lists[i].count >= LIST_LONG;
	if (n == 1)
		return true;
	s->tables = calloc(n, sizeof(*s->tables));
	if (!s->tables)
		return false;
	s->table_count = 1;
	for (uint32_t i = 1; i < mk->list_count; i++) {
		struct atom_list *l = &mk->lists[i];

		if (l->count < LIST_LONG)
			continue;
		if (!port_table_fill(s, l, &s->tables[s->table_count]))
			return false;
		l->table = (uint32_t)s->table_count++;
	}
	return true;
}

static void set_list(const struct maker *mk, struct atom_list *l)
{
	if (l->count)
		*l = mk->lists[l->count];
}

/* From numbers of lists to lists. */
static void set_lists(struct maker *mk)
{
	struct index *x = mk->x;

	set_list(mk, &x->any);
	set_list(mk, &x->dns);
	set_list(mk, &x->doh);
	set_list(mk, &x->service);
	set_list(mk, &x->named);
	for (int g = GROUP_HOST; g <= GROUP_PUBLIC; g++)
		set_list(mk, &x->groups[g]);
	for (uint32_t i = 1; i < x->v4.count; i++)
		set_list(mk, &x->v4.nodes[i].list);
	for (uint32_t i = 1; i < x->v6.count; i++)
		set_list(mk, &x->v6.nodes[i].list);
	for (uint32_t i = 1; i < x->names.count; i++) {
		set_list(mk, &x->names.nodes[i].self);
		set_list(mk, &x->names.nodes[i].below);
	}
}

bool index_make(struct index *x, const struct policy *p)
{
	struct maker mk = {.x = x, .p = p};
	size_t names = p->doh.name_count;
	bool ok = true;

	*x = (struct index){0};
	for (uint32_t i = 0; i < p->rule_count; i++)
		names += p->rules[i].name_count;
	if (names)
		ok = name_table_init(&x->names, names);
	for (uint32_t i = 0; i < p->rule_count && ok; i++) {
		note_rule(&mk, i);
		ok = !mk.failed;
	}
	if (ok)
		mark_doh(&mk);
	ok = ok && !mk.failed && place_atoms(&mk) && make_tables(&mk);
	if (ok) {
		set_lists(&mk);
		ok = trie_finish(&x->v4) && trie_finish(&x->v6);
	}
	free(mk.notes);
	free(mk.lists);
	if (!ok)
		index_done(x);
	return ok;
}

void index_done(struct index *x)
{
	atoms_done(&x->atoms);
	trie_done(&x->v4);
	trie_done(&x->v6);
	name_table_done(&x->names);
}

/* ---- what may hide a rule ---- */

struct earlier {
	const struct index *x;
	uint32_t rule;
	uint32_t *ret;
	size_t n, max;
};

static void add_earlier(struct earlier *e, const struct atom_list *l)
{
	for (uint32_t i = 0; i < l->count && e->n < e->max; i++) {
		uint32_t rule = e->x->atoms.all[l->at + i].rule;

		if (rule >= e->rule)
			return;
		e->ret[e->n++] = rule;
	}
}

static void add_prefix(struct earlier *e, const struct rule_prefix *p)
{
	const struct prefix_trie *t = index_trie(e->x, p->net.family);

	for (uint32_t i = trie_find(t, &p->net, p->bits); i; i = t->nodes[i].up)
		add_earlier(e, &t->nodes[i].list);
}

static void add_name(struct earlier *e, const struct rule_name *n)
{
	const struct atom_list *lists[NAME_LABELS_MAX];
	const struct atom_list *own = name_table_below(&e->x->names, n->s, n->len);
	size_t count = name_table_find(&e->x->names, n->s, n->len, lists);

	for (size_t i = 0; i < count; i++)
		add_earlier(e, lists[i]);
	if (own)
		add_earlier(e, own);
}

size_t index_earlier(const struct index *x, const struct policy *p, uint32_t rule, uint32_t *ret,
		     size_t max)
{
	const struct rule *r = &p->rules[rule];
	struct earlier e = {.x = x, .rule = rule, .ret = ret, .max = max};

	add_earlier(&e, &x->any);
	if (r->prefix_count)
		add_prefix(&e, &r->prefixes[0]);
	else if (r->name_count)
		add_name(&e, &r->names[0]);
	else if (r->groups)
		add_earlier(&e, &x->groups[__builtin_ctz(r->groups)]);
	else if (r->doh)
		add_name(&e, &p->doh.names[0]);
	if (r->dns) {
		add_earlier(&e, &x->dns);
		add_earlier(&e, &x->groups[GROUP_HOST]);
	}
	return e.n;
}
