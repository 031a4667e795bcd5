// SPDX-License-Identifier: Apache-2.0
/* Secret memory: blocks are apart, zeroed, wiped when they are freed, and not inherited by fork. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secret/memory.h"

static bool all(const uint8_t *p, size_t n, uint8_t c)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != c)
			return false;
	return true;
}

static void blocks_are_apart_and_zeroed(void **state)
{
	enum {
		N = 4000
	};
	static uint8_t *p[N];
	static size_t size[N];
	uint32_t seed = 1;

	for (int turn = 0; turn < 20000; turn++) {
		seed = seed * 1664525 + 1013904223;
		size_t i = (seed >> 8) % N;
		if (p[i]) {
			assert_true(all(p[i], size[i], (uint8_t)i));
			secret_free(p[i]);
			p[i] = NULL;
			continue;
		}
		/* Mostly short ones, some longer than the longest block. */
		size[i] = turn % 100 ? (seed >> 16) % 300 : (seed >> 12) % 50000;
		p[i] = secret_alloc(size[i]);
		assert_non_null(p[i]);
		assert_true(all(p[i], size[i], 0));
		memset(p[i], (int)i, size[i]);
	}
	for (size_t i = 0; i < N; i++)
		secret_free(p[i]);
}

static void a_freed_block_is_wiped(void **state)
{
	/* Its neighbour keeps the chunk mapped. */
	uint8_t *other = secret_alloc(100), *p = secret_alloc(100);

	memset(p, 'x', 100);
	secret_free(p);
	assert_true(all(p, 100, 0));
	secret_free(other);
	secret_free(NULL);
}

static void a_child_sees_nothing(void **state)
{
	uint8_t *p = secret_alloc(1000);
	int status;

	memset(p, 'x', 1000);
	pid_t pid = fork();
	if (pid == 0) {
		/* And its heap is in order. */
		uint8_t *more = secret_alloc(1000);
		_exit(all(p, 1000, 0) && more && more != p ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(all(p, 1000, 'x'));
	secret_free(p);
}

static void a_queue_keeps_its_order_and_wipes_what_is_taken(void **state)
{
	struct secret_buf b = {0};
	uint8_t next_in = 0, next_out = 0;
	uint32_t seed = 7;
	size_t len = 0;

	for (int turn = 0; turn < 20000; turn++) {
		uint8_t some[700];

		seed = seed * 1664525 + 1013904223;
		size_t n = (seed >> 8) % sizeof(some);
		if (seed >> 31) {
			for (size_t i = 0; i < n; i++)
				some[i] = next_in++;
			assert_true(secret_buf_append(&b, view_make(some, n)));
			len += n;
		} else {
			n = n < len ? n : len;
			struct view v = secret_buf_view(&b);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(v.p[i], next_out++);
			secret_buf_take(&b, n);
			len -= n;
			if (b.len)
				assert_true(all(v.p, n, 0));
		}
		assert_int_equal(b.len, len);
	}
	secret_buf_done(&b);
	assert_null(b.mem);
}

static void what_a_queue_moves_is_nowhere_else(void **state)
{
	struct secret_buf b = {0};
	size_t cap;

	assert_true(secret_buf_append(&b, view_make("0123456789", 10)));
	uint8_t *room = secret_buf_room(&b, 1, &cap);
	memset(room, 'x', cap);
	b.len += cap;
	secret_buf_take(&b, b.len - 4);
	uint8_t *mem = b.mem;
	assert_non_null(secret_buf_room(&b, b.cap - 4, &cap));
	assert_ptr_equal(b.mem, mem);
	assert_true(all(b.mem, 4, 'x'));
	assert_true(all(b.mem + 4, b.cap - 4, 0));
	secret_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_apart_and_zeroed),
		cmocka_unit_test(a_freed_block_is_wiped),
		cmocka_unit_test(a_child_sees_nothing),
		cmocka_unit_test(a_queue_keeps_its_order_and_wipes_what_is_taken),
		cmocka_unit_test(what_a_queue_moves_is_nowhere_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
