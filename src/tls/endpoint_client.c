// SPDX-License-Identifier: Apache-2.0
/*
 * An end toward an upstream: its name is asked for and has to be in its certificate (RFC 9525: in
 * the alternative names, wildcards only as a whole label).
 *
 * A session is resumed only for the same name, port and list of protocols: its certificate was
 * verified for that name, and no other.
 */
#include <stdlib.h>

#include "tls/endpoint_priv.h"

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_end *e = SSL_get_ex_data(ssl, 0);

	if (!e || !e->session)
		return 0;
	e->slack = true;
	return sessions_put(roots_sessions(e->roots), view_make(e->session->bytes, e->session->len),
			    session);
}

SSL_CTX *end_client_ctx_new(void)
{
	SSL_CTX *ctx = end_ctx_new(TLS_client_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_session_cache_mode(ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	return ctx;
}

static struct session_key *session_key(const struct tls_client *c)
{
	size_t n = 2 + sizeof(c->addr) + 2 + c->alpn.len + c->name->len;
	struct session_key *k = malloc(sizeof(*k) + n);
	static const struct ipaddr none;

	if (!k)
		return NULL;
	struct wbuf w = wbuf_make(k->bytes, n);
	wbuf_put_be16(&w, c->port);
	wbuf_put_bytes(&w, c->name->len ? &none : &c->addr, sizeof(none));
	wbuf_put_be16(&w, (uint16_t)c->alpn.len);
	wbuf_put_bytes(&w, c->alpn.p, c->alpn.len);
	wbuf_put_bytes(&w, c->name->s, c->name->len);
	k->len = w.len;
	return k;
}

static bool set_identity(SSL *ssl, const struct tls_client *c)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
						   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	/* What the configuration trusts need not be a root. */
	X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
	if (c->name->len)
		return X509_VERIFY_PARAM_set1_host(p, c->name->s, c->name->len) &&
		       SSL_set_tlsext_host_name(ssl, c->name->s);
	return X509_VERIFY_PARAM_set1_ip(p, c->addr.b, ipaddr_len(&c->addr));
}

static bool set_session(struct tls_end *e, const struct tls_client *c)
{
	e->session = session_key(c);
	if (!e->session)
		return false;
	SSL_SESSION *s = sessions_take(roots_sessions(e->roots),
				       view_make(e->session->bytes, e->session->len));
	if (s)
		SSL_set_session(e->ssl, s);
	SSL_SESSION_free(s);
	return true;
}

struct tls_end *tls_client_new(struct tls_roots *r, const struct tls_client *c,
			       const struct tls_transport *t)
{
	if (c->alpn.len > UINT16_MAX)
		return NULL;
	struct tls_end *e = end_new(roots_ctx(r), t);
	if (!e)
		return NULL;
	e->roots = roots_ref(r);
	SSL_set_connect_state(e->ssl);
	if (c->wipe)
		SSL_set_options(e->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	if (set_identity(e->ssl, c) && roots_apply(r, c->name, e->ssl) && set_session(e, c) &&
	    (!c->alpn.len || SSL_set_alpn_protos(e->ssl, c->alpn.p, (unsigned)c->alpn.len) == 0))
		return e;
	tls_end_free(e);
	return NULL;
}
