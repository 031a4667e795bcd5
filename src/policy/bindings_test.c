// SPDX-License-Identifier: Apache-2.0
/* Which names are bound to which addresses, over time, at the caps, and while flows hold them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/bindings.h"
#include "policy/rig.h"

#define S 1000000ull /* microseconds */

static void put(struct bindings *b, const char *n, const char *a, uint32_t ttl_s, uint64_t now)
{
	struct name nm = name(n);
	struct ipaddr ad = addr(a);

	bindings_put(b, &nm, ad.family, &ad, 1, ttl_s, now);
}

static void put_none(struct bindings *b, const char *n, uint8_t family, uint64_t now)
{
	struct name nm = name(n);

	bindings_put(b, &nm, family, NULL, 0, 300, now);
}

static bool has(struct bindings *b, const char *a, const char *n, uint64_t now)
{
	struct ipaddr ad = addr(a);
	struct name nm = name(n);
	const struct name *list[BINDING_NAMES_MAX];
	bool found = bindings_has(b, &ad, &nm, now), listed = false;
	size_t count = bindings_of(b, &ad, now, list);

	for (size_t i = 0; i < count; i++)
		listed |= name_eq(list[i], &nm);
	assert_int_equal(found, listed);
	return found;
}

static void times_are_bounded_and_run_out(void **state)
{
	struct bindings *b = bindings_new(100);

	put(b, "short.x", "192.0.2.1", 0, 0);
	put(b, "exact.x", "192.0.2.1", 100, 0);
	put(b, "long.x", "192.0.2.1", UINT32_MAX, 0);
	assert_true(has(b, "192.0.2.1", "short.x", 60 * S - 1));
	assert_false(has(b, "192.0.2.1", "short.x", 60 * S));
	assert_true(has(b, "192.0.2.1", "exact.x", 100 * S - 1));
	assert_false(has(b, "192.0.2.1", "exact.x", 100 * S));
	assert_true(has(b, "192.0.2.1", "long.x", BINDING_MAX_TTL_S * S - 1));
	assert_false(has(b, "192.0.2.1", "long.x", BINDING_MAX_TTL_S * S));
	assert_false(has(b, "192.0.2.2", "long.x", 0));
	assert_int_equal(bindings_counts(b).pairs, 0);
	assert_int_equal(bindings_counts(b).evicted, 0);
	bindings_free(b);
}

static void a_later_answer_adds_and_the_old_one_runs_out(void **state)
{
	struct bindings *b = bindings_new(100);

	put(b, "a.x", "192.0.2.1", 100, 0);
	put(b, "a.x", "192.0.2.2", 100, 50 * S);
	assert_true(has(b, "192.0.2.1", "a.x", 60 * S));
	assert_true(has(b, "192.0.2.2", "a.x", 60 * S));
	assert_false(has(b, "192.0.2.1", "a.x", 100 * S));
	assert_true(has(b, "192.0.2.2", "a.x", 100 * S));
	/* The same again: its time is extended, never cut. */
	put(b, "a.x", "192.0.2.2", 1000, 100 * S);
	put(b, "a.x", "192.0.2.2", 60, 110 * S);
	assert_true(has(b, "192.0.2.2", "a.x", 1000 * S));
	assert_int_equal(bindings_counts(b).pairs, 1);
	bindings_free(b);
}

static void an_empty_answer_removes_its_family(void **state)
{
	struct bindings *b = bindings_new(100);
	struct ipaddr held = addr("192.0.2.2");

	put(b, "a.x", "192.0.2.1", 300, 0);
	put(b, "a.x", "192.0.2.2", 300, 0);
	put(b, "a.x", "2001:db8::1", 300, 0);
	put(b, "b.x", "192.0.2.1", 300, 0);
	bindings_pin(b, &held);
	put_none(b, "a.x", 4, 1);
	assert_false(has(b, "192.0.2.1", "a.x", 1));
	assert_true(has(b, "192.0.2.2", "a.x", 1));
	assert_true(has(b, "2001:db8::1", "a.x", 1));
	assert_true(has(b, "192.0.2.1", "b.x", 1));
	put_none(b, "never.x", 4, 1);
	put_none(b, "a.x", 6, 1);
	assert_false(has(b, "2001:db8::1", "a.x", 1));
	bindings_free(b);
}

