// SPDX-License-Identifier: Apache-2.0
/*
 * Codings: names, bodies there and back in pieces of any size, broken ones, and bombs.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>

#include "http/coding.h"
#include "http/coding_libs.h"

static const enum coding all[] = {CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD};
#define EACH 4

static uint32_t seed = 7;
static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 4) * n >> 28);
}

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

static void names_are_known(void **state)
{
	assert_int_equal(coding_of(text("")), CODING_IDENTITY);
	assert_int_equal(coding_of(text("identity")), CODING_IDENTITY);
	assert_int_equal(coding_of(text("GZip")), CODING_GZIP);
	assert_int_equal(coding_of(text("x-gzip")), CODING_GZIP);
	assert_int_equal(coding_of(text("deflate")), CODING_DEFLATE);
	assert_int_equal(coding_of(text("br, identity")), CODING_BR);
	assert_int_equal(coding_of(text("zstd")), CODING_ZSTD);
	assert_int_equal(coding_of(text("gzip, br")), CODING_OTHER);
	assert_int_equal(coding_of(text("compress")), CODING_OTHER);
}

static void assert_accept(const char *in, const char *want)
{
	struct buf b = {0};

	assert_true(coding_accept(text(in), &b));
	assert_int_equal(b.len, strlen(want));
	assert_memory_equal(buf_view(&b).p, want, b.len);
	buf_done(&b);
}

static void what_cannot_be_read_is_not_asked_for(void **state)
{
	assert_accept("gzip, deflate, br, zstd", "gzip, deflate, br, zstd");
	assert_accept("gzip;q=0.5, compress, dcb;q=1, br ; q=0.1", "gzip;q=0.5, br ; q=0.1");
	assert_accept("compress, *", "identity");
	assert_accept("", "identity");
}

/* Decodes in pieces of up to `piece` bytes, with room for `room`. False where it is broken. */
static bool decode(enum coding c, struct view in, size_t piece, size_t room, struct buf *ret)
{
	struct decoder *d = decoder_new(c);
	uint8_t *out = malloc(room);
	bool ok = true;

	assert_non_null(d);
	while (ok && in.len) {
		struct view part;
		enum decoder_result r;
		size_t n = 1 + rnd((uint32_t)piece);
		view_take(&in, n < in.len ? n : in.len, &part);
		do {
			r = decoder_run(d, &part, out, room, &n);
			assert_true(n <= room);
			buf_append(ret, out, n);
		} while (r == DECODER_FULL);
		ok = r == DECODER_MORE;
		if (ok)
			assert_int_equal(part.len, 0);
	}
	ok = ok && decoder_ended(d);
	decoder_free(d);
	free(out);
	return ok;
}

static void encode(enum coding c, struct view in, size_t piece, struct buf *ret)
{
	struct encoder *e = encoder_new(c);

	assert_non_null(e);
	while (in.len) {
		struct view part;
		size_t n = 1 + rnd((uint32_t)piece);
		view_take(&in, n < in.len ? n : in.len, &part);
		assert_true(encoder_run(e, part, rnd(2) ? ENCODER_FLUSH : ENCODER_GO_ON, ret));
	}
	assert_true(encoder_run(e, in, ENCODER_END, ret));
	encoder_free(e);
}

static void bodies_go_there_and_back(void **state)
{
	static uint8_t body[200000];

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = i % 3 ? (uint8_t) "abcdefgh"[rnd(8)] : (uint8_t)rnd(256);
	for (int round = 0; round < 40; round++) {
		enum coding c = all[round % EACH];
		size_t len = round < EACH ? 0 : rnd(sizeof(body));
		struct buf coded = {0}, back = {0};
		encode(c, view_make(body, len), 1 + rnd(60000), &coded);
		assert_true(decode(c, buf_view(&coded), 1 + rnd(5000), 1 + rnd(70000), &back));
		assert_int_equal(back.len, len);
		if (len)
			assert_memory_equal(buf_view(&back).p, body, len);
		/* One that ends too early is no body. */
		buf_done(&back);
		if (coded.len > 1)
			assert_false(decode(c, view_make(buf_view(&coded).p, coded.len - 1), 5000,
					    70000, &back));
		buf_done(&back);
		buf_done(&coded);
	}
}

