// SPDX-License-Identifier: Apache-2.0
/* Rule tokens: what is accepted, and what each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/policy.h"

static struct policy *make(const char *const *rules, size_t n, struct error *err)
{
	struct policy_source src = {
		.rules = rules, .rule_count = n, .default_egress = -1, .default_ingress = -1};

	return policy_new(&src, err);
}

static void good_tokens_are_taken_and_kept_as_written(void **state)
{
	static const char *const good[] = {
		"allow@any",
		"deny@any",
		"allow:egress@public",
		"allow:ingress@private:tcp:22",
		"deny:any@10.0.0.0/8",
		"allow:any@link-local:tcp,udp",
		"deny@host,metadata,loopback,private,link-local,multicast,public",
		"allow@dns",
		"allow@dns:udp",
		"allow@dns:tcp,udp:53",
		"allow@dns,198.51.100.7:tcp:53,443",
		"allow@192.0.2.1",
		"allow@192.0.2.1/32:udp:1-65535",
		"allow@0.0.0.0/0:icmpv4",
		"allow@::/0",
		"allow@[::/0]:icmpv6",
		"deny@2001:db8::/32",
		"deny@2001:db8::1,10.0.0.0/8,fe80::/10",
		"deny@[2001:db8::1],10.0.0.0/8,2001:db8::2",
		"allow@[2001:db8::/32]:udp",
		"allow@[2001:db8::/32],192.0.2.0/24,private:tcp,udp:443,8000-8100",
		"allow@any:tcp,udp,icmpv4,icmpv6",
		"allow@example.com",
		"allow@Example.COM.:tcp:443",
		"allow@*.example.com,.example.org,suffix=a.b,domain=localhost,domain=public",
		"deny@_dmarc.example.com,10.0.0.0/8,private:tcp",
		"allow@xn--bcher-kva.example:icmpv4",
		"allow@a.co.uk,*.a.co.uk",
		"allow@co.uk,com.,domain=com",
		"deny@doh",
		"deny@doh,x.com:tcp,udp:443,853",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct error err = {0};
		struct policy *p = make(&good[i], 1, &err);

		if (!p)
			fail_msg("%s", err.msg);
		assert_string_equal(policy_rule_text(p, 0), good[i]);
		assert_int_equal(policy_rule_count(p), 2); /* with allow@dns behind it */
		assert_int_equal(policy_warning_count(p), 0);
		policy_free(p);
	}
}

