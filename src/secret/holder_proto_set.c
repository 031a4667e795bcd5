// SPDX-License-Identifier: Apache-2.0
/* The long bodies: which secrets the holder is to read, and the set that it makes of them. */
#include <stdlib.h>

#include "conf/config.h"
#include "secret/holder_proto.h"

/* ---- lists of texts ---- */

static void put_texts(struct holder_put *p, const struct strv *v)
{
	holder_put_be16(p, (uint16_t)v->n);
	for (size_t i = 0; i < v->n; i++)
		holder_put_text(p, v->v[i]);
}

static void texts_done(struct strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	free(v->v);
	*v = (struct strv){0};
}

/* What is there stays the caller's to free, also on failure. */
static bool get_texts(struct view *in, struct strv *ret)
{
	uint16_t n;

	/* Each takes four bytes at least: a count of more is a lie. */
	if (!view_get_be16(in, &n) || n > in->len / 4)
		return false;
	if (n == 0)
		return true;
	ret->v = calloc(n, sizeof(*ret->v));
	if (!ret->v)
		return false;
	while (ret->n < n) {
		if (!holder_get_text(in, &ret->v[ret->n]))
			return false;
		ret->n++;
	}
	return true;
}

/* ---- what is to be read ---- */

static unsigned places_of(const struct config_injection *i)
{
	return (i->headers ? SECRET_IN_HEADERS : 0u) | (i->basic_auth ? SECRET_IN_BASIC : 0u) |
	       (i->query_params ? SECRET_IN_QUERY : 0u) | (i->body ? SECRET_IN_BODY : 0u) |
	       (i->path ? SECRET_IN_PATH : 0u) | (i->websocket ? SECRET_IN_WEBSOCKET : 0u);
}

static struct config_injection injection_of(unsigned places)
{
	return (struct config_injection){
		.headers = places & SECRET_IN_HEADERS,
		.basic_auth = places & SECRET_IN_BASIC,
		.query_params = places & SECRET_IN_QUERY,
		.body = places & SECRET_IN_BODY,
		.path = places & SECRET_IN_PATH,
		.websocket = places & SECRET_IN_WEBSOCKET,
	};
}

enum {
	FLAG_TLS_IDENTITY = 1,
	FLAG_REQUIRE = 2,
	FLAG_CAPTURE = 4,
	FLAG_CAPTURED = 8,
};

static void put_config_secret(struct holder_put *p, const struct config_secret *s,
			      const struct config_secrets *all)
{
	enum config_violation v = s->on_violation;

	if (v == CONFIG_VIOLATION_UNSET)
		v = all->on_violation;
	holder_put_text(p, s->env_var);
	holder_put_u8(p, (uint8_t)s->source);
	holder_put_text(p, s->from ? s->from : s->env_var);
	holder_put_be64(p, s->expiry_us);
	holder_put_text(p, s->placeholder);
	holder_put_text(p, s->format);
	put_texts(p, &s->hosts);
	put_texts(p, &s->passthrough);
	holder_put_u8(p, (uint8_t)places_of(&s->injection));
	holder_put_u8(p, (uint8_t)v);
	holder_put_u8(p,
		      (uint8_t)((s->require_tls_identity ? FLAG_TLS_IDENTITY : 0) |
				(s->require ? FLAG_REQUIRE : 0) | (s->capture ? FLAG_CAPTURE : 0)));
	holder_put_u8(p, (uint8_t)s->signer);
	holder_put_text(p, s->token_url);
	holder_put_text(p, s->scope);
	holder_put_text(p, s->app_id);
	holder_put_text(p, s->header);
	holder_put_text(p, s->algorithm);
	holder_put_text(p, s->where);
}

