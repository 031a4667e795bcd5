// SPDX-License-Identifier: Apache-2.0
/*
 * The handshake bytes of one QUIC connection, put together from CRYPTO frames in any order.
 *
 * A byte that was there once may come again, and has to be the same then (RFC 9000 2.2): a server
 * may have taken either. While there are gaps, a map says which bytes are there (18 KiB in all);
 * without gaps only the bytes themselves are kept.
 *
 * May use: base/. Bounds: QUIC_CRYPTO_MAX bytes.
 */
#ifndef WEIR_TLS_QUIC_STREAM_H
#define WEIR_TLS_QUIC_STREAM_H

#include "base/view.h"

struct quic_stream {
	uint8_t *bytes; /* owned; NULL: none yet */
	uint8_t *have;  /* owned: a bit for each byte; NULL: those before `got`, no others */
	size_t got;     /* bytes from the first one on without a gap */
	size_t end;     /* behind the last byte that is there */
};

/* False: too far behind, another value than before, or no memory. */
bool quic_stream_put(struct quic_stream *s, uint64_t offset, struct view data);
/* Gives back what is of no use while there is no gap. */
void quic_stream_trim(struct quic_stream *s);
void quic_stream_done(struct quic_stream *s);

#endif
