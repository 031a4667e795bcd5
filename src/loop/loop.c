// SPDX-License-Identifier: Apache-2.0
/* The event loop: wait, read the clock once, run timers and sources, end the turn. */
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/pages.h"
#include "loop/slice.h"

uint64_t clock_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

int loop_init(struct loop *l, struct error *err)
{
	memset(l, 0, sizeof(*l));
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return error_set_errno(err, errno, "cannot create an epoll instance");
	l->load_fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	l->now_us = clock_now_us();
	wheel_init(&l->wheel, l->now_us);
	return 0;
}

void loop_done(struct loop *l)
{
	if (l->epoll_fd < 0)
		return;
	close(l->epoll_fd);
	l->epoll_fd = -1;
	if (l->load_fd >= 0)
		close(l->load_fd);
}

int loop_add(struct loop *l, struct loop_source *src, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	src->fd = fd;
	return 0;
}

int loop_mod(struct loop *l, struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, src->fd, &ev) < 0 ? -errno : 0;
}

void loop_forget(struct loop *l, struct loop_source *src)
{
	src->fd = -1;
	/* What this turn still holds for it must not be delivered. */
	for (int i = l->event_i; i < l->event_n; i++)
		if (l->events[i].data.ptr == src)
			l->events[i].data.ptr = NULL;
}

void loop_del(struct loop *l, struct loop_source *src)
{
	if (src->fd < 0)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
	loop_forget(l, src);
}

static int loop_timeout_ms(const struct loop *l)
{
	uint64_t next = wheel_next_us(&l->wheel);

	if (next == UINT64_MAX)
		return -1;
	if (next <= l->now_us)
		return 0;
	uint64_t ms = (next - l->now_us + 999) / 1000;
	return ms > 3600000 ? 3600000 : (int)ms;
}

/* More wants to run now than there are processors for, or nobody can say. */
static bool loop_crowded(const struct loop *l)
{
	cpu_set_t ours;
	char text[64];
	unsigned running;
	ssize_t n = pread(l->load_fd, text, sizeof(text) - 1, 0);

	if (n <= 0 || sched_getaffinity(0, sizeof(ours), &ours) < 0)
		return true;
	text[n] = '\0';
	/* Three averages, and who runs of how many. */
	if (sscanf(text, "%*s %*s %*s %u/", &running) != 1)
		return true;
	return running > (unsigned)CPU_COUNT(&ours);
}

/* Whether this wait is polled first. Where it is crowded, nothing is even tried. */
static bool loop_may_poll(struct loop *l)
{
	if (spin_begins(&l->spin) && loop_crowded(l))
		spin_robbed(&l->spin, l->now_us);
	return spin_now(&l->spin);
}

/* Polls for a moment. 0: nothing came. */
static int loop_poll(struct loop *l)
{
	uint64_t began = l->now_us, last = began, now;

	do {
		int n = epoll_wait(l->epoll_fd, l->events, LOOP_EVENTS, 0);
		if (n != 0)
			return n;
		now = clock_now_us();
		if (now - last > SPIN_GAP_US) {
			spin_robbed(&l->spin, now);
			return 0;
		}
		last = now;
	} while (now - began < SPIN_US);
	spin_gave_up(&l->spin, now);
	return 0;
}

void loop_hurry(struct loop *l, bool on)
{
	l->hurries += on ? 1 : -1;
}

/* Tells the scheduler, where that has changed. Where it does not listen all is as before, only
 * later. */
static void loop_tell(struct loop *l)
{
	bool hurry = l->hurries > 0;

	if (l->hurried == hurry)
		return;
	l->hurried = hurry;
	slice_set(hurry ? SLICE_SHORT_NS : SLICE_USUAL);
}

/* Waits for events. The first rest is also the time to give back what only the start needed. */
static int loop_wait(struct loop *l)
{
	int ms = loop_timeout_ms(l);

	if (ms != 0 && loop_may_poll(l)) {
		int n = loop_poll(l);
		if (n != 0)
			return n;
	}
	if (!l->rested && (ms < 0 || ms > PAGES_REST_MS)) {
		int n = epoll_wait(l->epoll_fd, l->events, LOOP_EVENTS, PAGES_REST_MS);
		if (n != 0)
			return n;
		l->rested = true;
		pages_forget();
		l->now_us = clock_now_us();
		ms = loop_timeout_ms(l);
	}
	return epoll_wait(l->epoll_fd, l->events, LOOP_EVENTS, ms);
}

int loop_run(struct loop *l)
{
	while (!l->stop) {
		uint64_t began = l->now_us = clock_now_us();
		loop_tell(l);
		int n = loop_wait(l);
		if (n < 0 && errno != EINTR)
			return -errno;
		l->now_us = clock_now_us();
		spin_waited(&l->spin, began, l->now_us);
		l->turns++;
		l->event_n = n < 0 ? 0 : n;
		l->event_i = 0; /* timers may take sources out already */
		wheel_advance(&l->wheel, l->now_us);
		while (l->event_i < l->event_n) {
			struct epoll_event *ev = &l->events[l->event_i++];
			struct loop_source *src = ev->data.ptr;
			if (src)
				src->fn(src, ev->events);
		}
		l->event_n = 0;
		if (l->turn_end)
			l->turn_end(l, l->turn_ctx);
	}
	return 0;
}
