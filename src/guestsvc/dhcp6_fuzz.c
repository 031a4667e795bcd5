// SPDX-License-Identifier: Apache-2.0
/*
 * DHCPv6 messages from a hostile guest.
 */
#include <netinet/in.h>

#include "guestsvc/svc_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct svc_rig *rig = svc_rig_of_fuzzers();

	struct udp_datagram d = {
		.src = svc_guest_ll,
		.dst = {6, {0xff, 2, [13] = 1, [15] = 2}},
		.sport = 546,
		.dport = 547,
		.payload = view_make(data, size),
	};
	guestsvc_dhcp6(&rig->svc, svc_guest_mac, &d);
	stack_flush(&rig->stack);
	return 0;
}
