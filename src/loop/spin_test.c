// SPDX-License-Identifier: Apache-2.0
/* When a loop polls before it sleeps, played with waits of known lengths. */
#include "loop/spin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define TURN_US 5 /* of work between two waits */

/* A conversation: how long its waits take where they are slept, and where they are polled. */
struct play {
	struct spin s;
	uint64_t now_us;
	unsigned slept_us, polled_us;
	unsigned polled; /* waits so far */
};

static struct play play_new(unsigned slept_us, unsigned polled_us)
{
	return (struct play){.slept_us = slept_us, .polled_us = polled_us};
}

static void play_windows(struct play *p, unsigned windows)
{
	for (unsigned i = 0; i < windows * SPIN_WINDOW; i++) {
		uint64_t began = p->now_us + TURN_US;
		bool poll = spin_now(&p->s);

		p->now_us = began + (poll ? p->polled_us : p->slept_us);
		p->polled += poll;
		if (poll && p->polled_us > SPIN_US)
			spin_gave_up(&p->s, began + SPIN_US);
		spin_waited(&p->s, began, p->now_us);
	}
}

static void long_waits_are_slept(void **state)
{
	struct play p = play_new(SPIN_FAR_US, 1);

	play_windows(&p, 1000);
	assert_int_equal(p.polled, 0);
}

static void waits_with_nothing_to_win_are_slept(void **state)
{
	struct play p = play_new(SPIN_MIN_US - 1, 0);

	play_windows(&p, 1000);
	assert_int_equal(p.polled, 0);
}

static void a_conversation_is_polled(void **state)
{
	struct play p = play_new(30, 15);

	play_windows(&p, SPIN_SETTLE);
	assert_int_equal(p.polled, 0);
	play_windows(&p, 100);
	assert_int_equal(p.polled, 100 * SPIN_WINDOW);
}

static void it_is_compared_again(void **state)
{
	struct play p = play_new(30, 15);

	play_windows(&p, SPIN_SETTLE + 1 + SPIN_RUN);
	assert_int_equal(p.polled, (1 + SPIN_RUN) * SPIN_WINDOW);
	assert_false(spin_now(&p.s));
	play_windows(&p, SPIN_SETTLE);
	assert_int_equal(p.polled, (1 + SPIN_RUN) * SPIN_WINDOW);
	assert_true(spin_now(&p.s));
}

/* Events have to come faster, not only waits to be shorter. */
static void little_gain_is_none(void **state)
{
	struct play p = play_new(30, 22);

	play_windows(&p, 10 * SPIN_HOLD_MAX);
	/* Trials at 16, 17 + 32, ... windows, then one in 256. */
	assert_true(p.polled >= 10 * SPIN_WINDOW);
	assert_true(p.polled <= 15 * SPIN_WINDOW);
}

static void polling_that_became_slow_ends(void **state)
{
	struct play p = play_new(30, 10);

	play_windows(&p, SPIN_SETTLE + 10);
	assert_true(spin_now(&p.s));
	p.polled_us = 45;
	play_windows(&p, SPIN_SLOW);
	assert_false(spin_now(&p.s));
}

static void polling_ends_with_the_conversation(void **state)
{
	struct play p = play_new(30, 10);

	play_windows(&p, SPIN_SETTLE + 10);
	p.slept_us = p.polled_us = 5000;
	play_windows(&p, 1);
	assert_false(spin_now(&p.s));
}

static void whoever_wants_the_processor_has_it(void **state)
{
	struct play p = play_new(30, 10);
	uint64_t robbed;

	play_windows(&p, SPIN_SETTLE + 10);
	assert_true(spin_now(&p.s));
	robbed = p.now_us;
	spin_robbed(&p.s, robbed);
	while (!spin_now(&p.s))
		play_windows(&p, 1);
	assert_true(p.now_us - robbed >= SPIN_REST_US);
}

/* Windows of sleep until the next trial. */
static unsigned slept_until_trial(struct play *p)
{
	unsigned n = 0;

	for (; !spin_now(&p->s); n++)
		play_windows(p, 1);
	return n;
}

static void a_disturbance_where_polling_paid_costs_little(void **state)
{
	/* In two windows the rest is over. */
	struct play p = play_new(SPIN_REST_US / (SPIN_RETURN * SPIN_WINDOW) + 1, 10);

	play_windows(&p, SPIN_SETTLE + 1 + SPIN_PROVEN);
	spin_robbed(&p.s, p.now_us);
	assert_int_equal(slept_until_trial(&p), SPIN_RETURN);
}

/* But not again and again: what never pays for long is tried less and less often. */
static void disturbances_without_end_put_trials_off(void **state)
{
	struct play p = play_new(80, 10);
	unsigned last = 0, now;

	play_windows(&p, SPIN_SETTLE + 2);
	for (unsigned want = SPIN_RETURN; want <= SPIN_HOLD_MAX; want *= 2) {
		spin_robbed(&p.s, p.now_us);
		now = slept_until_trial(&p);
		assert_int_equal(now, want);
		play_windows(&p, 2);
		last = now;
	}
	assert_int_equal(last, SPIN_HOLD_MAX);
	play_windows(&p, SPIN_PROVEN);
	spin_robbed(&p.s, p.now_us);
	assert_int_equal(slept_until_trial(&p), SPIN_RETURN);
}

/* What it polls for comes when it stops: the other side had no processor to run on. */
static void who_is_in_the_way_steps_aside(void **state)
{
	struct play p = play_new(30, 10);
	unsigned before;

	play_windows(&p, SPIN_SETTLE + 10);
	before = p.polled;
	p.polled_us = SPIN_US + 5;
	p.slept_us = 3;
	play_windows(&p, 1);
	assert_int_equal(p.polled - before, SPIN_SOON_MAX);
	assert_false(spin_now(&p.s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_waits_are_slept),
		cmocka_unit_test(waits_with_nothing_to_win_are_slept),
		cmocka_unit_test(a_conversation_is_polled),
		cmocka_unit_test(it_is_compared_again),
		cmocka_unit_test(little_gain_is_none),
		cmocka_unit_test(polling_that_became_slow_ends),
		cmocka_unit_test(polling_ends_with_the_conversation),
		cmocka_unit_test(whoever_wants_the_processor_has_it),
		cmocka_unit_test(a_disturbance_where_polling_paid_costs_little),
		cmocka_unit_test(disturbances_without_end_put_trials_off),
		cmocka_unit_test(who_is_in_the_way_steps_aside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
