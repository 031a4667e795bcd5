// SPDX-License-Identifier: Apache-2.0
/*
 * The cache: what is kept, for how long, under which key, and what comes out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/cache.h"
#include "dns/rig.h"

#define S 1000000ull

static struct rig g;
static struct dns_cache *c;
static uint8_t out[DNS_MSG_MAX];
static bool prefetch;

static int make(void **state)
{
	c = dns_cache_new(1 << 20);
	return c ? 0 : -1;
}

static int done(void **state)
{
	dns_cache_free(c);
	return 0;
}

static struct dns_query_view ask(const char *name, uint16_t type)
{
	struct dns_query_view q = {.h = {.id = 0x7777, .flags = DNS_RD}};
	dns_name_parse(name, &q.q.name);
	q.q.type = type;
	q.q.class = DNS_IN;
	return q;
}

static void begin(const char *name, uint16_t type, unsigned rcode)
{
	rig_begin(&g, (uint16_t)(DNS_QR | DNS_RD | DNS_RA | rcode));
	rig_question(&g, name, type);
}

static void put(const char *name, uint16_t type, uint64_t now)
{
	struct dns_query_view q = ask(name, type);
	dns_cache_put(c, &q, view_make(g.msg, g.w.len), now);
}

static size_t get(const char *name, uint16_t type, uint64_t now)
{
	struct dns_query_view q = ask(name, type);
	prefetch = false;
	return dns_cache_get(c, &q, now, out, sizeof(out), &prefetch);
}

static void one(const char *name, uint32_t ttl, uint64_t now)
{
	begin(name, DNS_A, 0);
	rig_addr(&g, DNS_ANSWER, name, ttl, "93.184.216.34");
	put(name, DNS_A, now);
}

/* The TTL of the record `i` of what came out. */
static uint32_t ttl_of(size_t len, unsigned i)
{
	struct dns_walk w;
	struct dns_record r;
	assert_true(dns_walk_begin(view_make(out, len), &w));
	for (unsigned k = 0; k <= i; k++)
		assert_int_equal(dns_walk_next(&w, &r), 1);
	return r.ttl;
}

static void answer_comes_back_as_it_was_asked(void **state)
{
	begin("www.example.com", DNS_A, 0);
	rig_alias(&g, DNS_ANSWER, "www.example.com", DNS_CNAME, 300, "a.example.net");
	rig_addr(&g, DNS_ANSWER, "a.example.net", 100, "93.184.216.34");
	rig_alias(&g, DNS_AUTHORITY, "example.net", 2, 500, "ns.example.net");
	size_t len = g.w.len;
	rig_opt(&g, 4096, 0, "\0\12\0\10cookies!", 12);
	rig_addr(&g, DNS_ADDITIONAL, "ns.example.net", 400, "93.184.216.35");
	size_t whole = g.w.len;
	wbuf_put_zero(&g.w, 9);
	put("www.example.com", DNS_A, 5 * S);
	size_t got = get("WWW.eXample.com", DNS_A, 5 * S + 42 * S + S / 2);
	assert_int_equal(got, whole - 23);
	assert_false(prefetch);
	assert_int_equal(get_be16(out), 0x7777);
	assert_int_equal(get_be16(out + 2), DNS_QR | DNS_RD | DNS_RA);
	assert_memory_equal(out + DNS_HLEN, "\3WWW\7eXample\3com", 17);
	assert_memory_equal(out + DNS_HLEN + 17, g.msg + DNS_HLEN + 17, 4);
	assert_int_equal(ttl_of(got, 0), 300 - 42);
	assert_int_equal(ttl_of(got, 1), 100 - 42);
	assert_int_equal(ttl_of(got, 2), 500 - 42);
	assert_int_equal(ttl_of(got, 3), 400 - 42);
	assert_int_equal(get_be16(out + 10), 1); /* without the OPT record */
	/* All else is as it came. */
	for (unsigned i = 0; i < 4; i++) {
		struct dns_walk w;
		struct dns_record r;
		dns_walk_begin(view_make(out, got), &w);
		for (unsigned k = 0; k <= i; k++)
			dns_walk_next(&w, &r);
		memset(out + r.data_at - 6, 0, 4);
		memset(g.msg + r.data_at - 6 + (i == 3 ? 23 : 0), 0, 4);
	}
	assert_memory_equal(out + DNS_HLEN + 17, g.msg + DNS_HLEN + 17, len - DNS_HLEN - 17);
	assert_memory_equal(out + len, g.msg + len + 23, got - len);
}

static void recursion_bit_is_the_askers(void **state)
{
	struct dns_query_view q = ask("a.example", DNS_A);
	one("a.example", 100, 0);
	q.h.flags = 0;
	assert_true(dns_cache_get(c, &q, S, out, sizeof(out), &prefetch) > 0);
	assert_int_equal(get_be16(out + 2), DNS_QR | DNS_RA);
}

