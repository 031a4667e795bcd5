// SPDX-License-Identifier: Apache-2.0
/*
 * The fields of one message, and the text that they are views of. Both grow as a message needs and
 * up to a cap, and shrink to their first size for the next one, so that an idle connection holds
 * little. Memory that is given back is wiped, for the text may hold what a filter put in.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_FIELDS_H
#define WEIR_HTTP_FIELDS_H

#include "base/view.h"

#define HTTP_TEXT_MAX   65536 /* bytes of a head; as much as large servers take */
#define HTTP_FIELDS_MAX 1000

struct http_field {
	struct view name, value; /* value without surrounding white space */
	bool changed; /* the value is not what came: HTTP/2 lets no table of headers keep it */
};

struct http_fields {
	uint8_t *text; /* owned */
	size_t text_len, text_cap;
	struct http_field *list; /* owned; views into `text` */
	size_t count, cap;
};

void http_fields_init(struct http_fields *s);
void http_fields_done(struct http_fields *s);
/* Empty again. */
void http_fields_clear(struct http_fields *s);
/* Room for n more bytes of text: appending them moves nothing then. False at the cap or without
 * memory. The views of the list follow the text where they lie in it. */
bool http_fields_reserve(struct http_fields *s, size_t n);
/* Appends text; false at the cap or without memory. Moves the text: views into it that are not in
 * the list are then dead. */
bool http_fields_append(struct http_fields *s, const uint8_t *p, size_t n);
/* Appends a field; its views lie in the text, or in memory that outlives the list. False at the cap
 * or without memory. */
bool http_fields_add(struct http_fields *s, struct view name, struct view value);

#endif
