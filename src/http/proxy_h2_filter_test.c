// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/2 proxy and its filter: bodies are changed or collected, each hook may wait or refuse,
 * and the exchanges beside it go on.
 */
#include "http/proxy_h2_rig.h"

#include <string.h>

/* ---- bodies ---- */

static void a_filter_that_changes_bodies(void **state)
{
	static const enum http_body_mode modes[] = {HTTP_BODY_SAME, HTTP_BODY_STREAM,
						    HTTP_BODY_WHOLE};

	for (int i = 0; i < 3; i++) {
		struct rig *r = rig_fresh();
		bool whole = modes[i] == HTTP_BODY_WHOLE;
		r->request_mode = r->answer_mode = modes[i];
		r->upper = true;
		r->expand = modes[i] == HTTP_BODY_SAME ? 0 : 3;
		r->answer = ":status: 200\ncontent-length: 150000\n";
		r->answer_len = 150000;
		rig_begin(r, NULL, 0, NULL, 0, NULL);
		struct rig_stream *s =
			rig_request(r, RIG_POST "content-length: 100000\n", 100000, NULL);
		rig_run(r);
		int by = r->expand ? 3 : 1;
		rig_check_whole(rig_served(r, 0), 100000u * (unsigned)by);
		rig_check_whole(s, 150000u * (unsigned)by);
		if (modes[i] == HTTP_BODY_STREAM) {
			rig_check_lacks(s, "content-length");
			rig_check_lacks(rig_served(r, 0), "content-length");
		} else {
			rig_check_has(s, whole ? "content-length !: 450000\n"
					       : "content-length: 150000\n");
			rig_check_has(rig_served(r, 0), whole ? "content-length !: 300000\n"
							      : "content-length: 100000\n");
		}
		rig_end_all(r);
	}
}

static void a_filter_that_does_not_keep_a_length(void **state)
{
	struct rig *r = rig_fresh();

	r->answer_mode = HTTP_BODY_SAME;
	r->expand = 2;
	r->answer = ":status: 200\ncontent-length: 1000\n";
	r->answer_len = 1000;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *s = rig_get(r, "/");
	rig_run(r);
	assert_true(s->closed && !s->end && s->code == NGHTTP2_INTERNAL_ERROR);
	rig_end_all(r);
}

static void a_body_that_is_collected_is_asked_for(void **state)
{
	struct rig *r = rig_fresh();

	r->request_mode = r->answer_mode = HTTP_BODY_WHOLE;
	r->answer_len = 9;
	r->answer_trailers = "t: 1\n";
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *s = rig_request(r, RIG_POST "expect: 100-continue\n", 0, "q: 1\n");
	s->endless = true;
	rig_run(r);
	assert_string_equal(s->head, ":status: 100\n");
	rig_more(&r->client, s, 70000, true);
	rig_run(r);
	rig_check_lacks(rig_served(r, 0), "expect");
	rig_check_has(rig_served(r, 0), "content-length !: 70000\nq: 1\n");
	rig_check_whole(rig_served(r, 0), 70000);
	rig_check_has(s, "content-length !: 9\nt: 1\n");
	rig_check_whole(s, 9);
	rig_end_all(r);
}

static void a_filter_is_told_the_end_of_an_empty_body(void **state)
{
	struct rig *r = rig_fresh();

	r->request_mode = HTTP_BODY_STREAM;
	r->answer_mode = HTTP_BODY_WHOLE;
	r->answer = ":status: 204\n";
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *s = rig_get(r, "/");
	rig_run(r);
	assert_int_equal(r->hook[1].calls, 1);
	assert_int_equal(r->hook[4].calls, 1);
	assert_string_equal(s->head, ":status: 204\n");
	assert_true(s->end && rig_served(r, 0)->end);
	rig_check_lacks(rig_served(r, 0), "content-length");
	rig_end_all(r);
}

/* ---- waiting and refusing ---- */

