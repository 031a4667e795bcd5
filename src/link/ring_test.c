// SPDX-License-Identifier: Apache-2.0
/*
 * The ring link from both ends, in one thread and in two: nothing is lost, doubled or overtaken,
 * and nobody sleeps through something that is there for him.
 */
#include "link/sock_rig.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "link/ring.h"

static struct link *ring(uint32_t size, uint32_t caps, struct ring_end **ret_guest)
{
	struct ring_options o = {.size = size, .guest_caps = caps};
	struct error err = {0};
	struct link *l = link_ring_new(&o, ret_guest, &err);

	assert_non_null(l);
	return l;
}

static int is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static void frames_cross_both_ways_with_what_is_said_of_them(void **state)
{
	static const uint32_t sizes[] = {14, 60, 1514, 65549};
	struct ring_end *g;
	struct link *l = ring(0, LINK_CSUM | LINK_TSO4 | LINK_UFO, &g);
	struct frame got[LINK_BURST];

	assert_int_equal(l->caps, LINK_CSUM | LINK_TSO4);
	assert_false(is_readable(l->fd) || is_readable(ring_fd(g)));
	for (uint32_t i = 0; i < 4; i++) {
		struct frame f = rig_frame(sizes[i], i);

		if (sizes[i] > 100) {
			f.data[34 + 12] = 5 << 4;
			f.meta = (struct frame_meta){.needs_csum = true,
						     .gso = FRAME_GSO_TCPV4,
						     .gso_size = 700,
						     .hdr_len = 54,
						     .csum_start = 34,
						     .csum_offset = 16};
		}
		assert_int_equal(ring_push(g, &f, 1), 1);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		assert_int_equal(got[0].len, sizes[i]);
		assert_memory_equal(got[0].data, f.data, sizes[i]);
		assert_memory_equal(&got[0].meta, &f.meta, sizeof(f.meta));
		assert_int_equal(link_send(l, &f, 1), 1);
		assert_true(is_readable(ring_fd(g)));
		assert_int_equal(ring_pop(g, got, LINK_BURST), 1);
		assert_int_equal(got[0].len, sizes[i]);
		assert_memory_equal(got[0].data, f.data, sizes[i]);
		assert_memory_equal(&got[0].meta, &f.meta, sizeof(f.meta));
	}
	assert_int_equal(ring_pop(g, got, LINK_BURST), 0);
	assert_false(is_readable(ring_fd(g)));
	rig_settle(l);
	link_free(l);
	ring_end_free(g);
}

/* What a guest says of a frame is held against it; no length is believed either. */
static void impossible_frames_are_lost(void **state)
{
	struct ring_end *g;
	struct link *l = ring(0, 0, &g);
	struct frame f[4] = {rig_frame(60, 0), rig_frame(60, 1), rig_frame(60, 2),
			     rig_frame(60, 3)};
	struct frame got[LINK_BURST];

	f[0].len = 13;
	f[1].meta = (struct frame_meta){.needs_csum = true, .csum_start = 59, .csum_offset = 16};
	f[2].len = FRAME_MAX + 1;
	assert_int_equal(ring_push(g, f, 4), 4);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 3);
	assert_int_equal(l->rx_dropped, 1);
	assert_int_equal(link_send(l, f, 1), 1);
	assert_int_equal(l->tx_dropped, 1);
	link_free(l);
	ring_end_free(g);
}

static void a_full_ring_refuses_and_tells_when_half_is_free(void **state)
{
	struct ring_end *g;
	struct link *l = ring(RING_SIZE_MIN, 0, &g);
	struct frame got[LINK_BURST], f;
	uint32_t sent = 0, seen = 0;

	for (int round = 0; round < 30; round++) {
		/* Out of step with the ring's size, so that records wrap at every place. */
		uint32_t len = 900 + 613 * (uint32_t)round;

		for (;;) {
			f = rig_frame(len, sent);
			int n = link_send(l, &f, 1);
			if (n < 0) {
				assert_int_equal(n, -EAGAIN);
				break;
			}
			sent++;
		}
		link_arm(l, true);
		assert_int_equal(is_readable(l->fd), 0);
		int waits = 0;
		while (seen < sent) {
			int n = ring_pop(g, got, 1);
			assert_int_equal(n, 1);
			rig_check_frame(got[0].data, got[0].len, len, seen++);
			waits += !is_readable(l->fd);
		}
		assert_true(waits > 1);
		assert_int_equal(ring_pop(g, got, 1), 0);
		assert_true(rig_wait(l) & EPOLLOUT);
		link_arm(l, false);
		rig_settle(l);
	}
	assert_true(sent > 1000);
	link_free(l);
	ring_end_free(g);
}

