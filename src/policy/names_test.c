// SPDX-License-Identifier: Apache-2.0
/* Decisions by name, case by case: flows in each state of the name seen, questions, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/policy.h"

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	if (!ipaddr_parse(text, &a))
		fail_msg("not an address: %s", text);
	return a;
}

static struct name name(const char *text)
{
	struct name n;

	if (name_read(text, strlen(text), &n) != NAME_OK)
		fail_msg("not a name: %s", text);
	return n;
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_judged_by_binding_and_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
