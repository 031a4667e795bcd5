// SPDX-License-Identifier: Apache-2.0
/* libssl's functions. */
#define LIBSSL_NO_NAMES
#include "tls/libssl.h"

#include <pthread.h>

#include "tls/openssl_load.h"

struct libssl libssl;

static const struct openssl_function functions[] = {
#define FUNCTION(f) {#f, &libssl.f},
	LIBSSL_FUNCTIONS(FUNCTION)};

static bool loaded;

static void load(void)
{
	loaded = libcrypto_load() && openssl_load(OPENSSL_LIBRARY("libssl"), functions,
						  sizeof(functions) / sizeof(functions[0]));
}

int libssl_need(struct error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return loaded ? 0 : error_set(err, "OpenSSL is needed: %s", openssl_load_fault());
}
