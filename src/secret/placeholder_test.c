// SPDX-License-Identifier: Apache-2.0
/* Placeholders look like the value, and tell little of it. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "secret/placeholder.h"

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

/*
 * The shape, a sign a character: % hexadecimal, small; * any letter or digit; ^ capital or digit;
 * others stand for themselves.
 */
static void assert_shape(const char *value, const char *shape)
{
	for (int turn = 0; turn < 20; turn++) {
		char *p = placeholder_like(text(value));

		assert_non_null(p);
		assert_int_equal(strlen(p), strlen(value));
		assert_int_equal(strlen(p), strlen(shape));
		for (size_t i = 0; p[i]; i++) {
			bool ok = shape[i] == '*'   ? isalnum((unsigned char)p[i])
				  : shape[i] == '^' ? isupper((unsigned char)p[i]) ||
							      isdigit((unsigned char)p[i])
				  : shape[i] == '%' ? isdigit((unsigned char)p[i]) ||
							      (p[i] >= 'a' && p[i] <= 'f')
						    : p[i] == shape[i];
			if (!ok)
				fail_msg("%s: %s is not like %s", value, p, shape);
		}
		assert_string_not_equal(p, value);
		free(p);
	}
}

static void random_ones_look_like_the_value(void **state)
{
	/* A public prefix stays, and letters and digits follow. */
	assert_shape("ghp_16C7e42F292c6912E7710c838347Ae178B4a",
		     "ghp_************************************");
	assert_shape("sk-ant-api03-abcDEF0123456789abcDEF0123456789",
		     "sk-ant-api03-********************************");
	assert_shape("github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789ABCDEF",
		     "github_pat_**********************_******************************");
	/* An access key id of AWS has no room for more. */
	assert_shape("AKIAIOSFODNN7EXAMPLE", "AKIA^^^^^^^^^^^^^^^^");
	/* A UUID. */
	assert_shape("f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		     "%%%%%%%%-%%%%-%%%%-%%%%-%%%%%%%%%%%%");
	/* What is no letter or digit is not copied. */
	assert_shape("p@ss w\303\266rd!\"", "************");
	/* A short one keeps neither prefix nor separators. */
	assert_shape("sk-ab-cd", "********");
	assert_shape("12345678", "********");
}

static void they_differ_each_time(void **state)
{
	char *a = placeholder_like(text("abcdefghijklmnop")),
	     *b = placeholder_like(text("abcdefghijklmnop"));

	assert_string_not_equal(a, b);
	free(a);
	free(b);
}

static void each_character_is_as_likely(void **state)
{
	unsigned count[256] = {0};
	char value[20001];

	/* A multiple of no power of two: a remainder of bytes would show. */
	memset(value, '5', 10000);
	memset(value + 10000, 'q', 10000);
	value[20000] = '\0';
	char *p = placeholder_like(text(value));
	for (size_t i = 0; p[i]; i++)
		count[(uint8_t)p[i]]++;
	free(p);
	for (int c = 0; c < 256; c++) {
		bool in = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
		/* 556 on average; six times the deviation each way. */
		if (in ? count[c] < 416 || count[c] > 696 : count[c] != 0)
			fail_msg("%c: %u", c, count[c]);
	}
}

static void a_format_is_kept(void **state)
{
	char *p = placeholder_by_format("sk-XXXXXXXX-XXXXXXXX-end");

	assert_int_equal(strlen(p), 24);
	assert_memory_equal(p, "sk-", 3);
	assert_string_equal(p + 11 + 9, "-end");
	for (size_t i = 3; i < 20; i++)
		assert_true(i == 11 ? p[i] == '-' : isalnum((unsigned char)p[i]) != 0);
	free(p);
}

static void what_a_person_chose_is_checked(void **state)
{
	struct error err;

	assert_int_equal(placeholder_check("my-placeholder", &err), 0);
	assert_int_equal(placeholder_check("short", &err), -1);
	assert_int_equal(placeholder_check("with a space", &err), -1);
	assert_int_equal(placeholder_check("with\nline", &err), -1);
	assert_int_equal(placeholder_check("\303\244\303\266\303\274\303\244\303\266", &err), -1);
	char longer[PLACEHOLDER_MAX + 2];
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(placeholder_check(longer, &err), -1);
	longer[PLACEHOLDER_MAX] = '\0';
	assert_int_equal(placeholder_check(longer, &err), 0);
	assert_int_equal(placeholder_format_check("sk-XXXXXXXX", &err), 0);
	assert_int_equal(placeholder_format_check("sk-XXXXXXX-", &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_ones_look_like_the_value),
		cmocka_unit_test(they_differ_each_time),
		cmocka_unit_test(each_character_is_as_likely),
		cmocka_unit_test(a_format_is_kept),
		cmocka_unit_test(what_a_person_chose_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
