// SPDX-License-Identifier: Apache-2.0
/*
 * The two sessions: their limits, their SETTINGS, and what nghttp2 calls back for.
 *
 * A callback that finds its connection at fault ends the session, which makes nghttp2 ignore the
 * rest; one that finds no memory fails, which ends both connections.
 */
#include "http/proxy_h2_priv.h"

#include <malloc.h>
#include <stdlib.h>

/* ---- memory of the upstream's session, which the values of secrets go through ---- */

static void *wiped_malloc(size_t n, void *arg)
{
	return malloc(n);
}

static void *wiped_calloc(size_t n, size_t size, void *arg)
{
	return calloc(n, size);
}

static void wiped_free(void *p, void *arg)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void *wiped_realloc(void *p, size_t n, void *arg)
{
	void *to = malloc(n);

	if (to && p) {
		size_t had = malloc_usable_size(p);
		memcpy(to, p, had < n ? had : n);
		wiped_free(p, arg);
	}
	return to;
}

/* ---- bytes that go out ---- */

static struct h2p_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static enum http_side side_of(const struct h2p *p, const nghttp2_session *session)
{
	return session == p->side[HTTP_GUEST].session ? HTTP_GUEST : HTTP_UPSTREAM;
}

ssize_t h2p_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
		 nghttp2_data_source *source, void *arg)
{
	struct h2p *p = arg;
	struct h2p_stream *s = source->ptr;
	struct h2p_way *w = &s->way[h2p_other(side_of(p, session))];
	size_t n = w->out.len < length ? w->out.len : length, count;

	if (n == 0 && w->state != H2P_DONE) {
		w->sleeping = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n < w->out.len || w->state != H2P_DONE)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (w->trailers.fields.count) {
		const nghttp2_nv *nv = h2p_fields_write(p, &w->trailers.fields, &count);
		if (!nv || nghttp2_submit_trailer(session, id, nv, count) != 0)
			return NGHTTP2_ERR_CALLBACK_FAILURE;
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	}
	return (ssize_t)n;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
			size_t length, nghttp2_data_source *source, void *arg)
{
	struct h2p *p = arg;
	enum http_side to = side_of(p, session), from = h2p_other(to);
	struct h2p_side *side = &p->side[to];
	struct h2p_stream *s = source->ptr;
	struct h2p_way *w = &s->way[from];
	uint8_t *at = buf_room(&side->out, H2_FRAME_HLEN + length);

	if (!at)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	memcpy(at, head, H2_FRAME_HLEN);
	if (length) {
		memcpy(at + H2_FRAME_HLEN, buf_view(&w->out).p, length);
		buf_take(&w->out, length);
	}
	buf_added(&side->out, H2_FRAME_HLEN + length);
	h2p_guard_data_sent(side);
	h2p_way_count(p, s, from);
	h2p_stream_work(p, s);
	/* Else nghttp2 would go on until it has nothing more to send. */
	return side->out.len < HTTP_PROXY_HIGH ? 0 : NGHTTP2_ERR_PAUSE;
}

/* ---- frames that went out, or did not ---- */

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2p *p = arg;

	if (side_of(p, session) != HTTP_GUEST || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
		return 0;
	struct h2p_stream *s = stream_of(session, frame->hd.stream_id);
	if (s)
		h2p_stream_answered(p, s);
	return 0;
}

static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
			     void *arg)
{
	struct h2p *p = arg;

	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	struct h2p_stream *s = stream_of(session, frame->hd.stream_id);
	if (!s)
		return 0;
	/* A request that was not sent is closed by nghttp2, an answer is not. */
	if (side_of(p, session) == HTTP_GUEST)
		h2p_stream_reset(p, s, HTTP_GUEST, NGHTTP2_INTERNAL_ERROR);
	else
		s->too_late |= error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED;
	return 0;
}

/* ---- heads ---- */

