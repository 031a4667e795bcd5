// SPDX-License-Identifier: Apache-2.0
/*
 * Secrets and interception: what a configuration says of them, and what it must not say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pattern.h"
#include "conf/rig.h"

#define SECRET(rest) "secrets: {secrets: [{" rest "}]}"

static void a_secret_has_defaults(void **state)
{
	struct config c;

	taken(SECRET("env_var: TOKEN, allowed_hosts: [api.example.com]"), &c);
	assert_int_equal(c.secrets.count, 1);
	const struct config_secret *s = &c.secrets.list[0];
	assert_string_equal(s->env_var, "TOKEN");
	assert_int_equal(s->source, CONFIG_SECRET_ENV);
	assert_string_equal(s->from, "TOKEN");
	assert_int_equal(s->expiry_us, 0);
	assert_null(s->placeholder);
	assert_null(s->format);
	assert_int_equal(s->hosts.n, 1);
	assert_true(s->injection.headers && s->injection.basic_auth);
	assert_false(s->injection.query_params || s->injection.body || s->injection.path ||
		     s->injection.websocket);
	assert_int_equal(s->on_violation, CONFIG_VIOLATION_UNSET);
	assert_true(s->require_tls_identity);
	assert_false(s->require || s->capture);
	assert_int_equal(s->signer, CONFIG_SIGNER_NONE);
	assert_string_equal(s->where, "f:1: secrets.secrets[0]");
	assert_int_equal(c.secrets.on_violation, CONFIG_VIOLATION_BLOCK_AND_LOG);
	assert_true(config_intercepts(&c));
	config_done(&c);
}

static void every_key_of_a_secret_sets_its_field(void **state)
{
	struct config c;

	taken("secrets:\n"
	      "  secrets:\n"
	      "  - env_var: A\n"
	      "    command: pass show a\n"
	      "    expiry: 10m\n"
	      "    format: ghp_XXXXXXXXXXXXXXXXXXXX\n"
	      "    allowed_hosts: [a.example.com, {wildcard: '*.b.example.com'}, {Exact: c.d}, any]\n"
	      "    passthrough_hosts: [log.example.com]\n"
	      "    injection: {headers: false, basic_auth: false, query_params: true, body: true,\n"
	      "                path: true, websocket: true}\n"
	      "    on_violation: block\n"
	      "    require_tls_identity: false\n"
	      "    require: true\n"
	      "    capture: true\n"
	      "    signer: {type: oauth2-client-credentials, token_url: 'https://id.example.com/t',\n"
	      "             scope: a b}\n"
	      "  - {env: B, allowed_hosts: [b.example.com], placeholder: $MSB_B_TOKEN}\n"
	      "  - {env_var: C, file: /run/c, expiry: 60, allowed_hosts: [c.example.com],\n"
	      "     signer: {type: hmac, header: X-Signature}}\n"
	      "  - {env_var: D, env: HOST_D, allowed_hosts: [d.example.com],\n"
	      "     signer: {type: github-app, token_url: 'https://api.github.com/x', app_id: '7'}}\n"
	      "  - {env_var: E, allowed_hosts: [e.example.com], signer: {type: sigv4}}\n",
	      &c);
	assert_int_equal(c.secrets.count, 5);
	const struct config_secret *s = c.secrets.list;
	assert_int_equal(s->source, CONFIG_SECRET_COMMAND);
	assert_string_equal(s->from, "pass show a");
	assert_int_equal(s->expiry_us, 600 * 1000 * 1000);
	assert_string_equal(s->format, "ghp_XXXXXXXXXXXXXXXXXXXX");
	assert_int_equal(s->hosts.n, 4);
	assert_string_equal(s->hosts.v[1], "*.b.example.com");
	assert_string_equal(s->hosts.v[2], "c.d");
	assert_string_equal(s->hosts.v[3], "any");
	assert_int_equal(s->passthrough.n, 1);
	assert_false(s->injection.headers || s->injection.basic_auth);
	assert_true(s->injection.query_params && s->injection.body && s->injection.path &&
		    s->injection.websocket);
	assert_int_equal(s->on_violation, CONFIG_VIOLATION_BLOCK);
	assert_false(s->require_tls_identity);
	assert_true(s->require && s->capture);
	assert_int_equal(s->signer, CONFIG_SIGNER_CLIENT);
	assert_string_equal(s->token_url, "https://id.example.com/t");
	assert_string_equal(s->scope, "a b");
	assert_string_equal(s[1].env_var, "B");
	assert_string_equal(s[1].from, "B");
	assert_string_equal(s[1].placeholder, "$MSB_B_TOKEN");
	assert_int_equal(s[2].source, CONFIG_SECRET_FILE);
	assert_int_equal(s[2].expiry_us, 60 * 1000 * 1000);
	assert_string_equal(s[2].header, "X-Signature");
	assert_string_equal(s[2].algorithm, "sha256");
	assert_string_equal(s[3].from, "HOST_D");
	assert_string_equal(s[3].app_id, "7");
	assert_int_equal(s[4].signer, CONFIG_SIGNER_SIGV4);
	config_done(&c);
}

/* As other programs write the same keys. */
static void other_spellings_load(void **state)
{
	struct config c;

	taken("{\"secrets\": {\"secrets\": [{\"env_var\": \"K\", \"value\": \"\", \"placeholder\": "
	      "\"$MSB_K_1\", \"allowed_hosts\": [{\"Exact\": \"a.example.com\"}, \"Any\"], "
	      "\"injection\": {\"headers\": true, \"basic_auth\": true, \"query_params\": false, "
	      "\"body\": false}, \"on_violation\": {\"passthrough\": [\"any\"]}, "
	      "\"require_tls_identity\": true}, {\"env_var\": \"L\", \"allowed_hosts\": "
	      "[{\"exact\": \"b.example.com\"}], \"on_violation\": \"BlockAndTerminate\"}, "
	      "{\"env_var\": \"M\", \"allowed_hosts\": [\"c.example.com\"]}], "
	      "\"on_violation\": {\"Passthrough\": [{\"exact\": \"log.example.com\"}]}}}",
	      &c);
	const struct config_secret *s = c.secrets.list;
	assert_string_equal(s[0].hosts.v[1], "any");
	assert_int_equal(s[0].passthrough.n, 1);
	assert_string_equal(s[0].passthrough.v[0], "any");
	assert_int_equal(s[0].on_violation, CONFIG_VIOLATION_BLOCK_AND_LOG);
	assert_int_equal(s[1].on_violation, CONFIG_VIOLATION_BLOCK_AND_TERMINATE);
	assert_int_equal(s[1].passthrough.n, 0);
	assert_int_equal(s[2].passthrough.n, 1);
	assert_string_equal(s[2].passthrough.v[0], "log.example.com");
	config_done(&c);
}

