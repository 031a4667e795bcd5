// SPDX-License-Identifier: Apache-2.0
/*
 * Lengths in a stream, and what a frame may leave to others: the header that says so, and
 * libkrun's frames, which do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/view.h"
#include "link/framing.h"
#include "link/offload.h"

/* ---- lengths --------------------------------------------------------------------------------- */

static enum framing_result next(unsigned prefix, unsigned header, uint32_t len, size_t have,
				uint32_t *ret_len)
{
	static uint8_t b[4 + FRAMING_MAX + 64];
	struct framing f = {prefix, header};
	struct view v = view_make(b, have), frame;

	framing_put(&f, b, len);
	enum framing_result r = framing_next(&f, &v, &frame, ret_len);
	if (r == FRAMING_FRAME) {
		assert_ptr_equal(frame.p, b + prefix);
		assert_int_equal(frame.len, len);
		assert_int_equal(v.len, have - prefix - len);
	} else {
		assert_ptr_equal(v.p, b);
		assert_int_equal(v.len, have);
	}
	return r;
}

static void lengths_outside_the_limits_are_bad(void **state)
{
	static const struct {
		unsigned prefix, header;
		uint32_t len;
		enum framing_result want;
	} rows[] = {
		{4, 0, 0, FRAMING_BAD},        {4, 0, 13, FRAMING_BAD},
		{4, 0, 14, FRAMING_FRAME},     {4, 0, 65550, FRAMING_FRAME},
		{4, 0, 65551, FRAMING_BAD},    {4, 0, 0xffffffff, FRAMING_BAD},
		{4, 12, 25, FRAMING_BAD},      {4, 12, 26, FRAMING_FRAME},
		{4, 12, 65562, FRAMING_FRAME}, {4, 12, 65563, FRAMING_BAD},
		{2, 0, 13, FRAMING_BAD},       {2, 0, 14, FRAMING_FRAME},
		{2, 0, 65535, FRAMING_FRAME},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t len = 1;

		assert_int_equal(next(rows[i].prefix, rows[i].header, rows[i].len,
				      4 + FRAMING_MAX + 64, &len),
				 rows[i].want);
		assert_int_equal(len, rows[i].want == FRAMING_BAD ? rows[i].len : 1);
	}
}

static void what_is_not_all_there_is_left(void **state)
{
	uint32_t len;

	for (size_t have = 0; have < 64; have++) {
		assert_int_equal(next(4, 0, 60, have, &len), FRAMING_MORE);
		assert_int_equal(next(2, 0, 62, have, &len), FRAMING_MORE);
	}
	assert_int_equal(next(4, 0, 60, 64, &len), FRAMING_FRAME);
	assert_int_equal(next(2, 0, 62, 64, &len), FRAMING_FRAME);
	/* A bad one is known from its length alone. */
	assert_int_equal(next(4, 0, 5, 3, &len), FRAMING_MORE);
	assert_int_equal(next(4, 0, 5, 4, &len), FRAMING_BAD);
}

static void what_can_be_sent_depends_on_the_length(void **state)
{
	assert_int_equal(framing_max(&(struct framing){4, 0}), 65550);
	assert_int_equal(framing_max(&(struct framing){4, 12}), 65550);
	assert_int_equal(framing_max(&(struct framing){2, 0}), 65535);
	assert_int_equal(framing_max(&(struct framing){2, 12}), 65523);
}

/* ---- libkrun --------------------------------------------------------------------------------- */

