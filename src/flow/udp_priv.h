// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the UDP relay share.
 *
 * Theory of operation
 * -------------------
 * A session belongs to one (guest address, guest port) and has one unconnected host socket for each
 * family that it uses, so that one guest port keeps one host port whatever it talks to
 * (endpoint-independent mapping, RFC 4787 4.1). What the guest has sent to is kept as the session's
 * remotes; only they are let in (address- and port-dependent filtering, RFC 4787 5).
 *
 * Out: udp_relay_input() finds or makes session and remote (the policy is asked once for each pair)
 * and gathers the datagram (udp_io.h). Errors come through the sockets' error queues and go to the
 * guest as ICMP, from the address of the router that reported them, which is what makes traceroute
 * see past the gateway.
 *
 * Bounds (the guest picks ports and destinations, so every table is keyed with SipHash):
 *   max_sessions sessions, then the least recently used one goes (counted as limit-udp);
 *   UDP_REMOTES_SESSION remotes a session and UDP_REMOTES_SHARE for each possible session together,
 *   then the least recently used remote goes: the far end can no longer answer until the guest
 * sends again; no file descriptor left: the new datagram is refused, what exists lives on.
 *
 * Files: udp_relay.c (input, admission), udp_session.c (tables, ageing), udp_in.c (from the host's
 * sockets); udp_io_*.c carry the datagrams.
 */
#ifndef WEIR_FLOW_UDP_PRIV_H
#define WEIR_FLOW_UDP_PRIV_H

#include "flow/flow.h"
#include "flow/udp_io.h"

#define UDP_REMOTES_SESSION 1024
#define UDP_REMOTES_SHARE   64

/* Ages since the last datagram of either direction (RFC 4787 4.3 asks for two minutes and more
 * where both talk). */
#define UDP_IDLE_US      (60 * UINT64_C(1000000))
#define UDP_IDLE_BOTH_US (180 * UINT64_C(1000000))
#define UDP_IDLE_DNS_US  (15 * UINT64_C(1000000))

#define UDP_SOCKET_BUFFER (1 << 20) /* some milliseconds of a fast train */

/* Someone whom a session has sent to. */
struct udp_remote {
	struct flow flow;
	struct udp_hold *hold; /* QUIC under a rule for names; else NULL */
	uint64_t bytes_in, bytes_out;
	struct list by_use; /* in session.remotes, most recently used first */
	struct udp_session *session;
	uint64_t hash;
	struct ipaddr seen; /* the address that the guest uses */
	struct ipaddr dial; /* where the host socket sends: the same, or the host's loopback */
	uint16_t port;
	bool to_host;     /* dial is the host's loopback, in the place of the gateway's address */
	bool other_tried; /* the loopback of the other family is in use, because the first refused
			   */
};

struct udp_session {
	struct list by_use; /* in relay.sessions, most recently used first */
	struct udp_relay *relay;
	uint64_t hash;
	struct ipaddr guest;
	uint16_t port;
	bool spoke_out, spoke_in;
	bool only_dns; /* every remote so far has port 53 */
	unsigned remote_count;
	struct list remotes;
	struct udp_remote *recent; /* the remote found last */
	struct udp_sock sock[2];   /* IPv4, IPv6 */
	uint64_t used_us;
	struct timer idle;
};

struct udp_relay {
	struct sandbox *sb;
	struct sipkey key;
	uint32_t max_sessions;
	struct table sessions, remotes;
	struct list by_use; /* sessions, most recently used first */
	struct udp_io io;
};

/* ---- udp_session.c ---- */
struct udp_session *udp_session_find(struct udp_relay *r, const struct ipaddr *guest,
				     uint16_t port);
/* NULL without memory. At the cap the least recently used one makes room. */
struct udp_session *udp_session_new(struct udp_relay *r, const struct ipaddr *guest, uint16_t port);
void udp_session_free(struct udp_session *us);
/* A datagram passed: the session is the most recently used one. */
void udp_session_touch(struct udp_session *us);
/* The socket of a family, opened at need; NULL and *ret_err where that fails. */
struct udp_sock *udp_session_sock(struct udp_session *us, uint8_t family, int *ret_err);

/* Where the guest sends to seen:port. */
struct udp_remote *udp_remote_find(struct udp_session *us, const struct ipaddr *seen,
				   uint16_t port);
/* Where something came from dial:port; NULL: the guest never sent there. */
struct udp_remote *udp_remote_find_dialled(struct udp_session *us, const struct ipaddr *dial,
					   uint16_t port);
struct udp_remote *udp_remote_new(struct udp_session *us, const struct ipaddr *seen,
				  const struct ipaddr *dial, uint16_t port);
void udp_remote_touch(struct udp_remote *ur);
void udp_remote_free(struct udp_remote *ur);

/* ---- udp_in.c ---- */
extern const struct udp_sock_ops udp_session_ops;

#endif
