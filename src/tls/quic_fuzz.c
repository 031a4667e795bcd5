// SPDX-License-Identifier: Apache-2.0
/*
 * Datagrams of a hostile QUIC client. The input is a row of pieces, each behind a byte that says
 * what it is and its length in two bytes: a datagram as it stands, or frames that are sealed into a
 * packet that opens.
 */
#include <stdlib.h>

#include "tls/quic.h"
#include "tls/quic_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { /* bits of a piece's first byte */
	PIECE_FRAMES = 1,
	PIECE_OTHER_ID = 2,
	PIECE_VERSION_2 = 4,
	PIECE_SERVERS_ID = 8,
	PIECE_SHORT_NUMBER = 16,
	PIECE_KEEP = 32, /* the next piece goes into the same datagram */
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static size_t seal(struct quic_crypto *c, uint8_t kind, uint32_t number, struct view frames,
		   uint8_t *to)
{
	static const uint8_t ids[2][8] = {{1, 2, 3}, {4, 5, 6}};
	struct quic_rig r = {.crypto = c, .number = number};

	r.dcid = r.first = view_make(ids[!!(kind & PIECE_OTHER_ID)], 8);
	if (kind & PIECE_SERVERS_ID)
		r.dcid.len = 4;
	if (kind & PIECE_VERSION_2)
		r.version = QUIC_V2;
	if (kind & PIECE_SHORT_NUMBER)
		r.number_bytes = 1;
	if (frames.len > 9000)
		frames.len = 9000;
	return quic_rig_seal(&r, frames, to);
}

static void check(const struct hello *h)
{
	must(h->name.len == strlen(h->name.s));
	must((h->name.len > 0) == (h->sni == HELLO_SNI_NAME));
	must(h->alpn_len <= HELLO_ALPN_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct quic_crypto *c;
	static uint8_t datagram[150000];
	struct view in = view_make(data, size), piece;
	uint32_t number = 0;
	size_t at = 0;
	struct hello h;
	uint8_t kind;
	uint16_t len;

	if (!c)
		c = quic_crypto_new();
	struct quic_hello *q = quic_hello_new(c);
	must(c && q);
	while (view_get_u8(&in, &kind) && view_get_be16(&in, &len)) {
		if (!view_take(&in, len < in.len ? len : in.len, &piece))
			break;
		if (kind & PIECE_FRAMES) {
			at += seal(c, kind, number++, piece, datagram + at);
		} else {
			memcpy(datagram + at, piece.p, piece.len);
			at += piece.len;
		}
		if (kind & PIECE_KEEP && at < 60000)
			continue;
		/* From memory of just that size, so that a read past the end shows. */
		uint8_t *copy = malloc(at ? at : 1);
		must(copy);
		memcpy(copy, datagram, at);
		enum hello_result r = quic_hello_datagram(q, view_make(copy, at), &h);
		free(copy);
		must(r <= HELLO_BAD);
		if (r == HELLO_DONE)
			check(&h);
		at = 0;
	}
	quic_hello_free(q);
	return 0;
}
