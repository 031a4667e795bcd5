// SPDX-License-Identifier: Apache-2.0
/* Structured rules: what token each is, and what each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

#define ITEMS_MAX 4
#define WHERE     "weir.yaml:12: policy.rules[3]"

struct parts {
	const char *action, *direction;
	const char *targets[ITEMS_MAX], *protocols[ITEMS_MAX], *ports[ITEMS_MAX];
	bool strict;
	const char *token; /* in the place of the parts */
};

static struct policy *make(const struct parts *in, const char *where, struct error *err)
{
	struct policy_rule_source rule = {.token = in->token,
					  .action = in->action,
					  .direction = in->direction,
					  .targets = in->targets,
					  .protocols = in->protocols,
					  .ports = in->ports,
					  .strict = in->strict,
					  .where = where};
	struct policy_source src = {.file_rules = &rule,
				    .file_rule_count = 1,
				    .default_egress = -1,
				    .default_ingress = -1};

	while (rule.target_count < ITEMS_MAX && in->targets[rule.target_count])
		rule.target_count++;
	while (rule.protocol_count < ITEMS_MAX && in->protocols[rule.protocol_count])
		rule.protocol_count++;
	while (rule.port_count < ITEMS_MAX && in->ports[rule.port_count])
		rule.port_count++;
	return policy_new(&src, err);
}

static void parts_become_a_token(void **state)
{
	static const struct {
		struct parts parts;
		const char *text;
	} good[] = {
		{{"allow", NULL, {"any"}}, "allow@any"},
		{{"deny", "egress", {"10.0.0.0/8", "x.com"}}, "deny@10.0.0.0/8,x.com"},
		{{"allow", "ingress", {"private"}, {"tcp"}, {"22"}},
		 "allow:ingress@private:tcp:22"},
		{{"allow", "any", {"2001:db8::/32"}}, "allow:any@2001:db8::/32"},
		{{"allow", NULL, {"2001:db8::1", "[::1]"}, {"tcp", "udp"}, {"1-2", "9"}},
		 "allow@[2001:db8::1],[::1]:tcp,udp:1-2,9"},
		{{"allow", NULL, {"x.com"}, {NULL}, {"443"}}, "allow@x.com:tcp,udp:443"},
		{{"allow", NULL, {"::1"}, {NULL}, {"443"}}, "allow@[::1]:tcp,udp:443"},
		{{"allow", NULL, {"suffix=X.com.", "domain=y"}, {"icmpv4"}},
		 "allow@suffix=X.com.,domain=y:icmpv4"},
		{{"allow", NULL, {"x.com"}, {"tcp"}, {NULL}, true}, "allow@x.com:tcp (strict)"},
		{{"allow", NULL, {"doh"}, {NULL}, {NULL}, true}, "allow@doh (strict)"},
		{{.token = "allow@x.com"}, "allow@x.com"},
		{{.token = "allow@x.com", .strict = true}, "allow@x.com (strict)"},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct error err = {0};
		struct policy *p = make(&good[i].parts, WHERE, &err);

		if (!p)
			fail_msg("%s", err.msg);
		assert_string_equal(policy_rule_text(p, 0), good[i].text);
		policy_free(p);
		if (good[i].parts.strict)
			continue;
		/* The text is a rule of its own. */
		struct parts again = {.token = good[i].text};
		p = make(&again, NULL, &err);
		if (!p)
			fail_msg("%s", err.msg);
		policy_free(p);
	}
}

