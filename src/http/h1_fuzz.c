// SPDX-License-Identifier: Apache-2.0
/*
 * A client's stream, and a server's, as HTTP/1. The rig holds the readers to their contract (what
 * is kept is what came, and nothing passes unseen); in whatever pieces bytes come, the events are
 * the same.
 *
 * The first byte chooses the pieces, the second what the server says to CONNECT and Upgrade, or
 * that the rest is a server's stream.
 */
#include <stdlib.h>

#include "http/http_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_same(const struct rig_log *a, const struct rig_log *b)
{
	if (strcmp(a->text, b->text) != 0 || a->passed != b->passed)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig_log whole, cut;
	static const char *const asked[] = {"GET", "HEAD", "POST", "UPGRADE", "CONNECT", NULL};

	if (size < 2)
		return 0;
	struct view in = view_make(data + 2, size - 2);
	struct rig_cut pieces = {.first = data[0] >> 4, .each = 1u + (data[0] & 15)};
	if (data[1] % 4 == 3) {
		rig_watch(asked, in, (struct rig_cut){0}, &whole);
		rig_watch(asked, in, pieces, &cut);
	} else {
		rig_h1(in, (struct rig_cut){0}, (enum rig_answer)(data[1] % 4), &whole);
		rig_h1(in, pieces, (enum rig_answer)(data[1] % 4), &cut);
	}
	must_be_same(&whole, &cut);
	return 0;
}
