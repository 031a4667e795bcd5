// SPDX-License-Identifier: Apache-2.0
/*
 * An address as two machine words, so that a prefix is tested with two XORs and two ANDs.
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

/* The mask of the first `bits` bits of an address, 0..128. */
static inline uint64_t addr_mask_hi(unsigned bits)
{
	return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

static inline uint64_t addr_mask_lo(unsigned bits)
{
	return bits <= 64 ? 0 : bits >= 128 ? UINT64_MAX : UINT64_MAX << (128 - bits);
}

/* True where the first `bits` bits of both are the same, whatever their families. */
static inline bool addr_key_eq_bits(const struct addr_key *a, const struct addr_key *b,
				    unsigned bits)
{
	return ((a->hi ^ b->hi) & addr_mask_hi(bits)) == 0 &&
	       ((a->lo ^ b->lo) & addr_mask_lo(bits)) == 0;
}

static inline bool addr_key_in(const struct addr_key *a, const struct addr_key *net, unsigned bits)
{
	return a->family == net->family && addr_key_eq_bits(a, net, bits);
}

#endif
