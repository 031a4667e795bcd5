// SPDX-License-Identifier: Apache-2.0
/*
 * One TCP connection of the guest, as the files of this engine share it. Names are those of
 * RFC 9293: SND is what weir sends to the guest, RCV what the guest sends.
 */
#ifndef WEIR_STACK_TCP_CONN_H
#define WEIR_STACK_TCP_CONN_H

#include "stack/tcp.h"

/* Sequence numbers compare modulo 2^32 (RFC 9293 3.4). */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

enum tcp_state {
	TCP_CLOSED,   /* left the table; memory goes at the end of the burst; nothing may happen */
	TCP_DIALING,  /* the guest's SYN is held until the owner answers; nothing was sent */
	TCP_SYN_SENT, /* our SYN went to the guest (published port) */
	TCP_SYN_RCVD, /* SYN-ACK sent; the guest's data waits for its ACK */
	TCP_ESTABLISHED, /* data both ways */
	TCP_FIN_WAIT_1,  /* our FIN sent, not acknowledged; the guest may still send */
	TCP_FIN_WAIT_2,  /* our FIN acknowledged; the guest may still send */
	TCP_CLOSE_WAIT,  /* the guest's FIN taken; we may still send */
	TCP_CLOSING,     /* both sent FIN, ours not acknowledged */
	TCP_LAST_ACK,    /* the guest's FIN taken, ours sent, not acknowledged */
	TCP_TIME_WAIT,   /* over; a late FIN is acknowledged again; the end is closed already */
};

/* Header flags (RFC 9293 3.1). */
enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

#define TCP_HDR_MIN 20
#define TCP_HDR_MAX 60
#define TCP_MSS_MIN \
	88 /* smaller offers are clamped to this: a header for every byte is an attack */
#define TCP_RCV_WSCALE 8 /* 65535 << 8 covers the largest queue */
#define TCP_OOO_MAX                                                                         \
	1024 /* out-of-order ranges a connection; a segment that needs one more is dropped, \
		unacknowledged */
#define TCP_SACK_MAX    256 /* ranges a scoreboard remembers; further SACK blocks are ignored */
#define TCP_RTO_INIT_US 1000000u /* RFC 6298 2.1 */
#define TCP_RTO_MIN_US  200000u  /* above a guest's delayed ACK */
#define TCP_RTO_MAX_US  60000000u
#define TCP_RTX_MAX     12 /* time-outs in a row until a connection is given up */
#define TCP_SYN_RTX_MAX 5
#define TCP_DELACK_US   40000u
#define TCP_PTO_SLACK_US                                                                           \
	10000u /* a busy guest answers late: a probe before that is one for nothing (RFC 8985 7.2) \
		*/
#define TCP_TIME_WAIT_US          20000000u /* on a link without routers no segment lives longer */
#define TCP_DUPTHRESH             3
#define TCP_KEEPALIVE_PROBES      9
#define TCP_KEEPALIVE_INTERVAL_US 75000000u

struct tcp_sack_block {
	uint32_t start, end; /* [start, end) */
};

/* A parsed segment. */
struct tcp_seg {
	uint32_t seq, ack;
	uint16_t wnd; /* as in the header, not scaled */
	uint8_t flags;
	uint8_t tos;
	struct view payload;
	bool has_mss, has_ws, has_sack_ok, has_ts;
	uint16_t mss;
	uint8_t ws;
	uint32_t tsval, tsecr;
	struct tcp_sack_block sack[4];
	unsigned sack_n;
	bool stable; /* payload stays valid until the end of the burst */
	/* Payload behind `payload`, in the guest's own memory; then all of it is new and in order
	 * (tcp_rcv_in_place). */
	uint32_t beyond;
	const struct frame_tail *tail;
};

/* tcp_opt.c. False where the header itself is malformed (options never make it so). */
bool tcp_seg_parse(struct view l4, struct tcp_seg *ret);

/*
 * Receive queue: guest bytes that wait for the far end, in order or not, in chunks that are
 * allocated as they are touched. Owner: the connection. Made on first use, freed when it runs
 * empty.
 */
