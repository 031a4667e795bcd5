// SPDX-License-Identifier: Apache-2.0
/*
 * The readings of a path. rules.h says which ones there are, and why.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_PATH_H
#define WEIR_HTTP_PATH_H

#include "base/view.h"

enum path_step { /* what a server may do to a path, in an order of its own */
	PATH_END,
	PATH_CUT_PARAMS,    /* `;` and what follows, in the last segment */
	PATH_MERGE_SLASHES, /* runs of them */
	PATH_REMOVE_DOTS,   /* RFC 3986 5.2.4 */
};

struct path {
	uint8_t *p; /* the caller's, of HTTP_PATH_MAX bytes */
	size_t len;
};

/*
 * The path with its percent-encodings in their one form: unreserved characters decoded, hexadecimal
 * digits in capitals. False and *ret_why where servers take it for different paths whatever else
 * they do, or where it is longer than `cap`.
 */
bool path_decode(struct view path, size_t cap, struct path *ret, const char **ret_why);
void path_step(struct path *p, enum path_step step);

#define PATH_READINGS 10
/* The steps of reading i; false where it cannot differ from those before. Number 0 is the path as
 * it was decoded. */
bool path_reading(const struct path *decoded, unsigned i, enum path_step ret[4]);

#endif
