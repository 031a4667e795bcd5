// SPDX-License-Identifier: Apache-2.0
/*
 * Rules for requests from what was written: lists of a rule, and lines of presets.
 *
 * A pattern that no path could match in any reading is an error, and so is one that says less than
 * it seems to.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/presets.h"
#include "http/rules.h"
#include "http/rules_priv.h"
#include "http/text.h"

#define NAME_MAX_SHOWN 80

/* The item as a message shows it: cut, and what is not printable ASCII as a question mark. */
struct shown {
	char s[NAME_MAX_SHOWN + 1];
};

static struct shown show(const char *item)
{
	struct shown r;
	size_t n = 0;

	for (; item[n] && n < NAME_MAX_SHOWN; n++)
		r.s[n] = item[n] < ' ' || item[n] > '~' ? '?' : item[n];
	r.s[n] = '\0';
	return r;
}

static int fault(struct error *err, const char *list, const char *item, const char *what)
{
	return error_set(err, "%s \"%s\": %s", list, show(item).s, what);
}

static int no_memory(struct error *err)
{
	return error_set(err, "out of memory");
}

/* ---- items ----------------------------------------------------------------------------------- */

static int read_method(const char *text, char **ret, struct error *err)
{
	size_t n = strlen(text);
	bool lower = false;

	for (const char *p = text; *p; p++)
		lower |= *p >= 'a' && *p <= 'z';
	if (n == 0 || n > 64 || http_token_len(view_make(text, n)) != n)
		return fault(err, "methods", text, "expected a method such as GET");
	if (lower)
		return fault(err, "methods", text,
			     "the case of methods counts; expected capitals, such as GET");
	*ret = strdup(text);
	return *ret ? 0 : no_memory(err);
}

static int read_host(const char *text, struct name_pattern *ret, struct error *err)
{
	struct error why;

	return pattern_read(text, ret, &why) < 0 ? fault(err, "hosts", text, why.msg) : 0;
}

/* Whether the n characters, which begin a segment, are a dot segment. */
static bool is_dot_segment(const char *p)
{
	size_t n = strcspn(p, "/?");

	return (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
}

/* Why no path in its readings looks like the pattern's; NULL: one may. */
static const char *pattern_fault(const char *text, size_t n)
{
	if (*text != '/' && strncmp(text, "**", 2) != 0)
		return "expected a slash in front, as in /repos/**";
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (c <= ' ' || c > '~' || c == '\\' || c == '#' || c == ';')
			return "expected printable ASCII without blanks, backslash, number sign and "
			       "semicolon; other characters are written as in addresses, such as %20";
		if (c == '*' && i + 2 < n && text[i + 1] == '*' && text[i + 2] == '*')
			return "expected * (all but slashes) or ** (everything)";
		if (c == '/' && i + 1 < n && text[i + 1] == '/')
			return "no path is judged with two slashes together";
		if (c == '/' && is_dot_segment(text + i + 1))
			return "no path is judged with a dot segment";
	}
	return NULL;
}

/* Encodings stand in patterns in the one form that they have in a path that was decoded. */
static const char *encoding_fault(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t path[4] = {'/'}, out[4];
		const char *why;
		size_t len;

		if (text[i] != '%')
			continue;
		if (n - i < 3)
			return "a percent sign stands in front of two digits";
		memcpy(path + 1, text + i, 3);
		if (!http_path_normalise(view_make(path, 4), out, sizeof(out), &len, &why) ||
		    len != 4 || memcmp(out, path, 4) != 0)
			return "expected encodings in capitals, of characters that have to be "
			       "encoded, such as %20";
	}
	return NULL;
}

static int read_pattern(const char *list, const char *text, bool query_ok, struct path_pattern *ret,
			struct error *err)
{
	size_t n = strlen(text), path = strcspn(text, "?");
	const char *why = NULL;

