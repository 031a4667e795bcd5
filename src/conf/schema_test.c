// SPDX-License-Identifier: Apache-2.0
/*
 * What a configuration file may say, which field each key sets, and the words of each refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/rig.h"

/* The same, in the words of the policy, which sees the rules of the whole file. */
static void rule_refused(const char *text, const char *msg)
{
	struct error err = {0};
	struct config c;

	taken(text, &c);
	struct policy_source src = config_policy_source(&c);
	struct policy *p = policy_new(&src, &err);
	if (p)
		fail_msg("taken: %s", text);
	assert_string_equal(err.msg, msg);
	config_done(&c);
}

static const char example[] =
	"interface: {mac: null, mtu: 1500, ipv4_address: null, ipv6_address: null,\n"
	"            ipv4_pool: 172.16.0.0/12, ipv6_pool: \"fd42:6d73:62::/48\"}\n"
	"policy:\n"
	"  default_egress: deny\n"
	"  default_ingress: allow\n"
	"  rules:\n"
	"    - allow@api.example.com:tcp:443                      # token form\n"
	"    - {direction: egress, destination: {domain_suffix: example.org}, protocols: [tcp],\n"
	"       ports: [\"80\", \"8000-8100\"], action: allow}\n"
	"dns:  {rebind_protection: true, rebind_allow: [], nameservers: [], query_timeout_ms: 5000,\n"
	"       target: honor, deny_rcode: nxdomain}\n"
	"tls:  {enabled: false, intercepted_ports: [443], bypass: [], verify_upstream: true,\n"
	"       block_quic_on_intercept: true, upstream_ca_cert: [], scoped_upstream_ca_cert: [],\n"
	"       scoped_verify_upstream: [], intercept_ca: {cert_path: null, key_path: null},\n"
	"       cache: {capacity: 1000, validity_hours: 24}}\n"
	"secrets: {secrets: [], on_violation: block-and-log}\n"
	"ports: [{host_bind: 127.0.0.1, host_port: 8080, guest_port: 80, protocol: tcp}]\n"
	"limits: {max_connections: 4096, udp_sessions: 1024, icmp_sessions: 256, half_open: 1024,\n"
	"         budget: {bytes_out: 0, bytes_out_each: 0}}\n"
	"rate_limiter: {egress: null, ingress: null}\n"
	"trust_host_cas: false\n";

static void a_file_with_everything_loads(void **state)
{
	struct error err = {0};
	struct config c;
	char buf[IPADDR_STRLEN];

	taken(example, &c);
	assert_int_equal(c.file_rule_count, 2);
	assert_string_equal(c.file_rules[0].token, "allow@api.example.com:tcp:443");
	assert_string_equal(c.file_rules[0].where, "f:7: policy.rules[0]");
	const struct policy_rule_source *r = &c.file_rules[1];
	assert_null(r->token);
	assert_string_equal(r->action, "allow");
	assert_string_equal(r->direction, "egress");
	assert_int_equal(r->target_count, 1);
	assert_string_equal(r->targets[0], "suffix=example.org");
	assert_int_equal(r->protocol_count, 1);
	assert_string_equal(r->protocols[0], "tcp");
	assert_int_equal(r->port_count, 2);
	assert_string_equal(r->ports[0], "80");
	assert_string_equal(r->ports[1], "8000-8100");
	assert_false(r->strict);
	assert_string_equal(r->where, "f:8: policy.rules[1]");
	assert_int_equal(c.default_egress, POLICY_DENY);
	assert_int_equal(c.default_ingress, POLICY_ALLOW);
	assert_int_equal(c.publish_count, 1);
	assert_string_equal(c.publish[0].text, "127.0.0.1:8080:80/tcp");
	assert_string_equal(ipaddr_str(&c.publish[0].bind, buf), "127.0.0.1");
	struct policy_source src = config_policy_source(&c);
	struct policy *p = policy_new(&src, &err);
	if (!p)
		fail_msg("%s", err.msg);
	policy_free(p);
	config_done(&c);
}

