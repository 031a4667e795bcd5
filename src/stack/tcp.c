// SPDX-License-Identifier: Apache-2.0
/* The connection table, the life of a connection, and the calls from the owner and from far ends.
 */
#include "stack/tcp_conn.h"

#include <stdlib.h>

bool tcp_init(struct stack *s)
{
	struct tcp_table *t = calloc(1, sizeof(*t));

	if (!t)
		return false;
	table_init(&t->conns, s->cfg.max_tcp);
	list_init(&t->all);
	list_init(&t->half);
	list_init(&t->timewait);
	list_init(&t->dirty);
	list_init(&t->dead);
	list_init(&t->tx_wait);
	t->rcv_floor = (uint32_t)(s->cfg.tcp_queue_total / 2 / s->cfg.max_tcp);
	if (t->rcv_floor > s->cfg.tcp_queue_max)
		t->rcv_floor = s->cfg.tcp_queue_max;
	s->tcp = t;
	return true;
}

void tcp_done(struct stack *s)
{
	if (!s->tcp)
		return;
	list_for_each (n, &s->tcp->all) {
		struct tcp_conn *c = container_of(n, struct tcp_conn, all);
		/* What the guest sent whole may still be on its way from the end's socket, which a
		 * reset would throw away. */
		if (c->shut_done)
			tcp_conn_close_done(c);
		else
			tcp_conn_kill(c, false);
	}
	tcp_conn_free_dead(s);
	table_done(&s->tcp->conns);
	tcp_rcv_trim(s->tcp);
	free(s->tcp);
	s->tcp = NULL;
}

void tcp_trim(struct stack *s)
{
	tcp_rcv_trim(s->tcp);
}

/* ---- table ---- */

static bool conn_match(const void *item, const void *key)
{
	return memcmp(&((const struct tcp_conn *)item)->key, key, sizeof(struct tcp_key)) == 0;
}

struct tcp_conn *tcp_conn_find(struct stack *s, const struct tcp_key *key, uint64_t *ret_hash)
{
	*ret_hash = siphash(&s->key, key, sizeof(*key));
	return table_find(&s->tcp->conns, *ret_hash, conn_match, key);
}

uint32_t tcp_isn(struct stack *s, const struct tcp_key *key)
{
	/* RFC 6528: a clock of 4 us steps plus a keyed hash of the four addresses. */
	struct sipkey k = {s->key.k1 ^ 0x49534e, s->key.k0};
	return (uint32_t)(stack_now(s) / 4) + (uint32_t)siphash(&k, key, sizeof(*key));
}

static void half_leave(struct tcp_conn *c)
{
	if (list_linked(&c->half) && c->state != TCP_TIME_WAIT) {
		list_del(&c->half);
		c->s->tcp->half_n--;
	}
}

/* Makes room in a full table: TIME_WAIT goes first, oldest first. */
static bool table_make_room(struct stack *s)
{
	struct tcp_table *t = s->tcp;

	if (t->conns.count < t->conns.cap)
		return true;
	if (list_empty(&t->timewait))
		return false;
	tcp_conn_kill(container_of(t->timewait.next, struct tcp_conn, half), false);
	return true;
}

/* The oldest connection that is being opened leaves, told by a reset. */
static void half_evict(struct tcp_conn *c)
{
	struct tcp_facts f;

	tcp_conn_facts(c, &f);
	if (c->s->tcp->limit)
		c->s->tcp->limit(c->s->ctx, &f, true);
	tcp_conn_kill(c, true);
}

/* A SYN of the guest's that found no room. */
static void table_refuse(struct stack *s, const struct tcp_key *key)
{
	struct tcp_facts f = {
		.guest = key->guest,
		.remote = key->remote,
		.guest_port = key->guest_port,
		.remote_port = key->remote_port,
		.from_guest = true,
	};

	stack_drop(s, DROP_TCP_LIMIT);
	if (s->tcp->limit)
		s->tcp->limit(s->ctx, &f, false);
}

