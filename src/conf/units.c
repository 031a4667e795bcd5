// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers as people write them: plain, or as a time or a size with its unit.
 *
 * Nothing is taken for granted as strtoul() does: no sign, no space, no octal, no wrap-around, and
 * the whole text must be used.
 */
#include "conf/config.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* Reads decimal digits at *text and moves it behind them. False without a digit or beyond 64 bits.
 */
static bool digits_read(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	}
	*text = p;
	*ret = n;
	return true;
}

int config_parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret,
		      struct error *err)
{
	uint64_t n;

	if (!digits_read(&text, &n) || *text || n < min || n > max)
		return error_set(err, "expected a number from %" PRIu64 " to %" PRIu64, min, max);
	*ret = n;
	return 0;
}

static bool begins_with(const char *text, const char *beginning)
{
	return strncasecmp(text, beginning, strlen(beginning)) == 0;
}

int config_parse_time_us(const char *text, uint64_t bare_unit_us, uint64_t *ret, struct error *err)
{
	static const struct {
		const char *suffix;
		uint64_t us;
	} units[] = {
		{"us", 1},
		{"ms", 1000},
		{"s", 1000 * 1000},
		{"m", 60ULL * 1000 * 1000},
		{"h", 3600ULL * 1000 * 1000},
	};
	const char *near = NULL; /* "sec" and "S" mean "s" */
	uint64_t n, unit = 0;

	if (!digits_read(&text, &n))
		goto bad;
	if (!*text)
		unit = bare_unit_us;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].suffix) == 0)
			unit = units[i].us;
		if (!near && begins_with(text, units[i].suffix))
			near = units[i].suffix;
	}
	if (!unit && near)
		return error_set(err,
				 "expected a time: a number and us, ms, s, m or h; the nearest is "
				 "%" PRIu64 "%s",
				 n, near);
	if (!unit)
		goto bad;
	if (__builtin_mul_overflow(n, unit, &n))
		return error_set(err, "expected a shorter time");
	*ret = n;
	return 0;
bad:
	return error_set(err, "expected a time: a number and us, ms, s, m or h");
}

int config_parse_dns_timeout(const char *text, uint32_t *ret_ms, struct error *err)
{
	uint64_t us;

	if (config_parse_time_us(text, 1000, &us, err) < 0)
		return -1;
	if (us < CONFIG_TIMEOUT_MIN * 1000ULL || us > CONFIG_TIMEOUT_MAX * 1000ULL)
		return error_set(err, "expected a time from 10ms to 1m");
	*ret_ms = (uint32_t)(us / 1000);
	return 0;
}

int config_parse_size(const char *text, uint64_t *ret, struct error *err)
{
	static const char *const units[] = {"k", "M", "G"};
	const char *near = NULL; /* "MB" and "m" mean "M" */
	uint64_t n, unit = 0;

	if (!digits_read(&text, &n))
		goto bad;
	if (!*text)
		unit = 1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i]) == 0)
			unit = 1ULL << 10 * (i + 1);
		if (!near && begins_with(text, units[i]))
			near = units[i];
	}
	if (!unit && near)
		return error_set(err,
				 "expected a size: a number and k, M or G; the nearest is %" PRIu64
				 "%s",
				 n, near);
	if (!unit)
		goto bad;
	if (__builtin_mul_overflow(n, unit, &n))
		return error_set(err, "expected a smaller size");
	*ret = n;
	return 0;
bad:
	return error_set(err, "expected a size: a number and k, M or G");
}

int config_parse_rate(const char *text, uint64_t max, uint64_t *ret, struct error *err)
{
	uint64_t n;

	if (!digits_read(&text, &n) || (*text && strcmp(text, "/s") != 0) || n > max)
		return error_set(err, "expected a rate from 0 to %" PRIu64 ", such as 100/s", max);
	*ret = n;
	return 0;
}
