// SPDX-License-Identifier: Apache-2.0
/* dlopen(3) and dlsym(3) for OpenSSL's libraries. */
#include "tls/openssl_load.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static char fault[256];

static bool find(const char *library, const struct openssl_function *f, size_t n)
{
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; lib && i < n; i++) {
		void *p = dlsym(lib, f[i].name);
		if (!p)
			return false;
		memcpy(f[i].at, &p, sizeof(p));
	}
	return lib;
}

bool openssl_load(const char *library, const struct openssl_function *f, size_t n)
{
	if (find(library, f, n))
		return true;
	const char *why = dlerror();
	if (!fault[0])
		snprintf(fault, sizeof(fault), "%s", why ? why : library);
	log_warning("neither TLS nor QUIC can be read: %s", fault);
	return false;
}

const char *openssl_load_fault(void)
{
	return fault;
}
