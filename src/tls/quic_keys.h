// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of a client's Initial packets and what is done with them (RFC 9001 5, RFC 9369 3.3).
 * They follow from the connection ID that the client chose: anybody on the path has them.
 *
 * May use: base/, libcrypto. A struct quic_crypto holds libcrypto's algorithms and contexts, which
 * are dear to look up; one serves every connection of a thread, one call at a time.
 */
#ifndef WEIR_TLS_QUIC_KEYS_H
#define WEIR_TLS_QUIC_KEYS_H

#include "base/view.h"

enum {
	QUIC_V1 = 0x00000001,
	QUIC_V2 = 0x6b3343cf,
};

enum {
	QUIC_CID_MAX = 20, /* bytes of a connection ID (RFC 9000 17.2) */
	QUIC_TAG = 16,     /* the authentication tag at the end of a packet */
	QUIC_SAMPLE = 16,  /* what header protection takes of a packet (RFC 9001 5.4.2) */
	QUIC_MASK = 5,     /* bytes of a header that are protected, at most */
};

struct quic_keys {
	uint8_t key[16];
	uint8_t iv[12];
	uint8_t hp[16];
};

struct quic_crypto;

struct quic_crypto *quic_crypto_new(void); /* NULL without memory or without the algorithms */
void quic_crypto_free(struct quic_crypto *c);

/* The client's keys under a version, from the Destination Connection ID of its first Initial. */
bool quic_keys_client(struct quic_crypto *c, uint32_t version, struct view dcid,
		      struct quic_keys *ret);
/* The mask over the first byte and the packet number (RFC 9001 5.4.3). */
bool quic_header_mask(struct quic_crypto *c, const struct quic_keys *k,
		      const uint8_t sample[QUIC_SAMPLE], uint8_t ret[QUIC_MASK]);
/*
 * Opens a payload, tag included, under a header that is already bare (in pieces, as its first byte
 * and the packet number stand in copies; empty ones are passed over). `plain` has room for
 * sealed.len - QUIC_TAG bytes, and is spoilt where the answer is false.
 */
bool quic_open(struct quic_crypto *c, const struct quic_keys *k, uint64_t number,
	       const struct view header[3], struct view sealed, uint8_t *plain);

#endif
