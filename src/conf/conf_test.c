// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers, times, published ports and "did you mean", as people type them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/config.h"

static void uint_takes_plain_numbers_within_bounds(void **state)
{
	struct error err = {0};
	uint64_t n = 7;

	assert_int_equal(config_parse_uint("576", 576, 65520, &n, &err), 0);
	assert_int_equal(n, 576);
	assert_int_equal(config_parse_uint("65520", 576, 65520, &n, &err), 0);
	assert_int_equal(n, 65520);
	assert_int_equal(config_parse_uint("18446744073709551615", 0, UINT64_MAX, &n, &err), 0);
	assert_true(n == UINT64_MAX);
}

static void uint_refuses_everything_else_and_leaves_the_result_alone(void **state)
{
	static const char *const bad[] = {
		"",      "abc",   "575", "65521", "-1000", "+1000",
		" 1000", "1000 ", "1e3", "0x400", "1000k", "18446744073709552616",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {0};
		uint64_t n = 7;
		assert_int_equal(config_parse_uint(bad[i], 576, 65520, &n, &err), -1);
		assert_int_equal(n, 7);
		assert_string_equal(err.msg, "expected a number from 576 to 65520");
	}
}

static void time_takes_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t us;
	} good[] = {
		{"5", 5000}, {"200ms", 200000}, {"5s", 5000000},
		{"3us", 3},  {"2m", 120000000}, {"1h", 3600000000},
	};
	struct error err = {0};
	uint64_t us;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(config_parse_time_us(good[i].text, 1000, &us, &err), 0);
		assert_true(us == good[i].us);
	}
	static const struct {
		const char *text, *end; /* how the message ends */
	} bad[] = {
		{"", "ms, s, m or h"},     {"s", "ms, s, m or h"},
		{"5 s", "ms, s, m or h"},  {"-5s", "ms, s, m or h"},
		{"1.5s", "ms, s, m or h"}, {"5d", "ms, s, m or h"},
		{"5S", "nearest is 5s"},   {"5min", "nearest is 5m"},
		{"5ss", "nearest is 5s"},  {"5msec", "nearest is 5ms"},
		{"5USEC", "is 5us"},       {"5124095577h", "a shorter time"},
	};
	us = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(config_parse_time_us(bad[i].text, 1000, &us, &err), -1);
		size_t n = strlen(err.msg), m = strlen(bad[i].end);
		assert_true(n >= m);
		assert_string_equal(err.msg + n - m, bad[i].end);
		assert_int_equal(us, 7);
	}
}

static void size_takes_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},        {"4096", 4096},     {"64k", 65536},
		{"4M", 4194304}, {"1G", 1073741824}, {"17179869183G", 18446744072635809792ULL},
	};
	struct error err = {0};
	uint64_t n = 7;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(config_parse_size(good[i].text, &n, &err), 0);
		assert_true(n == good[i].bytes);
	}
	static const struct {
		const char *text, *msg;
	} bad[] = {
		{"", "expected a size: a number and k, M or G"},
		{"k", "expected a size: a number and k, M or G"},
		{"4 M", "expected a size: a number and k, M or G"},
		{"4T", "expected a size: a number and k, M or G"},
		{"4MB", "expected a size: a number and k, M or G; the nearest is 4M"},
		{"4m", "expected a size: a number and k, M or G; the nearest is 4M"},
		{"4K", "expected a size: a number and k, M or G; the nearest is 4k"},
		{"-1", "expected a size: a number and k, M or G"},
		{"1.5M", "expected a size: a number and k, M or G"},
		{"17179869184G", "expected a smaller size"},
	};
	n = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (config_parse_size(bad[i].text, &n, &err) == 0)
			fail_msg("'%s' was taken", bad[i].text);
		assert_string_equal(err.msg, bad[i].msg);
		assert_int_equal(n, 7);
	}
}

