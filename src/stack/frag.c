// SPDX-License-Identifier: Apache-2.0
/*
 * Reassembly of fragments from the guest, both families (RFC 791 3.2, RFC 8200 4.5, RFC 5722).
 *
 * Theory of operation
 * -------------------
 * A set gathers the fragments of one packet in a buffer of its own. Two bit maps in units of eight
 * bytes say which bytes are there and where fragments began. A fragment that lies exactly where an
 * earlier one lay, with the same bytes, is a duplicate and ignored; any other overlap is an attempt
 * to be read in two ways, and kills the set, as a bad length and a packet over 65,535 bytes do.
 * What comes later for a killed set begins a new one, which can never become whole.
 *
 * A set that is whole stays in memory until the end of the burst that it belongs to, which still
 * refers to its bytes. A set that is not whole FRAG_LIFETIME_US after its first fragment is
 * dropped; the guest is told where the fragment with offset 0 was seen.
 *
 * Whoever sends large datagrams needs a set for each, tens of thousands a second. So sets that are
 * done with are kept with their buffers, to be used again while they are in the processor's cache,
 * until the sandbox goes quiet.
 *
 * Bounds: cfg.max_frag_sets sets and FRAG_BYTES bytes of memory a sandbox, all counted, those that
 * are kept among the bytes. At either cap the oldest set makes room.
 */
#include <stdlib.h>

#include "stack/ip.h"

#define FRAG_SPARES      32 /* no burst of frames makes more of them whole */
#define FRAG_BUCKETS     64
#define FRAG_BYTES       (4U << 20)
#define FRAG_LIFETIME_US (15 * 1000000ULL)
#define FRAG_BUF_MIN     2048
#define FRAG_BUF_MAX     65536
#define FRAG_UNITS       8192 /* 65,536 bytes in units of eight */
#define FRAG_WORDS       (FRAG_UNITS / 64)
#define FRAG_QUOTE       1280 /* kept of the first fragment, for errors */
#define ECN_CE           3

struct frag_cache {
	struct stack *stack;
	struct list sets;                  /* that are not whole, oldest first */
	struct list buckets[FRAG_BUCKETS]; /* the same ones, by id */
	struct list whole;                 /* of this burst */
	struct list spares;                /* the one that was used last stands first */
	unsigned count;                    /* of sets and whole */
	unsigned spare_count;
	size_t bytes; /* of all of them */
};

struct frag_set {
	struct list node; /* in sets, whole or spares */
	struct list same; /* in a bucket, while not whole */
	struct timer timer;
	struct frag_cache *cache;
	uint8_t *buf;
	uint32_t cap;
	uint32_t quote_len;
	uint8_t quote[FRAG_QUOTE];
	/* From here on a new set is zero. */
	struct ipaddr src, dst;
	uint32_t id;
	uint8_t proto;        /* IPv4: part of the key; then of the first fragment */
	uint8_t tos, ttl;     /* of the first fragment, congestion marks of all */
	uint32_t head;        /* IP header bytes of the first fragment */
	uint32_t have, total; /* bytes that are there; bytes of the whole, 0 while not known */
	uint32_t end;         /* the furthest byte seen */
	struct ext_walk walk; /* of the first fragment */
	uint64_t there[FRAG_WORDS], begins[FRAG_WORDS];
};

static void frag_set_free(struct frag_set *set)
{
	struct frag_cache *c = set->cache;

	list_del(&set->node);
	c->bytes -= sizeof(*set) + set->cap;
	free(set->buf);
	free(set);
}

/* Nobody needs what is in the set any more. */
static void frag_set_done(struct frag_set *set)
{
	struct frag_cache *c = set->cache;

	timer_cancel(c->stack->wheel, &set->timer);
	list_del(&set->same);
	c->count--;
	if (c->spare_count == FRAG_SPARES) {
		frag_set_free(set);
		return;
	}
	list_del(&set->node);
	list_add_head(&c->spares, &set->node);
	c->spare_count++;
}

static void frag_timer(struct timer *t)
{
	struct frag_set *set = container_of(t, struct frag_set, timer);
	struct stack *s = set->cache->stack;

	stack_drop(s, DROP_FRAGMENT);
	if (set->quote_len)
		stack_icmp_error(s, ICMP_ERR_REASSEMBLY, NULL,
				 view_make(set->quote, set->quote_len), 0);
	frag_set_done(set);
}

void frag_burst_end(struct stack *s)
{
	struct frag_cache *c = s->frags;

	while (!list_empty(&c->whole))
		frag_set_done(container_of(c->whole.next, struct frag_set, node));
}

void frag_trim(struct stack *s)
{
	struct frag_cache *c = s->frags;
	struct list *it;

	while ((it = list_pop(&c->spares)))
		frag_set_free(container_of(it, struct frag_set, node));
	c->spare_count = 0;
}

bool frag_init(struct stack *s)
{
	struct frag_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return false;
	c->stack = s;
	list_init(&c->sets);
	list_init(&c->whole);
	list_init(&c->spares);
	for (int i = 0; i < FRAG_BUCKETS; i++)
		list_init(&c->buckets[i]);
	s->frags = c;
	return true;
}

