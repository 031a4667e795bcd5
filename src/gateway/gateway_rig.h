// SPDX-License-Identifier: Apache-2.0
/*
 * A guest on a ring, for tests of the gateway: it pings the gateway, and opens one TCP connection
 * at a time to a server on the host's loopback. Frames and answers are looked at one by one; what
 * does not come in two seconds has not come.
 */
#ifndef WEIR_GATEWAY_RIG_H
#define WEIR_GATEWAY_RIG_H

#include "gateway/gateway.h"
#include "link/ring.h"

struct rig_guest {
	struct ring_end *ring;
	struct stack_config cfg;
	uint32_t id;
	uint16_t ident; /* of the next ping */
	/* the connection */
	uint16_t sport, dport;
	uint32_t seq, ack;
};

/* A configuration that lets a guest reach the host's loopback (net "host"), or nothing ("none"). */
void rig_config(struct config *c, const char *net);
/* A sandbox in slot `slot` named "vm-SLOT"; aborts where there is none. */
void rig_guest_add(struct rig_guest *v, struct gateway *g, const struct config *c, unsigned slot);
/* The ring's guest end, for a link that somebody else makes. */
struct link *rig_ring(struct rig_guest *v);
void rig_guest_done(struct rig_guest *v);

bool rig_ping(struct rig_guest *v);
/* The request alone. */
bool rig_ping_begin(struct rig_guest *v);
/* SYNs to a port of the gateway's, each of a connection of its own; how many the ring took. */
unsigned rig_flood(struct rig_guest *v, unsigned n, uint16_t port);
/* How many of them are refused, of what has come by now. */
unsigned rig_resets(struct rig_guest *v);

/* A listening socket on 127.0.0.1. */
int rig_server(uint16_t *ret_port);
enum rig_dial {
	RIG_CONNECTED,
	RIG_REFUSED,
	RIG_SILENT,
};
enum rig_dial rig_connect(struct rig_guest *v, uint16_t port);
/* "hello" to the server and back. False where any of it did not come. *ret_fd is the server's
 * connection, for the caller to close. */
bool rig_talk(struct rig_guest *v, int server, int *ret_fd);
/* The guest has nothing more to say. */
bool rig_fin(struct rig_guest *v);
/* How the guest's connection ends at the server, soon: 0 with FIN, ECONNRESET with RST; EAGAIN
 * where it goes on. */
int rig_server_sees(int fd);
/* True where the guest is told that its connection is reset. */
bool rig_sees_reset(struct rig_guest *v);

#endif
