// SPDX-License-Identifier: Apache-2.0
/*
 * Host sockets for datagrams: opening them, per-packet settings, and what the kernel's error queue
 * says.
 *
 * Every fd that comes from here is non-blocking and close-on-exec. Functions return >= 0 or -errno.
 * May use: base/. Threads: none of this keeps state.
 */
#ifndef WEIR_HOST_SOCK_H
#define WEIR_HOST_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/addr.h"

/* Settings of a UDP socket, beyond those that every one gets. */
enum sock_udp_flags {
	SOCK_UDP_ERRORS = 1 << 0,  /* ICMP errors come through the error queue (IP_RECVERR) */
	SOCK_UDP_PKTINFO = 1 << 1, /* received datagrams carry their local address (IP_PKTINFO) */
};

/*
 * An unbound UDP socket of one family (4 or 6; an IPv6 one is IPv6 only). Received datagrams carry
 * their TOS; trains come whole where the kernel has UDP_GRO. Datagrams over the path's MTU are
 * fragmented (sock_set_df() changes that).
 */
int sock_udp_open(uint8_t family, unsigned flags);

/*
 * A socket for echo requests: an unprivileged one where net.ipv4.ping_group_range lets this process
 * have it, else a raw one where it has CAP_NET_RAW (*ret_raw), else -EACCES or -EPERM. The former
 * puts an identifier of its own into what it sends and takes only the replies to that. Errors come
 * through the error queue, which quotes from the ICMP header on; received messages carry TTL and
 * TOS.
 */
int sock_icmp_open(uint8_t family, bool *ret_raw);

int sock_set_ttl(int fd, uint8_t family, uint8_t ttl);
int sock_set_tos(int fd, uint8_t family, uint8_t tos);
/* true: nothing over the path's MTU leaves (-EMSGSIZE, and the error queue has the MTU); false: the
 * kernel fragments. */
int sock_set_df(int fd, uint8_t family, bool df);

/*
 * Asks for socket buffers of so many bytes, so that a burst survives until the loop comes round.
 * The kernel gives what net.core.rmem_max and wmem_max allow, and uses memory only for what lies in
 * them.
 */
void sock_set_buffers(int fd, int receive, int send);

/* What the kernel calls a TTL and a TOS in control messages of a family. */
int sock_level(uint8_t family);
int sock_cmsg_ttl(uint8_t family);
int sock_cmsg_tos(uint8_t family);
/* Appends a control message; msg_control must have room, and msg_controllen counts what is in use.
 */
void sock_cmsg_put(struct msghdr *m, int level, int type, const void *data, size_t len);

/* The address to send from. */
void sock_cmsg_put_local(struct msghdr *m, const struct ipaddr *local);

/* What the control messages of a received datagram say; 0 (or family 0) where nothing was said. */
struct sock_info {
	uint8_t ttl, tos;
	uint16_t gso_size;   /* the payload is a train of datagrams of this size */
	struct ipaddr local; /* with SOCK_UDP_PKTINFO: the address that it was sent to */
	unsigned ifindex;    /* with SOCK_UDP_PKTINFO: where it came in */
};
struct sock_info sock_info_of(struct msghdr *m);

/* One entry of an error queue. */
struct sock_error {
	int err;                /* errno value */
	bool local;             /* the kernel's own (EMSGSIZE on sending), not an ICMP message */
	uint8_t type, code;     /* of the ICMP message */
	uint32_t info;          /* the MTU with EMSGSIZE */
	struct ipaddr dst;      /* where the datagram was sent to */
	uint16_t port;          /* 0 where the kernel does not know */
	struct ipaddr offender; /* who sent the ICMP message; family 0: unknown */
	size_t len; /* payload bytes of the datagram that were quoted, in the caller's buffer */
};
/* Takes one entry: 1, 0 where the queue is empty, or -errno. The quoted payload goes to buf. */
int sock_read_error(int fd, void *buf, size_t cap, struct sock_error *ret);
/* Takes the pending error of a socket (SO_ERROR), so that it does not fail the next call. */
int sock_take_error(int fd);

#endif
