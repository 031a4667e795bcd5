// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a connection that is looked into: the upstream's handshake, the guest's, plain bytes
 * (pump.c), and the end, which is passed on as it came: in order, without a close_notify, or as a
 * reset.
 *
 * conn_run() goes on with whatever can go on, from any state, and is called for every cause: bytes
 * of the guest's, bytes of the upstream's, room, a leaf, an answer of the key holder's.
 *
 * Timers: one a connection, armed during handshakes, while the first plain bytes are unclear, and
 * behind the end, where a guest that does not close is reset.
 */
#include "intercept/intercept_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow/budget.h"
#include "observe/events.h"
#include "tls/alert.h"

#define LINGER_US 30000000 /* for what is left to be read, or sent, behind the end */

static struct conn *conn_of(struct wire *w)
{
	return container_of(w, struct conn, wire);
}

/* ---- the wires, as OpenSSL sees them ---- */

static bool is_guest(const struct side *s)
{
	return s == &s->x->side[HTTP_GUEST];
}

ssize_t side_in(struct side *s, void *buf, size_t n)
{
	if (s->early.len) {
		n = n < s->early.len ? n : s->early.len;
		memcpy(buf, buf_view(&s->early).p, n);
		buf_take(&s->early, n);
		if (!s->early.len)
			buf_done(&s->early);
		return (ssize_t)n;
	}
	if (s->outer)
		return tls_end_read(s->outer, buf, n);
	return is_guest(s) ? wire_read(&s->x->wire, buf, n) : upsock_in(&s->x->sock, buf, n);
}

static ssize_t to_upstream(struct conn *x, const void *buf, size_t n)
{
	struct sandbox *sb = x->wire.ic->sb;

	if (sb->budgets && x->flow)
		x->sock.dest = flow_budget(sb, x->flow);
	return upsock_out(&x->sock, buf, n);
}

ssize_t side_out(struct side *s, const void *buf, size_t n)
{
	if (s->outer)
		return tls_end_write(s->outer, buf, n);
	return is_guest(s) ? wire_write(&s->x->wire, buf, n) : to_upstream(s->x, buf, n);
}

void side_shut(struct side *s)
{
	if (s->tls)
		tls_end_shut(s->tls);
	if (s->outer)
		tls_end_shut(s->outer);
}

static ssize_t transport_read(void *ctx, void *buf, size_t n)
{
	return side_in(ctx, buf, n);
}

static ssize_t transport_write(void *ctx, const void *buf, size_t n)
{
	return side_out(ctx, buf, n);
}

static struct tls_transport transport(struct side *s)
{
	return (struct tls_transport){transport_read, transport_write, s};
}

/* ---- ends ---- */

void conn_patience(struct conn *x, uint64_t us)
{
	struct loop *l = x->wire.ic->sb->loop;

	if (us)
		timer_set(&l->wheel, &x->patience, l->now_us + us);
	else
		timer_cancel(&l->wheel, &x->patience);
}

void conn_tell_error(struct conn *x, const char *side, const char *what)
{
	struct sandbox *sb = x->wire.ic->sb;
	struct event e = event_make(EVENT_ERROR);
	char text[256];

	snprintf(text, sizeof(text), "TLS with the %s: %s", side, what);
	log_limited(LOG_INFO, "%s: %s", x->host, text);
	e.flow = x->flow ? x->flow->id : 0;
	e.name = x->host;
	e.text = text;
	events_emit(sb->events, &e);
}

void conn_over(struct conn *x, enum stream_end guest, enum stream_end upstream)
{
	if (upstream == STREAM_END)
		side_shut(&x->side[HTTP_UPSTREAM]);
	if (guest == STREAM_END)
		side_shut(&x->side[HTTP_GUEST]);
	upsock_end(&x->sock, upstream);
	wire_end(&x->wire, guest);
	x->wire.deaf = true;
	x->wire.end.watches = false;
	x->state = CONN_OVER;
	x->left = SIZE_MAX;
	conn_patience(x, LINGER_US);
	if (x->wire.refused)
		wire_due(&x->wire, WIRE_WRITABLE);
}

void conn_refuse(struct conn *x, enum policy_reason why)
{
	struct policy_verdict v = {POLICY_DENY, why, -1, "default", false};

	x->wire.ic->cnt.refused++;
	if (x->flow)
		flow_refuse(x->wire.ic->sb, x->flow, &v);
	conn_over(x, STREAM_CUT, STREAM_CUT);
}

static void over_budget(struct conn *x)
{
	if (x->flow)
		flow_over_budget(x->wire.ic->sb, x->flow);
	conn_over(x, STREAM_CUT, STREAM_CUT);
}

/* ---- the upstream's handshake ---- */

/* RFC 8446 6.2: 41 to 46 and 48 are about certificates. */
static bool is_about_certificates(int alert)
{
	return (alert >= 41 && alert <= 46) || alert == TLS_ALERT_UNKNOWN_CA;
}

