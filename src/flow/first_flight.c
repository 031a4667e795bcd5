// SPDX-License-Identifier: Apache-2.0
/*
 * The end that holds a guest's first bytes. See first_flight.h for the theory of operation.
 */
#include "flow/first_flight.h"

#include <errno.h>
#include <stdlib.h>

#include "flow/first_flight_priv.h"
#include "http/text.h"

static struct first_flight *ff_of(struct flow_end *e)
{
	return container_of(e, struct first_flight, end);
}

/* ---- what the bytes are ---- */

struct view first_flight_gather(const struct iovec *iov, int n, uint8_t buf[FIRST_FLIGHT_MAX])
{
	size_t len = 0;

	for (int i = 0; i < n && len < FIRST_FLIGHT_MAX; i++) {
		size_t room = FIRST_FLIGHT_MAX - len;
		size_t k = iov[i].iov_len < room ? iov[i].iov_len : room;
		memcpy(buf + len, iov[i].iov_base, k);
		len += k;
	}
	return view_make(buf, len);
}

bool first_flight_untaken(struct first_flight *ff, enum taker_kind kind,
			  const struct policy_verdict *v, const struct hello *hello,
			  struct view first)
{
	const struct taker_first t = {.kind = kind,
				      .hello = hello,
				      .bytes = first,
				      .begun = ff->server_first_n || ff->word_n || ff->in_tunnel};
	struct policy_verdict no = {POLICY_DENY, REASON_NONE, -1, "default", false};

	if (!ff->sb->taker)
		return true;
	switch (ff->sb->taker->first(ff->sb, ff->flow, v, &t, &no.reason)) {
	case TAKER_LEAVE:
		return true;
	case TAKER_TAKE:
		ff->state = FF_TAKEN;
		ff->taken = (uint8_t)kind;
		ff->end.watches = false;
		if (hello)
			ff->retry.first = *hello;
		ff->sb->taker->soon(ff->sb, &ff->taking);
		return false;
	case TAKER_REFUSE:
		break;
	}
	if (v)
		no.rule = v->rule, no.rule_text = v->rule_text;
	flow_refuse(ff->sb, ff->flow, &no);
	first_flight_deny(ff, hello ? FF_DENY_TLS : FF_DENY_RST, &no, NULL, 0);
	return false;
}

struct policy_verdict first_flight_judge(struct first_flight *ff, enum policy_seen seen,
					 const struct name *name)
{
	if (!ff->in_tunnel)
		return flow_judge(ff->sb, ff->flow, seen, name);
	return flow_target_judge(ff->sb, ff->flow, &ff->flow->target->at, seen, name);
}

void first_flight_nameless(struct first_flight *ff, enum policy_seen seen)
{
	struct policy_verdict v = first_flight_judge(ff, seen, NULL);

	if (v.answer != POLICY_ALLOW)
		first_flight_deny(ff, FF_DENY_RST, &v, NULL, 0);
	else if (first_flight_untaken(ff, seen == POLICY_NAME_NONE ? TAKER_OTHER : TAKER_UNREAD, &v,
				      NULL, view_make(NULL, 0)))
		first_flight_pass(ff);
}

void first_flight_pass(struct first_flight *ff)
{
	ff->state = FF_PASSED;
	ff->end.watches = false;
	first_flight_call(ff);
}

static void look_http(struct first_flight *ff, enum taker_kind kind, struct view first)
{
	if (!first_flight_untaken(ff, kind, NULL, NULL, first))
		return;
	if (kind == TAKER_H1)
		first_flight_begin_h1(ff);
	else
		first_flight_begin_h2(ff);
}

static void look(struct first_flight *ff, struct view first)
{
	if (first.p[0] >= TLS_TYPE_FIRST && first.p[0] <= TLS_TYPE_LAST) {
		first_flight_look_tls(ff, first);
		return;
	}
	switch (ff->as_http ? HTTP_GUESS_H1 : http_guess(first)) {
	case HTTP_GUESS_MORE:
		return;
	case HTTP_GUESS_NO:
		first_flight_nameless(ff, POLICY_NAME_NONE);
		return;
	case HTTP_GUESS_H1:
		look_http(ff, TAKER_H1, first);
		return;
	case HTTP_GUESS_H2:
		look_http(ff, TAKER_H2, first);
		return;
	}
}

