// SPDX-License-Identifier: Apache-2.0
/*
 * A guest's new TCP connection: ask, dial, and answer its SYN with the upstream's own fate.
 *
 * The guest's SYN stays unanswered while the dial lasts, so that refused, unreachable and timed out
 * look to the guest as they would without weir. Where a rule for names admitted the flow, its first
 * bytes are held back behind that (first_flight.h).
 *
 * Where the sandbox has used up its share of a loop (share.h), the dial itself waits: the
 * connection is held like one that is being dialled, is evicted like one when too many are, and is
 * judged anew when its turn comes.
 */
#include <errno.h>
#include <stdlib.h>

#include "dns/dns.h"
#include "flow/first_flight.h"
#include "flow/taker.h"
#include "flow/tcp_host.h"

#define DNS_PORT 53
#define DOT_PORT 853  /* RFC 7858 3.1 */
#define WAIT_US  1000 /* until the next dials of those that wait */

/* The owner of a connection. */
struct relay {
	struct flow flow; /* open from the dial's success on */
	struct tcp_conn *conn;
	struct tcp_host *dial;       /* NULL: over */
	struct first_flight *flight; /* while the guest's first bytes are judged; else NULL */
	struct ipaddr other; /* host loopback of the other family, tried on refusal; family 0: none
				(left) */
	uint16_t port;
	struct list waits; /* in the sandbox's list, while the dial has not begun */
};

static enum tcp_refusal refusal_of(struct sandbox *sb, int err)
{
	switch (err) {
	case ECONNREFUSED:
	case ECONNRESET:
		sb->cnt.tcp_refused++;
		return TCP_REFUSE_RST;
	case EHOSTUNREACH:
	case EHOSTDOWN:
		sb->cnt.tcp_unreachable++;
		return TCP_REFUSE_HOST_UNREACH;
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		sb->cnt.tcp_unreachable++;
		return TCP_REFUSE_NET_UNREACH;
	case ETIMEDOUT:
		sb->cnt.tcp_timed_out++;
		return TCP_REFUSE_SILENT;
	case EACCES:
	case EPERM:
		return TCP_REFUSE_ADMIN;
	default:
		return TCP_REFUSE_RST;
	}
}

/* By the policy. */
static void relay_deny(struct sandbox *sb, struct tcp_conn *c)
{
	tcp_conn_refuse(&sb->stack, c, sb->deny_icmp ? TCP_REFUSE_ADMIN : TCP_REFUSE_RST);
}

static void relay_refuse(struct sandbox *sb, struct tcp_conn *c, int err)
{
	struct tcp_facts t;

	if (err == EMFILE || err == ENFILE || err == ENOMEM || err == ENOBUFS) {
		tcp_conn_facts(c, &t);
		flow_count_refusal(sb, REASON_LIMIT_CONNECTIONS,
				   &(struct policy_facts){.dir = POLICY_EGRESS,
							  .proto = POLICY_TCP,
							  .remote = t.remote,
							  .port = t.remote_port});
	}
	tcp_conn_refuse(&sb->stack, c, refusal_of(sb, err));
}

static void relay_forbid(struct sandbox *sb, struct flow *f)
{
	tcp_conn_abort(&sb->stack, container_of(f, struct relay, flow)->conn);
}

static struct relay *relay_new(struct tcp_conn *c)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->conn = c;
	r->flow.forbid = relay_forbid;
	list_init(&r->flow.node);
	list_init(&r->waits);
	tcp_conn_set_owner(c, r);
	return r;
}

static struct policy_facts relay_facts(const struct tcp_facts *t)
{
	return (struct policy_facts){.dir = POLICY_EGRESS,
				     .proto = POLICY_TCP,
				     .remote = t->remote,
				     .port = t->remote_port};
}

