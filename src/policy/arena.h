// SPDX-License-Identifier: Apache-2.0
/*
 * Memory that is given back all at once: the lists and texts of a policy's rules, which are many
 * and small. Nothing is ever freed on its own.
 *
 * Bounds: those of what is put in (POLICY_RULES_MAX, POLICY_TOKEN_MAX).
 */
#ifndef WEIR_POLICY_ARENA_H
#define WEIR_POLICY_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the one in use first; NULL: none yet */
	char *at;                   /* free space of the first chunk */
	size_t left;
};

/* Zeroed by the caller is empty. n bytes, aligned for any of this room's structs; NULL without
 * memory. */
void *arena_get(struct arena *a, size_t n);
/* A copy of n bytes, and one with a NUL behind it. */
void *arena_copy(struct arena *a, const void *data, size_t n);
char *arena_text(struct arena *a, const char *s, size_t n);
void arena_done(struct arena *a);

#endif
