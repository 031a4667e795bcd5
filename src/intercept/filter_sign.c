// SPDX-License-Identifier: Apache-2.0
/*
 * Requests that are signed with a secret that the guest does not have.
 *
 * AWS Signature Version 4: the guest signs with a placeholder for its access key id, and any text
 * for its key; what it made is thrown away, and the request as it will be sent is signed by the key
 * holder. HMAC: the placeholder stands in the secret's header field, and the signature over the
 * body takes its place.
 *
 * Where the body is signed its head waits for it, up to FILTER_WHOLE_MAX bytes, and what an HMAC is
 * made of, up to SIGN_TEXT_MAX.
 */
#include <stdlib.h>

#include "http/sigv4.h"
#include "http/text.h"
#include "intercept/filter_priv.h"
#include "tls/libcrypto.h"

#define SIGN_TEXT_MAX (1u << 20) /* of an HMAC; as much as the holder takes */
#define HASH_LEN      32

struct filter_sign {
	size_t index; /* of the secret */
	bool sigv4, body;
	EVP_MD_CTX *hash; /* SIGV4, over the body */
	struct buf text;  /* HMAC: the body */
	char payload[SIGV4_HASH_TEXT + 1];
};

void sign_free(struct filter_secrets *s)
{
	if (!s->sign)
		return;
	if (s->sign->hash) /* else libcrypto may not be there */
		EVP_MD_CTX_free(s->sign->hash);
	buf_done(&s->sign->text);
	free(s->sign);
	s->sign = NULL;
}

static bool is_text(struct view v, const char *text)
{
	return text && http_text_is_exactly(v, text);
}

/* The field in which the placeholder of an HMAC stands. */
static struct http_field *hmac_field(const struct filter_secrets *s, const struct secret *x)
{
	struct http_field *f = NULL;

	if (!x->header)
		return NULL;
	while ((f = http_head_find(&s->x->request, x->header, f)))
		if (f->value.len &&
		    memmem(f->value.p, f->value.len, x->placeholder, strlen(x->placeholder)))
			return f;
	return NULL;
}

static bool find_hmac(const struct filter_secrets *s, size_t *ret)
{
	for (*ret = 0; *ret < s->set->count; (*ret)++) {
		const struct secret *x = &s->set->list[*ret];
		if (x->signer == SECRET_HMAC && secrets_may_have(s, x) && hmac_field(s, x))
			return true;
	}
	return false;
}

static bool find_sigv4(const struct filter_secrets *s, struct view id, size_t *ret)
{
	for (*ret = 0; *ret < s->set->count; (*ret)++) {
		const struct secret *x = &s->set->list[*ret];
		if (x->signer == SECRET_SIGV4 && secrets_may_have(s, x) &&
		    is_text(id, x->placeholder))
			return true;
	}
	return false;
}

static bool has_sigv4(const struct filter_secrets *s)
{
	for (size_t i = 0; i < s->set->count; i++)
		if (s->set->list[i].signer == SECRET_SIGV4 && secrets_may_have(s, &s->set->list[i]))
			return true;
	return false;
}

static enum http_step begin(struct filter_secrets *s, size_t index, bool sigv4, bool body)
{
	s->sign = calloc(1, sizeof(*s->sign));
	if (!s->sign)
		return secrets_nomem(s);
	s->sign->index = index;
	s->sign->sigv4 = sigv4;
	s->sign->body = body;
	s->carried = true;
	if (!sigv4)
		return HTTP_GO;
	if (!libcrypto_load() || !(s->sign->hash = EVP_MD_CTX_new()) ||
	    !EVP_DigestInit_ex2(s->sign->hash, EVP_sha256(), NULL))
		return secrets_fail(s, 503, "secret-unavailable");
	return HTTP_GO;
}

enum http_step sign_find(struct filter_secrets *s)
{
	struct sigv4 *v;
	enum http_step step = HTTP_GO;
	size_t index;

	if (s->sign)
		return HTTP_GO;
	if (find_hmac(s, &index))
		return begin(s, index, false, true);
	if (!has_sigv4(s))
		return HTTP_GO;
	v = calloc(1, sizeof(*v));
	if (!v)
		return secrets_nomem(s);
	switch (sigv4_read(&s->x->request, v)) {
	case SIGV4_NONE:
		break;
	case SIGV4_UNFIT:
		step = secrets_fail(s, 400, "signature-not-supported");
		break;
	case SIGV4_OK:
		if (find_sigv4(s, v->id, &index))
			step = begin(s, index, true, v->payload.len == 0);
		break;
	}
	free(v);
	return step;
}

bool sign_wants_body(const struct filter_secrets *s)
{
	return s->sign && s->sign->body;
}

enum http_step sign_body(struct filter_secrets *s, struct view piece)
{
	struct filter_sign *sign = s->sign;

	if (sign->sigv4)
		return EVP_DigestUpdate(sign->hash, piece.p, piece.len)
			       ? HTTP_GO
			       : secrets_fail(s, 503, "secret-unavailable");
	if (sign->text.len + piece.len > SIGN_TEXT_MAX)
		return secrets_fail(s, 413, "body-too-large");
	return buf_append_view(&sign->text, piece) ? HTTP_GO : secrets_nomem(s);
}

/* ---- HMAC ---- */

static enum http_step put_hmac(struct filter_secrets *s, const char *signature)
{
	const struct secret *x = &s->set->list[s->sign->index];
	struct http_head *h = &s->x->request;
	struct http_field *f = hmac_field(s, x);
	struct buf out = {0};
	bool ok;