static void flows_hold_what_they_use(void **state)
{
	struct bindings *b = bindings_new(100);
	struct ipaddr a = addr("192.0.2.1"), other = addr("192.0.2.9");

	/* Over when the flow opens: it stays over. */
	put(b, "late.x", "192.0.2.1", 60, 0);
	put(b, "a.x", "192.0.2.1", 100, 0);
	put(b, "other.x", "192.0.2.9", 60, 70 * S);
	bindings_pin(b, &a);
	assert_false(has(b, "192.0.2.1", "late.x", 70 * S));
	bindings_pin(b, &a);
	assert_true(has(b, "192.0.2.1", "a.x", 1000 * S));
	bindings_unpin(b, &a);
	assert_true(has(b, "192.0.2.1", "a.x", 1000 * S));
	bindings_unpin(b, &a);
	assert_false(has(b, "192.0.2.1", "a.x", 1000 * S));

	/* Pinned before it is bound, and let go more often than held. */
	bindings_pin(b, &other);
	put(b, "o.x", "192.0.2.9", 60, 1000 * S);
	assert_true(has(b, "192.0.2.9", "o.x", 1050 * S));
	bindings_unpin(b, &other);
	bindings_unpin(b, &other);
	assert_true(has(b, "192.0.2.9", "o.x", 1059 * S));
	assert_false(has(b, "192.0.2.9", "o.x", 1061 * S));
	bindings_unpin(b, &other);
	bindings_pin(b, &other); /* stays pinned and unbound until the end */
	bindings_free(b);
}

static void the_newest_name_of_an_address_is_first(void **state)
{
	struct bindings *b = bindings_new(1000);
	struct ipaddr a = addr("192.0.2.1");
	const struct name *list[BINDING_NAMES_MAX];
	char text[32];

	for (int i = 0; i < 70; i++) {
		snprintf(text, sizeof(text), "n%d.x", i);
		put(b, text, "192.0.2.1", 300, (uint64_t)i);
	}
	assert_int_equal(bindings_of(b, &a, 100, list), BINDING_NAMES_MAX);
	assert_string_equal(list[0]->s, "n69.x");
	assert_string_equal(list[BINDING_NAMES_MAX - 1]->s, "n6.x");
	assert_int_equal(bindings_counts(b).evicted, 6);
	put(b, "n6.x", "192.0.2.1", 300, 100);
	bindings_of(b, &a, 100, list);
	assert_string_equal(list[0]->s, "n6.x");
	assert_int_equal(bindings_counts(b).pairs, BINDING_NAMES_MAX);
	bindings_free(b);
}

static void the_oldest_goes_at_the_cap_and_flows_keep_theirs(void **state)
{
	struct bindings *b = bindings_new(10);
	struct ipaddr held = addr("10.0.0.0");
	char n[32], a[32];

	put(b, "n0.x", "10.0.0.0", 300, 0);
	bindings_pin(b, &held);
	for (int i = 1; i < 20; i++) {
		snprintf(n, sizeof(n), "n%d.x", i);
		snprintf(a, sizeof(a), "10.0.0.%d", i);
		put(b, n, a, 300, (uint64_t)i);
	}
	assert_int_equal(bindings_counts(b).pairs, 10);
	assert_int_equal(bindings_counts(b).evicted, 10);
	assert_true(has(b, "10.0.0.0", "n0.x", 20));
	assert_false(has(b, "10.0.0.10", "n10.x", 20));
	assert_true(has(b, "10.0.0.11", "n11.x", 20));
	assert_true(has(b, "10.0.0.19", "n19.x", 20));

	/* Where flows hold all of them, the oldest goes all the same. */
	for (int i = 11; i < 20; i++) {
		snprintf(a, sizeof(a), "10.0.0.%d", i);
		held = addr(a);
		bindings_pin(b, &held);
	}
	put(b, "new.x", "10.0.1.1", 300, 21);
	assert_true(has(b, "10.0.1.1", "new.x", 22));
	assert_false(has(b, "10.0.0.0", "n0.x", 22));
	assert_int_equal(bindings_counts(b).pairs, 10);
	bindings_free(b);
}

static void one_answer_larger_than_the_table_is_no_harm(void **state)
{
	struct bindings *b = bindings_new(5);
	struct name n = name("big.x");
	struct ipaddr list[50];

	for (int i = 0; i < 50; i++)
		list[i] = ipaddr_v4((const uint8_t[4]){10, 0, 0, (uint8_t)i});
	bindings_put(b, &n, 4, list, 50, 300, 0);
	assert_int_equal(bindings_counts(b).pairs, 5);
	assert_true(has(b, "10.0.0.49", "big.x", 1));
	bindings_free(b);
}

static bool keep_y(void *arg, const struct name *n)
{
	++*(int *)arg;
	return name_below(n, "y", 1);
}

static void a_changed_policy_removes_names(void **state)
{
	struct bindings *b = bindings_new(100);
	struct ipaddr held = addr("192.0.2.1");
	int asked = 0;

	put(b, "a.x", "192.0.2.1", 300, 0);
	put(b, "a.x", "192.0.2.2", 300, 0);
	put(b, "a.y", "192.0.2.1", 300, 0);
	bindings_pin(b, &held);
	bindings_judge(b, keep_y, &asked);
	assert_int_equal(asked, 2);
	assert_false(has(b, "192.0.2.1", "a.x", 1));
	assert_false(has(b, "192.0.2.2", "a.x", 1));
	assert_true(has(b, "192.0.2.1", "a.y", 1));
	bindings_unpin(b, &held);
	bindings_free(b);
}

struct listed {
	int n;
	uint32_t left;
	unsigned pins;
};

