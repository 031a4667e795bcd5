// SPDX-License-Identifier: Apache-2.0
/*
 * Names and questions that are answered without asking anybody. See local.h.
 */
#include "dns/local.h"

#include <stdlib.h>

#include "base/table.h"
#include "dns/special.h"

const char *const dns_local_usual_aliases[] = {
	"host.docker.internal",
	"host.containers.internal",
	"host.microsandbox.internal",
	NULL,
};

/* What is known of one name. */
struct node {
	enum special_answer special; /* of the zone that begins here */
	bool forwards;               /* the zone that begins here goes to the resolvers */
	bool exists;                 /* has records, or something below it has */
	bool is_alias;
	bool is_loopback;
	size_t addr_n, addr_cap;
	struct ipaddr *addrs;
	const struct node *ptr; /* whose name this one points to */
	uint64_t hash;
	uint8_t len;
	uint8_t name[]; /* in lower case */
};

struct dns_local {
	struct table table;
	struct ipaddr gw[2]; /* the gateway's addresses that are there */
	size_t gw_n;
	bool has_v4, has_v6;
};

static const struct ipaddr loopback[] = {{4, {127, 0, 0, 1}}, {6, {[15] = 1}}};
/* What tells a client whether and how its network translates addresses (RFC 8880 7.1): weir's does
 * not. */
static const struct ipaddr ipv4only[] = {{4, {192, 0, 0, 170}}, {4, {192, 0, 0, 171}}};

/* ---- the table ---- */

struct suffix {
	const uint8_t *name;
	size_t len;
};

static bool node_is(const void *item, const void *key)
{
	const struct node *n = item;
	const struct suffix *s = key;
	return n->len == s->len && memcmp(n->name, s->name, s->len) == 0;
}

/* Names are hashed label by label from the right, so that one pass gives the hash of each suffix.
 * Only configuration fills the table: no key is needed. (FNV-1a) */
static uint64_t hash_label(uint64_t h, const uint8_t *label)
{
	for (size_t i = 0; i <= label[0]; i++)
		h = (h ^ label[i]) * 0x100000001b3u;
	return h;
}

#define HASH_ROOT 0xcbf29ce484222325u

/* The suffixes of a name, the longest (the name itself) last. */
struct suffixes {
	struct dns_name lower;
	uint8_t at[DNS_LABELS]; /* where the labels begin, the first label first */
	size_t left;
	uint64_t hash;
};

static void suffixes_begin(struct suffixes *s, const struct dns_name *name)
{
	s->lower.len = name->len;
	memcpy(s->lower.b, name->b, name->len);
	dns_name_lower(&s->lower);
	s->left = 0;
	s->hash = HASH_ROOT;
	for (size_t i = 0; s->lower.b[i]; i += 1u + s->lower.b[i])
		s->at[s->left++] = (uint8_t)i;
}

static bool suffixes_next(struct suffixes *s, struct suffix *ret)
{
	if (s->left == 0)
		return false;
	size_t at = s->at[--s->left];
	s->hash = hash_label(s->hash, s->lower.b + at);
	*ret = (struct suffix){s->lower.b + at, s->lower.len - at};
	return true;
}

static uint64_t mixed(uint64_t h)
{
	return h ^ h >> 32;
}

static struct node *node_get(struct dns_local *l, const struct suffix *s, uint64_t hash)
{
	struct node *n = table_find(&l->table, hash, node_is, s);
	if (n)
		return n;
	n = calloc(1, sizeof(*n) + s->len);
	if (!n)
		return NULL;
	n->hash = hash;
	n->len = (uint8_t)s->len;
	memcpy(n->name, s->name, s->len);
	if (!table_insert(&l->table, hash, n)) {
		free(n);
		return NULL;
	}
	return n;
}

