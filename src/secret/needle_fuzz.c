// SPDX-License-Identifier: Apache-2.0
/*
 * A string and a stream, cut where the input says: the hits are those of a plain search.
 */
#include <stdlib.h>

#include "secret/needle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* The string is followed by the stream; `cut`: the length of the pieces. */
static void run(const struct needle_set *s, struct view string, struct view in, size_t cut)
{
	size_t base = 0, have = 0, want = 0;

	while (base < in.len || have < in.len) {
		struct needle_hit hit;
		size_t safe, from = 0;
		have = in.len - have > cut ? have + cut : in.len;
		struct view v = view_make(in.p + base, have - base);
		while (needle_find(s, v, from, have == in.len, &hit, &safe)) {
			if (hit.needle->form == NEEDLE_RAW) {
				check(hit.at + string.len <= v.len);
				check(memcmp(v.p + hit.at, string.p, string.len) == 0);
			}
			/* None was passed over. */
			for (; want < base + hit.at; want++)
				check(in.len - want < string.len ||
				      memcmp(in.p + want, string.p, string.len) != 0);
			from = hit.at + hit.needle->len;
			want = base + from;
		}
		check(safe <= v.len && (have < in.len || safe == v.len));
		base += safe > from ? safe : from;
		if (have == in.len)
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct needle_key key = {3, {5, 7}};
	struct needle list[NEEDLE_FORMS];
	struct view in = view_make(data, size), string;
	uint8_t len, cut;

	if (!view_get_u8(&in, &len) || !view_get_u8(&in, &cut))
		return 0;
	if (!view_take(&in, len, &string))
		return 0;
	size_t n = needle_make_forms(&key, string, 0, list);
	if (n == 0)
		return 0;
	struct needle_set *s = needle_set_new(&key, list, n);
	if (s)
		run(s, string, in, (size_t)cut + 1);
	needle_set_free(s);
	return 0;
}
