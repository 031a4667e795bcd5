// SPDX-License-Identifier: Apache-2.0
/*
 * The section secrets: where each value comes from, where it may go, and in which form.
 *
 * A file says where a value is, and never holds one: this is the process that a guest's packets
 * reach, and the value must not pass through it.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"

static int no_memory(struct schema_walk *w)
{
	return error_set(w->err, "%s: out of memory", w->file);
}

/* ---- hosts ----------------------------------------------------------------------------------- */

/* "any", "x.com", {exact: x.com} or {wildcard: "*.x.com"}. */
static int add_host(struct schema_walk *w, const struct tree_node *n, struct strv *list)
{
	static const char *const names[] = {"exact", "wildcard", "Exact", "Wildcard", NULL};
	const struct tree_node *m[4];
	const char *text;
	struct error why;

	if (n->kind == TREE_OBJECT) {
		if (schema_members(w, n, names, m) < 0)
			return -1;
		if (n->count != 1)
			return schema_fail(w, n->line, "expected exact or wildcard, found %u keys",
					   n->count);
		n = n->first;
		tree_path_key(&w->path, n->key);
	} else if (n->kind != TREE_STRING) {
		return schema_wrong(w, n, "expected a host such as example.com");
	}
	text = schema_string(w, n);
	if (!text)
		return -1;
	if (strcmp(text, "Any") == 0)
		text = "any";
	if (config_check_host(text, true, &why) < 0)
		return schema_wrong(w, n, why.msg);
	return strv_add(list, text) ? 0 : no_memory(w);
}

