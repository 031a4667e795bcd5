// SPDX-License-Identifier: Apache-2.0
/*
 * What the guest holds in place of a value.
 *
 * A random one is as long as the value and looks like it: it keeps a public prefix (ghp_, sk-,
 * AKIA), has its separators where the value has them, and otherwise random characters of the
 * value's kinds (small letters, capitals, digits; hexadecimal digits). Where that would leave less
 * than 128 bits to guess (80, where the length has no room for 128), all letters and digits are
 * drawn from, and then separators and the prefix go for it. So it tells its reader the length of
 * the value, and at most which kinds of characters it has and where its separators stand.
 *
 * May use: base/.
 */
#ifndef WEIR_SECRET_PLACEHOLDER_H
#define WEIR_SECRET_PLACEHOLDER_H

#include "base/error.h"
#include "base/view.h"

#define PLACEHOLDER_MAX   1024 /* of one that the configuration gives */
#define PLACEHOLDER_X_MIN 8    /* random characters of a format */

/* As a string to be wiped by nobody and freed; NULL without memory or randomness. */
char *placeholder_like(struct view value);
/* Each X of the format is a random letter or digit. */
char *placeholder_by_format(const char *format);
/* One that a person chose, or a format: long enough to be told from other text, and of characters
 * that stand in a header field. 0, or -1 and err. */
int placeholder_check(const char *text, struct error *err);
int placeholder_format_check(const char *format, struct error *err);

#endif
