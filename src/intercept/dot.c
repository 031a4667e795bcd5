// SPDX-License-Identifier: Apache-2.0
/*
 * DNS over TLS (RFC 7858): the guest's TLS ends here, whatever resolver it asked for, and its
 * questions go to the same place as those of port 53.
 *
 * Between the guest's wire and the interceptor's own end of DNS over TCP (dns/dns.h), which does
 * not know that it stands behind TLS. That one also closes what is idle.
 */
#include "intercept/intercept_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dns/dns.h"
#include "observe/events.h"
#include "tls/hello.h"

#define PIECE     4096
#define LINGER_US 5000000

enum dot_state {
	DOT_HELLO, /* the hello comes in, and is looked at in the stack's queue */
	DOT_GUEST, /* the handshake */
	DOT_OPEN,
	DOT_OVER,
};

struct dot {
	struct wire wire;
	struct intercept_settings *set;
	struct flow_end *dns;
	struct tls_end *tls;
	struct timer patience;
	struct ipaddr at;
	char host[NAME_TEXT_MAX + 1]; /* what the guest's certificate is for */
	uint8_t state;                /* enum dot_state */
	bool running, shut;
	struct buf held; /* of a question, for which there is no room */
};

static struct dot *dot_of(struct wire *w)
{
	return container_of(w, struct dot, wire);
}

static void wait_for(struct dot *d, uint64_t us)
{
	struct loop *l = d->wire.ic->sb->loop;

	if (us)
		timer_set(&l->wheel, &d->patience, l->now_us + us);
	else
		timer_cancel(&l->wheel, &d->patience);
}

static void over(struct dot *d, enum stream_end how)
{
	if (how == STREAM_END)
		tls_end_shut(d->tls);
	wire_end(&d->wire, how);
	d->wire.deaf = true;
	d->wire.end.watches = false;
	d->state = DOT_OVER;
	wait_for(d, LINGER_US);
	if (d->wire.refused)
		wire_due(&d->wire, WIRE_WRITABLE);
}

/* ---- the handshake ---- */

static ssize_t dot_read(void *ctx, void *buf, size_t n)
{
	return wire_read(&((struct dot *)ctx)->wire, buf, n);
}

static ssize_t dot_write(void *ctx, const void *buf, size_t n)
{
	return wire_write(&((struct dot *)ctx)->wire, buf, n);
}

static void leaf_came(void *ctx)
{
	struct dot *d = ctx;

	d->wire.refused = false;
	wire_due(&d->wire, WIRE_WORK | WIRE_WRITABLE);
}

/* RFC 7858 3.1 gives DoT no name of its own for ALPN but "dot", which clients may leave out. */
static void begin(struct dot *d, const struct hello *h)
{
	const struct tls_transport t = {dot_read, dot_write, d};
	struct tls_server s = {.wake = leaf_came, .wake_ctx = d};
	char text[IPADDR_STRLEN];

	snprintf(d->host, sizeof(d->host), "%s",
		 h->sni == HELLO_SNI_NAME ? h->name.s : ipaddr_str(&d->at, text));
	s.host = d->host;
	if (h->alpn_len == 4 && memcmp(h->alpn, "\003dot", 4) == 0)
		s.alpn = view_make("dot", 3);
	d->tls = tls_server_new(d->set->leaves, &s, &t);
	d->wire.end.watches = false;
	d->state = DOT_GUEST;
	if (!d->tls)
		over(d, STREAM_CUT);
}

static void look(struct dot *d)
{
	uint8_t buf[HELLO_MAX];
	struct hello h;

	switch (hello_read_records(view_make(buf, wire_look(&d->wire, buf, sizeof(buf))), &h)) {
	case HELLO_MORE:
		if (wire_left(&d->wire))
			over(d, STREAM_CUT);
		break;
	case HELLO_DONE:
		begin(d, &h);
		break;
	case HELLO_NOT_TLS:
	case HELLO_BAD:
		over(d, STREAM_CUT);
		break;
	}
}

static void tell_error(struct dot *d)
{
	struct event e = event_make(EVENT_ERROR);
	char text[256];

	snprintf(text, sizeof(text), "TLS with the guest (DNS): %s", tls_end_error(d->tls));
	e.name = d->host;
	e.text = text;
	events_emit(d->wire.ic->sb->events, &e);
}

