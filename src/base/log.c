// SPDX-License-Identifier: Apache-2.0
/* Log lines, to stderr (each in one write so that lines of several processes do not mix) or to a
 * thread's sink. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level current = LOG_WARNING;
static _Thread_local const struct log_sink *thread_sink;
static const char *const words[] = {"error", "warning", "info", "debug", "trace"};

void log_set_level(enum log_level level)
{
	current = level;
}

const struct log_sink *log_set_sink(const struct log_sink *sink)
{
	const struct log_sink *before = thread_sink;

	thread_sink = sink;
	return before;
}

const struct log_sink *log_sink(void)
{
	return thread_sink;
}

bool log_enabled(enum log_level level)
{
	if (thread_sink)
		return thread_sink->line && level <= thread_sink->level;
	return level <= current;
}

int log_level_parse(const char *word)
{
	for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return -1;
}

/* Control characters could repaint somebody's terminal. */
static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

/* `word` is what stands before the text on stderr. */
static void log_write(enum log_level level, const char *word, const char *fmt, va_list ap,
		      uint32_t swallowed)
{
	char line[1024];
	size_t room = sizeof(line) - 64;
	size_t before = (size_t)snprintf(line, room, "weir: %s%s", word, *word ? ": " : "");

	int m = vsnprintf(line + before, room - before, fmt, ap);
	if (m < 0)
		return;
	clean(line);
	size_t len = strlen(line);
	if (swallowed)
		len += (size_t)snprintf(line + len, 48, " (and %u more like it)", swallowed);
	if (thread_sink) {
		if (thread_sink->line)
			thread_sink->line(thread_sink->ctx, level, line + before);
		return;
	}
	line[len++] = '\n';
	/* There is nobody to tell when stderr does not take it. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void log_say(const char *fmt, ...)
{
	va_list ap;

	if (thread_sink && !log_enabled(LOG_INFO))
		return;
	va_start(ap, fmt);
	log_write(LOG_INFO, "", fmt, ap, 0);
	va_end(ap);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_write(level, words[level], fmt, ap, 0);
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
	log_write(level, words[level], fmt, ap, swallowed);
	va_end(ap);
}
