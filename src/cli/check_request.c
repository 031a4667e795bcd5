// SPDX-License-Identifier: Apache-2.0
/*
 * What weir would look into, and what it would say to an HTTP request.
 *
 * The order is that of live traffic: a rule for requests goes before the bypass list, that before
 * tls.enabled and secrets. A request is judged by the same function.
 */
#include <string.h>

#include "base/pattern.h"
#include "cli/check.h"
#include "http/rules.h"

#define QUIC_PORT 443

static bool matches(const char *text, const struct name *n)
{
	struct name_pattern p;
	struct error unused;

	return pattern_read(text, &p, &unused) == 0 && pattern_matches(&p, n);
}

static bool matches_any(const struct strv *list, const struct name *n)
{
	for (size_t i = 0; i < list->n; i++) {
		if (matches(list->v[i], n))
			return true;
	}
	return false;
}

static bool intercepts_port(const struct config_tls *t, uint16_t port)
{
	for (size_t i = 0; i < t->port_count; i++) {
		if (t->ports[i] == port)
			return true;
	}
	return false;
}

static bool is_verified(const struct config_tls *t, const struct name *n)
{
	for (size_t i = 0; i < t->scoped_verify_count; i++) {
		if (matches(t->scoped_verify[i].host, n))
			return t->scoped_verify[i].verify;
	}
	return t->verify_upstream;
}

/* TLS by what was asked for, or by its port. */
static bool shows_tls(const struct check_target *t)
{
	return t->kind == CHECK_HTTPS || (t->kind == CHECK_TCP && t->port == QUIC_PORT);
}

/* Secrets whose hosts hold the name. */
static bool concerns_secret(const struct config *c, const struct name *n)
{
	for (size_t i = 0; i < c->secrets.count; i++) {
		if (matches_any(&c->secrets.list[i].hosts, n))
			return true;
	}
	return false;
}

static enum check_look look_of_tls(const struct config *c, const struct check_target *t, bool http)
{
	bool asked = c->tls.enabled && intercepts_port(&c->tls, t->port);
	bool secret = concerns_secret(c, &t->name);

	if (http)
		return CHECK_LOOKS_HTTP;
	if (matches_any(&c->tls.bypass, &t->name))
		return asked || secret ? CHECK_BYPASSED : CHECK_UNTOUCHED;
	return asked ? CHECK_LOOKS_TLS : secret ? CHECK_LOOKS_SECRET : CHECK_UNTOUCHED;
}

static enum check_look look_of_http(const struct check_env *e, bool http)
{
	if (http || policy_has_http(e->policy))
		return CHECK_LOOKS_HTTP;
	return e->conf->secrets.count ? CHECK_LOOKS_SECRET : CHECK_UNTOUCHED;
}

void check_look(const struct check_env *e, const struct check_target *t, struct check_result *r)
{
	const struct config *c = e->conf;
	bool http = policy_rule_http(e->policy, r->verdict.rule) != NULL;

	if (t->kind == CHECK_HTTP)
		r->look = look_of_http(e, http);
	else if (shows_tls(t))
		r->look = look_of_tls(c, t, http);
	else if (t->kind == CHECK_TCP && http)
		r->look = CHECK_LOOKS_HTTP;
	if (r->look == CHECK_UNTOUCHED || r->look == CHECK_BYPASSED)
		return;
	bool trusted = shows_tls(t) && is_verified(&c->tls, &t->name);
	for (size_t i = 0; i < c->secrets.count; i++) {
		const struct config_secret *s = &c->secrets.list[i];
		r->sent[i] =
			matches_any(&s->hosts, &t->name) && (trusted || !s->require_tls_identity);
	}
}

static struct view text_view(const char *s)
{
	return view_make(s, strlen(s));
}

static void deny(struct check_result *r, enum check_sight sight, const char *why)
{
	r->verdict.answer = POLICY_DENY;
	r->verdict.reason = REASON_HTTP_RULE;
	r->stage = CHECK_STAGE_REQUEST;
	r->sight = sight;
	snprintf(r->note, sizeof(r->note), "%s", why);
}

/* A path that an URL leaves out is the root, also in front of a query (RFC 9112 3.2.1). */
static struct view path_of(const struct check_target *t, char buf[CHECK_TEXT_MAX + 2])
{
	const char *path = t->text + t->path_at;
	int n = snprintf(buf, CHECK_TEXT_MAX + 2, "%s%.*s", t->path_len && *path == '/' ? "" : "/",
			 (int)t->path_len, path);

	return view_make(buf, (size_t)n);
}

void check_request(const struct check_env *e, const struct check_target *t, struct check_result *r)
{
	const struct http_rule *rule = policy_rule_http(e->policy, r->verdict.rule);
	struct http_head h = {.method = text_view(t->method), .has_authority = true};
	char path[CHECK_TEXT_MAX + 2];
	const char *why = "";

	if (!*t->method || r->look == CHECK_UNTOUCHED || r->look == CHECK_BYPASSED)
		return;
	if (strcmp(t->method, "TRACE") == 0) {
		deny(r, CHECK_SEES_HTTP_405, "what TRACE echoes holds secrets");
		return;
	}
	if (!rule)
		return;
	h.path = path_of(t, path);
	h.authority.name = t->name;
	h.authority.addr = t->addr;
	switch (http_rule_judge(rule, &h, &why)) {
	case HTTP_RULE_ALLOW:
		break;
	case HTTP_RULE_DENY:
		deny(r, CHECK_SEES_HTTP_403, "");
		break;
	case HTTP_RULE_AMBIGUOUS:
		deny(r, CHECK_SEES_HTTP_400, why);
		break;
	}
}