static struct tcp_conn *conn_new(struct stack *s, const struct tcp_key *key, uint64_t hash)
{
	struct tcp_table *t = s->tcp;

	if (!table_make_room(s))
		return NULL;
	struct tcp_conn *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	if (!table_insert(&t->conns, hash, c)) {
		free(c);
		return NULL;
	}
	c->s = s;
	c->key = *key;
	c->hash = hash;
	c->iss = tcp_isn(s, key);
	c->snd_una = c->snd_nxt = c->iss;
	c->ecn_recover = c->iss;
	c->rto_us = TCP_RTO_INIT_US;
	c->ssthresh = UINT32_MAX;
	c->mss = key->guest.family == 4 ? 536 : 1220;
	c->rcv_mss = (uint16_t)(s->cfg.mtu - (key->guest.family == 4 ? 40 : 60));
	c->last_rx_us = stack_now(s);
	list_init(&c->dirty);
	list_init(&c->tx_wait);
	list_add_tail(&t->all, &c->all);
	list_add_tail(&t->half, &c->half);
	t->half_n++;
	tcp_timers_init(c);
	tcp_rcv_init(c);
	s->cnt.tcp_opened++;
	/* Too many half-open: the oldest makes room (it may be this very one where the limit is 0).
	 */
	if (t->half_n > s->cfg.max_half_open)
		half_evict(container_of(t->half.next, struct tcp_conn, half));
	return c;
}

/* Out of the table; the memory is freed at the end of the burst, so that nobody's pointer dangles.
 */
static void conn_unlink(struct tcp_conn *c)
{
	struct tcp_table *t = c->s->tcp;

	half_leave(c);
	if (c->state == TCP_TIME_WAIT) {
		list_del(&c->half);
		t->timewait_n--;
	}
	tcp_timers_cancel(c);
	tcp_rcv_done(c);
	sack_clear(c);
	list_del(&c->dirty);
	list_del(&c->tx_wait);
	table_remove(&t->conns, c->hash, c);
	list_del(&c->all);
	if (list_empty(&t->dead))
		stack_pending(c->s);
	list_add_tail(&t->dead, &c->all);
	c->state = TCP_CLOSED;
	c->s->cnt.tcp_closed++;
}

void tcp_conn_free_dead(struct stack *s)
{
	struct list *n;

	while ((n = list_pop(&s->tcp->dead)))
		free(container_of(n, struct tcp_conn, all));
}

void tcp_conn_dirty(struct tcp_conn *c)
{
	if (list_linked(&c->dirty))
		return;
	if (list_empty(&c->s->tcp->dirty))
		stack_pending(c->s);
	list_add_tail(&c->s->tcp->dirty, &c->dirty);
}

/* ---- opening ---- */

void tcp_conn_options(struct tcp_conn *c, const struct tcp_seg *syn)
{
	uint16_t fit = c->rcv_mss;
	uint16_t mss = syn->has_mss ? syn->mss : c->key.guest.family == 4 ? 536 : 1220;

	if (mss < TCP_MSS_MIN)
		mss = TCP_MSS_MIN;
	if (mss > fit)
		mss = fit;
	c->ws_on = syn->has_ws;
	c->snd_wscale = syn->has_ws ? syn->ws : 0;
	c->rcv_wscale = syn->has_ws ? TCP_RCV_WSCALE : 0;
	c->sack_on = syn->has_sack_ok;
	c->ts_on = syn->has_ts;
	c->ts_recent = syn->has_ts ? syn->tsval : 0;
	c->ts_recent_us = stack_now(c->s);
	/* RFC 3168 6.1.1: asked by ECE and CWR on the SYN, granted by ECE alone on the SYN-ACK. */
	uint8_t ecn = syn->flags & (TCP_ECE | TCP_CWR);
	c->ecn_on = c->from_guest && ecn == (TCP_ECE | TCP_CWR);
	c->mss = (uint16_t)(mss - (c->ts_on ? 12 : 0));
}

