// SPDX-License-Identifier: Apache-2.0
/* Decisions by name, case by case: flows in each state of the name seen, questions, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/rig.h"

static struct policy_env env_make(void)
{
	return (struct policy_env){.gw4 = addr("172.16.0.1"), .gw6 = addr("fd42::1")};
}

#define RULES_MAX 6

static struct policy *make(const char *net, const char *const *rules, int egress)
{
	struct policy_source src = {
		.net = net, .rules = rules, .default_egress = egress, .default_ingress = -1};
	struct error err = {0};

	while (src.rule_count < RULES_MAX && rules[src.rule_count])
		src.rule_count++;
	struct policy *p = policy_new(&src, &err);
	if (!p)
		fail_msg("%s", err.msg);
	return p;
}

/* What is seen, in the tables below: a name, or one of these. */
#define UNSEEN  ""
#define ABSENT  "(absent)"
#define NOTHING "(none)"

#define BOUND_MAX 3

struct ask {
	const char *addr;
	uint16_t port;
	const char *bound[BOUND_MAX];
	const char *seen;
	enum policy_answer answer;
	enum policy_reason reason;
	const char *rule; /* "default" and "built in" are those that no rule decides */
};

struct by_name_case {
	const char *rules[RULES_MAX];
	const char *net;
	struct ask asks[24];
};

static const char *answer_word(enum policy_answer a)
{
	return a == POLICY_ALLOW ? "allow" : a == POLICY_DENY ? "deny" : "need-name";
}

static void ask_one(const struct policy *p, enum policy_proto proto, const struct ask *a)
{
	struct policy_env env = env_make();
	struct name seen, bound[BOUND_MAX];
	const struct name *list[BOUND_MAX];
	struct policy_facts f = {.dir = POLICY_EGRESS,
				 .proto = proto,
				 .remote = addr(a->addr),
				 .port = a->port,
				 .bound = list};

	while (f.bound_count < BOUND_MAX && a->bound[f.bound_count]) {
		bound[f.bound_count] = name(a->bound[f.bound_count]);
		list[f.bound_count] = &bound[f.bound_count];
		f.bound_count++;
	}
	if (strcmp(a->seen, ABSENT) == 0) {
		f.seen = POLICY_NAME_ABSENT;
	} else if (strcmp(a->seen, NOTHING) == 0) {
		f.seen = POLICY_NAME_NONE;
	} else if (a->seen[0]) {
		f.seen = POLICY_NAME_SEEN;
		seen = name(a->seen);
		f.name = &seen;
	}

	struct policy_verdict v = policy_decide(p, &env, &f);
	if (v.answer != a->answer || v.reason != a->reason || strcmp(v.rule_text, a->rule) != 0)
		fail_msg("%s port %u, bound %s, seen \"%s\": %s, \"%s\", %s", a->addr, a->port,
			 a->bound[0] ? a->bound[0] : "-", a->seen, answer_word(v.answer),
			 policy_reason_name(v.reason), v.rule_text);
	assert_int_equal(v.rule < 0, !strcmp(a->rule, "default") || !strcmp(a->rule, "built in"));
}

#define N REASON_NONE

