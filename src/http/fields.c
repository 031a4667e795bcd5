// SPDX-License-Identifier: Apache-2.0
/*
 * Text and list of fields. Growth doubles; what grew beyond the first size is given back by
 * http_fields_clear().
 */
#include "http/fields.h"

#include <stdlib.h>

#define TEXT_FIRST 2048
#define LIST_FIRST 32

void http_fields_init(struct http_fields *s)
{
	*s = (struct http_fields){0};
}

static void free_text(struct http_fields *s)
{
	if (s->text)
		explicit_bzero(s->text, s->text_len);
	free(s->text);
	s->text = NULL;
	s->text_cap = 0;
}

void http_fields_done(struct http_fields *s)
{
	free_text(s);
	free(s->list);
	http_fields_init(s);
}

void http_fields_clear(struct http_fields *s)
{
	if (s->text_cap > TEXT_FIRST)
		free_text(s);
	/* The value of a secret may have stood in it. */
	else if (s->text)
		explicit_bzero(s->text, s->text_len);
	if (s->cap > LIST_FIRST) {
		free(s->list);
		s->list = NULL;
		s->cap = 0;
	}
	s->text_len = 0;
	s->count = 0;
}

static void rebase(struct view *v, const struct http_fields *s, uint8_t *to)
{
	if (v->p >= s->text && v->p <= s->text + s->text_len)
		v->p = to + (v->p - s->text);
}

/* The views in the list follow the text while the old one is still there. */
static bool grow_text(struct http_fields *s, size_t want)
{
	size_t cap = s->text_cap ? s->text_cap : TEXT_FIRST;

	while (cap < want)
		cap *= 2;
	uint8_t *text = malloc(cap);
	if (!text)
		return false;
	if (s->text_len)
		memcpy(text, s->text, s->text_len);
	for (size_t i = 0; i < s->count; i++) {
		rebase(&s->list[i].name, s, text);
		rebase(&s->list[i].value, s, text);
	}
	free_text(s);
	s->text = text;
	s->text_cap = cap;
	return true;
}

bool http_fields_reserve(struct http_fields *s, size_t n)
{
	if (n > HTTP_TEXT_MAX - s->text_len)
		return false;
	return s->text_cap - s->text_len >= n || grow_text(s, s->text_len + n);
}

bool http_fields_append(struct http_fields *s, const uint8_t *p, size_t n)
{
	if (!http_fields_reserve(s, n))
		return false;
	if (n)
		memcpy(s->text + s->text_len, p, n);
	s->text_len += n;
	return true;
}

static bool grow_list(struct http_fields *s)
{
	size_t cap = s->cap ? s->cap * 2 : LIST_FIRST;
	struct http_field *list = realloc(s->list, cap * sizeof(*list));

	if (!list)
		return false;
	s->list = list;
	s->cap = cap;
	return true;
}

bool http_fields_add(struct http_fields *s, struct view name, struct view value)
{
	if (s->count == HTTP_FIELDS_MAX || (s->count == s->cap && !grow_list(s)))
		return false;
	s->list[s->count++] = (struct http_field){.name = name, .value = value};
	return true;
}
