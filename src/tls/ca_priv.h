// SPDX-License-Identifier: Apache-2.0
/* Between the files that make up the authority: what it holds, how it is made and read. */
#ifndef WEIR_TLS_CA_PRIV_H
#define WEIR_TLS_CA_PRIV_H

#include "tls/ca.h"
#include "tls/libcrypto.h"

struct tls_ca {
	X509 *cert;    /* what leaves are signed for: the first one of its file */
	EVP_PKEY *key; /* its private key */
	char *pem;     /* `cert` and what else stands behind it in its file, owned */
};

/* ---- ca_read.c ---- */
/* Both files whole, with all checks. NULL and err. */
struct tls_ca *ca_read(const char *cert_path, const char *key_path, struct error *err);

/* ---- ca_make.c ---- */
/* A new one, not stored. */
struct tls_ca *ca_make(struct error *err);
/* The private key as PEM; ret->secret is set. */
int ca_key_pem(const struct tls_ca *ca, struct buf *ret, struct error *err);
/* Appends an extension in the form of x509v3_config(5); `issuer` is x itself for a root. */
bool ca_add_extension(X509 *x, X509 *issuer, int nid, const char *value);
/* A random positive serial number of 16 bytes. */
bool ca_set_serial(X509 *x);
/* With the digest that fits the key. */
bool ca_sign(X509 *x, EVP_PKEY *key);

#endif
