// SPDX-License-Identifier: Apache-2.0
/*
 * Rule tokens from random bytes: whatever is taken must be decided without a fault, must be taken
 * again from its own text, and must not move an address that nothing may reach. A refusal must say
 * something printable.
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void ask(const struct policy *p)
{
	static const char *const asked[] = {"0.0.0.0", "127.0.0.1",    "8.8.8.8", "172.16.0.1",
					    "::",      "64:ff9b::1:2", "fe80::1", "fd42::1"};
	struct policy_env env = {0};

	ipaddr_parse("172.16.0.1", &env.gw4);
	ipaddr_parse("fd42::1", &env.gw6);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct policy_facts f = {.dir = POLICY_EGRESS, .proto = POLICY_TCP, .port = 53};

		ipaddr_parse(asked[i], &f.remote);
		struct policy_verdict v = policy_decide(p, &env, &f);
		check(v.rule_text && v.rule < (int)policy_rule_count(p));
		check((v.answer == POLICY_DENY) == (v.reason != REASON_NONE));
		if (i % 4 == 0)
			check(v.answer == POLICY_DENY);
	}
}

static struct policy *make(const char *const *rules, size_t n, struct error *err)
{
	struct policy_source src = {
		.rules = rules, .rule_count = n, .default_egress = -1, .default_ingress = -1};

	return policy_new(&src, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	const char *rules[2];
	struct error err = {0};
	size_t n = 1;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	rules[0] = text;
	/* A line feed makes two rules of it, which may shadow one another. */
	char *second = strchr(text, '\n');
	if (second) {
		*second = 0;
		rules[n++] = second + 1;
	}
	struct policy *p = make(rules, n, &err);
	if (p) {
		const char *again = policy_rule_text(p, 0);
		struct policy *q = make(&again, 1, &err);

		check(q != NULL);
		ask(p);
		policy_free(q);
		policy_free(p);
	} else {
		check(err.msg[0]);
		for (const char *c = err.msg; *c; c++)
			check(*c >= 0x20 && *c < 0x7f);
	}
	free(text);
	return 0;
}
