// SPDX-License-Identifier: Apache-2.0
/* What the command reads in /etc/resolv.conf and /etc/hosts. */
#include "host/resolvbind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *const aliases[] = {"host.test", "host.alias.test", NULL};

static struct resolvbind both(void)
{
	struct resolvbind c = {.aliases = aliases};

	assert_true(ipaddr_parse("172.16.0.1", &c.nameservers[0]));
	assert_true(ipaddr_parse("fd00::1", &c.nameservers[1]));
	return c;
}

static void only_the_servers_of_resolv_conf_change(void **state)
{
	struct resolvbind c = both();
	char text[512];

	assert_true(resolvbind_resolv_text(&c,
					   "# comment\nnameserver 127.0.0.53\n"
					   "search corp.test test\noptions ndots:2\n"
					   "searching is no keyword\n\tnameserver 9.9.9.9\n"
					   "domain end.test",
					   text, sizeof(text)));
	assert_string_equal(text, "# made by weir for this command\n"
				  "nameserver 172.16.0.1\nnameserver fd00::1\n"
				  "search corp.test test\noptions ndots:2\ndomain end.test\n");
}

static void a_family_that_is_off_has_no_server(void **state)
{
	struct resolvbind c = both();
	char text[512];

	c.nameservers[0] = (struct ipaddr){0};
	assert_true(resolvbind_resolv_text(&c, "", text, sizeof(text)));
	assert_string_equal(text, "# made by weir for this command\nnameserver fd00::1\n");
	assert_true(resolvbind_hosts_text(&c, "", text, sizeof(text)));
	assert_string_equal(text, "fd00::1\thost.test host.alias.test\n");
}

static void hosts_keeps_the_hosts_lines(void **state)
{
	struct resolvbind c = both();
	char text[512];

	assert_true(resolvbind_hosts_text(&c, "127.0.0.1 localhost", text, sizeof(text)));
	assert_string_equal(text, "127.0.0.1 localhost\n"
				  "172.16.0.1\thost.test host.alias.test\n"
				  "fd00::1\thost.test host.alias.test\n");
}

static void a_text_that_does_not_fit_is_refused(void **state)
{
	struct resolvbind c = both();
	char text[64];

	assert_false(resolvbind_resolv_text(&c, "search a.test\n", text, sizeof(text)));
	assert_false(resolvbind_hosts_text(&c, "127.0.0.1 localhost\n", text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_servers_of_resolv_conf_change),
		cmocka_unit_test(a_family_that_is_off_has_no_server),
		cmocka_unit_test(hosts_keeps_the_hosts_lines),
		cmocka_unit_test(a_text_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
