// SPDX-License-Identifier: Apache-2.0
/*
 * The cache: a table of messages, and a list of them by their last use.
 */
#include "dns/cache.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/siphash.h"
#include "base/table.h"
#include "dns/rdata.h"

/* What an entry costs besides itself: the allocator's part and its slots in the table. */
#define ENTRY_OVERHEAD 64

struct key {
	struct dns_name name; /* in lower case */
	uint16_t type, class;
	bool dnssec_ok, checking_disabled;
};

struct entry {
	struct list node; /* in dns_cache.by_use, the least recently used first */
	uint64_t hash;
	uint64_t stored_us;
	uint32_t ttl_s; /* how long it is kept */
	uint16_t type, class;
	bool dnssec_ok, checking_disabled;
	bool prefetched;
	uint16_t len;  /* of the message */
	uint16_t ttls; /* how many TTLs it has */
	size_t size;   /* of all */
	uint16_t at[]; /* where the TTLs are, then the message */
};

struct dns_cache {
	struct table table;
	struct list by_use;
	struct sipkey sipkey;
	size_t max, bytes;
	uint64_t hits, misses, evicted;
};

static uint8_t *entry_msg(struct entry *e)
{
	return (uint8_t *)(e->at + e->ttls);
}

static struct key key_of(const struct dns_query_view *q)
{
	struct key k = {
		.type = q->q.type,
		.class = q->q.class,
		.dnssec_ok = q->edns_do,
		.checking_disabled = q->h.flags & DNS_CD,
	};
	k.name.len = q->q.name.len;
	memcpy(k.name.b, q->q.name.b, k.name.len);
	dns_name_lower(&k.name);
	return k;
}

static uint64_t key_hash(const struct dns_cache *c, const struct key *k)
{
	uint8_t b[DNS_NAME_MAX + 5];
	memcpy(b, k->name.b, k->name.len);
	put_be16(b + k->name.len, k->type);
	put_be16(b + k->name.len + 2, k->class);
	b[k->name.len + 4] = (uint8_t)(k->dnssec_ok | k->checking_disabled << 1);
	return siphash(&c->sipkey, b, k->name.len + 5u);
}

/* The key's name is compared with the one in the kept question, which is in lower case, too. */
static bool entry_is(const void *item, const void *arg)
{
	const struct entry *e = item;
	const struct key *k = arg;
	return e->type == k->type && e->class == k->class && e->dnssec_ok == k->dnssec_ok &&
	       e->checking_disabled == k->checking_disabled && e->len >= DNS_HLEN + k->name.len &&
	       memcmp(entry_msg((struct entry *)e) + DNS_HLEN, k->name.b, k->name.len) == 0;
}

struct dns_cache *dns_cache_new(size_t max_bytes)
{
	struct dns_cache *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->max = max_bytes;
	table_init(&c->table, max_bytes / (sizeof(struct entry) + ENTRY_OVERHEAD) + 1);
	list_init(&c->by_use);
	sipkey_random(&c->sipkey);
	return c;
}

static void drop(struct dns_cache *c, struct entry *e)
{
	table_remove(&c->table, e->hash, e);
	list_del(&e->node);
	c->bytes -= e->size;
	free(e);
}

void dns_cache_clear(struct dns_cache *c)
{
	while (!list_empty(&c->by_use))
		drop(c, container_of(c->by_use.next, struct entry, node));
}

void dns_cache_free(struct dns_cache *c)
{
	if (!c)
		return;
	dns_cache_clear(c);
	table_done(&c->table);
	free(c);
}

/* ---- keeping ---- */

/* What is to be known of an answer before it is kept. */
struct digest {
	size_t len;
	unsigned ttls;
	uint32_t ttl_s;     /* how long it may be kept; 0: not at all */
	struct dns_cut opt; /* its OPT record; length 0: none */
};

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* False where the answer is not one that says how things are, whatever its TTLs. */
static bool answer_is_whole(const struct dns_header *h)
{
	unsigned rcode = h->flags & DNS_RCODE;
	return !(h->flags & DNS_TC) && (rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN) &&
	       h->count[0] == 1;
}

