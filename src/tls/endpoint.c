// SPDX-License-Identifier: Apache-2.0
/*
 * What both ends of TLS have in common: OpenSSL driven over a transport that never blocks.
 *
 * A call goes on until it has all, or OpenSSL says what it waits for. The end of the transport's
 * stream, and its errors, are told apart here (endpoint_bio.c): a stream that ends without
 * close_notify is cut off, which concerns reading alone.
 *
 * Records are read ahead, so that one read of the transport takes several of them; the buffers are
 * given back as soon as they are empty.
 */
#include "tls/endpoint_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/alert.h"

/* Two records and what they need around: OpenSSL moves what is left of the buffer for each record,
 * so that more would cost more than the transport's calls. */
#define READ_BUFFER (2 * (16384 + 256 + 5))

/* ---- making ---- */

static void on_info(const SSL *ssl, int where, int value)
{
	struct tls_end *e = SSL_get_ex_data(ssl, 0);

	if (e && where == SSL_CB_READ_ALERT)
		e->alert_in = (uint8_t)value;
	else if (e && where == SSL_CB_WRITE_ALERT)
		e->alert_out = (uint8_t)value;
}

SSL_CTX *end_ctx_new(const SSL_METHOD *m)
{
	SSL_CTX *ctx = SSL_CTX_new(m);

	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
	SSL_CTX_set_info_callback(ctx, on_info);
	return ctx;
}

struct tls_end *end_new(SSL_CTX *ctx, const struct tls_transport *t)
{
	struct tls_end *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->t = *t;
	e->wants = TLS_WANTS_READ;
	list_init(&e->wait.link);
	end_keylog(ctx);
	e->ssl = SSL_new(ctx);
	BIO *b = end_bio_new(e);
	if (!e->ssl || !b || !SSL_set_ex_data(e->ssl, 0, e)) {
		BIO_free(b);
		tls_end_free(e);
		return NULL;
	}
	SSL_set_bio(e->ssl, b, b);
	return e;
}

void tls_end_free(struct tls_end *e)
{
	if (!e)
		return;
	leaf_wait_cancel(&e->wait);
	if (e->ssl) {
		SSL_set_ex_data(e->ssl, 0, NULL);
		/* Else OpenSSL takes a session whose connection was not closed for broken; that
		 * connections are cut off is nothing that a session has to suffer for. */
		if (e->shaken && !e->fault)
			SSL_set_shutdown(e->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(e->ssl);
		ERR_clear_error();
	}
	free(e->session);
	tls_roots_free(e->roots);
	tls_leaves_free(e->leaves);
	free(e->alpn);
	free(e->error);
	free(e);
}

/* ---- failures ---- */

int end_failed(struct tls_end *e, int alert, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(e->error);
	if (vasprintf(&e->error, fmt, ap) < 0)
		e->error = NULL;
	va_end(ap);
	e->alert = (uint8_t)alert;
	e->fault = -EPROTO;
	return -EPROTO;
}

/* What a certificate that does not verify is called (RFC 8446 6.2). */
static int verify_alert(long result)
{
	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return SSL_AD_CERTIFICATE_EXPIRED;
	case X509_V_ERR_CERT_REVOKED:
		return SSL_AD_CERTIFICATE_REVOKED;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
	case X509_V_ERR_INVALID_CA:
		return SSL_AD_UNKNOWN_CA;
	case X509_V_ERR_INVALID_PURPOSE:
		return SSL_AD_UNSUPPORTED_CERTIFICATE;
	case X509_V_ERR_OUT_OF_MEM:
	case X509_V_ERR_UNSPECIFIED:
		return SSL_AD_INTERNAL_ERROR;
	default:
		return SSL_AD_BAD_CERTIFICATE;
	}
}

/* After OpenSSL has given the connection up. */
static int protocol_failed(struct tls_end *e)
{
	long verify = SSL_get_verify_result(e->ssl);
	unsigned long code = ERR_peek_error();

	if (e->alert_in)
		return end_failed(e, e->alert_in, "the other side says: %s",
				  SSL_alert_desc_string_long(e->alert_in));
	if (SSL_get_verify_mode(e->ssl) != SSL_VERIFY_NONE && verify != X509_V_OK)
		return end_failed(e, verify_alert(verify), "the certificate does not verify: %s",
				  X509_verify_cert_error_string(verify));
	const char *why = ERR_reason_error_string(code);
	return end_failed(e, e->alert_out ? e->alert_out : SSL_AD_HANDSHAKE_FAILURE, "%s",
			  why ? why : "the protocol was broken");
}

