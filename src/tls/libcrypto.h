// SPDX-License-Identifier: Apache-2.0
/*
 * libcrypto, loaded at need.
 *
 * Most sandboxes never open a QUIC packet. To load libcrypto costs each start most of a millisecond
 * and each process, the keeper too, 400 KiB of relocated tables; so it is loaded by the first who
 * calls libcrypto_load(). The headers are OpenSSL's own, and the names below mean the loaded
 * functions: whoever uses another one adds it to the list (the linker says so).
 *
 * Include this in place of <openssl/evp.h>.
 */
#ifndef WEIR_TLS_LIBCRYPTO_H
#define WEIR_TLS_LIBCRYPTO_H

#include <stdbool.h>

#include <openssl/evp.h>

#define LIBCRYPTO_FUNCTIONS(X)        \
	X(EVP_CIPHER_CTX_ctrl)        \
	X(EVP_CIPHER_CTX_free)        \
	X(EVP_CIPHER_CTX_new)         \
	X(EVP_CIPHER_CTX_set_padding) \
	X(EVP_CIPHER_fetch)           \
	X(EVP_CIPHER_free)            \
	X(EVP_DecryptFinal_ex)        \
	X(EVP_DecryptInit_ex2)        \
	X(EVP_DecryptUpdate)          \
	X(EVP_DigestFinal_ex)         \
	X(EVP_DigestInit_ex2)         \
	X(EVP_DigestUpdate)           \
	X(EVP_EncryptInit_ex2)        \
	X(EVP_EncryptUpdate)          \
	X(EVP_MD_CTX_free)            \
	X(EVP_MD_CTX_new)             \
	X(EVP_MD_fetch)               \
	X(EVP_MD_free)

#define LIBCRYPTO_FIELD(f) __typeof__(&f) f;
/* Set once, by libcrypto_load(), and never changed again. */
struct libcrypto {
	LIBCRYPTO_FUNCTIONS(LIBCRYPTO_FIELD)
};
extern struct libcrypto libcrypto;

/* Loads it, where that was not done yet. False, and a line in the log, where it cannot be. Nothing
 * else of this header may be called before. */
bool libcrypto_load(void);

#ifndef LIBCRYPTO_NO_NAMES
#define EVP_CIPHER_CTX_ctrl        libcrypto.EVP_CIPHER_CTX_ctrl
#define EVP_CIPHER_CTX_free        libcrypto.EVP_CIPHER_CTX_free
#define EVP_CIPHER_CTX_new         libcrypto.EVP_CIPHER_CTX_new
#define EVP_CIPHER_CTX_set_padding libcrypto.EVP_CIPHER_CTX_set_padding
#define EVP_CIPHER_fetch           libcrypto.EVP_CIPHER_fetch
#define EVP_CIPHER_free            libcrypto.EVP_CIPHER_free
#define EVP_DecryptFinal_ex        libcrypto.EVP_DecryptFinal_ex
#define EVP_DecryptInit_ex2        libcrypto.EVP_DecryptInit_ex2
#define EVP_DecryptUpdate          libcrypto.EVP_DecryptUpdate
#define EVP_DigestFinal_ex         libcrypto.EVP_DigestFinal_ex
#define EVP_DigestInit_ex2         libcrypto.EVP_DigestInit_ex2
#define EVP_DigestUpdate           libcrypto.EVP_DigestUpdate
#define EVP_EncryptInit_ex2        libcrypto.EVP_EncryptInit_ex2
#define EVP_EncryptUpdate          libcrypto.EVP_EncryptUpdate
#define EVP_MD_CTX_free            libcrypto.EVP_MD_CTX_free
#define EVP_MD_CTX_new             libcrypto.EVP_MD_CTX_new
#define EVP_MD_fetch               libcrypto.EVP_MD_fetch
#define EVP_MD_free                libcrypto.EVP_MD_free
#endif

#endif
