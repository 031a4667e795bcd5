// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and changing heads. What is put in lies behind the rest of the head's text, which only
 * ever grows: nothing that was there before is overwritten, so views of one text can be shared.
 */
#include "http/exchange.h"

#include "http/text.h"

struct http_field *http_head_find(const struct http_head *h, const char *name,
				  const struct http_field *from)
{
	size_t len = strlen(name);

	for (size_t i = from ? (size_t)(from - h->fields.list) + 1 : 0; i < h->fields.count; i++) {
		const struct view *v = &h->fields.list[i].name;
		size_t n = 0;
		if (v->len != len)
			continue;
		while (n < len && http_lower(v->p[n]) == http_lower((uint8_t)name[n]))
			n++;
		if (n == len)
			return &h->fields.list[i];
	}
	return NULL;
}

static bool in_text(const struct http_fields *s, struct view v)
{
	return s->text && v.p >= s->text && v.p <= s->text + s->text_len;
}

/* The views that must follow the text when it moves, beside those of the list. */
#define PIN_COUNT 6

/* Room for n bytes more; `also`, where it lies in the text, follows it as the head's views do. */
static bool make_room(struct http_head *h, size_t n, struct view *also)
{
	struct view *pin[PIN_COUNT] = {&h->method,   &h->scheme,         &h->path,
				       &h->protocol, &h->authority_text, also};
	size_t at[PIN_COUNT];

	for (size_t i = 0; i < PIN_COUNT; i++)
		at[i] = in_text(&h->fields, *pin[i]) ? (size_t)(pin[i]->p - h->fields.text)
						     : SIZE_MAX;
	if (!http_fields_reserve(&h->fields, n))
		return false;
	for (size_t i = 0; i < PIN_COUNT; i++)
		if (at[i] != SIZE_MAX)
			pin[i]->p = h->fields.text + at[i];
	return true;
}

/* Puts bytes behind the text, where there is room for them, and shows them there. */
static struct view put(struct http_head *h, struct view v)
{
	const uint8_t *at = h->fields.text + h->fields.text_len;

	http_fields_append(&h->fields, v.p, v.len);
	return view_make(at, v.len);
}

/* A value that lies in the text already is shared. */
static bool keep(struct http_head *h, struct view v, struct view *ret)
{
	if (!in_text(&h->fields, v)) {
		if (!make_room(h, v.len, &v))
			return false;
		v = put(h, v);
	}
	*ret = v;
	return true;
}

bool http_head_set_value(struct http_head *h, size_t index, struct view value)
{
	struct view v;

	if (!keep(h, value, &v))
		return false;
	h->fields.list[index].value = v;
	h->fields.list[index].changed = true;
	return true;
}

bool http_head_add(struct http_head *h, const char *name, struct view value)
{
	bool shared = in_text(&h->fields, value);
	struct view n = view_make(name, strlen(name));

	if (h->fields.count == HTTP_FIELDS_MAX || n.len > HTTP_TEXT_MAX ||
	    value.len > HTTP_TEXT_MAX || !make_room(h, n.len + (shared ? 0 : value.len), &value))
		return false;
	size_t text_len = h->fields.text_len;
	n = put(h, n);
	if (!shared)
		value = put(h, value);
	if (!http_fields_add(&h->fields, n, value)) {
		h->fields.text_len = text_len;
		return false;
	}
	h->fields.list[h->fields.count - 1].changed = true;
	return true;
}

void http_head_remove(struct http_head *h, size_t index)
{
	struct http_field *f = h->fields.list + index;

	memmove(f, f + 1, (h->fields.count - index - 1) * sizeof(*f));
	h->fields.count--;
}

bool http_head_set_path(struct http_head *h, struct view path)
{
	if (!keep(h, path, &h->path))
		return false;
	h->path_changed = true;
	return true;
}
