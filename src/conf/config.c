// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration's life: defaults, the lists in it, and its end.
 */
#include "conf/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

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
		.log_level = LOG_WARNING,
	};
}

void config_done(struct config *c)
{
	free(c->net);
	for (size_t i = 0; i < c->rules.n; i++)
		free(c->rules.v[i]);
	free(c->rules.v);
	for (size_t i = 0; i < c->publish_count; i++)
		free(c->publish[i].text);
	free(c->publish);
	free(c->netns_path);
	free(c->pcap_path);
	*c = (struct config){0};
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
