// SPDX-License-Identifier: Apache-2.0
/* Comparing what was started with what was read again. */
#include "conf/reload.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define FIELD(key, member)                                                                 \
	{                                                                                  \
		key, offsetof(struct config, member), sizeof(((struct config *)0)->member) \
	}

/* Plain data, compared byte by byte. */
static const struct fixed {
	const char *key;
	size_t at, size;
} fixed[] = {
	FIELD("interface.mac", has_mac),
	FIELD("interface.mac", mac),
	FIELD("interface.mtu", mtu),
	FIELD("interface.ipv4_address", ipv4),
	FIELD("interface.ipv6_address", ipv6),
	FIELD("interface.ipv4_pool", ipv4_pool),
	FIELD("interface.ipv4_pool", ipv4_pool_bits),
	FIELD("interface.ipv6_pool", ipv6_pool),
	FIELD("interface.ipv6_pool", ipv6_pool_bits),
	FIELD("limits.max_connections", max_connections),
	FIELD("limits.udp_sessions", max_udp_sessions),
	FIELD("limits.icmp_sessions", max_icmp_sessions),
	FIELD("limits.half_open", max_half_open),
	FIELD("limits.fragment_sets", max_frag_sets),
	FIELD("limits.tcp_queue", tcp_queue),
	FIELD("limits.tcp_queue_total", tcp_queue_total),
	FIELD("limits.tcp_keepalive", tcp_keepalive_s),
	FIELD("tls.cache.capacity", tls.cache_capacity),
	FIELD("tls.cache.validity_hours", tls.validity_hours),
	FIELD("trust_host_cas", trust_host_cas),
};

static bool same_publish(const struct config_publish *a, const struct config_publish *b)
{
	return ipaddr_eq(&a->bind, &b->bind) && a->host_port == b->host_port &&
	       a->guest_port == b->guest_port && a->count == b->count && a->udp == b->udp;
}

static bool same_ports(const struct config *a, const struct config *b)
{
	if (a->publish_count != b->publish_count)
		return false;
	for (size_t i = 0; i < a->publish_count; i++) {
		if (!same_publish(&a->publish[i], &b->publish[i]))
			return false;
	}
	return true;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What the key holder was started with, and what was said to the guest. */
static const char *changed_tls(const struct config_tls *a, const struct config_tls *b)
{
	if (!same_text(a->ca_cert, b->ca_cert))
		return "tls.intercept_ca.cert_path";
	if (!same_text(a->ca_key, b->ca_key))
		return "tls.intercept_ca.key_path";
	return same_text(a->keylog, b->keylog) ? NULL : "tls.keylog";
}

static int refuse(const struct config *next, const char *key, struct error *err)
{
	return error_set(err, "%s: %s: it cannot change while the gateway runs; start it anew",
			 next->path ? next->path : "configuration", key);
}

bool config_reload_possible(const struct config *c, struct error *err)
{
	struct stat st;

	if (!c->path)
		error_set(err, "there is no file to read again: --config was not given");
	else if (stat(c->path, &st) < 0)
		error_set_errno(err, errno, "%s", c->path);
	else if (!S_ISREG(st.st_mode))
		error_set(err, "%s: it cannot be read again: it is no regular file", c->path);
	else
		return true;
	return false;
}

int config_reload_check(const struct config *running, const struct config *next, struct error *err)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		const struct fixed *f = &fixed[i];
		if (memcmp((const char *)running + f->at, (const char *)next + f->at, f->size) != 0)
			return refuse(next, f->key, err);
	}
	if (!same_ports(running, next))
		return refuse(next, "ports", err);
	const char *tls = changed_tls(&running->tls, &next->tls);
	if (tls)
		return refuse(next, tls, err);
	if (config_intercepts(next) && !config_intercepts(running))
		return error_set(
			err,
			"%s: nothing was looked into when the gateway was started, so that "
			"its guest trusts no authority of weir's: tls.enabled, a secret and "
			"a rule with http need a new start",
			next->path ? next->path : "configuration");
	return 0;
}
