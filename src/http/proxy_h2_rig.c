// SPDX-License-Identifier: Apache-2.0
/* The two ends and the filter of proxy_h2_rig.h. */
#include "http/proxy_h2_rig.h"

#include <stdio.h>
#include <stdlib.h>

/* Fails the test, whichever program this is in. */
static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "rig: %s\n", what);
	abort();
}

static uint8_t pattern(int32_t id, uint64_t at)
{
	return (uint8_t)('a' + (at / 7 + at + (uint64_t)id) % 26);
}

/* ---- the ends ---- */

static struct rig_stream *find(struct rig_end *e, int32_t id)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->stream[i].id == id)
			return &e->stream[i];
	return NULL;
}

static struct rig_stream *add(struct rig_end *e, int32_t id)
{
	must(e->count < RIG_STREAMS, "too many streams");
	struct rig_stream *s = &e->stream[e->count++];
	*s = (struct rig_stream){.id = id, .paused = e->pauses};
	return s;
}

#define NV_MAX 1100

static size_t make_nv(const char *head, nghttp2_nv nv[NV_MAX])
{
	size_t n = 0;

	while (*head) {
		const char *end = strchr(head, '\n'), *sep = strstr(head + 1, ": ");
		must(end && sep && n < NV_MAX, "a head of the test's");
		nv[n++] = (nghttp2_nv){(uint8_t *)(uintptr_t)head, (uint8_t *)(uintptr_t)sep + 2,
				       (size_t)(sep - head), (size_t)(end - sep - 2),
				       NGHTTP2_NV_FLAG_NONE};
		head = end + 1;
	}
	return n;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct rig_stream *s = find(arg, id);
	size_t n = s->left < length ? (size_t)s->left : length;
	nghttp2_nv nv[NV_MAX];

	if (!n && s->endless)
		return NGHTTP2_ERR_DEFERRED;
	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(id, s->sent + i);
	s->sent += n;
	s->left -= n;
	if (s->left || s->endless)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (s->trailers) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, id, nv, make_nv(s->trailers, nv));
	}
	return (ssize_t)n;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct rig_end *e = arg;
	struct rig_stream *s = find(e, frame->hd.stream_id);

	if (!s)
		s = add(e, frame->hd.stream_id);
	s->blocks++;
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct rig_stream *s = find(arg, frame->hd.stream_id);
	int n = snprintf(s->head + s->head_len, RIG_TEXT - s->head_len, "%s%s: %s\n", name,
			 flags & NGHTTP2_NV_FLAG_NO_INDEX ? " !" : "", value);

	s->head_len += (size_t)n;
	if (s->head_len >= RIG_TEXT)
		s->head_len = RIG_TEXT - 1;
	return 0;
}

static uint8_t expected(const struct rig_end *e, int32_t id, uint64_t at)
{
	const struct rig *r = e->rig;
	uint8_t c = pattern(id, r->expand ? at / (unsigned)r->expand : at);

	return r->upper ? (uint8_t)(c - 'a' + 'A') : c;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t len, void *arg)
{
	struct rig_end *e = arg;
	struct rig_stream *s = find(e, id);

	for (size_t i = 0; i < len; i++) {
		/* Streams have the same numbers on both sides as long as none is refused. */
		s->bad |= data[i] != expected(e, id, s->got + i);
		if (s->got + i < sizeof(s->text) - 1)
			s->text[s->got + i] = (char)data[i];
		s->last = data[i];
	}
	s->got += len;
	if (!e->stingy)
		nghttp2_session_consume_connection(session, len);
	if (s->paused)
		s->unconsumed += len;
	else
		nghttp2_session_consume_stream(session, id, len);
	return 0;
}

void rig_unpause(struct rig_end *e, struct rig_stream *s)
{
	nghttp2_session_consume_stream(e->session, s->id, s->unconsumed);
	s->paused = false;
	s->unconsumed = 0;
}

