// SPDX-License-Identifier: Apache-2.0
/*
 * The filter of a connection: names, methods, the rules of the policy, and the event of each
 * request. Secrets are in filter_secrets*.c. filter.h says in which order.
 *
 * A request is judged by itself: on one connection another one may be for another name, and the
 * policy may have changed in between.
 */
#include "intercept/filter.h"

#include <stdio.h>
#include <stdlib.h>

#include "flow/target.h"
#include "http/rules.h"
#include "http/text.h"
#include "intercept/filter_priv.h"
#include "observe/events.h"

#define METHOD_TEXT 32
#define PATH_TEXT   1024 /* as much as an event shows */
#define RULE_TEXT   512

struct filter {
	struct http_filter base;
	struct filter_conn c;
};

/* What there is to say of a request, from its own head on. */
struct filter_exchange {
	struct filter_secrets *secrets; /* owned; NULL: nothing to do */
	struct filter_frames *frames;   /* owned; NULL: nobody looks for them */
	bool ruled;                     /* a rule says which requests may be made */
	uint64_t begun_us;
	bool judged; /* everything but the secrets has been */
	bool told;   /* the event was written */
	enum policy_reason reason;
	struct policy_verdict verdict; /* rule_text: `rule` */
	char rule[RULE_TEXT + 1];
	char method[METHOD_TEXT + 1], path[PATH_TEXT + 2];
	struct name host;
};

static struct filter *filter_of(struct http_filter *f)
{
	return (struct filter *)((char *)f - offsetof(struct filter, base));
}

/* ---- what is told ---- */

static void copy_text(char *to, size_t cap, struct view v)
{
	size_t n = v.len < cap ? v.len : cap;

	if (n)
		memcpy(to, v.p, n);
	to[n] = 0;
}

/* The policy may be replaced while the exchange lasts. */
static void keep_verdict(struct filter_exchange *e, const struct policy_verdict *v)
{
	e->verdict = *v;
	copy_text(e->rule, RULE_TEXT, view_make(v->rule_text, strlen(v->rule_text)));
	e->verdict.rule_text = e->rule;
	e->reason = v->answer == POLICY_ALLOW ? REASON_NONE : v->reason;
}

struct event filter_event(const struct filter_conn *c, enum event_kind kind)
{
	struct event ev = event_make(kind);
	const struct flow *f = c->flow;

	ev.flow = f->id;
	ev.src = f->guest;
	ev.sport = f->src_port;
	ev.dst = f->remote;
	ev.dport = f->port;
	return ev;
}

static void tell(struct filter *f, struct filter_exchange *e, int status)
{
	if (e->told)
		return;
	e->told = true;
	if (!f->c.sb->events)
		return;
	struct event ev = filter_event(&f->c, EVENT_HTTP);
	ev.name = e->host.len ? e->host.s : NULL;
	ev.verdict = e->verdict.rule_text ? &e->verdict : NULL;
	ev.reason = e->reason;
	ev.method = e->method;
	ev.path = e->path;
	ev.status = status;
	ev.duration_us = (int64_t)(f->c.sb->loop->now_us - e->begun_us);
	events_emit(f->c.sb->events, &ev);
}

/* The path without its query; a value that stands in it is cut out. */
static void keep_path(struct filter *f, struct filter_exchange *e, struct view path)
{
	const uint8_t *query = path.len ? memchr(path.p, '?', path.len) : NULL;

	if (query)
		path.len = (size_t)(query - path.p);
	if (path.len > PATH_TEXT + 1)
		path.len = PATH_TEXT + 1; /* the event says that it was cut */
	copy_text(e->path, PATH_TEXT + 1, path);
	filter_secrets_redact(&f->c, e->path);
}

/* ---- refusing ---- */

static enum http_step refuse(struct filter *f, struct http_exchange *x, int status, const char *why)
{
	struct filter_exchange *e = x->ctx;

	x->denial = (struct http_denial){
		.status = status,
		.reason = why,
		.rule = e->verdict.rule_text,
		.name = x->request.authority_text,
		.head = http_text_is_exactly(x->request.method, "HEAD"),
	};
	tell(f, e, status);
	return HTTP_REFUSE;
}

