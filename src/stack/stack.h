// SPDX-License-Identifier: Apache-2.0
/*
 * The sans-IO network stack of one sandbox: frames in, frames and flow events out.
 *
 * It is told the time and never asks for it, and it makes no system call. It is single-threaded:
 * one worker owns it. The owner (flow/sandbox.c, or a test) gives it a table of callbacks, feeds it
 * frames with stack_input(), ends each burst with stack_burst_end(), and takes the frames that
 * come out through the `tx` callback.
 *
 * Who ends what: TCP connections end in here (tcp.h) and hand their bytes to a `struct flow_end`;
 * UDP datagrams and echo requests are handed up whole; ARP, NDP and DHCP frames go to the guest
 * services (guestsvc/) through the callbacks, so that this room needs nothing above it.
 *
 * Trust: the guest owns every byte of a frame. Everything is read through views, every table has a
 * cap, and nothing in here asserts on what a guest sends.
 */
#ifndef WEIR_STACK_STACK_H
#define WEIR_STACK_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/frame.h"
#include "base/list.h"
#include "base/siphash.h"
#include "base/table.h"
#include "base/view.h"
#include "base/wheel.h"

#define STACK_TX_BURST 64 /* frames that may wait for the link */
#define STACK_TX_ARENA    \
	(5 * (FRAME_MAX + \
	      256)) /* bytes that may wait: they stay in the cache until the link copies them */

/* Why a frame or packet was dropped; also the metric's label (drop_reason_name). */
enum drop_reason {
	DROP_NONE,
	DROP_TRUNCATED,  /* shorter than its headers say */
	DROP_BAD_HEADER, /* a field that no valid packet has */
	DROP_BAD_CHECKSUM,
	DROP_ETHERTYPE,      /* VLAN, LLC, anything but ARP, IPv4, IPv6 */
	DROP_SPOOFED_SOURCE, /* not the sandbox's own MAC or address */
	DROP_NOT_FOR_US,     /* another MAC's unicast */
	DROP_MULTICAST,      /* multicast or broadcast that weir does not answer */
	DROP_IP_OPTIONS,     /* source route, record route, routing header */
	DROP_EXT_HEADERS,    /* more than 8 extension headers, or a malformed one */
	DROP_FRAGMENT,       /* overlap, bad length, over the cap, timed out */
	DROP_TTL,            /* hop limit reached; time exceeded was sent */
	DROP_PROTOCOL, /* unknown protocol or next header; parameter problem / unreachable was sent
			*/
	DROP_UNSPECIFIED, /* 0.0.0.0/8 or :: as a destination */
	DROP_FAMILY_OFF,  /* a family that this sandbox does not have */
	DROP_POLICY,      /* denied by the policy (the flow layer counts the reasons) */
	DROP_TCP_WINDOW,  /* outside the window, PAWS, bad ACK */
	DROP_TCP_NO_CONN, /* no connection: RST was sent */
	DROP_TCP_LIMIT,   /* a TCP table or queue is full */
	DROP_LIMIT,       /* another table is full */
	DROP_TX_FULL,     /* the link was blocked and the burst full */
	DROP_RATE,        /* an answer that was rate-limited away */
	DROP_REASONS      /* number of reasons */
};
const char *drop_reason_name(enum drop_reason reason); /* "bad-checksum", ... */

struct stack;
struct tcp_conn;

/* One IP packet, parsed and reassembled: what every protocol above IP gets. */
struct packet {
	struct ipaddr src, dst;
	uint8_t proto;     /* the final next header */
	uint8_t ttl;       /* TTL / hop limit as received */
	uint8_t tos;       /* DSCP and ECN bits, for both families */
	bool csum_ok;      /* the L4 checksum needs no check (the link vouches, or it is partial) */
	bool reassembled;  /* came in fragments */
	uint16_t gso_size; /* payload bytes of each piece where the link gave a super-segment; else
			      0 */
	struct view l3; /* the packet from the IP header on (of the first fragment), for quoting in
			   ICMP errors */
	struct view l4; /* from the L4 header on */
	/* Bytes of the packet behind those of the views, and where they lie: only of a TCP segment,
	 * whose checksum then needs no check. */
	uint32_t beyond;
	const struct frame_tail *tail;
};

struct udp_datagram {
	struct ipaddr src, dst;
	uint16_t sport, dport;
	uint8_t ttl, tos;
	uint16_t gso_size; /* nonzero: payload is a train of datagrams of this size (the last may be
			      shorter) */
	struct view payload;
	struct view l3; /* for stack_icmp_error() */
};

struct icmp_echo {
	struct ipaddr src, dst;
	uint16_t id, seq;
	uint8_t ttl, tos;
	struct view payload; /* behind the 8-byte header */
	struct view l3;
};

