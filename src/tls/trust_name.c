// SPDX-License-Identifier: Apache-2.0
/* The name of a certificate's file in a directory that OpenSSL searches. */
#include "tls/trust.h"

#include <stdio.h>
#include <string.h>

#include "tls/libcrypto.h"

int trust_subject_hash(const char *pem, char ret[9], struct error *err)
{
	BIO *b = libcrypto_load() ? BIO_new_mem_buf(pem, (int)strlen(pem)) : NULL;
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;

	if (x)
		snprintf(ret, 9, "%08lx", X509_subject_name_hash(x) & 0xffffffff);
	else
		error_set(err, "the certificate cannot be read");
	X509_free(x);
	BIO_free(b);
	return x ? 0 : -1;
}
