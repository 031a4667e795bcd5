// SPDX-License-Identifier: Apache-2.0
/*
 * Watching a TLS connection for a second ClientHello.
 *
 * A server may answer a hello with HelloRetryRequest (RFC 8446 4.1.4): the client then says hello
 * again, in the clear, and servers serve the name that stands in the second one. A client can bring
 * that about (it offers no key that the server takes), so judging the first hello alone would let a
 * guest name one server to weir and another one to the server. Sans-IO.
 *
 * Both directions are looked at until it is known that no second hello comes: from the server as
 * far as its first message (before the guest gets it), from the guest record by record. In a usual
 * connection the server's first bytes end it, before the guest has said anything more. What the
 * guest sends in the meantime passes where it cannot be a hello: 0-RTT, which it has to have
 * offered; change_cipher_spec; alerts. A second hello that nobody has asked for is refused, one
 * that was asked for is held until it is whole.
 *
 * May use: base/. Bounds: the caller's buffer; it holds HELLO_MAX bytes of the guest's at most, and
 * denies what does not fit.
 */
#ifndef WEIR_TLS_RETRY_H
#define WEIR_TLS_RETRY_H

#include "tls/hello.h"

/* Bytes of the server's stream that are enough to know, in any but the oddest records. */
#define RETRY_SERVER_ENOUGH 64

enum retry_result {
	RETRY_WATCH, /* go on */
	RETRY_OVER,  /* no second hello will come: everything may pass, nobody has to watch */
	RETRY_BAD,   /* another name, or what no client sends: deny */
};

struct retry {
	struct hello first;
	bool asked;    /* the server has sent HelloRetryRequest */
	bool over;     /* the server has answered otherwise */
	uint32_t skip; /* bytes of the guest's record under way that may pass */
};

/* After a hello that was judged and may pass. */
void retry_init(struct retry *r, const struct hello *first);
/*
 * The server's stream from its first byte on, as far as it is there (RETRY_SERVER_ENOUGH bytes
 * will do); call again when more has come, until it says RETRY_OVER or r->asked is set. After
 * either ask retry_guest() about what is held.
 */
enum retry_result retry_server(struct retry *r, struct view bytes);
/*
 * What the guest has sent behind the first hello and has not been let pass. *ret_pass bytes of it
 * may pass now; the rest is held until more has come from either side.
 */
enum retry_result retry_guest(struct retry *r, struct view bytes, size_t *ret_pass);

#endif
