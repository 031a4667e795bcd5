// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration's life: defaults, the lists in it, and its end.
 */
#include "conf/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/schema.h"
#include "conf/tree.h"

void config_init(struct config *c)
{
	static const uint8_t pool4[4] = {172, 16};
	static const uint8_t pool6[16] = {0xfd, 0x42, 0x6d, 0x73, 0x00, 0x62};

	*c = (struct config){
		.default_egress = -1,
		.default_ingress = -1,
		.mtu = 1500,
		.ipv4_pool = ipaddr_v4(pool4),
		.ipv4_pool_bits = 12,
		.ipv6_pool = ipaddr_v6(pool6),
		.ipv6_pool_bits = 48,
		.dns_timeout_ms = 5000,
		.dns_rebind_protection = true,
		.dns_cache = true,
		.dns_cache_bytes = 4u << 20,
		.dns_budget_names = 600,
		.dns_budget_bytes = 60000,
		.max_connections = 4096,
		.max_half_open = 1024,
		.max_udp_sessions = 1024,
		.max_icmp_sessions = 256,
		.max_frag_sets = 64,
		.tcp_queue = 4u << 20,
		.tcp_queue_total = 64u << 20,
		.tcp_keepalive_s = 7200,
		.tls = {.ports = {443},
			.port_count = 1,
			.verify_upstream = true,
			.block_quic = true,
			.cache_capacity = 1000,
			.validity_hours = 24},
		.secrets = {.on_violation = CONFIG_VIOLATION_BLOCK_AND_LOG},
		.own_slot = -1,
		.log_level = LOG_WARNING,
	};
}

void strv_done(struct strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	free(v->v);
	*v = (struct strv){0};
}

void config_done(struct config *c)
{
	free(c->path);
	free(c->net);
	strv_done(&c->rules);
	arena_done(&c->file_mem);
	config_tls_done(&c->tls);
	config_secrets_done(&c->secrets);
	free(c->dns_rebind_allow);
	strv_done(&c->dns_host_aliases);
	free(c->dns_records);
	strv_done(&c->dns_forward_special);
	for (size_t i = 0; i < c->publish_count; i++)
		free(c->publish[i].text);
	free(c->publish);
	free(c->netns_path);
	for (size_t i = 0; i < c->serve_count; i++)
		free(c->serve[i].name);
	free(c->serve);
	free(c->name);
	free(c->check_addrs);
	free(c->pcap_path);
	free(c->events);
	*c = (struct config){0};
}

struct policy_source config_policy_source(const struct config *c)
{
	struct policy_source src = {
		.net = c->net,
		.rules = (const char *const *)c->rules.v,
		.rule_count = c->rules.n,
		.file_rules = c->file_rules,
		.file_rule_count = c->file_rule_count,
		.default_egress = c->default_egress,
		.default_ingress = c->default_ingress,
	};

	/* An empty list allows nothing: it must not be taken for no list, which means "public". */
	if (c->file_lists_rules && !c->net && c->default_egress < 0)
		src.default_egress = POLICY_DENY;
	return src;
}

bool strv_add(struct strv *v, const char *s)
{
	char *copy = strdup(s);
	if (!copy)
		return false;
	char **grown = realloc(v->v, (v->n + 1) * sizeof(*grown));
	if (!grown) {
		free(copy);
		return false;
	}
	grown[v->n++] = copy;
	v->v = grown;
	return true;
}

static void *list_grow_to(void *list, size_t n, size_t size, size_t max, struct error *err)
{
	void *grown;

	if (n >= max) {
		error_set(err, "more than %zu", max);
		return NULL;
	}
	grown = realloc(list, (n + 1) * size);
	if (!grown)
		error_set(err, "out of memory");
	return grown;
}

/* Room for one more item of `size` bytes behind the `n` of *list; NULL and err on failure. */
static void *list_grow(void *list, size_t n, size_t size, struct error *err)
{
	return list_grow_to(list, n, size, CONFIG_LIST_MAX, err);
}

int config_add_publish(struct config *c, const char *text, struct error *err)
{
	struct config_publish p, *grown;

	if (config_parse_publish(text, &p, err) < 0)
		return -1;
	grown = list_grow(c->publish, c->publish_count, sizeof(p), err);
	if (!grown) {
		free(p.text);
		return -1;
	}
	grown[c->publish_count++] = p;
	c->publish = grown;
	return 0;
}

int config_add_resolver(struct config *c, const char *text, struct error *err)
{
	const size_t max = sizeof(c->dns_upstream) / sizeof(c->dns_upstream[0]);
	struct ipaddr addr;
	uint16_t port;

	if (config_parse_resolver(text, &addr, &port, err) < 0)
		return -1;
	if (c->dns_upstream_count == max)
		return error_set(err, "at most %zu resolvers can be given", max);
	c->dns_upstream[c->dns_upstream_count].addr = addr;
	c->dns_upstream[c->dns_upstream_count].port = port;
	c->dns_upstream_count++;
	return 0;
}

int config_add_rebind_allow(struct config *c, const char *text, struct error *err)
{
	struct config_prefix p, *grown;

	if (config_parse_prefix(text, &p, err) < 0)
		return -1;
	grown = list_grow(c->dns_rebind_allow, c->dns_rebind_allow_count, sizeof(p), err);
	if (!grown)
		return -1;
	grown[c->dns_rebind_allow_count++] = p;
	c->dns_rebind_allow = grown;
	return 0;
}

int config_add_check_address(struct config *c, const char *text, struct error *err)
{
	struct ipaddr a, *grown;

	if (!ipaddr_parse(text, &a))
		return error_set(err, "expected an IP address");
	grown = list_grow(c->check_addrs, c->check_addr_count, sizeof(a), err);
	if (!grown)
		return -1;
	grown[c->check_addr_count++] = a;
	c->check_addrs = grown;
	return 0;
}

int config_add_serve_parsed(struct config *c, struct config_serve *s, struct error *err)
{
	struct config_serve *grown =
		list_grow_to(c->serve, c->serve_count, sizeof(*s), CONFIG_SERVE_MAX, err);

	if (!grown) {
		free(s->name);
		return -1;
	}
	grown[c->serve_count++] = *s;
	c->serve = grown;
	return 0;
}

int config_add_serve(struct config *c, enum config_serve_kind kind, const char *text,
		     struct error *err)
{
	struct config_serve s;

	if (config_parse_serve(kind, text, &s, err) < 0)
		return -1;
	return config_add_serve_parsed(c, &s, err);
}

int config_add_record(struct config *c, const struct config_record *r, struct error *err)
{
	struct config_record *grown =
		list_grow(c->dns_records, c->dns_record_count, sizeof(*r), err);

	if (!grown)
		return -1;
	grown[c->dns_record_count++] = *r;
	c->dns_records = grown;
	return 0;
}

int config_load(struct config *c, struct error *err)
{
	struct tree *t = tree_load(c->path, err);

	if (!t)
		return -1;
	int rc = schema_apply(t, c, err);
	tree_free(t);
	return rc;
}

int config_load_sandbox(struct config *c, const struct tree *t, size_t index, struct error *err)
{
	return schema_apply_sandbox(t, index, c, err);
}
