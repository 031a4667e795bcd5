// SPDX-License-Identifier: Apache-2.0
/*
 * Names and addresses as two keyed hash tables, and a pair for each binding between the two.
 *
 * A pair is in three lists: that of its name, that of its address (the newest first), and one of
 * age. Pairs of pinned addresses have an age list of their own: they go only when nothing else is
 * left to go. Pairs whose time is over are found when they are met, and a few with each answer.
 *
 * Trust: the guest picks the names, and with a zone of its own the addresses and times, too. It
 * cannot make a table larger than its cap, cannot choose collisions (SipHash), and every call takes
 * time in proportion to what it is given, not to what is there.
 */
#include "policy/bindings.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/siphash.h"
#include "base/table.h"

/* Addresses that are pinned and not bound; more are not counted, so their pins do not hold. */
#define PINNED_ALONE_MAX 65536
/* Old pairs looked at with each answer; two for one that comes empties the table of what is over.
 */
#define SWEEP 2

struct bound_name {
	struct name name;
	uint64_t hash;
	struct list pairs;
	struct list all; /* of bindings.names */
};

struct bound_addr {
	struct ipaddr addr;
	uint64_t hash;
	struct list pairs; /* the newest first */
	unsigned pair_count;
	unsigned pins;
};

struct pair {
	struct bound_name *name;
	struct bound_addr *addr;
	uint64_t until_us;
	struct list of_name, of_addr, age;
};

struct bindings {
	size_t max;
	struct sipkey key;
	struct table by_name, by_addr; /* struct bound_name, struct bound_addr */
	struct list names;
	struct list free_age, pinned_age; /* pairs, the oldest first */
	uint64_t now_us;                  /* the latest that any call brought */
	struct bindings_counts counts;
};

static bool name_match(const void *item, const void *key)
{
	return name_eq(&((const struct bound_name *)item)->name, key);
}

static bool addr_match(const void *item, const void *key)
{
	return ipaddr_eq(&((const struct bound_addr *)item)->addr, key);
}

static struct bound_name *find_name(const struct bindings *b, const struct name *n)
{
	return table_find(&b->by_name, siphash(&b->key, n->s, n->len), name_match, n);
}

static struct bound_addr *find_addr(const struct bindings *b, const struct ipaddr *a)
{
	return table_find(&b->by_addr, siphash(&b->key, a, sizeof(*a)), addr_match, a);
}

static struct bound_name *get_name(struct bindings *b, const struct name *name)
{
	struct bound_name *n = find_name(b, name);

	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->name = *name;
	n->hash = siphash(&b->key, name->s, name->len);
	list_init(&n->pairs);
	if (!table_insert(&b->by_name, n->hash, n)) {
		free(n);
		return NULL;
	}
	list_add_tail(&b->names, &n->all);
	return n;
}

static struct bound_addr *get_addr(struct bindings *b, const struct ipaddr *addr)
{
	struct bound_addr *a = find_addr(b, addr);

	if (a)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->addr = *addr;
	a->hash = siphash(&b->key, addr, sizeof(*addr));
	list_init(&a->pairs);
	if (!table_insert(&b->by_addr, a->hash, a)) {
		free(a);
		return NULL;
	}
	return a;
}

/* Frees what nothing refers to any more. */
static void put_name(struct bindings *b, struct bound_name *n)
{
	if (!list_empty(&n->pairs))
		return;
	table_remove(&b->by_name, n->hash, n);
	list_del(&n->all);
	free(n);
}

static void put_addr(struct bindings *b, struct bound_addr *a)
{
	if (!list_empty(&a->pairs) || a->pins)
		return;
	table_remove(&b->by_addr, a->hash, a);
	free(a);
}

/* Takes the pair out; its name and address stay, even where nothing else refers to them. */
static void unlink_pair(struct bindings *b, struct pair *p)
{
	list_del(&p->of_name);
	list_del(&p->of_addr);
	list_del(&p->age);
	p->addr->pair_count--;
	b->counts.pairs--;
	free(p);
}

static void remove_pair(struct bindings *b, struct pair *p)
{
	struct bound_name *n = p->name;
	struct bound_addr *a = p->addr;

	unlink_pair(b, p);
	put_name(b, n);
	put_addr(b, a);
}

