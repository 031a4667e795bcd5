// SPDX-License-Identifier: Apache-2.0
/*
 * Leaf certificates: asked for once, kept, and renewed before they end.
 *
 * One P-256 key serves all leaves of a process: it is made when the first sandbox needs it, never
 * stored, and known to no guest. A leaf in its last twentieth is still shown while its successor is
 * asked for; an expired one is not.
 */
#include "tls/leaves.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/siphash.h"
#include "base/table.h"
#include "conf/secrets.h"
#include "tls/endpoint_priv.h"

#define ASKS_MAX 65536 /* hosts that are asked for at a time; there are fewer connections */

struct leaf {
	struct tls_leaves *of;
	uint64_t hash;
	struct list lru;     /* in of->ready, while there is a certificate */
	struct list waiting; /* struct leaf_wait */
	X509 *cert;          /* NULL: none yet */
	time_t renew, end;
	bool asking;
	void *handle; /* of the question, while asking */
	char host[];
};

struct tls_leaves {
	unsigned refs;
	struct tls_leaf_source src;
	SSL_CTX *ctx;
	EVP_PKEY *key;
	uint8_t *spki; /* OpenSSL's memory */
	size_t spki_len;
	STACK_OF(X509) * chain; /* the authority, and what stands behind it in its file */
	struct sipkey hash_key;
	struct table leaves;
	struct list ready; /* the one used last is first */
	size_t ready_count, capacity;
};

/* ---- the key ---- */

static EVP_PKEY *process_key;

static void make_key(void)
{
	process_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

static EVP_PKEY *leaf_key(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_key);
	return process_key && EVP_PKEY_up_ref(process_key) ? process_key : NULL;
}

/* ---- one leaf ---- */

static bool same_host(const void *item, const void *key)
{
	return strcmp(((const struct leaf *)item)->host, key) == 0;
}

static void leaf_drop_cert(struct leaf *f)
{
	if (!f->cert)
		return;
	list_del(&f->lru);
	f->of->ready_count--;
	X509_free(f->cert);
	f->cert = NULL;
}

static void leaf_free(struct leaf *f)
{
	if (f->asking)
		f->of->src.cancel(f->of->src.ctx, f->handle);
	leaf_drop_cert(f);
	table_remove(&f->of->leaves, f->hash, f);
	free(f);
}

/* It stays, without its certificate, where a new one is waited for. */
static void leaf_evict(struct leaf *f)
{
	if (list_empty(&f->waiting))
		leaf_free(f);
	else
		leaf_drop_cert(f);
}

static struct leaf *leaf_new(struct tls_leaves *l, const char *host, uint64_t hash)
{
	size_t n = strlen(host) + 1;
	struct leaf *f = calloc(1, sizeof(*f) + n);

	if (!f)
		return NULL;
	f->of = l;
	f->hash = hash;
	list_init(&f->lru);
	list_init(&f->waiting);
	memcpy(f->host, host, n);
	if (table_insert(&l->leaves, hash, f))
		return f;
	free(f);
	return NULL;
}

/* When it ends and when it is to be renewed, by the clock of this host. */
static bool read_life(const X509 *x, time_t *ret_renew, time_t *ret_end)
{
	int days, seconds, life_days, life_seconds;

	if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) ||
	    !ASN1_TIME_diff(&life_days, &life_seconds, X509_get0_notBefore(x),
			    X509_get0_notAfter(x)))
		return false;
	time_t life = (time_t)life_days * 86400 + life_seconds;
	*ret_end = time(NULL) + (time_t)days * 86400 + seconds;
	*ret_renew = *ret_end - life / 20;
	return true;
}

static X509 *read_leaf(struct view der)
{
	const uint8_t *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);

	ERR_clear_error();
	return x;
}

static void leaf_store(struct leaf *f, X509 *x)
{
	struct tls_leaves *l = f->of;

	if (f->cert) {
		X509_free(f->cert);
	} else {
		list_add_head(&l->ready, &f->lru);
		l->ready_count++;
	}
	f->cert = x;
	while (l->ready_count > l->capacity && l->ready.prev != &f->lru)
		leaf_evict(container_of(l->ready.prev, struct leaf, lru));
}

/* They wait for no leaf any more, only to be told. */
static void detach_all(struct list *from, struct list *to)
{
	struct list *n;

	list_init(to);
	while ((n = list_pop(from))) {
		container_of(n, struct leaf_wait, link)->leaf = NULL;
		list_add_tail(to, n);
	}
}

/* Whoever is told may free itself and others. */
static void tell_all(struct list *waiting, X509 *x, const char *err)
{
	struct list *n;

	while ((n = list_pop(waiting))) {
		struct leaf_wait *w = container_of(n, struct leaf_wait, link);
		w->got(w, x, err);
	}
}

