// SPDX-License-Identifier: Apache-2.0
/*
 * The doubles of filter_rig.h. The key holder's answer each question when they are asked to, never
 * from inside of the question.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/rules.h"
#include "http/text.h"
#include "flow/target.h"
#include "intercept/filter_rig.h"

struct secret rig_secrets[RIG_SECRETS];
const char *rig_values[RIG_SECRETS];
size_t rig_secret_count;
bool rig_holder_fails;
enum policy_answer rig_policy = POLICY_ALLOW;
enum policy_answer rig_target = POLICY_ALLOW;
bool rig_no_rule;
unsigned rig_values_held;

static struct secret_host hosts[RIG_SECRETS];
static const struct needle_key key = {77, {5, 9}};
static struct secret_set *set;
static struct rig *current;

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* ---- secrets ---- */

static struct needle_set *needles(bool values)
{
	struct needle list[RIG_SECRETS * NEEDLE_FORMS];
	size_t n = 0;

	for (size_t i = 0; i < rig_secret_count; i++) {
		const char *s = values ? rig_values[i] : rig_secrets[i].placeholder;
		size_t made =
			needle_make_forms(&key, view_make(s, strlen(s)), (uint16_t)i, list + n);
		check(made);
		n += made;
	}
	return needle_set_new(&key, list, n);
}

/* Not freed by anybody: the rig's own. */
static struct secret_set *make_set(void)
{
	struct secret_set *s = calloc(1, sizeof(*s));

	check(s);
	s->refs = 1;
	s->list = rig_secrets;
	s->count = rig_secret_count;
	s->placeholders = needles(false);
	s->values = needles(true);
	return s;
}

static void drop_set(void)
{
	if (!set)
		return;
	check(set->refs == 1);
	needle_set_free(set->placeholders);
	needle_set_free(set->values);
	free(set);
	set = NULL;
}

struct secret *rig_add_secret(const char *env, const char *placeholder, const char *value,
			      const char *host)
{
	struct secret *s = &rig_secrets[rig_secret_count];
	struct secret_host *h = &hosts[rig_secret_count];

	check(rig_secret_count < RIG_SECRETS);
	drop_set();
	*h = (struct secret_host){.text = (char *)host, .kind = SECRET_HOST_EXACT};
	h->name.len = (uint8_t)strlen(host);
	memcpy(h->name.s, host, h->name.len);
	*s = (struct secret){
		.env_var = (char *)env,
		.placeholder = (char *)placeholder,
		.value_len = strlen(value),
		.hosts = h,
		.host_count = 1,
		.places = SECRET_IN_HEADERS | SECRET_IN_BASIC,
		.on_violation = SECRET_BLOCK_AND_LOG,
		.require_tls_identity = true,
	};
	rig_values[rig_secret_count++] = value;
	return s;
}

void rig_clear_secrets(void)
{
	drop_set();
	rig_secret_count = 0;
	rig_holder_fails = false;
	rig_policy = rig_target = POLICY_ALLOW;
	rig_no_rule = false;
}

struct secret_set *holder_secrets(struct holder_channel *ch)
{
	if (!set)
		set = make_set();
	return set;
}

/* ---- the holder ---- */

struct holder_ask {
	struct holder_ask *next;
	size_t index;
	holder_value_fn *value;
	holder_text_fn *text;
	void *arg;
	char answer[512];
};
static struct holder_ask *asks;

static struct holder_ask *ask(size_t index, void *arg)
{
	struct holder_ask *a = calloc(1, sizeof(*a));

	check(a);
	a->index = index;
	a->arg = arg;
	a->next = asks;
	asks = a;
	return a;
}

void holder_ask_cancel(struct holder_ask *a)
{
	struct holder_ask **p = &asks;

	while (*p && *p != a)
		p = &(*p)->next;
	check(*p);
	*p = a->next;
	free(a);
}

struct holder_ask *holder_ask_value(struct holder_channel *ch, const struct secret_set *s,
				    size_t index, holder_value_fn *fn, void *arg)
{
	struct holder_ask *a = ask(index, arg);

	a->value = fn;
	return a;
}

/* Signatures and new placeholders are texts that tests know. */
struct holder_ask *holder_ask_sign(struct holder_channel *ch, const struct secret_set *s,
				   size_t index, const struct holder_sign *sign, holder_text_fn *fn,
				   void *arg)
{
	struct holder_ask *a = ask(index, arg);

	a->text = fn;
	snprintf(a->answer, sizeof(a->answer), "SIGNED[%.*s]", (int)sign->text.len,
		 (const char *)sign->text.p);
	return a;
}

