// SPDX-License-Identifier: Apache-2.0
/* What the rooms around interception say in its tests: policy, key holder, filter, DNS. See rig.h.
 */
#include "intercept/rig.h"

#include <errno.h>
#include <stdlib.h>

#include "dns/dns.h"
#include "http/rules.h"

/* ---- the policy ---- */

struct policy_verdict flow_judge(struct sandbox *sb, struct flow *f, enum policy_seen seen,
				 const struct name *name)
{
	r.judged++;
	f->seen = (uint8_t)seen;
	f->undecided = false;
	if (name)
		r.seen = *name;
	if (r.deny)
		flow_refuse(sb, f,
			    &(struct policy_verdict){POLICY_DENY, REASON_RULE, 0, "deny", true});
	return (struct policy_verdict){.answer = r.deny ? POLICY_DENY : POLICY_ALLOW,
				       .reason = r.deny ? REASON_RULE : REASON_NONE,
				       .rule = 0,
				       .rule_text = "rule"};
}

void flow_refuse(struct sandbox *sb, const struct flow *f, const struct policy_verdict *v)
{
	r.refused++;
	r.reason = v->reason;
}

struct policy_verdict flow_decide(struct sandbox *sb, const struct policy_facts *f)
{
	return (struct policy_verdict){r.deny ? POLICY_DENY : POLICY_ALLOW, REASON_NONE, 0, "rule",
				       false};
}

struct policy_verdict policy_decide(const struct policy *p, const struct policy_env *env,
				    const struct policy_facts *f)
{
	return (struct policy_verdict){r.deny_target ? POLICY_DENY : POLICY_ALLOW, REASON_NONE, 0,
				       "rule", false};
}

void flow_note_refusal(struct sandbox *sb, const struct policy_facts *f, const struct ipaddr *guest,
		       uint16_t guest_port, uint64_t flow, const struct policy_verdict *v)
{
	r.refused++;
	r.reason = v->reason;
}

bool flow_may_be_nameless(struct sandbox *sb, const struct flow *f)
{
	return true;
}

bool flow_is_hidden(const struct sandbox *sb, const struct hello *h)
{
	return false;
}

void flow_count_refusal(struct sandbox *sb, enum policy_reason why, const struct policy_facts *f)
{
	r.limits++;
	r.reason = why;
}

const struct http_rule *policy_rule_http(const struct policy *p, int rule)
{
	static const char *const paths[] = {"/**"};
	static struct http_rule *any;
	struct error err;

	if (!any)
		any = http_rule_new(&(struct http_rule_source){.paths = paths, .path_count = 1},
				    &err);
	return r.http_rule ? any : NULL;
}

bool policy_has_http(const struct policy *p)
{
	return r.http_rule;
}

/* ---- the key holder ---- */

const char *holder_ca_pem(const struct holder *h)
{
	return tls_ca_pem(r.source.ca);
}

struct holder_ask *holder_ask_leaf(struct holder_channel *ch, const char *host, struct view spki,
				   holder_leaf_fn *fn, void *arg)
{
	struct tls_leaf_source s = rig_leaf_source(&r.source);

	return s.ask(s.ctx, host, spki, fn, arg);
}

void holder_ask_cancel(struct holder_ask *a)
{
	struct tls_leaf_source s = rig_leaf_source(&r.source);

	s.cancel(s.ctx, a);
}

struct secret_set *holder_secrets(struct holder_channel *ch)
{
	return &r.secrets;
}

bool secret_set_concerns(const struct secret_set *s, const struct name *name)
{
	return s->count && strcmp(name->s, "secret.test") == 0;
}

/* ---- the filter: it asks about tunnels, and lets everything else pass ---- */

struct rig_filter {
	struct http_filter base;
	struct filter_conn c;
};

static struct filter_conn *conn_of_filter(struct http_filter *f)
{
	return &container_of(f, struct rig_filter, base)->c;
}

static enum http_step on_request(struct http_filter *f, struct http_exchange *x)
{
	struct filter_conn *c = conn_of_filter(f);

	r.requests++;
	if (!x->request.connect)
		return HTTP_GO;
	if (c->connect && c->connect(c->ctx, x).answer == POLICY_ALLOW)
		return HTTP_GO;
	x->denial = (struct http_denial){.status = 403, .reason = "rig"};
	return HTTP_REFUSE;
}

static enum http_step on_answer(struct http_filter *f, struct http_exchange *x)
{
	struct filter_conn *c = conn_of_filter(f);

	if (x->tunnel && x->request.connect)
		c->connected(c->ctx);
	return HTTP_GO;
}

static const struct http_filter_ops filter_ops = {.request = on_request, .answer = on_answer};

struct http_filter *filter_new(const struct filter_conn *c)
{
	struct rig_filter *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->base.ops = &filter_ops;
	f->c = *c;
	return &f->base;
}

void filter_free(struct http_filter *f)
{
	free(container_of(f, struct rig_filter, base));
}

/* ---- questions: answered with themselves ---- */

static struct buf answers;
static bool asked_all;

static ssize_t dns_push(struct flow_end *e, const struct iovec *iov, int n)
{
	size_t k = iov->iov_len < 100 ? iov->iov_len : 100;

	if (!buf_append(&answers, iov->iov_base, k))
		abort();
	r.dns_called = e;
	return (ssize_t)k;
}

static ssize_t dns_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	size_t k = answers.len < iov->iov_len ? answers.len : iov->iov_len;

	if (k)
		memcpy(iov->iov_base, buf_view(&answers).p, k);
	return k ? (ssize_t)k : asked_all ? 0 : -EAGAIN;
}

static void dns_consume(struct flow_end *e, size_t n)
{
	buf_take(&answers, n);
}

static void dns_shut(struct flow_end *e)
{
	asked_all = true;
	r.dns_called = e;
}

static void dns_close(struct flow_end *e)
{
	r.dns_closed = true;
	r.dns_called = NULL;
	buf_done(&answers);
}

struct flow_end *dns_proxy_tcp_end(struct dns_proxy *d, const struct ipaddr *at,
				   const struct ipaddr *guest, uint16_t guest_port)
{
	static const struct flow_end_ops ops = {.push = dns_push,
						.peek = dns_peek,
						.consume = dns_consume,
						.shut = dns_shut,
						.reset = dns_close,
						.close = dns_close};
	static struct flow_end end;

	asked_all = false;
	end = (struct flow_end){.ops = &ops};
	return &end;
}
