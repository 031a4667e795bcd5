// SPDX-License-Identifier: Apache-2.0
/*
 * The ring of commands (virtio 1.2, 5.1.6.5), for front ends that leave it to their back end. There
 * is one command that needs an answer other than "no": how many pairs of rings the driver will use
 * (5.1.6.5.6). A driver that may use several has to be able to say so, hence the ring.
 */
#include "link/vhost_user_dev.h"

#include <string.h>

#define CLASS_MQ     4
#define MQ_PAIRS_SET 0
#define ANSWER_OK    0
#define ANSWER_NO    1

/* Commands that are answered in one turn. */
#define TURN_COMMANDS 8

int vu_ctrl_ring(const struct vu_dev *d)
{
	if (!(d->features & VIRTIO_NET_CTRL_VQ))
		return -1;
	return d->features & VIRTIO_NET_MQ ? 2 * VU_PAIRS_MAX : 2;
}

static uint8_t ctrl_do(struct vu_dev *d, const uint8_t *cmd, size_t len)
{
	uint16_t pairs;

	if (len < 4 || cmd[0] != CLASS_MQ || cmd[1] != MQ_PAIRS_SET)
		return ANSWER_NO;
	memcpy(&pairs, cmd + 2, sizeof(pairs));
	if (!pairs || pairs > VU_PAIRS_MAX)
		return ANSWER_NO;
	d->pairs = pairs;
	return ANSWER_OK;
}

void vu_ctrl_serve(struct vu_dev *d)
{
	int i = vu_ctrl_ring(d);
	struct vu_ring *r = i < 0 ? NULL : &d->rings[i];

	/* Not a ring that is enabled: it carries no frames. */
	if (!r || !r->running || d->stopped)
		return;
	for (int n = 0; n < TURN_COMMANDS; n++) {
		struct virtq_chain c;
		uint8_t cmd[4];
		size_t len = 0;
		int got = virtq_take(&r->q, VIRTQ_BOTH, &c, d->ranges, VU_FRAME_RANGES);

		if (got == 0 && virtq_wait(&r->q))
			continue;
		if (got < 0)
			vu_dev_stop(d, i, r->q.fault);
		if (got <= 0)
			break;
		for (int k = 0; k < c.n_read && len < sizeof(cmd); k++) {
			size_t here = d->ranges[k].iov_len;

			here = here < sizeof(cmd) - len ? here : sizeof(cmd) - len;
			memcpy(cmd + len, d->ranges[k].iov_base, here);
			len += here;
		}
		uint8_t answer = ctrl_do(d, cmd, len);
		if (c.n > c.n_read)
			memcpy(d->ranges[c.n_read].iov_base, &answer, 1);
		virtq_put(&r->q, &c, c.n > c.n_read);
	}
	vu_ring_flush(d, r);
}
