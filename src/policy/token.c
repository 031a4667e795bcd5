// SPDX-License-Identifier: Apache-2.0
/*
 * The token form of a rule:
 *
 *	ACTION[:DIRECTION]@TARGET[:PROTOCOL[:PORTS]][:http=PRESET]
 *
 * TARGET, PROTOCOL, PORTS and PRESET are comma lists. An IPv6 address holds colons, so it stands in
 * brackets where a protocol follows; alone it needs none.
 *
 * Everything here is strict: one spelling, no blanks, no empty part. A message names the part that
 * is wrong, what was expected, and the nearest word.
 */
#include "policy/read.h"

#define FORM "ACTION[:DIRECTION]@TARGET[:PROTOCOL[:PORTS]], as in allow@10.0.0.0/8:tcp:443"

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
static int each_item(struct reader *rd, enum rule_part part, struct span list,
		     int (*fn)(struct reader *, struct span))
{
	struct span rest = list, item;
	unsigned n = 0;
	bool more;

	do {
		more = span_cut(&rest, ',', &item);
		if (item.n == 0)
			return reader_fault(rd, part, &list, "an item of the list is empty");
		if (++n > POLICY_ITEMS_MAX)
			return reader_fault(rd, part, NULL, "more than %d items in one list",
					    POLICY_ITEMS_MAX);
		if (fn(rd, item) < 0)
			return -1;
	} while (more);
	return 0;
}

static int read_head(struct reader *rd, struct span head)
{
	struct span action, dir = head;
	bool has_dir = span_cut(&dir, ':', &action);

	if (read_action(rd, action) < 0)
		return -1;
	return has_dir ? read_direction(rd, dir) : 0;
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
static int cut_tail(struct reader *rd, struct span tail, struct span *target, struct span *proto,
		    struct span *ports)
{
	struct span rest, bare;
	size_t at;

	*target = tail;
	*proto = *ports = (struct span){tail.p, 0};
	if (is_target_alone(tail))
		return 0;
	if (lacks_brackets(tail, &bare))
		return reader_fault(rd, PART_TARGET, &bare,
				    "an IPv6 address stands in brackets where a protocol follows: "
				    "[%.*s]",
				    (int)bare.n, bare.p);
	at = colon_outside(tail, 0);
	if (at == tail.n)
		return reader_fault(rd, PART_TARGET, &tail,
				    "a bracket is not closed; expected [2001:db8::/32]");
	target->n = at;
	rest = (struct span){tail.p + at + 1, tail.n - at - 1};
	bool has_ports = span_cut(&rest, ':', proto);
	if (proto->n == 0)
		return reader_fault(rd, PART_PROTOCOL, NULL,
				    "nothing behind the colon; expected tcp, udp, icmpv4 or "
				    "icmpv6");
	if (!has_ports)
		return 0;
	*ports = rest;
	if (ports->n == 0)
		return reader_fault(rd, PART_PORTS, NULL,
				    "nothing behind the colon; expected a port or a range such as "
				    "8000-8100");
	if (memchr(ports->p, ':', ports->n))
		return reader_fault(rd, PART_PORTS, ports,
				    "nothing may follow the ports; expected " FORM);
	return 0;
}

/* Splits ":http=LIST" off the end; false where there is none. */
static bool cut_http(struct span *tail, struct span *ret)
{
	static const char mark[] = ":http=";
	const size_t n = sizeof(mark) - 1;
	const char *at = tail->n ? memmem(tail->p, tail->n, mark, n) : NULL;

	if (!at)
		return false;
	*ret = (struct span){at + n, (size_t)(tail->p + tail->n - at) - n};
	tail->n = (size_t)(at - tail->p);
	return true;
}

static int read_tail(struct reader *rd, struct span tail)
{
	struct span target, proto, ports, http;

	if (cut_http(&tail, &http) && read_http_presets(rd, http) < 0)
		return -1;
	if (cut_tail(rd, tail, &target, &proto, &ports) < 0)
		return -1;
	if (target.n == 0)
		return reader_fault(rd, PART_TARGET, NULL,
				    "none behind the @; expected any, a group, a name, or an "
				    "address such as 10.0.0.0/8");
	if (each_item(rd, PART_TARGET, target, read_target) < 0)
		return -1;
	if (proto.n && each_item(rd, PART_PROTOCOL, proto, read_protocol) < 0)
		return -1;
	if (ports.n && each_item(rd, PART_PORTS, ports, read_ports) < 0)
		return -1;
	return 0;
}

int token_read(struct reader *rd, struct span token)
{
	struct span head, tail = token;

	if (token.n > POLICY_TOKEN_MAX)
		return reader_fault(rd, PART_RULE, NULL, "longer than %d bytes", POLICY_TOKEN_MAX);
	if (!span_cut(&tail, '@', &head))
		return reader_fault(rd, PART_RULE, NULL, "there is no @; expected " FORM);
	if (read_head(rd, head) < 0)
		return -1;
	return read_tail(rd, tail);
}
