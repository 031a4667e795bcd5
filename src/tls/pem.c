// SPDX-License-Identifier: Apache-2.0
/* Reading files of certificates and keys. */
#include "tls/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_all(int fd, struct buf *ret)
{
	for (;;) {
		uint8_t *to = buf_room(ret, 65536);
		if (!to)
			return -ENOMEM;
		ssize_t n = read(fd, to, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_added(ret, (size_t)n);
		if (ret->len > PEM_FILE_MAX)
			return -EFBIG;
	}
}

int pem_read_file(const char *path, struct buf *ret, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_set_errno(err, errno, "%s", path);
	int r = read_all(fd, ret);
	close(fd);
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

/* ---- a key ---- */

static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	*(bool *)arg = true;
	return -1;
}

EVP_PKEY *pem_read_key(const char *path, struct error *err)
{
	struct buf text = {.secret = true};
	bool encrypted = false;
	EVP_PKEY *key = NULL;

	if (pem_read_file(path, &text, err) == 0) {
		BIO *b = BIO_new_mem_buf(buf_view(&text).p, (int)text.len);
		key = b ? PEM_read_bio_PrivateKey(b, NULL, no_passphrase, &encrypted) : NULL;
		BIO_free(b);
		if (!key && encrypted)
			error_set(err,
				  "%s: the key is encrypted; expected one without a passphrase",
				  path);
		else if (!key)
			error_set(err, "%s: no private key in PEM: %s", path, libcrypto_fault());
		ERR_clear_error();
	}
	buf_done(&text);
	return key;
}

/* ---- certificates ---- */

static bool certs_add(struct pem_certs *c, X509 *x)
{
	X509 **v = x && c->n < PEM_CERTS_MAX ? realloc(c->v, (c->n + 1) * sizeof(*v)) : NULL;

	if (!v)
		return false;
	c->v = v;
	v[c->n++] = x;
	return true;
}

static int decode(struct pem_certs *c, const char *path, const struct pem_ders *d,
		  struct error *err)
{
	for (size_t i = 0; i < d->n; i++) {
		struct view der = pem_ders_get(d, i);
		const uint8_t *p = der.p;
		X509 *x = d2i_X509(NULL, &p, (long)der.len);
		if (certs_add(c, x))
			continue;
		X509_free(x);
		return error_set(err, "%s: certificate %zu cannot be read: %s", path, i + 1,
				 libcrypto_fault());
	}
	return d->n ? 0 : error_set(err, "%s: no certificate in PEM", path);
}

int pem_read_certs(const char *path, struct pem_certs *ret, struct error *err)
{
	struct pem_ders ders = {0};
	struct buf text = {0};
	int r = pem_read_file(path, &text, err);

	if (r == 0)
		r = pem_ders_add(&ders, buf_view(&text), err);
	if (r == 0)
		r = decode(ret, path, &ders, err);
	pem_ders_done(&ders);
	buf_done(&text);
	return r;
}

void pem_certs_done(struct pem_certs *c)
{
	while (c->n)
		X509_free(c->v[--c->n]);
	free(c->v);
	c->v = NULL;
}

/* ---- undecoded ---- */

struct view pem_ders_get(const struct pem_ders *d, size_t i)
{
	return view_make(buf_view(&d->bytes).p + d->v[i].at, d->v[i].len);
}

static bool has(const struct pem_ders *d, struct view der)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].len == der.len && memcmp(pem_ders_get(d, i).p, der.p, der.len) == 0)
			return true;
	return false;
}

static int add(struct pem_ders *d, struct view der, struct error *err)
{
	if (has(d, der))
		return 0;
	if (d->n == PEM_CERTS_MAX)
		return error_set(err, "more than %d certificates", PEM_CERTS_MAX);
	void *v = realloc(d->v, (d->n + 1) * sizeof(*d->v));
	if (!v)
		return error_set(err, "no memory");
	d->v = v;
	d->v[d->n].at = d->bytes.len;
	d->v[d->n].len = der.len;
	if (!buf_append_view(&d->bytes, der))
		return error_set(err, "no memory");
	d->n++;
	return 0;
}

/* "TRUSTED CERTIFICATE", which OpenSSL alone has, says more than a certificate: it is left out. */
static bool is_certificate(const char *name)
{
	return strcmp(name, "CERTIFICATE") == 0 || strcmp(name, "X509 CERTIFICATE") == 0;
}

int pem_ders_add(struct pem_ders *d, struct view text, struct error *err)
{
	BIO *b = BIO_new_mem_buf(text.p, (int)text.len);
	char *name, *header;
	uint8_t *der;
	long n;
	int r = b ? 0 : error_set(err, "no memory");

	while (r == 0 && PEM_read_bio(b, &name, &header, &der, &n)) {
		if (is_certificate(name))
			r = add(d, view_make(der, (size_t)n), err);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	/* The end of the text is an error to OpenSSL; anything else is a broken block. */
	if (r == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		r = error_set(err, "certificate %zu: %s", d->n + 1, libcrypto_fault());
	ERR_clear_error();
	BIO_free(b);
	return r;
}

void pem_ders_done(struct pem_ders *d)
{
	buf_done(&d->bytes);
	free(d->v);
	d->v = NULL;
	d->n = 0;
}
