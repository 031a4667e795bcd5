// SPDX-License-Identifier: Apache-2.0
/*
 * DNS at the gateway: queries of the guest over UDP and TCP port 53 to the gateway's address are
 * forwarded to the host's resolvers and their answers sent back.
 *
 * May use: base/, loop/, flow/, stack/, host/. Bounds: 256 queries in flight a sandbox (the oldest
 * gets SERVFAIL).
 */
#ifndef WEIR_DNS_DNS_H
#define WEIR_DNS_DNS_H

#include "base/addr.h"
#include "base/error.h"
#include "stack/flow_end.h"
#include "stack/stack.h"

struct sandbox;
struct config;
struct dns_proxy;

/* Follows the host's resolv.conf where the configuration names no resolver; starting without any
 * resolver is no error. */
struct dns_proxy *dns_proxy_new(struct sandbox *sb, const struct config *c, struct error *err);
void dns_proxy_free(struct dns_proxy *d);
/* A query over UDP. */
void dns_proxy_udp(struct dns_proxy *d, const struct udp_datagram *q);
/* A new in-process end that speaks DNS over TCP (RFC 7766); NULL at a limit. */
struct flow_end *dns_proxy_tcp_end(struct dns_proxy *d);

#endif
