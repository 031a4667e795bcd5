// SPDX-License-Identifier: Apache-2.0
/*
 * The rules for what stands in a header block of HTTP/2 (RFC 9113 8.1 to 8.3): shared by the
 * watcher (h2.h) and the proxy. The blocks are decoded already; pseudo-header fields stand first in
 * the list.
 *
 * Each returns false and *ret_error where the message is malformed.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_H2_HEAD_H
#define WEIR_HTTP_H2_HEAD_H

#include "http/h2.h"

bool h2_head_request(const struct http_fields *s, struct h2_request *ret, const char **ret_error);

struct h2_answer {
	int status;
	bool has_length;
	uint64_t length;
	const struct http_field *fields; /* without the pseudo-header field */
	size_t field_count;
};
bool h2_head_answer(const struct http_fields *s, struct h2_answer *ret, const char **ret_error);

bool h2_head_trailers(const struct http_fields *s, const char **ret_error);

#endif
