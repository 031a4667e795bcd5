// SPDX-License-Identifier: Apache-2.0
/*
 * An answer made the asker's own: ID, case, AD, the OPT record, and the cut to whole records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/restore.h"
#include "dns/rig.h"

#define EDE "\0\17\0\2\0\3" /* an option: extended error 3 */

static struct rig g;
static uint8_t *out; /* of exactly `out_cap` bytes, so that a sanitizer sees each byte too many */
static size_t out_len;
static struct dns_query_view q;

static void begin(uint16_t flags)
{
	rig_begin(&g, DNS_QR | DNS_RD | DNS_RA | flags);
	rig_question(&g, "wWw.ExAmPlE", 16);
	q = (struct dns_query_view){.h = {.id = 0x4711, .flags = DNS_RD}, .edns_size = 512};
	assert_true(dns_name_parse("www.Example", &q.q.name));
	q.q.type = 16;
	q.q.class = DNS_IN;
}

/* n records of 12 + size bytes, with a compressed owner. */
static void texts(unsigned section, int n, size_t size)
{
	uint8_t text[256];
	for (int i = 0; i < n; i++) {
		memset(text, 'a' + i, sizeof(text));
		wbuf_put_be16(&g.w, 0xc00c);
		rig_fixed(&g, section, 16, DNS_IN, 300);
		wbuf_put_bytes(&g.w, text, size);
		rig_end(&g);
	}
}

static size_t run(size_t max, size_t cap)
{
	free(out);
	out = malloc(cap);
	memcpy(out, g.msg, g.w.len < cap ? g.w.len : cap);
	out_len = dns_restore(&q, out, g.w.len, cap, max);
	return out_len;
}

static void speaks_edns(uint16_t size, bool edns_do)
{
	q.has_edns = true;
	q.edns_size = size;
	q.edns_do = edns_do;
}

static struct dns_header header(void)
{
	struct dns_header h;
	assert_true(dns_header_read(view_make(out, out_len), &h));
	return h;
}

/* Reads the whole; returns the number of OPT records, and the last one. */
static int opts(struct dns_record *ret)
{
	struct dns_walk w;
	struct dns_record r;
	int n = 0, more;
	assert_true(dns_walk_begin(view_make(out, out_len), &w));
	while ((more = dns_walk_next(&w, &r)) > 0)
		if (r.type == DNS_OPT) {
			*ret = r;
			n++;
		}
	assert_int_equal(more, 0);
	assert_int_equal(w.at, out_len);
	return n;
}

static int teardown(void **state)
{
	free(out);
	out = NULL;
	return 0;
}

static void id_and_case_are_the_askers(void **state)
{
	begin(0);
	texts(DNS_ANSWER, 1, 20);
	assert_int_equal(run(512, 600), g.w.len);
	assert_int_equal(header().id, 0x4711);
	assert_memory_equal(out + 12, "\3www\7Example", 12);
	assert_memory_equal(out + 25, g.msg + 25, g.w.len - 25);
}

/* Names that are not compressed, or only in part, were written in our case. */
static void names_of_records_are_in_the_askers_case(void **state)
{
	begin(0);
	rig_bytes(&g, DNS_ANSWER, "WwW.eXAMPLe", 16, 300, "x", 1);
	size_t second = g.w.len;
	wbuf_put_bytes(&g.w, "\3wWW\300\20", 6);
	rig_fixed(&g, DNS_ANSWER, 16, DNS_IN, 300);
	rig_end(&g);
	size_t third = g.w.len;
	rig_bytes(&g, DNS_ANSWER, "OTHER.eXAMPLe", 16, 300, "x", 1);
	assert_int_equal(run(512, 600), g.w.len);
	assert_memory_equal(out + DNS_HLEN + 17, "\3www\7Example", 12);
	assert_memory_equal(out + second, "\3www\300\20", 6);
	assert_memory_equal(out + third, "\5OTHER\7eXAMPLe", 14);
}

static void ad_is_for_those_who_asked(void **state)
{
	struct dns_record opt;
	begin(DNS_AD);
	run(512, 600);
	assert_false(header().flags & DNS_AD);
	q.h.flags |= DNS_AD;
	run(512, 600);
	assert_true(header().flags & DNS_AD);
	begin(DNS_AD);
	speaks_edns(1232, true);
	run(1232, 600);
	assert_true(header().flags & DNS_AD);
	assert_int_equal(opts(&opt), 1);
	assert_int_equal(opt.ttl, DNS_EDNS_DO);
}

