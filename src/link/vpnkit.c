// SPDX-License-Identifier: Apache-2.0
/* The handshake of vpnkit, our side of it. */
#include "link/vpnkit.h"

#include "base/frame.h"

static const uint8_t magic[5] = {'V', 'M', 'N', '3', 'T'};

enum {
	COMMAND_ETHERNET = 1,
	COMMAND_PREFERRED_IP = 8, /* Ethernet, with an address that the guest would like */
};

void vpnkit_reset(struct vpnkit *k)
{
	k->greeted = k->done = false;
}

static void put_le16(struct wbuf *w, uint16_t v)
{
	wbuf_put_u8(w, (uint8_t)v);
	wbuf_put_u8(w, (uint8_t)(v >> 8));
}

static void put_reply(const struct vpnkit *k, struct wbuf *out)
{
	wbuf_put_u8(out, 1);
	put_le16(out, k->mtu);
	put_le16(out, (uint16_t)(k->mtu + ETH_HLEN));
	wbuf_put_bytes(out, k->mac, 6);
	wbuf_put_zero(out, VPNKIT_REPLY - 11);
}

bool vpnkit_input(struct vpnkit *k, struct view *in, struct wbuf *out)
{
	struct view msg;

	if (!k->greeted) {
		size_t n = in->len < sizeof(magic) ? in->len : sizeof(magic);

		if (memcmp(in->p, magic, n) != 0)
			return false;
		if (!view_take(in, VPNKIT_INIT, &msg))
			return true;
		wbuf_put_bytes(out, msg.p, msg.len);
		k->greeted = true;
	}
	if (!k->done) {
		if (in->len && in->p[0] != COMMAND_ETHERNET && in->p[0] != COMMAND_PREFERRED_IP)
			return false;
		if (!view_take(in, VPNKIT_COMMAND, &msg))
			return true;
		put_reply(k, out);
		k->done = true;
	}
	return true;
}
