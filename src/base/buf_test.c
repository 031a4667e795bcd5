// SPDX-License-Identifier: Apache-2.0
/* The byte queue against a plain model, and what a secret one leaves behind. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void it_is_a_queue_whatever_the_pieces(void **state)
{
	struct buf b = {0};
	uint8_t in = 0, out = 0, piece[5000];
	size_t held = 0;

	srandom(1);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)random() % (i % 100 == 0 ? sizeof(piece) : 100);
		for (size_t k = 0; k < n; k++)
			piece[k] = in++;
		assert_true(buf_append(&b, piece, n));
		held += n;
		assert_int_equal(b.len, held);
		size_t take = (size_t)random() % (held + 1);
		if (i % 1000 == 0)
			take = held;
		struct view v = buf_view(&b);
		for (size_t k = 0; k < take; k++)
			assert_int_equal(v.p[k], out++);
		buf_take(&b, take);
		held -= take;
	}
	buf_done(&b);
	assert_null(b.mem);
	assert_int_equal(b.cap, 0);
}

static void room_that_was_asked_for_is_appended_to(void **state)
{
	struct buf b = {0};
	uint8_t *p = buf_room(&b, 3000);

	assert_non_null(p);
	memset(p, 'x', 3000);
	buf_added(&b, 2000);
	assert_int_equal(b.len, 2000);
	assert_true(buf_append_text(&b, "end"));
	assert_memory_equal(buf_view(&b).p + 1999, "xend", 4);
	assert_null(buf_room(&b, SIZE_MAX));
	buf_done(&b);
}

static void an_empty_queue_keeps_little(void **state)
{
	struct buf b = {0};

	assert_non_null(buf_room(&b, 1 << 20));
	buf_added(&b, 1 << 20);
	buf_take(&b, 1 << 20);
	assert_int_equal(b.cap, 0);
	assert_true(buf_append_text(&b, "short"));
	buf_take(&b, 5);
	assert_true(b.cap > 0);
	buf_done(&b);
}

/* What was taken is gone from the memory that the queue still has. */
static void a_secret_one_is_wiped_as_it_is_taken(void **state)
{
	struct buf b = {.secret = true};

	assert_true(buf_append_text(&b, "open sesame"));
	const uint8_t *at = buf_view(&b).p;
	buf_take(&b, 5);
	assert_memory_equal(at, "\0\0\0\0\0sesame", 11);
	buf_take(&b, 6);
	assert_memory_equal(at, "\0\0\0\0\0\0\0\0\0\0\0", 11);
	buf_done(&b);
	assert_true(b.secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_a_queue_whatever_the_pieces),
		cmocka_unit_test(room_that_was_asked_for_is_appended_to),
		cmocka_unit_test(an_empty_queue_keeps_little),
		cmocka_unit_test(a_secret_one_is_wiped_as_it_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
