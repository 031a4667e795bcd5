// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies made at random, of all spellings and codings, cut anywhere: what a host gets and what the
 * guest gets is what it has to be, to the byte; and never a value for the guest, nor a placeholder
 * for a host that may not have it.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>

#include "http/coding.h"
#include "http/spelling.h"
#include "http/websocket.h"
#include "intercept/filter_rig.h"

#define HOST "api.example.com"

static struct rig rig;
static uint32_t seed = 11;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 4) * n >> 28);
}

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

static const struct {
	const char *placeholder, *value;
} plain[] = {{"weir-key-0123456789abcdef", "sk-live-ZYXWVUTSRQPONMLKJ"},
	     {"AKIAPLACEHOLDER00000", "AKIATHEREALVALUE1234"}},
  odd[] = {{"weir-odd-placeholder", "pa ss\"word\\with/odd+signs%&=\xc3\xa9"},
	   {"weir-short", "a much longer value than its placeholder is, by far"}};

static void setup(const char *host, bool all_plain)
{
	rig_clear_secrets();
	for (size_t i = 0; i < 2; i++) {
		rig_add_secret("ONE", all_plain ? plain[i].placeholder : odd[i].placeholder,
			       all_plain ? plain[i].value : odd[i].value, HOST)
			->places = SECRET_IN_BODY | SECRET_IN_WEBSOCKET;
	}
	rig_init(&rig, host, true);
}

/* ---- spellings ---- */

enum spelling {
	AS_IS,
	JSON,    /* some characters as \uXXXX, and those that have to be escaped */
	PERCENT, /* the same with percent signs */
	BASE64,
	SPELLINGS
};

static void spell(struct view v, enum spelling how, struct buf *out)
{
	for (size_t i = 0; i < v.len && (how == JSON || how == PERCENT); i++) {
		struct view c = view_make(v.p + i, 1);
		bool more = rnd(3) == 0;
		if (how == JSON)
			assert_true(more ? spelling_put_unicode_byte(out, *c.p)
					 : spelling_put_json(out, c));
		else
			assert_true(more ? spelling_put_percent_byte(out, *c.p)
					 : spelling_put_percent(out, c));
	}
	if (how == AS_IS)
		assert_true(buf_append_view(out, v));
	if (how == BASE64)
		assert_true(spelling_put_base64(out, v));
}

/* What cannot be taken for the beginning of anything, and what can. */
static void put_junk(struct buf *out)
{
	static const char *const junk[] = {
		"\n",    "{\"a\": \"b\"}", "weir-key-01234", "%",        "\\",    "%7",
		"\\u00", "weir",           "sk-live-ZYXW ",  "100% of ", "\\\\n", "a&b=c"};

	for (uint32_t n = rnd(4); n; n--) {
		if (rnd(8) == 0) {
			size_t len = rnd(5000);
			for (size_t i = 0; i < len; i++) {
				uint8_t c = (uint8_t)rnd(256);
				assert_true(buf_append(out, &c, 1));
			}
		}
		assert_true(buf_append_text(out, junk[rnd(sizeof(junk) / sizeof(junk[0]))]));
	}
	/* No junk runs into what follows it. */
	assert_true(buf_append_text(out, "\n;\n"));
}

#define PARTS 30
struct part {
	struct view junk; /* before it */
	size_t at;        /* in the body */
	size_t secret;
	enum spelling how;
};

/* A body of junk and strings, the values or the placeholders. */
static size_t make_body(struct buf *out, bool values, enum spelling upto, struct part *parts)
{
	size_t n = rnd(PARTS);

	for (size_t i = 0; i < n; i++) {
		struct part *p = &parts[i];
		size_t from = out->len;
		put_junk(out);
		p->junk.len = out->len - from;
		p->at = from;
		p->secret = rnd(2);
		p->how = (enum spelling)rnd(upto);
		spell(text(values ? rig_values[p->secret] : rig_secrets[p->secret].placeholder),
		      p->how, out);
	}
	for (size_t i = 0; i < n; i++)
		parts[i].junk.p = buf_view(out).p + parts[i].at;
	return n;
}

static size_t cut_max;
static size_t cut(void)
{
	return 1 + rnd((uint32_t)cut_max);
}

static void code(enum coding c, struct view in, struct buf *out)
{
	struct encoder *e;

	if (c == CODING_IDENTITY) {
		assert_true(buf_append_view(out, in));
		return;
	}
	e = encoder_new(c);
	assert_true(e && encoder_run(e, in, ENCODER_END, out));
	encoder_free(e);
}

