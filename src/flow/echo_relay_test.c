// SPDX-License-Identifier: Apache-2.0
/* The echo relay against the kernel's own answers on loopback, in a network namespace of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "flow/budget.h"
#include "flow/relay_kit.h"

#define PING_RANGE "/proc/sys/net/ipv4/ping_group_range"

static struct echo_relay *relay;
static bool own_net;
static uint8_t data[9000];

static int setup(void **state)
{
	if (!own_net)
		return 0;
	kit_start();
	relay = echo_relay_new(&kit.sb, 4);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	return relay ? 0 : -1;
}

static int teardown(void **state)
{
	if (!own_net)
		return 0;
	echo_relay_free(relay);
	kit_stop();
	return 0;
}

static void ping(const char *dst, uint16_t id, uint16_t seq, size_t len)
{
	static const uint8_t header4[28] = {0x45}, header6[48] = {0x60, [6] = 58};
	struct icmp_echo e = {.dst = kit_addr(dst),
			      .id = id,
			      .seq = seq,
			      .ttl = 64,
			      .payload = view_make(data, len)};
	e.src = kit_addr(e.dst.family == 4 ? "10.0.0.2" : "fd00::2");
	e.l3 = e.dst.family == 4 ? view_make(header4, sizeof(header4))
				 : view_make(header6, sizeof(header6));
	echo_relay_input(relay, &e);
}

static void expect_reply(unsigned at, const char *from, uint16_t id, uint16_t seq, size_t len)
{
	struct ipaddr a = kit_addr(from);
	assert_true(kit_run(at + 1));
	const struct kit_record *r = &kit.rec[at];
	assert_int_equal(r->what, KIT_ECHO);
	assert_true(ipaddr_eq(&r->src, &a));
	assert_int_equal(r->sport, id);
	assert_int_equal(r->dport, seq);
	assert_int_equal(r->len, len);
	assert_int_equal(r->hash, kit_hash(data, len));
	assert_true(r->ttl > 0);
}

static void check_replies(void)
{
	static const size_t sizes[] = {0, 56, 8000};
	unsigned at = kit.n;
	for (int i = 0; i < 3; i++) {
		ping("127.0.0.1", 7, (uint16_t)i, sizes[i]);
		expect_reply(at++, "127.0.0.1", 7, (uint16_t)i, sizes[i]);
		ping("::1", 7, (uint16_t)(0xfff0 + i), sizes[i]);
		expect_reply(at++, "::1", 7, (uint16_t)(0xfff0 + i), sizes[i]);
	}
	assert_int_equal(kit.sb.cnt.echo_out, 6);
	assert_int_equal(kit.sb.cnt.echo_in, 6);
	assert_int_equal(kit.sb.cnt.echo_sessions, 2);
}

static void replies_keep_identifier_sequence_and_payload(void **state)
{
	if (!own_net)
		skip();
	check_replies();
}

/* Outside ping_group_range, CAP_NET_RAW is the other way. */
static void raw_sockets_do_the_same(void **state)
{
	if (!own_net)
		skip();
	assert_true(kit_write(PING_RANGE, "1 0"));
	check_replies();
	ping("127.0.0.1", 8, 1, 10); /* two at once do not get each other's */
	ping("127.0.0.1", 9, 2, 20);
	assert_true(kit_run(8));
	kit_run_ms(20);
	assert_int_equal(kit.n, 8);
	assert_int_equal(kit.rec[6].sport + kit.rec[7].sport, 8 + 9);
	assert_true(kit_write(PING_RANGE, "0 0"));
}

/* The far end's answers come with what its packets had; the request goes with what the guest's had.
 */
static void ttl_and_tos_pass_both_ways(void **state)
{
	static const uint8_t header[28] = {0x45};
	struct icmp_echo e = {.src = kit_addr("10.0.0.2"),
			      .dst = kit_addr("127.0.0.1"),
			      .id = 5,
			      .ttl = 64,
			      .tos = 0xb8,
			      .payload = view_make(data, 10),
			      .l3 = view_make(header, sizeof(header))};
	if (!own_net)
		skip();
	assert_true(kit_write("/proc/sys/net/ipv4/ip_default_ttl", "55"));
	echo_relay_input(relay, &e);
	expect_reply(0, "127.0.0.1", 5, 0, 10);
	assert_int_equal(kit.rec[0].ttl, 55);
	assert_int_equal(kit.rec[0].tos, 0xb8); /* Linux answers as it was asked */
	e.tos = 0;
	e.seq = 1;
	echo_relay_input(relay, &e);
	expect_reply(1, "127.0.0.1", 5, 1, 10);
	assert_int_equal(kit.rec[1].tos, 0);
	assert_true(kit_write("/proc/sys/net/ipv4/ip_default_ttl", "64"));
}

