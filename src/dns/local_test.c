// SPDX-License-Identifier: Apache-2.0
/*
 * What weir answers itself, from the question to the message: aliases, static records, special-use
 * names, and the refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/local.h"
#include "dns/rig.h"

#define NONE -1 /* goes to a resolver */

static const struct ipaddr gw4 = {4, {172, 16, 0, 1}}, gw6 = {6, {0xfd, [15] = 1}}, no_addr;
static struct dns_local *l;
static uint8_t buf[DNS_MADE_MAX];
static struct dns_record rec[OWN_ADDRS_MAX + 1]; /* of the answer section */
static struct dns_record soa;                    /* name.len 0: none */
static struct dns_header h;

static int both(void **state)
{
	l = dns_local_new(&gw4, &gw6);
	for (size_t i = 0; l && dns_local_usual_aliases[i]; i++)
		assert_true(dns_local_add_alias(l, dns_local_usual_aliases[i]));
	return l ? 0 : -1;
}

static int done(void **state)
{
	dns_local_free(l);
	return 0;
}

static struct dns_query_view query(const char *name, uint16_t type)
{
	struct dns_query_view q = {.h = {.id = 0x1234, .flags = DNS_RD}};
	assert_true(dns_name_parse(name, &q.q.name));
	q.q.type = type;
	q.q.class = DNS_IN;
	q.has_edns = true;
	return q;
}

/* Reads a message that was made, which has to be whole. */
static void read_made(const struct dns_query_view *q, size_t len)
{
	struct dns_walk w;
	struct dns_record r;
	struct view v = view_make(buf, len);
	size_t n = 0;
	int got;
	bool opt = false;
	soa.name.len = 0;
	assert_true(dns_answers(v, 0x1234, &q->q));
	assert_true(dns_walk_begin(v, &w));
	h = w.h;
	while ((got = dns_walk_next(&w, &r)) > 0) {
		if (r.type == DNS_OPT)
			opt = true;
		else if (w.section == DNS_ANSWER)
			rec[n++] = r;
		else
			soa = r;
	}
	assert_int_equal(got, 0);
	assert_int_equal(w.at, len);
	assert_int_equal(opt, q->has_edns);
	if (h.count[2])
		assert_int_equal(soa.type, DNS_SOA);
}

/* The number of records in the answer, or NONE. */
static int ask(const char *name, uint16_t type)
{
	struct dns_query_view q = query(name, type);
	struct dns_own own;
	memset(&own, 0x5a, sizeof(own));
	if (!dns_local_find(l, &q.q, &own))
		return NONE;
	read_made(&q, dns_make_own(&q, &own, buf));
	return h.count[1];
}

static unsigned rcode(void)
{
	return h.flags & DNS_RCODE;
}

static void assert_zone(const char *zone)
{
	struct dns_name n;
	assert_true(dns_name_parse(zone, &n));
	assert_true(dns_name_eq(&soa.name, &n));
	assert_int_equal(soa.ttl, 60);
	assert_int_equal(get_be32(soa.data.p + soa.data.len - 4), 60);
}

static void aliases_of_the_host_are_the_gateway(void **state)
{
	static const char *const names[] = {"host.weir.internal", "Host.Docker.Internal",
					    "host.containers.internal",
					    "host.microsandbox.internal"};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ask(names[i], DNS_A), 1);
		assert_int_equal(h.flags, DNS_QR | DNS_AA | DNS_RD | DNS_RA);
		assert_int_equal(rec[0].type, DNS_A);
		assert_int_equal(rec[0].ttl, 60);
		assert_int_equal(rec[0].data.len, 4);
		assert_memory_equal(rec[0].data.p, gw4.b, 4);
		assert_int_equal(ask(names[i], DNS_AAAA), 1);
		assert_int_equal(rec[0].data.len, 16);
		assert_memory_equal(rec[0].data.p, gw6.b, 16);
		assert_int_equal(ask(names[i], DNS_ANY), 2);
		assert_int_equal(soa.name.len, 0);
		assert_int_equal(ask(names[i], 16), 0);
		assert_int_equal(rcode(), DNS_NOERROR);
		assert_zone("internal");
	}
	assert_int_equal(ask("host.weir.internal.example", DNS_A), NONE);
	assert_int_equal(ask("xhost.weir.internal", DNS_A), 0);
	assert_int_equal(rcode(), DNS_NXDOMAIN);
	assert_true(dns_local_add_alias(l, "gateway.example.com"));
	assert_int_equal(ask("gateway.example.com", DNS_A), 1);
	assert_int_equal(ask("gateway.example.com", 16), 0);
	assert_zone("gateway.example.com");
	assert_int_equal(ask("example.com", DNS_A), NONE);
	assert_false(dns_local_add_alias(l, "a..b"));
	assert_false(dns_local_add_alias(l, ""));
}

