// SPDX-License-Identifier: Apache-2.0
/*
 * The options of `weir run`: what is taken, what is refused, and in which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "cli/options.h"

#define ARGS_MAX 24

struct parsed {
	struct config c;
	struct error err;
	int rc, first;
};

/* Parses a NULL-terminated list of words as if they stood behind `weir run`. */
static void parse(struct parsed *p, const char *const *words)
{
	char *argv[ARGS_MAX + 2] = {"run"};
	int argc = 1;

	for (; words[argc - 1]; argc++) {
		assert_true(argc <= ARGS_MAX);
		argv[argc] = (char *)words[argc - 1];
	}
	*p = (struct parsed){.first = -1};
	config_init(&p->c);
	p->rc = options_parse(OPTION_FOR_RUN, argc, argv, &p->c, &p->first, &p->err);
}

#define PARSE(p, ...) parse((p), (const char *const[]){__VA_ARGS__, NULL})

static void assert_refused(const char *const *words, const char *msg)
{
	struct parsed p;

	parse(&p, words);
	if (p.rc != -1)
		fail_msg("taken: %s %s", words[0], words[1] ? words[1] : "");
	assert_string_equal(p.err.msg, msg);
	assert_int_equal(p.first, -1);
	config_done(&p.c);
}

#define REFUSED(msg, ...) assert_refused((const char *const[]){__VA_ARGS__, NULL}, msg)

static void nothing_given_means_the_defaults(void **state)
{
	struct parsed p;
	char buf[IPADDR_STRLEN];

	PARSE(&p, "true");
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.first, 1);
	assert_null(p.c.net);
	assert_int_equal(p.c.default_egress, -1);
	assert_int_equal(p.c.default_ingress, -1);
	assert_int_equal(p.c.mtu, 1500);
	assert_string_equal(ipaddr_str(&p.c.ipv4_pool, buf), "172.16.0.0");
	assert_int_equal(p.c.ipv4_pool_bits, 12);
	assert_string_equal(ipaddr_str(&p.c.ipv6_pool, buf), "fd42:6d73:62::");
	assert_int_equal(p.c.ipv6_pool_bits, 48);
	assert_int_equal(p.c.dns_timeout_ms, 5000);
	assert_int_equal(p.c.max_connections, 4096);
	assert_int_equal(p.c.log_level, LOG_WARNING);
	config_done(&p.c);
}

static void options_end_at_the_command(void **state)
{
	struct parsed p;

	PARSE(&p, "--stats", "curl", "--quiet", "-v");
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.first, 2);
	assert_true(p.c.stats);
	assert_false(p.c.quiet);
	config_done(&p.c);

	PARSE(&p, "--stats", "--", "--quiet");
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.first, 3);
	assert_false(p.c.quiet);
	config_done(&p.c);

	PARSE(&p, "--stats");
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.first, 2); /* no command: the caller's to say */
	config_done(&p.c);
}

static void rules_keep_their_order(void **state)
{
	struct parsed p;

	PARSE(&p, "--allow", "192.0.2.1:tcp:443", "--rule", "deny@any:udp", "--deny=10.0.0.0/8",
	      "x");
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.c.rules.n, 3);
	assert_string_equal(p.c.rules.v[0], "allow@192.0.2.1:tcp:443");
	assert_string_equal(p.c.rules.v[1], "deny@any:udp");
	assert_string_equal(p.c.rules.v[2], "deny@10.0.0.0/8");
	config_done(&p.c);
}

