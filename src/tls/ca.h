// SPDX-License-Identifier: Apache-2.0
/*
 * The authority that interception signs with: made, stored, read, and asked for leaves.
 *
 * ECDSA P-256, CA:true, pathlen 0, keyCertSign and cRLSign (RFC 5280 4.2.1). Stored in
 * $XDG_STATE_HOME/weir/tls (~/.local/state/weir/tls) as ca.crt and ca.key (0600), each written
 * beside and renamed, under a lock, so that two that start at once end with one CA. Only the key
 * holder and `weir ca` read the key.
 *
 * May use: base/, libcrypto.
 */
#ifndef WEIR_TLS_CA_H
#define WEIR_TLS_CA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct tls_ca; /* certificate and key */

/* Both paths NULL: the default place, where one is made if there is none. Else both must be there,
 * match, be a CA, and be in force. NULL and err, which names the file and what to do. */
struct tls_ca *tls_ca_open(const char *cert_path, const char *key_path, struct error *err);
/* Makes a new one in the default place; an existing one is an error unless `replace`. */
struct tls_ca *tls_ca_create(bool replace, struct error *err);
void tls_ca_free(struct tls_ca *ca);
const char *tls_ca_pem(const struct tls_ca *ca); /* the certificate */
/* Where the default one lies; ret is to be freed. NULL and err where no home is known. */
char *tls_ca_default_path(bool key, struct error *err);

#define TLS_CA_FINGERPRINT 96 /* SHA-256 as 32 pairs of digits with colons between */

struct tls_ca_info {
	char subject[512];
	char fingerprint[TLS_CA_FINGERPRINT];
	char not_before[32], not_after[32]; /* "2026-11-21T10:00:00Z" */
	bool in_force;
};
/* What a certificate's file says, in PEM and in text, too; the key is not looked at. */
int tls_ca_describe(const char *cert_path, struct tls_ca_info *ret, struct buf *ret_pem,
		    struct buf *ret_text, struct error *err);

/* A leaf for a host name or an address, over `spki` (DER): SAN, serverAuth, from an hour ago on for
 * `valid_hours`. Appends DER. */
int tls_ca_sign_leaf(const struct tls_ca *ca, const char *host, struct view spki,
		     unsigned valid_hours, struct buf *ret_der, struct error *err);

#endif
