// SPDX-License-Identifier: Apache-2.0
/*
 * Escapes: what is made is undone again, whatever stands in two spellings is read as one, and what
 * is no escape stays.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "http/spelling.h"

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

static void assert_undone(const char *in, bool plus, bool end, const char *want, size_t used)
{
	uint8_t out[256];
	size_t got;
	size_t n = spelling_undo(text(in), plus, end, out, &got);

	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, n);
	assert_int_equal(got, used);
}

static void escapes_are_undone(void **state)
{
	assert_undone("a%62c%2Fd%2fe", false, true, "abc/d/e", 13);
	assert_undone("\\u0041\\/\\\"\\\\\\n\\t", false, true, "A/\"\\\n\t", 16);
	assert_undone("a\\u00e9\\u20ac", false, true, "a\xc3\xa9\xe2\x82\xac", 13);
	assert_undone("a+b", false, true, "a+b", 3);
	assert_undone("a+b", true, true, "a b", 3);
	/* Both kinds in one text. */
	assert_undone("\\u0041%42C", false, true, "ABC", 10);
	/* None. */
	assert_undone("%zz%4 \\x \\u12g4 100%", false, true, "%zz%4 \\x \\u12g4 100%", 20);
	assert_undone("\\ud83d\\ude00", false, true, "\\ud83d\\ude00", 12);
	/* Those of an escape are not undone. */
	assert_undone("%2541 \\\\u0041", false, true, "%41 \\u0041", 13);
}

static void an_escape_that_has_not_ended_is_left(void **state)
{
	static const char *const tails[] = {"%",    "%4",    "\\",     "\\u",
					    "\\u0", "\\u00", "\\u004", NULL};

	for (size_t i = 0; tails[i]; i++) {
		char in[16] = "ab";
		strcat(in, tails[i]);
		assert_undone(in, false, false, "ab", 2);
		assert_undone(in, false, true, in, strlen(in));
	}
	/* These cannot become one. */
	assert_undone("%g", false, false, "%g", 2);
	assert_undone("\\u0x", false, false, "\\u0x", 4);
	assert_true(spelling_has_escapes(text("ab%")));
	assert_true(spelling_has_escapes(text("ab\\")));
	assert_false(spelling_has_escapes(text("ab+")));
	assert_false(spelling_has_escapes(text("")));
}

static void assert_buf(struct buf *b, const char *want)
{
	assert_int_equal(b->len, strlen(want));
	assert_memory_equal(buf_view(b).p, want, b->len);
	buf_done(b);
}

static void escapes_are_made(void **state)
{
	struct buf b = {0};

	assert_true(spelling_put_percent(&b, text("aZ0-._~ /+%&=\xc3")));
	assert_buf(&b, "aZ0-._~%20%2F%2B%25%26%3D%C3");
	assert_true(spelling_put_json(&b, text("a\"b\\c\n/\xc3\xa9")));
	assert_buf(&b, "a\\\"b\\\\c\\u000A/\xc3\xa9");
	assert_true(spelling_put_unicode_byte(&b, 'A'));
	assert_true(spelling_put_percent_byte(&b, 'A'));
	assert_buf(&b, "\\u0041%41");
}

static void what_is_made_is_undone(void **state)
{
	uint8_t all[256], out[2000];
	size_t used;

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	for (int json = 0; json < 2; json++) {
		struct buf b = {0};
		struct view v = view_make(all, sizeof(all));
		/* A percent sign means something of its own to the other kind. */
		assert_true(json ? spelling_put_json(&b, view_make(all, '%'))
				 : spelling_put_percent(&b, v));
		size_t n = spelling_undo(buf_view(&b), false, true, out, &used);
		assert_int_equal(n, json ? '%' : 256);
		assert_memory_equal(out, all, n);
		buf_done(&b);
	}
}

static void base64_is_made_and_undone(void **state)
{
	static const struct {
		const char *plain, *coded;
	} t[] = {{"", ""},
		 {"f", "Zg=="},
		 {"fo", "Zm8="},
		 {"foo", "Zm9v"},
		 {"foob", "Zm9vYg=="},
		 {"fooba", "Zm9vYmE="},
		 {"foobar", "Zm9vYmFy"},
		 {"\xfb\xff\xbf", "+/+/"}};
	struct buf b = {0};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_true(spelling_put_base64(&b, text(t[i].plain)));
		assert_buf(&b, t[i].coded);
		assert_true(spelling_undo_base64(text(t[i].coded), &b));
		assert_buf(&b, t[i].plain);
	}
	assert_true(spelling_undo_base64(text("Zm9vYg"), &b));
	assert_buf(&b, "foob");
	assert_true(spelling_undo_base64(text("-_-_"), &b));
	assert_buf(&b, "\xfb\xff\xbf");
	assert_false(spelling_undo_base64(text("Zm9vY"), &b));
	assert_false(spelling_undo_base64(text("Zm 9"), &b));
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(an_escape_that_has_not_ended_is_left),
		cmocka_unit_test(escapes_are_made),
		cmocka_unit_test(what_is_made_is_undone),
		cmocka_unit_test(base64_is_made_and_undone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
