// SPDX-License-Identifier: Apache-2.0
/*
 * Needles: making them, and searching for them. needle.h has the theory.
 */
#include <endian.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "secret/needle.h"

/* ---- classes of characters ---- */

enum {
	CLASS_LOWER,
	CLASS_UPPER,
	CLASS_DIGIT,
	CLASS_MARK,   /* - _ . ~ */
	CLASS_BASE64, /* + / = */
	CLASS_OTHER,  /* what else ASCII prints */
	CLASS_SPACE,  /* and tab */
	CLASS_LINE,   /* CR, LF */
	CLASS_CONTROL,
	CLASS_HIGH, /* 128 and up */
};

static const uint8_t class_of[256] = {
	// clang-format off
	[0 ... 8] = CLASS_CONTROL,
	['\t'] = CLASS_SPACE,
	['\n'] = CLASS_LINE,
	[11 ... 12] = CLASS_CONTROL,
	['\r'] = CLASS_LINE,
	[14 ... 31] = CLASS_CONTROL,
	[' '] = CLASS_SPACE,
	['!' ... '*'] = CLASS_OTHER,
	['+'] = CLASS_BASE64,
	[','] = CLASS_OTHER,
	['-' ... '.'] = CLASS_MARK,
	['/'] = CLASS_BASE64,
	['0' ... '9'] = CLASS_DIGIT,
	[':' ... '<'] = CLASS_OTHER,
	['='] = CLASS_BASE64,
	['>' ... '@'] = CLASS_OTHER,
	['A' ... 'Z'] = CLASS_UPPER,
	['[' ... '^'] = CLASS_OTHER,
	['_'] = CLASS_MARK,
	['`'] = CLASS_OTHER,
	['a' ... 'z'] = CLASS_LOWER,
	['{' ... '}'] = CLASS_OTHER,
	['~'] = CLASS_MARK,
	[0x7f] = CLASS_CONTROL,
	[0x80 ... 0xff] = CLASS_HIGH,
	// clang-format on
};

bool needle_is_plain(const struct needle *n)
{
	const unsigned plain =
		1u << CLASS_LOWER | 1u << CLASS_UPPER | 1u << CLASS_DIGIT | 1u << CLASS_MARK;

	return !(n->classes & ~plain);
}

bool needle_may_hold(const struct needle *n, uint8_t byte)
{
	return n->classes >> class_of[byte] & 1;
}

/* ---- hashes ---- */

/* The upper bits of a product with a secret odd number depend on all bytes of the window. */
static inline uint16_t hash_head(uint64_t odd, const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return (uint16_t)((htole64(w) * odd) >> 48);
}

static uint64_t hash_whole(const struct needle_key *k, const uint8_t *p, size_t n)
{
	const struct sipkey key = {k->whole[0], k->whole[1]};

	return siphash(&key, p, n);
}

/* ---- making ---- */

static void make(const struct needle_key *k, const uint8_t *p, size_t n, struct needle *ret)
{
	*ret = (struct needle){
		.whole = hash_whole(k, p, n),
		.head = hash_head(k->head | 1, p),
		.len = (uint16_t)n,
	};
	for (size_t i = 0; i < n; i++)
		ret->classes |= (uint16_t)(1u << class_of[p[i]]);
	for (size_t i = 0; i < NEEDLE_HEAD; i++)
		ret->lead[i] = class_of[p[i]];
}

/* Characters of base64 that hold nothing but bits of the text, where `phase` bytes stand before it
 * in its group. */
static size_t spell_base64(struct view text, unsigned phase, bool url, uint8_t *ret)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789";
	size_t from = (phase * 8 + 5) / 6 * 6 - phase * 8; /* the first bit of a whole character */
	size_t n = 0;

	for (size_t bit = from; bit + 6 <= text.len * 8; bit += 6) {
		unsigned two = (unsigned)text.p[bit / 8] << 8;
		if (bit / 8 + 1 < text.len)
			two |= text.p[bit / 8 + 1];
		unsigned six = two >> (10 - bit % 8) & 63;
		if (six < 62)
			ret[n++] = (uint8_t)letters[six];
		else if (six == 62)
			ret[n++] = url ? '-' : '+';
		else
			ret[n++] = url ? '_' : '/';
	}
	return n;
}

