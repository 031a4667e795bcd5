// SPDX-License-Identifier: Apache-2.0
/*
 * A connection's three timers.
 *   rtx_timer:  SYN and SYN-ACK again; retransmission time-out (RFC 6298); tail-loss probe
 *               (RFC 8985 7); zero-window probe (RFC 9293 3.8.6.1). One of them at a time.
 *   ack_timer:  the delayed ACK.
 *   life_timer: keepalive toward the guest; TIME_WAIT.
 */
#include "stack/tcp_conn.h"

void tcp_rtx_mode(struct tcp_conn *c, enum tcp_rtx_mode mode)
{
	struct stack *s = c->s;
	unsigned before = s->tcp->full_n;

	s->tcp->full_n -= c->rtx_mode == RTX_PERSIST;
	s->tcp->full_n += mode == RTX_PERSIST;
	c->rtx_mode = mode;
	if (!before != !s->tcp->full_n && s->ops->guest_full)
		s->ops->guest_full(s->ctx, !before);
}

static uint64_t rto_backed_off(const struct tcp_conn *c)
{
	uint64_t rto = (uint64_t)c->rto_us << (c->backoff > 12 ? 12 : c->backoff);
	return rto > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : rto;
}

void tcp_rtx_arm(struct tcp_conn *c)
{
	struct stack *s = c->s;
	uint32_t out = c->snd_nxt - c->snd_una;

	/* What led here may have found the far end lost. */
	if (c->state == TCP_CLOSED)
		return;
	/* Behind an acknowledged FIN there is nothing to ask for. */
	if (c->rtx_mode == RTX_PERSIST && c->snd_wnd == 0 && !(c->fin_sent && out == 0))
		return;
	if (out == 0) {
		tcp_rtx_mode(c, RTX_NONE);
		timer_cancel(s->wheel, &c->rtx_timer);
		return;
	}
	uint64_t in = rto_backed_off(c);
	tcp_rtx_mode(c, RTX_RTO);
	/* The probe comes at two round trips; a lone segment's ACK may be delayed by the guest. */
	if (c->state >= TCP_ESTABLISHED && c->sack_on && !c->tlp_out && !c->recovering &&
	    !c->backoff && c->srtt_us) {
		uint64_t pto = 2ull * c->srtt_us + TCP_PTO_SLACK_US;
		if (out <= c->mss)
			pto += TCP_DELACK_US;
		if (pto < in) {
			in = pto;
			tcp_rtx_mode(c, RTX_TLP);
		}
	}
	timer_set(s->wheel, &c->rtx_timer, stack_now(s) + in);
}

static void rtx_syn(struct tcp_conn *c)
{
	if (c->backoff >= TCP_SYN_RTX_MAX) {
		tcp_conn_kill(c, c->state == TCP_SYN_RCVD);
		return;
	}
	c->backoff++;
	c->s->cnt.tcp_retransmits++;
	tcp_send_syn(c);
	timer_set(c->s->wheel, &c->rtx_timer, stack_now(c->s) + rto_backed_off(c));
}

static void rtx_rto(struct tcp_conn *c)
{
	struct stack *s = c->s;

	/* A guest that keeps its window shut over what is in flight may do so for as long as it
	 * says so (RFC 9293 3.8.6.1). */
	bool shut = c->snd_wnd == 0 && stack_now(s) - c->last_rx_us < 2ull * TCP_RTO_MAX_US;
	if (c->backoff >= TCP_RTX_MAX && !shut) {
		tcp_conn_kill(c, true);
		return;
	}
	s->cnt.tcp_rto++;
	cc_on_rto(c);
	if (c->backoff < TCP_RTX_MAX)
		c->backoff++;
	c->recovering = c->rto_recovery = true;
	c->recover = c->snd_nxt;
	c->rtt_start_us = 0; /* Karn: what is sent again is not timed */
	c->dupacks = 0;
	/* A SACKed range right at SND.UNA was thrown away again: else the ACK would cover it. So
	 * none of them can be relied on (RFC 2018 8). */
	if (c->sb && c->sb->sacked_n && c->sb->sacked[0].start == c->snd_una)
		sack_clear(c);
	if (c->sb)
		c->sb->rtx_n = 0;
	if (c->snd_wnd == 0) {
		/* The guest closed its window over what is in flight: one byte asks. */
		tcp_send_probe(c, false);
		if (c->state != TCP_CLOSED)
			timer_set(s->wheel, &c->rtx_timer, stack_now(s) + rto_backed_off(c));
		return;
	}
	tcp_output(c);
	if (c->state != TCP_CLOSED)
		timer_set(s->wheel, &c->rtx_timer, stack_now(s) + rto_backed_off(c));
}

