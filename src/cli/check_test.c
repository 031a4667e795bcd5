// SPDX-License-Identifier: Apache-2.0
/*
 * `weir check`: which targets are taken, and that each is judged as live traffic is: the question,
 * the first packet, the first bytes, and what the guest sees of each refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/check.h"
#include "cli/options.h"

#define WORDS_MAX 16

/* ---- targets --------------------------------------------------------------------------------- */

static void targets_are_read(void **state)
{
	static const struct {
		const char *kind, *what;
		enum check_kind want;
		const char *host;
		int port, words;
	} cases[] = {
		{"tcp", "example.com:443", CHECK_TCP, "example.com", 443, 2},
		{"tcp", "Example.COM.:1", CHECK_TCP, "example.com", 1, 2},
		{"udp", "1.1.1.1:65535", CHECK_UDP, "1.1.1.1", 65535, 2},
		{"tcp", "[2001:db8::1]:22", CHECK_TCP, "2001:db8::1", 22, 2},
		{"icmp", "2001:db8::1", CHECK_ICMP, "2001:db8::1", 0, 2},
		{"icmp", "[2001:db8::1]", CHECK_ICMP, "2001:db8::1", 0, 2},
		{"icmp", "example.com", CHECK_ICMP, "example.com", 0, 2},
		{"dns", "_sip._tcp.example.com", CHECK_DNS, "_sip._tcp.example.com", 0, 2},
		{"https://example.com", "next", CHECK_HTTPS, "example.com", 443, 1},
		{"HTTPS://Example.com:8443/a?b#c", NULL, CHECK_HTTPS, "example.com", 8443, 1},
		{"http://192.0.2.1/x:y@z", NULL, CHECK_HTTP, "192.0.2.1", 80, 1},
		{"http://[2001:db8::1]:8080?q", NULL, CHECK_HTTP, "2001:db8::1", 8080, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct check_target t;
		struct error err = {0};
		char addr[IPADDR_STRLEN];
		int words = 0;

		if (check_target_read(cases[i].kind, cases[i].what, &t, &words, &err) < 0)
			fail_msg("%s %s: %s", cases[i].kind, cases[i].what, err.msg);
		assert_int_equal(t.kind, cases[i].want);
		assert_string_equal(t.name.len ? t.name.s : ipaddr_str(&t.addr, addr),
				    cases[i].host);
		assert_int_equal(t.port, cases[i].port);
		assert_int_equal(words, cases[i].words);
	}
}

static void wrong_targets_are_named_with_what_was_expected(void **state)
{
	static const struct {
		const char *kind, *what, *msg;
	} cases[] = {
		{"tcpp", "a:1", "'tcpp': did you mean 'tcp'?"},
		{"example.com", NULL,
		 "'example.com': expected tcp HOST:PORT, udp HOST:PORT, icmp HOST, dns NAME, a URL, "
		 "or METHOD URL"},
		{"--json", NULL, "'--json': options stand before the targets"},
		{"tcp", NULL, "'tcp': expected HOST:PORT behind it"},
		{"icmp", NULL, "'icmp': expected a host behind it"},
		{"dns", NULL, "'dns': expected a name behind it"},
		{"tcp", "a", "'tcp a': expected HOST:PORT"},
		{"tcp", "a:", "'tcp a:': expected a port from 1 to 65535"},
		{"tcp", "a:0", "'tcp a:0': expected a port from 1 to 65535"},
		{"tcp", "a:65536", "'tcp a:65536': expected a port from 1 to 65535"},
		{"tcp", "a:80-90", "'tcp a:80-90': expected a port from 1 to 65535"},
		{"tcp", ":80", "'tcp :80': expected a name or an IP address: it is empty"},
		{"tcp", "::1:80", "'tcp ::1:80': expected an IPv6 address in brackets"},
		{"tcp", "[::1:80", "'tcp [::1:80': expected ']' behind the IPv6 address"},
		{"tcp", "[::1]80:1", "'tcp [::1]80:1': expected ']' behind the IPv6 address"},
		{"tcp", "[1.2.3.4]:1",
		 "'tcp [1.2.3.4]:1': expected an IPv6 address in the brackets"},
		{"tcp", "2130706433:1",
		 "'tcp 2130706433:1': expected a name, or an IPv4 address as four decimal numbers"},
		{"icmp", "0177.0.0.1",
		 "'icmp 0177.0.0.1': expected a name, or an IPv4 address as four decimal numbers"},
		{"dns", "192.0.2.1", "'dns 192.0.2.1': expected a name, not an address"},
		{"dns", "b\xc3\xbc\x63her.example",
		 "'dns b\xc3\xbc\x63her.example': the name is not ASCII; expected its A-labels "
		 "(xn--...)"},
		{"ftp://a/", NULL, "'ftp://a/': expected a URL with http:// or https://"},
		{"https://user@a/", NULL, "'https://user@a/': expected a URL without a user name"},
		{"https:///x", NULL, "'https:///x': expected a name or an IP address: it is empty"},
		{"dns", "a\nb", "a target is longer than 512 bytes, or not printable"},
	};
	struct check_target t;
	struct error err;
	char long_name[1000];
	int words;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(check_target_read(cases[i].kind, cases[i].what, &t, &words, &err),
				 -1);
		assert_string_equal(err.msg, cases[i].msg);
	}
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = 0;
	assert_int_equal(check_target_read("dns", long_name, &t, &words, &err), -1);
	long_name[400] = 0;
	assert_int_equal(check_target_read("dns", long_name, &t, &words, &err), -1);
	assert_int_equal(check_target_read("tcp", long_name, &t, &words, &err), -1);
}