/* 100 of them stop before the server has heard of anything, and go on in another order. */
static void many_that_wait(void **state)
{
	struct rig *r = rig_fresh();
	struct rig_stream *s[100];

	r->hook[0].waits = 100;
	r->answer_len = 5000;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	for (int i = 0; i < 100; i++)
		s[i] = rig_request(r, RIG_POST, 300, NULL);
	rig_run(r);
	assert_int_equal(r->waiting_count, 100);
	assert_int_equal(r->server.count, 0);
	/* Half of them are given up meanwhile. */
	for (int i = 0; i < 100; i += 2)
		nghttp2_submit_rst_stream(r->client.session, 0, s[i]->id, NGHTTP2_CANCEL);
	rig_run(r);
	assert_int_equal(r->done, 50);
	assert_int_equal(r->waiting_count, 50);
	rig_resume(r);
	rig_run(r);
	assert_int_equal(r->server.count, 50);
	for (int i = 1; i < 100; i += 2)
		assert_true(s[i]->end && s[i]->got == 5000);
	assert_int_equal(r->done, 100);
	rig_end_all(r);
}

static void each_hook_can_wait_and_others_go_on(void **state)
{
	for (int h = 0; h < 6; h++) {
		struct rig *r = rig_fresh();
		r->request_mode = r->answer_mode = HTTP_BODY_SAME;
		r->answer_len = 40000;
		r->answer_trailers = "t: 1\n";
		r->hook[h].waits = 2;
		r->only = 3;
		rig_begin(r, NULL, 0, NULL, 0, NULL);
		struct rig_stream *a = rig_request(r, RIG_POST, 40000, "q: 1\n");
		struct rig_stream *b = rig_request(r, RIG_POST, 40000, "q: 2\n");
		if (h == 0)
			r->only = 3;
		rig_run(r);
		rig_check_whole(a, 40000);
		assert_false(b->end);
		assert_int_equal(r->waiting_count, 1);
		rig_resume(r);
		rig_run(r);
		assert_false(b->end);
		rig_resume(r);
		rig_run(r);
		rig_check_whole(b, 40000);
		rig_check_whole(rig_served(r, 1), 40000);
		rig_check_has(rig_served(r, 1), "q: 2\n");
		rig_check_has(b, "t: 1\n");
		rig_end_all(r);
	}
}

/* The hook is called with what it was called with; the rest is behind that. */
static void what_comes_while_a_body_hook_waits_is_not_lost(void **state)
{
	static const enum http_body_mode modes[] = {HTTP_BODY_SAME, HTTP_BODY_STREAM,
						    HTTP_BODY_WHOLE};

	for (size_t i = 0; i < 3; i++) {
		struct rig *r = rig_fresh();
		r->request_mode = modes[i];
		r->hook[1].waits = 2;
		rig_begin(r, NULL, 0, NULL, 0, NULL);
		struct rig_stream *s = rig_request(r, RIG_POST, 3, NULL);
		s->endless = true;
		rig_run(r);
		assert_int_equal(r->waiting_count, 1);
		rig_more(&r->client, s, 5, false);
		rig_run(r);
		rig_resume(r);
		rig_more(&r->client, s, 7, true);
		rig_run(r);
		assert_int_equal(r->waiting_count, 1);
		rig_resume(r);
		rig_run(r);
		assert_true(s->end);
		rig_check_whole(rig_served(r, 0), 15);
		rig_end_all(r);
	}
}

static void each_hook_can_refuse_and_others_go_on(void **state)
{
	for (int h = 0; h < 6; h++) {
		struct rig *r = rig_fresh();
		r->request_mode = HTTP_BODY_SAME;
		/* So that a refused body can still be answered. */
		r->answer_mode = h == 4 ? HTTP_BODY_WHOLE : HTTP_BODY_SAME;
		r->answer_len = 40000;
		r->answer_trailers = "t: 1\n";
		r->hook[h].refuse = true;
		r->only = 1;
		rig_begin(r, NULL, 0, NULL, 0, NULL);
		struct rig_stream *a = rig_request(r, RIG_POST, 40000, "q: 1\n");
		struct rig_stream *b = rig_request(r, RIG_POST, h ? 40000 : 0, h ? "q: 2\n" : NULL);
		rig_run(r);
		assert_true(a->closed);
		if (h == 5) { /* The answer has gone already. */
			rig_check_has(a, ":status: 200\n");
			assert_int_equal(a->code, NGHTTP2_INTERNAL_ERROR);
			assert_false(a->end);
		} else {
			rig_check_has(a, ":status: 403\n");
			rig_check_has(a, "content-type: application/json\n");
			assert_true(a->end);
			assert_non_null(strstr(a->text, "{\"error\":\"denied by policy\","
							"\"reason\":\"for a test\""));
		}
		/* Whatever the upstream has seen of it was no whole request. */
		for (size_t i = 0; i < r->server.count && h && h < 3; i++) {
			struct rig_stream *up = rig_served(r, i);
			assert_true(up->closed);
			assert_true(strstr(up->head, "q: 2\n") ? up->code == 0 : !up->end);
		}
		assert_true(b->end && b->closed && b->code == 0);
		rig_check_has(b, ":status: 200\n");
		assert_false(r->client.goaway);
		rig_end_all(r);
	}
}

