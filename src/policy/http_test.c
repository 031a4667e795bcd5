// SPDX-License-Identifier: Apache-2.0
/* Rules that say something of HTTP requests: how they are written, and what of them is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/rules.h"
#include "policy/policy.h"

static struct policy *make(const struct policy_rule_source *rule, struct error *err)
{
	struct policy_source src = {.file_rules = rule,
				    .file_rule_count = 1,
				    .default_egress = -1,
				    .default_ingress = -1};

	return policy_new(&src, err);
}

static void taken(const struct policy_rule_source *rule, const char *text)
{
	struct error err = {0};
	struct policy_source src = {.file_rules = rule, .file_rule_count = 1};
	struct policy *p = make(rule, &err);

	if (!p)
		fail_msg("%s: %s", text, err.msg);
	assert_string_equal(policy_rule_text(p, 0), text);
	assert_true(policy_has_http(p));
	assert_true(policy_source_has_http(&src));
	assert_non_null(policy_rule_http(p, 0));
	assert_null(policy_rule_http(p, 1)); /* DNS, which rules bring with them */
	assert_null(policy_rule_http(p, 2));
	assert_null(policy_rule_http(p, -1));
	policy_free(p);
}

static void refused(const struct policy_rule_source *rule, const char *msg)
{
	struct error err = {0};
	struct policy *p = make(rule, &err);

	if (p)
		fail_msg("taken; expected %s", msg);
	assert_string_equal(err.msg, msg);
}

#define TOKEN(text) (&(struct policy_rule_source){.token = (text)})

static void tokens_name_presets(void **state)
{
	static const char *const good[] = {
		"allow@api.github.com:http=github-read-only",
		"allow@api.github.com:tcp:http=github-read-only",
		"allow@api.github.com:tcp:443:http=github-read-only",
		"allow@.npmjs.org,pypi.org:tcp:443,8443:http=npm-install,pypi-install",
		"allow@any:http=git-fetch-only",
		"allow@198.51.100.0/24:tcp:80:http=llm-api",
		"allow@[2001:db8::1]:tcp:http=llm-api",
		"allow@2001:db8::1:http=llm-api",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		taken(TOKEN(good[i]), good[i]);
}

static const char *const x_com[] = {"x.com"}, *const tcp[] = {"tcp"}, *const port[] = {"443"};
static const char *const get[] = {"GET", "HEAD"}, *const git[] = {"git-fetch-only"};

static void lists_are_said_to_be_there(void **state)
{
	const struct http_rule_source lists = {.methods = get, .method_count = 2};
	const struct http_rule_source presets = {.presets = git, .preset_count = 1};
	struct policy_rule_source r = {
		.action = "allow", .targets = x_com, .target_count = 1, .http = &lists};

	taken(&r, "allow@x.com (http)");
	r.http = &presets;
	taken(&r, "allow@x.com:http=git-fetch-only");
	r.ports = port;
	r.port_count = 1;
	taken(&r, "allow@x.com:tcp:443:http=git-fetch-only");
	r.protocols = tcp;
	r.protocol_count = 1;
	r.strict = true;
	taken(&r, "allow@x.com:tcp:443:http=git-fetch-only (strict)");
}

/* HTTP/3 would carry requests past such a rule. */
static void the_rule_is_for_tcp_alone(void **state)
{
	struct error err = {0};
	struct policy *p = make(TOKEN("allow@198.51.100.7:http=git-fetch-only"), &err);
	struct policy_env env = {0};
	struct policy_facts f = {.proto = POLICY_TCP, .port = 443, .seen = POLICY_NAME_NONE};

	assert_true(ipaddr_parse("198.51.100.7", &f.remote));
	assert_int_equal(policy_decide(p, &env, &f).answer, POLICY_ALLOW);
	f.proto = POLICY_UDP;
	assert_int_equal(policy_decide(p, &env, &f).answer, POLICY_DENY);
	policy_free(p);
}

static void wrong_rules_are_told(void **state)
{
	static const char *const udp[] = {"tcp", "udp"}, *const lower[] = {"get"};
	const struct http_rule_source lists = {.methods = lower, .method_count = 1};
	const struct http_rule_source good = {.methods = get, .method_count = 2}, none = {0};
	struct policy_rule_source r = {.action = "allow",
				       .targets = x_com,
				       .target_count = 1,
				       .http = &lists,
				       .where = "f:1: rules[0]"};

	refused(&r, "f:1: rules[0].http.methods \"get\": the case of methods counts; expected "
		    "capitals, such as GET");
	r.http = &none;
	refused(&r,
		"f:1: rules[0].http: it says nothing; expected methods, hosts, paths, deny_paths "
		"or presets");
	r.http = &good;
	r.protocols = udp;
	r.protocol_count = 2;
	refused(&r, "f:1: rules[0].protocols: requests are judged over TCP alone; expected tcp");
	r.protocol_count = 0;
	r.action = "deny";
	refused(&r, "f:1: rules[0].http: it is for rules that allow; what they do not allow is "
		    "denied");
	refused(TOKEN("allow@x.com:http=npm"),
		"rule \"allow@x.com:http=npm\": http.presets \"npm\": expected git-fetch-only, "
		"github-read-only, llm-api, npm-install or pypi-install");
	refused(TOKEN("allow@x.com:http="), "rule \"allow@x.com:http=\": http \"\": expected names "
					    "of presets, such as github-read-only");
	refused(TOKEN("allow:ingress@any:http=npm-install"),
		"rule \"allow:ingress@any:http=npm-install\": http: it is for egress only");
	refused(TOKEN("allow@dns:tcp:http=npm-install"),
		"rule \"allow@dns:tcp:http=npm-install\": http: the target \"dns\" is no HTTP");
	refused(TOKEN("allow@x.com:udp:443:http=npm-install"),
		"rule \"allow@x.com:udp:443:http=npm-install\": protocol: requests are judged over "
		"TCP alone; expected tcp");
	refused(TOKEN("deny@x.com:http=npm-install"),
		"rule \"deny@x.com:http=npm-install\": http: it is for rules that allow; what they "
		"do not allow is denied");
}

static int count_name(void *arg, const char *rule_text, const struct name_pattern *name)
{
	size_t *n = arg;

	if (*n == 0)
		assert_true(name->below && name->self && strcmp(name->name.s, "x.com") == 0);
	++*n;
	return 0;
}

static void names_of_such_rules_are_listed(void **state)
{
	static const char *const rules[] = {"allow@a.com", "allow@.x.com,y.com:http=npm-install"};
	struct policy_source src = {
		.rules = rules, .rule_count = 2, .default_egress = -1, .default_ingress = -1};
	struct error err = {0};
	struct policy *p = policy_new(&src, &err);
	size_t n = 0;

	assert_non_null(p);
	assert_int_equal(policy_each_http_name(p, count_name, &n), 0);
	assert_int_equal(n, 2);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_name_presets),
		cmocka_unit_test(lists_are_said_to_be_there),
		cmocka_unit_test(the_rule_is_for_tcp_alone),
		cmocka_unit_test(wrong_rules_are_told),
		cmocka_unit_test(names_of_such_rules_are_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
