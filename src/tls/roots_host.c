// SPDX-License-Identifier: Apache-2.0
/* The host's own roots, in a store. */
#include <stdlib.h>

#include "base/log.h"
#include "tls/roots.h"
#include "tls/trust.h"

static void add_host(X509_STORE *s)
{
	const char *path = trust_host_bundle();
	struct error err;
	X509 **list;
	size_t n;

	if (!path) {
		log_warning("this host has no file of trusted roots");
		return;
	}
	if (roots_read_certs(path, &list, &n, &err) < 0) {
		log_warning("%s", err.msg);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		X509_STORE_add_cert(s, list[i]);
		X509_free(list[i]);
	}
	free(list);
}

X509_STORE *roots_store(X509 *const *more, size_t n)
{
	X509_STORE *s = X509_STORE_new();
	bool ok = s;

	for (size_t i = 0; ok && i < n; i++)
		ok = X509_STORE_add_cert(s, more[i]);
	if (!ok) {
		X509_STORE_free(s);
		return NULL;
	}
	add_host(s);
	return s;
}