	if (n == 0 || n > HTTP_PATTERN_MAX)
		return error_set(err, "%s \"%s\": expected 1 to %d characters", list, show(text).s,
				 HTTP_PATTERN_MAX);
	if (path < n && !query_ok)
		why = "a query is written in many ways, so none can be denied; expected a path";
	if (!why)
		why = pattern_fault(text, n);
	if (!why)
		why = encoding_fault(text, path);
	if (why)
		return fault(err, list, text, why);
	ret->has_query = path < n;
	if (!glob_init(&ret->path, text, path) ||
	    (ret->has_query && !glob_init(&ret->query, text + path + 1, n - path - 1))) {
		glob_done(&ret->path);
		return no_memory(err);
	}
	return 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int read_methods(struct clause *c, const char *const *items, size_t n, struct error *err)
{
	c->methods = calloc(n + 1, sizeof(*c->methods));
	if (!c->methods)
		return no_memory(err);
	for (size_t i = 0; i < n; i++, c->method_count++) {
		if (read_method(items[i], &c->methods[i], err) < 0)
			return -1;
	}
	return 0;
}

static int read_hosts(struct clause *c, const char *const *items, size_t n, struct error *err)
{
	c->hosts = calloc(n + 1, sizeof(*c->hosts));
	if (!c->hosts)
		return no_memory(err);
	for (size_t i = 0; i < n; i++, c->host_count++) {
		if (read_host(items[i], &c->hosts[i], err) < 0)
			return -1;
	}
	return 0;
}

static int read_patterns(const char *list, const char *const *items, size_t n, bool query_ok,
			 struct path_pattern **ret, size_t *ret_count, struct error *err)
{
	*ret = calloc(n + 1, sizeof(**ret));
	if (!*ret)
		return no_memory(err);
	for (size_t i = 0; i < n; i++, (*ret_count)++) {
		if (read_pattern(list, items[i], query_ok, &(*ret)[i], err) < 0)
			return -1;
	}
	return 0;
}

/* What holds every path in every reading need not look at it: then no path is refused. */
static bool holds_all(const char *const *patterns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(patterns[i], "/**") == 0 || strcmp(patterns[i], "**") == 0)
			return true;
	}
	return false;
}

static int read_clause(struct clause *c, const struct http_rule_source *src, struct error *err)
{
	if (read_methods(c, src->methods, src->method_count, err) < 0 ||
	    read_hosts(c, src->hosts, src->host_count, err) < 0 ||
	    read_patterns("paths", src->paths, src->path_count, true, &c->paths, &c->path_count,
			  err) < 0)
		return -1;
	c->all_paths = holds_all(src->paths, src->path_count) || src->path_count == 0;
	return 0;
}

/* ---- presets --------------------------------------------------------------------------------- */

/* Cuts a comma list, in place, into at most HTTP_RULE_ITEMS_MAX items. */
static size_t cut_list(char *list, const char **items)
{
	size_t n = 0;

	for (char *item; n < HTTP_RULE_ITEMS_MAX && (item = strsep(&list, ","));)
		items[n++] = item;
	return n;
}

/* "METHODS HOSTS PATH". */
static int read_line(struct http_rule *r, char *line, struct error *err)
{
	const char *methods[HTTP_RULE_ITEMS_MAX], *hosts[HTTP_RULE_ITEMS_MAX];
	char *part[3] = {strsep(&line, " "), strsep(&line, " "), line};
	const char *const path = part[2];
	struct http_rule_source src = {
		.methods = methods, .hosts = hosts, .paths = &path, .path_count = 1};

	src.method_count = cut_list(part[0], methods);
	src.host_count = cut_list(part[1], hosts);
	if (r->line_count == LINES_MAX)
		return error_set(err,
				 "presets: more than fit into one rule; expected several rules");
	return read_clause(&r->lines[r->line_count++], &src, err);
}

static const struct http_preset *preset_find(const char *name)
{
	const struct http_preset *p = http_presets;

	while (p->name && strcmp(p->name, name) != 0)
		p++;
	return p->name ? p : NULL;
}

