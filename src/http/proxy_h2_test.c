// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/2 proxy between nghttp2's client and server: exchanges and tunnels come through as they
 * are, heads that are wrong or too large do not, and no exchange suffers from another.
 */
#include "http/proxy_h2_rig.h"

#include <stdio.h>
#include <string.h>

/* ---- plain exchanges ---- */

static void a_request_and_its_answer_come_through(void **state)
{
	struct rig *r = rig_plain();
	struct rig_stream *s = rig_get(r, "/x?y=1");

	rig_run(r);
	assert_string_equal(rig_served(r, 0)->head, ":method: GET\n:scheme: https\n"
						    ":authority: a.example\n:path: /x?y=1\n");
	assert_true(rig_served(r, 0)->end);
	assert_string_equal(s->head, ":status: 200\nserver: rig\n");
	rig_check_whole(s, 0);
	assert_true(s->closed && s->code == 0);
	assert_int_equal(r->done, 1);
	assert_true(http_proxy_idle(r->proxy));
	rig_end_all(r);
}

static void bodies_and_trailers_come_through_both_ways(void **state)
{
	struct rig *r = rig_fresh();

	r->answer_len = 300000;
	r->answer_trailers = "grpc-status: 0\ngrpc-message: fine\n";
	r->chunk = 5000;
	r->seed = 7;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *s = rig_request(r, RIG_POST "te: trailers\n", 200000, "checksum: 9\n");
	rig_run(r);
	rig_check_whole(rig_served(r, 0), 200000);
	rig_check_has(rig_served(r, 0), "te: trailers\nchecksum: 9\n");
	rig_check_whole(s, 300000);
	rig_check_has(s, "server: rig\ngrpc-status: 0\ngrpc-message: fine\n");
	assert_int_equal(r->hook[2].calls, 1);
	assert_int_equal(r->hook[5].calls, 1);
	/* PASS: nobody looks into bodies. */
	assert_int_equal(r->hook[1].calls + r->hook[4].calls, 0);
	rig_end_all(r);
}

static void interim_answers_come_through_in_order(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *s = rig_request(r, RIG_POST "expect: 100-continue\n", 10, NULL);
	rig_run(r);
	rig_interim(r, rig_served(r, 0), ":status: 100\n");
	rig_interim(r, rig_served(r, 0), ":status: 103\nlink: </a>\n");
	rig_answer(r, rig_served(r, 0), ":status: 200\n", 5, NULL);
	rig_run(r);
	assert_string_equal(s->head, ":status: 100\n:status: 103\nlink: </a>\n:status: 200\n");
	rig_check_whole(s, 5);
	assert_int_equal(r->hook[3].calls, 3);
	rig_end_all(r);
}

static void answers_without_a_body_keep_their_length(void **state)
{
	struct rig *r = rig_fresh();

	r->answer = ":status: 200\ncontent-length: 77\n";
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *s =
		rig_request(r, ":method: HEAD\n:scheme: https\n:authority: a.example\n:path: /\n",
			    0, NULL);
	rig_run(r);
	assert_string_equal(s->head, r->answer);
	assert_true(s->end && s->code == 0);
	r->answer = ":status: 304\ncontent-length: 77\netag: 1\n";
	s = rig_get(r, "/");
	rig_run(r);
	assert_string_equal(s->head, r->answer);
	r->answer = ":status: 204\n";
	s = rig_get(r, "/");
	rig_run(r);
	assert_string_equal(s->head, r->answer);
	assert_true(s->end && s->code == 0);
	rig_end_all(r);
}

static void a_hundred_streams_at_once_in_any_pieces(void **state)
{
	const nghttp2_settings_entry wide[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 300000}};

	for (unsigned seed = 1; seed <= 8; seed++) {
		struct rig *r = rig_fresh();
		struct rig_stream *s[100];
		r->seed = seed;
		r->chunk = seed % 2 ? 100 : 20000;
		r->when = seed % 3 ? RIG_WHEN_WHOLE : RIG_AT_ONCE;
		r->answer_len = 3000 * seed;
		r->answer_trailers = seed % 2 ? "t: 1\n" : NULL;
		r->answer_mode = seed % 4 == 0 ? HTTP_BODY_SAME : HTTP_BODY_PASS;
		r->request_mode = seed % 4 == 1 ? HTTP_BODY_STREAM : HTTP_BODY_PASS;
		rig_begin(r, wide, seed % 2, wide, seed > 4, NULL);
		for (unsigned i = 0; i < 100; i++)
			s[i] = rig_request(r, RIG_POST, i * 37 * seed, i % 5 ? NULL : "end: now\n");
		rig_run(r);
		for (unsigned i = 0; i < 100; i++) {
			rig_check_whole(rig_served(r, i), i * 37 * seed);
			rig_check_whole(s[i], r->answer_len);
			assert_true(s[i]->closed);
		}
		assert_int_equal(r->done, 100);
		assert_true(http_proxy_idle(r->proxy));
		rig_end_all(r);
	}
}

