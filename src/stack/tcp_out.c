// SPDX-License-Identifier: Apache-2.0
/*
 * Segments to the guest.
 *
 * New data is peeked from the far end straight into the frames that will carry it: one peek fills
 * several super-segments (or, on a link without segmentation offload, several ordinary ones), and
 * the headers are written in front of what came. Nothing is kept: a retransmission peeks again.
 * Where much is expected and the link shares memory with the guest, the peek fills the guest's own
 * buffers, and only headers are sent behind it.
 */
#include "stack/tcp_conn.h"

#include <errno.h>

#include "stack/checksum.h"

#define OUT_FRAMES_TSO \
	4 /* super-segments a peek: more would leave the cache before the link has them */
#define OUT_FRAMES_PLAIN 32    /* ordinary segments a peek */
#define OUT_BULK         32768 /* what a peek brought where the next one is worth a lending */
#define OUT_REOPENED     4     /* segments that go ahead into a window that was shut */
#define OUT_TTL          64
#define TOS_ECT0         2

static bool conn_tso(const struct tcp_conn *c)
{
	uint32_t cap = c->key.guest.family == 4 ? LINK_TSO4 : LINK_TSO6;
	return c->s->cfg.link_caps & cap;
}

static unsigned conn_ip_header(const struct tcp_conn *c)
{
	return c->key.guest.family == 4 ? 20 : 40;
}

/* Header bytes of a data segment: Ethernet, IP, TCP with its timestamps. */
static unsigned conn_headers(const struct tcp_conn *c)
{
	return ETH_HLEN + conn_ip_header(c) + TCP_HDR_MIN + (c->ts_on ? 12 : 0);
}

/* Most payload bytes of one frame. */
static uint32_t conn_frame_payload(const struct tcp_conn *c)
{
	if (!conn_tso(c))
		return c->mss;
	uint32_t room = 65535 - 40 - TCP_HDR_MAX;
	return c->mss > room ? c->mss : room / c->mss * c->mss;
}

/* Waits for the link; tcp_tx_unblocked() comes back to it. */
static void conn_wait_tx(struct tcp_conn *c)
{
	if (!list_linked(&c->tx_wait))
		list_add_tail(&c->s->tcp->tx_wait, &c->tx_wait);
}

static uint32_t ts_now(const struct tcp_conn *c)
{
	/* Milliseconds, moved by the ISN so that connections do not show one common clock. */
	return (uint32_t)(stack_now(c->s) / 1000) + c->iss;
}

static uint16_t window_field(struct tcp_conn *c, uint8_t flags)
{
	uint32_t window = tcp_rcv_window(c);

	if (flags & TCP_SYN) {
		/* Not scaled on a SYN (RFC 7323 2.2); what is said here must not promise less
		 * later. */
		return window > 65535 ? 65535 : (uint16_t)window;
	}
	return (uint16_t)(window >> c->rcv_wscale);
}

static void put_syn_options(struct tcp_conn *c, struct wbuf *w)
{
	bool offer = c->state == TCP_SYN_SENT;

	wbuf_put_be16(w, 0x0204);
	wbuf_put_be16(w, c->rcv_mss);
	if (c->ws_on || offer) {
		wbuf_put_be32(w, 0x01030300u | c->rcv_wscale);
	}
	if (c->ts_on || offer) {
		wbuf_put_be32(w, c->sack_on || offer ? 0x0402080au : 0x0101080au);
		wbuf_put_be32(w, ts_now(c));
		wbuf_put_be32(w, c->ts_recent);
	} else if (c->sack_on) {
		wbuf_put_be32(w, 0x01010402u);
	}
}

static void put_options(struct tcp_conn *c, struct wbuf *w, bool sack)
{
	struct tcp_sack_block b[4];
	unsigned n;

	if (c->ts_on) {
		wbuf_put_be32(w, 0x0101080au);
		wbuf_put_be32(w, ts_now(c));
		wbuf_put_be32(w, c->ts_recent);
	}
	if (sack && (n = tcp_rcv_sack_blocks(c, b))) {
		wbuf_put_be16(w, 0x0101);
		wbuf_put_u8(w, 5);
		wbuf_put_u8(w, (uint8_t)(2 + 8 * n));
		for (unsigned i = 0; i < n; i++) {
			wbuf_put_be32(w, b[i].start);
			wbuf_put_be32(w, b[i].end);
		}
	}
}