/* The guest learns of it by the alert that would have stood for it, had it been its handshake. */
static void upstream_failed(struct conn *x, const char *why, int alert)
{
	struct intercept *ic = x->wire.ic;
	struct policy_verdict v = {POLICY_DENY, REASON_UPSTREAM_INVALID, -1, "default", false};
	uint8_t buf[TLS_ALERT_LEN];

	conn_tell_error(x, "server", why);
	if (is_about_certificates(alert)) {
		ic->cnt.upstream_invalid++;
		flow_refuse(ic->sb, x->flow, &v);
	} else {
		ic->cnt.upstream_failed++;
	}
	if (x->sock.broken) {
		conn_over(x, STREAM_CUT, STREAM_CUT);
		return;
	}
	struct view record = tls_alert_fatal(
		alert > 0 && alert < 256 ? (uint8_t)alert : TLS_ALERT_INTERNAL_ERROR, buf);
	side_out(&x->side[HTTP_GUEST], record.p, record.len);
	conn_over(x, STREAM_ROUGH, STREAM_ROUGH);
}

static void leaf_came(void *ctx)
{
	struct conn *x = ctx;

	wire_due(&x->wire, WIRE_WORK);
}

static void begin_guest(struct conn *x)
{
	struct side *g = &x->side[HTTP_GUEST];
	const struct tls_transport t = transport(g);
	const struct tls_server s = {.host = x->host,
				     .alpn = tls_end_alpn(x->side[HTTP_UPSTREAM].tls),
				     .wake = leaf_came,
				     .wake_ctx = x};

	g->tls = tls_server_new(x->set->leaves, &s, &t);
	if (!g->tls) {
		upstream_failed(x, "no certificate can be made", TLS_ALERT_INTERNAL_ERROR);
		return;
	}
	x->wire.end.watches = false;
	x->state = CONN_GUEST;
	conn_patience(x, INTERCEPT_HANDSHAKE_US);
}

static void run_upstream(struct conn *x)
{
	struct tls_end *tls = x->side[HTTP_UPSTREAM].tls;
	int rc = tls_end_handshake(tls);

	if (rc == 0)
		begin_guest(x);
	else if (rc != -EAGAIN)
		upstream_failed(x, tls_end_error(tls), tls_end_alert(tls));
}

/* ---- the guest's handshake ---- */

static void guest_failed(struct conn *x, const char *why)
{
	x->wire.ic->cnt.guest_failed++;
	conn_tell_error(x, "guest", why);
	conn_over(x, STREAM_ROUGH, STREAM_END);
}

static void run_guest(struct conn *x)
{
	struct tls_end *tls = x->side[HTTP_GUEST].tls;
	int rc = tls_end_handshake(tls);

	if (rc == 0) {
		conn_patience(x, 0);
		pump_begin(x);
	} else if (rc != -EAGAIN) {
		guest_failed(x, tls_end_error(tls));
	}
}

/* ---- going on ---- */

/* push() would take something. */
static bool takes(struct conn *x)
{
	switch ((enum conn_state)x->state) {
	case CONN_UPSTREAM:
		return false;
	case CONN_GUEST:
		return tls_end_wants(x->side[HTTP_GUEST].tls) != TLS_WANTS_LEAF;
	case CONN_FIRST:
	case CONN_HTTP:
	case CONN_RAW:
		return pump_room(x, HTTP_UPSTREAM) && pump_room(x, HTTP_GUEST);
	case CONN_LEFT:
	case CONN_OVER:
		break;
	}
	return true;
}

/* Goes on with whatever can go on. */
static void conn_run(struct conn *x)
{
	if (x->running)
		return;
	x->running = true;
	if (x->flow && x->state == CONN_UPSTREAM && wire_left(&x->wire))
		conn_over(x, STREAM_CUT, STREAM_CUT); /* half a handshake leads nowhere */
	if (x->flow && x->state == CONN_UPSTREAM)
		run_upstream(x);
	if (x->flow && x->state == CONN_GUEST)
		run_guest(x);
	if (x->flow && x->state >= CONN_FIRST && x->state < CONN_OVER && !pump_run(x))
		wire_due(&x->wire, WIRE_WORK);
	if (x->sock.spent && x->sock.ends != STREAM_CUT)
		over_budget(x);
	upsock_flush(&x->sock);
	x->running = false;
	if (x->wire.refused && takes(x)) {
		x->wire.refused = false;
		wire_due(&x->wire, WIRE_WRITABLE);
	}
}

static void side_done(struct side *s)
{
	tls_end_free(s->tls);
	tls_end_free(s->outer);
	buf_done(&s->early);
}

static void conn_free(struct conn *x)
{
	conn_patience(x, 0);
	pump_done(x);
	for (int i = 0; i < 2; i++)
		side_done(&x->side[i]);
	upsock_done(&x->sock, false);
	if (x->flow)
		x->flow->forget = NULL;
	intercept_settings_unref(x->set);
	wire_done(&x->wire);
	free(x);
}

static void run_wire(struct wire *w)
{
	conn_run(conn_of(w));
}

static void upsock_ready(struct sock *k)
{
	struct conn *x = container_of(k, struct conn, sock);

	if (!x->orphan) {
		conn_run(x);
		return;
	}
	upsock_flush(k);
	if (upsock_drained(k))
		conn_free(x);
}

