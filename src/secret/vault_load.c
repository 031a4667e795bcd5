// SPDX-License-Identifier: Apache-2.0
/*
 * Setting up a channel: all of a configuration's secrets are read, several at a time; then they
 * take the place of those that were there, or, where one cannot be read, all stays as it was.
 */
#include <stdlib.h>

#include "secret/vault.h"

struct vault_load {
	struct vault_channel *ch;
	uint32_t id; /* of the HOLDER_SETUP */
	struct vault_secret **list;
	size_t count, next, running;
	struct strv upstream_ca;
	bool starting; /* inside of advance() */
	bool failed;
	struct error why;
};

const struct strv *vault_load_upstream_ca(const struct vault_load *l)
{
	return &l->upstream_ca;
}

void vault_load_free(struct vault_load *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++)
		if (l->list[i])
			vault_secret_retire(l->list[i]);
	free(l->list);
	struct holder_setup rest = {.upstream_ca = l->upstream_ca};
	holder_setup_done(&rest);
	free(l);
}

static struct vault_secret *find(struct vault_secret *const *list, size_t n, const char *env_var)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i]->pub.env_var, env_var) == 0)
			return list[i];
	return NULL;
}

static int choose_placeholders(struct vault_load *l)
{
	const struct vault_channel *ch = l->ch;

	/* Those that a person chose come first: random ones give way to them. */
	for (int random = 0; random < 2; random++) {
		for (size_t i = 0; i < l->count; i++) {
			struct vault_secret *s = l->list[i];
			const struct vault_secret *before =
				find(ch->list, ch->count, s->pub.env_var);

			if ((s->conf.placeholder == NULL) != (random == 1))
				continue;
			if (vault_set_placeholder(s, l->list, l->count, before, &l->why) < 0)
				return error_prefix(&l->why, "%s", vault_secret_where(s));
		}
	}
	return 0;
}

/* Captured secrets stay as long as what they were captured by. */
static void keep_captured(struct vault_channel *ch)
{
	size_t n = 0;

	for (size_t i = 0; i < ch->captured_count; i++) {
		struct vault_secret *s = ch->captured[i];
		if (find(ch->list, ch->count, s->pub.env_var))
			ch->captured[n++] = s;
		else
			vault_secret_retire(s);
	}
	ch->captured_count = n;
}

static void swap_in(struct vault_load *l)
{
	struct vault_channel *ch = l->ch;
	struct vault_secret **old = ch->list;
	size_t old_count = ch->count;
	struct strv old_ca = ch->upstream_ca;

	ch->list = l->list;
	ch->count = l->count;
	ch->upstream_ca = l->upstream_ca;
	for (size_t i = 0; i < ch->count; i++)
		ch->list[i]->ch = ch;
	l->list = old;
	l->count = old_count;
	l->upstream_ca = old_ca;
	keep_captured(ch);
}

static void finish(struct vault_load *l)
{
	struct vault_channel *ch = l->ch;
	uint32_t id = l->id;

	ch->load = NULL;
	if (l->failed || choose_placeholders(l) < 0) {
		vault_fail(ch, id, l->why.msg);
	} else {
		swap_in(l);
		if (vault_push(ch, id, &l->why) < 0) {
			vault_fail(ch, id, l->why.msg);
			swap_in(l);
		}
	}
	vault_load_free(l);
}

static void advance(struct vault_load *l)
{
	if (l->starting)
		return;
	l->starting = true;
	while (!l->failed && l->next < l->count && l->running < VAULT_JOBS_MAX) {
		l->running++;
		vault_secret_read(l->list[l->next++]);
	}
	l->starting = false;
	if (l->failed || (l->running == 0 && l->next == l->count))
		finish(l);
}

void vault_load_done(struct vault_secret *s, const char *why)
{
	struct vault_load *l = s->load;

	s->load = NULL;
	l->running--;
	if (why && !l->failed) {
		l->failed = true;
		error_set(&l->why, "%s: %s", vault_secret_where(s), why);
	}
	advance(l);
}

static int add_secrets(struct vault_load *l, struct holder_setup *setup, struct error *err)
{
	l->list = calloc(setup->count ? setup->count : 1, sizeof(*l->list));
	if (!l->list)
		return error_set(err, "no memory");
	for (size_t i = 0; i < setup->count; i++) {
		struct config_secret *c = &setup->list[i];

		if (find(l->list, l->count, c->env_var))
			return error_set(err, "%s: there is a secret %s already",
					 c->where ? c->where : c->env_var, c->env_var);
		struct vault_secret *s = vault_secret_new(l->ch->v, c);
		if (!s)
			return error_set(err, "%s: its hosts are none, or there is no memory",
					 c->where ? c->where : c->env_var);
		s->load = l;
		l->list[l->count++] = s;
	}
	return 0;
}

void vault_load_start(struct vault_channel *ch, uint32_t id, struct view body)
{
	struct holder_setup setup;
	struct error err;

	if (ch->load) {
		vault_fail(ch, id, "the secrets are being read already");
		return;
	}
	if (!holder_read_setup(body, &setup)) {
		vault_fail(ch, id, "a secret's configuration is too long");
		return;
	}
	if (vault_seal_check(&ch->v->seal, &setup, &err) < 0) {
		vault_fail(ch, id, err.msg);
		holder_setup_done(&setup);
		return;
	}
	struct vault_load *l = calloc(1, sizeof(*l));
	if (!l) {
		vault_fail(ch, id, "no memory");
		holder_setup_done(&setup);
		return;
	}
	l->ch = ch;
	l->id = id;
	l->upstream_ca = setup.upstream_ca;
	setup.upstream_ca = (struct strv){0};
	int r = add_secrets(l, &setup, &err);
	holder_setup_done(&setup);
	if (r < 0) {
		vault_fail(ch, id, err.msg);
		vault_load_free(l);
		return;
	}
	ch->load = l;
	advance(l);
}
