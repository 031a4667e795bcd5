// SPDX-License-Identifier: Apache-2.0
/*
 * Putting CRYPTO frames together.
 */
#include "tls/quic_stream.h"

#include <stdlib.h>

#include "tls/quic.h"

/* Makes room for all that may come, with a map of what is there. */
static bool widen(struct quic_stream *s)
{
	uint8_t *have = calloc(1, QUIC_CRYPTO_MAX / 8);
	uint8_t *bytes = realloc(s->bytes, QUIC_CRYPTO_MAX);

	if (bytes)
		s->bytes = bytes;
	if (!have || !bytes) {
		free(have);
		return false;
	}
	for (size_t i = 0; i < s->got; i++)
		have[i / 8] |= (uint8_t)(1u << i % 8);
	s->have = have;
	return true;
}

bool quic_stream_put(struct quic_stream *s, uint64_t offset, struct view data)
{
	if (offset > QUIC_CRYPTO_MAX || data.len > QUIC_CRYPTO_MAX - offset)
		return false;
	if (data.len == 0)
		return true;
	size_t at = (size_t)offset, end = at + data.len;
	if (!s->have && end <= s->got)
		return memcmp(s->bytes + at, data.p, data.len) == 0;
	if (!s->have && !widen(s))
		return false;
	for (; data.len; at++) {
		uint8_t bit = (uint8_t)(1u << at % 8), value = 0;
		view_get_u8(&data, &value);
		if ((s->have[at / 8] & bit) && s->bytes[at] != value)
			return false;
		s->have[at / 8] |= bit;
		s->bytes[at] = value;
	}
	if (end > s->end)
		s->end = end;
	while (s->got < s->end && (s->have[s->got / 8] >> s->got % 8 & 1))
		s->got++;
	return true;
}

void quic_stream_trim(struct quic_stream *s)
{
	if (!s->have || s->got != s->end)
		return;
	free(s->have);
	s->have = NULL;
	uint8_t *less = realloc(s->bytes, s->got);
	if (less)
		s->bytes = less;
}

void quic_stream_done(struct quic_stream *s)
{
	free(s->bytes);
	free(s->have);
	*s = (struct quic_stream){0};
}
