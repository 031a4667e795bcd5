// SPDX-License-Identifier: Apache-2.0
/*
 * Which connections are looked into: the sandbox's taker (flow/taker.h).
 *
 * What somebody asked for by name, with a secret or an HTTP rule, is never left alone because it
 * could not be read: it is refused then.
 */
#include "flow/target.h"
#include "http/text.h"
#include "intercept/intercept_priv.h"

static bool intercepts_port(const struct intercept_settings *s, uint16_t port)
{
	for (size_t i = 0; i < s->port_count; i++)
		if (s->ports[i] == port)
			return true;
	return false;
}

static bool is_bypassed(const struct intercept_settings *s, const struct name *name)
{
	for (size_t i = 0; i < s->bypass_count; i++)
		if (pattern_matches(&s->bypass[i], name))
			return true;
	return false;
}

static bool has_secrets(const struct intercept *ic)
{
	return holder_secrets(ic->channel)->count > 0;
}

static bool has_http(const struct intercept *ic, const struct policy_verdict *v)
{
	return v && v->rule >= 0 && policy_rule_http(ic->sb->policy, v->rule);
}

bool choice_concerns(const struct intercept *ic, const struct name *name, uint16_t port,
		     const struct policy_verdict *v)
{
	if (has_http(ic, v))
		return true;
	if (is_bypassed(ic->set, name))
		return false;
	return (ic->set->enabled && intercepts_port(ic->set, port)) ||
	       secret_set_concerns(holder_secrets(ic->channel), name);
}

static enum taker_answer choice_begin(struct sandbox *sb, const struct policy_facts *f,
				      const struct policy_verdict *v)
{
	const struct intercept *ic = sb->intercept;
	bool tcp = f->proto == POLICY_TCP;

	/* A proxy may be behind any port, and an HTTP rule need not name one. */
	if (tcp)
		return TAKER_TAKE;
	if (f->proto != POLICY_UDP || f->dir != POLICY_EGRESS)
		return TAKER_LEAVE;
	if (!intercepts_port(ic->set, f->port))
		return has_http(ic, v) ? TAKER_TAKE : TAKER_LEAVE;
	if (ic->set->enabled && ic->set->block_quic)
		return TAKER_REFUSE;
	return has_secrets(ic) || policy_has_http(sb->policy) ? TAKER_TAKE : TAKER_LEAVE;
}

static bool quic_is_concerned(struct sandbox *sb, const struct flow *f,
			      const struct policy_verdict *v, const struct hello *h)
{
	const struct intercept *ic = sb->intercept;

	if (has_http(ic, v))
		return true;
	return ic->set->block_quic && choice_concerns(ic, &h->name, f->port, v);
}

static const struct name *name_of(const struct taker_first *t)
{
	static const struct name none;

	return t->hello && t->hello->sni == HELLO_SNI_NAME ? &t->hello->name : &none;
}

/* Nobody's method, and what some server takes for white space (http/guess.c). */
static void skip_white(struct view *v)
{
	while (v->len && (v->p[0] <= ' ' || v->p[0] == 0x85 || v->p[0] == 0xa0))
		view_skip(v, 1);
}

/*
 * A proxy opens a tunnel for CONNECT alone, but in any spelling that it takes for that, and behind
 * other requests as well: whoever asks for more than a path talks to one. What has not come so far
 * may be either.
 */
static bool may_ask_for_tunnel(const struct taker_first *t)
{
	struct view v = t->bytes, method;

	if (t->kind != TAKER_H1)
		return false;
	skip_white(&v);
	method = view_make(v.p, http_token_len(v));
	if (http_text_is(method, "connect"))
		return true;
	view_skip(&v, method.len);
	skip_white(&v);
	if (v.len == 0)
		return !t->begun; /* no proxy greets */
	return v.p[0] != '/' && v.p[0] != '*';
}

static enum taker_answer refuse(struct intercept *ic, enum policy_reason why,
				enum policy_reason *ret_why)
{
	ic->cnt.refused++;
	*ret_why = why;
	return TAKER_REFUSE;
}

static enum taker_answer choice_http(struct intercept *ic, const struct taker_first *t,
				     enum policy_reason *ret_why)
{
	bool must = policy_has_http(ic->sb->policy) || may_ask_for_tunnel(t);

	if (!must && !has_secrets(ic))
		return TAKER_LEAVE;
	if (!t->begun)
		return TAKER_TAKE;
	/* Placeholders are nothing but text where nobody replaces them. */
	return must ? refuse(ic, REASON_HTTP_RULE, ret_why) : TAKER_LEAVE;
}

static enum taker_answer choice_first(struct sandbox *sb, const struct flow *f,
				      const struct policy_verdict *v, const struct taker_first *t,
				      enum policy_reason *ret_why)
{
	struct intercept *ic = sb->intercept;
	uint16_t port = f->target ? f->target->at.port : f->port; /* in a tunnel that was let be */
	bool must;

	switch (t->kind) {
	case TAKER_TLS:
		if (!choice_concerns(ic, name_of(t), port, v))
			return TAKER_LEAVE;
		return t->begun ? refuse(ic, REASON_NO_NAME, ret_why) : TAKER_TAKE;
	case TAKER_H1:
	case TAKER_H2:
		return choice_http(ic, t, ret_why);
	case TAKER_OTHER:
		return has_http(ic, v) ? refuse(ic, REASON_HTTP_RULE, ret_why) : TAKER_LEAVE;
	case TAKER_UNREAD:
		break;
	}
	/* Without a verdict: whatever it will be. */
	must = (ic->set->enabled && intercepts_port(ic->set, port)) ||
	       (v ? has_http(ic, v) : policy_has_http(sb->policy));
	if (!must)
		return TAKER_LEAVE;
	return v ? refuse(ic, REASON_NO_NAME, ret_why) : TAKER_REFUSE;
}

static struct flow_end *choice_take(struct sandbox *sb, struct flow *f, struct flow_end *inner,
				    const struct taker_first *t)
{
	return conn_new(sb->intercept, f, inner, t);
}

static struct flow_end *choice_dot(struct sandbox *sb, const struct ipaddr *at,
				   const struct ipaddr *guest, uint16_t guest_port)
{
	return dot_new(sb->intercept, at, guest, guest_port);
}

const struct flow_taker intercept_taker = {
	.begin = choice_begin,
	.first = choice_first,
	.take = choice_take,
	.quic = quic_is_concerned,
	.dot = choice_dot,
	.flush = wire_flush_all,
	.soon = wire_soon,
	.free = intercept_free,
};
