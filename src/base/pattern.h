// SPDX-License-Identifier: Apache-2.0
/*
 * Patterns of host names, as configuration writes them:
 *
 *	x.com      that name alone
 *	*.x.com    every name below it, at any depth, without x.com
 *	.x.com     both
 *	any        every name, and none
 *
 * How wide a pattern may be is for the caller to say (pattern_suffix_is_public()).
 */
#ifndef WEIR_BASE_PATTERN_H
#define WEIR_BASE_PATTERN_H

#include "base/error.h"
#include "base/name.h"

struct name_pattern {
	struct name name;      /* lower case; empty with `any` */
	bool self, below, any; /* the name itself, all below it, everything */
};

/* The message begins with "expected". 0, or -1 and err. */
int pattern_read(const char *text, struct name_pattern *ret, struct error *err);
bool pattern_matches(const struct name_pattern *p, const struct name *n);
/* True where every name that `b` matches is matched by `a`. */
bool pattern_covers(const struct name_pattern *a, const struct name_pattern *b);
/* True where some name is matched by both. */
bool pattern_meets(const struct name_pattern *a, const struct name_pattern *b);
/* Whether strangers can have names below it: one label, or a public suffix (co.uk, github.io). */
bool pattern_suffix_is_public(const struct name *n);

#endif