static void on_leaf(void *arg, struct view der, const char *err)
{
	struct leaf *f = arg;
	struct tls_leaves *l = leaves_ref(f->of);
	struct list waiting;
	X509 *x = err ? NULL : read_leaf(der);
	time_t renew, end;

	f->asking = false;
	detach_all(&f->waiting, &waiting);
	if (x && (!read_life(x, &renew, &end) || !X509_up_ref(x))) {
		X509_free(x);
		x = NULL;
	}
	if (x) {
		f->renew = renew;
		f->end = end;
		leaf_store(f, x);
	} else if (!f->cert) {
		leaf_free(f);
	}
	/* `x` is held here, too: what is told may push it out of the cache. */
	tell_all(&waiting, x, err ? err : "the certificate that was made cannot be read");
	X509_free(x);
	tls_leaves_free(l);
}

static bool leaf_ask(struct leaf *f)
{
	struct tls_leaves *l = f->of;

	if (f->asking)
		return true;
	f->handle = l->src.ask(l->src.ctx, f->host, view_make(l->spki, l->spki_len), on_leaf, f);
	f->asking = f->handle;
	return f->asking;
}

X509 *leaves_ask(struct tls_leaves *l, const char *host, struct leaf_wait *w)
{
	uint64_t hash = siphash(&l->hash_key, host, strlen(host));
	struct leaf *f = table_find(&l->leaves, hash, same_host, host);
	time_t now = time(NULL);

	w->leaf = NULL;
	if (!f)
		f = leaf_new(l, host, hash);
	if (!f)
		return NULL;
	if (f->cert && now < f->end) {
		list_del(&f->lru);
		list_add_head(&l->ready, &f->lru);
		if (now >= f->renew)
			leaf_ask(f);
		return f->cert;
	}
	if (leaf_ask(f)) {
		w->leaf = f;
		list_add_tail(&f->waiting, &w->link);
	} else if (list_empty(&f->waiting)) {
		leaf_free(f);
	}
	return NULL;
}

void leaf_wait_cancel(struct leaf_wait *w)
{
	struct leaf *f = w->leaf;

	list_del(&w->link);
	w->leaf = NULL;
	if (f && list_empty(&f->waiting) && !f->cert)
		leaf_free(f);
}

void leaves_age(struct tls_leaves *l, const char *host, time_t seconds)
{
	uint64_t hash = siphash(&l->hash_key, host, strlen(host));
	struct leaf *f = table_find(&l->leaves, hash, same_host, host);

	if (f) {
		f->renew -= seconds;
		f->end -= seconds;
	}
}

/* ---- all of a sandbox ---- */

SSL_CTX *leaves_ctx(const struct tls_leaves *l)
{
	return l->ctx;
}

EVP_PKEY *leaves_key(const struct tls_leaves *l)
{
	return l->key;
}

STACK_OF(X509) * leaves_chain(const struct tls_leaves *l)
{
	return l->chain;
}

struct tls_leaves *leaves_ref(struct tls_leaves *l)
{
	l->refs++;
	return l;
}

static STACK_OF(X509) * read_chain(const char *pem)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *b = BIO_new_mem_buf(pem, -1);
	X509 *x;

	while (chain && b && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)))
		if (!sk_X509_push(chain, x))
			X509_free(x);
	BIO_free(b);
	ERR_clear_error();
	return chain;
}

struct tls_leaves *tls_leaves_new(const struct tls_leaf_source *src, const struct config_tls *c,
				  const char *ca_pem, struct error *err)
{
	if (libssl_need(err) < 0)
		return NULL;
	struct tls_leaves *l = calloc(1, sizeof(*l));
	if (!l) {
		error_set(err, "no memory");
		return NULL;
	}
	l->refs = 1;
	l->src = *src;
	l->capacity = c->cache_capacity;
	table_init(&l->leaves, l->capacity + ASKS_MAX);
	list_init(&l->ready);
	sipkey_random(&l->hash_key);
	l->key = leaf_key();
	l->chain = read_chain(ca_pem);
	l->ctx = end_server_ctx_new();
	int n = l->key ? i2d_PUBKEY(l->key, &l->spki) : 0;
	if (n > 0 && l->ctx && l->chain && sk_X509_num(l->chain) > 0) {
		l->spki_len = (size_t)n;
		return l;
	}
	error_set(err, "TLS toward the guest cannot be set up: %s", libcrypto_fault());
	tls_leaves_free(l);
	return NULL;
}

void tls_leaves_free(struct tls_leaves *l)
{
	if (!l || --l->refs)
		return;
	for (size_t i = 0; l->leaves.slots && i <= l->leaves.mask;) {
		/* What lies behind it may move here. */
		if (l->leaves.slots[i].item)
			leaf_free(l->leaves.slots[i].item);
		else
			i++;
	}
	table_done(&l->leaves);
	SSL_CTX_free(l->ctx);
	EVP_PKEY_free(l->key);
	sk_X509_pop_free(l->chain, X509_free);
	OPENSSL_free(l->spki);
	free(l);
}
