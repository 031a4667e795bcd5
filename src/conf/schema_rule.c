// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of the file: tokens, or objects whose parts become the parts of a token.
 *
 * What a target, a protocol or a port is, the policy itself knows: here only the shape is judged,
 * so that no part can be taken for another one (a group for a name, say). A null in a rule is an
 * error: it must not make a rule wider.
 */
#include <stdio.h>
#include <string.h>

#include "conf/schema.h"
#include "http/rules.h"

enum member {
	DIRECTION,
	DESTINATION,
	PROTOCOLS,
	PORTS,
	ACTION,
	STRICT,
	HTTP,
	MEMBERS
};
static const char *const member_names[] = {
	"direction", "destination", "protocols", "ports", "action", "strict", "http", NULL,
};
static const char *const action_words[] = {"allow", "deny", NULL};
static const char *const direction_words[] = {"egress", "ingress", "any", NULL};
static const char *const group_words[] = {
	"host", "metadata", "loopback", "private", "link-local", "multicast", "public", NULL,
};
static const char *const target_names[] = {
	"any", "cidr", "domain", "domain_suffix", "group", "ip", NULL,
};

static int no_memory(struct schema_walk *w)
{
	return error_set(w->err, "%s: out of memory", w->file);
}

/* A copy of a text that lives as long as the configuration, with something in front. */
static const char *keep(struct schema_walk *w, const char *before, const char *text)
{
	size_t head = strlen(before), n = strlen(text);
	char *copy = arena_get(&w->c->file_mem, head + n + 1);

	if (!copy) {
		no_memory(w);
		return NULL;
	}
	memcpy(copy, before, head);
	memcpy(copy + head, text, n + 1);
	return copy;
}

static const char *keep_word(struct schema_walk *w, const struct tree_node *n,
			     const char *const *words)
{
	struct error why;
	int i = config_parse_word(n->kind == TREE_STRING ? n->text : "", words, &why);

	if (i >= 0)
		return words[i];
	schema_wrong(w, n, why.msg);
	return NULL;
}

/* ---- targets --------------------------------------------------------------------------------- */

/* {cidr: x} and {ip: x} are addresses, whatever else a token would make of the text. */
static const char *keep_address(struct schema_walk *w, const struct tree_node *n, bool single)
{
	struct ipaddr a;
	unsigned bits;

	if (n->kind == TREE_STRING && single && ipaddr_parse(n->text, &a))
		return keep(w, "", n->text);
	if (n->kind == TREE_STRING && !single && ipaddr_parse_prefix(n->text, false, &a, &bits))
		return keep(w, "", n->text);
	schema_wrong(w, n,
		     single ? "expected an IP address" : "expected a network such as 10.0.0.0/8");
	return NULL;
}

static const char *keep_name(struct schema_walk *w, const struct tree_node *n, const char *before)
{
	const char *text = schema_string(w, n);

	return text ? keep(w, before, text) : NULL;
}

static const char *keep_any(struct schema_walk *w, const struct tree_node *n)
{
	if (n->kind == TREE_BOOL && strcmp(n->text, "true") == 0)
		return "any";
	schema_wrong(w, n, "expected true");
	return NULL;
}

/* {KEY: x}, with exactly one key. */
static const char *keep_target_object(struct schema_walk *w, const struct tree_node *n)
{
	const struct tree_node *m[6];
	const struct tree_node *x = n->first;

	if (schema_members(w, n, target_names, m) < 0)
		return NULL;
	if (n->count != 1) {
		schema_fail(w, n->line,
			    "expected one of any, cidr, domain, domain_suffix, group and ip, found "
			    "%u keys",
			    n->count);
		return NULL;
	}
	tree_path_key(&w->path, x->key);
	if (strcmp(x->key, "any") == 0)
		return keep_any(w, x);
	if (strcmp(x->key, "cidr") == 0)
		return keep_address(w, x, false);
	if (strcmp(x->key, "domain") == 0)
		return keep_name(w, x, "domain=");
	if (strcmp(x->key, "domain_suffix") == 0)
		return keep_name(w, x, "suffix=");
	if (strcmp(x->key, "group") == 0)
		return keep_word(w, x, group_words);
	return keep_address(w, x, true);
}

