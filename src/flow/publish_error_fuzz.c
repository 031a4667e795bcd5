// SPDX-License-Identifier: Apache-2.0
/* Fuzzer: what a guest may quote in an ICMP error about a published UDP port. */
#include <stddef.h>
#include <stdint.h>

#include "flow/publish_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the family, the rest is the ICMP message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct publish_set set; /* no clients: only the reading is under test */
	if (!size)
		return 0;
	struct packet p = {.l4 = view_make(data + 1, size - 1)};
	p.dst.family = p.src.family = data[0] & 1 ? 6 : 4;
	publish_guest_error(&set, &p);
	return 0;
}