/* The same from the guest's end, which has no events to ask. */
static void a_refused_guest_is_woken_or_may_give_up(void **state)
{
	struct ring_end *g;
	struct link *l = ring(RING_SIZE_MIN, 0, &g);
	struct frame got[LINK_BURST], f = rig_frame(20000, 1);

	while (ring_push(g, &f, 1) == 1)
		;
	assert_int_equal(ring_pop(g, got, 1), 0);
	assert_false(is_readable(ring_fd(g)));
	while (rig_recv(l, got, 1) == 1 && !is_readable(ring_fd(g)))
		;
	assert_true(is_readable(ring_fd(g)));
	/* Asking for frames does not lose the news. */
	assert_int_equal(ring_pop(g, got, 1), 0);
	assert_true(is_readable(ring_fd(g)));
	assert_int_equal(ring_push(g, NULL, 0), 0);
	assert_int_equal(ring_pop(g, got, 1), 0);
	assert_false(is_readable(ring_fd(g)));
	link_free(l);
	ring_end_free(g);
}

/* Frames that were popped keep their room, and their bytes, until the next pop. */
static void popped_frames_stay_until_the_next_pop(void **state)
{
	struct ring_end *g;
	struct link *l = ring(RING_SIZE_MIN, 0, &g);
	struct frame got[2], f;
	uint32_t n = 0;

	for (; f = rig_frame(30000, n), ring_push(g, &f, 1) == 1; n++)
		;
	assert_int_equal(link_recv(l, got, 2), 2);
	assert_int_equal(ring_push(g, &f, 1), -EAGAIN);
	rig_check_frame(got[0].data, got[0].len, 30000, 0);
	rig_check_frame(got[1].data, got[1].len, 30000, 1);
	assert_int_equal(link_recv(l, got, 1), 1);
	assert_int_equal(ring_push(g, &f, 1), 1);
	link_free(l);
	ring_end_free(g);
}

static void either_end_may_go_first(void **state)
{
	struct frame f = rig_frame(60, 1), got[LINK_BURST];
	struct ring_end *g;
	struct link *l = ring(0, 0, &g);

	assert_int_equal(ring_push(g, &f, 1), 1);
	ring_end_free(g);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1); /* what was on its way still comes */
	assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
	assert_int_equal(link_send(l, &f, 1), -ENETDOWN);
	link_free(l);

	l = ring(0, 0, &g);
	assert_int_equal(link_send(l, &f, 1), 1);
	link_free(l);
	assert_true(is_readable(ring_fd(g)));
	assert_int_equal(ring_pop(g, got, LINK_BURST), 1);
	assert_int_equal(ring_pop(g, got, LINK_BURST), -EPIPE);
	assert_int_equal(ring_push(g, &f, 1), -EPIPE);
	assert_true(is_readable(ring_fd(g)));
	ring_end_free(g);
	ring_end_free(NULL);
}

static void sizes_are_checked(void **state)
{
	static const uint32_t bad[] = {1, 4096, 300000, 2u * RING_SIZE_MAX};
	struct ring_end *g;
	struct error err = {0};

	for (int i = 0; i < 4; i++) {
		struct ring_options o = {.size = bad[i]};
		assert_null(link_ring_new(&o, &g, &err));
		assert_non_null(strstr(err.msg, "power of two"));
	}
	struct link *l = link_ring_new(NULL, &g, &err);
	assert_non_null(l);
	assert_int_equal(l->caps, 0);
	link_free(l);
	ring_end_free(g);
}

