// SPDX-License-Identifier: Apache-2.0
/*
 * The calls of proxy.h go to the proxy of the version that the connection speaks.
 */
#include "http/proxy_priv.h"

void http_proxy_free(struct http_proxy *p)
{
	if (p)
		p->ops->free(p);
}

size_t http_proxy_input(struct http_proxy *p, enum http_side side, struct view in)
{
	return p->ops->input(p, side, in);
}

void http_proxy_input_end(struct http_proxy *p, enum http_side side)
{
	p->ops->input_end(p, side);
}

struct view http_proxy_output(const struct http_proxy *p, enum http_side side)
{
	return p->ops->output(p, side);
}

void http_proxy_sent(struct http_proxy *p, enum http_side side, size_t n)
{
	p->ops->sent(p, side, n);
}

enum http_proxy_state http_proxy_state(const struct http_proxy *p, enum http_side side)
{
	return p->ops->state(p, side);
}

bool http_proxy_idle(const struct http_proxy *p)
{
	return p->ops->idle(p);
}

void http_proxy_resume(struct http_proxy *p, struct http_exchange *x)
{
	p->ops->resume(p, x);
}

void http_proxy_run(struct http_proxy *p)
{
	p->ops->run(p);
}