/* ---- judgements ------------------------------------------------------------------------------ */

struct rig {
	struct config conf;
	struct check_env env;
};

/* The options, NULL at the end. */
static void rig_init(struct rig *r, const char *const *options)
{
	char *argv[WORDS_MAX + 2] = {"check"};
	struct error err = {0};
	int argc = 1, first;

	for (; options[argc - 1]; argc++)
		argv[argc] = (char *)options[argc - 1];
	config_init(&r->conf);
	if (options_parse(OPTION_FOR_CHECK, argc, argv, &r->conf, &first, &err) != 0 ||
	    check_env_init(&r->env, &r->conf, &err) < 0)
		fail_msg("%s", err.msg);
}

static void rig_done(struct rig *r)
{
	check_env_done(&r->env);
	config_done(&r->conf);
}

static struct check_result judge(struct rig *r, const char *kind, const char *what)
{
	struct check_target t;
	struct check_result ret;
	struct error err;
	int words;

	if (check_target_read(kind, what, &t, &words, &err) < 0)
		fail_msg("%s", err.msg);
	check_judge(&r->env, &t, &ret);
	return ret;
}

struct want {
	const char *kind, *what;
	enum policy_answer answer;
	enum policy_reason reason;
	const char *rule;
	enum check_stage stage;
	enum check_sight sight;
};

static void assert_judged(const char *const *options, const struct want *want, size_t n)
{
	struct rig r;

	rig_init(&r, options);
	for (size_t i = 0; i < n; i++) {
		const struct want *w = &want[i];
		struct check_result got = judge(&r, w->kind, w->what);

		if (got.verdict.answer != w->answer || got.verdict.reason != w->reason ||
		    strcmp(got.verdict.rule_text, w->rule) != 0 || got.stage != w->stage ||
		    got.sight != w->sight)
			fail_msg("%s %s: answer %d, reason %s, rule %s, stage %d, sight %d",
				 w->kind, w->what ? w->what : "", got.verdict.answer,
				 policy_reason_name(got.verdict.reason), got.verdict.rule_text,
				 got.stage, got.sight);
	}
	rig_done(&r);
}

#define JUDGED(want, ...)                                             \
	assert_judged((const char *const[]){__VA_ARGS__, NULL}, want, \
		      sizeof(want) / sizeof((want)[0]))

