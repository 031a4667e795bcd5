// SPDX-License-Identifier: Apache-2.0
/*
 * A guest that is a router itself, for containers or a tunnel of its own, may find our segments too
 * big for where they go on (RFC 1191, RFC 8201). The ICMP error is believed where it quotes what is
 * in flight (RFC 5927 4.1): the connection's segments become shorter, and what is in flight goes
 * out again. No congestion caused that, so the congestion window stays.
 */
#include "stack/tcp_conn.h"

#define MTU4_UNSAID 576 /* of a router that does not say: what every IPv4 host takes (RFC 791) */
#define MTU6_MIN    1280

/* The payload of a full segment in a packet of `mtu` bytes. */
static uint16_t mss_of(const struct tcp_conn *c, uint32_t mtu)
{
	bool v4 = c->key.guest.family == 4;
	uint32_t headers = (v4 ? 20 : 40) + TCP_HDR_MIN + (c->ts_on ? 12 : 0);

	if (v4 && !mtu)
		mtu = MTU4_UNSAID;
	if (!v4 && mtu < MTU6_MIN)
		mtu = MTU6_MIN;
	if (mtu < headers + TCP_MSS_MIN)
		return TCP_MSS_MIN;
	return mtu - headers < c->mss ? (uint16_t)(mtu - headers) : c->mss;
}

void tcp_too_big(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst,
		 struct view l4, uint32_t mtu)
{
	struct tcp_key key = {.guest = *dst, .remote = *src};
	uint32_t seq;
	uint64_t hash;

	if (!view_get_be16(&l4, &key.remote_port) || !view_get_be16(&l4, &key.guest_port) ||
	    !view_get_be32(&l4, &seq))
		return;
	struct tcp_conn *c = tcp_conn_find(s, &key, &hash);
	if (!c || c->state < TCP_ESTABLISHED || c->state == TCP_TIME_WAIT ||
	    seq_lt(seq, c->snd_una) || !seq_lt(seq, c->snd_nxt))
		return;
	uint16_t mss = mss_of(c, mtu);
	if (mss >= c->mss)
		return;
	c->mss = mss;
	/* A fast recovery ends here; what duplicate ACKs have lent it ends with it. */
	if (c->recovering && !c->rto_recovery)
		c->cwnd = c->ssthresh;
	c->recovering = c->rto_recovery = true;
	c->recover = c->snd_nxt;
	c->rtt_start_us = 0;
	c->dupacks = 0;
	if (c->sb)
		c->sb->rtx_n = 0;
	tcp_rtx_arm(c);
	tcp_conn_dirty(c);
}
