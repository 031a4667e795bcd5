// SPDX-License-Identifier: Apache-2.0
/*
 * The packet link: an AF_PACKET socket on the far end of a veth pair whose near end is the guest's
 * interface. It needs no device node, so it works where /dev/net/tun is missing or not permitted.
 *
 * Theory of operation
 * -------------------
 * With PACKET_VNET_HDR each frame carries the short virtio-net header, so that super-segments and
 * unfinished checksums cross the pair as they cross a tap. Frames are taken in bursts with
 * recvmmsg() into slots that are mapped once and get their pages as they are touched, and given in
 * bursts with sendmmsg(), past the queueing discipline.
 *
 * What we send is charged to the socket until the guest's stack has taken it; a full send buffer
 * is the back-pressure (EAGAIN, then EPOLLOUT). What the guest sends waits in the receive buffer;
 * past its limit the kernel drops, which the guest's TCP repairs.
 */
#include "link/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <stdio.h>
#include <unistd.h>

#include "base/list.h"
#include "base/view.h"
#include "link/vnet.h"

/* Frame slots: header and frame, with the IP header on a 16-byte boundary, in whole pages. */
#define SLOT_LEAD 6 /* 6 + 12 + 14 = 32 */
#define SLOT_HDR  (SLOT_LEAD + VNET_HLEN - VNET_HLEN_SHORT)
#define SLOT_DATA (SLOT_LEAD + VNET_HLEN)
#define SLOT_LEN  69632
/* So many slots a call, which bounds what a burst of large frames touches to about 1 MiB. */
#define CALL_SLOTS  16
#define BURST_BYTES (1024 * 1024)
#define ARENA_LEN   ((size_t)LINK_BURST * SLOT_LEN)

/* Enough for a few round trips of super-segments; the kernel cuts it to what it allows. */
#define RCVBUF_LEN (16 * 1024 * 1024)
/* The guest's backlog holds 1,000 frames a CPU: less may wait than would overflow it. */
#define SNDBUF_LEN (2 * 1024 * 1024)

_Static_assert(SLOT_DATA + FRAME_MAX <= SLOT_LEN, "a frame fits its slot");

#define VLAN_TPID 0x8100

/* Control messages of one received frame: what the kernel took off it. */
union packet_aux {
	uint8_t buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct cmsghdr align;
};

struct packet_link {
	struct link link;
	uint8_t *arena;      /* LINK_BURST slots, mapped on demand */
	uint64_t rx_dropped; /* frames with an impossible header */
};

static struct packet_link *packet_of(struct link *l)
{
	return container_of(l, struct packet_link, link);
}

/* One recvmmsg() into the slots from `slot` on. Messages, 0, or -errno. */
static int packet_take(struct packet_link *p, int slot, int max, struct mmsghdr *msgs,
		       union packet_aux *aux)
{
	struct iovec iov[CALL_SLOTS];
	int n;

	for (int i = 0; i < max; i++) {
		iov[i].iov_base = p->arena + (size_t)(slot + i) * SLOT_LEN + SLOT_HDR;
		iov[i].iov_len = VNET_HLEN_SHORT + FRAME_MAX;
		msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i],
						       .msg_iovlen = 1,
						       .msg_control = aux[i].buf,
						       .msg_controllen = sizeof(aux[i].buf)}};
	}
	n = recvmmsg(p->link.fd, msgs, (unsigned)max, MSG_DONTWAIT, NULL);
	if (n >= 0)
		return n;
	/* EINVAL: one frame had offloads that the header cannot say; it is gone, others are not. */
	if (errno == EAGAIN || errno == EINTR || errno == EINVAL)
		return 0;
	return -errno;
}

/* The kernel hands a VLAN tag over beside the frame, which then looks as if it had none. */
static bool packet_was_tagged(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct tpacket_auxdata aux;

	if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
	    c->cmsg_len < CMSG_LEN(sizeof(aux)))
		return false;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	return aux.tp_status & TP_STATUS_VLAN_VALID;
}

