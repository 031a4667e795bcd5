// SPDX-License-Identifier: Apache-2.0
/*
 * Rings of a hostile guest: the input is guest memory, rings, tables and buffers and all, and the
 * device serves what it finds there.
 *
 * Input: a byte of switches, a byte of ring size, then up to MEM_LEN bytes of memory. The transmit
 * ring lies at its start, the receive ring behind it; a second region follows the first one's
 * guest addresses, so that buffers may cross from one into the other. Between the turns the memory
 * is changed, as another CPU of the guest's could.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "link/link.h"
#include "link/vhost_user_dev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each input is an error worth a line: in place of base/log.c, for nobody to read. */
void log_line(enum log_level level, const char *fmt, ...)
{
}

void log_line_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
}

#define MEM_LEN 16384u
#define GPA     0x1000u

enum {
	AT_TX = 0,
	AT_RX = 0x1000,
	AT_AVAIL = 0x400, /* of either */
	AT_USED = 0x800,
};

enum {
	WITH_PACKED = 1 << 0,
	WITH_EVENT_IDX = 1 << 1,
	WITH_INDIRECT = 1 << 2,
	WITH_MRG = 1 << 3,
	WITH_OFFLOADS = 1 << 4,
	WITH_VERSION_1 = 1 << 5,
	WITH_TWO_REGIONS = 1 << 6,
	WITH_BASE = 1 << 7,
};

static struct vu_dev dev;
static uint8_t *mem;

static void set_up(void)
{
	struct error err;

	if (vu_dev_init(&dev, "fuzz", &err) < 0)
		abort();
	/* No sanitizer knows the bounds of a mapping, so it ends at pages that nobody may touch. */
	uint8_t *all =
		mmap(NULL, MEM_LEN + 2 * 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED || mprotect(all + 65536, MEM_LEN, PROT_READ | PROT_WRITE) < 0)
		abort();
	mem = all + 65536;
}

static void map_memory(bool two)
{
	uint64_t half = two ? MEM_LEN / 2 : MEM_LEN;

	dev.mem = (struct vu_mem){.n = two ? 2 : 1};
	for (unsigned i = 0; i < dev.mem.n; i++)
		dev.mem.regions[i] = (struct vu_region){.gpa = GPA + i * half,
							.uva = 0x100000 + i * half,
							.size = half,
							.host = mem + i * half,
							.guard = -1};
}

static bool start(unsigned i, uint16_t ring_size, uint64_t at, bool with_base)
{
	struct vu_ring *r = &dev.rings[i];
	struct virtq_mark base = {.at = with_base ? ring_size / 2 : 0, .wrap = true};

	*r = (struct vu_ring){.kick_fd = -1, .call_fd = -1, .err_fd = -1, .size = ring_size};
	r->q = (struct virtq){.mem = &dev.mem,
			      .packed = dev.features & VIRTIO_RING_PACKED,
			      .event_idx = dev.features & VIRTIO_RING_EVENT_IDX,
			      .indirect = dev.features & VIRTIO_RING_INDIRECT,
			      .size = ring_size,
			      .desc = mem + at,
			      .avail = mem + at + AT_AVAIL,
			      .used = mem + at + AT_USED};
	if (!virtq_size_valid(r->q.packed, ring_size) || !virtq_aligned(&r->q))
		return false;
	virtq_start(&r->q, base, base);
	r->running = r->enabled = true;
	return true;
}

/* What is at data, and what is not, is there to be read; and so is all of it in one piece. */
static uint32_t read_frame(struct frame *f)
{
	uint32_t sum = 0;

	if (f->len < ETH_HLEN || f->len > FRAME_MAX || frame_head(f) > f->len)
		abort();
	for (uint32_t j = 0; j < frame_head(f); j++)
		sum += f->data[j];
	if (!f->tail)
		return sum;
	size_t len = 0;
	for (int i = 0; i < f->tail->n; i++) {
		const struct iovec *v = &f->tail->iov[i];
		for (size_t j = 0; j < v->iov_len; j++)
			sum += ((uint8_t *)v->iov_base)[j];
		len += v->iov_len;
	}
	if (len != f->len - f->tail->at || f->meta.gso == FRAME_GSO_UDP_L4)
		abort();
	frame_whole(f);
	for (uint32_t j = 0; j < f->len; j++)
		sum += f->data[j];
	return sum;
}

