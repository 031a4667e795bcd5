// SPDX-License-Identifier: Apache-2.0
/*
 * Decisions of random policies against a model that is as plain as can be: it keeps rules as lists
 * of choices, never parses a token, and looks at addresses bit by bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/policy.h"

#define ROUNDS    3000
#define RULES_MAX 12
#define ITEMS_MAX 3
#define ASKS      60

static uint64_t seed = 0x9e3779b97f4a7c15u; /* fixed: a failure comes again */

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	if (!ipaddr_parse(text, &a))
		fail_msg("not an address: %s", text);
	return a;
}

/* ---- the model ---- */

static const struct {
	const char *net;
	unsigned bits;
	const char *group;
} model_ranges[] = {
	{"169.254.169.254", 32, "metadata"},
	{"169.254.170.2", 32, "metadata"},
	{"169.254.170.23", 32, "metadata"},
	{"100.100.100.200", 32, "metadata"},
	{"168.63.129.16", 32, "metadata"},
	{"192.0.0.192", 32, "metadata"},
	{"fd00:ec2::254", 128, "metadata"},
	{"fd20:ce::254", 128, "metadata"},
	{"127.0.0.0", 8, "loopback"},
	{"::1", 128, "loopback"},
	{"10.0.0.0", 8, "private"},
	{"172.16.0.0", 12, "private"},
	{"192.168.0.0", 16, "private"},
	{"100.64.0.0", 10, "private"},
	{"fc00::", 7, "private"},
	{"169.254.0.0", 16, "link-local"},
	{"fe80::", 10, "link-local"},
	{"224.0.0.0", 4, "multicast"},
	{"ff00::", 8, "multicast"},
};

static const char *const prefixes[] = {
	"169.254.0.0/15", "fe80::/9",          "10.0.0.0/8",    "10.1.0.0/16",
	"10.1.2.3/32",    "192.168.0.0/16",    "192.168.7.5",   "0.0.0.0/0",
	"8.8.8.8",        "8.8.0.0/16",        "127.0.0.0/8",   "127.0.0.1",
	"169.254.0.0/16", "169.254.169.254",   "100.64.0.0/10", "172.16.0.1",
	"::/0",           "2001:db8::/32",     "2001:db8::1",   "fd00::/8",
	"fd00:ec2::254",  "fe80::/10",         "::1",           "64:ff9b::/96",
	"2002::/16",      "::ffff:0.0.0.0/96",
};
static const char *const groups[] = {"host",       "metadata",  "loopback", "private",
				     "link-local", "multicast", "public"};
