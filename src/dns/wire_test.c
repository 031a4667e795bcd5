// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and making DNS messages, and the names that weir answers itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/local.h"

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

/* Asks the local answers; returns the number of records, -1 where the question is not local. */
static int own(const struct dns_local_env *env, const char *text, uint16_t type,
	       struct dns_record *ret)
{
	struct dns_query_view q;
	struct dns_own o;
	struct dns_header h;
	uint8_t buf[DNS_MADE_MAX];
	int rcode;
	begin(DNS_RD, 1, 0, 0, 1);
	question(text, type);
	opt(1232, 0);
	assert_true(read_query(w.len, &q, &rcode));
	if (!dns_local_find(env, &q.q, &o))
		return -1;
	size_t len = dns_make_own(&q, &o, buf), at = q.question_end;
	struct view v = view_make(buf, len);
	assert_true(dns_answers(v, 0x1234, &q.q));
	assert_true(dns_header_read(v, &h));
	assert_int_equal(h.flags & ~DNS_AA, DNS_QR | DNS_RD | DNS_RA);
	for (unsigned i = 0; i < h.count[1]; i++)
		assert_true(dns_record_read(v, &at, &ret[i]));
	struct dns_record r;
	assert_true(dns_record_read(v, &at, &r));
	assert_int_equal(r.type, DNS_OPT);
	assert_int_equal(at, len);
	/* The records' data points into a buffer that is gone: keep what the tests look at. */
	memcpy(msg, buf, len);
	for (unsigned i = 0; i < h.count[1]; i++)
		ret[i].data.p = msg + ret[i].data_at;
	return h.count[1];
}

static const struct dns_local_env both = {
	.gw4 = {4, {172, 16, 0, 1}},
	.gw6 = {6, {0xfd, [15] = 1}},
};

static void aliases_of_the_host_are_the_gateway(void **state)
{
	struct dns_record r[3];
	static const char *const names[] = {"host.weir.internal", "Host.Docker.Internal",
					    "host.containers.internal",
					    "host.microsandbox.internal"};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(own(&both, names[i], DNS_A, r), 1);
		assert_int_equal(r[0].type, DNS_A);
		assert_int_equal(r[0].ttl, 60);
		assert_int_equal(r[0].data.len, 4);
		assert_memory_equal(r[0].data.p, both.gw4.b, 4);
		assert_int_equal(msg[2] & 4, 4); /* AA */
		assert_int_equal(own(&both, names[i], DNS_AAAA, r), 1);
		assert_int_equal(r[0].data.len, 16);
		assert_memory_equal(r[0].data.p, both.gw6.b, 16);
		assert_int_equal(own(&both, names[i], DNS_ANY, r), 2);
		assert_int_equal(own(&both, names[i], 16, r), 0);
	}
	assert_int_equal(own(&both, "host.weir.internal.example", DNS_A, r), -1);
	assert_int_equal(own(&both, "xhost.weir.internal", DNS_A, r), -1);
}

static void families_that_are_off_have_no_data(void **state)
{
	struct dns_record r[3];
	struct dns_local_env v4 = {.gw4 = both.gw4};
	assert_int_equal(own(&v4, "host.weir.internal", DNS_AAAA, r), 0);
	assert_int_equal(own(&v4, "host.weir.internal", DNS_A, r), 1);
	assert_int_equal(own(&v4, "example.org", DNS_AAAA, r), 0);
	assert_int_equal(own(&v4, "example.org", DNS_A, r), -1);
	assert_int_equal(own(&v4, "example.org", 65, r), -1);
	struct dns_local_env v6 = {.gw6 = both.gw6};
	assert_int_equal(own(&v6, "example.org", DNS_A, r), 0);
	assert_int_equal(own(&v6, "example.org", DNS_AAAA, r), -1);
}

static void gateway_has_a_name_backwards(void **state)
{
	struct dns_record r[3];
	assert_int_equal(own(&both, "1.0.16.172.in-addr.arpa", DNS_PTR, r), 1);
	static const char wire[] = "\4host\4weir\10internal";
	assert_int_equal(r[0].data.len, sizeof(wire));
	assert_memory_equal(r[0].data.p, wire, sizeof(wire));
	assert_int_equal(own(&both,
			     "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f."
			     "ip6.arpa",
			     DNS_PTR, r),
			 1);
	assert_int_equal(own(&both, "2.0.16.172.in-addr.arpa", DNS_PTR, r), -1);
}

static void errors_carry_the_extended_code_where_edns_was_used(void **state)
{
	struct dns_query_view q;
	struct dns_header h;
	struct dns_record r;
	uint8_t buf[DNS_MADE_MAX];
	int rcode;
	begin(DNS_RD | DNS_CD, 1, 0, 0, 1);
	question("example.org", DNS_A);
	opt(1232, 0x8000);
	assert_true(read_query(w.len, &q, &rcode));
	size_t len = dns_make_error(&q, DNS_SERVFAIL, DNS_EDE_NETWORK_ERROR, NULL, buf);
	size_t at = q.question_end;
	struct view v = view_make(buf, len);
	assert_true(dns_header_read(v, &h));
	assert_int_equal(h.flags, DNS_QR | DNS_RD | DNS_RA | DNS_CD | DNS_SERVFAIL);
	assert_true(dns_answers(v, 0x1234, &q.q));
	assert_true(dns_record_read(v, &at, &r));
	assert_int_equal(at, len);
	assert_int_equal(r.ttl, 0x8000);
	static const uint8_t ede[] = {0, 15, 0, 2, 0, 23};
	assert_int_equal(r.data.len, sizeof(ede));
	assert_memory_equal(r.data.p, ede, sizeof(ede));

	begin(DNS_RD, 1, 0, 0, 0);
	question("example.org", DNS_A);
	assert_true(read_query(w.len, &q, &rcode));
	assert_int_equal(dns_make_error(&q, DNS_SERVFAIL, DNS_EDE_NETWORK_ERROR, NULL, buf), w.len);
}

static void truncated_answer_is_header_and_question(void **state)
{
	struct dns_query_view q;
	struct dns_header h;
	uint8_t buf[DNS_MADE_MAX], answer[12] = {9, 9, 0x85, 0x80};
	int rcode;
	begin(DNS_RD, 1, 0, 0, 0);
	question("example.org", DNS_A);
	assert_true(read_query(w.len, &q, &rcode));
	size_t len = dns_make_truncated(&q, view_make(answer, 12), buf);
	assert_int_equal(len, w.len);
	assert_true(dns_header_read(view_make(buf, len), &h));
	assert_int_equal(h.flags, 0x8580 | DNS_TC);
	assert_true(dns_answers(view_make(buf, len), 0x1234, &q.q));
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
		cmocka_unit_test(aliases_of_the_host_are_the_gateway),
		cmocka_unit_test(families_that_are_off_have_no_data),
		cmocka_unit_test(gateway_has_a_name_backwards),
		cmocka_unit_test(errors_carry_the_extended_code_where_edns_was_used),
		cmocka_unit_test(truncated_answer_is_header_and_question),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
