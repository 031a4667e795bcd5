// SPDX-License-Identifier: Apache-2.0
/*
 * Searching in two spellings at once. Both searches only ever go forward, and the one that has
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

void search_done(struct search *s)
{
	if (s->text)
		explicit_bzero(s->text, s->text_cap);
	free(s->text);
	*s = (struct search){.set = s->set};
}

static bool undo(struct search *s)
{
	if (s->text_cap < s->in.len) {
		uint8_t *text = malloc(s->in.len);
		if (!text)
			return false;
		if (s->text)
			explicit_bzero(s->text, s->text_cap);
		free(s->text);
		s->text = text;
		s->text_cap = s->in.len;
	}
	s->text_len = spelling_undo(s->in, s->plus, s->end, s->text, &s->used);
	return true;
}

static bool may_be_spelled(const struct search *s, struct view in)
{
	return spelling_has_escapes(in) || (s->plus && in.len && memchr(in.p, '+', in.len));
}

bool search_begin(struct search *s, struct view in, bool end)
{
	s->in = in;
	s->end = end;
	s->src = s->dst = 0;
	s->raw = s->undone = (struct search_side){0};
	s->two = may_be_spelled(s, in);
	return !s->two || undo(s);
}

/* Goes on to the unit that begins at `src` of the bytes, or at `dst` of the text. */
static void walk(struct search *s, size_t src, size_t dst)
{
	while (s->src < s->used && s->src < src && s->dst < dst) {
		uint8_t unit[3];
		size_t n = 0;
		s->src += spelling_unit(view_make(s->in.p + s->src, s->in.len - s->src), s->plus,
					s->end, unit, &n);
		s->dst += n;
	}
}

static void look_raw(struct search *s, size_t from)
{
	struct needle_hit hit;

	if (s->raw.looked && (!s->raw.found || s->raw.at >= from))
		return;
	s->raw.looked = true;
	s->raw.found = needle_find(s->set, s->in, from, s->end, &hit, &s->raw.safe);
	if (!s->raw.found)
		return;
	s->raw.at = hit.at;
	s->raw.len = hit.needle->len;
	s->raw.needle = hit.needle;
}

static void look_undone(struct search *s, size_t from)
{
	struct needle_hit hit;
	size_t safe;

	if (s->undone.looked && (!s->undone.found || s->undone.at >= from))
		return;
	s->undone.looked = true;
	walk(s, from, SIZE_MAX);
	s->undone.found =
		needle_find(s->set, view_make(s->text, s->text_len), s->dst, s->end, &hit, &safe);
	if (s->undone.found) {
		walk(s, SIZE_MAX, hit.at);
		s->undone.at = s->src;
		walk(s, SIZE_MAX, hit.at + hit.needle->len);
		s->undone.len = s->src - s->undone.at;
		s->undone.needle = hit.needle;
	} else if (safe == s->text_len) {
		s->undone.safe = s->used;
	} else {
		walk(s, SIZE_MAX, safe);
		s->undone.safe = s->src;
	}
}

static void tell(const struct search_side *side, struct search_hit *ret)
{
	ret->at = side->at;
	ret->len = side->len;
	ret->needle = side->needle;
	ret->spelled = side->len != side->needle->len;
}

/* Behind a place that is not decided yet nothing is told: a hit there could be part of it. */
bool search_next(struct search *s, size_t from, struct search_hit *ret, size_t *ret_safe)
{
	const struct search_side *first = &s->raw, *second = &s->undone;
	size_t at, other;

	look_raw(s, from);
	if (!s->two) {
		*ret_safe = s->raw.safe;
		if (s->raw.found)
			tell(&s->raw, ret);
		return s->raw.found;
	}
	look_undone(s, from);
	at = first->found ? first->at : first->safe;
	other = second->found ? second->at : second->safe;
	if (other < at || (other == at && !first->found)) {
		const struct search_side *side = first;
		first = second;
		second = side;
		at = other;
	}
	*ret_safe = at;
	if (first->found)
		tell(first, ret);
	return first->found;
}