static void uncode(enum coding c, struct view in, struct buf *out)
{
	struct decoder *d;
	enum decoder_result r;

	if (c == CODING_IDENTITY) {
		assert_true(buf_append_view(out, in));
		return;
	}
	d = decoder_new(c);
	do {
		static uint8_t room[60000];
		size_t n;
		r = decoder_run(d, &in, room, sizeof(room), &n);
		assert_true(r != DECODER_BAD && buf_append(out, room, n));
	} while (r == DECODER_FULL);
	assert_true(decoder_ended(d));
	decoder_free(d);
}

static const char *const coding_names[] = {"identity", "gzip", "deflate", "br", "zstd"};
static const char *const types[] = {"text/plain", "application/json; charset=utf-8",
				    "application/x-www-form-urlencoded"};

/* Undoes units until the text is there; returns how many bytes that took. */
static size_t expect(struct view got, struct view want, bool escaped)
{
	size_t at = 0;

	for (size_t i = 0; i < want.len;) {
		uint8_t unit[3];
		size_t n = 1, used = 1;
		assert_true(at < got.len);
		unit[0] = got.p[at];
		if (escaped)
			used = spelling_unit(view_make(got.p + at, got.len - at), false, true, unit,
					     &n);
		assert_true(i + n <= want.len);
		assert_memory_equal(unit, want.p + i, n);
		i += n;
		at += used;
	}
	return at;
}

static bool find(struct view in, struct view what)
{
	return what.len && in.len >= what.len && memmem(in.p, in.len, what.p, what.len);
}

/* The string is nowhere, as it is, with its escapes undone, or in base64. */
static void assert_absent(struct view in, const char *what)
{
	uint8_t *undone = malloc(in.len + 1);
	size_t used, n = spelling_undo(in, false, true, undone, &used);
	uint8_t room[300];

	assert_false(find(in, text(what)));
	assert_false(find(view_make(undone, n), text(what)));
	for (unsigned phase = 0; phase < 3; phase++)
		assert_false(find(in, view_make(room, needle_spell(text(what), NEEDLE_BASE64, phase,
								   room))));
	free(undone);
}

/* ---- requests ---- */

static void check_up(struct view got, const struct part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct part *p = &parts[i];
		struct view value = text(rig_values[p->secret]);
		assert_true(got.len >= p->junk.len);
		if (p->junk.len)
			assert_memory_equal(got.p, p->junk.p, p->junk.len);
		view_skip(&got, p->junk.len);
		/* As it is in plain text; escaped where it was, or where the kind wants it. */
		bool escaped = p->how != AS_IS || rig.x.request.mode != HTTP_BODY_SAME;
		if (p->how == AS_IS && memcmp(got.p, value.p, value.len) == 0)
			escaped = false;
		view_skip(&got, expect(got, value, escaped));
	}
	assert_int_equal(got.len, 0);
}

static void values_go_in_wherever_a_body_is_cut(void **state)
{
	for (int round = 0; round < 1500; round++) {
		bool all_plain = rnd(2);
		enum coding c = rnd(3) ? CODING_IDENTITY : (enum coding)rnd(5);
		struct buf body = {0}, coded = {0}, got = {0}, back = {0};
		struct part parts[PARTS];

		setup(HOST, all_plain);
		size_t n = make_body(&body, false, BASE64, parts);
		code(c, buf_view(&body), &coded);
		rig_request(&rig, "POST", "/");
		rig_field(&rig.x.request, "content-type", types[rnd(3)]);
		rig_field(&rig.x.request, "content-encoding", coding_names[c]);
		rig.x.request.length = rnd(2) ? HTTP_LENGTH_STREAM : coded.len;
		assert_int_equal(rig_go(&rig), HTTP_GO);
		cut_max = 1 + rnd(rnd(2) ? 40 : 9000);
		assert_int_equal(rig_body(&rig, true, buf_view(&coded), cut, &got), HTTP_GO);
		assert_int_equal(rig_values_held, 0);
		if (rig.x.request.mode == HTTP_BODY_SAME)
			assert_int_equal(got.len, coded.len);
		uncode(c, buf_view(&got), &back);
		check_up(buf_view(&back), parts, n);
		rig_done(&rig);
		buf_done(&body);
		buf_done(&coded);
		buf_done(&got);
		buf_done(&back);
	}
}

