// SPDX-License-Identifier: Apache-2.0
/*
 * The answer filter: what is refused, what is taken out, and what is read off an answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/filter.h"
#include "dns/rig.h"

static struct rig g;
static struct dns_answer_facts f;
static struct dns_question q;
static uint8_t *out; /* the message after the filter, in memory of exactly its first size */

static bool public_only(void *arg, const struct ipaddr *a)
{
	return !dns_rebind_range(a);
}

static void begin(const char *name, uint16_t type)
{
	rig_begin(&g, DNS_QR | DNS_RD | DNS_RA | DNS_AD);
	rig_question(&g, name, type);
	dns_name_parse(name, &q.name);
	q.type = type;
	q.class = DNS_IN;
}

static enum dns_filter_result run(bool strip)
{
	const struct dns_filter_rules rules = {.address_ok = public_only, .strip_ech = strip};
	free(out);
	out = malloc(g.w.len);
	memcpy(out, g.msg, g.w.len);
	memset(&f, 0x5a, sizeof(f));
	return dns_filter(out, g.w.len, &q, &rules, &f);
}

static void assert_chain(size_t i, const char *text)
{
	struct dns_name n;
	dns_name_parse(text, &n);
	assert_true(i < f.chain_n);
	assert_true(dns_name_eq(&f.chain[i], &n));
}

static void assert_addr(size_t i, const char *text)
{
	struct ipaddr a;
	assert_true(ipaddr_parse(text, &a));
	assert_true(i < f.addr_n);
	assert_true(ipaddr_eq(&f.addrs[i], &a));
}

static void plain_answer_passes_unchanged(void **state)
{
	begin("a.example.com", DNS_A);
	rig_addr(&g, DNS_ANSWER, "A.example.com", 300, "93.184.216.34");
	rig_addr(&g, DNS_ANSWER, "a.example.com", 200, "93.184.216.35");
	rig_opt(&g, 1232, 0, NULL, 0);
	size_t len = g.w.len;
	wbuf_put_zero(&g.w, 7); /* not a part of the message */
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.len, len);
	assert_memory_equal(out, g.msg, len);
	assert_false(f.changed);
	assert_int_equal(f.ech.len, 0);
	assert_int_equal(f.chain_n, 1);
	assert_chain(0, "a.example.com");
	assert_int_equal(f.addr_n, 2);
	assert_addr(0, "93.184.216.34");
	assert_addr(1, "93.184.216.35");
	assert_int_equal(f.ttl_s, 200);
}

static void chain_is_followed_in_any_order(void **state)
{
	begin("a.example", DNS_A);
	rig_addr(&g, DNS_ANSWER, "d.example", 300, "93.184.216.34");
	rig_alias(&g, DNS_ANSWER, "C.example", DNS_CNAME, 70, "d.example");
	rig_addr(&g, DNS_ANSWER, "other.example", 5, "93.184.216.40");
	rig_alias(&g, DNS_ANSWER, "other.example", DNS_CNAME, 4, "c.example");
	rig_alias(&g, DNS_ANSWER, "b.example", DNS_CNAME, 80, "c.example");
	rig_alias(&g, DNS_ANSWER, "a.example", DNS_CNAME, 90, "B.example");
	rig_addr(&g, DNS_ADDITIONAL, "d.example", 3, "93.184.216.41");
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.chain_n, 4);
	assert_chain(1, "b.example");
	assert_chain(2, "c.example");
	assert_chain(3, "d.example");
	assert_int_equal(f.addr_n, 1);
	assert_addr(0, "93.184.216.34");
	assert_int_equal(f.ttl_s, 70);
}

static void chains_end(void **state)
{
	char from[32], to[32];
	for (int steps = FILTER_CHAIN_MAX - 1; steps <= FILTER_CHAIN_MAX; steps++) {
		begin("n0.example", DNS_A);
		for (int i = 0; i < steps; i++) {
			snprintf(from, sizeof(from), "n%d.example", i);
			snprintf(to, sizeof(to), "n%d.example", i + 1);
			rig_alias(&g, DNS_ANSWER, from, DNS_CNAME, 60, to);
		}
		rig_addr(&g, DNS_ANSWER, to, 60, "93.184.216.34");
		assert_int_equal(run(true),
				 steps < FILTER_CHAIN_MAX ? FILTER_PASS : FILTER_MALFORMED);
	}
	assert_int_equal(f.chain_n, FILTER_CHAIN_MAX);

	begin("a.example", DNS_A); /* a ring */
	rig_alias(&g, DNS_ANSWER, "a.example", DNS_CNAME, 60, "b.example");
	rig_alias(&g, DNS_ANSWER, "b.example", DNS_CNAME, 60, "a.example");
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.chain_n, 2);

	begin("a.example", DNS_A); /* two ways to go on */
	rig_alias(&g, DNS_ANSWER, "a.example", DNS_CNAME, 60, "b.example");
	rig_alias(&g, DNS_ANSWER, "a.example", DNS_CNAME, 60, "c.example");
	assert_int_equal(run(true), FILTER_MALFORMED);

	begin("a.example", DNS_A);
	for (int i = 0; i < 65; i++) {
		snprintf(from, sizeof(from), "n%d.example", i);
		rig_alias(&g, DNS_ANSWER, from, DNS_CNAME, 60, "b.example");
	}
	assert_int_equal(run(true), FILTER_MALFORMED);
}

