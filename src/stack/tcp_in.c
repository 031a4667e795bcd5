// SPDX-License-Identifier: Apache-2.0
/*
 * Arrival of a segment from the guest, in the order of RFC 9293 3.10.7, with the checks of RFC 5961
 * (blind resets and injections) and RFC 7323 (PAWS).
 */
#include "stack/tcp_conn.h"

#include "stack/checksum.h"

#define PAWS_IDLE_US                                                                 \
	(24ull * 24 * 3600 * 1000000) /* RFC 7323 5.5: then TS.Recent is out of date \
				       */
#define TOS_ECN_MASK 3
#define TOS_CE       3

static uint32_t seg_payload(const struct tcp_seg *seg)
{
	return (uint32_t)seg->payload.len + seg->beyond;
}

/* ---- no connection ---- */

static void in_no_conn(struct stack *s, const struct packet *p, const struct tcp_seg *seg)
{
	stack_drop(s, DROP_TCP_NO_CONN);
	tcp_send_rst_for(s, p, seg);
}

/* A SYN of the guest's: the peer of a held or half-open connection, or the first one. */
static bool in_restart(struct tcp_conn *c, const struct tcp_seg *seg)
{
	if (seg->flags & (TCP_ACK | TCP_RST) || !(seg->flags & TCP_SYN))
		return false;
	if (seg->seq == c->irs) {
		if (c->state == TCP_SYN_RCVD)
			tcp_send_syn(c);
		return true;
	}
	/* Another ISN: the guest began anew with the same ports; nothing was exchanged yet. */
	c->irs = seg->seq;
	c->rcv_nxt = c->rcv_adv = c->rcv_acked = c->rcv_grown = seg->seq + 1;
	tcp_conn_options(c, seg);
	if (c->state == TCP_SYN_RCVD)
		tcp_send_syn(c);
	return true;
}

/* ---- states before ESTABLISHED ---- */

static void in_dialing(struct tcp_conn *c, const struct packet *p, const struct tcp_seg *seg)
{
	if (in_restart(c, seg))
		return;
	if (seg->flags & TCP_RST) {
		/* The guest gave up; only its own number, or the one after it, counts. */
		if (seg->seq == c->irs || seg->seq == c->irs + 1) {
			c->s->cnt.tcp_resets_received++;
			tcp_conn_kill(c, false);
		}
		return;
	}
	in_no_conn(c->s, p, seg);
}

static void in_syn_sent(struct tcp_conn *c, const struct packet *p, const struct tcp_seg *seg)
{
	bool ack_ok = seg->flags & TCP_ACK && seg->ack == c->iss + 1;

	if (seg->flags & TCP_ACK && !ack_ok) {
		in_no_conn(c->s, p, seg);
		return;
	}
	if (seg->flags & TCP_RST) {
		if (ack_ok) {
			c->s->cnt.tcp_resets_received++;
			tcp_conn_kill(c, false);
		}
		return;
	}
	if (!(seg->flags & TCP_SYN))
		return;
	c->irs = seg->seq;
	c->rcv_nxt = c->rcv_adv = c->rcv_acked = c->rcv_grown = seg->seq + 1;
	tcp_conn_options(c, seg);
	if (!ack_ok) {
		/* Simultaneous open (RFC 9293 3.5). */
		c->state = TCP_SYN_RCVD;
		tcp_send_syn(c);
		return;
	}
	c->snd_una = seg->ack;
	c->snd_wnd = c->snd_wnd_max = seg->wnd;
	c->snd_wl1 = seg->seq;
	c->snd_wl2 = seg->ack;
	c->ack_now = true;
	tcp_conn_established(c);
}

/* ---- acceptability ---- */

static bool paws_reject(struct tcp_conn *c, const struct tcp_seg *seg)
{
	if (!c->ts_on || !seg->has_ts || seg->flags & TCP_RST || !seq_lt(seg->tsval, c->ts_recent))
		return false;
	return stack_now(c->s) - c->ts_recent_us < PAWS_IDLE_US;
}

static uint32_t seg_len(const struct tcp_seg *seg)
{
	return seg_payload(seg) + !!(seg->flags & TCP_SYN) + !!(seg->flags & TCP_FIN);
}

