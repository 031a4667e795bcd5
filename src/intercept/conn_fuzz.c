// SPDX-License-Identifier: Apache-2.0
/*
 * A guest that says anything to a connection that is looked into, in any pieces, with an upstream
 * that reads, stalls, answers or ends. What must hold whatever it says:
 *	- of what the guest said nothing reaches an upstream whose handshake is not over;
 *	- the guest sees one stream: what was shown at a place is what is shown there again (the
 *rig);
 *	- what is queued is bounded, and is given back in the end.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "intercept/rig.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void drain_peers(void)
{
	uint8_t buf[16384];

	if (r.server)
		for (int i = 0; i < 4 && rig_server_hears(buf, sizeof(buf)) > 0; i++)
			;
	if (r.guest)
		for (int i = 0; i < 4 && rig_guest_hears(buf, sizeof(buf)) > 0; i++)
			;
}

static void step(uint8_t op, const uint8_t *p, size_t n)
{
	switch (op % 8) {
	case 0: /* bytes of the guest's, below its TLS or instead of it */
		buf_append(&r.said, p, n);
		break;
	case 1: /* through its TLS, once that is there */
		if (r.guest && tls_end_handshake(r.guest) == 0)
			tls_end_write(r.guest, p, n); /* may have broken off */
		break;
	case 2:
		if (r.server && tls_end_handshake(r.server) == 0)
			rig_server_says(p, n);
		else if (!r.server)
			rig_server_says(p, n);
		break;
	case 3: /* of the server, of the key holder, of the policy for names and for targets */
		r.server_stalls = n & 1;
		r.keep_leaves = n & 2;
		r.deny = n & 4;
		r.deny_target = n & 8;
		break;
	case 4:
		r.window = n * n;
		break;
	case 5:
		rig_advance(n * 100000);
		break;
	case 6:
		if (n & 1)
			r.fin = true;
		else if (r.server)
			tls_end_shut(r.server);
		break;
	case 7:
		if (n == 255)
			shutdown(r.fd, SHUT_WR);
		r.chunk = n;
		break;
	}
	rig_turns(2);
	drain_peers();
	require(r.sb.intercept->queued <= 2 * INTERCEPT_OUT_MAX + 262144);
}

static void begin(uint8_t how)
{
	r.http_rule = how & 4;
	r.secrets.count = how >> 3 & 1;
	if ((how & 3) == 3) {
		rig_open_dot();
		rig_guest_tls("dns.test", "");
		return;
	}
	rig_open(how & 16 ? 80 : 443);
	if ((how & 3) == 0)
		return;
	rig_guest_tls("secret.test", how & 32 ? "\x02h2" : "\x08http/1.1");
	rig_server_tls("secret.test", (how & 3) == 1 ? "" : how & 32 ? "h2" : "http/1.1");
	if (how & 64)
		rig_shaken();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	srand(1);
	rig_start();
	begin(data[0]);
	for (size_t at = 1; at + 2 <= size;) {
		uint8_t op = data[at];
		size_t n = data[at + 1] * (op & 0x80 ? 8u : 1u);

		at += 2;
		n = n < size - at ? n : size - at;
		step(op & 0x7f, data + at, n);
		if ((op & 0x7f) % 8 < 3)
			at += n;
	}
	rig_close();
	rig_turns(2);
	rig_advance(60000000);
	require(r.sb.intercept->queued == 0 && r.sb.intercept->conn_n == 0);
	rig_stop();
	return 0;
}
