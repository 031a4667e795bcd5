// SPDX-License-Identifier: Apache-2.0
/* When polling pays: see spin.h. */
#include "loop/spin.h"

#define FRACTION 16 /* means are kept in sixteenths */

static void spin_enter(struct spin *s, enum spin_state state)
{
	s->state = state;
	s->windows = s->wait = s->turn = 0;
}

static void window_clear(struct spin *s)
{
	s->n = s->near = s->wait_us = s->turn_us = s->soon = 0;
}

/* Sleeps for twice as many windows as after the last failure, and `least` at least. */
static void spin_failed(struct spin *s, unsigned least)
{
	s->hold *= 2;
	if (s->hold < least)
		s->hold = least;
	if (s->hold > SPIN_HOLD_MAX)
		s->hold = SPIN_HOLD_MAX;
	spin_enter(s, SPIN_SLEEPING);
}

static void sleeping(struct spin *s, uint64_t now_us)
{
	s->slept = s->turn;
	if (s->windows >= (s->hold ? s->hold : SPIN_SETTLE) && s->wait >= SPIN_MIN_US * FRACTION &&
	    now_us >= s->rest_until_us)
		spin_enter(s, SPIN_TRYING);
}

static void trying(struct spin *s)
{
	if (s->turn * 4 > s->slept * 3) {
		spin_failed(s, SPIN_SETTLE);
		return;
	}
	spin_enter(s, SPIN_POLLING);
}

static unsigned moved(unsigned mean, unsigned sum_us, unsigned n, unsigned windows)
{
	unsigned now = sum_us * FRACTION / n;

	return windows ? mean + now / SPIN_SLOW - mean / SPIN_SLOW : now;
}

static void window_over(struct spin *s, uint64_t now_us)
{
	bool talk = s->near >= SPIN_NEAR_MIN;

	if (talk) {
		s->wait = moved(s->wait, s->wait_us, s->near, s->windows);
		s->turn = moved(s->turn, s->turn_us, s->near, s->windows);
		s->windows++;
	}
	window_clear(s);
	if (s->state == SPIN_SLEEPING) {
		if (talk)
			sleeping(s, now_us);
	} else if (!talk) {
		spin_enter(s, SPIN_SLEEPING);
	} else if (s->state == SPIN_TRYING) {
		trying(s);
	} else if (s->turn > s->slept || s->windows >= SPIN_RUN) {
		spin_enter(s, SPIN_SLEEPING);
	} else if (s->windows == SPIN_PROVEN) {
		s->hold = 0;
	}
}

void spin_waited(struct spin *s, uint64_t began_us, uint64_t now_us)
{
	uint64_t turn = now_us - s->last_us;

	s->last_us = now_us;
	if (s->gave_up_us && now_us - s->gave_up_us < SPIN_SOON_US)
		s->soon++;
	s->gave_up_us = 0;
	if (s->soon >= SPIN_SOON_MAX) {
		spin_robbed(s, now_us);
		return;
	}
	if (turn < SPIN_FAR_US) {
		s->near++;
		s->turn_us += (unsigned)turn;
		s->wait_us += (unsigned)(now_us - began_us);
	}
	if (++s->n == SPIN_WINDOW)
		window_over(s, now_us);
}

void spin_robbed(struct spin *s, uint64_t now_us)
{
	s->rest_until_us = now_us + SPIN_REST_US;
	window_clear(s);
	spin_failed(s, s->state == SPIN_POLLING ? SPIN_RETURN : SPIN_SETTLE);
}
