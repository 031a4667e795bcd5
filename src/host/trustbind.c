// SPDX-License-Identifier: Apache-2.0
/* Binds bundles and trust stores over the host's, and tells programs by their environment. */
#include "host/trustbind.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where distributions keep one bundle of all trusted certificates. */
static const char *const bundle_places[] = {
	"/etc/ssl/certs/ca-certificates.crt",                /* Debian, Arch, Gentoo */
	"/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, CentOS */
	"/etc/ssl/ca-bundle.pem",                            /* openSUSE */
	"/var/lib/ca-certificates/ca-bundle.pem",            /* openSUSE */
	"/etc/ssl/cert.pem",                                 /* Alpine */
	"/usr/lib/ssl/cert.pem",
	"/usr/local/share/certs/ca-root-nss.crt",
};
static const char *const store_places[] = {
	"/etc/ssl/certs/java/cacerts", /* Debian */
	"/etc/pki/java/cacerts",       /* Fedora */
	"/etc/pki/ca-trust/extracted/java/cacerts",
	"/etc/ssl/java/cacerts",
};
/* The directory in which OpenSSL finds single certificates on Debian and its like. */
#define CERTS_DIR "/etc/ssl/certs"

static void add_real(char *list[TRUSTBIND_PATHS], const char *path)
{
	char *real = realpath(path, NULL);

	for (int i = 0; real && i < TRUSTBIND_PATHS - 1; i++) {
		if (!list[i]) {
			list[i] = real;
			return;
		}
		if (strcmp(list[i], real) == 0)
			break;
	}
	free(real);
}

static void add_store_of(char *list[TRUSTBIND_PATHS], const char *home)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/lib/security/cacerts", home) < PATH_MAX)
		add_real(list, path);
	if (snprintf(path, sizeof(path), "%s/jre/lib/security/cacerts", home) < PATH_MAX)
		add_real(list, path);
}

/* The Java that PATH leads to: HOME/bin/java. */
static void add_store_of_path(char *list[TRUSTBIND_PATHS])
{
	const char *dirs = getenv("PATH");
	char path[PATH_MAX];

	for (; dirs && *dirs; dirs += strcspn(dirs, ":"), dirs += *dirs == ':') {
		int n = (int)strcspn(dirs, ":");
		if (snprintf(path, sizeof(path), "%.*s/java", n, dirs) >= PATH_MAX)
			continue;
		char *real = realpath(path, NULL);
		char *slash = real ? strrchr(real, '/') : NULL;
		if (slash) {
			*slash = '\0'; /* HOME/bin */
			slash = strrchr(real, '/');
		}
		if (slash) {
			*slash = '\0';
			add_store_of(list, real);
		}
		free(real);
	}
}

void trustbind_find(struct trustbind_paths *ret)
{
	const char *home = getenv("JAVA_HOME");

	*ret = (struct trustbind_paths){0};
	for (size_t i = 0; i < sizeof(bundle_places) / sizeof(bundle_places[0]); i++)
		add_real(ret->bundles, bundle_places[i]);
	for (size_t i = 0; i < sizeof(store_places) / sizeof(store_places[0]); i++)
		add_real(ret->stores, store_places[i]);
	if (home)
		add_store_of(ret->stores, home);
	add_store_of_path(ret->stores);
}

void trustbind_paths_done(struct trustbind_paths *p)
{
	for (int i = 0; i < TRUSTBIND_PATHS; i++) {
		free(p->bundles[i]);
		free(p->stores[i]);
	}
}

static int bind_all(const struct bindover *b, const char *name, const void *bytes, size_t len,
		    char *const list[TRUSTBIND_PATHS], struct error *err)
{
	int r = list[0] ? bindover_make(b, name, bytes, len) : 0;

	for (int i = 0; list[i] && r == 0; i++) {
		r = bindover_again(b, name, list[i], list[i]);
		if (r < 0)
			return error_set_errno(err, r, "cannot bind over %s", list[i]);
	}
	return r < 0 ? error_set_errno(err, r, "cannot make %s", name) : 0;
}

/* Where it fails the bundle and the environment are still there. */
static void lay_beside_certs(const struct trustbind *t, const struct bindover *b)
{
	char name[64];

	if (access(CERTS_DIR, X_OK) < 0 || bindover_dir_make(b, "certs") < 0)
		return;
	/* More than one certificate may have that hash; the first free number is found by all. */
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), CERTS_DIR "/%s.%d", t->subject_hash, i);
		if (access(name, F_OK) == 0)
			continue;
		snprintf(name, sizeof(name), "certs/%s.%d", t->subject_hash, i);
		if (bindover_make(b, name, t->ca_pem, strlen(t->ca_pem)) == 0)
			bindover_dir(b, "certs", CERTS_DIR);
		return;
	}
}

/* By what variables programs and libraries look for their trusted certificates. */
static int tell_programs(const char *path)
{
	static const char *const names[] = {
		"SSL_CERT_FILE", /* OpenSSL, Go, Rust */
		"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
		"DENO_CERT",      "CARGO_HTTP_CAINFO",  "AWS_CA_BUNDLE",       "PIP_CERT",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (setenv(names[i], path, 1) < 0)
			return -errno;
	if (access(CERTS_DIR, X_OK) == 0 && setenv("SSL_CERT_DIR", CERTS_DIR, 1) < 0)
		return -errno;
	return 0;
}

int trustbind_apply(const struct trustbind *t, const struct trustbind_paths *p,
		    const struct bindover *b, const char **ret_path, struct error *err)
{
	*ret_path = NULL;
	if (!t->pem)
		return 0;
	/* First, so that the mounts below lie in it. */
	lay_beside_certs(t, b);
	if (bind_all(b, "ca-bundle.crt", t->pem, t->pem_len, p->bundles, err) < 0 ||
	    bind_all(b, "cacerts", t->java, t->java_len, p->stores, err) < 0)
		return -1;
	if (!p->bundles[0])
		return 0;
	*ret_path = p->bundles[0];
	int r = tell_programs(p->bundles[0]);
	return r < 0 ? error_set_errno(err, r, "cannot set the environment") : 0;
}
