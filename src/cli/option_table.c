// SPDX-License-Identifier: Apache-2.0
/*
 * The table of options, and the parsers of their values.
 */
#include "cli/options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "observe/events.h"
#include "policy/policy.h"

const char *const option_section_titles[OPTION_SECTIONS] = {
	[OPTION_POLICY] = "Policy",
	[OPTION_TLS] = "TLS and secrets",
	[OPTION_PUBLISH] = "Published ports",
	[OPTION_DNS] = "DNS",
	[OPTION_INTERFACE] = "The guest's interface",
	[OPTION_RUN] = "Namespaces",
	[OPTION_SERVE] = "Links",
	[OPTION_LIMITS] = "Limits",
	[OPTION_CHECK] = "Checking",
	[OPTION_WATCH] = "Watching",
};

/* Whose the options of a section are, where they say nothing else. */
static const unsigned section_commands[OPTION_SECTIONS] = {
	[OPTION_POLICY] = OPTION_FOR_ALL,         [OPTION_TLS] = OPTION_FOR_ALL,
	[OPTION_PUBLISH] = OPTION_FOR_GATEWAYS,   [OPTION_DNS] = OPTION_FOR_ALL,
	[OPTION_INTERFACE] = OPTION_FOR_GATEWAYS, [OPTION_RUN] = OPTION_FOR_RUN,
	[OPTION_SERVE] = OPTION_FOR_SERVE,        [OPTION_LIMITS] = OPTION_FOR_GATEWAYS,
	[OPTION_CHECK] = OPTION_FOR_CHECK,        [OPTION_WATCH] = OPTION_FOR_GATEWAYS,
};

bool option_is_for(const struct option_def *d, enum option_command cmd)
{
	return (d->commands ? d->commands : section_commands[d->section]) & cmd;
}

const char *option_command_name(enum option_command cmd)
{
	return cmd == OPTION_FOR_RUN ? "run" : cmd == OPTION_FOR_SERVE ? "serve" : "check";
}

static const char *const net_words[] = {"public", "private", "host", "all", "none", NULL};
static const char *const verdict_words[] = {"allow", "deny", NULL};
/* Words and the values of their fields go in the same order. */
static const char *const deny_style_words[] = {"rst", "icmp", NULL};
static const char *const dns_target_words[] = {"honor", "gateway", NULL};
static const char *const deny_rcode_words[] = {"nxdomain", "refused", NULL};
static const char *const link_words[] = {"tap", "packet", NULL};
static const char *const level_words[] = {"error", "warning", "info", "debug", "trace", NULL};

static void *field_of(const struct option_def *def, struct config *c)
{
	return (char *)c + def->field;
}

static int out_of_memory(struct error *err)
{
	return error_set(err, "out of memory");
}

static int parse_flag(const struct option_def *def, const char *value, struct config *c,
		      struct error *err)
{
	*(bool *)field_of(def, c) = true;
	return 0;
}

/* --no-X: what is on without it. */
static int parse_off(const struct option_def *def, const char *value, struct config *c,
		     struct error *err)
{
	*(bool *)field_of(def, c) = false;
	return 0;
}

/* One of two words; the field is true for the second. */
static int parse_either(const struct option_def *def, const char *value, struct config *c,
			struct error *err)
{
	int i = config_parse_word(value, def->words, err);

	if (i < 0)
		return -1;
	*(bool *)field_of(def, c) = i == 1;
	return 0;
}

static int parse_u32(const struct option_def *def, const char *value, struct config *c,
		     struct error *err)
{
	uint64_t n;

	if (config_parse_uint(value, def->min, def->max, &n, err) < 0)
		return -1;
	*(uint32_t *)field_of(def, c) = (uint32_t)n;
	return 0;
}

static int parse_size(const struct option_def *def, const char *value, struct config *c,
		      struct error *err)
{
	return config_parse_size(value, field_of(def, c), err);
}

static int parse_mtu(const struct option_def *def, const char *value, struct config *c,
		     struct error *err)
{
	uint64_t n;

	if (config_parse_uint(value, def->min, def->max, &n, err) < 0)
		return -1;
	c->mtu = (uint16_t)n;
	return 0;
}

static int parse_pid(const struct option_def *def, const char *value, struct config *c,
		     struct error *err)
{
	uint64_t n;

