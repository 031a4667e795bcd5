// SPDX-License-Identifier: Apache-2.0
/* Host sockets as flow ends, with servers on loopback: what a dial says, and how large a buffer
 * gets. */
#include "flow/budget.h"
#include "flow/tcp_host.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define BUFFER  212992    /* the size that a near connection's buffer is given */
#define MOST    (1 << 20) /* that it grows to where it is alone */
#define MUCH    (1 << 20) /* what it brings before that */
#define MANY    10
#define ANSWER  65536
#define SLICES  256  /* of one burst */
#define A_SHORT 4096 /* too little to look at the buffer for */

static struct loop loop;
static struct sandbox sb;
static int listener, server; /* the server's side of the last dial */
static uint16_t port;

static struct flow_end *end;
static int end_err, dials;

static int set_up(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa);
	struct error err;

	if (loop_init(&loop, &err) < 0)
		return -1;
	sb.loop = &loop;
	sb.near_flows = 0;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&sa, len) < 0 ||
	    listen(listener, 8) < 0 || getsockname(listener, (struct sockaddr *)&sa, &len) < 0)
		return -1;
	port = ntohs(sa.sin_port);
	server = -1;
	end = NULL;
	dials = 0;
	return 0;
}

static int tear_down(void **state)
{
	if (end)
		end->ops->close(end);
	if (server >= 0)
		close(server);
	close(listener);
	loop_done(&loop);
	return 0;
}

static void dialed(struct sandbox *s, void *arg, struct flow_end *e, int err)
{
	end = e;
	end_err = err;
	dials++;
	loop.stop = true;
}

/* A server that sends `greeting` bytes before the dial is looked at. Returns the dialled fd. */
static int dial(size_t greeting)
{
	static const uint8_t bytes[ANSWER];
	static const uint8_t lo[4] = {127, 0, 0, 1};
	struct ipaddr to = ipaddr_v4(lo);
	int err = 0, fd = dup(listener);

	close(fd); /* the lowest that is free: the next one's */
	assert_non_null(tcp_host_dial(&sb, &to, port, dialed, NULL, &err));
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(send(server, bytes, greeting, 0), greeting);
	loop.stop = false;
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(dials, 1);
	assert_int_equal(end_err, 0);
	assert_non_null(end);
	return fd;
}

static int buffer_of(int fd)
{
	int size = 0;
	socklen_t len = sizeof(size);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len), 0);
	return size;
}

/* What the kernel makes of a size. */
static int buffer_for(int size)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	size = buffer_of(fd);
	close(fd);
	return size;
}

static int fixed_buffer(void)
{
	return buffer_for(BUFFER);
}

static int most_buffer(void)
{
	return buffer_for(MOST);
}

/* Peeks and drops n bytes, a little at a time, as a guest's ACKs would. */
static void take(size_t n)
{
	static uint8_t room[A_SHORT];
	struct iovec iov = {room, sizeof(room)};

	while (n) {
		ssize_t got = end->ops->peek(end, 0, &iov, 1);
		assert_true(got > 0 && (size_t)got <= n);
		end->ops->consume(end, (size_t)got);
		n -= (size_t)got;
	}
}

static void a_dial_says_that_nothing_is_there(void **state)
{
	struct iovec iov = {(uint8_t[1]){0}, 1};

	dial(0);
	assert_true(end->empty);
	assert_int_equal(end->ops->peek(end, 0, &iov, 1), -EAGAIN);
}

static void a_greeting_is_there_when_the_dial_is_over(void **state)
{
	dial(3);
	assert_false(end->empty);
	take(3);
}

static void a_near_stream_has_a_buffer_of_one_size(void **state)
{
	int fd = dial(ANSWER);

	assert_int_not_equal(buffer_of(fd), fixed_buffer());
	take(ANSWER);
	assert_int_equal(buffer_of(fd), fixed_buffer());
}

/* So much, in pieces that the loopback takes at once. */
static void bring(size_t n)
{
	static const uint8_t bytes[ANSWER];

	for (; n; n -= ANSWER) {
		assert_int_equal(send(server, bytes, ANSWER, 0), ANSWER);
		take(ANSWER);
	}
}

static void a_near_stream_that_is_alone_gets_more(void **state)
{
	int fd = dial(0);

	bring(ANSWER);
	assert_int_equal(sb.near_flows, 1);
	bring(MUCH);
	/* As far as the machine allows it. */
	assert_true(buffer_of(fd) > fixed_buffer() || most_buffer() == fixed_buffer());
	assert_int_equal(buffer_of(fd), most_buffer());
	end->ops->close(end);
	end = NULL;
	assert_int_equal(sb.near_flows, 0);
}

static void a_near_stream_among_many_keeps_its_first_size(void **state)
{
	int fd = dial(0);

	sb.near_flows = MANY;
	bring(ANSWER);
	bring(4 * MUCH);
	assert_int_equal(buffer_of(fd), fixed_buffer());
	assert_int_equal(sb.near_flows, MANY + 1);
	/* The others end: it may have their share. */
	sb.near_flows = 1;
	bring(MUCH);
	assert_int_equal(buffer_of(fd), most_buffer());
}

static void a_short_answer_leaves_the_buffer_to_the_kernel(void **state)
{
	int fd = dial(A_SHORT), before = buffer_of(fd);

	take(A_SHORT);
	assert_int_equal(buffer_of(fd), before);
}