/* The upstream has accepted, and so does weir, unless the policy has changed meanwhile. */
static void relay_accept(struct sandbox *sb, struct relay *r, struct flow_end *end)
{
	struct tcp_conn *c = r->conn;
	struct tcp_facts t;

	tcp_conn_facts(c, &t);
	struct policy_facts f = relay_facts(&t);
	struct admission adm = flow_admit(sb, &f, &t.guest, t.guest_port);
	if (adm.verdict.answer == POLICY_DENY) {
		tcp_conn_set_owner(c, NULL);
		free(r);
		end->ops->reset(end);
		relay_deny(sb, c);
		return;
	}
	flow_open(sb, &r->flow, &f, &t.guest, t.guest_port, &adm.verdict);
	tcp_host_end_charge(end, &r->flow);
	if (!adm.hold && !adm.look) {
		tcp_conn_accept(&sb->stack, c, end);
		return;
	}
	struct first_flight *ff = first_flight_new(sb, &r->flow, end, &r->flight);
	if (ff) {
		first_flight_accept(ff, c);
		return;
	}
	end->ops->reset(end);
	flow_count_refusal(sb, REASON_LIMIT_CONNECTIONS, &f);
	tcp_conn_abort(&sb->stack, c);
}

/* How events name a dial that did not succeed; NULL: it failed here, for want of something or by
 * the host's own rules. */
static const char *failed_end(int err)
{
	switch (err) {
	case ECONNREFUSED:
	case ECONNRESET:
		return "refused";
	case ETIMEDOUT:
		return "timeout";
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		return "unreachable";
	default:
		return NULL;
	}
}

/* It was allowed, and came to nothing: a flow that opens and closes at once. */
static void relay_tell_failed(struct sandbox *sb, struct relay *r, int err)
{
	const char *how = failed_end(err);
	struct tcp_facts t;

	if (!how)
		return;
	tcp_conn_facts(r->conn, &t);
	struct policy_facts f = relay_facts(&t);
	f.remote = flow_reduce(sb, &f.remote);
	struct policy_verdict v = flow_decide(sb, &f);
	if (v.answer == POLICY_DENY)
		return;
	flow_open(sb, &r->flow, &f, &t.guest, t.guest_port, &v);
	flow_close(sb, &r->flow, &(struct flow_result){.end = how, .rtt_us = -1});
}

static void relay_dialed(struct sandbox *sb, void *arg, struct flow_end *end, int err)
{
	struct relay *r = arg;
	struct tcp_conn *c = r->conn;

	r->dial = NULL;
	if (err == ECONNREFUSED && r->other.family) {
		struct ipaddr to = r->other;
		r->other.family = 0;
		r->dial = tcp_host_dial(sb, &to, r->port, relay_dialed, r, &err);
		if (r->dial)
			return;
	}
	if (err) {
		relay_tell_failed(sb, r, err);
		tcp_conn_set_owner(c, NULL);
		free(r);
		relay_refuse(sb, c, err);
		return;
	}
	sb->cnt.tcp_dialed++;
	relay_accept(sb, r, end);
}

void tcp_relay_gone(struct sandbox *sb, struct tcp_conn *c, enum tcp_ending how)
{
	struct relay *r = tcp_conn_owner(c);
	struct tcp_facts t;

	if (!r)
		return;
	tcp_conn_set_owner(c, NULL);
	list_del(&r->waits);
	tcp_host_cancel(r->dial);
	if (r->flight)
		first_flight_forget(r->flight);
	if (r->flow.forget)
		r->flow.forget(r->flow.forget_ctx);
	tcp_conn_facts(c, &t);
	flow_close(sb, &r->flow,
		   &(struct flow_result){.end = how == TCP_END_FIN ? "fin" : "reset",
					 .bytes_in = (int64_t)t.bytes_in,
					 .bytes_out = (int64_t)t.bytes_out,
					 .rtt_us = t.srtt_us ? (int64_t)t.srtt_us : -1});
	free(r);
}

void tcp_relay_follow(struct sandbox *sb, struct tcp_conn *c, const struct policy_facts *facts,
		      uint16_t client_port)
{
	struct relay *r = relay_new(c);
	struct tcp_facts t;

	if (!r) { /* unfollowed, it could outlive a policy that forbids it */
		tcp_conn_abort(&sb->stack, c);
		return;
	}
	tcp_conn_facts(c, &t);
	struct policy_verdict v = flow_decide(sb, facts);
	if (v.answer == POLICY_DENY) { /* the policy changed between two attempts */
		flow_note_refusal(sb, facts, &t.guest, client_port, 0, &v);
		tcp_conn_abort(&sb->stack, c);
		return;
	}
	flow_open(sb, &r->flow, facts, &t.guest, client_port, &v);
}