static void mistakes_name_the_place_and_the_part(void **state)
{
	static const struct {
		struct parts parts;
		const char *want; /* the whole message begins so, behind the place */
	} bad[] = {
		{{NULL}, ".action: missing; expected allow or deny"},
		{{"alow", NULL, {"any"}},
		 ".action \"alow\": expected allow or deny; the nearest is"},
		{{"deny", "out", {"any"}}, ".direction \"out\": expected egress, ingress or any"},
		{{"deny"}, ".destination: missing"},
		{{"deny", NULL, {""}}, ".destination \"\": an item of the list is empty"},
		{{"deny", NULL, {"pubic"}}, ".destination \"pubic\": expected any"},
		{{"deny", NULL, {"a.com,b.com"}}, ".destination \"a.com,b.com\": this is no name"},
		{{"deny", NULL, {"any"}, {"tpc"}}, ".protocols \"tpc\": expected tcp"},
		{{"deny", NULL, {"any"}, {"tcp,udp"}}, ".protocols \"tcp,udp\": expected tcp"},
		{{"deny", NULL, {"any"}, {"tcp"}, {"80-70"}},
		 ".ports \"80-70\": the range ends before it starts; expected 70-80"},
		{{"deny", NULL, {"any"}, {"icmpv4"}, {"80"}},
		 ".ports: protocol \"icmpv4\" has none"},
		{{"deny", NULL, {"10.0.0.0/8"}, {"icmpv6"}},
		 ".protocols \"icmpv6\": it never meets"},
		{{"deny", "ingress", {"x.com"}}, ".direction: a name is for egress only"},
		{{"deny", NULL, {"x.com"}, {NULL}, {NULL}, true},
		 ".strict: it is for rules that allow"},
		{{"allow", NULL, {"any"}, {NULL}, {NULL}, true},
		 ".strict: it is for rules with names"},
		{{.token = "deny@any:tpc"},
		 ": rule \"deny@any:tpc\": protocol \"tpc\": expected tcp"},
		{{.token = "any"}, ": rule \"any\": there is no @"},
		{{.token = "deny@x.com", .strict = true},
		 ": rule \"deny@x.com\": strict: it is for"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int placed = 0; placed < 2; placed++) {
			const char *where = placed ? WHERE : NULL, *at;
			struct error err = {0};
			struct policy *p = make(&bad[i].parts, where, &err);

			if (p)
				fail_msg("taken: %s", policy_rule_text(p, 0));
			at = err.msg;
			if (placed && strncmp(at, WHERE, strlen(WHERE)) != 0)
				fail_msg("no place: %s", at);
			at += placed ? strlen(WHERE) : 0;
			/* Without a place there is no separator either. */
			const char *want = bad[i].want + (placed ? 0 : strspn(bad[i].want, ".: "));
			if (strncmp(at, want, strlen(want)) != 0)
				fail_msg("%s\n  wanted: %s", err.msg, want);
		}
	}
}

static void rules_of_the_file_come_behind_those_of_the_command_line(void **state)
{
	const char *first[] = {"deny@10.0.0.1"};
	const struct policy_rule_source file[] = {{.token = "allow@10.0.0.0/8"},
						  {.token = "deny@10.0.0.0/16"}};
	struct policy_source src = {.rules = first,
				    .rule_count = 1,
				    .file_rules = file,
				    .file_rule_count = 2,
				    .default_egress = -1,
				    .default_ingress = -1};
	struct error err = {0};
	struct policy *p = policy_new(&src, &err);

	assert_non_null(p);
	assert_int_equal(policy_rule_count(p), 4);
	assert_string_equal(policy_rule_text(p, 0), "deny@10.0.0.1");
	assert_string_equal(policy_rule_text(p, 1), "allow@10.0.0.0/8");
	assert_string_equal(policy_rule_text(p, 2), "deny@10.0.0.0/16");
	assert_string_equal(policy_rule_text(p, 3), "allow@dns");
	assert_int_equal(policy_warning_count(p), 1);
	assert_non_null(strstr(policy_warning_text(p, 0), "deny@10.0.0.0/16"));
	policy_free(p);
}

static void long_lists_are_refused(void **state)
{
	size_t n = 5000;
	const char **list = calloc(n, sizeof(*list));
	char *text = malloc(70000);
	struct policy_rule_source rule = {
		.action = "deny", .targets = list, .target_count = n, .where = WHERE};
	struct policy_source src = {.file_rules = &rule,
				    .file_rule_count = 1,
				    .default_egress = -1,
				    .default_ingress = -1};
	struct error err = {0};

	assert_non_null(list);
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		list[i] = "a-name-of-some-length.example.com";
	assert_null(policy_new(&src, &err));
	assert_string_equal(err.msg, WHERE ".destination: more than 4096 items in one list");
	rule.target_count = 4000;
	assert_null(policy_new(&src, &err));
	assert_string_equal(err.msg, WHERE ": longer than 65536 bytes");
	rule.target_count = 1500;
	struct policy *p = policy_new(&src, &err);
	assert_non_null(p);
	policy_free(p);

	memset(text, 'a', 70000);
	text[69999] = 0;
	list[0] = text;
	rule.target_count = 1;
	assert_null(policy_new(&src, &err));
	assert_non_null(strstr(err.msg, "..."));
	free(text);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_become_a_token),
		cmocka_unit_test(mistakes_name_the_place_and_the_part),
		cmocka_unit_test(rules_of_the_file_come_behind_those_of_the_command_line),
		cmocka_unit_test(long_lists_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
