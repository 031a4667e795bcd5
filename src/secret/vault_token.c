// SPDX-License-Identifier: Apache-2.0
/*
 * What is said to token endpoints: OAuth2 client credentials and refresh (RFC 6749 4.4, 6), and the
 * signed request of a GitHub App (RFC 7515, RFC 7519; RS256).
 *
 * The client's own secret goes in a Basic header, as every server must take it (RFC 6749 2.3.1),
 * and where that is refused in the form. A key of an app never leaves: only what it has signed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "secret/fetch.h"
#include "secret/vault.h"
#include "tls/libcrypto.h"

#define JWT_PAST_S   60   /* clocks differ */
#define JWT_FUTURE_S 540  /* of ten minutes that are allowed */
#define LIFE_S       3600 /* of a token that does not say */

/* ---- spelling ---- */

static bool put_base64(struct buf *b, struct view v, bool url)
{
	static const char std[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	bool ok = true;

	for (size_t i = 0; i < v.len && ok; i += 3) {
		size_t n = v.len - i < 3 ? v.len - i : 3;
		uint32_t w = (uint32_t)v.p[i] << 16 | (n > 1 ? (uint32_t)v.p[i + 1] << 8 : 0) |
			     (n > 2 ? v.p[i + 2] : 0u);
		char four[4];

		for (unsigned j = 0; j < 4; j++) {
			char c = std[w >> (18 - 6 * j) & 63];
			four[j] = url && c == '+' ? '-' : url && c == '/' ? '_' : c;
		}
		if (n < 3 && !url)
			memset(four + n + 1, '=', 3 - n);
		ok = buf_append(b, four, url ? n + 1 : 4);
	}
	return ok;
}

/* As forms are encoded. */
static bool put_form(struct buf *b, const char *before, struct view v)
{
	static const char hex[] = "0123456789ABCDEF";
	bool ok = buf_append_text(b, before);

	for (size_t i = 0; i < v.len && ok; i++) {
		uint8_t c = v.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
		char three[3] = {'%', hex[c >> 4], hex[c & 15]};
		ok = plain ? buf_append(b, &c, 1) : buf_append(b, three, 3);
	}
	return ok;
}

static bool put_text_view(struct buf *b, const char *before, const char *text)
{
	return !text || put_form(b, before, view_make(text, strlen(text)));
}

/* ---- OAuth2 ---- */

struct client {
	struct view id, secret, refresh;
};

/* ID:SECRET, or ID:SECRET:REFRESH, where the secret may be empty. */
static bool read_client(const struct vault_secret *s, struct client *ret)
{
	struct view v = vault_value_view(s->raw);
	const uint8_t *colon = memchr(v.p, ':', v.len);

	*ret = (struct client){0};
	if (!colon)
		return false;
	view_take(&v, (size_t)(colon - v.p), &ret->id);
	view_skip(&v, 1);
	ret->secret = v;
	if (s->conf.signer == CONFIG_SIGNER_CLIENT)
		return ret->id.len && ret->secret.len;
	colon = v.len ? memchr(v.p, ':', v.len) : NULL;
	if (!colon)
		return false;
	view_take(&v, (size_t)(colon - v.p), &ret->secret);
	view_skip(&v, 1);
	ret->refresh = s->refresh ? vault_value_view(s->refresh) : v;
	return ret->id.len && ret->refresh.len;
}

static bool put_basic(struct buf *b, const struct client *c)
{
	struct buf pair = {.secret = true};
	bool ok = put_form(&pair, "", c->id) && put_form(&pair, ":", c->secret) &&
		  buf_append_text(b, "Authorization: Basic ") &&
		  put_base64(b, buf_view(&pair), false) && buf_append_text(b, "\r\n");

	buf_done(&pair);
	return ok;
}

static bool put_grant(struct buf *b, const struct vault_secret *s, const struct client *c)
{
	bool ok = s->conf.signer == CONFIG_SIGNER_CLIENT
			  ? buf_append_text(b, "grant_type=client_credentials")
			  : put_form(b, "grant_type=refresh_token&refresh_token=", c->refresh);

	return ok && put_text_view(b, "&scope=", s->conf.scope);
}

struct message {
	struct buf head[FETCH_ATTEMPTS], body[FETCH_ATTEMPTS];
	size_t count;
};

static int oauth_message(const struct vault_secret *s, struct message *m, struct error *err)
{
	static const char form[] = "Content-Type: application/x-www-form-urlencoded\r\n";
	struct client c;
	bool ok = true;

	if (!read_client(s, &c))
		return error_set(err, "its value is not %s",
				 s->conf.signer == CONFIG_SIGNER_CLIENT
					 ? "CLIENT_ID:CLIENT_SECRET"
					 : "CLIENT_ID:CLIENT_SECRET:REFRESH_TOKEN");
	/* A public client has no secret, and so no Basic header. */
	for (size_t in_form = c.secret.len == 0; in_form < 2; in_form++) {
		struct buf *head = &m->head[m->count], *body = &m->body[m->count];

		m->count++;
		ok = ok && buf_append_text(head, form) && put_grant(body, s, &c) &&
		     (in_form ? put_form(body, "&client_id=", c.id) : put_basic(head, &c)) &&
		     (!in_form || !c.secret.len || put_form(body, "&client_secret=", c.secret));
	}
	return ok ? 0 : error_set(err, "no memory");
}

/* ---- GitHub App ---- */

static int sign_rs256(const struct vault_value *pem, struct view text, struct buf *ret,
		      struct error *err)
{
	int r = error_set(err, "its value is no RSA private key in PEM");
	uint8_t sig[1024];
	size_t n = sizeof(sig);

	if (!libcrypto_load())
		return error_set(err, "libcrypto cannot be loaded");
	BIO *bio = BIO_new_mem_buf(pem->bytes, (int)pem->len);
	/* No passphrase: asking for one would be a question at the terminal. */
	char none[] = "";
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, none) : NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (key && ctx && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
	    EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) > 0 &&
	    EVP_DigestSign(ctx, sig, &n, text.p, text.len) > 0)
		r = put_base64(ret, view_make(sig, n), true) ? 0 : error_set(err, "no memory");
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return r;
}

