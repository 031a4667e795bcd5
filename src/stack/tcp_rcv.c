// SPDX-License-Identifier: Apache-2.0
/*
 * What the guest sends: the receive queue, the window, and the way to the far end.
 *
 * The usual case copies nothing: payload stays in the link's frame as a slice until the burst ends,
 * and one push() then hands all slices of a connection to its end. Only what the end does not take,
 * and what came out of order, is copied into the queue. A slice may lie in the guest's own memory,
 * where an end says that it can do with that (flow_end.direct).
 *
 * The promise: rcv_adv, the right edge that was advertised, never moves left, and the queue can
 * hold everything up to it. A connection starts with a small promise that grows as it proves that
 * its end keeps up; all promises together stay within cfg.tcp_queue_total (half of it is divided
 * evenly among the most connections there can be, the other half is lent, at most half of the rest
 * at a time, and beyond the first window no more than an even share of an eighth of the total among
 * those who borrow: what waits between the guest and its far end costs time and cache, and the
 * guest is near).
 */
#include "stack/tcp_conn.h"

#include <errno.h>
#include <stdlib.h>

#define RCV_CAP_FIRST 65536u /* the promise in the first window, where the pool allows, ... */
#define RCV_SHARED    8u     /* the part of all memory that is promised beyond the first windows */
#define RCV_CAP_SEGS  4u /* ... and at least so many full segments: with fewer a sender stalls */

void tcp_rcv_init(struct tcp_conn *c)
{
	c->rcv_cap = c->s->tcp->rcv_floor;
	c->slice_head = c->slice_tail = -1;
}

static uint32_t rcv_cap_first(const struct tcp_conn *c)
{
	uint32_t few = RCV_CAP_SEGS * c->rcv_mss;

	return few > RCV_CAP_FIRST ? few : RCV_CAP_FIRST;
}

/* What each borrower may have if all are to have the same, and together no more than caches hold.
 */
static uint32_t rcv_share(const struct tcp_table *t, const struct stack_config *cfg)
{
	uint64_t share = cfg->tcp_queue_total / RCV_SHARED / (t->borrowers ? t->borrowers : 1);

	return share > cfg->tcp_queue_max ? cfg->tcp_queue_max : (uint32_t)share;
}

/* Raises the promise toward `want`, borrowing from the pool. */
static void rcv_cap_raise(struct tcp_conn *c, uint32_t want)
{
	struct tcp_table *t = c->s->tcp;
	uint64_t left = c->s->cfg.tcp_queue_total / 2 - t->pool_lent;

	if (want > c->s->cfg.tcp_queue_max)
		want = c->s->cfg.tcp_queue_max;
	if (want > rcv_cap_first(c) && want > t->rcv_floor + rcv_share(t, &c->s->cfg))
		want = t->rcv_floor + rcv_share(t, &c->s->cfg);
	if (want <= c->rcv_cap)
		return;
	uint32_t more = want - c->rcv_cap;
	if (more > left / 2)
		more = (uint32_t)(left / 2);
	if (left / 2 < c->rcv_mss)
		stack_limit_hit(c->s, STACK_LIMIT_QUEUES, &c->key.remote, 6);
	if (c->rcv_cap == t->rcv_floor && more)
		t->borrowers++;
	t->pool_lent += more;
	c->rcv_cap += more;
}

/* ---- memory: queues come and go many times a second, and so some chunks are kept ---- */

static uint8_t *chunk_take(struct tcp_table *t)
{
	return t->spare_n ? t->spare[--t->spare_n] : malloc(RCVQ_CHUNK);
}

static void chunk_give(struct tcp_table *t, uint8_t *chunk)
{
	if (chunk && t->spare_n < TCP_SPARE_CHUNKS)
		t->spare[t->spare_n++] = chunk;
	else
		free(chunk);
}

void tcp_rcv_trim(struct tcp_table *t)
{
	while (t->spare_n)
		free(t->spare[--t->spare_n]);
}