/* What loopback itself sees of a request: one hop less, and never none. */
static void a_request_has_one_hop_less(void **state)
{
	static const uint8_t ttls[][2] = {{64, 63}, {2, 1}, {255, 254}};
	uint8_t packet[200];
	if (!own_net)
		skip();
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
	assert_true(raw >= 0);
	for (size_t i = 0; i < 3; i++) {
		static const uint8_t header[28] = {0x45};
		struct icmp_echo e = {.src = kit_addr("10.0.0.2"),
				      .dst = kit_addr("127.0.0.1"),
				      .id = 5,
				      .ttl = ttls[i][0],
				      .payload = view_make(data, 10),
				      .l3 = view_make(header, sizeof(header))};
		bool seen = false;
		echo_relay_input(relay, &e);
		assert_true(kit_run((unsigned)i + 1));
		while (recv(raw, packet, sizeof(packet), 0) > 20)
			if (packet[20] == 8) {
				assert_int_equal(packet[8], ttls[i][1]);
				seen = true;
			}
		assert_true(seen);
	}
	close(raw);
}

static void set_net_raw(bool on)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];
	syscall(SYS_capget, &h, d);
	if (on)
		d[0].effective |= 1U << CAP_NET_RAW;
	else
		d[0].effective &= ~(1U << CAP_NET_RAW);
	syscall(SYS_capset, &h, d);
}

static void not_permitted_is_told(void **state)
{
	if (!own_net)
		skip();
	assert_true(kit_write(PING_RANGE, "1 0"));
	set_net_raw(false);
	ping("127.0.0.1", 7, 1, 10);
	ping("::1", 7, 1, 10);
	set_net_raw(true);
	assert_true(kit_write(PING_RANGE, "0 0"));
	assert_int_equal(kit.n, 2);
	assert_int_equal(kit.rec[0].error, ICMP_ERR_ADMIN);
	assert_int_equal(kit.rec[1].error, ICMP_ERR_ADMIN);
	assert_true(kit.rec[0].from_gateway);
}

static void denied_is_told(void **state)
{
	if (!own_net)
		skip();
	kit.deny = true;
	ping("127.0.0.1", 7, 1, 10);
	assert_int_equal(kit.n, 1);
	assert_int_equal(kit.rec[0].error, ICMP_ERR_ADMIN);
	assert_int_equal(kit.facts.proto, POLICY_ICMPV4);
	ping("::1", 7, 1, 10);
	assert_int_equal(kit.facts.proto, POLICY_ICMPV6);
	assert_int_equal(kit.sb.cnt.echo_sessions, 0);
	kit_run_ms(20);
	assert_int_equal(kit.n, 2);
}

static void budget_lets_no_more_go(void **state)
{
	if (!own_net)
		skip();
	struct budgets *b = kit.sb.budgets = budgets_new();
	assert_non_null(b);
	budgets_limit(b, 25, 0);
	ping("127.0.0.1", 7, 1, 20);
	assert_int_equal(kit.refusals, 0);
	ping("127.0.0.1", 7, 2, 20);
	assert_int_equal(kit.refusals, 1);
	assert_int_equal(kit.refusal, REASON_BUDGET);
	assert_int_equal(kit.sb.cnt.echo_out, 1);
	assert_int_equal(budget_left(b, NULL, NULL), 5);
	kit.sb.budgets = NULL;
	budgets_free(b);
}

static void no_route_is_told(void **state)
{
	if (!own_net)
		skip();
	ping("203.0.113.1", 7, 1, 10);
	ping("2001:db8::1", 7, 1, 10);
	assert_int_equal(kit.n, 2);
	assert_int_equal(kit.rec[0].error, ICMP_ERR_NET_UNREACH);
	assert_int_equal(kit.rec[1].error, ICMP_ERR_NET_UNREACH);
}

