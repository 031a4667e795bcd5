// SPDX-License-Identifier: Apache-2.0
/*
 * For tests: well-formed answers made at random, with names compressed wherever that may be, and
 * mutations of them. The same seed makes the same message.
 */
#ifndef WEIR_DNS_RANDOM_MSG_H
#define WEIR_DNS_RANDOM_MSG_H

#include "dns/rig.h"

#define RANDOM_POOL 128

struct random_msg {
	struct rig rig; /* the message is rig.msg, rig.w.len bytes */
	uint64_t seed;
	size_t ech; /* parameters with ech= in it */
	/* Places of labels that a pointer may lead to. */
	struct {
		uint16_t at;
		uint8_t len; /* of the name from there on, without compression */
		uint8_t hops;
	} pool[RANDOM_POOL];
	size_t pool_n;
};

/* A number from 0 to n - 1. */
uint32_t random_below(struct random_msg *g, uint32_t n);
void random_answer(struct random_msg *g);
/* Changes a few bytes, lengths or counts, or cuts the message. */
void random_mutate(struct random_msg *g);

#endif
