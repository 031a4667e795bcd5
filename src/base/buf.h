// SPDX-License-Identifier: Apache-2.0
/*
 * A queue of bytes in one piece of memory: appended behind, taken from the front. Grows as needed,
 * without a bound: the caller looks at `len` before it appends. An empty queue keeps 64 KiB at
 * most; buf_done() gives that back, too.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

struct buf { /* all zero: empty */
	uint8_t *mem;
	size_t start, len, cap; /* the bytes are mem[start .. start + len) */
	bool secret;            /* memory is wiped before it is given back or moved */
};

/* Room for at least n more bytes behind those that are there; NULL without memory. Follow with
 * buf_added(). Views into the queue are dead afterwards. */
uint8_t *buf_room(struct buf *b, size_t n);
static inline void buf_added(struct buf *b, size_t n)
{
	b->len += n;
}
/* False without memory; nothing is then appended. */
bool buf_append(struct buf *b, const void *p, size_t n);
static inline bool buf_append_view(struct buf *b, struct view v)
{
	return buf_append(b, v.p, v.len);
}
bool buf_append_text(struct buf *b, const char *s);
static inline struct view buf_view(const struct buf *b)
{
	return view_make(b->mem ? b->mem + b->start : (const uint8_t *)"", b->len);
}
/* Drops n bytes from the front; n <= len. */
void buf_take(struct buf *b, size_t n);
/* Empty, memory given back. */
void buf_done(struct buf *b);

#endif