void tcp_conn_syn(struct stack *s, const struct packet *p, const struct tcp_key *key, uint64_t hash,
		  const struct tcp_seg *seg)
{
	struct tcp_conn *c = conn_new(s, key, hash);

	if (!c) {
		table_refuse(s, key);
		tcp_send_rst_for(s, p, seg);
		return;
	}
	if (c->state == TCP_CLOSED && !list_linked(&c->half))
		return; /* it was the oldest itself */
	c->state = TCP_DIALING;
	c->from_guest = true;
	c->ttl = p->ttl;
	c->irs = seg->seq;
	c->rcv_nxt = c->rcv_adv = c->rcv_acked = c->rcv_grown = seg->seq + 1;
	tcp_conn_options(c, seg);
	if (s->ops->tcp_open)
		s->ops->tcp_open(s->ctx, c);
	else
		tcp_conn_refuse(s, c, TCP_REFUSE_RST);
}

void tcp_conn_accept(struct stack *s, struct tcp_conn *c, struct flow_end *end)
{
	end->conn = c;
	c->end = end;
	c->state = TCP_SYN_RCVD;
	c->rtt_start_us = stack_now(s) ? stack_now(s) : 1;
	tcp_send_syn(c);
	c->snd_nxt = c->iss + 1;
	timer_set(s->wheel, &c->rtx_timer, stack_now(s) + c->rto_us);
}

/* The first bytes of the guest's SYN, as an ICMP error quotes them. */
static void refuse_icmp(struct stack *s, struct tcp_conn *c, enum icmp_error e)
{
	uint8_t tcp[TCP_HDR_MIN] = {0};

	put_be16(tcp, c->key.guest_port);
	put_be16(tcp + 2, c->key.remote_port);
	put_be32(tcp + 4, c->irs);
	put_be16(tcp + 12, 5 << 12 | TCP_SYN);
	stack_icmp_error_rebuilt(s, e, NULL, &c->key.guest, &c->key.remote, 6, tcp, sizeof(tcp), 0);
}

void tcp_conn_refuse(struct stack *s, struct tcp_conn *c, enum tcp_refusal how)
{
	if (c->state != TCP_DIALING)
		return;
	if (how == TCP_REFUSE_ADMIN)
		refuse_icmp(s, c, ICMP_ERR_ADMIN);
	else if (how == TCP_REFUSE_HOST_UNREACH)
		refuse_icmp(s, c, ICMP_ERR_HOST_UNREACH);
	else if (how == TCP_REFUSE_NET_UNREACH)
		refuse_icmp(s, c, ICMP_ERR_NET_UNREACH);
	/* The owner knows already: it must not be told that the connection went. */
	c->owner = NULL;
	if (how != TCP_REFUSE_SILENT)
		tcp_send_rst(c);
	conn_unlink(c);
}

struct tcp_conn *tcp_conn_open(struct stack *s, const struct ipaddr *src, uint16_t sport,
			       const struct ipaddr *dst, uint16_t dport, struct flow_end *end)
{
	struct tcp_key key = {
		.guest = *dst, .remote = *src, .guest_port = dport, .remote_port = sport};
	uint64_t hash;
	struct tcp_conn *c = tcp_conn_find(s, &key, &hash);

	if (c && c->state == TCP_TIME_WAIT) {
		tcp_conn_kill(c, false);
		c = NULL;
	}
	if (c || !(c = conn_new(s, &key, hash)))
		return NULL;
	c->end = end;
	end->conn = c;
	c->state = TCP_SYN_SENT;
	c->rcv_wscale = TCP_RCV_WSCALE;
	tcp_send_syn(c);
	c->snd_nxt = c->iss + 1;
	timer_set(s->wheel, &c->rtx_timer, stack_now(s) + c->rto_us);
	return c;
}

