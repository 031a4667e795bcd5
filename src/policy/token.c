// SPDX-License-Identifier: Apache-2.0
/*
 * The token form of a rule:
 *
 *	ACTION[:DIRECTION]@TARGET[:PROTOCOL[:PORTS]]
 *
 * TARGET, PROTOCOL and PORTS are comma lists. An IPv6 address holds colons, so it stands in
 *brackets where a protocol follows; alone it needs none.
 *
 * Everything here is strict: one spelling, no blanks, no empty part. A message names the part that
 * is wrong, what was expected, and the nearest word.
 */
#include <stdlib.h>

#include "policy/rule.h"

#define FORM "ACTION[:DIRECTION]@TARGET[:PROTOCOL[:PORTS]], as in allow@10.0.0.0/8:tcp:443"

static const char *const action_words[] = {"allow", "deny", NULL};
static const char *const dir_words[] = {"egress", "ingress", "any", NULL};
static const uint8_t dir_bits[] = {RULE_EGRESS, RULE_INGRESS, RULE_EGRESS | RULE_INGRESS};
static const char *const proto_words[] = {"tcp", "udp", "icmpv4", "icmpv6", NULL};
static const uint8_t proto_bits[] = {POLICY_TCP, POLICY_UDP, POLICY_ICMPV4, POLICY_ICMPV6};

/* Splits off what lies before the first `c`; false where there is none (then all of it is in head).
 */
static bool span_cut(struct span *rest, char c, struct span *head)
{
	const char *at = rest->n ? memchr(rest->p, c, rest->n) : NULL;

	if (!at) {
		*head = *rest;
		*rest = (struct span){rest->p + rest->n, 0};
		return false;
	}
	*head = (struct span){rest->p, (size_t)(at - rest->p)};
	*rest = (struct span){at + 1, rest->n - head->n - 1};
	return true;
}

/* Where the first colon outside brackets is, counted from `from`; s.n where there is none. */
static size_t colon_outside(struct span s, size_t from)
{
	bool inside = false;

	for (size_t i = from; i < s.n; i++) {
		if (s.p[i] == '[')
			inside = true;
		else if (s.p[i] == ']')
			inside = false;
		else if (s.p[i] == ':' && !inside)
			return i;
	}
	return s.n;
}

/* Calls fn for each item of a comma list; an empty item is an error. */
static int each_item(struct span list, const char *part, struct rule *r,
		     int (*fn)(struct rule *, struct span, struct error *), struct error *err)
{
	struct span rest = list, item;
	unsigned n = 0;
	bool more;

	do {
		more = span_cut(&rest, ',', &item);
		if (item.n == 0)
			return error_set(err, "%s %s: an item of the list is empty", part,
					 span_quote(list).s);
		if (++n > POLICY_ITEMS_MAX)
			return error_set(err, "%s: more than %d items in one list", part,
					 POLICY_ITEMS_MAX);
		if (fn(r, item, err) < 0)
			return -1;
	} while (more);
	return 0;
}

static int parse_head(struct span head, struct rule *r, struct error *err)
{
	struct span action, dir = head;
	bool has_dir = span_cut(&dir, ':', &action);
	int i = word_index(action, action_words);

	if (i < 0)
		return word_error(err, "action", action, "allow or deny", action_words);
	r->allow = i == 0;
	r->dirs = RULE_EGRESS;
	if (!has_dir)
		return 0;
	i = word_index(dir, dir_words);
	if (i < 0)
		return word_error(err, "direction", dir, "egress, ingress or any", dir_words);
	r->dirs = dir_bits[i];
	return 0;
}

static int add_proto(struct rule *r, struct span item, struct error *err)
{
	int i = word_index(item, proto_words);

	if (i < 0)
		return word_error(err, "protocol", item, "tcp, udp, icmpv4 or icmpv6", proto_words);
	r->protos |= proto_bits[i];
	return 0;
}

/* 1..65535 in its one form: no sign, no leading zero. */
static bool parse_port(struct span s, uint16_t *ret)
{
	unsigned v = 0;

	if (s.n == 0 || s.n > 5 || s.p[0] == '0')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s.p[i] - '0');
	}
	if (v > 65535)
		return false;
	*ret = (uint16_t)v;
	return true;
}

static int add_ports(struct rule *r, struct span item, struct error *err)
{
	struct span first, last = item;
	struct rule_ports range;
	bool is_range = span_cut(&last, '-', &first);

	if (!parse_port(first, &range.first) || !parse_port(is_range ? last : first, &range.last))
		return error_set(err,
				 "ports %s: expected a port from 1 to 65535 or a range such as "
				 "8000-8100",
				 span_quote(item).s);
	if (range.last < range.first)
		return error_set(err, "ports %s: the range ends before it starts; expected %u-%u",
				 span_quote(item).s, range.last, range.first);

	struct rule_ports *grown = realloc(r->ports, (r->port_count + 1) * sizeof(*grown));
	if (!grown)
		return error_set(err, "ports: out of memory");
	r->ports = grown;
	r->ports[r->port_count++] = range;
	return 0;
}

