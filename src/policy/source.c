// SPDX-License-Identifier: Apache-2.0
/*
 * One rule in either form: a token, or its parts one by one (a rule of the configuration file). The
 * parts come out as the token that says the same, which is what listings and events show.
 */
#include <stdio.h>

#include "policy/read.h"

static const char *const token_parts[PART_COUNT] = {
	[PART_ACTION] = "action",     [PART_DIRECTION] = "direction", [PART_TARGET] = "target",
	[PART_PROTOCOL] = "protocol", [PART_PORTS] = "ports",         [PART_STRICT] = "strict",
	[PART_HTTP] = "http",
};
/* The keys of a rule in the configuration. */
static const char *const key_parts[PART_COUNT] = {
	[PART_ACTION] = "action",      [PART_DIRECTION] = "direction",
	[PART_TARGET] = "destination", [PART_PROTOCOL] = "protocols",
	[PART_PORTS] = "ports",        [PART_STRICT] = "strict",
	[PART_HTTP] = "http",
};

#define HTTP_PART   ":http=" /* as token.c reads it */
#define HTTP_MARK   " (http)"
#define STRICT_MARK " (strict)" /* behind the text of a rule; the token form has no word for it */

static int read_list(struct reader *rd, enum rule_part part, const char *const *items, size_t n,
		     int (*fn)(struct reader *, struct span))
{
	if (n > POLICY_ITEMS_MAX)
		return reader_fault(rd, part, NULL, "more than %d items in one list",
				    POLICY_ITEMS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct span item = span_of(items[i]);

		if (item.n == 0)
			return reader_fault(rd, part, &item, "an item of the list is empty");
		if (fn(rd, item) < 0)
			return -1;
	}
	return 0;
}

static int read_parts(struct reader *rd, const struct policy_rule_source *src)
{
	if (!src->action)
		return reader_fault(rd, PART_ACTION, NULL, "missing; expected allow or deny");
	if (read_action(rd, span_of(src->action)) < 0)
		return -1;
	if (src->direction && read_direction(rd, span_of(src->direction)) < 0)
		return -1;
	if (src->target_count == 0)
		return reader_fault(rd, PART_TARGET, NULL,
				    "missing; expected any, a group, a name, or an address such as "
				    "10.0.0.0/8");
	if (read_list(rd, PART_TARGET, src->targets, src->target_count, read_target) < 0 ||
	    read_list(rd, PART_PROTOCOL, src->protocols, src->protocol_count, read_protocol) < 0)
		return -1;
	if (read_list(rd, PART_PORTS, src->ports, src->port_count, read_ports) < 0)
		return -1;
	return src->http ? read_http(rd, src->http) : 0;
}

/* A text under way; one byte is always left for the NUL. */
struct text {
	char *s;
	size_t n, cap;
};

static void put(struct text *t, const char *s)
{
	size_t n = strlen(s);

	/* `cap` is the sum of all pieces, so this never cuts. */
	if (n > t->cap - t->n)
		n = t->cap - t->n;
	memcpy(t->s + t->n, s, n);
	t->n += n;
}

static void put_list(struct text *t, const char *const *items, size_t n, bool brackets)
{
	for (size_t i = 0; i < n; i++) {
		bool in = brackets && target_is_bare_v6(span_of(items[i]));

		put(t, i ? "," : "");
		put(t, in ? "[" : "");
		put(t, items[i]);
		put(t, in ? "]" : "");
	}
}

static size_t list_len(const char *const *items, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += strlen(items[i]) + 3;
	return len;
}

/* The lists of a rule for requests have no token form, but for presets. */
static bool is_presets_alone(const struct http_rule_source *h)
{
	return !h->next && !h->method_count && !h->host_count && !h->path_count &&
	       !h->deny_path_count;
}

