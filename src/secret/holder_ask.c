// SPDX-License-Identifier: Apache-2.0
/*
 * Questions to the key holder: their numbers, their answers.
 *
 * A question's number is its slot in a table and a running number above that, so that the late
 * answer to one that was cancelled finds nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "secret/holder_priv.h"

#define SLOT_BITS   12
#define SERIAL_MAX  (UINT32_MAX >> SLOT_BITS)
#define SLOTS_FIRST 16

_Static_assert(HOLDER_ASKS_MAX == 1 << SLOT_BITS, "a slot has SLOT_BITS bits");

static bool more_slots(struct holder_channel *ch)
{
	size_t n = ch->slot_count ? ch->slot_count * 2 : SLOTS_FIRST;

	if (n > HOLDER_ASKS_MAX)
		return false;
	struct ask_slot *s = realloc(ch->slots, n * sizeof(*s));
	if (!s)
		return false;
	for (size_t i = ch->slot_count; i < n; i++)
		s[i] = (struct ask_slot){.next_free = (uint16_t)(i + 1)};
	ch->slots = s;
	ch->free_slot = (uint16_t)ch->slot_count;
	ch->slot_count = n;
	return true;
}

static struct holder_ask *ask_new(struct holder_channel *ch, enum ask_kind kind, void *arg)
{
	if (ch->wire.fd < 0 || ch->freed)
		return NULL;
	if (ch->free_slot == ch->slot_count && !more_slots(ch))
		return NULL;
	struct holder_ask *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	uint16_t slot = ch->free_slot;
	ch->free_slot = ch->slots[slot].next_free;
	ch->slots[slot].ask = a;
	ch->open++;
	/* Numbers with nothing above the slot are those of HOLDER_SETUP. */
	ch->serial = ch->serial == SERIAL_MAX ? 1 : ch->serial + 1;
	a->ch = ch;
	a->id = ch->serial << SLOT_BITS | slot;
	a->kind = kind;
	a->arg = arg;
	return a;
}

struct holder_ask *ask_take(struct holder_channel *ch, uint32_t id)
{
	uint16_t slot = id & (HOLDER_ASKS_MAX - 1);
	struct holder_ask *a = slot < ch->slot_count ? ch->slots[slot].ask : NULL;

	if (!a || a->id != id)
		return NULL;
	ch->slots[slot] = (struct ask_slot){.next_free = ch->free_slot};
	ch->free_slot = slot;
	ch->open--;
	return a;
}

void holder_ask_cancel(struct holder_ask *a)
{
	if (a)
		free(ask_take(a->ch, a->id));
}

void ask_drop_all(struct holder_channel *ch)
{
	for (size_t i = 0; i < ch->slot_count; i++)
		free(ch->slots[i].ask);
	free(ch->slots);
	ch->slots = NULL;
	ch->slot_count = ch->open = ch->free_slot = 0;
}

/* ---- answers ---- */

static struct secret_value *value_new(struct view body)
{
	struct secret_value *v = malloc(sizeof(*v));

	if (!v)
		return NULL;
	v->len = body.len;
	v->bytes = secret_alloc(body.len ? body.len : 1);
	if (!v->bytes) {
		free(v);
		return NULL;
	}
	if (body.len)
		memcpy(v->bytes, body.p, body.len);
	return v;
}

void secret_value_free(struct secret_value *v)
{
	if (!v)
		return;
	secret_free(v->bytes);
	free(v);
}

void ask_answer(struct holder_ask *a, struct view body)
{
	struct secret_value *v;

	switch (a->kind) {
	case ASK_VALUE:
		v = value_new(body);
		a->fn.value(a->arg, v, v ? NULL : "no memory");
		break;
	case ASK_LEAF:
		a->fn.leaf(a->arg, body, NULL);
		break;
	case ASK_TEXT:
		a->fn.text(a->arg, body, NULL);
		break;
	}
	free(a);
}

