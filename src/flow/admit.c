// SPDX-License-Identifier: Apache-2.0
/*
 * The one place where flows are let in: TCP, UDP, echo and published ports, either direction.
 *
 * Whoever is about to open a socket for a guest, or to hand it a peer's connection, asks here first
 * and acts on the answer. Every refusal is counted here, under the policy's reason.
 */
#include "flow/budget.h"
#include "flow/denials.h"
#include "flow/flow.h"
#include "flow/taker.h"
#include "observe/events.h"
#include "policy/bindings.h"

#define DNS_PORT 53

/* The gateway's link-local address is the gateway, too; the policy knows the other one. */
struct ipaddr flow_reduce(const struct sandbox *sb, const struct ipaddr *a)
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

static void log_refusal(const struct policy_facts *f, const struct ipaddr *guest, uint16_t src_port,
			const struct policy_verdict *v)
{
	char g[IPADDR_STRLEN], r[IPADDR_STRLEN];
	const char *rule = v->rule_text ? v->rule_text : "no rule";

	if (!log_enabled(LOG_INFO))
		return;
	if (f->dir == POLICY_EGRESS)
		log_limited(LOG_INFO, "refused %s -> %s: %s, %s",
			    ipaddr_port_str(guest, src_port, g),
			    ipaddr_port_str(&f->remote, f->port, r), policy_reason_name(v->reason),
			    rule);
	else
		log_limited(LOG_INFO, "refused %s -> port %u: %s, %s",
			    ipaddr_port_str(&f->remote, src_port, r), f->port,
			    policy_reason_name(v->reason), rule);
}

static void emit_refusal(struct sandbox *sb, const struct policy_facts *f,
			 const struct ipaddr *guest, int src_port, uint64_t flow,
			 const struct policy_verdict *v, enum event_kind kind)
{
	struct event e = event_make(kind);
	bool has_ports = f->proto == POLICY_TCP || f->proto == POLICY_UDP;
	bool out = f->dir == POLICY_EGRESS;

	e.flow = flow;
	e.dir = f->dir;
	e.proto = flow_proto_word(f->proto);
	e.src = out ? *guest : f->remote;
	e.dst = out ? f->remote : *guest;
	if (has_ports) {
		e.sport = src_port;
		e.dport = f->port;
	}
	if (f->name) {
		e.name = f->name->s;
		e.name_len = f->name->len;
	}
	if (kind == EVENT_DENY)
		e.verdict = v;
	else
		e.reason = v->reason;
	events_emit(sb->events, &e);
}

void flow_note_refusal(struct sandbox *sb, const struct policy_facts *f, const struct ipaddr *guest,
		       uint16_t src_port, uint64_t flow, const struct policy_verdict *v)
{
	sb->cnt.denied[v->reason]++;
	denials_note(sb->denials, f, v->reason, v->rule_text);
	log_refusal(f, guest, src_port, v);
	if (sb->events)
		emit_refusal(sb, f, guest, src_port, flow, v, EVENT_DENY);
}

struct policy_verdict flow_decide(struct sandbox *sb, const struct policy_facts *f)
{
	struct policy_facts asked = *f;
	const struct name *bound[BINDING_NAMES_MAX];

	if (f->dir == POLICY_EGRESS && sb->bindings && policy_has_names(sb->policy)) {
		asked.bound = bound;
		asked.bound_count =
			bindings_of(sb->bindings, &asked.remote, sb->loop->now_us, bound);
	}
	return policy_decide(sb->policy, &sb->env, &asked);
}

/* Whether the taker wants to see its first bytes. What would have to be looked into, and cannot,
 * is refused. */
