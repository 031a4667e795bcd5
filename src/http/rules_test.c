// SPDX-License-Identifier: Apache-2.0
/*
 * Which requests pass a rule, and which paths are refused because servers read them differently.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/rules.h"

#define LIST_MAX 16

/* A list in one text, its items parted by blanks. */
struct list {
	char text[1024];
	const char *items[LIST_MAX];
	size_t n;
};

static void cut(struct list *l, const char *text)
{
	char *rest = l->text;

	l->n = 0;
	snprintf(l->text, sizeof(l->text), "%s", text);
	for (char *item; *text && (item = strsep(&rest, " "));)
		l->items[l->n++] = item;
}

struct rule_text {
	const char *methods, *hosts, *paths, *deny, *presets;
};

static struct http_rule *make(const struct rule_text *t, struct error *err)
{
	const char *texts[] = {t->methods, t->hosts, t->paths, t->deny, t->presets};
	struct list l[5];

	for (int i = 0; i < 5; i++)
		cut(&l[i], texts[i] ? texts[i] : "");
	const struct http_rule_source src = {
		.methods = l[0].items,
		.method_count = l[0].n,
		.hosts = l[1].items,
		.host_count = l[1].n,
		.paths = l[2].items,
		.path_count = l[2].n,
		.deny_paths = l[3].items,
		.deny_path_count = l[3].n,
		.presets = l[4].items,
		.preset_count = l[4].n,
	};
	return http_rule_new(&src, err);
}

static struct view text_view(const char *s)
{
	return view_make(s, strlen(s));
}

/* "METHOD AUTHORITY PATH[ FIELD: VALUE]". */
static enum http_rule_answer judge(const struct http_rule *r, const char *request,
				   const char **ret_why)
{
	char text[512];
	struct http_head h = {0};

	snprintf(text, sizeof(text), "%s", request);
	char *rest = text;
	const char *method = strsep(&rest, " "), *authority = strsep(&rest, " ");
	const char *path = strsep(&rest, " "), *field = strsep(&rest, ":");
	http_fields_init(&h.fields);
	h.method = text_view(method);
	h.path = text_view(path);
	h.has_authority = http_authority_read(text_view(authority), &h.authority);
	if (field)
		assert_true(http_fields_add(&h.fields, text_view(field), text_view(rest + 1)));
	enum http_rule_answer a = http_rule_judge(r, &h, ret_why);
	http_fields_done(&h.fields);
	return a;
}

struct row {
	const char *request;
	enum http_rule_answer answer;
};

static void answers(const struct rule_text *t, const struct row *rows, size_t n)
{
	struct error err = {0};
	struct http_rule *r = make(t, &err);

	if (!r)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < n; i++) {
		const char *why = NULL;
		enum http_rule_answer got = judge(r, rows[i].request, &why);
		if (got != rows[i].answer)
			fail_msg("%s: %d, not %d (%s)", rows[i].request, got, rows[i].answer,
				 why ? why : "");
		if (got == HTTP_RULE_AMBIGUOUS)
			assert_non_null(why);
	}
	http_rule_free(r);
}
#define ANSWERS(rule, ...)                                                \
	do {                                                              \
		const struct rule_text text_ = rule;                      \
		const struct row rows_[] = {__VA_ARGS__};                 \
		answers(&text_, rows_, sizeof(rows_) / sizeof(rows_[0])); \
	} while (0)
#define RULE(...) ((struct rule_text){__VA_ARGS__})
#define YES(r)                     \
	{                          \
		r, HTTP_RULE_ALLOW \
	}
#define NO(r)                     \
	{                         \
		r, HTTP_RULE_DENY \
	}
#define BAD(r)                         \
	{                              \
		r, HTTP_RULE_AMBIGUOUS \
	}

static void methods_are_compared_with_case(void **state)
{
	ANSWERS(RULE(.methods = "GET HEAD"), YES("GET a.com /"), YES("HEAD a.com /x"),
		NO("POST a.com /"), NO("get a.com /"), NO("GETT a.com /"), NO("GE a.com /"),
		NO("CONNECT a.com "), NO("OPTIONS a.com *"),
		/* Where nothing looks at paths, any path will do. */
		YES("GET a.com /a%2fb/../\\"));
}

