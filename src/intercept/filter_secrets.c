// SPDX-License-Identifier: Apache-2.0
/*
 * The secrets of one exchange: which of them the host may have, the values while they are needed,
 * and what is told and refused. What is done to heads is in filter_secrets_head.c, to bodies in
 * filter_secrets_body.c.
 *
 * Decisions
 * ---------
 * A placeholder towards a host
 *	- that the secret lists as `passthrough` goes on as it is;
 *	- that may not have the secret, or not in this way (require_tls_identity), is a violation,
 *	  wherever in the request it stands and in whatever spelling;
 *	- that may have it, in a place where it is put in, is replaced;
 *	- that may have it, elsewhere, goes on as it is: it is worth nothing.
 *
 * Answers are searched where they come from a host that may have some secret, for the values of all
 * of the sandbox's.
 *
 * A value is asked of the key holder when it is needed, and wiped when the bytes with it were
 *handed over.
 */
#include <stdlib.h>

#include "base/log.h"
#include "http/text.h"
#include "intercept/filter_priv.h"

/* ---- the record ---- */

static bool is_required(const struct filter_secrets *s)
{
	for (size_t i = 0; i < s->set->count; i++) {
		const struct secret *x = &s->set->list[i];
		if (x->require && secret_host_matches(x->hosts, x->host_count, &s->host))
			return true;
	}
	return false;
}

static bool asks_for_websocket(const struct http_head *h)
{
	const struct http_field *f = NULL;

	if (h->connect)
		return http_text_is(h->protocol, "websocket");
	while ((f = http_head_find(h, "upgrade", f))) {
		struct view list = f->value, one;
		while (http_list_next(&list, &one))
			if (http_text_is(one, "websocket"))
				return true;
	}
	return false;
}

