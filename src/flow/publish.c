// SPDX-License-Identifier: Apache-2.0
/*
 * Published ports: binding them, and what TCP and UDP have in common. See publish_priv.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "flow/publish_priv.h"

#define FREE_PORT_TRIES 16 /* for a port that is free on both loopbacks */

/* ---- the guest's side ---- */

struct ipaddr publish_guest(const struct sandbox *sb, uint8_t family)
{
	const struct stack_config *cfg = &sb->stack.cfg;
	struct ipaddr none = {0};
	if (family == 4)
		return cfg->has_v4 ? cfg->guest4 : none;
	return cfg->has_v6 ? cfg->guest6 : none;
}

struct ipaddr publish_gateway(const struct sandbox *sb, uint8_t family)
{
	return family == 4 ? sb->stack.cfg.gw4 : sb->stack.cfg.gw6;
}

struct ipaddr publish_guest_any(const struct sandbox *sb, uint8_t family)
{
	struct ipaddr a = publish_guest(sb, family);
	return a.family ? a : publish_guest(sb, family == 4 ? 6 : 4);
}

bool publish_keeps(const struct sandbox *sb, const struct ipaddr *client)
{
	const struct stack_config *cfg = &sb->stack.cfg;
	struct ipaddr guest = publish_guest(sb, client->family);
	if (!guest.family || ipaddr_is_loopback(client) || ipaddr_is_unspecified(client) ||
	    ipaddr_is_multicast(client) || ipaddr_is_link_local(client))
		return false;
	/* Inside its own network the guest would ask for the client's MAC, which nobody has. */
	return !ipaddr_in_prefix(client, &guest, client->family == 4 ? cfg->prefix4 : 64) &&
	       !stack_is_gateway(&sb->stack, client);
}

uint16_t publish_port_try(unsigned attempt, uint16_t client_port)
{
	uint16_t r;
	if (attempt == 0 && client_port >= 1024)
		return client_port;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) < 0)
		r = (uint16_t)(client_port + attempt * 4099);
	return (uint16_t)(32768 + r % 28232); /* the usual ephemeral range, 32768..60999 */
}

bool publish_admit(struct publish_port *pp, const struct ipaddr *client, uint16_t client_port)
{
	struct policy_facts facts = {.dir = POLICY_INGRESS,
				     .proto = pp->udp ? POLICY_UDP : POLICY_TCP,
				     .remote = *client,
				     .port = pp->guest_port};
	struct ipaddr guest = publish_guest_any(pp->set->sb, client->family);
	return flow_admit(pp->set->sb, &facts, &guest, client_port).verdict.answer == POLICY_ALLOW;
}

/* ---- binding ---- */

static void port_free(struct publish_port *pp)
{
	if (pp->udp)
		publish_udp_close(pp);
	else
		publish_tcp_close(pp);
	list_del(&pp->node);
	free(pp);
}

/* NULL and *ret_err (positive errno). */
static struct publish_port *port_new(struct publish_set *set, const struct config_publish *cp,
				     const struct ipaddr *bind, uint16_t host_port,
				     uint16_t guest_port, int *ret_err)
{
	struct publish_port *pp = calloc(1, sizeof(*pp));
	*ret_err = ENOMEM;
	if (!pp)
		return NULL;
	pp->set = set;
	pp->bind = *bind;
	pp->host_port = host_port;
	pp->guest_port = guest_port;
	pp->udp = cp->udp;
	pp->fd = -1;
	list_add_tail(&set->ports, &pp->node);
	int r = pp->udp ? publish_udp_open(pp) : publish_tcp_open(pp);
	if (r < 0) {
		*ret_err = -r;
		port_free(pp);
		return NULL;
	}
	return pp;
}

static int bind_failed(const struct config_publish *cp, const struct ipaddr *bind, uint16_t port,
		       int errnum, struct error *err)
{
	char addr[IPADDR_STRLEN];
	ipaddr_port_str(bind, port, addr);
	if (errnum == EACCES && port && port < 1024)
		return error_set(err,
				 "cannot publish '%s': cannot bind %s: ports below the sysctl "
				 "net.ipv4.ip_unprivileged_port_start are not for ordinary users; "
				 "take a higher one",
				 cp->text, addr);
	return error_set_errno(err, errnum, "cannot publish '%s': cannot bind %s", cp->text, addr);
}

/* A port that nobody asked for by number has to be told. */
static void report(const struct publish_port *pp, bool chosen)
{
	char addr[IPADDR_STRLEN];
	ipaddr_port_str(&pp->bind, pp->host_port, addr);
	if (chosen)
		log_say("published %s -> guest %u/%s", addr, pp->guest_port,
			pp->udp ? "udp" : "tcp");
	else
		log_info("published %s -> guest %u/%s", addr, pp->guest_port,
			 pp->udp ? "udp" : "tcp");
}

static int bind_given(struct publish_set *set, const struct config_publish *cp, uint16_t host_port,
		      uint16_t guest_port, struct error *err)
{
	int errnum;
	struct publish_port *pp = port_new(set, cp, &cp->bind, host_port, guest_port, &errnum);
	if (!pp)
		return bind_failed(cp, &cp->bind, host_port, errnum, err);
	report(pp, !host_port);
	return 0;
}

/* No BIND was given: the loopback of IPv4, and of IPv6 where the host has one and the guest both
 * families. */
