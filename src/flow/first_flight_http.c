// SPDX-License-Identifier: Apache-2.0
/*
 * Requests of a flow that a rule for names admitted, judged one by one.
 *
 * The guest's bytes lie in the stack's queue. `parsed` of them were looked at, `admitted` of those
 * may pass: the head of a request, once its authority was judged, and the body behind it. Pushing
 * hands the admitted ones on and nothing else, so a request that is refused never leaves, whole or
 * in part.
 *
 * A refusal waits for the answers to the requests before it (or, in HTTP/2, for a place between two
 * of the server's frames), so that the guest takes it for the answer to the right one.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow/first_flight_priv.h"
#include "http/deny.h"

/* The name that a request is for, judged like the one in a ClientHello. */
static struct policy_verdict judge_authority(struct first_flight *ff,
					     const struct http_authority *a)
{
	if (a && a->name.len)
		return first_flight_judge(ff, POLICY_NAME_SEEN, &a->name);
	return first_flight_judge(ff, POLICY_NAME_ABSENT, NULL);
}

static struct policy_verdict http_rule(void)
{
	return (struct policy_verdict){POLICY_DENY, REASON_HTTP_RULE, -1, "default", false};
}

/* A request that only a proxy can answer: for a tunnel, or for what a URL names. */
static struct policy_verdict judge_target(struct first_flight *ff, const struct h1_head *head)
{
	struct http_authority to = head->authority;
	enum policy_seen seen = to.name.len     ? POLICY_NAME_SEEN
				: head->connect ? POLICY_NAME_UNSEEN
						: POLICY_NAME_ABSENT;

	to.port = head->port;
	if (!ff->in_tunnel)
		return flow_target_judge(ff->sb, ff->flow, &to, seen,
					 to.name.len ? &to.name : NULL);
	struct policy_verdict v = http_rule(); /* one proxy behind the other */
	flow_target_refuse(ff->sb, ff->flow, &to, &v);
	return v;
}

/* A URL of the far end's own is what any server takes. */
static bool is_own(const struct first_flight *ff, const struct h1_head *head)
{
	struct http_authority to = head->authority;

	to.port = head->port;
	return !head->connect &&
	       (ff->in_tunnel ? http_authority_eq(&ff->flow->target->at, &to, to.port)
			      : flow_target_is_own(ff->flow, &to));
}

static struct policy_verdict judge_h1(struct first_flight *ff, const struct h1_head *head)
{
	struct policy_verdict v =
		judge_authority(ff, head->has_authority ? &head->authority : NULL);

	if (v.answer != POLICY_ALLOW)
		return v;
	if ((head->connect || head->absolute) && !is_own(ff, head))
		return judge_target(ff, head);
	if (!ff->in_tunnel)
		flow_target_forget(ff->flow);
	return v;
}

/* What goes on in a tunnel that is a stream among others could not be looked at. */
static struct policy_verdict judge_h2(struct first_flight *ff, const struct h2_request *r)
{
	struct policy_verdict v = judge_authority(ff, r->has_authority ? &r->authority : NULL);

	if (v.answer == POLICY_ALLOW && r->connect && !r->protocol.len) {
		v = http_rule();
		flow_refuse(ff->sb, ff->flow, &v);
	}
	return v;
}

static struct policy_verdict refuse_malformed(struct first_flight *ff)
{
	struct policy_verdict v = http_rule();

	flow_refuse(ff->sb, ff->flow, &v);
	return v;
}

/* HTTP/2 of which either side cannot be followed is over: its requests cannot be read any more. */
static void deny_malformed(struct first_flight *ff)
{
	struct policy_verdict v = refuse_malformed(ff);

	first_flight_deny(ff, FF_DENY_RST, &v, NULL, 0);
}

/* ---- HTTP/1 ---- */

/* A server may speak before the guest's first bytes are understood: what it said is looked at now.
 */
static void replay(struct first_flight *ff)
{
	struct iovec iov = {ff->server_first, ff->server_first_n};

	if (ff->server_more)
		ff->unreadable = true;
	else if (ff->server_first_n)
		first_flight_server_bytes(ff, &iov, 0, ff->server_first_n);
}

/* A first word that went already is part of the first request. */
static void begin(struct first_flight *ff)
{
	size_t used;

	ff->state = FF_HTTP;
	ff->admitted = 0;
	if (ff->word_n && ff->h1)
		h1_read(ff->h1, view_make(ff->word, ff->word_n), &used);
	if (ff->word_n && ff->h2)
		h2_read(ff->h2, view_make(ff->word, ff->word_n), &used);
	replay(ff);
}

void first_flight_begin_h1(struct first_flight *ff)
{
	ff->h1 = h1_new();
	ff->watch = h1_watch_new();
	if (ff->h1 && ff->watch)
		begin(ff);
	else
		first_flight_deny(ff, FF_DENY_RST, NULL, NULL, 0);
}

