// SPDX-License-Identifier: Apache-2.0
/*
 * Connections that weir looks into: TLS ended on both sides, HTTP read and written anew, secrets
 * put in on the way out and taken out on the way back.
 *
 * Theory of operation
 * -------------------
 * The upstream is dialled first, as always, and the guest's SYN answered with its fate. The end
 * that the guest's TCP then gets is of this room: it watches the first bytes (tls/hello.h) where
 * the connection is to a port that is intercepted. By the name that they show it is judged as any
 * other, and then
 *
 * - passes untouched, the socket's own end taking over: the name is not to be intercepted;
 * - is intercepted: the upstream's handshake comes first, with the guest's protocols offered; only
 *   when it has verified, the guest's, with a leaf certificate for that name and the protocol that
 *   the upstream chose. Plain bytes then go through an HTTP proxy (http/proxy.h), with a filter
 *   (filter.h: names, HTTP rules, secrets), or where the protocol is none of HTTP's, as they are;
 * - bytes that are no TLS: judged as such at once.
 *
 * HTTP in the clear goes through the same proxy and filter, without TLS, where rules or secrets
 * want it. DNS over TLS ends in dns/. CONNECT through a proxy becomes a connection in a connection.
 *
 * Bounds: INTERCEPT_CONNS_MAX connections of a sandbox at a time (beyond: refused,
 * limit-connections); first bytes as first_flight.h; 64 KiB of ciphertext toward the guest, and
 * what http/proxy.h holds.
 *
 * May use: base/, loop/, stack/, flow/, policy/, tls/, http/, secret/, observe/, conf/, dns/.
 */
#ifndef WEIR_INTERCEPT_INTERCEPT_H
#define WEIR_INTERCEPT_INTERCEPT_H

#include "base/error.h"
#include "flow/flow.h"
#include "secret/holder.h"

struct intercept; /* a sandbox's; NULL in struct sandbox: nothing is looked into */
struct config;

/* For a sandbox whose configuration intercepts (config_intercepts()). `h` outlives it; so does its
 * channel, which the owner frees behind it. */
struct intercept *intercept_new(struct sandbox *sb, struct holder *h, struct holder_channel *ch,
				const struct config *c, struct error *err);
void intercept_free(struct intercept *ic);
int intercept_reload(struct intercept *ic, const struct config *c, struct error *err);

/* A new connection of the guest's to this port may have to be looked into. */
bool intercept_wants(const struct intercept *ic, const struct policy_facts *f);
/*
 * An end for it over the connected upstream `inner`, which it owns from here on; `f` must live
 * until intercept_forget(). *ret_here as in first_flight_new(). NULL without memory or at the cap.
 */
struct intercept_conn;
struct intercept_conn *intercept_conn_new(struct intercept *ic, struct flow *f,
					  struct flow_end *inner, struct intercept_conn **ret_here);
void intercept_conn_accept(struct intercept_conn *x, struct tcp_conn *c);
void intercept_conn_forget(struct intercept_conn *x);

#endif
