// SPDX-License-Identifier: Apache-2.0
/*
 * Rules that say more than can be enforced are errors, and rules that an earlier one hides are
 * warnings. Both are judged item by item: one item of a list without effect is as much a surprise
 * as a whole rule without it.
 */
#include "policy/rule.h"

static bool ports_hold(const struct rule *r, uint16_t port)
{
	for (uint32_t i = 0; i < r->port_count; i++)
		if (port >= r->ports[i].first && port <= r->ports[i].last)
			return true;
	return r->port_count == 0;
}

/* An IPv4 target never meets ICMPv6, nor the other way round. */
static int check_families(const struct rule *r, struct error *err)
{
	const uint8_t no4 = POLICY_ICMPV6, no6 = POLICY_ICMPV4;

	for (uint32_t i = 0; i < r->prefix_count; i++) {
		uint8_t family = r->prefixes[i].net.family;

		if ((r->protos & (family == 4 ? no4 : no6)) == r->protos)
			return error_set(err,
					 "protocol \"%s\" never meets an IPv%u target; expected %s",
					 family == 4 ? "icmpv6" : "icmpv4", family,
					 family == 4 ? "icmpv4" : "icmpv6");
	}
	return 0;
}

static int check_dns(const struct rule *r, struct error *err)
{
	if (!r->dns)
		return 0;
	if (r->dirs != RULE_EGRESS)
		return error_set(err, "direction: the target \"dns\" is for egress only");
	if (!(r->protos & POLICY_PROTO_PORTS))
		return error_set(err, "protocol: the target \"dns\" is TCP and UDP only");
	if (!ports_hold(r, POLICY_DNS_PORT))
		return error_set(err,
				 "ports: the target \"dns\" is port %d, which the ports leave out",
				 POLICY_DNS_PORT);
	return 0;
}

int rule_check(const struct rule *r, uint8_t written, struct error *err)
{
	const char *icmp = written & POLICY_ICMPV4 ? "icmpv4" : "icmpv6";
	bool has_icmp = written & ~POLICY_PROTO_PORTS;

	if (has_icmp && r->port_count)
		return error_set(err, "ports: protocol \"%s\" has none; expected tcp or udp", icmp);
	if (has_icmp && (r->dirs & RULE_INGRESS))
		return error_set(
			err,
			"protocol \"%s\": ingress is published ports, which are TCP or UDP; "
			"expected tcp or udp, or direction egress",
			icmp);
	if (check_families(r, err) < 0)
		return -1;
	return check_dns(r, err);
}

static bool covers_ports(const struct rule *a, const struct rule *b)
{
	if (a->port_count == 0)
		return true;
	if (b->port_count == 0)
		return false;
	for (uint32_t i = 0; i < b->port_count; i++) {
		bool within = false;

		for (uint32_t j = 0; j < a->port_count && !within; j++)
			within = b->ports[i].first >= a->ports[j].first &&
				 b->ports[i].last <= a->ports[j].last;
		if (!within)
			return false;
	}
	return true;
}

/*
 * Whether an allow rule whose target names `names` reaches what prefix p of rule b reaches, guarded
 * groups considered. That a deny rule would also have met an address of the host's own does not
 * count: without a rule that names it, the host is closed anyway.
 */
static bool covers_guarded(const struct rule *a, uint8_t names, const struct rule *b,
			   const struct rule_prefix *p)
{
	if (!a->allow)
		return true;
	if (b->allow)
		return !(p->names & ~names);
	return !p->touches;
}

static bool covers_prefix(const struct rule *a, const struct rule *b, const struct rule_prefix *p)
{
	if (a->any && covers_guarded(a, 0, b, p))
		return true;
	for (uint32_t i = 0; i < a->prefix_count; i++) {
		const struct rule_prefix *q = &a->prefixes[i];

		if (q->bits <= p->bits && addr_key_in(p->net, &q->net, &q->mask) &&
		    covers_guarded(a, q->names, b, p))
			return true;
	}
	return false;
}

static bool covers_groups(const struct rule *a, const struct rule *b)
{
	uint8_t missing = b->groups & ~a->groups;

	if (a->any)
		missing &= a->allow ? GROUPS_GUARDED : 0;
	return !missing;
}

bool rule_shadows(const struct rule *earlier, const struct rule *later)
{
	const struct rule *a = earlier, *b = later;

	if ((b->dirs & ~a->dirs) || (b->protos & ~a->protos) || !covers_ports(a, b))
		return false;
	/* `allow@any` leaves the guarded groups to later rules; `deny@any` leaves nothing. */
	if (b->any && !(a->any && (!a->allow || b->allow)))
		return false;
	if (b->dns && !a->dns && !a->any && !(a->groups & GROUP_BIT(GROUP_HOST)))
		return false;
	if (!covers_groups(a, b))
		return false;
	for (uint32_t i = 0; i < b->prefix_count; i++)
		if (!covers_prefix(a, b, &b->prefixes[i]))
			return false;
	return true;
}
