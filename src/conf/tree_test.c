// SPDX-License-Identifier: Apache-2.0
/*
 * Documents: what YAML and JSON mean, where their values stand, and what is refused in which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/tree.h"

static struct tree *taken(enum tree_format format, const char *text)
{
	struct error err = {0};
	struct tree *t = tree_parse(format == TREE_JSON ? "f.json" : "f.yaml", format, text,
				    strlen(text), &err);

	if (!t)
		fail_msg("refused: %s\n%s", err.msg, text);
	return t;
}

static void refused_n(enum tree_format format, const char *text, size_t n, const char *msg)
{
	struct error err = {0};
	struct tree *t = tree_parse("f", format, text, n, &err);

	if (t)
		fail_msg("taken: %s", text);
	assert_string_equal(err.msg, msg);
}

static void refused(enum tree_format format, const char *text, const char *msg)
{
	refused_n(format, text, strlen(text), msg);
}

static void same(const char *yaml, const char *json)
{
	struct tree *y = taken(TREE_YAML, yaml), *j = taken(TREE_JSON, json);

	if (!tree_equal(tree_root(y), tree_root(j)))
		fail_msg("not the same: %s\n%s", yaml, json);
	tree_free(y);
	tree_free(j);
}

static void yaml_and_json_are_the_same_tree(void **state)
{
	same("a: 1\nb: [x, 'y', \"z\"]\nc: {d: null, e: true}\n",
	     "{\"a\": 1, \"b\": [\"x\", \"y\", \"z\"], \"c\": {\"d\": null, \"e\": true}}");
	same("a:\n  - b: 1\n    c: -2.5e3\n  - []\n  - {}\n",
	     "{\"a\":[{\"b\":1,\"c\":-2.5e3},[],{}]}");
	same("{}", "{}");
	same("- 1", "[1]");
	same("text", "\"text\"");
	same("\"a\\n\\u00e9\\t\\\"\\\\\"", "\"a\\n\\u00e9\\t\\\"\\\\\"");
	same("|\n  two\n  lines\n", "\"two\\nlines\\n\"");
	/* JSON is YAML, all but surrogate pairs. */
	same("{\"a\": [1, true, null, \"x\"], \"b\": {\"c\": \"\\/\"}}",
	     "{\"a\": [1, true, null, \"x\"], \"b\": {\"c\": \"\\/\"}}");
}

static void order_and_kinds_count_for_equality(void **state)
{
	static const char *const unlike[] = {
		"{\"a\": 1, \"b\": 2}",
		"{\"b\": 2, \"a\": 1}",
		"{\"a\": 1}",
		"{\"a\": \"1\"}",
		"{\"a\": 2}",
		"{\"c\": 1}",
		"{\"a\": null}",
		"{\"a\": []}",
		"{\"a\": {}}",
		"{\"a\": [1]}",
		"[]",
		"\"\"",
	};
	size_t n = sizeof(unlike) / sizeof(unlike[0]);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			struct tree *a = taken(TREE_JSON, unlike[i]),
				    *b = taken(TREE_YAML, unlike[k]);
			assert_int_equal(tree_equal(tree_root(a), tree_root(b)), i == k);
			tree_free(a);
			tree_free(b);
		}
	}
}

static void plain_scalars_have_the_types_of_the_core_schema(void **state)
{
	static const struct {
		const char *text;
		enum tree_kind kind;
	} rows[] = {
		{"null", TREE_NULL},
		{"Null", TREE_NULL},
		{"NULL", TREE_NULL},
		{"~", TREE_NULL},
		{"", TREE_NULL},
		{"nULL", TREE_STRING},
		{"true", TREE_BOOL},
		{"True", TREE_BOOL},
		{"FALSE", TREE_BOOL},
		{"tRUE", TREE_STRING},
		{"no", TREE_STRING},
		{"NO", TREE_STRING},
		{"yes", TREE_STRING},
		{"on", TREE_STRING},
		{"off", TREE_STRING},
		{"y", TREE_STRING},
		{"n", TREE_STRING},
		{"0", TREE_NUMBER},
		{"080", TREE_NUMBER},
		{"-12", TREE_NUMBER},
		{"+12", TREE_NUMBER},
		{"1.5", TREE_NUMBER},
		{".5", TREE_NUMBER},
		{"5.", TREE_NUMBER},
		{"1e9", TREE_NUMBER},
		{"1E-9", TREE_NUMBER},
		{"0x1F", TREE_NUMBER},
		{"0o17", TREE_NUMBER},
		{".inf", TREE_NUMBER},
		{"-.INF", TREE_NUMBER},
		{".NaN", TREE_NUMBER},
		{"-.nan", TREE_STRING},
		{".", TREE_STRING},
		{"1e", TREE_STRING},
		{"0x", TREE_STRING},
		{"0o8", TREE_STRING},
		{"1_000", TREE_STRING},
		{"22:22", TREE_STRING},
		{"172.16.0.2", TREE_STRING},
		{"8000-8100", TREE_STRING},
		{"02:77:72:00:00:02", TREE_STRING},
		{"2001-12-14", TREE_STRING},
		{"=", TREE_STRING},
		{"'null'", TREE_STRING},
		{"\"1\"", TREE_STRING},
		{"''", TREE_STRING},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char doc[64];
		snprintf(doc, sizeof(doc), "k: %s\n", rows[i].text);
		struct tree *t = taken(TREE_YAML, doc);
		const struct tree_node *k = tree_member(tree_root(t), "k");
		if (k->kind != rows[i].kind)
			fail_msg("%s is %s", rows[i].text, tree_kind_name(k));
		tree_free(t);
	}
}

