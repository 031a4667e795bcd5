// SPDX-License-Identifier: Apache-2.0
/*
 * Whom a guest asks a proxy for: CONNECT, and requests whose target is in absolute form. The proxy
 * is what the flow leads to; its target is judged beside it, as a connection that the guest dials
 * itself would be.
 *
 * A name's addresses are the proxy's to know, so an address from the networks for documentation,
 * which belong to the group `public`, stands in for them; rules for names match the name as if the
 * guest had been told that address for it.
 *
 * The flow keeps its last target, and what has been seen of it, for the judgement of open flows
 * when the policy changes (flow.h).
 */
#ifndef WEIR_FLOW_TARGET_H
#define WEIR_FLOW_TARGET_H

#include "flow/flow.h"
#include "http/authority.h"

struct flow_target {
	struct http_authority at; /* port: never 0 */
	uint8_t seen;             /* enum policy_seen: of what goes on inside */
	struct name name;         /* with POLICY_NAME_SEEN */
};

/* The target is the flow's own far end: no proxy is asked for anything else. */
bool flow_target_is_own(const struct flow *f, const struct http_authority *to);
/* Nothing is told or kept. */
struct policy_verdict flow_target_decide(struct sandbox *sb, const struct http_authority *to,
					 enum policy_seen seen, const struct name *name);
/* A refusal is counted and told as the flow's, with the target's name. */
void flow_target_refuse(struct sandbox *sb, const struct flow *f, const struct http_authority *to,
			const struct policy_verdict *v);
/*
 * Decides, keeps it as the flow's target, and tells of a refusal. With POLICY_NAME_UNSEEN what is
 * let in may still depend on the name that the tunnel's bytes will show; it is then allowed here.
 */
struct policy_verdict flow_target_judge(struct sandbox *sb, struct flow *f,
					const struct http_authority *to, enum policy_seen seen,
					const struct name *name);
/* A request without one follows on the same connection. */
void flow_target_forget(struct flow *f);
/* The policy has changed: the verdict about what is kept, ALLOW where nothing is. */
struct policy_verdict flow_target_again(struct sandbox *sb, const struct flow *f);

#endif