/* Answers share the connection evenly, whatever the guest says (RFC 9218). */
static void take_turns(nghttp2_session *session, int32_t id)
{
	nghttp2_extpri pri = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

	nghttp2_session_change_extpri_stream_priority(session, id, &pri, 1);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2p *p = arg;
	struct h2p_side *side = &p->side[side_of(p, session)];

	http_fields_clear(&side->block);
	side->block_size = 0;
	side->block_bad = false;
	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (p->stream_count >= p->limit) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
					  NGHTTP2_REFUSED_STREAM);
		if (!h2p_guard_reset(side))
			h2p_end(p, HTTP_GUEST, NGHTTP2_ENHANCE_YOUR_CALM);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	struct h2p_stream *s = h2p_stream_new(p, frame->hd.stream_id);
	if (!s)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
	take_turns(session, s->id[HTTP_GUEST]);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct h2p *p = arg;
	struct h2p_side *side = &p->side[side_of(p, session)];

	/* The rest of a head that is too long is read for the sake of the table only. */
	if (!side->block_bad &&
	    !h2p_head_field(side, view_make(name, name_len), view_make(value, value_len)))
		side->block_bad = true;
	return 0;
}

/* ---- SETTINGS ---- */

/*
 * They come in two frames, which are sent together: nghttp2 wants the first before anything has
 * come, and the second says what the other side's have brought.
 */
static bool submit_first(struct h2p *p)
{
	const nghttp2_settings_entry guest[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, p->limit},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_TEXT_MAX},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	const nghttp2_settings_entry upstream[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_TEXT_MAX},
	};

	return nghttp2_submit_settings(p->side[HTTP_GUEST].session, NGHTTP2_FLAG_NONE, guest, 3) ==
		       0 &&
	       nghttp2_submit_settings(p->side[HTTP_UPSTREAM].session, NGHTTP2_FLAG_NONE, upstream,
				       2) == 0;
}

static size_t put_streams(struct h2p *p, nghttp2_settings_entry *e)
{
	uint32_t theirs =
		nghttp2_session_get_remote_settings(p->side[HTTP_UPSTREAM].session,
						    NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	/* An upstream that allows none now may later; the requests wait for that here. */
	if (!p->side[HTTP_UPSTREAM].heard || theirs == 0 || theirs >= p->limit)
		return 0;
	*e = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, theirs};
	return 1;
}

static size_t put_connect(struct h2p *p, nghttp2_settings_entry *e)
{
	if (p->connect ||
	    !nghttp2_session_get_remote_settings(p->side[HTTP_UPSTREAM].session,
						 NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL))
		return 0;
	p->connect = true;
	*e = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
	return 1;
}

static void submit_settings(struct h2p *p, enum http_side side, const nghttp2_settings_entry *e,
			    size_t n)
{
	if (n && nghttp2_submit_settings(p->side[side].session, NGHTTP2_FLAG_NONE, e, n) != 0)
		p->no_memory = true;
}

void h2p_start(struct h2p *p, enum http_side side)
{
	nghttp2_settings_entry e[3];
	size_t n = 0;

	p->side[side].started = true;
	p->side[side].initial = h2p_flow_initial(p, side);
	if (p->side[side].initial != NGHTTP2_INITIAL_WINDOW_SIZE)
		e[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
						  p->side[side].initial};
	if (side == HTTP_GUEST) {
		n += put_streams(p, e + n);
		n += put_connect(p, e + n);
	}
	submit_settings(p, side, e, n);
}

/* Those of the upstream that follow its first. */
static void settings_again(struct h2p *p)
{
	nghttp2_settings_entry e[1];

	submit_settings(p, HTTP_GUEST, e, put_connect(p, e));
}

/* ---- frames that came ---- */

/* Windows that the peer has changed for all streams. */
static void look_at_all(struct h2p *p)
{
	list_for_each (n, &p->streams)
		h2p_stream_work(p, container_of(n, struct h2p_stream, all));
}

static void settings_came(struct h2p *p, enum http_side from)
{
	p->side[from].heard = true;
	if (!p->side[h2p_other(from)].started)
		h2p_start(p, h2p_other(from));
	else if (from == HTTP_UPSTREAM)
		settings_again(p);
	look_at_all(p);
}

/* The streams that the upstream will still answer go on; those it will not are closed by nghttp2.
 * The guest is told the highest of the former; what it has sent since, it may send elsewhere. */