static int packet_recv(struct link *l, struct frame *ret, int max)
{
	struct packet_link *p = packet_of(l);
	struct mmsghdr msgs[CALL_SLOTS];
	union packet_aux aux[CALL_SLOTS];
	size_t bytes = 0;
	int n = 0;

	if (max > LINK_BURST)
		max = LINK_BURST;
	for (int slot = 0; slot < max && bytes < BURST_BYTES;) {
		int want = max - slot < CALL_SLOTS ? max - slot : CALL_SLOTS;
		int got = packet_take(p, slot, want, msgs, aux);

		if (got < 0 && n == 0)
			return got;
		for (int i = 0; i < got; i++) {
			uint8_t *base = p->arena + (size_t)(slot + i) * SLOT_LEN;
			uint32_t len = msgs[i].msg_len;
			struct frame f = {.data = base + SLOT_DATA, .len = len - VNET_HLEN_SHORT};

			bytes += len;
			if ((msgs[i].msg_hdr.msg_flags & MSG_TRUNC) ||
			    len < VNET_HLEN_SHORT + ETH_HLEN || !vnet_parse(base + SLOT_HDR, &f)) {
				p->rx_dropped++;
				continue;
			}
			/* Its type says again that it is tagged: the stack drops and counts it. */
			if (packet_was_tagged(&msgs[i].msg_hdr))
				put_be16(f.data + 12, VLAN_TPID);
			ret[n++] = f;
		}
		if (got < want)
			break;
		slot += got;
	}
	return n;
}

/* True where the interface itself is gone; what else can go wrong is about one frame. */
static bool link_lost(int err)
{
	return err == ENXIO || err == ENODEV || err == EBADF;
}

static int packet_send(struct link *l, struct frame *frames, int n)
{
	struct mmsghdr msgs[LINK_BURST];
	struct iovec iov[LINK_BURST];
	int sent = 0;

	if (n > LINK_BURST)
		n = LINK_BURST;
	for (int i = 0; i < n; i++) {
		uint8_t *hdr = frames[i].data - VNET_HLEN_SHORT;

		vnet_put(hdr, VNET_HLEN_SHORT, &frames[i]);
		iov[i] = (struct iovec){hdr, VNET_HLEN_SHORT + frames[i].len};
		msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
	}
	while (sent < n) {
		int k = sendmmsg(l->fd, msgs + sent, (unsigned)(n - sent), MSG_DONTWAIT);

		if (k > 0) {
			sent += k;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return sent > 0 ? sent : -EAGAIN;
		if (link_lost(errno))
			return sent > 0 ? sent : -ENETDOWN;
		/* The first of the rest was refused: the pair is down, its queue full, or the frame
		 * over the MTU. As on a wire, it is lost. */
		l->tx_dropped++;
		sent++;
	}
	return sent;
}

static void packet_trim(struct link *l)
{
	madvise(packet_of(l)->arena, ARENA_LEN, MADV_DONTNEED);
}

static void packet_free(struct link *l)
{
	struct packet_link *p = packet_of(l);

	munmap(p->arena, ARENA_LEN);
	close(l->fd);
	free(p);
}

static const struct link_ops packet_ops = {
	.name = "packet",
	.recv = packet_recv,
	.send = packet_send,
	.trim = packet_trim,
	.free = packet_free,
};

/* The virtio-net header of packet sockets knows UDP super-segments from Linux 6.2 on. */
static bool kernel_has_uso(void)
{
	struct utsname u;
	unsigned major, minor;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 2);
}

/* Asks for a larger buffer than the system's limit first, which only root of the host may. */
static void grow_buffer(int fd, int force, int plain, int len)
{
	if (setsockopt(fd, SOL_SOCKET, force, &len, sizeof(len)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &len, sizeof(len));
}

struct link *link_packet_new(int fd, struct error *err)
{
	struct packet_link *p = calloc(1, sizeof(*p));
	const int on = 1;

	if (!p) {
		error_set(err, "no memory for the packet link");
		goto fail;
	}
	/* Harmless where the kernel lacks it: the frames then pass the (empty) queue of the pair.
	 */
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0) {
		error_set_errno(err, errno, "cannot ask the packet socket for VLAN tags");
		goto fail;
	}
	grow_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RCVBUF_LEN);
	grow_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF_LEN);
	p->arena = mmap(NULL, ARENA_LEN, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->arena == MAP_FAILED) {
		error_set_errno(err, errno, "cannot map the packet link's receive buffer");
		goto fail;
	}
	madvise(p->arena, ARENA_LEN, MADV_NOHUGEPAGE);
	p->link = (struct link){
		.ops = &packet_ops,
		.fd = fd,
		.caps = LINK_CSUM | LINK_TSO4 | LINK_TSO6 | (kernel_has_uso() ? LINK_USO : 0),
	};
	return &p->link;
fail:
	free(p);
	close(fd);
	return NULL;
}
