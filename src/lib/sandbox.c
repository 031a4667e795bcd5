// SPDX-License-Identifier: Apache-2.0
/* A sandbox in an embedding program's hands: how it is made, started and stopped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/derive.h"
#include "host/addrs.h"
#include "lib/lib.h"

/* ---- making one ---- */

/* One option: its error says which one it is about. */
static int option_failed(struct weir_error *err, const char *name, const char *value,
			 const struct error *why)
{
	return lib_fail(err, EINVAL, "%s '%.60s': %s", name, value, why->msg);
}

static int take_addresses(const struct weir_sandbox_options *o, struct config *c,
			  struct weir_error *err)
{
	struct error why;

	if (o->mac && config_parse_mac(o->mac, c->mac, &why) < 0)
		return option_failed(err, "mac", o->mac, &why);
	c->has_mac |= o->mac != NULL;
	if (o->ipv4 && config_parse_guest_addr(o->ipv4, 4, &c->ipv4, &why) < 0)
		return option_failed(err, "ipv4", o->ipv4, &why);
	if (o->ipv6 && config_parse_guest_addr(o->ipv6, 6, &c->ipv6, &why) < 0)
		return option_failed(err, "ipv6", o->ipv6, &why);
	if (o->ipv4_pool &&
	    config_parse_pool(o->ipv4_pool, 4, &c->ipv4_pool, &c->ipv4_pool_bits, &why) < 0)
		return option_failed(err, "ipv4_pool", o->ipv4_pool, &why);
	if (o->ipv6_pool &&
	    config_parse_pool(o->ipv6_pool, 6, &c->ipv6_pool, &c->ipv6_pool_bits, &why) < 0)
		return option_failed(err, "ipv6_pool", o->ipv6_pool, &why);
	return 0;
}

static int take_options(const struct weir_sandbox_options *o, struct config *c,
			struct weir_error *err)
{
	if (o->slot > WEIR_SLOT_MAX)
		return lib_fail(err, EINVAL, "slot %u: expected 0 to %d", o->slot, WEIR_SLOT_MAX);
	if (o->mtu && (o->mtu < CONFIG_MTU_MIN || o->mtu > CONFIG_MTU_MAX))
		return lib_fail(err, EINVAL, "mtu %u: expected %d to %d", o->mtu, CONFIG_MTU_MIN,
				CONFIG_MTU_MAX);
	if (o->family4 > WEIR_FAMILY_OFF || o->family6 > WEIR_FAMILY_OFF)
		return lib_fail(err, EINVAL, "family4 or family6: there is no such value");
	c->slot = o->slot;
	if (o->mtu)
		c->mtu = (uint16_t)o->mtu;
	c->no_ipv4 |= o->family4 == WEIR_FAMILY_OFF;
	c->no_ipv6 |= o->family6 == WEIR_FAMILY_OFF;
	return take_addresses(o, c, err);
}

static int take_name(struct weir_sandbox *s, const struct weir_sandbox_options *o,
		     struct weir_error *err)
{
	struct error why;

	if (!o->name)
		snprintf(s->name, sizeof(s->name), "slot-%u", o->slot);
	else if (config_check_name(o->name, &why) < 0)
		return option_failed(err, "name", o->name, &why);
	else
		snprintf(s->name, sizeof(s->name), "%s", o->name);
	return 0;
}

static int sandbox_fill(struct weir_sandbox *s, struct weir_error *err)
{
	const struct weir_sandbox_options *o = &s->options;
	struct error why = {0};

	s->own = s->config->conf;
	if (take_options(o, &s->own, err) < 0 || take_name(s, o, err) < 0)
		return -1;
	struct derive_routes routes = {
		.v4 = o->family4 == WEIR_FAMILY_ON || host_has_route(4),
		.v6 = o->family6 == WEIR_FAMILY_ON || host_has_route(6),
	};
	if (derive_stack_config(&s->own, &routes, &s->stack, &why) < 0)
		return lib_pass(err, EINVAL, &why);
	return 0;
}

