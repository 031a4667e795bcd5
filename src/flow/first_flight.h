// SPDX-License-Identifier: Apache-2.0
/*
 * The guest's first bytes on a TCP flow that a rule for names admitted: held back from the upstream
 * until they have shown which name they are for, or that their protocol shows none.
 *
 * Theory of operation
 * -------------------
 * An end of this kind stands between the stack and the socket's own end. What the server says
 * passes at once, so that protocols in which it speaks first never wait. What the guest says stays
 * in the stack's receive queue (flow_end.watches) and is looked at there until it is one of these:
 *
 * - a TLS ClientHello: judged by its SNI, and followed until no second one can come (tls/retry.h);
 * - HTTP/1: the authority of each request is judged, for the connection's whole life;
 * - HTTP/2: the same, of each stream;
 * - anything else: judged by the binding alone.
 *
 * A flow that needs no more looking is handed over to the socket's end (tcp_conn_set_end()) and
 * costs nothing from then on. A refusal is told in the flow's own protocol and ends it. What is to
 * be looked into is handed over to the taker's end in the same way (taker.h), before any byte of
 * the guest's has gone out.
 *
 * A first word alone (a command of one letter, somebody typing) goes after a moment, since the
 * guest may be waiting for the answer to it, unless names have to be shown (strict); what follows
 * is looked at as if it had not. What the guest's FIN leaves unfinished is decided then.
 *
 * Bounds: FIRST_FLIGHT_MAX bytes and FIRST_FLIGHT_US until the protocol and its name are known;
 * what has not shown them by then is refused.
 */
#ifndef WEIR_FLOW_FIRST_FLIGHT_H
#define WEIR_FLOW_FIRST_FLIGHT_H

#include "flow/flow.h"

#define FIRST_FLIGHT_MAX      16384
#define FIRST_FLIGHT_US       5000000
#define FIRST_FLIGHT_WORD     32    /* bytes of a first word that may go alone, ... */
#define FIRST_FLIGHT_QUIET_US 20000 /* ... when nothing has followed it for so long */

struct first_flight;

/*
 * Stands before `inner`, which it owns from here on; NULL without memory (inner is then still the
 * caller's). `f` must live until first_flight_forget(). *ret_here holds the result until the flow
 * has passed or the end is gone: it is then set to NULL.
 */
struct first_flight *first_flight_new(struct sandbox *sb, struct flow *f, struct flow_end *inner,
				      struct first_flight **ret_here);
/* The guest's connection begins with this end: SYN-ACK goes out. */
void first_flight_accept(struct first_flight *ff, struct tcp_conn *c);
/* The flow is about to be over and is not asked about any more. */
void first_flight_forget(struct first_flight *ff);

#endif