static bool admit_look(struct sandbox *sb, const struct policy_facts *f,
		       const struct policy_facts *asked, const struct ipaddr *guest,
		       uint16_t src_port, struct policy_verdict *v)
{
	switch (sb->taker ? sb->taker->begin(sb, asked, v) : TAKER_LEAVE) {
	case TAKER_LEAVE:
		return false;
	case TAKER_TAKE:
		return true;
	case TAKER_REFUSE:
		break;
	}
	*v = (struct policy_verdict){POLICY_DENY, REASON_QUIC, -1, "built in", false};
	flow_note_refusal(sb, f, guest, src_port, 0, v);
	return false;
}

/* Where only some names are allowed a proxy, let in by its address, is not to lead to the others:
 * what it is asked for is judged (target.h), so its first bytes have to be seen. */
static bool may_be_proxy(const struct sandbox *sb, const struct policy_facts *f)
{
	return f->dir == POLICY_EGRESS && f->proto == POLICY_TCP && policy_has_names(sb->policy);
}

/* Where a name is still to be shown, that is the destination, and flow_judge() looks. What goes to
 * port 53 is the interceptor's, and does not count. */
static bool within_budget(const struct sandbox *sb, const struct policy_facts *f,
			  const struct admission *a)
{
	bool named_later = a->hold || a->look;

	return !sb->budgets || f->port == DNS_PORT ||
	       budget_left(sb->budgets, NULL, named_later ? NULL : &f->remote);
}

struct admission flow_admit(struct sandbox *sb, const struct policy_facts *f,
			    const struct ipaddr *guest, uint16_t src_port)
{
	struct policy_facts asked = *f;
	struct admission a = {0};

	asked.remote = flow_reduce(sb, &f->remote);
	a.verdict = flow_decide(sb, &asked);
	if (a.verdict.answer == POLICY_DENY) {
		flow_note_refusal(sb, f, guest, src_port, 0, &a.verdict);
		return a;
	}
	a.hold = a.verdict.answer == POLICY_NEED_NAME ||
		 (a.verdict.by_name && f->seen == POLICY_NAME_UNSEEN) || may_be_proxy(sb, f);
	if (f->dir != POLICY_EGRESS)
		return a;
	a.look = admit_look(sb, f, &asked, guest, src_port, &a.verdict);
	if (a.verdict.answer == POLICY_DENY)
		return a;
	if (!within_budget(sb, &asked, &a)) {
		a.verdict = flow_budget_verdict();
		flow_note_refusal(sb, f, guest, src_port, 0, &a.verdict);
		return a;
	}
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
	struct policy_facts shown = f;

	shown.remote = (struct ipaddr){0}; /* one line a name, whomever the guest asked for it */
	sb->cnt.denied[v->reason]++;
	denials_note_question(sb->denials, &shown, v->reason, v->rule_text);
	if (log_enabled(LOG_INFO))
		log_limited(LOG_INFO, "refused dns %s: %s, %s", q->text,
			    policy_reason_name(v->reason), v->rule_text ? v->rule_text : "no rule");
	if (sb->events)
		emit_refusal(sb, &f, &q->guest, q->guest_port, 0, v, EVENT_DENY);
}

struct policy_verdict flow_admit_question(struct sandbox *sb, const struct flow_question *q)
{
	static const struct name odd; /* matches no rule for names */
	struct policy_verdict v =
		policy_decide_question(sb->policy, &sb->env, q->name ? q->name : &odd, q->proto,
				       q->port);

	if (v.answer == POLICY_ALLOW)
		return v;
	if (q->of_chain && !v.by_name)
		return (struct policy_verdict){POLICY_ALLOW, REASON_NONE, -1, "default", false};
	flow_refuse_question(sb, q, &v);
	return v;
}

void flow_count_refusal(struct sandbox *sb, enum policy_reason why, const struct policy_facts *f)
{
	struct policy_verdict v = {.answer = POLICY_DENY, .reason = why, .rule = -1};
	static const struct ipaddr unknown;

	sb->cnt.denied[why]++;
	denials_note(sb->denials, f, why, NULL);
	if (sb->events)
		emit_refusal(sb, f, &unknown, -1, 0, &v, EVENT_LIMIT);
}
