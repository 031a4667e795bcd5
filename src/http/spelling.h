// SPDX-License-Identifier: Apache-2.0
/*
 * The ways in which one text is written inside of another: percent signs (RFC 3986 2.1), the
 * escapes of JSON strings (RFC 8259 7), base64 (RFC 4648). Sans-IO.
 *
 * Percent signs and backslashes are undone in one pass over the same bytes, so that who looks for a
 * text finds it in either spelling, or in a mixture, whatever the bytes around it are. What is an
 * escape of neither kind stands for itself. Escapes of escapes are not undone.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_SPELLING_H
#define WEIR_HTTP_SPELLING_H

#include "base/buf.h"

#define SPELLING_UNIT 6 /* bytes that stand for one, at most (\u0041) */

/* Some byte of it may begin an escape. */
bool spelling_has_escapes(struct view in);

/* How many bytes at its start stand for themselves. */
size_t spelling_run(struct view in, bool plus);
/*
 * How many bytes at the start of `in` (not empty) stand for one unit, and which bytes that is:
 * *ret_n of ret, up to 3. 0: an escape that does not end within `in`, and may go on behind it,
 * unless `end`. `plus`: a plus sign is a space, as in forms.
 */
size_t spelling_unit(struct view in, bool plus, bool end, uint8_t ret[3], size_t *ret_n);

/* Undoes all of `in` up to the last whole unit. `out` has room for in.len bytes. Returns how many
 * were written, and in *ret_used how many were read. */
size_t spelling_undo(struct view in, bool plus, bool end, uint8_t *out, size_t *ret_used);

/* Appends, with escapes where they are needed. False without memory. */
bool spelling_put_percent(struct buf *b, struct view text); /* all but A-Z a-z 0-9 - . _ ~ */
bool spelling_put_json(struct buf *b, struct view text);    /* inside of a string */
/* Each byte with one: %41, \u0041 (bytes over 127 as they are). */
bool spelling_put_percent_byte(struct buf *b, uint8_t c);
bool spelling_put_unicode_byte(struct buf *b, uint8_t c);

/* With padding. */
bool spelling_put_base64(struct buf *b, struct view text);
/* Of either alphabet, with or without padding; false where it is no base64, or without memory. */
bool spelling_undo_base64(struct view in, struct buf *b);

#endif