static int fault_preset(const char *name, struct error *err)
{
	char list[160] = "expected ";

	for (const struct http_preset *p = http_presets; p->name; p++) {
		size_t n = strlen(list);
		snprintf(list + n, sizeof(list) - n, "%s%s",
			 p == http_presets ? ""
			 : p[1].name       ? ", "
					   : " or ",
			 p->name);
	}
	return fault(err, "presets", name, list);
}

static int read_preset(struct http_rule *r, const char *name, struct error *err)
{
	const struct http_preset *p = preset_find(name);
	char *text, *rest, *line;
	int rc = 0;

	if (!p)
		return fault_preset(name, err);
	rest = text = strdup(p->text);
	if (!text)
		return no_memory(err);
	while (rc == 0 && (line = strsep(&rest, "\n")) && *line)
		rc = read_line(r, line, err);
	free(text);
	return rc;
}

const char *http_preset_name(size_t i)
{
	return http_presets[i].name;
}

const char *http_preset_help(size_t i)
{
	return http_presets[i].help;
}

const char *http_preset_text(size_t i)
{
	return http_presets[i].text;
}

/* ---- a rule ---------------------------------------------------------------------------------- */

static int check_counts(const struct http_rule_source *src, struct error *err)
{
	if (src->method_count > HTTP_RULE_ITEMS_MAX || src->host_count > HTTP_RULE_ITEMS_MAX ||
	    src->path_count > HTTP_RULE_ITEMS_MAX || src->deny_path_count > HTTP_RULE_ITEMS_MAX)
		return error_set(err, "more than %d items in one list", HTTP_RULE_ITEMS_MAX);
	if (!src->method_count && !src->host_count && !src->path_count && !src->deny_path_count &&
	    !src->preset_count)
		return error_set(err,
				 "it says nothing; expected methods, hosts, paths, deny_paths or "
				 "presets");
	return 0;
}

static int read_rule(struct http_rule *r, const struct http_rule_source *src, struct error *err)
{
	if (check_counts(src, err) < 0 || read_clause(&r->own, src, err) < 0)
		return -1;
	if (src->preset_count && !(r->lines = calloc(LINES_MAX, sizeof(*r->lines))))
		return no_memory(err);
	for (size_t i = 0; i < src->preset_count; i++) {
		if (read_preset(r, src->presets[i], err) < 0)
			return -1;
	}
	return read_patterns("deny_paths", src->deny_paths, src->deny_path_count, false, &r->deny,
			     &r->deny_count, err);
}

struct http_rule *http_rule_new(const struct http_rule_source *src, struct error *err)
{
	struct http_rule *first = NULL, **end = &first;
	size_t n = 0;

	for (; src; src = src->next, n++) {
		struct http_rule *r = *end = calloc(1, sizeof(*r));
		int rc = !r ? no_memory(err)
			 : n == HTTP_RULE_PARTS_MAX
				 ? error_set(err, "more than %d alternatives", HTTP_RULE_PARTS_MAX)
				 : read_rule(r, src, err);
		if (rc < 0) {
			http_rule_free(first);
			return NULL;
		}
		end = &r->next;
	}
	return first;
}

static void patterns_free(struct path_pattern *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		glob_done(&list[i].path);
		glob_done(&list[i].query);
	}
	free(list);
}

static void clause_done(struct clause *c)
{
	for (size_t k = 0; k < c->method_count; k++)
		free(c->methods[k]);
	free(c->methods);
	free(c->hosts);
	patterns_free(c->paths, c->path_count);
}

void http_rule_free(struct http_rule *r)
{
	struct http_rule *next;

	for (; r; r = next) {
		next = r->next;
		clause_done(&r->own);
		for (size_t i = 0; i < r->line_count; i++)
			clause_done(&r->lines[i]);
		free(r->lines);
		patterns_free(r->deny, r->deny_count);
		free(r);
	}
}