static void shake(struct dot *d)
{
	int rc = tls_end_handshake(d->tls);

	if (rc == -EAGAIN)
		return;
	if (rc == 0) {
		wait_for(d, 0);
		d->state = DOT_OPEN;
		return;
	}
	d->wire.ic->cnt.guest_failed++;
	tell_error(d);
	over(d, STREAM_ROUGH);
}

/* ---- questions and answers ---- */

/* Returns how many were taken. */
static size_t ask(struct dot *d, struct view v)
{
	struct iovec iov = {(void *)v.p, v.len};
	ssize_t took = v.len ? d->dns->ops->push(d->dns, &iov, 1) : 0;

	return took > 0 ? (size_t)took : 0;
}

static void questions(struct dot *d)
{
	uint8_t buf[PIECE];
	ssize_t n = 1;

	buf_take(&d->held, ask(d, buf_view(&d->held)));
	while (!d->held.len && !d->shut && (n = tls_end_read(d->tls, buf, sizeof(buf))) > 0) {
		size_t took = ask(d, view_make(buf, (size_t)n));

		if (!buf_append(&d->held, buf + took, (size_t)n - took))
			over(d, STREAM_CUT);
	}
	if (n > 0 || n == -EAGAIN || d->shut)
		return;
	d->shut = true;
	d->dns->ops->shut(d->dns);
}

static void answers(struct dot *d)
{
	uint8_t buf[PIECE];
	struct iovec iov = {buf, sizeof(buf)};

	while (wire_room(&d->wire)) {
		ssize_t n = d->dns->ops->peek(d->dns, 0, &iov, 1);

		if (n == -EAGAIN)
			return;
		if (n <= 0 || tls_end_write(d->tls, buf, (size_t)n) != n) {
			over(d, n == 0 ? STREAM_END : STREAM_CUT);
			return;
		}
		d->dns->ops->consume(d->dns, (size_t)n);
	}
}

static void run(struct wire *w)
{
	struct dot *d = dot_of(w);

	if (d->running)
		return;
	d->running = true;
	if (d->state == DOT_HELLO && w->in_n)
		look(d);
	if (d->state == DOT_GUEST)
		shake(d);
	if (d->state == DOT_OPEN)
		questions(d);
	if (d->state == DOT_OPEN)
		answers(d);
	d->running = false;
	if (w->refused && d->state == DOT_OPEN && !d->held.len) {
		w->refused = false;
		wire_due(w, WIRE_WRITABLE);
	}
}

static void upper(struct flow_end *e, bool failed)
{
	struct dot *d = e->upper_ctx;

	if (failed && d->state != DOT_OVER)
		over(d, STREAM_CUT);
	wire_due(&d->wire, WIRE_WORK);
}

/* ---- life ---- */

static void patience_over(struct timer *t)
{
	struct dot *d = container_of(t, struct dot, patience);

	wire_due(&d->wire, WIRE_FAILED);
}

static void dot_free(struct dot *d)
{
	wait_for(d, 0);
	if (d->dns)
		d->dns->ops->close(d->dns);
	tls_end_free(d->tls);
	buf_done(&d->held);
	intercept_settings_unref(d->set);
	wire_done(&d->wire);
	free(d);
}

static void gone(struct wire *w, bool in_order)
{
	dot_free(dot_of(w));
}

static const struct wire_ops dot_wire_ops = {.run = run, .gone = gone};

struct flow_end *dot_new(struct intercept *ic, const struct ipaddr *at, const struct ipaddr *guest,
			 uint16_t guest_port)
{
	const struct policy_facts f = {
		.dir = POLICY_EGRESS, .proto = POLICY_TCP, .remote = *at, .port = 853};
	struct dot *d = calloc(1, sizeof(*d));

	if (!d || !wire_init(&d->wire, ic, &dot_wire_ops, &f)) {
		free(d);
		return NULL;
	}
	d->at = *at;
	d->set = ic->set;
	d->set->refs++;
	timer_init(&d->patience, patience_over);
	d->wire.end.watches = true;
	d->dns = dns_proxy_tcp_end(ic->sb->dns, at, guest, guest_port);
	if (!d->dns) {
		dot_free(d);
		return NULL;
	}
	d->dns->upper = upper;
	d->dns->upper_ctx = d;
	wait_for(d, INTERCEPT_HANDSHAKE_US);
	return &d->wire.end;
}
