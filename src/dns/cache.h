// SPDX-License-Identifier: Apache-2.0
/*
 * Answers kept for a sandbox: whole messages, positive and negative (RFC 2308), as they came from
 * the resolver and before the answer filter, which sees each use of one again.
 *
 * Keyed by name, type, class, DO and CD. TTLs count down in what is handed out; a message is gone
 * when its smallest TTL is over. The OPT record speaks of one hop alone and is not kept: see
 * restore.h. Not kept: what is truncated, SERVFAIL and other errors, answers with a TTL
 * of 0, negative ones without a SOA, and answers to questions that did not want recursion or had an
 * EDNS option of their own (a client subnet).
 *
 * Trust boundary: the guest picks the questions, and so hashing is keyed; the resolver picks the
 * answers, and what cannot be read whole is not kept.
 *
 * May use: base/, wire.h, rdata.h. Bounds: so many bytes as the owner says (with what each entry
 * costs besides), then the least recently used goes; one message of CACHE_MESSAGE_MAX bytes.
 * Sans-IO: the caller brings the time.
 */
#ifndef WEIR_DNS_CACHE_H
#define WEIR_DNS_CACHE_H

#include "dns/wire.h"

#define CACHE_MESSAGE_MAX 16384
#define CACHE_TTL_MAX_S   86400 /* a day: what is kept longer is asked again */
#define CACHE_NEG_MAX_S   10800 /* three hours (RFC 2308 5) */

struct dns_cache;

struct dns_cache *dns_cache_new(size_t max_bytes); /* NULL without memory */
void dns_cache_free(struct dns_cache *c);
/*
 * Takes a copy of an answer to q (checked by dns_answers()). What cannot be kept is ignored, but an
 * older answer goes where this one is whole and says otherwise.
 */
void dns_cache_put(struct dns_cache *c, const struct dns_query_view *q, struct view answer,
		   uint64_t now_us);
/*
 * Copies an answer with its TTLs counted down, the question's case, ID and RD as asked, and without
 * an OPT record; returns its length, 0 where there is none (or more than `cap`). *ret_prefetch: a
 * tenth of its time or less is left, and this is the first use that finds it so (ask again, once).
 */
size_t dns_cache_get(struct dns_cache *c, const struct dns_query_view *q, uint64_t now_us,
		     uint8_t *buf, size_t cap, bool *ret_prefetch);
void dns_cache_clear(struct dns_cache *c); /* the resolvers or the rules have changed */

struct dns_cache_counts {
	uint64_t hits, misses;
	uint64_t evicted; /* went for want of room */
	size_t entries, bytes;
};
struct dns_cache_counts dns_cache_counts(const struct dns_cache *c);

#endif