/* Something that is not the policy's own word, about the rule that had let the request in. */
static enum http_step refuse_for(struct filter *f, struct http_exchange *x, int status,
				 enum policy_reason reason, const char *why)
{
	struct filter_exchange *e = x->ctx;

	e->verdict.answer = POLICY_DENY;
	e->verdict.reason = reason;
	if (!e->verdict.rule_text) {
		e->verdict.rule = -1;
		e->verdict.rule_text = "default";
	}
	e->reason = reason;
	flow_refuse(f->c.sb, f->c.flow, &e->verdict);
	return refuse(f, x, status, why);
}

/* In the event log: what broke a protocol's rules. */
static void tell_error(struct filter *f, const char *whose, const char *why)
{
	struct event ev = filter_event(&f->c, EVENT_ERROR);
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", whose, why);
	ev.text = text;
	events_emit(f->c.sb->events, &ev);
}

/* ---- judging ---- */

/* Whether the request is for the host that the connection is to. In the clear that is whoever the
 * request names. */
static bool is_for_connection(const struct filter *f, const struct http_head *h)
{
	const struct filter_conn *c = &f->c;
	const struct http_authority *a = &h->authority;

	if (!c->tls && c->name->len == 0)
		return true;
	if (!h->has_authority)
		return false;
	if (c->name->len == 0)
		return a->name.len == 0 && ipaddr_eq(&a->addr, &c->flow->remote);
	return a->name.len == c->name->len && memcmp(a->name.s, c->name->s, a->name.len) == 0;
}

/* By the policy, as if the connection had just shown this name. */
static bool judge_name(struct filter *f, struct http_exchange *x)
{
	const struct http_head *h = &x->request;
	struct filter_exchange *e = x->ctx;
	const struct name *name =
		h->has_authority && h->authority.name.len ? &h->authority.name : NULL;
	enum policy_seen seen = name ? POLICY_NAME_SEEN : POLICY_NAME_ABSENT;
	struct policy_verdict v = f->c.judge ? f->c.judge(f->c.ctx, seen, name)
					     : flow_judge(f->c.sb, f->c.flow, seen, name);

	keep_verdict(e, &v);
	return v.answer == POLICY_ALLOW;
}

/* A URL of the connection's own far end is what any server takes. */
static bool is_own(const struct filter *f, const struct http_authority *to)
{
	const struct filter_conn *c = &f->c;

	if (c->far)
		return http_authority_eq(c->far, to, to->port);
	if (c->tls) /* who has shown the certificate for that name */
		return to->port == c->flow->port;
	return flow_target_is_own(c->flow, to);
}

/* For a tunnel through a proxy, as opposed to an extended one (RFC 8441). */
static bool is_connect(const struct http_exchange *x)
{
	return x->request.connect && x->request.protocol.len == 0;
}

static enum http_step judge_connect(struct filter *f, struct http_exchange *x)
{
	struct filter_exchange *e = x->ctx;
	struct policy_verdict v = {POLICY_DENY, REASON_HTTP_RULE, -1, "default", false};

	if (f->c.connect)
		v = f->c.connect(f->c.ctx, x);
	keep_verdict(e, &v);
	return v.answer == POLICY_ALLOW ? HTTP_GO
					: refuse(f, x, 403, policy_reason_name(e->reason));
}

/* A rule for requests says nothing of what follows another protocol's beginning; WebSocket is one
 * of HTTP's own (RFC 6455, 8441). */
static bool leaves_http(const struct http_exchange *x)
{
	const struct http_field *f = http_head_find(&x->request, "upgrade", NULL);

	if (x->request.protocol.len)
		return !http_text_is(x->request.protocol, "websocket");
	return x->request.upgrade && f && !http_text_is(f->value, "websocket");
}

static enum http_step judge_rule(struct filter *f, struct http_exchange *x)
{
	struct filter_exchange *e = x->ctx;
	const struct http_rule *rule = policy_rule_http(f->c.sb->policy, e->verdict.rule);
	const char *why = NULL;

