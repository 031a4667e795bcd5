// SPDX-License-Identifier: Apache-2.0
/*
 * Policies of thousands of rules against a plain walk along them: many prefixes (with the table of
 * beginnings), many names, and many rules for one target (with tables of ports).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/policy.h"

#define RULES_MAX 12000

static uint64_t seed = 0x2545f4914f6cdd1du;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

/* A rule as the walk sees it. */
struct plain {
	bool allow;
	bool any;
	struct ipaddr net; /* family 0: a name, or any */
	unsigned bits;
	struct name name;
	bool self, below;
	unsigned protos;                     /* 0: any */
	unsigned first, last, first2, last2; /* 0: any */
	char token[128];
};

static struct plain rules[RULES_MAX];
static const char *tokens[RULES_MAX];

static struct policy *compile(unsigned n)
{
	struct policy_source src = {
		.net = "none",
		.rules = tokens,
		.rule_count = n,
		.default_egress = -1,
		.default_ingress = -1,
	};
	struct error err = {0};

	for (unsigned i = 0; i < n; i++)
		tokens[i] = rules[i].token;
	struct policy *p = policy_new(&src, &err);
	if (!p)
		fail_msg("%s", err.msg);
	return p;
}

/* ---- rules ---- */

/* Few different first bytes, so that prefixes lie within one another, and some apart; no guarded
 * group. */
static struct ipaddr random_address(void)
{
	uint8_t b[16] = {0};

	if (rnd(2)) {
		b[0] = (uint8_t)(11 + rnd(3));
		b[1] = (uint8_t)rnd(rnd(2) ? 8 : 256);
		b[2] = (uint8_t)rnd(256);
		b[3] = (uint8_t)rnd(256);
		return ipaddr_v4(b);
	}
	b[0] = 0x26;
	b[1] = (uint8_t)rnd(4);
	for (int i = 2; i < 16; i++)
		b[i] = (uint8_t)(rnd(4) ? rnd(2) : rnd(256));
	return ipaddr_v6(b);
}

static void random_prefix(struct plain *r)
{
	char text[IPADDR_STRLEN];

	r->net = random_address();
	r->bits = rnd(ipaddr_len(&r->net) * 8 + 1);
	if (r->net.family == 4 && r->bits < 8 && rnd(20))
		r->bits = rnd(2) ? 8 + rnd(25) : 17 + rnd(16);
	for (unsigned i = r->bits; i < ipaddr_len(&r->net) * 8; i++)
		r->net.b[i / 8] &= (uint8_t) ~(1u << (7 - i % 8));
	bool v6 = r->net.family == 6;
	snprintf(r->token, sizeof(r->token), "%s@%s%s/%u%s", r->allow ? "allow" : "deny",
		 v6 ? "[" : "", ipaddr_str(&r->net, text), r->bits, v6 ? "]" : "");
}

static struct name random_name(void)
{
	static const char *const labels[] = {"a", "b", "www", "api", "x-y", "_s"};
	char text[128] = "";
	struct name n;

	for (unsigned i = 2 + rnd(4); i > 0; i--) {
		strcat(text, labels[rnd(6)]);
		strcat(text, ".");
	}
	snprintf(text + strlen(text), 16, "z%u.test", rnd(50));
	assert_int_equal(name_read(text, strlen(text), &n), NAME_OK);
	return n;
}

static void random_name_rule(struct plain *r)
{
	static const char *const how[] = {"", "*.", "."};
	unsigned i = rnd(3);

	r->name = random_name();
	r->self = i != 1;
	r->below = i != 0;
	snprintf(r->token, sizeof(r->token), "%s@%s%s", r->allow ? "allow" : "deny", how[i],
		 r->name.s);
}

static void random_ports(struct plain *r)
{
	size_t at = strlen(r->token);

	r->protos = rnd(3) ? POLICY_TCP : POLICY_UDP;
	at += (size_t)snprintf(r->token + at, sizeof(r->token) - at, ":%s",
			       r->protos == POLICY_TCP ? "tcp" : "udp");
	if (rnd(10) == 0)
		return;
	r->first = 1 + rnd(4000);
	r->last = r->first + rnd(rnd(2) ? 2 : 300);
	at += (size_t)snprintf(r->token + at, sizeof(r->token) - at, ":%u-%u", r->first, r->last);
	if (rnd(3))
		return;
	r->first2 = rnd(10) ? 1 + rnd(4000) : 65535 - rnd(2);
	r->last2 = r->first2;
	snprintf(r->token + at, sizeof(r->token) - at, ",%u", r->first2);
}

/* ---- the walk ---- */

static bool flow_ok(const struct plain *r, const struct policy_facts *f)
{
	if (r->protos && r->protos != (unsigned)f->proto)
		return false;
	return !r->first || (f->port >= r->first && f->port <= r->last) ||
	       (r->first2 && f->port >= r->first2 && f->port <= r->last2);
}

static bool name_ok(const struct plain *r, const struct name *n)
{
	if (name_eq(n, &r->name))
		return r->self;
	return r->below && name_below(n, r->name.s, r->name.len);
}

