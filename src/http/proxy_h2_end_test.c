// SPDX-License-Identifier: Apache-2.0
/*
 * How exchanges and connections end through the HTTP/2 proxy: on both sides as they ended on one,
 * by a reset, a goodbye or a cut.
 */
#include "http/proxy_h2_rig.h"

static void resets_go_through_both_ways(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *a = rig_get(r, "/"), *b = rig_get(r, "/"), *c = rig_get(r, "/");
	rig_run(r);
	nghttp2_submit_rst_stream(r->client.session, 0, a->id, NGHTTP2_CANCEL);
	nghttp2_submit_rst_stream(r->server.session, 0, rig_served(r, 1)->id,
				  NGHTTP2_REFUSED_STREAM);
	rig_answer(r, rig_served(r, 2), ":status: 200\n", 100, NULL);
	rig_served(r, 2)->endless = true;
	rig_run(r);
	nghttp2_submit_rst_stream(r->server.session, 0, rig_served(r, 2)->id,
				  NGHTTP2_ENHANCE_YOUR_CALM);
	rig_run(r);
	assert_true(rig_served(r, 0)->closed);
	assert_int_equal(rig_served(r, 0)->code, NGHTTP2_CANCEL);
	assert_true(b->closed);
	assert_int_equal(b->code, NGHTTP2_REFUSED_STREAM);
	assert_true(c->closed);
	assert_int_equal(c->code, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_int_equal(c->got, 100);
	assert_int_equal(r->done, 3);
	rig_end_all(r);
}

static void an_early_answer_ends_the_upload(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *s = rig_request(r, RIG_POST, 1, NULL);
	s->endless = true;
	rig_run(r);
	rig_answer(r, rig_served(r, 0), ":status: 413\n", 100, NULL);
	rig_run(r);
	rig_check_whole(s, 100);
	assert_false(s->closed);
	nghttp2_submit_rst_stream(r->server.session, 0, rig_served(r, 0)->id, NGHTTP2_NO_ERROR);
	rig_run(r);
	assert_true(s->closed && s->code == NGHTTP2_NO_ERROR);
	assert_true(http_proxy_idle(r->proxy));
	rig_end_all(r);
}

static void the_upstreams_goodbye_reaches_the_guest(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *a = rig_get(r, "/"), *b = rig_get(r, "/"), *c = rig_get(r, "/");
	rig_run(r);
	/* Over, and so served. */
	rig_answer(r, rig_served(r, 1), ":status: 200\n", 0, NULL);
	rig_run(r);
	nghttp2_submit_goaway(r->server.session, 0, rig_served(r, 1)->id, NGHTTP2_NO_ERROR, NULL,
			      0);
	rig_run(r);
	assert_true(b->end && b->code == 0);
	assert_true(c->closed);
	assert_int_equal(c->code, NGHTTP2_REFUSED_STREAM);
	assert_true(r->client.goaway);
	assert_int_equal(r->client.goaway_code, NGHTTP2_NO_ERROR);
	assert_int_equal(r->client.goaway_last, b->id);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_OPEN);
	rig_answer(r, rig_served(r, 0), ":status: 200\n", 50, NULL);
	rig_run(r);
	rig_check_whole(a, 50);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_END);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_UPSTREAM), HTTP_PROXY_END);
	rig_end_all(r);
}

static void a_request_that_was_held_when_the_upstream_said_goodbye_can_be_tried_again(void **state)
{
	struct rig *r = rig_fresh();

	r->hook[0].waits = 1;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *a = rig_get(r, "/");
	rig_run(r);
	nghttp2_submit_goaway(r->server.session, 0, 0, NGHTTP2_NO_ERROR, NULL, 0);
	rig_run(r);
	rig_resume(r);
	rig_run(r);
	assert_true(a->closed);
	assert_int_equal(a->code, NGHTTP2_REFUSED_STREAM);
	assert_int_equal(r->server.count, 0);
	rig_end_all(r);
}

static void the_guests_goodbye_ends_both_when_all_is_answered(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *a = rig_get(r, "/");
	rig_run(r);
	nghttp2_submit_goaway(r->client.session, 0, 0, NGHTTP2_NO_ERROR, NULL, 0);
	rig_run(r);
	assert_false(r->server.goaway);
	rig_answer(r, rig_served(r, 0), ":status: 200\n", 50, NULL);
	rig_run(r);
	rig_check_whole(a, 50);
	assert_true(r->server.goaway);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_UPSTREAM), HTTP_PROXY_END);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_END);
	rig_end_all(r);
}

static void an_upstream_that_ends_is_502_or_a_cut(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *a = rig_get(r, "/"), *b = rig_get(r, "/");
	rig_run(r);
	rig_answer(r, rig_served(r, 1), ":status: 200\n", 50, NULL);
	rig_served(r, 1)->endless = true;
	rig_run(r);
	http_proxy_input_end(r->proxy, HTTP_UPSTREAM);
	rig_run(r);
	rig_check_has(a, ":status: 502\n");
	assert_true(a->end);
	assert_true(b->closed && !b->end && b->code == NGHTTP2_INTERNAL_ERROR);
	assert_true(r->client.goaway);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_END);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_UPSTREAM), HTTP_PROXY_END);
	assert_int_equal(r->done, 2);
	rig_end_all(r);
}

static void a_guest_that_ends_gets_what_it_asked_for_in_full(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *a = rig_get(r, "/"), *b = rig_request(r, RIG_POST, 10, NULL);
	b->endless = true;
	rig_run(r);
	http_proxy_input_end(r->proxy, HTTP_GUEST);
	rig_run(r);
	assert_false(rig_served(r, 1)->end);
	assert_int_equal(rig_served(r, 1)->code, NGHTTP2_CANCEL);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_OPEN);
	rig_answer(r, rig_served(r, 0), ":status: 200\n", 50, NULL);
	rig_run(r);
	rig_check_whole(a, 50);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_END);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_UPSTREAM), HTTP_PROXY_END);
	rig_end_all(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resets_go_through_both_ways),
		cmocka_unit_test(an_early_answer_ends_the_upload),
		cmocka_unit_test(the_upstreams_goodbye_reaches_the_guest),
		cmocka_unit_test(
			a_request_that_was_held_when_the_upstream_said_goodbye_can_be_tried_again),
		cmocka_unit_test(the_guests_goodbye_ends_both_when_all_is_answered),
		cmocka_unit_test(an_upstream_that_ends_is_502_or_a_cut),
		cmocka_unit_test(a_guest_that_ends_gets_what_it_asked_for_in_full),
	};

	return cmocka_run_group_tests_name("http_proxy_h2_end", tests, NULL, NULL);
}
