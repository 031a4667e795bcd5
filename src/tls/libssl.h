// SPDX-License-Identifier: Apache-2.0
/*
 * libssl, loaded at need in the way of libcrypto.h, which comes with it.
 *
 * Include this in place of <openssl/ssl.h>.
 */
#ifndef WEIR_TLS_LIBSSL_H
#define WEIR_TLS_LIBSSL_H

#include <openssl/ssl.h>

#include "tls/libcrypto.h"

#define LIBSSL_FUNCTIONS(X)                    \
	X(SSL_CTX_ctrl)                        \
	X(SSL_CTX_free)                        \
	X(SSL_CTX_new)                         \
	X(SSL_CTX_sess_set_new_cb)             \
	X(SSL_CTX_set_alpn_select_cb)          \
	X(SSL_CTX_set_ciphersuites)            \
	X(SSL_CTX_set_default_read_buffer_len) \
	X(SSL_CTX_set_info_callback)           \
	X(SSL_CTX_set_keylog_callback)         \
	X(SSL_CTX_set_num_tickets)             \
	X(SSL_CTX_set_options)                 \
	X(SSL_SESSION_free)                    \
	X(SSL_SESSION_get_protocol_version)    \
	X(SSL_SESSION_is_resumable)            \
	X(SSL_SESSION_up_ref)                  \
	X(SSL_alert_desc_string_long)          \
	X(SSL_ctrl)                            \
	X(SSL_do_handshake)                    \
	X(SSL_free)                            \
	X(SSL_free_buffers)                    \
	X(SSL_get0_alpn_selected)              \
	X(SSL_get0_param)                      \
	X(SSL_get_error)                       \
	X(SSL_get_ex_data)                     \
	X(SSL_get_ex_data_X509_STORE_CTX_idx)  \
	X(SSL_get_shutdown)                    \
	X(SSL_get_verify_mode)                 \
	X(SSL_get_verify_result)               \
	X(SSL_has_pending)                     \
	X(SSL_new)                             \
	X(SSL_read_ex)                         \
	X(SSL_session_reused)                  \
	X(SSL_set_accept_state)                \
	X(SSL_set_alpn_protos)                 \
	X(SSL_set_bio)                         \
	X(SSL_set_connect_state)               \
	X(SSL_set_ex_data)                     \
	X(SSL_set_options)                     \
	X(SSL_set_session)                     \
	X(SSL_set_session_id_context)          \
	X(SSL_set_shutdown)                    \
	X(SSL_set_verify)                      \
	X(SSL_shutdown)                        \
	X(SSL_use_cert_and_key)                \
	X(SSL_write_ex)                        \
	X(TLS_client_method)                   \
	X(TLS_server_method)

#define LIBSSL_FIELD(f) __typeof__(&f) f;
/* Set once, by libssl_need(), and never changed again. */
struct libssl {
	LIBSSL_FUNCTIONS(LIBSSL_FIELD)
};
extern struct libssl libssl;

/* Loads both libraries, where that was not done yet. 0, or -1 and err. Nothing else of this header
 * may be called before. */
int libssl_need(struct error *err);

#ifndef LIBSSL_NO_NAMES
#define SSL_CTX_ctrl                        libssl.SSL_CTX_ctrl
#define SSL_CTX_free                        libssl.SSL_CTX_free
#define SSL_CTX_new                         libssl.SSL_CTX_new
#define SSL_CTX_sess_set_new_cb             libssl.SSL_CTX_sess_set_new_cb
#define SSL_CTX_set_alpn_select_cb          libssl.SSL_CTX_set_alpn_select_cb
#define SSL_CTX_set_ciphersuites            libssl.SSL_CTX_set_ciphersuites
#define SSL_CTX_set_default_read_buffer_len libssl.SSL_CTX_set_default_read_buffer_len
#define SSL_CTX_set_info_callback           libssl.SSL_CTX_set_info_callback
#define SSL_CTX_set_keylog_callback         libssl.SSL_CTX_set_keylog_callback
#define SSL_CTX_set_num_tickets             libssl.SSL_CTX_set_num_tickets
#define SSL_CTX_set_options                 libssl.SSL_CTX_set_options
#define SSL_SESSION_free                    libssl.SSL_SESSION_free
#define SSL_SESSION_get_protocol_version    libssl.SSL_SESSION_get_protocol_version
#define SSL_SESSION_is_resumable            libssl.SSL_SESSION_is_resumable
#define SSL_SESSION_up_ref                  libssl.SSL_SESSION_up_ref
#define SSL_alert_desc_string_long          libssl.SSL_alert_desc_string_long
#define SSL_ctrl                            libssl.SSL_ctrl
#define SSL_do_handshake                    libssl.SSL_do_handshake
#define SSL_free                            libssl.SSL_free
#define SSL_free_buffers                    libssl.SSL_free_buffers
#define SSL_get0_alpn_selected              libssl.SSL_get0_alpn_selected
#define SSL_get0_param                      libssl.SSL_get0_param
#define SSL_get_error                       libssl.SSL_get_error
#define SSL_get_ex_data                     libssl.SSL_get_ex_data
#define SSL_get_ex_data_X509_STORE_CTX_idx  libssl.SSL_get_ex_data_X509_STORE_CTX_idx
#define SSL_get_shutdown                    libssl.SSL_get_shutdown
#define SSL_get_verify_mode                 libssl.SSL_get_verify_mode
#define SSL_get_verify_result               libssl.SSL_get_verify_result
#define SSL_has_pending                     libssl.SSL_has_pending
#define SSL_new                             libssl.SSL_new
#define SSL_read_ex                         libssl.SSL_read_ex
#define SSL_session_reused                  libssl.SSL_session_reused
#define SSL_set_accept_state                libssl.SSL_set_accept_state
#define SSL_set_alpn_protos                 libssl.SSL_set_alpn_protos
#define SSL_set_bio                         libssl.SSL_set_bio
#define SSL_set_connect_state               libssl.SSL_set_connect_state
#define SSL_set_ex_data                     libssl.SSL_set_ex_data
#define SSL_set_options                     libssl.SSL_set_options
#define SSL_set_session                     libssl.SSL_set_session
#define SSL_set_session_id_context          libssl.SSL_set_session_id_context
#define SSL_set_shutdown                    libssl.SSL_set_shutdown
#define SSL_set_verify                      libssl.SSL_set_verify
#define SSL_shutdown                        libssl.SSL_shutdown
#define SSL_use_cert_and_key                libssl.SSL_use_cert_and_key
#define SSL_write_ex                        libssl.SSL_write_ex
#define TLS_client_method                   libssl.TLS_client_method
#define TLS_server_method                   libssl.TLS_server_method
#endif

#endif
