// SPDX-License-Identifier: Apache-2.0
/*
 * Whether to poll for a moment before going to sleep.
 *
 * Theory of operation
 * -------------------
 * To fall asleep and to be woken up costs tens of microseconds where a processor halts in between,
 * and a request and its answer wake a gateway twice. One that polls until the next event comes is
 * spared that. But what it burns may be what others need: the guest or its server on the same
 * processor, anything else on the machine, a quota. So nothing is assumed, and all is measured, in
 * windows of some waits each:
 *
 *   sleeping  the usual way. Only where waits are short for a while, as in a conversation, and not
 *             so short that there is nothing to win, something else is tried;
 *   trying    one window of polling. Where events came faster by a quarter, it goes on;
 *   polling   until events come no faster than they did in sleep, or until it is time to compare
 *             again.
 *
 * Between two polls no time should pass: where it did, somebody else had the processor. And what
 * does not come while it is polled for should not come as soon as that ends: where it does, whoever
 * was to send it waited for this processor. Either way it sleeps for a moment. Where polling had
 * paid until then it soon tries again, or every short task of the system's would cost a second of
 * slow answers; each failure puts the next trial off twice as long, until polling has paid for a
 * while. Where at that moment more wants to run than there are processors, no trial is made at all.
 * Where no event comes soon, the wait ends in sleep: a gateway without traffic makes no system
 * call.
 */
#ifndef WEIR_LOOP_SPIN_H
#define WEIR_LOOP_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#define SPIN_US       50   /* a wait is polled for so long at most */
#define SPIN_WINDOW   32   /* waits that are looked at together */
#define SPIN_FAR_US   100  /* an event this long behind the last one is none of a conversation, */
#define SPIN_NEAR_MIN 8    /* of which a window needs some */
#define SPIN_MIN_US   10   /* the mean wait that leaves something to win */
#define SPIN_GAP_US   200  /* between two polls: the processor was taken away */
#define SPIN_SETTLE   16   /* windows of sleep before a trial */
#define SPIN_RETURN   2    /* the same where polling paid until it was disturbed */
#define SPIN_PROVEN   64   /* windows of polling that make up for all failures before */
#define SPIN_RUN      4096 /* windows of polling before some are slept again */
#define SPIN_HOLD_MAX 256  /* windows of sleep behind failures in a row */
#define SPIN_SOON_US  20   /* behind a poll for nothing: it was in the way */
#define SPIN_SOON_MAX 4    /* so often in a window, that is no chance */
#define SPIN_REST_US  2000 /* without polling, where others wanted the processor */
#define SPIN_SLOW     8    /* the newest window's part of a mean: an eighth */

enum spin_state {
	SPIN_SLEEPING,
	SPIN_TRYING,
	SPIN_POLLING
};

struct spin {
	enum spin_state state;
	/* Of this window: waits, those of a conversation, how long these took, and how long it was
	 * from the event before to theirs. */
	unsigned n, near, wait_us, turn_us;
	unsigned soon;       /* of these, behind a poll for nothing */
	unsigned windows;    /* with conversation, since the state began, */
	unsigned wait, turn; /* and the means of both, in sixteenths of a microsecond */
	unsigned slept;      /* what `turn` was in the last sleep */
	unsigned hold;       /* windows to sleep before the next trial; 0: SPIN_SETTLE */
	uint64_t last_us;    /* the event before */
	uint64_t gave_up_us; /* when the poll of this wait ended for nothing; 0: none did */
	uint64_t rest_until_us;
};

/* Whether the wait that begins now is polled first. */
static inline bool spin_now(const struct spin *s)
{
	return s->state != SPIN_SLEEPING;
}

/* The same, and it is the first of a trial: the owner may still say no (spin_robbed()). */
static inline bool spin_begins(const struct spin *s)
{
	return s->state == SPIN_TRYING && s->n == 0;
}

/* A wait is over, polled or not. */
void spin_waited(struct spin *s, uint64_t began_us, uint64_t now_us);
/* Nothing came while it was polled: the wait goes on in sleep. */
static inline void spin_gave_up(struct spin *s, uint64_t now_us)
{
	s->gave_up_us = now_us;
}

/* The processor was somebody else's while it was polled. */
void spin_robbed(struct spin *s, uint64_t now_us);

#endif
