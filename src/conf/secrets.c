// SPDX-License-Identifier: Apache-2.0
/*
 * Secrets and TLS interception in a configuration: defaults, lists, and what is wrong with them.
 *
 * Nothing here sees a value: a secret says where its value comes from, and the key holder looks
 * there. Files and commands are not touched either; that they can be read is known when the holder
 * has started.
 */
#include "conf/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "conf/config.h"

#define ENV_NAME_MAX 255

static int no_memory(struct error *err)
{
	return error_set(err, "out of memory");
}

/* Room for one more item behind the `n` of *list. */
static int grow(void **list, size_t n, size_t size, size_t max, struct error *err)
{
	if (n >= max)
		return error_set(err, "more than %zu", max);
	void *grown = realloc(*list, (n + 1) * size);
	if (!grown)
		return no_memory(err);
	*list = grown;
	return 0;
}

/* ---- hosts ----------------------------------------------------------------------------------- */

int config_check_host(const char *text, bool any_ok, struct error *err)
{
	struct name_pattern p;

	if (pattern_read(text, &p, err) < 0)
		return -1;
	if (p.any && !any_ok)
		return error_set(err, "expected a host such as example.com; any is too wide here");
	if (!p.any && p.below && pattern_suffix_is_public(&p.name))
		return error_set(err,
				 "expected a narrower pattern: anyone can have a name below "
				 "\"%.120s\"%s",
				 p.name.s, any_ok ? "; any stands for every host" : "");
	return 0;
}

/* ---- secrets --------------------------------------------------------------------------------- */

void config_secret_init(struct config_secret *s)
{
	*s = (struct config_secret){
		.injection = {.headers = true, .basic_auth = true},
		.require_tls_identity = true,
	};
}

void config_secret_done(struct config_secret *s)
{
	free(s->env_var);
	free(s->from);
	free(s->placeholder);
	free(s->format);
	strv_done(&s->hosts);
	strv_done(&s->passthrough);
	free(s->token_url);
	free(s->scope);
	free(s->app_id);
	free(s->header);
	free(s->algorithm);
	free(s->where);
	*s = (struct config_secret){0};
}

void config_secrets_done(struct config_secrets *s)
{
	for (size_t i = 0; i < s->count; i++)
		config_secret_done(&s->list[i]);
	free(s->list);
	strv_done(&s->passthrough);
	*s = (struct config_secrets){0};
}

int config_check_env_name(const char *text, struct error *err)
{
	size_t n = strlen(text);
	bool ok = n >= 1 && n <= ENV_NAME_MAX;

	for (const char *p = text; *p; p++)
		ok = ok && *p > ' ' && *p <= '~' && *p != '=';
	return ok ? 0
		  : error_set(err,
			      "expected the name of an environment variable, such as API_TOKEN");
}

/* What stands in the guest's requests in the place of a value. */
static int check_placeholder(const char *key, const char *text, struct error *err)
{
	size_t n = strlen(text);

	if (n < CONFIG_PLACEHOLDER_MIN || n > CONFIG_PLACEHOLDER_MAX)
		return error_set(err, "%s: expected %d to %d characters", key,
				 CONFIG_PLACEHOLDER_MIN, CONFIG_PLACEHOLDER_MAX);
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p > '~' || strchr("\"\\%", *p))
			return error_set(err,
					 "%s: expected printable ASCII without blanks, quotes, "
					 "backslashes and percent signs",
					 key);
	}
	return 0;
}

static int check_format(const char *text, struct error *err)
{
	size_t random = 0;

	for (const char *p = text; *p; p++)
		random += *p == 'X';
	if (random < CONFIG_FORMAT_RANDOM_MIN)
		return error_set(err,
				 "format: expected %d or more X, each of which becomes a random "
				 "character",
				 CONFIG_FORMAT_RANDOM_MIN);
	return 0;
}

static int needs(const char *signer, const char *key, const char *value, struct error *err)
{
	return value ? 0 : error_set(err, "signer: %s needs the key %s", signer, key);
}

static int check_signer(const struct config_secret *s, struct error *err)
{
	bool token = s->signer == CONFIG_SIGNER_CLIENT || s->signer == CONFIG_SIGNER_REFRESH ||
		     s->signer == CONFIG_SIGNER_GITHUB_APP;

	if (s->token_url && strncmp(s->token_url, "https://", 8) != 0)
		return error_set(err, "signer.token_url: expected an address that begins with "
				      "https://");
	if (token && needs("this type", "token_url", s->token_url, err) < 0)
		return -1;
	if (s->signer == CONFIG_SIGNER_GITHUB_APP)
		return needs("github-app", "app_id", s->app_id, err);
	if (s->signer == CONFIG_SIGNER_HMAC)
		return needs("hmac", "header", s->header, err);
	return 0;
}

