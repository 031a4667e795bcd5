// SPDX-License-Identifier: Apache-2.0
/*
 * DNS over TCP: at the end itself, and by a guest through the stack.
 */
#include "dns/proxy_rig.h"

#include <errno.h>
#include <netinet/in.h>

/* A header, a question, and twenty records of two plus ten plus 118 bytes. */
#define BIG_LEN (12 + 15 + 20 * 130)

static struct flow_end *end_new(void)
{
	return dns_proxy_tcp_end(dns, &gw4, &guest4, 50000);
}

/* ---- over TCP, at the end itself ---- */

static struct flow_end *end;

static ssize_t push(const void *p, size_t n)
{
	struct iovec iov = {(void *)p, n};
	loop.now_us = clock_now_us();
	return end->ops->push(end, &iov, 1);
}

static ssize_t peek(size_t off, void *p, size_t n)
{
	struct iovec iov = {p, n};
	return end->ops->peek(end, off, &iov, 1);
}

static bool has_bytes(void)
{
	uint8_t b[16384];
	return peek(0, b, sizeof(b)) >= wanted;
}

static bool run_bytes(int n, unsigned ms)
{
	wanted = n;
	return run_until(has_bytes, ms);
}

static size_t make_tcp_query(uint8_t *out, uint16_t id, const char *name)
{
	size_t len = make_query(out + 2, id, name, DNS_A, 0);
	put_be16(out, (uint16_t)len);
	return len + 2;
}

static void tcp_end_answers_and_keeps_until_consumed(void **state)
{
	uint8_t q[512], b[4096], part[4096];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	end = end_new();
	assert_int_equal(peek(0, b, sizeof(b)), -EAGAIN);
	size_t len = make_tcp_query(q, 77, "a.example");
	for (size_t i = 0; i < len; i++) /* byte by byte */
		assert_int_equal(push(q + i, 1), 1);
	assert_true(run_bytes(2, 2000));
	assert_int_equal(fake[0].queries, 1);
	ssize_t n = peek(0, b, sizeof(b));
	assert_int_equal(n, 2 + get_be16(b));
	assert_int_equal(get_be16(b + 2), 77);
	/* Again, and from the middle. */
	assert_int_equal(peek(5, part, sizeof(part)), n - 5);
	assert_memory_equal(part, b + 5, (size_t)n - 5);
	assert_int_equal(peek((size_t)n, part, sizeof(part)), -EAGAIN);
	end->ops->consume(end, 5);
	assert_int_equal(peek(0, part, sizeof(part)), n - 5);
	assert_memory_equal(part, b + 5, (size_t)n - 5);
	end->ops->consume(end, (size_t)n - 5);
	assert_int_equal(peek(0, b, sizeof(b)), -EAGAIN);
	/* After the guest's FIN the stream ends. */
	end->ops->shut(end);
	assert_int_equal(peek(0, b, sizeof(b)), 0);
	end->ops->close(end);
	assert_int_equal(dns->tcp_n, 0);
	assert_int_equal(dns->tcp_out_total, 0);
}

static void tcp_end_takes_large_answers_whole(void **state)
{
	uint8_t q[512], b[4096];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = BIG;
	end = end_new();
	push(q, make_tcp_query(q, 78, "a.example"));
	assert_true(run_bytes(BIG_LEN + 2, 2000));
	assert_int_equal(peek(0, b, sizeof(b)), BIG_LEN + 2);
	assert_int_equal(get_be16(b), BIG_LEN);
	assert_false(get_be16(b + 4) & DNS_TC);
	end->ops->reset(end);
}

static void tcp_end_pipelines_with_back_pressure(void **state)
{
	static uint8_t q[8192], b[16384];
	size_t len = 0, one = 0;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	end = end_new();
	for (uint16_t i = 0; i < 100; i++)
		len += one = make_tcp_query(q + len, i, "a.example");
	ssize_t taken = push(q, len);
	assert_int_equal(taken, 64 * one); /* as many as may be in flight */
	assert_int_equal(push(q + taken, len - (size_t)taken), -EAGAIN);
	/* A FIN behind queries that are not answered yet does not cut them off. */
	assert_int_equal(peek(0, b, sizeof(b)), -EAGAIN);
	size_t a = 2 + (one - 2) + 16;
	assert_true(run_bytes((int)(64 * a), 2000));
	while ((size_t)taken < len) {
		ssize_t r = push(q + taken, len - (size_t)taken);
		assert_true(r > 0);
		taken += r;
		wanted = (int)((size_t)taken / one * a);
		assert_true(run_bytes(wanted, 2000));
	}
	ssize_t n = peek(0, b, sizeof(b));
	assert_int_equal(n, 100 * a);
	bool seen[100] = {false};
	for (size_t at = 0; at < (size_t)n; at += a) {
		assert_false(seen[get_be16(b + at + 2)]);
		seen[get_be16(b + at + 2)] = true;
	}
	end->ops->close(end);
}