static void texts_keep_their_spelling_and_booleans_have_one(void **state)
{
	struct tree *t = taken(TREE_YAML, "a: TRUE\nb: ~\nc: 0x10\nd: 'no'\n");
	const struct tree_node *r = tree_root(t);

	assert_string_equal(tree_member(r, "a")->text, "true");
	assert_string_equal(tree_member(r, "b")->text, "");
	assert_string_equal(tree_member(r, "c")->text, "0x10");
	assert_string_equal(tree_member(r, "d")->text, "no");
	assert_null(tree_member(r, "e"));
	assert_null(tree_member(tree_member(r, "a"), "a"));
	tree_free(t);
}

static void json_escapes_become_text(void **state)
{
	struct tree *t = taken(TREE_JSON, "[\"\\ud83d\\ude00\\u20ac\\u00e9\\u0041\\/\\b\\f\\n\\r\\t"
					  "\\\"\\\\\", \"\xc3\xa9\"]");
	const struct tree_node *n = tree_root(t)->first;

	assert_string_equal(n->text, "\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa9"
				     "A/\b\f\n\r\t\"\\");
	assert_int_equal(n->count, strlen(n->text));
	assert_string_equal(n->next->text, "\xc3\xa9");
	tree_free(t);
}

static void every_node_knows_its_place(void **state)
{
	static const struct {
		enum tree_format format;
		const char *text;
	} docs[] = {
		{TREE_YAML, "# first\na: {b: \"\xc3\xa9\", c: [10, 20]}\nlong:\n  value\n"},
		{TREE_JSON, "\n{\"a\": {\"b\": \"\xc3\xa9\", \"c\": [10, 20]},\n\"long\":\n  3}"},
	};
	static const struct {
		unsigned b_column, second_column;
	} want[] = {{8, 21}, {13, 28}};

	for (size_t i = 0; i < 2; i++) {
		struct tree *t = taken(docs[i].format, docs[i].text);
		const struct tree_node *a = tree_member(tree_root(t), "a");
		const struct tree_node *b = tree_member(a, "b"), *c = tree_member(a, "c");
		const struct tree_node *value = tree_member(tree_root(t), "long");
		assert_int_equal(a->line, 2);
		assert_int_equal(b->line, 2);
		assert_int_equal(b->column, want[i].b_column);
		assert_int_equal(c->first->next->column, want[i].second_column);
		assert_int_equal(value->key_line, 3);
		assert_int_equal(value->line, 4);
		assert_int_equal(value->column, 3);
		tree_free(t);
	}
}

static void yaml_beyond_json_is_refused(void **state)
{
	refused(TREE_YAML, "a: &x 1\nb: *x\n", "f:1: a: anchors and aliases are not taken");
	refused(TREE_YAML, "a: [1]\nb: *x\n", "f:2: b: anchors and aliases are not taken");
	refused(TREE_YAML, "a:\n - !!str 1\n", "f:2: a[0]: tags are not taken");
	refused(TREE_YAML, "a: !x {}\n", "f:1: a: tags are not taken");
	refused(TREE_YAML, "a: ! x\n", "f:1: a: tags are not taken");
	refused(TREE_YAML, "a: {<<: {b: 1}}\n",
		"f:1: a: merge keys (<<) are not taken; write the keys out");
	refused(TREE_YAML, "a: 1\n---\nb: 1\n", "f:2: a second document begins; expected one");
	refused(TREE_YAML, "a: {1: 2}\n",
		"f:1: a: expected a string as key, found a number; put it in quotes");
	refused(TREE_YAML, "a: {true: 2}\n",
		"f:1: a: expected a string as key, found true or false; put it in quotes");
	refused(TREE_YAML, "~: 2\n", "f:1: expected a string as key, found null; put it in quotes");
	refused(TREE_YAML, "? [a]\n: 2\n", "f:1: expected a string as key, found a list");
	refused(TREE_YAML, "? {a: 1}\n: 2\n", "f:1: expected a string as key, found an object");
}

