// SPDX-License-Identifier: Apache-2.0
/*
 * What a host socket's error means in the words of an ICMP error for the guest, and the
 * one bit of the guest's packets that a host socket must be told of.
 */
#ifndef WEIR_FLOW_SOCK_ICMP_H
#define WEIR_FLOW_SOCK_ICMP_H

#include "flow/sandbox.h"
#include "host/sock.h"

/* An ICMP message that came through an error queue. False: the guest has no use for it. */
bool sock_icmp_of_queue(const struct sock_error *e, enum icmp_error *ret, uint32_t *ret_value);
/* What send or socket() said. False: nothing that an ICMP error could express (no memory, a full
 * queue). */
bool sock_icmp_of_errno(int err, enum icmp_error *ret);
/*
 * Who the guest is told the error comes from: the far end itself under the address that the guest
 * knows (`seen`), a router under its own, and NULL (the gateway) for what the host itself said.
 */
const struct ipaddr *sock_icmp_from(const struct sandbox *sb, const struct sock_error *e,
				    const struct ipaddr *dial, const struct ipaddr *seen);

/*
 * Did the guest forbid fragmentation of this packet? IPv4: its DF bit (RFC 791). IPv6: always, but
 * for what it fragmented itself.
 */
bool sock_wants_df(struct view l3);

#endif