bool first_flight_is_last(const struct first_flight *ff, size_t offered)
{
	struct tcp_facts facts;

	tcp_conn_facts(ff->end.conn, &facts);
	return facts.guest_done && facts.waiting <= offered;
}

/* A single word is too little for a server to act on as HTTP; a client of another protocol may be
 * waiting for the answer to it. */
static bool is_lone_word(struct view first)
{
	return first.len <= FIRST_FLIGHT_WORD && http_token_len(first) == first.len;
}

static void wait_for_more(struct first_flight *ff, struct view first)
{
	bool lone = is_lone_word(first);

	if (timer_armed(&ff->patience) && !lone && !ff->lone)
		return;
	ff->lone = lone;
	ff->text = first.p[0] < TLS_TYPE_FIRST || first.p[0] > TLS_TYPE_LAST;
	timer_set(&ff->sb->loop->wheel, &ff->patience,
		  ff->sb->loop->now_us + (lone ? FIRST_FLIGHT_QUIET_US : FIRST_FLIGHT_US));
}

/* A first word that could be the beginning of what the taker wants to see whole. */
static bool word_is_wanted(struct first_flight *ff)
{
	static const struct taker_first t = {.kind = TAKER_UNREAD};
	enum policy_reason why;

	return ff->sb->taker &&
	       ff->sb->taker->first(ff->sb, ff->flow, NULL, &t, &why) != TAKER_LEAVE;
}

static bool may_be_nameless(struct first_flight *ff)
{
	if (!ff->in_tunnel)
		return flow_may_be_nameless(ff->sb, ff->flow);
	return flow_target_decide(ff->sb, &ff->flow->target->at, POLICY_NAME_NONE, NULL).answer ==
	       POLICY_ALLOW;
}

/* It shows no name, so it goes only where that is enough. */
static void let_word_go(struct first_flight *ff)
{
	if (!may_be_nameless(ff) || word_is_wanted(ff)) {
		ff->lone = false;
		timer_set(&ff->sb->loop->wheel, &ff->patience,
			  ff->sb->loop->now_us + FIRST_FLIGHT_US);
		return;
	}
	ff->admitted = ff->waiting;
	tcp_end_writable(&ff->sb->stack, ff->end.conn);
}

/* Text could be the beginning of a request, and where that needs no name of its own, what comes
 * behind it is not to pass unseen: a proxy may be asked for anybody. */
static void guess_is_over(struct first_flight *ff)
{
	struct policy_verdict v;

	if (!ff->text) {
		first_flight_nameless(ff, POLICY_NAME_ABSENT);
		return;
	}
	v = first_flight_judge(ff, POLICY_NAME_ABSENT, NULL);
	ff->as_http = v.answer == POLICY_ALLOW;
	if (ff->as_http)
		tcp_end_writable(&ff->sb->stack, ff->end.conn);
	else
		first_flight_deny(ff, FF_DENY_RST, &v, NULL, 0);
}

/* What has not shown by now what it is has had its chance. */
static void patience_over(struct timer *t)
{
	struct first_flight *ff = container_of(t, struct first_flight, patience);

	if (ff->state == FF_GUESS && ff->flow && ff->lone) {
		let_word_go(ff);
	} else if (ff->state == FF_GUESS && ff->flow) {
		guess_is_over(ff);
	} else if (ff->state == FF_DENYING || ff->state == FF_DENIED) {
		tcp_conn_abort(&ff->sb->stack, ff->end.conn);
	}
}

/* ---- from the guest ---- */