static const char *const asked[] = {
	"8.8.8.8",
	"8.8.9.9",
	"8.9.0.1",
	"10.1.2.3",
	"10.1.2.4",
	"10.2.0.1",
	"192.168.7.5",
	"192.168.7.6",
	"127.0.0.1",
	"127.8.0.1",
	"169.254.1.1",
	"169.254.169.254",
	"100.100.100.200",
	"172.16.0.1",
	"172.16.0.2",
	"224.0.0.1",
	"0.0.0.0",
	"0.9.9.9",
	"2001:db8::1",
	"2001:db8::2",
	"2606::1",
	"fd00:ec2::254",
	"fd42::1",
	"fd42::2",
	"fe80::9",
	"::1",
	"::",
	"ff02::1",
	"64:ff9b::8.8.8.8",
	"64:ff9b::10.1.2.3",
	"64:ff9b::127.0.0.1",
	"::ffff:169.254.169.254",
	"2002:a01:203::1",
	"::ffff:8.8.8.8",
	"::10.2.0.1",
	"2002:808:808::",
	"64:ff9b::172.16.0.1",
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct model_rule {
	bool allow;
	unsigned dirs; /* 1 egress, 2 ingress */
	unsigned n;
	const char *targets[ITEMS_MAX]; /* words or prefixes */
	unsigned protos;                /* 0: any */
	unsigned ports;                 /* 0: any */
	struct {
		unsigned first, last;
	} port[ITEMS_MAX];
	char token[512];
};

static bool bit(const struct ipaddr *a, unsigned i)
{
	return a->b[i / 8] >> (7 - i % 8) & 1;
}

static bool model_in(const struct ipaddr *a, const struct ipaddr *net, unsigned bits)
{
	if (a->family != net->family)
		return false;
	for (unsigned i = 0; i < bits; i++)
		if (bit(a, i) != bit(net, i))
			return false;
	return true;
}

static bool model_host(const struct policy_env *env, const struct ipaddr *a)
{
	return ipaddr_eq(a, &env->gw4) || ipaddr_eq(a, &env->gw6) || ipaddr_eq(a, &env->host[0]);
}

static const char *model_group(const struct policy_env *env, const struct ipaddr *a)
{
	if (a->family == 4 ? a->b[0] == 0 : ipaddr_is_unspecified(a))
		return "nowhere";
	if (model_host(env, a))
		return "host";
	for (size_t i = 0; i < COUNT(model_ranges); i++) {
		struct ipaddr net = addr(model_ranges[i].net);

		if (model_in(a, &net, model_ranges[i].bits))
			return model_ranges[i].group;
	}
	return "public";
}

static bool is_guarded(const char *group)
{
	return !strcmp(group, "host") || !strcmp(group, "metadata") || !strcmp(group, "loopback") ||
	       !strcmp(group, "link-local");
}

/* Whether the prefix is a part of a range of that group (or one address, for the host). */
static bool model_names(const struct ipaddr *net, unsigned bits, const char *group)
{
	if (!strcmp(group, "host"))
		return bits == ipaddr_len(net) * 8;
	for (size_t i = 0; i < COUNT(model_ranges); i++) {
		struct ipaddr r = addr(model_ranges[i].net);

		if (!strcmp(model_ranges[i].group, group) && bits >= model_ranges[i].bits &&
		    model_in(net, &r, model_ranges[i].bits))
			return true;
	}
	return false;
}

static bool model_target(const struct model_rule *r, const char *target,
			 const struct policy_env *env, const struct policy_facts *f,
			 const struct ipaddr *a, bool guarded)
{
	const char *group = model_group(env, a);
	bool gateway = ipaddr_eq(a, &env->gw4) || ipaddr_eq(a, &env->gw6);
	bool dns = f->dir == POLICY_EGRESS && gateway && f->port == 53 &&
		   (f->proto == POLICY_TCP || f->proto == POLICY_UDP);
	struct ipaddr net;
	unsigned bits;

	if (!strcmp(target, "any"))
		return !guarded || !r->allow || dns;
	if (!strcmp(target, "dns"))
		return dns;
	if (!ipaddr_parse_prefix(target, false, &net, &bits))
		return !strcmp(target, group);
	if (!model_in(a, &net, bits))
		return false;
	return !guarded || !r->allow || model_names(&net, bits, group);
}

static bool model_matches(const struct model_rule *r, const struct policy_env *env,
			  const struct policy_facts *f, const struct ipaddr *a, unsigned proto)
{
	bool guarded = f->dir == POLICY_EGRESS && is_guarded(model_group(env, a));
	bool port_ok = r->ports == 0, target_ok = false;

	if (!(r->dirs & (f->dir == POLICY_EGRESS ? 1 : 2)) || (r->protos && !(r->protos & proto)))
		return false;
	for (unsigned i = 0; i < r->ports; i++)
		port_ok |= f->port >= r->port[i].first && f->port <= r->port[i].last;
	for (unsigned i = 0; i < r->n; i++)
		target_ok |= model_target(r, r->targets[i], env, f, a, guarded);
	return port_ok && target_ok;
}

/* The index of the deciding rule in *ret_rule, -1: the default. */
static bool model_judge(const struct model_rule *rules, unsigned n, const bool def_allow[2],
			const struct policy_env *env, const struct policy_facts *f,
			const struct ipaddr *a, unsigned proto, int *ret_rule)
{
	const char *group = model_group(env, a);

	*ret_rule = -1;
	if (!strcmp(group, "nowhere"))
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (model_matches(&rules[i], env, f, a, proto)) {
			*ret_rule = (int)i;
			return rules[i].allow;
		}
	}
	if (f->dir == POLICY_INGRESS || !def_allow[0] || !is_guarded(group))
		return def_allow[f->dir];
	return f->port == 53 && (proto == POLICY_TCP || proto == POLICY_UDP) &&
	       (ipaddr_eq(a, &env->gw4) || ipaddr_eq(a, &env->gw6));
}

