// SPDX-License-Identifier: Apache-2.0
/*
 * The authority's files.
 *
 * Both are written under a lock and renamed into place, so that of several that start at once one
 * makes it and the others read what it made, and nobody sees half of a pair. Whoever only reads
 * takes the lock shared where it can be had: on a read-only file system nobody writes either.
 */
#include "tls/ca_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGAIN "'weir ca create --force' makes a new pair"

void tls_ca_free(struct tls_ca *ca)
{
	if (!ca)
		return;
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
	free(ca->pem);
	free(ca);
}

const char *tls_ca_pem(const struct tls_ca *ca)
{
	return ca->pem;
}

/* ---- where it lies ---- */

struct place {
	char *dir, *cert, *key, *lock; /* owned */
};

/* The XDG base directory specification: a relative path is to be ignored. */
static char *default_dir(struct error *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *dir = NULL;
	int n;

	if (state && state[0] == '/') {
		n = asprintf(&dir, "%s/weir/tls", state);
	} else if (home && home[0] == '/') {
		n = asprintf(&dir, "%s/.local/state/weir/tls", home);
	} else {
		error_set(err, "the CA has no place: neither XDG_STATE_HOME nor HOME is set; "
			       "tls.intercept_ca names another");
		return NULL;
	}
	if (n < 0) {
		error_set(err, "no memory");
		return NULL;
	}
	return dir;
}

static void place_done(struct place *p)
{
	free(p->dir);
	free(p->cert);
	free(p->key);
	free(p->lock);
}

static int place_init(struct place *p, struct error *err)
{
	*p = (struct place){.dir = default_dir(err)};
	if (!p->dir)
		return -1;
	if (asprintf(&p->cert, "%s/ca.crt", p->dir) < 0)
		p->cert = NULL;
	if (asprintf(&p->key, "%s/ca.key", p->dir) < 0)
		p->key = NULL;
	if (asprintf(&p->lock, "%s/lock", p->dir) < 0)
		p->lock = NULL;
	if (p->cert && p->key && p->lock)
		return 0;
	place_done(p);
	return error_set(err, "no memory");
}

char *tls_ca_default_path(bool key, struct error *err)
{
	struct place p;

	if (place_init(&p, err) < 0)
		return NULL;
	char **mine = key ? &p.key : &p.cert;
	char *ret = *mine;
	*mine = NULL;
	place_done(&p);
	return ret;
}

/* The directory and those above it, as far as they are missing, for the owner alone. */
static int make_dir(char *dir, struct error *err)
{
	struct stat st;

	for (char *slash = dir;; *slash = '/') {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = 0;
		int r = mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
		/* One above that is there need not be writable: EROFS, EACCES. */
		if (r < 0 && (!slash || access(dir, F_OK) < 0)) {
			error_set_errno(err, r, "%s cannot be made", dir);
			if (slash)
				*slash = '/';
			return -1;
		}
		if (!slash)
			break;
	}
	if (stat(dir, &st) < 0)
		return error_set_errno(err, errno, "%s", dir);
	if (!S_ISDIR(st.st_mode) || (st.st_mode & 0022))
		return error_set(err, "%s: expected a directory that nobody else may write to",
				 dir);
	return 0;
}

/* ---- writing ---- */

