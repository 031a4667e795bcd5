// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/2 proxy between ends that do not behave: slow readers, floods, frames and heads that are
 * no HTTP/2. What is held stays bounded, and the one connection that is at fault ends, with the
 * right code.
 */
#include "http/proxy_h2_rig.h"

#include <string.h>

#include "http/proxy_h2_priv.h"

/* The ends have seen each other's settings. */
static struct rig *begin(void)
{
	struct rig *r = rig_plain();

	rig_run(r);
	return r;
}

/* What the proxy holds beside what it shows to go out. */
static size_t queued(const struct rig *r)
{
	const struct h2p *p = (const struct h2p *)(const void *)r->proxy;

	return p->side[0].queued + p->side[1].queued;
}

/* ---- flow control ---- */

static void a_slow_reader_of_one_stream_stops_no_other(void **state)
{
	struct rig *r = rig_fresh();

	r->answer_len = 1000000;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	struct rig_stream *a = rig_get(r, "/");
	a->paused = true;
	rig_run(r);
	assert_int_equal(a->got, 65535);
	/* The server could send that, and a piece ahead, which lies here. */
	assert_int_equal(rig_served(r, 0)->sent, 65535 + H2P_AHEAD);
	assert_int_equal(queued(r), H2P_AHEAD);
	for (int i = 0; i < 20; i++) {
		struct rig_stream *b = rig_get(r, "/");
		rig_run(r);
		assert_true(b->end && !b->bad && b->got == 1000000);
	}
	rig_unpause(&r->client, a);
	rig_run(r);
	assert_true(a->end && !a->bad && a->got == 1000000);
	rig_end_all(r);
}

static void many_streams_that_stand_still_stop_no_other(void **state)
{
	struct rig *r = rig_silent();

	r->server.pauses = true;
	for (int i = 0; i < 100; i++)
		/* Some of them have been sent whole. */
		rig_request(r, RIG_POST, i % 2 ? 200000 : 110000, NULL);
	rig_run(r);
	assert_true(queued(r) <= H2P_AHEAD_ALL);
	r->server.pauses = false;
	for (size_t i = 0; i < 20; i++) {
		rig_request(r, RIG_POST, 100000, NULL);
		rig_run(r);
		assert_true(rig_served(r, 100 + i)->end && !rig_served(r, 100 + i)->bad);
		rig_answer(r, rig_served(r, 100 + i), ":status: 200\n", 0, NULL);
		rig_run(r);
	}
	for (size_t i = 0; i < 100; i++)
		rig_unpause(&r->server, rig_served(r, i));
	rig_run(r);
	for (size_t i = 0; i < 100; i++) {
		assert_true(rig_served(r, i)->end && !rig_served(r, i)->bad);
		rig_answer(r, rig_served(r, i), ":status: 200\n", 0, NULL);
	}
	rig_run(r);
	/* What they held others may hold now. */
	r->server.pauses = true;
	rig_request(r, RIG_POST, 200000, NULL);
	rig_run(r);
	assert_int_equal(queued(r), H2P_AHEAD);
	rig_end_all(r);
}

