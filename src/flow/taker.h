// SPDX-License-Identifier: Apache-2.0
/*
 * Who looks into connections (intercept/), as the relays see it: asked when a flow begins, and
 * again when its first bytes have shown what it is (first_flight.h, udp_hold.h). What it takes it
 * has from there on; everything else goes on as it would have without it.
 */
#ifndef WEIR_FLOW_TAKER_H
#define WEIR_FLOW_TAKER_H

#include "flow/flow.h"
#include "stack/flow_end.h"
#include "tls/hello.h"

/* What the first bytes of a TCP connection are. */
enum taker_kind {
	TAKER_TLS,
	TAKER_H1, /* in the clear */
	TAKER_H2,
	TAKER_OTHER,  /* a protocol that shows no name */
	TAKER_UNREAD, /* nobody knows: a hello that cannot be read, or that did not come */
};

struct taker_first {
	enum taker_kind kind;
	const struct hello *hello; /* TAKER_TLS */
	struct view bytes;         /* as far as they have come */
	bool begun;                /* bytes have passed already, one way or the other */
};

enum taker_answer {
	TAKER_LEAVE,
	TAKER_TAKE,
	TAKER_REFUSE, /* it would have to be looked into, and cannot */
};

struct taker_work {
	struct list node; /* initialised; taken out of its list where it is not wanted any more */
	void (*fn)(struct taker_work *w);
};

struct flow_taker {
	/* Called by the next flush(), in this very turn. */
	void (*soon)(struct sandbox *sb, struct taker_work *w);
	/* A flow of the guest's that the policy lets in. TAKER_TAKE: its first bytes are to be
	 * shown. TAKER_REFUSE: UDP that has to fall back to TCP (quic-blocked). */
	enum taker_answer (*begin)(struct sandbox *sb, const struct policy_facts *f,
				   const struct policy_verdict *v);
	/* They were, and the policy still lets it in. v: NULL with HTTP, whose requests are judged
	 * one by one. TAKER_REFUSE: *ret_why. */
	enum taker_answer (*first)(struct sandbox *sb, const struct flow *f,
				   const struct policy_verdict *v, const struct taker_first *t,
				   enum policy_reason *ret_why);
	/*
	 * It was taken: the end that goes on, over the connected socket `inner`, which it owns from
	 * here on. The guest's bytes are still in the stack's queue, from the first one on. `f`
	 * lives until f->forget. NULL without memory or at a cap: `inner` is then the caller's.
	 */
	struct flow_end *(*take)(struct sandbox *sb, struct flow *f, struct flow_end *inner,
				 const struct taker_first *t);
	/* QUIC with this hello would have been taken, were it TLS over TCP: it is refused. */
	bool (*quic)(struct sandbox *sb, const struct flow *f, const struct policy_verdict *v,
		     const struct hello *h);
	/* DNS over TLS to this address: an end over none; NULL: refuse. */
	struct flow_end *(*dot)(struct sandbox *sb, const struct ipaddr *at,
				const struct ipaddr *guest, uint16_t guest_port);
	/* At the end of a turn: calls up that are due. True: stack_flush(), and then this again,
	 * for more may have become due. */
	bool (*flush)(struct sandbox *sb);
	/* The sandbox is freed; its stack is gone already. */
	void (*free)(struct sandbox *sb);
};

#endif
