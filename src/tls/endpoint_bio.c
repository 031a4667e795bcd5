// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL's way to the transport: a BIO that passes its buffers on as they are, without one of its
 * own. The end of the stream, and errors, show as "nothing now": the end itself says what they
 * mean, and OpenSSL's state stays good for the other direction.
 */
#include <errno.h>
#include <pthread.h>

#include "tls/endpoint_priv.h"

static BIO_METHOD *method;

/* -1 and no other failure: OpenSSL's close_notify takes 0 for success. */
static int wire_read(BIO *b, char *buf, int n)
{
	struct tls_end *e = BIO_get_data(b);
	ssize_t r = e->t.read(e->t.ctx, buf, (size_t)n);

	BIO_clear_retry_flags(b);
	e->read_short = r < n;
	if (r > 0) {
		e->got = true;
		return (int)r;
	}
	if (r == 0)
		e->read_eof = true;
	else if (r != -EAGAIN)
		e->io = (int)r;
	BIO_set_retry_read(b);
	return -1;
}

static int wire_write(BIO *b, const char *buf, int n)
{
	struct tls_end *e = BIO_get_data(b);
	ssize_t r = e->t.write(e->t.ctx, buf, (size_t)n);

	BIO_clear_retry_flags(b);
	if (r > 0) {
		e->wrote = true;
		return (int)r;
	}
	if (r != -EAGAIN)
		e->io = r < 0 ? (int)r : -EPIPE;
	BIO_set_retry_write(b);
	return -1;
}

static long wire_ctrl(BIO *b, int cmd, long n, void *p)
{
	return cmd == BIO_CTRL_FLUSH;
}

static void make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weir transport");

	if (m && BIO_meth_set_read(m, wire_read) && BIO_meth_set_write(m, wire_write) &&
	    BIO_meth_set_ctrl(m, wire_ctrl))
		method = m;
}

BIO *end_bio_new(struct tls_end *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_method);
	BIO *b = method ? BIO_new(method) : NULL;
	if (b) {
		BIO_set_data(b, e);
		BIO_set_init(b, 1);
	}
	return b;
}
