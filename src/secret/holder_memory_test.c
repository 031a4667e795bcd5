// SPDX-License-Identifier: Apache-2.0
/*
 * A value leaves nothing in the packet process's memory.
 *
 * The program starts itself anew with a random value in its environment, and knows that value only
 * in disguise, so that what it finds in its memory is no copy of its own.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "secret/holder_rig.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#define LEN  40
#define MASK 0x20 /* swaps the case of letters */

static char masked[LEN + 1];

static bool is_value(const uint8_t *p)
{
	for (size_t i = 0; i < LEN; i++)
		if (p[i] != (uint8_t)(masked[i] ^ MASK))
			return false;
	return true;
}

#define STEP 65536

static uint8_t window[STEP + LEN];

static unsigned search_range(int mem, uint64_t from, uint64_t to)
{
	unsigned found = 0;

	for (uint64_t at = from; at < to; at += STEP) {
		/* Neighbouring windows overlap, so that nothing is missed at their border. */
		size_t want = to - at < sizeof(window) ? (size_t)(to - at) : sizeof(window);
		ssize_t n = pread(mem, window, want, (off_t)at);

		for (ssize_t i = 0; i + LEN <= n && i < STEP; i++)
			found += is_value(window + i);
		explicit_bzero(window, sizeof(window));
	}
	return found;
}

/* How often the value stands in this process's memory. */
static unsigned search_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	uint64_t from, to, own = (uint64_t)(uintptr_t)window;
	unsigned found = 0;
	char line[512], mode[8];

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, mode) != 3 ||
		    mode[0] != 'r' || mode[1] != 'w')
			continue;
		/* Shadows of a sanitizer. */
		if (to - from > 1ull << 30)
			continue;
		/* Not the window, which has what it looks at. */
		if (own >= from && own < to) {
			found += search_range(mem, from, own);
			from = own + sizeof(window);
		}
		found += search_range(mem, from, to);
	}
	fclose(maps);
	close(mem);
	return found;
}

/* What it takes to lock all that the test needs. */
static bool may_lock(void)
{
	struct rlimit lim;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &lim), 0);
	return geteuid() == 0 || lim.rlim_cur >= 1 << 20;
}

/* VmFlags of the mapping that holds p: not dumped, not inherited, and locked. */
static bool is_protected(const void *p)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	uint64_t from, to, at = (uint64_t)(uintptr_t)p;
	char line[512];
	bool here = false, good = false;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2)
			here = at >= from && at < to;
		if (here && strncmp(line, "VmFlags:", 8) == 0)
			good = strstr(line, " dd") && strstr(line, " wf") &&
			       (!may_lock() || strstr(line, " lo"));
	}
	fclose(f);
	return good;
}

static void a_value_leaves_no_trace(void **state)
{
	struct rig r;
	struct rig_answer a;

	rig_init(&r);
	rig_secret(&r, "T", CONFIG_SECRET_ENV, "HM_VALUE");
	/* One that was set anew has left its first text where the kernel put it. */
	unsigned first = search_memory();
	static char again[16 + LEN];
	snprintf(again, sizeof(again), "HM_VALUE=%s", getenv("HM_VALUE"));
	assert_int_equal(putenv(again), 0);
	unsigned found = search_memory();
	assert_int_equal(found, first + 1);
#ifdef SANITIZED
	/* It has a copy of the environment of its own. */
	unsigned left = first - 1;
#else
	unsigned left = 0;
#endif
	assert_true(found > left);
	rig_start(&r);
	holder_wipe_environment(&r.conf);
	assert_null(getenv("HM_VALUE"));
	assert_int_equal(search_memory(), left);

	for (int i = 0; i < 3; i++) {
		assert_non_null(rig_value(&r, 0, &a));
		assert_int_equal(a.value->len, LEN);
		assert_true(is_value(a.value->bytes));
		assert_int_equal(search_memory(), left + 1);
		assert_true(is_protected(a.value->bytes));
		secret_value_free(a.value);
		assert_int_equal(search_memory(), left);
	}
	rig_done(&r);
	assert_int_equal(search_memory(), left);
}

static void take_from_environment(void)
{
	const char *text = getenv("HM_MASKED");

	memcpy(masked, text, LEN);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_leaves_no_trace),
	};

	rig_be_holder(argc, argv);
	if (!getenv("HM_MASKED")) {
		char value[LEN + 1] = {0};

		if (getrandom(value, LEN, 0) != LEN)
			return 1;
		for (size_t i = 0; i < LEN; i++)
			value[i] = (char)('A' + (uint8_t)value[i] % 26);
		setenv("HM_VALUE", value, 1);
		for (size_t i = 0; i < LEN; i++)
			value[i] ^= MASK;
		setenv("HM_MASKED", value, 1);
		execv("/proc/self/exe", argv);
		return 1;
	}
	take_from_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
