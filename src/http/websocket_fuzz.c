// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as WebSocket frames: read in pieces as in one, and written again they are the same.
 */
#include <stdlib.h>

#include "http/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX 4096

/* Frames as they would be written again. Returns their length; *bad: where reading stopped. */
static size_t copy(struct view in, size_t piece, enum websocket_sender sender, uint8_t out[OUT_MAX],
		   bool *bad)
{
	struct websocket w = {.sender = (uint8_t)sender};
	struct view part = {0}, got;
	size_t n = 0;

	for (*bad = false;;) {
		switch (websocket_read(&w, &part, &got)) {
		case WEBSOCKET_MORE:
			if (part.len || in.len == 0)
				return n;
			view_take(&in, in.len < piece ? in.len : piece, &part);
			break;
		case WEBSOCKET_FRAME:
			if ((sender == WEBSOCKET_CLIENT && !w.frame.masked) ||
			    (sender == WEBSOCKET_SERVER && w.frame.masked))
				abort();
			n += websocket_head(&w.frame, out + n);
			break;
		case WEBSOCKET_PAYLOAD:
			memcpy(out + n, got.p, got.len);
			websocket_mask(&w.frame, 1, out + n, got.len);
			websocket_mask(&w.frame, 1, out + n, got.len);
			n += got.len;
			break;
		case WEBSOCKET_END:
			break;
		case WEBSOCKET_BAD:
			*bad = true;
			return n;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t whole[OUT_MAX], cut[OUT_MAX];
	bool whole_bad, cut_bad;

	if (size < 1 || size > OUT_MAX / 2)
		return 0;
	struct view in = view_make(data + 1, size - 1);
	enum websocket_sender sender = (enum websocket_sender)(data[0] >> 6) % 3;
	size_t n = copy(in, size, sender, whole, &whole_bad);
	if (n > in.len || (n && memcmp(whole, in.p, n) != 0))
		abort();
	if (copy(in, (size_t)data[0] + 1, sender, cut, &cut_bad) != n || cut_bad != whole_bad ||
	    (n && memcmp(whole, cut, n) != 0))
		abort();
	return 0;
}