static void a_stream_goes_both_ways_at_once(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *c = rig_request(r, RIG_POST, 1, NULL);
	c->endless = true;
	rig_run(r);
	struct rig_stream *s = rig_served(r, 0);
	s->endless = true;
	rig_answer(r, s, ":status: 200\n", 0, NULL);
	/* A message each way at a time: nothing is held back. */
	for (int i = 1; i <= 10; i++) {
		rig_more(&r->server, s, 3, false);
		rig_run(r);
		assert_int_equal(c->got, i * 3);
		rig_more(&r->client, c, 2, false);
		rig_run(r);
		assert_int_equal(s->got, 1 + i * 2);
	}
	rig_more(&r->client, c, 1, true);
	rig_run(r);
	assert_true(s->end && !c->end);
	rig_more(&r->server, s, 1, true);
	rig_run(r);
	assert_true(c->end && c->closed && c->code == 0);
	rig_end_all(r);
}

/* ---- heads ---- */

static void secrets_are_never_indexed(void **state)
{
	struct rig *r = rig_fresh();

	r->answer = ":status: 200\nset-cookie: s=1\nserver: x\n";
	r->add_name = "X-Api-Key";
	r->add_value = "the-value";
	r->path = "/x?key=the-value";
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *s =
		rig_request(r,
			    RIG_POST "authorization: Bearer 1\ncookie: a-long-cookie=1; "
				     "b=2\nx-plain: 1\nproxy-authorization: x\n",
			    0, NULL);
	rig_run(r);
	rig_check_has(rig_served(r, 0), "authorization !: Bearer 1\n");
	rig_check_has(rig_served(r, 0), "cookie !: a-long-cookie=1; b=2\n");
	rig_check_has(rig_served(r, 0), "proxy-authorization !: x\n");
	rig_check_has(rig_served(r, 0), "x-plain: 1\n");
	rig_check_has(rig_served(r, 0), "x-api-key !: the-value\n");
	rig_check_has(rig_served(r, 0), ":path !: /x?key=the-value\n");
	rig_check_has(s, "set-cookie !: s=1\nserver: x\n");
	rig_end_all(r);
}

static void host_becomes_the_authority(void **state)
{
	struct rig *r = rig_plain();

	rig_request(r, ":method: GET\n:scheme: https\n:path: /\nhost: a.example\n", 0, NULL);
	rig_run(r);
	rig_check_has(rig_served(r, 0), ":authority: a.example\n");
	rig_check_lacks(rig_served(r, 0), "host:");
	rig_end_all(r);
}

/* Each is refused alone; what comes behind goes on. */
static void malformed_requests_are_refused_alone(void **state)
{
	static const char *const answered[] = {
		RIG_POST "host: b.example\n",
		RIG_POST "connection: close\n",
		RIG_POST "te: gzip\n",
		":method: GET\n:scheme: https\n:authority: a@b\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: a.example\n:path: /a\\b\n",
		":method: GET\n:scheme: https\n:authority: a.example\n:path: b\n",
		":method: GET\n:scheme: http\n:authority: a.example\n:path: /\n",
		":method: GET\n:scheme: ftp\n:authority: a.example\n:path: /\n",
		":method: get me\n:scheme: https\n:authority: a.example\n:path: /\n",
		":method: CONNECT\n:authority: a.example\n",
		":method: CONNECT\n:scheme: https\n:protocol: websocket\n"
		":authority: a.example\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: a.example\n",
		":method: GET\n:scheme: https\n:authority: a.example\n:path: /\n:path: /b\n",
		":method: GET\n:scheme: https\nx: 1\n:authority: a.example\n:path: /\n",
		RIG_POST "content-length: 1\ncontent-length: 1\n",
		RIG_POST "content-length: +1\n",
		RIG_POST "x: a\rb\n",
	};
	struct rig *r = rig_plain();

	for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++) {
		struct rig_stream *s = rig_request(r, answered[i], 0, NULL);
		rig_run(r);
		bool reset = s->closed && s->code == NGHTTP2_PROTOCOL_ERROR;
		bool told = strstr(s->head, ":status: 400\n") && s->end;
		if (!reset && !told)
			fail_msg("not refused: %s\n%s code %u", answered[i], s->head, s->code);
		assert_int_equal(r->server.count, 0);
	}
	assert_int_equal(r->open, 0);
	struct rig_stream *s = rig_get(r, "/");
	rig_run(r);
	rig_check_has(s, ":status: 200\n");
	rig_end_all(r);
}

