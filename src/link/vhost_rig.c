// SPDX-License-Identifier: Apache-2.0
/* A front end of vhost-user: memory, rings, and the messages about them. */
#include "link/vhost_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 5000 /* for an answer */

/* ---- messages ---- */

bool rig_say(struct rig *g, uint32_t request, uint32_t flags, const void *payload, uint32_t len,
	     const int *fds, int n)
{
	uint32_t hdr[3] = {request, VU_FLAG_VERSION | flags, len};
	struct iovec iov[2] = {{hdr, sizeof(hdr)}, {(void *)(uintptr_t)payload, len}};
	union {
		uint8_t buf[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	if (n) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(h), fds, (size_t)n * sizeof(int));
	}
	return sendmsg(g->sock, &m, MSG_NOSIGNAL) == (ssize_t)(sizeof(hdr) + len);
}

/* Some bytes of an answer, with an fd where one is there. */
static ssize_t hear_some(struct rig *g, void *to, size_t len, int *ret_fd)
{
	union {
		uint8_t buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {to, len};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof(control.buf)};

	for (int waited = 0; waited < WAIT_MS;) {
		struct pollfd p = {.fd = g->sock, .events = POLLIN};

		if (g->o.pump)
			g->o.pump(g->o.ctx);
		if (poll(&p, 1, g->o.pump ? 0 : 100) == 0) {
			waited += g->o.pump ? 1 : 100;
			continue;
		}
		ssize_t n = recvmsg(g->sock, &m, MSG_CMSG_CLOEXEC);
		struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
		if (h && h->cmsg_type == SCM_RIGHTS && ret_fd)
			memcpy(ret_fd, CMSG_DATA(h), sizeof(int));
		return n;
	}
	return -1;
}

bool rig_hear(struct rig *g, uint32_t request, void *payload, uint32_t len, int *ret_fd)
{
	uint32_t hdr[3];
	uint8_t body[VU_PAYLOAD_MAX];

	if (hear_some(g, hdr, sizeof(hdr), ret_fd) != sizeof(hdr) || hdr[0] != request ||
	    hdr[1] != (VU_FLAG_VERSION | VU_FLAG_REPLY) || hdr[2] > sizeof(body) || hdr[2] < len ||
	    hear_some(g, body, hdr[2], NULL) != (ssize_t)hdr[2]) {
		g->failed = true;
		return false;
	}
	memcpy(payload, body, len);
	return true;
}

bool rig_do(struct rig *g, uint32_t request, const void *payload, uint32_t len, const int *fds,
	    int n)
{
	uint64_t failure = 1;

	if (!rig_say(g, request, VU_FLAG_NEED_REPLY, payload, len, fds, n) ||
	    !rig_hear(g, request, &failure, sizeof(failure), NULL) || failure) {
		g->failed = true;
		return false;
	}
	return true;
}

static bool rig_do_u64(struct rig *g, uint32_t request, uint64_t v)
{
	return rig_do(g, request, &v, sizeof(v), NULL, 0);
}

static bool rig_ask_u64(struct rig *g, uint32_t request, uint64_t *ret)
{
	return rig_say(g, request, 0, NULL, 0, NULL, 0) &&
	       rig_hear(g, request, ret, sizeof(*ret), NULL);
}

static bool rig_do_state(struct rig *g, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_vring_state s = {index, num};

	return rig_do(g, request, &s, sizeof(s), NULL, 0);
}

/* ---- memory and rings ---- */

static size_t buf_len(const struct rig *g, unsigned i)
{
	return i & 1 ? RIG_TX_BUF : g->o.rx_buf;
}

static size_t pages(size_t n)
{
	return (n + 4095) & ~(size_t)4095;
}