static bool get_config_secret(struct view *in, struct config_secret *s)
{
	uint8_t source, places, violation, flags, signer;

	if (!holder_get_text(in, &s->env_var) || !*s->env_var || !view_get_u8(in, &source) ||
	    source > CONFIG_SECRET_COMMAND || !holder_get_text(in, &s->from) ||
	    !holder_get_be64(in, &s->expiry_us) || !holder_get_text_or_null(in, &s->placeholder) ||
	    !holder_get_text_or_null(in, &s->format) || !get_texts(in, &s->hosts) ||
	    !get_texts(in, &s->passthrough) || !view_get_u8(in, &places) ||
	    !view_get_u8(in, &violation) || violation > CONFIG_VIOLATION_BLOCK_AND_TERMINATE ||
	    !view_get_u8(in, &flags) || !view_get_u8(in, &signer) ||
	    signer > CONFIG_SIGNER_GITHUB_APP || !holder_get_text_or_null(in, &s->token_url) ||
	    !holder_get_text_or_null(in, &s->scope) || !holder_get_text_or_null(in, &s->app_id) ||
	    !holder_get_text_or_null(in, &s->header) ||
	    !holder_get_text_or_null(in, &s->algorithm) || !holder_get_text_or_null(in, &s->where))
		return false;
	s->source = source;
	s->injection = injection_of(places);
	s->on_violation = violation;
	s->require_tls_identity = flags & FLAG_TLS_IDENTITY;
	s->require = flags & FLAG_REQUIRE;
	s->capture = flags & FLAG_CAPTURE;
	s->signer = signer;
	return true;
}

void holder_put_setup(struct holder_put *p, const struct config *c)
{
	put_texts(p, &c->tls.upstream_ca);
	holder_put_be16(p, (uint16_t)c->secrets.count);
	for (size_t i = 0; i < c->secrets.count; i++)
		put_config_secret(p, &c->secrets.list[i], &c->secrets);
}

bool holder_read_setup(struct view body, struct holder_setup *ret)
{
	struct holder_setup s = {0};
	uint16_t n;

	if (!get_texts(&body, &s.upstream_ca) || !view_get_be16(&body, &n) || n > SECRETS_MAX)
		goto bad;
	s.list = calloc(n ? n : 1, sizeof(*s.list));
	if (!s.list)
		goto bad;
	while (s.count < n)
		if (!get_config_secret(&body, &s.list[s.count++]))
			goto bad;
	if (body.len)
		goto bad;
	*ret = s;
	return true;
bad:
	holder_setup_done(&s);
	return false;
}

void holder_setup_done(struct holder_setup *s)
{
	for (size_t i = 0; i < s->count; i++)
		config_secret_done(&s->list[i]);
	free(s->list);
	texts_done(&s->upstream_ca);
	*s = (struct holder_setup){0};
}

/* ---- a set ---- */

