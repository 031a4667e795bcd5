// SPDX-License-Identifier: Apache-2.0
/*
 * Judging requests. What a rule is made of, rules_read.c puts together.
 */
#include "http/rules.h"

#include "http/path.h"
#include "http/rules_priv.h"
#include "http/text.h"

/* Fields by which servers let a request be another one than it says. */
static const char *const other_methods[] = {"x-http-method-override", "x-http-method",
					    "x-method-override", NULL};
static const char *const other_paths[] = {"x-original-url", "x-rewrite-url", NULL};

static bool has_field(const struct http_head *h, const char *const *names)
{
	for (; *names; names++) {
		if (http_head_find(h, *names, NULL))
			return true;
	}
	return false;
}

/* ---- methods and hosts ----------------------------------------------------------------------- */

static bool is_method(struct view v, const char *method, bool any_case)
{
	size_t n = strlen(method);

	if (v.len != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = v.p[i];
		if (any_case && c >= 'a' && c <= 'z')
			c = (uint8_t)(c - 'a' + 'A');
		if (c != (uint8_t)method[i])
			return false;
	}
	return true;
}

static bool has_method(const struct clause *c, struct view method, bool any_case)
{
	for (size_t i = 0; i < c->method_count; i++) {
		if (is_method(method, c->methods[i], any_case))
			return true;
	}
	return c->method_count == 0;
}

/* The request's method, and each one that a field puts in its place. */
static bool has_methods(const struct clause *c, const struct http_head *h)
{
	if (!has_method(c, h->method, false))
		return false;
	for (const char *const *name = other_methods; *name; name++) {
		for (struct http_field *f = http_head_find(h, *name, NULL); f;
		     f = http_head_find(h, *name, f)) {
			if (!has_method(c, f->value, true))
				return false;
		}
	}
	return true;
}

static bool has_host(const struct clause *c, const struct http_head *h)
{
	if (c->host_count == 0)
		return true;
	if (!h->has_authority || !h->authority.name.len)
		return false;
	for (size_t i = 0; i < c->host_count; i++) {
		if (pattern_matches(&c->hosts[i], &h->authority.name))
			return true;
	}
	return false;
}

/* ---- paths ----------------------------------------------------------------------------------- */

struct target { /* of a request, in one reading */
	struct view path, query;
	bool has_query;
};

static bool has_path(const struct path_pattern *list, size_t n, const struct target *t)
{
	for (size_t i = 0; i < n; i++) {
		const struct path_pattern *p = &list[i];
		if (p->has_query && (!t->has_query || !glob_matches(&p->query, t->query)))
			continue;
		if (glob_matches(&p->path, t->path))
			return true;
	}
	return false;
}

/* A path that is denied is denied with a slash behind it, too. */
static bool is_denied(const struct http_rule *r, const struct target *t)
{
	struct target bare = *t;

	if (has_path(r->deny, r->deny_count, t))
		return true;
	if (t->path.len < 2 || t->path.p[t->path.len - 1] != '/')
		return false;
	bare.path.len--;
	return has_path(r->deny, r->deny_count, &bare);
}

/* Lines that hold the request but for its path, as bits. */
typedef uint64_t line_bits;
_Static_assert(LINES_MAX <= 64, "a bit each");

static bool holds_path(const struct clause *c, const struct target *t)
{
	return c->all_paths || has_path(c->paths, c->path_count, t);
}

static bool passes(const struct http_rule *r, line_bits held, const struct target *t)
{
	bool ok = r->line_count == 0;

	for (size_t i = 0; i < r->line_count && !ok; i++)
		ok = (held >> i & 1) && holds_path(&r->lines[i], t);
	return ok && holds_path(&r->own, t) && !is_denied(r, t);
}

static bool passes_after(const struct http_rule *r, line_bits held, const struct path *decoded,
			 const enum path_step *steps, struct target *t)
{
	uint8_t mem[HTTP_PATH_MAX];
	struct path p = {.p = mem, .len = decoded->len};

	memcpy(mem, decoded->p, decoded->len);
	for (; *steps != PATH_END; steps++)
		path_step(&p, *steps);
	t->path = view_make(p.p, p.len);
	return passes(r, held, t);
}

/* The reading that the standards have decides, but that it lets nothing pass that another one would
 * not. */
static enum http_rule_answer judge_readings(const struct http_rule *r, line_bits held,
					    const struct path *decoded, struct target *t,
					    const char **ret_why)
{
	static const enum path_step normal[] = {PATH_MERGE_SLASHES, PATH_REMOVE_DOTS, PATH_END};
	enum path_step steps[4];

	if (!passes_after(r, held, decoded, normal, t))
		return HTTP_RULE_DENY;
	for (unsigned i = 0; i < PATH_READINGS; i++) {
		if (path_reading(decoded, i, steps) && !passes_after(r, held, decoded, steps, t)) {
			*ret_why = "a path that servers read in two ways";
			return HTTP_RULE_AMBIGUOUS;
		}
	}
	return HTTP_RULE_ALLOW;
}

static enum http_rule_answer judge_path(const struct http_rule *r, line_bits held,
					const struct http_head *h, const char **ret_why)
{
	uint8_t mem[HTTP_PATH_MAX];
	struct path decoded = {.p = mem};
	struct target t = {.path = h->path};
	const uint8_t *query = h->path.len ? memchr(h->path.p, '?', h->path.len) : NULL;

	if (has_field(h, other_paths)) {
		*ret_why = "a field that names another path";
		return HTTP_RULE_AMBIGUOUS;
	}
	if (h->path.len == 0 || http_text_is_exactly(h->path, "*")) { /* CONNECT, OPTIONS */
		t.path.len = 0;
		return passes(r, held, &t) ? HTTP_RULE_ALLOW : HTTP_RULE_DENY;
	}
	if (query) {
		t.path.len = (size_t)(query - h->path.p);
		t.query = view_make(query + 1, h->path.len - t.path.len - 1);
		t.has_query = true;
	}
	if (!path_decode(t.path, sizeof(mem), &decoded, ret_why))
		return HTTP_RULE_AMBIGUOUS;
	return judge_readings(r, held, &decoded, &t, ret_why);
}

static bool holds_rest(const struct clause *c, const struct http_head *h)
{
	return has_methods(c, h) && has_host(c, h);
}

static enum http_rule_answer judge_one(const struct http_rule *r, const struct http_head *request,
				       const char **ret_why)
{
	bool paths = r->deny_count || !r->own.all_paths;
	line_bits held = 0;

	if (!holds_rest(&r->own, request))
		return HTTP_RULE_DENY;
	for (size_t i = 0; i < r->line_count; i++) {
		if (!holds_rest(&r->lines[i], request))
			continue;
		held |= (line_bits)1 << i;
		paths |= !r->lines[i].all_paths;
	}
	if (r->line_count && !held)
		return HTTP_RULE_DENY;
	return paths ? judge_path(r, held, request, ret_why) : HTTP_RULE_ALLOW;
}

/* A request that one alternative lets pass in each of its readings passes. */
enum http_rule_answer http_rule_judge(const struct http_rule *r, const struct http_head *request,
				      const char **ret_why)
{
	enum http_rule_answer answer = HTTP_RULE_DENY;

	for (; r && answer != HTTP_RULE_ALLOW; r = r->next) {
		enum http_rule_answer one = judge_one(r, request, ret_why);
		if (one != HTTP_RULE_DENY)
			answer = one;
	}
	return answer;
}
