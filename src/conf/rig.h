// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of this room: documents that are taken, and such as are refused with these words. To be
 * included behind cmocka.h. Not part of the program.
 */
#ifndef WEIR_CONF_RIG_H
#define WEIR_CONF_RIG_H

#include "conf/schema.h"

/* Applies a document; -1 and err where it is refused. c is to be ended in both cases. */
static inline int apply(enum tree_format format, const char *text, struct config *c,
			struct error *err)
{
	struct tree *t = tree_parse("f", format, text, strlen(text), err);

	config_init(c);
	if (!t)
		return -1;
	int rc = schema_apply(t, c, err);
	tree_free(t);
	return rc;
}

static inline void taken(const char *text, struct config *c)
{
	struct error err = {0};

	if (apply(TREE_YAML, text, c, &err) < 0)
		fail_msg("refused: %s\n%s", err.msg, text);
}

static inline void refused(const char *text, const char *msg)
{
	struct error err = {0};
	struct config c;

	if (apply(TREE_YAML, text, &c, &err) == 0)
		fail_msg("taken: %s", text);
	assert_string_equal(err.msg, msg);
	config_done(&c);
}

#endif