static void more_addresses_than_are_bound_still_pass(void **state)
{
	begin("a.example", DNS_A);
	for (int i = 0; i < 300; i++)
		rig_addr(&g, DNS_ANSWER, "a.example", i < 299 ? 60 : 7, "93.184.216.34");
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.addr_n, FILTER_ADDRS_MAX);
	assert_int_equal(f.ttl_s, 7);
	/* And every one of them is judged. */
	rig_addr(&g, DNS_ANSWER, "a.example", 60, "10.0.0.1");
	assert_int_equal(run(true), FILTER_REBIND);
}

static void negative_answers_last_as_the_soa_says(void **state)
{
	begin("a.example.com", DNS_A);
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.ttl_s, 0);
	rig_soa(&g, "example.com", 900, 60);
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.ttl_s, 60);
	begin("a.example.com", DNS_A);
	rig_soa(&g, "example.com", 30, 60);
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.ttl_s, 30);
	begin("a.example.com", DNS_A);
	rig_alias(&g, DNS_ANSWER, "a.example.com", DNS_CNAME, 20, "b.example.com");
	rig_soa(&g, "example.com", 30, 60);
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.ttl_s, 20);
	assert_int_equal(f.chain_n, 2);
	begin("a.example.com", DNS_A);
	rig_addr(&g, DNS_ANSWER, "a.example.com", 0x80000001, "93.184.216.34");
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.ttl_s, 0);
}

static void private_addresses_are_found_in_every_section(void **state)
{
	struct ipaddr want;
	ipaddr_parse("192.168.1.1", &want);
	for (unsigned section = DNS_ANSWER; section <= DNS_ADDITIONAL; section++) {
		/* Mixed with good ones, and alone under another name. */
		begin("a.example", DNS_A);
		rig_addr(&g, DNS_ANSWER, "a.example", 60, "93.184.216.34");
		rig_addr(&g, section, "a.example", 60, "192.168.1.1");
		rig_addr(&g, section, "a.example", 60, "93.184.216.34");
		assert_int_equal(run(true), FILTER_REBIND);
		assert_true(ipaddr_eq(&f.culprit, &want));
		begin("a.example", DNS_A);
		rig_addr(&g, section, "b.example", 60, "::ffff:127.0.0.1");
		assert_int_equal(run(true), FILTER_REBIND);
	}
}

static void hints_are_addresses(void **state)
{
	static const struct {
		uint16_t type, key;
		const char *data;
		size_t len;
		enum dns_filter_result want;
	} cases[] = {
		{DNS_HTTPS, 4, "\x5d\xb8\xd8\x22", 4, FILTER_PASS},
		{DNS_HTTPS, 4, "\x5d\xb8\xd8\x22\x7f\0\0\1", 8, FILTER_REBIND},
		{DNS_SVCB, 4, "\x0a\0\0\1", 4, FILTER_REBIND},
		{DNS_HTTPS, 4, "\x5d\xb8\xd8", 3, FILTER_MALFORMED},
		{DNS_HTTPS, 4, "", 0, FILTER_MALFORMED},
		{DNS_HTTPS, 6, "\x20\1\5\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, FILTER_PASS},
		{DNS_HTTPS, 6, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, FILTER_REBIND},
		{DNS_SVCB, 6, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, FILTER_REBIND},
		{DNS_SVCB, 6, "\x20\1\5\0\0\0\0\0\0\0\0\0\0\0\0", 15, FILTER_MALFORMED},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned section = DNS_ANSWER; section <= DNS_ADDITIONAL; section++) {
			begin("a.example", DNS_HTTPS);
			rig_record(&g, section, "a.example", cases[i].type, 60);
			wbuf_put_be16(&g.w, 1);
			wbuf_put_u8(&g.w, 0);
			rig_param(&g, 1, "\2h2", 3);
			rig_param(&g, cases[i].key, cases[i].data, cases[i].len);
			rig_end(&g);
			assert_int_equal(run(true), cases[i].want);
		}
	}
}

