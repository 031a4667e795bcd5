// SPDX-License-Identifier: Apache-2.0
/*
 * The budget of questions. One set holds the hashes of all names of the minute; a name that is in
 * it was paid for. Each domain has two counters, which begin again with the minute.
 */
#include "dns/budget.h"

#include <libpsl.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/siphash.h"
#include "base/table.h"

#define WINDOW_US     60000000
#define SET_MIN       256
#define SUFFIX_LABELS 8 /* the longest entries of the public suffix list have six */

struct domain {
	struct list node; /* in dns_budget.by_use, the least recently used first */
	uint64_t key;     /* keyed hash of its name */
	uint64_t window;  /* the minute of which the counters speak */
	uint32_t names, bytes;
};

struct dns_budget {
	uint32_t names_max, bytes_max;
	struct sipkey sipkey;
	uint64_t window;

	uint64_t *set; /* open addressing; 0: free */
	size_t set_mask, set_n;

	struct table table;
	struct list by_use;
	size_t domain_n; /* of `domains` in use */
	struct domain domains[BUDGET_DOMAINS];
};

struct dns_budget *dns_budget_new(uint32_t names_a_minute, uint32_t bytes_a_minute)
{
	struct dns_budget *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->names_max = names_a_minute ? names_a_minute : UINT32_MAX;
	b->bytes_max = bytes_a_minute ? bytes_a_minute : UINT32_MAX;
	sipkey_random(&b->sipkey);
	table_init(&b->table, BUDGET_DOMAINS);
	list_init(&b->by_use);
	return b;
}

void dns_budget_free(struct dns_budget *b)
{
	if (!b)
		return;
	table_done(&b->table);
	free(b->set);
	free(b);
}

/* ---- the registered domain ---- */

/* Lower case letters, digits, hyphens and underscores: all that the list can know. */
static bool label_is_plain(const uint8_t *label)
{
	for (unsigned i = 1; i <= label[0]; i++) {
		uint8_t c = label[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return true;
}

/* The last plain labels of a name as text. Returns how many; *ret_more: one stands before them. */
static unsigned suffix_text(const struct dns_name *n, char text[SUFFIX_LABELS * 64], bool *ret_more)
{
	uint8_t at[DNS_LABELS];
	unsigned labels = 0, first;
	size_t len = 0;
	for (unsigned i = 0; n->b[i]; i += 1u + n->b[i])
		at[labels++] = (uint8_t)i;
	for (first = labels; first > 0 && labels - first < SUFFIX_LABELS; first--)
		if (!label_is_plain(n->b + at[first - 1]))
			break;
	for (unsigned i = first; i < labels; i++) {
		const uint8_t *label = n->b + at[i];
		if (len)
			text[len++] = '.';
		memcpy(text + len, label + 1, label[0]);
		len += label[0];
	}
	text[len] = 0;
	*ret_more = first > 0;
	return labels - first;
}

static unsigned labels_of(const char *text)
{
	unsigned n = 1;
	for (; *text; text++)
		n += *text == '.';
	return n;
}

/* How many last labels of a name are its registered domain. What is a public suffix itself, or has
 * bytes right before it that no domain has, counts with the label before. */
static unsigned registered_labels(const struct dns_name *n)
{
	char text[SUFFIX_LABELS * 64];
	bool more;
	unsigned plain = suffix_text(n, text, &more);
	const psl_ctx_t *psl = psl_builtin();
	const char *found = psl && plain ? psl_registrable_domain(psl, text) : NULL;
	if (found)
		return labels_of(found);
	if (!psl && plain > 2)
		return 2;
	return plain + more;
}

/* Where the registered domain begins in the name. */
static unsigned registered_at(const struct dns_name *n)
{
	unsigned labels = 0, at = 0, keep = registered_labels(n);
	for (unsigned i = 0; n->b[i]; i += 1u + n->b[i])
		labels++;
	for (; labels > keep; labels--)
		at += 1u + n->b[at];
	return at;
}

/* ---- the counters ---- */

static bool domain_is(const void *item, const void *key)
{
	return ((const struct domain *)item)->key == *(const uint64_t *)key;
}

static struct domain *domain_get(struct dns_budget *b, uint64_t key)
{
	struct domain *d = table_find(&b->table, key, domain_is, &key);
	if (d) {
		list_del(&d->node);
	} else {
		if (b->domain_n < BUDGET_DOMAINS) {
			d = &b->domains[b->domain_n];
		} else {
			d = container_of(b->by_use.next, struct domain, node);
			list_del(&d->node);
			table_remove(&b->table, d->key, d);
		}
		*d = (struct domain){.key = key};
		list_init(&d->node);
		if (!table_insert(&b->table, key, d)) {
			/* Without memory: one that was in use already waits to be found no more. */
			if (b->domain_n == BUDGET_DOMAINS)
				list_add_head(&b->by_use, &d->node);
			return NULL;
		}
		b->domain_n += b->domain_n < BUDGET_DOMAINS;
	}
	list_add_tail(&b->by_use, &d->node);
	return d;
}

static void window_turn(struct dns_budget *b, uint64_t now_us)
{
	/* Counted from 1, so that 0 is no minute. */
	uint64_t window = now_us / WINDOW_US + 1;
	if (window == b->window)
		return;
	b->window = window;
	free(b->set);
	b->set = NULL;
	b->set_n = b->set_mask = 0;
}

/* ---- the names that were paid for ---- */

static uint64_t *set_slot(const struct dns_budget *b, uint64_t hash)
{
	size_t i = hash & b->set_mask;
	while (b->set[i] && b->set[i] != hash)
		i = (i + 1) & b->set_mask;
	return &b->set[i];
}

static bool set_has(const struct dns_budget *b, uint64_t hash)
{
	return b->set && *set_slot(b, hash) == hash;
}

static void set_grow(struct dns_budget *b)
{
	size_t old_n = b->set ? b->set_mask + 1 : 0, n = old_n ? old_n * 2 : SET_MIN;
	uint64_t *old = b->set, *set = calloc(n, sizeof(*set));
	if (!set)
		return;
	b->set = set;
	b->set_mask = n - 1;
	for (size_t i = 0; i < old_n; i++)
		if (old[i])
			*set_slot(b, old[i]) = old[i];
	free(old);
}

/* At the bound, or without memory, the name is not remembered. */
static void set_add(struct dns_budget *b, uint64_t hash)
{
	if (b->set_n == BUDGET_NAMES)
		return;
	if (!b->set || (b->set_n + 1) * 4 > (b->set_mask + 1) * 3)
		set_grow(b);
	if (!b->set || (b->set_n + 1) * 4 > (b->set_mask + 1) * 3)
		return;
	*set_slot(b, hash) = hash;
	b->set_n++;
}

bool dns_budget_take(struct dns_budget *b, const struct dns_name *name, uint64_t now_us)
{
	struct dns_name n = {.len = name->len};
	memcpy(n.b, name->b, name->len);
	dns_name_lower(&n);
	window_turn(b, now_us);
	uint64_t hash = siphash(&b->sipkey, n.b, n.len) | 1; /* 0 means free */
	if (set_has(b, hash))
		return true;

	unsigned at = registered_at(&n); /* that many bytes of labels lie below the domain */
	struct domain *d = domain_get(b, siphash(&b->sipkey, n.b + at, n.len - at));
	if (!d)
		return false;
	if (d->window != b->window) {
		d->window = b->window;
		d->names = d->bytes = 0;
	}
	if (d->names >= b->names_max || at > b->bytes_max - d->bytes)
		return false;
	d->names++;
	d->bytes += at;
	set_add(b, hash);
	return true;
}
