// SPDX-License-Identifier: Apache-2.0
/* Sets of secrets as the packet process knows them, and their patterns of hosts. */
#include "secret/secret.h"

#include <stdlib.h>
#include <string.h>

#include "secret/holder_proto.h"

static bool host_read(const char *text, struct secret_host *h)
{
	const char *at = text;

	if (strcmp(text, "any") == 0) {
		h->kind = SECRET_HOST_ANY;
		return true;
	}
	h->kind = SECRET_HOST_EXACT;
	if (strncmp(at, "*.", 2) == 0) {
		h->kind = SECRET_HOST_BELOW;
		at += 2;
	} else if (*at == '.') {
		h->kind = SECRET_HOST_SUFFIX;
		at++;
	}
	return name_read(at, strlen(at), &h->name) == NAME_OK;
}

struct secret_host *secret_hosts_new(const struct strv *text)
{
	struct secret_host *list = calloc(text->n ? text->n : 1, sizeof(*list));

	if (!list)
		return NULL;
	for (size_t i = 0; i < text->n; i++) {
		list[i].text = strdup(text->v[i]);
		if (!list[i].text || !host_read(text->v[i], &list[i])) {
			secret_hosts_free(list, text->n);
			return NULL;
		}
	}
	return list;
}

void secret_hosts_free(struct secret_host *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		free(list[i].text);
	free(list);
}

bool secret_host_matches(const struct secret_host *list, size_t n, const struct name *name)
{
	for (size_t i = 0; i < n; i++) {
		const struct name *p = &list[i].name;

		switch (list[i].kind) {
		case SECRET_HOST_ANY:
			return true;
		case SECRET_HOST_EXACT:
			if (name_eq(p, name))
				return true;
			break;
		case SECRET_HOST_SUFFIX:
			if (name_eq(p, name))
				return true;
			/* fallthrough */
		case SECRET_HOST_BELOW:
			if (name_below(name, p->s, p->len))
				return true;
			break;
		}
	}
	return false;
}

bool secret_set_concerns(const struct secret_set *s, const struct name *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (secret_host_matches(s->list[i].hosts, s->list[i].host_count, name))
			return true;
	return false;
}

void secret_done(struct secret *s)
{
	free(s->env_var);
	free(s->placeholder);
	free(s->header);
	secret_hosts_free((struct secret_host *)(uintptr_t)s->hosts, s->host_count);
	secret_hosts_free((struct secret_host *)(uintptr_t)s->passthrough, s->passthrough_count);
}

void secret_set_free(struct secret_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		secret_done(&s->list[i]);
	free(s->list);
	needle_set_free(s->placeholders);
	needle_set_free(s->values);
	free(s);
}

struct secret_set *secret_set_ref(struct secret_set *s)
{
	s->refs++;
	return s;
}

void secret_set_unref(struct secret_set *s)
{
	if (!s || --s->refs > 0)
		return;
	if (s->gone)
		s->gone(s);
	secret_set_free(s);
}