#define ALLOWED(rule, stage) POLICY_ALLOW, REASON_NONE, rule, stage, CHECK_SEES_UPSTREAM
#define DNS                  CHECK_STAGE_DNS
#define CONNECT              CHECK_STAGE_CONNECT
#define NAME                 CHECK_STAGE_NAME

static void the_preset_is_judged_by_address(void **state)
{
	static const struct want want[] = {
		{"tcp", "example.com:443", ALLOWED("allow@public", CONNECT)},
		{"dns", "example.com", ALLOWED("allow@dns", DNS)},
		{"icmp", "192.0.2.1", ALLOWED("allow@public", CONNECT)},
		{"tcp", "10.0.0.1:80", POLICY_DENY, REASON_PRESET, "default", CONNECT,
		 CHECK_SEES_RST},
		{"udp", "10.0.0.1:80", POLICY_DENY, REASON_PRESET, "default", CONNECT,
		 CHECK_SEES_ICMP_PROHIBITED},
		{"icmp", "10.0.0.1", POLICY_DENY, REASON_PRESET, "default", CONNECT,
		 CHECK_SEES_ICMP_PROHIBITED},
		{"http://169.254.169.254/latest", NULL, POLICY_DENY, REASON_METADATA, "default",
		 CONNECT, CHECK_SEES_RST},
		{"tcp", "[::ffff:127.0.0.1]:80", POLICY_DENY, REASON_PRESET, "default", CONNECT,
		 CHECK_SEES_RST},
		{"tcp", "0.0.0.0:80", POLICY_DENY, REASON_UNSPECIFIED, "default", CONNECT,
		 CHECK_SEES_RST},
		{"udp", "192.0.2.1:5353", POLICY_DENY, REASON_ALT_DNS, "built in", CONNECT,
		 CHECK_SEES_ICMP_PORT},
		{"tcp", "192.0.2.1:853", POLICY_DENY, REASON_DOT, "built in", CONNECT,
		 CHECK_SEES_RST},
		{"udp", "172.16.0.1:53", ALLOWED("allow@dns", CONNECT)},
		{"tcp", "172.16.0.1:80", POLICY_DENY, REASON_PRESET, "default", CONNECT,
		 CHECK_SEES_RST},
	};

	JUDGED(want, "--net", "public");
}

#define API "allow@api.example.com:tcp:443"

static void a_name_is_refused_at_its_question(void **state)
{
	static const struct want want[] = {
		{"https://api.example.com/x", NULL, ALLOWED(API, NAME)},
		{"tcp", "api.example.com:443", ALLOWED(API, NAME)},
		{"dns", "api.example.com", ALLOWED(API, DNS)},
		{"tcp", "www.example.com:443", POLICY_DENY, REASON_DEFAULT, "default", DNS,
		 CHECK_SEES_NXDOMAIN},
		{"dns", "www.example.com", POLICY_DENY, REASON_DEFAULT, "default", DNS,
		 CHECK_SEES_NXDOMAIN},
		/* the question is answered, the port is not open */
		{"http://api.example.com", NULL, POLICY_DENY, REASON_DEFAULT, "default", CONNECT,
		 CHECK_SEES_RST},
		{"icmp", "api.example.com", POLICY_DENY, REASON_DEFAULT, "default", CONNECT,
		 CHECK_SEES_ICMP_PROHIBITED},
		/* an address that nobody asked for by name */
		{"tcp", "192.0.2.1:443", POLICY_DENY, REASON_NO_BINDING, "default", CONNECT,
		 CHECK_SEES_RST},
	};
	static const struct want refused[] = {
		{"dns", "www.example.com", POLICY_DENY, REASON_DEFAULT, "default", DNS,
		 CHECK_SEES_REFUSED},
		{"http://api.example.com", NULL, POLICY_DENY, REASON_DEFAULT, "default", CONNECT,
		 CHECK_SEES_ICMP_RST},
	};

	JUDGED(want, "--allow", "api.example.com:tcp:443");
	JUDGED(refused, "--allow", "api.example.com:tcp:443", "--dns-deny-rcode", "refused",
	       "--deny-style", "icmp");
}

