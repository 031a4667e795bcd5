// SPDX-License-Identifier: Apache-2.0
/*
 * SipHash-1-3 (Aumasson, Bernstein 2012): the keyed hash behind every table that a guest can fill,
 * and behind initial sequence numbers.
 */
#ifndef WEIR_BASE_SIPHASH_H
#define WEIR_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct sipkey {
	uint64_t k0, k1;
};

/* A random key from the kernel. */
void sipkey_random(struct sipkey *ret);
uint64_t siphash(const struct sipkey *key, const void *data, size_t len);

#endif