/* An HTTPS record with parameters; keys in the text in order: m (mandatory: alpn and ech), M
 * (mandatory: ech), a, e, 6. */
static void https(unsigned section, const char *owner, const char *keys)
{
	static const uint8_t v6[16] = {0x20, 1, 5, [15] = 1};
	rig_record(&g, section, owner, DNS_HTTPS, 60);
	wbuf_put_be16(&g.w, 1);
	wbuf_put_u8(&g.w, 0);
	for (; *keys; keys++) {
		switch (*keys) {
		case 'm':
			rig_param(&g, 0, "\0\1\0\5", 4);
			break;
		case 'o':
			rig_param(&g, 0, "\0\1", 2);
			break;
		case 'M':
			rig_param(&g, 0, "\0\5", 2);
			break;
		case 'a':
			rig_param(&g, 1, "\2h2", 3);
			break;
		case 'e':
			rig_param(&g, 5, "\0\10echecho", 9);
			break;
		case '6':
			rig_param(&g, 6, v6, 16);
			break;
		}
	}
	rig_end(&g);
}

static void ech_is_taken_out(void **state)
{
	static const struct {
		const char *with, *without;
	} cases[] = {{"ae6", "a6"}, {"e", ""}, {"mae", "oa"}, {"Me", ""}, {"Mae6", "a6"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig want;
		begin("a.example", DNS_HTTPS);
		https(DNS_ANSWER, "a.example", cases[i].without);
		rig_alias(&g, DNS_AUTHORITY, "a.example", 2, 60, "ns.example");
		want = g;
		want.msg[3] &= (uint8_t)~DNS_AD;
		begin("a.example", DNS_HTTPS);
		https(DNS_ANSWER, "a.example", cases[i].with);
		rig_alias(&g, DNS_AUTHORITY, "a.example", 2, 60, "ns.example");
		assert_int_equal(run(true), FILTER_PASS);
		assert_true(f.changed);
		assert_int_equal(f.len, want.w.len);
		assert_memory_equal(out, want.msg, f.len);
		assert_int_equal(f.ech.len, 9);
		assert_memory_equal(f.ech.p, "\0\10echecho", 9);

		assert_int_equal(run(false), FILTER_PASS);
		assert_false(f.changed);
		assert_int_equal(f.len, g.w.len);
		assert_memory_equal(out, g.msg, f.len);
		assert_int_equal(f.ech.len, 9);
	}
}

static void pointers_behind_a_cut_are_put_right(void **state)
{
	begin("a.example", DNS_HTTPS);
	https(DNS_ANSWER, "a.example", "ae");
	size_t before = g.w.len;
	rig_alias(&g, DNS_AUTHORITY, "example", 2, 60, "ns.example.net"); /* a name to point at */
	size_t ns = g.w.len - 16, net = ns + 11;
	https(DNS_AUTHORITY, "b.example", "e");
	/* An SRV record whose owner and target are pointers to behind the first cut. */
	wbuf_put_bytes(&g.w, "\1x", 2);
	wbuf_put_be16(&g.w, (uint16_t)(0xc000 | net));
	rig_fixed(&g, DNS_ADDITIONAL, 33, DNS_IN, 60);
	wbuf_put_zero(&g.w, 6);
	wbuf_put_be16(&g.w, (uint16_t)(0xc000 | ns));
	rig_end(&g);
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.len, g.w.len - 2 * 13);
	struct dns_walk w;
	struct dns_record r;
	struct dns_name n, target;
	assert_true(dns_walk_begin(view_make(out, f.len), &w));
	while (dns_walk_next(&w, &r) > 0 && r.type != 33)
		;
	size_t at = r.data_at + 6;
	assert_int_equal(r.type, 33);
	dns_name_parse("x.net", &n);
	assert_true(dns_name_eq(&r.name, &n));
	assert_true(dns_name_read(view_make(out, f.len), &at, &target));
	dns_name_parse("ns.example.net", &n);
	assert_true(dns_name_eq(&target, &n));

	/* A pointer into the bytes that go is no name. */
	wbuf_put_be16(&g.w, (uint16_t)(0xc000 | (before - 7)));
	rig_fixed(&g, DNS_ADDITIONAL, 16, DNS_IN, 60);
	rig_end(&g);
	g.msg[before - 7] = 0;
	assert_int_equal(run(false), FILTER_PASS);
	assert_int_equal(run(true), FILTER_MALFORMED);
}

