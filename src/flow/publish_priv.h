// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of published ports share.
 *
 * Theory of operation
 * -------------------
 * A published port is a bound host socket. TCP: accepted connections pass the ingress policy, then
 * a SYN goes to the guest with the client's address as its source where the guest can answer to it,
 * else with the gateway's; what the guest does with that SYN happens to the client. UDP: each
 * client has one source address and port on the guest's side for as long as it talks, and the
 * guest's datagrams to there go back to that client from the address that it had sent to.
 *
 * A client whose address cannot be kept may be carried over the guest's other address family: a
 * service that listens on one family only is reached by clients of both (publish_end.c,
 * publish_error.c).
 *
 * Bounds: a listener takes ACCEPT_BURST connections a wake and pauses while three quarters of the
 * half-open connections are in use, so that a crowd waits in the kernel's backlog (4,096) instead
 * of pushing each other out; it pauses, too, while no file descriptor is left. UDP clients:
 * PUBLISH_CLIENTS, then the least recently used one goes.
 */
#ifndef WEIR_FLOW_PUBLISH_PRIV_H
#define WEIR_FLOW_PUBLISH_PRIV_H

#include "conf/config.h"
#include "flow/sandbox.h"
#include "flow/udp_io.h"

#define PUBLISH_CLIENTS    4096
#define PUBLISH_BACKLOG    4096
#define PUBLISH_PORT_TRIES 32 /* source ports tried at the gateway's address */

/* One bound socket. */
struct publish_port {
	struct list node; /* in set.ports */
	struct publish_set *set;
	struct ipaddr bind;
	uint16_t host_port, guest_port;
	bool udp;
	int fd;                 /* TCP: the listener, also while it pauses; UDP: sock.src.fd */
	struct loop_source src; /* TCP */
	struct timer resume;    /* TCP: ends a pause */
	struct udp_sock sock;   /* UDP */
};

struct publish_set {
	struct sandbox *sb;
	struct list ports;
	struct list dialing; /* struct publish_end whose guest has not answered yet */
	struct sipkey key;
	/* UDP */
	struct table by_client, by_side;
	struct list clients; /* most recently used first */
};

/* ---- publish.c ---- */
/* The guest's or the gateway's address of a family; family 0 in the answer: there is none. */
struct ipaddr publish_guest(const struct sandbox *sb, uint8_t family);
struct ipaddr publish_gateway(const struct sandbox *sb, uint8_t family);
/* Can the guest answer to this address, so that it may be the source of what it gets? */
bool publish_keeps(const struct sandbox *sb, const struct ipaddr *client);
/* The guest's address for a client whose own is not kept: of its family, or of the only one there
 * is. */
struct ipaddr publish_guest_any(const struct sandbox *sb, uint8_t family);
/* Source ports to try at the gateway's address: the client's own, then random ones. */
uint16_t publish_port_try(unsigned attempt, uint16_t client_port);
bool publish_admit(struct publish_port *pp, const struct ipaddr *client, uint16_t client_port);

/* ---- publish_tcp.c ---- */
/* A socket in the loop for pp->bind:pp->host_port (filled in where it was 0); 0 or -errno. */
int publish_tcp_open(struct publish_port *pp);
void publish_tcp_close(struct publish_port *pp);
/*
 * Opens a connection to the guest with the gateway's address as its source. NULL at a limit: `end`
 * is then still the caller's.
 */
struct tcp_conn *publish_tcp_dial(struct sandbox *sb, const struct ipaddr *guest,
				  uint16_t guest_port, uint16_t client_port, struct flow_end *end);

/* ---- publish_end.c ---- */
/*
 * Opens a connection to `first`, and to `second` where the guest refuses the first. Takes over
 * `inner` (an end over fd) in any case.
 */
void publish_end_dial(struct publish_set *set, struct flow_end *inner, int fd,
		      const struct ipaddr *first, const struct ipaddr *second,
		      const struct policy_facts *facts, uint16_t client_port);
/* No second attempts any more. */
void publish_end_forget(struct publish_set *set);

/* ---- publish_udp.c ---- */
int publish_udp_open(struct publish_port *pp);
void publish_udp_close(struct publish_port *pp);
void publish_udp_forget(struct publish_set *set);
/*
 * The guest refused what came from side:side_port: the client moves to the guest's other family, if
 * it may. payload: the refused datagram, to be sent again; NULL where it is not known whole.
 */
void publish_udp_refused(struct publish_set *set, const struct ipaddr *side, uint16_t side_port,
			 uint16_t guest_port, const struct view *payload);

#endif
