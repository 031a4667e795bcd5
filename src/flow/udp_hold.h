// SPDX-License-Identifier: Apache-2.0
/*
 * The clients' side of QUIC on a UDP flow that a rule for names admitted. Its first datagrams are
 * held until the ClientHello in them has shown its name (RFC 9001 4.3), which may take two or
 * three; what begins another connection on the same flow later is judged, too.
 *
 * Bounds: UDP_HOLD_MAX datagrams (or trains of them) and UDP_HOLD_BYTES a flow; more without an
 * answer refuses the flow. A long
 * header of a version that cannot be read refuses it, too (quic-blocked), so that clients fall back
 * to TCP at once. What has no long header goes by the binding.
 */
#ifndef WEIR_FLOW_UDP_HOLD_H
#define WEIR_FLOW_UDP_HOLD_H

#include "flow/flow.h"
#include "flow/udp_io.h"

#define UDP_HOLD_MAX   8
#define UDP_HOLD_BYTES 16384

enum udp_hold_answer {
	UDP_HOLD_WAIT, /* kept, or (a repetition) not needed */
	UDP_HOLD_PASS, /* the flow is admitted: what was kept goes first */
	UDP_HOLD_DENY, /* refused; counted and told */
};

struct udp_hold;

struct udp_hold *udp_hold_new(struct sandbox *sb, struct flow *f); /* NULL without memory */
void udp_hold_free(struct udp_hold *h);                            /* NULL is fine */
enum udp_hold_answer udp_hold_take(struct udp_hold *h, const struct udp_datagram *d);
/* Bytes of the datagrams that are kept. */
size_t udp_hold_payload(const struct udp_hold *h);
/* Behind UDP_HOLD_PASS: sends what was kept. */
void udp_hold_release(struct udp_hold *h, struct udp_sock *sock, const struct ipaddr *to,
		      uint16_t port);

#endif