static void values_reach_their_fields(void **state)
{
	struct parsed p;
	char buf[IPADDR_STRLEN];

	PARSE(&p, "--net", "public,host", "--mtu=9000", "--mac", "02:00:00:00:00:07", "--ipv4",
	      "10.1.2.3", "--slot", "65535", "-p8080:80", "-p", "0:53/udp", "--default-egress",
	      "allow");
	assert_int_equal(p.rc, 0);
	assert_string_equal(p.c.net, "public,host");
	assert_int_equal(p.c.mtu, 9000);
	assert_true(p.c.has_mac);
	assert_int_equal(p.c.mac[5], 7);
	assert_string_equal(ipaddr_str(&p.c.ipv4, buf), "10.1.2.3");
	assert_int_equal(p.c.slot, 65535);
	assert_int_equal(p.c.publish_count, 2);
	assert_int_equal(p.c.publish[0].host_port, 8080);
	assert_true(p.c.publish[1].udp);
	assert_int_equal(p.c.default_egress, 1);
	assert_int_equal(p.c.default_ingress, -1);
	config_done(&p.c);

	PARSE(&p, "--default-ingress=deny", "--ipv6", "fd00::2", "--ipv6-pool", "fd00::/40",
	      "--ipv4-pool", "10.0.0.0/8", "--dns-timeout", "2s", "--link", "packet", "--log-level",
	      "debug");
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.c.default_ingress, 0);
	assert_string_equal(ipaddr_str(&p.c.ipv6, buf), "fd00::2");
	assert_int_equal(p.c.ipv6_pool_bits, 40);
	assert_int_equal(p.c.ipv4_pool_bits, 8);
	assert_int_equal(p.c.dns_timeout_ms, 2000);
	assert_int_equal(p.c.link, CONFIG_LINK_PACKET);
	assert_int_equal(p.c.log_level, LOG_DEBUG);
	config_done(&p.c);

	PARSE(&p, "--pid", "42", "--pcap", "a", "--pcap", "b", "--max-connections", "10",
	      "--max-half-open", "11", "--udp-sessions", "12", "--icmp-sessions", "13",
	      "--no-config", "--map-root", "--proxy-arp", "--budget-out", "8G", "--budget-out-each",
	      "1000");
	assert_int_equal(p.rc, 0);
	assert_true(p.c.proxy_arp);
	assert_int_equal(p.c.pid, 42);
	assert_string_equal(p.c.pcap_path, "b");
	assert_int_equal(p.c.max_connections, 10);
	assert_int_equal(p.c.max_half_open, 11);
	assert_int_equal(p.c.max_udp_sessions, 12);
	assert_int_equal(p.c.max_icmp_sessions, 13);
	assert_int_equal(p.c.budget_out, UINT64_C(8) << 30);
	assert_int_equal(p.c.budget_out_each, 1000);
	assert_true(p.c.no_config);
	assert_true(p.c.map_root);
	config_done(&p.c);
}

static void upstreams_come_with_and_without_port(void **state)
{
	struct parsed p;
	char buf[IPADDR_STRLEN];

	PARSE(&p, "--dns-upstream", "192.0.2.1", "--dns-upstream", "192.0.2.2:5353",
	      "--dns-upstream", "2001:db8::1", "--dns-upstream", "[2001:db8::2]", "--dns-upstream",
	      "[2001:db8::3]:54");
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.c.dns_upstream_count, 5);
	static const struct {
		const char *addr;
		int port;
	} want[] = {{"192.0.2.1", 53},
		    {"192.0.2.2", 5353},
		    {"2001:db8::1", 53},
		    {"2001:db8::2", 53},
		    {"2001:db8::3", 54}};
	for (size_t i = 0; i < 5; i++) {
		assert_string_equal(ipaddr_str(&p.c.dns_upstream[i].addr, buf), want[i].addr);
		assert_int_equal(p.c.dns_upstream[i].port, want[i].port);
	}
	config_done(&p.c);
}

static void help_is_seen_before_a_command_only(void **state)
{
	struct parsed p;

	PARSE(&p, "--help");
	assert_int_equal(p.rc, 1);
	config_done(&p.c);
	PARSE(&p, "-h");
	assert_int_equal(p.rc, 1);
	config_done(&p.c);
	PARSE(&p, "ls", "--help");
	assert_int_equal(p.rc, 0);
	config_done(&p.c);
}

