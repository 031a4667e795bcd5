// SPDX-License-Identifier: Apache-2.0
/*
 * What one sandbox may take of its worker: the rules by themselves, with costs that are made up,
 * and two guests on one worker, of which one floods.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <unistd.h>

#include "flow/sandbox.h"
#include "gateway/gateway_rig.h"
#include "gateway/member.h"

/* ---- the rules ------------------------------------------------------------------------------- */

/* A turn in which each frame takes `ns`, and the link has frames without end; how many it took. */
static unsigned turn(struct share *s, unsigned ns)
{
	unsigned frames = 0, n;
	uint64_t spent = 0;

	while ((n = share_frames(s, spent, LINK_BURST))) {
		share_note(s, n, n * ns / 1000);
		spent += n * ns / 1000;
		frames += n;
		if (frames > 10000)
			break;
	}
	return frames;
}

static void a_turn_is_bounded_by_time(void **state)
{
	static const unsigned costs[] = {1000, 3000, 10000, 25000};

	for (unsigned i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
		struct share s = share_make(0);

		turn(&s, costs[i]); /* nothing is known of it in the first one */
		unsigned us = turn(&s, costs[i]) * costs[i] / 1000;
		assert_in_range(us, SHARE_TURN_US / 2, SHARE_TURN_US);
	}
}

static void the_first_turn_ends_with_its_first_burst(void **state)
{
	struct share s = share_make(0);

	assert_int_equal(turn(&s, 10000), LINK_BURST);
}

static void whatever_it_costs_a_turn_goes_on(void **state)
{
	struct share s = share_make(0);

	turn(&s, 1000000);
	assert_int_equal(turn(&s, 1000000), SHARE_MIN);
	assert_int_equal(share_frames(&s, 1, LINK_BURST), 0);
}

static void what_has_become_cheap_is_taken_for_cheap_soon(void **state)
{
	struct share s = share_make(0);
	unsigned turns = 0;

	turn(&s, 1000000);
	while (turn(&s, 1000) < SHARE_TURN_US / 2)
		assert_true(++turns < 8);
	assert_true(turns > 0);
}

static void new_flows_have_a_rate(void **state)
{
	struct share s = share_make(0);
	unsigned n = 0;

	while (bucket_take(&s.flows, 1, 0))
		n++;
	assert_int_equal(n, SHARE_FLOWS_ONCE);
	for (uint64_t us = 1000; us <= 1000000; us += 1000)
		while (bucket_take(&s.flows, 1, us))
			n++;
	assert_int_equal(n, SHARE_FLOWS_ONCE + SHARE_FLOWS);
}

/* ---- two guests on one worker ---------------------------------------------------------------- */

/* What one of them has sent when the other one is served. */
struct race {
	struct rig_guest flood, other;
	struct sandbox *flooding, *served;
	unsigned n; /* of the flood's frames */
	uint16_t port;
	unsigned ahead; /* of them served by the end of the turn in which the ping was */
	bool over;
};

static struct race race;

static void watch(struct loop *l, void *ctx)
{
	struct stack_counters *first = &race.flooding->stack.cnt;

	member_turn_end(l, ctx);
	if (race.over || race.served->stack.cnt.rx_frames == 0)
		return;
	race.ahead = (unsigned)first->rx_frames;
	race.over = true;
}

static void find_served(struct sandbox *sb, void *arg)
{
	race.served = sb;
}

/* On the worker, so that it finds the frames of both at once. */
static void begin(struct sandbox *sb, void *arg)
{
	race.flooding = sb;
	race.over = false;
	sb->stack.cnt.rx_frames = race.served->stack.cnt.rx_frames = 0;
	sb->loop->turn_end = watch;
	race.n = rig_flood(&race.flood, race.n, race.port);
	rig_ping_begin(&race.other);
}

static void end(struct sandbox *sb, void *arg)
{
	sb->loop->turn_end = member_turn_end;
}