static void assert_tls(const struct config_tls *t)
{
	assert_true(t->enabled);
	assert_int_equal(t->port_count, 2);
	assert_int_equal(t->ports[0], 443);
	assert_int_equal(t->ports[1], 8443);
	assert_int_equal(t->bypass.n, 3);
	assert_string_equal(t->bypass.v[1], "*.pinned.example");
	assert_false(t->verify_upstream);
	assert_false(t->block_quic);
	assert_int_equal(t->upstream_ca.n, 2);
	assert_string_equal(t->upstream_ca.v[0], "/etc/corp.pem");
	assert_int_equal(t->scoped_ca_count, 2);
	assert_string_equal(t->scoped_ca[0].host, ".dev.example");
	assert_string_equal(t->scoped_ca[0].path, "dev.pem");
	assert_string_equal(t->scoped_ca[1].host, "any");
	assert_int_equal(t->scoped_verify_count, 1);
	assert_string_equal(t->scoped_verify[0].host, "*.test.example");
	assert_false(t->scoped_verify[0].verify);
	assert_string_equal(t->ca_cert, "ca.crt");
	assert_string_equal(t->ca_key, "ca.key");
	assert_int_equal(t->cache_capacity, 10);
	assert_int_equal(t->validity_hours, 48);
	assert_int_equal(t->client_cert_count, 1);
	assert_string_equal(t->client_certs[0].host, "mtls.example");
	assert_string_equal(t->client_certs[0].cert_path, "c.crt");
	assert_string_equal(t->client_certs[0].key_path, "c.key");
	assert_string_equal(t->keylog, "keys.log");
}

