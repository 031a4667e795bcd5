// SPDX-License-Identifier: Apache-2.0
/*
 * Answers of a hostile resolver through a small cache: what comes out answers the question that was
 * asked, can be read whole, and no TTL has grown.
 *
 * The input is a sequence of a byte (seconds that pass), a length of two bytes and an answer.
 */
#include <stdlib.h>

#include "dns/cache.h"

#define CACHE_BYTES 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static uint32_t smallest_ttl(struct view msg)
{
	struct dns_record r;
	struct dns_walk w;
	uint32_t least = UINT32_MAX;
	int got;
	must(dns_walk_begin(msg, &w));
	while ((got = dns_walk_next(&w, &r)) > 0) {
		must(r.type != DNS_OPT);
		if (r.ttl < least)
			least = r.ttl;
	}
	must(got == 0 && w.at == msg.len);
	return least;
}

static void get(struct dns_cache *c, const struct dns_query_view *q, uint64_t now_us)
{
	uint8_t buf[CACHE_MESSAGE_MAX];
	bool prefetch = false;
	size_t len = dns_cache_get(c, q, now_us, buf, sizeof(buf), &prefetch);
	if (!len)
		return;
	struct view v = view_make(buf, len);
	struct dns_question back;
	size_t at = DNS_HLEN;
	must(dns_answers(v, q->h.id, &q->q) && dns_question_read(v, &at, &back));
	must(dns_name_eq_case(&back.name, &q->q.name));
	uint32_t ttl = smallest_ttl(v);
	must(ttl > 0 && ttl < 0x80000000u);
	/* A second later it may be gone, and else it is a second older. */
	len = dns_cache_get(c, q, now_us + 1000000, buf, sizeof(buf), &prefetch);
	must(!len || smallest_ttl(view_make(buf, len)) == ttl - 1);
}

static void put(struct dns_cache *c, struct view answer, uint64_t now_us)
{
	struct dns_query_view q = {.h = {.flags = DNS_RD}};
	size_t at = DNS_HLEN;
	if (!dns_question_read(answer, &at, &q.q) || !dns_answers(answer, get_be16(answer.p), &q.q))
		return;
	q.h.id = 0x4242;
	dns_cache_put(c, &q, answer, now_us);
	get(c, &q, now_us);
	q.edns_do = true;
	get(c, &q, now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_cache *c = dns_cache_new(CACHE_BYTES);
	struct view v = view_make(data, size), answer;
	uint64_t now_us = 0;
	uint8_t seconds;
	uint16_t len;
	must(c);
	while (view_get_u8(&v, &seconds) && view_get_be16(&v, &len)) {
		now_us += seconds * 1000000ull;
		if (!view_take(&v, len < v.len ? len : v.len, &answer))
			break;
		put(c, answer, now_us);
		struct dns_cache_counts n = dns_cache_counts(c);
		must(n.bytes <= CACHE_BYTES && (n.entries > 0) == (n.bytes > 0));
	}
	dns_cache_free(c);
	return 0;
}
