// SPDX-License-Identifier: Apache-2.0
/* One secret in the holder: read, read again, and asked for. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "secret/vault.h"

#define RETRY_FIRST_US 5000000ull
#define RETRY_MAX_US   60000000ull
#define RENEW_MIN_US   1000000ull /* nothing is read more often */

/* It goes on while the machine sleeps. */
static uint64_t boot_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static bool is_token(const struct vault_secret *s)
{
	return s->pub.signer == SECRET_BEARER;
}

const char *vault_secret_where(const struct vault_secret *s)
{
	return s->conf.where ? s->conf.where : s->conf.env_var;
}

static void on_due(struct timer *t)
{
	vault_secret_read(container_of(t, struct vault_secret, timer));
}

/* ---- making ---- */

static enum secret_signer signer_of(enum config_signer s)
{
	switch (s) {
	case CONFIG_SIGNER_SIGV4:
		return SECRET_SIGV4;
	case CONFIG_SIGNER_HMAC:
		return SECRET_HMAC;
	case CONFIG_SIGNER_CLIENT:
	case CONFIG_SIGNER_REFRESH:
	case CONFIG_SIGNER_GITHUB_APP:
		return SECRET_BEARER;
	case CONFIG_SIGNER_NONE:
		break;
	}
	return SECRET_PLAIN;
}

static unsigned places_of(const struct config_injection *i)
{
	return (i->headers ? SECRET_IN_HEADERS : 0u) | (i->basic_auth ? SECRET_IN_BASIC : 0u) |
	       (i->query_params ? SECRET_IN_QUERY : 0u) | (i->body ? SECRET_IN_BODY : 0u) |
	       (i->path ? SECRET_IN_PATH : 0u) | (i->websocket ? SECRET_IN_WEBSOCKET : 0u);
}

static enum secret_violation violation_of(enum config_violation v)
{
	switch (v) {
	case CONFIG_VIOLATION_BLOCK:
		return SECRET_BLOCK;
	case CONFIG_VIOLATION_BLOCK_AND_TERMINATE:
		return SECRET_BLOCK_AND_TERMINATE;
	case CONFIG_VIOLATION_UNSET:
	case CONFIG_VIOLATION_BLOCK_AND_LOG:
		break;
	}
	return SECRET_BLOCK_AND_LOG;
}

static bool make_public(struct secret *p, const struct config_secret *c)
{
	p->env_var = strdup(c->env_var);
	p->header = c->header && c->signer == CONFIG_SIGNER_HMAC ? strdup(c->header) : NULL;
	p->hosts = secret_hosts_new(&c->hosts);
	p->host_count = c->hosts.n;
	p->passthrough = secret_hosts_new(&c->passthrough);
	p->passthrough_count = c->passthrough.n;
	p->places = places_of(&c->injection);
	p->on_violation = violation_of(c->on_violation);
	p->signer = signer_of(c->signer);
	p->require_tls_identity = c->require_tls_identity;
	p->require = c->require;
	p->capture = c->capture;
	return p->env_var && p->hosts && p->passthrough &&
	       (p->header || !c->header || c->signer != CONFIG_SIGNER_HMAC);
}

struct vault_secret *vault_secret_new(struct vault *v, struct config_secret *conf)
{
	struct vault_secret *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (!make_public(&s->pub, conf)) {
		secret_done(&s->pub);
		free(s);
		return NULL;
	}
	s->refs = 1;
	s->v = v;
	s->conf = *conf;
	*conf = (struct config_secret){0};
	s->due_us = s->expires_us = UINT64_MAX;
	list_init(&s->waiting);
	timer_init(&s->timer, on_due);
	return s;
}

void vault_secret_unref(struct vault_secret *s)
{
	if (!s || --s->refs > 0)
		return;
	config_secret_done(&s->conf);
	secret_done(&s->pub);
	vault_value_unref(s->raw);
	vault_value_unref(s->refresh);
	vault_value_unref(s->value);
	vault_value_unref(s->key);
	free(s);
}

