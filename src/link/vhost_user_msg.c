// SPDX-License-Identifier: Apache-2.0
/* The messages of the front end, and what they do to the device. */
#include "link/vhost_user_dev.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define OFFERED                                                                                  \
	(VIRTIO_NET_CSUM | VIRTIO_NET_GUEST_CSUM | VIRTIO_NET_MTU | VIRTIO_NET_GUEST_TSO4 |      \
	 VIRTIO_NET_GUEST_TSO6 | VIRTIO_NET_GUEST_ECN | VIRTIO_NET_HOST_TSO4 |                   \
	 VIRTIO_NET_HOST_TSO6 | VIRTIO_NET_HOST_ECN | VIRTIO_NET_MRG_RXBUF | VIRTIO_NET_STATUS | \
	 VIRTIO_NET_CTRL_VQ | VIRTIO_NET_MQ | VIRTIO_NET_GUEST_USO4 | VIRTIO_NET_GUEST_USO6 |    \
	 VIRTIO_NET_HOST_USO | VIRTIO_RING_INDIRECT | VIRTIO_RING_EVENT_IDX |                    \
	 VHOST_USER_PROTOCOL | VIRTIO_VERSION_1 | VIRTIO_RING_PACKED | VIRTIO_IN_ORDER)

#define OFFERED_PROTO                                                                            \
	(VU_PROTO_MQ | VU_PROTO_RARP | VU_PROTO_REPLY_ACK | VU_PROTO_NET_MTU | VU_PROTO_CONFIG | \
	 VU_PROTO_INFLIGHT_SHMFD | VU_PROTO_RESET_DEVICE | VU_PROTO_CONFIGURE_SLOTS)

/* ---- payloads ---- */

static uint64_t msg_u64(const struct vu_msg *m)
{
	uint64_t v;

	memcpy(&v, m->payload, sizeof(v));
	return v;
}

static void reply_u64(struct vu_reply *r, uint64_t v)
{
	memcpy(r->msg.payload, &v, sizeof(v));
	r->msg.size = sizeof(v);
	r->due = true;
}

/* Index and number, where the index is that of a ring. */
static struct vu_ring *msg_ring(struct vu_dev *d, const struct vu_msg *m, struct vu_vring_state *s,
				struct error *err)
{
	memcpy(s, m->payload, sizeof(*s));
	if (s->index < VU_RINGS_MAX)
		return &d->rings[s->index];
	error_set(err, "a message about ring %u; there are %d", s->index, VU_RINGS_MAX);
	return NULL;
}

/* ---- features ---- */

static int on_get_features(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r,
			   struct error *err)
{
	reply_u64(r, OFFERED);
	return 0;
}

static int on_set_features(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r,
			   struct error *err)
{
	uint64_t f = msg_u64(m);

	if (f & ~OFFERED)
		return error_set(err, "features that were not offered (0x%" PRIx64 ")",
				 f & ~OFFERED);
	if (vu_rings_running(d) &&
	    ((f ^ d->features) & (VIRTIO_RING_PACKED | VIRTIO_RING_EVENT_IDX)))
		return error_set(err, "the layout of rings changes while they run");
	d->features = f;
	return 0;
}

static int on_get_protocol(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r,
			   struct error *err)
{
	reply_u64(r, OFFERED_PROTO);
	return 0;
}

static int on_set_protocol(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r,
			   struct error *err)
{
	uint64_t f = msg_u64(m);

	if (f & ~OFFERED_PROTO)
		return error_set(err, "protocol features that were not offered (0x%" PRIx64 ")",
				 f & ~OFFERED_PROTO);
	d->proto = f;
	return 0;
}

static int on_queue_num(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	reply_u64(r, VU_PAIRS_MAX);
	return 0;
}

static int on_max_slots(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	reply_u64(r, VU_REGIONS_MAX);
	return 0;
}

static int on_nothing(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	return 0;
}

static int on_reset(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	for (unsigned i = 0; i < VU_RINGS_MAX; i++)
		vu_ring_reset(d, &d->rings[i]);
	vu_inflight_clear(d);
	d->features = 0;
	d->pairs = 0;
	d->stopped = false;
	return 0;
}

/* ---- memory ---- */

static struct vu_region_desc region_at(const uint8_t *p)
{
	struct vu_mem_region w;

	memcpy(&w, p, sizeof(w));
	return (struct vu_region_desc){
		.gpa = w.gpa, .size = w.size, .uva = w.uva, .mmap_offset = w.mmap_offset};
}