static void tcp_end_refuses_what_is_no_query(void **state)
{
	uint8_t q[6000] = {0}, b[512];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	end = end_new();
	make_query(q + 2, 9, "a.example", DNS_A, 0);
	put_be16(q, 5000); /* too long: skipped over */
	assert_int_equal(push(q, 5002), 5002);
	ssize_t n = peek(0, b, sizeof(b));
	assert_int_equal(n, 14);
	assert_int_equal(get_be16(b + 2), 9);
	assert_int_equal(b[5] & 15, DNS_FORMERR);
	end->ops->consume(end, 14);
	/* What comes behind is read from its beginning; an empty message is nothing. */
	put_be16(q, 0);
	assert_int_equal(push(q, 2), 2);
	assert_int_equal(push(q, make_tcp_query(q, 10, "host.weir.internal")), 2 + 12 + 20 + 4);
	assert_true(peek(0, b, sizeof(b)) > 14);
	assert_int_equal(get_be16(b + 2), 10);
	assert_int_equal(b[5] & 15, DNS_NOERROR);
	end->ops->close(end);
}

static void tcp_answer_that_is_cut_is_asked_elsewhere(void **state)
{
	uint8_t q[512], b[512];
	upstream_add(fake[0].port);
	upstream_add(fake[1].port);
	proxy_up(NULL);
	fake[0].how = CUT;
	end = end_new();
	push(q, make_tcp_query(q, 5, "a.example"));
	assert_true(run_bytes(2, 2000));
	ssize_t n = peek(0, b, sizeof(b));
	assert_int_equal(b[n - 1], 2);
	end->ops->close(end);
}

static void tcp_end_that_goes_away_takes_its_queries_along(void **state)
{
	uint8_t q[512];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = SILENT;
	end = end_new();
	push(q, make_tcp_query(q, 5, "a.example"));
	run_until(NULL, 20);
	assert_int_equal(dns->asks_n, 1);
	end->ops->reset(end);
	assert_int_equal(dns->asks_n, 0);
	run_until(NULL, TIMEOUT_MS + 100);
}

static void tcp_ends_are_limited(void **state)
{
	struct flow_end *ends[DNS_TCP_MAX];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (int i = 0; i < DNS_TCP_MAX; i++)
		assert_non_null(ends[i] = end_new());
	assert_null(end_new());
	ends[0]->ops->close(ends[0]);
	assert_non_null(end_new());
}

static void idle_tcp_end_ends_its_stream(void **state)
{
	uint8_t b[16];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	end = end_new();
	/* The wheel is led through the half minute; nothing waits for it. */
	wheel_advance(&loop.wheel, loop.now_us + 29900000);
	assert_int_equal(peek(0, b, sizeof(b)), -EAGAIN);
	wheel_advance(&loop.wheel, loop.now_us + 30100000);
	assert_int_equal(peek(0, b, sizeof(b)), 0);
	end->ops->close(end);
}

/* ---- over TCP, by a guest through the stack ---- */

struct guest_tcp {
	uint32_t seq, ack;
	uint8_t in[16384]; /* the stream that came */
	size_t got;
	bool established, fin, rst;
};
static struct guest_tcp guest;
static int frames_read;