static void a_key_that_is_there_twice_is_refused(void **state)
{
	refused(TREE_YAML, "a:\n  - {b: 1, c: 2}\n  - b: 1\n    c: 2\n    b: 3\n",
		"f:5: a[1].b: the key is there twice; the first one is on line 3");
	refused(TREE_JSON, "{\"a\": [{},\n{\"b\": 1,\n\"\\u0062\": 2}]}",
		"f:3: a[1].b: the key is there twice; the first one is on line 2");
}

static void broken_text_is_refused_with_its_place(void **state)
{
	refused(TREE_YAML, "a: [1,\nb: 2\n",
		"f:3:1: no YAML: did not find expected ',' or ']' (while parsing a flow sequence "
		"that begins on line 1)");
	refused(TREE_YAML, "a: 1\n\tb: 2\n",
		"f:2:1: no YAML: found a tab character that violates indentation (while scanning a "
		"plain scalar that begins on line 1)");
	refused(TREE_YAML, "a: 1\nb: \"x\xff\"\n", "f:2:6: no YAML: invalid leading UTF-8 octet");
	refused(TREE_JSON, "{\"a\": 1,}", "f:1:9: no JSON: string or '}' expected near '}'");
	refused(TREE_JSON, "{\"a\": 1}\n{}", "f:2:1: no JSON: end of file expected near '{'");
	refused(TREE_JSON, "{a: 1}", "f:1:2: no JSON: string or '}' expected near 'a'");
	refused(TREE_JSON, "{'a': 1}", "f:1:2: no JSON: string or '}' expected near '''");
	refused(TREE_JSON, "# x\n{}", "f:1:1: no JSON: invalid token near '#'");
	refused(TREE_JSON, "[1, 2", "f:1:5: no JSON: ']' expected near end of file");
	refused(TREE_JSON, "[\"a\nb\"]", "f:1:3: no JSON: unexpected newline near '\"a'");
	refused(TREE_JSON, "[01]", "f:1:2: no JSON: invalid token near '0'");
	refused(TREE_JSON, "[\"\xff\"]", "f:1:2: no JSON: unable to decode byte 0xff near '\"'");
}

static void a_nul_is_refused_everywhere(void **state)
{
	refused(TREE_YAML, "a: \"x\\0y\"\n", "f:1: a: a NUL character in a string");
	refused(TREE_JSON, "{\"a\": \"x\\u0000y\"}", "f:1: a: a NUL character in a string");
	refused(TREE_YAML, "\"a\\0b\": 1\n", "f:1: a NUL character in a key");
}

static void an_empty_file_is_no_configuration(void **state)
{
	refused(TREE_YAML, "", "f: the file is empty; {} stands for the defaults");
	refused(TREE_YAML, "# nothing\n\n", "f: the file is empty; {} stands for the defaults");
}

static void depth_is_bounded(void **state)
{
	char deep[TREE_DEPTH_MAX + 2], path[512], msg[600];
	size_t n = 0;

	memset(deep, '[', sizeof(deep));
	for (int i = 0; i < TREE_DEPTH_MAX; i++)
		n += (size_t)snprintf(path + n, sizeof(path) - n, "[0]");
	snprintf(msg, sizeof(msg), "f:1: %s: nested more than 32 levels deep", path);
	refused_n(TREE_YAML, deep, sizeof(deep), msg);

	char json[2 * (TREE_DEPTH_MAX + 1)];
	memset(json, '[', sizeof(json) / 2);
	memset(json + sizeof(json) / 2, ']', sizeof(json) / 2);
	refused_n(TREE_JSON, json, sizeof(json), msg);
	struct error err;
	struct tree *t = tree_parse("f", TREE_JSON, json + 1, sizeof(json) - 2, &err);
	assert_non_null(t);
	tree_free(t);
}

static void keys_of_one_object_are_bounded(void **state)
{
	char text[1024] = "";
	size_t n = 0;

	for (int i = 0; i <= TREE_KEYS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "k%d: 1\n", i);
	refused(TREE_YAML, text, "f:65: more than 64 keys in one object");
}

