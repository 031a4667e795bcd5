// SPDX-License-Identifier: Apache-2.0
/*
 * What upstreams are verified by, and what is shown to them: for one sandbox, host by host.
 * Internal to tls/; what others see is in endpoint.h.
 */
#ifndef WEIR_TLS_ROOTS_H
#define WEIR_TLS_ROOTS_H

#include "base/name.h"
#include "tls/endpoint.h"
#include "tls/sessions.h"

struct tls_roots *roots_ref(struct tls_roots *r);
SSL_CTX *roots_ctx(const struct tls_roots *r);
struct sessions *roots_sessions(struct tls_roots *r);
/* Whether the certificate of this host has to verify; its roots; and the client certificate that is
 * shown to it, if any. False without memory. */
bool roots_apply(struct tls_roots *r, const struct name *host, SSL *ssl);

#endif
