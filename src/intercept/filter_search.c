// SPDX-License-Identifier: Apache-2.0
/*
 * Searching in several readings at once. All searches only ever go forward, and one that has
 * found something further on is not asked again, so that the whole costs as much as its bytes.
 */
#include "intercept/filter_search.h"

#include <stdlib.h>

#include "http/spelling.h"

void search_init(struct search *s, const struct needle_set *set)
{
	*s = (struct search){.set = set};
	for (size_t i = 0; i < needle_set_count(set); i++) {
		const struct needle *n = needle_set_at(set, i);
		s->plus = s->plus || (n->form == NEEDLE_RAW && needle_may_hold(n, ' '));
	}
}

static void drop_text(struct search_side *side)
{
	if (side->text)
		explicit_bzero(side->text, side->cap);
	free(side->text);
	side->text = NULL;
	side->cap = 0;
}

void search_done(struct search *s)
{
	for (int i = 0; i < READINGS; i++)
		drop_text(&s->side[i]);
}

static bool undo(struct search *s, enum search_reading reading)
{
	struct search_side *side = &s->side[reading];

	if (side->cap < s->in.len) {
		drop_text(side);
		side->text = malloc(s->in.len);
		if (!side->text)
			return false;
		side->cap = s->in.len;
	}
	side->len = spelling_undo(s->in, reading == READ_FORM, s->end, side->text, &side->used);
	return true;
}

bool search_begin(struct search *s, struct view in, bool end)
{
	bool escapes = spelling_has_escapes(in);

	s->in = in;
	s->end = end;
	for (int i = 0; i < READINGS; i++) {
		struct search_side *side = &s->side[i];
		*side = (struct search_side){.text = side->text, .cap = side->cap};
	}
	s->side[READ_AS_IS].there = true;
	s->side[READ_UNDONE].there = escapes;
	s->side[READ_FORM].there = s->plus && in.len && memchr(in.p, '+', in.len);
	return (!escapes || undo(s, READ_UNDONE)) &&
	       (!s->side[READ_FORM].there || undo(s, READ_FORM));
}

static void look_raw(struct search *s, size_t from)
{
	struct search_side *side = &s->side[READ_AS_IS];
	struct needle_hit hit;

	side->found = needle_find(s->set, s->in, from, s->end, &hit, &side->safe);
	if (!side->found)
		return;
	side->at = hit.at;
	side->size = hit.needle->len;
	side->needle = hit.needle;
}

/* Goes on to the unit that begins at `src` of the bytes, or at `dst` of the text. */
static void walk(const struct search *s, struct search_side *side, size_t src, size_t dst)
{
	bool plus = side == &s->side[READ_FORM];

	while (side->src < side->used && side->src < src && side->dst < dst) {
		struct view left = view_make(s->in.p + side->src, side->used - side->src);
		uint8_t unit[3];
		size_t n = spelling_run(left, plus);
		n = n < src - side->src ? n : src - side->src;
		n = n < dst - side->dst ? n : dst - side->dst;
		side->src += n;
		side->dst += n;
		if (n || side->src >= side->used)
			continue;
		left.len = s->in.len - side->src;
		side->src += spelling_unit(left, plus, s->end, unit, &n);
		side->dst += n;
	}
}

static void look_undone(struct search *s, struct search_side *side, size_t from)
{
	struct needle_hit hit;
	size_t safe;

	walk(s, side, from, SIZE_MAX);
	side->found = needle_find(s->set, view_make(side->text, side->len), side->dst, s->end, &hit,
				  &safe);
	if (side->found) {
		walk(s, side, SIZE_MAX, hit.at);
		side->at = side->src;
		walk(s, side, SIZE_MAX, hit.at + hit.needle->len);
		side->size = side->src - side->at;
		side->needle = hit.needle;
	} else if (safe == side->len) {
		side->safe = side->used;
	} else {
		walk(s, side, SIZE_MAX, safe);
		side->safe = side->src;
	}
}

/* The beginning of the unit that holds this place: what is held back is read again from there, and
 * has to be read in the same way. */
static size_t unit_of(const struct search *s, size_t place)
{
	size_t near = place < SPELLING_UNIT ? place : SPELLING_UNIT, at = 0;

	if (!spelling_has_escapes(view_make(s->in.p + place - near, near)))
		return place;
	while (at < place) {
		struct view left = view_make(s->in.p + at, s->in.len - at);
		uint8_t unit[3];
		size_t n, used = spelling_run(left, false);
		if (used == 0)
			used = spelling_unit(left, false, s->end, unit, &n);
		else if (used > place - at)
			used = place - at;
		if (used == 0 || used > place - at)
			break;
		at += used;
	}
	return at;
}

/* Behind a place that is not decided yet nothing is told: a hit there could be part of it. */
bool search_next(struct search *s, size_t from, struct search_hit *ret, size_t *ret_safe)
{
	const struct search_side *first = NULL;

	*ret_safe = s->in.len;
	for (int i = 0; i < READINGS; i++) {
		struct search_side *side = &s->side[i];
		if (!side->there)
			continue;
		if (!side->looked || (side->found && side->at < from)) {
			side->looked = true;
			if (i == READ_AS_IS)
				look_raw(s, from);
			else
				look_undone(s, side, from);
		}
		size_t at = side->found ? side->at : side->safe;
		if (at < *ret_safe ||
		    (at == *ret_safe && side->found && !(first && first->found))) {
			*ret_safe = at;
			first = side;
		}
	}
	if (!first || !first->found) {
		if (*ret_safe < s->in.len)
			*ret_safe = unit_of(s, *ret_safe);
		return false;
	}
	*ret = (struct search_hit){.at = first->at,
				   .len = first->size,
				   .needle = first->needle,
				   .spelled = first->size != first->needle->len};
	return true;
}
