// SPDX-License-Identifier: Apache-2.0
/*
 * A guest's new TCP connection: ask, dial, and answer its SYN with the upstream's own fate.
 *
 * The guest's SYN stays unanswered while the dial lasts, so that refused, unreachable and timed out
 * look to the guest as they would without weir.
 */
#include <errno.h>
#include <stdlib.h>

#include "dns/dns.h"
#include "flow/sandbox.h"
#include "flow/tcp_host.h"

#define DNS_PORT 53

/* The owner of a connection while its dial lasts. */
struct relay {
	struct tcp_conn *conn;
	struct tcp_host *dial;
	struct ipaddr other; /* host loopback of the other family, tried on refusal; family 0: none
				(left) */
	uint16_t port;
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
	tcp_conn_set_owner(c, NULL);
	free(r);
	if (err) {
		relay_refuse(sb, c, err);
		return;
	}
	sb->cnt.tcp_dialed++;
	tcp_conn_accept(&sb->stack, c, end);
}

void tcp_relay_gone(struct sandbox *sb, struct tcp_conn *c)
{
	struct relay *r = tcp_conn_owner(c);

	if (!r)
		return;
	tcp_conn_set_owner(c, NULL);
	tcp_host_cancel(r->dial);
	free(r);
}

static void relay_dial(struct sandbox *sb, struct tcp_conn *c, const struct admission *adm,
		       uint16_t port)
{
	struct relay *r = malloc(sizeof(*r));
	int err = ENOMEM;

	if (r) {
		*r = (struct relay){.conn = c, .port = port};
		if (adm->to_host_loopback) {
			bool was4 = adm->dial.family == 4;
			static const uint8_t lo4[4] = {127, 0, 0, 1}, lo6[16] = {[15] = 1};
			r->other = was4 ? ipaddr_v6(lo6) : ipaddr_v4(lo4);
		}
		r->dial = tcp_host_dial(sb, &adm->dial, port, relay_dialed, r, &err);
	}
	if (!r || !r->dial) {
		free(r);
		relay_refuse(sb, c, err);
		return;
	}
	tcp_conn_set_owner(c, r);
}

void tcp_relay_open(struct sandbox *sb, struct tcp_conn *c)
{
	struct tcp_facts t;

	tcp_conn_facts(c, &t);
	struct policy_facts f = {.dir = POLICY_EGRESS,
				 .proto = POLICY_TCP,
				 .remote = t.remote,
				 .port = t.remote_port};
	struct admission adm = flow_admit(sb, &f, &t.guest, t.guest_port);
	if (adm.verdict.answer != POLICY_ALLOW) {
		tcp_conn_refuse(&sb->stack, c, TCP_REFUSE_RST);
		return;
	}
	if (t.remote_port == DNS_PORT && stack_is_gateway(&sb->stack, &t.remote)) {
		struct flow_end *end = dns_proxy_tcp_end(sb->dns, &t.remote, &t.guest, t.guest_port);
		if (end)
			tcp_conn_accept(&sb->stack, c, end);
		else
			tcp_conn_refuse(&sb->stack, c, TCP_REFUSE_RST);
		return;
	}
	relay_dial(sb, c, &adm, t.remote_port);
}