static const char *keep_target(struct schema_walk *w, const struct tree_node *n)
{
	if (n->kind == TREE_OBJECT)
		return keep_target_object(w, n);
	if (n->kind == TREE_STRING)
		return keep(w, "", n->text);
	schema_wrong(
		w, n,
		"expected a target such as example.com, or an object such as {domain: example.com}");
	return NULL;
}

static const char *keep_text(struct schema_walk *w, const struct tree_node *n)
{
	const char *text = schema_string(w, n);

	return text ? keep(w, "", text) : NULL;
}

static const char *keep_ports(struct schema_walk *w, const struct tree_node *n)
{
	if (n->kind == TREE_STRING || n->kind == TREE_NUMBER)
		return keep(w, "", n->text);
	schema_wrong(w, n, "expected a port or a range such as \"8000-8100\"");
	return NULL;
}

/* ---- a rule ---------------------------------------------------------------------------------- */

/* A list of items, or one item alone. */
static int keep_list(struct schema_walk *w, const struct tree_node *n, const char *key,
		     const char *(*item)(struct schema_walk *w, const struct tree_node *n),
		     const char *const **ret, size_t *ret_count)
{
	bool list = n->kind == TREE_ARRAY;
	size_t count = list ? n->count : 1;
	const char **v = arena_get(&w->c->file_mem, (count + 1) * sizeof(*v));
	const struct tree_node *at = list ? n->first : n;
	size_t before = tree_path_key(&w->path, key);

	if (!v)
		return no_memory(w);
	for (size_t i = 0; i < count; i++, at = at->next) {
		size_t here = w->path.n;
		if (list)
			tree_path_index(&w->path, i);
		v[i] = item(w, at);
		if (!v[i])
			return -1;
		tree_path_cut(&w->path, here);
	}
	tree_path_cut(&w->path, before);
	*ret = v;
	*ret_count = count;
	return 0;
}

static int keep_member_word(struct schema_walk *w, const struct tree_node *n, const char *key,
			    const char *const *words, const char **ret)
{
	size_t before = tree_path_key(&w->path, key);

	*ret = keep_word(w, n, words);
	if (!*ret)
		return -1;
	tree_path_cut(&w->path, before);
	return 0;
}

static int refuse_nulls(struct schema_walk *w, const struct tree_node *n)
{
	for (const struct tree_node *m = n->first; m; m = m->next) {
		if (m->kind != TREE_NULL)
			continue;
		tree_path_key(&w->path, m->key);
		return schema_fail(w, m->line, "expected a value, found null");
	}
	return 0;
}