/* False where the request has to wait, or was refused. */
static bool admit_h1_head(struct first_flight *ff)
{
	const struct h1_head *head = h1_head(ff->h1);
	const struct http_authority *a = head->has_authority ? &head->authority : NULL;

	if (!ff->head_waits) {
		struct policy_verdict v = judge_h1(ff, head);
		if (v.answer != POLICY_ALLOW) {
			first_flight_deny(ff, FF_DENY_H1, &v, a, 403);
			return false;
		}
	}
	ff->head_waits = !h1_watch_request(ff->watch, head);
	if (ff->head_waits)
		return false;
	ff->unanswered++;
	ff->in_request = true;
	return true;
}

/*
 * The proxy has agreed, and the guest's next bytes are the tunnel's: they are looked at like the
 * first ones of a connection to its far end. What belongs to the request goes before.
 */
static void begin_tunnel(struct first_flight *ff)
{
	ff->opens = ff->admitted;
	if (ff->opens)
		return;
	first_flight_call(ff);
	first_flight_done_http(ff);
	ff->h1 = NULL;
	ff->watch = NULL;
	ff->unanswered = 0;
	ff->head_waits = ff->in_request = ff->in_answer = ff->unreadable = false;
	ff->parsed = 0;
	ff->word_n = 0;
	ff->server_first_n = 0;
	ff->server_more = ff->consumed = false;
	timer_cancel(&ff->sb->loop->wheel, &ff->patience);
	ff->in_tunnel = true;
	ff->state = FF_GUESS;
}

/* Looks at one piece; false where nothing more is to be looked at now. */
static bool parse_h1(struct first_flight *ff, struct view piece)
{
	for (;;) {
		size_t used = 0;
		enum h1_event ev = h1_read(ff->h1, piece, &used);

		view_skip(&piece, used);
		ff->parsed += used;
		switch (ev) {
		case H1_MORE:
			return true;
		case H1_HEAD:
			if (!admit_h1_head(ff))
				return false;
			break;
		case H1_END:
			ff->in_request = false;
			break;
		case H1_BODY:
		case H1_TRAILER:
			break;
		case H1_WAIT:
			return false;
		case H1_TUNNEL:
			if (h1_head(ff->h1)->connect)
				begin_tunnel(ff);
			else
				first_flight_pass(ff);
			return false;
		case H1_ERROR: {
			struct policy_verdict v = refuse_malformed(ff);
			first_flight_deny(ff, FF_DENY_H1, &v, NULL, h1_status(ff->h1));
			return false;
		}
		}
		ff->admitted = ff->parsed;
	}
}

static void watch_h2(struct first_flight *ff, struct view v)
{
	size_t gap = H2_NO_GAP;

	if (!h2_read_server(ff->h2, v, &gap))
		ff->unreadable = true;
	ff->at_gap = gap == v.len;
}

/* Upgrade: h2c (RFC 7540 3.2). The request that asked for it was judged; those that follow are by
 * stream. `rest`: what the server has said behind its 101. */
static void go_on_as_h2(struct first_flight *ff, struct view rest)
{
	ff->h2 = h2_new();
	if (!ff->h2) {
		first_flight_deny(ff, FF_DENY_RST, NULL, NULL, 0);
		return;
	}
	h1_free(ff->h1);
	h1_watch_free(ff->watch);
	ff->h1 = NULL;
	ff->watch = NULL;
	if (rest.len)
		watch_h2(ff, rest);
}

/* What the server's answers decide: whether a stream becomes a tunnel, and when a refusal fits. */
static void watch_h1(struct first_flight *ff, struct view v)
{
	for (;;) {
		size_t used = 0;
		enum h1_watch_event ev = h1_watch_read(ff->watch, v, &used);
		const struct h1_answer_head *answer;

		view_skip(&v, used);
		switch (ev) {
		case H1_WATCH_MORE:
			ff->in_answer = ff->in_answer || used;
			return;
		case H1_WATCH_ANSWER:
			answer = h1_watch_answer(ff->watch);
			ff->in_answer = !answer->interim;
			if (!answer->interim && (answer->to_connect || answer->to_upgrade))
				h1_stay(ff->h1);
			break;
		case H1_WATCH_TUNNEL:
			if (h1_watch_answer(ff->watch)->upgrade_h2c)
				go_on_as_h2(ff, v);
			else
				h1_switch(ff->h1);
			return;
		case H1_WATCH_END:
			ff->in_answer = false;
			ff->unanswered -= ff->unanswered > 0;
			break;
		case H1_WATCH_ERROR:
			/* No tunnel can begin any more; a refusal cannot be told in its place. */
			ff->unreadable = true;
			return;
		}
	}
}

/* ---- HTTP/2 ---- */

void first_flight_begin_h2(struct first_flight *ff)
{
	ff->h2 = h2_new();
	if (ff->h2)
		begin(ff);
	else
		first_flight_deny(ff, FF_DENY_RST, NULL, NULL, 0);
}