static int app_message(const struct vault_secret *s, struct message *m, struct error *err)
{
	static const char head[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
	struct buf jwt = {.secret = true};
	long long now = (long long)time(NULL);
	char claims[512];
	int r;

	if (!s->conf.app_id || strpbrk(s->conf.app_id, "\"\\") || strlen(s->conf.app_id) > 100)
		return error_set(err, "the id of the app is missing, or is none");
	int n = snprintf(claims, sizeof(claims), "{\"iat\":%lld,\"exp\":%lld,\"iss\":\"%s\"}",
			 now - JWT_PAST_S, now + JWT_FUTURE_S, s->conf.app_id);
	m->count = 1;
	bool ok = put_base64(&jwt, view_make(head, sizeof(head) - 1), true) &&
		  buf_append_text(&jwt, ".") &&
		  put_base64(&jwt, view_make(claims, (size_t)n), true);
	r = ok ? 0 : error_set(err, "no memory");
	if (r == 0) {
		struct buf sig = {.secret = true};

		r = sign_rs256(s->raw, buf_view(&jwt), &sig, err);
		if (r == 0 &&
		    !(buf_append_text(&jwt, ".") && buf_append_view(&jwt, buf_view(&sig))))
			r = error_set(err, "no memory");
		buf_done(&sig);
	}
	if (r == 0 && !(buf_append_text(&m->head[0], "Authorization: Bearer ") &&
			buf_append_view(&m->head[0], buf_view(&jwt)) &&
			buf_append_text(&m->head[0], "\r\nX-GitHub-Api-Version: 2022-11-28\r\n")))
		r = error_set(err, "no memory");
	buf_done(&jwt);
	return r;
}

/* ---- the fetch ---- */

static void on_fetched(void *arg, struct view out, const char *why)
{
	struct vault_secret *s = arg;
	struct holder_frame f;
	struct fetch_token t;
	char text[256];
	size_t need;

	s->job = NULL;
	if (why) {
		vault_secret_failed(s, why);
		return;
	}
	if (holder_frame_read(out, &f, &need) == HOLDER_READ_FRAME) {
		if (f.kind == HOLDER_ANSWER && fetch_read_token(f.body, &t)) {
			vault_secret_got_token(s, t.token, t.refresh,
					       (t.lives_s ? t.lives_s : LIFE_S) * 1000000);
			return;
		}
		if (f.kind == HOLDER_FAIL) {
			snprintf(text, sizeof(text), "%.*s",
				 (int)(f.body.len < 255 ? f.body.len : 255),
				 (const char *)f.body.p);
			vault_secret_failed(s, text);
			return;
		}
	}
	vault_secret_failed(s, "the process that fetches its token made no sense");
}

static int start(struct vault_secret *s, const struct message *m, const struct strv *upstream_ca,
		 struct error *err)
{
	struct fetch_job job = {.url = s->conf.token_url,
				.upstream_ca = *upstream_ca,
				.count = m->count};
	uint8_t head[HOLDER_HEADER] = {0};
	struct buf b = {.secret = true};
	struct holder_put p = {.to = &b};
	int r = error_set(err, "no memory");

	for (size_t i = 0; i < m->count; i++)
		job.attempts[i] =
			(struct fetch_attempt){buf_view(&m->head[i]), buf_view(&m->body[i])};
	p.failed = !buf_append(&b, head, sizeof(head));
	fetch_put_job(&p, &job);
	if (!p.failed && b.len > HOLDER_DATAGRAM_MAX)
		r = error_set(err, "what its token's server is to be told is too long");
	else if (!p.failed) {
		holder_frame_head(b.mem + b.start, HOLDER_FETCH, 0, b.len - HOLDER_HEADER);
		s->job = vault_job_fetch(s->v, buf_view(&b), on_fetched, s, err);
		r = s->job ? 0 : -1;
	}
	buf_done(&b);
	return r;
}

int vault_token_fetch(struct vault_secret *s, const struct strv *upstream_ca, struct error *err)
{
	struct message m = {.head = {{.secret = true}, {.secret = true}},
			    .body = {{.secret = true}, {.secret = true}}};
	int r;

	if (!s->conf.token_url || strncmp(s->conf.token_url, "https://", 8) != 0)
		return error_set(err, "the address of its token (token_url) is not https://");
	r = s->conf.signer == CONFIG_SIGNER_GITHUB_APP ? app_message(s, &m, err)
						       : oauth_message(s, &m, err);
	if (r == 0)
		r = start(s, &m, upstream_ca, err);
	for (size_t i = 0; i < FETCH_ATTEMPTS; i++) {
		buf_done(&m.head[i]);
		buf_done(&m.body[i]);
	}
	return r;
}
