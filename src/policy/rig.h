// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of this room: addresses and names from text, which fail the test where they are none.
 * To be included behind cmocka.h. Not part of the program.
 */
#ifndef WEIR_POLICY_RIG_H
#define WEIR_POLICY_RIG_H

#include "policy/policy.h"

static inline struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	if (!ipaddr_parse(text, &a))
		fail_msg("not an address: %s", text);
	return a;
}

static inline struct name name(const char *text)
{
	struct name n;

	if (name_read(text, strlen(text), &n) != NAME_OK)
		fail_msg("not a name: %s", text);
	return n;
}

#endif
