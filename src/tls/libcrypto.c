// SPDX-License-Identifier: Apache-2.0
/* libcrypto's functions; and what it says that went wrong. */
#define LIBCRYPTO_NO_NAMES
#include "tls/libcrypto.h"

#include <pthread.h>

#include "tls/openssl_load.h"

struct libcrypto libcrypto;

static const struct openssl_function functions[] = {
#define FUNCTION(f) {#f, &libcrypto.f},
	LIBCRYPTO_FUNCTIONS(FUNCTION)};

static bool loaded;

static void load(void)
{
	loaded = openssl_load(OPENSSL_LIBRARY("libcrypto"), functions,
			      sizeof(functions) / sizeof(functions[0]));
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
	return libcrypto_load() ? 0 : error_set(err, "OpenSSL is needed: %s", openssl_load_fault());
}

const char *libcrypto_fault(void)
{
	const char *s = libcrypto.ERR_reason_error_string(libcrypto.ERR_peek_last_error());

	libcrypto.ERR_clear_error();
	return s ? s : "unknown error";
}
