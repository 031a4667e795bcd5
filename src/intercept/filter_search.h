// SPDX-License-Identifier: Apache-2.0
/*
 * Looking for needles (secret/needle.h) in bytes in which they may be written with escapes
 * (http/spelling.h), and putting something else in their places, as the bytes come.
 *
 * The bytes are searched as they are; where some of them may be an escape, once more with the
 * escapes undone. A hit is told where it stands in the bytes as they came.
 *
 * Bounds: a stream holds back no more than the longest needle in its longest spelling.
 */
#ifndef WEIR_INTERCEPT_FILTER_SEARCH_H
#define WEIR_INTERCEPT_FILTER_SEARCH_H

#include "base/buf.h"
#include "secret/needle.h"

struct search_hit {
	size_t at, len; /* in the bytes as they came */
	const struct needle *needle;
	bool spelled; /* with escapes */
};

/* One reading of the bytes. */
struct search_side {
	bool there;
	uint8_t *text; /* the bytes with their escapes undone; owned, wiped; NULL: as they are */
	size_t cap, len, used;
	size_t src, dst; /* a place in the bytes, and the same one in `text` */
	bool looked, found;
	size_t at, size, safe; /* in the bytes */
	const struct needle *needle;
};

enum search_reading {
	READ_AS_IS,
	READ_UNDONE,
	READ_FORM, /* the same, and a plus sign is a space: where some needle has one */
	READINGS,
};

struct search { /* all zero but for `set`: ready */
	const struct needle_set *set;
	struct view in;
	bool end;
	struct search_side side[READINGS];
	bool plus;
};

void search_init(struct search *s, const struct needle_set *set);
void search_done(struct search *s);
/* Other bytes. `end`: nothing comes behind them. False without memory. */
bool search_begin(struct search *s, struct view in, bool end);
/* As needle_find(); `from` never goes back. */
bool search_next(struct search *s, size_t from, struct search_hit *ret, size_t *ret_safe);

/* ---- replacing in a stream ---- */

enum scrub_step {
	SCRUB_KEEP, /* of a hit: it goes on as it is */
	SCRUB_GO,   /* of a hit: something was appended in its place. Of a run: all is well */
	SCRUB_WAIT, /* the same hit is to be asked about again, later */
	SCRUB_STOP, /* the exchange is refused */
	SCRUB_BAD,  /* the body is none of what it says it is */
	SCRUB_NOMEM,
};

struct scrub {
	struct search search;
	struct buf held; /* bytes that are not decided yet */
	/* What to do about a hit; `spelled`: its bytes. */
	enum scrub_step (*hit)(void *arg, const struct search_hit *h, struct view spelled,
			       struct buf *out);
	void *arg;
};

void scrub_done(struct scrub *s);
/*
 * Appends what can go on. With SCRUB_WAIT what is not decided is kept: call again with no bytes and
 * the same `end`. With SCRUB_GO and `end` nothing is held any more.
 */
enum scrub_step scrub_run(struct scrub *s, struct view in, bool end, struct buf *out);

/* How text is written where a hit stands. */
enum scrub_place {
	SCRUB_AS_IS,
	SCRUB_JSON,
	SCRUB_PERCENT,
};
/*
 * Appends `text` in place of a hit, in the hit's own spelling. `fit`: where it is not 0, the text
 * is cut or filled up to so many bytes before. False without memory.
 */
bool scrub_put(struct buf *out, const struct search_hit *h, struct view spelled, struct view text,
	       size_t fit, enum scrub_place place);

#endif