static void malformed_answers_are_502(void **state)
{
	static const char *const answers[] = {
		":status: 2000\n",
		":status: 101\n",
		"server: x\n",
		":status: 200\nconnection: close\n",
		":status: 200\n:status: 200\n",
		":status: 200\ncontent-length: 5\ncontent-length: 6\n",
		":status: 200\nx: a\rb\n",
	};
	struct rig *r = rig_plain();

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		r->answer = answers[i];
		struct rig_stream *s = rig_get(r, "/");
		rig_run(r);
		if (!strstr(s->head, ":status: 502\n") || !s->end)
			fail_msg("taken: %s%s", answers[i], s->head);
		rig_check_lacks(s, "server: x");
		assert_non_null(strstr(s->text, "\"reason\":\"the upstream's answer"));
		assert_true(rig_served(r, i)->closed);
	}
	rig_end_all(r);
}

static void large_heads_are_431_and_the_largest_are_not(void **state)
{
	struct rig *r = rig_plain();
	static char head[80000];
	size_t n = (size_t)sprintf(head, "%s", RIG_POST);

	/* 60 of 1,000 characters. */
	for (int i = 0; i < 60; i++)
		n += (size_t)sprintf(head + n, "x-%02d: %01000d\n", i, i);
	struct rig_stream *s = rig_request(r, head, 0, NULL);
	rig_run(r);
	rig_check_has(s, ":status: 200\n");
	for (int i = 60; i < 70; i++)
		n += (size_t)sprintf(head + n, "x-%02d: %01000d\n", i, i);
	s = rig_request(r, head, 0, NULL);
	rig_run(r);
	rig_check_has(s, ":status: 431\n");
	/* Many small ones. */
	n = (size_t)sprintf(head, "%s", RIG_POST);
	for (int i = 0; i < 1001; i++)
		n += (size_t)sprintf(head + n, "a: %d\n", i % 10);
	s = rig_request(r, head, 0, NULL);
	rig_run(r);
	rig_check_has(s, ":status: 431\n");
	/* Short ones, that count for more than their text (RFC 9113 6.5.2). */
	n = (size_t)sprintf(head, "%s", RIG_POST);
	for (int i = 0; i < 900; i++)
		n += (size_t)sprintf(head + n, "bb: %040d\n", i);
	s = rig_request(r, head, 0, NULL);
	rig_run(r);
	rig_check_has(s, ":status: 431\n");
	assert_int_equal(r->server.count, 1);
	/* The table of headers is as it was. */
	s = rig_get(r, "/");
	rig_run(r);
	rig_check_has(s, ":status: 200\n");
	rig_end_all(r);
}

static void a_large_answer_head_is_502(void **state)
{
	struct rig *r = rig_fresh();
	static char head[80000];
	size_t n = (size_t)sprintf(head, ":status: 200\n");

	for (int i = 0; i < 70; i++)
		n += (size_t)sprintf(head + n, "x-%02d: %01000d\n", i, i);
	r->answer = head;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *s = rig_get(r, "/");
	rig_run(r);
	rig_check_has(s, ":status: 502\n");
	rig_end_all(r);
}

static void trailers_that_are_too_long(void **state)
{
	struct rig *r = rig_fresh();
	static char trailers[80000];
	size_t n = 0;

	for (int i = 0; i < 70; i++)
		n += (size_t)sprintf(trailers + n, "x-%02d: %01000d\n", i, i);
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *s = rig_request(r, RIG_POST, 10, trailers);
	rig_run(r);
	rig_check_has(s, ":status: 400\n");
	for (size_t i = 0; i < r->server.count; i++)
		assert_false(rig_served(r, i)->end);
	r->answer_len = 10;
	r->answer_trailers = trailers;
	s = rig_get(r, "/");
	rig_run(r);
	assert_true(s->closed && !s->end && s->code == NGHTTP2_INTERNAL_ERROR);
	rig_end_all(r);
}

static void a_body_of_another_length_than_was_said_breaks_off(void **state)
{
	struct rig *r = rig_plain();
	struct rig_stream *s = rig_request(r, RIG_POST "content-length: 5\n", 3, NULL);

	s->endless = true;
	rig_run(r);
	assert_int_equal(rig_served(r, 0)->got, 3);
	rig_more(&r->client, s, 3, true);
	rig_run(r);
	assert_int_equal(s->code, NGHTTP2_PROTOCOL_ERROR);
	assert_false(rig_served(r, 0)->end);
	assert_true(rig_served(r, 0)->closed && rig_served(r, 0)->code);
	r->answer = ":status: 200\ncontent-length: 5\n";
	r->answer_len = 4;
	s = rig_get(r, "/");
	rig_run(r);
	assert_true(s->closed && !s->end && s->code);
	rig_end_all(r);
}

