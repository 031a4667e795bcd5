// SPDX-License-Identifier: Apache-2.0
/*
 * The plain bytes of a connection that is looked into, from either side to the other: through an
 * HTTP proxy and its filter, or, where the protocol is none of HTTP's, as they are.
 *
 * Which of the two it is ALPN says, and where it says nothing, the guest's first plain bytes, as
 * in flow/first_flight.h. They wait meanwhile; what the server says passes, for in many protocols
 * it speaks first.
 *
 * Nothing is read from a side unless there is room for it behind: in the queue toward the other
 * side, or in the proxy. What the proxy does not take of a piece waits in side.held, and nothing
 * more is read before it has gone. A connection moves TURN_BYTES at most, and then others have
 * their turn.
 */
#include "intercept/intercept_priv.h"

#include <errno.h>

#include "flow/first_flight.h"
#include "http/guess.h"
#include "http/text.h"

#define TURN_BYTES 262144  /* plain bytes of a connection in a turn, both ways together */
#define LEAVE_US   5000000 /* for the upstream to end as well */

static enum http_side other(enum http_side s)
{
	return s == HTTP_GUEST ? HTTP_UPSTREAM : HTTP_GUEST;
}

/* ---- one side ---- */

bool pump_room(const struct conn *x, enum http_side side)
{
	if (side == HTTP_GUEST)
		return wire_room((struct wire *)&x->wire);
	return x->sock.out.len < wire_high(x->wire.ic);
}

/* > 0, or 0 where there is nothing now, or the side's stream has ended (s->over). */
static size_t side_read(struct conn *x, enum http_side side, uint8_t *buf, size_t n)
{
	struct side *s = &x->side[side];
	ssize_t got;

	if (s->over)
		return 0;
	got = s->tls ? tls_end_read(s->tls, buf, n) : side_in(s, buf, n);
	if (got > 0)
		return (size_t)got;
	if (got == 0)
		s->over = STREAM_END;
	else if (side == HTTP_UPSTREAM && x->sock.broken)
		s->over = STREAM_CUT;
	else if (got == -ECONNRESET)
		s->over = STREAM_ROUGH;
	else if (got != -EAGAIN)
		s->over = STREAM_CUT;
	if (got < 0 && got != -EAGAIN && got != -ECONNRESET && s->tls)
		conn_tell_error(x, side == HTTP_GUEST ? "guest" : "server", tls_end_error(s->tls));
	return 0;
}