static void rcvq_free(struct tcp_table *t, struct rcvq *q)
{
	if (!q)
		return;
	for (unsigned i = 0; i < q->ring; i++)
		chunk_give(t, q->chunk[i]);
	free(q->chunk);
	free(q->ooo);
	free(q);
}

void tcp_rcv_done(struct tcp_conn *c)
{
	struct tcp_table *t = c->s->tcp;

	if (c->rcv_cap > t->rcv_floor)
		t->borrowers--;
	t->pool_lent -= c->rcv_cap - t->rcv_floor;
	c->rcv_cap = t->rcv_floor;
	rcvq_free(t, c->rcvq);
	c->rcvq = NULL;
	c->slice_head = c->slice_tail = -1;
	c->slice_bytes = 0;
	c->slices_shared = false;
}

uint32_t tcp_rcv_queued(const struct tcp_conn *c)
{
	/* A FIN that was taken occupies a sequence number but no byte. */
	return c->rcvq ? c->rcv_nxt - c->fin_taken - c->rcvq->head : 0;
}

/* ---- chunks ---- */

static struct rcvq *rcvq_new(uint32_t head)
{
	struct rcvq *q = calloc(1, sizeof(*q));
	if (q)
		q->base = q->head = head;
	return q;
}

static bool rcvq_widen(struct rcvq *q, unsigned need)
{
	unsigned ring = q->ring ? q->ring : 4;

	while (ring < need)
		ring *= 2;
	uint8_t **chunk = calloc(ring, sizeof(*chunk));
	if (!chunk)
		return false;
	for (unsigned i = 0; i < q->ring; i++)
		chunk[i] = q->chunk[(q->first + i) & (q->ring - 1)];
	free(q->chunk);
	q->chunk = chunk;
	q->ring = ring;
	q->first = 0;
	return true;
}

/* Copies data in at its sequence number; false without memory. */
static bool rcvq_write(struct tcp_table *t, struct rcvq *q, uint32_t seq, const uint8_t *p,
		       uint32_t len)
{
	while (len) {
		uint32_t at = seq - q->base, n = at / RCVQ_CHUNK, off = at % RCVQ_CHUNK;
		uint32_t part = RCVQ_CHUNK - off < len ? RCVQ_CHUNK - off : len;
		if (n >= q->ring && !rcvq_widen(q, n + 1))
			return false;
		uint8_t **slot = &q->chunk[(q->first + n) & (q->ring - 1)];
		if (!*slot && !(*slot = chunk_take(t)))
			return false;
		memcpy(*slot + off, p, part);
		seq += part;
		p += part;
		len -= part;
	}
	return true;
}

/* The in-order bytes from head on, up to `end`, as byte ranges. */
static int rcvq_iov(const struct rcvq *q, uint32_t end, struct iovec *iov, int max)
{
	uint32_t seq = q->head;
	int n = 0;

	while (n < max && seq_lt(seq, end)) {
		uint32_t at = seq - q->base, off = at % RCVQ_CHUNK;
		uint32_t part = RCVQ_CHUNK - off < end - seq ? RCVQ_CHUNK - off : end - seq;
		iov[n].iov_base = q->chunk[(q->first + at / RCVQ_CHUNK) & (q->ring - 1)] + off;
		iov[n++].iov_len = part;
		seq += part;
	}
	return n;
}

/* The first n bytes from head are gone; whole chunks before it are freed. */
static void rcvq_advance(struct tcp_table *t, struct rcvq *q, uint32_t n)
{
	q->head += n;
	while (q->head - q->base >= RCVQ_CHUNK && q->ring) {
		chunk_give(t, q->chunk[q->first]);
		q->chunk[q->first] = NULL;
		q->first = (q->first + 1) & (q->ring - 1);
		q->base += RCVQ_CHUNK;
	}
}

/* ---- out of order ---- */