static void a_value_does_not_stand_in_a_file(void **state)
{
	struct error err = {0};
	struct config c;

	assert_int_equal(apply(TREE_YAML,
			       SECRET("env_var: K, value: hunter2hunter2, allowed_hosts: [a.b]"),
			       &c, &err),
			 -1);
	assert_null(strstr(err.msg, "hunter2"));
	assert_string_equal(
		err.msg, "f:1: secrets.secrets[0].value: a value does not stand in a file, where "
			 "whoever reads it has it; expected env, file or command, which say where "
			 "it is");
	config_done(&c);
}

static void a_wrong_secret_is_an_error(void **state)
{
	refused(SECRET("env_var: K"), "f:1: secrets.secrets[0]: it has no hosts; expected "
				      "allowed_hosts, the hosts that may have it");
	refused(SECRET("env_var: K, allowed_hosts: []"),
		"f:1: secrets.secrets[0]: it has no hosts; expected allowed_hosts, the hosts that "
		"may have it");
	refused(SECRET("allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: the key env_var is missing");
	refused(SECRET("env_var: 'A=B', allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0].env_var: expected the name of an environment variable, such "
		"as API_TOKEN, found 'A=B'");
	refused(SECRET("env_var: K, allowed_hosts: ['*']"),
		"f:1: secrets.secrets[0].allowed_hosts[0]: expected any, which is how every host is "
		"written, found '*'");
	refused(SECRET("env_var: K, allowed_hosts: ['*.com']"),
		"f:1: secrets.secrets[0].allowed_hosts[0]: expected a narrower pattern: anyone can "
		"have a name below \"com\", found '*.com'; any stands for every host");
	refused(SECRET("env_var: K, allowed_hosts: ['.github.io']"),
		"f:1: secrets.secrets[0].allowed_hosts[0]: expected a narrower pattern: anyone can "
		"have a name below \"github.io\", found '.github.io'; any stands for every host");
	refused(SECRET("env_var: K, allowed_hosts: ['a.*.com']"),
		"f:1: secrets.secrets[0].allowed_hosts[0]: expected a host such as example.com, "
		"*.example.com or .example.com, found 'a.*.com'; a wildcard stands only in front, "
		"for whole labels");
	refused(SECRET("env_var: K, allowed_hosts: [192.0.2.1]"),
		"f:1: secrets.secrets[0].allowed_hosts[0]: expected a host such as example.com, "
		"*.example.com or .example.com, found '192.0.2.1'; it reads as an IP address");
	refused(SECRET("env_var: K, env: A, file: b, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: env and file: expected one of them");
	refused(SECRET("env_var: K, placeholder: short, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: placeholder: expected 8 to 1024 characters");
	refused(SECRET("env_var: K, placeholder: 'with a blank', allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: placeholder: expected printable ASCII without blanks, "
		"quotes, backslashes and percent signs");
	refused(SECRET("env_var: K, format: ghp_XXXXXXX, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: format: expected 16 or more X, each of which becomes a "
		"random character");
	refused(SECRET("env_var: K, format: XXXXXXXXXXXXXXXX, placeholder: aaaaaaaa, allowed_hosts: "
		       "[a.b]"),
		"f:1: secrets.secrets[0]: placeholder and format: expected one of them");
	refused(SECRET("env_var: K, expiry: 1m, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: expiry: it is for values from a file or a command");
	refused(SECRET("env_var: K, file: a, expiry: 1ms, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0].expiry: expected 1s or more, or 0 for never, found '1ms'");
	refused(SECRET("env_var: K, on_violation: blok, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0].on_violation: expected block, block-and-log or "
		"block-and-terminate, found 'blok'; did you mean 'block'?");
	refused(SECRET("env_var: K, injection: {bod: true}, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0].injection.bod: no such key; did you mean 'body'?");
	refused(SECRET("env_var: K, signer: {type: hmac}, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: signer: hmac needs the key header");
	refused(SECRET("env_var: K, signer: {type: github-app, token_url: 'https://x/'}, "
		       "allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: signer: github-app needs the key app_id");
	refused(SECRET("env_var: K, signer: {type: oauth2-refresh-token}, allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: signer: this type needs the key token_url");
	refused(SECRET("env_var: K, signer: {type: oauth2-refresh-token, token_url: 'http://x/'}, "
		       "allowed_hosts: [a.b]"),
		"f:1: secrets.secrets[0]: signer.token_url: expected an address that begins with "
		"https://");
	refused("secrets: {secrets: [{env_var: K, allowed_hosts: [a.b]},\n"
		"{env_var: K, allowed_hosts: [c.d]}]}",
		"f:2: secrets.secrets[1]: K is a secret already: f:1: secrets.secrets[0]");
	refused("secrets: {secrets: [{env_var: K, allowed_hosts: [a.b], placeholder: abcdefgh},\n"
		"{env_var: L, allowed_hosts: [c.d], placeholder: abcdefgh}]}",
		"f:2: secrets.secrets[1]: its placeholder is that of f:1: secrets.secrets[0], too");
}

static void interception_that_cannot_be_is_an_error(void **state)
{
	refused("tls: {bypass: ['*.com']}",
		"f:1: tls.bypass[0]: expected a narrower pattern: anyone can have a name below "
		"\"com\", found '*.com'");
	refused("tls: {bypass: [any]}", "f:1: tls.bypass[0]: expected a host such as example.com, "
					"found 'any'; any is too wide here");
	refused("tls: {intercepted_ports: []}",
		"f:1: tls.intercepted_ports: the list is empty; expected a port");
	refused("tls: {intercepted_ports: [0]}",
		"f:1: tls.intercepted_ports[0]: expected a number from 1 to 65535, found 0");
	refused("tls: {intercept_ca: {cert_path: a}}",
		"f: tls.intercept_ca: key_path is missing; expected a certificate and its key, or "
		"neither");
	refused("tls: {scoped_verify_upstream: [{host: a.b}]}",
		"f:1: tls.scoped_verify_upstream[0]: the key verify is missing");
	refused("tls: {scoped_verify_upstream: [{verify: true}]}",
		"f:1: tls.scoped_verify_upstream[0]: the key host is missing");
	refused("tls: {scoped_upstream_ca_cert: [{host: a.b, pattern: a.b, path: c}]}",
		"f:1: tls.scoped_upstream_ca_cert[0]: the key host is there twice, as host and as "
		"pattern");
	refused("tls: {bypass: [.example.com]}\nsecrets: {secrets: [{env_var: K, allowed_hosts: "
		"[x.org, '*.api.example.com']}]}",
		"f:2: secrets.secrets[0]: the host *.api.example.com is bypassed (tls.bypass: "
		".example.com), so that the secret could not reach it");
}

static void a_bypass_may_be_an_exception(void **state)
{
	struct config c;

	taken("tls: {bypass: [big.example.com]}\n"
	      "secrets: {secrets: [{env_var: K, allowed_hosts: ['*.example.com']}]}",
	      &c);
	config_done(&c);
	taken("tls: {bypass: [big.example.com]}\n"
	      "secrets: {secrets: [{env_var: K, allowed_hosts: [any]}]}",
	      &c);
	config_done(&c);
}

static void nothing_is_intercepted_unasked(void **state)
{
	struct config c;

	taken("tls: {bypass: [a.b], verify_upstream: false}", &c);
	assert_false(config_intercepts(&c));
	config_done(&c);
	taken("tls: {enabled: true}", &c);
	assert_true(config_intercepts(&c));
	config_done(&c);
}

/* The policy that the file makes, held against its bypass list. */
static int check_http(const char *text, struct error *err)
{
	struct config c;

	taken(text, &c);
	assert_true(config_intercepts(&c));
	struct policy_source src = config_policy_source(&c);
	struct policy *p = policy_new(&src, err);
	if (!p)
		fail_msg("%s", err->msg);
	int rc = config_check_http(&c, p, err);
	policy_free(p);
	config_done(&c);
	return rc;
}

static void a_bypass_leaves_no_hole_in_a_rule(void **state)
{
	struct error err = {0};

	assert_int_equal(check_http("policy: {rules: [{destination: .example.com, action: allow, "
				    "http: {methods: [GET], paths: [/a/**], deny_paths: [/a/b], "
				    "hosts: [x.example.com], presets: [git-fetch-only]}}]}\n"
				    "tls: {bypass: [x.example.com]}",
				    &err),
			 -1);
	assert_string_equal(err.msg,
			    "rule \"allow@.example.com (http)\": its requests could not be "
			    "judged, since x.example.com is bypassed (tls.bypass)");
	assert_int_equal(check_http("policy: {rules: [allow@example.com:http=npm-install]}\n"
				    "tls: {bypass: [x.example.com]}",
				    &err),
			 0);
}

static void wrong_rules_for_requests_are_told(void **state)
{
	refused("policy: {rules: [{destination: a.b, action: allow, http: {methd: [GET]}}]}",
		"f:1: policy.rules[0].http.methd: no such key; did you mean 'methods'?");
	refused("policy: {rules: [{destination: a.b, action: allow, http: {methods: []}}]}",
		"f:1: policy.rules[0].http.methods: the list is empty; expected an item");
	refused("policy: {rules: [{destination: a.b, action: allow, http: {methods: [1]}}]}",
		"f:1: policy.rules[0].http.methods[0]: expected a string, found 1");
	refused("policy: {rules: [{destination: a.b, action: allow, http: {paths: null}}]}",
		"f:1: policy.rules[0].http.paths: expected a value, found null");
	refused("policy: {rules: [{destination: a.b, action: allow, http: GET}]}",
		"f:1: policy.rules[0].http: expected an object, found 'GET'");
	refused("policy: {rules: [{destination: a.b, action: allow, http: []}]}",
		"f:1: policy.rules[0].http: expected 1 to 64 objects, found 0");
	refused("policy: {rules: [{destination: a.b, action: allow, http: [{methods: [GET]}, "
		"{path: [/]}]}]}",
		"f:1: policy.rules[0].http[1].path: no such key; did you mean 'paths'?");
}

static void alternatives_of_a_rule_are_a_list(void **state)
{
	struct error err = {0};

	assert_int_equal(check_http("policy: {rules: [{destination: a.b, action: allow, http: "
				    "[{methods: [GET]}, {methods: [POST], paths: [/x]}]}]}",
				    &err),
			 0);
}

static void an_option_is_a_secret(void **state)
{
	struct error err = {0};
	struct config c;

	config_init(&c);
	assert_int_equal(config_add_secret(&c, "TOKEN@api.example.com,*.x.example.com", &err), 0);
	assert_string_equal(c.secrets.list[0].env_var, "TOKEN");
	assert_string_equal(c.secrets.list[0].from, "TOKEN");
	assert_string_equal(c.secrets.list[0].hosts.v[1], "*.x.example.com");
	assert_string_equal(c.secrets.list[0].where,
			    "--secret TOKEN@api.example.com,*.x.example.com");
	assert_true(c.secrets.list[0].require_tls_identity);
	static const char *const bad[] = {"",       "TOKEN",      "@a.b", "T=@a.b",  "T@",
					  "T@a.b,", "T@a.b,,c.d", "T@*",  "T@*.org", "T@a b"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.msg[0] = '\0';
		if (config_add_secret(&c, bad[i], &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(strncmp(err.msg, "expected", 8), 0);
	}
	assert_int_equal(c.secrets.count, 1);
	assert_int_equal(config_add_secret(&c, "TOKEN@c.d", &err), 0);
	assert_int_equal(config_check_interception(&c, &err), -1);
	assert_string_equal(err.msg, "--secret TOKEN@c.d: TOKEN is a secret already: --secret "
				     "TOKEN@api.example.com,*.x.example.com");
	config_done(&c);
}

/* ---- patterns -------------------------------------------------------------------------------- */

static struct name_pattern pattern(const char *text)
{
	struct name_pattern p;
	struct error err;

	if (pattern_read(text, &p, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return p;
}

static void patterns_cover_and_meet(void **state)
{
	static const struct {
		const char *a, *b;
		bool covers, meets;
	} rows[] = {
		{"a.com", "a.com", true, true},       {"a.com", "A.COM.", true, true},
		{"a.com", "b.a.com", false, false},   {"*.a.com", "a.com", false, false},
		{".a.com", "a.com", true, true},      {"*.a.com", "b.a.com", true, true},
		{"*.a.com", "c.b.a.com", true, true}, {"*.a.com", "ba.com", false, false},
		{"*.a.com", "*.a.com", true, true},   {"*.a.com", ".a.com", false, true},
		{".a.com", "*.a.com", true, true},    {"*.a.com", "*.b.a.com", true, true},
		{"*.a.com", ".b.a.com", true, true},  {"*.b.a.com", "*.a.com", false, true},
		{"b.a.com", "*.a.com", false, true},  {"any", "*.a.com", true, true},
		{"any", "any", true, true},           {"*.a.com", "any", false, true},
		{"*.a.com", "*.b.com", false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct name_pattern a = pattern(rows[i].a), b = pattern(rows[i].b);
		if (pattern_covers(&a, &b) != rows[i].covers)
			fail_msg("%s covers %s", rows[i].a, rows[i].b);
		if (pattern_meets(&a, &b) != rows[i].meets ||
		    pattern_meets(&b, &a) != rows[i].meets)
			fail_msg("%s meets %s", rows[i].a, rows[i].b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_has_defaults),
		cmocka_unit_test(every_key_of_a_secret_sets_its_field),
		cmocka_unit_test(other_spellings_load),
		cmocka_unit_test(a_value_does_not_stand_in_a_file),
		cmocka_unit_test(a_wrong_secret_is_an_error),
		cmocka_unit_test(interception_that_cannot_be_is_an_error),
		cmocka_unit_test(a_bypass_may_be_an_exception),
		cmocka_unit_test(nothing_is_intercepted_unasked),
		cmocka_unit_test(a_bypass_leaves_no_hole_in_a_rule),
		cmocka_unit_test(wrong_rules_for_requests_are_told),
		cmocka_unit_test(alternatives_of_a_rule_are_a_list),
		cmocka_unit_test(an_option_is_a_secret),
		cmocka_unit_test(patterns_cover_and_meet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
