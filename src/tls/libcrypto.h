// SPDX-License-Identifier: Apache-2.0
/*
 * libcrypto, loaded at need.
 *
 * Most sandboxes never open a QUIC packet and never look into TLS. To load libcrypto costs each
 * start most of a millisecond and each process, the keeper too, 400 KiB of relocated tables; so it
 * is loaded by the first who calls libcrypto_load(). The headers are OpenSSL's own, and the names
 * below mean the loaded functions: whoever uses another one adds it to both lists (the compiler and
 * the linker say so). libssl.h is the same for libssl.
 *
 * Include this in place of <openssl/...>, except in what is linked to libcrypto (tests).
 */
#ifndef WEIR_TLS_LIBCRYPTO_H
#define WEIR_TLS_LIBCRYPTO_H

#include <stdbool.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/error.h"

#define LIBCRYPTO_FUNCTIONS(X)             \
	X(ASN1_STRING_set)                 \
	X(ASN1_TIME_compare)               \
	X(ASN1_TIME_diff)                  \
	X(ASN1_TIME_to_tm)                 \
	X(BIO_clear_flags)                 \
	X(BIO_ctrl)                        \
	X(BIO_free)                        \
	X(BIO_get_data)                    \
	X(BIO_meth_new)                    \
	X(BIO_meth_set_ctrl)               \
	X(BIO_meth_set_read)               \
	X(BIO_meth_set_write)              \
	X(BIO_new)                         \
	X(BIO_new_mem_buf)                 \
	X(BIO_s_mem)                       \
	X(BIO_s_secmem)                    \
	X(BIO_set_data)                    \
	X(BIO_set_flags)                   \
	X(BIO_set_init)                    \
	X(CRYPTO_free)                     \
	X(CRYPTO_secure_malloc_init)       \
	X(ERR_clear_error)                 \
	X(ERR_peek_error)                  \
	X(ERR_peek_last_error)             \
	X(ERR_reason_error_string)         \
	X(EVP_CIPHER_CTX_ctrl)             \
	X(EVP_CIPHER_CTX_free)             \
	X(EVP_CIPHER_CTX_new)              \
	X(EVP_CIPHER_CTX_set_padding)      \
	X(EVP_CIPHER_fetch)                \
	X(EVP_CIPHER_free)                 \
	X(EVP_DecryptFinal_ex)             \
	X(EVP_DecryptInit_ex2)             \
	X(EVP_DecryptUpdate)               \
	X(EVP_Digest)                      \
	X(EVP_DigestFinal_ex)              \
	X(EVP_DigestInit_ex2)              \
	X(EVP_DigestSign)                  \
	X(EVP_DigestSignInit_ex)           \
	X(EVP_DigestUpdate)                \
	X(EVP_EncryptInit_ex2)             \
	X(EVP_EncryptUpdate)               \
	X(EVP_MD_CTX_free)                 \
	X(EVP_MD_CTX_new)                  \
	X(EVP_MD_fetch)                    \
	X(EVP_MD_free)                     \
	X(EVP_PKEY_Q_keygen)               \
	X(EVP_PKEY_free)                   \
	X(EVP_PKEY_get_base_id)            \
	X(EVP_PKEY_get_default_digest_nid) \
	X(EVP_PKEY_up_ref)                 \
	X(EVP_Q_mac)                       \
	X(EVP_sha1)                        \
	X(EVP_sha256)                      \
	X(OPENSSL_sk_new_null)             \
	X(OPENSSL_sk_num)                  \
	X(OPENSSL_sk_pop_free)             \
	X(OPENSSL_sk_push)                 \
	X(OPENSSL_sk_value)                \
	X(OPENSSL_version_major)           \
	X(OPENSSL_version_minor)           \
	X(OPENSSL_version_patch)           \
	X(PEM_read_bio)                    \
	X(PEM_read_bio_PrivateKey)         \
	X(PEM_read_bio_X509)               \
	X(PEM_write_bio)                   \
	X(PEM_write_bio_PrivateKey)        \
	X(PEM_write_bio_X509)              \
	X(PKCS12_key_gen_utf8)             \
	X(RAND_bytes)                      \
	X(X509V3_EXT_conf_nid)             \
	X(X509V3_set_ctx)                  \
	X(X509_EXTENSION_free)             \
	X(X509_NAME_add_entry_by_txt)      \
	X(X509_NAME_get0_der)              \
	X(X509_NAME_print_ex)              \
	X(X509_STORE_CTX_get0_store)       \
	X(X509_STORE_CTX_get1_issuer)      \
	X(X509_STORE_CTX_get_ex_data)      \
	X(X509_STORE_add_cert)             \
	X(X509_STORE_free)                 \
	X(X509_STORE_new)                  \
	X(X509_STORE_set_get_issuer)       \
	X(X509_STORE_up_ref)               \
	X(X509_VERIFY_PARAM_set1_host)     \
	X(X509_VERIFY_PARAM_set1_ip)       \
	X(X509_VERIFY_PARAM_set_flags)     \
	X(X509_VERIFY_PARAM_set_hostflags) \
	X(X509_add_ext)                    \
	X(X509_check_ca)                   \
	X(X509_check_private_key)          \
	X(X509_cmp_time)                   \
	X(X509_digest)                     \
	X(X509_free)                       \
	X(X509_get0_notAfter)              \
	X(X509_get0_notBefore)             \
	X(X509_get_issuer_name)            \
	X(X509_get_serialNumber)           \
	X(X509_get_subject_name)           \
	X(X509_getm_notAfter)              \
	X(X509_getm_notBefore)             \
	X(X509_gmtime_adj)                 \
	X(X509_new)                        \
	X(X509_print)                      \
	X(X509_set1_notAfter)              \
	X(X509_set_issuer_name)            \
	X(X509_set_pubkey)                 \
	X(X509_set_version)                \
	X(X509_sign)                       \
	X(X509_subject_name_hash)          \
	X(X509_time_adj_ex)                \
	X(X509_up_ref)                     \
	X(X509_verify_cert_error_string)   \
	X(d2i_PUBKEY)                      \
	X(d2i_X509)                        \
	X(i2d_PUBKEY)                      \
	X(i2d_X509)