static size_t spell_hex(struct view text, const char *digits, uint8_t *ret)
{
	for (size_t i = 0; i < text.len; i++) {
		ret[2 * i] = (uint8_t)digits[text.p[i] >> 4];
		ret[2 * i + 1] = (uint8_t)digits[text.p[i] & 15];
	}
	return 2 * text.len;
}

static size_t spell_utf16(struct view text, bool big, uint8_t *ret)
{
	for (size_t i = 0; i < text.len; i++) {
		ret[2 * i + big] = text.p[i];
		ret[2 * i + !big] = 0;
	}
	return 2 * text.len;
}

size_t needle_spell(struct view text, enum needle_form form, unsigned phase, uint8_t *ret)
{
	switch (form) {
	case NEEDLE_RAW:
		if (text.len)
			memcpy(ret, text.p, text.len);
		return text.len;
	case NEEDLE_BASE64:
	case NEEDLE_BASE64_URL:
		return spell_base64(text, phase, form == NEEDLE_BASE64_URL, ret);
	case NEEDLE_HEX:
		return spell_hex(text, "0123456789abcdef", ret);
	case NEEDLE_HEX_UPPER:
		return spell_hex(text, "0123456789ABCDEF", ret);
	case NEEDLE_UTF16_LE:
	case NEEDLE_UTF16_BE:
		return spell_utf16(text, form == NEEDLE_UTF16_BE, ret);
	}
	return 0;
}

/* A spelling with characters that another one has, too, is made once. */
static bool is_new(const struct needle *list, size_t n, const struct needle *x)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].whole == x->whole && list[i].len == x->len)
			return false;
	}
	return true;
}

size_t needle_make_forms(const struct needle_key *k, struct view text, uint16_t tag,
			 struct needle ret[NEEDLE_FORMS])
{
	static const struct {
		uint8_t form, phase;
	} forms[NEEDLE_FORMS] = {
		{NEEDLE_RAW, 0},        {NEEDLE_BASE64, 0},     {NEEDLE_BASE64, 1},
		{NEEDLE_BASE64, 2},     {NEEDLE_BASE64_URL, 0}, {NEEDLE_BASE64_URL, 1},
		{NEEDLE_BASE64_URL, 2}, {NEEDLE_HEX, 0},        {NEEDLE_HEX_UPPER, 0},
		{NEEDLE_UTF16_LE, 0},   {NEEDLE_UTF16_BE, 0},
	};
	uint8_t *room;
	size_t n = 0;

	if (text.len < NEEDLE_MIN || text.len > NEEDLE_MAX)
		return 0;
	room = malloc(2 * text.len + 4);
	if (!room)
		return 0;
	for (size_t i = 0; i < NEEDLE_FORMS; i++) {
		size_t len = needle_spell(text, forms[i].form, forms[i].phase, room);
		make(k, room, len, &ret[n]);
		ret[n].tag = tag;
		ret[n].form = forms[i].form;
		ret[n].phase = forms[i].phase;
		n += is_new(ret, n, &ret[n]);
	}
	explicit_bzero(room, 2 * text.len + 4);
	free(room);
	return n;
}

/* ---- searching ---- */

#define BUCKETS 256 /* of needles, by the upper bits of `head` */
/* Up to so many needles each is asked by itself whether it may begin at the end of the bytes. */
#define LEADS_MAX 64

struct needle_set {
	struct needle_key key;
	uint64_t odd;
	uint64_t perhaps[65536 / 64];   /* bit N: some needle has head N */
	uint16_t bucket[BUCKETS + 1];   /* where each begins in `list` */
	uint16_t lead_any[NEEDLE_HEAD]; /* classes that some needle has there */
	size_t n;
	struct needle list[]; /* by head, longer ones first */
};

static int compare(const void *a, const void *b)
{
	const struct needle *x = a, *y = b;

	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	return x->len > y->len ? -1 : x->len < y->len;
}

struct needle_set *needle_set_new(const struct needle_key *k, const struct needle *list, size_t n)
{
	struct needle_set *s;

