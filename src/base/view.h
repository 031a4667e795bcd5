// SPDX-License-Identifier: Apache-2.0
/*
 * Bounds-checked reading and writing of bytes.
 *
 * Every byte that comes from a guest or from the network is read through a `struct view`: a pointer
 * and what is left of it. A read that would pass the end returns false and changes nothing.
 * A `struct wbuf` is the same for writing: past its capacity it notes an overflow and writes
 * nothing.
 */
#ifndef WEIR_BASE_VIEW_H
#define WEIR_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct view {
	const uint8_t *p; /* the next byte to be read */
	size_t len;       /* bytes left from p */
};

static inline struct view view_make(const void *p, size_t len)
{
	return (struct view){.p = p, .len = len};
}

/* Skips n bytes. False, and nothing is skipped, where fewer are left. */
static inline bool view_skip(struct view *v, size_t n)
{
	if (v->len < n)
		return false;
	v->p += n;
	v->len -= n;
	return true;
}

/* Splits off the first n bytes as a view of their own. */
static inline bool view_take(struct view *v, size_t n, struct view *ret)
{
	if (v->len < n)
		return false;
	*ret = (struct view){.p = v->p, .len = n};
	v->p += n;
	v->len -= n;
	return true;
}

static inline bool view_get_bytes(struct view *v, void *ret, size_t n)
{
	if (v->len < n)
		return false;
	memcpy(ret, v->p, n);
	v->p += n;
	v->len -= n;
	return true;
}

static inline bool view_get_u8(struct view *v, uint8_t *ret)
{
	if (v->len < 1)
		return false;
	*ret = v->p[0];
	v->p += 1;
	v->len -= 1;
	return true;
}

static inline bool view_get_be16(struct view *v, uint16_t *ret)
{
	if (v->len < 2)
		return false;
	*ret = (uint16_t)(v->p[0] << 8 | v->p[1]);
	v->p += 2;
	v->len -= 2;
	return true;
}

static inline bool view_get_be32(struct view *v, uint32_t *ret)
{
	if (v->len < 4)
		return false;
	*ret = (uint32_t)v->p[0] << 24 | (uint32_t)v->p[1] << 16 | (uint32_t)v->p[2] << 8 | v->p[3];
	v->p += 4;
	v->len -= 4;
	return true;
}

struct wbuf {
	uint8_t *p;    /* start of the memory */
	size_t cap;    /* its size in bytes */
	size_t len;    /* bytes written so far */
	bool overflow; /* something did not fit; what is in p is then incomplete */
};

static inline struct wbuf wbuf_make(void *p, size_t cap)
{
	return (struct wbuf){.p = p, .cap = cap};
}

/* Room for n bytes, or NULL (and the overflow noted). */
static inline uint8_t *wbuf_reserve(struct wbuf *w, size_t n)
{
	if (w->overflow || w->cap - w->len < n) {
		w->overflow = true;
		return NULL;
	}
	uint8_t *at = w->p + w->len;
	w->len += n;
	return at;
}

static inline void wbuf_put_bytes(struct wbuf *w, const void *p, size_t n)
{
	uint8_t *at = wbuf_reserve(w, n);
	if (at && n)
		memcpy(at, p, n);
}

static inline void wbuf_put_zero(struct wbuf *w, size_t n)
{
	uint8_t *at = wbuf_reserve(w, n);
	if (at)
		memset(at, 0, n);
}

static inline void wbuf_put_u8(struct wbuf *w, uint8_t v)
{
	uint8_t *at = wbuf_reserve(w, 1);
	if (at)
		at[0] = v;
}

static inline void put_be16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
}

static inline uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get_be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void wbuf_put_be16(struct wbuf *w, uint16_t v)
{
	uint8_t *at = wbuf_reserve(w, 2);
	if (at)
		put_be16(at, v);
}

static inline void wbuf_put_be32(struct wbuf *w, uint32_t v)
{
	uint8_t *at = wbuf_reserve(w, 4);
	if (at)
		put_be32(at, v);
}

#endif