/* Frames into what is lent; the guest may change its descriptors before they are sent. */
static void lend_and_send(uint32_t seed)
{
	static uint8_t heads[VU_LENT_MAX][FRAME_VNET_ROOM + 66];
	struct frame f[VU_LENT_MAX] = {{.data = heads[0] + FRAME_VNET_ROOM, .len = 66}};
	const struct frame_tail *tails;
	uint32_t each = 1 + seed % 5000, ranges = 0;
	int n = vu_tail_lend(&dev, &f[0], each, each * (1 + seed / 7 % 4), &tails);

	if (n < 0 || n > VU_LENT_MAX || (n && dev.stopped))
		abort();
	for (int i = 0; i < n; i++) {
		size_t len = 0;

		if (tails[i].iov != tails[0].iov + ranges || tails[i].at != 66)
			abort();
		for (int k = 0; k < tails[i].n; k++, ranges++) {
			memset(tails[i].iov[k].iov_base, (int)seed, tails[i].iov[k].iov_len);
			len += tails[i].iov[k].iov_len;
		}
		if (!len || len > each)
			abort();
		f[i] = (struct frame){.data = heads[i] + FRAME_VNET_ROOM,
				      .len = 66 + (uint32_t)(i + 1 < n ? len : 1 + seed % len),
				      .tail = &tails[i]};
	}
	if (seed & 64)
		memset(mem + AT_RX, (int)seed, 256);
	if (n && vu_net_send(&dev, f, n) != n)
		abort();
}

static void turn(uint32_t seed)
{
	static uint8_t bytes[FRAME_VNET_ROOM + FRAME_MAX];
	struct frame in[LINK_BURST], out[3];
	volatile uint32_t sum = 0;
	bool more;

	int n = vu_net_recv(&dev, in, LINK_BURST, &more);
	for (int i = 0; i < n; i++)
		sum = sum + read_frame(&in[i]);
	lend_and_send(seed);
	if (seed & 32)
		vu_tail_release(&dev);
	for (int i = 0; i < 3; i++)
		out[i] = (struct frame){.data = bytes + FRAME_VNET_ROOM,
					.len = i == 2 ? 1 + seed % FRAME_MAX : 60 + seed % 1454};
	if (out[2].len < ETH_HLEN)
		out[2].len = ETH_HLEN;
	int sent = vu_net_send(&dev, out, 3);
	if (sent < 0 && vu_net_wait_room(&dev) && dev.dry < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!mem)
		set_up();
	if (size < 2)
		return 0;
	uint8_t with = data[0];
	uint16_t ring_size = data[1] & 63;
	dev.features = (with & WITH_PACKED ? VIRTIO_RING_PACKED : 0) |
		       (with & WITH_EVENT_IDX ? VIRTIO_RING_EVENT_IDX : 0) |
		       (with & WITH_INDIRECT ? VIRTIO_RING_INDIRECT : 0) |
		       (with & WITH_MRG ? VIRTIO_NET_MRG_RXBUF : 0) |
		       (with & WITH_OFFLOADS
				? VIRTIO_NET_GUEST_CSUM | VIRTIO_NET_GUEST_TSO4 | VIRTIO_NET_CTRL_VQ
				: 0) |
		       (with & WITH_VERSION_1 ? VIRTIO_VERSION_1 : 0);
	dev.stopped = false;
	dev.kept_n = dev.tails_n = dev.kept_ranges = dev.lent_n = 0;
	dev.dry = -1;
	data += 2;
	size -= 2;
	memset(mem, 0, MEM_LEN);
	memcpy(mem, data, size < MEM_LEN ? size : MEM_LEN);
	map_memory(with & WITH_TWO_REGIONS);
	if (!start(1, ring_size, AT_TX, with & WITH_BASE) ||
	    !start(0, ring_size, AT_RX, with & WITH_BASE))
		return 0;
	/* The ring of commands lies over the transmit ring: requests, and frames as well. */
	dev.rings[2].running = false;
	if (dev.features & VIRTIO_NET_CTRL_VQ)
		start(2, ring_size, AT_TX, false);
	for (uint32_t i = 0; i < 6 && !dev.stopped; i++) {
		turn((uint32_t)size * 31 + i * 977);
		/* The guest makes its descriptors available again. */
		memcpy(mem + AT_TX, data, size < AT_AVAIL ? size : AT_AVAIL);
		mem[AT_TX + AT_AVAIL + 2]++;
		mem[AT_RX + AT_AVAIL + 2]++;
	}
	return 0;
}