	if (config_parse_uint(value, def->min, def->max, &n, err) < 0)
		return -1;
	c->pid = (int)n;
	return 0;
}

static int parse_path(const struct option_def *def, const char *value, struct config *c,
		      struct error *err)
{
	char **field = field_of(def, c);

	if (!*value)
		return error_set(err, "expected the path of a file");
	char *copy = strdup(value);
	if (!copy)
		return out_of_memory(err);
	free(*field);
	*field = copy;
	return 0;
}

/*
 * Asks the policy itself whether one option's part of it is right. Its message begins with what it
 * speaks of (rule "X": ...), which here the option and its value have said already.
 */
static int policy_check(const struct policy_source *src, struct error *err)
{
	struct error why;
	struct policy *p = policy_new(src, &why);

	if (p) {
		policy_free(p);
		return 0;
	}
	const char *rest = strstr(why.msg, "\": ");
	return error_set(err, "%s", rest ? rest + 3 : why.msg);
}

static int parse_net(const struct option_def *def, const char *value, struct config *c,
		     struct error *err)
{
	struct policy_source src = {.net = value, .default_egress = -1, .default_ingress = -1};

	if (policy_check(&src, err) < 0)
		return -1;
	char *copy = strdup(value);
	if (!copy)
		return out_of_memory(err);
	free(c->net);
	c->net = copy;
	return 0;
}

static int parse_rule(const struct option_def *def, const char *value, struct config *c,
		      struct error *err)
{
	struct policy_source src = {
		.rules = &value, .rule_count = 1, .default_egress = -1, .default_ingress = -1};

	if (policy_check(&src, err) < 0)
		return -1;
	return strv_add(&c->rules, value) ? 0 : out_of_memory(err);
}

/* --allow T and --deny T: the option's name is the rule's action. */
static int parse_target(const struct option_def *def, const char *value, struct config *c,
			struct error *err)
{
	char *token;

	if (asprintf(&token, "%s@%s", def->name, value) < 0)
		return out_of_memory(err);
	int rc = parse_rule(def, token, c, err);
	free(token);
	return rc;
}

static int parse_verdict(const struct option_def *def, const char *value, struct config *c,
			 struct error *err)
{
	int i = config_parse_word(value, def->words, err);

	if (i < 0)
		return -1;
	*(int *)field_of(def, c) = strcmp(def->words[i], "allow") == 0;
	return 0;
}

static int parse_publish(const struct option_def *def, const char *value, struct config *c,
			 struct error *err)
{
	return config_add_publish(c, value, err);
}

static int parse_upstream(const struct option_def *def, const char *value, struct config *c,
			  struct error *err)
{
	return config_add_resolver(c, value, err);
}

static int parse_dns_timeout(const struct option_def *def, const char *value, struct config *c,
			     struct error *err)
{
	return config_parse_dns_timeout(value, &c->dns_timeout_ms, err);
}

static int parse_rebind_allow(const struct option_def *def, const char *value, struct config *c,
			      struct error *err)
{
	return config_add_rebind_allow(c, value, err);
}

static int parse_dns_target(const struct option_def *def, const char *value, struct config *c,
			    struct error *err)
{
	int i = config_parse_word(value, def->words, err);

	if (i < 0)
		return -1;
	c->dns_target = (enum config_dns_target)i;
	return 0;
}

static int parse_mac(const struct option_def *def, const char *value, struct config *c,
		     struct error *err)
{
	if (config_parse_mac(value, c->mac, err) < 0)
		return -1;
	c->has_mac = true;
	return 0;
}

/* --ipv4 and --ipv6, and their pools: the family is in the bounds (min and max are both 4 or 6). */
static int parse_addr(const struct option_def *def, const char *value, struct config *c,
		      struct error *err)
{
	return config_parse_guest_addr(value, (unsigned)def->min, field_of(def, c), err);
}

static int parse_pool(const struct option_def *def, const char *value, struct config *c,
		      struct error *err)
{
	return config_parse_pool(value, (unsigned)def->min, field_of(def, c),
				 def->min == 6 ? &c->ipv6_pool_bits : &c->ipv4_pool_bits, err);
}

static int parse_check_address(const struct option_def *def, const char *value, struct config *c,
			       struct error *err)
{
	return config_add_check_address(c, value, err);
}

