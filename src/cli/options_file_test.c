// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration file under a command line: which of the two wins, and what happens when the file
 * is read again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/options.h"

#define ARGS_MAX 20

static char dir[] = "/tmp/weir-options-test.XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/weir.yaml", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

struct line {
	char *argv[ARGS_MAX + 2];
	int argc;
};

/* "@" stands for the file's path. */
static struct line line_of(const char *const *words)
{
	struct line l = {.argv = {"run"}, .argc = 1};

	for (; *words; words++) {
		assert_true(l.argc <= ARGS_MAX);
		l.argv[l.argc++] = strcmp(*words, "@") == 0 ? path : (char *)*words;
	}
	return l;
}

static int parse(const char *const *words, struct config *c, struct error *err)
{
	struct line l = line_of(words);
	int first;

	config_init(c);
	return options_parse(OPTION_FOR_RUN, l.argc, l.argv, c, &first, err);
}

static void taken(const char *const *words, struct config *c)
{
	struct error err = {0};

	if (parse(words, c, &err) != 0)
		fail_msg("refused: %s", err.msg);
}

static void refused(const char *const *words, const char *msg)
{
	struct error err = {0};
	struct config c;
	char want[256];

	if (parse(words, &c, &err) != -1)
		fail_msg("taken: %s", msg);
	snprintf(want, sizeof(want), "%s%s", *msg == ':' ? path : "", msg);
	assert_string_equal(err.msg, want);
	config_done(&c);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void what_the_file_says_holds(void **state)
{
	struct config c;

	write_file("interface: {mtu: 1400}\npolicy: {net: host, rules: [deny@any]}\n");
	taken(WORDS("--config", "@", "true"), &c);
	assert_string_equal(c.path, path);
	assert_int_equal(c.mtu, 1400);
	assert_string_equal(c.net, "host");
	assert_int_equal(c.file_rule_count, 1);
	config_done(&c);
}

static void the_command_line_wins_wherever_it_stands(void **state)
{
	static const char *const lines[][12] = {
		{"-c", "@", "--mtu", "9000", "--net", "none", "--deny-style", "rst", "--dns-target",
		 "honor"},
		{"--mtu", "9000", "--net", "none", "--deny-style", "rst", "--dns-target", "honor",
		 "-c", "@"},
	};

	write_file("interface: {mtu: 1400}\npolicy: {net: host, deny_style: icmp}\n"
		   "dns: {target: gateway}\n");
	for (size_t i = 0; i < 2; i++) {
		struct config c;
		taken(lines[i], &c);
		assert_int_equal(c.mtu, 9000);
		assert_string_equal(c.net, "none");
		assert_false(c.deny_icmp);
		assert_int_equal(c.dns_target, CONFIG_DNS_HONOR);
		config_done(&c);
	}
}

static void rules_ports_and_networks_add_up(void **state)
{
	struct config c;

	write_file("policy: {rules: [deny@10.0.0.0/8]}\nports: [\"8080:80\"]\n"
		   "dns: {rebind_allow: [10.0.0.0/8]}\n");
	taken(WORDS("-p", "8081:80", "-c", "@", "--allow", "10.1.0.0/16", "--dns-rebind-allow",
		    "fd00::/8"),
	      &c);
	assert_int_equal(c.rules.n, 1);
	assert_int_equal(c.file_rule_count, 1);
	assert_int_equal(c.publish_count, 2);
	assert_int_equal(c.dns_rebind_allow_count, 2);
	struct policy_source src = config_policy_source(&c);
	struct error err;
	struct policy *p = policy_new(&src, &err);
	assert_non_null(p);
	assert_string_equal(policy_rule_text(p, 0), "allow@10.1.0.0/16");
	assert_string_equal(policy_rule_text(p, 1), "deny@10.0.0.0/8");
	policy_free(p);
	config_done(&c);
}

static void resolvers_of_the_command_line_replace_the_files(void **state)
{
	struct config c;

	write_file("dns: {nameservers: [192.0.2.1, 192.0.2.2]}\n");
	taken(WORDS("-c", "@"), &c);
	assert_int_equal(c.dns_upstream_count, 2);
	config_done(&c);
	taken(WORDS("--dns-upstream", "192.0.2.3", "-c", "@"), &c);
	assert_int_equal(c.dns_upstream_count, 1);
	assert_int_equal(c.dns_upstream[0].addr.b[3], 3);
	config_done(&c);
}

static void options_of_dns_and_denials_reach_their_fields(void **state)
{
	struct config c;

	taken(WORDS("--no-dns-rebind-protection", "--no-dns-cache", "--dns-deny-rcode", "refused",
		    "--dns-target", "gateway", "--deny-style", "icmp", "--allow-ech",
		    "--dns-rebind-allow", "10.20.0.0/16"),
	      &c);
	assert_false(c.dns_rebind_protection);
	assert_false(c.dns_cache);
	assert_true(c.dns_deny_refused);
	assert_int_equal(c.dns_target, CONFIG_DNS_GATEWAY);
	assert_true(c.deny_icmp);
	assert_true(c.allow_ech);
	assert_int_equal(c.dns_rebind_allow_count, 1);
	assert_int_equal(c.dns_rebind_allow[0].bits, 16);
	config_done(&c);
	refused(WORDS("--dns-target", "honour"),
		"--dns-target: 'honour': expected honor or gateway; did you mean 'honor'?");
	refused(WORDS("--deny-style", "drop"), "--deny-style: 'drop': expected rst or icmp");
	refused(WORDS("--dns-deny-rcode", "servfail"),
		"--dns-deny-rcode: 'servfail': expected nxdomain or refused");
	refused(WORDS("--dns-rebind-allow", "10.20.0.1/16"),
		"--dns-rebind-allow: '10.20.0.1/16': expected an address, or a network with no "
		"bits set behind it, for example 10.20.0.0/16");
}

static void a_wrong_file_is_refused(void **state)
{
	write_file("policy:\n  rules:\n    - alow@any\n");
	refused(WORDS("-c", "@"),
		":3: policy.rules[0]: rule \"alow@any\": action \"alow\": expected allow or deny; "
		"the nearest is \"allow\"");
	write_file("policy:\n  ruls: []\n");
	refused(WORDS("-c", "@"), ":2: policy.ruls: no such key; did you mean 'rules'?");
	refused(WORDS("-c", "/nonexistent.yaml"),
		"--config: /nonexistent.yaml: No such file or directory");
	refused(WORDS("-c", "@", "--config", "@"), "--config: given twice; expected one file");
	refused(WORDS("-c", ""),
		"--config: '': expected the path of a file, for example weir.yaml");
	refused(WORDS("-c"), "--config: expected FILE, for example weir.yaml");
}

static void file_and_options_are_checked_together(void **state)
{
	write_file("interface: {mtu: 1000}\nports: [\"8080:80\"]\n");
	refused(WORDS("-c", "@"),
		"--mtu (interface.mtu): '1000': IPv6 needs at least 1280; add --no-ipv6 for less");
	refused(WORDS("-c", "@", "--no-ipv6", "-p", "8080:81"),
		"published ports: '8080:80' and '8080:81' take the same host port");
	write_file("interface: {ipv4_address: 10.0.0.2}\n");
	refused(WORDS("--no-ipv4", "-c", "@"), "--no-ipv4 with an IPv4 address: give one of them");
}

static void a_file_is_read_again_under_the_same_options(void **state)
{
	const char *const words[] = {"--allow", "192.0.2.1", "-c", "@", "--mtu", "1400", NULL};
	struct line l = line_of(words);
	struct config c, next;
	struct error err = {0};

	write_file("policy: {rules: [allow@a.example.com]}\ninterface: {mtu: 9000}\n");
	taken(words, &c);
	write_file("policy: {rules: [deny@a.example.com, deny@any]}\ninterface: {mtu: 1300}\n");
	if (options_reload(&c, l.argc, l.argv, &next, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(next.rules.n, 1);
	assert_int_equal(next.file_rule_count, 2);
	assert_int_equal(next.mtu, 1400);
	config_done(&next);
	assert_int_equal(c.file_rule_count, 1);
	config_done(&c);
}

static void what_cannot_change_or_is_wrong_is_not_taken(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{"limits: {half_open: 5}\n", ": limits.half_open: it cannot change while the "
					     "gateway runs; start it anew"},
		{"ports: [\"8080:80\"]\n",
		 ": ports: it cannot change while the gateway runs; start it anew"},
		{"policy: {rules: [allow]}\n",
		 ":1: policy.rules[0]: rule \"allow\": there is no @; expected "
		 "ACTION[:DIRECTION]@TARGET[:PROTOCOL[:PORTS]], as in allow@10.0.0.0/8:tcp:443"},
		{"", ": the file is empty; {} stands for the defaults"},
	};
	const char *const words[] = {"-c", "@", NULL};
	struct line l = line_of(words);
	struct config c;

	write_file("{}\n");
	taken(words, &c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config next;
		struct error err = {0};
		char want[256];
		write_file(rows[i].text);
		assert_int_equal(options_reload(&c, l.argc, l.argv, &next, &err), -1);
		snprintf(want, sizeof(want), "%s%s", path, rows[i].msg);
		assert_string_equal(err.msg, want);
	}
	config_done(&c);
	struct line none = line_of(WORDS("--mtu", "1400"));
	struct error err = {0};
	taken(WORDS("--mtu", "1400"), &c);
	assert_int_equal(options_reload(&c, none.argc, none.argv, &c, &err), -1);
	assert_string_equal(err.msg, "there is no file to read again: --config was not given");
	config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_file_says_holds),
		cmocka_unit_test(the_command_line_wins_wherever_it_stands),
		cmocka_unit_test(rules_ports_and_networks_add_up),
		cmocka_unit_test(resolvers_of_the_command_line_replace_the_files),
		cmocka_unit_test(options_of_dns_and_denials_reach_their_fields),
		cmocka_unit_test(a_wrong_file_is_refused),
		cmocka_unit_test(file_and_options_are_checked_together),
		cmocka_unit_test(a_file_is_read_again_under_the_same_options),
		cmocka_unit_test(what_cannot_change_or_is_wrong_is_not_taken),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
