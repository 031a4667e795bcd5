// SPDX-License-Identifier: Apache-2.0
/* The device: its rings, from their start to their end, and what stops all of them. */
#include "link/vhost_user_dev.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "link/link.h"
#include "link/vnet.h"

/* ---- rings ---- */

void vu_ring_unwatch(struct vu_dev *d, struct vu_ring *r)
{
	if (r->kick_fd >= 0 && d->epoll_fd >= 0)
		epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, r->kick_fd, NULL);
	vu_fd_close(&r->kick_fd);
}

void vu_ring_stop(struct vu_dev *d, struct vu_ring *r)
{
	if (r->running) {
		r->next = r->q.next;
		r->done = r->q.done;
		vu_inflight_settled(r);
	}
	r->running = r->discard = r->primed = false;
	if (d->dry == r - d->rings)
		d->dry = -1;
	vu_ring_unwatch(d, r);
}

void vu_ring_reset(struct vu_dev *d, struct vu_ring *r)
{
	vu_ring_stop(d, r);
	vu_fd_close(&r->call_fd);
	vu_fd_close(&r->err_fd);
	*r = (struct vu_ring){.kick_fd = -1, .call_fd = -1, .err_fd = -1};
}

bool vu_ring_resolve(struct vu_dev *d, struct vu_ring *r)
{
	struct virtq *q = &r->q;
	struct virtq_areas len = virtq_areas(q->packed, q->event_idx, q->size);

	q->mem = &d->mem;
	q->desc = vu_mem_at_uva(&d->mem, r->addr.desc, len.desc);
	q->avail = vu_mem_at_uva(&d->mem, r->addr.avail, len.avail);
	q->used = vu_mem_at_uva(&d->mem, r->addr.used, len.used);
	return q->desc && q->avail && q->used && virtq_aligned(q);
}

bool vu_rings_running(const struct vu_dev *d)
{
	for (unsigned i = 0; i < VU_RINGS_MAX; i++)
		if (d->rings[i].running)
			return true;
	return false;
}

int vu_ring_start(struct vu_dev *d, unsigned i, struct error *err)
{
	struct vu_ring *r = &d->rings[i];
	bool packed = d->features & VIRTIO_RING_PACKED;

	if (!r->has_addr || !virtq_size_valid(packed, r->size))
		return error_set(err, "ring %u is to start without addresses or a valid size", i);
	if (packed && (r->next.at >= r->size || r->done.at >= r->size))
		return error_set(err, "ring %u is to start outside of itself", i);
	r->q.packed = packed;
	r->q.event_idx = d->features & VIRTIO_RING_EVENT_IDX;
	r->q.indirect = d->features & VIRTIO_RING_INDIRECT;
	r->q.size = r->size;
	if (!vu_ring_resolve(d, r))
		return error_set(err, "ring %u is not in guest memory", i);
	vu_inflight_resume(d, i);
	virtq_start(&r->q, r->next, r->done);
	if (!vu_rings_running(d))
		d->stopped = false;
	r->running = true;
	/* Without the protocol features there is no message that enables a ring. */
	if (!(d->features & VHOST_USER_PROTOCOL))
		r->enabled = true;
	/* Frames for the guest wait for nothing; those of the guest are looked for at once. */
	if (i & 1 || (int)i == vu_ctrl_ring(d))
		virtq_wait(&r->q);
	else
		virtq_quiet(&r->q);
	return 0;
}

void vu_dev_stop(struct vu_dev *d, int ring, const char *why)
{
	const uint64_t one = 1;

	if (d->stopped)
		return;
	d->stopped = true;
	if (ring >= 0)
		log_line_limited(&d->log, LOG_ERROR, "%s: device stopped: ring %d: %s", d->name,
				 ring, why);
	else
		log_line_limited(&d->log, LOG_ERROR, "%s: device stopped: %s", d->name, why);
	for (unsigned i = 0; i < VU_RINGS_MAX; i++)
		if (d->rings[i].err_fd >= 0 && write(d->rings[i].err_fd, &one, sizeof(one)) < 0)
			log_debug("%s: nobody hears of the error", d->name);
}

void vu_rings_resolve(struct vu_dev *d)
{
	for (unsigned i = 0; i < VU_RINGS_MAX; i++)
		if (d->rings[i].running && !vu_ring_resolve(d, &d->rings[i])) {
			vu_ring_stop(d, &d->rings[i]);
			vu_dev_stop(d, (int)i, "its memory was taken away");
		}
}

/* ---- life ---- */

unsigned vu_dev_hdr_len(const struct vu_dev *d)
{
	/* 5.1.6.1: legacy devices without mergeable buffers have no num_buffers. */
	return d->features & (VIRTIO_VERSION_1 | VIRTIO_NET_MRG_RXBUF) ? VNET_HLEN
								       : VNET_HLEN_SHORT;
}

uint32_t vu_dev_caps(const struct vu_dev *d)
{
	uint64_t f = d->features;
	uint32_t caps = 0;

	if (!(f & VIRTIO_NET_GUEST_CSUM))
		return 0;
	caps |= LINK_CSUM;
	caps |= f & VIRTIO_NET_GUEST_TSO4 ? LINK_TSO4 : 0;
	caps |= f & VIRTIO_NET_GUEST_TSO6 ? LINK_TSO6 : 0;
	caps |= f & VIRTIO_NET_GUEST_USO4 && f & VIRTIO_NET_GUEST_USO6 ? LINK_USO : 0;
	return caps;
}

int vu_dev_init(struct vu_dev *d, const char *name, struct error *err)
{
	memset(d, 0, offsetof(struct vu_dev, ranges));
	d->epoll_fd = -1;
	d->name = name;
	d->mtu = 1500;
	d->dry = -1;
	d->inflight.guard = -1;
	for (unsigned i = 0; i < VU_RINGS_MAX; i++)
		d->rings[i] = (struct vu_ring){.kick_fd = -1, .call_fd = -1, .err_fd = -1};
	if (!virtq_usable())
		return error_set(err, "%s: vhost-user needs a little-endian machine", name);
	return vu_net_init(d, err);
}

void vu_dev_reset(struct vu_dev *d)
{
	for (unsigned i = 0; i < VU_RINGS_MAX; i++) {
		/* Gone, not stopped in order: what is in flight stays noted. */
		d->rings[i].running = false;
		vu_ring_reset(d, &d->rings[i]);
	}
	vu_inflight_clear(d);
	vu_mem_clear(&d->mem);
	d->features = d->proto = 0;
	d->pairs = 0;
	d->stopped = false;
}

void vu_dev_done(struct vu_dev *d)
{
	vu_dev_reset(d);
	vu_net_done(d);
}