/* The handshake is over. */
void tcp_conn_established(struct tcp_conn *c)
{
	half_leave(c);
	c->state = TCP_ESTABLISHED;
	c->backoff = 0;
	timer_cancel(c->s->wheel, &c->rtx_timer);
	tcp_rtx_mode(c, RTX_NONE);
	cc_init(c);
	tcp_life_arm(c, c->s->cfg.tcp_keepalive_us);
	/* A server that speaks first may have its bytes waiting already. */
	if (!c->end || !c->end->empty)
		c->end_readable = true;
	tcp_conn_dirty(c);
}

void tcp_conn_set_end(struct stack *s, struct tcp_conn *c, struct flow_end *end)
{
	c->end = end;
	end->conn = c;
	c->push_blocked = false;
	tcp_end_readable(s, c);
}

/* ---- ending ---- */

/* The owner hears of it while facts and end are still there. */
static void conn_disown(struct tcp_conn *c, enum tcp_ending how)
{
	if (!c->owner)
		return;
	if (c->s->tcp->gone)
		c->s->tcp->gone(c->s->ctx, c, how);
	c->owner = NULL;
}

void tcp_conn_kill(struct tcp_conn *c, bool rst)
{
	struct flow_end *end = c->end;

	if (c->state == TCP_CLOSED && !list_linked(&c->half))
		return;
	conn_disown(c, c->state == TCP_DIALING ? TCP_END_DIALING : TCP_END_RESET);
	if (rst)
		tcp_send_rst(c);
	c->end = NULL;
	conn_unlink(c);
	if (end)
		end->ops->reset(end);
}

void tcp_conn_close_done(struct tcp_conn *c)
{
	struct flow_end *end = c->end;

	conn_disown(c, TCP_END_FIN);
	c->end = NULL;
	conn_unlink(c);
	if (end)
		end->ops->close(end);
}

void tcp_conn_time_wait(struct tcp_conn *c)
{
	struct tcp_table *t = c->s->tcp;
	struct flow_end *end = c->end;

	conn_disown(c, TCP_END_FIN);
	c->end = NULL;
	c->state = TCP_TIME_WAIT;
	list_add_tail(&t->timewait, &c->half);
	t->timewait_n++;
	tcp_timers_cancel(c);
	sack_clear(c);
	tcp_rcv_done(c);
	tcp_life_arm(c, TCP_TIME_WAIT_US);
	if (end)
		end->ops->close(end);
}

/*
 * Both directions may be over now: our FIN acknowledged, the guest's taken and passed on.
 * Returns false where the connection is gone.
 */
static bool conn_finish(struct tcp_conn *c)
{
	bool drained = c->fin_taken && tcp_rcv_queued(c) == 0 && !c->slice_bytes;
	bool fin_acked = c->fin_sent && c->snd_una == c->snd_nxt;

	if (!drained || !fin_acked)
		return true;
	if (c->ack_now || c->rcv_acked != c->rcv_nxt)
		tcp_send_ack(c);
	if (c->state == TCP_LAST_ACK)
		tcp_conn_close_done(c);
	else
		tcp_conn_time_wait(c);
	return false;
}

/* ---- bursts ---- */

static void conn_burst_end(struct tcp_conn *c)
{
	if (c->state < TCP_ESTABLISHED || c->state == TCP_TIME_WAIT)
		return;
	if (!tcp_rcv_push(c))
		return;
	if (c->acked) {
		uint32_t n = c->acked;
		c->acked = 0;
		c->end->ops->consume(c->end, n);
	}
	if (c->push_dead && c->fin_sent && c->snd_una == c->snd_nxt) {
		/* The guest has all there was; what it still sends reaches nobody. */
		tcp_conn_kill(c, true);
		return;
	}
	if (conn_finish(c))
		tcp_output(c);
}