static void no_placeholder_gets_to_other_hosts(void **state)
{
	unsigned refused = 0;

	for (int round = 0; round < 1000; round++) {
		enum coding c = rnd(3) ? CODING_IDENTITY : (enum coding)rnd(5);
		struct buf body = {0}, coded = {0}, got = {0};
		struct part parts[PARTS];

		setup("evil.example.net", rnd(2));
		size_t n = make_body(&body, false, SPELLINGS, parts);
		code(c, buf_view(&body), &coded);
		rig_request(&rig, "POST", "/");
		rig_field(&rig.x.request, "content-encoding", coding_names[c]);
		rig.x.request.length = coded.len;
		assert_int_equal(rig_go(&rig), HTTP_GO);
		cut_max = 1 + rnd(rnd(2) ? 40 : 9000);
		enum http_step step = rig_body(&rig, true, buf_view(&coded), cut, &got);
		assert_int_equal(step, n && coded.len ? HTTP_REFUSE : HTTP_GO);
		refused += step == HTTP_REFUSE;
		if (step == HTTP_GO)
			assert_int_equal(got.len, coded.len);
		if (c == CODING_IDENTITY) {
			assert_absent(buf_view(&got), rig_secrets[0].placeholder);
			assert_absent(buf_view(&got), rig_secrets[1].placeholder);
		}
		assert_int_equal(rig.resumed, 0);
		rig_done(&rig);
		buf_done(&body);
		buf_done(&coded);
		buf_done(&got);
	}
	assert_true(refused > 500);
}

/* ---- answers ---- */

static void no_value_gets_to_the_guest(void **state)
{
	for (int round = 0; round < 1500; round++) {
		bool all_plain = rnd(2);
		enum coding c = rnd(3) ? CODING_IDENTITY : (enum coding)rnd(5);
		struct buf body = {0}, coded = {0}, got = {0}, back = {0};
		struct part parts[PARTS];

		setup(HOST, all_plain);
		size_t n = make_body(&body, true, SPELLINGS, parts);
		code(c, buf_view(&body), &coded);
		rig_request(&rig, "GET", "/");
		assert_int_equal(rig_go(&rig), HTTP_GO);
		rig_answer(&rig, rnd(2) ? 200 : 500);
		rig_field(&rig.x.answer, "content-type", types[rnd(3)]);
		rig_field(&rig.x.answer, "content-encoding", coding_names[c]);
		assert_int_equal(rig_go_answer(&rig), HTTP_GO);
		cut_max = 1 + rnd(rnd(2) ? 40 : 9000);
		assert_int_equal(rig_body(&rig, false, buf_view(&coded), cut, &got), HTTP_GO);
		if (rig.x.answer.mode == HTTP_BODY_SAME)
			assert_int_equal(got.len, coded.len);
		uncode(c, buf_view(&got), &back);
		assert_absent(buf_view(&back), rig_values[0]);
		assert_absent(buf_view(&back), rig_values[1]);
		struct view v = buf_view(&back);
		for (size_t i = 0; i < n; i++) {
			const struct part *p = &parts[i];
			assert_true(v.len >= p->junk.len);
			if (p->junk.len)
				assert_memory_equal(v.p, p->junk.p, p->junk.len);
			view_skip(&v, p->junk.len);
			if (p->how == BASE64)
				break; /* has the value's length, and not the placeholder's */
			view_skip(&v, expect(v, text(rig_secrets[p->secret].placeholder), true));
			if (i + 1 == n)
				assert_int_equal(v.len, 0);
		}
		rig_done(&rig);
		buf_done(&body);
		buf_done(&coded);
		buf_done(&got);
		buf_done(&back);
	}
}

/* What a reader waits for is never held back. */
static void events_come_at_once(void **state)
{
	static const char *const codings[] = {"identity", "gzip", "br", "zstd"};

	for (size_t i = 0; i < 4; i++) {
		enum coding c = coding_of(text(codings[i]));
		struct encoder *e = c ? encoder_new(c) : NULL;
		struct decoder *d = c ? decoder_new(c) : NULL;
		setup(HOST, false);
		rig_request(&rig, "GET", "/");
		assert_int_equal(rig_go(&rig), HTTP_GO);
		rig_answer(&rig, 200);
		rig_field(&rig.x.answer, "content-type", "text/event-stream");
		rig_field(&rig.x.answer, "content-encoding", codings[i]);
		assert_int_equal(rig_go_answer(&rig), HTTP_GO);
		for (int n = 0; n < 20; n++) {
			struct view event = text("data: a much longer value\n\n");
			struct buf in = {0}, out = {0}, seen = {0};
			if (c)
				assert_true(encoder_run(e, event, ENCODER_FLUSH, &in));
			else
				assert_true(buf_append_view(&in, event));
			assert_int_equal(rig.filter->ops->answer_body(rig.filter, &rig.x,
								      buf_view(&in), false, &out),
					 HTTP_GO);
			uint8_t room[200];
			struct view v = buf_view(&out);
			size_t len;
			if (c) {
				assert_int_equal(decoder_run(d, &v, room, sizeof(room), &len),
						 DECODER_MORE);
				assert_true(buf_append(&seen, room, len));
			} else {
				assert_true(buf_append_view(&seen, v));
			}
			assert_int_equal(seen.len, event.len);
			assert_memory_equal(buf_view(&seen).p, event.p, event.len);
			buf_done(&in);
			buf_done(&out);
			buf_done(&seen);
		}
		rig_done(&rig);
		encoder_free(e);
		decoder_free(d);
	}
}

