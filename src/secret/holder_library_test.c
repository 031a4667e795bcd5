// SPDX-License-Identifier: Apache-2.0
/* A program that is not weir: whom it starts as the key holder. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "secret/holder_rig.h"

static void the_program_that_is_named_is_started(void **state)
{
	struct rig r;
	struct rig_answer a;
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	assert_true(n > 0);
	path[n] = '\0';
	setenv("WEIR_HOLDER", path, 1);
	rig_init(&r);
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo some-value");
	rig_start(&r);
	assert_non_null(rig_value(&r, 0, &a));
	secret_value_free(a.value);
	rig_done(&r);
}

static void what_cannot_be_one_is_told(void **state)
{
	static const struct {
		const char *path, *why;
	} cases[] = {
		{"/nonexistent/weir", "cannot start the key holder (/nonexistent/weir)"},
		{"/bin/true", "the key holder ended before it was ready"},
		{"/bin/cat", "the key holder ended before it was ready"},
		/* Not looked for anywhere: the installed one is meant. */
		{"bin/weir", "/weir)"},
	};
	struct rig r;
	struct error err;

	rig_init(&r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("WEIR_HOLDER", cases[i].path, 1);
		struct holder *h = holder_start(&r.conf, &err);
		/* Unless one is installed. */
		if (h && i == 3) {
			holder_stop(h);
			continue;
		}
		assert_null(h);
		if (!strstr(err.msg, cases[i].why))
			fail_msg("%s: %s", cases[i].path, err.msg);
	}
	rig_done(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_program_that_is_named_is_started),
		cmocka_unit_test(what_cannot_be_one_is_told),
	};

	if (argc > 1)
		rig_be_holder(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