/* What was put in before a flush can be read before more comes. */
static void flushed_bytes_can_be_read(void **state)
{
	for (size_t i = 0; i < EACH; i++) {
		struct encoder *e = encoder_new(all[i]);
		struct decoder *d = decoder_new(all[i]);
		for (int round = 0; round < 20; round++) {
			struct buf b = {0};
			uint8_t out[100];
			size_t n;
			/* At once, or later. */
			assert_true(encoder_run(e, text("data: event\n\n"),
						round & 1 ? ENCODER_FLUSH : ENCODER_GO_ON, &b));
			assert_true(encoder_run(e, text(""), ENCODER_FLUSH, &b));
			struct view in = buf_view(&b);
			decoder_run(d, &in, out, sizeof(out), &n);
			assert_int_equal(n, 13);
			assert_memory_equal(out, "data: event\n\n", 13);
			buf_done(&b);
		}
		encoder_free(e);
		decoder_free(d);
	}
}

static void broken_bodies_are_told(void **state)
{
	for (size_t i = 0; i < EACH; i++) {
		struct buf b = {0};
		if (all[i] == CODING_DEFLATE)
			assert_false(decode(all[i], text("\xff\xff\xff\xff nonsense"), 9, 9, &b));
		else
			assert_false(decode(all[i], text("\x91\x91 nonsense, no body"), 9, 9, &b));
		buf_done(&b);
	}
}

static void a_file_of_two_members_is_one_body(void **state)
{
	struct buf coded = {0}, back = {0};

	encode(CODING_GZIP, text("first "), 10, &coded);
	encode(CODING_GZIP, text("second"), 10, &coded);
	assert_true(decode(CODING_GZIP, buf_view(&coded), 3, 5, &back));
	assert_int_equal(back.len, 12);
	assert_memory_equal(buf_view(&back).p, "first second", 12);
	buf_done(&back);
	buf_done(&coded);
}

/* As some servers send it: without the two bytes before and the four behind. */
static void deflate_without_its_head_is_read(void **state)
{
	struct buf coded = {0}, back = {0};

	encode(CODING_DEFLATE, text("hello, hello, hello"), 100, &coded);
	struct view v = buf_view(&coded);
	assert_true(decode(CODING_DEFLATE, view_make(v.p + 2, v.len - 6), 3, 5, &back));
	assert_int_equal(back.len, 19);
	buf_done(&back);
	buf_done(&coded);
}

/* Much larger than what it is made of: given out piece by piece, and refused in the end. */
static void bombs_are_refused(void **state)
{
	static uint8_t zeros[1 << 16];
	static const enum coding c[] = {CODING_BR, CODING_ZSTD};

	for (size_t i = 0; i < 2; i++) {
		struct encoder *e = encoder_new(c[i]);
		struct buf coded = {0};
		for (int n = 0; n < 1024; n++)
			assert_true(encoder_run(e, view_make(zeros, sizeof(zeros)), ENCODER_GO_ON,
						&coded));
		assert_true(encoder_run(e, view_make(NULL, 0), ENCODER_END, &coded));
		encoder_free(e);
		assert_true(coded.len < 30000);

		struct decoder *d = decoder_new(c[i]);
		struct view in = buf_view(&coded);
		static uint8_t out[1 << 16];
		uint64_t given = 0;
		enum decoder_result r;
		do {
			size_t n;
			r = decoder_run(d, &in, out, sizeof(out), &n);
			given += n;
		} while (r == DECODER_FULL);
		assert_int_equal(r, DECODER_BAD);
		assert_true(given <= 64u << 20);
		decoder_free(d);
		buf_done(&coded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_known),
		cmocka_unit_test(what_cannot_be_read_is_not_asked_for),
		cmocka_unit_test(bodies_go_there_and_back),
		cmocka_unit_test(flushed_bytes_can_be_read),
		cmocka_unit_test(broken_bodies_are_told),
		cmocka_unit_test(a_file_of_two_members_is_one_body),
		cmocka_unit_test(deflate_without_its_head_is_read),
		cmocka_unit_test(bombs_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