#define RCVQ_CHUNK       16384u
#define TCP_SPARE_CHUNKS 64 /* kept for the next queue; stack_trim() frees them */
struct rcvq {
	uint32_t base;  /* sequence number of byte 0 of chunk `first` */
	uint32_t head;  /* sequence number of the first byte not yet pushed */
	unsigned first; /* ring index of the first chunk */
	unsigned ring;  /* slots in `chunk`: a power of two */
	uint8_t **chunk;
	uint64_t bytes;             /* memory in chunks, for the sandbox's total */
	struct tcp_sack_block *ooo; /* sorted, disjoint, all above RCV.NXT */
	unsigned ooo_n, ooo_cap;
	uint32_t recent[4]; /* a sequence number in each of the ranges touched last, newest first
			       (RFC 2018 4) */
	unsigned recent_n;
};

/* What the guest has reported by SACK, and what was sent again. Made at the first loss. */
struct tcp_rtx_range {
	uint32_t start, end;
	uint32_t nxt; /* SND.NXT when it was sent again: a SACK above it means that it was lost
			 again */
};
struct scoreboard {
	struct tcp_sack_block sacked[TCP_SACK_MAX]; /* sorted, disjoint, above SND.UNA */
	unsigned sacked_n;
	struct tcp_rtx_range rtx[TCP_SACK_MAX]; /* sorted, disjoint */
	unsigned rtx_n;
};

enum tcp_rtx_mode {
	RTX_NONE,
	RTX_RTO,     /* retransmission time-out */
	RTX_TLP,     /* tail-loss probe, before the time-out (RFC 8985 7) */
	RTX_PERSIST, /* zero window probe */
};

struct tcp_key { /* compared and hashed as bytes */
	struct ipaddr guest, remote;
	uint16_t guest_port, remote_port;
};
_Static_assert(sizeof(struct tcp_key) == 2 * sizeof(struct ipaddr) + 4, "no padding");

struct tcp_conn {
	struct stack *s;
	struct flow_end *end; /* NULL while dialling and in TIME_WAIT */
	void *owner;
	uint64_t hash;
	struct tcp_key key;
	uint8_t state; /* enum tcp_state */
	uint8_t ttl;   /* of the guest's SYN */
	bool from_guest;

	/* negotiated */
	bool ws_on, sack_on, ts_on, ecn_on;
	uint8_t snd_wscale, rcv_wscale;
	uint16_t mss;     /* payload of a full segment, options taken off */
	uint16_t rcv_mss; /* what we advertised: the guest's full segment */

	/* SND */
	uint32_t iss, snd_una, snd_nxt, snd_wnd, snd_wl1, snd_wl2;
	uint32_t snd_wnd_max;
	bool fin_sent;     /* FIN is at snd_nxt - 1 */
	bool end_eof;      /* the end said that its stream is over (FIN follows the last byte) */
	bool end_readable; /* peek() may have something: nothing is asked before the end says so */
	bool push_dead;    /* the end takes nothing more; bytes for the guest may be left in it */
	uint32_t acked;    /* acknowledged in this burst, not yet consumed from the end */

	/* RCV */
	uint32_t irs, rcv_nxt,
		rcv_adv;    /* rcv_adv: the right edge that was advertised; never moves left */
	uint32_t rcv_acked; /* the last ACK number sent */
	uint32_t ts_recent;
	uint64_t ts_recent_us; /* when it was taken */
	uint32_t rcv_cap;      /* bytes of queue this connection may promise now */
	uint32_t rcv_grown;    /* RCV.NXT at which the cap was last raised */
	uint32_t fin_seq;      /* of the guest's FIN, where fin_seen */
	bool fin_seen;         /* maybe ahead of missing data */
	bool fin_taken;        /* RCV.NXT has passed it */
	bool shut_done;        /* the end was told */
	bool push_blocked;     /* the end took less than it was offered: wait for writable */
	bool ack_now;          /* an ACK is due at the end of the burst */
	bool ece;              /* CE was seen: echo until CWR (RFC 3168 6.1.3) */
	bool cwr;              /* say CWR on the next new data */
	bool dsack_set;
	struct tcp_sack_block dsack; /* reported first in the next ACK (RFC 2883) */
	struct rcvq *rcvq;
	/* slices of this burst's frames, in order, not yet pushed: a list of indices into the
	 * table's pool */
	int16_t slice_head, slice_tail;
	uint32_t slice_bytes;
	bool slices_shared; /* some lie in the guest's own memory */