static void bad_values_name_option_value_and_expectation(void **state)
{
	REFUSED("--mtu: 'abc': expected a number from 576 to 65520, for example 1500", "--mtu",
		"abc");
	REFUSED("--mtu: '': expected a number from 576 to 65520, for example 1500", "--mtu=");
	REFUSED("--slot: '65536': expected a number from 0 to 65535, for example 7", "--slot",
		"65536");
	REFUSED("--net: 'pubilc': preset \"pubilc\": expected a comma list of public, private and host, or all, or "
		"none; the nearest is \"public\"",
		"--net", "pubilc");
	REFUSED("--net: 'all,host': preset \"all\" stands alone; expected a comma list of public, private and host, or "
		"all, or none",
		"--net", "all,host");
	REFUSED("--allow: '10.0.0.1:tpc:80': protocol \"tpc\": expected tcp, udp, icmpv4 or icmpv6; the nearest is "
		"\"tcp\"",
		"--allow", "10.0.0.1:tpc:80");
	REFUSED("--rule: '': there is no @; expected ACTION[:DIRECTION]@TARGET[:PROTOCOL[:PORTS]], as in "
		"allow@10.0.0.0/8:tcp:443",
		"--rule", "");
	REFUSED("--link: 'tpa': expected tap or packet; did you mean 'tap'?", "--link", "tpa");
	REFUSED("--default-egress: 'yes': expected allow or deny", "--default-egress", "yes");
	REFUSED("--log-level: 'warn': expected error, warning, info, debug or trace; did you mean 'warning'?",
		"--log-level", "warn");
	REFUSED("--mac: '01:00:5e:00:00:01': expected the MAC address of one interface, not a group or zero, "
		"for example 02:77:72:00:00:02",
		"--mac", "01:00:5e:00:00:01");
	REFUSED("--ipv4: '::1': expected an IPv4 address, for example 172.16.0.2", "--ipv4", "::1");
	REFUSED("--ipv4: '127.0.0.1': expected an IPv4 address that a host can have on a network, for example "
		"172.16.0.2",
		"--ipv4", "127.0.0.1");
	REFUSED("--ipv4-pool: '10.0.0.1/8': expected an IPv4 network of /1 to /30, no bits set behind it, for "
		"example 172.16.0.0/12",
		"--ipv4-pool", "10.0.0.1/8");
	REFUSED("--ipv6-pool: 'fd00::/65': expected an IPv6 network of /1 to /64, no bits set behind it, for "
		"example fd42:6d73:62::/48",
		"--ipv6-pool", "fd00::/65");
	REFUSED("--dns-upstream: 'ns.example': expected the IP address of a resolver and, if need be, a port, for "
		"example 192.0.2.53:53",
		"--dns-upstream", "ns.example");
	REFUSED("--dns-timeout: '2m': expected a time from 10ms to 1m, for example 2s",
		"--dns-timeout", "2m");
	REFUSED("--publish: '80': expected [BIND:]HOST:GUEST[/tcp|/udp], for example 8080:80", "-p",
		"80");
	REFUSED("--pid: '0': expected a number from 1 to 2147483647, for example 1234", "--pid",
		"0");
}

static void a_message_stays_one_line(void **state)
{
	REFUSED("--mtu: '1?2?[31m': expected a number from 576 to 65520, for example 1500", "--mtu",
		"1\n2\033[31m");
}

static void unknown_options_get_the_nearest(void **state)
{
	REFUSED("--mtuu: no such option; did you mean --mtu?", "--mtuu", "1500");
	REFUSED("--alow: no such option; did you mean --allow?", "--alow=x");
	REFUSED("--max-conn: no such option; did you mean --max-connections?", "--max-conn=5");
	REFUSED("--xyzzyx: no such option; 'weir run --help' lists them", "--xyzzyx");
	REFUSED("-z: no such option; 'weir run --help' lists them", "-z");
}

static void options_of_other_versions_are_named(void **state)
{
	REFUSED("--control: not in this version of weir", "--control=x");
	REFUSED("--metrics: not in this version of weir", "--metrics=x");
}

