// SPDX-License-Identifier: Apache-2.0
/* Short slices: see slice.h. */
#include "loop/slice.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POLICY_NORMAL      0
#define FLAG_RESET_ON_FORK 1

/* struct sched_attr of the kernel's, in its first version: libraries have no call for it. */
struct attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns; /* of an ordinary thread: its slice */
	uint64_t deadline_ns;
	uint64_t period_ns;
};

int slice_set(uint64_t ns)
{
	struct attr a = {.size = sizeof(a)};

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) < 0)
		return -errno;
	if (a.policy != POLICY_NORMAL)
		return 0;
	a.flags = FLAG_RESET_ON_FORK;
	a.runtime_ns = ns;
	return syscall(SYS_sched_setattr, 0, &a, 0) < 0 ? -errno : 0;
}
