// SPDX-License-Identifier: Apache-2.0
/*
 * One target of a rule: `any`, `dns`, `doh`, a group, an IPv4 or IPv6 address or prefix, or names
 * (name_target.c).
 *
 * Spellings of addresses that other programs accept (0x7f000001, 127.1) must never pass for names,
 * and a misspelled word must not pass for a name of one label.
 */
#include "policy/groups.h"
#include "policy/read.h"

static const char *const target_words[] = {"any",       "dns",      "doh",     "host",
					   "metadata",  "loopback", "private", "link-local",
					   "multicast", "public",   NULL};

#define EXPECTED                                                                               \
	"any, dns, doh, host, metadata, loopback, private, link-local, multicast, public, an " \
	"address such as 10.0.0.0/8 or [2001:db8::/32], or a name such as example.com"

#define ADDR_TEXT_MAX 64 /* longer text is no address */

/* A prefix as read. */
struct prefix_text {
	struct ipaddr net; /* without what lies behind the prefix */
	unsigned bits;
	bool exact; /* nothing lies behind it */
};

static bool parse_prefix(struct span s, struct prefix_text *ret)
{
	char text[ADDR_TEXT_MAX];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	ret->exact = ipaddr_parse_prefix(text, true, &ret->net, &ret->bits);
	return ret->exact || ipaddr_parse_prefix(text, false, &ret->net, &ret->bits);
}

bool target_is_bare_v6(struct span item)
{
	struct prefix_text t;

	return item.n && memchr(item.p, ':', item.n) && parse_prefix(item, &t) && t.net.family == 6;
}

static int add_prefix(struct reader *rd, struct span item, const struct prefix_text *t)
{
	const struct ipaddr *a = &t->net;
	struct rule *r = &rd->rule;
	char text[IPADDR_STRLEN];

	if (!t->exact)
		return reader_fault(rd, PART_TARGET, &item,
				    "the address has bits behind the prefix; expected %s/%u",
				    ipaddr_str(a, text), t->bits);
	if ((a->family == 4 && a->b[0] == 0 && t->bits >= 8) ||
	    (a->family == 6 && t->bits == 128 && ipaddr_is_unspecified(a)))
		return reader_fault(rd, PART_TARGET, &item,
				    "0.0.0.0/8 and :: never pass, whatever the rules say; expected "
				    "another target (0.0.0.0/0 and ::/0 are all addresses)");
	if (!reader_room((void **)&rd->prefixes, &rd->prefix_cap, r->prefix_count,
			 sizeof(*rd->prefixes)))
		return reader_no_memory(rd);
	rd->prefixes[r->prefix_count++] = (struct rule_prefix){
		.net = addr_key(a),
		.bits = (uint8_t)t->bits,
		.names = group_named_by(a, t->bits),
		.touches = group_touched_by(a, t->bits),
	};
	return 0;
}

static bool has_only(struct span s, const char *set)
{
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(set, s.p[i]))
			return false;
	return true;
}

/*
 * Text whose last label is a number is an address in somebody's eyes (the URL standard's "ends in a
 * number"), so it is a misspelled address here, never a name.
 */
static bool looks_like_address(struct span s)
{
	struct span last = s;

	if (memchr(s.p, ':', s.n) || memchr(s.p, '/', s.n) || memchr(s.p, '[', s.n) ||
	    memchr(s.p, ']', s.n))
		return true;
	if (last.n && last.p[last.n - 1] == '.')
		last.n--;
	for (size_t i = last.n; i > 0; i--) {
		if (last.p[i - 1] == '.') {
			last = (struct span){last.p + i, last.n - i};
			break;
		}
	}
	if (last.n >= 2 && last.p[0] == '0' && (last.p[1] == 'x' || last.p[1] == 'X'))
		return has_only((struct span){last.p + 2, last.n - 2}, "0123456789abcdefABCDEF");
	return last.n > 0 && has_only(last, "0123456789");
}

static int unknown_target(struct reader *rd, struct span item)
{
	if (looks_like_address(item))
		return reader_fault(rd, PART_TARGET, &item,
				    "expected an address or a prefix such as 10.0.0.1, 10.0.0.0/8 "
				    "or [2001:db8::/32], or a name without port and path%s",
				    word_hint(item, target_words).s);
	if (word_nearest(item, target_words))
		return reader_fault(rd, PART_TARGET, &item, "expected " EXPECTED "%s",
				    word_hint(item, target_words).s);
	return reader_fault(rd, PART_TARGET, &item,
			    "expected " EXPECTED "; a name of one label is written domain=NAME");
}

static int add_bracketed(struct reader *rd, struct span item)
{
	struct span inside = {item.p + 1, item.n > 1 ? item.n - 2 : 0};
	struct prefix_text t;

	if (item.p[item.n - 1] == ']' && parse_prefix(inside, &t)) {
		if (t.net.family == 6)
			return add_prefix(rd, item, &t);
		return reader_fault(rd, PART_TARGET, &item, "brackets are for IPv6; expected %.*s",
				    (int)inside.n, inside.p);
	}
	return reader_fault(rd, PART_TARGET, &item,
			    "expected an IPv6 address or prefix within the brackets, as in "
			    "[2001:db8::/32]");
}

int read_target(struct reader *rd, struct span item)
{
	enum policy_group g = policy_group_parse(item);
	struct prefix_text t;

	if (g != GROUP_NONE)
		rd->rule.groups |= GROUP_BIT(g);
	else if (span_is(item, "any"))
		rd->rule.any = true;
	else if (span_is(item, "dns"))
		rd->rule.dns = true;
	else if (span_is(item, "doh"))
		rd->rule.doh = true;
	else if (item.p[0] == '[')
		return add_bracketed(rd, item);
	else if (parse_prefix(item, &t))
		return add_prefix(rd, item, &t);
	else if (target_is_for_names(item) && !looks_like_address(item))
		return read_name_target(rd, item);
	else
		return unknown_target(rd, item);
	return 0;
}