/* Behind the end: a slow reader has as long as it reads at all. */
static bool still_moves(struct conn *x)
{
	size_t left = x->wire.out.len + x->sock.out.len;
	bool moves = left < x->left;

	x->left = left;
	if (moves)
		conn_patience(x, LINGER_US);
	return moves;
}

static void patience_over(struct timer *t)
{
	struct conn *x = container_of(t, struct conn, patience);

	if (x->orphan && still_moves(x))
		return;
	if (x->orphan) {
		upsock_done(&x->sock, true);
		conn_free(x);
		return;
	}
	switch ((enum conn_state)x->state) {
	case CONN_UPSTREAM:
		upstream_failed(x, "the handshake took too long", TLS_ALERT_INTERNAL_ERROR);
		break;
	case CONN_GUEST:
		guest_failed(x, "the handshake took too long");
		break;
	case CONN_FIRST:
		pump_patience_over(x);
		break;
	case CONN_HTTP:
	case CONN_RAW:
		return;
	case CONN_LEFT:
		conn_over(x, STREAM_END, STREAM_END);
		break;
	case CONN_OVER:
		if (!still_moves(x))
			wire_due(&x->wire, WIRE_FAILED);
		return;
	}
	conn_run(x); /* sends what this has left */
}

/* ---- life ---- */

/* What the guest has sent, and knows to be delivered, still goes. */
static void gone(struct wire *w, bool in_order)
{
	struct conn *x = conn_of(w);

	w->end.conn = NULL;
	list_del(&w->due_node);
	w->due = 0;
	if (in_order && !x->orphan) {
		if (x->sock.ends == STREAM_OPEN)
			side_shut(&x->side[HTTP_UPSTREAM]);
		upsock_end(&x->sock, STREAM_END);
		upsock_flush(&x->sock);
		if (!upsock_drained(&x->sock)) {
			x->orphan = true;
			x->left = SIZE_MAX;
			conn_patience(x, LINGER_US);
			return;
		}
	}
	upsock_done(&x->sock, !in_order);
	conn_free(x);
}

static const struct wire_ops conn_wire_ops = {.run = run_wire, .gone = gone};

/* The flow is about to be over: the filter's last words are about it. */
static void forget(void *ctx)
{
	struct conn *x = ctx;

	pump_done(x);
	x->flow = NULL;
}

/* Whom the guest believes to talk to. */
static void set_name(struct conn *x, const struct hello *h)
{
	const struct http_authority *t = x->in_tunnel ? &x->target : NULL;
	char text[IPADDR_STRLEN];

	if (h && h->sni == HELLO_SNI_NAME)
		x->name = h->name;
	else if (t)
		x->name = t->name;
	snprintf(x->host, sizeof(x->host), "%s",
		 x->name.len ? x->name.s : ipaddr_str(t ? &t->addr : &x->flow->remote, text));
}

bool conn_begin_tls(struct conn *x, const struct hello *h)
{
	struct side *u = &x->side[HTTP_UPSTREAM];
	const struct tls_transport t = transport(u);
	struct tls_client c = {.name = &x->name, .alpn = view_make(h->alpn, h->alpn_len)};

	set_name(x, h);
	c.addr = x->in_tunnel ? x->target.addr : x->flow->remote;
	c.port = x->in_tunnel ? x->target.port : x->flow->port;
	c.wipe = conn_has_secrets(x);
	x->state = CONN_UPSTREAM;
	x->wire.end.watches = true; /* a guest that gives up meanwhile is seen */
	u->tls = tls_client_new(x->set->roots, &c, &t);
	if (!u->tls)
		return false;
	conn_patience(x, INTERCEPT_HANDSHAKE_US);
	return true;
}

struct flow_end *conn_new(struct intercept *ic, struct flow *f, struct flow_end *inner,
			  const struct taker_first *t)
{
	const struct policy_facts facts = {
		.dir = POLICY_EGRESS, .proto = POLICY_TCP, .remote = f->remote, .port = f->port};
	const struct hello *h = t->kind == TAKER_TLS ? t->hello : NULL;
	struct conn *x = calloc(1, sizeof(*x));

	if (!x || !wire_init(&x->wire, ic, &conn_wire_ops, &facts)) {
		free(x);
		return NULL;
	}
	x->flow = f;
	x->set = ic->set;
	x->set->refs++;
	x->sock.src.fd = -1;
	x->sock.ic = ic;
	x->side[HTTP_GUEST].held.secret = x->side[HTTP_UPSTREAM].held.secret = true;
	timer_init(&x->patience, patience_over);
	for (int i = 0; i < 2; i++)
		x->side[i].x = x;
	set_name(x, h);
	if ((h && !conn_begin_tls(x, h)) || !upsock_take(&x->sock, ic, inner, upsock_ready)) {
		x->flow = NULL;
		conn_free(x);
		return NULL;
	}
	f->forget = forget;
	f->forget_ctx = x;
	ic->cnt.taken++;
	if (!h)
		pump_begin_http(x, t->kind == TAKER_H2);
	wire_due(&x->wire, WIRE_WORK);
	return &x->wire.end;
}
