// SPDX-License-Identifier: Apache-2.0
/*
 * Congestion control toward the guest (CUBIC, RFC 9438, in integers) and round-trip times (RFC
 * 6298).
 *
 * The link is local: its round trip is tens of microseconds and its queues are short. So the first
 * window is large (nobody else shares the link), and CUBIC's Reno-friendly region does most of the
 * work.
 */
#include "stack/tcp_conn.h"

#define CC_WINDOW_FIRST (256u * 1024) /* bytes; a local link needs no slow probing */
#define CC_WINDOW_MAX   (16u * 1024 * 1024)

void cc_init(struct tcp_conn *c)
{
	uint32_t ten = 10u * c->mss; /* RFC 6928, for what is not so local */
	c->cwnd = CC_WINDOW_FIRST > ten ? CC_WINDOW_FIRST : ten;
	c->ssthresh = UINT32_MAX;
	c->cubic_epoch_us = 0;
	c->cubic_wmax = 0;
}

/* Cube root of x by Newton's method; x < 2^63. */
static uint64_t cube_root(uint64_t x)
{
	if (x == 0)
		return 0;
	uint64_t r = 1ull << ((63 - (unsigned)__builtin_clzll(x)) / 3 + 1);
	for (;;) {
		uint64_t next = (2 * r + x / (r * r)) / 3;
		if (next >= r)
			return r;
		r = next;
	}
}

static void cubic_begin(struct tcp_conn *c)
{
	c->cubic_epoch_us = stack_now(c->s);
	if (c->cubic_wmax < c->cwnd)
		c->cubic_wmax = c->cwnd;
	/* K = cbrt((Wmax - cwnd) / C), in segments and seconds, C = 0.4: here in milliseconds. */
	uint64_t segments_x1000 = (uint64_t)(c->cubic_wmax - c->cwnd) * 1000 / c->mss;
	c->cubic_k_ms = (uint32_t)cube_root(segments_x1000 * 2500000u);
}

/* W(t) = C (t - K)^3 + Wmax, in bytes. */
static uint32_t cubic_target(const struct tcp_conn *c)
{
	int64_t t_ms = (int64_t)((stack_now(c->s) - c->cubic_epoch_us + c->srtt_us) / 1000);
	int64_t d = t_ms - (int64_t)c->cubic_k_ms;

	if (d > 100000)
		d = 100000;
	if (d < -100000)
		d = -100000;
	int64_t w = d * d / 1000 * d / 1000 * 4 / 10 * c->mss / 1000 + c->cubic_wmax;
	if (w < (int64_t)c->mss * 2)
		w = c->mss * 2;
	return w > (int64_t)CC_WINDOW_MAX ? CC_WINDOW_MAX : (uint32_t)w;
}

void cc_on_ack(struct tcp_conn *c, uint32_t bytes)
{
	if (c->cwnd >= CC_WINDOW_MAX)
		return;
	/* A window that the guest or the far end does not let us use must not grow (RFC 9438 5.8).
	 */
	if (c->snd_nxt - c->snd_una + bytes < c->cwnd / 2)
		return;
	if (c->cwnd < c->ssthresh) {
		c->cwnd += bytes;
		return;
	}
	if (!c->cubic_epoch_us)
		cubic_begin(c);
	uint32_t target = cubic_target(c);
	uint64_t step;
	if (target > c->cwnd)
		step = (uint64_t)(target - c->cwnd) * bytes / c->cwnd;
	else
		step = 0;
	/* Never slower than Reno would be. */
	uint64_t reno = (uint64_t)c->mss * bytes / c->cwnd;
	c->cwnd += (uint32_t)(step > reno ? step : reno);
}

void cc_on_loss(struct tcp_conn *c)
{
	c->cubic_epoch_us = 0;
	/* Fast convergence: leave room where the last maximum was not reached again. */
	c->cubic_wmax = c->cwnd < c->cubic_wmax ? (uint32_t)((uint64_t)c->cwnd * 17 / 20) : c->cwnd;
	uint32_t less = (uint32_t)((uint64_t)c->cwnd * 7 / 10);
	c->ssthresh = less > 2u * c->mss ? less : 2u * c->mss;
	c->cwnd = c->ssthresh;
}

void cc_on_rto(struct tcp_conn *c)
{
	if (!c->backoff)
		cc_on_loss(c);
	c->cwnd = c->mss;
}

void rtt_sample(struct tcp_conn *c, uint64_t rtt_us)
{
	uint32_t r = rtt_us > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : (uint32_t)rtt_us;

	if (r == 0)
		r = 1;
	if (!c->srtt_us) {
		c->srtt_us = r;
		c->rttvar_us = r / 2;
	} else {
		uint32_t diff = r > c->srtt_us ? r - c->srtt_us : c->srtt_us - r;
		c->rttvar_us = c->rttvar_us - c->rttvar_us / 4 + diff / 4;
		c->srtt_us = c->srtt_us - c->srtt_us / 8 + r / 8;
		if (!c->srtt_us)
			c->srtt_us = 1;
	}
	uint64_t rto = (uint64_t)c->srtt_us + (c->rttvar_us > 250 ? 4ull * c->rttvar_us : 1000u);
	if (rto < TCP_RTO_MIN_US)
		rto = TCP_RTO_MIN_US;
	c->rto_us = rto > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : (uint32_t)rto;
}
