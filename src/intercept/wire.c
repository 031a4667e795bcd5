// SPDX-License-Identifier: Apache-2.0
/*
 * The guest's TCP connection as the far end of it that lies in this process.
 *
 * What the guest sends is read from the stack's own memory during push(), so it is copied once, by
 * whoever decrypts it. What goes to the guest stays in `out` until it is acknowledged. Calls up are
 * noted and made at the end of the turn (wire_flush_all()), for most things happen inside a call
 * of the stack's.
 */
#include "intercept/intercept_priv.h"

#include <errno.h>

static struct wire *wire_of(struct flow_end *e)
{
	return container_of(e, struct wire, end);
}

/* ---- from the guest ---- */

static size_t total(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

static ssize_t wire_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct wire *w = wire_of(e);
	size_t all = total(iov, n);

	w->refused = false;
	if (!w->deaf) {
		w->in = iov;
		w->in_n = n;
		w->in_at = w->took = 0;
		w->ops->run(w);
		w->in = NULL;
		w->in_n = 0;
	}
	if (w->deaf)
		return (ssize_t)all;
	w->refused = w->took < all;
	return w->took ? (ssize_t)w->took : -EAGAIN;
}

ssize_t wire_read(struct wire *w, void *buf, size_t n)
{
	size_t got = 0;

	while (w->in_n && got < n) {
		size_t k = w->in->iov_len - w->in_at;
		if (k > n - got)
			k = n - got;
		memcpy((uint8_t *)buf + got, (const uint8_t *)w->in->iov_base + w->in_at, k);
		got += k;
		w->in_at += k;
		if (w->in_at == w->in->iov_len) {
			w->in++;
			w->in_n--;
			w->in_at = 0;
		}
	}
	w->took += got;
	if (got)
		return (ssize_t)got;
	return w->done ? 0 : -EAGAIN;
}

size_t wire_look(const struct wire *w, uint8_t *buf, size_t n)
{
	size_t got = 0, skip = w->in_at;

	for (int i = 0; i < w->in_n && got < n; i++) {
		size_t k = w->in[i].iov_len - skip;
		if (k > n - got)
			k = n - got;
		memcpy(buf + got, (const uint8_t *)w->in[i].iov_base + skip, k);
		got += k;
		skip = 0;
	}
	return got;
}

bool wire_left(const struct wire *w)
{
	struct tcp_facts facts;

	if (w->done || !w->end.conn)
		return w->done;
	tcp_conn_facts(w->end.conn, &facts);
	return facts.guest_done;
}

static void wire_shut(struct flow_end *e)
{
	struct wire *w = wire_of(e);

	w->done = true;
	if (!w->deaf)
		w->ops->run(w);
}

/* ---- to the guest ---- */

size_t wire_high(const struct intercept *ic)
{
	return ic->queued < INTERCEPT_OUT_TOTAL ? INTERCEPT_OUT_MAX : INTERCEPT_OUT_MAX / 16;
}

bool wire_room(struct wire *w)
{
	w->full = w->out.len >= wire_high(w->ic);
	return !w->full;
}

ssize_t wire_write(struct wire *w, const void *buf, size_t n)
{
	if (w->ends != STREAM_OPEN)
		return (ssize_t)n;
	if (!queue_add(w->ic, &w->out, buf, n))
		return -ENOMEM;
	wire_due(w, WIRE_READABLE);
	return (ssize_t)n;
}

void wire_end(struct wire *w, enum stream_end how)
{
	if (w->ends != STREAM_OPEN)
		return;
	w->ends = (uint8_t)how;
	w->end.eof_near = true;
	wire_due(w, how == STREAM_CUT && !w->out.len ? WIRE_FAILED : WIRE_READABLE);
}

static ssize_t wire_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct wire *w = wire_of(e);
	struct view rest = buf_view(&w->out);
	size_t copied = 0;

	if (!view_skip(&rest, off) || !rest.len)
		return w->ends == STREAM_OPEN || w->ends == STREAM_CUT ? -EAGAIN : 0;
	for (int i = 0; i < n && rest.len; i++) {
		size_t k = iov[i].iov_len < rest.len ? iov[i].iov_len : rest.len;
		memcpy(iov[i].iov_base, rest.p, k);
		view_skip(&rest, k);
		copied += k;
	}
	return (ssize_t)copied;
}

