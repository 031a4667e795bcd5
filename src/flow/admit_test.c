// SPDX-License-Identifier: Apache-2.0
/* Admission: what is asked, where it may be dialled, what is counted; and the table of refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "flow/budget.h"
#include "flow/denials.h"
#include "flow/sandbox.h"

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	if (!ipaddr_parse(text, &a))
		fail_msg("not an address: %s", text);
	return a;
}

/* Only what admission looks at. */
static struct sandbox *sandbox_make(const char *net)
{
	struct policy_source src = {.net = net, .default_egress = -1, .default_ingress = -1};
	struct error err = {0};
	struct sandbox *sb = calloc(1, sizeof(*sb));

	assert_non_null(sb);
	sb->env.gw4 = addr("172.16.0.1");
	sb->env.gw6 = addr("fd42::1");
	sb->stack.cfg.gw6_ll = addr("fe80::1");
	sb->policy = policy_new(&src, &err);
	assert_non_null(sb->policy);
	sb->denials = denials_new();
	assert_non_null(sb->denials);
	return sb;
}

static void sandbox_unmake(struct sandbox *sb)
{
	policy_free(sb->policy);
	denials_free(sb->denials);
	free(sb);
}

static struct admission ask(struct sandbox *sb, enum policy_dir dir, const char *remote,
			    uint16_t port)
{
	struct policy_facts f = {
		.dir = dir, .proto = POLICY_TCP, .remote = addr(remote), .port = port};
	struct ipaddr guest = addr("172.16.0.2");

	return flow_admit(sb, &f, &guest, 40000);
}

static void egress_says_where_to_dial(void **state)
{
	static const struct {
		const char *asked, *dial;
		bool host;
	} cases[] = {
		{"198.51.100.1", "198.51.100.1", false},
		{"2001:db8::1", "2001:db8::1", false},
		{"172.16.0.1", "127.0.0.1", true},
		{"fd42::1", "::1", true},
		{"fe80::1", "::1", true},
		{"10.0.0.1", "10.0.0.1", false},
	};
	struct sandbox *sb = sandbox_make("host,public,private");
	char text[IPADDR_STRLEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct admission a = ask(sb, POLICY_EGRESS, cases[i].asked, 8080);

		assert_int_equal(a.verdict.answer, POLICY_ALLOW);
		assert_string_equal(ipaddr_str(&a.dial, text), cases[i].dial);
		assert_int_equal(a.to_host_loopback, cases[i].host);
	}
	assert_int_equal(denials_total(sb->denials), 0);
	sandbox_unmake(sb);
}

static void refusals_are_counted_by_reason_and_give_no_address(void **state)
{
	struct sandbox *sb = sandbox_make("public");
	struct policy_facts f = {
		.dir = POLICY_EGRESS, .proto = POLICY_UDP, .remote = addr("8.8.8.8"), .port = 53};
	static const char *const refused[] = {"172.16.0.1", "fd42::1", "fe80::1", "127.0.0.1"};

	for (size_t i = 0; i < 4; i++) {
		struct admission a = ask(sb, POLICY_EGRESS, refused[i], 80);

		assert_int_equal(a.verdict.answer, POLICY_DENY);
		assert_int_equal(a.dial.family, 0);
		assert_false(a.to_host_loopback);
	}
	assert_int_equal(sb->cnt.denied[REASON_PRESET], 4);
	assert_int_equal(ask(sb, POLICY_EGRESS, "169.254.169.254", 80).verdict.reason,
			 REASON_METADATA);
	assert_int_equal(sb->cnt.denied[REASON_METADATA], 1);
	flow_count_refusal(sb, REASON_LIMIT_UDP, &f);
	assert_int_equal(sb->cnt.denied[REASON_LIMIT_UDP], 1);
	assert_int_equal(denials_total(sb->denials), 6);

	/* DNS at the gateway is not the host's loopback's affair, but goes the same way. */
	assert_int_equal(ask(sb, POLICY_EGRESS, "fe80::1", 53).verdict.answer, POLICY_ALLOW);
	sandbox_unmake(sb);
}

/* To the destination, or to all but the resolver; clients of published ports still come. */
static void what_has_no_budget_left_is_refused(void **state)
{
	struct sandbox *sb = sandbox_make("public");
	struct ipaddr spent = addr("8.8.8.8");

	sb->budgets = budgets_new();
	assert_non_null(sb->budgets);
	budgets_limit(sb->budgets, 30, 10);
	assert_int_equal(ask(sb, POLICY_EGRESS, "8.8.8.8", 80).verdict.answer, POLICY_ALLOW);
	budget_take(sb->budgets, budget_dest(sb->budgets, NULL, &spent), 10);
	struct admission a = ask(sb, POLICY_EGRESS, "8.8.8.8", 80);
	assert_int_equal(a.verdict.answer, POLICY_DENY);
	assert_int_equal(a.verdict.reason, REASON_BUDGET);
	assert_int_equal(a.dial.family, 0);
	assert_int_equal(sb->cnt.denied[REASON_BUDGET], 1);
	assert_int_equal(ask(sb, POLICY_EGRESS, "8.8.4.4", 80).verdict.answer, POLICY_ALLOW);
	budgets_limit(sb->budgets, 10, 10);
	assert_int_equal(ask(sb, POLICY_EGRESS, "8.8.4.4", 80).verdict.answer, POLICY_DENY);
	assert_int_equal(ask(sb, POLICY_EGRESS, "8.8.4.4", 53).verdict.answer, POLICY_ALLOW);
	assert_int_equal(ask(sb, POLICY_INGRESS, "8.8.4.4", 80).verdict.answer, POLICY_ALLOW);
	budgets_limit(sb->budgets, 0, 0);
	assert_int_equal(ask(sb, POLICY_EGRESS, "8.8.8.8", 80).verdict.answer, POLICY_ALLOW);
	budgets_free(sb->budgets);
	sandbox_unmake(sb);
}

