// SPDX-License-Identifier: Apache-2.0
/* Patterns of paths as bits. */
#include "http/glob.h"

#include <stdlib.h>

static void set_add(struct glob_set *s, unsigned i)
{
	s->w[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool set_has(const struct glob_set *s, unsigned i)
{
	return s->w[i / 64] >> (i % 64) & 1;
}

bool glob_init(struct glob *g, const char *text, size_t n)
{
	unsigned classes = 1;

	*g = (struct glob){0};
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)text[i];
		if (c != '*' && !g->class_of[c])
			g->class_of[c] = (uint8_t)classes++;
	}
	g->next = calloc(classes, sizeof(*g->next));
	if (!g->next)
		return false;
	for (size_t i = 0; i < n; i++, g->tokens++) {
		if (text[i] != '*') {
			set_add(&g->next[g->class_of[(uint8_t)text[i]]], g->tokens);
			continue;
		}
		set_add(&g->skip, g->tokens);
		set_add(&g->stay, g->tokens);
		if (i + 1 < n && text[i + 1] == '*') {
			set_add(&g->stay_slash, g->tokens);
			i++;
		}
	}
	return true;
}

void glob_done(struct glob *g)
{
	free(g->next);
	*g = (struct glob){0};
}

/* States behind the tokens of `from` that are in `through`, added to `to`. */
static void advance(const struct glob_set *from, const struct glob_set *through,
		    struct glob_set *to)
{
	uint64_t carry = 0;

	for (unsigned i = 0; i < GLOB_WORDS; i++) {
		uint64_t w = from->w[i] & through->w[i];
		to->w[i] |= w << 1 | carry;
		carry = w >> 63;
	}
}

bool glob_matches(const struct glob *g, struct view text)
{
	struct glob_set now = {{1}};

	advance(&now, &g->skip, &now);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];
		const struct glob_set *stay = c == '/' ? &g->stay_slash : &g->stay;
		struct glob_set then;
		uint64_t any = 0;

		for (unsigned k = 0; k < GLOB_WORDS; k++)
			then.w[k] = now.w[k] & stay->w[k];
		advance(&now, &g->next[g->class_of[c]], &then);
		advance(&then, &g->skip, &then);
		for (unsigned k = 0; k < GLOB_WORDS; k++)
			any |= then.w[k];
		if (!any)
			return false;
		now = then;
	}
	return set_has(&now, g->tokens);
}