static void a_window_of_the_connection_is_the_senders(void **state)
{
	const nghttp2_settings_entry wide[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
	struct rig *r = rig_fresh();

	r->answer_len = 300000;
	rig_begin(r, wide, 1, wide, 1, NULL);
	r->client.stingy = r->server.stingy = true;
	rig_run(r);
	struct rig_stream *a = rig_request(r, RIG_POST, 300000, NULL), *b = rig_get(r, "/");
	rig_run(r);
	assert_int_equal(rig_served(r, 0)->got, 65535);
	assert_int_equal(a->got + b->got, 65535);
	assert_true(a->sent <= 65535 + H2P_AHEAD_ALL);
	assert_true(rig_served(r, 0)->sent + rig_served(r, 1)->sent <= 65535 + H2P_AHEAD_ALL);
	assert_true(queued(r) <= 2 * H2P_AHEAD_ALL);
	nghttp2_submit_window_update(r->client.session, 0, 0, 1 << 20);
	nghttp2_submit_window_update(r->server.session, 0, 0, 1 << 20);
	rig_run(r);
	assert_true(a->end && b->end && !a->bad && !b->bad);
	rig_end_all(r);
}

static void a_slow_server_stops_the_upload_at_the_guest(void **state)
{
	struct rig *r = rig_silent();
	struct rig_stream *a = rig_request(r, RIG_POST, 1, NULL);
	a->endless = true;
	rig_run(r);
	rig_served(r, 0)->paused = true;
	rig_more(&r->client, a, 1000000, true);
	rig_run(r);
	assert_int_equal(a->sent, 65535 + H2P_AHEAD);
	assert_int_equal(queued(r), H2P_AHEAD);
	struct rig_stream *b = rig_request(r, RIG_POST, 500000, NULL);
	rig_run(r);
	assert_true(rig_served(r, 1)->end && !rig_served(r, 1)->bad);
	assert_int_equal(b->sent, 500000);
	rig_unpause(&r->server, rig_served(r, 0));
	rig_run(r);
	assert_true(rig_served(r, 0)->end && rig_served(r, 0)->got == 1000001);
	rig_end_all(r);
}

static void a_guest_that_reads_nothing_fills_no_memory(void **state)
{
	const nghttp2_settings_entry wide[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x7fffffff}};
	struct rig *r = rig_fresh();

	r->answer_len = 100 << 20;
	rig_begin(r, wide, 1, NULL, 0, NULL);
	nghttp2_submit_window_update(r->client.session, 0, 0, 0x7fffffff - 65535);
	for (int i = 0; i < 100; i++)
		rig_get(r, "/");
	r->stop_client_reading = true;
	rig_run(r);
	assert_true(r->server.count > 90);
	assert_true(r->most < 3 * HTTP_PROXY_HIGH);
	assert_true(queued(r) < H2P_QUEUE_MAX);
	rig_end_all(r);
}

static void bytes_that_wait_for_a_hook_are_bounded(void **state)
{
	const nghttp2_settings_entry wide[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x7fffffff}};
	struct rig *r = rig_fresh();

	r->answer_len = 32 << 20;
	r->hook[3].waits = 1;
	rig_begin(r, wide, 1, wide, 1, NULL);
	nghttp2_submit_window_update(r->client.session, 0, 0, 0x7fffffff - 65535);
	struct rig_stream *s = rig_get(r, "/");
	rig_run(r);
	assert_true(queued(r) > 1 << 20 && queued(r) <= H2P_QUEUE_MAX + H2P_SLICE);
	rig_resume(r);
	rig_run(r);
	assert_true(s->end && !s->bad && s->got == 32 << 20);
	/* What was held goes out no faster than it is taken. */
	assert_true(r->most < 3 * HTTP_PROXY_HIGH);
	rig_end_all(r);
}

static void a_filter_that_makes_more_of_it_is_bounded(void **state)
{
	struct rig *r = rig_fresh();

	r->request_mode = HTTP_BODY_STREAM;
	r->expand = 50;
	r->when = RIG_NEVER;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	r->server.pauses = true;
	struct rig_stream *s = rig_request(r, RIG_POST, 200000, NULL);
	rig_run(r);
	assert_int_equal(rig_served(r, 0)->got, 65535);
	/* What came, and what was made of one piece beyond what is enough. */
	assert_true(queued(r) <= 65535 + H2P_AHEAD + H2P_OUT_MAX + 50 * 16384);
	rig_unpause(&r->server, rig_served(r, 0));
	rig_run(r);
	assert_true(rig_served(r, 0)->end && !rig_served(r, 0)->bad);
	assert_int_equal(rig_served(r, 0)->got, 200000 * 50);
	assert_int_equal(s->sent, 200000);
	rig_end_all(r);
}

static void windows_of_no_bytes_are_waited_for(void **state)
{
	const nghttp2_settings_entry none[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}};
	const nghttp2_settings_entry some[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10}};

	for (int mode = 0; mode < 2; mode++) {
		struct rig *r = rig_fresh();
		r->answer_len = 1000;
		r->request_mode = r->answer_mode = mode ? HTTP_BODY_WHOLE : HTTP_BODY_PASS;
		rig_begin(r, none, 1, none, 1, NULL);
		rig_run(r);
		struct rig_stream *s = rig_request(r, RIG_POST, 1000, NULL);
		rig_run(r);
		assert_int_equal(rig_served(r, 0)->got, 0);
		nghttp2_submit_settings(r->server.session, 0, some, 1);
		nghttp2_submit_settings(r->client.session, 0, some, 1);
		rig_run(r);
		assert_true(rig_served(r, 0)->end && rig_served(r, 0)->got == 1000);
		assert_true(s->end && !s->bad && s->got == 1000);
		rig_end_all(r);
	}
}

