// SPDX-License-Identifier: Apache-2.0
/*
 * Needles are found where the strings stand, however the stream is cut, and nothing is held back
 * that cannot be the beginning of one. The model is a plain comparison at every place.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>

#include "secret/needle.h"

static const struct needle_key key = {0x123456789abcdef1, {0x1111, 0x2222}};

static uint32_t seed = 1;
static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 4) * n >> 28);
}

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

/* The needle of the text as it stands, alone. */
static bool make_raw(struct view v, struct needle *ret)
{
	struct needle list[NEEDLE_FORMS];

	if (!needle_make_forms(&key, v, 0, list))
		return false;
	*ret = list[0];
	return true;
}

static struct needle_set *set_of(const struct view *list, size_t n)
{
	struct needle needles[64];
	struct needle_set *s;

	for (size_t i = 0; i < n; i++) {
		assert_true(make_raw(list[i], &needles[i]));
		needles[i].tag = (uint16_t)i;
	}
	s = needle_set_new(&key, needles, n);
	assert_non_null(s);
	return s;
}

/* ---- against a plain search ---- */

#define HITS 2000
struct hits {
	size_t at[HITS];
	unsigned tag[HITS];
	size_t n;
};

/* All hits from left to right, none inside of another, the longest of those at one place. */
static void plain_search(const struct view *list, size_t n, struct view in, struct hits *ret)
{
	ret->n = 0;
	for (size_t at = 0; at < in.len;) {
		size_t best = n;
		for (size_t i = 0; i < n; i++) {
			if (list[i].len <= in.len - at &&
			    memcmp(list[i].p, in.p + at, list[i].len) == 0 &&
			    (best == n || list[i].len > list[best].len))
				best = i;
		}
		if (best == n) {
			at++;
			continue;
		}
		ret->at[ret->n] = at;
		ret->tag[ret->n++] = (unsigned)best;
		at += list[best].len;
	}
}

/* The same by needles, the bytes coming in pieces; what is safe is gone before the next piece. */
static void cut_search(const struct needle_set *s, struct view in, bool whole, struct hits *ret)
{
	size_t base = 0, have = 0;

	ret->n = 0;
	while (base < in.len) {
		struct needle_hit hit;
		size_t safe;
		bool end;

		have = whole ? in.len : have + rnd(12) + (base + have == 0);
		if (have > in.len)
			have = in.len;
		end = have == in.len;
		/* A copy, so that a read behind its end is seen. */
		uint8_t *p = malloc(have - base + 1);
		memcpy(p, in.p + base, have - base);
		p = realloc(p, have - base ? have - base : 1);
		struct view v = view_make(p, have - base);
		size_t from = 0;
		while (needle_find(s, v, from, end, &hit, &safe)) {
			assert_true(ret->n < HITS);
			ret->at[ret->n] = base + hit.at;
			ret->tag[ret->n++] = hit.needle->tag;
			from = hit.at + hit.needle->len;
		}
		assert_true(safe <= v.len);
		if (end)
			assert_int_equal(safe, v.len);
		base += safe > from ? safe : from;
		free(p);
	}
}

