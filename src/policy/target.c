// SPDX-License-Identifier: Apache-2.0
/*
 * One target of a rule: `any`, `dns`, a group, or an IPv4 or IPv6 address or prefix.
 *
 * Names are a target of a later version. Until then they are refused with that message, and told
 * apart from misspelled words and from spellings of addresses that other programs accept
 * (0x7f000001, 127.1), which must never pass for names.
 */
#include <stdlib.h>

#include "policy/groups.h"
#include "policy/rule.h"

static const char *const target_words[] = {"any",      "dns",     "host",       "metadata",
					   "loopback", "private", "link-local", "multicast",
					   "public",   NULL};

#define EXPECTED                                                                                     \
	"any, dns, host, metadata, loopback, private, link-local, multicast, public, or an address " \
	"such as 10.0.0.0/8 or [2001:db8::/32]"

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

	return parse_prefix(item, &t) && t.net.family == 6;
}

static int add_prefix(struct rule *r, struct span item, const struct prefix_text *t,
		      struct error *err)
{
	const struct ipaddr *a = &t->net;
	unsigned bits = t->bits;
	struct rule_prefix p = {.bits = (uint8_t)bits};
	char text[IPADDR_STRLEN];

	if (!t->exact)
		return error_set(
			err, "target %s: the address has bits behind the prefix; expected %s/%u",
			span_quote(item).s, ipaddr_str(a, text), bits);
	p.mask = addr_key_mask(a->family, bits);
	p.net = addr_key(a);
	if ((a->family == 4 && a->b[0] == 0 && bits >= 8) ||
	    (a->family == 6 && bits == 128 && ipaddr_is_unspecified(a)))
		return error_set(err,
				 "target %s: 0.0.0.0/8 and :: never pass, whatever the rules say; "
				 "expected another target (0.0.0.0/0 and ::/0 are all addresses)",
				 span_quote(item).s);
	p.names = group_named_by(a, bits);
	p.touches = group_touched_by(a, bits);

	struct rule_prefix *grown = realloc(r->prefixes, (r->prefix_count + 1) * sizeof(*grown));
	if (!grown)
		return error_set(err, "target: out of memory");
	r->prefixes = grown;
	r->prefixes[r->prefix_count++] = p;
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

/* x.com, *.x.com, .x.com, suffix=x.com, domain=x.com. */
static bool looks_like_name(struct span s)
{
	return memchr(s.p, '.', s.n) || memchr(s.p, '*', s.n) || memchr(s.p, '=', s.n);
}

static int unknown_target(struct span item, struct error *err)
{
	if (looks_like_address(item))
		return word_error(err, "target", item,
				  "an address or a prefix such as 10.0.0.1, 10.0.0.0/8 or "
				  "[2001:db8::/32]",
				  target_words);
	if (!looks_like_name(item) && word_nearest(item, target_words))
		return word_error(err, "target", item, EXPECTED, target_words);
	return error_set(
		err,
		"target %s is a name: rules for names come in a later version; expected " EXPECTED,
		span_quote(item).s);
}

static int add_bracketed(struct rule *r, struct span item, struct error *err)
{
	struct span inside = {item.p + 1, item.n > 1 ? item.n - 2 : 0};
	struct prefix_text t;

	if (item.p[item.n - 1] == ']' && parse_prefix(inside, &t)) {
		if (t.net.family == 6)
			return add_prefix(r, item, &t, err);
		return error_set(err, "target %s: brackets are for IPv6; expected %.*s",
				 span_quote(item).s, (int)inside.n, inside.p);
	}
	return error_set(err,
			 "target %s: expected an IPv6 address or prefix within the brackets, as in "
			 "[2001:db8::/32]",
			 span_quote(item).s);
}

int rule_add_target(struct rule *r, struct span item, struct error *err)
{
	enum policy_group g = policy_group_parse(item);
	struct prefix_text t;

	if (g != GROUP_NONE)
		r->groups |= GROUP_BIT(g);
	else if (span_is(item, "any"))
		r->any = true;
	else if (span_is(item, "dns"))
		r->dns = true;
	else if (item.p[0] == '[')
		return add_bracketed(r, item, err);
	else if (parse_prefix(item, &t))
		return add_prefix(r, item, &t, err);
	else
		return unknown_target(item, err);
	return 0;
}
