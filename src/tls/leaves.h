// SPDX-License-Identifier: Apache-2.0
/*
 * The leaf certificates of one sandbox, between the key holder that signs them and the connections
 * that show them. Internal to tls/; what others see is in endpoint.h.
 *
 * Bounds: cache_capacity ready certificates, then the one that was used longest ago goes; one
 * question a host at a time, which is taken back when nobody waits for it any more.
 */
#ifndef WEIR_TLS_LEAVES_H
#define WEIR_TLS_LEAVES_H

#include <time.h>

#include "base/list.h"
#include "tls/endpoint.h"
#include "tls/libssl.h"

struct leaf;

struct leaf_wait {
	struct list link;  /* in the leaf's list of those who wait */
	struct leaf *leaf; /* NULL: nobody waits */
	/* Called once; not from inside leaves_ask(). cert is borrowed; NULL and err: none can be
	 * had. */
	void (*got)(struct leaf_wait *w, X509 *cert, const char *err);
};

SSL_CTX *leaves_ctx(const struct tls_leaves *l);
EVP_PKEY *leaves_key(const struct tls_leaves *l);
STACK_OF(X509) * leaves_chain(const struct tls_leaves *l);
struct tls_leaves *leaves_ref(struct tls_leaves *l);
/* The certificate, borrowed, where there is one already; else NULL, and `w` (linked to nothing)
 * waits; or nothing can be asked: w->leaf is NULL then. */
X509 *leaves_ask(struct tls_leaves *l, const char *host, struct leaf_wait *w);
void leaf_wait_cancel(struct leaf_wait *w);
/* For tests: what is kept for this host ends that much sooner. */
void leaves_age(struct tls_leaves *l, const char *host, time_t seconds);

#endif
