// SPDX-License-Identifier: Apache-2.0
/* Reading patterns of host names, and holding names and other patterns against them. */
#include "base/pattern.h"

#include <libpsl.h>
#include <string.h>

int pattern_read(const char *text, struct name_pattern *ret, struct error *err)
{
	struct name_pattern p = {.self = true};
	const char *at = text;

	if (strcmp(text, "any") == 0) {
		*ret = (struct name_pattern){.self = true, .below = true, .any = true};
		return 0;
	}
	if (strcmp(text, "*") == 0)
		return error_set(err, "expected any, which is how every host is written");
	if (strncmp(at, "*.", 2) == 0) {
		p.self = false;
		p.below = true;
		at += 2;
	} else if (*at == '.') {
		p.below = true;
		at++;
	}
	enum name_fault f = name_read(at, strlen(at), &p.name);
	if (f != NAME_OK)
		return error_set(
			err,
			"expected a host such as example.com, *.example.com or .example.com; "
			"%s",
			strchr(at, '*') ? "a wildcard stands only in front, for whole labels"
					: name_fault_text(f));
	*ret = p;
	return 0;
}

bool pattern_matches(const struct name_pattern *p, const struct name *n)
{
	if (p->any)
		return true;
	return (p->self && name_eq(&p->name, n)) ||
	       (p->below && name_below(n, p->name.s, p->name.len));
}

bool pattern_covers(const struct name_pattern *a, const struct name_pattern *b)
{
	if (a->any || b->any)
		return a->any;
	if (b->self && !pattern_matches(a, &b->name))
		return false;
	if (!b->below)
		return true;
	/* All below b's name: a holds them where it holds all below the same name or a wider one.
	 */
	return a->below &&
	       (name_eq(&a->name, &b->name) || name_below(&b->name, a->name.s, a->name.len));
}

bool pattern_meets(const struct name_pattern *a, const struct name_pattern *b)
{
	if (a->any || b->any)
		return true;
	if ((a->self && pattern_matches(b, &a->name)) || (b->self && pattern_matches(a, &b->name)))
		return true;
	return a->below && b->below &&
	       (name_eq(&a->name, &b->name) || name_below(&b->name, a->name.s, a->name.len) ||
		name_below(&a->name, b->name.s, b->name.len));
}

bool pattern_suffix_is_public(const struct name *n)
{
	/* The list is compiled into the library; a build without one has no psl_builtin(). */
	return !memchr(n->s, '.', n->len) ||
	       (psl_builtin() && psl_is_public_suffix(psl_builtin(), n->s));
}
