// SPDX-License-Identifier: Apache-2.0
/*
 * The one place where flows are let in: TCP, UDP, echo and published ports, either direction.
 *
 * Whoever is about to open a socket for a guest, or to hand it a peer's connection, asks here first
 * and acts on the answer. Every refusal is counted here, under the policy's reason.
 */
#include "flow/denials.h"
#include "flow/sandbox.h"

static void note(struct sandbox *sb, const struct policy_facts *f, enum policy_reason why,
		 const char *rule_text)
{
	sb->cnt.denied[why]++;
	denials_note(sb->denials, f, why, rule_text);
}

/* The gateway's link-local address is the gateway, too; the policy knows the other one. */
static struct ipaddr reduce_gateway(const struct sandbox *sb, const struct ipaddr *a)
{
	const struct stack_config *cfg = &sb->stack.cfg;

	if (a->family == 6 && sb->env.gw6.family && ipaddr_eq(a, &cfg->gw6_ll))
		return sb->env.gw6;
	return *a;
}

static bool is_gateway(const struct sandbox *sb, const struct ipaddr *a)
{
	return ipaddr_eq(a, &sb->env.gw4) || ipaddr_eq(a, &sb->env.gw6);
}

static struct ipaddr loopback(uint8_t family)
{
	if (family == 4)
		return ipaddr_v4((const uint8_t[4]){127, 0, 0, 1});
	return ipaddr_v6((const uint8_t[16]){[15] = 1});
}

static void log_refusal(const struct policy_facts *f, const struct ipaddr *guest,
			uint16_t guest_port, const struct policy_verdict *v)
{
	char g[IPADDR_STRLEN], r[IPADDR_STRLEN];

	if (!log_enabled(LOG_INFO))
		return;
	if (f->dir == POLICY_EGRESS)
		log_limited(LOG_INFO, "refused %s -> %s: %s, %s",
			    ipaddr_port_str(guest, guest_port, g),
			    ipaddr_port_str(&f->remote, f->port, r), policy_reason_name(v->reason),
			    v->rule_text);
	else
		log_limited(LOG_INFO, "refused %s -> port %u: %s, %s", ipaddr_str(&f->remote, r),
			    f->port, policy_reason_name(v->reason), v->rule_text);
}

struct admission flow_admit(struct sandbox *sb, const struct policy_facts *f,
			    const struct ipaddr *guest, uint16_t guest_port)
{
	struct policy_facts asked = *f;
	struct admission a = {0};

	asked.remote = reduce_gateway(sb, &f->remote);
	a.verdict = policy_decide(sb->policy, &sb->env, &asked);
	if (a.verdict.answer != POLICY_ALLOW) {
		note(sb, f, a.verdict.reason, a.verdict.rule_text);
		log_refusal(f, guest, guest_port, &a.verdict);
		return a;
	}
	if (f->dir != POLICY_EGRESS)
		return a;
	a.dial = asked.remote;
	if (is_gateway(sb, &asked.remote)) {
		a.to_host_loopback = true;
		a.dial = loopback(asked.remote.family);
	}
	return a;
}

void flow_refuse_question(struct sandbox *sb, const struct flow_question *q,
			  const struct policy_verdict *v)
{
	struct policy_facts f = {.dir = POLICY_EGRESS,
				 .proto = q->proto,
				 .remote = q->at,
				 .port = q->port,
				 .seen = q->name ? POLICY_NAME_SEEN : POLICY_NAME_NONE,
				 .name = q->name};

	note(sb, &f, v->reason, v->rule_text);
	log_refusal(&f, &q->guest, q->guest_port, v);
}

struct policy_verdict flow_admit_question(struct sandbox *sb, const struct flow_question *q)
{
	struct policy_verdict v =
		policy_decide_question(sb->policy, &sb->env, q->name, q->proto, q->port);

	if (v.answer == POLICY_ALLOW)
		return v;
	if (q->of_chain && !v.by_name)
		return (struct policy_verdict){POLICY_ALLOW, REASON_NONE, -1, "default", false};
	flow_refuse_question(sb, q, &v);
	return v;
}

void flow_count_refusal(struct sandbox *sb, enum policy_reason why, const struct policy_facts *f)
{
	note(sb, f, why, NULL);
}
