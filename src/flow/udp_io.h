// SPDX-License-Identifier: Apache-2.0
/*
 * Host UDP sockets in bursts: what the UDP relay and published UDP ports have in common.
 *
 * Theory of operation
 * -------------------
 * Out: udp_sock_gather() notes a datagram of the guest's, whose payload stays in the link's buffer;
 * udp_io_flush(), at the end of the burst, sends what was gathered: one sendmmsg() a socket, runs
 * of equal size to one destination as one UDP_SEGMENT message. TTL is set on the socket from its
 * first datagram; a datagram that differs carries TTL and TOS in control messages, so that a
 * traceroute's probes may leave in one call. "Don't fragment" can only be set on a socket, so a
 * change of it ends a call.
 *
 * In: recvmmsg() with UDP_GRO into an arena that all sockets of a sandbox share. What a socket gets
 * is handed to its owner, and so is every entry of its error queue. A large datagram and a train
 * get their headers where they lie, and go from there into the link.
 */
#ifndef WEIR_FLOW_UDP_IO_H
#define WEIR_FLOW_UDP_IO_H

#include <sys/socket.h>

#include "flow/sandbox.h"
#include "host/sock.h"

#define UDP_BATCH     128   /* datagrams (or trains) gathered before a flush is forced */
#define UDP_RX_SLOTS  32    /* datagrams (or trains) a recvmmsg() */
#define UDP_RX_SIZE   65536 /* the largest datagram or train that a socket gives */
#define UDP_RX_ROOM   128   /* before each, for headers: UDP_LENT_ROOM, in whole cache lines */
#define UDP_RX_STRIDE (UDP_RX_SIZE + 4096) /* slots begin on pages, and not on the same sets */
#define UDP_CONTROL   128  /* control bytes of one message: TTL, TOS, addresses, segment size */
#define UDP_QUOTE_MAX 2048 /* payload bytes that an error queue may give back */

struct udp_io;
struct udp_sock;

/* What a socket received: a datagram, or a train of them (info.gso_size). */
struct udp_in {
	struct ipaddr from;
	uint16_t port;
	struct sock_info info;
	const uint8_t *data;
	size_t len;
	/* The same as data, where UDP_LENT_ROOM bytes before it may be written and all of it is the
	 * stack's until the next recvmmsg(); else NULL. */
	uint8_t *lent;
};

struct udp_sock_ops {
	/* A datagram or train came. The socket must not be closed from in here. */
	void (*datagram)(struct udp_sock *us, const struct udp_in *in);
	/* An ICMP error came about something sent; payload is what was quoted of it (e->len bytes).
	 */
	void (*error)(struct udp_sock *us, const struct sock_error *e, const uint8_t *payload);
};

struct udp_sock {
	const struct udp_sock_ops *ops;
	struct udp_io *io;
	struct loop_source src; /* src.fd is -1 while not in use */
	uint8_t family;
	bool df;         /* sock_set_df() as it is */
	bool no_gso;     /* the way out cannot do UDP_SEGMENT */
	size_t too_long; /* pieces of this size and more make no train to this address; 0: none */
	struct ipaddr too_long_to;
	uint8_t ttl;         /* what the socket sends without a control message; 0: not set yet */
	unsigned lone;       /* calls in a row that brought one datagram */
	struct list pending; /* in io.pending while datagrams are gathered for it */
	struct udp_out *first, *last;
};

/* One gathered datagram, or a train of them. Views point into the burst's frames. */
struct udp_out {
	struct udp_out *next; /* of the same socket */
	struct ipaddr to;
	uint16_t port;
	struct ipaddr local; /* the host's address to send from; family 0: the kernel's choice */
	uint8_t ttl, tos;
	bool df;
	uint16_t gso_size; /* a train of pieces of this size, as it came from the link; else 0 */
	struct view payload;
	struct view l3;
};

struct udp_control {
	_Alignas(8) uint8_t b[UDP_CONTROL];
};

struct udp_io {
	struct sandbox *sb;
	struct list pending; /* sockets with gathered datagrams */
	struct udp_out out[UDP_BATCH];
	unsigned out_n;

	/* one sendmmsg() */
	struct mmsghdr tx[UDP_BATCH];
	struct iovec tx_iov[UDP_BATCH];
	struct sockaddr_storage tx_name[UDP_BATCH];
	struct udp_control tx_control[UDP_BATCH];
	struct udp_out *tx_out[UDP_BATCH]; /* the first datagram of each message */
	unsigned tx_pieces[UDP_BATCH];     /* and how many of the socket's list it holds */

	/* one recvmmsg(); the arena is mapped once and paged in on demand */
	uint8_t *rx_arena;
	bool rx_used; /* since the trim timer last looked */
	struct mmsghdr rx[UDP_RX_SLOTS];
	struct iovec rx_iov[UDP_RX_SLOTS];
	struct sockaddr_storage rx_name[UDP_RX_SLOTS];
	struct udp_control rx_control[UDP_RX_SLOTS];
	struct timer trim; /* gives the arena back when nothing has come for a while */
};

/* ---- udp_io_recv.c ---- */
bool udp_io_init(struct udp_io *io, struct sandbox *sb);
void udp_io_done(struct udp_io *io);
/* The sandbox's own, of its UDP relay. */
struct udp_io *udp_relay_io(struct udp_relay *r);

void udp_sock_init(struct udp_sock *us, struct udp_io *io, uint8_t family,
		   const struct udp_sock_ops *ops);
/* Takes over an open fd and puts it into the loop; 0 or -errno (the fd is then still the caller's).
 */
int udp_sock_attach(struct udp_sock *us, int fd);
/* Sends what is gathered and closes. Harmless where not in use. */
void udp_sock_close(struct udp_sock *us);
/* Empties the error queue. Returns the MTU of the kernel's own last EMSGSIZE, or 0. */
uint32_t udp_sock_errors(struct udp_sock *us);

/* ---- udp_io_send.c ---- */
/* A datagram of the guest's, to be sent to to:port (from `local`, where that has a family). */
void udp_sock_gather(struct udp_sock *us, const struct ipaddr *to, uint16_t port,
		     const struct ipaddr *local, const struct udp_datagram *d);
/* Sends what was gathered, for one socket or for all. */
void udp_sock_flush(struct udp_sock *us);
void udp_io_flush(struct udp_io *io);

/*
 * What came in goes to the guest, from seen:seen_port. False where the stack dropped it. Counts.
 */
bool udp_in_to_guest(struct sandbox *sb, const struct udp_in *in, const struct ipaddr *seen,
		     uint16_t seen_port, const struct ipaddr *guest, uint16_t guest_port);
/*
 * An ICMP error from a socket's queue goes to the guest, about its datagram from guest:guest_port
 * to seen:seen_port that went out to e->dst. False where it says nothing to a guest.
 */
bool udp_error_to_guest(struct sandbox *sb, const struct sock_error *e, const uint8_t *payload,
			const struct ipaddr *seen, uint16_t seen_port, const struct ipaddr *guest,
			uint16_t guest_port);

#endif
