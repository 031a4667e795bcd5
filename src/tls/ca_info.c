// SPDX-License-Identifier: Apache-2.0
/* What an authority's certificate says, for people. */
#include "tls/ca.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/pem.h"

/* "2026-11-21T10:00:00Z" */
static bool put_time(const ASN1_TIME *t, char *ret, size_t cap)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) && strftime(ret, cap, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0;
}

/* "AB:CD:...", as browsers show it. */
static bool put_fingerprint(const X509 *x, char ret[TLS_CA_FINGERPRINT])
{
	uint8_t md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!X509_digest(x, EVP_sha256(), md, &n) || n * 3 > TLS_CA_FINGERPRINT)
		return false;
	for (unsigned i = 0; i < n; i++)
		snprintf(ret + 3 * i, TLS_CA_FINGERPRINT - 3 * i, i + 1 < n ? "%02X:" : "%02X",
			 md[i]);
	return true;
}

/* What a BIO was given, behind what is in `ret`. */
static bool put_bio(BIO *b, struct buf *ret)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	return n > 0 && buf_append(ret, p, (size_t)n);
}

static bool put_subject(const X509 *x, char *ret, size_t cap)
{
	BIO *b = BIO_new(BIO_s_mem());
	struct buf text = {0};
	bool ok = b &&
		  X509_NAME_print_ex(b, X509_get_subject_name(x), 0,
				     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) > 0 &&
		  put_bio(b, &text);

	if (ok)
		snprintf(ret, cap, "%.*s", (int)text.len, (const char *)buf_view(&text).p);
	buf_done(&text);
	BIO_free(b);
	return ok;
}

static bool describe(X509 *x, struct tls_ca_info *ret)
{
	ret->in_force = X509_cmp_time(X509_get0_notBefore(x), NULL) < 0 &&
			X509_cmp_time(X509_get0_notAfter(x), NULL) > 0;
	return put_subject(x, ret->subject, sizeof(ret->subject)) &&
	       put_fingerprint(x, ret->fingerprint) &&
	       put_time(X509_get0_notBefore(x), ret->not_before, sizeof(ret->not_before)) &&
	       put_time(X509_get0_notAfter(x), ret->not_after, sizeof(ret->not_after));
}

int tls_ca_describe(const char *cert_path, struct tls_ca_info *ret, struct buf *ret_pem,
		    struct buf *ret_text, struct error *err)
{
	struct pem_certs certs = {0};

	if (libcrypto_need(err) < 0 || pem_read_certs(cert_path, &certs, err) < 0)
		return -1;
	BIO *pem = BIO_new(BIO_s_mem()), *text = BIO_new(BIO_s_mem());
	bool ok = pem && text && describe(certs.v[0], ret) && X509_print(text, certs.v[0]) &&
		  put_bio(text, ret_text);
	for (size_t i = 0; ok && i < certs.n; i++)
		ok = PEM_write_bio_X509(pem, certs.v[i]);
	ok = ok && put_bio(pem, ret_pem);
	BIO_free(pem);
	BIO_free(text);
	pem_certs_done(&certs);
	return ok ? 0 : error_set(err, "%s: %s", cert_path, libcrypto_fault());
}
