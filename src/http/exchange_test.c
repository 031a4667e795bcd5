// SPDX-License-Identifier: Apache-2.0
/*
 * Changing heads: fields found, replaced, added and removed while the text moves under them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/exchange.h"
#include "http/text.h"

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

#define assert_view(v, s) assert_true(http_text_is_exactly(v, s))

/* A head whose views lie in its text. */
static void make(struct http_head *h, size_t fields)
{
	*h = (struct http_head){0};
	http_fields_init(&h->fields);
	assert_true(http_fields_append(&h->fields, (const uint8_t *)"GET/pathName", 12));
	h->method = view_make(h->fields.text, 3);
	h->path = view_make(h->fields.text + 3, 5);
	h->scheme = text("https");
	for (size_t i = 0; i < fields; i++) {
		char value[24];
		snprintf(value, sizeof(value), "v%zu", i);
		assert_true(http_head_add(h, i % 2 ? "Odd" : "Even", text(value)));
	}
}

static void fields_are_found_in_order(void **state)
{
	struct http_head h;

	make(&h, 5);
	struct http_field *f = http_head_find(&h, "eVEN", NULL);
	assert_view(f->value, "v0");
	f = http_head_find(&h, "even", f);
	assert_view(f->value, "v2");
	f = http_head_find(&h, "Even", f);
	assert_view(f->value, "v4");
	assert_null(http_head_find(&h, "Even", f));
	assert_null(http_head_find(&h, "Eve", NULL));
	assert_null(http_head_find(&h, "Evens", NULL));
	http_fields_done(&h.fields);
}

static void fields_are_removed(void **state)
{
	struct http_head h;

	make(&h, 4);
	http_head_remove(&h, 0);
	assert_view(h.fields.list[0].value, "v1");
	http_head_remove(&h, 2);
	assert_int_equal(h.fields.count, 2);
	assert_view(h.fields.list[1].value, "v2");
	http_fields_done(&h.fields);
}

static void views_follow_the_text(void **state)
{
	static char big[3000];
	struct http_head h;

	memset(big, 'x', sizeof(big));
	make(&h, 2);
	/* One that lies outside stays where it is. */
	assert_true(http_fields_add(&h.fields, text("Outside"), text("constant")));
	for (int i = 0; i < 5; i++)
		assert_true(http_head_set_value(&h, 0, view_make(big, sizeof(big))));
	assert_view(h.method, "GET");
	assert_view(h.path, "/path");
	assert_view(h.scheme, "https");
	assert_view(h.fields.list[1].name, "Odd");
	assert_view(h.fields.list[1].value, "v1");
	assert_view(h.fields.list[2].value, "constant");
	assert_int_equal(h.fields.list[0].value.len, sizeof(big));
	assert_true(http_head_set_path(&h, text("/other")));
	assert_view(h.path, "/other");
	http_fields_done(&h.fields);
}

static void values_of_the_head_can_be_used_again(void **state)
{
	static char big[1990];
	struct http_head h;

	memset(big, 'x', sizeof(big));
	make(&h, 1);
	assert_true(http_head_set_value(&h, 0, view_make(big, sizeof(big))));
	/* The name makes the text move while the value lies in it. */
	const uint8_t *before = h.fields.text;
	assert_true(http_head_add(&h, "A-Name-That-Is-Too-Long-For-The-Rest", h.path));
	for (int i = 0; i < 10; i++)
		assert_true(
			http_head_add(&h, "Another-Name-Of-Some-Length", h.fields.list[0].value));
	assert_ptr_not_equal(before, h.fields.text);
	assert_view(h.fields.list[1].value, "/path");
	assert_int_equal(h.fields.list[5].value.len, sizeof(big));
	assert_memory_equal(h.fields.list[5].value.p, big, sizeof(big));
	assert_true(http_head_set_path(&h, h.fields.list[1].name));
	assert_view(h.path, "A-Name-That-Is-Too-Long-For-The-Rest");
	http_fields_done(&h.fields);
}

static void caps_change_nothing(void **state)
{
	static char big[HTTP_TEXT_MAX];
	struct http_head h;

	memset(big, 'x', sizeof(big));
	make(&h, 2);
	size_t len = h.fields.text_len;
	assert_false(http_head_set_value(&h, 0, view_make(big, sizeof(big) - len + 1)));
	assert_false(http_head_add(&h, "x", view_make(big, sizeof(big) - len)));
	assert_false(http_head_set_path(&h, view_make(big, sizeof(big) - len + 1)));
	assert_int_equal(h.fields.text_len, len);
	assert_view(h.fields.list[0].value, "v0");
	assert_true(http_head_add(&h, "x", view_make(big, sizeof(big) - len - 1)));
	http_fields_done(&h.fields);
	make(&h, HTTP_FIELDS_MAX);
	len = h.fields.text_len;
	assert_false(http_head_add(&h, "x", text("y")));
	assert_int_equal(h.fields.text_len, len);
	assert_int_equal(h.fields.count, HTTP_FIELDS_MAX);
	http_fields_done(&h.fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_found_in_order),
		cmocka_unit_test(fields_are_removed),
		cmocka_unit_test(views_follow_the_text),
		cmocka_unit_test(values_of_the_head_can_be_used_again),
		cmocka_unit_test(caps_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