static void relay_dial(struct sandbox *sb, struct tcp_conn *c, const struct admission *adm,
		       uint16_t port)
{
	struct relay *r = relay_new(c);
	int err = ENOMEM;

	if (r) {
		r->port = port;
		if (adm->to_host_loopback) {
			bool was4 = adm->dial.family == 4;
			static const uint8_t lo4[4] = {127, 0, 0, 1}, lo6[16] = {[15] = 1};
			r->other = was4 ? ipaddr_v6(lo6) : ipaddr_v4(lo4);
		}
		r->dial = tcp_host_dial(sb, &adm->dial, port, relay_dialed, r, &err);
	}
	if (!r || !r->dial) {
		if (r)
			relay_tell_failed(sb, r, err);
		tcp_conn_set_owner(c, NULL);
		free(r);
		relay_refuse(sb, c, err);
	}
}

/* ---- dials that wait ---- */

static void relay_wait(struct sandbox *sb, struct tcp_conn *c)
{
	struct relay *r = relay_new(c);

	if (!r) {
		relay_refuse(sb, c, ENOMEM);
		return;
	}
	list_add_tail(&sb->waiting, &r->waits);
	if (!timer_armed(&sb->waiting_timer))
		timer_set(&sb->loop->wheel, &sb->waiting_timer, sb->loop->now_us + WAIT_US);
}

/* due: it has waited, and its turn has come. */
static void relay_judge(struct sandbox *sb, struct tcp_conn *c, const struct tcp_facts *t, bool due)
{
	struct policy_facts f = relay_facts(t);
	struct admission adm = flow_admit(sb, &f, &t->guest, t->guest_port);

	if (adm.verdict.answer == POLICY_DENY)
		relay_deny(sb, c);
	else if (due || (list_empty(&sb->waiting) && sandbox_may_open(sb)))
		relay_dial(sb, c, &adm, t->remote_port);
	else
		relay_wait(sb, c);
}

static void relay_wait_over(struct sandbox *sb)
{
	struct relay *r = container_of(list_pop(&sb->waiting), struct relay, waits);
	struct tcp_conn *c = r->conn;
	struct tcp_facts t;

	tcp_conn_facts(c, &t);
	tcp_conn_set_owner(c, NULL);
	free(r);
	relay_judge(sb, c, &t, true);
}

void tcp_relay_waiting(struct timer *timer)
{
	struct sandbox *sb = container_of(timer, struct sandbox, waiting_timer);

	while (!list_empty(&sb->waiting) && sandbox_may_open(sb))
		relay_wait_over(sb);
	if (!list_empty(&sb->waiting))
		timer_set(&sb->loop->wheel, timer, sb->loop->now_us + WAIT_US);
}

/* DNS over TCP, or over TLS where that is looked into, to whatever address: the interceptor's, once
 * the policy lets the guest talk to a resolver there at all. Where names are allowed each question
 * is judged by itself. */
static void relay_dns(struct sandbox *sb, struct tcp_conn *c, const struct tcp_facts *t)
{
	bool dot = t->remote_port == DOT_PORT;
	struct policy_facts f = relay_facts(t);

	f.port = DNS_PORT;
	if (sb->dns_at_gateway)
		f.remote = t->remote.family == 4 ? sb->stack.cfg.gw4 : sb->stack.cfg.gw6;
	if (!(policy_has_names(sb->policy) && stack_is_gateway(&sb->stack, &f.remote)) &&
	    flow_admit(sb, &f, &t->guest, t->guest_port).verdict.answer != POLICY_ALLOW) {
		relay_deny(sb, c);
		return;
	}
	struct flow_end *end =
		dot ? sb->taker->dot(sb, &t->remote, &t->guest, t->guest_port)
		    : dns_proxy_tcp_end(sb->dns, &t->remote, &t->guest, t->guest_port);
	if (end)
		tcp_conn_accept(&sb->stack, c, end);
	else
		tcp_conn_refuse(&sb->stack, c, TCP_REFUSE_RST);
}

void tcp_relay_open(struct sandbox *sb, struct tcp_conn *c)
{
	struct tcp_facts t;

	tcp_conn_facts(c, &t);
	if (t.remote_port == DNS_PORT || (t.remote_port == DOT_PORT && sb->taker)) {
		relay_dns(sb, c, &t);
		return;
	}
	relay_judge(sb, c, &t, false);
}