struct holder_ask *holder_ask_capture(struct holder_channel *ch, const struct secret_set *s,
				      size_t from, struct view value, holder_text_fn *fn, void *arg)
{
	struct holder_ask *a = ask(from, arg);

	a->text = fn;
	snprintf(a->answer, sizeof(a->answer), "captured-%zu-bytes", value.len);
	return a;
}

void secret_value_free(struct secret_value *v)
{
	if (!v)
		return;
	rig_values_held--;
	free(v->bytes);
	free(v);
}

static void answer_one(void)
{
	struct holder_ask *a = asks;

	asks = a->next;
	if (rig_holder_fails && a->value) {
		a->value(a->arg, NULL, "gone");
	} else if (rig_holder_fails) {
		a->text(a->arg, view_make(NULL, 0), "gone");
	} else if (a->value) {
		struct secret_value *v = calloc(1, sizeof(*v));
		v->len = strlen(rig_values[a->index]);
		v->bytes = malloc(v->len);
		memcpy(v->bytes, rig_values[a->index], v->len);
		rig_values_held++;
		a->value(a->arg, v, NULL);
	} else {
		a->text(a->arg, view_make(a->answer, strlen(a->answer)), NULL);
	}
	free(a);
}

/* ---- policy and events ---- */

struct policy_verdict flow_judge(struct sandbox *sb, struct flow *f, enum policy_seen seen,
				 const struct name *name)
{
	struct policy_verdict v = {rig_policy, REASON_NONE, 0, "allow@any", true};

	if (rig_policy == POLICY_DENY) {
		v.reason = REASON_RULE;
		current->refused++;
	}
	return v;
}

void flow_refuse(struct sandbox *sb, const struct flow *f, const struct policy_verdict *v)
{
	current->refused++;
	current->reason = v->reason;
}

/* Of a proxy's target, which is a name. */
struct policy_verdict policy_decide(const struct policy *p, const struct policy_env *env,
				    const struct policy_facts *f)
{
	return (struct policy_verdict){rig_target, rig_target ? REASON_NONE : REASON_DEFAULT, 1,
				       "allow@target", true};
}

struct policy_verdict flow_decide(struct sandbox *sb, const struct policy_facts *f)
{
	return policy_decide(NULL, NULL, f);
}

void flow_note_refusal(struct sandbox *sb, const struct policy_facts *f, const struct ipaddr *guest,
		       uint16_t guest_port, uint64_t flow, const struct policy_verdict *v)
{
	current->refused++;
}

/* The rule of the tests: GET alone where the path begins with /only-get. */
const struct http_rule *policy_rule_http(const struct policy *p, int rule)
{
	static const char any;

	return rig_no_rule ? NULL : (const struct http_rule *)&any;
}

enum http_rule_answer http_rule_judge(const struct http_rule *r, const struct http_head *h,
				      const char **ret_why)
{
	struct view path = h->path;

	if (path.len && memchr(path.p, '\\', path.len)) {
		*ret_why = "backslash";
		return HTTP_RULE_AMBIGUOUS;
	}
	if (path.len >= 9 && memcmp(path.p, "/only-get", 9) == 0 && !http_text_is(h->method, "get"))
		return HTTP_RULE_DENY;
	return HTTP_RULE_ALLOW;
}

void events_emit(struct events *e, const struct event *ev)
{
	struct rig *r = current;

	check(ev->flow == 42);
	if (ev->kind == EVENT_HTTP) {
		r->http_events++;
		r->status = ev->status;
		r->reason = ev->reason;
		snprintf(r->path, sizeof(r->path), "%s", ev->path);
	} else if (ev->kind == EVENT_SECRET) {
		r->secret_events++;
		snprintf(r->secret, sizeof(r->secret), "%s", ev->secret);
		snprintf(r->place, sizeof(r->place), "%s", ev->place);
		snprintf(r->action, sizeof(r->action), "%s", ev->action);
	}
}

/* ---- one exchange ---- */

static void resume(void *ctx, struct http_exchange *x)
{
	struct rig *r = ctx;

	check(x == &r->x);
	r->resumed++;
}

static void terminate(void *ctx, const char *why)
{
	((struct rig *)ctx)->terminated++;
}

