// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a coded body: no more is given out than there is room for, and it ends.
 */
#include <stdlib.h>

#include "http/coding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_make(data, size);
	enum decoder_result r = DECODER_MORE;
	uint8_t which, cut, out[512];
	struct decoder *d;
	size_t total = 0;

	if (!view_get_u8(&in, &which) || !view_get_u8(&in, &cut))
		return 0;
	d = decoder_new((enum coding)(CODING_GZIP + which % 4));
	if (!d)
		return 0;
	while (r != DECODER_BAD && in.len && total < 1 << 20) {
		struct view part;
		view_take(&in, in.len < (size_t)cut + 1 ? in.len : (size_t)cut + 1, &part);
		do {
			size_t n;
			r = decoder_run(d, &part, out, sizeof(out), &n);
			if (n > sizeof(out))
				abort();
			total += n;
		} while (r == DECODER_FULL && total < 1 << 20);
	}
	decoder_free(d);
	return 0;
}