/* A call on e->ssl returned `r`, which is no success: 0 at close_notify, else -errno. */
static int judge(struct tls_end *e, int r)
{
	int ret;

	switch (SSL_get_error(e->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		e->wants = TLS_WANTS_READ;
		ret = e->io ? e->io : e->read_eof ? -ECONNRESET : -EAGAIN;
		break;
	case SSL_ERROR_WANT_WRITE:
		e->wants = TLS_WANTS_WRITE;
		ret = e->io ? e->io : -EAGAIN;
		break;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		ret = protocol_failed(e);
	}
	ERR_clear_error();
	return ret;
}

/* ---- the handshake ---- */

int tls_end_handshake(struct tls_end *e)
{
	if (e->shaken)
		return 0;
	if (e->fault)
		return e->fault;
	if (e->leaves && !e->has_leaf) {
		e->wants = TLS_WANTS_LEAF;
		return -EAGAIN;
	}
	ERR_clear_error();
	e->io = 0;
	int r = SSL_do_handshake(e->ssl);
	if (r == 1) {
		e->shaken = true;
		return 0;
	}
	r = judge(e, r);
	if (r == -EAGAIN || r == -EPROTO)
		return r;
	if (e->io)
		return end_failed(e, SSL_AD_HANDSHAKE_FAILURE, "the connection broke: %s",
				  strerror(-e->io));
	return end_failed(e, SSL_AD_HANDSHAKE_FAILURE,
			  "the connection was closed during the handshake");
}

enum tls_wants tls_end_wants(const struct tls_end *e)
{
	return e->wants;
}

const char *tls_end_error(const struct tls_end *e)
{
	return e->error ? e->error : "";
}

int tls_end_alert(const struct tls_end *e)
{
	return e->alert;
}

bool tls_end_verified(const struct tls_end *e)
{
	return e->roots && e->shaken && SSL_get_verify_result(e->ssl) == X509_V_OK;
}

bool tls_end_resumed(const struct tls_end *e)
{
	return e->shaken && SSL_session_reused(e->ssl);
}

struct view tls_end_alpn(const struct tls_end *e)
{
	const unsigned char *p = NULL;
	unsigned n = 0;

	SSL_get0_alpn_selected(e->ssl, &p, &n);
	return view_make(p, n);
}

/* ---- plaintext ---- */

static ssize_t read_records(struct tls_end *e, void *buf, size_t n)
{
	size_t done = 0;

	e->io = 0;
	while (done < n) {
		size_t got = 0;
		ERR_clear_error();
		int r = SSL_read_ex(e->ssl, (char *)buf + done, n - done, &got);
		if (r != 1) {
			r = judge(e, r);
			return done ? (ssize_t)done : r;
		}
		done += got;
		/* To ask the transport again would be in vain. */
		if (e->read_short && !SSL_has_pending(e->ssl))
			break;
	}
	return (ssize_t)done;
}

/* Whether SSL_free_buffers() leaves alone what is half read (CVE-2024-4741). */
static bool can_free_buffers(void)
{
	static const unsigned since[] = {14, 6, 2, 1}; /* 3.0.14, 3.1.6, 3.2.2, 3.3.1 */
	unsigned minor = OPENSSL_version_minor();

	return OPENSSL_version_major() > 3 || minor >= sizeof(since) / sizeof(since[0]) ||
	       OPENSSL_version_patch() >= since[minor];
}

ssize_t tls_end_read(struct tls_end *e, void *buf, size_t n)
{
	if (e->fault)
		return e->fault;
	if (!e->shaken)
		return -ENOTCONN;
	ssize_t r = read_records(e, buf, n);
	/* 16 KiB, which would stay until the next write. */
	if (e->slack && r == -EAGAIN && can_free_buffers() && SSL_free_buffers(e->ssl))
		e->slack = false;
	return r;
}

ssize_t tls_end_write(struct tls_end *e, const void *buf, size_t n)
{
	size_t done = 0;

	if (e->fault)
		return e->fault;
	if (!e->shaken)
		return -ENOTCONN;
	if (SSL_get_shutdown(e->ssl) & SSL_SENT_SHUTDOWN)
		return -EPIPE;
	e->io = 0;
	while (done < n) {
		size_t put = 0;
		ERR_clear_error();
		/* Takes a record's worth, of 16 KiB. */
		int r = SSL_write_ex(e->ssl, (const char *)buf + done, n - done, &put);
		if (r != 1) {
			r = judge(e, r);
			e->unwritten = r == -EAGAIN;
			return done ? (ssize_t)done : r;
		}
		e->unwritten = false;
		done += put;
	}
	return (ssize_t)done;
}

int tls_end_shut(struct tls_end *e)
{
	if (e->fault)
		return e->fault;
	if (!e->shaken)
		return -ENOTCONN;
	if (e->shut)
		return 0;
	if (e->unwritten) {
		e->wants = TLS_WANTS_WRITE;
		return -EAGAIN;
	}
	ERR_clear_error();
	e->io = 0;
	int r = SSL_shutdown(e->ssl);
	if (r < 0)
		return judge(e, r);
	e->shut = true;
	return 0;
}

/*
 * OpenSSL has no call for an alert of one's choice. Until it has answered the other side nothing is
 * encrypted, and a record in the clear is what it would write; behind that nothing can be said, and
 * the stream that ends without close_notify tells it.
 */
void tls_end_fail(struct tls_end *e, int alert)
{
	bool clear = !e->shaken && (e->roots ? !e->got : !e->wrote);
	uint8_t record[TLS_ALERT_LEN];

	if (e->fault)
		return;
	end_failed(e, alert, "given up");
	if (clear)
		e->t.write(e->t.ctx, tls_alert_fatal((uint8_t)alert, record).p, sizeof(record));
}
