// SPDX-License-Identifier: Apache-2.0
/*
 * For each direction, protocol and kind a list of segments. The ports where any atom begins or ends
 * cut the port numbers into segments; then the atoms, the first rule first, paint the segments that
 * no earlier one has painted.
 */
#include "policy/port_table.h"

#include <stdlib.h>

#define PORTS 65536

/* Of one part under way. */
struct painter {
	const struct atoms *s;
	uint64_t cuts[PORTS / 64]; /* a bit for each port that begins a segment */
	uint32_t count, left;      /* segments, and those not painted yet */
	uint16_t from[PORTS];
	uint32_t rule[PORTS];
	uint32_t next[PORTS + 1]; /* the next segment that is not painted, by way of others */
};

static const uint8_t kinds_of[TABLE_KINDS] = {ATOM_ALL, ATOM_DENY, ATOM_ALLOWS, ATOM_ALLOW};

static unsigned index_of_kinds(uint8_t kinds)
{
	for (unsigned i = 0; i < TABLE_KINDS; i++)
		if (kinds_of[i] == kinds)
			return i;
	return 0;
}

/* Calls fn for each range of an atom's ports. */
static void each_range(struct painter *pt, const struct atom *a,
		       void (*fn)(struct painter *, const struct atom *, unsigned, unsigned))
{
	const struct rule *r = &pt->s->rules[a->rule];

	if (!a->ranges) {
		fn(pt, a, a->first, a->last);
		return;
	}
	for (uint32_t i = 0; i < r->port_count; i++)
		fn(pt, a, r->ports[i].first, r->ports[i].last);
}

static void set_cut(struct painter *pt, unsigned port)
{
	pt->cuts[port / 64] |= 1ull << port % 64;
}

static void cut(struct painter *pt, const struct atom *a, unsigned first, unsigned last)
{
	set_cut(pt, first);
	if (last + 1 < PORTS)
		set_cut(pt, last + 1);
}

static void number_segments(struct painter *pt)
{
	pt->count = 0;
	for (unsigned w = 0; w < PORTS / 64; w++) {
		for (uint64_t bits = pt->cuts[w]; bits; bits &= bits - 1) {
			unsigned port = w * 64 + (unsigned)__builtin_ctzll(bits);

			pt->from[pt->count] = (uint16_t)port;
			pt->rule[pt->count] = FIND_NONE;
			pt->next[pt->count] = pt->count;
			pt->count++;
		}
	}
	pt->next[pt->count] = pt->count;
	pt->left = pt->count;
}

/* The segment that a port is in. */
static uint32_t segment_of(const struct painter *pt, unsigned port)
{
	uint32_t lo = 0, hi = pt->count;

	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;

		if (pt->from[mid] <= port)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* The first segment from i on that is not painted; paths are halved on the way. */
static uint32_t unpainted(struct painter *pt, uint32_t i)
{
	while (pt->next[i] != i) {
		pt->next[i] = pt->next[pt->next[i]];
		i = pt->next[i];
	}
	return i;
}

static void paint(struct painter *pt, const struct atom *a, unsigned first, unsigned last)
{
	uint32_t end = segment_of(pt, last);

	for (uint32_t i = unpainted(pt, segment_of(pt, first)); i <= end && i < pt->count;
	     i = unpainted(pt, i)) {
		pt->rule[i] = a->rule;
		pt->next[i] = i + 1;
		pt->left--;
	}
}

/* Appends the segments; neighbours with the same rule become one. */
static bool keep(struct atoms *s, const struct painter *pt, uint32_t *ret_count)
{
	uint32_t n = 0;

	if (s->segment_count + pt->count > s->segment_cap) {
		size_t cap = (s->segment_cap + pt->count) * 2;
		struct port_segment *grown = realloc(s->segments, cap * sizeof(*grown));

		if (!grown)
			return false;
		s->segments = grown;
		s->segment_cap = cap;
	}
	for (uint32_t i = 0; i < pt->count; i++)
		if (i == 0 || pt->rule[i] != pt->rule[i - 1])
			s->segments[s->segment_count + n++] =
				(struct port_segment){pt->rule[i], pt->from[i]};
	s->segment_count += n;
	*ret_count = n;
	return true;
}

/* Cuts, then paints, with the atoms of one kind, direction and protocol. */
static bool make_part(struct painter *pt, const struct atom_list *l, const struct atom *want)
{
	const struct atom *begin = pt->s->all + l->at, *end = begin + l->count;
	bool any = false;

	memset(pt->cuts, 0, sizeof(pt->cuts));
	set_cut(pt, 0);
	for (const struct atom *a = begin; a < end; a++) {
		if (!(a->kind & want->kind) || !(a->dirs & want->dirs) ||
		    !(a->protos & want->protos))
			continue;
		each_range(pt, a, cut);
		any = true;
	}
	if (!any)
		return false;
	number_segments(pt);
	for (const struct atom *a = begin; a < end && pt->left; a++)
		if ((a->kind & want->kind) && (a->dirs & want->dirs) && (a->protos & want->protos))
			each_range(pt, a, paint);
	return true;
}

bool port_table_fill(struct atoms *s, const struct atom_list *l, struct port_table *ret)
{
	struct painter *pt = malloc(sizeof(*pt));
	bool ok = pt;

	memset(ret, 0, sizeof(*ret));
	if (ok)
		pt->s = s;
	for (unsigned i = 0; i < TABLE_KINDS * TABLE_DIRS * TABLE_PROTOS && ok; i++) {
		unsigned kind = i / (TABLE_DIRS * TABLE_PROTOS),
			 dir = i / TABLE_PROTOS % TABLE_DIRS;
		unsigned proto = i % TABLE_PROTOS;
		struct atom want = {.kind = kinds_of[kind],
				    .dirs = (uint8_t)(1u << dir),
				    .protos = (uint8_t)(1u << proto)};

		if (!make_part(pt, l, &want))
			continue;
		ret->parts[kind][dir][proto].at = (uint32_t)s->segment_count;
		ok = keep(s, pt, &ret->parts[kind][dir][proto].count);
	}
	free(pt);
	return ok;
}

uint32_t port_table_first(const struct atoms *s, uint32_t table, struct flow_key k, uint8_t kinds)
{
	unsigned dir = k.dir == RULE_EGRESS ? 0 : 1, proto = (unsigned)__builtin_ctz(k.proto);
	const struct port_table *t = &s->tables[table];
	uint32_t n = t->parts[index_of_kinds(kinds)][dir][proto].count;
	const struct port_segment *seg =
		s->segments + t->parts[index_of_kinds(kinds)][dir][proto].at;

	if (n == 0)
		return FIND_NONE;
	while (n > 1) {
		uint32_t half = n / 2;

		if (seg[half].from <= k.port)
			seg += half;
		n -= half;
	}
	return seg->rule;
}
