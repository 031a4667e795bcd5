// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a flow: its events, the bindings that it keeps, and its judgement.
 */
#include "flow/flow.h"

#include <stdlib.h>

#include "flow/budget.h"
#include "flow/target.h"
#include "observe/events.h"
#include "policy/bindings.h"
#include "tls/ech.h"

const char *flow_proto_word(enum policy_proto proto)
{
	switch (proto) {
	case POLICY_TCP:
		return "tcp";
	case POLICY_UDP:
		return "udp";
	case POLICY_ICMPV4:
		return "icmpv4";
	default:
		return "icmpv6";
	}
}

/* What every event of a flow says. */
static struct event flow_event(const struct flow *f, enum event_kind kind)
{
	struct event e = event_make(kind);
	bool has_ports = f->proto == POLICY_TCP || f->proto == POLICY_UDP;

	e.flow = f->id;
	e.dir = f->dir;
	e.proto = flow_proto_word((enum policy_proto)f->proto);
	e.src = f->dir == POLICY_EGRESS ? f->guest : f->remote;
	e.dst = f->dir == POLICY_EGRESS ? f->remote : f->guest;
	if (has_ports) {
		e.sport = f->src_port;
		e.dport = f->port;
	}
	if (f->name) {
		e.name = f->name->s;
		e.name_len = f->name->len;
	}
	return e;
}

/* False where it could not be kept: the flow must then not go on. */
static bool flow_set_name(struct flow *f, enum policy_seen seen, const struct name *name)
{
	f->seen = (uint8_t)seen;
	if (!name) {
		free(f->name);
		f->name = NULL;
		return true;
	}
	if (!f->name && !(f->name = malloc(sizeof(*f->name))))
		return false;
	*f->name = *name;
	return true;
}

static struct policy_facts flow_facts(const struct flow *f)
{
	return (struct policy_facts){
		.dir = (enum policy_dir)f->dir,
		.proto = (enum policy_proto)f->proto,
		.remote = f->remote,
		.port = f->port,
		.seen = (enum policy_seen)f->seen,
		.name = f->name,
	};
}

void flow_open(struct sandbox *sb, struct flow *f, const struct policy_facts *facts,
	       const struct ipaddr *guest, uint16_t src_port, const struct policy_verdict *v)
{
	f->id = ++sb->flow_ids;
	f->opened_us = sb->loop->now_us;
	f->guest = *guest;
	f->src_port = src_port;
	f->remote = flow_reduce(sb, &facts->remote);
	f->port = facts->port;
	f->dir = (uint8_t)facts->dir;
	f->proto = (uint8_t)facts->proto;
	f->seen = (uint8_t)facts->seen;
	f->name = NULL;
	f->pinned = f->dir == POLICY_EGRESS && sb->bindings;
	if (f->pinned)
		bindings_pin(sb->bindings, &f->remote);
	list_add_tail(&sb->flows, &f->node);
	if (sb->events) {
		struct event e = flow_event(f, EVENT_FLOW_OPEN);
		e.verdict = v;
		events_emit(sb->events, &e);
	}
}

void flow_close(struct sandbox *sb, struct flow *f, const struct flow_result *r)
{
	if (!flow_is_open(f))
		return;
	if (sb->events) {
		struct event e = flow_event(f, EVENT_FLOW_CLOSE);
		e.end = f->forbidden ? "policy" : r->end;
		e.reason = (enum policy_reason)f->forbidden;
		e.bytes_in = r->bytes_in;
		e.bytes_out = r->bytes_out;
		e.rtt_us = r->rtt_us;
		e.duration_us = (int64_t)(sb->loop->now_us - f->opened_us);
		events_emit(sb->events, &e);
	}
	if (f->pinned)
		bindings_unpin(sb->bindings, &f->remote);
	list_del(&f->node);
	free(f->name);
	f->name = NULL;
	flow_target_forget(f);
}

