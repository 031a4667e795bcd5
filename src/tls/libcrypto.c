// SPDX-License-Identifier: Apache-2.0
/* Finds libcrypto and the functions of it that are used. */
#define LIBCRYPTO_NO_NAMES
#include "tls/libcrypto.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* The library whose headers this was built with: another one has another ABI. */
#define STRING(x) #x
#define SONAME(v) "libcrypto.so." STRING(v)
#define LIBRARY   SONAME(OPENSSL_VERSION_MAJOR)

struct libcrypto libcrypto;

static const struct {
	const char *name;
	void *at; /* in `libcrypto` */
} functions[] = {
#define FUNCTION(f) {#f, &libcrypto.f},
	LIBCRYPTO_FUNCTIONS(FUNCTION)};

static bool loaded;
static char why[256]; /* it was not */

static void load(void)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; lib && i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *f = dlsym(lib, functions[i].name);
		if (!f)
			lib = NULL;
		memcpy(functions[i].at, &f, sizeof(f));
	}
	loaded = lib;
	if (!lib) {
		snprintf(why, sizeof(why), "%s", dlerror());
		log_warning("TLS and QUIC cannot be read: %s", why);
	}
}

/* Workers may come here at once. */
bool libcrypto_load(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return loaded;
}

int libcrypto_need(struct error *err)
{
	return libcrypto_load() ? 0 : error_set(err, "OpenSSL is needed: %s", why);
}

const char *libcrypto_fault(void)
{
	const char *s = libcrypto.ERR_reason_error_string(libcrypto.ERR_peek_last_error());

	libcrypto.ERR_clear_error();
	return s ? s : "unknown error";
}