static void families_that_are_off_have_no_data(void **state)
{
	dns_local_free(l);
	l = dns_local_new(&gw4, &no_addr);
	assert_int_equal(ask("host.weir.internal", DNS_AAAA), 0);
	assert_int_equal(ask("host.weir.internal", DNS_A), 1);
	assert_int_equal(ask("example.org", DNS_AAAA), 0);
	assert_int_equal(rcode(), DNS_NOERROR);
	assert_int_equal(h.flags & DNS_AA, 0);
	assert_int_equal(h.count[2], 0);
	assert_int_equal(ask("example.org", DNS_A), NONE);
	assert_int_equal(ask("example.org", DNS_HTTPS), NONE);
	assert_int_equal(ask("localhost", DNS_AAAA), 1);
	struct name n;
	struct ipaddr a;
	name_read("db.example", 10, &n);
	ipaddr_parse("2001:db8::5", &a);
	assert_true(dns_local_add_record(l, &n, &a));
	assert_int_equal(ask("db.example", DNS_AAAA), 0);
	dns_local_free(l);
	l = dns_local_new(&no_addr, &gw6);
	assert_int_equal(ask("example.org", DNS_A), 0);
	assert_int_equal(ask("example.org", DNS_AAAA), NONE);
	assert_int_equal(ask("host.weir.internal", DNS_ANY), 1);
}

static void gateway_has_a_name_backwards(void **state)
{
	static const char wire[] = "\4host\4weir\10internal";
	static const char *const names[] = {"1.0.16.172.in-addr.arpa",
					    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
					    "0.0.0.d.f.IP6.arpa"};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ask(names[i], DNS_PTR), 1);
		assert_int_equal(rec[0].data.len, sizeof(wire));
		assert_memory_equal(rec[0].data.p, wire, sizeof(wire));
		assert_int_equal(ask(names[i], DNS_A), 0);
		assert_int_equal(rcode(), DNS_NOERROR);
	}
	assert_int_equal(ask("2.0.16.172.in-addr.arpa", DNS_PTR), 0);
	assert_int_equal(rcode(), DNS_NXDOMAIN);
	assert_zone("16.172.in-addr.arpa");
	/* What lies between the zone and a name that exists does exist. */
	assert_int_equal(ask("0.16.172.in-addr.arpa", DNS_PTR), 0);
	assert_int_equal(rcode(), DNS_NOERROR);
	assert_int_equal(ask("weir.internal", DNS_A), 0);
	assert_int_equal(rcode(), DNS_NOERROR);
	assert_int_equal(ask("internal", DNS_A), 0);
	assert_int_equal(rcode(), DNS_NOERROR);
}

