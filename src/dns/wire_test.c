// SPDX-License-Identifier: Apache-2.0
/*
 * Reading DNS messages and names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/wire.h"

static uint8_t msg[8192];
static struct wbuf w;

static void begin(uint16_t flags, uint16_t qd, uint16_t an, uint16_t ns, uint16_t ar)
{
	w = wbuf_make(msg, sizeof(msg));
	wbuf_put_be16(&w, 0x1234);
	wbuf_put_be16(&w, flags);
	wbuf_put_be16(&w, qd);
	wbuf_put_be16(&w, an);
	wbuf_put_be16(&w, ns);
	wbuf_put_be16(&w, ar);
}

static void name(const char *text)
{
	struct dns_name n;
	assert_true(dns_name_parse(text, &n));
	wbuf_put_bytes(&w, n.b, n.len);
}

static void question(const char *text, uint16_t type)
{
	name(text);
	wbuf_put_be16(&w, type);
	wbuf_put_be16(&w, DNS_IN);
}

static void opt(uint16_t size, uint32_t ttl)
{
	wbuf_put_u8(&w, 0);
	wbuf_put_be16(&w, DNS_OPT);
	wbuf_put_be16(&w, size);
	wbuf_put_be32(&w, ttl);
	wbuf_put_be16(&w, 0);
}

/* Reads from a copy of exactly that size, so that a read past the end shows. */
static bool read_query(size_t len, struct dns_query_view *q, int *rcode)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, msg, len);
	bool ok = dns_query_read(view_make(copy, len), q, rcode);
	free(copy);
	return ok;
}

static void assert_rcode(int want)
{
	struct dns_query_view q;
	int rcode;
	assert_false(read_query(w.len, &q, &rcode));
	assert_int_equal(rcode, want);
}

static void query_is_read_whole(void **state)
{
	struct dns_query_view q;
	struct dns_name n;
	int rcode;
	begin(DNS_RD, 1, 0, 0, 1);
	question("www.Example.org", DNS_AAAA);
	opt(4096, 0x8000);
	size_t end = w.len;
	wbuf_put_zero(&w, 5); /* what lies behind is no part of it */
	assert_true(read_query(w.len, &q, &rcode));
	assert_int_equal(q.h.id, 0x1234);
	assert_int_equal(q.q.type, DNS_AAAA);
	assert_int_equal(q.end, end);
	assert_int_equal(q.question_end, end - 11);
	assert_true(q.has_edns);
	assert_true(q.edns_do);
	assert_int_equal(q.edns_size, 4096);
	assert_true(dns_name_parse("WWW.example.ORG.", &n));
	assert_true(dns_name_eq(&n, &q.q.name));
	assert_memory_equal(q.q.name.b, "\3www\7Example\3org", 17);
	for (size_t len = 0; len < end; len++)
		assert_false(read_query(len, &q, &rcode));
}

static void query_without_edns_takes_512_bytes(void **state)
{
	struct dns_query_view q;
	int rcode;
	begin(DNS_RD, 1, 0, 0, 0);
	question("a", DNS_A);
	assert_true(read_query(w.len, &q, &rcode));
	assert_false(q.has_edns);
	assert_int_equal(q.edns_size, 512);
	begin(DNS_RD, 1, 0, 0, 1);
	question("a", DNS_A);
	opt(100, 0);
	assert_true(read_query(w.len, &q, &rcode));
	assert_int_equal(q.edns_size, 512);
}

static void what_is_no_query_gets_the_right_error(void **state)
{
	struct dns_query_view q;
	int rcode;
	begin(DNS_QR, 1, 0, 0, 0);
	question("a", DNS_A);
	assert_rcode(DNS_FORMERR);
	begin(2 << 11, 1, 0, 0, 0); /* STATUS */
	question("a", DNS_A);
	assert_rcode(DNS_NOTIMP);
	begin(0, 0, 0, 0, 0);
	assert_rcode(DNS_FORMERR);
	begin(0, 2, 0, 0, 0);
	question("a", DNS_A);
	question("b", DNS_A);
	assert_rcode(DNS_FORMERR);
	begin(0, 1, 0, 0, 2);
	question("a", DNS_A);
	opt(1232, 0);
	opt(1232, 0);
	assert_rcode(DNS_FORMERR);
	begin(0, 1, 0, 0, 1); /* a record is announced and not there */
	question("a", DNS_A);
	assert_rcode(DNS_FORMERR);
	assert_false(read_query(11, &q, &rcode));
	assert_int_equal(rcode, DNS_FORMERR);
	assert_int_equal(q.h.id, 0x1234);
	assert_false(read_query(1, &q, &rcode));
	assert_int_equal(rcode, -1);
}

