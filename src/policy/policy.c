// SPDX-License-Identifier: Apache-2.0
/*
 * Making a policy: the user's rules in their order, then the preset's, and the defaults.
 * Either everything is right, or there is no policy.
 */
#include <stdlib.h>

#include "policy/index.h"
#include "policy/read.h"

/* The rules' own texts and lists are in the arena. */
static int read_rules(struct policy *p, const struct policy_source *src,
		      const struct preset *preset, struct error *err)
{
	size_t n = src->rule_count, user = n + src->file_rule_count;
	struct reader rd;
	uint32_t http = 0;
	int rc = 0;

	reader_init(&rd, &p->mem, err);
	for (size_t i = 0; i < user + preset->rule_count && rc == 0; i++) {
		struct policy_rule_source token = {0};
		const struct policy_rule_source *one = &token;

		if (i < n)
			token.token = src->rules[i];
		else if (i < user)
			one = &src->file_rules[i - n];
		else
			token.token = preset->rules[i - user];
		rc = rule_read(&rd, one, &p->rules[p->rule_count]);
		if (rc < 0)
			break;
		http += p->rules[p->rule_count++].http != NULL;
		if (http > POLICY_HTTP_MAX)
			rc = error_set(err, "more than %d rules with http", POLICY_HTTP_MAX);
	}
	reader_done(&rd);
	return rc;
}

/* Names are all that the guest can reach: no user's rule lets it in by address, or at all. */
static bool only_names_allowed(const struct policy *p, size_t user_rules)
{
	for (size_t i = 0; i < user_rules; i++) {
		const struct rule *r = &p->rules[i];

		if (r->allow && (r->dirs & RULE_EGRESS) && rule_has_addresses(r))
			return false;
	}
	return p->def[POLICY_EGRESS] != POLICY_ALLOW;
}

static int finish(struct policy *p, const struct preset *preset, size_t user_rules)
{
	bool has_doh = false;

	for (size_t i = 0; i < p->rule_count; i++) {
		p->has_names |= rule_has_names(&p->rules[i]);
		p->has_http |= p->rules[i].http != NULL;
		has_doh |= p->rules[i].doh;
	}
	memcpy(p->def, preset->def, sizeof(p->def));
	memcpy(p->def_reason, preset->def_reason, sizeof(p->def_reason));
	p->open_all = preset->open_all;
	p->implicit_dns = preset->implicit_dns ? (uint32_t)user_rules : p->rule_count;
	p->only_names = preset->implicit_dns && only_names_allowed(p, user_rules);
	if (has_doh && !doh_load(&p->mem, &p->doh))
		return -1;
	p->index = malloc(sizeof(*p->index));
	if (!p->index || !index_make(p->index, p))
		return -1;
	return policy_warn(p, (uint32_t)user_rules);
}

struct policy *policy_new(const struct policy_source *src, struct error *err)
{
	struct preset preset;
	struct policy *p;

	if (src->rule_count > POLICY_RULES_MAX || src->file_rule_count > POLICY_RULES_MAX ||
	    src->rule_count + src->file_rule_count > POLICY_RULES_MAX) {
		error_set(err, "more than %d rules", POLICY_RULES_MAX);
		return NULL;
	}
	if (preset_make(src, &preset, err) < 0)
		return NULL;

	size_t user_rules = src->rule_count + src->file_rule_count;
	p = calloc(1, sizeof(*p));
	if (!p)
		goto nomem;
	p->rules = calloc(user_rules + preset.rule_count + 1, sizeof(*p->rules));
	if (!p->rules)
		goto nomem;
	if (read_rules(p, src, &preset, err) < 0) {
		policy_free(p);
		return NULL;
	}
	if (finish(p, &preset, user_rules) < 0)
		goto nomem;
	return p;
nomem:
	policy_free(p);
	error_set(err, "policy: out of memory");
	return NULL;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->warning_count; i++)
		free(p->warnings[i]);
	free(p->warnings);
	if (p->index)
		index_done(p->index);
	free(p->index);
	for (size_t i = 0; i < p->rule_count; i++)
		http_rule_free(p->rules[i].http);
	free(p->rules);
	arena_done(&p->mem);
	free(p);
}

size_t policy_rule_count(const struct policy *p)
{
	return p->rule_count;
}

const char *policy_rule_text(const struct policy *p, size_t i)
{
	return i < p->rule_count ? p->rules[i].text : "default";
}

size_t policy_warning_count(const struct policy *p)
{
	return p->warning_count;
}

const char *policy_warning_text(const struct policy *p, size_t i)
{
	return i < p->warning_count ? p->warnings[i] : "";
}

const struct http_rule *policy_rule_http(const struct policy *p, int rule)
{
	return rule >= 0 && (uint32_t)rule < p->rule_count ? p->rules[rule].http : NULL;
}

bool policy_has_http(const struct policy *p)
{
	return p->has_http;
}

int policy_each_http_name(const struct policy *p, policy_name_fn *fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *r = &p->rules[i];
		for (uint32_t k = 0; r->http && rc == 0 && k < r->name_count; k++) {
			struct name_pattern n = {.name.len = r->names[k].len,
						 .self = r->names[k].self,
						 .below = r->names[k].below};
			memcpy(n.name.s, r->names[k].s, n.name.len);
			rc = fn(arg, r->text, &n);
		}
	}
	return rc;
}
