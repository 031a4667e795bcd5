// SPDX-License-Identifier: Apache-2.0
/*
 * DHCPv4 messages from a hostile guest.
 */
#include <netinet/in.h>

#include "guestsvc/svc_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct svc_rig *rig = svc_rig_of_fuzzers();

	struct udp_datagram d = {
		.src = {.family = 4},
		.dst = {4, {255, 255, 255, 255}},
		.sport = 68,
		.dport = 67,
		.payload = view_make(data, size),
	};
	guestsvc_dhcp4(&rig->svc, svc_guest_mac, &d);
	stack_flush(&rig->stack);
	return 0;
}
