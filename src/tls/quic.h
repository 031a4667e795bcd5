// SPDX-License-Identifier: Apache-2.0
/*
 * Opening the Initial packets of a QUIC client (RFC 9000, RFC 9001 5, RFC 9369) far enough to read
 * the ClientHello in them. Initial keys follow from the connection ID alone, so anybody on the path
 * may do this.
 *
 * One UDP flow can hold several connections, one after the other or side by side: a server tells
 * them apart by connection ID, not by address. Each has a hello of its own, so every datagram with
 * a long header has to come through here for as long as the flow lives, not only the first ones
 * (after the handshake clients send short headers alone, which cost nothing).
 *
 * What a hostile client may try, and what holds against it: whatever the server could read has to
 * be what was read here. A CRYPTO byte, once read, is kept and may not come again with another
 * value; a packet that opens under two keys (AES-GCM does not rule that out) or whose number could
 * be meant in two ways is refused; so is an Initial in a datagram of under 1,200 bytes, which
 * servers drop; a second hello of a connection (after HelloRetryRequest) has to name what the first
 * one named.
 *
 * May use: base/, libcrypto. Bounds, each of one flow: QUIC_CRYPTO_MAX handshake bytes a
 * connection; QUIC_CONNS connections are remembered, then the oldest is forgotten (its Initials no
 * longer open, and a hello that it sends anew is read anew); one of them may be unfinished, another
 * one beside it is refused. A finished connection keeps under 1 KiB and its hello.
 */
#ifndef WEIR_TLS_QUIC_H
#define WEIR_TLS_QUIC_H

#include "tls/hello.h"
#include "tls/quic_keys.h"

#define QUIC_CRYPTO_MAX  HELLO_MAX
#define QUIC_CONNS       4
#define QUIC_PACKET_MAX  4096 /* bytes of an Initial; clients send under 1,500 */
#define QUIC_PACKETS_MAX 8    /* in one datagram; clients put three together at most */

/* True for a UDP payload that begins with a long header of any version (RFC 8999 5.1). */
bool quic_is_long_header(struct view datagram);

struct quic_hello; /* what the clients of one UDP flow have said; idle it takes 40 bytes */

/* `c` is borrowed, and may serve any number of flows of the same thread. NULL without memory. */
struct quic_hello *quic_hello_new(struct quic_crypto *c);
void quic_hello_free(struct quic_hello *q);
/*
 * One datagram of the client's, in the order in which they come.
 * HELLO_MORE: a hello has begun and is not whole, or there has been none yet. Hold the datagram.
 * HELLO_DONE: all hellos so far are whole, and *ret is the one that matters for this datagram:
 * judge it, then let go what was held. HELLO_NOT_TLS: no long header, or a QUIC version that cannot
 * be read; the caller decides what that means. HELLO_BAD: does not open, contradicts what came
 * before, breaks the form, or no memory. Drop it and what is held.
 */
enum hello_result quic_hello_datagram(struct quic_hello *q, struct view datagram,
				      struct hello *ret);

#endif
