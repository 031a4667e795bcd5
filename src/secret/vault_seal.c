// SPDX-License-Identifier: Apache-2.0
/*
 * The seal: from when it is set, the holder reads no source that it was not started with.
 *
 * Before, while the gateway is being set up and no guest exists, each HOLDER_SETUP's sources are
 * noted. Afterwards whoever speaks on a channel may have been taken over by a guest: what a setting
 * up names then has to be noted already, or to stand in one of the configuration files that were
 * named with the seal, as this process reads them itself at that moment. So a changed file still
 * brings new secrets, and nobody but its owner does.
 *
 * A source is all that decides what is read and whom it is shown to while it is made a value:
 * where it comes from, how it signs, where its token is fetched, and in which certificates that is
 * trusted. Hosts, placeholders and places are the packet process's own to act on.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "conf/config.h"
#include "conf/tree.h"
#include "secret/vault.h"

#define SANDBOXES_MAX 65536

struct known {
	struct list node;
	size_t len;
	uint8_t bytes[];
};

/* ---- what a source is ---- */

static bool describe(const struct config_secret *s, struct buf *ret)
{
	struct holder_put p = {.to = ret};

	holder_put_u8(&p, (uint8_t)s->source);
	holder_put_text(&p, s->from ? s->from : s->env_var);
	holder_put_be64(&p, s->expiry_us);
	holder_put_u8(&p, (uint8_t)s->signer);
	holder_put_text(&p, s->token_url);
	holder_put_text(&p, s->scope);
	holder_put_text(&p, s->app_id);
	holder_put_text(&p, s->header);
	holder_put_text(&p, s->algorithm);
	return !p.failed;
}

static bool describe_ca(const char *path, struct buf *ret)
{
	struct holder_put p = {.to = ret};

	holder_put_text(&p, path);
	return !p.failed;
}

static bool has(const struct list *all, struct view v)
{
	list_for_each (n, all) {
		const struct known *k = container_of(n, struct known, node);

		if (k->len == v.len && memcmp(k->bytes, v.p, v.len) == 0)
			return true;
	}
	return false;
}

static bool add(struct list *all, struct view v)
{
	struct known *k = has(all, v) ? NULL : malloc(sizeof(*k) + v.len);

	if (!k)
		return has(all, v);
	k->len = v.len;
	memcpy(k->bytes, v.p, v.len);
	list_add_tail(all, &k->node);
	return true;
}

static void forget(struct list *all)
{
	while (!list_empty(all))
		free(container_of(list_pop(all), struct known, node));
}

/* Notes them in `all`. False without memory. */
static bool note(struct list *all, const struct config_secret *list, size_t n,
		 const struct strv *upstream_ca)
{
	struct buf b = {0};
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		buf_take(&b, b.len);
		ok = describe(&list[i], &b) && add(all, buf_view(&b));
	}
	for (size_t i = 0; ok && i < upstream_ca->n; i++) {
		buf_take(&b, b.len);
		ok = describe_ca(upstream_ca->v[i], &b) && add(all, buf_view(&b));
	}
	buf_done(&b);
	return ok;
}

/* ---- the configuration's files ---- */

static void note_config(struct list *all, struct config *c)
{
	note(all, c->secrets.list, c->secrets.count, &c->tls.upstream_ca);
	config_done(c);
}

/* All that one file names, for one sandbox or for several. What cannot be read names nothing. */
static void note_file(struct list *all, const char *path)
{
	struct error err;
	struct config c;
	struct tree *t = tree_load(path, &err);

	config_init(&c);
	c.path = strdup(path);
	if (c.path && config_load(&c, &err) == 0)
		note_config(all, &c);
	else
		config_done(&c);
	for (size_t i = 0; t && i < SANDBOXES_MAX; i++) {
		config_init(&c);
		c.path = strdup(path);
		if (!c.path || config_load_sandbox(&c, t, i, &err) < 0) {
			config_done(&c);
			break;
		}
		note_config(all, &c);
	}
	tree_free(t);
}

/* ---- the seal ---- */

void vault_seal_init(struct vault_seal *s)
{
	list_init(&s->known);
}

void vault_seal_done(struct vault_seal *s)
{
	forget(&s->known);
	strv_done(&s->files);
}

bool vault_seal_set(struct vault_seal *s, struct view body)
{
	char *path;

	if (s->sealed)
		return false;
	while (body.len) {
		if (!holder_get_text(&body, &path))
			return false;
		bool ok = strv_add(&s->files, path);
		free(path);
		if (!ok)
			return false;
	}
	s->sealed = true;
	return true;
}

/* The first that is in neither. NULL: none is. */
static const char *find_new(const struct holder_setup *setup, const struct list *known,
			    const struct list *read)
{
	const char *found = NULL;
	struct buf b = {0};

	for (size_t i = 0; !found && i < setup->count; i++) {
		const struct config_secret *c = &setup->list[i];

		buf_take(&b, b.len);
		if (!describe(c, &b) || (!has(known, buf_view(&b)) && !has(read, buf_view(&b))))
			found = c->where ? c->where : c->env_var;
	}
	for (size_t i = 0; !found && i < setup->upstream_ca.n; i++) {
		buf_take(&b, b.len);
		if (!describe_ca(setup->upstream_ca.v[i], &b) ||
		    (!has(known, buf_view(&b)) && !has(read, buf_view(&b))))
			found = setup->upstream_ca.v[i];
	}
	buf_done(&b);
	return found;
}

int vault_seal_check(struct vault_seal *s, const struct holder_setup *setup, struct error *err)
{
	struct list read;
	const char *found;

	if (!s->sealed)
		return note(&s->known, setup->list, setup->count, &setup->upstream_ca)
			       ? 0
			       : error_set(err, "no memory");
	list_init(&read);
	found = find_new(setup, &s->known, &read);
	if (!found)
		return 0;
	for (size_t i = 0; i < s->files.n; i++)
		note_file(&read, s->files.v[i]);
	found = find_new(setup, &s->known, &read);
	forget(&read);
	if (!found)
		return 0;
	return error_set(
		err,
		"%s: the gateway was not started with this source, and the key holder does "
		"not find it in the configuration file: start it anew",
		found);
}