static void answer_by_itself(struct rig_end *e, struct rig_stream *s, bool end)
{
	struct rig *r = e->rig;

	if (!e->server || r->when == RIG_NEVER || (r->when == RIG_WHEN_WHOLE && !end))
		return;
	if (s->answered)
		return;
	s->answered = true;
	rig_answer(r, s, r->answer, r->answer_len, r->answer_trailers);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct rig_end *e = arg;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct rig_stream *s = find(e, frame->hd.stream_id);

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		if (!s)
			break;
		s->end |= end;
		if (frame->hd.type == NGHTTP2_HEADERS || end)
			answer_by_itself(e, s, end);
		break;
	case NGHTTP2_SETTINGS:
		e->settings += !(frame->hd.flags & NGHTTP2_FLAG_ACK);
		break;
	case NGHTTP2_PING:
		e->pings += !!(frame->hd.flags & NGHTTP2_FLAG_ACK);
		break;
	case NGHTTP2_GOAWAY:
		e->goaway = true;
		e->goaway_code = frame->goaway.error_code;
		e->goaway_last = frame->goaway.last_stream_id;
		break;
	default:
		break;
	}
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct rig_stream *s = find(arg, id);

	if (s) {
		s->closed = true;
		s->code = code;
	}
	return 0;
}

static void make_end(struct rig *r, struct rig_end *e, bool server,
		     const nghttp2_settings_entry *settings, size_t count)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *o;

	e->rig = r;
	e->server = server;
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_option_new(&o);
	nghttp2_option_set_no_auto_window_update(o, 1);
	/* So that tests can say what is malformed. */
	nghttp2_option_set_no_http_messaging(o, 1);
	nghttp2_option_set_max_send_header_block_length(o, 1 << 20);
	if (server)
		nghttp2_session_server_new2(&e->session, cb, e, o);
	else
		nghttp2_session_client_new2(&e->session, cb, e, o);
	nghttp2_submit_settings(e->session, NGHTTP2_FLAG_NONE, settings, count);
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(cb);
}

/* ---- the filter ---- */

enum {
	REQUEST,
	REQUEST_BODY,
	REQUEST_TRAILERS,
	ANSWER,
	ANSWER_BODY,
	ANSWER_TRAILERS
};

static struct rig *rig_of(struct http_filter *f)
{
	return (struct rig *)f;
}

static enum http_step at_hook(struct rig *r, struct http_exchange *x, int which)
{
	struct rig_hook *h = &r->hook[which];

	must(x->ctx == r, "a hook of an exchange that is unknown or over");
	if (r->only && r->only != x->id)
		return HTTP_GO;
	h->calls++;
	if (h->waits) {
		h->waits--;
		must(r->waiting_count < RIG_STREAMS, "too many wait");
		r->waiting[r->waiting_count++] = x;
		return HTTP_WAIT;
	}
	if (!h->refuse)
		return HTTP_GO;
	x->denial = (struct http_denial){.status = 403, .reason = "for a test", .rule = "none"};
	return HTTP_REFUSE;
}

static enum http_step on_request(struct http_filter *f, struct http_exchange *x)
{
	struct rig *r = rig_of(f);

	if (!x->ctx) {
		x->ctx = r;
		r->open++;
	}
	enum http_step step = at_hook(r, x, REQUEST);
	if (step != HTTP_GO)
		return step;
	x->request.mode = r->request_mode;
	if (r->add_name)
		must(http_head_add(&x->request, r->add_name,
				   view_make(r->add_value, strlen(r->add_value))),
		     "a field can be added");
	if (r->path)
		must(http_head_set_path(&x->request, view_make(r->path, strlen(r->path))),
		     "a path can be set");
	return HTTP_GO;
}

static enum http_step on_answer(struct http_filter *f, struct http_exchange *x)
{
	struct rig *r = rig_of(f);
	enum http_step step = at_hook(r, x, ANSWER);

	x->answer.mode = r->answer_mode;
	return step;
}

static enum http_step on_body(struct http_filter *f, struct http_exchange *x, struct view in,
			      bool end, struct buf *out, int which)
{
	struct rig *r = rig_of(f);
	struct rig_hook *h = &r->hook[which];
	bool again = h->waited_id == x->id;
	enum http_step step = at_hook(r, x, which);

	must(!again || (h->waited_len == in.len && h->waited_end == end),
	     "a hook that waited is called with the same");
	h->waited_id = step == HTTP_WAIT ? x->id : 0;
	h->waited_len = in.len;
	h->waited_end = end;
	if (step != HTTP_GO)
		return step;
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = r->upper ? (uint8_t)(in.p[i] - 'a' + 'A') : in.p[i];
		for (int k = 0; k < (r->expand ? r->expand : 1); k++)
			buf_append(out, &c, 1);
	}
	return HTTP_GO;
}