static void note(void *arg, const struct name *n, const struct ipaddr *a, uint32_t left_s,
		 unsigned pins)
{
	struct listed *l = arg;

	l->n++;
	l->left += left_s;
	l->pins += pins;
}

static void every_pair_is_listed(void **state)
{
	struct bindings *b = bindings_new(100);
	struct ipaddr held = addr("192.0.2.1");
	struct listed l = {0};

	put(b, "held.x", "192.0.2.1", 60, 0);
	put(b, "free.x", "192.0.2.2", 600, 0);
	put(b, "over.x", "192.0.2.3", 60, 0);
	bindings_pin(b, &held);
	bindings_each(b, 100 * S, note, &l);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.left, 500);
	assert_int_equal(l.pins, 1);
	bindings_free(b);
}

/* ---- against a model: a flat list that is searched from end to end ---- */

#define MODEL_NAMES 6
#define MODEL_ADDRS 5

struct model_pair {
	bool there;
	uint64_t until;
};

static uint64_t seed = 0x853c49e6748fea9bu;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

/* With a table that is too small some are missing, but none is there that should not be. */
static void random_calls(size_t max, int steps)
{
	struct bindings *b = bindings_new(max);
	bool is_small = max < MODEL_NAMES * MODEL_ADDRS;
	struct model_pair model[MODEL_NAMES][MODEL_ADDRS] = {0};
	unsigned pins[MODEL_ADDRS] = {0};
	struct name names[MODEL_NAMES];
	struct ipaddr addrs[MODEL_ADDRS];
	uint64_t now = 0;
	char text[32];

	for (unsigned i = 0; i < MODEL_NAMES; i++) {
		snprintf(text, sizeof(text), "n%u.x", i);
		names[i] = name(text);
	}
	for (unsigned i = 0; i < MODEL_ADDRS; i++) {
		snprintf(text, sizeof(text), i % 2 ? "192.0.2.%u" : "2001:db8::%u", i);
		addrs[i] = addr(text);
	}
	for (int step = 0; step < steps; step++) {
		unsigned n = rnd(MODEL_NAMES), a = rnd(MODEL_ADDRS);
		uint32_t ttl = rnd(200);
		uint8_t family = rnd(2) ? 4 : 6;

		now += rnd(20) * S;
		switch (rnd(6)) {
		case 0:
		case 1:
			bindings_put(b, &names[n], addrs[a].family, &addrs[a], 1, ttl, now);
			/* What is over stays over, though something holds it later. */
			uint64_t until = now + (ttl < 60 ? 60 : ttl) * S;
			if (!model[n][a].there || model[n][a].until < until)
				model[n][a].until = until;
			model[n][a].there = true;
			break;
		case 2:
			bindings_put(b, &names[n], family, NULL, 0, 0, now);
			for (unsigned i = 0; i < MODEL_ADDRS; i++)
				if (addrs[i].family == family && !pins[i])
					model[n][i].there = false;
			break;
		case 3:
			bindings_pin(b, &addrs[a]);
			pins[a]++;
			break;
		case 4:
			bindings_unpin(b, &addrs[a]);
			pins[a] -= pins[a] > 0;
			break;
		}
		for (unsigned i = 0; i < MODEL_NAMES; i++)
			for (unsigned k = 0; k < MODEL_ADDRS; k++)
				model[i][k].there &= pins[k] || model[i][k].until > now;
		for (unsigned k = 0; k < MODEL_ADDRS; k++) {
			const struct name *list[BINDING_NAMES_MAX];
			size_t count = bindings_of(b, &addrs[k], now, list), want = 0;

			for (unsigned i = 0; i < MODEL_NAMES; i++) {
				want += model[i][k].there;
				if (is_small)
					model[i][k].there &=
						bindings_has(b, &addrs[k], &names[i], now);
				assert_int_equal(bindings_has(b, &addrs[k], &names[i], now),
						 model[i][k].there);
			}
			if (is_small)
				assert_true(count <= want);
			else
				assert_int_equal(count, want);
		}
		assert_true(bindings_counts(b).pairs <= max);
	}
	assert_int_equal(bindings_counts(b).evicted > 0, is_small);
	bindings_free(b);
}

static void random_calls_agree_with_a_model(void **state)
{
	random_calls(BINDINGS_MAX, 100000);
	random_calls(7, 100000);
	random_calls(1, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_bounded_and_run_out),
		cmocka_unit_test(a_later_answer_adds_and_the_old_one_runs_out),
		cmocka_unit_test(an_empty_answer_removes_its_family),
		cmocka_unit_test(flows_hold_what_they_use),
		cmocka_unit_test(the_newest_name_of_an_address_is_first),
		cmocka_unit_test(the_oldest_goes_at_the_cap_and_flows_keep_theirs),
		cmocka_unit_test(one_answer_larger_than_the_table_is_no_harm),
		cmocka_unit_test(a_changed_policy_removes_names),
		cmocka_unit_test(every_pair_is_listed),
		cmocka_unit_test(random_calls_agree_with_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