/* Fills in the checksum: a partial one where the link (or the guest's kernel behind it) finishes
 * it. */
static void put_checksum(struct stack *s, uint8_t *frame, unsigned l4_at, size_t l4_len,
			 const struct ipaddr *src, const struct ipaddr *dst,
			 struct frame_meta *meta)
{
	uint8_t *tcp = frame + l4_at;

	if (s->cfg.link_caps & LINK_CSUM) {
		put_be16(tcp + 16, csum_fold(csum_pseudo(src, dst, 6, (uint32_t)l4_len)));
		meta->needs_csum = true;
		meta->csum_start = (uint16_t)l4_at;
		meta->csum_offset = 16;
	} else {
		put_be16(tcp + 16, csum_l4(src, dst, 6, tcp, l4_len));
	}
}

/*
 * Writes the headers of a segment whose payload (len bytes) lies behind conn_headers() already, or
 * in the tail, and queues the frame. The ACK in it covers all that was received.
 */
static void conn_frame_tail(struct tcp_conn *c, uint8_t *frame, uint32_t seq, uint8_t flags,
			    uint32_t len, const struct frame_tail *tail)
{
	struct stack *s = c->s;
	unsigned l4_at = ETH_HLEN + conn_ip_header(c);
	struct wbuf w = wbuf_make(frame + l4_at, TCP_HDR_MAX);
	struct frame_meta meta = {0};
	bool syn = flags & TCP_SYN;

	if (c->ecn_on && !syn && c->ece)
		flags |= TCP_ECE;
	/* What is sent again, or into a shut window, says nothing of congestion (RFC 3168 6.1.5,
	 * 6.1.6). */
	bool fresh = c->ecn_on && len && seq == c->snd_nxt && c->snd_wnd;
	if (fresh && c->cwr) {
		flags |= TCP_CWR;
		c->cwr = false;
	}
	wbuf_put_be16(&w, c->key.remote_port);
	wbuf_put_be16(&w, c->key.guest_port);
	wbuf_put_be32(&w, seq);
	wbuf_put_be32(&w, flags & TCP_ACK ? c->rcv_nxt : 0);
	wbuf_put_be16(&w, flags);
	wbuf_put_be16(&w, window_field(c, flags));
	wbuf_put_be32(&w, 0);
	if (syn)
		put_syn_options(c, &w);
	else if (!(flags & TCP_RST))
		put_options(c, &w, len == 0);
	size_t header = w.len;
	frame[l4_at + 12] = (uint8_t)(header / 4 << 4);

	uint8_t tos = fresh ? TOS_ECT0 : 0;
	ip_put_headers(s, frame, &c->key.remote, &c->key.guest, 6, header + len, OUT_TTL, tos);
	put_checksum(s, frame, l4_at, header + len, &c->key.remote, &c->key.guest, &meta);
	if (len > c->mss) {
		meta.gso = c->key.guest.family == 4 ? FRAME_GSO_TCPV4 : FRAME_GSO_TCPV6;
		meta.gso_size = c->mss;
		meta.hdr_len = (uint16_t)(l4_at + header);
		meta.ecn = flags & TCP_CWR;
	}
	struct frame f = {
		.data = frame, .len = (uint32_t)(l4_at + header + len), .meta = meta, .tail = tail};
	stack_tx_push_frame(s, &f);

	if (flags & TCP_ACK) {
		c->rcv_acked = c->rcv_nxt;
		c->ack_now = false;
		if (len == 0)
			c->dsack_set = false;
		if (timer_armed(&c->ack_timer))
			timer_cancel(s->wheel, &c->ack_timer);
	}
}

static void conn_frame(struct tcp_conn *c, uint8_t *frame, uint32_t seq, uint8_t flags,
		       uint32_t len)
{
	conn_frame_tail(c, frame, seq, flags, len, NULL);
}

/* A segment without payload. */
static bool conn_bare(struct tcp_conn *c, uint32_t seq, uint8_t flags)
{
	uint8_t *frame = stack_tx_alloc(c->s, IP_HEADERS_MAX + TCP_HDR_MAX);

	if (!frame) {
		stack_drop(c->s, DROP_TX_FULL);
		return false;
	}
	conn_frame(c, frame, seq, flags, 0);
	return true;
}