static void sandbox_release(struct weir_sandbox *s)
{
	weir_config_free(s->config);
	weir_config_free(s->policy);
	lib_gateway_release(s->gateway);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct weir_sandbox *weir_sandbox_new(struct weir_gateway *gateway,
				      const struct weir_config *config,
				      const struct weir_sandbox_options *options,
				      struct weir_error *err)
{
	struct weir_sandbox *s = calloc(1, sizeof(*s));
	struct weir_sandbox_options *o;

	if (!s) {
		lib_fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	atomic_fetch_add(&gateway->users, 1);
	s->gateway = gateway;
	s->config = lib_config_hold(config);
	pthread_mutex_init(&s->lock, NULL);
	o = &s->options;
	int r = lib_options(o, sizeof(*o), options, err);
	if (r == 0)
		r = sandbox_fill(s, err);
	/* Texts stay the caller's. */
	o->name = o->mac = o->ipv4 = o->ipv6 = o->ipv4_pool = o->ipv6_pool = NULL;
	if (r == 0)
		return s;
	sandbox_release(s);
	return NULL;
}

/* ---- the configuration in force ---- */

struct config lib_sandbox_config(const struct weir_sandbox *s, const struct weir_config *config,
				 const struct weir_config *policy)
{
	const struct config *own = &s->own;
	struct config c = config->conf;

	c.mtu = own->mtu;
	c.has_mac = own->has_mac;
	memcpy(c.mac, own->mac, sizeof(c.mac));
	c.ipv4 = own->ipv4;
	c.ipv6 = own->ipv6;
	c.ipv4_pool = own->ipv4_pool;
	c.ipv6_pool = own->ipv6_pool;
	c.ipv4_pool_bits = own->ipv4_pool_bits;
	c.ipv6_pool_bits = own->ipv6_pool_bits;
	c.slot = own->slot;
	c.no_ipv4 = own->no_ipv4;
	c.no_ipv6 = own->no_ipv6;
	/* Files and descriptors of a command line are none of ours. */
	c.events = NULL;
	c.pcap_path = NULL;
	if (policy) {
		c.net = policy->conf.net;
		c.rules = policy->conf.rules;
		c.file_rules = policy->conf.file_rules;
		c.file_rule_count = policy->conf.file_rule_count;
		c.file_lists_rules = policy->conf.file_lists_rules;
		c.default_egress = policy->conf.default_egress;
		c.default_ingress = policy->conf.default_ingress;
		c.deny_icmp = policy->conf.deny_icmp;
	}
	return c;
}

/* ---- calls ---- */

bool lib_sandbox_enter(struct weir_sandbox *s, struct lib_call *call, struct weir_error *err)
{
	/* Before the lock: whoever waits for this sandbox's worker holds it. */
	if (!lib_enter(call, s->gateway, err))
		return false;
	pthread_mutex_lock(&s->lock);
	return true;
}

void lib_sandbox_leave(struct weir_sandbox *s, const struct lib_call *call)
{
	pthread_mutex_unlock(&s->lock);
	lib_leave(call);
}

int lib_not_running(const struct weir_sandbox *s, struct weir_error *err)
{
	return lib_fail(err, ENOTCONN, "sandbox '%s' does not run", s->name);
}

/* ---- callbacks, on the worker ---- */

static void on_event(void *owner, const char *line, size_t n)
{
	const struct weir_sandbox *s = owner;

	s->options.on_event(s->options.ctx, line, n);
}

static void on_lost(void *owner, int err)
{
	const struct weir_sandbox *s = owner;

	s->options.on_end(s->options.ctx, WEIR_END_LINK, err);
}

/* ---- starting and stopping ---- */

static int start(struct weir_sandbox *s, struct weir_error *err)
{
	struct config c = lib_sandbox_config(s, s->config, s->policy);
	struct error why = {0};
	struct gateway_spec spec = {
		.name = s->name,
		.conf = &c,
		.stack = s->stack,
		.link = s->link,
		.on_event = s->options.on_event ? on_event : NULL,
		.on_lost = s->options.on_end ? on_lost : NULL,
		.owner = s,
	};

	if (s->state != LIB_NEW)
		return lib_fail(err, EALREADY, "sandbox '%s' has been started before", s->name);
	if (!s->link)
		return lib_fail(err, EINVAL, "sandbox '%s' has no link yet", s->name);
	if (config_intercepts(&c) && lib_gateway_hold(s->gateway, &c, err) < 0)
		return -1;
	s->link = NULL;
	s->state = LIB_ENDED;
	s->id = gateway_add(s->gateway->gw, &spec, &why);
	if (!s->id)
		return lib_pass(err, ECANCELED, &why);
	s->state = LIB_RUNS;
	return 0;
}

int weir_sandbox_start(struct weir_sandbox *s, struct weir_error *err)
{
	struct lib_call call;

	if (!lib_sandbox_enter(s, &call, err))
		return -1;
	int r = start(s, err);
	lib_sandbox_leave(s, &call);
	return r;
}

static void stop(struct weir_sandbox *s)
{
	link_free(s->link);
	s->link = NULL;
	if (s->state == LIB_RUNS) {
		gateway_counters(s->gateway->gw, s->id, &s->last);
		gateway_remove(s->gateway->gw, s->id);
	}
	s->state = LIB_ENDED;
}

void weir_sandbox_stop(struct weir_sandbox *s)
{
	struct lib_call call;

	if (!lib_sandbox_enter(s, &call, NULL))
		return;
	stop(s);
	lib_sandbox_leave(s, &call);
}

void weir_sandbox_free(struct weir_sandbox *s)
{
	struct lib_call call;

	if (!s || !lib_sandbox_enter(s, &call, NULL))
		return;
	stop(s);
	pthread_mutex_unlock(&s->lock);
	sandbox_release(s);
	lib_leave(&call);
}