/* ---- limits of the guest ---- */

static void streams_beyond_the_limit_can_be_tried_again(void **state)
{
	const struct http_proxy_limits limits = {.streams = 10};
	struct rig *r = rig_fresh();

	r->when = RIG_NEVER;
	rig_begin(r, NULL, 0, NULL, 0, &limits);
	struct rig_stream *s[30];
	/* Before the guest knows of the limit. */
	for (int i = 0; i < 30; i++)
		s[i] = rig_get(r, "/");
	rig_run(r);
	assert_int_equal(r->server.count, 10);
	for (int i = 10; i < 30; i++)
		assert_true(s[i]->closed && s[i]->code == NGHTTP2_REFUSED_STREAM);
	assert_int_equal(nghttp2_session_get_remote_settings(
				 r->client.session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
			 10);
	for (size_t i = 0; i < 10; i++)
		rig_answer(r, rig_served(r, i), ":status: 200\n", 0, NULL);
	rig_run(r);
	struct rig_stream *again = rig_get(r, "/");
	rig_run(r);
	assert_int_equal(r->server.count, 11);
	assert_false(again->closed);
	rig_end_all(r);
}

static void streams_that_come_and_go_count_until_they_are_gone(void **state)
{
	const struct http_proxy_limits limits = {.streams = 10};
	struct rig *r = rig_fresh();

	r->when = RIG_NEVER;
	rig_begin(r, NULL, 0, NULL, 0, &limits);
	for (int i = 0; i < 100; i++) {
		struct rig_stream *s = rig_get(r, "/");
		rig_flush(&r->client);
		nghttp2_submit_rst_stream(r->client.session, 0, s->id, NGHTTP2_CANCEL);
	}
	rig_run(r);
	assert_int_equal(r->open, 10);
	rig_end_all(r);
}

static void the_upstreams_limit_is_the_guests(void **state)
{
	const nghttp2_settings_entry few[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3}};
	struct rig *r = rig_fresh();

	rig_begin(r, NULL, 0, few, 1, NULL);
	rig_run(r);
	assert_int_equal(nghttp2_session_get_remote_settings(
				 r->client.session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
			 3);
	for (int i = 0; i < 10; i++)
		rig_get(r, "/");
	rig_run(r);
	assert_int_equal(r->done, 10);
	rig_end_all(r);
}

static void assert_calm(struct rig *r, struct rig_end *e, const char *what)
{
	const uint32_t code = NGHTTP2_ENHANCE_YOUR_CALM;

	rig_run(r);
	if (!e->goaway || e->goaway_code != code)
		fail_msg("%s: goaway %d code %u failed %d", what, e->goaway, e->goaway_code,
			 e->failed);
	assert_int_equal(http_proxy_state(r->proxy, e->server ? HTTP_UPSTREAM : HTTP_GUEST),
			 HTTP_PROXY_END);
}

static void rapid_resets(void **state)
{
	struct rig *r = begin();

	r->when = RIG_NEVER;
	for (int i = 0; i < 590 && !r->client.goaway; i++) {
		struct rig_stream *s = rig_get(r, "/");
		rig_flush(&r->client);
		nghttp2_submit_rst_stream(r->client.session, 0, s->id, NGHTTP2_CANCEL);
		if (i % 20 == 0)
			rig_run(r);
		assert_true(i > 400 || !r->client.goaway);
	}
	assert_calm(r, &r->client, __func__);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_UPSTREAM), HTTP_PROXY_END);
	assert_int_equal(r->open, r->done);
	rig_end_all(r);
}

/* The guest makes us do the resetting. */
static void rapid_errors(void **state)
{
	struct rig *r = begin();
	static const uint8_t nothing[4];

	r->when = RIG_NEVER;
	for (int i = 0; i < 590 && !r->client.goaway; i++) {
		struct rig_stream *s = rig_get(r, "/");
		rig_frame(&r->client, NGHTTP2_WINDOW_UPDATE, 0, s->id, nothing, 4);
		if (i % 20 == 0)
			rig_run(r);
	}
	rig_run(r);
	assert_true(r->client.goaway);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_END);
	rig_end_all(r);
}

struct flood {
	const char *what;
	uint8_t type, flags;
	size_t len;
	const char *bytes;
	bool on_stream;
};

