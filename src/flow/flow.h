// SPDX-License-Identifier: Apache-2.0
/*
 * One admitted flow, whatever its protocol and direction: what policy, bindings and events need to
 * know of it for as long as it lives. The relays embed it in their own records.
 *
 * When the policy changes every flow is judged again, with the name that it has shown, and with
 * what a proxy was asked for (target.h); what the new policy forbids ends at once (flows_judge()).
 *
 * Bounds: those of the tables that the relays keep; a flow allocates only the name that it has
 * shown.
 */
#ifndef WEIR_FLOW_FLOW_H
#define WEIR_FLOW_FLOW_H

#include "base/list.h"
#include "flow/sandbox.h"
#include "tls/hello.h"

struct flow {
	struct list node; /* in sandbox.flows while open */
	uint64_t id;      /* for events; unique in a sandbox's life */
	uint64_t opened_us;
	/* The policy has changed, and forbids it: end it, towards both sides. May free the record.
	 */
	void (*forbid)(struct sandbox *sb, struct flow *f);
	/* Whoever else knows of it (taker.h) is told that it is about to be over; NULL: nobody. */
	void (*forget)(void *ctx);
	void *forget_ctx;
	struct name *name; /* that it has shown; owned; NULL: none */
	struct flow_target
		*target; /* whom a proxy was asked for last (target.h); owned; NULL: none */
	struct ipaddr guest, remote; /* remote: as the policy judges it */
	uint16_t src_port;           /* of who opened it: the guest's, or a client's */
	uint16_t port;               /* as the policy judges it */
	uint8_t dir, proto;          /* enum policy_dir, enum policy_proto */
	uint8_t seen;                /* enum policy_seen */
	bool undecided;    /* its first bytes are still held back, and judged by themselves */
	uint8_t forbidden; /* enum policy_reason: it is being ended, by a new policy or a budget */
	bool pinned;       /* keeps what is bound to `remote` */
};

/* How a flow ended, for events. */
struct flow_result {
	const char *end; /* "fin", "reset", "timeout", "refused", "unreachable", "policy" */
	int64_t bytes_in, bytes_out; /* toward the guest, from it; -1: not counted */
	int64_t rtt_us;              /* -1: unknown */
};

/* An admitted flow begins; the caller has set `forbid`. */
void flow_open(struct sandbox *sb, struct flow *f, const struct policy_facts *facts,
	       const struct ipaddr *guest, uint16_t src_port, const struct policy_verdict *v);
void flow_close(struct sandbox *sb, struct flow *f, const struct flow_result *r);
static inline bool flow_is_open(const struct flow *f)
{
	return list_linked(&f->node);
}

/*
 * The flow has shown a name, or that it shows none: the final verdict. A refusal is counted and
 * told here. `name` is with POLICY_NAME_SEEN alone.
 */
struct policy_verdict flow_judge(struct sandbox *sb, struct flow *f, enum policy_seen seen,
				 const struct name *name);
/* A refusal that is not the policy's own word (ech, quic-blocked, http-rule): counted and told. */
void flow_refuse(struct sandbox *sb, const struct flow *f, const struct policy_verdict *v);

/* "tcp", "udp", "icmpv4", "icmpv6": as events name them. */
const char *flow_proto_word(enum policy_proto proto);

/* True where the flow would pass if its bytes showed no name; tells nobody. */
bool flow_may_be_nameless(struct sandbox *sb, const struct flow *f);

/* The name that a hello shows stands for another one, which is encrypted, and may not (allow_ech).
 */
bool flow_is_hidden(const struct sandbox *sb, const struct hello *h);

/* The policy was replaced: forgets bindings of names that are denied now, and ends the flows that
 * it forbids. */
void flows_judge(struct sandbox *sb);

#endif