static void guest_send(uint8_t flags, const void *data, size_t n)
{
	uint8_t f[4096] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45};
	struct wbuf w = wbuf_make(f, sizeof(f));
	w.len = 34;
	put_be16(f + 16, (uint16_t)(40 + n));
	f[22] = 64;
	f[23] = IPPROTO_TCP;
	memcpy(f + 26, guest4.b, 4);
	memcpy(f + 30, gw4.b, 4);
	wbuf_put_be16(&w, 50000);
	wbuf_put_be16(&w, 53);
	wbuf_put_be32(&w, guest.seq);
	wbuf_put_be32(&w, flags & 0x10 ? guest.ack : 0);
	wbuf_put_be16(&w, (uint16_t)(0x5000 | flags));
	wbuf_put_be16(&w, 65535);
	wbuf_put_be32(&w, 0);
	wbuf_put_bytes(&w, data, n);
	/* The link vouches for the checksum; the stack's own tests have the others. */
	uint32_t sum = 0;
	for (int i = 14; i < 34; i += 2)
		sum += get_be16(f + i);
	put_be16(f + 24, (uint16_t) ~(sum + (sum >> 16)));
	struct frame fr = {.data = f, .len = (uint32_t)w.len, .meta.csum_valid = true};
	guest.seq += (uint32_t)n + !!(flags & 3);
	loop.now_us = clock_now_us();
	stack_set_now(&sb.stack, loop.now_us);
	stack_input(&sb.stack, &fr);
	stack_burst_end(&sb.stack);
}

/* Takes in what came, in order, and acknowledges it. */
static void guest_receive(void)
{
	for (; frames_read < frame_n; frames_read++) {
		const uint8_t *t = frames[frames_read].b + 34;
		size_t hdr = (t[12] >> 4) * 4u;
		size_t n = get_be16(frames[frames_read].b + 16) - 20 - hdr;
		uint32_t seq = get_be32(t + 4);
		if (t[13] & 4)
			guest.rst = true;
		if (t[13] & 2) {
			guest.ack = seq + 1;
			guest.established = true;
			continue;
		}
		if (seq != guest.ack || guest.got + n > sizeof(guest.in))
			continue;
		memcpy(guest.in + guest.got, t + hdr, n);
		guest.got += n;
		guest.ack += (uint32_t)n;
		if (t[13] & 1) {
			guest.fin = true;
			guest.ack++;
		}
		if (n || (t[13] & 1))
			guest_send(0x10, NULL, 0);
	}
}

static bool guest_established(void)
{
	guest_receive();
	return guest.established;
}

static bool guest_has_bytes(void)
{
	guest_receive();
	return guest.got >= (size_t)wanted || guest.rst;
}

static bool guest_sees_fin(void)
{
	guest_receive();
	return guest.fin || guest.rst;
}

static void guest_asks_over_tcp(void **state)
{
	uint8_t q[4096];
	size_t len = 0;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = BIG;
	guest = (struct guest_tcp){.seq = 1000};
	frames_read = 0;
	guest_send(2, NULL, 0);
	assert_true(run_until(guest_established, 1000));
	guest_send(0x10, NULL, 0);
	assert_int_equal(dns->tcp_n, 1);
	/* One that weir answers itself, from inside push, and three large ones. */
	len += make_tcp_query(q, 100, "host.weir.internal");
	for (uint16_t i = 0; i < 3; i++)
		len += make_tcp_query(q + len, (uint16_t)(101 + i), "a.example");
	guest_send(0x18, q, len);
	wanted = 3 * (BIG_LEN + 2) + 40;
	assert_true(run_until(guest_has_bytes, 3000));
	assert_false(guest.rst);
	assert_int_equal(get_be16(guest.in + 2), 100);
	assert_int_equal(sb.cnt.dns_answers, 4);
	/* Closed in order, with the last answer still to come. */
	size_t before = guest.got;
	len = make_tcp_query(q, 110, "a.example");
	guest_send(0x19, q, len);
	assert_true(run_until(guest_sees_fin, 3000));
	assert_false(guest.rst);
	assert_int_equal(guest.got, before + BIG_LEN + 2);
	run_until(NULL, 50);
	assert_int_equal(dns->tcp_n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tcp_end_answers_and_keeps_until_consumed),
		T(tcp_end_takes_large_answers_whole),
		T(tcp_end_pipelines_with_back_pressure),
		T(tcp_end_refuses_what_is_no_query),
		T(tcp_answer_that_is_cut_is_asked_elsewhere),
		T(tcp_end_that_goes_away_takes_its_queries_along),
		T(tcp_ends_are_limited),
		T(idle_tcp_end_ends_its_stream),
		T(guest_asks_over_tcp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