static const struct flood floods[] = {
	{"PING", NGHTTP2_PING, 0, 8, "12345678", false},
	{"SETTINGS", NGHTTP2_SETTINGS, 0, 0, "", false},
	{"PRIORITY", NGHTTP2_PRIORITY, 0, 5, "\0\0\0\0\1", true},
	{"empty DATA", NGHTTP2_DATA, 0, 0, "", true},
	{"WINDOW_UPDATE", NGHTTP2_WINDOW_UPDATE, 0, 4, "\0\0\0\1", false},
};

static void flood(struct rig_end *e, const struct flood *f, int32_t stream, int times)
{
	for (int i = 0; i < times; i++) {
		/* Of those the end has to know, for it looks at what acknowledges them. */
		if (f->type == NGHTTP2_SETTINGS)
			nghttp2_submit_settings(e->session, 0, NULL, 0);
		else
			rig_frame(e, f->type, f->flags, f->on_stream ? stream : 0, f->bytes,
				  f->len);
	}
}

static void floods_end_the_connection(void **state)
{
	for (int server = 0; server < 2; server++) {
		for (size_t k = 0; k < sizeof(floods) / sizeof(floods[0]); k++) {
			const struct flood *f = &floods[k];
			struct rig *r = begin();
			struct rig_end *e = server ? &r->server : &r->client;
			r->when = RIG_NEVER;
			struct rig_stream *s = rig_request(r, RIG_POST, 1, NULL);
			s->endless = true;
			rig_run(r);
			if (server) {
				rig_served(r, 0)->endless = true;
				rig_answer(r, rig_served(r, 0), ":status: 200\n", 1, NULL);
				rig_run(r);
			}
			flood(e, f, s->id, 200);
			rig_run(r);
			if (e->goaway)
				fail_msg("%s: too soon", f->what);
			flood(e, f, s->id, 3000);
			assert_calm(r, e, f->what);
			/* The stream has not simply vanished for the other. */
			assert_true(server ? s->closed : rig_served(r, 0)->closed);
			assert_true(server ? !s->end : !rig_served(r, 0)->end);
			rig_end_all(r);
		}
	}
}

static void pings_of_a_guest_that_does_not_read(void **state)
{
	struct rig *r = begin();

	r->answer_len = 10 << 20;
	r->stop_client_reading = true;
	rig_get(r, "/");
	nghttp2_submit_window_update(r->client.session, 0, 0, 1 << 30);
	rig_run(r);
	for (int i = 0; i < 1000; i++)
		rig_frame(&r->client, NGHTTP2_PING, 0, 0, "12345678", 8);
	rig_run(r);
	r->stop_client_reading = false;
	rig_run(r);
	assert_true(r->client.goaway ? r->client.goaway_code == NGHTTP2_ENHANCE_YOUR_CALM
				     : r->client.pings == 1000);
	assert_true(r->most < 3 * HTTP_PROXY_HIGH);
	rig_end_all(r);
}

/* A request of the static table's, again and again. */
static void streams_that_are_refused(void **state)
{
	const struct http_proxy_limits limits = {.streams = 1};
	static const char get[] = "\x82\x87\x84\x41\x01"
				  "a";
	struct rig *r = rig_fresh();

	r->when = RIG_NEVER;
	rig_begin(r, NULL, 0, NULL, 0, &limits);
	rig_run(r);
	for (int32_t i = 0; i < 1000; i++)
		rig_frame(&r->client, NGHTTP2_HEADERS, 5, 1 + 2 * i, get, 6);
	rig_run(r);
	assert_true(r->client.goaway);
	assert_int_equal(r->open, 1);
	rig_end_all(r);
}

/* It knows what we would say, and sends on as if it had read it. */
static void a_guest_that_reads_nothing_and_goes_on(void **state)
{
	static const uint8_t data[16384];
	struct rig *r = begin();
	struct h2p *p = (struct h2p *)(void *)r->proxy;

	r->when = RIG_NEVER;
	struct rig_stream *s = rig_request(r, RIG_POST, 1, NULL);
	s->endless = true;
	rig_get(r, "/");
	nghttp2_submit_window_update(r->client.session, 0, 0, 1 << 20);
	nghttp2_submit_window_update(r->client.session, 0, 3, 1 << 20);
	rig_run(r);
	r->stop_client_reading = true;
	rig_answer(r, rig_served(r, 1), ":status: 200\n", 1 << 20, NULL);
	rig_run(r);
	int frames = 0;
	while (!r->client.raw_len && frames++ < 5000) {
		rig_frame(&r->client, NGHTTP2_DATA, 0, s->id, data, sizeof(data));
		rig_run(r);
	}
	/* Not read any more. */
	assert_true(frames < 5000);
	assert_true(nghttp2_session_get_outbound_queue_size(p->side[HTTP_GUEST].session) <=
		    H2P_FRAMES + 8);
	assert_true(r->most < 3 * HTTP_PROXY_HIGH);
	rig_end_all(r);
}

