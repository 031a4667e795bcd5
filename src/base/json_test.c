// SPDX-License-Identifier: Apache-2.0
/* The JSON writer, read back by a parser that is not ours (libjansson). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/json.h"

/* Ends the text with a NUL and returns it. */
static const char *text_of(struct json *j)
{
	assert_false(j->out.overflow);
	assert_true(j->out.len < j->out.cap);
	j->out.p[j->out.len] = 0;
	return (const char *)j->out.p;
}

static json_t *parsed(const struct json *j)
{
	json_error_t e;
	json_t *v = json_loadb((const char *)j->out.p, j->out.len,
			       JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &e);

	if (!v)
		fail_msg("%s: %.*s", e.text, (int)j->out.len, j->out.p);
	return v;
}

/* What a string value is written as, quotes and all. */
static void assert_written(const char *text, size_t n, const char *want)
{
	char buf[256];
	struct json j = json_make(buf, sizeof(buf));

	json_text_n(&j, NULL, text, n);
	assert_string_equal(text_of(&j), want);
	json_decref(parsed(&j));
}

#define WRITTEN(text, want) assert_written(text, sizeof(text) - 1, want)

static void members_and_elements_get_their_commas(void **state)
{
	const struct ipaddr v4 = ipaddr_v4((const uint8_t[]){192, 0, 2, 7});
	struct ipaddr v6, none = {0};
	char buf[512];
	struct json j = json_make(buf, sizeof(buf));

	assert_true(ipaddr_parse("2001:db8::1", &v6));
	json_object_begin(&j, NULL);
	json_object_begin(&j, "empty");
	json_object_end(&j);
	json_array_begin(&j, "none");
	json_array_end(&j);
	json_array_begin(&j, "list");
	json_uint(&j, NULL, 0);
	json_uint(&j, NULL, UINT64_MAX);
	json_bool(&j, NULL, true);
	json_bool(&j, NULL, false);
	json_nil(&j, NULL);
	json_object_begin(&j, NULL);
	json_text(&j, "k", "v");
	json_object_end(&j);
	json_array_end(&j);
	json_milli(&j, "m", 1047);
	json_milli(&j, "z", 0);
	json_addr(&j, "a4", &v4);
	json_addr(&j, "a6", &v6);
	json_addr(&j, "a0", &none);
	json_addr_port(&j, "p4", &v4, 80);
	json_addr_port(&j, "p6", &v6, 65535);
	json_addr_port(&j, "q6", &v6, -1);
	json_addr_port(&j, "p0", &none, 80);
	json_object_end(&j);
	assert_string_equal(
		text_of(&j),
		"{\"empty\":{},\"none\":[],"
		"\"list\":[0,18446744073709551615,true,false,null,{\"k\":\"v\"}],"
		"\"m\":1.047,\"z\":0.000,"
		"\"a4\":\"192.0.2.7\",\"a6\":\"2001:db8::1\",\"a0\":null,"
		"\"p4\":\"192.0.2.7:80\",\"p6\":\"[2001:db8::1]:65535\",\"q6\":\"2001:db8::1\","
		"\"p0\":null}");
}