static void ingress_has_nothing_to_dial(void **state)
{
	struct sandbox *sb = sandbox_make("public"), *none = sandbox_make("none");
	struct admission a = ask(sb, POLICY_INGRESS, "127.0.0.1", 80);

	assert_int_equal(a.verdict.answer, POLICY_ALLOW);
	assert_int_equal(a.dial.family, 0);
	a = ask(none, POLICY_INGRESS, "127.0.0.1", 80);
	assert_int_equal(a.verdict.answer, POLICY_DENY);
	assert_int_equal(none->cnt.denied[REASON_PRESET], 1);
	sandbox_unmake(sb);
	sandbox_unmake(none);
}

static char *printed(const struct denials *d, unsigned rows)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	denials_print(d, rows, out);
	fclose(out);
	return text;
}

static void note(struct denials *d, enum policy_dir dir, enum policy_proto proto,
		 const char *remote, uint16_t port, enum policy_reason why, const char *rule,
		 unsigned times)
{
	struct policy_facts f = {.dir = dir, .proto = proto, .remote = addr(remote), .port = port};

	while (times--)
		denials_note(d, &f, why, rule);
}

static void table_shows_the_most_frequent_first(void **state)
{
	struct denials *d = denials_new();
	char *text = printed(d, 10);

	assert_string_equal(text, "");
	free(text);
	note(d, POLICY_EGRESS, POLICY_TCP, "10.0.0.1", 22, REASON_RULE, "deny@10.0.0.0/8", 2);
	note(d, POLICY_EGRESS, POLICY_UDP, "fd00::1", 53, REASON_PRESET, "default", 30);
	note(d, POLICY_EGRESS, POLICY_ICMPV4, "127.0.0.1", 0, REASON_PRESET, "default", 1);
	note(d, POLICY_INGRESS, POLICY_TCP, "192.0.2.9", 80, REASON_DEFAULT, "default", 1);
	note(d, POLICY_EGRESS, POLICY_TCP, "192.0.2.9", 80, REASON_LIMIT_CONNECTIONS, NULL, 4);
	/* The same place for another reason, or by another rule, is another line. */
	note(d, POLICY_EGRESS, POLICY_TCP, "10.0.0.1", 22, REASON_RULE, "deny@any", 3);
	assert_int_equal(denials_total(d), 41);

	text = printed(d, 10);
	assert_string_equal(
		text,
		"weir: 41 refused\n"
		"    times  flow                           reason             rule\n"
		"       30  udp [fd00::1]:53               preset             default\n"
		"        4  tcp 192.0.2.9:80               limit-connections  -\n"
		"        3  tcp 10.0.0.1:22                rule               deny@any\n"
		"        2  tcp 10.0.0.1:22                rule               deny@10.0.0.0/8\n"
		"        1  icmpv4 127.0.0.1               preset             default\n"
		"        1  tcp from 192.0.2.9 to port 80  default            default\n");
	free(text);
	text = printed(d, 2);
	assert_string_equal(text, "weir: 41 refused\n"
				  "    times  flow              reason             rule\n"
				  "       30  udp [fd00::1]:53  preset             default\n"
				  "        4  tcp 192.0.2.9:80  limit-connections  -\n"
				  "        7  others\n");
	free(text);
	denials_free(d);
}

static void table_is_bounded_and_counts_on(void **state)
{
	struct denials *d = denials_new();
	char *text;

	for (unsigned i = 1; i <= 10000; i++) {
		struct policy_facts f = {.proto = POLICY_TCP,
					 .remote = addr("10.0.0.1"),
					 .port = i};

		denials_note(d, &f, REASON_PRESET, "default");
	}
	/* What was there before the flood is still counted by itself. */
	note(d, POLICY_EGRESS, POLICY_TCP, "10.0.0.1", 7, REASON_PRESET, "default", 41);
	assert_int_equal(denials_total(d), 10041);
	text = printed(d, 1);
	assert_non_null(strstr(text, "       42  tcp 10.0.0.1:7 "));
	assert_non_null(strstr(text, "     9999  others\n"));
	free(text);
	text = printed(d, 100000);
	assert_non_null(strstr(text, "     9744  others\n"));
	free(text);
	denials_free(d);
	denials_free(NULL);
	denials_note(NULL, &(struct policy_facts){0}, REASON_RULE, NULL);
	assert_int_equal(denials_total(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(egress_says_where_to_dial),
		cmocka_unit_test(refusals_are_counted_by_reason_and_give_no_address),
		cmocka_unit_test(what_has_no_budget_left_is_refused),
		cmocka_unit_test(ingress_has_nothing_to_dial),
		cmocka_unit_test(table_shows_the_most_frequent_first),
		cmocka_unit_test(table_is_bounded_and_counts_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