static void a_field_that_names_another_method_is_judged(void **state)
{
	ANSWERS(RULE(.methods = "GET POST"), YES("POST a.com / X-HTTP-Method-Override: GET"),
		NO("POST a.com / X-HTTP-Method-Override: DELETE"),
		NO("POST a.com / x-http-method: DELETE"),
		NO("GET a.com / X-Method-Override: delete"),
		YES("POST a.com / X-Method-Override: get"), YES("POST a.com / X-Other: DELETE"));
	ANSWERS(RULE(.paths = "/"), YES("POST a.com / X-HTTP-Method-Override: DELETE"),
		BAD("POST a.com / X-Original-URL: /admin"),
		BAD("POST a.com / x-rewrite-url: /admin"));
}

static void hosts_are_patterns(void **state)
{
	ANSWERS(RULE(.hosts = "a.com *.b.com .c.com"), YES("GET a.com /"), YES("GET A.com:443 /"),
		NO("GET x.a.com /"), NO("GET b.com /"), YES("GET x.b.com /"),
		YES("GET y.x.b.com /"), YES("GET c.com /"), YES("GET x.c.com /"),
		NO("GET evilc.com /"), NO("GET c.com.evil.com /"), NO("GET 192.0.2.1 /"));
	ANSWERS(RULE(.hosts = "any"), YES("GET a.com /"));
}

static void patterns_hold_paths(void **state)
{
	ANSWERS(RULE(.paths = "/repos/*/**"), YES("GET a.com /repos/x/y"),
		YES("GET a.com /repos/x/y/z"), YES("GET a.com /repos/x/"), NO("GET a.com /repos/x"),
		NO("GET a.com /repos"), NO("GET a.com /Repos/x/y"), YES("GET a.com /repos/x/y?q=/"),
		NO("GET a.com /xrepos/x/y"), NO("OPTIONS a.com *"), NO("CONNECT a.com:443 "));
	ANSWERS(RULE(.paths = "/a /b/*.js /**/end"), YES("GET a.com /a"), NO("GET a.com /a/"),
		NO("GET a.com /aa"), YES("GET a.com /b/x.js"), YES("GET a.com /b/.js"),
		NO("GET a.com /b/c/x.js"), YES("GET a.com /x/y/end"), NO("GET a.com /end"),
		YES("GET a.com /x/end/end"), NO("GET a.com /x/end/no"));
	ANSWERS(RULE(.paths = "/*a*b*c"), YES("GET a.com /abc"), YES("GET a.com /xaxbxxbc"),
		NO("GET a.com /acb"), NO("GET a.com /a/bc"));
	ANSWERS(RULE(.paths = "/a%20b"), YES("GET a.com /a%20b"), NO("GET a.com /a+b"));
	/* These look at nothing. */
	ANSWERS(RULE(.paths = "**"), YES("GET a.com /"), YES("GET a.com /a%2fb"));
	ANSWERS(RULE(.paths = "/x /**"), YES("GET a.com /"), YES("GET a.com /a/../%2f"),
		YES("OPTIONS a.com *"));
}

static void a_pattern_may_be_for_one_query(void **state)
{
	ANSWERS(RULE(.paths = "/x?a=* /y?"), YES("GET a.com /x?a=1"), NO("GET a.com /x"),
		NO("GET a.com /x?b=1"), NO("GET a.com /x?%61=1"), YES("GET a.com /x?a=1&b=2"),
		YES("GET a.com /y?"), NO("GET a.com /y"), NO("GET a.com /y?z"));
}

static void denied_paths_win(void **state)
{
	ANSWERS(RULE(.paths = "/**", .deny = "/admin /admin/** /**/secret"), YES("GET a.com /"),
		NO("GET a.com /admin"), NO("GET a.com /admin/"), NO("GET a.com /admin/x"),
		YES("GET a.com /administrator"), NO("GET a.com /x/secret"),
		NO("GET a.com /x/secret/"), NO("GET a.com /admin?x=1"));
	ANSWERS(RULE(.deny = "/admin"), YES("GET a.com /"), YES("OPTIONS a.com *"),
		NO("POST a.com /admin"));
}