static void static_records_are_answered(void **state)
{
	struct name n, other;
	struct ipaddr a4, b4, a6;
	ipaddr_parse("10.1.2.3", &a4);
	ipaddr_parse("203.0.113.77", &b4);
	ipaddr_parse("2001:db8::9", &a6);
	assert_int_equal(name_read("Db.Corp.example", 15, &n), NAME_OK);
	assert_int_equal(name_read("host.docker.internal", 20, &other), NAME_OK);
	assert_true(dns_local_add_record(l, &n, &a4));
	assert_true(dns_local_add_record(l, &n, &b4));
	assert_true(dns_local_add_record(l, &n, &a6));
	assert_true(dns_local_add_record(l, &n, &a6));
	assert_true(dns_local_add_record(l, &other, &a4));
	assert_int_equal(ask("db.corp.EXAMPLE", DNS_A), 2);
	assert_memory_equal(rec[0].data.p, a4.b, 4);
	assert_memory_equal(rec[1].data.p, b4.b, 4);
	assert_int_equal(ask("db.corp.example", DNS_AAAA), 1);
	assert_int_equal(ask("db.corp.example", DNS_HTTPS), 0);
	assert_zone("db.corp.example");
	assert_int_equal(ask("corp.example", DNS_A), NONE);
	assert_int_equal(ask("x.db.corp.example", DNS_A), NONE);
	assert_int_equal(ask("3.2.1.10.in-addr.arpa", DNS_PTR), 1);
	assert_memory_equal(rec[0].data.p, "\2db\4corp\7example", 17);
	assert_int_equal(ask("77.113.0.203.in-addr.arpa", DNS_PTR), 1);
	/* A record takes the place of the alias. */
	assert_int_equal(ask("host.docker.internal", DNS_A), 1);
	assert_memory_equal(rec[0].data.p, a4.b, 4);
	for (int i = 0; i < OWN_ADDRS_MAX; i++) {
		a4.b[3] = (uint8_t)(100 + i);
		assert_int_equal(dns_local_add_record(l, &other, &a4), i < OWN_ADDRS_MAX - 1);
	}
	assert_int_equal(ask("host.docker.internal", DNS_A), OWN_ADDRS_MAX);
}

static void many_records_are_found(void **state)
{
	char text[40];
	struct name n;
	struct ipaddr a = gw4;
	for (unsigned i = 0; i < 20000; i++) {
		int len = snprintf(text, sizeof(text), "n%u.many.example", i);
		assert_int_equal(name_read(text, (size_t)len, &n), NAME_OK);
		put_be32(a.b, 0x01000000 + i);
		assert_true(dns_local_add_record(l, &n, &a));
	}
	for (unsigned i = 0; i < 20000; i += 777) {
		snprintf(text, sizeof(text), "n%u.many.example", i);
		assert_int_equal(ask(text, DNS_A), 1);
		assert_int_equal(get_be32(rec[0].data.p), 0x01000000 + i);
	}
	assert_int_equal(ask("n20000.many.example", DNS_A), NONE);
}