	if (!f)
		return HTTP_GO;
	const uint8_t *at =
		memmem(f->value.p, f->value.len, x->placeholder, strlen(x->placeholder));
	size_t before = (size_t)(at - f->value.p), behind = before + strlen(x->placeholder);
	ok = buf_append(&out, f->value.p, before) && buf_append_text(&out, signature) &&
	     buf_append(&out, f->value.p + behind, f->value.len - behind) &&
	     http_head_set_value(h, (size_t)(f - h->fields.list), buf_view(&out));
	buf_done(&out);
	return ok ? HTTP_GO : secrets_fail(s, 431, "too-large");
}

static struct holder_ask *ask_hmac(struct filter_secrets *s)
{
	const struct holder_sign sign = {
		.text = buf_view(&s->sign->text), .date = "", .region = "", .service = ""};

	return holder_ask_sign(s->c->channel, s->set, s->sign->index, &sign, secrets_got_text,
			       &s->signature);
}

/* ---- SIGV4 ---- */

static bool hash_text(EVP_MD_CTX *ctx, char ret[SIGV4_HASH_TEXT + 1])
{
	uint8_t hash[HASH_LEN];

	if (!EVP_DigestFinal_ex(ctx, hash, NULL))
		return false;
	needle_spell(view_make(hash, sizeof(hash)), NEEDLE_HEX, 0, (uint8_t *)ret);
	ret[SIGV4_HASH_TEXT] = 0;
	return true;
}

static bool hash_view(EVP_MD_CTX *ctx, struct view v, char ret[SIGV4_HASH_TEXT + 1])
{
	return EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) && EVP_DigestUpdate(ctx, v.p, v.len) &&
	       hash_text(ctx, ret);
}

static const char *text_of(struct view v, char ret[128])
{
	size_t n = v.len < 127 ? v.len : 127;

	memcpy(ret, v.p, n);
	ret[n] = 0;
	return ret;
}

/* Of the head as it stands, with the real id. */
static bool ask_sigv4(struct filter_secrets *s, const struct sigv4 *v)
{
	struct filter_sign *sign = s->sign;
	struct buf canonical = {.secret = true}, text = {0};
	char hash[SIGV4_HASH_TEXT + 1], date[128], region[128], service[128];
	struct view payload = v->payload;
	bool ok = true;

	if (payload.len == 0) {
		if (!sign->payload[0])
			ok = hash_text(sign->hash, sign->payload);
		payload = view_make(sign->payload, strlen(sign->payload));
	}
	ok = ok && sigv4_canonical(&s->x->request, v, payload, &canonical) &&
	     hash_view(sign->hash, buf_view(&canonical), hash) &&
	     sigv4_string(v, view_make(hash, SIGV4_HASH_TEXT), &text);
	if (ok) {
		const struct holder_sign ask = {.text = buf_view(&text),
						.date = text_of(v->date, date),
						.region = text_of(v->region, region),
						.service = text_of(v->service, service)};
		s->signature.ask = holder_ask_sign(s->c->channel, s->set, sign->index, &ask,
						   secrets_got_text, &s->signature);
	}
	buf_done(&canonical);
	buf_done(&text);
	return ok;
}

/* The id first, for a presigned URL signs it. */
static enum http_step put_id(struct filter_secrets *s, struct sigv4 *v)
{
	struct http_head *h = &s->x->request;
	struct view id;
	enum scrub_step step;

	if (!is_text(v->id, s->set->list[s->sign->index].placeholder))
		return HTTP_GO; /* it is there */
	step = secrets_value(s, s->sign->index, &id);
	if (step != SCRUB_GO)
		return secrets_step(s, step, 400);
	if (!sigv4_set(h, v, id, v->signature))
		return secrets_fail(s, 431, "too-large");
	return sigv4_read(h, v) == SIGV4_OK ? HTTP_GO
					    : secrets_fail(s, 400, "signature-not-supported");
}

static enum http_step put_signature(struct filter_secrets *s, const struct sigv4 *v)
{
	const char *text = s->signature.text;

	return sigv4_set(&s->x->request, v, v->id, view_make(text, strlen(text)))
		       ? HTTP_GO
		       : secrets_fail(s, 431, "too-large");
}

/* ---- both ---- */

static enum http_step ask(struct filter_secrets *s, const struct sigv4 *v)
{
	s->signature.asked = true;
	s->signature.owner = s;
	if (!s->sign->sigv4)
		s->signature.ask = ask_hmac(s);
	else if (!ask_sigv4(s, v))
		return secrets_fail(s, 400, "signature-not-supported");
	return s->signature.ask ? HTTP_WAIT : secrets_fail(s, 503, "secret-unavailable");
}

static enum http_step finish(struct filter_secrets *s, struct sigv4 *v)
{
	enum http_step step = HTTP_GO;

	if (s->sign->sigv4 && sigv4_read(&s->x->request, v) != SIGV4_OK)
		return secrets_fail(s, 400, "signature-not-supported");
	if (s->sign->sigv4)
		step = put_id(s, v);
	if (step != HTTP_GO)
		return step;
	if (!s->signature.asked)
		return ask(s, v);
	step = secrets_step(s, secrets_text(s, &s->signature), 400);
	if (step != HTTP_GO)
		return step;
	return s->sign->sigv4 ? put_signature(s, v) : put_hmac(s, s->signature.text);
}

enum http_step sign_finish(struct filter_secrets *s)
{
	struct sigv4 *v;
	enum http_step step;

	if (!s->sign)
		return HTTP_GO;
	v = calloc(1, sizeof(*v));
	step = v ? finish(s, v) : secrets_nomem(s);
	free(v);
	return step;
}