static void more_ech_than_an_answer_has_is_refused(void **state)
{
	for (unsigned n = 128; n <= 129; n++) {
		begin("a.example", DNS_HTTPS);
		for (unsigned i = 0; i < n; i++)
			https(DNS_ANSWER, "a.example", "ae");
		assert_int_equal(run(true), n == 128 ? FILTER_PASS : FILTER_MALFORMED);
		assert_int_equal(run(false), FILTER_PASS);
	}
}

static void long_ech_goes_and_is_not_shown(void **state)
{
	static const uint8_t value[FILTER_ECH_MAX + 1];
	for (size_t len = FILTER_ECH_MAX; len <= FILTER_ECH_MAX + 1; len++) {
		begin("a.example", DNS_HTTPS);
		rig_record(&g, DNS_ANSWER, "a.example", DNS_HTTPS, 60);
		wbuf_put_bytes(&g.w, "\0\1", 3);
		rig_param(&g, 5, value, len);
		rig_end(&g);
		assert_int_equal(run(true), FILTER_PASS);
		assert_true(f.changed);
		assert_int_equal(f.len, g.w.len - 4 - len);
		assert_int_equal(f.ech.len, len == FILTER_ECH_MAX ? len : 0);
	}
}

static void what_two_readers_could_read_differently_is_refused(void **state)
{
	begin("a.example", DNS_A); /* fewer records than announced */
	rig_addr(&g, DNS_ANSWER, "a.example", 60, "93.184.216.34");
	size_t len = g.w.len;
	g.msg[7] = 2;
	assert_int_equal(run(true), FILTER_MALFORMED);
	g.msg[7] = 1;
	assert_int_equal(run(true), FILTER_PASS);
	for (g.w.len = DNS_HLEN; g.w.len < len; g.w.len++)
		assert_int_equal(run(true), FILTER_MALFORMED);

	begin("a.example", DNS_A); /* addresses that are too short or too long */
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_A, 60, "\1\2\3", 3);
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_A);
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_A, 60, "\1\2\3\4\5\6\7\1", 8);
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_A); /* a name shorter than its data, or longer */
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_CNAME, 60, "\1a\0x", 4);
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_A);
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_CNAME, 60, "\1a", 2);
	rig_addr(&g, DNS_ANSWER, "a.example", 60, "93.184.216.34");
	assert_int_equal(run(true), FILTER_MALFORMED);

	begin("a.example", DNS_HTTPS); /* the same where anything may follow the name */
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_HTTPS, 60, "\0\1\1", 3);
	rig_addr(&g, DNS_ANSWER, "", 60, "93.184.216.34");
	assert_int_equal(run(true), FILTER_MALFORMED);

	begin("a.example", DNS_HTTPS); /* keys that do not ascend */
	https(DNS_ANSWER, "a.example", "6a");
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_HTTPS);
	https(DNS_ANSWER, "a.example", "ee");
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_HTTPS); /* a compressed target */
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_HTTPS, 60, "\0\1\xc0\x0c", 4);
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_HTTPS); /* a mandatory list of odd length, or with itself */
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_HTTPS, 60, "\0\1\0\0\0\0\3\0\1\0", 10);
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_HTTPS);
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_HTTPS, 60, "\0\1\0\0\0\0\2\0\0", 9);
	assert_int_equal(run(true), FILTER_MALFORMED);

	begin("a.example", DNS_HTTPS); /* an empty one */
	rig_bytes(&g, DNS_ANSWER, "a.example", DNS_HTTPS, 60, "\0\1\0\0\0\0\0", 7);
	assert_int_equal(run(true), FILTER_MALFORMED);

	begin("a.example", DNS_A); /* two OPT records, one in the wrong place, one with a name */
	rig_opt(&g, 1232, 0, NULL, 0);
	assert_int_equal(run(true), FILTER_PASS);
	rig_opt(&g, 1232, 0, NULL, 0);
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_A);
	rig_bytes(&g, DNS_ANSWER, "", DNS_OPT, 0, NULL, 0);
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_A);
	rig_bytes(&g, DNS_ADDITIONAL, "a", DNS_OPT, 0, NULL, 0);
	assert_int_equal(run(true), FILTER_MALFORMED);

	begin("a.example", DNS_A); /* another question, or two */
	q.type = DNS_AAAA;
	assert_int_equal(run(true), FILTER_MALFORMED);
	begin("a.example", DNS_A);
	rig_question(&g, "a.example", DNS_A);
	assert_int_equal(run(true), FILTER_MALFORMED);
}

