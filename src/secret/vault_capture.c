// SPDX-License-Identifier: Apache-2.0
/* Placeholders of a channel's secrets, and secrets that answers brought (OAuth capture). */
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "secret/placeholder.h"
#include "secret/vault.h"

#define TRIES 16

static bool holds(struct view in, struct view what)
{
	return what.len <= in.len && memmem(in.p, in.len, what.p, what.len);
}

static struct view text_view(const char *s)
{
	return view_make(s, strlen(s));
}

/* The other that one could be taken for; NULL: none. *ret_value: for its value. */
static const struct vault_secret *clash(const char *placeholder, const struct vault_secret *self,
					struct vault_secret *const *others, size_t n,
					bool *ret_value)
{
	struct view p = text_view(placeholder);

	for (size_t i = 0; i < n; i++) {
		const struct vault_secret *o = others[i];
		const struct vault_value *values[] = {o->value, o->key};

		for (size_t j = 0; j < 2; j++) {
			if (!values[j])
				continue;
			struct view v = vault_value_view(values[j]);
			if (holds(p, v) || holds(v, p)) {
				*ret_value = true;
				return o;
			}
		}
		if (o == self || !o->pub.placeholder)
			continue;
		struct view other = text_view(o->pub.placeholder);
		if (holds(p, other) || holds(other, p)) {
			*ret_value = false;
			return o;
		}
	}
	return NULL;
}

static int chosen(struct vault_secret *s, struct vault_secret *const *others, size_t n,
		  struct error *err)
{
	bool value;

	if (placeholder_check(s->conf.placeholder, err) < 0)
		return -1;
	const struct vault_secret *o = clash(s->conf.placeholder, s, others, n, &value);
	if (o && value)
		return error_set(err, "its placeholder and the value of %s are part of each other",
				 o == s ? "the secret itself" : o->pub.env_var);
	if (o)
		return error_set(err, "its placeholder and that of %s are part of each other",
				 o->pub.env_var);
	s->pub.placeholder = strdup(s->conf.placeholder);
	return s->pub.placeholder ? 0 : error_set(err, "no memory");
}

static char *one(const struct vault_secret *s)
{
	return s->conf.format ? placeholder_by_format(s->conf.format)
			      : placeholder_like(vault_value_view(s->value));
}

int vault_set_placeholder(struct vault_secret *s, struct vault_secret *const *others, size_t n,
			  const struct vault_secret *before, struct error *err)
{
	bool value;

	if (s->conf.placeholder)
		return chosen(s, others, n, err);
	if (s->conf.format && placeholder_format_check(s->conf.format, err) < 0)
		return -1;
	/* The guest has the one from before in its hands. */
	if (before && !before->conf.placeholder &&
	    !clash(before->pub.placeholder, s, others, n, &value)) {
		s->pub.placeholder = strdup(before->pub.placeholder);
		return s->pub.placeholder ? 0 : error_set(err, "no memory");
	}
	for (int i = 0; i < TRIES; i++) {
		char *p = one(s);

		if (!p)
			return error_set(err, "no memory, or no random bytes");
		if (!clash(p, s, others, n, &value)) {
			s->pub.placeholder = p;
			return 0;
		}
		free(p);
	}
	return error_set(err, "no placeholder for it can be told from other secrets");
}

/* ---- capture ---- */

/* What `from` may do, in a configuration of its own. */
static bool inherit(const struct vault_secret *from, struct config_secret *ret)
{
	struct config one = {
		.secrets = {.list = (struct config_secret *)(uintptr_t)&from->conf, .count = 1}};
	struct buf b = {0};
	struct holder_put p = {.to = &b};
	struct holder_setup copy;
	bool ok;

	/* The way over a channel's bytes copies every part of it. */
	holder_put_setup(&p, &one);
	ok = !p.failed && holder_read_setup(buf_view(&b), &copy);
	buf_done(&b);
	if (!ok)
		return false;
	*ret = copy.list[0];
	copy.count = 0;
	holder_setup_done(&copy);
	free(ret->placeholder);
	free(ret->format);
	ret->placeholder = ret->format = NULL;
	ret->signer = CONFIG_SIGNER_NONE;
	ret->require = false;
	return true;
}

static struct vault_secret *captured_new(const struct vault_secret *from, struct view value,
					 struct error *err)
{
	struct config_secret conf = {0};
	struct vault_secret *s = NULL;
	struct vault_value *v = vault_value_checked(value, false, err);

	if (!v)
		return NULL;
	if (inherit(from, &conf))
		s = vault_secret_new(from->v, &conf);
	if (!s) {
		config_secret_done(&conf);
		vault_value_unref(v);
		error_set(err, "no memory");
		return NULL;
	}
	s->pub.captured = true;
	s->value = v;
	return s;
}

/* A secret with this value already. */
static const struct vault_secret *with_value(const struct vault_channel *ch, struct view value)
{
	for (size_t i = 0; i < ch->count + ch->captured_count; i++) {
		const struct vault_secret *s =
			i < ch->count ? ch->list[i] : ch->captured[i - ch->count];
		if (s->value->len == value.len && memcmp(s->value->bytes, value.p, value.len) == 0)
			return s;
	}
	return NULL;
}

static int placeholder_among_all(struct vault_channel *ch, struct vault_secret *s,
				 struct error *err)
{
	struct vault_secret *all[SECRETS_MAX + SECRETS_CAPTURED_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < ch->count; i++)
		all[n++] = ch->list[i];
	for (size_t i = 0; i < ch->captured_count; i++)
		all[n++] = ch->captured[i];
	all[n++] = s;
	return vault_set_placeholder(s, all, n, NULL, err);
}

const char *vault_capture(struct vault_channel *ch, const struct vault_secret *from,
			  struct view value, struct error *err)
{
	const struct vault_secret *have = with_value(ch, value);

	if (have)
		return have->pub.placeholder;
	struct vault_secret *s = captured_new(from, value, err);
	if (!s)
		return NULL;
	if (placeholder_among_all(ch, s, err) < 0) {
		vault_secret_unref(s);
		return NULL;
	}
	/* At the cap the oldest goes: its placeholder means nothing from then on. */
	if (ch->captured_count == SECRETS_CAPTURED_MAX) {
		vault_secret_retire(ch->captured[0]);
		ch->captured_count--;
		memmove(ch->captured, ch->captured + 1,
			ch->captured_count * sizeof(ch->captured[0]));
	}
	s->ch = ch;
	ch->captured[ch->captured_count++] = s;
	if (vault_push(ch, 0, err) < 0)
		return NULL;
	return s->pub.placeholder;
}