static struct gateway *two_guests(struct config *c)
{
	struct gateway_options o = {.workers = 1};
	struct error err;
	struct gateway *g = gateway_new(&o, &err);

	assert_non_null(g);
	rig_config(c, "host");
	/* Warm: their first frames have passed. */
	rig_guest_add(&race.flood, g, c, 1);
	rig_guest_add(&race.other, g, c, 2);
	assert_true(rig_ping(&race.flood) && rig_ping(&race.other));
	assert_int_equal(gateway_call(g, race.other.id, find_served, NULL), 0);
	return g;
}

static void done(struct gateway *g, struct config *c)
{
	gateway_call(g, race.flood.id, end, NULL);
	gateway_free(g);
	rig_guest_done(&race.flood);
	rig_guest_done(&race.other);
	config_done(c);
}

/* Sends n SYNs and waits until all are answered; most dials at a time. */
static unsigned flood(struct gateway *g, unsigned n)
{
	unsigned resets = 0;

	race.n = n;
	assert_int_equal(gateway_call(g, race.flood.id, begin, NULL), 0);
	assert_int_equal(race.n, n);
	for (int ms = 0; ms < 5000 && resets < n; ms += 5) {
		usleep(5000);
		resets += rig_resets(&race.flood);
	}
	return resets;
}

/* A port that refuses: nobody listens behind a server that has gone. */
static uint16_t closed_port(void)
{
	uint16_t port;

	close(rig_server(&port));
	return port;
}

static void a_neighbour_waits_for_a_short_turn(void **state)
{
	struct config c;
	struct gateway *g = two_guests(&c);

	race.port = closed_port();
	assert_int_equal(flood(g, 128), 128); /* this is what they cost */
	assert_int_equal(flood(g, 256), 256);
	assert_true(race.over);
	/* A dial takes five microseconds at the very least. */
	assert_in_range(race.ahead, 1, 32);
	done(g, &c);
}

static void dials(struct sandbox *sb, void *arg)
{
	*(uint64_t *)arg = sb->cnt.tcp_refused;
}

static void connections_beyond_the_share_wait_and_are_all_served(void **state)
{
	struct config c;
	struct gateway *g = two_guests(&c);
	uint64_t refused = 0;

	race.port = closed_port();
	race.n = 1000;
	assert_int_equal(gateway_call(g, race.flood.id, begin, NULL), 0);
	/* A thousand would take ten milliseconds; the rate lets the last one go behind fifty. */
	usleep(20000);
	assert_int_equal(gateway_call(g, race.flood.id, dials, &refused), 0);
	assert_in_range(refused, 1, 999);
	for (int ms = 0; ms < 5000 && refused < 1000; ms += 5) {
		usleep(5000);
		rig_resets(&race.flood);
		assert_int_equal(gateway_call(g, race.flood.id, dials, &refused), 0);
	}
	assert_int_equal(refused, 1000);
	done(g, &c);
}

static void what_waits_goes_with_its_sandbox(void **state)
{
	struct config c;
	struct gateway *g = two_guests(&c);

	race.port = closed_port();
	race.n = 1000;
	assert_int_equal(gateway_call(g, race.flood.id, begin, NULL), 0);
	assert_int_equal(gateway_call(g, race.flood.id, end, NULL), 0);
	assert_int_equal(gateway_remove(g, race.flood.id), 0);
	assert_true(rig_ping(&race.other));
	gateway_free(g);
	rig_guest_done(&race.flood);
	rig_guest_done(&race.other);
	config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_is_bounded_by_time),
		cmocka_unit_test(the_first_turn_ends_with_its_first_burst),
		cmocka_unit_test(whatever_it_costs_a_turn_goes_on),
		cmocka_unit_test(what_has_become_cheap_is_taken_for_cheap_soon),
		cmocka_unit_test(new_flows_have_a_rate),
		cmocka_unit_test(a_neighbour_waits_for_a_short_turn),
		cmocka_unit_test(connections_beyond_the_share_wait_and_are_all_served),
		cmocka_unit_test(what_waits_goes_with_its_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