void rig_init(struct rig *r, const char *host, bool tls)
{
	static struct loop loop;

	*r = (struct rig){.flow = {.id = 42}};
	current = r;
	r->sb.loop = &loop;
	r->sb.events = (struct events *)r;
	r->name.len = (uint8_t)strlen(host);
	memcpy(r->name.s, host, r->name.len);
	r->conn = (struct filter_conn){
		.sb = &r->sb,
		.flow = &r->flow,
		.name = &r->name,
		.tls = tls,
		.verified = tls,
		.channel = (struct holder_channel *)r,
		.resume = resume,
		.terminate = terminate,
		.ctx = r,
	};
	r->filter = filter_new(&r->conn);
	check(r->filter);
}

void rig_end_exchange(struct rig *r)
{
	if (!r->in_exchange)
		return;
	r->filter->ops->done(r->filter, &r->x);
	http_fields_done(&r->x.request.fields);
	http_fields_done(&r->x.answer.fields);
	r->x = (struct http_exchange){0};
	r->in_exchange = false;
	check(rig_values_held == 0);
	check(!asks);
}

void rig_done(struct rig *r)
{
	rig_end_exchange(r);
	filter_free(r->filter);
	flow_target_forget(&r->flow);
}

void rig_field(struct http_head *h, const char *name, const char *value)
{
	check(http_head_add(h, name, view_make(value, strlen(value))));
}

void rig_request(struct rig *r, const char *method, const char *path)
{
	struct http_head *h = &r->x.request;

	rig_end_exchange(r);
	r->in_exchange = true;
	r->x = (struct http_exchange){.id = 1};
	h->method = view_make(method, strlen(method));
	h->scheme = view_make("https", 5);
	h->path = view_make(path, strlen(path));
	h->authority.name = r->name;
	h->authority_text = view_make(r->name.s, r->name.len);
	h->has_authority = true;
}

void rig_answer(struct rig *r, int status)
{
	http_fields_done(&r->x.answer.fields);
	r->x.answer = (struct http_head){.status = status, .length = HTTP_LENGTH_STREAM};
}

const char *rig_value(const struct http_head *h, const char *name)
{
	static char text[70000];
	const struct http_field *f = http_head_find(h, name, NULL);

	if (!f)
		return NULL;
	check(f->value.len < sizeof(text));
	memcpy(text, f->value.p, f->value.len);
	text[f->value.len] = 0;
	return text;
}

static void pump(struct rig *r)
{
	unsigned before = r->resumed;

	check(asks);
	while (asks)
		answer_one();
	check(r->resumed == before + 1);
}

enum http_step rig_go(struct rig *r)
{
	enum http_step step;

	while ((step = r->filter->ops->request(r->filter, &r->x)) == HTTP_WAIT)
		pump(r);
	return step;
}

enum http_step rig_go_answer(struct rig *r)
{
	enum http_step step;

	while ((step = r->filter->ops->answer(r->filter, &r->x)) == HTTP_WAIT)
		pump(r);
	return step;
}

static enum http_step piece(struct rig *r, bool up, struct view in, bool end, struct buf *out)
{
	const struct http_filter_ops *ops = r->filter->ops;
	enum http_step step;
	size_t before = out->len;

	for (;;) {
		step = up ? ops->request_body(r->filter, &r->x, in, end, out)
			  : ops->answer_body(r->filter, &r->x, in, end, out);
		if (step != HTTP_WAIT)
			return step;
		check(out->len == before);
		pump(r);
	}
}

enum http_step rig_body(struct rig *r, bool up, struct view in, size_t (*cut)(void),
			struct buf *out)
{
	enum http_step step = HTTP_GO;
	enum http_body_mode mode = up ? r->x.request.mode : r->x.answer.mode;

	if (mode == HTTP_BODY_PASS) {
		check(buf_append_view(out, in));
		return HTTP_GO;
	}
	do {
		struct view part = {0};
		size_t n = cut ? cut() : in.len;
		view_take(&in, n < in.len ? n : in.len, &part);
		/* A copy, so that what is kept of it is seen. */
		uint8_t *copy = malloc(part.len + 1);
		check(copy);
		if (part.len)
			memcpy(copy, part.p, part.len);
		step = piece(r, up, view_make(copy, part.len), in.len == 0, out);
		memset(copy, 0xdd, part.len + 1);
		free(copy);
	} while (step == HTTP_GO && in.len);
	return step;
}
