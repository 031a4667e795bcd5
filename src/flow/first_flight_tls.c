// SPDX-License-Identifier: Apache-2.0
/*
 * TLS under a rule for names: the ClientHello is judged, and followed until it is sure that no
 * second one with another name comes (tls/retry.h). Usually the server's first bytes end that.
 */
#include <errno.h>

#include "flow/first_flight_priv.h"

/* True where the flow may go on, and be followed. */
static bool judge_hello(struct first_flight *ff, const struct hello *h, enum taker_kind kind)
{
	struct policy_verdict v;

	if (flow_is_hidden(ff->sb, h)) {
		v = (struct policy_verdict){POLICY_DENY, REASON_ECH, -1, "default", false};
		flow_refuse(ff->sb, ff->flow, &v);
	} else if (h->sni == HELLO_SNI_NAME) {
		v = first_flight_judge(ff, POLICY_NAME_SEEN, &h->name);
	} else {
		v = first_flight_judge(ff, POLICY_NAME_ABSENT, NULL);
	}
	if (v.answer == POLICY_ALLOW)
		return first_flight_untaken(ff, kind, &v, h, view_make(NULL, 0));
	first_flight_deny(ff, FF_DENY_TLS, &v, NULL, 0);
	return false;
}

/* A record of another kind may not come first. No client sends one, but a server that skips it, as
 * some do with alerts, would read a hello behind it that was not judged. */
static enum hello_result read_hello(struct view first, struct hello *ret)
{
	if (first.p[0] == TLS_HANDSHAKE)
		return hello_read_records(first, ret);
	if (first.len < 2)
		return HELLO_MORE;
	return first.p[1] == TLS_MAJOR ? HELLO_BAD : HELLO_NOT_TLS;
}

void first_flight_look_tls(struct first_flight *ff, struct view first)
{
	struct hello h;

	switch (read_hello(first, &h)) {
	case HELLO_MORE:
		return;
	case HELLO_NOT_TLS:
		first_flight_nameless(ff, POLICY_NAME_NONE);
		return;
	case HELLO_BAD:
		h = (struct hello){.sni = HELLO_SNI_INVALID};
		if (judge_hello(ff, &h, TAKER_UNREAD)) /* allowed by a rule that needs no name */
			first_flight_pass(ff);
		return;
	case HELLO_DONE:
		break;
	}
	if (!judge_hello(ff, &h, TAKER_TLS))
		return;
	ff->state = FF_TLS;
	ff->admitted = h.size;
	retry_init(&ff->retry, &h);
	first_flight_server_tls(ff);
}

ssize_t first_flight_push_tls(struct first_flight *ff, const struct iovec *iov, int n)
{
	uint8_t buf[FIRST_FLIGHT_MAX];
	struct view rest = first_flight_gather(iov, n, buf);
	struct policy_verdict v = {POLICY_DENY, REASON_NAME_MISMATCH, -1, "default", false};
	size_t may_pass = 0;

	if (!view_skip(&rest, ff->admitted))
		rest.len = 0;
	switch (retry_guest(&ff->retry, rest, &may_pass)) {
	case RETRY_WATCH:
		ff->admitted += may_pass;
		break;
	case RETRY_OVER:
		first_flight_pass(ff);
		return ff->inner->ops->push(ff->inner, iov, n);
	case RETRY_BAD:
		if (ff->flow)
			flow_refuse(ff->sb, ff->flow, &v);
		first_flight_deny(ff, FF_DENY_RST, &v, NULL, 0);
		return -EAGAIN;
	}
	return first_flight_push_admitted(ff, iov, n);
}

void first_flight_server_tls(struct first_flight *ff)
{
	if (ff->retry.over || ff->retry.asked)
		return;
	/* What breaks the rules breaks the handshake, too; what is held stays held. */
	retry_server(&ff->retry, view_make(ff->server_first, ff->server_first_n));
	if (ff->retry.over || ff->retry.asked)
		first_flight_call(ff);
}
