// SPDX-License-Identifier: Apache-2.0
/* Any frame, under each way to leave work out: what is said of it lies within it. */
#include "link/offload.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum link_offload o = size ? data[0] % 3 : 0;
	struct frame f;

	if (size < 1 + offload_header(o) + ETH_HLEN || size > FRAME_MAX)
		return 0;
	/* In memory of its own, so that a read behind the end is seen. */
	uint32_t len = (uint32_t)size - 1;
	uint8_t *copy = malloc(len);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, len);
	if (offload_take(o, copy, len, &f)) {
		const struct frame_meta *m = &f.meta;

		if (f.data + f.len != copy + len)
			abort();
		if (m->needs_csum && (uint32_t)m->csum_start + m->csum_offset + 2 > f.len)
			abort();
		if (m->needs_csum && o == LINK_OFFLOAD_NONE)
			abort();
	}
	free(copy);
	return 0;
}
