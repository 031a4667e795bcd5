// SPDX-License-Identifier: Apache-2.0
/*
 * Rule tokens from random bytes, one a line: whatever is taken must be decided without a fault and
 * be the same policy when it is made again from its own texts. A refusal must say something
 * printable.
 */
#include <stdio.h>

#include "policy/fuzz_ask.h"

#define RULES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy *make(const char *const *rules, size_t n, struct error *err)
{
	struct policy_source src = {
		.rules = rules, .rule_count = n, .default_egress = -1, .default_ingress = -1};

	return policy_new(&src, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	const char *rules[RULES_MAX], *again[RULES_MAX];
	struct error err = {0};
	size_t n = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	for (char *line = text; line && n < RULES_MAX;) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = 0;
		rules[n++] = line;
		line = end;
	}
	struct policy *p = make(rules, n, &err);
	if (p) {
		for (size_t i = 0; i < n; i++)
			again[i] = policy_rule_text(p, i);
		struct policy *q = make(again, n, &err);

		check(q != NULL);
		check(policy_warning_count(p) == policy_warning_count(q));
		ask_all(p, q);
		policy_free(q);
		policy_free(p);
	} else {
		check_error(&err);
	}
	free(text);
	return 0;
}