/* True where no item of the list holds a colon, but those that are IPv6 text: nothing follows the
 * target. */
static bool is_target_alone(struct span list)
{
	struct span rest = list, item;
	bool more;

	do {
		more = span_cut(&rest, ',', &item);
		if (colon_outside(item, 0) < item.n && !target_is_bare_v6(item))
			return false;
	} while (more);
	return true;
}

/* The first item that is IPv6 text without brackets. */
static bool find_bare_v6(struct span list, struct span *ret)
{
	struct span item;
	bool more;

	do {
		more = span_cut(&list, ',', &item);
		if (target_is_bare_v6(item)) {
			*ret = item;
			return true;
		}
	} while (more);
	return false;
}

/*
 * "2001:db8::1:tcp", "2001:db8::1:tcp:80": finds the IPv6 address that lacks its brackets, by
 * taking the last colon, or the last two, for those before protocol and ports.
 */
static bool lacks_brackets(struct span tail, struct span *ret)
{
	size_t last = tail.n, before = tail.n;

	for (size_t at = colon_outside(tail, 0); at < tail.n; at = colon_outside(tail, at + 1)) {
		before = last;
		last = at;
	}
	for (int i = 0; i < 2; i++) {
		struct span head = {tail.p, i == 0 ? last : before};

		if (head.n < tail.n && is_target_alone(head) && find_bare_v6(head, ret))
			return true;
	}
	return false;
}

/* Cuts what stands behind the @ into its parts; proto and ports are empty where they are not
 * written. */
static int cut_tail(struct span tail, struct span *target, struct span *proto, struct span *ports,
		    struct error *err)
{
	struct span rest, bare;
	size_t at;

	*target = tail;
	*proto = *ports = (struct span){tail.p, 0};
	if (is_target_alone(tail))
		return 0;
	if (lacks_brackets(tail, &bare))
		return error_set(err,
				 "target %s: an IPv6 address stands in brackets where a protocol "
				 "follows: [%.*s]",
				 span_quote(bare).s, (int)bare.n, bare.p);
	at = colon_outside(tail, 0);
	if (at == tail.n)
		return error_set(err,
				 "target %s: a bracket is not closed; expected [2001:db8::/32]",
				 span_quote(tail).s);
	target->n = at;
	rest = (struct span){tail.p + at + 1, tail.n - at - 1};
	bool has_ports = span_cut(&rest, ':', proto);
	if (proto->n == 0)
		return error_set(err,
				 "protocol: nothing behind the colon; expected tcp, udp, icmpv4 or "
				 "icmpv6");
	if (!has_ports)
		return 0;
	*ports = rest;
	if (ports->n == 0)
		return error_set(err,
				 "ports: nothing behind the colon; expected a port or a range such "
				 "as 8000-8100");
	if (memchr(ports->p, ':', ports->n))
		return error_set(err, "ports %s: nothing may follow the ports; expected " FORM,
				 span_quote(*ports).s);
	return 0;
}

static int parse_tail(struct span tail, struct rule *r, struct error *err)
{
	struct span target, proto, ports;

	if (cut_tail(tail, &target, &proto, &ports, err) < 0)
		return -1;
	if (target.n == 0)
		return error_set(err, "target: none behind the @; expected any, a group, or an "
				      "address such as 10.0.0.0/8");
	if (each_item(target, "target", r, rule_add_target, err) < 0)
		return -1;
	if (proto.n && each_item(proto, "protocol", r, add_proto, err) < 0)
		return -1;
	if (ports.n && each_item(ports, "ports", r, add_ports, err) < 0)
		return -1;

	uint8_t written = r->protos;
	if (written == 0)
		r->protos = POLICY_PROTO_ALL;
	return rule_check(r, written, err);
}

int rule_parse(const char *token, struct rule *ret, struct error *err)
{
	struct rule r = {0};
	struct span head, tail = {token, strlen(token)};
	struct span whole = tail;

	if (whole.n > POLICY_TOKEN_MAX) {
		error_set(err, "longer than %d bytes", POLICY_TOKEN_MAX);
		goto fail;
	}
	if (!span_cut(&tail, '@', &head)) {
		error_set(err, "there is no @; expected " FORM);
		goto fail;
	}
	if (parse_head(head, &r, err) < 0 || parse_tail(tail, &r, err) < 0)
		goto fail;
	r.text = strdup(token);
	if (!r.text) {
		error_set(err, "out of memory");
		goto fail;
	}
	*ret = r;
	return 0;
fail:
	rule_done(&r);
	*ret = (struct rule){0};
	error_prefix(err, "rule %s", span_quote(whole).s);
	return -1;
}

void rule_done(struct rule *r)
{
	free(r->prefixes);
	free(r->ports);
	free(r->text);
	*r = (struct rule){0};
}