static void set_now(struct bindings *b, uint64_t now_us)
{
	if (b->now_us < now_us)
		b->now_us = now_us;
}

static bool is_over(const struct pair *p, uint64_t now_us)
{
	return !p->addr->pins && p->until_us <= now_us;
}

static void sweep(struct bindings *b, uint64_t now_us)
{
	for (int i = 0; i < SWEEP && !list_empty(&b->free_age); i++) {
		struct pair *p = container_of(b->free_age.next, struct pair, age);

		if (!is_over(p, now_us))
			return;
		remove_pair(b, p);
	}
}

/* The oldest that no flow uses; among those of flows only when there is no other. */
static void evict(struct bindings *b, uint64_t now_us)
{
	struct list *from = list_empty(&b->free_age) ? &b->pinned_age : &b->free_age;
	struct pair *p = container_of(from->next, struct pair, age);

	b->counts.evicted += !is_over(p, now_us);
	remove_pair(b, p);
}

static struct pair *find_pair(const struct bound_addr *a, const struct bound_name *n)
{
	list_for_each (it, &a->pairs) {
		struct pair *p = container_of(it, struct pair, of_addr);

		if (p->name == n)
			return p;
	}
	return NULL;
}

/* A new pair; NULL without memory, and then the name and the address may be alone. */
static struct pair *add_pair(struct bindings *b, struct bound_name *n, struct bound_addr *a)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = n;
	p->addr = a;
	list_add_tail(&n->pairs, &p->of_name);
	list_init(&p->of_addr);
	list_init(&p->age);
	a->pair_count++;
	b->counts.pairs++;
	return p;
}

/* The pair becomes the newest of its address and of all. */
static void touch(struct bindings *b, struct pair *p)
{
	list_del(&p->of_addr);
	list_add_head(&p->addr->pairs, &p->of_addr);
	list_del(&p->age);
	list_add_tail(p->addr->pins ? &b->pinned_age : &b->free_age, &p->age);
}

static void bind_one(struct bindings *b, const struct name *name, const struct ipaddr *addr,
		     uint64_t until_us, uint64_t now_us)
{
	struct bound_name *n = find_name(b, name);
	struct bound_addr *a = find_addr(b, addr);
	struct pair *p = n && a ? find_pair(a, n) : NULL;

	if (!p) {
		/* Room first: what goes may be this very name or address. */
		if (a && a->pair_count >= BINDING_NAMES_MAX) {
			struct pair *old = container_of(a->pairs.prev, struct pair, of_addr);

			b->counts.evicted += !is_over(old, now_us);
			remove_pair(b, old);
		}
		while (b->counts.pairs >= b->max)
			evict(b, now_us);
		n = get_name(b, name);
		a = get_addr(b, addr);
		p = n && a ? add_pair(b, n, a) : NULL;
		if (!p) {
			if (n)
				put_name(b, n);
			if (a)
				put_addr(b, a);
			return;
		}
	}
	if (p->until_us < until_us)
		p->until_us = until_us;
	touch(b, p);
}

/* Removes the pairs of a name, and the name where none is left: those of one family that no flow
 * uses, or (family 0) all. */
static void unbind(struct bindings *b, struct bound_name *n, uint8_t family)
{
	list_for_each (it, &n->pairs) {
		struct pair *p = container_of(it, struct pair, of_name);
		struct bound_addr *a = p->addr;

		if (family && (a->addr.family != family || a->pins))
			continue;
		unlink_pair(b, p);
		put_addr(b, a);
	}
	put_name(b, n);
}

struct bindings *bindings_new(size_t max)
{
	struct bindings *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->max = max ? max : 1;
	sipkey_random(&b->key);
	table_init(&b->by_name, b->max + 1);
	table_init(&b->by_addr, b->max + PINNED_ALONE_MAX);
	list_init(&b->names);
	list_init(&b->free_age);
	list_init(&b->pinned_age);
	return b;
}

void bindings_free(struct bindings *b)
{
	if (!b)
		return;
	list_for_each (it, &b->names)
		unbind(b, container_of(it, struct bound_name, all), 0);
	/* Addresses that are only pinned. */
	for (size_t i = 0; b->by_addr.slots && i <= b->by_addr.mask; i++)
		free(b->by_addr.slots[i].item);
	table_done(&b->by_name);
	table_done(&b->by_addr);
	free(b);
}

