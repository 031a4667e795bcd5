// SPDX-License-Identifier: Apache-2.0
/*
 * Structured rules from random bytes. Each line is a part, told by its first byte: a action,
 * d direction, t target, p protocol, o ports, s strict, h HTTP preset, m HTTP method; an empty line
 * ends a rule. Whatever is
 * taken must be the same policy when it is made again from the tokens that it shows.
 */
#include <stdio.h>

#include "http/rules.h"
#include "policy/fuzz_ask.h"

#define RULES_MAX 4
#define ITEMS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct parts {
	const char *targets[ITEMS_MAX], *protocols[ITEMS_MAX], *ports[ITEMS_MAX];
	const char *presets[ITEMS_MAX], *methods[ITEMS_MAX];
	struct http_rule_source http;
};

static void add_item(const char **items, size_t *count, const char *text)
{
	if (*count < ITEMS_MAX)
		items[(*count)++] = text;
}

static void add_part(struct parts *in, struct policy_rule_source *r, const char *line)
{
	const char *text = line + 1;

	switch (line[0]) {
	case 'a':
		r->action = text;
		break;
	case 'd':
		r->direction = text;
		break;
	case 't':
		add_item(in->targets, &r->target_count, text);
		break;
	case 'p':
		add_item(in->protocols, &r->protocol_count, text);
		break;
	case 'o':
		add_item(in->ports, &r->port_count, text);
		break;
	case 's':
		r->strict = true;
		break;
	case 'h':
		add_item(in->presets, &in->http.preset_count, text);
		r->http = &in->http;
		break;
	case 'm':
		add_item(in->methods, &in->http.method_count, text);
		r->http = &in->http;
		break;
	}
}

static size_t cut_rules(char *text, struct parts *parts, struct policy_rule_source *rules)
{
	size_t n = 0;

	for (size_t i = 0; i < RULES_MAX; i++) {
		parts[i].http = (struct http_rule_source){.presets = parts[i].presets,
							  .methods = parts[i].methods};
		rules[i] = (struct policy_rule_source){.targets = parts[i].targets,
						       .protocols = parts[i].protocols,
						       .ports = parts[i].ports,
						       .where = "place"};
	}
	for (char *line = text; line && n < RULES_MAX;) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = 0;
		if (*line)
			add_part(&parts[n], &rules[n], line);
		else
			n++;
		line = end;
	}
	return n < RULES_MAX ? n + 1 : n;
}

/* Lists of requests have no token: the policy is the same with a preset in their place. */
static char *with_preset(char *text)
{
	char *mark = strstr(text, " (http)"), *ret = NULL;

	if (!mark)
		return text;
	*mark = 0;
	check(asprintf(&ret, "%s:http=npm-install", text) > 0);
	free(text);
	return ret;
}

/* From the texts; a strict rule says so behind its token. */
static struct policy *make_again(const struct policy *p, const struct policy_rule_source *rules,
				 size_t n)
{
	struct policy_rule_source again[RULES_MAX] = {0};
	struct policy_source src = {.file_rules = again,
				    .file_rule_count = n,
				    .default_egress = -1,
				    .default_ingress = -1};
	struct error err = {0};
	char *texts[RULES_MAX];

	for (size_t i = 0; i < n; i++) {
		texts[i] = strdup(policy_rule_text(p, i));
		check(texts[i] != NULL);
		if (rules[i].strict) {
			char *mark = strstr(texts[i], " (strict)");

			check(mark && strlen(mark) == 9);
			*mark = 0;
		}
		texts[i] = with_preset(texts[i]);
		again[i] =
			(struct policy_rule_source){.token = texts[i], .strict = rules[i].strict};
	}
	struct policy *q = policy_new(&src, &err);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	return q;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parts parts[RULES_MAX];
	struct policy_rule_source rules[RULES_MAX];
	struct policy_source src = {.file_rules = rules,
				    .default_egress = -1,
				    .default_ingress = -1};
	struct error err = {0};
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	src.file_rule_count = cut_rules(text, parts, rules);
	struct policy *p = policy_new(&src, &err);
	if (p) {
		struct policy *q = make_again(p, rules, src.file_rule_count);

		check(q != NULL);
		ask_all(p, q);
		policy_free(q);
		policy_free(p);
	} else {
		check_error(&err);
		check(strncmp(err.msg, "place", 5) == 0);
	}
	free(text);
	return 0;
}
