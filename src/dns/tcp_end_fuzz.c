// SPDX-License-Identifier: Apache-2.0
/*
 * A guest's stream of DNS over TCP, in any pieces, whose answers come at any time, in any order and
 * of any size. What must hold: the interceptor is given each message of the stream once and as it
 * was sent; the guest gets each answer once, whole, in the order in which they were given; what was
 * refused for want of room is asked for again when there is some; bounds are kept, and in the end
 * nothing is left.
 */
#include <errno.h>
#include <stdlib.h>

#include "dns/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STREAM_MAX  262144
#define PENDING_MAX 64         /* of tcp_end.c */
#define OUT_MAX     (4u << 20) /* what is taken before it is full still gets its answer */

static struct {
	struct loop loop;
	struct sandbox sb;
	struct dns_proxy d;
	struct flow_end *end;
	struct dns_tcp *t;
	uint8_t said[STREAM_MAX], answers[OUT_MAX];
	size_t said_len, taken, parsed;   /* of what the guest says */
	size_t answered, shown, consumed; /* of what it gets */
	unsigned pending;
	uint8_t at_once; /* so many of eight questions are answered at once */
	bool readable, writable, failed, refused, shut;
} z;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- what the end calls ---- */

static void answer(size_t len)
{
	uint8_t *msg;

	if (z.answered + 2 + len > OUT_MAX)
		len = 0;
	msg = malloc(len + 1);
	must(msg && z.pending && z.answered + 2 + len <= OUT_MAX);
	put_be16(z.answers + z.answered, (uint16_t)len);
	for (size_t i = 0; i < len; i++)
		msg[i] = z.answers[z.answered + 2 + i] = (uint8_t)(z.answered + i);
	z.answered += 2 + len;
	z.pending--;
	dns_tcp_answer(z.t, view_make(msg, len));
	free(msg);
}

bool dns_intercept(struct dns_proxy *d, const struct dns_asker *who, struct view msg)
{
	const uint8_t *m = z.said + z.parsed;
	size_t len = get_be16(m);

	must(d == &z.d && who->tcp && (!z.t || z.t == who->tcp));
	z.t = who->tcp;
	must(z.parsed + 2 + len <= z.said_len);
	must(len <= DNS_QUERY_MAX ? msg.len == len : msg.len < DNS_QUERY_MAX);
	must(!msg.len || memcmp(msg.p, m + 2, msg.len) == 0);
	z.parsed += 2 + len;
	if (len < DNS_HLEN)
		return false;
	z.pending++;
	must(z.pending <= PENDING_MAX);
	if (len % 8 < z.at_once)
		answer(len % 700);
	return true;
}

void dns_query_cancel(struct dns_proxy *d, const struct dns_tcp *tcp)
{
	z.pending = 0;
}

void dns_proxy_wants_flush(struct dns_proxy *d)
{
	z.d.wants_flush = true;
}

void tcp_end_readable(struct stack *s, struct tcp_conn *c)
{
	z.readable = true;
}

void tcp_end_writable(struct stack *s, struct tcp_conn *c)
{
	z.writable = true;
}

void tcp_end_failed(struct stack *s, struct tcp_conn *c)
{
	z.failed = true;
}

/* ---- the guest ---- */

static void push(size_t n)
{
	size_t left = z.said_len - z.taken, half;
	struct iovec iov[2];

	n = n && n < left ? n : left;
	half = n / 3;
	if (!n || z.shut)
		return;
	/* In memory of just that size. */
	uint8_t *a = malloc(half + 1), *b = malloc(n - half);
	must(a && b);
	memcpy(a, z.said + z.taken, half);
	memcpy(b, z.said + z.taken + half, n - half);
	iov[0] = (struct iovec){a, half};
	iov[1] = (struct iovec){b, n - half};
	ssize_t took = z.end->ops->push(z.end, iov, 2);
	must(took == -EAGAIN || (took > 0 && (size_t)took <= n));
	z.refused = took < (ssize_t)n;
	if (took > 0)
		z.taken += (size_t)took;
	free(a);
	free(b);
}

