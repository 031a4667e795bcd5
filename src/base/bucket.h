// SPDX-License-Identifier: Apache-2.0
/*
 * A token bucket: so many a second on the average, and as many at once as it holds.
 */
#ifndef WEIR_BASE_BUCKET_H
#define WEIR_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	uint64_t rate;  /* tokens a second */
	uint64_t cap;   /* most that it holds */
	uint64_t level; /* tokens in it now */
	uint64_t at_us; /* when it was looked at last */
};

/* Full at the start. rate is below 2^31. */
static inline struct bucket bucket_make(uint64_t rate, uint64_t cap, uint64_t now_us)
{
	return (struct bucket){.rate = rate, .cap = cap, .level = cap, .at_us = now_us};
}

/* Takes n tokens; false, and nothing is taken, where fewer are there. */
static inline bool bucket_take(struct bucket *b, uint64_t n, uint64_t now_us)
{
	uint64_t passed = now_us > b->at_us ? now_us - b->at_us : 0;

	/* Longer ago than an hour is as long ago as that, which keeps the product small. */
	if (passed > 3600000000u)
		passed = 3600000000u;
	uint64_t gain = passed * b->rate / 1000000;
	if (gain) {
		b->level = b->level + gain < b->cap ? b->level + gain : b->cap;
		b->at_us = now_us;
	}
	if (b->level < n)
		return false;
	b->level -= n;
	return true;
}

#endif