static int on_mem_table(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	struct vu_mem fresh = {.n = 0};
	uint32_t n;

	memcpy(&n, m->payload, sizeof(n));
	if (n > VU_FDS_MAX || m->size < 8 + n * sizeof(struct vu_mem_region) || m->nfds != (int)n)
		return error_set(err, "a memory table of %u regions with %d files", n, m->nfds);
	for (uint32_t i = 0; i < n; i++) {
		struct vu_region_desc w =
			region_at(m->payload + 8 + i * sizeof(struct vu_mem_region));

		if (vu_mem_add(&fresh, &w, m->fds[i], err) < 0) {
			vu_mem_clear(&fresh);
			return -1;
		}
	}
	vu_mem_clear(&d->mem);
	d->mem = fresh;
	vu_rings_resolve(d);
	return 0;
}

static int on_add_region(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	struct vu_region_desc w = region_at(m->payload + 8);

	if (m->nfds != 1)
		return error_set(err, "a region of memory with %d files", m->nfds);
	/* QEMU 7.2 says so once for each pair of rings. */
	vu_mem_remove(&d->mem, &w);
	if (vu_mem_add(&d->mem, &w, m->fds[0], err) < 0)
		return -1;
	vu_rings_resolve(d);
	return 0;
}

static int on_remove_region(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r,
			    struct error *err)
{
	struct vu_region_desc w = region_at(m->payload + 8);

	/* The same here: it may have gone already. */
	vu_mem_remove(&d->mem, &w);
	vu_rings_resolve(d);
	return 0;
}

/* ---- rings ---- */

static int on_vring_num(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	struct vu_vring_state s;
	struct vu_ring *ring = msg_ring(d, m, &s, err);

	if (!ring)
		return -1;
	if (ring->running)
		return error_set(err, "ring %u is resized while it runs", s.index);
	if (!s.num || s.num > VIRTQ_SIZE_MAX)
		return error_set(err, "ring %u is to have %u entries; 1 to %d are possible",
				 s.index, s.num, VIRTQ_SIZE_MAX);
	ring->size = (uint16_t)s.num;
	return 0;
}

static int on_vring_addr(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	struct vu_vring_addr a;

	memcpy(&a, m->payload, sizeof(a));
	if (a.index >= VU_RINGS_MAX)
		return error_set(err, "a message about ring %u; there are %d", a.index,
				 VU_RINGS_MAX);
	struct vu_ring *ring = &d->rings[a.index];
	ring->addr = a;
	ring->has_addr = true;
	if (ring->running && !vu_ring_resolve(d, ring)) {
		vu_ring_stop(d, ring);
		return error_set(err, "ring %u is moved out of guest memory", a.index);
	}
	return 0;
}

static int on_vring_base(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	struct vu_vring_state s;
	struct vu_ring *ring = msg_ring(d, m, &s, err);

	if (!ring)
		return -1;
	if (ring->running)
		return error_set(err, "ring %u is moved on while it runs", s.index);
	if (!(d->features & VIRTIO_RING_PACKED)) {
		ring->next = ring->done = (struct virtq_mark){.at = (uint16_t)s.num};
		return 0;
	}
	ring->next.at = s.num & VU_BASE_SLOT;
	ring->next.wrap = s.num & VU_BASE_WRAP;
	ring->done.at = s.num >> 16 & VU_BASE_SLOT;
	ring->done.wrap = s.num >> 16 & VU_BASE_WRAP;
	return 0;
}

static uint32_t base_of(const struct virtq_mark *m)
{
	return m->at | (m->wrap ? VU_BASE_WRAP : 0);
}

static int on_get_base(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	struct vu_vring_state s;
	struct vu_ring *ring = msg_ring(d, m, &s, err);

	if (!ring)
		return -1;
	vu_ring_stop(d, ring);
	s.num = ring->next.at;
	if (d->features & VIRTIO_RING_PACKED)
		s.num = base_of(&ring->next) | base_of(&ring->done) << 16;
	memcpy(r->msg.payload, &s, sizeof(s));
	r->msg.size = sizeof(s);
	r->due = true;
	return 0;
}

static int on_vring_enable(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r,
			   struct error *err)
{
	struct vu_vring_state s;
	struct vu_ring *ring = msg_ring(d, m, &s, err);

	if (!ring)
		return -1;
	ring->discard = ring->running && !s.num;
	ring->enabled = s.num;
	return 0;
}

/* Its eventfd, where it has one: *ret_fd is taken out of the message, or -1. */
static struct vu_ring *msg_ring_fd(struct vu_dev *d, struct vu_msg *m, unsigned *ret_i, int *ret_fd,
				   struct error *err)
{
	uint64_t v = msg_u64(m);
	int fd;