void tcp_send_ack(struct tcp_conn *c)
{
	if (!conn_bare(c, c->snd_nxt, TCP_ACK)) {
		c->ack_now = true;
		conn_wait_tx(c);
	}
}

void tcp_send_challenge_ack(struct tcp_conn *c)
{
	struct tcp_table *t = c->s->tcp;

	/* RFC 5961 7: a bounded number a second, so that a guest cannot turn them into a flood. */
	if (stack_now(c->s) - t->challenge_window_us >= 1000000u) {
		t->challenge_window_us = stack_now(c->s);
		t->challenge_n = 0;
	}
	if (t->challenge_n >= 100) {
		stack_drop(c->s, DROP_RATE);
		return;
	}
	t->challenge_n++;
	tcp_send_ack(c);
}

void tcp_send_syn(struct tcp_conn *c)
{
	uint8_t flags = TCP_SYN;

	if (c->state == TCP_SYN_RCVD)
		flags |= TCP_ACK | (c->ecn_on ? TCP_ECE : 0);
	conn_bare(c, c->iss, flags);
}

void tcp_send_rst(struct tcp_conn *c)
{
	c->s->cnt.tcp_resets_sent++;
	if (c->state == TCP_DIALING) {
		/* Nothing was sent yet: the number of the RST is free, its ACK is what the guest
		 * checks. */
		conn_bare(c, 0, TCP_RST | TCP_ACK);
		return;
	}
	conn_bare(c, c->snd_nxt, TCP_RST | TCP_ACK);
}

void tcp_send_probe(struct tcp_conn *c, bool keepalive)
{
	if (keepalive) {
		conn_bare(c, c->snd_una - 1, TCP_ACK);
		return;
	}
	uint8_t *frame = stack_tx_alloc(c->s, conn_headers(c) + 1);
	if (!frame) {
		conn_wait_tx(c);
		return;
	}
	/* What is in flight already is asked for by its first byte; else a new byte is risked. */
	uint32_t data_end = c->snd_nxt - c->fin_sent;
	if (c->fin_sent && c->snd_una == data_end) {
		conn_frame(c, frame, c->snd_una, TCP_ACK | TCP_FIN, 0);
		return;
	}
	struct iovec iov = {frame + conn_headers(c), 1};
	ssize_t n = c->end->ops->peek(c->end, 0, &iov, 1);
	if (n == 1) {
		conn_frame(c, frame, c->snd_una, TCP_ACK | TCP_PSH, 1);
		if (c->snd_nxt == c->snd_una)
			c->snd_nxt++;
	} else if (n == -EAGAIN) {
		c->end_readable = false;
	} else if (n == 0 && !c->push_dead) {
		/* The FIN needs no window. */
		c->end_eof = true;
		tcp_conn_dirty(c);
	} else {
		tcp_conn_kill(c, true);
	}
}

bool tcp_retransmit(struct tcp_conn *c, uint32_t seq, uint32_t max)
{
	uint32_t data_end = c->snd_nxt - c->fin_sent;
	uint32_t len = seq_lt(seq, data_end) ? data_end - seq : 0;
	uint8_t flags = TCP_ACK;

	if (len > max)
		len = max;
	if (len > conn_frame_payload(c))
		len = conn_frame_payload(c);
	uint8_t *frame = stack_tx_alloc(c->s, conn_headers(c) + len);
	if (!frame) {
		conn_wait_tx(c);
		return false;
	}
	if (len) {
		struct iovec iov = {frame + conn_headers(c), len};
		ssize_t n = c->end->ops->peek(c->end, seq - c->snd_una, &iov, 1);
		if (n < 0 && n != -EAGAIN) {
			tcp_conn_kill(c, true);
			return false;
		}
		if (n <= 0)
			return false;
		len = (uint32_t)n;
		flags |= TCP_PSH;
	}
	if (c->fin_sent && seq + len == data_end)
		flags |= TCP_FIN;
	c->s->cnt.tcp_retransmits++;
	conn_frame(c, frame, seq, flags, len);
	sack_note_rtx(c, seq, len + (flags & TCP_FIN ? 1 : 0));
	return true;
}

