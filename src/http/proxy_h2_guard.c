// SPDX-License-Identifier: Apache-2.0
/*
 * Counting what costs us work and is of no use to its sender in such numbers (RFC 9113 10.5): PING,
 * SETTINGS, PRIORITY, empty DATA, interim answers, WINDOW_UPDATE beyond what the DATA that it was
 * sent explains; and streams that are reset before they were answered, or refused. Frames of
 * unknown types are skipped by their length, which costs less than sending them.
 *
 * Each side has a bucket for each of the two, which fills with time: this is the one place where
 * the proxy looks at a clock, and only where such a frame comes.
 */
#include "http/proxy_h2_priv.h"

#include <time.h>

/* Frames: a busy peer pings a few times a second, and says its settings once. */
#define IDLE_RATE 200
#define IDLE_CAP  2000
/* Resets: who closes a page resets some hundred streams at once. */
#define RESET_RATE 50
#define RESET_CAP  500
/* Updates of windows that one DATA frame pays for: the stream's, the connection's, and as many
 * again for those that come piecemeal; how many may be saved up. */
#define UPDATES_PAID 4
#define UPDATES_CAP  10000

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void h2p_guard_init(struct h2p *p)
{
	uint64_t now = now_us();

	for (int i = 0; i < 2; i++) {
		p->side[i].idle_frames = bucket_make(IDLE_RATE, IDLE_CAP, now);
		p->side[i].resets = bucket_make(RESET_RATE, RESET_CAP, now);
	}
}

bool h2p_guard_idle(struct h2p_side *side)
{
	return bucket_take(&side->idle_frames, 1, now_us());
}

bool h2p_guard_reset(struct h2p_side *side)
{
	return bucket_take(&side->resets, 1, now_us());
}

void h2p_guard_data_sent(struct h2p_side *side)
{
	if (side->update_credit < UPDATES_CAP)
		side->update_credit += UPDATES_PAID;
}

bool h2p_guard_frame(struct h2p_side *side, const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_CONTINUATION:
	case NGHTTP2_RST_STREAM: /* counted as the stream closes */
	case NGHTTP2_GOAWAY:
		return true;
	case NGHTTP2_DATA:
		return hd->length || (hd->flags & NGHTTP2_FLAG_END_STREAM) || h2p_guard_idle(side);
	case NGHTTP2_WINDOW_UPDATE:
		if (!side->update_credit)
			return h2p_guard_idle(side);
		side->update_credit--;
		return true;
	default:
		return h2p_guard_idle(side);
	}
}