static void broken_codings_are_refused(void **state)
{
	struct buf out = {0};

	setup(HOST, false);
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 200);
	rig_field(&rig.x.answer, "content-encoding", "gzip");
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig_body(&rig, false, text("no gzip at all"), NULL, &out), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 502);
	rig_done(&rig);
	buf_done(&out);
}

/* ---- tokens ---- */

static void assert_captured(const char *type, const char *in, const char *want)
{
	for (cut_max = 1; cut_max < 60; cut_max += 7) {
		struct buf out = {0}, coded = {0}, back = {0};
		enum coding c = cut_max & 1 ? CODING_IDENTITY : CODING_GZIP;
		code(c, text(in), &coded);
		setup(HOST, true);
		rig_secrets[0].capture = true;
		rig_request(&rig, "POST", "/token");
		assert_int_equal(rig_go(&rig), HTTP_GO);
		rig_answer(&rig, 200);
		rig_field(&rig.x.answer, "content-type", type);
		rig_field(&rig.x.answer, "content-encoding", coding_names[c]);
		assert_int_equal(rig_go_answer(&rig), HTTP_GO);
		assert_int_equal(rig_body(&rig, false, buf_view(&coded), cut, &out), HTTP_GO);
		uncode(c, buf_view(&out), &back);
		assert_int_equal(back.len, strlen(want));
		assert_memory_equal(buf_view(&back).p, want, back.len);
		rig_done(&rig);
		buf_done(&out);
		buf_done(&coded);
		buf_done(&back);
	}
}

static void tokens_become_secrets(void **state)
{
	const char *json = "application/json;charset=UTF-8";

	assert_captured(
		json,
		"{ \"access_token\" : \"2YotnFZFEjr1zCsicMWpAA\",\n\"token_type\":\"Bearer\","
		"\"refresh_token\":\"tGzv3JOkF0XG5Qx2TlKWIA==\", \"x\":\"sk-live-"
		"ZYXWVUTSRQPONMLKJ\",\"nested\":[{\"id_token\":\"a.b\\u0063\\\"defgh\"}]}",
		"{ \"access_token\" : \"captured-22-bytes\",\n\"token_type\":\"Bearer\","
		"\"refresh_token\":\"captured-24-bytes\", \"x\":\"weir-key-"
		"0123456789abcdef\",\"nested\":[{\"id_token\":\"captured-10-bytes\"}]}");
	/* None of them. */
	const char *none = "{\"a\":\"access_token\",\"access_token\":null,\"refresh_token\":\"\","
			   "\"id_token\":{\"x\":\"longer than eight\"},\"\\\"access_token\":"
			   "\"longer than eight\",\"access_token\":\"short\"}";
	assert_captured(json, none, none);
	assert_captured("text/plain", "{\"access_token\":\"2YotnFZFEjr1zCsicMWpAA\"}",
			"{\"access_token\":\"2YotnFZFEjr1zCsicMWpAA\"}");
	assert_captured(
		"application/x-www-form-urlencoded",
		"access_token=gho_16C7e42F292c6912E7&scope=repo&refresh_token=abcdef%2B1234",
		"access_token=captured-22-bytes&scope=repo&refresh_token=captured-11-bytes");
}

/* ---- gRPC ---- */

static void put_message(struct buf *b, struct view v)
{
	uint8_t head[5] = {0};

	put_be32(head + 1, (uint32_t)v.len);
	assert_true(buf_append(b, head, sizeof(head)) && buf_append_view(b, v));
}