static void search_finds_what_a_plain_one_does(void **state)
{
	static struct hits want, got;
	uint8_t stream[600], mem[8][64];
	struct view list[8];

	for (int round = 0; round < 4000; round++) {
		size_t n = 1 + rnd(8), len = 0;
		const char *letters = rnd(2) ? "ab" : "aB1-";
		for (size_t i = 0; i < n; i++) {
			list[i] = view_make(mem[i], NEEDLE_MIN + rnd(20));
			for (size_t j = 0; j < list[i].len; j++)
				mem[i][j] = (uint8_t)letters[rnd((uint32_t)strlen(letters))];
			/* Some begin as another one does. */
			if (i && rnd(2))
				memcpy(mem[i], mem[0],
				       list[0].len < list[i].len ? list[0].len : list[i].len);
		}
		while (len < 500) {
			size_t k = rnd((uint32_t)n);
			if (rnd(4) == 0) {
				memcpy(stream + len, mem[k], list[k].len);
				len += list[k].len;
			} else if (rnd(3) == 0) {
				size_t part = rnd((uint32_t)list[k].len);
				memcpy(stream + len, mem[k], part);
				len += part;
			} else {
				stream[len++] = rnd(5) ? (uint8_t)letters[rnd(2)] : '\n';
			}
		}
		struct needle_set *s = set_of(list, n);
		plain_search(list, n, view_make(stream, len), &want);
		for (int way = 0; way < 2; way++) {
			cut_search(s, view_make(stream, len), way == 0, &got);
			assert_int_equal(got.n, want.n);
			for (size_t i = 0; i < got.n; i++) {
				assert_int_equal(got.at[i], want.at[i]);
				assert_true(list[got.tag[i]].len == list[want.tag[i]].len);
				assert_memory_equal(mem[got.tag[i]], mem[want.tag[i]],
						    list[got.tag[i]].len);
			}
		}
		needle_set_free(s);
	}
}

/* ---- holding back ---- */

static size_t safe_of(const struct needle_set *s, const char *in)
{
	struct needle_hit hit;
	size_t safe;

	assert_false(needle_find(s, text(in), 0, false, &hit, &safe));
	return safe;
}

static void nothing_is_held_behind_what_no_needle_has(void **state)
{
	struct view list[] = {text("sk-abcdefgh0123"), text("-----BEGIN KEY\nabc")};
	struct needle_set *s = set_of(list, 2);

	assert_int_equal(safe_of(s, "data: hello\n\n"), 13);
	assert_int_equal(safe_of(s, "{\"a\":\"b\"}"), 9);
	assert_int_equal(safe_of(s, "data: sk-abc\n\n"), 14);
	/* Their beginnings. */
	assert_int_equal(safe_of(s, "data: sk-abc"), 6);
	assert_int_equal(safe_of(s, "data: sk-abcdefgh"), 6);
	assert_int_equal(safe_of(s, "data: sk-abcdefgh\n"), 18);
	assert_int_equal(safe_of(s, "data: -----BEGIN KEY\nab"), 6);
	assert_int_equal(safe_of(s, "data: -----BEGIN KEY\na?"), 23);
	/* At the end of everything nothing is. */
	struct needle_hit hit;
	size_t safe;
	assert_false(needle_find(s, text("data: sk-abc"), 0, true, &hit, &safe));
	assert_int_equal(safe, 12);
	needle_set_free(s);
}

static void no_needles_find_nothing(void **state)
{
	struct needle_set *s = needle_set_new(&key, NULL, 0);

	assert_int_equal(safe_of(s, "abcdefghijklmn"), 14);
	needle_set_free(s);
}

/* ---- making ---- */

static void lengths_have_bounds(void **state)
{
	static uint8_t mem[NEEDLE_MAX + 1];
	struct needle list[NEEDLE_FORMS];

	assert_int_equal(needle_make_forms(&key, view_make(mem, NEEDLE_MIN - 1), 0, list), 0);
	assert_true(needle_make_forms(&key, view_make(mem, NEEDLE_MIN), 0, list) > 0);
	assert_int_equal(needle_make_forms(&key, view_make(mem, NEEDLE_MAX + 1), 0, list), 0);
	memset(mem, 0xfb, sizeof(mem));
	assert_int_equal(needle_make_forms(&key, view_make(mem, NEEDLE_MAX), 0, list), 11);
	assert_null(needle_set_new(&key, NULL, NEEDLES_MAX + 1));
}

static void plain_is_what_needs_no_escape(void **state)
{
	struct needle n;

	assert_true(make_raw(text("sk-ABC_123.~"), &n) && needle_is_plain(&n));
	assert_true(make_raw(text("sk-ABC/123.~"), &n) && !needle_is_plain(&n));
	assert_true(make_raw(text("sk-ABC 123.~"), &n) && !needle_is_plain(&n));
}

