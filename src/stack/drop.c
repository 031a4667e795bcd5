// SPDX-License-Identifier: Apache-2.0
/*
 * The names of the drop reasons, as metrics and events spell them.
 */
#include "stack/stack.h"

static const char *const names[DROP_REASONS] = {
	[DROP_NONE] = "none",
	[DROP_TRUNCATED] = "truncated",
	[DROP_BAD_HEADER] = "bad-header",
	[DROP_BAD_CHECKSUM] = "bad-checksum",
	[DROP_ETHERTYPE] = "ethertype",
	[DROP_SPOOFED_SOURCE] = "spoofed-source",
	[DROP_NOT_FOR_US] = "not-for-us",
	[DROP_MULTICAST] = "multicast",
	[DROP_IP_OPTIONS] = "ip-options",
	[DROP_EXT_HEADERS] = "extension-headers",
	[DROP_FRAGMENT] = "fragment",
	[DROP_TTL] = "ttl",
	[DROP_PROTOCOL] = "protocol",
	[DROP_UNSPECIFIED] = "unspecified-destination",
	[DROP_FAMILY_OFF] = "family-off",
	[DROP_POLICY] = "policy",
	[DROP_TCP_WINDOW] = "tcp-window",
	[DROP_TCP_NO_CONN] = "tcp-no-connection",
	[DROP_TCP_LIMIT] = "tcp-limit",
	[DROP_LIMIT] = "limit",
	[DROP_TX_FULL] = "tx-full",
	[DROP_RATE] = "rate",
};

const char *drop_reason_name(enum drop_reason reason)
{
	if ((unsigned)reason >= DROP_REASONS || !names[reason])
		return "unknown";
	return names[reason];
}