static void continuations_without_end(void **state)
{
	for (int server = 0; server < 2; server++) {
		struct rig *r = begin();
		struct rig_end *e = server ? &r->server : &r->client;
		/* A literal without indexing: "a: b". */
		static const char block[] = "\x00\x01"
					    "a\x01"
					    "b";
		r->when = RIG_NEVER;
		if (server) {
			rig_get(r, "/");
			rig_run(r);
		}
		int32_t id = server ? rig_served(r, 0)->id : 1;
		rig_frame(e, NGHTTP2_HEADERS, 0, id, "\x88", server ? 1 : 0);
		for (int i = 0; i < 20; i++)
			rig_frame(e, NGHTTP2_CONTINUATION, 0, id, block, i % 2 ? 0 : 5);
		assert_calm(r, e, __func__);
		assert_int_equal(r->open, server);
		rig_end_all(r);
	}
}

/* One long value in the table, and then one byte for each time that it is to be read. */
static void a_block_that_grows_when_it_is_read(void **state)
{
	struct rig *r = begin();
	static uint8_t block[4096 + 12288];
	size_t n = 0;

	block[n++] = 0x40;
	block[n++] = 1;
	block[n++] = 'a';
	block[n++] = 0x7f;
	block[n++] = 0x80 | ((3900 - 127) & 127);
	block[n++] = (3900 - 127) >> 7;
	memset(block + n, 'x', 3900);
	n += 3900;
	memset(block + n, 0x80 | 62, 12288);
	n += 12288;
	rig_frame(&r->client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
		  1, block, n);
	rig_run(r);
	assert_int_equal(r->server.count, 0);
	assert_false(r->client.goaway);
	assert_int_equal(r->open, 0);
	rig_end_all(r);
}

static void interim_answers_without_end(void **state)
{
	struct rig *r = begin();

	r->when = RIG_NEVER;
	struct rig_stream *s = rig_get(r, "/");
	rig_run(r);
	for (int i = 0; i < 4000; i++)
		rig_interim(r, rig_served(r, 0), ":status: 103\n");
	assert_calm(r, &r->server, __func__);
	assert_true(s->closed);
	rig_end_all(r);
	/* While a hook waits. */
	r = begin();
	r->when = RIG_NEVER;
	r->hook[3].waits = 1;
	s = rig_get(r, "/");
	rig_run(r);
	for (int i = 0; i < 20; i++)
		rig_interim(r, rig_served(r, 0), ":status: 103\n");
	rig_run(r);
	assert_true(s->closed);
	assert_non_null(strstr(s->head, ":status: 502\n"));
	assert_false(r->server.goaway);
	rig_end_all(r);
}

/* ---- what is no HTTP/2 ---- */

static void another_protocol(void **state)
{
	struct rig *r = rig_fresh();

	rig_begin(r, NULL, 0, NULL, 0, NULL);
	rig_raw(&r->client, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", 35);
	rig_run(r);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_END);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_UPSTREAM), HTTP_PROXY_END);
	rig_end_all(r);
	r = rig_fresh();
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	rig_raw(&r->server, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 47);
	struct rig_stream *s = rig_get(r, "/");
	rig_run(r);
	assert_non_null(strstr(s->head, ":status: 502\n"));
	assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_END);
	assert_int_equal(http_proxy_state(r->proxy, HTTP_UPSTREAM), HTTP_PROXY_END);
	rig_end_all(r);
}