static void compression_is_followed_backwards_only(void **state)
{
	struct dns_name n;
	size_t at = 12;
	begin(0, 1, 0, 0, 0);
	name("example.org"); /* at 12 */
	size_t www = w.len;
	wbuf_put_bytes(&w, "\3www\xc0\x0c", 6);
	size_t ptr = w.len;
	wbuf_put_be16(&w, (uint16_t)(0xc000 | www));
	struct view v = view_make(msg, w.len);
	at = ptr;
	assert_true(dns_name_read(v, &at, &n));
	assert_int_equal(at, ptr + 2);
	assert_int_equal(n.len, 17);
	assert_memory_equal(n.b, "\3www\7example\3org", 17);

	uint16_t bad[] = {
		(uint16_t)(0xc000 | ptr),       /* itself */
		(uint16_t)(0xc000 | (ptr + 1)), /* forwards */
		0xc000 | 4,                     /* into the header */
		0xffff,                         /* past the end */
		0x8000,                         /* obsolete label types */
		0x4000,
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_be16(msg + ptr, bad[i]);
		at = ptr;
		assert_false(dns_name_read(v, &at, &n));
		assert_int_equal(at, ptr);
	}
	/* To labels before it that run on into the name itself, and over it. */
	begin(0, 1, 0, 0, 0);
	wbuf_put_bytes(&w, "\6www\xc0\x0cx\0", 8);
	at = 16;
	assert_false(dns_name_read(view_make(msg, w.len), &at, &n));
	msg[12] = 3;
	msg[15] = 0;
	at = 16;
	assert_false(dns_name_read(view_make(msg, w.len), &at, &n));
	msg[12] = 2;
	assert_true(dns_name_read(view_make(msg, w.len), &at, &n));
	assert_int_equal(n.len, 4);
	/* To a name that is there, but behind. */
	begin(0, 1, 0, 0, 0);
	wbuf_put_be16(&w, 0xc00e);
	name("example.org");
	at = DNS_HLEN;
	assert_false(dns_name_read(view_make(msg, w.len), &at, &n));
	/* A label and then a pointer back to that same label would never end. */
	begin(0, 1, 0, 0, 0);
	wbuf_put_bytes(&w, "\1a\xc0\x0c", 4);
	at = DNS_HLEN;
	assert_false(dns_name_read(view_make(msg, w.len), &at, &n));
}

static void long_names_have_limits(void **state)
{
	struct dns_name n;
	size_t at = DNS_HLEN;
	begin(0, 1, 0, 0, 0);
	for (int i = 0; i < 127; i++)
		wbuf_put_bytes(&w, "\1a", 2);
	wbuf_put_u8(&w, 0);
	assert_true(dns_name_read(view_make(msg, w.len), &at, &n));
	assert_int_equal(n.len, 255);
	w.len--;
	wbuf_put_bytes(&w, "\1a\0", 3);
	at = DNS_HLEN;
	assert_false(dns_name_read(view_make(msg, w.len), &at, &n));
	/* A long chain of pointers costs time and is no name. */
	begin(0, 1, 0, 0, 0);
	wbuf_put_u8(&w, 0);
	size_t last = DNS_HLEN;
	for (int i = 0; i < 200; i++) {
		size_t here = w.len;
		wbuf_put_be16(&w, (uint16_t)(0xc000 | last));
		last = here;
	}
	at = last;
	assert_false(dns_name_read(view_make(msg, w.len), &at, &n));
	at = DNS_HLEN + 1 + 2 * 126;
	assert_true(dns_name_read(view_make(msg, w.len), &at, &n));
}

