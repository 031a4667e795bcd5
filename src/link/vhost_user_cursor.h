// SPDX-License-Identifier: Apache-2.0
/* A place in a list of ranges of guest memory, from which bytes are read or to which they go. */
#ifndef WEIR_LINK_VHOST_USER_CURSOR_H
#define WEIR_LINK_VHOST_USER_CURSOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

struct vu_cursor {
	const struct iovec *v;
	int n;
	size_t off; /* in the first of them */
};

/* The next piece, of at most len bytes, which the cursor passes; NULL at the end. */
static inline uint8_t *vu_cursor_next(struct vu_cursor *c, size_t len, size_t *ret)
{
	if (!c->n || !len)
		return NULL;
	size_t here = c->v->iov_len - c->off;
	uint8_t *at = (uint8_t *)c->v->iov_base + c->off;

	*ret = here < len ? here : len;
	c->off += *ret;
	if (c->off == c->v->iov_len) {
		c->v++;
		c->n--;
		c->off = 0;
	}
	return at;
}

/* Copies up to len bytes out. */
static inline void vu_cursor_read(struct vu_cursor *c, uint8_t *to, size_t len)
{
	const uint8_t *at;
	size_t n;

	for (; (at = vu_cursor_next(c, len, &n)); to += n, len -= n)
		memcpy(to, at, n);
}

/* Copies up to len bytes in. */
static inline void vu_cursor_write(struct vu_cursor *c, const uint8_t *from, size_t len)
{
	uint8_t *at;
	size_t n;

	for (; (at = vu_cursor_next(c, len, &n)); from += n, len -= n)
		memcpy(at, from, n);
}

/* The next len bytes as at most max ranges at `to`; how many, or -1 where max is too small. */
static inline int vu_cursor_ranges(struct vu_cursor *c, size_t len, struct iovec *to, int max)
{
	uint8_t *at;
	size_t n;
	int i = 0;

	for (; (at = vu_cursor_next(c, len, &n)); len -= n) {
		if (i == max)
			return -1;
		to[i++] = (struct iovec){at, n};
	}
	return i;
}

#endif