static void a_name_is_refused_when_it_shows(void **state)
{
	static const struct want want[] = {
		{"https://api.example.com", NULL, POLICY_DENY, REASON_RULE, "deny@api.example.com",
		 NAME, CHECK_SEES_TLS_ALERT},
		{"tcp", "api.example.com:443", POLICY_DENY, REASON_RULE, "deny@api.example.com",
		 NAME, CHECK_SEES_TLS_ALERT},
		{"udp", "api.example.com:443", POLICY_DENY, REASON_RULE, "deny@api.example.com",
		 NAME, CHECK_SEES_ICMP_PROHIBITED},
		{"tcp", "api.example.com:80", POLICY_DENY, REASON_RULE, "deny@api.example.com",
		 NAME, CHECK_SEES_HTTP_403},
		{"http://api.example.com:8080", NULL, POLICY_DENY, REASON_RULE,
		 "deny@api.example.com", NAME, CHECK_SEES_HTTP_403},
		{"tcp", "api.example.com:22", ALLOWED("allow@public", NAME)},
		{"tcp", "api.example.com:2222", ALLOWED("allow@api.example.com:tcp:2222", NAME)},
	};

	/* The question is answered, because of the first rule. */
	JUDGED(want, "--allow", "api.example.com:tcp:2222", "--deny", "api.example.com", "--net",
	       "public");
}

static void a_strict_rule_denies_what_shows_no_name(void **state)
{
	static const char rules[] =
		"policy:\n  rules:\n    - {action: allow, destination: {domain: git.example.com}, "
		"strict: true}\n";
	char path[] = "/tmp/weir-check-test-XXXXXX";
	const char *const options[] = {"--config", path, NULL};
	int fd = mkstemp(path);
	struct check_result got;
	struct rig r;

	assert_int_equal(write(fd, rules, sizeof(rules) - 1), sizeof(rules) - 1);
	close(fd);
	rig_init(&r, options);
	unlink(path);
	assert_int_equal(judge(&r, "tcp", "git.example.com:443").verdict.answer, POLICY_ALLOW);
	got = judge(&r, "tcp", "git.example.com:22");
	assert_int_equal(got.verdict.answer, POLICY_DENY);
	assert_int_equal(got.verdict.reason, REASON_NO_NAME);
	assert_int_equal(got.sight, CHECK_SEES_RST);
	assert_int_equal(got.stage, CHECK_STAGE_NAME);
	assert_string_equal(got.note, "the rule is strict, and this protocol shows no name; with "
				      "TLS or HTTP it may pass");
	rig_done(&r);
}

/* A name that may not be asked for is looked no further into. */
static void a_denied_question_ends_it(void **state)
{
	static const struct want want[] = {
		{"tcp", "www.example.com:443", POLICY_DENY, REASON_DEFAULT, "default", DNS,
		 CHECK_SEES_NXDOMAIN},
	};

	JUDGED(want, "--allow", "api.example.com", "--address", "10.0.0.1");
}

static void a_resolver_of_the_programs_choice_gets_an_answer_or_is_never_asked(void **state)
{
	static const struct want honor[] = {
		{"udp", "192.0.2.53:53", POLICY_DENY, REASON_DEFAULT, "default", CONNECT,
		 CHECK_SEES_NXDOMAIN},
		{"tcp", "172.16.0.1:53", ALLOWED("allow@dns", CONNECT)},
	};
	static const struct want gateway[] = {
		{"udp", "192.0.2.53:53", ALLOWED("built in", CONNECT)},
		{"tcp", "192.0.2.53:53", ALLOWED("built in", CONNECT)},
	};

	JUDGED(honor, "--allow", "198.51.100.1");
	JUDGED(gateway, "--allow", "198.51.100.1", "--dns-target", "gateway");
}

