// SPDX-License-Identifier: Apache-2.0
/* For libcrypto.c and libssl.c: one library of OpenSSL, loaded, and its functions found. */
#ifndef WEIR_TLS_OPENSSL_LOAD_H
#define WEIR_TLS_OPENSSL_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/opensslv.h>

/* The library whose headers this was built with: another one has another ABI. */
#define OPENSSL_STRING(x)    #x
#define OPENSSL_NAME(lib, v) lib ".so." OPENSSL_STRING(v)
#define OPENSSL_LIBRARY(lib) OPENSSL_NAME(lib, OPENSSL_VERSION_MAJOR)

struct openssl_function {
	const char *name;
	void *at; /* where its address goes */
};

/* False, and a line in the log: the library is missing, or one of its functions. */
bool openssl_load(const char *library, const struct openssl_function *f, size_t n);
/* What the first failure was. */
const char *openssl_load_fault(void);

#endif
