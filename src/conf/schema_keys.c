// SPDX-License-Identifier: Apache-2.0
/*
 * The table of keys, and what sets the field of each.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"

#define RATE_MAX           1000000
#define BUDGET_NAMES_MAX   1000000
#define BUDGET_BYTES_MAX   1000000000
#define CACHE_BYTES_MIN    65536      /* one answer of the largest size */
#define CACHE_BYTES_MAX    1073741824 /* 1G */
#define CACHE_LEAVES_MAX   100000
#define VALIDITY_HOURS_MAX 8760 /* a year; clients take no longer ones from public authorities */

static const char *const verdict_words[] = {"deny", "allow", NULL};
/* Here and below the field's value is the word's index. */
static const char *const deny_style_words[] = {"rst", "icmp", NULL};
static const char *const dns_target_words[] = {"honor", "gateway", NULL};
static const char *const deny_rcode_words[] = {"nxdomain", "refused", NULL};
static const char *const port_protocol_words[] = {"tcp", "udp", NULL};

static void *field_of(const struct schema_walk *w, const struct schema_key *k)
{
	return (char *)w->c + k->field;
}

static int wrong(struct schema_walk *w, const struct tree_node *n, const struct error *why)
{
	return schema_wrong(w, n, why->msg);
}

static int apply_bool(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	return schema_bool(w, n, field_of(w, k));
}