void frag_done(struct stack *s)
{
	struct frag_cache *c = s->frags;

	if (!c)
		return;
	frag_burst_end(s);
	while (!list_empty(&c->sets))
		frag_set_done(container_of(c->sets.next, struct frag_set, node));
	frag_trim(s);
	free(c);
	s->frags = NULL;
}

static bool frag_fits(const struct frag_cache *c, size_t need, bool one_more)
{
	return c->bytes + need <= FRAG_BYTES &&
	       (!one_more || c->count < c->stack->cfg.max_frag_sets);
}

/* Drops the oldest sets, but not `keep`, until `need` more bytes and, for a new set, one more set
 * fit. What a burst still refers to stays. */
static bool frag_make_room(struct frag_cache *c, size_t need, const struct frag_set *keep)
{
	list_for_each (it, &c->sets) {
		struct frag_set *set = container_of(it, struct frag_set, node);
		if (!frag_fits(c, need, false))
			frag_trim(c->stack);
		if (frag_fits(c, need, !keep))
			return true;
		if (set == keep)
			continue;
		stack_drop(c->stack, DROP_FRAGMENT);
		stack_limit_hit(c->stack, STACK_LIMIT_FRAGMENTS, &set->dst, set->proto);
		frag_set_done(set);
	}
	if (!frag_fits(c, need, false))
		frag_trim(c->stack);
	return frag_fits(c, need, !keep);
}

static struct list *frag_bucket(struct frag_cache *c, uint32_t id)
{
	return &c->buckets[id % FRAG_BUCKETS];
}

static struct frag_set *frag_find(struct frag_cache *c, const struct frag_piece *f)
{
	list_for_each (it, frag_bucket(c, f->id)) {
		struct frag_set *set = container_of(it, struct frag_set, same);
		if (set->id == f->id && ipaddr_eq(&set->src, &f->src) &&
		    ipaddr_eq(&set->dst, &f->dst) && (f->src.family == 6 || set->proto == f->proto))
			return set;
	}
	return NULL;
}

/* A set with nothing in it, in no list. */
static struct frag_set *frag_set_alloc(struct frag_cache *c)
{
	struct list *spare = list_pop(&c->spares);
	struct frag_set *set;

	if (spare) {
		c->spare_count--;
		set = container_of(spare, struct frag_set, node);
		memset(&set->src, 0, sizeof(*set) - offsetof(struct frag_set, src));
		set->quote_len = 0;
		return set;
	}
	set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	set->cache = c;
	timer_init(&set->timer, frag_timer);
	c->bytes += sizeof(*set);
	return set;
}

static struct frag_set *frag_set_new(struct frag_cache *c, const struct frag_piece *f)
{
	struct frag_set *set;

	if (!frag_make_room(c, c->spare_count ? 0 : sizeof(*set), NULL))
		return NULL;
	set = frag_set_alloc(c);
	if (!set)
		return NULL;
	set->src = f->src;
	set->dst = f->dst;
	set->id = f->id;
	set->proto = f->proto;
	list_add_tail(&c->sets, &set->node);
	list_add_head(frag_bucket(c, f->id), &set->same);
	c->count++;
	timer_set(c->stack->wheel, &set->timer, stack_now(c->stack) + FRAG_LIFETIME_US);
	return set;
}

/*
 * Makes the buffer hold `end` bytes. One that outgrows its first size will take any packet, and
 * costs memory only where it is written.
 */
static bool frag_set_grow(struct frag_set *set, uint32_t end)
{
	struct frag_cache *c = set->cache;
	uint32_t cap = end <= FRAG_BUF_MIN ? FRAG_BUF_MIN : FRAG_BUF_MAX;
	uint8_t *buf;

	if (end <= set->cap)
		return true;
	if (!frag_make_room(c, cap - set->cap, set))
		return false;
	buf = realloc(set->buf, cap);
	if (!buf)
		return false;
	c->bytes += cap - set->cap;
	set->buf = buf;
	set->cap = cap;
	return true;
}

static bool bit_get(const uint64_t *map, uint32_t i)
{
	return i < FRAG_UNITS && map[i / 64] >> (i % 64) & 1;
}

/* How many of the bits [from, to) are set. */
static uint32_t bits_count(const uint64_t *map, uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	while (from < to) {
		uint32_t in_word = 64 - from % 64, k = to - from < in_word ? to - from : in_word;
		uint64_t mask = (k == 64 ? ~0ULL : (1ULL << k) - 1) << (from % 64);
		n += (uint32_t)__builtin_popcountll(map[from / 64] & mask);
		from += k;
	}
	return n;
}

static void bits_set(uint64_t *map, uint32_t from, uint32_t to)
{
	while (from < to) {
		uint32_t in_word = 64 - from % 64, k = to - from < in_word ? to - from : in_word;
		map[from / 64] |= (k == 64 ? ~0ULL : (1ULL << k) - 1) << (from % 64);
		from += k;
	}
}

