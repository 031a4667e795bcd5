// SPDX-License-Identifier: Apache-2.0
/*
 * The checksum against a slow and obvious one, over lengths, alignments and splits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stack/checksum.h"
#include "stack/rig.h"

static uint8_t buf[65536 + 64];

static void fill(unsigned seed)
{
	srand(seed);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(rand() >> 7);
}

static void same_as_naive_over_lengths(void **state)
{
	fill(1);
	for (size_t len = 0; len < 1024; len++)
		for (size_t at = 0; at < 9; at++)
			assert_int_equal(csum_fold(csum_add(0, buf + at, len)),
					 naive_csum(buf + at, len));
	for (int i = 0; i < 300; i++) {
		size_t at = (size_t)rand() % 64, len = (size_t)rand() % 65536;
		assert_int_equal(csum_fold(csum_add(0, buf + at, len)), naive_csum(buf + at, len));
	}
}

static void carries_are_kept(void **state)
{
	memset(buf, 0xff, sizeof(buf));
	for (size_t len = 2; len <= 65536; len += len / 3 + 1)
		assert_int_equal(csum_fold(csum_add(0, buf, len)), naive_csum(buf, len));
}

static void pieces_of_even_length_add_up(void **state)
{
	fill(2);
	for (int i = 0; i < 300; i++) {
		size_t a = (size_t)(rand() % 700) * 2, b = (size_t)rand() % 3000;
		uint64_t sum = csum_add(csum_add(0, buf, a), buf + a, b);
		assert_int_equal(csum_fold(sum), naive_csum(buf, a + b));
	}
}

static void pseudo_header_is_the_rfcs(void **state)
{
	/* Addresses, then for IPv4 zero, protocol, length; for IPv6 length and next header, wide.
	 */
	uint8_t flat[40] = {0};

	memcpy(flat, rig_guest4.b, 4);
	memcpy(flat + 4, rig_far4.b, 4);
	flat[9] = 17;
	put_be16(flat + 10, 1234);
	assert_int_equal(csum_fold(csum_pseudo(&rig_guest4, &rig_far4, 17, 1234)),
			 naive_csum(flat, 12));
	memcpy(flat, rig_guest6.b, 16);
	memcpy(flat + 16, rig_far6.b, 16);
	put_be32(flat + 32, 70000);
	put_be32(flat + 36, 6);
	assert_int_equal(csum_fold(csum_pseudo(&rig_guest6, &rig_far6, 6, 70000)),
			 naive_csum(flat, 40));
}

static void l4_checksum_verifies(void **state)
{
	fill(3);
	for (size_t len = 8; len < 200; len++) {
		put_be16(buf + 6, 0);
		put_be16(buf + 6, csum_l4(&rig_guest6, &rig_far6, 17, buf, len));
		assert_true(csum_l4_ok(&rig_guest6, &rig_far6, 17, buf, len));
		buf[len - 1] ^= 0x10;
		assert_false(csum_l4_ok(&rig_guest6, &rig_far6, 17, buf, len));
	}
}

static void drop_reasons_have_names(void **state)
{
	for (int i = 0; i < DROP_REASONS; i++) {
		assert_string_not_equal(drop_reason_name((enum drop_reason)i), "unknown");
		for (int k = 0; k < i; k++)
			assert_string_not_equal(drop_reason_name((enum drop_reason)i),
						drop_reason_name((enum drop_reason)k));
	}
	assert_string_equal(drop_reason_name(DROP_REASONS), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_naive_over_lengths),
		cmocka_unit_test(carries_are_kept),
		cmocka_unit_test(pieces_of_even_length_add_up),
		cmocka_unit_test(pseudo_header_is_the_rfcs),
		cmocka_unit_test(l4_checksum_verifies),
		cmocka_unit_test(drop_reasons_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
