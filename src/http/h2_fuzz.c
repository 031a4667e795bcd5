// SPDX-License-Identifier: Apache-2.0
/*
 * A client's HTTP/2 stream behind some bytes of a server: the events are the same in whatever
 * pieces the bytes come, and places for frames of our own lie within what was shown.
 *
 * The first byte chooses the pieces, the second how many of the following are the server's.
 */
#include <stdlib.h>

#include "http/http_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* The last gap counted from the start, so that pieces make no difference. */
static bool show_server(struct h2 *h, struct view in, size_t each, size_t *ret_gap)
{
	*ret_gap = 0;
	for (size_t at = 0; at < in.len;) {
		size_t n = each && each < in.len - at ? each : in.len - at, gap;
		if (!h2_read_server(h, view_make(in.p + at, n), &gap))
			return false;
		must(gap == H2_NO_GAP || gap <= n);
		if (gap != H2_NO_GAP)
			*ret_gap = at + gap;
		at += n;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig_log log[2];
	struct rig_cut pieces = {0};
	bool ok[2];
	size_t gap[2];

	if (size < 2 || data[1] > size - 2)
		return 0;
	struct view server = view_make(data + 2, data[1]);
	struct view in = view_make(data + 2 + data[1], size - 2 - data[1]);
	for (int i = 0; i < 2; i++) {
		struct h2 *h = h2_new();
		must(h);
		ok[i] = show_server(h, server, pieces.each, &gap[i]);
		rig_h2(h, in, pieces, &log[i]);
		h2_free(h);
		pieces = (struct rig_cut){.first = data[0] >> 4, .each = 1u + (data[0] & 15)};
	}
	must(ok[0] == ok[1] && (!ok[0] || gap[0] == gap[1]));
	must(strcmp(log[0].text, log[1].text) == 0 && log[0].passed == log[1].passed);
	return 0;
}