struct filter_secrets *filter_secrets_new(const struct filter_conn *c, struct http_exchange *x,
					  bool *ret_ok)
{
	struct secret_set *set = c->channel ? holder_secrets(c->channel) : NULL;
	struct filter_secrets *s;

	*ret_ok = true;
	if (!set || set->count == 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	*ret_ok = s;
	if (!s)
		return NULL;
	s->c = c;
	s->x = x;
	s->set = secret_set_ref(set);
	/* CONNECT in the clear names whom the proxy is to reach, and is read by the proxy. */
	bool connect = x->request.connect && x->request.protocol.len == 0;
	if (c->name->len)
		s->host = *c->name;
	else if (x->request.has_authority && !connect)
		s->host = x->request.authority.name;
	s->concerned = secret_set_concerns(set, &s->host);
	s->needed = !connect && is_required(s);
	s->websocket = asks_for_websocket(&x->request);
	return s;
}

/* All of them are wiped. */
static void forget_values(struct filter_secrets *s)
{
	for (size_t i = 0; i < FILTER_VALUES; i++) {
		struct filter_value *v = &s->values[i];
		if (v->ask)
			holder_ask_cancel(v->ask);
		secret_value_free(v->value);
		*v = (struct filter_value){0};
	}
}

void filter_secrets_free(struct filter_secrets *s)
{
	if (!s)
		return;
	forget_values(s);
	secrets_forget_text(&s->signature);
	secrets_forget_text(&s->token);
	sign_free(s);
	capture_free(s);
	body_done(&s->up.body);
	body_done(&s->down.body);
	secret_set_unref(s->set);
	free(s);
}

enum policy_reason filter_secrets_reason(const struct filter_secrets *s)
{
	return s->reason;
}

bool secrets_may_have(const struct filter_secrets *s, const struct secret *secret)
{
	if (secret->require_tls_identity && !(s->c->tls && s->c->verified))
		return false;
	return secret_host_matches(secret->hosts, secret->host_count, &s->host);
}

/* ---- what is told ---- */

void secrets_event(const struct filter_secrets *s, size_t index, const char *place,
		   const char *action)
{
	struct event ev;

	if (!s->c->sb->events)
		return;
	ev = filter_event(s->c, EVENT_SECRET);
	ev.name = s->host.len ? s->host.s : NULL;
	ev.secret = s->set->list[index].env_var;
	ev.place = place;
	ev.action = action;
	events_emit(s->c->sb->events, &ev);
}

static enum http_step deny(struct filter_secrets *s, int status, const char *why)
{
	s->x->denial = (struct http_denial){.status = status, .reason = why};
	return HTTP_REFUSE;
}

enum http_step secrets_violation(struct filter_secrets *s, size_t index, const char *place)
{
	static const struct policy_verdict v = {POLICY_DENY, REASON_SECRET, -1, "default", false};
	const struct secret *secret = &s->set->list[index];
	bool ends = secret->on_violation == SECRET_BLOCK_AND_TERMINATE;

	s->reason = REASON_SECRET;
	if (secret->on_violation != SECRET_BLOCK)
		secrets_event(s, index, place, ends ? "terminated" : "blocked");
	flow_refuse(s->c->sb, s->c->flow, &v);
	if (ends && s->c->terminate)
		s->c->terminate(s->c->ctx, secret->env_var);
	return deny(s, 403, policy_reason_name(REASON_SECRET));
}

enum http_step secrets_require(struct filter_secrets *s)
{
	size_t i = 0;

	while (!s->set->list[i].require ||
	       !secret_host_matches(s->set->list[i].hosts, s->set->list[i].host_count, &s->host))
		i++;
	return secrets_violation(s, i, "request");
}

enum http_step secrets_fail(struct filter_secrets *s, int status, const char *why)
{
	return deny(s, status, why);
}

enum http_step secrets_nomem(struct filter_secrets *s)
{
	return deny(s, 503, "memory");
}

enum http_step secrets_step(struct filter_secrets *s, enum scrub_step step, int bad)
{
	switch (step) {
	case SCRUB_KEEP:
	case SCRUB_GO:
		return HTTP_GO;
	case SCRUB_WAIT:
		return HTTP_WAIT;
	case SCRUB_STOP: /* the denial is there */
		return HTTP_REFUSE;
	case SCRUB_BAD:
		return deny(s, bad, "content-coding");
	case SCRUB_NOMEM:
		break;
	}
	return secrets_nomem(s);
}

void filter_secrets_redact(const struct filter_conn *c, char *text)
{
	struct secret_set *set = c->channel ? holder_secrets(c->channel) : NULL;
	struct view v = view_make(text, strlen(text));
	struct search_hit hit;
	struct search search;
	size_t at = 0, safe;

	if (!set)
		return;
	search_init(&search, set->values);
	if (!search_begin(&search, v, true))
		text[0] = 0;
	while (text[0] && search_next(&search, at, &hit, &safe)) {
		memset(text + hit.at, '*', hit.len);
		at = hit.at + hit.len;
	}
	search_done(&search);
}

/* ---- values ---- */

static bool any_asked(const struct filter_secrets *s)
{
	for (size_t i = 0; i < FILTER_VALUES; i++)
		if (s->values[i].ask)
			return true;
	return s->signature.ask || s->token.ask;
}

static void got_value(void *arg, struct secret_value *value, const char *err)
{
	struct filter_value *v = arg;
	struct filter_secrets *s = v->owner;

	v->ask = NULL;
	v->value = value;
	v->failed = err || !value;
	if (v->failed)
		log_warning("secret %s: %s", s->set->list[v->index].env_var,
			    err ? err : "it has no value");
	if (!any_asked(s))
		s->c->resume(s->c->ctx, s->x);
}

void secrets_got_text(void *arg, struct view text, const char *err)
{
	struct filter_text *t = arg;
	struct filter_secrets *s = t->owner;

	t->ask = NULL;
	t->text = err ? NULL : strndup((const char *)text.p, text.len);
	t->failed = !t->text;
	if (err)
		log_warning("secrets: %s", err);
	if (!any_asked(s))
		s->c->resume(s->c->ctx, s->x);
}

enum scrub_step secrets_text(struct filter_secrets *s, struct filter_text *t)
{
	if (t->ask)
		return SCRUB_WAIT;
	if (!t->failed && t->text)
		return SCRUB_GO;
	deny(s, 503, "secret-unavailable");
	return SCRUB_STOP;
}

void secrets_forget_text(struct filter_text *t)
{
	if (t->ask)
		holder_ask_cancel(t->ask);
	free(t->text);
	*t = (struct filter_text){0};
}

static struct filter_value *find_value(struct filter_secrets *s, size_t index)
{
	struct filter_value *unused = NULL;

	for (size_t i = 0; i < FILTER_VALUES; i++) {
		struct filter_value *v = &s->values[i];
		if (v->used && v->index == index)
			return v;
		if (!v->used)
			unused = v;
	}
	return unused;
}

enum scrub_step secrets_value(struct filter_secrets *s, size_t index, struct view *ret)
{
	struct filter_value *v = find_value(s, index);

	if (v && !v->used) {
		v->owner = s;
		v->index = index;
		v->ask = holder_ask_value(s->c->channel, s->set, index, got_value, v);
		v->used = v->ask;
	}
	if (!v || !v->used || v->failed) {
		deny(s, 503, "secret-unavailable");
		return SCRUB_STOP;
	}
	if (v->ask)
		return SCRUB_WAIT;
	*ret = view_make(v->value->bytes, v->value->len);
	return SCRUB_GO;
}

/* What a hook says when it is done; values stay while something is waited for. */
static enum http_step leave(struct filter_secrets *s, enum http_step step)
{
	if (step != HTTP_WAIT)
		forget_values(s);
	return step;
}

/* ---- the hooks ---- */

static enum http_step request(struct filter_secrets *s, struct http_head *h)
{
	enum http_step path = secrets_request_path(s, h), step = HTTP_GO;

	/* What both need is asked for at once. */
	if (path != HTTP_REFUSE)
		step = secrets_request_fields(s, h);
	if (path != HTTP_GO && step != HTTP_REFUSE)
		step = path;
	if (step == HTTP_GO)
		step = sign_find(s);
	if (step == HTTP_GO)
		step = secrets_choose_up(s);
	/* Without a body everything is there. */
	if (step == HTTP_GO && s->sign && !(s->up.there && sign_wants_body(s)))
		step = sign_finish(s);
	return step;
}

enum http_step filter_secrets_request(struct filter_secrets *s, struct http_exchange *x)
{
	return leave(s, request(s, &x->request));
}

enum http_step filter_secrets_request_trailers(struct filter_secrets *s, struct http_exchange *x,
					       struct http_head *t)
{
	return leave(s, secrets_request_fields(s, t));
}

enum http_step filter_secrets_answer(struct filter_secrets *s, struct http_exchange *x)
{
	enum http_step step = HTTP_GO;

	if (s->concerned)
		step = secrets_mask_fields(s, &x->answer);
	if (step != HTTP_GO)
		return step;
	return x->tunnel ? secrets_choose_tunnel(s) : secrets_choose_down(s);
}

enum http_step filter_secrets_answer_trailers(struct filter_secrets *s, struct http_exchange *x,
					      struct http_head *t)
{
	return s->concerned ? secrets_mask_fields(s, t) : HTTP_GO;
}

/* A piece, and behind the last one what could not be said before. */
static enum http_step request_body(struct filter_secrets *s, struct view in, bool end,
				   struct buf *out)
{
	size_t from = out->len;
	enum http_step step;

	if (s->over) {
		step = sign_finish(s);
		return step == HTTP_GO && !body_give_out(&s->up.body, out) ? secrets_nomem(s)
									   : step;
	}
	out->secret = out->secret || s->up.place;
	step = secrets_step(s, body_run(&s->up.body, in, end, out), 400);
	if (step != HTTP_GO || s->x->tunnel)
		return step;
	if (sign_wants_body(s)) {
		struct view piece = buf_view(out);
		view_skip(&piece, from);
		step = sign_body(s, piece);
	}
	s->over = end;
	if (step == HTTP_GO && end && s->needed && !s->carried)
		step = secrets_require(s);
	if (step == HTTP_GO && end && sign_wants_body(s))
		step = sign_finish(s);
	if (step == HTTP_WAIT && !body_set_aside(&s->up.body, out, from))
		return secrets_nomem(s);
	return step;
}

enum http_step filter_secrets_request_body(struct filter_secrets *s, struct http_exchange *x,
					   struct view in, bool end, struct buf *out)
{
	if (!s->up.there)
		return buf_append_view(out, in) ? HTTP_GO : secrets_nomem(s);
	if (!s->up.body.waiting && !s->over && x->request.mode == HTTP_BODY_WHOLE) {
		s->whole += in.len;
		if (s->whole > FILTER_WHOLE_MAX)
			return secrets_fail(s, 413, "body-too-large");
	}
	return leave(s, request_body(s, in, end, out));
}

enum http_step filter_secrets_answer_body(struct filter_secrets *s, struct http_exchange *x,
					  struct view in, bool end, struct buf *out)
{
	if (!s->down.there)
		return buf_append_view(out, in) ? HTTP_GO : secrets_nomem(s);
	return secrets_step(s, body_run(&s->down.body, in, end, out), 502);
}
