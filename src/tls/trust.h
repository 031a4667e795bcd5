// SPDX-License-Identifier: Apache-2.0
/*
 * What the guest is to trust: bundles of certificates as text, and as a Java trust store.
 *
 * May use: base/, libcrypto.
 */
#ifndef WEIR_TLS_TRUST_H
#define WEIR_TLS_TRUST_H

#include "base/buf.h"
#include "base/error.h"

/* The file of the host's trusted roots (SSL_CERT_FILE, then the distributions' places); NULL: none.
 */
const char *trust_host_bundle(void);
/* The host's roots as PEM, each once. -1 and err where there are none. */
int trust_host_pem(struct buf *ret, struct error *err);
/* The CA, and behind it the host's roots where `host` (what a guest needs to reach hosts that are
 * not intercepted). */
int trust_combined_pem(const char *ca_pem, bool host, struct buf *ret, struct error *err);
/* The same as a PKCS#12 trust store that Java reads (password "changeit"). */
int trust_java_store(const char *pem, struct buf *ret, struct error *err);

/* Under what name OpenSSL looks for it in a directory: eight digits, without ".0". */
int trust_subject_hash(const char *pem, char ret[9], struct error *err);

#endif