static void tls_options_set_their_fields(void **state)
{
	struct parsed p;
	char *argv[] = {"run",
			"--tls-intercept",
			"--tls-intercept-port=8443",
			"--tls-intercept-port",
			"443",
			"--tls-bypass=*.pinned.example",
			"--tls-ca=a.crt:a.key",
			"--tls-upstream-ca=root.pem",
			"--tls-no-verify=one.example",
			"--tls-no-verify=two.example",
			"--no-block-quic",
			"--tls-keylog=keys.log",
			"--trust-host-cas",
			"--secret=A@a.example,b.example",
			"--secret=B@any",
			"cmd",
			NULL};

	config_init(&p.c);
	if (options_parse(OPTION_FOR_RUN, 16, argv, &p.c, &p.first, &p.err) != 0)
		fail_msg("%s", p.err.msg);
	const struct config_tls *t = &p.c.tls;
	assert_true(t->enabled);
	assert_int_equal(t->port_count, 2);
	assert_int_equal(t->ports[0], 8443);
	assert_int_equal(t->ports[1], 443);
	assert_string_equal(t->bypass.v[0], "*.pinned.example");
	assert_string_equal(t->ca_cert, "a.crt");
	assert_string_equal(t->ca_key, "a.key");
	assert_string_equal(t->upstream_ca.v[0], "root.pem");
	assert_int_equal(t->scoped_verify_count, 2);
	assert_string_equal(t->scoped_verify[0].host, "two.example");
	assert_false(t->scoped_verify[0].verify);
	assert_false(t->block_quic);
	assert_string_equal(t->keylog, "keys.log");
	assert_true(p.c.trust_host_cas);
	assert_int_equal(p.c.secrets.count, 2);
	assert_int_equal(p.c.secrets.list[0].hosts.n, 2);
	config_done(&p.c);
}

static void wrong_tls_options_are_told(void **state)
{
	REFUSED("--tls-intercept-port: '0': expected a number from 1 to 65535, for example 443",
		"--tls-intercept-port=0");
	REFUSED("--tls-bypass: '*.com': expected a narrower pattern: anyone can have a name below "
		"\"com\", for example *.example.com",
		"--tls-bypass=*.com");
	REFUSED("--tls-ca: 'a.crt': expected CERT:KEY, the paths of two files, for example "
		"ca.crt:ca.key",
		"--tls-ca=a.crt");
	REFUSED("--tls-upstream-ca: '': expected the path of a file, for example corp-root.pem",
		"--tls-upstream-ca=");
	REFUSED("--secret: 'TOKEN': expected ENV@HOST[,HOST...], for example "
		"API_TOKEN@api.example.com",
		"--secret=TOKEN");
	REFUSED("--secret T@a.example: T is a secret already: --secret T@b.example",
		"--secret=T@b.example", "--secret=T@a.example");
	REFUSED("--tls-bypass: nothing is intercepted, so it has no effect; add --tls-intercept",
		"--tls-bypass=a.example");
	REFUSED("--no-block-quic: nothing is intercepted, so it has no effect; add --tls-intercept",
		"--no-block-quic");
}

static void options_belong_to_their_command(void **state)
{
	struct parsed p;
	char *argv[] = {"check", "--json", "--slot", "7", "tcp", "a:1", NULL};
	char *wrong[] = {"check", "--pcap", "x", NULL};
	char *unknown[] = {"check", "-p", "80:80", NULL};

	REFUSED("--json: not an option of 'weir run', whose --help lists them", "--json");
	config_init(&p.c);
	assert_int_equal(options_parse(OPTION_FOR_CHECK, 6, argv, &p.c, &p.first, &p.err), 0);
	assert_int_equal(p.first, 4);
	assert_true(p.c.check_json);
	config_done(&p.c);
	config_init(&p.c);
	assert_int_equal(options_parse(OPTION_FOR_CHECK, 3, wrong, &p.c, &p.first, &p.err), -1);
	assert_string_equal(p.err.msg,
			    "--pcap: not an option of 'weir check', whose --help lists them");
	assert_int_equal(options_parse(OPTION_FOR_CHECK, 3, unknown, &p.c, &p.first, &p.err), -1);
	assert_string_equal(p.err.msg, "-p: no such option; 'weir check --help' lists them");
	config_done(&p.c);
}

static void events_go_to_a_file_or_an_open_one(void **state)
{
	static const char *const good[] = {"-", "fd:3", "log", "./fd:x"};
	struct parsed p;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		PARSE(&p, "--events", good[i], "true");
		assert_int_equal(p.rc, 0);
		assert_string_equal(p.c.events, good[i]);
		config_done(&p.c);
	}
	REFUSED("--events: '': expected the path of a file, - or fd:N, for example events.ndjson",
		"--events=");
	REFUSED("--events: 'fd:x': expected the path of a file, - or fd:N, for example events.ndjson",
		"--events=fd:x");
}

static void values_are_given_where_they_belong(void **state)
{
	REFUSED("--mtu: expected N, for example 1500", "--mtu");
	REFUSED("--net: expected LIST, for example public", "--net");
	REFUSED("--publish: expected [BIND:]HOST:GUEST[/tcp|/udp], for example 8080:80", "-p");
	REFUSED("--stats: takes no value", "--stats=1");
}

