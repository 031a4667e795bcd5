// SPDX-License-Identifier: Apache-2.0
/*
 * UDP from the guest: admission, and the way to the session's socket. See udp_priv.h for the theory
 * of operation and the bounds.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow/budget.h"
#include "flow/sock_icmp.h"
#include "flow/udp_hold.h"
#include "flow/udp_priv.h"

#define QUIC_PORT 443

struct udp_relay *udp_relay_new(struct sandbox *sb, uint32_t max_sessions)
{
	struct udp_relay *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	if (!udp_io_init(&r->io, sb)) {
		free(r);
		return NULL;
	}
	r->sb = sb;
	r->max_sessions = max_sessions ? max_sessions : 1;
	sipkey_random(&r->key);
	table_init(&r->sessions, r->max_sessions);
	table_init(&r->remotes, (size_t)r->max_sessions * UDP_REMOTES_SHARE);
	list_init(&r->by_use);
	return r;
}

void udp_relay_free(struct udp_relay *r)
{
	if (!r)
		return;
	list_for_each (it, &r->by_use) {
		udp_session_free(container_of(it, struct udp_session, by_use));
	}
	table_done(&r->sessions);
	table_done(&r->remotes);
	udp_io_done(&r->io);
	free(r);
}

struct udp_io *udp_relay_io(struct udp_relay *r)
{
	return &r->io;
}

/* A datagram shows no name, but where a QUIC connection may begin with it, or behind it. */
static struct policy_facts facts_of(const struct udp_datagram *d)
{
	bool quic = d->dport == QUIC_PORT;

	return (struct policy_facts){.dir = POLICY_EGRESS,
				     .proto = POLICY_UDP,
				     .remote = d->dst,
				     .port = d->dport,
				     .seen = quic ? POLICY_NAME_UNSEEN : POLICY_NAME_NONE};
}

/* No descriptor or no memory is a limit; anything else is what the host says about the way there.
 */
static void refuse(struct udp_relay *r, const struct udp_datagram *d, int err)
{
	struct policy_facts facts = facts_of(d);
	enum icmp_error kind;
	r->sb->cnt.udp_dropped++;
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS) {
		flow_count_refusal(r->sb, REASON_LIMIT_UDP, &facts);
		log_limited(LOG_WARNING, "no socket for a new UDP session: %s", strerror(-err));
		kind = ICMP_ERR_HOST_UNREACH;
	} else if (!sock_icmp_of_errno(err, &kind)) {
		return;
	}
	stack_icmp_error(&r->sb->stack, kind, NULL, d->l3, 0);
}

/* A pair of session and remote that is new: the policy is asked before anything is opened for it.
 */
static struct udp_remote *admit(struct udp_relay *r, struct udp_session *us,
				const struct udp_datagram *d)
{
	struct policy_facts facts = facts_of(d);
	struct admission adm = flow_admit(r->sb, &facts, &d->src, d->sport);
	if (adm.verdict.answer == POLICY_DENY) {
		r->sb->cnt.udp_dropped++;
		/* Other kinds of DNS look as if nobody spoke them here: clients then give up at
		 * once. */
		bool closed = adm.verdict.reason == REASON_ALT_DNS;
		stack_icmp_error(&r->sb->stack, closed ? ICMP_ERR_PORT_UNREACH : ICMP_ERR_ADMIN,
				 NULL, d->l3, 0);
		return NULL;
	}
	if (!us && !sandbox_may_open(r->sb)) {
		r->sb->cnt.udp_dropped++;
		flow_count_refusal(r->sb, REASON_LIMIT_UDP, &facts);
		return NULL;
	}
	if (!us)
		us = udp_session_new(r, &d->src, d->sport);
	struct udp_remote *ur = us ? udp_remote_new(us, &d->dst, &adm.dial, d->dport) : NULL;
	if (!ur) {
		refuse(r, d, -ENOMEM);
		return NULL;
	}
	ur->to_host = adm.to_host_loopback;
	flow_open(r->sb, &ur->flow, &facts, &d->src, d->sport, &adm.verdict);
	if ((adm.hold || adm.look) && !(ur->hold = udp_hold_new(r->sb, &ur->flow))) {
		udp_remote_free(ur);
		refuse(r, d, -ENOMEM);
		return NULL;
	}
	return ur;
}

/* The flow was refused with this datagram, and told. */
static void end_refused(struct udp_relay *r, struct udp_remote *ur, const struct udp_datagram *d)
{
	r->sb->cnt.udp_dropped++;
	stack_icmp_error(&r->sb->stack, ICMP_ERR_ADMIN, NULL, d->l3, 0);
	udp_remote_free(ur);
}

/*
 * A datagram of a flow that is still judged. True where it may pass now, behind those that were
 * held; else it is held, or refused with its flow.
 */
static bool held_may_pass(struct udp_relay *r, struct udp_remote *ur, const struct udp_datagram *d)
{
	switch (udp_hold_take(ur->hold, d)) {
	case UDP_HOLD_WAIT:
		return false;
	case UDP_HOLD_PASS:
		return true;
	case UDP_HOLD_DENY:
		break;
	}
	end_refused(r, ur, d);
	return false;
}

/* A datagram, or a train of them, goes as a whole, with those that were held, or ends the flow. */
static bool within_budget(struct udp_relay *r, struct udp_remote *ur, const struct udp_datagram *d)
{
	size_t held = ur->hold ? udp_hold_payload(ur->hold) : 0;

	if (flow_spend(r->sb, &ur->flow, held + d->payload.len))
		return true;
	flow_over_budget(r->sb, &ur->flow);
	end_refused(r, ur, d);
	return false;
}

void udp_relay_input(struct udp_relay *r, const struct udp_datagram *d)
{
	struct udp_session *us = udp_session_find(r, &d->src, d->sport);
	struct udp_remote *ur = us ? udp_remote_find(us, &d->dst, d->dport) : NULL;
	if (!ur)
		ur = admit(r, us, d);
	if (!ur)
		return;

	us = ur->session;
	int err;
	struct udp_sock *sock = udp_session_sock(us, ur->dial.family, &err);
	if (!sock) {
		refuse(r, d, err);
		if (us->sock[0].src.fd < 0 && us->sock[1].src.fd < 0)
			udp_session_free(us); /* one that never came to be */
		return;
	}
	udp_session_touch(us);
	udp_remote_touch(ur);
	us->spoke_out = true;
	ur->bytes_out += d->payload.len;
	if (ur->hold && !held_may_pass(r, ur, d))
		return;
	if (r->sb->budgets && !within_budget(r, ur, d))
		return;
	if (ur->hold)
		udp_hold_release(ur->hold, sock, &ur->dial, ur->port);
	static const struct ipaddr any;
	udp_sock_gather(sock, &ur->dial, ur->port, &any, d);
}

void udp_relay_flush(struct udp_relay *r)
{
	udp_io_flush(&r->io);
}