/* Bounds that are the stack's own, and take effect without anybody being asked. */
enum stack_limit {
	STACK_LIMIT_FRAGMENTS, /* the oldest fragmented packet made room */
	STACK_LIMIT_QUEUES,    /* no more receive memory can be promised to a connection */
};

struct stack_ops {
	/* Frames for the link. Returns how many were taken; fewer than n means that the link is
	 * blocked until stack_tx_unblocked(). Never an error: a broken link takes and loses them.
	 */
	int (*tx)(void *ctx, struct frame *frames, int n);
	/* Room for payload in the guest's own memory, as link_lend() gives it. NULL: there is none.
	 */
	int (*lend)(void *ctx, const struct frame *head, uint32_t each, uint32_t total,
		    const struct frame_tail **ret);
	/* An ARP frame (payload behind the Ethernet header), or an ICMPv6 message of type 133..136.
	 */
	void (*arp)(void *ctx, const uint8_t src_mac[6], struct view payload);
	void (*ndp)(void *ctx, const uint8_t src_mac[6], const struct packet *p);
	/* UDP to port 67 (DHCPv4) or 547 (DHCPv6), whatever the addresses. */
	void (*dhcp)(void *ctx, const uint8_t src_mac[6], const struct udp_datagram *d);
	/* Any other UDP datagram that is well-formed. */
	void (*udp)(void *ctx, const struct udp_datagram *d);
	/* An echo request to an address other than the gateway's. */
	void (*echo)(void *ctx, const struct icmp_echo *e);
	/* A guest's SYN: the owner must call tcp_conn_accept() or tcp_conn_refuse() on it, now or
	 * later. */
	void (*tcp_open)(void *ctx, struct tcp_conn *c);
	/* An ICMP error from the guest about something that we sent to it (port unreachable for a
	 * published UDP port, ...). */
	void (*guest_icmp_error)(void *ctx, const struct packet *p);
	/* A limit took effect for what goes to dst. For counting only; NULL: nobody counts. */
	void (*limit)(void *ctx, enum stack_limit what, const struct ipaddr *dst, uint8_t proto);
	/* There is something for stack_flush() to do. For owners of many stacks; NULL: they flush
	 * all of them anyway. */
	void (*pending)(void *ctx);
	/* Some guest has shut its window and there is more for it: it will want that as soon as it
	 * opens it again. Or (any == false) none has any longer. NULL: it does not matter. */
	void (*guest_full)(void *ctx, bool any);
};

struct stack_config {
	uint8_t gw_mac[6];
	uint8_t guest_mac[6]; /* all zero: learned from the first frame */
	bool has_v4, has_v6;
	struct ipaddr gw4, guest4;
	unsigned prefix4;          /* bits of the guest's IPv4 network */
	struct ipaddr gw6, guest6; /* global (ULA) addresses in one /64 */
	struct ipaddr gw6_ll;      /* the gateway's link-local address */
	uint16_t mtu;              /* 576 (1280 with IPv6) .. 65520 */
	uint32_t link_caps;        /* enum link_caps: what may be left to the link */
	bool allow_any_source;     /* do not drop frames from other source addresses */
	uint32_t max_tcp;          /* connections, default 4096 */
	uint32_t max_half_open;    /* default 1024 */
	uint32_t max_frag_sets;    /* fragmented packets put together at a time, default 64 */
	uint32_t tcp_queue_max;    /* guest-to-host queue a flow, bytes, default 4 MiB */
	uint64_t tcp_queue_total;  /* all flows together, default 64 MiB */
	uint64_t tcp_keepalive_us; /* idle time before a keepalive toward the guest, default 2 h */
};

struct stack_counters {
	uint64_t rx_frames, rx_bytes; /* from the guest */
	uint64_t tx_frames, tx_bytes; /* to the guest */
	uint64_t tcp_opened, tcp_closed;
	uint64_t tcp_retransmits; /* segments sent again */
	uint64_t tcp_rto, tcp_fast_recovery, tcp_tlp;
	uint64_t tcp_ooo; /* segments that came out of order */
	uint64_t tcp_dup; /* segments that came twice */
	uint64_t tcp_resets_sent, tcp_resets_received;
	uint64_t icmp_errors_sent;
	uint64_t frag_reassembled, frag_sent;
	uint64_t drops[DROP_REASONS];
};

struct frag_cache; /* frag.c */
struct tcp_table;  /* tcp.c */

struct stack {
	struct stack_config cfg;
	const struct stack_ops *ops;
	void *ctx; /* for the callbacks */
	struct wheel *wheel;
	const uint64_t *clock; /* somebody else's, shared; NULL: own_us */
	uint64_t own_us;
	struct sipkey key; /* tables and ISNs; fixed in script tests */
	struct stack_counters cnt;

