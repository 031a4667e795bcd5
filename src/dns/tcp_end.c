// SPDX-License-Identifier: Apache-2.0
/*
 * DNS over TCP at the gateway (RFC 7766): a flow end inside this process.
 *
 * Theory of operation
 * -------------------
 * The guest's bytes (push) are cut into messages by their length prefix, and each message is a
 * query of its own; answers are queued behind their lengths, in the order in which they come, and
 * stay queued until the guest has acknowledged them (peek, consume).
 *
 * Calls up are never made from a call down: they are noted in `due` and made at the end of the turn
 * (dns_proxy_flush). A call up may free the end, which is therefore touched no more behind it.
 *
 * Bounds: one partial query of DNS_QUERY_MAX bytes (a longer one is skipped over and answered
 * FORMERR); no further query is taken while PENDING_MAX are in flight, OUT_MAX bytes wait for the
 * guest, or all ends together have OUT_TOTAL_MAX waiting. What is taken before that still gets its
 * answer, of at most 64 KiB each. An end on which nothing moves for IDLE_US is closed, and where
 * the guest does not follow, reset after the same time again.
 */
#include <errno.h>
#include <stdlib.h>

#include "dns/message.h"
#include "dns/proxy.h"

#define IDLE_US       (30 * 1000000ull)
#define PENDING_MAX   64
#define OUT_MAX       65536
#define OUT_TOTAL_MAX (8u << 20)

enum due {
	DUE_READABLE = 1 << 0,
	DUE_WRITABLE = 1 << 1,
	DUE_FAILED = 1 << 2,
};

struct dns_tcp {
	struct flow_end end;
	struct list node;     /* in dns_proxy.tcp */
	struct list due_node; /* in dns_proxy.tcp_due while something is due */
	struct dns_proxy *d;
	struct ipaddr at, guest; /* the address that was asked, and who asks */
	uint16_t guest_port;
	struct timer idle_timer;
	unsigned due;
	unsigned pending; /* queries without an answer yet */
	bool wants_push;  /* bytes were refused: DUE_WRITABLE when there is room */
	bool guest_shut;  /* no more queries will come */
	bool closing;     /* idle for too long: the stream ends behind what is queued */
	uint8_t *out;     /* answers with their lengths */
	size_t out_head;  /* the first byte that is not acknowledged */
	size_t out_len;   /* end of what is queued, counted from `out` */
	size_t out_cap;
	size_t in_got; /* of the length prefix and the message */
	size_t in_len; /* of the message, once in_got is at least 2 */
	uint8_t in[2 + DNS_QUERY_MAX];
};

static void moved(struct dns_tcp *t)
{
	struct loop *l = t->d->sb->loop;
	timer_set(&l->wheel, &t->idle_timer, l->now_us + IDLE_US);
}

static size_t waiting(const struct dns_tcp *t)
{
	return t->out_len - t->out_head;
}

static bool is_full(const struct dns_tcp *t)
{
	return t->pending >= PENDING_MAX || waiting(t) >= OUT_MAX ||
	       (t->d->tcp_out_total >= OUT_TOTAL_MAX && waiting(t));
}

static bool at_end(const struct dns_tcp *t)
{
	return t->closing || (t->guest_shut && t->pending == 0);
}

static void due(struct dns_tcp *t, unsigned what)
{
	t->due |= what;
	/* Behind the last bytes the stack has to ask once more, to find the end of the stream. */
	t->end.eof_near = at_end(t);
	if (!list_linked(&t->due_node))
		list_add_tail(&t->d->tcp_due, &t->due_node);
	dns_proxy_wants_flush(t->d);
}

/* Makes one call; what else is due then has its own turn behind it. */
static void call_up(struct dns_tcp *t)
{
	struct stack *s = &t->d->sb->stack;
	struct tcp_conn *c = t->end.conn;
	unsigned what = t->due;
	if (t->end.upper) {
		t->due = 0;
		t->end.upper(&t->end, what & DUE_FAILED);
		return;
	}
	if (!c) /* the stack asks by itself once there is a connection */
		return;
	if (what & DUE_FAILED) {
		t->due = 0;
		tcp_end_failed(s, c);
	} else if (what & DUE_READABLE) {
		t->due &= ~DUE_READABLE;
		if (t->due)
			due(t, t->due);
		tcp_end_readable(s, c);
	} else if (what & DUE_WRITABLE) {
		t->due &= ~DUE_WRITABLE;
		tcp_end_writable(s, c);
	}
}

void dns_tcp_flush(struct dns_proxy *d)
{
	/* What becomes due meanwhile waits for the next flush: this ends. */
	struct list now;
	list_init(&now);
	while (!list_empty(&d->tcp_due))
		list_add_tail(&now, list_pop(&d->tcp_due));
	while (!list_empty(&now))
		call_up(container_of(list_pop(&now), struct dns_tcp, due_node));
}

static void tcp_idle(struct timer *timer)
{
	struct dns_tcp *t = container_of(timer, struct dns_tcp, idle_timer);
	moved(t);
	if (t->pending)
		return;
	if (t->closing) {
		due(t, DUE_FAILED);
	} else {
		t->closing = true;
		due(t, DUE_READABLE);
	}
}

/* Room for n more bytes of answers; what was acknowledged makes room first. */
static bool out_reserve(struct dns_tcp *t, size_t n)
{
	if (t->out_head && t->out_len + n > t->out_cap) {
		memmove(t->out, t->out + t->out_head, waiting(t));
		t->out_len -= t->out_head;
		t->out_head = 0;
	}
	if (t->out_len + n <= t->out_cap)
		return true;
	size_t cap = t->out_cap ? t->out_cap : 1024;
	while (cap < t->out_len + n)
		cap *= 2;
	uint8_t *p = realloc(t->out, cap);
	if (!p)
		return false;
	t->out = p;
	t->out_cap = cap;
	return true;
}

