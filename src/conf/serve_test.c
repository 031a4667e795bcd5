// SPDX-License-Identifier: Apache-2.0
/* Tests of links as text, and of the sandboxes of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "conf/schema.h"

static struct config_serve parsed(enum config_serve_kind kind, const char *text)
{
	struct config_serve s;
	struct error err = {0};

	if (config_parse_serve(kind, text, &s, &err) < 0)
		fail_msg("'%s': %s", text, err.msg);
	return s;
}

static void link_wrong(enum config_serve_kind kind, const char *text, const char *why)
{
	struct config_serve s;
	struct error err = {0};

	if (config_parse_serve(kind, text, &s, &err) == 0)
		fail_msg("'%s' was taken", text);
	if (!strstr(err.msg, why))
		fail_msg("'%s': '%s' does not say '%s'", text, err.msg, why);
}

static void a_link_has_a_value_and_words(void **state)
{
	struct config_serve s = parsed(CONFIG_SERVE_STREAM, "/run/a.sock");

	assert_string_equal(s.name, "/run/a.sock");
	assert_true(s.fd == -1 && !s.client && s.offload == CONFIG_OFFLOAD_NONE && s.mode == 0);
	free(s.name);
	s = parsed(CONFIG_SERVE_STREAM, "b.sock,client,offload=libkrun");
	assert_string_equal(s.name, "b.sock");
	assert_true(s.client && s.offload == CONFIG_OFFLOAD_LIBKRUN);
	free(s.name);
	s = parsed(CONFIG_SERVE_DGRAM, "c,mode=0660,offload=vnet");
	assert_true(s.mode == 0660 && s.offload == CONFIG_OFFLOAD_VNET);
	free(s.name);
	s = parsed(CONFIG_SERVE_FD, "7,dgram,offload=vnet");
	assert_true(s.fd == 7 && s.kind == CONFIG_SERVE_DGRAM);
	free(s.name);
	s = parsed(CONFIG_SERVE_FD, "vm-1");
	assert_true(s.fd == -1 && s.kind == CONFIG_SERVE_FD);
	assert_string_equal(s.name, "vm-1");
	free(s.name);
	s = parsed(CONFIG_SERVE_TAP, "fifteen-letters");
	free(s.name);
}

static void what_makes_no_sense_is_refused(void **state)
{
	link_wrong(CONFIG_SERVE_STREAM, "", "path of a socket");
	link_wrong(CONFIG_SERVE_STREAM, ",client", "path of a socket");
	link_wrong(CONFIG_SERVE_STREAM, "a,", "behind the comma");
	link_wrong(CONFIG_SERVE_STREAM, "a,Client", "behind the comma");
	link_wrong(CONFIG_SERVE_STREAM, "a,dgram", "behind the comma");
	link_wrong(CONFIG_SERVE_STREAM, "a,offload=", "offload=");
	link_wrong(CONFIG_SERVE_DGRAM, "a,client", "stream and vhost-user only");
	link_wrong(CONFIG_SERVE_VHOST_USER, "a,mode=0660", "not for vhost-user");
	link_wrong(CONFIG_SERVE_VHOST_USER, "a,offload=none", "not for vhost-user");
	link_wrong(CONFIG_SERVE_STREAM, "a,mode=", "octal");
	link_wrong(CONFIG_SERVE_STREAM, "a,mode=0888", "octal");
	link_wrong(CONFIG_SERVE_STREAM, "a,mode=01000", "octal");
	link_wrong(CONFIG_SERVE_STREAM, "a,mode=-1", "octal");
	link_wrong(CONFIG_SERVE_TAP, "sixteen-letters-", "network interface");
	link_wrong(CONFIG_SERVE_TAP, "tap%d", "network interface");
	link_wrong(CONFIG_SERVE_TAP, "a/b", "network interface");
	link_wrong(CONFIG_SERVE_FD, "2", "3 or above");
	link_wrong(CONFIG_SERVE_FD, "99999999999", "3 or above");
	link_wrong(CONFIG_SERVE_FD, "", "number of an open file");
	link_wrong(CONFIG_SERVE_FD, "3,client", "behind the comma");
	link_wrong(CONFIG_SERVE_FD, "3,fd", "behind the comma");
}

static void links_of_a_file_say_their_kind(void **state)
{
	struct config_serve s, t;
	struct error err;

	assert_int_equal(config_parse_link("vhost-user:/run/x,client", &s, &err), 0);
	assert_true(s.kind == CONFIG_SERVE_VHOST_USER && s.client);
	assert_int_equal(config_parse_link("stream:/run/x", &t, &err), 0);
	assert_true(config_serve_same(&s, &t));
	free(t.name);
	assert_int_equal(config_parse_link("tap:x", &t, &err), 0);
	assert_false(config_serve_same(&s, &t));
	free(t.name);
	free(s.name);
	assert_int_equal(config_parse_link("/run/x", &s, &err), -1);
	assert_int_equal(config_parse_link("stream", &s, &err), -1);
	assert_int_equal(config_parse_link("str:x", &s, &err), -1);
}

/* Sandbox `index` of a document. */
static int load(const char *text, size_t index, struct config *c, struct error *err)
{
	struct tree *t = tree_parse("f", TREE_YAML, text, strlen(text), err);

	assert_non_null(t);
	config_init(c);
	int r = config_load_sandbox(c, t, index, err);
	tree_free(t);
	return r;
}

