// SPDX-License-Identifier: Apache-2.0
/*
 * For tests: makes the Initial packets of a QUIC client, sealed, well-formed and otherwise.
 */
#ifndef WEIR_TLS_QUIC_RIG_H
#define WEIR_TLS_QUIC_RIG_H

#include "tls/quic_keys.h"

/* Fields that are 0 or empty mean what stands beside them. */
struct quic_rig {
	struct quic_crypto *crypto;
	uint32_t version;  /* QUIC_V1 */
	struct view dcid;  /* as it stands in the packet */
	struct view first; /* the ID that the keys come from: dcid */
	struct view token;
	uint32_t number;
	uint8_t number_bytes; /* 4 */
	uint8_t reserved;     /* bits 2 and 3 of the first byte */
	size_t pad_to;        /* the packet's size, by PADDING: 1200. 1: none */
};

/* The packet around `frames`; returns its size. */
size_t quic_rig_seal(const struct quic_rig *r, struct view frames, uint8_t *to);
/* A long header of another type with a body of n bytes. */
size_t quic_rig_long(uint8_t first, uint32_t version, struct view dcid, size_t n, uint8_t *to);
/* A CRYPTO frame with bytes from..to of a message. */
void quic_rig_crypto(struct wbuf *w, struct view message, size_t from, size_t to);

#endif
