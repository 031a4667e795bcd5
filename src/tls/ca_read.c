// SPDX-License-Identifier: Apache-2.0
/*
 * An authority out of its two files. Whatever would make guests refuse its leaves is an error here,
 * with the file's name.
 */
#include "tls/ca_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define FILE_MAX (1024 * 1024) /* bytes; a key has 241 */

static int read_all(int fd, const char *path, struct buf *ret, struct error *err)
{
	for (;;) {
		uint8_t *to = buf_room(ret, 4096);
		if (!to)
			return error_set(err, "%s: no memory", path);
		ssize_t n = read(fd, to, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, errno, "%s", path);
		if (n == 0)
			return 0;
		buf_added(ret, (size_t)n);
		if (ret->len > FILE_MAX)
			return error_set(err, "%s: too large to be a certificate or a key", path);
	}
}

static int read_file(const char *path, bool key, struct buf *ret, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return error_set_errno(err, errno, "%s", path);
	int r = 0;
	if (fstat(fd, &st) < 0)
		r = error_set_errno(err, errno, "%s", path);
	else if (!S_ISREG(st.st_mode))
		r = error_set(err, "%s: not a regular file", path);
	else
		r = read_all(fd, path, ret, err);
	if (r == 0 && key && (st.st_mode & 0077))
		log_warning("%s: others than its owner may read or write the CA's private key",
			    path);
	close(fd);
	return r;
}

/* A key that wants a passphrase is not asked for one: nobody may be there to answer. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	*(bool *)arg = true;
	return -1;
}

static int read_key(struct tls_ca *ca, const char *path, struct error *err)
{
	struct buf text = {.secret = true};
	bool encrypted = false;
	int r = read_file(path, true, &text, err);

	if (r == 0) {
		BIO *b = BIO_new_mem_buf(buf_view(&text).p, (int)text.len);
		ca->key = b ? PEM_read_bio_PrivateKey(b, NULL, no_passphrase, &encrypted) : NULL;
		BIO_free(b);
		if (!ca->key && encrypted)
			r = error_set(err,
				      "%s: the key is encrypted; expected one without a "
				      "passphrase",
				      path);
		else if (!ca->key)
			r = error_set(err, "%s: no private key in PEM: %s", path,
				      libcrypto_fault());
		ERR_clear_error();
	}
	buf_done(&text);
	return r;
}

/* The first certificate is the authority; those behind it, its own issuers, are kept as they are.
 * What else stands in the file is left out. */
static int read_certs(struct tls_ca *ca, BIO *in, const char *path, struct error *err)
{
	BIO *out = BIO_new(BIO_s_mem());
	bool ok = out;
	X509 *x;
	char *p;

	while (ok && (x = PEM_read_bio_X509(in, NULL, no_passphrase, &(bool){false}))) {
		ok = PEM_write_bio_X509(out, x);
		if (!ca->cert)
			ca->cert = x;
		else
			X509_free(x);
	}
	if (ca->cert && ok) {
		long n = BIO_get_mem_data(out, &p);
		ca->pem = strndup(p, (size_t)n);
	}
	BIO_free(out);
	if (!ca->cert)
		return error_set(err, "%s: no certificate in PEM: %s", path, libcrypto_fault());
	ERR_clear_error(); /* the end of the file is one */
	return ca->pem ? 0 : error_set(err, "%s: no memory", path);
}

static int read_cert(struct tls_ca *ca, const char *path, struct error *err)
{
	struct buf text = {0};
	int r = read_file(path, false, &text, err);

	if (r == 0) {
		BIO *b = BIO_new_mem_buf(buf_view(&text).p, (int)text.len);
		r = b ? read_certs(ca, b, path, err) : error_set(err, "%s: no memory", path);
		BIO_free(b);
	}
	buf_done(&text);
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