/* Sends again what is lost, as far as the congestion window allows (RFC 6675 5). */
static void output_lost(struct tcp_conn *c)
{
	uint32_t pipe = sack_pipe(c), seq, len;

	while (sack_next_lost(c, &seq, &len)) {
		/* The first retransmission of a recovery goes out whatever the window says. */
		bool first = seq == c->snd_una && !(c->sb && c->sb->rtx_n);
		uint32_t room = c->cwnd > pipe ? c->cwnd - pipe : 0;
		if (room < c->mss && !first)
			return;
		if (len > (room > c->mss ? room / c->mss * c->mss : c->mss))
			len = room > c->mss ? room / c->mss * c->mss : c->mss;
		uint32_t rtx_before = c->sb ? c->sb->rtx_n : 0;
		if (!tcp_retransmit(c, seq, len))
			return;
		/* Where the scoreboard could not remember it, going on would send the same again.
		 */
		if (!c->sb || (c->sb->rtx_n == rtx_before && rtx_before == TCP_SACK_MAX))
			return;
		pipe += len;
	}
}

static void note_sent(struct tcp_conn *c, uint32_t len)
{
	c->snd_nxt += len;
	if (!c->rtt_start_us) {
		c->rtt_start_us = stack_now(c->s) ? stack_now(c->s) : 1;
		c->rtt_seq = c->snd_nxt;
	}
}

static void note_fin_sent(struct tcp_conn *c)
{
	c->fin_sent = true;
	note_sent(c, 1);
	c->state = c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1;
}

static void output_fin(struct tcp_conn *c)
{
	if (conn_bare(c, c->snd_nxt, TCP_FIN | TCP_ACK))
		note_fin_sent(c);
	else
		conn_wait_tx(c);
}

/* How many frames a peek fills: where segments are as long as super-segments, no more than of
 * those. */
static unsigned output_frames(const struct tcp_conn *c, uint32_t stride)
{
	unsigned fit = OUT_FRAMES_TSO * STACK_TX_STRIDE(FRAME_MAX) / stride;

	if (conn_tso(c))
		return OUT_FRAMES_TSO;
	return fit < OUT_FRAMES_PLAIN ? fit : OUT_FRAMES_PLAIN;
}

/* What a peek said that brought nothing: as output_burst(). */
static int32_t output_none(struct tcp_conn *c, ssize_t got)
{
	if (got == -EAGAIN) {
		c->end_readable = false;
		return 0;
	}
	if (got == 0 && !c->push_dead) {
		c->end_eof = true;
		return 0;
	}
	tcp_conn_kill(c, true);
	return -1;
}

/* Frames of `stride` bytes at base, each with as much as it can have of what a peek brought.
 * `last`: the flags of the last one. */
static void output_frames_made(struct tcp_conn *c, uint8_t *base, uint32_t stride, uint32_t max,
			       uint32_t got, uint8_t last, const struct frame_tail *tails)
{
	for (unsigned i = 0; got; i++) {
		uint32_t len = got < max ? got : max;

		got -= len;
		conn_frame_tail(c, base + i * stride, c->snd_nxt, got ? TCP_ACK : last, len,
				tails ? &tails[i] : NULL);
		note_sent(c, len);
	}
}

/* Nothing comes behind the next `got` bytes but the end. Asked only where that is likely. */
static bool output_ends(const struct tcp_conn *c, size_t got)
{
	uint8_t byte;
	struct iovec iov = {&byte, 1};

	return c->end->eof_near && !c->push_dead &&
	       c->end->ops->peek(c->end, c->snd_nxt - c->snd_una + got, &iov, 1) == 0;
}

#define OUTPUT_ELSEWHERE (-2) /* nothing was done */