/* A number within the key's bounds, or within 0 and max for some members of items. */
static int number(struct schema_walk *w, const struct tree_node *n, uint64_t min, uint64_t max,
		  uint64_t *ret)
{
	struct error why;
	/* Without a number there is no number to parse: the empty text gives the message. */
	const char *text = n->kind == TREE_NUMBER ? n->text : "";

	if (config_parse_uint(text, min, max, ret, &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

static int apply_u32(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	uint64_t v;

	if (number(w, n, k->min, k->max, &v) < 0)
		return -1;
	*(uint32_t *)field_of(w, k) = (uint32_t)v;
	return 0;
}

static int apply_u16(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	uint64_t v;

	if (number(w, n, k->min, k->max, &v) < 0)
		return -1;
	*(uint16_t *)field_of(w, k) = (uint16_t)v;
	return 0;
}

/* Text of a number or a string: what takes a unit may be either. "" for anything else. */
static const char *measure(const struct tree_node *n)
{
	return n->kind == TREE_NUMBER || n->kind == TREE_STRING ? n->text : "";
}

static int apply_timeout(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	struct error why;

	if (config_parse_dns_timeout(measure(n), field_of(w, k), &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

static int apply_size(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	struct error why;
	uint64_t v;

	if (config_parse_size(measure(n), &v, &why) < 0)
		return wrong(w, n, &why);
	if (v < k->min || v > k->max) {
		error_set(&why, "expected a size from %luk to %luM", (unsigned long)(k->min >> 10),
			  (unsigned long)(k->max >> 20));
		return wrong(w, n, &why);
	}
	*(uint32_t *)field_of(w, k) = (uint32_t)v;
	return 0;
}

static int apply_rate(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	struct error why;
	uint64_t v;

	if (config_parse_rate(measure(n), k->max, &v, &why) < 0)
		return wrong(w, n, &why);
	*(uint32_t *)field_of(w, k) = (uint32_t)v;
	return 0;
}

/* Index of the word, -1 where it is none. */
static int word(struct schema_walk *w, const struct tree_node *n, const char *const *words)
{
	struct error why;
	int i = config_parse_word(n->kind == TREE_STRING ? n->text : "", words, &why);

	return i < 0 ? wrong(w, n, &why) : i;
}

static int apply_verdict(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	int i = word(w, n, k->words);

	if (i < 0)
		return -1;
	*(int *)field_of(w, k) = i;
	return 0;
}

static int apply_either(struct schema_walk *w, const struct schema_key *k,
			const struct tree_node *n)
{
	int i = word(w, n, k->words);

	if (i < 0)
		return -1;
	*(bool *)field_of(w, k) = i == 1;
	return 0;
}

static int apply_target(struct schema_walk *w, const struct schema_key *k,
			const struct tree_node *n)
{
	int i = word(w, n, k->words);

	if (i < 0)
		return -1;
	w->c->dns_target = (enum config_dns_target)i;
	return 0;
}

/* ---- interface ------------------------------------------------------------------------------- */

static int apply_mac(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	if (config_parse_mac(text, w->c->mac, &why) < 0)
		return wrong(w, n, &why);
	w->c->has_mac = true;
	return 0;
}

/* Addresses and pools: the family is in the bounds. */
static int apply_addr(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	if (config_parse_guest_addr(text, (unsigned)k->min, field_of(w, k), &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

static int apply_pool(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	if (config_parse_pool(text, (unsigned)k->min, field_of(w, k),
			      k->min == 6 ? &w->c->ipv6_pool_bits : &w->c->ipv4_pool_bits,
			      &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

/* ---- policy ---------------------------------------------------------------------------------- */

/* "public,host", or [public, host]: the list becomes the text. */
static int apply_net(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	char text[256] = "";
	struct error why;

	if (n->kind != TREE_STRING && n->kind != TREE_ARRAY)
		return schema_wrong(w, n, "expected a string or a list of strings");
	for (const struct tree_node *item = n->kind == TREE_ARRAY ? n->first : n; item;
	     item = item->next) {
		size_t used = strlen(text);
		if (item->kind != TREE_STRING)
			return schema_wrong(w, item, "expected a string");
		if (used + item->count + 2 > sizeof(text))
			return schema_fail(w, item->line, "the list is too long");
		if (used)
			strcat(text, ",");
		strcat(text, item->text);
		if (n->kind == TREE_STRING)
			break;
	}
	if (n->kind == TREE_ARRAY && !n->count) /* no preset at all: what rules allow, no more */
		return schema_fail(w, n->line, "the list is empty; expected none, or presets");
	struct policy_source src = {.net = text, .default_egress = -1, .default_ingress = -1};
	struct policy *p = policy_new(&src, &why);
	if (!p) { /* it begins with what it speaks of, which here the path says */
		const char *rest = strstr(why.msg, "\": ");
		return schema_fail(w, n->line, "%s", rest ? rest + 3 : why.msg);
	}
	policy_free(p);
	free(w->c->net);
	w->c->net = strdup(text);
	return w->c->net ? 0 : error_set(w->err, "%s: out of memory", w->file);
}

/* ---- dns ------------------------------------------------------------------------------------- */

static int item_prefix(struct schema_walk *w, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	return config_add_rebind_allow(w->c, text, &why) < 0 ? wrong(w, n, &why) : 0;
}

static int apply_rebind_allow(struct schema_walk *w, const struct schema_key *k,
			      const struct tree_node *n)
{
	return schema_each(w, n, "networks", item_prefix);
}

static int item_resolver(struct schema_walk *w, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	return config_add_resolver(w->c, text, &why) < 0 ? wrong(w, n, &why) : 0;
}

static int apply_nameservers(struct schema_walk *w, const struct schema_key *k,
			     const struct tree_node *n)
{
	return schema_each(w, n, "resolvers", item_resolver);
}

static int read_name(struct schema_walk *w, const struct tree_node *n, struct name *ret)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	enum name_fault f = name_read(text, n->count, ret);
	if (f == NAME_OK)
		return 0;
	error_set(&why, "expected a name; %s", name_fault_text(f));
	return wrong(w, n, &why);
}

static int add_name(struct schema_walk *w, const struct tree_node *n, struct strv *list)
{
	struct name name;

	if (read_name(w, n, &name) < 0)
		return -1;
	if (list->n == CONFIG_LIST_MAX)
		return schema_fail(w, n->line, "more than %d", CONFIG_LIST_MAX);
	return strv_add(list, name.s) ? 0 : error_set(w->err, "%s: out of memory", w->file);
}

static int item_alias(struct schema_walk *w, const struct tree_node *n)
{
	return add_name(w, n, &w->c->dns_host_aliases);
}

static int apply_aliases(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	return schema_each(w, n, "names", item_alias);
}

static int item_special(struct schema_walk *w, const struct tree_node *n)
{
	return add_name(w, n, &w->c->dns_forward_special);
}

static int apply_special(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	return schema_each(w, n, "names", item_special);
}

static const char *const record_names[] = {"name", "address", NULL};

static int add_record(struct schema_walk *w, const struct name *name, const struct tree_node *n)
{
	struct config_record r = {.name = *name};
	struct error why;

	if (n->kind != TREE_STRING || !ipaddr_parse(n->text, &r.addr))
		return schema_wrong(w, n, "expected an IP address");
	return config_add_record(w->c, &r, &why) < 0 ? wrong(w, n, &why) : 0;
}

static int item_record(struct schema_walk *w, const struct tree_node *n)
{
	const struct tree_node *m[2];
	struct name name;

	if (schema_members(w, n, record_names, m) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (!m[i])
			return schema_fail(w, n->line, "the key %s is missing", record_names[i]);
	}
	size_t before = tree_path_key(&w->path, "name");
	if (read_name(w, m[0], &name) < 0)
		return -1;
	tree_path_cut(&w->path, before);
	tree_path_key(&w->path, "address");
	if (m[1]->kind == TREE_ARRAY && !m[1]->count)
		return schema_fail(w, m[1]->line, "the list is empty; expected an IP address");
	for (const struct tree_node *a = m[1]->kind == TREE_ARRAY ? m[1]->first : m[1]; a;
	     a = a->next) {
		if (add_record(w, &name, a) < 0)
			return -1;
		if (m[1]->kind != TREE_ARRAY)
			break;
	}
	return 0;
}

static int apply_records(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	return schema_each(w, n, "records", item_record);
}

/* ---- ports ----------------------------------------------------------------------------------- */

static const char *const port_names[] = {"host_bind", "host_port", "guest_port", "protocol", NULL};

/* "127.0.0.1:" or "[::1]:" for the text of a port; "" without host_bind. */
static int read_bind(struct schema_walk *w, const struct tree_node *n, char *ret, size_t size)
{
	char text[IPADDR_STRLEN];
	struct ipaddr a;

	*ret = '\0';
	if (!n)
		return 0;
	size_t before = tree_path_key(&w->path, "host_bind");
	if (n->kind != TREE_STRING || !ipaddr_parse(n->text, &a))
		return schema_wrong(w, n, "expected an IP address of the host");
	tree_path_cut(&w->path, before);
	snprintf(ret, size, a.family == 6 ? "[%s]:" : "%s:", ipaddr_str(&a, text));
	return 0;
}

static int read_port(struct schema_walk *w, const struct tree_node *object,
		     const struct tree_node *n, const char *key, uint64_t min, unsigned *ret)
{
	uint64_t v;

	if (!n)
		return schema_fail(w, object->line, "the key %s is missing", key);
	size_t before = tree_path_key(&w->path, key);
	if (number(w, n, min, 65535, &v) < 0)
		return -1;
	tree_path_cut(&w->path, before);
	*ret = (unsigned)v;
	return 0;
}

static int item_port_object(struct schema_walk *w, const struct tree_node *n, char *ret,
			    size_t size)
{
	const struct tree_node *m[4];
	char bind[IPADDR_STRLEN + 4];
	unsigned host, guest;
	int protocol = 0;

	if (schema_members(w, n, port_names, m) < 0 || read_bind(w, m[0], bind, sizeof(bind)) < 0 ||
	    read_port(w, n, m[1], "host_port", 0, &host) < 0 ||
	    read_port(w, n, m[2], "guest_port", 1, &guest) < 0)
		return -1;
	if (m[3]) {
		size_t before = tree_path_key(&w->path, "protocol");
		protocol = word(w, m[3], port_protocol_words);
		if (protocol < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	snprintf(ret, size, "%s%u:%u/%s", bind, host, guest, port_protocol_words[protocol]);
	return 0;
}

static int item_port(struct schema_walk *w, const struct tree_node *n)
{
	char text[IPADDR_STRLEN + 32];
	struct error why;

	if (n->kind == TREE_STRING)
		return config_add_publish(w->c, n->text, &why) < 0 ? wrong(w, n, &why) : 0;
	if (n->kind != TREE_OBJECT)
		return schema_wrong(w, n, "expected an object, or a string such as 8080:80");
	if (item_port_object(w, n, text, sizeof(text)) < 0)
		return -1;
	return config_add_publish(w->c, text, &why) < 0 ? schema_fail(w, n->line, "%s", why.msg)
							: 0;
}

static int apply_ports(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	return schema_each(w, n, "ports", item_port);
}

/* ---- sandboxes ------------------------------------------------------------------------------- */

/* Here they are only counted: each makes a configuration of its own (schema_apply_sandbox()). */
static int apply_sandboxes(struct schema_walk *w, const struct schema_key *k,
			   const struct tree_node *n)
{
	if (n->kind != TREE_ARRAY)
		return schema_wrong(w, n, "expected a list of objects");
	if (n->count > CONFIG_SERVE_MAX)
		return schema_fail(w, n->line, "more than %d", CONFIG_SERVE_MAX);
	w->c->sandbox_count = n->count;
	return 0;
}

/* A text that becomes the field. */
static int set_text(struct schema_walk *w, const struct schema_key *k, const char *text)
{
	char **field = field_of(w, k), *copy = strdup(text);

	if (!copy)
		return error_set(w->err, "%s: out of memory", w->file);
	free(*field);
	*field = copy;
	return 0;
}

static int apply_name(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	if (config_check_name(text, &why) < 0)
		return wrong(w, n, &why);
	return set_text(w, k, text);
}

static int apply_path(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);

	if (!text)
		return -1;
	return *text ? set_text(w, k, text) : schema_wrong(w, n, "expected the path of a file");
}

static int apply_slot(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	uint64_t v;

	if (number(w, n, k->min, k->max, &v) < 0)
		return -1;
	w->c->own_slot = (int64_t)v;
	return 0;
}

static int apply_link(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct config_serve s;
	struct error why;

	if (!text)
		return -1;
	if (config_parse_link(text, &s, &why) < 0)
		return wrong(w, n, &why);
	if (config_add_serve_parsed(w->c, &s, &why) < 0)
		return schema_fail(w, n->line, "%s", why.msg);
	return 0;
}

/* ---- keys of later versions ------------------------------------------------------------------ */

/* Only the default is taken, so that a whole configuration can be written down today. */
static int apply_later(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	struct error why;
	struct tree *t = tree_parse("", TREE_JSON, k->dflt, strlen(k->dflt), &why);

	if (!t)
		return error_set(w->err, "%s: %s", w->file, why.msg);
	struct tree_node copy = *n;
	copy.key = NULL;
	bool same = tree_equal(&copy, tree_root(t));
	tree_free(t);
	if (same)
		return 0;
	return schema_fail(w, n->key_line,
			   "not in this version of weir; only its default, %s, is taken", k->dflt);
}

#define FIELD(member) .field = offsetof(struct config, member)
#define LATER(p, t, d)                                                      \
	{                                                                   \
		.path = (p), .type = (t), .dflt = (d), .apply = apply_later \
	}

const struct schema_key schema_keys[] = {
	{.path = "interface.mac",
	 .type = "string",
	 .dflt = "null",
	 .apply = apply_mac,
	 .help = "The guest's MAC address; null: from the slot"},
	{.path = "interface.mtu",
	 .type = "number",
	 .dflt = "1500",
	 .apply = apply_u16,
	 FIELD(mtu),
	 .min = CONFIG_MTU_MIN,
	 .max = CONFIG_MTU_MAX,
	 .help = "Largest packet, in bytes; IPv6 needs at least 1280"},
	{.path = "interface.ipv4_address",
	 .type = "string",
	 .dflt = "null",
	 .apply = apply_addr,
	 FIELD(ipv4),
	 .min = 4,
	 .help = "The guest's IPv4 address; the gateway is the address before it. null: from the slot"},
	{.path = "interface.ipv6_address",
	 .type = "string",
	 .dflt = "null",
	 .apply = apply_addr,
	 FIELD(ipv6),
	 .min = 6,
	 .help = "The guest's IPv6 address; the gateway is ::1 of the same /64. null: from the slot"},
	{.path = "interface.ipv4_pool",
	 .type = "network",
	 .dflt = "\"172.16.0.0/12\"",
	 .apply = apply_pool,
	 FIELD(ipv4_pool),
	 .min = 4,
	 .help = "Where the slot's /30 is taken from"},
	{.path = "interface.ipv6_pool",
	 .type = "network",
	 .dflt = "\"fd42:6d73:62::/48\"",
	 .apply = apply_pool,
	 FIELD(ipv6_pool),
	 .min = 6,
	 .help = "Where the slot's /64 is taken from"},

	{.path = "policy.default_egress",
	 .type = "allow or deny",
	 .dflt = "\"deny\"",
	 .apply = apply_verdict,
	 FIELD(default_egress),
	 .words = verdict_words,
	 .help = "What happens to flows of the guest that no rule matches"},
	{.path = "policy.default_ingress",
	 .type = "allow or deny",
	 .dflt = "\"allow\"",
	 .apply = apply_verdict,
	 FIELD(default_ingress),
	 .words = verdict_words,
	 .help = "What happens to flows to published ports that no rule matches"},
	{.path = "policy.net",
	 .type = "list of presets, or a string",
	 .dflt = "null",
	 .apply = apply_net,
	 .help = "Presets, as --net takes them: public, private and host, whose rules come behind all others; or "
		 "all, or none. null: DNS alone where there are rules or a default for egress, else public"},
	{.path = "policy.rules",
	 .type = "list of rules",
	 .dflt = "null",
	 .apply = schema_rules,
	 .help = "The first rule that matches wins. Each is a token as in weir-policy(5), or an object of the keys "
		 "below. The rules of the command line come before them. A list that is there and empty allows "
		 "nothing"},
	{.path = "policy.rules[].direction",
	 .type = "egress, ingress or any",
	 .dflt = "\"egress\"",
	 .help = "Flows that the guest opens, flows to its published ports, or both"},
	{.path = "policy.rules[].destination",
	 .type = "string, object, or a list of these",
	 .help = "A target as in a token; or one of {domain: NAME}, {domain_suffix: NAME}, {ip: ADDRESS}, {cidr: "
		 "NETWORK}, {group: GROUP} and {any: true}. Must be there"},
	{.path = "policy.rules[].protocols",
	 .type = "list of tcp, udp, icmpv4 and icmpv6",
	 .dflt = "[]",
	 .help = "Empty: all of them"},
	{.path = "policy.rules[].ports",
	 .type = "list of numbers and ranges",
	 .dflt = "[]",
	 .help = "Such as [443, \"8000-8100\"]. Empty: all of them"},
	{.path = "policy.rules[].action",
	 .type = "allow or deny",
	 .help = "What the rule does. Must be there"},
	{.path = "policy.rules[].strict",
	 .type = "true or false",
	 .dflt = "false",
	 .help = "A rule that allows names does not allow a flow that shows none"},
	{.path = "policy.rules[].http",
	 .type = "object, or list of objects",
	 .dflt = "null",
	 .help = "Which HTTP requests the rule allows: those that one of the objects holds. With it the rule is for TCP "
		 "alone, and connections that it allows are looked into, request by request. See weir-policy(5)"},
	{.path = "policy.rules[].http.methods",
	 .type = "list of strings",
	 .help = "Their methods, such as [GET, HEAD]. Left out, like each list here: any"},
	{.path = "policy.rules[].http.hosts",
	 .type = "list of hosts",
	 .help = "Hosts that requests may be for: example.com, *.example.com (all names below) or .example.com (both)"},
	{.path = "policy.rules[].http.paths",
	 .type = "list of strings",
	 .help = "Paths that requests may be for: * stands for any characters but a slash, ** for any, such as "
		 "/repos/*/**"},
	{.path = "policy.rules[].http.deny_paths",
	 .type = "list of strings",
	 .help = "Paths that they may not be for, whatever the other lists say"},
	{.path = "policy.rules[].http.presets",
	 .type = "list of strings",
	 .help = "Lists that come with weir, by name, such as github-read-only. A request must be in one of them, and in "
		 "the other lists that are given"},
	{.path = "policy.deny_style",
	 .type = "rst or icmp",
	 .dflt = "\"rst\"",
	 .apply = apply_either,
	 FIELD(deny_icmp),
	 .words = deny_style_words,
	 .help = "How a TCP connection that the policy denies is refused: as a port is where nobody listens; or by "
		 "\"administratively prohibited\", and then a reset"},

	{.path = "dns.rebind_protection",
	 .type = "true or false",
	 .dflt = "true",
	 .apply = apply_bool,
	 FIELD(dns_rebind_protection),
	 .help = "Answers in which a name has an address that is not public are not handed on"},
	{.path = "dns.rebind_allow",
	 .type = "list of networks",
	 .dflt = "[]",
	 .apply = apply_rebind_allow,
	 .help = "Names may have addresses in these networks nevertheless"},
	{.path = "dns.nameservers",
	 .type = "list of ADDRESS[:PORT]",
	 .dflt = "[]",
	 .apply = apply_nameservers,
	 .help = "Resolvers, asked in order; at most eight. Empty: those of the host's resolv.conf, followed as it "
		 "changes. Resolvers of the command line take the place of the list"},
	{.path = "dns.query_timeout_ms",
	 .type = "number, or a string with a unit",
	 .dflt = "5000",
	 .apply = apply_timeout,
	 FIELD(dns_timeout_ms),
	 .help = "How long a query may take before the answer is SERVFAIL, from 10ms to 1m; a bare number is "
		 "milliseconds"},
	{.path = "dns.target",
	 .type = "honor or gateway",
	 .dflt = "\"honor\"",
	 .apply = apply_target,
	 .words = dns_target_words,
	 .help = "Who answers a query that the guest sends to a resolver of its own choice: that resolver, where the "
		 "policy allows it; or the configured ones"},
	{.path = "dns.deny_rcode",
	 .type = "nxdomain or refused",
	 .dflt = "\"nxdomain\"",
	 .apply = apply_either,
	 FIELD(dns_deny_refused),
	 .words = deny_rcode_words,
	 .help = "The answer to a query for a name that the policy denies"},
	{.path = "dns.cache",
	 .type = "true or false",
	 .dflt = "true",
	 .apply = apply_bool,
	 FIELD(dns_cache),
	 .help = "Keep answers as long as they say, and answer from them"},
	{.path = "dns.cache_bytes",
	 .type = "number, or a string with a unit",
	 .dflt = "\"4M\"",
	 .apply = apply_size,
	 FIELD(dns_cache_bytes),
	 .min = CACHE_BYTES_MIN,
	 .max = CACHE_BYTES_MAX,
	 .help = "Memory of the cache, from 64k to 1024M"},
	{.path = "dns.records",
	 .type = "list of objects",
	 .dflt = "[]",
	 .apply = apply_records,
	 .help = "Names that weir answers itself"},
	{.path = "dns.records[].name", .type = "string", .help = "The name. Must be there"},
	{.path = "dns.records[].address",
	 .type = "string, or a list of strings",
	 .help = "Its IPv4 and IPv6 addresses. Must be there"},
	{.path = "dns.host_aliases",
	 .type = "list of names",
	 .dflt = "[]",
	 .apply = apply_aliases,
	 .help = "Names of the gateway beside host.weir.internal. Empty: the usual ones, host.docker.internal, "
		 "host.containers.internal and host.microsandbox.internal"},
	{.path = "dns.forward_special",
	 .type = "list of names",
	 .dflt = "[]",
	 .apply = apply_special,
	 .help = "Special-use names, such as local or internal, that are sent to the resolvers nevertheless, with "
		 "all names below them"},
	{.path = "dns.rate",
	 .type = "number, or a string such as 100/s",
	 .dflt = "0",
	 .apply = apply_rate,
	 FIELD(dns_rate),
	 .max = RATE_MAX,
	 .help = "Queries a second; 0: no limit"},
	{.path = "dns.budget.names",
	 .type = "number",
	 .dflt = "600",
	 .apply = apply_u32,
	 FIELD(dns_budget_names),
	 .max = BUDGET_NAMES_MAX,
	 .help = "Distinct names that may be asked for in a minute under one registered domain; 0: no limit"},
	{.path = "dns.budget.bytes",
	 .type = "number",
	 .dflt = "60000",
	 .apply = apply_u32,
	 FIELD(dns_budget_bytes),
	 .max = BUDGET_BYTES_MAX,
	 .help = "Bytes that these names may have together; 0: no limit"},

	{.path = "ports",
	 .type = "list of objects and strings",
	 .dflt = "[]",
	 .apply = apply_ports,
	 .help = "Published ports, together with those of the command line. A string is as --publish takes it"},
	{.path = "ports[].host_bind",
	 .type = "string",
	 .dflt = "null",
	 .help = "The host's address to listen on; null: its loopback"},
	{.path = "ports[].host_port",
	 .type = "number",
	 .help = "The host's port; 0: a free one, which weir says. Must be there"},
	{.path = "ports[].guest_port", .type = "number", .help = "The guest's port. Must be there"},
	{.path = "ports[].protocol",
	 .type = "tcp or udp",
	 .dflt = "\"tcp\"",
	 .help = "The protocol"},

	{.path = "limits.max_connections",
	 .type = "number",
	 .dflt = "4096",
	 .apply = apply_u32,
	 FIELD(max_connections),
	 .min = 1,
	 .max = CONFIG_CONNECTIONS_MAX,
	 .help = "TCP connections at a time; more are refused"},
	{.path = "limits.udp_sessions",
	 .type = "number",
	 .dflt = "1024",
	 .apply = apply_u32,
	 FIELD(max_udp_sessions),
	 .min = 1,
	 .max = CONFIG_SESSIONS_MAX,
	 .help = "UDP sessions at a time"},
	{.path = "limits.icmp_sessions",
	 .type = "number",
	 .dflt = "256",
	 .apply = apply_u32,
	 FIELD(max_icmp_sessions),
	 .min = 1,
	 .max = CONFIG_SESSIONS_MAX,
	 .help = "ICMP echo sessions at a time"},
	{.path = "limits.half_open",
	 .type = "number",
	 .dflt = "1024",
	 .apply = apply_u32,
	 FIELD(max_half_open),
	 .min = 1,
	 .max = CONFIG_CONNECTIONS_MAX,
	 .help = "TCP connections that are being opened at a time"},

	{.path = "tls.allow_ech",
	 .type = "true or false",
	 .dflt = "false",
	 .apply = apply_bool,
	 FIELD(allow_ech),
	 .help = "Connections whose real name is encrypted pass where the name that they show is allowed"},
	{.path = "tls.enabled",
	 .type = "true or false",
	 .dflt = "false",
	 .apply = apply_bool,
	 FIELD(tls.enabled),
	 .help = "Look into every TLS connection to an intercepted port. Without it, connections are looked into "
		 "only where a secret or a rule for HTTP requests needs it. See weir-tls(7)"},
	{.path = "tls.intercepted_ports",
	 .type = "list of numbers",
	 .dflt = "[443]",
	 .apply = schema_tls_ports,
	 .help = "TCP ports whose connections are looked into. The command line's --tls-intercept-port takes the "
		 "place of the list"},
	{.path = "tls.bypass",
	 .type = "list of hosts",
	 .dflt = "[]",
	 .apply = schema_tls_bypass,
	 .help = "Hosts whose connections pass untouched, such as those of programs that pin a certificate: "
		 "example.com, *.example.com (all names below) or .example.com (both). Hosts that a secret or a rule "
		 "for HTTP requests needs cannot be among them"},
	{.path = "tls.verify_upstream",
	 .type = "true or false",
	 .dflt = "true",
	 .apply = apply_bool,
	 FIELD(tls.verify_upstream),
	 .help = "Connections to servers whose certificate does not verify fail. With false everything passes, and "
		 "only secrets that do without require_tls_identity reach such a server"},
	{.path = "tls.block_quic_on_intercept",
	 .type = "true or false",
	 .dflt = "true",
	 .apply = apply_bool,
	 FIELD(tls.block_quic),
	 .help = "UDP to an intercepted port is refused at once, so that programs fall back from HTTP/3 to TCP"},
	{.path = "tls.upstream_ca_cert",
	 .type = "list of strings",
	 .dflt = "[]",
	 .apply = schema_tls_upstream_ca,
	 .help = "Files of certificates (PEM) that servers are verified by, beside the host's own roots"},
	{.path = "tls.scoped_upstream_ca_cert",
	 .type = "list of objects",
	 .dflt = "[]",
	 .apply = schema_tls_scoped_ca,
	 .help = "The same for some hosts alone"},
	{.path = "tls.scoped_upstream_ca_cert[].host",
	 .type = "string",
	 .help = "The hosts, written as in tls.bypass. Must be there"},
	{.path = "tls.scoped_upstream_ca_cert[].path",
	 .type = "string",
	 .help = "The file. Must be there"},
	{.path = "tls.scoped_verify_upstream",
	 .type = "list of objects",
	 .dflt = "[]",
	 .apply = schema_tls_scoped_verify,
	 .help = "Hosts for which it is not as tls.verify_upstream says; the first that matches counts"},
	{.path = "tls.scoped_verify_upstream[].host",
	 .type = "string",
	 .help = "The hosts, written as in tls.bypass. Must be there"},
	{.path = "tls.scoped_verify_upstream[].verify",
	 .type = "true or false",
	 .help = "Whether their certificates are verified. Must be there"},
	{.path = "tls.intercept_ca.cert_path",
	 .type = "string",
	 .dflt = "null",
	 .apply = apply_path,
	 FIELD(tls.ca_cert),
	 .help = "The certificate (PEM) of the authority that interception signs with; null, like its key: weir's "
		 "own, which is made where there is none (see weir-ca(1))"},
	{.path = "tls.intercept_ca.key_path",
	 .type = "string",
	 .dflt = "null",
	 .apply = apply_path,
	 FIELD(tls.ca_key),
	 .help = "Its private key (PEM)"},
	{.path = "tls.cache.capacity",
	 .type = "number",
	 .dflt = "1000",
	 .apply = apply_u32,
	 FIELD(tls.cache_capacity),
	 .min = 1,
	 .max = CACHE_LEAVES_MAX,
	 .help = "Certificates for intercepted hosts that are kept ready"},
	{.path = "tls.cache.validity_hours",
	 .type = "number",
	 .dflt = "24",
	 .apply = apply_u32,
	 FIELD(tls.validity_hours),
	 .min = 1,
	 .max = VALIDITY_HOURS_MAX,
	 .help = "How long each of them is in force"},
	{.path = "tls.client_certs",
	 .type = "list of objects",
	 .dflt = "[]",
	 .apply = schema_tls_client_certs,
	 .help = "Certificates that weir shows to servers that ask for one; the first whose hosts match is shown"},
	{.path = "tls.client_certs[].host",
	 .type = "string",
	 .help = "The hosts, written as in tls.bypass. Must be there"},
	{.path = "tls.client_certs[].cert_path",
	 .type = "string",
	 .help = "The certificate and what else belongs to its chain (PEM). Must be there"},
	{.path = "tls.client_certs[].key_path",
	 .type = "string",
	 .help = "Its private key (PEM). Must be there"},
	{.path = "tls.keylog",
	 .type = "string",
	 .dflt = "null",
	 .apply = apply_path,
	 FIELD(tls.keylog),
	 .help = "Write the keys of intercepted connections to this file, for a debugger such as Wireshark. Whoever "
		 "reads it can read the connections, secrets included"},

	{.path = "secrets.secrets",
	 .type = "list of objects",
	 .dflt = "[]",
	 .apply = schema_secrets,
	 .help = "Secrets that the guest can use and never sees: it has a placeholder, in whose place weir puts the "
		 "value on the way to the hosts that may have it. Their connections are looked into. See "
		 "weir-secrets(7)"},
	{.path = "secrets.secrets[].env_var",
	 .type = "string",
	 .help = "The guest's environment variable that holds the placeholder, and the secret's name. Left out: that "
		 "of env. One of them must be there"},
	{.path = "secrets.secrets[].env",
	 .type = "string",
	 .help = "The variable of weir's own environment that holds the value. Left out, with file and command: the "
		 "one that is called as env_var says"},
	{.path = "secrets.secrets[].file",
	 .type = "string",
	 .help = "The file that holds the value; a line feed at its end is no part of it"},
	{.path = "secrets.secrets[].command",
	 .type = "string",
	 .help = "A command for sh -c that prints the value; a line feed at the end is no part of it"},
	{.path = "secrets.secrets[].expiry",
	 .type = "number, or a string with a unit",
	 .dflt = "0",
	 .help = "After that time the file is read, or the command run, again; a bare number is seconds. 0: when the "
		 "configuration is reloaded"},
	{.path = "secrets.secrets[].placeholder",
	 .type = "string",
	 .dflt = "null",
	 .help = "What the guest has instead of the value, 8 to 1024 characters. null: a random one, which differs "
		 "from start to start"},
	{.path = "secrets.secrets[].format",
	 .type = "string",
	 .dflt = "null",
	 .help = "The shape of a random placeholder, for programs that look at theirs: each X becomes a random letter "
		 "or digit, such as ghp_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX. null: the shape of the value"},
	{.path = "secrets.secrets[].allowed_hosts",
	 .type = "list of hosts",
	 .help = "Who may have the value: example.com, *.example.com (all names below) or .example.com (both); any "
		 "stands for everybody. {exact: HOST} and {wildcard: HOST} are taken, too. Must be there"},
	{.path = "secrets.secrets[].passthrough_hosts",
	 .type = "list of hosts",
	 .dflt = "[]",
	 .help = "Who may have the placeholder itself, which is then no violation"},
	{.path = "secrets.secrets[].injection.headers",
	 .type = "true or false",
	 .dflt = "true",
	 .help = "The placeholder is replaced in the values of header fields"},
	{.path = "secrets.secrets[].injection.basic_auth",
	 .type = "true or false",
	 .dflt = "true",
	 .help = "Inside the credentials of Basic authentication"},
	{.path = "secrets.secrets[].injection.query_params",
	 .type = "true or false",
	 .dflt = "false",
	 .help = "In the query of the address"},
	{.path = "secrets.secrets[].injection.body",
	 .type = "true or false",
	 .dflt = "false",
	 .help = "In request bodies"},
	{.path = "secrets.secrets[].injection.path",
	 .type = "true or false",
	 .dflt = "false",
	 .help = "In the path of the address"},
	{.path = "secrets.secrets[].injection.websocket",
	 .type = "true or false",
	 .dflt = "false",
	 .help = "In the text messages of WebSocket connections"},
	{.path = "secrets.secrets[].on_violation",
	 .type = "block, block-and-log, block-and-terminate, or an object",
	 .dflt = "null",
	 .help = "What happens to a request that takes the placeholder elsewhere; null: as secrets.on_violation "
		 "says. {passthrough: [HOST...]} is the same as passthrough_hosts"},
	{.path = "secrets.secrets[].require_tls_identity",
	 .type = "true or false",
	 .dflt = "true",
	 .help = "The value goes only over TLS, and only to a server whose certificate has been verified"},
	{.path = "secrets.secrets[].require",
	 .type = "true or false",
	 .dflt = "false",
	 .help = "Requests to allowed_hosts must carry one of weir's secrets: a guest cannot use a key of its own"},
	{.path = "secrets.secrets[].capture",
	 .type = "true or false",
	 .dflt = "false",
	 .help = "Tokens that allowed_hosts hand out in OAuth answers become placeholders, too"},
	{.path = "secrets.secrets[].signer.type",
	 .type = "sigv4, hmac, oauth2-client-credentials, oauth2-refresh-token or github-app",
	 .help = "The value signs requests, or is exchanged for tokens, and does not go out itself; weir-secrets(7) "
		 "says what the value is then"},
	{.path = "secrets.secrets[].signer.token_url",
	 .type = "string",
	 .help = "Where tokens come from, an https address; of oauth2-client-credentials, oauth2-refresh-token and "
		 "github-app, and must be there"},
	{.path = "secrets.secrets[].signer.scope",
	 .type = "string",
	 .dflt = "null",
	 .help = "The scope that is asked for, of oauth2-client-credentials and oauth2-refresh-token"},
	{.path = "secrets.secrets[].signer.app_id",
	 .type = "string",
	 .help = "The app's number or client ID, of github-app, and must be there"},
	{.path = "secrets.secrets[].signer.header",
	 .type = "string",
	 .help = "The header field that gets the signature, of hmac, and must be there"},
	{.path = "secrets.secrets[].signer.algorithm",
	 .type = "sha256, sha1 or sha512",
	 .dflt = "\"sha256\"",
	 .help = "The hash function, of hmac"},
	{.path = "secrets.on_violation",
	 .type = "block, block-and-log, block-and-terminate, or an object",
	 .dflt = "\"block-and-log\"",
	 .apply = schema_on_violation,
	 .help = "What happens to a request that takes a placeholder to a host that may not have the value: it is "
		 "refused; that, and an event tells of it; or that, and the sandbox ends. {passthrough: [HOST...]}: "
		 "these hosts may have the placeholders of all secrets that do not say otherwise"},
	LATER("rate_limiter.egress", "object", "null"),
	LATER("rate_limiter.ingress", "object", "null"),
	{.path = "trust_host_cas",
	 .type = "true or false",
	 .dflt = "false",
	 .apply = apply_bool,
	 FIELD(trust_host_cas),
	 .help = "The guest is given the host's trusted roots, too, in place of its own"},
	{.path = "sandboxes",
	 .type = "list of objects",
	 .dflt = "[]",
	 .apply = apply_sandboxes,
	 .help = "The sandboxes of weir serve. Each may have all the keys of this page but this one, and those "
		 "below; what it does not say is as the top level says. A list of its own takes the place of the "
		 "top level's"},
	{.path = "sandboxes[].name",
	 .type = "string",
	 .apply = apply_name,
	 FIELD(name),
	 .help = "What messages and events call it: letters, digits, dots, underscores and dashes. Left out: its "
		 "slot's number behind sandbox-"},
	{.path = "sandboxes[].link",
	 .type = "string",
	 .apply = apply_link,
	 .help = "How frames reach it, as the options of weir-serve(1) say it: stream:PATH, dgram:PATH, seqpacket:PATH, "
		 "vpnkit:PATH, vhost-user:PATH, tap:NAME or fd:N. Must be there"},
	{.path = "sandboxes[].slot",
	 .type = "number",
	 .apply = apply_slot,
	 .max = 65535,
	 .help = "Where its addresses come from, from 0 to 65535. Left out: --slot, and its place in the list"},
	{.path = "sandboxes[].events",
	 .type = "string",
	 .apply = apply_path,
	 FIELD(events),
	 .help = "Where its events go, as --events takes it"},
	{.path = "sandboxes[].pcap",
	 .type = "string",
	 .apply = apply_path,
	 FIELD(pcap_path),
	 .help = "Every frame of it is written to this file, as pcapng"},
	{0},
};
