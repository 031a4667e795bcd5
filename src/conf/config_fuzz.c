// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration file, taken for YAML and for JSON, from its bytes to the policy.
 *
 * Nothing breaks; a refusal is one printable line; JSON means what jansson takes it for; and what
 * is JSON and YAML at once is the same tree.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct error *err)
{
	if (!err->msg[0])
		abort();
	for (const char *p = err->msg; *p; p++) {
		if (iscntrl((unsigned char)*p))
			abort();
	}
}

static bool same_text(const struct tree_node *n, const char *text, size_t len)
{
	return n->count == len && memcmp(n->text, text, len) == 0;
}

static bool same_as_jansson(const struct tree_node *n, const json_t *j)
{
	const struct tree_node *child = n->first;

	switch (json_typeof(j)) {
	case JSON_OBJECT:
		if (n->kind != TREE_OBJECT || n->count != json_object_size(j))
			return false;
		for (; child; child = child->next) {
			const json_t *v = json_object_get(j, child->key);
			if (!v || !same_as_jansson(child, v))
				return false;
		}
		return true;
	case JSON_ARRAY:
		if (n->kind != TREE_ARRAY || n->count != json_array_size(j))
			return false;
		for (size_t i = 0; child; child = child->next, i++) {
			if (!same_as_jansson(child, json_array_get(j, i)))
				return false;
		}
		return true;
	case JSON_STRING:
		return n->kind == TREE_STRING &&
		       same_text(n, json_string_value(j), json_string_length(j));
	case JSON_INTEGER:
		return n->kind == TREE_NUMBER &&
		       strtoll(n->text, NULL, 10) == json_integer_value(j);
	case JSON_REAL: {
		double is = strtod(n->text, NULL), want = json_real_value(j);
		return n->kind == TREE_NUMBER && !(is < want) && !(is > want);
	}
	case JSON_NULL:
		return n->kind == TREE_NULL;
	default:
		return n->kind == TREE_BOOL && (strcmp(n->text, "true") == 0) == json_is_true(j);
	}
}

/* Line breaks and the byte order mark of Unicode mean something to YAML, and nothing to JSON. */
static bool has_unicode_breaks(const uint8_t *data, size_t size)
{
	return memmem(data, size, "\xc2\x85", 2) || memmem(data, size, "\xe2\x80\xa8", 3) ||
	       memmem(data, size, "\xe2\x80\xa9", 3) || memmem(data, size, "\xef\xbb\xbf", 3);
}

static struct tree *try_format(enum tree_format format, const uint8_t *data, size_t size)
{
	struct error err = {0};
	struct tree *t = tree_parse("f", format, (const char *)data, size, &err);

	if (!t)
		check_refusal(&err);
	return t;
}

/* The whole document where `sandbox` is negative. */
static void try_schema(const struct tree *t, int sandbox)
{
	struct error err = {0};
	struct config c;

	config_init(&c);
	if ((sandbox < 0 ? schema_apply(t, &c, &err)
			 : schema_apply_sandbox(t, (size_t)sandbox, &c, &err)) < 0) {
		check_refusal(&err);
	} else {
		struct policy_source src = config_policy_source(&c);
		struct policy *p = policy_new(&src, &err);
		if (!p || config_check_interception(&c, &err) < 0 ||
		    config_check_http(&c, p, &err) < 0)
			check_refusal(&err);
		policy_free(p);
	}
	config_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree *yaml = try_format(TREE_YAML, data, size);
	struct tree *json = try_format(TREE_JSON, data, size);

	if (json) {
		json_t *j = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL,
				       NULL);
		if (!same_as_jansson(tree_root(json), j))
			abort();
		json_decref(j);
	}
	if (yaml && json && !has_unicode_breaks(data, size) &&
	    !tree_equal(tree_root(yaml), tree_root(json)))
		abort();
	for (int i = -1; i < 2; i++) {
		if (yaml)
			try_schema(yaml, i);
		else if (json)
			try_schema(json, i);
	}
	tree_free(yaml);
	tree_free(json);
	return 0;
}