static void bad_tokens_name_part_expectation_and_nearest_word(void **state)
{
	static const struct {
		const char *token, *want, *also;
	} bad[] = {
		{"", "rule \"\": there is no @", "ACTION[:DIRECTION]@TARGET"},
		{"allow", "there is no @", NULL},
		{"@any", "action \"\": expected allow or deny", NULL},
		{"alow@any", "rule \"alow@any\": action \"alow\": expected allow or deny",
		 "the nearest is \"allow\""},
		{"Allow@any", "the nearest is \"allow\"", NULL},
		{"dney@any", "the nearest is \"deny\"", NULL},
		{"permit@any", "action \"permit\": expected allow or deny", NULL},
		{" allow@any", "action \" allow\"", NULL},
		{"allow:@any", "direction \"\": expected egress, ingress or any", NULL},
		{"allow:out@any", "direction \"out\": expected egress", NULL},
		{"allow:egres@any", "the nearest is \"egress\"", NULL},
		{"allow:egress:x@any", "direction \"egress:x\"", NULL},
		{"allow@", "target: none behind the @", NULL},
		{"allow@:tcp", "target: none behind the @", NULL},
		{"allow@any,", "target \"any,\": an item of the list is empty", NULL},
		{"allow@,any", "an item of the list is empty", NULL},
		{"allow@any,,host", "an item of the list is empty", NULL},
		{"allow@pubic", "target \"pubic\": expected any", "the nearest is \"public\""},
		{"allow@linklocal", "the nearest is \"link-local\"", NULL},
		{"allow@PRIVATE", "the nearest is \"private\"", NULL},
		{"allow@any ", "target \"any \"", NULL},
		{"allow@10.0.0.0/33", "target \"10.0.0.0/33\": expected an address", NULL},
		{"allow@10.0.0.0/", "expected an address", NULL},
		{"allow@10.0.0.256", "expected an address", NULL},
		{"allow@10.0.0", "expected an address", NULL},
		{"allow@127.1", "expected an address", NULL},
		{"allow@0x7f000001", "expected an address", NULL},
		{"allow@2130706433", "expected an address", NULL},
		{"allow@0177.0.0.1", "expected an address", NULL},
		{"allow@1.2.3.4.", "expected an address", NULL},
		{"allow@10.0.0.1/8", "the address has bits behind the prefix",
		 "expected 10.0.0.0/8"},
		{"allow@[2001:db8::1/32]", "expected 2001:db8::/32", NULL},
		{"allow@[10.0.0.1]:tcp", "brackets are for IPv6; expected 10.0.0.1", NULL},
		{"allow@[2001:db8::]/32:tcp", "within the brackets", NULL},
		{"allow@[]", "within the brackets", NULL},
		{"allow@[", "within the brackets", NULL},
		{"allow@[2abta,x:y:\5:1", "a bracket is not closed", NULL},
		{"allow@[x]:tcp", "within the brackets", NULL},
		{"allow@[fe80::1%eth0]:tcp", "within the brackets", NULL},
		{"allow@2001:db8::1:tcp",
		 "target \"2001:db8::1\": an IPv6 address stands in "
		 "brackets",
		 "[2001:db8::1]"},
		{"allow@2001:db8::/32:tcp:443", "[2001:db8::/32]", NULL},
		{"allow@10.0.0.1,2001:db8::1:udp", "[2001:db8::1]", NULL},
		{"allow@any:", "protocol: nothing behind the colon", NULL},
		{"allow@any::80", "protocol: nothing behind the colon", NULL},
		{"allow@any:icmp", "the nearest is \"icmpv4\"", NULL},
		{"allow@any:tpc", "protocol \"tpc\": expected tcp, udp, icmpv4 or icmpv6",
		 "the nearest is \"tcp\""},
		{"allow@any:tcp,", "protocol \"tcp,\": an item of the list is empty", NULL},
		{"allow@any:443", "protocol \"443\": ports stand behind a protocol: tcp:443", NULL},
		{"allow@any:tcp:", "ports: nothing behind the colon", NULL},
		{"allow@any:tcp:0", "ports \"0\": expected a port from 1 to 65535", NULL},
		{"allow@any:tcp:65536", "expected a port", NULL},
		{"allow@any:tcp:080", "expected a port", NULL},
		{"allow@any:tcp:+80", "expected a port", NULL},
		{"allow@any:tcp:http", "expected a port", NULL},
		{"allow@any:tcp:80-", "expected a port", NULL},
		{"allow@any:tcp:-80", "expected a port", NULL},
		{"allow@any:tcp:1-2-3", "expected a port", NULL},
		{"allow@any:tcp:80,", "an item of the list is empty", NULL},
		{"allow@any:tcp:80:81", "nothing may follow the ports", NULL},
		/* names */
		{"allow@localhost", "a name of one label is written domain=NAME", NULL},
		{"allow@pulbic", "the nearest is \"public\"", NULL},
		{"deny@*", "target \"*\": names of every kind; expected any", NULL},
		{"deny@*.com", "everything below \"com\" is too wide", "*.example.com"},
		{"deny@*.", "this is no name: it is empty", NULL},
		{"deny@.com", "everything below \"com\" is too wide", NULL},
		{"deny@suffix=com.", "everything below \"com\" is too wide", NULL},
		{"allow@*.co.uk", "\"co.uk\" is a public suffix", "*.example.co.uk"},
		{"allow@.github.io", "\"github.io\" is a public suffix", NULL},
		{"allow@suffix=xn--p1ai", "everything below \"xn--p1ai\" is too wide", NULL},
		{"allow@*.xn--55qx5d.cn", "is a public suffix", NULL},
		{"allow@*x.com", "a wildcard stands only in front", NULL},
		{"allow@a.*.com", "a wildcard stands only in front", NULL},
		{"allow@*.*.com", "a wildcard stands only in front", NULL},
		{"allow@x.*", "a wildcard stands only in front", NULL},
		{"allow@domian=x.com", "expected domain=NAME, suffix=NAME", NULL},
		{"allow@suffix=.x.com", "this is no name: a label is empty", NULL},
		{"allow@x..com", "this is no name: a label is empty", NULL},
		{"allow@-x.com", "begins or ends with a hyphen", NULL},
		{"allow@x y.com", "no letter, digit, hyphen or underscore", NULL},
		{"allow@x.com#y", "no letter, digit, hyphen or underscore", NULL},
		{"allow@x.com\ny", "target \"x.com\\x0ay\"", NULL},
		{"allow@https://x.com/", "target \"https\"", NULL},
		{"allow@x.com/path", "a name without port and path", NULL},
		{"allow@x.com:443", "protocol \"443\"", NULL},
		{"allow@1.2.3.4.5", "expected an address", NULL},
		{"allow@domain=10.0.0.1", "expected an address", NULL},
		{"allow@suffix=10.0.0.1", "expected an address", NULL},
		{"allow@*.0x7f", "expected an address", NULL},
		{"deny@10.0.0.0/8,x..com", "target \"x..com\"", NULL},
		{"allow@b\xc3\xbc"
		 "cher.example",
		 "expected xn--bcher-kva.example", NULL},
		{"allow@*.B\xc3\x9c"
		 "CHER.example",
		 "expected *.xn--bcher-kva.example", NULL},
		{"allow@domain=\xc3\xbc", "expected domain=xn--tda", NULL},
		{"allow@x\xef\xbc\x8e"
		 "com",
		 "expected x.com", NULL}, /* a full-width dot */
		{"allow@\xff.com", "this one has no such form", NULL},
		{"allow@domain=1\xe3\x80\x82"
		 "2\xe3\x80\x82"
		 "3\xe3\x80\x82"
		 "4",
		 "this one has no such form", NULL},
		{"allow:ingress@x.com", "direction: a name is for egress only", NULL},
		{"deny:any@x.com,10.0.0.0/8", "direction: a name is for egress only", NULL},
		{"deny:any@doh", "the target \"doh\" is for egress only", NULL},
		{"deny@doh:tcp:80", "\"doh\" is port 443", NULL},
		{"deny@doh:icmpv4", "\"doh\" is TCP and UDP only", NULL},
		/* what can never take effect */
		{"allow@any:tcp:8100-8000", "the range ends before it starts",
		 "expected 8000-8100"},
		{"allow@any:icmpv4:80", "ports: protocol \"icmpv4\" has none", NULL},
		{"allow@any:tcp,icmpv6:80", "ports: protocol \"icmpv6\" has none", NULL},
		{"allow@any:tcp,udp,icmpv4,icmpv6:80", "has none", NULL},
		{"allow:ingress@any:icmpv4", "protocol \"icmpv4\": ingress is", NULL},
		{"allow:any@any:tcp,icmpv6", "protocol \"icmpv6\": ingress is", NULL},
		{"deny@10.0.0.0/8:icmpv6",
		 "\"icmpv6\": it never meets an IPv4 target; expected icmpv4", NULL},
		{"deny@[2001:db8::/32],any:icmpv4", "never meets an IPv6 target", NULL},
		{"allow:ingress@dns", "\"dns\" is for egress only", NULL},
		{"allow:any@dns", "\"dns\" is for egress only", NULL},
		{"allow@dns:icmpv4", "\"dns\" is TCP and UDP only", NULL},
		{"allow@dns,public:tcp:443", "\"dns\" is port 53", NULL},
		{"allow@0.0.0.0", "never pass", NULL},
		{"allow@0.0.0.0/8", "never pass", NULL},
		{"deny@0.1.2.3", "never pass", NULL},
		{"allow@::", "never pass", NULL},
		{"allow@[::/128]:tcp", "never pass", NULL},
		/* what must not reach a terminal as it is */
		{"allow@\x1b[31m", "target \"\\x1b[31m\"", NULL},
		{"allow@\xc3\xbc.de", "\\xc3\\xbc.de", "expected xn--tda.de"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {0};
		struct policy *p = make(&bad[i].token, 1, &err);

		if (p)
			fail_msg("taken: %s", bad[i].token);
		if (!strstr(err.msg, bad[i].want) || strncmp(err.msg, "rule \"", 6) != 0)
			fail_msg("%s\n  wanted: %s", err.msg, bad[i].want);
		if (bad[i].also && !strstr(err.msg, bad[i].also))
			fail_msg("%s\n  wanted: %s", err.msg, bad[i].also);
		if (strpbrk(err.msg, "\n\x1b"))
			fail_msg("control characters: %s", err.msg);
	}
}

static void oversized_tokens_are_refused(void **state)
{
	struct error err = {0};
	size_t n = 70000;
	char *text = malloc(n + 1);
	const char *rule = text;

	assert_non_null(text);
	memset(text, 'a', n);
	memcpy(text, "allow@", 6);
	text[n] = 0;
	assert_null(make(&rule, 1, &err));
	assert_non_null(strstr(err.msg, "longer than"));

	/* Many items in a token of allowed length. */
	n = 6;
	for (int i = 0; i < 5000; i++)
		n += (size_t)sprintf(text + n, "%sany", i ? "," : "");
	assert_null(make(&rule, 1, &err));
	assert_non_null(strstr(err.msg, "more than 4096 items"));
	free(text);
}

static void one_bad_rule_among_good_ones_is_named(void **state)
{
	const char *rules[] = {"allow@public", "deny@10.0.0.0/8:tpc", "allow@any"};
	struct error err = {0};

	assert_null(make(rules, 3, &err));
	assert_non_null(strstr(err.msg, "rule \"deny@10.0.0.0/8:tpc\": protocol \"tpc\""));
}

static void shadowed_rules_are_warned_about(void **state)
{
	static const struct {
		const char *earlier, *later;
		bool shadowed;
	} pairs[] = {
		{"allow@any", "allow@any", true},
		{"deny@any", "allow@10.0.0.0/8", true},
		{"deny@any", "allow@host,metadata", true},
		{"deny@any:tcp", "allow@10.0.0.0/8", false},
		{"allow@10.0.0.0/8", "deny@10.1.0.0/16", true},
		{"allow@10.1.0.0/16", "deny@10.0.0.0/8", false},
		{"allow@10.0.0.0/8:tcp", "deny@10.1.0.0/16:tcp:80", true},
		{"allow@10.0.0.0/8:tcp:443", "deny@10.1.0.0/16:tcp:80", false},
		{"allow@any:tcp:80-90", "allow@public:tcp:85-90", true},
		{"allow@any:tcp:80-90", "allow@public:tcp:85-91", false},
		{"allow@any", "allow@private,public", true},
		{"allow@any", "allow@host", false}, /* any leaves the host closed */
		{"allow@any", "allow@metadata", false},
		{"allow@any", "deny@any", false}, /* still matters behind a later allow@host */
		{"allow@any", "allow@dns", true},
		{"allow@0.0.0.0/0", "allow@127.0.0.0/8", false},
		{"allow@0.0.0.0/0", "allow@10.0.0.5", false}, /* may be the host's own address */
		{"allow@host", "allow@dns", true},
		{"allow@public", "allow:any@public", false},
		{"allow:any@public", "allow:ingress@public", true},
		{"allow@private", "allow@10.0.0.0/8",
		 false}, /* not sure: the host may be in there */
		{"allow@x.com", "allow@X.com.", true},
		{"allow@.x.com", "allow@x.com,*.x.com,.x.com,a.x.com,*.a.x.com", true},
		{"allow@*.x.com", "allow@x.com", false},
		{"allow@*.x.com", "allow@.x.com", false},
		{"allow@.x.com", "allow@ax.com", false},
		{"allow@x.com", "allow@*.x.com", false},
		{"deny@.x.com", "deny@a.x.com", true},
		{"deny@x.com", "allow@x.com", true}, /* nobody is told its address */
		{"deny@x.com:tcp:25", "allow@x.com", true},
		{"deny@*.x.com", "allow@a.x.com,*.b.x.com:tcp:443", true},
		{"deny@*.x.com", "allow@a.x.com,x.com", false},
		{"deny@a.x.com", "allow@*.x.com", false},
		{"deny@x.com", "allow@x.com,10.0.0.0/8", false},
		{"deny@x.com", "allow@x.com,private", false},
		{"allow@x.com", "deny@x.com", false}, /* a name without a binding */
		{"allow@x.com:tcp", "allow@x.com", false},
		{"allow@any", "allow@x.com", true},
		{"allow@any", "deny@x.com", false},
		{"deny@any", "deny@x.com", true},
		{"deny@any", "allow@x.com", true},
		{"deny@any:tcp:443", "allow@x.com:tcp:443", false}, /* its questions stay */
		{"deny@any", "deny@doh", true},
		{"deny@doh", "deny@doh:tcp", true},
		{"deny@doh", "allow@doh", false},
		{"deny@doh", "deny@dns.google", false},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *rules[] = {pairs[i].earlier, pairs[i].later};
		struct error err = {0};
		struct policy *p = make(rules, 2, &err);

		if (!p)
			fail_msg("%s", err.msg);
		if ((policy_warning_count(p) == 1) != pairs[i].shadowed)
			fail_msg("%s, %s", rules[0], rules[1]);
		if (pairs[i].shadowed) {
			assert_non_null(strstr(policy_warning_text(p, 0), rules[0]));
			assert_non_null(strstr(policy_warning_text(p, 0), rules[1]));
		}
		policy_free(p);
	}
}

static void denied_names_may_have_been_asked_for_before(void **state)
{
	static const struct {
		const char *rules[3];
		size_t warnings;
	} cases[] = {
		{{"allow@y.com", "deny@.x.com", "allow@a.x.com"}, 1},
		{{"allow@a.x.com:tcp:80", "deny@.x.com", "allow@a.x.com"}, 0},
		{{"allow@.x.com:tcp:80", "deny@.x.com", "allow@a.x.com"}, 0},
		{{"allow@b.a.x.com:tcp:80", "deny@.x.com", "allow@*.a.x.com"}, 0},
		{{"allow@any:udp:53", "deny@x.com", "allow@x.com"}, 0},
		{{"allow@dns", "deny@x.com", "allow@x.com"}, 0},
		{{"allow@dns,y.com", "deny@x.com", "allow@x.com"}, 0},
		{{"deny@any:udp:53", "deny@x.com", "allow@x.com"}, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = {0};
		struct policy *p = make(cases[i].rules, 3, &err);

		if (!p)
			fail_msg("%s", err.msg);
		if (policy_warning_count(p) != cases[i].warnings)
			fail_msg("%s, %s, %s", cases[i].rules[0], cases[i].rules[1],
				 cases[i].rules[2]);
		policy_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_tokens_are_taken_and_kept_as_written),
		cmocka_unit_test(bad_tokens_name_part_expectation_and_nearest_word),
		cmocka_unit_test(oversized_tokens_are_refused),
		cmocka_unit_test(one_bad_rule_among_good_ones_is_named),
		cmocka_unit_test(shadowed_rules_are_warned_about),
		cmocka_unit_test(denied_names_may_have_been_asked_for_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
