// SPDX-License-Identifier: Apache-2.0
/*
 * The event loop of one worker: epoll, a timer wheel, and work put off to the end of a turn.
 *
 * Every wake has a cause: an fd, or the wheel's next deadline. A source may be removed at any time,
 * also from a callback of its own or of another one in the same turn.
 */
#ifndef WEIR_LOOP_LOOP_H
#define WEIR_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "base/list.h"
#include "base/wheel.h"
#include "loop/spin.h"

struct loop_source {
	int fd;                                               /* -1: not in a loop; not owned */
	void (*fn)(struct loop_source *src, uint32_t events); /* EPOLL* bits */
};

#define LOOP_EVENTS 256

struct loop {
	int epoll_fd;
	struct wheel wheel;
	struct spin spin;
	int load_fd;      /* /proc/loadavg; -1: not to be had, and nothing is polled for */
	uint64_t now_us;  /* CLOCK_MONOTONIC, read once a turn after waiting, before timers and
			     sources */
	unsigned hurries; /* reasons to wake soon */
	bool hurried;     /* and the scheduler was told */
	bool stop;
	bool rested; /* it has waited for long once, and forgotten its start */
	/* called at the end of every turn, after sources and timers: flush bursts */
	void (*turn_end)(struct loop *l, void *ctx);
	void *turn_ctx;
	struct epoll_event events[LOOP_EVENTS];
	int event_n, event_i; /* the turn's events, so that a removed source is not called */
	uint64_t turns;
};

int loop_init(struct loop *l, struct error *err);
void loop_done(struct loop *l); /* harmless where epoll_fd is -1 */
/* events: EPOLLIN, EPOLLOUT, EPOLLET, ... 0 or -errno. */
int loop_add(struct loop *l, struct loop_source *src, int fd, uint32_t events);
int loop_mod(struct loop *l, struct loop_source *src, uint32_t events);
/* Harmless where src is not in the loop. The fd is not closed: call this before close(). */
void loop_del(struct loop *l, struct loop_source *src);
/* The same without a system call, for an fd that is closed right after and has no duplicate:
 * closing takes it out of the set. */
void loop_forget(struct loop *l, struct loop_source *src);
/* From the next wait on, and until the same caller says false: what the loop waits for now should
 * find it awake soon, even where others want the processor (slice.h). */
void loop_hurry(struct loop *l, bool on);
/* Until l->stop. 0 or -errno. */
int loop_run(struct loop *l);
uint64_t clock_now_us(void); /* CLOCK_MONOTONIC */

#endif