static void frames_that_break_the_rules(void **state)
{
	static const struct {
		struct flood frame;
		uint32_t code;
	} bad[] = {
		{{"PING of 7", NGHTTP2_PING, 0, 7, "1234567", false}, NGHTTP2_FRAME_SIZE_ERROR},
		{{"DATA on 0", NGHTTP2_DATA, 0, 1, "x", false}, NGHTTP2_PROTOCOL_ERROR},
		{{"PUSH_PROMISE", NGHTTP2_PUSH_PROMISE, 4, 5, "\0\0\0\2\x82", true},
		 NGHTTP2_PROTOCOL_ERROR},
		{{"HPACK", NGHTTP2_HEADERS, 5, 3, "\xff\xff\xff", true}, NGHTTP2_COMPRESSION_ERROR},
		{{"WINDOW_UPDATE of 0", NGHTTP2_WINDOW_UPDATE, 0, 4, "\0\0\0\0", false},
		 NGHTTP2_PROTOCOL_ERROR},
		{{"CONTINUATION", NGHTTP2_CONTINUATION, 4, 1, "\x82", true},
		 NGHTTP2_PROTOCOL_ERROR},
		{{"SETTINGS of 5", NGHTTP2_SETTINGS, 0, 5, "12345", false},
		 NGHTTP2_FRAME_SIZE_ERROR},
	};

	for (int server = 0; server < 2; server++) {
		for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
			struct rig *r = begin();
			struct rig_end *e = server ? &r->server : &r->client;
			r->when = RIG_NEVER;
			struct rig_stream *s = rig_get(r, "/");
			rig_run(r);
			/* A guest's block begins a stream of its own. */
			int32_t id = !bad[k].frame.on_stream             ? 0
				     : !server && bad[k].frame.type == 1 ? 3
									 : s->id;
			rig_frame(e, bad[k].frame.type, bad[k].frame.flags, id, bad[k].frame.bytes,
				  bad[k].frame.len);
			rig_run(r);
			if (!e->goaway || e->goaway_code != bad[k].code)
				fail_msg("%d %s: %d %u", server, bad[k].frame.what, e->goaway,
					 e->goaway_code);
			assert_int_equal(http_proxy_state(r->proxy, HTTP_GUEST), HTTP_PROXY_END);
			assert_int_equal(http_proxy_state(r->proxy, HTTP_UPSTREAM), HTTP_PROXY_END);
			if (server)
				assert_non_null(strstr(s->head, ":status: 502\n"));
			else
				assert_true(rig_served(r, 0)->closed);
			rig_end_all(r);
		}
	}
}

static void more_than_the_window(void **state)
{
	struct rig *r = begin();
	static const uint8_t data[16384];

	r->when = RIG_NEVER;
	struct rig_stream *s = rig_request(r, RIG_POST, 1, NULL);
	s->endless = true;
	rig_run(r);
	rig_served(r, 0)->paused = true;
	for (int i = 0; i < 10; i++)
		rig_frame(&r->client, NGHTTP2_DATA, 0, s->id, data, sizeof(data));
	rig_run(r);
	assert_true(r->client.goaway || s->code == NGHTTP2_FLOW_CONTROL_ERROR);
	assert_true(rig_served(r, 0)->got <= 65535);
	rig_end_all(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_reader_of_one_stream_stops_no_other),
		cmocka_unit_test(many_streams_that_stand_still_stop_no_other),
		cmocka_unit_test(a_window_of_the_connection_is_the_senders),
		cmocka_unit_test(a_slow_server_stops_the_upload_at_the_guest),
		cmocka_unit_test(a_guest_that_reads_nothing_fills_no_memory),
		cmocka_unit_test(bytes_that_wait_for_a_hook_are_bounded),
		cmocka_unit_test(a_filter_that_makes_more_of_it_is_bounded),
		cmocka_unit_test(windows_of_no_bytes_are_waited_for),
		cmocka_unit_test(streams_beyond_the_limit_can_be_tried_again),
		cmocka_unit_test(streams_that_come_and_go_count_until_they_are_gone),
		cmocka_unit_test(the_upstreams_limit_is_the_guests),
		cmocka_unit_test(rapid_resets),
		cmocka_unit_test(rapid_errors),
		cmocka_unit_test(floods_end_the_connection),
		cmocka_unit_test(pings_of_a_guest_that_does_not_read),
		cmocka_unit_test(streams_that_are_refused),
		cmocka_unit_test(a_guest_that_reads_nothing_and_goes_on),
		cmocka_unit_test(continuations_without_end),
		cmocka_unit_test(a_block_that_grows_when_it_is_read),
		cmocka_unit_test(interim_answers_without_end),
		cmocka_unit_test(another_protocol),
		cmocka_unit_test(frames_that_break_the_rules),
		cmocka_unit_test(more_than_the_window),
	};

	return cmocka_run_group_tests_name("http_proxy_h2_abuse", tests, NULL, NULL);
}
