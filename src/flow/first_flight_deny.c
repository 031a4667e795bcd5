// SPDX-License-Identifier: Apache-2.0
/*
 * What a refused guest is told: a TLS alert, an HTTP answer, or a reset.
 *
 * The reply follows what the server has said before, so what the guest has on its way of that is
 * copied in front of it, and the upstream is cut off.
 */
#include <stdlib.h>

#include "flow/first_flight_priv.h"
#include "http/deny.h"
#include "tls/alert.h"

#define COPY_MAX 65536 /* of the server's bytes; more on their way: reset instead */

static void reset_soon(struct first_flight *ff)
{
	free(ff->reply);
	ff->reply = NULL;
	ff->reply_len = 0;
	if (ff->inner)
		ff->inner->ops->reset(ff->inner);
	ff->inner = NULL;
	ff->state = FF_DENIED;
	ff->end.watches = false;
	first_flight_call(ff);
}

static size_t write_h2(const struct first_flight *ff, const struct http_denial *d, uint8_t *buf)
{
	uint32_t stream = h2_request(ff->h2)->stream;
	size_t n = h2_server_began(ff->h2) ? 0 : http_h2_settings(buf);

	n += http_deny_h2(d, stream, h2_client_table(ff->h2), buf + n);
	n += http_h2_goaway(stream, buf + n);
	return n;
}

/* Room for three of the longest pieces. */
#define REPLY_MAX (3 * HTTP_DENY_MAX)

static bool write_reply(struct first_flight *ff, enum ff_denial how, const struct http_denial *d)
{
	ff->reply = malloc(REPLY_MAX);
	if (!ff->reply)
		return false;
	if (how == FF_DENY_TLS) {
		struct view alert = tls_alert_access_denied();
		memcpy(ff->reply, alert.p, alert.len);
		ff->reply_len = alert.len;
	} else if (how == FF_DENY_H1) {
		ff->reply_len = http_deny_h1(d, ff->reply);
	} else {
		ff->reply_len = write_h2(ff, d, ff->reply);
	}
	return true;
}

/* Puts what the guest has on its way of the server's in front of the reply. */
static bool keep_shown(struct first_flight *ff)
{
	size_t n = ff->shown;
	uint8_t *whole;

	if (n > COPY_MAX || !(whole = malloc(n + ff->reply_len)))
		return false;
	struct iovec iov = {whole, n};
	if (n && ff->inner->ops->peek(ff->inner, 0, &iov, 1) != (ssize_t)n) {
		free(whole);
		return false;
	}
	memcpy(whole + n, ff->reply, ff->reply_len);
	free(ff->reply);
	ff->reply = whole;
	ff->reply_len += n;
	return true;
}

void first_flight_cut(struct first_flight *ff)
{
	if (ff->unreadable || !keep_shown(ff)) {
		reset_soon(ff);
		return;
	}
	ff->inner->ops->reset(ff->inner);
	ff->inner = NULL;
	ff->state = FF_DENIED;
	ff->end.watches = false;
	ff->end.eof_near = true;
	timer_set(&ff->sb->loop->wheel, &ff->patience, ff->sb->loop->now_us + FIRST_FLIGHT_US);
	first_flight_call(ff);
}

void first_flight_deny(struct first_flight *ff, enum ff_denial how, const struct policy_verdict *v,
		       const struct http_authority *authority, int status)
{
	struct http_denial d = {.status = status};

	if (v) {
		const char *why = v->reason == REASON_HTTP_RULE && ff->h1 ? h1_error(ff->h1) : NULL;
		d.reason = why ? why : policy_reason_name(v->reason);
		d.rule = v->rule_text;
	}
	if (authority && authority->name.len)
		d.name = view_make(authority->name.s, authority->name.len);
	if (ff->h1 && status == 403)
		d.head = h1_head(ff->h1)->method.len == 4 &&
			 memcmp(h1_head(ff->h1)->method.p, "HEAD", 4) == 0;
	if (how == FF_DENY_RST || ff->unreadable || !write_reply(ff, how, &d)) {
		reset_soon(ff);
		return;
	}
	ff->state = FF_DENYING;
	if (how == FF_DENY_TLS || first_flight_may_deny(ff))
		first_flight_cut(ff);
	else
		timer_set(&ff->sb->loop->wheel, &ff->patience,
			  ff->sb->loop->now_us + FIRST_FLIGHT_US);
}