static void special_use_names_stay_here(void **state)
{
	static const struct {
		const char *name;
		int rcode; /* NONE: forwarded */
		const char *zone;
	} cases[] = {
		{"foo.invalid", DNS_NXDOMAIN, "invalid"},
		{"invalid", DNS_NXDOMAIN, "invalid"},
		{"x.y.Onion", DNS_NXDOMAIN, "onion"},
		{"a.alt", DNS_NXDOMAIN, "alt"},
		{"printer.local", DNS_NOERROR, "local"},
		{"_http._tcp.local", DNS_NOERROR, "local"},
		{"db.internal", DNS_NXDOMAIN, "internal"},
		{"x.home.arpa", DNS_NXDOMAIN, "home.arpa"},
		{"home.arpa", DNS_NOERROR, "home.arpa"},
		{"default.service.arpa", DNS_NXDOMAIN, "service.arpa"},
		{"_dns.resolver.arpa", DNS_NOERROR, "resolver.arpa"},
		{"use-application-dns.net", DNS_NXDOMAIN, "use-application-dns.net"},
		{"9.9.9.10.in-addr.arpa", DNS_NXDOMAIN, "10.in-addr.arpa"},
		{"1.1.16.172.in-addr.arpa", DNS_NXDOMAIN, "16.172.in-addr.arpa"},
		{"1.1.31.172.in-addr.arpa", DNS_NXDOMAIN, "31.172.in-addr.arpa"},
		{"1.1.32.172.in-addr.arpa", NONE, NULL},
		{"1.1.15.172.in-addr.arpa", NONE, NULL},
		{"1.1.64.100.in-addr.arpa", DNS_NXDOMAIN, "64.100.in-addr.arpa"},
		{"1.1.127.100.in-addr.arpa", DNS_NXDOMAIN, "127.100.in-addr.arpa"},
		{"1.1.128.100.in-addr.arpa", NONE, NULL},
		{"5.4.168.192.in-addr.arpa", DNS_NXDOMAIN, "168.192.in-addr.arpa"},
		{"254.169.254.169.in-addr.arpa", DNS_NXDOMAIN, "254.169.in-addr.arpa"},
		{"8.8.8.8.in-addr.arpa", NONE, NULL},
		{"9.d.f.ip6.arpa", DNS_NXDOMAIN, "d.f.ip6.arpa"},
		{"0.a.e.f.ip6.arpa", DNS_NXDOMAIN, "a.e.f.ip6.arpa"},
		{"8.b.d.0.1.0.0.2.ip6.arpa", DNS_NOERROR, "8.b.d.0.1.0.0.2.ip6.arpa"},
		{"6.0.6.2.ip6.arpa", NONE, NULL},
		{"www.example", NONE, NULL},
		{"example.com", NONE, NULL},
		{"web.test", NONE, NULL},
		{"xlocal", NONE, NULL},
		{"local.example.com", NONE, NULL},
		{"onion.example.com", NONE, NULL},
		{"arpa", NONE, NULL},
		{"", NONE, NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = ask(cases[i].name, DNS_HTTPS);
		if (n != (cases[i].rcode == NONE ? NONE : 0))
			fail_msg("%s: %d", cases[i].name, n);
		struct dns_query_view q = query(cases[i].name, DNS_A);
		assert_int_equal(dns_local_is_special(l, &q.q.name), n != NONE);
		if (n == NONE)
			continue;
		if ((int)rcode() != cases[i].rcode)
			fail_msg("%s: %u", cases[i].name, rcode());
		assert_zone(cases[i].zone);
		assert_true(h.flags & DNS_AA);
	}
}

static void localhost_is_the_guest_itself(void **state)
{
	static const char *const names[] = {"localhost", "a.b.LocalHost"};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ask(names[i], DNS_A), 1);
		assert_memory_equal(rec[0].data.p, "\x7f\0\0\1", 4);
		assert_int_equal(ask(names[i], DNS_AAAA), 1);
		assert_memory_equal(rec[0].data.p, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		assert_int_equal(ask(names[i], 16), 0);
		assert_int_equal(rcode(), DNS_NOERROR);
	}
	assert_int_equal(ask("1.0.0.127.in-addr.arpa", DNS_PTR), 1);
	assert_memory_equal(rec[0].data.p, "\11localhost", 11);
	assert_int_equal(ask("2.0.0.127.in-addr.arpa", DNS_PTR), 0);
	assert_int_equal(rcode(), DNS_NXDOMAIN);
	assert_int_equal(ask("ipv4only.arpa", DNS_A), 2);
	assert_int_equal(ask("ipv4only.arpa", DNS_AAAA), 0);
	assert_int_equal(rcode(), DNS_NOERROR);
}

static void special_names_go_out_where_configured(void **state)
{
	assert_true(dns_local_forward(l, "internal"));
	assert_true(dns_local_forward(l, "Local."));
	assert_true(dns_local_forward(l, "in-addr.arpa"));
	assert_true(dns_local_forward(l, "lab.onion"));
	assert_int_equal(ask("db.internal", DNS_A), NONE);
	assert_int_equal(ask("internal", DNS_A), NONE);
	assert_int_equal(ask("printer.local", DNS_A), NONE);
	assert_int_equal(ask("9.9.9.10.in-addr.arpa", DNS_PTR), NONE);
	assert_int_equal(ask("x.lab.onion", DNS_A), NONE);
	assert_int_equal(ask("lab.onion", DNS_A), NONE);
	assert_int_equal(ask("x.onion", DNS_A), 0);
	assert_int_equal(ask("9.d.f.ip6.arpa", DNS_PTR), 0);
	assert_int_equal(ask("host.weir.internal", DNS_A), 1);
	assert_int_equal(ask("1.0.16.172.in-addr.arpa", DNS_PTR), 1);
	struct dns_query_view q = query("db.internal", DNS_A);
	assert_true(dns_local_is_special(l, &q.q.name));
	assert_false(dns_local_forward(l, ""));
	assert_false(dns_local_forward(l, "a..b"));
}

static void names_of_another_class_stay_here_too(void **state)
{
	struct dns_query_view q = query("host.weir.internal", DNS_A);
	struct dns_own own;
	q.q.class = 3;
	assert_true(dns_local_find(l, &q.q, &own));
	read_made(&q, dns_make_own(&q, &own, buf));
	assert_int_equal(h.count[1], 0);
	q = query("version.bind", 16);
	q.q.class = 3;
	assert_false(dns_local_find(l, &q.q, &own));
}