static bool answer_digest(struct view msg, const struct dns_question *q, struct digest *ret)
{
	struct dns_question theirs;
	size_t at = DNS_HLEN;
	struct digest d = {.ttl_s = CACHE_TTL_MAX_S};
	struct rdata_names names;
	struct dns_record r;
	struct dns_walk w;
	uint32_t negative = 0;
	bool found = false;
	int got;
	if (!dns_walk_begin(msg, &w) || !answer_is_whole(&w.h) ||
	    !dns_question_read(msg, &at, &theirs) || !dns_question_eq(&theirs, q))
		return false;
	while ((got = dns_walk_next(&w, &r)) > 0) {
		if (!dns_rdata_check(msg, &r, &names))
			return false;
		if (r.type == DNS_OPT) {
			/* The upper bits of the code are in it, and two are one too many. */
			if (d.opt.len || r.ttl >> 24 || w.section != DNS_ADDITIONAL)
				return false;
			d.opt = (struct dns_cut){w.start, w.at - w.start};
			continue;
		}
		d.ttls++;
		d.ttl_s = min_u32(d.ttl_s, dns_ttl(r.ttl));
		if (w.section == DNS_ANSWER && (r.type == q->type || q->type == DNS_ANY))
			found = true;
		if (w.section == DNS_AUTHORITY && r.type == DNS_SOA)
			negative = dns_ttl(get_be32(r.data.p + r.data.len - 4));
	}
	if ((w.h.flags & DNS_RCODE) == DNS_NXDOMAIN || !found)
		d.ttl_s = min_u32(d.ttl_s, min_u32(negative, CACHE_NEG_MAX_S));
	d.len = w.at;
	*ret = d;
	return got == 0;
}

/* Copies the message without its OPT record, and notes where its TTLs are. */
static bool entry_fill(struct entry *e, struct view answer, const struct digest *d)
{
	uint8_t *msg = entry_msg(e);
	struct dns_record r;
	struct dns_walk w;
	size_t len = d->len;
	unsigned n = 0;
	memcpy(msg, answer.p, len);
	if (d->opt.len) {
		len = dns_cut(msg, len, &d->opt, 1);
		if (len == 0)
			return false;
		put_be16(msg + 10, (uint16_t)(get_be16(msg + 10) - 1));
	}
	if (!dns_walk_begin(view_make(msg, len), &w))
		return false;
	while (dns_walk_next(&w, &r) > 0 && n < e->ttls)
		e->at[n++] = (uint16_t)(r.data_at - 6);
	e->len = (uint16_t)len;
	return n == e->ttls;
}

/* Adds up all names of a message, those in data as well. False where they cannot be read. */
static bool names_sum(struct view msg, const struct sipkey *key, uint64_t *ret)
{
	struct rdata_names names;
	struct dns_record r;
	struct dns_name n;
	struct dns_walk w;
	uint64_t sum = 0;
	int got;

	if (!dns_walk_begin(msg, &w))
		return false;
	while ((got = dns_walk_next(&w, &r)) > 0) {
		if (!dns_rdata_check(msg, &r, &names))
			return false;
		sum = sum * 3 + siphash(key, r.name.b, r.name.len);
		for (unsigned i = 0; i < names.n; i++) {
			if (!dns_name_read(msg, &(size_t){names.at[i]}, &n))
				return false;
			sum = sum * 3 + siphash(key, n.b, n.len);
		}
	}
	*ret = sum;
	return got == 0;
}

static void flip_ttls(struct entry *e)
{
	for (unsigned i = 0; i < e->ttls; i++) {
		uint8_t *ttl = entry_msg(e) + e->at[i];

		put_be32(ttl, ~get_be32(ttl));
	}
}

/* A compression pointer may lead to a TTL, which is no name: names would change with the time. */
static bool entry_ages_well(struct entry *e, const struct sipkey *key)
{
	struct view msg = view_make(entry_msg(e), e->len);
	uint64_t now, then;
	bool stays = names_sum(msg, key, &now);

	flip_ttls(e);
	stays = stays && names_sum(msg, key, &then) && now == then;
	flip_ttls(e);
	return stays;
}