static bool model_decide(const struct model_rule *rules, unsigned n, const bool def_allow[2],
			 const struct policy_env *env, const struct policy_facts *f, int *ret_rule)
{
	struct ipaddr inner;
	int outer_rule;
	bool outer = model_judge(rules, n, def_allow, env, f, &f->remote, f->proto, &outer_rule);

	*ret_rule = -1;
	if (f->dir == POLICY_EGRESS && f->proto == POLICY_UDP && f->port == 137)
		return false;
	*ret_rule = outer_rule;
	if (!outer || !policy_embedded_v4(&f->remote, &inner))
		return outer;
	unsigned proto = f->proto == POLICY_ICMPV6 ? POLICY_ICMPV4 : f->proto;
	if (model_judge(rules, n, def_allow, env, f, &inner, proto, ret_rule))
		*ret_rule = outer_rule;
	else
		return false;
	return true;
}

/* ---- random rules ---- */

static void add(struct model_rule *r, const char *text)
{
	strncat(r->token, text, sizeof(r->token) - strlen(r->token) - 1);
}

static void random_targets(struct model_rule *r)
{
	r->n = 1 + rnd(ITEMS_MAX);
	for (unsigned i = 0; i < r->n; i++) {
		const char *t = prefixes[rnd(COUNT(prefixes))];
		unsigned kind = rnd(8);

		if (kind < 3)
			t = groups[rnd(COUNT(groups))];
		else if (kind == 3)
			t = "any";
		else if (kind == 4 && r->dirs == 1)
			t = "dns";
		r->targets[i] = t;
		add(r, i ? "," : "");
		add(r, strchr(t, ':') ? "[" : "");
		add(r, t);
		add(r, strchr(t, ':') ? "]" : "");
	}
}

static void random_protos(struct model_rule *r)
{
	static const char *const words[] = {"tcp", "udp", "icmpv4", "icmpv6"};

	for (unsigned n = 1 + rnd(2); n > 0; n--) {
		unsigned i = rnd(4);

		if (r->protos & 1u << i)
			continue;
		add(r, r->protos ? "," : ":");
		add(r, words[i]);
		r->protos |= 1u << i;
	}
}

static void random_ports(struct model_rule *r)
{
	char text[32];

	r->ports = 1 + rnd(ITEMS_MAX);
	for (unsigned i = 0; i < r->ports; i++) {
		r->port[i].first = 1 + rnd(100);
		r->port[i].last = r->port[i].first + rnd(30);
		snprintf(text, sizeof(text), "%c%u-%u", i ? ',' : ':', r->port[i].first,
			 r->port[i].last);
		add(r, text);
	}
}

static void random_rule(struct model_rule *r)
{
	static const char *const dirs[] = {"", ":egress", ":ingress", ":any"};
	unsigned dir = rnd(4);

	memset(r, 0, sizeof(*r));
	r->allow = rnd(2);
	r->dirs = dir == 0 ? 1 : dir;
	add(r, r->allow ? "allow" : "deny");
	add(r, dirs[dir]);
	add(r, "@");
	random_targets(r);
	if (rnd(2)) {
		random_protos(r);
		if (rnd(2))
			random_ports(r);
	}
}

/* A rule that is taken: about half of the random ones can never take effect and are refused. */
static void random_good_rule(struct model_rule *r)
{
	for (int tries = 0; tries < 1000; tries++) {
		struct error err = {0};
		const char *token = r->token;
		struct policy_source src = {.net = "none",
					    .rules = &token,
					    .rule_count = 1,
					    .default_egress = -1,
					    .default_ingress = -1};

		random_rule(r);
		struct policy *p = policy_new(&src, &err);
		if (p) {
			policy_free(p);
			return;
		}
	}
	fail_msg("no random rule is taken");
}

static struct policy_facts random_facts(void)
{
	struct policy_facts f = {
		.dir = rnd(2) ? POLICY_EGRESS : POLICY_INGRESS,
		.remote = addr(asked[rnd(COUNT(asked))]),
	};

