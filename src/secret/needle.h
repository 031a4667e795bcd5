// SPDX-License-Identifier: Apache-2.0
/*
 * Finding strings in a stream without holding them.
 *
 * A needle is made from a string by the process that may know it (the key holder, for values) and
 * is searched for by one that may not: it holds a keyed hash of the string's first NEEDLE_HEAD
 * bytes, a keyed hash of the whole, its length, and which classes of characters it is made of. A
 * search costs one multiplication and one look into a small table a byte, however many needles
 * there are; only where that says "perhaps" the whole window is hashed.
 *
 * The class is what lets a stream end anywhere: behind a byte that no needle holds (a line feed, a
 * quote) nothing has to be held back.
 *
 * May use: base/. Bounds: strings of NEEDLE_MIN to NEEDLE_MAX bytes, NEEDLES_MAX of them in a set.
 */
#ifndef WEIR_SECRET_NEEDLE_H
#define WEIR_SECRET_NEEDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

#define NEEDLE_HEAD 8
#define NEEDLE_MIN  8
#define NEEDLE_MAX  16384
#define NEEDLES_MAX 4096

struct needle_key { /* random, shared by the holder and one sandbox's searcher */
	uint64_t head, whole[2];
};

struct needle {
	uint64_t head;     /* keyed hash of the first NEEDLE_HEAD bytes */
	uint64_t whole[2]; /* keyed hash of all of it */
	uint16_t len;
	uint16_t tag;    /* the maker's: which string */
	uint32_t form;   /* enum needle_form */
	uint64_t cls[4]; /* bit N: byte N may stand in it; whole classes, not single characters */
};

/* In which spelling a needle is the string. */
enum needle_form {
	NEEDLE_RAW,
	NEEDLE_BASE64, /* at one of three places in the group of three; only the characters that
			  follow from the string alone */
};

/* False where it is too short or too long. */
bool needle_make(const struct needle_key *k, struct view text, struct needle *ret);

struct needle_set; /* compiled, immutable */
struct needle_set *needle_set_new(const struct needle_key *k, const struct needle *list, size_t n);
void needle_set_free(struct needle_set *s);

struct needle_hit {
	size_t at; /* in the searched bytes */
	const struct needle *needle;
};
/*
 * The first needle in `in` at or behind `from`. Else false, and *ret_safe: all bytes before it are
 * part of no needle, not even of one whose end has not come yet (in.len where nothing has to be
 * held back). Of two needles at one place the longer one is told.
 */
bool needle_find(const struct needle_set *s, struct view in, size_t from, struct needle_hit *ret,
		 size_t *ret_safe);

#endif