static void every_part_of_the_key_counts(void **state)
{
	one("a.example", 100, 0);
	struct dns_query_view q = ask("A.EXAMPLE", DNS_A);
	assert_true(dns_cache_get(c, &q, S, out, sizeof(out), &prefetch) > 0);
	q = ask("b.example", DNS_A);
	assert_int_equal(dns_cache_get(c, &q, S, out, sizeof(out), &prefetch), 0);
	q = ask("a.example", DNS_AAAA);
	assert_int_equal(dns_cache_get(c, &q, S, out, sizeof(out), &prefetch), 0);
	q = ask("a.example", DNS_A);
	q.q.class = 3;
	assert_int_equal(dns_cache_get(c, &q, S, out, sizeof(out), &prefetch), 0);
	q = ask("a.example", DNS_A);
	q.edns_do = true;
	assert_int_equal(dns_cache_get(c, &q, S, out, sizeof(out), &prefetch), 0);
	q = ask("a.example", DNS_A);
	q.h.flags |= DNS_CD;
	assert_int_equal(dns_cache_get(c, &q, S, out, sizeof(out), &prefetch), 0);
	q = ask("a.example", DNS_A);
	q.edns_special = true;
	assert_int_equal(dns_cache_get(c, &q, S, out, sizeof(out), &prefetch), 0);
	assert_int_equal(dns_cache_counts(c).hits, 1);
	assert_int_equal(dns_cache_counts(c).misses, 6);
}

static void answer_goes_when_its_smallest_ttl_is_over(void **state)
{
	begin("a.example", DNS_A, 0);
	rig_addr(&g, DNS_ANSWER, "a.example", 300, "93.184.216.34");
	rig_addr(&g, DNS_ANSWER, "a.example", 30, "93.184.216.35");
	put("a.example", DNS_A, S);
	assert_true(get("a.example", DNS_A, 31 * S - 1) > 0);
	assert_int_equal(get("a.example", DNS_A, 31 * S), 0);
	assert_int_equal(dns_cache_counts(c).entries, 0);
	assert_int_equal(dns_cache_counts(c).bytes, 0);
	/* A day at most. */
	one("b.example", 1000000, 0);
	assert_true(get("b.example", DNS_A, CACHE_TTL_MAX_S * S - 1) > 0);
	assert_int_equal(get("b.example", DNS_A, CACHE_TTL_MAX_S * S), 0);
}

static void prefetch_is_asked_for_once(void **state)
{
	one("a.example", 100, 0);
	assert_true(get("a.example", DNS_A, 90 * S - 1) > 0);
	assert_false(prefetch);
	assert_true(get("a.example", DNS_A, 90 * S) > 0);
	assert_true(prefetch);
	assert_true(get("a.example", DNS_A, 90 * S) > 0);
	assert_false(prefetch);
	one("a.example", 100, 91 * S);
	assert_true(get("a.example", DNS_A, 91 * S) > 0);
	assert_false(prefetch);
	assert_int_equal(ttl_of(get("a.example", DNS_A, 91 * S), 0), 100);
	assert_true(get("a.example", DNS_A, 190 * S) > 0);
	assert_true(prefetch);
	assert_int_equal(dns_cache_counts(c).entries, 1);
}

static void negative_answers_need_a_soa(void **state)
{
	begin("a.example", DNS_A, DNS_NXDOMAIN);
	put("a.example", DNS_A, 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);
	rig_soa(&g, "example", 600, 60);
	put("a.example", DNS_A, 0);
	assert_true(get("a.example", DNS_A, 60 * S - 1) > 0);
	assert_int_equal(ttl_of(get("a.example", DNS_A, 59 * S), 0), 600 - 59);
	assert_int_equal(get("a.example", DNS_A, 60 * S), 0);

	begin("a.example", DNS_A, 0); /* NODATA at the end of a chain */
	rig_alias(&g, DNS_ANSWER, "a.example", DNS_CNAME, 300, "b.example");
	put("a.example", DNS_A, 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);
	rig_soa(&g, "example", 20, 60);
	put("a.example", DNS_A, 0);
	assert_true(get("a.example", DNS_A, 20 * S - 1) > 0);
	assert_int_equal(get("a.example", DNS_A, 20 * S), 0);

	begin("a.example", DNS_A, 0); /* a referral */
	rig_alias(&g, DNS_AUTHORITY, "example", 2, 300, "ns.example");
	put("a.example", DNS_A, 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);

	begin("b.example", DNS_A, DNS_NXDOMAIN);
	rig_soa(&g, "example", 86400, 86400);
	put("b.example", DNS_A, 0);
	assert_true(get("b.example", DNS_A, CACHE_NEG_MAX_S * S - 1) > 0);
	assert_int_equal(get("b.example", DNS_A, CACHE_NEG_MAX_S * S), 0);
}