void bindings_put(struct bindings *b, const struct name *name, uint8_t family,
		  const struct ipaddr *addrs, size_t n, uint32_t ttl_s, uint64_t now_us)
{
	if (ttl_s < BINDING_MIN_TTL_S)
		ttl_s = BINDING_MIN_TTL_S;
	if (ttl_s > BINDING_MAX_TTL_S)
		ttl_s = BINDING_MAX_TTL_S;
	set_now(b, now_us);
	sweep(b, now_us);
	for (size_t i = 0; i < n; i++)
		bind_one(b, name, &addrs[i], now_us + ttl_s * (uint64_t)1000000, now_us);
	if (n)
		return;
	struct bound_name *gone = find_name(b, name);
	if (gone)
		unbind(b, gone, family);
}

/* Removes the pairs of an address whose time is over; their address stays. */
static void clean(struct bindings *b, struct bound_addr *a)
{
	list_for_each (it, &a->pairs) {
		struct pair *p = container_of(it, struct pair, of_addr);
		struct bound_name *n = p->name;

		if (!is_over(p, b->now_us))
			continue;
		unlink_pair(b, p);
		put_name(b, n);
	}
}

size_t bindings_of(struct bindings *b, const struct ipaddr *a, uint64_t now_us,
		   const struct name *ret[BINDING_NAMES_MAX])
{
	struct bound_addr *at = find_addr(b, a);
	size_t n = 0;

	if (!at)
		return 0;
	set_now(b, now_us);
	clean(b, at);
	list_for_each (it, &at->pairs)
		ret[n++] = &container_of(it, struct pair, of_addr)->name->name;
	put_addr(b, at);
	return n;
}

bool bindings_has(struct bindings *b, const struct ipaddr *a, const struct name *name,
		  uint64_t now_us)
{
	struct bound_addr *at = find_addr(b, a);
	struct bound_name *n = find_name(b, name);
	struct pair *p = at && n ? find_pair(at, n) : NULL;

	return p && !is_over(p, now_us);
}

/* The pairs of an address change between the two lists of age. */
static void move_pairs(struct bound_addr *a, struct list *to)
{
	/* From the oldest, so that their order stays. */
	for (struct list *it = a->pairs.prev; it != &a->pairs; it = it->prev) {
		struct pair *p = container_of(it, struct pair, of_addr);

		list_del(&p->age);
		list_add_tail(to, &p->age);
	}
}

void bindings_pin(struct bindings *b, const struct ipaddr *addr)
{
	struct bound_addr *a = get_addr(b, addr);

	if (!a || a->pins++)
		return;
	/* What is over does not come back because a flow holds its address now. */
	a->pins = 0;
	clean(b, a);
	a->pins = 1;
	move_pairs(a, &b->pinned_age);
}

void bindings_unpin(struct bindings *b, const struct ipaddr *addr)
{
	struct bound_addr *a = find_addr(b, addr);

	if (!a || !a->pins || --a->pins)
		return;
	move_pairs(a, &b->free_age);
	put_addr(b, a);
}

void bindings_judge(struct bindings *b, bool (*keep)(void *arg, const struct name *), void *arg)
{
	list_for_each (it, &b->names) {
		struct bound_name *n = container_of(it, struct bound_name, all);

		if (!keep(arg, &n->name))
			unbind(b, n, 0);
	}
}

struct bindings_counts bindings_counts(const struct bindings *b)
{
	return b->counts;
}

void bindings_each(struct bindings *b, uint64_t now_us,
		   void (*fn)(void *arg, const struct name *, const struct ipaddr *,
			      uint32_t left_s, unsigned pins),
		   void *arg)
{
	list_for_each (it, &b->names) {
		struct bound_name *n = container_of(it, struct bound_name, all);

		list_for_each (at, &n->pairs) {
			struct pair *p = container_of(at, struct pair, of_name);
			uint64_t left = p->until_us > now_us ? p->until_us - now_us : 0;

			if (!is_over(p, now_us))
				fn(arg, &n->name, &p->addr->addr, (uint32_t)(left / 1000000),
				   p->addr->pins);
		}
	}
}
