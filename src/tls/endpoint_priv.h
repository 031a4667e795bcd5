// SPDX-License-Identifier: Apache-2.0
/* Between the files that make up an end of a TLS connection. */
#ifndef WEIR_TLS_ENDPOINT_PRIV_H
#define WEIR_TLS_ENDPOINT_PRIV_H

#include "tls/endpoint.h"
#include "tls/leaves.h"
#include "tls/libssl.h"
#include "tls/roots.h"

/* Whose sessions they are: port, address where there is no name, protocols offered, name. */
struct session_key {
	size_t len;
	uint8_t bytes[];
};

struct tls_end {
	SSL *ssl;
	struct tls_transport t;
	enum tls_wants wants;
	int fault;        /* -errno that every further call returns, 0 while all is well */
	int io;           /* -errno of the transport in the call that is under way */
	bool read_eof;    /* the transport's stream has ended */
	bool read_short;  /* the transport's last read gave less than there was room for */
	bool got, wrote;  /* anything has come, gone, on the wire */
	bool shaken;      /* the handshake is done */
	bool unwritten;   /* a record is made and not out: the same bytes have to come again */
	bool shut;        /* close_notify is out */
	bool slack;       /* a ticket came, for which OpenSSL took buffers that it keeps */
	uint8_t alert_in; /* what the other side said, 0: nothing */
	uint8_t alert_out;
	uint8_t alert; /* what stands for the failure */
	char *error;   /* owned; NULL: none */

	/* toward the upstream */
	struct tls_roots *roots;     /* a reference; NULL: toward the guest */
	struct session_key *session; /* under which sessions are kept */

	/* toward the guest */
	struct tls_leaves *leaves; /* a reference */
	struct leaf_wait wait;
	void (*wake)(void *ctx);
	void *wake_ctx;
	bool has_leaf;
	uint8_t alpn_len;
	uint8_t *alpn; /* the protocol to choose, owned */
};

/* What both kinds of SSL_CTX have in common. */
SSL_CTX *end_ctx_new(const SSL_METHOD *m);
SSL_CTX *end_client_ctx_new(void);
SSL_CTX *end_server_ctx_new(void);
/* An end with its SSL, over the transport. NULL without memory. */
struct tls_end *end_new(SSL_CTX *ctx, const struct tls_transport *t);
/* Notes the failure; returns -EPROTO. */
int end_failed(struct tls_end *e, int alert, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- endpoint_bio.c ---- */
/* NULL without memory. */
BIO *end_bio_new(struct tls_end *e);

/* ---- keylog.c ---- */
/* From now on the connections of this context are logged, if any are. */
void end_keylog(SSL_CTX *ctx);

#endif