static void what_does_not_last_is_not_kept(void **state)
{
	static const unsigned flags[] = {DNS_SERVFAIL, DNS_REFUSED, DNS_FORMERR, DNS_NOTIMP,
					 DNS_TC};
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		begin("a.example", DNS_A, flags[i]);
		rig_addr(&g, DNS_ANSWER, "a.example", 100, "93.184.216.34");
		put("a.example", DNS_A, 0);
		assert_int_equal(get("a.example", DNS_A, 0), 0);
	}
	one("a.example", 0, 0);
	one("a.example", 0x80000010, 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);
	begin("a.example", DNS_A, 0);
	rig_addr(&g, DNS_ANSWER, "a.example", 100, "93.184.216.34");
	rig_opt(&g, 1232, 1u << 24, NULL, 0); /* BADVERS in its upper bits */
	put("a.example", DNS_A, 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);
	begin("b.example", DNS_A, 0); /* the answer to something else */
	rig_addr(&g, DNS_ANSWER, "b.example", 100, "93.184.216.34");
	put("a.example", DNS_A, 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);
	begin("a.example", DNS_A, 0); /* malformed */
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_A, 100, "123", 3);
	put("a.example", DNS_A, 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);
	begin("a.example", DNS_A, 0);
	rig_addr(&g, DNS_ANSWER, "a.example", 100, "93.184.216.34");
	struct dns_query_view q = ask("a.example", DNS_A);
	q.h.flags = 0; /* no recursion: only what the resolver had at hand */
	dns_cache_put(c, &q, view_make(g.msg, g.w.len), 0);
	q = ask("a.example", DNS_A);
	q.edns_special = true;
	dns_cache_put(c, &q, view_make(g.msg, g.w.len), 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);
	assert_int_equal(dns_cache_counts(c).entries, 0);
	/* An older answer stays while errors come, and goes when a newer one says so. */
	one("a.example", 100, 0);
	begin("a.example", DNS_A, DNS_SERVFAIL);
	put("a.example", DNS_A, 0);
	assert_true(get("a.example", DNS_A, 0) > 0);
	one("a.example", 0, 0);
	assert_int_equal(get("a.example", DNS_A, 0), 0);
}

static void least_recently_used_goes_first(void **state)
{
	char name[32];
	dns_cache_free(c);
	c = dns_cache_new(10000);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		one(name, 100, 0);
		assert_true(dns_cache_counts(c).bytes <= 10000);
		assert_true(get("n0.example", DNS_A, 0) > 0);
	}
	struct dns_cache_counts n = dns_cache_counts(c);
	assert_in_range(n.entries, 25, 75);
	assert_int_equal(n.evicted, 1000 - n.entries);
	assert_true(get("n999.example", DNS_A, 0) > 0);
	assert_int_equal(get("n1.example", DNS_A, 0), 0);
	/* What is larger than all is not kept, and throws nothing out. */
	begin("big.example", DNS_A, 0);
	for (int i = 0; i < 500; i++)
		rig_addr(&g, DNS_ANSWER, "big.example", 100, "93.184.216.34");
	put("big.example", DNS_A, 0);
	assert_int_equal(get("big.example", DNS_A, 0), 0);
	assert_int_equal(dns_cache_counts(c).entries, n.entries);
	dns_cache_clear(c);
	assert_int_equal(dns_cache_counts(c).entries, 0);
	assert_int_equal(dns_cache_counts(c).bytes, 0);
	assert_int_equal(get("n0.example", DNS_A, 0), 0);
}

static void message_that_does_not_fit_the_buffer_is_a_miss(void **state)
{
	struct dns_query_view q = ask("a.example", DNS_A);
	one("a.example", 100, 0);
	size_t len = get("a.example", DNS_A, 0);
	assert_int_equal(dns_cache_get(c, &q, 0, out, len - 1, &prefetch), 0);
	assert_int_equal(dns_cache_get(c, &q, 0, out, len, &prefetch), len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answer_comes_back_as_it_was_asked, make, done),
		cmocka_unit_test_setup_teardown(recursion_bit_is_the_askers, make, done),
		cmocka_unit_test_setup_teardown(every_part_of_the_key_counts, make, done),
		cmocka_unit_test_setup_teardown(answer_goes_when_its_smallest_ttl_is_over, make,
						done),
		cmocka_unit_test_setup_teardown(prefetch_is_asked_for_once, make, done),
		cmocka_unit_test_setup_teardown(negative_answers_need_a_soa, make, done),
		cmocka_unit_test_setup_teardown(what_does_not_last_is_not_kept, make, done),
		cmocka_unit_test_setup_teardown(least_recently_used_goes_first, make, done),
		cmocka_unit_test_setup_teardown(message_that_does_not_fit_the_buffer_is_a_miss,
						make, done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
