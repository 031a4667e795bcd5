// SPDX-License-Identifier: Apache-2.0
/*
 * "Did you mean": the valid word that is nearest to a mistyped one.
 *
 * Nearness is the number of single-character insertions, deletions, replacements and swaps of
 * neighbours (optimal string alignment), upper and lower case being the same. A word that merely
 * begins with what was typed counts as near too, because people abbreviate.
 */
#include "conf/config.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 63 /* longer texts are never near to anything */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edits between a and b, both at most WORD_MAX long. Three rows of the matrix are kept. */
static unsigned edits(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= blen; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			unsigned replace = above[j - 1] + !same(a[i - 1], b[j - 1]);
			row[j] = min3(above[j] + 1, row[j - 1] + 1, replace);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		unsigned *spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[blen];
}

const char *config_nearest(const char *text, const char *const *words)
{
	size_t len = strlen(text);
	unsigned best = (unsigned)(len / 3 > 2 ? len / 3 : 2) + 1;
	const char *near = NULL, *begins = NULL;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (; *words; words++) {
		size_t wlen = strlen(*words);
		if (wlen > WORD_MAX)
			continue;
		unsigned d = edits(text, len, *words, wlen);
		/* With half of the letters changed it is another word, however short. */
		if (d < best && 2 * d <= (wlen > len ? wlen : len)) {
			best = d;
			near = *words;
		}
		if (!begins && len >= 3 && strncasecmp(text, *words, len) == 0)
			begins = *words;
	}
	return near ? near : begins;
}
