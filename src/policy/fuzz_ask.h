// SPDX-License-Identifier: Apache-2.0
/*
 * For the fuzzers of this room: questions that every policy must answer without a fault, and the
 * same way when it is made again from its own texts.
 */
#ifndef WEIR_POLICY_FUZZ_ASK_H
#define WEIR_POLICY_FUZZ_ASK_H

#include <stdlib.h>

#include "policy/policy.h"

static inline void check(bool ok)
{
	if (!ok)
		abort();
}

/* What a refusal says is one printable line. */
static inline void check_error(const struct error *err)
{
	check(err->msg[0]);
	for (const char *c = err->msg; *c; c++)
		check(*c >= 0x20 && *c < 0x7f);
}

static inline void check_verdict(const struct policy *p, const struct policy_verdict *v)
{
	check(v->rule_text && v->rule < (int)policy_rule_count(p));
	check((v->answer == POLICY_DENY) == (v->reason != REASON_NONE));
	check(v->rule < 0 || v->rule_text == policy_rule_text(p, (size_t)v->rule));
	check(v->answer != POLICY_NEED_NAME || (v->by_name && policy_has_names(p)));
}

static inline void check_same(const struct policy_verdict *a, const struct policy_verdict *b)
{
	check(a->answer == b->answer && a->reason == b->reason && a->rule == b->rule &&
	      a->by_name == b->by_name);
}

/* Asks p, and q where there is one: both must say the same. */
static inline void ask_all(const struct policy *p, const struct policy *q)
{
	static const char *const addrs[] = {"0.0.0.0", "127.0.0.1",    "8.8.8.8", "172.16.0.1",
					    "::",      "64:ff9b::1:2", "fe80::1", "fd42::1"};
	static const char *const names[] = {"example.com", "a.example.com", "dns.google", "x"};
	static const uint16_t ports[] = {53, 443, 80};
	struct policy_env env = {0};
	struct name n[4];
	const struct name *bound[] = {&n[0], &n[1]};

	ipaddr_parse("172.16.0.1", &env.gw4);
	ipaddr_parse("fd42::1", &env.gw6);
	for (size_t i = 0; i < 4; i++)
		check(name_read(names[i], strlen(names[i]), &n[i]) == NAME_OK);
	for (unsigned i = 0; i < 8 * 3 * 4 * 3; i++) {
		struct policy_facts f = {.dir = i % 11 ? POLICY_EGRESS : POLICY_INGRESS,
					 .proto = i % 5 ? POLICY_TCP : POLICY_UDP,
					 .port = ports[i / 8 % 3],
					 .seen = (enum policy_seen)(i / 24 % 4),
					 .name = &n[i % 4],
					 .bound = bound,
					 .bound_count = i / 96};

		ipaddr_parse(addrs[i % 8], &f.remote);
		struct policy_verdict v = policy_decide(p, &env, &f);
		check_verdict(p, &v);
		if (i % 4 == 0 && i % 8 < 5)
			check(v.answer == POLICY_DENY); /* nothing reaches 0.0.0.0 and :: */
		if (q) {
			struct policy_verdict w = policy_decide(q, &env, &f);
			check_same(&v, &w);
		}
	}
	for (size_t i = 0; i < 4; i++) {
		struct policy_verdict v = policy_decide_question(p, &env, &n[i], POLICY_UDP, 53);

		check_verdict(p, &v);
		check(v.answer != POLICY_NEED_NAME);
		if (q) {
			struct policy_verdict w =
				policy_decide_question(q, &env, &n[i], POLICY_UDP, 53);
			check_same(&v, &w);
		}
	}
}

#endif
