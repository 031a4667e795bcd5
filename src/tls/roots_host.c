// SPDX-License-Identifier: Apache-2.0
/* The index of the host's roots. */
#include "tls/roots_host.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "tls/pem.h"
#include "tls/trust.h"

struct roots_host {
	unsigned refs; /* under `lock` */
	char *path;
	struct stat st; /* of the file as it was read */
	struct pem_ders ders;
	struct view *subjects; /* of `ders`; len 0: none was found */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct roots_host *current; /* holds a reference */

/* ---- subjects ---- */

/* One value: its tag, and what is in it (X.690 8.1). Lengths beyond 3 bytes are no certificate's.
 */
static bool get_value(struct view *v, uint8_t *ret_tag, struct view *ret)
{
	uint8_t tag, first, byte;
	size_t len = 0;

	if (!view_get_u8(v, &tag) || !view_get_u8(v, &first) || first > 0x83 || first == 0x80)
		return false;
	if (first < 0x80)
		len = first;
	for (int i = 0; first > 0x80 && i < first - 0x80; i++) {
		if (!view_get_u8(v, &byte))
			return false;
		len = len << 8 | byte;
	}
	*ret_tag = tag;
	return view_take(v, len, ret);
}

bool roots_host_subject(struct view der, struct view *ret)
{
	struct view cert, tbs, skipped;
	uint8_t tag;

	if (!get_value(&der, &tag, &cert) || tag != 0x30 || !get_value(&cert, &tag, &tbs) ||
	    tag != 0x30)
		return false;
	/* version (only where it is not 1), serialNumber, signature, issuer, validity */
	if (!get_value(&tbs, &tag, &skipped) || (tag == 0xa0 && !get_value(&tbs, &tag, &skipped)))
		return false;
	for (int i = 0; i < 3; i++)
		if (!get_value(&tbs, &tag, &skipped))
			return false;
	const uint8_t *from = tbs.p;
	if (!get_value(&tbs, &tag, &skipped) || tag != 0x30)
		return false;
	*ret = view_make(from, (size_t)(tbs.p - from));
	return true;
}

/* ---- the file ---- */

static void host_free(struct roots_host *h)
{
	pem_ders_done(&h->ders);
	free(h->subjects);
	free(h->path);
	free(h);
}

static int index_text(struct roots_host *h, struct view text, struct error *err)
{
	if (pem_ders_add(&h->ders, text, err) < 0)
		return -1;
	h->subjects = calloc(h->ders.n + 1, sizeof(*h->subjects));
	if (!h->subjects)
		return error_set(err, "no memory");
	for (size_t i = 0; i < h->ders.n; i++)
		roots_host_subject(pem_ders_get(&h->ders, i), &h->subjects[i]);
	return h->ders.n ? 0 : error_set(err, "no certificate in PEM");
}

static struct roots_host *read_host(const char *path, const struct stat *st)
{
	struct roots_host *h = calloc(1, sizeof(*h));
	struct buf text = {0};
	struct error err;

	if (!h)
		return NULL;
	h->refs = 1;
	h->st = *st;
	h->path = strdup(path);
	int r = h->path ? pem_read_file(path, &text, &err) : error_set(&err, "no memory");
	if (r == 0 && index_text(h, buf_view(&text), &err) < 0)
		r = error_prefix(&err, "%s", path);
	buf_done(&text);
	if (r == 0)
		return h;
	log_warning("the host's trusted roots cannot be read: %s", err.msg);
	host_free(h);
	return NULL;
}

static bool unchanged(const struct roots_host *h, const char *path, const struct stat *st)
{
	return strcmp(h->path, path) == 0 && h->st.st_dev == st->st_dev &&
	       h->st.st_ino == st->st_ino && h->st.st_size == st->st_size &&
	       h->st.st_mtim.tv_sec == st->st_mtim.tv_sec &&
	       h->st.st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}

static void put_locked(struct roots_host *h)
{
	if (h && --h->refs == 0)
		host_free(h);
}

static struct roots_host *get_locked(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		memset(&st, 0, sizeof(st));
	if (!current || !unchanged(current, path, &st)) {
		put_locked(current);
		current = read_host(path, &st);
	}
	if (current)
		current->refs++;
	return current;
}

struct roots_host *roots_host_get(void)
{
	const char *path = trust_host_bundle();

	if (!path) {
		log_warning("this host has no file of trusted roots");
		return NULL;
	}
	pthread_mutex_lock(&lock);
	struct roots_host *h = get_locked(path);
	pthread_mutex_unlock(&lock);
	return h;
}

void roots_host_put(struct roots_host *h)
{
	pthread_mutex_lock(&lock);
	put_locked(h);
	pthread_mutex_unlock(&lock);
}

/* ---- looking up ---- */

static bool add(X509_STORE *to, struct view der)
{
	const uint8_t *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	bool ok = x && X509_STORE_add_cert(to, x);

	X509_free(x);
	return ok;
}

bool roots_host_add_issuers(const struct roots_host *h, const X509 *x, X509_STORE *to)
{
	const uint8_t *p;
	size_t n;
	bool any = false;

	if (!X509_NAME_get0_der(X509_get_issuer_name(x), &p, &n))
		return false;
	for (size_t i = 0; i < h->ders.n; i++) {
		const struct view *s = &h->subjects[i];
		if (s->len == n && memcmp(s->p, p, n) == 0)
			any |= add(to, pem_ders_get(&h->ders, i));
	}
	return any;
}
