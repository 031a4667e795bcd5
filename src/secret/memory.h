// SPDX-License-Identifier: Apache-2.0
/*
 * Memory for secret bytes: locked, in no core dump, not copied into forked processes, wiped when
 * freed.
 *
 * Blocks of a few sizes are cut from chunks of pages of their own; larger ones have theirs alone.
 * What the system does not let this process lock (RLIMIT_MEMLOCK) is used all the same, and said
 * once. May be called from any thread.
 *
 * May use: base/.
 */
#ifndef WEIR_SECRET_MEMORY_H
#define WEIR_SECRET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

/* Zeroed. NULL without memory. */
void *secret_alloc(size_t n);
void secret_free(void *p); /* NULL is fine */

/* A queue of secret bytes, as struct buf is of others: appended behind, taken from the front. */
struct secret_buf { /* all zero: empty */
	uint8_t *mem;
	size_t start, len, cap; /* the bytes are mem[start .. start + len) */
};

/* Room for at least n more bytes (ret_cap: how many there are); NULL without memory. Follow with
 * an addition to `len`. Views into the queue are dead afterwards. */
uint8_t *secret_buf_room(struct secret_buf *b, size_t n, size_t *ret_cap);
bool secret_buf_append(struct secret_buf *b, struct view v);
static inline struct view secret_buf_view(const struct secret_buf *b)
{
	return view_make(b->mem ? b->mem + b->start : NULL, b->len);
}
/* Drops and wipes n bytes of the front; n <= len. */
void secret_buf_take(struct secret_buf *b, size_t n);
void secret_buf_done(struct secret_buf *b);

#endif
