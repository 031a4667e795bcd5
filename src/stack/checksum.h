// SPDX-License-Identifier: Apache-2.0
/*
 * The Internet checksum (RFC 1071) over bytes and pseudo-headers, with AVX2 where the CPU has it.
 */
#ifndef WEIR_STACK_CHECKSUM_H
#define WEIR_STACK_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Adds len bytes to a running sum (which starts at 0). Every piece but the last must have an even
 * length. The sum is not folded. */
uint64_t csum_add(uint64_t sum, const void *data, size_t len);
/* Folds to 16 bits, in host order of big-endian words, not complemented. */
uint16_t csum_fold(uint64_t sum);
/* The pseudo-header's part (RFC 793 3.1, RFC 8200 8.1). */
uint64_t csum_pseudo(const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
		     uint32_t len);

/* The complete checksum field for an L4 packet whose field is zero; write it with put_be16(). For
 * UDP, 0 becomes 0xffff (udp.c does that). */
static inline uint16_t csum_l4(const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
			       const void *l4, size_t len)
{
	return (uint16_t)~csum_fold(csum_add(csum_pseudo(src, dst, proto, (uint32_t)len), l4, len));
}
/* True where the checksum in the packet is right. */
static inline int csum_l4_ok(const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
			     const void *l4, size_t len)
{
	return csum_l4(src, dst, proto, l4, len) == 0;
}

#endif