/* The sum of 16-bit words, folded; of the obvious kind. */
static uint16_t sum(const uint8_t *p, size_t n, uint32_t start)
{
	uint32_t s = start;

	for (size_t i = 0; i < n; i++)
		s += (uint32_t)p[i] << (i % 2 ? 0 : 8);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

struct sample {
	uint8_t b[3000];
	uint32_t len;
	unsigned l4, csum; /* offsets */
	uint32_t l4_len;
	uint16_t pseudo; /* the pseudo-header's sum */
};

static void make(struct sample *s, int family, int proto, uint32_t payload)
{
	unsigned hdr = proto == 6 ? 20 : 8;

	*s = (struct sample){.l4 = family == 4 ? 34 : 54, .l4_len = hdr + payload};
	s->csum = s->l4 + (proto == 6 ? 16 : 6);
	s->len = s->l4 + s->l4_len;
	for (uint32_t i = 0; i < s->len; i++)
		s->b[i] = (uint8_t)(i * 11 + 3);
	uint8_t *ip = s->b + 14;
	if (family == 4) {
		put_be16(s->b + 12, 0x0800);
		ip[0] = 0x45;
		put_be16(ip + 2, (uint16_t)(20 + s->l4_len));
		put_be16(ip + 6, 0x4000);
		ip[9] = (uint8_t)proto;
		s->pseudo = sum(ip + 12, 8, (uint32_t)proto + s->l4_len);
	} else {
		put_be16(s->b + 12, 0x86dd);
		ip[0] = 0x60;
		put_be16(ip + 4, (uint16_t)s->l4_len);
		ip[6] = (uint8_t)proto;
		s->pseudo = sum(ip + 8, 32, (uint32_t)proto + s->l4_len);
	}
	if (proto == 6)
		s->b[s->l4 + 12] = 5 << 4;
	put_be16(s->b + s->csum, 0);
}

static struct frame krun(struct sample *s)
{
	struct frame f;

	assert_true(offload_take(LINK_OFFLOAD_LIBKRUN, s->b, s->len, &f));
	assert_ptr_equal(f.data, s->b);
	assert_int_equal(f.len, s->len);
	assert_int_equal(f.meta.gso, FRAME_GSO_NONE);
	return f;
}

static void an_unfinished_checksum_is_known_from_the_frame(void **state)
{
	static const int protos[] = {6, 17};
	struct sample s;

	for (int family = 4; family <= 6; family += 2) {
		for (int i = 0; i < 2; i++) {
			make(&s, family, protos[i], 2000);
			put_be16(s.b + s.csum, s.pseudo);
			struct frame f = krun(&s);
			assert_true(f.meta.needs_csum);
			assert_int_equal(f.meta.csum_start, s.l4);
			assert_int_equal(f.meta.csum_offset, s.csum - s.l4);
			/* Other systems leave the length out of it. */
			put_be16(s.b + s.csum,
				 sum((uint8_t[]){(uint8_t) ~(s.l4_len >> 8), (uint8_t)~s.l4_len}, 2,
				     s.pseudo));
			assert_true(krun(&s).meta.needs_csum);
			/* A whole checksum is for the stack to check. */
			uint16_t whole = (uint16_t)~sum(s.b + s.l4, s.l4_len, s.pseudo);
			put_be16(s.b + s.csum, whole);
			assert_false(krun(&s).meta.needs_csum);
			put_be16(s.b + s.csum, (uint16_t)(whole + 1));
			assert_false(krun(&s).meta.needs_csum);
		}
	}
}

static void frames_that_only_look_so_are_left_alone(void **state)
{
	struct sample s;
	struct frame f;

	/* Other protocols, fragments, and headers that end behind the frame. */
	make(&s, 4, 17, 100);
	put_be16(s.b + s.csum, s.pseudo);
	s.b[14 + 9] = 1;
	assert_false(krun(&s).meta.needs_csum);
	make(&s, 4, 17, 100);
	put_be16(s.b + s.csum, s.pseudo);
	put_be16(s.b + 14 + 6, 0x2000);
	assert_false(krun(&s).meta.needs_csum);
	put_be16(s.b + 14 + 6, 0x0010);
	assert_false(krun(&s).meta.needs_csum);
	put_be16(s.b + 14 + 6, 0x4000);
	assert_true(krun(&s).meta.needs_csum);
	for (s.len = 14; s.len < 142; s.len++) {
		/* In memory of its own, so that a read behind the end is seen. */
		uint8_t *copy = malloc(s.len);
		memcpy(copy, s.b, s.len);
		assert_true(offload_take(LINK_OFFLOAD_LIBKRUN, copy, s.len, &f));
		assert_false(f.meta.needs_csum);
		free(copy);
	}
	make(&s, 4, 6, 0);
	put_be16(s.b + 14 + 2, 39); /* less than a TCP header */
	put_be16(s.b + s.csum, sum(s.b + 26, 8, 6 + 19));
	assert_false(krun(&s).meta.needs_csum);
	/* A header that is too short, and the sum where the field would be behind it. */
	make(&s, 4, 6, 100);
	s.b[14] = 0x44;
	put_be16(s.b + 14 + 16 + 16, sum(s.b + 26, 8, 6 + 20 + 100 + 4));
	assert_false(krun(&s).meta.needs_csum);
	/* And none of it without the mode. */
	make(&s, 4, 6, 10);
	put_be16(s.b + s.csum, s.pseudo);
	assert_true(offload_take(LINK_OFFLOAD_NONE, s.b, s.len, &f));
	assert_false(f.meta.needs_csum);
}

static void each_mode_has_its_room_and_its_caps(void **state)
{
	assert_int_equal(offload_header(LINK_OFFLOAD_NONE), 0);
	assert_int_equal(offload_header(LINK_OFFLOAD_LIBKRUN), 0);
	assert_int_equal(offload_header(LINK_OFFLOAD_VNET), 12);
	assert_int_equal(offload_caps(LINK_OFFLOAD_NONE), 0);
	assert_int_equal(offload_caps(LINK_OFFLOAD_LIBKRUN), 0);
	assert_int_equal(offload_caps(LINK_OFFLOAD_VNET), LINK_CSUM | LINK_TSO4 | LINK_TSO6);
}

static void frames_without_a_length_do_not_leave(void **state)
{
	uint8_t b[FRAME_VNET_ROOM + 100] = {0};
	struct frame f = {.data = b + FRAME_VNET_ROOM, .len = 13};

	assert_false(offload_put(LINK_OFFLOAD_NONE, &f, 1000));
	f.len = 14;
	assert_true(offload_put(LINK_OFFLOAD_NONE, &f, 1000));
	assert_true(offload_put(LINK_OFFLOAD_NONE, &f, 14));
	assert_false(offload_put(LINK_OFFLOAD_VNET, &f, 13));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_outside_the_limits_are_bad),
		cmocka_unit_test(what_is_not_all_there_is_left),
		cmocka_unit_test(what_can_be_sent_depends_on_the_length),
		cmocka_unit_test(an_unfinished_checksum_is_known_from_the_frame),
		cmocka_unit_test(frames_that_only_look_so_are_left_alone),
		cmocka_unit_test(each_mode_has_its_room_and_its_caps),
		cmocka_unit_test(frames_without_a_length_do_not_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
