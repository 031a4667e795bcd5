// SPDX-License-Identifier: Apache-2.0
/* Units of the base room: addresses, hash table, timer wheel, SipHash, errors. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/behind.h"
#include "base/error.h"
#include "base/siphash.h"
#include "base/table.h"
#include "base/wheel.h"

static void addr_text_round_trip(void **state)
{
	static const char *const good[] = {"0.0.0.0", "192.0.2.1",   "255.255.255.255",
					   "::",      "2001:db8::1", "fe80::1"};
	static const char *const bad[] = {"",           "1.2.3",      "1.2.3.4.5",
					  "0177.0.0.1", "0x7f000001", "2130706433",
					  "1.2.3.256",  ":::",        "fe80::1%eth0",
					  "1.2.3.4 "};
	char buf[IPADDR_STRLEN];
	struct ipaddr a;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(ipaddr_parse(good[i], &a));
		assert_string_equal(ipaddr_str(&a, buf), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ipaddr_parse(bad[i], &a));
	assert_true(ipaddr_parse("2001:db8::2", &a));
	assert_string_equal(ipaddr_port_str(&a, 443, buf), "[2001:db8::2]:443");
}

static void addr_prefixes(void **state)
{
	struct ipaddr net, a;
	unsigned bits;

	assert_true(ipaddr_parse_prefix("172.16.0.0/12", true, &net, &bits));
	assert_int_equal(bits, 12);
	assert_true(ipaddr_parse("172.31.255.255", &a) && ipaddr_in_prefix(&a, &net, bits));
	assert_true(ipaddr_parse("172.32.0.0", &a) && !ipaddr_in_prefix(&a, &net, bits));
	assert_false(ipaddr_parse_prefix("10.0.0.1/8", true, &net, &bits));
	assert_true(ipaddr_parse_prefix("10.0.0.1/8", false, &net, &bits) && net.b[3] == 0);
	assert_false(ipaddr_parse_prefix("10.0.0.0/33", false, &net, &bits));
	assert_false(ipaddr_parse_prefix("10.0.0.0/08", false, &net, &bits));
	assert_false(ipaddr_parse_prefix("10.0.0.0/", false, &net, &bits));
	assert_true(ipaddr_parse_prefix("::/0", true, &net, &bits) && bits == 0);
	assert_true(ipaddr_parse("2001:db8::ff", &a));
	a = ipaddr_add(&a, 1);
	assert_int_equal(a.b[14], 1);
	assert_int_equal(a.b[15], 0);
	a = ipaddr_add(&a, -1);
	assert_int_equal(a.b[15], 0xff);
	assert_int_equal(a.b[14], 0);
}

static bool match_int(const void *item, const void *key)
{
	return *(const int *)item == *(const int *)key;
}

static void table_against_a_plain_array(void **state)
{
	enum {
		N = 400
	};
	static int items[N];
	bool in[N] = {false};
	struct table t;

	table_init(&t, 300);
	srand(7);
	for (int step = 0; step < 20000; step++) {
		int i = rand() % N;
		uint64_t hash = (uint64_t)(i % 37) * 5; /* many collisions */
		items[i] = i;
		if (in[i]) {
			assert_true(table_remove(&t, hash, &items[i]));
			in[i] = false;
		} else {
			bool fits = t.count < 300;
			assert_int_equal(table_insert(&t, hash, &items[i]), fits);
			in[i] = fits;
		}
		int j = rand() % N;
		assert_ptr_equal(table_find(&t, (uint64_t)(j % 37) * 5, match_int, &j),
				 in[j] ? &items[j] : NULL);
	}
	table_done(&t);
}

struct probe {
	struct timer t;
	uint64_t fired_ms;
};
static struct wheel wheel;

static void probe_fire(struct timer *t)
{
	container_of(t, struct probe, t)->fired_ms = wheel.now_ms;
}