/* ---- questions ---- */

static void answer_waiting(struct vault_secret *s, const char *why)
{
	struct list *n;

	while ((n = list_pop(&s->waiting))) {
		struct vault_wait *w = container_of(n, struct vault_wait, node);

		s->ch->waiting--;
		/* A file or a command that fails once more leaves the value as it is. */
		if (why && is_token(s))
			vault_fail(s->ch, w->id, why);
		else
			vault_answer(s->ch, w->id, vault_value_view(why ? w->value : s->value));
		vault_value_unref(w->value);
		free(w);
	}
}

void vault_secret_ask(struct vault_secret *s, struct vault_channel *ch, uint32_t id,
		      struct vault_value *value)
{
	uint64_t end = is_token(s) ? s->expires_us : s->due_us;
	bool overdue = s->ch == ch && boot_clock_us() >= end;

	if (!overdue || (s->failures && !is_token(s))) {
		vault_answer(ch, id, vault_value_view(value));
		return;
	}
	/* The retries go on by themselves; each question would be one more. */
	if (s->failures && !s->job) {
		vault_fail(ch, id, "its token has expired, and a new one cannot be had");
		return;
	}
	struct vault_wait *w = ch->waiting < VAULT_WAITING_MAX ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		vault_fail(ch, id, "too many questions");
		return;
	}
	w->id = id;
	w->value = vault_value_ref(value);
	list_add_tail(&s->waiting, &w->node);
	ch->waiting++;
	vault_secret_read(s);
}

void vault_secret_retire(struct vault_secret *s)
{
	timer_cancel(&s->v->loop.wheel, &s->timer);
	vault_job_cancel(s->job);
	s->job = NULL;
	if (s->ch)
		answer_waiting(s, "the secret is no longer configured");
	s->ch = NULL;
	s->load = NULL;
	vault_secret_unref(s);
}

/* ---- reading ---- */

static void arm(struct vault_secret *s, uint64_t in_us)
{
	timer_set(&s->v->loop.wheel, &s->timer, clock_now_us() + in_us);
}

/* The reading is over; the value is there, if anything was to be had. */
static void finish(struct vault_secret *s, bool changed)
{
	struct error err;

	s->failures = 0;
	if (s->due_us != UINT64_MAX) {
		uint64_t now = boot_clock_us();
		arm(s, s->due_us > now + RENEW_MIN_US ? s->due_us - now : RENEW_MIN_US);
	}
	if (s->load) {
		vault_load_done(s, NULL);
		return;
	}
	if (!s->ch)
		return;
	if (changed && vault_push(s->ch, 0, &err) < 0)
		vault_log(s->ch, LOG_ERROR, "%s: its new value cannot be told: %s",
			  vault_secret_where(s), err.msg);
	answer_waiting(s, NULL);
}

void vault_secret_failed(struct vault_secret *s, const char *why)
{
	uint64_t retry = RETRY_FIRST_US << (s->failures < 4 ? s->failures : 4);

	if (s->load) {
		vault_load_done(s, why);
		return;
	}
	if (!s->ch)
		return;
	arm(s, retry < RETRY_MAX_US ? retry : RETRY_MAX_US);
	if (s->failures++ == 0)
		vault_log(s->ch, LOG_WARNING, "%s: %s; the value that is there stays in use%s",
			  vault_secret_where(s), why, is_token(s) ? " until it expires" : "");
	answer_waiting(s, why);
}

/* SIGV4: ID:SECRET. */
static int split_key(struct vault_secret *s, struct error *err)
{
	struct view v = vault_value_view(s->raw), id;
	const uint8_t *colon = memchr(v.p, ':', v.len);

	if (!colon || (size_t)(colon - v.p) < NEEDLE_MIN ||
	    v.len - (size_t)(colon - v.p) - 1 < NEEDLE_MIN)
		return error_set(err, "its value is not ACCESS_KEY_ID:SECRET_ACCESS_KEY");
	view_take(&v, (size_t)(colon - v.p), &id);
	view_skip(&v, 1);
	struct vault_value *value = vault_value_new(id), *key = vault_value_new(v);
	if (!value || !key) {
		vault_value_unref(value);
		vault_value_unref(key);
		return error_set(err, "no memory");
	}
	vault_value_unref(s->value);
	vault_value_unref(s->key);
	s->value = value;
	s->key = key;
	return 0;
}