static void size_and_number_of_values_are_bounded(void **state)
{
	size_t n = TREE_SIZE_MAX + 1;
	char *text = malloc(n);

	assert_non_null(text);
	memset(text, ' ', n);
	memcpy(text, "a: 1\n", 5);
	refused_n(TREE_YAML, text, n, "f: the file is longer than 16 MiB");

	n = 2 * (TREE_NODES_MAX + 1);
	for (size_t i = 0; i < n; i += 2)
		memcpy(text + i, "1,", 2);
	text[0] = '[';
	text[1] = ' ';
	memcpy(text + n - 2, "1]", 2);
	struct error err;
	/* The list is a value, too. */
	struct tree *t = tree_parse("f", TREE_JSON, text, n, &err);
	assert_null(t);
	assert_string_equal(err.msg, "f:1: [1999999]: more than 2000000 values");
	free(text);
}

static char *file_make(const char *suffix, const char *text)
{
	char *path;

	assert_true(asprintf(&path, "/tmp/weir-tree-test.XXXXXX%s", suffix) > 0);
	int fd = mkstemps(path, (int)strlen(suffix));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static void the_format_goes_by_the_files_name(void **state)
{
	struct error err = {0};
	char *yaml = file_make(".yaml", "a: 1\n"), *json = file_make(".json", "{\"a\": 1}");
	char *wrong = file_make(".json", "a: 1\n"), *plain = file_make(".conf", "{\"a\": 1}");
	struct tree *y = tree_load(yaml, &err), *j = tree_load(json, &err);
	struct tree *p = tree_load(plain, &err);

	assert_non_null(y);
	assert_non_null(j);
	assert_non_null(p);
	assert_true(tree_equal(tree_root(y), tree_root(j)));
	assert_true(tree_equal(tree_root(y), tree_root(p)));
	assert_string_equal(tree_file(y), yaml);
	assert_null(tree_load(wrong, &err));
	assert_non_null(strstr(err.msg, ".json:1:1: no JSON: "));
	tree_free(y);
	tree_free(j);
	tree_free(p);
	char *all[] = {yaml, json, wrong, plain};
	for (size_t i = 0; i < 4; i++) {
		unlink(all[i]);
		free(all[i]);
	}
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	struct error err = {0};

	assert_null(tree_load("/nonexistent/weir.yaml", &err));
	assert_string_equal(err.msg, "/nonexistent/weir.yaml: No such file or directory");
	assert_null(tree_load("/", &err));
	assert_string_equal(err.msg, "/: Is a directory");
	assert_null(tree_load("/nonexistent/a\nb", &err));
	assert_string_equal(err.msg, "/nonexistent/a?b: No such file or directory");
	char path[200], want[300];
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_null(tree_load(path, &err));
	snprintf(want, sizeof(want), "...%s: No such file or directory",
		 path + sizeof(path) - 1 - 120);
	assert_string_equal(err.msg, want);
}

static void paths_stay_printable_and_short(void **state)
{
	struct tree_path p = {0};
	char longkey[400];

	size_t before = tree_path_key(&p, "a");
	assert_int_equal(before, 0);
	tree_path_index(&p, 3);
	before = tree_path_key(&p, "b\nc\x1b");
	assert_string_equal(p.s, "a[3].b?c?");
	tree_path_cut(&p, before);
	assert_string_equal(p.s, "a[3]");
	memset(longkey, 'x', sizeof(longkey) - 1);
	longkey[sizeof(longkey) - 1] = '\0';
	tree_path_key(&p, longkey);
	assert_int_equal(strlen(p.s), sizeof(p.s) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_and_json_are_the_same_tree),
		cmocka_unit_test(order_and_kinds_count_for_equality),
		cmocka_unit_test(plain_scalars_have_the_types_of_the_core_schema),
		cmocka_unit_test(texts_keep_their_spelling_and_booleans_have_one),
		cmocka_unit_test(json_escapes_become_text),
		cmocka_unit_test(every_node_knows_its_place),
		cmocka_unit_test(yaml_beyond_json_is_refused),
		cmocka_unit_test(a_key_that_is_there_twice_is_refused),
		cmocka_unit_test(broken_text_is_refused_with_its_place),
		cmocka_unit_test(a_nul_is_refused_everywhere),
		cmocka_unit_test(an_empty_file_is_no_configuration),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(keys_of_one_object_are_bounded),
		cmocka_unit_test(size_and_number_of_values_are_bounded),
		cmocka_unit_test(the_format_goes_by_the_files_name),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
		cmocka_unit_test(paths_stay_printable_and_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
