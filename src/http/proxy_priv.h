// SPDX-License-Identifier: Apache-2.0
/*
 * What the two proxies of proxy.h share: each embeds struct http_proxy as its first member and
 * answers the calls of proxy.h through a table.
 */
#ifndef WEIR_HTTP_PROXY_PRIV_H
#define WEIR_HTTP_PROXY_PRIV_H

#include "http/proxy.h"

struct http_proxy_ops { /* each as the function of proxy.h with its name */
	void (*free)(struct http_proxy *p);
	size_t (*input)(struct http_proxy *p, enum http_side side, struct view in);
	void (*input_end)(struct http_proxy *p, enum http_side side);
	struct view (*output)(const struct http_proxy *p, enum http_side side);
	void (*sent)(struct http_proxy *p, enum http_side side, size_t n);
	enum http_proxy_state (*state)(const struct http_proxy *p, enum http_side side);
	bool (*idle)(const struct http_proxy *p);
	void (*resume)(struct http_proxy *p, struct http_exchange *x);
	void (*run)(struct http_proxy *p);
};

struct http_proxy {
	const struct http_proxy_ops *ops;
	struct http_filter *filter;
	struct view scheme; /* constant */
};

/* The hooks, where there are any. */
static inline enum http_step proxy_hook_request(struct http_proxy *p, struct http_exchange *x)
{
	const struct http_filter_ops *ops = p->filter->ops;

	return ops->request ? ops->request(p->filter, x) : HTTP_GO;
}

static inline enum http_step proxy_hook_answer(struct http_proxy *p, struct http_exchange *x)
{
	const struct http_filter_ops *ops = p->filter->ops;

	return ops->answer ? ops->answer(p->filter, x) : HTTP_GO;
}

/* Without a hook the bytes go on as they came. HTTP_REFUSE with status 0 in the denial: no memory.
 */
static inline enum http_step proxy_hook_body(struct http_proxy *p, struct http_exchange *x,
					     enum http_side from, struct view in, bool end,
					     struct buf *out)
{
	const struct http_filter_ops *ops = p->filter->ops;

	if (from == HTTP_GUEST && ops->request_body)
		return ops->request_body(p->filter, x, in, end, out);
	if (from == HTTP_UPSTREAM && ops->answer_body)
		return ops->answer_body(p->filter, x, in, end, out);
	return buf_append_view(out, in) ? HTTP_GO : HTTP_REFUSE;
}

static inline enum http_step proxy_hook_trailers(struct http_proxy *p, struct http_exchange *x,
						 enum http_side from, struct http_head *trailers)
{
	const struct http_filter_ops *ops = p->filter->ops;

	if (from == HTTP_GUEST && ops->request_trailers)
		return ops->request_trailers(p->filter, x, trailers);
	if (from == HTTP_UPSTREAM && ops->answer_trailers)
		return ops->answer_trailers(p->filter, x, trailers);
	return HTTP_GO;
}

static inline void proxy_hook_refused(struct http_proxy *p, struct http_exchange *x)
{
	if (p->filter->ops->refused)
		p->filter->ops->refused(p->filter, x);
}

static inline void proxy_hook_done(struct http_proxy *p, struct http_exchange *x)
{
	if (p->filter->ops->done)
		p->filter->ops->done(p->filter, x);
}

#endif