/* One reading, or 400. */
static void paths_of_two_readings_are_refused(void **state)
{
	ANSWERS(RULE(.paths = "/public/**"),
		/* All readings are inside, or the standards' own is outside. */
		YES("GET a.com /public/a"), YES("GET a.com /%70ublic/%61"),
		YES("GET a.com /public/a//b"), YES("GET a.com /public/a/./b"),
		YES("GET a.com /public/a;v=1"), NO("GET a.com /private/../admin"),
		NO("GET a.com //admin"), NO("GET a.com /admin"),
		/* Another one is outside. */
		NO("GET a.com /public/../admin"), NO("GET a.com /public/%2e%2e/admin"),
		NO("GET a.com /public/.%2E/admin"), BAD("GET a.com /admin/../public/x"),
		BAD("GET a.com //public/x"), BAD("GET a.com /x/..//public/x"),
		NO("GET a.com /public/.."), BAD("GET a.com /./public/x"),
		/* Others that no list of steps tells. */
		BAD("GET a.com /public%2fx"), BAD("GET a.com /public/%2Fx"),
		BAD("GET a.com /public/a%5cb"), BAD("GET a.com /public/a\\b"),
		BAD("GET a.com /public/..;/admin"), BAD("GET a.com /public/;x=1/admin"),
		BAD("GET a.com /public/%3bx/admin"), BAD("GET a.com /public/a%00"),
		BAD("GET a.com /public/a%0d%0a"), BAD("GET a.com /public/%7f"),
		BAD("GET a.com /public/%252e%252e/admin"), BAD("GET a.com /public/%c0%af"),
		BAD("GET a.com /public/%e0%80%af"), BAD("GET a.com /public/%f0%80%80%af"),
		BAD("GET a.com /public/%f8x"), BAD("GET a.com /public/%"),
		BAD("GET a.com /public/%2"), BAD("GET a.com /public/%zz"),
		BAD("GET a.com /public/x#y"), BAD("GET a.com public/x"),
		BAD("GET a.com /public/\x80"));
	ANSWERS(RULE(.paths = "/public/**"), YES("GET a.com /public/%c3%a9"),
		YES("GET a.com /public/%E2%82%AC"), YES("GET a.com /public/100%25"),
		YES("GET a.com /public/a%3fb"), YES("GET a.com /public/.git"),
		YES("GET a.com /public/..."), YES("GET a.com /public/a%3b"));
	ANSWERS(RULE(.deny = "/admin"), NO("GET a.com //admin"), NO("GET a.com /x/../admin"),
		BAD("GET a.com /admin;x"), NO("GET a.com /./admin/"), NO("GET a.com /%61dmin"),
		BAD("GET a.com /admin%3bx"), NO("GET a.com /x/%2e%2e/admin"));
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct error err = {0};
	struct http_rule *r = make(&(struct rule_text){.paths = "/a**"}, &err);
	static uint8_t path[HTTP_PATH_MAX + 1];
	struct http_head h = {.method = text_view("GET"), .path = view_make(path, HTTP_PATH_MAX)};
	const char *why = NULL;

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	assert_int_equal(http_rule_judge(r, &h, &why), HTTP_RULE_ALLOW);
	h.path.len++;
	assert_int_equal(http_rule_judge(r, &h, &why), HTTP_RULE_AMBIGUOUS);
	assert_string_equal(why, "a path that is too long to be judged");
	http_rule_free(r);
}