static void df_over_the_mtu_is_told_with_the_mtu(void **state)
{
	static const uint8_t df[28] = {0x45, [6] = 0x40};
	if (!own_net || !kit_lo_mtu(1500))
		skip();
	ping("127.0.0.1", 7, 1, 2000); /* fragmented by the host */
	expect_reply(0, "127.0.0.1", 7, 1, 2000);
	struct icmp_echo e = {.src = kit_addr("10.0.0.2"),
			      .dst = kit_addr("127.0.0.1"),
			      .id = 7,
			      .seq = 2,
			      .ttl = 64,
			      .payload = view_make(data, 2000),
			      .l3 = view_make(df, sizeof(df))};
	echo_relay_input(relay, &e);
	assert_int_equal(kit.n, 2);
	assert_int_equal(kit.rec[1].error, ICMP_ERR_TOO_BIG);
	assert_int_equal(kit.rec[1].value, 1500);
	kit_lo_mtu(65536);
}

static void sessions_age_and_make_room(void **state)
{
	if (!own_net)
		skip();
	for (uint16_t id = 1; id <= 4; id++)
		ping("127.0.0.1", id, 1, 10);
	ping("127.0.0.1", 1, 2, 10);
	assert_int_equal(kit.sb.cnt.echo_sessions, 4);
	ping("127.0.0.1", 5, 1, 10); /* 2 is the oldest */
	assert_int_equal(kit.refusal, REASON_LIMIT_ICMP);
	ping("127.0.0.1", 1, 3, 10);
	assert_int_equal(kit.sb.cnt.echo_sessions, 5);
	ping("127.0.0.1", 2, 3, 10);
	assert_int_equal(kit.sb.cnt.echo_sessions, 6);
	assert_int_equal(kit.refusals, 2);
	kit_advance(59 * 1000000u);
	ping("127.0.0.1", 2, 4, 10);
	assert_int_equal(kit.sb.cnt.echo_sessions, 6);
	kit_advance(61 * 1000000u);
	ping("127.0.0.1", 2, 5, 10);
	assert_int_equal(kit.sb.cnt.echo_sessions, 7);
	assert_int_equal(kit.refusals, 2);
}

static void without_descriptors_old_sessions_live_on(void **state)
{
	if (!own_net)
		skip();
	struct rlimit old, none;
	ping("127.0.0.1", 1, 1, 10);
	expect_reply(0, "127.0.0.1", 1, 1, 10);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	ping("127.0.0.1", 2, 1, 10);
	ping("127.0.0.1", 1, 2, 10);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(kit.rec[1].error, ICMP_ERR_HOST_UNREACH);
	assert_int_equal(kit.refusal, REASON_LIMIT_ICMP);
	expect_reply(2, "127.0.0.1", 1, 2, 10);
}

/* A tunnel in pings is a narrow one. */
static void what_is_beyond_the_rate_is_dropped_and_counted(void **state)
{
	if (!own_net)
		skip();
	for (int i = 0; i < 10500; i++)
		ping("127.0.0.1", 9, (uint16_t)i, 0);
	assert_int_equal(kit.refusals, 500);
	assert_int_equal(kit.refusal, REASON_LIMIT_ICMP);
	kit.loop.now_us += 10000; /* a hundredth of the rate has come again */
	for (int i = 0; i < 150; i++)
		ping("127.0.0.1", 9, (uint16_t)i, 0);
	assert_int_equal(kit.refusals, 550);
}

static void so_are_bytes(void **state)
{
	unsigned most = (32u << 20) / 8000;
	if (!own_net)
		skip();
	for (unsigned i = 0; i < most + 10; i++)
		ping("127.0.0.1", 9, (uint16_t)i, 8000);
	assert_int_equal(kit.refusals, 10);
	assert_int_equal(kit.refusal, REASON_LIMIT_ICMP);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(replies_keep_identifier_sequence_and_payload),
		T(raw_sockets_do_the_same),
		T(ttl_and_tos_pass_both_ways),
		T(a_request_has_one_hop_less),
		T(not_permitted_is_told),
		T(budget_lets_no_more_go),
		T(denied_is_told),
		T(no_route_is_told),
		T(df_over_the_mtu_is_told_with_the_mtu),
		T(sessions_age_and_make_room),
		T(without_descriptors_old_sessions_live_on),
		T(what_is_beyond_the_rate_is_dropped_and_counted),
		T(so_are_bytes),
	};
	own_net = kit_own_net();
	return cmocka_run_group_tests_name("echo_relay", tests, NULL, NULL);
}