/* Adds [start, end), merging; false at TCP_OOO_MAX or without memory. */
static bool ooo_add(struct rcvq *q, uint32_t start, uint32_t end)
{
	unsigned i = 0, j;

	while (i < q->ooo_n && seq_lt(q->ooo[i].end, start))
		i++;
	for (j = i; j < q->ooo_n && seq_le(q->ooo[j].start, end); j++) {
		if (seq_lt(q->ooo[j].start, start))
			start = q->ooo[j].start;
		if (seq_lt(end, q->ooo[j].end))
			end = q->ooo[j].end;
	}
	if (j == i && q->ooo_n == q->ooo_cap) {
		unsigned cap = q->ooo_cap ? q->ooo_cap * 2 : 8;
		if (cap > TCP_OOO_MAX)
			return false;
		struct tcp_sack_block *ooo = realloc(q->ooo, cap * sizeof(*ooo));
		if (!ooo)
			return false;
		q->ooo = ooo;
		q->ooo_cap = cap;
	}
	memmove(&q->ooo[i + 1], &q->ooo[j], (q->ooo_n - j) * sizeof(*q->ooo));
	q->ooo_n = q->ooo_n - (j - i) + 1;
	q->ooo[i] = (struct tcp_sack_block){start, end};
	return true;
}

static void ooo_touch(struct rcvq *q, uint32_t seq)
{
	memmove(&q->recent[1], &q->recent[0], 3 * sizeof(q->recent[0]));
	q->recent[0] = seq;
	if (q->recent_n < 4)
		q->recent_n++;
}

/* RCV.NXT has moved: takes ranges that it reached, and moves it on over them. */
static void ooo_absorb(struct tcp_conn *c)
{
	struct rcvq *q = c->rcvq;
	unsigned n = 0;

	while (n < q->ooo_n && seq_le(q->ooo[n].start, c->rcv_nxt)) {
		c->rcv_nxt = seq_max(c->rcv_nxt, q->ooo[n].end);
		n++;
	}
	if (n == 0)
		return;
	memmove(&q->ooo[0], &q->ooo[n], (q->ooo_n - n) * sizeof(*q->ooo));
	q->ooo_n -= n;
}

static const struct tcp_sack_block *ooo_find(const struct rcvq *q, uint32_t seq)
{
	for (unsigned i = 0; i < q->ooo_n; i++)
		if (seq_le(q->ooo[i].start, seq) && seq_lt(seq, q->ooo[i].end))
			return &q->ooo[i];
	return NULL;
}

unsigned tcp_rcv_sack_blocks(const struct tcp_conn *c, struct tcp_sack_block ret[4])
{
	const struct rcvq *q = c->rcvq;
	unsigned n = 0;

	if (!c->sack_on)
		return 0;
	if (c->dsack_set)
		ret[n++] = c->dsack;
	/* With timestamps there is room for three (RFC 2018 3). */
	unsigned max = c->ts_on ? 3 : 4;
	for (unsigned i = 0; q && i < q->recent_n && n < max; i++) {
		const struct tcp_sack_block *b = ooo_find(q, q->recent[i]);
		bool twice = false;
		for (unsigned k = c->dsack_set; b && k < n; k++)
			twice = twice || ret[k].start == b->start;
		if (b && !twice)
			ret[n++] = *b;
	}
	return n;
}

/* ---- arrival ---- */

static bool rcv_queue_at(struct tcp_conn *c, uint32_t seq, struct view data)
{
	if (!c->rcvq && !(c->rcvq = rcvq_new(c->rcv_nxt)))
		return false;
	return rcvq_write(c->s->tcp, c->rcvq, seq, data.p, (uint32_t)data.len);
}

/*
 * Queues what is not there yet: up to the next range that is, then behind it. Where ranges overlap
 * the first copy is kept. seq lies in no range. False without memory.
 */