/* output_burst() into the guest's own memory. What waits for the link has to go before. */
static int32_t output_lent(struct tcp_conn *c, uint32_t room)
{
	struct stack *s = c->s;
	uint32_t max = conn_frame_payload(c), headers = conn_headers(c);
	uint32_t stride = STACK_TX_STRIDE(headers);
	const struct frame_tail *tails;

	stack_tx_drain(s);
	uint8_t *base = s->tx_n ? NULL : stack_tx_alloc(s, OUT_FRAMES_TSO * stride);
	if (!base)
		return OUTPUT_ELSEWHERE;
	/* Enough to tell the flow; all of it is written when the length is known. */
	unsigned l4_at = ip_put_headers(s, base, &c->key.remote, &c->key.guest, 6, 0, OUT_TTL, 0);
	put_be16(base + l4_at, c->key.remote_port);
	put_be16(base + l4_at + 2, c->key.guest_port);
	struct frame head = {.data = base, .len = headers};
	if (room > OUT_FRAMES_TSO * max)
		room = OUT_FRAMES_TSO * max;
	int n = s->ops->lend(s->ctx, &head, max, room, &tails), ranges = 0;
	if (n <= 0)
		return OUTPUT_ELSEWHERE;
	for (int i = 0; i < n; i++)
		ranges += tails[i].n;
	ssize_t got = c->end->ops->peek(c->end, c->snd_nxt - c->snd_una, tails[0].iov, ranges);
	if (got <= 0)
		return output_none(c, got);
	c->bulk = got >= OUT_BULK;
	output_frames_made(c, base, stride, max, (uint32_t)got, TCP_ACK | TCP_PSH, tails);
	stack_tx_drain(s);
	return (int32_t)got;
}

/* Much is likely to come, and may go to where the guest will read it. */
static bool may_lend(const struct tcp_conn *c)
{
	return c->bulk && c->end->direct && c->s->ops->lend && conn_tso(c) &&
	       c->s->cfg.link_caps & LINK_CSUM;
}

/* One peek's worth of new data. Returns bytes sent; 0: nothing there now; < 0: stop (blocked,
 * ended, gone). */
static int32_t output_burst(struct tcp_conn *c, uint32_t room)
{
	struct iovec iov[OUT_FRAMES_PLAIN];
	uint32_t max = conn_frame_payload(c), headers = conn_headers(c);
	uint32_t stride = STACK_TX_STRIDE(headers + max);
	unsigned n = 0, frames = output_frames(c, stride);
	uint32_t ask = 0;

	if (may_lend(c) && room >= OUT_BULK) {
		int32_t sent = output_lent(c, room);
		if (sent != OUTPUT_ELSEWHERE)
			return sent;
	}
	uint8_t *base = stack_tx_alloc(c->s, frames * stride);
	if (!base) {
		conn_wait_tx(c);
		return -1;
	}
	for (; n < frames && ask < room; n++) {
		uint32_t len = room - ask < max ? room - ask : max;
		iov[n] = (struct iovec){base + n * stride + headers, len};
		ask += len;
	}
	ssize_t got = c->end->ops->peek(c->end, c->snd_nxt - c->snd_una, iov, (int)n);
	if (got <= 0)
		return output_none(c, got);
	c->bulk = got >= OUT_BULK;
	/* The end goes with the last bytes: a frame less, and the guest need not wake for it. */
	bool ends = (uint32_t)got < ask && output_ends(c, (size_t)got);
	output_frames_made(c, base, stride, max, (uint32_t)got,
			   TCP_ACK | TCP_PSH | (ends ? TCP_FIN : 0), NULL);
	if (ends) {
		c->end_eof = true;
		note_fin_sent(c);
	}
	return (int32_t)got;
}

/* Room for new data in both windows; 0 where it is too little to be worth a segment. */
static uint32_t output_room(const struct tcp_conn *c)
{
	uint32_t out = c->snd_nxt - c->snd_una;
	uint32_t wnd = c->snd_wnd > out ? c->snd_wnd - out : 0;
	uint32_t pipe = sack_pipe(c);
	uint32_t cwnd = c->cwnd > pipe ? c->cwnd - pipe : 0;
	uint32_t room = wnd < cwnd ? wnd : cwnd;

	/* Sender's silly-window avoidance (RFC 9293 3.8.6.2.1): a full segment, half of the largest
	 * window, or all alone. */
	if (room < c->mss && room < c->snd_wnd_max / 2 && out)
		return 0;
	/* Whole segments, or each burst that the congestion window bounds would end with a short
	 * one in the middle of the stream. The guest may offer what window it likes. */
	return cwnd < wnd && room > c->mss ? room - room % c->mss : room;
}