static void of_many_addresses_the_strictest_counts(void **state)
{
	static const char *const options[] = {"--net",           "public",    "--deny",
					      "198.51.100.0/24", "--address", "192.88.98.1",
					      "--address",       "8.8.8.8",   NULL};
	static const char *const denied[] = {"--rule",    "deny@8.8.8.8", "--net",
					     "public",    "--address",    "1.1.1.1",
					     "--address", "8.8.8.8",      NULL};
	struct check_result got;
	struct rig r;
	char addr[IPADDR_STRLEN];

	rig_init(&r, options);
	got = judge(&r, "tcp", "example.com:443");
	assert_int_equal(got.verdict.answer, POLICY_ALLOW);
	assert_int_equal(got.source, CHECK_GIVEN);
	assert_string_equal(got.note, "");
	rig_done(&r);

	rig_init(&r, denied);
	got = judge(&r, "tcp", "example.com:443");
	assert_int_equal(got.verdict.answer, POLICY_DENY);
	assert_string_equal(got.verdict.rule_text, "deny@8.8.8.8");
	assert_string_equal(ipaddr_str(&got.addr, addr), "8.8.8.8");
	assert_string_equal(got.note, "its address 1.1.1.1 is allowed");
	rig_done(&r);
}

static void an_answer_is_held_to_rebind_protection(void **state)
{
	static const struct want rebound[] = {
		{"dns", "example.com", POLICY_DENY, REASON_REBIND, "built in", DNS,
		 CHECK_SEES_NXDOMAIN},
		{"tcp", "example.com:80", POLICY_DENY, REASON_REBIND, "built in", DNS,
		 CHECK_SEES_NXDOMAIN},
	};
	static const struct want let[] = {
		{"dns", "example.com", ALLOWED("allow@dns", DNS)},
		{"tcp", "example.com:80", POLICY_DENY, REASON_PRESET, "default", CONNECT,
		 CHECK_SEES_RST},
	};

	JUDGED(rebound, "--net", "public", "--address", "10.0.0.1");
	JUDGED(rebound, "--net", "public", "--address", "8.8.8.8", "--address", "10.0.0.1");
	JUDGED(let, "--net", "public", "--address", "10.0.0.1", "--dns-rebind-allow", "10.0.0.0/8");
	JUDGED(let, "--net", "public", "--address", "10.0.0.1", "--no-dns-rebind-protection");
}

static void the_other_family_is_left_out(void **state)
{
	static const char *const no4[] = {"--no-ipv4", NULL}, *const no6[] = {"--no-ipv6", NULL};
	struct rig r;

	rig_init(&r, no4);
	assert_int_equal(judge(&r, "tcp", "example.com:443").addr.family, 6);
	assert_string_equal(judge(&r, "tcp", "192.0.2.1:443").note, "the command has no IPv4");
	rig_done(&r);
	rig_init(&r, no6);
	assert_int_equal(judge(&r, "tcp", "example.com:443").addr.family, 4);
	assert_string_equal(judge(&r, "tcp", "[2001:db8::1]:443").note, "the command has no IPv6");
	rig_done(&r);
}

static void the_gateway_is_meant_by_its_link_local_address_too(void **state)
{
	static const struct want want[] = {
		{"tcp", "[fe80::77:72ff:fe00:1]:80", ALLOWED("allow@host", CONNECT)},
		{"tcp", "[fe80::1]:80", POLICY_DENY, REASON_PRESET, "default", CONNECT,
		 CHECK_SEES_RST},
	};

	JUDGED(want, "--net", "host");
}

