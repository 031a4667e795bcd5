// SPDX-License-Identifier: Apache-2.0
/*
 * The parser of resolv.conf, and the follower over a file that changes in every way that hosts
 * know.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/resolvconf.h"

static struct resolver_list parse(const char *text)
{
	struct resolver_list l;
	resolvconf_parse(text, strlen(text), &l);
	return l;
}

static void assert_addr(const struct resolver *r, const char *text)
{
	char buf[IPADDR_STRLEN];
	assert_string_equal(ipaddr_str(&r->addr, buf), text);
	assert_int_equal(r->port, 53);
}

static void ordinary_file_is_read(void **state)
{
	struct resolver_list l = parse("# comment\n"
				       "; another\n"
				       "search corp.example  lab.example\n"
				       "nameserver 192.0.2.1\n"
				       "\tnameserver\t2001:db8::53  # behind\r\n"
				       "options edns0 trust-ad\n"
				       "nameserver 127.0.0.53");
	assert_int_equal(l.n, 3);
	assert_addr(&l.v[0], "192.0.2.1");
	assert_addr(&l.v[1], "2001:db8::53");
	assert_addr(&l.v[2], "127.0.0.53");
	assert_string_equal(l.search, "corp.example,lab.example");
}

static void scopes_are_kept(void **state)
{
	struct resolver_list l = parse("nameserver fe80::1%lo\n"
				       "nameserver fe80::2%7\n"
				       "nameserver fe80::3%nosuchinterface\n"
				       "nameserver fe80::4%\n");
	assert_int_equal(l.n, 2);
	assert_addr(&l.v[0], "fe80::1");
	assert_int_equal(l.v[0].scope, 1);
	assert_int_equal(l.v[1].scope, 7);
}

static void nonsense_is_skipped(void **state)
{
	struct resolver_list l = parse("nameserver\n"
				       "nameserver not.an.address\n"
				       "nameserver 1.2.3\n"
				       "nameserver 224.0.0.1\n"
				       "nameserverx 192.0.2.1\n"
				       "domain one.example two.example\n"
				       "nameserver 192.0.2.9 192.0.2.10\n");
	assert_int_equal(l.n, 1);
	assert_addr(&l.v[0], "192.0.2.9");
	assert_string_equal(l.search, "one.example");
	assert_int_equal(parse("").n, 0);
}

static void more_than_fits_is_left_out(void **state)
{
	char text[4096] = "search";
	for (int i = 0; i < 60; i++)
		sprintf(text + strlen(text), " name%02d.example", i);
	for (int i = 0; i < 20; i++)
		sprintf(text + strlen(text), "\nnameserver 192.0.2.%d", i + 1);
	struct resolver_list l = parse(text);
	assert_int_equal(l.n, RESOLVERS_MAX);
	assert_addr(&l.v[RESOLVERS_MAX - 1], "192.0.2.8");
	assert_true(strlen(l.search) < sizeof(l.search));
	assert_memory_equal(l.search, "name00.example,name01.example,", 30);
	memset(text, 'a', sizeof(text));
	memcpy(text, "nameserver ", 11);
	resolvconf_parse(text, sizeof(text), &l);
	assert_int_equal(l.n, 0);
}

/* ---- the follower ---- */

static char dir[64], path[96];

static int setup(void **state)
{
	strcpy(dir, "/tmp/weir-resolv-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

static void write_file(const char *name, const char *text)
{
	char p[128];
	snprintf(p, sizeof(p), "%s/%s", dir, name);
	FILE *f = fopen(p, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void rename_file(const char *from, const char *to)
{
	char a[128], b[128];
	snprintf(a, sizeof(a), "%s/%s", dir, from);
	snprintf(b, sizeof(b), "%s/%s", dir, to);
	assert_int_equal(rename(a, b), 0);
}

/* With `watching` inotify says so and no time passes; without, a second has to pass. */
static void assert_follows(struct resolvconf *r, bool watching, uint64_t *now, const char *want)
{
	if (watching)
		resolvconf_event(r);
	else
		*now += 1000000;
	assert_true(resolvconf_check(r, *now));
	assert_int_equal(r->list.n, 1);
	assert_addr(&r->list.v[0], want);
}

static void follow(bool watching)
{
	struct resolvconf r;
	uint64_t now = 5000000;
	char target[96];
	resolvconf_init(&r, path, now);
	if (!watching) {
		close(r.inotify_fd);
		r.inotify_fd = -1;
	}
	/* Not there yet: the local host, as resolv.conf(5) says. */
	assert_addr(&r.list.v[0], "127.0.0.1");
	assert_false(resolvconf_check(&r, now + 2000000));
	now += 2000000;
	write_file("resolv.conf", "nameserver 192.0.2.1\n");
	assert_follows(&r, watching, &now, "192.0.2.1");
	assert_false(resolvconf_check(&r, now + 500000));
	/* Written in place, at the same size. */
	write_file("resolv.conf", "nameserver 192.0.2.2\n");
	assert_follows(&r, watching, &now, "192.0.2.2");
	/* Replaced by rename. */
	write_file("new", "nameserver 192.0.2.3\n");
	rename_file("new", "resolv.conf");
	assert_follows(&r, watching, &now, "192.0.2.3");
	/* Gone: what it said last holds, until it is there again. */
	assert_int_equal(unlink(path), 0);
	assert_follows(&r, watching, &now, "192.0.2.3");
	write_file("resolv.conf", "nameserver 192.0.2.4\n");
	assert_follows(&r, watching, &now, "192.0.2.4");
	/* Replaced by a link into another directory, whose target then changes. */
	snprintf(target, sizeof(target), "%s/run", dir);
	assert_int_equal(mkdir(target, 0755), 0);
	write_file("run/stub.conf", "nameserver 192.0.2.5\n");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("run/stub.conf", path), 0);
	assert_follows(&r, watching, &now, "192.0.2.5");
	write_file("run/stub.conf", "nameserver 192.0.2.6\n");
	assert_follows(&r, watching, &now, "192.0.2.6");
	/* There, and naming nobody. */
	write_file("run/stub.conf", "");
	assert_follows(&r, watching, &now, "127.0.0.1");
	resolvconf_done(&r);
}

static void changes_are_followed_by_inotify(void **state)
{
	follow(true);
}

static void changes_are_followed_by_status(void **state)
{
	follow(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_file_is_read),
		cmocka_unit_test(scopes_are_kept),
		cmocka_unit_test(nonsense_is_skipped),
		cmocka_unit_test(more_than_fits_is_left_out),
		cmocka_unit_test_setup_teardown(changes_are_followed_by_inotify, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_are_followed_by_status, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