#define LIBCRYPTO_FIELD(f) __typeof__(&f) f;
/* Set once, by libcrypto_load(), and never changed again. */
struct libcrypto {
	LIBCRYPTO_FUNCTIONS(LIBCRYPTO_FIELD)
};
extern struct libcrypto libcrypto;

/* Loads it, where that was not done yet. False, and a line in the log, where it cannot be. Nothing
 * else of this header may be called before. */
bool libcrypto_load(void);
/* The same for those who tell a person: 0, or -1 and err. */
int libcrypto_need(struct error *err);
/* What OpenSSL says that went wrong last in this thread ("no start line"); its memory of errors is
 * empty afterwards. */
const char *libcrypto_fault(void);

#ifndef LIBCRYPTO_NO_NAMES
#define ASN1_STRING_set                 libcrypto.ASN1_STRING_set
#define ASN1_TIME_compare               libcrypto.ASN1_TIME_compare
#define ASN1_TIME_diff                  libcrypto.ASN1_TIME_diff
#define ASN1_TIME_to_tm                 libcrypto.ASN1_TIME_to_tm
#define BIO_clear_flags                 libcrypto.BIO_clear_flags
#define BIO_ctrl                        libcrypto.BIO_ctrl
#define BIO_free                        libcrypto.BIO_free
#define BIO_get_data                    libcrypto.BIO_get_data
#define BIO_meth_new                    libcrypto.BIO_meth_new
#define BIO_meth_set_ctrl               libcrypto.BIO_meth_set_ctrl
#define BIO_meth_set_read               libcrypto.BIO_meth_set_read
#define BIO_meth_set_write              libcrypto.BIO_meth_set_write
#define BIO_new                         libcrypto.BIO_new
#define BIO_new_mem_buf                 libcrypto.BIO_new_mem_buf
#define BIO_s_mem                       libcrypto.BIO_s_mem
#define BIO_s_secmem                    libcrypto.BIO_s_secmem
#define BIO_set_data                    libcrypto.BIO_set_data
#define BIO_set_flags                   libcrypto.BIO_set_flags
#define BIO_set_init                    libcrypto.BIO_set_init
#define CRYPTO_free                     libcrypto.CRYPTO_free
#define CRYPTO_secure_malloc_init       libcrypto.CRYPTO_secure_malloc_init
#define ERR_clear_error                 libcrypto.ERR_clear_error
#define ERR_peek_error                  libcrypto.ERR_peek_error
#define ERR_peek_last_error             libcrypto.ERR_peek_last_error
#define ERR_reason_error_string         libcrypto.ERR_reason_error_string
#define EVP_CIPHER_CTX_ctrl             libcrypto.EVP_CIPHER_CTX_ctrl
#define EVP_CIPHER_CTX_free             libcrypto.EVP_CIPHER_CTX_free
#define EVP_CIPHER_CTX_new              libcrypto.EVP_CIPHER_CTX_new
#define EVP_CIPHER_CTX_set_padding      libcrypto.EVP_CIPHER_CTX_set_padding
#define EVP_CIPHER_fetch                libcrypto.EVP_CIPHER_fetch
#define EVP_CIPHER_free                 libcrypto.EVP_CIPHER_free
#define EVP_DecryptFinal_ex             libcrypto.EVP_DecryptFinal_ex
#define EVP_DecryptInit_ex2             libcrypto.EVP_DecryptInit_ex2
#define EVP_DecryptUpdate               libcrypto.EVP_DecryptUpdate
#define EVP_Digest                      libcrypto.EVP_Digest
#define EVP_DigestFinal_ex              libcrypto.EVP_DigestFinal_ex
#define EVP_DigestInit_ex2              libcrypto.EVP_DigestInit_ex2
#define EVP_DigestSign                  libcrypto.EVP_DigestSign
#define EVP_DigestSignInit_ex           libcrypto.EVP_DigestSignInit_ex
#define EVP_DigestUpdate                libcrypto.EVP_DigestUpdate
#define EVP_EncryptInit_ex2             libcrypto.EVP_EncryptInit_ex2
#define EVP_EncryptUpdate               libcrypto.EVP_EncryptUpdate
#define EVP_MD_CTX_free                 libcrypto.EVP_MD_CTX_free
#define EVP_MD_CTX_new                  libcrypto.EVP_MD_CTX_new
#define EVP_MD_fetch                    libcrypto.EVP_MD_fetch
#define EVP_MD_free                     libcrypto.EVP_MD_free
#define EVP_PKEY_Q_keygen               libcrypto.EVP_PKEY_Q_keygen
#define EVP_PKEY_free                   libcrypto.EVP_PKEY_free
#define EVP_PKEY_get_base_id            libcrypto.EVP_PKEY_get_base_id
#define EVP_PKEY_get_default_digest_nid libcrypto.EVP_PKEY_get_default_digest_nid
#define EVP_PKEY_up_ref                 libcrypto.EVP_PKEY_up_ref
#define EVP_Q_mac                       libcrypto.EVP_Q_mac
#define EVP_sha1                        libcrypto.EVP_sha1
#define EVP_sha256                      libcrypto.EVP_sha256
#define OPENSSL_sk_new_null             libcrypto.OPENSSL_sk_new_null
#define OPENSSL_sk_num                  libcrypto.OPENSSL_sk_num
#define OPENSSL_sk_pop_free             libcrypto.OPENSSL_sk_pop_free
#define OPENSSL_sk_push                 libcrypto.OPENSSL_sk_push
#define OPENSSL_sk_value                libcrypto.OPENSSL_sk_value
#define OPENSSL_version_major           libcrypto.OPENSSL_version_major
#define OPENSSL_version_minor           libcrypto.OPENSSL_version_minor
#define OPENSSL_version_patch           libcrypto.OPENSSL_version_patch
#define PEM_read_bio                    libcrypto.PEM_read_bio
#define PEM_read_bio_PrivateKey         libcrypto.PEM_read_bio_PrivateKey
#define PEM_read_bio_X509               libcrypto.PEM_read_bio_X509
#define PEM_write_bio                   libcrypto.PEM_write_bio
#define PEM_write_bio_PrivateKey        libcrypto.PEM_write_bio_PrivateKey
#define PEM_write_bio_X509              libcrypto.PEM_write_bio_X509
#define PKCS12_key_gen_utf8             libcrypto.PKCS12_key_gen_utf8
#define RAND_bytes                      libcrypto.RAND_bytes
#define X509V3_EXT_conf_nid             libcrypto.X509V3_EXT_conf_nid
#define X509V3_set_ctx                  libcrypto.X509V3_set_ctx
#define X509_EXTENSION_free             libcrypto.X509_EXTENSION_free
#define X509_NAME_add_entry_by_txt      libcrypto.X509_NAME_add_entry_by_txt
#define X509_NAME_get0_der              libcrypto.X509_NAME_get0_der
#define X509_NAME_print_ex              libcrypto.X509_NAME_print_ex
#define X509_STORE_CTX_get0_store       libcrypto.X509_STORE_CTX_get0_store
#define X509_STORE_CTX_get1_issuer      libcrypto.X509_STORE_CTX_get1_issuer
#define X509_STORE_CTX_get_ex_data      libcrypto.X509_STORE_CTX_get_ex_data
#define X509_STORE_add_cert             libcrypto.X509_STORE_add_cert
#define X509_STORE_free                 libcrypto.X509_STORE_free
#define X509_STORE_new                  libcrypto.X509_STORE_new
#define X509_STORE_set_get_issuer       libcrypto.X509_STORE_set_get_issuer
#define X509_STORE_up_ref               libcrypto.X509_STORE_up_ref
#define X509_VERIFY_PARAM_set1_host     libcrypto.X509_VERIFY_PARAM_set1_host
#define X509_VERIFY_PARAM_set1_ip       libcrypto.X509_VERIFY_PARAM_set1_ip
#define X509_VERIFY_PARAM_set_flags     libcrypto.X509_VERIFY_PARAM_set_flags
#define X509_VERIFY_PARAM_set_hostflags libcrypto.X509_VERIFY_PARAM_set_hostflags
#define X509_add_ext                    libcrypto.X509_add_ext
#define X509_check_ca                   libcrypto.X509_check_ca
#define X509_check_private_key          libcrypto.X509_check_private_key
#define X509_cmp_time                   libcrypto.X509_cmp_time
#define X509_digest                     libcrypto.X509_digest
#define X509_free                       libcrypto.X509_free
#define X509_get0_notAfter              libcrypto.X509_get0_notAfter
#define X509_get0_notBefore             libcrypto.X509_get0_notBefore
#define X509_get_issuer_name            libcrypto.X509_get_issuer_name
#define X509_get_serialNumber           libcrypto.X509_get_serialNumber
#define X509_get_subject_name           libcrypto.X509_get_subject_name
#define X509_getm_notAfter              libcrypto.X509_getm_notAfter
#define X509_getm_notBefore             libcrypto.X509_getm_notBefore
#define X509_gmtime_adj                 libcrypto.X509_gmtime_adj
#define X509_new                        libcrypto.X509_new
#define X509_print                      libcrypto.X509_print
#define X509_set1_notAfter              libcrypto.X509_set1_notAfter
#define X509_set_issuer_name            libcrypto.X509_set_issuer_name
#define X509_set_pubkey                 libcrypto.X509_set_pubkey
#define X509_set_version                libcrypto.X509_set_version
#define X509_sign                       libcrypto.X509_sign
#define X509_subject_name_hash          libcrypto.X509_subject_name_hash
#define X509_time_adj_ex                libcrypto.X509_time_adj_ex
#define X509_up_ref                     libcrypto.X509_up_ref
#define X509_verify_cert_error_string   libcrypto.X509_verify_cert_error_string
#define d2i_PUBKEY                      libcrypto.d2i_PUBKEY
#define d2i_X509                        libcrypto.d2i_X509
#define i2d_PUBKEY                      libcrypto.i2d_PUBKEY
#define i2d_X509                        libcrypto.i2d_X509
#endif

#endif
