// SPDX-License-Identifier: Apache-2.0
/*
 * Which names a guest asked for, and which addresses it was told: "this IP was the answer to that
 * name, for this guest, until then".
 *
 * A name has at most one set of addresses in each family; a later answer replaces it, but an
 * address that is pinned (an open flow uses it) or whose own time has not run out stays. Times are
 * those of the caller's monotonic clock.
 *
 * May use: base/. Bounds: BINDINGS_MAX (name, address) pairs a sandbox, then the oldest goes
 * (counted); BINDING_NAMES_MAX names at one address, then the oldest of that address goes.
 */
#ifndef WEIR_POLICY_BINDINGS_H
#define WEIR_POLICY_BINDINGS_H

#include "base/addr.h"
#include "base/name.h"

#define BINDINGS_MAX      65536
#define BINDING_NAMES_MAX 64
#define BINDING_MIN_TTL_S 60     /* clients keep answers longer than they should */
#define BINDING_MAX_TTL_S 604800 /* a week (RFC 8767 4) */

struct bindings;

struct bindings *bindings_new(size_t max); /* NULL without memory */
void bindings_free(struct bindings *b);

/* An answer: the addresses (all of `family`, 4 or 6) of a name, for ttl_s seconds from now. None:
 * NXDOMAIN or NODATA, which removes what was bound and is not pinned. */
void bindings_put(struct bindings *b, const struct name *name, uint8_t family,
		  const struct ipaddr *addrs, size_t n, uint32_t ttl_s, uint64_t now_us);
/* Names bound to an address now, the newest first: at most BINDING_NAMES_MAX, valid until the next
 * call that changes b. */
size_t bindings_of(struct bindings *b, const struct ipaddr *a, uint64_t now_us,
		   const struct name *ret[BINDING_NAMES_MAX]);
bool bindings_has(struct bindings *b, const struct ipaddr *a, const struct name *name,
		  uint64_t now_us);
/* A flow to the address opens (what is bound to it stays) and ends. Counted; an address that is not
 * bound is no error. */
void bindings_pin(struct bindings *b, const struct ipaddr *a);
void bindings_unpin(struct bindings *b, const struct ipaddr *a);
/* Removes each name for which `keep` says no, pinned or not: the policy has changed. */
void bindings_judge(struct bindings *b, bool (*keep)(void *arg, const struct name *), void *arg);

struct bindings_counts {
	size_t pairs;
	uint64_t evicted; /* pairs that had to go because the table was full */
};
struct bindings_counts bindings_counts(const struct bindings *b);
/* Every pair, for listings: seconds left, 0 where only a flow holds it. */
void bindings_each(struct bindings *b, uint64_t now_us,
		   void (*fn)(void *arg, const struct name *, const struct ipaddr *,
			      uint32_t left_s, unsigned pins),
		   void *arg);

#endif