static enum http_step on_request_body(struct http_filter *f, struct http_exchange *x,
				      struct view in, bool end, struct buf *out)
{
	return on_body(f, x, in, end, out, REQUEST_BODY);
}

static enum http_step on_answer_body(struct http_filter *f, struct http_exchange *x, struct view in,
				     bool end, struct buf *out)
{
	return on_body(f, x, in, end, out, ANSWER_BODY);
}

static enum http_step on_request_trailers(struct http_filter *f, struct http_exchange *x,
					  struct http_head *trailers)
{
	return at_hook(rig_of(f), x, REQUEST_TRAILERS);
}

static enum http_step on_answer_trailers(struct http_filter *f, struct http_exchange *x,
					 struct http_head *trailers)
{
	return at_hook(rig_of(f), x, ANSWER_TRAILERS);
}

static void on_done(struct http_filter *f, struct http_exchange *x)
{
	struct rig *r = rig_of(f);

	must(x->ctx == r, "done once");
	x->ctx = NULL;
	r->done++;
	for (size_t i = 0; i < r->waiting_count; i++)
		if (r->waiting[i] == x)
			r->waiting[i--] = r->waiting[--r->waiting_count];
}

static const struct http_filter_ops filter_ops = {
	.request = on_request,
	.request_body = on_request_body,
	.request_trailers = on_request_trailers,
	.answer = on_answer,
	.answer_body = on_answer_body,
	.answer_trailers = on_answer_trailers,
	.done = on_done,
};

/* ---- the whole ---- */

void rig_begin(struct rig *r, const nghttp2_settings_entry *client, size_t client_count,
	       const nghttp2_settings_entry *server, size_t server_count,
	       const struct http_proxy_limits *limits)
{
	r->filter.ops = &filter_ops;
	if (!r->answer)
		r->answer = ":status: 200\nserver: rig\n";
	make_end(r, &r->client, false, client, client_count);
	make_end(r, &r->server, true, server, server_count);
	r->proxy = http_proxy_h2_new(&r->filter, "https", limits);
	must(r->proxy, "a proxy");
}

void rig_end_all(struct rig *r)
{
	http_proxy_free(r->proxy);
	must(r->open == r->done, "each exchange is told to be over once");
	nghttp2_session_del(r->client.session);
	nghttp2_session_del(r->server.session);
	free(r->client.raw);
	free(r->server.raw);
}

static size_t some(struct rig *r, size_t n)
{
	if (!r->chunk || !n)
		return n;
	size_t max = r->chunk < n ? r->chunk : n;
	return r->seed ? 1 + (size_t)rand_r(&r->seed) % max : max;
}

/* What the end says, into its buffer. */
void rig_flush(struct rig_end *e)
{
	const uint8_t *p;
	ssize_t n;

	while (e->raw_len < 65536 && (n = nghttp2_session_mem_send(e->session, &p)) > 0)
		rig_raw(e, p, (size_t)n);
}

void rig_raw(struct rig_end *e, const void *p, size_t n)
{
	e->raw = realloc(e->raw, e->raw_len + n);
	must(e->raw, "memory");
	if (n)
		memcpy(e->raw + e->raw_len, p, n);
	e->raw_len += n;
}

void rig_frame(struct rig_end *e, uint8_t type, uint8_t flags, int32_t stream, const void *p,
	       size_t n)
{
	uint8_t head[9] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags};

	rig_flush(e);
	put_be32(head + 5, (uint32_t)stream);
	rig_raw(e, head, sizeof(head));
	rig_raw(e, p, n);
}

static bool say(struct rig *r, struct rig_end *e, enum http_side side)
{
	rig_flush(e);
	if (!e->raw_len || http_proxy_state(r->proxy, side) != HTTP_PROXY_OPEN)
		return false;
	/* Offered from memory of just that size, so that a look beyond is seen. */
	size_t n = some(r, e->raw_len);
	uint8_t *offer = malloc(n);
	memcpy(offer, e->raw, n);
	size_t used = http_proxy_input(r->proxy, side, view_make(offer, n));
	free(offer);
	must(used <= n, "no more is taken than was offered");
	e->raw_len -= used;
	memmove(e->raw, e->raw + used, e->raw_len);
	return used > 0;
}