static const struct by_name_case tcp_cases[] = {
	/* Names only. */
	{{"allow@x.com:tcp:443", "allow@.y.com"},
	 NULL,
	 {
		 {"9.9.9.1", 443, {NULL}, UNSEEN, POLICY_DENY, REASON_NO_BINDING, "default"},
		 {"9.9.9.1", 443, {"z.com"}, UNSEEN, POLICY_DENY, REASON_NO_BINDING, "default"},
		 {"9.9.9.1", 443, {"x.com"}, UNSEEN, POLICY_NEED_NAME, N, "allow@x.com:tcp:443"},
		 {"9.9.9.1", 80, {"x.com"}, UNSEEN, POLICY_DENY, REASON_NO_BINDING, "default"},
		 {"9.9.9.1", 443, {"x.com"}, "x.com", POLICY_ALLOW, N, "allow@x.com:tcp:443"},
		 {"9.9.9.1", 443, {"x.com"}, NOTHING, POLICY_ALLOW, N, "allow@x.com:tcp:443"},
		 {"9.9.9.1", 443, {"x.com"}, ABSENT, POLICY_DENY, REASON_NO_NAME, "default"},
		 {"9.9.9.1", 443, {"x.com"}, "z.com", POLICY_DENY, REASON_NAME_MISMATCH, "default"},
		 {"9.9.9.1", 443, {"z.com"}, "x.com", POLICY_DENY, REASON_NAME_MISMATCH, "default"},
		 {"9.9.9.1", 443, {NULL}, "x.com", POLICY_DENY, REASON_NO_BINDING, "default"},
		 {"9.9.9.1", 443, {"z.com"}, "z.com", POLICY_DENY, REASON_DEFAULT, "default"},
		 {"9.9.9.1", 443, {NULL}, ABSENT, POLICY_DENY, REASON_DEFAULT, "default"},
		 {"9.9.9.1", 443, {NULL}, NOTHING, POLICY_DENY, REASON_NO_BINDING, "default"},
		 {"9.9.9.1", 80, {"a.y.com"}, "a.y.com", POLICY_ALLOW, N, "allow@.y.com"},
		 {"10.0.0.1", 80, {"a.y.com"}, "a.y.com", POLICY_ALLOW, N, "allow@.y.com"},
		 {"127.0.0.1", 80, {"a.y.com"}, "a.y.com", POLICY_DENY, REASON_DEFAULT, "default"},
		 {"127.0.0.1", 80, {"a.y.com"}, UNSEEN, POLICY_DENY, REASON_DEFAULT, "default"},
		 {"64:ff9b::7f00:1",
		  80,
		  {"y.com"},
		  "y.com",
		  POLICY_DENY,
		  REASON_DEFAULT,
		  "default"},
		 {"64:ff9b::a00:1", 80, {"y.com"}, "y.com", POLICY_ALLOW, N, "allow@.y.com"},
		 {"172.16.0.1", 53, {NULL}, UNSEEN, POLICY_ALLOW, N, "allow@dns"},
	 }},
	/* Suffixes hold what they say. */
	{{"allow@*.example.com"},
	 NULL,
	 {
		 {"9.9.9.1",
		  80,
		  {"a.b.example.com"},
		  "a.b.example.com",
		  POLICY_ALLOW,
		  N,
		  "allow@*.example.com"},
		 {"9.9.9.1",
		  80,
		  {"example.com"},
		  "example.com",
		  POLICY_DENY,
		  REASON_DEFAULT,
		  "default"},
		 {"9.9.9.1",
		  80,
		  {"evilexample.com"},
		  "evilexample.com",
		  POLICY_DENY,
		  REASON_DEFAULT,
		  "default"},
		 {"9.9.9.1",
		  80,
		  {"example.com.evil"},
		  "example.com.evil",
		  POLICY_DENY,
		  REASON_DEFAULT,
		  "default"},
		 {"9.9.9.1",
		  80,
		  {"A.Example.Com."},
		  "a.EXAMPLE.com",
		  POLICY_ALLOW,
		  N,
		  "allow@*.example.com"},
	 }},
	/* Denied names in front of addresses: the wire name alone counts. */
	{{"deny@x.com", "allow@y.com", "deny@.y.com"},
	 "public",
	 {
		 {"9.9.9.1", 443, {NULL}, UNSEEN, POLICY_NEED_NAME, N, "deny@x.com"},
		 {"9.9.9.1", 443, {"y.com"}, UNSEEN, POLICY_NEED_NAME, N, "deny@x.com"},
		 {"9.9.9.1", 443, {NULL}, "x.com", POLICY_DENY, REASON_RULE, "deny@x.com"},
		 {"9.9.9.1", 443, {"x.com"}, NOTHING, POLICY_ALLOW, N, "allow@public"},
		 {"9.9.9.1", 443, {"x.com"}, ABSENT, POLICY_ALLOW, N, "allow@public"},
		 {"9.9.9.1", 443, {"y.com"}, "y.com", POLICY_ALLOW, N, "allow@y.com"},
		 {"9.9.9.1", 443, {NULL}, "y.com", POLICY_DENY, REASON_RULE, "deny@.y.com"},
		 {"9.9.9.1", 443, {NULL}, "z.com", POLICY_ALLOW, N, "allow@public"},
		 {"10.9.9.1", 443, {NULL}, "x.com", POLICY_DENY, REASON_RULE, "deny@x.com"},
		 {"10.9.9.1", 443, {NULL}, UNSEEN, POLICY_DENY, REASON_NO_BINDING, "default"},
		 {"172.16.0.1", 53, {NULL}, UNSEEN, POLICY_ALLOW, N, "allow@dns"},
	 }},
	/* A deny rule whose every name is let in before leaves nothing to wait for. */
	{{"allow@x.com", "deny@x.com"},
	 "public",
	 {
		 {"9.9.9.1", 443, {"x.com"}, UNSEEN, POLICY_ALLOW, N, "allow@x.com"},
		 {"9.9.9.1", 443, {"y.com"}, UNSEEN, POLICY_NEED_NAME, N, "deny@x.com"},
	 }},
	/* Rules for names behind the address rule do not count. */
	{{"allow@9.9.9.0/24", "deny@10.0.0.0/8", "deny@x.com", "allow@y.com"},
	 NULL,
	 {
		 {"9.9.9.1", 443, {"y.com"}, UNSEEN, POLICY_ALLOW, N, "allow@9.9.9.0/24"},
		 {"9.9.9.1", 443, {"y.com"}, "x.com", POLICY_ALLOW, N, "allow@9.9.9.0/24"},
		 {"10.0.0.1", 443, {"y.com"}, UNSEEN, POLICY_DENY, REASON_RULE, "deny@10.0.0.0/8"},
		 {"64:ff9b::a00:1",
		  443,
		  {"y.com"},
		  "y.com",
		  POLICY_DENY,
		  REASON_RULE,
		  "deny@10.0.0.0/8"},
		 {"64:ff9b::a00:1",
		  443,
		  {"y.com"},
		  UNSEEN,
		  POLICY_DENY,
		  REASON_RULE,
		  "deny@10.0.0.0/8"},
		 {"8.8.8.8", 443, {"y.com"}, UNSEEN, POLICY_NEED_NAME, N, "allow@y.com"},
	 }},
	/* Bound, but denied before: only a flow without a name gets in. */
	{{"deny@x.com", "allow@.x.com"},
	 NULL,
	 {
		 {"9.9.9.1", 443, {"x.com"}, UNSEEN, POLICY_NEED_NAME, N, "allow@.x.com"},
		 {"9.9.9.1", 443, {"x.com"}, "x.com", POLICY_DENY, REASON_RULE, "deny@x.com"},
	 }},
	/* Addresses and names in one rule. */
	{{"deny@10.0.0.0/8,x.com", "allow@any"},
	 NULL,
	 {
		 {"10.0.0.1",
		  80,
		  {NULL},
		  UNSEEN,
		  POLICY_DENY,
		  REASON_RULE,
		  "deny@10.0.0.0/8,x.com"},
		 {"9.9.9.1", 80, {NULL}, UNSEEN, POLICY_NEED_NAME, N, "deny@10.0.0.0/8,x.com"},
		 {"9.9.9.1", 80, {NULL}, "y.com", POLICY_ALLOW, N, "allow@any"},
	 }},
	/* DNS over HTTPS in one word. */
	{{"deny@doh"},
	 "public",
	 {
		 {"8.8.8.8", 443, {NULL}, UNSEEN, POLICY_DENY, REASON_RULE, "deny@doh"},
		 {"2606:4700:4700::1111",
		  443,
		  {NULL},
		  UNSEEN,
		  POLICY_DENY,
		  REASON_RULE,
		  "deny@doh"},
		 {"8.8.8.8", 53, {NULL}, UNSEEN, POLICY_ALLOW, N, "allow@public"},
		 {"9.9.9.1", 443, {NULL}, "dns.google", POLICY_DENY, REASON_RULE, "deny@doh"},
		 {"9.9.9.1", 443, {NULL}, "x.dns.google", POLICY_ALLOW, N, "allow@public"},
		 {"9.9.9.1", 80, {NULL}, "dns.google", POLICY_ALLOW, N, "allow@public"},
		 {"9.9.9.1", 80, {NULL}, UNSEEN, POLICY_ALLOW, N, "allow@public"},
		 {"9.9.9.1", 443, {NULL}, UNSEEN, POLICY_NEED_NAME, N, "deny@doh"},
	 }},
	/* The default's reason where no rule for names is for this port, and what is built in. */
	{{"allow@x.com:tcp:443"},
	 "public",
	 {
		 {"10.0.0.1", 80, {NULL}, UNSEEN, POLICY_DENY, REASON_PRESET, "default"},
		 {"10.0.0.1", 443, {NULL}, UNSEEN, POLICY_DENY, REASON_NO_BINDING, "default"},
		 {"169.254.169.254",
		  443,
		  {"x.com"},
		  "x.com",
		  POLICY_DENY,
		  REASON_METADATA,
		  "default"},
		 {"9.9.9.1", 443, {"x.com"}, UNSEEN, POLICY_ALLOW, N, "allow@x.com:tcp:443"},
		 {"9.9.9.1", 853, {NULL}, UNSEEN, POLICY_DENY, REASON_DOT, "built in"},
		 {"0.0.0.0", 443, {"x.com"}, "x.com", POLICY_DENY, REASON_UNSPECIFIED, "default"},
	 }},
};

