// SPDX-License-Identifier: Apache-2.0
/*
 * Request smuggling: each stream of proxy_h1_attacks.h, alone and behind a good request, in random
 * pieces, to a server that answers everything. The guest gets the refusal in its place, and the
 * server sees no request more than the stream holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/proxy_h1_attacks.h"
#include "http/proxy_h1_rig.h"

#define GOOD "GET /good HTTP/1.1\r\nHost: a.example\r\n\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* Whole requests in what the server got; none is for what an attack wants. */
static unsigned count_requests(const struct proxy_h1_attack *attack, struct view in)
{
	struct h1 *h = h1_new();
	unsigned n = 0;
	enum h1_event e;

	do {
		size_t used;
		e = h1_read(h, in, &used);
		view_skip(&in, used);
		if (e == H1_HEAD &&
		    memmem(h1_head(h)->target.p, h1_head(h)->target.len, "smuggled", 8))
			fail_msg("%s: the server sees a request that was smuggled", attack->name);
		if (e == H1_END)
			n++;
		if (e == H1_WAIT)
			h1_stay(h);
		assert_int_not_equal(e, H1_ERROR);
	} while (e != H1_MORE);
	h1_free(h);
	return n;
}

/* The last answer: what is behind the last status line. */
static int last_status(struct view out)
{
	static const char mark[] = "HTTP/1.1 ";
	int status = 0;

	for (size_t i = 0; i + 12 <= out.len; i++)
		if (memcmp(out.p + i, mark, 9) == 0)
			status = atoi((const char *)out.p + i + 9);
	return status;
}

static void attack_once(const struct proxy_h1_attack *attack, unsigned seed, bool behind)
{
	size_t len = attack->len ? attack->len : strlen(attack->bytes);
	struct proxy_rig r = {.seed = seed, .many_waits = seed % 2, .answers = 4};
	struct buf guest = {0};

	if (behind)
		assert_true(buf_append_text(&guest, GOOD));
	assert_true(buf_append(&guest, attack->bytes, len));
	r.guest = buf_view(&guest);
	for (unsigned i = 0; i < r.answers; i++)
		r.answer[i] = view_make(OK, strlen(OK));
	proxy_rig_run(&r, "http");
	unsigned seen = count_requests(attack, buf_view(&r.out[HTTP_UPSTREAM]));
	if (seen != attack->requests + behind)
		fail_msg("%s: the server sees %u requests", attack->name, seen);
	int status = last_status(buf_view(&r.out[HTTP_GUEST]));
	if (status != (attack->status ? attack->status : 200))
		fail_msg("%s: the guest gets %d", attack->name, status);
	assert_int_equal(r.refused, attack->status != 0);
	if (attack->status) {
		assert_int_equal(r.state[HTTP_GUEST], HTTP_PROXY_END);
		assert_int_not_equal(r.state[HTTP_UPSTREAM], HTTP_PROXY_OPEN);
	}
	buf_done(&guest);
	proxy_rig_done(&r);
}

static void nothing_is_smuggled(void **state)
{
	for (size_t i = 0; i < PROXY_H1_ATTACKS; i++)
		for (unsigned seed = 0; seed < 20; seed++)
			attack_once(&proxy_h1_attacks[i], seed, false);
}

static void nothing_is_smuggled_behind_a_good_request(void **state)
{
	for (size_t i = 0; i < PROXY_H1_ATTACKS; i++)
		for (unsigned seed = 0; seed < 20; seed++)
			attack_once(&proxy_h1_attacks[i], seed, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_smuggled),
		cmocka_unit_test(nothing_is_smuggled_behind_a_good_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
