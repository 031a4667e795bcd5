// SPDX-License-Identifier: Apache-2.0
/* Addresses from slots, pools and explicit choices. */
#include "conf/derive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct derive_routes both = {true, true};

struct fixture {
	struct config c;
	struct stack_config sc;
	struct error err;
};

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	assert_true(ipaddr_parse(text, &a));
	return a;
}

static void assert_addr(const struct ipaddr *a, const char *text)
{
	char buf[IPADDR_STRLEN];

	assert_string_equal(ipaddr_str(a, buf), text);
}

static void assert_mac(const uint8_t mac[6], const char *text)
{
	char buf[18];

	assert_string_equal(mac_str(mac, buf), text);
}

static struct fixture fixture(void)
{
	struct fixture f = {0};

	config_init(&f.c);
	return f;
}

static void slot_zero_is_the_first_block(void **state)
{
	struct fixture f = fixture();

	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);
	assert_true(f.sc.has_v4 && f.sc.has_v6);
	assert_addr(&f.sc.gw4, "172.16.0.1");
	assert_addr(&f.sc.guest4, "172.16.0.2");
	assert_int_equal(f.sc.prefix4, 30);
	assert_addr(&f.sc.gw6, "fd42:6d73:62::1");
	assert_addr(&f.sc.guest6, "fd42:6d73:62::2");
	assert_addr(&f.sc.gw6_ll, "fe80::77:72ff:fe00:1");
	assert_mac(f.sc.gw_mac, "02:77:72:00:00:01");
	assert_mac(f.sc.guest_mac, "02:77:72:00:00:02");
	assert_int_equal(f.sc.mtu, 1500);
	assert_int_equal(f.sc.max_tcp, 4096);
	config_done(&f.c);
}

static void the_last_slot_fits_the_default_pools(void **state)
{
	struct fixture f = fixture();

	f.c.slot = 65535;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);
	assert_addr(&f.sc.guest4, "172.19.255.254");
	assert_addr(&f.sc.guest6, "fd42:6d73:62:ffff::2");
	assert_mac(f.sc.guest_mac, "02:77:72:ff:ff:02");
	f.c.slot = 65536;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	config_done(&f.c);
}

static void a_pool_without_the_slots_block_is_refused(void **state)
{
	struct fixture f = fixture();

	f.c.ipv4_pool = addr("10.9.0.0");
	f.c.ipv4_pool_bits = 24;
	f.c.slot = 63;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);
	assert_addr(&f.sc.guest4, "10.9.0.254");
	f.c.slot = 64;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	assert_non_null(strstr(f.err.msg, "IPv4 pool 10.9.0.0/24"));
	f.c.ipv4_pool_bits = 31;
	f.c.slot = 0;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	f.c.ipv4_pool_bits = 30;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);

	f.c.ipv6_pool = addr("fd00::");
	f.c.ipv6_pool_bits = 65;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	f.c.ipv6_pool_bits = 64;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);
	assert_addr(&f.sc.guest6, "fd00::2");
	f.c.ipv6_pool_bits = 8;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);
	config_done(&f.c);
}

static void an_explicit_address_has_its_gateway_before_it(void **state)
{
	static const struct {
		const char *guest, *gw; /* gw NULL: refused */
		unsigned bits;
	} rows[] = {
		{"10.0.0.2", "10.0.0.1", 30},
		{"192.168.64.10", "192.168.64.9", 30},
		{"10.0.0.5", "10.0.0.4", 29},
		{"10.0.0.8", "10.0.0.7", 28},
		{"10.0.0.255", "10.0.0.254", 23},
		{"10.1.0.1", "10.1.0.0", 15},
		{"127.0.0.2", NULL, 0},
		{"224.0.0.2", NULL, 0},
		{"0.0.0.2", NULL, 0},
		{"10.0.0.0", NULL, 0},
		{"255.255.255.255", NULL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f = fixture();

		f.c.ipv4 = addr(rows[i].guest);
		int r = derive_stack_config(&f.c, &(struct derive_routes){0}, &f.sc, &f.err);
		assert_int_equal(r, rows[i].gw ? 0 : -1);
		if (rows[i].gw) {
			assert_addr(&f.sc.gw4, rows[i].gw);
			assert_int_equal(f.sc.prefix4, rows[i].bits);
		}
		config_done(&f.c);
	}
}

static void an_explicit_ipv6_address_has_its_gateway_at_one(void **state)
{
	struct fixture f = fixture();

	f.c.ipv6 = addr("2001:db8:7::99");
	assert_int_equal(derive_stack_config(&f.c, &(struct derive_routes){0}, &f.sc, &f.err), 0);
	assert_addr(&f.sc.gw6, "2001:db8:7::1");
	assert_false(f.sc.has_v4);
	f.c.ipv6 = addr("2001:db8:7::1");
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	f.c.ipv6 = addr("fe80::2");
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	config_done(&f.c);
}

static void a_family_is_on_where_the_host_has_a_route(void **state)
{
	struct fixture f = fixture();

	assert_int_equal(
		derive_stack_config(&f.c, &(struct derive_routes){.v6 = true}, &f.sc, &f.err), 0);
	assert_true(!f.sc.has_v4 && f.sc.has_v6);
	f.c.no_ipv6 = true;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);
	assert_true(f.sc.has_v4 && !f.sc.has_v6);
	config_done(&f.c);
}

static void a_small_mtu_turns_ipv6_off(void **state)
{
	struct fixture f = fixture();

	f.c.mtu = 1000;
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);
	assert_true(f.sc.has_v4 && !f.sc.has_v6);
	f.c.ipv6 = addr("fd00::2");
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	config_done(&f.c);
}

static void a_mac_that_cannot_be_the_guests_is_refused(void **state)
{
	struct fixture f = fixture();

	f.c.has_mac = true;
	assert_true(mac_parse("02:77:72:00:00:01", f.c.mac));
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	assert_true(mac_parse("03:00:00:00:00:09", f.c.mac));
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	assert_true(mac_parse("00:00:00:00:00:00", f.c.mac));
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), -1);
	assert_true(mac_parse("02:00:00:00:00:09", f.c.mac));
	assert_int_equal(derive_stack_config(&f.c, &both, &f.sc, &f.err), 0);
	assert_mac(f.sc.guest_mac, "02:00:00:00:00:09");
	config_done(&f.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slot_zero_is_the_first_block),
		cmocka_unit_test(the_last_slot_fits_the_default_pools),
		cmocka_unit_test(a_pool_without_the_slots_block_is_refused),
		cmocka_unit_test(an_explicit_address_has_its_gateway_before_it),
		cmocka_unit_test(an_explicit_ipv6_address_has_its_gateway_at_one),
		cmocka_unit_test(a_family_is_on_where_the_host_has_a_route),
		cmocka_unit_test(a_small_mtu_turns_ipv6_off),
		cmocka_unit_test(a_mac_that_cannot_be_the_guests_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