static void upstream_is_going(struct h2p *p, const nghttp2_goaway *g)
{
	struct h2p_side *guest = &p->side[HTTP_GUEST];
	int32_t last = p->served;

	list_for_each (n, &p->streams) {
		struct h2p_stream *s = container_of(n, struct h2p_stream, all);
		s->too_late |= s->id[HTTP_UPSTREAM] > g->last_stream_id;
		bool served = s->id[HTTP_UPSTREAM] ? !s->too_late : s->answered;
		if (served && s->id[HTTP_GUEST] > last)
			last = s->id[HTTP_GUEST];
	}
	p->side[HTTP_UPSTREAM].going = true;
	if (!guest->started)
		h2p_start(p, HTTP_GUEST);
	nghttp2_submit_goaway(guest->session, NGHTTP2_FLAG_NONE, last, g->error_code, NULL, 0);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
	struct h2p *p = arg;
	enum http_side from = side_of(p, session);

	if (!h2p_guard_frame(&p->side[from], hd))
		h2p_end(p, from, NGHTTP2_ENHANCE_YOUR_CALM);
	return 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2p *p = arg;
	enum http_side from = side_of(p, session);
	struct h2p_stream *s = frame->hd.stream_id ? stream_of(session, frame->hd.stream_id) : NULL;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		if (s)
			h2p_way_block(p, s, from, end);
		break;
	case NGHTTP2_DATA:
		if (s && end) {
			s->way[from].in_end = true;
			h2p_way_run(p, s, from);
		}
		break;
	case NGHTTP2_RST_STREAM:
		if (s)
			s->reset[from] = true;
		break;
	case NGHTTP2_SETTINGS:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			look_at_all(p);
		else
			settings_came(p, from);
		break;
	case NGHTTP2_GOAWAY:
		p->side[from].going = true;
		if (from == HTTP_UPSTREAM)
			upstream_is_going(p, &frame->goaway);
		break;
	case NGHTTP2_WINDOW_UPDATE:
		if (s)
			h2p_stream_work(p, s);
		break;
	default:
		break;
	}
	return p->no_memory ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t len, void *arg)
{
	struct h2p *p = arg;
	struct h2p_stream *s = stream_of(session, id);

	if (s)
		h2p_way_data(p, s, side_of(p, session), view_make(data, len));
	return p->no_memory ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct h2p *p = arg;
	enum http_side side = side_of(p, session);
	struct h2p_stream *s = stream_of(session, id);

	if (!s)
		return 0;
	/* Also where we did the resetting: the guest can make us (RFC 9113 10.5). */
	if (side == HTTP_GUEST && code != NGHTTP2_NO_ERROR && !s->answered &&
	    !h2p_guard_reset(&p->side[side]))
		h2p_end(p, side, NGHTTP2_ENHANCE_YOUR_CALM);
	h2p_stream_closed(p, s, side, code);
	return 0;
}

/* ---- sessions ---- */

static void set_callbacks(nghttp2_session_callbacks *cb)
{
	nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_send);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
}

static void set_options(nghttp2_option *o)
{
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	/* Of those that come before the upstream has read that we want none. */
	nghttp2_option_set_max_reserved_remote_streams(o, 0);
	nghttp2_option_set_max_outbound_ack(o, H2P_ACKS);
	nghttp2_option_set_max_settings(o, H2P_SETTINGS);
	nghttp2_option_set_max_continuations(o, H2P_CONTINUATIONS);
	nghttp2_option_set_max_deflate_dynamic_table_size(o, H2_TABLE);
	nghttp2_option_set_max_send_header_block_length(o, H2P_BLOCK_SEND);
	/* Beyond our own (proxy_h2_guard.c), which says so with the right code. */
	nghttp2_option_set_stream_reset_rate_limit(o, 4000, 400);
}

bool h2p_sessions_new(struct h2p *p)
{
	nghttp2_mem mem = {NULL, wiped_malloc, wiped_free, wiped_calloc, wiped_realloc};
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *options = NULL;
	bool ok = false;

	if (nghttp2_session_callbacks_new(&cb) == 0 && nghttp2_option_new(&options) == 0) {
		set_callbacks(cb);
		set_options(options);
		ok = nghttp2_session_server_new2(&p->side[HTTP_GUEST].session, cb, p, options) ==
			     0 &&
		     nghttp2_session_client_new3(&p->side[HTTP_UPSTREAM].session, cb, p, options,
						 &mem) == 0 &&
		     submit_first(p);
	}
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(options);
	return ok;
}

void h2p_end(struct h2p *p, enum http_side side, uint32_t code)
{
	if (!p->side[side].started)
		h2p_start(p, side);
	if (nghttp2_session_terminate_session(p->side[side].session, code) != 0)
		p->no_memory = true;
}