static int write_all(int fd, struct view v)
{
	while (v.len) {
		ssize_t n = write(fd, v.p, v.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		view_skip(&v, (size_t)n);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Beside its place, for store_pair() to rename. Whatever an earlier one left is replaced. */
static int write_new(const char *path, struct view v, mode_t mode, struct error *err)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return error_set_errno(err, errno, "%s cannot be made", path);
	int r = write_all(fd, v);
	if (r < 0) {
		error_set_errno(err, r, "%s cannot be written", path);
		unlink(path);
	}
	close(fd);
	return r < 0 ? -1 : 0;
}

static int store_files(const struct place *p, const char *new_cert, const char *new_key,
		       const struct tls_ca *ca, struct view key, struct error *err)
{
	if (write_new(new_key, key, 0600, err) < 0)
		return -1;
	if (write_new(new_cert, view_make(ca->pem, strlen(ca->pem)), 0644, err) < 0) {
		unlink(new_key);
		return -1;
	}
	if (rename(new_key, p->key) < 0 || rename(new_cert, p->cert) < 0) {
		error_set_errno(err, errno, "%s cannot be stored", p->cert);
		unlink(new_key);
		unlink(new_cert);
		return -1;
	}
	return 0;
}

/* Under the lock. */
static int store_pair(const struct place *p, const struct tls_ca *ca, struct error *err)
{
	char *new_cert = NULL, *new_key = NULL;
	struct buf key = {.secret = true};
	int r = -1;

	if (asprintf(&new_cert, "%s.new", p->cert) < 0)
		new_cert = NULL;
	if (asprintf(&new_key, "%s.new", p->key) < 0)
		new_key = NULL;
	if (!new_cert || !new_key)
		error_set(err, "no memory");
	else if (ca_key_pem(ca, &key, err) == 0)
		r = store_files(p, new_cert, new_key, ca, buf_view(&key), err);
	buf_done(&key);
	free(new_cert);
	free(new_key);
	return r;
}

/* ---- the lock ---- */

/* Descriptor, or -errno. It is let go by close(). */
static int take_lock(const char *path, int how)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, how) < 0) {
		if (errno == EINTR)
			continue;
		int r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* 2: the pair is there, 0: neither is; else -1 and err. */
static int files_there(const struct place *p, struct error *err)
{
	bool cert = access(p->cert, F_OK) == 0 || errno != ENOENT;
	bool key = access(p->key, F_OK) == 0 || errno != ENOENT;

	if (cert == key)
		return cert ? 2 : 0;
	return error_set(err, "%s is there and %s is missing; " AGAIN, cert ? p->cert : p->key,
			 cert ? p->key : p->cert);
}

static struct tls_ca *make_and_store(const struct place *p, struct error *err)
{
	struct tls_ca *ca = ca_make(err);

	if (ca && store_pair(p, ca, err) < 0) {
		tls_ca_free(ca);
		ca = NULL;
	}
	return ca;
}

/* Says, behind what is wrong with the stored pair, what to do. */
static struct tls_ca *read_stored(const struct place *p, struct error *err)
{
	struct tls_ca *ca = ca_read(p->cert, p->key, err);

	if (!ca) {
		struct error what = *err;
		error_set(err, "%.400s; " AGAIN, what.msg);
	}
	return ca;
}

static struct tls_ca *open_default(struct place *p, struct error *err)
{
	struct tls_ca *ca = NULL;
	int lock = take_lock(p->lock, LOCK_SH);
	int there = files_there(p, err);

	if (there == 2)
		ca = read_stored(p, err);
	if (lock >= 0)
		close(lock);
	if (there != 0)
		return ca;
	if (make_dir(p->dir, err) < 0)
		return NULL;
	lock = take_lock(p->lock, LOCK_EX);
	if (lock < 0) {
		error_set_errno(err, lock, "%s", p->lock);
		return NULL;
	}
	/* Another one may have been faster. */
	there = files_there(p, err);
	if (there == 2)
		ca = read_stored(p, err);
	else if (there == 0)
		ca = make_and_store(p, err);
	close(lock);
	return ca;
}

struct tls_ca *tls_ca_open(const char *cert_path, const char *key_path, struct error *err)
{
	struct place p;

	if (libcrypto_need(err) < 0)
		return NULL;
	if (!cert_path != !key_path) {
		error_set(err, "a CA needs both, its certificate and its key");
		return NULL;
	}
	if (cert_path)
		return ca_read(cert_path, key_path, err);
	if (place_init(&p, err) < 0)
		return NULL;
	struct tls_ca *ca = open_default(&p, err);
	place_done(&p);
	return ca;
}

static struct tls_ca *create(struct place *p, bool replace, struct error *err)
{
	struct error none;

	if (make_dir(p->dir, err) < 0)
		return NULL;
	int lock = take_lock(p->lock, LOCK_EX);
	if (lock < 0) {
		error_set_errno(err, lock, "%s", p->lock);
		return NULL;
	}
	struct tls_ca *ca = NULL;
	if (!replace && files_there(p, &none) != 0)
		error_set(err,
			  "%s is there already; --force replaces it, and guests that trust it "
			  "have to be told of the new one",
			  p->cert);
	else
		ca = make_and_store(p, err);
	close(lock);
	return ca;
}

struct tls_ca *tls_ca_create(bool replace, struct error *err)
{
	struct place p;

	if (libcrypto_need(err) < 0 || place_init(&p, err) < 0)
		return NULL;
	struct tls_ca *ca = create(&p, replace, err);
	place_done(&p);
	return ca;
}