static void flows_are_judged_by_binding_and_name(void **state)
{
	for (size_t i = 0; i < sizeof(tcp_cases) / sizeof(tcp_cases[0]); i++) {
		const struct by_name_case *c = &tcp_cases[i];
		struct policy *p = make(c->net, c->rules, -1);

		assert_true(policy_has_names(p));
		for (const struct ask *a = c->asks; a->addr; a++)
			ask_one(p, POLICY_TCP, a);
		policy_free(p);
	}
}

/* UDP shows a name on port 443 alone; ICMP never does, and neither do questions to a resolver. */
static void where_no_name_can_be_shown_the_binding_decides(void **state)
{
	const char *const rules[RULES_MAX] = {"deny@x.com", "allow@y.com", "allow@9.9.9.0/24"};
	static const struct ask udp[] = {
		{"9.9.9.1", 443, {NULL}, UNSEEN, POLICY_NEED_NAME, N, "deny@x.com"},
		{"9.9.9.1", 8443, {NULL}, UNSEEN, POLICY_ALLOW, N, "allow@9.9.9.0/24"},
		{"9.9.9.1", 53, {"y.com"}, UNSEEN, POLICY_ALLOW, N, "allow@y.com"},
		{"8.8.8.8", 8443, {"y.com"}, UNSEEN, POLICY_ALLOW, N, "allow@y.com"},
		{"8.8.8.8", 443, {"y.com"}, UNSEEN, POLICY_NEED_NAME, N, "allow@y.com"},
		{"8.8.8.8", 8443, {"x.com"}, UNSEEN, POLICY_DENY, REASON_NO_BINDING, "default"},
		{"9.9.9.1", 853, {NULL}, UNSEEN, POLICY_DENY, REASON_ALT_DNS, "built in"},
		{"9.9.9.1", 5353, {NULL}, UNSEEN, POLICY_DENY, REASON_ALT_DNS, "built in"},
		{"9.9.9.1", 5355, {NULL}, UNSEEN, POLICY_DENY, REASON_ALT_DNS, "built in"},
		{"9.9.9.1", 137, {NULL}, UNSEEN, POLICY_DENY, REASON_ALT_DNS, "built in"},
		{0},
	};
	static const struct ask icmp[] = {
		{"9.9.9.1", 0, {NULL}, UNSEEN, POLICY_ALLOW, N, "allow@9.9.9.0/24"},
		{"8.8.8.8", 0, {"y.com"}, UNSEEN, POLICY_ALLOW, N, "allow@y.com"},
		{"8.8.8.8", 0, {"x.com"}, UNSEEN, POLICY_DENY, REASON_NO_BINDING, "default"},
		{0},
	};
	static const struct ask tcp[] = {
		{"9.9.9.1", 53, {NULL}, UNSEEN, POLICY_ALLOW, N, "allow@9.9.9.0/24"},
		{"9.9.9.1", 54, {NULL}, UNSEEN, POLICY_NEED_NAME, N, "deny@x.com"},
		{0},
	};
	struct policy *p = make(NULL, rules, -1);

	for (const struct ask *a = udp; a->addr; a++)
		ask_one(p, POLICY_UDP, a);
	for (const struct ask *a = icmp; a->addr; a++)
		ask_one(p, POLICY_ICMPV4, a);
	for (const struct ask *a = tcp; a->addr; a++)
		ask_one(p, POLICY_TCP, a);
	policy_free(p);
}

