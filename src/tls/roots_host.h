// SPDX-License-Identifier: Apache-2.0
/*
 * The host's own roots, for stores that upstreams are verified by.
 *
 * To decode the 150 roots of a distribution takes 15 ms and 800 KiB; a sandbox meets a handful of
 * them. So they are indexed by their subjects, and only those that a chain leads to are decoded. A
 * subject is compared byte by byte with what a certificate says its issuer is; that both are
 * encoded alike is demanded of authorities (RFC 5280 4.1.2.4).
 *
 * One index a process, read again where the file has changed. Internal to tls/.
 */
#ifndef WEIR_TLS_ROOTS_HOST_H
#define WEIR_TLS_ROOTS_HOST_H

#include "base/view.h"
#include "tls/libcrypto.h"

struct roots_host;

/* The index of the file as it is now; NULL: there is none, or it cannot be read (logged). Each that
 * was got is put back once. Workers may come here at once. */
struct roots_host *roots_host_get(void);
void roots_host_put(struct roots_host *h); /* NULL is fine */
/* Adds those roots to the store that could have issued x. True where there were any. */
bool roots_host_add_issuers(const struct roots_host *h, const X509 *x, X509_STORE *to);

/* The subject of a certificate, a Name in DER (RFC 5280 4.1); false where there is none. */
bool roots_host_subject(struct view der, struct view *ret);

#endif
