// SPDX-License-Identifier: Apache-2.0
/*
 * WebSocket frames: the examples of RFC 6455 5.7, heads there and back, and what is refused.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "http/websocket.h"

/* All frames of the bytes, offered `piece` at a time, as text: "1:Hello. 9:x. ". */
static const char *read_all(const char *bytes, size_t n, size_t piece, bool *ret_bad)
{
	static char text[400];
	struct websocket w = {0};
	struct view in = view_make(bytes, n), part = {0}, got;
	size_t len = 0;

	*ret_bad = false;
	memset(text, 0, sizeof(text));
	for (;;) {
		uint64_t at = w.frame.len - w.left;
		switch (websocket_read(&w, &part, &got)) {
		case WEBSOCKET_MORE:
			assert_int_equal(part.len, 0);
			if (in.len == 0)
				return text;
			view_take(&in, in.len < piece ? in.len : piece, &part);
			break;
		case WEBSOCKET_FRAME:
			text[len++] = (char)('0' + w.frame.opcode);
			text[len++] = w.frame.fin ? '!' : ':';
			break;
		case WEBSOCKET_PAYLOAD:
			memcpy(text + len, got.p, got.len);
			websocket_mask(&w.frame, at, (uint8_t *)text + len, got.len);
			len += got.len;
			break;
		case WEBSOCKET_END:
			text[len++] = '.';
			break;
		case WEBSOCKET_BAD:
			*ret_bad = true;
			return text;
		}
	}
}

static void assert_read(const char *bytes, size_t n, const char *want)
{
	for (size_t piece = 1; piece <= n; piece++) {
		bool bad;
		assert_string_equal(read_all(bytes, n, piece, &bad), want);
		assert_false(bad);
	}
}
#define ASSERT_READ(bytes, want) assert_read(bytes, sizeof(bytes) - 1, want)

static void frames_are_read_in_any_pieces(void **state)
{
	ASSERT_READ("\x81\x05Hello", "1!Hello.");
	ASSERT_READ("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "1!Hello.");
	ASSERT_READ("\x01\x03Hel\x80\x02lo", "1:Hel.0!lo.");
	ASSERT_READ("\x01\x03Hel\x89\x01x\x80\x02lo\x8a\x00", "1:Hel.9!x.0!lo.:!.");
	ASSERT_READ("\x82\x7e\x00\x7e"
		    "0123456789012345678901234567890123456789012345678901234567890123456789"
		    "01234567890123456789012345678901234567890123456789012345",
		    "2!"
		    "0123456789012345678901234567890123456789012345678901234567890123456789"
		    "01234567890123456789012345678901234567890123456789012345.");
}

static void assert_bad(const char *bytes, size_t n)
{
	bool bad;

	read_all(bytes, n, n, &bad);
	assert_true(bad);
}
#define ASSERT_BAD(bytes) assert_bad(bytes, sizeof(bytes) - 1)

static void broken_frames_are_refused(void **state)
{
	ASSERT_BAD("\xc1\x00");                                 /* compressed */
	ASSERT_BAD("\x83\x00");                                 /* opcodes */
	ASSERT_BAD("\x8b\x00");                                 /* ... */
	ASSERT_BAD("\x80\x00");                                 /* nothing to continue */
	ASSERT_BAD("\x01\x01x\x81\x01y");                       /* a message in one */
	ASSERT_BAD("\x09\x00");                                 /* a ping in parts */
	ASSERT_BAD("\x89\x7e\x00\x7e");                         /* a long one */
	ASSERT_BAD("\x81\x7e\x00\x7d");                         /* not as short as it can be */
	ASSERT_BAD("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff"); /* ... */
	ASSERT_BAD("\x81\x7f\x80\x00\x00\x00\x00\x01\x00\x00"); /* negative */
}

static void heads_go_there_and_back(void **state)
{
	static const uint64_t lens[] = {0, 125, 126, 65535, 65536, INT64_MAX};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		for (int masked = 0; masked < 2; masked++) {
			struct websocket_frame f = {.fin = true,
						    .masked = masked,
						    .opcode = WEBSOCKET_BINARY,
						    .len = lens[i]};
			struct websocket w = {0};
			uint8_t head[WEBSOCKET_HEAD_MAX];
			struct view ret;
			if (masked)
				memcpy(f.mask, "abcd", 4);
			struct view in = view_make(head, websocket_head(&f, head));
			assert_int_equal(websocket_read(&w, &in, &ret), WEBSOCKET_FRAME);
			assert_int_equal(in.len, 0);
			assert_memory_equal(&w.frame, &f, sizeof(f));
		}
	}
}

static bool is_read(const char *bytes, size_t n, uint8_t sender, bool deflate)
{
	struct websocket w = {.sender = sender, .deflate = deflate};
	struct view in = view_make(bytes, n), ret;

	for (;;) {
		switch (websocket_read(&w, &in, &ret)) {
		case WEBSOCKET_MORE:
			assert_null(w.error);
			return true;
		case WEBSOCKET_BAD:
			assert_non_null(w.error);
			return false;
		default:
			break;
		}
	}
}
#define READ(bytes, ...) is_read(bytes, sizeof(bytes) - 1, __VA_ARGS__)

static void each_side_masks_as_it_should(void **state)
{
	static const char masked[] = "\x81\x81\1\2\3\4x", bare[] = "\x81\1x";

	assert_true(READ(masked, WEBSOCKET_CLIENT, false));
	assert_false(READ(masked, WEBSOCKET_SERVER, false));
	assert_false(READ(bare, WEBSOCKET_CLIENT, false));
	assert_true(READ(bare, WEBSOCKET_SERVER, false));
}

/* RFC 7692 6: the first frame of a message says that it is compressed. */
static void one_reserved_bit_stands_for_compression(void **state)
{
	assert_false(READ("\xc1\1x", WEBSOCKET_SERVER, false));
	assert_true(READ("\xc1\1x", WEBSOCKET_SERVER, true));
	assert_true(READ("\x42\1x\x80\1y", WEBSOCKET_SERVER, true));
	assert_false(READ("\x42\1x\xc0\1y", WEBSOCKET_SERVER, true));
	assert_false(READ("\xc9\1x", WEBSOCKET_SERVER, true));
	assert_false(READ("\xe1\1x", WEBSOCKET_SERVER, true));
	assert_false(READ("\xa1\1x", WEBSOCKET_SERVER, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_read_in_any_pieces),
		cmocka_unit_test(broken_frames_are_refused),
		cmocka_unit_test(heads_go_there_and_back),
		cmocka_unit_test(each_side_masks_as_it_should),
		cmocka_unit_test(one_reserved_bit_stands_for_compression),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
