// SPDX-License-Identifier: Apache-2.0
/* Connections that are looked into: what bounds them, and that no bytes are lost meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "flow/budget.h"
#include "intercept/conn_rig.h"

/* The upload budget is of what goes over the wire: no byte more, whatever record it cuts. */
static void no_byte_goes_behind_the_budget(void **state)
{
	static uint8_t much[50000];
	struct budgets *b = r.sb.budgets = budgets_new();
	size_t got = 0;
	ssize_t n;

	assert_non_null(b);
	budgets_limit(b, 1 << 20, 0);
	rig_open_raw();
	size_t shaking = (1 << 20) - (size_t)budget_left(b, NULL, NULL);
	assert_true(shaking > 200 && shaking < 4096);
	rig_guest_says("\x01 question", 10);
	rig_assert_server_hears("\x01 question");
	size_t spent = (1 << 20) - (size_t)budget_left(b, NULL, NULL);
	assert_true(spent > shaking + 10);
	budgets_limit(b, spent + 20000, 0);
	r.server_stalls = true;
	rig_guest_says(much, sizeof(much));
	rig_turns(20);
	while ((n = recv(r.fd, much, sizeof(much), MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	assert_int_equal(got, 20000);
	assert_true(r.reset);
	assert_int_equal(r.refused, 1);
	assert_int_equal(r.reason, REASON_BUDGET);
	assert_int_equal(budget_left(b, NULL, NULL), 0);
	rig_close();
	r.sb.budgets = NULL;
	budgets_free(b);
}

#define MUCH     (4u << 20)
#define TOO_MUCH (64u << 20) /* for all buffers on the way */

static void slow_guest_holds_the_server_back(void **state)
{
	static uint8_t block[65536];
	size_t sent = 0;

	rig_open_raw();
	rig_guest_says("\x01", 1);
	r.window = 0;
	for (int i = 0; i < 1200 && sent < TOO_MUCH; i++) {
		ssize_t n = rig_server_says(block, sizeof(block));
		if (n > 0)
			sent += (size_t)n;
		rig_turn();
	}
	assert_true(sent < TOO_MUCH);
	assert_true(r.queued_max >= INTERCEPT_OUT_MAX / 2);
	assert_true(r.queued_max <= INTERCEPT_OUT_MAX + 2 * 65536);
	/* And it goes on where the guest does. */
	r.window = SIZE_MAX;
	size_t got = 0;
	for (int i = 0; i < 40000 && got < sent; i++) {
		ssize_t n = rig_guest_hears(block, sizeof(block));
		if (n > 0)
			got += (size_t)n;
		rig_turn();
	}
	assert_int_equal(got, sent);
}

static void slow_server_holds_the_guest_back(void **state)
{
	static uint8_t block[MUCH];
	size_t got = 0;

	rig_open_raw();
	block[0] = 1;
	r.server_stalls = true;
	rig_guest_says(block, sizeof(block));
	rig_turns(300);
	assert_true(r.said.len > MUCH / 2);
	assert_true(r.sb.intercept->queued <= INTERCEPT_OUT_MAX + 2 * 65536);
	r.server_stalls = false;
	for (int i = 0; i < 20000 && got < MUCH; i++) {
		ssize_t n = rig_server_hears(block, sizeof(block));
		if (n > 0)
			got += (size_t)n;
		rig_turn();
	}
	assert_int_equal(got, MUCH);
}

static void any_chunks_give_the_same_bytes(void **state)
{
	enum {
		N = 300000
	};
	static uint8_t up[N], down[N], got_up[N], got_down[N];

	for (size_t i = 0; i < N; i++) {
		up[i] = i ? (uint8_t)rand() : 1;
		down[i] = (uint8_t)rand();
	}
	for (int round = 0; round < 8; round++) {
		size_t su = 0, sd = 0, gu = 0, gd = 0;

		rig_open_raw();
		srand(1234 + (unsigned)round);
		r.window = 1 + (size_t)rand() % 100000;
		for (int i = 0; i < 100000 && (gu < N || gd < N); i++) {
			size_t k = 1 + (size_t)rand() % 20000;
			r.chunk = 1 + (size_t)rand() % 40000;
			if (su < N && r.said.len < 100000) {
				k = k < N - su ? k : N - su;
				rig_guest_says(up + su, k);
				su += k;
			}
			if (sd < N) {
				ssize_t n = rig_server_says(down + sd, N - sd);
				sd += n > 0 ? (size_t)n : 0;
			}
			rig_turn();
			ssize_t n =
				rig_server_hears(got_up + gu, (size_t)rand() % 30000 + 1 < N - gu
								      ? (size_t)rand() % 1000 + 1
								      : N - gu);
			gu += n > 0 ? (size_t)n : 0;
			n = rig_guest_hears(got_down + gd, N - gd);
			gd += n > 0 ? (size_t)n : 0;
		}
		assert_int_equal(gu, N);
		assert_int_equal(gd, N);
		assert_memory_equal(got_up, up, N);
		assert_memory_equal(got_down, down, N);
		rig_stop();
		rig_start();
	}
}

static void idle_connection_holds_nothing(void **state)
{
	struct conn *x;

	rig_open_raw();
	rig_guest_says("\x01 question", 10);
	rig_assert_server_hears("\x01 question");
	rig_server_says("answer", 6);
	rig_assert_guest_hears("answer");
	rig_turns(10);
	x = container_of(r.sb.intercept->conns.next, struct conn, wire.node);
	assert_null(x->wire.out.mem);
	assert_null(x->sock.out.mem);
	assert_false(timer_armed(&x->patience));
	assert_false(timer_armed(&r.sb.intercept->turn));
}

static void full_house_is_a_reset(void **state)
{
	r.sb.intercept->conn_n = INTERCEPT_CONNS_MAX;
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_turns(10);
	assert_true(r.reset);
	assert_int_equal(r.limits, 1);
	assert_int_equal(r.reason, REASON_LIMIT_CONNECTIONS);
	r.sb.intercept->conn_n = 0;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(no_byte_goes_behind_the_budget),   T(slow_guest_holds_the_server_back),
		T(slow_server_holds_the_guest_back), T(any_chunks_give_the_same_bytes),
		T(idle_connection_holds_nothing),    T(full_house_is_a_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