static struct entry *entry_new(const struct dns_cache *c, const struct key *k, struct view answer,
			       const struct digest *d)
{
	size_t size = sizeof(struct entry) + d->ttls * sizeof(uint16_t) + d->len;
	struct entry *e = malloc(size);
	if (!e)
		return NULL;
	*e = (struct entry){
		.ttl_s = d->ttl_s,
		.type = k->type,
		.class = k->class,
		.dnssec_ok = k->dnssec_ok,
		.checking_disabled = k->checking_disabled,
		.ttls = (uint16_t)d->ttls,
		.size = size + ENTRY_OVERHEAD,
	};
	list_init(&e->node);
	if (!entry_fill(e, answer, d) || !entry_ages_well(e, &c->sipkey)) {
		free(e);
		return NULL;
	}
	memcpy(entry_msg(e) + DNS_HLEN, k->name.b, k->name.len);
	return e;
}

void dns_cache_put(struct dns_cache *c, const struct dns_query_view *q, struct view answer,
		   uint64_t now_us)
{
	struct digest d;
	if (!(q->h.flags & DNS_RD) || q->edns_special || !answer_digest(answer, &q->q, &d))
		return;
	struct key k = key_of(q);
	uint64_t hash = key_hash(c, &k);
	struct entry *old = table_find(&c->table, hash, entry_is, &k);
	if (old)
		drop(c, old);
	if (d.ttl_s == 0 || d.len > CACHE_MESSAGE_MAX)
		return;
	struct entry *e = entry_new(c, &k, answer, &d);
	if (!e || e->size > c->max) {
		free(e);
		return;
	}
	while (c->bytes + e->size > c->max) {
		drop(c, container_of(c->by_use.next, struct entry, node));
		c->evicted++;
	}
	e->hash = hash;
	e->stored_us = now_us;
	if (!table_insert(&c->table, hash, e)) {
		free(e);
		return;
	}
	list_add_tail(&c->by_use, &e->node);
	c->bytes += e->size;
}

/* ---- handing out ---- */

static struct entry *entry_find(struct dns_cache *c, const struct dns_query_view *q,
				uint64_t now_us)
{
	if (q->edns_special)
		return NULL;
	struct key k = key_of(q);
	struct entry *e = table_find(&c->table, key_hash(c, &k), entry_is, &k);
	if (e && now_us - e->stored_us >= e->ttl_s * 1000000ull) {
		drop(c, e);
		return NULL;
	}
	return e;
}

size_t dns_cache_get(struct dns_cache *c, const struct dns_query_view *q, uint64_t now_us,
		     uint8_t *buf, size_t cap, bool *ret_prefetch)
{
	struct entry *e = entry_find(c, q, now_us);
	if (!e || e->len > cap) {
		c->misses++;
		return 0;
	}
	c->hits++;
	list_del(&e->node);
	list_add_tail(&c->by_use, &e->node);

	uint64_t age_us = now_us - e->stored_us, life_us = e->ttl_s * 1000000ull;
	memcpy(buf, entry_msg(e), e->len);
	for (unsigned i = 0; i < e->ttls; i++) {
		uint8_t *ttl = buf + e->at[i];
		put_be32(ttl, get_be32(ttl) - (uint32_t)(age_us / 1000000));
	}
	put_be16(buf, q->h.id);
	put_be16(buf + 2, (uint16_t)((get_be16(buf + 2) & ~DNS_RD) | (q->h.flags & DNS_RD)));
	memcpy(buf + DNS_HLEN, q->q.name.b, q->q.name.len);
	*ret_prefetch = !e->prefetched && (life_us - age_us) * 10 <= life_us;
	e->prefetched |= *ret_prefetch;
	return e->len;
}

struct dns_cache_counts dns_cache_counts(const struct dns_cache *c)
{
	return (struct dns_cache_counts){
		.hits = c->hits,
		.misses = c->misses,
		.evicted = c->evicted,
		.entries = c->table.count,
		.bytes = c->bytes,
	};
}