	e->ruled |= rule != NULL;
	if (rule && leaves_http(x))
		return refuse_for(f, x, 403, REASON_HTTP_RULE, "upgrade");
	switch (rule ? http_rule_judge(rule, &x->request, &why) : HTTP_RULE_ALLOW) {
	case HTTP_RULE_ALLOW:
		return HTTP_GO;
	case HTTP_RULE_AMBIGUOUS:
		return refuse_for(f, x, 400, REASON_HTTP_RULE, why);
	case HTTP_RULE_DENY:
		break;
	}
	return refuse_for(f, x, 403, REASON_HTTP_RULE, policy_reason_name(REASON_HTTP_RULE));
}

/*
 * A request in absolute form is for whom it names, if who gets it is a proxy: that one is judged as
 * well, as if the guest had dialled it, and so is the request by the rule that lets it be reached.
 */
static enum http_step judge_target(struct filter *f, struct http_exchange *x)
{
	struct http_authority to = x->request.authority;
	struct filter_exchange *e = x->ctx;
	bool named = to.name.len;
	enum policy_seen seen = named ? POLICY_NAME_SEEN : POLICY_NAME_ABSENT;
	struct policy_verdict v = {POLICY_DENY, REASON_HTTP_RULE, -1, "default", false};

	to.port = x->request.port;
	if (!x->request.absolute || is_own(f, &to)) {
		if (!f->c.far)
			flow_target_forget(f->c.flow);
		return HTTP_GO;
	}
	if (f->c.far) /* one proxy behind the other */
		flow_target_refuse(f->c.sb, f->c.flow, &to, &v);
	else
		v = flow_target_judge(f->c.sb, f->c.flow, &to, seen, named ? &to.name : NULL);
	keep_verdict(e, &v);
	if (v.answer != POLICY_ALLOW)
		return refuse(f, x, 403, policy_reason_name(e->reason));
	return judge_rule(f, x);
}

static enum http_step judge(struct filter *f, struct http_exchange *x)
{
	struct filter_exchange *e = x->ctx;
	enum http_step step;

	if (is_connect(x))
		return judge_connect(f, x);
	if (!is_for_connection(f, &x->request))
		return refuse_for(f, x, 421, REASON_NAME_MISMATCH,
				  policy_reason_name(REASON_NAME_MISMATCH));
	if (!judge_name(f, x))
		return refuse(f, x, 403, policy_reason_name(e->reason));
	/* What it echoes holds the values that were put in (RFC 9110 9.3.8). */
	if (http_text_is(x->request.method, "trace"))
		return refuse_for(f, x, 405, REASON_HTTP_RULE, "TRACE");
	step = judge_rule(f, x);
	return step == HTTP_GO ? judge_target(f, x) : step;
}

/* ---- the hooks ---- */

static enum http_step out_of_memory(struct http_exchange *x)
{
	x->denial = (struct http_denial){.status = 503, .reason = "memory"};
	return HTTP_REFUSE;
}

/* What the secrets say; a refusal of theirs is told here. */
static enum http_step after_secrets(struct filter *f, struct http_exchange *x, enum http_step step)
{
	struct filter_exchange *e = x->ctx;

	if (step == HTTP_REFUSE) {
		e->reason = filter_secrets_reason(e->secrets);
		x->denial.name = x->request.authority_text;
		x->denial.head = http_text_is_exactly(x->request.method, "HEAD");
		tell(f, e, x->denial.status);
	}
	return step;
}

static struct filter_exchange *begin(struct filter *f, struct http_exchange *x)
{
	struct filter_exchange *e = calloc(1, sizeof(*e));
	bool ok;

	if (!e)
		return NULL;
	e->secrets = filter_secrets_new(&f->c, x, &ok);
	if (!ok) {
		free(e);
		return NULL;
	}
	e->begun_us = f->c.sb->loop->now_us;
	copy_text(e->method, METHOD_TEXT, x->request.method);
	if (f->c.sb->events)
		keep_path(f, e, x->request.path);
	if (x->request.has_authority && x->request.authority.name.len)
		e->host = x->request.authority.name;
	return e;
}

static enum http_step on_request(struct http_filter *base, struct http_exchange *x)
{
	struct filter *f = filter_of(base);
	struct filter_exchange *e = x->ctx;

