// SPDX-License-Identifier: Apache-2.0
/* Leaves: asked for once, kept, renewed, and what happens where none can be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/secrets.h"
#include "tls/ca_priv.h"
#include "tls/endpoint_rig.h"
#include "tls/leaves.h"

static struct rig_source source;
static struct tls_leaves *leaves;
static struct tls_ca *ca;

static int setup_all(void **state)
{
	struct error err;

	rig_home();
	ca = tls_ca_open(NULL, NULL, &err);
	return ca ? 0 : -1;
}

static int teardown_all(void **state)
{
	tls_ca_free(ca);
	rig_home_done();
	return 0;
}

static int setup(void **state)
{
	const struct config_tls conf = {.cache_capacity = 3};
	struct error err;

	source = (struct rig_source){.ca = ca, .hours = 24};
	struct tls_leaf_source src = rig_leaf_source(&source);
	leaves = tls_leaves_new(&src, &conf, tls_ca_pem(ca), &err);
	return leaves ? 0 : -1;
}

static int teardown(void **state)
{
	tls_leaves_free(leaves);
	return source.asks ? -1 : 0;
}

/* ---- those who wait ---- */

struct waiter {
	struct leaf_wait w;
	X509 *cert; /* what came, held */
	char *err;
	unsigned told;
	struct waiter *kills; /* cancelled when this one is told */
};

static void got(struct leaf_wait *w, X509 *cert, const char *err)
{
	struct waiter *x = container_of(w, struct waiter, w);

	x->told++;
	if (cert) {
		X509_up_ref(cert);
		x->cert = cert;
	}
	x->err = err && !cert ? strdup(err) : NULL;
	if (x->kills)
		leaf_wait_cancel(&x->kills->w);
}

static X509 *ask(struct waiter *x, const char *host)
{
	*x = (struct waiter){.w.got = got};
	list_init(&x->w.link);
	return leaves_ask(leaves, host, &x->w);
}

static void waiter_done(struct waiter *x)
{
	leaf_wait_cancel(&x->w);
	X509_free(x->cert);
	free(x->err);
}

/* In the cache from now on. */
static void keep(const char *host)
{
	struct waiter x;

	assert_null(ask(&x, host));
	assert_non_null(x.w.leaf);
	rig_answer(&source);
	assert_non_null(x.cert);
	waiter_done(&x);
}

static bool is_kept(const char *host)
{
	struct waiter x;
	bool there = ask(&x, host);

	waiter_done(&x);
	return there;
}

/* ---- tests ---- */

static void many_wait_for_one_question(void **state)
{
	struct waiter x[20];

	for (int i = 0; i < 20; i++)
		assert_null(ask(&x[i], "a.example"));
	assert_int_equal(source.asked, 1);
	rig_answer(&source);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(x[i].told, 1);
		assert_ptr_equal(x[i].cert, x[0].cert);
		waiter_done(&x[i]);
	}
	assert_true(is_kept("a.example"));
	assert_int_equal(source.asked, 1);
}

static void nobody_waits_then_nothing_is_asked(void **state)
{
	struct waiter x, y;

	ask(&x, "a.example");
	ask(&y, "a.example");
	waiter_done(&x);
	assert_int_equal(source.cancelled, 0);
	waiter_done(&y);
	assert_int_equal(source.cancelled, 1);
	assert_null(source.asks);
	keep("a.example");
}

static void failures_are_told_and_not_kept(void **state)
{
	struct waiter x, y;

	source.fail = "the holder has gone";
	ask(&x, "a.example");
	ask(&y, "a.example");
	x.kills = &y;
	rig_answer(&source);
	assert_string_equal(x.err, "the holder has gone");
	assert_int_equal(y.told, 0);
	waiter_done(&x);
	waiter_done(&y);

	source.fail = NULL;
	source.deaf = true;
	assert_null(ask(&x, "a.example"));
	assert_null(x.w.leaf);
	waiter_done(&x);
	source.deaf = false;
	keep("a.example");
}

static void who_is_told_may_take_others_away(void **state)
{
	struct waiter x[3];

	for (int i = 0; i < 3; i++)
		ask(&x[i], "a.example");
	x[0].kills = &x[1];
	rig_answer(&source);
	assert_int_equal(x[0].told, 1);
	assert_int_equal(x[1].told, 0);
	assert_int_equal(x[2].told, 1);
	for (int i = 0; i < 3; i++)
		waiter_done(&x[i]);
}

static void the_one_used_longest_ago_goes(void **state)
{
	keep("a.example");
	keep("b.example");
	keep("c.example");
	assert_true(is_kept("a.example"));
	keep("d.example");
	assert_true(is_kept("a.example"));
	assert_false(is_kept("b.example"));
	assert_true(is_kept("c.example"));
	assert_true(is_kept("d.example"));
}

/* A leaf of one hour, from an hour ago on: its last twentieth is six minutes. */
static void a_leaf_is_renewed_before_it_ends(void **state)
{
	struct waiter x;

	source.hours = 1;
	keep("a.example");
	assert_true(is_kept("a.example"));
	assert_int_equal(source.asked, 1);
	leaves_age(leaves, "a.example", 55 * 60);
	X509 *old = ask(&x, "a.example");
	assert_non_null(old);
	assert_int_equal(source.asked, 2);
	assert_true(is_kept("a.example"));
	assert_int_equal(source.asked, 2);
	X509_up_ref(old);
	rig_answer(&source);
	X509 *fresh = ask(&x, "a.example");
	assert_non_null(fresh);
	assert_ptr_not_equal(fresh, old);
	assert_int_equal(source.asked, 2);
	X509_free(old);
}

static void an_expired_leaf_is_not_shown(void **state)
{
	struct waiter x;

	keep("a.example");
	leaves_age(leaves, "a.example", 25 * 3600);
	assert_null(ask(&x, "a.example"));
	assert_int_equal(source.asked, 2);
	rig_answer(&source);
	assert_non_null(x.cert);
	assert_true(is_kept("a.example"));
	waiter_done(&x);
}

/* It is waited for while others push it out. */
static void an_expired_leaf_may_lose_its_place(void **state)
{
	struct waiter x, y, z[3];

	keep("a.example");
	leaves_age(leaves, "a.example", 25 * 3600);
	assert_null(ask(&x, "a.example"));
	struct rig_ask *held = source.asks;
	source.asks = NULL;
	for (int i = 0; i < 3; i++) {
		static const char *const hosts[] = {"b.example", "c.example", "d.example"};
		assert_null(ask(&z[i], hosts[i]));
		rig_answer(&source);
		waiter_done(&z[i]);
	}
	source.asks = held;
	assert_null(ask(&y, "a.example"));
	assert_int_equal(source.asked, 5);
	rig_answer(&source);
	assert_non_null(x.cert);
	assert_non_null(y.cert);
	waiter_done(&x);
	waiter_done(&y);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(many_wait_for_one_question),     TEST(nobody_waits_then_nothing_is_asked),
		TEST(failures_are_told_and_not_kept), TEST(who_is_told_may_take_others_away),
		TEST(the_one_used_longest_ago_goes),  TEST(a_leaf_is_renewed_before_it_ends),
		TEST(an_expired_leaf_is_not_shown),   TEST(an_expired_leaf_may_lose_its_place),
	};
	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