	/* ip.c, icmp.c */
	struct frag_cache *frags;
	uint16_t ip_id;
	uint64_t icmp_tokens_us; /* token bucket of ICMP errors: time up to which it is spent */

	/* tcp.c */
	struct tcp_table *tcp;

	/* tx.c: frames that wait for the link */
	uint8_t *tx_arena;
	size_t tx_used;
	struct frame tx_q[STACK_TX_BURST];
	int tx_n;
	bool tx_lent;    /* some of them may lie elsewhere */
	bool tx_blocked; /* the link takes nothing until stack_tx_unblocked() */
};

/* Zero fields of cfg that have a default get it. False without memory. */
bool stack_init(struct stack *s, const struct stack_config *cfg, const struct stack_ops *ops,
		void *ctx, struct wheel *wheel, const struct sipkey *key, uint64_t now_us);
void stack_done(struct stack *s);

/* The clock of everything that follows; call before each burst and before wheel_advance(). */
static inline void stack_set_now(struct stack *s, uint64_t now_us)
{
	s->own_us = now_us;
}

/* In place of that: the owner moves *clock on, for all stacks that share it. */
static inline void stack_share_clock(struct stack *s, const uint64_t *clock)
{
	s->clock = clock;
}

static inline uint64_t stack_now(const struct stack *s)
{
	return s->clock ? *s->clock : s->own_us;
}

/* There is something for stack_flush() to do. */
static inline void stack_pending(struct stack *s)
{
	if (s->ops && s->ops->pending)
		s->ops->pending(s->ctx);
}

/* One frame from the guest. The bytes, those of a tail as well, must stay valid until
 * stack_burst_end(). */
void stack_input(struct stack *s, const struct frame *f);
/* After the last frame of a burst: payload is pushed to its ends, ACKs and data go out, the tx
 * queue is flushed. */
void stack_burst_end(struct stack *s);
/* After anything else that may have made frames (timers, end upcalls): flush the tx queue. */
void stack_flush(struct stack *s);
/* The link takes frames again. */
void stack_tx_unblocked(struct stack *s);
/* The sandbox went quiet: give burst memory back. */
void stack_trim(struct stack *s);

static inline void stack_limit_hit(struct stack *s, enum stack_limit what, const struct ipaddr *dst,
				   uint8_t proto)
{
	if (s->ops && s->ops->limit)
		s->ops->limit(s->ctx, what, dst, proto);
}

static inline void stack_drop(struct stack *s, enum drop_reason why)
{
	s->cnt.drops[why]++;
}

/* True for an address of the gateway (IPv4, IPv6, link-local IPv6). */
bool stack_is_gateway(const struct stack *s, const struct ipaddr *a);

/* ---- tx.c: for the protocols ----
 * Contiguous room for one frame of at most `max` bytes (Ethernet header on). Flushes first where
 * the burst is full. NULL where the link is blocked and the burst is full: the caller drops
 * (DROP_TX_FULL) or waits. The room is the caller's until stack_tx_push() or the next
 * stack_tx_alloc(). Several frames may be made in one allocation: reserve them with
 * STACK_TX_STRIDE(len) each.
 */
uint8_t *stack_tx_alloc(struct stack *s, size_t max);
/* Hands what was pushed to the link now, and not at the end of the burst. */
void stack_tx_drain(struct stack *s);
/*
 * Queues a frame that lies in somebody else's memory, with FRAME_VNET_ROOM writable bytes before
 * it. It must stay there, untouched, until stack_tx_settle(). False where the burst is full.
 */
bool stack_tx_lend(struct stack *s, uint8_t *data, size_t len, const struct frame_meta *meta);
/* The lender wants its memory back: what the link does not take now is copied, or dropped where the
 * arena is full. */
void stack_tx_settle(struct stack *s);
#define STACK_TX_STRIDE(len) (((len) + FRAME_VNET_ROOM + 15u) & ~15u)
/* Queues a frame that lies in room from stack_tx_alloc(); frames of one allocation must be pushed
 * in ascending order. */
void stack_tx_push(struct stack *s, uint8_t *data, size_t len, const struct frame_meta *meta);
/* The same for a frame of which only the head lies there. */
void stack_tx_push_frame(struct stack *s, const struct frame *f);

/* ---- ip.c: output ----
 * Writes Ethernet + IP header for a packet to the guest at `at`; returns their length (34 or 54).
 * payload_len is L4 header + data. IPv4: DF set, id 0 unless the packet will be fragmented.
 */
#define IP_HEADERS_MAX (ETH_HLEN + 40)
unsigned ip_put_headers(struct stack *s, uint8_t *at, const struct ipaddr *src,
			const struct ipaddr *dst, uint8_t proto, size_t payload_len, uint8_t ttl,
			uint8_t tos);
