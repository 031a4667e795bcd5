// SPDX-License-Identifier: Apache-2.0
/*
 * Making a policy: the user's rules in their order, then the preset's, and the defaults.
 * Either everything is right, or there is no policy.
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy/rule.h"

/* Rules up to which each is compared with all before it; a longer list would take too long to load.
 */
#define SHADOW_RULES_MAX 2000
/* Warnings kept; a list that needs more is told enough by these. */
#define WARNINGS_MAX 100

static int warn_shadowed(struct policy *p, const struct rule *by, const struct rule *r)
{
	struct quoted a = span_quote((struct span){r->text, strlen(r->text)});
	struct quoted b = span_quote((struct span){by->text, strlen(by->text)});

	if (asprintf(&p->warnings[p->warning_count],
		     "rule %s has no effect: the earlier rule %s matches "
		     "everything that it matches",
		     a.s, b.s) < 0)
		return -1;
	p->warning_count++;
	return 0;
}

/* Only the user's rules are compared: a preset's are meant to come last. */
static int find_shadowed(struct policy *p, size_t user_rules)
{
	if (user_rules > SHADOW_RULES_MAX)
		return 0;
	p->warnings = calloc(WARNINGS_MAX, sizeof(*p->warnings));
	if (!p->warnings)
		return -1;
	for (size_t i = 1; i < user_rules; i++) {
		for (size_t j = 0; j < i && p->warning_count < WARNINGS_MAX; j++) {
			if (!rule_shadows(&p->rules[j], &p->rules[i]))
				continue;
			if (warn_shadowed(p, &p->rules[j], &p->rules[i]) < 0)
				return -1;
			break;
		}
	}
	return 0;
}

struct policy *policy_new(const struct policy_source *src, struct error *err)
{
	struct preset preset;
	struct policy *p;

	if (src->rule_count > POLICY_RULES_MAX) {
		error_set(err, "more than %d rules", POLICY_RULES_MAX);
		return NULL;
	}
	if (preset_make(src, &preset, err) < 0)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		goto nomem;
	p->rules = calloc(src->rule_count + preset.rule_count + 1, sizeof(*p->rules));
	if (!p->rules)
		goto nomem;
	for (size_t i = 0; i < src->rule_count + preset.rule_count; i++) {
		const char *token =
			i < src->rule_count ? src->rules[i] : preset.rules[i - src->rule_count];

		if (rule_parse(token, &p->rules[i], err) < 0) {
			policy_free(p);
			return NULL;
		}
		p->rule_count++;
	}
	memcpy(p->def, preset.def, sizeof(p->def));
	memcpy(p->def_reason, preset.def_reason, sizeof(p->def_reason));
	p->open_all = preset.open_all;
	if (find_shadowed(p, src->rule_count) < 0)
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
	for (size_t i = 0; i < p->rule_count; i++)
		rule_done(&p->rules[i]);
	for (size_t i = 0; i < p->warning_count; i++)
		free(p->warnings[i]);
	free(p->warnings);
	free(p->rules);
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
