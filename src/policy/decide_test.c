// SPDX-License-Identifier: Apache-2.0
/* Groups, presets and decisions, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/rig.h"

static struct ipaddr host_list[3];

/* The gateway is 172.16.0.1 and fd42::1; the host has 192.168.7.5, 203.0.113.9 and 2001:db8:7::5.
 */
static struct policy_env env_make(void)
{
	host_list[0] = addr("192.168.7.5");
	host_list[1] = addr("203.0.113.9");
	host_list[2] = addr("2001:db8:7::5");
	return (struct policy_env){.gw4 = addr("172.16.0.1"),
				   .gw6 = addr("fd42::1"),
				   .host = host_list,
				   .host_count = 3};
}

static struct policy *make(const char *net, const char *const *rules, int egress, int ingress)
{
	struct policy_source src = {
		.net = net, .rules = rules, .default_egress = egress, .default_ingress = ingress};
	struct error err = {0};
	struct policy *p;

	while (rules && rules[src.rule_count])
		src.rule_count++;
	p = policy_new(&src, &err);
	if (!p)
		fail_msg("%s", err.msg);
	return p;
}

static void groups_hold_what_they_should(void **state)
{
	static const struct {
		const char *addr;
		enum policy_group group;
	} cases[] = {
		{"0.0.0.0", GROUP_NONE},
		{"0.255.255.255", GROUP_NONE},
		{"::", GROUP_NONE},
		{"1.0.0.0", GROUP_PUBLIC},
		{"172.16.0.1", GROUP_HOST},
		{"fd42::1", GROUP_HOST},
		{"192.168.7.5", GROUP_HOST},
		{"203.0.113.9", GROUP_HOST},
		{"2001:db8:7::5", GROUP_HOST},
		{"172.16.0.2", GROUP_PRIVATE},
		{"fd42::2", GROUP_PRIVATE},
		{"192.168.7.6", GROUP_PRIVATE},
		{"203.0.113.8", GROUP_PUBLIC},
		{"2001:db8:7::6", GROUP_PUBLIC},
		{"169.254.169.254", GROUP_METADATA},
		{"169.254.170.2", GROUP_METADATA},
		{"169.254.170.23", GROUP_METADATA},
		{"100.100.100.200", GROUP_METADATA},
		{"168.63.129.16", GROUP_METADATA},
		{"192.0.0.192", GROUP_METADATA},
		{"fd00:ec2::254", GROUP_METADATA},
		{"fd20:ce::254", GROUP_METADATA},
		{"169.254.169.253", GROUP_LINK_LOCAL},
		{"fd00:ec2::253", GROUP_PRIVATE},
		{"127.0.0.1", GROUP_LOOPBACK},
		{"127.255.255.255", GROUP_LOOPBACK},
		{"128.0.0.0", GROUP_PUBLIC},
		{"::1", GROUP_LOOPBACK},
		{"10.0.0.0", GROUP_PRIVATE},
		{"10.255.255.255", GROUP_PRIVATE},
		{"11.0.0.0", GROUP_PUBLIC},
		{"9.255.255.255", GROUP_PUBLIC},
		{"172.15.255.255", GROUP_PUBLIC},
		{"172.31.255.255", GROUP_PRIVATE},
		{"172.32.0.0", GROUP_PUBLIC},
		{"192.167.255.255", GROUP_PUBLIC},
		{"192.168.255.255", GROUP_PRIVATE},
		{"192.169.0.0", GROUP_PUBLIC},
		{"100.63.255.255", GROUP_PUBLIC},
		{"100.64.0.0", GROUP_PRIVATE},
		{"100.127.255.255", GROUP_PRIVATE},
		{"100.128.0.0", GROUP_PUBLIC},
		{"fbff::1", GROUP_PUBLIC},
		{"fc00::", GROUP_PRIVATE},
		{"fdff::1", GROUP_PRIVATE},
		{"fe00::1", GROUP_PUBLIC},
		{"fe80::1", GROUP_LINK_LOCAL},
		{"febf:ffff::1", GROUP_LINK_LOCAL},
		{"fec0::1", GROUP_PUBLIC},
		{"ff02::1", GROUP_MULTICAST},
		{"224.0.0.1", GROUP_MULTICAST},
		{"239.255.255.255", GROUP_MULTICAST},
		{"240.0.0.1", GROUP_PUBLIC},
		{"8.8.8.8", GROUP_PUBLIC},
		{"2606:4700::1111", GROUP_PUBLIC},
	};
	struct policy_env env = env_make();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipaddr a = addr(cases[i].addr);
		enum policy_group g = policy_group_of(&env, &a);

		if (g != cases[i].group)
			fail_msg("%s is in %s", cases[i].addr, policy_group_name(g));
	}
}