	if (f.dir == POLICY_EGRESS && rnd(4) == 0) {
		f.proto = f.remote.family == 4 ? POLICY_ICMPV4 : POLICY_ICMPV6;
	} else {
		f.proto = rnd(2) ? POLICY_TCP : POLICY_UDP;
		f.port = (uint16_t)(rnd(4) ? 1 + rnd(140) : 53);
	}
	return f;
}

static struct policy *build(const struct model_rule *rules, unsigned n, int skip,
			    const bool def_allow[2])
{
	const char *tokens[RULES_MAX];
	struct policy_source src = {.net = "none",
				    .rules = tokens,
				    .default_egress = def_allow[0],
				    .default_ingress = def_allow[1]};
	struct error err = {0};

	for (unsigned i = 0; i < n; i++)
		if ((int)i != skip)
			tokens[src.rule_count++] = rules[i].token;
	struct policy *p = policy_new(&src, &err);
	if (!p)
		fail_msg("%s", err.msg);
	return p;
}

static void random_policies_agree_with_the_model(void **state)
{
	struct model_rule rules[RULES_MAX];
	struct ipaddr host = addr("192.168.7.5");
	struct policy_env env = {
		.gw4 = addr("172.16.0.1"), .gw6 = addr("fd42::1"), .host = &host, .host_count = 1};
	unsigned allowed = 0;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned n = rnd(RULES_MAX + 1);
		bool def_allow[2] = {rnd(2), rnd(2)};

		for (unsigned i = 0; i < n; i++)
			random_good_rule(&rules[i]);
		struct policy *p = build(rules, n, -1, def_allow);

		for (int i = 0; i < ASKS; i++) {
			struct policy_facts f = random_facts();
			struct policy_verdict v = policy_decide(p, &env, &f);
			int rule;
			bool allow = model_decide(rules, n, def_allow, &env, &f, &rule);
			char text[IPADDR_STRLEN];

			allowed += allow;
			if (allow == (v.answer == POLICY_ALLOW) && rule == v.rule)
				continue;
			for (unsigned j = 0; j < n; j++)
				print_error("%u: %s\n", j, rules[j].token);
			fail_msg("%s dir %d proto %d: model %d by %d, policy %d by %d",
				 ipaddr_port_str(&f.remote, f.port, text), f.dir, f.proto, allow,
				 rule, v.answer, v.rule);
		}
		policy_free(p);
	}
	/* Neither answer is rare, or the comparison says little. */
	assert_in_range(allowed, ROUNDS * ASKS / 5, ROUNDS * ASKS * 4 / 5);
}

/* Where a warning says that a rule has no effect, the policy without it decides the same. */
static void rules_warned_about_change_nothing(void **state)
{
	struct model_rule rules[RULES_MAX];
	const struct policy_env env = {
		0}; /* the host's own addresses are the documented exception */
	unsigned warned = 0;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned n = 2 + rnd(3);
		bool def_allow[2] = {rnd(2), rnd(2)};

		for (unsigned i = 0; i < n; i++)
			random_good_rule(&rules[i]);
		for (unsigned k = 1; k < n; k++) {
			struct policy *to_k = build(rules, k + 1, -1, def_allow);
			struct policy *before_k = build(rules, k, -1, def_allow);
			bool has_warning =
				policy_warning_count(to_k) > policy_warning_count(before_k);

			policy_free(to_k);
			policy_free(before_k);
			if (!has_warning)
				continue;
			warned++;
			struct policy *with = build(rules, n, -1, def_allow);
			struct policy *without = build(rules, n, (int)k, def_allow);
			for (int i = 0; i < ASKS; i++) {
				struct policy_facts f = random_facts();

				if (policy_decide(with, &env, &f).answer !=
				    policy_decide(without, &env, &f).answer) {
					for (unsigned j = 0; j < n; j++)
						print_error("%u: %s\n", j, rules[j].token);
					fail_msg("rule %u has an effect", k);
				}
			}
			policy_free(with);
			policy_free(without);
		}
	}
	assert_true(warned > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies_agree_with_the_model),
		cmocka_unit_test(rules_warned_about_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