/* RFC 9293 3.10.7.4, first check: does any of it lie in the window that was advertised? */
static bool seg_acceptable(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	uint32_t window = seq_lt(c->rcv_nxt, c->rcv_adv) ? c->rcv_adv - c->rcv_nxt : 0;
	uint32_t len = seg_len(seg), first = seg->seq - c->rcv_nxt;

	if (len == 0)
		return window ? first < window || seg->seq == c->rcv_nxt : seg->seq == c->rcv_nxt;
	if (window == 0) /* a bare FIN needs no room */
		return seg->flags & TCP_FIN && len == 1 && seg->seq == c->rcv_nxt;
	return first < window || seg->seq + len - 1 - c->rcv_nxt < window;
}

/*
 * No data is acceptable while the window is shut, but what such a segment says of ours counts (RFC
 * 9293 3.10.7.4): a guest that risks a byte, and goes on behind it, would otherwise be taken for
 * one that takes nothing.
 */
static bool seg_probes_shut_window(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	bool shut = !seq_lt(c->rcv_nxt, c->rcv_adv);
	bool next = seg->seq == c->rcv_nxt + 1 && seg_len(seg) == 0;

	return shut && (seg->seq == c->rcv_nxt || next) && c->state >= TCP_ESTABLISHED &&
	       (seg->flags & (TCP_ACK | TCP_SYN | TCP_RST)) == TCP_ACK;
}

/* A segment outside the window is answered, so that the other side finds the way back. */
static void in_unacceptable(struct tcp_conn *c, const struct tcp_seg *seg)
{
	uint32_t end = seg->seq + seg_payload(seg);

	stack_drop(c->s, DROP_TCP_WINDOW);
	if (seg->flags & TCP_RST)
		return;
	if (seg_payload(seg) && seq_le(end, c->rcv_nxt)) {
		c->s->cnt.tcp_dup++;
		c->dsack_set = c->sack_on;
		c->dsack = (struct tcp_sack_block){seg->seq, end};
	}
	/* A keepalive probe comes to one old byte or none; it is not counted as a challenge. */
	tcp_send_ack(c);
}

/* ---- the ACK field ---- */

static void ack_leave_recovery(struct tcp_conn *c)
{
	/* Without SACK each duplicate ACK has inflated the window. */
	if (!c->rto_recovery)
		c->cwnd = c->ssthresh;
	c->recovering = c->rto_recovery = false;
	c->dupacks = 0;
	if (c->sb && c->sb->sacked_n == 0)
		sack_clear(c);
	else if (c->sb)
		c->sb->rtx_n = 0;
}

static void ack_enter_recovery(struct tcp_conn *c)
{
	c->s->cnt.tcp_fast_recovery++;
	cc_on_loss(c);
	c->recovering = true;
	c->rto_recovery = false;
	c->recover = c->snd_nxt;
	c->rtt_start_us = 0;
}

/* SND.UNA moves to seg->ack. */
static void ack_advance(struct tcp_conn *c, const struct tcp_seg *seg)
{
	uint32_t bytes = seg->ack - c->snd_una;
	bool fin_acked = c->fin_sent && seg->ack == c->snd_nxt;
	uint32_t payload = bytes - fin_acked;

	c->snd_una = seg->ack;
	c->acked += payload;
	c->bytes_in += payload;
	c->backoff = 0;
	c->probes = 0;
	c->tlp_out = false;
	c->dupacks = 0;
	if (c->rtt_start_us && seq_le(c->rtt_seq, seg->ack)) {
		rtt_sample(c, stack_now(c->s) - c->rtt_start_us);
		c->rtt_start_us = 0;
	}
	sack_update(c, seg);
	if (c->recovering && seq_le(c->recover, seg->ack))
		ack_leave_recovery(c);
	if (!c->recovering || c->rto_recovery)
		cc_on_ack(c, bytes);
	tcp_rtx_arm(c);
	tcp_conn_dirty(c);
	/* Whether both directions are over is asked at the end of the burst, when the end has what
	 * is its. */
	if (fin_acked && c->state != TCP_LAST_ACK)
		c->state = TCP_FIN_WAIT_2;
}

