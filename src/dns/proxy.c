// SPDX-License-Identifier: Apache-2.0
/*
 * The interceptor's life: made, reconfigured while questions are on their way, and ended; datagrams
 * in, and what waits for the end of a turn. See proxy.h.
 */
#include "dns/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "conf/config.h"
#include "dns/filter.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* ---- randomness ---- */

static void random_fill(struct dns_proxy *d)
{
	size_t got = 0;
	while (got < sizeof(d->random)) {
		ssize_t n = getrandom(d->random + got, sizeof(d->random) - got, 0);
		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			abort(); /* questions that can be guessed are worse than no gateway */
	}
	d->random_n = sizeof(d->random);
}

void dns_proxy_random(struct dns_proxy *d, void *ret, size_t n)
{
	if (d->random_n < n)
		random_fill(d);
	d->random_n -= (unsigned)n;
	memcpy(ret, d->random + d->random_n, n);
}

uint16_t dns_proxy_random16(struct dns_proxy *d)
{
	uint16_t v;
	dns_proxy_random(d, &v, sizeof(v));
	return v;
}

/* ---- the end of a turn ---- */

/* Nobody flushed since then: a turn later is late, but not lost. */
static void flush_tick(struct timer *t)
{
	dns_proxy_flush(container_of(t, struct dns_proxy, flush_timer));
}

void dns_proxy_wants_flush(struct dns_proxy *d)
{
	if (d->wants_flush)
		return;
	d->wants_flush = true;
	sandbox_touch(d->sb);
	timer_set(&d->sb->loop->wheel, &d->flush_timer, 0);
}

void dns_proxy_flush(struct dns_proxy *d)
{
	if (!d || !d->wants_flush)
		return;
	d->wants_flush = false;
	timer_cancel(&d->sb->loop->wheel, &d->flush_timer);
	upstream_udp_flush(d);
	dns_tcp_flush(d);
}

/* ---- configuration ---- */

/* A copy of the prefixes; false without memory, and nothing has changed. */
static bool copy_rebind(struct dns_proxy *d, const struct config *c)
{
	size_t n = c->dns_rebind_allow_count;
	struct config_prefix *v = NULL;
	if (n && !(v = malloc(n * sizeof(*v))))
		return false;
	if (n)
		memcpy(v, c->dns_rebind_allow, n * sizeof(*v));
	free(d->rebind_allow);
	d->rebind_allow = v;
	d->rebind_allow_n = n;
	return true;
}

static void copy_rate(struct dns_proxy *d, uint32_t per_second)
{
	d->rate_gap_us = per_second ? 1000000u / per_second : 0;
	if (per_second && !d->rate_gap_us)
		d->rate_gap_us = 1;
	d->rate_burst_us = 1000000;
}

/* What was kept and counted goes on where its limits stay as they are. */
static bool renew_cache(struct dns_proxy *d, const struct config *c)
{
	size_t bytes = c->dns_cache ? c->dns_cache_bytes : 0;
	if (bytes == d->cache_bytes)
		return true;
	struct dns_cache *cache = bytes ? dns_cache_new(bytes) : NULL;
	if (bytes && !cache)
		return false;
	dns_cache_free(d->cache);
	d->cache = cache;
	d->cache_bytes = bytes;
	return true;
}

static bool renew_budget(struct dns_proxy *d, const struct config *c)
{
	uint32_t names = c->dns_budget_names, bytes = c->dns_budget_bytes;
	if (names == d->budget_names && bytes == d->budget_bytes)
		return true;
	struct dns_budget *budget = names || bytes ? dns_budget_new(names, bytes) : NULL;
	if ((names || bytes) && !budget)
		return false;
	dns_budget_free(d->budget);
	d->budget = budget;
	d->budget_names = names;
	d->budget_bytes = bytes;
	return true;
}

static bool renew_local(struct dns_proxy *d, const struct config *c)
{
	static const struct ipaddr none;
	const struct stack_config *cfg = &d->sb->stack.cfg;
	struct dns_local *l =
		dns_local_new(cfg->has_v4 ? &cfg->gw4 : &none, cfg->has_v6 ? &cfg->gw6 : &none);
	if (!l || !dns_local_configure(l, c)) {
		dns_local_free(l);
		return false;
	}
	dns_local_free(d->local);
	d->local = l;
	return true;
}

static bool configure(struct dns_proxy *d, const struct config *c)
{
	if (!copy_rebind(d, c) || !renew_local(d, c) || !renew_cache(d, c) || !renew_budget(d, c))
		return false;
	d->timeout_us = c->dns_timeout_ms * 1000ull;
	d->honor = c->dns_target == CONFIG_DNS_HONOR;
	d->deny_refused = c->dns_deny_refused;
	d->rebind_protection = c->dns_rebind_protection;
	d->strip_ech = !c->allow_ech;
	copy_rate(d, c->dns_rate);
	return true;
}

int dns_proxy_reload(struct dns_proxy *d, const struct config *c, struct error *err)
{
	if (!configure(d, c))
		return error_set(err, "the DNS records and limits do not fit");
	if (dns_resolvers_reload(d, c, d->conf_path) && d->cache)
		dns_cache_clear(d->cache);
	return 0;
}

/* ---- life ---- */

struct dns_proxy *dns_proxy_new_at(struct sandbox *sb, const struct config *c, const char *path,
				   struct error *err)
{
	struct dns_proxy *d = calloc(1, sizeof(*d));
	if (!d) {
		error_set(err, "no memory for the DNS proxy");
		return NULL;
	}
	d->sb = sb;
	d->conf_path = path;
	list_init(&d->tcp);
	list_init(&d->tcp_due);
	timer_init(&d->flush_timer, flush_tick);
	dns_queries_init(d);
	upstream_udp_init(d);
	dns_resolvers_init(d, c, path);
	if (!configure(d, c)) {
		error_set(err, "the DNS records and limits do not fit");
		dns_proxy_free(d);
		return NULL;
	}
	return d;
}

struct dns_proxy *dns_proxy_new(struct sandbox *sb, const struct config *c, struct error *err)
{
	return dns_proxy_new_at(sb, c, RESOLV_CONF, err);
}

void dns_proxy_free(struct dns_proxy *d)
{
	if (!d)
		return;
	dns_tcp_free_all(d);
	dns_queries_done(d);
	dns_resolvers_done(d);
	upstream_udp_done(d);
	timer_cancel(&d->sb->loop->wheel, &d->flush_timer);
	dns_local_free(d->local);
	dns_cache_free(d->cache);
	dns_budget_free(d->budget);
	free(d->rebind_allow);
	free(d);
}

/* ---- in ---- */

void dns_proxy_udp(struct dns_proxy *d, const struct udp_datagram *u)
{
	struct dns_asker who = {.from = u->src, .at = u->dst, .port = u->sport};
	struct view rest = u->payload, one;
	/* A train of datagrams came as one. */
	size_t size = u->gso_size ? u->gso_size : rest.len;
	/* No answer can come from an address that is many, or none. */
	if (ipaddr_is_multicast(&u->dst) || ipaddr_is_unspecified(&u->dst)) {
		stack_drop(&d->sb->stack, DROP_BAD_HEADER);
		return;
	}
	do {
		if (!view_take(&rest, rest.len < size ? rest.len : size, &one))
			return;
		dns_intercept(d, &who, one);
	} while (rest.len);
}
