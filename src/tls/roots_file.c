// SPDX-License-Identifier: Apache-2.0
/* Certificates and keys out of files that the configuration names. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "tls/roots.h"

#define FILE_MAX  (16 * 1024 * 1024)
#define CERTS_MAX 65536

/* Whole. FIFOs and the like do: a shell's <(...) is one. */
static int read_file(const char *path, struct buf *ret, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = 1;

	if (fd < 0)
		return error_set_errno(err, errno, "%s", path);
	while (n != 0 && ret->len <= FILE_MAX) {
		uint8_t *to = buf_room(ret, 65536);
		n = to ? read(fd, to, 65536) : (errno = ENOMEM, -1);
		if (n > 0)
			buf_added(ret, (size_t)n);
		else if (n < 0 && errno != EINTR)
			break;
	}
	int r = n < 0 ? error_set_errno(err, errno, "%s", path) : 0;
	close(fd);
	return r == 0 && ret->len > FILE_MAX ? error_set(err, "%s: too large", path) : r;
}

static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	return -1;
}

static int parse_certs(BIO *b, X509 ***ret, size_t *ret_n)
{
	size_t n = 0;
	X509 *x, **list = NULL;

	while (n < CERTS_MAX && (x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL))) {
		X509 **more = realloc(list, (n + 1) * sizeof(*list));
		if (!more) {
			X509_free(x);
			break;
		}
		list = more;
		list[n++] = x;
	}
	*ret = list;
	*ret_n = n;
	return n ? 0 : -1;
}

int roots_read_certs(const char *path, X509 ***ret, size_t *ret_n, struct error *err)
{
	struct buf text = {0};
	int r = read_file(path, &text, err);

	if (r == 0) {
		BIO *b = BIO_new_mem_buf(buf_view(&text).p, (int)text.len);
		r = b ? parse_certs(b, ret, ret_n) : -1;
		BIO_free(b);
		if (r < 0)
			error_set(err, "%s: no certificate in PEM: %s", path, libcrypto_fault());
		ERR_clear_error();
	}
	buf_done(&text);
	return r;
}

EVP_PKEY *roots_read_key(const char *path, struct error *err)
{
	struct buf text = {.secret = true};
	EVP_PKEY *key = NULL;

	if (read_file(path, &text, err) == 0) {
		BIO *b = BIO_new_mem_buf(buf_view(&text).p, (int)text.len);
		key = b ? PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL) : NULL;
		BIO_free(b);
		if (!key)
			error_set(err, "%s: no private key in PEM, or one with a passphrase: %s",
				  path, libcrypto_fault());
		ERR_clear_error();
	}
	buf_done(&text);
	return key;
}
