// SPDX-License-Identifier: Apache-2.0
/* The event loop: who is called, and who is not any more. */
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/pages.h"
#include "loop/slice.h"

static struct loop loop;

/* A source that is ready whenever something was written to its pipe. */
struct pipe_source {
	struct loop_source src;
	int write_fd;
	unsigned calls;
	void (*then)(void);
};
static struct pipe_source first, second;
static struct timer killer;

static void pipe_event(struct loop_source *src, uint32_t events)
{
	struct pipe_source *p = container_of(src, struct pipe_source, src);
	char c;

	p->calls++;
	assert_int_equal(read(src->fd, &c, 1), 1);
	if (p->then)
		p->then();
}

static void pipe_open(struct pipe_source *p, void (*then)(void))
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
	*p = (struct pipe_source){.src = {.fd = -1, .fn = pipe_event},
				  .write_fd = fd[1],
				  .then = then};
	assert_int_equal(loop_add(&loop, &p->src, fd[0], EPOLLIN), 0);
}

static void pipe_write(struct pipe_source *p)
{
	assert_int_equal(write(p->write_fd, "x", 1), 1);
}

static void stop(void)
{
	loop.stop = true;
}

static int set_up(void **state)
{
	struct error err;

	return loop_init(&loop, &err);
}

static int tear_down(void **state)
{
	loop_done(&loop);
	return 0;
}

static void kill_second(struct timer *t)
{
	loop_del(&loop, &second.src);
	loop.stop = true;
}

/* The next turn has both the timer and the second source. */
static void make_both_due(void)
{
	pipe_write(&second);
	timer_set(&loop.wheel, &killer, loop.now_us + 1000);
	usleep(5000);
}

static void a_source_that_a_timer_took_out_is_not_called_in_that_turn(void **state)
{
	pipe_open(&first, make_both_due);
	pipe_open(&second, NULL);
	timer_init(&killer, kill_second);
	pipe_write(&first);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(first.calls, 1);
	assert_int_equal(second.calls, 0);
}

/* The slice that the kernel grants this thread, in ns; 0: the usual one, or a kernel without. */
static uint64_t slice_now(void)
{
	uint64_t attr[7] = {sizeof(attr)}; /* struct sched_attr; its fourth word is the slice */

	assert_int_equal(syscall(SYS_sched_getattr, 0, attr, sizeof(attr), 0), 0);
	return attr[3];
}

static uint64_t usual_slice, seen_slice;

static void look_and_stop(void)
{
	seen_slice = slice_now();
	loop.stop = true;
}

static uint64_t slice_of_one_turn(void)
{
	loop.stop = false;
	pipe_write(&first);
	assert_int_equal(loop_run(&loop), 0);
	return seen_slice;
}

static void slices_are_short_for_as_long_as_somebody_is_in_a_hurry(void **state)
{
	pipe_open(&first, look_and_stop);
	usual_slice = slice_now();
	assert_int_equal(slice_of_one_turn(), usual_slice);
	if (slice_set(SLICE_SHORT_NS) != 0 || slice_now() != SLICE_SHORT_NS)
		skip(); /* Linux before 6.12 */
	assert_int_equal(slice_set(SLICE_USUAL), 0);
	loop_hurry(&loop, true);
	loop_hurry(&loop, true);
	assert_int_equal(slice_of_one_turn(), SLICE_SHORT_NS);
	loop_hurry(&loop, false);
	assert_int_equal(slice_of_one_turn(), SLICE_SHORT_NS);
	loop_hurry(&loop, false);
	assert_int_equal(slice_of_one_turn(), usual_slice);
}

static void take_each_other_out(void)
{
	loop_del(&loop, first.calls ? &second.src : &first.src);
	loop.stop = true;
}

static void a_source_that_another_took_out_is_not_called_in_that_turn(void **state)
{
	pipe_open(&first, take_each_other_out);
	pipe_open(&second, take_each_other_out);
	pipe_write(&first);
	pipe_write(&second);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(first.calls + second.calls, 1);
}

static void forgotten_and_closed_a_source_is_not_called(void **state)
{
	pipe_open(&first, stop);
	pipe_open(&second, NULL);
	int fd = second.src.fd;
	pipe_write(&second);
	loop_forget(&loop, &second.src);
	close(fd);
	pipe_write(&first);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(second.calls, 0);
}

/* Pages of files that this process has mapped just now. */
static long file_pages(void)
{
	long size = 0, resident = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld %ld", &size, &resident, &shared), 3);
	fclose(f);
	return shared;
}

static uint64_t fired_us;

static void note_and_stop(struct timer *t)
{
	fired_us = clock_now_us();
	loop.stop = true;
}

/* The first long wait has a pause in it, which neither a timer nor a turn may notice. */
static void the_first_rest_gives_code_back_and_delays_nothing(void **state)
{
	long before = file_pages();
	uint64_t due;

	for (int round = 0; round < 2; round++) {
		due = clock_now_us() + (PAGES_REST_MS + 200) * UINT64_C(1000);
		loop.stop = false;
		loop.now_us = clock_now_us();
		timer_init(&killer, note_and_stop);
		timer_set(&loop.wheel, &killer, due);
		assert_int_equal(loop_run(&loop), 0);
		assert_true(loop.rested);
		assert_true(fired_us >= due && fired_us < due + 5000000);
		assert_int_equal(loop.turns, round + 1);
	}
	assert_true(file_pages() < before);
}

static uint64_t processor_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void polling_ends_in_sleep(void **state)
{
	uint64_t used = processor_us(), began = clock_now_us();

	loop.spin.state = SPIN_POLLING;
	timer_init(&killer, note_and_stop);
	timer_set(&loop.wheel, &killer, began + 100000);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(loop.turns, 1);
	assert_true(fired_us >= began + 100000);
	assert_true(processor_us() - used < 50000);
}

static void what_is_polled_for_is_delivered(void **state)
{
	loop.spin.state = SPIN_POLLING;
	pipe_open(&first, stop);
	pipe_write(&first);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(first.calls, 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(slices_are_short_for_as_long_as_somebody_is_in_a_hurry),
		TEST(a_source_that_a_timer_took_out_is_not_called_in_that_turn),
		TEST(a_source_that_another_took_out_is_not_called_in_that_turn),
		TEST(forgotten_and_closed_a_source_is_not_called),
		TEST(the_first_rest_gives_code_back_and_delays_nothing),
		TEST(polling_ends_in_sleep),
		TEST(what_is_polled_for_is_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
