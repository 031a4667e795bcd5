// SPDX-License-Identifier: Apache-2.0
/*
 * Public names: the list of those that are known, the reader of ECHConfigList, the learnt set.
 *
 * The set is a table by name and a list by time of the last sight.
 */
#include "tls/ech.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/siphash.h"
#include "base/table.h"

bool ech_public_name_known(const struct name *n)
{
	static const char *const names[] = {
		"cloudflare-ech.com",  /* all zones of Cloudflare */
		"cloudflare-esni.com", /* the same, in its trial */
		"public.tls-ech.dev",  /* a test service */
		"cover.defo.ie",       /* another one */
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(n->s, names[i]) == 0)
			return true;
	return false;
}

/* ---- ECHConfigList ---- */

enum {
	ECH_VERSION = 0xfe0d
};

/* A vector behind a length of two bytes. */
static bool take_vector(struct view *v, struct view *ret)
{
	uint16_t n;
	return view_get_be16(v, &n) && view_take(v, n, ret);
}

/* Reads ECHConfigContents up to its end. */
static bool read_contents(struct view v, struct view *ret_name)
{
	struct view key, suites, extensions;
	uint8_t n;

	/* HpkeKeyConfig: config_id, kem_id, public_key, cipher_suites of four bytes each. */
	if (!view_skip(&v, 3) || !take_vector(&v, &key) || key.len == 0 ||
	    !take_vector(&v, &suites) || suites.len == 0 || suites.len % 4)
		return false;
	/* maximum_name_length, public_name, extensions */
	return view_skip(&v, 1) && view_get_u8(&v, &n) && n && view_take(&v, n, ret_name) &&
	       take_vector(&v, &extensions) && v.len == 0;
}

int ech_config_public_names(struct view list, struct name ret[ECH_CONFIGS_MAX])
{
	struct view configs, contents, name;
	int count = 0;

	if (!take_vector(&list, &configs) || list.len || configs.len == 0)
		return -1;
	while (configs.len) {
		uint16_t version;
		if (!view_get_be16(&configs, &version) || !take_vector(&configs, &contents))
			return -1;
		if (version != ECH_VERSION)
			continue;
		if (!read_contents(contents, &name))
			return -1;
		if (count < ECH_CONFIGS_MAX &&
		    name_read((const char *)name.p, name.len, &ret[count]) == NAME_OK)
			count++;
	}
	return count;
}

/* ---- the learnt set ---- */

struct learnt {
	struct list by_time;
	uint64_t hash;
	uint8_t len;
	char s[]; /* as in struct name, without the NUL */
};

struct ech_names {
	struct sipkey key;
	struct table by_name; /* of struct learnt */
	struct list by_time;  /* the oldest first */
};

struct ech_names *ech_names_new(void)
{
	struct ech_names *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	sipkey_random(&e->key);
	table_init(&e->by_name, ECH_NAMES_MAX);
	list_init(&e->by_time);
	return e;
}

static void forget(struct ech_names *e, struct learnt *l)
{
	table_remove(&e->by_name, l->hash, l);
	list_del(&l->by_time);
	free(l);
}

static struct learnt *oldest(struct ech_names *e)
{
	return container_of(e->by_time.next, struct learnt, by_time);
}

void ech_names_free(struct ech_names *e)
{
	if (!e)
		return;
	while (!list_empty(&e->by_time))
		forget(e, oldest(e));
	table_done(&e->by_name);
	free(e);
}

static bool is_name(const void *item, const void *key)
{
	const struct learnt *l = item;
	const struct name *n = key;
	return l->len == n->len && memcmp(l->s, n->s, n->len) == 0;
}

static struct learnt *find(const struct ech_names *e, const struct name *n)
{
	return table_find(&e->by_name, siphash(&e->key, n->s, n->len), is_name, n);
}

bool ech_names_add(struct ech_names *e, const struct name *n)
{
	struct learnt *l = find(e, n);

	if (l) {
		list_del(&l->by_time);
		list_add_tail(&e->by_time, &l->by_time);
		return true;
	}
	l = malloc(sizeof(*l) + n->len);
	if (!l)
		return false;
	if (e->by_name.count == ECH_NAMES_MAX)
		forget(e, oldest(e));
	l->hash = siphash(&e->key, n->s, n->len);
	l->len = n->len;
	memcpy(l->s, n->s, n->len);
	if (!table_insert(&e->by_name, l->hash, l)) {
		free(l);
		return false;
	}
	list_add_tail(&e->by_time, &l->by_time);
	return true;
}

bool ech_names_has(const struct ech_names *e, const struct name *n)
{
	return find(e, n) != NULL;
}
