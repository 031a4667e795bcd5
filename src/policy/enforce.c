// SPDX-License-Identifier: Apache-2.0
/*
 * Rules that say more than can be enforced are errors. They are judged item by item: one item of a
 * list without effect is as much a surprise as a whole rule without it.
 */
#include "policy/read.h"

static bool ports_hold(const struct reader *rd, uint16_t port)
{
	for (uint32_t i = 0; i < rd->rule.port_count; i++)
		if (port >= rd->ports[i].first && port <= rd->ports[i].last)
			return true;
	return rd->rule.port_count == 0;
}

/* ICMP has no ports, and nothing of it is published. */
static int check_icmp(struct reader *rd)
{
	const struct rule *r = &rd->rule;
	const char *icmp =
		protocol_word(rd->protos & POLICY_ICMPV4 ? POLICY_ICMPV4 : POLICY_ICMPV6);
	struct span word = span_of(icmp);

	if (!(rd->protos & ~POLICY_PROTO_PORTS))
		return 0;
	if (r->port_count)
		return reader_fault(rd, PART_PORTS, NULL,
				    "protocol \"%s\" has none; expected tcp or udp", icmp);
	if (r->dirs & RULE_INGRESS)
		return reader_fault(rd, PART_PROTOCOL, &word,
				    "ingress is published ports, which are TCP or UDP; expected "
				    "tcp or udp, or direction egress");
	return 0;
}

/* An IPv4 target never meets ICMPv6, nor the other way round. */
static int check_families(struct reader *rd)
{
	const struct rule *r = &rd->rule;

	for (uint32_t i = 0; i < r->prefix_count; i++) {
		bool v4 = rd->prefixes[i].net.family == 4;
		uint8_t never = v4 ? POLICY_ICMPV6 : POLICY_ICMPV4;
		struct span word = span_of(protocol_word(never));

		if (r->protos == never)
			return reader_fault(rd, PART_PROTOCOL, &word,
					    "it never meets an IPv%d target; expected %s",
					    v4 ? 4 : 6,
					    protocol_word(v4 ? POLICY_ICMPV4 : POLICY_ICMPV6));
	}
	return 0;
}

/* Targets that stand for one service of the guest's choice: dns and doh. */
static int check_service(struct reader *rd, const char *word, uint16_t port)
{
	const struct rule *r = &rd->rule;

	if (r->dirs != RULE_EGRESS)
		return reader_fault(rd, PART_DIRECTION, NULL,
				    "the target \"%s\" is for egress only", word);
	if (!(r->protos & POLICY_PROTO_PORTS))
		return reader_fault(rd, PART_PROTOCOL, NULL,
				    "the target \"%s\" is TCP and UDP only", word);
	if (!ports_hold(rd, port))
		return reader_fault(rd, PART_PORTS, NULL,
				    "the target \"%s\" is port %d, which the ports leave out", word,
				    port);
	return 0;
}

static int check_names(struct reader *rd)
{
	const struct rule *r = &rd->rule;

	if (r->name_count && r->dirs != RULE_EGRESS)
		return reader_fault(rd, PART_DIRECTION, NULL,
				    "a name is for egress only: a peer that comes in shows none");
	if (r->strict && !r->allow)
		return reader_fault(rd, PART_STRICT, NULL, "it is for rules that allow");
	if (r->strict && !rule_has_names(r))
		return reader_fault(rd, PART_STRICT, NULL, "it is for rules with names");
	return 0;
}

int reader_check(struct reader *rd)
{
	if (check_http(rd) < 0 || check_icmp(rd) < 0 || check_families(rd) < 0 ||
	    check_names(rd) < 0)
		return -1;
	if (rd->rule.dns && check_service(rd, "dns", POLICY_DNS_PORT) < 0)
		return -1;
	return rd->rule.doh ? check_service(rd, "doh", POLICY_DOH_PORT) : 0;
}