	*ret_i = v & VU_VRING_INDEX_MASK;
	*ret_fd = -1;
	if (*ret_i >= VU_RINGS_MAX || v & ~(VU_VRING_INDEX_MASK | VU_VRING_NO_FD) ||
	    m->nfds != (v & VU_VRING_NO_FD ? 0 : 1)) {
		error_set(err, "an eventfd for ring 0x%" PRIx64 ", with %d files", v, m->nfds);
		return NULL;
	}
	if (v & VU_VRING_NO_FD)
		return &d->rings[*ret_i];
	fd = vu_msg_take_fd(m, 0);
	/* A blocking eventfd that nobody reads would hold us up once it is full. */
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		close(fd);
		error_set_errno(err, errno, "an eventfd for ring %u that cannot be used", *ret_i);
		return NULL;
	}
	*ret_fd = fd;
	return &d->rings[*ret_i];
}

static int on_vring_kick(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	unsigned i;
	int fd;
	struct vu_ring *ring = msg_ring_fd(d, m, &i, &fd, err);

	if (!ring)
		return -1;
	if (fd < 0)
		return error_set(err, "ring %u is to be polled, which weir does not do", i);
	vu_ring_unwatch(d, ring);
	ring->kick_fd = fd;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u32 = VU_KICK_TAG + i};
	if (d->epoll_fd >= 0 && epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		vu_fd_close(&ring->kick_fd);
		return error_set_errno(err, errno, "cannot wait for ring %u", i);
	}
	return ring->running ? 0 : vu_ring_start(d, i, err);
}

static int on_vring_call(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	unsigned i;
	int fd;
	struct vu_ring *ring = msg_ring_fd(d, m, &i, &fd, err);

	if (!ring)
		return -1;
	vu_fd_close(&ring->call_fd);
	ring->call_fd = fd;
	return 0;
}

static int on_vring_err(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	unsigned i;
	int fd;
	struct vu_ring *ring = msg_ring_fd(d, m, &i, &fd, err);

	if (!ring)
		return -1;
	vu_fd_close(&ring->err_fd);
	ring->err_fd = fd;
	return 0;
}

/* ---- configuration space (virtio 1.2, 5.1.4) ---- */

static void config_space(const struct vu_dev *d, uint8_t space[VU_CONFIG_MAX])
{
	const uint16_t link_up = 1, pairs = VU_PAIRS_MAX;

	memset(space, 0, VU_CONFIG_MAX);
	memcpy(space + 6, &link_up, 2);
	memcpy(space + 8, &pairs, 2);
	memcpy(space + 10, &d->mtu, 2);
	memset(space + 12, 0xff, 5); /* speed and duplex: unknown */
}

static int on_get_config(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err)
{
	struct vu_config_hdr h;
	uint8_t space[VU_CONFIG_MAX];

	memcpy(&h, m->payload, sizeof(h));
	if (h.offset > VU_CONFIG_MAX || h.size > VU_CONFIG_MAX - h.offset)
		return error_set(err, "configuration beyond its end");
	config_space(d, space);
	memcpy(r->msg.payload, &h, sizeof(h));
	memcpy(r->msg.payload + sizeof(h), space + h.offset, h.size);
	r->msg.size = (uint32_t)sizeof(h) + h.size;
	r->due = true;
	return 0;
}

/* ---- in flight ---- */

static int on_get_inflight(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r,
			   struct error *err)
{
	struct vu_inflight_msg w = {0};

	memcpy(&w, m->payload, VU_INFLIGHT_MSG_LEN);
	if (!w.num_queues || w.num_queues > VU_RINGS_MAX || !w.queue_size ||
	    w.queue_size > VIRTQ_SIZE_MAX)
		return error_set(err, "an in-flight area for %u rings of %u", w.num_queues,
				 w.queue_size);
	w = vu_inflight_want(d, w.num_queues, w.queue_size);
	int fd = vu_inflight_make(&w, err);
	if (fd < 0)
		return -1;
	if (vu_inflight_set(d, &w, fd, err) < 0) {
		close(fd);
		return -1;
	}
	memcpy(r->msg.payload, &w, VU_INFLIGHT_MSG_LEN);
	r->msg.size = VU_INFLIGHT_MSG_LEN;
	r->due = true;
	r->fd = fd;
	return 0;
}

static int on_set_inflight(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r,
			   struct error *err)
{
	struct vu_inflight_msg w = {0};