static int read_words(struct schema_walk *w, const struct tree_node *n,
		      const struct tree_node *const *m, struct policy_rule_source *r)
{
	if (!m[ACTION] || !m[DESTINATION])
		return schema_fail(w, n->line, "the key %s is missing",
				   m[ACTION] ? "destination" : "action");
	if (keep_member_word(w, m[ACTION], "action", action_words, &r->action) < 0)
		return -1;
	if (m[DIRECTION] &&
	    keep_member_word(w, m[DIRECTION], "direction", direction_words, &r->direction) < 0)
		return -1;
	if (m[STRICT]) {
		size_t before = tree_path_key(&w->path, "strict");
		if (schema_bool(w, m[STRICT], &r->strict) < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	return 0;
}

/* The lists of `http`; what may stand in them, http/rules.h knows. */
static int read_http_part(struct schema_walk *w, const struct tree_node *n,
			  const struct http_rule_source **ret)
{
	static const char *const names[] = {"methods",    "hosts",   "paths",
					    "deny_paths", "presets", NULL};
	struct http_rule_source *h = arena_get(&w->c->file_mem, sizeof(*h));
	const struct tree_node *m[5];

	if (!h)
		return no_memory(w);
	*h = (struct http_rule_source){0};
	struct {
		const char *const **items;
		size_t *count;
	} lists[] = {
		{&h->methods, &h->method_count}, {&h->hosts, &h->host_count},
		{&h->paths, &h->path_count},     {&h->deny_paths, &h->deny_path_count},
		{&h->presets, &h->preset_count},
	};
	if (schema_members(w, n, names, m) < 0 || refuse_nulls(w, n) < 0)
		return -1;
	for (int i = 0; i < 5; i++) {
		if (!m[i])
			continue;
		if (keep_list(w, m[i], names[i], keep_text, lists[i].items, lists[i].count) < 0)
			return -1;
		/* An empty list would hold nothing, and look as if it held everything. */
		if (!*lists[i].count) {
			tree_path_key(&w->path, names[i]);
			return schema_fail(w, m[i]->line, "the list is empty; expected an item");
		}
	}
	h->next = *ret;
	*ret = h;
	return 0;
}

/* One object, or a list of them, in whatever order. */
static int read_http(struct schema_walk *w, const struct tree_node *n, struct policy_rule_source *r)
{
	size_t before = tree_path_key(&w->path, "http"), i = 0;

	if (n->kind != TREE_ARRAY) {
		if (read_http_part(w, n, &r->http) < 0)
			return -1;
	} else if (!n->count || n->count > HTTP_RULE_PARTS_MAX) {
		return schema_fail(w, n->line, "expected 1 to %d objects, found %u",
				   HTTP_RULE_PARTS_MAX, n->count);
	} else {
		for (const struct tree_node *item = n->first; item; item = item->next) {
			size_t here = tree_path_index(&w->path, i++);
			if (read_http_part(w, item, &r->http) < 0)
				return -1;
			tree_path_cut(&w->path, here);
		}
	}
	tree_path_cut(&w->path, before);
	return 0;
}

static int read_parts(struct schema_walk *w, const struct tree_node *n,
		      struct policy_rule_source *r)
{
	const struct tree_node *m[MEMBERS];

	if (schema_members(w, n, member_names, m) < 0 || refuse_nulls(w, n) < 0 ||
	    read_words(w, n, m, r) < 0 ||
	    keep_list(w, m[DESTINATION], "destination", keep_target, &r->targets,
		      &r->target_count) < 0)
		return -1;
	if (!r->target_count) {
		tree_path_key(&w->path, "destination");
		return schema_fail(w, m[DESTINATION]->line, "the list is empty; expected a target");
	}
	if (m[PROTOCOLS] && keep_list(w, m[PROTOCOLS], "protocols", keep_text, &r->protocols,
				      &r->protocol_count) < 0)
		return -1;
	if (m[PORTS] && keep_list(w, m[PORTS], "ports", keep_ports, &r->ports, &r->port_count) < 0)
		return -1;
	return m[HTTP] ? read_http(w, m[HTTP], r) : 0;
}

static int read_rule(struct schema_walk *w, const struct tree_node *n, struct policy_rule_source *r)
{
	char where[320];

	*r = (struct policy_rule_source){0};
	snprintf(where, sizeof(where), "%s:%u: %s", w->file, n->line, w->path.s);
	r->where = keep(w, "", where);
	if (!r->where)
		return -1;
	if (n->kind == TREE_STRING) {
		r->token = keep(w, "", n->text);
		return r->token ? 0 : -1;
	}
	if (n->kind == TREE_OBJECT)
		return read_parts(w, n, r);
	return schema_wrong(w, n,
			    "expected a rule: a string such as allow@example.com, or an object");
}

int schema_rules(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	struct policy_rule_source *rules;
	size_t i = 0;

	w->c->file_lists_rules = true;
	if (n->kind == TREE_NULL)
		return 0;
	if (n->kind != TREE_ARRAY)
		return schema_wrong(w, n, "expected a list of rules");
	rules = arena_get(&w->c->file_mem, (n->count + 1) * sizeof(*rules));
	if (!rules)
		return no_memory(w);
	for (const struct tree_node *item = n->first; item; item = item->next, i++) {
		size_t before = tree_path_index(&w->path, i);
		if (read_rule(w, item, &rules[i]) < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	w->c->file_rules = rules;
	w->c->file_rule_count = i;
	return 0;
}
