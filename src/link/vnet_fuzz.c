// SPDX-License-Identifier: Apache-2.0
/* The virtio-net header and a frame: whatever is let through points into the frame. */
#include "link/vnet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < VNET_HLEN_SHORT + ETH_HLEN || size > VNET_HLEN_SHORT + FRAME_MAX)
		return 0;
	/* In memory of its own, so that a read behind the end is seen. */
	uint32_t len = (uint32_t)size - VNET_HLEN_SHORT;
	uint8_t *copy = malloc(len);
	if (!copy)
		return 0;
	memcpy(copy, data + VNET_HLEN_SHORT, len);
	struct frame f = {.data = copy, .len = len};
	if (vnet_parse(data, &f)) {
		const struct frame_meta *m = &f.meta;
		if (m->needs_csum && (uint32_t)m->csum_start + m->csum_offset + 2 > len)
			abort();
		if (m->gso && (!m->gso_size || m->hdr_len > len || m->hdr_len <= m->csum_start))
			abort();
	}
	free(copy);
	return 0;
}
