// SPDX-License-Identifier: Apache-2.0
/*
 * Combinations of options that contradict each other, found before anything is started.
 */
#include "cli/options.h"

/* True where both would listen on one host port. No BIND means the loopback of each family. */
static bool publish_collide(const struct config_publish *a, const struct config_publish *b)
{
	if (a->udp != b->udp || a->host_port == 0 || b->host_port == 0)
		return false;
	if (a->host_port >= b->host_port + b->count || b->host_port >= a->host_port + a->count)
		return false;
	if (a->bind.family == 0 || b->bind.family == 0) {
		const struct ipaddr *other = a->bind.family ? &a->bind : &b->bind;
		return other->family == 0 || ipaddr_is_loopback(other) ||
		       ipaddr_is_unspecified(other);
	}
	if (a->bind.family != b->bind.family)
		return false;
	return ipaddr_eq(&a->bind, &b->bind) || ipaddr_is_unspecified(&a->bind) ||
	       ipaddr_is_unspecified(&b->bind);
}

static int publish_check(const struct config *c, struct error *err)
{
	for (size_t i = 0; i < c->publish_count; i++) {
		const struct config_publish *p = &c->publish[i];
		for (size_t j = 0; j < i; j++) {
			if (publish_collide(p, &c->publish[j]))
				return error_set(
					err,
					"published ports: '%s' and '%s' take the same host port",
					c->publish[j].text, p->text);
		}
	}
	return 0;
}

static int family_check(const struct config *c, struct error *err)
{
	if (c->no_ipv4 && c->no_ipv6)
		return error_set(err,
				 "--no-ipv4 with --no-ipv6: no address family would be left; use "
				 "--net none to forbid all traffic");
	if (c->no_ipv4 && c->ipv4.family)
		return error_set(err, "--no-ipv4 with an IPv4 address: give one of them");
	if (c->no_ipv6 && c->ipv6.family)
		return error_set(err, "--no-ipv6 with an IPv6 address: give one of them");
	if (!c->no_ipv6 && c->mtu < 1280)
		return error_set(
			err,
			"--mtu (interface.mtu): '%u': IPv6 needs at least 1280; add --no-ipv6 for less",
			c->mtu);
	return 0;
}

/* Rules of options were judged one by one; those of the file, and all of them together, are here.
 */
static int policy_check(const struct config *c, struct error *err)
{
	struct policy_source src = config_policy_source(c);
	struct policy *p;
	int rc = -1;

	if (!c->path && !c->tls.bypass.n) /* then nothing is left to be seen */
		return 0;
	p = policy_new(&src, err);
	if (p)
		rc = config_check_http(c, p, err);
	policy_free(p);
	return rc;
}

int options_check(enum option_command cmd, const struct config *c, struct error *err)
{
	if (cmd != OPTION_FOR_SERVE && c->sandbox_count)
		return error_set(
			err,
			"%s: sandboxes: only 'weir serve' takes a list of them; expected a "
			"file for one",
			c->path);
	if (c->netns_path && c->pid)
		return error_set(
			err, "--netns with --pid: both name a namespace to join; give one of them");
	if (c->check_addr_count && c->check_resolve)
		return error_set(err, "--address with --resolve: both say which addresses names "
				      "have; give one of them");
	if (family_check(c, err) < 0)
		return -1;
	if (publish_check(c, err) < 0 || config_check_interception(c, err) < 0)
		return -1;
	return policy_check(c, err);
}