static bool rcv_fill(struct tcp_conn *c, uint32_t seq, struct view data)
{
	while (data.len) {
		const struct tcp_sack_block *next = NULL;
		for (unsigned i = 0; c->rcvq && i < c->rcvq->ooo_n && !next; i++)
			if (seq_le(seq, c->rcvq->ooo[i].start))
				next = &c->rcvq->ooo[i];
		uint32_t len = (uint32_t)data.len;
		if (next && next->start - seq < len)
			len = next->start - seq;
		if (len && !rcv_queue_at(c, seq, view_make(data.p, len)))
			return false;
		view_skip(&data, len);
		seq += len;
		if (data.len && next) {
			uint32_t skip = next->end - next->start;
			if (skip > data.len)
				skip = (uint32_t)data.len;
			view_skip(&data, skip);
			seq += skip;
		}
	}
	return true;
}

static void rcv_out_of_order(struct tcp_conn *c, uint32_t seq, struct view data)
{
	uint32_t end = seq + (uint32_t)data.len;

	c->ack_now = true;
	c->s->cnt.tcp_ooo++;
	/* Slices lie before the queue: they must be on their way first. */
	if (c->slice_bytes && !tcp_rcv_push(c))
		return;
	if (c->rcvq) {
		/* The part that is in a range already. */
		const struct tcp_sack_block *have = ooo_find(c->rcvq, seq);
		if (have && seq_le(end, have->end)) {
			c->s->cnt.tcp_dup++;
			c->dsack_set = true;
			c->dsack = (struct tcp_sack_block){seq, end};
			ooo_touch(c->rcvq, seq);
			return;
		}
		if (have) {
			view_skip(&data, have->end - seq);
			seq = have->end;
		}
	}
	if (!rcv_fill(c, seq, data)) {
		stack_drop(c->s, DROP_TCP_LIMIT);
		return;
	}
	if (!ooo_add(c->rcvq, seq, end)) {
		stack_drop(c->s, DROP_TCP_LIMIT);
		return;
	}
	ooo_touch(c->rcvq, seq);
}

static bool rcv_slice(struct tcp_conn *c, const uint8_t *p, uint32_t len)
{
	struct tcp_table *t = c->s->tcp;

	if (t->slice_n == TCP_SLICES)
		return false;
	int16_t i = (int16_t)t->slice_n++;
	t->slices[i] = (struct tcp_slice){p, len, -1};
	if (c->slice_tail >= 0)
		t->slices[c->slice_tail].next = i;
	else
		c->slice_head = i;
	c->slice_tail = i;
	c->slice_bytes += len;
	return true;
}

bool tcp_rcv_in_place(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	uint32_t len = (uint32_t)seg->payload.len + seg->beyond;

	return c->state >= TCP_ESTABLISHED && c->state != TCP_TIME_WAIT && c->end &&
	       c->end->direct && !c->push_dead && !c->rcvq && !c->fin_seen &&
	       !(seg->flags & (TCP_SYN | TCP_RST)) && seg->seq == c->rcv_nxt &&
	       seq_le(seg->seq + len, c->rcv_adv) &&
	       c->s->tcp->slice_n + seg->tail->n + 1 <= TCP_SLICES;
}

void tcp_rcv_pieces(struct tcp_conn *c, const struct tcp_seg *seg)
{
	uint32_t left = seg->beyond;

	if (seg->payload.len)
		rcv_slice(c, seg->payload.p, (uint32_t)seg->payload.len);
	for (int i = 0; left; i++) {
		uint32_t n = seg->tail->iov[i].iov_len < left ? (uint32_t)seg->tail->iov[i].iov_len
							      : left;

		rcv_slice(c, seg->tail->iov[i].iov_base, n);
		left -= n;
	}
	c->slices_shared = true;
	c->rcv_nxt += (uint32_t)seg->payload.len + seg->beyond;
	tcp_conn_dirty(c);
}