static int parse_events(const struct option_def *def, const char *value, struct config *c,
			struct error *err)
{
	if (!*value || (strncmp(value, "fd:", 3) == 0 && events_fd_number(value) < 0))
		return error_set(err, "expected the path of a file, - or fd:N");
	return parse_path(def, value, c, err);
}

static int parse_link(const struct option_def *def, const char *value, struct config *c,
		      struct error *err)
{
	int i = config_parse_word(value, def->words, err);

	if (i < 0)
		return -1;
	c->link = strcmp(def->words[i], "tap") == 0 ? CONFIG_LINK_TAP : CONFIG_LINK_PACKET;
	return 0;
}

/* --stream and its like: which one is in `min`. */
static int parse_serve(const struct option_def *def, const char *value, struct config *c,
		       struct error *err)
{
	return config_add_serve(c, (enum config_serve_kind)def->min, value, err);
}

static int parse_log_level(const struct option_def *def, const char *value, struct config *c,
			   struct error *err)
{
	if (config_parse_word(value, def->words, err) < 0)
		return -1;
	c->log_level = log_level_parse(value);
	return 0;
}

/* ---- TLS and secrets ---- */

/* Of an option that does nothing by itself. */
static int parsed_for_tls(const struct option_def *def, struct config *c, int rc)
{
	if (rc == 0 && !c->tls.option)
		c->tls.option = def->name;
	return rc;
}

static int parse_tls_port(const struct option_def *def, const char *value, struct config *c,
			  struct error *err)
{
	uint64_t port;

	if (config_parse_uint(value, def->min, def->max, &port, err) < 0)
		return -1;
	return parsed_for_tls(def, c, config_add_tls_port(c, port, err));
}

static int parse_tls_bypass(const struct option_def *def, const char *value, struct config *c,
			    struct error *err)
{
	return parsed_for_tls(def, c, config_add_tls_bypass(c, value, err));
}

/* CERT:KEY; the paths hold no colon. */
static int parse_tls_ca(const struct option_def *def, const char *value, struct config *c,
			struct error *err)
{
	const char *colon = strchr(value, ':');

	if (!colon || colon == value || !colon[1] || strchr(colon + 1, ':'))
		return error_set(err, "expected CERT:KEY, the paths of two files");
	free(c->tls.ca_cert);
	free(c->tls.ca_key);
	c->tls.ca_cert = strndup(value, (size_t)(colon - value));
	c->tls.ca_key = strdup(colon + 1);
	if (!c->tls.ca_cert || !c->tls.ca_key)
		return out_of_memory(err);
	return parsed_for_tls(def, c, 0);
}

static int parse_tls_upstream_ca(const struct option_def *def, const char *value, struct config *c,
				 struct error *err)
{
	if (!*value)
		return error_set(err, "expected the path of a file");
	if (c->tls.upstream_ca.n == CONFIG_LIST_MAX)
		return error_set(err, "more than %d", CONFIG_LIST_MAX);
	if (!strv_add(&c->tls.upstream_ca, value))
		return out_of_memory(err);
	return parsed_for_tls(def, c, 0);
}

/* In front of what the file says, since the first that matches counts. */
static int parse_tls_no_verify(const struct option_def *def, const char *value, struct config *c,
			       struct error *err)
{
	if (config_check_host(value, true, err) < 0)
		return -1;
	return parsed_for_tls(def, c, config_add_scoped_verify(c, value, false, true, err));
}

static int parse_tls_off(const struct option_def *def, const char *value, struct config *c,
			 struct error *err)
{
	return parsed_for_tls(def, c, parse_off(def, value, c, err));
}

static int parse_tls_path(const struct option_def *def, const char *value, struct config *c,
			  struct error *err)
{
	return parsed_for_tls(def, c, parse_path(def, value, c, err));
}

static int parse_tls_flag(const struct option_def *def, const char *value, struct config *c,
			  struct error *err)
{
	return parsed_for_tls(def, c, parse_flag(def, value, c, err));
}

static int parse_secret(const struct option_def *def, const char *value, struct config *c,
			struct error *err)
{
	return config_add_secret(c, value, err);
}

#define FLAG(member)  .parse = parse_flag, .field = offsetof(struct config, member)
#define OFF(member)   .parse = parse_off, .field = offsetof(struct config, member)
#define FIELD(member) .field = offsetof(struct config, member)