int config_check_secret(const struct config_secret *s, struct error *err)
{
	if (!s->hosts.n)
		return error_set(err, "it has no hosts; expected allowed_hosts, the hosts that may "
				      "have it");
	if (s->hosts.n > CONFIG_SECRET_HOSTS_MAX || s->passthrough.n > CONFIG_SECRET_HOSTS_MAX)
		return error_set(err, "it has more than %d hosts", CONFIG_SECRET_HOSTS_MAX);
	if (s->placeholder && s->format)
		return error_set(err, "placeholder and format: expected one of them");
	if (s->placeholder && check_placeholder("placeholder", s->placeholder, err) < 0)
		return -1;
	if (s->format &&
	    (check_placeholder("format", s->format, err) < 0 || check_format(s->format, err) < 0))
		return -1;
	if (s->expiry_us && s->source == CONFIG_SECRET_ENV)
		return error_set(err, "expiry: it is for values from a file or a command");
	return check_signer(s, err);
}

int config_add_secret_parsed(struct config *c, struct config_secret *s, struct error *err)
{
	struct config_secrets *all = &c->secrets;

	if (grow((void **)&all->list, all->count, sizeof(*s), CONFIG_SECRETS_MAX, err) < 0) {
		config_secret_done(s);
		return -1;
	}
	all->list[all->count++] = *s;
	*s = (struct config_secret){0};
	return 0;
}

/* "ENV@HOST[,HOST...]" into a secret that the caller ends. */
static int read_secret(const char *text, struct config_secret *s, struct error *err)
{
	const char *at = strchr(text, '@');

	if (!at)
		return error_set(err, "expected ENV@HOST[,HOST...]");
	s->env_var = strndup(text, (size_t)(at - text));
	if (!s->env_var || asprintf(&s->where, "--secret %s", text) < 0) {
		s->where = NULL;
		return no_memory(err);
	}
	if (config_check_env_name(s->env_var, err) < 0)
		return -1;
	s->from = strdup(s->env_var);
	char *hosts = strdup(at + 1), *rest = hosts;
	int rc = s->from && hosts ? 0 : no_memory(err);
	for (char *host; rc == 0 && (host = strsep(&rest, ","));) {
		rc = config_check_host(host, true, err);
		if (rc == 0 && !strv_add(&s->hosts, host))
			rc = no_memory(err);
	}
	free(hosts);
	return rc < 0 ? rc : config_check_secret(s, err);
}

int config_add_secret(struct config *c, const char *text, struct error *err)
{
	struct config_secret s;

	config_secret_init(&s);
	int rc = read_secret(text, &s, err);
	/* The file has been read by now. */
	for (size_t i = 0; rc == 0 && i < c->secrets.passthrough.n; i++) {
		if (!strv_add(&s.passthrough, c->secrets.passthrough.v[i]))
			rc = no_memory(err);
	}
	if (rc < 0) {
		config_secret_done(&s);
		return -1;
	}
	return config_add_secret_parsed(c, &s, err);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

void config_tls_done(struct config_tls *t)
{
	strv_done(&t->bypass);
	strv_done(&t->upstream_ca);
	for (size_t i = 0; i < t->scoped_ca_count; i++) {
		free(t->scoped_ca[i].host);
		free(t->scoped_ca[i].path);
	}
	free(t->scoped_ca);
	for (size_t i = 0; i < t->scoped_verify_count; i++)
		free(t->scoped_verify[i].host);
	free(t->scoped_verify);
	for (size_t i = 0; i < t->client_cert_count; i++) {
		free(t->client_certs[i].host);
		free(t->client_certs[i].cert_path);
		free(t->client_certs[i].key_path);
	}
	free(t->client_certs);
	free(t->ca_cert);
	free(t->ca_key);
	free(t->keylog);
	*t = (struct config_tls){0};
}

int config_add_tls_port(struct config *c, uint64_t port, struct error *err)
{
	struct config_tls *t = &c->tls;

	for (size_t i = 0; i < t->port_count; i++) {
		if (t->ports[i] == port)
			return 0;
	}
	if (t->port_count == CONFIG_TLS_PORTS_MAX)
		return error_set(err, "more than %d", CONFIG_TLS_PORTS_MAX);
	t->ports[t->port_count++] = (uint16_t)port;
	return 0;
}

int config_add_tls_bypass(struct config *c, const char *text, struct error *err)
{
	if (config_check_host(text, false, err) < 0)
		return -1;
	if (c->tls.bypass.n == CONFIG_LIST_MAX)
		return error_set(err, "more than %d", CONFIG_LIST_MAX);
	return strv_add(&c->tls.bypass, text) ? 0 : no_memory(err);
}

int config_add_scoped_ca(struct config *c, const char *host, const char *path, struct error *err)
{
	struct config_tls *t = &c->tls;
	struct config_scoped_ca x = {.host = strdup(host), .path = strdup(path)};

	if (!x.host || !x.path) {
		no_memory(err);
		goto fail;
	}
	if (grow((void **)&t->scoped_ca, t->scoped_ca_count, sizeof(x), CONFIG_LIST_MAX, err) < 0)
		goto fail;
	t->scoped_ca[t->scoped_ca_count++] = x;
	return 0;
fail:
	free(x.host);
	free(x.path);
	return -1;
}

int config_add_scoped_verify(struct config *c, const char *host, bool verify, bool first,
			     struct error *err)
{
	struct config_tls *t = &c->tls;
	size_t n = t->scoped_verify_count;
	struct config_scoped_verify x = {.host = strdup(host), .verify = verify};

	if (!x.host)
		return no_memory(err);
	if (grow((void **)&t->scoped_verify, n, sizeof(x), CONFIG_LIST_MAX, err) < 0) {
		free(x.host);
		return -1;
	}
	if (first)
		memmove(t->scoped_verify + 1, t->scoped_verify, n * sizeof(x));
	t->scoped_verify[first ? 0 : n] = x;
	t->scoped_verify_count++;
	return 0;
}

int config_add_client_cert(struct config *c, const char *host, const char *cert, const char *key,
			   struct error *err)
{
	struct config_tls *t = &c->tls;
	struct config_client_cert x = {.host = strdup(host),
				       .cert_path = strdup(cert),
				       .key_path = strdup(key)};

	if (!x.host || !x.cert_path || !x.key_path) {
		no_memory(err);
		goto fail;
	}
	if (grow((void **)&t->client_certs, t->client_cert_count, sizeof(x), CONFIG_LIST_MAX, err) <
	    0)
		goto fail;
	t->client_certs[t->client_cert_count++] = x;
	return 0;
fail:
	free(x.host);
	free(x.cert_path);
	free(x.key_path);
	return -1;
}

/* ---- all of it together ---------------------------------------------------------------------- */

bool config_intercepts(const struct config *c)
{
	struct policy_source src = config_policy_source(c);

	return c->tls.enabled || c->secrets.count || policy_source_has_http(&src);
}

static int check_twice(const struct config_secrets *all, struct error *err)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct config_secret *s = &all->list[i];
		for (size_t k = 0; k < i; k++) {
			const struct config_secret *o = &all->list[k];
			if (strcmp(s->env_var, o->env_var) == 0)
				return error_set(err, "%.200s: %.100s is a secret already: %.150s",
						 s->where, s->env_var, o->where);
			if (s->placeholder && o->placeholder &&
			    strcmp(s->placeholder, o->placeholder) == 0)
				return error_set(err,
						 "%.200s: its placeholder is that of %.200s, too",
						 s->where, o->where);
		}
	}
	return 0;
}