static void names_that_weir_answers_have_their_addresses(void **state)
{
	static const struct want open[] = {
		{"tcp", "host.weir.internal:80", ALLOWED("allow@host", CONNECT)},
		{"tcp", "host.docker.internal:80", ALLOWED("allow@host", CONNECT)},
	};
	static const struct want closed[] = {
		{"tcp", "host.weir.internal:80", POLICY_DENY, REASON_PRESET, "default", CONNECT,
		 CHECK_SEES_RST},
		{"tcp", "printer.local:80", ALLOWED("allow@dns", DNS)},
	};
	static const char *const none[] = {NULL};
	struct check_result got;
	struct rig r;

	JUDGED(open, "--net", "host");
	JUDGED(closed, "--net", "public");
	/* What else is said of addresses does not change what weir says itself. */
	JUDGED(closed, "--net", "public", "--address", "192.0.2.1");
	rig_init(&r, none);
	got = judge(&r, "icmp", "host.weir.internal");
	assert_int_equal(got.source, CHECK_OWN);
	assert_true(ipaddr_eq(&got.addr, &r.env.env.gw4));
	got = judge(&r, "icmp", "printer.local");
	assert_string_equal(got.note, "weir answers itself that this name has no address");
	assert_int_equal(got.addr.family, 0);
	rig_done(&r);
}

#define REQUEST CHECK_STAGE_REQUEST

static void requests_are_judged_by_the_rule(void **state)
{
	static const char rule[] = "allow@api.github.com:http=github-read-only";
	static const struct want want[] = {
		{"https://api.github.com/user", NULL, ALLOWED(rule, NAME)},
		{"GET", "https://api.github.com", ALLOWED(rule, NAME)},
		{"POST", "https://api.github.com/graphql", POLICY_DENY, REASON_HTTP_RULE, rule,
		 REQUEST, CHECK_SEES_HTTP_403},
		{"DELETE", "http://api.github.com/x", POLICY_DENY, REASON_HTTP_RULE, rule, REQUEST,
		 CHECK_SEES_HTTP_403},
		{"TRACE", "https://api.github.com/", POLICY_DENY, REASON_HTTP_RULE, rule, REQUEST,
		 CHECK_SEES_HTTP_405},
		{"POST", "https://other.example/", POLICY_DENY, REASON_DEFAULT, "default", DNS,
		 CHECK_SEES_NXDOMAIN},
		{"tcp", "api.github.com:443", ALLOWED(rule, NAME)},
		{"udp", "api.github.com:443", POLICY_DENY, REASON_DEFAULT, "default", CONNECT,
		 CHECK_SEES_ICMP_PROHIBITED},
	};
	static const struct want paths[] = {
		{"https://g.example/a/info/refs?service=git-upload-pack#x", NULL,
		 ALLOWED("allow@g.example:http=git-fetch-only", NAME)},
		{"https://g.example/a/info/refs?service=git-receive-pack", NULL, POLICY_DENY,
		 REASON_HTTP_RULE, "allow@g.example:http=git-fetch-only", REQUEST,
		 CHECK_SEES_HTTP_403},
		{"POST", "https://g.example/x%2fy/git-upload-pack", POLICY_DENY, REASON_HTTP_RULE,
		 "allow@g.example:http=git-fetch-only", REQUEST, CHECK_SEES_HTTP_400},
	};

	JUDGED(want, "--allow", "api.github.com:http=github-read-only");
	JUDGED(paths, "--allow", "g.example:http=git-fetch-only");
}

static void quic_falls_back_where_tls_is_looked_into(void **state)
{
	static const struct want want[] = {
		{"udp", "192.0.2.1:443", POLICY_DENY, REASON_QUIC, "built in", CONNECT,
		 CHECK_SEES_ICMP_PROHIBITED},
		{"udp", "192.0.2.1:444", ALLOWED("allow@public", CONNECT)},
	};
	static const struct want open[] = {
		{"udp", "192.0.2.1:443", ALLOWED("allow@public", CONNECT)},
	};

	JUDGED(want, "--tls-intercept");
	JUDGED(open, "--tls-intercept", "--no-block-quic");
}

static void dns_over_tls_is_dns_where_it_is_looked_into(void **state)
{
	static const struct want want[] = {
		{"tcp", "172.16.0.1:853", ALLOWED("allow@dns", CONNECT)},
	};

	JUDGED(want, "--tls-intercept");
}