static void a_strict_rule_wants_the_name_to_be_shown(void **state)
{
	const char *const targets[] = {"x.com"}, *const ports[] = {"443"};
	const struct policy_rule_source rule = {.action = "allow",
						.targets = targets,
						.target_count = 1,
						.ports = ports,
						.port_count = 1,
						.strict = true};
	struct policy_source src = {.file_rules = &rule,
				    .file_rule_count = 1,
				    .default_egress = -1,
				    .default_ingress = -1};
	struct error err = {0};
	static const char text[] = "allow@x.com:tcp,udp:443 (strict)";
	static const struct ask asks[] = {
		{"9.9.9.1", 443, {"x.com"}, UNSEEN, POLICY_NEED_NAME, N, text},
		{"9.9.9.1", 443, {"x.com"}, "x.com", POLICY_ALLOW, N, text},
		{"9.9.9.1", 443, {"x.com"}, NOTHING, POLICY_DENY, REASON_NO_NAME, "default"},
		{"9.9.9.1", 443, {"x.com"}, ABSENT, POLICY_DENY, REASON_NO_NAME, "default"},
		{"9.9.9.1", 443, {"y.com"}, NOTHING, POLICY_DENY, REASON_NO_BINDING, "default"},
		{0},
	};
	struct policy *p = policy_new(&src, &err);

	if (!p)
		fail_msg("%s", err.msg);
	for (const struct ask *a = asks; a->addr; a++)
		ask_one(p, POLICY_TCP, a);
	policy_free(p);
}