static void every_key_sets_its_field(void **state)
{
	struct config c;
	char buf[IPADDR_STRLEN];

	taken("interface:\n"
	      "  mac: 02:00:00:00:00:07\n"
	      "  mtu: 9000\n"
	      "  ipv4_address: 10.1.2.3\n"
	      "  ipv6_address: fd00::2\n"
	      "  ipv4_pool: 10.0.0.0/8\n"
	      "  ipv6_pool: fd00::/40\n"
	      "policy: {default_egress: allow, default_ingress: deny, net: [public, host],\n"
	      "  deny_style: icmp}\n"
	      "dns:\n"
	      "  rebind_protection: false\n"
	      "  rebind_allow: [10.20.0.0/16, fd00:1::/32, 192.168.1.1]\n"
	      "  nameservers: [192.0.2.1, '[2001:db8::1]:5353']\n"
	      "  query_timeout_ms: 2s\n"
	      "  target: gateway\n"
	      "  deny_rcode: refused\n"
	      "  cache: false\n"
	      "  cache_bytes: 1M\n"
	      "  records: [{name: DB.internal., address: [10.0.0.5, 'fd00::5']},\n"
	      "            {name: web.internal, address: 10.0.0.6}]\n"
	      "  host_aliases: [host.example]\n"
	      "  forward_special: [local, internal]\n"
	      "  rate: 100/s\n"
	      "  budget: {names: 10, bytes: 2000}\n"
	      "ports: [\"8080:80\", {host_port: 0, guest_port: 53, protocol: udp},\n"
	      "        {host_bind: '::1', host_port: 443, guest_port: 8443}]\n"
	      "limits: {max_connections: 1, udp_sessions: 2, icmp_sessions: 3, half_open: 4,\n"
	      "         fragment_sets: 5, tcp_queue: 100k, tcp_queue_total: 2M, tcp_keepalive: 90s,\n"
	      "         budget: {bytes_out: 8G, bytes_out_each: 1000}}\n"
	      "tls:\n"
	      "  allow_ech: true\n"
	      "  enabled: true\n"
	      "  intercepted_ports: [443, 8443, 443]\n"
	      "  bypass: [bank.example, '*.pinned.example', .Update.example.]\n"
	      "  verify_upstream: false\n"
	      "  block_quic_on_intercept: false\n"
	      "  upstream_ca_cert: [/etc/corp.pem, b.pem]\n"
	      "  scoped_upstream_ca_cert: [{host: .dev.example, path: dev.pem},\n"
	      "                            {pattern: any, path: all.pem}]\n"
	      "  scoped_verify_upstream: [{pattern: '*.test.example', verify: false}]\n"
	      "  intercept_ca: {cert_path: ca.crt, key_path: ca.key}\n"
	      "  cache: {capacity: 10, validity_hours: 48}\n"
	      "  client_certs: [{host: mtls.example, cert_path: c.crt, key_path: c.key}]\n"
	      "  keylog: keys.log\n"
	      "trust_host_cas: true\n"
	      "secrets: {on_violation: block-and-terminate}\n",
	      &c);
	assert_true(c.has_mac);
	assert_int_equal(c.mac[5], 7);
	assert_int_equal(c.mtu, 9000);
	assert_string_equal(ipaddr_str(&c.ipv4, buf), "10.1.2.3");
	assert_string_equal(ipaddr_str(&c.ipv6, buf), "fd00::2");
	assert_string_equal(ipaddr_str(&c.ipv4_pool, buf), "10.0.0.0");
	assert_int_equal(c.ipv4_pool_bits, 8);
	assert_string_equal(ipaddr_str(&c.ipv6_pool, buf), "fd00::");
	assert_int_equal(c.ipv6_pool_bits, 40);
	assert_int_equal(c.default_egress, POLICY_ALLOW);
	assert_int_equal(c.default_ingress, POLICY_DENY);
	assert_string_equal(c.net, "public,host");
	assert_true(c.deny_icmp);
	assert_false(c.dns_rebind_protection);
	assert_int_equal(c.dns_rebind_allow_count, 3);
	assert_string_equal(ipaddr_str(&c.dns_rebind_allow[1].net, buf), "fd00:1::");
	assert_int_equal(c.dns_rebind_allow[1].bits, 32);
	assert_int_equal(c.dns_rebind_allow[2].bits, 32);
	assert_int_equal(c.dns_upstream_count, 2);
	assert_int_equal(c.dns_upstream[0].port, 53);
	assert_int_equal(c.dns_upstream[1].port, 5353);
	assert_int_equal(c.dns_timeout_ms, 2000);
	assert_int_equal(c.dns_target, CONFIG_DNS_GATEWAY);
	assert_true(c.dns_deny_refused);
	assert_false(c.dns_cache);
	assert_int_equal(c.dns_cache_bytes, 1 << 20);
	assert_int_equal(c.dns_record_count, 3);
	assert_string_equal(c.dns_records[0].name.s, "db.internal");
	assert_string_equal(ipaddr_str(&c.dns_records[1].addr, buf), "fd00::5");
	assert_string_equal(c.dns_records[2].name.s, "web.internal");
	assert_int_equal(c.dns_host_aliases.n, 1);
	assert_string_equal(c.dns_host_aliases.v[0], "host.example");
	assert_int_equal(c.dns_forward_special.n, 2);
	assert_string_equal(c.dns_forward_special.v[0], "local");
	assert_int_equal(c.dns_rate, 100);
	assert_int_equal(c.dns_budget_names, 10);
	assert_int_equal(c.dns_budget_bytes, 2000);
	assert_int_equal(c.publish_count, 3);
	assert_string_equal(c.publish[0].text, "8080:80");
	assert_true(c.publish[1].udp);
	assert_int_equal(c.publish[1].host_port, 0);
	assert_int_equal(c.publish[1].bind.family, 0);
	assert_string_equal(ipaddr_str(&c.publish[2].bind, buf), "::1");
	assert_int_equal(c.publish[2].guest_port, 8443);
	assert_int_equal(c.max_connections, 1);
	assert_int_equal(c.max_udp_sessions, 2);
	assert_int_equal(c.max_icmp_sessions, 3);
	assert_int_equal(c.max_half_open, 4);
	assert_int_equal(c.max_frag_sets, 5);
	assert_int_equal(c.tcp_queue, 100 << 10);
	assert_int_equal(c.tcp_queue_total, 2 << 20);
	assert_int_equal(c.tcp_keepalive_s, 90);
	assert_int_equal(c.budget_out, UINT64_C(8) << 30);
	assert_int_equal(c.budget_out_each, 1000);
	assert_true(c.allow_ech);
	assert_tls(&c.tls);
	assert_true(c.trust_host_cas);
	assert_int_equal(c.secrets.on_violation, CONFIG_VIOLATION_BLOCK_AND_TERMINATE);
	config_done(&c);
}

/* Scalars of two configurations, the lists' lengths, and nothing that differs by address. */
static void assert_defaults(const struct config *c, const char *what)
{
	struct config d, x = *c;

	config_init(&d);
	/* The one thing that a default says is that it is said. */
	x.default_egress = x.default_ingress = -1;
	x.file_lists_rules = false;
	if (memcmp(&x, &d, sizeof(d)) != 0)
		fail_msg("%s changes something", what);
}

/* "a.b": V as a document. */
static void document(const char *path, const char *value, char *ret, size_t size)
{
	char keys[128];
	int depth = 0;

	strcpy(keys, path);
	*ret = '\0';
	for (char *rest = keys, *key; (key = strsep(&rest, ".")); depth++)
		snprintf(ret + strlen(ret), size - strlen(ret), "{\"%s\": ", key);
	snprintf(ret + strlen(ret), size - strlen(ret), "%s", value);
	for (; depth > 0; depth--)
		strcat(ret, "}");
}

