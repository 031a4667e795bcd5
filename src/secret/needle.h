// SPDX-License-Identifier: Apache-2.0
/*
 * Finding strings in a stream without holding them.
 *
 * A needle is made from a string by the process that may know it (the key holder, for values) and
 * is searched for by one that may not. What it tells whoever has the needle and its key: the
 * length, which classes of characters stand in the string and at its first places, 16 bits of a
 * hash of its first eight bytes, and 64 bits of a hash of the whole. No part of the string is
 * hashed by itself with more than those 16 bits, so it cannot be guessed piece by piece: a string
 * of 16 random letters stays as hard to find as all of its letters are.
 *
 * A search costs one multiplication and one look into a table of 8 KiB for each byte, however many
 * needles there are; only where that says "perhaps" (once in 65,536 bytes for each needle) the
 * whole window is hashed.
 *
 * The classes are what lets a stream end anywhere: behind a byte with which no needle goes on (a
 * line feed, a quote) nothing has to be held back.
 *
 * May use: base/. Bounds: strings of NEEDLE_MIN to NEEDLE_MAX bytes, NEEDLES_MAX needles in a set.
 */
#ifndef WEIR_SECRET_NEEDLE_H
#define WEIR_SECRET_NEEDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

#define NEEDLE_HEAD    8
#define NEEDLE_MIN     8
#define NEEDLE_MAX     16384
#define NEEDLE_LEN_MAX (2 * NEEDLE_MAX) /* in its longest spelling */
#define NEEDLES_MAX    4096
#define NEEDLE_FORMS   11 /* at most, of one string */

struct needle_key { /* random, shared by the maker and one sandbox's searcher */
	uint64_t head, whole[2];
};

/* In which spelling a needle is the string. Those of percent signs and of backslashes are not among
 * them: a searcher undoes them first (http/spelling.h). */
enum needle_form {
	NEEDLE_RAW,
	NEEDLE_BASE64,     /* at one of three places in the group of three (`phase`); only the
			      characters that follow from the string alone */
	NEEDLE_BASE64_URL, /* the same with - and _; made where it differs */
	NEEDLE_HEX,
	NEEDLE_HEX_UPPER,
	NEEDLE_UTF16_LE,
	NEEDLE_UTF16_BE,
};

struct needle {
	uint64_t whole; /* keyed hash of all of it */
	uint16_t head;  /* keyed hash of the first NEEDLE_HEAD bytes */
	uint16_t len;
	uint16_t tag;     /* the maker's: which string */
	uint16_t classes; /* bit N: characters of class N stand in it */
	uint8_t form;     /* enum needle_form */
	uint8_t phase;    /* of NEEDLE_BASE64*: bytes before the string in its group of three */
	uint8_t lead[NEEDLE_HEAD]; /* the classes of the first bytes */
};

/* Needles of all forms of the text, as it stands first, each with that tag. Returns how many; 0:
 * too short or too long. */
size_t needle_make_forms(const struct needle_key *k, struct view text, uint16_t tag,
			 struct needle ret[NEEDLE_FORMS]);

/*
 * The text in a form, as a needle is made of it: what stands in place of a hit. `ret` has room for
 * NEEDLE_LEN_MAX bytes, or 2 * text.len + 4. Returns the length.
 */
size_t needle_spell(struct view text, enum needle_form form, unsigned phase, uint8_t *ret);

/* True where the string of the needle holds letters, digits, and - _ . ~ only: it is written the
 * same in URLs, in JSON and in header fields. */
bool needle_is_plain(const struct needle *n);
/* Bytes of this one's class stand in it. */
bool needle_may_hold(const struct needle *n, uint8_t byte);

struct needle_set; /* compiled, immutable */
/* `list` is copied. NULL without memory, or with more than NEEDLES_MAX. */
struct needle_set *needle_set_new(const struct needle_key *k, const struct needle *list, size_t n);
void needle_set_free(struct needle_set *s); /* NULL is fine */
size_t needle_set_count(const struct needle_set *s);
const struct needle *needle_set_at(const struct needle_set *s, size_t i);

struct needle_hit {
	size_t at; /* in the searched bytes */
	const struct needle *needle;
};
/*
 * The first needle in `in` at or behind `from`. Of two at one place the longer one is told. Else
 * false, and *ret_safe: all bytes before it are part of no needle, not even of one whose end has
 * not come yet (in.len where nothing has to be held back). `end`: nothing comes behind `in`, so
 * that nothing is held back.
 *
 * Where the bytes are offered again from *ret_safe on, with more behind them, the same hits are
 * told however the stream was cut.
 */
bool needle_find(const struct needle_set *s, struct view in, size_t from, bool end,
		 struct needle_hit *ret, size_t *ret_safe);

#endif