	if (!e) {
		x->ctx = e = begin(f, x);
		if (!e)
			return out_of_memory(x);
	}
	if (!e->judged && judge(f, x) == HTTP_REFUSE)
		return HTTP_REFUSE;
	e->judged = true;
	if (!e->secrets)
		return HTTP_GO;
	return after_secrets(f, x, filter_secrets_request(e->secrets, x));
}

/* In a WebSocket under a rule. */
static bool are_frames(struct filter *f, struct http_exchange *x, enum http_side from,
		       struct view in)
{
	struct filter_exchange *e = x->ctx;
	const char *why = e->frames ? frames_look(e->frames, from, in) : NULL;

	if (!why)
		return true;
	tell_error(f, from == HTTP_GUEST ? "WebSocket of the guest's" : "WebSocket of the server's",
		   why);
	refuse_for(f, x, 400, REASON_HTTP_RULE, why);
	return false;
}

static enum http_step on_request_body(struct http_filter *base, struct http_exchange *x,
				      struct view in, bool end, struct buf *out)
{
	struct filter_exchange *e = x->ctx;
	enum http_step step;

	if (!are_frames(filter_of(base), x, HTTP_GUEST, in))
		return HTTP_REFUSE;
	if (!e->secrets)
		return buf_append_view(out, in) ? HTTP_GO : out_of_memory(x);
	step = filter_secrets_request_body(e->secrets, x, in, end, out);
	return after_secrets(filter_of(base), x, frames_step(e->frames, HTTP_GUEST, step));
}

static enum http_step on_request_trailers(struct http_filter *base, struct http_exchange *x,
					  struct http_head *t)
{
	struct filter_exchange *e = x->ctx;

	if (!e->secrets)
		return HTTP_GO;
	return after_secrets(filter_of(base), x, filter_secrets_request_trailers(e->secrets, x, t));
}

static enum http_step on_answer(struct http_filter *base, struct http_exchange *x)
{
	struct filter *f = filter_of(base);
	struct filter_exchange *e = x->ctx;
	enum http_step step = HTTP_GO;

	if (e->secrets)
		step = after_secrets(f, x, filter_secrets_answer(e->secrets, x));
	if (step == HTTP_GO && x->tunnel && e->ruled && !(e->frames = frames_new(x)))
		return out_of_memory(x);
	if (step == HTTP_GO && (x->answer.status >= 200 || x->answer.status == 101))
		tell(f, e, x->answer.status);
	if (step == HTTP_GO && x->tunnel && is_connect(x) && f->c.connected)
		f->c.connected(f->c.ctx);
	return step;
}

static enum http_step on_answer_body(struct http_filter *base, struct http_exchange *x,
				     struct view in, bool end, struct buf *out)
{
	struct filter_exchange *e = x->ctx;
	enum http_step step;

	if (!are_frames(filter_of(base), x, HTTP_UPSTREAM, in))
		return HTTP_REFUSE;
	if (!e->secrets)
		return buf_append_view(out, in) ? HTTP_GO : out_of_memory(x);
	step = filter_secrets_answer_body(e->secrets, x, in, end, out);
	return after_secrets(filter_of(base), x, frames_step(e->frames, HTTP_UPSTREAM, step));
}

static enum http_step on_answer_trailers(struct http_filter *base, struct http_exchange *x,
					 struct http_head *t)
{
	struct filter_exchange *e = x->ctx;

	if (!e->secrets)
		return HTTP_GO;
	return after_secrets(filter_of(base), x, filter_secrets_answer_trailers(e->secrets, x, t));
}

static void on_done(struct http_filter *base, struct http_exchange *x)
{
	struct filter_exchange *e = x->ctx;

	if (!e)
		return;
	tell(filter_of(base), e, 0);
	filter_secrets_free(e->secrets);
	frames_free(e->frames);
	free(e);
	x->ctx = NULL;
}

static const struct http_filter_ops ops = {
	.request = on_request,
	.request_body = on_request_body,
	.request_trailers = on_request_trailers,
	.answer = on_answer,
	.answer_body = on_answer_body,
	.answer_trailers = on_answer_trailers,
	.done = on_done,
};

struct http_filter *filter_new(const struct filter_conn *c)
{
	struct filter *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->base.ops = &ops;
	f->c = *c;
	return &f->base;
}

void filter_free(struct http_filter *f)
{
	if (f)
		free(filter_of(f));
}
