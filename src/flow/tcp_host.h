// SPDX-License-Identifier: Apache-2.0
/*
 * The host-socket end of a guest's TCP connection, and the dial that leads to it.
 */
#ifndef WEIR_FLOW_TCP_HOST_H
#define WEIR_FLOW_TCP_HOST_H

#include "flow/sandbox.h"

/*
 * An end over a connected, non-blocking socket; takes over the fd. NULL without memory or where the
 * loop does not take it: the fd is then still the caller's.
 */
struct flow_end *tcp_host_end_new(struct sandbox *sb, int fd);

/* Takes the socket out of such an end, which is gone then: `src` gets its events (all edges), the
 * present ones among them. Returns the fd, the caller's from here on; -1, and all is as it was. */
int tcp_host_end_release(struct flow_end *e, struct loop_source *src);

/* What became of a dial: called once, unless the dial is cancelled. end is NULL where err is set
 * (positive errno). */
typedef void tcp_dialed_fn(struct sandbox *sb, void *arg, struct flow_end *end, int err);

struct tcp_host;
/* Starts to connect. NULL and *ret_err (positive errno) where that fails at once; fn is then not
 * called. */
struct tcp_host *tcp_host_dial(struct sandbox *sb, const struct ipaddr *to, uint16_t port,
			       tcp_dialed_fn *fn, void *arg, int *ret_err);
struct flow;
/* What goes out counts as the flow's (budget.h), which lives as long as it is pushed to. */
void tcp_host_end_charge(struct flow_end *e, struct flow *f);
/* Ends a dial whose fn was not called yet. NULL is fine. */
void tcp_host_cancel(struct tcp_host *h);

#endif