static void answer_must_match_id_and_question(void **state)
{
	struct dns_question q;
	size_t at = DNS_HLEN;
	begin(DNS_QR | DNS_RA, 1, 0, 0, 0);
	question("www.example.org", DNS_A);
	assert_true(dns_question_read(view_make(msg, w.len), &at, &q));
	assert_true(dns_answers(view_make(msg, w.len), 0x1234, &q));
	assert_false(dns_answers(view_make(msg, w.len), 0x1235, &q));
	msg[13] = 'W';
	assert_true(dns_answers(view_make(msg, w.len), 0x1234, &q));
	msg[13] = 'x';
	assert_false(dns_answers(view_make(msg, w.len), 0x1234, &q));
	msg[13] = 'w';
	msg[w.len - 3] = DNS_AAAA;
	assert_false(dns_answers(view_make(msg, w.len), 0x1234, &q));
	msg[w.len - 3] = DNS_A;
	msg[2] &= 0x7f; /* a query */
	assert_false(dns_answers(view_make(msg, w.len), 0x1234, &q));
	/* Without a question only an error that says "I cannot read this" is one. */
	begin(DNS_QR | DNS_FORMERR, 0, 0, 0, 0);
	assert_true(dns_answers(view_make(msg, w.len), 0x1234, &q));
	begin(DNS_QR | DNS_NXDOMAIN, 0, 0, 0, 0);
	assert_false(dns_answers(view_make(msg, w.len), 0x1234, &q));
	begin(DNS_QR, 0, 0, 0, 0);
	assert_false(dns_answers(view_make(msg, w.len), 0x1234, &q));
}

static struct dns_name parsed(const char *text)
{
	struct dns_name n;
	assert_true(dns_name_parse(text, &n));
	return n;
}

static void policy_sees_only_names_of_its_grammar(void **state)
{
	static const struct {
		const char *wire;
		size_t len;
		const char *text, *str; /* text NULL: no name */
	} cases[] = {
		{"\3WWW\7Example\3org", 17, "www.example.org", "WWW.Example.org"},
		{"\5_sip_\2tt", 10, "_sip_.tt", "_sip_.tt"},
		{"", 1, NULL, "."},
		{"\3a.b\1c", 7, NULL, "a\\046b.c"},
		{"\1\0\1c", 5, NULL, "\\000.c"},
		{"\2a \3\xff\"\\", 8, NULL, "a\\032.\\255\\034\\092"},
		{"\2-a\1c", 6, NULL, "-a.c"},
		{"\1a\1*\1c", 7, NULL, "a.*.c"},
		{"\0031.2\0013", 7, NULL, "1\\0462.3"},
		{"\0011\0012\0013\0014", 9, NULL, "1.2.3.4"},
		{"\3a\nb\1c", 7, NULL, "a\\010b.c"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dns_name n = {.len = (uint8_t)cases[i].len}, back;
		struct name text;
		char str[DNS_NAME_STRLEN];
		memcpy(n.b, cases[i].wire, cases[i].len);
		assert_string_equal(dns_name_str(&n, str), cases[i].str);
		assert_int_equal(dns_name_text(&n, &text), cases[i].text != NULL);
		if (!cases[i].text)
			continue;
		assert_string_equal(text.s, cases[i].text);
		dns_name_of(&text, &back);
		assert_true(dns_name_eq(&n, &back));
	}
	struct dns_name full = {.len = 255};
	struct name text;
	char str[DNS_NAME_STRLEN];
	for (int i = 0; i < 254; i += 2)
		memcpy(full.b + i, "\1a", 2);
	full.b[254] = 0;
	assert_true(dns_name_text(&full, &text));
	assert_int_equal(text.len, 253);
	for (int i = 1; i < 254; i += 2)
		full.b[i] = 0xff;
	assert_int_equal(strlen(dns_name_str(&full, str)), 127 * 5 - 1);
}

static void case_is_mixed_by_random_bits(void **state)
{
	uint8_t random[32] = {0};
	struct dns_name n = parsed("www.exa-mple3.org"), other = n;
	dns_name_mix_case(&other, random);
	assert_true(dns_name_eq_case(&n, &other));
	memset(random, 0xff, sizeof(random));
	dns_name_mix_case(&other, random);
	assert_memory_equal(other.b, "\3WWW\11EXA-MPLE3\3ORG", n.len);
	assert_true(dns_name_eq(&n, &other));
	assert_false(dns_name_eq_case(&n, &other));
	memset(random, 0, sizeof(random));
	random[0] = 1 << 2;
	random[2] = 1 << 0;
	dns_name_mix_case(&n, random);
	assert_memory_equal(n.b, "\3wWw\11exa-mple3\3oRg", n.len);
	dns_name_lower(&n);
	assert_memory_equal(n.b, "\3www\11exa-mple3\3org", n.len);

	begin(DNS_QR, 1, 0, 0, 0);
	question("wWw.example.org", DNS_A);
	struct dns_question q = {parsed("wWw.example.org"), DNS_A, DNS_IN};
	struct view v = view_make(msg, w.len);
	assert_true(dns_answers_exactly(v, 0x1234, &q));
	q.name = parsed("www.example.org");
	assert_true(dns_answers(v, 0x1234, &q));
	assert_false(dns_answers_exactly(v, 0x1234, &q));
}

static void types_and_codes_have_names(void **state)
{
	char buf[12];
	assert_string_equal(dns_type_str(1, buf), "A");
	assert_string_equal(dns_type_str(65, buf), "HTTPS");
	assert_string_equal(dns_type_str(257, buf), "CAA");
	assert_string_equal(dns_type_str(123, buf), "TYPE123");
	assert_string_equal(dns_type_str(65535, buf), "TYPE65535");
	assert_string_equal(dns_rcode_str(DNS_NXDOMAIN, buf), "NXDOMAIN");
	assert_string_equal(dns_rcode_str(15, buf), "RCODE15");
}

static void options_that_may_change_the_answer_are_seen(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		uint32_t ttl;
		bool special;
	} cases[] = {
		{"", 0, 0, false},
		{"\0\12\0\10cookies!", 12, 0x8000, false},
		{"\0\14\0\2\0\0\0\13\0\0", 10, 0, false},
		{"\0\10\0\4\0\1\0\0", 8, 0, true},           /* a client subnet */
		{"\0\12\0\10cookies!\0\3\0\0", 16, 0, true}, /* NSID */
		{"\0\12\0\10cookies", 11, 0, true},          /* cut off */
		{"", 0, 1 << 16, true},                      /* another version */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dns_query_view q;
		int rcode;
		begin(DNS_RD, 1, 0, 0, 1);
		question("a", DNS_A);
		opt(1232, cases[i].ttl);
		put_be16(msg + w.len - 2, (uint16_t)cases[i].len);
		wbuf_put_bytes(&w, cases[i].data, cases[i].len);
		assert_true(read_query(w.len, &q, &rcode));
		assert_int_equal(q.edns_special, cases[i].special);
	}
}