/* ---- tunnels ---- */

static void connect_makes_a_tunnel(void **state)
{
	struct rig *r = rig_fresh();

	r->when = RIG_NEVER;
	r->upper = true;
	r->request_mode = r->answer_mode = HTTP_BODY_SAME;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *c =
		rig_request(r, ":method: CONNECT\n:authority: a.example:443\n", 5, NULL);
	c->endless = true;
	rig_run(r);
	struct rig_stream *s = rig_served(r, 0);
	assert_string_equal(s->head, ":method: CONNECT\n:authority: a.example:443\n");
	assert_int_equal(s->got, 0); /* not before there is a tunnel */
	s->endless = true;
	rig_answer(r, s, ":status: 200\n", 7, NULL);
	rig_run(r);
	assert_int_equal(s->got, 5);
	assert_int_equal(c->got, 7);
	assert_false(s->bad || c->bad);
	rig_more(&r->server, s, 0, true);
	rig_run(r);
	assert_true(c->end);
	rig_more(&r->client, c, 9, true);
	rig_run(r);
	rig_check_whole(s, 14);
	rig_end_all(r);
}

static void a_tunnel_that_is_refused_has_an_answer(void **state)
{
	struct rig *r = rig_fresh();

	r->answer = ":status: 407\n";
	r->answer_len = 30;
	r->when = RIG_AT_ONCE;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *c =
		rig_request(r, ":method: CONNECT\n:authority: a.example:443\n", 5, NULL);
	rig_run(r);
	rig_check_has(c, ":status: 407\n");
	rig_check_whole(c, 30);
	rig_end_all(r);
}

#define WEBSOCKET                                                                                \
	":method: CONNECT\n:protocol: websocket\n:scheme: https\n:authority: a.example\n:path: " \
	"/chat\n"

static void extended_connect_where_the_upstream_offers_it(void **state)
{
	const nghttp2_settings_entry offer[] = {{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}};
	struct rig *r = rig_fresh();

	r->when = RIG_NEVER;
	rig_begin(r, NULL, 0, offer, 1, NULL);
	rig_run(r);
	/* With the first SETTINGS that the guest sees, or right behind. */
	assert_int_equal(r->client.settings, 2);
	assert_int_equal(nghttp2_session_get_remote_settings(
				 r->client.session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL),
			 1);
	struct rig_stream *c = rig_request(r, WEBSOCKET, 5, NULL);
	c->endless = true;
	rig_run(r);
	struct rig_stream *s = rig_served(r, 0);
	rig_check_has(s, ":protocol: websocket\n");
	s->endless = true;
	rig_answer(r, s, ":status: 200\n", 7, NULL);
	rig_run(r);
	assert_int_equal(s->got, 5);
	assert_int_equal(c->got, 7);
	rig_end_all(r);
}

static void extended_connect_that_is_offered_later(void **state)
{
	const nghttp2_settings_entry offer[] = {{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}};
	struct rig *r = rig_plain();

	rig_run(r);
	struct rig_stream *c = rig_request(r, WEBSOCKET, 0, NULL);
	rig_run(r);
	assert_int_equal(c->code, NGHTTP2_PROTOCOL_ERROR);
	nghttp2_submit_settings(r->server.session, 0, offer, 1);
	rig_run(r);
	c = rig_request(r, WEBSOCKET, 0, NULL);
	rig_run(r);
	rig_check_has(c, ":status: 200\n");
	rig_end_all(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_and_its_answer_come_through),
		cmocka_unit_test(bodies_and_trailers_come_through_both_ways),
		cmocka_unit_test(interim_answers_come_through_in_order),
		cmocka_unit_test(answers_without_a_body_keep_their_length),
		cmocka_unit_test(a_hundred_streams_at_once_in_any_pieces),
		cmocka_unit_test(a_stream_goes_both_ways_at_once),
		cmocka_unit_test(secrets_are_never_indexed),
		cmocka_unit_test(host_becomes_the_authority),
		cmocka_unit_test(malformed_requests_are_refused_alone),
		cmocka_unit_test(malformed_answers_are_502),
		cmocka_unit_test(large_heads_are_431_and_the_largest_are_not),
		cmocka_unit_test(a_large_answer_head_is_502),
		cmocka_unit_test(trailers_that_are_too_long),
		cmocka_unit_test(a_body_of_another_length_than_was_said_breaks_off),
		cmocka_unit_test(connect_makes_a_tunnel),
		cmocka_unit_test(a_tunnel_that_is_refused_has_an_answer),
		cmocka_unit_test(extended_connect_where_the_upstream_offers_it),
		cmocka_unit_test(extended_connect_that_is_offered_later),
	};

	return cmocka_run_group_tests_name("http_proxy_h2", tests, NULL, NULL);
}
