// SPDX-License-Identifier: Apache-2.0
/*
 * What may differ between the configuration that runs and the one that is to replace it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/reload.h"
#include "conf/schema.h"

static void make(const char *text, struct config *ret)
{
	struct error err = {0};
	struct tree *t = tree_parse("weir.yaml", TREE_YAML, text, strlen(text), &err);

	config_init(ret);
	if (!t || schema_apply(t, ret, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	tree_free(t);
	ret->path = strdup("weir.yaml");
}

/* The key that is refused; NULL: the second replaces the first. */
static void replaces(const char *before, const char *after, const char *key)
{
	struct config a, b;
	struct error err = {0};
	char want[128];

	make(before, &a);
	make(after, &b);
	int rc = config_reload_check(&a, &b, &err);
	if ((rc < 0) != (key != NULL))
		fail_msg("%s -> %s: %d %s", before, after, rc, err.msg);
	if (key) {
		snprintf(want, sizeof(want),
			 "weir.yaml: %s: it cannot change while the gateway runs; start it anew",
			 key);
		assert_string_equal(err.msg, want);
	}
	config_done(&a);
	config_done(&b);
}

static void what_the_gateway_was_built_with_stays(void **state)
{
	static const struct {
		const char *section, *key, *value;
	} rows[] = {
		{"interface", "mac", "02:00:00:00:00:07"},
		{"interface", "mtu", "1400"},
		{"interface", "ipv4_address", "10.0.0.2"},
		{"interface", "ipv6_address", "'fd00::2'"},
		{"interface", "ipv4_pool", "10.0.0.0/8"},
		{"interface", "ipv4_pool", "172.16.0.0/13"},
		{"interface", "ipv6_pool", "'fd42:6d73:62::/49'"},
		{"limits", "max_connections", "1"},
		{"limits", "udp_sessions", "1"},
		{"limits", "icmp_sessions", "1"},
		{"limits", "half_open", "1"},
		{"limits", "fragment_sets", "1"},
		{"limits", "tcp_queue", "1M"},
		{"limits", "tcp_queue_total", "1M"},
		{"limits", "tcp_keepalive", "1h"},
		{"tls", "keylog", "a"},
		{"tls.cache", "capacity", "1"},
		{"tls.cache", "validity_hours", "1"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char doc[128], path[64];
		const char *below = strchr(rows[i].section, '.');
		if (below)
			snprintf(doc, sizeof(doc), "tls: {%s: {%s: %s}}", below + 1, rows[i].key,
				 rows[i].value);
		else
			snprintf(doc, sizeof(doc), "%s: {%s: %s}", rows[i].section, rows[i].key,
				 rows[i].value);
		snprintf(path, sizeof(path), "%s.%s", rows[i].section, rows[i].key);
		replaces("{}", doc, path);
		replaces(doc, "{}", path);
		replaces(doc, doc, NULL);
	}
}

/* Every key of these sections was thought of. */
static void no_key_of_interface_and_limits_is_forgotten(void **state)
{
	size_t n = 0;

	for (const struct schema_key *k = schema_keys; k->path; k++)
		n += strncmp(k->path, "interface.", 10) == 0 || strncmp(k->path, "limits.", 7) == 0;
	assert_int_equal(n, 14 + 2); /* limits.budget may change */
}

static void interception_changes_where_there_is_some(void **state)
{
	static const char secret[] = "secrets: {secrets: [{env_var: A, allowed_hosts: [a.b]}]}";

	replaces(secret,
		 "secrets: {secrets: [{env_var: A, allowed_hosts: [c.d]}, {env_var: B, "
		 "allowed_hosts: [a.b]}], on_violation: block}\n"
		 "tls: {enabled: true, intercepted_ports: [8443], bypass: [x.y], verify_upstream: "
		 "false, block_quic_on_intercept: false, upstream_ca_cert: [a], "
		 "scoped_upstream_ca_cert: [{host: a.b, path: c}], scoped_verify_upstream: [{host: "
		 "a.b, verify: true}], client_certs: [{host: a.b, cert_path: c, key_path: d}]}",
		 NULL);
	replaces(secret, "{}", NULL);
	replaces("trust_host_cas: true", "{}", "trust_host_cas");
	static const char ca[] = "tls: {intercept_ca: {cert_path: a, key_path: b}}";
	replaces(ca, ca, NULL);
	replaces(ca, "{}", "tls.intercept_ca.cert_path");
	replaces("{}", ca, "tls.intercept_ca.cert_path");
	replaces(ca, "tls: {intercept_ca: {cert_path: a, key_path: c}}",
		 "tls.intercept_ca.key_path");
}

static void interception_does_not_begin_late(void **state)
{
	static const char *const begin[] = {
		"secrets: {secrets: [{env_var: A, allowed_hosts: [a.b]}]}",
		"tls: {enabled: true}",
		"policy: {rules: [allow@a.b:http=npm-install]}",
		"policy: {rules: [{destination: a.b, action: allow, http: {methods: [GET]}}]}",
	};

	for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++) {
		struct config a, b;
		struct error err = {0};
		make("{}", &a);
		make(begin[i], &b);
		assert_int_equal(config_reload_check(&a, &b, &err), -1);
		assert_non_null(strstr(err.msg, "weir.yaml: nothing was looked into when"));
		assert_int_equal(config_reload_check(&b, &a, &err), 0);
		assert_int_equal(config_reload_check(&b, &b, &err), 0);
		config_done(&a);
		config_done(&b);
	}
}

