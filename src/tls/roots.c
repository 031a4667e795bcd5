// SPDX-License-Identifier: Apache-2.0
/*
 * Which roots, which verification and which client certificate an upstream gets, by its name.
 *
 * Stores of roots are made when a connection first needs them, and kept: one for hosts that have
 * no certificates of their own, and one for each set of `scoped_ca` entries that some host has met.
 * Bounds: STORES_MAX kept; what goes beyond is made for its connection alone.
 */
#include "tls/roots.h"

#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "conf/secrets.h"
#include "tls/endpoint_priv.h"
#include "tls/pem.h"
#include "tls/roots_host.h"

#define STORES_MAX 32

struct scoped_ca {
	struct name_pattern host;
	struct pem_certs certs;
};

struct scoped_verify {
	struct name_pattern host;
	bool verify;
};

struct client_cert {
	struct name_pattern host;
	X509 *cert;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;
};

struct store {
	X509_STORE *roots; /* NULL: a free place */
	bool *scoped;      /* which of scoped_ca are in it, owned */
};

struct tls_roots {
	unsigned refs;
	SSL_CTX *ctx;
	struct sessions sessions;
	bool verify;
	struct pem_certs extra; /* for all hosts */
	struct scoped_ca *ca;
	size_t ca_count;
	struct scoped_verify *verifies;
	size_t verify_count;
	struct client_cert *clients;
	size_t client_count;
	struct roots_host *host; /* NULL: not looked for yet, or none */
	bool host_sought;
	struct store stores[STORES_MAX];
};

/* ---- the configuration ---- */

static int read_client(struct client_cert *to, const struct config_client_cert *c,
		       struct error *err)
{
	struct pem_certs certs = {0};

	if (pattern_read(c->host, &to->host, err) < 0)
		return error_prefix(err, "tls.client_certs: %s", c->host);
	if (pem_read_certs(c->cert_path, &certs, err) < 0)
		return -1;
	to->chain = sk_X509_new_null();
	for (size_t i = 1; i < certs.n; i++)
		if (to->chain && X509_up_ref(certs.v[i]) && !sk_X509_push(to->chain, certs.v[i]))
			X509_free(certs.v[i]);
	X509_up_ref(certs.v[0]);
	to->cert = certs.v[0];
	pem_certs_done(&certs);
	to->key = pem_read_key(c->key_path, err);
	if (!to->key)
		return -1;
	bool match = X509_check_private_key(to->cert, to->key);
	ERR_clear_error();
	return match ? 0 : error_set(err, "%s does not match %s", c->key_path, c->cert_path);
}

