// SPDX-License-Identifier: Apache-2.0
/* Finds libcrypto and the functions of it that are used. */
#define LIBCRYPTO_NO_NAMES
#include "tls/libcrypto.h"

#include <dlfcn.h>
#include <pthread.h>
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

static void load(void)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		log_warning("QUIC cannot be read: %s", dlerror());
		return;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *f = dlsym(lib, functions[i].name);
		if (!f) {
			log_warning("QUIC cannot be read: %s", dlerror());
			return;
		}
		memcpy(functions[i].at, &f, sizeof(f));
	}
	loaded = true;
}

/* Workers may come here at once. */
bool libcrypto_load(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return loaded;
}