static void messages_of_grpc_are_not_held_back(void **state)
{
	struct buf in = {0}, out = {0};

	setup(HOST, true);
	rig_request(&rig, "POST", "/");
	rig.x.request.length = HTTP_LENGTH_STREAM;
	rig_field(&rig.x.request, "content-type", "application/grpc+proto");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	put_message(&in, text("\x0a\x04weir"));
	assert_int_equal(rig.filter->ops->request_body(rig.filter, &rig.x, buf_view(&in), false,
						       &out),
			 HTTP_GO);
	assert_int_equal(out.len, in.len);
	buf_take(&in, in.len);
	buf_take(&out, out.len);
	put_message(&in, text(plain[0].placeholder));
	cut_max = 7;
	assert_int_equal(rig_body(&rig, true, buf_view(&in), cut, &out), HTTP_GO);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(buf_view(&out).p + 5, plain[0].value, strlen(plain[0].value));
	rig_done(&rig);
	buf_take(&in, in.len);
	buf_take(&out, out.len);

	/* Where the length would change, a message would say the wrong one. */
	setup(HOST, false);
	rig_request(&rig, "POST", "/");
	rig.x.request.length = HTTP_LENGTH_STREAM;
	rig_field(&rig.x.request, "content-type", "application/grpc");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	put_message(&in, text(odd[0].placeholder));
	assert_int_equal(rig_body(&rig, true, buf_view(&in), cut, &out), HTTP_REFUSE);
	rig_answer(&rig, 200);
	rig_done(&rig);
	buf_done(&in);
	buf_done(&out);
}

/* ---- WebSocket ---- */

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

	put_frame(b, WEBSOCKET_TEXT, true, masked, text(secret));
	put_frame(b, WEBSOCKET_TEXT, false, masked, view_make(secret, 4));
	put_frame(b, WEBSOCKET_PING, true, masked, text("ping"));
	put_frame(b, WEBSOCKET_CONTINUATION, false, masked, view_make(secret + 4, 1));
	put_frame(b, WEBSOCKET_CONTINUATION, true, masked, text(secret + 5));
	for (int i = 0; i < 150000; i++)
		assert_true(buf_append_text(&big, i == 65530 ? secret : "."));
	put_frame(b, WEBSOCKET_BINARY, true, masked, buf_view(&big));
	put_frame(b, WEBSOCKET_TEXT, true, masked, text("weir"));
	put_frame(b, WEBSOCKET_PONG, true, masked, text(secret));
	put_frame(b, WEBSOCKET_TEXT, true, masked, text(""));
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
		setup(HOST, round & 2);
		begin_websocket();
		put_messages(&in, up, up ? rig_secrets[0].placeholder : rig_values[0]);
		cut_max = round < 4 ? 200000 : 1 + rnd(round & 4 ? 30 : 90000);
		assert_int_equal(rig_body(&rig, up, buf_view(&in), cut, &out), HTTP_GO);
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

	setup("evil.example.net", true);
	begin_websocket();
	put_frame(&in, WEBSOCKET_TEXT, true, true, text("hello"));
	put_frame(&in, WEBSOCKET_TEXT, false, true, view_make(plain[0].placeholder, 9));
	put_frame(&in, WEBSOCKET_CONTINUATION, true, true, text(plain[0].placeholder + 9));
	cut_max = 5;
	assert_int_equal(rig_body(&rig, true, buf_view(&in), cut, &out), HTTP_REFUSE);
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
	rig_init(&rig, HOST, true);
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
		cut_max = n;
		assert_int_equal(rig_body(&rig, up, in, cut, &out), good ? HTTP_GO : HTTP_REFUSE);
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
	rig_init(&rig, HOST, true);
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

	setup(HOST, false);
	rig_no_rule = true;
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "Upgrade", "tcp");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 101);
	rig.x.tunnel = true;
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig_body(&rig, false, text(odd[1].value), NULL, &out), HTTP_GO);
	assert_int_equal(out.len, strlen(odd[1].value));
	assert_absent(buf_view(&out), odd[1].value);
	rig_done(&rig);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_go_in_wherever_a_body_is_cut),
		cmocka_unit_test(no_placeholder_gets_to_other_hosts),
		cmocka_unit_test(no_value_gets_to_the_guest),
		cmocka_unit_test(events_come_at_once),
		cmocka_unit_test(broken_codings_are_refused),
		cmocka_unit_test(tokens_become_secrets),
		cmocka_unit_test(messages_of_grpc_are_not_held_back),
		cmocka_unit_test(messages_of_websockets_are_changed),
		cmocka_unit_test(a_message_with_a_placeholder_for_another_host_ends_it),
		cmocka_unit_test(a_rule_lets_nothing_but_frames_through),
		cmocka_unit_test(other_tunnels_are_searched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
