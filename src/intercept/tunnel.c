// SPDX-License-Identifier: Apache-2.0
/*
 * CONNECT through a proxy: a connection in a connection.
 *
 * The target that the guest names is judged like one that it dials (flow/target.h), before the
 * proxy hears of it. Where the proxy has agreed, the exchange that opened the tunnel is over, and
 * what follows has layers of its own over the same wires: the first bytes are looked at again, a
 * hello's name is judged, TLS is ended on both sides through the tunnel, requests are read.
 *
 * A tunnel in a tunnel, or in a stream of HTTP/2, is refused.
 */
#include "flow/target.h"
#include "http/rules.h"
#include "intercept/intercept_priv.h"
#include "tls/hello.h"

struct policy_verdict tunnel_judge(void *ctx, enum policy_seen seen, const struct name *name)
{
	struct conn *x = ctx;

	return flow_target_judge(x->wire.ic->sb, x->flow, &x->target, seen, name);
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
	if (ex->request.has_authority && x->target.port && !x->h2 && proxy_is_allowed(x, ex))
		/* For an address it may depend on the name that the tunnel's bytes will show. */
		return flow_target_judge(x->wire.ic->sb, x->flow, &x->target,
					 named ? POLICY_NAME_SEEN : POLICY_NAME_UNSEEN,
					 named ? &x->target.name : NULL);
	flow_target_refuse(x->wire.ic->sb, x->flow, &x->target, &v);
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
