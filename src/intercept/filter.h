// SPDX-License-Identifier: Apache-2.0
/*
 * What happens to each HTTP request and answer of a connection that is looked into, in this order:
 *
 * 1. the authority: the same as the connection's name (else 421), allowed by the policy (else 403);
 * 2. TRACE: 405;
 * 3. the HTTP rules of the policy's rule that allowed it (http/rules.h): 403, or 400;
 * 4. secrets (filter_secrets*.c): placeholders are found wherever they stand, replaced where they
 *    may be, and otherwise refused; answers are searched for values.
 *
 * Each verdict is an event (http, secret, deny).
 */
#ifndef WEIR_INTERCEPT_FILTER_H
#define WEIR_INTERCEPT_FILTER_H

#include "flow/flow.h"
#include "http/proxy.h"
#include "secret/holder.h"

struct filter_conn {
	struct sandbox *sb;
	struct flow *flow;              /* for events and judgement */
	const struct name *name;        /* the connection's: SNI, or empty (in the clear) */
	bool tls;                       /* the guest's side, and so the upstream's */
	bool verified;                  /* the upstream's certificate was */
	struct holder_channel *channel; /* NULL: no secrets */
	/* The exchange that said HTTP_WAIT can go on: the owner calls http_proxy_resume() and
	 * http_proxy_run() in the next turn. */
	void (*resume)(void *ctx, struct http_exchange *x);
	/* on_violation: block-and-terminate. */
	void (*terminate)(void *ctx, const char *why);
	const struct http_authority *far; /* of the tunnel that this is in; NULL: none */
	/* In place of flow_judge(), in a tunnel: what the flow leads to is a proxy. NULL: none. */
	struct policy_verdict (*judge)(void *ctx, enum policy_seen seen, const struct name *name);
	/* CONNECT for a tunnel, judged by the owner, which tells of a refusal; then that it was
	 * opened: what is said in it is not HTTP's any more. NULL: every one is refused. */
	struct policy_verdict (*connect)(void *ctx, const struct http_exchange *x);
	void (*connected)(void *ctx);
	void *ctx;
};

struct http_filter *filter_new(const struct filter_conn *c); /* copies c; NULL without memory */
void filter_free(struct http_filter *f);

/* ---- secrets (filter_secrets*.c): one record an exchange, NULL where there is nothing to do ----
 */
struct filter_secrets;
/* Before the request's head hook. NULL and *ret_ok false: without memory. */
struct filter_secrets *filter_secrets_new(const struct filter_conn *c, struct http_exchange *x,
					  bool *ret_ok);
enum http_step filter_secrets_request(struct filter_secrets *s, struct http_exchange *x);
enum http_step filter_secrets_request_body(struct filter_secrets *s, struct http_exchange *x,
					   struct view in, bool end, struct buf *out);
enum http_step filter_secrets_request_trailers(struct filter_secrets *s, struct http_exchange *x,
					       struct http_head *t);
enum http_step filter_secrets_answer(struct filter_secrets *s, struct http_exchange *x);
enum http_step filter_secrets_answer_body(struct filter_secrets *s, struct http_exchange *x,
					  struct view in, bool end, struct buf *out);
enum http_step filter_secrets_answer_trailers(struct filter_secrets *s, struct http_exchange *x,
					      struct http_head *t);
void filter_secrets_free(struct filter_secrets *s);

#endif