/* There is room: false only where the connection is broken, or memory is out. */
static bool side_write(struct conn *x, enum http_side side, const uint8_t *p, size_t n)
{
	struct side *s = &x->side[side];

	while (n) {
		ssize_t k = s->tls ? tls_end_write(s->tls, p, n) : side_out(s, p, n);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static void side_end(struct conn *x, enum http_side side, enum stream_end how)
{
	uint8_t ends = side == HTTP_GUEST ? x->wire.ends : x->sock.ends;

	if (how == STREAM_END && ends == STREAM_OPEN)
		side_shut(&x->side[side]);
	if (side == HTTP_GUEST)
		wire_end(&x->wire, how);
	else
		upsock_end(&x->sock, how);
}

/* A side that broke the rules, or broke off, takes the other one with it. */
static void broken(struct conn *x, enum http_side side)
{
	bool mine = side == HTTP_GUEST && x->side[side].tls; /* which was sent an alert */

	conn_over(x, mine ? STREAM_ROUGH : STREAM_CUT, STREAM_CUT);
}

/* ---- as they are ---- */

static void raw_to(struct conn *x, enum http_side to, size_t *budget)
{
	enum http_side from = other(to);
	struct side *s = &x->side[from];

	while (x->state == CONN_RAW && *budget && pump_room(x, to) && pump_room(x, from)) {
		size_t n = side_read(x, from, x->wire.ic->piece, INTERCEPT_PIECE);

		if (n == 0)
			break;
		*budget -= n < *budget ? n : *budget;
		if (!side_write(x, to, x->wire.ic->piece, n))
			broken(x, to);
	}
	if (x->state != CONN_RAW || !s->over || s->over_told)
		return;
	s->over_told = true;
	if (s->over == STREAM_CUT)
		broken(x, from);
	else
		side_end(x, to, s->over);
}

void pump_begin_raw(struct conn *x)
{
	struct side *g = &x->side[HTTP_GUEST];
	struct view v = buf_view(&g->held);

	conn_patience(x, 0);
	x->state = CONN_RAW;
	if (v.len && !side_write(x, HTTP_UPSTREAM, v.p, v.len))
		broken(x, HTTP_UPSTREAM);
	buf_done(&g->held);
}

/* ---- HTTP ---- */

/* Offers what is held; true where nothing is left of it. */
static bool feed_held(struct conn *x, enum http_side from)
{
	struct buf *b = &x->side[from].held;

	if (b->len)
		buf_take(b, http_proxy_input(x->proxy, from, buf_view(b)));
	if (b->len == 0 && b->mem)
		buf_done(b);
	return b->len == 0;
}

static bool may_feed(const struct conn *x, enum http_side from)
{
	return !x->side[from].over && pump_room(x, other(from)) && pump_room(x, from) &&
	       http_proxy_output(x->proxy, other(from)).len < HTTP_PROXY_HIGH;
}

/*
 * The guest is done, and has all that it asked for. It may be gone altogether, so nothing is said
 * to it any more but what the upstream makes of that.
 */
static void leave(struct conn *x)
{
	x->state = CONN_LEFT;
	x->wire.deaf = true;
	side_end(x, HTTP_UPSTREAM, x->side[HTTP_GUEST].over);
	conn_patience(x, LEAVE_US);
}

static bool left_run(struct conn *x, size_t budget)
{
	struct side *s = &x->side[HTTP_UPSTREAM];
	size_t n;

	while (budget && (n = side_read(x, HTTP_UPSTREAM, x->wire.ic->piece, INTERCEPT_PIECE)))
		budget -= n < budget ? n : budget;
	if (s->over)
		conn_over(x, s->over, s->over == STREAM_CUT ? STREAM_CUT : STREAM_END);
	return budget;
}

/* True where something has moved. */
static bool feed(struct conn *x, enum http_side from, size_t *budget)
{
	struct side *s = &x->side[from];
	size_t n;

	if (x->tunnel_opens || !feed_held(x, from))
		return false;
	if (may_feed(x, from) && (n = side_read(x, from, x->wire.ic->piece, INTERCEPT_PIECE))) {
		size_t took = http_proxy_input(x->proxy, from, view_make(x->wire.ic->piece, n));

		*budget -= n < *budget ? n : *budget;
		if (took < n && !buf_append(&s->held, x->wire.ic->piece + took, n - took))
			broken(x, from);
		if (s->held.secret)
			explicit_bzero(x->wire.ic->piece, n);
		return true;
	}
	if (!s->over || s->over_told)
		return false;
	s->over_told = true;
	if (from == HTTP_GUEST && http_proxy_idle(x->proxy))
		leave(x);
	else
		http_proxy_input_end(x->proxy, from);
	return true;
}

/* How the guest's stream ends when the proxy says that it does: no better than the upstream's. */
static enum stream_end guest_ends(const struct conn *x)
{
	uint8_t how = x->side[HTTP_UPSTREAM].over;

	return how == STREAM_ROUGH || how == STREAM_CUT ? how : STREAM_END;
}

static void end_as_proxy_says(struct conn *x, enum http_side to)
{
	switch (http_proxy_state(x->proxy, to)) {
	case HTTP_PROXY_OPEN:
		break;
	case HTTP_PROXY_END:
		if (to == HTTP_UPSTREAM)
			side_end(x, to, STREAM_END);
		else
			conn_over(x, guest_ends(x),
				  http_proxy_state(x->proxy, HTTP_UPSTREAM) == HTTP_PROXY_CUT
					  ? STREAM_CUT
					  : STREAM_END);
		break;
	case HTTP_PROXY_CUT:
		if (to == HTTP_UPSTREAM)
			side_end(x, to, STREAM_CUT);
		else
			conn_over(x, STREAM_CUT, STREAM_CUT);
		break;
	}
}

static bool drain(struct conn *x, enum http_side to)
{
	bool moved = false;
	struct view v;

	while ((v = http_proxy_output(x->proxy, to)).len && pump_room(x, to)) {
		size_t n = v.len < INTERCEPT_PIECE ? v.len : INTERCEPT_PIECE;

		if (!side_write(x, to, v.p, n)) {
			broken(x, to);
			return false;
		}
		http_proxy_sent(x->proxy, to, n);
		moved = true;
	}
	if (v.len == 0)
		end_as_proxy_says(x, to);
	return moved;
}

static bool http_run(struct conn *x, size_t *budget)
{
	bool moved = true;

	http_proxy_run(x->proxy);
	while (moved && *budget && x->state == CONN_HTTP) {
		moved = feed(x, HTTP_GUEST, budget);
		if (x->state == CONN_HTTP)
			moved |= drain(x, HTTP_UPSTREAM);
		if (x->state == CONN_HTTP)
			moved |= feed(x, HTTP_UPSTREAM, budget);
		if (x->state == CONN_HTTP)
			moved |= drain(x, HTTP_GUEST);
	}
	if (x->tunnel_opens && x->state == CONN_HTTP &&
	    !http_proxy_output(x->proxy, HTTP_GUEST).len)
		tunnel_begin(x);
	return !moved || *budget;
}

static void resume(void *ctx, struct http_exchange *ex)
{
	struct conn *x = ctx;

	if (!x->proxy)
		return;
	http_proxy_resume(x->proxy, ex);
	wire_due(&x->wire, WIRE_WORK);
}

static void terminate(void *ctx, const char *why)
{
	struct sandbox *sb = ((struct conn *)ctx)->wire.ic->sb;

	if (sb->terminate)
		sb->terminate(sb, why);
}

void pump_begin_http(struct conn *x, bool h2)
{
	struct intercept *ic = x->wire.ic;
	bool tls = x->side[HTTP_GUEST].tls;
	const char *scheme = tls ? "https" : "http";
	const struct filter_conn c = {
		.sb = ic->sb,
		.flow = x->flow,
		.name = &x->name,
		.tls = tls,
		.verified = tls && tls_end_verified(x->side[HTTP_UPSTREAM].tls),
		.channel = ic->channel,
		.resume = resume,
		.terminate = terminate,
		.far = x->in_tunnel ? &x->target : NULL,
		.judge = x->in_tunnel ? tunnel_judge : NULL,
		.connect = x->in_tunnel ? NULL : tunnel_connect,
		.connected = tunnel_connected,
		.ctx = x,
	};

	conn_patience(x, 0);
	x->filter = filter_new(&c);
	if (x->filter)
		x->proxy = h2 ? http_proxy_h2_new(x->filter, scheme, NULL)
			      : http_proxy_h1_new(x->filter, scheme, NULL);
	x->h2 = h2;
	if (x->proxy)
		x->state = CONN_HTTP;
	else
		conn_over(x, STREAM_CUT, STREAM_CUT);
}

void pump_done(struct conn *x)
{
	if (x->proxy)
		http_proxy_free(x->proxy);
	x->proxy = NULL;
	if (x->filter)
		filter_free(x->filter);
	x->filter = NULL;
	if (x->state == CONN_HTTP)
		x->state = CONN_OVER;
	for (int i = 0; i < 2; i++)
		buf_done(&x->side[i].held);
}

/* ---- which of the two ---- */

/* The rule that let it in says something of HTTP requests. */
static bool is_for_http(struct conn *x)
{
	struct sandbox *sb = x->wire.ic->sb;
	struct policy_verdict v =
		x->in_tunnel
			? tunnel_judge(x, x->name.len ? POLICY_NAME_SEEN : POLICY_NAME_NONE,
				       x->name.len ? &x->name : NULL)
			: flow_judge(sb, x->flow, (enum policy_seen)x->flow->seen, x->flow->name);

	return v.answer != POLICY_ALLOW || (v.rule >= 0 && policy_rule_http(sb->policy, v.rule));
}

static void not_http(struct conn *x)
{
	if (is_for_http(x))
		conn_refuse(x, REASON_HTTP_RULE);
	else
		pump_begin_raw(x);
}

static void begin_guessed(struct conn *x, bool h2)
{
	if (x->word_n)
		conn_refuse(x, REASON_HTTP_RULE); /* its beginning could not be judged */
	else if (!x->server_spoke)
		pump_begin_http(x, h2);
	else
		not_http(x); /* no server of HTTP's does: what it said could not be read */
}

/* As in the first flight: a word that may be all that there is, and that the server has to answer,
 * waits only a moment, where it is not HTTP's that matters. */
static void wait_for_more(struct conn *x, struct view v)
{
	bool lone = v.len <= FIRST_FLIGHT_WORD && http_token_len(v) == v.len &&
		    holder_secrets(x->wire.ic->channel)->count == 0;

	if (timer_armed(&x->patience) && !lone && !x->lone)
		return;
	x->lone = lone;
	conn_patience(x, lone ? FIRST_FLIGHT_QUIET_US : FIRST_FLIGHT_US);
}

/* The word goes, and is kept for the look at what follows it: a request for a tunnel may come in
 * two parts. */
static void let_word_go(struct conn *x)
{
	struct side *g = &x->side[HTTP_GUEST];
	struct view v = buf_view(&g->held);

	x->lone = false;
	memcpy(x->word + x->word_n, v.p, v.len);
	x->word_n += (uint8_t)v.len;
	if (!side_write(x, HTTP_UPSTREAM, v.p, v.len))
		broken(x, HTTP_UPSTREAM);
	buf_done(&g->held);
}

void pump_patience_over(struct conn *x)
{
	if (!x->lone || is_for_http(x))
		conn_refuse(x, REASON_HTTP_RULE);
	else
		let_word_go(x);
}

static struct view first_bytes(const struct conn *x,
			       uint8_t mem[FIRST_FLIGHT_WORD + HTTP_GUESS_MAX])
{
	struct view v = buf_view(&x->side[HTTP_GUEST].held);

	if (!x->word_n)
		return v;
	if (v.len > HTTP_GUESS_MAX)
		v.len = HTTP_GUESS_MAX;
	memcpy(mem, x->word, x->word_n);
	memcpy(mem + x->word_n, v.p, v.len);
	return view_make(mem, x->word_n + v.len);
}

static void guess(struct conn *x)
{
	uint8_t mem[FIRST_FLIGHT_WORD + HTTP_GUESS_MAX];
	struct view v = first_bytes(x, mem);

	if (x->in_tunnel && !x->side[HTTP_GUEST].tls && !x->word_n && !tunnel_is_clear(x))
		return;
	switch (http_guess(v)) {
	case HTTP_GUESS_MORE:
		if (x->side[HTTP_GUEST].over)
			not_http(x);
		else
			wait_for_more(x, v);
		break;
	case HTTP_GUESS_NO:
		not_http(x);
		break;
	case HTTP_GUESS_H1:
		begin_guessed(x, false);
		break;
	case HTTP_GUESS_H2:
		begin_guessed(x, true);
		break;
	}
}

/* What the server says before the guest has shown what it speaks. */
static void server_first(struct conn *x)
{
	while (x->state == CONN_FIRST && pump_room(x, HTTP_GUEST)) {
		size_t n = side_read(x, HTTP_UPSTREAM, x->wire.ic->piece, INTERCEPT_PIECE);

		if (n == 0)
			break;
		x->server_spoke = true;
		if (!side_write(x, HTTP_GUEST, x->wire.ic->piece, n))
			broken(x, HTTP_GUEST);
	}
	if (x->state == CONN_FIRST && x->side[HTTP_UPSTREAM].over)
		not_http(x); /* what the guest has to say it says to nobody's question */
}

static void first_run(struct conn *x)
{
	struct buf *held = &x->side[HTTP_GUEST].held;
	size_t n = 0;

	while (held->len < HTTP_GUESS_MAX) {
		uint8_t *to = buf_room(held, INTERCEPT_PIECE);
		size_t k = to ? side_read(x, HTTP_GUEST, to, INTERCEPT_PIECE) : 0;

		if (k == 0)
			break;
		buf_added(held, k);
		n += k;
	}
	if (n || (x->side[HTTP_GUEST].over && held->len))
		guess(x);
	else if (x->side[HTTP_GUEST].over)
		pump_begin_raw(x); /* it says nothing at all */
	if (x->state == CONN_FIRST)
		server_first(x);
}

static bool is_alpn(struct view v, const char *name)
{
	return v.len == strlen(name) && memcmp(v.p, name, v.len) == 0;
}

void pump_begin(struct conn *x)
{
	struct view alpn = tls_end_alpn(x->side[HTTP_UPSTREAM].tls);

	if (is_alpn(alpn, "h2"))
		pump_begin_http(x, true);
	else if (is_alpn(alpn, "http/1.1") || is_alpn(alpn, "http/1.0"))
		pump_begin_http(x, false);
	else
		x->state = CONN_FIRST;
}

bool pump_run(struct conn *x)
{
	size_t budget = TURN_BYTES;

	if (x->state == CONN_FIRST)
		first_run(x);
	if (x->state == CONN_LEFT)
		return left_run(x, budget);
	if (x->state == CONN_HTTP)
		return http_run(x, &budget) && x->state != CONN_FIRST;
	if (x->state == CONN_UPSTREAM)
		return false;
	if (x->state == CONN_RAW)
		raw_to(x, HTTP_UPSTREAM, &budget);
	if (x->state == CONN_RAW)
		raw_to(x, HTTP_GUEST, &budget);
	return budget;
}
