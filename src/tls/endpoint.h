// SPDX-License-Identifier: Apache-2.0
/*
 * One TLS connection's end (OpenSSL), over a transport of the caller's: both sides of an
 * intercepted connection are made of this.
 *
 * Never blocks. A call that cannot go on says -EAGAIN and what it waits for; the caller calls again
 * when the transport has more, or room. Reads and writes of many records in one call.
 *
 * May use: base/, libssl, libcrypto.
 */
#ifndef WEIR_TLS_ENDPOINT_H
#define WEIR_TLS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/error.h"
#include "base/name.h"
#include "base/view.h"

struct tls_end;

/* Bytes of the wire. Return as read(2) and write(2) do: > 0, 0 (end of the stream, read only),
 * -EAGAIN, another -errno. */
struct tls_transport {
	ssize_t (*read)(void *ctx, void *buf, size_t n);
	ssize_t (*write)(void *ctx, const void *buf, size_t n);
	void *ctx;
};

/* ---- toward the upstream ---- */

struct tls_roots; /* what upstreams are verified by, sessions for resumption, client certificates:
		     one a sandbox, from the configuration */
struct config_tls;
/* NULL and err: a file cannot be read, holds no certificate, a key does not match. */
struct tls_roots *tls_roots_new(const struct config_tls *c, struct error *err);
/* Ends that were made of it go on. */
void tls_roots_free(struct tls_roots *r);

struct tls_client {
	const struct name *name; /* SNI, and what the certificate must be for; len 0: `addr` */
	struct ipaddr addr;
	uint16_t port;    /* sessions are kept by host and port */
	struct view alpn; /* the guest's list, in wire format; empty: none is offered */
	bool wipe;        /* secrets may be in what it says: nothing of it is left in memory */
};
struct tls_end *tls_client_new(struct tls_roots *r, const struct tls_client *c,
			       const struct tls_transport *t);
/* Whether the certificate was verified (as opposed to excused by the configuration). */
bool tls_end_verified(const struct tls_end *e);
/* Whether an earlier session was resumed. */
bool tls_end_resumed(const struct tls_end *e);

/* ---- toward the guest ---- */

/* The leaf key and the cache of leaf certificates: one a sandbox. */
struct tls_leaves;
/* Where leaves come from (the key holder): asks for one over `spki` (DER), and calls `got` once,
 * later, with DER or err. Returns a handle for cancel(); NULL: it cannot be asked. */
typedef void tls_got_leaf_fn(void *arg, struct view der, const char *err);
struct tls_leaf_source {
	void *(*ask)(void *ctx, const char *host, struct view spki, tls_got_leaf_fn *got,
		     void *arg);
	void (*cancel)(void *ctx, void *handle);
	void *ctx;
};
/* ca_pem: the authority's certificate, sent behind each leaf. */
struct tls_leaves *tls_leaves_new(const struct tls_leaf_source *src, const struct config_tls *c,
				  const char *ca_pem, struct error *err);
/* Ends that were made of it go on; the source must outlive them. */
void tls_leaves_free(struct tls_leaves *l);

struct tls_server {
	const char *host; /* the name that the certificate is for, or the address in text */
	struct view alpn; /* what the upstream has chosen: one protocol; empty: none */
	/* The leaf has come (or failed): call tls_end_handshake() again. Not from inside
	 * tls_server_new(). */
	void (*wake)(void *ctx);
	void *wake_ctx;
};
struct tls_end *tls_server_new(struct tls_leaves *l, const struct tls_server *s,
			       const struct tls_transport *t);

/* ---- both ---- */

enum tls_wants {
	TLS_WANTS_READ,
	TLS_WANTS_WRITE,
	TLS_WANTS_LEAF
};
/* 0: done. -EAGAIN: see tls_end_wants(). -EPROTO: failed, tls_end_error() says why, and an alert
 * for the other side was written. */
int tls_end_handshake(struct tls_end *e);
enum tls_wants tls_end_wants(const struct tls_end *e);
/* As of the last failure: one line for the event log, and the alert that stands for it
 * (RFC 8446 6), such as 42 bad_certificate. */
const char *tls_end_error(const struct tls_end *e);
int tls_end_alert(const struct tls_end *e);
/* The chosen protocol; empty: none. */
struct view tls_end_alpn(const struct tls_end *e);

/*
 * Plaintext, of as many records as are there: > 0, 0 at close_notify, -EAGAIN, -ECONNRESET where
 * the stream ended without one, -EPROTO, another -errno of the transport. A short count says
 * nothing about the end: that shows in the next call. Call until -EAGAIN before you wait for the
 * transport to be readable: it may be empty while records that it gave are still in here.
 */
ssize_t tls_end_read(struct tls_end *e, void *buf, size_t n);
/* How many bytes went out, or -EAGAIN, -EPIPE behind tls_end_shut(), ... After a short count or
 * -EAGAIN a record of what follows may be on its way already: the next call must begin with the
 * same bytes and have at least as many (it may have more, and they may lie elsewhere). */
ssize_t tls_end_write(struct tls_end *e, const void *buf, size_t n);
/* Sends close_notify, behind all that was to be written; reading may go on. 0, -EAGAIN (call again;
 * also while a write has to be called again), or -errno. */
int tls_end_shut(struct tls_end *e);
/* Gives up, with a fatal alert where that can still be said in the clear: toward the guest before
 * its hello is answered, toward the upstream before it has answered. Later nothing is said: the
 * caller resets the connection. Nothing else works afterwards. */
void tls_end_fail(struct tls_end *e, int alert);
void tls_end_free(struct tls_end *e); /* NULL is fine */

/* Key material for debuggers goes to this file from now on (--tls-keylog), both sides. */
int tls_keylog_open(const char *path, struct error *err);

#endif