static int read_hosts(struct schema_walk *w, const struct tree_node *n, struct strv *list)
{
	size_t i = 0;

	if (n->kind != TREE_ARRAY)
		return schema_wrong(w, n, "expected a list of hosts");
	for (const struct tree_node *item = n->first; item; item = item->next) {
		size_t before = tree_path_index(&w->path, i++);
		if (add_host(w, item, list) < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	return 0;
}

/* ---- what a violation leads to --------------------------------------------------------------- */

/* Each in the spellings that it has elsewhere, too. */
static const struct {
	const char *word;
	enum config_violation value;
} violations[] = {
	{"block", CONFIG_VIOLATION_BLOCK},
	{"block-and-log", CONFIG_VIOLATION_BLOCK_AND_LOG},
	{"block-and-terminate", CONFIG_VIOLATION_BLOCK_AND_TERMINATE},
	{"block_and_log", CONFIG_VIOLATION_BLOCK_AND_LOG},
	{"block_and_terminate", CONFIG_VIOLATION_BLOCK_AND_TERMINATE},
	{"Block", CONFIG_VIOLATION_BLOCK},
	{"BlockAndLog", CONFIG_VIOLATION_BLOCK_AND_LOG},
	{"BlockAndTerminate", CONFIG_VIOLATION_BLOCK_AND_TERMINATE},
};

/* {passthrough: [HOST...]}: what goes to these hosts is let alone, the rest is blocked and logged.
 */
static int read_passthrough(struct schema_walk *w, const struct tree_node *n, struct strv *list)
{
	static const char *const names[] = {"passthrough", "Passthrough", NULL};
	const struct tree_node *m[2];

	if (schema_members(w, n, names, m) < 0)
		return -1;
	const struct tree_node *hosts = m[0] ? m[0] : m[1];
	if (!hosts || n->count != 1)
		return schema_fail(w, n->line, "expected a word, or one key, passthrough");
	size_t before = tree_path_key(&w->path, hosts->key);
	if (read_hosts(w, hosts, list) < 0)
		return -1;
	tree_path_cut(&w->path, before);
	return 0;
}

static int read_violation(struct schema_walk *w, const struct tree_node *n,
			  enum config_violation *ret, struct strv *passthrough)
{
	static const char *const words[] = {"block", "block-and-log", "block-and-terminate", NULL};
	struct error why;

	if (n->kind == TREE_OBJECT) {
		*ret = CONFIG_VIOLATION_BLOCK_AND_LOG;
		return read_passthrough(w, n, passthrough);
	}
	for (size_t i = 0; i < sizeof(violations) / sizeof(violations[0]); i++) {
		if (n->kind == TREE_STRING && strcmp(n->text, violations[i].word) == 0) {
			*ret = violations[i].value;
			return 0;
		}
	}
	config_parse_word(n->kind == TREE_STRING ? n->text : "", words, &why);
	return schema_wrong(w, n, why.msg);
}

int schema_on_violation(struct schema_walk *w, const struct schema_key *k,
			const struct tree_node *n)
{
	return read_violation(w, n, &w->c->secrets.on_violation, &w->c->secrets.passthrough);
}

/* ---- a secret -------------------------------------------------------------------------------- */

static int read_text(struct schema_walk *w, const struct tree_node *n, char **ret)
{
	const char *text = schema_string(w, n);

	if (!text)
		return -1;
	if (!*text)
		return schema_wrong(w, n, "expected a text that is not empty");
	free(*ret);
	*ret = strdup(text);
	return *ret ? 0 : no_memory(w);
}

static int read_injection(struct schema_walk *w, const struct tree_node *n,
			  struct config_injection *ret)
{
	static const char *const names[] = {"headers", "basic_auth", "query_params",
					    "body",    "path",       "websocket",
					    NULL};
	bool *const fields[] = {&ret->headers, &ret->basic_auth, &ret->query_params,
				&ret->body,    &ret->path,       &ret->websocket};
	const struct tree_node *m[6];

	if (schema_members(w, n, names, m) < 0)
		return -1;
	for (int i = 0; i < 6; i++) {
		if (!m[i])
			continue;
		size_t before = tree_path_key(&w->path, names[i]);
		if (schema_bool(w, m[i], fields[i]) < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	return 0;
}

static const char *const signer_words[] = {
	"sigv4", "hmac", "oauth2-client-credentials", "oauth2-refresh-token", "github-app", NULL};
static const enum config_signer signer_values[] = {CONFIG_SIGNER_SIGV4, CONFIG_SIGNER_HMAC,
						   CONFIG_SIGNER_CLIENT, CONFIG_SIGNER_REFRESH,
						   CONFIG_SIGNER_GITHUB_APP};
static const char *const algorithm_words[] = {"sha256", "sha1", "sha512", NULL};

static int read_word(struct schema_walk *w, const struct tree_node *n, const char *const *words)
{
	struct error why;
	int i = config_parse_word(n->kind == TREE_STRING ? n->text : "", words, &why);

	return i < 0 ? schema_wrong(w, n, why.msg) : i;
}

/* A member that is there: with the path on it. */
static int with_text(struct schema_walk *w, const struct tree_node *n, char **ret)
{
	if (!n)
		return 0;
	size_t before = tree_path_key(&w->path, n->key);
	if (read_text(w, n, ret) < 0)
		return -1;
	tree_path_cut(&w->path, before);
	return 0;
}

static int read_signer(struct schema_walk *w, const struct tree_node *n, struct config_secret *s)
{
	static const char *const names[] = {"type",   "token_url", "scope", "app_id",
					    "header", "algorithm", NULL};
	const struct tree_node *m[6];

	if (schema_members(w, n, names, m) < 0)
		return -1;
	if (!m[0])
		return schema_fail(w, n->line, "the key type is missing");
	size_t before = tree_path_key(&w->path, "type");
	int type = read_word(w, m[0], signer_words);
	if (type < 0)
		return -1;
	tree_path_cut(&w->path, before);
	s->signer = signer_values[type];
	if (m[5]) {
		before = tree_path_key(&w->path, "algorithm");
		if (read_word(w, m[5], algorithm_words) < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	if (with_text(w, m[1], &s->token_url) < 0 || with_text(w, m[2], &s->scope) < 0 ||
	    with_text(w, m[3], &s->app_id) < 0 || with_text(w, m[4], &s->header) < 0 ||
	    with_text(w, m[5], &s->algorithm) < 0)
		return -1;
	if (s->signer == CONFIG_SIGNER_HMAC && !s->algorithm) {
		s->algorithm = strdup("sha256");
		return s->algorithm ? 0 : no_memory(w);
	}
	return 0;
}

static int read_expiry(struct schema_walk *w, const struct tree_node *n, uint64_t *ret_us)
{
	struct error why;
	const char *text = n->kind == TREE_NUMBER || n->kind == TREE_STRING ? n->text : "";

	if (config_parse_time_us(text, 1000 * 1000, ret_us, &why) < 0)
		return schema_wrong(w, n, why.msg);
	if (*ret_us && *ret_us < 1000 * 1000)
		return schema_wrong(w, n, "expected 1s or more, or 0 for never");
	return 0;
}

enum member {
	ENV_VAR,
	VALUE,
	ENV,
	FILE_,
	COMMAND,
	EXPIRY,
	PLACEHOLDER,
	FORMAT,
	HOSTS,
	PASSTHROUGH,
	INJECTION,
	ON_VIOLATION,
	TLS_IDENTITY,
	REQUIRE,
	CAPTURE,
	SIGNER,
	MEMBERS
};
static const char *const member_names[] = {
	"env_var",
	"value",
	"env",
	"file",
	"command",
	"expiry",
	"placeholder",
	"format",
	"allowed_hosts",
	"passthrough_hosts",
	"injection",
	"on_violation",
	"require_tls_identity",
	"require",
	"capture",
	"signer",
	NULL,
};

/* A value in the file: never shown, and not taken. */
static int refuse_value(struct schema_walk *w, const struct tree_node *n)
{
	if (n->kind == TREE_STRING && !*n->text)
		return 0;
	tree_path_key(&w->path, "value");
	return schema_fail(
		w, n->line,
		"a value does not stand in a file, where whoever reads it has it; expected "
		"env, file or command, which say where it is");
}

/* Where the value comes from: one of three keys, or the variable of the secret's own name. */
static int read_source(struct schema_walk *w, const struct tree_node *const *m,
		       struct config_secret *s)
{
	const struct tree_node *from = NULL;

	for (int i = ENV; i <= COMMAND; i++) {
		if (!m[i])
			continue;
		if (from)
			return schema_fail(w, m[i]->line, "%s and %s: expected one of them",
					   from->key, m[i]->key);
		from = m[i];
		s->source = i == ENV     ? CONFIG_SECRET_ENV
			    : i == FILE_ ? CONFIG_SECRET_FILE
					 : CONFIG_SECRET_COMMAND;
	}
	if (from)
		return with_text(w, from, &s->from);
	s->from = strdup(s->env_var);
	return s->from ? 0 : no_memory(w);
}

/* The secret's name, which is the guest's variable: env_var, or that of `env`. */
static int read_name(struct schema_walk *w, const struct tree_node *n,
		     const struct tree_node *const *m, struct config_secret *s)
{
	const struct tree_node *name = m[ENV_VAR] ? m[ENV_VAR] : m[ENV];
	struct error why;

	if (!name)
		return schema_fail(w, n->line, "the key env_var is missing");
	if (with_text(w, name, &s->env_var) < 0)
		return -1;
	if (config_check_env_name(s->env_var, &why) == 0)
		return 0;
	tree_path_key(&w->path, name->key);
	return schema_wrong(w, name, why.msg);
}

typedef int (*read_fn)(struct schema_walk *w, const struct tree_node *n, void *field);

static int read_hosts_field(struct schema_walk *w, const struct tree_node *n, void *field)
{
	return read_hosts(w, n, field);
}

static int read_injection_field(struct schema_walk *w, const struct tree_node *n, void *field)
{
	return read_injection(w, n, field);
}

static int read_violation_field(struct schema_walk *w, const struct tree_node *n, void *field)
{
	struct config_secret *s = field;

	return read_violation(w, n, &s->on_violation, &s->passthrough);
}

static int read_bool_field(struct schema_walk *w, const struct tree_node *n, void *field)
{
	return schema_bool(w, n, field);
}

static int read_signer_field(struct schema_walk *w, const struct tree_node *n, void *field)
{
	return read_signer(w, n, field);
}

static int read_expiry_field(struct schema_walk *w, const struct tree_node *n, void *field)
{
	return read_expiry(w, n, field);
}

static int read_members(struct schema_walk *w, const struct tree_node *const *m,
			struct config_secret *s)
{
	const struct {
		enum member member;
		read_fn fn;
		void *field;
	} rest[] = {
		{EXPIRY, read_expiry_field, &s->expiry_us},
		{HOSTS, read_hosts_field, &s->hosts},
		{PASSTHROUGH, read_hosts_field, &s->passthrough},
		{INJECTION, read_injection_field, &s->injection},
		{ON_VIOLATION, read_violation_field, s},
		{TLS_IDENTITY, read_bool_field, &s->require_tls_identity},
		{REQUIRE, read_bool_field, &s->require},
		{CAPTURE, read_bool_field, &s->capture},
		{SIGNER, read_signer_field, s},
	};

	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		const struct tree_node *n = m[rest[i].member];
		if (!n)
			continue;
		size_t before = tree_path_key(&w->path, n->key);
		if (rest[i].fn(w, n, rest[i].field) < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	return 0;
}

static int read_secret(struct schema_walk *w, const struct tree_node *n, struct config_secret *s)
{
	const struct tree_node *m[MEMBERS];
	struct error why;

	if (schema_members(w, n, member_names, m) < 0)
		return -1;
	if (asprintf(&s->where, "%s:%u: %s", w->file, n->line, w->path.s) < 0) {
		s->where = NULL;
		return no_memory(w);
	}
	if ((m[VALUE] && refuse_value(w, m[VALUE]) < 0) || read_name(w, n, m, s) < 0 ||
	    read_source(w, m, s) < 0 || with_text(w, m[PLACEHOLDER], &s->placeholder) < 0 ||
	    with_text(w, m[FORMAT], &s->format) < 0 || read_members(w, m, s) < 0)
		return -1;
	return config_check_secret(s, &why) < 0 ? schema_fail(w, n->line, "%s", why.msg) : 0;
}

static int item_secret(struct schema_walk *w, const struct tree_node *n)
{
	struct config_secret s;
	struct error why;

	config_secret_init(&s);
	if (read_secret(w, n, &s) < 0) {
		config_secret_done(&s);
		return -1;
	}
	return config_add_secret_parsed(w->c, &s, &why) < 0 ? schema_fail(w, n->line, "%s", why.msg)
							    : 0;
}

int schema_secrets(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	return schema_each(w, n, "objects", item_secret);
}

int schema_secrets_finish(struct schema_walk *w)
{
	struct config_secrets *all = &w->c->secrets;

	for (size_t i = 0; i < all->count; i++) {
		struct config_secret *s = &all->list[i];
		if (s->on_violation != CONFIG_VIOLATION_UNSET || s->passthrough.n)
			continue;
		for (size_t k = 0; k < all->passthrough.n; k++) {
			if (!strv_add(&s->passthrough, all->passthrough.v[k]))
				return no_memory(w);
		}
	}
	return 0;
}
