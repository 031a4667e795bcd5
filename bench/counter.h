// SPDX-License-Identifier: Apache-2.0
/*
 * Cycles and instructions of the calling thread, in its own code and in the kernel's, from the
 * processor's counters. Many virtual machines have none, and then nothing is said of them: a guess
 * from the time would look like a measurement.
 */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct counter {
	int cycles, instructions; /* files; -1: the machine does not count */
};

struct counted {
	bool known;
	double cycles, instructions;
};

static inline int counter_file(uint64_t what, int leader)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = what,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
}

static inline struct counter counter_open(void)
{
	struct counter c = {.cycles = counter_file(PERF_COUNT_HW_CPU_CYCLES, -1),
			    .instructions = -1};

	/* In one group: both count during the same time. */
	if (c.cycles >= 0)
		c.instructions = counter_file(PERF_COUNT_HW_INSTRUCTIONS, c.cycles);
	return c;
}

static inline struct counted counter_read(const struct counter *c)
{
	uint64_t cycles, instructions;

	if (c->cycles < 0 || c->instructions < 0 ||
	    read(c->cycles, &cycles, sizeof(cycles)) != sizeof(cycles) ||
	    read(c->instructions, &instructions, sizeof(instructions)) != sizeof(instructions))
		return (struct counted){0};
	return (struct counted){.known = true,
				.cycles = (double)cycles,
				.instructions = (double)instructions};
}

static inline void counter_close(struct counter *c)
{
	if (c->instructions >= 0)
		close(c->instructions);
	if (c->cycles >= 0)
		close(c->cycles);
	c->cycles = c->instructions = -1;
}

#endif
