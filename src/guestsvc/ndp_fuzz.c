// SPDX-License-Identifier: Apache-2.0
/*
 * ICMPv6 neighbour discovery messages, and ARP, from a hostile guest.
 */
#include <netinet/in.h>

#include "guestsvc/svc_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct svc_rig *rig = svc_rig_of_fuzzers();

	/* The first byte says from which address, and whether it is ARP. */
	if (size < 1)
		return 0;
	struct packet p = {
		.src = (data[0] & 1) ? svc_guest_ll : (struct ipaddr){.family = 6},
		.dst = {6, {0xff, 2, [11] = 1, 0xff, [15] = 1}},
		.proto = IPPROTO_ICMPV6,
		.ttl = 255,
		.csum_ok = true,
		.l4 = view_make(data + 1, size - 1),
	};
	/* Time goes on, so that the limit of advertisements does not stop every answer. */
	stack_set_now(&rig->stack, stack_now(&rig->stack) + 1000000);
	rig->svc.proxy_arp = data[0] & 2;
	if (data[0] & 4)
		guestsvc_arp(&rig->svc, svc_guest_mac, p.l4);
	else
		guestsvc_ndp(&rig->svc, svc_guest_mac, &p);
	stack_flush(&rig->stack);
	return 0;
}
