// SPDX-License-Identifier: Apache-2.0
/*
 * What gateway and keeper say to each other, and the keeper's own parts. One message is one packet
 * of the socket pair.
 */
#ifndef WEIR_HOST_KEEPER_PRIV_H
#define WEIR_HOST_KEEPER_PRIV_H

#include "host/bindkeep.h"
#include "host/keeper.h"

enum keeper_msg_type {
	/* to the keeper */
	MSG_MAPPED, /* the id maps are written */
	MSG_GO,     /* the command may start */
	MSG_SIGNAL, /* value: a signal that the gateway got; extra: 1 where the kernel sent it */
	/* to the gateway */
	MSG_ERROR,  /* text: setting up failed */
	MSG_MAP_ME, /* write my id maps */
	MSG_LINK, /* value: enum guestif_kind; carries the fd; extra: bits of what the host lacks */
	MSG_STOPPED,
	MSG_EXEC_FAILED,
	MSG_EXITED,
	MSG_ALL_GONE,
};

#define MSG_LACKS_RESOLV 1
#define MSG_LACKS_BUNDLE 2

struct keeper_msg {
	int32_t type;
	int32_t value;
	int32_t extra;
	char text[sizeof(((struct error *)0)->msg)];
};

/* Sends a message; fd >= 0 goes with it. 0 or -errno. */
int keeper_msg_send(int sock, const struct keeper_msg *m, int fd);
/* Waits for a message (MSG_DONTWAIT in flags: does not). 1, 0 at the end, or -errno. *ret_fd is an
 * fd that came along, or -1; ret_fd NULL takes none. */
int keeper_msg_recv(int sock, int flags, struct keeper_msg *ret, int *ret_fd);

/* The keeper's life; never returns. (keeper_inside.c) */
void keeper_inside(const struct keeper_config *c, int sock) __attribute__((noreturn));
/* What the host has no file for, so that nothing could be bound over it. */
struct keeper_missing {
	bool resolv, bundle;
};
/* Namespaces, interface, name resolution, trusted certificates. The link's fd, or -1 with err.
 * What is bound over the host's files is noted in *keep. (keeper_setup.c) */
int keeper_set_up(const struct keeper_config *c, int sock, enum guestif_kind *ret_kind,
		  struct bindkeep *keep, struct keeper_missing *ret_missing, struct error *err);

#endif