static void fetch(struct vault_secret *s)
{
	struct error err;
	const struct strv *ca = s->load ? vault_load_upstream_ca(s->load) : &s->ch->upstream_ca;

	if (vault_token_fetch(s, ca, &err) < 0)
		vault_secret_failed(s, err.msg);
}

/* What the source gave. */
static void got_raw(struct vault_secret *s, struct view bytes)
{
	struct error err;
	struct vault_value *raw =
		vault_value_checked(bytes, s->conf.signer == CONFIG_SIGNER_GITHUB_APP, &err);

	if (!raw) {
		vault_secret_failed(s, err.msg);
		return;
	}
	bool changed = !vault_value_same(raw, s->raw);
	if (changed) {
		vault_value_unref(s->raw);
		s->raw = vault_value_ref(raw);
		vault_value_unref(s->refresh);
		s->refresh = NULL;
	}
	vault_value_unref(raw);
	if (is_token(s)) {
		fetch(s);
		return;
	}
	if (s->pub.signer == SECRET_SIGV4) {
		if (changed && split_key(s, &err) < 0) {
			vault_secret_failed(s, err.msg);
			return;
		}
	} else if (changed) {
		vault_value_unref(s->value);
		s->value = vault_value_ref(s->raw);
	}
	if (s->conf.expiry_us && s->conf.source != CONFIG_SECRET_ENV)
		s->due_us = boot_clock_us() + s->conf.expiry_us;
	finish(s, changed);
}

static void on_command(void *arg, struct view out, const char *err)
{
	struct vault_secret *s = arg;

	s->job = NULL;
	if (err)
		vault_secret_failed(s, err);
	else
		got_raw(s, out);
}

void vault_secret_read(struct vault_secret *s)
{
	struct vault_value *v = NULL;
	struct error err;

	if (s->job)
		return;
	/* What the token is got with need not be read again, unless it says so. */
	if (is_token(s) && s->raw && (!s->conf.expiry_us || s->conf.source == CONFIG_SECRET_ENV)) {
		fetch(s);
		return;
	}
	switch (s->conf.source) {
	case CONFIG_SECRET_ENV:
		v = vault_read_env(s->v, s->conf.from, &err);
		break;
	case CONFIG_SECRET_FILE:
		v = vault_read_file(s->conf.from, &err);
		break;
	case CONFIG_SECRET_COMMAND:
		s->job = vault_job_command(s->v, s->conf.from, on_command, s, &err);
		if (s->job)
			return;
		break;
	}
	if (v)
		got_raw(s, vault_value_view(v));
	else
		vault_secret_failed(s, err.msg);
	vault_value_unref(v);
}

void vault_secret_got_token(struct vault_secret *s, struct view token, struct view refresh,
			    uint64_t lives_us)
{
	struct error err;
	uint64_t now = boot_clock_us(), early = lives_us / 10;
	struct vault_value *v = vault_value_checked(token, false, &err);

	if (!v) {
		vault_secret_failed(s, "the token that was fetched cannot be one");
		return;
	}
	if (refresh.len && s->conf.signer == CONFIG_SIGNER_REFRESH) {
		vault_value_unref(s->refresh);
		s->refresh = vault_value_new(refresh);
	}
	bool changed = !vault_value_same(v, s->value);
	vault_value_unref(s->value);
	s->value = v;
	s->expires_us = now + lives_us;
	/* A tenth before its end, and half a minute at least where it lives long enough. */
	if (early < 30000000)
		early = lives_us / 2 < 30000000 ? lives_us / 2 : 30000000;
	s->due_us = s->expires_us - early;
	finish(s, changed);
}
