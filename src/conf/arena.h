// SPDX-License-Identifier: Apache-2.0
/*
 * Memory for many small things that end together: a document's nodes, the rules of a file.
 *
 * There is no cap here: whoever fills an arena bounds what it takes in.
 */
#ifndef WEIR_CONF_ARENA_H
#define WEIR_CONF_ARENA_H

#include <stddef.h>

struct arena;

/* NULL without memory. */
struct arena *arena_new(void);
void arena_free(struct arena *a);
/* Zeroed, aligned for any type; NULL without memory. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy of n bytes with a NUL behind them; NULL without memory. */
char *arena_text(struct arena *a, const char *text, size_t n);

#endif
