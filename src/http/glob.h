// SPDX-License-Identifier: Apache-2.0
/*
 * Patterns of paths: `*` stands for any characters but a slash, `**` for any.
 *
 * A pattern is an automaton whose states are its positions, all of them held at once as bits: one
 * step for each character of the text, whatever the pattern.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_GLOB_H
#define WEIR_HTTP_GLOB_H

#include "base/view.h"

#define GLOB_WORDS  4
#define GLOB_TOKENS (GLOB_WORDS * 64 - 1) /* one state more than tokens */

struct glob_set {
	uint64_t w[GLOB_WORDS];
};

struct glob {
	uint8_t class_of[256]; /* 0: no character of the pattern */
	struct glob_set *next; /* owned; by class: tokens that take such a character and are done */
	struct glob_set stay, stay_slash; /* tokens that take any character, any but a slash, and
					     stay: wildcards */
	struct glob_set skip;             /* tokens that may take nothing */
	unsigned tokens;
};

/* n characters, at most GLOB_TOKENS; no wildcard stands beside another. False without memory. */
bool glob_init(struct glob *g, const char *text, size_t n);
void glob_done(struct glob *g);
bool glob_matches(const struct glob *g, struct view text);

#endif
