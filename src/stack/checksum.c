// SPDX-License-Identifier: Apache-2.0
/*
 * The Internet checksum (RFC 1071).
 *
 * A running sum is kept in the byte order of the machine and in 64 bits: the one's complement sum
 * does not care in which order bytes are paired as long as the result is swapped once at the end
 * (RFC 1071 section 2 (B)), and 64 bits hold the carries of any packet. Two ways to add: eight
 * bytes at a time, and 64 at a time with AVX2 where the CPU has it.
 */
#include "stack/checksum.h"

#include <endian.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Below this length the set-up of the vector loop costs more than it saves. */
#define VECTOR_MIN 128

static uint64_t add_words(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t w;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		sum += (w & 0xffffffff) + (w >> 32);
	}
	if (len) {
		/* The tail, padded with zeros behind it in memory order. */
		w = 0;
		memcpy(&w, p, len);
		sum += (w & 0xffffffff) + (w >> 32);
	}
	return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t add_avx2(uint64_t sum, const uint8_t *p,
							 size_t *len)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a = _mm256_setzero_si256(), b = a;
	uint64_t lanes[4];
	size_t n = *len / 64;

	*len -= n * 64;
	for (; n; n--, p += 64) {
		__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
		__m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
		a = _mm256_add_epi64(a, _mm256_and_si256(x, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(x, 32));
		a = _mm256_add_epi64(a, _mm256_and_si256(y, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(y, 32));
	}
	_mm256_storeu_si256((__m256i *)(void *)lanes, _mm256_add_epi64(a, b));
	return sum + lanes[0] + lanes[1] + lanes[2] + lanes[3];
}
#endif

uint64_t csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

#if defined(__x86_64__)
	if (len >= VECTOR_MIN && __builtin_cpu_supports("avx2")) {
		size_t rest = len;
		sum = add_avx2(sum, p, &rest);
		p += len - rest;
		len = rest;
	}
#endif
	return add_words(sum, p, len);
}

uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return be16toh((uint16_t)sum);
}

uint64_t csum_pseudo(const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
		     uint32_t len)
{
	uint64_t sum = add_words(0, src->b, ipaddr_len(src));

	sum = add_words(sum, dst->b, ipaddr_len(dst));
	return sum + htobe32(len) + htobe16(proto);
}