void flow_refuse(struct sandbox *sb, const struct flow *f, const struct policy_verdict *v)
{
	struct policy_facts facts = flow_facts(f);

	flow_note_refusal(sb, &facts, &f->guest, f->src_port, f->id, v);
}

static bool flow_has_budget(const struct sandbox *sb, const struct flow *f)
{
	return !sb->budgets || f->dir != POLICY_EGRESS ||
	       budget_left(sb->budgets, f->name, &f->remote);
}

struct policy_verdict flow_judge(struct sandbox *sb, struct flow *f, enum policy_seen seen,
				 const struct name *name)
{
	bool kept = flow_set_name(f, seen, name);
	struct policy_facts facts = flow_facts(f);
	struct policy_verdict v = flow_decide(sb, &facts);

	if (!kept)
		v = (struct policy_verdict){POLICY_DENY, REASON_LIMIT_CONNECTIONS, -1, "default",
					    false};
	if (v.answer == POLICY_NEED_NAME)
		v.answer =
			POLICY_DENY; /* the name is what was just shown: nothing more will come */
	if (v.answer == POLICY_ALLOW && !flow_has_budget(sb, f))
		v = flow_budget_verdict();
	f->undecided = false;
	if (v.answer == POLICY_DENY)
		flow_refuse(sb, f, &v);
	return v;
}

bool flow_may_be_nameless(struct sandbox *sb, const struct flow *f)
{
	struct policy_facts facts = flow_facts(f);

	facts.seen = POLICY_NAME_NONE;
	facts.name = NULL;
	return flow_decide(sb, &facts).answer == POLICY_ALLOW;
}

bool flow_is_hidden(const struct sandbox *sb, const struct hello *h)
{
	return h->ech && h->sni == HELLO_SNI_NAME && !sb->allow_ech &&
	       (ech_public_name_known(&h->name) || (sb->ech && ech_names_has(sb->ech, &h->name)));
}

/* ---- when the policy changes ---- */

static bool name_still_asked(void *arg, const struct name *name)
{
	const struct sandbox *sb = arg;

	return policy_decide_question(sb->policy, &sb->env, name, POLICY_UDP, 53).answer ==
	       POLICY_ALLOW;
}

/* A flow whose first bytes are still held is judged by them; one that has passed without showing a
 * name where a name is needed now has shown none. Behind a proxy both ends are judged. */
static bool flow_forbidden(struct sandbox *sb, const struct flow *f, struct policy_verdict *ret,
			   bool *ret_of_target)
{
	struct policy_facts facts = flow_facts(f);

	*ret = flow_decide(sb, &facts);
	if (ret->answer == POLICY_NEED_NAME && !f->undecided) {
		ret->answer = POLICY_DENY;
		ret->reason = REASON_NO_NAME;
	}
	if (ret->answer == POLICY_DENY || !f->target)
		return ret->answer == POLICY_DENY;
	*ret_of_target = true;
	*ret = flow_target_again(sb, f);
	return ret->answer == POLICY_DENY;
}

void flows_judge(struct sandbox *sb)
{
	struct list todo, *n;

	bindings_judge(sb->bindings, name_still_asked, sb);
	/* A flow that ends may take others with it, so the list is worked off from its head. */
	list_init(&todo);
	while ((n = list_pop(&sb->flows)))
		list_add_tail(&todo, n);
	while ((n = list_pop(&todo))) {
		struct flow *f = container_of(n, struct flow, node);
		struct policy_verdict v;
		bool of_target = false;

		list_add_tail(&sb->flows, n);
		if (!flow_forbidden(sb, f, &v, &of_target))
			continue;
		v.reason = REASON_POLICY_CHANGED;
		if (of_target)
			flow_target_refuse(sb, f, &f->target->at, &v);
		else
			flow_refuse(sb, f, &v);
		f->forbidden = REASON_POLICY_CHANGED;
		f->forbid(sb, f);
	}
}
