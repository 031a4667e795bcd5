// SPDX-License-Identifier: Apache-2.0
/*
 * Opening the Initial packets of a QUIC connection (RFC 9000, RFC 9001 5, RFC 9369) far enough to
 * read the ClientHello in them. Initial keys follow from the connection ID alone, so anybody on the
 * path may do this.
 *
 * May use: base/, libcrypto. Bounds: QUIC_CRYPTO_MAX bytes of handshake a connection; nothing is
 * allocated after quic_hello_new().
 */
#ifndef WEIR_TLS_QUIC_H
#define WEIR_TLS_QUIC_H

#include "tls/hello.h"

#define QUIC_CRYPTO_MAX HELLO_MAX

/* True for a UDP payload that begins with a long header of any version (RFC 8999 5.1). */
bool quic_is_long_header(struct view datagram);

struct quic_hello; /* the handshake bytes of one client, put together from CRYPTO frames */

struct quic_hello *quic_hello_new(void); /* NULL without memory */
void quic_hello_free(struct quic_hello *q);
/*
 * One datagram of the client's, in the order in which they come. HELLO_NOT_TLS: not a QUIC version
 * that can be read (the caller decides what that means); HELLO_BAD: does not decrypt, contradicts
 * what came before, or breaks the form.
 */
enum hello_result quic_hello_datagram(struct quic_hello *q, struct view datagram,
				      struct hello *ret);

#endif
