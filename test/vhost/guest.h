// SPDX-License-Identifier: Apache-2.0
/*
 * A guest on the vhost-user link of a `weir serve` of its own: a driver (link/vhost_rig.h) and the
 * smallest TCP that can fill the link, with one connection to a port of the host's loopback. For
 * the benchmark and the test of streams.
 */
#ifndef WEIR_TEST_VHOST_GUEST_H
#define WEIR_TEST_VHOST_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/frame.h"
#include "link/vhost_rig.h"

#define GUEST_MSS      1460u
#define GUEST_SEGS_MAX 44u /* of a super-segment */

struct guest {
	struct rig rig;
	pid_t weir;
	char dir[64], path[96], log[96]; /* its socket, and what it says */
	uint16_t far_port, port;
	uint32_t una, nxt, wnd, rcv; /* sequence numbers, and what the other side takes */
	unsigned peer_wscale;
	bool fin; /* from the other side, which sends no more */
	uint8_t out[FRAME_MAX], in[FRAME_MAX];
	/* Payload in its order, and whether a segment was lost; NULL: nobody looks, and none is. */
	void (*got)(void *ctx, const uint8_t *p, uint32_t len);
	bool (*loses)(void *ctx);
	void *ctx;
};

/* Where a guest fails, the program ends with a message. */
void guest_die(const char *what);
double guest_clock(clockid_t c);

/* Starts the gateway, and attaches the driver. */
void guest_start(struct guest *g, const char *weir, const struct rig_options *o);
/* Attaches it to the socket that the gateway has. */
void guest_attach(struct guest *g);
void guest_stop(struct guest *g);

/* A new connection. */
void guest_connect(struct guest *g);
/* A segment with len bytes that lie at g->out + GUEST_HEADERS. False where the ring is full. */
#define GUEST_HEADERS 54u
bool guest_send(struct guest *g, uint8_t flags, uint32_t seq, uint32_t len);
/* True where another segment of those len bytes' size fits into what the other side takes. */
static inline bool guest_may_send(const struct guest *g, uint32_t len)
{
	return g->wnd >= g->nxt - g->una + len;
}
/* The next frame. False where there is none. *got: its bytes of payload, new or not. */
bool guest_recv(struct guest *g, uint32_t *got);
void guest_ack(struct guest *g);
/* Sleeps until the device has done something, at most 10 ms. To be asked for before the last look.
 */
void guest_want_calls(struct guest *g);
void guest_nap(struct guest *g);

enum {
	GUEST_FIN = 1,
	GUEST_SYN = 2,
	GUEST_PSH = 8,
	GUEST_ACK = 16,
};

#endif