	/* round-trip time and congestion control: microseconds and bytes */
	uint32_t srtt_us, rttvar_us, rto_us;
	uint32_t rtt_seq;      /* the segment being timed ends here */
	uint64_t rtt_start_us; /* 0: none */
	uint32_t cwnd, ssthresh;
	uint32_t cubic_wmax;
	uint64_t cubic_epoch_us; /* 0: not begun */
	uint32_t cubic_k_ms;
	uint8_t dupacks;
	uint8_t backoff;   /* time-outs in a row */
	uint8_t probes;    /* keepalive probes in a row */
	bool recovering;   /* until SND.UNA reaches `recover` */
	bool rto_recovery; /* everything below `recover` that is not SACKed counts as lost */
	uint32_t recover;
	uint32_t ecn_recover; /* one reduction a window */
	struct scoreboard *sb;
	uint8_t rtx_mode; /* enum tcp_rtx_mode */
	bool bulk;        /* the last peek brought much: the next one may do so, too */
	bool tlp_out;     /* a probe is out since the last new ACK */
	bool reopened; /* the window was shut for a segment, and no longer is: nothing sent yet */

	struct timer rtx_timer;  /* by rtx_mode; also SYN and SYN-ACK */
	struct timer ack_timer;  /* delayed ACK */
	struct timer life_timer; /* keepalive, TIME_WAIT */
	uint64_t last_rx_us;
	uint64_t bytes_in, bytes_out;

	struct list dirty;   /* in table.dirty while the burst has work for it */
	struct list all;     /* in table.all, or table.dead */
	struct list half;    /* in table.half while half-open, or table.timewait; oldest first */
	struct list tx_wait; /* waits for the link */
};

#define TCP_SLICES 256 /* slices of one burst; beyond it payload is copied into queues */

struct tcp_slice {
	const uint8_t *p;
	uint32_t len;
	int16_t next; /* -1: last */
};

struct tcp_table {
	struct table conns;
	struct list all, half, timewait, dirty, dead, tx_wait;
	unsigned half_n, timewait_n;
	unsigned full_n; /* connections in RTX_PERSIST */
	tcp_gone_fn *gone;
	tcp_limit_fn *limit;
	/* Promised receive memory: half of cfg.tcp_queue_total is each connection's floor, the
	 * other half is lent on demand. */
	uint64_t pool_lent;
	unsigned borrowers; /* connections that it is lent to */
	uint32_t rcv_floor;
	uint8_t *spare[TCP_SPARE_CHUNKS]; /* chunks of receive queues that are gone */
	unsigned spare_n;
	struct tcp_slice slices[TCP_SLICES];
	int slice_n;
	uint64_t challenge_window_us; /* RFC 5961 10: challenge ACKs in the current second */
	unsigned challenge_n;
};

/* ---- tcp.c ---- */
void tcp_conn_dirty(struct tcp_conn *c);      /* work at the end of the burst */
void tcp_conn_close_done(struct tcp_conn *c); /* both ways ended in order: closes the end, frees */
void tcp_conn_time_wait(struct tcp_conn *c);
/* Frees c, resetting the end; tells the guest (RST) where `rst`. */
void tcp_conn_kill(struct tcp_conn *c, bool rst);
void tcp_conn_established(struct tcp_conn *c);
void tcp_conn_options(struct tcp_conn *c, const struct tcp_seg *syn);
void tcp_conn_syn(struct stack *s, const struct packet *p, const struct tcp_key *key, uint64_t hash,
		  const struct tcp_seg *seg); /* the first SYN of a connection */
