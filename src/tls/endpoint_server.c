// SPDX-License-Identifier: Apache-2.0
/*
 * An end toward the guest: the host's leaf, and the protocol that the upstream has chosen.
 *
 * Nothing is read before the leaf is there, so that until then a refusal can be said in the clear.
 * Sessions live in tickets, and are good only for the name that they were made for; 0-RTT is not
 * offered, so a request is never read twice.
 */
#include <stdlib.h>

#include "tls/endpoint_priv.h"

/* AES-128 costs a quarter less than AES-256, and the way to the guest does not leave this machine;
 * a guest without AES in its processor, which puts ChaCha20 first, gets that. */
#define CIPHERS "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
		   const unsigned char *offered, unsigned n, void *arg)
{
	struct tls_end *e = SSL_get_ex_data(ssl, 0);
	struct view left = view_make(offered, n), p;
	uint8_t len;

	if (!e || !e->alpn_len)
		return SSL_TLSEXT_ERR_NOACK;
	while (view_get_u8(&left, &len) && view_take(&left, len, &p)) {
		if (len != e->alpn_len || memcmp(p.p, e->alpn, len) != 0)
			continue;
		*ret = p.p;
		*ret_len = len;
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX *end_server_ctx_new(void)
{
	SSL_CTX *ctx = end_ctx_new(TLS_server_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_ciphersuites(ctx, CIPHERS);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	return ctx;
}

static bool use_leaf(struct tls_end *e, X509 *cert)
{
	e->has_leaf = SSL_use_cert_and_key(e->ssl, cert, leaves_key(e->leaves),
					   leaves_chain(e->leaves), 1) == 1;
	return e->has_leaf;
}

static void on_leaf(struct leaf_wait *w, X509 *cert, const char *err)
{
	struct tls_end *e = container_of(w, struct tls_end, wait);

	if (!cert || !use_leaf(e, cert)) {
		tls_end_fail(e, SSL_AD_INTERNAL_ERROR);
		end_failed(e, SSL_AD_INTERNAL_ERROR, "no certificate for the guest: %s",
			   cert ? libcrypto_fault() : err);
	}
	e->wake(e->wake_ctx);
}

static bool set_host(struct tls_end *e, const char *host)
{
	unsigned char id[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	return EVP_Digest(host, strlen(host), id, &n, EVP_sha256(), NULL) &&
	       SSL_set_session_id_context(e->ssl, id, n);
}

static bool set_alpn(struct tls_end *e, struct view alpn)
{
	if (!alpn.len)
		return true;
	e->alpn = alpn.len <= UINT8_MAX ? malloc(alpn.len) : NULL;
	if (!e->alpn)
		return false;
	memcpy(e->alpn, alpn.p, alpn.len);
	e->alpn_len = (uint8_t)alpn.len;
	return true;
}

struct tls_end *tls_server_new(struct tls_leaves *l, const struct tls_server *s,
			       const struct tls_transport *t)
{
	struct tls_end *e = end_new(leaves_ctx(l), t);

	if (!e)
		return NULL;
	e->leaves = leaves_ref(l);
	e->wake = s->wake;
	e->wake_ctx = s->wake_ctx;
	e->wait.got = on_leaf;
	SSL_set_accept_state(e->ssl);
	if (!set_host(e, s->host) || !set_alpn(e, s->alpn)) {
		tls_end_free(e);
		return NULL;
	}
	X509 *cert = leaves_ask(l, s->host, &e->wait);
	if (cert ? !use_leaf(e, cert) : !e->wait.leaf) {
		tls_end_fail(e, SSL_AD_INTERNAL_ERROR);
		end_failed(e, SSL_AD_INTERNAL_ERROR, "no certificate for the guest: %s",
			   cert ? libcrypto_fault() : "it cannot be asked for");
	}
	return e;
}
