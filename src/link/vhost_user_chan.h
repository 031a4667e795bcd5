// SPDX-License-Identifier: Apache-2.0
/*
 * Messages of the vhost-user protocol, with their file descriptors, on a non-blocking socket.
 *
 * A message may arrive in pieces. File descriptors travel with its first byte; those that nobody
 * takes out of the message are closed with it. A reply that the socket does not take at once means
 * a peer that does not read, which is as good as gone.
 */
#ifndef WEIR_LINK_VHOST_USER_CHAN_H
#define WEIR_LINK_VHOST_USER_CHAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "link/vhost_user_proto.h"

struct vu_msg {
	uint32_t request; /* enum vu_request */
	uint32_t flags;
	uint32_t size; /* bytes of payload */
	uint8_t payload[VU_PAYLOAD_MAX] __attribute__((aligned(8)));
	int fds[VU_FDS_MAX]; /* -1 where taken */
	int nfds;
};

struct vu_chan {
	int fd;        /* not owned; -1: not connected */
	bool in_body;  /* the header is here */
	uint32_t have; /* bytes of header or payload that are */
	uint8_t hdr[VU_HDR_LEN];
	struct vu_msg msg; /* what is being received */
};

/* Takes the fd out of a message; -1 where it has no such one. */
int vu_msg_take_fd(struct vu_msg *m, int i);

void vu_chan_init(struct vu_chan *c);
void vu_chan_open(struct vu_chan *c, int fd);
void vu_chan_close(struct vu_chan *c);
/*
 * 1: a message is in c->msg, good until the next call. 0: nothing (more) yet. -1 and err: the
 * connection is to be closed; err is "" where the peer did so in order.
 */
int vu_chan_recv(struct vu_chan *c, struct error *err);
/* A reply, with one fd or -1. 0, or -1 and err. */
int vu_chan_send(struct vu_chan *c, const struct vu_msg *reply, int fd, struct error *err);

#endif