static void wheel_fires_each_timer_in_its_millisecond(void **state)
{
	enum {
		N = 2000
	};
	static struct probe p[N];

	srand(3);
	wheel_init(&wheel, 123456789);
	for (int i = 0; i < N; i++) {
		uint64_t in_us = (uint64_t)rand() % (i % 3 == 0   ? 50000u
						     : i % 3 == 1 ? 5000000u
								  : 2000000000u);
		timer_init(&p[i].t, probe_fire);
		timer_set(&wheel, &p[i].t, 123456789 + in_us);
	}
	for (int i = 0; i < N; i += 5)
		timer_cancel(&wheel, &p[i].t);
	uint64_t now = 123456789;
	while (wheel.count) {
		uint64_t next = wheel_next_us(&wheel);
		assert_true(next > now - now % 1000);
		now = next;
		wheel_advance(&wheel, now);
	}
	for (int i = 0; i < N; i++) {
		if (i % 5 == 0)
			assert_int_equal(p[i].fired_ms, 0);
		else
			assert_int_equal(p[i].fired_ms,
					 p[i].t.deadline_ms > 123456 ? p[i].t.deadline_ms : 123457);
	}
	assert_true(wheel_next_us(&wheel) == UINT64_MAX);
}

static struct timer canceller, victim;
static int victim_fired;

static void cancel_victim(struct timer *t)
{
	timer_cancel(&wheel, &victim);
}

static void count_victim(struct timer *t)
{
	victim_fired++;
}

static void wheel_callback_may_cancel_its_neighbour(void **state)
{
	wheel_init(&wheel, 0);
	timer_init(&canceller, cancel_victim);
	timer_init(&victim, count_victim);
	timer_set(&wheel, &canceller, 5000);
	timer_set(&wheel, &victim, 5000);
	wheel_advance(&wheel, 6000);
	assert_int_equal(victim_fired, 0);
	/* A jump over a long time fires what lies between, once. */
	timer_set(&wheel, &victim, 86400ull * 1000000);
	wheel_advance(&wheel, 40ull * 86400 * 1000000);
	assert_int_equal(victim_fired, 1);
	assert_int_equal(wheel.count, 0);
}

static void wheel_with_one_far_timer_wakes_once(void **state)
{
	wheel_init(&wheel, 777000);
	timer_init(&victim, count_victim);
	for (uint64_t in_ms = 1; in_ms < 1000000000; in_ms = in_ms * 3 + 1) {
		uint64_t due = wheel.now_ms + in_ms;
		timer_set(&wheel, &victim, due * 1000);
		assert_int_equal(wheel_next_us(&wheel), due * 1000);
		victim_fired = 0;
		wheel_advance(&wheel, due * 1000);
		assert_int_equal(victim_fired, 1);
	}
}

static void siphash_depends_on_every_byte_and_the_key(void **state)
{
	uint8_t buf[64] = {0};
	struct sipkey k = {1, 2}, k2 = {1, 3};

	for (size_t n = 0; n < sizeof(buf); n++) {
		uint64_t h = siphash(&k, buf, n);
		assert_true(h != siphash(&k2, buf, n));
		for (size_t i = 0; i < n; i++) {
			buf[i] ^= 0x40;
			assert_true(h != siphash(&k, buf, n));
			buf[i] ^= 0x40;
		}
	}
}

static void error_prefix_goes_in_front(void **state)
{
	struct error e = {""};

	assert_int_equal(error_set(&e, "no %s", "luck"), -1);
	error_prefix(&e, "--%s", "mtu");
	assert_string_equal(e.msg, "--mtu: no luck");
}

/* Somebody does close it: the reader of a pipe sees the end of the writer that was left behind. */
static void a_file_left_behind_is_closed(void **state)
{
	int pipe_fd[2], next;

	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	behind_leave(pipe_fd[1]);
	struct stat st;
	assert_int_equal(fstat(pipe_fd[1], &st), 0);
	assert_true(S_ISSOCK(st.st_mode)); /* the number is no longer the pipe */
	close(pipe_fd[1]);
	struct pollfd p = {.fd = pipe_fd[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(p.revents, POLLHUP);
	close(pipe_fd[0]);
	/* Nothing of it stays open here. */
	next = dup(0);
	assert_int_equal(next, pipe_fd[0]);
	close(next);
	behind_leave(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_left_behind_is_closed),
		cmocka_unit_test(addr_text_round_trip),
		cmocka_unit_test(addr_prefixes),
		cmocka_unit_test(table_against_a_plain_array),
		cmocka_unit_test(wheel_fires_each_timer_in_its_millisecond),
		cmocka_unit_test(wheel_callback_may_cancel_its_neighbour),
		cmocka_unit_test(wheel_with_one_far_timer_wakes_once),
		cmocka_unit_test(siphash_depends_on_every_byte_and_the_key),
		cmocka_unit_test(error_prefix_goes_in_front),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