static void paths_are_normalised(void **state)
{
	static const struct {
		const char *path, *normal;
	} rows[] = {
		{"/", "/"},
		{"/a/b", "/a/b"},
		{"/a/./b", "/a/b"},
		{"/a/../b", "/b"},
		{"/a/..", "/"},
		{"/a/.", "/a/"},
		{"/a/b/..", "/a/"},
		{"/..", "/"},
		{"/../../a", "/a"},
		{"//", "/"},
		{"///a//b///", "/a/b/"},
		{"/a//../b", "/b"},
		{"/%41%7e%2d%5f%2E", "/A~-_."},
		{"/%c3%a9", "/%C3%A9"},
		{"/a%20b?c=%20//", "/a%20b"},
		{"/...", "/..."},
		{"/a/...b", "/a/...b"},
		{"/a;b", "/a;b"},
		{"/%2e%2E/x", "/x"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t out[64];
		size_t len;
		const char *why = NULL;
		if (!http_path_normalise(text_view(rows[i].path), out, sizeof(out), &len, &why))
			fail_msg("%s: %s", rows[i].path, why);
		if (len != strlen(rows[i].normal) || memcmp(out, rows[i].normal, len) != 0)
			fail_msg("%s: %.*s", rows[i].path, (int)len, out);
	}
}

/* What a rule and its presets say holds together. */
static void lists_narrow_presets(void **state)
{
	ANSWERS(RULE(.presets = "git-fetch-only", .paths = "/org/**", .deny = "/org/top/**"),
		YES("GET g.com /org/a.git/info/refs?service=git-upload-pack"),
		NO("GET g.com /other/a.git/info/refs?service=git-upload-pack"),
		NO("GET g.com /org/top/info/refs?service=git-upload-pack"),
		NO("GET g.com /org/a.git/info/refs?service=git-receive-pack"),
		NO("GET g.com /org/a.git/info/refs"), YES("POST g.com /org/a.git/git-upload-pack"),
		NO("POST g.com /org/a.git/git-receive-pack"), NO("GET g.com /org/x"));
	ANSWERS(RULE(.presets = "pypi-install npm-install", .methods = "GET"),
		YES("GET pypi.org /simple/x/"), YES("GET registry.npmjs.org /left-pad"),
		NO("HEAD pypi.org /simple/x/"), NO("GET a.com /simple/x/"));
}

static void of_alternatives_one_is_enough(void **state)
{
	static const char *const get[] = {"GET"}, *const post[] = {"POST"},
				 *const all[] = {"/a/**"}, *const one[] = {"/b/x"},
				 *const no[] = {"/a/no"};
	const struct http_rule_source second = {
		.methods = post, .method_count = 1, .paths = one, .path_count = 1};
	const struct http_rule_source first = {.methods = get,
					       .method_count = 1,
					       .paths = all,
					       .path_count = 1,
					       .deny_paths = no,
					       .deny_path_count = 1,
					       .next = &second};
	static const struct row rows[] = {
		YES("GET a.com /a/x"), NO("POST a.com /a/x"), YES("POST a.com /b/x"),
		NO("GET a.com /b/x"),  NO("GET a.com /a/no"), NO("GET a.com /a/../b/x"),
	};
	struct error err = {0};
	struct http_rule *r = http_rule_new(&first, &err);

	assert_non_null(r);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = NULL;
		if (judge(r, rows[i].request, &why) != rows[i].answer)
			fail_msg("%s", rows[i].request);
	}
	http_rule_free(r);
}

static void presets_hold_what_they_say(void **state)
{
	ANSWERS(RULE(.presets = "github-read-only"), YES("GET api.github.com /repos/a/b/issues"),
		NO("POST api.github.com /repos/a/b/issues"), NO("POST api.github.com /graphql"),
		NO("DELETE api.github.com /repos/a/b"), YES("GET raw.githubusercontent.com /a/b/c"),
		YES("POST github.com /a/b/git-upload-pack"),
		NO("POST github.com /a/b/git-receive-pack"), NO("GET gist.example.com /"),
		NO("POST api.github.com /x/git-upload-pack"));
	ANSWERS(RULE(.presets = "npm-install"), YES("GET registry.npmjs.org /left-pad"),
		YES("GET registry.npmjs.org /@a%2fb"), NO("PUT registry.npmjs.org /left-pad"),
		YES("POST registry.npmjs.org /-/npm/v1/security/advisories/bulk"),
		NO("POST registry.npmjs.org /-/npm/v1/tokens"));
	ANSWERS(RULE(.presets = "pypi-install"), YES("GET pypi.org /simple/requests/"),
		YES("GET files.pythonhosted.org /packages/a/b/c.whl"),
		YES("GET pypi.org /pypi/x/json"), NO("POST upload.pypi.org /legacy/"),
		NO("POST pypi.org /simple/"), NO("GET pypi.org /manage/"));
	ANSWERS(RULE(.presets = "llm-api"), YES("POST api.openai.com /v1/chat/completions"),
		YES("POST api.anthropic.com /v1/messages"), NO("POST api.openai.com /v1/files"),
		NO("GET api.anthropic.com /v1/organizations/me"),
		NO("DELETE api.openai.com /v1/models/x"),
		YES("POST generativelanguage.googleapis.com "
		    "/v1beta/models/gemini-pro:streamGenerateContent?alt=sse"));
}

