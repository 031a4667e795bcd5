// SPDX-License-Identifier: Apache-2.0
/*
 * DNS names as weir compares them: A-labels in lower case, without the trailing dot, labels of
 * letters, digits, hyphen and underscore (RFC 1035 2.3.1, RFC 5890 2.3.1; the underscore as in
 * RFC 8552).
 */
#ifndef WEIR_BASE_NAME_H
#define WEIR_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_TEXT_MAX  253 /* characters, without the trailing dot (RFC 1035 3.1) */
#define NAME_LABEL_MAX 63

struct name {
	uint8_t len;               /* characters in `s`; 0: no name (the root is none) */
	char s[NAME_TEXT_MAX + 1]; /* ends with a NUL */
};

/* Why a text is no name. */
enum name_fault {
	NAME_OK,
	NAME_EMPTY,     /* nothing, or the root alone */
	NAME_LONG,      /* over 253 characters, or a label over 63 */
	NAME_DOTS,      /* an empty label */
	NAME_CHARACTER, /* a byte outside letters, digits, hyphen, underscore; a NUL too */
	NAME_HYPHEN,    /* a label that begins or ends with a hyphen */
	NAME_NON_ASCII, /* wants to be written as A-labels */
	NAME_ADDRESS,   /* reads as an IP address: the last label is a number */
};

/* One pass: checks, drops one trailing dot, lowers the case. `ret` is untouched on a fault. */
enum name_fault name_read(const char *text, size_t n, struct name *ret);
/* What the fault is, for messages: "a label is empty". */
const char *name_fault_text(enum name_fault f);
bool name_eq(const struct name *a, const struct name *b);
/* True where `n` lies below `zone` (never for the zone itself). */
bool name_below(const struct name *n, const char *zone, size_t zone_len);

#endif
