// SPDX-License-Identifier: Apache-2.0
/*
 * The budget of questions: what counts as one domain, what is counted, and when it begins again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/budget.h"

#define MINUTE 60000000ull

static struct dns_budget *b;

static bool take(const char *text, uint64_t now)
{
	struct dns_name n;
	assert_true(dns_name_parse(text, &n));
	return dns_budget_take(b, &n, now);
}

static bool take_nth(const char *format, unsigned i, uint64_t now)
{
	char text[256];
	snprintf(text, sizeof(text), format, i);
	return take(text, now);
}

static int done(void **state)
{
	dns_budget_free(b);
	b = NULL;
	return 0;
}

static void distinct_names_are_counted(void **state)
{
	b = dns_budget_new(100, 0);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(take_nth("n%u.a.example.com", i, 7));
		assert_true(take_nth("N%u.A.example.com", i, 7)); /* again is free */
	}
	assert_false(take("other.example.com", 7));
	assert_false(take("example.com", 7));
	assert_true(take("n7.a.example.com", 7));
	assert_false(take("x.example.com", MINUTE - 1));
	/* Another domain has a budget of its own, and so has everybody the next minute. */
	assert_true(take("x.example.net", MINUTE - 1));
	assert_true(take("x.example.com", MINUTE));
	for (unsigned i = 0; i < 99; i++)
		assert_true(take_nth("n%u.a.example.com", i, MINUTE));
	assert_false(take("n99.a.example.com", MINUTE));
}

static void bytes_of_labels_are_counted(void **state)
{
	b = dns_budget_new(0, 100);
	assert_true(take("example.com", 0));
	for (unsigned i = 0; i < 10; i++)
		assert_true(take_nth("12345678%u.example.com", i, 0)); /* ten bytes each */
	assert_false(take("a.example.com", 0));
	assert_true(take("123456783.example.com", 0));
	assert_true(take("123456783.example.net", 0));
	assert_false(take("an-endless-label-of-more-than-a-hundred-bytes.that-has-to-be-written.in-"
			  "several-parts-since-no-label-is-that-long.example.org",
			  0));
	assert_true(take("short.example.org", 0)); /* a refused name was not counted */
}

static void domains_are_those_that_one_can_register(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"x.example.com", "y.example.com", true},
		{"x.y.z.example.com", "example.com", true},
		{"a.com", "b.com", false},
		{"a.co.uk", "b.co.uk", false},
		{"x.a.co.uk", "y.a.co.uk", true},
		{"a.github.io", "b.github.io", false},
		{"x.a.zone-of-nobody", "y.a.zone-of-nobody", true},
		{"a.zone-of-nobody", "b.zone-of-nobody", false},
		{"com", "net", false},
		{"1.2.3.4.5.6.7.8.9.10.11.12.a.example.com", "12.a.example.com", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		b = dns_budget_new(1, 0);
		assert_true(take(cases[i].a, 0));
		if (take(cases[i].b, 0) == cases[i].same)
			fail_msg("%s, %s", cases[i].a, cases[i].b);
		done(NULL);
	}
}

/* Tunnels like to use all 256 values. */
static void odd_bytes_are_counted_one_by_one(void **state)
{
	struct dns_name n;
	b = dns_budget_new(50, 0);
	assert_true(dns_name_parse("x.t.example.com", &n));
	for (unsigned i = 0; i < 60; i++) {
		n.b[1] = (uint8_t)(0x80 + i);
		assert_int_equal(dns_budget_take(b, &n, 0), i < 50);
	}
	assert_true(take("x.example.net", 0));
	/* Right before a public suffix they make a domain of their own. */
	done(NULL);
	b = dns_budget_new(1, 0);
	assert_true(dns_name_parse("x.com", &n));
	for (unsigned i = 0; i < 3; i++) {
		n.b[1] = (uint8_t)(0xfd + i);
		assert_true(dns_budget_take(b, &n, 0));
	}
	/* So do no labels at all, and as many as there can be. */
	n = (struct dns_name){.len = 1};
	assert_true(dns_budget_take(b, &n, 0));
	for (unsigned i = 0; i < 255; i++)
		n.b[i] = i % 2 ? 0xff : 1;
	n.b[254] = 0;
	n.len = 255;
	assert_true(dns_budget_take(b, &n, 0));
}

static void tables_have_bounds(void **state)
{
	b = dns_budget_new(1, 0);
	assert_true(take("a.first.com", 0));
	assert_false(take("b.first.com", 0));
	/* Used again and again it stays; what was not used for longest starts anew. */
	assert_true(take("a.second.com", 0));
	for (unsigned i = 0; i < 3 * BUDGET_DOMAINS; i++) {
		assert_true(take_nth("d%u.com", i, 0));
		assert_false(take("b.first.com", 0));
	}
	assert_true(take("b.second.com", 0));
	done(NULL);
	b = dns_budget_new(0, 0);
	for (unsigned i = 0; i < BUDGET_NAMES + 1000; i++)
		assert_true(take_nth("n%u.example.com", i, 0));
	assert_true(take("n5.example.com", MINUTE));
	done(NULL);
	/* What is not remembered is paid for each time. */
	b = dns_budget_new(BUDGET_NAMES + 2, 0);
	for (unsigned i = 0; i < BUDGET_NAMES + 1; i++)
		assert_true(take_nth("n%u.example.com", i, 0));
	assert_true(take_nth("n%u.example.com", BUDGET_NAMES, 0));
	assert_false(take_nth("n%u.example.com", BUDGET_NAMES, 0));
	assert_true(take("n5.example.com", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(distinct_names_are_counted, done),
		cmocka_unit_test_teardown(bytes_of_labels_are_counted, done),
		cmocka_unit_test_teardown(domains_are_those_that_one_can_register, done),
		cmocka_unit_test_teardown(odd_bytes_are_counted_one_by_one, done),
		cmocka_unit_test_teardown(tables_have_bounds, done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
