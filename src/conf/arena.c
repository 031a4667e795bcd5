// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks in a list; each is filled from its beginning, and what does not fit takes a new one.
 *
 * Blocks are big enough for the C library to take them from the system one by one, so that
 * their end gives the memory back.
 */
#include "conf/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)256 << 10)
#define ALIGN      alignof(max_align_t)

struct block {
	struct block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct block *blocks; /* the one in use first */
};

struct arena *arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

static struct block *block_add(struct arena *a, size_t size)
{
	size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
	struct block *b = malloc(sizeof(*b) + room);

	if (!b)
		return NULL;
	*b = (struct block){.next = a->blocks, .size = room};
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->blocks;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGN - 1) & ~(ALIGN - 1);
	if (!b || b->size - b->used < size)
		b = block_add(a, size);
	if (!b)
		return NULL;
	void *p = b->data + b->used;
	b->used += size;
	return memset(p, 0, size);
}

char *arena_text(struct arena *a, const char *text, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (copy && n)
		memcpy(copy, text, n);
	return copy;
}