static void peek(size_t n)
{
	static uint8_t buf[70000];
	struct iovec iov = {buf, n % sizeof(buf) + 1};
	size_t off = z.shown - z.consumed;
	ssize_t got = z.end->ops->peek(z.end, off, &iov, 1);

	if (got <= 0) {
		must(got == -EAGAIN || got == 0);
		must(z.shown == z.answered);
		return;
	}
	must((size_t)got <= z.answered - z.shown);
	must(memcmp(buf, z.answers + z.shown, (size_t)got) == 0);
	z.shown += (size_t)got;
}

static void consume(size_t n)
{
	size_t have = z.shown - z.consumed;

	n = n < have ? n : have;
	z.consumed += n;
	if (n)
		z.end->ops->consume(z.end, n);
}

static void flush(void)
{
	for (int i = 0; i < 8 && !z.failed; i++)
		dns_tcp_flush(&z.d);
	if (z.writable) {
		z.writable = z.refused = false;
		push(0);
	}
}

static void say(struct view v)
{
	if (z.shut || z.said_len + v.len > STREAM_MAX)
		return;
	memcpy(z.said + z.said_len, v.p, v.len);
	z.said_len += v.len;
	if (!z.refused)
		push(0);
}

/* A message of that length, of bytes that tell. */
static void say_message(size_t len)
{
	static uint8_t m[2 + 65535];

	put_be16(m, (uint16_t)len);
	for (size_t i = 0; i < len; i++)
		m[2 + i] = (uint8_t)(z.said_len * 7 + i);
	say(view_make(m, 2 + len));
}

static void step(uint8_t op, uint16_t n, struct view *in)
{
	struct view v;

	switch (op % 8) {
	case 0:
		if (view_take(in, n < in->len ? n : in->len, &v))
			say(v);
		break;
	case 1:
		for (int i = 0; i <= op >> 3; i++)
			say_message(n);
		break;
	case 2:
		if (z.pending)
			answer(n);
		break;
	case 3:
		peek(n);
		break;
	case 4:
		consume(n);
		break;
	case 5:
		z.loop.now_us += n * 4000ull;
		wheel_advance(&z.loop.wheel, z.loop.now_us);
		break;
	case 6:
		if (!z.shut && z.taken == z.said_len)
			z.end->ops->shut(z.end);
		z.shut = z.shut || z.taken == z.said_len;
		break;
	case 7:
		push(n);
		break;
	}
	flush();
}

static void check_end(void)
{
	/* All answers are given and taken: then all that was said is taken, too. */
	for (int i = 0; i < 100000 && !z.failed; i++) {
		size_t before = z.taken + z.consumed;
		while (z.pending)
			answer(100);
		flush();
		peek(60000);
		consume(SIZE_MAX);
		flush();
		if (z.taken + z.consumed == before && !z.pending)
			break;
	}
	must(z.failed || (z.consumed == z.answered && z.taken == z.said_len));
	must(z.failed || z.d.tcp_out_total == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ipaddr at = {4, {172, 16, 0, 1}}, guest = {4, {172, 16, 0, 2}};
	static char conn; /* only its address is used */
	struct view in = view_make(data, size);
	uint8_t op;
	uint16_t n;

	memset(&z, 0, offsetof(typeof(z), said));
	memset(&z.said_len, 0, sizeof(z) - offsetof(typeof(z), said_len));
	wheel_init(&z.loop.wheel, 0);
	z.sb.loop = &z.loop;
	z.d.sb = &z.sb;
	list_init(&z.d.tcp);
	list_init(&z.d.tcp_due);
	view_get_u8(&in, &z.at_once);
	z.end = dns_proxy_tcp_end(&z.d, &at, &guest, 50000);
	must(z.end);
	z.end->conn = (struct tcp_conn *)(void *)&conn;
	while (!z.failed && view_get_u8(&in, &op) && view_get_be16(&in, &n))
		step(op, n, &in);
	check_end();
	z.end->ops->close(z.end);
	must(z.d.tcp_n == 0 && z.d.tcp_out_total == 0 && z.loop.wheel.count == 0);
	must(list_empty(&z.d.tcp) && list_empty(&z.d.tcp_due));
	return 0;
}