static int bind_loopback(struct publish_set *set, const struct config_publish *cp,
			 uint16_t host_port, uint16_t guest_port, struct error *err)
{
	static const uint8_t b4[4] = {127, 0, 0, 1};
	static const uint8_t b6[16] = {[15] = 1};
	struct ipaddr lo4 = ipaddr_v4(b4), lo6 = ipaddr_v6(b6);
	bool both = set->sb->stack.cfg.has_v4 && set->sb->stack.cfg.has_v6;
	int errnum = 0;
	for (int tries = 0; tries < FREE_PORT_TRIES; tries++) {
		struct publish_port *p4 = port_new(set, cp, &lo4, host_port, guest_port, &errnum);
		if (!p4)
			return bind_failed(cp, &lo4, host_port, errnum, err);
		struct publish_port *p6 = NULL;
		if (both)
			p6 = port_new(set, cp, &lo6, p4->host_port, guest_port, &errnum);
		if (!both || p6 || errnum == EADDRNOTAVAIL || errnum == EAFNOSUPPORT) {
			report(p4, !host_port);
			if (p6)
				report(p6, !host_port);
			return 0;
		}
		uint16_t tried = p4->host_port;
		port_free(p4);
		if (host_port || errnum != EADDRINUSE)
			return bind_failed(cp, &lo6, tried, errnum, err);
	}
	return bind_failed(cp, &lo6, 0, errnum, err);
}

static int publish_one(struct publish_set *set, const struct config_publish *cp, struct error *err)
{
	for (unsigned i = 0; i < cp->count; i++) {
		uint16_t host_port = cp->host_port ? (uint16_t)(cp->host_port + i) : 0;
		uint16_t guest_port = (uint16_t)(cp->guest_port + i);
		int r = cp->bind.family ? bind_given(set, cp, host_port, guest_port, err)
					: bind_loopback(set, cp, host_port, guest_port, err);
		if (r < 0)
			return r;
	}
	if (cp->bind.family && !ipaddr_is_loopback(&cp->bind)) {
		char addr[IPADDR_STRLEN];
		log_warning("published port '%s' is bound to %s: other machines may reach it",
			    cp->text, ipaddr_str(&cp->bind, addr));
	}
	return 0;
}

static struct publish_set *set_new(struct sandbox *sb, struct error *err)
{
	struct publish_set *set = calloc(1, sizeof(*set));
	if (!set) {
		error_set(err, "out of memory");
		return NULL;
	}
	set->sb = sb;
	sipkey_random(&set->key);
	list_init(&set->ports);
	list_init(&set->dialing);
	list_init(&set->clients);
	table_init(&set->by_client, PUBLISH_CLIENTS);
	table_init(&set->by_side, PUBLISH_CLIENTS);
	return set;
}

struct publish_set *publish_new(struct sandbox *sb, const struct config *c, struct error *err)
{
	struct publish_set *set = set_new(sb, err);
	if (!set)
		return NULL;
	for (size_t i = 0; i < c->publish_count; i++) {
		if (publish_one(set, &c->publish[i], err) < 0) {
			publish_free(set);
			return NULL;
		}
	}
	return set;
}

void publish_free(struct publish_set *set)
{
	if (!set)
		return;
	publish_end_forget(set);
	publish_udp_forget(set);
	list_for_each (it, &set->ports) {
		port_free(container_of(it, struct publish_port, node));
	}
	table_done(&set->by_client);
	table_done(&set->by_side);
	free(set);
}

/* ---- while the sandbox runs ---- */

int publish_add(struct sandbox *sb, const struct config_publish *cp, uint16_t *ret_port,
		struct error *err)
{
	if (!sb->publish && !(sb->publish = set_new(sb, err)))
		return -1;
	struct list *ports = &sb->publish->ports, *last = ports->prev;
	int r = publish_one(sb->publish, cp, err);
	/* New ones stand at the end of the list; where one failed, none of them stays. */
	while (r < 0 && ports->prev != last)
		port_free(container_of(ports->prev, struct publish_port, node));
	if (r == 0)
		*ret_port = container_of(last->next, struct publish_port, node)->host_port;
	return r;
}

static bool port_is(const struct publish_port *pp, const struct config_publish *cp)
{
	unsigned at = (unsigned)(pp->host_port - cp->host_port);

	if (pp->udp != cp->udp || pp->host_port < cp->host_port || at >= cp->count ||
	    pp->guest_port != cp->guest_port + at)
		return false;
	return cp->bind.family ? ipaddr_eq(&pp->bind, &cp->bind) : ipaddr_is_loopback(&pp->bind);
}

unsigned publish_remove(struct sandbox *sb, const struct config_publish *cp)
{
	unsigned n = 0;

	if (!sb->publish)
		return 0;
	list_for_each (it, &sb->publish->ports) {
		struct publish_port *pp = container_of(it, struct publish_port, node);

		if (port_is(pp, cp)) {
			port_free(pp);
			n++;
		}
	}
	return n;
}

size_t publish_list(const struct sandbox *sb, struct publish_info *ret, size_t max)
{
	size_t n = 0;

	if (!sb->publish)
		return 0;
	list_for_each (it, &sb->publish->ports) {
		const struct publish_port *pp = container_of(it, struct publish_port, node);

		if (n < max)
			ret[n] = (struct publish_info){.bind = pp->bind,
						       .host_port = pp->host_port,
						       .guest_port = pp->guest_port,
						       .udp = pp->udp};
		n++;
	}
	return n;
}
