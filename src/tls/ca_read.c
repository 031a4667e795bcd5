// SPDX-License-Identifier: Apache-2.0
/*
 * An authority out of its two files. Whatever would make guests refuse its leaves is an error here,
 * with the file's name.
 */
#include "tls/ca_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "tls/pem.h"

static int read_key(struct tls_ca *ca, const char *path, struct error *err)
{
	struct stat st;

	ca->key = pem_read_key(path, err);
	if (!ca->key)
		return -1;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0077))
		log_warning("%s: others than its owner may read or write the CA's private key",
			    path);
	return 0;
}

/* All of the file's certificates, as text. */
static char *text_of(const struct pem_certs *c)
{
	BIO *b = BIO_new(BIO_s_mem());
	bool ok = b;
	char *p;

	for (size_t i = 0; ok && i < c->n; i++)
		ok = PEM_write_bio_X509(b, c->v[i]);
	long n = ok ? BIO_get_mem_data(b, &p) : 0;
	char *text = n > 0 ? strndup(p, (size_t)n) : NULL;
	BIO_free(b);
	return text;
}

/* The first certificate is the authority; those behind it, its own issuers, are kept as they are.
 * What else stands in the file is left out. */
static int read_cert(struct tls_ca *ca, const char *path, struct error *err)
{
	struct pem_certs certs = {0};
	int r = pem_read_certs(path, &certs, err);

	if (r == 0) {
		X509_up_ref(certs.v[0]);
		ca->cert = certs.v[0];
		ca->pem = text_of(&certs);
		if (!ca->pem)
			r = error_set(err, "%s: no memory", path);
	}
	pem_certs_done(&certs);
	return r;
}

static int check(const struct tls_ca *ca, const char *cert, const char *key, struct error *err)
{
	if (X509_check_ca(ca->cert) != 1)
		return error_set(err,
				 "%s: not the certificate of an authority (CA:true, and "
				 "keyCertSign where a key usage is given)",
				 cert);
	if (X509_cmp_time(X509_get0_notBefore(ca->cert), NULL) >= 0)
		return error_set(err, "%s: the certificate is not valid yet", cert);
	if (X509_cmp_time(X509_get0_notAfter(ca->cert), NULL) <= 0)
		return error_set(err, "%s: the certificate has expired", cert);
	if (!X509_check_private_key(ca->cert, ca->key)) {
		ERR_clear_error();
		return error_set(err,
				 "%s does not match %s: expected the certificate's own "
				 "private key",
				 key, cert);
	}
	return 0;
}

struct tls_ca *ca_read(const char *cert_path, const char *key_path, struct error *err)
{
	struct tls_ca *ca = calloc(1, sizeof(*ca));

	if (!ca) {
		error_set(err, "no memory");
		return NULL;
	}
	if (read_cert(ca, cert_path, err) == 0 && read_key(ca, key_path, err) == 0 &&
	    check(ca, cert_path, key_path, err) == 0)
		return ca;
	tls_ca_free(ca);
	return NULL;
}