static void every_default_in_the_table_is_the_default(void **state)
{
	for (const struct schema_key *k = schema_keys; k->path; k++) {
		char doc[256];
		struct config c;
		struct error err = {0};

		if (!k->dflt || strchr(k->path, '['))
			continue;
		document(k->path, k->dflt, doc, sizeof(doc));
		for (int format = TREE_YAML; format <= TREE_JSON; format++) {
			if (apply((enum tree_format)format, doc, &c, &err) < 0)
				fail_msg("%s: %s", doc, err.msg);
			assert_defaults(&c, doc);
			config_done(&c);
		}
	}
}

static void null_is_as_good_as_left_out(void **state)
{
	for (const struct schema_key *k = schema_keys; k->path; k++) {
		char doc[256];
		struct config c;

		if (strchr(k->path, '['))
			continue;
		document(k->path, "null", doc, sizeof(doc));
		taken(doc, &c);
		assert_defaults(&c, doc);
		config_done(&c);
	}
	static const char *const docs[] = {"{}", "interface:\ntls:\ndns: ~\n",
					   "tls: {cache: null}"};
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		struct config c;
		taken(docs[i], &c);
		assert_defaults(&c, docs[i]);
		config_done(&c);
	}
}

static void the_table_is_whole(void **state)
{
	for (const struct schema_key *k = schema_keys; k->path; k++) {
		assert_non_null(k->type);
		assert_true(k->apply || strchr(k->path, '['));
		if (!k->help)
			assert_non_null(k->dflt);
		for (const struct schema_key *o = schema_keys; o < k; o++)
			assert_string_not_equal(o->path, k->path);
	}
}

static void unknown_keys_get_the_nearest(void **state)
{
	refused("interface:\n  mut: 1500\n",
		"f:2: interface.mut: no such key; did you mean 'mtu'?");
	refused("polcy: {}\n", "f:1: polcy: no such key; did you mean 'policy'?");
	refused("a: 1\nrules: []\n", "f:1: a: no such key; expected interface, policy, dns, ports, "
				     "limits, tls, secrets, rate_limiter, trust_host_cas or "
				     "sandboxes");
	refused("rules: []\n", "f:1: rules: no such key; did you mean 'policy.rules'?");
	refused("mtu: 1500\n", "f:1: mtu: no such key; did you mean 'interface.mtu'?");
	refused("dns: {budget: {bits: 1}}\n",
		"f:1: dns.budget.bits: no such key; did you mean 'bytes'?");
	refused("dns: {budget: {weight: 1}}\n",
		"f:1: dns.budget.weight: no such key; expected names or bytes");
	refused("policy: {rules: [{acton: allow}]}\n",
		"f:1: policy.rules[0].acton: no such key; did you mean 'action'?");
	refused("ports: [{port: 1}]\n",
		"f:1: ports[0].port: no such key; expected host_bind, host_port, guest_port or "
		"protocol");
	refused("policy: {\"a\\nb\\e[1m\": 1}\n",
		"f:1: policy.a?b?[1m: no such key; expected default_egress, default_ingress, net, "
		"rules or deny_style");
	/* Paths as people might write them in one are no keys. */
	refused("policy.rules: []\n", "f:1: policy.rules: no such key; expected interface, policy, "
				      "dns, ports, limits, tls, secrets, rate_limiter, "
				      "trust_host_cas or sandboxes");
	refused("policy: {\"\": 1}\n", "f:1: policy.: no such key; expected default_egress, "
				       "default_ingress, net, rules or deny_style");
}

static void wrong_types_say_what_was_found(void **state)
{
	refused("[]\n", "f:1: expected an object with keys such as policy, found a list");
	refused("null\n", "f:1: expected an object with keys such as policy, found null");
	refused("policy: allow\n", "f:1: policy: expected an object, found 'allow'");
	refused("policy: {rules: {}}\n",
		"f:1: policy.rules: expected a list of rules, found an object");
	refused("policy: {rules: allow@any}\n",
		"f:1: policy.rules: expected a list of rules, found 'allow@any'");
	refused("interface: {mtu: [1500]}\n",
		"f:1: interface.mtu: expected a number from 576 to 65520, found a list");
	refused("interface: {mtu: \"1500\"}\n",
		"f:1: interface.mtu: expected a number from 576 to 65520, found '1500'");
	refused("interface: {mac: 1}\n", "f:1: interface.mac: expected a string, found 1");
	refused("dns: {rebind_protection: no}\n",
		"f:1: dns.rebind_protection: expected true or false, found 'no'");
	refused("dns: {rebind_protection: 0}\n",
		"f:1: dns.rebind_protection: expected true or false, found 0");
	refused("dns: {nameservers: 192.0.2.1}\n",
		"f:1: dns.nameservers: expected a list of resolvers, found '192.0.2.1'");
	refused("dns: {nameservers: [1]}\n", "f:1: dns.nameservers[0]: expected a string, found 1");
	refused("dns: {budget: 5}\n", "f:1: dns.budget: expected an object, found 5");
	refused("dns: {target: true}\n", "f:1: dns.target: expected honor or gateway, found true");
	refused("ports: [80]\n",
		"f:1: ports[0]: expected an object, or a string such as 8080:80, found 80");
	refused("policy: {net: 1}\n",
		"f:1: policy.net: expected a string or a list of strings, found 1");
	refused("policy: {net: [1]}\n", "f:1: policy.net: expected a string, found 1");
}