static void every_preset_can_be_used(void **state)
{
	size_t n = 0;

	for (; http_preset_name(n); n++) {
		struct error err = {0};
		struct http_rule *r =
			make(&(struct rule_text){.presets = http_preset_name(n)}, &err);
		if (!r)
			fail_msg("%s: %s", http_preset_name(n), err.msg);
		http_rule_free(r);
		assert_true(strlen(http_preset_help(n)) > 10);
		assert_true(strlen(http_preset_text(n)) > 10);
	}
	assert_int_equal(n, 5);
}

static void refused(struct rule_text t, const char *msg)
{
	struct error err = {0};
	struct http_rule *r = make(&t, &err);

	if (r)
		fail_msg("taken; expected: %s", msg);
	assert_string_equal(err.msg, msg);
}

static void wrong_rules_are_told(void **state)
{
	refused(RULE(0), "it says nothing; expected methods, hosts, paths, deny_paths or presets");
	refused(RULE(.methods = "get"),
		"methods \"get\": the case of methods counts; expected capitals, such as GET");
	refused(RULE(.methods = "G,T"), "methods \"G,T\": expected a method such as GET");
	refused(RULE(.hosts = "a..b"), "hosts \"a..b\": expected a host such as example.com, "
				       "*.example.com or .example.com; a label is empty");
	refused(RULE(.paths = "repos"),
		"paths \"repos\": expected a slash in front, as in /repos/**");
	refused(RULE(.paths = "/a/../b"),
		"paths \"/a/../b\": no path is judged with a dot segment");
	refused(RULE(.paths = "/a/.?x"), "paths \"/a/.?x\": no path is judged with a dot segment");
	refused(RULE(.paths = "/a//b"),
		"paths \"/a//b\": no path is judged with two slashes together");
	refused(RULE(.paths = "/***"),
		"paths \"/***\": expected * (all but slashes) or ** (everything)");
	refused(RULE(.paths = "/a%2e"),
		"paths \"/a%2e\": expected encodings in capitals, of characters that have to be "
		"encoded, such as %20");
	refused(RULE(.paths = "/a%c3"),
		"paths \"/a%c3\": expected encodings in capitals, of characters that have to be "
		"encoded, such as %20");
	refused(RULE(.paths = "/a%2F"),
		"paths \"/a%2F\": expected encodings in capitals, of characters that have to be "
		"encoded, such as %20");
	refused(RULE(.paths = "/a%2"),
		"paths \"/a%2\": a percent sign stands in front of two digits");
	refused(RULE(.paths = "/a;b"),
		"paths \"/a;b\": expected printable ASCII without blanks, backslash, number sign "
		"and semicolon; other characters are written as in addresses, such as %20");
	refused(RULE(.methods = "G\033[1m\xc3"),
		"methods \"G?[1m?\": expected a method such as GET");
	refused(RULE(.deny = "/a?b"), "deny_paths \"/a?b\": a query is written in many ways, so "
				      "none can be denied; expected a path");
	refused(RULE(.presets = "npm"),
		"presets \"npm\": expected git-fetch-only, github-read-only, llm-api, npm-install "
		"or pypi-install");
	char longer[HTTP_PATTERN_MAX + 2] = "/";
	memset(longer + 1, 'a', HTTP_PATTERN_MAX);
	struct error err = {0};
	assert_null(make(&(struct rule_text){.paths = longer}, &err));
	assert_non_null(strstr(err.msg, "expected 1 to 255 characters"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_are_compared_with_case),
		cmocka_unit_test(a_field_that_names_another_method_is_judged),
		cmocka_unit_test(hosts_are_patterns),
		cmocka_unit_test(patterns_hold_paths),
		cmocka_unit_test(a_pattern_may_be_for_one_query),
		cmocka_unit_test(denied_paths_win),
		cmocka_unit_test(paths_of_two_readings_are_refused),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(paths_are_normalised),
		cmocka_unit_test(lists_narrow_presets),
		cmocka_unit_test(of_alternatives_one_is_enough),
		cmocka_unit_test(presets_hold_what_they_say),
		cmocka_unit_test(every_preset_can_be_used),
		cmocka_unit_test(wrong_rules_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
