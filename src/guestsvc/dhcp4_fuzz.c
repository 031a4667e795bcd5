// SPDX-License-Identifier: Apache-2.0
/*
 * DHCPv4 messages from a hostile guest.
 */
#include <netinet/in.h>

#include "guestsvc/svc_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct svc_rig rig;
	static bool ready;
	if (!ready) {
		struct stack_config c = svc_config();
		svc_rig_init(&rig, &c);
		strcpy(rig.svc.search, "corp.example,lab.example");
		strcpy(rig.svc.hostname, "box");
		ready = true;
	}
	rig.out_n = 0;
	struct udp_datagram d = {
		.src = {.family = 4},
		.dst = {4, {255, 255, 255, 255}},
		.sport = 68,
		.dport = 67,
		.payload = view_make(data, size),
	};
	guestsvc_dhcp4(&rig.svc, svc_guest_mac, &d);
	stack_flush(&rig.stack);
	return 0;
}
