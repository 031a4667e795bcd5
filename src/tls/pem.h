// SPDX-License-Identifier: Apache-2.0
/*
 * Files of certificates and keys, as text (RFC 7468). What stands around the blocks, and blocks of
 * other kinds, are passed over.
 *
 * May use: base/, libcrypto (loaded). Bounds: PEM_FILE_MAX bytes, PEM_CERTS_MAX certificates.
 */
#ifndef WEIR_TLS_PEM_H
#define WEIR_TLS_PEM_H

#include "base/buf.h"
#include "base/error.h"
#include "tls/libcrypto.h"

#define PEM_FILE_MAX  (16 * 1024 * 1024)
#define PEM_CERTS_MAX 4096

/* The whole file. -1 and err, which names it. A pipe will do: a shell's <(...) is one. */
int pem_read_file(const char *path, struct buf *ret, struct error *err);
/* Its private key. A passphrase is not asked for: nobody may be there to answer. */
EVP_PKEY *pem_read_key(const char *path, struct error *err);

struct pem_certs { /* all zero: empty */
	X509 **v;
	size_t n;
};
/* Appends the file's certificates; there is at least one. */
int pem_read_certs(const char *path, struct pem_certs *ret, struct error *err);
void pem_certs_done(struct pem_certs *c);

/* The same undecoded (DER), each once: some thousand times faster. */
struct pem_ders { /* all zero: empty */
	struct buf bytes;
	struct {
		size_t at, len;
	} * v;
	size_t n;
};
/* Appends those of the text that are not there yet. -1: no memory, or PEM_CERTS_MAX. */
int pem_ders_add(struct pem_ders *d, struct view text, struct error *err);
struct view pem_ders_get(const struct pem_ders *d, size_t i);
void pem_ders_done(struct pem_ders *d);

#endif