static const char two[] = "interface: {mtu: 1400, ipv4_pool: 10.0.0.0/8}\n"
			  "policy:\n"
			  "  default_egress: deny\n"
			  "  rules: [allow@192.0.2.1]\n"
			  "dns: {nameservers: [192.0.2.53], cache: false}\n"
			  "ports: ['8080:80']\n"
			  "limits: {max_connections: 7}\n"
			  "sandboxes:\n"
			  "  - {name: a, link: 'stream:/a'}\n"
			  "  - link: 'tap:b'\n"
			  "    slot: 9\n"
			  "    interface: {mtu: 9000}\n"
			  "    policy: {rules: [allow@192.0.2.2, allow@192.0.2.3], net: none}\n"
			  "    dns: {nameservers: [192.0.2.54]}\n"
			  "    ports: []\n"
			  "    events: /e\n"
			  "    pcap: /p\n";

static void a_sandbox_has_what_the_top_level_says(void **state)
{
	struct config c;
	struct error err = {0};

	if (load(two, 0, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c.name, "a");
	assert_int_equal(c.own_slot, -1);
	assert_true(c.serve_count == 1 && c.serve[0].kind == CONFIG_SERVE_STREAM);
	assert_true(c.mtu == 1400 && c.ipv4_pool_bits == 8 && c.max_connections == 7);
	assert_true(c.file_rule_count == 1 && c.publish_count == 1 && !c.net);
	assert_true(c.dns_upstream_count == 1 && c.dns_upstream[0].addr.b[3] == 53);
	assert_false(c.dns_cache);
	assert_int_equal(c.sandbox_count, 2);
	config_done(&c);
}

static void and_what_it_says_itself_in_place_of_that(void **state)
{
	struct config c;
	struct error err = {0};

	if (load(two, 1, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_null(c.name);
	assert_int_equal(c.own_slot, 9);
	assert_true(c.serve_count == 1 && c.serve[0].kind == CONFIG_SERVE_TAP);
	assert_true(c.mtu == 9000 && c.ipv4_pool_bits == 8 && c.max_connections == 7);
	assert_true(c.file_rule_count == 2 && c.default_egress == POLICY_DENY);
	assert_string_equal(c.net, "none");
	assert_int_equal(c.publish_count, 0);
	assert_true(c.dns_upstream_count == 1 && c.dns_upstream[0].addr.b[3] == 54);
	assert_false(c.dns_cache);
	assert_string_equal(c.events, "/e");
	assert_string_equal(c.pcap_path, "/p");
	config_done(&c);
	assert_int_equal(load(two, 2, &c, &err), -1);
	config_done(&c);
}

static void refused(const char *text, const char *why)
{
	struct config c;
	struct error err = {0};

	if (load(text, 0, &c, &err) == 0)
		fail_msg("taken: %s", text);
	if (strcmp(err.msg, why) != 0)
		fail_msg("'%s', and not '%s'", err.msg, why);
	config_done(&c);
}

static void what_is_wrong_in_one_says_where_it_stands(void **state)
{
	refused("sandboxes: [{name: a}]\n", "f:1: sandboxes[0]: it has no link; expected one, such "
					    "as link: stream:/run/vm.sock");
	refused("sandboxes: [7]\n", "f:1: sandboxes[0]: expected an object with keys such as link, "
				    "found 7");
	refused("sandboxes:\n- {link: 'tap:a', slot: 65536}\n",
		"f:2: sandboxes[0].slot: expected a number from 0 to 65535, found 65536");
	refused("sandboxes:\n- {link: 'tap:a', nmae: x}\n",
		"f:2: sandboxes[0].nmae: no such key; did you mean 'name'?");
	refused("sandboxes:\n- {link: 'tap:a', dns: {cash: false}}\n",
		"f:2: sandboxes[0].dns.cash: no such key; did you mean 'cache'?");
	refused("sandboxes:\n- {link: 'tap:a', sandboxes: []}\n",
		"f:2: sandboxes[0].sandboxes: no such key; expected interface, policy, dns, ports, "
		"limits, tls, secrets, rate_limiter, trust_host_cas, name, link, slot, events or "
		"pcap");
	refused("name: x\nsandboxes: []\n", "f: there is no sandbox number 0");
	refused("sandboxes:\n- {link: 'tap:a', name: '-x'}\n",
		"f:2: sandboxes[0].name: expected a name of 1 to 63 letters, digits, '.', '_' and "
		"'-' that begins with a letter, a digit or '_', found '-x'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_has_a_value_and_words),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(links_of_a_file_say_their_kind),
		cmocka_unit_test(a_sandbox_has_what_the_top_level_says),
		cmocka_unit_test(and_what_it_says_itself_in_place_of_that),
		cmocka_unit_test(what_is_wrong_in_one_says_where_it_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