static void trimming_keeps_what_waits(void **state)
{
	struct ring_end *g;
	struct link *l = ring(0, 0, &g);
	struct frame f = rig_frame(60, 1), got[LINK_BURST];

	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(ring_push(g, &f, 1), 1);
	l->ops->trim(l);
	assert_int_equal(ring_pop(g, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 1);
	assert_int_equal(link_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 1);
	assert_int_equal(ring_pop(g, got, LINK_BURST), 0);
	l->ops->trim(l);
	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(ring_pop(g, got, LINK_BURST), 1);
	link_free(l);
	ring_end_free(g);
}

/* ---- two threads ----------------------------------------------------------------------------- */

#define CROSSING 30000 /* frames each way */

static uint32_t len_of(uint32_t i)
{
	return i % 97 == 0 ? 20000 + i % 4096 : 14 + i * 37 % 1500;
}

/* Marks a frame at both ends; checks it without cmocka, which does not know threads. */
static void stamp(struct frame *f, uint32_t i)
{
	memcpy(f->data, &i, 4);
	memcpy(f->data + f->len - 4, &i, 4);
}

static int is_stamped(const struct frame *f, uint32_t i)
{
	return f->len == len_of(i) && !memcmp(f->data, &i, 4) &&
	       !memcmp(f->data + f->len - 4, &i, 4);
}

/* One end's work: sends and receives until both are done. An end is either one. */
struct worker {
	struct link *l;
	struct ring_end *g;
	int wrong;
};

static int worker_push(struct worker *w, struct frame *f)
{
	return w->l ? link_send(w->l, f, 1) : ring_push(w->g, f, 1);
}

static int worker_pop(struct worker *w, struct frame *f, int max)
{
	return w->l ? link_recv(w->l, f, max) : ring_pop(w->g, f, max);
}

static void *work(void *arg)
{
	static _Thread_local uint8_t room[FRAME_VNET_ROOM + 32768];
	struct worker *w = arg;
	uint32_t sent = 0, seen = 0;

	while (sent < CROSSING || seen < CROSSING) {
		struct frame got[LINK_BURST];
		int n = worker_pop(w, got, LINK_BURST), pushed = 1;

		for (int i = 0; i < n; i++)
			w->wrong += !is_stamped(&got[i], seen++);
		for (int i = 0; i < 40 && sent < CROSSING && pushed == 1; i++) {
			struct frame f = {.data = room + FRAME_VNET_ROOM, .len = len_of(sent)};

			stamp(&f, sent);
			pushed = worker_push(w, &f);
			sent += pushed == 1;
		}
		if (n > 0 || (pushed == 1 && sent < CROSSING))
			continue;
		struct pollfd p = {.fd = w->l ? w->l->fd : ring_fd(w->g), .events = POLLIN};
		if ((sent < CROSSING || seen < CROSSING) && poll(&p, 1, 5000) == 0) {
			w->wrong += 1000000; /* overslept */
			break;
		}
	}
	return NULL;
}

static void two_threads_lose_nothing_and_never_oversleep(void **state)
{
	struct worker a = {0}, b = {0};
	pthread_t t;

	a.l = ring(RING_SIZE_MIN, 0, &b.g);
	assert_int_equal(pthread_create(&t, NULL, work, &b), 0);
	work(&a);
	pthread_join(t, NULL);
	assert_int_equal(a.wrong, 0);
	assert_int_equal(b.wrong, 0);
	link_free(a.l);
	ring_end_free(b.g);
}

/* One frame at a time: each hand-over meets a resting end. */
static void *echo(void *arg)
{
	struct worker *w = arg;
	struct frame got[LINK_BURST];

	for (int n; (n = ring_pop(w->g, got, LINK_BURST)) >= 0;) {
		struct pollfd p = {.fd = ring_fd(w->g), .events = POLLIN};

		if (n > 0)
			w->wrong += ring_push(w->g, got, n) != n;
		else if (poll(&p, 1, 5000) == 0)
			break;
	}
	return NULL;
}

static void a_frame_wakes_a_resting_end_each_time(void **state)
{
	struct worker b = {0};
	struct frame got[LINK_BURST];
	pthread_t t;
	struct link *l = ring(0, 0, &b.g);

	assert_int_equal(pthread_create(&t, NULL, echo, &b), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		struct frame f = rig_frame(60, i);

		assert_int_equal(link_send(l, &f, 1), 1);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, 60, i);
	}
	link_free(l);
	pthread_join(t, NULL);
	assert_int_equal(b.wrong, 0);
	ring_end_free(b.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_cross_both_ways_with_what_is_said_of_them),
		cmocka_unit_test(impossible_frames_are_lost),
		cmocka_unit_test(a_full_ring_refuses_and_tells_when_half_is_free),
		cmocka_unit_test(a_refused_guest_is_woken_or_may_give_up),
		cmocka_unit_test(popped_frames_stay_until_the_next_pop),
		cmocka_unit_test(either_end_may_go_first),
		cmocka_unit_test(sizes_are_checked),
		cmocka_unit_test(trimming_keeps_what_waits),
		cmocka_unit_test(two_threads_lose_nothing_and_never_oversleep),
		cmocka_unit_test(a_frame_wakes_a_resting_end_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