static bool hear(struct rig *r, struct rig_end *e, enum http_side side)
{
	struct view v = http_proxy_output(r->proxy, side);
	size_t n = some(r, v.len);

	if (!n)
		return false;
	if (!e->failed && nghttp2_session_mem_recv(e->session, v.p, n) != (ssize_t)n)
		e->failed = true;
	http_proxy_sent(r->proxy, side, n);
	return true;
}

void rig_run(struct rig *r)
{
	bool more = true;

	for (long turns = 0; more; turns++) {
		must(turns < 20000000, "it comes to rest");
		more = say(r, &r->client, HTTP_GUEST);
		more |= say(r, &r->server, HTTP_UPSTREAM);
		size_t held = http_proxy_output(r->proxy, HTTP_GUEST).len +
			      http_proxy_output(r->proxy, HTTP_UPSTREAM).len;
		r->most = held > r->most ? held : r->most;
		if (!r->stop_server_reading)
			more |= hear(r, &r->server, HTTP_UPSTREAM);
		if (!r->stop_client_reading)
			more |= hear(r, &r->client, HTTP_GUEST);
	}
}

void rig_resume(struct rig *r)
{
	struct http_exchange *x[RIG_STREAMS];
	size_t n = r->waiting_count;

	memcpy(x, r->waiting, n * sizeof(*x));
	r->waiting_count = 0;
	for (size_t i = 0; i < n; i++)
		http_proxy_resume(r->proxy, x[i]);
	http_proxy_run(r->proxy);
}

struct rig_stream *rig_request(struct rig *r, const char *head, uint64_t len, const char *trailers)
{
	nghttp2_nv nv[NV_MAX];
	nghttp2_data_provider source = {{0}, read_body};
	int32_t id = nghttp2_submit_request(r->client.session, NULL, nv, make_nv(head, nv),
					    len || trailers ? &source : NULL, NULL);

	must(id > 0, "a request");
	struct rig_stream *s = add(&r->client, id);
	s->left = len;
	s->trailers = trailers;
	return s;
}

struct rig_stream *rig_get(struct rig *r, const char *path)
{
	char head[512];

	snprintf(head, sizeof(head),
		 ":method: GET\n:scheme: https\n:authority: a.example\n:path: %s\n", path);
	return rig_request(r, head, 0, NULL);
}

struct rig_stream *rig_served(struct rig *r, size_t i)
{
	must(i < r->server.count, "a request has come through");
	return &r->server.stream[i];
}

void rig_answer(struct rig *r, struct rig_stream *s, const char *head, uint64_t len,
		const char *trailers)
{
	nghttp2_nv nv[NV_MAX];
	nghttp2_data_provider source = {{0}, read_body};

	s->left = len;
	s->trailers = trailers;
	nghttp2_submit_response(r->server.session, s->id, nv, make_nv(head, nv),
				len || trailers || s->endless ? &source : NULL);
}

void rig_interim(struct rig *r, struct rig_stream *s, const char *head)
{
	nghttp2_nv nv[NV_MAX];

	nghttp2_submit_headers(r->server.session, NGHTTP2_FLAG_NONE, s->id, NULL, nv,
			       make_nv(head, nv), NULL);
}

void rig_more(struct rig_end *e, struct rig_stream *s, uint64_t len, bool end)
{
	s->left += len;
	s->endless = !end;
	nghttp2_session_resume_data(e->session, s->id);
}

/* ---- for tests ---- */

struct rig *rig_fresh(void)
{
	static struct rig rig;

	memset(&rig, 0, sizeof(rig));
	return &rig;
}

struct rig *rig_plain(void)
{
	struct rig *r = rig_fresh();

	rig_begin(r, NULL, 0, NULL, 0, NULL);
	return r;
}

struct rig *rig_silent(void)
{
	struct rig *r = rig_fresh();

	r->when = RIG_NEVER;
	rig_begin(r, NULL, 0, NULL, 0, NULL);
	return r;
}

void rig_check_has(const struct rig_stream *s, const char *line)
{
	if (!strstr(s->head, line))
		fail_msg("no \"%s\" in:\n%s", line, s->head);
}

void rig_check_lacks(const struct rig_stream *s, const char *line)
{
	if (strstr(s->head, line))
		fail_msg("\"%s\" in:\n%s", line, s->head);
}

void rig_check_whole(const struct rig_stream *s, uint64_t len)
{
	assert_true(s->end);
	assert_false(s->bad);
	assert_int_equal(s->got, len);
}
