// SPDX-License-Identifier: Apache-2.0
/* Chunks of memory, handed out from the front. */
#include "policy/arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST 1024    /* most policies have a handful of rules */
#define CHUNK_MAX   1048576 /* no more than this lies unused */
#define ALIGN       8

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* of `data` */
	_Alignas(ALIGN) char data[];
};

static struct arena_chunk *add_chunk(struct arena *a, size_t n)
{
	size_t size = a->chunks ? a->chunks->size * 2 : CHUNK_FIRST;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	if (size < n)
		size = n;
	struct arena_chunk *c = malloc(sizeof(*c) + size);
	if (!c)
		return NULL;
	c->next = a->chunks;
	c->size = size;
	a->chunks = c;
	a->at = c->data;
	a->left = size;
	return c;
}

void *arena_get(struct arena *a, size_t n)
{
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (n > a->left && !add_chunk(a, n))
		return NULL;
	void *p = a->at;
	a->at += n;
	a->left -= n;
	return p;
}

void *arena_copy(struct arena *a, const void *data, size_t n)
{
	void *p = arena_get(a, n);

	if (p && n)
		memcpy(p, data, n);
	return p;
}

char *arena_text(struct arena *a, const char *s, size_t n)
{
	char *p = arena_get(a, n + 1);

	if (!p)
		return NULL;
	memcpy(p, s, n);
	p[n] = 0;
	return p;
}

void arena_done(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	*a = (struct arena){0};
}