/* Behind very many deny rules that a bound name covers, the answer is the careful one. */
static void a_search_that_is_too_long_ends_in_need_name(void **state)
{
	static const char *rules[402] = {"allow@x.com"};
	static const struct ask few = {"9.9.9.1",    443, {"x.com"},    UNSEEN,
				       POLICY_ALLOW, N,   "allow@x.com"};
	static const struct ask many = {"9.9.9.1",        443, {"x.com"},   UNSEEN,
					POLICY_NEED_NAME, N,   "deny@x.com"};

	for (int n = 200; n <= 400; n += 200) {
		struct policy_source src = {.net = "public",
					    .rules = rules,
					    .rule_count = (size_t)n + 1,
					    .default_egress = -1,
					    .default_ingress = -1};
		struct error err = {0};

		for (int i = 1; i <= n; i++)
			rules[i] = "deny@x.com";
		struct policy *p = policy_new(&src, &err);
		assert_non_null(p);
		ask_one(p, POLICY_TCP, n == 200 ? &few : &many);
		policy_free(p);
	}
}

struct question {
	const char *name;
	enum policy_proto proto;
	uint16_t port;
	enum policy_answer answer;
	enum policy_reason reason;
	const char *rule;
	bool by_name;
};

static void ask_questions(const char *net, const char *const *rules, int egress,
			  const struct question *q)
{
	struct policy *p = make(net, rules, egress);
	struct policy_env env = env_make();

	for (; q->name; q++) {
		struct name n = name(q->name);
		struct policy_verdict v = policy_decide_question(p, &env, &n, q->proto, q->port);

		if (v.answer != q->answer || v.reason != q->reason || v.by_name != q->by_name ||
		    strcmp(v.rule_text, q->rule) != 0)
			fail_msg("%s over %d port %d: %s, \"%s\", %s", q->name, q->proto, q->port,
				 answer_word(v.answer), policy_reason_name(v.reason), v.rule_text);
	}
	policy_free(p);
}