/*
 * Sends an L4 packet to the guest, fragmenting where it does not fit the MTU. `l4` is header and
 * data with its checksum complete. For UDP and ICMP; TCP builds its frames itself.
 * False where it was dropped (counted).
 */
bool ip_output(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
	       uint8_t ttl, uint8_t tos, const uint8_t *l4, size_t len);

/* ---- udp.c, icmp.c: output ---- */
/* A datagram to the guest; at most 65,507 (IPv4) or 65,487 (IPv6) bytes of payload; the checksum is
 * filled, the datagram fragmented at need. */
bool udp_output(struct stack *s, const struct ipaddr *src, uint16_t sport, const struct ipaddr *dst,
		uint16_t dport, uint8_t ttl, uint8_t tos, const void *payload, size_t len);
/*
 * The same for a train of datagrams of gso_size bytes each (the last may be shorter), as UDP_GRO
 * gave it: one super-frame where the link has LINK_USO and the pieces fit the MTU, else one by one.
 */
bool udp_output_train(struct stack *s, const struct ipaddr *src, uint16_t sport,
		      const struct ipaddr *dst, uint16_t dport, uint8_t ttl, uint8_t tos,
		      const void *payload, size_t len, size_t gso_size);

/*
 * The same for payload that may be lent: UDP_LENT_ROOM writable bytes lie before it, and both stay
 * untouched until stack_tx_settle(). Not copied where the link takes it as one frame; gso_size 0 is
 * one datagram.
 */
#define UDP_LENT_ROOM (FRAME_VNET_ROOM + IP_HEADERS_MAX + 8)
bool udp_output_lent(struct stack *s, const struct ipaddr *src, uint16_t sport,
		     const struct ipaddr *dst, uint16_t dport, uint8_t ttl, uint8_t tos,
		     uint8_t *payload, size_t len, size_t gso_size);

bool icmp_echo_reply(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst,
		     uint16_t id, uint16_t seq, uint8_t ttl, uint8_t tos, const void *payload,
		     size_t len);

/* Errors in the words of neither family. */
enum icmp_error {
	ICMP_ERR_NET_UNREACH,   /* v4 3/0, v6 1/0 */
	ICMP_ERR_HOST_UNREACH,  /* v4 3/1, v6 1/3 */
	ICMP_ERR_PROTO_UNREACH, /* v4 3/2, v6 4/1 (parameter problem) */
	ICMP_ERR_PORT_UNREACH,  /* v4 3/3, v6 1/4 */
	ICMP_ERR_TOO_BIG,       /* v4 3/4, v6 2/0; with the MTU */
	ICMP_ERR_ADMIN,         /* v4 3/13, v6 1/1 */
	ICMP_ERR_TTL,           /* v4 11/0, v6 3/0 */
	ICMP_ERR_REASSEMBLY,    /* v4 11/1, v6 3/1 */
	ICMP_ERR_PARAM,         /* v4 12/0, v6 4/0: value is the pointer */
};
/*
 * An ICMP error about a packet of the guest's. `from` is the router that says so (NULL: the gateway
 * of that family); `quoted` is the guest's packet from its IP header on; `value` is the MTU or
 * pointer. Rate-limited (1,000 a second, bursts of 200); never about ICMP errors, multicast, or
 * later fragments (RFC 1122 3.2.2, RFC 4443 2.4).
 */
void stack_icmp_error(struct stack *s, enum icmp_error e, const struct ipaddr *from,
		      struct view quoted, uint32_t value);
/*
 * The same where the packet itself is gone: quotes a packet that is rebuilt from its addresses,
 * protocol and the first bytes of its L4 part (8 bytes of L4 header suffice).
 */
void stack_icmp_error_rebuilt(struct stack *s, enum icmp_error e, const struct ipaddr *from,
			      const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
			      const uint8_t *l4, size_t l4_len, uint32_t value);

/* ---- between the files of this room ---- */
void ip_input(struct stack *s, const struct frame *f, uint16_t ethertype, struct view payload,
	      const uint8_t src_mac[6]);
void udp_input(struct stack *s, const uint8_t src_mac[6], const struct packet *p);
void icmp_input(struct stack *s, const uint8_t src_mac[6], const struct packet *p);
void tcp_input(struct stack *s, const struct packet *p);
/* The guest's ICMP says that our segment from src to dst, whose TCP header begins with l4, did not
 * fit an MTU (0: it does not say which). */
void tcp_too_big(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst,
		 struct view l4, uint32_t mtu);
bool tcp_init(struct stack *s);
void tcp_done(struct stack *s);
void tcp_burst_end(struct stack *s);
void tcp_tx_unblocked(struct stack *s);
void tcp_trim(struct stack *s);
bool frag_init(struct stack *s);
void frag_done(struct stack *s);
void frag_burst_end(struct stack *s);
void frag_trim(struct stack *s);

#endif