static int walk(unsigned n, const struct policy_facts *f)
{
	for (unsigned i = 0; i < n; i++) {
		const struct plain *r = &rules[i];

		if (!flow_ok(r, f))
			continue;
		if (r->any || (r->net.family && ipaddr_in_prefix(&f->remote, &r->net, r->bits)))
			return (int)i;
		/* What is asked here is bound to the name that it shows. */
		if (r->name.len && f->name && name_ok(r, f->name))
			return (int)i;
	}
	return -1;
}

static void ask(const struct policy *p, unsigned n, struct policy_facts *f)
{
	static const struct policy_env env;
	char text[IPADDR_STRLEN];
	struct policy_verdict v = policy_decide(p, &env, f);
	int want = walk(n, f);

	if (v.rule != want)
		fail_msg("%s proto %d %s: rule %d (%s), expected %d (%s)",
			 ipaddr_port_str(&f->remote, f->port, text), f->proto,
			 f->name ? f->name->s : "", v.rule, v.rule_text, want,
			 want < 0 ? "default" : rules[want].token);
}

/* ---- tests ---- */

static void prefixes_and_names_by_the_thousand(void **state)
{
	for (int round = 0; round < 3; round++) {
		unsigned n = round == 0 ? 100 : RULES_MAX;
		unsigned found = 0;

		for (unsigned i = 0; i < n; i++) {
			rules[i] = (struct plain){.allow = rnd(2)};
			if (rnd(5))
				random_prefix(&rules[i]);
			else
				random_name_rule(&rules[i]);
			if (rnd(4) == 0)
				random_ports(&rules[i]);
		}
		struct policy *p = compile(n);
		for (int i = 0; i < 10000; i++) {
			struct name name = random_name();
			const struct name *bound[] = {&name};
			struct policy_facts f = {.proto = rnd(2) ? POLICY_TCP : POLICY_UDP,
						 .port = (uint16_t)(1 + rnd(4000)),
						 .remote = random_address(),
						 .seen = POLICY_NAME_NONE,
						 .bound = bound};

			if (f.port == 137 || f.port == 853)
				continue;
			if (rnd(2)) {
				f.seen = POLICY_NAME_SEEN;
				f.name = &name;
				f.bound_count = 1;
			}
			/* Often the very address of a prefix. */
			if (rnd(2) && rules[i % (int)n].net.b[0])
				f.remote = rules[i % (int)n].net;
			found += walk(n, &f) >= 0;
			ask(p, n, &f);
		}
		assert_in_range(found, 1000, 9999);
		policy_free(p);
	}
}

static void many_rules_for_one_target(void **state)
{
	static const char *const targets[] = {"any", "11.0.0.0/8", "[2600::/16]", ".z1.test",
					      "a.z1.test"};

	for (int round = 0; round < 10; round++) {
		unsigned n = 30 + rnd(600);

		for (unsigned i = 0; i < n; i++) {
			struct plain *r = &rules[i];
			unsigned t = rnd(5);
			bool any = t == 0 && rnd(10) == 0;

			if (t == 0 && !any)
				t = 1;
			*r = (struct plain){.allow = rnd(2), .any = any};
			snprintf(r->token, sizeof(r->token), "%s@%s", r->allow ? "allow" : "deny",
				 targets[t]);
			if (t == 1)
				ipaddr_parse_prefix("11.0.0.0/8", true, &r->net, &r->bits);
			if (t == 2)
				ipaddr_parse_prefix("2600::/16", true, &r->net, &r->bits);
			if (t >= 3) {
				name_read(t == 3 ? "z1.test" : "a.z1.test", t == 3 ? 7 : 9,
					  &r->name);
				r->self = true;
				r->below = t == 3;
			}
			random_ports(r);
		}
		struct policy *p = compile(n);
		for (int i = 0; i < 20000; i++) {
			struct name name;
			const struct name *bound[] = {&name};
			struct policy_facts f = {.proto = rnd(2) ? POLICY_TCP : POLICY_UDP,
						 .port = (uint16_t)rnd(5000),
						 .remote = random_address(),
						 .seen = POLICY_NAME_SEEN,
						 .name = &name,
						 .bound = bound,
						 .bound_count = 1};

			if (f.port == 137 || f.port == 853)
				continue;
			if (rnd(10) == 0)
				f.port = (uint16_t)(65535 - rnd(3));
			name_read(rnd(2) ? "a.z1.test" : "b.z1.test", 9, &name);
			ask(p, n, &f);
		}
		policy_free(p);
	}
}

/* Tables and tries of the largest policy there may be. */
static void no_more_rules_than_there_may_be(void **state)
{
	size_t n = 262145;
	const char **list = calloc(n, sizeof(*list));
	struct policy_source src = {
		.rules = list, .rule_count = n, .default_egress = -1, .default_ingress = -1};
	struct error err = {0};

	assert_non_null(list);
	for (size_t i = 0; i < n; i++)
		list[i] = "deny@x.com:tcp:443";
	assert_null(policy_new(&src, &err));
	assert_non_null(strstr(err.msg, "more than 262144 rules"));
	src.rule_count--;
	struct policy *p = policy_new(&src, &err);
	assert_non_null(p);
	assert_int_equal(policy_warning_count(p), 100);
	policy_free(p);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_and_names_by_the_thousand),
		cmocka_unit_test(many_rules_for_one_target),
		cmocka_unit_test(no_more_rules_than_there_may_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