void ask_fail(struct holder_ask *a, const char *why)
{
	switch (a->kind) {
	case ASK_VALUE:
		a->fn.value(a->arg, NULL, why);
		break;
	case ASK_LEAF:
		a->fn.leaf(a->arg, view_make(NULL, 0), why);
		break;
	case ASK_TEXT:
		a->fn.text(a->arg, view_make(NULL, 0), why);
		break;
	}
	free(a);
}

/* ---- asking ---- */

/* Sends the question; a failure takes it back. */
static struct holder_ask *ask_send(struct holder_ask *a, uint8_t kind, const struct view *parts,
				   size_t n)
{
	if (channel_send(a->ch, kind, a->id, parts, n) == 0)
		return a;
	holder_ask_cancel(a);
	return NULL;
}

static bool of_channel(const struct holder_channel *ch, const struct secret_set *set, size_t index)
{
	return set->channel == ch && index < set->count;
}

static struct view which(uint8_t out[10], const struct secret_set *set, size_t index)
{
	const struct holder_which w = {set->generation, (uint16_t)index};

	holder_put_which(out, &w);
	return view_make(out, 10);
}

struct holder_ask *holder_ask_value(struct holder_channel *ch, const struct secret_set *set,
				    size_t index, holder_value_fn *fn, void *arg)
{
	uint8_t w[10];
	struct holder_ask *a = of_channel(ch, set, index) ? ask_new(ch, ASK_VALUE, arg) : NULL;

	if (!a)
		return NULL;
	a->fn.value = fn;
	const struct view part = which(w, set, index);
	return ask_send(a, HOLDER_VALUE, &part, 1);
}

struct holder_ask *holder_ask_leaf(struct holder_channel *ch, const char *host, struct view spki,
				   holder_leaf_fn *fn, void *arg)
{
	size_t n = strlen(host);
	uint8_t lens[2][4];
	struct holder_ask *a = NULL;

	if (n <= NAME_TEXT_MAX && spki.len <= HOLDER_SPKI_MAX)
		a = ask_new(ch, ASK_LEAF, arg);
	if (!a)
		return NULL;
	a->fn.leaf = fn;
	put_be32(lens[0], (uint32_t)n);
	put_be32(lens[1], (uint32_t)spki.len);
	const struct view parts[] = {view_make(lens[0], 4), view_make(host, n),
				     view_make(lens[1], 4), spki};
	return ask_send(a, HOLDER_LEAF, parts, 4);
}

struct holder_ask *holder_ask_sign(struct holder_channel *ch, const struct secret_set *set,
				   size_t index, const struct holder_sign *s, holder_text_fn *fn,
				   void *arg)
{
	uint8_t w[10], len[4];
	struct holder_ask *a = NULL;
	struct buf scope = {0};
	struct holder_put p = {.to = &scope};

	if (of_channel(ch, set, index) && s->text.len <= HOLDER_SIGN_MAX)
		a = ask_new(ch, ASK_TEXT, arg);
	if (!a)
		return NULL;
	a->fn.text = fn;
	holder_put_text(&p, s->date);
	holder_put_text(&p, s->region);
	holder_put_text(&p, s->service);
	put_be32(len, (uint32_t)s->text.len);
	const struct view parts[] = {which(w, set, index), view_make(len, 4), s->text,
				     buf_view(&scope)};
	if (p.failed) {
		holder_ask_cancel(a);
		a = NULL;
	} else {
		a = ask_send(a, HOLDER_SIGN, parts, 4);
	}
	buf_done(&scope);
	return a;
}

struct holder_ask *holder_ask_capture(struct holder_channel *ch, const struct secret_set *set,
				      size_t from, struct view value, holder_text_fn *fn, void *arg)
{
	uint8_t w[10], len[4];
	struct holder_ask *a = NULL;

	if (of_channel(ch, set, from) && value.len <= SECRET_VALUE_MAX)
		a = ask_new(ch, ASK_TEXT, arg);
	if (!a)
		return NULL;
	a->fn.text = fn;
	put_be32(len, (uint32_t)value.len);
	const struct view parts[] = {which(w, set, from), view_make(len, 4), value};
	return ask_send(a, HOLDER_CAPTURE, parts, 3);
}
