// SPDX-License-Identifier: Apache-2.0
/*
 * Judging a proxy's targets. See target.h.
 */
#include "flow/target.h"

#include <stdlib.h>

static const uint8_t stand_in[4] = {192, 0, 2, 1}; /* RFC 5737 */

static struct policy_facts facts_of(const struct http_authority *to, enum policy_seen seen,
				    const struct name *name)
{
	return (struct policy_facts){.dir = POLICY_EGRESS,
				     .proto = POLICY_TCP,
				     .remote = to->name.len ? ipaddr_v4(stand_in) : to->addr,
				     .port = to->port,
				     .seen = seen,
				     .name = name};
}

bool flow_target_is_own(const struct flow *f, const struct http_authority *to)
{
	return !to->name.len && to->port == f->port && ipaddr_eq(&to->addr, &f->remote);
}

static struct policy_verdict decide(struct sandbox *sb, const struct http_authority *to,
				    enum policy_seen seen, const struct name *name)
{
	struct policy_facts f = facts_of(to, seen, name);
	const struct name *bound = &to->name;

	if (!to->name.len)
		return flow_decide(sb, &f);
	f.bound = &bound;
	f.bound_count = 1;
	return policy_decide(sb->policy, &sb->env, &f);
}

/* Like a connection: by what its first packet says, and then by the name that it shows. */
struct policy_verdict flow_target_decide(struct sandbox *sb, const struct http_authority *to,
					 enum policy_seen seen, const struct name *name)
{
	struct policy_verdict v = decide(sb, to, POLICY_NAME_UNSEEN, NULL);

	if (v.answer == POLICY_DENY || seen == POLICY_NAME_UNSEEN)
		return v;
	return decide(sb, to, seen, name);
}

void flow_target_refuse(struct sandbox *sb, const struct flow *f, const struct http_authority *to,
			const struct policy_verdict *v)
{
	struct policy_facts shown = facts_of(to, POLICY_NAME_NONE, NULL);

	shown.remote = f->remote;
	if (to->name.len) {
		shown.seen = POLICY_NAME_SEEN;
		shown.name = &to->name;
	}
	flow_note_refusal(sb, &shown, &f->guest, f->src_port, f->id, v);
}

static bool keep(struct flow *f, const struct http_authority *to, enum policy_seen seen,
		 const struct name *name)
{
	if (!f->target && !(f->target = malloc(sizeof(*f->target))))
		return false;
	*f->target = (struct flow_target){.at = *to, .seen = (uint8_t)seen};
	if (name)
		f->target->name = *name;
	return true;
}

static bool depends(const struct policy_verdict *v, enum policy_seen seen)
{
	return v->answer == POLICY_NEED_NAME && seen == POLICY_NAME_UNSEEN;
}

struct policy_verdict flow_target_judge(struct sandbox *sb, struct flow *f,
					const struct http_authority *to, enum policy_seen seen,
					const struct name *name)
{
	struct policy_verdict v = flow_target_decide(sb, to, seen, name);

	if (v.answer != POLICY_DENY && !keep(f, to, seen, name))
		v = (struct policy_verdict){POLICY_DENY, REASON_LIMIT_CONNECTIONS, -1, "default",
					    false};
	if (v.answer == POLICY_ALLOW)
		return v;
	if (depends(&v, seen)) {
		v.answer = POLICY_ALLOW;
		return v;
	}
	v.answer = POLICY_DENY;
	flow_target_refuse(sb, f, to, &v);
	return v;
}

void flow_target_forget(struct flow *f)
{
	free(f->target);
	f->target = NULL;
}

struct policy_verdict flow_target_again(struct sandbox *sb, const struct flow *f)
{
	const struct flow_target *t = f->target;
	struct policy_verdict v = {.answer = POLICY_ALLOW, .rule = -1};

	if (!t)
		return v;
	v = flow_target_decide(sb, &t->at, (enum policy_seen)t->seen,
			       t->seen == POLICY_NAME_SEEN ? &t->name : NULL);
	if (depends(&v, (enum policy_seen)t->seen))
		v.answer = POLICY_ALLOW;
	else if (v.answer != POLICY_ALLOW)
		v.answer = POLICY_DENY;
	return v;
}