/* The token of the parts. Ports without protocols are those of the protocols that have ports. */
static int write_text(struct reader *rd, const struct policy_rule_source *src)
{
	bool has_more = src->protocol_count || src->port_count;
	struct text t = {.cap = 64};

	t.cap += list_len(src->targets, src->target_count);
	t.cap += list_len(src->protocols, src->protocol_count);
	t.cap += list_len(src->ports, src->port_count);
	t.cap += src->http ? list_len(src->http->presets, src->http->preset_count) : 0;
	if (t.cap > POLICY_TOKEN_MAX)
		return reader_fault(rd, PART_RULE, NULL, "longer than %d bytes", POLICY_TOKEN_MAX);
	t.s = arena_get(rd->mem, t.cap + 1);
	if (!t.s)
		return reader_no_memory(rd);
	put(&t, action_word(rd->rule.allow));
	if (rd->rule.dirs != RULE_EGRESS) {
		put(&t, ":");
		put(&t, direction_word(rd->rule.dirs));
	}
	put(&t, "@");
	put_list(&t, src->targets, src->target_count, has_more);
	if (has_more)
		put(&t, ":");
	if (src->protocol_count)
		put_list(&t, src->protocols, src->protocol_count, false);
	else if (has_more)
		put(&t, src->http ? "tcp" : "tcp,udp");
	if (src->port_count)
		put(&t, ":");
	put_list(&t, src->ports, src->port_count, false);
	if (src->http && is_presets_alone(src->http)) {
		put(&t, HTTP_PART);
		put_list(&t, src->http->presets, src->http->preset_count, false);
	} else if (src->http) {
		put(&t, HTTP_MARK);
	}
	put(&t, src->strict ? STRICT_MARK : "");
	t.s[t.n] = 0;
	rd->rule.text = t.s;
	return 0;
}

static int copy_text(struct reader *rd, const struct policy_rule_source *src)
{
	size_t n = strlen(src->token);
	char *s = arena_get(rd->mem, n + sizeof(STRICT_MARK));

	if (!s)
		return reader_no_memory(rd);
	memcpy(s, src->token, n + 1);
	if (src->strict)
		memcpy(s + n, STRICT_MARK, sizeof(STRICT_MARK));
	rd->rule.text = s;
	return 0;
}

/* Gives the rule lists of its own. */
static int keep_lists(struct reader *rd)
{
	struct rule *r = &rd->rule;

	if (r->prefix_count)
		r->prefixes =
			arena_copy(rd->mem, rd->prefixes, r->prefix_count * sizeof(*rd->prefixes));
	if (r->name_count)
		r->names = arena_copy(rd->mem, rd->names, r->name_count * sizeof(*rd->names));
	if (r->port_count)
		r->ports = arena_copy(rd->mem, rd->ports, r->port_count * sizeof(*rd->ports));
	if ((r->prefix_count && !r->prefixes) || (r->name_count && !r->names) ||
	    (r->port_count && !r->ports))
		return reader_no_memory(rd);
	return 0;
}

/* Puts in front of the message which rule it is about. */
static int name_rule(struct reader *rd, const struct policy_rule_source *src)
{
	struct error inner = *rd->err;

	if (src->token)
		error_prefix(&inner, "rule %s", span_quote(span_of(src->token)).s);
	if (!src->where)
		*rd->err = inner;
	else
		error_set(rd->err, "%.200s%s%.300s", src->where,
			  src->token || rd->fault == PART_RULE ? ": " : ".", inner.msg);
	return -1;
}

int rule_read(struct reader *rd, const struct policy_rule_source *src, struct rule *ret)
{
	rd->rule = (struct rule){.dirs = RULE_EGRESS, .strict = src->strict};
	rd->protos = 0;
	http_rule_free(rd->http);
	rd->http = NULL;
	rd->part_names = src->token ? token_parts : key_parts;
	if ((src->token ? token_read(rd, span_of(src->token)) : read_parts(rd, src)) < 0)
		return name_rule(rd, src);
	if (rd->protos)
		rd->rule.protos = rd->protos;
	else
		rd->rule.protos = rd->http              ? POLICY_TCP
				  : rd->rule.port_count ? POLICY_PROTO_PORTS
							: POLICY_PROTO_ALL;
	if (reader_check(rd) < 0 || keep_lists(rd) < 0)
		return name_rule(rd, src);
	if ((src->token ? copy_text(rd, src) : write_text(rd, src)) < 0)
		return name_rule(rd, src);
	rd->rule.http = rd->http;
	rd->http = NULL;
	*ret = rd->rule;
	return 0;
}

/* In a token the words for it stand behind a colon, and nowhere else. */
static bool has_http(const struct policy_rule_source *r)
{
	return r->http || (r->token && strstr(r->token, HTTP_PART));
}

bool policy_source_has_http(const struct policy_source *src)
{
	for (size_t i = 0; i < src->rule_count; i++) {
		if (strstr(src->rules[i], HTTP_PART))
			return true;
	}
	for (size_t i = 0; i < src->file_rule_count; i++) {
		if (has_http(&src->file_rules[i]))
			return true;
	}
	return false;
}