static void bad_values_say_what_was_expected(void **state)
{
	refused("interface:\n  mtu: 575\n",
		"f:2: interface.mtu: expected a number from 576 to 65520, found 575");
	refused("interface: {mtu: 1e3}\n",
		"f:1: interface.mtu: expected a number from 576 to 65520, found 1e3");
	refused("interface: {mtu: 0x600}\n",
		"f:1: interface.mtu: expected a number from 576 to 65520, found 0x600");
	refused("interface: {mac: ff:ff:ff:ff:ff:ff}\n",
		"f:1: interface.mac: expected the MAC address of one interface, not a group or "
		"zero, found 'ff:ff:ff:ff:ff:ff'");
	refused("interface: {ipv4_address: '::1'}\n",
		"f:1: interface.ipv4_address: expected an IPv4 address, found '::1'");
	refused("interface: {ipv6_address: fe80::1}\n",
		"f:1: interface.ipv6_address: expected an IPv6 address that a host can have on a "
		"network, found 'fe80::1'");
	refused("interface: {ipv4_pool: 10.0.0.1/8}\n",
		"f:1: interface.ipv4_pool: expected an IPv4 network of /1 to /30, no bits set "
		"behind it, found '10.0.0.1/8'");
	refused("policy: {default_egress: alow}\n",
		"f:1: policy.default_egress: expected deny or allow, found 'alow'; did you mean "
		"'allow'?");
	refused("policy: {deny_style: drop}\n",
		"f:1: policy.deny_style: expected rst or icmp, found 'drop'");
	refused("policy: {net: pubilc}\n",
		"f:1: policy.net: preset \"pubilc\": expected a comma list of public, private and "
		"host, or all, or none; the nearest is \"public\"");
	refused("policy: {net: [public, all]}\n",
		"f:1: policy.net: preset \"all\" stands alone; expected a comma list of public, "
		"private and host, or all, or none");
	refused("policy: {net: []}\n",
		"f:1: policy.net: the list is empty; expected none, or presets");
	refused("dns: {rebind_allow: [10.0.0.1/8]}\n",
		"f:1: dns.rebind_allow[0]: expected an address, or a network with no bits set "
		"behind it, found '10.0.0.1/8'");
	refused("dns: {nameservers: [192.0.2.1, ns.example]}\n",
		"f:1: dns.nameservers[1]: expected the IP address of a resolver and, if need be, "
		"a port, found 'ns.example'");
	refused("dns: {nameservers: [\"::1\", \"::2\", \"::3\", \"::4\", \"::5\", \"::6\", \"::7\", "
		"\"::8\", \"::9\"]}\n",
		"f:1: dns.nameservers[8]: at most 8 resolvers can be given");
	refused("dns: {query_timeout_ms: 2m}\n",
		"f:1: dns.query_timeout_ms: expected a time from 10ms to 1m, found '2m'");
	refused("dns: {query_timeout_ms: 5 s}\n",
		"f:1: dns.query_timeout_ms: expected a time: a number and us, ms, s, m or h, found "
		"'5 s'");
	refused("dns: {cache_bytes: 63k}\n",
		"f:1: dns.cache_bytes: expected a size from 64k to 1024M, found '63k'");
	refused("dns: {cache_bytes: 4MB}\n",
		"f:1: dns.cache_bytes: expected a size: a number and k, M or G, found '4MB'; the nearest is 4M");
	refused("dns: {rate: 5/m}\n",
		"f:1: dns.rate: expected a rate from 0 to 1000000, such as 100/s, found '5/m'");
	refused("dns: {records: [{name: a b, address: 10.0.0.1}]}\n",
		"f:1: dns.records[0].name: expected a name, found 'a b'; it has a character that "
		"is no letter, digit, hyphen or underscore");
	refused("dns: {records: [{name: a}]}\n", "f:1: dns.records[0]: the key address is missing");
	refused("dns: {records: [{name: a, address: []}]}\n",
		"f:1: dns.records[0].address: the list is empty; expected an IP address");
	refused("dns: {records: [{name: a, address: [10.0.0.0/8]}]}\n",
		"f:1: dns.records[0].address: expected an IP address, found '10.0.0.0/8'");
	refused("ports:\n- {host_port: 80}\n", "f:2: ports[0]: the key guest_port is missing");
	refused("ports: [{host_port: 80, guest_port: 0}]\n",
		"f:1: ports[0].guest_port: expected a number from 1 to 65535, found 0");
	refused("ports: [{host_port: 80, guest_port: 80, protocol: sctp}]\n",
		"f:1: ports[0].protocol: expected tcp or udp, found 'sctp'; did you mean 'tcp'?");
	refused("ports: [{host_bind: localhost, host_port: 80, guest_port: 80}]\n",
		"f:1: ports[0].host_bind: expected an IP address of the host, found 'localhost'");
	refused("ports: [\"80\"]\n",
		"f:1: ports[0]: expected [BIND:]HOST:GUEST[/tcp|/udp], found '80'");
	refused("limits: {budget: {bytes_out: -1}}\n",
		"f:1: limits.budget.bytes_out: expected a size: a number and k, M or G, found -1");
	refused("limits: {tcp_keepalive: 9}\n", "f:1: limits.tcp_keepalive: expected a time in "
						"whole seconds, from 10s to 168h, found 9");
	refused("limits: {tcp_keepalive: 10500ms}\n",
		"f:1: limits.tcp_keepalive: expected a time in whole seconds, from 10s to 168h, "
		"found '10500ms'");
	refused("limits: {tcp_queue: 1M, tcp_queue_total: 1023k}\n",
		"f:1: limits.tcp_queue_total: expected a size from 1024k to 1024M, found '1023k'");
	refused("limits: {udp_sessions: 0}\n",
		"f:1: limits.udp_sessions: expected a number from 1 to 65535, found 0");
}