/* The pattern of the list that leaves nothing of `host` to be intercepted; NULL: none. */
static const char *bypass_of(const struct config_tls *t, const struct name_pattern *host)
{
	struct name_pattern p;
	struct error unused;

	for (size_t i = 0; i < t->bypass.n; i++) {
		if (pattern_read(t->bypass.v[i], &p, &unused) == 0 && pattern_covers(&p, host))
			return t->bypass.v[i];
	}
	return NULL;
}

/* A secret reaches its hosts only through connections that weir looks into. */
static int check_bypassed(const struct config *c, const struct config_secret *s, struct error *err)
{
	struct name_pattern p;

	for (size_t i = 0; i < s->hosts.n; i++) {
		if (pattern_read(s->hosts.v[i], &p, err) < 0)
			return error_prefix(err, "%.200s", s->where);
		const char *by = bypass_of(&c->tls, &p);
		if (by)
			return error_set(
				err,
				"%.200s: the host %.100s is bypassed (tls.bypass: %.100s), "
				"so that the secret could not reach it",
				s->where, s->hosts.v[i], by);
	}
	return 0;
}

static int check_ca(const struct config *c, struct error *err)
{
	const struct config_tls *t = &c->tls;

	if (!t->ca_cert == !t->ca_key)
		return 0;
	return error_set(
		err,
		"%s%stls.intercept_ca: %s is missing; expected a certificate and its key, or "
		"neither",
		c->path ? c->path : "", c->path ? ": " : "", t->ca_cert ? "key_path" : "cert_path");
}

int config_check_interception(const struct config *c, struct error *err)
{
	if (check_ca(c, err) < 0 || check_twice(&c->secrets, err) < 0)
		return -1;
	for (size_t i = 0; i < c->secrets.count; i++) {
		if (check_bypassed(c, &c->secrets.list[i], err) < 0)
			return -1;
	}
	if (c->tls.option && !config_intercepts(c))
		return error_set(err,
				 "--%s: nothing is intercepted, so it has no effect; add "
				 "--tls-intercept",
				 c->tls.option);
	return 0;
}

struct http_check {
	const struct config_tls *tls;
	struct error *err;
};

/* Here a pattern that lets out a part of the rule's names is as bad: the rule would not hold. */
static int check_http_name(void *arg, const char *rule_text, const struct name_pattern *name)
{
	const struct http_check *x = arg;
	struct name_pattern p;
	struct error unused;

	for (size_t i = 0; i < x->tls->bypass.n; i++) {
		const char *text = x->tls->bypass.v[i];
		if (pattern_read(text, &p, &unused) == 0 && pattern_meets(&p, name))
			return error_set(x->err,
					 "rule \"%.160s\": its requests could not be judged, since "
					 "%.120s is bypassed (tls.bypass)",
					 rule_text, text);
	}
	return 0;
}

int config_check_http(const struct config *c, const struct policy *p, struct error *err)
{
	struct http_check x = {.tls = &c->tls, .err = err};

	return policy_each_http_name(p, check_http_name, &x);
}