static void ack_duplicate(struct tcp_conn *c, const struct tcp_seg *seg, bool wnd_changed)
{
	sack_update(c, seg);
	if (c->snd_nxt == c->snd_una)
		return;
	/* RFC 5681 2: same ACK, same window, no data. With SACK the scoreboard decides as well. */
	if (seg_payload(seg) == 0 && !wnd_changed && !(seg->flags & (TCP_SYN | TCP_FIN)) &&
	    c->dupacks < 255)
		c->dupacks++;
	if (c->recovering) {
		/* A segment has left the network (RFC 6582); behind a time-out that opens nothing.
		 */
		if (!c->sack_on && !c->rto_recovery && seg_payload(seg) == 0)
			c->cwnd += c->mss;
		tcp_conn_dirty(c);
		return;
	}
	bool holes = c->sb && c->sb->sacked_n;
	bool third = c->dupacks >= TCP_DUPTHRESH && (!c->sack_on || holes);
	/* Behind a tail-loss probe every hole is old enough to be a loss. */
	if (c->snd_wnd && (third || sack_is_loss(c) || (holes && c->tlp_out))) {
		ack_enter_recovery(c);
		tcp_conn_dirty(c);
	} else if (holes) {
		/* Limited transmit (RFC 3042): what was SACKed left room in the window. */
		tcp_conn_dirty(c);
	}
}

static void ack_window_update(struct tcp_conn *c, const struct tcp_seg *seg)
{
	/* A new ACK counts also on an older segment, as of a hole that was sent again: its window
	 * goes with its ACK. */
	if (!seq_lt(c->snd_una, seg->ack) && !seq_lt(c->snd_wl1, seg->seq) &&
	    !(c->snd_wl1 == seg->seq && seq_le(c->snd_wl2, seg->ack)))
		return;
	uint32_t before = c->snd_wnd;
	c->snd_wnd = (uint32_t)seg->wnd << c->snd_wscale;
	c->snd_wl1 = seg->seq;
	c->snd_wl2 = seg->ack;
	if (c->snd_wnd > c->snd_wnd_max)
		c->snd_wnd_max = c->snd_wnd;
	if (c->snd_wnd > before)
		tcp_conn_dirty(c);
	if (before < c->mss && c->snd_wnd >= c->mss)
		c->reopened = true;
	if (before == 0 && c->snd_wnd && c->rtx_mode == RTX_RTO && c->backoff) {
		/* The probes of a shut window were no time-outs of an open one. */
		c->backoff = 0;
		tcp_rtx_arm(c);
	}
	if (c->snd_wnd && c->rtx_mode == RTX_PERSIST) {
		tcp_rtx_mode(c, RTX_NONE);
		c->backoff = 0;
		c->probes = 0;
		/* A probe's byte that was not taken is new data again. */
		if (!c->fin_sent && seg->ack == c->snd_una && c->snd_nxt == c->snd_una + 1)
			c->snd_nxt = c->snd_una;
		c->end_readable = true;
		tcp_rtx_arm(c);
	} else if (c->rtx_mode == RTX_PERSIST) {
		c->probes = 0; /* answered: the guest is alive */
	}
}

static void ack_ecn(struct tcp_conn *c, const struct tcp_seg *seg)
{
	if (!c->ecn_on)
		return;
	if (seg->flags & TCP_CWR)
		c->ece = false;
	if ((seg->tos & TOS_ECN_MASK) == TOS_CE) {
		c->ece = true;
		c->ack_now = true;
	}
	if (seg->flags & TCP_ECE && !c->recovering && seq_lt(c->ecn_recover, seg->ack)) {
		cc_on_loss(c);
		c->ecn_recover = c->snd_nxt;
		c->cwr = true;
	}
}

/* Returns false where the segment is to be dropped or the connection is gone. */
static bool in_ack(struct tcp_conn *c, const struct tcp_seg *seg)
{
	if (seq_lt(c->snd_nxt, seg->ack)) {
		/* Of something never sent (RFC 5961 5: answered, dropped). */
		stack_drop(c->s, DROP_TCP_WINDOW);
		tcp_send_challenge_ack(c);
		return false;
	}
	if (seq_lt(seg->ack, c->snd_una)) {
		if (seq_lt(seg->ack, c->snd_una - c->snd_wnd_max - 1)) {
			stack_drop(c->s, DROP_TCP_WINDOW);
			tcp_send_challenge_ack(c);
			return false;
		}
		return true;
	}
	ack_ecn(c, seg);
	uint32_t wnd = c->snd_wnd;
	ack_window_update(c, seg);
	if (seg->ack != c->snd_una)
		ack_advance(c, seg);
	else
		ack_duplicate(c, seg, wnd != c->snd_wnd);
	return true;
}

