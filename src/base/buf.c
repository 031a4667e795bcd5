// SPDX-License-Identifier: Apache-2.0
/* The byte queue of buf.h. */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 1024
#define BUF_KEPT  65536 /* of an empty queue */

/* What is wiped must not be optimised away. */
static void release(struct buf *b)
{
	if (b->secret && b->mem)
		explicit_bzero(b->mem, b->cap);
	free(b->mem);
}

static bool grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;

	while (cap < need) {
		if (cap > SIZE_MAX / 2)
			return false;
		cap *= 2;
	}
	uint8_t *mem = malloc(cap);
	if (!mem)
		return false;
	if (b->len)
		memcpy(mem, b->mem + b->start, b->len);
	release(b);
	b->mem = mem;
	b->cap = cap;
	b->start = 0;
	return true;
}

uint8_t *buf_room(struct buf *b, size_t n)
{
	if (n > SIZE_MAX - b->len)
		return NULL;
	if (b->cap - b->start - b->len >= n && b->mem)
		return b->mem + b->start + b->len;
	/* Moving costs no more than growing as long as half of the memory is free. */
	if (b->mem && b->cap - b->len >= n && b->start >= b->cap / 2) {
		memmove(b->mem, b->mem + b->start, b->len);
		if (b->secret)
			explicit_bzero(b->mem + b->len, b->start);
		b->start = 0;
	} else if (!grow(b, b->len + n)) {
		return NULL;
	}
	return b->mem + b->start + b->len;
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return true;
	uint8_t *to = buf_room(b, n);
	if (!to)
		return false;
	memcpy(to, p, n);
	b->len += n;
	return true;
}

bool buf_append_text(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

void buf_take(struct buf *b, size_t n)
{
	if (b->secret && n)
		explicit_bzero(b->mem + b->start, n);
	b->start += n;
	b->len -= n;
	if (b->len)
		return;
	b->start = 0;
	if (b->cap > BUF_KEPT)
		buf_done(b);
}

void buf_done(struct buf *b)
{
	release(b);
	*b = (struct buf){.secret = b->secret};
}
