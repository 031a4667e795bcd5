// SPDX-License-Identifier: Apache-2.0
/* A sandbox's share of a turn, by what its frames have cost. */
#include "flow/share.h"

/* One dear frame says no more than that a turn has no room for two. */
#define FRAME_NS_MAX 1000000u

unsigned share_frames(const struct share *s, uint64_t spent_us, unsigned max)
{
	uint64_t left = spent_us < SHARE_TURN_US ? SHARE_TURN_US - spent_us : 0;
	uint64_t n = s->frame_ns ? left * 1000 / s->frame_ns : left ? max : 0;

	if (n < SHARE_MIN)
		n = spent_us ? 0 : SHARE_MIN;
	return n < max ? (unsigned)n : max;
}

void share_note(struct share *s, unsigned n, uint64_t took_us)
{
	uint64_t ns = took_us * 1000 / n;

	if (ns < s->frame_ns)
		ns = (ns + s->frame_ns) / 2;
	s->frame_ns = ns < FRAME_NS_MAX ? (uint32_t)ns : FRAME_NS_MAX;
}