static bool parse_h2(struct first_flight *ff, struct view piece)
{
	for (;;) {
		size_t used = 0;
		enum h2_event ev = h2_read(ff->h2, piece, &used);
		struct policy_verdict v;

		view_skip(&piece, used);
		ff->parsed += used;
		switch (ev) {
		case H2_MORE:
			return true;
		case H2_PASS:
			break;
		case H2_REQUEST: {
			const struct h2_request *r = h2_request(ff->h2);
			const struct http_authority *a = r->has_authority ? &r->authority : NULL;
			v = judge_h2(ff, r);
			if (v.answer != POLICY_ALLOW) {
				first_flight_deny(ff, FF_DENY_H2, &v, a, 403);
				return false;
			}
			break;
		}
		case H2_ERROR:
			deny_malformed(ff);
			return false;
		}
		ff->admitted = ff->parsed;
	}
}

/* ---- both ---- */

/* Shows the parser what it has not seen yet of the waiting bytes. */
static void parse(struct first_flight *ff, const struct iovec *iov, int n)
{
	size_t seen = ff->parsed;

	/* An answer may have made room for it, whether or not more bytes have come. */
	if (ff->h1 && ff->head_waits) {
		if (!admit_h1_head(ff))
			return;
		ff->admitted = ff->parsed;
	}
	for (int i = 0; i < n && ff->state == FF_HTTP; i++) {
		struct view piece = view_make(iov[i].iov_base, iov[i].iov_len);
		if (seen >= piece.len) {
			seen -= piece.len;
			continue;
		}
		view_skip(&piece, seen);
		seen = 0;
		if (!(ff->h1 ? parse_h1(ff, piece) : parse_h2(ff, piece)))
			return;
	}
}

#define PUSH_IOV_MAX 128

ssize_t first_flight_push_admitted(struct first_flight *ff, const struct iovec *iov, int n)
{
	struct iovec some[PUSH_IOV_MAX];
	size_t left = ff->admitted;
	int k = 0;

	for (int i = 0; i < n && i < PUSH_IOV_MAX && left; i++) {
		some[k] = iov[i];
		if (some[k].iov_len > left)
			some[k].iov_len = left;
		left -= some[k++].iov_len;
	}
	if (k == 0)
		return -EAGAIN;
	ssize_t took = ff->inner->ops->push(ff->inner, some, k);
	if (took > 0) {
		ff->parsed -= ff->parsed < (size_t)took ? ff->parsed : (size_t)took;
		ff->admitted -= (size_t)took;
	}
	return took;
}

/* What is held of a request that will never be whole keeps nobody waiting. */
static void check_end(struct first_flight *ff, size_t offered)
{
	struct policy_verdict v;

	if (ff->state != FF_HTTP || ff->head_waits || ff->parsed < offered ||
	    ff->admitted == ff->parsed || !first_flight_is_last(ff, offered))
		return;
	v = refuse_malformed(ff);
	first_flight_deny(ff, ff->h1 ? FF_DENY_H1 : FF_DENY_RST, &v, NULL, 400);
}

ssize_t first_flight_push_http(struct first_flight *ff, const struct iovec *iov, int n)
{
	ssize_t took;

	if (ff->state == FF_HTTP && ff->flow) {
		if (ff->h2 && ff->unreadable)
			deny_malformed(ff);
		else
			parse(ff, iov, n);
		check_end(ff, first_flight_total(iov, n));
	}
	switch (ff->state) {
	case FF_PASSED:
		return ff->inner->ops->push(ff->inner, iov, n);
	case FF_HTTP:
	case FF_DENYING:
		took = first_flight_push_admitted(ff, iov, n);
		if (ff->opens && !ff->admitted)
			first_flight_call(ff); /* for what is behind */
		return took;
	default:
		return -EAGAIN; /* denied: asked again, everything is taken to nowhere */
	}
}

void first_flight_server_bytes(struct first_flight *ff, const struct iovec *iov, size_t from,
			       size_t to)
{
	size_t at = 0;

	for (int i = 0; at < to; i++) {
		struct view piece = view_make(iov[i].iov_base, iov[i].iov_len);
		size_t skip = from > at ? from - at : 0;
		at += piece.len;
		if (at > to)
			piece.len -= at - to;
		if (!view_skip(&piece, skip) || piece.len == 0 || ff->unreadable)
			continue;
		if (ff->h1)
			watch_h1(ff, piece);
		else
			watch_h2(ff, piece);
	}
	/* The guest's bytes may have waited for this. */
	first_flight_call(ff);
}

bool first_flight_may_deny(const struct first_flight *ff)
{
	/* Of a request that is refused in its body, the head is with the server already. */
	if (ff->h1)
		return ff->unanswered == 0 ||
		       (ff->unanswered == 1 && ff->in_request && !ff->in_answer);
	/* Before the server has said anything, settings of our own begin its side. */
	bool silent = !ff->consumed && ff->shown == 0;
	return ff->h2 && (silent || (h2_server_began(ff->h2) && ff->at_gap));
}

void first_flight_done_http(struct first_flight *ff)
{
	h1_free(ff->h1);
	h1_watch_free(ff->watch);
	h2_free(ff->h2);
}