/* A request that the filter refuses, of whose body nothing has come yet. */
static struct rig_stream *refused_upload(struct rig *r)
{
	r->hook[0].refuse = true;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	rig_run(r);
	struct rig_stream *s = rig_request(r, RIG_POST, 1, NULL);
	s->left = 0;
	s->endless = true;
	rig_run(r);
	return s;
}

/* The guest may learn of it before its first byte of the body. */
static void a_refusal_waits_for_a_short_body(void **state)
{
	for (int is_long = 0; is_long < 2; is_long++) {
		struct rig *r = rig_fresh();
		struct rig_stream *s = refused_upload(r);

		rig_check_has(s, ":status: 403\n");
		assert_true(s->end);
		assert_false(s->closed);
		rig_more(&r->client, s, is_long ? 20000 : 10000, !is_long);
		rig_run(r);
		assert_true(s->closed);
		assert_int_equal(s->code, NGHTTP2_NO_ERROR);
		assert_int_equal(r->server.count, 0);
		struct rig_stream *next = rig_request(r, RIG_POST, 10, NULL);
		rig_run(r);
		rig_check_has(next, ":status: 403\n");
		assert_true(next->closed);
		rig_end_all(r);
	}
}

/* But not where the connection is about to end. */
static void a_refusal_waits_for_nobody_at_the_end(void **state)
{
	struct rig *r = rig_fresh();
	struct rig_stream *s = refused_upload(r);

	assert_false(s->closed);
	nghttp2_submit_goaway(r->server.session, 0, 0, NGHTTP2_NO_ERROR, NULL, 0);
	rig_run(r);
	assert_true(s->closed);
	assert_int_equal(s->code, NGHTTP2_NO_ERROR);
	assert_true(r->client.goaway);
	rig_end_all(r);
}

static void a_refusal_is_told_before_the_upstream_has_spoken(void **state)
{
	struct rig *r = rig_fresh();

	r->hook[0].refuse = true;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	r->stop_server_reading = true;
	/* Not even its SETTINGS. */
	nghttp2_session_del(r->server.session);
	r->server.session = NULL;
	nghttp2_session_callbacks *cb;
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_server_new(&r->server.session, cb, &r->server);
	nghttp2_session_callbacks_del(cb);
	struct rig_stream *s = rig_request(r, RIG_POST, 100000, NULL);
	rig_run(r);
	rig_check_has(s, ":status: 403\n");
	assert_true(s->end);
	rig_end_all(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_that_changes_bodies),
		cmocka_unit_test(a_filter_that_does_not_keep_a_length),
		cmocka_unit_test(a_body_that_is_collected_is_asked_for),
		cmocka_unit_test(a_filter_is_told_the_end_of_an_empty_body),
		cmocka_unit_test(many_that_wait),
		cmocka_unit_test(each_hook_can_wait_and_others_go_on),
		cmocka_unit_test(what_comes_while_a_body_hook_waits_is_not_lost),
		cmocka_unit_test(each_hook_can_refuse_and_others_go_on),
		cmocka_unit_test(a_refusal_waits_for_a_short_body),
		cmocka_unit_test(a_refusal_waits_for_nobody_at_the_end),
		cmocka_unit_test(a_refusal_is_told_before_the_upstream_has_spoken),
	};

	return cmocka_run_group_tests_name("http_proxy_h2_filter", tests, NULL, NULL);
}