	if (n > NEEDLES_MAX)
		return NULL;
	s = calloc(1, sizeof(*s) + n * sizeof(*list));
	if (!s)
		return NULL;
	s->key = *k;
	s->odd = k->head | 1;
	s->n = n;
	for (size_t i = 0; i < n; i++)
		s->list[i] = list[i];
	qsort(s->list, n, sizeof(*list), compare);
	for (size_t i = 0; i < n; i++) {
		const struct needle *x = &s->list[i];
		s->perhaps[x->head / 64] |= UINT64_C(1) << x->head % 64;
		s->bucket[(x->head >> 8) + 1]++;
		for (size_t j = 0; j < NEEDLE_HEAD; j++)
			s->lead_any[j] |= (uint16_t)(1u << x->lead[j]);
	}
	for (size_t i = 0; i < BUCKETS; i++)
		s->bucket[i + 1] = (uint16_t)(s->bucket[i + 1] + s->bucket[i]);
	return s;
}

void needle_set_free(struct needle_set *s)
{
	if (s)
		explicit_bzero(s, sizeof(*s) + s->n * sizeof(s->list[0]));
	free(s);
}

size_t needle_set_count(const struct needle_set *s)
{
	return s->n;
}

const struct needle *needle_set_at(const struct needle_set *s, size_t i)
{
	return &s->list[i];
}

/* The bytes that are there could be the beginning of this needle, as far as its classes tell. */
static bool may_go_on(const struct needle *x, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && i < NEEDLE_HEAD; i++) {
		if (class_of[p[i]] != x->lead[i])
			return false;
	}
	for (size_t i = NEEDLE_HEAD; i < n; i++) {
		if (!(x->classes >> class_of[p[i]] & 1))
			return false;
	}
	return true;
}

enum at {
	AT_NONE,
	AT_HIT,
	AT_HOLD
};

/* What begins at `at`, where the table says that something may. */
static enum at look(const struct needle_set *s, struct view in, size_t at, bool end,
		    const struct needle **ret)
{
	const uint8_t *p = in.p + at;
	size_t left = in.len - at;
	uint16_t head = hash_head(s->odd, p);

	for (size_t i = s->bucket[head >> 8]; i < s->bucket[(head >> 8) + 1]; i++) {
		const struct needle *x = &s->list[i];
		if (x->head != head)
			continue;
		if (x->len > left) {
			if (!end && may_go_on(x, p, left))
				return AT_HOLD;
		} else if (may_go_on(x, p, x->len) && hash_whole(&s->key, p, x->len) == x->whole) {
			*ret = x;
			return AT_HIT;
		}
	}
	return AT_NONE;
}

/* Fewer bytes than a head are left: might they be the beginning of one? */
static bool may_begin(const struct needle_set *s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!(s->lead_any[i] >> class_of[p[i]] & 1))
			return false;
	}
	for (size_t i = 0; i < s->n && s->n <= LEADS_MAX; i++) {
		if (may_go_on(&s->list[i], p, n))
			return true;
	}
	return s->n > LEADS_MAX;
}

static inline uint64_t perhaps(const struct needle_set *s, const uint8_t *p)
{
	uint16_t head = hash_head(s->odd, p);

	return s->perhaps[head / 64] >> head % 64 & 1;
}

/* The first place at or behind `at` where something may begin; `last` + 1 where there is none. */
static size_t skip(const struct needle_set *s, const uint8_t *p, size_t at, size_t last)
{
	while (at + 3 <= last) {
		if (perhaps(s, p + at) | perhaps(s, p + at + 1) | perhaps(s, p + at + 2) |
		    perhaps(s, p + at + 3))
			break;
		at += 4;
	}
	while (at <= last && !perhaps(s, p + at))
		at++;
	return at;
}

bool needle_find(const struct needle_set *s, struct view in, size_t from, bool end,
		 struct needle_hit *ret, size_t *ret_safe)
{
	size_t at = from;

	*ret_safe = in.len;
	if (s->n == 0)
		return false;
	while (in.len >= NEEDLE_HEAD && at <= in.len - NEEDLE_HEAD) {
		const struct needle *x;
		at = skip(s, in.p, at, in.len - NEEDLE_HEAD);
		if (at > in.len - NEEDLE_HEAD)
			break;
		switch (look(s, in, at, end, &x)) {
		case AT_HIT:
			*ret = (struct needle_hit){at, x};
			return true;
		case AT_HOLD:
			*ret_safe = at;
			return false;
		case AT_NONE:
			at++;
		}
	}
	for (; !end && at < in.len; at++) {
		if (may_begin(s, in.p + at, in.len - at)) {
			*ret_safe = at;
			break;
		}
	}
	return false;
}