static void control_characters_and_quotes_are_escaped(void **state)
{
	WRITTEN("", "\"\"");
	WRITTEN("a\"b\\c/", "\"a\\\"b\\\\c/\"");
	WRITTEN("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
	WRITTEN("\0\x01\x1b[2J\x7f", "\"\\u0000\\u0001\\u001b[2J\\u007f\"");
	/* C1: a line break and the introducer of terminal sequences, as UTF-8 */
	WRITTEN("\xc2\x85\xc2\x9b\xc2\x9f", "\"\\u0085\\u009b\\u009f\"");
	WRITTEN("\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"");
}

static void text_that_is_utf8_stays(void **state)
{
	WRITTEN("\xc2\xa0\xc3\xa9\xe2\x80\xa7\xe2\x80\xaa\xed\x9f\xbf\xee\x80\x80\xf0\x9f\x98\x80",
		"\"\xc2\xa0\xc3\xa9\xe2\x80\xa7\xe2\x80\xaa\xed\x9f\xbf\xee\x80\x80\xf0\x9f\x98\x80"
		"\"");
	WRITTEN("\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"");
	WRITTEN("\xef\xbf\xbd", "\"\xef\xbf\xbd\"");
}

#define FFFD "\xef\xbf\xbd"

static void what_is_no_utf8_is_replaced(void **state)
{
	WRITTEN("a\x80z", "\"a" FFFD "z\"");
	WRITTEN("\xff\xfe", "\"" FFFD FFFD "\"");
	WRITTEN("\xc0\xaf", "\"" FFFD FFFD "\""); /* overlong '/' */
	WRITTEN("\xc1\xbf", "\"" FFFD FFFD "\"");
	WRITTEN("\xe0\x9f\xbf", "\"" FFFD FFFD FFFD "\"");
	WRITTEN("\xed\xa0\x80", "\"" FFFD FFFD FFFD "\""); /* a surrogate */
	WRITTEN("\xf0\x8f\xbf\xbf", "\"" FFFD FFFD FFFD FFFD "\"");
	WRITTEN("\xf4\x90\x80\x80", "\"" FFFD FFFD FFFD FFFD "\""); /* past U+10FFFF */
	WRITTEN("\xf5\x80", "\"" FFFD FFFD "\"");
	/* cut short: one for the whole beginning, and what follows is kept */
	WRITTEN("\xf0\x9f\x98", "\"" FFFD "\"");
	WRITTEN("\xe2\x80\"", "\"" FFFD "\\\"\"");
	WRITTEN("\xf0\x9f\n", "\"" FFFD "\\n\"");
	WRITTEN("\xe2\xe2\x82\xac", "\"" FFFD "\xe2\x82\xac\"");
}

/* Every sequence of up to three bytes of the classes that matter, against libjansson's own idea of
 * UTF-8: what it takes must come back unchanged, all else with a replacement in it. */
static void agrees_with_another_reader_of_utf8(void **state)
{
	static const uint8_t classes[] = {0x00, 0x1f, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
					  0xa0, 0xa8, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
					  0xe1, 0xe2, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1,
					  0xf3, 0xf4, 0xf5, 0xff, '"',  '\\'};
	const size_t n = sizeof(classes);
	unsigned same = 0, replaced = 0;

	for (size_t i = 0; i < n * n * n * n; i++) {
		const char in[4] = {(char)classes[i % n], (char)classes[i / n % n],
				    (char)classes[i / n / n % n], (char)classes[i / n / n / n]};
		char buf[64];
		struct json j = json_make(buf, sizeof(buf));
		json_t *want = json_stringn(in, sizeof(in)), *got;

		json_text_n(&j, NULL, in, sizeof(in));
		assert_false(j.out.overflow);
		got = parsed(&j);
		if (want) {
			same++;
			assert_true(json_equal(got, want));
		} else {
			replaced++;
			assert_non_null(strstr(buf, FFFD));
		}
		json_decref(want);
		json_decref(got);
	}
	assert_true(same > 1000 && replaced > 1000);
}

/* Whatever the capacity, nothing is written past it, and a text that did not fit says so. */
static void past_the_capacity_nothing_is_written(void **state)
{
	char buf[64];
	size_t whole;

	for (size_t cap = 0; cap < sizeof(buf); cap++) {
		struct json j = json_make(buf, cap);

		memset(buf, 'x', sizeof(buf));
		json_object_begin(&j, NULL);
		json_text(&j, "k", "a\"\xff\n");
		json_uint(&j, "n", 1234567);
		json_object_end(&j);
		for (size_t i = cap; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 'x');
		if (!j.out.overflow) {
			whole = strlen("{\"k\":\"a\\\"" FFFD "\\n\",\"n\":1234567}");
			assert_int_equal(j.out.len, whole);
			assert_true(cap >= whole);
		}
	}
	struct json j = json_make(buf, 3);
	json_text(&j, NULL, "abc");
	assert_true(j.out.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_elements_get_their_commas),
		cmocka_unit_test(control_characters_and_quotes_are_escaped),
		cmocka_unit_test(text_that_is_utf8_stays),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(agrees_with_another_reader_of_utf8),
		cmocka_unit_test(past_the_capacity_nothing_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
