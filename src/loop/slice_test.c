// SPDX-License-Identifier: Apache-2.0
/* What the kernel says of a thread that asked for short slices. */
#include "loop/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define POLICY_BATCH 3

/* As in slice.c. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

static struct attr attr_now(void)
{
	struct attr a = {.size = sizeof(a)};

	assert_int_equal(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0), 0);
	return a;
}

/* Each test has a process of its own, since nobody gets back what he was. Returns its exit status.
 */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int is_short(void)
{
	return attr_now().runtime_ns == SLICE_SHORT_NS;
}

static int shorten_and_look(void)
{
	int nice = getpriority(PRIO_PROCESS, 0) + 3;

	if (setpriority(PRIO_PROCESS, 0, nice) < 0 || slice_set(SLICE_SHORT_NS) != 0)
		return 1;
	if (attr_now().runtime_ns == 0)
		return 77; /* Linux before 6.12 */
	if (!is_short() || attr_now().nice != nice)
		return 2;
	return in_child(is_short) ? 3 : 0; /* the child is none of it */
}

static void short_slices_are_ours_alone_and_leave_the_nice_value(void **state)
{
	int r = in_child(shorten_and_look);

	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

static int shorten_as_batch(void)
{
	struct attr a = {.size = sizeof(a), .policy = POLICY_BATCH};

	if (syscall(SYS_sched_setattr, 0, &a, 0) < 0 || slice_set(SLICE_SHORT_NS) != 0)
		return 1;
	return attr_now().policy == POLICY_BATCH && !is_short() ? 0 : 2;
}

static void another_policy_stays(void **state)
{
	assert_int_equal(in_child(shorten_as_batch), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_slices_are_ours_alone_and_leave_the_nice_value),
		cmocka_unit_test(another_policy_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
