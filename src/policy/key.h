// SPDX-License-Identifier: Apache-2.0
/*
 * An address as two machine words, so that a prefix is tested with two ANDs and two compares.
 * IPv4 lies in the upper half of `hi`.
 */
#ifndef WEIR_POLICY_KEY_H
#define WEIR_POLICY_KEY_H

#include <endian.h>

#include "base/addr.h"

struct addr_key {
	uint64_t hi, lo;
	uint8_t family; /* 4 or 6 */
};

static inline struct addr_key addr_key(const struct ipaddr *a)
{
	struct addr_key k = {.family = a->family};
	uint64_t w[2];

	memcpy(w, a->b, sizeof(w));
	k.hi = be64toh(w[0]);
	k.lo = be64toh(w[1]);
	return k;
}

/* The mask of the first `bits` bits of an address of that family. */
static inline struct addr_key addr_key_mask(uint8_t family, unsigned bits)
{
	struct addr_key m = {.family = family};

	m.hi = bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
	m.lo = bits <= 64 ? 0 : bits >= 128 ? UINT64_MAX : UINT64_MAX << (128 - bits);
	return m;
}

static inline bool addr_key_in(struct addr_key a, const struct addr_key *net,
			       const struct addr_key *mask)
{
	return a.family == net->family && (a.hi & mask->hi) == net->hi &&
	       (a.lo & mask->lo) == net->lo;
}

#endif