/* The node of a zone, which need not exist as a name. */
static struct node *zone_get(struct dns_local *l, const char *text)
{
	struct dns_name name;
	struct suffixes s;
	struct suffix x = {0};
	if (!dns_name_parse(text, &name) || name.len < 2)
		return NULL;
	suffixes_begin(&s, &name);
	while (suffixes_next(&s, &x))
		;
	return node_get(l, &x, mixed(s.hash));
}

/*
 * The node of a name that exists. In a special-use zone the names between exist with it: a guest's
 * own resolver that asks for them one by one must not be told that there is nothing below (RFC
 * 8020).
 */
static struct node *name_get(struct dns_local *l, const struct dns_name *name)
{
	struct suffixes s;
	struct suffix x;
	struct node *n = NULL;
	bool inside = false;
	suffixes_begin(&s, name);
	while (suffixes_next(&s, &x)) {
		if (s.left == 0 || inside) {
			n = node_get(l, &x, mixed(s.hash));
			if (!n)
				return NULL;
			n->exists = true;
			continue;
		}
		n = table_find(&l->table, mixed(s.hash), node_is, &x);
		inside = n && n->special;
	}
	return n;
}

/* ---- filling it ---- */

static bool add_addr(struct node *n, const struct ipaddr *a)
{
	for (size_t i = 0; i < n->addr_n; i++)
		if (ipaddr_eq(&n->addrs[i], a))
			return true;
	if (n->addr_n == OWN_ADDRS_MAX)
		return false;
	if (n->addr_n == n->addr_cap) {
		size_t cap = n->addr_cap ? n->addr_cap * 2 : 1;
		struct ipaddr *v = realloc(n->addrs, cap * sizeof(*v));
		if (!v)
			return false;
		n->addrs = v;
		n->addr_cap = cap;
	}
	n->addrs[n->addr_n++] = *a;
	return true;
}

/* An address gets one name backwards: the first. */
static bool add_reverse(struct dns_local *l, const struct ipaddr *a, const struct node *to)
{
	struct dns_name name;
	dns_name_reverse(a, &name);
	struct node *n = name_get(l, &name);
	if (n && !n->ptr)
		n->ptr = to;
	return n;
}

static struct node *add_name(struct dns_local *l, const char *text)
{
	struct dns_name name;
	return dns_name_parse(text, &name) && name.len > 1 ? name_get(l, &name) : NULL;
}

bool dns_local_add_alias(struct dns_local *l, const char *text)
{
	struct node *n = add_name(l, text);
	if (n && !n->addr_n)
		n->is_alias = true;
	return n;
}

bool dns_local_add_record(struct dns_local *l, const struct name *name, const struct ipaddr *a)
{
	struct dns_name wire;
	dns_name_of(name, &wire);
	struct node *n = name_get(l, &wire);
	if (!n || !add_addr(n, a))
		return false;
	n->is_alias = false;
	return add_reverse(l, a, n);
}

bool dns_local_forward(struct dns_local *l, const char *text)
{
	struct node *n = zone_get(l, text);
	if (n)
		n->forwards = true;
	return n;
}

static bool add_special(void *arg, const char *zone, enum special_answer answer)
{
	struct node *n = zone_get(arg, zone);
	if (n) {
		n->special = answer;
		n->exists = answer == SPECIAL_EMPTY;
	}
	return n;
}

static bool fill(struct dns_local *l)
{
	if (!dns_special_each(add_special, l))
		return false;
	struct node *local = add_name(l, "localhost"), *host, *translation;
	if (!local)
		return false;
	local->is_loopback = true;
	translation = add_name(l, "ipv4only.arpa");
	host = add_name(l, LOCAL_HOST);
	if (!translation || !host)
		return false;
	host->is_alias = true;
	for (size_t i = 0; i < 2; i++)
		if (!add_reverse(l, &loopback[i], local) || !add_addr(translation, &ipv4only[i]))
			return false;
	for (size_t i = 0; i < l->gw_n; i++)
		if (!add_reverse(l, &l->gw[i], host))
			return false;
	return true;
}

