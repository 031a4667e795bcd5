// SPDX-License-Identifier: Apache-2.0
/*
 * The tap link: frames to and from a tap interface, with the virtio-net header and all offloads
 * that the kernel has.
 *
 * Theory of operation
 * -------------------
 * The kernel hands over one frame a read, of up to 64 KiB where the guest's TCP made it so. Frames
 * of a burst are packed one behind the other into an arena that is mapped once and gets its pages
 * as they are touched, so that a burst of small frames stays in a few pages of cache and one of
 * large frames ends at about 1 MiB. trim() gives the pages back.
 *
 * A burst ends with a read that finds nothing. Where frames come one at a time, as in a
 * conversation, that would be every second read: then one frame is a burst (the fd stays readable
 * where there are more), and only now and then it is looked whether that still holds.
 *
 * A write into a tap runs the guest's receive path and never has to wait; what the interface does
 * not take (it is down, or the frame is malformed) is lost there as it would be on a wire, and
 * counted. The tap lives in a namespace that the guest may own: it can be taken down, or away, at
 * any time, and neither is an error of ours.
 */
#include "link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/list.h"
#include "link/vnet.h"

/* Linux 6.2; older headers lack them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* A frame begins 6 bytes behind a cache line's start, so that its IP header is aligned. */
#define TAP_ALIGN     64
#define TAP_LEAD      6
#define TAP_FRAME_MAX (TAP_LEAD + VNET_HLEN + FRAME_MAX)
/* A burst of frames stops here: more would only push the first ones out of the cache. */
#define TAP_BURST_BYTES (384 * 1024) /* stays in the cache until the sockets have it */
#define TAP_ARENA       (TAP_BURST_BYTES + TAP_FRAME_MAX)
#define TAP_LONE        4 /* bursts of one small frame in a row that are a habit, */
#define TAP_LONE_CHECK  8 /* and of so many of these one is read to its end */
#define TAP_LONE_BYTES  2048

struct tap {
	struct link link;
	uint8_t *arena;      /* TAP_ARENA bytes, mapped on demand */
	uint64_t rx_dropped; /* frames with an impossible header */
	unsigned lone;       /* bursts of one frame in a row */
};

static struct tap *tap_of(struct link *l)
{
	return container_of(l, struct tap, link);
}

/* Reads that failed for the one frame at hand, not for the tap. */
static bool frame_only(int err)
{
	return err == EINVAL || err == EINTR;
}

/* How many frames to ask for. */
static int burst_size(const struct tap *t, int max)
{
	return t->lone >= TAP_LONE && t->lone % TAP_LONE_CHECK ? 1 : max;
}

static int tap_recv(struct link *l, struct frame *ret, int max)
{
	struct tap *t = tap_of(l);
	size_t used = 0;
	int n = 0;

	max = burst_size(t, max);
	for (int tries = 0; tries < max && used < TAP_BURST_BYTES; tries++) {
		uint8_t *hdr = t->arena + used + TAP_LEAD;
		ssize_t len = read(l->fd, hdr, VNET_HLEN + FRAME_MAX);

		if (len < 0) {
			if (frame_only(errno))
				continue;
			if (errno == EAGAIN || n > 0)
				break;
			return errno == EBADFD || errno == ENODEV ? -ENETDOWN : -errno;
		}
		if (len < VNET_HLEN + ETH_HLEN) {
			t->rx_dropped++;
			continue;
		}
		ret[n] = (struct frame){
			.data = hdr + VNET_HLEN,
			.len = (uint32_t)len - VNET_HLEN,
		};
		if (!vnet_parse(hdr, &ret[n])) {
			t->rx_dropped++;
			continue;
		}
		n++;
		used += ((size_t)len + TAP_LEAD + TAP_ALIGN - 1) & ~(size_t)(TAP_ALIGN - 1);
	}
	t->lone = n == 1 && ret[0].len <= TAP_LONE_BYTES ? t->lone + 1 : 0;
	return n;
}

static int tap_send(struct link *l, struct frame *frames, int n)
{
	for (int i = 0; i < n; i++) {
		uint8_t *hdr = frames[i].data - VNET_HLEN;

		vnet_put(hdr, VNET_HLEN, &frames[i]);
		if (write(l->fd, hdr, VNET_HLEN + frames[i].len) >= 0)
			continue;
		switch (errno) {
		case EINTR:
			i--; /* nothing was taken */
			break;
		case EAGAIN:
			return i > 0 ? i : -EAGAIN;
		case EBADFD:
		case ENODEV:
			return i > 0 ? i : -ENETDOWN;
		default:
			/* EIO: the interface is down. ENOBUFS, ENOMEM: a tap does not tell when
			 * that is over, so to wait would be to spin. EINVAL: not to the kernel's
			 * taste. */
			l->tx_dropped++;
			break;
		}
	}
	return n;
}

static void tap_trim(struct link *l)
{
	madvise(tap_of(l)->arena, TAP_ARENA, MADV_DONTNEED);
}

static void tap_free(struct link *l)
{
	struct tap *t = tap_of(l);

	munmap(t->arena, TAP_ARENA);
	close(l->fd);
	free(t);
}

static const struct link_ops tap_ops = {
	.name = "tap",
	.recv = tap_recv,
	.send = tap_send,
	.trim = tap_trim,
	.free = tap_free,
};

/* Header size and offloads; the best set of them that this kernel has. */
static int tap_set_up(int fd, uint32_t *ret_caps, struct error *err)
{
	static const struct {
		unsigned long tun;
		uint32_t caps;
	} sets[] = {
		{TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6,
		 LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_USO | LINK_UFO},
		{TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
		 LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_UFO},
		{TUN_F_CSUM, LINK_CSUM | LINK_UFO},
		{0, 0},
	};
	int hdr_len = VNET_HLEN;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set_errno(err, errno, "cannot make the tap non-blocking");
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_len) < 0)
		return error_set_errno(err, errno, "cannot set the tap's virtio-net header size");
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if (ioctl(fd, TUNSETOFFLOAD, sets[i].tun) == 0) {
			*ret_caps = sets[i].caps;
			return 0;
		}
	}
	return error_set_errno(err, errno, "cannot set the tap's offloads");
}

struct link *link_tap_new(int fd, struct error *err)
{
	struct tap *t = calloc(1, sizeof(*t));
	uint32_t caps = 0;

	if (!t) {
		error_set(err, "no memory for the tap link");
		goto fail;
	}
	if (tap_set_up(fd, &caps, err) < 0)
		goto fail;
	t->arena = mmap(NULL, TAP_ARENA, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->arena == MAP_FAILED) {
		error_set_errno(err, errno, "cannot map the tap's receive buffer");
		goto fail;
	}
	/* A huge page for a single small frame would be all that an idle gateway weighs. */
	madvise(t->arena, TAP_ARENA, MADV_NOHUGEPAGE);
	t->link = (struct link){.ops = &tap_ops, .fd = fd, .caps = caps};
	return &t->link;
fail:
	free(t);
	close(fd);
	return NULL;
}