static void walk_goes_through_all_sections(void **state)
{
	struct dns_walk walk;
	struct dns_record r;
	begin(DNS_QR, 1, 2, 0, 1);
	question("a", DNS_A);
	for (unsigned i = 0; i < 3; i++) {
		wbuf_put_be16(&w, 0xc00c);
		wbuf_put_be16(&w, (uint16_t)(100 + i));
		wbuf_put_be16(&w, DNS_IN);
		wbuf_put_be32(&w, i);
		wbuf_put_be16(&w, 1);
		wbuf_put_u8(&w, (uint8_t)i);
	}
	assert_true(dns_walk_begin(view_make(msg, w.len), &walk));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(dns_walk_next(&walk, &r), 1);
		assert_int_equal(walk.section, i < 2 ? DNS_ANSWER : DNS_ADDITIONAL);
		assert_int_equal(walk.start, DNS_HLEN + 7 + 13 * i);
		assert_int_equal(walk.at, DNS_HLEN + 7 + 13 * (i + 1));
		assert_int_equal(r.type, 100 + i);
		assert_int_equal(r.data.p[0], i);
	}
	assert_int_equal(dns_walk_next(&walk, &r), 0);
	assert_true(dns_walk_begin(view_make(msg, w.len - 1), &walk));
	assert_int_equal(dns_walk_next(&walk, &r), 1);
	assert_int_equal(dns_walk_next(&walk, &r), 1);
	assert_int_equal(dns_walk_next(&walk, &r), -1);
	assert_false(dns_walk_begin(view_make(msg, DNS_HLEN + 6), &walk));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_is_read_whole),
		cmocka_unit_test(query_without_edns_takes_512_bytes),
		cmocka_unit_test(what_is_no_query_gets_the_right_error),
		cmocka_unit_test(compression_is_followed_backwards_only),
		cmocka_unit_test(long_names_have_limits),
		cmocka_unit_test(answer_must_match_id_and_question),
		cmocka_unit_test(policy_sees_only_names_of_its_grammar),
		cmocka_unit_test(case_is_mixed_by_random_bits),
		cmocka_unit_test(types_and_codes_have_names),
		cmocka_unit_test(options_that_may_change_the_answer_are_seen),
		cmocka_unit_test(walk_goes_through_all_sections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