static struct view opt_data(size_t len)
{
	struct dns_walk w;
	struct dns_record r = {0};
	assert_true(dns_walk_begin(view_make(buf, len), &w));
	while (dns_walk_next(&w, &r) > 0 && r.type != DNS_OPT)
		;
	assert_int_equal(r.type, DNS_OPT);
	return r.data;
}

static void errors_carry_the_extended_code_where_edns_was_used(void **state)
{
	static const uint8_t ede[] = {0, 15, 0, 2, 0, 23},
			     text[] = "\0\17\0\22\0\17rule deny@x.com?";
	struct dns_query_view q = query("example.org", DNS_A);
	q.h.flags |= DNS_CD;
	q.edns_do = true;
	size_t len = dns_make_error(&q, DNS_SERVFAIL, DNS_EDE_NETWORK_ERROR, buf);
	read_made(&q, len);
	assert_int_equal(h.flags, DNS_QR | DNS_RD | DNS_RA | DNS_CD | DNS_SERVFAIL);
	struct view v = opt_data(len);
	assert_int_equal(get_be32(v.p - 6), DNS_EDNS_DO);
	assert_int_equal(v.len, sizeof(ede));
	assert_memory_equal(v.p, ede, sizeof(ede));

	len = dns_make_denial(&q, DNS_NXDOMAIN, DNS_EDE_BLOCKED, "rule deny@x.com\n", buf);
	read_made(&q, len);
	assert_int_equal(rcode(), DNS_NXDOMAIN);
	assert_int_equal(h.count[2], 0); /* nobody may keep a refusal */
	v = opt_data(len);
	assert_int_equal(v.len, sizeof(text) - 1);
	assert_memory_equal(v.p, text, sizeof(text) - 1);

	char endless[4000];
	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = 0;
	len = dns_make_denial(&q, DNS_REFUSED, DNS_EDE_FILTERED, endless, buf);
	read_made(&q, len);
	assert_int_equal(opt_data(len).len, 6 + EDE_TEXT_MAX);

	q.has_edns = false;
	read_made(&q, dns_make_denial(&q, DNS_REFUSED, DNS_EDE_FILTERED, endless, buf));
}

static void longest_answers_fit(void **state)
{
	struct dns_query_view q = query("a", DNS_ANY);
	struct ipaddr many[OWN_ADDRS_MAX];
	struct dns_own own = {.addrs = many, .addr_n = OWN_ADDRS_MAX, .authoritative = true};
	char text[256];
	for (int i = 0; i < OWN_ADDRS_MAX; i++)
		many[i] = gw6;
	memset(text, 'a', sizeof(text));
	text[63] = text[127] = text[191] = '.';
	text[253] = 0;
	assert_true(dns_name_parse(text, &q.q.name));
	assert_int_equal(q.q.name.len, 255);
	own.ptr = q.q.name;
	read_made(&q, dns_make_own(&q, &own, buf));
	assert_int_equal(h.count[1], OWN_ADDRS_MAX + 1);
	own = (struct dns_own){.zone_len = 255};
	read_made(&q, dns_make_own(&q, &own, buf));
	assert_int_equal(h.count[2], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(aliases_of_the_host_are_the_gateway, both, done),
		cmocka_unit_test_setup_teardown(families_that_are_off_have_no_data, both, done),
		cmocka_unit_test_setup_teardown(gateway_has_a_name_backwards, both, done),
		cmocka_unit_test_setup_teardown(static_records_are_answered, both, done),
		cmocka_unit_test_setup_teardown(many_records_are_found, both, done),
		cmocka_unit_test_setup_teardown(special_use_names_stay_here, both, done),
		cmocka_unit_test_setup_teardown(localhost_is_the_guest_itself, both, done),
		cmocka_unit_test_setup_teardown(special_names_go_out_where_configured, both, done),
		cmocka_unit_test_setup_teardown(names_of_another_class_stay_here_too, both, done),
		cmocka_unit_test(errors_carry_the_extended_code_where_edns_was_used),
		cmocka_unit_test(longest_answers_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