static void header_alone_is_an_answer(void **state)
{
	begin("a.example", DNS_A);
	rig_begin(&g, DNS_QR | DNS_FORMERR);
	assert_int_equal(run(true), FILTER_PASS);
	assert_int_equal(f.len, DNS_HLEN);
	assert_int_equal(f.chain_n, 1);
	assert_int_equal(f.addr_n, 0);
}

static void ranges_without_names(void **state)
{
	static const char *const bad[] = {
		"0.0.0.0",
		"0.255.255.255",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.1",
		"169.254.169.254",
		"172.16.0.0",
		"172.31.255.255",
		"192.0.0.8",
		"192.0.2.255",
		"192.88.99.1",
		"192.168.0.1",
		"198.18.0.0",
		"198.19.255.255",
		"198.51.100.1",
		"203.0.113.9",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::7f00:1",
		"::ffff:10.0.0.1",
		"::ffff:169.254.169.254",
		"64:ff9b::7f00:1",
		"64:ff9b::192.168.1.1",
		"64:ff9b:1::808:808",
		"64:ff9b:1:ffff::1",
		"2002:7f00:1::",
		"2002:c0a8:101::1",
		"::ffff:0:10.0.0.1",
		"2001:0:4136:e378:8000:63bf:f5ff:fffe",
		"2606:4700::5efe:10.0.0.1",
		"fc00::1",
		"fd12::1",
		"fe80::1",
		"febf::1",
		"fec0::1",
		"ff02::1",
		"100::1",
		"100::ffff:ffff:ffff:ffff",
		"2001:db8::1",
		"2001:db8:ffff::1",
		"3fff::1",
		"3fff:fff:ffff::1",
	};
	static const char *const good[] = {
		"1.0.0.1",
		"9.255.255.255",
		"11.0.0.0",
		"100.63.255.255",
		"100.128.0.0",
		"126.255.255.255",
		"128.0.0.1",
		"169.253.255.255",
		"169.255.0.0",
		"172.15.255.255",
		"172.32.0.0",
		"192.0.1.1",
		"192.0.3.1",
		"192.88.98.1",
		"192.88.100.1",
		"192.167.255.255",
		"192.169.0.0",
		"198.17.255.255",
		"198.20.0.0",
		"198.51.99.1",
		"198.51.101.1",
		"203.0.112.1",
		"203.0.114.1",
		"223.255.255.255",
		"::ffff:8.8.8.8",
		"64:ff9b::8.8.8.8",
		"2002:808:808::1",
		"64:ff9b:2::1",
		"100:0:0:1::1",
		"2001:db7:ffff::1",
		"2001:db9::1",
		"2606:4700::1111",
		"3ffe:ffff::1",
		"4000::1",
		"fbff::1",
		"fe00::1",
		"fe7f::1",
		"2001:0:4136:e378:8000:63bf:f7f7:f7f7",
		"2606:4700::200:5efe:8.8.8.8",
	};
	struct ipaddr a;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(ipaddr_parse(bad[i], &a));
		if (!dns_rebind_range(&a))
			fail_msg("%s", bad[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(ipaddr_parse(good[i], &a));
		if (dns_rebind_range(&a))
			fail_msg("%s", good[i]);
	}
}

static int done(void **state)
{
	free(out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_answer_passes_unchanged),
		cmocka_unit_test(chain_is_followed_in_any_order),
		cmocka_unit_test(chains_end),
		cmocka_unit_test(more_addresses_than_are_bound_still_pass),
		cmocka_unit_test(negative_answers_last_as_the_soa_says),
		cmocka_unit_test(private_addresses_are_found_in_every_section),
		cmocka_unit_test(hints_are_addresses),
		cmocka_unit_test(ech_is_taken_out),
		cmocka_unit_test(pointers_behind_a_cut_are_put_right),
		cmocka_unit_test(more_ech_than_an_answer_has_is_refused),
		cmocka_unit_test(long_ech_goes_and_is_not_shown),
		cmocka_unit_test(what_two_readers_could_read_differently_is_refused),
		cmocka_unit_test(header_alone_is_an_answer),
		cmocka_unit_test(ranges_without_names),
	};
	return cmocka_run_group_tests(tests, NULL, done);
}