struct dns_local *dns_local_new(const struct ipaddr *gw4, const struct ipaddr *gw6)
{
	struct dns_local *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	table_init(&l->table, LOCAL_NAMES_MAX);
	l->has_v4 = gw4->family == 4;
	l->has_v6 = gw6->family == 6;
	if (l->has_v4)
		l->gw[l->gw_n++] = *gw4;
	if (l->has_v6)
		l->gw[l->gw_n++] = *gw6;
	if (!fill(l)) {
		dns_local_free(l);
		return NULL;
	}
	return l;
}

void dns_local_free(struct dns_local *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->table.slots && i <= l->table.mask; i++) {
		struct node *n = l->table.slots[i].item;
		if (n)
			free(n->addrs);
		free(n);
	}
	table_done(&l->table);
	free(l);
}

/* ---- answering ---- */

/* What the table knows of a name. */
struct found {
	const struct node *self; /* the name's own node */
	const struct node *zone; /* the special-use zone that it lies in, the innermost one */
	bool forwards;
};

static struct found look_up(const struct dns_local *l, const struct dns_name *name)
{
	struct found f = {0};
	struct suffixes s;
	struct suffix x;
	suffixes_begin(&s, name);
	while (suffixes_next(&s, &x)) {
		const struct node *n = table_find(&l->table, mixed(s.hash), node_is, &x);
		f.self = n;
		if (!n)
			continue;
		f.forwards |= n->forwards;
		if (n->special)
			f.zone = n;
	}
	return f;
}

/* An address that the guest could not use would only make its programs wait for it. */
static bool family_is_missing(const struct dns_local *l, const struct dns_question *q)
{
	return q->class == DNS_IN &&
	       ((q->type == DNS_A && !l->has_v4) || (q->type == DNS_AAAA && !l->has_v6));
}

static bool has_records(const struct node *n)
{
	return n && (n->addr_n || n->is_alias || n->is_loopback || n->ptr);
}

static void answer_records(const struct dns_local *l, const struct dns_question *q,
			   const struct node *n, struct dns_own *ret)
{
	if (n->ptr) {
		ret->ptr.len = n->ptr->len;
		memcpy(ret->ptr.b, n->ptr->name, n->ptr->len);
	}
	if (n->is_loopback) {
		ret->addrs = loopback;
		ret->addr_n = 2;
	} else if (!family_is_missing(l, q)) {
		ret->addrs = n->is_alias ? l->gw : n->addrs;
		ret->addr_n = n->is_alias ? l->gw_n : n->addr_n;
	}
}

static void answer_zone(const struct found *f, struct dns_own *ret)
{
	ret->zone_len = f->zone->len;
	switch (f->zone->special) {
	case SPECIAL_NONE:
	case SPECIAL_NODATA:
		break;
	case SPECIAL_NXDOMAIN:
		ret->rcode = DNS_NXDOMAIN;
		break;
	case SPECIAL_EMPTY:
		ret->rcode = f->self && f->self->exists ? DNS_NOERROR : DNS_NXDOMAIN;
		break;
	case SPECIAL_LOOPBACK:
		ret->addrs = loopback;
		ret->addr_n = 2;
		break;
	}
}

bool dns_local_find(const struct dns_local *l, const struct dns_question *q, struct dns_own *ret)
{
	struct found f = look_up(l, &q->name);
	ret->rcode = DNS_NOERROR;
	ret->addrs = NULL;
	ret->addr_n = 0;
	ret->ptr.len = 0;
	ret->zone_len = 0;
	ret->authoritative = true;
	if (has_records(f.self)) {
		ret->zone_len = f.zone ? f.zone->len : f.self->len;
		answer_records(l, q, f.self, ret);
		return true;
	}
	if (f.zone && !f.forwards) {
		answer_zone(&f, ret);
		return true;
	}
	ret->authoritative = false;
	return family_is_missing(l, q);
}

bool dns_local_is_special(const struct dns_local *l, const struct dns_name *name)
{
	return look_up(l, name).zone != NULL;
}