static void published_ports_stay(void **state)
{
	static const char one[] = "ports: [\"8080:80\"]";

	replaces(one, one, NULL);
	replaces(one, "ports: [{host_port: 8080, guest_port: 80}]", NULL);
	replaces(one, "{}", "ports");
	replaces("{}", one, "ports");
	replaces(one, "ports: [\"8080:81\"]", "ports");
	replaces(one, "ports: [\"8081:80\"]", "ports");
	replaces(one, "ports: [\"8080:80/udp\"]", "ports");
	replaces(one, "ports: [\"0.0.0.0:8080:80\"]", "ports");
	replaces("ports: [\"8080-8081:80-81\"]", "ports: [\"8080-8082:80-82\"]", "ports");
}

static void policy_dns_and_budgets_may_change(void **state)
{
	replaces("{}",
		 "policy: {rules: [deny@any], default_egress: allow, default_ingress: deny, "
		 "net: none, deny_style: icmp}\n"
		 "dns: {rebind_protection: false, rebind_allow: [10.0.0.0/8], nameservers: "
		 "[192.0.2.1], query_timeout_ms: 1s, target: gateway, deny_rcode: refused, cache: "
		 "false, cache_bytes: 64k, records: [{name: a, address: 10.0.0.1}], host_aliases: "
		 "[a], forward_special: [local], rate: 1, budget: {names: 1, bytes: 1}}\n"
		 "limits: {budget: {bytes_out: 1, bytes_out_each: 1}}\n"
		 "tls: {allow_ech: true}\n",
		 NULL);
}

static void only_a_file_can_be_read_again(void **state)
{
	char dir[] = "/tmp/weir-reload-test.XXXXXX", path[64];
	struct config c = {0};
	struct error err = {0};

	assert_false(config_reload_possible(&c, &err));
	assert_string_equal(err.msg, "there is no file to read again: --config was not given");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/weir.yaml", dir);
	c.path = path;
	assert_false(config_reload_possible(&c, &err));
	assert_non_null(strstr(err.msg, "/weir.yaml: No such file or directory"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(config_reload_possible(&c, &err));
	assert_non_null(strstr(err.msg, "it cannot be read again: it is no regular file"));
	unlink(path);
	fclose(fopen(path, "w"));
	assert_true(config_reload_possible(&c, &err));
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_gateway_was_built_with_stays),
		cmocka_unit_test(no_key_of_interface_and_limits_is_forgotten),
		cmocka_unit_test(interception_changes_where_there_is_some),
		cmocka_unit_test(interception_does_not_begin_late),
		cmocka_unit_test(published_ports_stay),
		cmocka_unit_test(policy_dns_and_budgets_may_change),
		cmocka_unit_test(only_a_file_can_be_read_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