static void output_new(struct tcp_conn *c)
{
	while (!c->fin_sent) {
		uint32_t room = output_room(c);
		if (c->end_eof) {
			output_fin(c);
			return;
		}
		if (!c->end_readable)
			return;
		if (room == 0) {
			/* Nothing in flight and no window: is there something to ask for? */
			if (c->snd_wnd == 0 && c->snd_nxt == c->snd_una &&
			    c->rtx_mode != RTX_PERSIST) {
				tcp_rtx_mode(c, RTX_PERSIST);
				timer_set(c->s->wheel, &c->rtx_timer, stack_now(c->s) + c->rto_us);
			}
			return;
		}
		/* A guest that was full and has read everything waits: it gets something at once,
		 * and more while it is at work on that. */
		bool ahead = c->reopened && c->snd_nxt == c->snd_una;
		c->reopened = false;
		if (ahead && room > OUT_REOPENED * c->mss)
			room = OUT_REOPENED * c->mss;
		int32_t sent = output_burst(c, room);
		if (sent < 0)
			return;
		if (ahead)
			stack_tx_drain(c->s);
		if (c->end_eof)
			continue;
		/* A short answer means that there is no more, unless the stream ends there. */
		if (sent > 0 && (uint32_t)sent < room && !c->end->eof_near &&
		    (uint32_t)sent % conn_frame_payload(c))
			c->end_readable = false;
		if (sent == 0)
			return;
	}
}

static bool may_send_data(const struct tcp_conn *c)
{
	return c->state >= TCP_ESTABLISHED && c->state < TCP_TIME_WAIT && c->end;
}

void tcp_output(struct tcp_conn *c)
{
	struct stack *s = c->s;

	if (may_send_data(c)) {
		if (s->tx_blocked) {
			conn_wait_tx(c);
			return;
		}
		uint32_t before = c->snd_nxt;
		if (c->recovering)
			output_lost(c);
		if (c->state == TCP_CLOSED)
			return;
		output_new(c);
		if (c->state == TCP_CLOSED)
			return;
		if (c->snd_nxt != before && (c->rtx_mode == RTX_NONE || c->rtx_mode == RTX_TLP))
			tcp_rtx_arm(c);
	}
	if (c->state < TCP_ESTABLISHED)
		return;
	uint32_t pending = c->rcv_nxt - c->rcv_acked;
	/* The guest's full segments are as long as ours: both know the smaller MSS, and the
	 * options.
	 */
	if (c->ack_now || pending >= 2u * c->mss || tcp_rcv_wants_update(c))
		tcp_send_ack(c);
	else if (pending)
		tcp_ack_delay(c);
}

void tcp_send_rst_for(struct stack *s, const struct packet *p, const struct tcp_seg *seg)
{
	struct view v = p->l4;
	uint16_t sport, dport;

	if (seg->flags & TCP_RST || !view_get_be16(&v, &sport) || !view_get_be16(&v, &dport))
		return;
	uint8_t *frame = stack_tx_alloc(s, IP_HEADERS_MAX + TCP_HDR_MIN);
	if (!frame) {
		stack_drop(s, DROP_TX_FULL);
		return;
	}
	unsigned l4_at = ETH_HLEN + (p->src.family == 4 ? 20 : 40);
	struct wbuf w = wbuf_make(frame + l4_at, TCP_HDR_MIN);
	bool ack = seg->flags & TCP_ACK;
	uint32_t len =
		(uint32_t)seg->payload.len + !!(seg->flags & TCP_SYN) + !!(seg->flags & TCP_FIN);
	struct frame_meta meta = {0};

	wbuf_put_be16(&w, dport);
	wbuf_put_be16(&w, sport);
	wbuf_put_be32(&w, ack ? seg->ack : 0);
	wbuf_put_be32(&w, ack ? 0 : seg->seq + len);
	wbuf_put_be16(&w, (uint16_t)(5 << 12 | TCP_RST | (ack ? 0 : TCP_ACK)));
	wbuf_put_zero(&w, 6);
	ip_put_headers(s, frame, &p->dst, &p->src, 6, TCP_HDR_MIN, OUT_TTL, 0);
	put_checksum(s, frame, l4_at, TCP_HDR_MIN, &p->dst, &p->src, &meta);
	stack_tx_push(s, frame, l4_at + TCP_HDR_MIN, &meta);
	s->cnt.tcp_resets_sent++;
}