size_t first_flight_total(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

static void push_guess(struct first_flight *ff, const struct iovec *iov, int n)
{
	uint8_t buf[FIRST_FLIGHT_WORD + FIRST_FLIGHT_MAX];
	struct view first = first_flight_gather(iov, n, buf + ff->word_n);

	if (first.len == 0)
		return;
	memcpy(buf, ff->word, ff->word_n);
	ff->waiting = first.len;
	first = view_make(buf, ff->word_n + first.len);
	look(ff, first);
	if (ff->state != FF_GUESS)
		return;
	if (first.len >= FIRST_FLIGHT_MAX)
		first_flight_nameless(ff, POLICY_NAME_ABSENT);
	else if (first_flight_is_last(ff, ff->waiting))
		/* A hello that will never be whole, or too little for anything that has names. */
		first_flight_nameless(ff, first.p[0] == TLS_HANDSHAKE ? POLICY_NAME_ABSENT
								      : POLICY_NAME_NONE);
	else if (!ff->admitted)
		wait_for_more(ff, first);
}

/* A word that has waited long enough goes; it is kept for the look at what follows it. */
static ssize_t push_word(struct first_flight *ff, const struct iovec *iov, int n)
{
	uint8_t buf[FIRST_FLIGHT_MAX];
	struct view first = first_flight_gather(iov, n, buf);
	ssize_t took = first_flight_push_admitted(ff, iov, n);

	if (took > 0) {
		memcpy(ff->word + ff->word_n, first.p, (size_t)took);
		ff->word_n += (uint8_t)took;
	}
	return took;
}

static ssize_t ff_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct first_flight *ff = ff_of(e);

	if (ff->state == FF_GUESS && ff->flow)
		push_guess(ff, iov, n);
	switch (ff->state) {
	case FF_GUESS:
		return ff->admitted ? push_word(ff, iov, n) : -EAGAIN;
	case FF_TLS:
		return first_flight_push_tls(ff, iov, n);
	case FF_HTTP:
	case FF_DENYING:
		return first_flight_push_http(ff, iov, n);
	case FF_PASSED:
		return ff->inner->ops->push(ff->inner, iov, n);
	case FF_TAKEN:
		return -EAGAIN;
	case FF_DENIED:
		break;
	}
	return (ssize_t)first_flight_total(iov, n); /* nobody reads it */
}

static void ff_shut(struct flow_end *e)
{
	struct first_flight *ff = ff_of(e);

	if (ff->state != FF_DENIED)
		ff->inner->ops->shut(ff->inner);
}

/* ---- to the guest ---- */

static ssize_t peek_reply(const struct first_flight *ff, size_t off, const struct iovec *iov, int n)
{
	size_t copied = 0;

	if (!ff->reply)
		return -EAGAIN; /* until the reset */
	for (int i = 0; i < n && off < ff->reply_len; i++) {
		size_t left = ff->reply_len - off;
		size_t k = iov[i].iov_len < left ? iov[i].iov_len : left;
		memcpy(iov[i].iov_base, ff->reply + off, k);
		off += k;
		copied += k;
	}
	return (ssize_t)copied; /* 0: the stream ends here */
}

/* The server's very first bytes tell whether a TLS client has to say hello again. */
static void keep_first(struct first_flight *ff, const struct iovec *iov, size_t from, size_t to)
{
	size_t at = 0;

	for (int i = 0; at < to && !ff->server_more; i++) {
		struct view piece = view_make(iov[i].iov_base, iov[i].iov_len);
		size_t skip = from > at ? from - at : 0;
		at += piece.len;
		if (at > to)
			piece.len -= at - to;
		if (!view_skip(&piece, skip))
			continue;
		size_t room = sizeof(ff->server_first) - ff->server_first_n;
		size_t k = piece.len < room ? piece.len : room;
		memcpy(ff->server_first + ff->server_first_n, piece.p, k);
		ff->server_first_n += (uint16_t)k;
		ff->server_more = k < piece.len;
	}
}

static ssize_t ff_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct first_flight *ff = ff_of(e);

	if (ff->state == FF_DENIED)
		return peek_reply(ff, off, iov, n);
	ssize_t got = ff->inner->ops->peek(ff->inner, off, iov, n);
	e->eof_near = ff->inner->eof_near;
	if (got > 0 && off + (size_t)got > ff->shown) {
		size_t seen = ff->shown - off;
		ff->shown = off + (size_t)got;
		keep_first(ff, iov, seen, (size_t)got);
		if (ff->state == FF_TLS)
			first_flight_server_tls(ff);
		else if (ff->state == FF_HTTP || ff->state == FF_DENYING)
			first_flight_server_bytes(ff, iov, seen, (size_t)got);
	}
	return got;
}