/* ---- data and FIN ---- */

/* The guest's FIN has its turn: everything before it is there. */
static void in_fin(struct tcp_conn *c)
{
	c->rcv_nxt++;
	c->fin_taken = true;
	c->ack_now = true;
	tcp_conn_dirty(c);
	switch (c->state) {
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1:
		c->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT_2:
		/* The end hears of it, and is closed, when it has taken the last byte
		 * (tcp_burst_end). */
		break;
	default:
		break;
	}
}

static void in_data(struct tcp_conn *c, const struct tcp_seg *seg)
{
	struct view data = seg->payload;
	uint32_t seq = seg->seq;
	bool fin = seg->flags & TCP_FIN;

	if (c->fin_taken)
		return;
	/* Left edge: the part that is here already. */
	if (seq_lt(seq, c->rcv_nxt)) {
		uint32_t old = c->rcv_nxt - seq;
		c->dsack_set = c->sack_on && data.len;
		c->dsack = (struct tcp_sack_block){seq, c->rcv_nxt};
		c->ack_now = true;
		view_skip(&data, old > data.len ? data.len : old);
		seq = c->rcv_nxt;
	}
	/* Right edge: what was never advertised; a FIN behind it is cut off with it. */
	uint32_t room = c->rcv_adv - seq;
	if (data.len > room) {
		data.len = room;
		fin = false;
	}
	if (c->fin_seen && seq_lt(c->fin_seq, seq + (uint32_t)data.len))
		data.len = seq_lt(seq, c->fin_seq) ? c->fin_seq - seq : 0;
	if (fin && !c->fin_seen) {
		c->fin_seen = true;
		c->fin_seq = seq + (uint32_t)data.len + seg->beyond;
	}
	if (seg->beyond)
		tcp_rcv_pieces(c, seg);
	else if (data.len)
		tcp_rcv_data(c, seq, data, seg->stable);
	if (c->state == TCP_CLOSED)
		return;
	if (c->fin_seen && c->rcv_nxt == c->fin_seq)
		in_fin(c);
	else if (fin)
		c->ack_now = true; /* it waits for what is missing before it */
	if (c->rcvq && c->rcvq->ooo_n)
		c->ack_now = true;
}

/* ---- synchronised states ---- */

static void in_rst(struct tcp_conn *c, const struct tcp_seg *seg)
{
	if (seg->seq == c->rcv_nxt) {
		c->s->cnt.tcp_resets_received++;
		/* What came before it in order still belongs to the far end. */
		if (c->end && !tcp_rcv_push(c))
			return;
		tcp_conn_kill(c, false);
		return;
	}
	if (c->state == TCP_SYN_RCVD)
		return;
	tcp_send_challenge_ack(c);
}

/* SYN-RECEIVED and the ACK that ends it. Returns false where nothing more is to be done. */
static bool in_syn_rcvd(struct tcp_conn *c, const struct packet *p, const struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_ACK))
		return false;
	if (seg->ack != c->iss + 1) {
		in_no_conn(c->s, p, seg);
		return false;
	}
	c->snd_una = seg->ack;
	c->snd_wnd = c->snd_wnd_max = (uint32_t)seg->wnd << c->snd_wscale;
	c->snd_wl1 = seg->seq;
	c->snd_wl2 = seg->ack;
	if (c->rtt_start_us && !c->backoff)
		rtt_sample(c, stack_now(c->s) - c->rtt_start_us);
	c->rtt_start_us = 0;
	tcp_conn_established(c);
	return true;
}

