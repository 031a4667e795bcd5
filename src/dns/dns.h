// SPDX-License-Identifier: Apache-2.0
/*
 * DNS: every plain question of the guest's, over UDP or TCP port 53 and to whatever address, meets
 * the interceptor. It asks the policy, answers from its own names or its cache or asks a resolver,
 * filters the answer, records what the guest was told about names, and answers from the address
 * that was asked. It does not recurse.
 *
 * May use: base/, loop/, flow/, stack/, host/, policy/, observe/, conf/. Bounds: proxy.h.
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
 * resolver is no error. Nothing of `c` is kept. */
struct dns_proxy *dns_proxy_new(struct sandbox *sb, const struct config *c, struct error *err);
void dns_proxy_free(struct dns_proxy *d);
/*
 * Another configuration: resolvers, rebind protection, cache, limits, records. Questions on their
 * way live on. -1 and err where there is no memory for it; what did not fit is then as it was.
 */
int dns_proxy_reload(struct dns_proxy *d, const struct config *c, struct error *err);
/* A datagram to port 53 of any address: one question, or a train of them. */
void dns_proxy_udp(struct dns_proxy *d, const struct udp_datagram *q);
/*
 * A new in-process end that speaks DNS over TCP (RFC 7766), for a connection to port 53 of `at`
 * from the guest's address and port; NULL at a limit.
 */
struct flow_end *dns_proxy_tcp_end(struct dns_proxy *d, const struct ipaddr *at,
				   const struct ipaddr *guest, uint16_t guest_port);
/*
 * At the end of a burst from the guest, and of each turn of the loop before stack_flush(): what was
 * asked in it goes out, a burst with one call, and TCP ends call up. Cheap where there is nothing.
 */
void dns_proxy_flush(struct dns_proxy *d);

#endif