static void put_hosts(struct holder_put *p, const struct secret_host *list, size_t n)
{
	holder_put_be16(p, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		holder_put_text(p, list[i].text);
}

static bool get_hosts(struct view *in, const struct secret_host **ret, size_t *ret_n)
{
	struct strv text = {0};
	bool ok = get_texts(in, &text);

	if (ok && text.n) {
		*ret = secret_hosts_new(&text);
		ok = *ret;
		*ret_n = ok ? text.n : 0;
	}
	texts_done(&text);
	return ok;
}

static void put_secret(struct holder_put *p, const struct secret *s)
{
	holder_put_text(p, s->env_var);
	holder_put_text(p, s->placeholder);
	holder_put_be32(p, (uint32_t)s->value_len);
	put_hosts(p, s->hosts, s->host_count);
	put_hosts(p, s->passthrough, s->passthrough_count);
	holder_put_u8(p, (uint8_t)s->places);
	holder_put_u8(p, (uint8_t)s->on_violation);
	holder_put_u8(p, (uint8_t)s->signer);
	holder_put_u8(p,
		      (uint8_t)((s->require_tls_identity ? FLAG_TLS_IDENTITY : 0) |
				(s->require ? FLAG_REQUIRE : 0) | (s->capture ? FLAG_CAPTURE : 0) |
				(s->captured ? FLAG_CAPTURED : 0)));
	holder_put_text(p, s->header);
}

static bool get_secret(struct view *in, struct secret *s)
{
	uint8_t places, violation, signer, flags;
	uint32_t len;

	if (!holder_get_text(in, &s->env_var) || !holder_get_text(in, &s->placeholder) ||
	    !view_get_be32(in, &len) || len > SECRET_VALUE_MAX ||
	    !get_hosts(in, &s->hosts, &s->host_count) ||
	    !get_hosts(in, &s->passthrough, &s->passthrough_count) || !view_get_u8(in, &places) ||
	    !view_get_u8(in, &violation) || violation > SECRET_BLOCK_AND_TERMINATE ||
	    !view_get_u8(in, &signer) || signer > SECRET_BEARER || !view_get_u8(in, &flags) ||
	    !holder_get_text_or_null(in, &s->header))
		return false;
	s->value_len = len;
	s->places = places;
	s->on_violation = violation;
	s->signer = signer;
	s->require_tls_identity = flags & FLAG_TLS_IDENTITY;
	s->require = flags & FLAG_REQUIRE;
	s->capture = flags & FLAG_CAPTURE;
	s->captured = flags & FLAG_CAPTURED;
	return true;
}

#define NEEDLE_BYTES (8 + 4 * 2 + 2 + NEEDLE_HEAD)

static void put_needles(struct holder_put *p, const struct holder_needles *l)
{
	holder_put_be32(p, (uint32_t)l->count);
	for (size_t i = 0; i < l->count; i++) {
		const struct needle *n = &l->list[i];

		holder_put_be64(p, n->whole);
		holder_put_be16(p, n->head);
		holder_put_be16(p, n->len);
		holder_put_be16(p, n->tag);
		holder_put_be16(p, n->classes);
		holder_put_u8(p, n->form);
		holder_put_u8(p, n->phase);
		for (size_t j = 0; j < NEEDLE_HEAD; j++)
			holder_put_u8(p, n->lead[j]);
	}
}

static bool get_needle(struct view *in, size_t secrets, struct needle *n)
{
	return holder_get_be64(in, &n->whole) && view_get_be16(in, &n->head) &&
	       view_get_be16(in, &n->len) && n->len >= NEEDLE_MIN && n->len <= NEEDLE_LEN_MAX &&
	       view_get_be16(in, &n->tag) && n->tag < secrets && view_get_be16(in, &n->classes) &&
	       view_get_u8(in, &n->form) && n->form <= NEEDLE_UTF16_BE &&
	       view_get_u8(in, &n->phase) && n->phase <= 2 &&
	       view_get_bytes(in, n->lead, NEEDLE_HEAD);
}

static struct needle_set *get_needles(struct view *in, const struct needle_key *key, size_t secrets)
{
	struct needle_set *set = NULL;
	uint32_t n, i = 0;

	if (!view_get_be32(in, &n) || n > NEEDLES_MAX || n > in->len / NEEDLE_BYTES)
		return NULL;
	struct needle *list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return NULL;
	while (i < n && get_needle(in, secrets, &list[i]))
		i++;
	if (i == n)
		set = needle_set_new(key, list, n);
	free(list);
	return set;
}

static bool get_key(struct view *in, struct needle_key *key)
{
	return holder_get_be64(in, &key->head) && holder_get_be64(in, &key->whole[0]) &&
	       holder_get_be64(in, &key->whole[1]);
}

void holder_put_set(struct holder_put *p, uint64_t generation, const struct needle_key *key,
		    const struct secret *const *list, size_t count,
		    const struct holder_needles *placeholders, const struct holder_needles *values)
{
	holder_put_be64(p, generation);
	holder_put_be64(p, key->head);
	holder_put_be64(p, key->whole[0]);
	holder_put_be64(p, key->whole[1]);
	holder_put_be16(p, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		put_secret(p, list[i]);
	put_needles(p, placeholders);
	put_needles(p, values);
}

struct secret_set *holder_read_set(struct view body)
{
	struct secret_set *s = calloc(1, sizeof(*s));
	struct needle_key key;
	uint16_t n;

	if (!s)
		return NULL;
	s->refs = 1;
	if (!holder_get_be64(&body, &s->generation) || !get_key(&body, &key) ||
	    !view_get_be16(&body, &n) || n > SECRETS_MAX + SECRETS_CAPTURED_MAX)
		goto bad;
	s->list = calloc(n ? n : 1, sizeof(*s->list));
	if (!s->list)
		goto bad;
	while (s->count < n)
		if (!get_secret(&body, &s->list[s->count++]))
			goto bad;
	s->placeholders = get_needles(&body, &key, n);
	s->values = s->placeholders ? get_needles(&body, &key, n) : NULL;
	if (s->values && body.len == 0)
		return s;
bad:
	secret_set_free(s);
	return NULL;
}
