// SPDX-License-Identifier: Apache-2.0
/*
 * What `--stats` prints when weir ends: one count a line, "  name   number", aligned.
 *
 * May use: stack/, flow/ (their counters, only read). The first lines are always there; the
 * counts that are usually zero, and drops and refusals by reason, only where they are not.
 */
#ifndef WEIR_OBSERVE_STATS_H
#define WEIR_OBSERVE_STATS_H

#include <stdio.h>

#include "flow/sandbox.h"
#include "stack/stack.h"

struct stats_row {
	const char *name;
	uint64_t value;
};

/* more: lines of rooms that this one does not know, shown where they are not zero. */
void stats_print(const struct stack_counters *s, const struct flow_counters *f,
		 const struct stats_row *more, size_t more_count, FILE *out);

#endif
