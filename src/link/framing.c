// SPDX-License-Identifier: Apache-2.0
/* The length before each frame of a stream. */
#include "link/framing.h"

uint32_t framing_max(const struct framing *f)
{
	if (f->prefix == 2)
		return 65535 - f->header;
	return FRAMING_MAX;
}

enum framing_result framing_next(const struct framing *f, struct view *in, struct view *ret,
				 uint32_t *ret_len)
{
	struct view v = *in;
	struct view prefix;
	uint32_t len;

	if (!view_take(&v, f->prefix, &prefix))
		return FRAMING_MORE;
	if (f->prefix == 2)
		len = (uint32_t)(prefix.p[1] << 8 | prefix.p[0]);
	else
		len = get_be32(prefix.p);
	if (len < ETH_HLEN + f->header || len > FRAMING_MAX + f->header) {
		*ret_len = len;
		return FRAMING_BAD;
	}
	if (!view_take(&v, len, ret))
		return FRAMING_MORE;
	*in = v;
	return FRAMING_FRAME;
}

void framing_put(const struct framing *f, uint8_t *at, uint32_t len)
{
	if (f->prefix == 2) {
		at[0] = (uint8_t)len;
		at[1] = (uint8_t)(len >> 8);
	} else {
		put_be32(at, len);
	}
}