	memcpy(&w, m->payload, VU_INFLIGHT_MSG_LEN);
	if (m->nfds != 1)
		return error_set(err, "an in-flight area with %d files", m->nfds);
	return vu_inflight_set(d, &w, m->fds[0], err);
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	int (*fn)(struct vu_dev *d, struct vu_msg *m, struct vu_reply *r, struct error *err);
	uint32_t size; /* least bytes of payload */
} messages[VU_REQUEST_MAX + 1] = {
	[VU_GET_FEATURES] = {"GET_FEATURES", on_get_features, 0},
	[VU_SET_FEATURES] = {"SET_FEATURES", on_set_features, 8},
	[VU_SET_OWNER] = {"SET_OWNER", on_nothing, 0},
	[VU_RESET_OWNER] = {"RESET_OWNER", on_reset, 0},
	[VU_SET_MEM_TABLE] = {"SET_MEM_TABLE", on_mem_table, 8},
	[VU_SET_VRING_NUM] = {"SET_VRING_NUM", on_vring_num, 8},
	[VU_SET_VRING_ADDR] = {"SET_VRING_ADDR", on_vring_addr, sizeof(struct vu_vring_addr)},
	[VU_SET_VRING_BASE] = {"SET_VRING_BASE", on_vring_base, 8},
	[VU_GET_VRING_BASE] = {"GET_VRING_BASE", on_get_base, 8},
	[VU_SET_VRING_KICK] = {"SET_VRING_KICK", on_vring_kick, 8},
	[VU_SET_VRING_CALL] = {"SET_VRING_CALL", on_vring_call, 8},
	[VU_SET_VRING_ERR] = {"SET_VRING_ERR", on_vring_err, 8},
	[VU_GET_PROTOCOL_FEATURES] = {"GET_PROTOCOL_FEATURES", on_get_protocol, 0},
	[VU_SET_PROTOCOL_FEATURES] = {"SET_PROTOCOL_FEATURES", on_set_protocol, 8},
	[VU_GET_QUEUE_NUM] = {"GET_QUEUE_NUM", on_queue_num, 0},
	[VU_SET_VRING_ENABLE] = {"SET_VRING_ENABLE", on_vring_enable, 8},
	/* After a migration: there is nobody here whom the guest's place would interest. */
	[VU_SEND_RARP] = {"SEND_RARP", on_nothing, 8},
	[VU_NET_SET_MTU] = {"NET_SET_MTU", on_nothing, 8},
	[VU_GET_CONFIG] = {"GET_CONFIG", on_get_config, sizeof(struct vu_config_hdr)},
	/* Nothing in it is the guest's to change. */
	[VU_SET_CONFIG] = {"SET_CONFIG", on_nothing, sizeof(struct vu_config_hdr)},
	[VU_GET_INFLIGHT_FD] = {"GET_INFLIGHT_FD", on_get_inflight, VU_INFLIGHT_MSG_LEN},
	[VU_SET_INFLIGHT_FD] = {"SET_INFLIGHT_FD", on_set_inflight, VU_INFLIGHT_MSG_LEN},
	[VU_RESET_DEVICE] = {"RESET_DEVICE", on_reset, 0},
	[VU_GET_MAX_MEM_SLOTS] = {"GET_MAX_MEM_SLOTS", on_max_slots, 0},
	[VU_ADD_MEM_REG] = {"ADD_MEM_REG", on_add_region, 8 + sizeof(struct vu_mem_region)},
	[VU_REM_MEM_REG] = {"REM_MEM_REG", on_remove_region, 8 + sizeof(struct vu_mem_region)},
};

int vu_dev_message(struct vu_dev *d, struct vu_msg *m, struct vu_reply *reply, struct error *err)
{
	int r;

	*reply = (struct vu_reply){.msg = {.request = m->request}, .fd = -1};
	if (m->request > VU_REQUEST_MAX || !messages[m->request].fn) {
		r = error_set(err, "request %u is not known", m->request);
	} else if (m->size < messages[m->request].size) {
		r = error_set(err, "%u bytes are too few", m->size);
	} else {
		log_debug("%s: %s", d->name, messages[m->request].name);
		r = messages[m->request].fn(d, m, reply, err);
	}
	if (r < 0)
		error_prefix(err, "vhost-user message %u (%s)", m->request,
			     m->request <= VU_REQUEST_MAX && messages[m->request].name
				     ? messages[m->request].name
				     : "unknown");
	/* REPLY_ACK: zero is success. Requests with an answer of their own have no other. */
	if (!reply->due && (m->flags & VU_FLAG_NEED_REPLY) && (d->proto & VU_PROTO_REPLY_ACK))
		reply_u64(reply, r < 0);
	return r;
}