static void in_time_wait(struct tcp_conn *c, const struct packet *p, const struct tcp_seg *seg)
{
	struct stack *s = c->s;

	if (seg->flags & TCP_RST) {
		if (seg->seq == c->rcv_nxt)
			tcp_conn_kill(c, false);
		return;
	}
	if ((seg->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		/* A new incarnation that cannot be mistaken for the old one (RFC 9293 3.6.1, RFC
		 * 6191). */
		bool newer = seq_lt(c->rcv_nxt, seg->seq) ||
			     (c->ts_on && seg->has_ts && seq_lt(c->ts_recent, seg->tsval));
		if (newer) {
			tcp_conn_kill(c, false);
			tcp_input(s, p);
			return;
		}
	}
	/* Anything but a bare ACK in its place is answered. */
	if (seg_len(seg) || seg->seq != c->rcv_nxt)
		tcp_send_ack(c);
	if (seg->flags & TCP_FIN)
		tcp_life_arm(c, TCP_TIME_WAIT_US);
}

static void in_conn(struct tcp_conn *c, const struct packet *p, const struct tcp_seg *seg)
{
	c->last_rx_us = stack_now(c->s);
	if (c->state == TCP_TIME_WAIT) {
		in_time_wait(c, p, seg);
		return;
	}
	if (c->state == TCP_SYN_RCVD && in_restart(c, seg))
		return;
	bool old = paws_reject(c, seg);
	if (old || !seg_acceptable(c, seg)) {
		if (!old && seg_probes_shut_window(c, seg) && !in_ack(c, seg))
			return;
		in_unacceptable(c, seg);
		return;
	}
	if (seg->flags & TCP_RST) {
		in_rst(c, seg);
		return;
	}
	if (seg->flags & TCP_SYN) {
		/* Also one with the old numbers: the answer says where we are (RFC 5961 4). */
		tcp_send_challenge_ack(c);
		return;
	}
	if (!(seg->flags & TCP_ACK)) {
		stack_drop(c->s, DROP_TCP_WINDOW);
		return;
	}
	/* RFC 7323 4.3: the timestamp of the segment that the last ACK waits for. */
	if (c->ts_on && seg->has_ts && seq_le(seg->seq, c->rcv_acked)) {
		c->ts_recent = seg->tsval;
		c->ts_recent_us = stack_now(c->s);
	}
	if (c->state == TCP_SYN_RCVD && !in_syn_rcvd(c, p, seg))
		return;
	if (c->state == TCP_CLOSED || !in_ack(c, seg))
		return;
	if (c->state == TCP_TIME_WAIT)
		return;
	if (seg_payload(seg) || seg->flags & TCP_FIN) {
		in_data(c, seg);
		if (c->state != TCP_CLOSED)
			tcp_conn_dirty(c);
	}
}

static void in_new(struct stack *s, const struct packet *p, const struct tcp_key *key,
		   uint64_t hash, const struct tcp_seg *seg);

/* A segment in two pieces is left so only in the plainest case. */
static void in_two_pieces(const struct tcp_conn *c, const struct packet *p, struct tcp_seg *seg)
{
	seg->beyond = p->beyond;
	seg->tail = p->tail;
	if (c && tcp_rcv_in_place(c, seg))
		return;
	frame_tail_copy(p->tail, p->beyond);
	seg->payload.len += p->beyond;
	seg->beyond = 0;
}

void tcp_input(struct stack *s, const struct packet *p)
{
	struct tcp_key key = {.guest = p->src, .remote = p->dst};
	struct view v = p->l4;
	struct tcp_seg seg;
	uint64_t hash;

	if (!view_get_be16(&v, &key.guest_port) || !view_get_be16(&v, &key.remote_port) ||
	    !tcp_seg_parse(p->l4, &seg) || key.guest_port == 0 || key.remote_port == 0) {
		stack_drop(s, DROP_BAD_HEADER);
		return;
	}
	if (!p->csum_ok && !csum_l4_ok(&p->src, &p->dst, 6, p->l4.p, p->l4.len)) {
		stack_drop(s, DROP_BAD_CHECKSUM);
		return;
	}
	seg.tos = p->tos;
	seg.stable = !p->reassembled;
	struct tcp_conn *c = tcp_conn_find(s, &key, &hash);
	if (p->beyond)
		in_two_pieces(c, p, &seg);
	if (!c)
		in_new(s, p, &key, hash, &seg);
	else if (c->state == TCP_DIALING)
		in_dialing(c, p, &seg);
	else if (c->state == TCP_SYN_SENT)
		in_syn_sent(c, p, &seg);
	else
		in_conn(c, p, &seg);
}

static void in_new(struct stack *s, const struct packet *p, const struct tcp_key *key,
		   uint64_t hash, const struct tcp_seg *seg)
{
	if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN) {
		in_no_conn(s, p, seg);
		return;
	}
	tcp_conn_syn(s, p, key, hash, seg);
}