static void opt_comes_and_goes(void **state)
{
	struct dns_record opt;
	begin(0);
	texts(DNS_ANSWER, 1, 20);
	speaks_edns(1232, false);
	assert_int_equal(run(1232, 600), g.w.len + 11);
	assert_int_equal(opts(&opt), 1);
	assert_int_equal(opt.class, DNS_EDNS_SIZE);
	assert_int_equal(opt.ttl, 0);

	begin(0);
	texts(DNS_ANSWER, 1, 20);
	size_t without = g.w.len;
	rig_opt(&g, 1400, 0, EDE, 6);
	assert_int_equal(run(512, 600), without);
	assert_int_equal(opts(&opt), 0);
	assert_int_equal(header().count[3], 0);

	/* The resolver's own word passes as it is. */
	speaks_edns(1232, false);
	assert_int_equal(run(1232, 600), g.w.len);
	assert_int_equal(opts(&opt), 1);
	assert_int_equal(opt.class, 1400);
	assert_memory_equal(opt.data.p, EDE, 6);
}

static void opt_without_room_makes_room(void **state)
{
	struct dns_record opt;
	begin(0);
	texts(DNS_ANSWER, 2, 100);
	speaks_edns(512, false);
	/* The buffer ends right behind the message: the last record gives way. */
	assert_int_equal(run(512, g.w.len), g.w.len - 112 + 11);
	assert_int_equal(opts(&opt), 1);
	assert_int_equal(header().count[1], 1);
	assert_true(header().flags & DNS_TC);
}

static void records_behind_the_opt_go_with_it(void **state)
{
	struct dns_record opt;
	begin(0);
	texts(DNS_ANSWER, 1, 20);
	texts(DNS_ADDITIONAL, 1, 20);
	size_t without = g.w.len;
	rig_opt(&g, 1400, 0, NULL, 0);
	texts(DNS_ADDITIONAL, 2, 20);
	assert_int_equal(run(512, 600), without);
	assert_int_equal(header().count[1], 1);
	assert_int_equal(header().count[3], 1);
	assert_int_equal(opts(&opt), 0);
	assert_false(header().flags & DNS_TC); /* nothing was too long */
	speaks_edns(1232, false);
	assert_int_equal(run(1232, 600), g.w.len);
}

static void too_long_is_cut_to_whole_records(void **state)
{
	struct dns_record opt;
	begin(DNS_AD);
	q.h.flags |= DNS_AD;
	texts(DNS_ANSWER, 3, 100);
	texts(DNS_AUTHORITY, 3, 100);
	size_t first = DNS_HLEN + 13 + 4;
	assert_int_equal(run(512, 4096), first + 4 * 112);
	assert_int_equal(header().count[1], 3);
	assert_int_equal(header().count[2], 1);
	assert_true(header().flags & DNS_TC);
	assert_false(header().flags & DNS_AD);
	assert_int_equal(opts(&opt), 0);
	/* One byte more or less decides. */
	assert_int_equal(run(first + 4 * 112, 4096), first + 4 * 112);
	assert_int_equal(run(first + 4 * 112 - 1, 4096), first + 3 * 112);
	assert_int_equal(run(g.w.len, 4096), g.w.len);
	assert_false(header().flags & DNS_TC);
	assert_true(header().flags & DNS_AD);
	/* The OPT record is kept, and has its place. */
	rig_opt(&g, 1400, 0, EDE, 6);
	speaks_edns(512, false);
	assert_int_equal(run(512, 4096), first + 4 * 112 + 17);
	assert_int_equal(opts(&opt), 1);
	assert_int_equal(opt.data.len, 6);
	assert_int_equal(header().count[3], 1);
	/* One that has grown too large itself becomes a plain one. */
	assert_int_equal(run(first + 4 * 112 + 12, 4096), first + 4 * 112 + 11);
	assert_int_equal(opts(&opt), 1);
	assert_int_equal(opt.data.len, 0);
}

static void what_cannot_be_read_is_nothing(void **state)
{
	begin(0);
	texts(DNS_ANSWER, 1, 20);
	for (size_t n = 0; n < g.w.len; n++) {
		size_t whole = g.w.len;
		g.w.len = n;
		assert_int_equal(run(512, 600), 0);
		g.w.len = whole;
	}
}

static void error_without_a_question_keeps_its_form(void **state)
{
	rig_begin(&g, DNS_QR | DNS_FORMERR);
	speaks_edns(1232, false);
	assert_int_equal(run(1232, 600), DNS_HLEN);
	assert_int_equal(header().id, 0x4711);
}

#define T(fn) cmocka_unit_test_teardown(fn, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(id_and_case_are_the_askers),
		T(names_of_records_are_in_the_askers_case),
		T(ad_is_for_those_who_asked),
		T(opt_comes_and_goes),
		T(opt_without_room_makes_room),
		T(records_behind_the_opt_go_with_it),
		T(too_long_is_cut_to_whole_records),
		T(what_cannot_be_read_is_nothing),
		T(error_without_a_question_keeps_its_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
