// SPDX-License-Identifier: Apache-2.0
/* The host's trusted roots, and bundles of them with the CA in front. */
#include "tls/trust.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/pem.h"

const char *trust_host_bundle(void)
{
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt",                 /* Debian, Arch, Gentoo */
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  /* Fedora, RHEL 7 and on */
		"/etc/pki/tls/certs/ca-bundle.crt",                   /* RHEL 6 */
		"/etc/ssl/ca-bundle.pem",                             /* SUSE */
		"/etc/ssl/cert.pem",                                  /* Alpine */
		"/etc/ssl/certs/ca-bundle.crt",                       /* NixOS */
		"/etc/pki/tls/cacert.pem",                            /* OpenELEC */
		"/usr/local/share/certs/ca-root-nss.crt",             /* by hand, as on FreeBSD */
		"/run/current-system/sw/etc/ssl/certs/ca-bundle.crt", /* Guix */
	};
	const char *own = getenv("SSL_CERT_FILE");

	if (own && own[0])
		return own;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	return NULL;
}

/* Adds the host's roots to `d`. */
static int add_host(struct pem_ders *d, struct error *err)
{
	const char *path = trust_host_bundle();
	struct buf text = {0};
	size_t before = d->n;

	if (!path)
		return error_set(err, "this host has no file of trusted roots; SSL_CERT_FILE would "
				      "name it");
	int r = pem_read_file(path, &text, err);
	if (r == 0 && pem_ders_add(d, buf_view(&text), err) < 0)
		r = error_prefix(err, "%s", path);
	buf_done(&text);
	if (r == 0 && d->n == before)
		r = error_set(err, "%s: no certificate in PEM", path);
	return r;
}

static int put_pem(const struct pem_ders *d, struct buf *ret, struct error *err)
{
	BIO *b = BIO_new(BIO_s_mem());
	bool ok = b;
	char *p;

	for (size_t i = 0; ok && i < d->n; i++) {
		struct view der = pem_ders_get(d, i);
		ok = PEM_write_bio(b, "CERTIFICATE", "", der.p, (long)der.len) > 0;
	}
	long n = ok ? BIO_get_mem_data(b, &p) : 0;
	ok = ok && buf_append(ret, p, (size_t)n);
	BIO_free(b);
	return ok ? 0 : error_set(err, "no memory");
}

int trust_host_pem(struct buf *ret, struct error *err)
{
	struct pem_ders ders = {0};

	if (libcrypto_need(err) < 0)
		return -1;
	int r = add_host(&ders, err);
	if (r == 0)
		r = put_pem(&ders, ret, err);
	pem_ders_done(&ders);
	return r;
}

int trust_combined_pem(const char *ca_pem, bool host, struct buf *ret, struct error *err)
{
	struct pem_ders ders = {0};

	if (libcrypto_need(err) < 0)
		return -1;
	int r = pem_ders_add(&ders, view_make(ca_pem, strlen(ca_pem)), err);
	if (r == 0 && host)
		r = add_host(&ders, err);
	if (r == 0)
		r = put_pem(&ders, ret, err);
	pem_ders_done(&ders);
	return r;
}