/* Options, a target, and what is looked into there. */
static void looks(const char *const *options, const char *kind, const char *what,
		  enum check_look look, bool first, bool second)
{
	struct rig r;

	rig_init(&r, options);
	struct check_result got = judge(&r, kind, what);
	if (got.look != look || got.sent[0] != first || got.sent[1] != second)
		fail_msg("%s: %d, %d %d", kind, got.look, got.sent[0], got.sent[1]);
	rig_done(&r);
}
#define LOOKS(kind, what, look, first, second, ...) \
	looks((const char *const[]){__VA_ARGS__, NULL}, kind, what, look, first, second)
#define SECRETS "--secret", "A@a.example,*.b.example", "--secret", "B@any"

static void what_is_looked_into_is_told(void **state)
{
	LOOKS("https://x.example/", NULL, CHECK_UNTOUCHED, false, false, "--net", "public");
	LOOKS("https://x.example/", NULL, CHECK_LOOKS_TLS, false, false, "--tls-intercept");
	LOOKS("https://x.example:8443/", NULL, CHECK_UNTOUCHED, false, false, "--tls-intercept");
	LOOKS("https://x.example/", NULL, CHECK_BYPASSED, false, false, "--tls-intercept",
	      "--tls-bypass", ".x.example");
	LOOKS("https://a.example/", NULL, CHECK_LOOKS_SECRET, true, true, SECRETS);
	LOOKS("https://x.b.example:8443/", NULL, CHECK_LOOKS_SECRET, true, true, SECRETS);
	LOOKS("https://c.example/", NULL, CHECK_LOOKS_SECRET, false, true, SECRETS);
	LOOKS("tcp", "a.example:443", CHECK_LOOKS_SECRET, true, true, SECRETS);
	/* In the clear nobody shows who it is. */
	LOOKS("http://a.example/", NULL, CHECK_LOOKS_SECRET, false, false, SECRETS);
	LOOKS("https://a.example/", NULL, CHECK_LOOKS_SECRET, false, false, SECRETS,
	      "--tls-no-verify", "a.example");
	LOOKS("https://c.example/", NULL, CHECK_BYPASSED, false, false, SECRETS, "--tls-bypass",
	      "c.example");
	LOOKS("https://a.example/x", NULL, CHECK_LOOKS_HTTP, false, false, "--allow",
	      "a.example:http=git-fetch-only");
	LOOKS("tcp", "a.example:9999", CHECK_LOOKS_HTTP, false, false, "--allow",
	      "a.example:http=git-fetch-only");
	LOOKS("dns", "a.example", CHECK_UNTOUCHED, false, false, SECRETS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_read),
		cmocka_unit_test(wrong_targets_are_named_with_what_was_expected),
		cmocka_unit_test(the_preset_is_judged_by_address),
		cmocka_unit_test(a_name_is_refused_at_its_question),
		cmocka_unit_test(a_name_is_refused_when_it_shows),
		cmocka_unit_test(a_strict_rule_denies_what_shows_no_name),
		cmocka_unit_test(a_denied_question_ends_it),
		cmocka_unit_test(
			a_resolver_of_the_programs_choice_gets_an_answer_or_is_never_asked),
		cmocka_unit_test(of_many_addresses_the_strictest_counts),
		cmocka_unit_test(an_answer_is_held_to_rebind_protection),
		cmocka_unit_test(the_other_family_is_left_out),
		cmocka_unit_test(names_that_weir_answers_have_their_addresses),
		cmocka_unit_test(the_gateway_is_meant_by_its_link_local_address_too),
		cmocka_unit_test(requests_are_judged_by_the_rule),
		cmocka_unit_test(quic_falls_back_where_tls_is_looked_into),
		cmocka_unit_test(dns_over_tls_is_dns_where_it_is_looked_into),
		cmocka_unit_test(what_is_looked_into_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
