// SPDX-License-Identifier: Apache-2.0
/*
 * The answers to a request that is refused, as bytes for the client: what was denied by the policy,
 * and what could not be read. Each holds a JSON object, in one spelling for both protocols:
 * {"error":"denied by policy","reason":...,"rule":...,"name":...}, null for what there is not.
 *
 * Sans-IO, no allocation; everything fits into HTTP_DENY_MAX bytes: where rule and name are too
 * long for that, they are left out.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_DENY_H
#define WEIR_HTTP_DENY_H

#include "base/view.h"

#define HTTP_DENY_MAX 2048

struct http_denial {
	int status;         /* 403; 400, 414, 417, 421, 431 and 505 for what cannot be passed */
	const char *reason; /* the policy's reason, or what was wrong */
	const char *rule;   /* text of the rule; NULL: none */
	struct view name;   /* as the guest wrote it, any bytes; len 0: none */
	bool head;          /* the request was HEAD: the answer has no body */
};

/* The JSON object alone. Returns its length. */
size_t http_deny_body(const struct http_denial *d, uint8_t buf[HTTP_DENY_MAX]);

/* An HTTP/1.1 response behind which the connection closes. Returns its length. */
size_t http_deny_h1(const struct http_denial *d, uint8_t buf[HTTP_DENY_MAX]);

/*
 * HTTP/2. These go between two frames of the server's stream (h2_read_server()), in this order.
 * http_h2_settings(): where the server's own were not seen yet. http_deny_h2(): HEADERS and DATA on
 * the request's stream, in literals that no table keeps, so that the server's later headers stay
 * readable; `client_table` is h2_client_table(). http_h2_goaway(): tells up to which stream
 * requests were passed on, without an error (RFC 9113 6.8).
 */
size_t http_deny_h2(const struct http_denial *d, uint32_t stream, uint32_t client_table,
		    uint8_t buf[HTTP_DENY_MAX]);
size_t http_h2_settings(uint8_t buf[HTTP_DENY_MAX]);
size_t http_h2_goaway(uint32_t last_stream, uint8_t buf[HTTP_DENY_MAX]);

#endif
