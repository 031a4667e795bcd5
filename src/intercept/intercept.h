// SPDX-License-Identifier: Apache-2.0
/*
 * Connections that weir looks into: TLS ended on both sides, HTTP read and written anew, secrets
 * put in on the way out and taken out on the way back.
 *
 * Theory of operation
 * -------------------
 * The upstream is dialled first, as always, and the guest's SYN answered with its fate. The first
 * bytes are held and read by flow/first_flight.h, which judges the name that they show as any
 * other, and then asks here (flow/taker.h). The connection
 *
 * - goes on untouched: the name is not to be intercepted (choice.c);
 * - is intercepted (conn.c): the upstream's handshake comes first, with the guest's protocols
 *   offered; only when it has verified, the guest's, with a leaf certificate for that name and the
 *   protocol that the upstream chose. An upstream that does not verify is told to the guest by the
 *   alert that stands for it, before the guest has sent anything but its hello. Plain bytes then go
 *   through an HTTP proxy (http/proxy.h) with a filter (filter.h: names, HTTP rules, secrets), or
 *   where the protocol is none of HTTP's, as they are (pump.c);
 * - is HTTP in the clear: the same proxy and filter, without TLS, where rules or secrets want it;
 * - is refused: it would have to be looked into, and cannot.
 *
 * DNS over TLS ends in dns/ (dot.c). CONNECT through a proxy becomes a connection in a connection.
 * QUIC is refused where TLS would be intercepted, so that clients fall back.
 *
 * What is intercepted: every connection to a port of intercepted_ports where tls.enabled, and
 * whatever the port, those for which a secret or an HTTP rule needs it. tls.bypass goes before
 * all but HTTP rules.
 *
 * Bounds: INTERCEPT_CONNS_MAX connections of a sandbox at a time (beyond: reset,
 * limit-connections); first bytes as first_flight.h; INTERCEPT_OUT_MAX bytes toward each side, and
 * less where all connections together hold much; what http/proxy.h holds; INTERCEPT_HANDSHAKE_US
 * for each handshake.
 *
 * May use: base/, flow/, dns/, tls/, http/, secret/, observe/, conf/.
 */
#ifndef WEIR_INTERCEPT_INTERCEPT_H
#define WEIR_INTERCEPT_INTERCEPT_H

#include "base/error.h"
#include "flow/flow.h"
#include "http/authority.h"
#include "secret/holder.h"

#define INTERCEPT_CONNS_MAX    4096
#define INTERCEPT_OUT_MAX      262144 /* bytes on their way to one side; a record more at times */
#define INTERCEPT_OUT_TOTAL    (64u << 20) /* of a sandbox: from here on each may have little */
#define INTERCEPT_HANDSHAKE_US 30000000    /* most guests give up earlier, and know why */

struct intercept; /* a sandbox's; NULL in struct sandbox: nothing is looked into */
struct intercept_settings;
struct config;

struct intercept_counters {
	uint64_t taken; /* connections that were looked into, HTTP in the clear among them */
	uint64_t upstream_invalid; /* whose upstream did not verify */
	uint64_t upstream_failed;  /* whose upstream's handshake failed otherwise */
	uint64_t guest_failed;     /* whose guest's did: mostly it does not trust the authority */
	uint64_t refused;          /* that could not be looked into */
};

/*
 * For a sandbox whose configuration intercepts (config_intercepts()); hangs itself into it
 * (sb->intercept, sb->taker) and is freed with it. `h` outlives it; so does its channel, which the
 * owner frees behind it.
 */
struct intercept *intercept_new(struct sandbox *sb, struct holder *h, struct holder_channel *ch,
				const struct config *c, struct error *err);
/* What a configuration says of it. NULL and err: a file cannot be read, or no memory. */
struct intercept_settings *intercept_settings_new(const struct intercept *ic,
						  const struct config *c, struct error *err);
void intercept_settings_unref(struct intercept_settings *s); /* NULL is fine */
/* For connections that begin from now on; takes `s` over. */
void intercept_use(struct intercept *ic, struct intercept_settings *s);
const struct intercept_counters *intercept_counters(const struct intercept *ic);

#endif