/* Some bytes of f are there already: is f exactly a fragment that came before? */
static bool frag_is_duplicate(const struct frag_set *set, const struct frag_piece *f)
{
	uint32_t end = f->off + (uint32_t)f->data.len;
	uint32_t from = f->off / 8, to = (end + 7) / 8;

	if (bits_count(set->there, from, to) != to - from || !bit_get(set->begins, from) ||
	    bits_count(set->begins, from, to) != 1)
		return false;
	/* The earlier one ended where f ends: at the end of all, or where another begins or none
	 * is there. */
	if (f->more ? bit_get(set->there, to) && !bit_get(set->begins, to) : end != set->total)
		return false;
	return !memcmp(set->buf + f->off, f->data.p, f->data.len);
}

/* What no proper fragment is, whatever came before it. The sender of IPv6 is told (RFC 8200 4.5).
 */
static bool frag_is_bad(struct stack *s, const struct frag_piece *f)
{
	uint32_t pointer;

	if (f->data.len == 0)
		return true;
	if (f->more && f->data.len % 8 != 0)
		pointer = 4; /* the payload length */
	else if (f->head + f->off + f->data.len > 65535)
		pointer = f->walk.next_at + 2; /* the fragment offset */
	else
		return false;
	if (f->src.family == 6)
		icmp6_param_problem(s, 0, pointer, f->l3);
	return true;
}

/* Two fragments that speak of different lengths of the whole. */
static bool frag_contradicts(const struct frag_set *set, const struct frag_piece *f)
{
	uint32_t end = f->off + (uint32_t)f->data.len;

	if (set->total)
		return f->more ? end >= set->total : end != set->total;
	return !f->more && set->end > end;
}

static void frag_store(struct frag_set *set, const struct frag_piece *f)
{
	uint32_t end = f->off + (uint32_t)f->data.len;
	uint8_t marks = set->tos & ECN_CE;

	memcpy(set->buf + f->off, f->data.p, f->data.len);
	bits_set(set->there, f->off / 8, (end + 7) / 8);
	bits_set(set->begins, f->off / 8, f->off / 8 + 1);
	set->have += (uint32_t)f->data.len;
	if (end > set->end)
		set->end = end;
	if (!f->more)
		set->total = end;
	if (f->off == 0) {
		set->tos = f->tos;
		set->ttl = f->ttl;
		set->head = f->head;
		set->proto = f->proto;
		set->walk = f->walk;
		set->quote_len = f->l3.len < FRAG_QUOTE ? (uint32_t)f->l3.len : FRAG_QUOTE;
		memcpy(set->quote, f->l3.p, set->quote_len);
	}
	/* A congestion mark on any fragment is one on the packet (RFC 3168 5.3). */
	if (marks == ECN_CE || (f->tos & ECN_CE) == ECN_CE)
		set->tos |= ECN_CE;
}

/*
 * An IPv6 packet whose headers do not all lie in its first fragment is one that filters could not
 * judge: dropped (RFC 7112).
 */
static bool frag_chain_is_cut(const struct frag_piece *f)
{
	struct ext_walk w = f->walk;

	if (f->src.family == 4 || f->off != 0)
		return false;
	return ext_walk(&w) != EXT_UPPER || w.rest.len < (w.next == IPPROTO_TCP_ ? 20 : 8);
}

static bool frag_kill(struct stack *s, struct frag_set *set)
{
	stack_drop(s, DROP_FRAGMENT);
	frag_set_done(set);
	return false;
}

bool frag_input(struct stack *s, const struct frag_piece *f, struct packet *ret,
		struct ext_walk *ret_walk)
{
	struct frag_set *set = frag_find(s->frags, f);
	uint32_t end = f->off + (uint32_t)f->data.len;

	if (!set)
		set = frag_set_new(s->frags, f);
	if (!set) {
		stack_drop(s, DROP_LIMIT);
		return false;
	}
	if (frag_is_bad(s, f) || frag_contradicts(set, f) || frag_chain_is_cut(f))
		return frag_kill(s, set);
	if (bits_count(set->there, f->off / 8, (end + 7) / 8))
		return frag_is_duplicate(set, f) ? false : frag_kill(s, set);
	if (!frag_set_grow(set, end)) {
		stack_drop(s, DROP_LIMIT);
		frag_set_done(set);
		return false;
	}
	frag_store(set, f);
	if (!set->total || set->have != set->total)
		return false;
	/* The first fragment's header counts, which may be longer than the later ones'. */
	if (set->head + set->total > 65535)
		return frag_kill(s, set);
	timer_cancel(s->wheel, &set->timer);
	list_del(&set->same);
	list_del(&set->node);
	list_add_tail(&s->frags->whole, &set->node);
	s->cnt.frag_reassembled++;
	ret->proto = set->proto;
	ret->tos = set->tos;
	ret->ttl = set->ttl;
	ret->reassembled = true;
	ret->l3 = view_make(set->quote, set->quote_len);
	ret->l4 = view_make(set->buf, set->total);
	*ret_walk = set->walk;
	ret_walk->rest = ret->l4;
	return true;
}
