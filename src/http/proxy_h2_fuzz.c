// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes on both sides of the HTTP/2 proxy. The input is a script: two bytes say which side, how
 * many bytes of the rest it sends (and now and then: that it ends, that hooks wait, that outputs
 * are not taken). A peer that is not under the fuzzer's eye is helped to the start of a connection,
 * so that the bytes need not find out the preface first.
 *
 * Held: what is taken is no more than what was offered; the output of the proxy is always HTTP/2
 * that nghttp2 can read from its first byte on; each exchange is over once; memory stays bounded.
 */
#include <stdlib.h>

#include "http/proxy_h2_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- a filter that does what the input says ---- */

static struct {
	uint8_t mode, waits, refuses; /* bits: one a hook */
	unsigned count;
	int open;
	struct http_exchange *waiting[256];
	size_t waiting_count;
} told;

static enum http_step step(struct http_exchange *x, int hook)
{
	must(x->ctx == &told);
	if ((told.waits >> hook & 1) && told.count++ % 2 && told.waiting_count < 256) {
		told.waiting[told.waiting_count++] = x;
		return HTTP_WAIT;
	}
	if (!(told.refuses >> hook & 1) || told.count++ % 4)
		return HTTP_GO;
	x->denial = (struct http_denial){.status = 403, .reason = "fuzz"};
	return HTTP_REFUSE;
}

static enum http_step on_request(struct http_filter *f, struct http_exchange *x)
{
	if (!x->ctx)
		told.open++;
	x->ctx = &told;
	x->request.mode = told.mode & 3;
	return step(x, 0);
}

static enum http_step on_answer(struct http_filter *f, struct http_exchange *x)
{
	x->answer.mode = told.mode >> 2 & 3;
	return step(x, 1);
}

static enum http_step body(struct http_exchange *x, const struct http_head *h, struct view in,
			   struct buf *out, int hook)
{
	enum http_step s = step(x, hook);

	if (s != HTTP_GO)
		return s;
	buf_append_view(out, in);
	if (h->mode != HTTP_BODY_SAME)
		buf_append_view(out, in);
	return HTTP_GO;
}

static enum http_step on_request_body(struct http_filter *f, struct http_exchange *x,
				      struct view in, bool end, struct buf *out)
{
	return body(x, &x->request, in, out, 2);
}

static enum http_step on_answer_body(struct http_filter *f, struct http_exchange *x, struct view in,
				     bool end, struct buf *out)
{
	return body(x, &x->answer, in, out, 3);
}

static enum http_step on_request_trailers(struct http_filter *f, struct http_exchange *x,
					  struct http_head *t)
{
	return step(x, 4);
}

static enum http_step on_answer_trailers(struct http_filter *f, struct http_exchange *x,
					 struct http_head *t)
{
	return step(x, 5);
}

static void on_done(struct http_filter *f, struct http_exchange *x)
{
	must(x->ctx == &told);
	x->ctx = NULL;
	told.open--;
	for (size_t i = 0; i < told.waiting_count; i++)
		if (told.waiting[i] == x)
			told.waiting[i--] = told.waiting[--told.waiting_count];
}

static const struct http_filter_ops ops = {
	.request = on_request,
	.request_body = on_request_body,
	.request_trailers = on_request_trailers,
	.answer = on_answer,
	.answer_body = on_answer_body,
	.answer_trailers = on_answer_trailers,
	.done = on_done,
};

/* ---- the ends ---- */

static const char preface[] = HTTP_H2_PREFACE "\0\0\0\4\0\0\0\0\0";
#define SETTINGS_LEN 9

static void offer(struct http_proxy *p, enum http_side side, const void *bytes, size_t n)
{
	/* In memory of just that size, so that a look beyond is seen. */
	uint8_t *copy = malloc(n ? n : 1);

	must(copy);
	memcpy(copy, bytes, n);
	for (size_t at = 0; at < n;) {
		size_t used = http_proxy_input(p, side, view_make(copy + at, n - at));
		must(used <= n - at);
		if (!used)
			break;
		at += used;
	}
	free(copy);
}

/* Reads what goes to a side, and gives its frames no chance to be wrong. */
static void take(struct http_proxy *p, enum http_side side, nghttp2_session *reader)
{
	struct view v = http_proxy_output(p, side);

	if (v.len && nghttp2_session_want_read(reader))
		must(nghttp2_session_mem_recv(reader, v.p, v.len) >= 0);
	http_proxy_sent(p, side, v.len);
}

static void resume(struct http_proxy *p)
{
	struct http_exchange *x[256];
	size_t n = told.waiting_count;

	memcpy(x, told.waiting, n * sizeof(*x));
	told.waiting_count = 0;
	for (size_t i = 0; i < n; i++)
		http_proxy_resume(p, x[i]);
	http_proxy_run(p);
}

static void check(struct http_proxy *base)
{
	struct h2p *p = container_of(base, struct h2p, base);

	for (int i = 0; i < 2; i++) {
		must(p->side[i].out.len <= 3 * HTTP_PROXY_HIGH);
		must(p->side[i].queued <= H2P_QUEUE_MAX + 4 * H2P_SLICE);
	}
	must(p->stream_count <= p->limit && list_empty(&p->work));
}

static void play(struct http_proxy *p, const uint8_t *data, size_t size, nghttp2_session *reader[2])
{
	while (size >= 2) {
		enum http_side side = data[0] & 1 ? HTTP_UPSTREAM : HTTP_GUEST;
		size_t n = data[1] | (size_t)(data[0] >> 5) << 8;
		uint8_t what = data[0] >> 1 & 15;
		data += 2;
		size -= 2;
		if (n > size)
			n = size;
		offer(p, side, data, n);
		data += n;
		size -= n;
		if (what == 15)
			http_proxy_input_end(p, side);
		if (what == 14)
			resume(p);
		if (what != 13)
			for (int i = 0; i < 2; i++)
				take(p, (enum http_side)i, reader[i]);
		check(p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_filter filter = {&ops};
	const struct http_proxy_limits limits = {.streams = 8};
	nghttp2_session_callbacks *cb;
	nghttp2_session *reader[2];

	if (size < 4)
		return 0;
	memset(&told, 0, sizeof(told));
	told.mode = data[0];
	told.waits = data[1];
	told.refuses = data[2];
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_client_new(&reader[HTTP_GUEST], cb, NULL);
	nghttp2_session_server_new(&reader[HTTP_UPSTREAM], cb, NULL);
	nghttp2_session_callbacks_del(cb);
	struct http_proxy *p = http_proxy_h2_new(&filter, "https", &limits);
	must(p);
	if (!(data[3] & 1)) {
		offer(p, HTTP_GUEST, preface, sizeof(preface) - 1);
		offer(p, HTTP_UPSTREAM, preface + HTTP_H2_PREFACE_LEN, SETTINGS_LEN);
	}
	play(p, data + 4, size - 4, reader);
	http_proxy_free(p);
	must(told.open == 0);
	nghttp2_session_del(reader[0]);
	nghttp2_session_del(reader[1]);
	return 0;
}
