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
#include "intercept/filter_body_rig.h"

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
		bool more = body_rnd(3) == 0;
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

	for (uint32_t n = body_rnd(4); n; n--) {
		if (body_rnd(8) == 0) {
			size_t len = body_rnd(5000);
			for (size_t i = 0; i < len; i++) {
				uint8_t c = (uint8_t)body_rnd(256);
				assert_true(buf_append(out, &c, 1));
			}
		}
		assert_true(buf_append_text(out, junk[body_rnd(sizeof(junk) / sizeof(junk[0]))]));
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
	size_t n = body_rnd(PARTS);

	for (size_t i = 0; i < n; i++) {
		struct part *p = &parts[i];
		size_t from = out->len;
		put_junk(out);
		p->junk.len = out->len - from;
		p->at = from;
		p->secret = body_rnd(2);
		p->how = (enum spelling)body_rnd(upto);
		spell(body_text(values ? rig_values[p->secret]
				       : rig_secrets[p->secret].placeholder),
		      p->how, out);
	}
	for (size_t i = 0; i < n; i++)
		parts[i].junk.p = buf_view(out).p + parts[i].at;
	return n;
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

/* ---- requests ---- */

static void check_up(struct view got, const struct part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct part *p = &parts[i];
		struct view value = body_text(rig_values[p->secret]);
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
		bool all_plain = body_rnd(2);
		enum coding c = body_rnd(3) ? CODING_IDENTITY : (enum coding)body_rnd(5);
		struct buf body = {0}, coded = {0}, got = {0}, back = {0};
		struct part parts[PARTS];

		body_setup(BODY_HOST, all_plain);
		size_t n = make_body(&body, false, BASE64, parts);
		code(c, buf_view(&body), &coded);
		rig_request(&rig, "POST", "/");
		rig_field(&rig.x.request, "content-type", types[body_rnd(3)]);
		rig_field(&rig.x.request, "content-encoding", coding_names[c]);
		rig.x.request.length = body_rnd(2) ? HTTP_LENGTH_STREAM : coded.len;
		assert_int_equal(rig_go(&rig), HTTP_GO);
		body_cut_max = 1 + body_rnd(body_rnd(2) ? 40 : 9000);
		assert_int_equal(rig_body(&rig, true, buf_view(&coded), body_cut, &got), HTTP_GO);
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
		enum coding c = body_rnd(3) ? CODING_IDENTITY : (enum coding)body_rnd(5);
		struct buf body = {0}, coded = {0}, got = {0};
		struct part parts[PARTS];

		body_setup("evil.example.net", body_rnd(2));
		size_t n = make_body(&body, false, SPELLINGS, parts);
		code(c, buf_view(&body), &coded);
		rig_request(&rig, "POST", "/");
		rig_field(&rig.x.request, "content-encoding", coding_names[c]);
		rig.x.request.length = coded.len;
		assert_int_equal(rig_go(&rig), HTTP_GO);
		body_cut_max = 1 + body_rnd(body_rnd(2) ? 40 : 9000);
		enum http_step step = rig_body(&rig, true, buf_view(&coded), body_cut, &got);
		assert_int_equal(step, n && coded.len ? HTTP_REFUSE : HTTP_GO);
		refused += step == HTTP_REFUSE;
		if (step == HTTP_GO)
			assert_int_equal(got.len, coded.len);
		if (c == CODING_IDENTITY) {
			body_assert_absent(buf_view(&got), rig_secrets[0].placeholder);
			body_assert_absent(buf_view(&got), rig_secrets[1].placeholder);
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
		bool all_plain = body_rnd(2);
		enum coding c = body_rnd(3) ? CODING_IDENTITY : (enum coding)body_rnd(5);
		struct buf body = {0}, coded = {0}, got = {0}, back = {0};
		struct part parts[PARTS];

		body_setup(BODY_HOST, all_plain);
		size_t n = make_body(&body, true, SPELLINGS, parts);
		code(c, buf_view(&body), &coded);
		rig_request(&rig, "GET", "/");
		assert_int_equal(rig_go(&rig), HTTP_GO);
		rig_answer(&rig, body_rnd(2) ? 200 : 500);
		rig_field(&rig.x.answer, "content-type", types[body_rnd(3)]);
		rig_field(&rig.x.answer, "content-encoding", coding_names[c]);
		assert_int_equal(rig_go_answer(&rig), HTTP_GO);
		body_cut_max = 1 + body_rnd(body_rnd(2) ? 40 : 9000);
		assert_int_equal(rig_body(&rig, false, buf_view(&coded), body_cut, &got), HTTP_GO);
		if (rig.x.answer.mode == HTTP_BODY_SAME)
			assert_int_equal(got.len, coded.len);
		uncode(c, buf_view(&got), &back);
		body_assert_absent(buf_view(&back), rig_values[0]);
		body_assert_absent(buf_view(&back), rig_values[1]);
		struct view v = buf_view(&back);
		for (size_t i = 0; i < n; i++) {
			const struct part *p = &parts[i];
			assert_true(v.len >= p->junk.len);
			if (p->junk.len)
				assert_memory_equal(v.p, p->junk.p, p->junk.len);
			view_skip(&v, p->junk.len);
			if (p->how == BASE64)
				break; /* has the value's length, and not the placeholder's */
			view_skip(&v,
				  expect(v, body_text(rig_secrets[p->secret].placeholder), true));
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
		enum coding c = coding_of(body_text(codings[i]));
		struct encoder *e = c ? encoder_new(c) : NULL;
		struct decoder *d = c ? decoder_new(c) : NULL;
		body_setup(BODY_HOST, false);
		rig_request(&rig, "GET", "/");
		assert_int_equal(rig_go(&rig), HTTP_GO);
		rig_answer(&rig, 200);
		rig_field(&rig.x.answer, "content-type", "text/event-stream");
		rig_field(&rig.x.answer, "content-encoding", codings[i]);
		assert_int_equal(rig_go_answer(&rig), HTTP_GO);
		for (int n = 0; n < 20; n++) {
			struct view event = body_text("data: a much longer value\n\n");
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

	body_setup(BODY_HOST, false);
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 200);
	rig_field(&rig.x.answer, "content-encoding", "gzip");
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig_body(&rig, false, body_text("no gzip at all"), NULL, &out),
			 HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 502);
	rig_done(&rig);
	buf_done(&out);
}

/* ---- tokens ---- */

static void assert_captured(const char *type, const char *in, const char *want)
{
	for (body_cut_max = 1; body_cut_max < 60; body_cut_max += 7) {
		struct buf out = {0}, coded = {0}, back = {0};
		enum coding c = body_cut_max & 1 ? CODING_IDENTITY : CODING_GZIP;
		code(c, body_text(in), &coded);
		body_setup(BODY_HOST, true);
		rig_secrets[0].capture = true;
		rig_request(&rig, "POST", "/token");
		assert_int_equal(rig_go(&rig), HTTP_GO);
		rig_answer(&rig, 200);
		rig_field(&rig.x.answer, "content-type", type);
		rig_field(&rig.x.answer, "content-encoding", coding_names[c]);
		assert_int_equal(rig_go_answer(&rig), HTTP_GO);
		assert_int_equal(rig_body(&rig, false, buf_view(&coded), body_cut, &out), HTTP_GO);
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

	body_setup(BODY_HOST, true);
	rig_request(&rig, "POST", "/");
	rig.x.request.length = HTTP_LENGTH_STREAM;
	rig_field(&rig.x.request, "content-type", "application/grpc+proto");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	put_message(&in, body_text("\x0a\x04weir"));
	assert_int_equal(rig.filter->ops->request_body(rig.filter, &rig.x, buf_view(&in), false,
						       &out),
			 HTTP_GO);
	assert_int_equal(out.len, in.len);
	buf_take(&in, in.len);
	buf_take(&out, out.len);
	put_message(&in, body_text(body_plain[0].placeholder));
	body_cut_max = 7;
	assert_int_equal(rig_body(&rig, true, buf_view(&in), body_cut, &out), HTTP_GO);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(buf_view(&out).p + 5, body_plain[0].value, strlen(body_plain[0].value));
	rig_done(&rig);
	buf_take(&in, in.len);
	buf_take(&out, out.len);

	/* Where the length would change, a message would say the wrong one. */
	body_setup(BODY_HOST, false);
	rig_request(&rig, "POST", "/");
	rig.x.request.length = HTTP_LENGTH_STREAM;
	rig_field(&rig.x.request, "content-type", "application/grpc");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	put_message(&in, body_text(body_odd[0].placeholder));
	assert_int_equal(rig_body(&rig, true, buf_view(&in), body_cut, &out), HTTP_REFUSE);
	rig_answer(&rig, 200);
	rig_done(&rig);
	buf_done(&in);
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