static void rtx_tlp(struct tcp_conn *c)
{
	struct stack *s = c->s;
	uint32_t before = c->snd_nxt;

	s->cnt.tcp_tlp++;
	c->tlp_out = true;
	/* New data is the better probe; else the last segment once more. */
	tcp_output(c);
	if (c->state == TCP_CLOSED)
		return;
	if (c->snd_nxt == before && c->snd_nxt != c->snd_una) {
		uint32_t last = c->snd_nxt - c->snd_una;
		if (last > c->mss)
			last = c->mss;
		tcp_retransmit(c, c->snd_nxt - last, last);
		c->rtt_start_us = 0;
	}
	tcp_rtx_arm(c);
}

static void rtx_persist(struct tcp_conn *c)
{
	struct stack *s = c->s;

	if (c->snd_wnd != 0) {
		tcp_rtx_mode(c, RTX_NONE);
		tcp_output(c);
		return;
	}
	/* Answered probes go on for as long as the guest likes; unanswered ones are counted down.
	 */
	if (c->probes++ >= TCP_RTX_MAX) {
		tcp_conn_kill(c, true);
		return;
	}
	tcp_send_probe(c, false);
	if (c->state == TCP_CLOSED)
		return;
	if (c->snd_nxt == c->snd_una && !c->end_readable) {
		/* There is nothing to ask for: the end says when there is. */
		tcp_rtx_mode(c, RTX_NONE);
		c->backoff = 0;
		c->probes = 0;
		return;
	}
	if (c->backoff < 12)
		c->backoff++;
	timer_set(s->wheel, &c->rtx_timer, stack_now(s) + rto_backed_off(c));
}

static void rtx_fire(struct timer *t)
{
	struct tcp_conn *c = container_of(t, struct tcp_conn, rtx_timer);

	if (c->state == TCP_SYN_RCVD || c->state == TCP_SYN_SENT)
		rtx_syn(c);
	else if (c->rtx_mode == RTX_PERSIST)
		rtx_persist(c);
	else if (c->rtx_mode == RTX_TLP)
		rtx_tlp(c);
	else if (c->rtx_mode == RTX_RTO)
		rtx_rto(c);
}

static void ack_fire(struct timer *t)
{
	struct tcp_conn *c = container_of(t, struct tcp_conn, ack_timer);

	if (c->rcv_acked != c->rcv_nxt)
		tcp_send_ack(c);
}

static void life_fire(struct timer *t)
{
	struct tcp_conn *c = container_of(t, struct tcp_conn, life_timer);
	struct stack *s = c->s;
	uint64_t idle = stack_now(s) - c->last_rx_us;

	if (c->state == TCP_TIME_WAIT) {
		tcp_conn_kill(c, false);
		return;
	}
	/* The last probe was answered: it went out behind the whole idle time, and an interval ago.
	 * The interval alone would not tell, as timers fire a little late. */
	if (idle < s->cfg.tcp_keepalive_us + TCP_KEEPALIVE_INTERVAL_US)
		c->probes = 0;
	if (idle < s->cfg.tcp_keepalive_us) {
		c->probes = 0;
		tcp_life_arm(c, s->cfg.tcp_keepalive_us - idle);
		return;
	}
	if (c->probes >= TCP_KEEPALIVE_PROBES) {
		tcp_conn_kill(c, true);
		return;
	}
	c->probes++;
	tcp_send_probe(c, true);
	tcp_life_arm(c, TCP_KEEPALIVE_INTERVAL_US);
}

void tcp_timers_init(struct tcp_conn *c)
{
	timer_init(&c->rtx_timer, rtx_fire);
	timer_init(&c->ack_timer, ack_fire);
	timer_init(&c->life_timer, life_fire);
}

void tcp_timers_cancel(struct tcp_conn *c)
{
	tcp_rtx_mode(c, RTX_NONE);
	timer_cancel(c->s->wheel, &c->rtx_timer);
	timer_cancel(c->s->wheel, &c->ack_timer);
	timer_cancel(c->s->wheel, &c->life_timer);
}

void tcp_life_arm(struct tcp_conn *c, uint64_t in_us)
{
	timer_set(c->s->wheel, &c->life_timer, stack_now(c->s) + in_us);
}

void tcp_ack_delay(struct tcp_conn *c)
{
	if (!timer_armed(&c->ack_timer))
		timer_set(c->s->wheel, &c->ack_timer, stack_now(c->s) + TCP_DELACK_US);
}