static void questions_follow_the_rules_for_names(void **state)
{
	static const char *const only[RULES_MAX] = {"deny@ads.x.com", "allow@.x.com:tcp:443",
						    "allow:ingress@any"};
	static const struct question only_asks[] = {
		{"x.com", POLICY_UDP, 53, POLICY_ALLOW, N, "allow@.x.com:tcp:443", true},
		{"a.x.com", POLICY_TCP, 53, POLICY_ALLOW, N, "allow@.x.com:tcp:443", true},
		{"ads.x.com", POLICY_UDP, 53, POLICY_DENY, REASON_RULE, "deny@ads.x.com", true},
		{"y.com", POLICY_UDP, 53, POLICY_DENY, REASON_DEFAULT, "default", false},
		{0},
	};
	static const char *const with_dns[RULES_MAX] = {"deny@ads.x.com", "allow@x.com",
							"allow@dns"};
	static const struct question with_dns_asks[] = {
		{"ads.x.com", POLICY_UDP, 53, POLICY_DENY, REASON_RULE, "deny@ads.x.com", true},
		{"y.com", POLICY_UDP, 53, POLICY_ALLOW, N, "allow@dns", false},
		{"y.com", POLICY_TCP, 853, POLICY_ALLOW, N, "allow@dns", false},
		{0},
	};
	static const char *const address[RULES_MAX] = {"allow@x.com", "allow@192.0.2.1"};
	static const struct question address_asks[] = {
		{"y.com", POLICY_UDP, 53, POLICY_ALLOW, N, "allow@dns", false},
		{0},
	};
	static const char *const closed[RULES_MAX] = {"allow@any:udp:53", "deny@any",
						      "allow@x.com"};
	static const struct question closed_asks[] = {
		{"x.com", POLICY_UDP, 53, POLICY_ALLOW, N, "allow@any:udp:53", false},
		{"x.com", POLICY_TCP, 53, POLICY_DENY, REASON_RULE, "deny@any", false},
		{0},
	};
	static const char *const doh[RULES_MAX] = {"deny@doh", "deny@10.0.0.0/8,private,public"};
	static const struct question doh_asks[] = {
		{"dns.google", POLICY_UDP, 53, POLICY_DENY, REASON_RULE, "deny@doh", true},
		{"x.com", POLICY_UDP, 53, POLICY_ALLOW, N, "allow@dns", false},
		{0},
	};
	static const char *const mixed[RULES_MAX] = {"deny@any,x.com"};
	static const struct question mixed_asks[] = {
		{"x.com", POLICY_UDP, 53, POLICY_DENY, REASON_RULE, "deny@any,x.com", true},
		{"y.com", POLICY_UDP, 53, POLICY_DENY, REASON_RULE, "deny@any,x.com", false},
		{0},
	};
	static const char *const nothing[RULES_MAX] = {"deny@x.com"};
	static const struct question nothing_asks[] = {
		{"y.com", POLICY_UDP, 53, POLICY_DENY, REASON_DEFAULT, "default", false},
		{0},
	};
	static const struct question none_asks[] = {
		{"y.com", POLICY_UDP, 53, POLICY_DENY, REASON_PRESET, "default", false},
		{0},
	};
	static const struct question all_asks[] = {
		{"x.com", POLICY_UDP, 53, POLICY_DENY, REASON_RULE, "deny@x.com", true},
		{"y.com", POLICY_UDP, 53, POLICY_ALLOW, N, "default", false},
		{0},
	};

	ask_questions(NULL, only, -1, only_asks);
	ask_questions(NULL, with_dns, -1, with_dns_asks);
	ask_questions(NULL, address, -1, address_asks);
	ask_questions("none", closed, -1, closed_asks);
	ask_questions("public", doh, -1, doh_asks);
	ask_questions("public", mixed, -1, mixed_asks);
	ask_questions(NULL, nothing, -1, nothing_asks);
	ask_questions("none", nothing, -1, none_asks);
	ask_questions("all", nothing, -1, all_asks);
}

static void answers_may_hold_the_addresses_that_rules_allow(void **state)
{
	static const char *const rules[RULES_MAX] = {
		"allow@10.1.0.0/16:tcp:443", "deny@10.1.2.0/24", "allow@10.1.0.0/16",
		"allow@127.0.0.0/8",         "allow@any",        "allow@doh"};
	static const struct {
		const char *addr;
		bool named;
	} cases[] = {
		{"10.1.2.3", false},         {"10.1.3.3", true},         {"10.2.0.1", false},
		{"127.0.0.1", true},         {"192.168.0.1", false},     {"8.8.8.8", false},
		{"64:ff9b::a01:303", false}, {"::ffff:10.1.3.3", false}, {"172.16.0.1", false},
		{"0.0.0.0", false},
	};
	struct policy *p = make(NULL, rules, -1);
	struct policy_env env = env_make();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipaddr a = addr(cases[i].addr);

		if (policy_address_is_named(p, &env, &a) != cases[i].named)
			fail_msg("%s", cases[i].addr);
	}
	policy_free(p);

	const char *const both[RULES_MAX] = {"allow@64:ff9b::/96,10.1.0.0/16"};
	struct ipaddr inside = addr("64:ff9b::a01:303"), other = addr("64:ff9b::a02:303");
	p = make(NULL, both, -1);
	assert_true(policy_address_is_named(p, &env, &inside));
	assert_false(policy_address_is_named(p, &env, &other));
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_judged_by_binding_and_name),
		cmocka_unit_test(where_no_name_can_be_shown_the_binding_decides),
		cmocka_unit_test(a_strict_rule_wants_the_name_to_be_shown),
		cmocka_unit_test(a_search_that_is_too_long_ends_in_need_name),
		cmocka_unit_test(questions_follow_the_rules_for_names),
		cmocka_unit_test(answers_may_hold_the_addresses_that_rules_allow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
