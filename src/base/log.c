// SPDX-License-Identifier: Apache-2.0
/* Log lines on stderr, each in one write so that lines of several processes do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level current = LOG_WARNING;
static const char *const words[] = {"error", "warning", "info", "debug", "trace"};

void log_set_level(enum log_level level)
{
	current = level;
}

bool log_enabled(enum log_level level)
{
	return level <= current;
}

int log_level_parse(const char *word)
{
	for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return -1;
}

static void log_write(enum log_level level, const char *fmt, va_list ap, uint32_t swallowed)
{
	char line[1024];
	size_t room = sizeof(line) - 64;
	int n = snprintf(line, room, "weir: %s: ", words[level]);

	int m = vsnprintf(line + n, room - (size_t)n, fmt, ap);
	size_t len = (size_t)n + (m < 0 ? 0 : (size_t)m);
	if (len >= room)
		len = room - 1;
	/* Control characters could repaint somebody's terminal. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	if (swallowed)
		len += (size_t)snprintf(line + len, 48, " (and %u more like it)", swallowed);
	line[len++] = '\n';
	/* There is nobody to tell when stderr does not take it. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_write(level, fmt, ap, 0);
	va_end(ap);
}

void log_line_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
	struct timespec ts;
	va_list ap;

	if (!log_enabled(level))
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	/* Several threads may come to the same place: one of them prints. */
	uint64_t now = (uint64_t)ts.tv_sec + 1;
	uint64_t seen = __atomic_load_n(&limit->window_s, __ATOMIC_RELAXED);
	if (seen == now || !__atomic_compare_exchange_n(&limit->window_s, &seen, now, false,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&limit->swallowed, 1, __ATOMIC_RELAXED);
		return;
	}
	uint32_t swallowed = __atomic_exchange_n(&limit->swallowed, 0, __ATOMIC_RELAXED);
	va_start(ap, fmt);
	log_write(level, fmt, ap, swallowed);
	va_end(ap);
}