static void contradictions_are_refused(void **state)
{
	REFUSED("--netns with --pid: both name a namespace to join; give one of them", "--netns",
		"/x", "--pid", "1");
	REFUSED("--no-ipv4 with --no-ipv6: no address family would be left; use --net none to forbid all traffic",
		"--no-ipv4", "--no-ipv6");
	REFUSED("--no-ipv4 with an IPv4 address: give one of them", "--no-ipv4", "--ipv4",
		"10.0.0.2");
	REFUSED("--no-ipv6 with an IPv6 address: give one of them", "--ipv6", "fd00::2",
		"--no-ipv6");
	REFUSED("-net: no such option; did you mean --net?", "-net", "public");
	REFUSED("-mtu: no such option; did you mean --mtu?", "-mtu=1400");
	REFUSED("--ipv6: '::ffff:192.0.2.1': expected an IPv6 address that a host can have on a "
		"network, for example fd42:6d73:62::2",
		"--ipv6", "::ffff:192.0.2.1");
	REFUSED("--mtu (interface.mtu): '1279': IPv6 needs at least 1280; add --no-ipv6 for less",
		"--mtu", "1279");
	REFUSED("published ports: '8080-8090:80-90' and '8085:443' take the same host port", "-p",
		"8080-8090:80-90", "-p", "8085:443");
	REFUSED("published ports: '192.0.2.1:80:80' and '192.0.2.1:80:81' take the same host port",
		"-p", "192.0.2.1:80:80", "-p", "192.0.2.1:80:81");
	REFUSED("published ports: '0.0.0.0:80:80' and '80:81' take the same host port", "-p",
		"0.0.0.0:80:80", "-p", "80:81");
}

static void what_only_looks_contradictory_is_taken(void **state)
{
	struct parsed p;

	PARSE(&p, "--mtu", "1279", "--no-ipv6", "-p", "80:80", "-p", "80:80/udp", "-p",
	      "192.0.2.1:80:81", "-p", "192.0.2.2:80:81", "-p", "0:1", "-p", "0:2");
	assert_int_equal(p.rc, 0);
	config_done(&p.c);
}

/* options.c keeps arrays of 64, and every option must be able to explain itself. */
static void the_table_is_whole(void **state)
{
	size_t n = 0;

	for (const struct option_def *d = option_table; d->name; d++, n++) {
		assert_non_null(d->help);
		assert_true(d->parse || strcmp(d->name, "help") == 0);
		if (d->arg)
			assert_true(d->example || d->words);
		if (d > option_table)
			assert_true(d->section >= d[-1].section);
	}
	assert_true(n > 30 && n < 96);
}

/* The examples that messages show are right themselves. */
static void every_example_is_taken(void **state)
{
	for (const struct option_def *d = option_table; d->name; d++) {
		struct config c;
		struct error err = {0};
		if (!d->example)
			continue;
		config_init(&c);
		if (d->parse(d, d->example, &c, &err) < 0)
			fail_msg("--%s %s: %s", d->name, d->example, err.msg);
		config_done(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_given_means_the_defaults),
		cmocka_unit_test(options_end_at_the_command),
		cmocka_unit_test(rules_keep_their_order),
		cmocka_unit_test(values_reach_their_fields),
		cmocka_unit_test(upstreams_come_with_and_without_port),
		cmocka_unit_test(help_is_seen_before_a_command_only),
		cmocka_unit_test(bad_values_name_option_value_and_expectation),
		cmocka_unit_test(a_message_stays_one_line),
		cmocka_unit_test(unknown_options_get_the_nearest),
		cmocka_unit_test(options_of_other_versions_are_named),
		cmocka_unit_test(tls_options_set_their_fields),
		cmocka_unit_test(wrong_tls_options_are_told),
		cmocka_unit_test(options_belong_to_their_command),
		cmocka_unit_test(events_go_to_a_file_or_an_open_one),
		cmocka_unit_test(values_are_given_where_they_belong),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(what_only_looks_contradictory_is_taken),
		cmocka_unit_test(the_table_is_whole),
		cmocka_unit_test(every_example_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
