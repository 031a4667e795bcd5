// SPDX-License-Identifier: Apache-2.0
/*
 * What a rule says of HTTP requests. It is for rules that allow: they then allow less. Such a rule
 * is for TCP alone, so that what HTTP/3 would carry past it is left to other rules.
 */
#include "policy/read.h"

/* A message of http/rules.h under the name that the part has here. */
static int fault_http(struct reader *rd, const struct error *why)
{
	/* What is about no one list says so in a sentence. */
	bool of_list = strchr(why->msg, '"') != NULL;

	rd->fault = PART_HTTP;
	return error_set(rd->err, "%s%s%.400s", rd->part_names[PART_HTTP], of_list ? "." : ": ",
			 why->msg);
}

int read_http(struct reader *rd, const struct http_rule_source *src)
{
	struct error why;

	rd->http = http_rule_new(src, &why);
	return rd->http ? 0 : fault_http(rd, &why);
}

#define PRESETS_MAX 16 /* there are fewer */

int read_http_presets(struct reader *rd, struct span list)
{
	char text[256], *rest = text;
	const char *names[PRESETS_MAX];
	struct http_rule_source src = {.presets = names};
	struct error why;

	if (list.n == 0 || list.n >= sizeof(text))
		return reader_fault(rd, PART_HTTP, &list,
				    "expected names of presets, such as "
				    "github-read-only");
	memcpy(text, list.p, list.n);
	text[list.n] = '\0';
	for (char *name; src.preset_count < PRESETS_MAX && (name = strsep(&rest, ","));)
		names[src.preset_count++] = name;
	rd->http = rest ? NULL : http_rule_new(&src, &why);
	if (rest)
		return reader_fault(rd, PART_HTTP, &list, "more than %d presets", PRESETS_MAX);
	return rd->http ? 0 : fault_http(rd, &why);
}

int check_http(struct reader *rd)
{
	const struct rule *r = &rd->rule;

	if (!rd->http)
		return 0;
	if (!r->allow)
		return reader_fault(rd, PART_HTTP, NULL,
				    "it is for rules that allow; what they do not allow is denied");
	if (r->dirs != RULE_EGRESS)
		return reader_fault(rd, PART_HTTP, NULL, "it is for egress only");
	if (r->dns)
		return reader_fault(rd, PART_HTTP, NULL, "the target \"dns\" is no HTTP");
	if (r->protos != POLICY_TCP)
		return reader_fault(rd, PART_PROTOCOL, NULL,
				    "requests are judged over TCP alone; expected tcp");
	return 0;
}
