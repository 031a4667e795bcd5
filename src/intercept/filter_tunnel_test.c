// SPDX-License-Identifier: Apache-2.0
/*
 * What follows a switch of protocols: messages of WebSockets with secrets in them, frames that a
 * rule holds to the standard, and the bytes of anything else.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>

#include "http/websocket.h"
#include "intercept/filter_body_rig.h"

static void put_frame(struct buf *b, uint8_t opcode, bool fin, bool masked, struct view v)
{
	struct websocket_frame f = {
		.fin = fin, .opcode = opcode, .masked = masked, .len = v.len, .mask = {1, 2, 3, 4}};
	uint8_t head[WEBSOCKET_HEAD_MAX];

	assert_true(buf_append(b, head, websocket_head(&f, head)) && buf_append_view(b, v));
	websocket_mask(&f, 0, b->mem + b->start + b->len - v.len, v.len);
}

/* All messages, one behind the other, each with a line feed; control frames in brackets. */
static void read_frames(struct view in, struct buf *ret)
{
	struct websocket w = {0};

	for (;;) {
		uint64_t at = w.frame.len - w.left;
		struct view v;
		switch (websocket_read(&w, &in, &v)) {
		case WEBSOCKET_MORE:
			return;
		case WEBSOCKET_BAD:
			fail();
			return;
		case WEBSOCKET_FRAME:
			if (websocket_is_control(&w.frame))
				assert_true(buf_append_text(ret, "["));
			break;
		case WEBSOCKET_PAYLOAD:
			assert_true(buf_append_view(ret, v));
			websocket_mask(&w.frame, at, ret->mem + ret->start + ret->len - v.len,
				       v.len);
			break;
		case WEBSOCKET_END:
			if (w.frame.fin)
				assert_true(buf_append_text(
					ret, websocket_is_control(&w.frame) ? "]" : "\n"));
			break;
		}
	}
}

static void begin_websocket(void)
{
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "Upgrade", "websocket");
	rig_field(&rig.x.request, "Sec-WebSocket-Extensions", "permessage-deflate");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_null(rig_value(&rig.x.request, "sec-websocket-extensions"));
	rig_answer(&rig, 101);
	rig.x.tunnel = true;
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
}

static void put_messages(struct buf *b, bool masked, const char *secret)
{
	struct buf big = {0};

	put_frame(b, WEBSOCKET_TEXT, true, masked, body_text(secret));
	put_frame(b, WEBSOCKET_TEXT, false, masked, view_make(secret, 4));
	put_frame(b, WEBSOCKET_PING, true, masked, body_text("ping"));
	put_frame(b, WEBSOCKET_CONTINUATION, false, masked, view_make(secret + 4, 1));
	put_frame(b, WEBSOCKET_CONTINUATION, true, masked, body_text(secret + 5));
	for (int i = 0; i < 150000; i++)
		assert_true(buf_append_text(&big, i == 65530 ? secret : "."));
	put_frame(b, WEBSOCKET_BINARY, true, masked, buf_view(&big));
	put_frame(b, WEBSOCKET_TEXT, true, masked, body_text("weir"));
	put_frame(b, WEBSOCKET_PONG, true, masked, body_text(secret));
	put_frame(b, WEBSOCKET_TEXT, true, masked, body_text(""));
	buf_done(&big);
}

static void check_messages(struct view got, const char *secret)
{
	struct buf want = {0}, big = {0};

	for (int i = 0; i < 150000; i++)
		assert_true(buf_append_text(&big, i == 65530 ? secret : "."));
	/* The ping overtakes what could have been the beginning of something. */
	struct view ping = view_make(memmem(got.p, got.len, "[ping]", 6), 6);
	assert_non_null(ping.p);
	assert_true(buf_append_text(&want, secret) && buf_append_text(&want, "\n"));
	assert_true(buf_append_text(&want, secret) && buf_append_text(&want, "\n"));
	assert_true(buf_append_view(&want, buf_view(&big)) &&
		    buf_append_text(&want, "\nweir\n[]\n"));
	struct buf without = {0};
	assert_true(buf_append(&without, got.p, (size_t)(ping.p - got.p)) &&
		    buf_append(&without, ping.p + 6, (size_t)(got.p + got.len - ping.p - 6)));
	assert_int_equal(without.len, want.len);
	assert_memory_equal(buf_view(&without).p, buf_view(&want).p, want.len);
	buf_done(&want);
	buf_done(&big);
	buf_done(&without);
}