void dns_tcp_answer(struct dns_tcp *t, struct view msg)
{
	t->pending--;
	moved(t);
	if (msg.len > 65535 || !out_reserve(t, 2 + msg.len)) {
		due(t, DUE_FAILED);
		return;
	}
	put_be16(t->out + t->out_len, (uint16_t)msg.len);
	memcpy(t->out + t->out_len + 2, msg.p, msg.len);
	t->out_len += 2 + msg.len;
	t->d->tcp_out_total += 2 + msg.len;
	due(t, DUE_READABLE);
	if (t->wants_push && !is_full(t)) {
		t->wants_push = false;
		due(t, DUE_WRITABLE);
	}
}

static void query_complete(struct dns_tcp *t)
{
	struct dns_asker who = {.tcp = t, .from = t->guest, .at = t->at, .port = t->guest_port};
	size_t kept = t->in_len < DNS_QUERY_MAX ? t->in_len : DNS_QUERY_MAX;
	t->in_got = 0;
	t->pending++;
	/* Of a query that is too long only the head was kept, which cannot be read as a whole one.
	 */
	if (t->in_len > DNS_QUERY_MAX)
		kept = DNS_HLEN;
	if (!dns_intercept(t->d, &who, view_make(t->in + 2, kept)))
		t->pending--;
}

/* Takes bytes up to the end of the message that is under way; returns how many. */
static size_t take(struct dns_tcp *t, const uint8_t *p, size_t n)
{
	size_t need = t->in_got < 2 ? 2 - t->in_got : 2 + t->in_len - t->in_got;
	if (n > need)
		n = need;
	if (t->in_got < sizeof(t->in)) {
		size_t room = sizeof(t->in) - t->in_got;
		memcpy(t->in + t->in_got, p, n < room ? n : room);
	}
	t->in_got += n;
	if (t->in_got == 2)
		t->in_len = get_be16(t->in);
	if (t->in_got >= 2 && t->in_got == 2 + t->in_len)
		query_complete(t);
	return n;
}

static ssize_t end_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct dns_tcp *t = container_of(e, struct dns_tcp, end);
	size_t taken = 0;
	for (int i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;
		while (left) {
			if (t->closing) { /* nothing is answered behind the end of the stream */
				taken += left;
				break;
			}
			if (is_full(t)) {
				t->wants_push = true;
				return taken ? (ssize_t)taken : -EAGAIN;
			}
			size_t k = take(t, p, left);
			p += k;
			left -= k;
			taken += k;
		}
	}
	if (taken && !t->closing)
		moved(t);
	return (ssize_t)taken;
}

static ssize_t end_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct dns_tcp *t = container_of(e, struct dns_tcp, end);
	if (off >= waiting(t))
		return at_end(t) ? 0 : -EAGAIN;
	size_t copied = 0, have = waiting(t) - off;
	for (int i = 0; i < n && have; i++) {
		size_t k = iov[i].iov_len < have ? iov[i].iov_len : have;
		memcpy(iov[i].iov_base, t->out + t->out_head + off + copied, k);
		copied += k;
		have -= k;
	}
	return (ssize_t)copied;
}

static void end_consume(struct flow_end *e, size_t n)
{
	struct dns_tcp *t = container_of(e, struct dns_tcp, end);
	if (n > waiting(t))
		n = waiting(t);
	t->out_head += n;
	t->d->tcp_out_total -= n;
	if (waiting(t) == 0) {
		/* An idle connection costs no buffer. */
		free(t->out);
		t->out = NULL;
		t->out_head = t->out_len = t->out_cap = 0;
	}
	if (n && !t->closing)
		moved(t);
	if (t->wants_push && !is_full(t)) {
		t->wants_push = false;
		due(t, DUE_WRITABLE);
	}
}

static void end_shut(struct flow_end *e)
{
	struct dns_tcp *t = container_of(e, struct dns_tcp, end);
	t->guest_shut = true;
	due(t, DUE_READABLE);
}

static void end_free(struct flow_end *e)
{
	struct dns_tcp *t = container_of(e, struct dns_tcp, end);
	struct dns_proxy *d = t->d;
	dns_query_cancel(d, t);
	list_del(&t->due_node);
	timer_cancel(&d->sb->loop->wheel, &t->idle_timer);
	d->tcp_out_total -= waiting(t);
	d->tcp_n--;
	list_del(&t->node);
	free(t->out);
	free(t);
}

static const struct flow_end_ops dns_tcp_ops = {
	.peek = end_peek,
	.consume = end_consume,
	.push = end_push,
	.shut = end_shut,
	.reset = end_free,
	.close = end_free,
};

struct flow_end *dns_proxy_tcp_end(struct dns_proxy *d, const struct ipaddr *at,
				   const struct ipaddr *guest, uint16_t guest_port)
{
	if (d->tcp_n >= DNS_TCP_MAX)
		return NULL;
	struct dns_tcp *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->end.ops = &dns_tcp_ops;
	t->d = d;
	t->at = *at;
	t->guest = *guest;
	t->guest_port = guest_port;
	list_init(&t->due_node);
	timer_init(&t->idle_timer, tcp_idle);
	list_add_tail(&d->tcp, &t->node);
	d->tcp_n++;
	moved(t);
	return &t->end;
}

void dns_tcp_free_all(struct dns_proxy *d)
{
	list_for_each (it, &d->tcp)
		end_free(&container_of(it, struct dns_tcp, node)->end);
}