struct tcp_conn *tcp_conn_find(struct stack *s, const struct tcp_key *key, uint64_t *ret_hash);
void tcp_conn_free_dead(struct stack *s);
uint32_t tcp_isn(struct stack *s, const struct tcp_key *key);

/* ---- tcp_rcv.c ---- */
void tcp_rcv_data(struct tcp_conn *c, uint32_t seq, struct view data,
		  bool stable); /* trimmed to the window */
/* A segment whose payload may stay in the guest's memory until the end has it, or the queue. */
bool tcp_rcv_in_place(const struct tcp_conn *c, const struct tcp_seg *seg);
/* Its payload: that of seg and what is beyond it. */
void tcp_rcv_pieces(struct tcp_conn *c, const struct tcp_seg *seg);
bool tcp_rcv_push(
	struct tcp_conn *c); /* offers what is in order to the end; false where c is gone */
uint32_t tcp_rcv_window(struct tcp_conn *c); /* bytes to advertise now; moves rcv_adv */
bool tcp_rcv_wants_update(const struct tcp_conn *c);
unsigned tcp_rcv_sack_blocks(const struct tcp_conn *c, struct tcp_sack_block ret[4]);
uint32_t tcp_rcv_queued(const struct tcp_conn *c); /* in-order bytes that wait for the end */
void tcp_rcv_init(struct tcp_conn *c);
void tcp_rcv_done(struct tcp_conn *c);
void tcp_rcv_trim(struct tcp_table *t); /* gives spare memory back */

/* ---- tcp_out.c ---- */
void tcp_output(
	struct tcp_conn *c); /* what window and loss recovery allow, else an ACK if one is due */
void tcp_send_ack(struct tcp_conn *c);
void tcp_send_challenge_ack(struct tcp_conn *c);
void tcp_send_syn(struct tcp_conn *c); /* SYN or SYN-ACK, by state */
void tcp_send_rst(struct tcp_conn *c);
void tcp_send_probe(struct tcp_conn *c,
		    bool keepalive); /* no new data: a byte at SND.NXT, or SEQ-1 */
bool tcp_retransmit(struct tcp_conn *c, uint32_t seq, uint32_t max); /* one frame from seq on */
/* The answer to a segment that belongs to no connection (RFC 9293 3.10.7.1). */
void tcp_send_rst_for(struct stack *s, const struct packet *p, const struct tcp_seg *seg);

/* ---- tcp_sack.c ---- */
void sack_update(struct tcp_conn *c, const struct tcp_seg *seg); /* new blocks, and SND.UNA moved */
void sack_clear(struct tcp_conn *c);
/* The next lost range not sent again since: false where there is none. */
bool sack_next_lost(const struct tcp_conn *c, uint32_t *ret_seq, uint32_t *ret_len);
void sack_note_rtx(struct tcp_conn *c, uint32_t seq, uint32_t len);
uint32_t sack_pipe(const struct tcp_conn *c); /* bytes that are in the network now (RFC 6675 4) */
bool sack_is_loss(
	const struct tcp_conn *c); /* enough is SACKed above SND.UNA to say that it was lost */
uint32_t sack_bytes(const struct tcp_conn *c);

/* ---- tcp_cc.c ---- */
void cc_init(struct tcp_conn *c);
void cc_on_ack(struct tcp_conn *c, uint32_t bytes); /* new data acknowledged, not in recovery */
void cc_on_loss(struct tcp_conn *c);                /* fast recovery begins, or ECE */
void cc_on_rto(struct tcp_conn *c);
void rtt_sample(struct tcp_conn *c, uint64_t rtt_us);

/* ---- tcp_timer.c ---- */
void tcp_timers_init(struct tcp_conn *c);
void tcp_rtx_mode(struct tcp_conn *c, enum tcp_rtx_mode mode); /* the one way to change it */
void tcp_timers_cancel(struct tcp_conn *c);
void tcp_rtx_arm(struct tcp_conn *c); /* RTO, TLP or persist, by what is outstanding; cancels where
					 nothing is */
void tcp_life_arm(struct tcp_conn *c, uint64_t in_us);
void tcp_ack_delay(struct tcp_conn *c);

#endif
