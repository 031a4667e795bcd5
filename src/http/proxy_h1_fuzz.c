// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/1 proxy between a hostile guest and a hostile server. The rig reads again what comes out
 * of either side and aborts where the strict readers refuse it. Beyond that: the server never sees
 * a request that the guest's stream does not hold, and with a server that is silent the pieces make
 * no difference.
 *
 * The first bytes choose the modes, the hooks and the pieces, and how much of the rest is the
 * guest's; the server's part falls into one answer for each request at "\n~\n".
 */
#include <stdlib.h>

#include "http/proxy_h1_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void split_answers(struct proxy_rig *r, struct view in)
{
	while (in.len && r->answers < RIG_ANSWERS_MAX) {
		const uint8_t *mark = memmem(in.p, in.len, "\n~\n", 3);
		size_t n = mark ? (size_t)(mark - in.p) : in.len;
		view_take(&in, n, &r->answer[r->answers++]);
		view_skip(&in, 3);
	}
}

/* Heads in the guest's stream: no server switches to anything. */
static unsigned count_requests(struct view in)
{
	struct h1 *h = h1_new();
	unsigned n = 0;
	enum h1_event e;

	must(h);
	do {
		size_t used;
		e = h1_read(h, in, &used);
		view_skip(&in, used);
		if (e == H1_HEAD)
			n++;
		else if (e == H1_WAIT)
			h1_stay(h);
	} while (e != H1_MORE && e != H1_ERROR);
	h1_free(h);
	return n;
}

static struct proxy_rig *set_up(const uint8_t *data, size_t size)
{
	struct proxy_rig *r = calloc(1, sizeof(*r));
	size_t n = (size_t)data[3] << 8 | data[4];

	must(r);
	r->request_mode = (enum http_body_mode)(data[0] & 3);
	r->answer_mode = (enum http_body_mode)(data[0] >> 2 & 3);
	r->refuse = (enum rig_hook)(data[0] >> 4) % (RIG_ANSWER_TRAILERS + 1);
	r->seed = data[1];
	r->slow = data[2] & 1;
	r->many_waits = data[2] & 2;
	r->early = data[2] & 4;
	r->eager = data[2] & 8;
	r->guest_end = data[2] & 16;
	r->server_end = data[2] & 32;
	r->refuse_after = data[2] >> 6;
	if (n > size - 5)
		n = size - 5;
	r->guest = view_make(data + 5, n);
	split_answers(r, view_make(data + 5 + n, size - 5 - n));
	return r;
}

static void free_rig(struct proxy_rig *r)
{
	proxy_rig_done(r);
	free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 5 || size > 20000)
		return 0;
	struct proxy_rig *r = set_up(data, size);
	proxy_rig_run(r, data[2] & 1 ? "https" : "http");
	must(r->asked_count <= count_requests(r->guest));
	if (!r->answers && !r->server_end && !r->request_mode && !r->many_waits && r->seed) {
		struct proxy_rig *other = set_up(data, size);
		other->seed = 0;
		proxy_rig_run(other, data[2] & 1 ? "https" : "http");
		struct view a = buf_view(&r->out[HTTP_UPSTREAM]);
		struct view b = buf_view(&other->out[HTTP_UPSTREAM]);
		must(a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
		must(r->state[0] == other->state[0] && r->state[1] == other->state[1]);
		free_rig(other);
	}
	free_rig(r);
	return 0;
}