static void messages_of_websockets_are_changed(void **state)
{
	for (int round = 0; round < 40; round++) {
		struct buf in = {0}, out = {0}, messages = {0};
		bool up = round & 1;
		body_setup(BODY_HOST, round & 2);
		begin_websocket();
		put_messages(&in, up, up ? rig_secrets[0].placeholder : rig_values[0]);
		body_cut_max = round < 4 ? 200000 : 1 + body_rnd(round & 4 ? 30 : 90000);
		assert_int_equal(rig_body(&rig, up, buf_view(&in), body_cut, &out), HTTP_GO);
		read_frames(buf_view(&out), &messages);
		check_messages(buf_view(&messages),
			       up ? rig_values[0] : rig_secrets[0].placeholder);
		assert_int_equal(rig_values_held, 0);
		rig_done(&rig);
		buf_done(&in);
		buf_done(&out);
		buf_done(&messages);
	}
}

static void a_message_with_a_placeholder_for_another_host_ends_it(void **state)
{
	struct buf in = {0}, out = {0};

	body_setup("evil.example.net", true);
	begin_websocket();
	put_frame(&in, WEBSOCKET_TEXT, true, true, body_text("hello"));
	put_frame(&in, WEBSOCKET_TEXT, false, true, view_make(body_plain[0].placeholder, 9));
	put_frame(&in, WEBSOCKET_CONTINUATION, true, true,
		  body_text(body_plain[0].placeholder + 9));
	body_cut_max = 5;
	assert_int_equal(rig_body(&rig, true, buf_view(&in), body_cut, &out), HTTP_REFUSE);
	assert_string_equal(rig.place, "websocket");
	assert_true(out.len <= 5 + 6);
	rig_done(&rig);
	buf_done(&in);
	buf_done(&out);
}

/* Without secrets: nobody else would look. */
static void switch_to_websocket(const char *extensions)
{
	rig_clear_secrets();
	rig_init(&rig, BODY_HOST, true);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "Upgrade", "websocket");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 101);
	if (extensions)
		rig_field(&rig.x.answer, "Sec-WebSocket-Extensions", extensions);
	rig.x.tunnel = true;
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
}

static void assert_frames(const char *extensions, bool up, struct view in, bool good)
{
	for (size_t n = 1; n <= in.len; n++) {
		struct buf out = {0};

		switch_to_websocket(extensions);
		assert_int_equal(rig.x.request.mode, HTTP_BODY_SAME);
		assert_int_equal(rig.x.answer.mode, HTTP_BODY_SAME);
		body_cut_max = n;
		assert_int_equal(rig_body(&rig, up, in, body_cut, &out),
				 good ? HTTP_GO : HTTP_REFUSE);
		assert_int_equal(rig.refused, !good);
		if (good) {
			assert_int_equal(out.len, in.len);
			assert_memory_equal(buf_view(&out).p, in.p, in.len);
		} else {
			assert_int_equal(rig.reason, REASON_HTTP_RULE);
		}
		rig_done(&rig);
		buf_done(&out);
	}
}

#define ASSERT_FRAMES(ext, up, bytes, good) \
	assert_frames(ext, up, view_make(bytes, sizeof(bytes) - 1), good)

static void a_rule_lets_nothing_but_frames_through(void **state)
{
	ASSERT_FRAMES(NULL, true, "\x81\x85\1\2\3\4hello\x89\x80\1\2\3\4", true);
	ASSERT_FRAMES(NULL, false, "\x81\5hello\x88\2\3\xe8", true);
	ASSERT_FRAMES(NULL, true, "\x81\5hello", false);
	ASSERT_FRAMES(NULL, false, "\x81\x85\1\2\3\4hello", false);
	ASSERT_FRAMES(NULL, true, "SSH-2.0-x\r\n", false);
	ASSERT_FRAMES(NULL, false, "SSH-2.0-x\r\n", false);
	ASSERT_FRAMES(NULL, false, "\xc1\5hello", false);
	ASSERT_FRAMES("foo, permessage-deflate; x=1", false, "\xc1\5hello", true);
	ASSERT_FRAMES("foo", false, "\xc1\5hello", false);
	rig_clear_secrets();
	rig_no_rule = true;
	rig_init(&rig, BODY_HOST, true);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "Upgrade", "websocket");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 101);
	rig.x.tunnel = true;
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig.x.request.mode, HTTP_BODY_PASS);
	rig_done(&rig);
}

/* The bytes of a protocol that weir does not know keep their number. */
static void other_tunnels_are_searched(void **state)
{
	struct buf out = {0};

	body_setup(BODY_HOST, false);
	rig_no_rule = true;
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "Upgrade", "tcp");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 101);
	rig.x.tunnel = true;
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig_body(&rig, false, body_text(body_odd[1].value), NULL, &out), HTTP_GO);
	assert_int_equal(out.len, strlen(body_odd[1].value));
	body_assert_absent(buf_view(&out), body_odd[1].value);
	rig_done(&rig);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_websockets_are_changed),
		cmocka_unit_test(a_message_with_a_placeholder_for_another_host_ends_it),
		cmocka_unit_test(a_rule_lets_nothing_but_frames_through),
		cmocka_unit_test(other_tunnels_are_searched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
