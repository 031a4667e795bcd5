// SPDX-License-Identifier: Apache-2.0
/* SipHash-1-3: one round a word, three at the end. */
#include "base/siphash.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

void sipkey_random(struct sipkey *ret)
{
	if (getrandom(ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret))
		return;
	/* Only a kernel without the call comes here; addresses and time are better than a constant.
	 */
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ret->k0 = (uint64_t)ts.tv_nsec * 0x9e3779b97f4a7c15u ^ (uintptr_t)ret;
	ret->k1 = (uint64_t)ts.tv_sec * 0xbf58476d1ce4e5b9u ^ (uintptr_t)&ts;
}

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

struct sipstate {
	uint64_t a, b, c, d;
};

static inline void sip_round(struct sipstate *s)
{
	s->a += s->b;
	s->b = rotl(s->b, 13) ^ s->a;
	s->a = rotl(s->a, 32);
	s->c += s->d;
	s->d = rotl(s->d, 16) ^ s->c;
	s->a += s->d;
	s->d = rotl(s->d, 21) ^ s->a;
	s->c += s->b;
	s->b = rotl(s->b, 17) ^ s->c;
	s->c = rotl(s->c, 32);
}

uint64_t siphash(const struct sipkey *key, const void *data, size_t len)
{
	struct sipstate s = {
		key->k0 ^ 0x736f6d6570736575u,
		key->k1 ^ 0x646f72616e646f6du,
		key->k0 ^ 0x6c7967656e657261u,
		key->k1 ^ 0x7465646279746573u,
	};
	const uint8_t *p = data;
	uint64_t last = (uint64_t)len << 56, word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		s.d ^= word;
		sip_round(&s);
		s.a ^= word;
	}
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)p[i] << (8 * i);
	s.d ^= last;
	sip_round(&s);
	s.a ^= last;
	s.c ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}