static int read_scoped(struct tls_roots *r, const struct config_tls *c, struct error *err)
{
	for (size_t i = 0; i < c->scoped_ca_count; i++) {
		struct scoped_ca *to = &r->ca[r->ca_count++];
		if (pattern_read(c->scoped_ca[i].host, &to->host, err) < 0)
			return error_prefix(err, "%s", c->scoped_ca[i].host);
		if (pem_read_certs(c->scoped_ca[i].path, &to->certs, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->scoped_verify_count; i++) {
		struct scoped_verify *to = &r->verifies[r->verify_count++];
		to->verify = c->scoped_verify[i].verify;
		if (pattern_read(c->scoped_verify[i].host, &to->host, err) < 0)
			return error_prefix(err, "%s", c->scoped_verify[i].host);
	}
	for (size_t i = 0; i < c->client_cert_count; i++)
		if (read_client(&r->clients[r->client_count++], &c->client_certs[i], err) < 0)
			return -1;
	return 0;
}

static int read_config(struct tls_roots *r, const struct config_tls *c, struct error *err)
{
	r->verify = c->verify_upstream;
	r->ca = calloc(c->scoped_ca_count + 1, sizeof(*r->ca));
	r->verifies = calloc(c->scoped_verify_count + 1, sizeof(*r->verifies));
	r->clients = calloc(c->client_cert_count + 1, sizeof(*r->clients));
	if (!r->ca || !r->verifies || !r->clients)
		return error_set(err, "no memory");
	for (size_t i = 0; i < c->upstream_ca.n; i++)
		if (pem_read_certs(c->upstream_ca.v[i], &r->extra, err) < 0)
			return -1;
	return read_scoped(r, c, err);
}

struct tls_roots *tls_roots_new(const struct config_tls *c, struct error *err)
{
	if (libssl_need(err) < 0)
		return NULL;
	struct tls_roots *r = calloc(1, sizeof(*r));
	if (!r) {
		error_set(err, "no memory");
		return NULL;
	}
	r->refs = 1;
	sessions_init(&r->sessions);
	r->ctx = end_client_ctx_new();
	if (!r->ctx)
		error_set(err, "TLS toward upstreams cannot be set up: %s", libcrypto_fault());
	else if (read_config(r, c, err) == 0)
		return r;
	tls_roots_free(r);
	return NULL;
}

struct tls_roots *roots_ref(struct tls_roots *r)
{
	r->refs++;
	return r;
}

void tls_roots_free(struct tls_roots *r)
{
	if (!r || --r->refs)
		return;
	roots_host_put(r->host);
	sessions_done(&r->sessions);
	SSL_CTX_free(r->ctx);
	pem_certs_done(&r->extra);
	for (size_t i = 0; i < r->ca_count; i++)
		pem_certs_done(&r->ca[i].certs);
	for (size_t i = 0; i < r->client_count; i++) {
		X509_free(r->clients[i].cert);
		EVP_PKEY_free(r->clients[i].key);
		sk_X509_pop_free(r->clients[i].chain, X509_free);
	}
	for (size_t i = 0; i < STORES_MAX; i++) {
		X509_STORE_free(r->stores[i].roots);
		free(r->stores[i].scoped);
	}
	free(r->ca);
	free(r->verifies);
	free(r->clients);
	free(r);
}

SSL_CTX *roots_ctx(const struct tls_roots *r)
{
	return r->ctx;
}

struct sessions *roots_sessions(struct tls_roots *r)
{
	return &r->sessions;
}

/* ---- a host ---- */

/* The host's roots come into a store when a chain leads to them. */
static int get_issuer(X509 **issuer, X509_STORE_CTX *ctx, X509 *x)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_end *e = ssl ? SSL_get_ex_data(ssl, 0) : NULL;
	int r = X509_STORE_CTX_get1_issuer(issuer, ctx, x);

	if (r != 0 || !e || !e->roots->host ||
	    !roots_host_add_issuers(e->roots->host, x, X509_STORE_CTX_get0_store(ctx)))
		return r;
	return X509_STORE_CTX_get1_issuer(issuer, ctx, x);
}

static bool add_all(X509_STORE *s, const struct pem_certs *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!X509_STORE_add_cert(s, c->v[i]))
			return false;
	return true;
}

static X509_STORE *make_store(struct tls_roots *r, const bool *scoped)
{
	X509_STORE *s = X509_STORE_new();
	bool ok = s && add_all(s, &r->extra);

	for (size_t i = 0; ok && i < r->ca_count; i++)
		ok = !scoped[i] || add_all(s, &r->ca[i].certs);
	if (!ok) {
		X509_STORE_free(s);
		return NULL;
	}
	X509_STORE_set_get_issuer(s, get_issuer);
	if (!r->host_sought)
		r->host = roots_host_get();
	r->host_sought = true;
	return s;
}

/* Takes `scoped` over. The store is the caller's. */
static X509_STORE *store_of(struct tls_roots *r, bool *scoped)
{
	struct store *s = r->stores, *end = r->stores + STORES_MAX;

	while (s < end && s->roots && memcmp(s->scoped, scoped, r->ca_count) != 0)
		s++;
	if (s < end && s->roots) {
		free(scoped);
		return X509_STORE_up_ref(s->roots) ? s->roots : NULL;
	}
	X509_STORE *made = make_store(r, scoped);
	if (made && s < end && X509_STORE_up_ref(made)) {
		s->roots = made;
		s->scoped = scoped;
	} else {
		free(scoped);
	}
	return made;
}

static bool set_roots(struct tls_roots *r, const struct name *host, SSL *ssl)
{
	bool *scoped = calloc(r->ca_count + 1, sizeof(*scoped));

	if (!scoped)
		return false;
	for (size_t i = 0; i < r->ca_count; i++)
		scoped[i] = pattern_matches(&r->ca[i].host, host);
	X509_STORE *s = store_of(r, scoped);
	return s && SSL_set0_verify_cert_store(ssl, s);
}

static bool verifies(const struct tls_roots *r, const struct name *host)
{
	for (size_t i = 0; i < r->verify_count; i++)
		if (pattern_matches(&r->verifies[i].host, host))
			return r->verifies[i].verify;
	return r->verify;
}

bool roots_apply(struct tls_roots *r, const struct name *host, SSL *ssl)
{
	/* What is excused is verified all the same, so that it is known. */
	SSL_set_verify(ssl, verifies(r, host) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	for (size_t i = 0; i < r->client_count; i++) {
		struct client_cert *c = &r->clients[i];
		if (!pattern_matches(&c->host, host))
			continue;
		if (!SSL_use_cert_and_key(ssl, c->cert, c->key, c->chain, 1))
			return false;
		break;
	}
	return set_roots(r, host, ssl);
}