static void rate_is_a_number_a_second(void **state)
{
	struct error err = {0};
	uint64_t n = 7;

	assert_int_equal(config_parse_rate("100", 100, &n, &err), 0);
	assert_int_equal(n, 100);
	assert_int_equal(config_parse_rate("50/s", 100, &n, &err), 0);
	assert_int_equal(n, 50);
	static const char *const bad[] = {"", "/s", "101", "5/m", "5 /s", "5/s ", "-5"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (config_parse_rate(bad[i], 100, &n, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_string_equal(err.msg, "expected a rate from 0 to 100, such as 100/s");
	}
	assert_int_equal(n, 50);
}

static void publish_takes_its_three_forms(void **state)
{
	struct config_publish p;
	struct error err = {0};
	char buf[IPADDR_STRLEN];

	assert_int_equal(config_parse_publish("8080:80", &p, &err), 0);
	assert_int_equal(p.bind.family, 0);
	assert_int_equal(p.host_port, 8080);
	assert_int_equal(p.guest_port, 80);
	assert_int_equal(p.count, 1);
	assert_false(p.udp);
	assert_string_equal(p.text, "8080:80");
	free(p.text);

	assert_int_equal(config_parse_publish("0.0.0.0:53:5353/udp", &p, &err), 0);
	assert_string_equal(ipaddr_str(&p.bind, buf), "0.0.0.0");
	assert_true(p.udp);
	free(p.text);

	assert_int_equal(config_parse_publish("[2001:db8::1]:8000-8010:9000-9010/tcp", &p, &err),
			 0);
	assert_string_equal(ipaddr_str(&p.bind, buf), "2001:db8::1");
	assert_int_equal(p.host_port, 8000);
	assert_int_equal(p.guest_port, 9000);
	assert_int_equal(p.count, 11);
	free(p.text);
}

static void publish_host_port_zero_serves_each_guest_port(void **state)
{
	struct config_publish p;
	struct error err = {0};

	assert_int_equal(config_parse_publish("0:9000-9010", &p, &err), 0);
	assert_int_equal(p.host_port, 0);
	assert_int_equal(p.count, 11);
	free(p.text);
}

static void publish_says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "GUEST[/tcp|/udp]"},
		{"8080", "GUEST[/tcp|/udp]"},
		{"8080:", "the guest port"},
		{":80", "the host port"},
		{"8080:0", "the guest port is a number from 1"},
		{"8080:65536", "the guest port"},
		{"0-5:1-6", "the host port"},
		{"8080:80/sctp", "tcp or udp"},
		{"8080:80/", "tcp or udp"},
		{"8000-8010:9000", "11 host ports and 1 guest ports"},
		{"8010-8000:9000-9010", "ends before it starts"},
		{"80-:80-90", "the host port"},
		{"localhost:8080:80", "BIND is an IPv4 address"},
		{"256.0.0.1:8080:80", "BIND is an IPv4 address"},
		{"::1:8080:80", "BIND is an IPv4 address"},
		{"[::1:8080:80", "no ']:'"},
		{"[127.0.0.1]:8080:80", "no IPv6 address"},
		{"[::1]:80", "GUEST[/tcp|/udp]"},
		{"[::1]:1:2:3", "GUEST[/tcp|/udp]"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct config_publish p;
		struct error err = {0};
		if (config_parse_publish(bad[i].text, &p, &err) == 0)
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(err.msg, bad[i].why))
			fail_msg("'%s' says: %s", bad[i].text, err.msg);
	}
}

static void publish_refuses_endless_text(void **state)
{
	struct config_publish p;
	struct error err = {0};
	char text[4096];

	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(config_parse_publish(text, &p, &err), -1);
}

static void nearest_finds_typing_errors(void **state)
{
	static const char *const words[] = {"public", "private",         "host", "all",
					    "none",   "max-connections", NULL};

	assert_string_equal(config_nearest("pubilc", words), "public");
	assert_string_equal(config_nearest("PRIVATE", words), "private");
	assert_string_equal(config_nearest("hots", words), "host");
	assert_string_equal(config_nearest("al", words), "all");
	assert_string_equal(config_nearest("max-conn", words), "max-connections");
	assert_null(config_nearest("xyzzy", words));
	assert_null(config_nearest("", words));
	assert_null(config_nearest("ox", words));
}

static void nearest_gives_up_on_endless_text(void **state)
{
	static const char *const words[] = {"all", NULL};
	char text[4096];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_null(config_nearest(text, words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uint_takes_plain_numbers_within_bounds),
		cmocka_unit_test(uint_refuses_everything_else_and_leaves_the_result_alone),
		cmocka_unit_test(time_takes_units),
		cmocka_unit_test(size_takes_units),
		cmocka_unit_test(rate_is_a_number_a_second),
		cmocka_unit_test(publish_takes_its_three_forms),
		cmocka_unit_test(publish_host_port_zero_serves_each_guest_port),
		cmocka_unit_test(publish_says_what_is_wrong),
		cmocka_unit_test(publish_refuses_endless_text),
		cmocka_unit_test(nearest_finds_typing_errors),
		cmocka_unit_test(nearest_gives_up_on_endless_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