/* data starts at or after RCV.NXT and ends within the window. */
void tcp_rcv_data(struct tcp_conn *c, uint32_t seq, struct view data, bool stable)
{
	if (data.len == 0)
		return;
	if (seq != c->rcv_nxt) {
		rcv_out_of_order(c, seq, data);
		return;
	}
	uint32_t len = (uint32_t)data.len;
	if (c->rcvq) {
		/* A gap is filled, or older bytes still wait: behind them, in order. */
		if (c->rcvq->ooo_n)
			c->ack_now = true;
		if (!rcv_fill(c, seq, data)) {
			stack_drop(c->s, DROP_TCP_LIMIT);
			return;
		}
		c->rcv_nxt += len;
		ooo_absorb(c);
	} else if (stable && rcv_slice(c, data.p, len)) {
		c->rcv_nxt += len;
	} else {
		if (c->slice_bytes && !tcp_rcv_push(c))
			return;
		if (!rcv_queue_at(c, seq, data)) {
			stack_drop(c->s, DROP_TCP_LIMIT);
			return;
		}
		c->rcv_nxt += len;
	}
	tcp_conn_dirty(c);
}

/* ---- to the far end ---- */

#define PUSH_IOV 64

/* What the end did not take of the slices goes into the queue, which then begins with it. */
static bool slices_keep(struct tcp_conn *c, uint32_t taken)
{
	struct tcp_table *t = c->s->tcp;
	uint32_t seq = c->rcv_nxt - c->fin_taken - c->slice_bytes + taken;
	uint32_t left = c->slice_bytes - taken;

	if (left && !c->rcvq && !(c->rcvq = rcvq_new(seq)))
		return false;
	for (int i = c->slice_head; i >= 0; i = t->slices[i].next) {
		const struct tcp_slice *sl = &t->slices[i];
		uint32_t skip = taken < sl->len ? taken : sl->len;
		taken -= skip;
		if (sl->len > skip && !rcvq_write(t, c->rcvq, seq, sl->p + skip, sl->len - skip))
			return false;
		seq += sl->len - skip;
	}
	c->slice_head = c->slice_tail = -1;
	c->slice_bytes = 0;
	c->slices_shared = false;
	return true;
}

/* The end takes nothing more. What it still has for the guest, and why, peek() will say. */
static void rcv_push_dead(struct tcp_conn *c)
{
	c->push_dead = true;
	c->end_readable = true;
}

static bool push_slices(struct tcp_conn *c)
{
	struct tcp_table *t = c->s->tcp;
	struct iovec iov[TCP_SLICES];
	int n = 0;
	ssize_t took = 0;

	for (int i = c->slice_head; i >= 0; i = t->slices[i].next)
		iov[n++] = (struct iovec){(void *)t->slices[i].p, t->slices[i].len};
	/* An end that took the place of another one looks at nothing that may change. */
	if (c->slices_shared && !c->end->direct)
		return slices_keep(c, 0);
	if (!c->push_dead)
		took = c->end->ops->push(c->end, iov, n);
	if (took == -EAGAIN)
		took = 0;
	if (took < 0) {
		rcv_push_dead(c);
		took = 0;
	}
	c->bytes_out += (uint64_t)took;
	c->push_blocked = (uint32_t)took < c->slice_bytes;
	return slices_keep(c, (uint32_t)took);
}

static void push_queue(struct tcp_conn *c)
{
	struct rcvq *q = c->rcvq;
	struct iovec iov[PUSH_IOV];
	uint32_t queued;

	while ((queued = tcp_rcv_queued(c)) && !c->push_blocked && !c->push_dead) {
		int n = rcvq_iov(q, q->head + queued, iov, PUSH_IOV);
		uint32_t offered = 0;
		for (int i = 0; i < n; i++)
			offered += (uint32_t)iov[i].iov_len;
		ssize_t took = c->end->ops->push(c->end, iov, n);
		if (took < 0 && took != -EAGAIN) {
			rcv_push_dead(c);
			return;
		}
		if (took < 0)
			took = 0;
		c->bytes_out += (uint64_t)took;
		c->push_blocked = (uint32_t)took < offered;
		rcvq_advance(c->s->tcp, q, (uint32_t)took);
	}
	if (queued == 0 && q->ooo_n == 0) {
		rcvq_free(c->s->tcp, q);
		c->rcvq = NULL;
	}
}