static void ff_consume(struct flow_end *e, size_t n)
{
	struct first_flight *ff = ff_of(e);

	ff->shown = ff->shown > n ? ff->shown - n : 0;
	ff->consumed = ff->consumed || n;
	if (ff->state != FF_DENIED) {
		ff->inner->ops->consume(ff->inner, n);
		return;
	}
	if (!ff->reply)
		return;
	if (n > ff->reply_len)
		n = ff->reply_len;
	ff->reply_len -= n;
	memmove(ff->reply, ff->reply + n, ff->reply_len);
}

/* ---- life ---- */

static void ff_free(struct first_flight *ff)
{
	timer_cancel(&ff->sb->loop->wheel, &ff->patience);
	timer_cancel(&ff->sb->loop->wheel, &ff->call);
	list_del(&ff->taking.node);
	first_flight_done_http(ff);
	if (ff->here)
		*ff->here = NULL;
	free(ff->reply);
	free(ff);
}

static void ff_reset(struct flow_end *e)
{
	struct first_flight *ff = ff_of(e);

	if (ff->inner)
		ff->inner->ops->reset(ff->inner);
	ff_free(ff);
}

static void ff_close(struct flow_end *e)
{
	struct first_flight *ff = ff_of(e);

	if (ff->inner)
		ff->inner->ops->close(ff->inner);
	ff_free(ff);
}

static const struct flow_end_ops ff_ops = {
	.peek = ff_peek,
	.consume = ff_consume,
	.push = ff_push,
	.shut = ff_shut,
	.reset = ff_reset,
	.close = ff_close,
};

/* The taker's end takes over, or, where it cannot, the flow is over. */
static void hand_over(struct taker_work *w)
{
	struct first_flight *ff = container_of(w, struct first_flight, taking);
	const struct taker_first t = {.kind = ff->taken, .hello = &ff->retry.first};
	struct stack *s = &ff->sb->stack;
	struct tcp_conn *c = ff->end.conn;
	struct flow_end *end = ff->sb->taker->take(ff->sb, ff->flow, ff->inner, &t);

	if (!end) {
		tcp_conn_abort(s, c);
		return;
	}
	ff_free(ff);
	tcp_conn_set_end(s, c, end);
}

/* What must not happen inside a call of the stack's happens in the next turn. */
static void ff_called(struct timer *t)
{
	struct first_flight *ff = container_of(t, struct first_flight, call);
	struct stack *s = &ff->sb->stack;
	struct tcp_conn *c = ff->end.conn;

	if (ff->state == FF_PASSED) {
		struct flow_end *inner = ff->inner;
		ff_free(ff);
		tcp_conn_set_end(s, c, inner);
		return;
	}
	if (ff->state == FF_DENYING && (ff->unreadable || first_flight_may_deny(ff)))
		first_flight_cut(ff);
	if (ff->state == FF_DENIED && !ff->reply) {
		tcp_conn_abort(s, c);
		return;
	}
	if (ff->state == FF_DENIED)
		tcp_end_readable(s, c);
	tcp_end_writable(s, c);
}

void first_flight_call(struct first_flight *ff)
{
	timer_set(&ff->sb->loop->wheel, &ff->call, 0);
}

struct first_flight *first_flight_new(struct sandbox *sb, struct flow *f, struct flow_end *inner,
				      struct first_flight **ret_here)
{
	struct first_flight *ff = calloc(1, sizeof(*ff));

	if (!ff)
		return NULL;
	ff->end.ops = &ff_ops;
	ff->end.watches = true;
	ff->sb = sb;
	ff->flow = f;
	ff->inner = inner;
	ff->here = ret_here;
	timer_init(&ff->patience, patience_over);
	timer_init(&ff->call, ff_called);
	list_init(&ff->taking.node);
	ff->taking.fn = hand_over;
	f->undecided = true;
	*ret_here = ff;
	return ff;
}

void first_flight_accept(struct first_flight *ff, struct tcp_conn *c)
{
	tcp_conn_accept(&ff->sb->stack, c, &ff->end);
	ff->inner->conn = c; /* the socket's events go to the connection itself */
}

void first_flight_forget(struct first_flight *ff)
{
	ff->flow = NULL;
	ff->here = NULL;
}
