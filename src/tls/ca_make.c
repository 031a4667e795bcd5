// SPDX-License-Identifier: Apache-2.0
/*
 * A new authority (RFC 5280 4.2), and a leaf that it signs.
 *
 * Clocks differ, a virtual machine's more than others: what is made now is valid since an hour ago.
 */
#include "tls/ca_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/name.h"

#define HOUR       3600L
#define CA_YEARS   10
#define COMMON_MAX 64   /* characters of a common name: RFC 5280 A.1, ub-common-name */
#define SPKI_MAX   4096 /* bytes of a public key; RSA's with 8192 bits has 1,062 */

bool ca_add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e && X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	return ok;
}

bool ca_set_serial(X509 *x)
{
	uint8_t serial[16];

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return false;
	/* Positive, and without leading zeros. */
	serial[0] = (serial[0] & 0x7f) | 0x40;
	return ASN1_STRING_set(X509_get_serialNumber(x), serial, sizeof(serial));
}

bool ca_sign(X509 *x, EVP_PKEY *key)
{
	int nid;
	/* Ed25519 and its like have a digest built in. */
	bool built_in = EVP_PKEY_get_default_digest_nid(key, &nid) == 2 && nid == NID_undef;

	return X509_sign(x, key, built_in ? NULL : EVP_sha256()) > 0;
}

/* A name that tells this authority from others of its kind, on other hosts and of other days. */
static bool name_it(X509_NAME *n)
{
	char host[128] = "", cn[COMMON_MAX + 1];
	uint8_t r[4];

	if (RAND_bytes(r, sizeof(r)) != 1)
		return false;
	gethostname(host, sizeof(host) - 1);
	for (char *p = host; *p; p++)
		if (*p < '!' || *p > '~')
			*p = '?';
	snprintf(cn, sizeof(cn), "weir CA %.40s %02x%02x%02x%02x", host[0] ? host : "localhost",
		 r[0], r[1], r[2], r[3]);
	return X509_NAME_add_entry_by_txt(n, "O", MBSTRING_ASC, (const uint8_t *)"weir", -1, -1,
					  0) &&
	       X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0);
}

static bool fill_ca(struct tls_ca *ca)
{
	X509 *x = ca->cert;

	return X509_set_version(x, X509_VERSION_3) && ca_set_serial(x) &&
	       name_it(X509_get_subject_name(x)) &&
	       X509_set_issuer_name(x, X509_get_subject_name(x)) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), -HOUR) &&
	       X509_time_adj_ex(X509_getm_notAfter(x), CA_YEARS * 365, 0, NULL) &&
	       X509_set_pubkey(x, ca->key) &&
	       ca_add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	       ca_add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       ca_add_extension(x, x, NID_subject_key_identifier, "hash") && ca_sign(x, ca->key);
}

/* What a memory BIO has, as text of its own. */
static char *text_of(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	return n > 0 ? strndup(p, (size_t)n) : NULL;
}

struct tls_ca *ca_make(struct error *err)
{
	struct tls_ca *ca = calloc(1, sizeof(*ca));
	BIO *b = BIO_new(BIO_s_mem());

	if (ca && b) {
		ca->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		ca->cert = X509_new();
		if (ca->key && ca->cert && fill_ca(ca) && PEM_write_bio_X509(b, ca->cert))
			ca->pem = text_of(b);
	}
	BIO_free(b);
	if (ca && ca->pem)
		return ca;
	error_set(err, "no certificate authority can be made: %s", libcrypto_fault());
	tls_ca_free(ca);
	return NULL;
}

int ca_key_pem(const struct tls_ca *ca, struct buf *ret, struct error *err)
{
	BIO *b = BIO_new(BIO_s_secmem()); /* wiped when it goes */
	char *p;
	long n = 0;

	ret->secret = true;
	if (b && PEM_write_bio_PrivateKey(b, ca->key, NULL, NULL, 0, NULL, NULL))
		n = BIO_get_mem_data(b, &p);
	bool ok = n > 0 && buf_append(ret, p, (size_t)n);
	BIO_free(b);
	return ok ? 0 : error_set(err, "the CA's key cannot be written: %s", libcrypto_fault());
}