bool tcp_rcv_push(struct tcp_conn *c)
{
	if (!c->end || c->state == TCP_CLOSED)
		return false;
	if (c->slice_bytes && !push_slices(c)) {
		/* No memory for bytes that were not acknowledged yet: end the connection, lose
		 * nothing silently. */
		stack_drop(c->s, DROP_TCP_LIMIT);
		tcp_conn_kill(c, true);
		return false;
	}
	if (c->end->watches)
		c->push_blocked = false;
	if (c->rcvq && !c->push_blocked)
		push_queue(c);
	/* Growing needs proof: half of the promise used, and the end took all of it. */
	if (c->rcv_nxt - c->rcv_grown >= c->rcv_cap / 2 && !c->push_blocked) {
		c->rcv_grown = c->rcv_nxt;
		rcv_cap_raise(c, c->rcv_cap * 2);
	}
	if (c->fin_taken && !c->shut_done && tcp_rcv_queued(c) == 0) {
		c->shut_done = true;
		c->end->ops->shut(c->end);
	}
	return true;
}

/* ---- the window ---- */

/* The right edge that could be advertised now, never left of the one that was. */
static uint32_t rcv_right_edge(const struct tcp_conn *c)
{
	/* What this burst brought may have to be queued, too. */
	uint32_t queued = tcp_rcv_queued(c) + c->slice_bytes;
	uint32_t cap = c->rcv_cap;

	/* While the end is behind, a quarter of the promise is backlog enough. */
	bool behind = queued >= cap / 4 && queued && !(c->end && c->end->watches);
	uint32_t room = behind || queued >= cap ? 0 : cap - queued;
	uint32_t edge = c->rcv_nxt + room;
	uint32_t gain = edge - c->rcv_adv;

	if (!seq_lt(c->rcv_adv, edge))
		return c->rcv_adv;
	/* Silly windows (RFC 9293 3.8.6.2.2): move by a full segment or half of the room. */
	uint32_t step = c->rcv_mss < cap / 2 ? c->rcv_mss : cap / 2;
	return gain >= step ? edge : c->rcv_adv;
}

uint32_t tcp_rcv_window(struct tcp_conn *c)
{
	if (c->rcv_cap < rcv_cap_first(c) && c->rcv_adv == c->rcv_nxt)
		rcv_cap_raise(c, rcv_cap_first(c));
	uint32_t edge = rcv_right_edge(c);
	uint32_t window = seq_lt(c->rcv_nxt, edge) ? edge - c->rcv_nxt : 0;
	uint32_t max = 65535u << c->rcv_wscale, unit = 1u << c->rcv_wscale;

	if (window > max)
		window = max;
	/* Round up where rounding down would take back what was advertised; the queue has room for
	 * a unit more. */
	window = (window + unit - 1) & ~(unit - 1);
	if (window > max)
		window = max;
	if (seq_lt(c->rcv_adv, c->rcv_nxt + window))
		c->rcv_adv = c->rcv_nxt + window;
	return window;
}

bool tcp_rcv_wants_update(const struct tcp_conn *c)
{
	uint32_t left = seq_lt(c->rcv_nxt, c->rcv_adv) ? c->rcv_adv - c->rcv_nxt : 0;
	uint32_t gain = rcv_right_edge(c) - c->rcv_adv;

	/* Worth an ACK of its own where the guest may be waiting, or two segments' room came at
	 * once. Behind its FIN it waits for nothing. */
	return gain && !c->fin_taken && (left < 2u * c->rcv_mss || gain >= c->rcv_cap / 2);
}