static void embedded_ipv4_is_found(void **state)
{
	static const struct {
		const char *v6, *v4;
	} cases[] = {
		{"::ffff:127.0.0.1", "127.0.0.1"},
		{"::127.0.0.1", "127.0.0.1"},
		{"::2", "0.0.0.2"},
		{"::ffff:0:10.0.0.1", "10.0.0.1"},
		{"64:ff9b::7f00:1", "127.0.0.1"},
		{"64:ff9b::a9fe:a9fe", "169.254.169.254"},
		{"2002:7f00:1::", "127.0.0.1"},
		{"2002:a00:1:ffff::1", "10.0.0.1"},
		{"64:ff9b:1::a00:1", "10.0.0.1"},
		{"64:ff9b:1:fffe::a9fe:a9fe", "169.254.169.254"},
		{"64:ff9b:1:fffe:ff00::a00:1", "10.0.0.1"},
		{"64:ff9b:1:a00:0:100::", "10.0.0.1"},
		{"64:ff9b:1:ff0a:0:1::", "10.0.0.1"},
		{"64:ff9b:1:fffe:a:0:100:0", "10.0.0.1"},
		{"64:ff9b:1:fffe:a9:fea9:fe00:0", "169.254.169.254"},
		{"2001:0:4136:e378:8000:63bf:f5ff:fffe", "10.0.0.1"},
		{"2001::5601:5601", "169.254.169.254"},
		{"2001:db8:1::5efe:a00:1", "10.0.0.1"},
		{"2001:db8:1::200:5efe:a9fe:a9fe", "169.254.169.254"},
		{"::", NULL},
		{"::1", NULL},
		{"64:ff9b:0:1::1", NULL},
		{"64:ff9b:1::", NULL},
		{"2001:1::5601:5601", NULL},
		{"2001:db8:1::100:5efe:a00:1", NULL},
		{"2001:db8:1::5eff:a00:1", NULL},
		{"2001:db8::127.0.0.1", NULL},
		{"127.0.0.1", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipaddr a = addr(cases[i].v6), in = {0};
		char text[IPADDR_STRLEN];

		assert_int_equal(policy_embedded_v4(&a, &in), cases[i].v4 != NULL);
		if (cases[i].v4)
			assert_string_equal(ipaddr_str(&in, text), cases[i].v4);
	}
}

struct ask {
	const char *addr;
	uint16_t port; /* 0: ICMP of the address's family */
	enum policy_answer answer;
	enum policy_reason reason;
	const char *rule;
};

static void ask_all(const struct policy *p, enum policy_dir dir, const struct ask *asks)
{
	struct policy_env env = env_make();

	for (; asks->addr; asks++) {
		struct policy_facts f = {.dir = dir,
					 .remote = addr(asks->addr),
					 .port = asks->port,
					 .proto = POLICY_TCP};
		struct policy_verdict v;

		if (!asks->port)
			f.proto = f.remote.family == 4 ? POLICY_ICMPV4 : POLICY_ICMPV6;
		v = policy_decide(p, &env, &f);
		if (v.answer != asks->answer || v.reason != asks->reason ||
		    strcmp(v.rule_text, asks->rule) != 0)
			fail_msg("%s port %u: %s, \"%s\", %s", asks->addr, asks->port,
				 v.answer == POLICY_ALLOW ? "allow" : "deny",
				 policy_reason_name(v.reason), v.rule_text);
		if (v.rule >= 0)
			assert_string_equal(policy_rule_text(p, (size_t)v.rule), v.rule_text);
		else
			assert_string_equal(v.rule_text, "default");
	}
}

#define ALLOWED(a, port, rule)                           \
	{                                                \
		a, port, POLICY_ALLOW, REASON_NONE, rule \
	}
#define DENIED(a, port, reason, rule)              \
	{                                          \
		a, port, POLICY_DENY, reason, rule \
	}
#define PRESET(a, port)  DENIED(a, port, REASON_PRESET, "default")
#define META(a, port)    DENIED(a, port, REASON_METADATA, "default")
#define NOWHERE(a, port) DENIED(a, port, REASON_UNSPECIFIED, "default")
#define END       \
	{         \
		0 \
	}

static void public_preset_opens_only_public(void **state)
{
	static const struct ask asks[] = {
		ALLOWED("198.51.100.1", 80, "allow@public"),
		ALLOWED("198.51.100.1", 0, "allow@public"),
		ALLOWED("2606:4700::1111", 443, "allow@public"),
		ALLOWED("2606:4700::1111", 0, "allow@public"),
		ALLOWED("172.16.0.1", 53, "allow@dns"),
		ALLOWED("fd42::1", 53, "allow@dns"),
		PRESET("172.16.0.1", 80),
		PRESET("172.16.0.1", 0),
		PRESET("fd42::1", 22),
		PRESET("192.168.7.5", 53), /* the host's own resolver is not the gateway's */
		PRESET("203.0.113.9", 80), /* public, but the host's own */
		PRESET("2001:db8:7::5", 80),
		PRESET("10.1.2.3", 80),
		PRESET("fd00::1", 80),
		PRESET("127.0.0.1", 80),
		PRESET("::1", 80),
		PRESET("169.254.1.1", 80),
		PRESET("fe80::1", 80),
		PRESET("224.0.0.251", 5353),
		META("169.254.169.254", 80),
		META("100.100.100.200", 80),
		META("168.63.129.16", 80),
		META("fd00:ec2::254", 80),
		NOWHERE("0.0.0.0", 80),
		NOWHERE("0.1.2.3", 0),
		NOWHERE("::", 80),
		/* every spelling of the same */
		PRESET("::ffff:127.0.0.1", 80),
		PRESET("::127.0.0.1", 80),
		PRESET("64:ff9b::7f00:1", 80),
		PRESET("2002:7f00:1::", 80),
		PRESET("::ffff:0:127.0.0.1", 80),
		PRESET("64:ff9b::10.0.0.1", 0),
		PRESET("64:ff9b::192.168.7.5", 80),
		PRESET("::ffff:172.16.0.1", 80),
		META("64:ff9b::169.254.169.254", 80),
		META("::ffff:169.254.169.254", 80),
		META("2002:a9fe:a9fe::1", 80),
		NOWHERE("::ffff:0.0.0.0", 80),
		NOWHERE("64:ff9b::", 80),
		NOWHERE("2002::1", 80),
		ALLOWED("64:ff9b::198.51.100.1", 80, "allow@public"),
		ALLOWED("2002:c633:6401::1", 0, "allow@public"),
		END,
	};
	static const struct ask ingress[] = {
		ALLOWED("127.0.0.1", 80, "default"),
		ALLOWED("::1", 80, "default"),
		ALLOWED("198.51.100.1", 80, "default"),
		NOWHERE("0.0.0.0", 80),
		END,
	};
	struct policy *p = make(NULL, NULL, -1, -1);

	ask_all(p, POLICY_EGRESS, asks);
	ask_all(p, POLICY_INGRESS, ingress);
	policy_free(p);
	p = make("public", NULL, -1, -1);
	ask_all(p, POLICY_EGRESS, asks);
	ask_all(p, POLICY_INGRESS, ingress);
	policy_free(p);
}

static void preset_lists_add_groups_in_their_order(void **state)
{
	struct policy *p = make("host,private,public", NULL, -1, -1);
	static const struct ask asks[] = {
		ALLOWED("10.0.0.1", 80, "allow@private"),
		ALLOWED("198.51.100.1", 80, "allow@public"),
		ALLOWED("172.16.0.1", 8080, "allow@host"),
		ALLOWED("172.16.0.1", 53, "allow@dns"),
		ALLOWED("192.168.7.5", 80, "allow@host"),
		PRESET("127.0.0.1", 80),
		PRESET("169.254.1.1", 80),
		META("169.254.169.254", 80),
		META("100.100.100.200", 80),
		END,
	};

	assert_int_equal(policy_rule_count(p), 4);
	assert_string_equal(policy_rule_text(p, 0), "allow@dns");
	assert_string_equal(policy_rule_text(p, 1), "allow@host");
	assert_string_equal(policy_rule_text(p, 2), "allow@private");
	assert_string_equal(policy_rule_text(p, 3), "allow@public");
	ask_all(p, POLICY_EGRESS, asks);
	policy_free(p);
}

static void none_and_all_are_what_they_say(void **state)
{
	static const char *const places[] = {
		"198.51.100.1", "10.0.0.1", "127.0.0.1", "172.16.0.1",  "192.168.7.5",
		"fe80::1",      "::1",      "224.0.0.1", "2001:db8::1", "169.254.169.254"};
	struct policy *none = make("none", NULL, -1, -1), *all = make("all", NULL, -1, -1);
	struct policy_env env = env_make();

	assert_int_equal(policy_rule_count(none), 0);
	assert_int_equal(policy_rule_count(all), 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		for (int dir = POLICY_EGRESS; dir <= POLICY_INGRESS; dir++) {
			struct policy_facts f = {.dir = dir,
						 .proto = POLICY_TCP,
						 .remote = addr(places[i]),
						 .port = 53};

			assert_int_equal(policy_decide(none, &env, &f).answer, POLICY_DENY);
			assert_int_equal(policy_decide(all, &env, &f).answer, POLICY_ALLOW);
		}
	}
	struct policy_facts nowhere = {
		.dir = POLICY_EGRESS, .proto = POLICY_TCP, .remote = addr("0.0.0.0"), .port = 1};
	assert_int_equal(policy_decide(all, &env, &nowhere).reason, REASON_UNSPECIFIED);
	policy_free(none);
	policy_free(all);
}

static void rules_without_net_bring_only_dns(void **state)
{
	const char *rules[] = {"allow@198.51.100.0/24:tcp:443", NULL};
	static const struct ask asks[] = {
		ALLOWED("198.51.100.1", 443, "allow@198.51.100.0/24:tcp:443"),
		ALLOWED("172.16.0.1", 53, "allow@dns"),
		DENIED("198.51.100.1", 80, REASON_DEFAULT, "default"),
		DENIED("198.51.101.1", 443, REASON_DEFAULT, "default"),
		META("169.254.169.254", 443),
		END,
	};
	struct policy *p = make(NULL, rules, -1, -1);

	assert_int_equal(policy_rule_count(p), 2);
	ask_all(p, POLICY_EGRESS, asks);
	policy_free(p);
	/* The same where the default is said: it brings no "public" along. */
	p = make(NULL, rules, POLICY_DENY, -1);
	assert_int_equal(policy_rule_count(p), 2);
	ask_all(p, POLICY_EGRESS, asks);
	policy_free(p);
	p = make(NULL, NULL, POLICY_DENY, -1);
	assert_int_equal(policy_rule_count(p), 1);
	policy_free(p);
	/* A default for ingress says nothing about egress. */
	p = make(NULL, NULL, -1, POLICY_DENY);
	assert_int_equal(policy_rule_count(p), 2);
	policy_free(p);
}

static void user_rules_come_before_the_presets(void **state)
{
	const char *rules[] = {"deny@198.51.100.0/24", "allow@198.51.100.7", "allow@10.9.0.0/16",
			       NULL};
	static const struct ask asks[] = {
		DENIED("198.51.100.7", 80, REASON_RULE, "deny@198.51.100.0/24"),
		ALLOWED("198.51.101.7", 80, "allow@public"),
		ALLOWED("10.9.1.1", 80, "allow@10.9.0.0/16"),
		PRESET("10.8.1.1", 80),
		/* a denied IPv4 address is denied within IPv6 ones, and ICMP follows the family */
		DENIED("64:ff9b::198.51.100.7", 80, REASON_RULE, "deny@198.51.100.0/24"),
		DENIED("64:ff9b::198.51.100.7", 0, REASON_RULE, "deny@198.51.100.0/24"),
		END,
	};
	struct policy *p = make("public", rules, -1, -1);

	ask_all(p, POLICY_EGRESS, asks);
	policy_free(p);

	const char *ping[] = {"deny@8.8.8.8:icmpv4", NULL};
	static const struct ask ping_asks[] = {
		DENIED("8.8.8.8", 0, REASON_RULE, "deny@8.8.8.8:icmpv4"),
		DENIED("64:ff9b::8.8.8.8", 0, REASON_RULE, "deny@8.8.8.8:icmpv4"),
		ALLOWED("8.8.8.8", 53, "allow@public"),
		END,
	};
	p = make("public", ping, -1, -1);
	ask_all(p, POLICY_EGRESS, ping_asks);
	policy_free(p);
}

static void guarded_groups_open_only_to_their_name(void **state)
{
	static const struct ask any[] = {
		ALLOWED("198.51.100.1", 80, "allow@any"),
		ALLOWED("10.0.0.1", 80, "allow@any"),
		ALLOWED("172.16.0.1", 53, "allow@any"), /* the gateway's DNS */
		DENIED("172.16.0.1", 80, REASON_DEFAULT, "default"),
		DENIED("192.168.7.5", 53, REASON_DEFAULT, "default"),
		DENIED("127.0.0.1", 80, REASON_DEFAULT, "default"),
		DENIED("::ffff:127.0.0.1", 80, REASON_DEFAULT, "default"),
		DENIED("fe80::1", 80, REASON_DEFAULT, "default"),
		META("169.254.169.254", 80),
		META("64:ff9b::169.254.169.254", 80),
		END,
	};
	const char *allow_any[] = {"allow@any", NULL};
	struct policy *p = make(NULL, allow_any, -1, -1);

	ask_all(p, POLICY_EGRESS, any);
	policy_free(p);

	/* An allowing default is no wider than `any`. */
	p = make(NULL, NULL, POLICY_ALLOW, -1);
	struct ask by_default[sizeof(any) / sizeof(any[0])];
	memcpy(by_default, any, sizeof(any));
	for (struct ask *a = by_default; a->addr; a++)
		if (a->answer == POLICY_ALLOW)
			a->rule = a->port == 53 ? "allow@dns" : "default";
	ask_all(p, POLICY_EGRESS, by_default);
	policy_free(p);

	/* Prefixes: a part of the group opens it, a wider one does not. */
	const char *wide[] = {"allow@169.254.0.0/15", "allow@fe80::/9", "allow@0.0.0.0/0",
			      "allow@::/0", NULL};
	static const struct ask wide_asks[] = {
		ALLOWED("10.0.0.1", 80, "allow@0.0.0.0/0"),
		ALLOWED("2001:db8::1", 80, "allow@::/0"),
		DENIED("127.0.0.1", 80, REASON_DEFAULT, "default"),
		DENIED("::1", 80, REASON_DEFAULT, "default"),
		DENIED("169.254.1.1", 80, REASON_DEFAULT, "default"),
		DENIED("fe80::1", 80, REASON_DEFAULT, "default"),
		ALLOWED("169.255.1.1", 80, "allow@169.254.0.0/15"),
		DENIED("192.168.7.5", 80, REASON_DEFAULT, "default"),
		META("169.254.169.254", 80),
		END,
	};
	p = make(NULL, wide, -1, -1);
	ask_all(p, POLICY_EGRESS, wide_asks);
	policy_free(p);

	const char *narrow[] = {"allow@127.0.0.0/16",   "allow@169.254.0.0/16",
				"allow@192.168.0.0/16", "allow@203.0.113.9",
				"allow@fd00:ec2::254",  NULL};
	static const struct ask narrow_asks[] = {
		ALLOWED("127.0.0.1", 80, "allow@127.0.0.0/16"),
		DENIED("127.1.0.1", 80, REASON_DEFAULT, "default"),
		ALLOWED("169.254.1.1", 80, "allow@169.254.0.0/16"),
		META("169.254.169.254", 80), /* is in that prefix, but no link-local address */
		ALLOWED("192.168.7.6", 80, "allow@192.168.0.0/16"),
		DENIED("192.168.7.5", 80, REASON_DEFAULT, "default"),
		ALLOWED("203.0.113.9", 80, "allow@203.0.113.9"),
		ALLOWED("fd00:ec2::254", 80, "allow@fd00:ec2::254"),
		END,
	};
	p = make(NULL, narrow, -1, -1);
	ask_all(p, POLICY_EGRESS, narrow_asks);
	policy_free(p);

	const char *named[] = {"allow@metadata,loopback,link-local,host", NULL};
	static const struct ask named_asks[] = {
		ALLOWED("169.254.169.254", 80, "allow@metadata,loopback,link-local,host"),
		ALLOWED("127.0.0.1", 80, "allow@metadata,loopback,link-local,host"),
		ALLOWED("fe80::1", 80, "allow@metadata,loopback,link-local,host"),
		ALLOWED("172.16.0.1", 80, "allow@metadata,loopback,link-local,host"),
		END,
	};
	p = make("none", named, -1, -1);
	ask_all(p, POLICY_EGRESS, named_asks);
	policy_free(p);

	/* To keep something out, a rule needs no name. */
	const char *deny[] = {"deny@any", NULL};
	static const struct ask deny_asks[] = {
		DENIED("127.0.0.1", 80, REASON_RULE, "deny@any"),
		DENIED("172.16.0.1", 53, REASON_RULE, "deny@any"),
		DENIED("169.254.169.254", 80, REASON_RULE, "deny@any"),
		END,
	};
	p = make("all", deny, -1, -1);
	ask_all(p, POLICY_EGRESS, deny_asks);
	policy_free(p);
}

static void directions_and_ports_are_told_apart(void **state)
{
	const char *rules[] = {"deny:ingress@198.51.100.0/24:tcp:22,8000-8010",
			       "allow:any@loopback", NULL};
	struct policy *p = make("public", rules, -1, POLICY_DENY);
	static const struct ask egress[] = {
		ALLOWED("198.51.100.1", 22, "allow@public"),
		ALLOWED("127.0.0.1", 80, "allow:any@loopback"),
		END,
	};
	static const struct ask ingress[] = {
		DENIED("198.51.100.1", 22, REASON_RULE,
		       "deny:ingress@198.51.100.0/24:tcp:22,8000-8010"),
		DENIED("198.51.100.1", 8010, REASON_RULE,
		       "deny:ingress@198.51.100.0/24:tcp:22,8000-8010"),
		DENIED("198.51.100.1", 8011, REASON_DEFAULT, "default"),
		DENIED("198.51.100.1", 7999, REASON_DEFAULT, "default"),
		ALLOWED("127.0.0.1", 80, "allow:any@loopback"),
		ALLOWED("::1", 80, "allow:any@loopback"),
		END,
	};

	ask_all(p, POLICY_EGRESS, egress);
	ask_all(p, POLICY_INGRESS, ingress);
	policy_free(p);
}

static void wrong_presets_are_refused(void **state)
{
	static const struct {
		const char *net, *want;
	} bad[] = {
		{"", "preset \"\": expected a comma list"},
		{"public,", "preset \"\""},
		{"publik", "the nearest is \"public\""},
		{"public,all", "\"all\" stands alone"},
		{"none,host", "\"none\" stands alone"},
		{"public,public", "there twice"},
		{"loopback", "preset \"loopback\": expected"},
		{"public private", "expected a comma list"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct policy_source src = {.net = bad[i].net,
					    .default_egress = -1,
					    .default_ingress = -1};
		struct error err = {0};

		assert_null(policy_new(&src, &err));
		if (!strstr(err.msg, bad[i].want))
			fail_msg("%s\n  wanted: %s", err.msg, bad[i].want);
	}
}

static void names_of_reasons_are_stable(void **state)
{
	assert_string_equal(policy_reason_name(REASON_NONE), "");
	assert_string_equal(policy_reason_name(REASON_METADATA), "metadata");
	assert_string_equal(policy_reason_name(REASON_POLICY_CHANGED), "policy-changed");
	assert_string_equal(policy_group_name(GROUP_LINK_LOCAL), "link-local");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_hold_what_they_should),
		cmocka_unit_test(embedded_ipv4_is_found),
		cmocka_unit_test(public_preset_opens_only_public),
		cmocka_unit_test(preset_lists_add_groups_in_their_order),
		cmocka_unit_test(none_and_all_are_what_they_say),
		cmocka_unit_test(rules_without_net_bring_only_dns),
		cmocka_unit_test(user_rules_come_before_the_presets),
		cmocka_unit_test(guarded_groups_open_only_to_their_name),
		cmocka_unit_test(directions_and_ports_are_told_apart),
		cmocka_unit_test(wrong_presets_are_refused),
		cmocka_unit_test(names_of_reasons_are_stable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