/* Each of the forms is found where another program would have made it. */
static void forms_are_found(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		enum needle_form form;
		unsigned phase;
		size_t at;
	} t[] = {
		/* echo -n 'Secret?>Value~~' | base64, with 0, 1 and 2 bytes before and 'x' behind
		 */
		{"U2VjcmV0Pz5WYWx1ZX5+eA==", 24, NEEDLE_BASE64, 0, 0},
		{"YVNlY3JldD8+VmFsdWV+fng=", 24, NEEDLE_BASE64, 1, 2},
		{"YWFTZWNyZXQ/PlZhbHVlfn54", 24, NEEDLE_BASE64, 2, 3},
		{"U2VjcmV0Pz5WYWx1ZX5-eA==", 24, NEEDLE_BASE64_URL, 0, 0},
		{"YVNlY3JldD8-VmFsdWV-fng=", 24, NEEDLE_BASE64_URL, 1, 2},
		{"YWFTZWNyZXQ_PlZhbHVlfn54", 24, NEEDLE_BASE64_URL, 2, 3},
		{"..5365637265743f3e56616c75657e7e", 32, NEEDLE_HEX, 0, 2},
		{"..5365637265743F3E56616C75657E7E", 32, NEEDLE_HEX_UPPER, 0, 2},
		{"S\0e\0c\0r\0e\0t\0?\0>\0V\0a\0l\0u\0e\0~\0~\0", 30, NEEDLE_UTF16_LE, 0, 0},
		{"\0S\0e\0c\0r\0e\0t\0?\0>\0V\0a\0l\0u\0e\0~\0~", 30, NEEDLE_UTF16_BE, 0, 0},
		{"<Secret?>Value~~>", 17, NEEDLE_RAW, 0, 1},
	};
	struct needle list[NEEDLE_FORMS];
	size_t n = needle_make_forms(&key, text("Secret?>Value~~"), 7, list);
	struct needle_set *s = needle_set_new(&key, list, n);

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct needle_hit hit;
		size_t safe;
		if (!needle_find(s, view_make(t[i].in, t[i].len), 0, true, &hit, &safe))
			fail_msg("not found: %s", t[i].in);
		assert_int_equal(hit.at, t[i].at);
		assert_int_equal(hit.needle->tag, 7);
		/* Where base64 and base64url agree, the first is told. */
		if (t[i].form != NEEDLE_BASE64_URL || hit.needle->form != NEEDLE_BASE64)
			assert_int_equal(hit.needle->form, t[i].form);
		assert_int_equal(hit.needle->phase, t[i].phase);
		/* What is put in its place has the same length. */
		uint8_t room[64];
		assert_int_equal(needle_spell(text("Secret?>Value~~"), hit.needle->form,
					      hit.needle->phase, room),
				 hit.needle->len);
		assert_memory_equal(room, t[i].in + hit.at, hit.needle->len);
	}
	needle_set_free(s);
}

static void a_key_of_its_own_finds_nothing(void **state)
{
	struct needle n;
	struct needle_key other = key;
	struct needle_hit hit;
	size_t safe;

	other.whole[1]++;
	assert_true(make_raw(text("abcdefghijkl"), &n));
	struct needle_set *s = needle_set_new(&other, &n, 1);
	assert_false(needle_find(s, text("abcdefghijkl"), 0, true, &hit, &safe));
	needle_set_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_finds_what_a_plain_one_does),
		cmocka_unit_test(nothing_is_held_behind_what_no_needle_has),
		cmocka_unit_test(no_needles_find_nothing),
		cmocka_unit_test(lengths_have_bounds),
		cmocka_unit_test(plain_is_what_needs_no_escape),
		cmocka_unit_test(forms_are_found),
		cmocka_unit_test(a_key_of_its_own_finds_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
