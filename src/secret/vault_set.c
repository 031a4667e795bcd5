// SPDX-License-Identifier: Apache-2.0
/* Sets: what a channel was told, and which values were meant by it. */
#include <stdlib.h>

#include "secret/vault.h"

struct vault_set *vault_set_find(const struct vault_channel *ch, uint64_t generation)
{
	list_for_each (it, &ch->sets) {
		struct vault_set *s = container_of(it, struct vault_set, node);
		if (s->generation == generation)
			return s;
	}
	return NULL;
}

void vault_set_free(struct vault_channel *ch, struct vault_set *s)
{
	list_del(&s->node);
	ch->set_count--;
	for (size_t i = 0; i < s->count; i++) {
		vault_secret_unref(s->items[i].secret);
		vault_value_unref(s->items[i].value);
		vault_value_unref(s->items[i].key);
	}
	free(s);
}

static struct vault_set *snapshot(struct vault_channel *ch)
{
	size_t n = ch->count + ch->captured_count;
	struct vault_set *s = calloc(1, sizeof(*s) + n * sizeof(s->items[0]));

	if (!s)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct vault_secret *x = i < ch->count ? ch->list[i] : ch->captured[i - ch->count];
		x->refs++;
		s->items[i] =
			(struct vault_item){x, vault_value_ref(x->value), vault_value_ref(x->key)};
	}
	s->count = n;
	s->generation = ++ch->generation;
	list_add_head(&ch->sets, &s->node);
	ch->set_count++;
	return s;
}

/* ---- needles ---- */

static int add_needles(struct holder_needles *l, const struct needle_key *key, struct view text,
		       size_t tag, struct error *err)
{
	if (l->count + NEEDLE_FORMS > NEEDLES_MAX)
		return error_set(err, "too many secrets to look for all of them");
	l->count += needle_make_forms(key, text, (uint16_t)tag, l->list + l->count);
	return 0;
}

struct set_needles {
	struct holder_needles placeholders, values;
};

static void needles_done(struct set_needles *n)
{
	free(n->placeholders.list);
	free(n->values.list);
}

static int make_needles(const struct vault_channel *ch, const struct vault_set *s,
			struct set_needles *ret, struct error *err)
{
	*ret = (struct set_needles){0};
	ret->placeholders.list = calloc(NEEDLES_MAX, sizeof(struct needle));
	ret->values.list = calloc(NEEDLES_MAX, sizeof(struct needle));
	if (!ret->placeholders.list || !ret->values.list)
		return error_set(err, "no memory");
	for (size_t i = 0; i < s->count; i++) {
		const struct vault_item *it = &s->items[i];
		const char *p = it->secret->pub.placeholder;

		if (add_needles(&ret->placeholders, &ch->needle_key, view_make(p, strlen(p)), i,
				err) < 0 ||
		    add_needles(&ret->values, &ch->needle_key, vault_value_view(it->value), i,
				err) < 0 ||
		    (it->key && add_needles(&ret->values, &ch->needle_key,
					    vault_value_view(it->key), i, err) < 0))
			return -1;
	}
	return 0;
}

/* ---- telling ---- */

static int tell(struct vault_channel *ch, const struct vault_set *s, uint32_t id,
		const struct set_needles *n, struct error *err)
{
	const struct secret *list[SECRETS_MAX + SECRETS_CAPTURED_MAX];
	struct buf b = {0};
	struct holder_put p = {.to = &b};

	for (size_t i = 0; i < s->count; i++) {
		s->items[i].secret->pub.value_len = s->items[i].value->len;
		list[i] = &s->items[i].secret->pub;
	}
	holder_put_set(&p, s->generation, &ch->needle_key, list, s->count, &n->placeholders,
		       &n->values);
	if (p.failed) {
		buf_done(&b);
		return error_set(err, "no memory");
	}
	const struct view part = buf_view(&b);
	vault_send(ch, HOLDER_SET, id, &part, 1);
	buf_done(&b);
	return 0;
}

int vault_push(struct vault_channel *ch, uint32_t id, struct error *err)
{
	struct set_needles n = {0};
	struct vault_set *s = snapshot(ch);
	int r = -1;

	if (!s)
		return error_set(err, "no memory");
	if (make_needles(ch, s, &n, err) == 0)
		r = tell(ch, s, id, &n, err);
	needles_done(&n);
	if (r < 0) {
		vault_set_free(ch, s);
		return -1;
	}
	/* One that somebody has kept for so long is forgotten all the same. */
	if (ch->set_count > VAULT_SETS_MAX)
		vault_set_free(ch, container_of(ch->sets.prev, struct vault_set, node));
	return 0;
}
