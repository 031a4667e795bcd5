// SPDX-License-Identifier: Apache-2.0
/*
 * Writing JSON (RFC 8259) into a buffer: one object or array after the other, without allocation.
 *
 * Text may hold any bytes: what is no valid UTF-8 becomes U+FFFD, control characters are escaped,
 * and so are DEL and U+2028/9, so that a line stays a line in every reader. Past the capacity an
 * overflow is noted and nothing more is written.
 *
 * No name here is one of libjansson's: the program is linked with both.
 */
#ifndef WEIR_BASE_JSON_H
#define WEIR_BASE_JSON_H

#include "base/addr.h"
#include "base/view.h"

struct json {
	struct wbuf out;
	bool comma; /* the next member or element wants a comma before it */
};

struct json json_make(void *buf, size_t cap);
/* key NULL: an element of an array, or the outermost value. */
void json_object_begin(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array_begin(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_text(struct json *j, const char *key, const char *text);
void json_text_n(struct json *j, const char *key, const char *text, size_t n);
void json_uint(struct json *j, const char *key, uint64_t v);
/* v thousandths: 1500 is written as 1.500. */
void json_milli(struct json *j, const char *key, uint64_t v);
void json_bool(struct json *j, const char *key, bool v);
void json_nil(struct json *j, const char *key);
/* Addresses as text; family 0: null. */
void json_addr(struct json *j, const char *key, const struct ipaddr *a);
/* "1.2.3.4:80", "[2001:db8::1]:80"; without a port where port < 0. */
void json_addr_port(struct json *j, const char *key, const struct ipaddr *a, int port);

#endif