void tcp_burst_end(struct stack *s)
{
	struct tcp_table *t = s->tcp;
	struct list *n;

	while ((n = list_pop(&t->dirty)))
		conn_burst_end(container_of(n, struct tcp_conn, dirty));
	t->slice_n = 0;
	tcp_conn_free_dead(s);
}

void tcp_tx_unblocked(struct stack *s)
{
	struct list waiting, *n;

	list_init(&waiting);
	while ((n = list_pop(&s->tcp->tx_wait)))
		list_add_tail(&waiting, n);
	while ((n = list_pop(&waiting))) {
		struct tcp_conn *c = container_of(n, struct tcp_conn, tx_wait);

		/* In the middle of a burst an ACK's bytes are still the end's: they go first. */
		if (c->acked)
			tcp_conn_dirty(c);
		else
			tcp_output(c);
	}
}

/* ---- calls from the ends and the owner ---- */

void tcp_end_readable(struct stack *s, struct tcp_conn *c)
{
	c->end_readable = true;
	if (c->state >= TCP_ESTABLISHED && c->state != TCP_TIME_WAIT)
		tcp_conn_dirty(c);
}

void tcp_end_writable(struct stack *s, struct tcp_conn *c)
{
	if (c->state < TCP_ESTABLISHED || c->state == TCP_TIME_WAIT || !c->push_blocked)
		return;
	c->push_blocked = false;
	tcp_conn_dirty(c);
}

void tcp_end_failed(struct stack *s, struct tcp_conn *c)
{
	if (c->state != TCP_CLOSED)
		tcp_conn_kill(c, true);
}

void tcp_conn_abort(struct stack *s, struct tcp_conn *c)
{
	if (c->state != TCP_CLOSED)
		tcp_conn_kill(c, c->state != TCP_TIME_WAIT);
}

void tcp_hang_up(struct stack *s)
{
	list_for_each (n, &s->tcp->all) {
		struct tcp_conn *c = container_of(n, struct tcp_conn, all);
		if (c->shut_done) {
			if (c->state != TCP_TIME_WAIT)
				tcp_send_rst(c);
			tcp_conn_close_done(c);
		} else {
			tcp_conn_abort(s, c);
		}
	}
}

void tcp_conn_facts(const struct tcp_conn *c, struct tcp_facts *ret)
{
	*ret = (struct tcp_facts){
		.guest = c->key.guest,
		.remote = c->key.remote,
		.guest_port = c->key.guest_port,
		.remote_port = c->key.remote_port,
		.ttl = c->ttl,
		.from_guest = c->from_guest,
		.bytes_in = c->bytes_in,
		.bytes_out = c->bytes_out,
		.srtt_us = c->srtt_us,
		.delivered = c->state <= TCP_SYN_RCVD || c->state == TCP_TIME_WAIT ||
			     c->shut_done || c->push_dead,
		.guest_done = c->fin_taken,
		.waiting = tcp_rcv_queued(c) + c->slice_bytes,
	};
}

void tcp_conn_set_owner(struct tcp_conn *c, void *owner)
{
	c->owner = owner;
}

void *tcp_conn_owner(const struct tcp_conn *c)
{
	return c->owner;
}

unsigned tcp_conn_count(const struct stack *s, unsigned *ret_half_open)
{
	if (ret_half_open)
		*ret_half_open = s->tcp->half_n;
	return (unsigned)s->tcp->conns.count;
}

void tcp_set_gone_hook(struct stack *s, tcp_gone_fn *fn)
{
	s->tcp->gone = fn;
}

void tcp_set_limit_hook(struct stack *s, tcp_limit_fn *fn)
{
	s->tcp->limit = fn;
}

void tcp_conn_each(struct stack *s, void (*fn)(struct stack *, struct tcp_conn *, void *),
		   void *arg)
{
	list_for_each (n, &s->tcp->all)
		fn(s, container_of(n, struct tcp_conn, all), arg);
}