/* "DNS:x.com" or "IP:192.0.2.1"; what is neither could say more than one thing in an extension. */
static int alt_name(const char *host, char *ret, size_t cap, struct error *err)
{
	char text[IPADDR_STRLEN];
	struct ipaddr a;
	struct name n;

	if (ipaddr_parse(host, &a))
		snprintf(ret, cap, "IP:%s", ipaddr_str(&a, text));
	else if (name_read(host, strlen(host), &n) == NAME_OK)
		snprintf(ret, cap, "DNS:%s", n.s);
	else
		return error_set(err, "no certificate can be made for what is no host name");
	return 0;
}

/* From an hour ago on, for as long as is asked, and no longer than the authority itself. */
static bool set_life(X509 *x, const X509 *ca, unsigned hours)
{
	time_t now = time(NULL);

	return X509_time_adj_ex(X509_getm_notBefore(x), 0, -HOUR, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(x), (int)(hours / 24), hours % 24 * HOUR,
				&now) &&
	       (ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(ca)) <= 0 ||
		X509_set1_notAfter(x, X509_get0_notAfter(ca)));
}

/* With a name that is too long for a common name the subject is empty, and its alternative is
 * critical then (RFC 5280 4.2.1.6). */
static bool set_host(X509 *x, X509 *ca, const char *alt)
{
	const char *cn = strchr(alt, ':') + 1;
	char critical[NAME_TEXT_MAX + 32];

	snprintf(critical, sizeof(critical), "critical,%s", alt);
	if (strlen(cn) > COMMON_MAX)
		return ca_add_extension(x, ca, NID_subject_alt_name, critical);
	return X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
					  (const uint8_t *)cn, -1, -1, 0) &&
	       ca_add_extension(x, ca, NID_subject_alt_name, alt);
}

static bool fill_leaf(X509 *x, const struct tls_ca *ca, EVP_PKEY *key, const char *alt,
		      unsigned hours)
{
	return X509_set_version(x, X509_VERSION_3) && ca_set_serial(x) &&
	       X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) &&
	       set_life(x, ca->cert, hours) && X509_set_pubkey(x, key) &&
	       ca_add_extension(x, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
	       ca_add_extension(x, ca->cert, NID_key_usage, "critical,digitalSignature") &&
	       ca_add_extension(x, ca->cert, NID_ext_key_usage, "serverAuth") &&
	       ca_add_extension(x, ca->cert, NID_subject_key_identifier, "hash") &&
	       ca_add_extension(x, ca->cert, NID_authority_key_identifier, "keyid") &&
	       set_host(x, ca->cert, alt) && ca_sign(x, ca->key);
}

static EVP_PKEY *read_spki(struct view spki)
{
	const uint8_t *p = spki.p;
	EVP_PKEY *key = spki.len <= SPKI_MAX ? d2i_PUBKEY(NULL, &p, (long)spki.len) : NULL;

	if (key && p != spki.p + spki.len) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

int tls_ca_sign_leaf(const struct tls_ca *ca, const char *host, struct view spki,
		     unsigned valid_hours, struct buf *ret_der, struct error *err)
{
	char alt[NAME_TEXT_MAX + 8];
	int r = -1;

	if (alt_name(host, alt, sizeof(alt), err) < 0)
		return -1;
	EVP_PKEY *key = read_spki(spki);
	X509 *x = X509_new();
	uint8_t *der = NULL;
	if (!key) {
		error_set(err, "a certificate was asked for with what is no public key");
	} else if (X509_cmp_time(X509_get0_notAfter(ca->cert), NULL) <= 0) {
		error_set(err, "the CA's certificate has expired");
	} else if (!x || !fill_leaf(x, ca, key, alt, valid_hours)) {
		error_set(err, "no certificate can be made for %s: %s", host, libcrypto_fault());
	} else {
		int n = i2d_X509(x, &der);
		r = n > 0 && buf_append(ret_der, der, (size_t)n) ? 0 : error_set(err, "no memory");
	}
	ERR_clear_error();
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
	return r;
}
