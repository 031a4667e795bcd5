// SPDX-License-Identifier: Apache-2.0
/*
 * Long payloads that stay in guest memory (struct frame_tail), both ways.
 *
 * From the guest: headers are copied, the payload of a long TCP segment is not. The buffer that it
 * lies in is given back when the burst is over, and all that were taken behind it with it, so that
 * buffers stay in order. No message of the front end is looked at before that.
 *
 * To the guest: a lending reads the next buffers, as a frame of that size would, and goes back
 * again: nothing is taken. What is sent then takes those buffers as they were read, and only its
 * headers are copied. Anything else that happens to the device ends the lending.
 */
#include "link/vhost_user_dev.h"

#include "link/link.h"
#include "link/vhost_user_cursor.h"

_Static_assert(VU_KEPT_MAX >= LINK_BURST, "a whole burst can be kept");

bool vu_tail_keep(struct vu_dev *d, const struct virtq_chain *c, const uint8_t *hdr,
		  unsigned hdr_len, struct frame *f)
{
	uint32_t at = vnet_tcp_payload(hdr, f->data, VU_TAIL_HEAD);
	struct iovec *iov = d->kept_iov + d->kept_ranges;

	if (!at || d->tails_n == VU_KEPT_MAX)
		return false;
	struct vu_cursor cur = {d->ranges, c->n, 0};
	size_t n;
	for (size_t skip = hdr_len + at; vu_cursor_next(&cur, skip, &n); skip -= n)
		;
	int ranges = vu_cursor_ranges(&cur, f->len - at, iov, VU_KEPT_RANGES - d->kept_ranges);
	if (ranges < 0)
		return false;
	f->tail = &d->tails[d->tails_n];
	d->tails[d->tails_n++] =
		(struct frame_tail){.iov = iov, .n = ranges, .at = at, .room = f->data + at};
	d->kept_ranges += ranges;
	return true;
}

void vu_tail_release(struct vu_dev *d)
{
	d->lent_n = 0;
	for (int i = 0; i < d->kept_n; i++) {
		struct vu_ring *r = d->kept[i].ring;

		virtq_put(&r->q, &d->kept[i].chain, 0);
		if (i + 1 == d->kept_n || d->kept[i + 1].ring != r)
			vu_ring_flush(d, r);
	}
	d->kept_n = d->tails_n = d->kept_ranges = 0;
}

/* Room for one frame more, where there is some. False after a fault, too. */
static bool lend_one(struct vu_dev *d, uint32_t head, uint32_t payload)
{
	struct vu_lent *t = &d->lent[d->lent_n], *before = d->lent_n ? t - 1 : NULL;
	struct frame_tail *tail = &d->lent_tail[d->lent_n], *last = before ? tail - 1 : NULL;
	uint32_t headers = vu_dev_hdr_len(d) + head;
	size_t n;

	*t = (struct vu_lent){.chain = before ? before->chain + before->chains : 0,
			      .range = before ? before->range + before->ranges : 0,
			      .payload = payload};
	/* Every buffer that a driver may make has to fit, or it would look like a fault. */
	if (t->range > FRAME_TAIL_RANGES)
		return false;
	t->chains = vu_ring_gather(d, d->lent_ring, headers + payload, d->chains + t->chain,
				   d->ranges + t->range, &t->ranges);
	if (t->chains == -2)
		vu_ring_fault(d, d->lent_ring);
	if (t->chains <= 0)
		return false;
	struct vu_cursor cur = {d->ranges + t->range, t->ranges, 0};
	for (size_t skip = headers; vu_cursor_next(&cur, skip, &n); skip -= n)
		;
	struct iovec *iov = d->lent_iov + (last ? last->iov + last->n - d->lent_iov : 0);
	int ranges =
		vu_cursor_ranges(&cur, payload, iov, FRAME_TAIL_RANGES - (int)(iov - d->lent_iov));
	*tail = (struct frame_tail){.iov = iov, .n = ranges, .at = head};
	return ranges > 0;
}

int vu_tail_lend(struct vu_dev *d, const struct frame *head, uint32_t each, uint32_t total,
		 const struct frame_tail **ret)
{
	d->lent_n = d->lent_sent = 0;
	d->lent_ring = vu_ring_for(d, head);
	if (!d->lent_ring)
		return 0;
	struct virtq_mark before = virtq_mark(&d->lent_ring->q);
	while (total && d->lent_n < VU_LENT_MAX) {
		uint32_t here = total < each ? total : each;

		if (!lend_one(d, head->len, here))
			break;
		d->lent_n++;
		total -= here;
	}
	virtq_back(&d->lent_ring->q, before);
	if (d->stopped)
		d->lent_n = 0;
	*ret = d->lent_tail;
	return d->lent_n;
}

struct vu_ring *vu_tail_send(struct vu_dev *d, const struct frame *f)
{
	int i = d->lent_sent;
	struct vu_lent *t = &d->lent[i];
	struct vu_ring *r = d->lent_ring;
	uint8_t hdr[VNET_HLEN];
	int n = 0;

	if (i >= d->lent_n || f->tail != &d->lent_tail[i] || f->len - f->tail->at > t->payload)
		return NULL;
	size_t left = vu_dev_hdr_len(d) + f->len;
	for (size_t room = 0; room < left; n++)
		room += d->chains[t->chain + n].len;
	virtq_quiet(&r->q);
	struct vu_cursor cur = {d->ranges + t->range, t->ranges, 0};
	vu_cursor_write(&cur, hdr, vu_ring_header(d, hdr, f, n));
	vu_cursor_write(&cur, f->data, f->tail->at);
	for (int k = 0; k < n; k++) {
		const struct virtq_chain *c = &d->chains[t->chain + k];
		size_t here = c->len < left ? (size_t)c->len : left;

		virtq_pass(&r->q, c);
		virtq_put(&r->q, c, (uint32_t)here);
		left -= here;
	}
	d->lent_sent++;
	/* The next one's buffers are no longer the next ones. */
	if (n < t->chains)
		d->lent_n = 0;
	return r;
}
