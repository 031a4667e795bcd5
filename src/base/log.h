// SPDX-License-Identifier: Apache-2.0
/*
 * Log lines for the person who runs weir, on stderr: "weir: warning: text". A thread that works for
 * an embedding program hands its lines to that (struct log_sink).
 * Whatever a guest can cause must go through log_limited(), which lets one line a second pass for
 * each place in the code and says how many it swallowed.
 */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_ERROR,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG,
	LOG_TRACE,
};

/* Where a thread's lines go in place of stderr. */
struct log_sink {
	/* The bare text, without a newline or control characters. NULL: nobody wants to know. */
	void (*line)(void *ctx, enum log_level level, const char *text);
	void *ctx;
	enum log_level level; /* up to which lines are handed over */
};
/* Of this thread, from now on; NULL: stderr. The sink stays the caller's. Returns the one before.
 */
const struct log_sink *log_set_sink(const struct log_sink *sink);
const struct log_sink *log_sink(void);

/* The level up to which lines are printed; LOG_WARNING at start. Set before threads exist. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* "error", "warning", "info", "debug", "trace" -> level; -1 where there is no such word. */
int log_level_parse(const char *word);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What a person has to be told whatever the level is: "weir: text", without any; to a sink as
 * LOG_INFO. */
void log_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

struct log_limit {
	uint64_t window_s; /* second in which a line last passed */
	uint32_t swallowed;
};
void log_line_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define log_limited(level, ...)                                \
	do {                                                   \
		static struct log_limit limit_;                \
		log_line_limited(&limit_, level, __VA_ARGS__); \
	} while (0)

#endif