bool rig_make(struct rig *g, const struct rig_options *o)
{
	memset(g, 0, sizeof(*g));
	g->o = *o;
	g->sock = g->inflight_fd = -1;
	g->o.pairs = o->pairs ? o->pairs : 1;
	g->o.size = o->size ? o->size : RIG_SIZE;
	g->o.rx_buf = o->rx_buf ? o->rx_buf : 2048;
	g->o.segs = o->segs ? o->segs : 1;
	g->rings = 2 * g->o.pairs;
	g->hdr_len = o->features & (VIRTIO_VERSION_1 | VIRTIO_NET_MRG_RXBUF) ? 12 : 10;
	g->len0 = (size_t)g->rings * RIG_RING_BYTES;
	for (unsigned i = 0; i < g->rings; i++)
		g->len1 += pages(buf_len(g, i) * g->o.size);
	g->mem_fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (g->mem_fd < 0 || ftruncate(g->mem_fd, (off_t)(g->len0 + g->len1)) < 0)
		return false;
	if (!o->unsealed && fcntl(g->mem_fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return false;
	g->mem = mmap(NULL, g->len0 + g->len1, PROT_READ | PROT_WRITE, MAP_SHARED, g->mem_fd, 0);
	if (g->mem == MAP_FAILED)
		return false;
	size_t bufs = 0;
	for (unsigned i = 0; i < g->rings; i++) {
		struct rig_ring *r = &g->ring[i];
		size_t at = (size_t)i * RIG_RING_BYTES;

		*r = (struct rig_ring){
			.packed = o->features & VIRTIO_RING_PACKED,
			.event_idx = o->features & VIRTIO_RING_EVENT_IDX,
			.writable = !(i & 1),
			.indirect = (i & 1) && o->indirect,
			.size = g->o.size,
			.segs = i & 1 ? g->o.segs : 1,
			.desc = g->mem + at,
			.avail = g->mem + at + 0x8000,
			.used = g->mem + at + 0xa000,
			.tables = g->mem + at + 0x10000,
			.desc_uva = RIG_UVA0 + at,
			.avail_uva = RIG_UVA0 + at + 0x8000,
			.used_uva = RIG_UVA0 + at + 0xa000,
			.tables_gpa = RIG_GPA0 + at + 0x10000,
			.bufs = g->mem + g->len0 + bufs,
			.bufs_gpa = RIG_GPA1 + bufs,
			.buf_len = (uint32_t)buf_len(g, i),
			.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		};
		bufs += pages((size_t)r->buf_len * g->o.size);
		rig_ring_init(r);
	}
	return true;
}

bool rig_share_memory(struct rig *g)
{
	struct {
		uint32_t n, pad;
		struct vu_mem_region r[2];
	} table = {2,
		   0,
		   {{RIG_GPA0, g->len0, RIG_UVA0, 0}, {RIG_GPA1, g->len1, RIG_UVA1, g->len0}}};
	int fds[2] = {g->mem_fd, g->mem_fd};

	if (!g->o.add_regions)
		return rig_do(g, VU_SET_MEM_TABLE, &table, sizeof(table), fds, 2);
	for (int i = 0; i < 2; i++) {
		struct {
			uint64_t pad;
			struct vu_mem_region r;
		} one = {0, table.r[i]};

		if (!rig_do(g, VU_ADD_MEM_REG, &one, sizeof(one), fds, 1))
			return false;
	}
	return true;
}

uint32_t rig_base(const struct rig *g, unsigned i)
{
	const struct rig_ring *r = &g->ring[i];

	if (!r->packed)
		return 0;
	return r->used_idx | (r->used_wrap ? VU_BASE_WRAP : 0) |
	       (r->used_idx | (r->used_wrap ? VU_BASE_WRAP : 0)) << 16;
}

void rig_set_base(struct rig *g, unsigned i, uint32_t base)
{
	rig_do_state(g, VU_SET_VRING_BASE, i, base);
}

bool rig_start_ring(struct rig *g, unsigned i)
{
	struct rig_ring *r = &g->ring[i];
	struct vu_vring_addr a = {
		.index = i, .desc = r->desc_uva, .avail = r->avail_uva, .used = r->used_uva};
	uint64_t index = i;

	return rig_do_state(g, VU_SET_VRING_NUM, i, r->size) &&
	       rig_do(g, VU_SET_VRING_ADDR, &a, sizeof(a), NULL, 0) &&
	       rig_do(g, VU_SET_VRING_CALL, &index, sizeof(index), &r->call_fd, 1) &&
	       rig_do(g, VU_SET_VRING_KICK, &index, sizeof(index), &r->kick_fd, 1) &&
	       (!(g->o.features & VHOST_USER_PROTOCOL) ||
		rig_do_state(g, VU_SET_VRING_ENABLE, i, 1));
}

uint32_t rig_stop_ring(struct rig *g, unsigned i)
{
	struct vu_vring_state s = {i, 0};

	if (!rig_say(g, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0) ||
	    !rig_hear(g, VU_GET_VRING_BASE, &s, sizeof(s), NULL))
		return 0;
	return s.num;
}

static bool rig_inflight(struct rig *g)
{
	struct vu_inflight_msg m = {.num_queues = (uint16_t)g->rings, .queue_size = g->o.size};

	if (g->inflight_fd >= 0)
		return rig_do(g, VU_SET_INFLIGHT_FD, g->inflight_msg, VU_INFLIGHT_MSG_LEN,
			      &g->inflight_fd, 1);
	return rig_say(g, VU_GET_INFLIGHT_FD, 0, &m, VU_INFLIGHT_MSG_LEN, NULL, 0) &&
	       rig_hear(g, VU_GET_INFLIGHT_FD, g->inflight_msg, VU_INFLIGHT_MSG_LEN,
			&g->inflight_fd) &&
	       g->inflight_fd >= 0 &&
	       rig_do(g, VU_SET_INFLIGHT_FD, g->inflight_msg, VU_INFLIGHT_MSG_LEN, &g->inflight_fd,
		      1);
}

bool rig_attach(struct rig *g, int sock)
{
	uint64_t offered, proto, pairs;

	g->sock = sock;
	g->failed = false;
	if (!rig_ask_u64(g, VU_GET_FEATURES, &offered) || (g->o.features & ~offered) ||
	    !rig_ask_u64(g, VU_GET_PROTOCOL_FEATURES, &proto) || !(proto & VU_PROTO_REPLY_ACK))
		return false;
	if (!rig_say(g, VU_SET_PROTOCOL_FEATURES, 0, &proto, sizeof(proto), NULL, 0) ||
	    !rig_do(g, VU_SET_OWNER, NULL, 0, NULL, 0) ||
	    !rig_ask_u64(g, VU_GET_QUEUE_NUM, &pairs) || pairs < g->o.pairs ||
	    !rig_do_u64(g, VU_SET_FEATURES, g->o.features) || !rig_share_memory(g))
		return false;
	if (g->o.inflight && !rig_inflight(g))
		return false;
	for (unsigned i = 0; i < g->rings; i++) {
		if (g->ring[i].packed)
			rig_set_base(g, i, rig_base(g, i));
		else
			rig_set_base(g, i, g->ring[i].used_idx);
		if (!rig_start_ring(g, i))
			return false;
	}
	return !g->failed;
}

void rig_detach(struct rig *g)
{
	if (g->sock >= 0)
		close(g->sock);
	g->sock = -1;
}

void rig_free(struct rig *g)
{
	rig_detach(g);
	for (unsigned i = 0; i < g->rings; i++) {
		close(g->ring[i].kick_fd);
		close(g->ring[i].call_fd);
	}
	if (g->mem && g->mem != MAP_FAILED)
		munmap(g->mem, g->len0 + g->len1);
	if (g->mem_fd >= 0)
		close(g->mem_fd);
	if (g->inflight_fd >= 0)
		close(g->inflight_fd);
	memset(g, 0, sizeof(*g));
	g->sock = g->mem_fd = g->inflight_fd = -1;
}