/* Bytes that wait are peeked behind those that were, and dropped from the front. */
static void peeks_and_drops_keep_the_order(void **state)
{
	uint8_t a[4], b[4];
	struct iovec first = {a, 4}, second = {b, 4};

	dial(0);
	assert_int_equal(send(server, "abcdefghij", 10, 0), 10);
	assert_int_equal(end->ops->peek(end, 0, &first, 1), 4);
	assert_int_equal(end->ops->peek(end, 4, &second, 1), 4);
	assert_memory_equal(a, "abcd", 4);
	assert_memory_equal(b, "efgh", 4);
	end->ops->consume(end, 3);
	assert_int_equal(end->ops->peek(end, 5, &first, 1), 2);
	assert_memory_equal(a, "ij", 2);
	assert_int_equal(end->ops->peek(end, 0, &second, 1), 4);
	assert_memory_equal(b, "defg", 4);
}

/* ---- upload budgets ---- */

static unsigned refusals;

/* In the place of flow.c's. */
void flow_refuse(struct sandbox *s, const struct flow *f, const struct policy_verdict *v)
{
	assert_int_equal(v->reason, REASON_BUDGET);
	refusals++;
}

static ssize_t push(const char *first, const char *second)
{
	struct iovec iov[] = {{(void *)first, strlen(first)}, {(void *)second, strlen(second)}};

	return end->ops->push(end, iov, 2);
}

static void assert_heard(const char *text)
{
	char buf[64];

	assert_int_equal(recv(server, buf, sizeof(buf), MSG_DONTWAIT), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

/* The byte behind the last one ends it, and those before it go. */
static void no_byte_goes_behind_the_budget(void **state)
{
	static const uint8_t lo[4] = {127, 0, 0, 1};
	struct flow f = {.remote = ipaddr_v4(lo)};
	struct iovec iov = {(uint8_t[1]){0}, 1};

	sb.budgets = budgets_new();
	assert_non_null(sb.budgets);
	budgets_limit(sb.budgets, 0, 10);
	refusals = 0;
	dial(0);
	assert_int_equal(push("published, ", "so free"), 18);
	assert_heard("published, so free");
	tcp_host_end_charge(end, &f);
	assert_int_equal(push("abc", "d"), 4);
	assert_heard("abcd");
	assert_int_equal(push("efgh", "ij"), 6);
	assert_heard("efghij");
	assert_int_equal(end->ops->peek(end, 0, &iov, 1), -EAGAIN);
	budgets_limit(sb.budgets, 0, 16);
	assert_int_equal(push("klmno", "pqrst"), -ECONNRESET);
	assert_heard("klmnop");
	assert_int_equal(push("u", ""), -ECONNRESET);
	assert_int_equal(end->ops->peek(end, 0, &iov, 1), -ECONNRESET);
	assert_int_equal(recv(server, iov.iov_base, 1, MSG_DONTWAIT), -1);
	assert_int_equal(refusals, 1);
	assert_true(f.forbidden);
	end->ops->reset(end);
	end = NULL;
	budgets_free(sb.budgets);
	sb.budgets = NULL;
}

/* A burst has that many slices, and no edge would tell of room for what was left out. */
static void a_burst_in_many_pieces_is_cut_at_the_last_byte(void **state)
{
	static const uint8_t lo[4] = {127, 0, 0, 1};
	static uint8_t bytes[SLICES], heard[2 * SLICES];
	struct flow f = {.remote = ipaddr_v4(lo)};
	struct iovec iov[SLICES];

	for (int i = 0; i < SLICES; i++)
		iov[i] = (struct iovec){bytes + i, 1};
	sb.budgets = budgets_new();
	assert_non_null(sb.budgets);
	budgets_limit(sb.budgets, SLICES - 1, 0);
	dial(0);
	tcp_host_end_charge(end, &f);
	assert_int_equal(end->ops->push(end, iov, SLICES), -ECONNRESET);
	assert_int_equal(recv(server, heard, sizeof(heard), MSG_DONTWAIT), SLICES - 1);
	end->ops->reset(end);
	end = NULL;
	budgets_free(sb.budgets);
	sb.budgets = NULL;
}

/* What the socket did not take is not spent. */
static void what_waits_for_room_is_not_spent(void **state)
{
	static const uint8_t lo[4] = {127, 0, 0, 1};
	static char much[8 << 20];
	struct flow f = {.remote = ipaddr_v4(lo)};
	struct iovec iov = {much, sizeof(much)};

	sb.budgets = budgets_new();
	assert_non_null(sb.budgets);
	budgets_limit(sb.budgets, 1 << 30, 0);
	dial(0);
	tcp_host_end_charge(end, &f);
	ssize_t took, sum = 0;
	while ((took = end->ops->push(end, &iov, 1)) > 0)
		sum += took;
	assert_int_equal(took, -EAGAIN);
	assert_true(sum > 0);
	assert_int_equal(budget_left(sb.budgets, NULL, &f.remote), (1 << 30) - sum);
	end->ops->reset(end);
	end = NULL;
	budgets_free(sb.budgets);
	sb.budgets = NULL;
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_dial_says_that_nothing_is_there),
		TEST(a_greeting_is_there_when_the_dial_is_over),
		TEST(a_near_stream_has_a_buffer_of_one_size),
		TEST(a_near_stream_that_is_alone_gets_more),
		TEST(a_near_stream_among_many_keeps_its_first_size),
		TEST(a_short_answer_leaves_the_buffer_to_the_kernel),
		TEST(peeks_and_drops_keep_the_order),
		TEST(no_byte_goes_behind_the_budget),
		TEST(a_burst_in_many_pieces_is_cut_at_the_last_byte),
		TEST(what_waits_for_room_is_not_spent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
