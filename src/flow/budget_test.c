// SPDX-License-Identifier: Apache-2.0
/* Upload budgets: what is left in all and for each destination, what a new limit does, the cap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "flow/budget.h"

static struct budgets *b;
static struct ipaddr one, two;

static int set_up(void **state)
{
	b = budgets_new();
	one = ipaddr_v4((const uint8_t[4]){192, 0, 2, 1});
	two = ipaddr_v6((const uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, [15] = 1});
	return b ? 0 : -1;
}

static int tear_down(void **state)
{
	budgets_free(b);
	return 0;
}

static struct name name_of(const char *text)
{
	struct name n;

	assert_int_equal(name_read(text, strlen(text), &n), NAME_OK);
	return n;
}

static size_t take(const struct name *name, const struct ipaddr *addr, size_t n)
{
	return budget_take(b, budget_dest(b, name, addr), n);
}

static void without_limits_everything_goes(void **state)
{
	assert_int_equal(take(NULL, &one, SIZE_MAX / 2), SIZE_MAX / 2);
	assert_true(budget_left(b, NULL, &one) == UINT64_MAX);
}

static void the_total_is_shared_by_all(void **state)
{
	budgets_limit(b, 1000, 0);
	assert_int_equal(take(NULL, &one, 600), 600);
	assert_int_equal(budget_left(b, NULL, &two), 400);
	assert_int_equal(take(NULL, &two, 600), 400);
	assert_int_equal(take(NULL, &two, 1), 0);
	assert_int_equal(budget_left(b, NULL, &one), 0);
	assert_int_equal(budget_left(b, NULL, NULL), 0);
}

static void each_destination_has_its_own(void **state)
{
	struct name a = name_of("a.example"), c = name_of("c.example");

	budgets_limit(b, 0, 100);
	assert_int_equal(take(NULL, &one, 99), 99);
	assert_int_equal(take(NULL, &one, 99), 1);
	assert_int_equal(take(NULL, &one, 1), 0);
	assert_int_equal(take(NULL, &two, 100), 100);
	/* A name counts as itself, whatever its address. */
	assert_int_equal(budget_left(b, &a, &one), 100);
	assert_int_equal(take(&a, &one, 70), 70);
	assert_int_equal(take(&a, &two, 70), 30);
	assert_int_equal(budget_left(b, &a, &two), 0);
	assert_int_equal(take(&c, &one, 70), 70);
	assert_true(budget_left(b, NULL, NULL) == UINT64_MAX);
}

static void the_smaller_one_decides(void **state)
{
	budgets_limit(b, 150, 100);
	assert_int_equal(take(NULL, &one, 200), 100);
	assert_int_equal(budget_left(b, NULL, &two), 50);
	assert_int_equal(take(NULL, &two, 200), 50);
	assert_int_equal(budget_left(b, NULL, &two), 0);
}

static void what_was_not_sent_comes_back(void **state)
{
	struct budget_dest *d;

	budgets_limit(b, 100, 80);
	d = budget_dest(b, NULL, &one);
	assert_int_equal(budget_take(b, d, 80), 80);
	budget_give_back(b, d, 50);
	assert_int_equal(budget_left(b, NULL, &one), 50);
	assert_int_equal(budget_left(b, NULL, NULL), 70);
	budget_give_back(b, NULL, 0);
}

static void new_limits_count_what_was_spent(void **state)
{
	budgets_limit(b, 100, 50);
	assert_int_equal(take(NULL, &one, 50), 50);
	budgets_limit(b, 40, 0);
	assert_int_equal(budget_left(b, NULL, &two), 0);
	budgets_limit(b, 0, 0);
	assert_int_equal(take(NULL, &two, 1000), 1000);
	budgets_limit(b, 2000, 60);
	assert_int_equal(budget_left(b, NULL, &one), 10);
	assert_int_equal(budget_left(b, NULL, NULL), 950);
}

/* Asking alone makes no entry, and nothing is forgotten. */
static void beyond_the_cap_nothing_goes(void **state)
{
	struct ipaddr a = one;

	budgets_limit(b, 0, 10);
	for (unsigned i = 0; i < BUDGET_DESTS_MAX; i++) {
		a.b[1] = (uint8_t)(i >> 8);
		a.b[2] = (uint8_t)i;
		assert_int_equal(budget_left(b, NULL, &a), 10);
		assert_int_equal(budget_left(b, NULL, &two), 10);
		assert_int_equal(take(NULL, &a, 4), 4);
	}
	assert_int_equal(budget_left(b, NULL, &two), 0);
	assert_null(budget_dest(b, NULL, &two));
	assert_int_equal(take(NULL, &two, 1), 0);
	assert_int_equal(budget_left(b, NULL, &a), 6);
	assert_int_equal(take(NULL, &a, 10), 6);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_limits_everything_goes), T(the_total_is_shared_by_all),
		T(each_destination_has_its_own),   T(the_smaller_one_decides),
		T(what_was_not_sent_comes_back),   T(new_limits_count_what_was_spent),
		T(beyond_the_cap_nothing_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
