// SPDX-License-Identifier: Apache-2.0
/*
 * CONNECT through a proxy: a connection in a connection.
 *
 * The target that the guest names is judged like one that it dials, before the proxy hears of it.
 * Where the proxy has agreed, the exchange that opened the tunnel is over, and what follows has
 * layers of its own over the same wires: the first bytes are looked at again, a hello's name is
 * judged, TLS is ended on both sides through the tunnel, requests are read.
 *
 * A name's addresses are known to the proxy alone, so an address from the networks for
 * documentation, which belong to the group `public`, stands in for them; rules for names match the
 * name as if the guest had been told that address for it. A tunnel in a tunnel, or in a stream of
 * HTTP/2, is refused.
 */
#include "http/rules.h"
#include "intercept/intercept_priv.h"
#include "tls/hello.h"

static const uint8_t stand_in[4] = {192, 0, 2, 1}; /* RFC 5737 */

static struct policy_facts facts_of(const struct conn *x, enum policy_seen seen,
				    const struct name *name)
{
	const struct http_authority *t = &x->target;

	return (struct policy_facts){.dir = POLICY_EGRESS,
				     .proto = POLICY_TCP,
				     .remote = t->name.len ? ipaddr_v4(stand_in) : t->addr,
				     .port = t->port,
				     .seen = seen,
				     .name = name};
}

/* Nothing is told. */
static struct policy_verdict decide(struct conn *x, const struct policy_facts *f)
{
	struct sandbox *sb = x->wire.ic->sb;
	const struct name *bound = &x->target.name;
	struct policy_facts asked = *f;

	if (!bound->len)
		return flow_decide(sb, f);
	asked.bound = &bound;
	asked.bound_count = 1;
	return policy_decide(sb->policy, &sb->env, &asked);
}

static struct policy_verdict refuse(struct conn *x, const struct policy_facts *f,
				    struct policy_verdict v)
{
	struct policy_facts shown = *f;

	v.answer = POLICY_DENY;
	shown.remote = x->flow->remote;
	if (x->target.name.len) {
		shown.seen = POLICY_NAME_SEEN;
		shown.name = &x->target.name;
	}
	flow_note_refusal(x->wire.ic->sb, &shown, &x->flow->guest, x->flow->guest_port, x->flow->id,
			  &v);
	return v;
}

struct policy_verdict tunnel_judge(void *ctx, enum policy_seen seen, const struct name *name)
{
	struct conn *x = ctx;
	struct policy_facts f = facts_of(x, seen, name);
	struct policy_verdict v = decide(x, &f);

	return v.answer == POLICY_ALLOW ? v : refuse(x, &f, v);
}

/* ---- opening one ---- */

/* The proxy itself: it shows no name but that of its TLS. */
static bool proxy_is_allowed(struct conn *x, const struct http_exchange *ex)
{
	struct sandbox *sb = x->wire.ic->sb;
	struct policy_verdict v = x->name.len ? flow_judge(sb, x->flow, POLICY_NAME_SEEN, &x->name)
					      : flow_judge(sb, x->flow, POLICY_NAME_NONE, NULL);
	const struct http_rule *rule;
	const char *why;

	if (v.answer != POLICY_ALLOW)
		return false;
	rule = v.rule >= 0 ? policy_rule_http(sb->policy, v.rule) : NULL;
	return !rule || http_rule_judge(rule, &ex->request, &why) == HTTP_RULE_ALLOW;
}

struct policy_verdict tunnel_connect(void *ctx, const struct http_exchange *ex)
{
	struct conn *x = ctx;
	struct policy_verdict v = {POLICY_DENY, REASON_HTTP_RULE, -1, "default", false};

	x->target = ex->request.authority;
	bool named = x->target.name.len;
	struct policy_facts f = facts_of(x, named ? POLICY_NAME_SEEN : POLICY_NAME_UNSEEN,
					 named ? &x->target.name : NULL);
	if (!ex->request.has_authority || !x->target.port || x->h2 || !proxy_is_allowed(x, ex))
		return refuse(x, &f, v);
	v = decide(x, &f);
	if (v.answer == POLICY_DENY)
		return refuse(x, &f, v);
	v.answer = POLICY_ALLOW; /* or it depends on the name that the tunnel's bytes will show */
	return v;
}

void tunnel_connected(void *ctx)
{
	struct conn *x = ctx;

	x->tunnel_opens = true;
}

void tunnel_begin(struct conn *x)
{
	struct buf early[2];

	for (int i = 0; i < 2; i++) {
		struct side *s = &x->side[i];

		early[i] = s->held;
		s->held = (struct buf){.secret = true};
	}
	pump_done(x);
	for (int i = 0; i < 2; i++) {
		struct side *s = &x->side[i];

		s->early = early[i];
		s->outer = s->tls;
		s->tls = NULL;
	}
	x->tunnel_opens = false;
	x->in_tunnel = true;
	x->name = x->target.name;
	x->state = CONN_FIRST;
}

/* ---- its first bytes ---- */

/* What was looked at is read again, by whoever ends the TLS. */
static void unread(struct conn *x)
{
	struct side *g = &x->side[HTTP_GUEST];

	g->early = g->held;
	g->held = (struct buf){.secret = true};
}

static void take_hello(struct conn *x, const struct hello *h)
{
	struct intercept *ic = x->wire.ic;
	bool named = h->sni == HELLO_SNI_NAME;
	const struct name *name = named ? &h->name : &x->target.name;
	struct policy_verdict v;

	if (flow_is_hidden(ic->sb, h)) {
		conn_refuse(x, REASON_ECH);
		return;
	}
	v = tunnel_judge(x, named ? POLICY_NAME_SEEN : POLICY_NAME_ABSENT, named ? name : NULL);
	if (v.answer != POLICY_ALLOW) {
		conn_over(x, STREAM_CUT, STREAM_CUT);
		return;
	}
	/* Without rules for requests nothing is lost where a second hello names another host. */
	if (!choice_concerns(ic, name, x->target.port, &v) && !policy_has_http(ic->sb->policy)) {
		pump_begin_raw(x);
		return;
	}
	unread(x);
	if (x->server_spoke || !conn_begin_tls(x, h))
		conn_refuse(x, REASON_NO_NAME);
}

bool tunnel_is_clear(struct conn *x)
{
	struct view v = buf_view(&x->side[HTTP_GUEST].held);
	struct hello h;

	switch (hello_read_records(v, &h)) {
	case HELLO_NOT_TLS:
		return true;
	case HELLO_DONE:
		take_hello(x, &h);
		break;
	case HELLO_BAD:
		conn_refuse(x, REASON_NO_NAME);
		break;
	case HELLO_MORE:
		if (x->side[HTTP_GUEST].over)
			conn_refuse(x, REASON_NO_NAME);
		else if (!timer_armed(&x->patience))
			conn_patience(x, INTERCEPT_HANDSHAKE_US);
		break;
	}
	return false;
}
