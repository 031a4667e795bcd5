// SPDX-License-Identifier: Apache-2.0
/*
 * Answers kept for a sandbox: whole messages, positive and negative (RFC 2308), as they came from
 * the resolver and before the answer filter, which sees each use of one again.
 *
 * Keyed by name, type, class, DO and CD. TTLs count down in what is handed out; a message is gone
 * when its smallest TTL is over. Not kept: what is truncated, SERVFAIL and other transient errors,
 * and answers whose smallest TTL is 0.
 *
 * May use: base/, wire.h. Bounds: so many bytes as the owner says, then the least recently used
 * goes; one message of CACHE_MESSAGE_MAX bytes. Sans-IO: the caller brings the time.
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
/* Keeps an answer to q (checked by dns_answers()); what cannot be kept is ignored. */
void dns_cache_put(struct dns_cache *c, const struct dns_query_view *q, struct view answer,
		   uint64_t now_us);
/*
 * Copies an answer with its TTLs counted down, the case of the question as asked and the given ID;
 * returns its length, 0 where there is none. *ret_prefetch: less than a tenth of its time is left,
 * and this is the first use that finds it so (ask again, once).
 */
size_t dns_cache_get(struct dns_cache *c, const struct dns_query_view *q, uint64_t now_us,
		     uint8_t *buf, size_t cap, bool *ret_prefetch);
void dns_cache_clear(struct dns_cache *c); /* the resolvers or the rules have changed */

struct dns_cache_counts {
	uint64_t hits, misses, evicted;
	size_t entries, bytes;
};
struct dns_cache_counts dns_cache_counts(const struct dns_cache *c);

#endif
