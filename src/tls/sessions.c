// SPDX-License-Identifier: Apache-2.0
/* The list of sessions. It is short, so it is searched from its head. */
#include "tls/sessions.h"

#include <stdlib.h>
#include <string.h>

struct kept {
	struct list link;
	SSL_SESSION *session;
	size_t key_len;
	uint8_t key[];
};

void sessions_init(struct sessions *s)
{
	list_init(&s->list);
	s->count = 0;
}

static void drop(struct sessions *s, struct kept *k)
{
	list_del(&k->link);
	s->count--;
	SSL_SESSION_free(k->session);
	free(k);
}

void sessions_done(struct sessions *s)
{
	list_for_each (it, &s->list)
		drop(s, container_of(it, struct kept, link));
}

static bool same(const struct kept *k, struct view key)
{
	return k->key_len == key.len && memcmp(k->key, key.p, key.len) == 0;
}

SSL_SESSION *sessions_take(struct sessions *s, struct view key)
{
	list_for_each (it, &s->list) {
		struct kept *k = container_of(it, struct kept, link);
		if (!same(k, key))
			continue;
		SSL_SESSION *x = k->session;
		if (!SSL_SESSION_is_resumable(x)) {
			drop(s, k);
			continue;
		}
		SSL_SESSION_up_ref(x);
		if (SSL_SESSION_get_protocol_version(x) >= TLS1_3_VERSION)
			drop(s, k);
		return x;
	}
	return NULL;
}

/* Makes room for one more, under this key and in all. */
static void make_room(struct sessions *s, struct view key)
{
	size_t n = 0;

	list_for_each (it, &s->list) {
		struct kept *k = container_of(it, struct kept, link);
		if (same(k, key) && ++n >= SESSIONS_SAME)
			drop(s, k);
	}
	if (s->count >= SESSIONS_MAX)
		drop(s, container_of(s->list.prev, struct kept, link));
}

bool sessions_put(struct sessions *s, struct view key, SSL_SESSION *session)
{
	struct kept *k = malloc(sizeof(*k) + key.len);

	if (!k)
		return false;
	make_room(s, key);
	k->session = session;
	k->key_len = key.len;
	memcpy(k->key, key.p, key.len);
	list_add_head(&s->list, &k->link);
	s->count++;
	return true;
}
