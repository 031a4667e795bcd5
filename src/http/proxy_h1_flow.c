// SPDX-License-Identifier: Apache-2.0
/* See proxy_h1_flow.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/proxy_h1_flow.h"

struct view flow_text(const char *s)
{
	return view_make(s, strlen(s));
}

static const char *const state_name[] = {OPEN, END, CUT};

void flow_assert_output(const struct flow *f, struct proxy_rig *r, enum http_side side,
			const char *want)
{
	static char got[200000];
	struct view v = buf_view(&r->out[side]);

	snprintf(got, sizeof(got), "%.*s%s", (int)v.len, v.p, state_name[r->state[side]]);
	if (want && strcmp(got, want) != 0)
		fail_msg("seed %u: the guest sends\n%s\nthe %s gets\n%s\nand not\n%s", r->seed,
			 f->guest, side == HTTP_GUEST ? "guest" : "upstream", got, want);
}

/* A denial's body is JSON that other tests look at: only its status line is compared. */
static void cut_denial(struct proxy_rig *r)
{
	struct buf *b = &r->out[HTTP_GUEST];
	const char *mark = "Content-Type: application/json\r\n";
	uint8_t *at = b->len ? memmem(b->mem + b->start, b->len, mark, strlen(mark)) : NULL;

	if (at)
		b->len = (size_t)(at - b->mem) - b->start;
}

void flow_run(const struct flow *f, struct proxy_rig *r, unsigned seed)
{
	*r = f->rig;
	r->seed = seed;
	r->slow = seed % 3 == 2;
	r->many_waits = seed % 4 == 3;
	r->guest = flow_text(f->guest);
	while (r->answers < 6 && f->answer[r->answers]) {
		r->answer[r->answers] = flow_text(f->answer[r->answers]);
		r->answers++;
	}
	proxy_rig_run(r, f->scheme ? f->scheme : "http");
}

void flow_assert(const struct flow *f)
{
	for (unsigned seed = 0; seed < FLOW_SEEDS; seed++) {
		struct proxy_rig r;
		flow_run(f, &r, seed);
		cut_denial(&r);
		flow_assert_output(f, &r, HTTP_UPSTREAM, f->upstream);
		flow_assert_output(f, &r, HTTP_GUEST, f->client);
		proxy_rig_done(&r);
	}
}

void flow_give(struct http_proxy *p, enum http_side side, const char *s)
{
	http_proxy_input(p, side, flow_text(s));
}

void flow_send_all(struct http_proxy *p, enum http_side side)
{
	http_proxy_sent(p, side, http_proxy_output(p, side).len);
}

void flow_assert_guest(struct http_proxy *p, const char *start, enum http_proxy_state want)
{
	struct view v = http_proxy_output(p, HTTP_GUEST);

	assert_true(v.len >= strlen(start) && memcmp(v.p, start, strlen(start)) == 0);
	assert_int_equal(http_proxy_state(p, HTTP_GUEST), want);
	assert_int_equal(http_proxy_state(p, HTTP_UPSTREAM), HTTP_PROXY_CUT);
	http_proxy_free(p);
}
