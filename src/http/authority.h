// SPDX-License-Identifier: Apache-2.0
/*
 * What an HTTP message says about whom it is for: "example.com:8080", "[2001:db8::1]", "127.0.0.1"
 * (RFC 3986 3.2, RFC 9110 7.2).
 *
 * One reading or none. A text that a server could take for another host than weir does is refused:
 * user information, percent signs, zones, backslashes, number signs, a NUL, an empty host or port,
 * a port outside 1..65535 or with a leading zero, and every spelling of an IPv4 address but the
 * dotted quad (0x7f000001, 0177.1, 2130706433).
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_AUTHORITY_H
#define WEIR_HTTP_AUTHORITY_H

#include "base/addr.h"
#include "base/name.h"
#include "base/view.h"

struct http_authority {
	struct name name;   /* len 0: an address */
	struct ipaddr addr; /* family 0: a name */
	uint16_t port;      /* 0: none was written */
};

bool http_authority_read(struct view text, struct http_authority *ret);
/* The same host. */
bool http_authority_same_host(const struct http_authority *a, const struct http_authority *b);
/* The same host and port, where `port` stands for one that is not written. */
bool http_authority_eq(const struct http_authority *a, const struct http_authority *b,
		       uint16_t port);

#endif