const struct option_def option_table[] = {
	/* policy */
	{.name = "config",
	 .letter = 'c',
	 .section = OPTION_POLICY,
	 .arg = "FILE",
	 .example = "weir.yaml",
	 .takes_path = true,
	 .parse = parse_path,
	 FIELD(path),
	 .help = "Read this file, YAML or (where its name ends in .json) JSON; see weir-config(5). What the command "
		 "line says wins over it; rules of the command line come before the file's, and published ports "
		 "add up"},
	{.name = "net",
	 .section = OPTION_POLICY,
	 .arg = "LIST",
	 .dflt = "public; DNS alone where rules are given",
	 .words = net_words,
	 .word_list = true,
	 .parse = parse_net,
	 .help = "What the command may reach: a comma list of public, private and host; or all, or none"},
	{.name = "rule",
	 .section = OPTION_POLICY,
	 .arg = "TOKEN",
	 .example = "deny@192.0.2.0/24:tcp:80,443",
	 .parse = parse_rule,
	 .help = "A rule, ACTION[:DIRECTION]@TARGET[:PROTOCOL[:PORTS]][:http=PRESET]. May be given many times; the first rule "
		 "that matches wins, and these come before those of --net. weir-policy(5) explains rules"},
	{.name = "allow",
	 .section = OPTION_POLICY,
	 .arg = "TARGET",
	 .example = "api.example.com:tcp:443",
	 .parse = parse_target,
	 .help = "Short for --rule allow@TARGET, such as --allow api.example.com:tcp:443"},
	{.name = "deny",
	 .section = OPTION_POLICY,
	 .arg = "TARGET",
	 .example = "192.0.2.0/24",
	 .parse = parse_target,
	 .help = "Short for --rule deny@TARGET"},
	{.name = "default-egress",
	 .section = OPTION_POLICY,
	 .arg = "VERDICT",
	 .dflt = "deny",
	 .words = verdict_words,
	 .parse = parse_verdict,
	 FIELD(default_egress),
	 .help = "What happens to flows from the command that no rule matches: allow or deny"},
	{.name = "default-ingress",
	 .section = OPTION_POLICY,
	 .arg = "VERDICT",
	 .dflt = "allow",
	 .words = verdict_words,
	 .parse = parse_verdict,
	 FIELD(default_ingress),
	 .help = "What happens to flows to published ports that no rule matches: allow or deny"},

	{.name = "deny-style",
	 .section = OPTION_POLICY,
	 .arg = "STYLE",
	 .dflt = "rst",
	 .words = deny_style_words,
	 .parse = parse_either,
	 FIELD(deny_icmp),
	 .help = "How a TCP connection that the policy denies is refused: rst, as a port is where nobody listens; or "
		 "icmp, \"administratively prohibited\" and then a reset"},
	{.name = "allow-ech",
	 .section = OPTION_POLICY,
	 FLAG(allow_ech),
	 .help = "Let TLS connections pass whose real name is encrypted (ECH), where the name that they show is "
		 "allowed"},

	/* TLS and secrets */
	{.name = "tls-intercept",
	 .section = OPTION_TLS,
	 FLAG(tls.enabled),
	 .help = "Look into every TLS connection to an intercepted port. Without it, connections are looked into "
		 "only where a secret or a rule for HTTP requests needs it. weir-tls(7) explains it"},
	{.name = "tls-intercept-port",
	 .section = OPTION_TLS,
	 .arg = "N",
	 .dflt = "443",
	 .example = "443",
	 .parse = parse_tls_port,
	 .min = 1,
	 .max = 65535,
	 .help = "A TCP port whose connections are looked into. May be given many times; port 443 is then one of "
		 "them only where it is given, too"},
	{.name = "tls-bypass",
	 .section = OPTION_TLS,
	 .arg = "PATTERN",
	 .example = "*.example.com",
	 .parse = parse_tls_bypass,
	 .help = "Let connections to these hosts pass untouched: example.com, *.example.com (all names below) or "
		 ".example.com (both). May be given many times"},
	{.name = "tls-ca",
	 .section = OPTION_TLS,
	 .arg = "CERT:KEY",
	 .dflt = "weir's own",
	 .example = "ca.crt:ca.key",
	 .parse = parse_tls_ca,
	 .help = "Sign with this authority, two PEM files. weir-ca(1) shows weir's own"},
	{.name = "tls-upstream-ca",
	 .section = OPTION_TLS,
	 .arg = "FILE",
	 .example = "corp-root.pem",
	 .takes_path = true,
	 .parse = parse_tls_upstream_ca,
	 .help = "Verify servers by the certificates in this file (PEM), too, beside the host's roots. May be given "
		 "many times"},
	{.name = "tls-no-verify",
	 .section = OPTION_TLS,
	 .arg = "PATTERN",
	 .example = "staging.example.com",
	 .parse = parse_tls_no_verify,
	 .help = "Do not verify the certificates of these hosts. Secrets do not go there. May be given many times"},
	{.name = "no-block-quic",
	 .section = OPTION_TLS,
	 .parse = parse_tls_off,
	 .field = offsetof(struct config, tls.block_quic),
	 .help = "Let QUIC (HTTP/3) to intercepted ports pass where the policy allows it, without looking into it"},
	{.name = "tls-keylog",
	 .section = OPTION_TLS,
	 .arg = "FILE",
	 .example = "keys.log",
	 .takes_path = true,
	 .parse = parse_tls_path,
	 .field = offsetof(struct config, tls.keylog),
	 .help = "Write the keys of intercepted connections to this file, for a debugger such as Wireshark. Whoever "
		 "reads it can read the connections, secrets included"},
	{.name = "trust-host-cas",
	 .section = OPTION_TLS,
	 .parse = parse_tls_flag,
	 .field = offsetof(struct config, trust_host_cas),
	 .help = "The guest is to trust the host's roots, too. A command of weir run does so anyway, since it has the "
		 "host's files; it is for guests with files of their own, whose program asks weir for certificates"},
	{.name = "secret",
	 .section = OPTION_TLS,
	 .arg = "ENV@HOST[,HOST...]",
	 .example = "API_TOKEN@api.example.com",
	 .parse = parse_secret,
	 .help = "Take the environment variable ENV for a secret: the command gets a placeholder in its place, which "
		 "weir replaces by the value in requests to these hosts, and to no others. HOST is written as PATTERN "
		 "above; any stands for every host. May be given many times. weir-secrets(7) explains it"},

	/* published ports */
	{.name = "publish",
	 .letter = 'p',
	 .section = OPTION_PUBLISH,
	 .arg = "[BIND:]HOST:GUEST[/tcp|/udp]",
	 .example = "8080:80",
	 .parse = parse_publish,
	 .help = "Let clients of the host reach a port of the command. Without BIND it listens on the host's "
		 "loopback only; an IPv6 BIND is written in brackets; ranges such as 8000-8010:9000-9010 work; HOST 0 "
		 "picks a free port and says which. May be given many times"},

	/* DNS */
	{.name = "dns-upstream",
	 .section = OPTION_DNS,
	 .arg = "ADDR[:PORT]",
	 .dflt = "the host's resolv.conf, followed as it changes",
	 .example = "192.0.2.53:53",
	 .parse = parse_upstream,
	 .help = "Send the command's queries to this resolver. Up to eight may be given, asked in order"},
	{.name = "dns-timeout",
	 .section = OPTION_DNS,
	 .arg = "TIME",
	 .dflt = "5s",
	 .example = "2s",
	 .parse = parse_dns_timeout,
	 .help = "How long a query may take before the answer is SERVFAIL; a bare number is milliseconds"},

	{.name = "dns-rebind-allow",
	 .section = OPTION_DNS,
	 .arg = "CIDR",
	 .example = "10.20.0.0/16",
	 .parse = parse_rebind_allow,
	 .help = "Names may have addresses in this network, although it is not a public one. May be given many times"},
	{.name = "no-dns-rebind-protection",
	 .section = OPTION_DNS,
	 OFF(dns_rebind_protection),
	 .help = "Names may have any address, the host's and private ones, too"},
	{.name = "dns-target",
	 .section = OPTION_DNS,
	 .arg = "WHOM",
	 .dflt = "honor",
	 .words = dns_target_words,
	 .parse = parse_dns_target,
	 .help = "Who answers a query that the command sends to a resolver of its own choice: honor, that resolver, "
		 "where the policy allows it; or gateway, the configured resolvers"},
	{.name = "dns-deny-rcode",
	 .section = OPTION_DNS,
	 .arg = "RCODE",
	 .dflt = "nxdomain",
	 .words = deny_rcode_words,
	 .parse = parse_either,
	 FIELD(dns_deny_refused),
	 .help = "The answer to a query for a name that the policy denies: nxdomain or refused"},
	{.name = "no-dns-cache",
	 .section = OPTION_DNS,
	 OFF(dns_cache),
	 .help = "Ask the resolvers anew for every query"},

	/* interface */
	{.name = "mtu",
	 .section = OPTION_INTERFACE,
	 .arg = "N",
	 .dflt = "1500",
	 .example = "1500",
	 .parse = parse_mtu,
	 .min = CONFIG_MTU_MIN,
	 .max = CONFIG_MTU_MAX,
	 .help = "Largest packet of the interface, in bytes; IPv6 needs at least 1280"},
	{.name = "mac",
	 .section = OPTION_INTERFACE,
	 .arg = "MAC",
	 .dflt = "from the slot",
	 .example = "02:77:72:00:00:02",
	 .parse = parse_mac,
	 .help = "Its MAC address"},
	{.name = "ipv4",
	 .section = OPTION_INTERFACE,
	 .commands = OPTION_FOR_ALL,
	 .arg = "ADDR",
	 .dflt = "from the slot",
	 .example = "172.16.0.2",
	 .parse = parse_addr,
	 FIELD(ipv4),
	 .min = 4,
	 .max = 4,
	 .help = "Its IPv4 address; the gateway is the address before it"},
	{.name = "ipv6",
	 .section = OPTION_INTERFACE,
	 .commands = OPTION_FOR_ALL,
	 .arg = "ADDR",
	 .dflt = "from the slot",
	 .example = "fd42:6d73:62::2",
	 .parse = parse_addr,
	 FIELD(ipv6),
	 .min = 6,
	 .max = 6,
	 .help = "Its IPv6 address; the gateway is ::1 of the same /64"},
	{.name = "ipv4-pool",
	 .section = OPTION_INTERFACE,
	 .commands = OPTION_FOR_ALL,
	 .arg = "CIDR",
	 .dflt = "172.16.0.0/12",
	 .example = "172.16.0.0/12",
	 .parse = parse_pool,
	 FIELD(ipv4_pool),
	 .min = 4,
	 .max = 4,
	 .help = "Where the slot's /30 is taken from"},
	{.name = "ipv6-pool",
	 .section = OPTION_INTERFACE,
	 .commands = OPTION_FOR_ALL,
	 .arg = "CIDR",
	 .dflt = "fd42:6d73:62::/48",
	 .example = "fd42:6d73:62::/48",
	 .parse = parse_pool,
	 FIELD(ipv6_pool),
	 .min = 6,
	 .max = 6,
	 .help = "Where the slot's /64 is taken from"},
	{.name = "slot",
	 .section = OPTION_INTERFACE,
	 .commands = OPTION_FOR_ALL,
	 .arg = "N",
	 .dflt = "0",
	 .example = "7",
	 .parse = parse_u32,
	 FIELD(slot),
	 .max = 65535,
	 .help = "A number from 0 to 65535 from which the addresses are derived"},
	{.name = "no-ipv4",
	 .section = OPTION_INTERFACE,
	 .commands = OPTION_FOR_ALL,
	 FLAG(no_ipv4),
	 .help = "No IPv4, even if the host has a route for it"},
	{.name = "no-ipv6",
	 .section = OPTION_INTERFACE,
	 .commands = OPTION_FOR_ALL,
	 FLAG(no_ipv6),
	 .help = "No IPv6, even if the host has a route for it"},
	{.name = "no-config",
	 .section = OPTION_INTERFACE,
	 .commands = OPTION_FOR_RUN,
	 FLAG(no_config),
	 .help = "Leave the interface up and without an address, for a command that configures it by DHCP or "
		 "router advertisements"},
	{.name = "allow-any-source",
	 .section = OPTION_INTERFACE,
	 FLAG(allow_any_source),
	 .help = "Do not drop frames from another MAC or IP address than the interface's own"},
	{.name = "proxy-arp",
	 .section = OPTION_INTERFACE,
	 FLAG(proxy_arp),
	 .help = "Answer ARP for every IPv4 address but the interface's own, for a command that configures a wider "
		 "network than there is, or no gateway"},

	/* namespaces */
	{.name = "map-root",
	 .section = OPTION_RUN,
	 FLAG(map_root),
	 .help = "Be root in the new user namespace, instead of the caller's own uid"},
	{.name = "netns",
	 .section = OPTION_RUN,
	 .arg = "PATH",
	 .dflt = "a new one",
	 .example = "/run/netns/NAME",
	 .takes_path = true,
	 .parse = parse_path,
	 FIELD(netns_path),
	 .help = "Join this network namespace"},
	{.name = "pid",
	 .section = OPTION_RUN,
	 .arg = "PID",
	 .example = "1234",
	 .parse = parse_pid,
	 .min = 1,
	 .max = INT_MAX,
	 .help = "Join the network namespace (and its user namespace) of this process"},
	{.name = "link",
	 .section = OPTION_RUN,
	 .arg = "KIND",
	 .dflt = "the better one that can be had",
	 .words = link_words,
	 .parse = parse_link,
	 .help = "How frames travel: tap, or packet (a veth pair, where /dev/net/tun is missing or not permitted)"},

	/* links */
	{.name = "stream",
	 .section = OPTION_SERVE,
	 .arg = "PATH[,client][,offload=MODE][,mode=OCTAL]",
	 .example = "/run/weir/vm.sock",
	 .takes_path = true,
	 .parse = parse_serve,
	 .min = CONFIG_SERVE_STREAM,
	 .help = "A VM whose frames come over this Unix stream socket, each behind its length in 4 bytes (QEMU, "
		 "libkrun, socket_vmnet). weir listens; with client it connects. MODE says what frames are like: "
		 "none, vnet (behind a virtio-net header) or libkrun (up to 64 KiB, with unfinished checksums). The "
		 "socket's mode is 0600 unless OCTAL says otherwise. Like all links it may be given many times, each "
		 "time for another VM"},
	{.name = "dgram",
	 .section = OPTION_SERVE,
	 .arg = "PATH[,offload=MODE][,mode=OCTAL]",
	 .example = "/run/weir/vm.sock",
	 .takes_path = true,
	 .parse = parse_serve,
	 .min = CONFIG_SERVE_DGRAM,
	 .help = "The same over a Unix datagram socket, a frame each (QEMU, vfkit, libkrun)"},
	{.name = "seqpacket",
	 .section = OPTION_SERVE,
	 .arg = "PATH[,offload=MODE][,mode=OCTAL]",
	 .example = "/run/weir/vm.sock",
	 .takes_path = true,
	 .parse = parse_serve,
	 .min = CONFIG_SERVE_SEQPACKET,
	 .help = "The same over a Unix socket of sequenced packets"},
	{.name = "vpnkit",
	 .section = OPTION_SERVE,
	 .arg = "PATH[,offload=MODE][,mode=OCTAL]",
	 .example = "/run/weir/vm.sock",
	 .takes_path = true,
	 .parse = parse_serve,
	 .min = CONFIG_SERVE_VPNKIT,
	 .help = "The same over a Unix stream socket on which the VM speaks as to vpnkit"},
	{.name = "vhost-user",
	 .section = OPTION_SERVE,
	 .arg = "PATH[,client]",
	 .example = "/run/weir/vm.sock",
	 .takes_path = true,
	 .parse = parse_serve,
	 .min = CONFIG_SERVE_VHOST_USER,
	 .help = "A VM whose virtio-net device weir is, by vhost-user. weir listens; with client it connects"},
	{.name = "tap",
	 .section = OPTION_SERVE,
	 .arg = "NAME",
	 .example = "tap0",
	 .parse = parse_serve,
	 .min = CONFIG_SERVE_TAP,
	 .help = "What is behind this tap interface, which is made where there is none"},
	{.name = "fd",
	 .section = OPTION_SERVE,
	 .arg = "N[,KIND][,offload=MODE]",
	 .example = "3,stream",
	 .parse = parse_serve,
	 .min = CONFIG_SERVE_FD,
	 .help = "A link that is open already as descriptor N, or as the one that the service manager gave this "
		 "name: a connected or listening socket, or a tap. KIND is stream, dgram, seqpacket, vpnkit, "
		 "vhost-user or tap; left out, weir looks at the descriptor"},
	{.name = "workers",
	 .section = OPTION_SERVE,
	 .arg = "N",
	 .dflt = "one for each core, and no more than there are links",
	 .example = "4",
	 .parse = parse_u32,
	 FIELD(workers),
	 .min = 1,
	 .max = CONFIG_WORKERS_MAX,
	 .help = "Threads that the sandboxes are spread over"},

	/* limits */
	{.name = "max-connections",
	 .section = OPTION_LIMITS,
	 .arg = "N",
	 .dflt = "4096",
	 .example = "4096",
	 .parse = parse_u32,
	 FIELD(max_connections),
	 .min = 1,
	 .max = CONFIG_CONNECTIONS_MAX,
	 .help = "TCP connections at a time; more are refused"},
	{.name = "max-half-open",
	 .section = OPTION_LIMITS,
	 .arg = "N",
	 .dflt = "1024",
	 .example = "1024",
	 .parse = parse_u32,
	 FIELD(max_half_open),
	 .min = 1,
	 .max = CONFIG_CONNECTIONS_MAX,
	 .help = "TCP connections that are being opened at a time"},
	{.name = "udp-sessions",
	 .section = OPTION_LIMITS,
	 .arg = "N",
	 .dflt = "1024",
	 .example = "1024",
	 .parse = parse_u32,
	 FIELD(max_udp_sessions),
	 .min = 1,
	 .max = CONFIG_SESSIONS_MAX,
	 .help = "UDP sessions at a time"},
	{.name = "icmp-sessions",
	 .section = OPTION_LIMITS,
	 .arg = "N",
	 .dflt = "256",
	 .example = "256",
	 .parse = parse_u32,
	 FIELD(max_icmp_sessions),
	 .min = 1,
	 .max = CONFIG_SESSIONS_MAX,
	 .help = "ICMP echo sessions at a time"},
	{.name = "budget-out",
	 .section = OPTION_LIMITS,
	 .arg = "SIZE",
	 .dflt = "0, no limit",
	 .example = "100M",
	 .parse = parse_size,
	 FIELD(budget_out),
	 .help = "Bytes that may go out for the command, as long as its sandbox lives: number and k, M or G"},
	{.name = "budget-out-each",
	 .section = OPTION_LIMITS,
	 .arg = "SIZE",
	 .dflt = "0, no limit",
	 .example = "10M",
	 .parse = parse_size,
	 FIELD(budget_out_each),
	 .help = "Bytes of these that may go to each destination: a name, or an address"},

	/* checking */
	{.name = "address",
	 .section = OPTION_CHECK,
	 .arg = "ADDR",
	 .dflt = "one that stands for any public address",
	 .example = "192.0.2.7",
	 .parse = parse_check_address,
	 .help = "The address that names are taken to have. May be given many times: then the strictest answer "
		 "is shown"},
	{.name = "resolve",
	 .section = OPTION_CHECK,
	 FLAG(check_resolve),
	 .help = "Ask this host's resolver for the addresses of names"},
	{.name = "json",
	 .section = OPTION_CHECK,
	 FLAG(check_json),
	 .help = "Print one JSON object a line for each target"},

	/* watching */
	{.name = "pcap",
	 .section = OPTION_WATCH,
	 .arg = "FILE",
	 .example = "weir.pcapng",
	 .takes_path = true,
	 .parse = parse_path,
	 FIELD(pcap_path),
	 .help = "Write every frame to this file, as pcapng"},
	{.name = "events",
	 .section = OPTION_WATCH,
	 .arg = "FILE|-|fd:N",
	 .example = "events.ndjson",
	 .takes_path = true,
	 .parse = parse_events,
	 FIELD(events),
	 .help = "Write what happens, one JSON object a line, to this file, to standard output (-), or to a file "
		 "that is open as N, which the command then does not get. doc/events.md describes the lines"},
	{.name = "log-level",
	 .section = OPTION_WATCH,
	 .arg = "LEVEL",
	 .dflt = "warning",
	 .words = level_words,
	 .parse = parse_log_level,
	 .help = "How much weir says on stderr: error, warning, info, debug or trace"},
	{.name = "stats",
	 .section = OPTION_WATCH,
	 FLAG(stats),
	 .help = "Print counters to stderr at the end: bytes, packets, flows, retransmissions, drops by reason"},
	{.name = "quiet",
	 .section = OPTION_WATCH,
	 .commands = OPTION_FOR_ALL,
	 FLAG(quiet),
	 .help = "Do not sum up at the end what was refused, nor warn of rules that have no effect"},
	{.name = "help",
	 .letter = 'h',
	 .section = OPTION_WATCH,
	 .commands = OPTION_FOR_ALL,
	 .help = "Show this list"},
	{0},
};
