// SPDX-License-Identifier: Apache-2.0
/*
 * Replacing what was found, in a stream, and in the spelling in which it was found.
 */
#include <stdlib.h>

#include "http/spelling.h"
#include "intercept/filter_search.h"

void scrub_done(struct scrub *s)
{
	search_done(&s->search);
	buf_done(&s->held);
}

/* Everything up to what is held, waits or stops; *ret_at: where that is. */
static enum scrub_step replace(struct scrub *s, struct view v, struct buf *out, size_t *ret_at)
{
	struct search_hit h;
	size_t at = 0, safe;

	*ret_at = 0;
	while (search_next(&s->search, at, &h, &safe)) {
		struct view spelled = view_make(v.p + h.at, h.len);
		if (!buf_append(out, v.p + at, h.at - at))
			return SCRUB_NOMEM;
		*ret_at = at = h.at;
		enum scrub_step step = s->hit(s->arg, &h, spelled, out);
		if (step == SCRUB_KEEP)
			step = buf_append_view(out, spelled) ? SCRUB_GO : SCRUB_NOMEM;
		if (step != SCRUB_GO)
			return step;
		*ret_at = at = h.at + h.len;
	}
	if (safe > at) {
		if (!buf_append(out, v.p + at, safe - at))
			return SCRUB_NOMEM;
		*ret_at = safe;
	}
	return SCRUB_GO;
}

enum scrub_step scrub_run(struct scrub *s, struct view in, bool end, struct buf *out)
{
	bool queued = s->held.len > 0;
	enum scrub_step step;
	size_t at;

	s->held.secret = true;
	if (queued && !buf_append_view(&s->held, in))
		return SCRUB_NOMEM;
	if (queued)
		in = buf_view(&s->held);
	if (in.len == 0)
		return SCRUB_GO;
	if (!search_begin(&s->search, in, end))
		return SCRUB_NOMEM;
	step = replace(s, in, out, &at);
	if (queued)
		buf_take(&s->held, at);
	else if (at < in.len && !buf_append(&s->held, in.p + at, in.len - at))
		step = SCRUB_NOMEM;
	return step;
}

/* ---- spelling what is put in ---- */

static bool put_byte(struct buf *out, uint8_t c, enum scrub_place place)
{
	switch (place) {
	case SCRUB_AS_IS:
		break;
	case SCRUB_JSON:
		return spelling_put_json(out, view_make(&c, 1));
	case SCRUB_PERCENT:
		return spelling_put_percent(out, view_make(&c, 1));
	}
	return buf_append(out, &c, 1);
}

/* Where the hit has as many characters as the text, each is written as the one it stands for was:
 * so the length stays. Else with the escapes that it needs. */
static bool put_spelled(struct buf *out, struct view spelled, struct view text, size_t units)
{
	bool percent = memchr(spelled.p, '%', spelled.len);
	enum scrub_place place = percent ? SCRUB_PERCENT : SCRUB_JSON;
	bool same = units == text.len;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t unit[3];
		size_t n, used = same ? spelling_unit(spelled, false, true, unit, &n) : 1;
		bool ok;
		if (used == 3)
			ok = spelling_put_percent_byte(out, text.p[i]);
		else if (used == 6)
			ok = spelling_put_unicode_byte(out, text.p[i]);
		else
			ok = put_byte(out, text.p[i], place);
		if (!ok)
			return false;
		view_skip(&spelled, used);
	}
	return true;
}

static size_t count_units(struct view v)
{
	size_t count = 0;

	for (; v.len; count++) {
		uint8_t unit[3];
		size_t n;
		view_skip(&v, spelling_unit(v, false, true, unit, &n));
	}
	return count;
}

static bool put_form(struct buf *out, const struct search_hit *h, struct view spelled,
		     struct view text, enum scrub_place place)
{
	size_t cap = 2 * text.len + 4;
	uint8_t *room;
	struct view v;
	bool ok = true;

	if (h->needle->form == NEEDLE_RAW && !h->spelled && place == SCRUB_AS_IS)
		return buf_append_view(out, text);
	room = malloc(cap);
	if (!room)
		return false;
	v = view_make(room, needle_spell(text, (enum needle_form)h->needle->form, h->needle->phase,
					 room));
	if (h->spelled)
		ok = put_spelled(out, spelled, v, count_units(spelled));
	else if (h->needle->form != NEEDLE_RAW)
		ok = buf_append_view(out, v);
	else
		for (size_t i = 0; ok && i < v.len; i++)
			ok = put_byte(out, v.p[i], place);
	explicit_bzero(room, cap);
	free(room);
	return ok;
}

bool scrub_put(struct buf *out, const struct search_hit *h, struct view spelled, struct view text,
	       size_t fit, enum scrub_place place)
{
	uint8_t *fitted;
	bool ok;

	if (fit == 0 || fit == text.len)
		return put_form(out, h, spelled, text, place);
	fitted = malloc(fit);
	if (!fitted)
		return false;
	memset(fitted, 'x', fit);
	memcpy(fitted, text.p, fit < text.len ? fit : text.len);
	ok = put_form(out, h, spelled, view_make(fitted, fit), place);
	explicit_bzero(fitted, fit);
	free(fitted);
	return ok;
}
