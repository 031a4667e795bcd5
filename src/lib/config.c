// SPDX-License-Identifier: Apache-2.0
/* Configurations from text and from files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"
#include "conf/tree.h"
#include "lib/lib.h"

/* Rules are compiled for the sake of their errors only. */
static int rules_check(const struct config *c, struct error *err)
{
	struct policy_source src = config_policy_source(c);
	struct policy *p = policy_new(&src, err);

	policy_free(p);
	return p ? 0 : -1;
}

static int apply(const struct tree *t, struct config *c, struct error *err)
{
	if (schema_apply(t, c, err) < 0)
		return -1;
	if (c->sandbox_count)
		return error_set(err,
				 "%s: sandboxes: it is for weir serve; make a sandbox of each by "
				 "weir_sandbox_new()",
				 tree_file(t));
	if (rules_check(c, err) < 0)
		return error_prefix(err, "%s", tree_file(t));
	return 0;
}

/* Of a document, which is freed; NULL: `why` says what is wrong with it. */
static struct weir_config *config_of(struct tree *t, const struct error *why,
				     struct weir_error *err)
{
	struct weir_config *c = t ? calloc(1, sizeof(*c)) : NULL;
	struct error e = {0};

	if (!t) {
		lib_pass(err, EINVAL, why);
	} else if (!c) {
		lib_fail(err, ENOMEM, "out of memory");
	} else {
		c->users = 1;
		config_init(&c->conf);
		if (apply(t, &c->conf, &e) < 0) {
			lib_pass(err, EINVAL, &e);
			weir_config_free(c);
			c = NULL;
		}
	}
	tree_free(t);
	return c;
}

static struct tree *parse(const char *name, enum weir_format format, const char *text, size_t n,
			  struct error *err)
{
	static const char nothing[] = "{}";

	/* An empty document is no object, but says as much. */
	if (format == WEIR_YAML && n == 0) {
		text = nothing;
		n = sizeof(nothing) - 1;
	}
	return tree_parse(name, format == WEIR_JSON ? TREE_JSON : TREE_YAML, text, n, err);
}

/* No gateway is there yet whose log could have lines: they go nowhere. */
static const struct log_sink silence;

struct weir_config *weir_config_from_text(const char *name, enum weir_format format,
					  const char *text, size_t n, struct weir_error *err)
{
	const struct log_sink *before = log_set_sink(&silence);
	struct error why = {0};
	struct tree *t = parse(name ? name : "configuration", format, text, n, &why);
	struct weir_config *c = config_of(t, &why, err);

	log_set_sink(before);
	return c;
}

struct weir_config *weir_config_from_file(const char *path, struct weir_error *err)
{
	const struct log_sink *before = log_set_sink(&silence);
	struct error why = {0};
	struct tree *t = tree_load(path, &why);
	struct weir_config *c = config_of(t, &why, err);

	log_set_sink(before);
	return c;
}

/* Anything beside the policy would be thought to have an effect. */
static int only_policy(const struct tree *t, struct weir_error *err)
{
	const struct tree_node *root = tree_root(t);

	if (root->kind != TREE_OBJECT)
		return 0; /* the schema says it better */
	for (const struct tree_node *m = root->first; m; m = m->next) {
		if (strcmp(m->key, "policy") != 0)
			return lib_fail(err, EINVAL, "%s:%u: %.64s: expected only policy here",
					tree_file(t), m->key_line, m->key);
	}
	return 0;
}

struct weir_config *lib_config_policy(enum weir_format format, const char *text, size_t n,
				      struct weir_error *err)
{
	struct error why = {0};
	struct tree *t = parse("policy", format, text, n, &why);

	if (t && only_policy(t, err) < 0) {
		tree_free(t);
		return NULL;
	}
	return config_of(t, &why, err);
}

struct weir_config *lib_config_hold(const struct weir_config *c)
{
	struct weir_config *mine = (struct weir_config *)(uintptr_t)c; /* only the count changes */

	atomic_fetch_add(&mine->users, 1);
	return mine;
}

void weir_config_free(struct weir_config *c)
{
	if (!c || atomic_fetch_sub(&c->users, 1) > 1)
		return;
	config_done(&c->conf);
	free(c);
}