static void wire_consume(struct flow_end *e, size_t n)
{
	struct wire *w = wire_of(e);

	if (n > w->out.len)
		n = w->out.len;
	queue_take(w->ic, &w->out, n);
	if (w->out.len == 0 && w->ends == STREAM_CUT)
		wire_due(w, WIRE_FAILED);
	else if (w->full && w->out.len <= wire_high(w->ic) / 2)
		wire_due(w, WIRE_WORK);
}

/* ---- life ---- */

static void wire_reset(struct flow_end *e)
{
	wire_of(e)->ops->gone(wire_of(e), false);
}

static void wire_close(struct flow_end *e)
{
	wire_of(e)->ops->gone(wire_of(e), true);
}

static const struct flow_end_ops wire_end_ops = {
	.peek = wire_peek,
	.consume = wire_consume,
	.push = wire_push,
	.shut = wire_shut,
	.reset = wire_reset,
	.close = wire_close,
};

bool wire_init(struct wire *w, struct intercept *ic, const struct wire_ops *ops,
	       const struct policy_facts *f)
{
	if (ic->conn_n >= INTERCEPT_CONNS_MAX) {
		flow_count_refusal(ic->sb, REASON_LIMIT_CONNECTIONS, f);
		return false;
	}
	ic->conn_n++;
	w->end.ops = &wire_end_ops;
	w->ops = ops;
	w->ic = ic;
	list_init(&w->due_node);
	list_add_tail(&ic->conns, &w->node);
	return true;
}

void wire_done(struct wire *w)
{
	list_del(&w->due_node);
	list_del(&w->node);
	w->ic->conn_n--;
	queue_done(w->ic, &w->out);
}

/* The timer is for what becomes due behind the last flush of a turn. */
static void flush_follows(struct intercept *ic)
{
	sandbox_touch(ic->sb);
	if (!timer_armed(&ic->turn))
		timer_set(&ic->sb->loop->wheel, &ic->turn, 0);
}

void wire_due(struct wire *w, unsigned what)
{
	struct intercept *ic = w->ic;

	w->due |= what;
	if (list_linked(&w->due_node))
		return;
	list_add_tail(&ic->due, &w->due_node);
	flush_follows(ic);
}

void wire_soon(struct sandbox *sb, struct taker_work *work)
{
	list_add_tail(&sb->intercept->soon, &work->node);
	flush_follows(sb->intercept);
}

static void call_up(struct wire *w)
{
	struct stack *s = &w->ic->sb->stack;
	unsigned what = w->due;

	w->due = 0;
	if (what & WIRE_WORK) {
		w->ops->run(w);
		what |= w->due & ~(unsigned)WIRE_WORK;
		w->due &= WIRE_WORK;
		if (!w->due)
			list_del(&w->due_node);
	}
	if (!w->end.conn)
		return;
	if (what & WIRE_READABLE)
		tcp_end_readable(s, w->end.conn);
	if (what & WIRE_WRITABLE)
		tcp_end_writable(s, w->end.conn);
	if (what & WIRE_FAILED)
		tcp_end_failed(s, w->end.conn);
}

bool wire_flush_all(struct sandbox *sb)
{
	struct intercept *ic = sb->intercept;
	struct list now, *n;

	if (list_empty(&ic->due) && list_empty(&ic->soon))
		return false;
	while ((n = list_pop(&ic->soon))) {
		struct taker_work *work = container_of(n, struct taker_work, node);
		work->fn(work);
	}
	/* What becomes due meanwhile waits for the next call: this ends. */
	list_init(&now);
	while (!list_empty(&ic->due))
		list_add_tail(&now, list_pop(&ic->due));
	while (!list_empty(&now))
		call_up(container_of(list_pop(&now), struct wire, due_node));
	if (list_empty(&ic->due))
		timer_cancel(&ic->sb->loop->wheel, &ic->turn);
	return true;
}