static void what_later_versions_have_is_refused_by_name(void **state)
{
	refused("rate_limiter: {egress: 10M}\n", "f:1: rate_limiter.egress: not in this version of "
						 "weir; only its default, null, is taken");
	refused("sandboxes: {}\n", "f:1: sandboxes: expected a list of objects, found an object");
}

static void destinations_become_targets(void **state)
{
	static const struct {
		const char *text, *target;
	} rows[] = {
		{"any", "any"},
		{"\"*.example.com\"", "*.example.com"},
		{"{any: true}", "any"},
		{"{domain: example.com}", "domain=example.com"},
		{"{domain_suffix: example.com}", "suffix=example.com"},
		{"{cidr: 10.0.0.0/8}", "10.0.0.0/8"},
		{"{cidr: '2001:db8::/32'}", "2001:db8::/32"},
		{"{ip: '2001:db8::1'}", "2001:db8::1"},
		{"{group: link-local}", "link-local"},
		{"[{group: private}]", "private"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err = {0};
		struct config c;
		char doc[128];

		snprintf(doc, sizeof(doc), "policy: {rules: [{action: deny, destination: %s}]}",
			 rows[i].text);
		taken(doc, &c);
		assert_int_equal(c.file_rules[0].target_count, 1);
		assert_string_equal(c.file_rules[0].targets[0], rows[i].target);
		assert_null(c.file_rules[0].direction);
		struct policy_source src = config_policy_source(&c);
		struct policy *p = policy_new(&src, &err);
		if (!p)
			fail_msg("%s: %s", doc, err.msg);
		policy_free(p);
		config_done(&c);
	}
}

static void lists_in_rules_keep_their_order(void **state)
{
	struct config c;

	taken("policy:\n  rules:\n"
	      "  - destination: [a.example.com, {cidr: 10.0.0.0/8}, {any: true}]\n"
	      "    action: deny\n    direction: any\n    protocols: [udp, tcp]\n"
	      "    ports: [443, 80-90, \"5\"]\n"
	      "  - {destination: b.example.com, action: allow, strict: true, ports: 443, "
	      "protocols: tcp}\n",
	      &c);
	const struct policy_rule_source *r = c.file_rules;
	assert_int_equal(r[0].target_count, 3);
	assert_string_equal(r[0].targets[0], "a.example.com");
	assert_string_equal(r[0].targets[1], "10.0.0.0/8");
	assert_string_equal(r[0].targets[2], "any");
	assert_string_equal(r[0].direction, "any");
	assert_string_equal(r[0].action, "deny");
	assert_int_equal(r[0].protocol_count, 2);
	assert_string_equal(r[0].protocols[0], "udp");
	assert_int_equal(r[0].port_count, 3);
	assert_string_equal(r[0].ports[0], "443");
	assert_string_equal(r[0].ports[1], "80-90");
	assert_string_equal(r[0].ports[2], "5");
	assert_string_equal(r[0].where, "f:3: policy.rules[0]");
	assert_true(r[1].strict);
	assert_int_equal(r[1].port_count, 1);
	assert_int_equal(r[1].protocol_count, 1);
	config_done(&c);
}

#define RULE(parts) "policy:\n  rules:\n  - allow@dns\n  - {" parts "}\n"

static void shapeless_rules_are_refused(void **state)
{
	refused("policy: {rules: [1]}\n",
		"f:1: policy.rules[0]: expected a rule: a string such as allow@example.com, or an "
		"object, found 1");
	refused("policy: {rules: [null]}\n",
		"f:1: policy.rules[0]: expected a rule: a string such as allow@example.com, or an "
		"object, found null");
	refused(RULE("action: allow"), "f:4: policy.rules[1]: the key destination is missing");
	refused(RULE("destination: any"), "f:4: policy.rules[1]: the key action is missing");
	refused(RULE("action: alow, destination: any"),
		"f:4: policy.rules[1].action: expected allow or deny, found 'alow'; did you mean "
		"'allow'?");
	refused(RULE("action: allow, destination: any, direction: out"),
		"f:4: policy.rules[1].direction: expected egress, ingress or any, found 'out'");
	refused(RULE("action: allow, destination: any, strict: yes"),
		"f:4: policy.rules[1].strict: expected true or false, found 'yes'");
	refused(RULE("action: allow, destination: any, ports: null"),
		"f:4: policy.rules[1].ports: expected a value, found null");
	refused(RULE("action: allow, destination: ~"),
		"f:4: policy.rules[1].destination: expected a value, found null");
	refused(RULE("action: allow, destination: []"),
		"f:4: policy.rules[1].destination: the list is empty; expected a target");
	refused(RULE("action: allow, destination: 10"),
		"f:4: policy.rules[1].destination: expected a target such as example.com, or an "
		"object such as {domain: example.com}, found 10");
	refused(RULE("action: allow, destination: {}"),
		"f:4: policy.rules[1].destination: expected one of any, cidr, domain, "
		"domain_suffix, group and ip, found 0 keys");
	refused(RULE("action: allow, destination: {ip: 10.0.0.1, any: true}"),
		"f:4: policy.rules[1].destination: expected one of any, cidr, domain, "
		"domain_suffix, group and ip, found 2 keys");
	refused(RULE("action: allow, destination: {host: a}"),
		"f:4: policy.rules[1].destination.host: no such key; expected any, cidr, domain, "
		"domain_suffix, group or ip");
	refused(RULE("action: allow, destination: [dns, {any: false}]"),
		"f:4: policy.rules[1].destination[1].any: expected true, found false");
	refused(RULE("action: allow, destination: {any: null}"),
		"f:4: policy.rules[1].destination.any: expected true, found null");
	refused(RULE("action: allow, destination: {cidr: any}"),
		"f:4: policy.rules[1].destination.cidr: expected a network such as 10.0.0.0/8, "
		"found 'any'");
	refused(RULE("action: allow, destination: {ip: 10.0.0.0/8}"),
		"f:4: policy.rules[1].destination.ip: expected an IP address, found '10.0.0.0/8'");
	refused(RULE("action: allow, destination: {group: privat}"),
		"f:4: policy.rules[1].destination.group: expected host, metadata, loopback, "
		"private, link-local, multicast or public, found 'privat'; did you mean "
		"'private'?");
	refused(RULE("action: allow, destination: {domain: [a]}"),
		"f:4: policy.rules[1].destination.domain: expected a string, found a list");
	refused(RULE("action: allow, destination: any, protocols: [6]"),
		"f:4: policy.rules[1].protocols[0]: expected a string, found 6");
	refused(RULE("action: allow, destination: any, ports: [[1]]"),
		"f:4: policy.rules[1].ports[0]: expected a port or a range such as \"8000-8100\", "
		"found a list");
}

static void impossible_rules_are_named_with_their_place(void **state)
{
	rule_refused("policy:\n  rules:\n  - allow@dns\n  - alow@any\n",
		     "f:4: policy.rules[1]: rule \"alow@any\": action \"alow\": expected allow or "
		     "deny; the nearest is \"allow\"");
	rule_refused(RULE("action: allow, destination: any, ports: [90-80]"),
		     "f:4: policy.rules[1].ports \"90-80\": the range ends before it starts; "
		     "expected 80-90");
	rule_refused(RULE("action: allow, destination: any, protocols: [tpc]"),
		     "f:4: policy.rules[1].protocols \"tpc\": expected tcp, udp, icmpv4 or icmpv6; "
		     "the nearest is \"tcp\"");
}

static bool allows_public(const char *doc)
{
	static const uint8_t addr[4] = {8, 8, 8, 8};
	struct policy_facts f = {
		.dir = POLICY_EGRESS, .proto = POLICY_TCP, .port = 443, .remote = ipaddr_v4(addr)};
	struct policy_env env = {0};
	struct error err = {0};
	struct config c;

	taken(doc, &c);
	struct policy_source src = config_policy_source(&c);
	struct policy *p = policy_new(&src, &err);
	if (!p)
		fail_msg("%s", err.msg);
	bool allowed = policy_decide(p, &env, &f).answer == POLICY_ALLOW;
	policy_free(p);
	config_done(&c);
	return allowed;
}

static void an_empty_list_of_rules_allows_nothing(void **state)
{
	assert_true(allows_public("{}"));
	assert_true(allows_public("policy: {default_ingress: deny}"));
	assert_false(allows_public("policy: {rules: []}"));
	assert_false(allows_public("policy: {rules: }"));
	assert_false(allows_public("policy: {rules: [allow@a.example.com]}"));
	assert_false(allows_public("policy: {default_egress: deny}"));
	assert_true(allows_public("policy: {rules: [], net: public}"));
	assert_true(allows_public("policy: {rules: [], net: all}"));
	assert_true(allows_public("policy: {rules: [], default_egress: allow}"));
}

static void yaml_and_json_say_the_same(void **state)
{
	static const char json[] =
		"{\"policy\": {\"rules\": [\"allow@a.example.com\", {\"action\": \"deny\", "
		"\"destination\": [{\"cidr\": \"10.0.0.0/8\"}], \"ports\": [443]}]},\n"
		"\"interface\": {\"mtu\": 1400}, \"dns\": {\"cache\": false, "
		"\"query_timeout_ms\": \"1s\"}}";
	struct error err = {0};
	struct config y, j;

	assert_int_equal(apply(TREE_YAML, json, &y, &err), 0);
	assert_int_equal(apply(TREE_JSON, json, &j, &err), 0);
	assert_int_equal(y.file_rule_count, 2);
	assert_int_equal(j.file_rule_count, 2);
	assert_string_equal(y.file_rules[0].token, j.file_rules[0].token);
	assert_string_equal(y.file_rules[1].ports[0], j.file_rules[1].ports[0]);
	assert_string_equal(y.file_rules[1].where, j.file_rules[1].where);
	assert_int_equal(j.mtu, 1400);
	assert_int_equal(j.dns_timeout_ms, 1000);
	assert_false(j.dns_cache);
	config_done(&y);
	config_done(&j);
	assert_int_equal(apply(TREE_JSON, "{\"interface\":\n{\"mtu\": \"1\"}}", &j, &err), -1);
	assert_string_equal(err.msg,
			    "f:2: interface.mtu: expected a number from 576 to 65520, found '1'");
	config_done(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_with_everything_loads),
		cmocka_unit_test(every_key_sets_its_field),
		cmocka_unit_test(every_default_in_the_table_is_the_default),
		cmocka_unit_test(null_is_as_good_as_left_out),
		cmocka_unit_test(the_table_is_whole),
		cmocka_unit_test(unknown_keys_get_the_nearest),
		cmocka_unit_test(wrong_types_say_what_was_found),
		cmocka_unit_test(bad_values_say_what_was_expected),
		cmocka_unit_test(what_later_versions_have_is_refused_by_name),
		cmocka_unit_test(destinations_become_targets),
		cmocka_unit_test(lists_in_rules_keep_their_order),
		cmocka_unit_test(shapeless_rules_are_refused),
		cmocka_unit_test(impossible_rules_are_named_with_their_place),
		cmocka_unit_test(an_empty_list_of_rules_allows_nothing),
		cmocka_unit_test(yaml_and_json_say_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
